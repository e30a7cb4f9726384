"""Bytes over sockets: what no good client sends, and what becomes of it.

What only webkit's own server can do is asked of it alone (``own``); all else under aiohttp's runner too.
"""

import asyncio
import logging
import re
import ssl
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from tests.rawsockets import connect
from tests.serving import PATIENCE_S, AnyApplication, Client, Serve, run_by_webkit
from tests.test_tls import make_certificate
from webkit import Application, ConfigError, Server, ServerConfig
from webkit.serverlog import ServerLog

HOST = b"Host: localhost\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"

needs_new_aiohttp = pytest.mark.needs_aiohttp("3.14.4")  # which crashed before, or forgot it


async def echo(request: web.Request) -> str:
    return f"{request.method} {request.path} {await request.text()}"


def echoing(**options: Any) -> Application:
    app = Application(**options)
    app.add_route("*", "/{path:.*}", echo)
    return app


@pytest.fixture
async def own() -> AsyncIterator[Serve]:
    """Like ``serve``, under webkit's runner alone."""
    async with AsyncExitStack() as stack:

        async def start(app: AnyApplication) -> Client:
            return await stack.enter_async_context(run_by_webkit(app))

        yield start


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> Callable[[], list[str]]:
    """What the server logs, but for the access log and the steps of its end."""
    caplog.set_level(logging.INFO)

    def lines() -> list[str]:
        logged = [record for record in caplog.records if not record.name.endswith(".access")]
        assert not any(record.exc_info for record in logged)
        return [record.getMessage() for record in logged if not record.getMessage().startswith("Shutdown:")]

    return lines


def statuses(answers: bytes) -> list[int]:
    return [int(status) for status in re.findall(rb"HTTP/1\.[01] ([2-5][0-9][0-9]) ", answers)]


def get(line: bytes = b"GET / HTTP/1.1", headers: bytes = HOST, rest: bytes = b"") -> bytes:
    return line + b"\r\n" + headers + b"\r\n" + rest


def post(headers: bytes, body: bytes = b"") -> bytes:
    return b"POST / HTTP/1.1\r\n" + HOST + headers + b"\r\n" + body


# Versions, hosts, codings: refused wherever the application is served, with the connection closed


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (get(b"GET / HTTP/0.9"), 505),
        (get(b"GET / HTTP/2.0"), 505),
        (get(headers=b""), 400),
        (get(headers=b"Host: a\r\nHost: a\r\n"), 400),
        (get(headers=b"Host:\r\n"), 400),
        (get(headers=b"Host: a b\r\n"), 400),
        (get(headers=b"Host: a/b\r\n"), 400),
        (get(headers=b"Host: u@h\r\n"), 400),
        (get(headers=b"Host: [::1\r\n"), 400),
        (get(headers=b"Host: h:port\r\n"), 400),
        (get(headers=b"Host: h:70000\r\n"), 400),
        (get(headers=b"Host: \xff\r\n"), 400),
        (get(b"GET / HTTP/1.0", b"Host: a b\r\n"), 400),
        (get(b"GET http://u@h/ HTTP/1.1"), 400),
        pytest.param(get(b"GET http://h:port/ HTTP/1.1"), 400, marks=needs_new_aiohttp),
        (get(b"GET http://a%20b/ HTTP/1.1"), 400),
        (get(b"GET http://h/ HTTP/1.1", b"Host: a b\r\n"), 400),
        (b"POST / HTTP/1.0\r\n" + HOST + CHUNKED, 400),
        (post(b"Transfer-Encoding:\r\n"), 400),
        (post(b"Transfer-Encoding: gzip, " + CHUNKED[19:]), 501),
        (post(b"Transfer-Encoding: x,gzip, " + CHUNKED[19:]), 501),
    ],
    ids=repr,
)
async def test_what_must_not_be_handled_is_refused(serve: Serve, request_: bytes, status: int) -> None:
    seen: list[str] = []

    async def note(request: web.Request) -> str:
        seen.append(request.path)
        return "handled"

    app = Application()
    app.add_route("*", "/{path:.*}", note)
    client = await serve(app)
    answer = await client.send(request_)
    assert (statuses(answer), seen) == ([status], [])


