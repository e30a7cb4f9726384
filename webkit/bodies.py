"""What is wrong with a request body: told from the exception that aiohttp's readers let go.

``await request.json()`` fails with a ``ValueError`` for bad JSON, ``post()`` with a ``RuntimeError`` for a bad part and
so on, which would be a 500 where the handler lets it go. What has come through one of the readers of the body is the
client's fault, and becomes a problem document that says what is wrong. The same exception from anywhere else is a crash
as ever: so is that of ``json.loads(await request.text())``, which nobody can tell from the handler's own mistakes.
"""

from collections.abc import Iterator
from types import CodeType, FrameType, TracebackType
from typing import Any, Final, NamedTuple
from zlib import error as ZlibError

import msgspec
from aiohttp import EMPTY_PAYLOAD, BodyPartReader, MultipartReader, StreamReader, web
from aiohttp.http import HttpProcessingError
from aiohttp.web_request import BaseRequest

from webkit._aiohttp import PulledReader, content_of
from webkit.errors import Problem
from webkit.inflating import BrokenCoding

__all__ = ["causes_of", "find_fault", "is_cut_off", "let_go", "streams_of"]

# What the readers raise, and what decoders of JSON do. Warnings are among them where they are made errors.
_FAULTS: Final = (
    ValueError,
    LookupError,
    AssertionError,
    RuntimeError,
    EOFError,
    HttpProcessingError,
    ZlibError,
    msgspec.MsgspecError,
    Warning,
)
_MESSAGE_LENGTH: Final = 300


class _Reader(NamedTuple):
    """A method that reads a body: whose it is, and what to say when it fails."""

    words: str
    owner: str


_OF_REQUEST: Final = {
    BaseRequest.json: "The body is no JSON",
    BaseRequest.post: "The form cannot be read",
    BaseRequest.multipart: "The multipart body cannot be read",
    BaseRequest.text: "The body cannot be read",
    BaseRequest.read: "The body cannot be read",
}
_OF_PARTS: Final = (
    *(MultipartReader.__init__, MultipartReader.next, MultipartReader.release, MultipartReader.fetch_next_part),
    *(BodyPartReader.read, BodyPartReader.read_chunk, BodyPartReader.readline, BodyPartReader.release),
    *(BodyPartReader.text, BodyPartReader.json, BodyPartReader.form, BodyPartReader.decode, BodyPartReader.decode_iter),
)
_OF_STREAMS: Final = (
    *(StreamReader.readuntil, StreamReader.readexactly, StreamReader.read, StreamReader.readany),
    type(EMPTY_PAYLOAD).readexactly,
)

_READERS: Final[dict[CodeType, _Reader]] = {
    **{method.__code__: _Reader(words, "request") for method, words in _OF_REQUEST.items()},
    **{method.__code__: _Reader(_OF_REQUEST[BaseRequest.multipart], "part") for method in _OF_PARTS},
    **{method.__code__: _Reader(_OF_REQUEST[BaseRequest.read], "stream") for method in _OF_STREAMS},
}
_NEEDS_MULTIPART: Final = {BaseRequest.multipart.__code__, MultipartReader.__init__.__code__}


def find_fault(request: web.Request, error: BaseException) -> Problem | None:
    """Give the problem with the body of *request* that *error* is about, ``None`` where it is about something else.

    415 for a body that is no multipart body or in a charset that nobody knows, else 400. Text that was read well, but
    holds what no text can be sent with, shows only when the handler gives it back.
    """
    if isinstance(error, web.RequestPayloadError):
        why = f": {_message_of(error)}" if isinstance(error, BrokenCoding) else ""
        return Problem(400, detail=f"The body of the request is broken{why}.")
    if isinstance(error, UnicodeEncodeError) and request.body_exists and _is_half_a_character(error):
        return Problem(400, detail="The text of the body holds half of a character, which cannot be sent back.")
    if not isinstance(error, _FAULTS) or _is_misuse(error):
        return None
    found = next(_readers_in(request, error.__traceback__), None)
    if found is None:
        return None
    code, reader = found
    if code in _NEEDS_MULTIPART and not request.content_type.startswith("multipart/"):
        return Problem(415, detail=f"The body must be multipart; the request says {request.content_type}.")
    if type(error) is LookupError:
        return Problem(415, detail=f"{reader.words}: it says a charset that nobody knows.")
    return Problem(400, detail=f"{reader.words}: {_message_of(error)}")


