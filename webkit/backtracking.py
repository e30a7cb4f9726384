"""Expressions that make ``re`` try one text in too many ways: found before a request can send that text. Pure.

``re`` remembers no dead end: when a match fails late, it comes back to every choice on the way. So what it costs is the
number of ways in which the expression can read the beginnings of a text, and that the expression itself tells:

* It becomes an automaton without empty moves (Glushkov's): a state for each character it asks for, and edges that say
  on which letters they may be taken and in how many ways that comes about. It is an *upper bound*: what a lookaround
  or an anchor forbids stays in, a look-ahead is a side path that leads nowhere, a back-reference is another copy of
  its group, and the match is taken to fail in the end.
* Exponential: one text leads from a state back to it in two ways (EDA).
* Cubic or worse: one text leads from p to p, from p to q and from q to q (IDA), and so on from q to a third.
  See Weber and Seidl, "On the degree of ambiguity of finite automata" (1991); Allauzen, Mohri and Rastogi,
  "General algorithms for testing the ambiguity of finite automata" (2008).
* Too many ways although nothing repeats them, as in ``(?:a?){30}``.

Quadratic expressions, as ``.+/.+x``, pass: the longest target there is takes them about a second at worst.
Counted repetition is written out while that is short, otherwise it counts as unlimited. Every search has a limit, and
what reaches it is refused as too complicated. The same expression always gets the same answer: nothing is timed.
"""

import itertools
import math
import re
import warnings
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import suppress
from functools import reduce
from importlib import import_module
from operator import or_
from typing import Any, Final, NamedTuple, TypeVar

__all__ = ["find_catastrophe"]

_EXPONENTIAL: Final = "can match the same text in exponentially many ways"
_CUBIC: Final = "can divide the same text in so many ways that the time grows with the cube of its length, or faster"
_TOO_MANY: Final = "can match the same text in too many ways"
_FAULTS: Final = (_EXPONENTIAL, _CUBIC, _TOO_MANY)
_COMPLICATED: Final = "is too complicated: nobody can tell how long it takes to fail"

_LONGEST: Final = 8190  # the characters of a request's target
_MOST_STEPS: Final = 4 * _LONGEST**2  # as an upper bound
_MOST_WAYS: Final = (4 * _LONGEST**2, 4 * _LONGEST, 32)  # made by choices, where repetition makes 1, n, n**2
_WRITTEN_OUT: Final = (512, 16)  # states that a counted repetition may become: the first try, and the second
_MOST_WORK: Final = 20_000  # parts that the automaton is put together from, and edges
_MOST_COMBINATIONS: Final = 60_000
_MOST_TOKENS: Final = 80  # of a refused expression in which the part at fault is looked for

_CATEGORIES: Final = dict(zip(["NOT_DIGIT", "DIGIT", "NOT_SPACE", "SPACE", "NOT_WORD", "WORD"], "DdSsWw", strict=True))
_SPELLINGS: Final[dict[str, Callable[[Any], str]]] = {
    "ANY": lambda _: ".",
    "LITERAL": lambda code: f"\\U{code:08x}",
    "NOT_LITERAL": lambda code: f"[^\\U{code:08x}]",
    "IN": lambda items: f"[{''.join(_SPELLINGS[str(kind)](value) for kind, value in items)}]",
    "NEGATE": lambda _: "^",
    "RANGE": lambda codes: f"\\U{codes[0]:08x}-\\U{codes[1]:08x}",
    "CATEGORY": lambda name: "\\" + _CATEGORIES[str(name).removeprefix("CATEGORY_")],
}
# Of the other alphabets: letters of either case, digits that are and are no \d, spaces, signs, what (?i) treats apart.
_FOREIGN: Final = "\x80\x85\xa0\xaa\xb2\xb5\xc9\xdf\xe9\xff\u0130\u0131\u017f\u0300\u03a3\u03c2\u03c3\u0416\u0663\u20ac\
\u212a\u2028\u3000\u4e2d\U0001d7d8\U0001f600"
_RANGE: Final = re.compile(r"RANGE, \(([0-9]+), ([0-9]+)\)")
_TOKEN: Final = re.compile(r"(?s)\\.|\[\^?\]?(?:\\.|[^\\\]])*\]|[*+?][+?]?|\{[0-9]*,?[0-9]*\}[+?]?|\(\?[^()|]?|.")

