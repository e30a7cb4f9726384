"""The parts of a multipart form, one after the other, for files of any size: ``async for part in uploads(request)``.

Nothing is kept: what is not read of a part is thrown away when the next one is asked for. The limits are those of the
route, or of ``uploads(request, limits=...)``; what the headers of the request say is judged before its body is read,
so that a client which waits for ``100 Continue`` is not told to send what is refused.
"""

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Final, Self

from aiohttp import hdrs, web
from multidict import MultiDict

from webkit._aiohttp import keep_posted
from webkit.callables import is_coroutine_function
from webkit.errors import Problem
from webkit.limits import Limits, check_length, limits_of
from webkit.multipart import Mark, MultipartParser, PartHead, boundary_of
from webkit.progress import Progress, progress_for
from webkit.signatures import HEAD_BYTES, find_fault, media_type_by
from webkit.spooling import BatchWriter, IntoFile, IntoPath, Target

__all__ = ["Part", "Parts", "blocks_of", "check_type", "decode_text", "uploads", "was_read"]

Fetch = Callable[[], Awaitable[bytes]]

# Codecs of Python that are slow, or no character encodings at all, are nothing that a client may choose.
_CHARSETS: Final = {
    *("utf-8", "utf8", "us-ascii", "ascii"),
    *("iso-8859-1", "iso8859-1", "latin-1", "latin1", "windows-1252", "cp1252"),
}
# Parts that are taken apart at a time: it takes some 20 µs for each.
_AT_A_TIME: Final = 500


def uploads(request: web.Request, *, limits: Limits | None = None, progress: Progress | None = None) -> "Parts":
    """Give the parts of the multipart form that *request* brings, as they arrive.

    *limits* are those of the route if not given, and *progress* is one that ``UploadProgress`` knows.

    Raises:
        Problem: 415 for what is no multipart form, 413 for one that is too large, 400 without a good boundary. So do
            the parts: 400 for what is malformed, 413 and 415 for what the limits do not let in.
        RuntimeError: the body was read before.
    """
    limits = limits or limits_of(request)
    boundary = boundary_of(request.headers.get(hdrs.CONTENT_TYPE, ""))
    most = check_length(request, limits)
    if was_read(request):
        raise RuntimeError("Somebody has read the form before, so its parts are gone. Take it as form: Form instead.")
    parts = Parts(blocks_of(request), boundary, most, limits, progress or progress_for(request))
    keep_posted(request, MultiDict())
    return parts


def was_read(request: web.Request) -> bool:
    """Whether somebody has read the body before, as old middlewares do by ``await request.post()``."""
    return request.content.at_eof() and request.content.total_bytes > 0


def decode_text(data: bytes | bytearray, charset: str | None, what: str) -> str:
    """Give *data* as text; UTF-8 is what browsers send.

    Raises:
        Problem: 415 for another charset than UTF-8 and Latin-1, 400 for bytes that are none of it.
    """
    charset = charset or "utf-8"
    if charset.lower() not in _CHARSETS:
        raise Problem(415, detail=f"{what} is sent in the charset {charset[:40]!r}. Send UTF-8.")
    try:
        return data.decode(charset)
    except UnicodeDecodeError:
        raise Problem(400, detail=f"{what} is no text in {charset}. Send UTF-8, or a file.") from None


def check_type(what: str, filename: str, content_type: str | None, head: bytes, limits: Limits) -> None:
    """Refuse a file whose type is not allowed; *head* are its first bytes.

    Raises:
        Problem: 415.
    """
    fault = find_fault(filename, content_type, head, limits.types) if limits.types else None
    if fault is not None:
        raise Problem(415, detail=f"{what} is not taken: {fault}. Taken are {', '.join(limits.types)}.")


def blocks_of(request: web.Request) -> Fetch:
    """Give what gives the bytes of a body as they came, ``b""`` at its end: putting them together would copy them."""

    async def fetch() -> bytes:
        content = request.content
        block, is_end_of_chunk = await content.readchunk()
        # The stream of a request without a body says that it is at the end of a chunk, again and again.
        while is_end_of_chunk and not block and not content.at_eof():
            block, is_end_of_chunk = await content.readchunk()
        return block

    return fetch


class _Events:
    """The events of one form, as its bytes arrive."""

    def __init__(self, fetch: Fetch, parser: MultipartParser, most: int | None, progress: Progress) -> None:
        self._fetch = fetch
        self._parser = parser
        self._most = most
        self._received = 0
        self.progress = progress

    async def next(self) -> PartHead | bytes | Mark:
        """Give the next event, never ``NEED_DATA``; with ``END`` the body is read to its end."""
        while (event := self._parser.next_event()) is Mark.NEED_DATA:
            await self._receive()
        if event is Mark.END:
            while await self._receive():
                self._parser.next_event()
            self.progress.end("done")
        return event

    async def _receive(self) -> bool:
        data = await self._fetch()
        if not data:
            self._parser.close()
            return False
        self._received += len(data)
        self.progress.add(len(data))
        if self._most is not None and self._received > self._most:
            raise Problem(413, detail=f"The body has more than the {self._most} bytes that are taken.")
        self._parser.receive(data)
        return True


