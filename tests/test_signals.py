"""Signals: one's own, and what may handle them. A plain function is refused before the application starts."""

import logging
from collections.abc import AsyncIterator
from functools import partial, wraps
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ServerDisconnectedError, web

from tests.rawsockets import HANDSHAKE
from tests.serving import Running, Serve
from webkit import Application, ConfigError, Signal, WebSocketResponse

SIGNALS = ["on_startup", "on_shutdown", "on_cleanup", "on_response_prepare"]


async def test_a_signal_of_ones_own_calls_its_handlers_in_order() -> None:
    paid: Signal = Signal("shop.paid")
    seen: list[str] = []

    async def thank(order: str, *, amount: int) -> None:
        seen.append(f"thanks for {order}")

    @paid
    async def book(order: str, *, amount: int) -> None:
        seen.append(f"{amount} for {order}")

    paid.insert(0, thank)
    await paid.send("bread", amount=3)
    paid.freeze()
    await paid.send("milk", amount=1)
    assert seen == ["thanks for bread", "3 for bread", "thanks for milk", "1 for milk"]


async def test_the_first_error_of_a_handler_ends_the_sending() -> None:
    paid = Signal("shop.paid")

    async def fail() -> None:
        raise LookupError("no till")

    async def never() -> None:
        raise AssertionError

    paid.extend([fail, never])
    with pytest.raises(LookupError, match="no till"):
        await paid.send()


def test_a_frozen_signal_takes_no_more_handlers() -> None:
    async def handle() -> None: ...

    paid = Signal("shop.paid")
    paid.freeze()
    with pytest.raises(RuntimeError, match=r"shop\.paid cannot change any more"):
        paid.append(handle)


def test_a_signal_may_be_made_with_its_owner_as_in_aiosignal() -> None:
    class Shop:
        def __init__(self) -> None:
            self.on_paid = Signal(self)

        def __repr__(self) -> str:
            raise AssertionError("It is not made yet.")

    assert Shop().on_paid.name == "the signal of Shop"


def plain(*args: Any) -> None:
    raise AssertionError("It is never called.")


async def answer(request: web.Request) -> str:
    return "answer"


@pytest.mark.parametrize("signal", SIGNALS)
async def test_a_plain_function_is_refused_before_anything_is_begun(signal: str, running: Running) -> None:
    begun: list[str] = []

    async def context(app: Application) -> AsyncIterator[None]:
        begun.append("context")
        yield

    async def handler(app: Application) -> None:
        begun.append("handler")

    app = Application()
    app.cleanup_ctx.append(context)
    app.on_startup.append(handler)
    getattr(app, signal).append(plain)
    with pytest.raises(ConfigError, match=rf"\.plain cannot handle {signal}: .*Write 'async def' instead of 'def'"):
        async with running(app):
            pass
    assert begun == []


@pytest.mark.parametrize("signal", SIGNALS)
def test_a_plain_function_of_a_mounted_application_is_refused_when_it_is_mounted(signal: str) -> None:
    child = Application()
    getattr(child, signal).append(plain)
    with pytest.raises(ConfigError, match=signal):
        Application().mount("/child", child)


@pytest.mark.parametrize("signal", SIGNALS)
async def test_a_plain_function_on_the_wrapped_application_is_refused_like_any_other(
    signal: str, running: Running
) -> None:
    app = Application()
    getattr(app.aiohttp, signal).append(plain)
    with pytest.raises(ConfigError, match=rf"\.plain cannot handle {signal}: .*Write 'async def' instead of 'def'"):
        async with running(app):
            pass


def mount_directly(plain_app: web.Application) -> Application:
    app = Application()
    app.mount("/plain", plain_app)
    return app


def mount_as_subapp(plain_app: web.Application) -> Application:
    app = Application()
    app.add_subapp("/plain", plain_app)
    return app


def mount_under_aiohttps_name(plain_app: web.Application) -> Application:
    app = Application()
    app.aiohttp.add_subapp("/plain", plain_app)
    return app


def mount_for_a_domain(plain_app: web.Application) -> Application:
    app = Application()
    app.add_domain("plain.example", plain_app)
    return app


def mount_below_another(plain_app: web.Application) -> Application:
    outer, app = web.Application(), Application()
    outer.add_subapp("/plain", plain_app)
    app.mount("/outer", outer)
    return app


def mount_below_one_of_webkits(plain_app: web.Application) -> web.Application:
    root = web.Application()
    root.add_subapp("/webkit", mount_below_another(plain_app).aiohttp)
    return root


