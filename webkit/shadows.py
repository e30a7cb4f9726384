"""Routes that another always shadows: found by asking the table for examples of their paths.

Two expressions cannot be compared in general, so this is a lint: it reports a route when every example of its path is
answered by another one, and says nothing where it can make no example.
"""

import re
from collections.abc import Iterable, Iterator
from typing import Final

from webkit.paths import Parameter, Template
from webkit.resources import TableRoute
from webkit.routing import RouteTable

__all__ = ["find_shadowed"]

# Texts of many kinds; a parameter takes those that its expression matches.
_TEXTS: Final = (
    *("", "a", "x-9", "1", "42", "-7", "1.5", "abc", "Z_z", "2024", "2024-02-29", "0000", "a.b", "en", "é", "a/b"),
    *("a/b/c.d", "00000000-0000-4000-8000-000000000000", "deadbeef", "a@b", "~", "A1", "zz", "de", "q", "xyz"),
    *("7", "99", "123", "-123.25", "1999-12-31", "hello-world", "v2", "Zoo", "ABC", "10000000000", "f" * 40),
    *("ffffffff-ffff-4fff-bfff-ffffffffffff", "under_score", "{", "x y", "wxyz", "/"),
)
# One alone may happen to be the one that the other route is made for.
_FEWEST: Final = 2
# A method that nobody has a route for, so that only a wildcard answers it.
_ANY: Final = "WEBKIT-ANY"


def find_shadowed(table: RouteTable) -> Iterator[tuple[TableRoute, TableRoute]]:
    """Give pairs of (a route that is never reached, the route that answers first)."""
    for resource in table.resources:
        examples = list(_examples_of(resource.path_template))
        for route in resource.table_routes:
            if route.implied or not examples:
                continue
            method = _ANY if route.method == "*" else route.method
            answering = [_answering(table, method, path) for path in examples]
            others = [other for other in answering if other is not None]
            if others and route not in answering:
                yield route, others[0]


def _answering(table: RouteTable, method: str, path: str) -> TableRoute | None:
    match, _ = table.find(method, path)
    return match.route if match is not None and isinstance(match.route, TableRoute) else None


def _examples_of(template: Template) -> Iterator[str]:
    """Make paths that *template* matches, in the form that paths are compared in."""
    choices = {parameter.name: list(_texts_for(parameter)) for parameter in template.parameters}
    if not choices:
        yield "".join(map(str, template.parts)) or "/"
        return
    if any(len(texts) < _FEWEST for texts in choices.values()):
        return
    whole = re.compile(template.regex)
    for number in range(len(_TEXTS)):
        # Another stride for each parameter, so that they do not go hand in hand.
        texts = {
            name: known[number * (2 * index + 1) % len(known)] for index, (name, known) in enumerate(choices.items())
        }
        path = "".join(part if isinstance(part, str) else texts[part.name] for part in template.parts)
        if whole.fullmatch(path):
            yield path


def _texts_for(parameter: Parameter) -> Iterable[str]:
    matches = re.compile(parameter.pattern).fullmatch
    converter = parameter.converter
    return (text for text in _TEXTS if matches(text) and (converter is None or converter.convert(text) is not None))
