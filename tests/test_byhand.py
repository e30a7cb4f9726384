"""Serving by hand: the recipe of aiohttp 0.21, in its own order, on both kinds of loops (AW-160 to AW-165, AW-171)."""

import asyncio
import gc
import logging
import ssl
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import uvloop
from aiohttp import ClientSession, TCPConnector, UnixConnector, WSMsgType, web
from yarl import URL

from tests.rawsockets import RawConnection, connect
from tests.serving import run_by_aiohttp
from tests.test_websockets import certificate as certificate  # a fixture
from webkit import Application, ConfigError, Server, ServerConfig, compat
from webkit.compat import RequestHandlerFactory

LOOPS: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {
    "asyncio": asyncio.new_event_loop,
    "uvloop": uvloop.new_event_loop,
}
# A recipe that hangs fails its test.
PATIENCE_S = 20


@pytest.fixture(params=LOOPS)
def loop(request: pytest.FixtureRequest) -> Iterator[asyncio.AbstractEventLoop]:
    """A loop as old programs had it: the current one, and not running."""
    loop = LOOPS[request.param]()
    asyncio.set_event_loop(loop)
    yield loop
    for _ in range(5):  # what is closed by now ends in the next turns
        loop.run_until_complete(asyncio.sleep(0))
    asyncio.set_event_loop(None)
    loop.close()
    gc.collect()  # whatever is left over warns now


class Recorder:
    """An application that notes what happens to it."""

    def __init__(self) -> None:
        self.events: list[str] = []
        self.go_on, self.is_starting, self.is_slow = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self.app = Application()
        self.app.add_get("/", self.hello)
        self.app.add_get("/slow", self.slow)
        self.app.add_get("/ws", self.echo)
        self.app.on_startup.append(self.note("startup"))
        self.app.on_shutdown.append(self.note("shutdown"))
        self.app.on_cleanup.append(self.note("cleanup"))
        self.app.cleanup_ctx.append(self.context)

    def note(self, event: str) -> Any:
        async def handle(app: Application) -> None:
            self.events.append(event)

        return handle

    async def context(self, app: Application) -> AsyncIterator[None]:
        self.events.append("entered")
        yield
        self.events.append("left")

    async def hello(self, request: web.Request) -> str:
        assert "entered" in self.events
        return "hello"

    async def slow(self, request: web.Request) -> str:
        self.events.append("slow begins")
        self.is_slow.set()
        await self.go_on.wait()
        self.events.append("slow ends")
        return "slow"

    async def echo(self, request: web.Request) -> web.StreamResponse:
        ws = web.WebSocketResponse()
        await ws.prepare(request)
        async for message in ws:
            await ws.send_str(message.data)
        return ws


def port_of(server: asyncio.AbstractServer) -> int:
    return int(server.sockets[0].getsockname()[1])  # type: ignore[attr-defined]


def url_of(server: asyncio.AbstractServer) -> URL:
    return URL(f"http://127.0.0.1:{port_of(server)}/")


def patiently(loop: asyncio.AbstractEventLoop) -> Callable[..., Any]:
    return lambda work: loop.run_until_complete(asyncio.wait_for(work, PATIENCE_S))


def finish_in_the_old_order(
    loop: asyncio.AbstractEventLoop, app: Application, handler: RequestHandlerFactory, *servers: Any
) -> None:
    """The end of the recipe, line for line; each step may take a while, and must not take for ever."""
    run = patiently(loop)
    for srv in servers:
        srv.close()
        run(srv.wait_closed())
    run(app.shutdown())
    run(handler.finish_connections(60.0))
    run(app.cleanup())


