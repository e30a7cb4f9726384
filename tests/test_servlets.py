"""Servlets over HTTP: which one is asked, what it sees of the request, and what the service answers by itself."""

import asyncio
import inspect
import re
import threading
from gzip import compress as gzipped
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from multidict import CIMultiDict

import webkit
from tests.leftovers import until
from tests.rawsockets import connect
from tests.serving import PATIENCE_S, Client, Serve
from tests.servleting import serve_in_thread, serve_service, serve_servlet, servlet_of, sync_servlet_of
from webkit import Application, ConfigError
from webkit import servlets as front
from webkit.servlets import (
    AbstractAsyncHTTPServletRequest,
    AbstractHTTPServletRequest,
    AsyncRequest,
    AsyncResponse,
    AsyncServlet,
    BodyTooLargeError,
    ErrorHandler,
    Servlet,
    ServletService,
    ServletType,
    SyncRequest,
    SyncResponse,
    make_html_list,
    read_body,
)


async def tell(request: AsyncRequest, response: AsyncResponse) -> None:
    """Answer with what the request tells."""
    told = [request.get_command(), request.get_path(), request.get_prefix_path(), request.get_sub_path()]
    await response.send_content(200, "|".join(told), "text/plain")


def tell_in_thread(request: SyncRequest, response: SyncResponse) -> None:
    """Do the same in a thread."""
    told = [request.get_command(), request.get_path(), request.get_prefix_path(), request.get_sub_path()]
    response.send_content(200, "|".join(told), "text/plain")


# Mounting


async def test_one_servlet_is_mounted_as_it_is(serve: Serve) -> None:
    app = Application()
    app.mount("/hello", servlet_of(tell))
    app.mount("/sync", sync_servlet_of(tell_in_thread))
    client = await serve(app)
    assert (await client.get("/hello")).text == "GET|/hello|/hello|/"
    assert (await client.get("/hello/")).text == "GET|/hello/|/hello|/"
    assert (await client.get("/hello/a//b/?q=1")).text == "GET|/hello/a/b/|/hello|/a/b/"
    assert (await client.get("/sync/x")).text == "GET|/sync/x|/sync|/x"
    assert (await client.get("/hellox")).status == 404


class Undecided:
    """Both kinds at once."""

    def do_GET(self, request: Any, response: Any) -> None: ...
    async def do_async_GET(self, request: Any, response: Any) -> None: ...


class Unwilling:
    """Refuses to be bound."""

    async def do_async_GET(self, request: Any, response: Any) -> None: ...
    def accept_binding(self, path: str, parameters: dict[str, Any]) -> bool:
        return False


