"""The pictures of the showcase: what goes up on the wall, what does not, and what a visitor sees meanwhile."""

import asyncio
import io
import re
import struct
import zlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Browser, FilePayload, Page, ViewportSize

from examples.showcase import make_app
from examples.showcase.pictures import MOST_BYTES, MOST_PICTURES
from tests.browsing import DESKTOP, PHONE, open_page
from tests.leftovers import names_in
from tests.multiparts import CONTENT_TYPE, GIF, field, file, form, request
from tests.rawsockets import connect
from tests.serving import PATIENCE_S, Answer, Client, run_by_webkit

BROWSER = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
SCRIPT = {"Accept": "application/json"}


def draw(width: int, height: int, more: bytes = b"") -> bytes:
    """Make a PNG of one colour; *more* bytes stand behind it."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = (b"\0" + b"\xd1\x43\x2b" * width) * height
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    parts = (chunk(b"IHDR", header), chunk(b"IDAT", zlib.compress(rows)), chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts) + more


PICTURE = draw(40, 30)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the wall has its folder."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    return tmp_path


@pytest.fixture
async def client(folder: Path) -> AsyncIterator[Client]:
    async with run_by_webkit(make_app(folder / "board.sqlite3")) as client:
        yield client


async def hang(client: Client, *parts: bytes, **headers: str) -> Answer:
    headers = {"Content-Type": CONTENT_TYPE, **BROWSER, **headers}
    return await client.post("/pictures", data=io.BytesIO(form(*parts)), headers=headers)


def names_on_wall(folder: Path) -> list[str]:
    """The files of the wall; nothing when its folder is gone."""
    return [name for wall in folder.glob("corkboard-*") for name in names_in(wall)]


def parts_of(caption: str = "The cat of number nine", content: bytes = PICTURE) -> tuple[bytes, bytes]:
    return field("caption", caption), file("picture", "cat.png", content, "image/png")


async def test_a_picture_goes_up_and_can_be_seen(client: Client) -> None:
    answer = await hang(client, *parts_of("Cats & <dogs>"))
    assert (answer.status, answer.headers["Location"]) == (303, "/pictures")
    page = await client.get("/pictures", headers={"Cookie": "notice=hung"})
    assert "Your picture hangs on the wall." in page.text
    found = re.search(r'<img src="(/pictures/[0-9a-f]{32}\.png)" alt="Cats &amp; &lt;dogs&gt;"', page.text)
    assert found is not None
    picture = await client.get(found[1])
    assert (picture.status, picture.body) == (200, PICTURE)
    assert picture.headers["Content-Type"] == "image/png"
    assert picture.headers["X-Content-Type-Options"] == "nosniff"
    assert picture.headers["Content-Security-Policy"] == "default-src 'none'; style-src 'unsafe-inline'; sandbox"


async def test_a_script_is_told_where_to_go_and_what_is_wrong(client: Client) -> None:
    answer = await hang(client, *parts_of(), **SCRIPT)
    assert (answer.status, answer.json) == (201, {"location": "/pictures"})
    answer = await hang(client, *parts_of(content=b"<script>"), **SCRIPT)
    assert (answer.status, answer.headers["Content-Type"]) == (415, "application/problem+json")
    assert "That is no picture which browsers can show" in answer.json["detail"]


@pytest.mark.parametrize(
    ("parts", "status", "words"),
    [
        ((field("caption", "A cat"),), 422, "Choose a picture first."),
        ((field("caption", "A cat"), file("picture", "", b"")), 422, "Choose a picture first."),
        (parts_of(" \t"), 422, "Say what is to be seen"),
        (parts_of("x" * 81), 422, "That is 81 characters; 80 fit below a picture."),
        (parts_of(content=b"<html><script>"), 415, "That is no picture which browsers can show"),
        (parts_of(content=b"%PDF-1.7"), 415, "That is no picture which browsers can show"),
        ((field("caption", "a"), file("picture", "a.html", PICTURE, "image/png")), 415, "That is no picture"),
        ((field("caption", "a"), file("picture", "a.svg", b"<svg xmlns='x'>", "image/svg+xml")), 415, "no picture"),
        (parts_of(content=PICTURE + bytes(MOST_BYTES)), 413, "That picture is larger than 5 MiB."),
        (parts_of()[1:] * 2, 413, "That picture is larger"),
        ((b"nonsense",), 400, "The server could not read this"),
    ],
)
async def test_what_is_no_picture_does_not_go_up(
    client: Client, parts: tuple[bytes, ...], status: int, words: str
) -> None:
    answer = await hang(client, *parts)
    assert answer.status == status
    assert words in answer.text or status == 400
    assert "<img" not in (await client.get("/pictures")).text


async def test_a_picture_that_is_much_too_large_is_refused_before_it_is_sent(client: Client) -> None:
    lines = ["Expect: 100-continue", f"Accept: {BROWSER['Accept']}"]
    async with connect(client.url) as connection:
        answer = await connection.ask(request("/pictures", b"", *lines, length=2 * MOST_BYTES))
    assert answer.status == 413
    assert "That picture is too large" in answer.body


async def test_what_was_typed_stays_when_something_is_wrong(client: Client) -> None:
    answer = await hang(client, field("caption", '"A" cat'))
    assert 'value="&#34;A&#34; cat"' in answer.text
    assert '<p class="error" id="picture-error" role="alert">Choose a picture first.</p>' in answer.text


async def test_another_site_can_hang_nothing_up(client: Client) -> None:
    assert (await hang(client, *parts_of(), Origin="https://evil.example")).status == 403


async def test_the_oldest_picture_comes_down_when_the_wall_is_full(client: Client, folder: Path) -> None:
    for number in range(MOST_PICTURES + 2):
        await hang(client, *parts_of(f"Number {number}.", GIF if number % 2 else PICTURE))
    page = (await client.get("/pictures")).text
    assert page.count("<img") == MOST_PICTURES
    assert 'alt="Number 1."' not in page
    assert page.index(f'alt="Number {MOST_PICTURES + 1}."') < page.index('alt="Number 2."')
    assert len(names_on_wall(folder)) == MOST_PICTURES


async def test_names_lead_to_pictures_of_the_wall_alone(client: Client) -> None:
    await hang(client, *parts_of())
    for name in ("0" * 32 + ".png", "..%2Fboard.sqlite3", "%2e%2e%2fboard.sqlite3", "%2Fetc%2Fpasswd", "a%00.png"):
        assert (await client.get(f"/pictures/{name}")).status == 404


async def test_nothing_is_left_when_the_server_has_stopped(folder: Path) -> None:
    async with run_by_webkit(make_app(folder / "board.sqlite3")) as client:
        await hang(client, *parts_of())
        assert len(names_on_wall(folder)) == 1
    assert names_in(folder) == ["board.sqlite3"]


# --- in a browser ---


async def choose(page: Page, client: Client, content: bytes, name: str = "cat.png", caption: str = "A cat") -> None:
    """Open the page, and fill in the form."""
    await page.goto(f"{client.url.origin()}/pictures")
    await page.get_by_label("The picture").set_input_files(FilePayload(name=name, mimeType="image/png", buffer=content))
    await page.get_by_label("What is to be seen").fill(caption)


async def until_true(page: Page, expression: str) -> None:
    """Wait for *expression*: the site forbids the ``eval`` that the browser's own way of waiting needs."""
    async with asyncio.timeout(PATIENCE_S):
        while not await page.evaluate(expression):  # noqa: ASYNC110
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("viewport", [PHONE, DESKTOP], ids=["phone", "desktop"])
async def test_a_visitor_sees_how_far_a_picture_is_and_then_the_picture(
    client: Client, browser: Browser, viewport: ViewportSize
) -> None:
    page, complaints = await open_page(browser, viewport)
    network = await page.context.new_cdp_session(page)
    await network.send("Network.enable")
    any_speed = {"offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": -1}
    await choose(page, client, draw(600, 400, bytes(2_000_000)))
    await network.send("Network.emulateNetworkConditions", any_speed | {"uploadThroughput": 100_000})
    bar = page.get_by_role("progressbar", name="Upload")
    assert not await bar.is_visible()
    await page.get_by_role("button", name="Hang it up").click()
    await bar.wait_for()
    await until_true(page, "(({ value }) => value > 0 && value < 1)(document.querySelector('progress'))")
    assert re.fullmatch(r"[0-2]\.\d MiB of 1\.9 MiB", await page.locator("output").text_content() or "")
    assert await page.get_by_role("button", name="Hang it up").is_disabled()
    await network.send("Network.emulateNetworkConditions", any_speed)
    await page.get_by_text("Your picture hangs on the wall.").wait_for()
    thumbnail = page.get_by_role("img", name="A cat")
    await thumbnail.scroll_into_view_if_needed()
    await until_true(page, "document.querySelector('.print img').naturalWidth === 600")
    box = await thumbnail.bounding_box()
    assert box is not None
    assert 100 < box["width"] < 400
    assert abs(box["width"] - box["height"]) < 12  # a square, slightly turned
    assert await page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") <= 0
    await thumbnail.click()
    await page.wait_for_url("**/pictures/*.png")
    assert complaints == []


