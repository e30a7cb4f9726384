"""The requests that servlets see. Nothing is worked out before a servlet asks for it."""

from asyncio import StreamReader
from io import BytesIO
from typing import IO, Any, cast

from aiohttp import web
from multidict import CIMultiDict, MultiMapping

from webkit.servlet_names import BodyTooLargeError, read_body
from webkit.servlet_paths import sub_path_of
from webkit.servlet_registry import Binding
from webkit.servlet_types import AbstractAsyncHTTPServletRequest, AbstractHTTPServletRequest

__all__ = ["AsyncRequest", "SyncRequest", "address_of", "read_within"]


class _Asked:
    """What both kinds of requests tell. *mount* is where the service is, *path* the clean path behind it."""

    # PERF: no slots: Python makes objects without them faster.
    def __init__(
        self,
        request: web.Request,
        mount: str,
        path: str,
        binding: Binding,
        too_large: type[BodyTooLargeError] = BodyTooLargeError,
    ) -> None:
        #: The request of aiohttp, with all that it has.
        self.request = request
        self._mount = mount
        self._path = path
        #: What it was bound as.
        self.binding = binding
        self._too_large = too_large

    @property
    def max_body_size(self) -> int | None:
        """Bytes that the body may have, ``None`` for any number."""
        return self.binding.max_body_size

    @property
    def query(self) -> MultiMapping[str]:
        """The parameters of the query."""
        return self.request.query

    def get_command(self) -> str:
        """Give the method."""
        return self.request.method

    def get_client_address(self) -> tuple[str, int]:
        """Give the host and the port of the client (``OSError`` when it is gone)."""
        return address_of(self.request)

    def get_path(self) -> str:
        """Give the whole path, decoded, that of the mount included."""
        return self._mount + self._path

    def get_prefix_path(self) -> str:
        """Give the path of the servlet, that of the mount included."""
        prefix = self.binding.path
        return self._mount if prefix == "/" and self._mount else self._mount + prefix

    def get_sub_path(self) -> str:
        """Give the rest of the path."""
        return sub_path_of(self._path, self.binding.path)


class AsyncRequest(_Asked, AbstractAsyncHTTPServletRequest):
    """The request of an asynchronous servlet, or of a WebSocket handler."""

    async def get_header(self, name: str, default: Any = None) -> Any:
        """Give the first header *name*, or *default*."""
        return self.request.headers.get(name, default)

    async def get_headers(self) -> CIMultiDict[str]:
        """Give a copy of all headers."""
        return CIMultiDict(self.request.headers)

    def get_rfile(self) -> StreamReader:
        """Give the stream of the body, which has no limit."""
        return cast(StreamReader, self.request.content)

    async def read_data(self) -> bytes:
        """Read the rest of the body (``BodyTooLargeError``)."""
        return await read_within(self.request, self.binding.max_body_size, self._too_large)


class SyncRequest(_Asked, AbstractHTTPServletRequest):
    """The request of a synchronous servlet, with its body."""

    def __init__(self, request: web.Request, mount: str, path: str, binding: Binding, body: bytes) -> None:
        super().__init__(request, mount, path, binding)
        self._body = body

    def get_header(self, name: str, default: Any = None) -> Any:
        """Give the first header *name*, or *default*."""
        return self.request.headers.get(name, default)

    def get_headers(self) -> CIMultiDict[str]:
        """Give a copy of all headers."""
        return CIMultiDict(self.request.headers)

    def get_rfile(self) -> IO[bytes]:
        """Give the body as a file, from its beginning each time."""
        return BytesIO(self._body)

    def read_data(self) -> bytes:
        """Give the body; again, if asked again."""
        return self._body


def address_of(request: web.Request) -> tuple[str, int]:
    """Give the host and the port of the client.

    Raises:
        OSError: it is gone.
    """
    if request.transport is None:
        raise OSError("No transport available for the request: its client is gone.")
    peer = request.transport.get_extra_info("peername")
    if not isinstance(peer, tuple) or len(peer) < 2:
        raise OSError("No peer name available for the request.")
    return peer[0], peer[1]


async def read_within(
    request: web.Request, max_body_size: int | None, too_large: type[BodyTooLargeError] = BodyTooLargeError
) -> bytes:
    """Read the rest of the body; one that says itself that it is too large is not even begun.

    Raises:
        BodyTooLargeError: it is larger than *max_body_size*; of the class *too_large*.
    """
    announced = request.content_length
    if max_body_size is not None and announced is not None and announced > max_body_size:
        raise too_large(announced, max_body_size)
    if not request.body_exists:
        return b""
    try:
        # To its end, not so many bytes as were announced: a compressed body has more.
        return await read_body(cast(StreamReader, request.content), None, max_body_size)
    except BodyTooLargeError as error:
        raise too_large(error.size, error.max_size) from None
