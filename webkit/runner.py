"""aiohttp's runner, made to stop without losing a request: it knows which connections are busy, and waits for them."""

import asyncio
import logging
from contextlib import suppress
from functools import partial
from typing import Final

from aiohttp import web
from aiohttp.web_protocol import RequestHandler

from webkit._aiohttp import busy_task_of, replace_server
from webkit.access import AccessLogger
from webkit.config import ServerConfig
from webkit.dispatch import make_dispatcher
from webkit.protocol import Server

__all__ = ["Runner"]

logger = logging.getLogger("webkit.server")

# A client that has just got its answer may have sent the next request already: this long it is waited for.
_LINGER_S: Final = 0.1
_POLL_S: Final = 0.02
# Connections wait in the kernel's queue until none has come for so long; a flood of new ones ends that after a while.
_TURN_S: Final = 0.002
_QUIET_TURNS: Final = 5
_ACCEPTING_TURNS: Final = 250
# What is still running after the grace period is cancelled, and may take this long to end.
_CANCEL_S: Final = 1.0


class Runner(web.AppRunner):
    """aiohttp's runner, which also knows the connections that serve a request, and shuts down once."""

    def __init__(self, app: web.Application, config: ServerConfig) -> None:
        super().__init__(
            app,
            keepalive_timeout=config.keepalive_s,
            shutdown_timeout=_CANCEL_S,
            access_log=logging.getLogger("webkit.access") if config.access_log else None,
            access_log_format=config.access_log_format,
            access_log_class=AccessLogger,
            handler_cancellation=config.handler_cancellation,
        )
        self._request_id_header = config.request_id_header
        self._closing: list[asyncio.Transport] = []
        self._was_shut_down = False

    async def setup(self) -> None:
        """Start the application, and stand between aiohttp's server and it."""
        await super().setup()
        if self.server is not None:
            self.server.request_handler = make_dispatcher(
                self.app, self.server.request_handler, self._request_id_header
            )
            replace_server(self, partial(Server, is_for_application=True))

    async def stop_accepting(self) -> None:
        """Close the listening sockets, but take what has already come in."""
        if isinstance(self.server, Server):
            self.server.stop_keeping_alive()
        await self._take_waiting_connections()
        for site in self.sites:
            await site.stop()

    async def _take_waiting_connections(self) -> None:
        """Accept what waits in the kernel's queue: it would be reset with the socket."""
        quiet, seen = 0, self._activity()
        for _ in range(_ACCEPTING_TURNS):
            await asyncio.sleep(_TURN_S)
            before, seen = seen, self._activity()
            quiet = quiet + 1 if seen == before else 0
            if quiet == _QUIET_TURNS:
                return

    def _activity(self) -> tuple[int, frozenset[RequestHandler]]:
        """Tell what changes when a connection comes, even one that is answered and closed in the same turn."""
        if self.server is None:
            return 0, frozenset()
        return self.server.requests_count, frozenset(self.server.connections)

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
        while self.server is not None and self._is_needed():
            now = loop.time()
            for connection in self.server.connections:
                if busy_task_of(connection) is not None:
                    idle_since.pop(connection, None)
                elif now - idle_since.setdefault(connection, now) >= _LINGER_S:
                    self._close(connection)
            if forced.is_set() or now >= deadline:
                return
            with suppress(TimeoutError):
                await asyncio.wait_for(forced.wait(), _POLL_S)

    def _is_needed(self) -> bool:
        """Whether a request is served, or a client still has to get something.

        aiohttp keeps a connection for ten seconds to read the rest of a body that nobody wants, even when it is closed.
        """
        connections = () if self.server is None else self.server.connections
        is_open = any(known.transport is not None or busy_task_of(known) is not None for known in connections)
        return is_open or any(transport.get_write_buffer_size() for transport in self._closing)

    async def close_connections(self) -> None:
        """Cancel what is still running, and close what is still open."""
        if self.server is None:
            return
        busy = [task for known in self.server.connections if (task := busy_task_of(known)) is not None]
        if busy:
            logger.warning("%d requests did not finish in time and are cancelled.", len(busy))
            for task in busy:
                task.cancel()
            await asyncio.wait(busy, timeout=_CANCEL_S)
        for connection in self.server.connections:
            self._close(connection)
        for transport in self._closing:
            transport.abort()  # whatever the client has not read by now

    def _close(self, connection: RequestHandler) -> None:
        if connection.transport is not None:
            self._closing.append(connection.transport)
        connection.force_close()

    async def cleanup_quietly(self) -> None:
        """Clean up after a failed start, whose error is the one to show."""
        try:
            await self.cleanup()
        except Exception:
            logger.exception("The clean-up after a failed start failed too.")
