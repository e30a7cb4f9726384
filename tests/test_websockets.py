"""WebSockets: who may connect, what is refused before the handshake, and how they end."""

import asyncio
import inspect
import shutil
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import ClientSession, WSMsgType, web
from hypothesis import given
from hypothesis import strategies as st
from yarl import URL

import webkit
from tests.rawsockets import BINARY, CLOSE, PING, TEXT, connect
from tests.serving import Running, Serve
from tests.test_tls import make_certificate
from webkit import Application, ConfigError, Server, ServerConfig, WebSocketResponse, compat, oldresponses, streams
from webkit.websockets import ForeignOrigin, check_closing, is_welcome, may_be_sent

KINDS: dict[str, Callable[..., web.WebSocketResponse]] = {
    "webkit": WebSocketResponse,
    "compat": compat.WebSocketResponse,
    "aiohttp": web.WebSocketResponse,
}


def make_app(seen: list[Any] | None = None, **options: Any) -> Application:
    """An application with an echo at ``/``, which notes messages and its end."""
    seen = [] if seen is None else seen

    async def echo(request: web.Request) -> web.StreamResponse:
        ws = WebSocketResponse(**options)
        await ws.prepare(request)
        async for message in ws:
            seen.append((message.type, message.data))
            if message.type is WSMsgType.TEXT:
                await ws.send_str(f"{message.data}/answer")
        seen.append(ws.close_code)
        return ws

    app = Application()
    app.add_get("/", echo)
    return app


# Who may connect

OWN = "http://example.org:8080"

ORIGINS: list[tuple[list[str], bool]] = [
    ([], True),
    (["http://example.org:8080"], True),
    (["HTTP://Example.ORG:8080"], True),
    (["http://example.org"], False),
    (["https://example.org:8080"], False),
    (["http://example.org:8081"], False),
    (["http://www.example.org:8080"], False),
    (["http://example.org.evil.example:8080"], False),
    (["http://evil.example/http://example.org:8080"], False),
    (["http://example.org:8080/"], False),
    (["http://example.org:8080@evil.example"], False),
    (["http://evil.example@example.org:8080"], False),
    (["http://example.org:8080 http://evil.example"], False),
    (["http://example.org:8080", "http://evil.example"], False),
    (["http://example.org:8080", "http://example.org:8080"], False),
    (["null"], False),
    ([""], False),
    (["example.org:8080"], False),
    (["file://"], False),
]


@pytest.mark.parametrize(("sent", "welcome"), ORIGINS)
def test_a_page_of_the_same_scheme_host_and_port_is_welcome(sent: list[str], welcome: bool) -> None:
    assert is_welcome(sent, OWN, None) is welcome


@pytest.mark.parametrize(
    ("origin", "own", "welcome"),
    [
        ("http://example.org:80", "http://example.org", True),
        ("https://example.org", "https://example.org:443", True),
        ("https://example.org:80", "https://example.org", False),
        ("http://[2001:db8::1]:8080", "http://[2001:DB8::1]:8080", True),
        ("http://[2001:db8::1]", "http://[2001:db8::2]", False),
        ("http://a b", "http://a b", False),
        ("null", "http://", False),
        ("http://", "http://", False),
    ],
)
def test_the_port_of_a_scheme_need_not_be_said(origin: str, own: str, welcome: bool) -> None:
    assert is_welcome([origin], own, None) is welcome


SITES = st.builds(
    lambda scheme, host, port: f"{scheme}://{host}{port}",
    st.sampled_from(["http", "https"]),
    st.sampled_from(["a.example", "b.example", "a.example.evil", "127.0.0.1", "[::1]"]),
    st.sampled_from(["", ":80", ":443", ":8080"]),
)


@given(origin=SITES, own=SITES)
def test_origins_are_the_same_where_yarl_finds_them_the_same(origin: str, own: str) -> None:
    theirs, ours = URL(origin), URL(own)
    are_same = (theirs.scheme, theirs.host, theirs.port) == (ours.scheme, ours.host, ours.port)
    assert is_welcome([origin], own, None) is are_same


