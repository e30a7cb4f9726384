"""``webkit.Response`` is aiohttp's: byte for byte on the wire, and in every attribute, whichever way it is sent.

Four servers are asked the same: webkit on the short way, webkit where a hook wants to see every response (the long
way), webkit whose handlers answer with aiohttp's class, and plain aiohttp.
"""

import asyncio
import logging
import re
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final

import pytest
from aiohttp import ClientConnectionResetError, hdrs, web
from aiohttp.abc import AbstractAccessLogger
from aiohttp.web_request import BaseRequest
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st

from tests.serving import PATIENCE_S, RUNNERS, AnyApplication, Client, Serve, run_by_aiohttp, run_by_webkit
from webkit import AccessLogger, Application, Problem, Response, html, json_response, redirect
from webkit.responses import PREPARED

_DATE: Final = re.compile(rb"Date: [^\r]+")
_LAST: Final = b"GET /last HTTP/1.1\r\nHost: example.org\r\nConnection: close\r\n\r\n"
_CLOSING: Final = re.compile(rb"HTTP/1\.0|Connection: close")
GET: Final = b"GET / HTTP/1.1\r\nHost: example.org\r\n\r\n"

Make = Callable[[type[web.Response]], web.Response]


async def last(request: web.Request) -> web.Response:
    return web.Response(text="the last")


async def hook(request: web.Request, response: web.StreamResponse) -> None:
    """Want to see every response: none goes the short way then."""


@dataclass
class Way:
    """One server, what it answers with, and whether its last answer went the short way."""

    kind: type[web.Response]
    is_ours: bool = True
    make: Make = field(default=lambda kind: kind(text="first"))
    client: Client = field(init=False)
    requests: list[web.Request] = field(default_factory=list)

    def build(self, *, is_watched: bool) -> AnyApplication:
        """Give the application."""

        async def answer(request: web.Request) -> web.StreamResponse:
            self.requests.append(request)
            return self.make(self.kind)

        app: Any = Application() if self.is_ours else web.Application()
        if is_watched:
            app.on_response_prepare.append(hook)
        app.router.add_route("*", "/", answer)
        app.router.add_get("/last", last)
        return app  # type: ignore[no-any-return]

    async def ask(self, request: bytes = GET) -> bytes:
        """Send *request* and, unless it is the last one, another; give what came before the answer to that."""
        is_last = _CLOSING.search(request) and b"keep-alive" not in request
        answers = _DATE.sub(b"Date: now", await self.client.send(request if is_last else request + _LAST))
        return answers.rpartition(b"HTTP/1.1 200 OK")[0] if answers.endswith(b"the last") else answers

    @property
    def was_short(self) -> bool:
        """Whether the answer went the short way: the hooks see all others, and webkit's own notes them."""
        return PREPARED not in self.requests[-1]


class Ways:
    """All four."""

    def __init__(self) -> None:
        self.short, self.long, self.foreign = Way(Response), Way(Response), Way(web.Response)
        self.plain = Way(web.Response, is_ours=False)

    @asynccontextmanager
    async def serve(self, runner: str) -> AsyncIterator["Ways"]:
        async with AsyncExitStack() as stack:
            for way in self._all:
                running = run_by_aiohttp if way is self.plain else RUNNERS[runner]
                way.client = await stack.enter_async_context(running(way.build(is_watched=way is self.long)))
                # Whether anybody is watching is known with the first answer.
                await way.ask()
            yield self

    @property
    def _all(self) -> tuple[Way, ...]:
        return self.short, self.long, self.foreign, self.plain

    async def ask(self, make: Make, request: bytes = GET) -> tuple[bytes, bytes]:
        """Answer *request* with the response that is made by *make*: as webkit does in all its ways, and as aiohttp."""
        for way in self._all:
            way.make = make
        short, long, foreign, plain = [await way.ask(request) for way in self._all]
        assert short == long == foreign
        return short, plain


@pytest.fixture(params=RUNNERS)
async def ways(request: pytest.FixtureRequest) -> AsyncIterator[Ways]:
    async with Ways().serve(request.param) as ways:
        yield ways


# The bytes


async def test_a_class_of_ones_own_goes_the_short_way_too(serve: Serve) -> None:
    class Page(Response):
        def __init__(self, text: str) -> None:
            super().__init__(text=f"<b>{text}</b>", content_type="text/html", headers={"X-Page": "1"})

    requests: list[web.Request] = []

    def answer(request: web.Request) -> Page:
        requests.append(request)
        return Page("page")

    app = Application()
    app.get("/")(answer)
    client = await serve(app)
    for _ in range(2):
        got = await client.get("/")
        assert (got.text, got.headers["X-Page"]) == ("<b>page</b>", "1")
    assert [PREPARED in request for request in requests] == [True, False]


@pytest.mark.parametrize(
    "options",
    [
        {"text": "text"},
        {"text": ""},
        {"text": "é" * 30_000},
        {"text": "<b>", "content_type": "text/html"},
        {"text": "gone", "status": 410},
        {"text": "what", "status": 299},
        {"body": b"{}", "content_type": "application/json"},
        {"body": b"\x00\xff" * 100},
        {"body": b"x" * 2**16},
        {"body": b"created", "status": 201},
    ],
    ids=lambda options: str(options)[:60],
)
async def test_the_short_way_sends_what_aiohttp_sends(ways: Ways, options: dict[str, Any]) -> None:
    ours, plain = await ways.ask(lambda kind: kind(**options))
    assert ours == plain != b""
    assert [way.was_short for way in (ways.short, ways.foreign, ways.long)] == [True, True, False]


def _closed(kind: type[web.Response]) -> web.Response:
    response = kind(text="text")
    response.force_close()
    return response


def _touched(change: Callable[[web.Response], object]) -> Make:
    def make(kind: type[web.Response]) -> web.Response:
        response = kind(text="text")
        change(response)
        return response

    return make


