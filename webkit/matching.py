"""Finding a route: a tree over the segments of a path. Pure: no request, no I/O.

The order is aiohttp's: the longest literal prefix wins, then registration. A path match without the method goes
on to the next candidate and only adds to the allowed methods; so does a value that its converter refuses, and that
one adds nothing. Three kinds of templates meet here:

* without parameters: one dictionary look-up. What else would match that very path is found at freeze.
* parameters that stay within a segment: one tree level per segment. A literal is a dictionary look-up, so the cost
  does not grow with the number of routes; expressions at the same place are tried one after another.
* parameters that may hold ``/``: a regular expression over the rest of the path, at the level where they begin. One
  that takes all of the rest, as a mounted folder or service has it, is one dictionary look-up too, where nothing else
  with a parameter can begin like it.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Generic, NamedTuple, TypeVar

from webkit.paths import Parameter, Part, Template
from webkit.separating import Separator, make_separator

__all__ = ["Leaf", "Matcher", "Rest"]

T = TypeVar("T")
Values = dict[str, str]
# Expressions that take any rest of a path, and how long one has to be.
_REST_OF_PATH: Final = {"(?s:.*)": 0, "(?s:.+)": 1}

_Fullmatch = Callable[[str], "re.Match[str] | None"]


@dataclass(frozen=True, slots=True)
class _Entry(Generic[T]):
    """A template's place in the order, what it stands for, and the names of its parameters."""

    rank: tuple[int, int]
    target: T
    names: tuple[str, ...]

    def name(self, texts: Sequence[str]) -> Values:
        """Give *texts* by the names of the parameters."""
        names = self.names
        # PERF: most have one, for which this takes a third of the time.
        return {names[0]: texts[0]} if len(texts) == 1 else dict(zip(names, texts, strict=True))


class Rest(NamedTuple, Generic[T]):
    """A template that takes all of the rest: the text before it, the least length of a path, and its parameter."""

    prefix: str
    least: int
    name: str
    target: T


class Leaf(NamedTuple, Generic[T]):
    """Templates that differ from a literal path in their last segment only, which is a parameter."""

    test: _Fullmatch
    #: Segments that lead elsewhere, or nowhere, as well.
    others: "Mapping[str, _Node[T]]"
    entries: Sequence[_Entry[T]]


@dataclass(slots=True)
class _Node(Generic[T]):
    """One level of the tree: how the next segment may continue."""

    literals: dict[str, "_Node[T]"] = field(default_factory=dict)
    parameters: list["_Way[T]"] = field(default_factory=list)
    #: The one of *parameters*, where it is alone and takes whole segments; where there are others, it takes nothing.
    test: _Fullmatch | None = None
    following: "_Node[T] | None" = None
    tails: list[tuple[_Fullmatch, _Entry[T]]] = field(default_factory=list)
    ends: list[_Entry[T]] = field(default_factory=list)


class _Way(NamedTuple, Generic[T]):
    """What takes a segment with parameters apart, known by *pattern*, and where it goes on."""

    pattern: str
    separate: Separator
    child: _Node[T]


