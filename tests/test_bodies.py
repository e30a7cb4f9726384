"""Bodies that cannot be read are the fault of the client: 400, 413 or 415 with what is wrong, and never a 500.

The clients are written by hand. A test that takes ``serve`` runs under aiohttp's runner and under webkit's.
"""

import asyncio
import gc
import json
import logging
import os
import stat
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
import pytest
from aiohttp import BodyPartReader, MultipartReader, StreamReader, hdrs, web
from hypothesis import given
from hypothesis import strategies as st

from tests.serving import PATIENCE_S, Client, Serve, run_by_aiohttp
from webkit import Application, Body, FormBody
from webkit._aiohttp import limits_of_forms
from webkit.errors import HTTPNotFound, Problem

PROBLEM = b"Accept: application/json\r\n"

JSON = b"application/json"
FORM = b"application/x-www-form-urlencoded"
PARTS = b"multipart/form-data; boundary=b"
MIXED = b"multipart/mixed; boundary=b"


def errors_in(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]


def count_open_files() -> int:
    """How many files this process holds open, sockets not counted."""
    count = 0
    for path in list(Path("/dev/fd").iterdir()):
        with suppress(OSError):
            count += stat.S_ISREG(os.fstat(int(path.name)).st_mode)
    return count


def request_of(target: str, content_type: bytes, body: bytes, *lines: bytes) -> bytes:
    """A POST whose connection closes behind it; without *content_type* it does not say any."""
    said = (b"Content-Type: %s\r\n" % content_type) if content_type else b""
    rest = b"".join(lines) + b"Connection: close\r\nContent-Length: %d\r\n\r\n" % len(body)
    return b"POST %s HTTP/1.1\r\nHost: x\r\n" % target.encode() + PROBLEM + said + rest + body


async def send(client: Client, target: str, content_type: bytes, body: bytes) -> tuple[int, Any]:
    """Send a request, and give the status and what the answer says as JSON."""
    answer = await client.send(request_of(target, content_type, body))
    head, _, text = answer.partition(b"\r\n\r\n")
    return int(head.split()[1]), json.loads(text)


def parts_of(*parts: bytes, end: bytes = b"--b--\r\n") -> bytes:
    """A multipart body with the boundary b of *parts*, each its headers and its content."""
    return b"".join(b"--b\r\n" + part + b"\r\n" for part in parts) + end


def part_of(*lines: bytes, content: bytes = b"1") -> bytes:
    return b"".join(line + b"\r\n" for line in lines) + b"\r\n" + content


FIELD = b'Content-Disposition: form-data; name="a"'
FILE = b'Content-Disposition: form-data; name="a"; filename="x"'


# What users write


class Item(msgspec.Struct):
    a: int


async def by_read(request: web.Request) -> Any:
    return str(len(await request.read()))


async def by_text(request: web.Request) -> Any:
    return await request.text()


async def by_json(request: web.Request) -> Any:
    return {"json": await request.json()}


async def by_msgspec(request: web.Request) -> Any:
    return {"json": await request.json(loads=msgspec.json.Decoder(Item).decode)}


async def by_post(request: web.Request) -> Any:
    return sorted(await request.post())


async def by_body(item: Body[Item]) -> Any:
    return {"a": item.a}


async def by_form(item: FormBody[Item]) -> Any:
    return {"a": item.a}


async def by_lines(request: web.Request) -> Any:
    return str(len([line async for line in request.content]))


async def by_exactly(request: web.Request) -> Any:
    return await request.content.readexactly(10)


def by_parts(use: Callable[[BodyPartReader], Awaitable[Any]]) -> Any:
    """A handler that does *use* with every part, those of inner multipart bodies included."""

    async def walk(reader: MultipartReader) -> int:
        count = 0
        while (part := await reader.next()) is not None:
            if isinstance(part, MultipartReader):
                count += await walk(part)
            else:
                await use(part)
                count += 1
        return count

    async def handler(request: web.Request) -> Any:
        return {"parts": await walk(await request.multipart())}

    return handler


async def in_chunks(part: BodyPartReader) -> None:
    while chunk := await part.read_chunk():
        part.decode(chunk)


