"""Resources: names, URLs by name across mounted applications, and what a request knows of its route."""

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from uuid import UUID

import pytest
from aiohttp import web
from yarl import URL

import webkit
from tests.resolving import match
from tests.serving import AnyApplication, Serve
from webkit import Application, NoSuchRoute, RouteError, View


async def show(request: web.Request) -> Any:  # not str: aiohttp's router takes it too, by name at least
    return str(dict(request.match_info))


def unwrap(app: AnyApplication) -> web.Application:
    return app.aiohttp if isinstance(app, Application) else app


@pytest.fixture
def app() -> Application:
    app = Application()
    app.get("/", name="root")(show)
    app.get("/{user}/info", name="user-info")(show)
    app.get("/users/{id:int}", name="user")(show)
    app.get("/files/{path:path}", name="files")(show)
    return app


# By name


def test_a_route_is_known_by_its_name(app: Application) -> None:
    resource = app.router["user"]
    assert app.named_resource["user"] is resource
    assert app.aiohttp.router["user"] is resource
    assert app.router.named_resources()["user"] is resource
    assert list(app.router) == ["root", "user-info", "user", "files"]
    assert ("user" in app.router, "usr" in app.router, len(app.router)) == (True, False, 4)


@pytest.mark.parametrize(
    "ask",
    [
        lambda app: app.router["usr"],
        lambda app: app.named_resource["usr"],
        lambda app: app.url_for("usr", id=1),
    ],
)
def test_a_name_that_nobody_has_is_answered_with_the_nearest(app: Application, ask: Callable[[Any], Any]) -> None:
    with pytest.raises(NoSuchRoute, match=re.escape("No route is named 'usr'. Did you mean 'user'?")):
        ask(app)


def test_an_unknown_name_is_a_key_error_as_in_aiohttp(app: Application) -> None:
    with pytest.raises(KeyError):
        app.router["nothing of the kind"]
    assert app.router.get("nothing of the kind") is None


def test_a_name_may_stand_for_one_path_only(app: Application) -> None:
    """AW-047."""
    with pytest.raises(RouteError, match="The route name 'user' for '/other' cannot be: Duplicate 'user'"):
        app.get("/other", name="user")(show)


def test_several_methods_of_one_path_may_share_its_name(app: Application) -> None:
    app.post("/users/{id:int}", name="user")(show)
    app.view("/users/{id:int}", name="user")(View)
    resource = app.router["user"]
    assert [route.method for route in resource] == ["GET", "HEAD", "POST", "*"]


@pytest.mark.parametrize("name", ["two words", "class", "1st", "", "a:", "a/b"])
def test_what_is_no_name_is_refused(name: str) -> None:
    """AW-047."""
    with pytest.raises(RouteError, match="cannot be: Incorrect route name"):
        Application().get("/", name=name)(show)


@pytest.mark.parametrize("name", ["user", "user-info", "admin:user", "a.b.c", "été"])
def test_identifiers_with_dashes_dots_and_colons_between_are_names(name: str) -> None:
    """AW-047."""
    app = Application()
    app.get("/", name=name)(show)
    assert str(app.url_for(name)) == "/"


# URLs

URLS: list[tuple[str, dict[str, Any], Any, str]] = [
    ("root", {}, None, "/"),
    ("root", {}, {"a": "b", "c": "d"}, "/?a=b&c=d"),
    ("root", {}, "a=b", "/?a=b"),
    ("root", {}, "?a=b", "/?a=b"),
    ("root", {}, {}, "/"),
    ("root", {}, "", "/"),
    ("root", {}, {"q": "a b&c=é/?"}, "/?q=a+b%26c%3D%C3%A9/?"),
    ("root", {}, {"page": 2, "tag": ["x", "y"]}, "/?page=2&tag=x&tag=y"),
    ("user-info", {"user": "john_doe"}, "?a=b", "/john_doe/info?a=b"),
    ("user-info", {"user": "john/doe é"}, None, "/john%2Fdoe%20%C3%A9/info"),
    ("user", {"id": 1}, None, "/users/1"),
    ("user", {"id": "1"}, None, "/users/1"),
    ("files", {"path": "a/b c.txt"}, None, "/files/a/b%20c.txt"),
]


@pytest.mark.parametrize(("name", "parts", "query", "url"), URLS)
def test_a_url_is_built_from_a_name_and_parts(
    app: Application, name: str, parts: Mapping[str, Any], query: Any, url: str
) -> None:
    """AW-049, AW-050."""
    assert str(app.url_for(name, query=query, **parts)) == url
    # and as it was spelled in aiohttp 0.21
    assert app.named_resource[name].url(parts=parts, query=query) == url  # type: ignore[attr-defined]


