"""HTTP exceptions: all of them, raised or returned, with what is set on them, through middlewares and in every form."""

import re
from collections.abc import Sequence
from typing import Any

import pytest
from aiohttp import web
from yarl import URL

from tests.rawsockets import connect
from tests.serving import Client, Serve
from webkit import Application, errors
from webkit.middleware import from_factory
from webkit.types import Handler

Exceptions = type[web.HTTPException]

#: Every exception with a status of its own.
ALL: list[Exceptions] = [
    thing
    for name in web.__all__
    if isinstance(thing := getattr(web, name), type) and issubclass(thing, web.HTTPException) and thing.status_code > 0
]
#: What a class needs beside the common arguments.
ARGUMENTS: dict[Exceptions, Sequence[Any]] = {
    web.HTTPMethodNotAllowed: ("PUT", ["POST", "GET"]),
    web.HTTPRequestEntityTooLarge: (1000, 2000),
    web.HTTPUnavailableForLegalReasons: ("https://blocker.example/why",),
}
MOVES = [thing for thing in ALL if issubclass(thing, web.HTTPMove)]
EMPTY: list[Exceptions] = [web.HTTPNoContent, web.HTTPResetContent, web.HTTPNotModified]
FORMS = {
    "*/*": "text/plain; charset=utf-8",
    "text/html": "text/html; charset=utf-8",
    "application/json": "application/problem+json",
}
every_exception = pytest.mark.parametrize("kind", ALL, ids=lambda kind: kind.__name__)


def make(kind: Exceptions, **options: Any) -> web.HTTPException:
    arguments = ("/elsewhere",) if kind in MOVES else ARGUMENTS.get(kind, ())
    return kind(*arguments, **options)


async def serve_both(serve: Serve, build: Any, **options: Any) -> Client:
    """Serve what *build* makes, raised at ``/raised`` and returned at ``/return``."""

    async def raise_it(request: web.Request) -> web.StreamResponse:
        raise build()

    async def return_it(request: web.Request) -> web.StreamResponse:
        return build()  # type: ignore[no-any-return]

    app = Application(**options)
    app.add_get("/raised", raise_it)
    app.add_get("/return", return_it)
    return await serve(app)


async def ask_both(client: Client, **headers: str) -> list[bytes]:
    """Everything that comes over the wire for the two, but for the date and the name of the path."""
    answers = []
    lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
    for path in ("/raised", "/return"):
        request = f"GET {path} HTTP/1.1\r\nHost: l\r\nConnection: close\r\n{lines}\r\n"
        answer = await client.send(request.encode())
        answers.append(re.sub(rb"Date: [^\r]+\r\n", b"", answer).replace(path.encode(), b"/path"))
    return answers


def body_of(answer: bytes) -> bytes:
    return answer.partition(b"\r\n\r\n")[2]


# AW-100 to AW-112: which there are, and how they are made

STATUSES = {
    *(200, 201, 202, 203, 204, 205, 206),
    *(300, 301, 302, 303, 304, 305, 307, 308),
    *(400, 401, 402, 403, 404, 405, 406, 407, 408, 409, 410, 411, 412, 413, 414, 415, 416, 417),
    *(421, 422, 424, 426, 428, 429, 431, 451),
    *(500, 501, 502, 503, 504, 505, 506, 507, 510, 511),
}


def test_there_is_one_for_each_status() -> None:
    """AW-100 to AW-112."""
    assert {kind.status_code for kind in ALL} == STATUSES
    assert len(ALL) == len(STATUSES)


