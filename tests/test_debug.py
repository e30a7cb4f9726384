"""Debug pages: what they show, what they never show, and to whom."""

import asyncio
import html
import json
import re
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp import HttpVersion10, HttpVersion11, web
from aiohttp.test_utils import make_mocked_request
from hypothesis import given
from hypothesis import strategies as st
from playwright.async_api import Browser

from tests.browsing import DESKTOP, PHONE
from tests.serving import Client, Serve
from tests.test_masking import HEADER_VALUES, secret_names
from webkit import Application, Templates, View, render, template
from webkit.debug import (
    RouteLine,
    error_page,
    error_problem,
    error_text,
    is_local,
    not_found_page,
    not_found_problem,
    not_found_text,
    route_lines,
)
from webkit.masking import MASK

FAILED = "debug page itself failed"
LIMIT = 1_000_000
BODY = "open sesame"


class Connection(asyncio.Transport):
    """The transport of a connection from *peer*."""

    def __init__(self, peer: Any = ("127.0.0.1", 50000), family: int = socket.AF_INET) -> None:
        super().__init__({"peername": peer, "socket": type("Socket", (), {"family": family})()})


def make_request(
    target: str = "/",
    headers: dict[str, str] | list[tuple[str, str]] | None = None,
    *,
    method: str = "GET",
    parameters: dict[str, str] | None = None,
    transport: asyncio.BaseTransport | None = None,
    version: Any = HttpVersion11,
) -> web.Request:
    return make_mocked_request(
        method,
        target,
        headers if headers is not None else {"Host": "localhost"},
        match_info=parameters or {},
        version=version,
        transport=transport or Connection(),
    )


def raised(error: BaseException) -> BaseException:
    """Give *error* with a traceback, as a handler would have raised it."""
    try:
        raise error
    except BaseException as caught:
        return caught


def text_of(page: str) -> str:
    """What a reader sees of a page, about."""
    body = page.partition("<body>")[2]
    return html.unescape(re.sub(r"<[^>]*>", "", body))


# Who may see it


@pytest.mark.parametrize(
    ("peer", "expected"),
    [
        (("127.0.0.1", 1), True),
        (("127.255.3.9", 1), True),
        (("::1", 1, 0, 0), True),
        (("::ffff:127.0.0.1", 1, 0, 0), True),
        (("0.0.0.0", 1), False),
        (("10.0.0.1", 1), False),
        (("192.168.1.7", 1), False),
        (("8.8.8.8", 1), False),
        (("::ffff:8.8.8.8", 1, 0, 0), False),
        (("fe80::1%eth0", 1, 0, 0), False),
        (("localhost", 1), False),
        ("127.0.0.1", False),
        ("", False),
        (None, False),
        ((), False),
    ],
)
def test_only_a_peer_on_the_loopback_interface_is_local(peer: Any, expected: bool) -> None:
    assert is_local(make_request(transport=Connection(peer))) is expected


@pytest.mark.parametrize("peer", ["", None, b""])
def test_a_unix_socket_is_local(peer: Any) -> None:
    assert is_local(make_request(transport=Connection(peer, socket.AF_UNIX)))


def test_a_connection_that_is_gone_is_not() -> None:
    request = make_request()
    request.protocol.transport = None
    assert not is_local(request)


@pytest.mark.parametrize(
    "name",
    [
        "Forwarded",
        "forwarded",
        "X-Forwarded-For",
        "X-FORWARDED-PROTO",
        "X-Forwarded-Anything",
        "X-Real-IP",
        "Via",
        "True-Client-IP",
        "CF-Connecting-IP",
        "X-Client-IP",
        "X-Original-Host",
        "X-Envoy-External-Address",
    ],
)
def test_what_came_through_a_proxy_is_not_local(name: str) -> None:
    assert not is_local(make_request(headers={"Host": "localhost", name: "127.0.0.1"}))


def test_what_a_proxy_sends_that_adds_no_header_is_not_local() -> None:
    assert not is_local(make_request(version=HttpVersion10))


