"""Middleware factories as they were until aiohttp 2.3, ``async def factory(app, handler)``: as documented, one hint."""

import inspect
import logging
from functools import partial, wraps
from typing import Any

import pytest
from aiohttp import web

from tests.serving import Serve
from webkit import Application, RouteError
from webkit.errors import HTTPForbidden, HTTPNotFound
from webkit.middleware import from_factory
from webkit.types import Handler, Middleware, Route

HINT = "is an old middleware factory"


def make_factory(name: str, events: list[str]) -> Any:
    async def factory(app: web.Application, handler: Handler) -> Handler:
        events.append(f"make {name}")

        async def middleware_handler(request: web.Request) -> web.StreamResponse:
            events.append(f"in {name}")
            response = await handler(request)
            events.append(f"out {name}")
            return response

        return middleware_handler

    return factory


def make_middleware(name: str, events: list[str]) -> Middleware:
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        events.append(f"in {name}")
        response = await handler(request)
        events.append(f"out {name}")
        return response

    return middleware


async def hello(request: web.Request) -> str:
    return "Hello"


async def test_factories_are_awaited_for_each_request_the_last_listed_first(serve: Serve) -> None:
    events: list[str] = []
    with pytest.warns(DeprecationWarning, match=HINT):
        app = Application(middlewares=[make_factory("1", events), make_factory("2", events)])
    app.add_get("/", hello)
    client = await serve(app)
    once = ["make 2", "make 1", "in 1", "in 2", "out 2", "out 1"]
    assert (await client.get("/")).text == "Hello"
    assert events == once
    assert (await client.get("/")).text == "Hello"
    assert events == once * 2


async def test_factories_are_awaited_before_any_middleware_of_the_new_kind_runs(serve: Serve) -> None:
    events: list[str] = []
    old = from_factory(make_factory("old", events))
    app = Application(middlewares=[make_middleware("first", events), old, make_middleware("last", events)])
    app.add_get("/", hello)
    client = await serve(app)
    await client.get("/")
    assert events == ["make old", "in first", "in old", "in last", "out last", "out old", "out first"]


async def test_a_factory_is_taken_everywhere_that_a_middleware_is(serve: Serve) -> None:
    events: list[str] = []
    app = Application()
    with pytest.warns(DeprecationWarning, match=HINT):
        app.middlewares.append(make_factory("application", events))
    with pytest.warns(DeprecationWarning, match=HINT):
        group = app.group("/group", middlewares=[make_factory("group", events)])
    with pytest.warns(DeprecationWarning, match=HINT):
        group.add_get("/page", hello, middlewares=[make_factory("route", events)])
    with pytest.warns(DeprecationWarning, match=HINT):
        app.add_routes([Route("GET", "/listed", hello, middlewares=[make_factory("listed", events)])])
    client = await serve(app)
    await client.get("/group/page")
    assert [event for event in events if event.startswith("in")] == ["in application", "in group", "in route"]
    events.clear()
    await client.get("/listed")
    assert [event for event in events if event.startswith("in")] == ["in application", "in listed"]


async def test_a_factory_can_replace_another_in_the_list(serve: Serve) -> None:
    events: list[str] = []
    app = Application(middlewares=[make_middleware("replaced", events), make_middleware("dropped", events)])
    with pytest.warns(DeprecationWarning, match=HINT):
        app.middlewares[0] = make_factory("one", events)
    with pytest.warns(DeprecationWarning, match=HINT):
        app.middlewares[1:] = [make_factory("two", events)]
    app.add_get("/", hello)
    client = await serve(app)
    await client.get("/")
    assert events == ["make two", "make one", "in one", "in two", "out two", "out one"]


async def test_the_list_of_middlewares_can_be_filled_by_slice(serve: Serve) -> None:
    events: list[str] = []
    app = Application()
    app.middlewares[:] = [make_middleware("only", events)]
    client = await serve(app)
    assert (await client.get("/nowhere")).status == 404
    assert events == ["in only"]


async def test_a_factory_gets_the_application_of_the_request(serve: Serve) -> None:
    seen: list[web.Application] = []

    async def factory(application: web.Application, handler: Handler) -> Handler:
        seen.append(application)
        return handler

    child = Application(middlewares=[from_factory(factory)])
    child.add_get("/", hello)
    app = Application(middlewares=[from_factory(factory)])
    app.mount("/child", child)
    client = await serve(app)
    assert (await client.get("/child/")).status == 200
    assert seen == [app.aiohttp, child.aiohttp]


