"""What a client sees of an error: a page, a problem document or text, as it asks for it."""

import html as html_text
import logging
import re
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

import pytest
from aiohttp import web

from tests.serving import Serve
from webkit import Application
from webkit.errors import InternalServerError, Problem
from webkit.pages import Fault, choose_form, fault_of, render_fault

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"

FORMS: list[tuple[str, str]] = [
    (BROWSER, "html"),
    ("text/html", "html"),
    ("TEXT/HTML", "html"),
    ("application/xhtml+xml", "html"),
    ("text/html; charset=utf-8", "html"),
    ("application/json", "problem"),
    ("application/problem+json", "problem"),
    ("application/hal+json", "problem"),
    ("Application/JSON; charset=utf-8", "problem"),
    ("application/json, text/plain, */*", "problem"),
    ("", "text"),
    ("*/*", "text"),
    ("text/*", "text"),
    ("text/plain", "text"),
    ("image/png", "text"),
    ("text/html, application/json", "html"),
    ("application/json, text/html", "html"),
    ("text/html;q=0.5, application/json", "problem"),
    ("text/html;q=0.5, application/json;q=0.4", "html"),
    ("text/html; q=0", "text"),
    ("text/html; q=0, application/json; q=0.1", "problem"),
    ("text/html;level=1;q=0.9", "html"),
    ("text/html;q=", "text"),
    ("text/html;q=.", "text"),
    ("text/html;q=1.2.3", "text"),
    (",,;;q=,", "text"),
]


@pytest.mark.parametrize(("accept", "form"), FORMS)
def test_the_form_is_the_one_that_accept_names(accept: str, form: str) -> None:
    assert choose_form(accept) == form


FAULT = Fault(404, "Not <Found>", detail='no "thing" & more', reference="abc")


def test_a_page_escapes_what_it_shows() -> None:
    content_type, body = render_fault(FAULT, "html")
    page = body.decode()
    assert content_type == "text/html; charset=utf-8"
    assert "<title>404 Not &lt;Found&gt;</title>" in page
    assert html_text.escape('no "thing" & more') in page
    assert "<code>abc</code>" in page
    assert "<script" not in page
    assert "//" not in page, "A page of an error loads nothing."


def test_a_problem_document_says_what_is_known() -> None:
    assert render_fault(FAULT, "problem") == (
        "application/problem+json",
        b'{"type":"about:blank","title":"Not <Found>","status":404,"detail":"no \\"thing\\" & more","reference":"abc"}',
    )


def test_text_says_the_same() -> None:
    assert render_fault(FAULT, "text") == (
        "text/plain; charset=utf-8",
        b'404: Not <Found>\nno "thing" & more\nReference: abc',
    )


ERRORS: list[tuple[web.HTTPException, Fault | None]] = [
    (web.HTTPNotFound(), Fault(404, "Not Found")),
    (web.HTTPNotFound(reason="No such cat"), Fault(404, "No such cat")),
    (web.HTTPNotFound(headers={"X-A": "1"}), Fault(404, "Not Found")),
    (web.HTTPMethodNotAllowed("GET", ["POST"]), Fault(405, "Method Not Allowed")),
    (
        web.HTTPRequestEntityTooLarge(5, 9),
        # What Python calls this status has changed in 3.13.
        Fault(
            413,
            HTTPStatus(413).phrase,
            detail="Maximum request body size 5 exceeded.",
        ),
    ),
    (InternalServerError("abc"), Fault(500, "Internal Server Error", reference="abc")),
    (
        Problem(409, detail="Sold out", item=12),
        Fault(409, "Conflict", detail="Sold out", extensions={"item": 12}),
    ),
    (web.HTTPNotFound(text="my words"), None),
    (web.HTTPNotFound(text="404: Not Found", content_type="text/x-own"), None),
    (web.HTTPNotFound(content_type="application/json"), None),
    (web.HTTPFound("/"), None),
    (web.HTTPOk(), None),
    (web.HTTPNoContent(), None),
]


@pytest.mark.parametrize(("error", "fault"), ERRORS)
def test_an_error_says_something_by_itself_or_its_author_has_spoken(
    error: web.HTTPException, fault: Fault | None
) -> None:
    assert fault_of(error) == fault


# Over connections


def raising(make: Callable[[], Exception]) -> Any:
    async def handler(request: web.Request) -> None:
        raise make()

    return handler


def make_picture() -> web.HTTPGone:
    error = web.HTTPGone(content_type="image/x-own")
    error.body = b"\x00\x01"
    return error


@pytest.fixture
def app() -> Application:
    app = Application()
    app.get("/gone")(raising(web.HTTPGone))
    app.post("/post")(raising(web.HTTPGone))
    app.get("/text")(raising(lambda: web.HTTPGone(text="<my own words>")))
    app.get("/type")(raising(lambda: web.HTTPGone(text="<p>", content_type="text/html")))
    app.get("/bytes")(raising(make_picture))
    app.get("/json")(raising(lambda: web.HTTPGone(text='{"mine": 1}', content_type="application/json")))
    app.get("/crash")(raising(lambda: KeyError("the secret")))
    return app