@pytest.mark.parametrize(
    ("hosts", "expected"),
    [
        (["localhost"], True),
        (["LOCALHOST:8080"], True),
        (["localhost.:8080"], True),
        (["shop.localhost:8080"], True),
        (["127.0.0.1:8080"], True),
        (["127.8.8.8"], True),
        (["[::1]:8080"], True),
        (["[::ffff:127.0.0.1]"], True),
        ([], False),
        ([""], False),
        (["evil.example"], False),
        (["evil.example:8080"], False),
        (["localhost.evil.example"], False),
        (["evillocalhost"], False),
        (["127.0.0.1.evil.example"], False),
        (["0.0.0.0:8080"], False),
        (["10.0.0.1"], False),
        (["localhost", "evil.example"], False),
        (["localhost@evil.example"], False),
        (["localhost:8080:80"], False),
    ],
)
def test_only_a_local_host_is_local(hosts: list[str], expected: bool) -> None:
    assert is_local(make_request(headers=[("Host", host) for host in hosts])) is expected


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("http://localhost/a", True),
        ("http://evil.example/a", False),
        ("http://localhost@evil.example/a", False),
        ("http://[/", False),
        ("*", True),
        ("//evil.example/", True),  # a path
    ],
)
def test_a_target_with_a_host_must_name_a_local_one(target: str, expected: bool) -> None:
    request = make_request()
    request._message = request._message._replace(path=target)
    assert is_local(request) is expected


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"Origin": "http://localhost:3000"}, True),
        ({"Origin": "http://127.0.0.1"}, True),
        ({"Origin": "https://evil.example"}, False),
        ({"Origin": "null"}, False),
        ({"Origin": "https://evil.example", "Sec-Fetch-Mode": "cors"}, False),
        # A form that another site sent here; that site cannot read what comes back.
        ({"Origin": "https://login.example", "Sec-Fetch-Mode": "navigate"}, True),
    ],
)
def test_a_foreign_page_that_could_read_the_answer_is_not_local(headers: dict[str, str], expected: bool) -> None:
    assert is_local(make_request(headers={"Host": "localhost"} | headers)) is expected


# What is never shown


@given(secret_names(), HEADER_VALUES, st.sampled_from(["header", "query", "parameter", "cookie", "referer"]))
def test_a_secret_of_the_request_is_on_no_page(name: str, secret: str, where: str) -> None:
    secret = f"zq{secret}qz"
    target, headers, parameters = "/a", {"Host": "localhost"}, {}
    if where == "header":
        headers[name] = f"Bearer {secret}"
    elif where == "query":
        target = str(make_request().rel_url.with_path("/a").with_query({name: secret, "page": "1"}))
    elif where == "parameter":
        parameters[name] = secret
        target = str(make_request().rel_url / secret)
    elif where == "cookie":
        headers["Cookie"] = f"theme=dark; id={secret}"
    else:
        secret = secret.replace("/", "")
        headers["Referer"] = f"http://user:{secret}@localhost/"
    request = make_request(target, headers, parameters=parameters)
    error = raised(ValueError(f"cannot take {secret}, {secret!r}, or {secret.encode()!r}"))
    error.add_note(f"it was {secret}")
    routes = [RouteLine(("GET",), f"/{{{re.sub(r'[^a-z]', '', name.lower()) or 'key'}}}/b")]
    for page in (
        html.unescape(error_page(request, error, reference="r")),
        error_text(request, error, reference="r"),
        json.dumps(error_problem(request, error, reference="r"), ensure_ascii=False),
        html.unescape(not_found_page(request, routes=routes)),
        not_found_text(request, routes=routes),
        json.dumps(not_found_problem(request, routes=routes), ensure_ascii=False),
    ):
        assert FAILED not in page
        assert secret not in page


def test_a_secret_in_the_source_is_masked_too() -> None:
    def fail() -> None:
        raise ValueError("open-sesame-1")

    request = make_request(headers={"Host": "localhost", "X-Api-Key": "open-sesame-1"})
    try:
        fail()
    except ValueError as error:
        page = error_page(request, error, reference="r")
    assert "open-sesame-1" not in page
    assert f"raise ValueError(&quot;{MASK}&quot;)" in page


async def ask(serve: Serve, handler: Any, target: str = "/", path: str = "/", **options: Any) -> str:
    """Give the page that *handler*'s exception makes, on a real server."""
    app = Application(middlewares=[showing])
    app.add_route("*", path, handler, name="it")
    client = await serve(app)
    return (await client.request(options.pop("method", "GET"), target, **options)).text


async def showing(request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]) -> Any:
    try:
        return await handler(request)
    except Exception as error:
        page = error_page(request, error, reference="r3f")
        return web.Response(text=page, content_type="text/html", status=500)


async def test_neither_local_variables_nor_the_body_are_shown(serve: Serve) -> None:
    async def handler(request: web.Request) -> None:
        body = await request.text()
        local = body.upper()
        raise ValueError(f"a body of {len(local)} characters")

    page = await ask(serve, handler, method="POST", data=BODY)
    assert "a body of 11 characters" in page
    assert BODY not in page.lower()


