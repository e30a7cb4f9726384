"""Events as bytes: what webkit writes, a client of the HTML standard reads, and Chromium does."""

import json
import re
from dataclasses import dataclass
from typing import Any

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st
from playwright.async_api import Browser

from tests.browsing import open_page
from tests.eventsource import EventSource, Message, read_events
from tests.serving import Serve
from webkit.sse import Event, comment, encode

# Whatever could be taken for the end of a line, or for a part of the format.
_ODD = "\r\n:\0\ufeff \t\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029dataideventretry0é𝄞"
_CHARACTERS = st.characters(codec="utf-8") | st.sampled_from(_ODD)
_TEXTS = st.text(_CHARACTERS, max_size=30)
_NAMES = st.text(_CHARACTERS.filter(lambda character: character not in "\r\n\0"), max_size=10)


def as_read(text: str) -> str:
    """*text* as every client has it: lines end with LF."""
    return re.sub(r"\r\n|\r", "\n", text)


def test_the_fields_are_id_event_retry_and_data() -> None:
    """IP-101, AH-041: the order on the wire."""
    assert encode("a\nb\r\nc", event="ev", id="7", retry=3000) == (
        b"id: 7\nevent: ev\nretry: 3000\ndata: a\ndata: b\ndata: c\n\n"
    )


@pytest.mark.parametrize(
    ("event", "written"),
    [
        (Event(), b"data\n\n"),
        (Event("x"), b"data: x\n\n"),
        (Event(" x"), b"data:  x\n\n"),
        (Event("\n"), b"data\ndata\n\n"),
        (Event("a\rb\n\rc"), b"data: a\ndata: b\ndata\ndata: c\n\n"),
        (Event("a\u2028b\x85c\x0bd"), "data: a\u2028b\x85c\x0bd\n\n".encode()),
        (Event("x", id=0), b"id: 0\ndata: x\n\n"),
        (Event("x", id=""), b"id\ndata: x\n\n"),
        (Event("x", event=""), b"event\ndata: x\n\n"),
        (Event(None, id="7"), b"id: 7\n\n"),
        (Event(None, retry=0), b"retry: 0\n\n"),
        (Event({"a": "1\n2", "b": [None, 1.5]}), b'data: {"a":"1\\n2","b":[null,1.5]}\n\n'),
        (Event([]), b"data: []\n\n"),
        (Event(7), b"data: 7\n\n"),
        (Event("é"), b"data: \xc3\xa9\n\n"),
    ],
)
def test_an_event_is_its_lines(event: Event, written: bytes) -> None:
    """IP-101, IP-103: only LF, CR and CRLF end a line, what is empty has no colon, and what is no text becomes JSON."""
    assert event.encoded == written


@pytest.mark.parametrize("damage", ["1\n2", "1\r2", "1\0", "\n", "7\ndata: <script>"])
def test_a_line_break_in_a_name_or_an_id_is_refused(damage: str) -> None:
    """IP-101: fields cannot be injected."""
    with pytest.raises(ValueError, match="line break or NUL"):
        Event("x", id=damage)
    with pytest.raises(ValueError, match="line break or NUL"):
        encode("x", event=damage)


@pytest.mark.parametrize("retry", [-1, 2**31, True, 1.5, "3000"])
def test_a_time_to_come_back_is_whole_milliseconds(retry: Any) -> None:
    with pytest.raises(ValueError, match="whole number of milliseconds"):
        encode("x", retry=retry)


@pytest.mark.parametrize("data", [b"x", bytearray(b"x"), memoryview(b"x"), object()])
def test_what_is_neither_text_nor_json_is_refused(data: Any) -> None:
    with pytest.raises(TypeError):
        Event(data)


def test_half_a_character_is_refused_where_the_event_is_made() -> None:
    with pytest.raises(ValueError, match="surrogates"):
        Event("\ud800")


def test_an_event_is_what_it_was_when_it_was_made() -> None:
    data = {"count": 1}
    event = Event(data)
    data["count"] = 2
    assert event.encoded == b'data: {"count":1}\n\n'


