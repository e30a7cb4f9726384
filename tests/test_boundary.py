"""The error boundary: which error handler answers what, in which order, and what is logged when nobody does."""

import asyncio
import logging
import re
from collections.abc import Callable
from itertools import product
from typing import Any

import pytest
from aiohttp import web

from tests.serving import PATIENCE_S, Client, Serve
from webkit import REQUEST_ID, Application, ConfigError, Problem, RouteError, View, html
from webkit.errors import HTTPConflict, HTTPForbidden, HTTPNotFound, HTTPTooManyRequests, InternalServerError
from webkit.types import RENDERER

PROBLEM = {"Accept": "application/json"}
PAGE = {"Accept": "text/html"}


class SoldOut(Exception):
    """What an application raises of its own."""


class LastOneSoldOut(SoldOut):
    """A kind of it."""


def raising(error: BaseException | type[BaseException]) -> Callable[[web.Request], Any]:
    """Make a handler that raises *error*."""

    async def handler(request: web.Request) -> Any:
        raise error

    return handler


def saying(text: Any) -> Callable[[web.Request, Exception], Any]:
    """Make an error handler that returns *text*."""

    async def handler(request: web.Request, error: Exception) -> Any:
        return text

    return handler


def errors_in(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR]


# Which handler


async def test_a_status_is_answered_by_its_handler(serve: Serve) -> None:
    app = Application()
    app.add_get("/", raising(HTTPConflict))

    @app.error(409)
    async def conflict(request: web.Request, error: web.HTTPException) -> Any:
        return {"path": request.path, "status": error.status}

    answer = await (await serve(app)).get("/")
    assert (answer.status, answer.json) == (409, {"path": "/", "status": 409})


async def test_a_problem_is_answered_by_the_handler_of_its_status_or_of_its_class(serve: Serve) -> None:
    app = Application()
    app.add_get("/", raising(Problem(409, detail="Sold out")))
    app.error(409)(saying("by status"))
    other = Application()
    other.add_get("/", raising(Problem(409, detail="Sold out")))
    other.error(409)(saying("by status"))
    other.error(Problem)(saying("by class"))
    assert (await (await serve(app)).get("/")).text == "by status"
    assert (await (await serve(other)).get("/")).text == "by class"


async def test_a_path_that_no_route_has_and_a_method_that_it_does_not_take_are_errors_as_others(serve: Serve) -> None:
    app = Application()
    app.add_post("/users", raising(AssertionError))
    app.error(404)(saying("nothing here"))
    app.error(405)(saying("not like this"))
    client = await serve(app)
    answer = await client.get("/nowhere")
    assert (answer.status, answer.text) == (404, "nothing here")
    answer = await client.get("/users")
    assert (answer.status, answer.text, answer.headers["Allow"]) == (405, "not like this", "POST")


async def test_an_exception_is_answered_by_the_handler_of_its_class_or_of_what_it_inherits_from(serve: Serve) -> None:
    app = Application()
    app.add_get("/sold-out", raising(SoldOut))
    app.add_get("/last", raising(LastOneSoldOut("the blue one")))
    app.add_get("/key", raising(KeyError))

    @app.error(SoldOut)
    async def sold_out(request: web.Request, error: SoldOut) -> Any:
        return html(f"Sold out: {error}", status=410)

    app.error(LookupError)(saying({"found": False}))
    client = await serve(app)
    assert (await client.get("/sold-out")).status == 410
    answer = await client.get("/last")
    assert (answer.status, answer.text) == (410, "Sold out: the blue one")
    answer = await client.get("/key")
    assert (answer.status, answer.json) == (500, {"found": False})


