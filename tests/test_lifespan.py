"""Between start and stop: signals, contexts, and what is left again when a step of the start fails.

Signals of one's own, and handlers that are refused, are told in test_signals.py.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from tests.serving import AnyApplication, Running, Serve, run_by_aiohttp, run_by_webkit
from webkit import Application
from webkit.lifespan import FreezableList


class Events:
    """What happened, in order; the step that is named ``fails_at`` fails."""

    def __init__(self, fails_at: str = "") -> None:
        self.seen: list[str] = []
        self.fails_at = fails_at

    def note(self, event: str) -> None:
        if event == self.fails_at:
            raise RuntimeError(f"{event} failed")
        self.seen.append(event)

    def context(self, name: str) -> Callable[[Any], AsyncIterator[None]]:
        async def context(app: Any) -> AsyncIterator[None]:
            self.note(f"+{name}")
            yield
            self.note(f"-{name}")

        return context

    def handler(self, event: str) -> Callable[[Any], Awaitable[None]]:
        async def handler(app: Any) -> None:
            self.note(event)

        return handler

    def attach(self, app: AnyApplication, name: str) -> None:
        """Attach a context and a handler of each signal of *app*, and one more context."""
        app.cleanup_ctx.append(self.context(f"{name}1"))
        for signal in ("startup", "shutdown", "cleanup"):
            getattr(app, f"on_{signal}").append(self.handler(f"{name} {signal}"))
        app.cleanup_ctx.append(self.context(f"{name}2"))


def build_tree(events: Events, kind: type[AnyApplication], leaf: type[AnyApplication] | None = None) -> AnyApplication:
    """Build root / child / leaf, and a second child, each with contexts and handlers."""
    apps: dict[str, AnyApplication] = {name: kind() for name in ("root", "child", "other")}
    apps["leaf"] = (leaf or kind)()
    for name, app in apps.items():
        events.attach(app, name)
    for outer, inner in (("child", "leaf"), ("root", "child"), ("root", "other")):
        mounted = apps[inner]
        apps[outer].add_subapp(f"/{inner}", mounted.aiohttp if isinstance(mounted, Application) else mounted)
    return apps["root"]


async def test_start_and_stop_come_in_order(running: Running) -> None:
    events = Events()
    app = Application()
    events.attach(app, "app")
    async with running(app):
        assert events.seen == ["+app1", "+app2", "app startup"]
    assert events.seen[3:] == ["app shutdown", "-app2", "-app1", "app cleanup"]


async def test_the_steps_of_mounted_applications_come_in_the_order_of_aiohttp_but_contexts_are_left_in_reverse(
    running: Running,
) -> None:
    ours, theirs = Events(), Events()
    async with running(build_tree(ours, Application)):
        pass
    async with run_by_aiohttp(build_tree(theirs, web.Application)):
        pass
    left = [event for event in ours.seen if event.startswith("-")]
    assert [event for event in ours.seen if event not in left] == [event for event in theirs.seen if event not in left]
    # What is mounted may stand on what its parent has opened; aiohttp closes the parent's first.
    assert left == ["-" + event[1:] for event in reversed(ours.seen) if event.startswith("+")]
    assert sorted(ours.seen) == sorted(set(ours.seen)), "Each step is taken once."


# Contexts


async def test_a_context_may_be_a_generator_a_context_manager_or_an_object(running: Running) -> None:
    events = Events()

    @asynccontextmanager
    async def managed(app: Application) -> AsyncIterator[None]:
        events.note(f"+managed {app is the_app}")
        yield
        events.note("-managed")

    class Connection(AbstractAsyncContextManager[None]):
        def __init__(self, app: Application) -> None:
            self.app = app

        async def __aenter__(self) -> None:
            events.note(f"+object {self.app is the_app}")

        async def __aexit__(self, *error: object) -> None:
            events.note("-object")

    async def generating(app: Application) -> AsyncIterator[None]:
        events.note(f"+generator {app is the_app}")
        yield
        events.note("-generator")

    the_app = Application()
    the_app.cleanup_ctx.append(managed)
    the_app.cleanup_ctx.append(Connection)
    the_app.cleanup_ctx.append(generating)
    async with running(the_app):
        assert events.seen == ["+managed True", "+object True", "+generator True"]
    assert events.seen[3:] == ["-generator", "-object", "-managed"]


async def test_the_handlers_of_signals_get_the_application_itself(running: Running) -> None:
    seen: list[Application] = []

    async def note(app: Application) -> None:
        seen.append(app)

    app = Application()
    for signal in (app.on_startup, app.on_shutdown, app.on_cleanup):
        signal.append(note)
    async with running(app):
        pass
    assert seen == [app, app, app]


async def test_state_that_is_set_at_the_start_is_there_for_requests(serve: Serve) -> None:
    key = web.AppKey("key", str)

    async def fill(app: Application) -> AsyncIterator[None]:
        app[key] = "filled"
        yield
        assert app[key] == "filled"

    async def show(request: web.Request) -> str:
        return request.app[key]

    app = Application()
    app.cleanup_ctx.append(fill)
    app.get("/")(show)
    assert (await (await serve(app)).get("/")).text == "filled"


# A start that fails

FAILURES: list[tuple[str, list[str]]] = [
    ("+root1", []),
    ("+root2", ["+root1", "-root1"]),
    ("root startup", ["+root1", "+root2", "-root2", "-root1"]),
    ("+child1", ["+root1", "+root2", "root startup", "-root2", "-root1"]),
    ("+child2", ["+root1", "+root2", "root startup", "+child1", "-child1", "-root2", "-root1"]),
    (
        "child startup",
        ["+root1", "+root2", "root startup", "+child1", "+child2", "-child2", "-child1", "-root2", "-root1"],
    ),
    (
        "+leaf2",
        [
            *("+root1", "+root2", "root startup", "+child1", "+child2", "child startup", "+leaf1"),
            *("-leaf1", "-child2", "-child1", "-root2", "-root1"),
        ],
    ),
    (
        "other startup",
        [
            *("+root1", "+root2", "root startup", "+child1", "+child2", "child startup"),
            *("+leaf1", "+leaf2", "leaf startup", "+other1", "+other2"),
            *("-other2", "-other1", "-leaf2", "-leaf1", "-child2", "-child1", "-root2", "-root1"),
        ],
    ),
]


@pytest.mark.parametrize(("fails_at", "seen"), FAILURES)
async def test_a_start_that_fails_leaves_what_was_entered_in_reverse_order(
    running: Running, fails_at: str, seen: list[str]
) -> None:
    events = Events(fails_at)
    with pytest.raises(RuntimeError, match=f"{fails_at} failed".replace("+", r"\+")):
        async with running(build_tree(events, Application)):
            pytest.fail("It serves all the same.")
    assert events.seen == seen


async def test_the_contexts_of_a_plain_application_that_is_mounted_are_left_too(running: Running) -> None:
    events = Events("other startup")
    with pytest.raises(RuntimeError, match="other startup failed"):
        async with running(build_tree(events, Application, web.Application)):
            pytest.fail("It serves all the same.")
    contexts = [event for event in events.seen if event[0] in "+-"]
    entered, left = contexts[:8], contexts[8:]
    assert entered == ["+root1", "+root2", "+child1", "+child2", "+leaf1", "+leaf2", "+other1", "+other2"]
    assert left == ["-other2", "-other1", "-leaf2", "-leaf1", "-child2", "-child1", "-root2", "-root1"]


async def test_the_first_error_is_the_one_that_is_seen_and_the_others_are_in_the_log(
    running: Running, caplog: pytest.LogCaptureFixture
) -> None:
    async def fails_on_leaving(app: Application) -> AsyncIterator[None]:
        yield
        raise ValueError("the second error")

    async def fails(app: Application) -> None:
        raise KeyError("the first error")

    events = Events()
    app = Application()
    app.cleanup_ctx.extend([events.context("one"), fails_on_leaving, events.context("two")])
    app.on_startup.append(fails)
    with pytest.raises(KeyError, match="the first error"):
        async with running(app):
            pytest.fail("It serves all the same.")
    assert events.seen == ["+one", "+two", "-two", "-one"]
    assert "ValueError: the second error" in caplog.text


async def test_a_mounted_application_that_fails_to_clean_up_after_a_failed_start_is_in_the_log(
    running: Running, caplog: pytest.LogCaptureFixture
) -> None:
    events = Events("-child2")
    root = build_tree(events, Application)

    async def fails(app: Application) -> None:
        raise KeyError("the first error")

    last = Application()
    last.on_startup.append(fails)
    root.add_subapp("/last", last)  # type: ignore[arg-type]
    with pytest.raises(KeyError, match="the first error"):
        async with running(root):
            pytest.fail("It serves all the same.")
    assert "RuntimeError: -child2 failed" in caplog.text
    assert events.seen[-4:] == ["-leaf1", "-child1", "-root2", "-root1"]


async def test_a_start_that_is_cancelled_leaves_what_was_entered() -> None:
    entered = asyncio.Event()
    events = Events()

    async def waits(app: Application) -> AsyncIterator[None]:
        entered.set()
        await asyncio.Event().wait()
        yield

    app = Application()
    app.cleanup_ctx.extend([events.context("one"), waits])

    async def start() -> None:
        async with run_by_aiohttp(app):
            pytest.fail("It serves all the same.")

    starting = asyncio.ensure_future(start())
    await entered.wait()
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    assert events.seen == ["+one", "-one"]


# A stop that fails


async def test_every_context_is_left_whatever_fails_on_the_way() -> None:
    events = Events("-two")
    app = Application()
    app.cleanup_ctx.extend([events.context("one"), events.context("two"), events.context("three")])
    with pytest.raises(RuntimeError, match="-two failed"):
        async with run_by_aiohttp(app):
            pass
    assert events.seen == ["+one", "+two", "+three", "-three", "-one"]


async def test_several_errors_on_leaving_come_together() -> None:
    async def fails(app: Application) -> AsyncIterator[None]:
        yield
        raise KeyError("one of several")

    app = Application()
    app.cleanup_ctx.extend([fails, fails])
    with pytest.raises(web.CleanupError) as caught:
        async with run_by_aiohttp(app):
            pass
    assert [repr(error) for error in caught.value.exceptions] == ["KeyError('one of several')"] * 2


async def test_a_cancelled_task_that_is_awaited_on_leaving_does_not_keep_the_others_from_being_left() -> None:
    events = Events()

    async def background(app: Application) -> AsyncIterator[None]:
        task = asyncio.ensure_future(asyncio.Event().wait())
        yield
        task.cancel()
        await task

    app = Application()
    app.cleanup_ctx.extend([events.context("one"), background])
    with pytest.raises(asyncio.CancelledError):
        async with run_by_aiohttp(app):
            pass
    assert events.seen == ["+one", "-one"]


async def test_webkits_server_logs_what_fails_at_the_end(caplog: pytest.LogCaptureFixture) -> None:
    events = Events("-two")
    app = Application()
    app.cleanup_ctx.extend([events.context("one"), events.context("two")])
    async with run_by_webkit(app):
        pass
    assert events.seen == ["+one", "+two", "-one"]
    assert "RuntimeError: -two failed" in caplog.text


# Late changes


@pytest.mark.parametrize("name", ["on_startup", "on_shutdown", "on_cleanup", "cleanup_ctx"])
@pytest.mark.parametrize("serves", [False, True], ids=["mounted", "served"])
async def test_a_change_that_comes_too_late_says_what_to_do(serve: Serve, name: str, serves: bool) -> None:
    app = Application()
    changeable = getattr(app, name)
    if serves:
        await serve(app)
    else:
        Application().mount("/app", app)
    assert changeable.frozen
    message = f"{name} cannot change any more: the application serves. Append to .* before the application is run or"
    with pytest.raises(RuntimeError, match=message):
        changeable.append(Events().handler("late"))
    with pytest.raises(RuntimeError, match=message):
        changeable.insert(0, None)


def test_a_list_can_change_in_every_way_until_it_is_frozen() -> None:
    numbers = FreezableList([1, 2, 3], name="numbers", remedy="Count earlier.")
    numbers.append(4)
    numbers[0] = 0
    numbers[1:3] = [5]
    del numbers[0]
    assert list(numbers) == [5, 4]
    assert (numbers[0], numbers[:1], len(numbers), 4 in numbers) == (5, [5], 2, True)
    assert repr(numbers) == "<numbers [5, 4]>"
    numbers.freeze()
    changes: list[Callable[[], Any]] = [
        lambda: numbers.append(6),
        lambda: numbers.__setitem__(0, 6),
        lambda: numbers.__delitem__(0),
        numbers.clear,
        lambda: numbers.extend([6]),
    ]
    for change in changes:
        with pytest.raises(RuntimeError, match="numbers cannot change any more: the application serves"):
            change()
    assert repr(numbers) == "<numbers (frozen) [5, 4]>"


# The signal of every response


async def test_every_response_is_announced_before_its_headers_go(serve: Serve) -> None:
    seen: list[str] = []

    async def announce(request: web.Request, response: web.StreamResponse) -> None:
        seen.append(f"{request.path} {type(response).__name__}")
        response.headers["X-Seen"] = "1"

    async def stream(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        return response

    async def file(request: web.Request) -> web.FileResponse:
        return web.FileResponse(Path(__file__))

    async def socket(request: web.Request) -> web.WebSocketResponse:
        response = web.WebSocketResponse()
        await response.prepare(request)
        await response.close()
        return response

    app = Application()
    app.on_response_prepare.append(announce)
    app.get("/text")(lambda: "text")
    app.get("/stream")(stream)
    app.get("/file")(file)
    app.get("/socket")(socket)
    client = await serve(app)
    for path in ("/text", "/stream", "/file", "/missing"):
        assert (await client.get(path)).headers["X-Seen"] == "1"
    async with client.session.ws_connect(client.url / "socket") as connection:
        assert (await connection.receive()).type == web.WSMsgType.CLOSE
    assert seen == [
        *("/text Response", "/stream StreamResponse", "/file FileResponse", "/missing HTTPNotFound"),
        "/socket WebSocketResponse",
    ]


async def test_the_signals_of_all_applications_around_a_request_are_sent_once(serve: Serve) -> None:
    seen: list[str] = []

    def announce(name: str) -> Any:
        async def hook(request: web.Request, response: web.StreamResponse) -> None:
            seen.append(name)

        return hook

    child, root = Application(), Application()
    child.on_response_prepare.append(announce("child"))
    root.on_response_prepare.append(announce("root"))
    child.get("/")(lambda: "text")
    root.mount("/child", child)
    client = await serve(root)
    await client.get("/child/")
    assert sorted(seen) == ["child", "root"]
