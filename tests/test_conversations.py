"""The life of a WebSocket session: one ws_close for each ws_open, whatever happens, and the right code in it."""

import asyncio
import gc
import logging
import struct
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession, WebSocketError, WSMsgType, web
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from yarl import URL

from tests.rawsockets import BINARY, CLOSE, TEXT, RawConnection, connect
from tests.serving import PATIENCE_S, Client, Running, Serve, run_by_webkit
from tests.sockets import Noting, crash, make_app, reset
from webkit import AbstractWebSocketHandler, Application, Handler, WebSocketClosed, WebSocketSession
from webkit.run import Server, ServerConfig
from webkit.websockets import WebSocketRefused, serve_websocket

CALLBACKS = ["open", "message", "binary", "close", "error"]


class Logged(logging.Handler):
    """Collects what is logged."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)


@pytest.fixture
def logged() -> Iterator[list[logging.LogRecord]]:
    """What was logged as an error or a warning so far."""
    handler = Logged()
    logging.getLogger().addHandler(handler)
    yield handler.records
    logging.getLogger().removeHandler(handler)


async def start(connection: RawConnection) -> None:
    """Shake hands."""
    assert (await connection.shake("/ws")).status == 101


# The end that a client makes


@pytest.mark.parametrize(("code", "reason"), [(1000, ""), (1001, "going"), (3000, "é"), (4999, "x" * 123)])
async def test_code_and_reason_of_the_client_reach_ws_close(serve: Serve, code: int, reason: str) -> None:
    """IP-114: the reason too."""
    handler = Noting()
    client = await serve(make_app(handler))
    async with connect(client.url) as connection:
        await start(connection)
        connection.send_frame(TEXT, b"before it")
        connection.send_close(code, reason)
        assert await connection.read_frame() == (TEXT, b"before it")
        assert (await connection.read_close())[0] == 1000
        await handler.seen.until_closed()
    assert handler.seen == ["open", ("message", "before it"), ("close", code, reason)]


async def test_a_client_that_closes_without_a_code_is_1005(serve: Serve) -> None:
    handler = Noting()
    client = await serve(make_app(handler))
    async with connect(client.url) as connection:
        await start(connection)
        connection.send_frame(CLOSE)
        await handler.seen.until_closed()
    assert handler.seen.closes == [(1005, "")]


@pytest.mark.parametrize("way", ["reset", "fin"])
async def test_a_client_that_vanishes_is_1006_and_no_error(
    serve: Serve, way: str, logged: list[logging.LogRecord]
) -> None:
    """IP-114."""
    handler = Noting()
    client = await serve(make_app(handler))
    async with connect(client.url) as connection:
        await start(connection)
        connection.send_frame(TEXT, b"hi")
        await connection.read_frame()
        if way == "reset":
            reset(connection)
    await handler.seen.until_closed()
    assert handler.seen == ["open", ("message", "hi"), ("close", 1006, "")]
    assert not logged


async def test_a_client_that_vanishes_while_a_callback_runs_is_noticed_behind_it(
    serve: Serve, logged: list[logging.LogRecord]
) -> None:
    go_on = asyncio.Event()

    async def answer(session: WebSocketSession, text: str) -> None:
        await go_on.wait()
        await session.send_text(text)

    handler = Noting(message=answer)
    client = await serve(make_app(handler))
    async with connect(client.url) as connection:
        await start(connection)
        connection.send_frame(TEXT, b"hi")
        await handler.seen.until(lambda seen: len(seen) == 2)
        reset(connection)
    async with asyncio.timeout(PATIENCE_S):
        while handler.sessions[0].request.transport is not None:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    go_on.set()
    await handler.seen.until_closed()
    assert handler.seen == ["open", ("message", "hi"), ("close", 1006, "")]
    assert not logged


BROKEN_RULES: list[tuple[bytes, int]] = [
    (b"\x83\x80\0\0\0\0", 1002),  # a kind of frame that is none
    (b"\xf1\x80\0\0\0\0", 1002),  # reserved bits
    (b"\x81\x84\0\0\0\0\xff\xff\xff\xff", 1007),  # a text that is no UTF-8
    (b"\x80\x80\0\0\0\0", 1002),  # goes on with what was not begun
    (b"\x88\x82\0\0\0\0" + struct.pack("!H", 1006), 1002),  # a code that nobody may send
    (b"\x88\x81\0\0\0\0\x03", 1002),  # half a code
    (b"\x82\xe4" + bytes(4 + 100), 1009),  # longer than is taken
]


@pytest.mark.parametrize(("frame", "code"), BROKEN_RULES)
async def test_a_client_that_breaks_the_rules_is_told_to_ws_error_and_closed_with_its_code(
    serve: Serve, frame: bytes, code: int, logged: list[logging.LogRecord]
) -> None:
    """IP-115: the exception, then ws_close with the code that was sent."""
    handler = Noting().held(max_message_bytes=50)
    client = await serve(make_app(handler))
    async with connect(client.url) as connection:
        await start(connection)
        connection.writer.write(frame)
        assert (await connection.read_close())[0] == code
        await handler.seen.until_closed()
    ((closed_with, reason),) = handler.seen.closes
    (error,) = handler.seen.errors
    assert isinstance(error, WebSocketError)
    assert (closed_with, error.code, reason) == (code, code, str(error))
    assert not logged


@pytest.mark.parametrize("way", ["lets it go", "catches it"])
async def test_a_fault_that_a_callback_meets_while_it_receives_is_told_all_the_same(serve: Serve, way: str) -> None:
    async def receive(session: WebSocketSession) -> None:
        try:
            await session.receive_json(int)
        except WebSocketClosed:
            if way == "lets it go":
                raise

    handler = Noting(open=receive)
    client = await serve(make_app(handler))
    async with connect(client.url) as connection:
        await start(connection)
        connection.send_frame(TEXT, b'"no number"')
        assert await connection.read_close() == (1007, "Expected `int`, got `str`")
        await handler.seen.until_closed()
    assert [str(error) for error in handler.seen.errors] == ["Expected `int`, got `str`"]
    assert handler.seen.closes == [(1007, "Expected `int`, got `str`")]


# The end that the server makes


async def test_a_callback_closes_with_code_and_reason_and_nothing_comes_after_that(serve: Serve) -> None:
    """IP-117, IP-118: closing twice is nothing, sending is an OSError, and ws_close has the code of the server."""
    refused: list[BaseException] = []

    async def close(session: WebSocketSession, text: str) -> None:
        await session.close(4001, "why")
        await session.close(4002)
        assert not session.is_open
        for send in (session.send_text("late"), session.send_binary(b"late"), session.send_json("late")):
            try:
                await send
            except OSError as error:
                refused.append(error)

    handler = Noting(message=close)
    client = await serve(make_app(handler))
    async with client.session.ws_connect(client.url / "ws") as ws:
        await ws.send_str("close")
        await ws.send_str("too late")
        message = await ws.receive()
        assert (message.type, message.data, message.extra) == (WSMsgType.CLOSE, 4001, "why")
    await handler.seen.until_closed()
    assert handler.seen == ["open", ("message", "close"), ("close", 4001, "why")]
    assert [str(error) for error in refused] == ["The WebSocket session is closed."] * 3
    assert all(isinstance(error, WebSocketClosed) and error.session is handler.sessions[0] for error in refused)


async def test_another_task_closes_a_session_that_waits_and_the_client_answers_in_order(serve: Serve) -> None:
    handler = Noting()
    client = await serve(make_app(handler))
    async with connect(client.url) as connection:
        await start(connection)
        await handler.seen.until(bool)
        closing = asyncio.create_task(handler.sessions[0].close(4001, "why"))
        assert await connection.read_close() == (4001, "why")
        await handler.seen.until_closed()
        # Closed as RFC 6455 wants it: the server waits for the answer, and lets go of the connection then.
        assert not closing.done()
        connection.send_close(4001)
        await closing
        async with asyncio.timeout(PATIENCE_S):
            assert await connection.reader.read() == b""
    assert handler.seen == ["open", ("close", 4001, "why")]


@pytest.mark.parametrize("code", [0, 999, 1004, 1005, 1006, 1015, 2999, 5000])
async def test_a_reserved_code_cannot_be_closed_with(serve: Serve, code: int) -> None:
    async def close(session: WebSocketSession, text: str) -> None:
        with pytest.raises(ValueError, match=f"{code} is no code to close with"):
            await session.close(code)
        await session.send_text("still open")

    client = await serve(make_app(Noting(message=close)))
    async with client.session.ws_connect(client.url / "ws") as ws:
        await ws.send_str("go")
        assert await ws.receive_str() == "still open"


@pytest.mark.parametrize("where", ["open", "message", "binary"])
async def test_a_crash_is_logged_told_to_ws_error_and_closes_with_1011(
    serve: Serve, where: str, logged: list[logging.LogRecord]
) -> None:
    """IP-115: ws_error gets the exception, and the session is still open then; ws_close follows."""

    async def apologize(session: WebSocketSession) -> None:
        await session.send_text("sorry")

    handler = Noting(error=apologize, **{where: crash})
    client = await serve(make_app(handler))
    async with connect(client.url) as connection:
        await start(connection)
        connection.send_frame(BINARY if where == "binary" else TEXT, b"go")
        assert await connection.read_frame() == (TEXT, b"sorry")
        assert await connection.read_close() == (1011, "")
        await handler.seen.until_closed()
    (error,) = handler.seen.errors
    assert (type(error), handler.seen.closes) == (ValueError, [(1011, "")])
    (record,) = logged
    assert record.exc_info is not None
    assert record.exc_info[1] is error


@pytest.mark.parametrize("where", ["close", "error"])
async def test_a_crash_in_the_last_callbacks_changes_nothing(
    serve: Serve, where: str, logged: list[logging.LogRecord]
) -> None:
    handler = Noting(message=crash, **{where: crash})
    client = await serve(make_app(handler))
    async with connect(client.url) as connection:
        await start(connection)
        connection.send_frame(TEXT, b"go")
        assert await connection.read_close() == (1011, "")
        await handler.seen.until_closed()
    assert handler.seen.closes == [(1011, "")]
    assert [record.levelname for record in logged] == ["ERROR", "ERROR"]


async def test_what_is_cancelled_inside_a_callback_is_a_crash_and_not_the_end_of_the_task(
    serve: Serve, logged: list[logging.LogRecord]
) -> None:
    async def wait(session: WebSocketSession, text: str) -> None:
        inner = asyncio.create_task(asyncio.Event().wait())
        inner.cancel()
        await inner

    handler = Noting(message=wait)
    client = await serve(make_app(handler))
    async with connect(client.url) as connection:
        await start(connection)
        connection.send_frame(TEXT, b"go")
        assert await connection.read_close() == (1011, "")
        await handler.seen.until_closed()
    assert [str(error) for error in handler.seen.errors] == ["A callback waited for something that was cancelled."]
    assert len(logged) == 1


async def test_that_another_session_is_closed_is_no_excuse(serve: Serve) -> None:
    first: list[WebSocketSession] = []

    async def send_to_first(session: WebSocketSession, text: str) -> None:
        await first[0].send_text(text)

    handler = Noting(message=send_to_first)
    client = await serve(make_app(handler))
    async with connect(client.url) as one, connect(client.url) as other:
        await start(one)
        await handler.seen.until(bool)
        first.append(handler.sessions[0])
        one.send_close(1000)
        await handler.seen.until_closed()
        await start(other)
        other.send_frame(TEXT, b"go")
        assert (await other.read_close())[0] == 1011
        await handler.seen.until_closed(2)
    assert handler.seen.closes == [(1000, ""), (1011, "")]


@pytest.mark.parametrize("where", CALLBACKS)
async def test_a_cancelled_task_calls_ws_close_once_all_the_same(serve: Serve, where: str) -> None:
    tasks: list[asyncio.Task[Any]] = []
    started = asyncio.Event()

    async def hang(*_: Any) -> None:
        started.set()
        await asyncio.Event().wait()

    async def note_task(request: web.Request, handler: Handler) -> web.StreamResponse:
        task = asyncio.current_task()
        assert task is not None
        tasks.append(task)
        return await handler(request)

    does = {"error": hang, "message": crash} if where == "error" else {where: hang}
    handler = Noting(**does)
    app = make_app(handler)
    app.middlewares.append(note_task)
    client = await serve(app)
    async with connect(client.url) as connection:
        await start(connection)
        if where == "close":
            connection.send_close(1000)
        else:
            connection.send_frame(BINARY if where == "binary" else TEXT, b"go")
        async with asyncio.timeout(PATIENCE_S):
            await started.wait()
        tasks[0].cancel()
        if where != "close":
            connection.send_close(1000)  # the answer to the close that comes
        await asyncio.wait({tasks[0]}, timeout=PATIENCE_S)
        assert tasks[0].done()
    assert handler.seen.closes == [(1000 if where == "close" else 1011 if where == "error" else 1001, "")]


# Shutdown


async def test_a_server_that_stops_closes_every_session_with_1001_and_waits_for_ws_close(running: Running) -> None:
    """IP-122."""
    cleaned: list[int] = []

    async def take_leave(session: WebSocketSession) -> None:
        for _ in range(20):
            await asyncio.sleep(0.01)
        cleaned.append(1)

    handler = Noting(close=take_leave)
    app = make_app(handler)
    app.on_cleanup.append(lambda _: _note(cleaned))
    async with ClientSession() as session:
        async with running(app) as client:
            sockets = [await session.ws_connect(client.url / "ws") for _ in range(5)]
            ends = [asyncio.create_task(ws.receive()) for ws in sockets]
        messages = [await end for end in ends]
    assert [(message.data, message.extra) for message in messages] == [(1001, "Server shutdown")] * 5
    assert handler.seen.closes == [(1001, "Server shutdown")] * 5
    assert cleaned == [1, 1, 1, 1, 1, 0]  # the clean-up of the application comes after all of them


async def _note(cleaned: list[int]) -> None:
    cleaned.append(0)


@pytest.mark.parametrize("where", ["open", "message"])
async def test_a_callback_that_never_ends_is_cancelled_when_the_server_stops(running: Running, where: str) -> None:
    async def hang(*_: Any) -> None:
        await asyncio.Event().wait()

    handler = Noting(**{where: hang})
    async with ClientSession() as session, asyncio.timeout(PATIENCE_S):
        async with running(make_app(handler)) as client:
            ws = await session.ws_connect(client.url / "ws")
            await ws.send_str("go")
            await handler.seen.until(lambda seen: len(seen) == (1 if where == "open" else 2))
            end = asyncio.create_task(ws.receive())
        assert (await end).data == 1001
    assert handler.seen.closes == [(1001, "Server shutdown")]


async def test_a_ws_close_that_never_ends_holds_the_server_no_longer_than_its_grace_period() -> None:
    async def hang(*_: Any) -> None:
        await asyncio.Event().wait()

    handler = Noting(close=hang)
    server = Server(make_app(handler), ServerConfig(host="127.0.0.1", port=0, grace_s=0.3))
    await server.start()
    async with ClientSession() as session:
        ws = await session.ws_connect(server.urls[0] + "/ws")
        end = asyncio.create_task(ws.receive())
        async with asyncio.timeout(PATIENCE_S):
            await server.stop()
            assert (await end).data == 1001
    assert handler.seen.closes == [(1001, "Server shutdown")]


async def test_thousands_of_sessions_are_closed_over_a_second_and_not_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("webkit.streams._AT_ONCE", 10)
    monkeypatch.setattr("webkit.streams._SPREAD_S", 4.0)  # more than a busy machine stands still
    times: list[float] = []

    async def note_time(session: WebSocketSession) -> None:
        times.append(asyncio.get_running_loop().time())

    handler = Noting(close=note_time)
    async with ClientSession() as session, run_by_webkit(make_app(handler)) as client:
        sockets = [await session.ws_connect(client.url / "ws") for _ in range(20)]
        ends = [asyncio.create_task(ws.receive()) for ws in sockets]
    await asyncio.gather(*ends)
    assert len(times) == 20
    assert times[-1] - times[0] > 0.2  # nearly all of it, where the first one was not late


async def test_a_session_that_begins_while_the_server_stops_is_closed_like_the_others(running: Running) -> None:
    go_on = asyncio.Event()

    async def wait(request: web.Request, response: web.StreamResponse) -> None:
        waiting.set()
        await go_on.wait()

    waiting = asyncio.Event()
    handler = Noting()
    app = make_app(handler)
    app.on_response_prepare.append(wait)
    app.on_shutdown.append(lambda _: _set(go_on))
    async with ClientSession() as session, asyncio.timeout(PATIENCE_S):
        async with running(app) as client:
            connecting = asyncio.create_task(session.ws_connect(client.url / "ws"))
            await waiting.wait()
        assert (await (await connecting).receive()).data == 1001
    assert handler.seen.closes == [(1001, "Server shutdown")]


async def _set(event: asyncio.Event) -> None:
    event.set()


async def test_a_client_that_leaves_before_the_handshake_is_answered_is_no_error(
    serve: Serve, logged: list[logging.LogRecord]
) -> None:
    asked, go_on = asyncio.Event(), asyncio.Event()
    requests: list[web.Request] = []
    tasks: list[asyncio.Task[Any]] = []

    async def wait(request: web.Request) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.append(task)
        requests.append(request)
        asked.set()
        await go_on.wait()

    handler = Noting(accept=wait)
    client = await serve(make_app(handler))
    async with connect(client.url) as connection:
        shaking = asyncio.create_task(connection.shake("/ws"))
        await asked.wait()
        reset(connection)
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await shaking
    await _until(lambda: requests[0].transport is None)
    go_on.set()
    await _until(tasks[0].done)
    assert not handler.seen
    assert not logged


async def test_where_handlers_are_cancelled_for_clients_that_leave_that_is_1006() -> None:
    async def hang(*_: Any) -> None:
        await asyncio.Event().wait()

    handler = Noting(message=hang)
    server = Server(make_app(handler), ServerConfig(host="127.0.0.1", port=0, handler_cancellation=True))
    await server.start()
    async with connect(URL(server.urls[0])) as connection:
        await start(connection)
        connection.send_frame(TEXT, b"go")
        await handler.seen.until(lambda seen: len(seen) == 2)
        reset(connection)
        await handler.seen.until_closed()
    await server.stop()
    assert handler.seen.closes == [(1006, "")]


# Many, and by hand


async def test_a_thousand_sockets_opened_and_dropped_leave_nothing_behind() -> None:
    handler = Noting()
    app = make_app(handler)
    streams = app._streams
    async with run_by_webkit(app) as client:
        await _open_and_drop(client, handler, 200)
        gc.collect()
        files = _count_files()
        tracemalloc.start()
        before, _ = tracemalloc.get_traced_memory()
        for _ in range(4):
            await _open_and_drop(client, handler, 200)
        await _until(lambda: len(streams) == 0)
        gc.collect()
        after, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        await _until(lambda: _count_files() <= files + 2)
        assert handler.seen.count("open") == handler.seen.count("close") == 1000
    # Of each there is one line in what the test notes; a connection that stayed would be 15 KiB.
    assert (after - before) / 800 < 1500


async def _open_and_drop(client: Client, handler: Noting, count: int) -> None:
    known = len(handler.seen.closes)
    async with asyncio.timeout(PATIENCE_S):
        for number in range(count):
            async with connect(client.url) as connection:
                await start(connection)
                if number % 2:
                    connection.send_frame(TEXT, b"hi")
                    reset(connection)
    await handler.seen.until_closed(known + count)
    handler.sessions.clear()


def _count_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


async def _until(is_true: Any) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not is_true():  # noqa: ASYNC110
            await asyncio.sleep(0.02)


DEEDS = st.lists(st.sampled_from(["text", "binary", "crash", "close", "ask to close", "break"]), max_size=6)


@given(deeds=DEEDS, end=st.sampled_from(["close", "reset", "fin", "stop"]), broken=st.sets(st.sampled_from(CALLBACKS)))
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
async def test_there_is_one_ws_close_for_each_ws_open_whatever_happens(
    deeds: list[str], end: str, broken: set[str], logged: list[logging.LogRecord]
) -> None:
    async def act(session: WebSocketSession, text: str) -> None:
        if text == "crash" or "message" in broken:
            raise ValueError("a bug")
        if text == "ask to close":
            await session.close(4000)

    handler = Noting(**{"message": act, **dict.fromkeys(broken - {"message"}, crash)})
    async with run_by_webkit(make_app(handler)) as client, connect(client.url) as connection:
        await start(connection)
        for deed in deeds:
            if deed == "close":
                connection.send_close(1000)
            elif deed == "break":
                connection.writer.write(b"\xff\xff\xff\xff")
            else:
                connection.send_frame(BINARY if deed == "binary" else TEXT, deed.encode())
        if end == "close":
            connection.send_close(4000)
        elif end == "reset":
            await handler.seen.until(bool)
            reset(connection)
        if end != "stop":
            connection.writer.close()
            await handler.seen.until_closed()
    assert handler.seen.count("open") == 1
    assert handler.seen.count("close") == 1
    assert handler.seen[-1][0] == "close"


async def test_a_request_is_served_by_hand_with_a_refusal_of_ones_own(serve: Serve) -> None:
    """For servlets: IP-111 is a 400 there."""
    handler = Noting(accept=lambda request: _answer(request.query.get("token") == "right"))

    async def serve_one(request: web.Request) -> web.StreamResponse:
        try:
            return await serve_websocket(handler, request, parameters={"room": "blue"})
        except WebSocketRefused:
            raise web.HTTPBadRequest(text="WebSocket connection refused") from None

    async def ask_first(request: web.Request) -> web.StreamResponse:
        if not await handler.ws_accept(request):
            raise web.HTTPBadRequest(text="WebSocket connection refused")
        return await serve_websocket(handler, request, asks=False)

    for app in (Application(), web.Application()):
        app.router.add_get("/ws", serve_one)
        app.router.add_get("/first", ask_first)
        client = await serve(app)
        for path in ("/ws", "/first"):
            assert (await client.get(path)).status == 400
            async with connect(client.url) as connection:
                refused = await connection.shake(path)
                assert (refused.status, refused.body) == (400, "WebSocket connection refused")
            async with client.session.ws_connect((client.url / path[1:]).with_query(token="right")) as ws:
                await ws.send_str("hi")
                assert await ws.receive_str() == "hi"
    await handler.seen.until_closed(4)
    assert [dict(session.parameters) for session in handler.sessions] == [{"room": "blue"}, {}] * 2


async def _answer(value: bool) -> bool:
    return value


def test_a_handler_needs_no_base_class() -> None:
    assert AbstractWebSocketHandler.__bases__ == (object,)
