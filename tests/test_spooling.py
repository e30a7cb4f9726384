"""Writing files in threads: in batches, in order, all of it or nothing."""

import asyncio
import errno
import hashlib
import io
import os
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from tests.leftovers import count_descriptors, names_in, settled_descriptors, until
from webkit.errors import Problem
from webkit.spooling import BatchWriter, IntoFile, IntoPath, IntoSpool

BLOCK = bytes(range(256)) * 4096  # a mebibyte


class Slow:
    """A target that writes when it is told to."""

    def __init__(self) -> None:
        self.begun, self.may_write = threading.Event(), threading.Event()
        self.batches: list[int] = []
        self.ends: list[str] = []

    def write(self, batch: Sequence[bytes]) -> None:
        self.begun.set()
        assert self.may_write.wait(30)
        self.batches.append(sum(map(len, batch)))

    def finish(self) -> None:
        self.ends.append("finished")

    def discard(self) -> None:
        self.ends.append("discarded")


async def write(writer: BatchWriter, *blocks: bytes | Callable[[], object]) -> None:
    """Write *blocks*; what is none is called in between."""
    async with writer:
        for block in blocks:
            if isinstance(block, bytes):
                await writer.write(block)
            else:
                block()
        await writer.finish()


async def test_what_is_written_is_the_file_and_its_hash_that_of_its_bytes() -> None:
    for blocks in ([], [b"tea"], [BLOCK] * 5, [b"x", BLOCK, b"y"] * 3):
        file = io.BytesIO()
        writer = BatchWriter(IntoFile(file), hashed=True)
        await write(writer, *blocks)
        assert file.getvalue() == b"".join(blocks)
        assert writer.sha256 == hashlib.sha256(b"".join(blocks)).hexdigest()


async def test_a_slow_disk_lets_the_client_wait_and_not_more_than_two_batches_are_in_memory() -> None:
    target = Slow()
    writer = BatchWriter(target)
    writing = asyncio.create_task(write(writer, *[BLOCK] * 100))
    for _ in range(1000):
        await asyncio.sleep(0)
    assert not writing.done()
    assert writer._batch_bytes < 3 * 2**20
    target.may_write.set()
    await writing
    assert (sum(target.batches), max(target.batches), target.ends) == (100 * 2**20, 2 * 2**20, ["finished"])


async def test_bytes_that_come_one_by_one_cost_no_more_memory_than_a_batch() -> None:
    target = Slow()
    writer = BatchWriter(target)
    writing = asyncio.create_task(write(writer, *[b"ab"] * 200_000))
    await until(lambda: writer._writing is not None)
    target.may_write.set()
    await writing
    assert max(target.batches) < 2**17


async def test_what_is_cancelled_while_it_is_written_is_discarded_after_that() -> None:
    target = Slow()
    writing = asyncio.create_task(write(BatchWriter(target), *[BLOCK] * 9))
    await until(target.begun.is_set)
    writing.cancel()
    await asyncio.sleep(0)
    assert target.ends == []
    target.may_write.set()
    with pytest.raises(asyncio.CancelledError):
        await writing
    assert target.ends == ["discarded"]
    assert len(target.batches) == 1


async def test_a_small_file_needs_no_thread() -> None:
    writer = BatchWriter(Slow(), hashed=True)
    async with writer:
        await writer.write(b"te")
        await writer.write(b"a")
        assert writer.take_all() == b"tea"
    assert writer.sha256 == hashlib.sha256(b"tea").hexdigest()


async def test_too_many_open_files_are_said(caplog: pytest.LogCaptureFixture) -> None:
    class Exhausted:
        def write(self, batch: Sequence[bytes]) -> None:
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

        def finish(self) -> None:
            """Never reached."""

        def discard(self) -> None:
            """Nothing is there."""

    with pytest.raises(Problem) as caught:
        await write(BatchWriter(Exhausted()), b"tea")
    assert caught.value.status == 503
    assert "Too many open files" in caplog.text


