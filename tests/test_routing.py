"""Routing: which handler a request comes to, under webkit's table as under aiohttp's router.

The first part holds webkit to ``web.UrlDispatcher`` with random tables: the same handler with the same match info, or
the same 404 or 405. What is refused or meant to differ is told in the second part.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import count
from pathlib import Path
from typing import Any, TypeAlias
from urllib.parse import quote

import pytest
from aiohttp import web
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.resolving import Found, find, match
from tests.serving import Answer, AnyApplication, Client, Serve, run_by_aiohttp
from webkit import Application, RouteError
from webkit.paths import Template, normalize_literal, parse

# The differential test


@dataclass(frozen=True)
class RouteSpec:
    """One route, to be made in both worlds."""

    method: str
    path: str


@dataclass(frozen=True)
class MountSpec:
    """A mounted application. *plain*: in webkit's world too it is one of aiohttp's."""

    prefix: str
    table: "Sequence[RouteSpec | MountSpec]"
    plain: bool = False


Table: TypeAlias = Sequence[RouteSpec | MountSpec]

LITERALS = ["a", "b", "ab", "m", "", "1"]
PARAMETERS = ["{}", "{:\\d+}", "{:[a-z]+}", "{:.*}", "{:.+}", "a{}b", "{}-{}", "x{:.*}", "{:(?:a|b)}{}", "{:[^/]*}"]
PREFIXES = ["/m", "/a", "/a/b", "/m/a", "/b/"]
METHODS = ["GET", "POST", "HEAD", "*"]
TEXTS = [
    *("a", "b", "ab", "m", "", "1", "12", "axb", "a-b", "-", "a-b-c", "xyz"),
    *("%61", "a%2Fb", "%2F", "%25", "a%252Fb", "%7Bx%7D", "{x}", "caf%C3%A9", "a%20b", "%FF", "+", "%", "..", "."),
]


def number(path: str) -> str:
    """Give each parameter of *path* a name of its own."""
    head, *tail = path.split("{")
    return head + "".join(f"{{x{index}{rest}" for index, rest in enumerate(tail))


def paths(literals: Sequence[str]) -> st.SearchStrategy[str]:
    segments = st.lists(st.sampled_from([*literals, *PARAMETERS]), max_size=4)
    return segments.map(lambda parts: number("".join("/" + part for part in parts)))


def tables(literals: Sequence[str], prefixes: Sequence[str], depth: int = 2) -> st.SearchStrategy[Table]:
    """Tables with applications mounted *depth* deep, and routes of the parent below a mount, before and after it."""
    below = st.builds(answer, st.lists(st.sampled_from(METHODS), max_size=3), paths(literals))
    items: st.SearchStrategy[Table] = below
    if depth:
        inner = tables(literals, prefixes, depth - 1)
        items |= st.builds(surround, st.sampled_from(prefixes), inner, st.booleans(), below, below)
    return st.lists(items, max_size=4).map(lambda lists: [spec for specs in lists for spec in specs])


def answer(methods: Sequence[str], path: str) -> list[RouteSpec]:
    return [RouteSpec(method, path) for method in methods]


def surround(prefix: str, table: Table, plain: bool, before: Table, after: Table) -> Table:
    def lower(routes: Table) -> list[RouteSpec]:
        return [
            RouteSpec(spec.method, prefix.rstrip("/") + spec.path) for spec in routes if isinstance(spec, RouteSpec)
        ]

    return [*lower(before), MountSpec(prefix, table, plain), *lower(after)]


def templates_in(table: Table, prefix: str = "") -> Iterator[str]:
    """Give the whole templates of all routes of *table*."""
    for spec in table:
        if isinstance(spec, RouteSpec):
            yield prefix + spec.path
        else:
            yield from templates_in(spec.table, prefix + spec.prefix.rstrip("/"))


@st.composite
def targets(draw: st.DrawFn, table: Table, texts: Sequence[str]) -> str:
    """Draw the target of a request: near one of the routes, or anywhere."""
    text = st.sampled_from(texts)
    known = [template for path in templates_in(table) if (template := read(path)) is not None]
    if known and draw(st.sampled_from([True, True, True, False])):
        template = draw(st.sampled_from(known))
        target = "".join(part if isinstance(part, str) else draw(text) for part in template.parts)
        target += draw(st.sampled_from(["", "", "", "/", "/a", "//", "/.."]))
    else:
        target = "".join("/" + part for part in draw(st.lists(text, max_size=4)))
    return target or "/"


@cache
def read(path: str) -> Template | None:
    """Read a template; ``None`` for one that webkit refuses, because it could take for ever to fail."""
    try:
        return parse(path)
    except RouteError:
        return None


def make_handler(name: str) -> Any:
    async def handler(request: web.Request) -> web.Response:
        return web.Response(text=f"{name} {dict(request.match_info)}")

    handler.__name__ = name
    return handler


def build_twins(
    table: Table, numbers: Iterator[int], *, plain: bool = False, odd: str = "Q"
) -> tuple[AnyApplication, web.Application]:
    """Make *table* in webkit and in aiohttp, without what either refuses. In webkit's, *odd* stands for ``Q``."""
    ours: AnyApplication = web.Application() if plain else Application()
    theirs = web.Application()
    seen: set[tuple[str, str]] = set()
    for spec in table:
        if isinstance(spec, MountSpec):
            our_child, their_child = build_twins(spec.table, numbers, plain=spec.plain, odd=odd)
            theirs.add_subapp(spec.prefix, their_child)
            prefix = spec.prefix.replace("Q", odd)
            if isinstance(ours, Application):
                ours.mount(prefix, our_child)
            else:
                ours.add_subapp(prefix, unwrap(our_child))
            continue
        path = spec.path.replace("Q", odd)
        template = read(spec.path)
        if template is None or read(path) is None:
            continue
        key = (spec.method, template.shape)
        handler = make_handler(f"h{next(numbers)}")
        try:
            if key not in seen:
                theirs.router.add_route(spec.method, spec.path, handler)
        except RuntimeError:
            continue  # GET behind "*"
        if key not in seen:
            ours.router.add_route(spec.method, path, handler)
        seen.add(key)
    return ours, theirs


