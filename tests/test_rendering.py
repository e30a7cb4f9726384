"""What webkit's environment renders is what Jinja's renders: the text, its pieces, what is asked for, and the errors.

The two are compared over templates that use all of the language, and over templates that hypothesis makes up.
"""

import asyncio
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import jinja2
import jinja2.sandbox
import pytest
from hypothesis import given
from hypothesis import strategies as st
from markupsafe import Markup

from webkit.rendering import Environment

Outcome = tuple[Any, ...]


class Row(NamedTuple):
    """A line of a table."""

    number: int
    name: str


class Html:
    """Something that knows how it is shown."""

    def __html__(self) -> str:
        return "<i>html</i>"

    def __str__(self) -> str:
        return "<never shown>"


class Loud(str):
    """A text that is no plain one."""

    def __str__(self) -> str:
        return "LOUD & CLEAR"


class Spy:
    """Writes down what it is asked for."""

    known = "a & b"

    def __repr__(self) -> str:
        return "<spy>"

    def __init__(self, asked: list[str]) -> None:
        self._asked = asked

    @property
    def wrong(self) -> str:
        """Fail as if it were not there."""
        self._asked.append("wrong")
        raise AttributeError("wrong")

    @property
    def broken(self) -> str:
        """Fail."""
        self._asked.append("broken")
        raise ValueError("broken")

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        self._asked.append(f".{name}")
        if name in {"nothing", "item"}:
            raise AttributeError(name)
        return None if name == "none" else f"<{name}>"

    def __getitem__(self, name: str) -> Any:
        self._asked.append(f"[{name}]")
        if name == "item":
            return "<item>"
        raise KeyError(name)

    def __call__(self, *arguments: Any) -> str:
        self._asked.append(f"{arguments}")
        return "'called'"


#: Values that both environments get: what shows its address shows the same one.
SHARED: dict[str, Any] = {
    "text": "<a href=\"x\">'&'</a>",
    "long": "<&>" * 300,
    "loud": Loud("<b>"),
    "number": 7,
    "fraction": 2.5,
    "none": None,
    "yes": True,
    "markup": Markup("<b>bold</b>"),
    "html": Html(),
    "rows": [Row(1, "one & only"), Row(2, "<two>"), Row(3, "three")],
    "records": [{"name": "<Ada>", "items": [1]}, {"name": None}, {}],
    "pairs": [("a", 1), ("<b>", 2)],
    "tree": [{"name": "root", "below": [{"name": "<leaf>", "below": []}]}],
    "empty": [],
}


def make_context(asked: list[str]) -> dict[str, Any]:
    """Give values of all kinds; *asked* learns what the template asks ``spy`` for."""
    return SHARED | {"one_shot": iter("xyz"), "spy": Spy(asked), "fail": fail}


def fail() -> str:
    """Fail."""
    raise RuntimeError("failed")


def places_of(error: Exception) -> list[tuple[str, int]]:
    """Give the places in templates that *error* has passed."""
    return [
        (frame.f_code.co_name, line)
        for frame, line in traceback.walk_tb(error.__traceback__)
        if "__jinja_exception__" in frame.f_globals
    ]


def outcome_of(environment: jinja2.Environment, name: str, make: Callable[[list[str]], dict[str, Any]]) -> Outcome:
    """Give all that can be seen of a rendering: the text or the error, and what was asked for."""
    asked: list[str] = []
    try:
        template = environment.get_template(name)
        if environment.is_async:
            return asyncio.run(template.render_async(make(asked))), asked
        return template.render(make(asked)), asked
    except Exception as error:
        return type(error), str(error), places_of(error), asked


def pieces_of(environment: jinja2.Environment, name: str) -> Outcome:
    """Give the pieces that a rendering yields, and the error that ends it."""
    pieces: list[str] = []
    try:
        pieces.extend(map(str.__str__, environment.get_template(name).generate(make_context([]))))
    except Exception as error:
        return pieces, type(error)
    return pieces, None