async def test_a_picture_that_is_too_large_is_not_even_sent(client: Client, browser: Browser) -> None:
    page, complaints = await open_page(browser)
    await choose(page, client, bytes(MOST_BYTES + 1))
    sent: list[str] = []
    page.on("request", lambda request: sent.append(request.method))
    await page.get_by_role("button", name="Hang it up").click()
    assert await page.get_by_role("alert").text_content() == "That picture is larger than 5.0 MiB."
    assert await page.evaluate("document.activeElement.id") == "picture"
    assert sent == []
    assert complaints == []


async def test_a_visitor_is_told_what_is_wrong_and_may_try_again(client: Client, browser: Browser) -> None:
    page, _ = await open_page(browser)
    await choose(page, client, b"<script>alert(1)</script>")
    await page.get_by_role("button", name="Hang it up").click()
    await page.get_by_text("That is no picture which browsers can show").wait_for()
    assert await page.get_by_label("What is to be seen").input_value() == "A cat"
    assert not await page.get_by_role("progressbar").is_visible()
    await page.get_by_label("The picture").set_input_files(
        FilePayload(name="cat.png", mimeType="image/png", buffer=PICTURE)
    )
    await page.get_by_role("button", name="Hang it up").click()
    await page.get_by_role("img", name="A cat").wait_for()


async def test_pictures_go_up_without_javascript(client: Client, browser: Browser) -> None:
    context = await browser.new_context(java_script_enabled=False)
    page = await context.new_page()
    await choose(page, client, PICTURE)
    await page.get_by_role("button", name="Hang it up").click()
    await page.get_by_role("img", name="A cat").wait_for()
    assert await page.get_by_text("Your picture hangs on the wall.").is_visible()
