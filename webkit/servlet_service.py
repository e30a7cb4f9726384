"""The service: servlets bound to prefixes, called for the requests below the place where it is mounted.

``app.mount("/plugins", service)`` puts it into an application, ``await service.start(host, port)`` serves it alone.
Servlets come and go at any time and from any thread (see :mod:`webkit.servlet_registry`).

A request goes through these steps, and :attr:`ServletService.around` around them:

1. Its path is made clean; one that is refused gets 400.
2. The servlet with the longest prefix is found, and its method for the request; where one is missing, 404: a servlet
   says nothing of the methods that it does not have.
3. The servlet is called (:mod:`webkit.servlet_calls`). Its exceptions become answers: an HTTP error of aiohttp is one,
   a body that is too large gets 413, everything else the page of a 500. Where the answer has begun, the connection is
   broken off: a second answer behind half of the first would be taken for the rest of it.
"""

import importlib
import logging
import socket
from collections.abc import Callable, Iterator, Mapping
from types import CoroutineType
from typing import Any, Final
from urllib.parse import unquote

from aiohttp import web

from webkit._aiohttp import cancels_with_client
from webkit.errors import ConfigError
from webkit.servlet_answers import Answers
from webkit.servlet_calls import NAMES, OVER, Calls, go_on
from webkit.servlet_names import (
    PARAM_ADDRESS,
    PARAM_ASYNC,
    PARAM_EXTRA,
    PARAM_HTTPS,
    PARAM_NAME,
    PARAM_PORT,
    ServletType,
    kind_of,
    max_body_size_of,
)
from webkit.servlet_paths import BadPath, normalize_path
from webkit.servlet_registry import ANSWERING, Registry
from webkit.servlet_requests import AsyncRequest
from webkit.servlet_responses import AsyncResponse
from webkit.servlet_routing import Around, Routing
from webkit.servlet_types import ErrorHandler
from webkit.types import Route
from webkit.websocket_options import WebSocketOptions

__all__ = ["ServletService", "serve_one"]

# No separator within: the rest of the path, whatever it is. A request for the mount itself has none.
_REST: Final = "/{path:(?s:.*)}"