@pytest.mark.parametrize(
    "make",
    [
        lambda kind: kind(),
        lambda kind: kind(body=b""),
        lambda kind: kind(text="text", headers={"X-A": "1"}),
        lambda kind: kind(text="text", reason="Fine"),
        lambda kind: kind(text="text", charset="latin-1"),
        lambda kind: kind(body=bytearray(b"bytes")),
        lambda kind: kind(body=b"x" * (2**16 + 1)),
        lambda kind: kind(text="text", status=204),
        lambda kind: kind(text="text", content_type=""),
        lambda kind: kind(text="text", content_type="text/plain;\tformat=flowed"),
        _closed,
        _touched(lambda response: response.headers.add("X-A", "1")),
        _touched(lambda response: response.headers.popall(hdrs.CONTENT_TYPE)),
        _touched(lambda response: response.set_status(404)),
        _touched(lambda response: response.set_status(200, "Fine")),
        _touched(lambda response: setattr(response, "text", "other")),
        _touched(lambda response: setattr(response, "body", b"other")),
        _touched(lambda response: setattr(response, "body", None)),
        _touched(lambda response: setattr(response, "content_type", "text/css")),
        _touched(lambda response: setattr(response, "charset", "ascii")),
        _touched(lambda response: setattr(response, "etag", "tag")),
        _touched(lambda response: setattr(response, "last_modified", 1_000_000_000)),
        _touched(lambda response: response.cookies.load("a=1")),
        _touched(lambda response: response.enable_compression(web.ContentCoding.gzip)),
        _touched(lambda response: response.enable_compression()),
        _touched(lambda response: response.enable_chunked_encoding()),
    ],
)
async def test_what_is_more_than_a_status_a_type_and_a_body_is_sent_as_by_aiohttp(ways: Ways, make: Make) -> None:
    ours, plain = await ways.ask(make)
    assert ours == plain != b""
    assert not ways.long.was_short


@pytest.mark.parametrize(
    "request_",
    [
        b"HEAD / HTTP/1.1\r\nHost: example.org\r\n\r\n",
        b"GET / HTTP/1.0\r\nHost: example.org\r\nConnection: keep-alive\r\n\r\n",
        b"GET / HTTP/1.0\r\nHost: example.org\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: example.org\r\nConnection: close\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: example.org\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\nx",
    ],
)
async def test_a_request_that_is_not_ordinary_is_answered_as_by_aiohttp(ways: Ways, request_: bytes) -> None:
    ours, plain = await ways.ask(lambda kind: kind(text="text"), request_)
    # aiohttp invites the body though nobody reads it, webkit does not.
    assert ours == plain.removeprefix(b"HTTP/1.1 100 Continue\r\n\r\n")
    assert not ways.short.was_short


async def test_a_body_that_nobody_reads_is_no_hindrance(ways: Ways) -> None:
    request = b"POST / HTTP/1.1\r\nHost: example.org\r\nContent-Length: 5\r\n\r\nhello"
    ours, plain = await ways.ask(lambda kind: kind(text="text"), request)
    assert ours == plain != b""
    assert ways.short.was_short


_TOKENS: Final = st.text(st.sampled_from("abcxyz-"), min_size=1, max_size=8)
_TYPES: Final = st.sampled_from([None, "text/html", "application/json", "image/svg+xml", "text/plain", "x/é"])
_BODIES: Final = st.one_of(
    st.none(),
    st.text(max_size=40).map(lambda text: {"text": text}),
    st.binary(max_size=40).map(lambda body: {"body": body}),
    st.sampled_from([65_535, 65_536, 65_537, 200_000]).map(lambda size: {"body": b"x" * size}),
)
# Those without a body are webkit's own: aiohttp lets parts of compressed and chunked ones through.
_STATUSES: Final = st.sampled_from([200, 201, 202, 206, 301, 400, 404, 418, 422, 500, 503, 299, 599, 999])
_OPTIONS: Final = st.fixed_dictionaries(
    {},
    optional={
        "status": _STATUSES,
        "reason": st.sampled_from([None, "", "Fine", "Ganz recht"]),
        "content_type": _TYPES,
        "charset": st.sampled_from([None, "utf-8", "utf-16"]),
        "headers": st.dictionaries(_TOKENS.map("X-{}".format), _TOKENS, max_size=3),
    },
)
_LINES: Final = st.sampled_from(
    [
        b"GET / HTTP/1.1\r\nHost: example.org\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: example.org\r\nAccept-Encoding: gzip\r\n\r\n",
        b"GET / HTTP/1.0\r\nHost: example.org\r\nConnection: keep-alive\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: example.org\r\nConnection: close\r\n\r\n",
        b"DELETE /?a=b HTTP/1.1\r\nHost: example.org\r\n\r\n",
    ]
)
_CHANGES: Final[dict[str, Callable[[web.Response], object]]] = {
    "cookie": lambda response: response.cookies.load("a=b"),
    "status": lambda response: response.set_status(203),
    "header": lambda response: response.headers.extend({"X-B": "2", "Date": "then", "Server": "mine"}),
    "text": lambda response: setattr(response, "text", "changed"),
    "gzip": lambda response: response.enable_compression(web.ContentCoding.gzip),
    "identity": lambda response: response.enable_compression(web.ContentCoding.identity),
    "negotiated": lambda response: response.enable_compression(),
    "close": lambda response: response.force_close(),
    "looked at": lambda response: (response.headers, response.text, response.content_length, repr(response)),
}


@pytest.fixture(scope="module", params=RUNNERS)
def ask(request: pytest.FixtureRequest) -> Iterator[Callable[[Make, bytes], tuple[bytes, bytes]]]:
    with asyncio.Runner() as runner:
        stack = AsyncExitStack()
        ways = runner.run(stack.enter_async_context(Ways().serve(request.param)))
        yield lambda make, line: runner.run(ways.ask(make, line))
        runner.run(stack.aclose())


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(body=_BODIES, options=_OPTIONS, changes=st.sets(st.sampled_from(sorted(_CHANGES)), max_size=3), line=_LINES)
@example(body={"text": "x"}, options={"content_type": "text/html"}, changes=set(), line=GET)
def test_any_response_is_the_same_bytes_in_all_ways(
    ask: Callable[[Make, bytes], tuple[bytes, bytes]],
    body: dict[str, Any] | None,
    options: dict[str, Any],
    changes: set[str],
    line: bytes,
) -> None:
    def make(kind: type[web.Response]) -> web.Response:
        response = kind(**(body or {}), **options)
        for change in sorted(changes):
            _CHANGES[change](response)
        return response

    refusals = []
    for kind in (Response, web.Response):
        try:
            make(kind)
        except Exception as error:
            refusals.append((type(error), str(error)))
    assert len(refusals) in {0, 2}
    if refusals:
        assert refusals[0] == refusals[1]
        return
    assume(body is not None or not {"gzip", "negotiated"} & changes)  # aiohttp cannot compress what is not there
    ours, plain = ask(make, line)
    assert ours == plain != b""


