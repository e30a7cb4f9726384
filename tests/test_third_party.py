"""The packages that aiohttp's documentation names, set up on ``app.aiohttp``: sessions, CORS, debug toolbar, templates.

They work with webkit's routes, names, views and templates (AW-166 to AW-169). test_examples.py runs an example of each.
"""

import re
from collections.abc import Callable
from html import unescape
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Any

import aiohttp_cors
import aiohttp_debugtoolbar
import aiohttp_jinja2
import aiohttp_session
import jinja2
import pytest
from aiohttp import web
from aiohttp_cors import CorsViewMixin, ResourceOptions
from aiohttp_session import get_session, session_middleware
from aiohttp_session.cookie_storage import EncryptedCookieStorage

from examples import debug_toolbar
from tests.serving import Answer, Client, Serve
from webkit import Application, Handler, Static, Templates, View, html, template
from webkit.config import DEBUG

# Sessions (AW-167)


class Visitor:
    """A client that keeps its cookies."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.cookies: SimpleCookie = SimpleCookie()

    async def get(self, target: str) -> Answer:
        """Send a GET with the cookies, and take those that come."""
        cookies = "; ".join(f"{name}={cookie.coded_value}" for name, cookie in self.cookies.items())
        answer = await self.client.get(target, headers={"Cookie": cookies})
        for line in answer.headers.getall("Set-Cookie", ()):
            self.cookies.load(line)
        return answer


async def count(request: web.Request) -> int:
    session = await get_session(request)
    session["visits"] = session.get("visits", 0) + 1
    return int(session["visits"])


class Counter(View):
    """A View that counts."""

    async def get(self) -> dict[str, int]:
        """Count."""
        return {"visits": await count(self.request)}


async def count_with_argument(request: web.Request, id: int) -> dict[str, int]:
    return {"visits": await count(request), "id": id}


def count_and_end(error: Callable[[], BaseException]) -> Any:
    async def handler(request: web.Request) -> None:
        await count(request)
        raise error()

    return handler


async def count_and_return(request: web.Request) -> web.StreamResponse:
    await count(request)
    return web.HTTPGone()


def set_up(app: Application) -> None:
    aiohttp_session.setup(app.aiohttp, EncryptedCookieStorage(b"k" * 32))


def set_up_unencrypted(app: Application) -> None:
    aiohttp_session.setup(app.aiohttp, aiohttp_session.SimpleCookieStorage())


def list_as_middleware(app: Application) -> None:
    app.middlewares.append(session_middleware(EncryptedCookieStorage(b"k" * 32)))


SET_UPS = [set_up, set_up_unencrypted, list_as_middleware]


@pytest.mark.parametrize("set_up", SET_UPS)
async def test_a_session_is_kept_from_every_kind_of_handler(
    serve: Serve, set_up: Callable[[Application], None]
) -> None:
    app, child = Application(), Application()
    set_up(app)
    app.add_get("/function/{id:int}", count_with_argument)
    app.add_view("/view", Counter)
    app.aiohttp.router.add_view("/raw", Counter)
    child.add_get("/{id:int}", count_with_argument)
    app.mount("/child", child)
    visitor = Visitor(await serve(app))
    paths = ["/function/7", "/view", "/raw", "/child/7"]
    assert [(await visitor.get(path)).json["visits"] for path in paths] == [1, 2, 3, 4]


@pytest.mark.parametrize("set_up", SET_UPS)
async def test_a_session_is_kept_on_http_exceptions_however_they_are_answered(
    serve: Serve, set_up: Callable[[Application], None]
) -> None:
    app = Application()
    set_up(app)
    app.add_view("/visits", Counter)
    app.add_get("/away", count_and_end(lambda: web.HTTPFound("/visits")))
    app.add_get("/nothing", count_and_end(web.HTTPNotFound))
    app.add_get("/empty", count_and_end(web.HTTPNoContent))
    app.add_get("/told", count_and_end(web.HTTPConflict))
    app.add_get("/returned", count_and_return)

    @app.error(409)
    async def tell(request: web.Request, error: web.HTTPException) -> dict[str, str]:
        return {"told": error.reason}

    visitor = Visitor(await serve(app))
    statuses = [(await visitor.get(path)).status for path in ("/away", "/nothing", "/empty", "/told", "/returned")]
    assert statuses == [302, 404, 204, 409, 410]
    assert (await visitor.get("/visits")).json == {"visits": 6}


async def test_middlewares_that_are_listed_behind_it_have_the_session_on_404_and_405_too(serve: Serve) -> None:
    async def count_everything(request: web.Request, handler: Handler) -> web.StreamResponse:
        await count(request)
        return await handler(request)

    app = Application(middlewares=[session_middleware(EncryptedCookieStorage(b"k" * 32)), count_everything])
    app.add_view("/visits", Counter)
    app.add_post("/post", count_and_return)
    visitor = Visitor(await serve(app))
    assert [(await visitor.get(path)).status for path in ("/missing", "/post")] == [404, 405]
    assert (await visitor.get("/visits")).json == {"visits": 4}


async def test_a_cookie_that_was_tampered_with_begins_a_new_session(serve: Serve) -> None:
    app = Application()
    set_up(app)
    app.add_view("/", Counter)
    client = await serve(app)
    answer = await client.get("/", headers={"Cookie": "AIOHTTP_SESSION=gAAAAA-forged"})
    assert (answer.status, answer.json) == (200, {"visits": 1})


async def test_a_middleware_of_a_package_that_fails_is_answered_as_everything_that_fails(serve: Serve) -> None:
    app = Application()
    app.add_view("/", Counter)

    @web.middleware
    async def fail(request: web.Request, handler: Handler) -> web.StreamResponse:
        raise ValueError("not ours")

    app.aiohttp.middlewares.append(fail)
    answer = await (await serve(app)).get("/")
    assert answer.status == 500
    assert re.fullmatch(r"500: Internal Server Error\nReference: [0-9a-f]{16}", answer.text)


# CORS (AW-168)

THERE, OFFICE, ELSEWHERE = "http://there.example", "https://office.example", "https://else.example"
ALLOWED = "Access-Control-Allow-Origin"
OF_OFFICE = {OFFICE: ResourceOptions(allow_credentials=True)}  # type: ignore[no-untyped-call]


class Price(View, CorsViewMixin):
    """A View of webkit's, with options for all of its methods and for one."""

    cors_config = OF_OFFICE  # type: ignore[assignment]

    async def get(self, id: int) -> dict[str, int]:
        """Give a price."""
        return {"id": id}

    @aiohttp_cors.custom_cors({"*": ResourceOptions(expose_headers="*")})  # type: ignore[no-untyped-call, untyped-decorator]
    async def put(self, id: int) -> None:
        """Refuse to change it."""
        raise web.HTTPConflict