def unwrap(app: AnyApplication) -> web.Application:
    return app.aiohttp if isinstance(app, Application) else app


@settings(max_examples=300)
@given(st.data(), tables(LITERALS, PREFIXES), st.booleans())
def test_every_request_comes_to_the_handler_that_aiohttp_would_choose(
    data: st.DataObject, table: Table, plain: bool
) -> None:
    ours, theirs = build_twins(table, count(), plain=plain)
    for target in data.draw(st.lists(targets(table, TEXTS), min_size=1, max_size=10)):
        for method in ("GET", "HEAD", "POST"):
            assert find(unwrap(ours), method, target) == find(theirs, method, target), (method, target)


@given(st.data(), tables(LITERALS, PREFIXES))
def test_the_applications_around_a_match_are_those_of_aiohttp(data: st.DataObject, table: Table) -> None:
    ours, theirs = build_twins(table, count())
    target = data.draw(targets(table, TEXTS))
    assert len(match(unwrap(ours), "GET", target).apps) == len(match(theirs, "GET", target).apps)


# What aiohttp never matches beside a parameter: literals that are not plain ASCII, or percent-encoded.
ODD_LITERALS = ["é", "%C3%A9", "%c3%a9t%c3%a9", " ", "%20", "%2f", "%2F", "%25", "日本"]


@given(st.data(), tables([*LITERALS, "Q", "Q"], ["/m", "/Q", "/Q/a", "/a/Q"]), st.sampled_from(ODD_LITERALS))
def test_a_literal_that_is_not_plain_ascii_matches_as_any_other_would_in_its_place(
    data: st.DataObject, table: Table, odd: str
) -> None:
    ours, theirs = build_twins(without_plain_ones(table), count(), odd=odd)
    target = data.draw(targets(table, ["a", "b", "m", "", "1", "axb", "a-b", "Q", "aQb", "Q-Q"]))
    expected = find(theirs, "GET", target)
    compared = normalize_literal(odd)
    if expected.parameters is not None:
        value = compared.replace("%2F", "/").replace("%25", "%")
        parameters = {name: text.replace("Q", value) for name, text in expected.parameters.items()}
        expected = Found(expected.status, expected.handler, parameters)
    assert find(unwrap(ours), "GET", target.replace("Q", quote(compared, safe="%"))) == expected


def without_plain_ones(table: Table) -> Table:
    return [
        spec if isinstance(spec, RouteSpec) else MountSpec(spec.prefix, without_plain_ones(spec.table))
        for spec in table
    ]


