"""Static files: answer what lies in one folder, and nothing that lies outside.

The rules, each a stage of its own:

1. The name is judged as text, with the eyes of every operating system at once (``_is_safe_name``): what would leave the
   folder on Windows is refused on Linux too, so that a site behaves the same wherever it runs.
2. Then the disk is asked, in a thread. A file must be its own real path: this one comparison refuses symbolic links,
   junctions and short names (``PROGRA~1``), of the file and of every folder on the way.
3. Only a regular file is ever opened: opening a fifo waits for its writer, reading a device may never end.
4. ``web.FileResponse`` does conditions, ranges, HEAD and sendfile. Here are added the right media type, ``Vary``, and
   ``Cache-Control``: ``immutable`` for the URL that carries the hash of the present content, else "ask me again".
"""

import asyncio
import base64
import hashlib
import mimetypes
import os
import re
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from functools import lru_cache
from html import escape
from itertools import islice
from pathlib import Path
from stat import S_ISDIR, S_ISREG
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, unquote

from aiohttp import hdrs, web
from aiohttp.abc import AbstractStreamWriter

from webkit.errors import ConfigError, did_you_mean
from webkit.types import STATIC, Route

if TYPE_CHECKING:
    from webkit.application import Application

__all__ = ["Static"]

# Control characters are in no honest name. A backslash separates folders on Windows; a colon begins a drive (C:)
# or an alternate data stream (file.txt::$DATA), which would give the source of a file under another media type.
_FORBIDDEN: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\\:]")
# Windows opens the device whatever folder and extension the name has: "sub/nul.txt" is NUL.
_DEVICE: Final = re.compile(r"(?i:con|prn|aux|nul|conin\$|conout\$|clock\$|(?:com|lpt)[0-9¹²³])")
_VERSION: Final = re.compile(r"[A-Za-z0-9_-]{16}")
_ZERO_WEIGHT: Final = re.compile(r"q=0(?:\.0{0,3})?")

# What the web is made of, so that the answer does not depend on what the machine has installed. The standard
# library's built-in table stands behind it; a MimeTypes of one's own does not read the system's files.
_MEDIA_TYPES: Final = mimetypes.MimeTypes().types_map[True] | {
    ".aac": "audio/aac",
    ".apng": "image/apng",
    ".atom": "application/atom+xml",
    ".avif": "image/avif",
    ".css": "text/css",
    ".csv": "text/csv",
    ".flac": "audio/flac",
    ".gif": "image/gif",
    ".gz": "application/gzip",
    ".htm": "text/html",
    ".html": "text/html",
    ".ico": "image/x-icon",
    ".ics": "text/calendar",
    ".jpeg": "image/jpeg",
    ".jpg": "image/jpeg",
    ".js": "text/javascript",
    ".json": "application/json",
    ".jsonld": "application/ld+json",
    ".jxl": "image/jxl",
    ".m4a": "audio/mp4",
    ".m4v": "video/mp4",
    ".map": "application/json",
    ".md": "text/markdown",
    ".mjs": "text/javascript",
    ".mov": "video/quicktime",
    ".mp3": "audio/mpeg",
    ".mp4": "video/mp4",
    ".oga": "audio/ogg",
    ".ogg": "audio/ogg",
    ".ogv": "video/ogg",
    ".opus": "audio/ogg",
    ".otf": "font/otf",
    ".pdf": "application/pdf",
    ".png": "image/png",
    ".rss": "application/rss+xml",
    ".svg": "image/svg+xml",
    ".ttf": "font/ttf",
    ".txt": "text/plain",
    ".vtt": "text/vtt",
    ".wasm": "application/wasm",
    ".wav": "audio/wav",
    ".weba": "audio/webm",
    ".webm": "video/webm",
    ".webmanifest": "application/manifest+json",
    ".webp": "image/webp",
    ".woff": "font/woff",
    ".woff2": "font/woff2",
    ".xhtml": "application/xhtml+xml",
    ".xml": "application/xml",
    ".zip": "application/zip",
}

