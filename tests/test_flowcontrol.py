"""Flow control, AW-150 to AW-153: the options of the real socket, while a response is under way and after it."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import uvloop
from aiohttp import ClientSession, UnixConnector, web
from aiohttp.test_utils import make_mocked_request

from tests.rawsockets import connect
from tests.serving import Serve, run_by_webkit
from webkit import Application, Server, ServerConfig, compat
from webkit.errors import HTTPNotFound

pytestmark = pytest.mark.skipif(not hasattr(socket, "TCP_CORK"), reason="The socket option is read by Linux's name.")

Mode = tuple[bool, bool]
CORKED: Mode = (True, False)
UNDELAYED: Mode = (False, True)
NAGLE: Mode = (False, False)


def options_of(request: web.Request) -> Mode:
    """Whether the socket of *request* is corked, and whether it is undelayed."""
    opened = request.transport.get_extra_info("socket")  # type: ignore[union-attr]
    cork, nodelay = (opened.getsockopt(socket.IPPROTO_TCP, name) for name in (socket.TCP_CORK, socket.TCP_NODELAY))
    return bool(cork), bool(nodelay)


def mode_of(response: Any) -> Mode:
    return response.tcp_cork, response.tcp_nodelay


RESPONSES: dict[str, tuple[Callable[[], Any], Mode]] = {
    "StreamResponse": (compat.StreamResponse, UNDELAYED),
    "Response": (compat.Response, CORKED),
    "WebSocketResponse": (compat.WebSocketResponse, UNDELAYED),
}
every_response = pytest.mark.parametrize("name", RESPONSES)


@every_response
def test_a_response_knows_its_mode_before_it_is_sent(name: str) -> None:
    """AW-151."""
    make, default = RESPONSES[name]
    assert mode_of(make()) == default


@every_response
def test_the_two_exclude_each_other(name: str) -> None:
    """AW-150, AW-153."""
    response = RESPONSES[name][0]()
    for call, value, mode in (
        (response.set_tcp_nodelay, True, UNDELAYED),
        (response.set_tcp_cork, True, CORKED),
        (response.set_tcp_nodelay, False, CORKED),
        (response.set_tcp_nodelay, True, UNDELAYED),
        (response.set_tcp_cork, False, UNDELAYED),
        (response.set_tcp_nodelay, False, NAGLE),
        (response.set_tcp_cork, True, CORKED),
        (response.set_tcp_cork, False, NAGLE),
        (response.set_tcp_nodelay, 1, UNDELAYED),
    ):
        call(value)
        assert mode_of(response) == mode


def make_app(seen: list[Mode], name: str, choose: Callable[[Any], None]) -> Application:
    """An application that chooses a mode before the headers, and others after them, and notes what the socket says."""

    async def handle(request: web.Request) -> web.StreamResponse:
        response = RESPONSES[name][0]()
        choose(response)
        await response.prepare(request)
        seen.append(options_of(request))
        for call in (response.set_tcp_cork, response.set_tcp_nodelay):
            call(True)
            seen.append(options_of(request))
        call(False)
        seen.append(options_of(request))
        choose(response)
        return response  # type: ignore[no-any-return]

    async def show(request: web.Request) -> str:
        seen.append(options_of(request))
        return "shown"

    app = Application()
    app.add_get("/", handle)
    app.add_get("/show", show)
    return app


def choose_nagle(response: Any) -> None:
    response.set_tcp_cork(False)
    response.set_tcp_nodelay(False)


CHOICES: dict[str, Callable[[Any], None]] = {
    "default": lambda response: None,
    "corked": lambda response: response.set_tcp_cork(True),
    "undelayed": lambda response: response.set_tcp_nodelay(True),
    "nagle": choose_nagle,
}
MODES: dict[str, Mode] = {"corked": CORKED, "undelayed": UNDELAYED, "nagle": NAGLE}


@pytest.mark.parametrize("choice", CHOICES)
@pytest.mark.parametrize("name", ["StreamResponse", "Response"])
async def test_the_socket_is_in_the_mode_that_was_chosen_and_undelayed_afterwards(
    serve: Serve, name: str, choice: str
) -> None:
    seen: list[Mode] = []
    client = await serve(make_app(seen, name, CHOICES[choice]))
    assert (await client.get("/")).status == 200
    assert (await client.get("/show")).text == "shown"  # over the same connection
    assert seen == [MODES.get(choice, RESPONSES[name][1]), CORKED, UNDELAYED, NAGLE, UNDELAYED]


@pytest.mark.parametrize("choice", CHOICES)
async def test_the_socket_of_a_websocket_is_in_the_mode_that_was_chosen(serve: Serve, choice: str) -> None:
    seen: list[Mode] = []
    client = await serve(make_app(seen, "WebSocketResponse", CHOICES[choice]))
    async with client.session.ws_connect(client.url) as ws:
        await ws.receive()
    assert seen == [MODES.get(choice, UNDELAYED), CORKED, UNDELAYED, NAGLE]


async def test_a_response_that_is_replaced_leaves_the_connection_as_it_was(serve: Serve) -> None:
    async def refuse(request: web.Request) -> web.StreamResponse:
        ws = compat.WebSocketResponse()
        ws.set_tcp_cork(True)
        await ws.prepare(request)
        return ws

    seen: list[Mode] = []
    app = make_app(seen, "Response", CHOICES["default"])
    app.add_get("/ws", refuse)
    client = await serve(app)
    async with connect(client.url) as connection:
        request = b"GET %s HTTP/1.1\r\nHost: l\r\n\r\n"
        assert (await connection.ask(request % b"/ws")).status == 400
        assert (await connection.ask(request % b"/show")).body == "shown"
    assert seen == [UNDELAYED]


async def test_what_is_held_back_by_a_cork_arrives_when_it_is_taken_out(serve: Serve) -> None:
    go_on = asyncio.Event()

    async def handle(request: web.Request) -> web.StreamResponse:
        response = compat.StreamResponse(headers={"Content-Length": "10"})
        response.set_tcp_cork(True)
        await response.prepare(request)
        await response.write(b"small")
        response.set_tcp_cork(False)
        await go_on.wait()
        await response.write(b" more")
        return response

    app = Application()
    app.add_get("/", handle)
    client = await serve(app)
    async with client.session.get(client.url) as response:
        assert await response.content.readexactly(5) == b"small"
        go_on.set()
        assert await response.read() == b" more"


@asynccontextmanager
async def serve_on_path(app: Application, path: Path) -> AsyncIterator[ClientSession]:
    server = Server(app, ServerConfig(path=path))
    await server.start()
    try:
        async with ClientSession(connector=UnixConnector(str(path))) as session:
            yield session
    finally:
        await server.stop()


async def test_a_socket_that_is_not_of_tcp_is_left_alone(tmp_path: Path) -> None:
    """AW-152."""

    async def handle(request: web.Request) -> web.StreamResponse:
        response = compat.Response(text="hello")
        await response.prepare(request)
        response.set_tcp_nodelay(True)
        assert mode_of(response) == UNDELAYED
        return response

    app = Application()
    app.add_get("/", handle)
    async with serve_on_path(app, tmp_path / "socket") as session, session.get("http://localhost/") as answer:
        assert await answer.text() == "hello"


async def test_without_a_socket_the_mode_is_kept_all_the_same() -> None:
    """AW-152."""
    response = compat.StreamResponse()
    response.set_tcp_cork(True)
    await response.prepare(make_mocked_request("GET", "/"))
    assert mode_of(response) == CORKED


async def test_other_errors_than_those_of_compat_keep_what_the_connection_has(serve: Serve) -> None:
    async def fail(request: web.Request) -> None:
        raise HTTPNotFound

    seen: list[Mode] = []
    app = make_app(seen, "Response", CHOICES["default"])
    app.add_get("/gone", fail)
    client = await serve(app)
    assert (await client.get("/gone")).status == 404
    assert (await client.get("/show")).status == 200
    assert seen == [UNDELAYED]


def test_the_sockets_of_uvloop_have_the_modes_too() -> None:
    async def ask() -> list[Mode]:
        seen: list[Mode] = []
        async with run_by_webkit(make_app(seen, "Response", CHOICES["corked"])) as client:
            assert (await client.get("/")).status == 200
            assert (await client.get("/show")).status == 200
        return seen

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        assert runner.run(ask()) == [CORKED, CORKED, UNDELAYED, NAGLE, UNDELAYED]
