"""The helpers of the showcase: plug-ins that are switched on and off while it runs."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Browser, expect

from examples.showcase import make_app
from tests.browsing import open_page
from tests.serving import Client, run_by_webkit


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[Client]:
    async with run_by_webkit(make_app(tmp_path / "board.sqlite3")) as client:
        yield client


async def switch(client: Client, name: str, how: str, **headers: str) -> int:
    return (await client.post("/plugins", data={"name": name, "switch": how}, headers=headers)).status


async def test_a_helper_answers_while_it_is_on(client: Client) -> None:
    assert (await client.get("/helpers/stairs")).status == 404
    assert await switch(client, "stairs", "on") == 303
    assert await switch(client, "stairs", "on") == 303
    assert "sweeps the stairs today." in (await client.get("/helpers/stairs")).text
    assert (await client.get("/helpers/clock")).status == 404
    assert await switch(client, "stairs", "off") == 303
    assert await switch(client, "stairs", "off") == 303
    assert (await client.get("/helpers/stairs")).status == 404


async def test_only_what_is_listed_is_switched_and_only_from_this_site(client: Client) -> None:
    assert await switch(client, "os", "on") == 404
    headers = {"Sec-Fetch-Site": "cross-site"}
    assert await switch(client, "clock", "on", **headers) == 403
    assert (await client.get("/helpers/clock")).status == 404


async def test_a_browser_without_javascript_switches_helpers(client: Client, browser: Browser) -> None:
    page, complaints = await open_page(browser)
    await page.goto(f"{client.url.origin()}/plugins")
    await page.get_by_role("button", name="Switch the clock on").click()
    await expect(page.get_by_role("status")).to_contain_text("It is on")
    await page.get_by_role("link", name="ask it").click()
    await expect(page.locator("body")).to_contain_text("I tick since")
    await page.goto(f"{client.url.origin()}/plugins")
    await page.get_by_role("button", name="Switch the clock off").click()
    await expect(page.get_by_role("status")).to_contain_text("It is off")
    await expect(page.get_by_role("link", name="ask it")).to_have_count(0)
    assert complaints == []
