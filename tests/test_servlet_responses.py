"""The responses of servlets, of both kinds: headers, lengths, HEAD, what goes wrong half way, and event streams."""

import asyncio
import io
import re
from collections.abc import Callable
from typing import Any

import pytest
from aiohttp import web

from tests.eventsource import EventSource, Message
from tests.rawsockets import connect
from tests.serving import PATIENCE_S, Answer, Client, Serve
from tests.servleting import serve_in_thread, serve_servlet, servlet_of
from webkit import Application
from webkit.servlets import (
    AbstractAsyncHTTPServletResponse,
    AbstractAsyncWriter,
    AbstractHTTPServletResponse,
    AsyncRequest,
    AsyncResponse,
    ServletService,
    ServletType,
    SyncRequest,
    SyncResponse,
)

Do = Callable[[Any], Any]

KINDS = ["async", "sync"]


async def serve_both(serve: Serve, kind: str, do: Do) -> Client:
    """Serve what *do* does with a response; it may return what is to be awaited where the kind is asynchronous."""

    async def answer(request: AsyncRequest, response: AsyncResponse) -> None:
        result = do(response)
        if result is not None:
            await result

    def answer_in_thread(request: SyncRequest, response: SyncResponse) -> None:
        do(response)

    if kind == "async":
        return await serve_servlet(serve, answer)
    return await serve_in_thread(serve, answer_in_thread)


def raw(answer: Answer, name: str) -> list[str]:
    """All headers *name*."""
    return answer.headers.getall(name, [])


@pytest.mark.parametrize("kind", KINDS)
async def test_a_header_replaces_and_a_cookie_is_added(serve: Serve, kind: str) -> None:
    """IP-091: the same in both kinds; with iPOPO an asynchronous servlet adds, and a synchronous one replaces."""

    def do(response: Any) -> Any:
        response.set_header("X-A", 1)
        response.set_header("x-a", 2)
        response.set_header("Set-Cookie", "a=1")
        response.set_header("set-cookie", "b=2")
        response.add_header("X-B", 1)
        response.add_header("x-b", 2)
        response.set_header("X-C", 1)
        response.set_header("x-c", None)
        return response.send_content(200, "")

    answer = await (await serve_both(serve, kind, do)).get("/plugins/it")
    assert raw(answer, "X-A") == ["2"]
    assert raw(answer, "Set-Cookie") == ["a=1", "b=2"]
    assert raw(answer, "X-B") == ["1", "2"]
    assert raw(answer, "X-C") == []


@pytest.mark.parametrize("kind", KINDS)
async def test_a_servlet_knows_which_headers_it_has_set(serve: Serve, kind: str) -> None:
    """IP-092: those of the server are not among them."""
    seen: list[bool] = []

    def do(response: Any) -> Any:
        response.set_header("X-A", "1")
        seen.extend(response.is_header_set(name) for name in ("x-a", "X-A", "Date", "Server", "x-b"))
        return response.send_content(200, "")

    await (await serve_both(serve, kind, do)).get("/plugins/it")
    assert seen == [True, True, False, False, False]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "change",
    [
        lambda response: response.set_header("X-A", "a\r\nX-Evil: 1"),
        lambda response: response.add_header("X-A", "a\nb"),
        lambda response: response.set_header("X-A\r\nX-Evil: 1", "a"),
        lambda response: response.set_header("X-A", "a\0"),
        lambda response: response.set_header("X-A", "a\x1bX-Evil: 1"),
        lambda response: response.set_header("X-Evil: 1", "a"),
        lambda response: response.add_header("", "a"),
        lambda response: response.set_header("Set-Cookie", "a=1\r\nX-Evil: 1"),
        lambda response: response.set_response(200, "OK\r\nX-Evil: 1"),
        lambda response: response.set_response(99),
        lambda response: response.set_response(100),
        lambda response: response.send_content(200, "", "text/html\r\nX-Evil: 1"),
        lambda response: response.send_content(200, "", http_message="OK\r\nX-Evil: 1"),
    ],
)
async def test_nothing_can_be_smuggled_into_the_head(serve: Serve, kind: str, change: Do) -> None:
    client = await serve_both(serve, kind, change)
    answer = await client.send(b"GET /plugins/it HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 500 ")
    assert b"\r\nX-Evil" not in answer


