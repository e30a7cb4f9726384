"""Converters: what ``{id:int}`` in a path matches, what the handler gets, and what a URL is built from.

A converter decides on the text of one path parameter. ``decode`` gives the value, or ``None`` for "no match":
the next route is tried, then 404. ``encode`` gives the text for a URL, or ``None`` for a value it does not take.
Both are pure. All patterns are ASCII: ``\\d`` would take Arabic digits, which nobody's database expects.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final
from uuid import UUID

__all__ = ["BY_NAME", "BY_TYPE", "Converter"]


@dataclass(frozen=True, slots=True)
class Converter:
    """One kind of path parameter.

    *pattern* is a regular expression without capturing groups, matched against the whole still-quoted text.
    *spans* is true when the text may hold ``/``.
    """

    name: str
    type: type
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
        return str(value) or None
    if isinstance(value, int | float | UUID) and not isinstance(value, bool):
        return str(value)
    return None


# 18 digits fit every 64-bit column, and keep int() away from quadratic work.
_INT: Final = Converter("int", int, r"-?[0-9]{1,18}", int, _encode_int)
_UUID: Final = Converter("uuid", UUID, r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}", UUID, _encode_uuid)
# The default of a bare {name}, as in aiohttp: one segment, not empty, no braces.
_STR: Final = Converter("str", str, r"[^{}/]+", str, _encode_text)
_PATH: Final = Converter("path", str, r"(?s:.+)", str, _encode_text, spans=True)

#: The converters by the word that names them in a path.
BY_NAME: Final = MappingProxyType({c.name: c for c in (_INT, _UUID, _STR, _PATH)})
#: The converters by the annotation of a handler's parameter.
BY_TYPE: Final = MappingProxyType({c.type: c for c in (_INT, _UUID, _STR)})
