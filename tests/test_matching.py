"""Finding a route: the order of the candidates, and what each of them reads in the path."""

import re
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webkit.errors import RouteError
from webkit.matching import Matcher
from webkit.paths import Template, parse

Candidates = list[tuple[str, dict[str, str]]]


def matcher_of(*paths: str) -> Matcher[str]:
    return Matcher([(parse(path), path) for path in paths])


def ask_one_after_another(templates: Sequence[Template], path: str) -> Candidates:
    """What the matcher must give, the slow way: every template is asked."""
    found = [
        ((-template.literal_depth, order), template.path, match)
        for order, template in enumerate(templates)
        if (match := re.fullmatch(template.regex, path)) is not None
    ]
    return [(written, match.groupdict()) for _, written, match in sorted(found, key=lambda item: item[0])]


MATCHES: list[tuple[str, str, dict[str, str] | None]] = [
    ("/", "/", {}),
    ("/", "", None),
    ("", "", {}),
    ("", "/", None),
    ("/users", "/users", {}),
    ("/users", "/users/", None),
    ("/users/", "/users", None),
    ("/users", "/Users", None),
    ("/{x}", "/a", {"x": "a"}),
    ("/{x}", "/", None),
    ("/{x}", "/a/", None),
    ("/{x}", "/a/b", None),
    ("/{x}", "/{a}", None),
    ("/{x}", "/a%2Fb", {"x": "a%2Fb"}),  # still quoted: the table unquotes
    ("/{x}/", "/a/", {"x": "a"}),
    ("/{x}/{y}", "/a/b", {"x": "a", "y": "b"}),
    ("/{x}/{y}", "/a//", None),
    ("/{x:\\d+}", "/12", {"x": "12"}),
    ("/{x:\\d+}", "/12a", None),
    ("/{x:[a-z]*}", "/", {"x": ""}),
    ("/a{x}b", "/axb", {"x": "x"}),
    ("/a{x}b", "/ab", None),
    ("/a.b{x}", "/a.b1", {"x": "1"}),
    ("/a.b{x}", "/a-b1", None),
    ("/{x}-{y}", "/a-b-c", {"x": "a-b", "y": "c"}),
    ("/{p:path}", "/a/b", {"p": "a/b"}),
    ("/{p:path}", "/", None),
    ("/{p:.*}", "/", {"p": ""}),
    ("/{p:.*}", "/a\nb", None),
    ("/f/{p:.*}", "/f/", {"p": ""}),
    ("/f/{p:.*}", "/f", None),
    ("/f{p:.*}", "/f", {"p": ""}),
    ("/f{p:.*}", "/f/a/b", {"p": "/a/b"}),
    ("/{p:.+}/edit", "/a/b/edit", {"p": "a/b"}),
    ("/{x}/{p:.+}/{y}", "/a/b/c/d", {"x": "a", "p": "b/c", "y": "d"}),
    ("/{a:x/y}/z", "/x/y/z", {"a": "x/y"}),
    ("/{a:(?P<b>\\d)\\.\\d}", "/1.2", {"a": "1.2", "b": "1"}),
    ("/{x}", "no slash", None),
    ("//a", "//a", {}),
    ("//{x}", "//a", {"x": "a"}),
    ("/{x:a|b}c", "/bc", {"x": "b"}),
]


@pytest.mark.parametrize(("template", "path", "values"), MATCHES)
def test_a_template_reads_its_values_in_a_path(template: str, path: str, values: dict[str, str] | None) -> None:
    assert matcher_of(template).candidates(path) == ([] if values is None else [(template, values)])


ORDERS: list[tuple[str, list[str], list[str]]] = [
    ("/a", ["/{x}", "/a"], ["/a", "/{x}"]),
    ("/a", ["/{x:.*}", "/{x}", "/a", "/{x:[a]}"], ["/a", "/{x:.*}", "/{x}", "/{x:[a]}"]),
    ("/a/b", ["/{x}/b", "/{x:.*}", "/a/{x}"], ["/a/{x}", "/{x}/b", "/{x:.*}"]),
    ("/a/b", ["/a/{x:.*}", "/a/{x}", "/a/b", "/a/{x:[b]}"], ["/a/b", "/a/{x:.*}", "/a/{x}", "/a/{x:[b]}"]),
    ("/a/b", ["/a{x:.*}", "/a/{x}"], ["/a/{x}", "/a{x:.*}"]),
    ("/a/", ["/a/{x:.*}", "/a/"], ["/a/{x:.*}", "/a/"]),  # one depth, so registration decides, as in aiohttp
    ("/a/", ["/a/", "/a/{x:.*}"], ["/a/", "/a/{x:.*}"]),
]


