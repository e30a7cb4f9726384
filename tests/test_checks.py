"""What is wrong with a request as HTTP: decided on plain values, shown by tables. ``test_protocol`` sends the bytes."""

from ipaddress import IPv6Address

import pytest
from aiohttp import HttpVersion, HttpVersion10, HttpVersion11
from aiohttp.http import HttpProcessingError
from aiohttp.http_exceptions import BadHttpMessage, BadHttpMethod, BadStatusLine, InvalidHeader, LineTooLong
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict

from webkit.checks import GOOD_HOSTS, Limits, explain, find_refusal, name_of_host, reason_of, request_line_of

LIMITS = Limits(line=8190, field=8190, headers=128, head=65536)


def status_for(target: str = "/", version: HttpVersion = HttpVersion11, **headers: str) -> int | None:
    named = CIMultiDict((name.replace("_", "-"), value) for name, value in headers.items())
    refusal = find_refusal(version, target, named)
    return None if refusal is None else refusal.status


# The host


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("example.org", "example.org"),
        ("EXAMPLE.org:8080", "EXAMPLE.org"),
        ("my_service-1", "my_service-1"),
        ("xn--caf-dma.fr", "xn--caf-dma.fr"),
        ("127.0.0.1:65535", "127.0.0.1"),
        ("[::1]", "[::1]"),
        ("[fe80::1]:0", "[fe80::1]"),
        ("[::ffff:1.2.3.4]:443", "[::ffff:1.2.3.4]"),
        ("example.org.", "example.org."),
        ("example.org:", "example.org"),  # a port may be empty
    ],
)
def test_a_host_is_a_name_or_an_address_and_perhaps_a_port(text: str, name: str) -> None:
    assert name_of_host(text) == name


@pytest.mark.parametrize(
    "text",
    [
        *("", ":80", " a", "a b", "a\tb", "a/b", "a\\b", "u@h", "u:p@h", "a?b", "a#b", "a,b", "a;b", "a%20b", "a'b"),
        *("<b>", 'a"b', "café.fr", "a\udcff", "a\x00", "a\n", "h:port", "h:-1", "h:65536", "h:99999", "h:000080"),
        *("h:\u0663", "h:80:80", "::1", "[::1", "::1]", "[]", "[1.2.3.4]", "[::1%eth0]", "[:::]", "[g::1]", "[::1]80"),
    ],
)
def test_all_else_is_no_host(text: str) -> None:
    assert name_of_host(text) is None
    assert status_for(host=text) == 400


@given(st.ip_addresses(v=6), st.integers(0, 65535))
def test_every_address_of_ipv6_is_a_host(address: IPv6Address, port: int) -> None:
    assert name_of_host(f"[{address}]:{port}") == f"[{address}]"


@given(st.text())
def test_what_is_a_host_can_stand_in_a_url_as_it_is(text: str) -> None:
    if name_of_host(text) is not None:
        assert set(text.lower()) <= set("abcdefghijklmnopqrstuvwxyz0123456789._-:[]")


def test_hosts_that_were_found_to_be_good_are_remembered_but_only_so_many() -> None:
    for number in range(2000):
        assert status_for(host=f"host-{number}") is None
    assert 0 < len(GOOD_HOSTS) <= 512
    assert "host-1999" in GOOD_HOSTS
    assert status_for(host="a b") == 400
    assert "a b" not in GOOD_HOSTS


# The address


@pytest.mark.parametrize(
    "target", ["/", "/a b", "//u@h/", "/http://u@h/", "*", "http://h", "https://h:1/a?b", "http://[::1]:80/", "h:80"]
)
def test_the_host_of_an_address_is_one(target: str) -> None:
    assert status_for(target, host="h") is None


@pytest.mark.parametrize(
    "target", ["http://u@h/", "http://u:p@h", "http://a%20b/", "http://h:port/", "http:///x", "http://[::1/", "x://?h"]
)
def test_an_address_whose_host_is_none_is_refused_whatever_the_header_says(target: str) -> None:
    assert status_for(target, host="h") == 400


# The version, and how the body comes


@pytest.mark.parametrize("version", [(0, 9), (1, 2), (2, 0), (3, 0)])
def test_a_version_that_is_not_spoken_is_505(version: tuple[int, int]) -> None:
    assert status_for(version=HttpVersion(*version), host="h") == 505


def test_http_10_needs_no_host() -> None:
    assert status_for(version=HttpVersion10) is None
    assert status_for(version=HttpVersion10, host="a b") == 400


