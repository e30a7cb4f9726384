"""The showcase: what its visitors can do with pages, forms and JSON, and what they see in a browser."""

import re
import sqlite3
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlencode

import pytest
from playwright.async_api import Browser, Page, ViewportSize

from examples.showcase import init, make_app
from examples.showcase.board import read_page_number
from examples.showcase.dates import say_ago, say_date
from examples.showcase.drafts import LIMITS, Draft, check
from examples.showcase.guards import is_from_here
from examples.showcase.seeds import SEEDS
from examples.showcase.store import PAGE_SIZE
from tests.browsing import DESKTOP, PHONE, open_page
from tests.serving import Answer, Client, run_by_webkit
from webkit.errors import ConfigError

BROWSER = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
NOTE = {"title": "Spare ticket", "text": "For the concert\non Friday.", "author": "Ada"}


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return tmp_path / "board.sqlite3"


@pytest.fixture
async def client(database: Path) -> AsyncIterator[Client]:
    async with run_by_webkit(make_app(database)) as client:
        yield client


async def send_form(client: Client, target: str, fields: dict[str, str], **headers: str) -> Answer:
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    return await client.post(target, data=urlencode(fields), headers={**BROWSER, **form, **headers})


async def count_notes(client: Client) -> int:
    return int((await client.get("/api/messages")).json["total"])


# --- pages and forms ---


async def test_the_board_shows_the_first_notes_the_newest_on_top(client: Client) -> None:
    answer = await client.get("/", headers=BROWSER)
    titles = re.findall(r'<a href="/messages/(\d+)">([^<]+)</a>', answer.text)
    assert answer.status == 200
    assert [int(id) for id, _ in titles] == list(range(len(SEEDS), 0, -1))
    assert [title for _, title in titles] == [draft.title for _, draft in reversed(SEEDS)]


async def test_a_note_is_posted_shown_and_stays(client: Client, database: Path) -> None:
    answer = await send_form(client, "/write", NOTE)
    assert answer.status == 303
    note = await client.get(answer.headers["Location"], headers=BROWSER)
    assert note.status == 200
    assert '<h1 dir="auto">Spare ticket</h1>' in note.text
    assert "For the concert\non Friday." in note.text
    assert "Spare ticket" in (await client.get("/", headers=BROWSER)).text
    async with run_by_webkit(make_app(database)) as another:
        assert (await another.get(answer.headers["Location"])).status == 200


async def test_a_notice_is_shown_once(client: Client) -> None:
    answer = await send_form(client, "/write", NOTE)
    cookie = answer.headers["Set-Cookie"]
    assert cookie.startswith("notice=posted;")
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    page = await client.get("/", headers={"Cookie": "notice=posted"})
    assert "Your note is up." in page.text
    assert 'notice=""' in page.headers["Set-Cookie"]
    assert "Max-Age=0" in page.headers["Set-Cookie"]


async def test_a_notice_cannot_be_put_into_the_page_from_outside(client: Client) -> None:
    page = await client.get("/", headers={"Cookie": "notice=evil"})
    assert "evil" not in page.text
    assert 'class="notice"' not in page.text


async def test_what_is_typed_stays_when_something_is_wrong_and_the_error_stands_beside_its_field(
    client: Client,
) -> None:
    typed = {"title": "x" * 81, "text": "  Tea & <biscuits>  ", "author": " "}
    answer = await send_form(client, "/write", typed)
    assert answer.status == 422
    assert f'value="{"x" * 81}"' in answer.text
    assert "\nTea &amp; &lt;biscuits&gt;</textarea>" in answer.text
    assert '<p class="error" id="title-error">That is 81 characters; 80 fit on the note.</p>' in answer.text
    assert '<p class="error" id="author-error">Say who you are; a first name will do.</p>' in answer.text
    assert 'id="text-error"' not in answer.text
    assert 'aria-describedby="title-hint title-error" aria-invalid="true"' in answer.text
    assert await count_notes(client) == len(SEEDS)


async def test_what_a_note_says_is_text_and_never_markup(client: Client) -> None:
    evil = {"title": "<script>1</script>", "text": "<img src=x> https://example.org/?a=1&b=2", "author": '"><b>'}
    location = (await send_form(client, "/write", evil)).headers["Location"]
    for target in (location, "/", f"{location}/remove"):
        page = (await client.get(target, headers=BROWSER)).text
        assert not any(markup in page for markup in ("<script>", "<img", "<b>"))
    link = '<a href="https://example.org/?a=1&amp;b=2" rel="nofollow noopener ugc">'
    assert link in (await client.get(location)).text