@pytest.mark.parametrize(
    "request_",
    [
        get(b"GET /a HTTP/1.0", b""),
        get(b"GET /a HTTP/1.1", HOST + b"Connection: close\r\n"),
        get(b"GET /a HTTP/1.1", b"Host: [::1]:80\r\nConnection: close\r\n"),
        get(b"GET http://h:80/a HTTP/1.1", HOST + b"Connection: close\r\n"),
        get(b"GET http://[::1]/a HTTP/1.1", HOST + b"Connection: close\r\n"),
        b"\r\n" + get(b"GET /a HTTP/1.1", HOST + b"Connection: close\r\n"),
        get(b"GET /a HTTP/1.1", HOST + b"Transfer_Encoding: chunked\r\nConnection: close\r\n"),
    ],
    ids=repr,
)
async def test_what_is_only_rare_is_answered(serve: Serve, request_: bytes) -> None:
    client = await serve(echoing())
    answer = await client.send(request_)
    assert (statuses(answer), answer.rpartition(b"\r\n\r\n")[2]) == ([200], b"GET /a ")


@pytest.mark.parametrize(
    ("accept", "content_type", "part"),
    [
        (b"*/*", b"text/plain; charset=utf-8", b"The Host header is no host: 'a b'."),
        (b"application/json", b"application/problem+json", b'"detail":"The Host header is no host: '),
        (b"text/html", b"text/html; charset=utf-8", b"<p>The Host header is no host: "),
    ],
)
async def test_a_refusal_is_shown_as_any_other_error(
    serve: Serve, accept: bytes, content_type: bytes, part: bytes
) -> None:
    client = await serve(echoing())
    answer = await client.send(get(headers=b"Host: a b\r\nAccept: " + accept + b"\r\n"))
    assert b"\r\nContent-Type: " + content_type + b"\r\n" in answer
    assert b"\r\nConnection: close\r\n" in answer
    assert part in answer


async def test_an_answer_to_another_version_is_http_11(serve: Serve) -> None:
    client = await serve(echoing())
    answer = await client.send(get(b"GET / HTTP/2.0"))
    assert answer.startswith(b"HTTP/1.1 505 HTTP Version Not Supported\r\n")
    assert b"\r\nConnection: close\r\n" in answer


async def test_an_error_handler_answers_and_the_connection_closes_all_the_same(serve: Serve) -> None:
    app = echoing()

    @app.error(400)
    async def explain(request: web.Request, error: Exception) -> str:
        return "what a request"

    client = await serve(app)
    answer = await client.send(get(headers=b"Host: a b\r\n") + get())
    assert statuses(answer) == [400]
    assert answer.endswith(b"\r\n\r\nwhat a request")


async def test_no_middleware_sees_what_is_refused_since_it_may_stumble_over_it(serve: Serve) -> None:
    async def read_url(request: web.Request, handler: Any) -> web.StreamResponse:
        assert request.url.host
        return await handler(request)  # type: ignore[no-any-return]

    for app in (echoing(middlewares=[read_url]), Application(middlewares=[read_url])):
        client = await serve(app)
        assert statuses(await client.send(get(headers=b"Host: h:port\r\n"))) == [400]


async def test_a_body_is_not_invited_to_be_refused(serve: Serve) -> None:
    client = await serve(echoing())
    headers = b"Host: a b\r\nExpect: 100-continue\r\nContent-Length: 5\r\n"
    answer = await client.send(get(b"POST / HTTP/1.1", headers))
    assert answer.startswith(b"HTTP/1.1 400 ")


@pytest.mark.parametrize("make", [echoing, web.Application], ids=["webkit", "aiohttp"])
@pytest.mark.parametrize("path", [b"/", b"/mounted", b"/mounted/a"])
async def test_it_is_refused_for_mounted_applications_too(
    serve: Serve, make: Callable[[], AnyApplication], path: bytes
) -> None:
    app = echoing()
    mounted = make()
    if isinstance(mounted, web.Application):

        async def handle(request: web.Request) -> web.Response:
            return web.Response(text="reached")

        mounted.router.add_get("/{path:.*}", handle)
    app.mount("/mounted", mounted)
    client = await serve(app)
    assert statuses(await client.send(get(b"GET " + path + b" HTTP/1.1", b"Host: a b\r\n"))) == [400]


# Methods


async def test_options_for_the_whole_server_is_204(serve: Serve) -> None:
    client = await serve(echoing())
    answer = await client.send(get(b"OPTIONS * HTTP/1.1", HOST + b"Connection: close\r\n"))
    assert answer.startswith(b"HTTP/1.1 204 No Content\r\n")
    assert answer.endswith(b"\r\n\r\n")


