"""Routes that another always shadows, and what else a route says of itself: its ``meta``, the way to it."""

from typing import Any

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from tests.resolving import match
from tests.serving import Serve
from webkit import Application, Route, View, redirect_to
from webkit.resources import TableRoute
from webkit.shadows import _TEXTS


async def handler(request: web.Request) -> str:
    return "x"


def shadowed(*routes: str) -> list[str]:
    """Give what is reported for *routes* (``GET /path``), as "never reached < answers first"."""
    app = Application()
    for route in routes:
        method, path = route.split(" ")
        app.add_route(method, path, handler)
    return [f"{describe(hidden)} < {describe(other)}" for hidden, other in app.router.shadowed()]


def describe(route: TableRoute) -> str:
    return f"{route.method} {route.table_resource.path_template.path}"


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("GET /{name}", "GET /{id:int}"),
        ("GET /{name}", "GET /{word:[a-z]+}"),
        ("GET /{name}", "GET /{start}-{end}"),
        ("GET /{rest:.*}", "GET /{folder}/file"),
        ("GET /{rest:path}", "GET /{other:.+}"),
        ("GET /a/{name}", "GET /a/{id:uuid}"),
        ("GET /{range:[0-9-]+}", "GET /{low:int}-{high:int}"),
        ("* /{name}", "GET /{id:int}"),
        ("* /{name}", "* /{id:int}"),
        ("GET /{rest:.*}", "GET /{folder}/"),
    ],
)
def test_a_route_that_another_always_shadows_is_reported_with_that_one(first: str, second: str) -> None:
    assert shadowed(first, second) == [f"{second} < {first}"]
    assert shadowed("GET /elsewhere", first, "GET /elsewhere/{x}", second) == [f"{second} < {first}"]


@pytest.mark.parametrize(
    "routes",
    [
        ["GET /{id:int}", "GET /{name}"],
        ["GET /{name}", "GET /literal"],
        ["GET /{name}", "POST /{id:int}"],
        ["GET /{name}", "* /{id:int}"],
        ["GET /a/{x}", "GET /{x}/{y}"],
        ["GET /{rest:.*}", "GET /deeper/{x}"],
        ["GET /{lang:en|de}", "GET /{code:[a-z]{2}}"],
        ["GET /{year:[0-9]{4}}", "GET /{id:int}"],
        ["GET /{letter:[a-z]}", "GET /{word:[a-z]+}"],
        ["GET /{digits:[0-9]+}", "GET /{id:int}"],
        ["GET /{a}{b}", "GET /{c}"],
        ["GET /{name}", "GET /{name}/"],
        ["GET /", "GET /{name}"],
        ["GET /{rest:.*}", "HEAD /{name}"],
    ],
    ids=" before ".join,
)
def test_a_route_that_some_request_reaches_is_not_reported(routes: list[str]) -> None:
    assert shadowed(*routes) == []


def test_nothing_is_said_of_expressions_that_the_examples_do_not_know() -> None:
    assert shadowed("GET /{rest:.*}", "GET /{code:Q[0-9]{9}Q}") == []


def test_two_routes_may_shadow_a_third_together() -> None:
    assert shadowed("GET /{digits:[0-9]+}", "GET /{others:[^/]*}", "GET /{id:int}")[0].startswith("GET /{id:int} <")


def test_the_head_that_a_get_brings_along_is_not_reported_by_itself() -> None:
    app = Application()
    app.add_get("/{name}", handler)
    app.add_get("/{id:int}", handler)
    assert [describe(hidden) for hidden, _ in app.router.shadowed()] == ["GET /{id:int}"]


SEGMENTS = [
    *("a", "en", "{}", "{:int}", "{:uuid}", "{:date}", "{:slug}", "{:float}", "{:[a-z]+}", "{:[0-9]{4}}", "{:en|de}"),
    *("{:.*}", "{:.+}", "{:path}", "{:[a-z]{2}}", "{:[^/]*}", "x-{}", "{:[A-Z][a-z]+}", ""),
]


def named(segments: list[str]) -> str:
    """Give each parameter of a path a name of its own."""
    path = "".join("/" + segment for segment in segments)
    head, *tail = path.split("{")
    return head + "".join(f"{{p{index}{rest}" for index, rest in enumerate(tail))


paths = st.lists(st.sampled_from(SEGMENTS), min_size=1, max_size=2).map(named)
tables = st.lists(st.tuples(st.sampled_from(["GET", "POST", "*"]), paths), max_size=6, unique=True)
targets = st.lists(st.sampled_from([text for text in _TEXTS if "{" not in text]), min_size=1, max_size=2)


