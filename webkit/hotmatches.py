"""The way of a request to an application that is mounted while another one serves.

aiohttp decides when an application freezes whether middlewares are run at all, and then runs those of everything that
a match lists: what is mounted later would lose its middlewares below one application, and keep them below another. So
a match that leads to a hot mount shows aiohttp the applications around it alone, and has :func:`relay` for a handler,
which runs the rest: the same for everybody, once. Nothing keeps alive what is unmounted: aiohttp caches the chains of
handlers, and this handler is the same for all.
"""

from functools import partial, update_wrapper
from typing import Any

from aiohttp import web

from webkit.boundary import seen_from
from webkit.requests import APPLICATION
from webkit.resources import MatchInfo, Miss
from webkit.types import ExpectHandler, Handler

__all__ = ["HotMatch", "make_hot", "relay"]


class HotMatch(web.UrlMappingMatchInfo):
    """What both kinds of matches share: aiohttp sees what is around the hot mount, everybody else all of it."""

    __slots__ = ()

    handler: Any
    #: The handler that was found, and what meets an expectation for it.
    original: Handler
    original_meet: ExpectHandler
    #: How many of the applications, from the innermost, aiohttp is not shown.
    inside: int
    #: Whether aiohttp is about to look, which it does once.
    is_hidden: bool
    #: Whether the handler was called.
    has_begun: bool

    def take_over(self, found: web.UrlMappingMatchInfo) -> None:
        """Stand for *found*, whose applications are noted here already, and hide them."""
        self.original = found.handler
        self.original_meet = found.expect_handler
        self.is_hidden = self.has_begun = False
        self.widen()
        self.handler = relay

    def widen(self) -> None:
        """Hide all applications that are noted by now."""
        self.inside = len(self.apps)

    def freeze(self) -> None:
        """Hide what is inside: aiohttp calls this when all applications are noted, and composes its chain next."""
        super().freeze()
        self.is_hidden = True

    @property
    def apps(self) -> tuple[web.Application, ...]:
        """The applications around the handler, from the outermost."""
        apps = super().apps
        if not self.is_hidden:
            return apps
        self.show()
        return apps[: -self.inside]

    def show(self) -> None:
        """Be as any other match from now on."""
        self.is_hidden = False
        self.handler = self.original

    @property
    def expect_handler(self) -> ExpectHandler:
        """What aiohttp calls for a request with the header, before it composes its chain."""
        return self._meet

    async def _meet(self, request: web.Request) -> web.StreamResponse | None:
        self.is_hidden = False
        answer = await self.original_meet(request)
        self.is_hidden = answer is None
        return answer


class _HotRoute(HotMatch, MatchInfo):
    """A route of webkit's."""

    __slots__ = ("has_begun", "inside", "is_hidden", "original", "original_meet")

    def __init__(self, found: MatchInfo) -> None:
        super().__init__(dict(found), found.table_route, found.arguments)
        self.is_quick = found.is_quick
        for app in reversed(found.apps):
            self.add_app(app)
        self.take_over(found)


class _HotForeign(HotMatch, Miss):
    """A route of aiohttp's, or 404 or 405."""

    __slots__ = ("handler", "has_begun", "inside", "is_hidden", "original", "original_meet")

    def __init__(self, found: web.UrlMappingMatchInfo) -> None:
        super().__init__(found)
        self.update(found)
        self.take_over(found)


def make_hot(found: web.UrlMappingMatchInfo) -> HotMatch:
    """Give the match for *found*, which an application that is hot-mounted has given."""
    if isinstance(found, HotMatch):
        found.widen()  # hot-mounted within it
        return found
    return _HotRoute(found) if isinstance(found, MatchInfo) else _HotForeign(found)


async def relay(request: web.Request) -> web.StreamResponse:
    """Call what was found, through the middlewares that aiohttp does not run: those of all that is hot-mounted."""
    match: Any = request.match_info
    match.show()
    if match.has_begun:  # a middleware has resolved its request once more
        return await match.original(request)  # type: ignore[no-any-return]
    match.has_begun = True
    apps = match.apps
    handler: Handler = match.original
    first = len(apps) - match.inside
    for position in range(len(apps) - 1, first - 2, -1):
        if position < 0:
            break
        app = apps[position]
        if position >= first:
            handler = await _surround(app, handler)
        if app is not apps[-1] and APPLICATION in app:
            handler = app[APPLICATION]._surround(handler)  # noqa: SLF001 - one of our own
        handler = seen_from(app, handler)
    return await handler(request)


async def _surround(app: web.Application, handler: Handler) -> Handler:
    """Put the middlewares in aiohttp's list around *handler*, as aiohttp does."""
    for middleware in reversed(app.middlewares):
        if getattr(middleware, "__middleware_version__", None) == 1:
            handler = update_wrapper(partial(middleware, handler=handler), handler)
        else:
            handler = await middleware(app, handler)  # type: ignore[assignment, arg-type]
    return handler
