"""The application that ``test_shutdown`` stops in the middle of everything. Run as a process of its own."""

import asyncio
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path

from aiohttp import web

from webkit import Application, View, runner
from webkit.types import Route

SLOWEST_S = 1.5
CHUNKS = 15
FILE_BYTES = 8 * 2**20

# Clients that ask again at once are waited for, and these are in a process that may stand still for a moment.
runner._LINGER_S = 3.0  # type: ignore[misc]


async def slow(request: web.Request) -> str:
    await asyncio.sleep(SLOWEST_S)
    return f"slow {request.query_string}"


async def download(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    for number in range(CHUNKS):
        await response.write(b"%04d" % number)
        await asyncio.sleep(SLOWEST_S / CHUNKS)
    return response


async def events(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
    await response.prepare(request)
    while True:
        await response.write(b"data: tick\n\n")
        await asyncio.sleep(0.05)


async def echo(request: web.Request) -> web.StreamResponse:
    socket = web.WebSocketResponse()
    await socket.prepare(request)
    async for message in socket:
        await socket.send_str(message.data)
    return socket


async def push_events(request: web.Request) -> web.StreamResponse:
    """Begin a stream and wait for something to say."""
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
    await response.prepare(request)
    await asyncio.Event().wait()
    return response


async def push(request: web.Request) -> web.StreamResponse:
    """Send only: it never sees that its client, or the server, has closed."""
    socket = web.WebSocketResponse()
    await socket.prepare(request)
    await asyncio.Event().wait()
    return socket


async def late(request: web.Request) -> web.StreamResponse:
    await asyncio.sleep(SLOWEST_S / 2)
    return await echo(request)


async def flood(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
    await response.prepare(request)
    while True:
        await response.write(b"data: " + b"x" * 100_000 + b"\n\n")


async def never_waiting(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    while True:
        await response.write(b"x" * 100_000)


def stuck(request: web.Request) -> str:
    time.sleep(60)
    return "too late"


class Upload(View):
    """Counts what it is sent."""

    async def post(self) -> dict[str, int]:
        size = 0
        async for chunk in self.request.content.iter_any():
            size += len(chunk)
        return {"size": size}


async def note_the_end(app: Application) -> AsyncIterator[None]:
    yield
    sys.stderr.write("context left\n")


async def note_cleanup(app: Application) -> None:
    sys.stderr.write("on_cleanup\n")


def init(argv: list[str]) -> Application:
    folder = Path(tempfile.mkdtemp())
    (folder / "large").write_bytes(bytes(range(256)) * (FILE_BYTES // 256))

    async def large(request: web.Request) -> web.FileResponse:
        return web.FileResponse(folder / "large")

    app = Application(
        routes=[
            Route("GET", "/slow", slow),
            Route("GET", "/download", download),
            Route("GET", "/events", events),
            Route("GET", "/echo", echo),
            Route("*", "/upload", Upload),
            Route("GET", "/large", large),
            Route("GET", "/push", push),
            Route("GET", "/late", late),
            Route("*", "/flood", flood),
            Route("*", "/never-waiting", never_waiting),
            Route("HEAD", "/events", events),
            Route("HEAD", "/push", push_events),
            Route("GET", "/stuck", stuck),
        ]
    )
    app.cleanup_ctx.append(note_the_end)
    app.on_cleanup.append(note_cleanup)
    return app
