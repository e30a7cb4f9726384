"""Class-based views, under webkit's table and under aiohttp's own router."""

import re
from typing import Any

import pytest
from aiohttp import hdrs, web

from tests.serving import AnyApplication, Serve
from webkit import Application, Response, RouteError, View
from webkit.errors import ConfigError

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PURGE")


class Item(View):
    async def get(self, id: int = 0) -> str:
        return f"get {id!r}"

    async def post(self) -> web.Response:
        return web.Response(text="post", status=201)

    async def delete(self, *, id: int = 0) -> dict[str, int]:
        return {"deleted": id}


class WriteOnly(View):
    async def put(self) -> str:
        return "put"


class WithHeadAndOptions(View):
    async def get(self) -> str:
        return "get"

    async def head(self) -> Response:
        return Response(headers={"X-Head": "own"})

    async def options(self) -> Response:
        return Response(text="own options", headers={"Allow": "GET"})


class Inheriting(Item):
    async def patch(self) -> str:
        return "patch"

    post = None  # type: ignore[assignment]  # takes the method away


class Empty(View):
    pass


class Old(web.View):
    async def get(self) -> web.Response:
        return web.Response(text=f"old {self.request.match_info.get('id')}")

    async def post(self) -> web.Response:
        raise web.HTTPGone


def build(view: type[web.View], *, plain: bool, path: str = "/x") -> AnyApplication:
    """Make an application of either kind with *view* at *path*."""
    app: AnyApplication = web.Application() if plain else Application()
    app.router.add_view(path, view)
    return app


WHERE = pytest.mark.parametrize("plain", [False, True], ids=["in webkit's table", "in aiohttp's router"])

ALLOWED: list[tuple[type[View], str]] = [
    (Item, "DELETE,GET,HEAD,OPTIONS,POST"),
    (WriteOnly, "OPTIONS,PUT"),
    (WithHeadAndOptions, "GET,HEAD,OPTIONS"),
    (Inheriting, "DELETE,GET,HEAD,OPTIONS,PATCH"),
    (Empty, "OPTIONS"),
]


@pytest.mark.parametrize(("view", "allowed"), ALLOWED)
@WHERE
async def test_a_view_answers_what_it_has_and_says_so_for_the_rest(
    serve: Serve, view: type[View], allowed: str, plain: bool
) -> None:
    assert ",".join(sorted(view.allowed_methods())) == allowed
    client = await serve(build(view, plain=plain))
    for method in METHODS:
        answer = await client.request(method, "/x")
        if method in allowed.split(","):
            assert answer.status < 300, method
        else:
            assert (answer.status, answer.headers["Allow"]) == (405, allowed), method


@WHERE
async def test_options_tells_what_is_allowed(serve: Serve, plain: bool) -> None:
    client = await serve(build(Item, plain=plain))
    answer = await client.request("OPTIONS", "/x")
    assert (answer.status, answer.headers["Allow"], answer.body) == (204, "DELETE,GET,HEAD,OPTIONS,POST", b"")


@WHERE
async def test_head_falls_back_to_get(serve: Serve, plain: bool) -> None:
    client = await serve(build(Item, plain=plain))
    answer = await client.request("HEAD", "/x")
    assert (answer.status, answer.headers["Content-Length"], answer.body) == (200, "5", b"")


@WHERE
async def test_own_methods_for_head_and_options_are_called(serve: Serve, plain: bool) -> None:
    client = await serve(build(WithHeadAndOptions, plain=plain))
    assert (await client.request("HEAD", "/x")).headers["X-Head"] == "own"
    assert (await client.request("OPTIONS", "/x")).text == "own options"


@WHERE
async def test_a_method_takes_the_parameters_of_the_path(serve: Serve, plain: bool) -> None:
    client = await serve(build(Item, plain=plain, path="/{id}"))
    assert (await client.get("/7")).text == "get 7"
    assert (await client.request("DELETE", "/7")).json == {"deleted": 7}
    assert (await client.post("/7")).status == 201
    # Each method has its own annotations: post takes no id.
    assert (await client.get("/seven")).status == 404
    assert (await client.post("/seven")).status == 201


@WHERE
async def test_what_comes_back_is_made_a_response_as_that_of_a_function(serve: Serve, plain: bool) -> None:
    class Page(View):
        async def get(self) -> Any:
            return {"a": 1}

        async def post(self) -> Any:
            return web.HTTPGone()

        async def put(self) -> Any:
            response = web.StreamResponse()
            await response.prepare(self.request)
            await response.write(b"streamed")
            return response

    client = await serve(build(Page, plain=plain))
    assert (await client.get("/x")).json == {"a": 1}
    assert (await client.post("/x")).status == 410
    assert (await client.request("PUT", "/x")).text == "streamed"


