"""Middlewares and signals, as aiohttp documented them in version 0.21 beyond its samples: rows AW-130 to AW-142.

The samples are in test_seed_web.py. What a middleware factory may look like is told in test_old_middlewares.py, the
order of start and stop (AW-141) in test_lifespan.py, plain functions as handlers of signals in test_signals.py.
"""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp import WSMsgType

from tests.serving import Running, Serve
from webkit import web
from webkit.types import Handler

HINT = "is an old middleware factory"


# Middlewares


def with_old(*middlewares: Any) -> web.Application:
    """Make an application with old factories among its middlewares."""
    with pytest.warns(DeprecationWarning, match=HINT):
        return web.Application(middlewares=middlewares)


def number(name: str, events: list[str]) -> Any:
    """Make a factory that notes what is called, and adds its name to the text of the response."""

    async def factory(app: web.Application, handler: Handler) -> Handler:
        events.append(f"f{name}")

        async def middleware_handler(request: web.Request) -> web.StreamResponse:
            events.append(f"in{name}")
            response: Any = await handler(request)
            response.text += f"[{name}]"
            events.append(f"out{name}")
            return response  # type: ignore[no-any-return]

        return middleware_handler

    return factory


async def ok(request: web.Request) -> web.Response:
    return web.Response(text="OK")


async def test_factories_are_applied_in_reverse_order_for_each_request(serve: Serve) -> None:
    """AW-130: factories are awaited for each request, the last listed first, and the first listed is outermost."""
    events: list[str] = []
    app = with_old(number("1", events), number("2", events))
    app.router.add_route("GET", "/", ok)
    client = await serve(app)
    for _ in range(2):
        events.clear()
        assert (await client.get("/")).text == "OK[2][1]"
        assert events == ["f2", "f1", "in1", "in2", "out2", "out1"]


async def test_old_factories_and_new_middlewares_are_mixed(serve: Serve) -> None:
    """AW-130, AW-131: each stands where it is listed, whatever its kind."""
    events: list[str] = []

    @web.middleware
    async def new(request: web.Request, handler: Handler) -> web.StreamResponse:
        response: Any = await handler(request)
        response.text += "[new]"
        return response  # type: ignore[no-any-return]

    app = with_old(number("1", events), new, number("2", events))
    app.router.add_route("GET", "/", ok)
    assert (await (await serve(app)).get("/")).text == "OK[2][new][1]"


async def test_a_factory_that_awaits_holds_up_its_own_request_alone(serve: Serve) -> None:
    """AW-130: "they may perform extra await calls when creating a new handler, e.g. call database etc." """
    waiting, database = asyncio.Event(), asyncio.Event()

    async def ask_database(app: web.Application, handler: Handler) -> Handler:
        if not waiting.is_set():
            waiting.set()
            await database.wait()
        return handler

    app = with_old(ask_database)
    app.router.add_route("GET", "/", ok)
    client = await serve(app)
    first = asyncio.create_task(client.get("/"))
    await waiting.wait()
    assert (await client.get("/")).text == "OK"
    assert not first.done()
    database.set()
    assert (await first).text == "OK"


async def test_a_middleware_renders_the_errors_of_the_handler_and_of_the_router(serve: Serve) -> None:
    """AW-132: middlewares see 404 and 405 as they see what a handler raises."""

    async def render_errors(app: web.Application, handler: Handler) -> Handler:
        async def middleware_handler(request: web.Request) -> web.StreamResponse:
            try:
                return await handler(request)
            except web.HTTPException as error:
                return web.Response(text=f"sorry: {error.status}", status=error.status, headers=error.headers)

        return middleware_handler

    async def refuse(request: web.Request) -> None:
        raise web.HTTPForbidden

    app = with_old(render_errors)
    app.router.add_route("GET", "/", refuse)
    client = await serve(app)
    answers = [await client.get("/"), await client.get("/missing"), await client.post("/")]
    assert [(answer.status, answer.text) for answer in answers] == [
        (403, "sorry: 403"),
        (404, "sorry: 404"),
        (405, "sorry: 405"),
    ]
    assert answers[2].headers["Allow"] == "GET"


async def test_the_last_factory_gets_what_the_router_has_selected(serve: Serve) -> None:
    """AW-135: ``resolve(request)`` gives the match; where nothing matches, its handler raises 404 or 405."""
    selected: list[tuple[dict[str, str], int | None]] = []

    async def select(app: web.Application, handler: Handler) -> Handler:
        async def middleware_handler(request: web.Request) -> web.StreamResponse:
            match = await app.router.resolve(request)
            error = getattr(match, "http_exception", None)
            selected.append((dict(match), error and error.status))
            if error is not None:
                with pytest.raises(type(error)):
                    await match.handler(request)
            return await handler(request)

        return middleware_handler

    app = with_old(select)
    app.router.add_route("GET", "/{name}", ok)
    client = await serve(app)
    assert [(await client.request(*asked)).status for asked in (("GET", "/a"), ("GET", "/a/b"), ("PUT", "/a"))] == [
        200,
        404,
        405,
    ]
    assert selected == [({"name": "a"}, None), ({}, 404), ({}, 405)]


