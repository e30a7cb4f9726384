"""Everything that iPOPO's asynchronous HTTP service has, in rows: each is held by a test, or has its reason here.

A test says in its docstring which rows it holds (``IP-001``, ``IP-040 to IP-042``). iPOPO's own tests, which webkit
passes, hold many of them too; that is not counted.
"""

import ast
import re
from functools import cache
from pathlib import Path
from typing import Final

import pytest

TESTS: Final = Path(__file__).parent

ROWS: Final = {
    "IP-001": "the address of the service",
    "IP-002": "its port",
    "IP-003": "HTTPS: certificate, key, password",
    "IP-004": "debug mode",
    "IP-005": "the limit for bodies, of the service and of one servlet",
    "IP-006": "pelix.http.socket_timeout",
    "IP-007": "paths in small letters",
    "IP-008": "extra properties",
    "IP-009": "the logger's name and level",
    "IP-010": "how a service is made",
    "IP-011": "how it starts, and fails to",
    "IP-012": "how it stops",
    "IP-013": "synchronous servlets in five threads, with their context variables",
    "IP-014": "one interface for all kinds of servlets",
    "IP-020": "get_access",
    "IP-021": "get_hostname",
    "IP-022": "is_https",
    "IP-023": "get_registered_paths",
    "IP-024": "get_servlet: the longest prefix that ends with a segment",
    "IP-025": "register_servlet, and the order of its checks",
    "IP-026": "unregister",
    "IP-027": "make_not_found_page",
    "IP-028": "make_exception_page",
    "IP-029": "log and log_exception",
    "IP-030": "resolve_request",
    "IP-031": "get_max_body_size",
    "IP-032": "ServletType",
    "IP-040": "accept_binding",
    "IP-041": "bound_to, and no lock around it",
    "IP-042": "unbound_from",
    "IP-043": "the dictionary of parameters is the caller's",
    "IP-044": "http.address",
    "IP-045": "http.port",
    "IP-046": "http.https",
    "IP-047": "http.name",
    "IP-048": "http.extra",
    "IP-049": "http.async",
    "IP-050": "parameters of one's own",
    "IP-051": "do_async_XXX",
    "IP-052": "do_XXX",
    "IP-053": "a method that is missing",
    "IP-054": "an object of another kind than it was registered as",
    "IP-055": "a servlet that does nothing",
    "IP-060": "servlets found by their properties",
    "IP-061": "servlets before the server, and after",
    "IP-062": "properties that change",
    "IP-063": "servlets that go",
    "IP-064": "imported services",
    "IP-065": "one object with several kinds of servlets",
    "IP-066": "the page of a 404",
    "IP-067": "the page of a 500",
    "IP-068": "the page of a 400",
    "IP-069": "the pages of 401 and 403",
    "IP-070": "what becomes of a path",
    "IP-071": "targets with scheme and host",
    "IP-072": "the order of what is decided",
    "IP-073": "exceptions of servlets",
    "IP-074": "exceptions after the headers",
    "IP-075": "methods in small letters",
    "IP-076": "the query",
    "IP-080": "get_client_address",
    "IP-081": "get_command",
    "IP-082": "get_header",
    "IP-083": "get_headers",
    "IP-084": "get_path",
    "IP-085": "get_prefix_path",
    "IP-086": "get_sub_path",
    "IP-087": "get_rfile",
    "IP-088": "read_data",
    "IP-090": "set_response",
    "IP-091": "set_header",
    "IP-092": "is_header_set",
    "IP-093": "end_headers",
    "IP-094": "write",
    "IP-095": "get_wfile",
    "IP-096": "send_content",
    "IP-097": "HEAD",
    "IP-098": "HTTP/1.0",
    "IP-100": "setup_sse",
    "IP-101": "send_sse",
    "IP-102": "a client of events that leaves",
    "IP-103": "events that are no text",
    "IP-104": "the documentation's event stream",
    "IP-110": "the six methods of a WebSocket handler",
    "IP-111": "ws_accept",
    "IP-112": "ws_open",
    "IP-113": "ws_message and ws_binary",
    "IP-114": "ws_close",
    "IP-115": "ws_error",
    "IP-116": "pings",
    "IP-117": "send_text and send_binary",
    "IP-118": "close",
    "IP-119": "get_client_address of a session",
    "IP-120": "options of WebSockets",
    "IP-121": "handlers found by their properties",
    "IP-122": "sessions when the server stops",
    "IP-123": "the documentation's WebSocket handler",
    "IP-124": "the documentation's servlet",
    "IP-130": "pages of one's own for errors",
    "IP-131": "CORS",
    "IP-132": "authentication",
    "IP-133": "pelix.http.routing",
    "IP-134": "make_html_list",
    "IP-135": "BodyTooLargeError",
    "IP-136": "read_body",
    "IP-137": "max_body_size of a request, flush of a writer",
    "IP-138": "a connection after a 413",
}

# No test of webkit's own, and why.
REASONS: Final = {
    "IP-133": "The bundle is iPOPO's, and unchanged: its own tests of it run in test_ipopo_proof.",
}

RANGE: Final = re.compile(r"IP-(\d{3})(?:\s+to\s+IP-(\d{3}))?")


def rows_in(text: str) -> set[str]:
    """The rows that *text* names: ``IP-001``, or ``IP-040 to IP-042`` for those between them too."""
    spans = [(int(first), int(last or first)) for first, last in RANGE.findall(text)]
    return {row for row in ROWS if any(first <= int(row[3:]) <= last for first, last in spans)}


@cache
def docstrings_of_tests() -> str:
    """What the tests say of themselves, but for iPOPO's own."""
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    functions = (
        node
        for path in TESTS.glob("test_*.py")
        if path.stem != "test_ipopo_proof"
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, kinds) and node.name.startswith("test_")
    )
    return "\n".join(ast.get_docstring(function) or "" for function in functions)


@pytest.mark.parametrize("row", ROWS)
def test_what_ipopo_has_is_tested_or_has_a_reason(row: str) -> None:
    is_tested = row in rows_in(docstrings_of_tests())
    assert is_tested != (row in REASONS), f"{row}: {ROWS[row]}"


def test_nobody_names_a_row_that_there_is_not() -> None:
    named = set(re.findall(r"IP-\d{3}", docstrings_of_tests()))
    assert sorted(named - set(ROWS)) == []