@pytest.mark.parametrize("signal", SIGNALS)
@pytest.mark.parametrize(
    "mount",
    [
        mount_directly,
        mount_as_subapp,
        mount_under_aiohttps_name,
        mount_for_a_domain,
        mount_below_another,
        mount_below_one_of_webkits,
    ],
)
async def test_a_plain_function_of_a_mounted_application_of_aiohttps_is_refused_before_anything_is_begun(
    signal: str, mount: Any, running: Running
) -> None:
    begun: list[str] = []

    async def handler(app: web.Application) -> None:
        begun.append("handler")

    child = web.Application()
    child.on_startup.append(handler)
    getattr(child, signal).append(plain)
    with pytest.raises(ConfigError, match=rf"\.plain cannot handle {signal}: .*Write 'async def' instead of 'def'"):
        async with running(mount(child)):
            pass
    assert begun == []


async def test_whatever_gives_something_to_await_handles_the_signals_of_a_mounted_application_of_aiohttps(
    serve: Serve,
) -> None:
    async def handler(request: web.Request) -> web.Response:
        return web.Response(text="plain")

    seen: list[str] = []
    child = web.Application()
    child.router.add_get("/", handler)
    child.on_response_prepare.extend(make_handlers(seen))
    client = await serve(mount_directly(child))
    assert (await client.get("/plain/")).text == "plain"
    assert seen == HANDLED


async def test_a_plain_function_that_comes_during_the_start_is_refused_too(running: Running) -> None:
    async def append(app: Application) -> None:
        app.on_response_prepare.append(plain)  # type: ignore[arg-type]

    app = Application()
    app.on_startup.append(append)
    with pytest.raises(ConfigError, match="plain cannot handle on_response_prepare"):
        async with running(app):
            pass


def test_a_method_a_generator_and_a_plain_function_are_told_apart_from_coroutine_functions() -> None:
    class Holder:
        def close(self, app: Application) -> None:
            raise AssertionError

        async def open(self, app: Application) -> None: ...

    def generator(app: Application) -> Any:
        yield

    async def context(app: Application) -> AsyncIterator[None]:
        yield

    refused: list[tuple[Any, str]] = [
        (Holder().close, "plain function"),
        (generator, "plain function"),
        (context, r"cleanup_ctx instead"),
    ]
    for handler, words in refused:
        signal = Signal()
        signal.append(handler)
        with pytest.raises(ConfigError, match=words):
            signal.freeze()
    signal = Signal()
    signal.append(Holder().open)
    signal.freeze()


class Recorder:
    """A handler that is an object. Its ``__call__`` is a coroutine function."""

    def __init__(self, seen: list[str]) -> None:
        self.seen = seen

    async def __call__(self, *args: Any) -> None:
        self.seen.append("object")


def make_handlers(seen: list[str]) -> list[Any]:
    """Handlers of all shapes that give something to await."""

    async def function(*args: Any) -> None:
        seen.append("function")

    async def named(word: str, *args: Any) -> None:
        seen.append(word)

    @wraps(function)
    def wrapper(*args: Any) -> Any:
        return named("wrapper", *args)

    class Plain:
        def __call__(self, *args: Any) -> Any:
            return named("plain object", *args)

    return [
        function,
        partial(named, "partial"),
        lambda *args: named("lambda", *args),
        wrapper,
        Recorder(seen),
        Plain(),
    ]


HANDLED = ["function", "partial", "lambda", "wrapper", "object", "plain object"]


@pytest.mark.parametrize("signal", ["on_startup", "on_shutdown", "on_cleanup"])
async def test_whatever_gives_something_to_await_handles_start_and_stop(signal: str, running: Running) -> None:
    seen: list[str] = []
    app = Application()
    getattr(app, signal).extend(make_handlers(seen))
    async with running(app):
        pass
    assert seen == HANDLED


async def test_whatever_gives_something_to_await_handles_the_preparation_of_responses(serve: Serve) -> None:
    seen: list[str] = []
    child = Application()
    child.add_get("/", answer)
    child.on_response_prepare.extend(make_handlers(seen))
    app = Application()
    app.add_get("/", answer)
    app.on_response_prepare.extend(make_handlers(seen))
    app.mount("/child", child)
    client = await serve(app)
    assert (await client.get("/")).text == "answer"
    assert seen == HANDLED
    seen.clear()
    assert (await client.get("/child/")).text == "answer"
    assert seen == HANDLED * 2


