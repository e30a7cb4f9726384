"""Event streams over real connections: what is sent, who sends it, and how it ends."""

import asyncio
import gc
import logging
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from typing import Any

import pytest
from aiohttp import ClientPayloadError, ClientSession, web
from yarl import URL

from tests.eventsource import Message, read_events
from tests.leftovers import count_descriptors, settled_descriptors, until
from tests.serving import PATIENCE_S, AnyApplication, Running, Serve, run_by_webkit
from tests.streaming import Deaf, deaf, listening
from webkit import Application, ConfigError, Event, Events, EventStream, History, RouteError, View, eventstreams, pulse
from webkit import event_stream as begin
from webkit.errors import HTTPNotFound
from webkit.responses import PREPARED

Make = Callable[[], AnyApplication]
both_kinds = pytest.mark.parametrize("make", [Application, web.Application], ids=["webkit", "aiohttp"])


class Handler:
    """An endless stream, which tells how it ended."""

    def __init__(self, period_s: float = 0.01, **options: Any) -> None:
        self.began = asyncio.Event()
        self.ended = asyncio.Event()
        self.went_on = asyncio.Event()
        self.cancelling: int | None = None
        self._period_s = period_s
        self._options = options

    async def __call__(self, request: web.Request) -> web.StreamResponse:
        async with begin(request, **self._options) as stream:
            self.began.set()
            try:
                while True:
                    await stream.send("tick")
                    await asyncio.sleep(self._period_s)
            finally:
                self.ended.set()
        task = asyncio.current_task()
        self.cancelling = None if task is None else task.cancelling()
        self.went_on.set()
        return stream


def add_handler(app: AnyApplication, handler: Callable[..., Any]) -> None:
    """Answer GET (and HEAD) of "/" with *handler*."""
    call = handler.__call__ if isinstance(handler, Handler) else handler  # aiohttp takes no objects
    app.router.add_get("/", call)


async def send_for_ever(stream: EventStream) -> None:
    """Send until it fails."""
    while True:
        await stream.send("tick")
        await asyncio.sleep(0.01)


async def patiently(awaitable: Awaitable[Any]) -> Any:
    """Wait, but not for ever."""
    return await asyncio.wait_for(awaitable, PATIENCE_S)


# What is sent


@both_kinds
async def test_a_block_sends_events_and_then_the_end(serve: Serve, make: Make) -> None:
    """IP-100: the headers of an event stream, sent at once, and no buffering on the way."""

    async def handler(request: web.Request) -> web.StreamResponse:
        async with begin(request, retry=2000, headers={"content-type": "text/event-stream", "X-More": "1"}) as stream:
            await stream.send("a\nb", event="named", id=7)
            await stream.send({"c": 1})
            await stream.send(Event("d"))
            await stream.send()
        return stream

    app = make()
    add_handler(app, handler)
    answer = await (await serve(app)).get("/")
    assert answer.body == (
        b'retry: 2000\n\nid: 7\nevent: named\ndata: a\ndata: b\n\ndata: {"c":1}\n\ndata: d\n\ndata\n\n'
    )
    assert answer.headers.getall("Content-Type") == ["text/event-stream"]
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["X-Accel-Buffering"] == "no"
    assert answer.headers["X-More"] == "1"
    assert answer.headers["Transfer-Encoding"] == "chunked"


async def test_events_come_while_the_handler_runs(serve: Serve) -> None:
    app = Application()
    handler = Handler()
    add_handler(app, handler)
    async with listening(await serve(app)) as listener:
        assert [await listener.next() for _ in range(3)] == [Message("tick")] * 3
    await patiently(handler.ended.wait())


async def test_a_stream_is_never_compressed(serve: Serve) -> None:
    """Whoever compresses all that is answered would write into the middle of it."""
    app = Application()

    @app.get("/")
    async def handler(request: web.Request) -> web.StreamResponse:
        stream = begin(request)
        stream.enable_compression(web.ContentCoding.gzip)
        async with stream:
            await stream.send("as it is")
        return stream

    answer = await (await serve(app)).get("/", headers={"Accept-Encoding": "gzip, deflate"})
    assert "Content-Encoding" not in answer.headers
    assert answer.body == b"data: as it is\n\n"