async def test_a_note_is_taken_down_after_a_question(client: Client) -> None:
    question = await client.get("/messages/3/remove", headers=BROWSER)
    assert "Take this note down?" in question.text
    assert await count_notes(client) == len(SEEDS)
    answer = await send_form(client, "/messages/3/remove", {})
    assert (answer.status, answer.headers["Location"]) == (303, "/")
    for target in ("/messages/3", "/messages/3/remove", "/api/messages/3"):
        assert (await client.get(target, headers=BROWSER)).status == 404
    assert (await send_form(client, "/messages/3/remove", {})).status == 404


async def test_a_note_leads_to_its_neighbours(client: Client) -> None:
    page = (await client.get("/messages/4", headers=BROWSER)).text
    assert 'rel="prev" href="/messages/5"' in page
    assert 'rel="next" href="/messages/3"' in page
    assert 'rel="prev"' not in (await client.get(f"/messages/{len(SEEDS)}")).text
    assert 'rel="next"' not in (await client.get("/messages/1")).text


async def test_the_board_has_pages(client: Client) -> None:
    for number in range(PAGE_SIZE * 2 - len(SEEDS) + 1):
        await send_form(client, "/write", {**NOTE, "title": f"Note {number}"})
    first, second, third = [(await client.get(f"/?page={n}", headers=BROWSER)).text for n in (1, 2, 3)]
    assert [page.count('<li class="note') for page in (first, second, third)] == [PAGE_SIZE, PAGE_SIZE, 1]
    assert 'rel="next" href="/?page=2"' in first
    assert 'rel="prev"' not in first
    assert 'rel="prev" href="/?page=1"' in second
    assert 'rel="next"' not in third


@pytest.mark.parametrize("page", ["0", "-1", "2", "x", "", "1e3", "\u0669", "9" * 40])
async def test_a_page_that_is_not_there_is_not_found(client: Client, page: str) -> None:
    answer = await client.get(f"/?{urlencode({'page': page})}", headers=BROWSER)
    assert answer.status == 404
    assert read_page_number(page) != 1


async def test_an_empty_board_invites(client: Client) -> None:
    for id in range(1, len(SEEDS) + 1):
        assert (await client.request("DELETE", f"/api/messages/{id}")).status == 204
    page = await client.get("/", headers=BROWSER)
    assert page.status == 200
    assert "Pin the first note" in page.text


async def test_an_emptied_board_stays_empty_after_a_restart(database: Path) -> None:
    for expected in (len(SEEDS), 0):
        async with run_by_webkit(make_app(database)) as client:
            assert await count_notes(client) == expected
            for id in range(1, expected + 1):
                await client.request("DELETE", f"/api/messages/{id}")


@pytest.mark.parametrize(
    ("content_type", "body", "status"),
    [
        ("application/x-www-form-urlencoded", b"title=%ff&text=\xff", 400),
        ("application/x-www-form-urlencoded; charset=no-such-charset", b"title=a", 400),
        ("multipart/form-data", b"title=a", 400),
        ("multipart/form-data; boundary=x", b"nonsense", 400),
        ("application/json", b'{"title": "a"}', 422),
        ("", b"", 422),
    ],
)
async def test_a_form_that_nobody_can_read_is_the_senders_fault(
    client: Client, content_type: str, body: bytes, status: int
) -> None:
    answer = await client.post("/write", data=body, headers={**BROWSER, "Content-Type": content_type})
    assert answer.status == status


async def test_a_file_in_the_place_of_a_text_is_refused(client: Client) -> None:
    body = (
        b'--x\r\nContent-Disposition: form-data; name="title"; filename="a.txt"\r\n'
        b"Content-Type: text/plain\r\n\r\nwords\r\n--x--\r\n"
    )
    answer = await client.post("/write", data=body, headers={"Content-Type": "multipart/form-data; boundary=x"})
    assert answer.status == 422
    assert "This must be text." in answer.text


async def test_more_than_fits_on_a_note_is_refused_with_a_page(client: Client) -> None:
    answer = await send_form(client, "/write", {**NOTE, "text": "x" * 100_000})
    assert answer.status == 413
    assert "more than fits on a note" in answer.text