@pytest.mark.parametrize("size", [10, 2**22])
async def test_a_full_disk_is_said_and_leaves_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, size: int
) -> None:
    with Path("/dev/full").open("wb", buffering=0) as full, pytest.raises(Problem) as caught:  # noqa: ASYNC230
        await write(BatchWriter(IntoFile(full)), bytes(size))
    assert (caught.value.status, caught.value.detail) == (507, "There is no room left for this upload on the server.")
    assert "No space left" in caplog.text


async def test_another_error_of_the_disk_is_what_it_is(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        await write(BatchWriter(IntoPath(tmp_path / "no" / "tea", overwrite=False, mode=0o644)), b"tea")


# Temporary files


async def test_a_temporary_file_is_one_descriptor_and_has_no_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    before = settled_descriptors()
    target = IntoSpool()
    await write(BatchWriter(target), *[BLOCK] * 5)
    assert count_descriptors() == before + 1
    assert names_in(tmp_path) == []
    assert target.file.read() == BLOCK * 5
    target.discard()
    assert count_descriptors() == before


# Files with a name


@pytest.mark.parametrize("blocks", [[], [b"tea"], [BLOCK] * 5])
async def test_a_file_has_its_name_when_it_is_complete(tmp_path: Path, blocks: list[bytes]) -> None:
    path = tmp_path / "tea"
    writer = BatchWriter(IntoPath(path, overwrite=False, mode=0o640))
    async with writer:
        for block in blocks:
            await writer.write(block)
            assert not path.exists()
        await writer.finish()
    assert path.read_bytes() == b"".join(blocks)
    assert path.stat().st_mode & 0o777 == 0o640
    assert names_in(tmp_path) == [path.name]


async def test_a_file_that_is_there_stays_unless_it_is_said_otherwise(tmp_path: Path) -> None:
    path = tmp_path / "tea"
    path.write_bytes(b"old")
    with pytest.raises(FileExistsError, match="choose another name, or say overwrite=True"):
        await write(BatchWriter(IntoPath(path, overwrite=False, mode=0o644)), b"new")
    assert path.read_bytes() == b"old"
    await write(BatchWriter(IntoPath(path, overwrite=True, mode=0o644)), b"new")
    assert path.read_bytes() == b"new"
    assert names_in(tmp_path) == [path.name]


async def test_a_file_that_comes_in_between_stays(tmp_path: Path) -> None:
    path = tmp_path / "tea"
    writer = BatchWriter(IntoPath(path, overwrite=False, mode=0o644))
    with pytest.raises(FileExistsError):
        await write(writer, *[BLOCK] * 4, lambda: path.write_bytes(b"mine"))
    assert path.read_bytes() == b"mine"
    assert names_in(tmp_path) == [path.name]


async def test_a_file_system_without_links_will_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object) -> None:
        raise PermissionError("no links here")

    monkeypatch.setattr(Path, "hardlink_to", refuse)
    path = tmp_path / "tea"
    await write(BatchWriter(IntoPath(path, overwrite=False, mode=0o644)), b"tea")
    assert path.read_bytes() == b"tea"
    writer = BatchWriter(IntoPath(tmp_path / "milk", overwrite=False, mode=0o644))
    with pytest.raises(FileExistsError):
        await write(writer, *[BLOCK] * 4, lambda: (tmp_path / "milk").write_bytes(b"mine"))
    assert names_in(tmp_path) == ["milk", "tea"]


async def test_a_folder_in_the_place_of_a_file_is_refused_with_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(IsADirectoryError, match="write folder / safe_filename"):
        await write(BatchWriter(IntoPath(tmp_path, overwrite=True, mode=0o644)), b"tea")
    assert names_in(tmp_path) == []


async def test_what_fails_half_way_leaves_no_file(tmp_path: Path) -> None:
    writer = BatchWriter(IntoPath(tmp_path / "tea", overwrite=False, mode=0o644))
    with pytest.raises(ZeroDivisionError):
        await write(writer, *[BLOCK] * 5, lambda: 1 / 0)
    assert names_in(tmp_path) == []
