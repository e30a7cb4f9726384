"""What old code used and aiohttp no longer has: it works as it did, or the message says what to write instead."""

import asyncio
import inspect
from collections.abc import Sequence
from typing import Any

import pytest
from aiohttp import WSMsgType, web

from tests.processes import run_python
from tests.serving import Running, Serve
from webkit import Application, compat
from webkit.compat import MsgType
from webkit.hints import give_hint
from webkit.middleware import from_factory


@pytest.mark.parametrize(
    "name", ["text", "binary", "ping", "pong", "close", "closed", "closing", "error", "continuation"]
)
def test_the_old_types_of_messages_are_todays(name: str) -> None:
    assert getattr(MsgType, name) is getattr(MsgType, name.upper()) is WSMsgType[name.upper()]


async def test_a_websocket_handler_compares_with_the_old_types(serve: Serve) -> None:
    async def websocket_handler(request: web.Request) -> web.StreamResponse:
        ws = web.WebSocketResponse()
        await ws.prepare(request)
        async for msg in ws:
            if msg.type == MsgType.text:
                if msg.data == "close":
                    await ws.close()
                else:
                    await ws.send_str(msg.data + "/answer")
        return ws

    app = Application()
    app.router.add_route("GET", "/ws", websocket_handler)
    client = await serve(app)
    async with client.session.ws_connect(client.url / "ws") as ws:
        await ws.send_str("hello")
        assert (await ws.receive()).data == "hello/answer"
        await ws.send_str("close")
        assert (await ws.receive()).type == MsgType.close


def test_a_loop_is_accepted_with_one_hint_in_a_process() -> None:
    """AW-005."""
    _, hints = run_python(
        "import asyncio\n"
        "from webkit import Application\n"
        "loop = asyncio.new_event_loop()\n"
        "Application(loop=loop); Application(loop=loop)\n"
        "Application(loop=loop)\n"
    )
    assert hints.count("DeprecationWarning") == 1
    assert "<string>:4: DeprecationWarning: Application(loop=...) does nothing" in hints
    assert "Remove it." in hints


def test_an_old_argument_that_is_none_asks_for_nothing() -> None:
    Application(loop=None, router=None, handler_factory=None)


@pytest.mark.parametrize(
    ("name", "remedy"), [("router", "add routes to app.router"), ("handler_factory", "Application(handler_args={...})")]
)
def test_an_old_argument_that_cannot_be_is_refused_with_the_remedy(name: str, remedy: str) -> None:
    """AW-005."""
    arguments: Any = {name: object()}
    with pytest.raises(TypeError) as caught:
        Application(**arguments)
    assert f"no longer takes {name!r}" in str(caught.value)
    assert remedy in str(caught.value)


def test_an_argument_that_never_was_is_refused() -> None:
    with pytest.raises(TypeError, match="unexpected keyword argument 'midlewares'"):
        Application(midlewares=[])  # type: ignore[call-arg]


@pytest.mark.filterwarnings("ignore::aiohttp.web.NotAppKeyWarning")  # aiohttp's own, hidden by default
async def test_strings_are_keys_of_applications_and_requests(serve: Serve) -> None:
    async def add_user(request: web.Request, handler: Any) -> web.StreamResponse:
        request["user"] = "Ada"
        answer: web.StreamResponse = await handler(request)
        return answer

    async def greet(request: web.Request) -> str:
        return f"{request.app['greeting']}, {request['user']} {request.get('surname', '')}".strip()

    app = Application(middlewares=[add_user])
    app["greeting"] = "Hello"
    app.add_get("/", greet)
    client = await serve(app)
    assert (await client.get("/")).text == "Hello, Ada"
    assert (app["greeting"], app.get("greeting", None), "greeting" in app) == ("Hello", "Hello", True)


async def test_finishers_are_called_with_their_arguments_in_the_end(running: Running) -> None:
    seen: list[str] = []

    def close(app: Application, what: str, *, how: str) -> None:
        seen.append(f"{what} {how}")

    async def leave(app: Application) -> None:
        seen.append("left")

    app = Application()
    compat.register_on_finish(app, close, "door", how="softly")
    compat.register_on_finish(app, leave)
    async with running(app):
        assert seen == []
    assert seen == ["door softly", "left"]


async def hello(request: web.Request) -> str:
    return "Hello"