def is_cut_off(request: web.Request, error: BaseException) -> bool:
    """Whether *error*, whose client is gone, is about that: about the connection, or about the rest of the body."""
    return any(
        isinstance(cause, ConnectionError)
        or cause in [stream.exception() for stream in streams_of(request)]
        or next(_readers_in(request, cause.__traceback__), None) is not None
        for cause in causes_of(error)
    )


def let_go(error: BaseException) -> None:
    """Let go of what the readers hold through which *error* has come.

    aiohttp does not close the files of a form that it could not read. That happens when nobody has a name for them any
    more, which may be long after the answer where an exception still knows all frames.
    """
    traceback = error.__traceback__
    while traceback is not None:
        if traceback.tb_frame.f_code in _READERS:
            traceback.tb_frame.clear()
        traceback = traceback.tb_next


def streams_of(request: web.Request) -> tuple[StreamReader, ...]:
    """Give the stream that the body of *request* is read from, and the one of the connection that is behind it."""
    content = request.content
    return (content, content.source) if isinstance(content, PulledReader) else (content,)


def causes_of(error: BaseException) -> Iterator[BaseException]:
    """Give *error*, the exception that it was raised from, and so on."""
    seen: set[int] = set()
    cause: BaseException | None = error
    while cause is not None and id(cause) not in seen:
        seen.add(id(cause))
        yield cause
        cause = cause.__cause__


def _readers_in(request: web.Request, traceback: TracebackType | None) -> Iterator[tuple[CodeType, _Reader]]:
    """Give the readers of the body that an exception has come through, the outermost first."""
    while traceback is not None:
        frame = traceback.tb_frame
        reader = _READERS.get(frame.f_code)
        if reader is not None and (reader.owner == "request" or _reads_body(request, frame, reader)):
            yield frame.f_code, reader
        traceback = traceback.tb_next


def _reads_body(request: web.Request, frame: FrameType, reader: _Reader) -> bool:
    """Whether what *frame* reads is the body of *request*, and not an answer that its handler got from elsewhere."""
    values: Any = frame.f_locals
    read = values.get("self")
    if reader.owner == "part":
        read = content_of(read) or values.get("content")
    return read in streams_of(request)


def _is_half_a_character(error: UnicodeEncodeError) -> bool:
    """Whether *error* is about one that only an escape makes, such as JSON's ``\\ud800``, and nothing on this machine.

    File names and headers that are no UTF-8 are kept by Python in others, from U+DC80 to U+DCFF.
    """
    character = error.object[error.start]
    return "\ud800" <= character <= "\udfff" and not "\udc80" <= character <= "\udcff"


def _is_misuse(error: BaseException) -> bool:
    """Whether it is aiohttp's streams that complain: of two who read at the same time."""
    frame: FrameType | None = None
    traceback = error.__traceback__
    while traceback is not None:
        frame = traceback.tb_frame
        traceback = traceback.tb_next
    return (
        isinstance(error, RuntimeError)
        and frame is not None
        and frame.f_globals.get("__name__") == StreamReader.__module__
    )


def _message_of(error: BaseException) -> str:
    """Give what *error* says, in a length and in characters that can be sent."""
    message = "it is nested too deeply" if isinstance(error, RecursionError) else str(error)
    if isinstance(error, HttpProcessingError):
        message = error.message
    return message[:_MESSAGE_LENGTH].encode("utf-8", "backslashreplace").decode("utf-8")