async def test_http_1_0_has_no_chunks(serve: Serve) -> None:
    app = Application()

    @app.get("/")
    async def handler(request: web.Request) -> None:
        async with begin(request, retry=1) as stream:
            await stream.send("a")

    answer = await (await serve(app)).send(b"GET / HTTP/1.0\r\nHost: l\r\n\r\n")
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"chunked" not in head
    assert body == b"retry: 1\n\ndata: a\n\n"


async def test_the_next_request_of_the_connection_is_answered(serve: Serve) -> None:
    app = Application()

    @app.get("/")
    async def handler(request: web.Request) -> AsyncIterator[str]:
        yield "a"

    last = b"GET / HTTP/1.1\r\nHost: l\r\nConnection: close\r\n\r\n"
    answers = await (await serve(app)).send(b"GET / HTTP/1.1\r\nHost: l\r\n\r\n" + last)
    assert answers.count(b"HTTP/1.1 200 OK") == 2
    assert answers.count(b"\r\ndata: a\n\n\r\n0\r\n\r\n") == 2


async def test_any_task_may_send_and_events_stay_whole(serve: Serve) -> None:
    app = Application()

    @app.get("/")
    async def handler(request: web.Request) -> None:
        async with begin(request) as stream:
            await asyncio.gather(*(stream.send(f"{number}\n" * 1000) for number in range(100)))

    async with listening(await serve(app)) as listener:
        messages = await listener.rest()
    assert sorted(int(message.data.split("\n", 1)[0]) for message in messages) == list(range(100))
    assert {len(set(message.data.split())) for message in messages} == {1}


async def test_the_access_log_has_the_bytes_that_were_sent(caplog: pytest.LogCaptureFixture) -> None:
    app = Application()

    @app.get("/")
    async def handler() -> AsyncIterator[str]:
        yield "x" * 10_000

    caplog.set_level(logging.INFO, "webkit.access")
    async with run_by_webkit(app) as client:
        await client.get("/")
        await until(lambda: bool(caplog.records))
    size = int(caplog.records[-1].getMessage().split('"')[2].split()[1])
    assert 10_000 < size < 10_500


async def test_sending_before_the_block_is_refused(serve: Serve) -> None:
    app = Application()

    @app.get("/")
    async def handler(request: web.Request) -> str:
        stream = begin(request)
        with pytest.raises(RuntimeError, match="async with"):
            await stream.send("too early")
        with pytest.raises(RuntimeError, match="async with"):
            await stream.replay([Event("too early")])
        stream.push(Event("ignored"), b"")
        return "no stream"

    assert (await (await serve(app)).get("/")).text == "no stream"


async def test_bad_options_are_refused(serve: Serve) -> None:
    app = Application()

    @app.get("/")
    async def handler(request: web.Request) -> str:
        for wrong in ({"limit": 0}, {"when_slow": "drop_newest"}):
            with pytest.raises(ConfigError):
                begin(request, **wrong)
        return "refused"

    assert (await (await serve(app)).get("/")).text == "refused"


# Generators


class Iterated:
    """Something to iterate that is no generator."""

    def __init__(self) -> None:
        self._left = [2, 1]

    def __aiter__(self) -> "Iterated":
        return self

    async def __anext__(self) -> int:
        if not self._left:
            raise StopAsyncIteration
        return self._left.pop()


class Callable_:
    """An object that yields."""

    async def __call__(self, request: web.Request) -> AsyncIterator[str]:
        yield request.path


async def name_it(request: web.Request, *, name: str) -> AsyncIterator[str]:
    """Take what a partial fills."""
    yield name


async def yield_nothing() -> AsyncIterator[str]:
    """Be over before it begins."""
    return
    yield


async def return_events(count: int) -> Events:
    """Look at the request first."""

    async def count_up() -> AsyncIterator[int]:
        for number in range(count):
            yield number

    if count > 2:
        raise HTTPNotFound
    return Events(count_up(), retry=5)


async def iterate() -> Events:
    """Send what is no generator."""
    return Events(Iterated())


