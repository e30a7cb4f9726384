"""The application: wraps ``aiohttp.web.Application``, and is where routes, features and mounts are put together."""

from __future__ import annotations

import importlib
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar, Unpack, overload

from aiohttp import web
from yarl import URL

from webkit._aiohttp import limits_of_forms, take_full_names
from webkit.boundary import Boundary
from webkit.config import DEBUG
from webkit.errors import ConfigError, RouteError
from webkit.faults import show_fault
from webkit.hotmounts import HotHost, HotMounts
from webkit.lifespan import Contexts, FreezableList, Lifespan, Signal, SignalOfAiohttp, check_signals
from webkit.limits import Limits
from webkit.middleware import as_aiohttp_middleware, check_middlewares, compose
from webkit.mountpoints import MountPoint, NameAlias
from webkit.oldapplication import OldApplication, OldArguments, accept_old_arguments
from webkit.paths import mount_prefix
from webkit.requests import APPLICATION, application_of, build_url, routers_of
from webkit.resources import TableRoute
from webkit.responses import PREPARED
from webkit.router import Decorator, RouteAdder, Router, refuse_lost_slash
from webkit.routing import Frozen, RouteTable, TrailingSlash, note_begun
from webkit.serverlog import ServerLog
from webkit.servlet_names import is_servlet
from webkit.state import State
from webkit.streams import OpenStreams, drop_body, end_with_headers
from webkit.types import Endpoint, ExpectHandler, Feature, Handler, Middleware, Mountable, Route

__all__ = ["Application"]

T = TypeVar("T")
D = TypeVar("D")
F = TypeVar("F", bound=Feature)
E = TypeVar("E", bound=Endpoint)


