"""The responses that stay open, WebSockets and event streams: noted as they begin, ended when the server stops.

Those that want it are looked after each second meanwhile (see :mod:`webkit.pulse`).

Without this, aiohttp waits for them twice its timeout, and WebSocket clients see 1006. And one whose connection is to
be closed would wait without end for a client that does not read: after a while it is cut off.
"""

import asyncio
import logging
import socket
from collections.abc import Collection
from contextlib import suppress
from contextvars import Context
from dataclasses import dataclass
from typing import Any, Final, Protocol, runtime_checkable

from aiohttp import WSCloseCode, web

from webkit.pulse import Beating, Pulse
from webkit.responses import HEADERS_ONLY, is_running

__all__ = ["EndsItself", "OpenStreams", "drop_body", "end_with_headers", "notice_vanishing"]

logger = logging.getLogger("webkit.server")

# How long a client may take to answer the closing of its WebSocket, or to read the end of its stream.
_CLOSING_S: Final = 2.0
_POLL_S: Final = 0.02
# More WebSockets than these are not closed at once, but over this time.
_AT_ONCE: Final = 1000
_SPREAD_S: Final = 1.0
# How often it is looked for those that are to be closed; who was so the last time already does not read.
_SWEEP_S: Final = 30.0

_NO_CONTEXT: Final = Context()


def end_with_headers(request: web.Request) -> None:
    """Let no body follow the headers that are about to go, and end the handler that would write one.

    aiohttp lets a stream write its body to HEAD, 204 and 304, and the next answer begins in the middle of it.
    """
    request[HEADERS_ONLY] = True
    request.writer.length = 0
    request.writer.set_eof()  # type: ignore[attr-defined]
    # Cancelling is noticed where the handler waits; one that only writes never does, and would hold the loop.
    request.writer.write = _refuse_body  # type: ignore[method-assign]
    task = asyncio.current_task()
    if is_running(request) and task is not None:
        task.cancel()


def drop_body(request: web.Request) -> None:
    """Let no body follow the headers of a buffered response that are about to go.

    aiohttp leaves it out by itself, but not the end of a compressed one, nor what a handler writes beside it.
    """
    writer = request.writer

    async def end(chunk: bytes = b"") -> None:
        writer.set_eof()  # type: ignore[attr-defined]

    writer.write = _ignore_body  # type: ignore[method-assign]
    writer.write_eof = end  # type: ignore[method-assign]


def notice_vanishing(transport: asyncio.Transport | None, after_s: int) -> None:
    """Let the system give up a client that acknowledges nothing: a cable that was pulled tells nobody. 0 is "never"."""
    opened = None if transport is None else transport.get_extra_info("socket")
    option = getattr(socket, "TCP_USER_TIMEOUT", None)  # Linux has it
    if opened is not None and option is not None and opened.family in {socket.AF_INET, socket.AF_INET6}:
        with suppress(OSError):  # it is closed already
            opened.setsockopt(socket.IPPROTO_TCP, option, after_s * 1000)


async def _ignore_body(*args: object, **options: object) -> None:
    pass


async def _refuse_body(*args: object, **options: object) -> None:
    raise asyncio.CancelledError


@runtime_checkable
class EndsItself(Protocol):
    """A response that knows how it ends when the server stops."""

    async def end_stream(self) -> None:
        """End; who calls this does nothing else, and the grace period bounds what the handler still does."""


@dataclass(frozen=True, slots=True)
class _Open:
    """An open response: the task that serves it, and the connection."""

    response: web.StreamResponse
    task: "asyncio.Task[Any]"
    transport: asyncio.Transport | None
    streams: "OpenStreams"

    def __call__(self, _: "asyncio.Task[Any]") -> None:
        """Forget it: the task has ended."""
        self.streams.forget(self.response)


