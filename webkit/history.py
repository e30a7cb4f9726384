"""What was sent lately, for clients that come back and say what they had last: ``History(limit=1000)``.

A browser comes back by itself after a connection was cut, and says in ``Last-Event-ID`` the id of the last event that
it had. An event that has no id of its own gets one here. Those belong to this history: after a restart nobody knows
them any more, and who says one gets all that there is. An id that outlives the process, such as a row's in a
database, closes this gap: fill the history with the last rows when the application starts.
"""

import os
from collections import deque
from collections.abc import Iterator
from dataclasses import replace
from itertools import count, islice

from webkit.errors import ConfigError
from webkit.sse import Event

__all__ = ["History"]


class History:
    """The last *limit* events, in the memory of one process.

    Raises:
        ConfigError: *limit* is no positive number.
    """

    def __init__(self, limit: int) -> None:
        if limit < 1:
            raise ConfigError(f"A history of {limit} events replays nothing.")
        self._events: deque[Event] = deque(maxlen=limit)
        self._numbers: dict[str, int] = {}  # of an id that is still there: how many events were before it
        self._added = 0
        self._own_ids = (f"{prefix}-{number}" for prefix in (os.urandom(4).hex(),) for number in count(1))

    def __len__(self) -> int:
        return len(self._events)

    def __iter__(self) -> Iterator[Event]:
        return iter(tuple(self._events))

    def add(self, event: Event) -> Event:
        """Remember *event*, and give it with the id that it is sent with."""
        if event.id is None:
            event = replace(event, id=next(self._own_ids))
        if len(self._events) == self._events.maxlen:
            self._forget(self._events[0])
        self._events.append(event)
        self._numbers[str(event.id)] = self._added
        self._added += 1
        return event

    def knows(self, last_id: str | None) -> bool:
        """Whether :meth:`after` gives exactly what came after the event with *last_id*."""
        return last_id in self._numbers

    def after(self, last_id: str | None) -> list[Event]:
        """Give what a client missed that had the event with *last_id* last.

        That is nothing for ``None``, a client which comes for the first time; and all that there is for an id that is
        too old or from somewhere else: it may get an event twice, and misses none that is still here.
        """
        if last_id is None:
            return []
        oldest = self._added - len(self._events)
        start = self._numbers.get(last_id, oldest - 1) + 1 - oldest
        return list(islice(self._events, start, None))

    def _forget(self, event: Event) -> None:
        # The same id may have been used again, for an event that is still here.
        if self._numbers.get(str(event.id)) == self._added - len(self._events):
            del self._numbers[str(event.id)]
