"""Every example is started as its first lines say, and called."""

import asyncio
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

FOLDER = Path(__file__).parent.parent / "examples"
MODULES = sorted(path.stem for path in FOLDER.glob("*.py") if path.stem != "__init__")

# method, path, headers and body of the request; status and text of the answer
Call = tuple[str, str, dict[str, str], str, int, str]

CALLS: dict[str, list[Call]] = {
    "hello": [
        ("GET", "/", {}, "", 200, "Hello, world"),
        ("GET", "/hello/Ada", {}, "", 200, '{"hello":"Ada"}'),
        ("GET", "/count/3", {}, "", 200, "[1,2,3]"),
        ("GET", "/count/x", {}, "", 404, "404: Not Found"),
    ],
    "notes": [
        ("GET", "/notes/1", {}, "", 404, "404: Not Found"),
        ("PUT", "/notes/1", {}, "buy milk", 200, "buy milk"),
        ("GET", "/notes", {}, "", 200, '{"/notes/1":"buy milk"}'),
        ("PATCH", "/notes/1", {}, "", 405, "405: Method Not Allowed"),
        ("DELETE", "/notes/1", {}, "", 204, ""),
        ("GET", "/notes/1", {}, "", 404, "404: Not Found"),
    ],
    "rooms": [
        ("GET", "/", {}, "", 200, '{"stock":"/admin/stock"}'),
        ("GET", "/admin/stock", {}, "", 403, "403: Forbidden"),
        ("GET", "/admin/nothing", {}, "", 403, "403: Forbidden"),
        ("GET", "/admin/stock", {"X-Key": "open"}, "", 200, '{"milk":"3 bottles","back":"/"}'),
    ],
}


async def serve(target: str) -> AsyncIterator[str]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-W", "error", "-m", "webkit", "-n", "127.0.0.1", "-p", "0", target),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    assert process.stdout is not None
    banner = (await asyncio.wait_for(process.stdout.readline(), 20)).decode()
    yield banner.split(" on ")[1].split()[0]
    process.terminate()
    await process.communicate()
    assert process.returncode == 0


@pytest.mark.parametrize("module", MODULES)
async def test_the_example_answers_as_it_says(module: str) -> None:
    async for url in serve(f"examples.{module}:init"):
        async with aiohttp.ClientSession() as session:
            for method, path, headers, body, status, text in CALLS[module]:
                async with session.request(method, url + path, headers=headers, data=body) as response:
                    assert (response.status, await response.text()) == (status, text), (method, path)


@pytest.mark.parametrize("module", MODULES)
def test_an_example_is_short_and_begins_with_how_to_run_it(module: str) -> None:
    lines = (FOLDER / f"{module}.py").read_text().splitlines()
    assert len(lines) <= 80
    assert any(line.startswith(f"Run:  python -m webkit -p 8080 examples.{module}:init") for line in lines[:5])
