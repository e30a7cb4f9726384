"""Expectations: when a client is told to send its body, and what becomes of one that is refused before.

Every byte on the connection counts here, so clients are written by hand. The ids AW-... name the behaviours that
aiohttp documents.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import msgspec
import pytest
from aiohttp import hdrs, web

from tests.serving import PATIENCE_S, Client, Serve
from webkit import Application, Body, FormBody
from webkit.errors import HTTPExpectationFailed, HTTPForbidden, HTTPUnauthorized, Problem
from webkit.expect import (
    accept,
    all_of,
    defer_continue,
    expects_continue,
    refuse_above,
    require_authorization,
    send_continue,
    when_read,
)

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
JSON = b"Content-Type: application/json\r\n"
FORM = b"Content-Type: application/x-www-form-urlencoded\r\n"
PARTS = b"Content-Type: multipart/form-data; boundary=b\r\n"
PART = b'--b\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n--b--\r\n'


class Talk:
    """A connection whose client is written by hand."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    def send(self, data: bytes) -> None:
        """Send *data*."""
        self.writer.write(data)

    async def read_head(self) -> bytes:
        """Give the next status line with its headers."""
        async with asyncio.timeout(PATIENCE_S):
            return await self.reader.readuntil(b"\r\n\r\n")

    async def read_answer(self) -> tuple[bytes, bytes]:
        """Give the next head, and the body that its Content-Length says."""
        head = await self.read_head()
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0] or 0)
        async with asyncio.timeout(PATIENCE_S):
            return head, await self.reader.readexactly(length)

    async def read_rest(self) -> bytes:
        """Give everything until the server closes: sooner than in the ten seconds that aiohttp waits for a body."""
        async with asyncio.timeout(8):
            return await self.reader.read()


@asynccontextmanager
async def talk(client: Client) -> AsyncIterator[Talk]:
    """Connect to the server of *client*."""
    reader, writer = await asyncio.open_connection(client.url.host, client.url.port)
    try:
        yield Talk(reader, writer)
    finally:
        writer.close()


def head(target: bytes = b"/", *lines: bytes, method: bytes = b"POST", length: int | None = 2) -> bytes:
    """The head of a request that waits for ``100 Continue``; *lines* end with a line end each."""
    framing = b"Transfer-Encoding: chunked\r\n" if length is None else b"Content-Length: %d\r\n" % length
    start = b"%s %s HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n" % (method, target)
    return start + framing + b"".join(lines) + b"\r\n"


async def show_length(request: web.Request) -> Any:
    return str(len(await request.read()))


def answering(app: Application, handler: Any, path: str = "/", **options: Any) -> Application:
    app.add_post(path, handler, **options)
    return app


class Item(msgspec.Struct):
    a: int


# When the client is told


async def by_read(request: web.Request) -> Any:
    return str(len(await request.read()))


async def by_text(request: web.Request) -> Any:
    return await request.text()


async def by_json(request: web.Request) -> Any:
    return await request.json()


async def by_post(request: web.Request) -> Any:
    return dict(await request.post())


async def by_multipart(request: web.Request) -> Any:
    parts = await request.multipart()
    part = await parts.next()
    assert isinstance(part, aiohttp.BodyPartReader)
    return await part.text()


async def by_readline(request: web.Request) -> Any:
    return await request.content.readline()


async def by_readuntil(request: web.Request) -> Any:
    return await request.content.readuntil(b"}")


async def by_readexactly(request: web.Request) -> Any:
    return await request.content.readexactly(3)


async def by_content_read(request: web.Request) -> Any:
    return await request.content.read(3)


async def by_readany(request: web.Request) -> Any:
    return await request.content.readany()


async def by_readchunk(request: web.Request) -> Any:
    data, _ = await request.content.readchunk()
    return data


async def by_iter_chunked(request: web.Request) -> Any:
    return b"".join([chunk async for chunk in request.content.iter_chunked(2)])


