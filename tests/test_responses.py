"""What comes back: the response that a handler's return value becomes, and what is never sent with it."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import date
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec
import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request
from aiohttp.web_response import ContentCoding
from markupsafe import Markup
from yarl import URL

from tests.serving import Serve
from webkit import Application, Response, View, add_cookie, html, json_response, redirect


class Point(msgspec.Struct):
    x: int
    y: int


@dataclass
class Person:
    name: str
    born: date


class Rendered:
    """What ``@template`` gives is such a thing."""

    async def respond(self, request: web.Request) -> web.StreamResponse:
        return web.Response(text=f"rendered for {request.path}")


class Card:
    def __html__(self) -> str:
        return "<b>card</b>"


TEXT = "text/plain; charset=utf-8"
HTML = "text/html; charset=utf-8"
JSON = "application/json"
OCTETS = "application/octet-stream"

# Functions, because a response can be sent once only.
RESULTS: list[tuple[Callable[[], Any], str, bytes]] = [
    (lambda: "text", TEXT, b"text"),
    (lambda: "<b>é</b>", TEXT, "<b>é</b>".encode()),  # never HTML by itself: who formats a string escapes nothing
    (lambda: "", TEXT, b""),
    (lambda: Markup("<b>bold</b>"), HTML, b"<b>bold</b>"),
    (Card, HTML, b"<b>card</b>"),
    (lambda: html("<i>é</i>"), HTML, "<i>é</i>".encode()),
    (lambda: {"a": [1, None, "é"]}, JSON, '{"a":[1,null,"é"]}'.encode()),
    (dict, JSON, b"{}"),
    (lambda: [1, 2], JSON, b"[1,2]"),
    (list, JSON, b"[]"),
    (lambda: Person("Ada", date(1815, 12, 10)), JSON, b'{"name":"Ada","born":"1815-12-10"}'),
    (lambda: [Point(1, 2)], JSON, b'[{"x":1,"y":2}]'),
    (lambda: Point(1, 2), JSON, b'{"x":1,"y":2}'),
    (lambda: {"id": UUID(int=1)}, JSON, b'{"id":"00000000-0000-0000-0000-000000000001"}'),
    (lambda: json_response("a"), JSON, b'"a"'),
    (lambda: json_response({}, content_type="application/hal+json"), "application/hal+json", b"{}"),
    (lambda: b"bytes", OCTETS, b"bytes"),
    (lambda: bytearray(b"bytes"), OCTETS, b"bytes"),
    (lambda: memoryview(b"bytes"), OCTETS, b"bytes"),
    (Rendered, TEXT, b"rendered for /"),
    (lambda: web.Response(text="aiohttp's", content_type="text/x-own"), "text/x-own; charset=utf-8", b"aiohttp's"),
    (lambda: Response(text="webkit's", status=200), TEXT, b"webkit's"),
]


@pytest.mark.parametrize(("result", "content_type", "body"), RESULTS)
async def test_what_a_handler_returns_becomes_a_response(
    serve: Serve, result: Callable[[], Any], content_type: str, body: bytes
) -> None:
    async def handler() -> Any:
        return result()

    app = Application()
    app.get("/")(handler)
    answer = await (await serve(app)).get("/")
    assert (answer.status, answer.headers["Content-Type"], answer.body) == (200, content_type, body)


@pytest.mark.parametrize("is_stream", [False, True])
async def test_a_response_that_was_sent_already_is_an_error(
    serve: Serve, caplog: pytest.LogCaptureFixture, is_stream: bool
) -> None:
    # aiohttp sends nothing for it, and the client waits for ever.
    once = web.StreamResponse() if is_stream else web.Response(text="once")

    async def again() -> web.StreamResponse:
        return once

    app = Application()
    app.get("/")(again)
    client = await serve(app)
    assert [(await client.get("/")).status for _ in range(2)] == [200, 500]
    assert "again returned a response that was sent already. Make a new one for each request." in caplog.text


async def test_an_http_exception_that_was_sent_already_is_an_error(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    not_found = web.HTTPNotFound()

    async def again() -> None:
        raise not_found

    app = Application()
    app.get("/")(again)
    client = await serve(app)
    assert [(await client.get("/")).status for _ in range(2)] == [404, 500]
    assert "raised a response that was sent already. Make a new one for each request." in caplog.text


async def test_another_response_than_the_one_begun_is_an_error(serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    async def handler(request: web.Request) -> web.Response:
        response = web.StreamResponse()
        await response.prepare(request)
        return web.Response(text="another")

    app = Application()
    app.get("/")(handler)
    client = await serve(app)
    came = await client.send(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert came.count(b"HTTP/1.1 ") <= 1
    assert b"another" not in came
    assert "handler returned another response than the one that it had begun to send." in caplog.text


def test_what_json_cannot_hold_is_an_error() -> None:
    with pytest.raises(TypeError):
        json_response({"a": object()})


NO_RESPONSES: list[tuple[Any, str]] = [
    (None, "tests.test_responses.show returned None. Return a response, a str, a dict, a list, ... or raise"),
    (7, "tests.test_responses.show returned 7 (int), which is no response."),
    (("a", 404), "returned ('a', 404) (tuple), which is no response."),
    ({1, 2}, "returned {1, 2} (set)"),
    (Person, "(type), which is no response."),
    (asyncio.sleep, "(function), which is no response."),
]


@pytest.mark.parametrize(("result", "message"), NO_RESPONSES)
async def test_what_is_no_response_is_an_error_that_names_the_handler(
    serve: Serve, caplog: pytest.LogCaptureFixture, result: Any, message: str
) -> None:
    """AW-006."""

    async def show() -> Any:
        return result

    show.__qualname__ = "show"
    app = Application()
    app.get("/")(show)
    answer = await (await serve(app)).get("/")
    assert answer.status == 500
    assert message in caplog.text
    assert "returned" not in answer.text


async def test_none_from_a_view_names_its_method(serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    class Page(View):
        async def get(self) -> None:
            pass

    app = Application()
    app.view("/")(Page)
    assert (await (await serve(app)).get("/")).status == 500
    assert "Page.get returned None" in caplog.text


@pytest.mark.parametrize("raises", [False, True])
async def test_an_http_exception_that_is_returned_behaves_as_one_that_is_raised(serve: Serve, raises: bool) -> None:
    seen: list[str] = []

    async def middleware(request: web.Request, handler: Any) -> web.StreamResponse:
        try:
            return await handler(request)  # type: ignore[no-any-return]
        except web.HTTPException as error:
            seen.append(f"{error.status} {error.reason}")
            raise

    async def handler(status: int) -> web.Response:
        error = {404: web.HTTPNotFound(), 303: web.HTTPSeeOther("/there"), 204: web.HTTPNoContent()}[status]
        if raises:
            raise error
        return error

    app = Application(middlewares=[middleware])
    app.get("/{status:int}")(handler)
    client = await serve(app)
    answers = [await client.get(f"/{status}") for status in (404, 303, 204)]
    assert [answer.status for answer in answers] == [404, 303, 204]
    assert answers[0].text == "404: Not Found"
    assert answers[1].headers["Location"] == "/there"
    assert seen == ["404 Not Found", "303 See Other", "204 No Content"]


# Streams


async def test_a_handler_that_has_streamed_may_return_nothing(serve: Serve) -> None:
    async def handler(request: web.Request) -> None:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"streamed")

    app = Application()
    app.get("/")(handler)
    answer = await (await serve(app)).get("/")
    assert (answer.status, answer.body) == (200, b"streamed")


async def test_the_response_is_the_one_that_was_prepared_last_by_this_request(serve: Serve) -> None:
    async def handler(request: web.Request, name: str) -> None:
        response = web.StreamResponse(headers={"X-Name": name})
        await response.prepare(request)
        await asyncio.sleep(0)
        await response.write(name.encode())

    app = Application()
    app.get("/{name}")(handler)
    client = await serve(app)
    names = [str(number) for number in range(20)]
    answers = await asyncio.gather(*(client.get(f"/{name}") for name in names))
    assert [(answer.headers["X-Name"], answer.text) for answer in answers] == [(name, name) for name in names]


# No body for HEAD, 204 and 304: with one, the next answer on the connection would begin in the middle of it.


async def stream(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(status=int(request.query.get("status", 200)))
    await response.prepare(request)
    for _ in range(3):
        await response.write(b"must not be seen")
    await response.write_eof(b"nor this")
    return response


async def stream_with_a_length(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(status=int(request.query.get("status", 200)))
    response.content_length = 16
    await response.prepare(request)
    await response.write(b"must not be seen")
    return response


async def stream_chunked(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(status=int(request.query.get("status", 200)))
    response.enable_chunked_encoding()
    await response.prepare(request)
    await response.write(b"must not be seen")
    return response


async def stream_compressed(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(status=int(request.query.get("status", 200)))
    response.enable_compression(ContentCoding.gzip)
    await response.prepare(request)
    await response.write(b"must not be seen")
    return response


async def buffered(request: web.Request) -> web.Response:
    return web.Response(text="must not be seen", status=int(request.query.get("status", 200)))


async def from_payload(request: web.Request) -> web.Response:
    async def parts() -> AsyncIterator[bytes]:
        yield b"must not be seen"

    return web.Response(body=parts(), status=int(request.query.get("status", 200)))


async def from_file(request: web.Request) -> web.FileResponse:
    return web.FileResponse(Path(__file__), status=int(request.query.get("status", 200)))


async def failing(request: web.Request) -> web.Response:
    raise web.HTTPNotFound


BODIES = [stream, stream_with_a_length, stream_chunked, stream_compressed, buffered, from_payload, from_file, failing]


@pytest.mark.parametrize("handler", BODIES)
@pytest.mark.parametrize(
    "line", [b"HEAD / HTTP/1.1", b"GET /?status=204 HTTP/1.1", b"GET /?status=304 HTTP/1.1"], ids=["HEAD", "204", "304"]
)
async def test_head_204_and_304_carry_no_body(serve: Serve, handler: Callable[..., Any], line: bytes) -> None:
    if handler is failing and b"HEAD" not in line:
        return  # an error has a status of its own
    app = Application()
    app.add_route("*", "/", handler)
    app.get("/next")(lambda: "the next answer")
    client = await serve(app)
    following = b"GET /next HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    answers = await client.send(line + b"\r\nHost: x\r\n\r\n" + following)
    head, _, rest = answers.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 ")
    assert rest.startswith(b"HTTP/1.1 200 OK\r\n"), rest
    assert rest.endswith(b"\r\n\r\nthe next answer")


async def test_head_of_a_stream_ends_its_handler_as_it_wishes(serve: Serve) -> None:
    ended: list[str] = []

    async def forever(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write_eof()
        ended.append(request.method)
        return response

    app = Application()
    app.add_route("*", "/", forever)
    client = await serve(app)
    for _ in range(2):
        answer = await client.request("HEAD", "/")
        assert (answer.status, answer.body) == (200, b"")
    assert ended == ["HEAD", "HEAD"]


# Redirects


@pytest.mark.parametrize(
    ("location", "header"),
    [
        ("/there", "/there"),
        (URL("/there?a=é"), "/there?a=%C3%A9"),
        ("https://example.org/é?q=a b", "https://example.org/%C3%A9?q=a+b"),
        ("../up", "../up"),
        ("/a\r\nSet-Cookie: stolen=1", "/aSet-Cookie:%20stolen=1"),
    ],
)
def test_a_redirect_goes_to_an_encoded_location(location: str | URL, header: str) -> None:
    response = redirect(location)
    assert (response.status, response.headers["Location"]) == (303, header)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_may_have_another_status(status: int) -> None:
    assert redirect("/", status=status).status == status


@pytest.mark.parametrize("status", [200, 300, 304, 404])
def test_a_status_that_is_no_redirect_is_refused(status: int) -> None:
    with pytest.raises(ValueError, match=f"{status} is no redirect with a location; use 301, 302, 303, 307 or 308"):
        redirect("/", status=status)


# Cookies


def cookies_of(response: web.StreamResponse, *, secure: bool = False) -> str:
    context = ssl.create_default_context() if secure else None
    request = make_mocked_request("GET", "/", sslcontext=context)
    assert request.secure is secure
    asyncio.run(prepare(response, request))
    return "; ".join(response.headers.getall("Set-Cookie", []))


async def prepare(response: web.StreamResponse, request: web.Request) -> None:
    await response.prepare(request)


def test_a_cookie_is_for_this_site_and_out_of_reach_for_scripts() -> None:
    response = Response()
    response.set_cookie("a", "1")
    assert cookies_of(response) == "a=1; HttpOnly; Path=/; SameSite=Lax"


def test_over_tls_a_cookie_is_for_tls_only() -> None:
    response = Response()
    response.set_cookie("a", "1")
    response.set_cookie("b", "2", secure=False)
    assert cookies_of(response, secure=True) == (
        "a=1; HttpOnly; Path=/; SameSite=Lax; Secure; b=2; HttpOnly; Path=/; SameSite=Lax"
    )


def test_each_safety_of_a_cookie_can_be_said_otherwise() -> None:
    response = Response()
    response.set_cookie("a", "1", httponly=False, samesite="Strict", secure=True, path="/x", max_age=5)
    assert cookies_of(response) == "a=1; Max-Age=5; Path=/x; SameSite=Strict; Secure"


def test_a_cookie_that_was_deleted_again_is_no_trouble() -> None:
    response = Response()
    response.set_cookie("a", "1")
    response.del_cookie("a")
    assert 'a=""; expires=' in cookies_of(response, secure=True)


async def test_a_cookie_can_be_added_when_the_response_is_prepared(serve: Serve) -> None:
    async def remember(request: web.Request, response: web.StreamResponse) -> None:
        add_cookie(response, "plain", "a b;c", max_age_s=60)
        add_cookie(response, "other", "1", path="/x", secure=True, http_only=False, same_site="None")

    app = Application()
    app.on_response_prepare.append(remember)
    app.get("/stream")(stream)
    app.get("/text")(lambda: "text")
    client = await serve(app)
    for path in ("/stream", "/text", "/missing"):
        cookies = (await client.get(path)).headers.getall("Set-Cookie")
        assert cookies == [
            'plain="a b\\073c"; HttpOnly; Max-Age=60; Path=/; SameSite=Lax',
            "other=1; Path=/x; SameSite=None; Secure",
        ]
        assert SimpleCookie(cookies[0])["plain"].value == "a b;c"


async def test_a_short_form_may_have_status_and_headers(serve: Serve) -> None:
    app = Application()
    app.get("/html")(lambda: html("<b>", status=201, headers={"X-A": "1"}))
    app.get("/json")(lambda: json_response({}, status=202, headers={"X-A": "2"}))
    client = await serve(app)
    answers = [await client.get(path) for path in ("/html", "/json")]
    assert [(answer.status, answer.headers["X-A"]) for answer in answers] == [(201, "1"), (202, "2")]
