"""Middlewares: their order, what they are around, and the boundary behind which an error becomes an answer.

Old factories, ``async def factory(app, handler)``, are told in test_old_middlewares.py.
"""

import asyncio
import itertools
import logging
import re
from collections.abc import Sequence
from functools import partial
from typing import Any

import pytest
from aiohttp import web

from tests.serving import AnyApplication, Client, Running, Serve
from webkit import Application, Handler, Middleware, RouteError
from webkit.errors import ConfigError


class Way:
    """The way of the last request: the names of the middlewares that it came through, outermost first."""

    def __init__(self) -> None:
        self.steps: list[str] = []

    def mark(self, name: str) -> Middleware:
        async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
            self.steps.append(name)
            return await handler(request)

        return middleware

    def mark_for_aiohttp(self, name: str) -> Any:
        """The same as a middleware for a list of aiohttp's, which wants it marked."""
        return web.middleware(self.mark(name))

    async def of(self, client: Client, target: str, method: str = "GET") -> str:
        """Ask for *target*, and give the way that the request took."""
        self.steps.clear()
        await client.request(method, target)
        return "".join(self.steps)


@pytest.fixture
def way() -> Way:
    return Way()


async def show(request: web.Request) -> web.Response:
    return web.Response(text="shown")


def public(handler: Any) -> Any:
    """Mark *handler*, a function or a class, for a middleware."""
    handler.is_public = True
    return handler


# Order


async def test_the_first_listed_is_outermost_and_those_of_the_route_are_innermost(serve: Serve, way: Way) -> None:
    app = Application(middlewares=[way.mark("a"), way.mark("b")])
    app.middlewares.append(way.mark("c"))
    app.get("/plain")(show)
    app.get("/route", middlewares=[way.mark("x"), way.mark("y")])(show)
    app.group("/group", middlewares=[way.mark("g")]).get("/route", middlewares=[way.mark("x")])(show)
    client = await serve(app)
    assert await way.of(client, "/plain") == "abc"
    assert await way.of(client, "/route") == "abcxy"
    assert await way.of(client, "/route", "HEAD") == "abcxy"
    assert await way.of(client, "/group/route") == "abcgx"


async def test_a_route_has_middlewares_where_the_application_has_none(serve: Serve, way: Way) -> None:
    app = Application()
    app.get("/", middlewares=[way.mark("x"), way.mark("y")])(show)
    assert await way.of(await serve(app), "/") == "xy"


