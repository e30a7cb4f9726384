"""Telling everybody who listens, in the memory of one process."""

import asyncio
from typing import Any

import pytest
from aiohttp import web

from tests.eventsource import Message, read_events
from tests.leftovers import until
from tests.serving import PATIENCE_S, Serve
from tests.streaming import deaf, listening
from webkit import Application, Broadcast, ConfigError, Event, event_stream
from webkit.backlogs import Policy
from webkit.broadcast import Publisher, Subscription

BIG = "x" * 20_000


async def take(events: Subscription, count: int) -> list[Any]:
    """The data of the next events."""
    async with asyncio.timeout(PATIENCE_S):
        return [(await anext(events)).data for _ in range(count)]


async def test_everybody_who_listens_is_told() -> None:
    board = Broadcast()
    async with board.subscribe("a") as one, board.subscribe("a") as other, board.subscribe("b") as elsewhere:
        await board.publish("a", "first")
        await board.publish("b", {"second": 2})
        await board.publish("a", Event("third", event="named"))
        assert await take(one, 2) == await take(other, 2) == ["first", "third"]
        assert await take(elsewhere, 1) == [{"second": 2}]
        assert (board.count("a"), board.count("b"), board.count("c")) == (2, 1, 0)
    assert (board.count("a"), board.count("b")) == (0, 0)


async def test_who_waits_is_woken() -> None:
    board = Broadcast()
    async with board.subscribe("a") as events:
        waiting = asyncio.create_task(take(events, 1))
        await asyncio.sleep(0)
        await board.publish("a", "now")
        assert await waiting == ["now"]


async def test_nobody_need_listen() -> None:
    board = Broadcast()
    assert (await board.publish("a", "nobody hears it")).data == "nobody hears it"
    async with board.subscribe("a") as events:
        await board.publish("a", "later")
        assert await take(events, 1) == ["later"]


async def test_who_comes_back_gets_what_it_has_missed_and_then_the_rest() -> None:
    board = Broadcast(history=10)
    first = await board.publish("a", 1)
    await board.publish("a", 2)
    async with board.subscribe("a", after=str(first.id)) as back, board.subscribe("a") as new:
        await board.publish("a", 3)
        assert await take(back, 2) == [2, 3]
        assert await take(new, 1) == [3]


async def test_a_history_is_filled_at_the_start() -> None:
    board = Broadcast(history=10)
    for number in range(3):
        board.history("a").add(Event(number, id=number))
    async with board.subscribe("a", after="0") as events:
        assert await take(events, 2) == [1, 2]


@pytest.mark.parametrize(
    ("policy", "expected", "dropped"), [("drop_oldest", [2, 3, 4], 2), ("coalesce", [3, 4], 3), ("close", [], 0)]
)
async def test_a_listener_that_is_too_slow(policy: Policy, expected: list[int], dropped: int) -> None:
    board = Broadcast()
    async with board.subscribe("a", limit=3, when_full=policy) as events:
        for number in range(5):
            await board.publish("a", Event(number, key=str(number % 2)))
        assert events.dropped == dropped
        assert board.count("a") == (0 if policy == "close" else 1)
        assert await take(events, len(expected)) == expected
        if policy == "close":
            assert [event async for event in events] == []


async def test_one_task_iterates_inside_of_one_block() -> None:
    board = Broadcast()
    events = board.subscribe("a")
    with pytest.raises(RuntimeError, match="async with"):
        await anext(events)
    async with events:
        waiting = asyncio.create_task(take(events, 1))
        await asyncio.sleep(0)
        with pytest.raises(RuntimeError, match="Another task"):
            await anext(events)
        await board.publish("a", 1)
        assert await waiting == [1]
        with pytest.raises(RuntimeError, match="one block"):
            await events.__aenter__()
    with pytest.raises(StopAsyncIteration):
        await anext(events)
    with pytest.raises(RuntimeError, match="one block"):
        await events.__aenter__()


async def test_a_listener_that_is_cancelled_while_it_waits_may_go_on() -> None:
    board = Broadcast()
    async with board.subscribe("a") as events:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await anext(events)
        await board.publish("a", 1)
        assert await take(events, 1) == [1]


async def test_channels_that_nobody_listens_to_are_forgotten() -> None:
    """Their names may come from clients: what is kept of them is bounded."""
    board = Broadcast(history=5, channels=2)
    async with board.subscribe("heard"):
        for name in ("old", "new", "newer"):
            await board.publish(name, name)
        await board.publish("heard", 1)
        assert sorted(board._channels) == ["heard", "new", "newer"]
        assert len(board.history("old")) == 0
    assert len(board._channels) == 2
    plain = Broadcast()
    await plain.publish("a", 1)
    async with plain.subscribe("a"):
        pass
    assert not plain._channels


