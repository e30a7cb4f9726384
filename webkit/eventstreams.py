"""Event streams: an answer that goes on for as long as its client stays, and one event after the other in it.

``async with event_stream(request) as stream: await stream.send(...)``, or a handler that yields events. How it ends:

- The block is left, or the generator is over: what waits is sent, and then the end. A browser comes back all the same.
- The client is gone: whoever serves it is cancelled, as by a timeout, and the block is left without an error. A write
  notices that at once, and the timer of the application within a second where nothing is written.
- The client is there and does not read: after a minute without progress its connection is cut.
- The server stops: what waits is sent, then the end, and the handler is cancelled (see :mod:`webkit.streams`).

What is sent goes straight to the transport while the client keeps up. As soon as the transport wants no more, a task
waits for the client, and it is gone when the client has caught up: only then is there a queue, and only then does it
cost memory.
"""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterable, Awaitable, Iterable, Mapping
from contextlib import aclosing, nullcontext, suppress
from types import TracebackType
from typing import Any, Final, Literal, Protocol, Self, runtime_checkable

from aiohttp import ClientConnectionResetError, HttpVersion11, hdrs, web
from multidict import istr

from webkit.backlogs import LIMIT, Backlog, Policy
from webkit.history import History
from webkit.pulse import TICK_S
from webkit.responses import HEADERS_ONLY
from webkit.sse import MEDIA_TYPE, Event, comment
from webkit.streams import notice_vanishing

__all__ = ["EventStream", "Followed", "as_chunk"]

# How long a client may take nothing of what waits for it, and how long the system waits for its acknowledgement.
_STALLED_S: Final = 60

_KEEPALIVE: Final = comment()
_NOT_BEGUN: Final = "The stream has not begun: write 'async with event_stream(request) as stream'."

_NOTHING_ELSE: Final = (None, None, None, None)

# As much as a transport takes before it says that it is full, where nobody has said otherwise.
_FULL_BYTES: Final = 2**16

# PERF: names of this type are stored as they are; of others each response would hold a copy.
_HEADERS: Final[dict[str, str]] = {
    hdrs.CONTENT_TYPE: MEDIA_TYPE,
    # A stored stream would be replayed as if it happened now.
    hdrs.CACHE_CONTROL: "no-store",
    # nginx would collect what is sent, and pass it on in large pieces.
    istr("X-Accel-Buffering"): "no",
}


@runtime_checkable
class Followed(Protocol):
    """A source of events that can write them to a stream by itself, such as a subscription."""

    async def feed_stream(self, stream: "EventStream") -> None:
        """Give *stream* all events, until there are no more."""


