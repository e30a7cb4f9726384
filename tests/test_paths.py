"""Path templates: what they say, what is wrong with them, and the URLs that are built from them."""

import re
from collections.abc import Mapping
from typing import Any
from uuid import UUID

import pytest
from aiohttp import web
from hypothesis import assume, given
from hypothesis import strategies as st
from yarl import URL

from tests.resolving import match
from webkit import Application, NoSuchRoute, RouteError
from webkit.paths import Part, normalize_literal, parse

# Reading


def describe(part: Part) -> str:
    """Write a literal as it is, and a parameter as ``name: expression (converter)``."""
    if isinstance(part, str):
        return part
    return f"{part.name}: {part.pattern}" + (f" ({part.converter.name})" if part.converter else "")


PARTS: list[tuple[str, list[str]]] = [
    ("", []),
    ("/", ["/"]),
    ("/users", ["/users"]),
    ("/users/", ["/users/"]),
    ("/{id}", ["/", "id: [^{}/]+"]),
    ("/{id:int}/edit", ["/", "id: -?[0-9]{1,18} (int)", "/edit"]),
    ("/{id:\\d+}", ["/", "id: \\d+"]),
    ("/{year:\\d{4}}-{month:\\d{2}}", ["/", "year: \\d{4}", "-", "month: \\d{2}"]),
    ("/a{x}b", ["/a", "x: [^{}/]+", "b"]),
    ("/{tail:.*}", ["/", "tail: .*"]),
    ("/{word:(?:int)}", ["/", "word: (?:int)"]),
    ("/{_private1}", ["/", "_private1: [^{}/]+"]),
    ("//a//", ["//a//"]),
    ("/caf%C3%A9/{x}", ["/café/", "x: [^{}/]+"]),
]


@pytest.mark.parametrize(("path", "parts"), PARTS)
def test_a_template_is_literal_text_and_parameters_in_turn(path: str, parts: list[str]) -> None:
    assert [describe(part) for part in parse(path).parts] == parts


WRONG: list[tuple[str, str]] = [
    ("users", "A path starts with '/': write '/users' instead of 'users'."),
    ("{x}", "write '/{x}'"),
    ("/{", "The braces of the path '/{' do not match; a parameter is written {name}."),
    ("/}", "do not match"),
    ("/{a}}", "do not match"),
    ("/{{a}", "do not match"),
    ("/{}", "{} in the path '/{}' is no parameter; write {name} or {name:int}."),
    ("/{1a}", "{1a} in the path '/{1a}' is no parameter"),
    ("/{a b}", "is no parameter"),
    ("/{a-b}", "is no parameter"),
    ("/{a:}", "is no parameter"),
    ("/{:int}", "is no parameter"),
    ("/{ä}", "is no parameter"),
    ("/{id:itn}", "'itn' in the path '/{id:itn}' is no converter. Did you mean 'int'? For a literal write (?:itn)."),
    ("/{id:xyzzy}", "There are int, uuid, str, path, float, slug, date"),
    ("/{id:[}", "The expression '[' in the path '/{id:[}' does not compile: "),
    ("/{id:(}", "does not compile"),
    ("/{a:x)|(?P<b>y}", "does not compile"),
    ("/{id}/{id}", "The path '/{id}/{id}' has two parameters named 'id'; give each its own name."),
    ("/{a:(?P<b>x)}/{b}", "The expressions of the path '/{a:(?P<b>x)}/{b}' do not go together: "),
    ("/{a:(?P<a>x)}", "does not compile"),
]


@pytest.mark.parametrize(("path", "message"), WRONG)
def test_a_wrong_path_is_refused_with_what_to_write_instead(path: str, message: str) -> None:
    """AW-008, AW-043."""
    with pytest.raises(RouteError, match=re.escape(message)):
        parse(path)


def test_a_wrong_path_is_a_value_error_as_in_aiohttp() -> None:
    with pytest.raises(ValueError, match="A path starts with '/'"):
        parse("users")


LITERALS: list[tuple[str, str]] = [
    ("/plain", "/plain"),
    ("/café", "/café"),
    ("/caf%C3%A9", "/café"),
    ("/caf%c3%a9", "/café"),
    ("/a b", "/a b"),
    ("/a%20b", "/a b"),
    ("/a%2Fb", "/a%2Fb"),  # an encoded slash never separates
    ("/a%2fb", "/a%2Fb"),
    ("/100%25", "/100%25"),
    ("/%7Bno parameter%7D", "/{no parameter}"),
    ("/a+b", "/a+b"),
    ("/a%2Bb", "/a+b"),
]


