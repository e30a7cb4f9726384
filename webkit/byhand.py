"""Serving by hand, as aiohttp 0.21 told: ``make_handler``, ``loop.create_server``, and four steps at the end.

Behind the factory stands webkit's own server, which does all but listen. The application starts with ``app.startup()``,
or else with the first connection, which waits for it; old code knew nothing of startups.

Since Python 3.12 ``Server.wait_closed()`` of asyncio waits until every connection is closed, and the recipe closes them
after it. So asyncio's server is kept from counting: a connection moves to a transport of its own, over the same socket.
Over TLS, where a connection is more than its socket, it cannot; :func:`finish` has the steps in an order that ends.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from contextlib import AsyncExitStack
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from aiohttp.web import BaseRequest, StreamResponse
from aiohttp.web_protocol import RequestHandler

from webkit.accessformat import translate_log_format
from webkit.config import ServerConfig
from webkit.errors import ConfigError
from webkit.run import Server

if TYPE_CHECKING:
    from webkit.application import Application

__all__ = ["RequestHandlerFactory", "clean_up", "finish", "make_handler", "shut_down", "start"]

_Handle: TypeAlias = Callable[[BaseRequest], Awaitable[StreamResponse]]

logger = logging.getLogger("webkit.server")


class RequestHandlerFactory:
    """Makes a connection's protocol each time it is called: ``loop.create_server(factory, host, port)``.

    It may be given to any number of servers, of any kind.
    """

    def __init__(self, app: "Application", config: ServerConfig) -> None:
        self.config = config
        self._app = app
        self._server = Server(app, config)
        self._starting: asyncio.Task[None] | None = None
        self._arriving: set[asyncio.Task[None]] = set()
        self._is_told = False
        self._is_clean = False

    def __call__(self) -> asyncio.BaseProtocol:
        """Give the protocol of a new connection."""
        is_counted = isinstance(asyncio.get_running_loop(), asyncio.SelectorEventLoop)
        return _Counted(self) if is_counted else self.admit()

    def admit(self) -> asyncio.BaseProtocol:
        """Give the protocol of a connection that nobody counts: aiohttp's, or until the start one that waits for it."""
        return self.make_protocol() if self.is_started else _Early(self)

    @property
    def is_started(self) -> bool:
        """Whether the application has started."""
        return self._server.runner.server is not None

    @property
    def connections(self) -> list[RequestHandler]:
        """The open connections."""
        server = self._server.runner.server
        return [] if server is None else server.connections

    @property
    def num_connections(self) -> int:
        """How many connections are open."""
        return len(self.connections)

    @property
    def requests_count(self) -> int:
        """How many requests have come so far."""
        server = self._server.runner.server
        return 0 if server is None else server.requests_count

    async def start(self) -> None:
        """Start the application, once.

        Raises:
            Exception: what a startup step raised; the contexts entered are left.
        """
        if self._starting is None:
            self._starting = asyncio.get_running_loop().create_task(self._start_server())
        await asyncio.shield(self._starting)

    async def finish_connections(self, timeout: float | None = None) -> None:
        """Let running requests finish within *timeout* seconds, and close all connections."""
        if self._arriving:
            await asyncio.wait(self._arriving, timeout=timeout or 0)
        for task in self._arriving:
            task.cancel()
        if self.is_started:
            await self._server.runner.stop_accepting()
            await self._server.runner.drain(timeout or 0, asyncio.Event())
            await self._server.runner.close_connections()

    async def shutdown(self, timeout: float | None = None) -> None:
        """Do the same as :meth:`finish_connections`, under its name since aiohttp 1.2."""
        await self.finish_connections(timeout)

    async def shut_down_application(self) -> None:
        """Send ``on_shutdown``, and end WebSockets and event streams."""
        if await self._was_started():
            await self._server.runner.shutdown()
        elif self._starting is None:
            self._app.aiohttp.freeze()
            await self._app.aiohttp.shutdown()

    async def clean_up_application(self) -> None:
        """Leave the contexts and send ``on_cleanup``, once; after a start that failed it was done."""
        if self._is_clean:
            return
        self._is_clean = True
        if await self._was_started():
            await self._server.runner.cleanup()
        elif self._starting is None:
            self._app.aiohttp.freeze()
            await self._app.aiohttp.cleanup()

    def make_protocol(self) -> RequestHandler:
        """Give aiohttp's protocol for a connection; the application has started."""
        server = self._server.runner.server
        if server is None:
            raise RuntimeError("The application has not started.")
        return server()

    def look_after(self, work: Coroutine[Any, Any, None]) -> None:
        """Do *work* for a connection that has just come."""
        task = asyncio.get_running_loop().create_task(work)
        self._arriving.add(task)
        task.add_done_callback(self._arriving.discard)

    async def start_for(self, transport: asyncio.Transport) -> bool:
        """Start the application because *transport* has come; where that fails, the connection is closed."""
        try:
            await self.start()
        except (Exception, asyncio.CancelledError) as error:
            transport.abort()
            if isinstance(error, Exception) and not self._is_told:
                self._is_told = True
                logger.exception("The application could not start. Its connections are closed.")
        return not transport.is_closing()

    async def _start_server(self) -> None:
        await self._server.start()
        server = self._server.runner.server
        if server is not None:
            server.request_handler = partial(_handle_or_interrupt, server.request_handler)

    async def _was_started(self) -> bool:
        """Whether the application has started; a start that is on its way is given up."""
        if self._starting is not None and not self._starting.done():
            self._starting.cancel()
            await asyncio.wait({self._starting})
        return self.is_started


