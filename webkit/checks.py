"""What is wrong with a request as HTTP, and what the client is told of it. Pure.

aiohttp's parser refuses most of what RFC 9112 forbids. What it lets through, :func:`find_refusal` finds in the parsed
request; for what it refuses itself, :func:`explain` finds the status, which it does not tell.
"""

import re
from collections.abc import Mapping
from ipaddress import IPv6Address
from typing import Final, NamedTuple

from aiohttp import HttpVersion, HttpVersion10, HttpVersion11, hdrs
from aiohttp.http import HttpProcessingError
from aiohttp.http_exceptions import BadHttpMessage, BadHttpMethod, BadStatusLine, InvalidHeader, LineTooLong
from aiohttp.web_request import BaseRequest

__all__ = [
    "GOOD_HOSTS",
    "Limits",
    "Refusal",
    "explain",
    "find_refusal",
    "is_ordinary",
    "name_of_host",
    "reason_of",
    "request_line_of",
]

# A name, of DNS or of a container, or an address; an international name is sent in its ASCII form.
_HOST: Final = re.compile(r"([A-Za-z0-9._-]+|\[([0-9A-Fa-f:.]+)\])(?::([0-9]{0,5}))?")
_REQUEST_LINE: Final = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]{1,64}) \S+ ([A-Z]+/[0-9.]{1,8})")
# The reason in a message of the parser, which goes on with what was sent: that may be a secret.
_REASON: Final = re.compile(r"(?:Bad status line:\n  )?([^\n]+):\n\n")
_SPEAKS: Final = (HttpVersion11, HttpVersion10)
_SHOWN: Final = 100
_GOOD_HOSTS_KEPT: Final = 512

#: Values of Host that were found to be good, so that nobody looks at them again.
GOOD_HOSTS: Final[set[str]] = set()


class Refusal(NamedTuple):
    """Why a request is refused: *status* for the client's program, *detail* for people."""

    status: int
    detail: str


class Limits(NamedTuple):
    """How much a head may be: bytes of a request line, of a header, of all together, and the number of headers."""

    line: int
    field: int
    headers: int
    head: int


def is_ordinary(request: BaseRequest) -> bool:
    """Whether *request* has nothing to refuse, and nothing that an application must do something about first."""
    headers = request.headers
    return (
        headers.get(hdrs.HOST) in GOOD_HOSTS
        and request.version is HttpVersion11
        and request.raw_path[:1] == "/"
        and hdrs.TRANSFER_ENCODING not in headers
        and hdrs.CONTENT_ENCODING not in headers
        and hdrs.EXPECT not in headers
    )


def find_refusal(version: HttpVersion, target: str, headers: Mapping[str, str]) -> Refusal | None:
    """Give why a request must not be handled, or ``None``. *target* is what the request line says.

    ``None`` for sure, and need not be asked, for what :func:`is_ordinary`.
    """
    return (
        _refuse_version(version)
        or _refuse_host(headers.get(hdrs.HOST))
        or _refuse_target(target)
        or _refuse_coding(version, headers.get(hdrs.TRANSFER_ENCODING))
    )


def name_of_host(text: str) -> str | None:
    """Give the name or the address of ``host[:port]``, an IPv6 address with its brackets; ``None`` if it is none."""
    found = _HOST.fullmatch(text)
    if found is None or int(found[3] or 0) > 65535:
        return None
    return found[1] if found[2] is None or _is_ipv6(found[2]) else None


def explain(error: HttpProcessingError, begun: bytes, limits: Limits) -> Refusal:
    """Give the status and the text for what the parser refuses. *begun* is the head so far, empty if not known."""
    line = request_line_of(begun)
    if isinstance(error, LineTooLong):
        if len(line) > limits.line:
            return Refusal(414, f"The address is longer than this server takes: {limits.line} bytes.")
        return Refusal(431, f"A header is longer than this server takes: {limits.field} bytes.")
    if error.message == "Too many headers received":
        return Refusal(431, f"There are more headers than this server takes: {limits.headers}.")
    found = _REQUEST_LINE.fullmatch(line)
    if found is not None and found[2] not in {b"HTTP/1.0", b"HTTP/1.1"}:
        return Refusal(505, f"This server speaks HTTP/1.1 and HTTP/1.0, not {found[2].decode()}.")
    # The message has what the parser stumbled over; it may have been another request behind the first.
    if found is not None and isinstance(error, BadHttpMethod) and found[1].decode() in error.message:
        return Refusal(501, f"This server does not know the method {found[1].decode()}.")
    return Refusal(400, reason_of(error))


def request_line_of(begun: bytes) -> bytes:
    """Give the first line of a head, as far as it was sent."""
    return begun.lstrip(b"\r\n").partition(b"\n")[0].rstrip(b"\r")


def _is_ipv6(text: str) -> bool:
    try:
        IPv6Address(text)
    except ValueError:
        return False
    return True


def _refuse_version(version: HttpVersion) -> Refusal | None:
    if version in _SPEAKS:
        return None
    return Refusal(505, f"This server speaks HTTP/1.1 and HTTP/1.0, not HTTP/{version.major}.{version.minor}.")


def _refuse_host(host: str | None) -> Refusal | None:
    # Without one, the parser refuses HTTP/1.1 itself.
    if host is None or host in GOOD_HOSTS:
        return None
    if name_of_host(host) is None:
        return Refusal(400, f"The Host header is no host: {host[:_SHOWN]!a}.")
    if len(GOOD_HOSTS) >= _GOOD_HOSTS_KEPT:
        GOOD_HOSTS.clear()
    GOOD_HOSTS.add(host)
    return None


def _refuse_target(target: str) -> Refusal | None:
    """Check the host of an absolute address, which counts instead of the header (RFC 9112, 3.2.2)."""
    _, is_absolute, rest = target.partition("://")
    if target.startswith("/") or not is_absolute:
        return None
    host = re.split(r"[/?#]", rest, maxsplit=1)[0]
    if name_of_host(host) is None:
        return Refusal(400, f"The host in the address is none: {host[:_SHOWN]!a}.")
    return None


def _refuse_coding(version: HttpVersion, coding: str | None) -> Refusal | None:
    if coding is None:
        return None
    if version == HttpVersion10:
        # SECURITY: a proxy that speaks HTTP/1.0 does not know the header, and sees the body end elsewhere.
        return Refusal(400, "There is no Transfer-Encoding in HTTP/1.0.")
    if not coding:
        return Refusal(400, "The Transfer-Encoding is empty.")
    if coding.lower() != "chunked":
        return Refusal(501, f"The only Transfer-Encoding here is 'chunked', not {coding[:_SHOWN]!a}.")
    return None


def reason_of(error: HttpProcessingError) -> str:
    """Say what the parser found, but nothing of what the client has sent."""
    found = _REASON.match(error.message)
    if found is not None:
        return f"{found[1]}."
    if isinstance(error, BadHttpMethod) and "HTTPS" in error.message:
        return "This is HTTPS, and the server speaks HTTP here."
    if isinstance(error, BadStatusLine):
        return "The first line is no request line."
    if isinstance(error, InvalidHeader):
        return "A header is malformed."
    if type(error) is BadHttpMessage:
        return error.message
    return "The request is malformed."