# What is shown


async def test_the_page_names_the_error_the_route_and_the_request(serve: Serve) -> None:
    class Show(View):
        async def get(self, id: int) -> None:
            raise LookupError(f"no <user> {id}")

    page = await ask(serve, Show, "/users/3?page=2&api_key=abc", "/users/{id:int}", headers={"X-Odd": "<b>"})
    assert "<title>LookupError: no &lt;user&gt; 3</title>" in page
    assert "<h1>LookupError</h1>" in page
    text = text_of(page)
    for shown in (
        "no <user> 3",
        "r3f",
        f"GET /users/3?page=2&api_key={MASK} HTTP/1.1",
        "Path/users/{id:int}",
        "Method*",
        "Nameit",
        "Show",
        f"{__name__}.showing",
        "id3",
        "page2",
        f"api_key{MASK}",
        "X-Odd<b>",
        "127.0.0.1:",
        "aiohttp3.",
    ):
        assert shown in text
    assert "<b>" not in page.partition("X-Odd")[2][:40]


async def test_our_own_frames_come_first_and_the_others_are_folded(serve: Serve) -> None:
    def inner() -> None:
        json.loads("{")

    async def handler(request: web.Request) -> None:
        inner()

    page = await ask(serve, handler)
    first, _, rest = page.partition("<details>")
    places = re.findall(r'class="place".*?in <b>(.*?)</b>', first)
    assert [place.rpartition(".")[2] for place in places] == ["inner", "handler", "showing"]
    assert "json/decoder.py" not in first
    assert re.search(r"<details><summary><span class=\"place\">.*json/decoder.py.*</summary><pre", rest)
    assert '<span class="line hit">' in first
    assert "json.loads(&quot;{&quot;)" in first


async def test_an_error_without_a_frame_of_ours_shows_where_it_broke() -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011
        json.loads("{")
    error = caught.value.with_traceback(caught.tb.tb_next)
    page = error_page(make_request(), error, reference="")
    assert "json/decoder.py" in page.partition("<details>")[0]


async def test_the_whole_chain_is_shown_the_last_error_first() -> None:
    def handle() -> None:
        try:
            raise KeyError("the cause")
        except KeyError as error:
            raise ExceptionGroup("the group", [TypeError("a member")]) from error

    try:
        handle()
    except ExceptionGroup as error:
        page = error_page(make_request(), error, reference="r")
    headings = re.findall(r'<(?:h1|h2 class="type"|p class="link"|p class="message")>(.*?)<', page)
    assert headings == [
        "ExceptionGroup",
        "the group (1 sub-exception)",
        "The direct cause of it",
        "KeyError",
        "&#x27;the cause&#x27;",
        "One of the group",
        "TypeError",
        "a member",
    ]


@pytest.mark.parametrize("source", ["<p>\n{{ thing.a.b }}\n", "<p>\n{{ thing. }}\n"])
def test_a_template_error_shows_the_line_of_the_template(source: str, tmp_path: Any) -> None:
    jinja2 = pytest.importorskip("jinja2")
    (tmp_path / "page.html").write_text(source)
    environment = jinja2.Environment(autoescape=True, loader=jinja2.FileSystemLoader(tmp_path))
    try:
        environment.get_template("page.html").render(thing=1)
    except jinja2.TemplateError as error:
        page = error_page(make_request(), error, reference="r")
    first = page.partition("<details>")[0]
    assert "page.html</span>:2" in first
    assert f'<span class="line hit"><span class="number">2</span>{source.splitlines()[1]}</span>' in first


