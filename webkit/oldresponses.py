"""Responses and WebSockets in the spelling of aiohttp 0.21, where most of what is awaited today was a plain call.

``response.write(data)`` and ``ws.send_str(text)`` were called without ``await``, and went out in order. Here they
begin at once, wait for those before them, and may be awaited or not; an error of one that is not awaited is in the log
at DEBUG. What was sent without waiting is held in memory until the client reads it: await it where there is much.
"""

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from functools import partial
from typing import Any, Final, TypeVar, cast

from aiohttp import WSCloseCode, WSMessage, WSMsgType, web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.web_request import BaseRequest

from webkit import responses, websocket_responses
from webkit.flowcontrol import FlowControl
from webkit.hints import give_hint

__all__ = ["Message", "OldResponse", "Outbox", "Ready", "Response", "StreamResponse", "WebSocketResponse"]

logger = logging.getLogger("webkit.server")

T = TypeVar("T")

# What the documentation of aiohttp 0.21 closed with at a shutdown. It is no code of the protocol.
_SHUTDOWN_CODE: Final = 999
# How long the end of a WebSocket waits for what was sent before it, to a client that may not read.
_FLUSH_S: Final = 10.0


class Outbox:
    """Sends one thing after another, whether somebody waits for it or not."""

    def __init__(self) -> None:
        self._last: asyncio.Task[None] | None = None

    def send(self, work: Callable[[], Awaitable[None]]) -> asyncio.Task[None]:
        """Do *work* when everything before it is done, and give what can be awaited for its end."""
        self._last = asyncio.get_running_loop().create_task(_do_after(self._last, work))
        self._last.add_done_callback(_note_failure)
        return self._last

    async def flush(self, timeout: float | None = None) -> None:
        """Wait until everything is sent or has failed, or *timeout* seconds."""
        if self._last is not None and not self._last.done():
            await asyncio.wait({self._last}, timeout=timeout)


async def _do_after(before: asyncio.Task[None] | None, work: Callable[[], Awaitable[None]]) -> None:
    if before is not None and not before.done():
        await asyncio.wait({before})  # its error is for those who wait for it
    await work()


