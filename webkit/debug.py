"""Debug pages: what a developer on this machine sees of an error.

They show the traceback with source lines, the route and the request; never local variables, never bodies, and
secrets of the request are masked (:mod:`webkit.masking`). They are for the loopback interface: :func:`is_local`
decides, in doubt against showing. Nothing here raises; where a page cannot be made, a plain one says so.
"""

import platform
import re
import socket
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from http import HTTPStatus
from ipaddress import IPv6Address, ip_address
from itertools import islice
from typing import Any, Final
from urllib.parse import urlsplit

import aiohttp
import msgspec
from aiohttp import web

from webkit._version import __version__
from webkit.callables import name_of
from webkit.debug_html import Section, error_document, not_found_document, plain_document
from webkit.errors import HTTPGatewayTimeout, InternalServerError
from webkit.masking import Mask, make_visible
from webkit.pages import Fault, Form
from webkit.requests import APPLICATION
from webkit.suggestions import NearRoute, RouteLine, near_routes
from webkit.tracebacks import Raised, format_raised, name_of_error, read_error

__all__ = [
    "RouteLine",
    "error_page",
    "error_problem",
    "error_text",
    "is_local",
    "not_found_page",
    "not_found_problem",
    "not_found_text",
    "route_lines",
    "show",
]

# What a proxy on this machine adds: behind one every client looks local.
_FORWARDED: Final = re.compile(
    r"forwarded|via|x-(forward|original|envoy|proxy|real-ip|client-ip|cluster-client-ip)|true-client-ip|cf-connecting-ip",
    re.IGNORECASE,
)
_PORT: Final = re.compile(r":[0-9]*\Z")
_MOST_ROWS: Final = 100
_VALUE_LENGTH: Final = 500
_MOST_FRAMES: Final = 80
_MOST_ROUTES: Final = 500
_MOST_LINES: Final = 400
_PAGE_BYTES: Final = 900_000

Row = tuple[str, str]


# Who may see it


def is_local(request: web.Request) -> bool:
    """Whether *request* comes from this machine: its peer is loopback, no proxy passed it on, its host is local.

    The host is checked because a foreign page can make its own name point to 127.0.0.1 and then read what it gets
    there; the origin, because an application's CORS headers may let other pages read answers. HTTP/1.0 is what
    proxies speak that add no header.
    """
    headers = request.headers
    if request.version < aiohttp.HttpVersion11 or any(_FORWARDED.match(name) for name in headers):
        return False
    hosts = headers.getall("Host", [])
    if len(hosts) != 1 or not _is_local_host(_PORT.sub("", hosts[0])):
        return False
    target = request.raw_path
    if not target.startswith("/") and target != "*" and not _is_local_url(target):
        return False
    origin = headers.get("Origin")
    if origin is not None and headers.get("Sec-Fetch-Mode") != "navigate" and not _is_local_url(origin):
        return False
    return request.transport is not None and _is_local_peer(request.transport.get_extra_info)


def _is_local_peer(extra: Callable[[str], Any]) -> bool:
    family = getattr(extra("socket"), "family", None)
    if family is not None and family == getattr(socket, "AF_UNIX", None):
        return True
    peer = extra("peername")
    return isinstance(peer, tuple) and len(peer) >= 2 and _is_loopback(str(peer[0]))


def _is_local_host(host: str) -> bool:
    name = host.casefold().removesuffix(".")
    # Browsers resolve no name below "localhost" over the network (RFC 6761).
    return name == "localhost" or name.endswith(".localhost") or _is_loopback(name.strip("[]"))


def _is_local_url(url: str) -> bool:
    with suppress(ValueError):
        return _is_local_host(urlsplit(url).hostname or "")
    return False


def _is_loopback(text: str) -> bool:
    try:
        address = ip_address(text)
    except ValueError:
        return False
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return (mapped or address).is_loopback


# What is shown


