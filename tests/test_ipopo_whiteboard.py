"""Servlets that are there as iPOPO services: bound to the paths in their properties, whenever they come."""

import asyncio
from typing import Any

import aiohttp
import pytest
from pelix import http
from pelix.http import ServletType

from tests.components import PATIENCE_S, Components, components

__all__ = ["components"]  # the fixture


class Noting:
    """A servlet of every kind, which notes when it comes and goes."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, str]] = []
        self.parameters: dict[str, dict[str, Any]] = {}

    def bound_to(self, path: str, parameters: dict[str, Any]) -> bool:
        """Note it."""
        self.calls.append(("bound", path))
        self.parameters[path] = parameters
        return True

    def unbound_from(self, path: str, parameters: dict[str, Any]) -> None:
        """Note it."""
        assert self.parameters.pop(path) is parameters
        self.calls.append(("unbound", path))

    def do_GET(self, request: Any, response: Any) -> None:
        """Answer in a thread."""
        response.send_content(200, "sync")

    async def do_async_GET(self, request: Any, response: Any) -> None:
        """Answer in the loop."""
        await response.send_content(200, "async")


def test_a_servlet_that_was_there_first_is_bound_when_the_server_comes(components: Components) -> None:
    """IP-061."""
    servlet = Noting()
    components.register(http.HTTP_SERVLET, servlet, pelix__http__path="/early")
    assert servlet.calls == []
    components.start_server()
    assert servlet.calls == [("bound", "/early")]
    assert components.request("/early").text == "sync"


PATHS: list[tuple[Any, list[str]]] = [
    ("/a", ["/a"]),
    (["/a", "/b"], ["/a", "/b"]),
    (("/a", "/b"), ["/a", "/b"]),
    (None, []),
    ({"/a"}, []),
    (3, []),
]


@pytest.mark.parametrize(("given", "paths"), PATHS)
def test_paths_are_one_or_several_and_each_has_parameters_of_its_own(
    components: Components, given: Any, paths: list[str]
) -> None:
    """IP-060."""
    service = components.start_server()
    servlet = Noting()
    components.register(http.HTTP_SERVLET, servlet, pelix__http__path=given)
    assert service.get_registered_paths() == paths
    assert len({id(parameters) for parameters in servlet.parameters.values()}) == len(paths)


def test_a_bad_path_and_a_taken_one_are_logged_and_the_others_are_bound(
    components: Components, caplog: pytest.LogCaptureFixture
) -> None:
    """IP-060: who registers the service sees nothing of it."""
    service = components.start_server()
    service.register_servlet("/taken", Noting())
    components.register(http.HTTP_SERVLET, Noting(), pelix__http__path=["no slash", "/taken", "/free"])
    assert service.get_registered_paths() == ["/free", "/taken"]
    assert "is not bound to 'no slash'" in caplog.text
    assert "is not bound to '/taken'" in caplog.text


def test_other_paths_bind_a_servlet_anew_and_other_properties_do_not(components: Components) -> None:
    """IP-062."""
    components.start_server()
    servlet = Noting()
    registered = components.register(http.HTTP_SERVLET, servlet, pelix__http__path="/old", color="red")
    registered.set_properties({"color": "blue"})
    assert servlet.calls == [("bound", "/old")]
    registered.set_properties({http.HTTP_SERVLET_PATH: "/new"})
    assert servlet.calls == [("bound", "/old"), ("unbound", "/old"), ("bound", "/new")]
    assert components.request("/old").status == 404
    assert components.request("/new").status == 200


@pytest.mark.parametrize("name", [http.HTTP_MAX_BODY_SIZE, http.HTTP_CORS_ORIGINS, http.HTTP_AUTH_REQUIRED])
def test_what_a_service_says_of_limits_and_access_comes_to_its_parameters(components: Components, name: str) -> None:
    """IP-050, IP-062."""
    components.start_server()
    servlet = Noting()
    registered = components.register(http.HTTP_SERVLET, servlet, pelix__http__path="/a")
    assert name not in servlet.parameters["/a"]
    registered.set_properties({name: "7"})
    assert servlet.parameters["/a"][name] == "7"
    assert len(servlet.calls) == 3


def test_a_service_that_goes_is_unbound(components: Components) -> None:
    """IP-042, IP-063."""
    components.start_server()
    servlet = Noting()
    registered = components.register(http.HTTP_SERVLET, servlet, pelix__http__path=["/a", "/b"])
    registered.unregister()
    assert sorted(servlet.calls[2:]) == [("unbound", "/a"), ("unbound", "/b")]
    assert components.request("/a").status == 404


def test_a_server_that_goes_unbinds_services_but_not_what_was_registered_by_a_call(components: Components) -> None:
    """IP-063."""
    service = components.start_server()
    found, called = Noting(), Noting()
    components.register(http.HTTP_SERVLET, found, pelix__http__path="/found")
    service.register_servlet("/called", called)
    components.ipopo.kill("server")
    assert found.calls == [("bound", "/found"), ("unbound", "/found")]
    assert called.calls == [("bound", "/called")]


def test_a_service_of_another_framework_is_left_alone(components: Components) -> None:
    """IP-064."""
    service = components.start_server()
    registered = components.register(http.HTTP_SERVLET, Noting(), pelix__http__path="/remote", service__imported=True)
    registered.set_properties({http.HTTP_SERVLET_PATH: "/moved"})
    registered.unregister()
    assert service.get_registered_paths() == []


def test_one_object_may_be_several_services_at_once(components: Components) -> None:
    """IP-049, IP-065: the paths of one kind come and go without the others."""
    service = components.start_server()
    servlet = Noting()
    registered = components.register(
        [http.HTTP_SERVLET, http.HTTP_SERVLET_ASYNC],
        servlet,
        pelix__http__path="/sync",
        pelix__http__path__async="/async",
    )
    assert components.request("/sync").text == "sync"
    assert components.request("/async").text == "async"
    assert servlet.parameters["/sync"][http.PARAM_ASYNC] is False
    assert servlet.parameters["/async"][http.PARAM_ASYNC] is True
    registered.set_properties({http.HTTP_SERVLET_ASYNC_PATH: "/moved"})
    assert servlet.calls[2:] == [("unbound", "/async"), ("bound", "/moved")]
    registered.unregister()
    assert service.get_registered_paths() == []


def test_who_took_a_path_meanwhile_keeps_it(components: Components) -> None:
    """A service that goes takes nothing with it but what is its own."""
    service = components.start_server()
    first, second = Noting(), Noting()
    registered = components.register(http.HTTP_SERVLET, first, pelix__http__path="/a")
    assert service.unregister("/a")
    assert service.register_servlet("/a", second)
    registered.unregister()
    assert service.get_servlet("/a")[0] is second


def test_every_server_binds_every_servlet(components: Components) -> None:
    """Two components serve the same services, each on its port."""
    servlet = Noting()
    components.register(http.HTTP_SERVLET, servlet, pelix__http__path="/a")
    ports = set()
    for name in ("one", "two"):
        components.start_server(name)
        ports.add(components.port)
        assert servlet.parameters["/a"][http.PARAM_NAME] == name
        assert components.request("/a").text == "sync"
    assert len(ports) == 2


# WebSockets


class Echo(http.AbstractWebSocketHandler):
    """Sends back what it gets, and notes how sessions end."""

    def __init__(self) -> None:
        self.ends: list[tuple[int, str]] = []
        self.errors: list[Any] = []

    async def ws_accept(self, request: http.AbstractAsyncHTTPServletRequest) -> bool:
        """Let everybody in but those who ask not to be."""
        return await request.get_header("X-Refuse") is None

    async def ws_message(self, session: http.WebSocketSession, message: str) -> None:
        """Send it back; some words are commands."""
        if message == "crash":
            raise ValueError("broken")
        if message == "close":
            await session.close(4001, "why")
            return
        await session.send_text(message)

    async def ws_close(self, session: http.WebSocketSession, code: int, reason: str) -> None:
        """Note it."""
        self.ends.append((code, reason))

    async def ws_error(self, session: http.WebSocketSession, error: str) -> None:
        """Note it."""
        self.errors.append(error)


async def say(port: int, word: str, **headers: str) -> Any:
    """Say one word over a WebSocket, and close it; give what comes back, the code where that is a close."""
    async with aiohttp.ClientSession() as session:
        connected = await session.ws_connect(f"http://127.0.0.1:{port}/ws/sub", headers=headers)
        await connected.send_str(word)
        message = await connected.receive(timeout=PATIENCE_S)
        await connected.close(code=4002)
        return message.data


def test_a_websocket_handler_is_found_as_a_service(components: Components) -> None:
    """IP-112, IP-114, IP-121: the code of the client, and iPOPO's constant for the reason."""
    components.start_server()
    echo = Echo()
    components.register(http.HTTP_WEBSOCKET_HANDLER, echo, pelix__http__websocket__path="/ws")
    assert asyncio.run(say(components.port, "hello")) == "hello"
    components.ipopo.kill("server")  # by now the server has seen the end
    assert echo.ends == [(4002, "Session closed")]
    assert echo.errors == []