# Attributes: whatever an answer is asked before, between and behind its two steps, it says what aiohttp's says

# How the methods are called, and what is given to what can be set. A name that aiohttp adds fails the test: say here
# how it is used, and see that it answers the same.
CALLS: Final[dict[str, tuple[Any, ...]]] = {
    "clear": (),
    "del_cookie": ("a",),
    "drain": (),
    "enable_chunked_encoding": (),
    "enable_compression": (web.ContentCoding.gzip,),
    "force_close": (),
    "get": ("x",),
    "items": (),
    "keys": (),
    "pop": ("x", None),
    "popitem": (),
    "prepare": (),  # and the request
    "set_cookie": ("a", "1"),
    "set_status": (404, "Lost"),
    "setdefault": (web.ResponseKey("own", int), 1),
    "update": ({web.ResponseKey("own", int): 1},),
    "values": (),
    "write": (b"more",),
    "write_eof": (),
}
SETS: Final[dict[str, Any]] = {
    "body": b"another",
    "charset": "ascii",
    "chunked": True,
    "compression": True,
    "content_length": 3,
    "content_type": "text/css",
    "cookies": {},
    "etag": "tag",
    "headers": {},
    "keep_alive": False,
    "last_modified": 1_000_000_000,
    "output_length": 1,
    "prepared": True,
    "reason": "Fine",
    "body_length": 1,
    "status": 404,
    "task": None,
    "text": "another",
}
NAMES: Final = [name for name in dir(web.Response) if not name.startswith("_")]
SPECIAL: Final[dict[str, Callable[[web.Response], object]]] = {
    "bool": bool,
    "contains": lambda response: "x" in response,
    "delete": lambda response: response.__delitem__("x"),
    "equal": lambda response: response == response,
    "hash": lambda response: hash(response) == hash(response),
    "iter": list,
    "len": len,
    "read": lambda response: response["x"],
    "repr": repr,
}


async def attempt(action: Callable[[], Any]) -> str:
    """Do it, and tell what came of it."""
    try:
        result = action()
        if asyncio.iscoroutine(result):
            result = await result
    except (Exception, asyncio.CancelledError) as error:
        # aiohttp's assertions are other errors under -O.
        return type(error).__name__ if __debug__ else "an error"
    if isinstance(result, asyncio.Task):
        return "a task"
    return f"{type(result).__name__}: {'' if 'riter' in type(result).__name__ else _plain(result)}"


def _plain(value: object) -> str:
    # A header that aiohttp replaces comes last.
    text = str(dict(sorted(value.items()))) if hasattr(value, "items") else str(value)
    return re.sub(r"'Date': '[^']+'|at 0x\w+", "", text)


async def describe(response: web.Response) -> dict[str, str]:
    """Tell all that can be read of *response*."""
    known = {name: await attempt(partial(getattr, response, name)) for name in NAMES if name not in CALLS}
    return known | {name: await attempt(partial(look, response)) for name, look in SPECIAL.items()}


def do(action: str, response: web.Response, request: web.Request) -> Any:
    """Do one thing with *response*."""
    verb, _, name = action.partition(" ")
    if verb == "call":
        arguments = (request,) if name == "prepare" else CALLS[name]
        # webkit's cookies are safer.
        options = {"httponly": None, "samesite": None} if name in {"set_cookie", "del_cookie"} else {}
        return getattr(response, name)(*arguments, **options)
    if verb == "set":
        return setattr(response, name, SETS[name])
    return SPECIAL[name](response) if verb == "ask" else getattr(response, name)


ACTIONS: Final = [
    *(f"call {name}" for name in NAMES if callable(getattr(web.Response, name))),
    *(f"{verb} {name}" for name in NAMES if not callable(getattr(web.Response, name)) for verb in ("read", "set")),
    *(f"ask {name}" for name in SPECIAL),
]
MOMENTS: Final = ["new", "prepared", "ended"]


async def observe(kind: type[web.Response], make: Make) -> dict[str, Any]:
    """Do everything at every moment, and tell what came of it: with the response of a handler, around all of webkit."""
    told: dict[str, Any] = {}
    app: Any = Application() if kind is Response else web.Application()

    async def answer(request: web.Request) -> web.StreamResponse:
        return make(kind)

    @web.middleware
    async def outside(request: web.Request, handler: Any) -> web.StreamResponse:
        response = await handler(request)
        moment, _, action = request.query_string.replace("%20", " ").partition("=")
        if moment in MOMENTS:
            if moment != "new":
                await response.prepare(request)
                assert kind is web.Response or PREPARED not in request
            if moment == "ended":
                await response.write_eof()
            told[f"{moment}: {action}"] = [
                await attempt(lambda: do(action, response, request)),
                await describe(response),
            ]
        return response  # type: ignore[no-any-return]

    app.router.add_get("/", answer)
    parent = web.Application(middlewares=[outside])
    parent.add_subapp("/app", app.aiohttp if kind is Response else app)
    async with run_by_aiohttp(parent) as client:
        await client.get("/app/")  # whether anybody is watching is known with the first answer
        for moment in MOMENTS:
            for action in ACTIONS:
                line = f"GET /app/?{moment}={action.replace(' ', '%20')} HTTP/1.1\r\nHost: example.org\r\n\r\n"
                answers = await client.send(line.encode() + _LAST)
                told[f"{moment}: {action}"].append(_DATE.sub(b"", answers).partition(b"HTTP/1.1 404")[0])
    return told


# What is changed between the two steps arrives where the answer was to go the short way; in aiohttp it is lost.
ARRIVES: Final = {
    "prepared: call del_cookie",
    "prepared: call enable_compression",
    "prepared: call force_close",
    "prepared: call set_cookie",
    "prepared: call set_status",  # under -O; else it is refused
    "prepared: set body",
    "prepared: set charset",
    "prepared: set content_type",
    "prepared: set etag",
    "prepared: set last_modified",
    "prepared: set text",
}


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize(
    "make",
    [
        lambda kind: kind(text="text"),
        lambda kind: kind(body=b"bytes"),
        lambda kind: kind(body=b"{}", content_type="a/b"),
    ],
    ids=["text", "bytes", "typed"],
)
async def test_everything_that_a_response_is_asked_and_told_has_the_same_effect_as_in_aiohttp(make: Make) -> None:
    ours, theirs = await observe(Response, make), await observe(web.Response, make)
    assert ours.keys() == theirs.keys()
    for name, (result, state, answer) in theirs.items():
        assert ours[name][:2] == [result, state], name
        assert ours[name][2] == answer or name in ARRIVES, name