class Matcher(Generic[T]):
    """All templates of a table; ``candidates(path)`` gives what matches, best first."""

    def __init__(self, templates: Iterable[tuple[Template, T]]) -> None:
        self._root: _Node[T] = _Node()
        literal: list[tuple[str, _Entry[T]]] = []
        dynamic: list[tuple[Template, _Entry[T]]] = []
        for order, (template, target) in enumerate(templates):
            names = tuple(parameter.name for parameter in template.parameters)
            entry = _Entry((-template.literal_depth, order), target, names)
            if names:
                self._add(template, entry)
                dynamic.append((template, entry))
            else:
                literal.append(("".join(map(str, template.parts)), entry))
        self._literal = self._resolve_literals(literal)
        #: What takes all of the rest, by the first segment; a path without parameters comes before.
        self.rests = _find_rests(dynamic)
        #: The one that takes everything, where nothing else has a parameter: an application that is one service.
        self.only_rest = _as_rest(*dynamic[0]) if len(dynamic) == 1 else None

        #: What has one parameter, as its last segment, by the path before that; a path without parameters comes before.
        self.leaves = dict(_find_leaves(self._root, "/"))

    @property
    def literals(self) -> Iterable[str]:
        """The paths of the templates without parameters."""
        return self._literal

    def sole(self, path: str) -> tuple[Sequence[_Entry[T]], list[str]]:
        """Give what *path* leads to, where no other way could have been taken; nothing where ``candidates`` must tell.

        That is entries, best first, and the texts of their parameters.
        """
        # PERF: nearly every path with parameters is found here, in half the time.
        node = self._root
        texts: list[str] = []
        if path in self._literal:
            return (), texts
        for segment in path[1:].split("/"):
            child = node.literals.get(segment)
            if (test := node.test) is not None:
                if child is not None or test(segment) is None:
                    return (), texts
                texts.append(segment)
                child = node.following
            if child is None:
                return (), texts
            node = child
        return () if node.tails else node.ends, texts

    def candidates(self, path: str) -> list[tuple[T, Values]]:
        """Give everything whose template matches *path* (as ``path_safe``), with its values, still encoded.

        The values are fresh dictionaries: they belong to the caller.
        """
        found = self._literal.get(path)
        if found is not None:
            return [(target, dict(values)) for target, values in found]
        return _ordered(self._walk(path))

    def _resolve_literals(self, literal: list[tuple[str, _Entry[T]]]) -> dict[str, list[tuple[T, Values]]]:
        """Merge, for each path without parameters, the templates with parameters that match it too."""
        merged: dict[str, list[tuple[_Entry[T], Values]]] = {}
        for path, entry in literal:
            merged.setdefault(path, []).append((entry, {}))
        return {path: _ordered([*entries, *self._walk(path)]) for path, entries in merged.items()}

    def _walk(self, path: str) -> list[tuple[_Entry[T], Values]]:
        """Follow every branch that *path* allows. Bounded by the number of nodes, however long the path is."""
        found: list[tuple[_Entry[T], Values]] = []
        if path[:1] != "/":
            return found
        segments = path.split("/")
        end = len(segments)
        pending: list[tuple[_Node[T], int, tuple[str, ...]]] = [(self._root, 1, ())]
        while pending:
            node, position, texts = pending.pop()
            if node.tails:
                _follow_tails(node, segments[position:], texts, found)
            if position == end:
                found += [(entry, entry.name(texts)) for entry in node.ends]
                continue
            segment = segments[position]
            position += 1
            if (literal := node.literals.get(segment)) is not None:
                pending.append((literal, position, texts))
            for way in node.parameters:
                if (values := way.separate(segment)) is not None:
                    pending.append((way.child, position, texts + values))  # noqa: PERF401 - it is slower
        return found

    def _add(self, template: Template, entry: _Entry[T]) -> None:
        """Put a template with parameters into the tree."""
        segments = template.segments()
        node = self._root
        # A numbered back-reference counts the groups before it: only the whole expression is right.
        whole = any(re.search(r"\\[1-9]", parameter.pattern) for parameter in template.parameters)
        for index, segment in enumerate(segments):
            if whole or not all(isinstance(part, str) or part.in_segment for part in segment):
                rest = "".join("/" + _named_regex(later) for later in segments[index:])
                node.tails.append((re.compile(rest).fullmatch, entry))
                node.test = _take_nothing
                return
            node = _descend(node, segment)
        node.ends.append(entry)


def _find_leaves(node: _Node[T], path: str) -> Iterator[tuple[str, Leaf[T]]]:
    """Give the leaves below *node*, to which *path* leads, and no other way with parameters on it."""
    if not node.parameters and not node.tails:
        for segment, child in node.literals.items():
            yield from _find_leaves(child, f"{path}{segment}/")
    elif node.following is not None and node.test is not None and not node.following.tails:
        yield path, Leaf(node.test, node.literals, node.following.ends)