@pytest.mark.parametrize("kind", KINDS)
async def test_how_the_body_goes_is_not_the_servlets_to_say(serve: Serve, kind: str) -> None:
    """A servlet that passes on the headers of another server would announce chunks, and a length as well."""

    def do(response: Any) -> Any:
        response.set_header("Transfer-Encoding", "chunked")
        response.add_header("transfer-encoding", "gzip, chunked")
        return response.send_content(200, "body")

    client = await serve_both(serve, kind, do)
    answer = await client.send(b"GET /plugins/it HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    assert b"transfer-encoding" not in answer.lower()
    assert answer.endswith(b"\r\n\r\nbody")


@pytest.mark.parametrize("kind", KINDS)
async def test_after_the_headers_they_cannot_change(serve: Serve, kind: str) -> None:
    """IP-090, IP-091, IP-093: OSError, and ending them twice does nothing."""
    messages: list[str] = []

    def try_to_change(response: Any) -> None:
        changes = ((response.set_response, 500), (response.set_header, "X-A", 1), (response.add_header, "X-A", 1))
        for change, *arguments in changes:
            try:
                change(*arguments)
            except OSError as error:
                messages.append(str(error))

    async def do_async(response: AsyncResponse) -> None:
        await response.end_headers()
        await response.end_headers()
        try_to_change(response)
        with pytest.raises(OSError, match="Headers have already been set"):
            response.setup_sse(strict=False)

    def do(response: Any) -> Any:
        if kind == "async":
            return do_async(response)
        response.end_headers()
        response.end_headers()
        return try_to_change(response)

    answer = await (await serve_both(serve, kind, do)).get("/plugins/it")
    assert answer.status == 200
    assert messages == [
        "Headers have already been set, cannot change the response code",
        *["Headers have already been set, cannot change them"] * 2,
    ]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("message", "sent"), [(None, "Created"), ("Made", "Made")])
async def test_the_words_of_a_status_can_be_said(serve: Serve, kind: str, message: str | None, sent: str) -> None:
    """IP-090."""
    client = await serve_both(serve, kind, lambda response: response.send_content(201, "", http_message=message))
    async with client.session.get(client.url / "plugins/it") as answer:
        assert (answer.status, answer.reason) == (201, sent)


@pytest.mark.parametrize("kind", KINDS)
async def test_content_says_its_own_status_and_words(serve: Serve, kind: str) -> None:
    """IP-096, IP-090."""

    def do(response: Any) -> Any:
        response.set_response(500, "Broken")
        return response.send_content(200, "")

    client = await serve_both(serve, kind, do)
    async with client.session.get(client.url / "plugins/it") as answer:
        assert (answer.status, answer.reason) == (200, "OK")


async def test_a_servlet_that_is_no_coroutine_function_says_so(serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    """IP-051: what it gives is awaited, whatever it is."""
    wanted: list[Any] = [None]

    def plain(request: AsyncRequest, response: AsyncResponse) -> Any:
        return wanted[0] if wanted[0] is None else asyncio.ensure_future(response.send_content(200, "abc"))

    client = await serve_servlet(serve, plain)
    assert (await client.get("/plugins/it")).status == 500
    assert "can't be used in 'await' expression" in caplog.text
    wanted[0] = "a future"
    assert (await client.get("/plugins/it")).text == "abc"


@pytest.mark.parametrize("kind", KINDS)
async def test_a_status_that_nobody_knows_has_no_words(serve: Serve, kind: str) -> None:
    """IP-090."""
    client = await serve_both(serve, kind, lambda response: response.send_content(299, "x"))
    async with client.session.get(client.url / "plugins/it") as answer:
        assert (answer.status, answer.reason) == (299, "")


CONTENTS: list[tuple[str, dict[str, Any], str | None, bytes]] = [
    ("text", {"content": "äöü"}, "text/html", "äöü".encode()),
    ("bytes", {"content": b"\x00\xff"}, "text/html", b"\x00\xff"),
    ("a type", {"content": "x", "mime_type": "text/plain"}, "text/plain", b"x"),
    ("no type", {"content": "x", "mime_type": None}, "application/octet-stream", b"x"),
    ("cut", {"content": "abcdef", "content_length": 3}, "text/html", b"abc"),
    ("nothing left", {"content": "abcdef", "content_length": 0}, "text/html", b""),
    ("no length", {"content": "abc", "content_length": None}, "text/html", b"abc"),
]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("arguments", "media_type", "body"), [row[1:] for row in CONTENTS], ids=[r[0] for r in CONTENTS]
)
async def test_content_is_sent(
    serve: Serve, kind: str, arguments: dict[str, Any], media_type: str, body: bytes
) -> None:
    """IP-096: the type is sent without a charset, as it was said."""
    client = await serve_both(serve, kind, lambda response: response.send_content(200, **arguments))
    answer = await client.get("/plugins/it")
    assert (answer.status, answer.headers["Content-Type"], answer.body) == (200, media_type, body)
    is_chunked = kind == "async" and arguments.get("content_length", -1) is None
    assert answer.headers.get("Content-Length") == (None if is_chunked else str(len(body)))