# The same over real connections


def build_site(app: AnyApplication, child: AnyApplication, grandchild: AnyApplication) -> AnyApplication:
    """A small site, made with what both kinds of applications know."""
    grandchild.router.add_route("GET", "", make_handler("deep-root"))
    grandchild.router.add_route("GET", "/{x:.*}", make_handler("deep-rest"))
    child.router.add_route("GET", "/", make_handler("child-root"))
    child.router.add_route("GET", "/items/{id:\\d+}", make_handler("item"))
    child.router.add_route("PUT", "/items/{id}", make_handler("put-item"))
    child.add_subapp("/deep", unwrap(grandchild))
    app.router.add_get("/", make_handler("home"))
    app.router.add_route("GET", "/child/help", make_handler("help-before"))
    app.add_subapp("/child", unwrap(child))
    app.router.add_route("GET", "/child/later", make_handler("later"))
    app.router.add_route("GET", "/child/items/7", make_handler("seven"))
    app.router.add_route("GET", "/{a}-{b}", make_handler("pair"))
    app.router.add_route("POST", "/{name}", make_handler("post-name"))
    app.router.add_route("*", "/any/{tail:.*}", make_handler("any"))
    app.router.add_get("/slash/", make_handler("slash"))
    return app


TARGETS = [
    *("/", "//", "/?a=/b", "/a-b", "/a-b-c", "/a%2Db", "/a%2Fb-c", "/a", "/caf%C3%A9-x", "/%FF-x", "/%25-%2525"),
    *("/child", "/child/", "/child/help", "/child/help/", "/child/later", "/child/nothing", "/childish"),
    *("/child/items/7", "/child/items/8", "/child/items/x", "/child/items/%37", "/child/items/8/", "/child//items/8"),
    *("/child/deep", "/child/deep/", "/child/deep/a/b%2Fc", "/child/deep//", "/child/../child/help", "/%63hild/help"),
    *("/any/", "/any", "/any/../..", "/any/a%20b", "/any/%7Bx%7D", "/slash/", "/slash", "/slash//", "/nowhere/at/all"),
]


async def test_over_a_connection_too_the_answers_are_those_of_aiohttp(serve: Serve) -> None:
    ours = await serve(build_site(Application(), Application(), Application()))
    async with run_by_aiohttp(build_site(web.Application(), web.Application(), web.Application())) as theirs:
        for target in TARGETS:
            for method in ("GET", "HEAD", "POST", "PUT", "PURGE"):
                expected, answer = [await client.request(method, target) for client in (theirs, ours)]
                assert describe(answer) == describe(expected), (method, target)


def describe(answer: Answer) -> tuple[int, str | None, str]:
    return answer.status, answer.headers.get("Allow"), answer.text


# Methods


async def ask(client: Client, target: str, *methods: str) -> dict[str, str]:
    """Ask with each of *methods*: what came back, or the status with what is allowed."""
    answers = {method: await client.request(method, target) for method in methods}
    return {
        method: answer.headers.get("X-Handler", f"{answer.status} {answer.headers.get('Allow', '')}".strip())
        for method, answer in answers.items()
    }


def name(text: str) -> Any:
    async def handler() -> web.Response:
        return web.Response(text=text, headers={"X-Handler": text})

    return handler


async def test_the_short_forms_for_get_answer_head_too(serve: Serve) -> None:
    app = Application()
    app.get("/decorated")(name("get"))
    app.router.add_get("/added", name("get"))
    app.router.add_get("/alone", name("get"), allow_head=False)
    client = await serve(app)
    assert await ask(client, "/decorated", "GET", "HEAD") == {"GET": "get", "HEAD": "get"}
    assert await ask(client, "/added", "GET", "HEAD") == {"GET": "get", "HEAD": "get"}
    assert await ask(client, "/alone", "GET", "HEAD") == {"GET": "get", "HEAD": "405 GET"}


async def test_a_route_for_get_answers_get_alone_as_in_aiohttp(serve: Serve) -> None:
    app = Application()
    app.route("GET", "/decorated")(name("get"))
    app.add_route("GET", "/added", name("get"))
    client = await serve(app)
    assert await ask(client, "/decorated", "GET", "HEAD") == {"GET": "get", "HEAD": "405 GET"}
    assert await ask(client, "/added", "GET", "HEAD") == {"GET": "get", "HEAD": "405 GET"}


