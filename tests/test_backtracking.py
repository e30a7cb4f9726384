"""Expressions that backtrack catastrophically: which are refused, which pass, and that both are right.

What is right is counted: `steps` reads an expression's tree and counts each character that a backtracking matcher
tries before it gives up, for a text that never matches in the end. It shares nothing with the module but the parser.
"""

import re
import warnings
from collections import Counter
from collections.abc import Callable, Iterable
from functools import reduce
from importlib import import_module
from itertools import product
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from webkit import backtracking
from webkit.backtracking import find_catastrophe

EXPONENTIAL = "can match the same text in exponentially many ways"
CUBIC = "can divide the same text in so many ways that the time grows with the cube of its length, or faster"
TOO_MANY = "can match the same text in too many ways"
COMPLICATED = "is too complicated: nobody can tell how long it takes to fail"


# Counting


class Step:
    """One character that an expression asks for, and the steps that may come after it, with the ways to get there."""

    def __init__(self, accepts: Callable[[str], bool], then: "Enter") -> None:
        self._accepts = accepts
        self._then = then
        self._known: dict[str, Counter[Step]] = {}

    def read(self, character: str) -> Counter["Step"]:
        if character not in self._known:
            self._known[character] = self._then(frozenset()) if self._accepts(character) else Counter()
        return self._known[character]


# Tells the steps that may come next. It is told which repetitions have read nothing in their turn yet: `re` lets such
# a turn end the repetition, but never begin another.
Enter = Callable[[frozenset[object]], Counter[Step]]


def steps(pattern: str, text: str) -> int:
    """Count the characters that are tried for *text*, each as often as there are ways to get there."""
    return steps_from(start_of(pattern), text)


def start_of(pattern: str) -> Counter[Step]:
    return enter_all(import_module("re._parser").parse(pattern), lambda _: Counter())(frozenset())


def steps_from(ways: Counter[Step], text: str) -> int:
    total = 0
    for character in text:
        total += ways.total()
        following: Counter[Step] = Counter()
        for step, number in ways.items():
            for other, more in step.read(character).items():
                following[other] += number * more
        ways = following
    return total


def find_steps(pattern: str, characters: str) -> Counter[Step]:
    """Give every step that some text of *characters* leads to, once."""
    found = pending = set(start_of(pattern))
    while pending:
        pending = {other for step in pending for character in characters for other in step.read(character)} - found
        found = found | pending
    return Counter(found)


def enter_all(tree: Iterable[tuple[Any, Any]], then: Enter) -> Enter:
    return reduce(lambda later, node: enter(str(node[0]), node[1], later), reversed(list(tree)), then)


def enter(name: str, value: Any, then: Enter) -> Enter:
    match name:
        case "SUBPATTERN":
            return enter_all(value[3], then)
        case "BRANCH":
            return either(*(enter_all(body, then) for body in value[1]))
        case "MAX_REPEAT" | "MIN_REPEAT":
            return repeat(value[0], value[1], value[2], then)
        case "ASSERT" | "ASSERT_NOT":
            return either(enter_all(value[1], lambda _: Counter()), then)
        case "AT":
            return then
        case "FAILURE":
            return lambda _: Counter()
    step = Step(lambda character: matches(name, value, character), then)
    return lambda _: Counter({step: 1})


def either(*choices: Enter) -> Enter:
    return lambda still: sum((choice(still) for choice in choices), Counter[Step]())


def repeat(low: int, high: int, body: Any, then: Enter) -> Enter:
    if high > 1000:
        after = repeat_for_ever(body, then)
    else:
        after = then
        for _ in range(high - low):
            after = turn(body, after, then)
    for _ in range(low):
        after = enter_all(body, after)
    return after


def turn(body: Any, after: Enter, then: Enter) -> Enter:
    """One more turn, or none."""
    mark = object()
    more = enter_all(body, lambda still: then(still - {mark}) if mark in still else after(still))
    return lambda still: more(still | {mark}) + then(still)


def repeat_for_ever(body: Any, then: Enter) -> Enter:
    def again(still: frozenset[object]) -> Counter[Step]:
        return one_more(still)

    one_more = turn(body, again, then)
    return again