class ServletService:
    """Servlets, and what calls them.

    Args:
        name: what servlets are told as ``http.name``.
        extra: what they are told as ``http.extra``; each gets a copy.
        max_body_size: bytes that the body of a request may have; ``None``, 0 or less for any number. A servlet has its
            own with the parameter ``pelix.http.max_body_size``.
        workers: threads that run synchronous servlets; more requests wait.
        debug: whether the pages of errors show tracebacks and the registered paths, to everybody; or a function that
            says so for each page.
        case_sensitive_paths: whether ``/Admin`` and ``/admin`` are two paths; without it all are in small letters.
        error_handler: makes the pages for 404 and 500.
        logger: where errors go; the logger ``webkit.servlets`` if not given.
        around: called for each request around the service's own work, also for those that it refuses.
        websockets: how WebSockets are held by handlers without ``options`` of their own.
    """

    def __init__(
        self,
        *,
        name: str | None = None,
        extra: Mapping[str, Any] | None = None,
        max_body_size: int | None = 2**20,
        workers: int = 5,
        debug: bool | Callable[[], bool] = False,
        case_sensitive_paths: bool = True,
        error_handler: ErrorHandler | None = None,
        logger: logging.Logger | None = None,
        around: Around | None = None,
        websockets: WebSocketOptions | None = None,
    ) -> None:
        self.name = name
        self.extra = extra
        self.logger = logger or logging.getLogger("webkit.servlets")
        self.around = around
        self._max_body_size = max_body_size_of(max_body_size)
        self._is_case_sensitive = case_sensitive_paths
        self._registry = Registry(
            self.logger, fold=self._fold, describe=self._describe, max_body_size=self._max_body_size
        )
        self._answers = Answers(self.logger, self.get_registered_paths, debug=debug, error_handler=error_handler)
        #: How servlets are called, for who has rules of its own.
        self.calls = Calls(self.logger, workers, websockets)
        # Where the service is mounted, by the route that a request came by.
        self._mounts: dict[web.AbstractRoute, str] = {}
        self._address = ""
        self._access: tuple[str, int] | None = None
        self._is_https = False
        self._server: Any = None

    # What a service tells

    def get_access(self) -> tuple[str, int]:
        """Give the address and the port that are listened on.

        Raises:
            RuntimeError: nobody knows yet: the service has not been started, or, mounted, not been asked for anything.
        """
        if self._access is None:
            raise RuntimeError(
                "Nobody knows yet where the service listens. It is known after start(), and where the service is "
                "mounted in an application, from the first request on."
            )
        return self._access

    def get_hostname(self) -> str:
        """Give the name of this machine."""
        return socket.gethostname()

    def is_https(self) -> bool:
        """Whether requests come over TLS; known when :meth:`get_access` is."""
        return self._is_https

    def get_registered_paths(self) -> list[str]:
        """Give the paths that servlets are registered on, sorted."""
        return self._registry.paths

    def get_servlet(self, path: str | None) -> tuple[Any, dict[str, Any], str, ServletType] | None:
        """Give ``(servlet, parameters, prefix, type)`` of what answers *path*, which is taken as it is."""
        found = self._registry.find(path)
        return None if found is None else (found.servlet, found.parameters, found.path, found.type)

    def get_max_body_size(self) -> int | None:
        """Give how many bytes a body may have, ``None`` for any number."""
        return self._max_body_size

    def set_access(self, address: str, port: int, *, is_https: bool = False, asked: str | None = None) -> None:
        """Say where the service listens, for who serves it; *asked* is the address that was asked for."""
        self._access = (address, port)
        self._address = address if asked is None else asked
        self._is_https = is_https

    # Servlets come and go

    def register_servlet(
        self,
        path: str,
        servlet: Any,
        parameters: dict[str, Any] | None = None,
        servlet_type: ServletType = ServletType.SYNC,
    ) -> bool:
        """Let *servlet* answer *path* and what is below; true, or false where it refuses.

        Its ``accept_binding(path, parameters)`` and ``bound_to(path, parameters)`` are called here, in this thread. The
        dictionary *parameters* is kept, and what the service says of itself is written into it. The same servlet once
        more on its path is nothing new.

        Raises:
            ValueError: *path* does not begin with ``/``, another servlet has it or is just about to, there is no
                servlet, or the type is none.
        """
        return self._registry.register(path, servlet, parameters, servlet_type)

    def unregister(self, path: str | None, servlet: Any = None) -> bool:
        """End what answers *path*, or everything of *servlet* if one is given; false where there is nothing.

        ``unbound_from(path, parameters)`` is called here, in this thread. Requests that run are not waited for.
        """
        if servlet is None:
            return self.unregister_path(path)
        ended = [self.unregister_path(known, servlet) for known in self._registry.paths_of(servlet)]
        return any(ended)

    def unregister_path(self, path: str | None, servlet: Any = None) -> bool:
        """End what answers *path*, unless it is another than *servlet*."""
        binding = self._registry.retire(path, servlet)
        if binding is None:
            return False
        self._registry.unbind(binding)
        return True

    async def drain(self, path: str, timeout: float = 25.0) -> bool:
        """Let no new request come to *path*, wait for those that run, then unregister; false where there is nothing.

        After *timeout* seconds the servlet is unregistered all the same. WebSockets are closed with 1001, and streams
        of events end with their next event: ``send_sse`` raises ``OSError``. A servlet may drain itself.
        """
        return await self._registry.drain(path, timeout)

    def drain_threadsafe(self, path: str, timeout: float = 25.0) -> bool:
        """Do what :meth:`drain` does, from a thread that runs no event loop; it waits here.

        Raises:
            RuntimeError: an event loop runs in this thread.
        """
        return self._registry.drain_threadsafe(path, timeout)

    def _fold(self, path: str) -> str:
        if self._is_case_sensitive:
            return path
        # Letter by letter: the rest of a path is found by the length of its prefix.
        return "".join(small if len(small := letter.lower()) == 1 else letter for letter in path)

    def _describe(self, parameters: dict[str, Any], servlet_type: ServletType) -> None:
        parameters[PARAM_ADDRESS] = self._address
        parameters[PARAM_PORT] = 0 if self._access is None else self._access[1]
        parameters[PARAM_HTTPS] = self._is_https
        parameters[PARAM_NAME] = self.name
        parameters[PARAM_EXTRA] = dict(self.extra) if self.extra else None
        parameters[PARAM_ASYNC] = servlet_type is not ServletType.SYNC

    # The pages

    @property
    def debug(self) -> bool:
        """Whether the pages of errors show tracebacks and registered paths."""
        return self._answers.is_debugging

    @debug.setter
    def debug(self, value: bool) -> None:
        self._answers.debug = value

    @property
    def error_handler(self) -> ErrorHandler | None:
        """What makes the pages for 404 and 500; it may come and go."""
        return self._answers.error_handler

    @error_handler.setter
    def error_handler(self, value: ErrorHandler | None) -> None:
        self._answers.error_handler = value

    def make_not_found_page(self, path: str) -> str:
        """Give the page for *path*, which no servlet answers."""
        return self._answers.make_not_found_page(path)

    def make_exception_page(self, path: str, stack: str) -> str:
        """Log a crash at *path* under an id, and give the page that shows the id, or in debug mode *stack*."""
        return self._answers.make_exception_page(path, stack)

    # Serving

    def routes(self) -> Iterator[Route]:
        """Give what ``app.mount(path, service)`` adds."""
        yield Route("*", "", self.serve)
        yield Route("*", _REST, self.serve)

    def setup(self, app: Any) -> None:
        """Follow the life of the application that the service is mounted in."""
        app.on_startup.append(self._on_startup)
        app.on_cleanup.append(self._on_cleanup)

    async def _on_startup(self, app: Any) -> None:
        self.calls.pool.open()

    async def _on_cleanup(self, app: Any) -> None:
        self.calls.pool.close()
        self._access = None
        self._mounts = {}

    @property
    def application(self) -> Any:
        """The application that :meth:`start` serves, made when first asked for: hooks go in before the start."""
        return self._standalone().application

    async def start(self, host: str | None = "localhost", port: int | None = 8080, **options: Any) -> None:
        """Serve the service alone, in this event loop, until :meth:`stop`.

        Port 0 lets the system choose; *options* are those of :class:`webkit.ServerConfig`.

        Raises:
            OSError: the address cannot be had; nothing is left running.
            RuntimeError: it is started already.
        """
        await self._standalone().start(host, port, options)

    async def stop(self) -> None:
        """Stop what :meth:`start` began; running requests are waited for. Servlets stay registered."""
        if self._server is not None:
            server, self._server = self._server, None
            await server.stop()

    def _standalone(self) -> Any:
        if self._server is None:
            # How something is served is decided above: as in Application.run.
            self._server = importlib.import_module("webkit.servlet_server").StandaloneServer(self)
        return self._server

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """Answer *request*; the route ends with the path behind the mount."""
        match_info: Any = request.match_info
        route = match_info.table_route
        mount = self._mounts.get(route)
        if mount is None:
            mount = self._learn(request, route)
        path = "/" + match_info["path"] if match_info else "" if mount else "/"
        calls = self.calls
        binding = self._registry.serving.exact.get(path)
        if binding is None or not binding.is_async or self.around is not None or calls.client_cancels:
            return await self._serve_around(request, mount, path)
        # PERF: the path of an asynchronous servlet itself needs no closer look, nor anything made for it. What follows
        # is what calls.call does; a coroutine in between is 2 % of a request.
        answering = AsyncResponse(request, binding)
        ANSWERING.set(answering)
        binding.active.add(answering)
        try:
            method = getattr(binding.servlet, NAMES[request.method], None)
            if binding.retired or method is None:
                return self._answers.not_found(mount + path)
            try:
                servlet = method(AsyncRequest(request, mount, path, binding, calls.body_too_large), answering)
                if servlet.__class__ is CoroutineType:
                    waited = next(servlet.__await__(), OVER)
                    if waited is not OVER:
                        await go_on(servlet, waited, answering)
                else:
                    await answering.send_now()
                    await servlet
            except Exception as error:
                if not calls.is_answer(error, request, answering):
                    raise
            response = answering.response
            return response if response is not None and answering.is_complete else answering.finish()
        except Exception as error:
            return self._answers.error(request, mount + path, error)
        finally:
            binding.active.discard(answering)
            if binding.retired:
                binding.settle()

    async def _serve_around(self, request: web.Request, mount: str, path: str) -> web.StreamResponse:
        routing = self.resolve(mount, path)
        try:
            if self.around is not None:
                return await self.around(request, routing, self.answer)
            return await self.answer(request, routing)
        except Exception as error:
            return self._answers.error(request, mount + routing.path, error)

    def _learn(self, request: web.Request, route: web.AbstractRoute) -> str:
        """Note where the service is mounted, and where it listens."""
        template: str = getattr(route.resource, "template", "")
        if cancels_with_client(request):
            self.calls.client_cancels = True
        mount = self._mounts[route] = template.removesuffix(_REST).rstrip("/")
        if self._access is None and request.transport is not None:
            name = request.transport.get_extra_info("sockname")
            if isinstance(name, tuple):
                self.set_access(name[0], name[1], is_https=request.secure)
        return mount

    def resolve_request(self, raw_path: str) -> Routing:
        """Find what answers *raw_path*, the target of a request as it is sent, for a service that is not mounted."""
        return self.resolve("", unquote(raw_path.partition("?")[0]))

    def resolve(self, mount: str, path: str) -> Routing:
        """Find what answers *path*, which is decoded and begins behind *mount*."""
        serving = self._registry.serving
        if (binding := serving.exact.get(path)) is not None:
            return Routing(mount, path, binding)
        try:
            clean = path and normalize_path(path)
        except BadPath as error:
            self.logger.warning("Refused request path %r: %s", mount + path, error)
            return Routing(mount, path, error=400)
        return Routing(mount, clean, serving.find(self._fold(clean or "/")))

    async def answer(self, request: web.Request, routing: Routing) -> web.StreamResponse:
        """Call the servlet of *routing*, or give the page that says what is wrong; a crash of the servlet comes out."""
        if routing.error is not None:
            return self._answers.bad_request()
        response = None
        if routing.binding is not None:
            response = await self.calls.call(request, routing.mount, routing.path, routing.binding)
        return self._answers.not_found(routing.mount + routing.path) if response is None else response


def serve_one(servlet: Any) -> ServletService:
    """Give a service with one *servlet*, for ``app.mount("/hello", servlet)``; its path is ``"/"``, below the mount.

    Raises:
        ConfigError: its methods do not tell its type, or it refuses to be bound.
    """
    service = ServletService()
    if not service.register_servlet("/", servlet, None, kind_of(servlet)):
        raise ConfigError(f"{servlet!r} refuses to be bound: its accept_binding or bound_to said no, or failed.")
    return service