async def in_lines(part: BodyPartReader) -> None:
    while await part.readline():
        pass


async def by_own_reader(request: web.Request) -> Any:
    count = 0
    async for part in MultipartReader(request.headers, request.content):
        if part is not None:
            await part.release()
            count += 1
    return {"parts": count}


HANDLERS: dict[str, Any] = {
    "read": by_read,
    "text": by_text,
    "json": by_json,
    "msgspec": by_msgspec,
    "post": by_post,
    "body": by_body,
    "form": by_form,
    "lines": by_lines,
    "exactly": by_exactly,
    "own": by_own_reader,
    "parts": by_parts(lambda part: part.read(decode=True)),
    "part_texts": by_parts(lambda part: part.text()),
    "part_jsons": by_parts(lambda part: part.json()),
    "part_forms": by_parts(lambda part: part.form()),
    "part_chunks": by_parts(in_chunks),
    "part_lines": by_parts(in_lines),
}


def make_app(**options: Any) -> Application:
    app = Application(**options)
    for name, handler in HANDLERS.items():
        app.add_post(f"/{name}", handler)
    return app


# What is wrong, and what is said about it

TOO_LONG = b"X-Long: " + b"x" * 9000
MALFORMED: list[tuple[str, bytes, bytes, int, str]] = [
    ("json", JSON, b"{", 400, "The body is no JSON: Expecting property name"),
    ("json", JSON, b"", 400, "The body is no JSON: Expecting value"),
    ("json", JSON, b"[" * 100_000, 400, "The body is no JSON: it is nested too deeply"),
    ("json", JSON, b'"\xff"', 400, "The body is no JSON: 'utf-8' codec can't decode"),
    ("json", JSON + b"; charset=nope", b"{}", 415, "The body is no JSON: it says a charset that nobody knows."),
    ("json", JSON + b"; charset=hex", b"{}", 415, "a charset that nobody knows"),
    ("json", JSON + b"; charset=utf-16", b"{", 400, "The body is no JSON: 'utf-16"),
    ("msgspec", JSON, b'{"a":', 400, "The body is no JSON: Input data was truncated"),
    ("msgspec", JSON, b'{"a":"x"}', 400, "The body is no JSON: Expected `int`, got `str` - at `$.a`"),
    ("body", JSON, b'{"a":', 400, "The body is no JSON: Input data was truncated"),
    ("text", b"text/plain; charset=nope", b"x", 415, "The body cannot be read: it says a charset that nobody knows."),
    ("text", b"text/plain", b"\xff", 400, "The body cannot be read: 'utf-8' codec can't decode byte 0xff"),
    ("text", b"text/plain; charset=unicode_escape", b"\\ud800", 400, "half of a character"),
    ("json", JSON, b'"\\ud800"', 400, "half of a character"),
    ("post", FORM + b"; charset=nope", b"a=1", 415, "The form cannot be read: it says a charset that nobody knows."),
    ("post", FORM, b"a=\xff", 400, "The form cannot be read: 'utf-8' codec can't decode"),
    ("post", b"multipart/form-data", b"x", 400, "The form cannot be read: boundary missed"),
    ("post", b"multipart/form-data; boundary=" + b"x" * 71, b"x", 400, "is too long (70 chars max)"),
    ("post", PARTS, b"", 400, "The form cannot be read: Could not find starting boundary b'--b'"),
    ("post", PARTS, b"--c\r\n\r\n", 400, "Could not find starting boundary"),
    ("post", PARTS, parts_of(part_of(FIELD), end=b""), 400, "The form cannot be read: "),
    ("post", PARTS, b"--b\r\n" + FIELD + b"\r\n\r\ncut", 400, "The form cannot be read: "),
    ("post", PARTS, parts_of(part_of(b"X: 1")), 400, "Multipart field missing name"),
    ("post", PARTS, parts_of(part_of(FIELD, TOO_LONG)), 400, "The form cannot be read: Got more than 8190 bytes"),
    ("post", PARTS, parts_of(part_of(*[b"X: 1"] * 200)), 400, "The form cannot be read: Too many headers received"),
    ("post", PARTS, parts_of(part_of(b"no header")), 400, "The form cannot be read: "),
    ("post", PARTS, parts_of(part_of(FIELD, b"Content-Transfer-Encoding: x")), 400, "content transfer encoding"),
    ("post", PARTS, parts_of(part_of(FILE, b"Content-Transfer-Encoding: base64", content=b"a")), 400, "base64"),
    ("post", PARTS, parts_of(part_of(FIELD, b"Content-Type: text/plain; charset=nope")), 415, "charset"),
    ("post", PARTS, parts_of(part_of(b"Content-Type: multipart/mixed; boundary=c")), 400, "nested multipart"),
    ("post", PARTS, parts_of(part_of(b"Content-Type: multipart/mixed")), 400, "boundary missed"),
    ("parts", JSON, b"{}", 415, "The body must be multipart; the request says application/json."),
    ("parts", b"", b"{}", 415, "The body must be multipart; the request says application/octet-stream."),
    ("own", JSON, b"{}", 415, "The body must be multipart; the request says application/json."),
    ("own", PARTS, b"x", 400, "The multipart body cannot be read: Could not find starting boundary"),
    ("parts", b"multipart/mixed", b"x", 400, "The multipart body cannot be read: boundary missed"),
    ("parts", MIXED, parts_of(part_of(b"Content-Encoding: gzip", content=b"no gzip")), 400, "Error -3"),
    ("parts", MIXED, parts_of(part_of(b"Content-Encoding: x")), 400, "unknown content encoding: x"),
    ("parts", MIXED, parts_of(part_of(b"Content-Length: -1")), 400, "The multipart body cannot be read: "),
    ("parts", MIXED, parts_of(part_of(b"Content-Length: 9")), 400, "The multipart body cannot be read: "),
    ("part_texts", MIXED, parts_of(part_of(b"Content-Type: text/plain; charset=nope")), 415, "charset"),
    ("part_texts", MIXED, parts_of(part_of(content=b"\xff")), 400, "can't decode byte 0xff"),
    ("part_jsons", MIXED, parts_of(part_of(content=b"{")), 400, "Expecting property name"),
    ("part_forms", MIXED, parts_of(part_of(content=b"\xff")), 400, "cannot be decoded with utf-8"),
    ("part_lines", MIXED, b"--b\r\n\r\n" + b"x" * 600_000, 400, "Got more than"),
    ("part_chunks", MIXED, parts_of(part_of(b"Content-Encoding: deflate", content=b"\xff\xff")), 400, "multipart"),
    ("lines", b"", b"x" * 600_000, 400, "The body cannot be read: Got more than"),
    ("exactly", b"", b"x", 400, "The body cannot be read: 1 bytes read on a total of 10 expected bytes"),
]