async def by_iter_any(request: web.Request) -> Any:
    return b"".join([chunk async for chunk in request.content.iter_any()])


async def by_iter_chunks(request: web.Request) -> Any:
    return b"".join([chunk async for chunk, _ in request.content.iter_chunks()])


async def by_lines(request: web.Request) -> Any:
    return b"".join([line async for line in request.content])


async def by_body(item: Body[Item]) -> Any:
    return {"a": item.a}


async def by_form(item: FormBody[Item]) -> Any:
    return {"a": item.a}


async def by_release(request: web.Request) -> Any:
    await request.release()
    return "released"


READERS: list[tuple[Any, bytes, bytes]] = [
    *((handler, JSON, b'{"a":1}') for handler in (by_read, by_text, by_json, by_body, by_readline, by_readuntil)),
    *((handler, JSON, b'{"a":1}') for handler in (by_readexactly, by_content_read, by_readany, by_readchunk)),
    *((handler, JSON, b'{"a":1}') for handler in (by_iter_chunked, by_iter_any, by_iter_chunks, by_lines, by_release)),
    *((handler, FORM, b"a=1") for handler in (by_post, by_form)),
    *((handler, PARTS, PART) for handler in (by_post, by_form, by_multipart)),
]


@pytest.mark.parametrize(("handler", "content_type", "body"), READERS, ids=lambda value: getattr(value, "__name__", ""))
@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
async def test_a_client_is_told_once_to_send_its_body_whatever_way_it_is_read(
    serve: Serve, handler: Any, content_type: bytes, body: bytes, chunked: bool
) -> None:
    """AW-060, deferred."""
    client = await serve(answering(Application(), handler))
    async with talk(client) as connection:
        for _ in range(2):  # the connection goes on
            connection.send(head(b"/", content_type, length=None if chunked else len(body)))
            assert await connection.read_head() == CONTINUE
            connection.send(b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body) if chunked else body)
            answer, _ = await connection.read_answer()
            assert answer.startswith(b"HTTP/1.1 200 OK")
            assert b"Connection" not in answer


async def test_a_client_is_not_told_before_somebody_reads(serve: Serve) -> None:
    reads = asyncio.Event()

    async def handler(request: web.Request) -> Any:
        await reads.wait()
        return await request.text()

    client = await serve(answering(Application(), handler))
    async with talk(client) as connection:
        connection.send(head())
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await connection.reader.read(1)
        reads.set()
        assert await connection.read_head() == CONTINUE
        connection.send(b"ok")
        assert (await connection.read_answer())[1] == b"ok"


async def test_a_middleware_that_reads_the_body_tells_the_client(serve: Serve) -> None:
    async def look(request: web.Request, handler: Any) -> web.StreamResponse:
        await request.read()
        return await handler(request)  # type: ignore[no-any-return]

    client = await serve(answering(Application(middlewares=[look]), show_length, "/x"))
    async with talk(client) as connection:
        for target, status in ((b"/x", b"200"), (b"/nowhere", b"404")):
            connection.send(head(target))
            assert await connection.read_head() == CONTINUE
            connection.send(b"ok")
            assert (await connection.read_answer())[0].startswith(b"HTTP/1.1 " + status)


@pytest.mark.parametrize("handler", [by_read, by_readany, by_iter_chunked, by_json])
async def test_a_client_that_does_not_wait_is_not_told(serve: Serve, handler: Any) -> None:
    client = await serve(answering(Application(), handler))
    async with talk(client) as connection:
        for _ in range(2):
            connection.send(head() + b"{}")
            assert (await connection.read_answer())[0].startswith(b"HTTP/1.1 200 OK")