# Those who are around an answer


async def test_what_a_hook_changes_arrives(serve: Serve) -> None:
    """PR-12: the hooks see every response before its headers go, and a response may be changed until then."""

    async def change(request: web.Request, response: web.StreamResponse) -> None:
        response.headers["X-Seen"] = request.path
        if request.path == "/body":
            assert isinstance(response, web.Response)
            response.body = b"data"  # of the same length: aiohttp has set that already

    app = Application()
    app.on_response_prepare.append(change)
    app.add_get("/text", lambda: "text")
    app.add_get("/body", lambda: "text")
    client = await serve(app)
    for _ in range(2):
        assert (await client.get("/text")).headers["X-Seen"] == "/text"
        assert (await client.get("/body")).body == b"data"


@pytest.mark.parametrize("is_ours", [True, False], ids=["webkit", "aiohttp"])
async def test_a_hook_of_any_application_around_a_route_sees_its_answers(is_ours: bool) -> None:
    seen = []

    async def note(request: web.Request, response: web.StreamResponse) -> None:
        seen.append(request.path)

    child, parent = Application(), (Application() if is_ours else web.Application())
    child.add_get("/", lambda: "text")
    parent.on_response_prepare.append(note)
    parent.add_subapp("/child", child if isinstance(parent, Application) else child.aiohttp)  # type: ignore[arg-type]
    async with run_by_aiohttp(parent) as client:
        for _ in range(3):
            assert (await client.get("/child/")).text == "text"
    assert seen == ["/child/"] * 3


async def set_headers(request: web.Request, handler: Any) -> web.StreamResponse:
    response = await handler(request)
    response.headers["X-A"] = "1"
    return response  # type: ignore[no-any-return]


async def set_cookie(request: web.Request, handler: Any) -> web.StreamResponse:
    response = await handler(request)
    response.set_cookie("a", "1")
    return response  # type: ignore[no-any-return]


async def set_status(request: web.Request, handler: Any) -> web.StreamResponse:
    response = await handler(request)
    response.set_status(202)
    return response  # type: ignore[no-any-return]


async def set_body(request: web.Request, handler: Any) -> web.StreamResponse:
    response = await handler(request)
    response.body = b"longer than before"
    return response  # type: ignore[no-any-return]


async def close(request: web.Request, handler: Any) -> web.StreamResponse:
    response = await handler(request)
    response.force_close()
    return response  # type: ignore[no-any-return]


async def compress(request: web.Request, handler: Any) -> web.StreamResponse:
    response = await handler(request)
    response.enable_compression(web.ContentCoding.deflate)
    return response  # type: ignore[no-any-return]


async def send(request: web.Request, handler: Any) -> web.StreamResponse:
    response = await handler(request)
    await response.prepare(request)
    await response.write_eof()
    return response  # type: ignore[no-any-return]


async def begin(request: web.Request, handler: Any) -> web.StreamResponse:
    response = await handler(request)
    await response.prepare(request)
    return response  # type: ignore[no-any-return]


async def look(request: web.Request, handler: Any) -> web.StreamResponse:
    response = await handler(request)
    assert (response.status, response.text, response.headers[hdrs.CONTENT_TYPE]) == (
        200,
        "text",
        "text/plain; charset=utf-8",
    )
    return response  # type: ignore[no-any-return]


@pytest.mark.parametrize("touch", [set_headers, set_cookie, set_status, set_body, close, compress, send, begin, look])
@pytest.mark.parametrize("place", ["webkit", "of the route", "aiohttp", "around"])
async def test_what_a_middleware_does_with_an_answer_is_what_it_does_in_aiohttp(touch: Any, place: str) -> None:
    async def text(request: web.Request) -> web.Response:
        return web.Response(text="text") if request.app is plain else Response(text="text")

    middleware = web.middleware(touch)
    app, plain = Application(), web.Application(middlewares=[middleware])
    app.add_get("/", text, middlewares=[touch] if place == "of the route" else [])
    plain.router.add_get("/", text)
    if place == "webkit":
        app.middlewares.append(touch)
    if place == "aiohttp":
        app.aiohttp.middlewares.append(middleware)
    served, path = app.aiohttp, b"/"
    if place == "around":
        served = web.Application(middlewares=[middleware])
        served.add_subapp("/sub", app.aiohttp)
        path = b"/sub/"
    answers = []
    for one, target in ((served, path), (plain, b"/")):
        async with run_by_aiohttp(one) as client:
            await client.get(target.decode())
            request = b"GET %b HTTP/1.1\r\nHost: example.org\r\n\r\n" % target
            answers.append(_DATE.sub(b"Date: now", await client.send(request * 2 + _LAST)).partition(b"HTTP/1.1 404"))
    (ours, _, _), (theirs, _, _) = answers
    # webkit's cookies are safer.
    assert ours.replace(b"a=1; HttpOnly; Path=/; SameSite=Lax", b"a=1; Path=/") == theirs != b""


@pytest.mark.parametrize("place", ["aiohttp", "around", "around webkit"])
async def test_a_middleware_around_webkit_sees_the_very_response_that_the_handler_gave(place: str) -> None:
    given: list[web.Response] = []

    async def answer() -> web.Response:
        given.append(web.Response(text="text"))
        return given[-1]

    async def look(request: web.Request, handler: Any) -> web.StreamResponse:
        response = await handler(request)
        assert response is given[-1]
        response.set_cookie("a", "1")
        return response

    app = Application()
    app.get("/sub/" if place == "aiohttp" else "/")(answer)
    served: AnyApplication = app
    if place == "aiohttp":
        app.aiohttp.middlewares.append(web.middleware(look))
    elif place == "around":
        served = web.Application(middlewares=[web.middleware(look)])
        served.add_subapp("/sub", app.aiohttp)
    else:
        served = Application(middlewares=[look])
        served.mount("/sub", app)
    async with run_by_aiohttp(served) as client:
        for _ in range(3):
            answer_ = await client.get("/sub/")
            assert (answer_.status, answer_.headers.get("Set-Cookie")) == (200, "a=1; Path=/")


