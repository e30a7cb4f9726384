"""Where requests begin and end: the same however the bytes are split, and where the parser says."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from itertools import pairwise
from typing import Any

import pytest
from aiohttp.base_protocol import BaseProtocol
from aiohttp.http import HttpProcessingError, HttpRequestParser
from hypothesis import given
from hypothesis import strategies as st

from webkit.checks import Limits
from webkit.framing import MAX_EXTRA_BYTES, BadFraming, Framing
from webkit.protocol import _Parser

HEAD = b"GET / HTTP/1.1\r\nHost: h\r\n\r\n"
CHUNKED = b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"


@st.composite
def bodies(draw: st.DrawFn) -> bytes:
    """The header that tells of a body, and the body."""
    kind = draw(st.sampled_from(["none", "length", "chunks"]))
    content = st.binary(max_size=40) | st.just(HEAD) | st.just(b"Connection: close\r\n\r\n")
    if kind == "none":
        return b"\r\n"
    if kind == "length":
        body = draw(content)
        name = draw(st.sampled_from([b"Content-Length", b"content-length", b"CONTENT-LENGTH"]))
        return b"%b: %d\r\n\r\n%b" % (name, len(body), body)
    chunks = [chunk for chunk in draw(st.lists(content, max_size=3)) if chunk]
    form = draw(st.sampled_from([b"%x\r\n%b\r\n", b"%X;a=b\r\n%b\r\n", b"000%x\r\n%b\r\n", b'%x;n="v"\r\n%b\r\n']))
    trailers = draw(st.sampled_from([b"\r\n", b"X-T: 1\r\n\r\n"]))
    framed = b"".join(form % (len(chunk), chunk) for chunk in chunks)
    return b"Transfer-Encoding: Chunked\r\n\r\n" + framed + b"0\r\n" + trailers


@st.composite
def requests(draw: st.DrawFn) -> bytes:
    """A request after which another may come."""
    before = draw(st.sampled_from([b"", b"", b"\r\n"]))
    method = draw(st.sampled_from([b"GET", b"POST", b"DELETE"]))
    version = draw(
        st.sampled_from([b"1.1\r\n", b"1.1\r\nConnection: keep-alive\r\n", b"1.1\r\nX-Connection: close\r\n"])
    )
    return before + method + b" /close HTTP/" + version + b"Host: h\r\n" + draw(bodies())


@st.composite
def last_requests(draw: st.DrawFn) -> bytes:
    """A request after which none may come."""
    version = draw(
        st.sampled_from([b"1.1\r\nConnection: close", b"1.1\r\nconnection: x, CLOSE", b"1.0", b"1.0\r\nA: b"])
    )
    length = draw(st.integers(0, 20))
    return b"POST / HTTP/" + version + b"\r\nHost: h\r\nContent-Length: %d\r\n\r\n" % length + b"x" * length


def split(data: bytes, cuts: Sequence[int]) -> list[bytes]:
    places = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    return [data[start:end] for start, end in pairwise(places)]


def feed_in_pieces(framing: Framing, data: bytes, size: int) -> None:
    for at in range(0, len(data), size):
        framing.feed(data[at : at + size])


CUTS = st.lists(st.integers(0, 10_000), max_size=12)


@given(st.lists(requests(), max_size=4), requests(), CUTS, st.data())
def test_a_request_ends_where_the_next_one_begins(
    before: list[bytes], last: bytes, cuts: list[int], data: st.DataObject
) -> None:
    framing = Framing(65536)
    for part in split(b"".join([*before, last]), cuts):
        assert framing.feed(part) == len(part)
    assert framing.is_between
    for part in split(last, cuts)[:-1]:
        framing.feed(part)
    in_the_middle = data.draw(st.integers(1, len(last) - 1))
    framing = Framing(65536)
    framing.feed(last[:in_the_middle])
    assert framing.is_between == (not last[:in_the_middle].strip(b"\r\n"))


@given(st.lists(requests(), max_size=3), last_requests(), st.binary(max_size=30), CUTS)
def test_behind_a_request_that_is_the_last_nothing_counts(
    before: list[bytes], last: bytes, rest: bytes, cuts: list[int]
) -> None:
    framing = Framing(65536)
    sent = b"".join(before) + last
    fed = sum(framing.feed(part) for part in split(sent + rest, cuts))
    assert fed == len(sent)
    assert framing.is_over
    assert not framing.is_between
    assert framing.feed(HEAD) == 0


@pytest.mark.parametrize("header", [b"Upgrade: websocket", b"upgrade: h2c"])
def test_it_stops_behind_a_request_for_another_protocol(header: bytes) -> None:
    request = b"GET / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\n" + header + b"\r\n\r\n"
    framing = Framing(65536)
    assert framing.feed(request + b"\x81\x00") == len(request)
    assert framing.is_between
    assert not framing.is_over


# Limits


@pytest.mark.parametrize("cut", [1, 100, 10_000_000])
@pytest.mark.parametrize(
    "body",
    [
        b"5;" + b"a" * MAX_EXTRA_BYTES + b"\r\nhello\r\n",
        b"5;" + b"a" * (MAX_EXTRA_BYTES + 100),
        b"0" * (MAX_EXTRA_BYTES + 100) + b"5",
        b"5;aaaa\r\nhello\r\n" * (MAX_EXTRA_BYTES // 5 + 1),
        b"0\r\n" + b"X: y\r\n" * (MAX_EXTRA_BYTES // 6 + 1),
    ],
    ids=["one extension", "without end", "zeros", "many extensions", "trailers"],
)
def test_extensions_and_trailers_are_limited_in_all(body: bytes, cut: int) -> None:
    framing = Framing(65536)
    framing.feed(CHUNKED)
    with pytest.raises(BadFraming) as caught:
        feed_in_pieces(framing, body, cut)
    assert caught.value.refusal.status == 400


def test_many_small_chunks_are_no_extensions() -> None:
    framing = Framing(65536)
    framing.feed(CHUNKED)
    framing.feed(b"1\r\nx\r\n" * 100_000 + b"0\r\n\r\n")
    assert framing.is_between


@pytest.mark.parametrize("cut", [7, 10_000_000])
def test_a_head_is_limited_as_a_whole(cut: int) -> None:
    head = b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 1000
    for data in (head, head + b"\r\n"):
        framing = Framing(5000)
        with pytest.raises(BadFraming) as caught:
            feed_in_pieces(framing, data, cut)
        assert caught.value.refusal.status == 431


@pytest.mark.parametrize("header", [b"Content-Length: " + b"9" * 19, b"Content-Length: " + b"1" * 5000])
def test_a_length_that_no_body_has_is_refused(header: bytes) -> None:
    with pytest.raises(BadFraming) as caught:
        Framing(65536).feed(b"POST / HTTP/1.1\r\n" + header + b"\r\n\r\n")
    assert caught.value.refusal.status == 400


@pytest.mark.parametrize("size", [b"1" * 17, b"-1", b"0x5", b" 5", b"", b"\xff", b"zz"])
def test_a_size_of_a_chunk_that_is_none_ends_it_without_a_crash(size: bytes) -> None:
    framing = Framing(65536)
    framing.feed(CHUNKED)
    try:
        framing.feed(size + b"\r\nhello\r\n")
    except BadFraming as error:
        assert error.refusal.status == 400  # noqa: PT017 - it may, or may not: the parser has the last word


@given(st.binary(max_size=200), CUTS, st.sampled_from([b"", CHUNKED, HEAD[:-4]]))
def test_whatever_comes_it_only_counts(data: bytes, cuts: list[int], before: bytes) -> None:
    framing = Framing(100)
    try:
        for part in split(before + data, cuts):
            assert 0 <= framing.feed(part) <= len(part)
    except BadFraming as error:
        assert error.refusal.status in {400, 431}  # noqa: PT017


# Beside the parser


def parse(parser: Any, parts: Sequence[bytes]) -> list[tuple[str, bytes]]:
    """The requests that *parser* reads before it fails, as (method and target, body)."""
    messages: list[Any] = []
    with suppress(HttpProcessingError):
        for part in parts:
            messages.extend(parser.feed_data(part)[0])
    return [(f"{head.method} {head.path}", body.read_nowait(-1)) for head, body in messages]


@given(st.lists(requests(), min_size=1, max_size=4), CUTS)
def test_the_parser_reads_the_same_with_and_without_it(wanted: list[bytes], cuts: list[int]) -> None:
    loop = asyncio.new_event_loop()
    try:
        alone, counted = (HttpRequestParser(BaseProtocol(loop), loop, 2**16) for _ in range(2))
        parts = split(b"".join(wanted), cuts)
        parser = _Parser(counted, Limits(8190, 8190, 128, 65536))
        found = parse(parser, parts)
        assert found == parse(alone, parts)
        assert len(found) == len(wanted)
        assert parser._framing.is_between
    finally:
        loop.close()


@given(st.lists(requests(), max_size=3), last_requests(), st.binary(max_size=30), CUTS)
def test_what_follows_the_last_request_costs_nothing_of_what_came_before(
    before: list[bytes], last: bytes, rest: bytes, cuts: list[int]
) -> None:
    loop = asyncio.new_event_loop()
    try:
        alone, counted = (HttpRequestParser(BaseProtocol(loop), loop, 2**16) for _ in range(2))
        sent = b"".join(before) + last
        found = parse(_Parser(counted, Limits(8190, 8190, 128, 65536)), split(sent + rest, cuts))
        assert found == parse(alone, split(sent, cuts))
    finally:
        loop.close()