class Part:
    """One field or file of a form. Its data is read once: ``async for chunk in part``, or by one of the methods.

    Attributes:
        name: the name of the field.
        filename: what the client calls the file, ``None`` for a field; see ``safe_filename``.
        content_type: the media type that the client declares, in lower case.
        media_type: the media type of a file by its bytes where these are known, else by its name.
        headers: the headers of the part.
        size: how many bytes were read.
        sha256: the hexadecimal hash of a file that was saved or copied, where ``Limits(sha256=True)`` asks for it.
    """

    def __init__(self, head: PartHead, events: _Events, limits: Limits) -> None:
        self.name = head.name
        self.filename = head.filename
        self.content_type = head.content_type
        self.media_type = head.content_type or "text/plain"
        self.headers = head.headers
        self.size = 0
        self.sha256: str | None = None
        self._charset = head.charset
        self._events = events
        self._limits = limits
        self._most = limits.field if head.filename is None else limits.file
        self._ahead: list[bytes] = []
        self._is_complete = False
        self._is_over = False
        #: Whether it is what a browser sends for an input in which no file was chosen; known after ``look``.
        self.is_no_file = False

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        if self._is_over:
            raise RuntimeError(f"The part {self.name!r} is over: read it before you ask for the next one.")
        chunk = self._ahead.pop(0) if self._ahead else await self._next_chunk()
        if chunk is None:
            raise StopAsyncIteration
        self.size += len(chunk)
        if self._most is not None and self.size > self._most:
            raise Problem(413, detail=f"{self.label} has more than the {self._most} bytes that are taken.")
        return chunk

    async def read(self) -> bytes:
        """Give all that is left of the data; at most ``Limits.memory`` bytes are taken."""
        data = bytearray()
        async for chunk in self:
            data += chunk
            if len(data) > self._limits.memory:
                raise Problem(413, detail=f"{self.label} has more than {self._limits.memory} bytes.")
        return bytes(data)

    async def text(self) -> str:
        """Give the data as text."""
        return decode_text(await self.read(), self._charset, self.label)

    async def save(self, path: str | os.PathLike[str], *, overwrite: bool = False, mode: int = 0o644) -> None:
        """Write the data to the file *path*: all of it or nothing, whatever happens.

        *mode* are the permissions of the file, less what the umask takes.

        Raises:
            FileExistsError: the file is there, and *overwrite* is not said; it is a ``Problem``, too: 409.
            OSError: it cannot be written.
            Problem: 507, the disk is full.
        """
        await self._pour(IntoPath(path, overwrite=overwrite, mode=mode))

    async def copy_to(self, sink: Any) -> None:
        """Give the data to *sink*: a coroutine function ``await sink(chunk)``, or a file object.

        A file object whose ``write`` is no coroutine function is written in a thread.

        Raises:
            TypeError: it is neither.
        """
        write = getattr(sink, "write", sink)
        if is_coroutine_function(write):
            hashing = hashlib.sha256() if self._limits.sha256 else None
            async for chunk in self:
                await write(chunk)
                if hashing is not None:
                    hashing.update(chunk)
            self.sha256 = None if hashing is None else hashing.hexdigest()
        elif write is sink or not callable(write):
            raise TypeError(f"{sink!r} is neither a coroutine function nor a file that can be written.")
        else:
            await self._pour(IntoFile(sink))

    async def _pour(self, target: Target) -> None:
        async with BatchWriter(target, hashed=self._limits.sha256) as writer:
            async for chunk in self:
                await writer.write(chunk)
            await writer.finish()
        self.sha256 = writer.sha256

    @property
    def label(self) -> str:
        """What it is, for people."""
        return f"The {'field' if self.filename is None else 'file'} {self.name[:40]!r}"

    async def look(self) -> None:
        """Look at the first bytes of a file, before anybody gets them.

        Raises:
            Problem: 415, the limits do not allow its type.
        """
        size = 0
        while size < HEAD_BYTES and (chunk := await self._next_chunk()) is not None:
            self._ahead.append(chunk)
            size += len(chunk)
        head = b"".join(self._ahead)[:HEAD_BYTES]
        filename = self.filename or ""
        self.is_no_file = not filename and not head
        self.media_type = media_type_by(filename, self.content_type, head)
        if not self.is_no_file:
            check_type(self.label, filename, self.content_type, head, self._limits)

    async def close(self) -> None:
        """Throw away what was not read."""
        async for _ in self:
            pass
        self._is_over = True

    async def _next_chunk(self) -> bytes | None:
        if self._is_complete:
            return None
        event = await self._events.next()
        if isinstance(event, bytes):
            return event
        self._is_complete = True
        return None


class Parts(AsyncIterator[Part]):
    """The parts of a form, one after the other; *progress* is how much of it has come."""

    def __init__(self, fetch: Fetch, boundary: bytes, most: int | None, limits: Limits, progress: Progress) -> None:
        self.progress = progress
        self._events = _Events(fetch, MultipartParser(boundary, header_bytes=limits.part_header), most, progress)
        self._limits = limits
        self._fields = 0
        self._files = 0
        self._current: Part | None = None

    async def __anext__(self) -> Part:
        part = await self._begin()
        while part is not None and part.is_no_file:
            part = await self._begin()
        if part is None:
            raise StopAsyncIteration
        return part

    async def _begin(self) -> Part | None:
        """Give the next part, ``None`` after the last; one that is no file is among them."""
        if self._current is not None:
            await self._current.close()
        if (self._fields + self._files) % _AT_A_TIME == 0:
            await asyncio.sleep(0)  # others get their turn in a form of many small parts
        head = await self._events.next()
        if not isinstance(head, PartHead):
            return None
        self._count(head)
        self._current = part = Part(head, self._events, self._limits)
        if head.filename is not None:
            await part.look()
        return part

    def _count(self, head: PartHead) -> None:
        if head.filename is None:
            self._fields += 1
            count, most, what = self._fields, self._limits.fields, "fields"
        else:
            self._files += 1
            count, most, what = self._files, self._limits.files, "files"
        if count > most:
            raise Problem(413, detail=f"The form has more than the {most} {what} that are taken.")
