"""Serving: from a configuration to a listening server, and down again without losing a request.

The order at the end is the point of this module. aiohttp's own loses uploads, because its connections drop incoming
bytes as soon as it begins to stop; here they go on reading until every running request is answered.
"""

import asyncio
import logging
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from pathlib import Path
from types import FrameType, ModuleType
from typing import Any, Final, Self

from aiohttp import web

from webkit._version import __version__
from webkit.application import Application
from webkit.config import ServerConfig
from webkit.errors import ConfigError
from webkit.lifespan import leave_below
from webkit.loglines import STANDARD_ERROR, StandardErrorHandler
from webkit.requests import APPLICATION
from webkit.runner import Runner
from webkit.sites import AddressError, listen, start_redirects, url_of
from webkit.streams import OpenStreams
from webkit.threads import running

try:
    import uvloop
except ImportError:  # an extra, and not to be had on Windows
    new_event_loop: Callable[[], asyncio.AbstractEventLoop] = asyncio.new_event_loop
else:
    new_event_loop = uvloop.new_event_loop

__all__ = ["AddressError", "Server", "ServerConfig", "new_event_loop", "run", "serve"]

logger = logging.getLogger("webkit.server")

AnyApplication = Application | web.Application

# How long the clean-up may take after a second signal.
_FORCED_S: Final = 3.0


class Server:
    """One application being served: ``await server.start()``, ``server.urls``, ``await server.stop()``."""

    def __init__(self, app: AnyApplication, config: ServerConfig | None = None) -> None:
        self._config = config or ServerConfig()
        self._runner = Runner(_wrapped(app), self._config)
        self._redirects: web.ServerRunner | None = None
        self._forced = asyncio.Event()

    @property
    def runner(self) -> Runner:
        """What serves the application, for those who listen by themselves."""
        return self._runner

    @property
    def urls(self) -> list[str]:
        """Where the server answers."""
        named = [url_of(address, self._config) for address in self._runner.addresses]
        return list(dict.fromkeys(named))  # localhost is two addresses

    async def start(self) -> None:
        """Start the application and listen.

        Raises:
            AddressError: the address cannot be had; everything that was started is ended again.
            Exception: what a startup step of the application raised; the contexts entered are left.
        """
        try:
            await self._runner.setup()
            await listen(self._runner, self._config)
            if self._config.redirect_port is not None:
                self._redirects = await start_redirects(self._config)
        except BaseException:
            if not self._runner.app.frozen:
                # aiohttp would leave the contexts of the root only.
                await leave_below(self._runner.app, logger)
            await self._runner.cleanup_quietly()
            raise

    async def stop(self, *, raise_errors: bool = False) -> None:
        """Stop without losing a request that was begun; the steps, each logged with its duration.

        Raises:
            Exception: what a step raised, where *raise_errors* asks for it; an ``ExceptionGroup`` where several did.
        """
        failures = [
            await _step("stop accepting connections", self._stop_accepting()),
            await _step(
                "tell the application; close WebSockets and event streams",
                self._unless_forced(self._runner.shutdown()),
            ),
            await _step("finish running requests", self._runner.drain(self._config.grace_s, self._forced)),
            await _step("close connections", self._runner.close_connections()),
            await _step("clean up", self._unless_forced(self._runner.cleanup(), moment_s=_FORCED_S)),
        ]
        STANDARD_ERROR.flush()
        errors = [error for error in failures if error is not None]
        if raise_errors and errors:
            raise errors[0] if len(errors) == 1 else ExceptionGroup("Several steps of the shutdown failed.", errors)

    async def _stop_accepting(self) -> None:
        await self._runner.stop_accepting()
        if self._redirects is not None:
            await self._redirects.cleanup()
        if self._config.path is not None:
            await asyncio.to_thread(Path(self._config.path).unlink, missing_ok=True)

    def force(self) -> None:
        """Stop waiting for running requests."""
        self._forced.set()

    async def _unless_forced(self, work: Coroutine[Any, Any, None], *, moment_s: float = 0.0) -> None:
        """Do *work*, which may hang in the application's code, until somebody forces; then it gets *moment_s* more."""
        working, forcing = asyncio.create_task(work), asyncio.create_task(self._forced.wait())
        try:
            await _first_of(working, forcing)
            if moment_s and not working.done():
                await asyncio.wait({working}, timeout=moment_s)
        finally:
            forcing.cancel()
            if not working.done():
                working.cancel()
        with suppress(asyncio.CancelledError):
            await working


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
        logging.basicConfig(level=logging.INFO, handlers=[StandardErrorHandler()])
    serving = serve(app, config or ServerConfig(**options), name=name, announce=announce, handle_signals=handle_signals)
    with asyncio.Runner(loop_factory=new_event_loop if loop is None else lambda: loop) as runner:
        _run_to_the_end(runner, serving)
        if handle_signals and running():
            _leave_threads_behind()


def _leave_threads_behind() -> None:
    """End the process although functions run in threads: they had the grace period, and cannot be cancelled."""
    logger.warning("%d functions still run in their threads and are ended with the process.", running())
    logging.shutdown()
    STANDARD_ERROR.flush()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


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


async def _step(what: str, work: Awaitable[None]) -> Exception | None:
    """Run one step of the shutdown; an error is logged and given back, and the next step follows all the same."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    try:
        await work
    except Exception as error:
        logger.exception("Shutdown: %s: failed after %.2f s", what, loop.time() - began)
        return error
    logger.info("Shutdown: %s: %.2f s", what, loop.time() - began)
    return None


def _wrapped(app: AnyApplication) -> web.Application:
    """Give the application for aiohttp's runner; a plain one gets the care for open streams that webkit's has."""
    if isinstance(app, Application):
        return app.aiohttp
    streams = OpenStreams()

    async def note(request: web.Request, response: web.StreamResponse) -> None:
        if not any(APPLICATION in around for around in request.match_info.apps):
            streams.note(request, response)

    async def close(_: web.Application) -> None:
        await streams.close()

    app.on_response_prepare.append(note)
    app.on_shutdown.append(close)
    return app


class _CallableModule(ModuleType):
    """``webkit.run`` is this module, and ``webkit.run(app)`` is what people write."""

    def __call__(self, app: AnyApplication | Awaitable[AnyApplication], *args: Any, **options: Any) -> None:
        """Serve *app*: see :func:`webkit.run.run`."""
        run(app, *args, **options)


sys.modules[__name__].__class__ = _CallableModule
