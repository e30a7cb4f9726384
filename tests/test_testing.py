"""The test client and the plugin for pytest, used as in a project that tests its application."""

import asyncio
import io
import logging
import os
import socket
import ssl
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from datetime import date
from importlib import import_module
from pathlib import Path
from typing import Any, TypeAlias
from uuid import UUID

import pytest
from aiohttp import ClientConnectionError, ClientResponseError, WSCloseCode, WSMsgType, hdrs, test_utils, web
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Struct
from yarl import URL

from tests.processes import environment, is_listened_on
from tests.test_docs import ROOT, read_blocks
from webkit import Application, ConfigError, FormBody, ServerConfig
from webkit.requests import REQUEST_ID
from webkit.testing import PendingResponse, TestClient, TestServer

AnyApplication: TypeAlias = Application | web.Application
Make: TypeAlias = Callable[[], AnyApplication]


async def hello(request: web.Request) -> web.Response:
    return web.Response(text=f"hello {request.method}")


def make_webkit() -> Application:
    app = Application()
    app.add_route("*", "/", hello)
    return app


def make_plain() -> web.Application:
    app = web.Application()
    app.router.add_route("*", "/", hello)
    return app


both_kinds = pytest.mark.parametrize("make", [make_webkit, make_plain])


async def fail(_: Any) -> None:
    raise LookupError("no database")


async def fail_otherwise(_: Any) -> None:
    raise OSError("no disk")


async def failing_context(_: Any) -> AsyncIterator[None]:
    yield
    raise LookupError("no database")


# A client


@both_kinds
async def test_a_client_asks_the_application_by_path(make: Make) -> None:
    app = make()
    async with TestClient(app) as client:
        response = await client.get("/")
        assert (response.status, await response.text()) == (200, "hello GET")
        async with client.get("/gone") as response:
            assert response.status == 404
        assert client.app is app


@pytest.mark.parametrize("method", ["get", "post", "put", "patch", "delete", "options"])
async def test_every_method_has_a_name(method: str) -> None:
    async with TestClient(make_webkit()) as client:
        response = await getattr(client, method)("/")
        assert await response.text() == f"hello {method.upper()}"
        assert (await client.head("/")).headers[hdrs.CONTENT_LENGTH] == "10"
        assert await (await client.request("PURGE", "/")).text() == "hello PURGE"


@both_kinds
async def test_the_server_is_the_one_that_runs_in_production(make: Make) -> None:
    async def tell(request: web.Request) -> web.Response:
        return web.Response(text=request[REQUEST_ID])

    app = make()
    app.router.add_get("/id", tell)
    async with TestClient(app, config=ServerConfig(request_id_header="X-Request-ID")) as client:
        response = await client.get("/id", headers={"X-Request-ID": "from-the-proxy"})
        assert await response.text() == "from-the-proxy"


async def test_only_a_free_port_of_this_machine_is_listened_on_whatever_the_configuration_says(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        config = ServerConfig(host="0.0.0.0", port=port, path=tmp_path / "socket", sockets=[taken])
        async with TestClient(make_webkit(), config=config) as one, TestClient(make_webkit(), config=config) as other:
            assert (one.host, other.host) == ("127.0.0.1", "127.0.0.1")
            assert len({one.port, other.port, port, None}) == 4
            assert one.make_url("/a?b=c") == URL(f"http://127.0.0.1:{one.port}/a?b=c")
            assert not (tmp_path / "socket").exists()


async def test_with_tls_the_scheme_is_https_and_nothing_is_redirected() -> None:
    config = ServerConfig(ssl_context=ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), redirect_port=80)
    async with TestServer(make_webkit(), config=config) as server:
        assert server.make_url("/") == URL(f"https://127.0.0.1:{server.port}/")