async def test_a_lambda_that_gives_nothing_to_await_fails_the_start_by_name(running: Running) -> None:
    app = Application()
    app.on_startup.append(lambda app: None)  # type: ignore[arg-type, return-value]
    with pytest.raises(ConfigError, match=r"<lambda> handled on_startup without giving anything to await"):
        async with running(app):
            pass


async def test_a_lambda_that_gives_nothing_to_await_at_a_response_is_named_in_the_log(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    app = Application()
    app.add_get("/", answer)
    app.on_response_prepare.append(lambda request, response: response.headers.update(x="y"))
    client = await serve(app)
    with caplog.at_level(logging.ERROR), pytest.raises(ServerDisconnectedError):
        await client.get("/")
    assert "<lambda> handled on_response_prepare without giving anything to await" in caplog.text


async def test_what_is_sent_before_the_signal_is_frozen_is_checked_as_well() -> None:
    called: list[str] = []
    paid = Signal("shop.paid")
    paid.append(called.append)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match=r"handled shop\.paid"):
        await paid.send("bread")


@pytest.mark.parametrize("signal", SIGNALS)
async def test_a_handler_that_comes_too_late_is_refused_with_the_remedy(signal: str, serve: Serve) -> None:
    async def late(*args: Any) -> None:
        raise AssertionError("It is never called.")

    app = Application()
    await serve(app)
    with pytest.raises(RuntimeError, match=rf"{signal} cannot change any more: .*Append to {signal} before"):
        getattr(app, signal).append(late)


async def test_one_list_is_behind_the_signal_of_webkit_and_that_of_aiohttp(serve: Serve) -> None:
    """AW-140."""
    seen: list[str] = []

    def make(name: str) -> Any:
        async def hook(request: web.Request, response: web.StreamResponse) -> None:
            seen.append(name)
            response.headers[f"X-{name}"] = "yes"

        return hook

    app = Application()
    app.add_get("/", answer)
    app.on_response_prepare.append(make("First"))
    app.aiohttp.on_response_prepare.append(make("Second"))
    app.on_response_prepare(make("Third"))
    client = await serve(app)
    headers = (await client.get("/")).headers
    assert seen == ["First", "Second", "Third"]
    assert {"X-First", "X-Second", "X-Third"} <= set(headers)


async def test_hooks_see_streams_files_and_websockets_once_each(serve: Serve, tmp_path: Path) -> None:
    """AW-140."""
    seen: list[str] = []
    (tmp_path / "file").write_text("content")

    async def stream(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"streamed")
        return response

    async def file(request: web.Request) -> web.FileResponse:
        return web.FileResponse(tmp_path / "file")

    async def socket(request: web.Request) -> web.StreamResponse:
        ws = WebSocketResponse()
        await ws.prepare(request)
        return ws

    async def hook(request: web.Request, response: web.StreamResponse) -> None:
        seen.append(f"{request.path} {response.status}")
        response.headers["My-Header"] = "value"

    app = Application()
    for path, handler in {"/stream": stream, "/file": file, "/socket": socket}.items():
        app.add_get(path, handler)
    app.on_response_prepare.append(hook)
    client = await serve(app)
    for path in ("/stream", "/file", "/nowhere"):
        assert (await client.get(path)).headers["My-Header"] == "value"
    async with client.session.get(
        client.url / "socket", headers={k: v for k, v in HANDSHAKE.items() if v is not None}
    ) as shaken:
        assert (shaken.status, shaken.headers["My-Header"]) == (101, "value")
    assert seen == ["/stream 200", "/file 200", "/nowhere 404", "/socket 101"]


async def test_the_signals_of_an_application_come_in_the_documented_order(running: Running) -> None:
    """AW-141."""
    seen: list[str] = []

    def note(name: str) -> Any:
        async def handle(app: Application) -> None:
            seen.append(name)

        return handle

    def context(name: str) -> Any:
        async def run(app: Application) -> AsyncIterator[None]:
            seen.append(f"enter {name}")
            yield
            seen.append(f"leave {name}")

        return run

    app = Application()
    app.cleanup_ctx.extend([context("1"), context("2")])
    for signal in ("on_startup", "on_shutdown", "on_cleanup"):
        getattr(app, signal).append(note(signal))
    async with running(app):
        assert seen == ["enter 1", "enter 2", "on_startup"]
    assert seen[3:] == ["on_shutdown", "leave 2", "leave 1", "on_cleanup"]