@pytest.mark.parametrize("kind", KINDS)
async def test_headers_that_were_set_before_win_over_those_of_the_content(serve: Serve, kind: str) -> None:
    """IP-096."""

    def do(response: Any) -> Any:
        response.set_header("Content-Type", "text/csv")
        response.set_header("Content-Length", 2)
        return response.send_content(200, "a,b")

    answer = await (await serve_both(serve, kind, do)).get("/plugins/it")
    assert (answer.headers["Content-Type"], answer.body) == ("text/csv", b"a,")


async def test_a_length_that_is_longer_is_completed_by_writing(serve: Serve) -> None:
    """IP-096, IP-094, IP-095."""

    async def answer(request: AsyncRequest, response: AsyncResponse) -> None:
        await response.send_content(200, "abc", content_length=9)
        await response.write(b"def")
        assert await response.get_wfile().write(b"ghi") == 3
        await response.get_wfile().flush()
        await response.write(b"too much")

    def answer_in_thread(request: SyncRequest, response: SyncResponse) -> None:
        response.send_content(200, "abc", content_length=9)
        response.write(b"def")
        response.get_wfile().write(b"ghi and too much")

    for client in (await serve_servlet(serve, answer), await serve_in_thread(serve, answer_in_thread)):
        result = await client.get("/plugins/it")
        assert (result.body, result.headers["Content-Length"]) == (b"abcdefghi", "9")


async def test_a_length_that_is_not_reached_is_an_error_and_not_a_client_that_waits(serve: Serve) -> None:
    """IP-096: the next answer would be taken for the rest of this one."""

    async def short(request: AsyncRequest, response: AsyncResponse) -> None:
        await response.send_content(200, "abc", content_length=9)

    async def none(request: AsyncRequest, response: AsyncResponse) -> None:
        response.set_header("Content-Length", 9)

    def short_in_thread(request: SyncRequest, response: SyncResponse) -> None:
        response.send_content(200, "abc", content_length=9)

    request = b"GET /plugins/it HTTP/1.1\r\nHost: a\r\n\r\n" * 2
    broken = await (await serve_servlet(serve, short)).send(request)
    assert broken.count(b"HTTP/1.1") <= 1
    for client in (await serve_servlet(serve, none), await serve_in_thread(serve, short_in_thread)):
        assert (await client.get("/plugins/it")).status == 500


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("length", ["x", "-1", "1.5", "²"])
async def test_a_length_that_is_none_is_an_error(serve: Serve, kind: str, length: str) -> None:
    def do(response: Any) -> Any:
        response.set_header("Content-Length", length)
        return response.send_content(200, "abc")

    assert (await (await serve_both(serve, kind, do)).get("/plugins/it")).status == 500