def matches(name: str, value: Any, character: str) -> bool:
    code = ord(character)
    match name:
        case "ANY":
            return character != "\n"
        case "LITERAL":
            return bool(code == value)
        case "NOT_LITERAL":
            return bool(code != value)
        case "RANGE":
            return bool(value[0] <= code <= value[1])
        case "CATEGORY":
            return {"CATEGORY_DIGIT": character.isdecimal(), "CATEGORY_SPACE": character.isspace()}.get(
                str(value), character.isalnum() or character == "_"
            )
    negated = str(value[0][0]) == "NEGATE"
    return negated != any(matches(str(kind), item, character) for kind, item in value if str(kind) != "NEGATE")


STEPS: list[tuple[str, str, int]] = [
    ("a", "aaa", 1),
    ("a*", "aaa", 3),
    ("a*b", "aaa", 6),
    ("a*a*", "aaa", 2 + 4 + 6 - 3),
    ("(?:a|b)*", "aaa", 3),
    ("(?:a|b)c", "aaa", 2),
    ("(?:(?:a)+)+", "aaa", 1 + 2 + 4),
    ("a?a?a?", "aaa", 3 + 3 + 1),
    ("(?:a?){3}", "aaa", 3 + 3 + 1),
    ("(?:a?)*b", "aaa", 3 * 3),
]


@pytest.mark.parametrize(("pattern", "text", "count"), STEPS)
def test_steps_are_counted_as_one_does_by_hand(pattern: str, text: str, count: int) -> None:
    assert steps(pattern, text) == count


# Refusing

REFUSED: list[tuple[str, str, str, str]] = [  # the expression, its part at fault, what is wrong, what it is attacked by
    (r"(a+)+", r"(a+)+", EXPONENTIAL, "a"),
    (r"(a|a)*", r"(a|a)*", EXPONENTIAL, "a"),
    (r"(a*)*b", r"(a*)*", EXPONENTIAL, "a"),
    (r"(.*)*", r"(.*)*", EXPONENTIAL, "a"),
    (r"(\w+\s?)*$", r"(\w+\s?)*", EXPONENTIAL, "a"),
    (r"(?:[a-z]+-?)+", r"(?:[a-z]+-?)+", EXPONENTIAL, "a"),
    (r"([a-zA-Z]+)*", r"([a-zA-Z]+)*", EXPONENTIAL, "a"),
    (r"(x+x+)+y", r"(x+x+)+", EXPONENTIAL, "x"),
    (r"(?:a|b|ab)*", r"(?:a|b|ab)*", EXPONENTIAL, "ab"),
    (r"(?:a|aa){1,40}", r"(?:a|aa){1,40}", EXPONENTIAL, ""),
    (r"(?:(?:a?)*b)*c", r"(?:(?:a?)*b)*", EXPONENTIAL, "ab"),
    (r"(?:(?=a+)a+)+", r"(?:(?=a+)a+)+", EXPONENTIAL, "a"),
    (r"(?!(a+)+b).*", r"(?!(a+)+b)", EXPONENTIAL, "a"),
    (r"(?i)(?:a|A\b)+", r"(?i)(?:a|A\b)+", EXPONENTIAL, ""),
    (r"(?:[^\W\d]|\u00e9\b)+", r"(?:[^\W\d]|\u00e9\b)+", EXPONENTIAL, ""),
    (r"(?:(a+)\1)+", r"(?:(a+)\1)+", EXPONENTIAL, ""),
    (r"[(a+)+]*/(b+)+/\(a+", r"(b+)+", EXPONENTIAL, ""),
    (r".*.*.*=.*", r".*.*.*", CUBIC, "a"),
    (r"\d+\d+\d+x", r"\d+\d+\d+", CUBIC, "1"),
    (r".+/.+/.+", r".+/.+/.+", CUBIC, "/"),
    (r"a*?a*?a*?b", r"a*?a*?a*?", CUBIC, "a"),
    (r"\s*(.*?)\s*", r"\s*(.*?)\s*", CUBIC, " "),
    (r"(?:(?!.*x.*y).)*", r"(?:(?!.*x.*y).)*", CUBIC, "x"),
    (r"x(?:.*,){11}P", r"(?:.*,){11}", CUBIC, ""),
    (r"[^{}/]+-[^{}/]+-[^{}/]+", r"[^{}/]+-[^{}/]+-[^{}/]+", CUBIC, "-"),
    (r"(a+)\1\1", r"(a+)\1\1", CUBIC, ""),
    (r".{0,999}.{0,999}.{0,999}x", r".{0,999}.{0,999}.{0,999}", CUBIC, ""),
    (r"(?:a?){40}", r"(?:a?){40}", TOO_MANY, ""),
    (r"(?:|||){30}x", r"(?:|||){30}", TOO_MANY, ""),
    (r"(?:a?){600}", r"(?:a?){600}", COMPLICATED, ""),
    (r"a{9999999999}", r"a{9999999999}", COMPLICATED, ""),
    (r"(?:" * 9000 + "a" + ")" * 9000, r"(?:" * 9000 + "a" + ")" * 9000, COMPLICATED, ""),
    (r"()" + "".join(rf"(\{n}\{n})" for n in range(1, 50)), "", COMPLICATED, ""),
    (r"(?:(?:(?:|){500}){500}){500}", r"(?:(?:(?:|){500}){500}){500}", COMPLICATED, ""),
    (r"(a", r"(a", "does not compile: missing ), unterminated subpattern at position 0", ""),
]


