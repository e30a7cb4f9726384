"""The names that servlets use, those of iPOPO's HTTP service: properties, parameters, kinds of servlets.

Whoever comes from iPOPO finds each name here with the value that it has there, so a property file stays as it is.
"""

import re
from enum import Enum
from html import escape
from typing import TYPE_CHECKING, Any, Final

from webkit.errors import ConfigError

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Iterable

__all__ = [
    "HTTPS_CERT_FILE",
    "HTTPS_KEY_FILE",
    "HTTPS_KEY_PASSWORD",
    "HTTP_CASE_SENSITIVE_PATHS",
    "HTTP_DEBUG_ERRORS",
    "HTTP_ERROR_PAGES",
    "HTTP_MAX_BODY_SIZE",
    "HTTP_SERVICE",
    "HTTP_SERVICE_ADDRESS",
    "HTTP_SERVICE_PORT",
    "HTTP_SERVLET",
    "HTTP_SERVLET_ASYNC",
    "HTTP_SERVLET_ASYNC_PATH",
    "HTTP_SERVLET_PATH",
    "HTTP_SOCKET_TIMEOUT",
    "HTTP_USES_SSL",
    "HTTP_WEBSOCKET_HANDLER",
    "HTTP_WEBSOCKET_PATH",
    "PARAM_ADDRESS",
    "PARAM_ASYNC",
    "PARAM_EXTRA",
    "PARAM_HTTPS",
    "PARAM_NAME",
    "PARAM_PORT",
    "BodyTooLargeError",
    "ServletType",
    "is_servlet",
    "kind_of",
    "make_html_list",
    "max_body_size_of",
    "read_body",
]

# Of the service

HTTP_SERVICE: Final = "pelix.http.service"
#: The address to listen on.
HTTP_SERVICE_ADDRESS: Final = "pelix.http.address"
#: The port to listen on; 0 lets the system choose.
HTTP_SERVICE_PORT: Final = "pelix.http.port"
#: Whether the service speaks HTTPS; to be read only.
HTTP_USES_SSL: Final = "pelix.https"
HTTPS_CERT_FILE: Final = "pelix.https.cert_file"
HTTPS_KEY_FILE: Final = "pelix.https.key_file"
HTTPS_KEY_PASSWORD: Final = "pelix.https.key_password"  # noqa: S105 - the name of a property
#: Whether the pages of errors show tracebacks and paths.
HTTP_DEBUG_ERRORS: Final = "pelix.http.debug"
#: Bytes that the body of a request may have, of the service or of one servlet; 0 or less for any number.
HTTP_MAX_BODY_SIZE: Final = "pelix.http.max_body_size"
HTTP_SOCKET_TIMEOUT: Final = "pelix.http.socket_timeout"
#: Whether ``/Admin`` and ``/admin`` are two paths.
HTTP_CASE_SENSITIVE_PATHS: Final = "pelix.http.case_sensitive_paths"

# Of servlets that are found by their properties

HTTP_SERVLET: Final = "pelix.http.servlet"
HTTP_SERVLET_PATH: Final = "pelix.http.path"
HTTP_SERVLET_ASYNC: Final = "pelix.http.servlet.async"
HTTP_SERVLET_ASYNC_PATH: Final = "pelix.http.path.async"
HTTP_WEBSOCKET_HANDLER: Final = "pelix.http.websocket.handler"
HTTP_WEBSOCKET_PATH: Final = "pelix.http.websocket.path"
HTTP_ERROR_PAGES: Final = "pelix.http.error.pages"

# Of the parameters that a servlet is bound with

#: The name of the service, ``None`` where it has none.
PARAM_NAME: Final = "http.name"
#: A copy of what else the service wants its servlets to know, or ``None``.
PARAM_EXTRA: Final = "http.extra"
#: The address that was asked for.
PARAM_ADDRESS: Final = "http.address"
#: The port that is listened on; 0 as long as nobody knows.
PARAM_PORT: Final = "http.port"
#: Whether requests come over TLS.
PARAM_HTTPS: Final = "http.https"
#: Whether the servlet runs in the event loop: false for a synchronous one.
PARAM_ASYNC: Final = "http.async"

_METHOD: Final = re.compile(r"do_(async_)?[A-Z]+")


class ServletType(Enum):
    """How a servlet is called."""

    SYNC = "sync"  #: ``def do_GET(request, response)``, in a thread
    ASYNC = "async"  #: ``async def do_async_GET(request, response)``, in the event loop
    WEBSOCKET = "websocket"  #: the six coroutines ``ws_accept``, ``ws_open``, ...


def is_servlet(thing: object) -> bool:
    """Whether *thing* has a method of a servlet: ``do_GET``, ``do_async_POST`` or the like."""
    return any(_METHOD.fullmatch(name) for name in dir(thing))


def kind_of(servlet: object) -> ServletType:
    """Give the type that the methods of *servlet* tell.

    Raises:
        ConfigError: it has methods of both types, or of none.
    """
    asynchronous = {match.group(1) is not None for name in dir(servlet) if (match := _METHOD.fullmatch(name))}
    if len(asynchronous) != 1:
        has = "both do_GET and do_async_GET" if asynchronous else "neither do_GET nor do_async_GET"
        raise ConfigError(
            f"{servlet!r} has {has}, or the like. Mount a ServletService, and say there which type it is: "
            "service.register_servlet(path, servlet, servlet_type=ServletType.ASYNC)."
        )
    return ServletType.ASYNC if asynchronous == {True} else ServletType.SYNC


class BodyTooLargeError(Exception):
    """A request has *size* bytes, as far as is known, and at most *max_size* are taken."""

    def __init__(self, size: int, max_size: int) -> None:
        super().__init__(f"Request body is too large: {size} bytes, maximum is {max_size}")
        self.size = size
        self.max_size = max_size


async def read_body(reader: "asyncio.StreamReader", size: int | None, max_size: int | None) -> bytes:
    """Read *size* bytes, or to the end where it is ``None``; never more than *max_size* are held.

    Raises:
        BodyTooLargeError: there are more than *max_size*.
    """
    if size is not None and max_size is not None and size > max_size:
        raise BodyTooLargeError(size, max_size)
    # One more than may be: it shows that there is more.
    left = size if size is not None else None if max_size is None else max_size + 1
    chunks: list[bytes] = []
    read = 0
    while left is None or left > read:
        chunk = await reader.read(-1 if left is None else left - read)
        if not chunk:
            break
        chunks.append(chunk)
        read += len(chunk)
    if max_size is not None and read > max_size:
        raise BodyTooLargeError(read, max_size)
    return b"".join(chunks)


def make_html_list(items: "Iterable[Any]", tag: str = "ul") -> str:
    """Give *items* as a list of links to themselves, escaped; *tag* is ``ul`` or ``ol``."""
    rows = "\n".join(f'<li><a href="{(text := escape(str(item)))}">{text}</a></li>' for item in items)
    return f"<{tag}>\n{rows}\n</{tag}>"


def max_body_size_of(value: Any) -> int | None:
    """Give the limit that a property says: ``None``, for no limit, where it is no number or not above 0."""
    try:
        size = int(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return size if size > 0 else None
