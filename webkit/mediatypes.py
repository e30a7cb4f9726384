"""Media types: what a file is, by its name, and whether compressing it is worth the while."""

import mimetypes
from pathlib import PurePath
from typing import Final

__all__ = ["content_type_of", "is_compressible", "media_type_of"]

# What the web is made of, so that the answer does not depend on what the machine has installed. The standard
# library's built-in table stands behind it; a MimeTypes of one's own does not read the system's files.
_MEDIA_TYPES: Final = mimetypes.MimeTypes().types_map[True] | {
    ".7z": "application/x-7z-compressed",
    ".aac": "audio/aac",
    ".apng": "image/apng",
    ".atom": "application/atom+xml",
    ".avif": "image/avif",
    ".css": "text/css",
    ".csv": "text/csv",
    ".docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    ".epub": "application/epub+zip",
    ".flac": "audio/flac",
    ".gif": "image/gif",
    ".gz": "application/gzip",
    ".heic": "image/heic",
    ".htm": "text/html",
    ".html": "text/html",
    ".ico": "image/x-icon",
    ".ics": "text/calendar",
    ".jfif": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".jpg": "image/jpeg",
    ".js": "text/javascript",
    ".json": "application/json",
    ".jsonld": "application/ld+json",
    ".jxl": "image/jxl",
    ".m4a": "audio/mp4",
    ".m4v": "video/mp4",
    ".map": "application/json",
    ".md": "text/markdown",
    ".mjs": "text/javascript",
    ".mov": "video/quicktime",
    ".mp3": "audio/mpeg",
    ".mp4": "video/mp4",
    ".odp": "application/vnd.oasis.opendocument.presentation",
    ".ods": "application/vnd.oasis.opendocument.spreadsheet",
    ".odt": "application/vnd.oasis.opendocument.text",
    ".oga": "audio/ogg",
    ".ogg": "audio/ogg",
    ".ogv": "video/ogg",
    ".opus": "audio/ogg",
    ".otf": "font/otf",
    ".pdf": "application/pdf",
    ".png": "image/png",
    ".pptx": "application/vnd.openxmlformats-officedocument.presentationml.presentation",
    ".rar": "application/vnd.rar",
    ".rss": "application/rss+xml",
    ".svg": "image/svg+xml",
    ".ttf": "font/ttf",
    ".txt": "text/plain",
    ".vtt": "text/vtt",
    ".wasm": "application/wasm",
    ".wav": "audio/wav",
    ".weba": "audio/webm",
    ".webm": "video/webm",
    ".webmanifest": "application/manifest+json",
    ".webp": "image/webp",
    ".woff": "font/woff",
    ".woff2": "font/woff2",
    ".xhtml": "application/xhtml+xml",
    ".xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    ".xml": "application/xml",
    ".zip": "application/zip",
    ".zst": "application/zstd",
}

# What is text below its name; everything else that is worth compressing is text/* or ends with +json or +xml.
_COMPRESSIBLE: Final = {
    "application/json",
    "application/wasm",
    "application/xml",
    "font/otf",
    "font/ttf",
    "image/bmp",
    "image/x-icon",
}


def content_type_of(file: PurePath) -> str:
    """Give the value of Content-Type for *file*."""
    media_type = _media_type(file)
    # XML and SVG are left out: they declare their encoding themselves, and the header would overrule it.
    is_text = media_type.startswith("text/") or media_type.endswith(("/json", "+json"))
    return f"{media_type}; charset=utf-8" if is_text else media_type


def is_compressible(file: PurePath) -> bool:
    """Say whether files such as *file* get smaller: text does, pictures and archives are compressed already."""
    media_type = _media_type(file)
    return media_type in _COMPRESSIBLE or media_type.startswith("text/") or media_type.endswith(("+json", "+xml"))


def media_type_of(extension: str) -> str | None:
    """Give the media type for *extension*, such as ``".png"``; ``None`` for one that nobody knows."""
    return _MEDIA_TYPES.get(extension.lower())


def _media_type(file: PurePath) -> str:
    return media_type_of(file.suffix) or "application/octet-stream"