def show(request: web.Request, error: web.HTTPException, fault: Fault, form: Form) -> tuple[str, bytes] | None:
    """Give (content type, body) for *error*, ``None`` where the client or the error gets no debug page.

    A page is for what crashed (the exception is the cause of *error*), and for 404 and 405 that say nothing more.
    It may not be stored: *error* gets the header for that.
    """
    with suppress(Exception):
        made = _make(request, error, fault, form) if is_local(request) else None
        if made is not None:
            error.headers["Cache-Control"] = "no-store"
            return made
    return None


def _make(request: web.Request, error: web.HTTPException, fault: Fault, form: Form) -> tuple[str, bytes] | None:
    cause, status = error.__cause__, error.status
    makers: dict[Form, Callable[[], Any]]
    if cause is not None and isinstance(error, InternalServerError | HTTPGatewayTimeout):
        reference = fault.reference or ""
        makers = {
            "html": lambda: error_page(request, cause, reference=reference, status=status),
            "problem": lambda: error_problem(request, cause, reference=reference, status=status),
            "text": lambda: error_text(request, cause, reference=reference, status=status),
        }
    elif status in {404, 405} and fault.detail is None:
        routes = route_lines(request.match_info.apps[0])
        makers = {
            "html": lambda: not_found_page(request, routes=routes, status=status),
            "problem": lambda: not_found_problem(request, routes=routes, status=status),
            "text": lambda: not_found_text(request, routes=routes, status=status),
        }
    else:
        return None
    made = makers[form]()
    if form == "problem":
        return "application/problem+json", msgspec.json.encode(made)
    return f"text/{'html' if form == 'html' else 'plain'}; charset=utf-8", made.encode()


def error_page(request: web.Request, error: BaseException, *, reference: str, status: int = 500) -> str:
    """Give the HTML page for *error*, which a handler or a middleware raised."""
    with suppress(Exception):
        for most_frames in (_MOST_FRAMES, 6):
            page = _error_page(request, error, reference, status, most_frames)
            if len(page.encode()) <= _PAGE_BYTES:
                return page
    return plain_document(name_of_error(error), f"The debug page itself failed. Reference: {reference}")


def error_problem(request: web.Request, error: BaseException, *, reference: str, status: int = 500) -> dict[str, Any]:
    """Give *error* as a problem document (RFC 9457) with the lines of its ``traceback``."""
    problem = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status, "reference": reference}
    with suppress(Exception):
        mask = _mask_for(request)
        raised = _read(error, mask)
        problem["detail"] = make_visible(f"{raised.type}: {raised.message}")
        problem["instance"] = make_visible(mask.target(request.raw_path))
        problem["traceback"] = _lines_of(raised)
    return problem


def error_text(request: web.Request, error: BaseException, *, reference: str, status: int = 500) -> str:
    """Give *error* as text: what was asked, and the traceback as Python prints it."""
    lines = [f"{status}: {HTTPStatus(status).phrase}"]
    with suppress(Exception):
        mask = _mask_for(request)
        lines += [_request_line(request, mask), f"Reference: {reference}" if reference else "", ""]
        lines += _lines_of(_read(error, mask))
    return "\n".join(lines) + "\n"


def not_found_page(request: web.Request, *, routes: Sequence[RouteLine], status: int = 404) -> str:
    """Give the HTML page for a 404 or 405: the routes that nearly matched and why not, and all others."""
    with suppress(Exception):
        mask = _mask_for(request)
        near = _near(request, routes, mask)
        for most_routes in (_MOST_ROUTES, 50):
            page = not_found_document(
                near,
                routes,
                _sections(request, mask),
                status=status,
                request=_request_line(request, mask),
                explanation=_explain(request, bool(near)),
                most_routes=most_routes,
            )
            if len(page.encode()) <= _PAGE_BYTES:
                return page
    return plain_document(f"{status}: {HTTPStatus(status).phrase}", "The debug page itself failed.")


