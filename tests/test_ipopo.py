"""iPOPO's HTTP service made of webkit: what iPOPO's own tests (test_ipopo_proof.py) do not ask."""

import asyncio
import logging
import socket
import threading
import time
from typing import Any

import aiohttp
import pytest
from pelix import http
from pelix.framework import ServiceReference
from pelix.http import ServletType

from tests.components import PATIENCE_S, Components, components
from tests.processes import run_python

__all__ = ["components"]  # the fixture

# What waits for something that never comes takes the grace of five seconds; what ends at once is far below.
AT_ONCE_S = 4.0


class Hello:
    """A synchronous servlet."""

    def do_GET(self, request: Any, response: Any) -> None:
        """Say hello."""
        response.send_content(200, "Hello!", "text/plain")


class AsyncHello:
    """An asynchronous servlet."""

    async def do_async_GET(self, request: Any, response: Any) -> None:
        """Say hello."""
        await response.send_content(200, "Hello!", "text/plain")


# Start


def test_a_busy_port_makes_the_component_erroneous_at_once_and_it_can_be_started_elsewhere(
    components: Components, caplog: pytest.LogCaptureFixture
) -> None:
    """IP-011: iPOPO's own service hangs for ever here."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        began = time.monotonic()
        components.start_server(pelix__http__port=taken.getsockname()[1])
        assert time.monotonic() - began < AT_ONCE_S
        assert components.is_erroneous()
        assert "in use" in caplog.text
    assert components.ipopo.retry_erroneous("server", {http.HTTP_SERVICE_PORT: 0}) == 1


@pytest.mark.parametrize(
    "properties",
    [
        {"pelix__http__port": "abc"},
        {"pelix__http__address": "192.0.2.1", "pelix__http__port": 1},
        {"pelix__http__address": "192.0.2.1"},
        {"pelix__https__cert_file": "no-such-file.pem"},
    ],
    ids=["no port", "an address of another machine", "and any port", "no certificate"],
)
def test_what_cannot_be_started_is_erroneous_and_can_be_killed(
    components: Components, properties: dict[str, Any]
) -> None:
    """IP-002, IP-003, IP-011."""
    components.start_server(**properties)
    assert components.is_erroneous()
    components.ipopo.kill("server")


def test_the_properties_tell_where_it_listens(components: Components) -> None:
    """IP-001, IP-002, IP-020, IP-021, IP-022: whoever finds the service finds its port too."""
    service = components.start_server(pelix__http__address=None, pelix__http__port=None)
    assert service.get_access() == ("127.0.0.1", components.port)
    reference: ServiceReference[Any] | None = components.context.get_service_reference(http.HTTP_SERVICE)
    assert reference is not None
    assert components.context.get_service(reference) is service
    told = reference.get_properties()
    assert told[http.HTTP_SERVICE_ADDRESS] == "127.0.0.1"
    assert told[http.HTTP_SERVICE_PORT] == components.port
    assert told[http.HTTP_USES_SSL] is False
    assert service.get_hostname() == socket.gethostname()
    assert not service.is_https()


def test_localhost_is_served_on_each_of_its_addresses(components: Components) -> None:
    """IP-020."""
    components.start_server(pelix__http__address="localhost")
    for _, _, _, _, name in socket.getaddrinfo("localhost", components.port, type=socket.SOCK_STREAM):
        socket.create_connection((str(name[0]), components.port), PATIENCE_S).close()


def test_a_component_that_never_was_valid_says_so(components: Components) -> None:
    """IP-020."""
    service = components.start_server(pelix__http__port="abc")
    with pytest.raises(RuntimeError, match="has not been started"):
        service.get_access()


@pytest.mark.parametrize(("named", "logger"), [("", "server"), ("my.log", "my.log")])
def test_the_log_is_named_by_the_component_or_by_its_property(
    components: Components, caplog: pytest.LogCaptureFixture, named: str, logger: str
) -> None:
    """IP-009, IP-029."""
    service = components.start_server(pelix__http__logger__name=named, pelix__http__logger__level="DEBUG")
    assert logging.getLogger(logger).level == logging.DEBUG
    service.log(logging.DEBUG, "%d servlets", 3)
    try:
        raise ValueError("wrong")
    except ValueError:
        service.log_exception("It is %s", "broken")
    assert (logger, logging.DEBUG, "3 servlets") in caplog.record_tuples
    assert (logger, logging.ERROR, "It is broken") in caplog.record_tuples
    assert "ValueError: wrong" in caplog.text


def test_limits_are_told(components: Components) -> None:
    """IP-005, IP-006, IP-031."""
    service = components.start_server(pelix__http__max_body_size="100", pelix__http__socket_timeout=0)
    assert service.get_max_body_size() == 100
    assert service.get_socket_timeout() is None


def test_where_a_request_would_go_can_be_asked(components: Components) -> None:
    """IP-030: never ``None``; a path that is refused is given back as it came, with the error 400."""
    service, servlet, parameters = components.start_server(), Hello(), {"colour": "blue"}
    service.register_servlet("/a", servlet, parameters)
    found = service.resolve_request("/a//%62/../c?x=/../..")
    assert (found.path, found.servlet, found.prefix, found.error) == ("/a/c", servlet, "/a", None)
    assert found.parameters is parameters
    assert found.servlet_type is http.ServletType.SYNC
    assert service.resolve_request("/else") == ("/else", None, {}, "", http.ServletType.SYNC, None)
    assert service.resolve_request("/a/%2e%2e/..") == ("/a/%2e%2e/..", None, {}, "", http.ServletType.SYNC, 400)


def test_paths_of_any_case_are_one_where_the_property_says_so(components: Components) -> None:
    """IP-007."""
    service = components.start_server(pelix__http__case_sensitive_paths=False)
    service.register_servlet("/Admin", Hello())
    assert service.get_registered_paths() == ["/admin"]
    assert components.request("/ADMIN/x").status == 200


def test_without_ipopo_the_import_says_what_to_install() -> None:
    code = """
