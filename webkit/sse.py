"""Events as ``text/event-stream`` has them, by the rules of the HTML standard (server-sent events, section 9.2).

An event is lines of ``name: value``, ended by an empty line. Pure, and the one place where events are written:

- Lines end with LF, CR or CRLF, and with nothing else: U+2028 and the like are text. Data of several lines is several
  ``data`` lines, which the client puts together again with LF.
- A client drops one space behind the colon, and there is always one: data that begins with a space keeps it.
- A line break in ``id`` or ``event`` would begin a field that somebody else has chosen, and a client ignores an ``id``
  with NUL: all of them are refused.
- Without ``data`` nothing happens at the client, but it takes ``id`` and ``retry``; an empty one is an event.
- What begins with a colon is a comment, which a client skips: it keeps proxies from closing what looks idle.
"""

import re
from dataclasses import KW_ONLY, dataclass, field
from typing import Any, Final

import msgspec

__all__ = ["MEDIA_TYPE", "Event", "comment", "encode"]

MEDIA_TYPE: Final = "text/event-stream"

_LINE_END: Final = re.compile(r"\r\n|\n|\r")
_REFUSED: Final = re.compile(r"[\r\n\0]")
# SECURITY: no client counts further; and Python takes long to write a number of millions of digits.
_MAX_RETRY_MS: Final = 2**31 - 1

_encode_json = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True)
class Event:
    """One event, which is encoded where it is made: what is wrong with it is told there, and any number take its bytes.

    Attributes:
        data: text, or what becomes JSON; ``None`` for ``id`` and ``retry`` alone, of which nobody is told.
        event: the name that a page listens for; without one it is ``message``.
        id: what the client says in ``Last-Event-ID`` when it comes back; empty to forget what it knows.
        retry: after how many milliseconds a client that was cut off comes back.
        key: events of the same key replace each other where ``coalesce`` is the policy; without one the name decides.

    Raises:
        ValueError: *id* or *event* has a line break or NUL, or *retry* is negative or no whole number.
        TypeError: *data* is bytes, or nothing that JSON has.
    """

    data: Any = ""
    _: KW_ONLY
    event: str | None = None
    id: str | int | None = None
    retry: int | None = None
    key: str | None = None
    #: The bytes on the wire.
    encoded: bytes = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Encode it."""
        encoded = encode(self.data, event=self.event, id=self.id, retry=self.retry)
        object.__setattr__(self, "encoded", encoded)


def encode(data: Any = "", *, event: str | None = None, id: str | int | None = None, retry: int | None = None) -> bytes:
    """Give the bytes of one event: ``id``, ``event``, ``retry``, ``data``, and the empty line.

    *data* is text, or what becomes JSON; ``None`` leaves the field out. *retry* is in milliseconds.

    Raises:
        ValueError: *id* or *event* has a line break or NUL, or *retry* is negative or no whole number.
        TypeError: *data* is bytes, or nothing that JSON has.
    """
    head = "" if id is None else _write_field("id", str(id))
    if event is not None:
        head += _write_field("event", event)
    if retry is not None:
        head += f"retry: {_check_retry(retry)}\n"
    if data is None:
        return (head + "\n").encode()
    if isinstance(data, str):
        return f"{head}{_write_lines('data', data)}\n".encode()
    if isinstance(data, bytes | bytearray | memoryview):
        raise TypeError(f"An event stream is text, and {type(data).__name__} are not: send data.decode().")
    # JSON has no line breaks but those of its indentation, which there is none of.
    return b"%sdata: %s\n\n" % (head.encode(), _encode_json(data))


def comment(text: str = "") -> bytes:
    """Give the bytes of a comment, which clients skip."""
    return f"{_write_lines('', text)}\n".encode()


def _write_lines(name: str, text: str) -> str:
    # PERF: nearly all data is one line, and looking for two characters is ten times as fast as the expression.
    lines = _LINE_END.split(text) if "\n" in text or "\r" in text else [text]
    return "".join(_write_field(name, line, checked=True) for line in lines)


def _write_field(name: str, value: str, *, checked: bool = False) -> str:
    if not checked and _REFUSED.search(value):
        raise ValueError(f"{name}={value!r} has a line break or NUL, with which a client would read something else.")
    if value:
        return f"{name}: {value}\n"
    return f"{name}\n" if name else ":\n"


def _check_retry(retry: int) -> int:
    if isinstance(retry, bool) or not isinstance(retry, int) or not 0 <= retry <= _MAX_RETRY_MS:
        raise ValueError(f"retry={retry!r} must be a whole number of milliseconds, from 0 to {_MAX_RETRY_MS:,}.")
    return retry
