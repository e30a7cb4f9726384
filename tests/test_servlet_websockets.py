"""WebSocket handlers of a service: asked first, served by webkit's own, gone when they are unregistered."""

import asyncio
from typing import Any

import pytest
from aiohttp import ClientSession, WSMsgType

from tests.rawsockets import connect
from tests.serving import PATIENCE_S, Client, Serve
from tests.servleting import serve_service
from webkit.servlets import AsyncRequest, ServletService, ServletType, WebSocketAdapter
from webkit.websocket_options import WebSocketOptions


class Handler:
    """Notes what it is told; an echo."""

    accepts: Any = True

    def __init__(self) -> None:
        self.told: list[tuple[Any, ...]] = []
        self.over = asyncio.Event()

    async def ws_accept(self, request: AsyncRequest) -> Any:
        self.told.append(("accept", request.get_sub_path()))
        if isinstance(self.accepts, Exception):
            raise self.accepts
        return self.accepts

    async def ws_open(self, session: Any, request: AsyncRequest) -> None:
        self.told.append(("open", request.get_path(), session.get_client_address()[0]))

    async def ws_message(self, session: Any, text: str) -> None:
        self.told.append(("message", text))
        if text == "crash":
            raise ValueError("as told")
        if text == "close":
            await session.close(4001, "why")
            return
        await session.send_text(f"Echo: {text}")

    async def ws_binary(self, session: Any, data: bytes) -> None:
        await session.send_binary(data)

    async def ws_close(self, session: Any, code: int, reason: str) -> None:
        self.told.append(("close", code, reason))
        with pytest.raises(OSError, match="clos"):
            await session.send_text("late")
        await session.close()
        self.over.set()

    async def ws_error(self, session: Any, error: Any) -> None:
        self.told.append(("error", error))


async def serve_handler(serve: Serve, handler: Any, **options: Any) -> Client:
    """Serve *handler* at ``/plugins/ws``."""
    service = ServletService(**options)
    service.register_servlet("/ws", handler, None, ServletType.WEBSOCKET)
    return await serve_service(serve, service)


async def test_a_handler_is_told_what_happens(serve: Serve) -> None:
    """IP-110, IP-112 to IP-114, IP-117 to IP-119, IP-123: sub paths come here too, and messages one after the other."""
    handler = Handler()
    client = await serve_handler(serve, handler)
    async with asyncio.timeout(PATIENCE_S):
        async with client.session.ws_connect(client.url / "plugins/ws/sub") as ws:
            await ws.send_str("one")
            await ws.send_str("two")
            assert [(await ws.receive()).data for _ in range(2)] == ["Echo: one", "Echo: two"]
            await ws.send_bytes(b"\x00\xff")
            assert (await ws.receive()).data == b"\x00\xff"
            await ws.close(code=4000, message=b"bye")
        await handler.over.wait()
    assert handler.told == [
        ("accept", "/sub"),
        ("open", "/plugins/ws/sub", "127.0.0.1"),
        ("message", "one"),
        ("message", "two"),
        ("close", 4000, "bye"),
    ]


async def test_pings_are_answered_without_the_handler(serve: Serve) -> None:
    """IP-116."""
    handler = Handler()
    client = await serve_handler(serve, handler)
    async with asyncio.timeout(PATIENCE_S), client.session.ws_connect(client.url / "plugins/ws", autoping=False) as ws:
        await ws.ping(b"there?")
        message = await ws.receive()
        assert (message.type, message.data) == (WSMsgType.PONG, b"there?")
    assert [name for name, *_ in handler.told][:2] == ["accept", "open"]
    assert "message" not in [name for name, *_ in handler.told]


async def test_a_session_may_be_closed_by_the_handler(serve: Serve) -> None:
    """IP-118: the client sees the code and the reason."""
    handler = Handler()
    client = await serve_handler(serve, handler)
    async with asyncio.timeout(PATIENCE_S), client.session.ws_connect(client.url / "plugins/ws") as ws:
        await ws.send_str("close")
        message = await ws.receive()
        assert (message.type, ws.close_code, message.extra) == (WSMsgType.CLOSE, 4001, "why")
        await handler.over.wait()