class EventStream(web.StreamResponse):
    """An answer of events (see :func:`webkit.event_stream`).

    Sending is for any task, not only for the one that answers the request.
    """

    # PERF: as attributes, beside those of aiohttp, they would be more than Python keeps together: 1 KiB a stream.
    __slots__ = (
        "_ending",
        "_flusher",
        "_history",
        "_is_chunked",
        "_is_direct",
        "_is_left",
        "_is_over",
        "_missed",
        "_owner",
        "_protocol",
        "_request",
        "_retry",
        "_stalled_s",
        "_transport",
        "_waiting_bytes",
        "_waits",
        "_was_cancelling",
        "_written",
        "backlog",
    )

    def __init__(
        self,
        request: web.Request,
        *,
        history: History | None = None,
        retry: int | None = None,
        limit: int = LIMIT,
        when_slow: Policy | Literal["wait"] = "wait",
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(headers=_HEADERS)
        self.headers.update(headers or {})
        self._waits = when_slow == "wait"
        #: What waits for the client; :meth:`send_all` puts the queue of a subscription in its place.
        self.backlog = Backlog(limit, "drop_oldest" if when_slow == "wait" else when_slow)
        self._request = request
        self._protocol = request.protocol
        self._is_chunked = request.version >= HttpVersion11
        self._history = history
        self._retry = retry
        self._owner: asyncio.Task[Any] | None = None
        self._was_cancelling = 0
        self._is_over = True  # nothing is taken yet, or any more
        self._is_left = False  # and the owner was cancelled for it
        self._transport = request.transport
        self._is_direct = False  # chunks may be written: nothing waits, and the stream is not over
        self._missed: deque[Event] | None = None  # what the client gets before everything else
        self._flusher: asyncio.Task[None] | None = None
        self._ending: asyncio.Lock | None = None
        self._stalled_s = 0.0
        self._waiting_bytes = 0
        self._written = 0

    @property
    def last_event_id(self) -> str | None:
        """The id of the last event that a client has had which comes back; ``None`` if it comes for the first time."""
        return self._request.headers.get("Last-Event-ID") or None

    def enable_compression(self, *args: Any, **options: Any) -> None:
        """Do nothing: what is written here goes to the transport as it is, and a compressor would keep events back."""

    @property
    def body_length(self) -> int:
        """How many bytes were sent, for the access log."""
        return super().body_length + self._written

    async def __aenter__(self) -> Self:
        if self.prepared:
            raise RuntimeError("An event stream is for one block: begin another one, for another request.")
        request = self._request
        self._owner = asyncio.current_task()
        if self._owner is not None:
            self._was_cancelling = self._owner.cancelling()
        if self._is_chunked:
            self.enable_chunked_encoding()
        await self.prepare(request)
        if HEADERS_ONLY in request:
            await asyncio.sleep(0)  # the application has cancelled the handler: there is nothing to write
        is_ended = self._ending is not None  # the server stops
        if request.method == "HEAD" or is_ended or not self._is_connected():
            self._leave()
        else:
            notice_vanishing(self._transport, _STALLED_S)
            self._begin()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool:
        # Who notices from now on that the client is gone has nobody to cancel.
        owner, self._owner = self._owner, None
        if self._is_left:
            if kind is None:
                with suppress(asyncio.CancelledError):
                    await asyncio.sleep(0)  # the cancelling has not come yet
            # Somebody else may have cancelled it too.
            is_ours = owner is None or owner.uncancel() <= self._was_cancelling
            return is_ours and (error is None or _is_by_leaving(error))
        if kind is None:
            with suppress(ConnectionError):  # it left in the last moment
                await self.write_eof()
                notice_vanishing(self._transport, 0)
        self._close()
        return False

    async def send(
        self,
        data: Any = "",
        *,
        event: str | None = None,
        id: str | int | None = None,
        retry: int | None = None,
        key: str | None = None,
    ) -> None:
        """Send one event: an :class:`~webkit.sse.Event`, or what one is made of.

        Raises:
            ValueError: *id* or *event* has a line break, *retry* is no number of milliseconds.
            TypeError: *data* is nothing that can be sent.
            ConnectionError: the client is gone, or the stream is over. The task that answers the request is cancelled
                instead.
            RuntimeError: the block was not entered.
        """
        if not self.prepared:
            raise RuntimeError(_NOT_BEGUN)
        if not isinstance(data, Event):
            data = Event(data, event=event, id=id, retry=retry, key=key)
        elif (event, id, retry, key) != _NOTHING_ELSE:
            raise TypeError("An Event has its name, id, retry and key already: give them where it is made.")
        if self._waits:
            await self._until_room()
        self._push(data)
        if self._is_over:
            await self._end_sender()
        elif self._flusher is not None:
            await asyncio.sleep(0)  # who drops what is too much must not keep everybody else from running

    async def replay(self, events: Iterable[Event]) -> None:
        """Send *events* of which none may be lost: wait for the client, whatever the policy is; and for what waits."""
        if not self.prepared:
            raise RuntimeError(_NOT_BEGUN)
        for event in (*events, None):
            await self._until_room()
            if self._is_over:
                await self._end_sender()
            if event is not None:
                self._push(event)

    def send_all(self, source: AsyncIterable[Any]) -> Awaitable[None]:
        """Send what *source* gives, until it is over, and close it: a generator, or a subscription of a ``Broadcast``.

        What becomes of events for which the client is too slow is decided by a subscription's own policy.
        """
        return source.feed_stream(self) if isinstance(source, Followed) else self._send_each(source)

    def push(self, event: Event, chunk: bytes) -> None:
        """Send *event* without waiting: at once, or later where the client is slow; to nobody where it is gone.

        *chunk* is :func:`as_chunk` of it, which is the same for all streams.
        """
        # PERF: this is what an event to thousands of streams costs beside the write itself. Most of it is memory that
        # the processor has to fetch: so the protocol, which knows the same, is not asked, and nothing is counted here.
        transport: Any = self._transport
        if self._is_direct and not transport.is_closing() and transport.get_write_buffer_size() <= _FULL_BYTES:
            transport.write(chunk)
        elif not self._is_over:
            self._push_later(event, chunk)

    def count(self, size: int) -> None:
        """Note that *size* bytes of chunks were pushed; whoever does that tells so afterwards."""
        self._written += size

    def _push_later(self, event: Event, chunk: bytes) -> None:
        self._written -= len(chunk)  # it is written another time, or never
        if not self._is_connected():
            self._leave()
        elif not self._is_slow():
            self._write(event.encoded)
        elif self.backlog.push(event):
            self.flush()
        else:
            self.cut_off()

    def cut_off(self) -> None:
        """Close the connection at once; what waits is lost."""
        if self._transport is not None:
            self._transport.abort()
        self._leave()

    def beat(self, *, is_turn: bool) -> None:
        """Notice a client that is gone or does not read; keep the connection alive (the timer calls it)."""
        transport = self._transport
        if transport is None or not self._is_connected():
            self._leave()
            return
        before, self._waiting_bytes = self._waiting_bytes, transport.get_write_buffer_size()
        if before == self._waiting_bytes and self._is_slow():
            self._stalled_s += TICK_S
            if self._stalled_s > _STALLED_S:
                self.cut_off()
            return
        self._stalled_s = 0.0
        if is_turn and not self._is_over and not self._is_slow():
            self._write(_KEEPALIVE)

    async def write_eof(self, data: bytes = b"") -> None:
        """Send what waits, and the end; nothing is taken from now on."""
        self._close()
        if self._ending is None:
            self._ending = asyncio.Lock()  # the server stops while the handler returns
        async with self._ending:
            if self._flusher is not None:
                await asyncio.wait({self._flusher})
            await super().write_eof(data)

    def _begin(self) -> None:
        """Send when to come back, and what was missed. Nothing is awaited from here on to the block."""
        missed = [] if self._history is None else self._history.after(self.last_event_id)
        if self._retry is not None:
            missed.insert(0, Event(None, retry=self._retry))
        self._is_over = False
        self._is_direct = self._is_chunked
        self._missed = deque(missed)
        self._write_missed()

    def _is_connected(self) -> bool:
        return self._transport is not None and not self._transport.is_closing()

    def _is_slow(self) -> bool:
        return self._flusher is not None or self._protocol.writing_paused

    def _write(self, data: bytes) -> None:
        if self._transport is not None:
            framed = as_chunk(data) if self._is_chunked else data
            self._transport.write(framed)
            self._written += len(framed)

    def _write_missed(self) -> None:
        """Write what the client has missed, as far as it has room: the rest are the history's own, and take none."""
        while self._missed and self._is_connected() and not self._protocol.writing_paused:
            data = b""
            while self._missed and len(data) < _FULL_BYTES:
                data += self._missed.popleft().encoded
            self._write(data)
        if self._missed:
            self.flush()
        else:
            self._missed = None

    def _push(self, event: Event) -> None:
        chunk = as_chunk(event.encoded)
        self.push(event, chunk)
        self._written += len(chunk)

    async def _send_each(self, source: AsyncIterable[Any]) -> None:
        async with aclosing(source) if isinstance(source, AsyncGenerator) else nullcontext():
            async for item in source:
                await self.send(item)

    async def _until_room(self) -> None:
        while self._is_slow() and not self._is_over:
            self.flush()
            if self._flusher is not None:
                await asyncio.wait({self._flusher})

    def flush(self) -> None:
        """Send what has come to wait in the :attr:`backlog`, as soon as the client has room."""
        if self._flusher is None:
            self._is_direct = False
            self._flusher = asyncio.get_running_loop().create_task(self._flush())

    async def _flush(self) -> None:
        """Wait until the client has room, and send what waits."""
        protocol = self._protocol
        try:
            while True:
                await self._request.writer.drain()
                if not self._is_connected():
                    self._leave()
                    return
                if self._missed:
                    self._write_missed()
                    continue
                while self.backlog and self._is_connected() and not protocol.writing_paused:
                    self._write(self.backlog.pop().encoded)
                if not self.backlog:
                    return
        except ConnectionError:
            self._leave()
        finally:
            self._flusher = None
            self._is_direct = self._is_chunked and not self._is_over

    def _close(self) -> None:
        """Take nothing any more."""
        self._is_over = True
        self._is_direct = False

    def _leave(self) -> None:
        """Give up a client that is gone, and whoever serves it."""
        self._close()
        self._missed = None
        self.backlog.clear()
        if self._owner is not None and not self._is_left:
            self._is_left = True
            self._owner.cancel()

    async def _end_sender(self) -> None:
        self._leave()
        if asyncio.current_task() is self._owner:
            await asyncio.sleep(0)  # here it is cancelled, whatever it catches
        raise _Over("The event stream is over, or its client has left.")


class _Over(ClientConnectionResetError):
    """What other tasks get that send to a stream which takes nothing any more."""


def _is_by_leaving(error: BaseException) -> bool:
    """Whether nothing went wrong but that the client has left; a group of tasks puts together what each of them got."""
    if isinstance(error, BaseExceptionGroup):
        return all(map(_is_by_leaving, error.exceptions))
    return isinstance(error, asyncio.CancelledError | _Over)


def as_chunk(data: bytes) -> bytes:
    """Give *data* as a chunk of HTTP/1.1 (RFC 9112, 7.1)."""
    return b"%x\r\n%b\r\n" % (len(data), data)
