"""Files on their way from a client to the disk, written in threads while the next bytes arrive.

A thread gets a batch of two mebibytes, so that the way to it costs little, and one batch at a time: while a slow disk
writes, nothing more is read than one batch, and the client has to wait.
"""

import asyncio
import errno
import hashlib
import io
import logging
import os
import secrets
import tempfile
import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Final, Protocol, Self

from webkit.errors import Problem
from webkit.threads import start_in_thread

__all__ = ["BatchWriter", "IntoFile", "IntoPath", "IntoSpool", "NameTaken", "Target"]

logger = logging.getLogger("webkit.uploads")

_BATCH_BYTES: Final = 2**21
# What an object costs beside its bytes: without it, a client that sends byte by byte would cost much more than a batch.
_OVERHEAD_BYTES: Final = 64
_FULL: Final = (507, "There is no room left for this upload on the server.")
_BUSY: Final = (503, "The server has too many uploads at once; try again.")
# What the system says when it has run out of something, and what the client is told then.
_EXHAUSTED: Final = {
    **dict.fromkeys((errno.ENOSPC, errno.EDQUOT, errno.EFBIG), _FULL),
    **dict.fromkeys((errno.EMFILE, errno.ENFILE), _BUSY),
}


class NameTaken(Problem, FileExistsError):
    """The file is there already. Where nobody catches it, the client gets 409: it may have chosen the name."""

    def __init__(self, path: Path) -> None:
        super().__init__(409, detail="There is a file of this name already.")
        self.errno = errno.EEXIST
        self.strerror = "It is there already: choose another name, or say overwrite=True"
        self.filename = str(path)


class Target(Protocol):
    """Where bytes go. All three are called in threads, one after the other."""

    def write(self, batch: Sequence[bytes]) -> None:
        """Write *batch*."""

    def finish(self) -> None:
        """Make the file be there: all has been written."""

    def discard(self) -> None:
        """Leave nothing behind."""


class BatchWriter:
    """Hands what is written to *target*, in batches, and waits for it where it is slow: ``async with`` it.

    An error within leaves nothing behind, and so does cancelling. With *hashed*, ``sha256`` is the hexadecimal hash of
    all bytes after ``finish``.
    """

    def __init__(self, target: Target, *, hashed: bool = False) -> None:
        self._target = target
        self._hash = hashlib.sha256() if hashed else None
        self._batch: list[bytes] = []
        self._batch_bytes = 0
        self._writing: asyncio.Future[None] | None = None
        self._lock = threading.Lock()
        self._is_over = False

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if error is not None:
            await asyncio.shield(start_in_thread(self._discard))

    @property
    def sha256(self) -> str | None:
        """The hash of what was written."""
        return None if self._hash is None else self._hash.hexdigest()

    async def write(self, chunk: bytes) -> None:
        """Write *chunk*; comes back when there is room for the next.

        Raises:
            Problem: 507, the disk is full.
            OSError: *target* cannot be written.
        """
        self._batch.append(chunk)
        self._batch_bytes += len(chunk) + _OVERHEAD_BYTES
        if self._batch_bytes >= _BATCH_BYTES:
            await self._hand_over(self._target.write)

    async def finish(self) -> None:
        """Write the rest, and make the file be there; raises as ``write`` does."""
        await self._hand_over(self._write_and_finish)
        await self._wait()

    def take_all(self) -> bytes | None:
        """Give all that was written, where none of it went to the target yet; then there is nothing to finish."""
        if self._writing is not None:
            return None
        content = b"".join(self._batch)
        if self._hash is not None:
            self._hash.update(content)
        return content

    async def _hand_over(self, write: Any) -> None:
        await self._wait()
        batch, self._batch, self._batch_bytes = self._batch, [], 0
        self._writing = start_in_thread(self._run, write, batch)
        # Nobody may come to ask, where the client has gone.
        self._writing.add_done_callback(lambda writing: writing.cancelled() or writing.exception())

    async def _wait(self) -> None:
        if self._writing is not None:
            try:
                # A thread cannot be cancelled: it goes on, and discard() comes after it.
                await asyncio.shield(self._writing)
            except OSError as error:
                if error.errno not in _EXHAUSTED:
                    raise
                logger.error("An upload was refused: %s", error)
                status, detail = _EXHAUSTED[error.errno]
                raise Problem(status, detail=detail) from error

    def _write_and_finish(self, batch: Sequence[bytes]) -> None:
        self._target.write(batch)
        self._target.finish()

    def _run(self, write: Any, batch: Sequence[bytes]) -> None:
        with self._lock:
            if self._is_over:
                return
            write(batch)
        if self._hash is not None:
            for chunk in batch:
                self._hash.update(chunk)

    def _discard(self) -> None:
        with self._lock:
            self._is_over = True
            self._target.discard()


