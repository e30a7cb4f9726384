"""Responses and WebSockets as aiohttp 0.21 had them: sending without ``await``, ``msg.tp``, ``start`` and ``drain``."""

import asyncio
import logging
import warnings
from collections.abc import Iterator
from typing import Any

import pytest
from aiohttp import ClientSession, WSMessage, WSMsgType, web

from tests.processes import run_python
from tests.rawsockets import CLOSE, PING, PONG, TEXT, connect
from tests.serving import Running, Serve
from webkit import Application, compat
from webkit.compat import Message, MsgType, Response, StreamResponse, WebSocketResponse

Handler = Any


async def serve_one(serve: Serve, handler: Handler) -> Any:
    app = Application()
    app.router.add_route("GET", "/", handler)
    return await serve(app)


# WebSockets


async def test_the_handler_of_the_old_documentation_runs_unchanged(serve: Serve) -> None:
    """AW-075, AW-076."""
    printed: list[str] = []

    async def websocket_handler(request: web.Request) -> web.StreamResponse:
        ws = WebSocketResponse()
        await ws.prepare(request)

        async for msg in ws:
            if msg.tp == MsgType.text:
                if msg.data == "close":
                    await ws.close()
                else:
                    ws.send_str(msg.data + "/answer")  # type: ignore[unused-awaitable]
            elif msg.tp == MsgType.error:
                printed.append(f"ws connection closed with exception {ws.exception()}")

        printed.append("websocket connection closed")

        return ws

    client = await serve_one(serve, websocket_handler)
    async with client.session.ws_connect(client.url) as ws:
        await ws.send_str("hello")
        assert (await ws.receive()).data == "hello/answer"
        await ws.send_str("close")
        assert (await ws.receive()).type is WSMsgType.CLOSE
    async with connect(client.url) as connection:
        await connection.shake()
        connection.send_frame(TEXT, b"\xff")
        assert (await connection.read_close())[0] == 1007
        await connection.reader.read()
    assert printed[0] == "websocket connection closed"
    assert printed[1:] == [
        "ws connection closed with exception Invalid UTF-8 text message",
        "websocket connection closed",
    ]


def test_a_message_is_the_tuple_that_it_was_with_its_type_as_tp_too() -> None:
    message = Message(WSMsgType.TEXT, '{"a": 1}', "")
    assert message.tp is message.type is MsgType.text
    kind, data, extra = message
    assert (kind, data, extra) == message == WSMessage(WSMsgType.TEXT, '{"a": 1}', "")
    assert message.json() == {"a": 1}
    match message:
        case WSMessage(type=WSMsgType.TEXT, data=text):
            assert text == data
        case _:
            raise AssertionError
    match message:
        case Message(MsgType.text, text, _):
            assert text == data
        case _:
            raise AssertionError


async def test_what_is_sent_without_waiting_arrives_in_order(serve: Serve) -> None:
    large = "é" * 200_000  # compressed in a thread, where small ones are not

    async def handle(request: web.Request) -> web.StreamResponse:
        ws = WebSocketResponse()
        await ws.prepare(request)
        for number in range(20):
            ws.send_str(f"{number} {large if number % 5 == 0 else ''}")  # type: ignore[unused-awaitable]
            ws.send_bytes(bytearray([number]))  # type: ignore[unused-awaitable]
            ws.send_json([number])  # type: ignore[unused-awaitable]
        await ws.send_str("awaited")
        ws.send_str("last")  # type: ignore[unused-awaitable]
        return ws

    client = await serve_one(serve, handle)
    async with client.session.ws_connect(client.url, compress=15, max_msg_size=0) as ws:
        for number in range(20):
            assert (await ws.receive()).data == f"{number} {large if number % 5 == 0 else ''}"
            assert (await ws.receive()).data == bytes([number])
            assert (await ws.receive()).data == f"[{number}]"
        assert [(await ws.receive()).data for _ in range(2)] == ["awaited", "last"]
        assert (await ws.receive()).type is WSMsgType.CLOSE


async def test_pings_and_pongs_are_sent_without_waiting(serve: Serve) -> None:
    async def handle(request: web.Request) -> web.StreamResponse:
        ws = WebSocketResponse()
        ws.start(request)
        ws.ping("are you there")  # type: ignore[unused-awaitable]
        ws.pong(b"I am")  # type: ignore[unused-awaitable]
        await ws.ping()
        return ws

    client = await serve_one(serve, handle)
    async with connect(client.url) as connection:
        await connection.shake()
        frames = [await connection.read_frame() for _ in range(4)]
        assert frames[:3] == [(PING, b"are you there"), (PONG, b"I am"), (PING, b"")]
        assert frames[3][0] == CLOSE


