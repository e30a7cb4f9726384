"""What aiohttp's server calls for each request: it gets an id, and goes to its route.

That is the way through aiohttp's application and router, which ask the table of webkit's routes among others. Where
they have no others to ask, the table is asked here, and what it does not know at once goes on to them. All goes on to
them where a package has put functions of its own in their place, to see every request, as Sentry does.
"""

import re
from collections.abc import Awaitable, Callable
from types import MethodType
from typing import Any, Final

from aiohttp import web

from webkit._aiohttp import give_match
from webkit.requests import APPLICATION, REQUEST_ID, new_request_id

__all__ = ["RequestHandler", "make_dispatcher"]

RequestHandler = Callable[[Any], Awaitable[web.StreamResponse]]

# What a proxy may say of a request; anything else is not passed on to logs and pages.
_REQUEST_ID: Final = re.compile(r"[A-Za-z0-9._:/+=-]{1,128}")


def make_dispatcher(app: web.Application, handle: RequestHandler, header: str | None) -> RequestHandler:
    """Give what serves the requests of *app*, which is frozen; *handle* is aiohttp's way to do that.

    The id of a request is a new one, or what a trusted proxy has put into *header*.
    """
    table = app[APPLICATION].table if APPLICATION in app else None
    if not (_is_aiohttps(handle) and _is_aiohttps(app.router.resolve)):
        table = None

    # PERF: no coroutines, which would be one more for each request.
    def dispatch(request: web.Request, number: str | None = None) -> Awaitable[web.StreamResponse]:
        request[REQUEST_ID] = number or new_request_id()
        if table is None or not table.is_alone:
            return handle(request)
        path = request.rel_url.path_safe
        match = table.find_at_once(request, path)
        if match is None:  # a match is a mapping, and mostly an empty one
            match = table.find_or_miss(request, path)
        if match is None:
            return handle(request)
        match.add_app(app)
        match.freeze()
        give_match(request, match)
        return match.table_route.run(request, match)

    def dispatch_numbered(request: web.Request) -> Awaitable[web.StreamResponse]:
        given = request.headers.get(header or "", "")
        return dispatch(request, given if _REQUEST_ID.fullmatch(given) else None)

    return dispatch if header is None else dispatch_numbered


def _is_aiohttps(method: Any) -> bool:
    """Whether *method* is what aiohttp has written: what stands in for it may look like it in all but this."""
    return type(method) is MethodType and method.__func__.__globals__["__name__"].startswith("aiohttp.")