def test_the_recipe_runs_with_a_websocket_and_an_idle_connection_open(loop: asyncio.AbstractEventLoop) -> None:
    """AW-160 to AW-163, AW-171."""
    recorder = Recorder()
    app = recorder.app
    handler = app.make_handler()
    f = loop.create_server(handler, "127.0.0.1", 0)
    srv = loop.run_until_complete(f)
    assert recorder.events == []

    async def use() -> tuple[ClientSession, Any]:
        session = ClientSession()
        async with session.get(url_of(srv)) as answer:
            assert await answer.text() == "hello"
        ws = await session.ws_connect(url_of(srv) / "ws")
        await ws.send_str("over the wire")
        assert (await ws.receive()).data == "over the wire"
        # A connection that is kept alive, beside that of the WebSocket.
        async with session.get(url_of(srv)) as answer:
            assert await answer.text() == "hello"
        assert (handler.num_connections, handler.requests_count) == (2, 3)
        return session, asyncio.create_task(ws.receive())

    session, last_message = loop.run_until_complete(use())
    assert recorder.events == ["entered", "startup"]
    finish_in_the_old_order(loop, app, handler, srv)
    assert recorder.events == ["entered", "startup", "shutdown", "left", "cleanup"]
    message = loop.run_until_complete(last_message)
    assert (message.type, message.data) == (WSMsgType.CLOSE, 1001)
    assert handler.num_connections == 0
    loop.run_until_complete(session.close())


def test_the_recipe_runs_with_nobody_connected(loop: asyncio.AbstractEventLoop) -> None:
    """Finishers of old code are called although no request ever came; what is opened at the start is not."""
    recorder = Recorder()
    handler = recorder.app.make_handler()
    srv = loop.run_until_complete(loop.create_server(handler, "127.0.0.1", 0))
    finish_in_the_old_order(loop, recorder.app, handler, srv)
    assert recorder.events == ["shutdown", "cleanup"]


