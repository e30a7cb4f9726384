"""Static files: answer what lies in one folder, and nothing that lies outside.

The rules, each a stage of its own:

1. The name is judged as text, with the eyes of every operating system at once (``webkit.filenames``).
2. Then the disk is asked, in a thread. A file must be its own real path: this one comparison refuses symbolic links,
   junctions and short names (``PROGRA~1``), of the file and of every folder on the way.
3. Only a regular file is ever opened: opening a fifo waits for its writer, reading a device may never end.
4. A compressed copy beside the file takes its place for clients that accept it (``webkit.codings``), unless it is
   older. Every answer about a file that has a copy says ``Vary: Accept-Encoding``.
5. Conditions and ranges are judged by ``webkit.ranges``, and the answer is sent by ``webkit.files``. Here are added
   the media type and ``Cache-Control``: ``immutable`` for the URL that carries the hash of the present content, else
   "ask me again".
"""

import asyncio
import os
import re
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from functools import lru_cache
from html import escape
from itertools import islice, product
from pathlib import Path
from stat import S_ISDIR, S_ISREG
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote
from weakref import WeakKeyDictionary

from aiohttp import hdrs, web

from webkit.codings import CODINGS, choose_coding, is_copy
from webkit.errors import ConfigError, did_you_mean
from webkit.filenames import is_safe_name, list_names, resolve_folder
from webkit.files import answer_file
from webkit.manifest import MANIFEST_NAME, Entry, hash_file, read_manifest
from webkit.mediatypes import content_type_of
from webkit.staticurls import FOLDERS, static_url
from webkit.types import STATIC, Route

if TYPE_CHECKING:
    from webkit.application import Application

__all__ = ["Static", "static_url"]

_VERSION: Final = re.compile(r"[A-Za-z0-9_-]{16}")
# A file this young may change once more without its time stamp moving.
_SETTLED_NS: Final = 2_000_000_000
_SUGGESTIONS_FROM: Final = 1000


