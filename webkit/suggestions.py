"""Suggestions: the routes that nearly matched a path, and why each of them did not. Pure."""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Final

from webkit.errors import RouteError
from webkit.paths import Parameter, Part, Template, parse

__all__ = ["NearRoute", "RouteLine", "near_routes"]

# Below these two paths, or two segments, have nothing to do with each other.
_LEAST_CLOSENESS: Final = 0.6
_LEAST_ALIKE: Final = 0.5
# Comparing letter by letter takes the square of the length: it is done for the few that have most letters in common.
_COMPARED_LENGTH: Final = 200
_COMPARED_ROUTES: Final = 50
_FITS: Final = "the path fits"

#: What may be shown of the value of a parameter, given its name.
Show = Callable[[str, str], str]


@dataclass(frozen=True, slots=True)
class RouteLine:
    """A route, as a list of routes shows it; *template* holds the prefixes of mounted applications."""

    methods: tuple[str, ...]
    template: str
    name: str | None = None
    handler: str = ""


@dataclass(frozen=True, slots=True)
class NearRoute:
    """A route that nearly matched. *closeness* is 1 for all but the method, 0 for nothing in common."""

    route: RouteLine
    reason: str
    closeness: float


def near_routes(
    method: str,
    path: str,
    routes: Iterable[RouteLine],
    *,
    matched: bool = False,
    most: int = 8,
    show: Show = lambda name, value: value,
) -> list[NearRoute]:
    """Give at most *most* of *routes*, the closest to *method* and *path* (as ``path_safe``) first.

    *matched* says that another route than these has answered.
    """
    found: list[tuple[RouteLine, float, str]] = []
    others: list[tuple[RouteLine, Template | None]] = []
    for route in routes:
        template = _read(route.template)
        exact = next(_exact_reasons(path, template, show), None) if template is not None else None
        if exact is None:
            others.append((route, template))
        else:
            found.append((route, *exact))
    found += _similar(path, others)
    near = [_with_method(method, route, closeness, reason, matched) for route, closeness, reason in found]
    return sorted(near, key=lambda one: -one.closeness)[:most]


def _with_method(method: str, route: RouteLine, closeness: float, reason: str, matched: bool) -> NearRoute:
    fits = reason.startswith(_FITS)
    if {method, "*"}.isdisjoint(route.methods):
        other = f"another method: {', '.join(route.methods)}"
        return NearRoute(route, other, closeness) if fits else NearRoute(route, f"{reason}; {other}", 0.8 * closeness)
    return NearRoute(route, f"{_FITS} too, but is asked later" if fits and matched else reason, closeness)


def _read(path: str) -> Template | None:
    try:
        return parse(path or "/")
    except RouteError:
        return None  # aiohttp's own routes know other expressions


def _exact_reasons(path: str, template: Template, show: Show) -> Iterator[tuple[float, str]]:
    """Give (closeness, reason) for each single thing that, if it were different, would make *template* match."""
    if _fits(template, path):
        if template.parameters:
            yield 1.0, f"{_FITS}, but {_refusal(template.parameters, _texts(template, path), show)}"
        else:
            yield 1.0, f"{_FITS}, but something mounted or added before it was asked first"
    slashed = path.rstrip("/") or "/" if path.endswith("/") else f"{path}/"
    if _fits(template, slashed):
        yield 0.98, f"trailing slash: {'the route has one' if slashed.endswith('/') else 'the route has none'}"
    if _fits(template, re.sub("//+", "/", path)):
        yield 0.97, "a doubled slash"
    if _fits(template, path, re.IGNORECASE):
        yield 0.96, "upper and lower case"
    refused = list(_refusing_segments(template, path))
    if refused:
        reason = ", ".join(_refusal(parameters, [text], show) for text, parameters in refused)
        yield 0.95, reason


def _fits(template: Template, path: str, flags: int = 0) -> bool:
    if all(parameter.in_segment for parameter in template.parameters):
        # Compiling the expression of a whole template, for each of many, would take most of the time.
        segments, texts = template.segments(), path.split("/")[1:]
        pairs = zip(segments, texts, strict=False)
        return len(segments) == len(texts) and all(_takes(segment, text, flags) for segment, text in pairs)
    return re.fullmatch(template.regex, path, flags) is not None


