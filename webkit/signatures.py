"""What a file is, by its first bytes, and whether that is what it may be. Pure.

A file is taken where all that says something about it agrees with the media types that are allowed:

1. The extension of its name, where it has one: ``page.php`` is no picture, whatever is inside.
2. The type that the client declares, where it does (``application/octet-stream`` says nothing).
3. Its first bytes, where the table below knows them: a PNG is a PNG, whatever it is called. A ZIP may be an office
   document, and XML a feed: there the name and the declaration say which.

A file that claims to be of a type in the table must show its signature, and a text (``text/*``, JSON) must be free of
control characters. Of other types, such as ``font/collection``, there are only name and declaration. An allowed
extension, ``".blend"``, is for files that no media type is known of: their name is enough.
"""

import re
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from typing import Final, TypeAlias

from webkit.filenames import safe_filename
from webkit.mediatypes import media_type_of

__all__ = ["HEAD_BYTES", "find_fault", "media_type_by"]

# The types that always begin so, and those that may.
_Seen: TypeAlias = tuple[Sequence[str], Sequence[str]]

#: How many bytes of a file are looked at.
HEAD_BYTES: Final = 1024

_UNSAID: Final = "application/octet-stream"
_CONTROL: Final = re.compile(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f]")
_WIDE_TEXT: Final = (b"\xff\xfe", b"\xfe\xff")
# Browsers and systems have words of their own.
_ALIASES: Final = {
    "application/x-gzip": "application/gzip",
    "application/x-rar-compressed": "application/vnd.rar",
    "application/x-zip-compressed": "application/zip",
    "audio/m4a": "audio/mp4",
    "audio/mp3": "audio/mpeg",
    "audio/wave": "audio/wav",
    "audio/x-flac": "audio/flac",
    "audio/x-m4a": "audio/mp4",
    "audio/x-wav": "audio/wav",
    "image/jpg": "image/jpeg",
    "image/pjpeg": "image/jpeg",
    "image/x-png": "image/png",
    "text/xml": "application/xml",
    "video/avi": "video/x-msvideo",
    "video/x-m4v": "video/mp4",
}

# What may stand before the first tag of XML and HTML. Possessive: there is one way to read it.
_PROLOG: Final = (
    rb"(?:\xef\xbb\xbf)?"
    rb"(?:\s|<\?[^>]*>|<!--(?:(?!-->).)*-->|<!doctype (?!html)[^>\[]*(?:\[[^\]]*\]\s*)?>)*+"
)