class MixinFirst(CorsViewMixin, View):
    """The bases the other way round."""

    async def get(self) -> str:
        """Answer."""
        return "first"


class Foreign(web.View, CorsViewMixin):
    """A View of aiohttp's."""

    async def get(self) -> web.Response:
        """Answer."""
        return web.Response(text="foreign")


class NoMixin(View):
    """A View that leaves the preflight to its resource."""

    async def get(self) -> str:
        """Answer."""
        return "none"


async def show(request: web.Request) -> str:
    return "shown"


async def raw(request: web.Request) -> web.Response:
    return web.Response(text="raw")


def with_cors(app: Application) -> Any:
    options = ResourceOptions(allow_headers=["X-Key"], max_age=60)  # type: ignore[no-untyped-call]
    return aiohttp_cors.setup(app.aiohttp, defaults={THERE: options})


async def ask(client: Client, method: str, path: str, origin: str) -> tuple[int, str | None]:
    """The status of a request from *origin*, and the origin that may read the answer."""
    answer = await client.request(method, path, headers={"Origin": origin})
    return answer.status, answer.headers.get(ALLOWED)


async def ask_before(client: Client, method: str, path: str, origin: str) -> tuple[int, str | None]:
    """The same for the preflight request that comes before."""
    headers = {"Origin": origin, "Access-Control-Request-Method": method, "Access-Control-Request-Headers": "x-key"}
    answer = await client.request("OPTIONS", path, headers=headers)
    if answer.status == 200:
        assert answer.headers["Access-Control-Allow-Methods"] == method
        assert answer.headers["Access-Control-Allow-Headers"] == "X-KEY"
    return answer.status, answer.headers.get(ALLOWED)


