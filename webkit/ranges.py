"""Conditions and ranges: whether a request gets the whole of a representation, a part of it, or neither (RFC 9110).

Pure: header fields and what is known of the representation go in, a decision comes out. The order is that of section
13.2.2:

1. ``If-Match``, or in its absence ``If-Unmodified-Since``: 412 where it fails.
2. ``If-None-Match``, or in its absence ``If-Modified-Since``: 304 where it fails (412 for methods that change things).
3. ``Range``, for GET alone and only where ``If-Range`` holds: 206, or 416 where nothing of it lies inside.

Entity tags of ``If-Match`` and ``If-Range`` are compared strongly, those of ``If-None-Match`` weakly. What does not
parse is no date and no range: a date with another zone, an unknown unit, a last byte before the first. When more than
one range lies inside, the answer is the whole: section 14.2 allows it, and every client understands it.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from multidict import MultiMapping

__all__ = ["Decision", "decide", "format_date", "parse_date"]


@dataclass(frozen=True, slots=True)
class Decision:
    """What to answer: the status, and for 200 and 206 where the body starts and how many bytes it has."""

    status: int
    start: int = 0
    length: int = 0


_ETAG: Final = r'(?:W/)?"[!\x23-\x7e\x80-\U0010ffff]*"'
# One element of a list, with the empty ones before it, up to the next comma or the end.
_LISTED_ETAG: Final = re.compile(rf"[ \t,]*({_ETAG})[ \t]*(?=,|\Z)")
_RANGE: Final = re.compile(r"([0-9]*)-([0-9]*)")
# No file is as long. Longer numbers all mean "behind the end", and int() refuses those of thousands of digits.
_BEHIND_EVERY_END: Final = 10**20

_DAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_DAY_NAME: Final = "(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)"
_MONTH: Final = f"(?P<month>{'|'.join(_MONTHS)})"
_TIME: Final = "(?P<hour>[0-9]{2}):(?P<minute>[0-9]{2}):(?P<second>[0-9]{2})"
# The three forms of section 5.6.7: today's, that of RFC 850 with two digits for the year, and that of C's asctime().
_DATES: Final = (
    re.compile(f"{_DAY_NAME}, (?P<day>[0-9]{{2}}) {_MONTH} (?P<year>[0-9]{{4}}) {_TIME} GMT"),
    re.compile(f"[A-Z][a-z]{{5,8}}, (?P<day>[0-9]{{2}})-{_MONTH}-(?P<year>[0-9]{{2}}) {_TIME} GMT"),
    re.compile(f"{_DAY_NAME} {_MONTH} (?P<day>[ 0-9][0-9]) {_TIME} (?P<year>[0-9]{{4}})"),
)


def decide(method: str, headers: MultiMapping[str], etag: str, mtime: int | None, size: int) -> Decision:
    """Decide how a request for a representation is answered.

    *headers* are the request's. *etag* is the tag as it stands in the header, quotes included. *mtime* is the time of
    the last change in whole seconds since 1970, ``None`` where it is unknown: then conditions with dates are ignored.
    *size* is the length of the whole in bytes.
    """
    is_read = method in {"GET", "HEAD"}
    if not _may_go_on(headers, etag, mtime):
        return Decision(412)
    if _is_known(headers, etag, mtime, is_read=is_read):
        return Decision(304 if is_read else 412)
    whole = Decision(200, 0, size)
    wanted = _value(headers, "Range")
    if method != "GET" or wanted is None or not _range_holds(headers, etag, mtime):
        return whole
    ranges = _parse_ranges(wanted)
    inside = [part for part in ranges if _lies_inside(part, size)]
    if ranges and not inside:
        return Decision(416)
    # The end of nothing is nothing, and Content-Range has no words for it: that is the whole, too.
    if len(inside) != 1 or size == 0:
        return whole
    return _part(inside[0], size)


def format_date(seconds: int) -> str:
    """Give the time *seconds* after 1970 as headers have it: ``"Tue, 14 Nov 2023 22:13:20 GMT"``."""
    # Not strftime: its names of days and months are those of the locale.
    date = datetime.fromtimestamp(seconds, UTC)
    return f"{_DAYS[date.weekday()]}, {date:%d} {_MONTHS[date.month - 1]} {date.year:04} {date:%H:%M:%S} GMT"


def parse_date(text: str) -> int | None:
    """Give the seconds since 1970 of a header's date, or ``None`` if *text* is no such date."""
    found = next(filter(None, (form.fullmatch(text) for form in _DATES)), None)
    if found is None:
        return None
    year = int(found["year"])
    if len(found["year"]) == 2:
        now = datetime.now(UTC).year
        year += now - now % 100
        # More than 50 years ahead is meant to lie behind (section 5.6.7).
        year -= 100 if year > now + 50 else 0
    month, day = _MONTHS.index(found["month"]) + 1, int(found["day"])
    hour, minute, second = int(found["hour"]), int(found["minute"]), int(found["second"])
    try:
        return int(datetime(year, month, day, hour, minute, second, tzinfo=UTC).timestamp())
    except ValueError:
        return None