@pytest.mark.parametrize(("path", "templates", "order"), ORDERS)
def test_the_longest_literal_prefix_comes_first_then_registration(
    path: str, templates: list[str], order: list[str]
) -> None:
    assert [target for target, _ in matcher_of(*templates).candidates(path)] == order


def test_the_same_template_may_stand_for_several_things() -> None:
    matcher = Matcher([(parse("/a"), 1), (parse("/{x}"), 2), (parse("/a"), 3), (parse("/{y}"), 4)])
    assert matcher.candidates("/a") == [(1, {}), (3, {}), (2, {"x": "a"}), (4, {"y": "a"})]


@pytest.mark.parametrize("path", ["/a", "/b"])
def test_the_values_belong_to_the_caller(path: str) -> None:
    matcher = matcher_of("/a", "/{x}")
    for _, values in matcher.candidates(path):
        values["x"] = "changed"
    assert all(values in ({}, {"x": path[1:]}) for _, values in matcher.candidates(path))


def test_an_empty_matcher_finds_nothing() -> None:
    assert matcher_of().candidates("/") == []


SEGMENTS = ["", "a", "b", "{}", "{:\\d+}", "{:[a-z]*}", "{:.*}", "{:.+}", "a{}b", "{}-{}", "{:[a-z]*}{:.*}", "{:a|b/a}"]
TEXTS = ["", "a", "b", "ab", "a-b", "a-b-a", "axb", "12", "a%2Fb", "{a}", "é", "A\nb"]


def number(path: str) -> str:
    """Give each parameter of *path* a name of its own."""
    head, *tail = path.split("{")
    return head + "".join(f"{{x{index}{rest}" for index, rest in enumerate(tail))


PATHS = st.lists(st.sampled_from(SEGMENTS), min_size=1, max_size=4).map(lambda parts: number("/" + "/".join(parts)))


@given(
    st.lists(PATHS, max_size=8),
    st.lists(st.lists(st.sampled_from(TEXTS), max_size=4).map(lambda texts: "/" + "/".join(texts)), max_size=8),
)
def test_the_tree_finds_what_asking_one_after_another_finds(paths: list[str], requests: list[str]) -> None:
    templates = []
    for path in paths:
        try:
            templates.append(parse(path))
        except RouteError:
            continue
    matcher = Matcher([(template, template.path) for template in templates])
    for request in requests:
        assert matcher.candidates(request) == ask_one_after_another(templates, request)


def test_a_path_of_many_segments_is_refused_without_trying_every_way() -> None:
    ways = ("/".join("{:\\d+}" if way >> bit & 1 else "{}" for bit in range(8)) for way in range(256))
    matcher = matcher_of(*(number("/" + way) for way in ways))
    assert matcher.candidates("/1" * 9) == []
    assert len(matcher.candidates("/1" * 8)) == 256


RESTS = [
    "/a/{p:path}",
    "/a/b/{p:(?s:.*)}",
    "/b/{p:(?s:.*)}",
    "/{x}/c",
    "/a{x}/c",
    "/b/c",
    "/c/{x}",
    "/{p:path}",
    "/a",
    "/",
]


@given(
    st.lists(st.sampled_from(RESTS), max_size=4, unique=True),
    st.lists(st.sampled_from(["a", "b", "c", "", "x\n"]), max_size=4).map(lambda segments: "/" + "/".join(segments)),
)
def test_a_rest_of_a_path_is_found_at_once_only_where_nothing_else_could_match(paths: list[str], path: str) -> None:
    matcher = matcher_of(*paths)
    expected = ask_one_after_another([parse(written) for written in paths], path)
    assert matcher.candidates(path) == expected
    rest = matcher.only_rest or matcher.rests.get(path[1 : path.find("/", 1)])
    if rest is not None and path.startswith(rest.prefix) and len(path) >= rest.least and path not in matcher.literals:
        assert expected == [(rest.target, {rest.name: path[len(rest.prefix) :]})]
