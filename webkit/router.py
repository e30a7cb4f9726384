"""Adding routes: the verbs of an application and of a group, and ``app.router`` in aiohttp's spelling.

All of them end in one call, ``add_route``, so they cannot differ.
"""

import importlib
import inspect
import linecache
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, Protocol, TypeVar

from aiohttp import web
from aiohttp.abc import AbstractView

from webkit.errors import NoSuchRoute, RouteError, did_you_mean
from webkit.limits import Limits
from webkit.middleware import check_middlewares
from webkit.mountpoints import MountPoint, NameAlias
from webkit.resources import DynamicResource, PlainResource, TableRoute
from webkit.routing import RouteTable
from webkit.shadows import find_shadowed
from webkit.types import Endpoint, ExpectHandler, Middleware, Route

__all__ = ["Decorator", "Group", "RouteAdder", "Router", "refuse_lost_slash"]

E = TypeVar("E", bound=Endpoint)

_DECORATION: Final = re.compile(r"\s*@\s*[\w.]+\.get\(")


class Decorator(Protocol):
    """What ``@app.get("/")`` is: it registers the handler and gives it back as it is."""

    def __call__(self, handler: E, /) -> E:
        """Register *handler*."""
        ...


class RouteAdder(ABC):
    """The verbs. ``add_route`` and ``route`` answer their method alone; ``add_get`` and ``get`` answer HEAD too."""

    @abstractmethod
    def add_route(
        self,
        method: str,
        path: str,
        handler: Endpoint,
        *,
        name: str | None = None,
        expect_handler: ExpectHandler | None = None,
        middlewares: Sequence[Middleware] = (),
        meta: Mapping[str, Any] | None = None,
        limits: Limits | None = None,
    ) -> TableRoute:
        """Answer *method* on *path* with *handler*."""

    @abstractmethod
    def add_get(
        self, path: str, handler: Endpoint, *, name: str | None = None, allow_head: bool = True, **options: Any
    ) -> TableRoute:
        """Answer GET, and HEAD unless *allow_head* is false."""

    @abstractmethod
    def add_static(self, prefix: str, path: Any, **options: Any) -> web.AbstractResource:
        """Serve a folder as aiohttp does; ``app.mount(prefix, Static(folder))`` is webkit's own way."""

    def add_routes(self, routes: Iterable[Route | web.AbstractRouteDef]) -> list[web.AbstractRoute]:
        """Add webkit's ``Route`` objects, or what ``web.get(...)`` and ``web.RouteTableDef`` of aiohttp hold."""
        added: list[web.AbstractRoute] = []
        for route in routes:
            if isinstance(route, Route):
                added.append(
                    self.add_route(
                        route.method,
                        route.path,
                        route.handler,
                        name=route.name,
                        expect_handler=route.expect_handler,
                        middlewares=route.middlewares,
                        meta=route.meta,
                        limits=route.limits,
                    )
                )
            elif isinstance(route, web.AbstractRouteDef):
                added.extend(route.register(self))  # type: ignore[arg-type]
            else:
                raise RouteError(f"{route!r} is no route; write Route('GET', '/path', handler).")
        return added

    def add_head(self, path: str, handler: Endpoint, **options: Any) -> TableRoute:
        """Answer HEAD."""
        return self.add_route("HEAD", path, handler, **options)

    def add_options(self, path: str, handler: Endpoint, **options: Any) -> TableRoute:
        """Answer OPTIONS."""
        return self.add_route("OPTIONS", path, handler, **options)

    def add_post(self, path: str, handler: Endpoint, **options: Any) -> TableRoute:
        """Answer POST."""
        return self.add_route("POST", path, handler, **options)

    def add_put(self, path: str, handler: Endpoint, **options: Any) -> TableRoute:
        """Answer PUT."""
        return self.add_route("PUT", path, handler, **options)

    def add_patch(self, path: str, handler: Endpoint, **options: Any) -> TableRoute:
        """Answer PATCH."""
        return self.add_route("PATCH", path, handler, **options)

    def add_delete(self, path: str, handler: Endpoint, **options: Any) -> TableRoute:
        """Answer DELETE."""
        return self.add_route("DELETE", path, handler, **options)

    def add_view(self, path: str, view: type[AbstractView], **options: Any) -> TableRoute:
        """Answer every method with the class *view*."""
        if not (isinstance(view, type) and issubclass(view, AbstractView)):
            raise RouteError(f"{view!r} is no View class; use add_route for a function.")
        return self.add_route("*", path, view, **options)

    def add_websocket(self, path: str, handler: Any, *, options: Any = None, **route: Any) -> TableRoute:
        """Answer WebSockets on *path* with *handler*, held as *options* say (:class:`webkit.WebSocketOptions`).

        Raises:
            RouteError: it is no ``AbstractWebSocketHandler``, no class of such and no coroutine function.
        """
        # The one call upwards here: what is live stands above routes.
        live = importlib.import_module("webkit.websocket_handlers")
        return self.add_route("GET", path, live.WebSocketEndpoint(handler, options), **route)

    def route(self, method: str, path: str, **options: Any) -> Decorator:
        """Decorate the handler of *method* on *path*."""
        return self._decorate(lambda handler: self.add_route(method, path, handler, **options))

    def get(self, path: str, **options: Any) -> Decorator:
        """Decorate the handler of GET (and HEAD) on *path*."""
        return self._decorate(lambda handler: self.add_get(path, handler, **options))

    def head(self, path: str, **options: Any) -> Decorator:
        """Decorate the handler of HEAD on *path*."""
        return self.route("HEAD", path, **options)

    def options(self, path: str, **options: Any) -> Decorator:
        """Decorate the handler of OPTIONS on *path*."""
        return self.route("OPTIONS", path, **options)

    def post(self, path: str, **options: Any) -> Decorator:
        """Decorate the handler of POST on *path*."""
        return self.route("POST", path, **options)

    def put(self, path: str, **options: Any) -> Decorator:
        """Decorate the handler of PUT on *path*."""
        return self.route("PUT", path, **options)

    def patch(self, path: str, **options: Any) -> Decorator:
        """Decorate the handler of PATCH on *path*."""
        return self.route("PATCH", path, **options)

    def delete(self, path: str, **options: Any) -> Decorator:
        """Decorate the handler of DELETE on *path*."""
        return self.route("DELETE", path, **options)

    def view(self, path: str, **options: Any) -> Decorator:
        """Decorate the View class of *path*."""
        return self._decorate(lambda view: self.add_view(path, view, **options))

    def websocket(self, path: str, **options: Any) -> Decorator:
        """Decorate the WebSocket handler of *path*, a class or ``async def handler(session)``."""
        return self._decorate(lambda handler: self.add_websocket(path, handler, **options))

    def group(self, prefix: str, *, middlewares: Sequence[Middleware] = ()) -> "Group":
        """Give a group: its routes are below *prefix* and behind *middlewares*."""
        return Group(self, prefix, middlewares)

    @staticmethod
    def _decorate(add: Callable[[Any], object]) -> Decorator:
        def decorate(handler: E) -> E:
            add(handler)
            return handler

        return decorate


