"""Asking a router without a server: the request is as the parser makes it, the answer is plain values."""

from collections.abc import Coroutine, Mapping
from dataclasses import dataclass
from functools import cache, partial
from typing import Any, TypeVar

from aiohttp import web
from aiohttp.test_utils import make_mocked_request
from yarl import URL

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Found:
    """What a router says to a request: 200 with handler and parameters, or 404, or 405 with what is allowed."""

    status: int
    handler: str = ""
    parameters: Mapping[str, str] | None = None
    allowed: frozenset[str] = frozenset()


def finish(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine that waits for nothing."""
    try:
        work.send(None)
    except StopIteration as stop:
        return stop.value  # type: ignore[no-any-return]
    raise AssertionError("Finding a route waits for nothing.")


# Making one from nothing takes ten times as long as giving it another URL.
_make_request = cache(partial(make_mocked_request, path="/"))


def make_request(method: str, target: str) -> web.Request:
    """Make the request that aiohttp's parser makes of *target*: it takes the path as it is."""
    return _make_request(method).clone(rel_url=URL.build(path=target, encoded=True))


def match(app: web.Application, method: str, target: str) -> web.UrlMappingMatchInfo:
    """Give what the router of *app* answers; the application is frozen by this."""
    app.freeze()
    return finish(app.router.resolve(make_request(method, target)))


def find(app: web.Application, method: str, target: str) -> Found:
    """Give what the router of *app* answers, as values. The handlers' names tell them apart."""
    found = match(app, method, target)
    error = found.http_exception
    if isinstance(error, web.HTTPMethodNotAllowed):
        return Found(405, allowed=frozenset(error.allowed_methods))
    if error is not None:
        return Found(error.status)
    handler = getattr(found.route, "endpoint", found.route.handler)
    return Found(200, handler.__name__, dict(found))