@pytest.mark.parametrize("options", [{"history": -1}, {"channels": -1}])
def test_negative_numbers_are_refused(options: dict[str, int]) -> None:
    with pytest.raises(ConfigError, match="negative"):
        Broadcast(**options)


def test_a_policy_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ConfigError, match="drop_oldest, coalesce, close"):
        Broadcast().subscribe("a", when_full="wait")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="history=100"):
        Broadcast().history("a")


def test_what_lives_elsewhere_fits_the_same_protocol() -> None:
    board: Publisher = Broadcast()
    assert board


# Through event streams


def make_app(board: Broadcast, **options: Any) -> Application:
    """An application that sends all of a channel to those who listen."""
    app = Application()

    @app.get("/")
    async def listen(request: web.Request) -> None:
        async with (
            event_stream(request) as stream,
            board.subscribe("board", after=stream.last_event_id, **options) as events,
        ):
            await stream.send_all(events)

    return app


async def test_a_stream_gets_what_is_published(serve: Serve) -> None:
    board = Broadcast(history=10)
    client = await serve(make_app(board))
    async with listening(client) as one, listening(client) as other:
        await until(lambda: board.count("board") == 2)
        sent = [await board.publish("board", number) for number in range(3)]
        expected = [Message(str(event.data), last_id=str(event.id)) for event in sent]
        for listener in (one, other):
            assert [await listener.next() for _ in range(3)] == expected
    async with listening(client, headers={"Last-Event-ID": str(sent[1].id)}) as back:
        assert await back.next() == expected[2]
    await until(lambda: board.count("board") == 0)


async def test_streams_that_are_fed_directly_and_listeners_that_iterate_get_the_same(serve: Serve) -> None:
    board = Broadcast()
    app = make_app(board)

    @app.get("/iterating")
    async def iterate() -> Any:
        async with board.subscribe("board") as events:
            async for event in events:
                yield event

    client = await serve(app)
    async with listening(client) as one, listening(client, "/iterating") as other:
        await until(lambda: board.count("board") == 2)
        await asyncio.gather(*(board.publish("board", number) for number in range(50)))
        expected = [Message(str(number)) for number in range(50)]
        assert [await one.next() for _ in range(50)] == [await other.next() for _ in range(50)] == expected


async def publish_many(board: Broadcast) -> None:
    """Publish more than any client has room for."""
    for number in range(1000):
        await board.publish("board", Event(f"{number} {BIG}", key=str(number % 3)))
        await asyncio.sleep(0)


@pytest.mark.parametrize(("policy", "last"), [("drop_oldest", range(995, 1000)), ("coalesce", range(997, 1000))])
async def test_what_a_slow_client_misses_is_its_subscriptions_policy(serve: Serve, policy: Policy, last: range) -> None:
    board = Broadcast()
    app = make_app(board, limit=5, when_full=policy)
    client = await serve(app)
    async with deaf(client.url) as slow, listening(client) as quick:
        await until(lambda: board.count("board") == 2)
        publishing = asyncio.create_task(publish_many(board))
        numbers = [int((await quick.next()).data.split()[0])]
        while numbers[-1] != 999:
            numbers.append(int((await quick.next()).data.split()[0]))
        await publishing
        closing = asyncio.create_task(app._streams.close())
        late = [int(message.data.split()[0]) for message in read_events(await slow.read())]
        await closing
    assert late[-len(last) :] == list(last)
    assert late[: -len(last)] == list(range(len(late) - len(last)))


async def test_a_slow_client_is_cut_off_where_nothing_may_be_missed(serve: Serve) -> None:
    board = Broadcast()
    client = await serve(make_app(board, limit=5, when_full="close"))
    async with deaf(client.url) as slow:
        await until(lambda: board.count("board") == 1)
        await publish_many(board)
        await until(lambda: board.count("board") == 0)
        with pytest.raises(ConnectionError):
            await slow.read()


async def test_who_is_too_slow_for_what_it_has_missed_is_cut_off(serve: Serve) -> None:
    board = Broadcast(history=1000)
    await publish_many(board)
    client = await serve(make_app(board, limit=5, when_full="close"))
    async with deaf(client.url, "/", "Last-Event-ID: unknown\r\n") as slow:
        await until(lambda: board.count("board") == 1)
        for number in range(6):
            await board.publish("board", number)
        await until(lambda: board.count("board") == 0)
        with pytest.raises(ConnectionError):
            await slow.read()


async def test_a_stream_takes_no_subscription_that_nobody_has_entered(serve: Serve) -> None:
    board = Broadcast()
    app = Application()
    raised: list[str] = []

    @app.get("/")
    async def listen(request: web.Request) -> None:
        async with event_stream(request) as stream:
            try:
                await stream.send_all(board.subscribe("board"))
            except RuntimeError as error:
                raised.append(str(error))

    async with listening(await serve(app)) as listener:
        assert await listener.rest() == []
    assert "async with board.subscribe" in raised[0]
