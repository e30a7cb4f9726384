"""Every example is started as its first lines say, and called."""

import asyncio
import hashlib
import re
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from examples import clock, talk, uploads
from webkit.servlets import make_not_found_page

FOLDER = Path(__file__).parent.parent / "examples"
MODULES = sorted(path.stem for path in FOLDER.glob("*.py") if path.stem != "__init__")

# method, path, headers and body of the request; status and text of the answer, and perhaps headers that it has
Call = tuple[str, str, dict[str, str], str, int, str] | tuple[str, str, dict[str, str], str, int, str, dict[str, str]]

JSON = {"Content-Type": "application/json"}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
ASKED = {"Access-Control-Request-Method": "PUT"}
CONTENT = {"Access-Control-Request-Headers": "content-type"}
REFUSED = "CORS preflight request failed"
SHOP = {"Origin": "https://shop.example"}
OFFICE = {"Origin": "https://office.example"}

MULTIPART = {"Content-Type": "multipart/form-data; boundary=b"}
GIF = '--b\r\nContent-Disposition: form-data; name="picture"; filename="tea.gif"\r\n\r\nGIF89a\r\n--b--\r\n'
GIF_URL = f"/pictures/{hashlib.sha256(b'GIF89a').hexdigest()}.gif"
UPLOAD_PAGE = uploads.PAGE
NO_ARCHIVE = (
    "The file 'picture' is not taken: 'tea.gif' says that it is image/gif. Taken are application/zip, application/gzip."
)

NO_SOCKET = "This address speaks WebSocket only: connect with a WebSocket client."

# Switches that an example is started with: those of Python for its packages, and those of its own command line.
SWITCHES = {
    # These packages store under plain strings in the request.
    "aiohttp_jinja2_pages": (["-W", "ignore::UserWarning:aiohttp_jinja2"], []),
    "sessions": (["-W", "ignore::UserWarning:aiohttp_session"], []),
    "debug_toolbar": (["-W", "ignore::UserWarning:aiohttp_debugtoolbar.middlewares"], ["--debug"]),
}

# Programs that start a server by themselves; the others give an application to `python -m webkit`.
PROGRAMS = {"ipopo_servlets"}