@pytest.mark.parametrize(("text", "normal"), LITERALS)
def test_a_literal_is_brought_into_the_form_that_requests_are_compared_in(text: str, normal: str) -> None:
    assert normalize_literal(text) == normal


SHAPES: list[tuple[str, str, bool]] = [
    ("/users/{id}", "/users/{name}", True),
    ("/users/{id:int}", "/users/{number:int}", True),
    ("/users/{id:\\d+}", "/users/{n:\\d+}", True),
    ("/users/{id}", "/users/{id:int}", False),
    ("/users/{id}", "/users/{id}/", False),
    ("/caf%C3%A9", "/café", True),
    ("/a%2Fb", "/a/b", False),
    ("/%7Bid%7D", "/{id}", False),
]


@pytest.mark.parametrize(("one", "other", "same"), SHAPES)
def test_the_shape_of_a_template_leaves_out_the_names(one: str, other: str, same: bool) -> None:
    assert (parse(one).shape == parse(other).shape) is same


DEPTHS: list[tuple[str, int]] = [
    ("", 0),
    ("/", 0),
    ("/a", 1),
    ("/a/", 1),
    ("/a/b", 2),
    ("/{x}", 0),
    ("/a/{x}", 1),
    ("/a/b{x}/c", 1),
    ("/a/b/{x}/c", 2),
    ("/a//b", 3),
    ("//{x}", 0),
]


@pytest.mark.parametrize(("path", "depth"), DEPTHS)
def test_the_depth_counts_the_whole_segments_before_the_first_parameter(path: str, depth: int) -> None:
    assert parse(path).literal_depth == depth


ONE_SEGMENT: list[tuple[str, bool]] = [
    ("/{x}", True),
    ("/{x:int}", True),
    ("/{x:uuid}", True),
    ("/{x:\\d+}", True),
    ("/{x:[a-z]+}", True),
    ("/{x:[a-z0-9_-]{2,3}}", True),
    ("/{x:[^/]+}", True),
    ("/{x:(?:html|json)}", True),
    ("/{x:(?i:a+)}", True),
    ("/{x:path}", False),
    ("/{x:.*}", False),
    ("/{x:.+}", False),
    ("/{x:a/b}", False),
    ("/{x:[^a]+}", False),
    ("/{x:[+-9]+}", False),  # the slash is in this range
    ("/{x:\\D+}", False),
    ("/{x:\\W}", False),
    ("/{x:\\S+}", False),
    ("/{x:\\x2f}", False),
    ("/{x:(?P<y>a)}", False),  # harmless, and right all the same
]


@pytest.mark.parametrize(("path", "stays"), ONE_SEGMENT)
def test_an_expression_surely_stays_within_its_segment_or_may_span_several(path: str, stays: bool) -> None:
    (parameter,) = parse(path).parameters
    assert parameter.in_segment is stays


PIECES = [
    *"abz019/.,_-%&|*+?)",
    *("(?:", "(", "[a-z]", "[^/]", "[^a]", "[.-0]", "[+-9]", "[a-]", "[!-~]", "[^a-z/]", "[0-9_]", "[\\w.]", "[\\W]"),
    *("\\d", "\\D", "\\w", "\\W", "\\s", "\\S", "\\.", "\\-", "\\/", "\\x2f", "\\b", "{2}", "{0,2}", "(?=a)", "(?!a)"),
]


@given(st.lists(st.sampled_from(PIECES), min_size=1, max_size=6).map("".join), st.text("abz0/-.+,!", max_size=6))
def test_an_expression_that_stays_within_its_segment_never_matches_a_slash(pattern: str, text: str) -> None:
    try:
        (parameter,) = parse(f"/{{x:{pattern}}}").parameters
    except RouteError:
        assume(False)
    if parameter.in_segment and "/" in text:
        assert re.fullmatch(parameter.pattern, text) is None


# Building