@pytest.mark.parametrize(("pattern", "part", "fault"), [case[:3] for case in REFUSED])
def test_a_catastrophe_is_refused_and_the_part_at_fault_is_named(pattern: str, part: str, fault: str) -> None:
    assert find_catastrophe(pattern) == f"`{part or pattern}` {fault}"


@pytest.mark.parametrize(
    ("pattern", "fault", "attack"), [(p, fault, attack) for p, _, fault, attack in REFUSED if attack]
)
def test_what_is_refused_takes_as_long_as_is_said(pattern: str, fault: str, attack: str) -> None:
    slower = steps(pattern, attack * 400) / steps(pattern, attack * 200)
    assert slower > (10**9 if fault == EXPONENTIAL else 7)


# Accepting

ACCEPTED: list[tuple[str, str]] = [  # the expression, and what may seem to be an attack
    (r"", ""),
    (r"\d+", "1"),
    (r"[a-z0-9]+(?:-[a-z0-9]+)*", "a-"),
    (r"[^/]+", "a"),
    (r"[^{}/]+", "a"),
    (r".*", "a"),
    (r".+\.html", ".html"),
    (r".+/.+x", "/"),
    (r".*/.*\.[a-z]+", "/.a"),
    (r"(?s:.+)", "\n"),
    (r".{0,500}", "a"),
    (r"(?:en|de|fr)", "en"),
    (r"(?:a|b)*", "ab"),
    (r"(?:a|a|b)*", "a"),
    (r"(?:foo|far|bar)+", "foofar"),
    (r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}", "0"),
    (r"\d{4}-\d{2}", "1"),
    (r"-?[0-9]{1,18}(?:\.[0-9]{1,18})?", "1"),
    (r"[a-z]{1,20}[a-z0-9]{1,20}[a-z]{1,20}", "a"),
    (r"(?:\d{1,3}\.?){4}", "1"),
    (r"(?:[0-9a-f]{2}:){1,300}", "00:"),
    (r"(?:[a-z]{2}x|[a-z]{2}y){1,40}", "aax"),
    (r"(?P<x>ab?)+c", "ab"),
    (r"(?!admin)[a-z]+", "a"),
    (r"(?=.*\d)(?=.*[a-z]).+", "a1"),
    (r"(?:(?!foo).)*", "fo"),
    (r"(?:(?!.*foo).)*/.*", "fo/"),
    (r"(?<!a)b+", "b"),
    (r"(?:[a-z]+\.|[a-z]+/)+", "a."),
    (r"(?:ab|a+c)*", "a"),
    (r"(?:a?){0,20}", "a"),
    (r"a*b*[ab]*x", "ab"),
    (r"(?:a+b)*?c", "ab"),
    (r"(?:%[0-9A-F]{2}|[^%/])+", "%41"),
    (r"[a-z]+(?:(?:-|_)[a-z]+)*\.(?:png|jpe?g|gif)", "a-"),
    (r"(?:[^/]+/)*[^/]+\.py", "a/"),
    (r"(?:(?:25[0-5]|2[0-4]\d|1?\d?\d)\.){3}(?:25[0-5]|2[0-4]\d|1?\d?\d)", "2.1"),
    (r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)*", "a-"),
    (r"(?i:[a-z]+)", ""),
    ("(?ax: \\w+ # a word\n -\xe9*)", ""),
    (r"(.+)/\1", ""),
    (r"<(\w+)>.*</\1>", ""),
    (r"(a)?(?(1)b|c)", ""),
    (r"(?>a+)+", ""),
    (r"(?:[a-z]++-?)+", ""),
    (r"(?:a++|b*+)?c", ""),
    (r"x?+x{1,3}+x{2,}+y", ""),
    (r"(?:a|a(?!))", ""),
    (r"[\u0370-\u03ff]+(?:-[\u0370-\u03ff]+)*", ""),
    (r"|".join(f"word{number}" for number in range(200)), ""),
]