@pytest.mark.parametrize("kind", KINDS)
async def test_what_is_written_is_copied(serve: Serve, kind: str) -> None:
    """IP-094, IP-095: the servlet may fill its buffer anew."""

    async def do_async(response: AsyncResponse) -> None:
        buffer = bytearray(b"one")
        await response.end_headers()
        await response.write(buffer)
        buffer[:] = b"two"
        await response.get_wfile().write(memoryview(buffer))
        buffer[:] = b"xxx"

    def do(response: Any) -> Any:
        if kind == "async":
            return do_async(response)
        buffer = bytearray(b"one")
        response.write(buffer)
        buffer[:] = b"two"
        response.get_wfile().write(memoryview(buffer))
        buffer[:] = b"xxx"
        return None

    assert (await (await serve_both(serve, kind, do)).get("/plugins/it")).body == b"onetwo"


@pytest.mark.parametrize("data", ["text", 5, None])
@pytest.mark.parametrize("kind", KINDS)
async def test_only_bytes_can_be_written(serve: Serve, kind: str, data: Any, caplog: pytest.LogCaptureFixture) -> None:
    """IP-094: five is no five zeros."""

    async def do_async(response: AsyncResponse) -> None:
        await response.end_headers()
        await response.write(data)

    def do(response: Any) -> Any:
        return do_async(response) if kind == "async" else response.write(data)

    client = await serve_both(serve, kind, do)
    await client.send(b"GET /plugins/it HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    assert "write() takes bytes, not" in caplog.text


async def test_writing_before_the_headers_is_an_error_for_an_asynchronous_servlet(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    """IP-094, IP-093: in a synchronous one it ends them."""
    client = await serve_both(serve, "async", lambda response: response.write(b"x"))
    assert (await client.get("/plugins/it")).status == 500
    assert "The headers come before the body" in caplog.text
    client = await serve_both(serve, "sync", lambda response: response.write(b"x"))
    assert (await client.get("/plugins/it")).body == b"x"


async def test_the_body_of_a_synchronous_servlet_is_a_file(serve: Serve) -> None:
    """IP-095: what was written is there after it is closed, and then nothing can be written."""
    response = SyncResponse()
    file = response.get_wfile()
    assert (file.mode, file.writable(), file.readable()) == ("wb", True, False)
    with pytest.raises(io.UnsupportedOperation):
        file.read()
    assert file.write(b"Hello, ") == 7
    file.writelines([b"World", b"!"])
    file.flush()
    file.close()
    assert file.get() == b"Hello, World!"
    with pytest.raises(ValueError, match="closed"):
        file.write(b"more")
    with pytest.raises(OSError, match="Headers have already been set"):
        response.set_header("X-A", "1")


def test_responses_fit_the_classes_that_annotations_name() -> None:
    assert issubclass(AsyncResponse, AbstractAsyncHTTPServletResponse)
    assert issubclass(SyncResponse, AbstractHTTPServletResponse)


async def test_whoever_writes_a_response_of_their_own_gets_send_content() -> None:
    """IP-096, IP-137: the abstract classes have it; a writer need not flush."""
    did: list[Any] = []

    class Own(AbstractAsyncHTTPServletResponse):
        def set_response(self, code: int, message: str | None = None) -> None:
            did.append(code)

        def set_header(self, name: str, value: Any) -> None:
            did.append((name, value))

        add_header = set_header

        def is_header_set(self, name: str) -> bool:
            return False

        async def end_headers(self) -> None:
            did.append("end")

        def get_wfile(self) -> AbstractAsyncWriter:
            raise NotImplementedError

        async def write(self, data: bytes) -> None:
            did.append(data)

        def setup_sse(self, strict: bool = True) -> None: ...
        async def send_sse(self, event: str | None = None, data: str | None = None, id: str | None = None) -> None: ...

    await Own().send_content(200, "hi", "text/plain")
    assert did == [200, ("Content-Type", "text/plain"), ("Content-Length", 2), "end", b"hi"]


# No body


@pytest.mark.parametrize("kind", KINDS)
async def test_head_never_has_a_body(serve: Serve, kind: str) -> None:
    """IP-097: iPOPO's asynchronous servlets send one, and the next answer begins in the middle of it."""
    client = await serve_both(serve, kind, lambda response: response.send_content(200, "abc"))
    head = b"HEAD /plugins/it HTTP/1.1\r\nHost: a\r\n\r\n"
    sent = await client.send(head + head.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
    assert len(re.findall(rb"HTTP/1\.1 200 OK\r\n", sent)) == 2
    assert sent.count(b"Content-Length: 3\r\n") == 2
    assert sent.endswith(b"\r\n\r\n")
    assert b"abc" not in sent


@pytest.mark.parametrize("status", [200, 204, 304])
async def test_a_stream_that_may_have_no_body_writes_into_the_void_and_ends_by_itself(
    serve: Serve, status: int
) -> None:
    """IP-097: the servlet is not cancelled, it does what it wants to do."""
    over: list[str] = []

    async def stream(request: AsyncRequest, response: AsyncResponse) -> None:
        response.set_response(status)
        await response.end_headers()
        for _ in range(3):
            await response.write(b"abc")
            await asyncio.sleep(0)
        over.append("done")

    client = await serve_servlet(serve, stream)
    method = b"HEAD" if status == 200 else b"GET"
    request = method + b" /plugins/it HTTP/1.1\r\nHost: a\r\n\r\n"
    sent = await client.send(request + request.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
    assert sent.count(b"HTTP/1.1 ") == 2
    assert b"abc" not in sent
    assert over == ["done", "done"]


async def test_an_old_client_gets_no_chunks(serve: Serve) -> None:
    """IP-098: HTTP/1.0: the end of the connection is that of the body."""

    async def stream(request: AsyncRequest, response: AsyncResponse) -> None:
        await response.end_headers()
        await response.write(b"abc")
        await response.write(b"def")

    client = await serve_servlet(serve, stream)
    sent = await client.send(b"GET /plugins/it HTTP/1.0\r\nHost: a\r\n\r\n")
    assert b"Transfer-Encoding" not in sent
    assert sent.endswith(b"\r\n\r\nabcdef")


# What goes wrong half way


async def test_an_error_after_the_headers_breaks_the_answer_off(serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    """IP-074, IP-104: never a second answer. iPOPO sends a whole page behind half of the first answer."""

    async def half(request: AsyncRequest, response: AsyncResponse) -> None:
        await response.end_headers()
        await response.write(b"half")
        raise ValueError("then this")

    client = await serve_servlet(serve, half)
    sent = await client.send(b"GET /plugins/it HTTP/1.1\r\nHost: a\r\n\r\n" * 2)
    assert sent.count(b"HTTP/1.1 ") <= 1
    assert not sent.endswith(b"0\r\n\r\n")
    assert b"Internal Server Error" not in sent
    assert "then this" in caplog.text


async def test_an_error_after_a_whole_answer_leaves_the_answer_whole(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    """IP-074: it is in the log, and the connection is closed behind the answer."""

    async def late(request: AsyncRequest, response: AsyncResponse) -> None:
        await response.send_content(200, "abc")
        raise ValueError("too late")

    client = await serve_servlet(serve, late)
    sent = await client.send(b"GET /plugins/it HTTP/1.1\r\nHost: a\r\n\r\n")
    assert sent.count(b"HTTP/1.1 ") == 1
    assert sent.endswith(b"\r\n\r\nabc")
    assert "too late" in caplog.text


async def test_content_is_sent_when_the_servlet_goes_on_to_something_else(serve: Serve) -> None:
    """IP-096: the client does not wait for what comes behind its answer."""
    release = asyncio.Event()
    after: list[str] = []

    async def go_on(request: AsyncRequest, response: AsyncResponse) -> None:
        await response.send_content(200, "abc", "text/plain; charset=utf-8")
        await release.wait()
        await response.write(b"nothing")
        after.append("done")

    client = await serve_servlet(serve, go_on)
    async with asyncio.timeout(PATIENCE_S), connect(client.url) as connection:
        answer = await connection.ask(b"GET /plugins/it HTTP/1.1\r\nHost: a\r\n\r\n")
        assert (answer.body, answer.headers["content-type"], after) == ("abc", "text/plain; charset=utf-8", [])
        release.set()
        assert (await connection.ask(b"GET /plugins/it HTTP/1.1\r\nHost: a\r\n\r\n")).body == "abc"
    assert after[0] == "done"


async def test_content_goes_through_the_middlewares_like_any_other_answer(serve: Serve) -> None:
    async def add_header(request: web.Request, handler: Any) -> web.StreamResponse:
        response: web.StreamResponse = await handler(request)
        response.headers["X-Added"] = "1"
        return response

    async def answer(request: AsyncRequest, response: AsyncResponse) -> None:
        await response.send_content(200, "abc")

    app, service = Application(middlewares=[add_header]), ServletService()
    service.register_servlet("/it", servlet_of(answer), None, ServletType.ASYNC)
    app.mount("/plugins", service)
    assert (await (await serve(app)).get("/plugins/it")).headers["X-Added"] == "1"


async def test_content_can_be_sent_once(serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    """IP-090."""

    async def twice(request: AsyncRequest, response: AsyncResponse) -> None:
        await response.send_content(200, "abc")
        await response.write(b"ignored: the length is reached")
        await response.send_content(200, "def")

    client = await serve_servlet(serve, twice)
    assert (await client.get("/plugins/it")).body == b"abc"
    assert "Headers have already been set, cannot change the response code" in caplog.text


async def test_a_failing_synchronous_servlet_that_has_written_is_a_500(serve: Serve) -> None:
    """IP-073: nothing was sent yet."""

    def half(request: SyncRequest, response: SyncResponse) -> None:
        response.write(b"half")
        raise StopIteration

    client = await serve_in_thread(serve, half)
    assert (await client.get("/plugins/it")).status == 500


async def test_a_servlet_whose_client_leaves_is_not_cancelled_but_told_at_the_next_write(serve: Serve) -> None:
    """IP-102, IP-094: OSError, whatever it writes."""
    began, over = asyncio.Event(), asyncio.Event()
    seen: list[BaseException] = []

    async def stream(request: AsyncRequest, response: AsyncResponse) -> None:
        await response.end_headers()
        try:
            while True:
                await response.write(b"x")
                began.set()
                await asyncio.sleep(0.01)
        except BaseException as error:
            seen.append(error)
            raise
        finally:
            over.set()

    client = await serve_servlet(serve, stream)
    async with connect(client.url) as connection:
        connection.writer.write(b"GET /plugins/it HTTP/1.1\r\nHost: a\r\n\r\n")
        await began.wait()
    async with asyncio.timeout(PATIENCE_S):
        await over.wait()
    assert isinstance(seen[0], OSError)


# Event streams


async def read_events(client: Client, **headers: str) -> tuple[Answer, EventSource]:
    """Read a stream to its end."""
    answer = await client.get("/plugins/it", headers=headers)
    source = EventSource()
    source.feed(answer.body)
    return answer, source


async def test_events_are_sent(serve: Serve) -> None:
    """IP-100, IP-101: the headers and the bytes, as they have always been."""

    async def stream(request: AsyncRequest, response: AsyncResponse) -> None:
        response.setup_sse()
        response.setup_sse()
        await response.end_headers()
        await response.send_sse("ev", "a\nb\r\nc", "7")

    answer, source = await read_events(await serve_servlet(serve, stream), Accept="text/html, text/event-stream;q=0.5")
    assert answer.headers["Content-Type"] == "text/event-stream"
    assert answer.headers["Cache-Control"] == "no-cache"
    assert answer.headers["Connection"] == "keep-alive"
    assert answer.body == b"id: 7\nevent: ev\ndata: a\ndata: b\ndata: c\n\n"
    assert source.messages == [Message("a\nb\nc", "ev", "7")]


EVENTS: list[tuple[dict[str, Any], bytes]] = [
    ({}, b"data\n\n"),
    ({"data": ""}, b"data\n\n"),
    ({"data": "hello"}, b"data: hello\n\n"),
    ({"data": 5}, b"data: 5\n\n"),
    ({"data": 0}, b"data: 0\n\n"),
    ({"data": ["a"]}, b"data: ['a']\n\n"),
    ({"id": ""}, b"id\ndata\n\n"),
    ({"event": ""}, b"event\ndata\n\n"),
    ({"event": "e", "id": "1"}, b"id: 1\nevent: e\ndata\n\n"),
    ({"data": "a\x0bb\u2028c"}, "data: a\x0bb\u2028c\n\n".encode()),
]


@pytest.mark.parametrize(("event", "sent"), EVENTS)
async def test_an_event_may_have_anything_and_nothing(serve: Serve, event: dict[str, Any], sent: bytes) -> None:
    """IP-101, IP-103: what is no text becomes text. Lines end where the standard says, not where Python does."""

    async def stream(request: AsyncRequest, response: AsyncResponse) -> None:
        response.setup_sse(strict=False)
        await response.end_headers()
        await response.send_sse(**event)

    answer, _ = await read_events(await serve_servlet(serve, stream))
    assert answer.body == sent


@pytest.mark.parametrize("field", [{"event": "a\ndata: b"}, {"id": "a\rb"}, {"event": "a\0"}])
async def test_a_name_or_an_id_cannot_bring_fields_of_its_own(
    serve: Serve, field: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    """IP-101: iPOPO writes them as they are."""

    async def stream(request: AsyncRequest, response: AsyncResponse) -> None:
        response.setup_sse(strict=False)
        await response.end_headers()
        await response.send_sse(**field)

    client = await serve_servlet(serve, stream)
    sent = await client.send(b"GET /plugins/it HTTP/1.1\r\nHost: a\r\n\r\n")
    assert b"data" not in sent
    assert "ValueError" in caplog.text


async def test_a_client_has_to_ask_for_events_unless_it_need_not(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    """IP-100."""
    strict = [True]

    async def stream(request: AsyncRequest, response: AsyncResponse) -> None:
        response.setup_sse(strict=strict[0])
        await response.end_headers()
        await response.send_sse(data="x")

    client = await serve_servlet(serve, stream)
    assert (await client.get("/plugins/it")).status == 500
    assert "Cannot set up SSE for a non-SSE request" in caplog.text
    strict[0] = False
    assert (await client.get("/plugins/it")).body == b"data: x\n\n"


async def test_events_need_their_setup_and_their_headers(serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    """IP-101, IP-100: the second step of the documentation is not optional."""

    async def no_setup(request: AsyncRequest, response: AsyncResponse) -> None:
        await response.send_sse(data="x")

    async def no_headers(request: AsyncRequest, response: AsyncResponse) -> None:
        response.setup_sse(strict=False)
        await response.send_sse(data="x")

    for servlet, message in ((no_setup, "SSE not set up, call setup_sse() first"), (no_headers, "end_headers()")):
        assert (await (await serve_servlet(serve, servlet)).get("/plugins/it")).status == 500
        assert message in caplog.text


async def test_a_servlet_whose_client_leaves_its_events_is_told_at_the_next_one(serve: Serve) -> None:
    """IP-102: an OSError, within the time between two events, and no cancellation."""
    began, over = asyncio.Event(), asyncio.Event()
    seen: list[BaseException] = []

    async def stream(request: AsyncRequest, response: AsyncResponse) -> None:
        response.setup_sse()
        await response.end_headers()
        try:
            while True:
                await response.send_sse(data="x")
                began.set()
                await asyncio.sleep(0.01)
        except BaseException as error:
            seen.append(error)
            raise
        finally:
            over.set()

    client = await serve_servlet(serve, stream)
    async with connect(client.url) as connection:
        connection.writer.write(b"GET /plugins/it HTTP/1.1\r\nHost: a\r\nAccept: text/event-stream\r\n\r\n")
        await began.wait()
    async with asyncio.timeout(PATIENCE_S):
        await over.wait()
    assert type(seen[0]) is OSError
    assert str(seen[0]) == "Client connection reset during SSE send"


async def test_a_stream_of_events_ends_at_once_for_head(serve: Serve) -> None:
    """IP-097: an endless one would hold the connection, and nobody hears it."""
    seen: list[str] = []

    async def stream(request: AsyncRequest, response: AsyncResponse) -> None:
        response.setup_sse(strict=False)
        await response.end_headers()
        try:
            while True:
                await response.send_sse(data="x")
        except OSError as error:
            seen.append(str(error))

    client = await serve_servlet(serve, stream)
    head = b"HEAD /plugins/it HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
    assert b"data" not in await client.send(head)
    assert seen == ["The answer to HEAD is over with its headers: there are no events."]
