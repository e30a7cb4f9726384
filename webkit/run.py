"""Serving: from a configuration to a listening server, and down again without losing a request.

The order at the end is the point of this module. aiohttp's own loses uploads, because its connections drop incoming
bytes as soon as it begins to stop; here they go on reading until every running request is answered.
"""

import asyncio
import errno
import logging
import signal
import sys
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass
from types import FrameType, ModuleType
from typing import Any, Final, Self

from aiohttp import web
from aiohttp.web_protocol import RequestHandler

from webkit._aiohttp import has_queued_requests
from webkit._version import __version__
from webkit.application import Application
from webkit.errors import ConfigError
from webkit.requests import APPLICATION
from webkit.streams import OpenStreams

try:
    import uvloop
except ImportError:  # an extra, and not to be had on Windows
    _new_event_loop: Callable[[], asyncio.AbstractEventLoop] = asyncio.new_event_loop
else:
    _new_event_loop = uvloop.new_event_loop

__all__ = ["AddressError", "Server", "ServerConfig", "run", "serve"]

logger = logging.getLogger("webkit.server")

AnyApplication = Application | web.Application

# A client that has just got its answer may have sent the next request already: this long it is waited for.
_LINGER_S: Final = 0.1
_POLL_S: Final = 0.02
# What is still running after the grace period is cancelled, and may take this long to end.
_CANCEL_S: Final = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerConfig:
    """How an application is served. ``run()`` and the command line take the same options."""

    host: str | None = None  # None: localhost, or no TCP at all where a path is given
    port: int = 8080  # 0 lets the system choose
    path: str | None = None  # of a Unix socket
    backlog: int = 128  # connections that wait to be accepted
    keepalive_s: float = 75.0  # how long an idle connection stays open
    grace_s: float = 25.0  # how long running requests may finish when the server stops
    access_log: bool = True
    access_log_format: str = '%a "%r" %s %b %Tfs'
    reuse_port: bool = False

    def __post_init__(self) -> None:
        if not 0 <= self.port <= 65535:
            raise ConfigError(f"{self.port} is no port; choose 1 to 65535, or 0 for any free one.")
        for name in ("backlog", "keepalive_s", "grace_s"):
            if getattr(self, name) < 0:
                raise ConfigError(f"{name} cannot be negative: {getattr(self, name)}.")


class AddressError(OSError):
    """It cannot be listened where it was asked for: ``filename`` is the path or ``host:port``, ``errno`` the reason."""


class Server:
    """One application being served: ``await server.start()``, ``server.urls``, ``await server.stop()``."""

    def __init__(self, app: AnyApplication, config: ServerConfig | None = None) -> None:
        self._config = config or ServerConfig()
        self._runner = _Runner(_wrapped(app), self._config)
        self._forced = asyncio.Event()

    @property
    def urls(self) -> list[str]:
        """Where the server answers."""
        named = [_url_of(address, self._config.host or "localhost") for address in self._runner.addresses]
        return list(dict.fromkeys(named))  # localhost is two addresses

    async def start(self) -> None:
        """Start the application and listen.

        Raises:
            AddressError: the address cannot be had; everything that was started is ended again.
            Exception: what a startup step of the application raised; the contexts entered are left.
        """
        try:
            await self._runner.setup()
            await self._listen()
        except BaseException:
            await self._runner.cleanup_quietly()
            raise

    async def stop(self) -> None:
        """Stop without losing a request that was begun; the steps, each logged with its duration."""
        await _step("stop accepting connections", self._runner.stop_accepting())
        telling = self._unless_forced(self._runner.shutdown())
        await _step("tell the application; close WebSockets and event streams", telling)
        await _step("finish running requests", self._runner.drain(self._config.grace_s, self._forced))
        await _step("close connections", self._runner.close_connections())
        await _step("clean up", self._runner.cleanup())

    def force(self) -> None:
        """Stop waiting for running requests."""
        self._forced.set()

    async def _unless_forced(self, work: Coroutine[Any, Any, None]) -> None:
        """Do *work*, which may hang in the application's code, until somebody forces."""
        working, forcing = asyncio.create_task(work), asyncio.create_task(self._forced.wait())
        try:
            await _first_of(working, forcing)
        finally:
            forcing.cancel()
            if not working.done():
                working.cancel()
        with suppress(asyncio.CancelledError):
            await working

    async def _listen(self) -> None:
        config = self._config
        if config.path is not None:
            unix_site = web.UnixSite(self._runner, config.path, backlog=config.backlog)
            await _open(unix_site, config.path)
            if config.host is None:
                return
        host = config.host or "localhost"
        if host == "localhost" and config.port == 0:
            host = "127.0.0.1"  # ::1 would get a port of its own
        try:
            await self._listen_on(host)
        except AddressError as error:
            # A machine without IPv6 whose name table has ::1 for localhost all the same.
            if host != "localhost" or error.errno != errno.EADDRNOTAVAIL:
                raise
            await self._listen_on("127.0.0.1")

    async def _listen_on(self, host: str) -> None:
        config = self._config
        site = web.TCPSite(
            self._runner, host, config.port, backlog=config.backlog, reuse_port=config.reuse_port or None
        )
        await _open(site, f"{host}:{config.port}")