@pytest.mark.parametrize("kind", [Response, web.Response])
@pytest.mark.parametrize("is_short", [True, False], ids=["short", "long"])
async def test_a_response_is_sent_once(serve: Serve, is_short: bool, kind: type[web.Response]) -> None:
    cached = kind(text="cached")
    if not is_short:
        cached.cookies["a"] = "1"
    app = Application()
    app.get("/")(lambda: "text")
    app.get("/cached")(lambda: cached)
    client = await serve(app)
    await client.get("/")
    assert (await client.get("/cached")).text == "cached"
    for _ in range(2):
        assert (await client.get("/cached")).status == 500
    assert await client.send(b"GET /cached HTTP/1.1\r\nHost: a\r\n\r\n" + GET + _LAST.replace(b"/last", b"/")) != b""


async def test_of_two_responses_around_webkit_the_second_is_not_sent_behind_the_first() -> None:
    @web.middleware
    async def twice(request: web.Request, handler: Any) -> web.StreamResponse:
        response = await handler(request)
        await response.prepare(request)
        await response.write_eof()
        return kind(text="second")

    app = Application()
    app.get("/")(lambda: "first")
    parent = web.Application(middlewares=[twice])
    parent.add_subapp("/app", app.aiohttp)
    async with run_by_aiohttp(parent) as client:
        for kind in (Response, web.Response) * 2:
            answers = await client.send(b"GET /app/ HTTP/1.1\r\nHost: a\r\n\r\n" + _LAST)
            assert (answers.count(b"HTTP/1.1 200 OK"), answers.count(b"HTTP/1.1 404")) == (1, 1), kind


# The connection


async def test_an_answer_counts_the_bytes_that_were_sent() -> None:
    told = []

    @web.middleware
    async def count(request: web.Request, handler: Any) -> web.StreamResponse:
        response = await handler(request)
        before = (request.writer.output_size, response.body_length)
        await response.prepare(request)
        await response.write_eof()
        told.append((PREPARED not in request, before, request.writer.output_size, response.body_length))
        return response  # type: ignore[no-any-return]

    app = Application()
    app.get("/")(lambda: {"id": 1})
    parent = web.Application(middlewares=[count])
    parent.add_subapp("/app", app.aiohttp)
    async with run_by_aiohttp(parent) as client:
        answers = [await client.send(b"GET /app/ HTTP/1.1\r\nHost: a\r\n\r\n" + _LAST) for _ in range(2)]
    size = len(answers[0].partition(b"HTTP/1.1 404")[0])
    assert told == [(False, (0, 0), size, size), (True, (0, 0), size, size)]


async def test_nothing_is_written_to_a_connection_that_closes() -> None:
    told: list[tuple[bool, type[BaseException] | None]] = []

    @web.middleware
    async def leave(request: web.Request, handler: Any) -> web.StreamResponse:
        response = await handler(request)
        if "leave" in request.query:
            await response.prepare(request)
            assert request.transport is not None
            request.transport.close()
            with pytest.raises(ClientConnectionResetError):
                await response.write_eof()
            told.append((PREPARED not in request, None))
        return response  # type: ignore[no-any-return]

    app = Application()
    app.get("/")(lambda: "text")
    parent = web.Application(middlewares=[leave])
    parent.add_subapp("/app", app.aiohttp)
    async with run_by_aiohttp(parent) as client:
        await client.get("/app/")
        assert await client.send(b"GET /app/?leave HTTP/1.1\r\nHost: a\r\n\r\n") == b""
    assert told == [(True, None)]


async def test_a_client_that_does_not_read_is_waited_for(serve: Serve) -> None:
    """However many requests it sends at once, no more than a few answers are in memory."""
    count, body, waiting, is_full = 400, b"x" * 60_000, [], asyncio.Event()

    async def answer(request: web.Request) -> bytes:
        assert request.transport is not None
        waiting.append(request.transport.get_write_buffer_size())
        if waiting[-1]:
            is_full.set()
        return body

    app = Application()
    app.get("/")(answer)
    client = await serve(app)
    await client.get("/")
    reader, writer = await asyncio.open_connection(client.url.host, client.url.port)
    async with asyncio.timeout(PATIENCE_S):
        reader._transport.pause_reading()  # type: ignore[attr-defined]
        writer.write(GET * count)
        await is_full.wait()
        reader._transport.resume_reading()  # type: ignore[attr-defined]
        for _ in range(count):
            head = await reader.readuntil(b"\r\n\r\n")
            assert b"Content-Length: 60000\r\n" in head
            assert await reader.readexactly(len(body)) == body
    writer.close()
    assert max(waiting) < 2**16 + len(body) + 1000


async def test_requests_that_come_together_are_answered_in_their_order(serve: Serve) -> None:
    app = Application()
    app.get("/{number:int}")(lambda number: {"number": number})
    app.get("/html/{number:int}")(lambda number: html(f"<b>{number}", headers={"X-A": "1"} if number % 2 else None))
    client = await serve(app)
    lines = [f"GET /{'html/' * (number % 3 == 0)}{number} HTTP/1.1\r\nHost: a\r\n\r\n" for number in range(50)]
    answers = await client.send("".join(lines).encode() + _LAST)
    bodies = re.findall(rb'\r\n\r\n(?:<b>|{"number":)(\d+)', answers)
    assert [int(number) for number in bodies] == list(range(50))
    assert answers.count(b"HTTP/1.1 200 OK") == 50


@pytest.mark.parametrize("is_short", [True, False], ids=["short", "long"])
async def test_the_access_log_knows_what_was_sent(caplog: pytest.LogCaptureFixture, is_short: bool) -> None:
    caplog.set_level(logging.INFO)
    app = Application()
    app.get("/")(lambda: {"id": 1})
    if not is_short:
        app.on_response_prepare.append(hook)
    runner = web.AppRunner(
        app.aiohttp,
        access_log=logging.getLogger("tests.buffered"),
        access_log_class=AccessLogger,
        access_log_format="%s %b %{Content-Type}o %{Content-Length}o %{X-A}o %{Server}o",
    )
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    client = Client(None, f"http://127.0.0.1:{runner.addresses[0][1]}")  # type: ignore[arg-type]
    try:
        answers = [(await client.send(GET + _LAST)).partition(b"HTTP/1.1 404")[0] for _ in range(2)]
    finally:
        await runner.cleanup()
    lines = [record.getMessage() for record in caplog.records if record.name == "tests.buffered"]
    server = answers[0].partition(b"Server: ")[2].partition(b"\r\n")[0].decode()
    assert [line for line in lines if line.startswith("200")] == [
        f"200 {len(answer)} application/json 8 - {server}" for answer in answers
    ]