async def test_a_foreign_page_is_refused_before_the_handshake(serve: Serve) -> None:
    client = await serve(make_app())
    async with connect(client.url) as connection:
        answer = await connection.shake(Origin="http://evil.example")
        assert answer.status == 403
        assert "Pages of 'http://evil.example' may not connect to http://example.org." in answer.body
        assert "sec-websocket-accept" not in answer.headers
        # The connection goes on: nothing has been upgraded.
        assert (await connection.shake(Origin="http://example.org")).status == 101


async def test_a_header_in_two_lines_is_read_as_a_whole(serve: Serve) -> None:
    client = await serve(make_app())
    async with connect(client.url) as connection:
        answer = await connection.shake(Connection="keep-alive", more="Connection: Upgrade\r\n")
        assert answer.status == 101


async def test_what_a_proxy_says_is_not_believed(serve: Serve) -> None:
    client = await serve(make_app())
    said = "X-Forwarded-Host: evil.example\r\nX-Forwarded-Proto: https\r\nForwarded: host=evil.example;proto=https\r\n"
    async with connect(client.url) as connection:
        for origin in ("http://evil.example", "https://evil.example", "https://example.org"):
            assert (await connection.shake(Origin=origin, more=said)).status == 403


async def test_a_browser_of_ones_own_site_and_a_program_connect(serve: Serve) -> None:
    client = await serve(make_app())
    for headers in ({}, {"Origin": str(client.url.origin())}):
        async with client.session.ws_connect(client.url, headers=headers) as ws:
            await ws.send_str("hello")
            assert (await ws.receive()).data == "hello/answer"


async def test_listed_origins_may_connect_and_no_others(serve: Serve) -> None:
    client = await serve(make_app(origins=("https://app.example.org", "capacitor://localhost")))
    async with connect(client.url) as connection:
        for origin in ("http://example.org", "http://app.example.org", "https://app.example.org:8443", "null"):
            assert (await connection.shake(Origin=origin)).status == 403
        assert (await connection.shake(Origin="capacitor://localhost")).status == 101
    async with client.session.ws_connect(client.url, headers={"Origin": "https://app.example.org:443"}) as ws:
        await ws.close()


@pytest.mark.parametrize("origins", ["*", ("*",)])
async def test_a_star_lets_every_page_in(serve: Serve, origins: Any) -> None:
    client = await serve(make_app(origins=origins))
    for origin in ("https://evil.example", "null"):
        async with connect(client.url) as connection:
            assert (await connection.shake(Origin=origin)).status == 101


@pytest.mark.parametrize("wrong", ["app.example.org", "https://app.example.org/", "null", "https://*.example.org/*"])
def test_what_is_no_origin_cannot_be_listed(wrong: str) -> None:
    for origins in (wrong, ["https://example.org", wrong]):
        with pytest.raises(ConfigError, match=r"is no origin\. Write WebSocketResponse\(origins=\["):
            WebSocketResponse(origins=origins)
    with pytest.raises(ConfigError, match="origins='\\*' for all"):
        WebSocketResponse(origins=[])


async def test_over_tls_a_page_has_to_have_come_over_tls(certificate: Path) -> None:
    server = Server(make_app(), ServerConfig(host="127.0.0.1", port=0, tls_cert=certificate))
    await server.start()
    try:
        trusting = ssl.create_default_context(cafile=certificate)
        async with ClientSession() as session:
            async with session.ws_connect(server.urls[0], headers={"Origin": server.urls[0]}, ssl=trusting) as ws:
                await ws.close()
            plain = server.urls[0].replace("https", "http")
            with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
                await session.ws_connect(server.urls[0], headers={"Origin": plain}, ssl=trusting)
            assert caught.value.status == 403
    finally:
        await server.stop()


# What is refused before the handshake


async def test_a_refusal_passes_middlewares_and_error_handlers_and_has_a_page(serve: Serve) -> None:
    seen: list[Exception] = []

    async def note(request: web.Request, handler: Any) -> web.StreamResponse:
        try:
            answer: web.StreamResponse = await handler(request)
            return answer
        except web.HTTPForbidden as error:
            seen.append(error)
            raise

    app = make_app()
    app.middlewares.append(note)
    client = await serve(app)
    async with connect(client.url) as connection:
        page = await connection.shake(Origin="http://evil.example", Accept="text/html")
        assert page.headers["content-type"] == "text/html; charset=utf-8"
        assert "<h1>Forbidden</h1>" in page.body
        problem = await connection.shake(Origin="http://evil.example", Accept="application/json")
        assert problem.headers["content-type"] == "application/problem+json"
    assert [type(error) for error in seen] == [ForeignOrigin, ForeignOrigin]