def _may_go_on(headers: MultiMapping[str], etag: str, mtime: int | None) -> bool:
    """Say whether the representation is still the one that the client has in mind."""
    if_match = _value(headers, "If-Match")
    if if_match is not None:
        return if_match == "*" or any(_is_same(tag, etag) for tag in _parse_etags(if_match))
    unmodified_since = _date(headers, "If-Unmodified-Since")
    return mtime is None or unmodified_since is None or mtime <= unmodified_since


def _is_known(headers: MultiMapping[str], etag: str, mtime: int | None, *, is_read: bool) -> bool:
    """Say whether the client has the representation already."""
    if_none_match = _value(headers, "If-None-Match")
    if if_none_match is not None:
        opaque = etag.removeprefix("W/")
        return if_none_match == "*" or any(tag.removeprefix("W/") == opaque for tag in _parse_etags(if_none_match))
    modified_since = _date(headers, "If-Modified-Since")
    return is_read and mtime is not None and modified_since is not None and mtime <= modified_since


def _range_holds(headers: MultiMapping[str], etag: str, mtime: int | None) -> bool:
    """Say whether the part that the client has is one of this very representation."""
    if_range = _value(headers, "If-Range")
    if if_range is None or _is_same(if_range, etag):
        return True
    # The very same date: with an older file in place of a newer one, "not later" would join two files.
    return mtime is not None and parse_date(if_range) == mtime


def _is_same(tag: str, etag: str) -> bool:
    """Compare strongly: a weak tag is the same as nothing."""
    return tag == etag and not tag.startswith("W/")


def _parse_etags(value: str) -> Iterator[str]:
    """Give the tags of a list, up to what is none."""
    position = 0
    while found := _LISTED_ETAG.match(value, position):
        yield found[1]
        position = found.end()


def _parse_ranges(value: str) -> list[tuple[int | None, int | None]]:
    """Give ``(first, last)`` for each range of a ``Range`` header, ``(None, length)`` for the last bytes.

    The list is empty where the header is to be ignored.
    """
    unit, _, listed = value.partition("=")
    ranges = []
    for item in filter(None, (item.strip(" \t") for item in listed.split(","))):
        found = _RANGE.fullmatch(item)
        first, last = map(_number, found.groups()) if found else (None, None)
        if (first is None and last is None) or (first is not None and last is not None and last < first):
            return []
        ranges.append((first, last))
    return ranges if unit.lower() == "bytes" else []


def _number(digits: str) -> int | None:
    if not digits:
        return None
    digits = digits.lstrip("0")
    return int(digits or "0") if len(digits) <= 20 else _BEHIND_EVERY_END


def _lies_inside(part: tuple[int | None, int | None], size: int) -> bool:
    first, last = part
    return last != 0 if first is None else first < size


def _part(part: tuple[int | None, int | None], size: int) -> Decision:
    first, last = part
    if first is None:
        first, last = max(0, size - (last or 0)), None
    end = size if last is None else min(last + 1, size)
    return Decision(206, first, end - first)


def _date(headers: MultiMapping[str], name: str) -> int | None:
    value = _value(headers, name)
    return None if value is None else parse_date(value)


def _value(headers: MultiMapping[str], name: str) -> str | None:
    """Give a field's value, the lines of a repeated one joined as section 5.3 has it."""
    lines = headers.getall(name, None)
    return None if lines is None else ", ".join(lines).strip(" \t")