async def test_head_gets_the_headers_of_get_and_no_body(serve: Serve) -> None:
    app = Application()
    app.get("/")(name("twelve bytes"))
    client = await serve(app)
    got, head = await client.get("/"), await client.request("HEAD", "/")
    assert (got.body, head.body) == (b"twelve bytes", b"")
    assert head.headers["Content-Length"] == "12"
    assert {**head.headers, "Date": ""} == {**got.headers, "Date": ""}


@pytest.mark.parametrize("first", [True, False], ids=["before", "after"])
@pytest.mark.parametrize("other", ["/x/{id}", "/x/{number}"], ids=["same resource", "another resource"])
async def test_an_explicit_head_replaces_the_one_that_get_implies(serve: Serve, first: bool, other: str) -> None:
    app = Application()
    if first:
        app.head(other)(name("head"))
    app.get("/x/{id}")(name("get"))
    if not first:
        app.head(other)(name("head"))
    client = await serve(app)
    assert await ask(client, "/x/1", "GET", "HEAD", "PUT") == {"GET": "get", "HEAD": "head", "PUT": "405 GET,HEAD"}
    assert sorted(route.method for route in app.router.routes()) == ["GET", "HEAD"]


async def test_a_star_answers_what_no_other_route_of_the_path_does(serve: Serve) -> None:
    """AW-009."""
    app = Application()
    app.add_route("POST", "/x", name("post"))
    app.add_route("*", "/x", name("star"))
    app.add_route("GET", "/x", name("get"))
    client = await serve(app)
    answers = await ask(client, "/x", "GET", "POST", "HEAD", "OPTIONS", "PURGE")
    assert answers == {"GET": "get", "POST": "post", "HEAD": "star", "OPTIONS": "star", "PURGE": "star"}


async def test_a_method_may_be_any_token_and_is_written_in_capitals(serve: Serve) -> None:
    """AW-008, AW-010."""
    app = Application()
    app.add_route("purge", "/x", name("purge"))
    client = await serve(app)
    assert await ask(client, "/x", "PURGE", "GET") == {"PURGE": "purge", "GET": "405 PURGE"}


@pytest.mark.parametrize("method", ["", "GET POST", "GET,POST", "GÄT", "GET\r\n"])
def test_what_is_no_method_is_refused(method: str) -> None:
    """AW-008."""
    with pytest.raises(RouteError, match="is no HTTP method"):
        Application().add_route(method, "/", name("x"))


async def test_405_allows_what_all_routes_of_the_path_answer_sorted(serve: Serve) -> None:
    """AW-046."""
    app = Application()
    app.put("/x/{id}")(name("put"))
    app.add_route("DELETE", "/x/1", name("delete"))
    app.get("/x/{number:int}")(name("get"))
    app.post("/other")(name("post"))
    client = await serve(app)
    assert await ask(client, "/x/1", "POST") == {"POST": "405 DELETE,GET,HEAD,PUT"}
    assert await ask(client, "/x/a", "POST") == {"POST": "405 PUT"}


async def test_405_allows_what_routes_on_the_wrapped_router_answer_too(serve: Serve) -> None:
    app = Application()
    app.put("/x")(name("put"))
    app.aiohttp.router.add_route("DELETE", "/x", make_handler("raw"))
    client = await serve(app)
    assert await ask(client, "/x", "POST") == {"POST": "405 DELETE,PUT"}


async def test_a_resource_without_routes_is_not_found(serve: Serve) -> None:
    """AW-040."""
    app = Application()
    app.router.add_resource("/x")
    client = await serve(app)
    assert await ask(client, "/x", "GET") == {"GET": "404"}


# Order

ORDERS: list[tuple[str, list[str], str]] = [
    ("/foo", ["/{name}", "/foo"], "/foo"),
    ("/foo/bar", ["/{tail:.*}", "/foo/{name}"], "/foo/{name}"),
    ("/foo", ["/{one}", "/{other:[a-z]+}"], "/{one}"),
    ("/7", ["/{id:int}", "/{name}"], "/{id:int}"),
    ("/seven", ["/{id:int}", "/{name}"], "/{name}"),
    ("/9999999999999999999", ["/{id:int}", "/{name}"], "/{name}"),
]