import sys
sys.modules["pelix"] = None
try:
    import webkit.ipopo
except ImportError as error:
    print(error)
"""
    assert run_python(code)[0] == 'webkit.ipopo needs iPOPO: pip install "webkit[ipopo]".\n'


# Stop


async def open_streams(port: int) -> tuple[int, bytes]:
    """Hold a WebSocket and an event stream, until the server ends both: the code of one, the rest of the other."""
    async with aiohttp.ClientSession() as session:
        socket_, events = await asyncio.gather(
            session.ws_connect(f"http://127.0.0.1:{port}/ws"),
            session.get(f"http://127.0.0.1:{port}/events", headers={"Accept": "text/event-stream"}),
        )
        assert await events.content.readline() == b"data: first\n"
        await socket_.send_str("open")
        assert await socket_.receive_str(timeout=PATIENCE_S) == "open"
        OPENED.set()
        closed = await socket_.receive(timeout=PATIENCE_S)
        rest = await events.content.read()
        await socket_.close()
        events.close()
        return closed.data, rest


OPENED = threading.Event()


class Events:
    """A stream that never ends by itself."""

    async def do_async_GET(self, request: Any, response: Any) -> None:
        """Send one event, and wait."""
        response.setup_sse()
        await response.end_headers()
        await response.send_sse(data="first")
        await asyncio.get_running_loop().create_future()


class Echo(http.AbstractWebSocketHandler):
    """Sends back what it gets, and notes how sessions end."""

    def __init__(self) -> None:
        self.ends: list[tuple[int, str]] = []
        self.errors: list[Any] = []
        self.ended = threading.Event()

    async def ws_message(self, session: Any, message: str) -> None:
        """Send it back; a few words are commands."""
        if message == "crash":
            raise ValueError("broken")
        await session.send_text(message)

    async def ws_close(self, session: Any, code: int, reason: str) -> None:
        """Note it."""
        self.ends.append((code, reason))
        self.ended.set()

    async def ws_error(self, session: Any, error: str) -> None:
        """Note it."""
        self.errors.append(error)


def test_the_service_stops_at_once_although_streams_are_open(components: Components) -> None:
    """IP-012, IP-122: event streams end, and WebSockets are closed with 1001."""
    service = components.start_server()
    echo = Echo()
    service.register_servlet("/ws", echo, servlet_type=ServletType.WEBSOCKET)
    service.register_servlet("/events", Events(), servlet_type=ServletType.ASYNC)
    OPENED.clear()
    results: list[tuple[int, bytes]] = []
    client = threading.Thread(target=lambda: results.append(asyncio.run(open_streams(components.port))))
    client.start()
    assert OPENED.wait(PATIENCE_S)
    began = time.monotonic()
    components.ipopo.kill("server")
    assert time.monotonic() - began < AT_ONCE_S
    client.join(PATIENCE_S)
    ((code, rest),) = results
    assert code == 1001
    assert rest in {b"", b"\n"}
    assert echo.ended.wait(PATIENCE_S)
    assert len(echo.ends) == 1


class Killer:
    """A servlet that kills the server that it runs in."""

    def __init__(self, components: Components) -> None:
        self._kill = components.ipopo.kill

    def do_POST(self, request: Any, response: Any) -> None:
        """Kill it from a thread."""
        self._kill("server")
        response.send_content(200, "killed")

    async def do_async_POST(self, request: Any, response: Any) -> None:
        """Kill it from the loop."""
        self._kill("server")
        await response.send_content(200, "killed")


@pytest.mark.parametrize("servlet_type", [ServletType.SYNC, ServletType.ASYNC])
def test_a_servlet_may_kill_its_own_server(components: Components, servlet_type: ServletType) -> None:
    """IP-012: nothing waits for itself for ever."""
    service = components.start_server()
    service.register_servlet("/kill", Killer(components), servlet_type=servlet_type)
    began = time.monotonic()
    assert components.request("/kill", "POST").text == "killed"
    assert time.monotonic() - began < AT_ONCE_S
    assert not components.ipopo.is_registered_instance("server")


def test_it_is_stopped_and_started_with_other_properties_and_its_servlets_follow(components: Components) -> None:
    """IP-011, IP-012."""
    service = components.start_server()
    hello = Hello()
    components.register(http.HTTP_SERVLET, hello, pelix__http__path="/hello")
    assert components.request("/hello").text == "Hello!"
    components.ipopo.invalidate("server")
    assert not components.is_valid()
    with pytest.raises(ConnectionError):
        components.request("/hello")
    components.ipopo.reconfigure("server", {http.HTTP_SERVICE_PORT: 0, http.HTTP_MAX_BODY_SIZE: 5})
    assert components.is_valid()
    components.port = service.get_access()[1]
    assert components.request("/hello").text == "Hello!"
    assert service.get_max_body_size() == 5


# What servlets see


def test_parameters_are_those_of_ipopo(components: Components) -> None:
    """IP-008, IP-043 to IP-050: the caller's dictionary, written into by the service."""
    service = components.start_server("one", http__extra={"zone": 3})
    given = {"custom": 42, "http.port": 1}
    service.register_servlet("/hello", AsyncHello(), given, ServletType.ASYNC)
    assert given == {
        "custom": 42,
        http.PARAM_ADDRESS: "127.0.0.1",
        http.PARAM_PORT: components.port,
        http.PARAM_HTTPS: False,
        http.PARAM_NAME: "one",
        http.PARAM_EXTRA: {"zone": 3},
        http.PARAM_ASYNC: True,
    }
    found = service.get_servlet("/hello/x")
    assert found[1] is given
    assert found[2:] == ("/hello", ServletType.ASYNC)