@pytest.mark.filterwarnings("ignore:Unclosed file:ResourceWarning")  # aiohttp leaves the file of a form to its end
@pytest.mark.parametrize(("name", "content_type", "body", "status", "detail"), MALFORMED)
async def test_a_body_that_cannot_be_read_is_answered_with_what_is_wrong(
    serve: Serve,
    caplog: pytest.LogCaptureFixture,
    name: str,
    content_type: bytes,
    body: bytes,
    status: int,
    detail: str,
) -> None:
    client = await serve(make_app())
    got, problem = await send(client, f"/{name}", content_type, body)
    assert (got, problem["status"]) == (status, status)
    assert detail in problem["detail"]
    assert len(problem["detail"]) < 400
    assert errors_in(caplog) == []


LARGE: list[tuple[str, bytes, bytes, str]] = [
    ("read", b"", b"x" * 1001, ""),
    ("json", JSON, b'"' + b"x" * 1001 + b'"', ""),
    ("post", FORM, b"a=" + b"x" * 1001, ""),
    ("post", PARTS, parts_of(part_of(FILE, content=b"x" * 1001)), ""),
    ("part_texts", MIXED, parts_of(part_of(content=b"x" * 1001)), ""),
]


@pytest.mark.parametrize(("name", "content_type", "body", "detail"), LARGE)
async def test_a_body_that_is_too_large_is_413(
    serve: Serve, caplog: pytest.LogCaptureFixture, name: str, content_type: bytes, body: bytes, detail: str
) -> None:
    status, problem = await send(await serve(make_app(client_max_size=1000)), f"/{name}", content_type, body)
    assert (status, problem["status"]) == (413, 413)
    assert errors_in(caplog) == []