async def test_head_answers_like_get_without_a_body(client: Client) -> None:
    for target in ("/", "/write", "/messages/1", "/about", "/api/messages"):
        head, get = await client.request("HEAD", target), await client.get(target)
        assert (head.status, head.body) == (200, b"")
        assert head.headers["Content-Length"] == get.headers["Content-Length"]


async def test_a_method_that_a_page_does_not_have_is_refused_with_those_it_has(client: Client) -> None:
    answer = await client.request("DELETE", "/write", headers=BROWSER)
    assert (answer.status, answer.headers["Allow"]) == (405, "GET,HEAD,OPTIONS,POST")
    assert "The board does not do that" in answer.text


# --- other sites ---


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "something-new"},
        {"Sec-Fetch-Site": "cross-site", "Origin": "http://127.0.0.1"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},
    ],
)
async def test_what_another_site_makes_a_browser_send_is_refused(client: Client, headers: dict[str, str]) -> None:
    for target in ("/write", "/messages/1/remove"):
        answer = await send_form(client, target, NOTE, **headers)
        assert answer.status == 403
        assert "sent from another site" in answer.text
    assert (await client.post("/api/messages", json=NOTE, headers=headers)).status == 403
    assert (await client.request("DELETE", "/api/messages/1", headers=headers)).status == 403
    assert await count_notes(client) == len(SEEDS)


async def test_what_this_site_sends_is_taken(client: Client) -> None:
    own = str(client.url.origin())
    for headers in ({"Sec-Fetch-Site": "same-origin", "Origin": own}, {"Sec-Fetch-Site": "none"}, {"Origin": own}, {}):
        assert (await send_form(client, "/write", NOTE, **headers)).status == 303


@pytest.mark.parametrize(
    ("method", "headers", "taken"),
    [
        ("GET", {"Sec-Fetch-Site": "cross-site"}, True),
        ("HEAD", {"Origin": "https://evil.example", "Host": "board.example"}, True),
        ("POST", {"Origin": "https://board.example", "Host": "board.example"}, True),
        ("POST", {"Origin": "https://Board.Example:8443", "Host": "board.example:8443"}, True),
        ("POST", {"Origin": "https://board.example:8443", "Host": "board.example"}, False),
        ("POST", {"Origin": "https://board.example.evil.example", "Host": "board.example"}, False),
        ("POST", {"Origin": "http://[", "Host": "board.example"}, False),
        ("POST", {"Origin": "null"}, False),
        ("POST", {"Origin": ""}, False),
        ("DELETE", {"Sec-Fetch-Site": "same-site"}, False),
    ],
)
def test_where_a_request_comes_from_is_decided_by_its_headers(
    method: str, headers: dict[str, str], taken: bool
) -> None:
    assert is_from_here(method, headers) is taken


async def test_every_answer_tells_browsers_what_it_may_do(client: Client) -> None:
    for target in ("/", "/static/site.css", "/api/messages", "/nowhere", "/about"):
        headers = (await client.get(target, headers=BROWSER)).headers
        assert "default-src 'self'" in headers["Content-Security-Policy"]
        assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
        assert headers.getall("X-Content-Type-Options") == ["nosniff"]
        assert headers["Referrer-Policy"] == "same-origin"


async def test_pages_are_asked_for_again_and_files_with_a_hash_are_kept(client: Client) -> None:
    page = await client.get("/")
    assert page.headers["Cache-Control"] == "no-cache"
    links = re.findall(r'(?:href|src)="(/static/[^"]+)"', page.text)
    assert len(links) == 3
    for link in links:
        answer = await client.get(link)
        assert answer.status == 200
        assert "immutable" in answer.headers["Cache-Control"]


# --- JSON ---


