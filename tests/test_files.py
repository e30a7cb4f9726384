"""A file as an answer: heads and bodies over raw connections, under aiohttp's runner and webkit's."""

import asyncio
import gzip
import os
import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
import uvloop
from aiohttp import web
from aiohttp.abc import AbstractAccessLogger
from aiohttp.test_utils import TestClient, TestServer
from multidict import CIMultiDict

from tests.serving import Client, Serve
from webkit import Application
from webkit.ranges import format_date
from webkit.static import Static
from webkit.types import Handler

MTIME = 1_700_000_000
DATE = format_date(MTIME)
SMALL = bytes(range(100))
# Longer than what is read at once, and than what a socket takes at once.
BIG = b"".join(number.to_bytes(4, "big") for number in range(600_000))
CONTENTS = {"small.bin": SMALL, "big.bin": BIG, "empty.bin": b""}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, content in CONTENTS.items():
        (tmp_path / name).write_bytes(content)
        os.utime(tmp_path / name, (MTIME, MTIME))
    return tmp_path


@pytest.fixture
def app(folder: Path) -> Application:
    app = Application()
    app.mount("/", Static(folder))
    return app


@pytest.fixture
async def client(app: Application, serve: Serve) -> Client:
    return await serve(app)


@dataclass(frozen=True, slots=True)
class RawAnswer:
    status: int
    headers: CIMultiDict[str]
    body: bytes


def parse(raw: bytes) -> RawAnswer:
    head, _, body = raw.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    headers = CIMultiDict((name, value) for name, _, value in (line.partition(": ") for line in lines))
    return RawAnswer(int(first.split(" ")[1]), headers, body)


def request_for(target: str, method: str = "GET", **fields: str) -> bytes:
    """A request; ``if_none_match="x"`` is the field If-None-Match."""
    lines = (f"{name.replace('_', '-')}: {value}\r\n" for name, value in fields.items())
    return f"{method} {target} HTTP/1.1\r\nHost: localhost\r\n{''.join(lines)}\r\n".encode()


async def ask(client: Client, target: str, method: str = "GET", **fields: str) -> RawAnswer:
    return parse(await client.send(request_for(target, method, connection="close", **fields)))


async def etag_of(client: Client, target: str) -> str:
    return (await ask(client, target, "HEAD")).headers["ETag"]


# --- what nginx answers (and, where it takes liberties, what RFC 9110 asks for) ---

EXPECTATIONS: list[tuple[dict[str, str], int, slice]] = [
    ({}, 200, slice(None)),
    ({"range": "bytes=0-9"}, 206, slice(0, 10)),
    ({"range": "bytes=50-"}, 206, slice(50, None)),
    ({"range": "bytes=-10"}, 206, slice(-10, None)),
    ({"range": "bytes=-99999999"}, 206, slice(None)),
    ({"range": "bytes=90-99999999"}, 206, slice(90, None)),
    ({"range": "bytes=0-0"}, 206, slice(0, 1)),
    ({"range": "bytes=0-9,20-29"}, 200, slice(None)),
    ({"range": "bytes=0-9,99999999-"}, 206, slice(0, 10)),
    ({"range": "bytes=99999999-"}, 416, slice(0)),
    ({"range": "bytes=-0"}, 416, slice(0)),
    ({"range": "bytes=9-0"}, 200, slice(None)),
    ({"range": "bytes=x"}, 200, slice(None)),
    ({"range": "lines=0-9"}, 200, slice(None)),
    ({"range": "bytes=0-9", "if_range": "ETAG"}, 206, slice(0, 10)),
    ({"range": "bytes=0-9", "if_range": "W/ETAG"}, 200, slice(None)),
    ({"range": "bytes=0-9", "if_range": '"stale"'}, 200, slice(None)),
    ({"range": "bytes=0-9", "if_range": DATE}, 206, slice(0, 10)),
    ({"range": "bytes=0-9", "if_range": format_date(MTIME + 1)}, 200, slice(None)),
    ({"range": "bytes=0-9", "if_range": format_date(MTIME - 1)}, 200, slice(None)),
    ({"range": "bytes=99999999-", "if_range": '"stale"'}, 200, slice(None)),
    ({"if_none_match": "ETAG"}, 304, slice(0)),
    ({"if_none_match": "W/ETAG"}, 304, slice(0)),
    ({"if_none_match": "*"}, 304, slice(0)),
    ({"if_none_match": '"stale", ETAG'}, 304, slice(0)),
    ({"if_none_match": '"stale"'}, 200, slice(None)),
    ({"if_none_match": '"stale"', "if_modified_since": DATE}, 200, slice(None)),
    ({"if_none_match": "ETAG", "range": "bytes=0-9"}, 304, slice(0)),
    ({"if_modified_since": DATE}, 304, slice(0)),
    ({"if_modified_since": format_date(MTIME - 1)}, 200, slice(None)),
    ({"if_modified_since": "yesterday"}, 200, slice(None)),
    ({"if_match": "ETAG"}, 200, slice(None)),
    ({"if_match": "*"}, 200, slice(None)),
    ({"if_match": "W/ETAG"}, 412, slice(0)),
    ({"if_match": '"stale"'}, 412, slice(0)),
    ({"if_match": '"stale"', "range": "bytes=0-9"}, 412, slice(0)),
    ({"if_match": "ETAG", "range": "bytes=0-9"}, 206, slice(0, 10)),
    ({"if_unmodified_since": DATE}, 200, slice(None)),
    ({"if_unmodified_since": format_date(MTIME - 1)}, 412, slice(0)),
    ({"if_unmodified_since": format_date(MTIME - 1), "if_match": "ETAG"}, 200, slice(None)),
]