@pytest.mark.parametrize("version", [None, "", "12", "8", "7", "14", "013", "13, 8", "dreizehn"])
async def test_a_wrong_version_is_answered_with_426_and_the_right_one(serve: Serve, version: str | None) -> None:
    client = await serve(make_app())
    async with connect(client.url) as connection:
        answer = await connection.shake(Sec_WebSocket_Version=version)
        assert answer.status == 426
        assert answer.headers["sec-websocket-version"] == "13"
        assert answer.headers["upgrade"] == "websocket"
        assert answer.headers["connection"].lower() == "upgrade"
        assert (await connection.shake()).status == 101


NO_HANDSHAKES: list[tuple[dict[str, Any], str]] = [
    ({"Upgrade": None, "Connection": None}, "This address speaks WebSocket only"),
    ({"Upgrade": "h2c"}, "This address speaks WebSocket only"),
    ({"Connection": "keep-alive"}, "A WebSocket begins with 'Connection: Upgrade'"),
    ({"Connection": None}, "A WebSocket begins with 'Connection: Upgrade'"),
    ({"start": "GET {} HTTP/1.0", "Connection": "Upgrade, keep-alive"}, "This address speaks WebSocket only"),
    ({"start": "POST {} HTTP/1.1"}, "begins with GET, not with POST"),
    ({"Sec_WebSocket_Key": None}, "Sec-WebSocket-Key"),
    ({"Sec_WebSocket_Key": ""}, "Sec-WebSocket-Key"),
    ({"Sec_WebSocket_Key": "c2hvcnQ="}, "Sec-WebSocket-Key"),
    ({"Sec_WebSocket_Key": "dGhlIHNhbXBsZSBub25jZQ"}, "Sec-WebSocket-Key"),
    ({"Sec_WebSocket_Key": "é" * 24}, "Sec-WebSocket-Key"),
    ({"more": "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"}, "Sec-WebSocket-Key"),
]


@pytest.mark.parametrize(("changes", "words"), NO_HANDSHAKES)
async def test_what_is_no_handshake_is_a_bad_request_that_says_why(
    serve: Serve, changes: dict[str, Any], words: str
) -> None:
    """AW-073."""
    app = make_app()
    app.add_post("/", next(iter(app.router.routes())).handler)
    client = await serve(app)
    async with connect(client.url) as connection:
        answer = await connection.shake(**changes)
    assert (answer.status, words in answer.body) == (400, True)


async def test_whether_a_handshake_would_be_answered_can_be_asked(serve: Serve) -> None:
    async def choose(request: web.Request) -> Any:
        ready = WebSocketResponse(protocols=["chat"]).can_prepare(request)
        return [ready.ok, ready.protocol]

    app = Application()
    app.add_get("/", choose)
    client = await serve(app)
    async with connect(client.url) as connection:
        assert (await connection.shake(Sec_WebSocket_Protocol="chess, chat")).body == '[true,"chat"]'
        assert (await connection.shake(Origin="http://evil.example")).body == "[false,null]"
        assert (await connection.shake(Sec_WebSocket_Version="8")).body == "[false,null]"
        assert (await connection.shake(Upgrade=None, Connection=None)).body == "[false,null]"


async def test_the_first_subprotocol_that_both_speak_is_chosen(serve: Serve) -> None:
    """AW-073."""
    client = await serve(make_app(protocols=["chat", "news"]))
    async with client.session.ws_connect(client.url, protocols=["chess", "news", "chat"]) as ws:
        assert ws.protocol == "news"


# What may be received