def make_site(folder: Path) -> Application:
    """A site whose templates fail: in a macro, in a filter of ours, in their syntax, and because they are not there."""
    (folder / "base.html").write_text("<!doctype html>\n{% block body %}{% endblock %}\n")
    (folder / "page.html").write_text(
        '{% extends "base.html" %}\n{% block body %}\n<p>{{ thing.a.b }}</p>\n{% endblock %}\n'
    )
    (folder / "broken.html").write_text("<ul>\n<li>{{ thing. }}\n</ul>\n")
    (folder / "filtered.html").write_text("<p>\n{{ thing|halve }}\n")

    def halve(number: float) -> float:
        return number / 2

    async def show(request: web.Request, name: str) -> Any:
        return await render(request, name, thing="x")

    @template("page.html")
    async def describe(request: web.Request) -> Any:
        return {"thing": 1}

    @template("nowhere.html")
    async def lose(request: web.Request) -> None: ...

    app = Application(debug=True)
    app.use(Templates(folder, filters={"halve": halve}))
    app.add_get("/show/{name}", show)
    app.add_get("/describe", describe)
    app.add_get("/lose", lose)
    return app


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("/show/page.html", ["page.html:3", "base.html:2", "page.html:1", "test_debug.py:"]),
        ("/show/broken.html", ["broken.html:2", "test_debug.py:"]),
        ("/show/filtered.html", ["test_debug.py:", "filtered.html:2", "test_debug.py:"]),
        ("/show/nowhere.html", ["test_debug.py:"]),
        ("/describe", ["page.html:3", "base.html:2", "page.html:1"]),
        ("/lose", []),
    ],
)
async def test_what_failed_in_a_template_is_open_above_the_handler_and_all_libraries_are_folded(
    serve: Serve, tmp_path: Path, target: str, expected: list[str]
) -> None:
    client = await serve(make_site(tmp_path))
    page = (await client.get(target, headers=LOCAL)).text
    assert "<h1>webkit.templates.TemplateFault</h1>" in page
    assert '<h2 class="type">' in page
    lists = re.findall(r'<ol class="frames">(.*?)</ol>', page, re.DOTALL)
    assert len(lists) == (1 if expected else 0)
    opened = page.partition("<details>")[0]
    places = re.findall(r'<p class="place"><span class="file".*?>([^<]*)</span>(:\d+)', opened)
    assert len(places) == len(expected)
    for (file, line), place in zip(places, expected, strict=True):
        assert place in file + line
    assert "jinja2/environment.py" in page


async def test_a_line_of_a_template_is_marked_where_the_page_opens(serve: Serve, tmp_path: Path) -> None:
    client = await serve(make_site(tmp_path))
    page = (await client.get("/show/page.html", headers=LOCAL)).text
    first_hit = re.search(r'<span class="line hit"><span class="number">3</span>(.*?)</span>', page)
    assert first_hit is not None
    assert first_hit[1] == "&lt;p&gt;{{ thing.a.b }}&lt;/p&gt;"
    assert page.index('class="line hit"') == first_hit.start() + len("<span ")