TEMPLATES = {
    # what is shown
    "values": "{{ text }}|{{ loud }}|{{ number }}|{{ fraction }}|{{ none }}|{{ yes }}|{{ markup }}|{{ html }}|"
    "{{ long }}",
    "constants": "{{ '<' }}{{ 1 }}{{ none }}{{ '<b>'|safe }}{{ 2 ** 3 }}{{ '%s'|format('<') }}{{ ['<'] }}",
    "choices": "{{ '<a>' if yes else '&' }}{{ '<a>' if not yes else text }}{{ text if yes }}{{ 'x' if not yes }}"
    "{{ 1 if yes else '<' }}{{ '<b>'|safe if yes else '<' }}{{ html if yes else '<' if number else '>' }}",
    "joined": "{{ text ~ markup ~ 1 }}{{ 'a' ~ '<' }}{{ text + '<' }}{{ markup + text }}{{ markup % () }}",
    "filters": "{{ text|upper }}{{ text|safe }}{{ text|escape }}{{ text|e|e }}{{ text|forceescape }}"
    "{{ markup|striptags }}"
    "{{ rows|map(attribute='name')|join('<') }}{{ text|replace('<', '>') }}{{ missing|default('<') }}"
    "{{ pairs|tojson }}{{ text|urlize }}{{ rows|selectattr('number', 'odd')|list|length }}{{ text|indent }}",
    "undefined": "{{ missing }}{{ missing|default }}{{ spy.nothing }}{{ rows[9] }}{{ none.x }}",
    "undefined_below": "a\n{{ missing.name }}",
    "undefined_called": "a\n{{ missing() }}",
    "undefined_item": "{{ missing['a'] }}",
    # what is asked for
    "attributes": "{{ spy.known }}{{ spy.none }}{{ spy.item }}{{ spy.nothing }}{{ spy.wrong }}{{ spy.other }}",
    "chains": "{{ spy.a.b }}{{ records[0].name }}{{ records[0].items }}{{ records[2].name }}{{ records.0.name }}",
    "dictionaries": "{% for r in records %}{{ r.name }}{{ r['name'] }}{{ r.items }}{{ r.missing }}{% endfor %}",
    "nested_attributes": "{{ rows[number.real - 6].name }}{{ (spy if spy.x else spy.y).z }}{{ spy(spy.a, b=spy.b) }}",
    "broken_attribute": "first\n{{ spy.known }}\n{{ spy.broken }}\n{{ spy.never }}",
    "called": "{{ spy() }}{{ spy(1) }}{{ spy.known.upper() }}{{ text.replace('<', '[') }}",
    "failing": "first\n{% if yes %}\n{{ fail() }}\n{% endif %}",
    # loops
    "loops": "{% for r in rows %}{{ loop.index }}{{ loop.index0 }}{{ loop.first }}{{ r.name }}{% endfor %}",
    "counting": "{% for r in rows %}{{ 'odd' if loop.index is odd else 'even' }}{{ loop.index * 2 }}{{ -loop.index }}"
    "{% if loop.first %}first{% elif not loop.first %}later{% endif %}{{ loop.index0 / 2 }}{% endfor %}",
    "all_of_loop": "{% for r in rows %}{{ loop.index }}{{ loop.last }}{{ loop.length }}{{ loop.revindex }}"
    "{{ loop.previtem }}{{ loop.nextitem }}{{ loop.cycle('<', '>') }}{{ loop.changed(r) }}{{ loop.depth }}{% endfor %}",
    "loop_itself": "{% for r in rows %}{{ loop.index }}{% set l = loop %}{{ l.last }}{% endfor %}",
    "loop_items": "{% for r in rows %}{{ loop['index'] }}{{ loop.none }}{% endfor %}",
    "loops_in_loops": "{% for r in rows %}{% set o = loop.index %}{% for p in pairs if loop.index %}"
    "{{ loop.index + o }}"
    "{% endfor %}{{ loop.index }}{% for q in [loop.index] %}{{ loop.first }}{{ q }}{% endfor %}{% endfor %}",
    "outer_loop": "{% for r in rows %}{% set outer = loop %}{% for p in pairs %}{{ outer.index }}{{ loop.index }}"
    "{% endfor %}{% endfor %}",
    "unpacking": "{% for key, value in pairs %}{{ loop.index }}{{ key }}{{ value }}{% endfor %}",
    "wrong_unpacking": "a\n{% for a, b, c in pairs %}\n{{ loop.index }}{{ a }}{% endfor %}",
    "filtered": "{% for r in rows if r.number is odd %}{{ loop.index }}{{ r.name }}{% else %}none{% endfor %}",
    "else": "{% for r in empty %}{{ loop.index }}{% else %}<none>{{ loop }}{% endfor %}{% for r in none|list %}"
    "{% endfor %}",
    "not_iterable": "a\n\n{% for r in number %}{{ loop.index }}{% endfor %}",
    "undefined_iterated": "{% for r in missing %}{{ loop.index }}{% else %}none{% endfor %}",
    "one_shot": "{% for c in one_shot %}{{ loop.index }}{{ c }}{% endfor %}{% for c in one_shot %}"
    "{{ loop.index }}{% endfor %}",
    "recursive": "{% for t in tree recursive %}{{ loop.index }}{{ t.name }}{{ loop(t.below) }}{% endfor %}",
    "macro_in_loop": "{% set kept = namespace() %}{% for r in rows %}{% macro m() %}{{ loop.index }}"
    "{{ r.name }}{% endmacro %}"
    "{{ m() }}{% set kept.m = m %}{% endfor %}{{ kept.m() }}",
    "call_in_loop": "{% macro m() %}<{{ caller() }}>{% endmacro %}{% for r in rows %}{% call m() %}"
    "{{ loop.index }}{% endcall %}"
    "{% endfor %}",
    "include_in_loop": "{% for r in rows %}{{ loop.index }}{% include 'part' %}{% endfor %}",
    "scoped_block": "{% for r in rows %}{% block b scoped %}{{ loop.index }}{{ r.name }}{% endblock %}{% endfor %}",
    "break": "{% for r in rows %}{{ loop.index }}{% if loop.index == 2 %}{% break %}{% endif %}{% continue %}"
    "{% endfor %}",
    "loop_named": "{% set loop = 3 %}{{ loop }}{% for r in rows %}{{ loop.index }}{% endfor %}{{ loop }}",
    "no_loop": "{% for r in rows %}{{ r.number }}{% endfor %}{{ loop }}",
    # blocks of text
    "macros": "{% macro field(name, value='<', *more) %}<i>{{ name }}={{ value }}{{ varargs }}{{ kwargs }}</i>"
    "{% endmacro %}"
    "{{ field(text) }}{{ field('a', markup) }}{{ field('a', 'b', 'c', d=1) }}{{ field(spy.known)|upper }}{{ field }}",
    "calls": "{% macro box(title) %}<h1>{{ title }}</h1>{{ caller(spy.known) }}{% endmacro %}"
    "{% call(known) box(text) %}{{ known }}{{ text }}{% endcall %}",
    "set_blocks": "{% set a %}<b>{{ text }}</b>{% endset %}{{ a }}{% set b|upper %}{{ spy.known }}{% endset %}{{ b }}",
    "filter_blocks": "{% filter upper %}<b>{{ text }}</b>{% endfilter %}{% filter escape %}<{{ text }}>{% endfilter %}",
    "autoescape": "{% autoescape false %}{{ text }}{{ html }}{{ '<' if yes else '>' }}{% endautoescape %}{{ text }}"
    "{% autoescape true %}{{ text }}{{ markup }}{% endautoescape %}",
    "autoescape_later": "{% autoescape yes %}{{ text }}{{ '<' if yes else text }}{% for r in rows %}"
    "{{ loop.index }}{{ r.name }}"
    "{% endfor %}{% macro m() %}{{ text }}{% endmacro %}{{ m() }}{% endautoescape %}",
    "with": "{% with a = spy.known, b = text %}{{ a }}{{ b }}{% endwith %}{{ a }}",
    "raw": "{% raw %}{{ text }}{% endraw %}{# nothing #}\n",
    "namespaces": "{% set ns = namespace(count=0) %}{% for r in rows %}"
    "{% set ns.count = ns.count + loop.index %}{% endfor %}"
    "{{ ns.count }}{{ ns.none }}",
    "do": "{% do spy(1) %}{{ spy.a }}",
    "many_branches": "{% if number == 0 %}"
    + "".join(f"{{% elif number == -{n} %}}{n}" for n in range(600))
    + "{% else %}<{% endif %}",
    # several templates
    "part": "({{ r.name }}{{ text }}{{ loop.index }})",
    "layout": "<title>{% block title %}{{ text }}{% endblock %}</title>{% block main required %}{% endblock %}"
    "{{ self.title() }}",
    "page": "{% extends 'layout' %}{% block title %}{{ super() }}{{ spy.known }}{% endblock %}{% block main %}"
    "{{ markup }}"
    "{% for r in rows %}{{ loop.index }}{% include 'part' %}{% endfor %}{% endblock %}",
    "bare_page": "{% extends 'layout' %}never shown {{ fail() }}",
    "chosen_layout": "{% if yes %}{% extends 'layout' %}{% endif %}{{ text }}{% block main %}{{ super() }}"
    "{% endblock %}",
    "failing_block": "{% extends 'layout' %}\n{% block main %}\n{{ spy.broken }}{% endblock %}",
    "library": "{% macro tag(name) %}<{{ name }}>{{ text }}{% endmacro %}{% set version = '<1>' %}",
    "imports": "{% import 'library' as library %}{{ library.tag('b') }}{{ library.version }}{{ library.nothing }}"
    "{% from 'library' import tag, nothing with context %}{{ tag(text) }}{{ nothing }}",
    "includes": "{% include 'part' %}{% include 'part' without context %}{% include ['no', 'part'] %}"
    "{% include 'no' ignore missing %}",
    "no_such_template": "a\n{% include 'no' %}",
    "no_such_filter": "{% if not yes %}{{ text|nothing }}{% endif %}{% if yes %}\n{{ text|nothing }}{% endif %}",
    "wrong": "a\n{% for %}",
    "translated": "{% trans %}Hello & <b>{% endtrans %}{% trans name=text %}Hi {{ name }}{% endtrans %}"
    "{{ _('<%s>')|format(text) }}"
    "{% trans count=rows|length %}{{ count }} row{% pluralize %}{{ count }} rows{% endtrans %}",
}