async def test_a_body_of_which_a_part_came_unasked_is_awaited_without_telling_the_client(serve: Serve) -> None:
    client = await serve(answering(Application(), by_text))
    async with talk(client) as connection:
        connection.send(head(length=4) + b"ab")
        await asyncio.sleep(0.05)
        connection.send(b"cd")
        head_of_answer, body = await connection.read_answer()
        assert (head_of_answer[:15], body) == (b"HTTP/1.1 200 OK", b"abcd")


async def test_a_handler_that_answers_while_it_reads_is_served(serve: Serve) -> None:
    async def echo(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        async for chunk in request.content.iter_any():
            await response.write(chunk)
        return response

    client = await serve(answering(Application(), echo))
    async with talk(client) as connection:
        connection.send(head())
        assert await connection.read_head() == CONTINUE
        assert (await connection.read_head()).startswith(b"HTTP/1.1 200 OK")
        connection.send(b"ok")
        async with asyncio.timeout(PATIENCE_S):
            assert await connection.reader.readuntil(b"0\r\n\r\n") == b"2\r\nok\r\n0\r\n\r\n"


async def test_a_request_without_a_body_has_nothing_to_be_told(serve: Serve) -> None:
    app = Application()
    app.add_get("/", by_read)
    async with talk(await serve(app)) as connection:
        for _ in range(2):
            connection.send(b"GET / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n\r\n")
            assert (await connection.read_answer())[0].startswith(b"HTTP/1.1 200 OK")


# Clients that are refused before they are told


def make_site() -> Application:
    async def guard(request: web.Request, handler: Any) -> web.StreamResponse:
        if request.path == "/guarded":
            raise HTTPUnauthorized
        return await handler(request)  # type: ignore[no-any-return]

    app = Application(middlewares=[guard], trailing_slash="redirect")
    app.add_post("/guarded", show_length)
    app.add_post("/unread", lambda request: "unread")
    app.add_put("/both", show_length)
    app.aiohttp.router.add_delete("/both", show_length)
    child, plain = Application(), web.Application()
    child.add_put("/x", show_length)
    child.aiohttp.router.add_delete("/x", show_length)
    plain.router.add_put("/x", show_length)
    app.mount("/child", child)
    app.mount("/plain", plain)
    elsewhere = Application()
    elsewhere.add_put("/x", show_length)
    app.add_domain("example.org", elsewhere)
    return app


@pytest.mark.parametrize(
    ("target", "status", "allow"),
    [
        ("/guarded", 401, None),
        ("/unread", 200, None),
        ("/unread/", 308, None),
        ("/nowhere", 404, None),
        ("/both", 405, "DELETE,PUT"),
        ("/child", 404, None),
        ("/child/nowhere", 404, None),
        ("/child/x", 405, "DELETE,PUT"),
        ("/plain/nowhere", 404, None),
        ("/plain/x", 405, "PUT"),
    ],
)
@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
async def test_who_is_answered_without_the_body_is_not_told_to_send_it_and_the_connection_closes(
    serve: Serve, target: str, status: int, allow: str | None, chunked: bool
) -> None:
    client = await serve(make_site())
    async with talk(client) as connection:
        connection.send(head(target.encode(), length=None if chunked else 10 * 2**30))
        answer = await connection.read_rest()
    without = await client.post(target, data=b"")
    assert answer.startswith(b"HTTP/1.1 %d " % status)
    assert b"100 Continue" not in answer
    assert answer.count(b"HTTP/1.1 ") == 1
    assert b"Connection: close\r\n" in answer
    # But for that it is the answer to a request without the header.
    assert (without.status, without.headers.get("Allow")) == (status, allow)
    assert (f"Allow: {allow}\r\n".encode() in answer) == (allow is not None)
    assert answer.partition(b"\r\n\r\n")[2] == without.body


async def test_who_misses_a_route_on_another_host_is_not_told(serve: Serve) -> None:
    client = await serve(make_site())
    for target, status in ((b"/nowhere", b"404"), (b"/x", b"405")):
        async with talk(client) as connection:
            connection.send(head(target).replace(b"Host: x", b"Host: example.org"))
            answer = await connection.read_rest()
        assert answer.startswith(b"HTTP/1.1 " + status)
        assert b"100 Continue" not in answer


async def test_a_miss_with_the_header_is_shown_by_the_same_pages_and_handlers(serve: Serve) -> None:
    child, app = Application(), Application()
    seen: list[Any] = []

    @app.error(404)
    async def missed(request: web.Request, error: Exception) -> Any:
        return {"missed": request.path}

    async def note(request: web.Request, handler: Any) -> Any:
        match_info = request.match_info
        seen.append((len(match_info.apps), match_info.http_exception and match_info.http_exception.status))
        return await handler(request)

    child.middlewares.append(note)
    app.mount("/child", child)
    client = await serve(app)
    async with talk(client) as connection:
        connection.send(head(b"/child/x"))
        answer = await connection.read_rest()
    plain = await client.post("/child/x")
    assert answer.startswith(b"HTTP/1.1 404 Not Found")
    assert answer.partition(b"\r\n\r\n")[2] == plain.body == b'{"missed":"/child/x"}'
    assert seen == [(2, 404), (2, 404)]


async def test_a_refusal_of_a_body_that_came_unasked_leaves_the_connection_open(serve: Serve) -> None:
    client = await serve(make_site())
    async with talk(client) as connection:
        for target, status in ((b"/guarded", b"401"), (b"/nowhere", b"404"), (b"/unread", b"200")):
            connection.send(head(target) + b"ok")
            answer, _ = await connection.read_answer()
            assert answer.startswith(b"HTTP/1.1 " + status)
            assert b"Connection" not in answer


async def test_a_refused_client_that_sends_its_body_all_the_same_still_gets_the_answer(serve: Serve) -> None:
    client = await serve(make_site())
    for _ in range(20):
        async with talk(client) as connection:
            connection.send(head(b"/guarded", length=2**20))
            await asyncio.sleep(0.01)  # on its way; the server has refused already
            connection.send(b"x" * 2**20)
            await asyncio.sleep(0.01)
            assert (await connection.read_rest()).startswith(b"HTTP/1.1 401 Unauthorized")


async def test_a_client_that_was_told_and_then_refused_keeps_its_connection(serve: Serve) -> None:
    async def look_then_refuse(request: web.Request) -> Any:
        await request.content.read(1)
        raise HTTPForbidden

    client = await serve(answering(Application(), look_then_refuse))
    async with talk(client) as connection:
        for _ in range(2):
            connection.send(head())
            assert await connection.read_head() == CONTINUE
            connection.send(b"ok")
            answer, _ = await connection.read_answer()
            assert answer.startswith(b"HTTP/1.1 403 Forbidden")
            assert b"Connection" not in answer


async def test_a_crash_before_the_body_is_read_closes_the_connection(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    async def crash(request: web.Request) -> Any:
        raise ArithmeticError("oops")

    client = await serve(answering(Application(), crash))
    async with talk(client) as connection:
        connection.send(head())
        answer = await connection.read_rest()
    assert answer.startswith(b"HTTP/1.1 500 Internal Server Error")
    assert b"oops" in caplog.text.encode()


@pytest.mark.parametrize("handler", [by_read, by_text, by_json, by_post, by_body])
async def test_a_body_that_is_read_as_a_whole_and_says_to_be_too_large_is_refused_before_it_is_sent(
    serve: Serve, handler: Any
) -> None:
    client = await serve(answering(Application(client_max_size=1000), handler))
    for content_type in (JSON, PARTS) if handler is by_post else (JSON,):
        lines = FORM if handler is by_post and content_type is JSON else content_type
        async with talk(client) as connection:
            connection.send(head(b"/", lines, length=1001))
            answer = await connection.read_rest()
        assert answer.startswith(b"HTTP/1.1 413 ")
    async with talk(client) as connection:
        connection.send(head(b"/", FORM if handler is by_post else JSON, length=1000))
        assert await connection.read_head() == CONTINUE


@pytest.mark.parametrize("handler", [by_iter_chunked, by_readany, by_multipart])
async def test_a_handler_that_reads_piece_by_piece_may_take_more_than_the_limit_of_the_application(
    serve: Serve, handler: Any
) -> None:
    client = await serve(answering(Application(client_max_size=1000), handler))
    body = PART if handler is by_multipart else b""
    body += b"x" * (2000 - len(body))
    async with talk(client) as connection:
        connection.send(head(b"/", PARTS, length=2000))
        assert await connection.read_head() == CONTINUE
        connection.send(body)
        assert (await connection.read_answer())[0].startswith(b"HTTP/1.1 200 OK")


async def test_a_handler_that_was_refused_the_whole_may_read_piece_by_piece(serve: Serve) -> None:
    async def handler(request: web.Request) -> Any:
        try:
            return await request.text()
        except web.HTTPRequestEntityTooLarge:
            return str(len(await request.content.readexactly(2000)))

    client = await serve(answering(Application(client_max_size=1000), handler))
    async with talk(client) as connection:
        connection.send(head(length=2000))
        assert await connection.read_head() == CONTINUE
        connection.send(b"x" * 2000)
        assert (await connection.read_answer())[1] == b"2000"


# Other expectations, and other versions


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        (b"Expect: foo", b"Unknown Expect: foo"),
        (b"Expect: 100-continue, foo", b"Unknown Expect: 100-continue, foo"),
        (b"Expect: 100-continue\r\nExpect: foo", b"Unknown Expect: 100-continue,foo"),
        (b"Expect: 100-continue;a=b", b"Unknown Expect: 100-continue;a=b"),
        (b"Expect: \xff", b"417: Expectation Failed"),
        (b"Expect: \xc3\xa4", b"417: Expectation Failed"),
        (b"Expect: a\tb", b"417: Expectation Failed"),
    ],
)
@pytest.mark.parametrize("target", [b"/", b"/nowhere"])
async def test_an_expectation_that_nobody_can_meet_is_refused(
    serve: Serve, said: bytes, shown: bytes, target: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    """AW-060."""
    client = await serve(answering(Application(), by_read))
    async with talk(client) as connection:
        connection.send(head(target).replace(b"Expect: 100-continue", said))
        answer = await connection.read_rest()
    assert answer.startswith(b"HTTP/1.1 417 Expectation Failed")
    assert answer.endswith(b"\r\n\r\n" + shown)
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


@pytest.mark.parametrize("said", [b"100-Continue", b"100-CONTINUE", b" 100-continue ", b"100-continue, 100-continue"])
async def test_the_expectation_is_read_in_any_case_and_may_be_repeated(serve: Serve, said: bytes) -> None:
    client = await serve(answering(Application(), by_read))
    async with talk(client) as connection:
        connection.send(head().replace(b"100-continue", said))
        assert await connection.read_head() == CONTINUE
        connection.send(b"ok")
        assert (await connection.read_answer())[0].startswith(b"HTTP/1.1 200 OK")


@pytest.mark.parametrize("said", [b"100-continue", b"foo"])
@pytest.mark.parametrize("handler", [when_read, accept, refuse_above(10)])
async def test_http_1_0_knows_no_expectations(serve: Serve, said: bytes, handler: Any) -> None:
    client = await serve(answering(Application(), by_text, expect_handler=handler))
    async with talk(client) as connection:
        connection.send(head().replace(b"HTTP/1.1", b"HTTP/1.0").replace(b"100-continue", said))
        connection.send(b"ok")
        answer = await connection.read_rest()
    assert answer.startswith(b"HTTP/1.0 200 OK")
    assert answer.endswith(b"\r\n\r\nok")


async def test_a_header_without_a_value_expects_nothing(serve: Serve) -> None:
    client = await serve(answering(Application(), by_text))
    async with talk(client) as connection:
        connection.send(head().replace(b" 100-continue", b"") + b"ok")
        assert (await connection.read_answer())[1] == b"ok"


# Expect handlers of one's own


async def check_auth(request: web.Request) -> Any:
    """The sample of aiohttp's documentation, with the name corrected that it used without defining it."""
    if request.version != aiohttp.HttpVersion11:
        return
    expect = request.headers.get("EXPECT")
    if expect != "100-continue":
        raise HTTPExpectationFailed(text=f"Unknown Expect: {expect}")
    if request.headers.get("AUTHORIZATION") is None:
        raise HTTPForbidden
    assert request.transport is not None
    request.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")


async def check_auth_by_the_writer(request: web.Request) -> Any:
    if request.headers.get("AUTHORIZATION") is None:
        raise HTTPForbidden
    await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")


async def check_auth_by_webkit(request: web.Request) -> Any:
    if request.headers.get("AUTHORIZATION") is None:
        raise HTTPForbidden
    await send_continue(request)


OWN = [check_auth, check_auth_by_the_writer, check_auth_by_webkit]
AUTHORIZED = b"Authorization: Bearer x\r\n"


@pytest.mark.parametrize("handler", OWN)
async def test_a_route_has_an_expect_handler_of_its_own(serve: Serve, handler: Any) -> None:
    """AW-061, AW-062, AW-063, AW-064."""
    seen: list[str] = []

    async def note(request: web.Request, handler: Any) -> Any:
        seen.append(request.path)
        return await handler(request)

    client = await serve(answering(Application(middlewares=[note]), by_text, expect_handler=handler))
    async with talk(client) as connection:
        for _ in range(2):
            connection.send(head(b"/", AUTHORIZED))
            assert await connection.read_head() == CONTINUE
            connection.send(b"ok")
            answer, body = await connection.read_answer()
            assert (answer[:15], body) == (b"HTTP/1.1 200 OK", b"ok")
        assert seen == ["/", "/"]
        connection.send(head())
        answer = await connection.read_rest()
    assert answer.startswith(b"HTTP/1.1 403 Forbidden")
    assert b"Connection: close\r\n" in answer
    assert seen == ["/", "/"]  # no middleware sees a refusal
    assert (await client.post("/", data=b"ok")).text == "ok"  # nor is the handler asked without the header


@pytest.mark.parametrize("handler", OWN)
async def test_a_crash_behind_an_expect_handler_is_a_500_as_ever(
    serve: Serve, caplog: pytest.LogCaptureFixture, handler: Any
) -> None:
    """AW-062: aiohttp breaks the connection off where the handler has used the writer."""

    async def crash(request: web.Request) -> Any:
        raise ArithmeticError("oops")

    client = await serve(answering(Application(), crash, expect_handler=handler))
    async with talk(client) as connection:
        connection.send(head(b"/", AUTHORIZED))
        assert await connection.read_head() == CONTINUE
        connection.send(b"ok")
        assert (await connection.read_answer())[0].startswith(b"HTTP/1.1 500 ")
    assert len([record for record in caplog.records if record.levelno >= logging.ERROR]) == 1
    assert "oops" in caplog.text


EARLY: list[tuple[Callable[[], Any], int]] = [
    (lambda: web.Response(text="early", status=202), 202),
    (lambda: {"early": True}, 200),
    (lambda: "early", 200),
    (HTTPForbidden, 403),
]


@pytest.mark.parametrize(("make", "status"), EARLY)
async def test_what_an_expect_handler_returns_is_the_answer(serve: Serve, make: Callable[[], Any], status: int) -> None:
    async def handler(request: web.Request) -> Any:
        return make()

    client = await serve(answering(Application(), by_text, expect_handler=handler))
    async with talk(client) as connection:
        connection.send(head())
        answer = await connection.read_rest()
    assert answer.startswith(b"HTTP/1.1 %d " % status)
    assert b"100 Continue" not in answer
    assert b"Connection: close\r\n" in answer


async def test_a_refusal_is_shown_as_all_errors_are(serve: Serve) -> None:
    async def refuse(request: web.Request) -> None:
        raise Problem(403, detail="Not you.")

    client = await serve(answering(Application(), by_text, expect_handler=refuse))
    for accepts, shown in ((b"application/json", b'"detail":"Not you."'), (b"text/html", b"<h1>Forbidden</h1>")):
        async with talk(client) as connection:
            connection.send(head(b"/", b"Accept: " + accepts + b"\r\n"))
            answer = await connection.read_rest()
        assert answer.startswith(b"HTTP/1.1 403 Forbidden")
        assert shown in answer


@pytest.mark.parametrize("spoils", [False, True], ids=["silent", "has written"])
async def test_an_expect_handler_that_crashes_is_a_500_with_a_reference_in_the_log(
    serve: Serve, caplog: pytest.LogCaptureFixture, spoils: bool
) -> None:
    async def crash(request: web.Request) -> None:
        if spoils:
            await request.writer.write(CONTINUE)
        raise ArithmeticError("oops")

    client = await serve(answering(Application(), by_text, expect_handler=crash))
    async with talk(client) as connection:
        connection.send(head())
        if spoils:
            assert await connection.read_head() == CONTINUE
            connection.send(b"ok")
        answer, _ = await connection.read_answer()
    assert answer.startswith(b"HTTP/1.1 500 Internal Server Error")
    errors = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert [record.getMessage().split()[-3:] for record in errors] == [["in", "POST", "/"]]
    assert "oops" in caplog.text


async def test_error_handlers_are_asked_the_innermost_application_first(serve: Serve) -> None:
    seen: list[Any] = []

    async def refuse(request: web.Request) -> None:
        raise HTTPForbidden if request.path.endswith("a") else ArithmeticError

    child, app = Application(), Application()

    @child.error(403)
    async def forbidden(request: web.Request, error: Exception) -> Any:
        seen.append(Application.of(request))
        return "child"

    @app.error(ArithmeticError)
    async def failed(request: web.Request, error: Exception) -> Any:
        seen.append(Application.of(request))
        return web.Response(status=409, text="app")

    for path in ("/a", "/b"):
        child.add_post(path, by_text, expect_handler=refuse)
    app.mount("/child", child)
    client = await serve(app)
    for target, status, shown in ((b"/child/a", b"403", b"child"), (b"/child/b", b"409", b"app")):
        async with talk(client) as connection:
            connection.send(head(target))
            answer = await connection.read_rest()
        assert answer.startswith(b"HTTP/1.1 " + status)
        assert answer.endswith(b"\r\n\r\n" + shown)
    assert seen == [child, app]


async def test_an_expect_handler_may_leave_it_to_the_first_read(serve: Serve) -> None:
    async def look(request: web.Request) -> None:
        if expects_continue(request):
            defer_continue(request)

    client = await serve(answering(Application(), by_text, expect_handler=look))
    async with talk(client) as connection:
        connection.send(head())
        assert await connection.read_head() == CONTINUE
        connection.send(b"ok")
        assert (await connection.read_answer())[1] == b"ok"


async def test_a_handler_may_tell_the_client_by_itself_and_only_the_first_time_counts(serve: Serve) -> None:
    async def handler(request: web.Request) -> Any:
        await send_continue(request)
        await send_continue(request)
        return await request.text()

    client = await serve(answering(Application(), handler))
    async with talk(client) as connection:
        connection.send(head())
        assert await connection.read_head() == CONTINUE
        connection.send(b"ok")
        assert (await connection.read_answer())[1] == b"ok"


# Ready policies


def make_policies() -> Application:
    async def is_known(request: web.Request) -> bool:
        return request.headers[hdrs.AUTHORIZATION] == "Bearer good"

    handlers: dict[str, Callable[[web.Request], Awaitable[Any]]] = {
        "accept": accept,
        "small": refuse_above(10),
        "chunks": refuse_above(10, allow_unknown=True),
        "named": require_authorization(),
        "known": require_authorization(is_known, challenge='Bearer realm="x"'),
        "plain": require_authorization(lambda request: request.headers[hdrs.AUTHORIZATION] == "Bearer good"),
        "both": all_of(require_authorization(), refuse_above(10)),
    }
    app = Application()
    for name, handler in handlers.items():
        app.add_post(f"/{name}", by_text, expect_handler=handler)
    return app


GOOD, BAD = b"Authorization: Bearer good\r\n", b"Authorization: Bearer bad\r\n"
POLICIES: list[tuple[bytes, bytes, int | None, int]] = [
    (b"/accept", b"", 2, 100),
    (b"/small", b"", 10, 100),
    (b"/small", b"", 11, 413),
    (b"/small", b"", None, 411),
    (b"/chunks", b"", None, 100),
    (b"/chunks", b"", 11, 413),
    (b"/named", b"", 2, 401),
    (b"/named", BAD, 2, 100),
    (b"/known", b"", 2, 401),
    (b"/known", BAD, 2, 401),
    (b"/known", GOOD, 2, 100),
    (b"/plain", BAD, 2, 401),
    (b"/plain", GOOD, 2, 100),
    (b"/both", b"", 11, 401),
    (b"/both", BAD, 11, 413),
    (b"/both", BAD, 10, 100),
]


@pytest.mark.parametrize(("target", "lines", "length", "status"), POLICIES)
async def test_ready_policies_refuse_before_the_body_is_sent(
    serve: Serve, target: bytes, lines: bytes, length: int | None, status: int
) -> None:
    async with talk(await serve(make_policies())) as connection:
        connection.send(head(target, lines, length=length))
        if status == 100:
            assert await connection.read_head() == CONTINUE
            body = b"x" * (length or 0)
            connection.send(b"0\r\n\r\n" if length is None else body)
            assert (await connection.read_answer())[1] == body
        else:
            answer = await connection.read_rest()
            assert answer.startswith(b"HTTP/1.1 %d " % status)
            challenge = b'Bearer realm="x"' if target == b"/known" else b"Bearer"
            assert (b"WWW-Authenticate: " + challenge + b"\r\n" in answer) == (status == 401)


async def test_to_accept_is_to_tell_the_client_at_once(serve: Serve) -> None:
    go_on = asyncio.Event()

    async def wait(request: web.Request) -> Any:
        await go_on.wait()
        return "unread"

    client = await serve(answering(Application(), wait, expect_handler=accept))
    async with talk(client) as connection:
        connection.send(head())
        assert await connection.read_head() == CONTINUE
        go_on.set()
        connection.send(b"ok")
        assert (await connection.read_answer())[1] == b"unread"


@pytest.mark.parametrize("handler", [accept, refuse_above(10), require_authorization(), all_of(accept)])
async def test_ready_policies_refuse_what_they_do_not_know(serve: Serve, handler: Any) -> None:
    client = await serve(answering(Application(), by_text, expect_handler=handler))
    async with talk(client) as connection:
        connection.send(head(b"/", AUTHORIZED).replace(b"100-continue", b"foo"))
        assert (await connection.read_rest()).startswith(b"HTTP/1.1 417 ")


async def test_the_client_of_aiohttp_is_served(serve: Serve) -> None:
    client = await serve(answering(make_site(), by_text, "/text"))
    assert (await client.post("/text", data=b"x" * 100_000, expect100=True)).text == "x" * 100_000
    assert (await client.post("/guarded", data=b"x" * 100_000, expect100=True)).status == 401
