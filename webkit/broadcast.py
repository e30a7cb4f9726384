"""Telling everybody who listens: ``await board.publish("notes", event)``, ``async with board.subscribe("notes") as
events``.

:class:`Broadcast` lives in the memory of one process. What several processes share fits the same protocol,
:class:`Publisher`.

An event is encoded once, however many listen. Those whose subscription was handed to an event stream (``await
stream.send_all(events)``) get it while it is published: no task is woken, and nothing waits unless their client is
slow. All others have a queue, bounded and with a policy for what does not fit (see :mod:`webkit.backlogs`).
"""

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from types import TracebackType
from typing import Any, Final, Protocol, Self

from webkit.backlogs import LIMIT, Backlog, Policy
from webkit.errors import ConfigError
from webkit.events import as_event
from webkit.eventstreams import EventStream, as_chunk
from webkit.history import History
from webkit.sse import Event

__all__ = ["Broadcast", "Publisher", "Subscription"]

#: How many channels keep a history that nobody listens to. Their names may come from clients.
_CHANNELS: Final = 1000

_NOT_ENTERED: Final = "Nobody listens yet: write 'async with board.subscribe(...) as events'."


class Publisher(Protocol):
    """What tells events to those who listen to a channel, in this process or in others too."""

    async def publish(self, channel: str, event: Any) -> Event:
        """Tell *event*, or what is the data of one, to all; give it as they get it."""

    def subscribe(
        self, channel: str, *, after: str | None = None, limit: int = LIMIT, when_full: Policy = "drop_oldest"
    ) -> "AbstractAsyncContextManager[AsyncIterator[Event]]":
        """Listen to *channel* while the block runs, beginning with what came *after* the event with this id."""


class Broadcast:
    """Channels, by name, in the memory of one process.

    Args:
        history: how many events of each channel are kept for those who come back; 0 for none.
        channels: how many channels are kept that nobody listens to; the one that was used longest ago is forgotten.

    Raises:
        ConfigError: a number is negative.
    """

    def __init__(self, *, history: int = 0, channels: int = _CHANNELS) -> None:
        if history < 0 or channels < 0:
            raise ConfigError(f"Broadcast(history={history}, channels={channels}) has a negative number.")
        self._kept = history
        self._most_idle = channels if history else 0
        self._channels: dict[str, _Channel] = {}
        self._idle: OrderedDict[str, None] = OrderedDict()  # nobody listens; the last one was used last

    async def publish(self, channel: str, event: Any) -> Event:
        """Tell *event*, an :class:`~webkit.sse.Event` or the data of one, to all who listen to *channel*.

        It does not wait for them. Given is the event as they get it, with the id that a history has added.

        Raises:
            TypeError: it is nothing that can be sent.
        """
        made = as_event(event)
        if self._kept:
            made = self.history(channel).add(made)
        known = self._channels.get(channel)
        if known is not None:
            chunk = as_chunk(made.encoded)
            known.sent_bytes += len(chunk)
            # A copy: who is cut off for being slow leaves meanwhile.
            for receiver in tuple(known.receivers.values()):
                receiver.push(made, chunk)
        return made

    def subscribe(
        self, channel: str, *, after: str | None = None, limit: int = LIMIT, when_full: Policy = "drop_oldest"
    ) -> "Subscription":
        """Listen to *channel*: ``async with board.subscribe("notes") as events: async for event in events: ...``.

        Args:
            channel: its name; it need not have been heard of.
            after: the id of the last event that was had: what the history has since then comes first.
            limit: how many events wait for who listens; what was missed may be more.
            when_full: what happens when there are more; after ``close`` the iteration ends.

        Raises:
            ConfigError: *limit* is no positive number, or there is no such policy.
        """
        return Subscription(self, channel, after, Backlog(limit, when_full))

    def history(self, channel: str) -> History:
        """Give what is kept of *channel*, to fill it when the application starts.

        Raises:
            ConfigError: nothing is kept.
        """
        known = self._open(channel)
        if known.history is None:
            raise ConfigError("Nothing is kept: make it Broadcast(history=100).")
        self._settle(channel, known)
        return known.history

    def count(self, channel: str) -> int:
        """Give how many listen to *channel*."""
        known = self._channels.get(channel)
        return 0 if known is None else len(known.receivers)

    def join(self, subscription: "Subscription", name: str) -> "_Channel":
        """Let *subscription* listen to the channel *name*, and give that (it calls this itself)."""
        known = self._open(name)
        known.receivers[subscription] = subscription
        self._settle(name, known)
        return known

    def part(self, subscription: "Subscription", name: str) -> None:
        """Let *subscription* listen no more."""
        known = self._channels.get(name)
        if known is not None and known.receivers.pop(subscription, None) is not None:
            self._settle(name, known)

    def _open(self, name: str) -> "_Channel":
        known = self._channels.get(name)
        if known is None:
            known = self._channels[name] = _Channel(History(self._kept) if self._kept else None)
        return known

    def _settle(self, name: str, channel: "_Channel") -> None:
        """Note whether somebody listens to *channel*, and forget one where too many are kept for nobody."""
        self._idle.pop(name, None)
        if not channel.receivers:
            self._idle[name] = None
            while len(self._idle) > self._most_idle:
                oldest, _ = self._idle.popitem(last=False)
                del self._channels[oldest]


