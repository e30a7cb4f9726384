"""The response of a WebSocket session: asked each second whether the client is still there, and ended at shutdown.

aiohttp has a heartbeat of its own. It takes a timer for each connection and a turn of the loop for each packet, a tenth
of what an echo costs. Here one timer serves all (see :mod:`webkit.pulse`), and a packet sets a flag.
"""

import asyncio
from contextlib import suppress

from aiohttp import web
from aiohttp.abc import AbstractStreamWriter

from webkit._aiohttp import let_go_of_parser, listen_to
from webkit.pulse import TICK_S
from webkit.requests import APPLICATION
from webkit.websocket_options import WebSocketOptions
from webkit.websocket_responses import WebSocketResponse
from webkit.websocket_sessions import WebSocketSession

__all__ = ["SessionResponse"]


class SessionResponse(WebSocketResponse):
    """The response of a session, held as *options* say."""

    __slots__ = (
        "_heartbeat_s",
        "_is_heard",
        "_pinging",
        "_silent_s",
        "_stalled_s",
        "_waiting_bytes",
        "is_late",
        "session",
    )

    def __init__(self, request: web.Request, options: WebSocketOptions) -> None:
        # Only an application of webkit has the timer.
        has_pulse = any(APPLICATION in app for app in request.match_info.apps)
        super().__init__(
            origins=options.origins,
            heartbeat=None if has_pulse else options.heartbeat_s,
            max_msg_size=options.max_message_bytes,
            protocols=options.subprotocols,
            compress=options.compress,
        )
        self._heartbeat_s = options.heartbeat_s if has_pulse else None
        self._is_heard = False
        self._silent_s = 0.0
        self._stalled_s = 0.0
        self._waiting_bytes = 0
        self._pinging: asyncio.Task[None] | None = None
        #: Whether the server stops.
        self.is_late = False
        #: Set when it has begun, and no more when it is over.
        self.session: WebSocketSession | None = None

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter:
        """Answer the handshake.

        Raises:
            HTTPException: the client is refused.
        """
        writer = await super().prepare(request)
        let_go_of_parser(request.protocol)
        if self._heartbeat_s is not None:
            listen_to(request.protocol, self._hear)
        return writer

    def _hear(self) -> None:
        self._is_heard = True

    def beat(self, *, is_turn: bool) -> None:
        """Ping a client that is silent, and cut it off when it stays so, or reads nothing (the timer calls it)."""
        transport = None if self.session is None else self.session.transport
        if self._heartbeat_s is None or transport is None:
            return
        waiting, before = transport.get_write_buffer_size(), self._waiting_bytes
        self._waiting_bytes = waiting
        self._stalled_s = self._stalled_s + TICK_S if waiting and waiting >= before else 0.0
        # Where reading is paused, because a callback takes its time, silence says nothing.
        if self._is_heard or not (waiting or transport.is_reading()):
            self._silent_s, self._is_heard = 0.0, False
        else:
            self._silent_s += TICK_S
            if self._silent_s - TICK_S < self._heartbeat_s <= self._silent_s and not self.closed:
                self._pinging = asyncio.get_running_loop().create_task(self._ping())
        # What waits for a client may grow for a while although it reads, so that is judged with more patience.
        if self._silent_s >= 1.5 * self._heartbeat_s or self._stalled_s >= 3 * self._heartbeat_s:
            transport.abort()

    async def _ping(self) -> None:
        with suppress(ConnectionError):
            await self.ping()

    async def end_stream(self) -> None:
        """Close with 1001, and cancel a callback that does not end by itself; ``ws_close`` is not waited for."""
        self.is_late = True
        if self.session is not None:
            await self.session.end()
