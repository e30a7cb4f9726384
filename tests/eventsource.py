"""A client of event streams, written from the HTML standard alone (section 9.2.6): what webkit writes is held to it."""

import re
from dataclasses import dataclass, field

_LINE = re.compile(rb"(.*?)(\r\n|\n|\r)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Message:
    """What a page is told: the name of the event, its data, and the id that was last sent."""

    data: str
    event: str = "message"
    last_id: str = ""


@dataclass
class EventSource:
    """The state of a client. Feed it any pieces of a stream; it takes down what a page would be told."""

    messages: list[Message] = field(default_factory=list)
    comments: list[str] = field(default_factory=list)
    last_id: str = ""
    retry_ms: int | None = None
    _buffer: bytes = b""
    _has_begun: bool = False
    _data: str = ""
    _event: str = ""
    _id: str = ""

    def feed(self, piece: bytes) -> None:
        """Read all lines that are complete. A CR at the end waits for what follows: it may be half of a CRLF."""
        self._buffer += piece
        if not self._has_begun and len(self._buffer) >= 3:
            self._has_begun = True
            self._buffer = self._buffer.removeprefix(b"\xef\xbb\xbf")
        while (found := _LINE.match(self._buffer)) and not (found[2] == b"\r" and found.end() == len(self._buffer)):
            self._buffer = self._buffer[found.end() :]
            self._read_line(found[1].decode("utf-8", "replace"))

    def _read_line(self, line: str) -> None:
        if not line:
            self._dispatch()
        elif line.startswith(":"):
            self.comments.append(line[1:])
        else:
            name, _, value = line.partition(":")
            self._read_field(name, value.removeprefix(" "))

    def _read_field(self, name: str, value: str) -> None:
        if name == "event":
            self._event = value
        elif name == "data":
            self._data += value + "\n"
        elif name == "id" and "\0" not in value:
            self._id = value
        elif name == "retry" and value.isascii() and value.isdigit():
            self.retry_ms = int(value)

    def _dispatch(self) -> None:
        self.last_id = self._id
        data, event = self._data, self._event
        self._data = self._event = ""
        if data:
            self.messages.append(Message(data.removesuffix("\n"), event or "message", self.last_id))


def read_events(stream: bytes) -> list[Message]:
    """Give what a page is told of a whole *stream*."""
    source = EventSource()
    source.feed(stream)
    return source.messages