# The beginning of a file; the types that always begin so, the name of the format first; types that may.
_SIGNATURES: Final[tuple[tuple[bytes, str, str], ...]] = (
    (rb"\x89PNG\r\n\x1a\n", "image/png", "image/apng"),
    (rb"\xff\xd8\xff", "image/jpeg", ""),
    (rb"GIF8[79]a", "image/gif", ""),
    (rb"RIFF....WEBP", "image/webp", ""),
    (rb"II\*\0|MM\0\*", "image/tiff", ""),
    (rb"....ftyp(?:avif|avis)", "image/avif", ""),
    (rb"....ftyp(?:hei|hev|mif1|msf1)", "image/heic image/heif", "image/avif"),
    (rb"....ftypM4[AB] ", "audio/mp4", ""),
    (rb"....(?:ftypqt  |moov|mdat|wide|free|skip)", "video/quicktime", ""),
    (rb"....ftyp", "video/mp4", "audio/mp4 video/3gpp audio/3gpp video/3gpp2 audio/3gpp2 application/mp4"),
    (rb"\x1aE\xdf\xa3", "video/webm audio/webm video/x-matroska", "audio/x-matroska"),
    (rb"OggS", "application/ogg audio/ogg video/ogg", "audio/opus"),
    (rb"RIFF....WAVE", "audio/wav", "audio/vnd.wave"),
    (rb"RIFF....AVI ", "video/x-msvideo", ""),
    (rb"fLaC", "audio/flac", ""),
    # A tag, or the first frame: no version, layer or bit rate that there is not, nor the beginning of UTF-16.
    (rb"ID3|\xff[\xe2-\xe7\xf2-\xf7\xfa-\xfd][\x00-\xef]", "audio/mpeg", "audio/aac"),
    (rb"%PDF-", "application/pdf", "application/illustrator application/postscript"),
    (
        rb"PK(?:\x03\x04|\x05\x06)",
        "application/zip",
        "application/vnd.* application/*+zip application/java-archive model/*",
    ),
    (rb"\x1f\x8b", "application/gzip", "application/x-tar application/x-gtar image/svg+xml"),
    (rb"BZh[1-9]", "application/x-bzip2", "application/x-tar"),
    (rb"\xfd7zXZ\0", "application/x-xz", "application/x-tar"),
    (rb"\x28\xb5\x2f\xfd", "application/zstd", "application/x-tar"),
    (rb"7z\xbc\xaf\x27\x1c", "application/x-7z-compressed", ""),
    (rb"Rar!\x1a\x07", "application/vnd.rar", ""),
    (rb"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "application/x-ole-storage", "application/msword application/vnd.*"),
    (rb"wOF2", "font/woff2", ""),
    (rb"wOFF", "font/woff", ""),
    (rb"\0asm", "application/wasm", ""),
    (rb"\x7fELF", "application/x-executable", "application/x-sharedlib application/x-elf"),
    (rb"MZ[\x00-\x1f\x80-\xff]", "application/x-msdownload", "application/vnd.microsoft.portable-executable"),
    (_PROLOG + rb"<svg[\s>]", "image/svg+xml", "application/xml"),
    (_PROLOG + rb"(?:<!doctype html|<(?:html|head|body|script|iframe)[\s>])", "text/html", "application/xhtml+xml"),
    (rb"(?:\xef\xbb\xbf)?<\?xml\s", "application/xml", "*/*+xml"),
)
_TABLE: Final = tuple(
    (re.compile(pattern, re.DOTALL | re.IGNORECASE if b"<" in pattern else re.DOTALL), always.split(), maybe.split())
    for pattern, always, maybe in _SIGNATURES
)
# A page needs no tag that is known, and XML no prolog.
_MUST_SHOW: Final = {name for _, always, _ in _TABLE for name in always} - {"text/html", "application/xml"}


def find_fault(filename: str, declared: str | None, head: bytes, allowed: Iterable[str]) -> str | None:
    """Say why a file may not be taken, ``None`` where it may.

    *head* are its first ``HEAD_BYTES`` (fewer where it is shorter), *allowed* are media types (``image/png``,
    ``image/*``) and extensions (``.blend``).
    """
    patterns = tuple(_ALIASES.get(pattern, pattern) for pattern in allowed)
    extensions = _extensions_of(filename)
    if extensions and all(extension in patterns for extension in extensions):
        return None
    claims = _claims(filename, declared)
    for claim in claims:
        if not _fits(claim, patterns):
            return f"{filename!r} says that it is {claim}"
    seen = _look_up(head)
    if seen is not None:
        is_meant = any(_can_begin(claim, seen) for claim in claims)
        return None if is_meant or _fits(seen[0][0], patterns) else f"the bytes of {filename!r} are {seen[0][0]}"
    if not claims and not _fits(_UNSAID, patterns):
        return f"nothing says what {filename!r} is"
    lie = next((claim for claim in claims if not _can_be_unknown(claim, head)), None)
    return lie and f"the bytes of {filename!r} are no {lie}"


def media_type_by(filename: str, declared: str | None, head: bytes) -> str:
    """Give the media type of a file: by its bytes where these are known, else by its name, else as it is declared."""
    claims = _claims(filename, declared)
    seen = _look_up(head)
    if seen is not None:
        return next((claim for claim in claims if _can_begin(claim, seen)), seen[0][0])
    return next((claim for claim in claims if "/" in claim and _can_be_unknown(claim, head)), _UNSAID)


def _claims(filename: str, declared: str | None) -> list[str]:
    """Give what the name says, then what the client says. An extension that nobody knows says something, too."""
    by_name = [media_type_of(extension) or f"a {extension[:20]!r}" for extension in _extensions_of(filename)]
    claims = [*by_name, declared or _UNSAID]
    return [_ALIASES.get(claim, claim) for claim in claims if claim != _UNSAID]


def _extensions_of(filename: str) -> list[str]:
    """Give the extension of *filename*, and that of the name under which it is saved, where it is another.

    SECURITY: a full-width dot, or a character that nobody sees, hides ``.html`` until the name is made safe.
    """
    found: dict[str, None] = {}
    for name in (filename, safe_filename(filename)):
        # Windows drops dots and blanks at the end.
        _, dot, extension = name.rstrip(" .").rpartition(".")
        if dot:
            found[f".{extension.lower()}"] = None
    return list(found)


def _look_up(head: bytes) -> _Seen | None:
    """Give the types that always, and those that may begin like *head*."""
    return next(((always, maybe) for pattern, always, maybe in _TABLE if pattern.match(head)), None)


def _can_begin(claim: str, seen: _Seen) -> bool:
    always, maybe = seen
    return claim in always or claim in maybe or (claim not in _MUST_SHOW and _fits(claim, maybe))


def _can_be_unknown(claim: str, head: bytes) -> bool:
    """Whether bytes that no signature is known for may be what they claim."""
    if claim in _MUST_SHOW:
        return False
    is_text = claim.startswith("text/") or claim.endswith(("/json", "+json", "/javascript", "/xml", "+xml"))
    return not is_text or head.startswith(_WIDE_TEXT) or not _CONTROL.search(head)


def _fits(media_type: str, patterns: Iterable[str]) -> bool:
    return any(fnmatchcase(media_type, pattern) for pattern in patterns)