def test_a_part_may_have_any_name() -> None:
    app = Application()
    app.get("/{name}/{self}", name="odd")(show)
    assert str(app.url_for("odd", name="a", self="b")) == "/a/b"


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({}, "The path '/users/{id:int}' needs a value for 'id'."),
        ({"ids": 1}, "has no parameter 'ids'. Did you mean 'id'?"),
        ({"id": 1, "page": 2}, "has no parameter 'page'. It has id."),
        ({"id": "x"}, "'x' does not fit {id:int} in the path '/users/{id:int}'."),
    ],
)
def test_parts_that_do_not_fit_the_path_are_refused(app: Application, parts: dict[str, Any], message: str) -> None:
    """AW-050: what is too much is refused as well."""
    with pytest.raises(RouteError, match=re.escape(message)):
        app.url_for("user", **parts)


def test_a_url_that_a_browser_would_take_for_another_host_is_refused() -> None:
    app = Application()
    app.get("/{path:path}", name="rest")(show)
    with pytest.raises(RouteError, match=re.escape("'//evil.example' begins with '//'")):
        app.url_for("rest", path="/evil.example")


async def test_handlers_build_urls_in_all_spellings(serve: Serve) -> None:
    async def links(request: web.Request) -> list[str]:
        router = request.app.router
        return [
            str(router["user"].url_for(id="1")),
            str(router["user"].url_for(id=1)),  # type: ignore[arg-type]
            router["user-info"].url(parts={"user": "john_doe"}, query="?a=b"),  # type: ignore[attr-defined]
            str(webkit.url_for(request, "user", id=1)),
            str(Application.of(request).url_for("user", query={"a": 1}, id=1)),
            str(request.match_info.route.url_for()),
        ]

    app = Application()
    app.get("/", name="root")(links)
    app.get("/users/{id:int}", name="user")(show)
    app.get("/{user}/info", name="user-info")(show)
    client = await serve(app)
    assert (await client.get("/")).json == [
        *("/users/1", "/users/1", "/john_doe/info?a=b", "/users/1", "/users/1?a=1", "/"),
    ]


# Across mounted applications: root / shop (named) / admin (named) / hidden (unnamed)


async def tell_urls(request: web.Request) -> Any:
    """Build every URL that is asked for, and tell it or the kind of the error."""
    answers = {}
    for name in request.query.getall("name"):
        try:
            answers[name] = str(webkit.url_for(request, name))
        except RouteError as error:
            answers[name] = type(error).__name__
    return answers


def build_tree(*, plain_root: bool = False, plain_leaf: bool = False) -> AnyApplication:
    """``/shop`` is mounted as ``shop``, ``/shop/admin`` below it as ``admin``, ``/shop/hidden`` without a name."""
    admin: AnyApplication = web.Application() if plain_leaf else Application()
    hidden, shop = Application(), Application()
    root: AnyApplication = web.Application() if plain_root else Application()
    for app, own in ((admin, "list"), (hidden, "secret"), (shop, "cart"), (root, "home")):
        app.router.add_get(f"/{own}", show, name=own)
        app.router.add_get("/urls", tell_urls if app is not admin else make_plain(tell_urls), name="same")
    shop.mount("/admin", admin, name="admin")
    shop.mount("/hidden", hidden)
    if isinstance(root, Application):
        root.mount("/shop", shop, name="shop")
    else:
        root.add_subapp("/shop", shop.aiohttp)
    return root


def make_plain(handler: Callable[[web.Request], Awaitable[Any]]) -> Callable[[web.Request], Awaitable[Any]]:
    """Give *handler* as aiohttp wants it, which takes responses only."""

    async def answer(request: web.Request) -> web.Response:
        return web.json_response(await handler(request))

    return answer


NAMES: list[tuple[str, dict[str, str]]] = [
    (
        "/urls",
        {
            "home": "/home",
            "same": "/urls",
            "shop:cart": "/shop/cart",
            "shop:same": "/shop/urls",
            "shop:admin:list": "/shop/admin/list",
            "shop:admin:same": "/shop/admin/urls",
            "cart": "NoSuchRoute",
            "list": "NoSuchRoute",
            "admin:list": "NoSuchRoute",
            "secret": "NoSuchRoute",
            "shop:secret": "NoSuchRoute",
        },
    ),
    (
        "/shop/urls",
        {
            "cart": "/shop/cart",
            "same": "/shop/urls",
            "admin:list": "/shop/admin/list",
            "home": "/home",  # from the root
            "shop:cart": "/shop/cart",  # by the whole name too
            "secret": "NoSuchRoute",
        },
    ),
    (
        "/shop/admin/urls",
        {"list": "/shop/admin/list", "same": "/shop/admin/urls", "home": "/home", "cart": "NoSuchRoute"},
    ),
    ("/shop/hidden/urls", {"secret": "/shop/hidden/secret", "home": "/home", "shop:cart": "/shop/cart"}),
]