def make_generators() -> tuple[Application, list[str]]:
    """An application whose handlers yield, in all their forms, and a list of what they did."""
    app = Application()
    seen: list[str] = []

    async def note_status(request: web.Request, handler: Any) -> web.StreamResponse:
        response: web.StreamResponse = await handler(request)
        seen.append(f"{request.path} {response.status} {response is request[PREPARED]}")
        return response

    app.middlewares.append(note_status)

    @app.get("/function/{count:int}")
    async def count(count: int, start: int = 0) -> AsyncIterator[Any]:
        try:
            for number in range(start, start + count):
                yield Event(number, id=number)
            yield {"over": True}
            yield "end"
        finally:
            seen.append("closed")

    class Counting(View):
        async def get(self, count: int) -> AsyncIterator[str]:
            yield f"{self.request.path} {count}"

    app.add_view("/view/{count:int}", Counting)

    app.add_get("/object", Callable_())
    app.add_get("/partial", partial(name_it, name="filled"))
    app.add_get("/returned/{count:int}", return_events)
    app.add_get("/iterated", iterate)
    app.add_get("/nothing", yield_nothing)
    return app, seen


@pytest.mark.parametrize(
    ("target", "messages"),
    [
        (
            "/function/2?start=5",
            [
                Message("5", last_id="5"),
                Message("6", last_id="6"),
                Message('{"over":true}', last_id="6"),
                Message("end", last_id="6"),
            ],
        ),
        ("/view/3", [Message("/view/3 3")]),
        ("/object", [Message("/object")]),
        ("/partial", [Message("filled")]),
        ("/returned/2", [Message("0"), Message("1")]),
        ("/iterated", [Message("1"), Message("2")]),
        ("/nothing", []),
    ],
)
async def test_a_handler_that_yields_is_an_event_stream(serve: Serve, target: str, messages: list[Message]) -> None:
    """Typed arguments, Views, objects and middlewares work with it as with every handler."""
    app, seen = make_generators()
    answer = await (await serve(app)).get(target)
    assert answer.headers["Content-Type"] == "text/event-stream"
    assert read_events(answer.body) == messages
    assert f"{target.partition('?')[0]} 200 True" in seen


async def test_an_argument_that_does_not_fit_is_refused_before_the_stream(serve: Serve) -> None:
    app, seen = make_generators()
    answer = await (await serve(app)).get("/function/2?start=five")
    assert (answer.status, answer.headers["Content-Type"].partition(";")[0]) == (422, "text/plain")
    assert seen == []


async def test_a_handler_may_refuse_before_it_returns_events(serve: Serve) -> None:
    app, _ = make_generators()
    client = await serve(app)
    assert (await client.get("/returned/3")).status == 404
    assert (await client.get("/returned/1")).body == b"retry: 5\n\ndata: 0\n\n"


@pytest.mark.parametrize("target", ["/returned/2", "/iterated", "/function/2", "/view/3", "/object", "/partial"])
async def test_head_gets_the_headers_at_once_and_nothing_is_generated(serve: Serve, target: str) -> None:
    app, seen = make_generators()
    client = await serve(app)
    answer = await client.request("HEAD", target)
    assert (answer.status, answer.headers["Content-Type"], answer.body) == (200, "text/event-stream", b"")
    assert "closed" not in seen
    assert (await client.get("/object")).status == 200


@both_kinds
async def test_head_of_an_endless_block_is_answered_at_once(serve: Serve, make: Make) -> None:
    app = make()
    handler = Handler()
    add_handler(app, handler)
    client = await serve(app)
    answer = await client.request("HEAD", "/")
    assert (answer.status, answer.headers["Content-Type"], answer.body) == (200, "text/event-stream", b"")


def test_a_plain_generator_is_refused() -> None:
    def handler(request: web.Request) -> Any:
        yield "a"

    with pytest.raises(RouteError, match="'async def' for a stream of events"):
        Application().add_get("/", handler)


