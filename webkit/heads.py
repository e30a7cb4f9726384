"""The head of a buffered response, from bytes that were made before: by status and content type, and by the second.

The lines are those of aiohttp, in its order.
"""

import re
import time
from collections.abc import Collection
from email.utils import formatdate
from functools import lru_cache
from http import HTTPStatus
from typing import Any, Final

from aiohttp.http import SERVER_SOFTWARE

__all__ = [
    "RULED",
    "RULED_IN_ERRORS",
    "Head",
    "check_attribute",
    "check_header",
    "has_control",
    "head_for",
    "headers_in",
    "headers_of",
    "lines_of",
    "put_together",
    "reason_of",
]

_REASONS: Final = {status.value: status.phrase for status in HTTPStatus}
_WITHOUT_BODY: Final = frozenset({*range(100, 200), 204, 304})
#: The headers that aiohttp has rules for.
RULED: Final = frozenset(
    ("connection", "content-encoding", "content-length", "content-type", "date", "server", "transfer-encoding")
)
#: The same where a content type of one's own is nothing special.
RULED_IN_ERRORS: Final = RULED - {"content-type"}
# What aiohttp refuses in a header: control characters, but the tab.
_CONTROLS: Final = bytes({*range(32), 127} - {9})
_CONTROL: Final = re.compile(f"[{re.escape(_CONTROLS.decode())}]")
# The type of what has none comes behind the length.
_OCTETS: Final = b"\r\nContent-Type: application/octet-stream"


def reason_of(status: int) -> str:
    """Give the reason phrase of *status*; there is none for what is no status of HTTP."""
    return _REASONS.get(status, "")


class Head:
    """The head of all responses with one status and content type, as far as it is always the same.

    The content type is empty where it is among further headers. *ending* are the lines of the last headers.
    """

    __slots__ = ("content_type", "ending", "fields", "is_usual", "line", "start", "status")

    def __init__(self, status: int, content_type: str | None, ending: bytes = b"") -> None:
        """Make it (``ValueError`` for a *content_type* that would end the line)."""
        if content_type is not None:
            check_header("Content-Type", content_type)
        self.status = status
        self.content_type = content_type
        self.line = f"HTTP/1.1 {status} {reason_of(status)}\r\n".encode()
        self.ending = ending
        self.is_usual = content_type is not None and not ending
        self.fields = b"Content-Length: "
        if content_type:
            self.fields = f"Content-Type: {content_type}\r\n".encode() + self.fields
        #: Up to the length of the body; empty where there may be none: 1xx, 204 and 304.
        self.start = b"" if status in _WITHOUT_BODY else self.line + self.fields


#: Gives the head for a status and a content type.
head_for: Final = lru_cache(maxsize=512)(Head)


class _Clock:
    """What ends the head of every response of one second: the date, and what is always the same."""

    second = 0
    end = b""

    def tick(self, now: int) -> None:
        """Go on to the second *now* of the epoch."""
        self.end = f"\r\nDate: {formatdate(now, usegmt=True)}\r\nServer: {SERVER_SOFTWARE}\r\n\r\n".encode()
        self.second = now  # last: another thread, with a server of its own, believes it


_clock: Final = _Clock()


def put_together(head: Head, more: bytes, content: bytes) -> bytes:
    """Give the whole answer, made now; *more* are lines of further headers."""
    now = int(time.time())
    if now != _clock.second:
        _clock.tick(now)
    start, end = head.start, _clock.end
    if more or not head.is_usual:
        start = head.line + more + head.fields
        end = (_OCTETS if head.content_type is None else b"") + end[:-2] + head.ending + b"\r\n"
    return b"%b%d%b%b" % (start, len(content), end, content)


def headers_in(answer: bytes) -> list[tuple[str, str]]:
    """Give the headers of an *answer* that was put together here."""
    return headers_of(answer[answer.index(b"\r\n") + 2 : answer.index(b"\r\n\r\n") + 2])


def headers_of(lines: bytes) -> list[tuple[str, str]]:
    """Give the headers in *lines* as they were written by :func:`lines_of`."""
    pairs = (line.partition(": ") for line in lines.decode().split("\r\n")[:-1])
    return [(name, value) for name, _, value in pairs]


def lines_of(headers: Collection[tuple[Any, Any]], *, ruled: frozenset[str] = RULED) -> bytes | None:
    """Give the lines of *headers*, ``None`` where one is *ruled*: aiohttp does more with it than to send it.

    Raises:
        ValueError: one of them has a control character.
    """
    lines, count = "", 0
    for name, value in headers:
        if not isinstance(name, str) or not isinstance(value, str) or name.lower() in ruled:
            return None
        lines += f"{name}: {value}\r\n"
        count += 1
    try:
        encoded = lines.encode()
    except UnicodeEncodeError:  # half a character, which aiohttp leaves out
        return None
    # PERF: one look at all of them, for the line breaks that they end with and nothing else.
    if len(encoded) - len(encoded.translate(None, _CONTROLS)) != 2 * count:
        for name, value in headers:
            check_header(name, value)
    return encoded


def check_header(name: str, value: str) -> None:
    """Refuse a header that would end too early, so that what it says next would be another one, or the body.

    Raises:
        ValueError: it has a line break or another control character.
    """
    # SECURITY: aiohttp refuses it too, but when it writes the headers: too late for an answer.
    if has_control(name + value):
        raise ValueError(f"The header {name!r}: {value!r} has a control character.")


def has_control(text: str) -> bool:
    """Whether *text* has a line break or another control character that cannot stand in a header."""
    # PERF: nearly always all of it is printable, which is one look.
    return not text.isprintable() and _CONTROL.search(text) is not None


def check_attribute(cookie: str, text: str) -> None:
    """Refuse *text* for an attribute of a *cookie* that would be more than one (``ValueError``)."""
    # SECURITY: Python quotes the value of a cookie, and writes its attributes as they are.
    if ";" in text or not text.isprintable():
        raise ValueError(f"{text!r} for the cookie {cookie!r} has a semicolon or a control character.")