@pytest.mark.parametrize("content_type", [FORM, PARTS])
async def test_a_form_of_ten_thousand_fields_is_413(serve: Serve, content_type: bytes) -> None:
    body = b"a=1&" * 10_000 if content_type is FORM else parts_of(*[part_of(FIELD)] * 10_000)
    status, _ = await send(await serve(make_app()), "/post", content_type, body)
    assert status == (413 if limits_of_forms(1000) else 200)  # aiohttp counts them since 3.14.4


@pytest.mark.filterwarnings("ignore:Unclosed file:ResourceWarning")
async def test_the_files_of_a_form_that_cannot_be_read_are_closed_at_once(serve: Serve) -> None:
    client = await serve(make_app(client_max_size=2**24))
    big = part_of(FILE, content=b"x" * (2**21))  # large enough for the disk
    gc.disable()
    try:
        before = count_open_files()
        for _ in range(5):
            assert (await send(client, "/post", PARTS, parts_of(big, big, end=b"")))[0] == 400
        assert count_open_files() <= before + 1  # the thread that wrote last may not have let go yet
    finally:
        gc.enable()


async def test_the_connection_goes_on_behind_a_body_that_was_bad(serve: Serve) -> None:
    client = await serve(make_app())
    bad = request_of("/json", JSON, b"{").replace(b"Connection: close\r\n", b"")
    answer = await client.send(bad + bad + request_of("/json", JSON, b"{}"))
    assert [answer.count(b"HTTP/1.1 400 "), answer.count(b"HTTP/1.1 200 ")] == [2, 1]


# Whose fault it is


async def by_own_json(request: web.Request) -> Any:
    return json.loads(await request.text())


async def by_bug_behind(request: web.Request) -> Any:
    await request.json()
    raise ValueError("a bug")


async def by_bug_in_loads(request: web.Request) -> Any:
    return await request.json(loads=lambda text: text.nothing)  # type: ignore[attr-defined]


async def by_two_readers(request: web.Request) -> Any:
    # Both wait for the rest of the body.
    return await asyncio.gather(request.content.readany(), request.content.readline())


async def by_other_multipart(request: web.Request) -> Any:
    elsewhere = StreamReader(request.protocol, 2**16)
    elsewhere.feed_data(b"--c\r\n\r\n", 7)
    elsewhere.feed_eof()
    return await MultipartReader({hdrs.CONTENT_TYPE: MIXED.decode()}, elsewhere).next()


async def by_other_stream(request: web.Request) -> Any:
    elsewhere = StreamReader(request.protocol, 2**16)
    elsewhere.feed_eof()
    return await elsewhere.readexactly(5)


BUGS = [by_own_json, by_bug_behind, by_bug_in_loads, by_other_multipart, by_other_stream]


@pytest.mark.parametrize("handler", BUGS)
async def test_the_handlers_own_mistakes_stay_500(serve: Serve, caplog: pytest.LogCaptureFixture, handler: Any) -> None:
    app = Application()
    app.add_post("/", handler)
    body = b"{" if handler is by_own_json else b"{}"
    status, _ = await send(await serve(app), "/", JSON, body)
    assert status == 500
    assert len(errors_in(caplog)) == 1