async def test_whether_a_handshake_would_be_answered_is_a_pair_and_a_truth_value(serve: Serve) -> None:
    """AW-073."""
    seen: list[tuple[bool, str | None, bool]] = []

    async def handle(request: web.Request) -> web.StreamResponse:
        ws = WebSocketResponse(protocols=("chat",))
        for ask in (ws.can_start, ws.can_prepare):
            ok, protocol = ask(request)
            seen.append((ok, protocol, bool(ask(request))))
        if not ws.can_start(request):
            raise web.HTTPGone
        ws.start(request)
        return ws

    client = await serve_one(serve, handle)
    assert (await client.get("/")).status == 410
    assert seen == [(False, None, False)] * 2
    async with client.session.ws_connect(client.url, protocols=("chat",)) as ws:
        assert (await ws.receive()).type is WSMsgType.CLOSE
    assert seen[2:] == [(True, "chat", True)] * 2


async def test_what_is_wrong_with_a_call_is_said_at_once(serve: Serve) -> None:
    seen: list[str] = []
    all_said = asyncio.Event()

    def note(call: Any, *arguments: Any) -> None:
        try:
            call(*arguments)
        except (RuntimeError, TypeError) as error:
            seen.append(f"{type(error).__name__}: {error}")

    async def handle(request: web.Request) -> web.StreamResponse:
        ws = WebSocketResponse()
        note(ws.send_str, "early")
        await ws.prepare(request)
        note(ws.send_str, b"bytes")
        note(ws.send_bytes, "text")
        await ws.close()
        note(ws.send_str, "late")
        note(ws.ping)
        all_said.set()
        return ws

    client = await serve_one(serve, handle)
    async with client.session.ws_connect(client.url) as ws:
        assert (await ws.receive()).type is WSMsgType.CLOSE
    await all_said.wait()
    assert seen == [
        "RuntimeError: Call 'await ws.prepare(request)' first.",
        "TypeError: send_str() takes a text, not b'bytes'.",
        "TypeError: send_bytes() takes bytes, not 'text'.",
        "RuntimeError: The WebSocket is closed.",
        "RuntimeError: The WebSocket is closed.",
    ]