@pytest.mark.parametrize(("config", "lines"), [(None, 0), (ServerConfig(), 1)])
async def test_there_is_an_access_log_where_the_configuration_asks_for_it(
    caplog: pytest.LogCaptureFixture, config: ServerConfig | None, lines: int
) -> None:
    caplog.set_level(logging.INFO)
    async with TestClient(make_webkit(), config=config) as client:
        await client.get("/")
    assert [record.name for record in caplog.records].count("webkit.access") == lines


async def test_cookies_are_kept_and_arguments_go_to_the_session() -> None:
    app = Application()

    @app.get("/log-in")
    async def log_in(request: web.Request) -> web.Response:
        response = web.Response()
        response.set_cookie("user", "Ada")
        return response

    @app.get("/me")
    async def me(request: web.Request) -> str:
        return f"{request.cookies.get('user')} {request.headers['X-From']}"

    async with TestClient(app, headers={"X-From": "test"}) as client:
        assert await (await client.get("/me")).text() == "None test"
        await client.get("/log-in")
        assert await (await client.get("/me")).text() == "Ada test"
        client.session.cookie_jar.clear()
        assert await (await client.get("/me")).text() == "None test"


async def test_a_whole_url_is_refused_because_the_client_asks_its_own_server() -> None:
    async with TestClient(make_webkit()) as client:
        with pytest.raises(ValueError, match=r"'http://example.org/' is no path of this server\. Write '/\.\.\.'"):
            await client.get("http://example.org/")


async def test_a_request_before_the_start_or_after_the_end_says_what_to_write() -> None:
    client = TestClient(make_webkit())
    with pytest.raises(RuntimeError, match="does not run: write `async with TestClient"):
        await client.get("/")
    async with client:
        port = client.port
    assert port is not None
    with pytest.raises(RuntimeError, match="does not run"):
        await client.get("/")
    assert not await is_listened_on(port)
    await client.close()  # once more does no harm


# What is tested


async def make_later() -> Application:
    return make_webkit()


WRONG: list[tuple[Callable[[], Any], str]] = [
    (make_later, r"<coroutine object make_later .*>\. Await it first\."),
    (lambda: make_webkit, r"<function make_webkit .*>\. Call it first"),
    (lambda: test_utils.TestServer(make_plain()), "Pass the application: webkit's TestClient makes the server"),
    (lambda: None, r"not None\. Pass a webkit\.Application, or a web\.Application of aiohttp"),
]


@pytest.mark.parametrize(("make", "message"), WRONG)
@pytest.mark.parametrize("kind", [TestClient, TestServer])
async def test_what_is_no_application_is_refused_with_the_remedy(
    kind: type[TestClient | TestServer], make: Callable[[], Any], message: str
) -> None:
    with pytest.raises(TypeError, match=message):
        kind(make())


@both_kinds
async def test_an_application_is_tested_once(make: Make) -> None:
    app = make()
    async with TestClient(app):
        with pytest.raises(ConfigError, match=r"was served already.* Make a new one for each test"):
            TestClient(app)


@both_kinds
async def test_an_application_that_is_mounted_in_another_is_not_tested_alone(make: Make) -> None:
    app = make()
    Application().mount("/app", app)
    with pytest.raises(ConfigError, match="mounted in another application"):
        TestClient(app)


def test_a_client_that_is_made_outside_of_a_coroutine_says_so() -> None:
    with pytest.raises(RuntimeError, match="Make a TestClient within `async def`"):
        TestClient(make_webkit())


# Errors


@both_kinds
async def test_an_error_of_the_start_comes_through_and_everything_is_closed(make: Make) -> None:
    app, client = make(), None
    left: list[bool] = []

    async def context(_: Any) -> AsyncIterator[None]:
        yield
        left.append(True)

    app.cleanup_ctx.append(context)
    app.on_startup.append(fail)
    with pytest.raises(LookupError, match="no database"):
        async with (client := TestClient(app)):
            pass
    assert client is not None
    assert client.session.closed
    assert left == [True]


