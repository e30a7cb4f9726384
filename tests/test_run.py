"""Serving from Python: the configuration, a server's start and stop, and ``webkit.run``."""

import asyncio
import errno
import importlib.util
import logging
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import FrozenInstanceError
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from aiohttp import ClientSession, UnixConnector, WSMsgType, web

import webkit
from tests.processes import environment, is_listened_on
from webkit import Application, ConfigError, Server, ServerConfig
from webkit.run import AddressError, serve
from webkit.sites import url_of

AnyApplication: TypeAlias = Application | web.Application
Make: TypeAlias = Callable[[], AnyApplication]

FREE = ServerConfig(host="127.0.0.1", port=0)
STEPS = [
    "stop accepting connections",
    "tell the application; close WebSockets and event streams",
    "finish running requests",
    "close connections",
    "clean up",
]


async def hello(request: web.Request) -> web.Response:
    return web.Response(text="hello")


def make_webkit() -> Application:
    app = Application()
    app.add_get("/", hello)
    return app


def make_plain() -> web.Application:
    app = web.Application()
    app.router.add_get("/", hello)
    return app


both_kinds = pytest.mark.parametrize("make", [make_webkit, make_plain])


def noting(notes: list[str], name: str) -> Callable[[Any], AsyncIterator[None]]:
    """Give a context that writes to *notes* when it is entered and left."""

    async def note(_: Any) -> AsyncIterator[None]:
        notes.append(f"{name} entered")
        yield
        notes.append(f"{name} left")

    return note


def noting_signal(notes: list[str], name: str) -> Callable[[Any], Awaitable[None]]:
    async def note(_: Any) -> None:
        notes.append(name)

    return note


async def fail(_: Any) -> None:
    raise LookupError("no database")


async def connect(server: Server) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_connection("127.0.0.1", port_of(server))


def port_of(server: Server) -> int:
    return int(server.urls[-1].rpartition(":")[2])


async def ask(writer: asyncio.StreamWriter, reader: asyncio.StreamReader) -> bytes:
    writer.write(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
    return await reader.readuntil(b"hello")


def messages(caplog: pytest.LogCaptureFixture, logger: str) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.name == logger]


# The configuration


def test_a_configuration_has_defaults_for_everything() -> None:
    config = ServerConfig()
    assert (config.host, config.port, config.path) == (None, 8080, None)
    assert (config.backlog, config.keepalive_s, config.grace_s) == (128, 75.0, 25.0)
    assert config.access_log
    assert not config.reuse_port


def test_a_configuration_does_not_change() -> None:
    config = ServerConfig()
    with pytest.raises(FrozenInstanceError):
        config.port = 8000  # type: ignore[misc]


@pytest.mark.parametrize("port", [-1, 65536])
def test_a_port_is_between_0_and_65535(port: int) -> None:
    assert [ServerConfig(port=port).port for port in (0, 1, 65535)] == [0, 1, 65535]
    with pytest.raises(ConfigError, match=f"{port} is no port; choose 1 to 65535, or 0 for any free one"):
        ServerConfig(port=port)


@pytest.mark.parametrize("name", ["backlog", "keepalive_s", "grace_s"])
def test_sizes_and_times_are_not_negative(name: str) -> None:
    options: dict[str, Any] = {name: 0}
    assert getattr(ServerConfig(**options), name) == 0
    options[name] = -1
    with pytest.raises(ConfigError, match=f"{name} cannot be negative: -1"):
        ServerConfig(**options)


# A server


@both_kinds
async def test_a_server_answers_from_start_to_stop(make: Make) -> None:
    server = Server(make(), FREE)
    assert server.urls == []
    await server.start()
    (url,) = server.urls
    port = port_of(server)
    assert url == f"http://127.0.0.1:{port}"
    async with ClientSession() as session, session.get(url) as response:
        assert await response.text() == "hello"
    await server.stop()
    assert server.urls == []
    assert not await is_listened_on(port)


async def test_localhost_has_one_port_when_the_system_chooses() -> None:
    server = Server(make_webkit(), ServerConfig(port=0))
    await server.start()
    assert server.urls == [f"http://localhost:{port_of(server)}"]
    assert await is_listened_on(port_of(server))
    await server.stop()