class Rude(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no")

    __repr__ = __str__


def call(depth: int) -> int:
    return answer(depth + 1) + 1


def answer(depth: int) -> int:
    return call(depth + 1) + 1


def recursion() -> BaseException:
    try:
        call(0)
    except RecursionError as error:
        return error
    raise AssertionError


NASTY: list[Callable[[], BaseException]] = [
    lambda: raised(Rude()),
    lambda: raised(ValueError("x" * 20_000_000)),
    lambda: raised(ValueError("&" * 20_000_000)),
    lambda: raised(ValueError("\ud800\x00\x1b[31m\u202e")),
    lambda: raised(ValueError("</p><script>alert(1)</script>")),
    lambda: raised(ExceptionGroup("&" * 9999, [ExceptionGroup("&" * 9999, [Rude()] * 500) for _ in range(500)])),
    lambda: ExceptionGroup("deep", [recursion() for _ in range(30)]),  # type: ignore[type-var]
    recursion,
    lambda: raised(KeyboardInterrupt()),
    lambda: raised(type("&" * 5000, (Exception,), {})("$title ${style}")),
    ValueError,
]


@pytest.mark.parametrize("make", NASTY)
def test_no_error_is_too_much(make: Callable[[], BaseException]) -> None:
    request = make_request(
        "/?" + "&".join(f"{n}=%26%26" for n in range(900)), {f"X-{n}": "&" * 900 for n in range(120)}
    )
    error = make()
    page = error_page(request, error, reference="r")
    assert FAILED not in page
    assert len(page.encode()) < LIMIT
    assert "<script" not in page
    assert "\x1b" not in page
    assert len(error_text(request, error, reference="r").encode()) < LIMIT
    problem = error_problem(request, error, reference="r")
    assert len(json.dumps(problem)) < LIMIT
    assert problem["traceback"]


def test_a_request_that_knows_nothing_of_itself_gets_a_page_all_the_same() -> None:
    request = make_request()
    request._match_info = None
    page = error_page(request, raised(ValueError("seen")), reference="r")
    assert FAILED not in page
    assert "seen" in page


def test_where_the_page_fails_a_plain_one_says_so() -> None:
    page = error_page(None, raised(ValueError("secret")), reference="r3f")  # type: ignore[arg-type]
    assert FAILED in page
    assert "r3f" in page
    assert "secret" not in page
    assert FAILED in not_found_page(None, routes=[])  # type: ignore[arg-type]
    assert error_problem(None, ValueError(), reference="r")["status"] == 500  # type: ignore[arg-type]
    assert error_text(None, ValueError(), reference="r") == "500: Internal Server Error\n"  # type: ignore[arg-type]
    assert not_found_problem(None, routes=[])["status"] == 404  # type: ignore[arg-type]
    assert not_found_text(None, routes=[]) == "404: Not Found\n"  # type: ignore[arg-type]


def test_a_problem_document_has_the_traceback_line_by_line() -> None:
    problem = error_problem(make_request("/a?token=b"), raised(ValueError("bad")), reference="r3f")
    assert problem["title"] == "Internal Server Error"
    assert (problem["status"], problem["reference"], problem["detail"]) == (500, "r3f", "ValueError: bad")
    assert problem["instance"] == f"/a?token={MASK}"
    assert problem["traceback"][0] == "Traceback (most recent call last):"
    assert problem["traceback"][-1] == "ValueError: bad"


def test_a_text_has_the_traceback_as_python_prints_it() -> None:
    lines = error_text(make_request("/a"), raised(ValueError("bad")), reference="r3f").splitlines()
    assert lines[:4] == ["500: Internal Server Error", "GET /a HTTP/1.1", "Reference: r3f", ""]
    assert lines[4] == "Traceback (most recent call last):"
    assert lines[-2:] == ["    raise error", "ValueError: bad"]


# Not found


async def nothing(request: web.Request) -> dict[str, str]:
    return {}


async def raw(request: web.Request) -> web.Response:
    return web.Response()


async def missing(request: web.Request) -> None:
    raise web.HTTPNotFound


def make_shop() -> Application:
    """An application that answers 404 and 405 with the page for it."""

    async def showing(request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]) -> Any:
        try:
            return await handler(request)
        except web.HTTPException as error:
            routes = route_lines(request.match_info.apps[0])
            page = not_found_page(request, routes=routes, status=error.status)
            return web.Response(text=page, content_type="text/html", status=error.status)

    app, orders = Application(middlewares=[showing]), Application()
    orders.add_get("/{id:int}", nothing, name="order")
    app.add_get("/users/{id:int}", nothing, name="user")
    app.add_get("/gone", missing)
    app.add_post("/users", nothing)
    app.mount("/orders", orders)
    app.aiohttp.router.add_get("/raw/{x}", raw)
    return app


def near_in(page: str) -> str:
    return text_of("<body>" + page.partition('class="near">')[2].partition("</section>")[0])


async def test_a_path_without_a_route_gets_those_that_nearly_matched(serve: Serve) -> None:
    client = await serve(make_shop())
    answer = await client.get("/users/abc")
    assert answer.status == 404
    assert "No route matched." in answer.text
    assert "{id:int} did not take 'abc'" in near_in(answer.text)
    assert "GET, HEAD /orders/{id:int} order" in near_in((await client.get("/orders/x")).text)
    assert "trailing slash" in near_in((await client.get("/raw/1/")).text)
    everything = text_of((await client.get("/zebra")).text)
    assert "none comes near" in everything
    assert "All routes: 5" in everything


async def test_a_method_without_a_route_gets_the_others(serve: Serve) -> None:
    client = await serve(make_shop())
    answer = await client.request("DELETE", "/users")
    assert answer.status == 405
    assert "This path takes POST." in answer.text
    assert "another method: POST" in near_in(answer.text)


async def test_a_handler_that_says_404_itself_is_named(serve: Serve) -> None:
    client = await serve(make_shop())
    text = text_of((await client.get("/gone")).text)
    assert f"The route /gone matched. {__name__}.missing, or a middleware around it, said this." in text


async def test_the_routes_of_mounted_applications_are_listed_under_their_whole_path() -> None:
    lines = route_lines(make_shop().aiohttp)
    assert RouteLine(("GET", "HEAD"), "/orders/{id:int}", "order", f"{__name__}.nothing") in lines
    assert RouteLine(("GET", "HEAD"), "/raw/{x}", None, f"{__name__}.raw") in lines


async def test_ten_thousand_routes_make_a_page_of_bounded_size() -> None:
    routes = [RouteLine(("GET",), f"/&/{number}" + "&" * 300, "&" * 300, "&" * 300) for number in range(10_000)]
    page = not_found_page(make_request("/" + "&" * 8000), routes=routes)
    assert FAILED not in page
    assert len(page.encode()) < LIMIT
    assert "And 9,950 more" in page


