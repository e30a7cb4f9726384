"""Adding routes: all spellings end in the same, decorators give back what they decorate, groups prefix and wrap."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp_cors
import pytest
from aiohttp import web

from tests.resolving import make_request
from tests.serving import Serve
from webkit import Application, Route, RouteError, View
from webkit.router import RouteAdder

Added = list[tuple[str, str, str | None]]


async def show(request: web.Request) -> Any:
    return web.Response(text="shown")


class Page(View):
    async def get(self) -> str:
        return "page"


class OldPage(web.View):
    async def get(self) -> web.Response:
        return web.Response(text="old page")


def added(app: Application) -> Added:
    """Give method, template and name of every route."""
    return [(route.method, route.resource.template, route.name) for route in app.router.routes()]  # type: ignore[union-attr]


def one_table() -> web.RouteTableDef:
    table = web.RouteTableDef()
    table.get("/x", name="n")(show)
    table.view("/page")(OldPage)
    return table


GET: Added = [("GET", "/x", "n"), ("HEAD", "/x", "n")]

SPELLINGS: list[tuple[Callable[[Application], object], Added]] = [
    (lambda app: app.add_route("GET", "/x", show, name="n"), GET[:1]),
    (lambda app: app.router.add_route("GET", "/x", show, name="n"), GET[:1]),
    (lambda app: app.router.add_resource("/x", name="n").add_route("GET", show), GET[:1]),
    (lambda app: app.route("GET", "/x", name="n")(show), GET[:1]),
    (lambda app: app.router.route("GET", "/x", name="n")(show), GET[:1]),
    (lambda app: app.add_routes([Route("GET", "/x", show, name="n")]), GET[:1]),
    (lambda app: app.add_routes([web.route("PUT", "/x", show, name="n")]), [("PUT", "/x", "n")]),
    (lambda app: app.router.add_routes([web.route("*", "/x", show)]), [("*", "/x", None)]),
    (lambda app: app.add_routes([web.route("GET", "/x", show, name="n")]), GET),  # in aiohttp too
    (lambda app: app.group("").add_route("GET", "/x", show, name="n"), GET[:1]),
    (lambda app: app.get("/x", name="n")(show), GET),
    (lambda app: app.add_get("/x", show, name="n"), GET),
    (lambda app: app.router.get("/x", name="n")(show), GET),
    (lambda app: app.router.add_get("/x", show, name="n"), GET),
    (lambda app: app.add_routes([web.get("/x", show, name="n")]), GET),
    (lambda app: app.add_get("/x", show, name="n", allow_head=False), GET[:1]),
    (lambda app: app.get("/x", name="n", allow_head=False)(show), GET[:1]),
    (lambda app: app.add_routes([web.get("/x", show, name="n", allow_head=False)]), GET[:1]),
    (lambda app: app.add_routes(one_table()), [*GET, ("*", "/page", None)]),
    (lambda app: app.add_view("/page", Page, name="n"), [("*", "/page", "n")]),
    (lambda app: app.view("/page", name="n")(Page), [("*", "/page", "n")]),
    (lambda app: app.router.add_view("/page", OldPage), [("*", "/page", None)]),
    (lambda app: app.add_routes([web.view("/page", Page)]), [("*", "/page", None)]),
    (lambda app: app.add_route("*", "/page", Page), [("*", "/page", None)]),
    (lambda app: app.add_route("get", "/x", show), [("GET", "/x", None)]),
]


@pytest.mark.parametrize(("add", "routes"), SPELLINGS)
def test_every_spelling_adds_the_same_routes(add: Callable[[Application], object], routes: Added) -> None:
    app = Application()
    add(app)
    assert added(app) == routes


def test_routes_given_at_once_are_those_added_later() -> None:
    routes = [Route("GET", "/a", show), web.get("/b", show), *one_table()]
    late = Application()
    late.add_routes(routes)
    assert added(Application(routes=routes)) == added(late)


@pytest.mark.parametrize("method", ["head", "options", "post", "put", "patch", "delete"])
def test_each_method_has_a_decorator_and_a_call(method: str) -> None:
    app = Application()
    for prefix, adder in (("/app", app), ("/router", app.router), ("", app.group("/group"))):
        getattr(adder, method)(f"{prefix}/decorated")(show)
        getattr(adder, f"add_{method}")(f"{prefix}/called", show)
    places = ("/app", "/router", "/group")
    paths = [f"{place}/{how}" for place in places for how in ("decorated", "called")]
    assert added(app) == [(method.upper(), path, None) for path in paths]


def test_a_decorator_gives_back_what_it_decorates() -> None:
    app = Application()
    assert app.get("/a")(show) is show
    assert app.route("POST", "/a")(show) is show
    assert app.group("/g").get("/a")(show) is show
    assert app.view("/page")(Page) is Page


def test_one_function_may_have_several_routes() -> None:
    app = Application()

    @app.get("/a")
    @app.post("/a")
    @app.get("/b", name="b")
    async def show_all() -> str:
        return ""

    assert added(app) == [
        *(("GET", "/b", "b"), ("HEAD", "/b", "b")),
        *(("POST", "/a", None), ("GET", "/a", None), ("HEAD", "/a", None)),
    ]


def test_adding_gives_the_route() -> None:
    app = Application()
    route = app.add_route("GET", "/a", show, name="a")
    assert (route.method, route.name, route.endpoint) == ("GET", "a", show)
    assert route.origin == f"{__name__}.show"
    assert app.add_get("/b", show).method == "GET"
    assert [route.method for route in app.add_routes([web.get("/c", show)])] == ["GET"]


def test_the_last_resource_is_given_again_for_the_same_path_and_name() -> None:
    """AW-040."""
    router = Application().router
    one = router.add_resource("/a")
    assert router.add_resource("/a") is one
    assert router.add_resource("/a", name="n") is not one
    assert router.add_resource("/b") is not one
    assert router.add_resource("/a") is not one


WRONG: list[tuple[Callable[[Any], object], str]] = [
    (lambda app: app.add_view("/", show), "is no View class; use add_route for a function."),
    (lambda app: app.view("/")(show), "is no View class"),
    (lambda app: app.add_view("/", object), "is no View class"),
    (
        lambda app: app.add_route("GET", "/", object),
        "is no handler; use a function, a callable object or a View class.",
    ),
    (lambda app: app.add_route("GET", "/", "show"), "'show' is no handler"),
    (lambda app: app.add_route("GET", "/", None), "None is no handler"),
    (lambda app: app.add_routes([("GET", "/", show)]), "is no route; write Route('GET', '/path', handler)."),
    (lambda app: app.add_route("GET", "x", show), "A path starts with '/': write '/x' instead of 'x'."),
    (lambda app: app.post("{x}")(show), "A path starts with '/'"),
    (lambda app: app.group("api"), "The prefix of a group starts with '/': write '/api'."),
    (lambda app: app.group("/api").get("x")(show), "in a group too: write '/x' instead of 'x'."),
    (lambda app: app.group("/api").add_route("GET", "x", show), "in a group too: write '/x'"),
    (lambda app: app.get("/", expect_handler=lambda request: None)(show), "must be a coroutine function"),
    (lambda app: app.get("/", middlewares=[None])(show), "None is no middleware"),
    (lambda app: app.group("/", middlewares=["x"]), "'x' is no middleware"),
]


@pytest.mark.parametrize(("add", "message"), WRONG)
def test_what_cannot_be_added_is_refused_with_what_to_write_instead(add: Callable[[Any], object], message: str) -> None:
    """AW-008."""
    with pytest.raises(RouteError, match=re.escape(message)):
        add(Application())


# Groups


async def test_a_group_puts_its_prefix_before_its_paths(serve: Serve) -> None:
    app = Application()
    api = app.group("/api")
    api.get("/items/{id:int}", name="item")(show)
    api.post("")(show)
    api.view("/page")(Page)
    api.add_routes([web.put("/put", show), Route("DELETE", "/delete", show)])
    deep = api.group("/v2/")
    deep.get("/deep")(show)
    client = await serve(app)
    asked = [("GET", "/items/1"), ("HEAD", "/items/1"), ("POST", ""), ("GET", "/page"), ("PUT", "/put")]
    for method, path in [*asked, ("DELETE", "/delete"), ("GET", "/v2/deep"), ("HEAD", "/v2/deep")]:
        assert (await client.request(method, f"/api{path}")).status == 200, (method, path)
    assert str(app.url_for("item", id=1)) == "/api/items/1"
    assert (await client.get("/items/1")).status == 404


async def test_middlewares_of_groups_are_outside_those_of_the_route(serve: Serve) -> None:
    def mark(letter: str) -> Any:
        async def middleware(request: web.Request, handler: Any) -> web.StreamResponse:
            response: web.StreamResponse = await handler(request)
            response.headers["X-Way"] = letter + response.headers.get("X-Way", "")
            return response

        return middleware

    app = Application(middlewares=[mark("a")])
    outer = app.group("/outer", middlewares=[mark("b"), mark("c")])
    inner = outer.group("/inner", middlewares=[mark("d")])
    inner.get("/get", middlewares=[mark("e")])(show)
    inner.post("/post", middlewares=[mark("e"), mark("f")])(show)
    inner.view("/page")(Page)
    outer.get("/get")(show)
    app.get("/get")(show)
    client = await serve(app)
    ways = [
        *(("GET", "/outer/inner/get", "abcde"), ("HEAD", "/outer/inner/get", "abcde")),
        *(("POST", "/outer/inner/post", "abcdef"), ("GET", "/outer/inner/page", "abcd")),
        *(("GET", "/outer/get", "abc"), ("GET", "/get", "a")),
    ]
    for method, path, way in ways:
        assert (await client.request(method, path)).headers["X-Way"] == way, path


async def test_a_folder_may_be_among_the_routes_of_a_group_without_middlewares(serve: Serve, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("a")
    app = Application()
    app.group("/api").group("/v1").add_routes([web.static("/files", tmp_path, name="files"), web.get("/x", show)])
    client = await serve(app)
    assert (await client.get("/api/v1/files/a.txt")).text == "a"
    assert (await client.get("/files/a.txt")).status == 404
    assert str(app.router["files"].url_for(filename="a.txt")) == "/api/v1/files/a.txt"


@pytest.mark.parametrize("is_outer", [True, False])
def test_a_group_does_not_serve_a_folder_past_its_middlewares(tmp_path: Path, is_outer: bool) -> None:
    async def guard(request: web.Request, handler: Any) -> web.StreamResponse:
        raise web.HTTPForbidden

    outer = Application().group("/api", middlewares=[guard] if is_outer else [])
    group = outer.group("/v1", middlewares=[] if is_outer else [guard])
    with pytest.raises(RouteError, match=r"The middlewares of the group '/.+' cannot be put around a folder"):
        group.add_routes([web.static("/files", tmp_path)])


def test_a_group_takes_what_an_application_takes() -> None:
    assert isinstance(Application().group("/g"), RouteAdder)


# What the router shows


def test_the_router_lists_resources_and_routes_but_none_of_its_machinery(tmp_path: Path) -> None:
    """AW-054."""
    app = Application()
    app.get("/a", name="a")(show)
    child = Application()
    child.get("/b", name="b")(show)
    app.mount("/child", child, name="child")
    app.router.add_static("/files", tmp_path)
    resources = app.router.resources()
    assert [resource.get_info().get("path") or resource.get_info().get("prefix") for resource in resources] == [
        *("/a", "/child", "/files"),
    ]
    assert [(route.method, route.resource.canonical) for route in app.router.routes() if route.resource] == [
        *(("GET", "webkit:/a"), ("HEAD", "webkit:/a"), ("GET", "webkit:/child/b"), ("HEAD", "webkit:/child/b")),
        *(("GET", "/files"), ("HEAD", "/files")),
    ]
    assert sorted(app.router.named_resources()) == ["a", "child:b"]
    assert bool(Application().router), "An empty router is true, as in aiohttp."


async def test_the_router_tells_when_it_is_frozen(serve: Serve) -> None:
    app = Application()
    assert not app.router.frozen
    await serve(app)
    assert app.router.frozen


async def test_the_router_resolves_as_aiohttps_does() -> None:
    """AW-135."""
    app = Application()
    app.get("/{id:int}")(show)
    found = await app.router.resolve(make_request("GET", "/7"))
    assert (found["id"], found.route.method) == ("7", "GET")
    assert isinstance((await app.router.resolve(make_request("GET", "/x"))).http_exception, web.HTTPNotFound)


# With packages that know aiohttp's router


async def test_aiohttp_cors_takes_the_routes_and_resources(serve: Serve) -> None:
    app = Application()
    options = aiohttp_cors.ResourceOptions(allow_headers="*")  # type: ignore[no-untyped-call]
    cors = aiohttp_cors.setup(app.aiohttp, defaults={"http://there.example": options})
    cors.add(app.add_get("/route/{id:int}", show))
    resource = cors.add(app.router.add_resource("/resource"))
    cors.add(resource.add_route("PUT", show))
    client = await serve(app)
    origin = {"Origin": "http://there.example"}
    assert (await client.get("/route/1", headers=origin)).headers["Access-Control-Allow-Origin"] == origin["Origin"]
    for target, method in (("/route/1", "GET"), ("/resource", "PUT")):
        asked = await client.request("OPTIONS", target, headers={**origin, "Access-Control-Request-Method": method})
        assert (asked.status, asked.headers.get("Access-Control-Allow-Methods")) == (200, method)