async def test_a_path_is_a_unix_socket_and_no_tcp(tmp_path: Path) -> None:
    path = str(tmp_path / "web.sock")
    server = Server(make_webkit(), ServerConfig(path=path))
    await server.start()
    assert server.urls == [f"http://unix:{path}:"]
    async with ClientSession(connector=UnixConnector(path)) as session, session.get("http://localhost/") as response:
        assert await response.text() == "hello"
    await server.stop()


async def test_a_path_with_a_host_is_both(tmp_path: Path) -> None:
    path = str(tmp_path / "web.sock")
    server = Server(make_webkit(), ServerConfig(path=path, host="127.0.0.1", port=0))
    await server.start()
    assert server.urls == [f"http://unix:{path}:", f"http://127.0.0.1:{port_of(server)}"]
    await server.stop()


def test_the_url_of_an_ipv6_address_has_brackets() -> None:
    assert url_of(("::1", 8080, 0, 0), ServerConfig(host="::1")) == "http://[::1]:8080"


@both_kinds
async def test_a_step_that_fails_at_start_raises_and_leaves_what_was_entered(make: Make) -> None:
    notes: list[str] = []
    app = make()
    app.cleanup_ctx.append(noting(notes, "first"))
    app.cleanup_ctx.append(noting(notes, "second"))
    app.on_startup.append(fail)
    server = Server(app, FREE)
    with pytest.raises(LookupError, match="no database"):
        await server.start()
    assert notes == ["first entered", "second entered", "second left", "first left"]
    assert server.urls == []


async def test_a_context_that_fails_at_start_leaves_those_before_it_and_those_of_mounted_applications() -> None:
    async def failing(_: Application) -> AsyncIterator[None]:
        await fail(None)
        yield

    notes: list[str] = []
    below, app = Application(), Application()
    below.cleanup_ctx.append(noting(notes, "below"))
    app.mount("/below", below)
    app.cleanup_ctx.append(noting(notes, "first"))
    last = Application()
    last.cleanup_ctx.append(failing)
    app.mount("/last", last)
    with pytest.raises(LookupError, match="no database"):
        await Server(app, FREE).start()
    assert notes == ["first entered", "below entered", "below left", "first left"]


