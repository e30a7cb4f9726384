"""Taking multipart forms apart: what is in them, however they are cut, and what is no form."""

import asyncio
from collections.abc import Iterable
from contextlib import suppress
from email.message import Message
from email.parser import BytesParser
from email.policy import HTTP
from typing import Final

import pytest
from aiohttp import BodyPartReader, MultipartReader, StreamReader
from aiohttp.base_protocol import BaseProtocol
from hypothesis import given
from hypothesis import strategies as st

from tests.multiparts import BOUNDARY, CONTENT_TYPE, END, field, file, form, part
from tests.stopwatch import time_of
from webkit.errors import Problem
from webkit.multipart import Mark, MultipartParser, PartHead, boundary_of, parse_parameters

# name, filename, content type and content of a part
Simple = tuple[str, str | None, str | None, bytes]


def take_apart(blocks: Iterable[bytes], *, header_bytes: int = 8192) -> list[Simple]:
    """Give the parts of the form that arrives in *blocks*."""
    parser = MultipartParser(BOUNDARY.encode(), header_bytes=header_bytes)
    parts: list[Simple] = []
    head: PartHead | None = None
    content = b""
    for block in blocks:
        parser.receive(block)
        while (event := parser.next_event()) not in (Mark.NEED_DATA, Mark.END):
            if isinstance(event, PartHead):
                head, content = event, b""
            elif isinstance(event, bytes):
                assert event
                content += event
            elif head is not None:
                parts.append((head.name, head.filename, head.content_type, content))
    parser.close()
    return parts


def cut(data: bytes, places: Iterable[int]) -> list[bytes]:
    """Cut *data* at *places*, some of which may be the same."""
    ends = sorted({place % (len(data) + 1) for place in places})
    return [data[start:end] for start, end in zip([0, *ends], [*ends, len(data)], strict=True)]


def fault_of(body: bytes) -> tuple[int, str]:
    with pytest.raises(Problem) as caught:
        take_apart([body])
    return caught.value.status, caught.value.detail or ""


# What is in a form


def test_a_form_is_taken_apart_into_fields_and_files() -> None:
    body = form(field("title", "Tea"), file("photo", "tea.png", b"\x00\xff\r\n", "image/PNG; a=b"), field("empty", ""))
    assert take_apart([body]) == [
        ("title", None, None, b"Tea"),
        ("photo", "tea.png", "image/png", b"\x00\xff\r\n"),
        ("empty", None, None, b""),
    ]


def test_a_form_may_be_empty() -> None:
    assert take_apart([END]) == []


def test_what_stands_before_the_first_boundary_and_after_the_last_is_nobodys() -> None:
    body = b"Hello\r\n" + form(field("a", "1")) + field("b", "2")
    assert take_apart([body]) == [("a", None, None, b"1")]


def test_the_last_boundary_needs_no_end_of_its_line_and_blanks_may_stand_behind_one() -> None:
    body = field("a", "1").replace(BOUNDARY.encode(), BOUNDARY.encode() + b" \t") + END.rstrip()
    assert take_apart([body]) == [("a", None, None, b"1")]


def test_an_empty_part_may_have_its_boundary_where_its_content_would_begin() -> None:
    body = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="a"\r\n\r\n'.encode() + form(field("b", "2"))
    for size in (1, 2, 3, len(body)):
        blocks = [body[start : start + size] for start in range(0, len(body), size)]
        assert take_apart(blocks) == [("a", None, None, b""), ("b", None, None, b"2")]


def test_data_comes_in_pieces_as_large_as_they_arrive() -> None:
    parser = MultipartParser(BOUNDARY.encode())
    parser.receive(file("f", "f.bin", b"x")[:-2])
    assert isinstance(parser.next_event(), PartHead)
    assert [parser.next_event(), parser.next_event()] == [b"x", Mark.NEED_DATA]
    block = bytes(100_000)
    parser.receive(block)
    assert parser.next_event() is block
    assert parser.next_event() is Mark.NEED_DATA


NEAR: Final = [b"\r", b"\n", b"\r\n", b"-", b"--", BOUNDARY.encode(), b"\r\n--" + BOUNDARY.encode()[:-1], b"x", b"\0"]
CONTENTS: Final = st.lists(st.sampled_from(NEAR) | st.binary(max_size=5), max_size=8).map(b"".join)
NAMES: Final = st.text(st.sampled_from("abc xyz;=,'[]%é€\U0001f600*:"), min_size=1, max_size=12)


