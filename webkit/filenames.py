"""The names of public files: which are safe in a folder on every operating system, how one is made, which lie there.

A name is judged as text, with the eyes of every operating system at once: what would leave the folder on Windows is
refused on Linux too, so that a site behaves the same wherever it runs.
"""

import os
import re
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import Final
from urllib.parse import unquote

from webkit.codings import is_copy
from webkit.errors import ConfigError

__all__ = ["is_safe_name", "list_names", "resolve_folder", "safe_filename"]

# Control characters are in no honest name. A backslash separates folders on Windows; a colon begins a drive (C:)
# or an alternate data stream (file.txt::$DATA), which would give the source of a file under another media type.
_FORBIDDEN: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\\:]")
# Windows opens the device whatever folder and extension the name has: "sub/nul.txt" is NUL.
_DEVICE: Final = re.compile(r"(?i:con|prn|aux|nul|conin\$|conout\$|clock\$|(?:com|lpt)[0-9¹²³])")
# What a shell, an operating system or a URL takes for something else than a name.
_REPLACED: Final = re.compile(r'[<>:"|?*%#&$`\'!;{}\[\]~^=]+')
# Categories of characters that nobody sees: control, format (text direction), surrogate, private and unassigned.
_INVISIBLE: Final = {"Cc", "Cf", "Cs", "Co", "Cn"}
# Longer ones are no extension; it is cut like the rest.
_EXTENSION_BYTES: Final = 16
# No honest name has its percent signs encoded over and over; each level costs a pass over the name.
_DECODED_AT_MOST: Final = 4


def is_safe_name(path: str) -> bool:
    """Say whether *path* names something public inside a folder, on every operating system.

    *path* is relative, its percent-encoding already undone, its separator ``/``: ``"css/site.css"``. Refused are
    also hidden names (but the folder ``.well-known``) and what is unsafe when it is decoded once more.
    """
    for _ in range(_DECODED_AT_MOST):
        first, *rest = path.split("/")
        if _FORBIDDEN.search(path) or not (first == ".well-known" or _is_safe_segment(first)):
            return False
        if not all(map(_is_safe_segment, rest)):
            return False
        # Whoever decodes twice, a proxy or a tool of the future, must not find a way out either.
        path, before = unquote(path), path
        if path == before:
            return True
    return False


def safe_filename(name: str, *, fallback: str = "file", max_bytes: int = 200) -> str:
    """Make of *name*, as a client says it, one that is safe in a folder on every operating system, and on a shell.

    ``"../../My résumé.pdf"`` becomes ``"My résumé.pdf"``; folders, characters that nobody sees, leading dots and
    dashes go, reserved names get a ``_`` in front; *fallback* is for what nothing is left of. The extension stays where
    the name is cut to *max_bytes* of UTF-8 (at least 32). Two names may become one: none is a key.
    """
    # Compatibility forms first: a full-width slash is a slash to some systems.
    text = unicodedata.normalize("NFKC", name)
    text = "".join(" " if char.isspace() else char for char in text if char.isspace() or _is_visible(char))
    text = _REPLACED.sub("_", text.replace("\\", "/").rstrip("/ ").rpartition("/")[2])
    text = _cut(_trim(" ".join(text.split())), max_bytes)
    if not text:
        return fallback
    return text if _DEVICE.fullmatch(text.partition(".")[0].rstrip(" ")) is None else f"_{text}"


def list_names(folder: Path) -> Iterator[str]:
    """Give the names of the files below *folder*, sorted; blocks.

    Left out are hidden files, those that no URL can name, and the compressed copies of others.
    """
    for parent, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        present = set(files)
        for file in sorted(files):
            name = Path(parent, file).relative_to(folder).as_posix()
            if is_safe_name(name) and not is_copy(file, present):
                yield name


def resolve_folder(folder: str | os.PathLike[str], asked_by: str) -> Path:
    """Give the real path of *folder*.

    Raises:
        ConfigError: it is not there, or no folder; the message begins with *asked_by*, such as ``"Static"``.
    """
    # Once, at the start: a later os.chdir() must not move the site.
    real = Path(os.path.realpath(folder))
    if not real.is_dir():
        problem = "is no folder" if real.exists() else "does not exist"
        raise ConfigError(
            f"{asked_by}({os.fspath(folder)!r}): {str(real)!r} {problem} (the current folder is {str(Path.cwd())!r}). "
            f"Create it, or write Path(__file__).parent / {real.name!r} to look beside your module."
        )
    return real


def _is_safe_segment(segment: str) -> bool:
    # Empty is an absolute path or "//"; a leading dot is "..", "." or hidden. Windows drops dots and spaces at
    # the end, so "site.css." would be a second name for a file, and ".. " another way up.
    if not segment or segment.startswith(".") or segment.endswith((".", " ")):
        return False
    return _DEVICE.fullmatch(segment.partition(".")[0].rstrip(" ")) is None


def _is_visible(char: str) -> bool:
    return unicodedata.category(char) not in _INVISIBLE


def _trim(text: str) -> str:
    return text.lstrip(". -").rstrip(". ")


def _cut(text: str, max_bytes: int) -> str:
    """Cut *text* to *max_bytes*, between characters, and before its extension."""
    room = max(max_bytes, 32) - 1  # one for the mark of a reserved name
    if len(text.encode()) <= room:
        return text
    stem, dot, extension = text.rpartition(".")
    if not dot or len(extension.encode()) > _EXTENSION_BYTES:
        stem, extension = text, ""
    else:
        extension = f".{extension}"
    return _trim(stem.encode()[: room - len(extension.encode())].decode(errors="ignore")) + extension