async def test_a_context_that_fails_after_a_failed_start_is_logged_and_does_not_hide_the_first_error(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def fail_at_the_end(_: Application) -> AsyncIterator[None]:
        yield
        raise ValueError("the second error")

    app = Application()
    app.cleanup_ctx.append(fail_at_the_end)
    app.on_startup.append(fail)
    with pytest.raises(LookupError, match="no database"):
        await Server(app, FREE).start()
    assert "the second error" in caplog.text


@both_kinds
async def test_a_clean_up_that_fails_after_a_port_in_use_is_logged_and_does_not_hide_it(
    caplog: pytest.LogCaptureFixture, make: Make
) -> None:
    app = make()
    app.on_cleanup.append(fail)
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(AddressError):
        await Server(app, ServerConfig(host="127.0.0.1", port=taken.getsockname()[1])).start()
    assert messages(caplog, "webkit.server") == ["The clean-up after a failed start failed too."]
    assert "no database" in caplog.text


@both_kinds
async def test_a_port_in_use_raises_and_leaves_no_context_entered(make: Make) -> None:
    notes: list[str] = []
    app = make()
    app.cleanup_ctx.append(noting(notes, "context"))
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        server = Server(app, ServerConfig(host="127.0.0.1", port=port))
        with pytest.raises(AddressError) as caught:
            await server.start()
    assert isinstance(caught.value, OSError)
    assert (caught.value.errno, caught.value.filename) == (errno.EADDRINUSE, f"127.0.0.1:{port}")
    assert notes == ["context entered", "context left"]


async def test_a_host_in_use_closes_the_unix_socket_again(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        config = ServerConfig(path=str(tmp_path / "web.sock"), host="127.0.0.1", port=taken.getsockname()[1])
        server = Server(make_webkit(), config)
        with pytest.raises(AddressError):
            await server.start()
    assert server.urls == []


async def test_an_address_that_is_not_there_says_why(tmp_path: Path) -> None:
    path = str(tmp_path / "nowhere" / "web.sock")
    with pytest.raises(AddressError, match="No such file or directory") as caught:
        await Server(make_webkit(), ServerConfig(path=path)).start()
    assert caught.value.filename == path


@both_kinds
@pytest.mark.parametrize(("access_log", "lines"), [(True, 1), (False, 0)])
async def test_the_access_log_has_a_line_for_each_request_unless_it_is_off(
    caplog: pytest.LogCaptureFixture, make: Make, access_log: bool, lines: int
) -> None:
    caplog.set_level(logging.INFO)
    server = Server(make(), ServerConfig(host="127.0.0.1", port=0, access_log=access_log))
    await server.start()
    async with ClientSession() as session, session.get(f"{server.urls[0]}/?q=1") as response:
        assert response.status == 200
    await server.stop()
    assert [line for line in messages(caplog, "webkit.access") if '"GET /?q=1 HTTP/1.1" 200 ' in line] == messages(
        caplog, "webkit.access"
    )
    assert len(messages(caplog, "webkit.access")) == lines


async def test_the_access_log_takes_a_format(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    server = Server(make_webkit(), ServerConfig(host="127.0.0.1", port=0, access_log_format="%s for %r"))
    await server.start()
    async with ClientSession() as session, session.get(server.urls[0]):
        pass
    await server.stop()
    assert messages(caplog, "webkit.access") == ["200 for GET / HTTP/1.1"]


async def test_an_idle_connection_is_closed_after_the_keep_alive_time() -> None:
    server = Server(make_webkit(), ServerConfig(host="127.0.0.1", port=0, keepalive_s=0.05))
    await server.start()
    reader, writer = await connect(server)
    await ask(writer, reader)
    assert await reader.read() == b""
    writer.close()
    await server.stop()


async def test_a_connection_is_kept_for_the_next_request_until_the_stop() -> None:
    server = Server(make_webkit(), FREE)
    await server.start()
    reader, writer = await connect(server)
    await ask(writer, reader)
    await ask(writer, reader)
    await server.stop()
    assert await reader.read() == b""
    writer.close()


# The stop


@pytest.mark.parametrize("error", [False, True], ids=["answer", "HTTP error"])
@pytest.mark.parametrize("count", [1, 2])
async def test_the_last_answer_during_the_stop_says_that_the_connection_closes(count: int, error: bool) -> None:
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def wait(request: web.Request) -> web.StreamResponse:
        begun.set()
        await go_on.wait()
        if error:
            raise web.HTTPConflict(text="hello")
        return web.Response(text="hello")

    app = Application()
    app.add_get("/", wait)
    server = Server(app, FREE)
    await server.start()
    reader, writer = await connect(server)
    writer.write(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n" * count)
    await begun.wait()
    await server.runner.stop_accepting()
    go_on.set()
    answers = await asyncio.wait_for(reader.read(), 20)
    heads = [answer.partition(b"\r\n\r\n")[0] for answer in answers.split(b"HTTP/1.1 ")[1:]]
    assert len(heads) == count
    assert [b"Connection: close" in head for head in heads] == [False] * (count - 1) + [True]
    writer.close()
    await server.stop()


@both_kinds
async def test_on_shutdown_is_sent_once_then_contexts_are_left_and_on_cleanup_is_sent(make: Make) -> None:
    notes: list[str] = []
    app = make()
    app.on_startup.append(noting_signal(notes, "on_startup"))
    app.on_shutdown.append(noting_signal(notes, "on_shutdown"))
    app.on_cleanup.append(noting_signal(notes, "on_cleanup"))
    app.cleanup_ctx.append(noting(notes, "first"))
    app.cleanup_ctx.append(noting(notes, "second"))
    server = Server(app, FREE)
    await server.start()
    await server.stop()
    assert sorted(notes[:3]) == ["first entered", "on_startup", "second entered"]
    assert notes[3:] == ["on_shutdown", "second left", "first left", "on_cleanup"]


@both_kinds
async def test_each_step_of_the_stop_is_logged_with_its_duration(caplog: pytest.LogCaptureFixture, make: Make) -> None:
    caplog.set_level(logging.INFO)
    server = Server(make(), FREE)
    await server.start()
    await server.stop()
    lines = messages(caplog, "webkit.server")
    assert [re.sub(r"\d+\.\d\d s$", "TIME", line) for line in lines] == [f"Shutdown: {step}: TIME" for step in STEPS]


@both_kinds
async def test_a_step_that_fails_is_logged_and_the_others_follow(caplog: pytest.LogCaptureFixture, make: Make) -> None:
    caplog.set_level(logging.INFO)
    notes: list[str] = []
    app = make()
    app.on_shutdown.append(fail)
    app.cleanup_ctx.append(noting(notes, "context"))
    server = Server(app, FREE)
    await server.start()
    await server.stop()
    lines = messages(caplog, "webkit.server")
    assert lines[1].startswith(f"Shutdown: {STEPS[1]}: failed after ")
    assert "no database" in caplog.text
    assert lines[4].startswith("Shutdown: clean up: ")
    assert notes == ["context entered", "context left"]


@both_kinds
async def test_what_failed_while_stopping_is_raised_in_the_end_where_that_is_asked_for(make: Make) -> None:
    notes: list[str] = []
    app = make()
    app.on_shutdown.append(fail)
    app.cleanup_ctx.append(noting(notes, "context"))
    server = Server(app, FREE)
    await server.start()
    with pytest.raises(LookupError, match="no database"):
        await server.stop(raise_errors=True)
    assert notes == ["context entered", "context left"]


def with_websocket(app: AnyApplication) -> AnyApplication:
    async def echo(request: web.Request) -> web.StreamResponse:
        answer = web.WebSocketResponse()
        await answer.prepare(request)
        async for message in answer:
            await answer.send_str(message.data)
        return answer

    app.router.add_get("/echo", echo)
    return app


@both_kinds
async def test_an_open_websocket_is_closed_with_1001(make: Make) -> None:
    server = Server(with_websocket(make()), FREE)
    await server.start()
    async with ClientSession() as session, session.ws_connect(f"{server.urls[0]}/echo") as client:
        await client.send_str("hello")
        assert await client.receive_str() == "hello"
        stopping = asyncio.create_task(server.stop())
        message = await client.receive()
        assert (message.type, message.data) == (WSMsgType.CLOSE, 1001)
        await stopping


@both_kinds
async def test_an_event_stream_comes_to_its_proper_end(make: Make) -> None:
    async def events(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        await response.write(b"data: tick\n\n")
        await asyncio.Event().wait()
        return response

    app = make()
    app.router.add_get("/events", events)
    server = Server(app, FREE)
    await server.start()
    async with ClientSession() as session, session.get(f"{server.urls[0]}/events") as response:
        assert await response.content.readexactly(12) == b"data: tick\n\n"
        stopping = asyncio.create_task(server.stop())
        assert await response.content.read() == b""  # not ClientPayloadError
        await stopping


class Endless:
    """A request that never ends by itself, and tells how it ended."""

    def __init__(self) -> None:
        self.began = asyncio.Event()
        self.was_cancelled = False

    async def __call__(self, request: web.Request) -> web.Response:
        self.began.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.was_cancelled = True
            raise
        return web.Response()


@both_kinds
async def test_a_request_that_takes_longer_than_the_grace_period_is_cancelled(
    caplog: pytest.LogCaptureFixture, make: Make
) -> None:
    endless, app = Endless(), make()
    app.router.add_get("/endless", endless.__call__)
    server = Server(app, ServerConfig(host="127.0.0.1", port=0, grace_s=0))
    await server.start()
    reader, writer = await connect(server)
    writer.write(b"GET /endless HTTP/1.1\r\nHost: localhost\r\n\r\n")
    await endless.began.wait()
    await server.stop()
    assert await reader.read() == b""
    assert endless.was_cancelled
    assert "1 requests did not finish in time" in caplog.text
    writer.close()


async def test_force_ends_the_waiting_for_requests() -> None:
    endless, app = Endless(), Application()
    app.add_get("/endless", endless.__call__)
    server = Server(app, FREE)
    await server.start()
    reader, writer = await connect(server)
    writer.write(b"GET /endless HTTP/1.1\r\nHost: localhost\r\n\r\n")
    await endless.began.wait()
    stopping = asyncio.create_task(server.stop())
    server.force()
    await stopping
    assert endless.was_cancelled
    assert await reader.read() == b""
    writer.close()


async def test_force_ends_an_on_shutdown_that_hangs_and_contexts_are_left_all_the_same() -> None:
    notes: list[str] = []
    telling = asyncio.Event()

    async def hang(_: Application) -> None:
        telling.set()
        await asyncio.Event().wait()

    app = Application()
    app.on_shutdown.append(hang)
    app.cleanup_ctx.append(noting(notes, "context"))
    server = Server(app, FREE)
    await server.start()
    stopping = asyncio.create_task(server.stop())
    await telling.wait()
    server.force()
    await stopping
    assert notes == ["context entered", "context left"]


# serve(): until a signal


class Announcements:
    """What ``serve`` announces, and when."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self._came = asyncio.Event()

    def __call__(self, line: str) -> None:
        self.lines.append(line)
        self._came.set()

    async def come(self, serving: asyncio.Task[None]) -> None:
        """Wait until *serving* has announced itself; an error of its is raised instead."""
        coming = asyncio.ensure_future(self._came.wait())
        await asyncio.wait({serving, coming}, return_when=asyncio.FIRST_COMPLETED)
        if not coming.done():
            coming.cancel()
            await serving
            raise AssertionError("It ended without a word.")


async def make_later(app: AnyApplication) -> AnyApplication:
    return app


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_serve_ends_at_a_signal_and_restores_what_handled_it_before(number: signal.Signals) -> None:
    before = [signal.getsignal(known) for known in (signal.SIGTERM, signal.SIGINT)]
    announcements = Announcements()
    serving = asyncio.create_task(serve(make_webkit(), FREE, name="hello", announce=announcements))
    await announcements.come(serving)
    signal.raise_signal(number)
    await serving
    (line,) = announcements.lines
    assert re.fullmatch(r"webkit \S+ serves hello on http://127\.0\.0\.1:\d+ \(Ctrl\+C stops\)", line)
    assert [signal.getsignal(known) for known in (signal.SIGTERM, signal.SIGINT)] == before


@both_kinds
async def test_serve_takes_a_coroutine_that_makes_the_application(make: Make) -> None:
    announcements = Announcements()
    serving = asyncio.create_task(serve(make_later(make()), FREE, announce=announcements))
    await announcements.come(serving)
    signal.raise_signal(signal.SIGTERM)
    await serving


async def test_serve_refuses_what_is_no_application() -> None:
    async def make_nothing() -> Any:
        return None

    with pytest.raises(ConfigError, match="shop:init gave None, which is no application"):
        await serve(make_nothing(), FREE, name="shop:init")


async def test_serve_stops_the_server_when_it_is_cancelled() -> None:
    notes: list[str] = []
    app = make_webkit()
    app.cleanup_ctx.append(noting(notes, "context"))
    announcements = Announcements()
    serving = asyncio.create_task(serve(app, FREE, announce=announcements))
    await announcements.come(serving)
    serving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await serving
    assert notes == ["context entered", "context left"]


async def test_serve_leaves_the_contexts_when_it_is_cancelled_during_the_start() -> None:
    notes: list[str] = []
    starting = asyncio.Event()

    async def hang(_: Application) -> None:
        starting.set()
        await asyncio.Event().wait()

    app = make_webkit()
    app.cleanup_ctx.append(noting(notes, "context"))
    app.on_startup.append(hang)
    serving = asyncio.create_task(serve(app, FREE))
    await starting.wait()
    serving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await serving
    assert notes == ["context entered", "context left"]


async def test_a_start_that_will_not_be_cancelled_is_stopped_in_order() -> None:
    notes: list[str] = []
    starting = asyncio.Event()

    async def insist(_: Application) -> None:
        starting.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            notes.append("cancelled")

    app = make_webkit()
    app.cleanup_ctx.append(noting(notes, "context"))
    app.on_startup.append(insist)
    serving = asyncio.create_task(serve(app, FREE))
    await starting.wait()
    signal.raise_signal(signal.SIGTERM)
    await serving
    assert notes == ["context entered", "cancelled", "context left"]


# webkit.run()


def ends_at_once(app: AnyApplication) -> list[type[asyncio.AbstractEventLoop]]:
    """Make *app* end with its start; the list gets the type of the loop that it ran in."""
    loops: list[type[asyncio.AbstractEventLoop]] = []

    async def end(_: Any) -> None:
        loops.append(type(asyncio.get_running_loop()))
        signal.raise_signal(signal.SIGTERM)

    app.on_startup.append(end)
    return loops


def test_webkit_run_is_called_though_it_is_a_module() -> None:
    app = make_webkit()
    loops = ends_at_once(app)
    webkit.run(app, port=0)
    assert len(loops) == 1
    assert sys.modules["webkit.run"].Server is Server


@both_kinds
def test_run_takes_a_configuration_or_its_fields_or_a_coroutine(make: Make) -> None:
    for kwargs in ({"config": FREE}, {"host": "127.0.0.1", "port": 0, "access_log": False}):
        app = make()
        loops = ends_at_once(app)
        webkit.run(make_later(app), **kwargs)
        assert len(loops) == 1


def test_an_application_runs_itself_with_the_same_options() -> None:
    app = make_webkit()
    loops = ends_at_once(app)
    app.run(port=0, keepalive_s=5)
    assert len(loops) == 1


def test_run_uses_uvloop_where_it_is_installed() -> None:
    app = make_webkit()
    loops = ends_at_once(app)
    webkit.run(app, port=0)
    expected = "uvloop" if importlib.util.find_spec("uvloop") else "asyncio"
    assert [loop.__module__.partition(".")[0] for loop in loops] == [expected]


def test_run_uses_asyncio_where_uvloop_is_not_installed(tmp_path: Path) -> None:
    program = (
        "import sys; sys.modules['uvloop'] = None\n"
        "import asyncio, signal, webkit\n"
        "app = webkit.Application()\n"
        "async def end(_):\n"
        "    print(type(asyncio.get_running_loop()).__module__)\n"
        "    signal.raise_signal(signal.SIGTERM)\n"
        "app.on_startup.append(end)\n"
        "webkit.run(app, port=0)\n"
    )
    output = subprocess.check_output([sys.executable, "-c", program], cwd=tmp_path, env=environment(), text=True)
    assert output.startswith("asyncio.")


def test_run_in_another_thread_leaves_the_signals_alone() -> None:
    """Only the main thread may handle them."""
    before = signal.getsignal(signal.SIGTERM)
    seen: list[object] = []
    app = make_webkit()

    async def give_up(_: Application) -> None:
        seen.append(signal.getsignal(signal.SIGTERM))
        raise LookupError("enough")

    app.on_startup.append(give_up)

    def run() -> None:
        with pytest.raises(LookupError, match="enough"):
            webkit.run(app, port=0)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert seen == [before]


def test_run_refuses_an_unknown_option_and_lists_what_there_is() -> None:
    with pytest.raises(ConfigError, match=r"run\(\) has no option prot; there are host, port, path, "):
        webkit.run(make_webkit(), prot=8000)
    with pytest.raises(ConfigError, match=r"run\(\) has no option prot; there are "):
        make_webkit().run(prot=8000)


def test_run_refuses_a_configuration_beside_options() -> None:
    with pytest.raises(ConfigError, match="Give either a ServerConfig or options, not both: port"):
        webkit.run(make_webkit(), ServerConfig(), port=8000)


def test_run_refuses_an_option_out_of_range() -> None:
    with pytest.raises(ConfigError, match="70000 is no port"):
        webkit.run(make_webkit(), port=70000)


def test_run_raises_what_a_startup_step_raises() -> None:
    notes: list[str] = []
    app = make_webkit()
    app.cleanup_ctx.append(noting(notes, "context"))
    app.on_startup.append(fail)
    with pytest.raises(LookupError, match="no database"):
        webkit.run(app, port=0)
    assert notes == ["context entered", "context left"]


def test_run_raises_when_the_port_is_in_use() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(AddressError):
        webkit.run(make_webkit(), host="127.0.0.1", port=taken.getsockname()[1])
