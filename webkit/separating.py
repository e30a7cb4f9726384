"""Segments such as ``{year}-{month}-{day}-{slug}``, taken apart without an expression. Pure.

The expression for four bare parameters may backtrack with the cube of the text's length. What it would find can be
found directly: it is greedy, so the first parameter gets as much as the others leave, and every separator stands as
far to the right as it can. From the right to the left that is one search for each.
"""

from collections.abc import Callable, Sequence

from webkit.paths import Parameter, Part

__all__ = ["make_separator"]

Separator = Callable[[str], tuple[str, ...] | None]


def make_separator(segment: Sequence[Part]) -> Separator | None:
    """Give a function that takes apart what *segment* matches, or ``None`` where it needs an expression."""
    if any(isinstance(part, Parameter) and not part.is_default for part in segment):
        return None
    literals = _literals_between(segment)
    if any("{" in text or "}" in text for text in literals):
        return None  # a bare parameter takes no braces, and here the segment has some
    head, *middle, tail = literals
    separators = tuple(reversed(middle))

    def separate(text: str) -> tuple[str, ...] | None:
        if "{" in text or "}" in text or not text.startswith(head) or not text.endswith(tail):
            return None
        rest, end = text, len(text) - len(tail)
        found: list[str] = []
        for separator in separators:
            # One character at least is left to the parameter behind it. (A negative end would count from the end.)
            start = rest.rfind(separator, len(head), max(end - 1, 0))
            if start < 0:
                return None
            found.append(rest[start + len(separator) : end])
            end = start
        if end <= len(head):
            return None
        return (rest[len(head) : end], *reversed(found))

    return separate


def _literals_between(segment: Sequence[Part]) -> list[str]:
    """Give the text before the first parameter, between them, and after the last; empty where there is none."""
    literals = [""]
    for part in segment:
        if isinstance(part, str):
            literals[-1] += part
        else:
            literals.append("")
    return literals
