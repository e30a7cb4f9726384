"""Pictures from a browser: their type is checked by their bytes, and how far an upload is can be asked for.

Run:  python -m webkit -p 8080 examples.uploads:init
See:  a browser on localhost:8080, or curl -F picture=@photo.jpg localhost:8080/pictures
"""

from collections.abc import AsyncIterator
from pathlib import Path
from tempfile import TemporaryDirectory

from aiohttp import web

from webkit import Application, Form, Limits, UploadProgress, html, uploads
from webkit.errors import HTTPNotFound
from webkit.responses import Response

PICTURES = Limits(
    body=50 * 2**20, file=10 * 2**20, files=5, types=("image/png", "image/jpeg", "image/gif"), sha256=True
)
ARCHIVES = Limits(body=2**40, types=("application/zip", "application/gzip"))
FOLDER = web.AppKey("folder", Path)

PAGE = """<!doctype html>
<title>Pictures</title>
<form method="post" action="/pictures" enctype="multipart/form-data">
  <input name="caption" placeholder="Caption"> <input type="file" name="picture" accept="image/*" multiple required>
  <button>Send</button>
</form>"""


async def show_form() -> Response:
    return html(PAGE)


async def take_pictures(request: web.Request, form: Form) -> list[dict[str, str]]:
    """Keep small files: they were read, and judged, before this is called. A hash is a name that nobody can choose."""
    saved = []
    for picture in form.files.getall("picture"):
        name = f"{picture.sha256}.{picture.media_type.removeprefix('image/')}"
        await picture.save(request.app[FOLDER] / name, overwrite=True)
        saved.append({"name": picture.safe_name, "url": f"/pictures/{name}"})
    return saved


async def take_archive(request: web.Request) -> dict[str, int]:
    """Keep files of any size, as they arrive."""
    sizes = {}
    async for part in uploads(request):
        if part.filename is not None:
            await part.save(request.app[FOLDER] / "archive", overwrite=True)
            sizes[part.name] = part.size
    return sizes


async def send_picture(request: web.Request, name: str) -> web.FileResponse:
    path = request.app[FOLDER] / name
    if not path.is_file():
        raise HTTPNotFound
    # What strangers have sent is never a page of this site, whatever a browser takes it for.
    return web.FileResponse(path, headers={"X-Content-Type-Options": "nosniff", "Content-Security-Policy": "sandbox"})


async def keep_folder(app: Application) -> AsyncIterator[None]:
    with TemporaryDirectory() as folder:
        app[FOLDER] = Path(folder)
        yield


def init(argv: list[str]) -> Application:
    """Make the application."""
    app = Application()
    app.cleanup_ctx.append(keep_folder)
    app.get("/")(show_form)
    app.post("/pictures", limits=PICTURES)(take_pictures)
    app.post("/archives", limits=ARCHIVES)(take_archive)
    app.get("/pictures/{name:[0-9a-f]{64}[.](?:png|jpeg|gif)}")(send_picture)
    app.mount("/progress", UploadProgress())
    return app