@pytest.mark.parametrize(("target", "names"), NAMES)
async def test_a_name_is_looked_up_in_the_own_application_then_from_the_root(
    serve: Serve, target: str, names: dict[str, str]
) -> None:
    client = await serve(build_tree())
    assert (await client.get(target, params=[("name", name) for name in names])).json == names


async def test_below_a_plain_root_the_own_names_and_those_of_the_root_are_known(serve: Serve) -> None:
    client = await serve(build_tree(plain_root=True))
    names = {"cart": "/shop/cart", "admin:list": "/shop/admin/list", "home": "/home", "shop:cart": "NoSuchRoute"}
    assert (await client.get("/shop/urls", params=[("name", name) for name in names])).json == names


async def test_in_a_plain_application_the_names_are_those_of_the_webkit_application_around_it(serve: Serve) -> None:
    client = await serve(build_tree(plain_leaf=True))
    names = {"cart": "/shop/cart", "admin:list": "/shop/admin/list", "home": "/home", "list": "NoSuchRoute"}
    assert (await client.get("/shop/admin/urls", params=[("name", name) for name in names])).json == names


@pytest.mark.parametrize("plain_leaf", [False, True])
def test_the_router_of_an_application_knows_the_names_mounted_below_it(plain_leaf: bool) -> None:
    root = build_tree(plain_leaf=plain_leaf)
    assert isinstance(root, Application)
    assert (
        sorted(root.router)
        == sorted(root.aiohttp.router)
        == [
            *("home", "same", "shop:admin:list", "shop:admin:same", "shop:cart", "shop:same"),
        ]
    )
    resource = root.aiohttp.router["shop:admin:list"]
    assert str(resource.url_for()) == "/shop/admin/list"
    assert resource.url(query="?a=b") == "/shop/admin/list?a=b"  # type: ignore[attr-defined]
    assert resource.template == "/shop/admin/list"  # type: ignore[attr-defined]
    assert resource.get_info() == {"path": "/shop/admin/list"}
    assert (len(resource), list(resource)) == (0, []), "Its routes are listed once, below the mount."


async def test_the_application_itself_knows_the_names_of_its_root(serve: Serve) -> None:
    child, root = Application(), Application()
    child.get("/own", name="own")(show)
    root.get("/home", name="home")(show)
    root.mount("/child", child, name="child")
    await serve(root)
    assert [str(child.url_for(name)) for name in ("own", "home", "child:own")] == ["/child/own", "/home", "/child/own"]


@pytest.mark.parametrize("kind", [Application, web.Application])
def test_parts_of_any_type_fit_the_routes_of_mounted_applications_of_both_kinds(kind: type[AnyApplication]) -> None:
    child = kind()
    child.router.add_get("/{id}", show, name="item")
    app = Application()
    app.mount("/items", child, name="shop")
    assert str(app.url_for("shop:item", id=1)) == "/items/1"
    assert str(app.url_for("shop:item", id=UUID(int=0))) == f"/items/{UUID(int=0)}"
    assert str(app.router["shop:item"].url_for(id="a b")) == "/items/a%20b"


def test_missing_parts_of_a_route_of_aiohttp_are_refused_too() -> None:
    app = Application()
    app.aiohttp.router.add_get("/{id}", show, name="item")
    app.aiohttp.router.add_get("/plain", show, name="plain")
    with pytest.raises(NoSuchRoute, match=re.escape("The path '/{id}' has other parameters; given were none.")):
        app.url_for("item")
    with pytest.raises(NoSuchRoute, match=re.escape("The path '/plain' has other parameters; given were id.")):
        app.url_for("plain", id=1)


def test_two_mounts_of_one_name_are_refused() -> None:
    app = Application()
    for prefix in ("/a", "/b"):
        child = Application()
        child.get("/", name="root")(show)
        if prefix == "/a":
            app.mount(prefix, child, name="child")
        else:
            with pytest.raises(ValueError, match="Duplicate 'child:root'"):
                app.mount(prefix, child, name="child")


# What a request knows of its route


async def test_match_info_holds_text_while_the_handler_gets_values(serve: Serve) -> None:
    async def show(request: web.Request, id: int, key: UUID) -> list[str]:
        return [repr(id), repr(key), repr(request.match_info["id"]), repr(request.match_info["key"])]

    app = Application()
    app.get("/{id:int}/{key:uuid}")(show)
    client = await serve(app)
    key = str(UUID(int=5))
    assert (await client.get(f"/007/{key}")).json == ["7", f"UUID('{key}')", "'007'", f"'{key}'"]


