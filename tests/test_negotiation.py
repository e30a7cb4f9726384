"""Content negotiation: ``requests.accepts`` picks what the client likes best, by the rules of RFC 9110, 12.5.1."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict

from tests.serving import Serve
from webkit import Application, View, accepts
from webkit.errors import HTTPNotAcceptable
from webkit.negotiation import Item, choose_media_type, parse_items

JSON, HTML, TEXT, XML = "application/json", "text/html", "text/plain", "application/xml"

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"
JAVA = "text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2"


@pytest.mark.parametrize(
    ("accept", "offers", "chosen"),
    [
        # Who says nothing takes anything: the first that is offered.
        (None, [JSON, HTML], JSON),
        ("", [JSON, HTML], JSON),
        (" , ,", [JSON, HTML], JSON),
        # What clients send.
        (BROWSER, [JSON, HTML], HTML),
        (BROWSER, [JSON, XML], XML),
        (BROWSER, [JSON, TEXT], JSON),
        ("*/*", [JSON, HTML], JSON),
        ("application/json, text/plain, */*", [HTML, JSON], HTML),
        (JAVA, [JSON, HTML], HTML),
        (JAVA, [JSON, XML], JSON),
        # Weights, and the server's order where they tie.
        ("application/json;q=0.5, text/html", [JSON, HTML], HTML),
        ("text/html, application/json", [JSON, HTML], JSON),
        ("application/json;q=0.001, text/html;q=0.002", [JSON, HTML], HTML),
        ("application/json;q=1.000, text/html;q=1", [HTML, JSON], HTML),
        # Wildcards, and the more exact item before the other, wherever it stands.
        ("text/*", [JSON, HTML], HTML),
        ("text/*", [JSON], None),
        ("text/*;q=0.3, text/html;q=0.7", [TEXT, HTML], HTML),
        ("*/*, text/*;q=0.5, text/html;q=0.1", [HTML, TEXT, JSON], JSON),
        ("*/*, text/*;q=0.5, text/html;q=0.1", [HTML, TEXT], TEXT),
        ("text/html;q=0.1, text/*", [HTML, TEXT], TEXT),
        # Weight 0 refuses, and so does not being mentioned.
        ("text/html;q=0", [HTML], None),
        ("text/html;q=0, */*", [HTML, JSON], JSON),
        ("text/html;q=0.0, text/*", [HTML, TEXT], TEXT),
        ("*/*;q=0", [JSON, HTML], None),
        ("application/xml", [JSON, HTML], None),
        # Parameters: those of the item must be those of the offer.
        ("text/html;level=1", [HTML], None),
        ("text/html;level=1", ["text/html;level=1"], "text/html;level=1"),
        ("text/html", ["text/html;level=1"], "text/html;level=1"),
        ("text/html;level=2", ["text/html;level=1"], None),
        ("text/html;level=1;q=0.1, text/html;q=0.9", ["text/html;level=1", HTML], HTML),
        ("text/html;a=1, text/html;a=1;b=2;q=0.1", ["text/html;b=2;a=1", "text/html;a=1"], "text/html;a=1"),
        ('text/html;charset="UTF-8"', ["text/html; charset=utf-8"], "text/html; charset=utf-8"),
        ('text/html;title="a, \\"b\\"";q=0.5', ['text/html;title="a, \\"b\\""'], 'text/html;title="a, \\"b\\""'),
        ("text/html;q=0.5;level=1", ["text/html;level=1"], "text/html;level=1"),
        # Spellings.
        ("TEXT/HTML", [JSON, HTML], HTML),
        ("text/html ; Q=0.1 ,\tapplication/json\t; q=0.2", [HTML, JSON], JSON),
        (",, text/html ,", [JSON, HTML], HTML),
        ("text/html;;q=0.1;, application/json;q=0.2", [HTML, JSON], JSON),
        # What is malformed is not there; a list of which nothing is left says nothing.
        ("text/html;q=2, application/json;q=0.1", [HTML, JSON], JSON),
        ("text/html;q=-1, application/json;q=0.1", [HTML, JSON], JSON),
        ("text/html;q=, application/json;q=0.1", [HTML, JSON], JSON),
        ("text/html;q=0.1234, application/json;q=0.1", [HTML, JSON], JSON),
        ("text/html;q =1, application/json;q=0.1", [HTML, JSON], JSON),
        ("text/html;level, application/json;q=0.1", [HTML, JSON], JSON),
        ("text/html level=1, application/json;q=0.1", [HTML, JSON], JSON),
        ("*/html, application/json;q=0.1", [HTML, JSON], JSON),
        ("html, application/json;q=0.1", [HTML, JSON], JSON),
        ("/html, text/, application/json;q=0.1", [HTML, JSON], JSON),
        ('application/json;a="b, text/html', [HTML, JSON], HTML),
        ('application/json;q=0.1, text/html;a="b, application/xml', [HTML, JSON], JSON),
        ("t\u00e9xt/html, application/json;q=0.1", [HTML, JSON], JSON),
        ("te\u212at/html, application/json;q=0.1", [HTML, JSON], JSON),
    ],
)
def test_the_client_gets_what_it_likes_best(accept: str | None, offers: list[str], chosen: str | None) -> None:
    assert choose_media_type(accept, offers) == chosen


@pytest.mark.parametrize("offer", ["json", "", "*/*", "text/*", "text/html, text/plain", "text/html;q=x", "text/ html"])
def test_what_is_no_media_type_cannot_be_offered(offer: str) -> None:
    with pytest.raises(ValueError, match=r"is no media type; write one such as 'application/json'\."):
        choose_media_type("*/*", [HTML, offer])


def test_something_must_be_offered() -> None:
    with pytest.raises(ValueError, match="Nothing is offered"):
        choose_media_type("*/*", [])


def test_the_items_of_a_list_are_read_with_their_parameters_and_weights() -> None:
    header = 'Text/HTML;Level="1\\"";q=.5, gzip;Q=0., x;b=B;a=c;q=1.000;b=D, *'
    assert list(parse_items(header)) == [
        Item("text/html", {"level": '1"'}, 0.5),
        Item("gzip", {}, 0.0),
        Item("x", {"a": "c", "b": "d"}, 1.0),
        Item("*", {}, 1.0),
    ]


# Against the words of the RFC


@dataclass(frozen=True, slots=True)
class Range:
    """A media range, or a media type that is offered, before it is written down."""

    kind: str
    subtype: str
    parameters: Mapping[str, str]
    thousandths: int = 1000


def applies(media_range: Range, offer: Range) -> bool:
    """ "The asterisk "*" character is used to group media types into ranges"; with parameters, those must be there."""
    return (
        media_range.kind in {"*", offer.kind}
        and media_range.subtype in {"*", offer.subtype}
        and all(offer.parameters.get(name) == text for name, text in media_range.parameters.items())
    )


def quality(offer: Range, ranges: Sequence[Range]) -> int:
    """ "If more than one media range applies to a given type, the most specific reference has precedence." """
    precedence = (
        lambda found: found.subtype != "*",
        lambda found: found.kind != "*",
        lambda found: True,
    )
    applying = [found for found in ranges if applies(found, offer)]
    for is_as_specific in precedence:
        specific = [found for found in applying if is_as_specific(found)]
        if specific:
            most = max(len(found.parameters) for found in specific)
            return max(found.thousandths for found in specific if len(found.parameters) == most)
    return 0


def choose_by_the_rfc(ranges: Sequence[Range], offers: Sequence[Range]) -> int | None:
    """The place of what "is acceptable" with the greatest quality; the first one of equals, and without ranges."""
    if not ranges:
        return 0
    order = sorted(range(len(offers)), key=lambda place: (-quality(offers[place], ranges), place))
    return order[0] if quality(offers[order[0]], ranges) > 0 else None


def write(item: Range, random: Random, *, with_weight: bool) -> str:
    """Write *item* down in one of the many ways there are."""

    def vary(text: str) -> str:
        return random.choice([text, text.upper(), text.title()])

    parts = [
        f"{vary(name)}=" + random.choice([text, text.upper(), f'"{text}"', f'"\\{text}"'])
        for name, text in item.parameters.items()
    ]
    if with_weight:
        whole, digits = divmod(item.thousandths, 1000)
        weights = [f"q={whole}.{digits:03}", f"Q={whole}.{digits:03}".rstrip("0")]
        parts += [random.choice(weights)] if item.thousandths < 1000 or random.random() < 0.5 else []
    random.shuffle(parts)
    space = random.choice(["", " ", "\t ", "  "])
    return f"{space};{space}".join([f"{vary(item.kind)}/{vary(item.subtype)}", *parts])


KINDS = st.sampled_from(["a", "b", "a-b"])
PARAMETERS = st.dictionaries(st.sampled_from(["v", "level"]), st.sampled_from(["1", "x"]), max_size=2)
THOUSANDTHS = st.sampled_from([0, 0, 1, 10, 100, 500, 999, 1000, 1000])
TYPES = st.builds(Range, KINDS, KINDS, PARAMETERS)
RANGES = st.one_of(
    st.builds(Range, KINDS, KINDS, PARAMETERS, THOUSANDTHS),
    st.builds(Range, KINDS, st.just("*"), PARAMETERS, THOUSANDTHS),
    st.builds(Range, st.just("*"), st.just("*"), PARAMETERS, THOUSANDTHS),
)
# None of them can be read, so none of them counts.
RUBBISH = st.sampled_from(
    ["", " ", "a", "a/", "*/a", "a/b;q=2", "a/b;v", "a b/c", "a/b;q=0.5x", 'a/b;v="1', "\u00e9/b"]
)


@given(st.lists(RANGES, max_size=6), st.lists(TYPES, min_size=1, max_size=5), st.lists(RUBBISH), st.randoms())
def test_the_choice_is_the_one_that_the_rfc_describes(
    ranges: list[Range], offers: list[Range], rubbish: list[str], random: Random
) -> None:
    items = [write(media_range, random, with_weight=True) for media_range in ranges]
    for text in rubbish:
        # What opens a quotation takes everything behind it.
        items.insert(len(items) if '"' in text else random.randint(0, len(ranges)), text)
    texts = [write(offer, random, with_weight=False) for offer in offers]
    place = choose_by_the_rfc(ranges, offers)
    assert choose_media_type(", ".join(items), texts) == (None if place is None else texts[place])


@given(st.text(alphabet=st.one_of(st.sampled_from('ab/*;=q01.," \\\t'), st.characters())))
def test_no_header_is_too_odd_to_choose_by(accept: str) -> None:
    assert choose_media_type(accept, [JSON, HTML]) in {JSON, HTML, None}


@pytest.mark.parametrize(
    "text",
    [
        '"',
        "\\",
        '\\"',
        'a/b;c="',
        'a/b;c="\\',
        'a/b;c="\\",',
        "a/b,",
        "a/b;",
        "a/b; ",
        "a/b ",
        " ",
        ";",
        "a/b;c=d;",
        "a/b;q=",
    ],
)
def test_the_cost_of_a_header_grows_with_its_length_alone(text: str) -> None:
    began = time.thread_time()
    for header in (text * (400_000 // len(text)), "a/b" + text * (400_000 // len(text)) + "@"):
        list(parse_items(header))
    assert time.thread_time() - began < 2  # a quadratic cost would be an hour


def test_of_a_list_that_nobody_would_write_the_beginning_is_read() -> None:
    assert choose_media_type("a/b, " * 255 + "text/html", [JSON, HTML]) == HTML
    assert choose_media_type("a/b, " * 256 + "text/html", [JSON, HTML]) is None


# In an application


async def show(request: web.Request) -> Any:
    chosen = accepts(request, JSON, HTML)
    if chosen is None:
        raise HTTPNotAcceptable
    return web.Response(text=chosen, headers={"Vary": "Accept"})


class Shown(View):
    """The same as a View."""

    async def get(self) -> Any:
        """Show."""
        return await show(self.request)


@pytest.fixture
def app() -> Application:
    app = Application()
    app.add_get("/", show)
    app.add_view("/view", Shown)
    return app


@pytest.mark.parametrize("path", ["/", "/view"])
async def test_a_handler_asks_what_the_client_accepts(app: Application, serve: Serve, path: str) -> None:
    """AW-055."""
    client = await serve(app)
    for accept, chosen in ((BROWSER, HTML), ("*/*", JSON), ("application/*;q=0.1", JSON), (",;=", JSON)):
        assert (await client.get(path, headers={"Accept": accept})).text == chosen
    refused = await client.get(path, headers={"Accept": "image/png"})
    assert (refused.status, refused.headers["Vary"]) == (406, "Accept")


async def test_a_header_of_several_lines_is_one_list(app: Application, serve: Serve) -> None:
    client = await serve(app)
    lines = CIMultiDict([("Accept", "application/json;q=0.5"), ("Accept", "text/html;q=0.6")])
    assert (await client.get("/", headers=lines)).text == HTML
    # The page of an error is chosen by the same list.
    lines = CIMultiDict([("Accept", "image/png"), ("Accept", "application/json")])
    assert (await client.get("/missing", headers=lines)).headers["Content-Type"] == "application/problem+json"


async def test_without_the_header_the_first_is_taken(app: Application, serve: Serve) -> None:
    client = await serve(app)
    answer = await client.send(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert answer.endswith(b"\r\n\r\napplication/json")


@pytest.mark.parametrize(
    "accept", ['text/html;a="', "\x01", "a/b;q=" + "9" * 4000, "*/*," * 2000, '"\\' * 4000, "\xff\xfe"]
)
async def test_no_header_makes_the_server_fail(app: Application, serve: Serve, accept: str) -> None:
    client = await serve(app)
    request = f"GET / HTTP/1.1\r\nHost: x\r\nAccept: {accept}\r\nConnection: close\r\n\r\n".encode("latin-1")
    assert int((await client.send(request)).split()[1]) in {200, 400, 406}
