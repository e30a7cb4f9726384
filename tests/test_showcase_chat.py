"""The chat of the showcase: what is said in a room, what is not, and what a visitor sees of it."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import ClientWebSocketResponse, WSMsgType
from playwright.async_api import Browser, Page, expect

from bench.servers import free_port
from examples.showcase import chat, make_app
from tests.browsing import DESKTOP, PHONE, open_page
from tests.serving import PATIENCE_S, Client, run_by_webkit
from webkit import Server, ServerConfig


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[Client]:
    async with run_by_webkit(make_app(tmp_path / "board.sqlite3")) as client:
        yield client


@asynccontextmanager
async def visiting(client: Client, room: str = "garden") -> AsyncIterator[ClientWebSocketResponse]:
    """Somebody in a room, who has been told what was said before."""
    async with client.session.ws_connect(client.url / "chat" / room / "talk") as ws:
        assert (await next_event(ws))["kind"] == "before"
        yield ws


async def next_event(ws: ClientWebSocketResponse) -> dict[str, Any]:
    event: dict[str, Any] = await ws.receive_json(timeout=PATIENCE_S)
    return event


async def until(ws: ClientWebSocketResponse, kind: str) -> dict[str, Any]:
    """Give the next event of one kind."""
    while (event := await next_event(ws))["kind"] != kind:
        pass
    return event


async def say(ws: ClientWebSocketResponse, text: str, name: str = "Ada") -> None:
    await ws.send_json({"name": name, "text": text})


async def test_what_is_said_in_a_room_is_heard_there_and_nowhere_else(client: Client) -> None:
    async with visiting(client) as ada, visiting(client) as grace, visiting(client, "kitchen") as cook:
        assert (await until(grace, "people"))["count"] == 2
        await say(ada, "  Hello,\n garden! ")
        for ws in (ada, grace):
            message = (await until(ws, "said"))["message"]
            assert (message["name"], message["text"]) == ("Ada", "Hello, garden!")
        await say(cook, "Where is the large pot?", "Cook")
        assert (await until(cook, "said"))["message"]["name"] == "Cook"  # and not what was said in the garden


async def test_who_comes_later_sees_what_was_said_before_and_how_many_are_there(client: Client) -> None:
    async with visiting(client) as ada:
        for text in ("one", "two"):
            await say(ada, text)
            await until(ada, "said")
        async with client.session.ws_connect(client.url / "chat/garden/talk") as grace:
            before = await next_event(grace)
            assert [message["text"] for message in before["messages"]] == ["one", "two"]
            ids = [message["id"] for message in before["messages"]]
            assert ids == sorted(set(ids))
            assert (await until(ada, "people"))["count"] in {1, 2}
        while (await until(ada, "people"))["count"] != 1:
            pass
        assert "1 here now" in (await client.get("/chat")).text


async def test_who_talks_too_fast_is_asked_to_wait_and_has_to_leave_in_the_end(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chat, "_PER_SECOND", 0.0)  # however long it takes
    async with visiting(client) as ada:
        for number in range(60):
            await say(ada, str(number))
        kinds = []
        while (message := await ada.receive(PATIENCE_S)).type is WSMsgType.TEXT:
            kinds.append(message.json()["kind"])
    assert kinds.count("said") == 5
    assert kinds.count("refused") == 21
    assert (message.type, message.data, message.extra) == (WSMsgType.CLOSE, 1008, "Too many messages")


@pytest.mark.parametrize("sent", [{"name": "", "text": "x"}, {"name": "Ada", "text": " \u200b\n"}])
async def test_who_says_nothing_is_told_so(client: Client, sent: dict[str, str]) -> None:
    async with visiting(client) as ada:
        await ada.send_json(sent)
        assert (await until(ada, "refused"))["why"] == "Say who you are, and something."


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        ('{"name": "Ada", "text": "%s"}' % ("x" * (chat.MOST_LETTERS + 1)), 1007),
        ('{"name": "%s", "text": "x"}' % ("x" * (chat.MOST_LETTERS_OF_NAME + 1)), 1007),
        ('{"name": "Ada", "text": "x", "room": "kitchen"}', 1007),
        ("hello", 1007),
        ("x" * 5000, 1009),
    ],
)
async def test_what_the_page_would_not_send_ends_the_conversation(client: Client, sent: str, code: int) -> None:
    async with visiting(client) as ada:
        await ada.send_str(sent)
        while (message := await ada.receive(PATIENCE_S)).type is WSMsgType.TEXT:
            pass
    assert (message.type, message.data) == (WSMsgType.CLOSE, code)


async def test_a_room_that_is_none_is_not_found_and_a_full_one_lets_nobody_in(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chat, "MOST_PEOPLE", 1)
    assert (await client.get("/chat/cellar")).status == 404
    for path, status in (("/chat/cellar/talk", 404), ("/chat/garden/talk", 503)):
        async with visiting(client):
            with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
                await client.session.ws_connect(str(client.url) + path)
            assert caught.value.status == status


async def test_a_page_of_another_site_cannot_talk_in_the_name_of_a_visitor(client: Client) -> None:
    with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
        await client.session.ws_connect(client.url / "chat/garden/talk", headers={"Origin": "https://evil.example"})
    assert caught.value.status == 403


# In a browser


async def enter(page: Page, url: str, name: str) -> None:
    """Open the page of a room, and say who one is."""
    await page.goto(url)
    await expect(page.locator(".chat-state")).to_have_text("Connected.")
    await page.get_by_label("Your name").fill(name)


async def say_there(page: Page, text: str) -> None:
    await page.get_by_label("What you say").fill(text)
    await page.get_by_role("button", name="Say it").click()


async def test_two_pages_talk_and_what_is_said_is_text_and_never_markup(client: Client, browser: Browser) -> None:
    ada, complaints = await open_page(browser)
    grace, more = await open_page(browser, PHONE)
    url = str(client.url / "chat/garden")
    await enter(ada, url, "Ada")
    await enter(grace, url, "<i>Grace</i>")
    await expect(ada.locator(".chat-people")).to_have_text("2 are here.")
    evil = "<img src=x onerror=alert(1)><script>alert(1)</script> & tea"
    await say_there(grace, evil)
    for page in (ada, grace):
        said = page.locator(".said li")
        await expect(said).to_have_count(1)
        await expect(said.locator("b")).to_have_text("<i>Grace</i>")
        await expect(said.locator("span")).to_have_text(evil)
        assert await page.locator(".said img, .said script, .said i").count() == 0
    await say_there(ada, "Hello!")
    await expect(grace.locator(".said li").last).to_contain_text("Hello!")
    await expect(grace.get_by_label("What you say")).to_have_value("")
    await ada.close()
    await expect(grace.locator(".chat-people")).to_have_text("Only you are here.")
    assert await grace.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    assert complaints + more == []


async def test_pages_come_back_when_the_server_has_restarted(tmp_path: Path, browser: Browser) -> None:
    port = free_port()  # nobody else gets it while the server is away

    async def start() -> Server:
        server = Server(make_app(tmp_path / "board.sqlite3"), ServerConfig(host="127.0.0.1", port=port))
        await server.start()
        return server

    server = await start()
    url = server.urls[0]
    ada, _ = await open_page(browser)
    grace, _ = await open_page(browser)
    for page, name in ((ada, "Ada"), (grace, "Grace")):
        await enter(page, f"{url}/chat/kitchen", name)
    await say_there(ada, "before")
    await expect(grace.locator(".said li")).to_have_count(1)
    await server.stop()
    await expect(ada.locator(".chat-state")).to_have_text("The connection is lost; trying again…")
    await expect(ada.get_by_role("button", name="Say it")).to_be_disabled()
    server = await start()
    try:
        for page in (ada, grace):
            await expect(page.locator(".chat-state")).to_have_text("Connected.", timeout=PATIENCE_S * 1000)
        await say_there(grace, "after")
        await expect(ada.locator(".said li")).to_have_text([_ending("before"), _ending("after")])
    finally:
        await server.stop()


def _ending(text: str) -> Any:
    return re.compile(f"{text}$")


@pytest.mark.parametrize("viewport", [DESKTOP, PHONE], ids=["desktop", "phone"])
async def test_the_pages_fit_the_window_and_have_no_complaints(client: Client, browser: Browser, viewport: Any) -> None:
    page, complaints = await open_page(browser, viewport)
    for path in ("chat", "chat/hallway"):
        await page.goto(str(client.url / path))
        assert await page.evaluate("document.documentElement.scrollWidth") <= viewport["width"]
    await expect(page.locator(".chat-state")).to_have_text("Connected.")
    assert complaints == []


async def test_without_javascript_a_room_says_what_it_needs(client: Client, browser: Browser) -> None:
    context = await browser.new_context(java_script_enabled=False)
    page = await context.new_page()
    await page.goto(str(client.url / "chat/hallway"))
    await expect(page.get_by_role("status")).to_contain_text("The chat needs JavaScript.")
    await context.close()
