"""WebSocket handlers as routes: a class or a coroutine, where they are mounted, and what they take of the request."""

import asyncio
from collections.abc import Callable
from typing import Any

import aiohttp
import msgspec
import pytest
from aiohttp import WSMsgType, web

import webkit
from tests.rawsockets import connect
from tests.serving import Client, Serve
from tests.sockets import Noting, make_app
from webkit import (
    AbstractWebSocketHandler,
    Application,
    ConfigError,
    Cookie,
    Handler,
    Header,
    Query,
    RouteError,
    WebSocketOptions,
    WebSocketSession,
)


class Point(msgspec.Struct):
    """What a client sends."""

    x: int
    y: int = 0


async def talk(client: Client, target: str, *texts: str, **options: Any) -> list[str]:
    """Send each text, and give the answers to them."""
    async with client.session.ws_connect(str(client.url.origin()) + target, **options) as ws:
        answers = []
        for text in texts:
            await ws.send_str(text)
            answers.append(await ws.receive_str())
        return answers


async def status_of(client: Client, target: str, **options: Any) -> int:
    """Give the status with which a handshake is refused."""
    with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
        await client.session.ws_connect(str(client.url.origin()) + target, **options)
    return caught.value.status


# A class


async def test_a_mounted_handler_gets_texts_and_bytes_one_after_the_other(serve: Serve) -> None:
    """IP-110, IP-112, IP-113: the callbacks, in order."""
    handler = Noting()
    client = await serve(make_app(handler))
    async with client.session.ws_connect(client.url / "ws") as ws:
        await ws.send_str("first")
        await ws.send_bytes(b"second")
        assert (await ws.receive_str(), await ws.receive_bytes()) == ("first", b"second")
        await ws.close(code=4000, message=b"done")
    await handler.seen.until_closed()
    assert handler.seen == ["open", ("message", "first"), ("binary", b"second"), ("close", 4000, "done")]


async def test_a_handler_that_overrides_nothing_accepts_everybody_and_stays_silent(serve: Serve) -> None:
    """IP-110: the defaults."""
    client = await serve(make_app(AbstractWebSocketHandler()))
    async with client.session.ws_connect(client.url / "ws") as ws:
        await ws.send_str("hello?")
        await ws.send_bytes(b"hello?")
        assert await ws.close()
        assert ws.close_code == 1000


async def test_a_decorated_class_is_made_once_and_takes_parameters_of_the_path_by_name(serve: Serve) -> None:
    app = Application()
    made: list[Any] = []

    @app.websocket("/rooms/{room}/{seat:int}")
    class Room(AbstractWebSocketHandler):
        def __init__(self) -> None:
            made.append(self)

        async def ws_open(self, session: WebSocketSession, request: web.Request, /, room: str) -> None:
            session.state["room"] = room

        async def ws_message(self, session: WebSocketSession, text: str, /, seat: int) -> None:
            await session.send_json([session.state["room"], seat, dict(session.parameters), text])

    client = await serve(app)
    for _ in range(2):
        (answer,) = await talk(client, "/rooms/blue/7", "hi")
        assert msgspec.json.decode(answer) == ["blue", 7, {"room": "blue", "seat": 7}, "hi"]
    assert len(made) == 1
    assert isinstance(made[0], Room)
    assert await status_of(client, "/rooms/blue/seven") == 404


async def test_an_annotation_converts_a_parameter_and_what_does_not_convert_is_not_found(serve: Serve) -> None:
    app = Application()

    @app.websocket("/rooms/{number}")
    async def room(session: WebSocketSession, number: int) -> None:
        await session.send_json({"number": number + 1, "parameters": dict(session.parameters)})

    client = await serve(app)
    async with client.session.ws_connect(client.url / "rooms" / "7") as ws:
        assert await ws.receive_json() == {"number": 8, "parameters": {"number": 7}}
    assert await status_of(client, "/rooms/blue") == 404