@st.composite
def forms(draw: st.DrawFn) -> list[Simple]:
    """Draw the parts of a form whose contents come near its boundary, but have no boundary in them."""
    parts = draw(st.lists(st.tuples(NAMES, st.none() | NAMES, CONTENTS), max_size=5))
    near = b"\r\n--" + BOUNDARY.encode()
    return [
        (name, filename, None if filename is None else "text/plain", content)
        for name, filename, content in parts
        if near not in b"\r\n" + content + b"\r\n"
    ]


def write(parts: Iterable[Simple]) -> bytes:
    written = [
        field(name, content) if filename is None else file(name, filename, content, content_type or "")
        for name, filename, content_type, content in parts
    ]
    return form(*written)


@given(parts=forms(), places=st.lists(st.integers(0, 10_000), max_size=30))
def test_however_a_form_is_cut_it_is_the_same(parts: list[Simple], places: list[int]) -> None:
    assert take_apart(cut(write(parts), places)) == parts


@given(parts=forms(), junk=CONTENTS, place=st.integers(0, 10_000), places=st.lists(st.integers(0, 10_000), max_size=30))
def test_however_a_damaged_form_is_cut_what_is_said_of_it_is_the_same(
    parts: list[Simple], junk: bytes, place: int, places: list[int]
) -> None:
    def judge(blocks: list[bytes]) -> object:
        try:
            return take_apart(blocks)
        except Problem as problem:
            return problem.status

    start, end = cut(write(parts), [place])
    body = start + junk + end
    assert judge([body]) == judge(cut(body, places))


# The same, with other readers


def read_by_email(body: bytes) -> list[Simple]:
    message = BytesParser(policy=HTTP).parsebytes(f"Content-Type: {CONTENT_TYPE}\r\n\r\n".encode() + body)
    payload = message.get_payload() if message.is_multipart() else []
    return [read_message(inner) for inner in payload if isinstance(inner, Message)]


def read_message(message: Message) -> Simple:
    content_type = None if message["Content-Type"] is None else message.get_content_type()
    content = message.get_payload(decode=True)
    assert isinstance(content, bytes)
    name = message.get_param("name", header="content-disposition")
    return str(name), message.get_filename(), content_type, content


async def read_by_aiohttp(body: bytes) -> list[Simple]:
    stream = StreamReader(BaseProtocol(asyncio.get_running_loop()), 2**20, loop=asyncio.get_running_loop())
    stream.feed_data(body)
    stream.feed_eof()
    parts: list[Simple] = []
    async for inner in MultipartReader({"Content-Type": CONTENT_TYPE}, stream):
        assert isinstance(inner, BodyPartReader)
        parts.append((inner.name or "", inner.filename, inner.headers.get("Content-Type"), bytes(await inner.read())))
    return parts


# aiohttp's reader gives up on a name with two semicolons.
@given(parts=forms().filter(lambda parts: not any(";" in f"{name}{filename}" for name, filename, _, _ in parts)))
def test_aiohttp_s_reader_sees_the_same_parts(parts: list[Simple]) -> None:
    body = write(parts)
    assert take_apart([body]) == asyncio.run(read_by_aiohttp(body))


SIMPLE_NAMES: Final = st.text(st.sampled_from("abcxyz-_."), min_size=1, max_size=12)
# The email parser knows lines alone, and takes each kind of their ends.
SIMPLE_CONTENTS: Final = st.binary(max_size=40).map(lambda data: data.replace(b"\r", b"").replace(b"\n", b"\r\n"))


@given(parts=st.lists(st.tuples(SIMPLE_NAMES, st.none() | SIMPLE_NAMES, SIMPLE_CONTENTS), min_size=1, max_size=5))
def test_the_email_parser_sees_the_same_parts(parts: list[tuple[str, str | None, bytes]]) -> None:
    body = write((name, filename, "text/plain", content) for name, filename, content in parts)
    assert take_apart([body]) == read_by_email(body)