async def test_what_a_response_of_aiohttp_keeps_is_there_for_the_access_log(serve: Serve) -> None:
    key = web.ResponseKey("key", str)
    seen = []

    class Logger(AbstractAccessLogger):
        def log(self, request: BaseRequest, response: web.StreamResponse, time: float) -> None:
            seen.append(response.get(key))

    async def answer() -> web.Response:
        response = web.Response(text="text")
        response[key] = "kept"
        return response

    async def fail() -> None:
        error = web.HTTPConflict()
        error[key] = "kept too"
        raise error

    app = Application()
    app.get("/")(answer)
    app.get("/error")(fail)
    runner = web.AppRunner(app.aiohttp, access_log=logging.getLogger("tests.buffered"), access_log_class=Logger)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    client = Client(None, f"http://127.0.0.1:{runner.addresses[0][1]}")  # type: ignore[arg-type]
    try:
        await client.send(GET + GET + GET.replace(b"/ ", b"/error ") + _LAST)
    finally:
        await runner.cleanup()
    assert seen == ["kept", "kept", "kept too", None]


# What must not be sent

BREAKS: Final = ["a\r\nX-Injected: 1", "a\nX-Injected: 1", "a\rX-Injected: 1", "a\0X-Injected: 1"]


def _with_header(text: str) -> web.Response:
    return Response(text="text", headers={"X-A": text})


def _with_late_header(text: str) -> web.Response:
    response = Response(text="text")
    response.headers["X-A"] = text
    return response


def _with_header_name(text: str) -> web.Response:
    return Response(text="text", headers={text: "1"})


def _with_content_type(text: str) -> web.Response:
    return Response(text="text", content_type=text)


def _with_late_content_type(text: str) -> web.Response:
    response = Response(text="text")
    response.content_type = text
    return response


def _with_cookie_path(text: str) -> web.Response:
    response = Response(text="text")
    response.set_cookie("a", "1", path=text)
    return response


def _with_cookie_domain(text: str) -> web.Response:
    response = Response(text="text")
    response.set_cookie("a", "1", domain=text)
    return response


def _with_cookie_name(text: str) -> web.Response:
    response = Response(text="text")
    response.set_cookie(text, "1")
    return response


def _of_aiohttp(text: str) -> web.Response:
    return web.Response(text="text", headers={"X-A": text})


def _raised(text: str) -> web.Response:
    raise web.HTTPNotFound(headers={"X-A": text})


def _short_form(text: str) -> web.Response:
    return html("text", headers={"X-A": text})


def _json(text: str) -> web.Response:
    return json_response({}, content_type=text)


@pytest.mark.parametrize(
    "make",
    [
        _with_header,
        _with_late_header,
        _with_header_name,
        _with_content_type,
        _with_late_content_type,
        _with_cookie_path,
        _with_cookie_domain,
        _with_cookie_name,
        _of_aiohttp,
        _raised,
        _short_form,
        _json,
    ],
)
@pytest.mark.parametrize("text", BREAKS, ids=["CRLF", "LF", "CR", "NUL"])
async def test_a_line_break_in_a_header_is_a_500_and_nothing_of_it_is_sent(
    serve: Serve, make: Callable[[str], web.Response], text: str, caplog: pytest.LogCaptureFixture
) -> None:
    app = Application()
    app.get("/good")(lambda: "text")
    app.get("/")(lambda: make(text))
    client = await serve(app)
    await client.get("/good")
    answers = await client.send(GET + _LAST)
    assert answers.startswith(b"HTTP/1.1 500 Internal Server Error\r\n")
    assert b"Injected" not in answers
    assert answers.count(b"HTTP/1.1 ") == 2  # the connection goes on
    assert len([record for record in caplog.records if record.levelno >= logging.ERROR]) == 1


@pytest.mark.parametrize(
    "make", [_with_header, _with_late_header, _with_header_name, _with_content_type, _of_aiohttp, _raised]
)
@pytest.mark.parametrize("character", ["\x01", "\x1b", "\x7f"])
@pytest.mark.parametrize("request_", [GET, GET.replace(b"GET", b"HEAD")], ids=["GET", "HEAD"])
async def test_a_control_character_in_a_header_is_a_500_and_nothing_of_it_is_sent(
    serve: Serve, make: Callable[[str], web.Response], character: str, request_: bytes
) -> None:
    app = Application()
    app.get("/")(lambda: make(f"a{character}X-Injected"))
    client = await serve(app)
    for _ in range(2):
        answers = await client.send(request_ + _LAST)
        assert answers.startswith(b"HTTP/1.1 500 Internal Server Error\r\n")
        assert b"Injected" not in answers
        assert answers.count(b"HTTP/1.1 ") == 2  # the connection goes on


@pytest.mark.parametrize("text", BREAKS[:3], ids=["CRLF", "LF", "CR"])
def test_a_line_break_in_a_reason_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="Reason cannot contain"):
        Response(reason=text)


@pytest.mark.parametrize("text", BREAKS, ids=["CRLF", "LF", "CR", "NUL"])
def test_a_redirect_quotes_a_line_break(text: str) -> None:
    assert redirect(f"/{text}").headers["Location"].isprintable()


def test_a_cookie_has_no_attributes_that_nobody_gave() -> None:
    with pytest.raises(ValueError, match="semicolon"):
        Response().set_cookie("a", "1", path="/; Domain=example.org")


async def test_a_line_break_that_a_hook_sets_is_not_sent(serve: Serve) -> None:
    """Too late for an answer: the connection is closed."""

    async def inject(request: web.Request, response: web.StreamResponse) -> None:
        response.headers["X-A"] = BREAKS[0]

    app = Application()
    app.on_response_prepare.append(inject)
    app.get("/")(lambda: "text")
    assert await (await serve(app)).send(GET) == b""


# Under the other roofs


