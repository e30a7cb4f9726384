"""HEAD, 204 and 304 carry no body, whatever the response is: the next answer would begin in the middle of it."""

import asyncio
import gzip
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, Final

import pytest
from aiohttp import BytesPayload, MultipartWriter, web

from tests.serving import Serve
from webkit import Application, Problem, Response, Static, Templates, html, json_response, render

SECRET: Final = "must not be seen "
TEXT: Final = SECRET * 100


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "site.css").write_text(TEXT)
    (tmp_path / "site.css.gz").write_bytes(gzip.compress(TEXT.encode()))
    (tmp_path / "large.bin").write_bytes(TEXT.encode() * 100)
    (tmp_path / "page.html").write_text(TEXT)
    return tmp_path


async def text(status: int) -> Any:
    return Response(text=TEXT, status=status)


async def old_text(status: int) -> Any:
    return web.Response(text=TEXT, status=status)


async def json(status: int) -> Any:
    return json_response({"text": TEXT}, status=status)


async def markup(status: int) -> Any:
    return html(TEXT, status=status)


async def compressed(status: int) -> Any:
    response = Response(text=TEXT, status=status)
    response.enable_compression(web.ContentCoding.gzip)
    return response


async def chunked(status: int) -> Any:
    response = Response(text=TEXT, status=status)
    response.enable_chunked_encoding()
    return response


async def compressed_and_chunked(status: int) -> Any:
    response = Response(text=TEXT, status=status)
    response.enable_compression(web.ContentCoding.gzip)
    response.enable_chunked_encoding()
    return response


async def payload(status: int) -> Any:
    return web.Response(body=BytesPayload(TEXT.encode()), status=status)


async def multipart(status: int) -> Any:
    parts = MultipartWriter()
    parts.append(TEXT)
    return web.Response(body=parts, status=status)


async def iterated(status: int) -> Any:
    async def pieces() -> AsyncIterator[bytes]:
        yield TEXT.encode()

    return web.Response(body=pieces(), status=status)


async def problem(status: int) -> Any:
    raise Problem(409, detail=TEXT)


async def error_with_a_text(status: int) -> Any:
    raise web.HTTPNotFound(text=TEXT)


async def no_content(status: int) -> Any:
    raise web.HTTPNoContent(text=TEXT)


async def crash(status: int) -> Any:
    raise ValueError(TEXT)


async def converted(status: int) -> Any:
    return {"text": TEXT}


MADE = [text, old_text, json, markup, compressed, chunked, compressed_and_chunked, payload, multipart, iterated]
# They have a status of their own.
RAISED = [problem, error_with_a_text, no_content, crash, converted]


async def written(request: web.Request, status: int) -> web.StreamResponse:
    response = web.Response(text=TEXT, status=status)
    await response.prepare(request)
    await response.write(SECRET.encode())
    await response.write_eof()
    return response


async def streamed(request: web.Request, status: int) -> web.StreamResponse:
    response = web.StreamResponse(status=status)
    response.enable_compression(web.ContentCoding.gzip)
    response.enable_chunked_encoding()
    await response.prepare(request)
    await response.write(TEXT.encode())
    await response.write_eof(TEXT.encode())
    return response


async def events(request: web.Request, status: int) -> web.StreamResponse:
    response = web.StreamResponse(status=status, headers={"Content-Type": "text/event-stream"})
    await response.prepare(request)
    while True:
        await response.write(b"data: " + SECRET.encode() + b"\n\n")
        await asyncio.sleep(0.01)


async def file(request: web.Request, status: int) -> web.StreamResponse:
    return web.FileResponse(Path(__file__), status=status)


async def socket(request: web.Request, status: int) -> web.StreamResponse:
    response = web.WebSocketResponse()
    await response.prepare(request)
    return response


async def page(request: web.Request, status: int) -> web.StreamResponse:
    return await render(request, "page.html", status=status)


PREPARED = [written, streamed, events, file, socket, page]

LINES = {"HEAD": b"HEAD %b HTTP/1.1", "204": b"GET %b?status=204 HTTP/1.1", "304": b"GET %b?status=304 HTTP/1.1"}
HEADERS = [b"", b"Accept-Encoding: gzip\r\n", b"Accept: text/html\r\n", b"Accept: application/json\r\n"]


async def check(serve: Serve, app: Application, line: bytes, headers: bytes) -> int:
    """Ask, and ask again on the same connection; give the status of the first answer."""
    app.get("/next")(lambda: "the next answer")
    client = await serve(app)
    following = b"GET /next HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    answers = await client.send(line + b"\r\nHost: x\r\n" + headers + b"\r\n" + following)
    head, _, rest = answers.partition(b"\r\n\r\n")
    status = int(head.split(b" ")[1])
    if line.startswith(b"HEAD") or status in {204, 304}:
        assert rest.startswith(b"HTTP/1.1 200 OK\r\n"), rest[:100]
        assert rest.endswith(b"\r\n\r\nthe next answer")
        assert rest.count(b"HTTP/1.1 ") == 1
    return status


@pytest.mark.parametrize("headers", HEADERS)
@pytest.mark.parametrize("line", LINES)
@pytest.mark.parametrize("make", MADE + RAISED)
async def test_a_response_that_is_made_has_no_body(
    serve: Serve, make: Callable[..., Any], line: str, headers: bytes
) -> None:
    async def handle(request: web.Request) -> Any:
        return await make(int(request.query.get("status", 200)))

    app = Application()
    app.add_route("*", "/", handle)
    status = await check(serve, app, LINES[line] % b"/", headers)
    assert make in RAISED or status == (200 if line == "HEAD" else int(line))


@pytest.mark.parametrize("line", LINES)
@pytest.mark.parametrize("answer", PREPARED)
async def test_a_response_that_is_written_has_no_body(
    serve: Serve, answer: Callable[..., Any], line: str, folder: Path
) -> None:
    async def handle(request: web.Request) -> Any:
        return await answer(request, int(request.query.get("status", 200)))

    app = Application()
    app.use(Templates(folder))
    app.add_route("*", "/", handle)
    await check(serve, app, LINES[line] % b"/", b"Accept-Encoding: gzip\r\n")


@pytest.mark.parametrize(
    "headers", [*HEADERS, b"Range: bytes=0-5\r\n", b"Range: bytes=999999-\r\n", b"If-None-Match: *\r\n"]
)
@pytest.mark.parametrize("path", [b"/static/site.css", b"/static/large.bin", b"/static/missing", b"/old/site.css"])
async def test_a_file_has_no_body_for_head(serve: Serve, folder: Path, path: bytes, headers: bytes) -> None:
    app = Application()
    app.mount("/static", Static(folder))
    app.add_static("/old", folder)
    await check(serve, app, LINES["HEAD"] % path, headers)