async def test_as_text_and_as_problem_the_near_routes_come_along() -> None:
    routes = [RouteLine(("POST",), "/a", "a", "shop.a")]
    (near,) = not_found_problem(make_request("/a"), routes=routes)["near"]
    assert near == {
        "methods": ("POST",),
        "template": "/a",
        "name": "a",
        "handler": "shop.a",
        "reason": "another method: POST",
    }
    assert "  POST /a  (shop.a)\n    another method: POST\n" in not_found_text(make_request("/a"), routes=routes)


# In an application


async def crash(request: web.Request) -> None:
    raise ValueError("boom")


def make_crashing(*, debug: bool) -> Application:
    app = Application(debug=debug)
    app.add_get("/crash", crash)
    return app


LOCAL = {"Host": "localhost", "Accept": "text/html"}


@pytest.mark.parametrize("accept", ["text/html", "application/json", "*/*"])
async def test_in_debug_mode_a_local_client_sees_the_error_in_its_own_form(serve: Serve, accept: str) -> None:
    client = await serve(make_crashing(debug=True))
    answer = await client.get("/crash", headers={"Accept": accept})
    assert answer.status == 500
    assert "boom" in answer.text
    assert "in crash" in text_of(f"<body>{answer.text}")
    assert answer.headers["Cache-Control"] == "no-store"
    missing = await client.get("/crush", headers={"Accept": accept})
    assert missing.status == 404
    assert "&#x27;crash&#x27; instead of &#x27;crush&#x27;" in html.escape(html.unescape(missing.text))


@pytest.mark.parametrize("headers", [{"Host": "evil.example"}, {"X-Forwarded-For": "127.0.0.1"}])
async def test_in_debug_mode_anybody_else_sees_nothing_of_it(serve: Serve, headers: dict[str, str]) -> None:
    client = await serve(make_crashing(debug=True))
    for target in ("/crash", "/crush"):
        answer = await client.get(target, headers=LOCAL | headers)
        assert "boom" not in answer.text
        assert "crash" not in answer.text


async def test_without_debug_nobody_does(serve: Serve) -> None:
    client = await serve(make_crashing(debug=False))
    for target in ("/crash", "/crush"):
        answer = await client.get(target, headers=LOCAL)
        assert "boom" not in answer.text
        assert "in crash" not in answer.text


@pytest.mark.parametrize(
    "error", [web.HTTPNotFound(text="No such user."), web.HTTPForbidden(), web.HTTPServiceUnavailable()]
)
async def test_an_answer_that_a_handler_gives_on_purpose_stays_what_it_is(
    serve: Serve, error: web.HTTPException
) -> None:
    async def handler(request: web.Request) -> None:
        raise type(error)(text=error.text)

    app = Application(debug=True)
    app.add_get("/", handler)
    answer = await (await serve(app)).get("/", headers=LOCAL)
    assert answer.status == error.status
    assert "debug is on" not in answer.text


# In a browser


async def look(browser: Browser, client: Client, target: str, **options: Any) -> tuple[int, list[str]]:
    """Open a page without JavaScript. Gives by how much it is too wide, and what it asked for beside itself."""
    context = await browser.new_context(java_script_enabled=False, **options)
    page = await context.new_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    await page.goto(str(client.url.join(client.url.with_path(target))))
    width = await page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
    await context.close()
    return width, asked[1:]


@pytest.mark.parametrize("viewport", [PHONE, DESKTOP], ids=["phone", "desktop"])
async def test_the_pages_fit_every_window_and_load_nothing(serve: Serve, browser: Browser, viewport: Any) -> None:
    client = await serve(make_crashing(debug=True))
    for target in ("/crash", "/crush", "/" + "long" * 300):
        for scheme in ("light", "dark"):
            assert await look(browser, client, target, viewport=viewport, color_scheme=scheme) == (0, [])


async def test_what_a_page_shows_cannot_run(serve: Serve, browser: Browser) -> None:
    async def handler(request: web.Request) -> None:
        raise ValueError("<script>document.title = 'ran'</script><img src=x onerror=\"document.title='ran'\">")

    app = Application(middlewares=[showing])
    app.add_get("/", handler)
    client = await serve(app)
    page = await browser.new_page()
    await page.goto(str(client.url))
    assert (await page.title()).startswith("ValueError: <script>")
    assert await page.locator("script, img").count() == 0
    await page.close()