async def test_a_server_without_a_route_answers_options_too(serve: Serve) -> None:
    client = await serve(Application(trailing_slash="redirect"))
    assert (await client.request("OPTIONS", "/")).status == 404
    answer = await client.send(get(b"OPTIONS * HTTP/1.1", HOST + b"Connection: close\r\n"))
    assert statuses(answer) == [204]


@pytest.mark.parametrize("accept", [b"*/*", b"application/json"])
async def test_connect_is_501(own: Serve, accept: bytes) -> None:
    client = await own(echoing())
    answer = await client.send(get(b"CONNECT example.org:443 HTTP/1.1", HOST + b"Accept: " + accept + b"\r\n"))
    assert statuses(answer) == [501]
    assert (b"application/problem+json" in answer) == (accept == b"application/json")


async def test_connect_is_answered_by_who_takes_it(own: Serve) -> None:
    async def tunnel(request: web.Request, handler: Any) -> web.StreamResponse:
        return web.Response(text="tunnel") if request.method == "CONNECT" else await handler(request)

    client = await own(Application(middlewares=[tunnel]))
    answer = await client.send(get(b"CONNECT h:1 HTTP/1.1", HOST + b"Connection: close\r\n"))
    assert statuses(answer) == [200]


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (get(b"BREW / HTTP/1.1"), 501),
        (get(b"get / HTTP/1.1"), 501),
        (get(b"GETTING / HTTP/1.1"), 501),
        (get(b"B(EW / HTTP/1.1"), 400),
        (get(b"BREW /"), 400),
        (b"CONNECT \r\n\r\n", 400),
        (get(b"GET / HTTP/1.2"), 505),
        (get(b"GET / HTTP/3.0"), 505),
        (get(b"GET / HTTP/1.10"), 505),
        (get(b"BREW / HTTP/2.0"), 505),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
        (get(b"GET / http/1.1"), 400),
        (get(b"GET / ABC/1.1"), 505),
        (b"\x16\x03\x01\x00\xc8\x01\x00\x00\xc4\x03\x03" + b"x" * 190, 400),
    ],
    ids=lambda value: repr(value)[:60],
)
async def test_what_the_parser_refuses_has_the_status_that_fits(own: Serve, request_: bytes, status: int) -> None:
    client = await own(echoing())
    answer = await client.send(request_)
    assert (statuses(answer), answer[:9]) == ([status], b"HTTP/1.1 ")


# Limits


@pytest.mark.parametrize("pieces", [1, 7])
@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (get(b"GET /" + b"a" * 9000 + b" HTTP/1.1"), 414),
        (b"GET /" + b"a" * 300_000, 414),
        (get(headers=HOST + b"X: " + b"a" * 9000 + b"\r\n"), 431),
        (get(headers=HOST + b"X" * 9000 + b": a\r\n"), 431),
        (get(headers=HOST + b"X: /" + b"a" * 9000), 431),
        (get(headers=HOST + b"X: a\r\n" * 200), 431),
        (get(headers=HOST + (b"X: " + b"a" * 8000 + b"\r\n") * 100), 431),
    ],
    ids=["target", "endless target", "value", "name", "endless value", "headers", "bytes"],
)
async def test_a_head_that_is_too_long_is_414_or_431(own: Serve, request_: bytes, status: int, pieces: int) -> None:
    client = await own(echoing())
    reader, writer = await asyncio.open_connection(client.url.host, client.url.port)
    size = len(request_) // pieces + 1
    for at in range(0, len(request_), size):
        writer.write(request_[at : at + size])
        await writer.drain()
    assert statuses(await reader.read()) == [status]
    writer.close()


async def test_the_limits_are_options_of_the_protocol(own: Serve) -> None:
    client = await own(echoing(handler_args={"max_line_size": 100, "max_field_size": 20_000, "max_headers": 3}))
    close = HOST + b"Connection: close\r\n"
    assert statuses(await client.send(get(b"GET /" + b"a" * 100 + b" HTTP/1.1"))) == [414]
    assert statuses(await client.send(get(headers=close + b"X: " + b"a" * 19_000 + b"\r\n"))) == [200]
    assert statuses(await client.send(get(headers=close + b"X: a\r\nY: b\r\n"))) == [431]


async def test_an_option_that_there_is_not_fails_the_start() -> None:
    app = Application(handler_args={"max_lime_size": 100})
    with pytest.raises(ConfigError, match=r"handler_args.*max_lime_size"):
        await Server(app, ServerConfig(host="127.0.0.1", port=0)).start()