async def test_callbacks_take_the_query_headers_and_cookies_too_and_what_does_not_fit_is_422(serve: Serve) -> None:
    app = Application()

    @app.websocket("/ws")
    class Asking(AbstractWebSocketHandler):
        async def ws_accept(self, request: web.Request, /, token: Query[str]) -> bool:
            return token == "right"

        async def ws_open(
            self, session: WebSocketSession, request: web.Request, /, page: int = 1, theme: Cookie[str] = "light"
        ) -> None:
            await session.send_json([page, theme])

        async def ws_close(
            self, session: WebSocketSession, code: int, reason: str, /, x_name: Header[str] = ""
        ) -> None:
            closed.set_result(x_name)

    closed: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    client = await serve(app)
    assert await status_of(client, "/ws") == 422
    assert await status_of(client, "/ws?token=right&page=none") == 422
    assert await status_of(client, "/ws?token=wrong") == 403
    headers = {"Cookie": "theme=dark", "X-Name": "Ada"}
    url = client.url.with_path("/ws").with_query(token="right", page=3)
    async with client.session.ws_connect(url, headers=headers) as ws:
        assert await ws.receive_json() == [3, "dark"]
    assert await closed == "Ada"


async def test_json_is_decoded_by_the_annotation_and_what_does_not_fit_closes_with_1007(serve: Serve) -> None:
    class Drawing(Noting):
        async def ws_json(self, session: WebSocketSession, value: Point) -> None:
            await session.send_json({"sum": value.x + value.y})

    handler = Drawing()
    client = await serve(make_app(handler))
    for wrong in ('{"x": 1', '{"x": "one"}', "[]", "nothing", "[" * 100_000):
        async with client.session.ws_connect(client.url / "ws") as ws:
            await ws.send_json({"x": 1, "y": 2})
            assert await ws.receive_json() == {"sum": 3}
            await ws.send_str(wrong)
            message = await ws.receive()
            assert (message.type, message.data) == (WSMsgType.CLOSE, 1007)
            assert message.extra
    await handler.seen.until_closed(5)
    assert {code for code, _ in handler.seen.closes} == {1007}
    assert len(handler.seen.errors) == 5
    assert handler.seen.count("message") == 0


async def test_the_same_handler_serves_many_sessions_each_with_its_own_state(serve: Serve) -> None:
    async def count(session: WebSocketSession, text: str) -> None:
        session.state["count"] = session.state.get("count", 0) + 1
        await session.send_text(f"{text}{session.state['count']}")

    client = await serve(make_app(Noting(message=count)))
    answers = await asyncio.gather(*(talk(client, "/ws", "a", "b", "c") for _ in range(20)))
    assert answers == [["a1", "b2", "c3"]] * 20


# A coroutine


async def test_a_coroutine_reads_with_a_loop_and_the_session_is_closed_when_it_returns(serve: Serve) -> None:
    app = Application()

    @app.websocket("/ws")
    async def echo(session: WebSocketSession, request: web.Request) -> None:
        assert session.request is request
        async for message in session:
            if message == "stop":
                break
            await (session.send_text(message) if isinstance(message, str) else session.send_binary(message))

    client = await serve(app)
    async with client.session.ws_connect(client.url / "ws") as ws:
        await ws.send_str("text")
        await ws.send_bytes(b"bytes")
        assert (await ws.receive_str(), await ws.receive_bytes()) == ("text", b"bytes")
        await ws.send_str("stop")
        message = await ws.receive()
        assert (message.type, message.data) == (WSMsgType.CLOSE, 1000)


async def test_a_coroutine_receives_json_of_a_type(serve: Serve) -> None:
    app = Application()

    @app.websocket("/ws")
    async def move(session: WebSocketSession) -> None:
        point = await session.receive_json(Point)
        await session.send_json(point.x + point.y)
        await session.send_json(await session.receive_json())
        await session.receive_json(Point)

    client = await serve(app)
    async with client.session.ws_connect(client.url / "ws") as ws:
        await ws.send_str('{"x": 3}')
        await ws.send_bytes(b'{"any": "thing"}')
        assert (await ws.receive_json(), await ws.receive_json()) == (3, {"any": "thing"})
        await ws.send_str("{}")
        message = await ws.receive()
        assert (message.data, message.extra) == (1007, "Object missing required field `x`")


