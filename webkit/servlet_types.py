"""What servlets, their requests and their responses are: protocols to fit and classes to name in annotations.

A servlet is a plain object. It inherits from nothing; what it has of these methods is called, the rest has a default.
The names are those of iPOPO, so that a servlet for iPOPO is one for webkit.
"""

from abc import ABC, abstractmethod
from asyncio import StreamReader
from typing import IO, Any, Protocol, runtime_checkable

from multidict import CIMultiDict, MultiMapping

from webkit.servlet_names import BodyTooLargeError, read_body

__all__ = [
    "AbstractAsyncHTTPServletRequest",
    "AbstractAsyncHTTPServletResponse",
    "AbstractAsyncWriter",
    "AbstractHTTPServletRequest",
    "AbstractHTTPServletResponse",
    "AsyncServlet",
    "ErrorHandler",
    "Servlet",
    "Writable",
    "encode_content",
]


#: What can be written.
Writable = bytes | bytearray | memoryview


class _Bindable(Protocol):
    """What every servlet may have."""

    def accept_binding(self, path: str, parameters: dict[str, Any]) -> bool | None:
        """Say whether to be bound to *path* of this service: anything false but ``None`` refuses."""
        return True

    def bound_to(self, path: str, parameters: dict[str, Any]) -> bool | None:
        """Prepare for requests on *path*; a false result but ``None``, or an exception, refuses."""
        return True

    def unbound_from(self, path: str, parameters: dict[str, Any]) -> None:
        """Clean up: no request on *path* comes any more."""
        return  # says to type checkers that it need not be there


class Servlet(_Bindable, Protocol):
    """A synchronous servlet: ``def do_GET(self, request, response)`` for each method; it runs in a thread."""


class AsyncServlet(_Bindable, Protocol):
    """An asynchronous servlet: ``async def do_async_GET(self, request, response)`` for each method."""


@runtime_checkable
class ErrorHandler(Protocol):
    """What makes the pages of errors; one that gives nothing leaves the usual page."""

    def make_not_found_page(self, path: str) -> str | None:
        """Give the page for a path that no servlet answers."""

    def make_exception_page(self, path: str, stack: str) -> str | None:
        """Give the page for a crash; *stack* is its traceback in debug mode, else the id that is in the log."""


class _Request(ABC):
    """What both kinds of requests have. Every path is decoded, without ``//``, ``.`` and ``..``, and has no query."""

    __slots__ = ()

    @property
    def max_body_size(self) -> int | None:
        """Bytes that :meth:`read_data` takes, ``None`` for any number."""
        return None

    @abstractmethod
    def get_command(self) -> str:
        """Give the method: ``"GET"``."""

    @abstractmethod
    def get_client_address(self) -> tuple[str, int]:
        """Give the host and the port of the client (``OSError`` when it is gone)."""

    @abstractmethod
    def get_path(self) -> str:
        """Give the whole path, that of the mount included."""

    @abstractmethod
    def get_prefix_path(self) -> str:
        """Give the path of the servlet: with :meth:`get_sub_path` behind it, it is one that comes here."""

    @abstractmethod
    def get_sub_path(self) -> str:
        """Give the rest of the path, which begins with ``/``."""

    @property
    @abstractmethod
    def query(self) -> MultiMapping[str]:
        """The parameters of the query (iPOPO has none of it)."""


class AbstractHTTPServletRequest(_Request):
    """The request of a synchronous servlet. Its body is in memory."""

    __slots__ = ()

    @abstractmethod
    def get_header(self, name: str, default: Any = None) -> Any:
        """Give the first header *name*, in any case of letters, or *default*."""

    @abstractmethod
    def get_headers(self) -> CIMultiDict[str]:
        """Give a copy of all headers."""

    @abstractmethod
    def get_rfile(self) -> IO[bytes]:
        """Give the body as a file, from its beginning."""

    def read_data(self) -> bytes:
        """Give the body.

        Raises:
            BodyTooLargeError: it is larger than ``max_body_size``.
        """
        data = self.get_rfile().read()
        if self.max_body_size is not None and len(data) > self.max_body_size:
            raise BodyTooLargeError(len(data), self.max_body_size)
        return data


class AbstractAsyncHTTPServletRequest(_Request):
    """The request of an asynchronous servlet. Its body is read when the servlet asks for it."""

    __slots__ = ()

    @abstractmethod
    async def get_header(self, name: str, default: Any = None) -> Any:
        """Give the first header *name*, in any case of letters, or *default*."""

    @abstractmethod
    async def get_headers(self) -> CIMultiDict[str]:
        """Give a copy of all headers."""

    @abstractmethod
    def get_rfile(self) -> StreamReader:
        """Give the stream of the body. It has no limit: whoever reads it counts."""

    async def read_data(self) -> bytes:
        """Read the rest of the body: once all of it, and nothing the next time.

        Raises:
            BodyTooLargeError: it is larger than ``max_body_size``.
        """
        length = await self.get_header("Content-Length")
        size = int(length) if length is not None and length.isdecimal() else None
        return await read_body(self.get_rfile(), size, self.max_body_size)


