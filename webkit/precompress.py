"""Compressed copies and a manifest for a folder of public files: what ``python -m webkit static build FOLDER`` does.

``build`` lays site.css.br, site.css.zst and site.css.gz beside site.css, as far as this Python can write them, and the
manifest of ``webkit.manifest`` into the folder. The rules:

* Only what gets smaller is compressed (``webkit.mediatypes``), from 257 bytes on, and a copy stays only if it saves at
  least 5 %. The same content gives the same bytes; a copy has the time and the permissions of its original.
* A copy that is not older than its original is left alone, whoever has made it, unless the manifest knows that it was
  made of another content. An old one is written anew, or removed where it cannot be: nobody is ever sent it.
* A copy whose original has gone is removed if the manifest says that it was made here. No other file is touched.
"""

import gzip
import importlib
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from stat import S_ISREG
from typing import Any, Final

from webkit.codings import CODINGS
from webkit.errors import ConfigError
from webkit.filenames import is_safe_name, list_names, resolve_folder
from webkit.manifest import MANIFEST_NAME, Entry, hash_content, hash_file, read_manifest, write_manifest
from webkit.mediatypes import is_compressible

__all__ = ["Compressor", "Report", "build", "find_compressors"]

Compressor = Callable[[bytes], bytes]

_SMALLEST: Final = 257
_WORTH_IT: Final = 0.95
_FATES: Final = ("written", "kept", "removed")
# What brings a coding that is missing.
_REMEDIES: Final = {"br": "pip install brotli", "zstd": "pip install zstandard"}


@dataclass(frozen=True, slots=True)
class Report:
    """What ``build`` has done; as text a table for people.

    *files* are all files of the folder by their names; *written*, *kept* and *removed* the names of copies; *missing*
    the codings that this Python cannot write.
    """

    folder: Path
    files: Mapping[str, Entry]
    written: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()

    def __str__(self) -> str:
        compressed = {name: entry for name, entry in self.files.items() if entry.encodings}
        rows = [("FILE", "BYTES", *(coding.upper() for coding in CODINGS))]
        for name, entry in compressed.items():
            sizes = (entry.size, *(entry.encodings.get(coding, "-") for coding in CODINGS))
            rows.append((name, *(f"{size:,}" if isinstance(size, int) else size for size in sizes)))
        before = sum(entry.size for entry in compressed.values())
        after = sum(min(entry.encodings.values()) for entry in compressed.values())
        lines = [*_align(rows)] if compressed else []
        lines.append(
            f"{self.folder}: {len(self.files)} files, {len(compressed)} of them compressed, {before:,} bytes to "
            f"{after:,} at best. Copies: {len(self.written)} written, {len(self.kept)} up to date, "
            f"{len(self.removed)} removed."
        )
        lines += (f"Without {coding}: {_REMEDIES[coding]} adds it." for coding in self.missing)
        return "\n".join(lines)


@dataclass(frozen=True, slots=True)
class _Outcome:
    """What became of one file and its copies."""

    name: str
    entry: Entry
    copies: Mapping[str, str]

    def copies_that_were(self, fate: str) -> list[str]:
        return [copy for copy, became in self.copies.items() if became == fate]


def build(folder: str | os.PathLike[str], compressors: Mapping[str, Compressor] | None = None) -> Report:
    """Write compressed copies and the manifest for the files in *folder*, and give what was done.

    *compressors* are functions by coding, those of ``find_compressors`` if not given.

    Raises:
        ConfigError: *folder* is not there or no folder, its manifest is none, or nothing can be written there.
    """
    root = resolve_folder(folder, "build")
    known = read_manifest(root / MANIFEST_NAME)
    able = find_compressors() if compressors is None else compressors
    try:
        orphans = list(_remove_orphans(root, known))
        with ThreadPoolExecutor() as pool:
            names = [name for name in list_names(root) if S_ISREG((root / name).lstat().st_mode)]
            outcomes = list(pool.map(lambda name: _process(root, name, known.get(name), able), names))
        write_manifest(root / MANIFEST_NAME, {outcome.name: outcome.entry for outcome in outcomes})
    except OSError as error:
        raise ConfigError(f"{str(root)!r} cannot be built: {error}.") from error
    fates = {fate: tuple(copy for outcome in outcomes for copy in outcome.copies_that_were(fate)) for fate in _FATES}
    fates["removed"] = (*orphans, *fates["removed"])
    missing = tuple(coding for coding in CODINGS if coding not in able)
    return Report(root, {outcome.name: outcome.entry for outcome in outcomes}, missing=missing, **fates)