@pytest.mark.parametrize(
    ("version", "coding", "status"),
    [
        (HttpVersion11, "chunked", None),
        (HttpVersion11, "Chunked", None),
        (HttpVersion11, "", 400),
        (HttpVersion11, "gzip, chunked", 501),
        (HttpVersion11, "chunked, chunked", 501),
        (HttpVersion11, ",chunked", 501),
        (HttpVersion11, "x\udcff", 501),
        (HttpVersion10, "chunked", 400),
        (HttpVersion10, "", 400),
    ],
)
def test_a_body_comes_as_it_is_or_in_chunks(version: HttpVersion, coding: str, status: int | None) -> None:
    assert status_for(version=version, host="h", transfer_encoding=coding) == status


@given(st.text(), st.text(), st.text(), st.sampled_from([HttpVersion10, HttpVersion11, HttpVersion(2, 0)]))
def test_a_refusal_is_one_short_printable_line(host: str, target: str, coding: str, version: HttpVersion) -> None:
    refusal = find_refusal(version, target, CIMultiDict({"Host": host, "Transfer-Encoding": coding}))
    if refusal is not None:
        assert refusal.detail.isascii()
        assert refusal.detail.isprintable()
        assert len(refusal.detail) < 1500


# What the parser refuses


@pytest.mark.parametrize(
    ("error", "begun", "status"),
    [
        (LineTooLong(b"/aaa...", 8190), b"GET /" + b"a" * 9000, 414),
        (LineTooLong(b"/aaa...", 8190), b"\r\nGET /" + b"a" * 9000 + b" HTTP/1.1\r\nHost: h\r\n", 414),
        (LineTooLong(b"/aaa...", 8190), b"GET / HTTP/1.1\r\nX: /" + b"a" * 9000, 431),
        (LineTooLong(b"/aaa...", 8190), b"", 431),
        (BadHttpMessage("Too many headers received"), b"GET / HTTP/1.1\r\n", 431),
        (BadStatusLine(error="Bad status line:\n  Invalid HTTP version:\n\n  ..."), b"GET / HTTP/1.2\r\n", 505),
        (BadHttpMessage("Pause on PRI/Upgrade:\n\n  ..."), b"PRI * HTTP/2.0\r\n\r\n", 505),
        (BadStatusLine("GET / RTSP/1.0"), b"GET / RTSP/1.0\r\n", 505),
        (BadStatusLine("GET / HTTP/x"), b"GET / HTTP/x\r\n", 400),
        (BadHttpMethod(error="Invalid method encountered:\n\n  b'FOO / HTTP/1.1'"), b"FOO / HTTP/1.1\r\n", 501),
        (BadHttpMethod("BAD"), b"GET / HTTP/1.1\r\nHost: h\r\n\r\nBAD\r\n", 400),
        (BadHttpMethod("F(O"), b"F(O / HTTP/1.1\r\n", 400),
        (BadHttpMethod("x" * 100), b"x" * 100 + b" / HTTP/1.1\r\n", 400),
        (BadHttpMethod(error="Received HTTPS traffic on an HTTP port"), b"\x16\x03\x01\x02", 400),
        (InvalidHeader("X : 1"), b"GET / HTTP/1.1\r\nX : 1", 400),
    ],
)
def test_an_error_of_the_parser_has_the_status_that_fits(error: HttpProcessingError, begun: bytes, status: int) -> None:
    assert explain(error, begun, LIMITS).status == status


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (BadHttpMessage("Invalid header token:\n\n  b'Cookie : secret'\n     ^"), "Invalid header token."),
        (BadStatusLine(error="Bad status line:\n  Expected X:\n\n  b'secret'"), "Expected X."),
        (BadStatusLine("GET /secret HTTP/x"), "The first line is no request line."),
        (BadHttpMethod("secret"), "The first line is no request line."),
        (
            BadHttpMethod(error="Received HTTPS traffic on an HTTP port"),
            "This is HTTPS, and the server speaks HTTP here.",
        ),
        (InvalidHeader("Cookie : secret"), "A header is malformed."),
        (LineTooLong(b"secret", 1), "The request is malformed."),
        (BadHttpMessage("Duplicate 'Host' header found."), "Duplicate 'Host' header found."),
    ],
)
def test_the_reason_tells_nothing_of_what_was_sent(error: HttpProcessingError, reason: str) -> None:
    assert reason_of(error) == reason


@pytest.mark.parametrize(
    ("begun", "line"),
    [(b"", b""), (b"GET / HT", b"GET / HT"), (b"\r\n\nGET /\r\nHost: h", b"GET /"), (b"a\nb", b"a")],
)
def test_the_request_line_is_the_first_that_is_not_empty(begun: bytes, line: bytes) -> None:
    assert request_line_of(begun) == line
