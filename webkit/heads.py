"""The head of a buffered response, from bytes that were made before: by status and content type, and by the second.

The lines are those of aiohttp, in its order.
"""

import time
from email.utils import formatdate
from functools import lru_cache
from http import HTTPStatus
from typing import Final

from aiohttp.http import SERVER_SOFTWARE

__all__ = ["Head", "check_header", "head_for", "headers_in", "put_together"]

_REASONS: Final = {status.value: status.phrase for status in HTTPStatus}
_WITHOUT_BODY: Final = frozenset({*range(100, 200), 204, 304})
# The type of what has none comes behind the length.
_OCTETS: Final = b"\r\nContent-Type: application/octet-stream"


class Head:
    """The head of all responses with one status and content type, as far as it is always the same."""

    __slots__ = ("content_type", "start", "status")

    def __init__(self, status: int, content_type: str | None) -> None:
        """Make it (``ValueError`` for a *content_type* that would end the line)."""
        if content_type is not None:
            check_header("Content-Type", content_type)
        self.status = status
        self.content_type = content_type
        #: Up to the length of the body; empty where there may be none: 1xx, 204 and 304.
        self.start = b""
        if status not in _WITHOUT_BODY:
            line = "" if content_type is None else f"Content-Type: {content_type}\r\n"
            self.start = f"HTTP/1.1 {status} {_REASONS.get(status, '')}\r\n{line}Content-Length: ".encode()


#: Gives the head for a status and a content type.
head_for: Final = lru_cache(maxsize=512)(Head)


class _Clock:
    """What ends the head of every response of one second: the date, and what is always the same."""

    second = 0
    end = b""

    def tick(self, now: int) -> None:
        """Go on to the second *now* of the epoch."""
        self.second = now
        self.end = f"\r\nDate: {formatdate(now, usegmt=True)}\r\nServer: {SERVER_SOFTWARE}\r\n\r\n".encode()


_clock: Final = _Clock()


def put_together(head: Head, content: bytes) -> bytes:
    """Give the whole answer, made now."""
    now = int(time.time())
    if now != _clock.second:
        _clock.tick(now)
    end = _clock.end if head.content_type is not None else _OCTETS + _clock.end
    return b"%b%d%b%b" % (head.start, len(content), end, content)


def headers_in(answer: bytes) -> dict[str, str]:
    """Give the headers of an *answer* that was put together here."""
    _, *lines = answer[: answer.index(b"\r\n\r\n")].decode().split("\r\n")
    return dict(line.split(": ", 1) for line in lines)


def check_header(name: str, value: str) -> None:
    """Refuse a header that would end too early, so that what it says next would be another one, or the body.

    Raises:
        ValueError: it has a line break or a null byte.
    """
    # SECURITY: aiohttp refuses it too, but when it writes the headers: too late for an answer.
    text = name + value
    if "\n" in text or "\r" in text or "\0" in text:
        raise ValueError(f"The header {name!r}: {value!r} has a line break or a null byte.")
