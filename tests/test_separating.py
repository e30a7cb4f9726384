"""Bare parameters in one segment: taken apart as the expression of aiohttp would, and in no time."""

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from webkit.paths import Parameter, Part, parse
from webkit.separating import make_separator

TEXT = st.text(alphabet="ab-.{}", max_size=12)


def by_expression(segment: list[Part], text: str) -> tuple[str, ...] | None:
    pattern = "".join(re.escape(part) if isinstance(part, str) else f"({part.pattern})" for part in segment)
    match = re.fullmatch(pattern, text)
    return None if match is None else match.groups()


@given(st.lists(st.sampled_from(["", "-", "a", "--", "ab", "."]), min_size=2, max_size=5), TEXT)
@example(["", "-", "-", ""], "a-b-c-d")
@example(["", "", ""], "ab")
@example(["a", "a", "a"], "aaaaa")
@example(["", "", "", "", ""], "aa")
def test_it_finds_what_the_greedy_expression_finds(literals: list[str], text: str) -> None:
    path = "/" + literals[0] + "".join(f"{{p{number}}}{literal}" for number, literal in enumerate(literals[1:]))
    (segment,) = parse(path).segments()
    separate = make_separator(segment)
    assert separate is not None
    assert separate(text) == by_expression(segment, text)


@pytest.mark.parametrize("path", ["/{a}-{b:int}", r"/{a:\d+}{b}", "/%7B{a}-{b}"])
def test_another_expression_or_a_brace_needs_the_expression(path: str) -> None:
    (segment,) = parse(path).segments()
    assert any(isinstance(part, Parameter) for part in segment)
    assert make_separator(segment) is None
