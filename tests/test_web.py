"""``from webkit import web``: every name of aiohttp.web, webkit's where it has its own."""

import asyncio
import inspect
import json
import logging
import queue
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import aiohttp.web
import pytest
from aiohttp import ClientSession, UnixConnector

import webkit
import webkit.run
from tests.serving import Answer, Serve
from webkit import ConfigError, web

OURS = {
    "Application": webkit.Application,
    "AppRunner": web.AppRunner,
    "Response": webkit.Response,
    "View": webkit.View,
    "WebSocketResponse": webkit.WebSocketResponse,
    "json_response": web.json_response,
    "run_app": web.run_app,
}


def test_every_name_of_aiohttp_is_there_and_no_other() -> None:
    assert set(web.__all__) == set(aiohttp.web.__all__)


@pytest.mark.parametrize("name", aiohttp.web.__all__)
def test_a_name_is_webkits_where_webkit_has_its_own_and_else_aiohttps(name: str) -> None:
    assert getattr(web, name) is OURS.get(name, getattr(aiohttp.web, name))
    assert (getattr(web, name) is getattr(aiohttp.web, name)) is (name not in OURS)


def test_names_that_aiohttp_has_lost_are_there_too() -> None:
    assert web.MsgType.text is web.WSMsgType.TEXT
    assert web.HttpVersion(1, 1) == aiohttp.HttpVersion11


@pytest.mark.parametrize("name", ["json_response", "run_app"])
def test_a_function_takes_what_aiohttps_takes(name: str) -> None:
    def shape(function: Any) -> list[tuple[str, Any]]:
        return [(parameter.name, parameter.kind) for parameter in inspect.signature(function).parameters.values()]

    assert shape(getattr(web, name)) == shape(getattr(aiohttp.web, name))


@pytest.mark.parametrize(
    "code",
    [
        "from webkit import web; web.Application",
        "import webkit.web; webkit.web.Application",
        "import webkit; webkit.web.Application",
        "from webkit.web import Application, Request, json_response",
    ],
)
def test_the_module_is_found_in_every_spelling(code: str) -> None:
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True)


# An application that knows nothing of webkit

routes = web.RouteTableDef()


@routes.get("/users/{name}", name="user")
async def show_user(request: web.Request) -> web.Response:
    return web.json_response({"name": request.match_info["name"]})


@routes.view("/items")
class Items(web.View):
    async def get(self) -> web.StreamResponse:
        return web.Response(text="items")

    async def post(self) -> web.StreamResponse:
        raise web.HTTPCreated(headers={"Location": str(self.request.app.router["user"].url_for(name="Ada"))})


@web.middleware
async def add_header(request: web.Request, handler: Any) -> web.StreamResponse:
    response: web.StreamResponse = await handler(request)
    response.headers["X-Old"] = "yes"
    return response


def make_app() -> web.Application:
    app = web.Application(
        middlewares=[add_header, web.normalize_path_middleware(append_slash=False, remove_slash=True)]
    )
    app.add_routes(routes)
    return app


async def test_an_application_of_aiohttps_runs_with_one_changed_line(serve: Serve) -> None:
    client = await serve(make_app())
    answer = await client.get("/users/Ada")
    assert (answer.json, answer.headers["X-Old"]) == ({"name": "Ada"}, "yes")
    assert (await client.get("/items")).text == "items"
    assert (await client.post("/items")).headers["Location"] == "/users/Ada"
    assert (await client.get("/items/")).status == 308
    assert (await client.request("PUT", "/items")).headers["Allow"] == "GET,HEAD,OPTIONS,POST"


async def test_a_folder_among_the_routes_is_served(serve: Serve, tmp_path: Path) -> None:
    (tmp_path / "site.css").write_text("body {}")
    app = web.Application()
    app.add_routes([web.get("/", show_user), web.static("/static", tmp_path)])
    client = await serve(app)
    assert (await client.get("/static/site.css")).text == "body {}"


async def test_a_runner_of_aiohttps_takes_the_application() -> None:
    runner = web.AppRunner(make_app(), shutdown_timeout=1)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        async with (
            ClientSession() as session,
            session.get(f"http://127.0.0.1:{runner.addresses[0][1]}/items") as answer,
        ):
            assert await answer.text() == "items"
    finally:
        await runner.cleanup()


# json_response


class Name(str):
    """What msgspec does not know, and json does."""


def test_json_is_encoded_by_msgspec() -> None:
    response = web.json_response({"a": [1, None], "é": (2,)}, status=201, headers={"X-Y": "z"}, reason="Made")
    assert isinstance(response, webkit.Response)
    assert response.body == '{"a":[1,null],"é":[2]}'.encode()
    assert (response.status, response.reason, response.headers["X-Y"]) == (201, "Made", "z")
    assert response.content_type == "application/json"


