"""The responses that stay open, WebSockets and event streams: noted as they begin, ended when the server stops.

Without this, aiohttp waits for them twice its timeout, and WebSocket clients see 1006.
"""

import asyncio
from collections.abc import Iterable
from typing import Any, Final

from aiohttp import WSCloseCode, web

__all__ = ["OpenStreams"]

# How long a client may take to answer the closing of its WebSocket, or to read the end of its stream.
_CLOSING_S: Final = 2.0


class OpenStreams:
    """The open WebSockets and event streams of an application."""

    def __init__(self) -> None:
        self._open: dict[web.StreamResponse, asyncio.Task[Any]] = {}

    def __len__(self) -> int:
        return len(self._open)

    def note(self, response: web.StreamResponse) -> None:
        """Remember *response*, which the current task serves, until that task ends."""
        task = asyncio.current_task()
        is_stream = isinstance(response, web.WebSocketResponse) or response.content_type == "text/event-stream"
        if task is not None and is_stream:
            self._open[response] = task
            task.add_done_callback(lambda _: self._open.pop(response, None))

    async def close(self) -> None:
        """Close WebSockets with 1001, end event streams; who does not react within two seconds is left behind."""
        closing = [asyncio.ensure_future(_close(response, task)) for response, task in self._open.items()]
        if closing:
            done, pending = await asyncio.wait(closing, timeout=_CLOSING_S)
            _cancel(pending)
            # A client that is gone already fails its closing, and there is nothing to be done about it.
            await asyncio.gather(*done, *pending, return_exceptions=True)


async def _close(response: web.StreamResponse, task: "asyncio.Task[Any]") -> None:
    if isinstance(response, web.WebSocketResponse):
        await response.close(code=WSCloseCode.GOING_AWAY, message=b"Server shutdown")
        return
    try:
        await response.write_eof()
    finally:
        task.cancel()


def _cancel(tasks: "Iterable[asyncio.Future[Any]]") -> None:
    for task in tasks:
        task.cancel()
