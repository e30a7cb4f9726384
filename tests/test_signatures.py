"""What a file may be: by its name, by what the client says, and by its first bytes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.multiparts import GIF, JPEG, PDF, PNG, ZIP
from tests.stopwatch import time_of
from webkit.signatures import HEAD_BYTES, find_fault, media_type_by

PICTURES = ("image/png", "image/jpeg", "image/gif", "image/webp")
DOCX = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
SVG = b'<?xml version="1.0"?>\n<!-- drawn -->\n<!DOCTYPE svg PUBLIC "x" [<!ENTITY a "b">]>\n<svg xmlns="x">'
PAGE = b" <!-- x -->\n<!DOCTYPE html><p>"
MP4 = b"\x00\x00\x00\x20ftypisom\x00\x00\x02\x00"


@pytest.mark.parametrize(
    ("filename", "declared", "head", "allowed", "media_type"),
    [
        ("a.png", "image/png", PNG, PICTURES, "image/png"),
        ("a.JPG", "image/jpeg", JPEG, PICTURES, "image/jpeg"),
        ("a.gif", "image/gif", GIF, ("image/*",), "image/gif"),
        ("a.webp", "image/webp", b"RIFF\x24\x00\x00\x00WEBPVP8 ", PICTURES, "image/webp"),
        # The bytes are one of those that are allowed, whatever the file is called; they say what it is.
        ("a.jpg", "image/jpeg", PNG, PICTURES, "image/png"),
        # Nobody says anything but the bytes.
        ("blob", "application/octet-stream", PNG, PICTURES, "image/png"),
        ("", None, PNG, PICTURES, "image/png"),
        # Words of browsers and systems for the same.
        ("a.jpg", "image/pjpeg", JPEG, PICTURES, "image/jpeg"),
        ("a.zip", "application/x-zip-compressed", ZIP, ("application/zip",), "application/zip"),
        ("a.xml", "text/xml", b"<note/>", ("text/xml",), "application/xml"),
        # Formats within others.
        ("a.docx", DOCX, ZIP, (DOCX,), DOCX),
        ("a.epub", "application/epub+zip", ZIP, ("application/epub+zip",), "application/epub+zip"),
        ("a.svg", "image/svg+xml", SVG, ("image/svg+xml",), "image/svg+xml"),
        (
            "a.rss",
            "application/rss+xml",
            b"<?xml version='1.0'?><rss>",
            ("application/rss+xml",),
            "application/rss+xml",
        ),
        ("a.webm", "audio/webm", b"\x1aE\xdf\xa3", ("audio/webm", "video/webm"), "video/webm"),
        ("a.mp4", "video/mp4", MP4, ("video/*",), "video/mp4"),
        ("a.mp3", "audio/mpeg", b"ID3\x04\x00", ("audio/mpeg",), "audio/mpeg"),
        ("a.mp3", "audio/mpeg", b"\xff\xfb\x90\x00", ("audio/mpeg",), "audio/mpeg"),
        ("a.wav", "audio/x-wav", b"RIFF\x24\x00\x00\x00WAVEfmt ", ("audio/wav",), "audio/wav"),
        ("a.pdf", "application/pdf", PDF, ("application/pdf",), "application/pdf"),
        ("a.gz", "application/x-gzip", b"\x1f\x8b\x08", ("application/gzip",), "application/gzip"),
        # Texts, in whatever charset.
        ("a.txt", "text/plain", b"Tea", ("text/*",), "text/plain"),
        ("a.csv", "text/csv", "a;ä".encode("latin-1"), ("text/csv",), "text/csv"),
        ("a.txt", "text/plain", "Tea".encode("utf-16"), ("text/plain",), "text/plain"),
        ("a.json", "application/json", b"{}", ("application/json",), "application/json"),
        ("a.html", "text/html", PAGE, ("text/html",), "text/html"),
        ("a.html", "text/html", b"<p>Tea", ("text/html",), "text/html"),
        # No signature is known: name and declaration are all there is.
        ("a.otf", "font/otf", b"OTTO", ("font/*",), "font/otf"),
        ("a.bin", "application/octet-stream", b"?", ("application/octet-stream",), "application/octet-stream"),
        ("a.blend", None, b"BLENDER", (".blend",), "application/octet-stream"),
    ],
)
def test_a_file_is_taken_where_all_agrees(
    filename: str, declared: str | None, head: bytes, allowed: tuple[str, ...], media_type: str
) -> None:
    assert find_fault(filename, declared, head, allowed) is None
    assert media_type_by(filename, declared, head) == media_type


@pytest.mark.parametrize(
    ("filename", "declared", "head", "allowed", "fault"),
    [
        ("a.php", "image/png", PNG, PICTURES, "'a.php' says that it is a '.php'"),
        ("a.png.php", "image/png", PNG, PICTURES, "'a.png.php' says that it is a '.php'"),
        ("a.php .", "image/png", PNG, PICTURES, "'a.php .' says that it is a '.php'"),
        ("a.html", "image/png", PNG, PICTURES, "'a.html' says that it is text/html"),
        ("a.svg", "image/svg+xml", SVG, PICTURES, "'a.svg' says that it is image/svg+xml"),
        ("a.png", "text/html", PNG, PICTURES, "'a.png' says that it is text/html"),
        ("a.png", "image/png", b"<?php echo 1;", PICTURES, "the bytes of 'a.png' are no image/png"),
        ("a.png", "image/png", b"", PICTURES, "the bytes of 'a.png' are no image/png"),
        ("a.png", "image/png", PAGE, PICTURES, "the bytes of 'a.png' are text/html"),
        ("a.png", "image/png", PDF, PICTURES, "the bytes of 'a.png' are application/pdf"),
        ("a.docx", DOCX, PNG, (DOCX,), "the bytes of 'a.docx' are image/png"),
        ("a.rar", "application/vnd.rar", ZIP, ("application/vnd.rar",), "the bytes of 'a.rar' are application/zip"),
        ("a.mp3", "audio/mpeg", MP4, ("audio/mpeg",), "the bytes of 'a.mp3' are video/mp4"),
        ("a.txt", "text/plain", PAGE, ("text/plain",), "the bytes of 'a.txt' are text/html"),
        ("a.txt", "text/plain", b"T\x00a", ("text/plain",), "the bytes of 'a.txt' are no text/plain"),
        ("a.json", "application/json", b"\x00", ("application/json",), "the bytes of 'a.json' are no application/json"),
        ("a.svg", "image/svg+xml", b"<p>", ("image/*",), "the bytes of 'a.svg' are no image/svg+xml"),
        ("blob", "application/octet-stream", b"?", PICTURES, "nothing says what 'blob' is"),
        ("a.blend", None, b"BLENDER", PICTURES, "'a.blend' says that it is a '.blend'"),
        # What is hidden until the name is made safe: a full-width dot, and a space without width.
        ("x\uff0ehtml", "image/png", PNG, PICTURES, "'x\uff0ehtml' says that it is text/html"),
        ("x.png\u2024html", "image/png", PNG, PICTURES, "'x.png\u2024html' says that it is a '.png\u2024html'"),
        ("x.ht\u200bml", None, PNG, PICTURES, "'x.ht\\u200bml' says that it is a '.ht\\u200bml'"),
        ("x\uff0eblend", None, b"BLENDER", (".png",), "'x\uff0eblend' says that it is a '.blend'"),
    ],
)
def test_a_file_is_refused_where_something_contradicts(
    filename: str, declared: str | None, head: bytes, allowed: tuple[str, ...], fault: str
) -> None:
    assert find_fault(filename, declared, head, allowed) == fault


HEADS = [
    PNG,
    JPEG,
    GIF,
    ZIP,
    PDF,
    MP4,
    SVG,
    PAGE,
    b"<?xml ",
    b"<!--",
    b"ID3",
    b"RIFF\0\0\0\0WEBP",
    b"MZ\x90",
    b"Tea",
    b"",
]


@given(
    filename=st.text(max_size=5).flatmap(lambda stem: st.sampled_from([stem, f"{stem}.png", f"{stem}.html", ".php"])),
    declared=st.none() | st.sampled_from(["image/png", "text/html", "image/x-png", "a/b", "*/*", "[", ""]),
    head=st.sampled_from(HEADS).flatmap(lambda head: st.binary(max_size=9).map(lambda more: head + more)),
)
def test_what_is_taken_as_a_picture_begins_like_one(filename: str, declared: str | None, head: bytes) -> None:
    begins = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF87a", b"GIF89a", b"RIFF")
    if find_fault(filename, declared, head, PICTURES) is None:
        assert head.startswith(begins)
        assert media_type_by(filename, declared, head) in PICTURES


@pytest.mark.parametrize(
    "head",
    [
        b" " * HEAD_BYTES,
        b"<!--" * 256,
        b"<?" * 512,
        b"<!doctype x [" * 79,
        b"<!doctype x[" + b"]" * 1000,
        b"<!--" + b"-" * 999,
    ],
)
def test_no_file_keeps_the_table_busy(head: bytes) -> None:
    def look() -> None:
        for _ in range(10):
            media_type_by("a", None, head)

    assert time_of(look) < 0.05