class OpenStreams:
    """The open WebSockets and event streams of an application."""

    def __init__(self) -> None:
        self._open: dict[web.StreamResponse, _Open] = {}
        self._pulse = Pulse()
        self._is_closed = False
        self._closing: set[asyncio.Task[None]] = set()
        self._is_swept = False
        self._over: set[_Open] = set()

    def __len__(self) -> int:
        return len(self._open)

    def note(self, request: web.Request, response: web.StreamResponse) -> None:
        """Remember *response*, which the current task serves, until that task ends; one that comes late is ended."""
        task = asyncio.current_task()
        is_stream = isinstance(response, web.WebSocketResponse) or response.content_type == "text/event-stream"
        if task is not None and is_stream:
            self._open[response] = noted = _Open(response, task, request.transport, self)
            if isinstance(response, Beating):
                self._pulse.add(response)
            # PERF: each connection holds what is made here: no closure, and the context is the same for all.
            task.add_done_callback(noted, context=_NO_CONTEXT)
            self._sweep_later()
            if self._is_closed:
                # Its headers go when this task waits for the first time, and then its end.
                asyncio.get_running_loop().call_soon(self._end, noted)

    async def close(self) -> None:
        """Close WebSockets with 1001 and end event streams, and their handlers, within two or three seconds."""
        self._is_closed = True
        noted = tuple(self._open.values())
        sockets = [each for each in noted if isinstance(each.response, web.WebSocketResponse)]
        ending = [self._end(each) for each in noted if not isinstance(each.response, web.WebSocketResponse)]
        # All at once they would come back all at once, to the next server.
        pause_s = _SPREAD_S / len(sockets) if len(sockets) > _AT_ONCE else 0.0
        ending += [self._end(each, number * pause_s) for number, each in enumerate(sockets)]
        if ending:
            await asyncio.wait(ending)

    def forget(self, response: web.StreamResponse) -> None:
        """Note that *response* is over."""
        self._open.pop(response, None)
        if isinstance(response, Beating):
            self._pulse.discard(response)

    async def close_those(self, transports: Collection[asyncio.Transport]) -> None:
        """Close those on *transports* in the same way, and go on with all others."""
        ending = [self._end(noted) for noted in tuple(self._open.values()) if noted.transport in transports]
        if ending:
            await asyncio.wait(ending)

    def _sweep_later(self) -> None:
        if self._open and not self._is_swept:
            self._is_swept = True
            asyncio.get_running_loop().call_later(_SWEEP_S, self._sweep)

    def _sweep(self) -> None:
        """Cut off clients that do not read what is sent before the end."""
        before, self._over = self._over, {noted for noted in self._open.values() if _is_over(noted)}
        for noted in before & self._over:
            if noted.transport is not None:
                noted.transport.abort()
        self._is_swept = False
        self._sweep_later()

    def _end(self, noted: _Open, after_s: float = 0.0) -> "asyncio.Task[None]":
        task = asyncio.get_running_loop().create_task(_end(noted, after_s))
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)
        return task


def _is_over(noted: _Open) -> bool:
    """Whether the connection is to be closed, and its handler runs all the same."""
    is_closed = isinstance(noted.response, web.WebSocketResponse) and noted.response.closed
    return is_closed or (noted.transport is not None and noted.transport.is_closing())


async def _end(noted: _Open, after_s: float) -> None:
    if after_s:
        await asyncio.wait({noted.task}, timeout=after_s)
    if isinstance(noted.response, EndsItself):
        await noted.response.end_stream()
    else:
        await _end_foreign(noted)


async def _end_foreign(noted: _Open) -> None:
    """End one stream. A client that is gone already fails that, and there is nothing to be done about it."""
    try:
        async with asyncio.timeout(_CLOSING_S):
            if isinstance(noted.response, web.WebSocketResponse):
                await noted.response.close(code=WSCloseCode.GOING_AWAY, message=b"Server shutdown")
                # A handler that receives sees the end; one that only sends has to be told otherwise.
                await asyncio.wait({noted.task}, timeout=_CLOSING_S)
            else:
                await noted.response.write_eof()
                # What is written waits for a client that reads; closing would wait for it without end.
                while noted.transport is not None and noted.transport.get_write_buffer_size():  # noqa: ASYNC110
                    await asyncio.sleep(_POLL_S)
    except TimeoutError:
        # It does not read: what waits for it would wait for ever.
        if noted.transport is not None:
            noted.transport.abort()
    except Exception:
        logger.debug("A stream could not be ended properly.", exc_info=True)
    noted.task.cancel()
