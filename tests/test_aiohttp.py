"""What aiohttp does not promise, and webkit relies on: these tests fail when it changes."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import pytest
from aiohttp import EMPTY_PAYLOAD, MultipartReader, StreamReader, web
from aiohttp.base_protocol import BaseProtocol
from aiohttp.test_utils import make_mocked_request
from multidict import CIMultiDict, MultiDict

from tests.leftovers import until
from tests.serving import PATIENCE_S, run_by_aiohttp
from webkit import Application, Server, ServerConfig
from webkit._aiohttp import (
    PulledReader,
    before_headers,
    before_waiting,
    begin_anew,
    busy_task_of,
    cancels_with_client,
    content_of,
    give_match,
    has_queued_requests,
    is_left,
    keep_posted,
    let_go_of_parser,
    limit_body,
    limits_of_forms,
    listen_to,
    replace_content,
    replace_server,
    take_body,
    take_full_names,
    take_loop,
    unindex,
    wrap_parser,
)
from webkit.errors import HTTPConflict


async def test_requests_that_wait_behind_another_on_their_connection_are_seen() -> None:
    begun, go_on = asyncio.Event(), asyncio.Event()
    queued: list[bool] = []

    async def note(request: web.Request) -> str:
        begun.set()
        await go_on.wait()
        queued.append(has_queued_requests(request.protocol))
        return "noted"

    app = Application()
    app.add_get("/", note)
    server = Server(app, ServerConfig(host="127.0.0.1", port=0))
    await server.start()
    reader, writer = await asyncio.open_connection("127.0.0.1", int(server.urls[0].rpartition(":")[2]))
    writer.write(b"GET / HTTP/1.1\r\nHost: l\r\n\r\n" * 2)
    await begun.wait()
    go_on.set()
    for _ in range(2):
        await reader.readuntil(b"noted")
    assert queued == [True, False]
    writer.close()
    await writer.wait_closed()
    await server.stop()


async def test_a_connection_is_busy_from_the_handler_to_the_end_of_the_answer_even_if_its_client_has_left() -> None:
    begun, go_on, ended = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def wait(request: web.BaseRequest) -> web.StreamResponse:
        assert busy_task_of(request.protocol) is request.task
        begun.set()
        try:
            await go_on.wait()
        finally:
            ended.set()
        return web.Response(text="done")

    server = web.Server(wait, access_log=None)
    listening = await asyncio.get_running_loop().create_server(server, "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection(*listening.sockets[0].getsockname())
    request = b"GET / HTTP/1.1\r\nHost: h\r\n\r\n"
    writer.write(request)
    await begun.wait()
    (connection,) = server.connections
    assert busy_task_of(connection) is not None
    go_on.set()
    await reader.readuntil(b"done")
    await until(lambda: busy_task_of(connection) is None)

    begun.clear()
    go_on.clear()
    ended.clear()
    writer.write(request)
    await begun.wait()
    writer.transport.abort()
    await until(lambda: connection.transport is None)
    task = busy_task_of(connection)
    assert task is not None
    task.cancel()
    await asyncio.wait([task])
    assert ended.is_set()
    assert busy_task_of(connection) is None
    listening.close()
    await listening.wait_closed()


def test_the_limit_of_form_fields_is_passed_where_aiohttp_knows_it() -> None:
    try:
        web.Application(client_max_fields=7)
    except TypeError:
        assert limits_of_forms(7) == {}
    else:
        assert limits_of_forms(7) == {"client_max_fields": 7}


@pytest.mark.parametrize("read", [web.Request.read, web.Request.text])
async def test_the_limit_of_one_body_is_set_for_whatever_reads_it(
    read: Callable[[web.Request], Awaitable[Any]],
) -> None:
    async def handler(request: web.Request) -> str:
        limit_body(request, 5)
        assert request.client_max_size == 5
        return f"read {len(await read(request))}"

    assert b" 200 OK" in await ask(handler, b"a=123")
    assert b" 413 " in await ask(handler, b"a=1234")


async def test_posted_fields_that_were_read_otherwise_are_kept() -> None:
    async def handler(request: web.Request) -> str:
        keep_posted(request, MultiDict({"a": "1"}))
        return f"posted {dict(await request.post())}"

    assert (await ask(handler, b"")).endswith(b"posted {'a': '1'}")


async def test_a_body_that_is_here_is_taken_at_once_and_read_once_more() -> None:
    async def handler(request: web.Request) -> str:
        await request.content.wait_eof()
        taken = take_body(request)
        rest = (request.content.at_eof(), take_body(request), await request.content.read())
        return f"{taken!r} {rest} {await request.read()!r} {await request.json()}"

    assert (await ask(handler, b"[1]")).endswith(b"b'[1]' (True, None, b'') b'[1]' [1]")


async def test_no_body_is_taken_that_is_missing_or_that_somebody_has_begun_to_read() -> None:
    async def handler(request: web.Request) -> str:
        begun = await request.content.read(1)
        return f"{begun!r} {take_body(request)!r} {await request.read()!r}"

    assert (await ask(handler, b"[1]")).endswith(b"b'[' None b'1]'")
    assert (await ask(handler, b"")).endswith(b"b'' None b''")


async def ask(handler: Any, body: bytes, *, wait: asyncio.Event | None = None) -> bytes:
    """Serve *handler*, send a POST with *body* (after *wait*), and give the answer."""
    app = Application()
    app.add_post("/", handler)
    async with run_by_aiohttp(app) as client:
        reader, writer = await asyncio.open_connection(client.url.host, client.url.port)
        head = b"POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(body)
        writer.write(head)
        if wait is not None:
            await asyncio.wait_for(wait.wait(), PATIENCE_S)
        writer.write(body)
        answer = await asyncio.wait_for(reader.read(), PATIENCE_S)
        writer.close()
    return answer


READS: list[Callable[[StreamReader], Awaitable[Any]]] = [
    lambda content: content.read(),
    lambda content: content.read(4),
    lambda content: content.readany(),
    lambda content: content.readchunk(),
    lambda content: content.readline(),
    lambda content: content.readuntil(b"y"),
    lambda content: content.readexactly(4),
]


@pytest.mark.parametrize("read", READS)
async def test_whoever_waits_for_bytes_of_a_body_is_noticed_until_that_is_enough(
    read: Callable[[StreamReader], Awaitable[Any]],
) -> None:
    asked = asyncio.Event()
    answers = [False, True]

    async def handler(request: web.Request) -> Any:
        def notice() -> bool:
            is_enough = answers.pop(0)
            if is_enough:
                asked.set()
            return is_enough

        before_waiting(request.content, notice)
        with suppress(TimeoutError):
            async with asyncio.timeout(0.01):
                await request.content.readany()
        await read(request.content)
        await request.read()
        return {"left": answers}

    assert (await ask(handler, b"body", wait=asked)).endswith(b'{"left":[]}')


async def test_what_is_raised_before_waiting_the_reader_gets() -> None:
    async def handler(request: web.Request) -> Any:
        def refuse() -> bool:
            if refused.is_set():  # behind the answer, aiohttp reads what is left
                return True
            refused.set()
            raise HTTPConflict

        before_waiting(request.content, refuse)
        return await request.text()

    refused = asyncio.Event()
    assert (await ask(handler, b"body", wait=refused)).startswith(b"HTTP/1.1 409 ")


@pytest.mark.parametrize("is_stream", [False, True])
async def test_the_headers_of_an_answer_can_be_seen_and_changed_right_before_they_go(is_stream: bool) -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        async def sign(headers: CIMultiDict[str]) -> None:
            headers["X-Signed"] = headers["Content-Type"]

        before_headers(request, sign)
        if not is_stream:
            return web.Response(text="whole")
        response = web.StreamResponse(headers={"Content-Type": "text/plain"})
        await response.prepare(request)
        return response

    assert b"\r\nX-Signed: text/plain" in await ask(handler, b"")


@pytest.mark.parametrize("read", [*READS, lambda content: content.readexactly(11)])
async def test_a_stream_is_filled_by_what_is_fetched_when_somebody_waits(
    read: Callable[[StreamReader], Awaitable[Any]],
) -> None:
    pieces = [b"some", b"\nbody", b"yes", b""]
    source = EMPTY_PAYLOAD

    async def fetch() -> bytes:
        return pieces.pop(0)

    content = PulledReader(source, fetch)
    first = await read(content)
    assert b"some\nbodyyes".startswith(first[0] if isinstance(first, tuple) else first)
    await content.read()
    assert (pieces, content.at_eof()) == ([], True)


async def test_a_stream_that_could_not_be_filled_stays_so() -> None:
    async def fetch() -> bytes:
        raise ValueError("no more")

    content = PulledReader(EMPTY_PAYLOAD, fetch)
    for read in READS:
        with pytest.raises(ValueError, match="no more"):
            await read(content)


async def test_a_request_reads_the_content_that_it_was_given() -> None:
    async def handler(request: web.Request) -> Any:
        pieces = [b"an", b"other", b""]

        async def fetch() -> bytes:
            return pieces.pop(0)

        content = PulledReader(request.content, fetch)
        replace_content(request, content)
        assert request.content is content
        return await request.text()

    assert (await ask(handler, b"body")).endswith(b"\r\n\r\nanother")


async def test_what_a_multipart_reader_reads_is_known() -> None:
    source = StreamReader(BaseProtocol(asyncio.get_running_loop()), 2**16)
    source.feed_data(b"--b\r\n\r\n")
    reader = MultipartReader({"Content-Type": "multipart/mixed; boundary=b"}, source)
    assert content_of(reader) is content_of(await reader.next()) is source
    assert content_of(source) is None


async def test_a_domain_is_taught_that_a_full_name_is_the_same_host() -> None:
    domain = web.Application().add_domain("example.org", web.Application())
    rule: Any = domain.get_info()["rule"]
    full = make_mocked_request("GET", "/", headers={"Host": "example.org."})
    assert not await rule.match(full)
    take_full_names(domain)
    assert await rule.match(full)
    assert not await rule.match(make_mocked_request("GET", "/", headers={"Host": "www.example.org."}))


async def test_a_request_goes_where_the_match_says_that_it_was_given() -> None:
    app = Application()
    app.get("/users/{id}")(lambda: "user")
    app.aiohttp.freeze()
    request = make_mocked_request("GET", "/users/7", headers={"Host": "localhost"}, app=app.aiohttp)
    match = await app.aiohttp.router.resolve(request)
    match.add_app(app.aiohttp)
    assert request.match_info is not match
    given = make_mocked_request("GET", "/users/7").clone()
    give_match(given, match)
    assert given.match_info is match
    assert given.app is app.aiohttp
    assert given.match_info["id"] == "7"


async def test_a_runner_serves_with_the_server_that_it_was_given() -> None:
    made: list[web.Server] = []
    taken: dict[str, Any] = {}

    class Mine(web.Server):
        def __init__(self, *args: Any, **options: Any) -> None:
            super().__init__(*args, **options)
            taken.update(options)
            made.append(self)

    app = web.Application(handler_args={"max_field_size": 7000})
    runner = web.AppRunner(app, keepalive_timeout=5, handler_cancellation=True)
    replace_server(runner, Mine)  # too early: nothing is there yet
    await runner.setup()
    former = runner.server
    replace_server(runner, Mine)
    assert isinstance(former, web.Server)
    assert [runner.server] == made
    assert made[0].request_handler == former.request_handler
    assert made[0].request_factory == former.request_factory
    assert made[0].handler_cancellation
    given = {"max_field_size": 7000, "keepalive_timeout": 5, "handler_cancellation": True}
    assert taken.items() >= given.items()
    await runner.cleanup()


async def test_what_a_connection_receives_goes_through_its_parser() -> None:
    seen: list[bytes] = []

    class Seeing:
        def __init__(self, parser: Any) -> None:
            self._parser = parser

        def __getattr__(self, name: str) -> Any:
            return getattr(self._parser, name)

        def feed_data(self, data: bytes) -> Any:
            seen.append(bytes(data))
            return self._parser.feed_data(data)

    class Wrapping(web.Server):
        def __call__(self) -> web.RequestHandler:
            connection = super().__call__()
            wrap_parser(connection, Seeing)
            return connection

    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        return web.Response(text=await request.text())

    listening = await asyncio.get_running_loop().create_server(Wrapping(handle, access_log=None), "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection(*listening.sockets[0].getsockname())
    sent = b"POST / HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: 4\r\n\r\nbody"
    writer.write(sent)
    assert (await reader.read()).endswith(b"\r\n\r\nbody")
    assert b"".join(seen) == sent
    writer.close()
    listening.close()
    await listening.wait_closed()


async def test_another_answer_begins_as_if_none_had_begun() -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        if request.path == "/begun":
            first = web.Response(text="first" * 1000)
            first.enable_compression(web.ContentCoding.gzip)
            first.enable_chunked_encoding()
            await first.prepare(request)
            begin_anew(request)
        return web.Response(text="second")

    app = web.Application()
    app.router.add_get("/{path}", answer)
    async with run_by_aiohttp(app) as client:
        begun, other = [await client.get(path) for path in ("/begun", "/other")]
        assert (begun.body, other.body) == (b"second", b"second")
        assert begun.headers.keys() == other.headers.keys()


async def test_a_websocket_goes_on_without_the_parser_of_requests_and_what_comes_over_it_is_heard() -> None:
    heard: list[int] = []

    async def echo(request: web.Request) -> web.StreamResponse:
        ws = web.WebSocketResponse()
        await ws.prepare(request)
        let_go_of_parser(request.protocol)
        listen_to(request.protocol, lambda: heard.append(1))
        async for message in ws:
            await ws.send_str(message.data)
        return ws

    app = web.Application()
    app.router.add_get("/", echo)
    async with run_by_aiohttp(app) as client:
        for size in (1, 200_000):  # small, and so large that reading is paused and goes on
            async with client.session.ws_connect(client.url) as ws:
                for _ in range(3):
                    await ws.send_str("x" * size)
                assert [await ws.receive_str() for _ in range(3)] == ["x" * size] * 3
                await ws.ping()
        assert (await client.get("/")).status == 400
    assert len(heard) >= 6


async def test_an_application_and_all_that_is_mounted_in_it_know_the_event_loop_that_they_were_given() -> None:
    app, below = web.Application(), web.Application()
    app.add_subapp("/below", below)
    take_loop(app)
    for known in (app, below):
        with pytest.warns(DeprecationWarning, match="loop property"):
            assert known.loop is asyncio.get_running_loop()


def test_a_resource_is_taken_out_of_the_index_without_a_trace() -> None:
    router = web.UrlDispatcher()
    first, second = router.add_resource("/a/b"), router.add_resource("/a/b", name="second")
    unindex(router, first)
    assert list(router._resource_index.values()) == [[second]]
    unindex(router, second)
    assert not router._resource_index


@pytest.mark.parametrize("cancels", [False, True])
async def test_a_request_knows_whether_its_handler_is_cancelled_with_its_client(cancels: bool) -> None:
    begun, is_over = asyncio.Event(), asyncio.Event()
    seen: list[bool] = []

    async def wait(request: web.Request) -> web.Response:
        seen.extend((cancels_with_client(request), request.protocol._manager is None))
        begun.set()
        is_cancelled = False
        try:
            while request.transport is not None:  # noqa: ASYNC110 - nothing tells
                await asyncio.sleep(0.01)
        except asyncio.CancelledError:
            is_cancelled = True
        seen.extend((is_cancelled, is_left(request)))
        is_over.set()
        return web.Response()

    app = web.Application()
    app.router.add_get("/", wait)
    runner = web.AppRunner(app, handler_cancellation=cancels)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    _, writer = await asyncio.open_connection(*runner.addresses[0][:2])
    writer.write(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
    await begun.wait()
    writer.transport.abort()
    await is_over.wait()
    await runner.cleanup()
    assert seen == [cancels, False, cancels, cancels]


async def test_what_is_called_before_the_headers_is_called_beside_what_was_asked_for_before() -> None:
    async def show(request: web.Request) -> web.Response:
        for name in ("First", "Second"):

            async def add(headers: CIMultiDict[str], name: str = name) -> None:
                headers["X-Order"] = headers.get("X-Order", "") + name

            before_headers(request, add)
        return web.Response()

    app = web.Application()
    app.router.add_get("/", show)
    async with run_by_aiohttp(app) as client:
        assert (await client.get("/")).headers["X-Order"] == "FirstSecond"