async def test_a_test_client_of_aiohttp_gets_the_same_answers(aiohttp_client: Any) -> None:
    app = Application()
    app.get("/")(lambda: {"id": 1})
    client = await aiohttp_client(app.aiohttp)
    for _ in range(3):
        response = await client.get("/")
        assert (response.status, await response.json(), response.headers["Content-Length"]) == (200, {"id": 1}, "8")


@pytest.mark.parametrize("is_ours", [True, False], ids=["in webkit", "in aiohttp"])
async def test_a_mounted_application_answers_the_short_way_too(is_ours: bool) -> None:
    requests: list[web.Request] = []

    def answer(request: web.Request) -> str:
        requests.append(request)
        return "text"

    child = Application()
    child.get("/")(answer)
    parent: AnyApplication = Application() if is_ours else web.Application()
    parent.add_subapp("/child", child if isinstance(parent, Application) else child.aiohttp)  # type: ignore[arg-type]
    async with run_by_aiohttp(parent) as client:
        for _ in range(2):
            assert (await client.get("/child/")).text == "text"
    assert [PREPARED in request for request in requests] == [True, False]


# How much webkit there is around a handler


async def test_a_plain_json_request_enters_at_most_twelve_functions_of_webkit() -> None:
    """Each of them costs about a hundredth of the request. A coroutine function is entered anew when it goes on."""
    entered: list[str] = []

    def note(frame: Any, event: str, argument: object) -> None:
        if event == "call" and "/webkit/" in frame.f_code.co_filename:
            entered.append(f"{frame.f_code.co_filename.rpartition('/')[2]}: {frame.f_code.co_name}")

    app = Application()

    @app.get("/")
    async def show() -> dict[str, int]:
        return {"id": 7}

    async with run_by_webkit(app) as client:
        reader, writer = await asyncio.open_connection(client.url.host, client.url.port)
        usual: list[str] | None = None
        for _ in range(9):  # some do what holds for many: make ids in advance, learn the host, the date of a second
            entered.clear()
            sys.setprofile(note)
            try:
                writer.write(GET)
                await reader.readuntil(b'{"id":7}')
            finally:
                sys.setprofile(None)
            usual = entered[:] if usual is None or len(entered) < len(usual) else usual
        writer.close()
    assert usual is not None
    assert 0 < len(usual) <= 12, usual


# HTTP errors


def _raising(make: Callable[[], Exception]) -> Any:
    async def fail(request: web.Request) -> web.StreamResponse:
        raise make()

    return fail


def _with_cookie() -> web.HTTPException:
    error = web.HTTPForbidden()
    error.set_cookie("a", "1")
    return error


def _closing() -> web.HTTPException:
    error = web.HTTPForbidden()
    error.force_close()
    return error


ERRORS: Final[dict[str, Callable[[], Exception]]] = {
    "not found": web.HTTPNotFound,
    "found": lambda: web.HTTPFound("/elsewhere"),
    "with a text": lambda: web.HTTPForbidden(text="my words"),
    "with headers": lambda: web.HTTPForbidden(headers={"X-A": "1", "Vary": "Cookie"}),
    "with a type": lambda: web.HTTPForbidden(headers={"X-A": "1"}, text="{}", content_type="application/json"),
    "with a reason": lambda: web.HTTPForbidden(reason="Nobody knows"),
    "with a cookie": _with_cookie,
    "with a length": lambda: web.HTTPForbidden(headers={"Content-Length": "14"}),
    "that closes": _closing,
    "not allowed": lambda: web.HTTPMethodNotAllowed("GET", ["PUT", "POST"]),
    "without a body": web.HTTPNoContent,
    "created": lambda: web.HTTPCreated(text="made"),
    "a problem": lambda: Problem(409, detail="Sold out.", headers={"X-A": "1"}),
}


@pytest.mark.parametrize("accept", ["*/*", "text/html", "application/json"])
@pytest.mark.parametrize("make", ERRORS.values(), ids=ERRORS.keys())
async def test_an_error_is_the_same_bytes_whoever_is_around(serve: Serve, make: Any, accept: str) -> None:
    answers = []
    for is_watched in (False, True):
        app = Application()
        app.get("/good")(lambda: "text")
        app.get("/")(_raising(make))
        if is_watched:
            app.on_response_prepare.append(hook)
        client = await serve(app)
        await client.get("/good")
        request = GET.replace(b"\r\n\r\n", f"\r\nAccept: {accept}\r\n\r\n".encode())
        answers.append(_DATE.sub(b"", await client.send(request * 2 + _LAST.replace(b"/last", b"/good"))))
    short, long = answers
    assert short == long != b""


async def test_an_error_is_sent_once_whatever_the_request_was(serve: Serve) -> None:
    """aiohttp sends nothing the second time. To work until a client sends HEAD would be worse than not to work."""
    cached = web.HTTPConflict()
    app = Application()
    app.get("/")(lambda: "text")
    app.get("/cached")(_raising(lambda: cached))
    client = await serve(app)
    await client.get("/")
    assert [(await client.get("/cached")).status for _ in range(3)] == [409, 500, 500]


async def test_an_error_of_ones_own_class_is_sent_as_it_says(serve: Serve) -> None:
    ended = []

    class Refused(web.HTTPForbidden):
        async def prepare(self, request: BaseRequest) -> Any:
            self.headers["X-Prepared"] = "1"
            return await super().prepare(request)

    class Noted(web.HTTPForbidden):
        async def write_eof(self, data: bytes = b"") -> None:
            ended.append(self.status)
            await super().write_eof(data)

    app = Application()
    app.get("/refused")(_raising(Refused))
    app.get("/noted")(_raising(Noted))
    client = await serve(app)
    for _ in range(3):
        assert (await client.get("/refused")).headers["X-Prepared"] == "1"
        assert (await client.get("/noted")).status == 403
    assert ended == [403] * 3