@both_kinds
@pytest.mark.parametrize("when", ["on_shutdown", "on_cleanup"])
async def test_an_error_of_the_end_comes_through_and_the_port_is_free(make: Make, when: str) -> None:
    app, port = make(), 0
    getattr(app, when).append(fail)
    with pytest.raises(LookupError, match="no database"):
        async with TestClient(app) as client:
            port = int(client.port or 0)
    assert client.session.closed
    assert not await is_listened_on(port)


@both_kinds
async def test_an_error_of_a_context_that_is_left_comes_through(make: Make) -> None:
    app = make()
    app.cleanup_ctx.append(failing_context)
    with pytest.raises(LookupError, match="no database"):
        async with TestClient(app):
            pass


async def test_two_errors_of_the_end_come_through_together() -> None:
    app = make_webkit()
    app.on_shutdown.append(fail)
    app.on_cleanup.append(fail_otherwise)
    with pytest.raises(ExceptionGroup) as caught:
        async with TestClient(app):
            pass
    assert [type(error) for error in caught.value.exceptions] == [LookupError, OSError]


async def test_an_error_of_the_end_does_not_hide_that_of_the_test() -> None:
    app = make_webkit()
    app.on_cleanup.append(fail)
    with pytest.raises(LookupError) as caught:
        async with TestClient(app):
            raise AssertionError("the test")
    assert str(caught.value.__context__) == "the test"


async def test_a_handler_that_crashes_is_a_500_whose_traceback_is_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    app = Application()
    app.add_get("/", fail)
    async with TestClient(app) as client:
        assert (await client.get("/")).status == 500
    (record,) = [record for record in caplog.records if record.exc_info]
    assert record.exc_info is not None
    assert isinstance(record.exc_info[1], LookupError)
    assert record.name == "webkit"


async def test_raise_for_status_makes_every_error_one_of_the_test() -> None:
    async with TestClient(make_webkit(), raise_for_status=True) as client:
        with pytest.raises(ClientResponseError, match="404"):
            await client.get("/gone")


# What a test leaves open