async def test_a_message_of_four_mebibytes_closes_with_1009(serve: Serve) -> None:
    seen: list[Any] = []
    client = await serve(make_app(seen))
    async with connect(client.url) as connection:
        await connection.shake()
        connection.send_frame(BINARY, bytes(4 * 2**20 - 1))
        connection.send_frame(TEXT, b"after it")
        assert await connection.read_frame() == (TEXT, b"after it/answer")
        connection.send_frame(BINARY, bytes(4 * 2**20))
        assert (await connection.read_close())[0] == 1009
    assert [kind for kind, _ in seen[:3]] == [WSMsgType.BINARY, WSMsgType.TEXT, WSMsgType.ERROR]


async def test_a_client_that_answers_no_ping_is_closed(serve: Serve) -> None:
    seen: list[Any] = []
    client = await serve(make_app(seen, heartbeat=0.2))
    async with connect(client.url) as connection:
        await connection.shake()
        assert await connection.read_frame() == (PING, b"")
        async with asyncio.timeout(10):
            assert await connection.reader.read() == b""
    ((kind, error), code) = seen
    assert (kind, code) == (WSMsgType.ERROR, 1006)
    assert "No PONG received" in str(error)


def test_clients_are_asked_every_25_seconds_unless_it_is_said_otherwise() -> None:
    parameters = inspect.signature(WebSocketResponse).parameters
    assert (parameters["heartbeat"].default, parameters["max_msg_size"].default) == (25.0, 4 * 2**20)


async def test_tasks_send_while_the_handler_receives_and_only_one_may_receive(serve: Serve) -> None:
    """AW-080."""
    refused: list[BaseException] = []

    async def send(ws: WebSocketResponse) -> None:
        for number in range(3):
            await ws.send_str(str(number))
        try:
            await ws.receive()
        except RuntimeError as error:
            refused.append(error)
        await ws.send_str("sent")

    async def handle(request: web.Request) -> web.StreamResponse:
        ws = WebSocketResponse()
        await ws.prepare(request)
        task = asyncio.create_task(send(ws))
        async for _ in ws:
            pass
        await task
        return ws

    app = Application()
    app.add_get("/", handle)
    client = await serve(app)
    async with client.session.ws_connect(client.url) as ws:
        assert [(await ws.receive()).data for _ in range(4)] == ["0", "1", "2", "sent"]
    (error,) = refused
    assert "Concurrent call to receive() is not allowed" in str(error)


# How they end


@pytest.mark.parametrize("code", [1000, 1001, 1002, 1003, *range(1007, 1015), 3000, 4000, 4999])
def test_these_codes_may_be_sent(code: int) -> None:
    assert may_be_sent(code)
    check_closing(code, "é" * 61)


@pytest.mark.parametrize("code", [-1, 0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65536])
async def test_a_reserved_code_is_refused_with_those_that_may_be_sent(code: int) -> None:
    with pytest.raises(ValueError, match=rf"{code} is no code to close with.*1000-1003 and 1007-1014.*3000 to 4999"):
        await WebSocketResponse().close(code=code)