class IntoSpool:
    """A temporary file: without a name where the system knows such, one descriptor, gone when it is closed."""

    def __init__(self) -> None:
        self.file: IO[bytes] = io.BytesIO()

    def write(self, batch: Sequence[bytes]) -> None:
        """Write *batch*; the file is made with the first one."""
        if isinstance(self.file, io.BytesIO):
            self.file = tempfile.TemporaryFile(prefix="webkit-upload-")  # noqa: SIM115 - it outlives this call
        self.file.writelines(batch)

    def finish(self) -> None:
        """Go to the beginning."""
        self.file.seek(0)

    def discard(self) -> None:
        """Close, and by that remove it."""
        with suppress(OSError):  # a full disk cannot take what is still buffered
            self.file.close()


class IntoPath:
    """The file *path*. It lies beside it under another name until it is complete."""

    def __init__(self, path: str | os.PathLike[str], *, overwrite: bool, mode: int) -> None:
        self._path = Path(path)
        self._overwrite = overwrite
        self._mode = mode
        self._partial: Path | None = None
        self._file: IO[bytes] = io.BytesIO()

    def write(self, batch: Sequence[bytes]) -> None:
        """Write *batch*; the first one looks whether the path may be written."""
        if self._partial is None:
            self._open()
        self._file.writelines(batch)

    def finish(self) -> None:
        """Give it its name."""
        self._file.close()
        if self._partial is not None:
            if self._overwrite:
                self._partial.replace(self._path)
            else:
                self._link(self._partial)
            self._partial = None

    def discard(self) -> None:
        """Remove it."""
        with suppress(OSError):  # a full disk cannot take what is still buffered
            self._file.close()
        if self._partial is not None:
            self._partial.unlink(missing_ok=True)

    def _open(self) -> None:
        if self._path.is_dir():
            raise IsADirectoryError(errno.EISDIR, "A folder: write folder / safe_filename(part.filename)", self._path)
        if not self._overwrite and self._path.exists():
            raise NameTaken(self._path)
        partial = self._path.with_name(f".{secrets.token_hex(8)}.part")
        flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY | getattr(os, "O_BINARY", 0)
        self._file = os.fdopen(os.open(partial, flags, self._mode), "wb")
        self._partial = partial

    def _link(self, partial: Path) -> None:
        """Give the name without taking it from a file that came in between."""
        try:
            self._path.hardlink_to(partial)
        except FileExistsError:
            raise NameTaken(self._path) from None
        except OSError:  # this file system knows no links
            if self._path.exists():
                raise NameTaken(self._path) from None
            partial.replace(self._path)
        else:
            partial.unlink()


class IntoFile:
    """A file object of the caller's."""

    def __init__(self, file: Any) -> None:
        self._file = file

    def write(self, batch: Sequence[bytes]) -> None:
        """Write *batch*."""
        for chunk in batch:
            self._file.write(chunk)

    def finish(self) -> None:
        """Leave it open: it is the caller's."""

    def discard(self) -> None:
        """Leave it as it is: it is the caller's."""
