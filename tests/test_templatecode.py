"""What Jinja's code becomes. That it still says the same is what ``test_rendering`` compares."""

import ast
from typing import Any

import jinja2
import markupsafe
import pytest
from hypothesis import given
from hypothesis import strategies as st

from webkit.templatecode import escape_plainly, rewrite


def rewritten(template: str, **options: Any) -> str:
    """Give the code of *template*, without what stands before its text."""
    environment = jinja2.Environment(**({"autoescape": True} | options))
    code = ast.unparse(rewrite(environment.compile(template, raw=True)))
    return code.partition("yield None")[2].partition("blocks =")[0]


@pytest.mark.parametrize(
    ("template", "code"),
    [
        ("{{ a }}", "yield escape_plainly(undefined(name='a') if l_0_a is missing else l_0_a)"),
        ("{{ '<' if a else '>' }}", "yield ('&lt;' if"),
        ("{{ '<' if a }}", "else escape_plainly(cond_expr_undefined("),
        ("{% macro m(a) %}{{ a }}{% endmacro %}", "t_1.append(escape_plainly(l_1_a))"),
        ("{% macro m(a) %}{{ a }}.{% endmacro %}", "t_1.extend((escape_plainly(l_1_a), '.'))"),
        ("{% for a in b %}{{ a.c }}{% endfor %}", "yield escape_plainly(environment.getattr(l_1_a, 'c'))"),
        ("{% for a in b %}{{ loop.index }}{% endfor %}", "for count_l_1_loop, l_1_a in enumerate(undefined("),
        ("{% for a in b %}{{ loop.index }}{% endfor %}", "yield escape_plainly(count_l_1_loop + 1)"),
        ("{% for a in b %}{{ loop.index0 }}{% endfor %}", "yield escape_plainly(count_l_1_loop)"),
        ("{% for a in b %}{{ loop.first }}{% endfor %}", "yield escape_plainly(count_l_1_loop == 0)"),
        (
            "{% for a, c in b %}{{ loop.index }}{% endfor %}",
            "for count_l_1_loop, (l_1_a, l_1_c) in enumerate(undefined(",
        ),
    ],
)
def test_what_is_recognised_becomes_code_that_takes_less_time(template: str, code: str) -> None:
    assert code in rewritten(template)


@pytest.mark.parametrize(
    "inner",
    [
        "{{ loop.index }}{{ loop.last }}",
        "{{ loop.length }}",
        "{{ loop }}",
        "{{ loop['index'] }}",
        "{{ loop.index }}{% include 'x' %}",
        "{{ loop.cycle(1, 2) }}",
        "{% macro m() %}{{ loop.index }}{% endmacro %}",
        "{% block x scoped %}{% endblock %}{{ loop.index }}",
    ],
)
def test_a_loop_that_wants_to_know_more_of_itself_stays_one_of_jinjas(inner: str) -> None:
    code = rewritten("{% for a in b %}" + inner + "{% endfor %}")
    assert "l_1_loop in LoopContext(" in code
    assert "count_" not in code


def test_what_may_turn_out_either_way_is_left_to_jinja() -> None:
    code = rewritten("{% autoescape a %}{{ b }}{% endautoescape %}")
    assert "(escape if context.eval_ctx.autoescape else str)(" in code
    assert "yield str(" in rewritten("{{ a }}", autoescape=False)


@given(st.text() | st.text("&<>\"'a") | st.integers() | st.floats() | st.booleans() | st.none() | st.binary())
def test_what_is_escaped_plainly_has_the_text_of_what_is_escaped(value: Any) -> None:
    assert str(escape_plainly(value)) == str(markupsafe.escape(value))
    assert isinstance(value, bytes) or type(escape_plainly(value)) is str


@pytest.mark.parametrize("length", [127, 128, 129, 100_000])
@pytest.mark.parametrize("character", ["&", "<", ">", "'", '"', "ä", "€", "😀"])
def test_long_texts_are_escaped_the_same_way(length: int, character: str) -> None:
    text = character * length
    assert str(escape_plainly(text)) == str(markupsafe.escape(text))


def test_markup_stays_what_it_is_and_so_does_what_calls_itself_that() -> None:
    class Proxy:
        """Says that it is a text."""

        __class__ = str  # type: ignore[assignment]

        def __str__(self) -> str:
            return "<proxy>"

    class Titled(str):
        """A text of another class."""

    markup = markupsafe.Markup("<b>")
    assert escape_plainly(markup) is markup
    assert escape_plainly(Proxy()) == "&lt;proxy&gt;"
    assert escape_plainly(Titled("<")) == "&lt;"