# The siblings that FileResponse looks for, in its order: site.css.br, then site.css.gz.
_SIBLINGS: Final = {"br": ".br", "gzip": ".gz"}
# A file this young may change once more without its time stamp moving.
_SETTLED_NS: Final = 2_000_000_000
_SUGGESTIONS_FROM: Final = 1000
# No honest name has its percent signs encoded over and over; each level costs a pass over the name.
_DECODED_AT_MOST: Final = 4


def _is_safe_name(path: str) -> bool:
    """Say whether *path* names something public inside a folder, on every operating system.

    *path* is relative, its percent-encoding already undone, its separator ``/``: ``"css/site.css"``. Refused are
    also hidden names (but the folder ``.well-known``) and what is unsafe when it is decoded once more.
    """
    for _ in range(_DECODED_AT_MOST):
        first, *rest = path.split("/")
        if _FORBIDDEN.search(path) or not (first == ".well-known" or _is_safe_segment(first)):
            return False
        if not all(map(_is_safe_segment, rest)):
            return False
        # Whoever decodes twice, a proxy or a tool of the future, must not find a way out either.
        path, before = unquote(path), path
        if path == before:
            return True
    return False


def _is_safe_segment(segment: str) -> bool:
    # Empty is an absolute path or "//"; a leading dot is "..", "." or hidden. Windows drops dots and spaces at
    # the end, so "site.css." would be a second name for a file, and ".. " another way up.
    if not segment or segment.startswith(".") or segment.endswith((".", " ")):
        return False
    return _DEVICE.fullmatch(segment.partition(".")[0].rstrip(" ")) is None


def _media_type(file: Path) -> str:
    """Give the value of Content-Type for *file*."""
    media_type = _MEDIA_TYPES.get(file.suffix.lower(), "application/octet-stream")
    # XML and SVG are left out: they declare their encoding themselves, and the header would overrule it.
    is_text = media_type.startswith("text/") or media_type.endswith(("/json", "+json"))
    return f"{media_type}; charset=utf-8" if is_text else media_type


def _accepts(accept_encoding: str, coding: str) -> bool:
    """Say whether the header's value names *coding* without the weight zero, which means "never"."""
    for item in accept_encoding.lower().split(","):
        name, _, weight = item.partition(";")
        if name.strip() in (coding, f"x-{coding}"):
            return not _ZERO_WEIGHT.fullmatch(weight.replace(" ", ""))
    return False


def _siblings_of(file: Path, status: os.stat_result) -> dict[str, bool]:
    """Give ``{"gzip": True}`` for each precompressed sibling; false for one that is older than *file*."""
    siblings = {}
    for coding, suffix in _SIBLINGS.items():
        with suppress(OSError):
            sibling = file.with_name(file.name + suffix).lstat()
            if S_ISREG(sibling.st_mode):
                # Whole seconds: archives and copies round.
                siblings[coding] = int(sibling.st_mtime) >= int(status.st_mtime)
    return siblings


def _content_version(file: Path, status: os.stat_result) -> str:
    """Give 16 URL-safe characters of the SHA-256 of the content; blocks while it reads.

    Raises:
        OSError: the file cannot be read.
    """
    if 0 <= time.time_ns() - status.st_mtime_ns < _SETTLED_NS:
        return _read_version(file)
    return _cached_version(file, status.st_mtime_ns, status.st_size, status.st_ino)


def _read_version(file: Path) -> str:
    with file.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").digest()
    return base64.urlsafe_b64encode(digest[:12]).decode()


@lru_cache(maxsize=4096)
def _cached_version(file: Path, mtime_ns: int, size: int, inode: int) -> str:
    """Read *file* once for each state of it; the other arguments are only the key."""
    return _read_version(file)