class Application(RouteAdder, OldApplication, HotHost, State):
    """A web application.

    ``app.aiohttp`` is the wrapped, unmodified ``web.Application``: every runner, test client and ``setup(app.aiohttp)``
    of aiohttp's world takes it, and it answers the same. The application is a mapping over its state, compares by
    identity and is always true.

    Args:
        routes: ``Route`` objects, or route definitions of aiohttp.
        middlewares: ``async def m(request, handler)``; the first listed is the outermost.
        debug: pages with tracebacks for clients on this machine; also by ``--debug``.
        client_max_size: bytes of a request body that ``read()``, ``json()`` and ``post()`` take; 413 above.
        client_max_fields: fields of a form that ``post()`` takes; 413 above.
        logger: where errors go; the logger ``webkit`` if not given.
        handler_args: keyword arguments for aiohttp's protocol class.
        trailing_slash: what becomes of ``/users/`` where there is ``/users``, and the other way round: ``"strict"``
            404, ``"redirect"`` 308 to the route, ``"ignore"`` the route's answer.
    """

    def __init__(
        self,
        *,
        routes: Iterable[Route | web.AbstractRouteDef] = (),
        middlewares: Iterable[Middleware] = (),
        debug: bool = False,
        client_max_size: int = 2**20,
        client_max_fields: int = 1000,
        logger: logging.Logger | None = None,
        handler_args: Mapping[str, Any] | None = None,
        trailing_slash: TrailingSlash = "strict",
        **old: Unpack[OldArguments],
    ) -> None:
        accept_old_arguments(old)
        self.logger = logger or logging.getLogger("webkit")
        self.debug = debug or DEBUG.get()
        #: The wrapped application.
        self.aiohttp = web.Application(
            logger=self.logger,
            client_max_size=client_max_size,
            **limits_of_forms(client_max_fields),
            # Compressed bodies are inflated within limits by webkit, where they are read.
            handler_args={"auto_decompress": False, "logger": ServerLog(), **(handler_args or {})},
        )
        self.aiohttp[APPLICATION] = self
        self._parent: Application | None = None
        self._has_children = False
        self._boundary = as_aiohttp_middleware(self._call_through)
        self._streams = OpenStreams()
        #: The error boundary around everything.
        self.errors = Boundary(self.aiohttp, self.logger, inflates="auto_decompress" not in (handler_args or {}))
        #: The routes, for who serves them.
        self.table = RouteTable(
            self.aiohttp.router,
            errors=self.errors,
            before_freeze=self._before_freeze,
            trailing_slash=trailing_slash,
        )
        self._hot = HotMounts(self, self.table)
        self.router = Router(self.table, self.aiohttp.router)
        self.middlewares = _Middlewares(self._install_boundary)
        self.on_startup = Signal("on_startup")
        self.on_shutdown = Signal("on_shutdown")
        self.on_cleanup = Signal("on_cleanup")
        self.cleanup_ctx: Contexts[Application] = Contexts(self, self.logger)
        #: aiohttp's, ``async def hook(request, response)``: sent for every response before its headers go.
        self.on_response_prepare = SignalOfAiohttp("on_response_prepare", self.aiohttp.on_response_prepare)
        self._connect_signals()
        self.middlewares.extend(check_middlewares(middlewares))
        self.add_routes(routes)

    @staticmethod
    def of(request: web.Request) -> Application:
        """Give the innermost webkit application around *request* (``LookupError`` if there is none)."""
        return application_of(request)

    # Routes

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
        """Answer *method* (or ``"*"``) on *path* with *handler*; *limits* are how much of what it takes.

        Raises:
            RouteError: the path, the name or the handler is no good, or another route answers this already.
        """
        options: dict[str, Any] = {"expect_handler": expect_handler, "middlewares": middlewares}
        return self.router.add_route(method, path, handler, name=name, meta=meta, limits=limits, **options)

    def add_get(
        self, path: str, handler: Endpoint, *, name: str | None = None, allow_head: bool = True, **options: Any
    ) -> TableRoute:
        """Answer GET, and HEAD unless *allow_head* is false."""
        return self.router.add_get(path, handler, name=name, allow_head=allow_head, **options)

    def add_static(self, prefix: str, path: Any, **options: Any) -> web.AbstractResource:
        """Serve a folder as aiohttp does (``web.static`` in ``add_routes``); ``Static(folder)`` is webkit's own way."""
        return self.router.add_static(prefix, path, **options)

    @property
    def named_resource(self) -> Router:
        """The resources by name: ``app.named_resource["root"].url()``."""
        return self.router

    def url_for(self, name: str, /, *, query: Mapping[str, Any] | str | None = None, **parts: Any) -> URL:
        """Give the URL of the route *name*: looked up here, then from the root application.

        Raises:
            NoSuchRoute: no route has this name, or its path has other parameters.
            RouteError: a value does not fit its parameter.
        """
        root = self
        while root._parent is not None:
            root = root._parent
        return build_url(routers_of(self.aiohttp, root.aiohttp), name, query, parts)

    # Putting together

    def mount(
        self, path: str, thing: Application | web.Application | Mountable | Any, *, name: str | None = None
    ) -> None:
        """Put *thing* below *path*: an application, ``Static(...)``, a servlet, anything with ``routes()``.

        With a *name* its routes are reachable as ``"name:route"``. Mounting freezes an application: add its routes
        before.

        Raises:
            ConfigError: *thing* cannot be mounted, or is mounted or served already.
            RouteError: *path* is no literal path, or a route of *thing* is in conflict with another.
        """
        self.table.check_open()
        prefix = mount_prefix(path)
        if isinstance(thing, Application | web.Application):
            self._mount_application(prefix, thing, name)
        elif isinstance(thing, Mountable):
            self._mount_routes(prefix, thing, name)
        elif is_servlet(thing) and not isinstance(thing, type):
            # Loaded when there is one: an application without servlets does not pay for them.
            self._mount_routes(prefix, importlib.import_module("webkit.servlet_service").serve_one(thing), name)
        elif isinstance(thing, Feature):
            raise ConfigError(f"{thing!r} brings behaviour, not routes: write app.use(...) instead of app.mount(...).")
        else:
            raise ConfigError(f"{thing!r} cannot be mounted: it is no application, no servlet, and has no routes().")

    def add_domain(self, domain: str, thing: Application | web.Application, *, name: str | None = None) -> None:
        """Answer requests for the host *domain*, such as ``"*.example.org"``, with the application *thing*.

        A ``*`` stands for what is before the rest of the name. ``example.org.`` in a request is the same host.

        Raises:
            ConfigError: *thing* is no application, or is mounted or served already.
            RouteError: *domain* is no host name, or has a ``*`` anywhere but at its beginning.
        """
        self.table.check_open()
        child = thing.aiohttp if isinstance(thing, Application) else thing
        self._check_child(child)
        self._install_boundary()
        self._has_children = True
        try:
            _check_domain(str(domain))
            take_full_names(self.aiohttp.add_domain(domain, child))
        except (ValueError, TypeError) as error:
            raise RouteError(f"{domain!r} is no domain: {error}. Write 'example.org' or '*.example.org'.") from None
        self._adopt(thing, child, name)

    def add_subapp(self, prefix: str, subapp: Application | web.Application) -> None:
        """Mount *subapp* (aiohttp's word for it)."""
        self.mount(prefix, subapp)

    def use(self, feature: F) -> F:
        """Add the behaviour of *feature* (``Templates``, ``Sessions``, anything with ``setup(app)``), and give it back.

        Raises:
            ConfigError: it is no feature.
        """
        self.table.check_open()
        if isinstance(feature, type) or not isinstance(feature, Feature):
            remedy = "app.mount(path, thing)" if isinstance(feature, Mountable) else "an object with setup(app)"
            raise ConfigError(f"{feature!r} is no feature; use takes {remedy}.")
        feature.setup(self)
        return feature

    def run(self, **options: Any) -> None:
        """Serve until SIGINT or SIGTERM; the options are those of :class:`webkit.ServerConfig`."""
        # The one call upwards: how an application is served is decided above it.
        importlib.import_module("webkit.run").run(self, **options)

    def error(self, what: int | type[Exception]) -> Callable[[E], E]:
        """Decorate ``async def handler(request, error)``, the answer to a status or to a class of exceptions.

        What it returns is treated as a handler's result; anything but a response gets the status of the error. The
        innermost application is asked first, for 404 and 405 too.

        Raises:
            ConfigError: *what* is no error, or has a handler already.
        """

        def decorate(handler: E) -> E:
            self.table.check_open()
            self.errors.add(what, handler)
            self._install_boundary()
            return handler

        return decorate

    # Signals

    def _connect_signals(self) -> None:
        lifespan = Lifespan(self.aiohttp, self.cleanup_ctx, self.logger)
        self.aiohttp.cleanup_ctx.append(lambda _: lifespan)
        self.aiohttp.on_startup.append(self._on_startup)
        self.aiohttp.on_shutdown.append(self._on_shutdown)
        # Before aiohttp leaves the first context: what is hot-mounted may stand on any of them.
        self.aiohttp.on_cleanup.insert(0, lambda _: self._hot.close())
        self.aiohttp.on_cleanup.append(lambda _: self.on_cleanup.send(self))
        self.aiohttp.on_response_prepare.append(self._on_prepare)

    async def answer_unrouted(self, request: web.Request, miss: web.StreamResponse) -> web.StreamResponse:
        """Give what the middlewares answer to a request that no router was asked about; *miss* where they do not."""
        if self.table.answer_miss is None:
            return miss  # it came through the boundary
        try:
            return await self.table.answer_miss(request)
        except web.HTTPException as error:
            return error

    async def _on_startup(self, _: web.Application) -> None:
        self._hot.begin()
        await self.on_startup.send(self)
        self._settle_boundary(is_last=self.aiohttp.on_startup[-1] == self._on_startup)
        # A mount further up has indexed everything anew, and the table must stay the last one.
        self.table.move_to_end()

    async def _on_shutdown(self, _: web.Application) -> None:
        try:
            await self.on_shutdown.send(self)
        finally:
            await self._streams.close()
            await self._hot.shut_down()

    async def _on_prepare(self, request: web.Request, response: web.StreamResponse) -> None:
        # PERF: nothing was begun where the short way is open, and no class of aiohttp's is as fast to ask for as
        # Exception: together a third of this.
        if not getattr(request.match_info, "is_quick", False) and request.get(PREPARED) is response:
            return  # an application around this one was asked first
        request[PREPARED] = response
        note_begun(request)
        has_body = request.method != "HEAD" and response.status not in {204, 304}
        if isinstance(response, web.Response):
            if not has_body:
                drop_body(request)
            if isinstance(response, Exception) and isinstance(response, web.HTTPException):
                await show_fault(request, response)
        elif not has_body:
            end_with_headers(request)
        else:
            self._streams.note(request, response)

    # The boundary: webkit's middlewares around everything under the application

    def _install_boundary(self) -> None:
        if self._boundary not in self.aiohttp.middlewares:
            self.aiohttp.middlewares.insert(0, self._boundary)

    def _settle_boundary(self, *, is_last: bool = True) -> None:
        """Decide, right before the application freezes, whether its requests come through aiohttp's middlewares.

        What of aiohttp's is around or beside the routes has to: its errors and bodies are treated as all others are.
        Where nothing is, nor can come any more (*is_last*), the routes have their chains, and misses have one.
        """
        # PERF: aiohttp's way to call a single middleware takes as long as five of webkit's.
        if self.aiohttp.pre_frozen:
            return
        has_boundary = self._boundary in self.aiohttp.middlewares
        is_alone = len(self.aiohttp.middlewares) == has_boundary and not self._has_children
        if not is_alone or self.table.has_foreign_routes(with_folders=has_boundary):
            self._install_boundary()
        elif has_boundary and is_last:
            self.aiohttp.middlewares.remove(self._boundary)

    def _call_through(self, request: web.Request, handler: Handler) -> Awaitable[web.StreamResponse]:
        if handler is self.table.call_inner:  # none of aiohttp's middlewares is in between
            return request.match_info.route.chain(request)  # type: ignore[attr-defined, no-any-return]
        return self.errors.guard(compose(self.middlewares, handler))(request)

    def _surround(self, handler: Handler) -> Handler:
        """Put the boundary around *handler*, of what is hot-mounted, where aiohttp does not come through it."""
        if self._boundary in self.aiohttp.middlewares:
            return handler
        return self.errors.guard(compose(self.middlewares, handler))

    def _before_freeze(self) -> Frozen:
        check_signals(self)
        signals = (self.on_startup, self.on_shutdown, self.on_cleanup, self.on_response_prepare)
        for changeable in (self.middlewares, self.cleanup_ctx, *signals):
            changeable.freeze()
        has_boundary = self._boundary in self.aiohttp.middlewares
        wants_misses = not has_boundary and (self.middlewares or self.errors.has_handlers)
        answer_miss = self.errors.guard(compose(self.middlewares, _raise_miss)) if wants_misses else None
        return Frozen(tuple(self.middlewares), has_boundary, not self.aiohttp.middlewares, answer_miss)

    def _mount_application(self, prefix: str, thing: Application | web.Application, name: str | None) -> None:
        if not prefix:
            raise RouteError("An application cannot be mounted at '/': it would hide every route. Give it a path.")
        child = self._check_below(thing)
        self._install_boundary()
        self._has_children = True
        point = MountPoint(self.table, prefix)
        self.aiohttp.router.register_resource(point)
        point.target = self.aiohttp.add_subapp(prefix, child)
        self._adopt(thing, child, name)

    def _check_below(self, thing: Any) -> web.Application:
        """Give the application in *thing*, which can be put below a path of this one."""
        child = thing.aiohttp if isinstance(thing, Application) else thing
        self._check_child(child)
        if any("rule" in resource.get_info() for resource in child.router.resources()):
            raise ConfigError(f"{thing!r} has domains, which cannot be below a path. Add them at the top.")
        return child

    def _check_child(self, child: Any) -> None:
        """Refuse what cannot be put into this application; it is frozen when it is, so this is its last moment."""
        if not isinstance(child, web.Application):
            raise ConfigError(f"{child!r} is no application.")
        if child is self.aiohttp or child.frozen or child.pre_frozen:
            raise ConfigError(
                f"{child.get(APPLICATION, child)!r} is mounted or served already. An application lives once: make "
                "another one for a second place."
            )
        if APPLICATION in child:
            child[APPLICATION]._settle_boundary()  # noqa: SLF001 - one of our own

    def _adopt(self, thing: Application | web.Application, child: web.Application, name: str | None) -> None:
        """Note the parent, and the names that the routes of *child* have here."""
        if isinstance(thing, Application):
            thing._parent = self  # noqa: SLF001 - one of our own
        if name is not None:
            for inner, resource in child.router.named_resources().items():
                self.aiohttp.router.register_resource(NameAlias(f"{name}:{inner}", resource))

    def _mount_routes(self, prefix: str, thing: Mountable, name: str | None) -> None:
        for route in thing.routes():
            inner = f"{name}:{route.name}" if name and route.name else route.name
            self.add_routes([replace(route, path=prefix + route.path, name=inner)])
        if isinstance(thing, Feature):
            thing.setup(self)

    # The state

    @overload  # type: ignore[override]
    def get(self, key: web.AppKey[T], default: D) -> T | D: ...
    @overload
    def get(self, key: web.AppKey[T]) -> T | None: ...
    @overload
    def get(self, key: str, **options: Any) -> Decorator: ...
    @overload
    def get(self, key: str, default: Any) -> Any: ...
    def get(self, key: str | web.AppKey[Any], default: Any = None, **options: Any) -> Any:
        """Decorate the handler of GET (and HEAD) on a path, or give the value of a key, or *default*.

        An application is a mapping and has routes, and both know a ``get``: a string that is a path, empty or
        beginning with ``/``, is for the routes.
        """
        if isinstance(key, str) and key[:1] in {"", "/"}:
            return super().get(key, **options)
        if key not in self.aiohttp:
            refuse_lost_slash(key, default, options)
        return self.aiohttp.get(key, default)

    def __repr__(self) -> str:
        return f"<webkit.Application {len(self.table.resources)} resources at {id(self):#x}>"


async def _raise_miss(request: web.Request) -> web.StreamResponse:
    """Raise the 404 or 405 that aiohttp's router has found."""
    error = request.match_info.http_exception
    raise error if error is not None else web.HTTPNotFound


class _Middlewares(FreezableList[Middleware]):
    """The middlewares; the first one brings the boundary."""

    def __init__(self, on_first: Any) -> None:
        super().__init__(name="middlewares", remedy="Add middlewares before the application is run or mounted.")
        self._on_first = on_first

    def _accept(self, value: Middleware) -> Middleware:
        (checked,) = check_middlewares([value])
        self._on_first()
        return checked


def _check_domain(domain: str) -> None:
    if not set("/?#@\\").isdisjoint(domain):
        raise ValueError("It is a host and perhaps a port")
    if "*" in domain.rstrip(".").removeprefix("*."):
        raise ValueError("One '*' may stand at its beginning, as a label of its own")
