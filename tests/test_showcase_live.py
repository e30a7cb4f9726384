"""The live board: notes appear in open pages, and the stream survives the server."""

import json
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Browser, Page, expect

from bench.servers import free_port
from examples.showcase import make_app
from examples.showcase.seeds import SEEDS
from tests.browsing import open_page
from tests.eventsource import Message
from tests.processes import Process, serving
from tests.serving import Client, run_by_webkit
from tests.streaming import listening

NOTE = {"title": "Spare ticket", "text": "For the concert\non Friday.", "author": "ada"}


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[Client]:
    async with run_by_webkit(make_app(tmp_path / "board.sqlite3")) as client:
        yield client


async def post(client: Client, **changes: str) -> int:
    """Pin a note up, and give its number."""
    return int((await client.post("/api/messages", json=NOTE | changes)).json["id"])


def read(message: Message) -> tuple[str, int]:
    """What happened, and to which note."""
    return message.event, json.loads(message.data)["id"]


async def test_all_that_happens_on_the_board_is_told(client: Client) -> None:
    async with listening(client, "/live") as listener:
        id = await post(client)
        message = await listener.next()
        assert (message.event, message.last_id) == ("pinned", str(id))
        assert json.loads(message.data) == NOTE | {
            "id": id,
            "page": f"/messages/{id}",
            "posted_at": (await client.get(f"/api/messages/{id}")).json["posted_at"],
        }
        await client.request("DELETE", f"/api/messages/{id}")
        assert read(await listener.next()) == ("gone", id)
    async with listening(client, f"/live?after={id}") as late:
        assert read(await late.next()) == ("gone", id)


async def test_the_page_says_where_it_wants_to_go_on(client: Client) -> None:
    newest = len(SEEDS)
    page = (await client.get("/")).text
    assert f'data-live="/live?after={newest}"' in page
    assert "data-live" not in (await client.get(f"/messages/{newest}")).text
    await client.request("DELETE", f"/api/messages/{newest}")
    assert f'data-newest="{newest}"' in (await client.get("/")).text
    id = await post(client)
    async with listening(client, f"/live?after={newest}") as listener:
        assert [read(await listener.next()) for _ in range(2)] == [("gone", newest), ("pinned", id)]


async def titles_on(page: Page) -> list[str]:
    """The headlines on an open board."""
    return await page.locator(".note-title").all_text_contents()


async def test_a_note_appears_in_an_open_page_as_it_looks_when_it_is_loaded(client: Client, browser: Browser) -> None:
    page, complaints = await open_page(browser)
    await page.goto(str(client.url.origin()))
    id = await post(client, title="<b>Bold</b>", text="<i>not slanted</i>", author="éve")
    new = page.locator(f'[data-id="{id}"]')
    await expect(new.get_by_role("heading")).to_have_text("<b>Bold</b>")
    await expect(page.locator("[data-count]")).to_have_text(f"{len(SEEDS) + 1} notes")
    live = await new.inner_text()
    assert live.split() == ["<b>Bold</b>", "<i>not", "slanted</i>", "É", "éve", "just", "now"]
    await page.reload()
    await expect(new).to_be_visible()
    assert await new.inner_text() == live
    await client.request("DELETE", f"/api/messages/{id}")
    await expect(new).to_have_count(0)
    await expect(page.locator("[data-count]")).to_have_text(f"{len(SEEDS)} notes")
    assert complaints == []


async def test_an_empty_board_gets_its_first_note(client: Client, browser: Browser) -> None:
    for id in range(1, len(SEEDS) + 1):
        await client.request("DELETE", f"/api/messages/{id}")
    page, complaints = await open_page(browser)
    await page.goto(str(client.url.origin()))
    await post(client)
    await expect(page.get_by_role("heading", level=2)).to_have_text("Spare ticket")
    await client.request("DELETE", f"/api/messages/{len(SEEDS) + 1}")
    await expect(page.get_by_role("heading", level=2)).to_have_text("Nothing but pin holes")
    assert complaints == []


async def post_to(server: Process, page: Page, title: str) -> None:
    """Pin a note up at one server process."""
    answer = await page.request.post(f"{server.urls[0]}/api/messages", data=NOTE | {"title": title})
    assert answer.status == 201


async def test_open_pages_get_what_they_missed_while_the_server_was_away(tmp_path: Path, browser: Browser) -> None:
    """Two pages, and a server that stops and starts again: each note appears in both, once."""

    def words(port: int) -> tuple[str, ...]:
        database = str(tmp_path / "board.sqlite3")
        return ("-n", "127.0.0.1", "-p", str(port), "examples.showcase.init", "--database", database)

    port = free_port()  # nobody else gets it while the server is away
    async with serving(tmp_path, *words(port)) as server:
        pages = [(await open_page(browser))[0] for _ in range(2)]
        for page in pages:
            await page.goto(server.urls[0])
        await post_to(server, pages[0], "Before")
        for page in pages:
            await expect(page.locator(".note-title").first).to_have_text("Before")
        assert await server.stop() == 0
    # Somebody else pins one up: the pages cannot know.
    async with serving(tmp_path, *words(0)) as other:
        await post_to(other, pages[0], "Meanwhile")
        await other.stop()
    async with serving(tmp_path, *words(port)) as server:
        for page in pages:
            await expect(page.locator(".note-title").first).to_have_text("Meanwhile")
        await post_to(server, pages[1], "After")
        for page in pages:
            await expect(page.locator(".note-title").first).to_have_text("After")
            assert (await titles_on(page))[:4] == ["After", "Meanwhile", "Before", SEEDS[-1][1].title]
            assert re.match(r"\d+ notes", await page.locator("[data-count]").inner_text())
        await server.stop()