@pytest.mark.parametrize(("target", "templates", "winner"), ORDERS)
async def test_the_longest_literal_prefix_wins_then_registration(
    serve: Serve, target: str, templates: list[str], winner: str
) -> None:
    """AW-045: in aiohttp 0.21 the first that was registered won."""
    app = Application()
    for template in templates:
        app.get(template)(name(template))
    client = await serve(app)
    assert await ask(client, target, "GET") == {"GET": winner}


async def test_a_value_that_an_annotation_refuses_goes_to_the_next_route(serve: Serve) -> None:
    async def by_number(id: int) -> str:
        return f"number {id}"

    async def by_name(id: str) -> str:
        return f"name {id}"

    app = Application()
    app.get("/{id:[0-9a-z]+}")(by_number)
    app.get("/{id}")(by_name)
    client = await serve(app)
    assert (await client.get("/7")).text == "number 7"
    assert (await client.get("/seven")).text == "name seven"


async def test_a_value_that_does_not_convert_allows_nothing(serve: Serve) -> None:
    async def show(id: int) -> str:
        return str(id)

    app = Application()
    app.get("/{id:[0-9a-z]+}")(show)
    client = await serve(app)
    assert await ask(client, "/7", "POST") == {"POST": "405 GET,HEAD"}
    assert await ask(client, "/seven", "GET", "POST") == {"GET": "404", "POST": "404"}


# Conflicts


async def show_user(request: web.Request) -> Any:
    return "user"


async def show_other(request: web.Request) -> str:
    return "other"


CONFLICTS = [
    (("GET", "/users/{id}"), ("GET", "/users/{name}")),
    (("GET", "/users/{id:int}"), ("GET", "/users/{number:int}")),
    (("GET", "/users"), ("get", "/users")),
    (("*", "/users"), ("*", "/users")),
    (("GET", "/caf%C3%A9"), ("GET", "/café")),
    (("GET", "/{a}-{b}"), ("GET", "/{b}-{a}")),
]


@pytest.mark.parametrize(("one", "other"), CONFLICTS)
@pytest.mark.parametrize("between", [False, True])
def test_the_same_method_and_template_twice_is_refused_showing_both(
    one: tuple[str, str], other: tuple[str, str], between: bool
) -> None:
    """AW-009: GET beside ``*`` is no conflict, in whatever order."""
    app = Application()
    app.add_route(*one, show_user)
    if between:
        app.get("/something/else")(show_user)
    with pytest.raises(RouteError) as caught:
        app.add_route(*other, show_other)
    module = __name__
    assert str(caught.value) == (
        f"{other[0].upper()} {other[1]} ({module}.show_other) is never reached: "
        f"{one[0]} {one[1]} ({module}.show_user) has the same method and path."
    )


NO_CONFLICTS = [
    (("GET", "/users/{id}"), ("POST", "/users/{id}")),
    (("GET", "/users/{id}"), ("*", "/users/{id}")),
    (("*", "/users/{id}"), ("GET", "/users/{id}")),
    (("GET", "/users/{id}"), ("GET", "/users/{id:int}")),
    (("GET", "/users"), ("GET", "/users/")),
    (("GET", "/users"), ("GET", "/Users")),
]


@pytest.mark.parametrize(("one", "other"), NO_CONFLICTS)
def test_what_differs_in_method_or_template_is_no_conflict(one: tuple[str, str], other: tuple[str, str]) -> None:
    app = Application()
    app.add_route(*one, show_user)
    app.add_route(*other, show_other)
    assert len(app.router.routes()) == 2


def test_a_conflict_is_a_value_error_and_a_runtime_error() -> None:
    for kind in (ValueError, RuntimeError):
        app = Application()
        app.get("/")(show_user)
        with pytest.raises(kind, match="is never reached"):
            app.get("/")(show_user)


# Beside aiohttp's own routes


async def test_a_route_on_the_wrapped_router_is_asked_first(serve: Serve) -> None:
    app = Application()
    app.get("/{x}")(name("webkit"))
    app.get("/a")(name("webkit"))
    app.aiohttp.router.add_route("GET", "/{x}", make_handler("aiohttp"))
    client = await serve(app)
    assert (await client.get("/b")).text == "aiohttp {'x': 'b'}"
    assert (await client.get("/a")).text == "aiohttp {'x': 'a'}"  # it does not even know that one is more exact


