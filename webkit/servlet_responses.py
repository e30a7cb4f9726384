"""The response of an asynchronous servlet: it sends at once what the servlet says, in as few steps as that takes."""

import re
from contextlib import suppress
from functools import lru_cache
from typing import Any, Final

from aiohttp import hdrs, web
from multidict import CIMultiDict

from webkit import sse
from webkit.buffered import answer_content
from webkit.heads import has_control
from webkit.responses import RUNNING, Response
from webkit.servlet_registry import Binding
from webkit.servlet_types import AbstractAsyncHTTPServletResponse, AbstractAsyncWriter, Writable, encode_content

__all__ = ["AsyncResponse", "StreamIsOver", "add_header", "announced_length", "bytes_of", "check_status", "put_header"]

_CLIENT_GONE: Final = "Client connection reset during SSE send"
_BODILESS: Final = {204, 304}
_FRAMING: Final = "transfer-encoding"
_NOT_REPLACED: Final = {"set-cookie", _FRAMING}
_NAME: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")


class StreamIsOver(OSError):
    """There are no more events. A servlet that lets it go has ended in order."""


class AsyncResponse(AbstractAsyncHTTPServletResponse):
    """The response of an asynchronous servlet."""

    # PERF: no slots: Python makes objects without them faster, and what few need is not set for each.
    _status = 200
    _reason: str | None = None
    _headers: CIMultiDict[str] | None = None
    _is_events = False
    _is_waiting = False
    #: Bytes of the body that were announced and are still to come; ``None`` for any number.
    _left: int | None = None

    def __init__(self, request: web.Request, binding: Binding) -> None:
        self._request = request
        self._binding = binding
        #: What is sent, from the headers on.
        self.response: web.StreamResponse | None = None
        #: Whether the whole answer is there, and was sent or is about to be.
        self.is_complete = False

    def set_response(self, code: int, message: str | None = None) -> None:
        """Say the status and perhaps its words."""
        self._check_open("the response code")
        self._status, self._reason = check_status(code, message)

    def set_header(self, name: str, value: Any) -> None:
        """Set a header in the place of those of that name."""
        self._check_open("them")
        put_header(self._own_headers(), name, value)

    def add_header(self, name: str, value: Any) -> None:
        """Add a header beside those of that name."""
        self._check_open("them")
        add_header(self._own_headers(), name, value)

    def is_header_set(self, name: str) -> bool:
        """Whether the servlet has set this header."""
        return self._headers is not None and name in self._headers

    async def end_headers(self) -> None:
        """Send the headers; the second time does nothing."""
        if self.response is not None:
            return
        self._left = announced_length(self._own_headers())
        self.response = self._make_stream()
        if not self._has_body():
            # The application around would cancel who streams a body nobody may get; here it is dropped as it comes.
            _let_run(self._request)
        await self.response.prepare(self._request)

    def get_wfile(self) -> "AsyncWriter":
        """Give the body to write to."""
        return AsyncWriter(self._request, self)

    async def write(self, data: Writable) -> None:
        """Write a copy of *data*; nothing goes where no body may, nor beyond the length that was announced.

        Raises:
            OSError: the client is gone.
            RuntimeError: the headers are missing.
            TypeError: *data* is no bytes.
        """
        response = self.response
        if response is None:
            raise RuntimeError("The headers come before the body: 'await response.end_headers()', then write().")
        chunk = bytes_of(data)
        if self._left is not None:
            chunk = chunk[: self._left]
            self._left -= len(chunk)
        if self._request.transport is None or self._request.transport.is_closing():
            raise ConnectionResetError("The client is gone.")
        if chunk and self._has_body():
            await response.write(chunk)

    async def send_content(
        self,
        http_code: int,
        content: str | Writable,
        mime_type: str | None = "text/html",
        http_message: str | None = None,
        content_length: int | None = -1,
    ) -> None:
        """Answer with *content*: see :meth:`AbstractHTTPServletResponse.send_content`."""
        is_bare = content_length == -1 and http_message is None and self._headers is None and self.response is None
        if is_bare and content and http_code.__class__ is int and 200 <= http_code <= 999:
            # PERF: what is nothing but a status, a type and a body is sent in a shorter way: a tenth of a request.
            self._status = http_code
            body = content.encode() if content.__class__ is str else encode_content(content)
            self.response = answer_content(body, http_code, mime_type or None)
        elif content_length is None or content_length >= 0 or self.is_header_set(hdrs.CONTENT_LENGTH):
            await super().send_content(http_code, content, mime_type, http_message, content_length)
            return
        else:
            self.set_response(http_code, http_message)
            self.response = self._make_whole(encode_content(content), mime_type)
        # The whole answer is here: it goes in one piece.
        self._left = 0
        self.is_complete = True
        if self._is_waiting:
            await self.send_now()

    async def send_now(self) -> None:
        """Send a whole answer that is there, or as soon as it is: the servlet waits for something."""
        self._is_waiting = True
        response = self.response
        if self.is_complete and response is not None and not response.prepared:
            _let_run(self._request)
            # Who is gone is seen by whatever is sent next, the end of the answer at the latest.
            with suppress(ConnectionError):
                await response.prepare(self._request)
                await response.write_eof()

    def setup_sse(self, strict: bool = True) -> None:
        """Make it a stream of Server-Sent Events; the second time does nothing.

        Raises:
            OSError: the headers are over.
            ValueError: *strict*, and the client does not accept ``text/event-stream``.
        """
        if self._is_events:
            return
        accepted = self._request.headers.getall(hdrs.ACCEPT, ())
        if strict and not any("text/event-stream" in line for line in accepted):
            raise ValueError("Cannot set up SSE for a non-SSE request")
        self._check_open("them")
        headers = self._own_headers()
        headers[hdrs.CONTENT_TYPE] = "text/event-stream"
        headers[hdrs.CACHE_CONTROL] = "no-cache"
        headers[hdrs.CONNECTION] = "keep-alive"
        self._is_events = True

    async def send_sse(self, event: str | None = None, data: str | None = None, id: str | None = None) -> None:
        """Send one event.

        Raises:
            OSError: the client is gone, nobody may get a body, the servlet is drained, or :meth:`setup_sse` was not
                called.
            ValueError: *event* or *id* holds a line break.
            TypeError: *data* is bytes.
        """
        if not self._is_events:
            raise OSError("SSE not set up, call setup_sse() first")
        if not self._has_body():
            raise StreamIsOver(f"The answer to {self._request.method} is over with its headers: there are no events.")
        if self._binding.is_draining:
            raise StreamIsOver("The servlet is being unregistered: its streams of events are over.")
        try:
            # Data that is no text becomes text, not JSON: nobody has quotation marks in mind here.
            text = data if isinstance(data, str | bytes) else "" if data is None else str(data)
            await self.write(sse.encode(text, event=event, id=id))
        except ConnectionError:
            raise OSError(_CLIENT_GONE) from None

    def _make_whole(self, body: bytes, mime_type: str | None) -> Response:
        headers = self._own_headers()
        if mime_type and hdrs.CONTENT_TYPE not in headers:
            headers[hdrs.CONTENT_TYPE] = _check_header(mime_type)
        return Response(body=body, status=self._status, reason=self._reason, headers=headers)

    def finish(self) -> web.StreamResponse:
        """Give what was sent, or is to be sent where the servlet left that to the service.

        Raises:
            RuntimeError: the servlet has announced more bytes than it has written.
        """
        response = self.response
        if response is None:
            self._left = announced_length(self._own_headers())
            response = self._make_stream()
        if self._left and self._has_body():
            raise RuntimeError(f"The servlet has announced a Content-Length that it did not write: {self._left} bytes.")
        return response

    def _make_stream(self) -> web.StreamResponse:
        return web.StreamResponse(status=self._status, reason=self._reason, headers=self._own_headers())

    def _own_headers(self) -> CIMultiDict[str]:
        if self._headers is None:
            self._headers = CIMultiDict()
        return self._headers

    def _has_body(self) -> bool:
        return self._request.method != hdrs.METH_HEAD and self._status not in _BODILESS

    def _check_open(self, what: str) -> None:
        if self.response is not None:
            raise OSError(f"Headers have already been set, cannot change {what}")