async def test_a_megabyte_of_chunk_extensions_is_refused(own: Serve) -> None:
    client = await own(echoing())
    head = post(b"Transfer-Encoding: chunked\r\n")
    bodies = [
        b"5;" + b"a" * 2**20 + b"\r\nhello\r\n0\r\n\r\n",
        b"5;a=b\r\nhello\r\n" * 50_000,
        b"5\r\nhello\r\n0" + b"0" * 2**20,
    ]
    for body in bodies:
        async with connect(client.url) as connection:
            connection.writer.write(head + body)
            answers = await connection.reader.readuntil(b"\r\n\r\n")
            with suppress(ConnectionResetError):  # whoever has not sent all by now is cut off behind the answer
                answers += await connection.reader.read()
            assert statuses(answers) == [400]


async def test_a_few_extensions_and_trailers_are_ignored(serve: Serve) -> None:
    client = await serve(echoing())
    body = b'3;a=b\r\nhel\r\n2;c="d";e\r\nlo\r\n0;f\r\nX-Trailer: 1\r\n\r\n'
    answer = await client.send(post(b"Connection: close\r\nTransfer-Encoding: chunked\r\n", body))
    assert answer.endswith(b"POST / hello")


async def test_an_answer_is_seen_by_a_client_that_still_sends(own: Serve) -> None:
    client = await own(echoing())
    assert statuses(await client.send(get(headers=HOST + b"X: y\r\n" * 500_000))) == [431]


# Ambiguities, of which others could make another request