@pytest.mark.parametrize("plain", [False, True])
async def test_a_route_on_the_wrapped_router_is_asked_first_below_a_mount_too(serve: Serve, plain: bool) -> None:
    child = Application()
    child.get("/{x}")(name("webkit"))
    child.aiohttp.router.add_route("GET", "/{x}", make_handler("aiohttp"))
    parent = Application()
    parent.mount("/child", child)
    root: AnyApplication = parent
    prefix = "/child"
    if plain:
        root = web.Application()
        root.add_subapp("/top", parent.aiohttp)
        prefix = "/top/child"
    client = await serve(root)
    assert (await client.get(f"{prefix}/b")).text == "aiohttp {'x': 'b'}"


async def test_a_folder_in_aiohttps_spelling_is_served(serve: Serve, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("from the folder")
    app = Application()
    app.get("/{tail:.*}")(name("rest"))
    app.router.add_static("/files", tmp_path, name="files")
    client = await serve(app)
    assert (await client.get("/files/a.txt")).text == "from the folder"
    assert str(app.url_for("files", filename="a.txt")) == "/files/a.txt"
    assert await ask(client, "/elsewhere", "GET") == {"GET": "rest"}


# Mounts


async def test_the_empty_path_is_the_bare_prefix_of_a_mounted_application_and_the_slash_of_a_root(serve: Serve) -> None:
    child = Application()
    child.get("")(name("empty"))
    app = Application()
    app.get("")(name("root"))
    app.mount("/child", child)
    client = await serve(app)
    assert await ask(client, "/", "GET") == {"GET": "root"}
    assert await ask(client, "/child", "GET") == {"GET": "empty"}
    assert await ask(client, "/child/", "GET") == {"GET": "404"}


@pytest.mark.parametrize("prefix", ["/café", "/caf%C3%A9", "/caf%c3%a9/"])
@pytest.mark.parametrize("kind", [Application, web.Application])
async def test_a_prefix_that_is_not_ascii_leads_below_the_mount(
    serve: Serve, prefix: str, kind: type[AnyApplication]
) -> None:
    child = kind()
    child.router.add_get("/a/{x}", make_handler("found"), name="there")
    inner = Application()
    inner.mount(prefix, child, name="child")
    app = Application()
    app.mount("/日本", inner, name="inner")
    client = await serve(app)
    target = "/%E6%97%A5%E6%9C%AC/caf%C3%A9/a/b"
    assert (await client.get(target)).text == "found {'x': 'b'}"
    assert str(app.url_for("inner:child:there", x="b")) == target


async def test_one_prefix_may_be_the_beginning_of_another(serve: Serve) -> None:
    app = Application()
    for prefix in ("/a", "/a/b", "/ab"):
        child = Application()
        child.get("/{tail:.*}")(name(prefix))
        app.mount(prefix, child)
    client = await serve(app)
    assert await ask(client, "/a/x", "GET") == {"GET": "/a"}
    assert await ask(client, "/a/b/x", "GET") == {"GET": "/a/b"}
    assert await ask(client, "/a/bc", "GET") == {"GET": "/a"}
    assert await ask(client, "/ab/x", "GET") == {"GET": "/ab"}
    assert await ask(client, "/abc/x", "GET") == {"GET": "404"}


@pytest.mark.parametrize("serves", [False, True], ids=["mounted", "served"])
async def test_a_late_route_is_told_to_come_earlier(serve: Serve, serves: bool) -> None:
    """AW-011."""
    app = Application()
    group = app.group("/group")
    resource = app.router.add_resource("/resource")
    if serves:
        await serve(app)
    else:
        Application().mount("/app", app)
    message = "The routes are frozen: the application serves or is mounted. Add routes before mounting and running."
    for late in (
        lambda: app.add_route("GET", "/late", show_user),
        lambda: app.get("/late")(show_user),
        lambda: app.router.add_get("/late", show_user),
        lambda: app.router.add_resource("/late"),
        lambda: app.router.add_static("/late", "."),
        lambda: group.get("/late")(show_user),
        lambda: resource.add_route("GET", show_user),
        lambda: app.add_routes([web.get("/late", show_user)]),
        lambda: app.mount("/late", Application()),
        lambda: app.mount("/late", web.Application()),
    ):
        with pytest.raises(RouteError, match=re.escape(message)):
            late()