async def test_a_crash_is_told_in_words_and_closes_with_1011(serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    """IP-115: iPOPO closes with 1000, as if all were well."""
    handler = Handler()
    client = await serve_handler(serve, handler)
    async with asyncio.timeout(PATIENCE_S), client.session.ws_connect(client.url / "plugins/ws") as ws:
        await ws.send_str("crash")
        await ws.receive()
        assert ws.close_code == 1011
        await handler.over.wait()
    assert handler.told[-2:] == [("error", "as told"), ("close", 1011, "")]
    assert "ValueError: as told" in caplog.text


async def test_a_message_that_is_too_large_is_told_in_words(serve: Serve) -> None:
    """IP-115, IP-120: how large one may be is an option, of the handler or of the service."""
    handler = Handler()
    client = await serve_handler(serve, handler, websockets=WebSocketOptions(max_message_bytes=100))
    async with asyncio.timeout(PATIENCE_S), client.session.ws_connect(client.url / "plugins/ws") as ws:
        await ws.send_str("x" * 101)
        await ws.receive()
        assert ws.close_code == 1009
        await handler.over.wait()
    assert [name for name, *_ in handler.told] == ["accept", "open", "error", "close"]
    assert isinstance(handler.told[2][1], str)


@pytest.mark.parametrize("answer", [False, None, 0])
async def test_a_handler_that_does_not_accept_refuses_with_400(serve: Serve, answer: Any) -> None:
    """IP-111: the service's own refusal; asked before anybody looks at the handshake, so by plain requests too."""
    handler = Handler()
    handler.accepts = answer
    client = await serve_handler(serve, handler)
    async with connect(client.url) as connection:
        refused = await connection.shake("/plugins/ws")
    assert (refused.status, refused.body) == (400, "WebSocket connection refused")
    plain = await client.post("/plugins/ws")
    assert (plain.status, plain.text) == (400, "WebSocket connection refused")
    assert plain.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert [name for name, *_ in handler.told] == ["accept", "accept"]


async def test_a_handler_that_fails_to_accept_is_a_500(serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    """IP-111."""
    handler = Handler()
    handler.accepts = ValueError("not today")
    client = await serve_handler(serve, handler)
    answer = await client.get("/plugins/ws")
    assert answer.status == 500
    assert "Error ID" in answer.text
    assert "not today" in caplog.text


async def test_what_is_no_handshake_is_refused_after_it_was_accepted(serve: Serve) -> None:
    """IP-111: 400, and 426 for another version of the protocol."""
    client = await serve_handler(serve, Handler())
    assert (await client.get("/plugins/ws")).status == 400
    async with connect(client.url) as connection:
        assert (await connection.shake("/plugins/ws", Sec_WebSocket_Version="12")).status == 426


@pytest.mark.parametrize("of_handler", [True, False])
async def test_pages_of_other_sites_may_connect_only_where_they_are_listed(serve: Serve, of_handler: bool) -> None:
    """IP-120: the options of the handler, else those of the service. iPOPO lets everybody in."""
    handler: Any = Handler()
    client = await serve_handler(serve, handler)
    async with connect(client.url) as connection:
        assert (await connection.shake("/plugins/ws", Origin="https://else.example")).status == 403
    options = WebSocketOptions(origins="*")
    if of_handler:
        handler.options = options
        client = await serve_handler(serve, handler, websockets=WebSocketOptions())
    else:
        client = await serve_handler(serve, handler, websockets=options)
    async with connect(client.url) as connection:
        assert (await connection.shake("/plugins/ws", Origin="https://else.example")).status == 101


async def test_what_lacks_one_of_the_six_methods_is_not_found(serve: Serve) -> None:
    """IP-054."""
    handler: Any = Handler()
    handler.ws_error = None
    client = await serve_handler(serve, handler)
    assert (await client.get("/plugins/ws")).status == 404


async def test_what_stands_between_a_session_and_its_handler_can_be_changed(serve: Serve) -> None:
    """IP-114: for handlers that expect what iPOPO says."""

    class Adapter(WebSocketAdapter):
        async def ws_close(self, session: Any, code: int, reason: str) -> None:
            await super().ws_close(session, code, "Session closed")

    handler, service = Handler(), ServletService()
    service.calls.websocket_adapter = Adapter
    service.register_servlet("/ws", handler, None, ServletType.WEBSOCKET)
    client = await serve_service(serve, service)
    async with asyncio.timeout(PATIENCE_S):
        async with client.session.ws_connect(client.url / "plugins/ws") as ws:
            await ws.close()
        await handler.over.wait()
    assert handler.told[-1] == ("close", 1000, "Session closed")


async def test_a_session_goes_on_when_its_handler_is_unregistered(serve: Serve) -> None:
    """IP-063: what has begun finishes on its servlet, and nobody new is let in."""
    handler, service = Handler(), ServletService()
    service.register_servlet("/ws", handler, None, ServletType.WEBSOCKET)
    client = await serve_service(serve, service)
    async with asyncio.timeout(PATIENCE_S), client.session.ws_connect(client.url / "plugins/ws") as ws:
        await ws.send_str("one")
        await ws.receive()
        assert service.unregister("/ws")
        assert (await client.get("/plugins/ws")).status == 404
        await ws.send_str("two")
        assert (await ws.receive()).data == "Echo: two"


@pytest.mark.parametrize("in_thread", [False, True])
async def test_draining_closes_sessions_with_1001(serve: Serve, in_thread: bool) -> None:
    handler, service = Handler(), ServletService()
    service.register_servlet("/ws", handler, None, ServletType.WEBSOCKET)
    client = await serve_service(serve, service)
    async with asyncio.timeout(PATIENCE_S), client.session.ws_connect(client.url / "plugins/ws") as ws:
        await ws.send_str("one")
        await ws.receive()
        if in_thread:
            draining = asyncio.create_task(asyncio.to_thread(service.drain_threadsafe, "/ws"))
        else:
            draining = asyncio.create_task(service.drain("/ws"))
        await ws.receive()
        assert ws.close_code == 1001
        assert await draining
        assert handler.told[-1][:2] == ("close", 1001)


async def test_draining_closes_a_session_that_was_just_about_to_begin(serve: Serve) -> None:
    began, release = asyncio.Event(), asyncio.Event()

    class Slow(Handler):
        async def ws_accept(self, request: AsyncRequest) -> Any:
            began.set()
            await release.wait()
            return True

    service = ServletService()
    service.register_servlet("/ws", Slow(), None, ServletType.WEBSOCKET)
    client = await serve_service(serve, service)
    async with asyncio.timeout(PATIENCE_S):
        connecting = asyncio.create_task(client.session.ws_connect(client.url / "plugins/ws"))
        await began.wait()
        draining = asyncio.create_task(service.drain("/ws"))
        await asyncio.sleep(0)
        release.set()
        ws = await connecting
        await ws.receive()
        assert ws.close_code == 1001
        assert await draining


async def test_a_server_that_stops_closes_sessions_with_1001() -> None:
    """IP-122: at once. iPOPO sends nothing, and takes its time."""
    handler, service = Handler(), ServletService()
    service.register_servlet("/ws", handler, None, ServletType.WEBSOCKET)
    await service.start("127.0.0.1", 0)
    host, port = service.get_access()
    async with asyncio.timeout(PATIENCE_S):
        async with ClientSession() as session, session.ws_connect(f"http://{host}:{port}/ws") as ws:
            await ws.send_str("one")
            await ws.receive()
            stopping = asyncio.create_task(service.stop())
            await ws.receive()
            assert ws.close_code == 1001
        await stopping
        await handler.over.wait()
    assert handler.told[-1][:2] == ("close", 1001)
