"""What a slow reader has not had yet: a bounded queue, and what becomes of what no longer fits.

- ``drop_oldest``: the oldest goes. For what loses its worth with time, such as lines of a log.
- ``coalesce``: of events with the same key the last one stays, and after it the oldest goes. For the state of things,
  such as prices: the last one is all that counts.
- ``close``: the reader is cut off. For what must not have gaps: it comes back, and says what it had last.
"""

from collections import OrderedDict
from typing import Final, Literal, TypeAlias

from webkit.errors import ConfigError
from webkit.sse import Event

__all__ = ["LIMIT", "Backlog", "Policy"]

Policy: TypeAlias = Literal["drop_oldest", "coalesce", "close"]

#: How many events wait for one reader, where nobody says otherwise.
LIMIT: Final = 100

_POLICIES: Final = ("drop_oldest", "coalesce", "close")


class Backlog:
    """The events that wait for one reader, the oldest first; at most *limit*.

    Raises:
        ConfigError: *limit* is no positive number, or there is no such *policy*.
    """

    __slots__ = ("_count", "_events", "_limit", "_policy", "dropped")

    def __init__(self, limit: int, policy: str) -> None:
        check_bounds(limit, policy)
        self._limit = limit
        self._policy = policy
        self._events: OrderedDict[object, Event] | None = None  # most readers keep up, and need none
        self._count = 0
        #: How many events were given up, or replaced by a later one.
        self.dropped = 0

    def __len__(self) -> int:
        return 0 if self._events is None else len(self._events)

    def push(self, event: Event) -> bool:
        """Add *event*; false where it does not fit, and the reader is to be cut off."""
        if self._events is None:
            self._events = OrderedDict()
        events = self._events
        if self._policy == "coalesce":
            key: object = event.key or event.event or ""
            # To the end: ids go up, whatever is replaced, and a client that comes back has had all up to its last.
            self.dropped += events.pop(key, None) is not None
        else:
            key = self._count = self._count + 1
        if len(events) >= self._limit:
            if self._policy == "close":
                return False
            events.popitem(last=False)
            self.dropped += 1
        events[key] = event
        return True

    def pop(self) -> Event:
        """Take the oldest event (``LookupError`` where there is none)."""
        if not self._events:
            raise LookupError("Nothing waits.")
        _, event = self._events.popitem(last=False)
        if not self._events:
            self._events = None
        return event

    def clear(self) -> None:
        """Forget all of them."""
        self._events = None


def check_bounds(limit: int, policy: str) -> None:
    """Refuse what bounds no queue (``ConfigError``)."""
    if limit < 1:
        raise ConfigError(f"A limit of {limit} events leaves room for none.")
    if policy not in _POLICIES:
        raise ConfigError(f"{policy!r} is no policy for slow readers: choose one of {', '.join(_POLICIES)}.")