class _Response(ABC):
    """What both kinds of responses have."""

    __slots__ = ()

    @abstractmethod
    def set_response(self, code: int, message: str | None = None) -> None:
        """Say the status and perhaps its words (``OSError`` after the headers)."""

    @abstractmethod
    def set_header(self, name: str, value: Any) -> None:
        """Set a header in the place of those of that name; ``Set-Cookie`` is added, and ``None`` takes them away.

        Raises:
            OSError: the headers are over.
            ValueError: *name* or *value* cannot be sent.
        """

    @abstractmethod
    def add_header(self, name: str, value: Any) -> None:
        """Add a header beside those of that name. Raises as :meth:`set_header`."""

    @abstractmethod
    def is_header_set(self, name: str) -> bool:
        """Whether the servlet has set this header."""


class AbstractHTTPServletResponse(_Response):
    """The response of a synchronous servlet. It is sent when the servlet is through."""

    __slots__ = ()

    @abstractmethod
    def end_headers(self) -> None:
        """End the headers: from now on they cannot change."""

    @abstractmethod
    def get_wfile(self) -> IO[bytes]:
        """Give the body as a file to write to, and end the headers."""

    @abstractmethod
    def write(self, data: bytes) -> None:
        """Write bytes, and end the headers."""

    def send_content(
        self,
        http_code: int,
        content: str | Writable,
        mime_type: str | None = "text/html",
        http_message: str | None = None,
        content_length: int | None = -1,
    ) -> None:
        """Answer with *content*.

        A negative *content_length* is that of *content*; with one of your own, a longer content is cut and a shorter
        one is to be completed by :meth:`write`; ``None`` sends none.
        """
        self.set_response(http_code, http_message)
        data = encode_content(content)
        _set_content_headers(self, len(data), mime_type, content_length)
        self.end_headers()
        self.write(data)


class AbstractAsyncWriter(ABC):
    """Where the body of an asynchronous response goes."""

    __slots__ = ()

    @abstractmethod
    async def write(self, raw: bytes) -> int:
        """Write bytes, and say how many."""

    async def flush(self) -> None:  # noqa: B027 - most writers have nothing to wait for
        """Wait until the client has taken enough of what was written."""


class AbstractAsyncHTTPServletResponse(_Response):
    """The response of an asynchronous servlet."""

    __slots__ = ()

    @abstractmethod
    async def end_headers(self) -> None:
        """Send the headers: from now on they cannot change."""

    @abstractmethod
    def get_wfile(self) -> AbstractAsyncWriter:
        """Give the body to write to; :meth:`end_headers` comes first."""

    @abstractmethod
    async def write(self, data: bytes) -> None:
        """Write bytes; :meth:`end_headers` comes first.

        Raises:
            OSError: the client is gone.
        """

    @abstractmethod
    def setup_sse(self, strict: bool = True) -> None:
        """Make it a stream of Server-Sent Events; :meth:`end_headers` comes next.

        Raises:
            OSError: the headers are over.
            ValueError: *strict*, and the client does not accept ``text/event-stream``.
        """

    @abstractmethod
    async def send_sse(self, event: str | None = None, data: str | None = None, id: str | None = None) -> None:
        """Send one event: its name, its data, its id.

        Raises:
            OSError: the client is gone, or :meth:`setup_sse` was not called.
        """

    async def send_content(
        self,
        http_code: int,
        content: str | Writable,
        mime_type: str | None = "text/html",
        http_message: str | None = None,
        content_length: int | None = -1,
    ) -> None:
        """Answer with *content*: see :meth:`AbstractHTTPServletResponse.send_content`."""
        self.set_response(http_code, http_message)
        data = encode_content(content)
        _set_content_headers(self, len(data), mime_type, content_length)
        await self.end_headers()
        await self.write(data)


def encode_content(content: Any) -> bytes:
    """Give *content*, text or bytes, as bytes of its own.

    Raises:
        TypeError: it is something else.
    """
    if isinstance(content, str):
        return content.encode()
    if isinstance(content, bytes | bytearray | memoryview):
        return bytes(content)
    raise TypeError(f"A body is text or bytes, not {content!r} ({type(content).__name__}).")


def _set_content_headers(response: _Response, size: int, mime_type: str | None, content_length: int | None) -> None:
    if mime_type and not response.is_header_set("Content-Type"):
        response.set_header("Content-Type", mime_type)
    if content_length is not None and not response.is_header_set("Content-Length"):
        response.set_header("Content-Length", size if content_length < 0 else content_length)
