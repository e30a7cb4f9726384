"""Talking over a WebSocket session: who waits for a slow client and who does not, and what is lost then."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import ClientSession, WSMsgType

from tests.rawsockets import TEXT, RawConnection, connect
from tests.serving import PATIENCE_S, Serve, run_by_webkit
from tests.sockets import Noting, make_app, reset, stall
from webkit import Application, Server, ServerConfig, WebSocketClosed, WebSocketSession

# What the buffers of the system hold on the way is some of these.
LARGE = 2**18
PADDING = "x" * LARGE


@asynccontextmanager
async def stalled(handler: Noting) -> AsyncIterator[tuple[RawConnection, WebSocketSession]]:
    """A client that reads nothing, and its session."""
    async with run_by_webkit(make_app(handler)) as client, connect(client.url) as connection:
        assert (await connection.shake("/ws")).status == 101
        stall(connection)
        await handler.seen.until(bool)
        yield connection, handler.sessions[0]


async def fill(session: WebSocketSession, count: int = 60) -> int:
    """Send *count* large numbered messages at once, and give how many were taken."""
    for number in range(count):
        try:
            async with asyncio.timeout(PATIENCE_S):
                await session.send_text(f"{number}:{PADDING}")
        except WebSocketClosed:
            return number
    return count


async def read_numbers(connection: RawConnection, until: int | None) -> list[int]:
    """Read on, and give the numbers of the messages, up to *until* or to the close."""
    connection.writer.transport.resume_reading()  # type: ignore[attr-defined]
    numbers: list[int] = []
    while not numbers or numbers[-1] != until:
        kind, payload = await connection.read_frame()
        if kind != TEXT:
            break
        numbers.append(int(payload.partition(b":")[0]))
    return numbers


async def test_texts_bytes_and_json_are_sent_as_they_are(serve: Serve) -> None:
    """IP-117."""

    async def send(session: WebSocketSession) -> None:
        await session.send_text("é")
        await session.send_binary(b"\x00\xff")
        await session.send_binary(bytearray(b"changeable"))
        await session.send_binary(memoryview(b"a view"))
        await session.send_json({"a": [1, None]})
        await session.send_text("x" * 100_000)

    client = await serve(make_app(Noting(open=send)))
    async with client.session.ws_connect(client.url / "ws") as ws:
        messages = [await ws.receive() for _ in range(6)]
    assert [message.data for message in messages] == [
        "é",
        b"\x00\xff",
        b"changeable",
        b"a view",
        '{"a":[1,null]}',
        "x" * 100_000,
    ]


async def test_what_cannot_be_sent_is_an_error_and_not_half_a_message(serve: Serve) -> None:
    async def send(session: WebSocketSession) -> None:
        with pytest.raises(UnicodeEncodeError):
            await session.send_text("\ud800")
        with pytest.raises(TypeError):
            await session.send_json(object())
        with pytest.raises(TypeError):
            await session.send_binary(3)  # type: ignore[arg-type]
        await session.send_text("good")

    client = await serve(make_app(Noting(open=send)))
    async with client.session.ws_connect(client.url / "ws") as ws:
        assert await ws.receive_str() == "good"


async def test_the_address_of_the_client_is_that_of_its_connection(serve: Serve) -> None:
    """IP-119, IP-080."""

    async def tell(session: WebSocketSession) -> None:
        await session.send_json(session.get_client_address())

    client = await serve(make_app(Noting(open=tell)))
    async with client.session.ws_connect(client.url / "ws") as ws:
        assert await ws.receive_json() == list(ws.get_extra_info("sockname"))


async def test_a_client_on_a_unix_socket_has_no_address(tmp_path: Path) -> None:
    async def tell(session: WebSocketSession) -> None:
        with pytest.raises(OSError, match="The connection has no address"):
            session.get_client_address()
        await session.send_text("none")

    server = Server(make_app(Noting(open=tell)), ServerConfig(path=tmp_path / "socket"))
    await server.start()
    try:
        connector = aiohttp.UnixConnector(str(tmp_path / "socket"))
        async with ClientSession(connector=connector) as session, session.ws_connect("http://localhost/ws") as ws:
            assert await ws.receive_str() == "none"
    finally:
        await server.stop()


# Slow clients


async def test_a_callback_that_sends_waits_until_the_client_has_read(serve: Serve) -> None:
    async def send(session: WebSocketSession) -> None:
        for number in range(60):
            await session.send_text(f"{number}:{PADDING}")
            sizes.append(session.transport.get_write_buffer_size())

    sizes: list[int] = []
    handler = Noting(open=send)
    async with stalled(handler) as (connection, _):
        # It has to wait before all are on their way, and holds no more than one message above the mark.
        async with asyncio.timeout(PATIENCE_S):
            while handler.sessions[0].transport.get_write_buffer_size() == 0:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        assert await read_numbers(connection, 59) == list(range(60))
    assert max(sizes) < LARGE + 2**17


async def test_a_slow_client_is_closed_with_1013_and_whoever_sends_to_it_does_not_wait() -> None:
    handler = Noting().held(queue_messages=5, queue_bytes=2**30)
    async with stalled(handler) as (connection, session):
        taken = await fill(session)
        assert 5 < taken < 60
        assert not session.is_open
        await handler.seen.until_closed()
        # It may still read that: what was on its way before, and then the close.
        connection.writer.transport.resume_reading()  # type: ignore[attr-defined]
        numbers = []
        while (frame := await connection.read_frame())[0] == TEXT:
            numbers.append(int(frame[1].partition(b":")[0]))
        assert numbers == list(range(len(numbers)))
        assert frame[1][2:] == b"Too slow"
    assert handler.seen.closes == [(1013, "Too slow")]


async def test_a_slow_client_that_never_reads_again_is_cut_off() -> None:
    handler = Noting().held(queue_bytes=1)
    async with stalled(handler) as (_, session):
        await fill(session)
        await handler.seen.until_closed()
        async with asyncio.timeout(PATIENCE_S):
            while not session.transport.is_closing() or session.request.transport is not None:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
    assert handler.seen.closes == [(1013, "Too slow")]


async def test_a_slow_client_misses_the_oldest_messages_under_drop_oldest() -> None:
    handler = Noting().held(when_slow="drop_oldest", queue_messages=4, queue_bytes=2**30)
    async with stalled(handler) as (connection, session):
        assert await fill(session) == 60
        numbers = await read_numbers(connection, 59)
        assert numbers[-4:] == [56, 57, 58, 59]
        assert numbers == sorted(numbers)
        assert len(numbers) < 60
        assert session.is_open
        await session.send_text("60:")
        assert await read_numbers(connection, 60) == [60]


async def test_a_slow_client_gets_the_newest_of_each_key_under_coalesce() -> None:
    handler = Noting().held(when_slow="coalesce", queue_messages=50, queue_bytes=2**30)
    async with stalled(handler) as (connection, session):
        for number in range(1, 40):
            await session.send_text(f"{number}:{PADDING}")
        for number in range(100, 1100):
            await session.send_text(f"{number}:", key=number % 3)
        await session.send_text("0:")
        numbers = await read_numbers(connection, 0)
        assert numbers.pop() == 0
        assert numbers[:39] == list(range(1, 40))
        assert sorted(numbers[-3:]) == [1097, 1098, 1099]
        assert len(numbers) < 60


async def test_one_slow_client_does_not_hold_up_the_others() -> None:
    async def pass_on(session: WebSocketSession, text: str) -> None:
        for other in handler.sessions:
            if other.is_open and other is not session:
                try:
                    await other.send_text(f"{text}:{PADDING}")
                except WebSocketClosed:
                    closed.append(other)

    closed: list[WebSocketSession] = []
    handler = Noting(message=pass_on).held(queue_messages=3)
    async with stalled(handler) as (_, slow):
        url = f"ws://127.0.0.1:{slow.transport.get_extra_info('sockname')[1]}/ws"
        async with ClientSession() as http, http.ws_connect(url) as sender, http.ws_connect(url) as reader:
            await handler.seen.until(lambda seen: seen.count("open") == 3)
            for number in range(60):
                await sender.send_str(str(number))
                message = await reader.receive(PATIENCE_S)
                assert message.data.partition(":")[0] == str(number)
    assert closed == [slow]


async def test_messages_of_a_session_and_of_others_keep_their_order_for_a_slow_client() -> None:
    handler = Noting().held(queue_messages=100, queue_bytes=2**30)
    async with stalled(handler) as (connection, session):
        await fill(session, 50)
        connection.send_frame(TEXT, b"50:")  # its own callback answers, and waits in the same line
        await handler.seen.until(lambda seen: ("message", "50:") in seen)
        await session.send_text("51:")
        assert await read_numbers(connection, 51) == list(range(52))


async def test_closing_sends_what_waits_before_it() -> None:
    handler = Noting().held(queue_messages=100, queue_bytes=2**30)
    async with stalled(handler) as (connection, session):
        await fill(session, 50)
        closing = asyncio.create_task(session.close(4000, "bye"))
        await handler.seen.until_closed()
        with pytest.raises(WebSocketClosed):
            await session.send_text("late")
        assert await read_numbers(connection, None) == list(range(50))
        connection.send_close(4000)
        await closing
    assert handler.seen.closes == [(4000, "bye")]


async def test_a_client_that_vanishes_while_it_is_slow_lets_everybody_go() -> None:
    async def send(session: WebSocketSession) -> None:
        try:
            for _ in range(100):
                await session.send_text(PADDING)
        except OSError as error:
            ends.append(error)
            raise

    ends: list[BaseException] = []
    handler = Noting(open=send).held(queue_messages=1000, queue_bytes=2**30)
    async with stalled(handler) as (connection, session):
        await fill(session, 50)
        reset(connection)
        await handler.seen.until_closed()
    assert handler.seen.closes == [(1006, "")]
    assert not handler.seen.errors
    assert len(ends) == 1


async def test_a_session_that_waits_in_the_queue_is_let_go_when_others_overfill_it() -> None:
    async def send(session: WebSocketSession) -> None:
        await go_on.wait()
        await session.send_text("mine")

    go_on = asyncio.Event()
    handler = Noting(open=send).held(queue_messages=2)
    async with stalled(handler) as (_, session):
        filling = []
        while session.transport.get_write_buffer_size() < 2**16:
            # Not awaited: the one that fills the buffer may be one after which aiohttp waits.
            frame = session.response.send_frame(bytes(2**16 - 100), WSMsgType.BINARY)
            filling.append(asyncio.create_task(frame))
            await asyncio.sleep(0)
        # All in one turn of the loop: who sends what waits has not yet begun.
        go_on.set()
        sending = [asyncio.create_task(session.send_text("theirs")) for _ in range(5)]
        results = await asyncio.gather(*sending, return_exceptions=True)
        assert any(isinstance(result, WebSocketClosed) for result in results)
        await handler.seen.until_closed()
        await asyncio.gather(*filling, return_exceptions=True)
    assert handler.seen.closes == [(1013, "Too slow")]


async def test_the_queue_of_a_client_that_reads_again_is_gone() -> None:
    handler = Noting().held(queue_messages=100, queue_bytes=2**30)
    async with stalled(handler) as (connection, session):
        for _ in range(3):
            await fill(session, 40)
            assert await read_numbers(connection, 39) == list(range(40))
            stall(connection)
        assert session.is_open


async def test_a_burst_for_a_client_that_reads_is_no_reason_to_close_it(serve: Serve) -> None:
    handler = Noting()
    client = await serve(make_app(handler))
    async with client.session.ws_connect(client.url / "ws") as ws:
        await handler.seen.until(bool)
        reading = asyncio.create_task(_count(ws, 5000))
        for number in range(5000):
            await handler.sessions[0].send_text(f"{number}:{'x' * 1000}")
        assert await reading == list(range(5000))


async def _count(ws: aiohttp.ClientWebSocketResponse, count: int) -> list[int]:
    return [int((await ws.receive_str()).partition(":")[0]) for _ in range(count)]


# Receiving by hand


async def test_receiving_goes_on_until_the_end_and_says_so(serve: Serve) -> None:
    async def receive(session: WebSocketSession) -> None:
        got: list[Any] = [await session.receive(), await session.receive()]
        with pytest.raises(WebSocketClosed):
            await session.receive()
        with pytest.raises(WebSocketClosed):
            await session.receive()
        assert [message async for message in session] == []
        received.set_result(got)

    received: asyncio.Future[list[Any]] = asyncio.get_running_loop().create_future()
    client = await serve(make_app(Noting(open=receive)))
    async with client.session.ws_connect(client.url / "ws") as ws:
        await ws.send_str("text")
        await ws.send_bytes(b"bytes")
    assert await received == ["text", b"bytes"]


async def test_receiving_may_be_bounded_in_time(serve: Serve) -> None:
    async def receive(session: WebSocketSession) -> None:
        for _ in range(3):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.01):
                    await session.receive()
        await session.send_text("patience")
        await session.send_text(str(await session.receive()))

    client = await serve(make_app(Noting(open=receive)))
    async with client.session.ws_connect(client.url / "ws") as ws:
        assert await ws.receive_str() == "patience"
        await ws.send_str("at last")
        assert await ws.receive_str() == "at last"


async def test_a_task_that_receives_for_the_handler_is_woken_when_the_session_is_closed(serve: Serve) -> None:
    app = Application()
    ended: asyncio.Future[list[Any]] = asyncio.get_running_loop().create_future()

    @app.websocket("/ws")
    async def two_tasks(session: WebSocketSession) -> None:
        messages: list[Any] = []
        has_come = asyncio.Event()

        async def receive() -> None:
            async for message in session:
                messages.append(message)
                has_come.set()

        async with asyncio.TaskGroup() as group:
            group.create_task(receive())
            await has_come.wait()
            await asyncio.sleep(0)  # it waits for the next one
            await session.close(4000)
        ended.set_result(messages)

    client = await serve(app)
    async with client.session.ws_connect(client.url / "ws") as ws:
        await ws.send_str("first")
        message = await ws.receive()
        assert (message.type, message.data) == (WSMsgType.CLOSE, 4000)
    assert await ended == ["first"]
