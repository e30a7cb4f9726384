"""Everything that aiohttp.web 0.21 documented, in rows: each is held by a test, or has its replacement in the docs.

A test says in its docstring which rows it holds (``AW-001``, ``AW-130 to AW-142``). What no test can hold is named by a
comment in docs/how-to/migrate-from-aiohttp.md, beside what to do instead.
"""

import ast
import re
from functools import cache
from pathlib import Path
from typing import Final

import pytest

TESTS: Final = Path(__file__).parent
PAGE: Final = TESTS.parent / "docs" / "how-to" / "migrate-from-aiohttp.md"

ROWS: Final = {
    "AW-001": "coroutine functions as handlers",
    "AW-002": "plain functions as handlers",
    "AW-003": "generators as handlers, with asyncio.coroutine",
    "AW-004": "web.Response",
    "AW-005": "the arguments of web.Application",
    "AW-006": "a handler returns a response",
    "AW-007": "web.run_app",
    "AW-008": "router.add_route",
    "AW-009": "the wildcard method",
    "AW-010": "request.method",
    "AW-011": "routes that come after the start",
    "AW-020": "the command line",
    "AW-021": "its option for the host",
    "AW-022": "its option for the port",
    "AW-023": "its option for a Unix socket",
    "AW-024": "an init function gets the arguments that are left",
    "AW-025": "an init function may be a coroutine function",
    "AW-026": "no init function is named",
    "AW-027": "the name of an init function is no name",
    "AW-028": "the name of an init function is relative",
    "AW-029": "the module cannot be imported",
    "AW-030": "the module has no such function",
    "AW-031": "the init function fails, or gives no application",
    "AW-032": "-n and -p on the command line",
    "AW-033": "SIGINT and SIGTERM",
    "AW-034": "logging of the command line",
    "AW-040": "router.add_resource and resource.add_route",
    "AW-041": "the documentation calls add_route with a path alone",
    "AW-042": "variable parts of a path",
    "AW-043": "variable parts with a regular expression",
    "AW-044": "request.match_info",
    "AW-045": "which of several routes answers",
    "AW-046": "404 and 405",
    "AW-047": "names of routes",
    "AW-048": "the documentation calls the names app.named_resource",
    "AW-049": "resource.url(query=...)",
    "AW-050": "resource.url(parts=...)",
    "AW-051": "route.url(filename=...) of a folder",
    "AW-052": "methods of objects as handlers",
    "AW-053": "web.View",
    "AW-054": "router.resources, named_resources, routes and named_routes",
    "AW-055": "custom routing criteria",
    "AW-056": "the documentation forgets to import HTTPNotAcceptable",
    "AW-060": "the default handler for Expect",
    "AW-061": "an expect_handler of one's own",
    "AW-062": "100 Continue written by hand",
    "AW-063": "request.version",
    "AW-064": "the documentation forgets to define expect",
    "AW-070": "request.post",
    "AW-071": "web.FileField",
    "AW-072": "the documentation puts a file into a header",
    "AW-073": "web.WebSocketResponse",
    "AW-074": "async for over messages",
    "AW-075": "msg.tp and MsgType",
    "AW-076": "ws.send_str without await",
    "AW-077": "ws.close",
    "AW-078": "the documentation closes with 999",
    "AW-079": "ws.exception",
    "AW-080": "receiving in the handler, sending from anywhere",
    "AW-081": "SockJS",
    "AW-100": "web.HTTPException and its families",
    "AW-101": "200 to 203, 206",
    "AW-102": "204 and 205",
    "AW-103": "redirects",
    "AW-104": "304",
    "AW-105": "400 to 404",
    "AW-106": "405",
    "AW-107": "406 to 412",
    "AW-108": "413",
    "AW-109": "414 to 417",
    "AW-110": "421, 426, 428, 429, 431",
    "AW-111": "the server's errors",
    "AW-112": "422, 424, 451, 507, which the chart does not have",
    "AW-113": "headers of exceptions",
    "AW-114": "the documentation promises an exception for every status",
    "AW-120": "the application as a mapping",
    "AW-121": "the request as a mapping",
    "AW-122": "an application compares by identity, and is true",
    "AW-130": "middleware factories",
    "AW-131": "web.middleware",
    "AW-132": "middlewares see 404 and 405",
    "AW-133": "app.middlewares before the start",
    "AW-134": "the documentation says Response for Request",
    "AW-135": "the last factory gets what the router has found",
    "AW-140": "on_response_prepare",
    "AW-141": "on_startup, on_shutdown, on_cleanup",
    "AW-142": "on_pre_signal, on_post_signal, finish, register_on_finish",
    "AW-150": "tcp_cork and tcp_nodelay",
    "AW-151": "their defaults",
    "AW-152": "corked sockets",
    "AW-153": "neither of the two",
    "AW-160": "app.make_handler and loop.create_server",
    "AW-161": "handler.finish_connections",
    "AW-162": "app.shutdown and app.cleanup",
    "AW-163": "the order of a graceful shutdown",
    "AW-164": "the documentation writes async with for async def",
    "AW-165": "the documentation goes through a list that becomes shorter",
    "AW-166": "aiohttp_jinja2",
    "AW-167": "aiohttp_session",
    "AW-168": "aiohttp_cors",
    "AW-169": "aiohttp_debugtoolbar",
    "AW-170": "asyncio.get_event_loop without a running loop",
    "AW-171": "the steps of the shutdown end on every Python",
}


RANGE: Final = re.compile(r"AW-(\d{3})(?:\s+to\s+AW-(\d{3}))?")


def rows_in(text: str) -> set[str]:
    """The rows that *text* names: ``AW-001``, or ``AW-130 to AW-142`` for those between them too."""
    spans = [(int(first), int(last or first)) for first, last in RANGE.findall(text)]
    return {row for row in ROWS if any(first <= int(row[3:]) <= last for first, last in spans)}


@cache
def docstrings_of_tests() -> str:
    """What the tests say of themselves."""
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    functions = (
        node
        for path in TESTS.glob("test_*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, kinds) and node.name.startswith("test_")
    )
    return "\n".join(ast.get_docstring(function) or "" for function in functions)


@cache
def comments_of_the_page() -> str:
    """What readers of the page do not see."""
    return "\n".join(re.findall(r"<!--.*?-->", PAGE.read_text(encoding="utf-8")))


@pytest.mark.parametrize("row", ROWS)
def test_what_was_documented_is_tested_or_has_its_replacement_in_the_docs(row: str) -> None:
    assert row in rows_in(docstrings_of_tests()) | rows_in(comments_of_the_page()), f"{row}: {ROWS[row]}"


def test_nobody_names_a_row_that_there_is_not() -> None:
    named = re.findall(r"AW-\d{3}", docstrings_of_tests() + comments_of_the_page())
    assert sorted(set(named) - set(ROWS)) == []


def test_a_range_names_the_rows_between_its_ends() -> None:
    assert rows_in("AW-130 to AW-132, AW-001 and AW-999") == {"AW-130", "AW-131", "AW-132", "AW-001"}