async def test_the_api_lists_reads_posts_and_deletes(client: Client) -> None:
    created = await client.post("/api/messages", json=NOTE)
    assert (created.status, created.headers["Content-Type"]) == (201, "application/json")
    id = created.json["id"]
    assert created.headers["Location"] == f"/api/messages/{id}"
    moment = created.json["posted_at"]
    assert abs(datetime.now(UTC) - datetime.fromisoformat(moment)) < timedelta(minutes=1)
    expected = {**NOTE, "id": id, "self": f"/api/messages/{id}", "page": f"/messages/{id}", "posted_at": moment}
    assert created.json == expected
    assert (await client.get(f"/api/messages/{id}")).json == expected
    listed = (await client.get("/api/messages")).json
    assert listed["messages"][0] == expected
    assert (listed["total"], listed["newer"], listed["older"]) == (len(SEEDS) + 1, None, None)
    deleted = await client.request("DELETE", f"/api/messages/{id}")
    assert (deleted.status, deleted.body) == (204, b"")
    assert (await client.get(f"/api/messages/{id}")).status == 404
    assert (await client.request("DELETE", f"/api/messages/{id}")).status == 404


async def test_the_api_leads_from_page_to_page(client: Client) -> None:
    for _ in range(2):
        await client.post("/api/messages", json=NOTE)
    first = (await client.get("/api")).json["messages"]
    older = (await client.get(first)).json["older"]
    page = (await client.get(older)).json
    assert (len(page["messages"]), page["older"]) == (len(SEEDS) + 2 - PAGE_SIZE, None)
    assert len((await client.get(page["newer"])).json["messages"]) == PAGE_SIZE


async def test_the_api_has_the_rules_of_the_form(client: Client) -> None:
    answer = await client.post("/api/messages", json={"title": "x" * 81, "text": 7})
    assert (answer.status, answer.headers["Content-Type"]) == (422, "application/problem+json")
    assert answer.json == {
        "type": "about:blank",
        "title": HTTPStatus(422).phrase,  # Python 3.13 has another word for it
        "status": 422,
        "errors": [
            {"name": "title", "message": "That is 81 characters; 80 fit on the note."},
            {"name": "text", "message": "This must be text."},
            {"name": "author", "message": "Say who you are; a first name will do."},
        ],
    }


@pytest.mark.parametrize(
    ("method", "target", "content_type", "body", "status"),
    [
        ("POST", "/api/messages", "application/x-www-form-urlencoded", b"title=a", 415),
        ("POST", "/api/messages", "text/plain", b'{"title": "a"}', 415),
        ("POST", "/api/messages", "application/json", b'{"title": ', 400),
        ("POST", "/api/messages", "application/json", b"[]", 400),
        ("POST", "/api/messages", "application/json", b"\xff", 400),
        ("POST", "/api/messages", "application/json", b"[" * 50_000, 400),
        ("POST", "/api/messages", "application/json", b'{"title": "\\ud800"}', 400),
        ("POST", "/api/messages", "application/json", b"x" * 100_000, 413),
        ("GET", "/api/messages/99", "", b"", 404),
        ("GET", "/api/messages?page=99", "", b"", 404),
        ("PUT", "/api/messages/1", "", b"", 405),
    ],
)
async def test_the_api_answers_errors_as_json_to_everybody(
    client: Client, method: str, target: str, content_type: str, body: bytes, status: int
) -> None:
    for accept in ("*/*", "text/html", "application/json"):
        headers = {"Accept": accept, "Content-Type": content_type}
        answer = await client.request(method, target, data=body, headers=headers)
        assert (answer.status, answer.headers["Content-Type"]) == (status, "application/problem+json")
        assert answer.json["status"] == status
    assert ("Allow" in answer.headers) == (status == 405)


async def test_characters_that_nobody_can_see_are_left_out(client: Client) -> None:
    answer = await client.post("/api/messages", json={"title": "a\x00b", "text": "\u0085c\td", "author": "\x7fe\x07"})
    assert answer.status == 201
    assert [answer.json[name] for name in LIMITS] == ["ab", "c\td", "e"]


# --- the application mounted at /about ---


async def test_the_mounted_application_shares_templates_links_and_data(client: Client) -> None:
    page = (await client.get("/about")).text
    assert f"Right now it holds {len(SEEDS)} notes." in page
    assert 'href="/about/api"' in page
    assert 'href="/write"' in page
    assert '<a href="/about" aria-current="page">About</a>' in page


async def test_the_examples_of_the_api_name_this_server(client: Client) -> None:
    page = (await client.get("/about/api")).text
    assert f"curl {client.url.origin()}/api/messages" in page


# --- errors ---