def test_running_requests_are_finished(loop: asyncio.AbstractEventLoop) -> None:
    async def go_on_later(app: Application) -> None:
        loop.call_later(0.1, recorder.go_on.set)

    recorder = Recorder()
    recorder.app.on_shutdown.append(go_on_later)
    handler = recorder.app.make_handler()
    srv = loop.run_until_complete(loop.create_server(handler, "127.0.0.1", 0))

    async def begin() -> tuple[RawConnection, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_connection("127.0.0.1", port_of(srv))
        writer.write(b"GET /slow HTTP/1.1\r\nHost: l\r\n\r\n")
        await recorder.is_slow.wait()
        return RawConnection(reader, writer), writer

    connection, writer = loop.run_until_complete(begin())
    finish_in_the_old_order(loop, recorder.app, handler, srv)
    answer = loop.run_until_complete(connection.ask(b""))
    assert (answer.status, answer.body) == (200, "slow")
    assert recorder.events[2:] == ["slow begins", "shutdown", "slow ends", "left", "cleanup"]
    loop.call_soon(writer.close)


def test_what_does_not_finish_in_time_is_cancelled(loop: asyncio.AbstractEventLoop) -> None:
    recorder = Recorder()
    handler = recorder.app.make_handler()
    srv = loop.run_until_complete(loop.create_server(handler, "127.0.0.1", 0))

    async def begin() -> asyncio.StreamWriter:
        _, writer = await asyncio.open_connection("127.0.0.1", port_of(srv))
        writer.write(b"GET /slow HTTP/1.1\r\nHost: l\r\n\r\n")
        await recorder.is_slow.wait()
        return writer

    writer = loop.run_until_complete(begin())
    srv.close()
    run = patiently(loop)
    run(srv.wait_closed())
    run(recorder.app.shutdown())
    run(handler.shutdown(0.05))
    run(recorder.app.finish())
    assert recorder.events[2:] == ["slow begins", "shutdown", "left", "cleanup"]
    loop.call_soon(writer.close)


def test_an_interrupt_in_the_middle_of_a_request_ends_the_loop_once(loop: asyncio.AbstractEventLoop) -> None:
    """AW-160: Ctrl+C is raised in whatever runs, and the steps after ``run_forever`` are not to meet it again."""

    async def be_interrupted(request: web.Request) -> None:
        raise KeyboardInterrupt  # what the default handler of SIGINT does

    recorder = Recorder()
    recorder.app.add_get("/interrupted", be_interrupted)
    handler = recorder.app.make_handler()
    srv = loop.run_until_complete(loop.create_server(handler, "127.0.0.1", 0))

    async def ask() -> None:
        async with connect(url_of(srv)) as connection:
            connection.writer.write(b"GET /interrupted HTTP/1.1\r\nHost: l\r\n\r\n")
            assert await connection.reader.read() == b""

    asking = loop.create_task(ask())
    with pytest.raises(KeyboardInterrupt):
        loop.run_forever()
    finish_in_the_old_order(loop, recorder.app, handler, srv)
    assert recorder.events == ["entered", "startup", "shutdown", "left", "cleanup"]
    loop.run_until_complete(asking)


def test_several_servers_share_one_handler(loop: asyncio.AbstractEventLoop, tmp_path: Path) -> None:
    recorder = Recorder()
    handler = recorder.app.make_handler()
    path = str(tmp_path / "socket")
    create_unix_server: Any = loop.create_unix_server
    servers = [
        loop.run_until_complete(loop.create_server(handler, "127.0.0.1", 0)),
        loop.run_until_complete(loop.create_server(handler, "127.0.0.1", 0)),
        loop.run_until_complete(create_unix_server(handler, path)),
    ]

    async def use() -> list[ClientSession]:
        sessions = [ClientSession(), ClientSession(), ClientSession(connector=UnixConnector(path))]
        urls = [url_of(servers[0]), url_of(servers[1]), URL("http://localhost/")]
        # At once: one start serves all that have come.
        answers = await asyncio.gather(*(session.get(url) for session, url in zip(sessions, urls, strict=True)))
        assert [await answer.text() for answer in answers] == ["hello"] * 3
        return sessions

    sessions = loop.run_until_complete(use())
    assert recorder.events == ["entered", "startup"]
    finish_in_the_old_order(loop, recorder.app, handler, *servers)
    assert recorder.events[2:] == ["shutdown", "left", "cleanup"]
    for session in sessions:
        loop.run_until_complete(session.close())


def test_several_runners_and_hands_serve_in_one_process(loop: asyncio.AbstractEventLoop) -> None:
    async def serve_all() -> list[str]:
        by_hand = Recorder()
        handler = by_hand.app.make_handler()
        srv = await loop.create_server(handler, "127.0.0.1", 0)
        other = Server(Recorder().app, ServerConfig(host="127.0.0.1", port=0))
        await other.start()
        async with run_by_aiohttp(Recorder().app) as client, ClientSession() as session:
            urls = [str(url_of(srv)), other.urls[0], str(client.url)]
            answers = [await (await session.get(url)).text() for url in urls]
        await compat.finish(srv, by_hand.app, handler)
        await other.stop()
        return answers

    assert loop.run_until_complete(serve_all()) == ["hello"] * 3


def test_an_application_that_is_started_by_hand_is_started_once(loop: asyncio.AbstractEventLoop) -> None:
    recorder = Recorder()
    handler = compat.make_handler(recorder.app)
    loop.run_until_complete(recorder.app.startup())
    assert recorder.events == ["entered", "startup"]
    srv = loop.run_until_complete(loop.create_server(handler, "127.0.0.1", 0))

    async def use() -> None:
        async with ClientSession() as session, session.get(url_of(srv)) as answer:
            assert await answer.text() == "hello"

    loop.run_until_complete(use())
    finish_in_the_old_order(loop, recorder.app, handler, srv)
    loop.run_until_complete(recorder.app.cleanup())
    assert recorder.events == ["entered", "startup", "shutdown", "left", "cleanup"]


def test_a_start_that_fails_closes_the_connections_and_is_logged_once(
    loop: asyncio.AbstractEventLoop, caplog: pytest.LogCaptureFixture
) -> None:
    async def fail(app: Application) -> None:
        raise LookupError("no database")

    recorder = Recorder()
    recorder.app.on_startup.append(fail)
    handler = recorder.app.make_handler()
    srv = loop.run_until_complete(loop.create_server(handler, "127.0.0.1", 0))

    async def use() -> None:
        for _ in range(2):
            async with connect(url_of(srv)) as connection:
                connection.writer.write(b"GET / HTTP/1.1\r\nHost: l\r\n\r\n")
                with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
                    await connection.reader.readexactly(1)

    loop.run_until_complete(use())
    assert [record.getMessage() for record in caplog.records] == [
        "The application could not start. Its connections are closed."
    ]
    assert "no database" in caplog.text
    with pytest.raises(LookupError, match="no database"):
        loop.run_until_complete(recorder.app.startup())
    finish_in_the_old_order(loop, recorder.app, handler, srv)
    assert recorder.events == ["entered", "startup", "left"]


def test_data_that_comes_during_the_start_waits_for_it(loop: asyncio.AbstractEventLoop) -> None:
    recorder = Recorder()

    async def wait(app: Application) -> None:
        recorder.is_starting.set()
        await recorder.go_on.wait()

    async def count(request: web.Request) -> str:
        return str(len(await request.read()))

    recorder.app.on_startup.append(wait)
    recorder.app.add_post("/", count)
    handler = recorder.app.make_handler()
    srv = loop.run_until_complete(loop.create_server(handler, "127.0.0.1", 0))

    async def use() -> None:
        async with connect(url_of(srv)) as gone, connect(url_of(srv)) as connection:
            gone.writer.write(b"GET / HTTP/1.1\r\nHost: l\r\n\r\n")
            connection.writer.write(b"POST / HTTP/1.1\r\nHost: l\r\nContent-Length: 1000000\r\n\r\n" + bytes(500_000))
            await recorder.is_starting.wait()
            gone.writer.transport.abort()
            recorder.go_on.set()
            connection.writer.write(bytes(500_000))
            assert (await connection.ask(b"")).body == "1000000"
            assert (await connection.ask(b"GET / HTTP/1.1\r\nHost: l\r\n\r\n")).body == "hello"

    loop.run_until_complete(use())
    finish_in_the_old_order(loop, recorder.app, handler, srv)


def test_a_start_that_hangs_does_not_hold_the_end(loop: asyncio.AbstractEventLoop) -> None:
    recorder = Recorder()

    async def hang(app: Application) -> None:
        recorder.is_starting.set()
        await asyncio.Event().wait()

    recorder.app.on_startup.append(hang)
    handler = recorder.app.make_handler()
    srv = loop.run_until_complete(loop.create_server(handler, "127.0.0.1", 0))

    async def use() -> None:
        async with connect(url_of(srv)) as connection:
            connection.writer.write(b"GET / HTTP/1.1\r\nHost: l\r\n\r\n")
            await recorder.is_starting.wait()
            srv.close()
            await srv.wait_closed()
            await recorder.app.shutdown()
            await handler.finish_connections(60.0)
            await recorder.app.cleanup()
            with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
                await connection.reader.readexactly(1)

    patiently(loop)(use())
    assert recorder.events == ["entered", "startup", "left"]


def test_over_tls_the_steps_in_another_order_end_everywhere(loop: asyncio.AbstractEventLoop, certificate: Path) -> None:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    recorder = Recorder()
    handler = recorder.app.make_handler()
    srv = loop.run_until_complete(loop.create_server(handler, "127.0.0.1", 0, ssl=context))

    async def use() -> tuple[ClientSession, Any]:
        trusting = ssl.create_default_context(cafile=str(certificate))
        session = ClientSession(connector=TCPConnector(ssl=trusting))
        ws = await session.ws_connect(f"https://127.0.0.1:{port_of(srv)}/ws")
        await ws.send_str("over the wire")
        assert (await ws.receive()).data == "over the wire"
        return session, asyncio.create_task(ws.receive())

    session, last_message = loop.run_until_complete(use())
    patiently(loop)(compat.finish(srv, recorder.app, handler, timeout=5))
    assert recorder.events == ["entered", "startup", "shutdown", "left", "cleanup"]
    assert loop.run_until_complete(last_message).data == 1001
    loop.run_until_complete(session.close())


async def test_every_step_of_the_end_is_taken_whatever_fails() -> None:
    async def fail(app: Application) -> None:
        raise LookupError("no")

    recorder = Recorder()
    recorder.app.on_shutdown.append(fail)
    handler = recorder.app.make_handler()
    loop = asyncio.get_running_loop()
    servers = [await loop.create_server(handler, "127.0.0.1", 0) for _ in range(2)]
    async with connect(url_of(servers[0])) as connection:
        await connection.ask(b"GET / HTTP/1.1\r\nHost: l\r\n\r\n")
        with pytest.raises(LookupError):
            await asyncio.wait_for(compat.finish(servers, recorder.app, handler), PATIENCE_S)
        assert await connection.reader.read() == b""
    assert recorder.events == ["entered", "startup", "shutdown", "left", "cleanup"]
    assert not any(server.is_serving() for server in servers)


# Options


async def test_the_options_of_old_handlers_are_taken(caplog: pytest.LogCaptureFixture) -> None:
    recorder = Recorder()
    options: dict[str, Any] = {"keep_alive": 0.05, "access_log_format": '%(h)s %(l)s "%(r)s" %(s)s'}
    handler = recorder.app.make_handler(**options, loop=None, debug=True, logger=logging.getLogger("old"))
    assert recorder.app.make_handler(**options) is handler
    loop = asyncio.get_running_loop()
    srv = await loop.create_server(handler, "127.0.0.1", 0)
    with caplog.at_level(logging.INFO, "webkit.access"):
        async with connect(url_of(srv)) as connection:
            assert (await connection.ask(b"GET / HTTP/1.1\r\nHost: l\r\n\r\n")).body == "hello"
            async with asyncio.timeout(PATIENCE_S):
                assert await connection.reader.read() == b""  # it was idle for too long
    await compat.finish(srv, recorder.app, handler)
    assert [record.getMessage() for record in caplog.records if record.name == "webkit.access"] == [
        '127.0.0.1 - "GET / HTTP/1.1" 200'
    ]


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"secure_proxy_ssl_header": ("X-Forwarded-Proto", "https")}, "is not believed"),
    ({"max_line_size": 100}, "Application(handler_args={'max_line_size': 100})"),
    ({"access_log_format": "%Z"}, "unknown directive"),
]


