"""WebSocket handlers of a service: those of :mod:`webkit.websockets`, asked in a servlet's words."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any, Final

from aiohttp import WSCloseCode, web

from webkit.conversations import serve_websocket
from webkit.servlet_requests import AsyncRequest
from webkit.websocket_options import WebSocketOptions
from webkit.websocket_sessions import WebSocketSession

__all__ = ["WebSocketAdapter", "answer_websocket", "is_websocket_handler"]

_METHODS: Final = ("ws_accept", "ws_open", "ws_message", "ws_binary", "ws_close", "ws_error")
_USUAL: Final = WebSocketOptions()


class WebSocketAdapter:
    """Passes on what happens to a session: with a servlet's request, and what went wrong in words.

    ``service.calls.websocket_adapter`` may be another class, for handlers with other expectations.
    """

    def __init__(self, handler: Any, request: AsyncRequest) -> None:
        self.handler = handler
        self.request = request
        self._close: Callable[[], object] = _do_nothing

    async def ws_accept(self, request: web.Request) -> bool:
        """Ask whether the client may connect."""
        return bool(await self.handler.ws_accept(self.request))

    async def ws_open(self, session: WebSocketSession, request: web.Request) -> None:
        """Begin; from now on the session is closed when the handler is drained."""
        binding = self.request.binding
        # The threads of those who drain have no loop, and this one's may be over by then.
        self._close = partial(_close_from_anywhere, asyncio.get_running_loop(), session)
        binding.closers.add(self._close)
        if binding.is_draining:
            self._close()
        await self.handler.ws_open(session, self.request)

    async def ws_message(self, session: WebSocketSession, text: str) -> None:
        """Pass on a text."""
        await self.handler.ws_message(session, text)

    async def ws_binary(self, session: WebSocketSession, data: bytes) -> None:
        """Pass on bytes."""
        await self.handler.ws_binary(session, data)

    async def ws_close(self, session: WebSocketSession, code: int, reason: str) -> None:
        """Pass on the end."""
        self.request.binding.closers.discard(self._close)
        await self.handler.ws_close(session, code, reason)

    async def ws_error(self, session: WebSocketSession, error: Exception) -> None:
        """Say what went wrong."""
        await self.handler.ws_error(session, str(error))


def _do_nothing() -> None:
    """Close what was never open."""


def _close_from_anywhere(loop: asyncio.AbstractEventLoop, session: WebSocketSession) -> None:
    with suppress(RuntimeError):
        loop.call_soon_threadsafe(session.start_closing, WSCloseCode.GOING_AWAY, "")


def is_websocket_handler(thing: object) -> bool:
    """Whether *thing* has the six methods of a handler."""
    return all(callable(getattr(thing, name, None)) for name in _METHODS)


async def answer_websocket(adapter: WebSocketAdapter, options: WebSocketOptions | None) -> web.StreamResponse:
    """Serve the request of *adapter*; its handler is asked before anybody looks whether it is a handshake.

    The options are those of the handler, if it has any, else *options*, else the usual ones.

    Raises:
        HTTPException: the request is no handshake, or comes from a foreign page.
    """
    if not await adapter.ws_accept(adapter.request.request):
        return web.Response(status=400, text="WebSocket connection refused")
    own = getattr(adapter.handler, "options", None)
    chosen = own if isinstance(own, WebSocketOptions) else options or _USUAL
    return await serve_websocket(adapter, adapter.request.request, chosen, asks=False)