class _FileAnswer(web.FileResponse):
    """A file whose compressed siblings and whose caching are held to the rules of HTTP."""

    def __init__(self, file: Path, headers: dict[str, str], accept_encoding: str | None) -> None:
        """Answer with *file*; *accept_encoding* takes the place of the request's header unless it is ``None``."""
        super().__init__(file, headers=headers)
        self.narrowed_encoding = accept_encoding

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        """Send the head and the file."""
        if self.narrowed_encoding is not None:
            # FileResponse takes "gzip;q=0" for a wish and a stale sibling for the file, and looks for both in the
            # request alone. A request whose body was read cannot be cloned: that one gets FileResponse's choice.
            with suppress(RuntimeError):
                headers = request.headers.copy()
                headers[hdrs.ACCEPT_ENCODING] = self.narrowed_encoding
                request = request.clone(headers=headers)
        return await super().prepare(request)

    def set_status(self, status: int, reason: str | None = None) -> None:
        """Set the status; a refusal (412, 416, a file that has just vanished) is never kept for a year."""
        super().set_status(status, reason)
        if status >= 400:
            self.headers[hdrs.CACHE_CONTROL] = "no-cache"


class Static:
    """The files of one folder: ``app.mount("/static", Static("static"))``.

    Symbolic links are refused unless *follow_symlinks*, folders are not listed unless *show_index*, hidden files are
    never answered but those in ``.well-known``. *name* is the name of the route; a second ``Static`` in one
    application needs one of its own.

    Raises:
        ConfigError: *folder* is not there, or no folder.
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        *,
        follow_symlinks: bool = False,
        show_index: bool = False,
        name: str = "static",
    ) -> None:
        self.folder = _resolve_folder(folder)
        self.follow_symlinks = follow_symlinks
        self.show_index = show_index
        self.name = name
        self._resource: Any = None

    def routes(self) -> Iterator[Route]:
        """Give GET and HEAD for the files, and for the folder itself where folders are listed."""
        yield Route("GET", "/{path:path}", self.serve, name=self.name)
        yield Route("HEAD", "/{path:path}", self.serve)
        if self.show_index:
            yield Route("GET", "/", self.serve)
            yield Route("HEAD", "/", self.serve)

    def setup(self, app: "Application") -> None:
        """Let ``static()`` in templates give URLs of this folder, when no other was mounted before."""
        # By the route itself, because a mount may give it another name, and an application below one of the same.
        own = (route for route in app.router.routes() if getattr(route, "endpoint", None) == self.serve)
        self._resource = next((route.resource for route in own), None)
        if STATIC not in app:
            app[STATIC] = self

    def url(self, app: "Application", filename: str) -> str:
        """Give the URL of *filename* with the hash of its content: ``"/static/site.css?v=PNW8XWZ0bfJR4oCh"``.

        Blocks while it asks the disk, and reads a file that it has not seen in its present state.

        Raises:
            ConfigError: the folder has no such file, or never answers it.
        """
        found = self._find(filename)
        if found is None or not S_ISREG(found[1].st_mode):
            near = did_you_mean(filename, islice(self._filenames(), _SUGGESTIONS_FROM))
            raise ConfigError(
                f"{filename!r} is no file that is served from {str(self.folder)!r}.{near} Write its path from that "
                f"folder on, with '/' and without '..'; hidden files are never served, symbolic links only if asked."
            )
        if self._resource is None:
            raise ConfigError(f"{self.folder} is not mounted: app.mount('/static', Static(...)) gives it its URLs.")
        return str(self._resource.url_for(path=filename).with_query(v=_content_version(*found)))

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """Answer with the file that the path names.

        Raises:
            web.HTTPNotFound: there is none, or it is not for the public.
            web.HTTPFound: it is a folder that is listed, and the slash at its end is missing.
        """
        return await asyncio.to_thread(self._answer, request)

    def _answer(self, request: web.Request) -> web.StreamResponse:
        """Do what ``serve`` promises; blocks while it asks the disk."""
        path = request.match_info.get("path", "")
        found = self._find(path.removesuffix("/"))
        if found is None:
            raise web.HTTPNotFound
        full, status = found
        if S_ISREG(status.st_mode) and not path.endswith("/"):
            version, accept_encoding = request.query.get("v", ""), request.headers.get(hdrs.ACCEPT_ENCODING, "")
            return _answer_file(full, status, version, accept_encoding)
        if not S_ISDIR(status.st_mode) or not self.show_index:
            raise web.HTTPNotFound
        if not request.path.endswith("/"):
            # Relative: the browser knows what stands before this folder, proxies and mounts included.
            raise web.HTTPFound(f"./{request.rel_url.raw_name}/")
        try:
            entries = self._list(path.removesuffix("/"), full)
        except OSError as error:
            raise web.HTTPNotFound from error
        return _answer_listing(path, entries)

    def _find(self, name: str) -> tuple[Path, os.stat_result] | None:
        """Give full path and status of *name* (``""`` is the folder itself), or ``None``; blocks."""
        if name and not _is_safe_name(name):
            return None
        full = self.folder / name
        # A ValueError is a name that the file system's encoding does not know.
        with suppress(OSError, ValueError):
            if self.follow_symlinks or Path(os.path.realpath(full)) == full:
                return full, full.stat()
        return None

    def _filenames(self) -> Iterator[str]:
        """Give the names of the files below the folder, hidden ones left out, as ``url`` takes them; blocks."""
        for parent, folders, files in os.walk(self.folder):
            folders[:] = sorted(name for name in folders if not name.startswith("."))
            for file in sorted(files):
                if _is_safe_segment(file):
                    yield Path(parent, file).relative_to(self.folder).as_posix()

    def _list(self, name: str, full: Path) -> list[str]:
        """Give what is answered in the folder *name*, sorted, folders with a slash at the end; blocks."""
        entries = []
        for entry in sorted(path.name for path in full.iterdir()):
            found = self._find(f"{name}/{entry}" if name else entry)
            if found is not None and S_ISDIR(found[1].st_mode):
                entries.append(f"{entry}/")
            elif found is not None and S_ISREG(found[1].st_mode):
                entries.append(entry)
        return entries


def _resolve_folder(folder: str | os.PathLike[str]) -> Path:
    """Give the real path of *folder*, or raise ``ConfigError``."""
    # Once, at the start: a later os.chdir() must not move the site.
    real = Path(os.path.realpath(folder))
    if not real.is_dir():
        problem = "is no folder" if real.exists() else "does not exist"
        raise ConfigError(
            f"Static({os.fspath(folder)!r}): {str(real)!r} {problem} (the current folder is {str(Path.cwd())!r}). "
            f"Create it, or write Path(__file__).parent / {real.name!r} to look beside your module."
        )
    return real


def _answer_file(full: Path, status: os.stat_result, version: str, accept_encoding: str) -> web.StreamResponse:
    """Answer with the file *full*, kept for a year where *version* is that of its content; blocks."""
    headers = {
        hdrs.CONTENT_TYPE: _media_type(full),
        hdrs.CACHE_CONTROL: "no-cache",
        "X-Content-Type-Options": "nosniff",
    }
    if _VERSION.fullmatch(version):
        with suppress(OSError):
            if version == _content_version(full, status):
                headers[hdrs.CACHE_CONTROL] = "public, max-age=31536000, immutable"
    siblings = _siblings_of(full, status)
    if siblings:
        # FileResponse says so only when it sends a sibling: a cache that got the plain file first must know too.
        headers[hdrs.VARY] = hdrs.ACCEPT_ENCODING
    taken = [coding for coding in siblings if coding in accept_encoding.lower()]
    right = [coding for coding in taken if siblings[coding] and _accepts(accept_encoding, coding)]
    return _FileAnswer(full, headers, None if taken == right else ", ".join(right))


def _answer_listing(path: str, entries: Iterable[str]) -> web.Response:
    """Answer with a page of links to *entries*, which lie in the folder *path*."""
    title = escape(f"Index of /{path}")
    up = ["../"] if path.strip("/") else []
    items = "\n".join(f'<li><a href="./{quote(entry)}">{escape(entry)}</a></li>' for entry in [*up, *entries])
    page = (
        f'<!doctype html>\n<html lang="en">\n<head><meta charset="utf-8"><title>{title}</title></head>\n'
        f"<body>\n<h1>{title}</h1>\n<ul>\n{items}\n</ul>\n</body>\n</html>\n"
    )
    headers = {hdrs.CACHE_CONTROL: "no-cache", "X-Content-Type-Options": "nosniff"}
    return web.Response(text=page, content_type="text/html", headers=headers)
