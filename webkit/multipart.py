"""Forms as ``multipart/form-data`` (RFC 7578), taken apart while they arrive. Pure: bytes in, events out.

``parser.receive(data)``, then ``parser.next_event()`` until it says ``NEED_DATA``:

- ``PartHead``: a part begins. Its data follows as ``bytes``, in pieces as large as they came, then ``END_OF_PART``.
- ``END``: the last boundary was there. What comes after it is nobody's and is thrown away.

The rules are strict where a lenient reader and another one would see different forms: a boundary has a line of its
own, a line ends with CRLF, each part has one ``Content-Disposition: form-data`` with one ``name``, header lines are
UTF-8 without control characters and are not folded. What RFC 7578 has deprecated, a ``Content-Transfer-Encoding`` that
changes the bytes and a multipart inside a part, is refused. A ``_charset_`` field is a field like any other.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Final, TypeAlias
from urllib.parse import unquote_to_bytes

from multidict import CIMultiDict, CIMultiDictProxy

from webkit.errors import Problem

__all__ = ["Event", "Mark", "MultipartParser", "PartHead", "boundary_of", "parse_parameters"]


class Mark(Enum):
    """The events that carry nothing."""

    NEED_DATA = "need data"
    END_OF_PART = "end of part"
    END = "end"


@dataclass(frozen=True, slots=True)
class PartHead:
    """The beginning of a part. *filename* is there for a file, as the client says it: no safe name for one.

    *content_type* is in lower case and without parameters, ``None`` where the part has none; *charset* is the
    parameter of this name.
    """

    name: str
    filename: str | None
    content_type: str | None
    charset: str | None
    headers: CIMultiDictProxy[str]


Event: TypeAlias = PartHead | bytes | Mark

_WORD: Final = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_NAME: Final = re.compile(_WORD)
# A quoted text ends at a quote with the end of the parameter behind it. Browsers write a backslash as it is, so the
# name of a file may end with one: then the quote behind it is the end after all.
_PARAMETER: Final = re.compile(
    rf'[ \t]*;[ \t]*({_WORD})[ \t]*=[ \t]*(?:"((?:[^"\\]|\\.)*)"(?=[ \t]*(?:;|$))|"([^"]*)"|([^\s;"]+))'
)
_END: Final = re.compile(r"[ \t;]*")
_ESCAPED: Final = re.compile(r'\\(["\\])')
_EXTENDED: Final = re.compile(r"(?i:(utf-8|iso-8859-1))'[^']*'((?:[!#$&+.^_`|~0-9A-Za-z-]|%[0-9A-Fa-f]{2})*)")
_CONTROL: Final = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_BOUNDARY: Final = re.compile(r"[0-9A-Za-z'()+_,./:=? -]{0,69}[0-9A-Za-z'()+_,./:=?-]")

_HEADER_LINES: Final = 32
# Blanks that may stand behind a boundary; nobody sends any.
_PADDING: Final = 64
_PLAIN_ENCODINGS: Final = {"7bit", "8bit", "binary"}


def boundary_of(content_type: str) -> bytes:
    """Give the boundary that the Content-Type of a request names.

    Raises:
        Problem: 415 where it is no ``multipart/form-data``, 400 where the boundary is missing or cannot be one.
    """
    media_type, parameters = parse_parameters(content_type, "The Content-Type")
    if media_type.lower() != "multipart/form-data":
        raise Problem(415, detail=f"The body must be multipart/form-data; the request says {media_type!r}.")
    boundary = parameters.get("boundary")
    if boundary is None:
        raise Problem(400, detail="The Content-Type of the form has no boundary.")
    if not _BOUNDARY.fullmatch(boundary):
        raise Problem(400, detail="The boundary of the form is none: 1 to 70 characters of those that RFC 2046 allows.")
    return boundary.encode("ascii")


def parse_parameters(value: str, what: str) -> tuple[str, dict[str, str]]:
    """Give ``("form-data", {"name": "a"})`` for ``form-data; name="a"``; the names are in lower case.

    ``name*=utf-8''...`` (RFC 5987) is read where it stands, and wins over ``name=``.

    Raises:
        Problem: 400 for what cannot be read or is said twice; the message begins with *what*.
    """
    main, _, _ = value.partition(";")
    parameters: dict[str, str] = {}
    position = len(main)
    while found := _PARAMETER.match(value, position):
        name, quoted, raw, plain = found.groups()
        name = name.lower()
        if name in parameters:
            raise Problem(400, detail=f"{what} says {name!r} twice.")
        parameters[name] = raw or plain or _ESCAPED.sub(r"\1", quoted or "")
        position = found.end()
    if not _END.fullmatch(value, position):
        raise Problem(400, detail=f"{what} cannot be read from {value[position : position + 40]!r} on.")
    for name in [name for name in parameters if name.endswith("*")]:
        parameters[name[:-1]] = _decode_extended(parameters.pop(name), what)
    return main.strip(" \t"), parameters


def _decode_extended(value: str, what: str) -> str:
    found = _EXTENDED.fullmatch(value)
    try:
        text = unquote_to_bytes(found[2]).decode(found[1]) if found else ""
    except UnicodeDecodeError:
        found = None
    if found is None or _CONTROL.search(text):
        raise Problem(400, detail=f"{what} has {value[:40]!r}, which is no text as RFC 5987 encodes it.")
    return text


class MultipartParser:
    """Takes one form apart. *header_bytes* is how many the headers of a part may have."""

    def __init__(self, boundary: bytes, *, header_bytes: int = 8192) -> None:
        self._delimiter = b"\r\n--" + boundary
        self._header_bytes = header_bytes
        # As if a line had ended before the body: then the first boundary is like all others.
        self._buffer = b"\r\n"
        self._start = 0
        self._skipped = 0
        self._parts = 0
        self._step: Callable[[MultipartParser], Event] = MultipartParser._skip_preamble

    def receive(self, data: bytes) -> None:
        """Take what came next. Ask for events until ``NEED_DATA`` before there is more."""
        rest = self._buffer[self._start :]
        self._buffer = rest + data if rest else data
        self._start = 0

    def next_event(self) -> Event:
        """Give what comes next in the form.

        Raises:
            Problem: 400 for what is no form, 413 for part headers that are too large, 415 for deprecated encodings.
        """
        return self._step(self)

    def close(self) -> None:
        """Say that nothing follows.

        Raises:
            Problem: 400 where the last boundary was missing.
        """
        if self._step is MultipartParser._skip_preamble:
            raise Problem(400, detail="There is no form in the body: the boundary of its Content-Type is not in it.")
        if self._step is not MultipartParser._skip_epilogue:
            raise Problem(400, detail="The form is cut off: its last boundary is missing.")

    def _skip_preamble(self) -> Event:
        found = self._buffer.find(self._delimiter, self._start)
        end = found if found >= 0 else self._safe_end()
        self._skipped += end - self._start
        self._start = end
        if self._skipped > self._header_bytes:
            raise Problem(400, detail="The form does not begin with the boundary of its Content-Type.")
        return Mark.NEED_DATA if found < 0 else self._pass_boundary()

    def _pass_boundary(self) -> Event:
        self._start += len(self._delimiter)
        self._step = MultipartParser._end_line
        return self._end_line()

    def _end_line(self) -> Event:
        """Read what stands behind a boundary: ``--`` after the last one, else the end of the line."""
        buffer, start = self._buffer, self._start
        if buffer.startswith(b"--", start):
            self._step = MultipartParser._skip_epilogue
            return self._skip_epilogue()
        end = buffer.find(b"\r\n", start, start + _PADDING)
        padding = buffer[start : end if end >= 0 else start + _PADDING].strip(b" \t")
        if end < 0 and padding in {b"", b"-", b"\r"} and len(buffer) < start + _PADDING:
            return Mark.NEED_DATA
        if end < 0 or padding:
            raise Problem(400, detail=f"Something stands behind the boundary of part {self._parts + 1}.")
        self._start = end
        self._step = MultipartParser._read_head
        return self._read_head()

    def _read_head(self) -> Event:
        # The end of the line before is in front of the headers: then a part without any has an end like all others.
        end = self._buffer.find(b"\r\n\r\n", self._start)
        if (end if end >= 0 else len(self._buffer)) - self._start > self._header_bytes:
            raise Problem(413, detail=f"The headers of part {self._parts + 1} exceed {self._header_bytes} bytes.")
        # The boundary behind an empty part may begin with the empty line that ends the headers.
        after = end + 2
        ahead = self._buffer[after : after + len(self._delimiter)]
        if end < 0 or (ahead != self._delimiter and self._delimiter.startswith(ahead)):
            return Mark.NEED_DATA
        self._parts += 1
        head = _parse_head(self._buffer[self._start + 2 : end], f"Part {self._parts}")
        self._start = after if ahead == self._delimiter else end + 4
        self._step = MultipartParser._read_data
        return head

    def _read_data(self) -> Event:
        buffer, start = self._buffer, self._start
        # PERF: searching from the end is three times as fast, and most blocks of a large file have no boundary.
        found = buffer.rfind(self._delimiter, start)
        if found >= 0:
            found = buffer.find(self._delimiter, start)
        self._start = found if found >= 0 else self._safe_end()
        if self._start > start:
            return buffer[start : self._start]
        if found < 0:
            return Mark.NEED_DATA
        self._step = MultipartParser._pass_boundary
        return Mark.END_OF_PART

    def _skip_epilogue(self) -> Event:
        self._buffer, self._start = b"", 0
        return Mark.END

    def _safe_end(self) -> int:
        """Say up to where the buffer cannot be the beginning of a boundary."""
        # A boundary has no CR within it, so only the last one may begin it.
        last = self._buffer.rfind(b"\r", max(self._start, len(self._buffer) - len(self._delimiter) + 1))
        return last if last >= 0 and self._delimiter.startswith(self._buffer[last:]) else len(self._buffer)


def _parse_head(block: bytes, what: str) -> PartHead:
    """Read the headers of a part, lines with CRLF between them."""
    headers = _parse_headers(block, what)
    dispositions = headers.getall("Content-Disposition", ())
    if len(dispositions) != 1:
        raise Problem(400, detail=f"{what} must have one Content-Disposition; it has {len(dispositions)}.")
    kind, parameters = parse_parameters(dispositions[0], f"The Content-Disposition of {what.lower()}")
    if kind.lower() != "form-data" or "name" not in parameters:
        raise Problem(400, detail=f'{what} must say Content-Disposition: form-data; name="...".')
    # SECURITY: two readers may each believe another one of them.
    for name in ("Content-Type", "Content-Transfer-Encoding"):
        if len(headers.getall(name, ())) > 1:
            raise Problem(400, detail=f"{what} may have one {name}; it has several.")
    encoding = headers.get("Content-Transfer-Encoding", "binary").lower()
    if encoding not in _PLAIN_ENCODINGS:
        raise Problem(415, detail=f"{what} is sent as {encoding!r}. Send its bytes as they are.")
    content_type, charset = None, None
    if "Content-Type" in headers:
        media_type, more = parse_parameters(headers["Content-Type"], f"The Content-Type of {what.lower()}")
        content_type, charset = media_type.lower() or None, more.get("charset")
    if content_type is not None and content_type.startswith("multipart/"):
        raise Problem(415, detail=f"{what} is a multipart of its own. Send each file as a part of the form.")
    return PartHead(parameters["name"], parameters.get("filename"), content_type, charset, CIMultiDictProxy(headers))


def _parse_headers(block: bytes, what: str) -> CIMultiDict[str]:
    try:
        lines = block.decode().split("\r\n") if block else []
    except UnicodeDecodeError:
        raise Problem(400, detail=f"The headers of {what.lower()} are no UTF-8.") from None
    if len(lines) > _HEADER_LINES:
        raise Problem(413, detail=f"{what} has more than {_HEADER_LINES} header lines.")
    headers: CIMultiDict[str] = CIMultiDict()
    for line in lines:
        name, colon, value = line.partition(":")
        if not (colon and _NAME.fullmatch(name)) or _CONTROL.search(value):
            raise Problem(400, detail=f"{what} has the line {line[:40]!r}, which is no header.")
        headers.add(name, value.strip(" \t"))
    return headers