class Static:
    """The files of one folder: ``app.mount("/static", Static("static"))``.

    Symbolic links are refused unless *follow_symlinks*, hidden files are never answered but those in ``.well-known``.

    Args:
        folder: what is served; a relative path starts where the program was started.
        follow_symlinks: answer what symbolic links lead to, wherever that is.
        show_index: answer a folder with a list of what lies in it.
        index: the file that answers for its folder, such as ``"index.html"``; it goes before the list.
        name: the name of the route; a second ``Static`` in one application needs one of its own.
        manifest: what ``webkit static build`` has written; that in *folder*, if there is one, if not given.

    Raises:
        ConfigError: *folder* is not there, or no folder; *index* is no file name; the manifest is not there, or none.
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        *,
        follow_symlinks: bool = False,
        show_index: bool = False,
        index: str | None = None,
        name: str = "static",
        manifest: str | os.PathLike[str] | None = None,
    ) -> None:
        self.folder = resolve_folder(folder, "Static")
        self.follow_symlinks = follow_symlinks
        self.show_index = show_index
        self.index = _check_index(index)
        self.name = name
        self._entries = _read_entries(self.folder, manifest)
        self._resources: WeakKeyDictionary[Application, Any] = WeakKeyDictionary()

    def routes(self) -> Iterator[Route]:
        """Give GET and HEAD for the files, and for the folder itself where folders are answered."""
        yield Route("GET", "/{path:path}", self.serve, name=self.name)
        yield Route("HEAD", "/{path:path}", self.serve, name=self.name)
        if self.show_index or self.index:
            # Without the slash, too: that one redirects.
            for path, method in product(("/", ""), ("GET", "HEAD")):
                yield Route(method, path, self.serve)

    def setup(self, app: "Application") -> None:
        """Let ``static()`` in templates give URLs of this folder: by its name, and without one if it is the first."""
        # By the route itself, because a mount may give it another name, and an application below one of the same.
        own = (route for route in app.router.routes() if getattr(route, "endpoint", None) == self.serve)
        resource = next((route.resource for route in own), None)
        if resource is not None:
            self._resources[app] = resource
            folders = app.get(FOLDERS, {})
            # app.mount("/media", Static("uploads"), name="media") names the route "media:static".
            for name in (resource.name or self.name, (resource.name or "").removesuffix(f":{self.name}")):
                folders.setdefault(name, self)
            app[FOLDERS] = folders
        if STATIC not in app:
            app[STATIC] = self

    def url(self, app: "Application", filename: str) -> str:
        """Give the URL of *filename* with the hash of its content: ``"/static/site.css?v=PNW8XWZ0bfJR4oCh"``.

        *app* is the application in which the folder is mounted. Blocks while it asks the disk, and reads a file that it
        has not seen in its present state.

        Raises:
            ConfigError: the folder has no such file, or never answers it; or it is not mounted in *app*.
        """
        found = self._find(filename)
        if found is None or not S_ISREG(found[1].st_mode):
            near = did_you_mean(filename, islice(list_names(self.folder), _SUGGESTIONS_FROM))
            raise ConfigError(
                f"{filename!r} is no file that is served from {str(self.folder)!r}.{near} Write its path from that "
                f"folder on, with '/' and without '..'; hidden files are never served, symbolic links only if asked."
            )
        resource = self._resources.get(app)
        if resource is None:
            raise ConfigError(f"{self.folder} is not mounted: app.mount('/static', Static(...)) gives it its URLs.")
        return str(resource.url_for(path=filename).with_query(v=self._version_of(filename, *found)))

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """Answer with the file that the path names.

        Raises:
            web.HTTPNotFound: there is none, or it is not for the public.
            web.HTTPFound: it is a folder that is answered, and the slash at its end is missing.
            web.HTTPException: a condition or a range of the request leads to a refusal.
        """
        return await asyncio.to_thread(self._answer, request)

    def _answer(self, request: web.Request) -> web.StreamResponse:
        """Do what ``serve`` promises; blocks while it asks the disk."""
        path = request.match_info.get("path", "")
        name = path.removesuffix("/")
        found = self._find(name)
        if found is None:
            raise web.HTTPNotFound
        if S_ISREG(found[1].st_mode) and not path.endswith("/"):
            return self._answer_file(request, name, *found)
        if not S_ISDIR(found[1].st_mode):
            raise web.HTTPNotFound
        return self._answer_folder(request, name, found[0])

    def _answer_file(self, request: web.Request, name: str, full: Path, status: os.stat_result) -> web.StreamResponse:
        """Answer with the file *full*, kept for a year where the URL has the version of its content; blocks."""
        headers: dict[str, str] = {
            hdrs.CONTENT_TYPE: content_type_of(full),
            hdrs.CACHE_CONTROL: "no-cache",
            "X-Content-Type-Options": "nosniff",
        }
        version = request.query.get("v", "")
        if _VERSION.fullmatch(version):
            with suppress(OSError):
                if version == self._version_of(name, full, status):
                    headers[hdrs.CACHE_CONTROL] = "public, max-age=31536000, immutable"
        copies = _copies_of(full, status)
        if copies:
            headers[hdrs.VARY] = hdrs.ACCEPT_ENCODING
            accepted = ",".join(request.headers.getall(hdrs.ACCEPT_ENCODING, ()))
            coding = choose_coding(accepted, [coding for coding, is_fresh in copies.items() if is_fresh])
            if coding is not None:
                headers[hdrs.CONTENT_ENCODING] = coding
                full = full.with_name(full.name + CODINGS[coding])
        return answer_file(request, full, headers)

    def _answer_folder(self, request: web.Request, name: str, full: Path) -> web.StreamResponse:
        """Answer with the index of the folder *full*, or the list of what lies in it; blocks."""
        index = f"{name}/{self.index}".lstrip("/") if self.index else ""
        found = self._find(index) if index else None
        has_index = found is not None and S_ISREG(found[1].st_mode)
        if not has_index and not self.show_index:
            raise web.HTTPNotFound
        if not request.path.endswith("/"):
            # Relative: the browser knows what stands before this folder, proxies and mounts included.
            query = f"?{request.rel_url.raw_query_string}" if request.rel_url.raw_query_string else ""
            raise web.HTTPFound(f"./{request.rel_url.raw_name}/{query}")
        if found is not None and has_index:
            return self._answer_file(request, index, *found)
        try:
            return _answer_listing(name, self._list(name, full))
        except OSError as error:
            raise web.HTTPNotFound from error

    def _find(self, name: str) -> tuple[Path, os.stat_result] | None:
        """Give full path and status of *name* (``""`` is the folder itself), or ``None``; blocks."""
        if name and not is_safe_name(name):
            return None
        full = self.folder / name
        # A ValueError is a name that the file system's encoding does not know.
        with suppress(OSError, ValueError):
            if self.follow_symlinks or Path(os.path.realpath(full)) == full:
                return full, full.stat()
        return None

    def _version_of(self, name: str, full: Path, status: os.stat_result) -> str:
        """Give the hash of the content of *name*; blocks (``OSError``)."""
        entry = self._entries.get(name)
        if entry is not None and entry.is_of(status):
            return entry.hash
        if 0 <= time.time_ns() - status.st_mtime_ns < _SETTLED_NS:
            return hash_file(full)
        return _hash_once(full, status.st_mtime_ns, status.st_size, status.st_ino)

    def _list(self, name: str, full: Path) -> list[str]:
        """Give what is answered in the folder *name*, sorted, folders with a slash at the end; blocks."""
        entries = []
        present = {path.name for path in full.iterdir()}
        for entry in sorted(present):
            found = self._find(f"{name}/{entry}" if name else entry)
            if found is not None and S_ISDIR(found[1].st_mode):
                entries.append(f"{entry}/")
            elif found is not None and S_ISREG(found[1].st_mode) and not is_copy(entry, present):
                entries.append(entry)
        return entries


def _check_index(index: str | None) -> str | None:
    if index is not None and ("/" in index or not is_safe_name(index)):
        raise ConfigError(f"Static(index={index!r}): write the name of a file without its folder, 'index.html'.")
    return index


def _read_entries(folder: Path, manifest: str | os.PathLike[str] | None) -> Mapping[str, Entry]:
    file = folder / MANIFEST_NAME if manifest is None else Path(manifest)
    if manifest is not None and not file.is_file():
        raise ConfigError(
            f"Static(manifest={os.fspath(manifest)!r}): there is no such file. `python -m webkit static build "
            f"{folder.name}` writes {MANIFEST_NAME} into the folder, where it is found without being named."
        )
    return read_manifest(file)


@lru_cache(maxsize=4096)
def _hash_once(file: Path, mtime_ns: int, size: int, inode: int) -> str:
    """Read *file* once for each state of it; the other arguments are only the key."""
    return hash_file(file)


def _copies_of(file: Path, status: os.stat_result) -> dict[str, bool]:
    """Give ``{"gzip": True}`` for each compressed copy beside *file*; false for one that is older."""
    copies = {}
    for coding, suffix in CODINGS.items():
        with suppress(OSError):
            copy = file.with_name(file.name + suffix).lstat()
            if S_ISREG(copy.st_mode):
                # Whole seconds: archives and copies round.
                copies[coding] = int(copy.st_mtime) >= int(status.st_mtime)
    return copies


def _answer_listing(name: str, entries: Iterable[str]) -> web.Response:
    """Answer with a page of links to *entries*, which lie in the folder *name*."""
    title = escape(f"Index of /{name}{'/' if name else ''}")
    up = ["../"] if name else []
    items = "\n".join(f'<li><a href="./{quote(entry)}">{escape(entry)}</a></li>' for entry in [*up, *entries])
    page = (
        f'<!doctype html>\n<html lang="en">\n<head><meta charset="utf-8"><title>{title}</title></head>\n'
        f"<body>\n<h1>{title}</h1>\n<ul>\n{items}\n</ul>\n</body>\n</html>\n"
    )
    headers = {hdrs.CACHE_CONTROL: "no-cache", "X-Content-Type-Options": "nosniff"}
    return web.Response(text=page, content_type="text/html", headers=headers)
