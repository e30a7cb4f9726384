"""The heads of buffered responses, compared with what aiohttp says of time and status."""

import re
from email.utils import formatdate, parsedate_to_datetime
from http import HTTPStatus
from typing import Any

import pytest

from webkit.heads import check_header, head_for, headers_in, headers_of, lines_of, put_together

JSON = head_for(200, "application/json")


def test_an_answer_is_head_and_body_as_bytes() -> None:
    answer = put_together(JSON, b"", b"{}")
    pattern = rb"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\nDate: [^\r]+ GMT\r\nServer: "
    assert re.match(pattern, answer)
    assert answer.endswith(b"\r\n\r\n{}")


def test_the_headers_of_an_answer_can_be_read_again() -> None:
    known = dict(headers_in(put_together(head_for(404, None), b"", b"a: b\r\n\r\nc")))
    assert list(known) == ["Content-Length", "Content-Type", "Date", "Server"]
    assert (known["Content-Length"], known["Content-Type"]) == ("9", "application/octet-stream")


def test_the_date_is_that_of_the_second(monkeypatch: pytest.MonkeyPatch) -> None:
    for now in (1_000_000_000.9, 1_000_000_000.99, 1_000_000_001.0, 999_999_999.5):
        monkeypatch.setattr("time.time", lambda now=now: now)
        assert parsedate_to_datetime(dict(headers_in(put_together(JSON, b"", b"")))["Date"]).timestamp() == int(now)


def test_a_head_that_another_thread_makes_meanwhile_has_the_date_too(monkeypatch: pytest.MonkeyPatch) -> None:
    meanwhile: list[bytes] = []

    def write_date(now: int, *, usegmt: bool) -> str:
        if not meanwhile:
            meanwhile.append(b"")
            meanwhile.append(put_together(JSON, b"", b""))
        return formatdate(now, usegmt=usegmt)

    monkeypatch.setattr("webkit.heads.formatdate", write_date)
    monkeypatch.setattr("time.time", lambda: 1_234_567_890.5)
    assert put_together(JSON, b"", b"") == meanwhile[1]


@pytest.mark.parametrize("status", [100, 101, 103, 199, 204, 304])
def test_there_is_no_head_for_a_body_where_there_may_be_none(status: int) -> None:
    assert head_for(status, "text/plain").start == b""


@pytest.mark.parametrize("status", [200, 205, 404, 599])
def test_a_status_has_its_reason_if_there_is_one(status: int) -> None:
    reason = HTTPStatus(status).phrase if status in list(HTTPStatus) else ""
    assert head_for(status, "text/plain").start.startswith(f"HTTP/1.1 {status} {reason}\r\n".encode())


def test_further_headers_can_be_read_again() -> None:
    headers = [("X-A", "1: 2"), ("x-a", "é"), ("Set-Cookie", ""), ("Location", "/")]
    lines = lines_of(headers)
    assert lines is not None
    assert headers_of(lines) == headers
    assert headers_of(b"") == []
    answer = put_together(JSON, lines, b"{}")
    assert answer.startswith(b"HTTP/1.1 200 OK\r\nX-A: 1: 2\r\n")
    assert headers_in(answer)[:5] == [*headers, ("Content-Type", "application/json")]


@pytest.mark.parametrize("name", ["Date", "content-length", "Transfer-Encoding", 1])
def test_what_aiohttp_has_a_rule_for_is_left_to_it(name: Any) -> None:
    assert lines_of([("X-A", "1"), (name, "1")]) is None


def test_half_a_character_is_left_to_aiohttp_too() -> None:
    assert lines_of([("X-A", "caf\udce9")]) is None


def test_the_same_head_is_made_once() -> None:
    assert head_for(200, "application/json") is JSON


@pytest.mark.parametrize("text", ["a\r\nb", "a\nb", "a\rb", "a\0b", "\x01", "a\x08", "\x0b", "\x1fb", "a\x7fb"])
def test_what_would_end_a_header_and_other_control_characters_are_refused(text: str) -> None:
    for name, value in ((text, "a"), ("X-A", text)):
        with pytest.raises(ValueError, match="has a control character"):
            check_header(name, value)
        with pytest.raises(ValueError, match="has a control character"):
            lines_of([("X-B", "1"), (name, value)])
    with pytest.raises(ValueError, match="Content-Type"):
        head_for(200, text)
