"""Compressed request bodies: inflated when they are read, within limits, and not taken for whole when they are cut."""

import asyncio
import gzip
import importlib
import tracemalloc
import zlib
from collections.abc import Callable
from functools import cache
from random import Random
from typing import Any

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from tests.serving import Client, Serve
from webkit import Application
from webkit.errors import HTTPUnauthorized
from webkit.inflating import known_codings

MIB = 2**20


def deflate_raw(data: bytes) -> bytes:
    """What old clients send as deflate."""
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(data) + packer.flush()


def compress_zstd(data: bytes) -> bytes:
    for name in ("compression.zstd", "backports.zstd"):
        try:
            return bytes(importlib.import_module(name).compress(data))
        except ImportError:
            continue
    raise AssertionError("There is no zstd.")


def compress_brotli(data: bytes) -> bytes:
    return bytes(importlib.import_module("brotli").compress(data))


WAYS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "deflate": zlib.compress,
    "br": compress_brotli,
    "zstd": compress_zstd,
}
COMPRESSORS = {coding: WAYS[coding] for coding in known_codings()}
SOME = bytes(range(256)) * 40 + b"some text " * 500


async def by_read(request: web.Request) -> Any:
    return await request.read()


async def by_stream(request: web.Request) -> Any:
    size = 0
    async for chunk in request.content.iter_any():
        size += len(chunk)
    return str(size)


async def by_lines(request: web.Request) -> Any:
    return b"".join([line async for line in request.content])


async def by_pieces(request: web.Request) -> Any:
    return b"".join([piece async for piece in request.content.iter_chunked(1000)])


async def by_exactly(request: web.Request) -> Any:
    return await request.content.readexactly(len(SOME))


async def unread(request: web.Request) -> Any:
    return "unread"


def make_app(**options: Any) -> Application:
    app = Application(**options)
    for handler in (by_read, by_stream, by_lines, by_pieces, by_exactly, unread):
        app.add_post(f"/{handler.__name__}", handler)
    return app


def request_of(target: str, coding: str, body: bytes, *, closes: bool = True) -> bytes:
    head = f"POST {target} HTTP/1.1\r\nHost: x\r\nContent-Encoding: {coding}\r\nContent-Length: {len(body)}\r\n"
    return head.encode("latin-1") + (b"Connection: close\r\n" if closes else b"") + b"\r\n" + body


async def send(client: Client, target: str, coding: str, body: bytes) -> tuple[int, bytes, bytes]:
    """Give the status, the headers and the body of the answer."""
    answer = await client.send(request_of(target, coding, body))
    head, _, content = answer.partition(b"\r\n\r\n")
    return int(head.split()[1]), head, content


# What is whole is inflated


@pytest.mark.parametrize("target", ["/by_read", "/by_lines", "/by_pieces", "/by_exactly"])
@pytest.mark.parametrize("coding", COMPRESSORS)
async def test_a_compressed_body_is_read_as_what_was_compressed(serve: Serve, target: str, coding: str) -> None:
    status, _, body = await send(await serve(make_app()), target, coding, COMPRESSORS[coding](SOME))
    assert (status, body) == (200, SOME)


@pytest.mark.parametrize(
    ("coding", "body"),
    [
        ("GZIP", gzip.compress(SOME)),
        ("x-gzip", gzip.compress(SOME)),
        (" gzip ,", gzip.compress(SOME)),
        ("deflate", deflate_raw(SOME)),
        ("gzip", gzip.compress(SOME[:100]) + gzip.compress(b"") + gzip.compress(SOME[100:])),
        ("deflate", zlib.compress(SOME[:100]) + zlib.compress(SOME[100:])),
        ("identity", SOME),
        ("", SOME),
    ],
)
async def test_a_coding_has_several_spellings(serve: Serve, coding: str, body: bytes) -> None:
    status, _, got = await send(await serve(make_app()), "/by_read", coding, body)
    assert (status, got) == (200, SOME)


async def test_a_body_that_comes_byte_by_byte_in_chunks_is_inflated(serve: Serve) -> None:
    app = make_app()
    client = await serve(app)
    chunks = b"".join(b"1\r\n%c\r\n" % byte for byte in gzip.compress(b"some text"))
    head = b"POST /by_read HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Encoding: gzip\r\n"
    answer = await client.send(head + b"Transfer-Encoding: chunked\r\n\r\n" + chunks + b"0\r\n\r\n")
    assert answer.endswith(b"\r\n\r\nsome text")


