"""iPOPO's page "Asynchronous HTTP Service", sample by sample, with the bundle ``webkit.ipopo`` in place of iPOPO's own.

Each sample stands here as it was written there, but for the name of the bundle, the port, and what is said above it.
The servlets run twice: as components of iPOPO, and registered by hand without it.
"""

import asyncio
import http.client
import sys
import textwrap
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession
from pelix.framework import FrameworkFactory

from tests.eventsource import EventSource, Message
from tests.serving import PATIENCE_S, Serve
from tests.servleting import serve_service
from webkit.servlets import ServletService, ServletType

# The service, as it is started there. "localhost" and 9000 are the documentation's.
START = """
from pelix.framework import FrameworkFactory
from pelix.ipopo.constants import use_ipopo

# Start the framework
framework = FrameworkFactory.get_framework()
framework.start()
context = framework.get_bundle_context()

# Install & start iPOPO
context.install_bundle('pelix.ipopo.core').start()

# Install & start the basic HTTP service
context.install_bundle('webkit.ipopo').start()

# Instantiate a HTTP service component
with use_ipopo(context) as ipopo:
   ipopo.instantiate(
       'pelix.http.service.async.factory', 'http-server',
       {'pelix.http.address': 'localhost',
        'pelix.http.port': 0})
"""

SERVLET = '''
from pelix.http import AsyncServlet, HTTP_SERVLET_ASYNC_PATH, \\
     AbstractAsyncHTTPServletRequest, AbstractAsyncHTTPServletResponse
from pelix.ipopo.decorators import ComponentFactory, Property, Provides, \\
    Requires, Validate, Invalidate, Unbind, Bind, Instantiate

@ComponentFactory(name='simple-async-servlet-factory')
@Instantiate('simple-servlet')
@Provides(AsyncServlet)
@Property('_path', HTTP_SERVLET_ASYNC_PATH, "/servlet")
class SimpleAsyncServletFactory:
  """
  Simple servlet factory
  """
  def __init__(self):
      self._path = None

  def bound_to(self, path, params):
      """
      Servlet bound to a path
      """
      print("Bound to", path)
      return True

  def unbound_from(self, path, params):
      """
      Servlet unbound from a path
      """
      print("Unbound from", path)
      return None

  async def do_async_GET(self,
        request: AbstractAsyncHTTPServletRequest,
        response: AbstractAsyncHTTPServletResponse):
      """
      Handle a GET
      """
      await response.send_content(200, "Hello, Async World!", mime_type="text/plain")
'''

# This one cannot work: the message goes by position, where the name of the event belongs, and the name by name.
EVENTS_AS_WRITTEN = """
from pelix.http import AsyncServlet, HTTP_SERVLET_ASYNC_PATH, \\
     AbstractAsyncHTTPServletRequest, AbstractAsyncHTTPServletResponse
from pelix.ipopo.decorators import ComponentFactory, Provides, Property

@ComponentFactory()
@Provides(AsyncServlet)
@Property("_path", HTTP_SERVLET_ASYNC_PATH, "/sse")
class SSEServlet(AsyncServlet):
    async def do_async_GET(self, request: AbstractAsyncHTTPServletRequest, response: AbstractAsyncHTTPServletResponse):
        response.setup_sse()
        await response.end_headers()

        for i in range(5):
            await response.send_sse(f"Message {i}", event="update")
            await asyncio.sleep(1)
"""

# What was meant: "data" said, asyncio imported. The pause is shorter here.
EVENTS = "import asyncio\n" + EVENTS_AS_WRITTEN.replace('f"Message {i}"', 'data=f"Message {i}"').replace(
    "sleep(1)", "sleep(0.001)"
)

WEBSOCKETS = """
from pelix.http import AbstractWebSocketHandler, HTTP_WEBSOCKET_PATH, \\
     AbstractAsyncHTTPServletRequest, WebSocketSession
from pelix.ipopo.decorators import ComponentFactory, Provides, Property

@ComponentFactory()
@Provides(AbstractWebSocketHandler)
@Property("_path", HTTP_WEBSOCKET_PATH, "/ws")
class SampleWebSocketHandler(AbstractWebSocketHandler):
    async def ws_open(self, session: WebSocketSession, request: AbstractAsyncHTTPServletRequest):
        print("WebSocket connection opened")

    async def ws_message(self, session: WebSocketSession, message: str):
        print("Received message:", message)
        await session.send_text(f"Echo: {message}")

    async def ws_close(self, session: WebSocketSession, code: int, reason: str):
        print("WebSocket connection closed")
"""


