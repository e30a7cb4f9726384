"""Converters: what ``{id:int}`` in a path matches, what the handler gets, and what a URL is built from.

A converter decides on the text of one path parameter. ``decode`` gives the value, or ``None`` for "no match":
the next route is tried, then 404. ``encode`` gives the text for a URL, or ``None`` for a value it does not take.
Both are pure. All patterns are ASCII: ``\\d`` would take Arabic digits, which nobody's database expects.
"""

import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date, datetime
from types import MappingProxyType
from typing import Any, Final
from uuid import UUID

from webkit.errors import ConfigError

__all__ = ["BY_NAME", "BY_TYPE", "Converter", "register"]


@dataclass(frozen=True, slots=True)
class Converter:
    """One kind of path parameter.

    *pattern* is a regular expression without capturing groups, matched against the whole still-quoted text.
    *spans* is true when the text may hold ``/``.
    """

    name: str
    type: Any
    pattern: str
    decode: Callable[[str], Any]
    encode: Callable[[Any], str | None]
    spans: bool = False
    matches: Callable[[str], object] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "matches", re.compile(self.pattern).fullmatch)

    def convert(self, text: str) -> Any:
        """Give the value of *text*, or ``None`` when *text* is no such value."""
        return self.decode(text) if self.matches(text) else None


def _encode_int(value: Any) -> str | None:
    # A bool is an int to Python, and never what somebody means by /users/True.
    if isinstance(value, bool) or not isinstance(value, int | str):
        return None
    text = str(value)
    return text if _INT.matches(text) else None


def _encode_uuid(value: Any) -> str | None:
    text = str(value) if isinstance(value, UUID | str) else ""
    return text if _UUID.matches(text) else None


def _encode_text(value: Any) -> str | None:
    """Take text and plain numbers; anything else is more likely a mistake than a path."""
    if isinstance(value, str):
        return str(value)
    if isinstance(value, int | float | UUID) and not isinstance(value, bool):
        return str(value)
    return None


def _encode_float(value: Any) -> str | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    text = str(value)
    return text if _FLOAT.matches(text) else None


def _encode_slug(value: Any) -> str | None:
    return str(value) if isinstance(value, str) and _SLUG.matches(value) else None


def _decode_date(text: str) -> date | None:
    with suppress(ValueError):
        return date.fromisoformat(text)
    return None


def _encode_date(value: Any) -> str | None:
    if isinstance(value, date) and not isinstance(value, datetime):
        return value.isoformat()
    return str(value) if isinstance(value, str) and _DATE.convert(value) is not None else None


# 18 digits fit every 64-bit column, and keep int() away from quadratic work.
_INT: Final = Converter("int", int, r"-?[0-9]{1,18}", int, _encode_int)
_UUID: Final = Converter("uuid", UUID, r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}", UUID, _encode_uuid)
# The default of a bare {name}, as in aiohttp: one segment, not empty, no braces.
_STR: Final = Converter("str", str, r"[^{}/]+", str, _encode_text)
_PATH: Final = Converter("path", str, r"(?s:.+)", str, _encode_text, spans=True)
# No exponent, no infinity: a URL that people can read and type.
_FLOAT: Final = Converter("float", float, r"-?[0-9]{1,18}(?:\.[0-9]{1,18})?", float, _encode_float)
_SLUG: Final = Converter("slug", str, r"[a-zA-Z0-9_-]+", str, _encode_slug)
_DATE: Final = Converter("date", date, r"[0-9]{4}-[0-9]{2}-[0-9]{2}", _decode_date, _encode_date)

_registered: Final[dict[str, Converter]] = {c.name: c for c in (_INT, _UUID, _STR, _PATH, _FLOAT, _SLUG, _DATE)}

#: The converters by the word that names them in a path.
BY_NAME: Final = MappingProxyType(_registered)
#: The converters by the annotation of a handler's parameter.
BY_TYPE: Final = MappingProxyType({c.type: c for c in (_INT, _UUID, _STR, _FLOAT, _DATE)})


def register(
    name: str, decode: Callable[[str], Any], encode: Callable[[Any], str | None], *, type: Any = Any
) -> Converter:
    """Make ``{x:name}`` a converter of one path segment, for the templates that are read from now on.

    *decode* gives the value of a text, *encode* the text of a value; either says ``None``, or raises ``ValueError``,
    for what it does not take: then the next route is tried, or ``url_for`` refuses the value. Any other error is a
    fault of the converter's own, and so is an *encode* that gives no text: a ``ConfigError`` that names the converter
    is raised from it, which a client sees as a 500. *type* is what a handler's annotation must agree with.

    Raises:
        ConfigError: *name* is no identifier, or a converter of this name exists.
    """
    if not name.isidentifier() or not name.isascii():
        raise ConfigError(f"{name!r} cannot name a converter; use a word such as 'hex'.")
    if name in _registered:
        raise ConfigError(f"There is a converter {name!r} already; choose another name.")
    converter = Converter(name, type, _STR.pattern, _refusing(name, decode), _writing(name, _refusing(name, encode)))
    _registered[name] = converter
    return converter


def _refusing(name: str, function: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Let *function* say by a ValueError that it does not take a value."""

    def refusing(value: Any) -> Any:
        try:
            return function(value)
        except ValueError:
            return None
        except Exception as error:
            raise ConfigError(
                f"The converter {name!r} failed on {value!r}: {type(error).__name__}: {error}. It must return None or "
                "raise ValueError for what it does not take."
            ) from error

    return refusing


def _writing(name: str, encode: Callable[[Any], Any]) -> Callable[[Any], str | None]:
    def writing(value: Any) -> str | None:
        text = encode(value)
        if text is None or isinstance(text, str):
            return text
        raise ConfigError(f"The converter {name!r} encodes {value!r} as {text!r}, which is no text. Return a str.")

    return writing
