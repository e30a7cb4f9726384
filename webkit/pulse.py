"""One timer for all the connections of an application that stay open: a moment each second, and a turn every 15.

What is asked each second is whether the client is still there; what is done in a turn costs a write. The turns are
spread over the seconds, so that thousands of connections do not all write in the same moment.
"""

import asyncio
from typing import Final, Protocol, runtime_checkable

__all__ = ["KEEPALIVE_S", "TICK_S", "Beating", "Pulse"]

#: How often each connection has its turn: proxies close what is silent for longer, nginx after 60 seconds.
KEEPALIVE_S: Final = 15
TICK_S: Final = 1.0


@runtime_checkable
class Beating(Protocol):
    """What wants to be asked."""

    def beat(self, *, is_turn: bool) -> None:
        """Look after the connection; *is_turn* where something may be sent. It must not raise."""


class Pulse:
    """The timer. It runs as long as there is somebody to ask."""

    def __init__(self) -> None:
        self._slots: tuple[set[Beating], ...] = tuple(set() for _ in range(KEEPALIVE_S))
        self._turn = 0
        self._next = 0
        self._timer: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        return sum(map(len, self._slots))

    def add(self, beating: Beating) -> None:
        """Ask *beating* from now on."""
        self._slots[self._next].add(beating)
        self._next = (self._next + 1) % len(self._slots)
        if self._timer is None:
            self._schedule()

    def discard(self, beating: Beating) -> None:
        """Ask *beating* no more."""
        for slot in self._slots:
            slot.discard(beating)

    def tick(self) -> None:
        """Ask everybody; the timer calls it."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if len(self):
            self._schedule()
        self._turn = (self._turn + 1) % len(self._slots)
        for number, slot in enumerate(self._slots):
            for beating in tuple(slot):
                beating.beat(is_turn=number == self._turn)

    def _schedule(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(TICK_S, self.tick)