def test_routes_are_known_by_name() -> None:
    """AW-054."""
    app = Application()
    app.router.add_route("GET", "/", hello, name="root")
    assert dict(compat.named_routes(app.router)) == {"root": app.router["root"]}


URLS: Sequence[tuple[str, dict[str, Any], str]] = [
    ("plain", {}, "/plain"),
    ("plain", {"query": {"a": "b", "c": "d"}}, "/plain?a=b&c=d"),
    ("plain", {"query": "?a=b"}, "/plain?a=b"),
    ("dynamic", {"parts": {"user": "john_doe"}}, "/john_doe/info"),
    ("dynamic", {"parts": {"user": 7}, "query": {"a": "b"}}, "/7/info?a=b"),
    ("static", {"filename": "site.css"}, "/static/site.css"),
]


@pytest.mark.parametrize(("name", "options", "url"), URLS)
def test_the_urls_of_aiohttps_resources_are_strings(name: str, options: dict[str, Any], url: str) -> None:
    """AW-049, AW-050, AW-051."""
    router = web.UrlDispatcher()
    router.add_get("/plain", hello, name="plain")  # type: ignore[arg-type]
    router.add_get("/{user}/info", hello, name="dynamic")  # type: ignore[arg-type]
    router.add_static("/static", ".", name="static")
    assert compat.url(router[name], **options) == url


FORMATS: Sequence[tuple[str, str]] = [
    (
        '%(h)s %(l)s %(u)s %(t)s "%(r)s" %(s)s %(b)s "%(f)s" "%(a)s"',
        '%a - - %t "%r" %s %b "%{Referer}i" "%{User-Agent}i"',
    ),
    ("%({X-Forwarded-For}i)s %({Content-Type}o)s %(T)s %(D)s %(p)s", "%{X-Forwarded-For}i %{Content-Type}o %T %D <%P>"),
    ("%(nonsense)s", "-"),
    ('%a %l %u %t "%r" %s %b', '%a - - %t "%r" %s %b'),
    ('%a "%r" %s %b %Tfs', '%a "%r" %s %b %Tfs'),
]


@pytest.mark.parametrize(("old", "new"), FORMATS)
def test_an_old_format_of_the_access_log_is_translated(old: str, new: str) -> None:
    assert compat.translate_log_format(old) == new


# asyncio.coroutine, of which Python has none since 3.11


async def test_a_generator_of_old_code_is_a_coroutine_function_again(serve: Serve) -> None:
    """AW-003."""
    lock = asyncio.Lock()

    @compat.coroutine
    def read(request: web.Request) -> Any:
        yield from lock.acquire()  # type: ignore[misc]
        try:
            fields = yield from request.post()  # type: ignore[misc]
        finally:
            lock.release()
        return fields["name"]

    @compat.coroutine
    def handler(request: web.Request) -> Any:
        name = yield from read(request)  # type: ignore[misc]
        yield from asyncio.get_running_loop().run_in_executor(None, str)
        return web.Response(text=f"Hello, {name}")

    @compat.coroutine
    def middleware_factory(app: web.Application, handler: Any) -> Any:
        @compat.coroutine
        def middleware_handler(request: web.Request) -> Any:
            response = yield from handler(request)
            response.headers["X-Old"] = "yes"
            return response

        return middleware_handler

    app = Application(middlewares=[from_factory(middleware_factory)])
    app.router.add_route("POST", "/", handler)
    client = await serve(app)
    answer = await client.post("/", data={"name": "Ada"})
    assert (answer.text, answer.headers["X-Old"]) == ("Hello, Ada", "yes")


async def test_a_function_that_waits_for_nothing_and_a_coroutine_function_may_be_marked_too() -> None:
    @compat.coroutine
    def plain() -> str:
        return "plain"

    @compat.coroutine
    def passing_on() -> Any:
        return native()

    @compat.coroutine
    async def native() -> str:
        return "native"

    assert [await plain(), await passing_on(), await native()] == ["plain", "native", "native"]
    assert inspect.iscoroutinefunction(plain)


def test_a_hint_is_given_once_for_the_line_that_is_meant() -> None:
    def use_old_thing() -> None:
        give_hint("an old thing of this test", "Write new instead of old.", stacklevel=1)

    with pytest.warns(DeprecationWarning, match="Write new") as hints:
        use_old_thing()
    use_old_thing()  # warnings are errors here
    (hint,) = hints
    assert hint.filename == __file__