class Framework:
    """The framework that the first sample has started, and the server in it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        names: dict[str, Any] = {}
        exec(START, names)
        self.context = names["context"]
        self.use_ipopo = names["use_ipopo"]
        reference = self.context.get_service_reference("pelix.http.service")
        self.service = self.context.get_service(reference)
        self.port: int = self.service.get_access()[1]

    def install(self, name: str, source: str) -> Any:
        """Install *source* as the bundle *name*, and give its module."""
        (self._folder / f"{name}.py").write_text(source, encoding="utf-8")
        bundle = self.context.install_bundle(name, str(self._folder))
        bundle.start()
        return bundle.get_module()

    def instantiate(self, factory: str) -> None:
        """Make a component, as the documentation leaves it to its readers."""
        with self.use_ipopo(self.context) as ipopo:
            ipopo.instantiate(factory, "it")

    def get(self, path: str, headers: dict[str, str] | None = None) -> tuple[int, bytes]:
        """Send a GET."""
        connection = http.client.HTTPConnection("localhost", self.port, timeout=PATIENCE_S)
        try:
            connection.request("GET", path, headers=headers or {})
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()


@pytest.fixture
def framework(tmp_path: Path) -> Iterator[Framework]:
    """Run the first sample; nothing of it is left when the test is over."""
    before = set(sys.modules)
    started = None
    try:
        started = Framework(tmp_path)
        yield started
    finally:
        FrameworkFactory.delete_framework()
        for name in set(sys.modules) - before:
            if name.startswith("sample_"):
                del sys.modules[name]


def test_the_service_starts_and_knows_no_servlet(framework: Framework) -> None:
    """IP-010: "the server will only return 404 errors"."""
    assert framework.get("/")[0] == 404
    assert framework.get("/servlet")[0] == 404
    assert framework.service.get_registered_paths() == []


def test_a_servlet_answers_as_soon_as_its_bundle_is_started(
    framework: Framework, capsys: pytest.CaptureFixture[str]
) -> None:
    """IP-124, IP-060, IP-061, IP-063."""
    framework.install("sample_servlet", SERVLET)
    assert framework.get("/servlet") == (200, b"Hello, Async World!")
    assert capsys.readouterr().out == "Bound to /servlet\n"
    with framework.use_ipopo(framework.context) as ipopo:
        ipopo.kill("simple-servlet")
    assert framework.get("/servlet")[0] == 404
    assert capsys.readouterr().out == "Unbound from /servlet\n"


def test_the_stream_of_the_documentation_says_what_is_wrong_and_is_broken_off(
    framework: Framework, caplog: pytest.LogCaptureFixture
) -> None:
    """IP-104: iPOPO's client gets a whole second answer within its stream."""
    framework.install("sample_events", EVENTS_AS_WRITTEN)
    framework.instantiate("SSEServletFactory")
    with pytest.raises(http.client.IncompleteRead):
        framework.get("/sse", {"Accept": "text/event-stream"})
    assert "got multiple values for argument 'event'" in caplog.text


def test_the_stream_as_it_was_meant(framework: Framework, caplog: pytest.LogCaptureFixture) -> None:
    """IP-104, IP-100, IP-101: and who does not ask for events gets an error, not a stream."""
    framework.install("sample_events", EVENTS)
    framework.instantiate("SSEServletFactory")
    status, body = framework.get("/sse", {"Accept": "text/event-stream"})
    source = EventSource()
    source.feed(body)
    assert status == 200
    assert source.messages == [Message(f"Message {number}", "update") for number in range(5)]
    assert framework.get("/sse")[0] == 500
    assert "Cannot set up SSE for a non-SSE request" in caplog.text


def test_the_websocket_handler(framework: Framework, capsys: pytest.CaptureFixture[str]) -> None:
    """IP-123, IP-121."""
    framework.install("sample_websockets", WEBSOCKETS)
    framework.instantiate("SampleWebSocketHandlerFactory")

    async def talk() -> str:
        async with ClientSession() as session, session.ws_connect(f"http://localhost:{framework.port}/ws") as ws:
            await ws.send_str("hello")
            return str((await ws.receive(PATIENCE_S)).data)

    assert asyncio.run(talk()) == "Echo: hello"
    FrameworkFactory.delete_framework()  # what a session prints at its end is there then
    assert capsys.readouterr().out.splitlines() == [
        "WebSocket connection opened",
        "Received message: hello",
        "WebSocket connection closed",
    ]


# The same servlets without iPOPO


def load(source: str) -> Any:
    """Run the class of a sample with webkit's names, and without the decorators that make it a component."""
    lines = [line for line in source.splitlines() if not line.startswith("@")]
    text = textwrap.dedent("\n".join(lines)).replace("from pelix.http import", "from webkit.servlets import")
    text = "\n".join(
        line for line in text.splitlines() if "pelix.ipopo" not in line and "Requires, Validate" not in line
    )
    module = types.ModuleType("sample")
    exec(text, module.__dict__)
    return module


async def test_the_same_servlet_is_mounted_without_ipopo(serve: Serve, capsys: pytest.CaptureFixture[str]) -> None:
    """IP-124: the same class, imported from webkit.servlets."""
    service = ServletService()
    servlet = load(SERVLET).SimpleAsyncServletFactory()
    service.register_servlet("/servlet", servlet, None, ServletType.ASYNC)
    client = await serve_service(serve, service)
    assert (await client.get("/plugins/servlet")).text == "Hello, Async World!"
    assert service.unregister("/servlet")
    assert capsys.readouterr().out == "Bound to /servlet\nUnbound from /servlet\n"


async def test_the_same_stream_is_served_without_ipopo(serve: Serve) -> None:
    """IP-104."""
    service = ServletService()
    service.register_servlet("/sse", load(EVENTS).SSEServlet(), None, ServletType.ASYNC)
    client = await serve_service(serve, service)
    answer = await client.get("/plugins/sse", headers={"Accept": "text/event-stream"})
    assert answer.text == "".join(f"event: update\ndata: Message {number}\n\n" for number in range(5))


async def test_the_same_handler_of_websockets_is_served_without_ipopo(serve: Serve) -> None:
    """IP-123: the classes for handlers are webkit.servlets' as well."""
    service = ServletService()
    service.register_servlet("/ws", load(WEBSOCKETS).SampleWebSocketHandler(), None, ServletType.WEBSOCKET)
    client = await serve_service(serve, service)
    async with client.session.ws_connect(client.url / "plugins/ws") as ws:
        await ws.send_str("hello")
        assert (await ws.receive(PATIENCE_S)).data == "Echo: hello"
