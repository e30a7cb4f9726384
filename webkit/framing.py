"""Where the requests on a connection begin and end, read beside aiohttp's parser, which does not tell. Pure.

The parser decides what is right and what is not; this only counts, so that three things can be done around it: a
request that says it is the last one is answered, and what follows is ignored; chunk extensions and trailers are
limited; and when the parser fails, the head that it failed in is known. What the parser refuses may be read wrongly
here: nothing comes after it.
"""

import re
from typing import Final

from webkit.checks import Refusal

__all__ = ["MAX_EXTRA_BYTES", "BadFraming", "Framing"]

#: Of chunk extensions and trailers in one request; nobody reads them.
MAX_EXTRA_BYTES: Final = 16 * 1024

_BLANK: Final = b"\r\n\r\n"
_LENGTH: Final = re.compile(rb"\r\ncontent-length:[ \t]*([0-9]+)")
_CHUNKED: Final = re.compile(rb"\r\ntransfer-encoding:[^\r]*chunked[ \t]*\r")
_CONNECTION: Final = re.compile(rb"\r\nconnection:([^\r]*)")
_SIZE: Final = re.compile(rb"[0-9A-Fa-f]+")
_CLOSING_VERSIONS: Final = {b"http/1.0", b"http/0.9"}
# Nobody has a body of an exabyte, and the parsers do not agree on longer numbers.
_LENGTH_DIGITS: Final = 18
# Zeros before the size of a chunk are extra too.
_SIZE_DIGITS: Final = 16


class BadFraming(Exception):
    """A request that must not go on; *refusal* says why."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.refusal = Refusal(status, detail)


class Framing:
    """Follows one connection through its requests. *max_head* is how many bytes a head may have."""

    __slots__ = ("_chunks", "_closes", "_head", "_left", "_max_head", "_may_switch", "is_between", "is_over")

    def __init__(self, max_head: int) -> None:
        #: Whether the next byte begins a request.
        self.is_between = True
        #: Whether the request that ended last says that no other follows.
        self.is_over = False
        self._max_head = max_head
        self._head = bytearray()
        self._left = 0
        self._chunks: _Chunks | None = None
        self._closes = False
        self._may_switch = False

    def feed(self, data: bytes, start: int = 0) -> int:
        """Read on from *start*, and give where it stopped.

        That is the end of *data*, or before it the end of a request behind which there may be no other: one that closes
        the connection (``is_over``), or one that asks for another protocol.

        Raises:
            BadFraming: the head is too long, or what is no content of a chunked body.
        """
        position = start
        while position < len(data) and not self.is_over:
            position = self._advance(data, position)
            if self.is_between and (self._closes or self._may_switch):
                if not self._may_switch:
                    self.end()
                return position
        return position

    def begun(self, data: bytes) -> bytes:
        """Give the head that *data*, which is not fed yet, begins or continues; nothing where it continues a body."""
        if not self.is_between and not self._head:
            return b""
        return bytes(self._head) + data[: self._max_head]

    def end(self) -> None:
        """Ignore all that follows."""
        self.is_between = False
        self.is_over = True

    def _advance(self, data: bytes, position: int) -> int:
        if self._left:
            step = min(self._left, len(data) - position)
            self._left -= step
            self.is_between = not self._left
            return position + step
        if self._chunks is not None:
            position = self._chunks.feed(data, position)
            if self._chunks.is_complete:
                self._chunks = None
                self.is_between = True
            return position
        return self._feed_head(data, position)

    def _feed_head(self, data: bytes, position: int) -> int:
        known = len(self._head)
        end = data.find(_BLANK, position)
        if not known and position < end <= position + self._max_head:
            # PERF: a head that came as a whole.
            self._read(data[position : end + 2].lower())
            return end + len(_BLANK)
        while not known and position < len(data) and data[position] in b"\r\n":
            position += 1  # empty lines before a request are ignored
        self._head += data[position : position + self._max_head + len(_BLANK) - known]
        end = self._head.find(_BLANK, max(0, known - len(_BLANK) + 1))
        if end < 0 and len(self._head) < self._max_head:
            self.is_between = not self._head
            return len(data)
        if not 0 <= end <= self._max_head:
            what, status = ("head", 431) if b"\n" in self._head else ("address", 414)
            raise BadFraming(status, f"The {what} is longer than this server takes: {self._max_head} bytes.")
        head = bytes(self._head[: end + 2]).lower()
        self._head.clear()
        self._read(head)
        return position + end + len(_BLANK) - known

    def _read(self, head: bytes) -> None:
        """Note what follows *head*, which is in lower case and ends with one line break."""
        self._closes = head[head.find(b"\r") - 8 : head.find(b"\r")] in _CLOSING_VERSIONS
        if b"\r\nconnection:" in head:
            tokens = {token.strip() for said in _CONNECTION.findall(head) for token in said.split(b",")}
            self._closes = b"keep-alive" not in tokens if self._closes else b"close" in tokens
        self._may_switch = b"\r\nupgrade:" in head or head.startswith(b"connect ")
        if b"\r\ntransfer-encoding:" in head and _CHUNKED.search(head):
            self._chunks = _Chunks()
            self.is_between = False
        elif b"\r\ncontent-length:" in head and not head.startswith(b"connect "):
            self._left = _length_in(head)
            self.is_between = not self._left
        else:
            self.is_between = True


def _length_in(head: bytes) -> int:
    found = _LENGTH.search(head)
    if found is None:
        return 0  # the parser will say what is wrong
    if len(found[1]) > _LENGTH_DIGITS:
        raise BadFraming(400, "The Content-Length is too large.")
    return int(found[1])


class _Chunks:
    """Follows a chunked body, and counts what is no content."""

    __slots__ = ("_extra", "_is_in_trailers", "_left", "_line", "is_complete")

    def __init__(self) -> None:
        self.is_complete = False
        self._left = 0  # of a chunk, with the line break behind it
        self._line = b""
        self._extra = 0
        self._is_in_trailers = False

    def feed(self, data: bytes, position: int) -> int:
        size = len(data)
        while not self.is_complete:
            if self._left >= size - position:
                self._left -= size - position
                return size
            position += self._left
            end = data.find(b"\n", position) + 1
            line = self._line + data[position : end or size]
            if not end:
                self._check(len(line) - _SIZE_DIGITS)
                self._line, self._left = line, 0
                return size
            self._line = b""
            self._left = self._read(line)
            position = end
        return position

    def _read(self, line: bytes) -> int:
        """Give how many bytes come before the next line of the framing."""
        if self._is_in_trailers:
            self.is_complete = line in {b"\r\n", b"\n"}
            self._extra += len(line)
            self._check(0)
            return 0
        found = _SIZE.match(line)
        if found is None:
            self.is_complete = True  # the parser will say why
            return 0
        digits = found[0]
        if len(line) > len(digits) + 2 or len(digits) > _SIZE_DIGITS:
            self._extra += len(line) - 2 - min(len(digits), _SIZE_DIGITS)
            self._check(0)
            if len(digits.lstrip(b"0")) > _SIZE_DIGITS:
                raise BadFraming(400, "A chunk is too large.")
        chunk = int(digits[-_SIZE_DIGITS:], 16)
        self._is_in_trailers = not chunk
        return chunk + 2 if chunk else 0

    def _check(self, extra: int) -> None:
        if self._extra + extra > MAX_EXTRA_BYTES:
            raise BadFraming(400, f"The chunks have more than {MAX_EXTRA_BYTES} bytes of extensions and trailers.")