class _Channel:
    """Who listens, and what was said lately."""

    __slots__ = ("history", "receivers", "sent_bytes")

    def __init__(self, history: History | None) -> None:
        self.history = history
        # PERF: who gets the events of a subscription, itself or the stream that it feeds: to ask the subscription each
        # time would be one more piece of memory for the processor to fetch, for each of thousands.
        self.receivers: dict[Subscription, Subscription | EventStream] = {}
        self.sent_bytes = 0


class Subscription:
    """What one listener gets, while the block runs; one task may iterate."""

    __slots__ = ("_after", "_backlog", "_broadcast", "_channel", "_has_ended", "_missed", "_name", "_stream", "_waiter")

    def __init__(self, broadcast: Broadcast, channel: str, after: str | None, backlog: Backlog) -> None:
        self._name = channel
        self._after = after
        self._broadcast = broadcast
        self._channel: _Channel | None = None  # nobody listens yet
        self._backlog = backlog
        self._missed: list[Event] | None = None  # the next one is the last
        self._has_ended = False
        self._stream: EventStream | None = None
        self._waiter: asyncio.Future[None] | None = None

    @property
    def dropped(self) -> int:
        """How many events were given up, or replaced by a later one, since this listener was too slow for them."""
        return self._backlog.dropped

    async def __aenter__(self) -> Self:
        if self._channel is not None:
            raise RuntimeError("A subscription is for one block: make another one.")
        self._channel = self._broadcast.join(self, self._name)
        if self._channel.history is not None:
            self._missed = self._channel.history.after(self._after)[::-1] or None
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._end()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Event:
        if self._channel is None:
            raise RuntimeError(_NOT_ENTERED)
        while not self._missed and not self._backlog:
            if self._has_ended:
                raise StopAsyncIteration
            await self._wait()
        return self._missed.pop() if self._missed else self._backlog.pop()

    async def feed_stream(self, stream: EventStream) -> None:
        """Let *stream* have all events, without this task, until it is cancelled (``stream.send_all`` calls it)."""
        channel = self._channel
        if channel is None:
            raise RuntimeError(_NOT_ENTERED)
        self._stream = stream
        await stream.replay(self._missed[::-1] if self._missed else ())
        self._missed = None
        if self._has_ended:
            return
        # From here on this task has nothing to do: who publishes writes to the stream itself. What its client has no
        # room for waits in the queue of this subscription.
        former, stream.backlog = stream.backlog, self._backlog
        began = channel.sent_bytes
        channel.receivers[self] = stream
        try:
            if self._backlog:
                stream.flush()
            await asyncio.get_running_loop().create_future()
        finally:
            if self in channel.receivers:
                channel.receivers[self] = self
            self._stream = None
            stream.backlog = former
            stream.count(channel.sent_bytes - began)

    def push(self, event: Event, chunk: bytes) -> None:
        """Keep *event* for who iterates (who publishes calls this)."""
        if not self._backlog.push(event):
            self._end()
            if self._stream is not None:
                self._stream.cut_off()
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def _wait(self) -> None:
        if self._waiter is not None:
            raise RuntimeError("Another task waits for the next event: subscribe once for each.")
        self._waiter = asyncio.get_running_loop().create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def _end(self) -> None:
        self._broadcast.part(self, self._name)
        self._has_ended = True
        self._missed = None
        self._backlog.clear()