OPTIONS: dict[str, dict[str, Any]] = {
    "escaping": {"autoescape": True},
    "not escaping": {},
    "escaping by name": {"autoescape": lambda name: name is not None and len(name) % 2 == 0},
    "strict": {"autoescape": True, "undefined": jinja2.StrictUndefined},
    "chainable": {"autoescape": True, "undefined": jinja2.ChainableUndefined},
    "debug": {"autoescape": True, "undefined": jinja2.DebugUndefined},
    "finalizing": {"autoescape": True, "finalize": lambda value: "<none>" if value is None else value},
    "finalizing in context": {"autoescape": True, "finalize": jinja2.pass_context(lambda _, value: value or "<no>")},
    "not optimized": {"autoescape": True, "optimized": False},
    "trimming": {"autoescape": True, "trim_blocks": True, "lstrip_blocks": True},
    "asynchronous": {"autoescape": True, "enable_async": True},
}


def make(kind: type[jinja2.Environment], options: dict[str, Any], templates: dict[str, str]) -> jinja2.Environment:
    """Make an environment of either *kind*."""
    extensions = ["jinja2.ext.loopcontrols", "jinja2.ext.do", "jinja2.ext.i18n"]
    environment = kind(loader=jinja2.DictLoader(templates), extensions=extensions, **options)
    environment.globals["site"] = "<site>"
    environment.install_null_translations(newstyle=True)  # type: ignore[attr-defined]
    return environment