@pytest.mark.parametrize(
    "request_",
    [
        post(b"Content-Length: 5\r\n" + CHUNKED),
        post(b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", b"5\r\nhello\r\n0\r\n\r\n"),
        post(b"Content-Length: 5\r\nContent-Length: 5\r\n", b"hello"),
        post(b"Content-Length: 5\r\nContent-Length: 4\r\n", b"hello"),
        post(b"Content-Length: 5, 5\r\n", b"hello"),
        post(b"Content-Length: +5\r\n", b"hello"),
        post(b"Content-Length: -5\r\n", b"hello"),
        post(b"Content-Length: 5 5\r\n", b"hello"),
        post(b"Content-Length: 0_5\r\n", b"hello"),
        post(b"Content-Length: 0x5\r\n", b"hello"),
        post(b"Content-Length: \xd9\xa5\r\n", b"hello"),  # an Arabic 5
        post(b"Content-Length:\r\n", b"hello"),
        post(b"Content-Length : 5\r\n", b"hello"),
        post(b" Content-Length: 5\r\n", b"hello"),
        post(b"Content-Length: 5\x00\r\n", b"hello"),
        post(b"Transfer-Encoding: chunked\r\n" + CHUNKED),
        post(b"Transfer-Encoding: gzip\r\n" + CHUNKED),
        post(b"Transfer-Encoding: chunked, gzip\r\n", b"5\r\nhello\r\n0\r\n\r\n"),
        post(b"Transfer-Encoding: identity\r\n"),
        post(b"Transfer-Encoding: xchunked\r\n", b"5\r\nhello\r\n0\r\n\r\n"),
        post(b"Transfer-Encoding: \x0bchunked\r\n", b"5\r\nhello\r\n0\r\n\r\n"),
        post(b"Transfer-Encoding: chunked;a=b\r\n", b"5\r\nhello\r\n0\r\n\r\n"),
        post(b"X: a\r\n b\r\n"),
        post(b"X: a\r\n\tb\r\n"),
        b"GET / HTTP/1.1\r\n X: a\r\nHost: h\r\n\r\n",
        post(b"X: a\nContent-Length: 5\r\n", b"hello"),
        post(b"X: a\rContent-Length: 5\r\n", b"hello"),
        post(b"X: a\x00b\r\n"),
        post(b"X\x00: a\r\n"),
        post(b"X: a\x01b\r\n"),
        post(b"X : a\r\n"),
        post(b"X(: a\r\n"),
        post(b": a\r\n"),
        post(b"a\r\n"),
        b"GET / HTTP/1.1\nHost: h\n\n",
        b" GET / HTTP/1.1\r\nHost: h\r\n\r\n",
        b"GET\t/\tHTTP/1.1\r\nHost: h\r\n\r\n",
        b"GET /a b HTTP/1.1\r\nHost: h\r\n\r\n",
        b"GET / HTTP/1.1 \r\nHost: h\r\n\r\n",
        b"GET /a\x00b HTTP/1.1\r\nHost: h\r\n\r\n",
        b"GET /a\x7fb HTTP/1.1\r\nHost: h\r\n\r\n",
        b"GET a HTTP/1.1\r\nHost: h\r\n\r\n",
    ],
    ids=repr,
)
async def test_what_could_be_understood_otherwise_is_400(serve: Serve, request_: bytes) -> None:
    client = await serve(echoing())
    assert statuses(await client.send(request_)) == [400]


@pytest.mark.parametrize("later", [False, True], ids=["at once", "later"])
@pytest.mark.parametrize(
    "body",
    [
        *(b"5x\r\nhello\r\n", b"0x5\r\nhello\r\n", b"+5\r\nhello\r\n", b"-5\r\nhello\r\n", b" 5\r\nhello\r\n"),
        *(b"5 \r\nhello\r\n", b"0_5\r\nhello\r\n", b"\r\nhello\r\n", b"5\nhello\n", b"5\r\nhelloX\r\n"),
        *(b"5\r\nhello0\r\n", b"5;a\nhello\r\n", b"11111111111111111\r\nhello\r\n", b"0\r\nX y\r\n\r\n", b"0\r\n\n"),
        b"0\r\nX : y\r\n\r\n",
    ],
    ids=repr,
)
async def test_a_chunk_that_is_none_is_400_and_does_not_hang(own: Serve, body: bytes, later: bool) -> None:
    client = await own(echoing())
    reader, writer = await asyncio.open_connection(client.url.host, client.url.port)
    head = post(b"Transfer-Encoding: chunked\r\n", b"3\r\nabc\r\n")
    if later:
        begun = asyncio.Event()
        writer.write(head)
        asyncio.get_running_loop().call_later(0.02, begun.set)
        await begun.wait()
        writer.write(body)
    else:
        writer.write(head + body)
    async with asyncio.timeout(PATIENCE_S):
        assert statuses(await reader.read()) == [400]
    writer.close()


# The last request of a connection


@pytest.mark.parametrize(
    ("first", "answer"),
    [
        (get(headers=HOST + b"Connection: close\r\n"), b"GET / "),
        (get(headers=HOST + b"connection: keep-alive, CLOSE\r\n"), b"GET / "),
        (get(b"GET / HTTP/1.0"), b"GET / "),
        (post(b"Connection: close\r\nContent-Length: 5\r\n", b"hello"), b"POST / hello"),
        (post(b"Connection: close\r\n" + CHUNKED[:-2], b""), b"POST / hello"),
    ],
    ids=["head", "list", "HTTP/1.0", "length", "chunks"],
)
@pytest.mark.parametrize("rest", [b"x", b"\r\n\r\n", get(b"GET /second HTTP/1.1"), b"\x00" * 300_000])
async def test_what_follows_the_last_request_is_ignored(own: Serve, first: bytes, answer: bytes, rest: bytes) -> None:
    client = await own(echoing())
    for before in (b"", get(b"GET /earlier HTTP/1.1")):
        reader, writer = await asyncio.open_connection(client.url.host, client.url.port)
        writer.write(before + first + rest)
        expected = [200, 200] if before else [200]
        answers = await reader.readuntil(answer)
        assert statuses(answers) == expected
        writer.close()


async def test_requests_in_one_packet_are_answered_in_order(serve: Serve) -> None:
    client = await serve(echoing())
    one = [b"GET /%d HTTP/1.1\r\n" % number + HOST + b"\r\n" for number in range(100)]
    two = [b"POST /%d HTTP/1.1\r\n" % number + HOST + CHUNKED for number in range(100, 150)]
    three = [b"POST /%d HTTP/1.1\r\n" % n + HOST + b"Content-Length: 5\r\n\r\nhello" for n in range(150, 200)]
    last = get(b"GET /last HTTP/1.1", HOST + b"Connection: close\r\n")
    answers = await client.send(b"".join([*one, *two, *three]) + last)
    assert [int(number) for number in re.findall(rb"(?:GET|POST) /(\d+) ", answers)] == list(range(200))
    assert answers.endswith(b"GET /last ")


async def test_a_body_that_nobody_reads_yet_is_held_back_and_complete(own: Serve) -> None:
    go_on = asyncio.Event()

    async def wait(request: web.Request) -> str:
        await go_on.wait()
        return str(len(await request.read()))

    app = Application(client_max_size=2**24)
    app.post("/")(wait)
    client = await own(app)
    reader, writer = await asyncio.open_connection(client.url.host, client.url.port)
    body = b"\r\n\r\nGET / HTTP/1.1\r\nConnection: close\r\n\r\n" * 100_000
    writer.write(post(b"Connection: close\r\nContent-Length: %d\r\n" % len(body)) + body + b"more")
    go_on.set()
    assert (await reader.read()).endswith(b"\r\n\r\n%d" % len(body))
    writer.close()


# Other protocols


HANDSHAKE = b"Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"


async def test_frames_right_behind_the_handshake_arrive(serve: Serve) -> None:
    async def talk(request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        async for message in socket:
            await socket.send_str(message.data.upper())
        return socket

    app = Application()
    app.get("/")(talk)
    client = await serve(app)
    reader, writer = await asyncio.open_connection(client.url.host, client.url.port)
    frame = b"\x81\x85\x00\x00\x00\x00close"
    writer.write(get(headers=HOST + b"Connection: Upgrade\r\n" + HANDSHAKE, rest=frame * 1000))
    await reader.readuntil(b"\r\n\r\n")
    assert await reader.readexactly(7000) == b"\x81\x05CLOSE" * 1000
    writer.write(frame)
    assert await reader.readexactly(7) == b"\x81\x05CLOSE"
    writer.close()


@pytest.mark.parametrize("protocol", [pytest.param(b"websocket", marks=needs_new_aiohttp), b"h2c"])
async def test_where_the_application_stays_with_http_the_next_request_follows(own: Serve, protocol: bytes) -> None:
    client = await own(echoing())  # aiohttp's own runner forgets it behind h2c
    ask = get(b"GET /ask HTTP/1.1", HOST + b"Connection: Upgrade\r\nUpgrade: " + protocol + b"\r\n")
    last = post(b"Connection: close\r\n" + CHUNKED)
    answers = await client.send(ask + last)
    assert statuses(answers) == [200, 200]
    assert answers.endswith(b"POST / hello")


async def test_what_follows_a_switch_that_is_declined_is_no_request_but_the_body_of_the_next(own: Serve) -> None:
    client = await own(echoing())
    reader, writer = await asyncio.open_connection(client.url.host, client.url.port)
    inner = b"GET /inner HTTP/1.1\r\nHost: h\r\n\r\n"
    first = b"GET /ask HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n"
    second = b"POST /outer HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % (500 + len(inner))
    writer.write(first + second + b"x" * 500)
    await reader.readuntil(b"GET /ask")
    writer.write(inner)
    answer = await asyncio.wait_for(reader.read(), 10)
    writer.close()
    assert statuses(answer) == [200]
    assert b"POST /outer" in answer


@pytest.mark.parametrize("rest", [b"\r\nzz\r\n", b"\r\n0\r\nfoo\r\n\r\n"])
async def test_a_reader_that_waits_between_two_chunks_hears_that_the_next_is_broken(own: Serve, rest: bytes) -> None:
    has_read = asyncio.Event()

    async def read(request: web.Request) -> bytes:
        body = await request.content.readany()
        has_read.set()
        return body + await request.read()

    app = Application()
    app.add_post("/", read)
    client = await own(app)
    reader, writer = await asyncio.open_connection(client.url.host, client.url.port)
    writer.write(b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc")
    async with asyncio.timeout(10):
        await has_read.wait()
        writer.write(rest)
        answer = await reader.read()
    writer.close()
    assert statuses(answer) == [400]


# The log


async def test_a_malformed_request_is_one_line_without_a_traceback(
    serve: Serve, log: Callable[[], list[str]], caplog: pytest.LogCaptureFixture
) -> None:
    client = await serve(echoing())
    await client.send(post(b"Cookie : session=secret\r\n"))
    (line,) = log()
    assert line == "A bad request from 127.0.0.1: Invalid header token."
    (record,) = [record for record in caplog.records if record.getMessage() == line]
    assert (record.name, record.levelname) == ("webkit.server", "INFO")


async def test_neither_the_answer_nor_the_log_repeats_what_was_sent(own: Serve, log: Callable[[], list[str]]) -> None:
    client = await own(echoing())
    for headers in (b"Cookie: secret\x00\r\n", b"Cookie: " + b"secret" * 2000 + b"\r\n", b"secret\r\n"):
        assert b"secret" not in await client.send(post(headers))
    assert "secret" not in "".join(log())


async def test_the_access_log_has_the_line_as_it_was_sent(own: Serve, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "webkit.access")
    client = await own(echoing())
    await client.send(get(b'BREW /"tea"\x01 HTTP/1.1'))
    await client.send(get(b"GET /a HTTP/2.0"))
    await client.send(b"x" * 1000 + b"\r\n\r\n")
    lines = [record.getMessage() for record in caplog.records if record.name == "webkit.access"]
    assert [line.partition('"')[2].rpartition('"')[0] for line in lines] == [
        r"BREW /\"tea\"\x01 HTTP/1.1",
        "GET /a HTTP/2.0",
        "x" * 200,
    ]


async def test_repeated_ones_are_ten_lines_and_then_a_number(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "webkit.server")
    told = asyncio.Event()
    log = ServerLog(lines=3, period_s=0.05)

    class Waiting(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if "more bad requests" in record.getMessage():
                told.set()

    handler = Waiting()
    log.logger.addHandler(handler)
    try:
        for number in range(10):
            log.refused("10.0.0.1", f"number {number}")
        await asyncio.wait_for(told.wait(), PATIENCE_S)
        log.refused("", "a new one")
    finally:
        log.logger.removeHandler(handler)
    assert [record.getMessage() for record in caplog.records] == [
        *(f"A bad request from 10.0.0.1: number {number}" for number in range(3)),
        "7 more bad requests came in these 0.05 seconds.",
        "A bad request from -: a new one",
    ]


async def test_a_thousand_bad_requests_are_ten_lines(serve: Serve, log: Callable[[], list[str]]) -> None:
    client = await serve(echoing())
    await asyncio.gather(*(client.send(get(headers=b"a\r\n")) for _ in range(30)))
    assert len(log()) == 10


@pytest.mark.parametrize("plain", [False, True], ids=["webkit", "aiohttp"])
@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"GET / HT",
        get()[:-2],
        post(b"Content-Length: 10\r\n", b"hello"),
        post(b"Transfer-Encoding: chunked\r\n", b"5\r\nhel"),
    ],
    ids=["nothing", "line", "head", "length", "chunks"],
)
async def test_a_client_that_goes_away_in_the_middle_is_no_error(
    own: Serve, log: Callable[[], list[str]], sent: bytes, plain: bool
) -> None:
    served = asyncio.Event()

    async def read(request: web.Request) -> web.Response:
        try:
            served.set()
            return web.Response(body=await request.read())
        finally:
            ended.set()

    ended = asyncio.Event()
    app: AnyApplication = web.Application() if plain else Application()
    app.router.add_post("/", read)
    client = await own(app)
    for leave in (asyncio.StreamWriter.close, lambda writer: writer.transport.abort()):
        served.clear()
        ended.clear()
        _, writer = await asyncio.open_connection(client.url.host, client.url.port)
        writer.write(sent)
        await writer.drain()
        if b"\r\n\r\n" in sent:
            await served.wait()
        leave(writer)
        if b"\r\n\r\n" in sent:
            await ended.wait()
    await client.get("/")  # what they left behind is over
    assert log() == []


async def test_a_broken_body_of_a_plain_application_is_400_too(own: Serve, log: Callable[[], list[str]]) -> None:
    async def read(request: web.Request) -> web.Response:
        return web.Response(body=await request.read())

    app = web.Application()
    app.router.add_post("/", read)
    client = await own(app)
    reader, writer = await asyncio.open_connection(client.url.host, client.url.port)
    writer.write(post(b"Transfer-Encoding: chunked\r\n", b"5\r\nhel"))
    await writer.drain()
    writer.write(b"lo\r\nzz\r\n")
    assert statuses(await reader.read()) == [400]
    writer.close()
    assert len(log()) == 1


async def test_an_error_of_the_server_keeps_its_traceback(caplog: pytest.LogCaptureFixture) -> None:
    log = ServerLog()
    try:
        raise KeyError("ours")
    except KeyError as error:
        log.exception("Unhandled exception", exc_info=error)
    (record,) = caplog.records
    assert (record.levelname, record.getMessage()) == ("ERROR", "Unhandled exception")
    assert record.exc_info


async def test_another_logger_may_be_given(own: Serve, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "shop.server")
    client = await own(echoing(handler_args={"logger": logging.getLogger("shop.server")}))
    await client.send(b"nonsense\r\n\r\n")
    assert [record.name for record in caplog.records if "bad request" in record.getMessage()] == ["shop.server"]


async def test_plain_http_for_a_tls_port_is_not_worth_a_line(tmp_path: Path, log: Callable[[], list[str]]) -> None:
    certificate, key = make_certificate(tmp_path, "server", "rsa:2048")
    server = Server(echoing(), ServerConfig(host="127.0.0.1", port=0, tls_cert=certificate, tls_key=key))
    await server.start()
    for _ in range(3):
        await Client(None, server.urls[0]).send(get())  # type: ignore[arg-type]
    await server.stop()
    assert log() == []


async def test_tls_for_a_plain_port_is_one_line(own: Serve, log: Callable[[], list[str]]) -> None:
    client = await own(echoing())
    context = ssl.create_default_context()
    with pytest.raises((ssl.SSLError, ConnectionError)):
        await asyncio.open_connection(client.url.host, client.url.port, ssl=context)
    assert log() == ["A bad request from 127.0.0.1: This is HTTPS, and the server speaks HTTP here."]


# Whatever is sent


GOOD = [
    get(),
    get(b"HEAD /a HTTP/1.1"),
    get(b"GET / HTTP/1.0", b""),
    get(b"OPTIONS * HTTP/1.1"),
    get(b"CONNECT h:1 HTTP/1.1"),
    get(b"GET http://h/ HTTP/1.1"),
    get(headers=HOST + b"Connection: close\r\n"),
    get(headers=HOST + b"Connection: Upgrade\r\n" + HANDSHAKE),
    post(CHUNKED[:-2]),
    post(b"Content-Length: 5\r\n", b"hello"),
    post(b"Expect: 100-continue\r\nContent-Length: 5\r\n", b"hello"),
    post(b"Content-Encoding: gzip\r\nContent-Length: 5\r\n", b"hello"),
]
PIECES = [
    b"\r\n",
    b"\n",
    b"\r",
    b" ",
    b":",
    b"0",
    b"5",
    b";",
    b"\x00",
    b"\xff",
    b"chunked",
    b"close",
    b"HTTP/",
    b"x" * 9000,
]


@st.composite
def damaged_requests(draw: st.DrawFn) -> bytes:
    """Some requests, with a few bytes replaced, left out or put in."""
    data = b"".join(draw(st.lists(st.sampled_from(GOOD), min_size=1, max_size=3)))
    for _ in range(draw(st.integers(0, 3))):
        start = draw(st.integers(0, len(data)))
        data = data[:start] + draw(st.sampled_from([b"", *PIECES])) + data[start + draw(st.integers(0, 4)) :]
    return data


@pytest.fixture(scope="module")
def ask() -> Iterator[Callable[[bytes, int], tuple[bytes, list[str]]]]:
    """Send bytes in two parts, and give the answers and what was logged at WARNING or above."""
    logged: list[str] = []
    handler = logging.Handler(logging.WARNING)
    handler.emit = lambda record: logged.append(record.getMessage())  # type: ignore[method-assign]
    with asyncio.Runner() as runner:
        serving = run_by_webkit(echoing())
        client = runner.run(serving.__aenter__())

        async def send(data: bytes, cut: int) -> bytes:
            reader, writer = await asyncio.open_connection(client.url.host, client.url.port)
            with suppress(ConnectionError):
                writer.write(data[:cut])
                await writer.drain()
                writer.write(data[cut:])
                writer.write_eof()
            try:
                async with asyncio.timeout(PATIENCE_S):
                    return await reader.read()
            except ConnectionError:
                return b""
            finally:
                writer.close()

        def ask_logged(data: bytes, cut: int) -> tuple[bytes, list[str]]:
            logged.clear()
            return runner.run(send(data, cut)), list(logged)

        logging.getLogger().addHandler(handler)
        yield ask_logged
        logging.getLogger().removeHandler(handler)
        runner.run(serving.__aexit__(None, None, None))


@needs_new_aiohttp
@given(data=damaged_requests(), cut=st.integers(0, 400))
def test_whatever_is_sent_the_server_has_no_error_and_the_connection_ends(
    ask: Callable[[bytes, int], tuple[bytes, list[str]]], data: bytes, cut: int
) -> None:
    answers, logged = ask(data, cut)
    assert [status for status in statuses(answers) if status >= 500 and status not in {501, 505}] == []
    assert logged == []
