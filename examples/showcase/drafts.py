"""What may be posted: one set of rules for the form and for the API. Pure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

#: The most characters that a field may have.
LIMITS = {"title": 80, "text": 2000, "author": 40}

_MISSING = {
    "title": "Give your note a headline.",
    "text": "Write something to pin up.",
    "author": "Say who you are; a first name will do.",
}
# Control characters but tab and line feed, and halves of surrogate pairs, which no database takes.
_UNPRINTABLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Draft:
    """A message that is not yet posted."""

    title: str = ""
    text: str = ""
    author: str = ""


def check(fields: Mapping[str, object]) -> tuple[Draft, dict[str, str]]:
    """Give the draft that *fields* make, and what is wrong with it, by field; nothing where it may be posted."""
    draft = Draft(
        title=tidy_line(fields.get("title")),
        text=_tidy(fields.get("text")),
        author=tidy_line(fields.get("author")),
    )
    errors = {name: _fault_in(name, getattr(draft, name), fields.get(name)) for name in LIMITS}
    return draft, {name: error for name, error in errors.items() if error}


def _tidy(value: object) -> str:
    if not isinstance(value, str):
        return ""
    lines = value.replace("\r\n", "\n").replace("\r", "\n")
    return _UNPRINTABLE.sub("", lines).strip()


def tidy_line(value: object) -> str:
    """Give the text of a line: without control characters, and without blanks around it and in a row."""
    return " ".join(_tidy(value).split())


def _fault_in(name: str, text: str, value: object) -> str:
    if value is not None and not isinstance(value, str):
        return "This must be text."
    # Spaces of no width leave a note without anything to see, or to click on.
    if not any(character.isprintable() and not character.isspace() for character in text):
        return _MISSING[name]
    if len(text) > LIMITS[name]:
        return f"That is {len(text)} characters; {LIMITS[name]} fit on the note."
    return ""