@pytest.mark.parametrize(("options", "remedy"), REFUSED)
def test_an_option_that_is_no_more_is_refused_with_its_replacement(options: dict[str, Any], remedy: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Application().make_handler(**options)
    assert remedy in str(caught.value)
    Application().make_handler(secure_proxy_ssl_header=None, access_log=None)


def test_an_application_has_one_handler() -> None:
    app = Application()
    app.make_handler(keepalive_timeout=5)
    with pytest.raises(ConfigError, match="has a handler with other options already"):
        app.make_handler()


async def test_an_application_that_is_served_or_mounted_has_no_handler() -> None:
    outer, child = Recorder().app, Recorder().app
    outer.mount("/child", child)
    with pytest.raises(ConfigError, match="is served or mounted already"):
        child.make_handler()
    async with run_by_aiohttp(outer):
        for refused in (outer.make_handler, child.make_handler):
            with pytest.raises(ConfigError, match="is served or mounted already"):
                refused()
        with pytest.raises(ConfigError, match="is served or mounted already"):
            await outer.startup()


async def test_the_signals_of_an_application_that_somebody_else_serves_can_be_sent() -> None:
    recorder = Recorder()
    async with run_by_aiohttp(recorder.app):
        await recorder.app.shutdown()
        assert recorder.events == ["entered", "startup", "shutdown"]
    assert recorder.events == ["entered", "startup", "shutdown", "shutdown", "left", "cleanup"]


async def test_finishers_are_registered_as_methods() -> None:
    """AW-142."""
    seen: list[str] = []

    def close(app: Application, what: str, *, how: str) -> None:
        seen.append(f"{what} {how}")

    app = Application()
    app.register_on_finish(close, "door", how="softly")
    await app.startup()
    await app.shutdown()
    await app.finish()
    assert seen == ["door softly"]


@asynccontextmanager
async def served_by_hand(app: Application) -> AsyncIterator[URL]:
    handler = app.make_handler()
    srv = await asyncio.get_running_loop().create_server(handler, "127.0.0.1", 0)
    yield url_of(srv)
    await compat.finish(srv, app, handler)


async def test_a_site_is_served_again_and_again_without_leaving_anything() -> None:
    for _ in range(3):
        async with served_by_hand(Recorder().app) as url, ClientSession() as session, session.get(url) as answer:
            assert await answer.text() == "hello"