@pytest.mark.parametrize(
    ("thing", "message"),
    [
        (Undecided(), "has both do_GET and do_async_GET"),
        (Unwilling(), "refuses to be bound"),
        (Unwilling, "cannot be mounted"),
        (object(), "it is no application, no servlet"),
    ],
)
def test_what_cannot_be_mounted_is_refused_with_the_reason(thing: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Application().mount("/x", thing)


async def test_a_service_knows_where_it_is_mounted(serve: Serve) -> None:
    """IP-084, IP-085: prefix and rest are one URL that works; callbacks and lists know the registered path."""
    service, bound = ServletService(), []
    servlet = servlet_of(tell)
    servlet.bound_to = lambda path, parameters: bound.append(path)
    for path in ("/it", "/it/deep", "/with/", "/"):
        service.register_servlet(path, servlet, None, ServletType.ASYNC)
    inner, outer = Application(), Application()
    inner.mount("/plugins", service)
    outer.mount("/site", inner)
    client = await serve(outer)
    for target, told in {
        "/site/plugins/it/x": "/site/plugins/it/x|/site/plugins/it|/x",
        "/site/plugins/it/deep": "/site/plugins/it/deep|/site/plugins/it/deep|/",
        "/site/plugins/with": "/site/plugins/with|/site/plugins/with/|/",
        "/site/plugins/with/a/": "/site/plugins/with/a/|/site/plugins/with/|/a/",
        "/site/plugins": "/site/plugins|/site/plugins|/",
        "/site/plugins/": "/site/plugins/|/site/plugins|/",
        "/site/plugins/else": "/site/plugins/else|/site/plugins|/else",
    }.items():
        answer = (await client.get(target)).text
        assert answer == f"GET|{told}"
        _, _, prefix, rest = answer.split("|")
        assert (await client.get(prefix + rest)).text.endswith(f"{prefix}|{rest}")
    assert bound == ["/it", "/it/deep", "/with/", "/"]


async def test_a_service_at_the_root_has_what_no_route_has(serve: Serve) -> None:
    """IP-085: there the prefix of the servlet at "/" is "/"."""
    service = ServletService()
    service.register_servlet("/", servlet_of(tell), None, ServletType.ASYNC)
    app = Application()

    @app.get("/page")
    async def page() -> str:
        return "page"

    app.mount("/", service)
    client = await serve(app)
    assert (await client.get("/page")).text == "page"
    assert (await client.get("/")).text == "GET|/|/|/"
    assert (await client.get("//a/../b")).text == "GET|/b|/|/b"


async def test_an_absolute_target_is_a_path_like_any_other(serve: Serve) -> None:
    """IP-071: iPOPO takes the host for the first segment."""
    client = await serve_servlet(serve, tell)
    target = f"{client.url.origin()}/plugins/it/x"
    async with connect(client.url) as connection:
        answer = await connection.ask(f"GET {target} HTTP/1.1\r\nHost: {client.url.authority}\r\n\r\n".encode())
    assert answer.body == "GET|/plugins/it/x|/plugins/it|/x"


PATHS: list[tuple[str, int, str]] = [
    ("/plugins/it/a%2Fb", 200, "/a/b"),
    ("/plugins/it/a%252Fb", 200, "/a%2Fb"),
    ("/plugins/it/a%2520b", 200, "/a%20b"),
    ("/plugins/it/%C3%A4%20b", 200, "/ä b"),
    ("/plugins//it///x//", 200, "/x/"),
    ("/plugins/other/../it/./x", 200, "/x"),
    ("/plugins/%2e%2e/plugins/it", 400, ""),
    ("/plugins/..", 400, ""),
    ("/plugins/it/../../..", 400, ""),
    ("/plugins/..%2F..%2Fetc%2Fpasswd", 400, ""),
    ("/plugins/it/a%00b", 400, ""),
    ("/plugins/it/a%0Ab", 400, ""),
    ("/plugins/it/%7F", 400, ""),
    ("/plugins/itx", 404, ""),
    ("/plugins/IT", 404, ""),
]


@pytest.mark.parametrize(("target", "status", "rest"), PATHS)
async def test_the_path_behind_the_mount_is_made_clean(serve: Serve, target: str, status: int, rest: str) -> None:
    """IP-070, IP-030: "%2F" separates, ".." above the mount is refused, whoever the mount belongs to."""
    client = await serve_servlet(serve, tell)
    answer = await client.get(target)
    assert answer.status == status
    if status == 200:
        assert answer.text.split("|")[3] == rest


# Which method of which servlet


async def test_any_method_can_be_answered(serve: Serve) -> None:
    """IP-051, IP-052, IP-081: do_async_PURGE is a method, and do_PURGE."""
    client = await serve_servlet(serve, tell)
    assert (await client.request("PURGE", "/plugins/it")).text.startswith("PURGE|")
    client = await serve_in_thread(serve, tell_in_thread)
    assert (await client.request("PURGE", "/plugins/it")).text.startswith("PURGE|")


class GetsOnly:
    """Answers GET of both kinds, and nothing else."""

    async def do_async_GET(self, request: AsyncRequest, response: AsyncResponse) -> None:
        await response.send_content(200, "async")

    def do_GET(self, request: SyncRequest, response: SyncResponse) -> None:
        response.send_content(200, "sync")


@pytest.mark.parametrize("method", ["HEAD", "POST", "OPTIONS", "PUT"])
async def test_a_method_that_a_servlet_does_not_have_is_not_found(serve: Serve, method: str) -> None:
    """IP-053: 404 and never 405, and no Allow."""
    service = ServletService()
    service.register_servlet("/a", GetsOnly(), None, ServletType.ASYNC)
    service.register_servlet("/s", GetsOnly(), None, ServletType.SYNC)
    client = await serve_service(serve, service)
    for path in ("/plugins/a", "/plugins/s"):
        answer = await client.request(method, path)
        assert answer.status == 404
        assert "Allow" not in answer.headers


async def test_only_methods_of_the_type_that_was_registered_are_called(serve: Serve) -> None:
    """IP-051, IP-052, IP-054, IP-013: one service has both kinds; what is no handler of WebSockets is not found."""
    service = ServletService()
    for kind in ServletType:
        service.register_servlet(f"/{kind.value}", GetsOnly(), None, kind)
    service.register_servlet("/wrong", sync_servlet_of(tell_in_thread), None, ServletType.ASYNC)
    client = await serve_service(serve, service)
    assert (await client.get("/plugins/sync")).text == "sync"
    assert (await client.get("/plugins/async")).text == "async"
    assert (await client.get("/plugins/websocket")).status == 404
    assert (await client.get("/plugins/wrong")).status == 404


async def test_methods_in_small_letters_never_reach_a_servlet(serve: Serve) -> None:
    """IP-075."""
    client = await serve_servlet(serve, tell)
    answer = await client.send(b"get /plugins/it HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    assert answer.split()[1] in {b"400", b"501"}


async def test_nothing_is_registered_and_everything_is_not_found(serve: Serve) -> None:
    """IP-010."""
    client = await serve_service(serve, ServletService())
    assert [(await client.get(path)).status for path in ("/plugins", "/plugins/", "/plugins/x")] == [404] * 3


# What the service answers by itself

NOT_FOUND = (
    "<html>\n<head>\n<title>404 - Page not found</title>\n</head>\n<body>\n<h1>Page not found</h1>\n"
    "<p>No servlet is associated to this path:</p>\n<code>{}</code>\n{}</body>\n</html>"
)
CRASHED = (
    "<html>\n<head>\n<title>500 - Internal Server Error</title>\n</head>\n<body>\n<h1>Internal Server Error</h1>\n"
    "<p>Error handling request upon: <code>{}</code></p>\n<pre>\n{}\n</pre>\n</body>\n</html>"
)


async def crash(request: Any, response: Any) -> None:
    """Fail."""
    raise ValueError("the <secret>")


def crash_in_thread(request: Any, response: Any) -> None:
    """Fail in a thread."""
    raise ValueError("the <secret>")


async def test_the_page_of_a_404(serve: Serve) -> None:
    """IP-066, IP-027: the clean path, escaped, without the query."""
    client = await serve_servlet(serve, tell)
    answer = await client.get("/plugins//%3Cb%3E/./x?q=1")
    assert (answer.status, answer.headers["Content-Type"]) == (404, "text/html; charset=utf-8")
    assert answer.text == NOT_FOUND.format("/plugins/&lt;b&gt;/x", "")


async def test_the_page_of_a_404_lists_the_paths_in_debug_mode(serve: Serve) -> None:
    """IP-066, IP-004: escaped, too."""
    service = ServletService(debug=True)
    service.register_servlet("/<p>", object())
    client = await serve_service(serve, service)
    listed = '<h2>Registered paths:</h2>\n<ul>\n<li><a href="/&lt;p&gt;">/&lt;p&gt;</a></li>\n</ul>\n'
    assert (await client.get("/plugins/x")).text == NOT_FOUND.format("/plugins/x", listed)


@pytest.mark.parametrize("kind", ServletType)
async def test_the_page_of_a_crash(serve: Serve, kind: ServletType, caplog: pytest.LogCaptureFixture) -> None:
    """IP-067, IP-028: HTML that is called HTML, with an id that is in the log beside the traceback."""
    client = (
        await serve_in_thread(serve, crash_in_thread) if kind is ServletType.SYNC else await serve_servlet(serve, crash)
    )
    answer = await client.get("/plugins/it/x")
    assert (answer.status, answer.headers["Content-Type"]) == (500, "text/html; charset=utf-8")
    (error_id,) = re.findall("Error ID: ([0-9a-f]{32})", answer.text)
    assert answer.text == CRASHED.format("/plugins/it/x", f"Error ID: {error_id}")
    (record,) = [record for record in caplog.records if record.name == "webkit.servlets"]
    first, second, *_ = record.getMessage().split("\n")
    assert first == f"Error {error_id} handling request upon: /plugins/it/x"
    assert second.startswith("Traceback")
    assert "the <secret>" in record.getMessage()


async def test_the_page_of_a_crash_shows_the_traceback_in_debug_mode(serve: Serve) -> None:
    """IP-067, IP-004."""
    client = await serve_servlet(serve, crash, debug=True)
    page = (await client.get("/plugins/it")).text
    assert "ValueError: the &lt;secret&gt;" in page
    assert "Error ID" not in page


async def test_the_page_of_a_bad_path(serve: Serve) -> None:
    """IP-068."""
    client = await serve_servlet(serve, tell)
    answer = await client.get("/plugins/..")
    assert (answer.status, answer.headers["Content-Type"]) == (400, "text/html; charset=utf-8")
    assert answer.text == "<html><body><h1>Bad Request</h1></body></html>"


class Pages:
    """An error handler that may have nothing to say, or fail."""

    page: Any = "mine"

    def make_not_found_page(self, path: str) -> str:
        return self._make(path, "")

    def make_exception_page(self, path: str, stack: str) -> str:
        return self._make(path, stack)

    def _make(self, path: str, stack: str) -> str:
        if self.page is None:
            raise ValueError("no page")
        return f"{self.page} {path} {stack}" if self.page else ""


async def test_pages_of_ones_own(serve: Serve) -> None:
    """IP-130, IP-027, IP-028: an error handler is asked first, and may come and go."""
    pages = Pages()
    assert isinstance(pages, ErrorHandler)
    service = ServletService(error_handler=pages)
    service.register_servlet("/it", servlet_of(crash), None, ServletType.ASYNC)
    client = await serve_service(serve, service)
    assert (await client.get("/plugins/x")).text == "mine /plugins/x "
    assert re.fullmatch("mine /plugins/it Error ID: [0-9a-f]{32}", (await client.get("/plugins/it")).text)
    service.debug = True
    assert "ValueError" in (await client.get("/plugins/it")).text
    service.debug = False
    for page in ("", None):
        pages.page = page
        assert (await client.get("/plugins/x")).text == NOT_FOUND.format("/plugins/x", "")
        assert "Error ID" in (await client.get("/plugins/it")).text
    service.error_handler = None
    assert (await client.get("/plugins/x")).text == NOT_FOUND.format("/plugins/x", "")


async def test_http_errors_of_aiohttp_are_answers(serve: Serve) -> None:
    """IP-073: they pass through."""

    async def conflict(request: AsyncRequest, response: AsyncResponse) -> None:
        raise web.HTTPConflict(text="taken")

    client = await serve_servlet(serve, conflict)
    answer = await client.get("/plugins/it")
    assert (answer.status, answer.text, answer.headers["Content-Type"]) == (409, "taken", "text/plain; charset=utf-8")


async def test_a_servlet_that_does_nothing_answers_nothing(serve: Serve) -> None:
    """IP-055."""

    async def nothing(request: AsyncRequest, response: AsyncResponse) -> None:
        """Nothing."""

    client = await serve_servlet(serve, nothing)
    answer = await client.get("/plugins/it")
    assert (answer.status, answer.body, answer.headers["Transfer-Encoding"]) == (200, b"", "chunked")
    assert answer.headers["Content-Type"] == "application/octet-stream"
    client = await serve_in_thread(serve, lambda request, response: None)
    answer = await client.get("/plugins/it")
    assert (answer.status, answer.body, answer.headers["Content-Length"]) == (200, b"", "0")


async def test_what_stands_around_the_service_sees_every_request_and_may_answer_it(serve: Serve) -> None:
    """IP-072: also those that are refused, or that no servlet answers; errors of a servlet come out as they are."""
    seen: list[tuple[Any, ...]] = []

    async def around(request: web.Request, routing: Any, serve: Any) -> web.StreamResponse:
        seen.append((routing.path, routing.prefix, routing.error, routing.servlet_type, routing.parameters.get("k")))
        if routing.path == "/gate":
            return web.Response(status=401)
        try:
            return await serve(request, routing)  # type: ignore[no-any-return]
        except ValueError as error:
            return web.Response(status=418, text=repr(error))

    service = ServletService(around=around)
    service.register_servlet("/it", servlet_of(crash), {"k": 1}, ServletType.ASYNC)
    client = await serve_service(serve, service)
    statuses = [(await client.get(f"/plugins{path}")).status for path in ("/it/x", "/gate", "/else", "/..")]
    assert statuses == [418, 401, 404, 400]
    assert seen == [
        ("/it/x", "/it", None, ServletType.ASYNC, 1),
        ("/gate", "", None, ServletType.SYNC, None),
        ("/else", "", None, ServletType.SYNC, None),
        ("/..", "", 400, ServletType.SYNC, None),
    ]


# What a servlet sees of a request


async def test_an_asynchronous_servlet_sees_headers_address_and_query(serve: Serve) -> None:
    """IP-080, IP-082, IP-083, IP-076: coroutines; the headers are a copy, as the documentation has it; query is new."""
    seen: dict[str, Any] = {}

    async def look(request: AsyncRequest, response: AsyncResponse) -> None:
        headers = await request.get_headers()
        seen["copy"] = isinstance(headers, CIMultiDict)
        headers["x-new"] = "1"
        seen["new"] = await request.get_header("X-New")
        seen["one"] = await request.get_header("x-ONE")
        seen["none"] = await request.get_header("x-none", 7)
        seen["address"] = request.get_client_address()
        seen["query"] = (request.query.getall("q"), request.get_path())
        await response.send_content(204, "")

    client = await serve_servlet(serve, look)
    await client.get("/plugins/it?q=1&q=2", headers=[("X-One", "a"), ("X-One", "b")])
    host, port = seen.pop("address")
    assert (host, port > 0) == ("127.0.0.1", True)
    assert seen == {"copy": True, "new": None, "one": "a", "none": 7, "query": (["1", "2"], "/plugins/it")}


async def test_a_synchronous_servlet_sees_the_same_by_plain_functions(serve: Serve) -> None:
    """IP-080, IP-082, IP-083, IP-076."""
    seen: dict[str, Any] = {}

    def look(request: SyncRequest, response: SyncResponse) -> None:
        seen["one"] = request.get_header("x-ONE")
        seen["none"] = request.get_header("x-none", 7)
        seen["copy"] = isinstance(request.get_headers(), CIMultiDict)
        seen["host"] = request.get_client_address()[0]
        seen["query"] = request.query["q"]
        seen["thread"] = threading.current_thread().name.startswith("webkit-servlet")

    client = await serve_in_thread(serve, look)
    await client.get("/plugins/it?q=1", headers={"X-One": "a"})
    assert seen == {"one": "a", "none": 7, "copy": True, "host": "127.0.0.1", "query": "1", "thread": True}


@pytest.mark.parametrize("is_gone", [True, False])
async def test_a_client_that_is_gone_or_has_no_address_is_an_error(tmp_path: Path, is_gone: bool) -> None:
    """IP-080: an OSError that says what is missing."""
    began = asyncio.Event()
    told: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def look(request: AsyncRequest, response: AsyncResponse) -> None:
        began.set()
        if is_gone:
            await until(lambda: request.request.transport is None)
        with pytest.raises(OSError, match="available for the request") as caught:
            request.get_client_address()
        told.set_result(str(caught.value))

    service = ServletService()
    service.register_servlet("/it", servlet_of(look), None, ServletType.ASYNC)
    await service.start(path=tmp_path / "socket")
    try:
        async with asyncio.timeout(PATIENCE_S):
            _, writer = await asyncio.open_unix_connection(tmp_path / "socket")
            writer.write(b"GET /it HTTP/1.1\r\nHost: a\r\n\r\n")
            await began.wait()
            if is_gone:
                writer.close()
            assert (await told).startswith("No transport" if is_gone else "No peer name")
            writer.close()
    finally:
        await service.stop()


def test_requests_fit_the_classes_that_annotations_name() -> None:
    assert issubclass(AsyncRequest, AbstractAsyncHTTPServletRequest)
    assert issubclass(SyncRequest, AbstractHTTPServletRequest)


async def test_a_body_is_read_once(serve: Serve) -> None:
    """IP-088: asynchronously the second time gives nothing."""

    async def read(request: AsyncRequest, response: AsyncResponse) -> None:
        await response.send_content(200, await request.read_data() + b"|" + await request.read_data())

    client = await serve_servlet(serve, read)
    assert (await client.post("/plugins/it", data=b"body")).body == b"body|"
    assert (await client.post("/plugins/it", data=chunks(b"bo", b"dy"))).body == b"body|"
    assert (await client.get("/plugins/it")).body == b"|"


async def chunks(*parts: bytes) -> Any:
    """A body without a length."""
    for part in parts:
        yield part


async def test_a_synchronous_servlet_has_its_body_in_memory(serve: Serve) -> None:
    """IP-087, IP-088: as often as it likes, and a chunked one as any other (iPOPO: empty)."""

    def read(request: SyncRequest, response: SyncResponse) -> None:
        files = request.get_rfile().read() + b"|" + request.get_rfile().read(2)
        response.send_content(200, b"|".join([files, request.read_data(), request.read_data()]))

    client = await serve_in_thread(serve, read)
    assert (await client.post("/plugins/it", data=b"body")).body == b"body|bo|body|body"
    assert (await client.post("/plugins/it", data=chunks(b"bo", b"dy"))).body == b"body|bo|body|body"
    assert (await client.get("/plugins/it")).body == b"|||"


async def test_the_stream_of_a_body_has_no_limit(serve: Serve) -> None:
    """IP-087."""

    async def read(request: AsyncRequest, response: AsyncResponse) -> None:
        size = 0
        stream = request.get_rfile()
        while chunk := await stream.read(2**16):
            size += len(chunk)
        await response.send_content(200, str(size))

    client = await serve_servlet(serve, read, max_body_size=10)
    assert (await client.post("/plugins/it", data=b"x" * 300_000)).text == "300000"


# Limits


async def count(request: AsyncRequest, response: AsyncResponse) -> None:
    """Answer with the length of the body."""
    await response.send_content(200, f"{len(await request.read_data())} of {request.max_body_size}")


def count_in_thread(request: SyncRequest, response: SyncResponse) -> None:
    """Answer with the length of the body."""
    response.send_content(200, f"{len(request.read_data())} of {request.max_body_size}")


LIMITS: list[tuple[Any, Any, int | None]] = [
    (100, {}, 100),
    ("100", {}, 100),
    (100, {"pelix.http.max_body_size": 200}, 200),
    (100, {"pelix.http.max_body_size": 50}, 50),
    (100, {"pelix.http.max_body_size": 0}, None),
    (100, {"pelix.http.max_body_size": "not a size"}, None),
    (0, {}, None),
    (-1, {}, None),
    (None, {}, None),
    ("not a size", {}, None),
    (2**20, {}, 2**20),
]


@pytest.mark.parametrize("is_async", [True, False], ids=["async", "sync"])
@pytest.mark.parametrize(("of_service", "parameters", "limit"), LIMITS)
async def test_a_body_has_a_limit(
    serve: Serve, is_async: bool, of_service: Any, parameters: dict[str, Any], limit: int | None
) -> None:
    """IP-005, IP-031, IP-050, IP-137: of the service, or of the servlet; exactly so much is fine, one more is 413."""
    client = (
        await serve_servlet(serve, count, parameters, max_body_size=of_service)
        if is_async
        else await serve_in_thread(serve, count_in_thread, parameters, max_body_size=of_service)
    )
    size = 2**20 + 1 if limit is None else limit
    assert (await client.post("/plugins/it", data=BytesIO(b"x" * size))).text == f"{size} of {limit}"
    assert (await client.post("/plugins/it", data=chunks(b"x" * size))).text == f"{size} of {limit}"
    for body in () if limit is None else (BytesIO(b"x" * (limit + 1)), chunks(b"x" * (limit + 1))):
        refused = await client.post("/plugins/it", data=body)
        assert (refused.status, refused.text) == (413, f"Maximum request body size {limit} exceeded.")
        assert refused.headers["Content-Type"].startswith("text/plain")


async def test_a_synchronous_servlet_is_not_called_for_a_body_that_is_too_large(serve: Serve) -> None:
    """IP-052, IP-073: what announces itself as too large is not read; what does not, no further than the limit."""
    called: list[Any] = []
    client = await serve_in_thread(serve, lambda request, response: called.append(request), max_body_size=10)
    assert (await client.post("/plugins/it", data=b"x" * 11)).status == 413
    async with connect(client.url) as connection:
        start = b"POST /plugins/it HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
        answer = await connection.ask(start + b"b\r\n12345678901\r\n")  # it never ends
    assert answer.status == 413
    assert called == []


async def test_nobody_is_asked_to_send_what_would_be_refused(serve: Serve) -> None:
    """IP-138: a client that waits for 100 Continue gets the refusal alone."""
    client = await serve_servlet(serve, count, max_body_size=10)
    async with connect(client.url) as connection:
        answer = await connection.ask(
            b"POST /plugins/it HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 11\r\n\r\n"
        )
    assert answer.status == 413


async def test_a_client_that_waits_for_100_continue_is_asked_for_its_body(serve: Serve) -> None:
    for client in (await serve_servlet(serve, count), await serve_in_thread(serve, count_in_thread)):
        async with connect(client.url) as connection:
            head = b"POST /plugins/it HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n"
            assert (await connection.ask(head)).status == 100
            assert (await connection.ask(b"body")).body == f"4 of {2**20}"


async def test_after_a_413_the_next_request_of_the_connection_is_answered_or_the_connection_closed(
    serve: Serve,
) -> None:
    """IP-138."""
    client = await serve_servlet(serve, count, max_body_size=10)
    first = b"POST /plugins/it HTTP/1.1\r\nHost: a\r\nContent-Length: 20\r\n\r\n" + b"x" * 20
    second = b"POST /plugins/it HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi"
    answer = await client.send(first + second)
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert answer.count(b"HTTP/1.1 ") == 1 or b"2 of 10" in answer


async def test_a_servlet_may_know_that_a_body_is_too_large(serve: Serve) -> None:
    """IP-135."""

    async def forgive(request: AsyncRequest, response: AsyncResponse) -> None:
        try:
            await request.read_data()
        except BodyTooLargeError as error:
            await response.send_content(200, f"{error} ({error.size}, {error.max_size})")

    client = await serve_servlet(serve, forgive, max_body_size=3)
    expected = "Request body is too large: 4 bytes, maximum is 3 (4, 3)"
    assert (await client.post("/plugins/it", data=b"1234")).text == expected


async def test_a_compressed_body_is_inflated_within_the_limit(serve: Serve) -> None:
    """IP-088: iPOPO stops after so many bytes as the compressed body has."""
    client = await serve_servlet(serve, count, max_body_size=1000)
    sent = {"headers": {"Content-Encoding": "gzip"}, "compress": None}
    assert (await client.post("/plugins/it", data=gzipped(b"x" * 1000), **sent)).text == "1000 of 1000"
    assert (await client.post("/plugins/it", data=gzipped(b"x" * 1001), **sent)).status == 413
    assert (await client.post("/plugins/it", data=b"no gzip", **sent)).status == 400


async def reading(*parts: bytes) -> asyncio.StreamReader:
    """Give a stream with a body."""
    reader = asyncio.StreamReader()
    for part in parts:
        reader.feed_data(part)
    reader.feed_eof()
    return reader


async def test_a_body_can_be_read_within_bounds_by_hand() -> None:
    """IP-136."""
    assert await read_body(await reading(b"abc", b"def"), None, None) == b"abcdef"
    assert await read_body(await reading(b"abc", b"def"), 4, None) == b"abcd"
    assert await read_body(await reading(b"abc"), 10, 10) == b"abc"
    assert await read_body(await reading(b"abc"), None, 3) == b"abc"
    assert await read_body(await reading(b"abc"), 0, 3) == b""
    for size, most in ((4, 3), (None, 2)):
        with pytest.raises(BodyTooLargeError):
            await read_body(await reading(b"abcd"), size, most)


def test_a_list_of_links_is_escaped() -> None:
    """IP-134: iPOPO's is not."""
    assert make_html_list(["/a", 1], "ol") == '<ol>\n<li><a href="/a">/a</a></li>\n<li><a href="1">1</a></li>\n</ol>'
    assert make_html_list(['"><script>']) == (
        '<ul>\n<li><a href="&quot;&gt;&lt;script&gt;">&quot;&gt;&lt;script&gt;</a></li>\n</ul>'
    )
    assert make_html_list([]) == "<ul>\n\n</ul>"


def test_the_names_are_those_of_ipopo() -> None:
    """IP-001 to IP-009, IP-060: property names, with the same values, so that a file of properties stays as it is."""
    values = {name: getattr(front, name) for name in front.__all__ if name.isupper()}
    assert values == {
        "HTTPS_CERT_FILE": "pelix.https.cert_file",
        "HTTPS_KEY_FILE": "pelix.https.key_file",
        "HTTPS_KEY_PASSWORD": "pelix.https.key_password",
        "HTTP_CASE_SENSITIVE_PATHS": "pelix.http.case_sensitive_paths",
        "HTTP_DEBUG_ERRORS": "pelix.http.debug",
        "HTTP_ERROR_PAGES": "pelix.http.error.pages",
        "HTTP_MAX_BODY_SIZE": "pelix.http.max_body_size",
        "HTTP_SERVICE": "pelix.http.service",
        "HTTP_SERVICE_ADDRESS": "pelix.http.address",
        "HTTP_SERVICE_PORT": "pelix.http.port",
        "HTTP_SERVLET": "pelix.http.servlet",
        "HTTP_SERVLET_ASYNC": "pelix.http.servlet.async",
        "HTTP_SERVLET_ASYNC_PATH": "pelix.http.path.async",
        "HTTP_SERVLET_PATH": "pelix.http.path",
        "HTTP_SOCKET_TIMEOUT": "pelix.http.socket_timeout",
        "HTTP_USES_SSL": "pelix.https",
        "HTTP_WEBSOCKET_HANDLER": "pelix.http.websocket.handler",
        "HTTP_WEBSOCKET_PATH": "pelix.http.websocket.path",
        "PARAM_ADDRESS": "http.address",
        "PARAM_ASYNC": "http.async",
        "PARAM_EXTRA": "http.extra",
        "PARAM_HTTPS": "http.https",
        "PARAM_NAME": "http.name",
        "PARAM_PORT": "http.port",
    }


def test_the_protocols_ask_for_nothing_and_give_defaults_to_who_inherits() -> None:
    """IP-040 to IP-042: a servlet may inherit, and accepts by default."""

    class Mine(AsyncServlet):
        pass

    class Other(Servlet):
        pass

    for servlet in (Mine(), Other()):
        assert ServletService().register_servlet("/x", servlet)
    assert not inspect.iscoroutinefunction(AsyncServlet.bound_to)


def test_the_front_door_knows_the_service() -> None:
    assert webkit.ServletService is ServletService


@pytest.mark.parametrize("seconds", [PATIENCE_S])
async def test_a_client_that_breaks_its_body_off_crashes_no_servlet(
    serve: Serve, seconds: float, caplog: pytest.LogCaptureFixture
) -> None:
    over = asyncio.Event()

    async def read(request: AsyncRequest, response: AsyncResponse) -> None:
        try:
            await request.read_data()
        finally:
            over.set()

    client: Client = await serve_servlet(serve, read)
    async with connect(client.url) as connection:
        connection.writer.write(b"POST /plugins/it HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhalf")
        await connection.writer.drain()
    async with asyncio.timeout(seconds):
        await over.wait()
    assert "Error" not in caplog.text
