"""An open WebSocket: what is sent over it, by whom, and how it ends.

Who sends waits or does not, and that is decided by where it is sent from. In a callback of the session itself sending
waits until the client has read, as for a response: only that client is held up, and nothing piles up. From anywhere
else (another session, a task, a request) it never waits: one slow reader must not hold up a room. What does not fit
into the connection then goes to a queue, which is there only as long as the client is slow, and its policy says what
becomes of what has no room in it either.

The session is closed by whoever closes first; code and reason are theirs. It is closed from that moment on, whatever
the client still has to read or to answer: for that it has some seconds, then it is cut off.
"""

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Mapping
from types import MappingProxyType
from typing import Any, Final, NamedTuple, Self, TypeVar, overload

import msgspec
from aiohttp import WebSocketError, WSCloseCode, WSMessage, WSMsgType, web

from webkit.sendqueue import SendQueue
from webkit.websocket_options import WebSocketOptions
from webkit.websocket_responses import WebSocketResponse, check_closing, cut_reason

__all__ = ["JSON_FAULTS", "WebSocketClosed", "WebSocketSession"]

T = TypeVar("T")

# What the connection holds before the client counts as slow: less than asyncio's mark, so that writing never waits.
_ROOM_BYTES: Final = 2**16
# How long a client may take to read what is still on its way, and as long again to answer the close.
_CLOSING_S: Final = 2.0
# How long a callback may go on when the server stops.
_CALLBACK_S: Final = 2.0
# PERF: looking up a member of an enumeration takes longer than anything else here on Python 3.11.
_TEXT: Final = WSMsgType.TEXT
_BINARY: Final = WSMsgType.BINARY
_NO_CODE: Final = 1005
_BROKEN: Final = 1006
_NO_PARAMETERS: Final[Mapping[str, Any]] = MappingProxyType({})

#: What decoding raises for a message that does not fit.
JSON_FAULTS: Final = (msgspec.DecodeError, UnicodeError, RecursionError)

_encode_json = msgspec.json.Encoder().encode


class WebSocketClosed(ConnectionResetError):
    """The session is closed: nothing can be sent, and nothing comes any more. An ``OSError``."""

    def __init__(self, session: "WebSocketSession") -> None:
        super().__init__("The WebSocket session is closed.")
        #: The one that is closed.
        self.session = session


class _Frame(NamedTuple):
    """What waits to be sent, and who waits for that."""

    payload: bytes
    kind: WSMsgType
    sent: "asyncio.Future[None] | None"