@given(table=tables, method=st.sampled_from(["GET", "POST", "PUT"]), target=targets.map(lambda t: "/" + "/".join(t)))
def test_a_route_that_answers_a_request_is_never_reported(
    table: list[tuple[str, str]], method: str, target: str
) -> None:
    app = Application()
    taken: set[tuple[str, str]] = set()
    for known, path in table:
        if (known, path) not in taken:
            taken.add((known, path))
            app.add_route(known, path, handler)
    never = [hidden for hidden, _ in app.router.shadowed()]
    found = match(app.aiohttp, method, target.replace(" ", "%20"))
    assert found.http_exception is not None or found.route not in never


# What a route says of itself


async def test_meta_is_there_for_middlewares_and_handlers(serve: Serve) -> None:
    seen: list[Any] = []

    async def guard(request: web.Request, handler: Any) -> Any:
        route = request.match_info.route
        seen.append(getattr(route, "meta", None))
        return await handler(request)

    async def show(request: web.Request) -> Any:
        return dict(request.match_info.route.meta)  # type: ignore[attr-defined]

    class Show(View):
        async def get(self) -> Any:
            return dict(self.request.match_info.route.meta)  # type: ignore[attr-defined]

    app = Application(middlewares=[guard], routes=[Route("GET", "/route", show, meta={"role": "admin"})])
    app.add_get("/verb", show, meta={"role": "editor"})
    app.get("/decorated", meta={"role": "guest"})(show)
    app.group("/group").add_post("/", show, meta={"role": "member"})
    app.add_view("/view", Show, meta={"role": "viewer"})
    app.add_get("/none", show)
    client = await serve(app)
    for path, role in {"/route": "admin", "/verb": "editor", "/decorated": "guest", "/view": "viewer"}.items():
        assert (await client.get(path)).json == {"role": role}
    assert (await client.post("/group/")).json == {"role": "member"}
    assert (await client.get("/none")).json == {}
    assert (await client.get("/nowhere")).status == 404
    roles = ["admin", "editor", "guest", "viewer", "member"]
    assert seen == [*({"role": role} for role in roles), {}, None]


async def test_the_head_of_a_get_has_its_meta(serve: Serve) -> None:
    seen: list[Any] = []

    async def note(request: web.Request, handler: Any) -> Any:
        seen.append(request.match_info.route.meta)  # type: ignore[attr-defined]
        return await handler(request)

    app = Application(middlewares=[note])
    app.add_get("/", handler, meta={"a": 1})
    await (await serve(app)).request("HEAD", "/")
    assert seen == [{"a": 1}]


def test_meta_is_a_copy() -> None:
    meta = {"role": "admin"}
    route = Application().add_get("/", handler, meta=meta)
    meta["role"] = "guest"
    assert route.meta == {"role": "admin"}


async def test_redirect_to_leads_to_a_route_by_its_name(serve: Serve) -> None:
    async def away(request: web.Request) -> Any:
        return redirect_to(request, "user", id=7, query={"tab": "a b"})

    async def for_good(request: web.Request) -> Any:
        return redirect_to(request, "shop:item", name="tea", status=308)

    class Away(View):
        async def post(self) -> Any:
            return self.redirect_to("user", id=8)

    shop, app = Application(), Application()
    shop.add_get("/items/{name}", handler, name="item")
    shop.add_get("/home", away)
    app.add_get("/users/{id:int}", handler, name="user")
    app.add_get("/away", away)
    app.add_get("/for-good", for_good)
    app.add_view("/view", Away)
    app.mount("/shop", shop, name="shop")
    client = await serve(app)
    for method, path, status, location in [
        ("GET", "/away", 303, "/users/7?tab=a+b"),
        ("GET", "/for-good", 308, "/shop/items/tea"),
        ("GET", "/shop/home", 303, "/users/7?tab=a+b"),
        ("POST", "/view", 303, "/users/8"),
    ]:
        answer = await client.request(method, path)
        assert (answer.status, answer.headers["Location"]) == (status, location)


async def test_redirect_to_a_name_that_there_is_not_is_an_error_with_a_hint(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    async def away(request: web.Request) -> Any:
        return redirect_to(request, "usr")

    app = Application()
    app.add_get("/", handler, name="user")
    app.add_get("/away", away)
    assert (await (await serve(app)).get("/away")).status == 500
    assert "No route is named 'usr'. Did you mean 'user'?" in caplog.text