@pytest.fixture(scope="module", params=OPTIONS)
def both(request: pytest.FixtureRequest) -> tuple[jinja2.Environment, jinja2.Environment]:
    """Give Jinja's environment and ours, set up alike."""
    options = OPTIONS[request.param]
    return make(jinja2.Environment, options, TEMPLATES), make(Environment, options, TEMPLATES)


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_template_gives_what_it_gives_in_jinja(
    both: tuple[jinja2.Environment, jinja2.Environment], name: str
) -> None:
    """Text and errors, where these happened, and what was asked for on the way."""
    jinjas, ours = (outcome_of(environment, name, make_context) for environment in both)
    assert ours == jinjas


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_template_yields_piece_by_piece_what_it_yields_in_jinja(
    both: tuple[jinja2.Environment, jinja2.Environment], name: str
) -> None:
    """Who streams a page sends its head before the first slow row."""
    jinjas, ours = (pieces_of(environment, name) for environment in both)
    assert ours == jinjas


# --- templates that nobody would write ---

NAMES = st.sampled_from(["text", "number", "none", "markup", "html", "rows", "records", "spy", "r", "missing", "loop"])
TURNS = st.sampled_from(["loop.index", "loop.index0", "loop.first", "loop.last", "r.name", "r.number"])
ATTRIBUTES = st.sampled_from(["name", "number", "item", "nothing", "none"])
FILTERS = st.sampled_from(["upper", "safe", "e", "string", "length", "default('<')", "list", "join('&')", "first"])
CONSTANTS = st.sampled_from(["'<'", "'a'", "1", "none", "true", "2.5", "'<b>'|safe", "[1, '&']"])


