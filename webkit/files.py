"""One file as an answer: opened once, judged by what was opened, and sent by the kernel where that pays.

``web.FileResponse`` decides on conditions and ranges itself, and gets some of them wrong; here ``webkit.ranges`` does.
A short body is read at once and leaves in one write with its head. A long one stays in its file until it is sent.
"""

import asyncio
import os
import time
import weakref
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from stat import S_ISREG
from typing import BinaryIO, Final

from aiohttp import hdrs, web
from aiohttp.abc import AbstractStreamWriter

from webkit.ranges import Decision, decide, format_date
from webkit.responses import Response

__all__ = ["answer_file"]

# Up to here one write costs less than handing the file to the kernel.
_SENT_AT_ONCE: Final = 64 * 1024
_CHUNK: Final = 256 * 1024
# What describes a body has no place where there is none (RFC 9110, 15.4.5).
_OF_A_BODY: Final = (hdrs.CONTENT_TYPE, hdrs.CONTENT_ENCODING)


def answer_file(request: web.BaseRequest, file: Path, headers: Mapping[str, str]) -> web.StreamResponse:
    """Answer GET or HEAD with *file*, or with what conditions and a range make of it; blocks while it reads.

    *headers* are the answer's, without those that follow from the file. A ``Content-Encoding`` among them says that
    *file* is the compressed copy of another.

    Raises:
        web.HTTPNotFound, web.HTTPForbidden: there is no such file any more, or it may not be read.
        web.HTTPPreconditionFailed: a condition fails.
        web.HTTPRequestRangeNotSatisfiable: nothing of the range lies in the file.
        web.HTTPServiceUnavailable: it became shorter while it was read.
    """
    with ExitStack() as closing:
        opened = closing.enter_context(_open(file))
        status = os.fstat(opened.fileno())
        if not S_ISREG(status.st_mode):
            raise web.HTTPNotFound
        etag, mtime = _etag(status, headers.get(hdrs.CONTENT_ENCODING)), _mtime(status)
        decision = decide(request.method, request.headers, etag, mtime, status.st_size)
        sent = _headers(decision, headers, etag, mtime, status.st_size)
        if decision.status == 304 or request.method == hdrs.METH_HEAD:
            return _Head(status=decision.status, headers=sent)
        if decision.length > _SENT_AT_ONCE:
            closing.pop_all()
            return _Stream(opened, decision, sent)
        opened.seek(decision.start)
        body = opened.read(decision.length)
        if len(body) < decision.length:
            raise web.HTTPServiceUnavailable(headers={hdrs.RETRY_AFTER: "1"})
        return _Buffered(body=body, status=decision.status, headers=sent)


def _open(file: Path) -> BinaryIO:
    try:
        return file.open("rb")
    except PermissionError as error:
        raise web.HTTPForbidden from error
    except OSError as error:
        raise web.HTTPNotFound from error


def _etag(status: os.stat_result, coding: str | None) -> str:
    # A copy may have size and time of another copy; the coding tells them apart.
    return f'"{status.st_mtime_ns:x}-{status.st_size:x}{f"-{coding}" if coding else ""}"'


def _mtime(status: os.stat_result) -> int | None:
    """Give the time of the last change in whole seconds; a time that cannot be is none."""
    return int(status.st_mtime) if 0 <= status.st_mtime <= time.time() else None


def _headers(decision: Decision, headers: Mapping[str, str], etag: str, mtime: int | None, size: int) -> dict[str, str]:
    """Give the headers of the answer.

    Raises:
        web.HTTPPreconditionFailed: it is an answer without the file.
        web.HTTPRequestRangeNotSatisfiable: likewise.
    """
    if decision.status >= 400:
        # A refusal is about this one request, whatever the file's own answer may be kept for.
        refused = {name: value for name, value in headers.items() if name == hdrs.VARY}
        refused[hdrs.CACHE_CONTROL] = "no-cache"
        if decision.status == 412:
            raise web.HTTPPreconditionFailed(headers=refused)
        raise web.HTTPRequestRangeNotSatisfiable(headers=refused | {hdrs.CONTENT_RANGE: f"bytes */{size}"})
    sent = dict(headers) | {hdrs.ETAG: etag}
    if mtime is not None:
        sent[hdrs.LAST_MODIFIED] = format_date(mtime)
    if decision.status == 304:
        return {name: value for name, value in sent.items() if name not in _OF_A_BODY}
    sent |= {hdrs.ACCEPT_RANGES: "bytes", hdrs.CONTENT_LENGTH: str(decision.length)}
    if decision.status == 206:
        last = decision.start + decision.length - 1
        sent[hdrs.CONTENT_RANGE] = f"bytes {decision.start}-{last}/{size}"
    return sent


class _Compressible(web.StreamResponse):
    """An answer that a middleware may ask aiohttp to compress, and that knows when this would spoil it."""

    def enable_compression(self, force: web.ContentCoding | bool | None = None, strategy: int | None = None) -> None:
        """Compress the body; a part of a file, and what is compressed already, is left as it is."""
        if self.status != 200 or hdrs.CONTENT_ENCODING in self.headers:
            return
        super().enable_compression(force, strategy)
        # These are no longer the bytes that the tag stands for; for "the same content" it still stands.
        self.headers[hdrs.ETAG] = f"W/{self.headers[hdrs.ETAG]}"
        self.headers[hdrs.VARY] = hdrs.ACCEPT_ENCODING


class _Head(_Compressible):
    """The headers alone."""


class _Buffered(_Compressible, Response):
    """A body that was read already."""


class _Stream(_Compressible):
    """A body that is still in its file."""

    def __init__(self, opened: BinaryIO, decision: Decision, headers: Mapping[str, str]) -> None:
        super().__init__(status=decision.status, headers=headers)
        self._opened = opened
        self._part = decision
        self._sent_past_writer = 0
        # Who throws the answer away, a middleware or a client that has gone, does not know of the file.
        weakref.finalize(self, opened.close)

    @property
    def body_length(self) -> int:
        """Count the bytes sent, as the access log shows them: those that the kernel has sent, too."""
        return super().body_length + self._sent_past_writer

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        """Send the head and the file."""
        if self.prepared:
            return await super().prepare(request)
        try:
            writer = await super().prepare(request)
            if await self._send(request) < self._part.length:
                # The file became shorter. The client must see that something is missing.
                self.force_close()
        finally:
            self._opened.close()
        return writer

    async def _send(self, request: web.BaseRequest) -> int:
        """Send the body and give the number of its bytes that were there."""
        transport = request.transport
        if transport is None or transport.is_closing():
            raise ConnectionResetError("The client has gone.")
        if self.compression:
            return await self._write_chunks()
        loop = asyncio.get_running_loop()
        try:
            sent = await loop.sendfile(transport, self._opened, self._part.start, self._part.length)
        except NotImplementedError:
            # uvloop knows no sendfile.
            return await self._write_chunks()
        self._sent_past_writer = sent
        return sent

    async def _write_chunks(self) -> int:
        self._opened.seek(self._part.start)
        left = self._part.length
        while left and (chunk := await asyncio.to_thread(self._opened.read, min(_CHUNK, left))):
            await self.write(chunk)
            left -= len(chunk)
        return self._part.length - left
