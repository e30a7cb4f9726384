"""Forms, read before the handler is called: ``async def post(self, form: Form)``, urlencoded or multipart.

Fields are in memory; a file is there too while it is small, else in a temporary file that is gone with the request.
The limits are those of the route. :mod:`webkit.parts` is for files that shall go elsewhere at once.
"""

import asyncio
import io
import os
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from typing import IO, Any, Final, TypeVar, overload
from urllib.parse import unquote_to_bytes

from aiohttp import hdrs, web
from multidict import CIMultiDict, CIMultiDictProxy, MultiDict, MultiMapping

from webkit._aiohttp import keep_posted, limit_body
from webkit.errors import Problem
from webkit.filenames import safe_filename
from webkit.limits import Limits, check_length, limits_of
from webkit.multipart import boundary_of, parse_parameters
from webkit.parts import Part, Parts, blocks_of, check_type, decode_text, was_read
from webkit.progress import progress_for
from webkit.signatures import HEAD_BYTES, media_type_by
from webkit.spooling import BatchWriter, IntoPath, IntoSpool
from webkit.threads import run_in_thread, start_in_thread

__all__ = ["Fields", "Form", "Upload", "read_form"]

T = TypeVar("T")
D = TypeVar("D")

_URLENCODED: Final = "application/x-www-form-urlencoded"
_CHUNK_BYTES: Final = 2**18
# Urlencoded forms above are taken apart in a thread: what is percent-encoded throughout takes 0.2 s for a mebibyte.
_QUICK_BYTES: Final = 2**16


class Upload:
    """A file of a form. It is gone with the request: ``save`` it, or read it.

    Attributes:
        name: the name of the field.
        filename: what the client calls the file; ``safe_name`` is one to save it under.
        content_type: the media type that the client declares, ``None`` where it does not.
        media_type: the media type by the bytes of the file where these are known, else by its name.
        headers: the headers of its part.
        size: how many bytes it has.
        file: it as a file object, at its beginning.
    """

    __slots__ = ("_sha256", "content_type", "file", "filename", "headers", "media_type", "name", "size")

    def __init__(
        self,
        name: str,
        filename: str,
        file: IO[bytes],
        *,
        size: int,
        content_type: str | None = None,
        media_type: str = "application/octet-stream",
        headers: CIMultiDictProxy[str] | None = None,
        sha256: str | None = None,
    ) -> None:
        self.name = name
        self.filename = filename
        self.file = file
        self.size = size
        self.content_type = content_type
        self.media_type = media_type
        self.headers = CIMultiDictProxy(CIMultiDict()) if headers is None else headers
        self._sha256 = sha256

    def __repr__(self) -> str:
        return f"<Upload {self.name!r} {self.filename!r} {self.media_type} {self.size} bytes>"

    @property
    def safe_name(self) -> str:
        """The name of the file, made safe (see ``safe_filename``)."""
        return safe_filename(self.filename)

    @property
    def sha256(self) -> str:
        """The SHA-256 of the file, hexadecimal.

        Raises:
            LookupError: the limits of the route do not ask for it.
        """
        if self._sha256 is None:
            raise LookupError("It was not made on the way: say limits=Limits(sha256=True) where the route is added.")
        return self._sha256

    @property
    def is_in_memory(self) -> bool:
        """Whether the file is in memory, and reading it waits for nothing."""
        return isinstance(self.file, io.BytesIO)

    async def read(self) -> bytes:
        """Give the whole file."""
        return b"".join([chunk async for chunk in self])

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """Give the file in pieces, from its beginning."""
        self.file.seek(0)
        while chunk := await self._call(self.file.read, _CHUNK_BYTES):
            yield chunk

    async def save(self, path: str | os.PathLike[str], *, overwrite: bool = False, mode: int = 0o644) -> None:
        """Copy it to the file *path*: all of it or nothing. *mode* are the permissions, less what the umask takes.

        Raises:
            FileExistsError: the file is there, and *overwrite* is not said; it is a ``Problem``, too: 409.
            OSError: it cannot be written.
            Problem: 507, the disk is full.
        """
        async with BatchWriter(IntoPath(path, overwrite=overwrite, mode=mode)) as writer:
            async for chunk in self:
                await writer.write(chunk)
            await writer.finish()

    def as_file_field(self) -> web.FileField:
        """Give it as what ``request.post()`` gives."""
        declared = self.content_type or "application/octet-stream"
        return web.FileField(self.name, self.filename, self.file, declared, self.headers)

    async def _call(self, function: Callable[[int], bytes], size: int) -> bytes:
        return function(size) if self.is_in_memory else await run_in_thread(function, size)