@pytest.mark.parametrize(("fields", "status", "part"), EXPECTATIONS, ids=str)
async def test_conditions_and_ranges_are_answered_by_the_book(
    client: Client, fields: dict[str, str], status: int, part: slice
) -> None:
    for target in ("/small.bin", "/big.bin"):
        etag = await etag_of(client, target)
        content = CONTENTS[target[1:]]
        answer = await ask(client, target, **{name: value.replace("ETAG", etag) for name, value in fields.items()})
        assert answer.status == status
        if status in (200, 206):
            assert answer.body == content[part]
            assert answer.headers["Content-Length"] == str(len(content[part]))
            assert answer.headers["ETag"] == etag
            assert answer.headers["Last-Modified"] == DATE
        positions = range(len(content))[part]
        expected = {206: f"bytes {positions[0] if positions else 0}-{positions[-1] if positions else 0}/{len(content)}"}
        expected[416] = f"bytes */{len(content)}"
        assert answer.headers.get("Content-Range") == expected.get(status)


async def test_an_empty_file_is_the_whole_and_has_no_part(client: Client) -> None:
    answer = await ask(client, "/empty.bin")
    assert (answer.status, answer.headers["Content-Length"], answer.body) == (200, "0", b"")
    refused = await ask(client, "/empty.bin", range="bytes=0-")
    assert (refused.status, refused.headers["Content-Range"]) == (416, "bytes */0")
    assert (await ask(client, "/empty.bin", range="bytes=-5")).status == 200


# --- what REDbot looks at ---


@pytest.mark.parametrize("target", ["/small.bin", "/big.bin", "/empty.bin"])
@pytest.mark.parametrize(
    "fields", [{}, {"if_none_match": "*"}, {"if_match": '"stale"'}, {"if_modified_since": DATE}], ids=str
)
async def test_head_has_the_headers_of_get(client: Client, target: str, fields: dict[str, str]) -> None:
    get, head = await ask(client, target, **fields), await ask(client, target, "HEAD", **fields)
    assert head.body == b""
    assert head.status == get.status
    for answer in (get, head):
        del answer.headers["Date"]
    assert dict(head.headers) == dict(get.headers)


async def test_head_knows_no_range(client: Client) -> None:
    for wanted in ("bytes=0-9", "bytes=99999999-"):
        answer = await ask(client, "/big.bin", "HEAD", range=wanted)
        assert (answer.status, answer.headers["Content-Length"]) == (200, str(len(BIG)))


@pytest.mark.parametrize("target", ["/small.bin", "/big.bin", "/empty.bin"])
async def test_304_has_no_body_and_what_a_cache_must_know(client: Client, target: str) -> None:
    whole = await ask(client, target, "HEAD")
    known = await ask(client, target, if_none_match=whole.headers["ETag"])
    assert (known.status, known.body) == (304, b"")
    for name in ("ETag", "Cache-Control", "Last-Modified"):
        assert known.headers[name] == whole.headers[name]
    assert "Date" in known.headers
    assert not {"content-type", "content-length", "content-encoding", "transfer-encoding", "content-range"} & {
        name.lower() for name in known.headers
    }