def _takes(segment: list[Part], text: str, flags: int = 0) -> bool:
    if any(isinstance(part, Parameter) for part in segment):
        regex = "".join(re.escape(part) if isinstance(part, str) else f"(?:{part.pattern})" for part in segment)
        return re.fullmatch(regex, text, flags) is not None
    literal = "".join(map(str, segment))
    return literal.casefold() == text.casefold() if flags else literal == text


def _texts(template: Template, path: str) -> list[str]:
    match = re.fullmatch(template.regex, path)
    return [match[parameter.name] for parameter in template.parameters] if match else []


def _refusing_segments(template: Template, path: str) -> Iterator[tuple[str, list[Parameter]]]:
    """Give (text, parameters) for each segment whose parameters are all that keep *template* from *path*."""
    segments, texts = template.segments(), path.split("/")[1:]
    if len(segments) != len(texts):
        return
    refused = [(segment, text) for segment, text in zip(segments, texts, strict=True) if not _takes(segment, text)]
    with_parameters = [(text, [part for part in segment if isinstance(part, Parameter)]) for segment, text in refused]
    if all(parameters for _, parameters in with_parameters):
        yield from with_parameters


def _refusal(parameters: Sequence[Parameter], texts: Sequence[str], show: Show) -> str:
    names = ", ".join(f"`{_write(parameter)}`" for parameter in parameters)
    # Several parameters in one segment: it is secret if any of them is.
    name = " ".join(parameter.name for parameter in parameters)
    return f"{names} did not take {', '.join(repr(show(name, text)) for text in texts)}"


def _write(parameter: Parameter) -> str:
    if parameter.converter is not None:
        return f"{{{parameter.name}:{parameter.converter.name}}}"
    return f"{{{parameter.name}}}" if parameter.is_default else f"{{{parameter.name}:{parameter.pattern}}}"


def _similar(path: str, routes: Iterable[tuple[RouteLine, Template | None]]) -> Iterator[tuple[RouteLine, float, str]]:
    """Give (route, closeness, reason) for those that are written alike."""
    matcher = SequenceMatcher(autojunk=False)
    matcher.set_seq2(path[:_COMPARED_LENGTH].casefold())
    likely: list[tuple[float, str, RouteLine, Template | None]] = []
    for route, template in routes:
        # Parameters are filled in with what stands in their place.
        text = (route.template if template is None else _fill_in(template, path))[:_COMPARED_LENGTH].casefold()
        matcher.set_seq1(text)
        if matcher.real_quick_ratio() >= _LEAST_CLOSENESS and (ratio := matcher.quick_ratio()) >= _LEAST_CLOSENESS:
            likely.append((ratio, text, route, template))
    likely.sort(key=lambda one: -one[0])
    for _, text, route, template in likely[:_COMPARED_ROUTES]:
        matcher.set_seq1(text)
        ratio = matcher.ratio()
        if ratio >= _LEAST_CLOSENESS and _literals_are_alike(path, template):
            yield route, 0.9 * ratio, _difference(path, template)


def _literals_are_alike(path: str, template: Template | None) -> bool:
    """Whether what is written out in *template* is like *path*: its parameters are like everything."""
    literals = [pair for pair in _differences(path, template) if pair[0] and "{" not in pair[0]]
    return all(SequenceMatcher(None, *pair).quick_ratio() >= _LEAST_ALIKE for pair in literals)


def _fill_in(template: Template, path: str) -> str:
    texts = path.split("/")[1:]
    return "".join(
        "/" + (texts[index] if index < len(texts) and _takes(segment, texts[index]) else _text_of(segment))
        for index, segment in enumerate(template.segments())
    )


def _differences(path: str, template: Template | None) -> list[tuple[str, str]]:
    """Give (what the template has, what the path has) for each segment that differs; nothing where one is longer."""
    segments, texts = template.segments() if template is not None else [], path.split("/")[1:]
    if len(segments) != len(texts):
        return []
    pairs = zip(segments, texts, strict=True)
    return [(_text_of(segment), text[:_COMPARED_LENGTH]) for segment, text in pairs if not _takes(segment, text)]


def _difference(path: str, template: Template | None) -> str:
    """Say in which single segment a similar path differs."""
    differences = _differences(path, template)
    if len(differences) == 1 and all(differences[0]):
        return "similar: {!r} instead of {!r}".format(*differences[0])
    return "similar"


def _text_of(segment: list[Part]) -> str:
    return "".join(part if isinstance(part, str) else _write(part) for part in segment)