class Group(RouteAdder):
    """Routes below one prefix and behind the same middlewares: ``api = app.group("/api", middlewares=[...])``."""

    def __init__(self, outer: RouteAdder, prefix: str, middlewares: Sequence[Middleware] = ()) -> None:
        if prefix and not prefix.startswith("/"):
            raise RouteError(f"The prefix of a group starts with '/': write {'/' + prefix!r}.")
        self._outer = outer
        self._prefix = prefix.rstrip("/")
        self._middlewares = check_middlewares(middlewares)

    def add_route(
        self,
        method: str,
        path: str,
        handler: Endpoint,
        *,
        name: str | None = None,
        expect_handler: ExpectHandler | None = None,
        middlewares: Sequence[Middleware] = (),
        meta: Mapping[str, Any] | None = None,
        limits: Limits | None = None,
    ) -> TableRoute:
        """Answer *method* on the prefix and *path*; the middlewares of the group are outside those of the route."""
        return self._outer.add_route(
            method,
            self._below(path),
            handler,
            name=name,
            expect_handler=expect_handler,
            middlewares=(*self._middlewares, *middlewares),
            meta=meta,
            limits=limits,
        )

    def add_get(
        self, path: str, handler: Endpoint, *, name: str | None = None, allow_head: bool = True, **options: Any
    ) -> TableRoute:
        """Answer GET, and HEAD unless *allow_head* is false."""
        options["middlewares"] = (*self._middlewares, *options.get("middlewares", ()))
        return self._outer.add_get(self._below(path), handler, name=name, allow_head=allow_head, **options)

    def add_static(self, prefix: str, path: Any, **options: Any) -> web.AbstractResource:
        """Serve a folder below the prefix as aiohttp does.

        Raises:
            RouteError: the group has middlewares. They would not be around the files, which may be what they guard.
        """
        if self._middlewares:
            raise RouteError(
                f"The middlewares of the group {self._prefix!r} cannot be put around a folder that aiohttp serves. "
                "Mount an application that has them, with Static(folder) in it."
            )
        return self._outer.add_static(self._below(prefix), path, **options)

    def _below(self, path: str) -> str:
        if path and not path.startswith("/"):
            raise RouteError(f"A path starts with '/', in a group too: write {'/' + path!r} instead of {path!r}.")
        return self._prefix + path