@pytest.fixture(params=["alone", "with a middleware"])
def app(request: pytest.FixtureRequest) -> Application:
    """An application, with all that a middleware changes on the way of a request."""

    async def pass_on(request: web.Request, handler: Handler) -> web.StreamResponse:
        return await handler(request)

    return Application(middlewares=[] if request.param == "alone" else [pass_on])


async def test_cors_is_for_all_routes_of_an_application_whatever_they_are(
    app: Application, serve: Serve, tmp_path: Path
) -> None:
    (tmp_path / "site.css").write_text("body {}")
    app.add_get("/function", show)
    app.add_view("/view/{id:int}", Price)
    app.add_view("/first", MixinFirst)
    app.add_view("/foreign", Foreign)
    app.add_route("GET", "/none", NoMixin)
    app.mount("/static", Static(tmp_path, show_index=True))
    app.add_static("/folder", tmp_path)
    app.aiohttp.router.add_get("/raw", raw)
    cors = with_cors(app)
    for route in app.router.routes():
        cors.add(route)
    client = await serve(app)
    files = ("/static/site.css", "/static/", "/folder/site.css")
    for path in ("/function", "/view/7", "/first", "/foreign", "/none", "/raw", *files):
        assert await ask(client, "GET", path, THERE) == (200, THERE), path
        assert await ask_before(client, "GET", path, THERE) == (200, THERE), path
        assert await ask(client, "GET", path, ELSEWHERE) == (200, None), path
        assert await ask_before(client, "GET", path, ELSEWHERE) == (403, None), path


async def test_cors_options_of_a_view_class_and_of_its_methods_count(app: Application, serve: Serve) -> None:
    with_cors(app).add(app.router.add_view("/{id:int}", Price))
    client = await serve(app)
    assert [await ask(client, "GET", "/7", origin) for origin in (THERE, OFFICE, ELSEWHERE)] == [
        (200, THERE),
        (200, OFFICE),
        (200, None),
    ]
    assert [await ask(client, "PUT", "/7", origin) for origin in (THERE, OFFICE, ELSEWHERE)] == [
        (409, THERE),
        (409, OFFICE),
        (409, ELSEWHERE),
    ]
    assert await ask(client, "HEAD", "/7", OFFICE) == (200, OFFICE)
    credentials = await client.get("/7", headers={"Origin": OFFICE})
    assert credentials.headers["Access-Control-Allow-Credentials"] == "true"


@pytest.mark.parametrize("view", [Price, Foreign])
async def test_what_a_view_class_with_cors_does_not_have_is_no_error_of_the_server(
    app: Application, serve: Serve, view: type[web.View]
) -> None:
    with_cors(app).add(app.router.add_view("/{id:int}", view))
    client = await serve(app)
    has_head = view is Price
    assert await ask(client, "HEAD", "/7", THERE) == (200 if has_head else 405, THERE)
    assert await ask(client, "DELETE", "/7", THERE) == (405, THERE)
    assert await ask_before(client, "DELETE", "/7", THERE) == (403, None)
    assert (await client.get("/missing", headers={"Origin": THERE})).headers.get(ALLOWED) is None


async def test_cors_is_added_to_a_resource_before_and_after_its_routes(app: Application, serve: Serve) -> None:
    cors = with_cors(app)
    options = {THERE: {"allow_headers": "*"}}
    before = cors.add(app.router.add_resource("/before"), options)
    cors.add(before.add_route("GET", show))
    after = app.router.add_resource("/after")
    after.add_route("*", MixinFirst)
    cors.add(after, options)
    client = await serve(app)
    for path in ("/before", "/after"):
        assert await ask(client, "GET", path, THERE) == (200, THERE)
        assert await ask_before(client, "GET", path, THERE) == (200, THERE)


async def test_errors_on_routes_with_cors_can_be_read_there(app: Application, serve: Serve) -> None:
    async def crash(request: web.Request) -> None:
        raise ValueError("boom")

    with_cors(app).add(app.add_get("/crash", crash))
    assert await ask(await serve(app), "GET", "/crash", THERE) == (500, THERE)