async def test_browsers_get_the_boards_own_pages_and_others_what_they_ask_for(client: Client) -> None:
    page = await client.get("/nowhere", headers=BROWSER)
    assert page.status == 404
    assert "Only a corner is left" in page.text
    assert 'href="/write"' in page.text
    assert (await client.get("/nowhere")).text.startswith("404: Not Found")
    problem = await client.get("/nowhere", headers={"Accept": "application/json"})
    assert problem.headers["Content-Type"] == "application/problem+json"
    for target in ("/about/nowhere", "/static/nowhere.css", "/messages/99", "/messages/x"):
        assert "Only a corner is left" in (await client.get(target, headers=BROWSER)).text


async def test_when_the_database_is_broken_the_visitor_gets_a_page_with_a_reference(
    client: Client, database: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with sqlite3.connect(database) as connection:
        connection.execute("DROP TABLE messages")
    connection.close()
    page = await client.get("/", headers=BROWSER)
    assert page.status == 500
    assert "The board fell off the wall" in page.text
    found = re.search(r"<code>(\w+)</code>", page.text)
    assert found is not None
    assert found[1] in caplog.text
    assert "no such table" in caplog.text
    assert "no such table" not in page.text


async def test_browsers_find_the_icon(client: Client) -> None:
    answer = await client.get("/favicon.ico")
    assert answer.status == 302
    assert (await client.get(answer.headers["Location"])).headers["Content-Type"] == "image/svg+xml"


# --- the start ---


def test_the_command_line_names_the_database(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert init(["--database", str(tmp_path / "x.sqlite3")])
    assert init([])
    with pytest.raises(SystemExit):
        init(["--colour"])
    assert "--database PATH" in capsys.readouterr().err


@pytest.fixture
def letter(database: Path) -> Iterator[Path]:
    """A file in the place of the database, whose content must stay."""
    words = "These are the notes of somebody else. " * 10
    database.write_text(words)
    yield database
    assert database.read_text() == words


async def test_a_file_that_is_no_database_is_refused_and_left_alone(letter: Path) -> None:
    with pytest.raises(ConfigError, match=r"cannot be used: .* Name another file: --database PATH"):
        async with run_by_webkit(make_app(letter)):
            pass


async def test_a_folder_that_is_missing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be used: unable to open database file"):
        async with run_by_webkit(make_app(tmp_path / "nowhere" / "board.sqlite3")):
            pass


# --- the rules, as tables ---


@pytest.mark.parametrize(
    ("fields", "draft", "wrong"),
    [
        (NOTE, Draft("Spare ticket", "For the concert\non Friday.", "Ada"), set()),
        ({}, Draft(), {"title", "text", "author"}),
        ({"title": " a \t b\nc ", "text": "a\r\nb\rc ", "author": "\x00d\x7f"}, Draft("a b c", "a\nb\nc", "d"), set()),
        ({"title": "\u200b", "text": "\u200d\n\u2060", "author": "\u00a0"}, None, {"title", "text", "author"}),
        ({"title": "a\ud800", "text": "\U0001f600", "author": "\u0645"}, Draft("a", "\U0001f600", "\u0645"), set()),
        ({name: "x" * limit for name, limit in LIMITS.items()}, None, set()),
        ({name: "x" * (limit + 1) for name, limit in LIMITS.items()}, None, {"title", "text", "author"}),
        ({"title": 1, "text": ["a"], "author": None}, Draft(), {"title", "text", "author"}),
    ],
)
def test_a_draft_is_tidied_and_checked(fields: dict[str, Any], draft: Draft | None, wrong: set[str]) -> None:
    made, errors = check(fields)
    assert set(errors) == wrong
    if draft is not None:
        assert made == draft


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (-5, "just now"),
        (59, "just now"),
        (60, "1 minute ago"),
        (3599, "59 minutes ago"),
        (3600, "1 hour ago"),
        (86_399, "23 hours ago"),
        (86_400, "yesterday"),
        (2 * 86_400, "2 days ago"),
        (13 * 86_400, "13 days ago"),
        (14 * 86_400, "5 March 2026"),
    ],
)
def test_times_are_said_as_people_say_them(seconds: int, words: str) -> None:
    now = datetime(2026, 3, 19, 14, 5, tzinfo=UTC)
    assert say_ago(now - timedelta(seconds=seconds), now) == words
    assert say_date(now) == "19 March 2026, 14:05 UTC"


# --- in a browser ---