async def test_a_coroutine_that_crashes_is_logged_and_closed_with_1011(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    app = Application()

    @app.websocket("/ws")
    async def broken(session: WebSocketSession) -> None:
        await session.receive()
        raise ValueError("a bug")

    client = await serve(app)
    async with client.session.ws_connect(client.url / "ws") as ws:
        await ws.send_str("go")
        assert (await ws.receive()).data == 1011
    (record,) = [record for record in caplog.records if record.levelname == "ERROR"]
    assert "in the WebSocket /ws" in record.message


async def test_a_coroutine_whose_client_leaves_ends_quietly(serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    ended: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
    app = Application()

    @app.websocket("/ws")
    async def patient(session: WebSocketSession) -> None:
        try:
            await session.receive()
        finally:
            ended.set_result(session.is_open)

    client = await serve(app)
    async with client.session.ws_connect(client.url / "ws") as ws:
        await ws.close()
    assert await ended is False
    assert not [record for record in caplog.records if record.levelname in {"ERROR", "WARNING"}]


async def test_an_object_that_is_called_is_a_coroutine_too(serve: Serve) -> None:
    class Greeter:
        async def __call__(self, session: WebSocketSession, name: str) -> None:
            await session.send_text(f"Hello, {name}")

    app = Application()
    app.add_websocket("/object/{name}", Greeter())
    app.add_websocket("/class/{name}", Greeter)
    client = await serve(app)
    for path in ("object", "class"):
        async with client.session.ws_connect(client.url / path / "Ada") as ws:
            assert await ws.receive_str() == "Hello, Ada"


# Where it is, and what is around it


async def test_an_instance_a_class_and_a_coroutine_are_added_alike_and_a_group_has_them(serve: Serve) -> None:
    async def echo(session: WebSocketSession) -> None:
        await session.send_text(str(await session.receive()))

    app = Application()
    api = app.group("/api")
    api.add_websocket("/instance", Noting(), name="instance")
    api.add_websocket("/class", Noting)
    api.websocket("/coroutine")(echo)
    client = await serve(app)
    for name in ("instance", "class", "coroutine"):
        assert await talk(client, f"/api/{name}", "hi") == ["hi"]
    assert str(app.url_for("instance")) == "/api/instance"


async def test_middlewares_run_before_the_handshake_and_their_refusal_is_a_plain_answer(serve: Serve) -> None:
    async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
        if "Authorization" not in request.headers:
            raise web.HTTPUnauthorized(headers={"WWW-Authenticate": "Bearer"})
        return await handler(request)

    handler = Noting()
    app = make_app(handler)
    app.middlewares.append(guard)
    app.websocket("/guarded", middlewares=[guard])(Noting)
    client = await serve(app)
    async with connect(client.url) as connection:
        answer = await connection.shake("/ws")
        assert (answer.status, answer.headers["www-authenticate"]) == (401, "Bearer")
        assert "upgrade" not in answer.headers
        assert (await connection.shake("/ws", Authorization="Bearer me")).status == 101
    assert await talk(client, "/guarded", "hi", headers={"Authorization": "me"}) == ["hi"]
    await handler.seen.until_closed()
    assert handler.seen.count("open") == 1


async def test_a_refused_client_gets_a_403_and_the_connection_goes_on(serve: Serve) -> None:
    """IP-111: 403 and not 400; the handler was not opened and is not closed."""
    answers = [False, None, True]

    async def choose(request: web.Request) -> Any:
        answer = answers.pop(0)
        return bool(answer)

    handler = Noting(accept=choose)
    client = await serve(make_app(handler))
    async with connect(client.url) as connection:
        for status in (403, 403, 101):
            answer = await connection.shake("/ws", Accept="application/json")
            assert answer.status == status
            if status == 403:
                assert "The WebSocket connection is refused." in answer.body
    await handler.seen.until_closed()
    assert handler.seen == ["open", ("close", 1006, "")]


async def test_what_ws_accept_raises_is_answered_as_it_is_everywhere(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    errors = [web.HTTPTooManyRequests(), ValueError("a bug")]

    async def fail(request: web.Request) -> bool:
        raise errors.pop(0)

    client = await serve(make_app(Noting(accept=fail)))
    assert await status_of(client, "/ws") == 429
    assert await status_of(client, "/ws") == 500
    assert "ValueError: a bug" in caplog.text


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"Upgrade": None, "Connection": None}, 400),
        ({"Sec_WebSocket_Key": "short"}, 400),
        ({"Sec_WebSocket_Version": "8"}, 426),
        ({"Origin": "http://evil.example"}, 403),
        ({"start": "POST {} HTTP/1.1"}, 405),
        ({"start": "HEAD {} HTTP/1.1"}, 405),
    ],
)
async def test_what_is_no_good_handshake_is_refused_before_anybody_is_asked(
    serve: Serve, changes: dict[str, Any], status: int
) -> None:
    """IP-111: 426 names the version that is spoken."""
    handler = Noting(accept=None)
    client = await serve(make_app(handler))
    async with connect(client.url) as connection:
        if "HEAD" in changes.get("start", ""):
            connection.writer.write(b"HEAD /ws HTTP/1.1\r\nHost: example.org\r\n\r\n")
            assert (await connection.reader.readline()).split()[1] == b"405"
            return
        answer = await connection.shake("/ws", **changes)
    assert answer.status == status
    assert answer.headers.get("sec-websocket-version") == ("13" if status == 426 else None)
    assert not handler.seen


