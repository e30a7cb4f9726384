"""The wall of pictures: whoever passes by may hang one up, and see how far it is on its way.

What a file is, its bytes must show; it is kept under a name of ours, and shown as a picture and nothing else.
"""

import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from aiohttp import web

from examples.showcase import notices
from examples.showcase.drafts import LIMITS, tidy_line
from webkit import Application, Form, Limits, Problem, Upload, View, accepts, json_response
from webkit.errors import HTTPNotFound
from webkit.forms import read_form

#: How many pictures fit on the wall: the oldest comes down when another one goes up.
MOST_PICTURES = 24
MOST_BYTES = 5 * 2**20
SUFFIXES = {"image/png": ".png", "image/jpeg": ".jpg", "image/gif": ".gif", "image/webp": ".webp"}

_LIMITS = Limits(body=MOST_BYTES + 2**16, file=MOST_BYTES, files=1, fields=8, field=1024, types=tuple(SUFFIXES))
_HEADERS = {
    # SECURITY: even if a browser takes a file for a page, it is one without scripts, and of another site. The styles
    # are those of the browser's own page around a picture.
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; sandbox",
    "Cache-Control": "max-age=31536000, immutable",
}
_WRONG = {
    413: "That picture is larger than {most_mib} MiB.",
    415: "That is no picture which browsers can show: take PNG, JPEG, GIF or WebP.",
}


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture on the wall; *name* is that of its file, *caption* what is to be seen."""

    name: str
    caption: str


@dataclass(slots=True)
class Wall:
    """The pictures, the newest first; their files lie in *folder*."""

    folder: Path
    pictures: list[Picture] = field(default_factory=list)

    async def hang(self, upload: Upload, caption: str) -> Picture:
        """Keep *upload*, and let go of what there is no more room for."""
        picture = Picture(secrets.token_hex(16) + SUFFIXES[upload.media_type], caption)
        await upload.save(self.folder / picture.name)
        self.pictures.insert(0, picture)
        while len(self.pictures) > MOST_PICTURES:
            (self.folder / self.pictures.pop().name).unlink()  # a small file: it takes no time
        return picture

    def find(self, name: str) -> Path | None:
        """Give the file of the picture *name*; only names that we have given are ever looked for."""
        return next((self.folder / known.name for known in self.pictures if known.name == name), None)


WALL = web.AppKey("wall", Wall)


def add_to(app: Application) -> None:
    """Add the wall to *app*; it is bare again when the server has stopped."""
    app.add_view("/pictures", Pictures, name="pictures", limits=_LIMITS)
    app.add_get("/pictures/{name}", send_picture, name="picture")
    app.cleanup_ctx.append(_keep_folder)


async def _keep_folder(app: Application) -> AsyncIterator[None]:
    with TemporaryDirectory(prefix="corkboard-") as folder:
        app[WALL] = Wall(Path(folder))
        yield


class Pictures(View):
    """The wall, and the form to hang up another picture."""

    async def get(self) -> web.StreamResponse:
        """Show the wall."""
        return await self._show()

    async def post(self) -> web.StreamResponse:
        """Hang the picture up; to the script of the page say where it can be seen, and to browsers without, show it."""
        try:
            form = await read_form(self.request)
        except Problem as problem:
            if problem.status not in _WRONG:
                raise
            return await self._refuse(problem.status, _WRONG[problem.status].format(most_mib=MOST_BYTES // 2**20))
        caption, fault = check(form)
        if fault:
            return await self._refuse(422, fault, caption)
        await self.app[WALL].hang(form.files["picture"], caption)
        if self._is_script:
            answer = json_response({"location": str(self.url_for("pictures"))}, status=201)
            return notices.leave(answer, "hung")
        return notices.leave(self.redirect_to("pictures"), "hung")

    @property
    def _is_script(self) -> bool:
        return accepts(self.request, "text/html", "application/json") == "application/json"

    async def _refuse(self, status: int, fault: str, caption: str = "") -> web.StreamResponse:
        if self._is_script:
            raise Problem(status, detail=fault)
        return await self._show(status=status, fault=fault, caption=caption)

    async def _show(self, *, status: int = 200, fault: str = "", caption: str = "") -> web.StreamResponse:
        pictures = self.app[WALL].pictures
        limits = {"caption": LIMITS["title"], "bytes": MOST_BYTES}
        return await self.render(
            "pictures.html", status=status, pictures=pictures, fault=fault, caption=caption, limits=limits
        )


def check(form: Form) -> tuple[str, str]:
    """Give the caption, and what is wrong with the form; nothing where the picture may go up."""
    caption = tidy_line(form.get("caption"))
    if "picture" not in form.files:
        return caption, "Choose a picture first."
    if not caption:
        return caption, "Say what is to be seen, for those who cannot see it."
    if len(caption) > LIMITS["title"]:
        return caption, f"That is {len(caption)} characters; {LIMITS['title']} fit below a picture."
    return caption, ""


async def send_picture(request: web.Request, name: str) -> web.StreamResponse:
    """Send the file of a picture."""
    path = request.app[WALL].find(name)
    if path is None:
        raise HTTPNotFound
    return web.FileResponse(path, headers=_HEADERS)