@every_exception
def test_each_is_a_response_of_the_right_family_under_its_name_in_webkit_errors(kind: Exceptions) -> None:
    families: dict[int, Exceptions] = {
        2: web.HTTPSuccessful,
        3: web.HTTPRedirection,
        4: web.HTTPClientError,
        5: web.HTTPServerError,
    }
    assert issubclass(kind, families[kind.status_code // 100])
    assert issubclass(kind, web.HTTPError) is (kind.status_code >= 400)
    assert isinstance(make(kind), web.Response)
    assert getattr(errors, kind.__name__) is kind


@pytest.mark.parametrize("base", ["HTTPException", "HTTPSuccessful", "HTTPRedirection", "HTTPError", "HTTPMove"])
def test_the_families_have_no_status(base: str) -> None:
    assert getattr(web, base).status_code == -1


@every_exception
def test_each_takes_headers_a_reason_a_text_and_a_content_type(kind: Exceptions) -> None:
    error = make(kind, headers={"X-More": "yes"}, reason="Because", text="words", content_type="text/markdown")
    assert (error.status, error.reason, error.headers["X-More"]) == (kind.status_code, "Because", "yes")
    assert error.content_type == "text/markdown"
    if kind is web.HTTPRequestEntityTooLarge:
        return
    assert (error.text, str(error)) == ("words", "Because")


@every_exception
def test_each_says_its_status_and_reason_unless_it_is_empty(kind: Exceptions) -> None:
    error = make(kind)
    if kind in EMPTY:
        assert error.body is None
    elif kind is web.HTTPRequestEntityTooLarge:
        assert error.text is not None
        assert error.text.startswith("Maximum request body size 1000 exceeded")
    else:
        assert error.text == f"{error.status}: {error.reason}"


@pytest.mark.parametrize("kind", MOVES, ids=lambda kind: kind.__name__)
def test_a_redirect_needs_a_location_and_quotes_it(kind: type[web.HTTPMove]) -> None:
    """AW-103."""
    assert kind("/x y").headers["Location"] == "/x%20y"
    assert kind(location := URL("/é")).headers["Location"] == "/%C3%A9"
    assert kind(location).location is location
    assert "\n" not in kind("/x\r\nSet-Cookie: a=b").headers["Location"]
    nothing: Any
    for nothing in ("", None):
        with pytest.raises(ValueError, match="HTTP redirects need a location to redirect to"):
            kind(nothing)


def test_the_others_of_the_three_hundreds_take_no_location() -> None:
    """AW-104."""
    assert {kind.status_code for kind in MOVES} == {300, 301, 302, 303, 305, 307, 308}
    assert web.HTTPNotModified().body is None


def test_a_method_that_is_not_allowed_tells_those_that_are() -> None:
    """AW-106."""
    error = web.HTTPMethodNotAllowed("put", ["POST", "GET"])
    assert error.headers["Allow"] == "GET,POST"
    assert (error.method, error.allowed_methods) == ("PUT", {"GET", "POST"})


def test_an_entity_that_is_too_large_tells_the_sizes() -> None:
    """AW-108."""
    assert web.HTTPRequestEntityTooLarge(max_size=1, actual_size=2).status == 413


def test_legal_reasons_link_to_who_blocks() -> None:
    """AW-112."""
    assert web.HTTPUnavailableForLegalReasons("https://b.example/").headers["Link"] == (
        '<https://b.example/>; rel="blocked-by"'
    )
    assert "Link" not in web.HTTPUnavailableForLegalReasons(None).headers


@every_exception
def test_a_reason_cannot_split_the_answer(kind: Exceptions) -> None:
    with pytest.raises(ValueError, match="Reason cannot contain"):
        make(kind, reason="a\r\nX-Evil: yes")


# Raised and returned


@every_exception
async def test_raised_and_returned_are_the_same_bytes(serve: Serve, kind: Exceptions) -> None:
    client = await serve_both(serve, lambda: make(kind))
    for accept in FORMS:
        raised, returned = await ask_both(client, Accept=accept)
        assert raised == returned
        head = raised.split(b"\r\n", 1)[0].decode()
        assert head.startswith(f"HTTP/1.1 {kind.status_code} ")
        if kind in EMPTY:
            assert body_of(raised) == b""
        if kind is web.HTTPNoContent:
            assert b"Content-Length" not in raised
            assert b"Content-Type" not in raised


@pytest.mark.parametrize("kind", [thing for thing in ALL if thing.status_code >= 400], ids=lambda kind: kind.__name__)
async def test_an_error_has_the_form_that_the_client_asks_for(serve: Serve, kind: Exceptions) -> None:
    client = await serve_both(serve, lambda: make(kind))
    reason = make(kind).reason
    for accept, content_type in FORMS.items():
        answer = await client.get("/raised", headers={"Accept": accept})
        assert answer.headers["Content-Type"] == content_type
        assert answer.headers["Vary"] == "Accept"
        if accept == "application/json":
            assert (answer.json["status"], answer.json["title"]) == (kind.status_code, reason)
        else:
            assert reason in answer.text


@every_exception
async def test_what_its_author_says_is_left_alone(serve: Serve, kind: Exceptions) -> None:
    if kind in EMPTY or kind is web.HTTPRequestEntityTooLarge:
        return  # the one has no body, the other a text of its own
    client = await serve_both(serve, lambda: make(kind, text="my words"))
    for answer in await ask_both(client, Accept="text/html"):
        assert body_of(answer) == b"my words"
        assert b"Content-Type: text/plain; charset=utf-8\r\n" in answer


@every_exception
async def test_headers_and_cookies_set_on_it_arrive(serve: Serve, kind: Exceptions) -> None:
    """AW-113."""

    def build() -> web.HTTPException:
        error = make(kind, headers={"X-More": "yes"})
        error.headers.add("X-Late", "1")
        error.headers.add("X-Late", "2")
        error.set_cookie("session", "secret", httponly=True)
        error.del_cookie("old")
        return error

    client = await serve_both(serve, build)
    for answer in await ask_both(client, Accept="text/html"):
        for line in (
            b"X-More: yes\r\n",
            b"X-Late: 1\r\n",
            b"X-Late: 2\r\n",
            b"Set-Cookie: session=secret; HttpOnly; Path=/\r\n",
            b'Set-Cookie: old=""; expires=Thu, 01 Jan 1970 00:00:00 GMT; Max-Age=0; Path=/\r\n',
        ):
            assert answer.count(line) == 1


async def test_head_gets_the_headers_of_an_error_and_no_body(serve: Serve) -> None:
    client = await serve_both(serve, lambda: make(web.HTTPNotFound))
    async with connect(client.url) as connection:
        connection.writer.write(b"HEAD /raised HTTP/1.1\r\nHost: l\r\n\r\nGET /return HTTP/1.1\r\nHost: l\r\n\r\n")
        head = await connection.reader.readuntil(b"\r\n\r\n")
        assert b"Content-Length: 14\r\n" in head
        assert (await connection.ask(b"")).body == "404: Not Found"


# Through middlewares

seen_by_middlewares: list[tuple[str, str, int]] = []


async def note(request: web.Request, handler: Handler) -> web.StreamResponse:
    """A middleware that sees an exception, and adds a header to it."""
    try:
        return await handler(request)
    except web.HTTPException as error:
        seen_by_middlewares.append(("new", type(error).__name__, error.status))
        error.headers["X-Noted"] = "yes"
        raise


async def old_note(app: web.Application, handler: Handler) -> Handler:
    """The same as a factory of the old kind."""

    async def middleware_handler(request: web.Request) -> web.StreamResponse:
        try:
            return await handler(request)
        except web.HTTPException as error:
            seen_by_middlewares.append(("old", type(error).__name__, error.status))
            error.set_cookie("noted", "yes")
            raise

    return middleware_handler


@every_exception
async def test_middlewares_and_old_factories_see_it_raised_and_what_they_set_arrives(
    serve: Serve, kind: Exceptions
) -> None:
    seen_by_middlewares.clear()
    client = await serve_both(serve, lambda: make(kind), middlewares=[note, from_factory(old_note)])
    raised, returned = await ask_both(client)
    assert raised == returned
    assert b"X-Noted: yes\r\n" in raised
    assert b"Set-Cookie: noted=yes; Path=/\r\n" in raised
    name, status = kind.__name__, kind.status_code
    assert seen_by_middlewares == [("old", name, status), ("new", name, status)] * 2


async def test_one_that_a_middleware_or_an_old_factory_returns_is_answered_too(serve: Serve) -> None:
    async def give(request: web.Request, handler: Handler) -> web.StreamResponse:
        return web.HTTPConflict(headers={"X-From": "new"})

    async def give_old(app: web.Application, handler: Handler) -> Handler:
        async def middleware_handler(request: web.Request) -> web.StreamResponse:
            return web.HTTPConflict(headers={"X-From": "old"})

        return middleware_handler

    for middleware, origin in ((give, "new"), (from_factory(give_old), "old")):
        client = await serve_both(serve, lambda: make(web.HTTPOk), middlewares=[middleware])
        answer = await client.get("/raised", headers={"Accept": "application/json"})
        assert (answer.status, answer.headers["X-From"], answer.json["title"]) == (409, origin, "Conflict")


async def test_a_middleware_answers_in_the_place_of_an_exception(serve: Serve) -> None:
    async def replace(request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            return await handler(request)
        except web.HTTPNotFound:
            return web.Response(text="found after all")

    client = await serve_both(serve, lambda: make(web.HTTPNotFound), middlewares=[replace])
    for path in ("/raised", "/return", "/nowhere"):
        answer = await client.get(path)
        assert (answer.status, answer.text) == (200, "found after all")


async def test_the_router_raises_them_too(serve: Serve) -> None:
    seen_by_middlewares.clear()
    client = await serve_both(serve, lambda: make(web.HTTPNotFound), middlewares=[note])
    assert (await client.get("/nowhere")).status == 404
    answer = await client.post("/raised")
    assert (answer.status, answer.headers["Allow"], answer.headers["X-Noted"]) == (405, "GET,HEAD", "yes")
    assert seen_by_middlewares == [("new", "HTTPNotFound", 404), ("new", "HTTPMethodNotAllowed", 405)]


async def test_hooks_see_each_once_and_their_headers_arrive(serve: Serve) -> None:
    """AW-140."""
    seen: list[int] = []

    async def on_prepare(request: web.Request, response: web.StreamResponse) -> None:
        seen.append(response.status)
        response.headers["My-Header"] = "value"

    async def fail(request: web.Request) -> web.StreamResponse:
        raise web.HTTPConflict

    app = Application()
    app.add_get("/", fail)
    app.on_response_prepare.append(on_prepare)
    client = await serve(app)
    answers = [await client.get("/"), await client.get("/nowhere"), await client.post("/")]
    assert seen == [answer.status for answer in answers] == [409, 404, 405]
    assert all(answer.headers["My-Header"] == "value" for answer in answers)