async def test_404_and_405_pass_through_the_middlewares_of_the_application(serve: Serve) -> None:
    async def soften(request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            return await handler(request)
        except (web.HTTPNotFound, web.HTTPMethodNotAllowed) as error:
            return web.Response(text=f"seen {error.status}")

    app = Application(middlewares=[soften])
    app.get("/")(show)
    client = await serve(app)
    assert (await client.get("/missing")).text == "seen 404"
    assert (await client.post("/")).text == "seen 405"
    assert (await client.get("/")).text == "shown"


async def test_a_middleware_may_answer_change_the_answer_or_call_twice(serve: Serve) -> None:
    async def answer(request: web.Request, handler: Handler) -> web.StreamResponse:
        if "answer" in request.query:
            return web.Response(text="from the middleware")
        if "twice" in request.query:
            await handler(request)
        response = await handler(request)
        response.headers["X-Seen"] = "1"
        return response

    calls: list[str] = []

    async def handler(request: web.Request) -> str:
        calls.append(request.query_string)
        return "from the handler"

    app = Application(middlewares=[answer])
    app.get("/")(handler)
    client = await serve(app)
    assert (await client.get("/?answer")).text == "from the middleware"
    answered = await client.get("/?twice")
    assert (answered.text, answered.headers["X-Seen"]) == ("from the handler", "1")
    assert calls == ["twice", "twice"]


async def test_a_middleware_sees_the_match_of_the_request(serve: Serve) -> None:
    seen: list[Any] = []

    async def look(request: web.Request, handler: Handler) -> web.StreamResponse:
        seen.append((dict(request.match_info), request.app is app.aiohttp, Application.of(request) is app))
        return await handler(request)

    app = Application(middlewares=[look])
    app.get("/{id:int}")(show)
    client = await serve(app)
    await client.get("/7")
    await client.get("/missing")
    assert seen == [({"id": "7"}, True, True), ({}, True, True)]


async def test_what_a_middleware_gets_has_name_and_attributes_of_the_handler(serve: Serve) -> None:
    seen: list[tuple[str, bool]] = []

    async def note(request: web.Request, handler: Any) -> web.StreamResponse:
        seen.append((handler.__name__, getattr(handler, "is_public", False)))
        return await handler(request)  # type: ignore[no-any-return]

    @public
    async def index(request: web.Request) -> str:
        return "index"

    class Base(web.View):
        async def get(self) -> web.Response:
            return web.Response(text="page")

    class Page(public(Base)):  # type: ignore[misc]
        """What it inherits counts too."""

    app = Application(middlewares=[note, note])
    app.add_get("/", index, middlewares=[note])
    app.router.add_view("/page", Page)
    app.add_get("/secret", show)
    client = await serve(app)
    for path, expected in (("/", ("index", True)), ("/page", ("Page", True)), ("/secret", ("show", False))):
        seen.clear()
        assert (await client.get(path)).status == 200
        assert seen == [expected] * (3 if path == "/" else 2)


async def test_what_a_middleware_returns_is_made_a_response_too(serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    async def answer(request: web.Request, handler: Handler) -> Any:
        return {"answer": 42} if request.path == "/dict" else None

    app = Application(middlewares=[answer])
    client = await serve(app)
    assert (await client.get("/dict")).json == {"answer": 42}
    assert (await client.get("/none")).status == 500
    assert "a middleware returned None" in caplog.text


@pytest.mark.parametrize("kind", ["method", "object", "partial"])
async def test_a_middleware_may_be_any_callable(serve: Serve, kind: str) -> None:
    class Counting:
        def __init__(self) -> None:
            self.count = 0

        async def __call__(self, request: web.Request, handler: Handler) -> web.StreamResponse:
            self.count += 1
            return await handler(request)

        async def method(self, request: web.Request, handler: Handler) -> web.StreamResponse:
            return await self(request, handler)

    counting = Counting()
    middleware: Any = {"method": counting.method, "object": counting, "partial": partial(counting)}[kind]
    app = Application(middlewares=[middleware])
    app.get("/")(show)
    await (await serve(app)).get("/")
    assert counting.count == 1


async def test_aiohttps_own_middlewares_are_taken(serve: Serve) -> None:
    @web.middleware
    async def marked(request: web.Request, handler: Handler) -> web.StreamResponse:
        response = await handler(request)
        response.headers["X-Marked"] = "1"
        return response

    app = Application(middlewares=[web.normalize_path_middleware(append_slash=True), marked])
    app.get("/x/")(show)
    client = await serve(app)
    assert (await client.get("/x")).headers["Location"] == "/x/"
    assert (await client.get("/x/")).headers["X-Marked"] == "1"


# What they are around


async def test_they_are_around_routes_on_the_wrapped_router_and_middlewares_there_stay_inside(
    serve: Serve, way: Way
) -> None:
    app = Application(middlewares=[way.mark("a")])
    app.aiohttp.middlewares.append(way.mark_for_aiohttp("R"))
    app.middlewares.append(way.mark("b"))
    app.aiohttp.router.add_get("/raw", show)
    app.get("/own", middlewares=[way.mark("x")])(show)
    client = await serve(app)
    assert await way.of(client, "/raw") == "abR"
    assert await way.of(client, "/own") == "abRx"
    assert await way.of(client, "/missing") == "abR"


KINDS = list(itertools.product((Application, web.Application), repeat=3))
WHO = ["abc", "a", "b", "c", "bc", ""]


@pytest.mark.parametrize("kinds", KINDS, ids=lambda kinds: "-".join(kind.__module__.split(".")[0] for kind in kinds))
async def test_each_middleware_of_mounted_applications_of_both_kinds_runs_exactly_once(
    running: Running, way: Way, kinds: Sequence[type[AnyApplication]]
) -> None:
    for who in WHO:
        async with running(build_nested(kinds, who, way)) as client:
            assert await way.of(client, "/b/c/shown") == who
            assert await way.of(client, "/b/c/missing") == who
            assert await way.of(client, "/b/shown") == who.replace("c", "")
            assert await way.of(client, "/shown") == who.replace("b", "").replace("c", "")
            assert await way.of(client, "/missing") == who.replace("b", "").replace("c", "")


def build_nested(kinds: Sequence[type[AnyApplication]], who: str, way: Way) -> AnyApplication:
    """Nest three applications named a, b and c; those in *who* have a middleware of their name."""
    inner: AnyApplication | None = None
    for name, kind in reversed(list(zip("abc", kinds, strict=True))):
        app = kind()
        app.router.add_get("/shown", show)
        if name in who:
            app.middlewares.append(way.mark_for_aiohttp(name))
        if inner is not None:
            below = f"/{chr(ord(name) + 1)}"
            if isinstance(app, Application):
                app.mount(below, inner)
            else:
                app.add_subapp(below, inner.aiohttp if isinstance(inner, Application) else inner)
        inner = app
    assert inner is not None
    return inner


async def test_in_each_application_around_a_request_the_middlewares_see_that_application(serve: Serve) -> None:
    seen: list[tuple[str, web.Application, Application]] = []

    def look(name: str) -> Any:
        async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
            seen.append((name, request.app, Application.of(request)))
            return await handler(request)

        return web.middleware(middleware)

    child = Application(middlewares=[look("child")])
    child.get("/")(show)
    plain = web.Application(middlewares=[look("plain")])
    plain.router.add_get("/", show)
    child.mount("/plain", plain)
    root = Application(middlewares=[look("root")])
    root.mount("/child", child)
    client = await serve(root)
    await client.get("/child/plain/")
    assert seen == [
        ("root", root.aiohttp, root),
        ("child", child.aiohttp, child),
        ("plain", plain, child),
    ]


# Errors


async def crash(request: web.Request) -> web.Response:
    raise KeyError("secret")


async def test_middlewares_see_the_exception_itself(serve: Serve) -> None:
    seen: list[str] = []

    def look(name: str) -> Middleware:
        async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
            try:
                return await handler(request)
            except Exception as error:
                seen.append(f"{name} {error!r}")
                raise

        return middleware

    app = Application(middlewares=[look("outer"), look("inner")])
    app.get("/own", middlewares=[look("route")])(crash)
    app.aiohttp.router.add_get("/raw", crash)
    client = await serve(app)
    assert (await client.get("/own")).status == 500
    assert seen == ["route KeyError('secret')", "inner KeyError('secret')", "outer KeyError('secret')"]
    seen.clear()
    assert (await client.get("/raw")).status == 500
    assert seen == ["inner KeyError('secret')", "outer KeyError('secret')"]


async def test_a_middleware_may_answer_for_an_exception(serve: Serve) -> None:
    async def rescue(request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            return await handler(request)
        except KeyError as error:
            return web.Response(text=f"rescued {error!r}")

    app = Application(middlewares=[rescue])
    app.get("/")(crash)
    assert (await (await serve(app)).get("/")).text == "rescued KeyError('secret')"


@pytest.mark.parametrize("where", ["route", "middleware", "raw", "child", "plain child"])
async def test_a_crash_anywhere_is_a_500_with_one_line_and_a_traceback_in_the_log(
    serve: Serve, caplog: pytest.LogCaptureFixture, where: str
) -> None:
    async def crashing(request: web.Request, handler: Handler) -> web.StreamResponse:
        if where == "middleware":
            raise KeyError("secret")
        return await handler(request)

    app = Application(middlewares=[crashing])
    app.get("/route")(crash)
    app.aiohttp.router.add_get("/raw", crash)
    child, plain = Application(), web.Application()
    child.get("/")(crash)
    plain.router.add_get("/", crash)
    app.mount("/child", child)
    app.mount("/plain", plain)
    client = await serve(app)
    answer = await client.get({"child": "/child/", "plain child": "/plain/"}.get(where, f"/{where}"))
    assert answer.status == 500
    assert "secret" not in answer.text
    (record,) = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert record.exc_info is not None
    assert isinstance(record.exc_info[1], KeyError)


async def test_a_timeout_is_a_504_and_one_line_in_the_log(serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    async def slow() -> None:
        async with asyncio.timeout(0):
            await asyncio.Event().wait()

    app = Application()
    app.get("/slow")(slow)
    answer = await (await serve(app)).get("/slow")
    assert answer.status == 504
    (record,) = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert (record.getMessage(), record.levelname, record.exc_info) == ("Timeout in GET /slow", "WARNING", None)


# An error after the headers: what was begun cannot be taken back, so the connection is broken off.

FAILURES: dict[str, Any] = {
    "crash": KeyError("secret"),
    "404": web.HTTPNotFound(text="a second answer"),
    "redirect": web.HTTPFound("/"),
    "timeout": TimeoutError(),
    "response": web.Response(text="a second answer"),
    "text": "a second answer",
}


def failing(failure: Any) -> Any:
    async def handler(request: web.Request) -> Any:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"the beginning")
        return fail(failure)

    return handler


def fail(failure: Any) -> Any:
    if isinstance(failure, Exception):
        raise failure
    return failure


REQUEST = b"GET %s HTTP/1.1\r\nHost: x\r\n\r\n"
LAST_REQUEST = b"GET /next HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"


@pytest.mark.parametrize("failure", FAILURES)
@pytest.mark.parametrize("where", ["route", "behind a middleware", "raw", "child"])
async def test_after_an_error_in_a_stream_the_connection_breaks_off_without_a_second_answer(
    serve: Serve, caplog: pytest.LogCaptureFixture, failure: str, where: str
) -> None:
    handler = failing(FAILURES[failure])
    app = Application()
    if where == "raw":
        if failure == "text":
            return  # aiohttp's router takes responses only
        app.middlewares.append(Way().mark("m"))
        app.aiohttp.router.add_get("/fail", handler)
    elif where == "child":
        child = Application()
        child.get("/fail")(handler)
        app.mount("/child", child)
    else:
        if where == "behind a middleware":
            app.middlewares.append(Way().mark("m"))
        app.get("/fail")(handler)
    app.get("/next")(lambda: "the next answer")
    client = await serve(app)
    target = b"/child/fail" if where == "child" else b"/fail"
    came = await client.send(REQUEST % target + LAST_REQUEST)
    assert_broken_off(came)
    assert "Error after the response began in GET" in caplog.text


async def test_a_middleware_that_fails_behind_a_stream_breaks_it_off(serve: Serve) -> None:
    async def failing_late(request: web.Request, handler: Handler) -> web.StreamResponse:
        await handler(request)
        raise KeyError("secret")

    async def stream(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"the beginning")
        return response

    app = Application(middlewares=[failing_late])
    app.get("/fail")(stream)
    client = await serve(app)
    assert_broken_off(await client.send(REQUEST % b"/fail" + LAST_REQUEST))


def assert_broken_off(came: bytes) -> None:
    """One answer at most, and not ended as a chunked one ends."""
    assert came.count(b"HTTP/1.1 ") <= 1
    assert b"second answer" not in came
    assert b"next answer" not in came
    assert b"secret" not in came
    assert not came.endswith(b"0\r\n\r\n")


async def test_an_http_exception_that_was_sent_by_the_handler_itself_is_no_error(serve: Serve) -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        error = web.HTTPNotFound(text="sent by hand")
        await error.prepare(request)
        await error.write_eof()
        raise error

    app = Application()
    app.get("/")(handler)
    answer = await (await serve(app)).get("/")
    assert (answer.status, answer.text) == (404, "sent by hand")


# The list


@pytest.mark.parametrize("middleware", [None, "name", 7])
def test_what_cannot_be_called_is_no_middleware(middleware: Any) -> None:
    message = re.escape(f"{middleware!r} is no middleware; write 'async def middleware(request, handler)'.")
    with pytest.raises(RouteError, match=message):
        Application(middlewares=[middleware])
    with pytest.raises(RouteError, match=message):
        Application().middlewares.append(middleware)


async def test_the_list_can_be_changed_until_the_application_serves_or_is_mounted(serve: Serve, way: Way) -> None:
    app = Application(middlewares=[way.mark("x"), way.mark("b")])
    app.middlewares[0] = way.mark("a")
    app.middlewares.insert(0, way.mark("gone"))
    del app.middlewares[0]
    app.middlewares += [way.mark("c")]
    app.get("/")(show)
    client = await serve(app)
    assert len(app.middlewares) == 3
    assert await way.of(client, "/") == "abc"
    with pytest.raises(RuntimeError, match="Add middlewares before the application is run or mounted"):
        app.middlewares.append(way.mark("late"))
    child = Application()
    Application().mount("/child", child)
    with pytest.raises(RuntimeError, match="middlewares cannot change any more"):
        child.middlewares.append(way.mark("late"))


def test_an_error_handler_that_cannot_be_is_refused() -> None:
    app = Application()
    with pytest.raises(ConfigError, match="is no error; use a status from 400 to 599 or an exception class"):
        app.error(200)(crash)