async def test_websockets_and_responses_that_a_test_leaves_open_are_closed() -> None:
    codes: list[int | None] = []
    broken: list[bool] = []
    app = Application()

    @app.get("/socket")
    async def echo(request: web.Request) -> web.WebSocketResponse:
        websocket = web.WebSocketResponse()
        await websocket.prepare(request)
        async for message in websocket:
            await websocket.send_str(f"{message.data}!")
        codes.append(websocket.close_code)
        return websocket

    @app.get("/endless")
    async def endless(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        try:
            while True:
                await response.write(b"." * 65_536)
        except ConnectionError:
            broken.append(True)
        return response

    async with TestClient(app) as client:
        websocket = await client.ws_connect("/socket")
        await websocket.send_str("hello")
        assert await websocket.receive_str() == "hello!"
        response = await client.get("/endless")
        assert await response.content.readexactly(2) == b".."
    assert codes == [WSCloseCode.OK]
    assert broken == [True]
    assert (await websocket.receive()).type == WSMsgType.CLOSED
    with pytest.raises(ClientConnectionError):
        await response.read()


# Forms


@pytest.fixture
async def echoing() -> AsyncIterator[TestClient]:
    """A client of an application that tells what it was sent."""
    app = Application()

    @app.post("/raw")
    @app.get("/raw")
    async def raw(request: web.Request) -> dict[str, str]:
        return {"type": request.content_type, "query": request.query_string, "body": (await request.read()).decode()}

    @app.post("/fields")
    async def fields(request: web.Request) -> list[tuple[str, str]]:
        form = await request.post()
        return [(name, describe(value)) for name, value in form.items()]

    @app.route("*", "/json")
    async def json(request: web.Request) -> dict[str, str]:
        text = (await request.read()).decode()
        return {"method": request.method, "accept": request.headers["Accept"], "body": text} | (
            {"type": request.content_type} if text else {}
        )

    async with TestClient(app) as client:
        yield client


def describe(value: Any) -> str:
    """A text as it is; a file as NAME TYPE CONTENT, and an input where none was chosen."""
    if value == bytearray():
        return "none chosen"
    if isinstance(value, web.FileField):
        return f"{value.filename} {value.content_type} {value.file.read().decode()}"
    return str(value)


URL_ENCODED: list[tuple[dict[str, Any], str]] = [
    ({}, ""),
    ({"name": "Ada"}, "name=Ada"),
    ({"a": "b c", "ü": "é&=+"}, "a=b+c&%C3%BC=%C3%A9%26%3D%2B"),
    ({"page": 2, "price": 1.5}, "page=2&price=1.5"),
    ({"tag": ["old", "red", 3], "empty": [], "blank": ""}, "tag=old&tag=red&tag=3&blank="),
]


@pytest.mark.parametrize(("data", "encoded"), URL_ENCODED)
async def test_a_form_without_a_file_is_url_encoded(echoing: TestClient, data: dict[str, Any], encoded: str) -> None:
    sent = await (await echoing.form("/raw", data)).json()
    assert sent == {"type": "application/x-www-form-urlencoded", "query": "", "body": encoded}


@pytest.mark.parametrize(("data", "encoded"), URL_ENCODED)
async def test_a_form_with_get_is_in_the_query(echoing: TestClient, data: dict[str, Any], encoded: str) -> None:
    sent = await (await echoing.form("/raw", data, method="GET")).json()
    assert dict(URL(f"/?{sent['query']}").query) == dict(URL(f"/?{encoded}", encoded=True).query)
    assert sent["body"] == ""


async def test_of_a_file_in_the_query_there_is_the_name_as_browsers_have_it(echoing: TestClient) -> None:
    sent = await (await echoing.form("/raw", {"picture": ("cat.png", b"...")}, method="get")).json()
    assert sent["query"] == "picture=cat.png"


@pytest.fixture
def note(tmp_path: Path) -> Path:
    """A file to send."""
    path = tmp_path / "note.txt"
    path.write_text("hello")
    return path


def files_of(path: Path) -> Iterator[tuple[Any, str]]:
    """Every way to write a file, and what arrives."""
    yield path, "note.txt text/plain hello"
    yield ("cat.png", b"..."), "cat.png image/png ..."
    yield ("cat.png", "..."), "cat.png image/png ..."
    yield ("cat.png", io.BytesIO(b"...")), "cat.png image/png ..."
    yield ("cat.png", io.StringIO("...")), "cat.png image/png ..."
    yield ("cat", b"..."), "cat application/octet-stream ..."
    yield ("cat", b"...", "image/webp"), "cat image/webp ..."
    yield ("", b""), "none chosen"
    yield ('é "so" ü.txt', b"..."), 'é "so" ü.txt text/plain ...'


async def test_a_form_with_a_file_is_multipart(echoing: TestClient, note: Path) -> None:
    for value, described in files_of(note):
        sent = await (await echoing.form("/fields", {"é": "ü", "file": value, "tag": ["a", 1]})).json()
        assert sent == [["é", "ü"], ["file", described], ["tag", "a"], ["tag", "1"]]
    assert (await (await echoing.form("/raw", {"file": note})).json())["type"] == "multipart/form-data"


async def test_a_file_that_is_open_is_sent_under_its_name_and_stays_open(echoing: TestClient, note: Path) -> None:
    with note.open("rb") as binary, note.open() as text:
        sent = await (await echoing.form("/fields", {"file": [binary, text]})).json()
        assert not binary.closed
    assert sent == [["file", "note.txt text/plain hello"]] * 2


NO_FIELDS: list[tuple[Any, str]] = [
    (True, r"'field' cannot be True\. Write 'on', which a ticked box sends, or leave the field out"),
    (b"..." * 1000, r"cannot be b'[.']{,30}\. A file needs a name: write \('name.txt', content\)"),
    (io.BytesIO(), "A file needs a name"),
    (("cat.png", 3), "The content of a file is bytes, a text or an open file"),
    (("cat.png",), "Write a text, a number, a Path"),
    (("cat.png", b"", None), "Write a text, a number, a Path"),
    (None, "cannot be None. Write a text, a number, a Path"),
    ({"a": "b"}, "Write a text, a number, a Path"),
    (["a", ["b"]], r"cannot be \['b'\]\. Write a text, a number, a Path"),
]


@pytest.mark.parametrize(("value", "message"), NO_FIELDS)
async def test_what_a_form_cannot_hold_is_refused(echoing: TestClient, value: Any, message: str) -> None:
    with pytest.raises(TypeError, match=message) as caught:
        await echoing.form("/fields", {"field": value})
    assert str(caught.value).startswith("The form field 'field' cannot be ")


async def test_an_open_file_without_a_name_is_refused(echoing: TestClient) -> None:
    with tempfile.TemporaryFile() as file, pytest.raises(TypeError, match="A file needs a name"):
        await echoing.form("/fields", {"field": file})


texts = st.text(st.characters(exclude_categories=["Cs"]))
# In a multipart form names stand in headers, and aiohttp reads few marks in them.
names = st.text(st.characters(categories=["L", "N"]), min_size=1)


async def answer_with_texts(request: web.Request) -> list[list[str]]:
    form = await request.post()
    return [[name, value] for name, value in form.items() if isinstance(value, str)]


def test_every_text_arrives_as_it_was_written() -> None:
    app = Application()
    app.add_post("/", answer_with_texts)

    async def send(data: dict[str, Any]) -> Any:
        return await (await client.form("/", data)).json()

    @given(data=st.dictionaries(names, texts | st.lists(texts)), file=st.sampled_from([{}, {"a file": ("name", b"")}]))
    def check(data: dict[str, str | list[str]], file: dict[str, Any]) -> None:
        listed = {name: value if isinstance(value, list) else [value] for name, value in data.items()}
        expected = [[name, text] for name, texts in listed.items() for text in texts]
        assert runner.run(send(file | data)) == expected

    async def make_client() -> TestClient:
        return await TestClient(app).__aenter__()

    with asyncio.Runner() as runner:
        client = runner.run(make_client())
        try:
            check()
        finally:
            runner.run(client.close())


async def test_a_name_with_a_control_character_is_refused(echoing: TestClient) -> None:
    with pytest.raises(ValueError, match="control character"):
        await echoing.form("/fields", {"a\r\nX-Injected: 1": "b"})


class Book(Struct):
    title: str
    year: int
    tags: list[str] = []


async def test_a_form_fills_what_a_handler_takes() -> None:
    app = Application()

    @app.post("/books")
    async def add_book(book: FormBody[Book], cover: FormBody[web.FileField]) -> str:
        return f"{book.title} {book.year} {book.tags} {cover.filename}"

    async with TestClient(app) as client:
        form: dict[str, Any] = {"title": "Kim", "year": 1901, "tags": ["spy", "india"], "cover": ("kim.png", b"...")}
        assert await (await client.form("/books", form)).text() == "Kim 1901 ['spy', 'india'] kim.png"


# JSON


@dataclass
class Point:
    x: int
    y: int


JSON_VALUES: list[tuple[Any, str]] = [
    ({"name": "Ada"}, '{"name":"Ada"}'),
    ([1, None], "[1,null]"),
    (None, "null"),
    ("text", '"text"'),
    (Book("Kim", 1901), '{"title":"Kim","year":1901,"tags":[]}'),
    (Point(1, 2), '{"x":1,"y":2}'),
    ({"at": date(2026, 1, 31), "id": UUID(int=0)}, '{"at":"2026-01-31","id":"00000000-0000-0000-0000-000000000000"}'),
]


@pytest.mark.parametrize(("value", "body"), JSON_VALUES)
async def test_json_is_sent_from_everything_that_handlers_return(echoing: TestClient, value: Any, body: str) -> None:
    sent = await (await echoing.json("/json", value)).json()
    assert sent == {"method": "POST", "accept": "application/json", "type": "application/json", "body": body}
    sent = await (await echoing.json("/json", value, method="PUT")).json()
    assert (sent["method"], sent["body"]) == ("PUT", body)


async def test_without_a_value_json_is_asked_for(echoing: TestClient) -> None:
    sent = await (await echoing.json("/json")).json()
    assert sent == {"method": "GET", "accept": "application/json", "body": ""}
    assert (await (await echoing.json("/json", method="DELETE")).json())["method"] == "DELETE"


async def test_the_headers_of_a_json_request_can_be_said(echoing: TestClient) -> None:
    headers = {"accept": "application/hal+json", "content-type": "application/merge-patch+json"}
    sent = await (await echoing.json("/json", {}, headers=headers)).json()
    assert (sent["accept"], sent["type"]) == ("application/hal+json", "application/merge-patch+json")
    assert headers == {"accept": "application/hal+json", "content-type": "application/merge-patch+json"}


async def test_what_cannot_be_json_is_refused_before_anything_is_sent(echoing: TestClient) -> None:
    with pytest.raises(TypeError, match="object is unsupported"):
        await echoing.json("/json", object())


async def test_an_error_comes_as_a_problem_document_where_json_is_asked_for(echoing: TestClient) -> None:
    response = await echoing.json("/gone")
    assert (response.status, response.content_type) == (404, "application/problem+json")
    assert (await response.json())["title"] == "Not Found"


async def test_a_form_and_json_can_be_awaited_and_entered_as_every_request(echoing: TestClient) -> None:
    pending: list[Callable[[], PendingResponse]] = [
        lambda: echoing.get("/json"),
        lambda: echoing.json("/json"),
        lambda: echoing.form("/fields", {"a": "b"}),
    ]
    for ask in pending:
        assert (await ask()).status == 200
        async with ask() as response:
            assert response.status == 200


async def test_options_of_a_request_go_with_a_form() -> None:
    app = Application()

    @app.post("/")
    async def redirect(request: web.Request) -> web.Response:
        raise web.HTTPSeeOther("/done")

    @app.get("/done")
    async def done(request: web.Request) -> str:
        return "done"

    async with TestClient(app) as client:
        assert await (await client.form("/", {"a": "b"})).text() == "done"
        response = await client.form("/", {"a": "b"}, allow_redirects=False)
        assert (response.status, response.headers["Location"]) == (303, "/done")


# A server alone


async def test_a_server_is_for_every_client_that_takes_one_of_aiohttp() -> None:
    app = make_webkit()
    async with test_utils.TestClient(TestServer(app)) as client:
        assert await (await client.get("/")).text() == "hello GET"
        server = client.server
        assert isinstance(server, TestServer)
        assert server.application is app
        assert client.app is app.aiohttp
        assert (server.started, server.closed, server.scheme) == (True, False, "http")
    assert (server.started, server.closed, server.port) == (True, True, None)


async def test_a_server_starts_once_and_stops_once() -> None:
    events: list[str] = []

    def note(event: str) -> Callable[[Any], Awaitable[None]]:
        async def handler(_: Any) -> None:
            events.append(event)

        return handler

    app = make_webkit()
    app.on_startup.append(note("start"))
    app.on_cleanup.append(note("end"))
    server = TestServer(app)
    await server.close()
    assert not server.started
    for _ in range(2):
        await server.start_server()
    for _ in range(2):
        await server.close()
    await server.start_server()
    assert events == ["start", "end"]


async def test_options_of_serving_belong_to_the_configuration() -> None:
    with pytest.raises(TypeError, match=r"ssl: say how to serve by TestServer\(app, config=ServerConfig"):
        await TestServer(make_webkit()).start_server(ssl=None)


# The plugin, in a project of its own

APP = """
import pytest
from webkit import Application

def create_app():
    app = Application()
    @app.get("/")
    async def hello(request):
        return "hello"
    return app

@pytest.fixture
def app():
    return create_app()
"""


def run_pytest(
    folder: Path, tests: str, *words: str, conftest: str = APP, mode: str = "auto", **more: str
) -> tuple[int, str]:
    """Run pytest over one module of tests in *folder*; give its exit code and its output."""
    (folder / "conftest.py").write_text(conftest)
    (folder / "test_it.py").write_text(tests)
    asyncio_options = f"asyncio_mode = {mode}\nasyncio_default_fixture_loop_scope = function\n" if mode else ""
    (folder / "pytest.ini").write_text(f"[pytest]\n{asyncio_options}")
    return run_pytest_in(folder, *words, **more)


def run_pytest_in(folder: Path, *words: str, **more: str) -> tuple[int, str]:
    """Run pytest, warnings as errors, over the tests in *folder*; give its exit code and its output."""
    # The plugin by its name: the entry point is only there where webkit is installed.
    plugin = ("-p", "no:webkit", "-p", "webkit.pytest_plugin", "-p", "no:cacheprovider")
    # Under -O, as in `make test-matrix`, pytest warns that only the asserts in tests are executed.
    warnings = ("-W", "error", "-W", "ignore:assertions not in test modules:pytest.PytestConfigWarning")
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "pytest", *warnings, *plugin, *words],
        cwd=folder,
        env=environment(PYTHONDONTWRITEBYTECODE="1", **more),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def test_the_fixture_client_asks_what_the_fixture_app_gives(tmp_path: Path) -> None:
    tests = """
from webkit.testing import TestClient, TestServer
from conftest import create_app

seen = []

async def test_one(client, app):
    assert isinstance(client, TestClient)
    assert client.app is app
    seen.append(app)
    assert await (await client.get("/")).text() == "hello"

async def test_another_has_another_application(client, app):
    assert app not in seen
    assert (await client.get("/")).status == 200

async def test_beside_the_fixtures_of_pytest_aiohttp(client, aiohttp_client):
    plain = await aiohttp_client(create_app().aiohttp)
    assert await (await plain.get("/")).text() == "hello"
    served = await aiohttp_client(TestServer(create_app()))
    assert await (await served.get("/")).text() == "hello"
    assert len({client.port, plain.port, served.port}) == 3

class TestWithAnotherApplication:
    import pytest

    @pytest.fixture
    async def app(self):
        yield create_app()

    async def test_it(self, client):
        assert (await client.get("/")).status == 200
"""
    code, output = run_pytest(tmp_path, tests)
    assert (code, "4 passed" in output) == (0, True), output


