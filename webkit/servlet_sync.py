"""Synchronous servlets: they run in a pool of threads, and write into a buffer that is sent when they are through."""

import contextvars
import io
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from aiohttp import hdrs, web
from multidict import CIMultiDict

from webkit.responses import Response
from webkit.servlet_responses import add_header, announced_length, bytes_of, check_status, put_header
from webkit.servlet_types import AbstractHTTPServletResponse, Writable
from webkit.threads import counted

__all__ = ["BodyFile", "Pool", "SyncResponse"]


class Pool:
    """The threads of a service; there are none before the first synchronous servlet is called."""

    def __init__(self, workers: int) -> None:
        self._workers = workers
        self._executor: ThreadPoolExecutor | None = None
        # How many applications that are started have the service.
        self._users = 0
        self.is_closed = False

    def run(self, function: Callable[..., Any], *args: Any) -> "Future[Any]":
        """Give what *function* will give, called in a thread; it sees the context variables of here, and has its own.

        Raises:
            RuntimeError: the pool is closed.
        """
        if self.is_closed:
            raise RuntimeError("The service is stopped.")
        if self._executor is None:
            self._executor = ThreadPoolExecutor(self._workers, thread_name_prefix="webkit-servlet")
        return self._executor.submit(contextvars.copy_context().run, counted, function, args, {})

    def open(self) -> None:
        """Let it be used, by one application more."""
        self._users += 1
        self.is_closed = False

    def close(self) -> None:
        """Let one application go. With the last one: take no more work, forget what has not begun, wait for nobody."""
        self._users -= 1
        if self._users > 0:
            return
        self.is_closed = True
        if self._executor is not None:
            self._executor.shutdown(wait=False, cancel_futures=True)
            self._executor = None


class BodyFile(io.BufferedIOBase):
    """The body of a response as a file to write to. What was written can be had after it is closed."""

    mode = "wb"

    def __init__(self) -> None:
        self._chunks: list[bytes] = []

    def writable(self) -> bool:
        """Say so."""
        return True

    def write(self, data: Any) -> int:
        """Write a copy of *data*, and say how many bytes that were (``ValueError`` when it is closed)."""
        if self.closed:
            raise ValueError("The body is closed: nothing can be written any more.")
        chunk = bytes_of(data)
        self._chunks.append(chunk)
        return len(chunk)

    def get(self) -> bytes:
        """Give what was written."""
        return b"".join(self._chunks)


class SyncResponse(AbstractHTTPServletResponse):
    """The response of a synchronous servlet."""

    __slots__ = ("_are_headers_over", "_file", "_headers", "_reason", "_status")

    def __init__(self) -> None:
        self._status = 200
        self._reason: str | None = None
        self._headers: CIMultiDict[str] = CIMultiDict()
        self._are_headers_over = False
        self._file = BodyFile()

    def set_response(self, code: int, message: str | None = None) -> None:
        """Say the status and perhaps its words."""
        self._check_open("the response code")
        self._status, self._reason = check_status(code, message)

    def set_header(self, name: str, value: Any) -> None:
        """Set a header in the place of those of that name."""
        self._check_open("them")
        put_header(self._headers, name, value)

    def add_header(self, name: str, value: Any) -> None:
        """Add a header beside those of that name."""
        self._check_open("them")
        add_header(self._headers, name, value)

    def is_header_set(self, name: str) -> bool:
        """Whether the servlet has set this header."""
        return name in self._headers

    def end_headers(self) -> None:
        """End the headers."""
        self._are_headers_over = True

    def get_wfile(self) -> BodyFile:  # type: ignore[override]  # IO[bytes] is what typeshed calls files
        """Give the body as a file to write to."""
        self.end_headers()
        return self._file

    def write(self, data: Writable) -> None:
        """Write a copy of *data* (``TypeError`` for text)."""
        self.end_headers()
        self._file.write(data)

    def finish(self, method: str) -> web.StreamResponse:
        """Give the response to a request with *method*.

        Raises:
            RuntimeError: the servlet has announced more bytes than it has written.
        """
        body = self._file.get()
        announced = announced_length(self._headers)
        if announced is not None and method != hdrs.METH_HEAD and self._status not in {204, 304}:
            if announced > len(body):
                raise RuntimeError(
                    f"The servlet has announced {announced} bytes (Content-Length) and written {len(body)}."
                )
            body = body[:announced]
        return Response(body=body, status=self._status, reason=self._reason, headers=self._headers)

    def _check_open(self, what: str) -> None:
        if self._are_headers_over:
            raise OSError(f"Headers have already been set, cannot change {what}")