def _find_rests(dynamic: list[tuple[Template, _Entry[T]]]) -> dict[str, Rest[T]]:
    """Give, by the first segment, the templates that take all of the rest, and that no other one can begin like."""
    firsts = [_first_segment(template) for template, _ in dynamic]
    found: dict[str, Rest[T]] = {}
    for (template, entry), first in zip(dynamic, firsts, strict=True):
        rest = _as_rest(template, entry)
        if first is not None and rest is not None and None not in firsts and firsts.count(first) == 1:
            found[first] = rest
    return found


def _as_rest(template: Template, entry: _Entry[T]) -> Rest[T] | None:
    """Give *template* as one that takes all of the rest, ``None`` where it is no such."""
    prefix, *parameters = template.parts
    if not isinstance(prefix, str) or not prefix.endswith("/") or len(parameters) != 1:
        return None
    (parameter,) = parameters
    if not isinstance(parameter, Parameter) or parameter.pattern not in _REST_OF_PATH:
        return None
    return Rest(prefix, len(prefix) + _REST_OF_PATH[parameter.pattern], parameter.name, entry.target)


def _first_segment(template: Template) -> str | None:
    """Give the first segment, ``None`` where a parameter is in it."""
    head = template.parts[0]
    first, slash, _ = head[1:].partition("/") if isinstance(head, str) else ("", "", "")
    return first if slash else None


def _ordered(found: list[tuple[_Entry[T], Values]]) -> list[tuple[T, Values]]:
    found.sort(key=lambda item: item[0].rank)
    return [(entry.target, values) for entry, values in found]


def _follow_tails(
    node: _Node[T], segments: list[str], texts: tuple[str, ...], found: list[tuple[_Entry[T], Values]]
) -> None:
    """Add the templates of *node* whose expression matches all that is left of the path."""
    rest = "/" + "/".join(segments) if segments else ""
    for fullmatch, entry in node.tails:
        if (match := fullmatch(rest)) is not None:
            found.append((entry, dict(zip(entry.names, texts, strict=False)) | match.groupdict()))


def _descend(node: _Node[T], segment: list[Part]) -> _Node[T]:
    """Give the child of *node* for one segment of a template, made where it is missing."""
    if not any(isinstance(part, Parameter) for part in segment):
        return node.literals.setdefault("".join(map(str, segment)), _Node())
    pattern, count = _numbered_regex(segment)
    for way in node.parameters:
        if way.pattern == pattern:
            return way.child
    way = _Way(pattern, make_separator(segment) or _by_expression(pattern, count), _Node())
    node.parameters.append(way)
    is_alone = len(segment) == 1 and node.test is None
    node.test, node.following = (re.compile(pattern).fullmatch, way.child) if is_alone else (_take_nothing, None)
    return way.child


def _take_nothing(text: str) -> None:
    """Take no segment."""


def _by_expression(pattern: str, count: int) -> Separator:
    fullmatch = re.compile(pattern).fullmatch
    names = [f"_{number}" for number in range(count)]

    def separate(text: str) -> tuple[str, ...] | None:
        match = fullmatch(text)
        return None if match is None else tuple(match[name] for name in names)

    return separate


def _numbered_regex(segment: list[Part]) -> tuple[str, int]:
    """Templates that differ in the names of their parameters only share a branch: the groups get numbers."""
    pattern, count = "", 0
    for part in segment:
        if isinstance(part, str):
            pattern += re.escape(part)
        else:
            pattern += f"(?P<_{count}>{part.pattern})"
            count += 1
    return pattern, count


def _named_regex(segment: list[Part]) -> str:
    return "".join(re.escape(part) if isinstance(part, str) else part.regex for part in segment)
