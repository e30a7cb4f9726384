"""URLs of static files by name, as templates and handlers ask for them: ``static_url(request, "site.css")``."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from aiohttp import web

from webkit.errors import ConfigError, did_you_mean
from webkit.requests import APPLICATION
from webkit.types import STATIC, StaticUrls

if TYPE_CHECKING:
    from webkit.application import Application

__all__ = ["FOLDERS", "static_url"]

#: The folders that are mounted in an application, by the names of their routes.
FOLDERS: Final[web.AppKey[dict[str, StaticUrls]]] = web.AppKey("webkit.static.folders", dict)


def static_url(where: "Application | web.Request", filename: str, name: str | None = None) -> str:
    """Give the URL of the static file *filename* with the hash of its content.

    It is looked for in the folder *name*: the name of the ``Static`` or of its mount, here ``"media"`` for
    ``app.mount("/media", Static("uploads", name="media"))``; without one in the folder that was mounted first. *where*
    is an application, or a request: then the applications around it are asked, the innermost first.

    Raises:
        ConfigError: there is no such folder, or no such file in it.
    """
    known: list[str] = []
    for app in _apps_of(where):
        folders = app.get(FOLDERS, {})
        folder = app.get(STATIC) if name is None else folders.get(name)
        if folder is not None:
            # Its routes are known where it was mounted, and nowhere else for certain.
            return folder.url(app[APPLICATION], filename)
        known.extend(folders)
    if not known:
        raise ConfigError(
            f"static({filename!r}): no static files are mounted. Write app.mount('/static', Static('static')) in this "
            "application or in one around it."
        )
    raise ConfigError(
        f"static({filename!r}, name={name!r}): no static files are mounted under this name, but under "
        f"{', '.join(map(repr, known))}.{did_you_mean(str(name), known)}"
    )


def _apps_of(where: "Application | web.Request") -> Iterable[web.Application]:
    if not isinstance(where, web.BaseRequest):
        return (where.aiohttp,)
    apps = where.match_info.apps
    return reversed(apps[: apps.index(where.app) + 1])
