"""Path templates: reading ``/users/{id:int}``, and building a URL from it. Pure.

The rules are aiohttp's, so that a template means the same on both routers:

* ``{name}`` is one or more characters except ``{}/``; ``{name:REGEX}`` is what the expression matches, over
  ``/`` where it says so; ``{name:word}`` is a converter of :mod:`webkit.converters`.
* A path is compared decoded, but for ``%2F`` and ``%25``: an encoded slash never separates. yarl calls this form
  ``path_safe``, and the literals of a template are brought into it here.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module
from typing import Any, Final
from urllib.parse import quote

from yarl import URL

from webkit.converters import BY_NAME, Converter
from webkit.errors import NoSuchRoute, RouteError, did_you_mean

__all__ = ["PATH_SAFE", "Parameter", "Template", "mount_prefix", "normalize_literal", "parse"]

_DEFAULT: Final = BY_NAME["str"]
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
#: What RFC 3986 allows in a path beside letters, digits and "_.-~" (which quote() keeps by itself).
#: The percent signs of the compared form are already %25, or the beginning of %2F.
PATH_SAFE: Final = "/%!$&'()*+,;=:@"
# Expressions that surely match no "/": they are tried against one segment. Everything else, however harmless,
# is matched against the rest of the path, which is always right and only a little slower.
_ONE_SEGMENT: Final = re.compile(
    r"""(?:
      \\[dws.\-]                                                       # \d
    | \[ (?: [A-Za-z0-9]-[A-Za-z0-9] | \\[dws.\-] | [A-Za-z0-9_.,~@+] )+ -? \]   # [a-z0-9_]
    | \[\^ [^\[\]\\]* / [^\[\]\\]* \]                                  # [^/]
    | [()|]                                                            # (?:a|b)
    | [*+?] | \{[0-9]*,?[0-9]*\}                                       # {2,3}
    | [A-Za-z0-9_~@:;=!&'%-]
    )*""",
    re.VERBOSE,
)


@dataclass(frozen=True, slots=True)
class Parameter:
    """One ``{...}`` of a template: its name, the expression it must match, the converter named there if any."""

    name: str
    pattern: str
    converter: Converter | None = None

    @property
    def kind(self) -> str:
        """What it takes, for people and for telling two templates apart."""
        if self.converter is None or self.converter is _DEFAULT:
            return self.pattern
        return self.converter.name

    @property
    def is_default(self) -> bool:
        """Whether it is a bare ``{name}``: one segment, not empty, no braces."""
        return self.pattern == _DEFAULT.pattern

    @property
    def in_segment(self) -> bool:
        """Whether it surely stays within one segment."""
        return self.is_default or _ONE_SEGMENT.fullmatch(self.pattern) is not None

    @property
    def regex(self) -> str:
        """The expression as a named group."""
        return f"(?P<{self.name}>{self.pattern})"


Part = str | Parameter


@dataclass(frozen=True, slots=True)
class Template:
    """A path template, read: literal texts (as ``path_safe``) and parameters in turn."""

    path: str
    parts: tuple[Part, ...]

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """The parameters, from left to right."""
        return tuple(part for part in self.parts if isinstance(part, Parameter))

    @property
    def shape(self) -> str:
        """The template without the names of its parameters: what two routes conflict by."""
        return "".join(part if isinstance(part, str) else f"{{:{part.kind}}}" for part in self.parts)

    @property
    def literal_depth(self) -> int:
        """How many whole segments stand before the first parameter; the deeper route is asked first."""
        head = self.parts[0] if self.parts and isinstance(self.parts[0], str) else ""
        if len(self.parts) > 1:
            head = head.rpartition("/")[0]
        return head.rstrip("/").count("/")

    @property
    def regex(self) -> str:
        """The whole template as an expression with named groups."""
        return "".join(re.escape(part) if isinstance(part, str) else part.regex for part in self.parts)

    def segments(self) -> list[list[Part]]:
        """Split at the slashes of the literals; the part before the leading slash is left out."""
        result: list[list[Part]] = [[]]
        for part in self.parts:
            if isinstance(part, Parameter):
                result[-1].append(part)
                continue
            first, *others = part.split("/")
            if first:
                result[-1].append(first)
            result.extend([text] if text else [] for text in others)
        return result[1:]

    def build(self, values: Mapping[str, Any]) -> str:
        """Give the percent-encoded path with *values* in the place of the parameters.

        Raises:
            NoSuchRoute: a parameter is missing, or one is given that the path does not have.
            RouteError: a value does not fit its parameter, so the URL would not lead back here.
        """
        self._check_names(values)
        texts = {parameter.name: self._text_of(parameter, values[parameter.name]) for parameter in self.parameters}
        path = "".join(part if isinstance(part, str) else texts[part.name] for part in self.parts)
        self._check_way_back(path, texts)
        try:
            return quote(path, safe=PATH_SAFE)
        except UnicodeEncodeError as error:
            raise RouteError(f"{path!r} is no text that UTF-8 can hold.") from error

    def _check_names(self, values: Mapping[str, Any]) -> None:
        names = [parameter.name for parameter in self.parameters]
        unknown = [name for name in values if name not in names]
        if unknown:
            hint = did_you_mean(unknown[0], names) or f" It has {', '.join(names) or 'none'}."
            raise NoSuchRoute(f"The path {self.path!r} has no parameter {unknown[0]!r}.{hint}")
        missing = [name for name in names if name not in values]
        if missing:
            raise NoSuchRoute(f"The path {self.path!r} needs a value for {', '.join(map(repr, missing))}.")

    def _text_of(self, parameter: Parameter, value: Any) -> str:
        """Give the text of one value, as ``path_safe``."""
        text = (parameter.converter or _DEFAULT).encode(value)
        safe_form = (text or "").replace("%", "%25")
        if parameter.in_segment:
            safe_form = safe_form.replace("/", "%2F")
        if text is None or re.fullmatch(parameter.pattern, safe_form) is None:
            raise RouteError(f"{value!r} does not fit {{{parameter.name}:{parameter.kind}}} in the path {self.path!r}.")
        return safe_form

    def _check_way_back(self, path: str, texts: Mapping[str, str]) -> None:
        if not {".", ".."}.isdisjoint(path.split("/")):
            raise RouteError(f"{path!r} has a '.' or '..' segment, which every browser resolves before it asks.")
        # One parameter alone has nobody to lose a part of its text to.
        if len(texts) > 1:
            match = re.fullmatch(self.regex, path)
            read = {name: match[name] for name in texts} if match else {}
            if read != texts:
                found = ", ".join(f"{name}={text!r}" for name, text in read.items()) or "nothing of the kind"
                raise RouteError(f"{path!r} would be read as {found} by the path {self.path!r}.")


def parse(path: str) -> Template:
    """Read the template *path*.

    Raises:
        RouteError: the path does not start with ``/``, its braces do not match, a name is no identifier or given
            twice, an expression does not compile, may take for ever, or is in another's way, or a bare word after
            the colon names no converter.
    """
    if path and not path.startswith("/"):
        raise RouteError(f"A path starts with '/': write {'/' + path!r} instead of {path!r}.")
    parts: list[Part] = []
    for text, is_parameter in _split(path):
        parts.append(_read_parameter(text, path) if is_parameter else normalize_literal(text))
    template = Template(path, tuple(parts))
    names = [parameter.name for parameter in template.parameters]
    for name in names:
        if names.count(name) > 1:
            raise RouteError(f"The path {path!r} has two parameters named {name!r}; give each its own name.")
    try:
        re.compile(template.regex)
    except re.error as error:
        raise RouteError(f"The expressions of the path {path!r} do not go together: {error}.") from None
    _refuse_catastrophes(template)
    return template


def normalize_literal(text: str) -> str:
    """Bring literal text, percent-encoded or not, into the form that request paths are compared in."""
    return URL.build(path=text, encoded=True).path_safe if "%" in text else text


def mount_prefix(path: str) -> str:
    """Give the prefix of what is mounted at *path*: nothing for ``/``, and no slash at its end.

    Raises:
        RouteError: it is no literal path.
    """
    if not path.startswith("/"):
        raise RouteError(f"A path starts with '/': write {'/' + path!r} instead of {path!r}.")
    if "{" in path or "}" in path:
        raise RouteError(f"{path!r} has a parameter; things are mounted at literal paths only.")
    return normalize_literal(path.rstrip("/"))


def _split(path: str) -> list[tuple[str, bool]]:
    """Cut at the outermost braces: pairs of (text, whether it stood in braces)."""
    pieces: list[tuple[str, bool]] = []
    depth = start = 0
    for position, character in enumerate(path):
        if character == "{":
            if depth == 0:
                pieces.append((path[start:position], False))
                start = position + 1
            depth += 1
        elif character == "}":
            depth -= 1
            if depth == 0:
                pieces.append((path[start:position], True))
                start = position + 1
        if depth < 0:
            break
    if depth != 0:
        raise RouteError(f"The braces of the path {path!r} do not match; a parameter is written {{name}}.")
    pieces.append((path[start:], False))
    return [(text, is_parameter) for text, is_parameter in pieces if text or is_parameter]


def _refuse_catastrophes(template: Template) -> None:
    """Refuse an expression that a client could keep busy for minutes with one path.

    An expression that stays in its segment is matched with its segment, the others with all that follows.
    """
    parameters = template.parameters
    patterns = [parameter.pattern for parameter in parameters if not parameter.is_default and not parameter.converter]
    # Bare parameters alone are taken apart without an expression.
    crowded = (s for s in template.segments() if sum(isinstance(p, Parameter) for p in s) > 1 and not _is_bare(s))
    patterns += [_nameless(segment) for segment in crowded]
    if len(parameters) > 1 and not all(parameter.in_segment for parameter in parameters):
        patterns.append(_nameless(template.parts))
    for pattern in patterns:
        fault = _find_catastrophe(pattern)
        if fault is not None:
            raise RouteError(
                f"An expression of the path {template.path!r} may take for ever to fail: {fault}. Write one in which "
                "each text can match in one way only."
            )


def _is_bare(segment: Iterable[Part]) -> bool:
    return all("{" not in part and "}" not in part if isinstance(part, str) else part.is_default for part in segment)


def _nameless(parts: Iterable[Part]) -> str:
    return "".join(re.escape(part) if isinstance(part, str) else f"(?:{part.pattern})" for part in parts)


def _read_parameter(text: str, path: str) -> Parameter:
    name, colon, pattern = text.partition(":")
    if not _NAME.fullmatch(name) or (colon and not pattern):
        raise RouteError(f"{{{text}}} in the path {path!r} is no parameter; write {{name}} or {{name:int}}.")
    if not colon:
        return Parameter(name, _DEFAULT.pattern)
    if pattern in BY_NAME:
        return Parameter(name, BY_NAME[pattern].pattern, BY_NAME[pattern])
    if _NAME.fullmatch(pattern):
        hint = did_you_mean(pattern, BY_NAME) or f" There are {', '.join(BY_NAME)}."
        raise RouteError(f"{pattern!r} in the path {path!r} is no converter.{hint} For a literal write (?:{pattern}).")
    try:
        re.compile(f"(?P<{name}>{pattern})")
        re.compile(pattern)
    except re.error as error:
        raise RouteError(f"The expression {pattern!r} in the path {path!r} does not compile: {error}.") from None
    return Parameter(name, pattern)


@lru_cache(maxsize=1024)  # the templates of one application have the same few
def _find_catastrophe(pattern: str) -> str | None:
    # By its name: who has no expressions in paths does not load what judges them.
    found: str | None = import_module("webkit.backtracking").find_catastrophe(pattern)
    return found