def find_compressors() -> dict[str, Compressor]:
    """Give a function for each coding that this Python can write, in the order of ``CODINGS``; always for gzip."""
    found: dict[str, Compressor] = {}
    brotli = _import("brotli") or _import("brotlicffi")
    if brotli is not None:
        found["br"] = lambda content: brotli.compress(content, quality=11)
    zstd = _import("compression.zstd") or _import("backports.zstd")
    zstandard = _import("zstandard")
    # Not above 19: from there on browsers would need a larger window than RFC 9659 lets them have.
    if zstd is not None:
        found["zstd"] = lambda content: zstd.compress(content, level=19)
    elif zstandard is not None:
        found["zstd"] = lambda content: zstandard.ZstdCompressor(level=19).compress(content)
    found["gzip"] = lambda content: gzip.compress(content, compresslevel=9, mtime=0)
    return found


def _import(module: str) -> Any:
    try:
        return importlib.import_module(module)
    except ImportError:
        return None


def _remove_orphans(root: Path, known: Mapping[str, Entry]) -> Iterator[str]:
    """Remove the copies that were made here of files that have gone, and give their names."""
    for name, entry in known.items():
        # SECURITY: a manifest is only a file; whatever stands in it, nothing outside is removed.
        if not is_safe_name(name) or (root / name).exists():
            continue
        for coding in entry.encodings.keys() & CODINGS.keys():
            copy = name + CODINGS[coding]
            if Path(os.path.realpath(root / copy)) == root / copy and (root / copy).is_file():
                (root / copy).unlink()
                yield copy


def _process(root: Path, name: str, known: Entry | None, able: Mapping[str, Compressor]) -> _Outcome:
    """Bring the copies of one file up to date."""
    file = root / name
    status = file.stat()
    wants_copies = is_compressible(file) and status.st_size >= _SMALLEST
    content = file.read_bytes() if wants_copies else b""
    version = hash_content(content) if wants_copies else hash_file(file)
    outdated = known if known is not None and known.hash != version else None
    fates: dict[str, str] = {}
    sizes: dict[str, int] = {}
    for coding, suffix in CODINGS.items():
        copy = file.with_name(file.name + suffix)
        if wants_copies and _is_fresh(copy, status, outdated):
            fates[name + suffix] = "kept"
        elif wants_copies and coding in able and _write(copy, file, able[coding](content), status):
            fates[name + suffix] = "written"
        elif (wants_copies or (known is not None and coding in known.encodings)) and _remove(copy):
            fates[name + suffix] = "removed"
        if fates.get(name + suffix, "removed") != "removed":
            sizes[coding] = copy.stat().st_size
    return _Outcome(name, Entry(version, status.st_size, status.st_mtime_ns, sizes), fates)


def _is_fresh(copy: Path, status: os.stat_result, outdated: Entry | None) -> bool:
    """Say whether *copy* is no older than its original, and not the one that was made of *outdated*."""
    with suppress(OSError):
        copied = copy.lstat()
        is_of_outdated = outdated is not None and int(copied.st_mtime) == outdated.mtime_ns // 1_000_000_000
        return S_ISREG(copied.st_mode) and int(copied.st_mtime) >= int(status.st_mtime) and not is_of_outdated
    return False


def _write(copy: Path, file: Path, packed: bytes, status: os.stat_result) -> bool:
    """Write *copy* with the time and permissions of *file*, whole or not at all; say whether it was worth it."""
    if len(packed) > status.st_size * _WORTH_IT:
        return False
    temporary = copy.with_name(f".{copy.name}.{os.getpid()}")
    try:
        temporary.write_bytes(packed)
        shutil.copymode(file, temporary)
        os.utime(temporary, ns=(status.st_mtime_ns, status.st_mtime_ns))
        temporary.replace(copy)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
    return True


def _remove(copy: Path) -> bool:
    if copy.is_symlink() or not copy.is_file():
        return False
    copy.unlink()
    return True


def _align(rows: Iterable[tuple[str, ...]]) -> Iterator[str]:
    """Give the rows as lines: the first column to the left, numbers to the right."""
    table = list(rows)
    widths = [max(len(row[column]) for row in table) for column in range(len(table[0]))]
    for first, *numbers in table:
        cells = (cell.rjust(width) for cell, width in zip(numbers, widths[1:], strict=True))
        yield "  ".join([first.ljust(widths[0]), *cells])
