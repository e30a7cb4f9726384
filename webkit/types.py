"""The words that every module shares: what a handler, a middleware and a feature are.

Imports nothing of webkit, so every module may import it.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Protocol, runtime_checkable

from aiohttp import web

if TYPE_CHECKING:
    from webkit.application import Application
    from webkit.limits import Limits

__all__ = [
    "RENDERER",
    "STATIC",
    "Endpoint",
    "ExpectHandler",
    "Feature",
    "Handler",
    "Middleware",
    "Mountable",
    "Renderer",
    "Route",
    "StaticUrls",
]

#: What a middleware is given to call: the rest of the chain.
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
#: ``async def middleware(request, handler)``; no decorator is needed.
Middleware = Callable[[web.Request, Handler], Awaitable[web.StreamResponse]]
#: What users register: a coroutine function, a plain function, a callable object or a View class.
Endpoint = Callable[..., Any]
#: Called for a request with an ``Expect`` header, before any middleware (see ``Route``).
ExpectHandler = Callable[[web.Request], Awaitable[web.StreamResponse | None]]


@dataclass(frozen=True, slots=True)
class Route:
    """A route that is not yet part of an application: ``app.add_routes([Route("GET", "/", home)])``.

    *method* is one HTTP method or ``"*"``. ``GET`` answers ``GET`` alone; the short form ``app.get`` adds HEAD.
    *middlewares* run for this route only, the first listed is the outermost. *meta* is whatever middlewares and tools
    want to know of a route: ``request.match_info.route.meta``. *limits* are how much of what it takes.
    """

    method: str
    path: str
    handler: Endpoint
    name: str | None = None
    expect_handler: ExpectHandler | None = None
    middlewares: Sequence[Middleware] = ()
    meta: Mapping[str, Any] = field(default_factory=dict)
    limits: "Limits | None" = None


@runtime_checkable
class Mountable(Protocol):
    """Something that brings routes: ``app.mount(path, thing)`` puts them below *path*."""

    def routes(self) -> Iterable[Route]:
        """Give the routes, their paths relative to the place of mounting."""


@runtime_checkable
class Feature(Protocol):
    """Something that brings behaviour: ``app.use(thing)``."""

    def setup(self, app: "Application") -> None:
        """Attach to *app*: signals, middlewares, state."""


class Renderer(Protocol):
    """What pages are rendered with; ``webkit.templates.Templates`` is one."""

    async def render(
        self, request: web.Request, name: str, context: dict[str, Any], *, status: int = 200
    ) -> web.StreamResponse:
        """Answer with the template *name* rendered over *context*."""

    async def render_error(self, request: web.Request, status: int, context: dict[str, Any]) -> str | None:
        """Give the page ``errors/STATUS.html`` rendered over *context*, ``None`` where there is no such template."""


class StaticUrls(Protocol):
    """What gives the URL of a static file; ``webkit.static.Static`` is one."""

    def url(self, app: "Application", filename: str) -> str:
        """Give the URL of *filename*, with the hash of its content."""


#: The renderer of an application, set by ``app.use(Templates(...))``.
RENDERER: Final = web.AppKey("webkit.renderer", Renderer)
#: The static files of an application, set by ``app.mount("/static", Static(...))``.
STATIC: Final = web.AppKey("webkit.static", StaticUrls)