class Fields(Mapping[str, T]):
    """Values by the names of their inputs. What is missing is the client's fault: ``fields["title"]`` raises a 422."""

    def __init__(self, pairs: MultiDict[T]) -> None:
        self._pairs = pairs

    def __getitem__(self, name: str) -> T:
        try:
            return self._pairs[name]
        except KeyError:
            raise MissingField(name) from None

    @overload
    def get(self, name: str, /) -> T | None: ...
    @overload
    def get(self, name: str, /, default: D) -> T | D: ...
    def get(self, name: str, /, default: Any = None) -> Any:
        """Give the first value of *name*, or *default*."""
        return self._pairs.get(name, default)

    def getall(self, name: str) -> list[T]:
        """Give every value of *name*, in the order of the form; none is an empty list."""
        return self._pairs.getall(name, [])

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys(self._pairs))

    def __len__(self) -> int:
        return len(dict.fromkeys(self._pairs))

    def __contains__(self, name: object) -> bool:
        return name in self._pairs

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {', '.join(self)}>"


class MissingField(Problem, KeyError):
    """A form without a field that the handler needs."""

    def __init__(self, name: str) -> None:
        errors = [{"in": "form", "name": name, "message": "is missing"}]
        super().__init__(422, title="Unprocessable Content", detail="The request does not fit.", errors=errors)


class Form(Fields[str]):
    """The form of a request: ``form["title"]`` is a text, ``form.files["photo"]`` an ``Upload``.

    A field or file that is missing is answered with 422; ``form.get("title")`` and ``"title" in form`` ask first.
    *sent* has fields and files in the order of the form.
    """

    def __init__(self, sent: MultiMapping[str | Upload] | None = None) -> None:
        self.sent: MultiDict[str | Upload] = MultiDict(sent or {})
        super().__init__(_texts_of(self.sent))
        #: The files.
        self.files = Fields(MultiDict((n, value) for n, value in self.sent.items() if isinstance(value, Upload)))

    def close(self) -> None:
        """Close the files, and by that remove them; it happens at the end of the request."""
        _close(self.sent)


_FORM: Final = web.RequestKey("webkit.form", Form)


async def read_form(request: web.Request, *, limits: Limits | None = None) -> Form:
    """Give the form that *request* brings; the same one each time, so that a middleware may ask first.

    *limits* are those of the route if not given.

    Raises:
        Problem: 415 for what is no form, 413 and 415 for what the limits do not let in, 400 for what is malformed, 507
            for a full disk.
    """
    form = request.get(_FORM)
    if form is None:
        form = request[_FORM] = await _read(request, limits or limits_of(request))
    return form


async def _read(request: web.Request, limits: Limits) -> Form:
    is_multipart = request.content_type == "multipart/form-data"
    if not is_multipart and request.content_type != _URLENCODED:
        raise Problem(415, detail=f"The body must be a form: multipart/form-data or {_URLENCODED}.")
    most = check_length(request, limits)
    if not is_multipart:
        return Form(await _read_urlencoded(request, limits, most))
    sent: MultiDict[str | Upload] = MultiDict()
    task = asyncio.current_task()
    try:
        if was_read(request):
            await _take_over(request, limits, sent)
        else:
            await _read_multipart(request, limits, most, sent)
            keep_posted(request, _texts_of(sent))
    except BaseException:
        _close(sent)
        raise
    if task is not None:
        # The task of the request: its answer, which may send a file, is part of it.
        task.add_done_callback(lambda _: _close(sent))
    return Form(sent)


def _texts_of(sent: MultiMapping[str | Upload]) -> MultiDict[str]:
    return MultiDict((name, value) for name, value in sent.items() if isinstance(value, str))