def test_in_the_strict_mode_the_fixture_needs_no_mark(tmp_path: Path) -> None:
    tests = """
import pytest, pytest_asyncio
from conftest import create_app

@pytest.mark.asyncio
async def test_one(client):
    assert (await client.get("/")).status == 200

class TestWithAnAsynchronousApplication:
    @pytest_asyncio.fixture
    async def app(self):
        return create_app()

    @pytest.mark.asyncio
    async def test_it(self, client):
        assert (await client.get("/")).status == 200

class TestWithTwoApplications:
    @pytest.fixture(params=["aiohttp", "webkit"])
    def app(self, request):
        return create_app().aiohttp if request.param == "aiohttp" else create_app()

    @pytest.mark.asyncio
    async def test_it(self, client):
        assert (await client.get("/")).status == 200
"""
    code, output = run_pytest(tmp_path, tests, mode="strict")
    assert (code, "4 passed" in output) == (0, True), output


def test_in_a_loop_of_the_module_the_fixture_works_too(tmp_path: Path) -> None:
    tests = """
import pytest
pytestmark = pytest.mark.asyncio(loop_scope="module")

async def test_one(client):
    assert (await client.get("/")).status == 200

async def test_two(client):
    assert (await client.get("/")).status == 200
"""
    code, output = run_pytest(tmp_path, tests, "-o", "asyncio_default_fixture_loop_scope=module")
    assert (code, "2 passed" in output) == (0, True), output