async def test_cors_of_a_mounted_application_is_set_up_on_it(app: Application, serve: Serve) -> None:
    child = Application()
    with_cors(child).add(child.add_view("/{id:int}", Price))
    app.mount("/child", child)
    client = await serve(app)
    assert await ask(client, "GET", "/child/7", OFFICE) == (200, OFFICE)
    assert await ask_before(client, "GET", "/child/7", THERE) == (200, THERE)


def test_a_view_class_without_the_mixin_is_refused_by_the_package(app: Application) -> None:
    cors = with_cors(app)
    with pytest.raises(ValueError, match=r"should be derived from aiohttp_cors\.CorsViewMixin"):
        cors.add(app.add_view("/", NoMixin))


async def test_options_of_a_view_without_cors_are_webkits(app: Application, serve: Serve) -> None:
    app.add_view("/", NoMixin)
    answer = await (await serve(app)).request("OPTIONS", "/")
    assert (answer.status, answer.headers["Allow"]) == (204, "GET,HEAD,OPTIONS")


# The debug toolbar (AW-169)

BUTTON = 'id="pDebugToolbarHandle"'
PAGE = "<!DOCTYPE html><html><head></head><body>{{ name }} at {{ url_for('page', name=name) }}</body></html>"


class Page(View):
    """A View that renders a template, and answers POST with JSON."""

    async def get(self) -> web.StreamResponse:
        """Show the page."""
        return await self.render("page.html", name="view")

    async def post(self) -> dict[str, Any]:
        """Give the form back."""
        return dict(await self.request.post())