async def test_a_view_of_aiohttp_works_in_webkits_table(serve: Serve) -> None:
    client = await serve(build(Old, plain=False, path="/{id}"))
    assert (await client.get("/7")).text == "old 7"
    assert (await client.post("/7")).status == 410
    refused = await client.request("PUT", "/7")
    assert (refused.status, refused.headers["Allow"]) == (405, "GET,POST")


async def test_a_view_may_be_registered_for_one_method_alone(serve: Serve) -> None:
    app = Application()
    app.add_route("POST", "/x", Item)
    client = await serve(app)
    assert (await client.post("/x")).status == 201
    refused = await client.get("/x")
    assert (refused.status, refused.headers["Allow"]) == (405, "POST")


async def test_a_view_and_functions_share_a_path(serve: Serve) -> None:
    app = Application()
    app.view("/x")(WriteOnly)
    app.get("/x")(lambda: "function")
    client = await serve(app)
    assert (await client.get("/x")).text == "function"
    assert (await client.request("PUT", "/x")).text == "put"
    assert (await client.post("/x")).status == 405


async def test_each_request_has_a_view_of_its_own(serve: Serve) -> None:
    seen: list[View] = []

    class Page(View):
        async def get(self) -> str:
            seen.append(self)
            return str(len(seen))

    client = await serve(build(Page, plain=False))
    assert [(await client.get("/x")).text for _ in range(2)] == ["1", "2"]
    assert seen[0] is not seen[1]


async def test_a_view_that_aiohttps_router_cannot_fill_is_an_error(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    class Page(View):
        async def get(self, missing) -> str:  # type: ignore[no-untyped-def]
            return "never"

    client = await serve(build(Page, plain=True))
    assert (await client.get("/x")).status == 500
    assert "Nobody fills the parameter 'missing'" in caplog.text


# What a view knows


class Links(View):
    async def get(self) -> list[str]:
        return [str(self.url_for("item", id=7)), str(self.url_for("item", query={"a": 1}, id="8"))]

    async def post(self) -> web.StreamResponse:
        return self.redirect_to("item", id=7)

    async def put(self) -> web.StreamResponse:
        return self.redirect_to("item", status=308, query="a=b c", id=7)

    async def delete(self) -> bool:
        return self.app  # type: ignore[return-value]


@pytest.mark.parametrize("depth", [0, 1, 2])
async def test_a_view_builds_urls_and_redirects_by_name(serve: Serve, depth: int) -> None:
    app = Application()
    app.view("/links")(Links)
    app.view("/items/{id:int}", name="item")(Item)
    prefix = ""
    for _ in range(depth):
        app, child = Application(), app
        app.mount("/m", child)
        prefix += "/m"
    client = await serve(app)
    assert (await client.get(f"{prefix}/links")).json == [f"{prefix}/items/7", f"{prefix}/items/8?a=1"]
    posted = await client.post(f"{prefix}/links")
    assert (posted.status, posted.headers["Location"]) == (303, f"{prefix}/items/7")
    put = await client.request("PUT", f"{prefix}/links")
    assert (put.status, put.headers["Location"]) == (308, f"{prefix}/items/7?a=b+c")


async def test_a_view_knows_the_innermost_webkit_application(serve: Serve) -> None:
    seen: list[Application] = []

    class Page(View):
        async def get(self) -> str:
            seen.append(self.app)
            return "seen"

    plain, child, root = web.Application(), Application(), Application()
    for app in (plain, child, root):
        app.router.add_view("/page", Page)
    child.mount("/plain", plain)
    root.mount("/child", child)
    client = await serve(root)
    for target in ("/page", "/child/page", "/child/plain/page"):
        assert (await client.get(target)).text == "seen"
    assert seen == [root, child, child]


async def test_without_a_webkit_application_a_view_has_no_app(serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    class Page(View):
        async def get(self) -> str:
            return str(self.app)

    client = await serve(build(Page, plain=True))
    assert (await client.get("/x")).status == 500
    assert "LookupError: No webkit application is around this request" in caplog.text


async def test_without_templates_render_says_what_to_set_up(serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    class Page(View):
        async def get(self) -> web.StreamResponse:
            return await self.render("page.html", title="Hello")

    client = await serve(build(Page, plain=False))
    assert (await client.get("/x")).status == 500
    assert f"{ConfigError.__name__}: No templates are set up: app.use(Templates('templates'))" in caplog.text


def test_a_wrong_method_of_a_view_is_refused_when_it_is_added() -> None:
    class Page(View):
        async def get(self, id: int) -> str:
            return str(id)

    with pytest.raises(RouteError, match=re.escape("is annotated int, but the path converts it to UUID")):
        Application().view("/{id:uuid}")(Page)


def test_every_method_that_aiohttp_knows_may_be_a_method_of_a_view() -> None:
    async def answer(self: View) -> str:
        return self.request.method

    page = type("Page", (View,), {method.lower(): answer for method in hdrs.METH_ALL})
    assert page.allowed_methods() == hdrs.METH_ALL  # type: ignore[attr-defined]
