"""Multipart forms as bytes, made by hand: whatever a client may send."""

from typing import Final

BOUNDARY: Final = "----boundary7MA4YWxk"
CONTENT_TYPE: Final = f"multipart/form-data; boundary={BOUNDARY}"
END: Final = f"--{BOUNDARY}--\r\n".encode()

PNG: Final = b"\x89PNG\r\n\x1a\n" + bytes(range(256))
JPEG: Final = b"\xff\xd8\xff\xe0\x00\x10JFIF" + bytes(range(256))
GIF: Final = b"GIF89a" + bytes(range(256))
ZIP: Final = b"PK\x03\x04" + bytes(range(256))
PDF: Final = b"%PDF-1.7\n" + bytes(range(256))


def part(disposition: str, content: str | bytes = b"", *headers: str) -> bytes:
    """Make one part: ``part('form-data; name="a"', "1", "Content-Type: text/plain")``."""
    lines = "\r\n".join((f"--{BOUNDARY}", f"Content-Disposition: {disposition}", *headers))
    return f"{lines}\r\n\r\n".encode() + (content.encode() if isinstance(content, str) else content) + b"\r\n"


def field(name: str, value: str | bytes) -> bytes:
    """Make the part of a field, as a browser does."""
    return part(f'form-data; name="{name}"', value)


def file(name: str, filename: str, content: str | bytes, content_type: str = "application/octet-stream") -> bytes:
    """Make the part of a file, as a browser does."""
    return part(f'form-data; name="{name}"; filename="{filename}"', content, f"Content-Type: {content_type}")


def form(*parts: bytes) -> bytes:
    """Make a whole form."""
    return b"".join(parts) + END


def request(
    target: str, body: bytes, *headers: str, content_type: str = CONTENT_TYPE, length: int | None = None
) -> bytes:
    """Make the request that sends *body*; *length* is what it says of it."""
    lines = [f"POST {target} HTTP/1.1", "Host: example.org", f"Content-Type: {content_type}", *headers]
    return (
        "\r\n".join([*lines, f"Content-Length: {len(body) if length is None else length}"]).encode()
        + b"\r\n\r\n"
        + body
    )