class _Counted(asyncio.Protocol):
    """A connection that asyncio's server counts. It moves to where it is not, before anything is read."""

    def __init__(self, factory: RequestHandlerFactory) -> None:
        self._factory = factory

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin to move."""
        arrived = cast(asyncio.Transport, transport)
        arrived.pause_reading()
        self._factory.look_after(self._go_on(arrived))

    async def _go_on(self, transport: asyncio.Transport) -> None:
        if transport.is_closing() or await self._move(transport):
            return
        protocol = self._factory.admit()
        transport.resume_reading()
        transport.set_protocol(protocol)
        protocol.connection_made(transport)

    async def _move(self, transport: asyncio.Transport) -> bool:
        """Give the connection another transport, over the same socket; false where it has to stay."""
        if transport.get_extra_info("sslcontext") is not None:
            return False
        try:
            opened = transport.get_extra_info("socket").dup()
        except OSError:  # there are no more descriptors
            return False
        opened.setblocking(False)
        transport.abort()  # closes its own descriptor; the connection lives on in the other
        await asyncio.get_running_loop().connect_accepted_socket(self._factory.admit, opened)
        return True


class _Early(asyncio.Protocol):
    """A connection that came before the application has started."""

    def __init__(self, factory: RequestHandlerFactory) -> None:
        self._factory = factory
        self._transport: asyncio.Transport | None = None
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Read nothing yet."""
        self._transport = cast(asyncio.Transport, transport)
        self._transport.pause_reading()
        self._factory.look_after(self._go_on(self._transport))

    def data_received(self, data: bytes) -> None:
        """Keep *data*: uvloop begins to read all the same, and minds only what is said then."""
        self._received += data
        if self._transport is not None:
            self._transport.pause_reading()

    async def _go_on(self, transport: asyncio.Transport) -> None:
        if not await self._factory.start_for(transport):
            return
        protocol = self._factory.make_protocol()
        transport.set_protocol(protocol)
        protocol.connection_made(transport)
        if self._received:
            protocol.data_received(self._received)
        transport.resume_reading()


async def _handle_or_interrupt(handle: _Handle, request: BaseRequest) -> StreamResponse:
    """Answer *request*; a Ctrl+C that falls into it ends ``run_forever`` once.

    A task that ends with it would pass it on to the one that waits for the answer, and so into the steps of the end.
    """
    try:
        return await handle(request)
    except KeyboardInterrupt as interrupt:
        asyncio.get_running_loop().call_soon(_raise, interrupt)
        raise asyncio.CancelledError from None