CALLS: dict[str, list[Call]] = {
    "aiohttp_jinja2_pages": [
        ("GET", "/", {}, "", 200, "<a href='/people/1'>Ada</a>\n<a href='/people/2'>Grace &amp; Co.</a>\n"),
        ("GET", "/people/1", {}, "", 200, "<h1>Ada</h1> <a href='/'>All</a> <small>/people/1</small>"),
        ("GET", "/people/3", {}, "", 404, "404: Not Found"),
        ("GET", "/about", {}, "", 200, "<p>2 people. <a href='/'>All</a></p>"),
    ],
    "clock": [
        ("GET", "/", {}, "", 200, clock.PAGE),
        ("HEAD", "/ticks", {}, "", 200, "", {"Content-Type": "text/event-stream"}),
        ("POST", "/wall", {}, "Hello!", 200, '{"readers":0}'),
    ],
    "cors": [
        ("GET", "/prices", SHOP, "", 200, '{"1":2.5}', {"Access-Control-Allow-Origin": "https://shop.example"}),
        ("GET", "/prices/2", SHOP, "", 404, "404: Not Found", {"Access-Control-Allow-Origin": "https://shop.example"}),
        ("OPTIONS", "/prices/1", SHOP | ASKED | CONTENT, "", 200, "", {"Access-Control-Allow-Methods": "PUT"}),
        (
            "PUT",
            "/prices/1",
            SHOP | JSON,
            "3.5",
            200,
            '{"price":3.5}',
            {"Access-Control-Allow-Origin": "https://shop.example"},
        ),
        ("OPTIONS", "/prices/1", OFFICE | ASKED, "", 403, f"{REFUSED}: origin 'https://office.example' is not allowed"),
        ("DELETE", "/everything", OFFICE, "", 204, "", {"Access-Control-Allow-Credentials": "true"}),
    ],
    "debug_toolbar": [
        ("GET", "/_debugtoolbar", {"Host": "example.org"}, "", 404, "404: Not Found"),
        ("GET", "/_debugtoolbar/sse", {}, "", 200, ""),
    ],
    "hello": [
        ("GET", "/", {}, "", 200, "Hello, world"),
        ("GET", "/hello/Ada", {}, "", 200, '{"hello":"Ada"}'),
        ("GET", "/count/3", {}, "", 200, "[1,2,3]"),
        ("GET", "/count/x", {}, "", 404, "404: Not Found"),
    ],
    "ipopo_servlets": [
        ("GET", "/hello", {}, "", 200, "Hello from iPOPO!", {"Content-Type": "text/plain"}),
        ("GET", "/visits", {}, "", 200, "This is visit 1."),
        ("GET", "/visits/again", {}, "", 200, "This is visit 2."),
        ("PUT", "/visits", {}, "", 404, make_not_found_page("/visits", None)),
    ],
    "notes": [
        ("GET", "/notes/1", {}, "", 404, "404: Not Found"),
        ("PUT", "/notes/1", {}, "buy milk", 200, "buy milk"),
        ("GET", "/notes", {}, "", 200, '{"/notes/1":"buy milk"}'),
        ("PATCH", "/notes/1", {}, "", 405, "405: Method Not Allowed"),
        ("DELETE", "/notes/1", {}, "", 204, ""),
        ("GET", "/notes/1", {}, "", 404, "404: Not Found"),
    ],
    "servlets": [
        ("GET", "/dice", {}, "", 404, make_not_found_page("/dice", None)),
        ("POST", "/plugins/dice", {}, "", 200, "on"),
        ("POST", "/plugins/report", {}, "", 200, "on"),
        ("GET", "/plugins", {}, "", 200, '["/dice","/report"]'),
        ("GET", "/dice/1", {}, "", 200, "1", {"Content-Type": "text/plain"}),
        ("GET", "/dice/0", {}, "", 400, "A die has 1 to 1000 sides."),
        ("GET", "/report", {}, "", 200, "All is well."),
        ("DELETE", "/plugins/dice", {}, "", 200, "off"),
        ("GET", "/dice/1", {}, "", 404, make_not_found_page("/dice/1", None)),
        ("POST", "/plugins/nothing", {}, "", 404, "404: Not Found"),
    ],
    "uploads": [
        ("GET", "/", {}, "", 200, UPLOAD_PAGE),
        (
            "POST",
            "/pictures?progress=0123456789abcdef",
            MULTIPART,
            GIF,
            200,
            f'[{{"name":"tea.gif","url":"{GIF_URL}"}}]',
        ),
        ("GET", GIF_URL, {}, "", 200, "GIF89a", {"Content-Type": "image/gif", "X-Content-Type-Options": "nosniff"}),
        ("GET", "/pictures/" + "0" * 64 + ".gif", {}, "", 404, "404: Not Found"),
        ("POST", "/archives", MULTIPART, GIF, 415, f"415: Unsupported Media Type\n{NO_ARCHIVE}"),
    ],
    "plugins": [
        ("GET", "/counter/", {}, "", 404, "404: Not Found"),
        ("PUT", "/plugins/counter", {}, "", 200, "on"),
        ("PUT", "/plugins/counter", {}, "", 409, "It is on already."),
        ("GET", "/counter/", {}, "", 200, '{"count":1}'),
        ("GET", "/plugins", {}, "", 200, '{"counter":true,"echo":false}'),
        ("DELETE", "/plugins/counter", {}, "", 200, "off"),
        ("GET", "/counter/", {}, "", 404, "404: Not Found"),
        ("PUT", "/plugins/counter", {}, "", 200, "on"),
        ("PUT", "/plugins/other", {}, "", 404, "404: Not Found"),
        ("PUT", "/plugins/echo", {}, "", 200, "on"),
        ("GET", "/echo/hi", {}, "", 200, "hi"),
    ],
    "rooms": [
        ("GET", "/", {}, "", 200, '{"stock":"/admin/stock"}'),
        ("GET", "/admin/stock", {}, "", 403, "403: Forbidden"),
        ("GET", "/admin/nothing", {}, "", 403, "403: Forbidden"),
        ("GET", "/admin/stock", {"X-Key": "open"}, "", 200, '{"milk":"3 bottles","back":"/"}'),
    ],
    "sessions": [
        ("GET", "/", {}, "", 200, "Hello, stranger! This is visit 1."),
        ("GET", "/", {}, "", 200, "Hello, stranger! This is visit 2."),
        ("GET", "/diary/", {}, "", 403, "403: Forbidden"),
        ("POST", "/login", FORM, "name=Ada", 200, "Hello, Ada! This is visit 1."),
        ("GET", "/diary/", {}, "", 200, '{"diary of":"Ada"}'),
        ("POST", "/logout", {}, "", 200, "Hello, stranger! This is visit 1."),
    ],
    "talk": [
        ("GET", "/", {}, "", 200, talk.PAGE),
        ("GET", "/talk", {}, "", 400, f"400: Bad Request\n{NO_SOCKET}"),
    ],
}