async def test_two_who_read_at_the_same_time_are_a_mistake_of_the_handler(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    app = Application()
    app.add_post("/", by_two_readers)
    client = await serve(app)
    reader, writer = await asyncio.open_connection(client.url.host, client.url.port)
    writer.write(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n")
    assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 500 ")
    assert "already waiting for incoming data" in caplog.text
    writer.close()


async def test_a_handler_that_catches_the_exception_gets_it_as_it_is(serve: Serve) -> None:
    async def handler(request: web.Request) -> Any:
        try:
            await request.json()
        except json.JSONDecodeError as error:
            return {"caught": error.msg}

    async def look(request: web.Request, handler: Any) -> Any:
        try:
            return await handler(request)
        except ValueError as error:
            return web.json_response({"seen": type(error).__name__})

    app, watched = Application(), Application(middlewares=[look])
    app.add_post("/", handler)
    watched.add_post("/", by_json)
    app.mount("/watched", watched)
    client = await serve(app)
    assert await send(client, "/", JSON, b"{") == (200, {"caught": "Expecting property name enclosed in double quotes"})
    assert await send(client, "/watched/", JSON, b"{") == (200, {"seen": "JSONDecodeError"})


# Who is asked for it


@pytest.mark.parametrize("what", [400, Problem, Exception])
async def test_error_handlers_see_the_problem_and_the_exception_as_its_cause(serve: Serve, what: Any) -> None:
    seen: list[Any] = []
    app = Application()
    app.add_post("/", by_json)

    @app.error(what)
    async def bad(request: web.Request, error: Exception) -> Any:
        seen.append((type(error), type(error.__cause__)))
        return {"handled": True}

    assert await send(await serve(app), "/", JSON, b"{") == (400, {"handled": True})
    assert seen == [(Problem, json.JSONDecodeError)]


async def test_a_handler_for_a_class_of_exceptions_is_not_asked_for_the_clients_mistakes(serve: Serve) -> None:
    app = Application()
    app.add_post("/", by_json)
    app.add_post("/bug", by_bug_behind)

    @app.error(ValueError)
    async def bug(request: web.Request, error: Exception) -> Any:
        return {"bug": str(error)}

    client = await serve(app)
    assert (await send(client, "/", JSON, b"{"))[0] == 400
    assert await send(client, "/bug", JSON, b"{}") == (500, {"bug": "a bug"})


class Unreadable(Exception):
    """An exception of the application's own."""


async def by_own_exception(request: web.Request) -> Any:
    try:
        return await request.json()
    except ValueError as error:
        raise Unreadable("cannot read it") from error


async def by_own_exception_of_parts(request: web.Request) -> Any:
    try:
        async for part in await request.multipart():
            assert isinstance(part, BodyPartReader)
            await part.read()
    except ValueError as error:
        raise Unreadable("cannot read it") from error


@pytest.mark.parametrize("mounted", [False, True])
async def test_it_is_400_too_where_only_the_parts_were_read(serve: Serve, mounted: bool) -> None:
    child, app = Application(), Application()
    child.add_post("/x", by_own_exception_of_parts)
    if mounted:
        app.mount("/child", child)
    target = "/child/x" if mounted else "/x"
    status, _ = await send(await serve(app if mounted else child), target, MIXED, parts_of(part_of(), end=b""))
    assert status == 400


@pytest.mark.parametrize("mounted", [False, True])
async def test_an_exception_of_ones_own_that_was_raised_from_such_a_one_is_400_too(
    serve: Serve, caplog: pytest.LogCaptureFixture, mounted: bool
) -> None:
    app = child = Application()
    if mounted:
        app = Application()
    child.add_post("/x", by_own_exception)
    if mounted:
        app.mount("/child", child)
    status, problem = await send(await serve(app), "/child/x" if mounted else "/x", JSON, b"{")
    assert (status, problem["detail"].partition(":")[0]) == (400, "The body is no JSON")
    assert errors_in(caplog) == []


async def test_its_own_handler_is_asked_first(serve: Serve) -> None:
    app = Application()
    app.add_post("/", by_own_exception)

    @app.error(Unreadable)
    async def unreadable(request: web.Request, error: Exception) -> Any:
        return web.json_response({"said": str(error)}, status=422)

    assert await send(await serve(app), "/", JSON, b"{") == (422, {"said": "cannot read it"})


async def test_an_http_error_that_was_raised_from_such_a_one_stays_itself(serve: Serve) -> None:
    async def handler(request: web.Request) -> Any:
        try:
            return await request.json()
        except ValueError as error:
            raise HTTPNotFound from error

    app = Application()
    app.add_post("/", handler)
    assert (await send(await serve(app), "/", JSON, b"{"))[0] == 404


async def test_routes_of_aiohttps_router_answer_bad_bodies_as_all_others(serve: Serve) -> None:
    async def handler(request: web.Request) -> web.Response:
        return web.json_response(await request.json())

    app = Application()
    app.aiohttp.router.add_post("/", handler)
    client = await serve(app)
    assert (await send(client, "/", JSON, b"{"))[0] == 400
    assert await send(client, "/", JSON, b"{}") == (200, {})


async def test_what_the_client_is_told_can_always_be_written(serve: Serve) -> None:
    def fail(text: str) -> Any:
        raise ValueError("\ud800" + text * 1000)

    async def handler(request: web.Request) -> Any:
        return await request.json(loads=fail)

    app = Application()
    app.add_post("/", handler)
    status, problem = await send(await serve(app), "/", JSON, b'"\xc3\xa4"')
    assert status == 400
    assert problem["detail"].startswith('The body is no JSON: \\ud800"\xe4""\xe4"')
    assert len(problem["detail"]) < 400


# Clients that go away


class Gone(Exception):
    """An exception of the application's own."""


async def by_catching(request: web.Request) -> Any:
    try:
        return await request.text()
    except Exception as error:
        raise Gone from error


async def by_late_stream(request: web.Request) -> Any:
    response = web.StreamResponse()
    await response.prepare(request)
    await request.read()
    return response


STREAMING: dict[str, Any] = {
    "any": lambda content: content.readany(),
    "some": lambda content: content.read(10),
    "all": lambda content: content.read(),
    "until": lambda content: content.readuntil(b"."),
    "chunk": lambda content: content.readchunk(),
}


def streaming(read: Callable[[StreamReader], Awaitable[Any]]) -> Any:
    async def handler(request: web.Request) -> Any:
        for _ in range(3):
            await read(request.content)
        return "read"

    return handler


# A handler that did not need the rest would not notice.
LEAVING: list[tuple[str, Any, bytes]] = [
    *(
        (name, handler, JSON if handler is by_body else MIXED)
        for name, handler in HANDLERS.items()
        if name not in {"post", "form"}
    ),
    ("post of parts", by_post, PARTS),
    ("post of a form", by_post, FORM),
    ("form of parts", by_form, PARTS),
    ("form of a form", by_form, FORM),
    ("catching", by_catching, JSON),
    ("late stream", by_late_stream, JSON),
    *((name, streaming(read), JSON) for name, read in STREAMING.items()),
]


@pytest.mark.parametrize("mounted", [False, True], ids=["alone", "mounted"])
@pytest.mark.parametrize("coding", [b"", b"Content-Encoding: gzip\r\n"], ids=["plain", "gzip"])
@pytest.mark.parametrize(("name", "handler", "content_type"), LEAVING, ids=[name for name, _, _ in LEAVING])
async def test_a_client_that_goes_away_in_the_middle_of_its_body_is_no_error(
    serve: Serve,
    caplog: pytest.LogCaptureFixture,
    name: str,
    handler: Any,
    content_type: bytes,
    coding: bytes,
    mounted: bool,
) -> None:
    caplog.set_level(logging.INFO)
    began, ended = asyncio.Event(), asyncio.Event()

    async def note(request: web.Request, handler: Any) -> Any:
        began.set()
        try:
            return await handler(request)
        finally:
            ended.set()

    child, app = Application(middlewares=[note]), Application()
    child.add_post("/x", handler)
    if mounted:
        app.mount("/child", child)
    client = await serve(app if mounted else child)
    _, writer = await asyncio.open_connection(client.url.host, client.url.port)
    writer.write(b"POST %s/x HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n" % (b"/child" if mounted else b""))
    writer.write(coding + b"Content-Type: " + content_type + b"\r\n\r\n")
    writer.write(b"" if coding else b"--b\r\n")
    await asyncio.wait_for(began.wait(), PATIENCE_S)
    writer.transport.abort()
    await asyncio.wait_for(ended.wait(), PATIENCE_S)
    await asyncio.sleep(0)
    assert errors_in(caplog) == []
    assert "Traceback" not in caplog.text
    assert '" 5' not in caplog.text


async def test_a_mistake_of_the_handler_is_an_error_although_the_client_is_gone(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    began, ended = asyncio.Event(), asyncio.Event()

    async def handler(request: web.Request) -> Any:
        began.set()
        while request.transport is not None:  # noqa: ASYNC110 - nothing tells
            await asyncio.sleep(0.01)
        ended.set()
        raise ArithmeticError("a bug")

    app = Application()
    app.add_post("/", handler)
    client = await serve(app)
    _, writer = await asyncio.open_connection(client.url.host, client.url.port)
    writer.write(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n")
    await asyncio.wait_for(began.wait(), PATIENCE_S)
    writer.transport.abort()
    await asyncio.wait_for(ended.wait(), PATIENCE_S)
    await asyncio.sleep(0)
    assert "a bug" in caplog.text


async def test_a_bad_body_behind_the_beginning_of_the_answer_is_no_error_of_the_server(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    async def handler(request: web.Request) -> Any:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"begun")
        await request.json()
        return response

    app = Application()
    app.add_post("/", handler)
    answer = await (await serve(app)).send(request_of("/", JSON, b"{"))
    assert not answer.endswith(b"0\r\n\r\n")  # broken off
    assert errors_in(caplog) == []


# Any bytes

CONTENT_TYPES = [
    *(JSON, FORM, PARTS, MIXED, b"", b";", b"multipart/", b"multipart/form-data", b"text/plain; charset=nope"),
    *(b"multipart/form-data; boundary*=x'y'b", b"application/json; charset=idna", FORM + b"; charset=utf-7"),
    *(b'multipart/form-data; boundary=""', b"text/plain; charset=unicode_escape", b"multipart/mixed; boundary=\xff"),
]
LINES = [
    *(FIELD, FILE, b'Content-Disposition: form-data; name="_charset_"', b"Content-Type: text/plain; charset=nope"),
    *(b"Content-Type: multipart/mixed", b"Content-Type: multipart/mixed; boundary=c", b"Content-Encoding: gzip"),
    *(b"Content-Transfer-Encoding: base64", b"Content-Transfer-Encoding: x", b"Content-Encoding: deflate"),
    *(b"Content-Length: 5", b"Content-Length: 500", b"Content-Length: +5", b"Content-Disposition: form-data; name*=x"),
    *(b"bad", b": x", b"\xff: \xff", b"X: \xff", b"Content-Disposition: form-data; name*=nope'x'%ff", b" folded"),
]
BYTES = [
    *(
        b"--b",
        b"--b--",
        b"\r\n",
        b"\n",
        b"--c",
        b"--c--",
        b"a=1",
        b"&",
        b"%",
        b"%ff",
        b"{",
        b"}",
        b"[",
        b'"',
        b":",
        b",",
    ),
    *(b"\xff", b"\x00", b"1e999", b"nul", b"x" * 9000, b"[" * 5000, b"\\ud800", b"utf-8", b"-", b" "),
]
PIECES = st.lists(st.sampled_from(BYTES) | st.binary(max_size=8), max_size=12).map(b"".join)
PART = st.builds(lambda lines, content: part_of(*lines, content=content), st.lists(st.sampled_from(LINES)), PIECES)
ENDS = [b"--b--\r\n", b"--b--", b"", b"--b", b"--b\r\n"]
BODIES = PIECES | st.builds(
    lambda parts, end: parts_of(*parts, end=end), st.lists(PART, max_size=4), st.sampled_from(ENDS)
)


@pytest.mark.filterwarnings("ignore:Unclosed file:ResourceWarning")
@given(name=st.sampled_from(sorted(HANDLERS)), content_type=st.sampled_from(CONTENT_TYPES), body=BODIES)
def test_no_bytes_of_a_body_give_a_500(name: str, content_type: bytes, body: bytes) -> None:
    async def ask() -> bytes:
        async with run_by_aiohttp(make_app(client_max_size=100_000)) as client:
            return await client.send(request_of(f"/{name}", content_type, body))

    assert asyncio.run(ask()).startswith((b"HTTP/1.1 2", b"HTTP/1.1 4"))