Node = TypeVar("Node", int, tuple[int, int], tuple[int, int, int])
_Letters = int  # a set of characters: one bit for each of the alphabet
_Ways = Counter[tuple[int, _Letters]]  # a state, the letters that lead there or may follow, and in how many ways


def find_catastrophe(pattern: str) -> str | None:
    """Say why *pattern* can take ``re`` minutes to fail, naming the part at fault; None if it cannot.

    An expression that does not compile is reported too, and one that is too involved to be told about.
    """
    fault = _fault_of(pattern)
    part = _part_at_fault(pattern, fault) if fault in _FAULTS else pattern
    return None if fault is None else f"`{part}` {fault}"


def _fault_of(pattern: str) -> str | None:
    fault: str | None = _COMPLICATED
    for written_out in _WRITTEN_OUT:
        try:
            fault = _Automaton(pattern, written_out).find_fault()
        except re.error as error:
            return f"does not compile: {error}"
        except (_TooComplicated, KeyError, OverflowError, RecursionError):
            continue  # KeyError: the parser of this Python knows a node that the tables here do not
        # Fewer states allow more: only what the mere numbers have made too much can come out better.
        if fault != _TOO_MANY:
            break
    return fault


def _part_at_fault(pattern: str, fault: str) -> str:
    """Give the shortest beginning that has the fault, without what it does not need to have it."""
    if len(_TOKEN.findall(pattern)) > _MOST_TOKENS:
        return pattern
    head = _shortest(itertools.accumulate(_TOKEN.findall(pattern)), fault)
    return _shortest(itertools.accumulate(reversed(_TOKEN.findall(head)), lambda tail, token: token + tail), fault)


def _shortest(texts: Iterable[str], fault: str) -> str:
    expressions = []
    for text in texts:
        with suppress(re.error):
            _parse(text)
            expressions.append(text)
    at = bisect_left(expressions, True, hi=len(expressions) - 1, key=lambda text: _fault_of(text) == fault)
    return expressions[at]


class _TooComplicated(Exception):
    """A limit is reached."""


def _parse(pattern: str) -> tuple[Any, int]:
    """Give the tree of *pattern* as the standard library's parser makes it, and the flags for all of it.

    That parser is no public interface: nothing else here touches it, and a node is known by its name.
    """
    parser: Any = import_module("re._parser")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # re.compile has given them
        tree = parser.parse(pattern)
    return tree, int(tree.state.flags)


def _find_characters(tree: str) -> list[str]:
    """Give characters to stand for all there are: those between which a tree, written out, can make a difference."""
    found = {*map(chr, range(128)), *_FOREIGN}
    for code in map(int, re.findall(r"[0-9]+", tree)):
        if 128 <= code < 0x10FFFF:
            found.update(chr(code - 1) + chr(code + 1) + chr(code) + chr(code).lower() + chr(code).upper())
    for low, high in _RANGE.findall(tree):
        inside = map(chr, range(max(128, int(low)), min(int(high), int(low) + 10_000)))
        found.update({(each.isalnum(), each.isdecimal(), each.isspace()): each for each in inside}.values())
    return sorted(found)


class _Fragment(NamedTuple):
    """A part of the automaton: where it begins, where it ends, and how it is passed over (that state means nothing)."""

    first: _Ways
    last: _Ways
    empty: _Ways