@pytest.mark.parametrize("wrong", [b"bytes", object()])
async def test_what_cannot_be_sent_breaks_the_stream_off_and_is_logged(
    serve: Serve, wrong: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """IP-103: it does not become a second answer inside the first one (IP-074)."""
    app = Application()

    @app.get("/")
    async def handler() -> AsyncIterator[Any]:
        yield "first"
        yield wrong

    async with listening(await serve(app)) as listener:
        with pytest.raises(ClientPayloadError):
            await listener.rest()
    assert listener.source.messages in ([Message("first")], [])
    assert "TypeError" in caplog.text


# Coming back


async def test_a_client_that_comes_back_gets_what_it_has_missed(serve: Serve) -> None:
    app = Application()
    history = History(3)

    @app.get("/")
    async def handler(request: web.Request) -> None:
        async with begin(request, history=history) as stream:
            await stream.send(f"last: {stream.last_event_id}")

    client = await serve(app)
    for number in range(5):
        history.add(Event(number, id=number))

    async def come_back(last_id: str | None) -> list[str]:
        headers = {} if last_id is None else {"Last-Event-ID": last_id}
        return [message.data for message in read_events((await client.get("/", headers=headers)).body)]

    assert await come_back(None) == ["last: None"]
    assert await come_back("3") == ["4", "last: 3"]
    assert await come_back("4") == ["last: 4"]
    assert await come_back("0") == ["2", "3", "4", "last: 0"]
    assert await come_back("ü") == ["2", "3", "4", "last: ü"]


async def test_more_is_replayed_than_the_client_has_room_for(serve: Serve) -> None:
    app = Application()
    history = History(400)
    for number in range(400):
        history.add(Event(f"{number} {'x' * 10_000}", id=number))

    @app.get("/")
    async def handler(request: web.Request) -> None:
        async with begin(request, history=history, when_slow="close", limit=1) as stream:
            await stream.replay([Event("and"), Event("live")])

    client = await serve(app)
    async with deaf(client.url, "/", "Last-Event-ID: 0\r\n") as slow:
        messages = read_events(await slow.read())
    assert [message.data.split()[0] for message in messages] == [*map(str, range(1, 400)), "and", "live"]


async def test_what_was_missed_waits_for_the_client_and_takes_no_memory(serve: Serve) -> None:
    """Who comes back again and again and reads nothing would hold a copy of the history each time."""
    app = Application()
    history = History(250)
    for number in range(250):
        history.add(Event(f"{number} {'x' * 20_000}", id=number))
    sizes: list[int] = []

    @app.get("/")
    async def handler(request: web.Request) -> None:
        assert request.transport is not None
        async with begin(request, history=history, retry=10, when_slow="drop_oldest", limit=2) as stream:
            for word in ("too old", "and", "live"):
                await stream.send(word)
            sizes.append(request.transport.get_write_buffer_size())

    client = await serve(app)
    async with deaf(client.url, "/", "Last-Event-ID: none\r\n") as slow:
        await until(lambda: bool(sizes))
        body = await slow.read()
    assert max(sizes) < 2**18
    assert body.startswith(b"retry: 10\n\n")
    messages = read_events(body)
    assert [message.data.split()[0] for message in messages] == [*map(str, range(250)), "and", "live"]


# Clients that vanish


LEAVING: dict[str, Callable[[Deaf], None]] = {"reset": Deaf.reset, "closed": Deaf.close, "half-closed": Deaf.half_close}


@both_kinds
@pytest.mark.parametrize("leave", LEAVING.values(), ids=LEAVING)
async def test_a_client_that_is_gone_is_noticed_by_the_next_write(
    serve: Serve, make: Make, leave: Callable[[Deaf], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """IP-102, AH-042: the block is left, ``finally`` runs, and the handler goes on as if nothing was cancelled."""
    monkeypatch.setattr(pulse, "TICK_S", 3600)  # nobody else notices
    app = make()
    handler = Handler()
    add_handler(app, handler)
    client = await serve(app)
    async with deaf(client.url) as listener:
        await patiently(handler.began.wait())
        leave(listener)
        await patiently(handler.went_on.wait())
    assert handler.cancelling == 0


@pytest.mark.parametrize("leave", LEAVING.values(), ids=LEAVING)
async def test_a_client_that_is_gone_is_noticed_although_nothing_is_written(
    serve: Serve, leave: Callable[[Deaf], None]
) -> None:
    app = Application()
    handler = Handler(period_s=3600)
    add_handler(app, handler)
    client = await serve(app)
    async with deaf(client.url) as listener:
        await patiently(handler.began.wait())
        leave(listener)
        await patiently(handler.went_on.wait())
    assert handler.cancelling == 0


async def test_the_generator_of_a_client_that_is_gone_is_closed(serve: Serve) -> None:
    app = Application()
    closed: list[str] = []
    ended = asyncio.Event()

    @app.get("/polite")
    async def polite() -> AsyncIterator[str]:
        try:
            while True:
                yield "tick"
                await asyncio.sleep(0.01)
        finally:
            closed.append("polite")
            ended.set()

    @app.get("/stubborn")
    async def stubborn() -> AsyncIterator[str]:
        try:
            while True:
                try:
                    yield "tick"
                    await asyncio.sleep(0.01)
                except (Exception, asyncio.CancelledError):
                    closed.append("caught")
        finally:
            closed.append("stubborn")
            ended.set()

    client = await serve(app)
    for target in ("/polite", "/stubborn"):
        ended.clear()
        async with deaf(client.url, target) as listener:
            listener.reset()
            await patiently(ended.wait())
    assert [word for word in closed if word != "caught"] == ["polite", "stubborn"]


async def test_another_task_that_sends_gets_an_error_and_is_not_cancelled(serve: Serve) -> None:
    app = Application()
    streams: list[EventStream] = []
    left = asyncio.Event()

    @app.get("/")
    async def handler(request: web.Request) -> None:
        async with begin(request) as stream:
            streams.append(stream)
            await asyncio.Event().wait()
        left.set()

    client = await serve(app)
    async with deaf(client.url) as listener:
        await until(lambda: bool(streams))
        listener.reset()
        with pytest.raises(ConnectionError, match="is over, or its client has left"):
            await send_for_ever(streams[0])
        await patiently(left.wait())


async def test_a_group_of_tasks_that_sends_ends_without_an_error(serve: Serve) -> None:
    app = Application()
    left = asyncio.Event()

    @app.get("/")
    async def handler(request: web.Request) -> None:
        async with begin(request) as stream, asyncio.TaskGroup() as group:
            for _ in range(3):
                group.create_task(send_for_ever(stream))
        left.set()

    client = await serve(app)
    async with deaf(client.url) as listener:
        listener.reset()
        await patiently(left.wait())


async def test_a_stream_is_for_one_block(serve: Serve) -> None:
    app = Application()

    @app.get("/")
    async def handler(request: web.Request) -> None:
        stream = begin(request)
        async with stream:
            await stream.send("a")
        with pytest.raises(RuntimeError, match="one block"):
            await stream.__aenter__()
        with pytest.raises(ConnectionError):
            await stream.send("b")
        with pytest.raises(TypeError, match="has its name"):
            await stream.send(Event("b"), id=7)
        stream.push(Event("c"), b"")

    last = b"GET / HTTP/1.1\r\nHost: l\r\nConnection: close\r\n\r\n"
    assert (await (await serve(app)).send(last)).endswith(b"\r\ndata: a\n\n\r\n0\r\n\r\n")


async def test_an_error_in_the_block_of_a_client_that_is_gone_is_not_lost(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    app = Application()
    done = asyncio.Event()

    @app.get("/")
    async def handler(request: web.Request) -> None:
        try:
            async with begin(request) as stream:
                try:
                    while True:
                        await stream.send("tick")
                        await asyncio.sleep(0.01)
                finally:
                    raise LookupError("while tidying up")
        except LookupError:
            done.set()

    client = await serve(app)
    async with deaf(client.url) as listener:
        listener.reset()
        await patiently(done.wait())


async def test_somebody_elses_cancelling_goes_on(serve: Serve) -> None:
    app = Application()
    done = asyncio.Event()

    @app.get("/")
    async def handler(request: web.Request) -> None:
        try:
            async with asyncio.timeout(0.05), begin(request) as stream:
                while True:
                    await stream.send("tick")
                    await asyncio.sleep(0.01)
        except TimeoutError:
            done.set()

    async with listening(await serve(app)) as listener:
        assert set(await listener.rest()) == {Message("tick")}
    assert done.is_set()


async def test_the_system_gives_up_a_client_that_acknowledges_nothing(serve: Serve) -> None:
    """A cable that was pulled: nobody says anything. What is written is never acknowledged."""
    option = getattr(socket, "TCP_USER_TIMEOUT", None)
    if option is None:
        return  # no Linux
    app = Application()
    times: list[int] = []

    @app.get("/")
    async def handler(request: web.Request) -> AsyncIterator[int]:
        assert request.transport is not None
        opened = request.transport.get_extra_info("socket")
        for _ in range(2):
            times.append(opened.getsockopt(socket.IPPROTO_TCP, option))
            yield 1

    @app.get("/after")
    async def after(request: web.Request) -> str:
        assert request.transport is not None
        opened = request.transport.get_extra_info("socket")
        return str(opened.getsockopt(socket.IPPROTO_TCP, option))

    last = b"GET /after HTTP/1.1\r\nHost: l\r\nConnection: close\r\n\r\n"
    answers = await (await serve(app)).send(b"GET / HTTP/1.1\r\nHost: l\r\n\r\n" + last)
    assert times == [60_000, 60_000]
    assert answers.endswith(b"\r\n\r\n0")


# Clients that do not read

BIG = "x" * 20_000


def make_flood(count: int = 1000, **options: Any) -> tuple[Application, asyncio.Event, asyncio.Event]:
    """An application that sends *count* large events, and tells when it has, and when the block is over."""
    app = Application()
    sent, over = asyncio.Event(), asyncio.Event()

    @app.get("/")
    async def handler(request: web.Request) -> None:
        try:
            async with begin(request, **options) as stream:
                for number in range(count):
                    await stream.send(f"{number} {BIG}", key=str(number % 3))
                sent.set()
        finally:
            over.set()

    return app, sent, over


async def numbers_read_by(slow: Deaf) -> list[int]:
    """The numbers of the events that come, read to the end."""
    return [int(message.data.split()[0]) for message in read_events(await slow.read())]


async def test_sending_waits_for_a_slow_client(serve: Serve) -> None:
    app, sent, _ = make_flood(200)
    client = await serve(app)
    async with deaf(client.url) as slow:
        (stream,) = app._streams._open
        await until(lambda: isinstance(stream, EventStream) and stream._flusher is not None)
        assert not sent.is_set()
        assert await numbers_read_by(slow) == list(range(200))
    await patiently(sent.wait())


async def test_a_slow_client_misses_the_oldest(serve: Serve) -> None:
    app, sent, _ = make_flood(when_slow="drop_oldest", limit=5)
    client = await serve(app)
    async with deaf(client.url) as slow:
        await patiently(sent.wait())
        numbers = await numbers_read_by(slow)
    assert numbers[-5:] == [995, 996, 997, 998, 999]
    assert numbers[:-5] == list(range(len(numbers) - 5))
    assert len(numbers) < 900


async def test_a_slow_client_gets_the_last_of_each_key(serve: Serve) -> None:
    app, sent, _ = make_flood(when_slow="coalesce")
    client = await serve(app)
    async with deaf(client.url) as slow:
        await patiently(sent.wait())
        numbers = await numbers_read_by(slow)
    assert numbers[-3:] == [997, 998, 999]
    assert numbers[:-3] == list(range(len(numbers) - 3))


async def test_a_slow_client_is_cut_off(serve: Serve) -> None:
    app, sent, over = make_flood(when_slow="close", limit=5)
    client = await serve(app)
    async with deaf(client.url) as slow:
        await patiently(over.wait())
        with pytest.raises(ConnectionError):
            await slow.read()
    assert not sent.is_set()


async def test_a_client_that_reads_nothing_is_cut_off_in_the_end(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pulse, "TICK_S", 0.01)
    monkeypatch.setattr(eventstreams, "_STALLED_S", 20)
    app, sent, over = make_flood()
    client = await serve(app)
    async with deaf(client.url) as slow:
        await patiently(over.wait())
        with pytest.raises(ConnectionError):
            await slow.read()
    assert not sent.is_set()


async def test_who_only_drops_does_not_keep_everybody_else_from_running(serve: Serve) -> None:
    app = Application()
    began = asyncio.Event()

    @app.get("/")
    async def handler(request: web.Request) -> None:
        async with begin(request, when_slow="drop_oldest") as stream:
            began.set()
            while True:
                await stream.send(BIG)

    @app.get("/hello")
    async def hello() -> str:
        return "hello"

    client = await serve(app)
    async with deaf(client.url) as slow:
        await patiently(began.wait())
        assert (await client.get("/hello")).text == "hello"
        slow.reset()


# Many, and the end


async def test_a_quiet_stream_is_kept_alive(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pulse, "TICK_S", 0.01)
    app = Application()
    add_handler(app, Handler(period_s=3600))
    async with listening(await serve(app)) as listener:
        assert await listener.next() == Message("tick")
        assert [await listener.comment() for _ in range(2)] == ["", ""]


async def test_the_server_stops_with_a_last_flush_and_a_proper_end(running: Running) -> None:
    app = Application()
    handler = Handler(period_s=3600)
    add_handler(app, handler)
    streams: list[EventStream] = []

    @app.get("/other")
    async def other(request: web.Request) -> None:
        async with begin(request, when_slow="drop_oldest") as stream:
            streams.append(stream)
            await asyncio.Event().wait()

    async def send_last(_: Application) -> None:
        await streams[0].send("good bye")

    app.on_shutdown.append(send_last)
    async with ClientSession() as session:  # it is there for longer than the server
        async with running(app) as client:
            responses = [await session.get(client.url.join(URL(path))) for path in ("/", "/other")]
            await patiently(handler.began.wait())
            await until(lambda: bool(streams))
            began = time.monotonic()
        assert time.monotonic() - began < 10
        assert handler.ended.is_set()
        assert [await response.read() for response in responses] == [b"data: tick\n\n", b"data: good bye\n\n"]


async def test_what_waits_for_a_slow_client_is_sent_at_the_end(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("webkit.streams._CLOSING_S", PATIENCE_S)  # a client that stands still for a moment does read
    app = Application()
    is_full = asyncio.Event()

    @app.get("/")
    async def handler(request: web.Request) -> None:
        async with begin(request, when_slow="drop_oldest", limit=3) as stream:
            for number in range(500):
                await stream.send(f"{number} {BIG}")
            is_full.set()
            await asyncio.Event().wait()

    async with running(app) as client, deaf(client.url) as slow:
        await patiently(is_full.wait())
        reading = asyncio.create_task(numbers_read_by(slow))
        await asyncio.sleep(0)
        await app._streams.close()
        assert (await reading)[-3:] == [497, 498, 499]


async def test_a_stream_that_begins_while_the_server_stops_ends_at_once(serve: Serve) -> None:
    app = Application()
    handler = Handler()

    async def take_a_moment(request: web.Request, response: web.StreamResponse) -> None:
        response.headers["X-Late"] = "1"
        await asyncio.sleep(0)

    app.on_response_prepare.append(take_a_moment)
    add_handler(app, handler)
    client = await serve(app)
    await app._streams.close()
    answer = await client.get("/")
    assert (answer.status, answer.body.count(b"tick") <= 1) == (200, True)


async def test_a_stream_that_nobody_reads_holds_no_shutdown(running: Running) -> None:
    app, sent, over = make_flood()
    async with running(app) as client:
        slow = Deaf(client.url)
        await slow.connect()
        began = time.monotonic()
    assert over.is_set()
    assert not sent.is_set()
    assert time.monotonic() - began < 15
    slow.close()


async def test_thousands_of_streams_leave_nothing_behind() -> None:
    """2,000 are opened and dropped: the registry is empty, the descriptors are back, and memory is flat."""
    app = Application()
    began, ended = 0, 0

    @app.get("/")
    async def handler(request: web.Request) -> AsyncIterator[str]:
        nonlocal began, ended
        began += 1
        try:
            yield "begun"
            await asyncio.Event().wait()
        finally:
            ended += 1

    def count_streams() -> int:
        gc.collect()
        return sum(isinstance(thing, EventStream) for thing in gc.get_objects())

    def has_come_to(number: int) -> bool:
        return began == ended == number

    counts = []
    async with run_by_webkit(app) as client:
        before = settled_descriptors()
        for turn in range(1, 5):
            deaf_ones = [Deaf(client.url) for _ in range(500)]
            await asyncio.gather(*(one.connect() for one in deaf_ones))
            assert len(app._streams) == 500
            for number, one in enumerate(deaf_ones):
                (one.reset if number % 2 else one.close)()
            del deaf_ones, one
            await until(partial(has_come_to, 500 * turn))
            await until(lambda: len(app._streams) == len(app._streams._pulse) == 0)
            counts.append(count_streams())
        await until(lambda: count_descriptors() <= before)
    # A runner forgets connections that are gone as new ones come.
    assert max(counts) <= 1100
