"""The way from webkit's server to a route: past aiohttp's router where that has nothing but webkit's table."""

import re
import sys
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from functools import wraps
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from aiohttp import HttpVersion11, web
from aiohttp.test_utils import make_mocked_request

from tests.serving import Serve, run_by_webkit
from webkit import REQUEST_ID, Application
from webkit.checks import GOOD_HOSTS
from webkit.dispatch import make_dispatcher
from webkit.routing import TrailingSlash

_DATE = re.compile(rb"Date: [^\r]*\r\n")


def _template_of(request: web.Request) -> str | None:
    resource: Any = request.match_info.route.resource
    return None if resource is None else str(resource.template)


def _make(trailing_slash: TrailingSlash = "strict") -> Application:
    app = Application(trailing_slash=trailing_slash)

    @app.get("/users/{id:int}")
    async def show(id: int) -> dict[str, int]:
        return {"id": id}

    @app.get("/about")
    async def about() -> str:
        return "about"

    return app


def _mount(app: Application) -> None:
    app.mount("/child", _make())


def _add_domain(app: Application) -> None:
    app.add_domain("example.org", _make())


def _add_folder(app: Application) -> None:
    app.add_static("/folder", Path(__file__).parent)


def _add_route_of_aiohttp(app: Application) -> None:
    async def show(request: web.Request) -> web.Response:
        return web.Response(text="aiohttp's")

    app.aiohttp.router.add_get("/users/42", show)


def _add_middleware_of_aiohttp(app: Application) -> None:
    @web.middleware
    async def sign(
        request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        response = await handler(request)
        response.headers["X-Signed"] = "1"
        return response

    app.aiohttp.middlewares.append(sign)


def _add_middleware(app: Application) -> None:
    async def sign(request: web.Request, handler: Any) -> Any:
        response = await handler(request)
        response.headers["X-Signed"] = "1"
        return response

    app.middlewares.append(sign)


class Watched:
    """Which functions of aiohttp's and webkit's were entered while the block ran."""

    def __enter__(self) -> "Watched":
        self.entered: set[str] = set()
        sys.setprofile(self._note)
        return self

    def __exit__(self, *error: object) -> None:
        sys.setprofile(None)

    def _note(self, frame: Any, event: str, argument: object) -> None:
        if event == "call":
            self.entered.add(f"{Path(frame.f_code.co_filename).stem}.{frame.f_code.co_name}")

    @property
    def has_asked_router(self) -> bool:
        return "web_urldispatcher.resolve" in self.entered


@pytest.mark.parametrize("add", [lambda app: None, _add_middleware], ids=["alone", "middleware"])
async def test_a_route_is_found_without_aiohttps_router(add: Callable[[Application], None]) -> None:
    app = _make()
    add(app)
    async with run_by_webkit(app) as client:
        await client.get("/about")  # the host is looked at once
        with Watched() as watched:
            assert (await client.get("/users/42")).text == '{"id":42}'
            assert (await client.get("/about")).text == "about"
        assert "dispatch.dispatch" in watched.entered
        assert not watched.has_asked_router


@pytest.mark.parametrize(
    "add",
    [_mount, _add_domain, _add_folder, _add_route_of_aiohttp, _add_middleware_of_aiohttp],
    ids=lambda add: add.__name__,
)
async def test_aiohttps_router_is_asked_where_it_has_more(add: Callable[[Application], None]) -> None:
    app = _make()
    add(app)
    async with run_by_webkit(app) as client:
        await client.get("/about")
        with Watched() as watched:
            got = await client.get("/about")
        assert got.text == "about"
        assert ("X-Signed" in got.headers) == (add is _add_middleware_of_aiohttp)
        assert watched.has_asked_router
        assert (await client.get("/users/42")).text == ("aiohttp's" if add is _add_route_of_aiohttp else '{"id":42}')


async def test_aiohttps_router_is_asked_from_the_first_hot_mount_on() -> None:
    app = _make()
    async with run_by_webkit(app) as client:
        assert (await client.get("/users/7")).text == '{"id":7}'
        child = Application()
        child.get("/7")(lambda: "hot-mounted")
        await app.hot_mount("/users", child)
        assert (await client.get("/users/7")).text == '{"id":7}'  # the longer path is the parent's
        assert (await client.get("/about")).text == "about"
        await app.hot_unmount("/users")
        other = Application()
        other.get("/")(lambda: "hot-mounted")
        await app.hot_mount("/other", other)
        assert (await client.get("/other/")).text == "hot-mounted"


async def test_a_middleware_that_resolves_its_request_once_more_finds_the_same_route(serve: Serve) -> None:
    app = _make()
    found: list[tuple[bool, str]] = []

    async def ask(request: web.Request, handler: Any) -> Any:
        again = await request.app.router.resolve(request)
        found.append((again.route is request.match_info.route, again["id"]))
        return await handler(request)

    app.middlewares.append(ask)
    client = await serve(app)
    for _ in range(2):
        assert (await client.get("/users/42")).text == '{"id":42}'
    assert found == [(True, "42")] * 2


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        ("/nowhere", {}, 404),
        ("/users/x", {}, 404),
        ("/about", {"Host": "a b"}, 400),
        ("/about", {"Expect": "100-continue"}, 200),
        ("/about", {"Expect": "tea"}, 417),
        ("/about", {"Content-Encoding": "tea"}, 200),
        ("/about", {"Transfer-Encoding": "chunked"}, 200),
    ],
    ids=str,
)
async def test_what_is_unusual_about_a_request_is_treated_as_under_any_runner(
    serve: Serve, path: str, headers: dict[str, str], status: int
) -> None:
    client = await serve(_make())
    assert (await client.get("/about")).status == 200
    lines = "".join(f"{name}: {value}\r\n" for name, value in {"Host": "localhost", **headers}.items())
    body = "0\r\n\r\n" if "Transfer-Encoding" in headers else ""
    answer = await client.send(f"GET {path} HTTP/1.1\r\n{lines}Connection: close\r\n\r\n{body}".encode())
    assert answer.startswith(f"HTTP/1.1 {status} ".encode()), answer[:200]