def test_a_websocket_that_the_server_closes_ends_with_what_the_client_answers(components: Components) -> None:
    """IP-114, IP-118."""
    components.start_server()
    echo = Echo()
    components.register(http.HTTP_WEBSOCKET_HANDLER, echo, pelix__http__websocket__path="/ws")
    assert asyncio.run(say(components.port, "close")) == 4001
    components.ipopo.kill("server")
    assert echo.ends == [(1000, "Session closed")]  # aiohttp's client echoes no code of others


def test_a_crash_of_a_websocket_handler_is_told_as_text(
    components: Components, caplog: pytest.LogCaptureFixture
) -> None:
    """IP-115: and closed with 1011, where iPOPO says 1000; ``ws_close`` is called all the same."""
    components.start_server()
    echo = Echo()
    components.register(http.HTTP_WEBSOCKET_HANDLER, echo, pelix__http__websocket__path="/ws")
    assert asyncio.run(say(components.port, "crash")) == 1011
    components.ipopo.kill("server")
    assert echo.errors == ["broken"]
    assert len(echo.ends) == 1
    crashes = [record for record in caplog.records if record.name == "server" and record.exc_info]
    assert len(crashes) == 1


def test_a_refused_websocket_is_a_400_and_what_is_no_handler_a_404(components: Components) -> None:
    """IP-054, IP-111."""
    service = components.start_server()
    service.register_servlet("/ws", Echo(), servlet_type=ServletType.WEBSOCKET)
    service.register_servlet("/none", Noting(), servlet_type=ServletType.WEBSOCKET)
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        asyncio.run(say(components.port, "hello", **{"X-Refuse": "please"}))
    assert refused.value.status == 400
    assert components.request("/ws", headers={"X-Refuse": "please"}).text == "WebSocket connection refused"
    assert components.request("/none").status == 404


# Pages of errors


class Pages:
    """Makes the pages of errors."""

    def make_not_found_page(self, path: str) -> str:
        """Make one."""
        return f"Nothing at {path}"

    def make_exception_page(self, path: str, stack: str) -> str:
        """Make one."""
        return f"Sorry: {stack[:9]}"


@pytest.mark.parametrize("specification", [http.ErrorHandler, http.HTTP_ERROR_PAGES])
def test_pages_of_errors_come_from_whoever_is_there(components: Components, specification: Any) -> None:
    """IP-130: by its class, and by the specification that iPOPO documents and does not bind."""
    service = components.start_server()
    registered = components.register(specification, Pages())
    assert components.request("/no").text == "Nothing at /no"
    assert service.make_not_found_page("/x") == "Nothing at /x"
    assert service.make_exception_page("/x", "a traceback") == "Sorry: Error ID:"
    registered.unregister()
    assert "No servlet is associated" in components.request("/no").text