async def _read_multipart(
    request: web.Request, limits: Limits, most: int | None, sent: MultiDict[str | Upload]
) -> None:
    boundary = boundary_of(request.headers[hdrs.CONTENT_TYPE])
    room = limits.memory
    async for part in Parts(blocks_of(request), boundary, most, limits, progress_for(request)):
        if part.filename is not None:
            upload = await _spool(part, limits, room)
            room -= upload.size if upload.is_in_memory else 0
            sent.add(part.name, upload)
            continue
        text = await part.text()
        room -= part.size
        if room < 0:
            raise Problem(413, detail=f"The fields of the form have more than {limits.memory} bytes together.")
        sent.add(part.name, text)


async def _spool(part: Part, limits: Limits, room: int) -> Upload:
    """Take a file to memory, where *room* bytes are left, or to the disk."""
    target = IntoSpool()
    async with BatchWriter(target, hashed=limits.sha256) as writer:
        async for chunk in part:
            await writer.write(chunk)
        content = writer.take_all() if part.size <= room else None
        if content is None:
            await writer.finish()
    return Upload(
        part.name,
        part.filename or "",
        target.file if content is None else io.BytesIO(content),
        size=part.size,
        content_type=part.content_type,
        media_type=part.media_type,
        headers=part.headers,
        sha256=writer.sha256,
    )


async def _read_urlencoded(request: web.Request, limits: Limits, most: int | None) -> MultiDict[str | Upload]:
    _, parameters = parse_parameters(request.headers[hdrs.CONTENT_TYPE], "The Content-Type")
    limit_body(request, min(most or limits.memory, limits.memory))
    data = await request.read()
    if len(data) < _QUICK_BYTES:
        return parse_urlencoded(data, parameters.get("charset"), limits)
    pairs: MultiDict[str | Upload] = await run_in_thread(parse_urlencoded, data, parameters.get("charset"), limits)
    return pairs


def parse_urlencoded(data: bytes, charset: str | None, limits: Limits) -> MultiDict[str | Upload]:
    """Give the fields of an urlencoded form. Pure.

    Raises:
        Problem: 413 for what the limits do not let in, 400 and 415 for what is no text.
    """
    # Before anything is made of them: a mebibyte of "&" would be a million texts.
    if data.count(b"&") >= limits.fields > 0:
        raise Problem(413, detail=f"The form has more than the {limits.fields} fields that are taken.")
    pairs: MultiDict[str | Upload] = MultiDict()
    for pair in data.rstrip(b"\r\n").replace(b"+", b" ").split(b"&"):
        name, _, value = pair.partition(b"=")
        if pair:
            label = f"The field {name[:40].decode(errors='backslashreplace')!r}"
            if len(value) > limits.field:
                raise Problem(413, detail=f"{label} has more than the {limits.field} bytes that are taken.")
            key = decode_text(unquote_to_bytes(name), charset, "The name of a field")
            pairs.add(key, decode_text(unquote_to_bytes(value), charset, label))
    return pairs


async def _take_over(request: web.Request, limits: Limits, sent: MultiDict[str | Upload]) -> None:
    """Take what ``await request.post()`` gave to somebody; it keeps it, and closes the files."""
    for name, value in (await request.post()).items():
        if isinstance(value, web.FileField):
            sent.add(name, await run_in_thread(_adopt, value, limits))
        else:
            sent.add(name, value if isinstance(value, str) else decode_text(value, None, f"The field {name[:40]!r}"))


def _adopt(field: web.FileField, limits: Limits) -> Upload:
    file = field.file
    head = file.read(HEAD_BYTES)
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    if limits.file is not None and size > limits.file:
        raise Problem(413, detail=f"The file {field.name[:40]!r} has more than the {limits.file} bytes that are taken.")
    check_type(f"The file {field.name[:40]!r}", field.filename, field.content_type, head, limits)
    media_type = media_type_by(field.filename, field.content_type, head)
    return Upload(
        field.name,
        field.filename,
        file,
        size=size,
        content_type=field.content_type,
        media_type=media_type,
        headers=field.headers,
    )


def _close(sent: MultiMapping[str | Upload]) -> None:
    for upload in sent.values():
        if isinstance(upload, Upload) and not upload.file.closed:
            if upload.is_in_memory:
                upload.file.close()
            else:
                # It may be large, and freeing it takes the disk some time.
                start_in_thread(upload.file.close).add_done_callback(lambda closing: closing.exception())