@pytest.mark.parametrize("accept", ["text/plain", "text/html", "application/problem+json"])
@pytest.mark.parametrize(
    ("method", "path", "status"), [("GET", "/nowhere", 404), ("GET", "/users/x", 404), ("POST", "/about", 405)]
)
async def test_a_miss_has_the_same_answer_on_either_way(method: str, path: str, status: int, accept: str) -> None:
    answers = []
    for add in (lambda app: None, _add_route_of_aiohttp):
        app = _make()
        add(app)
        async with run_by_webkit(app) as client:
            await client.get("/about")
            with Watched() as watched:
                got = await client.request(method, path, headers={"Accept": accept})
        assert got.status == status
        assert watched.has_asked_router == (add is _add_route_of_aiohttp)
        answers.append((got.text, {name: value for name, value in got.headers.items() if name != "Date"}))
    assert answers[0] == answers[1]


@pytest.mark.parametrize("target", ["/about", "/nowhere", "localhost:80"])
async def test_a_connect_closes_the_connection(target: str) -> None:
    async with run_by_webkit(_make()) as client:
        await client.get("/about")
        answer = await client.send(f"CONNECT {target} HTTP/1.1\r\nHost: localhost\r\n\r\n{_LAST}".encode())
    assert answer.count(b"HTTP/1.1 ") == 1
    assert b"Connection: close" in answer


_LAST = "GET /about HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
_METHODS = ["GET", "HEAD", "POST", "OPTIONS", "DELETE"]
_TARGETS = [
    "/about",
    "/about/",
    "/users/42?q=1",
    "/users/x",
    "/users/4%2F2",
    "//about",
    "*",
    "http://localhost/about",
    "a:80",
]
_HEADERS = [
    "",
    "Host: a b\r\n",
    "Host: b\r\n",
    "Expect: tea\r\n",
    "Content-Encoding: gzip\r\n",
    "Content-Length: 3\r\n",
]