def _note_failure(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and task.exception() is not None:
        logger.debug("What was sent without waiting for it did not arrive.", exc_info=task.exception())


class OldResponse(FlowControl):
    """What the responses of aiohttp 0.21 had in common: ``start``, ``started`` and ``drain``."""

    _request: BaseRequest | None = None
    _outbox: Outbox

    @property
    def started(self) -> bool:
        """Whether the answer has begun; ``prepared`` today."""
        return self.prepared

    def start(self, request: BaseRequest) -> AbstractStreamWriter | None:
        """Begin the answer to *request*; ``await response.prepare(request)`` today.

        Raises:
            RuntimeError: a handler of ``on_response_prepare`` waits for something; this cannot.
        """
        return _run_at_once(self.prepare(request))

    async def prepare(self, request: BaseRequest) -> AbstractStreamWriter | None:
        """Begin the answer to *request*."""
        self._request = request
        return await super().prepare(request)

    async def drain(self) -> None:
        """Wait until the client has read most of what was written; awaiting ``write`` does that today."""
        await self._outbox.flush()
        if self._request is not None:
            await self._request.writer.drain()


class StreamResponse(OldResponse):
    """``StreamResponse`` as in aiohttp 0.21: ``write`` may be awaited or not. It is undelayed."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._outbox = Outbox()

    def write(self, data: bytes | bytearray | memoryview) -> Awaitable[None]:  # type: ignore[override]
        """Send *data* behind everything that was written before.

        Raises:
            RuntimeError: the answer has not begun.
            TypeError: *data* is no bytes.
        """
        if not self.prepared:
            raise RuntimeError("The answer has not begun: write 'await response.prepare(request)' before.")
        if not isinstance(data, bytes | bytearray | memoryview):
            raise TypeError(f"write() takes bytes, not {data!r}.")
        return self._outbox.send(partial(super().write, bytes(data)))  # a copy: the caller's may change before

    async def write_eof(self, data: bytes = b"") -> None:
        """End the answer."""
        await self._outbox.flush()
        try:
            await super().write_eof(data)
        finally:
            self.restore()


class Response(OldResponse, responses.Response):
    """``Response`` as in aiohttp 0.21: corked until it is written."""

    _is_corked = True
    _is_undelayed = False

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._outbox = Outbox()

    async def write_eof(self, data: bytes = b"") -> None:
        """Write the answer."""
        try:
            await super().write_eof(data)
        finally:
            self.restore()


class Message(WSMessage):
    """A message of a WebSocket, with its type as ``tp`` too."""

    __slots__ = ()

    @property
    def tp(self) -> WSMsgType:
        """The type; ``type`` today."""
        return self.type


class Ready(web.WebSocketReady):
    """Whether a handshake would be answered, and the subprotocol: a pair until aiohttp 1.0, a truth value today."""

    def __iter__(self) -> Iterator[Any]:
        """Give the pair, for ``ok, protocol = ws.can_start(request)``."""
        yield self.ok
        yield self.protocol


class WebSocketResponse(OldResponse, websocket_responses.WebSocketResponse):
    """webkit's ``WebSocketResponse`` as in aiohttp 0.21: messages have ``tp``, and sending may be awaited or not."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._outbox = Outbox()

    async def prepare(self, request: BaseRequest) -> AbstractStreamWriter:
        """Answer the handshake."""
        return cast(AbstractStreamWriter, await super().prepare(request))

    def can_prepare(self, request: BaseRequest) -> Ready:
        """Whether the handshake would be answered."""
        ready = super().can_prepare(request)
        return Ready(ready.ok, ready.protocol)

    def can_start(self, request: BaseRequest) -> Ready:
        """Whether the handshake would be answered; ``can_prepare`` today."""
        return self.can_prepare(request)

    async def receive(self, timeout: float | None = None) -> Message:
        """Wait for a message."""
        return Message(*await super().receive(timeout))

    async def __anext__(self) -> Message:
        """Give the next message, until the connection is closed."""
        return cast(Message, await super().__anext__())

    def send_str(self, data: str, compress: int | None = None) -> Awaitable[None]:  # type: ignore[override]
        """Send a text.

        Raises:
            RuntimeError: before the handshake, and after the end.
            TypeError: *data* is no text.
        """
        if not isinstance(data, str):
            raise TypeError(f"send_str() takes a text, not {data!r}.")
        return self._send(partial(super().send_str, data, compress))

    def send_bytes(  # type: ignore[override]
        self, data: bytes | bytearray | memoryview, compress: int | None = None
    ) -> Awaitable[None]:
        """Send bytes.

        Raises:
            RuntimeError: before the handshake, and after the end.
            TypeError: *data* is no bytes.
        """
        if not isinstance(data, bytes | bytearray | memoryview):
            raise TypeError(f"send_bytes() takes bytes, not {data!r}.")
        return self._send(partial(super().send_bytes, bytes(data), compress))  # a copy, as that of a stream

    def send_json(  # type: ignore[override]
        self, data: Any, compress: int | None = None, *, dumps: Callable[[Any], str] = json.dumps
    ) -> Awaitable[None]:
        """Send *data* as JSON (``RuntimeError`` before the handshake, and after the end)."""
        return self.send_str(dumps(data), compress)

    def ping(self, message: bytes | str = b"") -> Awaitable[None]:  # type: ignore[override]
        """Send a ping (``RuntimeError`` before the handshake, and after the end)."""
        return self._send(partial(super().ping, _as_bytes(message)))

    def pong(self, message: bytes | str = b"") -> Awaitable[None]:  # type: ignore[override]
        """Send a pong (``RuntimeError`` before the handshake, and after the end)."""
        return self._send(partial(super().pong, _as_bytes(message)))

    async def close(self, *, code: int = WSCloseCode.OK, message: bytes | str = b"", drain: bool = True) -> bool:
        """Send what is not sent yet, and close. 999, which old code has for a shutdown, is taken for 1001, with a hint.

        Raises:
            ValueError: *code* is reserved, or *message* is longer than 123 bytes.
        """
        if code == _SHUTDOWN_CODE:
            give_hint("close(code=999)", "999 is no code of WebSockets; 1001 is sent. Write WSCloseCode.GOING_AWAY.")
            code = WSCloseCode.GOING_AWAY
        websocket_responses.check_closing(code, message)
        if drain:
            await self._outbox.flush(_FLUSH_S)
        return await super().close(code=code, message=message, drain=drain)

    def _send(self, work: Callable[[], Awaitable[None]]) -> Awaitable[None]:
        """Send in order. What is wrong with a call is said at once: nobody may be waiting for the result."""
        if not self.prepared or self.closed:
            raise RuntimeError("The WebSocket is closed." if self.closed else "Call 'await ws.prepare(request)' first.")
        return self._outbox.send(work)


def _run_at_once(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run *coroutine*, which waits for nothing, to its end."""
    try:
        coroutine.send(None)
    except StopIteration as done:
        result: T = done.value
        return result
    coroutine.close()
    raise RuntimeError(
        "A handler of on_response_prepare waits for something: write 'await response.prepare(request)' instead of "
        "'response.start(request)'."
    )


def _as_bytes(message: bytes | str) -> bytes:
    return message.encode() if isinstance(message, str) else message