async def test_a_broadcast_to_clients_that_are_gone_harms_nobody(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    sockets: list[WebSocketResponse] = []
    all_there, sent = asyncio.Event(), asyncio.Event()

    async def handle(request: web.Request) -> web.StreamResponse:
        ws = WebSocketResponse()
        await ws.prepare(request)
        sockets.append(ws)
        if len(sockets) == 2:
            all_there.set()
        await sent.wait()
        return ws

    client = await serve_one(serve, handle)
    async with connect(client.url) as gone, connect(client.url) as there:
        await gone.shake()
        await there.shake()
        await all_there.wait()
        gone.writer.transport.abort()
        with caplog.at_level(logging.DEBUG, "webkit.server"):
            while not caplog.records:
                for ws in sockets:
                    ws.send_str("news")  # type: ignore[unused-awaitable]
                await asyncio.sleep(0)
        assert await there.read_frame() == (TEXT, b"news")
        sent.set()
    assert {record.levelname for record in caplog.records} == {"DEBUG"}
    assert "did not arrive" in caplog.text


async def test_closing_with_999_is_taken_for_1001_with_one_hint(serve: Serve) -> None:
    """AW-078."""

    async def handle(request: web.Request) -> web.StreamResponse:
        ws = WebSocketResponse()
        await ws.prepare(request)
        with warnings.catch_warnings(record=True) as hints:
            warnings.simplefilter("always")
            await ws.close(code=999, message="Server shutdown")
        given.extend(hints)
        return ws

    given: list[warnings.WarningMessage] = []
    client = await serve_one(serve, handle)
    for _ in range(2):
        async with client.session.ws_connect(client.url) as ws:
            message = await ws.receive()
            assert (message.data, message.extra) == (1001, "Server shutdown")
    assert len(given) <= 1  # another test may have been first


def test_the_hint_for_999_names_the_line_and_the_remedy() -> None:
    _, hints = run_python(
        "import asyncio\n"
        "from webkit.compat import WebSocketResponse\n"
        "async def close():\n"
        "    for _ in range(2):\n"
        "        try:\n"
        "            await WebSocketResponse().close(code=999)\n"
        "        except RuntimeError: pass\n"
        "asyncio.run(close())\n"
    )
    assert hints.count("DeprecationWarning") == 1
    assert "<string>:6: DeprecationWarning: 999 is no code of WebSockets; 1001 is sent." in hints


async def test_other_codes_that_cannot_be_sent_are_refused_here_too() -> None:
    for code in (998, 1005, 1006, 5000):
        with pytest.raises(ValueError, match=f"{code} is no code"):
            await WebSocketResponse().close(code=code)


async def test_the_shutdown_of_the_old_documentation_closes_every_socket(running: Running) -> None:
    """AW-165: over a copy of the list, because handlers remove themselves."""

    async def websocket_handler(request: web.Request) -> web.StreamResponse:
        ws = WebSocketResponse()
        await ws.prepare(request)

        request.app["websockets"].append(ws)
        try:
            async for _ in ws:
                ...
        finally:
            request.app["websockets"].remove(ws)

        return ws

    async def on_shutdown(app: Application) -> None:
        for ws in tuple(app["websockets"]):
            await ws.close(code=1001, message="Server shutdown")

    app = Application()
    app["websockets"] = []
    app.router.add_route("GET", "/", websocket_handler)
    app.on_shutdown.append(on_shutdown)
    async with ClientSession() as session:
        async with running(app) as client:
            sockets = [await session.ws_connect(client.url) for _ in range(6)]
            ends = [asyncio.create_task(ws.receive()) for ws in sockets]
        assert [(await end).data for end in ends] == [1001] * 6
    assert app["websockets"] == []


# Streams


async def test_a_stream_is_written_without_waiting(serve: Serve) -> None:
    seen: list[bool] = []

    async def handle(request: web.Request) -> web.StreamResponse:
        response = StreamResponse()
        response.content_type = "text/plain"
        seen.append(response.started)
        response.start(request)
        seen.append(response.started)
        for number in range(3):
            response.write(b"%d " % number)  # type: ignore[unused-awaitable]
        await response.drain()
        changing = bytearray(b"as it was")
        response.write(changing)  # type: ignore[unused-awaitable]
        changing[:] = b"different"
        await response.write(b", awaited")
        response.write(memoryview(b", last"))  # type: ignore[unused-awaitable]
        return response

    client = await serve_one(serve, handle)
    answer = await client.get("/")
    assert (answer.status, answer.text) == (200, "0 1 2 as it was, awaited, last")
    assert seen == [False, True]


async def test_a_write_that_cannot_be_is_refused_at_once(serve: Serve) -> None:
    async def handle(request: web.Request) -> web.StreamResponse:
        response = StreamResponse()
        with pytest.raises(RuntimeError, match=r"await response\.prepare\(request\)"):
            response.write(b"early")  # type: ignore[unused-awaitable]
        await response.prepare(request)
        with pytest.raises(TypeError, match="takes bytes, not 'text'"):
            response.write("text")  # type: ignore[arg-type, unused-awaitable]
        await response.write_eof(b"done")
        return response

    client = await serve_one(serve, handle)
    assert (await client.get("/")).text == "done"


def hooked(hook: Any) -> Application:
    async def handle(request: web.Request) -> web.StreamResponse:
        response = Response(text="hello")
        response.start(request)
        return response

    app = Application()
    app.add_get("/", handle)
    app.on_response_prepare.append(hook)
    return app


async def test_hooks_see_a_response_that_is_started(serve: Serve) -> None:
    async def add_header(request: web.Request, response: web.StreamResponse) -> None:
        response.headers["X-Seen"] = "yes"

    app = hooked(add_header)
    client = await serve(app)
    answer = await client.get("/")
    assert (answer.text, answer.headers["X-Seen"]) == ("hello", "yes")


async def test_start_cannot_wait_for_a_hook_and_says_so(serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    async def wait(request: web.Request, response: web.StreamResponse) -> None:
        await asyncio.sleep(0)

    app = hooked(wait)
    client = await serve(app)
    assert (await client.get("/")).status == 500
    assert "write 'await response.prepare(request)' instead of 'response.start(request)'" in caplog.text


async def test_head_gets_the_headers_of_a_stream_alone(serve: Serve) -> None:
    async def handle(request: web.Request) -> web.StreamResponse:
        response = StreamResponse(headers={"X-Stream": "yes"})
        await response.prepare(request)
        for _ in range(3):
            response.write(b"never seen")  # type: ignore[unused-awaitable]
        await response.drain()
        return response

    app = Application()
    app.add_get("/", handle)  # HEAD too
    client = await serve(app)
    async with connect(client.url) as connection:
        connection.writer.write(b"HEAD / HTTP/1.1\r\nHost: l\r\n\r\nGET /nowhere HTTP/1.1\r\nHost: l\r\n\r\n")
        assert b"X-Stream: yes\r\n" in await connection.reader.readuntil(b"\r\n\r\n")
        assert (await connection.ask(b"")).status == 404


async def test_drain_before_and_after_everything_is_no_error(serve: Serve) -> None:
    async def handle(request: web.Request) -> web.StreamResponse:
        response = StreamResponse()
        await response.drain()
        await response.prepare(request)
        await response.write_eof(b"done")
        await response.drain()
        return response

    client = await serve_one(serve, handle)
    assert (await client.get("/")).text == "done"


@pytest.fixture(autouse=True)
def fail_on_lost_coroutines(recwarn: pytest.WarningsRecorder) -> Iterator[None]:
    """A coroutine that nobody awaits is a message that nobody gets."""
    yield
    assert not [warning for warning in recwarn if "never awaited" in str(warning.message)]


def test_the_names_are_those_of_compat() -> None:
    assert (compat.StreamResponse, compat.Response, compat.WebSocketResponse) == (
        StreamResponse,
        Response,
        WebSocketResponse,
    )