class _Builder:
    """Turns a tree into states and edges. State 0 is the start; states are numbered as they are made."""

    def __init__(self, tree: Any, flags: int, written_out: int) -> None:
        self.edges: list[_Ways] = [_Ways()]
        self._characters = _find_characters(str(tree))
        self._all: _Letters = (2 << len(self._characters)) - 1  # and the end of the text, which no node matches
        self._known: dict[re.Pattern[str], _Letters] = {}
        self._written_out = written_out
        self._groups: dict[int, tuple[Any, int]] = {}
        self._in_reference = False
        self._work = 0
        whole = self._join(self._sequence(tree, flags), self._dead_end())
        self._connect(_Ways({(0, self._all): 1}), whole.first)

    def _nothing(self) -> _Fragment:
        self._connect(_Ways(), _Ways())
        return _Fragment(_Ways(), _Ways(), _Ways({(0, self._all): 1}))

    def _sequence(self, tree: Iterable[tuple[Any, Any]], flags: int) -> _Fragment:
        result = self._nothing()
        for name, value in tree:
            result = self._join(result, self._node(str(name), value, flags))
        return result

    def _node(self, name: str, value: Any, flags: int) -> _Fragment:
        if name in _SPELLINGS:
            return self._state(self._letters(name, value, flags))
        makers: dict[str, Callable[[], _Fragment]] = {
            "AT": self._nothing,
            "FAILURE": self._dead_end,
            "SUBPATTERN": lambda: self._group(value, flags),
            "BRANCH": lambda: self._branch(value[1], flags),
            "ATOMIC_GROUP": lambda: self._atomic(value, flags),
            "MAX_REPEAT": lambda: self._repeat(value, flags),
            "MIN_REPEAT": lambda: self._repeat(value, flags),
            "POSSESSIVE_REPEAT": lambda: self._repeat(value, flags, is_possessive=True),
            "ASSERT": lambda: self._side_path(value, flags),
            "ASSERT_NOT": lambda: self._side_path(value, flags),
            "GROUPREF": lambda: self._reference(value, flags),
            "GROUPREF_EXISTS": lambda: self._branch([value[1], value[2] or []], flags),
        }
        return makers[name]()

    def _letters(self, name: str, value: Any, flags: int) -> _Letters:
        """Give what a node for one character matches, as ``re`` says."""
        unit = re.compile(_SPELLINGS[name](value), flags & (re.ASCII | re.DOTALL | re.IGNORECASE))
        if unit not in self._known:
            self._known[unit] = sum(1 << bit for bit, each in enumerate(self._characters) if unit.match(each))
        return self._known[unit]

    def _state(self, letters: _Letters) -> _Fragment:
        number = len(self.edges)
        self.edges.append(_Ways())
        return _Fragment(_Ways({(number, letters): 1}), _Ways({(number, self._all): 1}), _Ways())

    def _dead_end(self) -> _Fragment:
        """Give a state without successors: getting there is a step, whatever comes next."""
        return _Fragment(self._state(self._all).first, _Ways(), _Ways())

    def _group(self, node: tuple[int | None, int, int, Any], flags: int) -> _Fragment:
        number, added, removed, body = node
        kept = flags & ~re.ASCII if added & re.UNICODE else flags
        flags = (kept | added) & ~removed
        if number is not None:
            self._groups[number] = body, flags
        return self._sequence(body, flags)

    def _branch(self, bodies: list[Any], flags: int) -> _Fragment:
        parts = [self._sequence(body, flags) for body in bodies]
        return _Fragment(*(sum(ways, _Ways()) for ways in zip(*parts, strict=True)))

    def _side_path(self, node: tuple[int, Any], flags: int) -> _Fragment:
        """A lookaround costs what trying it costs, and then the match goes on from where it began."""
        direction, body = node
        # What comes next has no say in what a look-behind reads.
        start = self._state(self._all) if direction < 0 else self._nothing()
        path = self._join(self._join(start, self._sequence(body, flags)), self._dead_end())
        return self._nothing()._replace(first=path.first)

    def _atomic(self, body: Any, flags: int) -> _Fragment:
        # (?>a+) is a++. Of any other atomic group all the ways are counted: too many, never too few.
        if len(body) == 1 and str(body[0][0]) == "MAX_REPEAT":
            return self._repeat(body[0][1], flags, is_possessive=True)
        return self._sequence(body, flags)

    def _reference(self, number: int, flags: int) -> _Fragment:
        """What a group matched once, another copy of it matches too, in at least one way."""
        body, flags_there = self._groups[number]
        outer, self._in_reference = self._in_reference, True
        copy = self._sequence(body, flags_there | flags & re.IGNORECASE)
        self._in_reference = outer
        return copy

    def _repeat(self, node: tuple[int, int, Any], flags: int, is_possessive: bool = False) -> _Fragment:
        low, high, body = node
        state = len(self.edges)
        part = self._sequence(body, flags)
        size = len(self.edges) - state
        is_unit = len(body) == 1 and str(body[0][0]) in _SPELLINGS
        endless = high >= _LONGEST
        most = low if endless else high
        if most > 1 and most * max(size, 1) > self._written_out:
            if part.empty and low > 1:
                raise _TooComplicated
            low, endless = min(low, 1), True
        stop = self._all
        if is_possessive and is_unit and endless == (high >= _LONGEST) and not self._in_reference:
            # Having taken all it can, it goes on before another letter only.
            stop &= ~next(letters for _, letters in part.first)
        copies = itertools.chain([part], (self._sequence(body, flags) for _ in itertools.count()))
        at_least_once = endless and low > 0 and not part.empty
        result = self._nothing()
        for _ in range(low - at_least_once):
            result = self._join(result, next(copies))
        if endless:
            return self._join(result, self._loop(next(copies), at_least_once, stop))
        return self._join(result, self._options(list(itertools.islice(copies, high - low)), stop))

    def _loop(self, part: _Fragment, at_least_once: bool, stop: _Letters) -> _Fragment:
        """``re`` turns once more after an empty turn never, but it does try the empty turn before it goes on."""
        self._connect(part.last, part.first)
        exits = _Ways({(0, stop): 1}) + part.empty
        return _Fragment(part.first, _multiply(part.last, exits), _Ways() if at_least_once else exits)

    def _options(self, parts: list[_Fragment], stop: _Letters) -> _Fragment:
        if not parts:
            return self._nothing()
        exits = _Ways({(0, stop): 1}) + parts[0].empty
        last = parts[-1].last
        for part, following in itertools.pairwise(parts):
            self._connect(part.last, following.first)
            last.update(_multiply(part.last, exits))
        return _Fragment(parts[0].first, last, exits)

    def _join(self, left: _Fragment, right: _Fragment) -> _Fragment:
        self._connect(left.last, right.first)
        first = left.first + _multiply(right.first, left.empty) if left.empty else left.first
        last = right.last + _multiply(left.last, right.empty) if right.empty else right.last
        return _Fragment(first, last, _multiply(left.empty, right.empty))

    def _connect(self, sources: _Ways, targets: _Ways) -> None:
        self._work += 1 + len(sources) * len(targets)
        if self._work > _MOST_WORK:
            raise _TooComplicated
        for (source, before), ways in sources.items():
            for (target, letters), more in targets.items():
                if before & letters:
                    self.edges[source][target, before & letters] += ways * more