async def test_a_body_of_no_bytes_at_all_is_empty(serve: Serve) -> None:
    client = await serve(make_app())
    assert (await send(client, "/by_read", "gzip", b""))[::2] == (200, b"")
    head = b"POST /by_read HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Encoding: gzip\r\n"
    answer = await client.send(head + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 200 OK")


async def test_aiohttps_client_sends_compressed_json_and_forms(serve: Serve) -> None:
    async def show(request: web.Request) -> Any:
        if request.content_type == "application/json":
            return await request.json()
        return dict(await request.post())

    app = Application()
    app.add_post("/", show)
    client = await serve(app)
    assert (await client.post("/", json={"a": "1"}, compress="gzip")).json == {"a": "1"}
    assert (await client.post("/", data={"a": "1"}, compress="deflate")).json == {"a": "1"}


@given(data=st.binary(max_size=2000), repeat=st.integers(1, 300), size=st.integers(1, 400), limit=st.integers(1, 5000))
@pytest.mark.parametrize("coding", COMPRESSORS)
def test_every_split_of_a_body_inflates_to_the_same(
    coding: str, data: bytes, repeat: int, size: int, limit: int
) -> None:
    inflater = known_codings()[coding]()
    compressed = COMPRESSORS[coding](data * repeat)
    got, position = b"", 0
    while position < len(compressed) or not inflater.needs_data:
        given = compressed[position : position + size] if inflater.needs_data else b""
        piece, taken = inflater.inflate(given, limit)
        if coding != "br":  # whose limit is a wish
            assert len(piece) <= limit
        assert piece or taken or (not given and inflater.needs_data)
        position += taken
        got += piece
    assert got == data * repeat
    assert inflater.is_at_end


# What is not whole is refused


@pytest.mark.parametrize("coding", COMPRESSORS)
@pytest.mark.parametrize("target", ["/by_read", "/by_stream"])
async def test_a_body_that_is_cut_is_not_taken_for_whole(serve: Serve, coding: str, target: str) -> None:
    client = await serve(make_app())
    compressed = COMPRESSORS[coding](SOME)
    for length in {1, 5, len(compressed) // 2, len(compressed) - 1}:
        status, _, body = await send(client, target, coding, compressed[:length])
        assert status == 400, length
        assert f"the {coding} data is cut".encode() in body


@pytest.mark.parametrize(
    ("coding", "body"),
    [
        ("gzip", b"no gzip at all"),
        ("gzip", gzip.compress(SOME)[:-4] + b"xxxx"),
        ("gzip", gzip.compress(SOME) + b"what is this?"),
        ("deflate", b"\x78\x9cno deflate"),
        ("deflate", b"\xff\xff"),
    ],
)
async def test_a_body_that_is_damaged_is_refused_and_the_connection_goes_on(
    serve: Serve, coding: str, body: bytes
) -> None:
    client = await serve(make_app())
    bad = request_of("/by_read", coding, body, closes=False)
    answer = await client.send(bad + bad + request_of("/by_read", "gzip", gzip.compress(b"good")))
    assert (answer.count(b"HTTP/1.1 400 "), answer.count(b"HTTP/1.1 200 ")) == (2, 1)
    assert f"The body of the request is broken: it is no {coding} data".encode() in answer
    assert answer.endswith(b"good")


async def test_a_handler_may_catch_what_is_wrong_with_the_coding(serve: Serve) -> None:
    async def handler(request: web.Request) -> Any:
        messages = []
        for _ in range(2):
            try:
                await request.read()
            except web.RequestPayloadError as error:
                messages.append(str(error))
        return messages

    app = Application()
    app.add_post("/", handler)
    status, _, body = await send(await serve(app), "/", "gzip", gzip.compress(SOME)[:-1])
    assert (status, body) == (200, b'["the gzip data is cut","the gzip data is cut"]')


@pytest.mark.parametrize("coding", ["compress", "gzip, gzip", "br" if "br" not in COMPRESSORS else "lzma", "\xff"])
async def test_a_coding_that_nobody_knows_is_415_where_the_body_is_read(serve: Serve, coding: str) -> None:
    client = await serve(make_app())
    status, head, body = await send(client, "/by_read", coding, b"x")
    assert status == 415
    assert f"\r\nAccept-Encoding: {', '.join(COMPRESSORS)}\r\n".encode() in head + b"\r\n"
    assert b"gzip, deflate" in body
    assert (await send(client, "/unread", coding, b"x"))[0] == 200
    assert (await send(client, "/nowhere", coding, b"x"))[0] == 404
    assert (await send(client, "/by_read", coding, b""))[0] == 200


# Bombs


@cache
def bomb(mebibytes: int, coding: str = "gzip") -> bytes:
    """Zeros: 1 MB of them are 1 KB of gzip."""
    if coding not in {"gzip", "deflate"}:
        return COMPRESSORS[coding](bytes(mebibytes * MIB))
    packer = zlib.compressobj(wbits=16 + zlib.MAX_WBITS if coding == "gzip" else zlib.MAX_WBITS)
    return b"".join(packer.compress(bytes(MIB)) for _ in range(mebibytes)) + packer.flush()


def make_compressible(size: int) -> bytes:
    """Bytes of which gzip makes about 40 times less."""
    numbers = Random(1)
    return b"".join(numbers.randbytes(256) + bytes(12_000) for _ in range(size // 12_256))


@pytest.mark.parametrize("coding", COMPRESSORS)
@pytest.mark.parametrize("target", ["/by_read", "/by_stream", "/by_lines", "/by_pieces"])
async def test_a_bomb_is_413_and_is_not_blown_up(serve: Serve, coding: str, target: str) -> None:
    client = await serve(make_app())
    compressed = bomb(200, coding)
    tracemalloc.start()
    try:
        status, _, _ = await send(client, target, coding, compressed)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert status == (400 if target == "/by_lines" else 413)  # which is a line that is too long
    assert peak < 12 * MIB


async def test_a_bomb_that_nobody_reads_is_thrown_away_as_it_came(serve: Serve) -> None:
    client = await serve(make_app())
    bad = request_of("/unread", "gzip", bomb(200), closes=False)
    answer = await client.send(bad + request_of("/by_read", "gzip", gzip.compress(b"good")))
    assert answer.count(b"HTTP/1.1 200 OK") == 2


async def test_a_stream_gets_no_more_than_a_hundred_times_what_was_sent(serve: Serve) -> None:
    got = 0

    async def count(request: web.Request) -> Any:
        nonlocal got
        async for chunk in request.content.iter_any():
            got += len(chunk)

    app = Application()
    app.add_post("/", count)
    compressed = bomb(200)
    assert (await send(await serve(app), "/", "gzip", compressed))[0] == 413
    assert 0 < got <= max(MIB, 100 * len(compressed))


@pytest.mark.parametrize(("mebibytes", "status"), [(1, 200), (2, 413)])
async def test_the_first_mebibyte_is_free(serve: Serve, mebibytes: int, status: int) -> None:
    assert (await send(await serve(make_app()), "/by_stream", "gzip", bomb(mebibytes)))[0] == status


async def test_a_large_upload_that_is_well_compressed_is_read_as_a_stream(serve: Serve) -> None:
    data = make_compressible(20 * MIB)
    compressed = gzip.compress(data)
    assert len(data) / len(compressed) > 30
    status, _, body = await send(await serve(make_app()), "/by_stream", "gzip", compressed)
    assert (status, body) == (200, str(len(data)).encode())


async def test_the_whole_body_is_counted_inflated(serve: Serve) -> None:
    client = await serve(make_app(client_max_size=1000))
    assert (await send(client, "/by_read", "gzip", gzip.compress(b"x" * 1000)))[0] == 200
    assert (await send(client, "/by_read", "gzip", gzip.compress(b"x" * 1001)))[0] == 413


async def test_others_get_their_turn_while_a_body_is_inflated(serve: Serve) -> None:
    turns, is_over = 0, False

    async def tick() -> None:
        nonlocal turns
        while not is_over:
            turns += 1
            await asyncio.sleep(0)

    async def read(request: web.Request) -> Any:
        nonlocal turns, is_over
        await request.content.read(1)
        await asyncio.sleep(0.1)  # what was sent is here
        ticking = asyncio.create_task(tick())
        turns = 0
        async for _ in request.content.iter_any():
            pass
        is_over = True
        await ticking
        return str(turns)

    app = Application()
    app.add_post("/", read)
    status, _, body = await send(await serve(app), "/", "gzip", gzip.compress(make_compressible(20 * MIB)))
    assert status == 200
    assert int(body) >= 20 * MIB // 2**19


async def test_a_body_of_nothing_but_empty_members_is_read_to_its_end(serve: Serve) -> None:
    async with asyncio.timeout(10):
        status, _, body = await send(await serve(make_app()), "/by_read", "gzip", gzip.compress(b"") * 20_000)
    assert (status, body) == (200, b"")


# Who inflates


async def test_bodies_are_left_alone_where_the_application_says_so(serve: Serve) -> None:
    compressed = gzip.compress(b"data")
    client = await serve(make_app(handler_args={"auto_decompress": False}))
    assert (await send(client, "/by_read", "gzip", compressed))[::2] == (200, compressed)
    assert (await send(client, "/by_read", "aes128gcm", b"data"))[::2] == (200, b"data")


async def test_aiohttp_inflates_where_the_application_says_so(serve: Serve) -> None:
    client = await serve(make_app(handler_args={"auto_decompress": True}))
    assert (await send(client, "/by_read", "gzip", gzip.compress(b"data")))[::2] == (200, b"data")


async def test_a_body_is_inflated_once_wherever_its_route_is(serve: Serve) -> None:
    async def by_aiohttp(request: web.Request) -> web.Response:
        return web.Response(body=await request.read())

    async def look(request: web.Request, handler: Any) -> Any:
        if request.path != "/unread":
            await request.read()
        return await handler(request)

    app, child, plain, host = (
        Application(middlewares=[look]),
        make_app(middlewares=[look]),
        web.Application(),
        make_app(),
    )
    plain.router.add_post("/x", by_aiohttp)
    app.aiohttp.router.add_post("/raw", by_aiohttp)
    app.mount("/child", child)
    app.mount("/plain", plain)
    app.add_domain("example.org", host)
    client = await serve(app)
    for target in ("/raw", "/child/by_read", "/plain/x"):
        assert (await send(client, target, "gzip", gzip.compress(b"data")))[::2] == (200, b"data")
    request = request_of("/by_read", "gzip", gzip.compress(b"data")).replace(b"Host: x", b"Host: example.org")
    assert (await client.send(request)).endswith(b"\r\n\r\ndata")


async def test_a_route_of_aiohttps_router_alone_gets_its_body_inflated(serve: Serve) -> None:
    async def by_aiohttp(request: web.Request) -> web.Response:
        return web.Response(body=await request.read())

    app = Application()
    app.aiohttp.router.add_post("/raw", by_aiohttp)
    client = await serve(app)
    assert (await send(client, "/raw", "gzip", gzip.compress(b"data")))[::2] == (200, b"data")
    assert (await send(client, "/raw", "gzip", gzip.compress(b"data")[:-1]))[0] == 400


async def test_an_application_of_aiohttp_inflates_for_what_it_mounts(serve: Serve) -> None:
    outer = web.Application()
    outer.add_subapp("/child", make_app().aiohttp)
    client = await serve(outer)
    assert (await send(client, "/child/by_read", "gzip", gzip.compress(b"data")))[::2] == (200, b"data")


async def test_a_client_waits_to_be_told_for_a_compressed_body_too(serve: Serve) -> None:
    async def guard(request: web.Request, handler: Any) -> Any:
        if "Authorization" not in request.headers:
            raise HTTPUnauthorized
        return await handler(request)

    client = await serve(make_app(middlewares=[guard]))
    body = gzip.compress(b"data")
    head, _, _ = request_of("/by_read", "gzip", body).partition(b"\r\n\r\n")
    head += b"\r\nExpect: 100-continue"
    reader, writer = await asyncio.open_connection(client.url.host, client.url.port)
    writer.write(head + b"\r\n\r\n")
    assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 401 ")
    writer.close()
    reader, writer = await asyncio.open_connection(client.url.host, client.url.port)
    writer.write(head + b"\r\nAuthorization: x\r\n\r\n")
    assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
    writer.write(body)
    assert (await reader.read()).endswith(b"\r\n\r\ndata")
    writer.close()
