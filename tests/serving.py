"""Serving an application in tests: under aiohttp's runner and under webkit's, on a free port.

A test that takes ``serve`` or ``running`` runs twice, once for each runner, and must see the same answers.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any, TypeAlias

import pytest
from aiohttp import ClientSession, ClientTimeout, DummyCookieJar, web
from multidict import CIMultiDictProxy
from yarl import URL

from webkit import Application
from webkit.run import Server, ServerConfig

AnyApplication: TypeAlias = Application | web.Application

# A server that does not answer fails its test, and does not stop the whole suite.
PATIENCE_S = 30.0


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back, read to its end."""

    status: int
    headers: CIMultiDictProxy[str]
    body: bytes

    @property
    def text(self) -> str:
        """The body as text."""
        return self.body.decode()

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)


class Client:
    """Asks one server. Targets are sent exactly as they are written: nothing is tidied up or encoded."""

    def __init__(self, session: ClientSession, url: str) -> None:
        self.session = session
        self.url = URL(url)

    async def request(self, method: str, target: str, **options: Any) -> Answer:
        """Send a request, and read the answer to its end. Redirects are not followed."""
        url = URL(f"{self.url.origin()}{target}", encoded=True)
        async with self.session.request(method, url, allow_redirects=False, **options) as response:
            return Answer(response.status, response.headers, await response.read())

    async def get(self, target: str, **options: Any) -> Answer:
        """Send a GET."""
        return await self.request("GET", target, **options)

    async def post(self, target: str, **options: Any) -> Answer:
        """Send a POST."""
        return await self.request("POST", target, **options)

    async def send(self, data: bytes) -> bytes:
        """Send *data* over a connection of its own, and give everything that comes back until the server closes it."""
        reader, writer = await asyncio.open_connection(self.url.host, self.url.port)
        try:
            writer.write(data)
            async with asyncio.timeout(PATIENCE_S):
                return await reader.read()
        except ConnectionError:
            return b""  # broken off before the first byte
        finally:
            writer.close()


Serve: TypeAlias = Callable[[AnyApplication], Awaitable[Client]]
Running: TypeAlias = Callable[[AnyApplication], AbstractAsyncContextManager[Client]]


@asynccontextmanager
async def run_by_aiohttp(app: AnyApplication) -> AsyncIterator[Client]:
    """Serve *app* as ``web.run_app`` does; the errors of start and clean-up come through."""
    runner = web.AppRunner(app.aiohttp if isinstance(app, Application) else app, shutdown_timeout=5)
    try:
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        async with ClientSession(cookie_jar=DummyCookieJar(), timeout=ClientTimeout(PATIENCE_S)) as session:
            yield Client(session, f"http://127.0.0.1:{runner.addresses[0][1]}")
    finally:
        await runner.cleanup()


@asynccontextmanager
async def run_by_webkit(app: AnyApplication) -> AsyncIterator[Client]:
    """Serve *app* as ``webkit.run`` does; the errors of the clean-up are logged, not raised."""
    server = Server(app, ServerConfig(host="127.0.0.1", port=0))
    await server.start()
    try:
        async with ClientSession(cookie_jar=DummyCookieJar(), timeout=ClientTimeout(PATIENCE_S)) as session:
            yield Client(session, server.urls[0])
    finally:
        await server.stop()


RUNNERS = {"aiohttp": run_by_aiohttp, "webkit": run_by_webkit}


@pytest.fixture(params=RUNNERS)
def running(request: pytest.FixtureRequest) -> Running:
    """``async with running(app) as client``: start and stop belong to the test."""
    return RUNNERS[request.param]


@pytest.fixture
async def serve(running: Running) -> AsyncIterator[Serve]:
    """``client = await serve(app)``: stopped when the test is over."""
    async with AsyncExitStack() as stack:

        async def start(app: AnyApplication) -> Client:
            return await stack.enter_async_context(running(app))

        yield start