class WebSocketSession:
    """An open WebSocket. Handlers get it; it is made by :func:`webkit.conversations.serve_websocket`.

    ``session.state["name"]`` is yours. Any task may send, one message after the other as they were sent.
    """

    __slots__ = (
        "__weakref__",
        "_closer",
        "_code",
        "_fault",
        "_flusher",
        "_is_direct",
        "_is_leaving",
        "_options",
        "_queue",
        "_reason",
        "_receiver",
        "_state",
        "_task",
        "parameters",
        "request",
        "response",
        "transport",
    )

    def __init__(
        self,
        request: web.Request,
        response: WebSocketResponse,
        options: WebSocketOptions,
        parameters: Mapping[str, Any] | None = None,
    ) -> None:
        """Take the connection of *response*, which is prepared; the current task is the one that reads."""
        task, transport = asyncio.current_task(), request.transport
        if task is None or transport is None:
            raise WebSocketClosed(self)  # the client has left after the handshake
        #: The request that became the session.
        self.request = request
        #: The parameters of the path, converted.
        self.parameters = _NO_PARAMETERS if parameters is None else parameters
        #: What answered the handshake.
        self.response = response
        self._options = options
        self._task = task
        #: The connection.
        self.transport = transport
        self._state: dict[str, Any] | None = None
        self._queue: SendQueue[_Frame] | None = None
        self._flusher: asyncio.Task[None] | None = None
        self._closer: asyncio.Task[None] | None = None
        self._receiver: asyncio.Task[Any] | None = None
        self._is_direct = True  # open, and nothing waits
        self._is_leaving = False
        self._code: int | None = None
        self._reason = ""
        self._fault: Exception | None = None

    @property
    def state(self) -> dict[str, Any]:
        """What you want to know of this session, by name."""
        if self._state is None:
            self._state = {}
        return self._state

    @property
    def is_open(self) -> bool:
        """Whether something can be sent."""
        return self._code is None and not self.response.closed

    @property
    def fault(self) -> Exception | None:
        """What the client did wrong, where that has ended the session."""
        return self._fault

    @property
    def subprotocol(self) -> str | None:
        """The subprotocol that was chosen."""
        return self.response.ws_protocol

    @property
    def peer_code(self) -> int | None:
        """The code that the client has closed with, also where it answered a close of the server; ``None`` so far."""
        return self.response.close_code

    def get_client_address(self) -> tuple[str, int]:
        """Give host and port of the client, or of the proxy in front (``OSError`` where there is none)."""
        name = self.transport.get_extra_info("peername")
        if not isinstance(name, tuple):
            raise OSError(f"The connection has no address: its other end is {name!r}.")
        return name[0], name[1]

    # Sending

    async def send_text(self, text: str, *, key: Hashable | None = None) -> None:
        """Send *text*. Where it has to wait for a slow client, it replaces what waits with the same *key*.

        Raises:
            WebSocketClosed: the session is closed, or is now because the client is too slow (1013).
        """
        payload = text.encode()
        # PERF: written out in both, the way that nearly all messages take: one call less for each.
        if self._is_direct and self.transport.get_write_buffer_size() + len(payload) < _ROOM_BYTES:
            try:
                return await self.response.send_frame(payload, _TEXT)
            except ConnectionError:
                raise WebSocketClosed(self) from None
        return await self._send_slowly(payload, _TEXT, key)

    async def send_binary(self, data: bytes | bytearray | memoryview, *, key: Hashable | None = None) -> None:
        """Send *data* as :meth:`send_text` sends a text (``WebSocketClosed``)."""
        await self._send(data if isinstance(data, bytes) else memoryview(data).tobytes(), _BINARY, key)

    async def send_json(self, value: Any, *, key: Hashable | None = None) -> None:
        """Send *value* as a text of JSON: what msgspec encodes (``WebSocketClosed``, ``TypeError``)."""
        await self._send(_encode_json(value), _TEXT, key)

    async def _send(self, payload: bytes, kind: WSMsgType, key: Hashable | None) -> None:
        if self._is_direct and self.transport.get_write_buffer_size() + len(payload) < _ROOM_BYTES:
            try:
                return await self.response.send_frame(payload, kind)
            except ConnectionError:
                raise WebSocketClosed(self) from None
        return await self._send_slowly(payload, kind, key)

    async def _send_slowly(self, payload: bytes, kind: WSMsgType, key: Hashable | None) -> None:
        """Send what may have to wait: here where the session itself sends, in the queue where others do."""
        if not self.is_open:
            raise WebSocketClosed(self)
        is_own = asyncio.current_task() is self._task
        if is_own and self._queue is None:
            try:
                await self.response.send_frame(payload, kind)
            except ConnectionError:
                raise WebSocketClosed(self) from None
            return
        if self._queue is None:
            limits = self._options
            self._queue = SendQueue(limits.when_slow, max_items=limits.queue_messages, max_bytes=limits.queue_bytes)
            self._is_direct = False
            self._flusher = asyncio.get_running_loop().create_task(self._flush(self._queue))
        sent = asyncio.get_running_loop().create_future() if is_own else None
        if not self._queue.put(_Frame(payload, kind, sent), len(payload), key=key, is_kept=is_own):
            self._let_go(self._queue)
            self._flusher.cancel()  # type: ignore[union-attr]
            self.start_closing(WSCloseCode.TRY_AGAIN_LATER, "Too slow")
            raise WebSocketClosed(self)
        # One turn of the loop, and not more: what is sent in a hurry to a client that reads has to get away.
        await (asyncio.sleep(0) if sent is None else sent)

    async def _flush(self, queue: SendQueue[_Frame]) -> None:
        """Send what waits, as fast as the client reads."""
        sent: asyncio.Future[None] | None = None
        try:
            while queue:
                await self.request.writer.drain()
                payload, kind, sent = queue.take()
                await self.response.send_frame(payload, kind)
                if sent is not None and not sent.done():
                    sent.set_result(None)
        except ConnectionError:
            pass  # the client is gone, which the reading end notices
        finally:
            self._queue = self._flusher = None
            self._is_direct = self._code is None
            self._let_go(queue, sent)

    def _let_go(self, queue: SendQueue[_Frame], sent: "asyncio.Future[None] | None" = None) -> None:
        """Drop what waits, and tell who waits for that, or for *sent*."""
        for waiting in (sent, *(queue.take().sent for _ in range(len(queue)))):
            if waiting is not None and not waiting.done():
                waiting.set_exception(WebSocketClosed(self))

    # Receiving

    async def receive(self) -> str | bytes:
        """Wait for the next message, a text or bytes; for handlers that are one coroutine.

        Raises:
            WebSocketClosed: there is none any more.
        """
        async for message in self:
            return message
        raise WebSocketClosed(self)

    @overload
    async def receive_json(self) -> Any: ...
    @overload
    async def receive_json(self, kind: type[T]) -> T: ...
    async def receive_json(self, kind: Any = Any) -> Any:
        """Wait for the next message and decode it as *kind*; one that does not fit closes with 1007.

        Raises:
            WebSocketClosed: there is none any more, or it did not fit.
        """
        message = await self.receive()
        try:
            return msgspec.json.decode(message, type=kind)
        except JSON_FAULTS as error:
            self.refuse_json(error)
            raise WebSocketClosed(self) from None

    def refuse_json(self, error: Exception) -> None:
        """Close with 1007, because a message is no JSON or not of the type that is wanted."""
        self._fault = error
        self.start_closing(WSCloseCode.INVALID_TEXT, cut_reason(str(error)))

    def __aiter__(self) -> Self:
        """Give messages until the session is closed."""
        return self

    async def __anext__(self) -> str | bytes:
        """Wait for the next message."""
        if self._code is None:
            self._receiver = task = asyncio.current_task()
            try:
                # PERF: webkit's own receive() looks at each message once more, for the codes of a close.
                message = await web.WebSocketResponse.receive(self.response)
            except asyncio.CancelledError:
                if self._closer is None or task is None or task.uncancel():
                    raise
                raise StopAsyncIteration from None  # start_closing() has woken it
            finally:
                self._receiver = None
            if message.type is _TEXT or message.type is _BINARY:
                data: str | bytes = message.data
                return data
            self._note_end(message)
        raise StopAsyncIteration

    async def read(
        self,
        on_text: Callable[[Self, str], Awaitable[None]],
        on_binary: Callable[[Self, bytes], Awaitable[None]],
    ) -> None:
        """Call *on_text* or *on_binary* for each message, one after the other, until the session is over."""
        # PERF: __anext__() once more, written out: a coroutine less for each message.
        receive, response, task = web.WebSocketResponse.receive, self.response, self._task
        while self._code is None:
            self._receiver = task
            try:
                message = await receive(response)
            except asyncio.CancelledError:
                self._receiver = None
                if self._closer is None or task.uncancel():
                    raise
                return
            self._receiver = None
            kind = message.type
            if kind is _TEXT:
                await on_text(self, message.data)
            elif kind is _BINARY:
                await on_binary(self, message.data)
            else:
                self._note_end(message)

    def _note_end(self, message: WSMessage) -> None:
        """Note how the client has ended the session, unless it was closed before."""
        if message.type is WSMsgType.CLOSE:
            message = self.response.judge_close(message)
        if message.type is WSMsgType.CLOSE:
            self._be_closed(message.data or _NO_CODE, message.extra or "")
        elif message.type is WSMsgType.ERROR and isinstance(message.data, WebSocketError):
            if self._code is None:
                self._fault = message.data
            self._be_closed(message.data.code, str(message.data))
        else:
            self._be_closed(_BROKEN, "")

    # The end

    async def close(self, code: int = WSCloseCode.OK, reason: str = "") -> None:
        """Close with *code* and *reason* after what was sent, and wait for the answer; nothing where it is closed.

        Raises:
            ValueError: *code* is reserved, or *reason* is longer than 123 bytes.
        """
        check_closing(code, reason)
        if self._code is None:
            self.start_closing(code, reason)
        if self._closer is not None:
            await asyncio.shield(self._closer)

    def start_closing(self, code: int, reason: str) -> None:
        """Close without waiting for it."""
        if self._code is not None:
            return
        self._be_closed(code, reason)
        if self._receiver is not None:
            # aiohttp does not wait for the answer of the client where somebody reads at the same time.
            self._receiver.cancel()
        self._closer = asyncio.get_running_loop().create_task(self._close(code, reason))

    def _be_closed(self, code: int, reason: str) -> None:
        if self._code is None:
            self._code, self._reason = int(code), reason
            self._is_direct = False

    async def _close(self, code: int, reason: str) -> None:
        try:
            if (flusher := self._flusher) is not None:
                await asyncio.wait({flusher}, timeout=_CLOSING_S)
                flusher.cancel()
            async with asyncio.timeout(_CLOSING_S):
                await self.response.close(code=code, message=reason)
        except TimeoutError:
            self.transport.abort()  # it does not read

    async def end(self) -> None:
        """Close with 1001; a callback that does not end by itself is cancelled then, ``ws_close`` is not."""
        self.start_closing(WSCloseCode.GOING_AWAY, "Server shutdown")
        await asyncio.wait({self._task}, timeout=_CALLBACK_S)
        if not self._is_leaving:
            self._task.cancel()

    def leave(self) -> tuple[int, str]:
        """Give code and reason for ``ws_close``, which is all that is still to be called."""
        self._is_leaving = True
        self._be_closed(_BROKEN, "")
        return self._code or _BROKEN, self._reason

    async def finish(self) -> None:
        """Wait until the client has been told, and let go of the connection."""
        if self._closer is not None:
            await asyncio.shield(self._closer)
        if self._code == _BROKEN:
            self.transport.abort()
        elif self.transport.get_write_buffer_size():
            # aiohttp closes the connection now, which would wait without end for a client that does not read.
            asyncio.get_running_loop().call_later(_CLOSING_S, self.transport.abort)