def test_without_the_fixture_app_the_error_shows_how_to_write_it(tmp_path: Path) -> None:
    code, output = run_pytest(tmp_path, "async def test_one(client): pass", conftest="")
    assert code == pytest.ExitCode.TESTS_FAILED
    assert "The fixture client asks the application that the fixture app gives, and there is none." in output
    assert "@pytest.fixture\ndef app():\n    return create_app()" in output


def test_without_pytest_asyncio_the_error_says_what_to_install(tmp_path: Path) -> None:
    tests = "def test_one(client): pass"
    code, output = run_pytest(tmp_path, tests, mode="", PYTEST_DISABLE_PLUGIN_AUTOLOAD="1")
    assert code == pytest.ExitCode.TESTS_FAILED
    assert "The fixture client needs pytest-asyncio: `pip install webkit[testing]`." in output


def test_where_pytest_asyncio_is_not_installed_the_plugin_loads_all_the_same(tmp_path: Path) -> None:
    (tmp_path / "pytest_asyncio.py").write_text("raise ImportError('not installed')")
    tests = "def test_one(): pass\ndef test_two(client): pass"
    code, output = run_pytest(
        tmp_path, tests, mode="", PYTEST_DISABLE_PLUGIN_AUTOLOAD="1", PYTHONPATH=f"{tmp_path}{os.pathsep}{ROOT}"
    )
    assert code == pytest.ExitCode.TESTS_FAILED
    assert "1 passed, 1 error" in output
    assert "The fixture client needs pytest-asyncio" in output