async def test_options_are_those_of_the_handler_unless_the_route_says_otherwise(serve: Serve) -> None:
    """IP-120: subprotocols, origins, sizes, compression."""
    strict: dict[str, Any] = {"subprotocols": ["chat", "news"], "max_message_bytes": 10}
    loose = WebSocketOptions(origins="*", compress=True)
    app = make_app(Noting().held(**strict))
    app.add_websocket("/loose", Noting().held(**strict), options=loose)
    client = await serve(app)
    headers = {"Origin": "https://elsewhere.example"}
    assert await status_of(client, "/ws", headers=headers) == 403
    async with client.session.ws_connect(client.url / "ws", protocols=["news", "chat"], compress=15) as ws:
        assert (ws.protocol, ws.compress) == ("news", 0)
        await ws.send_str("0123456789")
        assert (await ws.receive()).data == 1009
    async with client.session.ws_connect(client.url / "loose", headers=headers, compress=15) as ws:
        assert ws.compress == 15
        await ws.send_str("0123456789" * 1000)
        assert await ws.receive_str() == "0123456789" * 1000


async def test_a_handler_may_be_mounted_in_an_application_that_is_mounted(serve: Serve) -> None:
    inner = make_app(Noting())
    app = Application()
    app.mount("/inner", inner)
    client = await serve(app)
    assert await talk(client, "/inner/ws", "hi") == ["hi"]
    assert (await client.get("/inner/ws/below")).status == 404


async def test_a_handler_may_be_the_whole_site(serve: Serve) -> None:
    client = await serve(make_app(Noting(), "/"))
    assert await talk(client, "/", "hi") == ["hi"]


# What is refused when the route is added


async def test_an_object_without_the_callbacks_is_no_handler() -> None:
    for wrong in (object(), 7, "handler", lambda session: None):
        with pytest.raises(RouteError, match="handles no WebSockets: it has no ws_accept"):
            Application().add_websocket("/ws", wrong)


async def test_a_duck_is_a_handler(serve: Serve) -> None:
    class Duck:
        async def ws_accept(self, request: web.Request) -> bool:
            return True

        async def ws_open(self, session: WebSocketSession, request: web.Request) -> None:
            await session.send_text("quack")

        ws_message = ws_binary = ws_error = ws_open

        async def ws_close(self, session: WebSocketSession, code: int, reason: str) -> None: ...

    app = Application()
    app.add_websocket("/ws", Duck())
    client = await serve(app)
    async with client.session.ws_connect(client.url / "ws") as ws:
        assert await ws.receive_str() == "quack"