class _Runner(web.AppRunner):
    """aiohttp's runner, which also knows the connections that serve a request, and shuts down once."""

    def __init__(self, app: web.Application, config: ServerConfig) -> None:
        super().__init__(
            app,
            keepalive_timeout=config.keepalive_s,
            shutdown_timeout=_CANCEL_S,
            access_log=logging.getLogger("webkit.access") if config.access_log else None,
            access_log_format=config.access_log_format,
        )
        self._tasks: dict[RequestHandler, asyncio.Task[Any]] = {}
        self._prune_at = 64
        self._draining = False
        self._was_shut_down = False
        self._handle: Callable[[Any], Awaitable[web.StreamResponse]] | None = None

    async def setup(self) -> None:
        """Start the application, and watch the requests that aiohttp hands over."""
        await super().setup()
        if self.server is not None:
            self._handle = self.server.request_handler
            self.server.request_handler = self._watch

    async def _watch(self, request: web.BaseRequest) -> web.StreamResponse:
        task = asyncio.current_task()
        if task is not None:
            self._tasks[request.protocol] = task
            if len(self._tasks) > self._prune_at:
                self._prune()
        try:
            response = await self._handle(request)  # type: ignore[misc]
        except web.HTTPException as error:
            self._close_after(request, error)
            raise
        self._close_after(request, response)
        return response

    def _close_after(self, request: web.BaseRequest, response: Any) -> None:
        if self._draining and isinstance(response, web.StreamResponse) and not has_queued_requests(request.protocol):
            response.force_close()

    def _prune(self) -> None:
        """Forget connections that are gone; the work is spread over as many requests as there are connections."""
        connections = self.server.connections if self.server else []
        self._tasks = {known: self._tasks[known] for known in connections if known in self._tasks}
        self._prune_at = 2 * len(self._tasks) + 64

    async def stop_accepting(self) -> None:
        """Close the listening sockets, but take what has already come in."""
        # Connections that wait in the kernel's queue would be reset with the socket: two turns of the loop take them.
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        self._draining = True
        for site in self.sites:
            await site.stop()

    async def shutdown(self) -> None:
        """Send ``on_shutdown``, once: ``cleanup()`` of aiohttp calls it again."""
        if not self._was_shut_down:
            self._was_shut_down = True
            await super().shutdown()

    async def drain(self, grace_s: float, forced: asyncio.Event) -> None:
        """Wait until every connection is closed: busy ones with their answer, idle ones after a moment."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + grace_s
        idle_since: dict[RequestHandler, float] = {}
        while self.server is not None and (connections := self.server.connections):
            now = loop.time()
            for connection in connections:
                if self._is_busy(connection):
                    idle_since.pop(connection, None)
                elif now - idle_since.setdefault(connection, now) >= _LINGER_S:
                    connection.force_close()
            if forced.is_set() or now >= deadline:
                return
            with suppress(TimeoutError):
                await asyncio.wait_for(forced.wait(), _POLL_S)

    async def close_connections(self) -> None:
        """Cancel what is still running, and close what is still open."""
        if self.server is None:
            return
        busy = [self._tasks[known] for known in self.server.connections if self._is_busy(known)]
        if busy:
            logger.warning("%d requests did not finish in time and are cancelled.", len(busy))
            for task in busy:
                task.cancel()
            await asyncio.wait(busy, timeout=_CANCEL_S)
        for connection in self.server.connections:
            connection.force_close()

    async def cleanup_quietly(self) -> None:
        """Clean up after a failed start, whose error is the one to show."""
        try:
            await self.cleanup()
        except Exception:
            logger.exception("The clean-up after a failed start failed too.")

    def _is_busy(self, connection: RequestHandler) -> bool:
        task = self._tasks.get(connection)
        return task is not None and not task.done()


def _print_at_once(line: str) -> None:
    print(line, flush=True)


async def serve(
    app: AnyApplication | Awaitable[AnyApplication],
    config: ServerConfig | None = None,
    *,
    name: str = "the application",
    announce: Callable[[str], object] | None = _print_at_once,
    handle_signals: bool = True,
) -> None:
    """Serve *app* until SIGINT or SIGTERM; a second signal no longer waits for running requests.

    *announce* is called with the line that says where. Without *handle_signals* it serves until it is cancelled.

    Raises:
        AddressError: the address cannot be had.
        ConfigError: what was awaited is no application.
    """
    with _Signals(handle_signals) as signals:
        starting = asyncio.create_task(_start(app, config, name))
        try:
            await _first_of(starting, signals.stop)
        finally:
            if not starting.done():
                starting.cancel()
                await _first_of(starting, signals.force)
        if not starting.done() or starting.cancelled():
            return
        server = await starting
        signals.force.add_done_callback(lambda _: server.force())
        try:
            if announce is not None:
                announce(f"webkit {__version__} serves {name} on {', '.join(server.urls)} (Ctrl+C stops)")
            await signals.stop
        finally:
            await server.stop()


async def _start(app: AnyApplication | Awaitable[AnyApplication], config: ServerConfig | None, name: str) -> Server:
    resolved = app if isinstance(app, AnyApplication) else await app
    if not isinstance(resolved, AnyApplication):
        raise ConfigError(f"{name} gave {resolved!r}, which is no application.")
    server = Server(resolved, config)
    await server.start()
    return server


def run(
    app: AnyApplication | Awaitable[AnyApplication],
    config: ServerConfig | None = None,
    *,
    name: str = "the application",
    announce: Callable[[str], object] | None = _print_at_once,
    handle_signals: bool = True,
    loop: asyncio.AbstractEventLoop | None = None,
    **options: Any,
) -> None:
    """Serve *app*, blocking, until SIGINT or SIGTERM, or until somebody raises ``aiohttp.web.GracefulExit``.

    *options* are the fields of :class:`ServerConfig`, as in ``run(app, port=8000)``; uvloop is used where installed,
    unless there is a *loop*, which is closed in the end. *announce* and *handle_signals* are those of :func:`serve`.

    Raises:
        ConfigError: an option is unknown or out of range, or both a configuration and options are given.
        AddressError: the address cannot be had.
    """
    if options and config is not None:
        raise ConfigError(f"Give either a ServerConfig or options, not both: {', '.join(options)}.")
    unknown = set(options) - set(ServerConfig.__dataclass_fields__)
    if unknown:
        known = ", ".join(ServerConfig.__dataclass_fields__)
        raise ConfigError(f"run() has no option {', '.join(sorted(unknown))}; there are {known}.")
    if not logging.getLogger().handlers:
        logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    serving = serve(app, config or ServerConfig(**options), name=name, announce=announce, handle_signals=handle_signals)
    with asyncio.Runner(loop_factory=_new_event_loop if loop is None else lambda: loop) as runner:
        _run_to_the_end(runner, serving)


def _run_to_the_end(runner: asyncio.Runner, serving: Coroutine[Any, Any, None]) -> None:
    """Run *serving*. What leaves the loop at once, GracefulExit and Ctrl+C without a handler, stops it in order."""

    async def wait() -> None:
        await task

    task = runner.get_loop().create_task(serving)
    try:
        runner.run(wait())
    except (web.GracefulExit, KeyboardInterrupt):
        if not task.done():
            task.cancel()
            with suppress(asyncio.CancelledError):
                runner.run(wait())


class _Signals:
    """SIGINT and SIGTERM as futures: the first asks to stop, the second forces. Restores what was there before."""

    def __init__(self, are_handled: bool) -> None:
        self._are_handled = are_handled
        self._loop = asyncio.get_running_loop()
        self.stop: asyncio.Future[None] = self._loop.create_future()
        self.force: asyncio.Future[None] = self._loop.create_future()
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        for number in (signal.SIGINT, signal.SIGTERM) if self._are_handled else ():
            # Not add_signal_handler: Windows has none, and signal.signal gives back what to restore.
            with suppress(ValueError):  # not in the main thread: somebody else handles signals
                self._before[number] = signal.signal(number, self._on_signal)
        return self

    def __exit__(self, *error: object) -> None:
        for number, before in self._before.items():
            signal.signal(number, before)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        self._loop.call_soon_threadsafe(self._advance)

    def _advance(self) -> None:
        waiting = self.force if self.stop.done() else self.stop
        if not waiting.done():
            waiting.set_result(None)


async def _first_of(*futures: asyncio.Future[Any]) -> None:
    await asyncio.wait(futures, return_when=asyncio.FIRST_COMPLETED)


async def _step(what: str, work: Awaitable[None]) -> None:
    """Run one step of the shutdown; an error is logged, and the next step follows all the same."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    try:
        await work
    except Exception:
        logger.exception("Shutdown: %s: failed after %.2f s", what, loop.time() - began)
    else:
        logger.info("Shutdown: %s: %.2f s", what, loop.time() - began)