# What is no form


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        (b"", 400, "There is no form in the body"),
        (b"title=Tea", 400, "There is no form in the body"),
        (b"x" * 10_000 + END, 400, "does not begin with the boundary"),
        (b"x" * 10_000, 400, "does not begin with the boundary"),
        (field("a", "1"), 400, "cut off"),
        (field("a", "1")[:-10], 400, "cut off"),
        (f"--{BOUNDARY}".encode(), 400, "cut off"),
        (f"--{BOUNDARY}\r\nContent-Disp".encode(), 400, "cut off"),
        (form(field("a", "1")).replace(b"\r\n", b"\n"), 400, "Something stands behind the boundary of part 1."),
        (field("a", "1") + f"--{BOUNDARY}X\r\n".encode() + END, 400, "behind the boundary of part 2"),
        (f"--{BOUNDARY}{' ' * 100}\r\n".encode() + END, 400, "behind the boundary of part 1"),
        (form(part('form-data; filename="a"')), 400, 'Part 1 must say Content-Disposition: form-data; name="..."'),
        (form(part("attachment; name=a")), 400, 'must say Content-Disposition: form-data; name="..."'),
        (form(part("")), 400, "must say Content-Disposition"),
        (form(f"--{BOUNDARY}\r\n\r\n1\r\n".encode()), 400, "must have one Content-Disposition; it has 0"),
        (
            form(
                f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="a"\r\n'
                "Content-Type: image/png\r\nContent-Type: text/html\r\n\r\n1\r\n".encode()
            ),
            400,
            "may have one Content-Type; it has several",
        ),
        (form(part("form-data; name=a", "1", "Content-Disposition: form-data; name=b")), 400, "it has 2"),
        (form(part("form-data; name=a; NAME=b")), 400, "of part 1 says 'name' twice"),
        (form(part('form-data; name="a')), 400, "cannot be read from '; name=\"a' on"),
        (form(part('form-data; name="a"b')), 400, "cannot be read from 'b' on"),
        (form(part("form-data; name=")), 400, "cannot be read from"),
        (form(part("form-data; name=a; filename*=utf-8''%ff")), 400, "no text as RFC 5987 encodes it"),
        (form(part("form-data; name=a; filename*=utf-8''a%0Ab")), 400, "no text as RFC 5987 encodes it"),
        (form(part("form-data; name=a; filename*=utf-16''a")), 400, "no text as RFC 5987 encodes it"),
        (form(part("form-data; name=a; filename*=a")), 400, "no text as RFC 5987 encodes it"),
        (form(part("form-data; name=a", "1", "no colon")), 400, "Part 1 has the line 'no colon', which is no header"),
        (form(part("form-data; name=a", "1", ": x")), 400, "which is no header"),
        (form(part("form-data; name=a", "1", "Ä: x")), 400, "which is no header"),
        (form(part("form-data;", "1", "\tname=a")), 400, "which is no header"),
        (form(part('form-data; name="a\0b"')), 400, "which is no header"),
        (form(part('form-data; name="a\nb"')), 400, "which is no header"),
        (form(field("a", "1")).replace(b'"a"', b'"\xff"'), 400, "The headers of part 1 are no UTF-8"),
        (form(part("form-data; name=a", "1", "A: " + "b" * 9000)), 413, "The headers of part 1 exceed 8192 bytes"),
        (part("form-data; name=a", "1", "A: " + "b" * 9000)[:8500], 413, "The headers of part 1 exceed 8192 bytes"),
        (form(part("form-data; name=a", "1", *["A: b"] * 40)), 413, "Part 1 has more than 32 header lines"),
        (form(part("form-data; name=a", "QQ==", "Content-Transfer-Encoding: base64")), 415, "sent as 'base64'"),
        (form(part("form-data; name=a", "1", "Content-Transfer-Encoding: \u20ac")), 415, "sent as '\u20ac'"),
        (
            form(part("form-data; name=a", "1", "Content-Type: multipart/mixed; boundary=c")),
            415,
            "a multipart of its own",
        ),
        (
            form(part("form-data; name=a", "1", 'Content-Type: text/plain; charset="')),
            400,
            "The Content-Type of part 1",
        ),
    ],
)
def test_what_is_no_form_is_refused_and_what_is_wrong_is_said(body: bytes, status: int, words: str) -> None:
    found, detail = fault_of(body)
    assert (found, words in detail) == (status, True), detail


def test_a_transfer_encoding_that_changes_nothing_is_taken() -> None:
    for encoding in ("binary", "8BIT", "7bit"):
        body = form(part("form-data; name=a", "\u00e9", f"Content-Transfer-Encoding: {encoding}"))
        assert take_apart([body]) == [("a", None, None, "\u00e9".encode())]


