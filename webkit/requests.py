"""Requests: the webkit application around one, URLs by name as seen from it, and the media type that it asks for."""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import chain
from typing import TYPE_CHECKING, Any, Final

from aiohttp import web
from yarl import URL

from webkit.errors import NoSuchRoute, did_you_mean
from webkit.negotiation import choose_media_type
from webkit.responses import redirect

if TYPE_CHECKING:
    from webkit.application import Application

__all__ = [
    "APPLICATION",
    "REQUEST_ID",
    "accepts",
    "add_query",
    "application_of",
    "build_url",
    "new_request_id",
    "redirect_to",
    "routers_of",
    "url_for",
    "url_of",
]

#: Where a wrapped ``web.Application`` keeps the webkit application that wraps it.
APPLICATION: "Final[web.AppKey[Application]]" = web.AppKey("webkit.application")

#: The id of a request, in its log line and in the reference of a 500.
REQUEST_ID: "Final[web.RequestKey[str]]" = web.RequestKey("webkit.request_id", str)

_IDS_MADE: Final = 256
_ids: Final[list[str]] = []
if hasattr(os, "register_at_fork"):  # not on Windows
    # Parent and child must not give the same ones.
    os.register_at_fork(after_in_child=_ids.clear)


def _make_ids() -> list[str]:
    # PERF: the kernel is called, and text is made, once for many ids.
    _ids[:] = os.urandom(8 * _IDS_MADE).hex(" ", 8).split(" ")
    return _ids


#: Gives an id that no other request of any process has: 16 hexadecimal digits.
new_request_id: Final[Callable[[], str]] = chain.from_iterable(iter(_make_ids, None)).__next__


def application_of(request: web.Request) -> "Application":
    """Give the innermost webkit application around *request*, as seen from where it is asked.

    Raises:
        LookupError: no webkit application takes part in this request.
    """
    apps = request.match_info.apps
    for position in range(apps.index(request.app), -1, -1):
        application = apps[position].get(APPLICATION)
        if application is not None:
            return application
    raise LookupError("No webkit application is around this request; it was routed by a plain web.Application.")


def accepts(request: web.Request, /, *media_types: str) -> str | None:
    """Give the one of *media_types* that the client likes best, as its ``Accept`` says; ``None`` if it takes none.

    Wildcards, parameters and weights count, the first named wins where they tie, and a client that says nothing takes
    anything. An answer that was chosen so says ``Vary: Accept``, or a cache would give it to everybody.

    Raises:
        ValueError: nothing is offered, or something that is no media type.
    """
    lines = request.headers.getall("Accept", ())
    return choose_media_type(", ".join(lines), media_types)


def url_for(request: web.Request, name: str, /, *, query: Mapping[str, Any] | str | None = None, **parts: Any) -> URL:
    """Give the URL of the route *name*: looked up in the application of *request*, then from the root.

    *query* is a mapping or a string; *parts* are the parameters of the path, of any type their converters take.

    Raises:
        NoSuchRoute: no route has this name, or its path has other parameters.
        RouteError: a value does not fit its parameter.
    """
    try:
        own = application_of(request).aiohttp
    except LookupError:
        own = request.app
    return build_url(routers_of(own, request.match_info.apps[0]), name, query, parts)


def redirect_to(
    request: web.Request, name: str, /, *, status: int = 303, query: Mapping[str, Any] | str | None = None, **parts: Any
) -> web.StreamResponse:
    """Answer with a redirect to the route *name* (see :func:`url_for`); 303 makes the browser GET it."""
    return redirect(url_for(request, name, query=query, **parts), status=status)


def routers_of(*apps: web.Application) -> Iterator[Mapping[str, web.AbstractResource]]:
    """Give what knows the names of *apps*: for each its router, and what is mounted while it serves."""
    for app in apps:
        yield app.router
        if (application := app.get(APPLICATION)) is not None:
            yield application.hot_names


def build_url(
    routers: Iterable[Mapping[str, web.AbstractResource]],
    name: str,
    query: Mapping[str, Any] | str | None,
    parts: Mapping[str, Any],
) -> URL:
    """Give the URL of the route *name* in the first of *routers* that knows it."""
    known: list[str] = []
    for router in routers:
        if name in router:
            return add_query(url_of(router[name], parts), query)
        known.extend(router)
    hint = did_you_mean(name, known)
    raise NoSuchRoute(f"No route is named {name!r}.{hint} `python -m webkit --routes ...` lists them.")


def url_of(resource: web.AbstractResource, parts: Mapping[str, Any]) -> URL:
    """Give the URL of *resource*; the parts may be numbers and the like where it is aiohttp's too.

    Raises:
        NoSuchRoute: a parameter is missing, or one is given that the path does not have.
        RouteError: a value does not fit its parameter.
    """
    if hasattr(resource, "template"):
        return resource.url_for(**parts)
    # A resource of aiohttp's own takes text only, and does not encode the prefix that it was mounted under.
    texts: dict[str, Any] = {name: part if isinstance(part, bool) else str(part) for name, part in parts.items()}
    try:
        return URL(str(resource.url_for(**texts)))
    except (KeyError, TypeError):
        given = ", ".join(parts) or "none"
        raise NoSuchRoute(f"The path {resource.canonical!r} has other parameters; given were {given}.") from None


def add_query(url: URL, query: Mapping[str, Any] | str | None) -> URL:
    """Give *url* with *query*, whose leading ``?`` may be there."""
    if isinstance(query, str):
        query = query.removeprefix("?")
    return url.with_query(query) if query else url