@pytest.mark.parametrize(
    ("registered", "answered_by"),
    [
        ([HTTPNotFound, 404, web.HTTPClientError, web.HTTPException, Exception], HTTPNotFound),
        ([404, web.HTTPClientError, web.HTTPException, Exception], 404),
        ([web.HTTPException, web.HTTPClientError, Exception], web.HTTPClientError),
        ([Exception, web.HTTPException], web.HTTPException),
        ([400, 403, HTTPForbidden, Exception], Exception),
    ],
)
async def test_the_class_comes_before_the_status_and_the_status_before_the_classes_above(
    serve: Serve, registered: list[Any], answered_by: Any
) -> None:
    app = Application()
    for what in reversed(registered):
        app.error(what)(saying(repr(what)))
    answer = await (await serve(app)).get("/nowhere")
    assert (answer.status, answer.text) == (404, repr(answered_by))


async def test_a_crash_is_a_500_to_error_handlers_and_they_get_the_reference(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    app = Application()
    app.add_get("/", raising(SoldOut))

    @app.error(500)
    async def crashed(request: web.Request, error: InternalServerError) -> Any:
        return {"reference": error.reference, "cause": repr(error)}

    answer = await (await serve(app)).get("/")
    assert answer.status == 500
    assert errors_in(caplog) == [f"Error {answer.json['reference']} in GET /"]
    assert "SoldOut" in caplog.text


# Applications in applications


def make_child(kind: str, handler: Any) -> Any:
    """Make an application of webkit's or of aiohttp's, with *handler* at ``/x``."""
    child = Application() if kind == "webkit" else web.Application()
    child.router.add_get("/x", handler)
    return child


@pytest.mark.parametrize("kind", ["webkit", "aiohttp"])
async def test_handlers_of_the_parent_answer_for_a_mounted_application(serve: Serve, kind: str) -> None:
    app = Application()
    app.mount("/shop", make_child(kind, raising(SoldOut("red"))))
    app.error(404)(saying("nothing here"))
    app.error(405)(saying("not like this"))

    @app.error(SoldOut)
    async def sold_out(request: web.Request, error: SoldOut) -> Any:
        return f"sold out: {error}"

    client = await serve(app)
    assert (await client.get("/shop/x")).text == "sold out: red"
    assert (await client.get("/shop/y")).text == "nothing here"
    assert (await client.get("/shop")).text == "nothing here"
    assert (await client.post("/shop/x")).text == "not like this"
    assert (await client.get("/elsewhere")).text == "nothing here"


async def test_the_innermost_application_is_asked_first_for_404_and_crashes_too(serve: Serve) -> None:
    inner, middle, app = Application(), Application(), Application()
    for made, name in ((inner, "inner"), (middle, "middle"), (app, "outer")):
        made.add_get("/sold-out", raising(SoldOut))
        made.add_get("/key", raising(KeyError))
        made.error(404)(saying(f"404 by {name}"))
    inner.error(SoldOut)(saying("sold out by inner"))
    middle.error(500)(saying("500 by middle"))
    app.error(SoldOut)(saying("sold out by outer"))
    middle.mount("/inner", inner)
    app.mount("/middle", middle)
    client = await serve(app)
    answers = {
        "/middle/inner/y": "404 by inner",
        "/middle/y": "404 by middle",
        "/y": "404 by outer",
        "/middle/inner/sold-out": "sold out by inner",
        "/middle/sold-out": "500 by middle",
        "/sold-out": "sold out by outer",
        "/middle/inner/key": "500 by middle",
    }
    for path, text in answers.items():
        answer = await client.get(path)
        assert (path, answer.text) == (path, text)


async def test_an_error_that_the_inner_handler_raises_again_goes_on_to_the_outer_one(serve: Serve) -> None:
    inner, app = make_child("webkit", raising(SoldOut("red"))), Application()

    @inner.error(SoldOut)  # type: ignore[untyped-decorator]
    async def again(request: web.Request, error: SoldOut) -> Any:
        raise error

    app.error(SoldOut)(saying("outer"))
    app.mount("/shop", inner)
    assert (await (await serve(app)).get("/shop/x")).text == "outer"


async def test_middlewares_see_the_exception_itself_and_outer_ones_the_answer_of_inner_handlers(serve: Serve) -> None:
    seen: list[str] = []

    def watching(name: str) -> Any:
        async def watch(request: web.Request, handler: Any) -> Any:
            try:
                response = await handler(request)
            except Exception as error:
                seen.append(f"{name} saw {error!r}")
                raise
            seen.append(f"{name} saw {response.status}")
            return response

        return watch

    def make(name: str) -> Application:
        made = Application(middlewares=[watching(name)])
        made.add_get("/x", raising(SoldOut("red")), middlewares=[watching(f"route of {name}")])
        return made

    answering, leaving, app = make("answering"), make("leaving"), make("outer")
    answering.error(SoldOut)(saying("sold out"))
    app.error(SoldOut)(saying("sold out"))
    app.mount("/answering", answering)
    app.mount("/leaving", leaving)
    client = await serve(app)
    for path, expected in {
        "/x": ["route of outer saw SoldOut('red')", "outer saw SoldOut('red')"],
        "/answering/x": [
            "route of answering saw SoldOut('red')",
            "answering saw SoldOut('red')",
            "outer saw 500",
        ],
        "/leaving/x": [
            "route of leaving saw SoldOut('red')",
            "leaving saw SoldOut('red')",
            "outer saw SoldOut('red')",
        ],
    }.items():
        seen.clear()
        assert (await client.get(path)).text == "sold out"
        assert seen == expected


async def test_what_a_middleware_raises_is_an_error_as_others(serve: Serve) -> None:
    async def refuse(request: web.Request, handler: Any) -> Any:
        raise SoldOut("everything")

    app = Application(middlewares=[refuse])
    app.error(SoldOut)(saying("sold out"))
    client = await serve(app)
    assert (await client.get("/nowhere")).text == "sold out"


# What a handler gives back


@pytest.mark.parametrize(
    ("result", "content_type"),
    [("text", "text/plain; charset=utf-8"), ({"a": 1}, "application/json"), (b"raw", "application/octet-stream")],
)
async def test_a_result_that_is_no_response_gets_the_status_of_the_error(
    serve: Serve, result: Any, content_type: str
) -> None:
    app = Application()
    app.add_get("/", raising(HTTPForbidden))
    app.error(403)(saying(result))
    answer = await (await serve(app)).get("/")
    assert (answer.status, answer.headers["Content-Type"]) == (403, content_type)


async def test_it_keeps_the_headers_of_the_error_but_for_those_of_its_content(serve: Serve) -> None:
    app = Application()
    app.add_get("/", raising(HTTPTooManyRequests(headers={"Retry-After": "30", "Content-Language": "en"})))
    app.add_get("/login", raising(web.HTTPFound("/elsewhere")))
    app.error(429)(saying({"slower": True}))
    app.error(web.HTTPFound)(saying("moved"))
    client = await serve(app)
    answer = await client.get("/")
    assert answer.headers["Retry-After"] == "30"
    assert answer.headers["Content-Type"] == "application/json"
    assert "Content-Language" not in answer.headers
    answer = await client.get("/login")
    assert (answer.status, answer.headers["Location"], answer.text) == (302, "/elsewhere", "moved")


async def test_a_header_that_the_result_has_itself_is_not_doubled(serve: Serve) -> None:
    class Later:
        async def respond(self, request: web.Request) -> web.Response:
            return web.Response(text="later", headers={"Retry-After": "5"})

    app = Application()
    app.add_get("/", raising(HTTPTooManyRequests(headers={"Retry-After": "30"})))
    app.error(429)(saying(Later()))
    answer = await (await serve(app)).get("/")
    assert (answer.status, answer.headers.getall("Retry-After")) == (429, ["5"])


async def test_a_response_is_sent_as_it_is(serve: Serve) -> None:
    app = Application()
    app.error(404)(saying(None))
    app.error(405)(saying(None))

    @app.error(Exception)
    async def everything(request: web.Request, error: Exception) -> Any:
        return web.Response(text="all is well")

    app.add_get("/", raising(SoldOut))
    answer = await (await serve(app)).get("/")
    assert (answer.status, answer.text) == (200, "all is well")


async def test_an_error_that_is_returned_or_raised_again_is_shown_as_without_the_handler(serve: Serve) -> None:
    app = Application()
    app.add_get("/403", raising(HTTPForbidden))

    @app.error(404)
    async def returned(request: web.Request, error: Exception) -> Any:
        return error

    @app.error(403)
    async def raised(request: web.Request, error: Exception) -> Any:
        raise error

    client = await serve(app)
    answer = await client.get("/nowhere", headers=PROBLEM)
    assert (answer.status, answer.json["title"]) == (404, "Not Found")
    answer = await client.get("/403", headers=PROBLEM)
    assert (answer.status, answer.json["title"]) == (403, "Forbidden")


async def test_a_handler_may_raise_or_return_another_error(serve: Serve) -> None:
    app = Application()
    app.add_get("/raise", raising(SoldOut))
    app.add_get("/return", raising(KeyError))

    @app.error(SoldOut)
    async def raise_problem(request: web.Request, error: Exception) -> Any:
        raise Problem(410, detail="No more of these.", item=12)

    app.error(KeyError)(saying(Problem(404, detail="No such item.")))
    client = await serve(app)
    answer = await client.get("/raise", headers=PROBLEM)
    assert (answer.status, answer.json["item"]) == (410, 12)
    answer = await client.get("/return", headers=PROBLEM)
    assert (answer.status, answer.json["detail"]) == (404, "No such item.")


@pytest.mark.parametrize("what", [404, 500, SoldOut])
async def test_an_error_handler_that_fails_gives_a_500_with_a_reference(
    serve: Serve, caplog: pytest.LogCaptureFixture, what: Any
) -> None:
    app = Application()
    app.add_get("/404", raising(HTTPNotFound))
    app.add_get("/500", raising(RuntimeError("the first")))
    app.add_get("/SoldOut", raising(SoldOut))
    path = f"/{what if isinstance(what, int) else what.__name__}"

    @app.error(what)
    async def failing(request: web.Request, error: Exception) -> Any:
        raise ZeroDivisionError("the handler's own")

    answer = await (await serve(app)).get(path, headers=PROBLEM)
    assert answer.status == 500
    assert errors_in(caplog)[-1] == f"Error {answer.json['reference']} in GET {path}"
    assert "the handler's own" in caplog.text
    assert "the handler's own" not in answer.text


async def test_an_error_handler_that_gives_nothing_gives_a_500_that_names_it_in_the_log(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    app = Application()
    app.error(404)(saying(None))
    answer = await (await serve(app)).get("/")
    assert (answer.status, answer.text.splitlines()[0]) == (500, "500: Internal Server Error")
    assert "saying.<locals>.handler returned None" in caplog.text


# Registration


@pytest.mark.parametrize("what", [200, 399, 600, "404", int, KeyboardInterrupt, asyncio.CancelledError, None, True])
def test_what_is_no_error_is_refused(what: Any) -> None:
    with pytest.raises(ConfigError, match="is no error; use a status from 400 to 599 or an exception class"):
        Application().error(what)(saying("x"))


def test_a_second_handler_for_the_same_is_refused() -> None:
    app = Application()
    app.error(404)(saying("x"))
    with pytest.raises(ConfigError, match=r"404 is handled by tests\.test_boundary\..* already"):
        app.error(404)(saying("y"))


def test_a_plain_function_is_refused() -> None:
    def handler(request: web.Request, error: Exception) -> str:
        return "x"

    with pytest.raises(ConfigError, match=r"handler must be 'async def handler\(request, error\)'"):
        Application().error(404)(handler)


def test_the_decorator_gives_the_function_back() -> None:
    handler = saying("x")
    assert Application().error(404)(handler) is handler


async def test_a_handler_that_comes_too_late_is_refused(serve: Serve) -> None:
    child, app = Application(), Application()
    app.mount("/child", child)
    with pytest.raises(RouteError, match="The routes are frozen"):
        child.error(404)(saying("x"))
    await serve(app)
    with pytest.raises(RouteError, match="The routes are frozen"):
        app.error(404)(saying("x"))


# Nobody answers


@pytest.mark.parametrize("headers", [{}, PAGE, PROBLEM], ids=["text", "page", "problem"])
async def test_of_a_crash_the_client_learns_the_reference_that_is_in_the_log(
    serve: Serve, caplog: pytest.LogCaptureFixture, headers: dict[str, str]
) -> None:
    ids: list[str] = []

    async def note(request: web.Request, handler: Any) -> Any:
        ids.append(request[REQUEST_ID])
        return await handler(request)

    app = Application(middlewares=[note])
    app.add_get("/", raising(SoldOut("a secret")))
    answer = await (await serve(app)).get("/", headers=headers)
    assert answer.status == 500
    assert re.search("[0-9a-f]{16}", answer.text)[0] == ids[0]  # type: ignore[index]
    assert errors_in(caplog) == [f"Error {ids[0]} in GET /"]
    assert "SoldOut: a secret" in caplog.text
    assert "secret" not in answer.text


async def test_every_request_has_an_id_of_its_own_and_one_that_is_there_is_kept(serve: Serve) -> None:
    async def show(request: web.Request) -> Any:
        return request[REQUEST_ID]

    async def trust(request: web.Request, handler: Any) -> Any:
        request[REQUEST_ID] = request.headers.get("X-Request-Id", request[REQUEST_ID])
        return await handler(request)

    child, app = Application(), Application(middlewares=[trust])
    child.add_get("/", show)
    app.mount("/child", child)
    client = await serve(app)
    answers = {(await client.get("/child/")).text for _ in range(20)}
    assert len(answers) == 20
    assert (await client.get("/child/", headers={"X-Request-Id": "from-the-proxy"})).text == "from-the-proxy"


async def test_an_exception_of_a_plain_aiohttp_application_below_is_logged_once(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    app = Application()
    app.mount("/shop", make_child("aiohttp", raising(SoldOut)))
    answer = await (await serve(app)).get("/shop/x", headers=PROBLEM)
    assert errors_in(caplog) == [f"Error {answer.json['reference']} in GET /shop/x"]


async def test_a_line_break_in_the_path_writes_no_line_of_its_own(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    app = Application()
    app.add_get("/{name}", raising(SoldOut))
    await (await serve(app)).get("/a%0AERROR%20forged")
    assert errors_in(caplog)[0].endswith(" in GET /a%0AERROR%20forged")


async def test_a_timeout_stays_a_504_and_is_one_line_in_the_log(serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    app = Application()
    app.add_get("/", raising(TimeoutError))
    client = await serve(app)
    answer = await client.get("/", headers=PROBLEM)
    assert (answer.status, answer.json["title"]) == (504, "Gateway Timeout")
    records = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert [(record.getMessage(), record.exc_info) for record in records] == [("Timeout in GET /", None)]


async def test_a_timeout_is_answered_by_the_handler_of_its_class_or_of_504(serve: Serve) -> None:
    by_class, by_status = Application(), Application()
    for app in (by_class, by_status):
        app.add_get("/", raising(TimeoutError))
    by_class.error(TimeoutError)(saying("by class"))
    by_status.error(504)(saying("by status"))
    answer = await (await serve(by_class)).get("/")
    assert (answer.status, answer.text) == (500, "by class")
    answer = await (await serve(by_status)).get("/")
    assert (answer.status, answer.text) == (504, "by status")


# Where there is no way to answer


async def test_an_error_after_the_response_began_breaks_off_the_connection(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    async def stream(request: web.Request) -> Any:
        response = web.StreamResponse()
        response.content_length = 100
        await response.prepare(request)
        await response.write(b"the beginning")
        raise SoldOut("half way")

    app = Application()
    app.add_get("/", stream)
    app.error(Exception)(saying("an answer in the middle of another"))
    async with asyncio.timeout(PATIENCE_S):
        answer = await (await serve(app)).send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    assert b"in the middle of" not in answer
    assert b"500" not in answer
    assert errors_in(caplog) == ["Error after the response began in GET /"]
    assert "half way" in caplog.text


@pytest.mark.parametrize(
    ("what", "body"),
    [
        *product(
            ["a header", "a hook", "a hook that refuses"],
            ["chunks", "compressed chunks", "a length", "a compressed text"],
        ),
        ("a handler", "a compressed text"),
    ],
)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_an_error_before_anything_was_sent_is_answered_as_if_no_response_had_begun(
    serve: Serve, what: str, body: str, method: str
) -> None:
    """aiohttp sends the next one in the chunks, or compressed, that its headers say nothing of."""
    error = HTTPForbidden if what == "a hook that refuses" else SoldOut

    async def fail() -> None:
        raise error

    async def watch(request: web.Request, response: web.StreamResponse) -> None:
        if what.startswith("a hook") and response.status == 200 and request.path == "/begun":
            raise error

    async def begin(request: web.Request) -> web.StreamResponse:
        response = web.Response(text="text") if body == "a compressed text" else web.StreamResponse()
        if "compressed" in body:
            response.enable_compression(web.ContentCoding.gzip)
        if body == "a length":
            response.content_length = 3
        if what == "a header":
            response.headers["X-A"] = "a\nb"
        await response.prepare(request)
        raise error  # a Response has sent nothing by now

    app = Application()
    app.add_route("*", "/begun", begin)
    app.add_route("*", "/plain", fail)
    app.on_response_prepare.append(watch)
    client = await serve(app)
    last = b"GET /last HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    answers = []
    for path in ("/begun", "/plain"):
        answer = await client.send(f"{method} {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode() + last)
        answers.append(re.sub(rb"Date: [^\r]*|Reference: [0-9a-f]{16}", b"", answer))
    assert answers[0] == answers[1]
    assert answers[0].count(b"HTTP/1.1") == 2


async def test_an_error_handler_that_fails_after_it_began_breaks_off_too(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    app = Application()

    @app.error(404)
    async def stream(request: web.Request, error: Exception) -> Any:
        response = web.StreamResponse(status=404)
        await response.prepare(request)
        await response.write(b"the beginning")
        raise SoldOut("half way")

    async with asyncio.timeout(PATIENCE_S):
        answer = await (await serve(app)).send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    assert answer.count(b"HTTP/1.1") <= 1
    assert b"500" not in answer
    assert errors_in(caplog) == ["Error after the response began in GET /"]


@pytest.mark.parametrize("mounted", [False, True], ids=["root", "mounted"])
async def test_a_client_that_is_gone_is_no_error(serve: Serve, caplog: pytest.LogCaptureFixture, mounted: bool) -> None:
    reading, over = asyncio.Event(), asyncio.Event()
    seen: list[Exception] = []

    async def read(request: web.Request) -> Any:
        reading.set()
        try:
            return await request.read()
        finally:
            over.set()

    async def note(request: web.Request, error: Exception) -> Any:
        seen.append(error)
        return "nobody reads this"

    app = Application()
    app.add_post("/", read)
    app.error(Exception)(note)
    app.error(500)(note)
    outer = Application()
    outer.error(500)(note)
    if mounted:
        outer.mount("/app", app)
    client = await serve(outer if mounted else app)
    _, writer = await asyncio.open_connection(client.url.host, client.url.port)
    path = b"/app/" if mounted else b"/"
    writer.write(b"POST " + path + b" HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc")
    await reading.wait()
    writer.transport.abort()
    await over.wait()
    assert (await client.get("/nowhere")).status == 404  # the server goes on
    assert [error for error in seen if not isinstance(error, HTTPNotFound)] == []
    assert errors_in(caplog) == []


async def test_a_connection_error_of_the_handlers_own_is_an_error(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    app = Application()
    app.add_get("/", raising(ConnectionRefusedError("the database")))
    answer = await (await serve(app)).get("/")
    assert answer.status == 500
    assert "the database" in caplog.text


# Problems, in all three forms


def make_problem_app() -> Application:
    app = Application()

    class Item(View):
        async def get(self) -> Any:
            raise Problem(
                409,
                title="Sold <out>",
                detail="There is no more of it.",
                type="https://example.org/sold-out",
                headers={"Retry-After": "60"},
                item=12,
                errors=[{"in": "query", "name": "size", "message": "is too <large>"}, {"message": "sorry"}],
            )

    app.add_view("/items/{id}", Item)
    return app


async def test_a_problem_is_a_document_with_its_extensions(serve: Serve) -> None:
    answer = await (await serve(make_problem_app())).get("/items/12?size=9", headers=PROBLEM)
    assert (answer.status, answer.headers["Content-Type"]) == (409, "application/problem+json")
    assert (answer.headers["Retry-After"], answer.headers["Vary"]) == ("60", "Accept")
    assert answer.json == {
        "type": "https://example.org/sold-out",
        "title": "Sold <out>",
        "status": 409,
        "detail": "There is no more of it.",
        "instance": "/items/12",
        "item": 12,
        "errors": [{"in": "query", "name": "size", "message": "is too <large>"}, {"message": "sorry"}],
    }


async def test_a_problem_is_a_page_for_people(serve: Serve) -> None:
    answer = await (await serve(make_problem_app())).get("/items/12", headers=PAGE)
    assert (answer.status, answer.headers["Content-Type"]) == (409, "text/html; charset=utf-8")
    for text in ("Sold &lt;out&gt;", "There is no more of it.", "<li>query size: is too &lt;large&gt;</li>"):
        assert text in answer.text
    assert "example.org" not in answer.text


async def test_a_problem_is_text_for_everything_else(serve: Serve) -> None:
    answer = await (await serve(make_problem_app())).get("/items/12")
    assert (answer.status, answer.headers["Content-Type"]) == (409, "text/plain; charset=utf-8")
    assert answer.text.splitlines() == [
        "409: Sold <out>",
        "There is no more of it.",
        "query size: is too <large>",
        "sorry",
    ]


@pytest.mark.parametrize("status", [99, 200, 399, 600])
def test_a_problem_has_the_status_of_an_error(status: int) -> None:
    with pytest.raises(ValueError, match=f"{status} is no error; a problem has a status from 400 to 599"):
        Problem(status)


async def test_an_extension_that_json_does_not_know_costs_the_extensions_but_not_the_answer(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    app = Application()
    app.add_get("/", raising(Problem(409, detail="Sold out", item=object())))
    answer = await (await serve(app)).get("/", headers=PROBLEM)
    assert (answer.status, answer.json["detail"]) == (409, "Sold out")
    assert "item" not in answer.json
    assert errors_in(caplog) == ["The problem 409 cannot be written; it is sent without its extensions."]


@pytest.mark.parametrize("headers", [{}, PAGE, PROBLEM], ids=["text", "page", "problem"])
async def test_bytes_of_the_client_that_are_no_text_do_not_cost_the_answer(
    serve: Serve, headers: dict[str, str]
) -> None:
    async def repeat(request: web.Request) -> Any:
        raise Problem(409, detail=f"Nobody is called {request.headers['X-Name']}.")

    app = Application()
    app.add_get("/", repeat)
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items()).encode()
    head = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX-Name: \xff\r\n"
    answer = await (await serve(app)).send(head + lines + b"\r\n")
    assert answer.startswith(b"HTTP/1.1 409 Conflict")
    assert b"Nobody is called " in answer


@pytest.mark.parametrize("path", [b"/", b"/nowhere"])
async def test_an_expectation_that_is_no_text_is_refused(
    serve: Serve, caplog: pytest.LogCaptureFixture, path: bytes
) -> None:
    app = Application()
    app.add_get("/", raising(HTTPConflict))
    head = b"GET " + path + b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\nExpect: \xff\r\n\r\n"
    assert (await (await serve(app)).send(head)).startswith(b"HTTP/1.1 417 ")
    assert errors_in(caplog) == []


# Pages of the application


class Pages:
    """A renderer whose templates are texts: what ``app.use(Templates(...))`` puts there, in small."""

    def __init__(self, **pages: str) -> None:
        self.pages = pages

    async def render(self, request: web.Request, name: str, context: dict[str, Any], *, status: int = 200) -> Any:
        return html(self.pages[name].format(**context), status=status)

    async def render_error(self, request: web.Request, status: int, context: dict[str, Any]) -> str | None:
        page = self.pages.get(f"page_{status}")
        return None if page is None else page.format(**context)


async def get_page(client: Client, path: str) -> tuple[int, str]:
    answer = await client.get(path, headers=PAGE)
    return answer.status, answer.text


async def test_the_page_of_the_innermost_application_that_has_one_is_shown(serve: Serve) -> None:
    child, app = Application(), Application()
    app[RENDERER] = Pages(page_404="outer {status} {title}", page_403="outer 403")
    child[RENDERER] = Pages(page_404="inner {status}")
    child.add_get("/403", raising(HTTPForbidden))
    child.add_get("/409", raising(HTTPConflict))
    app.mount("/child", child)
    client = await serve(app)
    assert await get_page(client, "/x") == (404, "outer 404 Not Found")
    assert await get_page(client, "/child/x") == (404, "inner 404")
    assert await get_page(client, "/child/403") == (403, "outer 403")
    assert "<h1>Conflict</h1>" in (await get_page(client, "/child/409"))[1]


async def test_the_page_is_for_those_who_ask_for_html(serve: Serve) -> None:
    app = Application()
    app[RENDERER] = Pages(page_404="a page")
    client = await serve(app)
    assert (await client.get("/")).text == "404: Not Found"
    assert (await client.get("/", headers=PROBLEM)).json["status"] == 404


async def test_the_page_knows_the_reference_of_a_crash_and_the_messages_of_a_problem(serve: Serve) -> None:
    app = Application()
    app[RENDERER] = Pages(page_500="reference {reference}", page_409="{detail} {messages}")
    app.add_get("/crash", raising(SoldOut))
    app.add_get("/problem", raising(Problem(409, detail="Sold out.", errors=[{"message": "sorry"}])))
    client = await serve(app)
    assert re.fullmatch("reference [0-9a-f]{16}", (await get_page(client, "/crash"))[1])
    assert await get_page(client, "/problem") == (409, "Sold out. ['sorry']")


@pytest.mark.parametrize("page", ["{nothing}", "\ud800"], ids=["fails", "is no text"])
async def test_a_page_that_fails_is_logged_and_the_plain_one_is_sent(
    serve: Serve, caplog: pytest.LogCaptureFixture, page: str
) -> None:
    app = Application()
    app[RENDERER] = Pages(page_404=page)
    status, text = await get_page(await serve(app), "/")
    assert (status, "<h1>Not Found</h1>" in text) == (404, True)
    assert errors_in(caplog) == ["The page for 404 failed; the plain one is sent instead."]


async def test_error_handlers_come_before_pages(serve: Serve) -> None:
    app = Application()
    app[RENDERER] = Pages(page_404="a page", fancy="fancy {status}")

    @app.error(404)
    async def fancy(request: web.Request, error: Exception) -> Any:
        return await app[RENDERER].render(request, "fancy", {"status": 404}, status=404)

    assert await get_page(await serve(app), "/") == (404, "fancy 404")