def extend_expression(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.one_of(
        st.builds("{}.{}".format, inner, ATTRIBUTES),
        st.builds("{}['{}']".format, inner, ATTRIBUTES),
        st.builds("({} if {} else {})".format, inner, inner, inner),
        st.builds("({} if {})".format, inner, inner),
        st.builds("({} ~ {})".format, inner, inner),
        st.builds("({} or {})".format, inner, inner),
        st.builds("{}|{}".format, inner, FILTERS),
        st.builds("({} is odd)".format, inner),
        st.builds("{}({})".format, inner, inner),
    )


EXPRESSIONS = st.recursive(
    NAMES | TURNS | CONSTANTS | st.builds("{}.{}".format, NAMES, ATTRIBUTES), extend_expression, max_leaves=6
)
# What is looped over is short, and what is set is made of nothing that was set: a page stays small.
LOOPED = st.sampled_from(["rows", "records", "pairs", "[1]", "missing", "none", "number"])
SIMPLE = TURNS | CONSTANTS


def extend_text(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    ask = EXPRESSIONS
    return st.one_of(
        st.builds("{}\n{}".format, inner, inner),
        st.builds("{{% if {} %}}{}{{% else %}}{}{{% endif %}}".format, ask, inner, inner),
        st.builds("{{% for r in rows %}}{}{{% endfor %}}".format, inner),
        st.builds("{{% for r in {} %}}{}{{% endfor %}}".format, LOOPED, inner),
        st.builds("{{% for r in rows if {} %}}{}{{% else %}}{}{{% endfor %}}".format, ask, inner, inner),
        st.builds("{{% set text = {} %}}{}".format, SIMPLE, inner),
        st.builds("{{% set said %}}{}{{% endset %}}{{{{ said }}}}{}".format, inner, inner),
        st.builds("{{% macro m(r, text={}) %}}{}{{% endmacro %}}{{{{ m(1) }}}}".format, SIMPLE, inner),
        st.builds("{{% macro m(r) %}}{}{{{{ caller(2) }}}}{{% endmacro %}}{}".format, inner, inner),
        st.builds("{{% call(r) m({}) %}}{}{{% endcall %}}".format, ask, inner),
        st.builds("{{% filter upper %}}{}{{% endfilter %}}".format, inner),
        st.builds("{{% autoescape {} %}}{}{{% endautoescape %}}".format, ask, inner),
        st.builds("{{% with r = {} %}}{}{{% endwith %}}".format, SIMPLE, inner),
    )


TEXTS = st.recursive(st.builds("<p>{{{{ {} }}}}".format, EXPRESSIONS), extend_text, max_leaves=10)


@given(TEXTS, st.sampled_from(["escaping", "not escaping", "strict", "chainable", "finalizing"]))
def test_whatever_a_template_says_it_says_in_jinja(text: str, options: str) -> None:
    """Most of them fail somewhere: the errors are Jinja's, too."""
    jinjas, ours = (make(kind, OPTIONS[options], {"made up": text}) for kind in (jinja2.Environment, Environment))
    assert outcome_of(ours, "made up", make_context) == outcome_of(jinjas, "made up", make_context)
    assert pieces_of(ours, "made up") == pieces_of(jinjas, "made up")


# --- who else has a hand in it ---


def test_global_names_may_change_and_those_of_a_template_win() -> None:
    environment = Environment(loader=jinja2.DictLoader({"a": "{{ site }} {{ own }} {{ given }}"}))
    environment.globals.update(site="before", own="of all", given="of all")
    page = environment.get_template("a", globals={"own": "of the template", "given": "of the template"})
    environment.globals["site"] = "after"
    assert page.render(given="of the page") == "after of the template of the page"
    assert page.render({}) == "after of the template of the template"


def test_a_template_may_have_other_globals_than_a_chain() -> None:
    environment = Environment()
    code = environment.compile("{{ a }}")
    assert jinja2.Template.from_code(environment, code, {"a": "b"}).render() == "b"
    assert environment.template_class.from_code(environment, code, {"a": "b"}).render() == "b"


def test_a_sandbox_keeps_watch_over_every_attribute() -> None:
    class Sandbox(jinja2.sandbox.SandboxedEnvironment, Environment):
        """Both in one."""

    unsafe = "{% for r in [1] %}{{ loop.index }}{% endfor %}{{ ''.__class__.__mro__ }}"
    with pytest.raises(jinja2.exceptions.SecurityError):
        Sandbox().from_string(unsafe).render()


def test_a_row_may_be_an_object_or_a_dictionary() -> None:
    environment = Environment(undefined=jinja2.StrictUndefined)
    assert environment.getattr(Row(1, "a"), "name") == "a"
    assert environment.getattr({"name": None}, "name") is None
    assert environment.getattr({"keys": 1}, "keys")
    assert isinstance(environment.getattr({}, "name"), jinja2.StrictUndefined)
    assert isinstance(environment.getattr(None, "name"), jinja2.StrictUndefined)


def test_what_an_extension_puts_in_the_place_of_getattr_is_asked() -> None:
    environment = Environment()
    environment.getattr = lambda owner, name: f"{name} of {owner}"  # type: ignore[assignment, method-assign]
    assert environment.from_string("{{ 'page'|upper }} {{ x.y }}").render(x=1) == "PAGE y of 1"


@pytest.mark.parametrize("writer", [jinja2.Environment, Environment])
@pytest.mark.parametrize("reader", [jinja2.Environment, Environment])
def test_compiled_templates_may_be_shared_with_jinjas_environment(
    tmp_path: Path, writer: type[jinja2.Environment], reader: type[jinja2.Environment]
) -> None:
    """In a cache of bytecode, or as modules."""
    source = jinja2.DictLoader({"a.html": "{% for r in rows %}{{ loop.index }}{{ r.name }}{% endfor %}"})
    cache = jinja2.FileSystemBytecodeCache(str(tmp_path))
    rows = [{"name": "<a>"}, {"name": "b"}]
    for kind in (writer, reader):
        environment = kind(autoescape=True, loader=source, bytecode_cache=cache)
        assert environment.get_template("a.html").render(rows=rows) == "1&lt;a&gt;2b"
    writer(autoescape=True, loader=source).compile_templates(tmp_path / "modules", zip=None)
    modules = reader(autoescape=True, loader=jinja2.ModuleLoader(tmp_path / "modules"))
    assert modules.get_template("a.html").render(rows=rows) == "1&lt;a&gt;2b"


def test_expressions_and_overlays_are_those_of_the_environment() -> None:
    environment = Environment(autoescape=True)
    assert environment.compile_expression("rows[0].name")(rows=[Row(1, "<")]) == "<"
    assert environment.overlay(autoescape=False).from_string("{{ '<' }}{{ a.b }}").render(a={"b": "<"}) == "<<"
    stream = environment.from_string("{% for r in rows %}{{ r.name }}{% endfor %}").stream(rows=endless())
    assert [next(stream) for _ in range(3)] == ["&lt;0", "&lt;1", "&lt;2"]


def endless() -> Iterator[dict[str, str]]:
    """Rows without end."""
    number = 0
    while True:
        yield {"name": f"<{number}"}
        number += 1