@pytest.mark.parametrize("data", [Name("Ada"), {None: 1, True: [Name("x")]}, "\ud800"])
def test_what_only_the_standard_library_can_encode_is_left_to_it(data: Any) -> None:
    assert web.json_response(data).text == json.dumps(data)


def test_what_is_no_json_is_refused() -> None:
    with pytest.raises(TypeError, match="not JSON serializable"):
        web.json_response(object())


def test_an_encoder_of_ones_own_is_used() -> None:
    response = web.json_response([1, 2], dumps=lambda data: f"<{data}>", content_type="application/vnd.x+json")
    assert (response.text, response.content_type) == ("<[1, 2]>", "application/vnd.x+json")


def test_json_that_is_made_already_is_sent_as_it_is() -> None:
    assert web.json_response(text='{"a": 1}').text == '{"a": 1}'
    assert web.json_response(body=b'{"a": 1}').body == b'{"a": 1}'
    assert web.json_response(None).body == b"null"


@pytest.mark.parametrize("other", [{"text": "{}"}, {"body": b"{}"}, {"text": ""}])
def test_data_and_ready_made_json_exclude_each_other(other: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="one of data, text and body"):
        web.json_response({}, **other)


# run_app


@contextmanager
def run_in_thread(app: Any, **options: Any) -> Iterator[str]:
    """``web.run_app(app, ...)`` in a thread; gives what it prints first, and stops it by ``GracefulExit``."""
    printed: queue.Queue[str] = queue.Queue()
    loops: queue.Queue[asyncio.AbstractEventLoop] = queue.Queue()
    errors: list[BaseException] = []

    async def note_loop(app: web.Application) -> None:
        loops.put(asyncio.get_running_loop())

    async def prepare() -> Any:
        prepared = await app if inspect.isawaitable(app) else app
        prepared.on_startup.append(note_loop)
        return prepared

    def run() -> None:
        try:
            web.run_app(prepare(), print=printed.put, **options)
        except BaseException as error:
            errors.append(error)

    def leave() -> None:
        raise web.GracefulExit

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield printed.get(timeout=20)
    finally:
        loops.get(timeout=20).call_soon_threadsafe(leave)
        thread.join(20)
        assert not thread.is_alive()
        assert errors == []


async def ask(url: str, **options: Any) -> Answer:
    async with ClientSession(**options) as session, session.get(url) as answer:
        return Answer(answer.status, answer.headers, await answer.read())


def url_in(banner: str) -> str:
    return next(word for word in banner.split() if word.startswith("http://"))


async def test_an_application_is_served_until_somebody_raises_graceful_exit(caplog: pytest.LogCaptureFixture) -> None:
    """AW-007."""
    stopped: list[str] = []

    async def note(app: web.Application) -> None:
        stopped.append("clean")

    app = make_app()
    app.on_cleanup.append(note)
    with caplog.at_level(logging.INFO), run_in_thread(app, host="127.0.0.1", port=0) as banner:
        answer = await ask(url_in(banner) + "/items")
        assert answer.text == "items"
        assert stopped == []
    assert stopped == ["clean"]
    (line,) = [record.getMessage() for record in caplog.records if record.name == "webkit.access"]
    assert re.fullmatch(r'127.0.0.1 \[.+\] "GET /items HTTP/1.1" 200 \d+ "-" "Python/.+"', line)


async def test_an_application_may_be_awaited_for() -> None:
    """AW-007."""

    async def make() -> web.Application:
        return make_app()

    with run_in_thread(make(), host="127.0.0.1", port=0) as banner:
        assert (await ask(url_in(banner) + "/items")).text == "items"


async def test_a_plain_application_of_aiohttps_is_served_too() -> None:
    async def hello(request: web.Request) -> web.Response:
        return web.Response(text="plain")

    app = aiohttp.web.Application()
    app.router.add_get("/", hello)
    with run_in_thread(app, host="127.0.0.1", port=0) as banner:
        assert (await ask(url_in(banner))).text == "plain"


async def test_an_old_format_of_the_access_log_is_understood(caplog: pytest.LogCaptureFixture) -> None:
    with (
        caplog.at_level(logging.INFO),
        run_in_thread(make_app(), host="127.0.0.1", port=0, access_log_format="%(h)s %(l)s %(s)s") as banner,
    ):
        await ask(url_in(banner) + "/items")
    assert [record.getMessage() for record in caplog.records if record.name == "webkit.access"] == ["127.0.0.1 - 200"]