@pytest.mark.parametrize("pattern", [pattern for pattern, _ in ACCEPTED])
def test_a_harmless_expression_passes(pattern: str) -> None:
    assert find_catastrophe(pattern) is None


@pytest.mark.parametrize(("pattern", "attack"), [case for case in ACCEPTED if case[1]])
def test_what_passes_is_quadratic_at_worst(pattern: str, attack: str) -> None:
    text = (attack * 4000)[:4000]
    assert steps(pattern, text) < 5 * steps(pattern, text[:2000])


# Both, for expressions that nobody has thought of

UNITS = st.sampled_from(["a", "b", "-", "[ab]", "[^a]", ".", r"\w"])
QUANTIFIERS = st.sampled_from(["", "", "*", "+", "?", "*?", "+?", "??", "{2}", "{1,3}", "{2,}", "{0,9}"])


@st.composite
def patterns(draw: st.DrawFn, depth: int = 2) -> str:
    """A small expression: units, groups of alternatives and look-aheads, each repeated or not."""
    parts = []
    for _ in range(draw(st.integers(1, 3))):
        kind = draw(st.sampled_from(["unit", "unit", "group", "group", "look-ahead"])) if depth else "unit"
        if kind == "unit":
            parts.append(draw(UNITS))
        else:
            inner = "|".join(draw(st.lists(patterns(depth - 1), min_size=1, max_size=3)))
            parts.append(f"(?!{inner})" if kind == "look-ahead" else f"({inner})")
        parts.append(draw(QUANTIFIERS))
    return "".join(parts)


@given(patterns(), st.text("ab-", max_size=3), st.lists(st.text("ab-", min_size=1, max_size=4), min_size=3, max_size=3))
def test_no_text_makes_what_passes_take_longer_than_quadratic(pattern: str, start: str, words: list[str]) -> None:
    assume(find_catastrophe(pattern) is None)
    for text in (words[0] * 2000, "".join(word * 700 for word in words)):
        assert steps(pattern, (start + text)[:2000]) <= 4 * 8190**2  # a third of it would be 2000**3 / 6


TINY = st.tuples(st.sampled_from(["a", "b", "[ab]"]), st.sampled_from(["", "*", "+", "?"])).map("".join)
CHOICES = st.lists(st.lists(TINY, max_size=2).map("".join), min_size=1, max_size=3)
SHORT_TEXTS = ["".join(text) for length in range(1, 7) for text in product("ab", repeat=length)]


@given(CHOICES, st.sampled_from(["({})*", "({})+", "({})*?", "b({}){{2,}}"]))
def test_some_text_makes_what_is_called_exponential_so(choices: list[str], loop: str) -> None:
    pattern = loop.format("|".join(choices))
    is_refused = EXPONENTIAL in (find_catastrophe(pattern) or "")
    everywhere = find_steps(pattern, "ab")
    assert is_refused == any(
        steps_from(everywhere, text * 120) > 10**6 * steps_from(everywhere, text * 60) for text in SHORT_TEXTS
    )


@given(st.text("abAd1-\\()[]{}|*+?.^$,<>=!:P#is\u00e9\n") | st.text())
def test_whatever_is_given_an_answer_comes(pattern: str) -> None:
    answer = find_catastrophe(pattern)
    assert answer == find_catastrophe(pattern)
    if answer is None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # "[[" may get another meaning one day
            re.compile(pattern)


def test_a_node_that_is_not_known_is_too_complicated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(backtracking._SPELLINGS, "ANY")
    assert find_catastrophe("a.") == f"`a.` {COMPLICATED}"