PLACES = [("/gone", 410, "Gone"), ("/missing", 404, "Not Found"), ("/post", 405, "Method Not Allowed")]


@pytest.mark.parametrize(("target", "status", "reason"), PLACES)
async def test_an_error_from_anywhere_has_the_form_that_is_asked_for(
    serve: Serve, app: Application, target: str, status: int, reason: str
) -> None:
    client = await serve(app)
    page = await client.get(target, headers={"Accept": BROWSER})
    assert (page.status, page.headers["Content-Type"]) == (status, "text/html; charset=utf-8")
    assert f"<h1>{reason}</h1>" in page.text
    problem = await client.get(target, headers={"Accept": "application/json"})
    assert (problem.status, problem.headers["Content-Type"]) == (status, "application/problem+json")
    assert problem.json == {"type": "about:blank", "title": reason, "status": status, "instance": target}
    text = await client.get(target, headers={"Accept": "*/*"})
    assert (text.status, text.headers["Content-Type"]) == (status, "text/plain; charset=utf-8")
    assert text.text == f"{status}: {reason}"
    for answer in (page, problem, text):
        assert answer.headers["Vary"] == "Accept"
        assert int(answer.headers["Content-Length"]) == len(answer.body)
        assert answer.headers.get("Allow") == ("POST" if status == 405 else None)


@pytest.mark.parametrize("accept", [BROWSER, "application/json", "*/*"])
@pytest.mark.parametrize(
    ("target", "content_type", "body"),
    [
        ("/text", "text/plain; charset=utf-8", b"<my own words>"),
        ("/type", "text/html; charset=utf-8", b"<p>"),
        ("/json", "application/json; charset=utf-8", b'{"mine": 1}'),
        ("/bytes", "image/x-own; charset=utf-8", b"\x00\x01"),
    ],
)
async def test_what_the_author_has_said_is_left_alone(
    serve: Serve, app: Application, target: str, content_type: str, body: bytes, accept: str
) -> None:
    answer = await (await serve(app)).get(target, headers={"Accept": accept})
    assert (answer.status, answer.headers["Content-Type"], answer.body) == (410, content_type, body)
    assert "Vary" not in answer.headers


@pytest.mark.parametrize("accept", [BROWSER, "application/json", "*/*"])
@pytest.mark.parametrize("target", ["/gone", "/missing", "/crash"])
async def test_head_of_an_error_has_its_headers_and_no_body(
    serve: Serve, app: Application, target: str, accept: str
) -> None:
    client = await serve(app)
    headers = {"Accept": accept}
    got, head = await client.get(target, headers=headers), await client.request("HEAD", target, headers=headers)
    assert (head.status, head.body) == (got.status, b"")
    for name in ("Content-Type", "Content-Length", "Vary"):
        assert head.headers[name] == got.headers[name]


@pytest.mark.parametrize("accept", [BROWSER, "application/json", "*/*"])
async def test_a_crash_tells_the_client_nothing_but_a_reference_that_is_in_the_log(
    serve: Serve, app: Application, caplog: pytest.LogCaptureFixture, accept: str
) -> None:
    answer = await (await serve(app)).get("/crash", headers={"Accept": accept})
    assert (answer.status, answer.headers["Vary"]) == (500, "Accept")
    assert "secret" not in str(answer)
    assert "KeyError" not in str(answer)
    (record,) = [record for record in caplog.records if record.levelno == logging.ERROR]
    found = re.search(r"Error (\w+) in GET /crash", record.getMessage())
    assert found is not None
    assert found[1] in answer.text
    assert "KeyError: 'the secret'" in caplog.text


async def test_two_crashes_have_two_references(serve: Serve, app: Application) -> None:
    client = await serve(app)
    one, other = [(await client.get("/crash")).text for _ in range(2)]
    assert one != other


async def test_a_vary_that_is_there_stays(serve: Serve) -> None:
    app = Application()
    app.get("/")(raising(lambda: web.HTTPGone(headers={"Vary": "Cookie"})))
    answer = await (await serve(app)).get("/")
    assert answer.headers.getall("Vary") == ["Cookie", "Accept"]


async def test_the_errors_of_a_mounted_plain_application_have_the_same_pages(serve: Serve) -> None:
    child = web.Application()
    child.router.add_get("/gone", raising(web.HTTPGone))
    app = Application()
    app.mount("/child", child)
    client = await serve(app)
    for target in ("/child/gone", "/child/missing"):
        answer = await client.get(target, headers={"Accept": BROWSER})
        assert answer.headers["Content-Type"] == "text/html; charset=utf-8"


async def test_a_body_that_is_too_large_is_told_with_the_limit(serve: Serve) -> None:
    async def take(request: web.Request) -> str:
        return str(len(await request.read()))

    app = Application(client_max_size=5)
    app.post("/")(take)
    client = await serve(app)
    assert (await client.post("/", data=b"12345")).text == "5"
    answer = await client.post("/", data=b"123456", headers={"Accept": "application/json"})
    assert answer.status == 413
    assert "Maximum request body size 5 exceeded" in answer.json["detail"]