async def test_middlewares_may_be_appended_until_the_application_runs(serve: Serve) -> None:
    """AW-133: the list of ``app.middlewares`` can change before the start, and says what to do after it."""
    events: list[str] = []
    app = web.Application()
    app.router.add_route("GET", "/", ok)
    with pytest.warns(DeprecationWarning, match=HINT):
        app.middlewares.append(number("late", events))
    client = await serve(app)
    assert (await client.get("/")).text == "OK[late]"
    with pytest.raises(RuntimeError, match="Add middlewares before the application is run or mounted"):
        app.middlewares.append(number("too late", events))


# Signals


class Announced:
    """An application whose answers are announced, with a handler for each kind of response."""

    def __init__(self) -> None:
        self.seen: list[str] = []
        self.app = web.Application()
        self.app.on_response_prepare.append(self.on_prepare)
        for kind in (
            self.text,
            self.stream,
            self.file,
            self.socket,
            self.raised,
            self.returned,
            self.crash,
            self.moved,
        ):
            self.app.router.add_get(f"/{kind.__name__}", kind)
        self.app.router.add_post("/post", self.text)
        self.app.error(410)(self.answer)

    async def on_prepare(self, request: web.Request, response: web.StreamResponse) -> None:
        """Do what the documentation does, and take a header away."""
        response.headers["My-Header"] = "value"
        response.headers.popall("X-Handler", None)
        self.seen.append(f"{request.method} {request.path} {response.status}")

    async def text(self, request: web.Request) -> web.Response:
        return web.Response(text="text", headers={"My-Header": "other", "X-Handler": "1"})

    async def stream(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"X-Handler": "1"})
        await response.prepare(request)
        await response.prepare(request)  # a second time: nothing is announced again
        await response.write(b"stream")
        return response

    async def file(self, request: web.Request) -> web.FileResponse:
        return web.FileResponse(Path(__file__), headers={"X-Handler": "1"})

    async def socket(self, request: web.Request) -> web.WebSocketResponse:
        response = web.WebSocketResponse()
        await response.prepare(request)
        await response.close()
        return response

    async def raised(self, request: web.Request) -> None:
        raise web.HTTPForbidden(headers={"X-Handler": "1"})

    async def returned(self, request: web.Request) -> web.StreamResponse:
        return web.HTTPGone(headers={"X-Handler": "1"})

    async def crash(self, request: web.Request) -> None:
        raise ValueError("boom")

    async def moved(self, request: web.Request) -> None:
        raise web.HTTPFound("/text", headers={"X-Handler": "1"})

    async def answer(self, request: web.Request, error: Exception) -> dict[str, bool]:
        return {"gone": True}


ANNOUNCED = [
    ("GET", "/text", {}, 200),
    ("HEAD", "/text", {}, 200),
    ("GET", "/stream", {}, 200),
    ("HEAD", "/stream", {}, 200),
    ("GET", "/file", {}, 200),
    ("GET", "/file", {"Range": "bytes=0-3"}, 206),
    ("GET", "/file", {"If-Modified-Since": "Fri, 31 Dec 9999 23:59:59 GMT"}, 304),
    ("GET", "/raised", {}, 403),
    ("GET", "/raised", {"Accept": "text/html"}, 403),
    ("GET", "/returned", {}, 410),
    ("GET", "/moved", {}, 302),
    ("GET", "/crash", {}, 500),
    ("GET", "/missing", {}, 404),
    ("PUT", "/text", {}, 405),
    ("POST", "/post", {"Expect": "100-continue"}, 200),
]


@pytest.mark.parametrize(("method", "path", "headers", "status"), ANNOUNCED)
async def test_every_response_is_announced_once_and_its_headers_may_change(
    serve: Serve, method: str, path: str, headers: dict[str, str], status: int
) -> None:
    """AW-140: the signal is sent in ``prepare()``, for whatever kind of response; not for ``100 Continue``."""
    announced = Announced()
    client = await serve(announced.app)
    answer = await client.request(method, path, headers=headers)
    assert announced.seen == [f"{method} {path} {status}"]
    assert (answer.status, answer.headers.getall("My-Header")) == (status, ["value"])
    assert "X-Handler" not in answer.headers


async def test_a_websocket_is_announced_once_too(serve: Serve) -> None:
    """AW-140: the headers of the 101 may change."""
    announced = Announced()
    client = await serve(announced.app)
    async with client.session.ws_connect(client.url / "socket") as connection:
        assert connection._response.headers["My-Header"] == "value"
        assert (await connection.receive()).type == WSMsgType.CLOSE
    assert announced.seen == ["GET /socket 101"]


async def test_responses_below_are_announced_to_those_above_and_not_the_other_way_round(running: Running) -> None:
    """AW-140 in mounted applications: the signals of all applications around the request are sent."""
    seen: list[str] = []

    def announce(name: str) -> Callable[[web.Request, web.StreamResponse], Awaitable[None]]:
        async def on_prepare(request: web.Request, response: web.StreamResponse) -> None:
            seen.append(name)

        return on_prepare

    apps = {name: web.Application() for name in ("root", "child", "leaf")}
    for name, app in apps.items():
        app.on_response_prepare.append(announce(name))
        app.router.add_get("/", ok)
    apps["child"].add_subapp("/leaf", apps["leaf"])
    apps["root"].add_subapp("/child", apps["child"])
    async with running(apps["root"]) as client:
        for path, names in (
            ("/", ["root"]),
            ("/child/", ["child", "root"]),
            ("/child/leaf/", ["child", "leaf", "root"]),
            ("/child/leaf/missing", ["child", "leaf", "root"]),
            ("/missing", ["root"]),
        ):
            seen.clear()
            await client.get(path)
            assert sorted(seen) == names, path