BUILT: list[tuple[str, dict[str, Any], str]] = [
    ("/", {}, "/"),
    ("/users", {}, "/users"),
    ("/users/{id:int}", {"id": 42}, "/users/42"),
    ("/users/{id:int}", {"id": "42"}, "/users/42"),
    ("/users/{id}", {"id": 42}, "/users/42"),
    ("/{user}/info", {"user": "john_doe"}, "/john_doe/info"),
    ("/{u:uuid}", {"u": UUID(int=1)}, "/00000000-0000-0000-0000-000000000001"),
    ("/{x}", {"x": "a b"}, "/a%20b"),
    ("/{x}", {"x": "a/b"}, "/a%2Fb"),
    ("/{x}", {"x": "100%"}, "/100%25"),
    ("/{x}", {"x": "%2F"}, "/%252F"),
    ("/{x}", {"x": "a?b#c"}, "/a%3Fb%23c"),
    ("/{x}", {"x": "a+b&c=d"}, "/a+b&c=d"),
    ("/{x}", {"x": "a;b:c@d,e!f$g'h(i)j*k~l"}, "/a;b:c@d,e!f$g'h(i)j*k~l"),
    ("/{x}", {"x": "café"}, "/caf%C3%A9"),
    ("/{x}", {"x": '"<>\\^`|'}, "/%22%3C%3E%5C%5E%60%7C"),
    ("/{x}", {"x": "..."}, "/..."),
    ("/files/{p:path}", {"p": "a/b c/d"}, "/files/a/b%20c/d"),
    ("/files/{p:path}", {"p": "/etc"}, "/files//etc"),
    ("/{tail:.*}", {"tail": ""}, "/"),
    ("/{a}-{b}", {"a": "x-y", "b": "z"}, "/x-y-z"),
    ("/café", {}, "/caf%C3%A9"),
    ("/caf%C3%A9/{x}", {"x": 1}, "/caf%C3%A9/1"),
    ("/a%2Fb", {}, "/a%2Fb"),
    ("/100%25", {}, "/100%25"),
    ("/%7Bx%7D", {}, "/%7Bx%7D"),
]


@pytest.mark.parametrize(("path", "values", "url"), BUILT)
def test_a_url_is_built_percent_encoded_exactly(path: str, values: Mapping[str, Any], url: str) -> None:
    assert parse(path).build(values) == url


REFUSED: list[tuple[str, dict[str, Any], type[RouteError], str]] = [
    ("/users/{id}", {}, NoSuchRoute, "The path '/users/{id}' needs a value for 'id'."),
    ("/{a}/{b}", {}, NoSuchRoute, "needs a value for 'a', 'b'."),
    ("/users/{id}", {"ids": 1}, NoSuchRoute, "has no parameter 'ids'. Did you mean 'id'?"),
    ("/users/{id}", {"id": 1, "page": 2}, NoSuchRoute, "has no parameter 'page'. It has id."),
    ("/users", {"id": 1}, NoSuchRoute, "The path '/users' has no parameter 'id'. It has none."),
    ("/{id:int}", {"id": "x"}, RouteError, "'x' does not fit {id:int} in the path '/{id:int}'."),
    ("/{id:int}", {"id": None}, RouteError, "None does not fit {id:int}"),
    ("/{id:\\d+}", {"id": "x"}, RouteError, "'x' does not fit {id:\\d+}"),
    ("/{u:uuid}", {"u": "x"}, RouteError, "'x' does not fit {u:uuid}"),
    ("/{x}", {"x": ""}, RouteError, "'' does not fit {x:[^{}/]+}"),
    ("/{x}", {"x": "{y}"}, RouteError, "'{y}' does not fit"),
    ("/{x}", {"x": None}, RouteError, "None does not fit"),
    ("/{x}", {"x": object}, RouteError, "does not fit"),
    ("/{x:[a-z]+}", {"x": "a/b"}, RouteError, "'a/b' does not fit"),
    ("/{x}", {"x": "\ud800"}, RouteError, "is no text that UTF-8 can hold."),
    ("/{x}", {"x": ".."}, RouteError, "'/..' has a '.' or '..' segment, which every browser resolves"),
    ("/{x}", {"x": "."}, RouteError, "'.' or '..' segment"),
    ("/files/{p:path}", {"p": "a/../b"}, RouteError, "'.' or '..' segment"),
    ("/.{x}", {"x": "."}, RouteError, "'.' or '..' segment"),
    ("/{a}-{b}", {"a": "x", "b": "y-z"}, RouteError, "'/x-y-z' would be read as a='x-y', b='z'"),
    ("/{a:path}/{b:path}", {"a": "x", "b": "y/z"}, RouteError, "would be read as a='x/y', b='z'"),
]


