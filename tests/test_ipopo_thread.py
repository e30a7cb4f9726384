"""A server in a thread of its own: started and stopped by plain calls, which never hang."""

import asyncio
import signal
import threading
import time
from collections.abc import Awaitable, Callable

import pytest

from webkit import ipopo_thread
from webkit.ipopo_thread import ServerThread

PATIENCE_S = 20.0


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait for loops that run and notice late: a processor may stand still for some seconds."""
    monkeypatch.setattr(ipopo_thread, "_NOTICING_S", PATIENCE_S)


def make_thread(open: Callable[[], Awaitable[None]], close: Callable[[], Awaitable[None]]) -> ServerThread:
    return ServerThread("a server", open, close, new_loop=asyncio.new_event_loop)


async def nothing() -> None:
    """Open or close at once."""


async def for_ever() -> None:
    """Never come back."""
    await asyncio.get_running_loop().create_future()


def test_it_opens_and_closes_in_a_loop_and_a_thread_of_its_own() -> None:
    """IP-011, IP-012."""
    seen: list[tuple[str, threading.Thread, asyncio.AbstractEventLoop]] = []

    async def open() -> None:
        seen.append(("open", threading.current_thread(), asyncio.get_running_loop()))

    async def close() -> None:
        seen.append(("close", threading.current_thread(), asyncio.get_running_loop()))

    thread = make_thread(open, close)
    thread.start(PATIENCE_S)
    assert thread.stop(PATIENCE_S)
    assert [step for step, _, _ in seen] == ["open", "close"]
    assert len({(where, loop) for _, where, loop in seen}) == 1
    assert seen[0][1] is not threading.current_thread()
    assert seen[0][2].is_closed()


def test_neither_signals_nor_the_policy_of_others_are_touched() -> None:
    """IP-011: it runs beside a program that has its own ideas of both."""
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    mine = asyncio.new_event_loop()
    try:
        thread = make_thread(nothing, nothing)
        thread.start(PATIENCE_S)
        assert mine.run_until_complete(asyncio.sleep(0, "mine")) == "mine"
        assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before
        assert thread.stop(PATIENCE_S)
    finally:
        mine.close()


def test_what_fails_to_open_fails_in_the_caller_at_once_and_stopping_it_is_harmless() -> None:
    """IP-011: iPOPO's own service hangs for ever here."""

    async def fail() -> None:
        raise OSError(98, "Address already in use")

    thread = make_thread(fail, nothing)
    with pytest.raises(OSError, match="already in use"):
        thread.start(PATIENCE_S)
    assert thread.stop(PATIENCE_S)
    assert thread.stop(PATIENCE_S)


def test_a_server_that_does_not_open_in_time_is_given_up() -> None:
    """IP-011."""
    thread = make_thread(for_ever, nothing)
    with pytest.raises(TimeoutError):
        thread.start(0.01)
    assert thread.stop(PATIENCE_S)


def test_a_server_that_does_not_close_in_time_is_left_to_itself() -> None:
    """IP-012."""
    closing, may_close = threading.Event(), threading.Event()

    async def close() -> None:
        closing.set()
        await asyncio.to_thread(may_close.wait, PATIENCE_S)

    thread = make_thread(nothing, close)
    thread.start(PATIENCE_S)
    assert not thread.stop(0.01)
    assert closing.wait(PATIENCE_S)
    may_close.set()
    assert thread.stop(PATIENCE_S)


def test_a_loop_that_is_blocked_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """IP-012: a servlet that registers a service waits for iPOPO's lock, which is held by who stops the server."""
    monkeypatch.undo()  # here it is what is tested
    loops: list[asyncio.AbstractEventLoop] = []
    is_blocked, lock = threading.Event(), threading.Lock()

    async def open() -> None:
        loops.append(asyncio.get_running_loop())

    def block() -> None:
        is_blocked.set()
        with lock:
            pass

    thread = make_thread(open, nothing)
    thread.start(PATIENCE_S)
    with lock:
        loops[0].call_soon_threadsafe(block)
        assert is_blocked.wait(PATIENCE_S)
        began = time.monotonic()
        assert not thread.stop(PATIENCE_S)
        assert time.monotonic() - began < PATIENCE_S / 2
    assert any(thread.stop(PATIENCE_S) for _ in range(5))


def test_a_server_that_is_stopped_from_its_own_thread_does_not_wait_for_itself() -> None:
    """IP-012: a servlet may kill the server that it runs in."""
    answers: list[bool] = []

    async def open() -> None:
        asyncio.get_running_loop().call_soon(lambda: answers.append(thread.stop(PATIENCE_S)))

    thread = make_thread(open, nothing)
    thread.start(PATIENCE_S)
    assert thread.stop(PATIENCE_S)
    assert answers == [False]


def test_one_that_was_never_started_can_be_stopped() -> None:
    assert make_thread(nothing, nothing).stop(PATIENCE_S)