async def test_match_info_is_decoded(serve: Serve) -> None:
    """AW-042, AW-044."""
    app = Application()
    app.get("/{x}")(show)
    client = await serve(app)
    assert (await client.get("/a%2Fb%25%20%C3%A9%2B+")).text == "{'x': 'a/b% é++'}"


async def test_the_template_of_a_route_is_known_for_metrics(serve: Serve) -> None:
    async def tell(request: web.Request) -> str:
        resource = request.match_info.route.resource
        return f"{resource.template} {request.match_info.route.name}"  # type: ignore[union-attr]

    inner, outer, app = Application(), Application(), Application()
    inner.get("/users/{id:int}", name="user")(tell)
    inner.get("")(tell)
    outer.mount("/inner", inner)
    app.mount("/outer", outer)
    app.get("/{x}-{y:\\d+}/")(tell)
    client = await serve(app)
    assert (await client.get("/outer/inner/users/7")).text == "/outer/inner/users/{id:int} user"
    assert (await client.get("/outer/inner")).text == "/outer/inner None"
    assert (await client.get("/a-1/")).text == "/{x}-{y:\\d+}/ None"


@pytest.mark.parametrize("mounted", [False, True])
def test_each_request_has_a_match_info_of_its_own(mounted: bool) -> None:
    child = Application()
    child.get("/plain")(show)
    child.get("/{x}")(show)
    app = child
    if mounted:
        app = Application()
        app.mount("/child", child)
    prefix = "/child" * mounted
    for target in ("/plain", "/a"):
        one, other = (match(app.aiohttp, "GET", prefix + target) for _ in range(2))
        assert one == other
        assert one is not other
        one["x"] = "changed"
        assert dict(other) == dict(match(app.aiohttp, "GET", prefix + target))


async def test_requests_at_the_same_time_keep_their_parameters_apart(serve: Serve) -> None:
    both_are_here = asyncio.Barrier(2)

    async def meet(request: web.Request, id: int) -> str:
        before = (id, request.match_info["id"])
        await both_are_here.wait()
        return str(before == (id, request.match_info["id"]) and before)

    app = Application()
    app.get("/{id}")(meet)
    client = await serve(app)
    answers = await asyncio.gather(client.get("/1"), client.get("/2"))
    assert [answer.text for answer in answers] == ["(1, '1')", "(2, '2')"]


INFOS: list[tuple[str, dict[str, Any]]] = [
    ("/plain", {"path": "/plain"}),
    ("/{id:int}", {"formatter": "/{id}", "pattern": re.compile("\\/(?P<id>-?[0-9]{1,18})".replace("\\/", "/"))}),
    ("/%7B/{x}", {"formatter": "/%7B/{x}", "pattern": re.compile("/%7B/(?P<x>[^{}/]+)")}),
]


@pytest.mark.parametrize(("path", "info"), INFOS)
def test_a_route_is_described_in_the_words_of_aiohttp(path: str, info: dict[str, Any]) -> None:
    app = Application()
    route = app.add_route("GET", path, show)
    assert route.get_info() == info
    assert isinstance(route.resource, web.PlainResource if "path" in info else web.DynamicResource)


def test_the_wrapped_router_lists_the_routes(app: Application) -> None:
    routes = [(route.method, route.resource.template) for route in app.aiohttp.router.routes()]  # type: ignore[union-attr]
    assert routes == [
        *(("GET", "/"), ("HEAD", "/"), ("GET", "/{user}/info"), ("HEAD", "/{user}/info")),
        *(("GET", "/users/{id:int}"), ("HEAD", "/users/{id:int}")),
        *(("GET", "/files/{path:path}"), ("HEAD", "/files/{path:path}")),
    ]
    assert list(app.router.routes()) == list(app.aiohttp.router.routes())


def test_the_machinery_of_mounts_has_no_urls() -> None:
    app = Application()
    app.mount("/child", Application())
    for resource in app.aiohttp.router.resources():
        with pytest.raises((RouteError, RuntimeError)):
            resource.url_for()
        assert repr(resource)


async def test_the_url_of_a_request_leads_back_to_its_route(serve: Serve) -> None:
    app = Application()
    app.get("/{name}/{tail:path}", name="there")(show)
    client = await serve(app)
    parts = {"name": "a/b?", "tail": "c%d/é #"}
    url = app.url_for("there", **parts)
    assert url == URL(str(url))
    assert (await client.get(str(url))).text == str(parts)