async def test_whatever_was_answered_the_next_answer_on_the_connection_begins_where_it_should(client: Client) -> None:
    fields: list[dict[str, str]] = [
        {"if_none_match": "*"},
        {"range": "bytes=0-9"},
        {"range": "bytes=99999999-"},
        {"if_match": '"stale"'},
        {},
    ]
    requests = [
        request_for(target, method, **each) for target in ("/small.bin", "/big.bin") for each in fields
        for method in ("GET", "HEAD")
    ]  # fmt: skip
    last = request_for("/small.bin", range="bytes=42-42", connection="close")
    answer = await client.send(b"".join([*requests, last]))
    assert answer.count(b"HTTP/1.1 ") == len(requests) + 1
    assert parse(answer[answer.rindex(b"HTTP/1.1 ") :]).body == SMALL[42:43]


async def test_a_refusal_is_kept_by_no_cache(client: Client) -> None:
    for fields in ({"range": "bytes=99999999-"}, {"if_match": '"stale"'}):
        answer = await ask(client, "/small.bin", **fields)
        assert answer.headers["Cache-Control"] == "no-cache"
        assert "ETag" not in answer.headers
        assert "Accept-Ranges" not in answer.headers


async def test_an_error_page_of_ones_own_is_shown_for_a_refusal(app: Application, serve: Serve) -> None:
    @app.error(416)
    async def explain(request: web.Request, error: web.HTTPException) -> str:
        return "out of reach"

    answer = await ask(await serve(app), "/small.bin", range="bytes=99999999-")
    assert (answer.status, answer.body) == (416, b"out of reach")


async def test_a_download_is_resumed_where_it_stopped_unless_the_file_has_changed(client: Client, folder: Path) -> None:
    etag = await etag_of(client, "/big.bin")
    first = await ask(client, "/big.bin", range="bytes=0-999999")
    rest = await ask(client, "/big.bin", range="bytes=1000000-", if_range=etag)
    assert first.body + rest.body == BIG
    (folder / "big.bin").write_bytes(BIG[::-1])
    again = await ask(client, "/big.bin", range="bytes=1000000-", if_range=etag)
    assert (again.status, again.body) == (200, BIG[::-1])


@pytest.mark.parametrize("mtime", [-86_400, 5_000_000_000])
async def test_a_time_that_cannot_be_is_no_time(client: Client, folder: Path, mtime: int) -> None:
    os.utime(folder / "small.bin", (mtime, mtime))
    answer = await ask(client, "/small.bin", if_modified_since="Fri, 31 Dec 9999 23:59:59 GMT")
    assert answer.status == 200
    assert "Last-Modified" not in answer.headers
    assert (await ask(client, "/small.bin", if_none_match=answer.headers["ETag"])).status == 304


async def test_conditions_count_after_a_middleware_has_read_the_body(app: Application, serve: Serve) -> None:
    async def read(request: web.Request, handler: Handler) -> web.StreamResponse:
        await request.read()
        return await handler(request)

    app.middlewares.append(read)
    client = await serve(app)
    body = b"GET /small.bin HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 2\r\nRange: bytes=0-9\r\n\r\nhi"
    assert parse(await client.send(body)).body == SMALL[:10]


# --- how it is sent ---


def test_a_long_file_is_sent_whole_where_the_loop_has_no_sendfile(app: Application) -> None:
    async def download() -> None:
        async with TestClient(TestServer(app.aiohttp)) as client:
            for fields, part in (({}, BIG), ({"Range": "bytes=300000-"}, BIG[300_000:])):
                answer = await client.get("/big.bin", headers=fields)
                assert await answer.read() == part

    uvloop.run(download())


def descriptors_of(file: Path) -> int:
    """How often this process has *file* open."""

    def targets() -> Iterator[Path]:
        for link in Path("/proc/self/fd").iterdir():
            with suppress(OSError):  # the folder's own
                yield link.readlink()

    return list(targets()).count(file)