def not_found_problem(request: web.Request, *, routes: Sequence[RouteLine], status: int = 404) -> dict[str, Any]:
    """Give a 404 or 405 as a problem document with the routes that nearly matched in ``near``."""
    problem: dict[str, Any] = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status}
    with suppress(Exception):
        mask = _mask_for(request)
        problem["instance"] = make_visible(mask.target(request.raw_path))
        problem["near"] = [
            {
                "methods": found.route.methods,
                "template": found.route.template,
                "name": found.route.name,
                "handler": found.route.handler,
                "reason": make_visible(found.reason),
            }
            for found in _near(request, routes, mask)
        ]
    return problem


def not_found_text(request: web.Request, *, routes: Sequence[RouteLine], status: int = 404) -> str:
    """Give a 404 or 405 as text, with the routes that nearly matched."""
    lines = [f"{status}: {HTTPStatus(status).phrase}"]
    with suppress(Exception):
        mask = _mask_for(request)
        near = _near(request, routes, mask)
        lines += [_request_line(request, mask), _explain(request, bool(near)).replace("`", "")]
        lines += ["", "Routes that nearly matched:"] if near else []
        for found in near:
            lines.append(f"  {', '.join(found.route.methods)} {found.route.template}  ({found.route.handler})")
            lines.append(f"    {make_visible(found.reason)}")
    return "\n".join(lines) + "\n"


def route_lines(app: web.Application) -> list[RouteLine]:
    """List the routes of *app* and of what is mounted in it, those of one path and handler in one line."""
    methods: dict[tuple[str, str | None, str], list[str]] = {}
    for line in map(_line_of, app.router.routes()):
        methods.setdefault((line.template, line.name, line.handler), []).extend(line.methods)
    return [RouteLine(tuple(sorted(names)), *key) for key, names in methods.items()]


def _line_of(route: web.AbstractRoute) -> RouteLine:
    resource = route.resource
    template = getattr(resource, "template", None) or getattr(resource, "canonical", "")
    name = getattr(resource, "name", None)
    return RouteLine((route.method,), str(template), name, _name(getattr(route, "endpoint", route.handler)))


# What it is made of


def _error_page(request: web.Request, error: BaseException, reference: str, status: int, most_frames: int) -> str:
    mask = _mask_for(request)
    raised = _read(error, mask, most_frames)
    return error_document(
        raised,
        _sections(request, mask),
        status=status,
        request=_request_line(request, mask),
        reference=reference,
        text="\n".join(_lines_of(raised)),
    )


def _read(error: BaseException, mask: Mask, most_frames: int = _MOST_FRAMES) -> Raised:
    return read_error(error, show=mask.text, show_source=mask.code, most_frames=most_frames)


def _lines_of(raised: Raised) -> list[str]:
    lines = [make_visible(line) for line in format_raised(raised)]
    if len(lines) <= _MOST_LINES:
        return lines
    # The last exception stands at the end, and counts most.
    return [f"... {len(lines) - _MOST_LINES:,} lines before ...", *lines[-_MOST_LINES:]]


def _mask_for(request: web.Request) -> Mask:
    # The target as it was sent, and as yarl writes it: what somebody quotes is one of them.
    target = f"{request.raw_path} {request.rel_url}"
    headers, query = request.headers.items(), request.query.items()
    return Mask.of(target=target, headers=headers, query=query, parameters=_parameters(request))


def _request_line(request: web.Request, mask: Mask) -> str:
    version = request.version
    return f"{mask.text(request.method)} {mask.target(request.raw_path)} HTTP/{version.major}.{version.minor}"