@pytest.mark.parametrize(
    ("disposition", "name", "filename"),
    [
        ('form-data; name="a"', "a", None),
        ("FORM-DATA ;NAME = a;", "a", None),
        ('form-data; name="a;b=c"; filename="x;y.txt"', "a;b=c", "x;y.txt"),
        ('form-data; name="a\\"b\\\\c"', 'a"b\\c', None),
        ('form-data; name="a%22b"', "a%22b", None),
        ('form-data; name="a"; filename="C:\\dir\\tea.txt"', "a", "C:\\dir\\tea.txt"),
        ('form-data; name="a"; filename="tea\\"', "a", "tea\\"),
        ('form-data; name="a"; filename=""', "a", ""),
        ('form-data; name="té€\U0001f600"', "té€\U0001f600", None),
        ("form-data; name=a; filename*=UTF-8''t%C3%A9.txt", "a", "té.txt"),
        ("form-data; name=a; filename*=iso-8859-1'en'%E9", "a", "é"),
        ("form-data; name=a; filename=\"t_.txt\"; filename*=utf-8''t%C3%A9.txt", "a", "té.txt"),
        ("form-data; name*=utf-8''%c3%a9", "é", None),
    ],
)
def test_the_spellings_of_a_name_are_known(disposition: str, name: str, filename: str | None) -> None:
    assert take_apart([form(part(disposition, "1"))]) == [(name, filename, None, b"1")]


# The boundary


@pytest.mark.parametrize(
    ("content_type", "boundary"),
    [
        ("multipart/form-data; boundary=abc", b"abc"),
        ('Multipart/Form-Data; charset=utf-8; BOUNDARY="a b?"', b"a b?"),
        ("multipart/form-data; boundary=" + "b" * 70, b"b" * 70),
    ],
)
def test_the_boundary_is_that_of_the_content_type(content_type: str, boundary: bytes) -> None:
    assert boundary_of(content_type) == boundary


@pytest.mark.parametrize(
    ("content_type", "status"),
    [
        ("", 415),
        ("multipart/mixed; boundary=a", 415),
        ("\udcff", 415),
        ("multipart/form-data", 400),
        ("multipart/form-data; boundary=", 400),
        ('multipart/form-data; boundary=""', 400),
        ('multipart/form-data; boundary="a "', 400),
        ("multipart/form-data; boundary=a; boundary=b", 400),
        ("multipart/form-data; boundary=" + "b" * 71, 400),
        ("multipart/form-data; boundary=\u00e9", 400),
        ("multipart/form-data; boundary=\udcff", 400),
        ("multipart/form-data; boundary", 400),
    ],
)
def test_a_content_type_without_a_good_boundary_is_refused(content_type: str, status: int) -> None:
    with pytest.raises(Problem) as caught:
        boundary_of(content_type)
    assert caught.value.status == status
    assert (caught.value.detail or "").encode()  # it can be sent


# Time


@pytest.mark.parametrize(
    "body",
    [
        form(*[field("a", "1")] * 2000),
        form(
            file("f", "f", b"\r\n--" + BOUNDARY.encode()[:-1]) * 1
            + field("a", (b"\r\n--" + BOUNDARY.encode()[:-1]) * 40_000)
        ),
        field("a", b"-" * 2**20),
        field("a", b"\r" * 2**20),
        part('form-data; name="' + "\\" * 8000),
        part("form-data" + "; " * 4000 + "name=a"),
        part("form-data; name=" + '"a' * 4000),
    ],
)
def test_no_body_keeps_the_parser_busy(body: bytes) -> None:
    def read() -> None:
        with suppress(Problem):
            take_apart([body])

    assert time_of(read) < 0.1


def test_bytes_that_come_one_by_one_cost_no_more_than_their_number() -> None:
    body = form(field("a", b"\r" * 20_000), part("form-data; name=a", "1", "A: " + "b" * 8000))
    assert time_of(lambda: take_apart(body[place : place + 1] for place in range(len(body)))) < 1


def test_parameters_are_read_from_any_header() -> None:
    assert parse_parameters('text/plain; charset="utf-8"; x=1', "It") == ("text/plain", {"charset": "utf-8", "x": "1"})
