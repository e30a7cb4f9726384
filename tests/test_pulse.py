"""The timer of the connections that stay open."""

import asyncio

import pytest

from webkit import pulse
from webkit.pulse import KEEPALIVE_S, Pulse


class Heart:
    """It counts how often it is asked, and in which ticks it has its turn."""

    def __init__(self) -> None:
        self.turns: list[int] = []
        self.beats = 0
        self.asked = asyncio.Event()

    def beat(self, *, is_turn: bool) -> None:
        """Note it."""
        self.beats += 1
        if is_turn:
            self.turns.append(self.beats)
        self.asked.set()


async def test_everybody_is_asked_in_each_tick_and_has_one_turn_in_fifteen() -> None:
    timer = Pulse()
    hearts = [Heart() for _ in range(2 * KEEPALIVE_S)]
    for heart in hearts:
        timer.add(heart)
    for _ in range(2 * KEEPALIVE_S):
        timer.tick()
    assert {heart.beats for heart in hearts} == {2 * KEEPALIVE_S}
    assert {len(heart.turns) for heart in hearts} == {2}
    assert {second - first for first, second in (heart.turns for heart in hearts)} == {KEEPALIVE_S}
    # The turns are spread: in each tick there are two.
    assert sorted(heart.turns[0] for heart in hearts) == sorted([*range(1, KEEPALIVE_S + 1)] * 2)


async def test_who_has_left_is_not_asked() -> None:
    timer = Pulse()
    stays, leaves = Heart(), Heart()
    timer.add(stays)
    timer.add(leaves)
    timer.discard(leaves)
    timer.discard(leaves)
    timer.tick()
    assert (stays.beats, leaves.beats, len(timer)) == (1, 0, 1)


async def test_one_may_leave_while_it_is_asked() -> None:
    timer = Pulse()

    class Leaving(Heart):
        def beat(self, *, is_turn: bool) -> None:
            timer.discard(self)

    timer.add(Leaving())
    timer.tick()
    assert len(timer) == 0


async def test_the_timer_runs_while_there_is_somebody_and_stops_with_the_last(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pulse, "TICK_S", 0.01)
    timer = Pulse()
    for _ in range(2):
        heart = Heart()
        timer.add(heart)
        async with asyncio.timeout(20):
            await heart.asked.wait()
            heart.asked.clear()
            await heart.asked.wait()
        timer.discard(heart)
        timer.tick()
        assert timer._timer is None