def _multiply(ways: _Ways, empty: _Ways) -> _Ways:
    if len(ways) * len(empty) > _MOST_WORK:
        raise _TooComplicated
    result = _Ways()
    for ((state, letters), number), ((_, others), more) in itertools.product(ways.items(), empty.items()):
        if letters & others:
            result[state, letters & others] += number * more
    return result


class _Automaton:
    """The states and edges of an expression, in strongly connected components, and what is wrong with them."""

    def __init__(self, pattern: str, written_out: int) -> None:
        self._edges = _Builder(*_parse(pattern), written_out).edges
        self._components = _find_components([0], lambda state: (target for target, _ in self._edges[state]))
        self._home = {state: home for home, states in enumerate(self._components) for state in states}
        self._inside = {  # the edges that stay in a component
            state: _Ways({edge: ways for edge, ways in self._edges[state].items() if self._home[edge[0]] == home})
            for state, home in self._home.items()
        }
        self._loops = [any(self._inside[state] for state in states) for states in self._components]
        self._certain = [all(_are_disjoint(self._inside[state]) for state in states) for states in self._components]
        self._combinations = 0

    def find_fault(self) -> str | None:
        """Give what is wrong, or None."""
        if any(map(self._is_exponential, range(len(self._components)))):
            return _EXPONENTIAL
        if self._most_steps(_LONGEST) <= _MOST_STEPS:
            return None
        degree = self._degree()
        if degree >= len(_MOST_WAYS):
            return _CUBIC
        return _TOO_MANY if self._most_steps(0) > _MOST_WAYS[degree] else None

    def _most_steps(self, longest: int) -> int:
        """Give what a text of that length costs at most, if at every letter the dearest way out is open.

        For the length 0 it is the number of ways that the choices outside of repetitions make.
        """
        sets = {letters for state in self._home for _, letters in self._edges[state]}
        kinds = {tuple(letters >> bit & 1 for letters in sets): 1 << bit for bit in range(max(sets).bit_length())}
        steps: list[int] = []
        for home, states in enumerate(self._components):  # where one leads to comes before it
            fork = alone = 0
            for state, letter in itertools.product(states, kinds.values()):
                edges = [(self._home[target], n) for (target, on), n in self._edges[state].items() if on & letter]
                out = sum(n * steps[target] for target, n in edges if target != home)
                if any(target == home for target, _ in edges):
                    fork = max(fork, out)
                else:
                    alone = max(alone, out)
            turns = longest if self._loops[home] else 1
            if not self._certain[home]:  # yet not exponential: a text leads to each state in one way at most
                turns, fork = turns * len(states), max(fork, alone)
            steps.append(turns * (1 + fork) + alone if longest else max(1 + fork, alone))
        return steps[self._home[0]]

    def _is_exponential(self, home: int) -> bool:
        """Whether one text leads from a state back to it in two ways: as a pair that parts and meets again."""
        inside, states = self._inside, self._components[home]
        if self._certain[home]:
            return False
        for edges in (inside[state] for state in states):
            doubled = (a for a, b in self._combine(edges, edges) if a < b and a[0] == b[0] and a[1] & b[1])
            if max(edges.values(), default=0) > 1 or any(doubled):
                return True

        def follow(pair: tuple[int, int]) -> Iterator[tuple[int, int]]:
            for (one, letters), (other, others) in self._combine(inside[pair[0]], inside[pair[1]]):
                if letters & others:
                    yield min(one, other), max(one, other)

        pairs = _find_components([(state, state) for state in states], follow)
        return any(len({one == other for one, other in component}) == 2 for component in pairs)

    def _degree(self) -> int:
        """Give how many components there are, at most, of which each can hand over to the next at any time."""
        reach: list[int] = []  # a bit for each component that one leads to, and for itself
        for home, states in enumerate(self._components):
            reach.append(1 << home)
            for target, _ in itertools.chain.from_iterable(self._edges[state] for state in states):
                reach[home] |= reach[self._home[target]]
        chained = self._find_chained(reach)
        degrees = {home: 1 for home in reversed(range(len(reach))) if self._loops[home]}
        for one, other in itertools.combinations(degrees, 2):
            if reach[one] >> other & 1:
                degrees[other] = max(degrees[other], degrees[one] + ((one, other) in chained))
        return max(degrees.values(), default=0)

    def _find_chained(self, reach: list[int]) -> set[tuple[int, int]]:
        """Give the pairs of components with p and q in them that one text leads from p to p, p to q and q to q."""
        home, inside = self._home, self._inside

        def follow(node: tuple[int, int, int]) -> Iterator[tuple[int, int, int]]:
            one, between, other = node
            if between == other:
                yield one, one, other  # the text is read, and may be read again
            for a, b, c in self._combine(inside[one], self._edges[between], inside[other]):
                if a[1] & b[1] & c[1] and reach[home[b[0]]] >> home[other] & 1:
                    yield a[0], b[0], c[0]

        states = [state for state in home if inside[state]]
        ordered = ((p, q) for p, q in self._combine(states, states) if reach[home[p]] >> home[q] & 1)
        starts = [(p, p, q) for p, q in ordered if home[p] != home[q]]
        found = set()
        for component in map(set, _find_components(starts, follow)):
            found |= {(home[p], home[q]) for p, r, q in component if r == q and (p, p, q) in component}
        return found

    def _combine(self, *parts: Collection[Any]) -> Iterator[tuple[Any, ...]]:
        """Give every combination, up to a limit for all calls together."""
        self._combinations += 1 + math.prod(map(len, parts))
        if self._combinations > _MOST_COMBINATIONS:
            raise _TooComplicated
        return itertools.product(*parts)


def _are_disjoint(edges: _Ways) -> bool:
    """Whether no letter allows two ways."""
    return sum(letters * ways for (_, letters), ways in edges.items()) == reduce(or_, (on for _, on in edges), 0)


def _find_components(starts: Iterable[Node], follow: Callable[[Node], Iterator[Node]]) -> list[list[Node]]:
    """Give the strongly connected components of what can be reached; where one leads to comes before it (Gabow)."""
    found: list[list[Node]] = []
    place: dict[Node, float] = {}  # on the stack; infinite once the component is found
    stack: list[Node] = []
    borders = [-1]  # where the components on the stack begin, as far as is known
    trail: list[tuple[Node | None, Iterator[Node]]] = [(None, iter(starts))]
    while trail:
        node, following = trail[-1]
        for other in following:
            if other not in place:
                place[other] = len(stack)
                borders.append(len(stack))
                stack.append(other)
                trail.append((other, follow(other)))
                break
            while borders[-1] > place[other]:
                borders.pop()
        else:
            trail.pop()
            if node is not None and borders[-1] == place[node]:
                found.append(stack[borders[-1] :])
                del stack[borders.pop() :]
                place.update(dict.fromkeys(found[-1], math.inf))
    return found