def handler_with(**callbacks: Callable[..., Any]) -> type[AbstractWebSocketHandler]:
    """A class of a handler with other callbacks."""
    return type("Wrong", (AbstractWebSocketHandler,), dict(callbacks))


async def too_few(self: Any, session: Any) -> None: ...
def plain(self: Any, session: Any, text: str) -> None: ...
async def generator(self: Any, session: Any, text: str) -> Any:
    yield text


async def by_position(self: Any, session: Any, text: str, room: str, /) -> None: ...
async def unresolved(self: Any, session: Any, text: str, room: "Nowhere") -> None: ...  # type: ignore[name-defined] # noqa: F821
async def unknown(self: Any, session: Any, text: str, rom: str) -> None: ...
async def number(self: Any, session: Any, text: str, room: int) -> None: ...
async def word(self: Any, session: Any, text: str, room: str) -> None: ...
async def socket_value(self: Any, session: Any, value: asyncio.Task[Any]) -> None: ...
async def no_value(self: Any, session: Any) -> None: ...


@pytest.mark.parametrize(
    ("callbacks", "words"),
    [
        ({"ws_message": too_few}, r"too_few is called with \(session, text\), which it does not take"),
        ({"ws_message": plain}, "plain must be a coroutine function without 'yield'"),
        ({"ws_message": generator}, "generator must be a coroutine function without 'yield'"),
        ({"ws_message": by_position}, "'room' of .*by_position is passed by its name. Drop the '/'"),
        ({"ws_message": unresolved}, "The annotation 'Nowhere' of 'room' of .*unresolved cannot be resolved"),
        ({"ws_message": number, "ws_open": word}, "'room' is annotated as .* and .*: make them agree"),
        ({"ws_json": socket_value}, "socket_value takes .*, which cannot be made of JSON"),
        ({"ws_json": no_value}, r"no_value is 'async def ws_json\(self, session, value: Type\)'"),
    ],
)
async def test_a_callback_that_could_not_be_called_is_refused(callbacks: dict[str, Any], words: str) -> None:
    with pytest.raises(RouteError, match=words):
        Application().websocket("/ws/{room}")(handler_with(**callbacks))


async def test_a_parameter_that_nobody_fills_names_the_handler() -> None:
    async def chat(session: WebSocketSession, rom: Any) -> None: ...

    with pytest.raises(RouteError, match=r"'rom' of .*chat: .* Did you mean 'room'"):
        Application().add_websocket("/ws/{room}", chat)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"origins": "example.org"}, "is no origin"),
        ({"when_slow": "wait"}, "'wait' is no policy"),
        ({"queue_messages": 0}, "leaves room for none"),
        ({"queue_bytes": 0}, "queue_bytes=0: at least 1"),
        ({"max_message_bytes": -1}, "max_message_bytes=-1: at least 1"),
        ({"heartbeat_s": 0}, "heartbeat_s=0: seconds above 0"),
        ({"subprotocols": "chat"}, r"write \['chat'\]"),
    ],
)
def test_an_option_that_cannot_mean_anything_is_refused(options: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        WebSocketOptions(**options)


def test_the_safe_values_are_the_ones_nobody_has_to_say() -> None:
    options = WebSocketOptions()
    assert (options.heartbeat_s, options.max_message_bytes, options.origins) == (25.0, 4 * 2**20, None)
    assert (options.compress, options.when_slow) == (False, "close")


async def test_a_route_is_named_after_its_handler() -> None:
    app = make_app(Noting())
    (route,) = app.router.routes()
    assert route.origin == "tests.sockets.Noting"  # type: ignore[attr-defined]


def test_the_names_are_at_the_front_door() -> None:
    assert webkit.websockets.AbstractWebSocketHandler is webkit.AbstractWebSocketHandler
    assert webkit.WebSocketSession is WebSocketSession
