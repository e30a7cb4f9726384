"""The manifest of a folder of public files: what ``webkit static build`` has found and written.

It saves the server from reading every file once to know the hash that its URL carries. It is believed only as long
as size and time of a file are what they were; then a file is read again. Its name is hidden, so that it is neither
served nor listed, and takes no other file's place: ``manifest.json`` is what web applications call their own.
"""

import base64
import hashlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import msgspec

from webkit.errors import ConfigError

__all__ = ["MANIFEST_NAME", "Entry", "hash_content", "hash_file", "read_manifest", "write_manifest"]

#: The name of the manifest in the folder that it is about.
MANIFEST_NAME: Final = ".webkit-manifest.json"

_SECOND_NS: Final = 1_000_000_000


class Entry(msgspec.Struct, frozen=True):
    """One file: the hash of its content, its size in bytes, and the size of each compressed copy by its coding."""

    hash: str
    size: int
    mtime_ns: int
    encodings: dict[str, int] = {}

    def is_of(self, status: os.stat_result) -> bool:
        """Say whether *status* is that of the file that was read; archives drop the fraction of its second."""
        whole_seconds = self.mtime_ns // _SECOND_NS * _SECOND_NS
        return status.st_size == self.size and status.st_mtime_ns in {self.mtime_ns, whole_seconds}


class _Document(msgspec.Struct, frozen=True):
    files: dict[str, Entry]
    version: int = 1


def hash_content(content: bytes) -> str:
    """Give 16 URL-safe characters of the SHA-256 of *content*."""
    return _as_text(hashlib.sha256(content).digest())


def hash_file(file: Path) -> str:
    """Give the same of a file's content; blocks while it reads.

    Raises:
        OSError: the file cannot be read.
    """
    with file.open("rb") as stream:
        return _as_text(hashlib.file_digest(stream, "sha256").digest())


def read_manifest(file: Path) -> dict[str, Entry]:
    """Give the files of a manifest by their names; nothing where there is none.

    Raises:
        ConfigError: it cannot be read, or is none.
    """
    try:
        document = msgspec.json.decode(file.read_bytes(), type=_Document)
    except FileNotFoundError:
        return {}
    except (OSError, msgspec.MsgspecError) as error:
        raise ConfigError(
            f"{str(file)!r} is no manifest of static files: {error}. Delete it; `python -m webkit static build` "
            "writes a new one."
        ) from error
    return document.files if document.version == 1 else {}


def write_manifest(file: Path, entries: Mapping[str, Entry]) -> None:
    """Write the manifest of *entries*, whole or not at all (``OSError``)."""
    document = _Document(dict(sorted(entries.items())))
    temporary = file.with_name(f"{file.name}.{os.getpid()}")
    temporary.write_bytes(msgspec.json.format(msgspec.json.encode(document), indent=1) + b"\n")
    temporary.replace(file)


def _as_text(digest: bytes) -> str:
    return base64.urlsafe_b64encode(digest[:12]).decode()