async def test_without_an_access_log_none_is_written(caplog: pytest.LogCaptureFixture) -> None:
    with (
        caplog.at_level(logging.INFO),
        run_in_thread(make_app(), host="127.0.0.1", port=0, access_log=None) as banner,
    ):
        await ask(url_in(banner) + "/items")
    assert not [record for record in caplog.records if record.name == "webkit.access"]


async def test_a_path_alone_means_no_port(tmp_path: Path) -> None:
    path = tmp_path / "socket"
    with run_in_thread(make_app(), path=path) as banner:
        assert "http://127.0.0.1" not in banner
        answer = await ask("http://localhost/items", connector=UnixConnector(str(path)))
        assert answer.text == "items"


async def test_a_socket_that_is_open_alone_means_no_other() -> None:
    opened = socket.create_server(("127.0.0.1", 0))
    port = opened.getsockname()[1]
    with run_in_thread(make_app(), sock=opened) as banner:
        assert re.findall(r"http://\S+", banner) == [f"http://127.0.0.1:{port}"]
        assert (await ask(f"http://127.0.0.1:{port}/items")).text == "items"


async def test_several_hosts_and_sockets_are_served_at_once() -> None:
    opened = [socket.create_server(("127.0.0.1", 0)), socket.create_server(("127.0.0.1", 0))]
    with run_in_thread(make_app(), host=["127.0.0.1", "localhost"], port=0, sock=opened) as banner:
        urls = re.findall(r"http://\S+", banner.replace(",", " "))
        assert len(urls) == 4
        for url in urls:
            assert (await ask(f"{url}/items")).text == "items"


async def test_without_a_host_it_listens_on_every_address() -> None:
    with run_in_thread(make_app(), port=0) as banner:
        url = next(url for url in re.findall(r"http://[^\s,]+", banner) if "0.0.0.0" in url)
        assert (await ask(url.replace("0.0.0.0", "127.0.0.1") + "/items")).text == "items"


async def test_a_loop_that_is_given_is_used_and_closed() -> None:
    loop = asyncio.new_event_loop()
    seen: list[asyncio.AbstractEventLoop] = []

    async def note(app: web.Application) -> None:
        seen.append(asyncio.get_running_loop())

    app = make_app()
    app.on_startup.append(note)
    with run_in_thread(app, host="127.0.0.1", port=0, loop=loop):
        pass
    assert seen == [loop]
    assert loop.is_closed()


SCRIPT = """\
import sys
from webkit import web

async def cleanup(app):
    print("clean", flush=True)

app = web.Application()
app.on_cleanup.append(cleanup)
web.run_app(app, host="127.0.0.1", port=0, handle_signals={handles})
print("after", flush=True)
"""


@pytest.mark.parametrize(
    ("number", "handles"),
    [(signal.SIGTERM, True), (signal.SIGINT, True), (signal.SIGINT, False)],
    ids=["SIGTERM", "SIGINT", "SIGINT without a handler"],
)
def test_a_signal_stops_it_in_order_and_the_program_goes_on(number: signal.Signals, handles: bool) -> None:
    """AW-007, AW-033."""
    command = [sys.executable, "-W", "error", "-c", SCRIPT.format(handles=handles)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            assert "http://127.0.0.1:" in process.stdout.readline()
            process.send_signal(number)
            rest, log = process.communicate(timeout=20)
        finally:
            process.kill()  # or the block would wait for it
    assert (process.returncode, rest) == (0, "clean\nafter\n"), log
    assert "Traceback" not in log


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"path": ["/tmp/a", "/tmp/b"]}, "one path"),
    ({"access_log_class": aiohttp.abc.AbstractAccessLogger}, "handler_args={'access_log_class': "),
    ({"access_log": logging.getLogger("shop.access")}, "handler_args={'access_log': "),
    ({"max_line_size": 100, "lingering_time": 1}, "handler_args={'max_line_size': 100, 'lingering_time': 1}"),
    ({"port": 70000}, "no port"),
]


@pytest.mark.parametrize(("options", "remedy"), REFUSED)
def test_what_cannot_be_said_here_is_refused_with_the_place_where_it_is(options: dict[str, Any], remedy: str) -> None:
    with pytest.raises(ConfigError) as caught:
        web.run_app(web.Application(), **options)
    assert remedy in str(caught.value)


async def test_what_goes_to_the_protocol_is_taken_by_the_application(caplog: pytest.LogCaptureFixture) -> None:
    logger = logging.getLogger("shop.access")
    app = web.Application(handler_args={"access_log": logger, "handler_cancellation": True})
    app.add_routes(routes)
    with caplog.at_level(logging.INFO), run_in_thread(app, host="127.0.0.1", port=0) as banner:
        await ask(url_in(banner) + "/items")
    assert [record.name for record in caplog.records if "/items" in record.getMessage()] == ["shop.access"]