class AsyncWriter(AbstractAsyncWriter):
    """Where the body of an asynchronous response goes."""

    __slots__ = ("_request", "_response")

    def __init__(self, request: web.Request, response: AsyncResponse) -> None:
        self._request = request
        self._response = response

    async def write(self, raw: Writable) -> int:
        """Write bytes, and say how many."""
        await self._response.write(raw)
        return len(raw)

    async def flush(self) -> None:
        """Wait until the client has taken enough of what was written."""
        await self._request.writer.drain()


def _let_run(request: web.Request) -> None:
    """Note that nobody who answers *request* has to be cancelled, whatever becomes of the answer."""
    match_info: Any = request.match_info
    match_info.is_running = False
    if RUNNING in request:
        request[RUNNING] = False


def bytes_of(data: Any) -> bytes:
    """Give a copy of *data*, which its owner may change afterwards.

    Raises:
        TypeError: it is no bytes.
    """
    if not isinstance(data, bytes | bytearray | memoryview):
        raise TypeError(f"write() takes bytes, not {type(data).__name__}; encode text, or use send_content().")
    return bytes(data)


def put_header(headers: CIMultiDict[str], name: str, value: Any) -> None:
    """Set *name* in the place of what is there; ``Set-Cookie`` is added, and ``None`` takes them away.

    Raises:
        ValueError: *name* or *value* cannot be sent.
    """
    if value is None:
        headers.popall(name, None)
    elif name.lower() in _NOT_REPLACED:
        add_header(headers, name, value)
    else:
        headers[_check_name(name)] = _check_header(value)


def add_header(headers: CIMultiDict[str], name: str, value: Any) -> None:
    """Add *name* beside what is there (``ValueError`` for what cannot be sent).

    ``Transfer-Encoding`` is left out: how the body goes is the server's to say, and it would say something else.
    """
    if name.lower() != _FRAMING:
        headers.add(_check_name(name), _check_header(value))


def check_status(code: Any, message: Any) -> tuple[int, str | None]:
    """Give the status and its words as they can be sent.

    Raises:
        ValueError: *code* is no final status, or *message* cannot be sent.
    """
    status = int(code)
    if not 200 <= status <= 999:
        raise ValueError(f"{code!r} is no status to answer with.")
    return status, None if message is None else _check_header(message)


def announced_length(headers: CIMultiDict[str]) -> int | None:
    """Give the length that the servlet has announced.

    Raises:
        ValueError: it is no length.
    """
    text = headers.get(hdrs.CONTENT_LENGTH)
    if text is None:
        return None
    if not (text.isascii() and text.isdecimal()):
        raise ValueError(f"The servlet has set Content-Length to {text!r}, which is no number of bytes.")
    return int(text)


@lru_cache(maxsize=256)
def _check_name(name: str) -> str:
    """Give the name of a header (``ValueError`` for what is none)."""
    if not _NAME.fullmatch(name):
        raise ValueError(f"{name!r} is no name of a header.")
    return name


def _check_header(value: Any) -> str:
    """Give a name or a value of a header as text.

    Raises:
        ValueError: it would end the header, and begin another.
    """
    text = value if isinstance(value, str) else str(value)
    if has_control(text):
        raise ValueError(f"{text!r} cannot stand in a header: it has a control character.")
    return text