def with_toolbar(**options: Any) -> Application:
    app = Application(debug=True)
    app.use(Templates(loader=jinja2.DictLoader({"page.html": PAGE})))

    @app.get("/pages/{name}", name="page")
    @template("page.html")
    def page(name: str) -> dict[str, str]:
        return {"name": name}

    @app.get("/html")
    async def write() -> web.StreamResponse:
        return html("<html><head></head><body>written</body></html>")

    @app.get("/stream")
    async def stream(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/html"})
        await response.prepare(request)
        await response.write(b"<body>streamed</body>")
        return response

    @app.get("/socket")
    async def socket(request: web.Request) -> web.WebSocketResponse:
        response = web.WebSocketResponse()
        await response.prepare(request)
        await response.send_str("hello")
        await response.close()
        return response

    @app.get("/crash")
    async def crash() -> None:
        raise ValueError("boom")

    app.add_view("/view", Page)
    aiohttp_debugtoolbar.setup(app.aiohttp, **options)
    return app


async def test_the_toolbar_is_put_into_pages_and_into_nothing_else(serve: Serve) -> None:
    client = await serve(with_toolbar())
    for path, said in (("/pages/ann", "ann at /pages/ann"), ("/html", "written"), ("/view", "view at /pages/view")):
        answer = await client.get(path)
        assert BUTTON in answer.text
        assert said in answer.text
        assert int(answer.headers["Content-Length"]) == len(answer.body)
    assert (await client.post("/view", data={"a": "b"})).json == {"a": "b"}
    assert (await client.get("/stream")).text == "<body>streamed</body>"
    assert (await client.request("HEAD", "/html")).body == b""
    assert [(await client.request(method, "/missing")).status for method in ("GET", "PUT")] == [404, 404]
    assert (await client.request("PUT", "/view")).status == 405
    async with client.session.ws_connect(client.url / "socket") as connection:
        assert await connection.receive_str() == "hello"


async def test_the_toolbar_has_pages_of_its_own_that_know_webkits_routes(serve: Serve) -> None:
    client = await serve(with_toolbar())
    shown = (await client.get("/html")).text
    (number,) = re.findall(r'href="(/_debugtoolbar/[0-9a-f]+)"', shown)
    page = await client.get(number)
    assert page.status == 200
    # The source of what the user has written, not that of webkit's machinery around it.
    assert "return html(" in unescape(page.text)
    assert "class Page(View):" in unescape(page.text)
    assert (await client.get("/_debugtoolbar/static/css/toolbar.css")).headers["Content-Type"] == "text/css"
    assert (await client.get("/_debugtoolbar/sse")).text.startswith("id: ")


async def test_errors_are_shown_by_webkit_or_by_the_toolbar(serve: Serve) -> None:
    browser = {"Accept": "text/html"}
    ours = await (await serve(with_toolbar(intercept_exc=False))).get("/crash", headers=browser)
    assert (ours.status, "Reference" in ours.text, BUTTON in ours.text) == (500, True, False)
    theirs = await (await serve(with_toolbar())).get("/crash", headers=browser)
    assert (theirs.status, "Reference" in theirs.text, BUTTON in theirs.text) == (500, False, True)


async def test_the_toolbar_of_the_example_is_there_under_debug_only(serve: Serve) -> None:
    plain = await serve(debug_toolbar.init([]))
    assert BUTTON not in (await plain.get("/")).text
    assert (await plain.get("/_debugtoolbar")).status == 404
    token = DEBUG.set(True)
    debugged = await serve(debug_toolbar.init([]))
    DEBUG.reset(token)
    assert BUTTON in (await debugged.get("/")).text
    assert (await debugged.get("/_debugtoolbar")).status == 200
    assert (await debugged.get("/_debugtoolbar", headers={"X-Forwarded-For": "203.0.113.9"})).status == 404
    crash = await debugged.get("/crash", headers={"Accept": "text/html"})
    assert "ZeroDivisionError" in crash.text
    assert "/_debugtoolbar/execute" not in crash.text


# Templates (AW-166)

NAMED = "{{ name }} {{ url('user', id=1) }} {{ url('file', query_={'a': 'b'}, name='x') }} {{ request.path }}"


@aiohttp_jinja2.template("named.html")
async def show_user(request: web.Request) -> dict[str, str]:
    return {"name": f"user {request.match_info['id']}"}


class NamedView(View):
    """A View whose methods are decorated by aiohttp-jinja2 and by webkit."""

    @aiohttp_jinja2.template("named.html", status=201)
    async def get(self) -> dict[str, str]:
        """Show."""
        return {"name": "<view>"}

    @template("ours.html")
    async def post(self) -> dict[str, str]:
        """Show with webkit's own decorator."""
        return {"name": "<ours>"}


def with_jinja(app: Application) -> None:
    loader = jinja2.DictLoader({"named.html": NAMED})
    environment = aiohttp_jinja2.setup(
        app.aiohttp, loader=loader, context_processors=[aiohttp_jinja2.request_processor]
    )
    environment.globals["whose"] = "theirs"
    app.add_get("/users/{id:int}", show_user, name="user")
    app.add_view("/files/{name}", NamedView, name="file")


async def test_aiohttp_jinja2_knows_webkits_routes_by_name(serve: Serve) -> None:
    app = Application()
    with_jinja(app)
    client = await serve(app)
    assert (await client.get("/users/7")).text == "user 7 /users/1 /files/x?a=b /users/7"
    answer = await client.get("/files/x")
    assert (answer.status, answer.text) == (201, "&lt;view&gt; /users/1 /files/x?a=b /files/x")
    assert (await client.get("/users/x")).status == 404


@pytest.mark.parametrize("is_first", [True, False])
async def test_it_has_templates_of_its_own_beside_webkits(serve: Serve, is_first: bool) -> None:
    app = Application()
    if is_first:
        with_jinja(app)
    app.use(Templates(loader=jinja2.DictLoader({"ours.html": "{{ name }} {{ whose }} {{ url_for('user', id=2) }}"})))
    if not is_first:
        with_jinja(app)
    client = await serve(app)
    assert (await client.get("/users/7")).text == "user 7 /users/1 /files/x?a=b /users/7"
    assert (await client.post("/files/x")).text == "&lt;ours&gt;  /users/2"


async def test_alone_webkits_templates_are_those_of_aiohttp_jinja2_too(serve: Serve) -> None:
    app = Application()
    for name in ("first", "second"):
        app.use(Templates(loader=jinja2.DictLoader({"named.html": name + " {{ name }} {{ url('user', id=1) }}"})))
    app.add_get("/users/{id:int}", show_user, name="user")
    assert (await (await serve(app)).get("/users/7")).text == "second user 7 /users/1"