BOTH_WIDTHS = pytest.mark.parametrize("viewport", [PHONE, DESKTOP], ids=["phone", "desktop"])
BOTH_SCHEMES = pytest.mark.parametrize("scheme", ["light", "dark"])
EVERY_PAGE = [
    "/",
    "/messages/1",
    "/messages/1/remove",
    "/write",
    "/pictures",
    "/chat",
    "/chat/garden",
    "/about",
    "/about/api",
    "/nowhere",
]

# For each element with text of its own: the contrast of its colour to the first opaque background around it.
FAINT_TEXTS = """() => {
    const channels = (color) => color.match(/[\\d.]+/g).map(Number);
    const luminance = (color) => {
        const [r, g, b] = channels(color).slice(0, 3).map((c) => c / 255)
            .map((c) => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const behind = (element) => {
        for (; element; element = element.parentElement) {
            const color = getComputedStyle(element).backgroundColor;
            if ((channels(color)[3] ?? 1) === 1) return color;
        }
        return "rgb(255, 255, 255)";
    };
    const faint = [];
    for (const element of document.body.querySelectorAll("*")) {
        const words = [...element.childNodes].filter((node) => node.nodeType === 3 && node.data.trim());
        if (!words.length) continue;
        const [a, b] = [luminance(getComputedStyle(element).color), luminance(behind(element))];
        const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
        if (contrast < 4.5) faint.push(`${element.tagName} ${words[0].data.trim()}: ${contrast.toFixed(2)}`);
    }
    return faint;
}"""