def _raise(error: BaseException) -> None:
    raise error


def make_handler(app: "Application", **options: Any) -> RequestHandlerFactory:
    """Give what ``loop.create_server`` takes to serve *app*, ``app.make_handler()`` in aiohttp 0.21.

    It takes ``keep_alive`` (or ``keepalive_timeout``) in seconds, ``access_log``, ``access_log_format`` and
    ``handler_cancellation``; ``loop``, ``debug`` and ``logger`` mean nothing any more. An application has one factory.
    Write ``webkit.run(app)``.

    Raises:
        ConfigError: an option is said elsewhere, or *app* is served otherwise.
    """
    config = _read_options(options)
    factory = _factory_of(app, config)
    if factory.config != config:
        raise ConfigError(f"{app!r} has a handler with other options already. Give that one to create_server again.")
    return factory


async def start(app: "Application") -> None:
    """Start *app*, ``app.startup()``.

    Raises:
        ConfigError: *app* is served otherwise.
        Exception: what a startup step raised; the contexts entered are left.
    """
    await _factory_of(app, app.served_by.config if app.served_by else _read_options({})).start()


async def shut_down(app: "Application") -> None:
    """Send ``on_shutdown``, and end WebSockets and event streams, ``app.shutdown()``."""
    if app.served_by is None and app.aiohttp.frozen:  # somebody else serves it
        await app.aiohttp.shutdown()
    else:
        await _factory_of(app, _read_options({})).shut_down_application()


async def clean_up(app: "Application") -> None:
    """Leave the contexts and send ``on_cleanup``, ``app.cleanup()``."""
    if app.served_by is None and app.aiohttp.frozen:
        await app.aiohttp.cleanup()
    else:
        await _factory_of(app, _read_options({})).clean_up_application()


async def finish(
    servers: asyncio.AbstractServer | Iterable[asyncio.AbstractServer],
    app: "Application",
    handler: RequestHandlerFactory,
    timeout: float = 60.0,
) -> None:
    """End what is served by hand, in the order that ends on every Python; each step is taken, whatever fails.

    Stop listening, send ``on_shutdown``, let running requests finish within *timeout* seconds, clean up.

    Raises:
        Exception: what a step raised; of several the last.
    """
    listening = list(servers) if isinstance(servers, Iterable) else [servers]
    for server in listening:
        server.close()
    async with AsyncExitStack() as steps:
        steps.push_async_callback(app.cleanup)
        for server in listening:
            steps.push_async_callback(server.wait_closed)
        steps.push_async_callback(handler.finish_connections, timeout)
        await app.shutdown()


def _factory_of(app: "Application", config: ServerConfig) -> RequestHandlerFactory:
    if app.served_by is None:
        if app.aiohttp.frozen or app.aiohttp.pre_frozen:
            raise ConfigError(f"{app!r} is served or mounted already; its server starts and ends it.")
        app.served_by = RequestHandlerFactory(app, config)
    return app.served_by


def _read_options(options: dict[str, Any]) -> ServerConfig:
    """Give what the options of ``make_handler`` mean today; the addresses are those of ``create_server``."""
    known: dict[str, Any] = {"host": ()}
    for name, value in options.items():
        if name in {"keep_alive", "keepalive_timeout"}:
            known["keepalive_s"] = float(value or 0)
        elif name == "access_log":
            known["access_log"] = value is not None
        elif name == "access_log_format":
            known["access_log_format"] = translate_log_format(value)
        elif name == "handler_cancellation":
            known["handler_cancellation"] = value
        elif name == "secure_proxy_ssl_header" and value is not None:
            raise ConfigError("secure_proxy_ssl_header is no more: what a client says of a proxy is not believed.")
        elif name not in {"loop", "debug", "logger", "secure_proxy_ssl_header"}:
            raise ConfigError(
                f"make_handler() does not take {name!r}: give it to the application, "
                f"Application(handler_args={{{name!r}: {value!r}}})."
            )
    return ServerConfig(**known)