@pytest.mark.parametrize("trailing_slash", ["strict", "redirect", "ignore"])
async def test_either_way_sends_the_same_bytes(trailing_slash: TrailingSlash) -> None:
    async with AsyncExitStack() as stack:
        clients = []
        for add in (lambda app: None, _add_folder):
            app = _make(trailing_slash)
            add(app)
            clients.append(await stack.enter_async_context(run_by_webkit(app)))
        for method, target, headers in product(_METHODS, _TARGETS, _HEADERS):
            body = "abc" if "Length" in headers else ""
            request = f"{method} {target} HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n{body}{_LAST}".encode()
            alone, beside = [_DATE.sub(b"", await client.send(request)) for client in clients]
            assert alone == beside != b"", request


async def test_a_miss_is_told_from_a_route_that_says_404() -> None:
    app = Application(debug=True)

    @app.get("/gone")
    async def gone() -> None:
        raise web.HTTPNotFound

    async with run_by_webkit(app) as client:
        for _ in range(2):
            assert "No route matched" in (await client.get("/nowhere", headers={"Accept": "text/html"})).text
            assert "The route" in (await client.get("/gone", headers={"Accept": "text/html"})).text


async def test_a_hook_that_counts_by_path_counts_a_miss_for_none(serve: Serve) -> None:
    seen: list[tuple[str | None, Any]] = []
    app = _make()

    async def count(request: web.Request, response: web.StreamResponse) -> None:
        match_info = request.match_info
        assert match_info.get_info().get("http_exception") is match_info.http_exception
        seen.append((_template_of(request), match_info.http_exception and match_info.http_exception.status))

    app.on_response_prepare.append(count)
    client = await serve(app)
    for method, path in (("GET", "/about"), ("GET", "/nowhere"), ("PUT", "/about")):
        await client.request(method, path)
    assert seen == [("/about", None), (None, 404), (None, 405)]


@pytest.mark.parametrize("is_wrapped", [True, False], ids=["wrapped", "replaced"])
async def test_a_package_that_stands_in_for_aiohttps_router_sees_every_request(
    monkeypatch: pytest.MonkeyPatch, is_wrapped: bool
) -> None:
    seen = []
    original = web.UrlDispatcher.resolve

    async def resolve(router: web.UrlDispatcher, request: web.Request) -> Any:
        seen.append(request.path)
        return await original(router, request)

    monkeypatch.setattr(web.UrlDispatcher, "resolve", wraps(original)(resolve) if is_wrapped else resolve)
    async with run_by_webkit(_make()) as client:
        for path in ("/about", "/users/7", "/nowhere", "/about"):
            await client.get(path)
    assert seen == ["/about", "/users/7", "/nowhere", "/about"]


async def test_a_package_that_stands_in_for_aiohttps_application_sees_every_request() -> None:
    app = _make()
    seen = []

    async def handle(request: web.Request) -> web.StreamResponse:
        seen.append(request)
        return web.Response()

    GOOD_HOSTS.add("example.org")
    request: Any = make_mocked_request("GET", "/about", headers={"Host": "example.org"}, version=HttpVersion11)
    app.aiohttp.freeze()
    await make_dispatcher(app.aiohttp, handle, None)(request)
    assert seen == [request]


async def test_each_request_has_an_id_of_its_own_and_its_own_match() -> None:
    app = Application()
    seen: list[tuple[str, int, web.Application, str | None]] = []

    @app.get("/users/{id}")
    async def show(request: web.Request, id: str) -> str:
        seen.append((request[REQUEST_ID], int(id), request.app, _template_of(request)))
        return id

    async with run_by_webkit(app) as client:
        for number in range(600):  # more than are made at once
            assert (await client.get(f"/users/{number}")).text == str(number)
    assert len({number for number, *_ in seen}) == 600
    assert [id for _, id, *_ in seen] == list(range(600))
    assert {(app, template) for *_, app, template in seen} == {(app.aiohttp, "/users/{id}")}