def _wrapped(app: AnyApplication) -> web.Application:
    """Give the application for aiohttp's runner; a plain one gets the care for open streams that webkit's has."""
    if isinstance(app, Application):
        return app.aiohttp
    streams = OpenStreams()

    async def note(request: web.Request, response: web.StreamResponse) -> None:
        if not any(APPLICATION in around for around in request.match_info.apps):
            streams.note(response)

    async def close(_: web.Application) -> None:
        await streams.close()

    app.on_response_prepare.append(note)
    app.on_shutdown.append(close)
    return app


async def _open(site: web.BaseSite, where: str) -> None:
    try:
        await site.start()
    except OSError as error:
        raise AddressError(error.errno, error.strerror or str(error), where) from error


def _url_of(address: Any, host: str) -> str:
    if not isinstance(address, tuple):
        return f"http://unix:{address}:"
    return f"http://[{host}]:{address[1]}" if ":" in host else f"http://{host}:{address[1]}"


class _CallableModule(ModuleType):
    """``webkit.run`` is this module, and ``webkit.run(app)`` is what people write."""

    def __call__(self, app: AnyApplication | Awaitable[AnyApplication], *args: Any, **options: Any) -> None:
        """Serve *app*: see :func:`webkit.run.run`."""
        run(app, *args, **options)


sys.modules[__name__].__class__ = _CallableModule
