"""What old code used and aiohttp no longer has: it works as it did, or the message says what to write instead."""

import subprocess
import sys
from collections.abc import Sequence
from typing import Any

import pytest
from aiohttp import WSMsgType, web

from tests.serving import Running, Serve
from webkit import Application, compat
from webkit.compat import MsgType


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


def run_python(code: str) -> tuple[str, str]:
    """Run *code* in a process of its own that shows all warnings; give what it printed and what it warned of."""
    done = subprocess.run([sys.executable, "-W", "always", "-c", code], capture_output=True, text=True, check=True)
    return done.stdout, done.stderr


def test_a_loop_is_accepted_with_one_hint_in_a_process() -> None:
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