async def overflow(page: Page) -> int:
    """How many pixels the page is wider than the window."""
    return int(await page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth"))


async def write_note(page: Page, client: Client, title: str, text: str, author: str) -> None:
    await page.goto(f"{client.url.origin()}/write")
    await page.get_by_label("Headline").fill(title)
    await page.get_by_label("Your note").fill(text)
    await page.get_by_label("Your name").fill(author)
    await page.get_by_role("button", name="Pin it up").click()


@BOTH_WIDTHS
async def test_a_visitor_posts_a_note_reads_it_and_takes_it_down(
    client: Client, browser: Browser, viewport: ViewportSize
) -> None:
    page, complaints = await open_page(browser, viewport)
    await page.goto(str(client.url.origin()))
    await page.get_by_role("link", name="Pin a note").click()
    await write_note(page, client, "Lost umbrella", "Black, with a wooden handle.", "Grace")
    assert await page.get_by_role("status").text_content() == "Your note is up."
    assert await page.get_by_role("heading", level=1).text_content() == "Lost umbrella"
    await page.reload()
    assert await page.get_by_role("status").count() == 0

    await page.get_by_role("link", name="Back to the board").click()
    await page.get_by_role("link", name="Lost umbrella").click()
    await page.get_by_role("link", name="Take it down").click()
    await page.get_by_role("button", name="Take it down").click()
    assert await page.get_by_role("heading", level=1).text_content() == "Notes from the hallway"
    assert "The note is down." in (await page.get_by_role("status").text_content() or "")
    assert await page.get_by_text("Lost umbrella").count() == 0
    assert complaints == []


async def test_a_visitor_is_helped_with_a_note_that_does_not_fit(client: Client, browser: Browser) -> None:
    page, complaints = await open_page(browser)
    await write_note(page, client, " ", "Words", "Grace")
    # The browser alone would take a space for a headline.
    assert await page.get_by_role("alert").is_visible()
    assert await page.get_by_label("Your note").input_value() == "Words"
    await page.get_by_role("alert").get_by_role("link", name="Headline").click()
    assert await page.evaluate("document.activeElement.id") == "title"
    assert "aria-invalid" in await page.evaluate("document.activeElement.outerHTML")
    await page.keyboard.type("A headline")
    await page.get_by_role("button", name="Pin it up").click()
    assert await page.get_by_role("heading", level=1).text_content() == "A headline"
    assert complaints == []


@BOTH_WIDTHS
@BOTH_SCHEMES
async def test_every_page_fits_the_window_can_be_read_and_has_no_complaints(
    client: Client, browser: Browser, viewport: ViewportSize, scheme: Literal["light", "dark"]
) -> None:
    await client.post("/api/messages", json={"title": "w" * 80, "text": "w" * 300, "author": "w" * 40})
    page, complaints = await open_page(browser, viewport)
    await page.emulate_media(color_scheme=scheme)
    for target in [*EVERY_PAGE, f"/messages/{len(SEEDS) + 1}", f"/messages/{len(SEEDS) + 1}/remove"]:
        await page.goto(f"{client.url.origin()}{target}")
        assert await overflow(page) <= 0, target
        assert await page.evaluate(FAINT_TEXTS) == [], target
        assert await page.get_by_role("heading", level=1).count() == 1, target
        assert await page.get_by_role("main").count() == 1, target
    await write_note(page, client, " ", " ", " ")
    assert await page.get_by_role("alert").is_visible()
    assert await overflow(page) <= 0
    assert await page.evaluate(FAINT_TEXTS) == []
    assert complaints == []


async def test_every_link_of_the_site_leads_somewhere(client: Client, browser: Browser) -> None:
    page, complaints = await open_page(browser)
    origin = str(client.url.origin())
    waiting, seen = [f"{origin}/"], {f"{origin}/"}
    while waiting:
        answer = await page.goto(waiting.pop())
        assert answer is not None
        assert answer.status == (404 if page.url.endswith("not-there") else 200), page.url
        links = await page.eval_on_selector_all("a[href]", "(links) => links.map((link) => link.href.split('#')[0])")
        new = {link for link in links if link.startswith(origin)} - seen
        waiting.extend(sorted(new))
        seen |= new
    assert len(seen) >= 2 * len(SEEDS) + 4
    assert complaints == []


async def test_the_404_page_leads_back_to_the_board(client: Client, browser: Browser) -> None:
    page, complaints = await open_page(browser, PHONE)
    answer = await page.goto(f"{client.url.origin()}/nowhere")
    assert answer is not None
    assert answer.status == 404
    assert await page.get_by_role("heading", level=1).text_content() == "Only a corner is left"
    await page.get_by_role("link", name="To the board").click()
    assert await page.get_by_role("heading", level=1).text_content() == "Notes from the hallway"
    assert complaints == []


async def test_the_keyboard_alone_is_enough_to_post_a_note(client: Client, browser: Browser) -> None:
    page, complaints = await open_page(browser)
    await page.goto(str(client.url.origin()))
    await page.keyboard.press("Tab")
    skip = page.get_by_role("link", name="Skip to the content")
    assert await skip.is_visible()
    box = await skip.bounding_box()
    assert box is not None
    assert box["y"] >= 0
    for _ in range(8):
        await page.keyboard.press("Tab")
    assert await page.evaluate("document.activeElement.textContent") == "Pin a note"
    assert await page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    await page.keyboard.press("Enter")
    await page.wait_for_url("**/write")
    await page.keyboard.press("Tab")
    await page.keyboard.press("Enter")  # skip to the content
    for words in ("By keyboard", "Not once was a mouse touched.", "Grace"):
        await page.keyboard.press("Tab")
        await page.keyboard.type(words)
    await page.keyboard.press("Tab")
    await page.keyboard.press("Enter")
    await page.wait_for_url("**/messages/*")
    assert await page.get_by_role("heading", level=1).text_content() == "By keyboard"
    assert complaints == []


async def test_the_first_tab_on_a_board_without_a_mouse_shows_which_note_it_is_on(
    client: Client, browser: Browser
) -> None:
    page, _ = await open_page(browser)
    await page.goto(str(client.url.origin()))
    await page.keyboard.press("Tab")
    await page.keyboard.press("Enter")
    await page.keyboard.press("Tab")
    outline = "getComputedStyle(document.activeElement.closest('.note')).outlineStyle"
    assert await page.evaluate(outline) == "solid"


async def test_the_board_is_dark_where_the_system_is(client: Client, browser: Browser) -> None:
    page, _ = await open_page(browser)
    await page.goto(str(client.url.origin()))
    background = "getComputedStyle(document.body).backgroundColor"
    colors = []
    schemes: list[Literal["light", "dark"]] = ["light", "dark"]
    for scheme in schemes:
        await page.emulate_media(color_scheme=scheme)
        colors.append(await page.evaluate(background))
    assert colors == ["rgb(243, 236, 224)", "rgb(25, 22, 19)"]


async def test_the_board_works_without_javascript(client: Client, browser: Browser) -> None:
    context = await browser.new_context(java_script_enabled=False)
    page = await context.new_page()
    await write_note(page, client, "No script", "None at all.", "Grace")
    assert await page.get_by_role("heading", level=1).text_content() == "No script"