async def test_a_middleware_around_webkit_sees_errors_raised() -> None:
    seen = []

    @web.middleware
    async def note(request: web.Request, handler: Any) -> web.StreamResponse:
        try:
            return await handler(request)  # type: ignore[no-any-return]
        except web.HTTPException as error:
            seen.append(type(error))
            raise

    app = Application()
    app.get("/")(_raising(web.HTTPNotFound))
    app.get("/good")(lambda: "text")
    parent = web.Application(middlewares=[note])
    parent.add_subapp("/app", app.aiohttp)
    alone = Application()
    alone.get("/app/")(_raising(web.HTTPNotFound))
    alone.get("/app/good")(lambda: "text")
    alone.aiohttp.middlewares.append(note)
    for served in (parent, alone):
        async with run_by_aiohttp(served) as client:
            await client.get("/app/good")
            for _ in range(2):
                assert (await client.get("/app/")).status == 404
    assert seen == [web.HTTPNotFound] * 4


async def test_a_middleware_of_webkit_sees_errors_raised_and_what_it_sets_arrives(serve: Serve) -> None:
    async def note(request: web.Request, handler: Any) -> web.StreamResponse:
        try:
            return await handler(request)  # type: ignore[no-any-return]
        except web.HTTPException as error:
            error.headers["X-Seen"] = type(error).__name__
            raise

    app = Application(middlewares=[note])
    app.get("/")(_raising(web.HTTPNotFound))
    client = await serve(app)
    for _ in range(3):
        answer = await client.get("/")
        assert (answer.status, answer.headers["X-Seen"]) == (404, "HTTPNotFound")


# What is around the routes decides itself when the application starts


async def lost(request: web.Request, error: Exception) -> str:
    return "lost"


async def pass_on(request: web.Request, handler: Any) -> web.StreamResponse:
    return await handler(request)  # type: ignore[no-any-return]


@pytest.mark.parametrize("moment", ["before", "after", "at startup", "at webkit's startup", "later"])
async def test_a_package_that_adds_its_middleware_sees_every_answer(serve: Serve, moment: str) -> None:
    seen: list[str] = []

    @web.middleware
    async def note(request: web.Request, handler: Any) -> web.StreamResponse:
        seen.append(request.path)
        return await set_headers(request, handler)

    async def setup(app: web.Application) -> None:
        app.middlewares.append(note)

    app = Application()
    if moment == "before":
        await setup(app.aiohttp)
    app.middlewares.append(pass_on)
    app.get("/")(lambda: "text")
    app.get("/error")(_raising(web.HTTPConflict))
    app.error(404)(lost)
    if moment == "after":
        await setup(app.aiohttp)
    if moment == "at startup":
        app.aiohttp.on_startup.insert(0, setup)
    if moment == "later":
        app.aiohttp.on_startup.append(setup)
    if moment == "at webkit's startup":
        app.on_startup.append(lambda app: setup(app.aiohttp))
    client = await serve(app)
    for _ in range(2):
        assert (await client.get("/")).headers["X-A"] == "1"
        assert (await client.get("/error")).status == 409
        assert (await client.get("/missing")).text == "lost"
    assert seen == ["/", "/error", "/missing"] * 2


async def test_what_a_package_adds_after_webkits_startup_is_behind_the_middlewares_too(serve: Serve) -> None:
    async def refuse(request: web.Request, handler: Any) -> web.StreamResponse:
        if request.path == "/secret":
            raise web.HTTPForbidden
        return await set_headers(request, handler)

    async def secret(request: web.Request) -> web.Response:
        return web.Response(text="secret")

    async def setup(app: web.Application) -> None:
        app.router.add_get("/secret", secret)

    for is_later in (False, True):
        app = Application(middlewares=[refuse])
        app.get("/")(lambda: "text")
        if is_later:
            resource = app.aiohttp.router.add_resource("/secret")
        else:
            app.aiohttp.on_startup.append(setup)
        client = await serve(app)
        if is_later:
            resource.add_route("GET", secret)
        for _ in range(2):
            assert (await client.get("/secret")).status == 403
            assert (await client.get("/")).headers["X-A"] == "1"


@pytest.mark.parametrize("has_middleware", [True, False])
@pytest.mark.parametrize("beside", ["nothing", "a route of aiohttp", "a folder", "a mount", "a domain", "a package"])
async def test_misses_are_answered_by_error_handlers_whatever_is_beside_the_routes(
    serve: Serve, has_middleware: bool, beside: str, tmp_path: Path
) -> None:
    app = Application(middlewares=[pass_on] if has_middleware else [])
    app.get("/")(lambda: "text")

    async def answer(request: web.Request, error: Exception) -> str:
        return f"{request.path} {type(error).__name__}"

    app.error(404)(answer)
    app.error(405)(answer)
    other = web.Application()
    other.router.add_get("/", last)
    if beside == "a route of aiohttp":
        app.aiohttp.router.add_get("/raw", last)
    if beside == "a folder":
        app.add_static("/folder", tmp_path)
    if beside == "a mount":
        app.mount("/other", other)
    if beside == "a domain":
        app.add_domain("example.org", other)
    if beside == "a package":
        app.aiohttp.middlewares.append(web.middleware(pass_on))
    client = await serve(app)
    for _ in range(2):
        assert (await client.get("/")).text == "text"
        lost, wrong = await client.get("/missing"), await client.post("/")
        assert (lost.status, lost.text) == (404, "/missing HTTPNotFound")
        assert (wrong.status, wrong.text, wrong.headers["Allow"]) == (405, "/ HTTPMethodNotAllowed", "GET,HEAD")


async def test_an_application_may_be_served_again() -> None:
    app = Application(middlewares=[pass_on])
    app.get("/")(lambda: "text")
    app.get("/error")(_raising(web.HTTPConflict))
    for _ in range(2):
        async with run_by_aiohttp(app) as client:
            for _ in range(2):
                assert (await client.get("/")).text == "text"
                assert (await client.get("/error")).status == 409
                assert (await client.get("/missing")).status == 404


async def test_many_clients_at_once_get_their_own_answers(serve: Serve) -> None:
    app = Application()

    @app.get("/{kind}/{number:int}")
    async def answer(kind: str, number: int) -> Any:
        await asyncio.sleep(0)
        if kind == "error":
            raise Problem(409, detail=str(number))
        return Response(text=str(number), headers={"X-A": str(number)} if kind == "header" else None)

    client = await serve(app)
    kinds = ["text", "header", "error"] * 40
    answers = await asyncio.gather(*(client.get(f"/{kind}/{number}") for number, kind in enumerate(kinds)))
    for number, (kind, got) in enumerate(zip(kinds, answers, strict=True)):
        assert got.text.endswith(str(number))
        assert got.headers.get("X-A") == (str(number) if kind == "header" else None)
