"""Who may do what on iPOPO's HTTP service, where something is missing or goes wrong: nobody comes in by that."""

from http.client import IncompleteRead
from typing import Any

import pytest
from pelix import http
from pelix.http.cors import StaticCorsHandler
from pelix.security import AccessDenied, AuthenticationRequired, Credentials, UsernamePassword

from tests.components import Components, components

__all__ = ["components"]  # the fixture

SHOP = {"Origin": "https://shop.example"}
PREFLIGHT = SHOP | {"Access-Control-Request-Method": "GET"}
UNAUTHORIZED = (
    "<html>\n<head>\n<title>401 - Unauthorized</title>\n</head>\n<body>\n<h1>Unauthorized</h1>\n</body>\n</html>"
)
FORBIDDEN = "<html>\n<head>\n<title>403 - Forbidden</title>\n</head>\n<body>\n<h1>Forbidden</h1>\n</body>\n</html>"


class Hello:
    """An asynchronous servlet."""

    async def do_async_GET(self, request: Any, response: Any) -> None:
        """Say hello."""
        await response.send_content(200, "Hello!", "text/plain")

    async def do_async_PUT(self, request: Any, response: Any) -> None:
        """Ask for credentials, or refuse."""
        raise AuthenticationRequired if request.get_sub_path() == "/ask" else AccessDenied

    async def do_async_POST(self, request: Any, response: Any) -> None:
        """Refuse in the middle of an answer."""
        response.set_header("Content-Length", 100)
        await response.end_headers()
        await response.write(b"The beginning")
        raise AccessDenied


def serve_hello(components: Components, **properties: Any) -> Any:
    service = components.start_server(**properties)
    service.register_servlet("/hello", Hello(), servlet_type=http.ServletType.ASYNC)
    return service


class BrokenPolicy(StaticCorsHandler):
    """A policy that fails."""

    def get_allowed_origins(self, path: str) -> Any:
        """Fail."""
        raise ValueError("broken")


def test_a_policy_that_fails_lets_no_other_origin_in(components: Components, caplog: pytest.LogCaptureFixture) -> None:
    """IP-131: the request itself is served, only that no script of the other origin can read the answer."""
    serve_hello(components)
    components.register(http.CorsHandler, BrokenPolicy())
    assert components.request("/hello", "OPTIONS", headers=PREFLIGHT).status == 403
    answered = components.request("/hello", headers=SHOP)
    assert (answered.status, answered.headers["Access-Control-Allow-Origin"]) == (200, None)
    assert "ValueError: broken" in caplog.text


def test_policies_come_and_go_while_the_server_runs(components: Components) -> None:
    """IP-131."""
    serve_hello(components)
    assert components.request("/hello", headers=SHOP).headers["Access-Control-Allow-Origin"] is None
    registered = components.register(http.CorsHandler, StaticCorsHandler("*"))
    assert components.request("/hello", headers=SHOP).headers["Access-Control-Allow-Origin"] == "*"
    assert components.request("/no", "OPTIONS", headers=PREFLIGHT).status == 204
    registered.unregister()
    assert components.request("/hello", "OPTIONS", headers=PREFLIGHT).status == 404


class Token:
    """Reads credentials from a header; one of them breaks it."""

    def get_scheme(self) -> str:
        """Give the scheme."""
        return "Token"

    def extract_credentials(self, headers: http.HeadersView) -> Credentials | None:
        """Read them."""
        token = headers.get("X-Token")
        if token == "break":
            raise ValueError("broken")
        return UsernamePassword(token, token) if token else None

    def get_challenge(self, realm: str) -> str:
        """Say how to come in."""
        return f'Token realm="{realm}"'


def test_an_authenticator_that_fails_lets_nobody_in(components: Components) -> None:
    """IP-132: nor do credentials that nobody can check."""
    serve_hello(components)
    components.register(http.HttpAuthenticator, Token())
    for token in ("break", "somebody"):
        refused = components.request("/hello", headers={"X-Token": token})
        assert (refused.status, refused.text) == (401, UNAUTHORIZED)
        assert refused.headers["WWW-Authenticate"] == 'Token realm="Pelix"'
    assert components.request("/hello").status == 200


def test_what_is_protected_stays_so_when_its_authenticator_goes_and_that_is_said_once(
    components: Components, caplog: pytest.LogCaptureFixture
) -> None:
    """IP-132: 401 without a challenge, for unknown paths as well."""
    serve_hello(components, pelix__http__auth__required="true")
    for target in ("/hello", "/no"):
        refused = components.request(target)
        assert (refused.status, refused.headers["WWW-Authenticate"]) == (401, None)
    assert caplog.text.count("no HTTP authenticator is there") == 1


def test_a_servlet_without_a_word_about_credentials_follows_the_service(components: Components) -> None:
    """IP-132: ``None`` is not a word."""
    service = components.start_server(pelix__http__auth__required=True)
    service.register_servlet("/a", Hello(), {http.HTTP_AUTH_REQUIRED: None}, http.ServletType.ASYNC)
    service.register_servlet("/b", Hello(), {http.HTTP_AUTH_REQUIRED: "no"}, http.ServletType.ASYNC)
    assert components.request("/a").status == 401
    assert components.request("/b").status == 200


def test_a_refused_path_is_400_whoever_asks(components: Components) -> None:
    """IP-072."""
    serve_hello(components, pelix__http__auth__required=True)
    refused = components.request("/hello/../../etc")
    assert (refused.status, refused.text) == (400, "<html><body><h1>Bad Request</h1></body></html>")


def test_a_servlet_refuses_by_exceptions(components: Components) -> None:
    """IP-069, IP-073."""
    serve_hello(components)
    asked = components.request("/hello/ask", "PUT")
    assert (asked.status, asked.text) == (401, UNAUTHORIZED)
    refused = components.request("/hello", "PUT")
    assert (refused.status, refused.text) == (403, FORBIDDEN)
    assert refused.headers["Content-Type"] == "text/html; charset=utf-8"


def test_a_servlet_that_refuses_in_the_middle_of_its_answer_breaks_it_off(components: Components) -> None:
    """IP-074: no second answer follows the first."""
    serve_hello(components)
    with pytest.raises((IncompleteRead, ConnectionError)):
        components.request("/hello", "POST")


def test_rules_that_are_changed_while_the_server_runs_hold_for_the_next_request(components: Components) -> None:
    """IP-004, IP-132: iPOPO reconfigures components without a restart."""
    serve_hello(components)
    components.ipopo.reconfigure("server", {http.HTTP_AUTH_REQUIRED: "yes"})
    assert components.is_valid()
    assert components.request("/hello").status == 401
    components.ipopo.reconfigure("server", {http.HTTP_AUTH_REQUIRED: "no", http.HTTP_DEBUG_ERRORS: True})
    assert "/hello" in components.request("/no").text
    components.ipopo.reconfigure("server", {http.HTTP_DEBUG_ERRORS: "false"})
    assert "/hello" not in components.request("/no").text


def test_what_a_policy_varies_with_is_added_to_what_the_servlet_varies_with(components: Components) -> None:
    """IP-131: or a cache would give the answer for one origin to another."""

    class Varying(Hello):
        async def do_async_GET(self, request: Any, response: Any) -> None:
            response.set_header("Vary", "Accept")
            await response.send_content(200, "Hello!")

    service = components.start_server()
    service.register_servlet("/hello", Varying(), servlet_type=http.ServletType.ASYNC)
    components.register(http.CorsHandler, StaticCorsHandler(SHOP["Origin"]))
    assert components.request("/hello", headers=SHOP).headers.get_all("Vary") == ["Accept", "Origin"]