class Router(RouteAdder, Mapping[str, web.AbstractResource]):
    """``app.router``: aiohttp's spelling over webkit's table, and the routes by name."""

    def __init__(self, table: RouteTable, wrapped: web.UrlDispatcher) -> None:
        self._table = table
        self._wrapped = wrapped

    def add_resource(self, path: str, *, name: str | None = None) -> PlainResource | DynamicResource:
        """Give the resource of *path*, for ``resource.add_route(method, handler)``."""
        return self._table.add_resource(path, name=name)

    def add_route(
        self,
        method: str,
        path: str,
        handler: Endpoint,
        *,
        name: str | None = None,
        expect_handler: ExpectHandler | None = None,
        middlewares: Sequence[Middleware] = (),
        meta: Mapping[str, Any] | None = None,
        limits: Limits | None = None,
    ) -> TableRoute:
        """Answer *method* on *path* with *handler*.

        Raises:
            RouteError: the path, the name or the handler is no good, or another route answers this already.
        """
        resource = self.add_resource(path, name=name)
        return resource.add_route(
            method, handler, expect_handler=expect_handler, middlewares=middlewares, meta=meta, limits=limits
        )

    def add_get(
        self, path: str, handler: Endpoint, *, name: str | None = None, allow_head: bool = True, **options: Any
    ) -> TableRoute:
        """Answer GET, and HEAD unless *allow_head* is false or another route answers it explicitly."""
        resource = self.add_resource(path, name=name)
        route = resource.add_route("GET", handler, **options)
        if allow_head:
            resource.add_route("HEAD", handler, implied=True, **options)
        return route

    def add_static(self, prefix: str, path: Any, **options: Any) -> web.AbstractResource:
        """Serve a folder as aiohttp does; ``app.mount(prefix, Static(folder))`` is webkit's own way."""
        self._table.check_open()
        return self._wrapped.add_static(prefix, path, **options)

    def get(self, key: str, default: Any = None, **options: Any) -> Any:  # type: ignore[override]
        """Decorate the handler of GET (and HEAD) on a path, or give the resource of a name, or *default*."""
        if key[:1] in {"", "/"}:
            return super().get(key, **options)
        if key not in self._wrapped:
            refuse_lost_slash(key, default, options)
        return self._wrapped.get(key, default)

    def resources(self) -> list[web.AbstractResource]:
        """Give the resources, mounted applications among them as aiohttp shows them."""
        hidden = (RouteTable, MountPoint, NameAlias)
        return [resource for resource in self._wrapped.resources() if not isinstance(resource, hidden)]

    def routes(self) -> list[web.AbstractRoute]:
        """Give the routes of all resources."""
        return [route for resource in self.resources() for route in resource]

    def named_resources(self) -> Mapping[str, web.AbstractResource]:
        """Give the resources by name, those of named mounts (``"admin:user"``) included."""
        return self._wrapped.named_resources()

    async def resolve(self, request: web.Request) -> web.UrlMappingMatchInfo:
        """Find the route for *request*, as aiohttp's router does."""
        return await self._wrapped.resolve(request)

    def shadowed(self) -> list[tuple[TableRoute, TableRoute]]:
        """Give pairs of (a route that is never reached, the route that answers first), as far as can be told."""
        return list(find_shadowed(self._table))

    @property
    def frozen(self) -> bool:
        """Whether routes can no longer be added."""
        return self._table.frozen

    def __getitem__(self, name: str) -> web.AbstractResource:
        try:
            return self._wrapped[name]
        except KeyError:
            hint = did_you_mean(name, self._wrapped)
            raise NoSuchRoute(f"No route is named {name!r}.{hint} `--routes` lists them.") from None

    def __iter__(self) -> Iterator[str]:
        return iter(self._wrapped)

    def __len__(self) -> int:
        return len(self._wrapped)

    def __bool__(self) -> bool:
        return True


def refuse_lost_slash(key: object, default: object, options: Mapping[str, Any]) -> None:
    """Refuse ``@app.get("users")``, which looks up a key that there is not, and would decorate with ``None``.

    The options of a route show that one was meant, and so does the line of the call, where a decorator stands.

    Raises:
        RouteError: a path was meant.
    """
    frame = inspect.currentframe()
    caller = frame.f_back.f_back if frame is not None and frame.f_back is not None else None
    line = "" if caller is None else linecache.getline(caller.f_code.co_filename, caller.f_lineno)
    if isinstance(key, str) and default is None and (options or _DECORATION.match(line)):
        raise RouteError(f"A path starts with '/': write {'/' + key!r} instead of {key!r}.")