def test_a_type_that_is_none_is_refused(components: Components) -> None:
    """IP-025."""
    service = components.start_server()
    with pytest.raises(ValueError, match="no type of servlet"):
        service.register_servlet("/hello", Hello(), None, "strange")


class Typed:
    """Servlets that look at what they are given, and use what iPOPO has for them."""

    async def do_async_GET(self, request: Any, response: Any) -> None:
        """Ask for the types."""
        assert isinstance(request, http.AbstractAsyncHTTPServletRequest)
        assert isinstance(response, http.AbstractAsyncHTTPServletResponse)
        await response.send_content(200, "as it was", "text/plain")

    async def do_async_POST(self, request: Any, response: Any) -> None:
        """Catch iPOPO's exception."""
        try:
            await request.read_data()
        except http.BodyTooLargeError as error:
            await response.send_content(200, f"{error}", "text/plain")

    async def do_async_PUT(self, request: Any, response: Any) -> None:
        """Read with iPOPO's function."""
        await http.read_body(request.get_rfile(), None, request.max_body_size)

    def do_GET(self, request: Any, response: Any) -> None:
        """Ask for the types."""
        assert isinstance(request, http.AbstractHTTPServletRequest)
        assert isinstance(response, http.AbstractHTTPServletResponse)
        response.send_content(200, "as it was", "text/plain")


def test_requests_and_responses_are_of_ipopos_types(components: Components) -> None:
    """IP-014."""
    service = components.start_server()
    service.register_servlet("/async", Typed(), servlet_type=ServletType.ASYNC)
    service.register_servlet("/sync", Typed())
    assert components.request("/async").text == "as it was"
    assert components.request("/sync").text == "as it was"


def test_a_large_body_is_the_exception_that_ipopo_has_for_it(components: Components) -> None:
    """IP-088, IP-135, IP-136."""
    service = components.start_server(pelix__http__max_body_size=10)
    service.register_servlet("/typed", Typed(), servlet_type=ServletType.ASYNC)
    expected = "Request body is too large: 11 bytes, maximum is 10"
    assert components.request("/typed", "POST", b"x" * 11).text == expected
    refused = components.request("/typed", "PUT", b"x" * 11)
    assert refused.status == 413
    assert "Maximum request body size 10 exceeded" in refused.text


class Sleeper(AsyncHello):
    """A servlet whose ``bound_to`` calls the server that it is just bound to."""

    def __init__(self, components: Components) -> None:
        self._components = components
        self.seen = 0

    def bound_to(self, path: str, parameters: dict[str, Any]) -> bool:
        """Look whether the others still answer."""
        self.seen = self._components.request("/hello").status
        return True


def test_a_servlet_may_call_its_server_while_it_is_bound(components: Components) -> None:
    """IP-041: iPOPO's own service deadlocks here."""
    service = components.start_server()
    service.register_servlet("/hello", Hello())
    sleeper = Sleeper(components)
    assert service.register_servlet("/sleeper", sleeper, servlet_type=ServletType.ASYNC)
    assert sleeper.seen == 200