def command_of(module: str) -> list[str]:
    """Give what starts the example on a free port; it prints where that is, behind "on"."""
    of_python, of_webkit = SWITCHES.get(module, ([], []))
    python = [sys.executable, "-W", "error", *of_python, "-m"]
    if module in PROGRAMS:
        return [*python, f"examples.{module}", "0"]
    return [*python, "webkit", "-n", "127.0.0.1", "-p", "0", f"examples.{module}:init", *of_webkit]


async def serve(module: str) -> AsyncIterator[str]:
    process = await asyncio.create_subprocess_exec(
        *command_of(module),
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
    async for url in serve(module):
        async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as session:
            for method, path, headers, body, status, text, *answered in CALLS[module]:
                async with session.request(method, url + path, headers=headers, data=body) as response:
                    assert (response.status, await response.text()) == (status, text), (method, path)
                    assert all(response.headers.items() >= known.items() for known in answered), (method, path)


async def test_two_windows_of_the_room_hear_each_other() -> None:
    async for url in serve("talk"):
        async with aiohttp.ClientSession() as session, session.ws_connect(f"{url}/talk") as one:
            assert await one.receive_str() == "1 are here."
            async with session.ws_connect(f"{url}/talk") as other:
                assert [await one.receive_str(), await other.receive_str()] == ["2 are here."] * 2
                await other.send_str("Hello")
                assert [await one.receive_str(), await other.receive_str()] == ["Hello"] * 2
            assert await one.receive_str() == "1 are here."


async def test_the_clock_ticks_and_the_wall_remembers() -> None:
    async for url in serve("clock"):
        async with aiohttp.ClientSession() as session:
            async with session.get(f"{url}/ticks?count=1") as response:
                assert re.fullmatch(r"id: 1\ndata: \d\d:\d\d:\d\d\n\n", await response.text())
            await session.post(f"{url}/wall", data="Hello!")
            async with session.get(f"{url}/wall?after=yesterday") as response:
                assert (await response.content.readuntil(b"\n\n")).endswith(b"\ndata: Hello!\n\n")


@pytest.mark.parametrize("module", MODULES)
def test_an_example_is_short_and_begins_with_how_to_run_it(module: str) -> None:
    lines = (FOLDER / f"{module}.py").read_text().splitlines()
    assert len(lines) <= 80
    command = f"examples.{module} 8080" if module in PROGRAMS else f"webkit -p 8080 examples.{module}:init"
    assert any(line.startswith(f"Run:  python -m {command}") for line in lines[:5])
