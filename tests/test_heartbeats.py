"""Whether the client of a WebSocket session is still there: it is asked, and cut off when it is not."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web

from tests.rawsockets import PING, PONG, TEXT, RawConnection, connect
from tests.serving import PATIENCE_S, run_by_aiohttp, run_by_webkit
from tests.sockets import Noting, make_app, stall
from webkit.websockets import serve_websocket

TICK_S = 0.02
# Twenty ticks, and ten more for the answer: a machine that is busy may take some of them for one turn of the loop.
HEARTBEAT_S = 0.4


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the timer of all streams go fifty times as fast."""
    for module in ("pulse", "heartbeats"):
        monkeypatch.setattr(f"webkit.{module}.TICK_S", TICK_S)


@asynccontextmanager
async def talking_to(handler: Noting) -> AsyncIterator[RawConnection]:
    """A client of *handler*, which has shaken hands."""
    async with run_by_webkit(make_app(handler)) as client, connect(client.url) as connection:
        assert (await connection.shake("/ws")).status == 101
        await handler.seen.until(bool)
        yield connection


async def until(is_true: Callable[[], Any]) -> None:
    """Wait for what nobody tells."""
    async with asyncio.timeout(PATIENCE_S):
        while not is_true():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def test_a_silent_client_is_asked_and_one_that_answers_stays() -> None:
    """IP-116: the handler sees neither pings nor pongs."""
    handler = Noting().held(heartbeat_s=HEARTBEAT_S)
    async with talking_to(handler) as connection:
        for _ in range(3):
            assert await connection.read_frame() == (PING, b"")
            connection.send_frame(PONG)
        connection.send_frame(PING, b"are you there?")
        assert await connection.read_frame() == (PONG, b"are you there?")
        assert handler.seen == ["open"]


async def test_a_client_that_does_not_answer_is_cut_off() -> None:
    handler = Noting().held(heartbeat_s=HEARTBEAT_S)
    async with talking_to(handler) as connection:
        began = asyncio.get_running_loop().time()
        assert await connection.read_frame() == (PING, b"")
        await handler.seen.until_closed()
        assert asyncio.get_running_loop().time() - began >= HEARTBEAT_S
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await connection.read_frame()
    assert handler.seen.closes == [(1006, "")]
    assert not handler.seen.errors


async def test_a_client_whose_message_comes_slowly_is_not_silent() -> None:
    handler = Noting().held(heartbeat_s=HEARTBEAT_S)
    async with talking_to(handler) as connection:
        connection.writer.write(b"\x81\x9e\0\0\0\0")
        for _ in range(30):  # in more time than a silent client has
            connection.writer.write(b"x")
            await asyncio.sleep(0.03)
        async with asyncio.timeout(PATIENCE_S):
            assert await connection.read_frame() == (TEXT, b"x" * 30)
    assert handler.seen.closes == [(1006, "")]  # at the end, by itself


async def test_a_client_that_sends_but_reads_nothing_is_cut_off() -> None:
    async def answer(*_: Any) -> None:
        await handler.sessions[0].send_binary(bytes(2**20))

    handler = Noting(message=answer).held(heartbeat_s=HEARTBEAT_S)
    async with talking_to(handler) as connection:
        stall(connection)
        async with asyncio.timeout(PATIENCE_S):
            while not handler.seen.closes:
                connection.send_frame(TEXT, b"more")
                await asyncio.sleep(0.01)
    assert handler.seen.closes == [(1006, "")]


async def test_a_callback_that_takes_its_time_while_reading_is_paused_costs_no_client_its_session() -> None:
    go_on = asyncio.Event()

    async def wait(*_: Any) -> None:
        await go_on.wait()

    handler = Noting(message=wait).held(heartbeat_s=HEARTBEAT_S, max_message_bytes=2**20)
    async with talking_to(handler) as connection:
        for _ in range(60):
            connection.send_frame(TEXT, b"x" * 70_000)
        session = handler.sessions[0]
        await until(lambda: not session.transport.is_reading())
        await asyncio.sleep(3 * HEARTBEAT_S)
        assert session.is_open
        go_on.set()
        await handler.seen.until(lambda seen: len(seen) == 61)
    assert handler.seen.closes == [(1006, "")]


async def test_a_session_without_a_heartbeat_is_not_asked() -> None:
    handler = Noting().held(heartbeat_s=None)
    async with talking_to(handler) as connection:
        await asyncio.sleep(2 * HEARTBEAT_S)
        connection.send_frame(TEXT, b"still here")
        assert await connection.read_frame() == (TEXT, b"still here")


async def test_in_an_application_of_aiohttp_its_own_heartbeat_asks() -> None:
    handler = Noting().held(heartbeat_s=HEARTBEAT_S)
    app = web.Application()

    async def serve_one(request: web.Request) -> web.StreamResponse:
        return await serve_websocket(handler, request, handler.options)

    app.router.add_get("/ws", serve_one)
    async with run_by_aiohttp(app) as client, connect(client.url) as connection:
        await connection.shake("/ws")
        assert await connection.read_frame() == (PING, b"")
        await handler.seen.until_closed()
    assert handler.seen.closes == [(1006, "")]