@pytest.mark.parametrize(("path", "values", "kind", "message"), REFUSED)
def test_what_would_not_lead_back_is_refused(
    path: str, values: Mapping[str, Any], kind: type[RouteError], message: str
) -> None:
    with pytest.raises(kind, match=re.escape(message)) as caught:
        parse(path).build(values)
    assert type(caught.value) is kind


# There and back: the URL of a value, requested from the table, gives the value.


async def show(request: web.Request) -> str:
    return str(dict(request.match_info))


def come_back(path: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """Ask the table for the URL of *values*, and give those that a handler would get."""
    app = Application()
    app.add_route("GET", path, show, name="there")
    try:
        url = str(app.url_for("there", **values))
    except RouteError:
        assume(False)
    assert str(URL(url)) == url, "A client that tidies the URL up would ask for another."
    found = match(app.aiohttp, "GET", url)
    assert found.http_exception is None, f"{url} is not found."
    return dict(found.arguments)  # type: ignore[attr-defined]


TEXTS = st.text(st.one_of(st.characters(codec="utf-8"), st.sampled_from("/%{}-.?#+ab0é\n")), max_size=8)


@given(TEXTS)
def test_text_for_a_bare_parameter_comes_back(text: str) -> None:
    assert come_back("/{x}", {"x": text}) == {"x": text}


@given(st.integers(-(10**18) + 1, 10**18 - 1))
def test_a_number_comes_back(number: int) -> None:
    assert come_back("/n/{x:int}", {"x": number}) == {"x": number}


@given(st.uuids())
def test_a_uuid_comes_back(value: UUID) -> None:
    assert come_back("/{x:uuid}.html", {"x": value}) == {"x": value}


@given(TEXTS)
def test_a_path_comes_back(text: str) -> None:
    assert come_back("/files/{x:path}", {"x": text}) == {"x": text}


@given(TEXTS)
def test_a_path_at_the_root_comes_back(text: str) -> None:
    assert come_back("/{x:path}", {"x": text}) == {"x": text}


@given(st.sampled_from(["\\d+", "[a-z]*", ".*", ".+", "[^/]+", "a|b", "(?:%25)?[0-9]", "[^{}]*"]), TEXTS)
def test_text_for_an_expression_comes_back(pattern: str, text: str) -> None:
    assert come_back(f"/e/{{x:{pattern}}}", {"x": text}) == {"x": text}


MIXED = [
    "/a{x}b/{y}",
    "/{x}-{y}",
    "/{x}{y:\\d*}",
    "/{x:[a-z]*}{y:[a-z]*}",
    "/{x:path}/{y}",
    "/{x}/{y:path}",
    "/{x:path}/{y:path}",
    "/{x:.*}{y:.*}",
    "/{x}.{y:int}",
]
SHORT = st.text(st.sampled_from("ab-/.%01é"), max_size=4)


@given(st.sampled_from(MIXED), SHORT, st.one_of(SHORT, st.integers(0, 99).map(str)))
def test_text_for_parameters_that_touch_comes_back(path: str, x: str, y: str) -> None:
    values = {name: str(value) for name, value in come_back(path, {"x": x, "y": y}).items()}
    assert values == {"x": x, "y": str(int(y)) if path.endswith("int}") else y}


def test_a_url_that_a_browser_would_take_for_another_host_is_refused() -> None:
    app = Application()
    app.add_route("GET", "/{p:path}", show, name="files")
    with pytest.raises(RouteError, match=re.escape("'//evil.example/x' begins with '//'")):
        app.url_for("files", p="/evil.example/x")


@pytest.mark.parametrize(
    "path",
    [
        "/{a:(a+)+}",
        "/x{a:(?:[a-z]+-?)+}",
        "/{a:.*}/{b:.*}/{c:.*}/x",
        r"/{a:\w+}{b:\w+}{c:\w+}-",
        "/{p:path}/x/{q:path}/{r:path}",
    ],
)
def test_a_path_whose_expressions_may_take_for_ever_is_refused(path: str) -> None:
    with pytest.raises(RouteError, match="may take for ever"):
        parse(path)


@pytest.mark.parametrize(
    "path",
    [
        "/{a:.+}/{b:.+}",
        "/{y}-{m}-{d}-{slug}",
        "/{a}{b}{c}{d}",
        "/f/{p:path}",
        "/{x}-{y}",
        r"/{year:\d{4}}-{month:\d\d}",
        "/{s:[a-z-]+}",
    ],
)
def test_a_path_whose_expressions_fail_soon_is_taken(path: str) -> None:
    assert parse(path).path == path