async def test_what_a_factory_makes_sees_404_and_405_as_exceptions(serve: Serve) -> None:
    seen: list[int] = []

    async def factory(app: web.Application, handler: Handler) -> Handler:
        async def middleware_handler(request: web.Request) -> web.StreamResponse:
            try:
                return await handler(request)
            except web.HTTPException as error:
                seen.append(error.status)
                raise

        return middleware_handler

    app = Application(middlewares=[from_factory(factory)])
    app.add_post("/", hello)
    client = await serve(app)
    assert ((await client.get("/nowhere")).status, (await client.get("/")).status) == (404, 405)
    assert seen == [404, 405]


async def test_a_factory_may_answer_without_the_handler_or_refuse(serve: Serve) -> None:
    async def answer(app: web.Application, handler: Handler) -> Handler:
        async def closed(request: web.Request) -> web.StreamResponse:
            return web.Response(text="closed for today")

        return closed

    async def refuse(app: web.Application, handler: Handler) -> Handler:
        raise HTTPForbidden

    app = Application()
    app.add_get("/closed", hello, middlewares=[from_factory(answer)])
    app.add_get("/refused", hello, middlewares=[from_factory(refuse)])
    client = await serve(app)
    assert (await client.get("/closed")).text == "closed for today"
    assert (await client.get("/refused")).status == 403


async def test_the_hint_comes_once_for_a_factory_and_names_the_line_where_it_is_written() -> None:
    async def written_here(app: web.Application, handler: Handler) -> Handler:
        return handler

    factory: Any = written_here
    with pytest.warns(DeprecationWarning, match=HINT) as caught:
        Application(middlewares=[factory])
    (hint,) = caught
    line = inspect.getsourcelines(factory)[1]
    assert (hint.filename, hint.lineno) == (__file__, line)
    assert "webkit.middleware.from_factory(factory)" in str(hint.message)
    assert factory.__qualname__ in str(hint.message)
    Application(middlewares=[factory])


class Doors:
    """Factories of other shapes than a coroutine function."""

    async def method(self, app: web.Application, handler: Handler) -> Handler:
        return handler

    async def __call__(self, app: web.Application, handler: Handler) -> Handler:
        return handler


def plain(app: web.Application, handler: Handler) -> Handler:
    return handler


async def with_word(word: str, app: web.Application, handler: Handler) -> Handler:
    return handler


@pytest.mark.parametrize(
    "factory",
    [Doors().method, Doors(), plain, partial(with_word, "please")],
    ids=["method", "object", "plain function", "partial"],
)
async def test_a_factory_may_have_any_shape_that_can_be_called(factory: Any, serve: Serve) -> None:
    app = Application(middlewares=[from_factory(factory)])
    app.add_get("/", hello)
    client = await serve(app)
    assert (await client.get("/")).text == "Hello"


def test_the_hint_comes_for_every_shape_of_factory_once() -> None:
    doors: Any = Doors()

    def decorate(function: Any) -> Any:
        @wraps(function)
        def decorated(*args: Any, **kwargs: Any) -> Any:
            return function(*args, **kwargs)

        return decorated

    class Decorated:
        @decorate
        async def method(self, app: web.Application, handler: Handler) -> Handler:
            return handler

    async def local(app: web.Application, handler: Handler) -> Handler:
        return handler

    factory: Any
    for factory in (doors.method, doors, decorate(local), partial(local), Decorated().method):
        with pytest.warns(DeprecationWarning, match=HINT):
            Application(middlewares=[factory])
    Application(middlewares=[doors.method, doors])


def test_a_middleware_that_wraps_a_factory_itself_is_none() -> None:
    async def factory(app: web.Application, handler: Handler) -> Handler:
        return handler

    @wraps(factory)
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        return await (await factory(request.app, handler))(request)

    Application(middlewares=[middleware])


async def test_a_factory_that_gives_no_handler_is_named_in_the_log(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    async def forgetful(app: web.Application, handler: Handler) -> Any:
        pass

    app = Application(middlewares=[from_factory(forgetful)])
    app.add_get("/", hello)
    client = await serve(app)
    with caplog.at_level(logging.ERROR):
        assert (await client.get("/")).status == 500
    assert "forgetful gave None; an old middleware factory returns a handler." in caplog.text


def test_only_what_can_be_called_is_a_factory() -> None:
    with pytest.raises(RouteError, match="no middleware factory"):
        from_factory("factory")  # type: ignore[arg-type]


async def test_a_factory_made_by_hand_is_still_a_middleware_for_others(serve: Serve) -> None:
    async def factory(app: web.Application, handler: Handler) -> Handler:
        return handler

    adapted = from_factory(factory)

    async def around(request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.path == "/hidden":
            raise HTTPNotFound
        return await adapted(request, handler)

    app = Application(middlewares=[around])
    app.add_get("/", hello)
    client = await serve(app)
    assert (await client.get("/")).text == "Hello"
    assert "factory" in repr(adapted)