async def wait_for(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - the kernel sends no event
            await asyncio.sleep(0.01)


async def begin(client: Client, target: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Ask for *target* and read the head alone."""
    reader, writer = await asyncio.open_connection(client.url.host, client.url.port)
    writer.write(request_for(target))
    await reader.readuntil(b"\r\n\r\n")
    return reader, writer


@pytest.fixture
def endless(folder: Path) -> Path:
    """A file that is never sent in one go, and takes no room on the disk."""
    with (folder / "endless.bin").open("wb") as stream:
        stream.truncate(200_000_000)
    return folder / "endless.bin"


async def test_a_file_that_becomes_shorter_ends_the_connection(client: Client, endless: Path) -> None:
    reader, writer = await begin(client, "/endless.bin")
    os.truncate(endless, 1000)
    async with asyncio.timeout(10):
        assert len(await reader.read()) < 200_000_000
    writer.close()


async def test_a_client_that_leaves_takes_the_open_file_with_it(client: Client, endless: Path) -> None:
    _, writer = await begin(client, "/endless.bin")
    assert descriptors_of(endless) == 1
    writer.transport.abort()
    await wait_for(lambda: descriptors_of(endless) == 0)


async def test_no_file_stays_open(app: Application, serve: Serve, folder: Path) -> None:
    async def keep(request: web.Request, handler: Handler) -> web.StreamResponse:
        response = await handler(request)
        return web.Response(text="something else") if "throw" in request.query else response

    app.middlewares.append(keep)
    client = await serve(app)
    for fields in ({}, {"range": "bytes=0-9"}, {"range": "bytes=99999999-"}, {"if_none_match": "*"}):
        for method in ("GET", "HEAD"):
            for target in ("/big.bin", "/small.bin", "/big.bin?throw"):
                await ask(client, target, method, **fields)
    await wait_for(lambda: descriptors_of(folder / "big.bin") + descriptors_of(folder / "small.bin") == 0)


async def test_the_access_log_counts_what_the_kernel_has_sent(app: Application) -> None:
    lengths: list[int] = []

    class Lengths(AbstractAccessLogger):
        def log(self, request: web.BaseRequest, response: web.StreamResponse, time: float) -> None:
            lengths.append(response.body_length)

    server = TestServer(app.aiohttp)
    await server.start_server(access_log_class=Lengths)
    async with TestClient(server) as client:
        await (await client.get("/big.bin")).read()
        await (await client.get("/big.bin", headers={"Range": "bytes=0-299999"})).read()
    assert lengths[0] >= len(BIG)
    assert 300_000 <= lengths[1] < 310_000


# --- compression by a middleware ---


@pytest.fixture
async def compressing(app: Application, folder: Path, serve: Serve) -> Client:
    """A server that compresses whatever it can."""
    (folder / "copied.css").write_bytes(b"body {}")
    (folder / "copied.css.gz").write_bytes(gzip.compress(b"body {}"))

    async def compress(request: web.Request, handler: Handler) -> web.StreamResponse:
        response = await handler(request)
        response.enable_compression()
        return response

    app.middlewares.append(compress)
    return await serve(app)


@pytest.mark.parametrize("target", ["/small.bin", "/big.bin"])
async def test_a_whole_file_can_be_compressed_and_is_another_one_then(compressing: Client, target: str) -> None:
    answer = await compressing.session.get(
        compressing.url.join(compressing.url.with_path(target)),
        headers={"Accept-Encoding": "deflate"},
        auto_decompress=False,
    )
    packed = await answer.read()
    assert answer.headers["Content-Encoding"] == "deflate"
    assert zlib.decompress(packed) == CONTENTS[target[1:]]
    assert answer.headers["ETag"].startswith('W/"')
    assert answer.headers["Vary"] == "Accept-Encoding"
    again = await ask(compressing, target, if_none_match=answer.headers["ETag"])
    assert again.status == 304
    part = await ask(compressing, target, range="bytes=0-9", if_range=answer.headers["ETag"])
    assert (part.status, part.body) == (200, CONTENTS[target[1:]])


async def test_a_part_and_a_compressed_copy_are_left_as_they_are(compressing: Client) -> None:
    part = await ask(compressing, "/big.bin", range="bytes=0-299999", accept_encoding="gzip")
    assert (part.body, part.headers.get("Content-Encoding")) == (BIG[:300_000], None)
    copy = await ask(compressing, "/copied.css", accept_encoding="gzip")
    assert gzip.decompress(copy.body) == b"body {}"
    assert copy.headers["ETag"].startswith('"')