@dataclass
class Point:
    """What is no text."""

    x: int
    y: int


def test_a_dataclass_becomes_json() -> None:
    assert encode(Point(1, 2)) == b'data: {"x":1,"y":2}\n\n'


@given(_TEXTS, st.none() | _NAMES, st.none() | _NAMES, st.none() | st.integers(0, 2**31 - 1))
def test_a_client_of_the_standard_reads_what_was_written(
    data: str, event: str | None, last_id: str | None, retry: int | None
) -> None:
    source = EventSource()
    source.feed(encode(data, event=event, id=last_id, retry=retry))
    assert source.messages == [Message(as_read(data), event or "message", last_id or "")]
    assert source.retry_ms == retry


@given(st.lists(st.tuples(_TEXTS, st.none() | _NAMES), max_size=5), st.integers(1, 7))
def test_events_are_read_in_any_pieces_and_between_any_comments(
    events: list[tuple[str, str | None]], size: int
) -> None:
    stream = b"".join(comment(data) + encode(data, event=event) for data, event in events)
    source = EventSource()
    for start in range(0, len(stream), size):
        source.feed(stream[start : start + size])
    assert source.messages == [Message(as_read(data), event or "message") for data, event in events]


@given(_TEXTS)
def test_a_comment_tells_nobody_anything(text: str) -> None:
    source = EventSource()
    source.feed(comment(text) + encode("after"))
    assert source.messages == [Message("after")]
    assert "\n".join(line.removeprefix(" ") for line in source.comments) == as_read(text)


@given(st.recursive(st.none() | st.booleans() | _TEXTS, lambda inner: st.lists(inner) | st.dictionaries(_TEXTS, inner)))
def test_json_comes_back_as_it_was(value: Any) -> None:
    (message,) = read_events(encode([value]))
    assert json.loads(message.data) == [value]


def test_an_id_without_data_is_kept_for_the_next_time() -> None:
    source = EventSource()
    source.feed(encode(None, id="7", retry=10))
    assert (source.messages, source.last_id, source.retry_ms) == ([], "7", 10)


_PAGE = """<!doctype html><link rel=icon href="data:,"><script>
const told = [], source = new EventSource("/events");
const note = event => told.push([event.data, event.type, event.lastEventId]);
for (const name of ["message", "named", "näme", " spaced", "0"]) source.addEventListener(name, note);
source.addEventListener("end", () => source.close());
</script>"""

_SENT = [
    Event("plain"),
    Event(""),
    Event("a\nb\r\nc\rd\n\ne"),
    Event(" a space\n before"),
    Event("\n"),
    Event("a\u2028b\u2029c\x85d\x0be\x0cf\x1cg\0h\ufeff"),
    Event("named", event="named", id="7"),
    Event("still 7"),
    Event("no name", event="", id=""),
    Event("ümläut", event="näme", id="ü"),
    Event("spaced", event=" spaced", id=" spaced"),
    Event(None, id="quiet", event="named"),
    Event({"data": "id: 1\n\ndata: 2"}),
    Event("data: x", event="0", id=0),
    Event(": no comment"),
]


async def test_chromium_reads_what_was_written(serve: Serve, browser: Browser) -> None:
    written = b"".join(event.encoded + comment("between") for event in _SENT) + encode(event="end")

    async def show(request: web.Request) -> web.Response:
        return web.Response(text=_PAGE, content_type="text/html")

    async def send(request: web.Request) -> web.Response:
        return web.Response(body=written, content_type="text/event-stream")

    app = web.Application()
    app.add_routes([web.get("/", show), web.get("/events", send)])
    client = await serve(app)
    page, complaints = await open_page(browser)
    await page.goto(f"{client.url}/")
    await page.wait_for_function("source.readyState === EventSource.CLOSED")
    told = [Message(data, name, last_id) for data, name, last_id in await page.evaluate("told")]
    assert told == [message for message in read_events(written) if message.event != "end"]
    assert len(told) == len(_SENT) - 1
    assert complaints == []