@pytest.mark.parametrize(
    ("message", "words"),
    [("é" * 62, "at most 123 bytes, not 124"), (b"x" * 124, "not 124"), (b"\xff", "UTF-8"), ("\ud800", "UTF-8")],
)
async def test_a_reason_that_does_not_fit_a_frame_is_refused(message: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        await WebSocketResponse().close(message=message)


@pytest.mark.parametrize("message", ["adieu", b"adieu"])
async def test_a_handler_closes_with_a_code_and_a_reason(serve: Serve, message: Any) -> None:
    """AW-077."""
    closed: asyncio.Future[list[bool]] = asyncio.get_running_loop().create_future()

    async def handle(request: web.Request) -> web.StreamResponse:
        ws = WebSocketResponse()
        await ws.prepare(request)
        closed.set_result([await ws.close(code=4001, message=message), await ws.close()])
        return ws

    app = Application()
    app.add_get("/", handle)
    client = await serve(app)
    async with client.session.ws_connect(client.url) as ws:
        received = await ws.receive()
        assert (received.type, received.data, received.extra) == (WSMsgType.CLOSE, 4001, "adieu")
    assert await closed == [True, False]


@pytest.mark.parametrize("code", [1000, 1001, 1011, 3000, 4999])
async def test_a_client_closes_with_an_allowed_code(serve: Serve, code: int) -> None:
    seen: list[Any] = []
    client = await serve(make_app(seen))
    async with connect(client.url) as connection:
        await connection.shake()
        connection.send_close(code, "adieu")
        assert (await connection.read_close())[0] == 1000
    assert seen == [code]


async def test_a_client_closes_without_a_code(serve: Serve) -> None:
    seen: list[Any] = []
    client = await serve(make_app(seen))
    async with connect(client.url) as connection:
        await connection.shake()
        connection.send_frame(CLOSE)
        assert (await connection.read_close())[0] == 1000
    assert seen == [0]


@pytest.mark.parametrize("kind", ["webkit", "compat"])
@pytest.mark.parametrize("code", [0, 999, 1004, 1005, 1006, 1015, 2999, 5000, 65535])
async def test_a_client_that_closes_with_a_code_that_means_nothing_is_told_1002(
    serve: Serve, kind: str, code: int
) -> None:
    """AW-078."""
    seen: list[Any] = []

    async def handle(request: web.Request) -> web.StreamResponse:
        ws = KINDS[kind]()
        await ws.prepare(request)
        seen.extend([message async for message in ws])
        assert seen[0].data is ws.exception()
        return ws

    app = Application()
    app.add_get("/", handle)
    client = await serve(app)
    async with connect(client.url) as connection:
        await connection.shake()
        connection.send_close(code)
        assert (await connection.read_close())[0] == 1002
    ((message_type, error, _),) = seen
    assert (message_type, error.code, str(error)) == (WSMsgType.ERROR, 1002, f"Invalid close code: {code}")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("is_receiving", [True, False], ids=["receiving", "only sending"])
async def test_a_server_that_stops_closes_with_1001(running: Running, kind: str, is_receiving: bool) -> None:
    async def handle(request: web.Request) -> web.StreamResponse:
        ws = KINDS[kind]()
        await ws.prepare(request)
        if not is_receiving:
            await asyncio.Event().wait()
        async for _ in ws:
            pass
        return ws

    app = Application()
    app.add_get("/", handle)
    async with ClientSession() as session:
        async with running(app) as client:
            sockets = [await session.ws_connect(client.url) for _ in range(3)]
            ends = [asyncio.create_task(ws.receive()) for ws in sockets]
        for end in ends:
            message = await end
            assert (message.type, message.data, message.extra) == (WSMsgType.CLOSE, 1001, "Server shutdown")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("way", ["no pong", "close"])
async def test_a_client_that_reads_nothing_does_not_hold_a_handler_that_sends(
    serve: Serve, kind: str, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "_SWEEP_S", 0.2)
    monkeypatch.setattr(oldresponses, "_FLUSH_S", 0.2)
    ended: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def handle(request: web.Request) -> web.StreamResponse:
        ws = KINDS[kind](heartbeat=0.2 if way == "no pong" else None)
        await ws.prepare(request)
        try:
            # More than all buffers on the way hold: it has to wait, for ever if nobody helps.
            while way == "no pong" or request.transport.get_write_buffer_size() == 0:  # type: ignore[union-attr]
                sending = ws.send_bytes(bytes(2**20))
                if way == "no pong":
                    await sending
                else:
                    await asyncio.wait({asyncio.ensure_future(sending)}, timeout=0.2)
            await ws.close()
        finally:
            ended.set_result("ended")
        return ws

    app = Application()
    app.add_get("/", handle)
    client = await serve(app)
    async with connect(client.url) as connection:
        await connection.shake()
        connection.writer.transport.pause_reading()  # type: ignore[attr-defined]
        async with asyncio.timeout(20):
            assert await ended == "ended"


def test_it_is_at_the_front_door_and_in_web() -> None:
    assert webkit.WebSocketResponse is webkit.web.WebSocketResponse is WebSocketResponse
    assert issubclass(WebSocketResponse, web.WebSocketResponse)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate with its key, for 127.0.0.1."""
    if shutil.which("openssl") is None:
        pytest.skip("The program openssl is not installed: it makes the certificate.")
    certificate, key = make_certificate(
        tmp_path_factory.mktemp("tls"), "one", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"
    )
    certificate.write_text(certificate.read_text() + key.read_text())
    return certificate