def _sections(request: web.Request, mask: Mask) -> Iterator[Section]:
    sources: tuple[tuple[str, Callable[[], Iterable[Row]]], ...] = (
        ("Route", lambda: _route_rows(request)),
        ("Path parameters", lambda: _rows(_parameters(request), mask)),
        ("Query parameters", lambda: _rows(request.query, mask)),
        ("Request", lambda: _request_rows(request, mask)),
        ("Versions", _version_rows),
        ("Headers", lambda: _rows(request.headers, mask)),
    )
    for title, read in sources:
        # What one of them cannot tell, a stand-in for a request perhaps, must not hide the rest.
        with suppress(Exception):
            yield Section(title, tuple(read()))


def _parameters(request: web.Request) -> dict[str, str]:
    with suppress(Exception):
        return dict(request.match_info)
    return {}


def _rows(pairs: Mapping[str, str], mask: Mask) -> Iterator[Row]:
    for name, value in islice(pairs.items(), _MOST_ROWS):
        yield mask.text(name, _VALUE_LENGTH), mask.value(name, value, _VALUE_LENGTH)
    if len(pairs) > _MOST_ROWS:
        yield "\N{HORIZONTAL ELLIPSIS}", f"{len(pairs) - _MOST_ROWS:,} more"


def _request_rows(request: web.Request, mask: Mask) -> Iterator[Row]:
    yield "Line", _request_line(request, mask)
    transport = request.transport
    peer = transport.get_extra_info("peername") if transport is not None else None
    if isinstance(peer, tuple) and len(peer) >= 2:
        yield "From", f"[{peer[0]}]:{peer[1]}" if ":" in str(peer[0]) else f"{peer[0]}:{peer[1]}"
    elif transport is not None:
        yield "From", "a Unix socket"


def _version_rows() -> Iterator[Row]:
    yield "Python", platform.python_version()
    yield "aiohttp", aiohttp.__version__
    yield "webkit", __version__


def _route_rows(request: web.Request) -> Iterator[Row]:
    match_info = request.match_info
    if match_info.http_exception is None:
        line = _line_of(match_info.route)
        yield "Method", line.methods[0]
        yield "Path", line.template
        yield "Name", line.name or "-"
        yield "Handler", line.handler
    else:
        yield "Route", "none"
    yield "Middlewares", "\n".join(_middlewares_around(match_info)) or "-"


def _middlewares_around(match_info: web.UrlMappingMatchInfo) -> Iterator[str]:
    """Give the names of all middlewares, the outermost first."""
    for app in match_info.apps:
        ours = app.get(APPLICATION)
        yield from map(_name, ours.middlewares if ours is not None else ())
        # The one that runs webkit's in aiohttp's list says nothing to anybody.
        foreign = (one for one in app.middlewares if getattr(one, "__module__", "") != "webkit.middleware")
        yield from map(_name, foreign)
    yield from map(_name, getattr(match_info.route, "middlewares", ()))


def _name(function: Any) -> str:
    with suppress(Exception):
        return name_of(function)[:200]
    return type(function).__qualname__


def _near(request: web.Request, routes: Sequence[RouteLine], mask: Mask) -> list[NearRoute]:
    matched = _matched(request)
    if matched is not None:
        # It is no near miss: its handler said that there is nothing.
        routes = [route for route in routes if (route.template, route.handler) != (matched.template, matched.handler)]
    path = request.rel_url.path_safe
    return near_routes(request.method, path, routes, matched=matched is not None, show=mask.value)


def _matched(request: web.Request) -> RouteLine | None:
    match_info = request.match_info
    return _line_of(match_info.route) if match_info.http_exception is None else None


def _explain(request: web.Request, has_near: bool) -> str:
    """Say who answered like this."""
    matched = _matched(request)
    if matched is not None:
        return f"The route `{matched.template}` matched. `{matched.handler}`, or a middleware around it, said this."
    refusal = request.match_info.http_exception
    if isinstance(refusal, web.HTTPMethodNotAllowed):
        return f"This path takes {', '.join(sorted(refusal.allowed_methods))}."
    return "No route matched." if has_near else "No route matched, and none comes near to it."