def test_errors_of_a_test_show_the_log_and_those_of_the_end_fail_it(tmp_path: Path) -> None:
    tests = """
import pytest
from webkit import Application

async def crash(request):
    raise LookupError("no database")

async def fail(app):
    raise OSError("no disk")

class TestCrash:
    @pytest.fixture
    def app(self):
        app = Application()
        app.add_get("/", crash)
        return app

    async def test_it(self, client):
        assert (await client.get("/")).status == 200

class TestEnd:
    @pytest.fixture
    def app(self):
        app = Application()
        app.on_cleanup.append(fail)
        return app

    async def test_it(self, client):
        pass

class TestFactory:
    @pytest.fixture
    def app(self):
        return Application

    async def test_it(self, client):
        pass
"""
    code, output = run_pytest(tmp_path, tests)
    assert code == pytest.ExitCode.TESTS_FAILED
    assert "1 failed, 1 passed, 2 errors" in output
    assert "assert 500 == 200" in output
    assert 'in crash\n    raise LookupError("no database")' in output
    assert "ERROR at teardown of TestEnd.test_it" in output
    assert "OSError: no disk" in output
    assert "What is tested is an application, not <class 'webkit.application.Application'>. Call it first" in output


def test_a_project_has_a_client_of_its_own_where_it_wants_one(tmp_path: Path) -> None:
    conftest = """
import pytest

@pytest.fixture
def client():
    return "mine"
"""
    code, output = run_pytest(tmp_path, "def test_one(client): assert client == 'mine'", conftest=conftest)
    assert (code, "1 passed" in output) == (0, True), output


def test_pytest_finds_the_plugin_where_webkit_is_installed() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    plugin = import_module(project["entry-points"]["pytest11"]["webkit"])
    assert plugin.client is not None


def test_the_tests_on_the_page_about_testing_pass(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "how-to" / "test-an-application.md").read_text(encoding="utf-8")
    files = {block.file: block.code for block in read_blocks(page) if block.file}
    for name, content in files.items():
        (tmp_path / name).write_text(content, encoding="utf-8")
    count = "".join(files.values()).count("def test_")
    code, output = run_pytest_in(tmp_path)
    assert (code, f"{count} passed" in output) == (0, True), output
