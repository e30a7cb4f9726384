"""Conditions and ranges: the tables of RFC 9110, and a model that counts bytes one by one."""

import time
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict

from webkit.ranges import Decision, decide, format_date, parse_date

ETAG = '"v2"'
MTIME = 1_700_000_000
DATE = "Tue, 14 Nov 2023 22:13:20 GMT"
EARLIER = "Tue, 14 Nov 2023 22:13:19 GMT"
LATER = "Tue, 14 Nov 2023 22:13:21 GMT"
SIZE = 100

WHOLE = Decision(200, 0, SIZE)


def decision(
    fields: Sequence[tuple[str, str]], method: str = "GET", etag: str = ETAG, mtime: int | None = MTIME
) -> Decision:
    return decide(method, CIMultiDict(fields), etag, mtime, SIZE)


# --- ranges ---


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ("bytes=0-0", (206, 0, 1)),
        ("bytes=0-9", (206, 0, 10)),
        ("bytes=0-99", (206, 0, 100)),
        ("bytes=0-", (206, 0, 100)),
        ("bytes=90-", (206, 90, 10)),
        ("bytes=99-", (206, 99, 1)),
        ("bytes=99-99", (206, 99, 1)),
        ("bytes=90-1000", (206, 90, 10)),
        ("bytes=0-" + "9" * 5000, (206, 0, 100)),
        ("bytes=" + "0" * 5000 + "9-", (206, 9, 91)),
        ("bytes=-1", (206, 99, 1)),
        ("bytes=-100", (206, 0, 100)),
        ("bytes=-101", (206, 0, 100)),
        ("bytes=-" + "9" * 5000, (206, 0, 100)),
        ("BYTES=0-9", (206, 0, 10)),
        ("  bytes=0-9\t", (206, 0, 10)),
        ("bytes= 0-9 ", (206, 0, 10)),
        ("bytes=,0-9 , ,", (206, 0, 10)),
        # Nothing of it lies inside.
        ("bytes=100-", (416, 0, 0)),
        ("bytes=100-200", (416, 0, 0)),
        ("bytes=" + "9" * 5000 + "-", (416, 0, 0)),
        ("bytes=-0", (416, 0, 0)),
        ("bytes=-0,100-,200-300", (416, 0, 0)),
        # Several: what does not lie inside does not count, and for more than one there is the whole.
        ("bytes=0-9,100-", (206, 0, 10)),
        ("bytes=500-,-5,-0", (206, 95, 5)),
        ("bytes=0-9,20-29", (200, 0, 100)),
        ("bytes=0-9,0-9", (200, 0, 100)),
        ("bytes=-5,0-", (200, 0, 100)),
        ("bytes=" + ",".join(["0-"] * 1000), (200, 0, 100)),
        ("bytes=0-,99999999999999999999-1" + "0" * 30, (206, 0, 100)),
        # Not understood, so not there.
        ("bytes=9-0", (200, 0, 100)),
        ("bytes=0-9,9-0", (200, 0, 100)),
        ("bytes=100-99", (200, 0, 100)),
        ("bytes=", (200, 0, 100)),
        ("bytes=,", (200, 0, 100)),
        ("bytes=-", (200, 0, 100)),
        ("bytes=--5", (200, 0, 100)),
        ("bytes=5", (200, 0, 100)),
        ("bytes=a-b", (200, 0, 100)),
        ("bytes=0x0-0x9", (200, 0, 100)),
        ("bytes=+0-9", (200, 0, 100)),
        ("bytes=1_0-20", (200, 0, 100)),
        ("bytes=0 - 9", (200, 0, 100)),
        ("bytes=0-9;", (200, 0, 100)),
        ("bytes=0-9-", (200, 0, 100)),
        ("bytes=\u0660-\u0669", (200, 0, 100)),
        ("bytes =0-9", (200, 0, 100)),
        ("bytes 0-9", (200, 0, 100)),
        ("bytes", (200, 0, 100)),
        ("", (200, 0, 100)),
        ("0-9", (200, 0, 100)),
        ("items=0-9", (200, 0, 100)),
        ("seconds=1.5-", (200, 0, 100)),
        ("bytes=0-9=", (200, 0, 100)),
    ],
)
def test_a_range_gives_a_part_or_nothing_or_is_ignored(wanted: str, expected: tuple[int, int, int]) -> None:
    assert decision([("Range", wanted)]) == Decision(*expected)


def test_a_range_counts_for_get_alone() -> None:
    for method in ("HEAD", "POST", "PUT", "get"):
        assert decision([("Range", "bytes=0-9")], method) == WHOLE
        assert decision([("Range", "bytes=100-")], method) == WHOLE


def test_a_range_that_is_sent_twice_is_ignored() -> None:
    assert decision([("Range", "bytes=0-9"), ("Range", "bytes=20-29")]) == WHOLE


@pytest.mark.parametrize(
    ("wanted", "status"), [("bytes=0-", 416), ("bytes=0-0", 416), ("bytes=-0", 416), ("bytes=-1", 200), ("a=-1", 200)]
)
def test_an_empty_file_has_no_part(wanted: str, status: int) -> None:
    assert decide("GET", CIMultiDict({"Range": wanted}), ETAG, MTIME, 0) == Decision(status)


Part = tuple[int | None, int | None]
NUMBERS = st.integers(0, 30) | st.integers(0, 10**20)
PARTS = st.one_of(
    st.tuples(NUMBERS, NUMBERS | st.none()),
    st.tuples(st.none(), NUMBERS),
)
SPACES = st.sampled_from(["", " ", "\t", "  "])


@st.composite
def range_headers(draw: st.DrawFn) -> tuple[str, list[Part]]:
    """A ``Range`` header in one of its spellings, and what it says."""
    parts: list[Part] = draw(st.lists(PARTS, min_size=1, max_size=4))
    items = [f"{'' if first is None else first}-{'' if last is None else last}" for first, last in parts]
    for position in draw(st.lists(st.integers(0, len(items)), max_size=2)):
        items.insert(position, "")
    unit = draw(st.sampled_from(["bytes", "Bytes", "BYTES"]))
    return f"{unit}=" + ",".join(draw(SPACES) + item + draw(SPACES) for item in items), parts


def bytes_of(part: Part, size: int) -> range:
    """The positions of the bytes in *part*, counted as one would by hand."""
    first, last = part
    positions = range(size)
    if first is None:
        return positions[max(0, size - (last or 0)) :] if last else range(0)
    return positions[first : None if last is None else last + 1]


@given(range_headers(), st.integers(0, 30))
def test_the_decision_is_that_of_counting_the_bytes(header: tuple[str, list[Part]], size: int) -> None:
    text, parts = header
    decided = decide("GET", CIMultiDict({"Range": text}), ETAG, MTIME, size)
    is_valid = all(first is None or last is None or first <= last for first, last in parts)
    satisfiable = [part for part in parts if bytes_of(part, size) or (part[0] is None and part[1] != 0)]
    if not is_valid:
        assert decided == Decision(200, 0, size)
    elif not satisfiable:
        assert decided == Decision(416)
    elif len(satisfiable) > 1 or size == 0:
        assert decided == Decision(200, 0, size)
    else:
        positions = bytes_of(satisfiable[0], size)
        assert decided == Decision(206, positions[0], len(positions))


# --- If-Range ---


@pytest.mark.parametrize(
    ("if_range", "etag", "status"),
    [
        (ETAG, ETAG, 206),
        ('"v1"', ETAG, 200),
        ('"V2"', ETAG, 200),
        ("v2", ETAG, 200),
        (f"W/{ETAG}", ETAG, 200),
        (f"W/{ETAG}", f"W/{ETAG}", 200),
        (ETAG, f"W/{ETAG}", 200),
        (f"{ETAG}, {ETAG}", ETAG, 200),
        ("*", ETAG, 200),
        ("", ETAG, 200),
        (DATE, ETAG, 206),
        ("Tuesday, 14-Nov-23 22:13:20 GMT", ETAG, 206),
        ("Tue Nov 14 22:13:20 2023", ETAG, 206),
        (EARLIER, ETAG, 200),
        (LATER, ETAG, 200),
        ("Tue, 14 Nov 2023 22:13:20 +0000", ETAG, 200),
        ("yesterday", ETAG, 200),
    ],
)
def test_a_part_is_given_only_where_if_range_names_the_present_state(if_range: str, etag: str, status: int) -> None:
    assert decision([("Range", "bytes=0-9"), ("If-Range", if_range)], etag=etag).status == status
    # Where the condition fails the range is not there: no 416 either.
    assert decision([("Range", "bytes=100-"), ("If-Range", if_range)], etag=etag).status == {206: 416, 200: 200}[status]


def test_if_range_without_a_range_says_nothing() -> None:
    assert decision([("If-Range", '"v1"')]) == decision([("If-Range", ETAG)]) == WHOLE


def test_if_range_that_is_sent_twice_names_no_state() -> None:
    assert decision([("Range", "bytes=0-9"), ("If-Range", ETAG), ("If-Range", ETAG)]) == WHOLE


def test_if_range_with_a_date_fails_where_there_is_no_date() -> None:
    assert decision([("Range", "bytes=0-9"), ("If-Range", DATE)], mtime=None) == WHOLE


# --- conditions ---


@pytest.mark.parametrize(
    ("value", "strong", "weak"),
    [
        (ETAG, True, True),
        (f"W/{ETAG}", False, True),
        ("*", True, True),
        (" * ", True, True),
        ('"v1"', False, False),
        ('"v1", "v2"', True, True),
        ('"v1","v2"', True, True),
        ('"v1" ,\t"v2" , "v3"', True, True),
        (',, "v2",', True, True),
        ('W/"v1", W/"v2"', False, True),
        ('"v1,v2"', False, False),
        ('"a, "v2"', False, False),
        ("v2", False, False),
        ('w/"v2"', False, False),
        ('"V2"', False, False),
        ('""', False, False),
        ('"v2', False, False),
        ('"v2"x', False, False),
        ('"v1" "v2"', False, False),
        ('"v2", junk', True, True),
        ('junk, "v2"', False, False),
        ('"v1", *', False, False),
        ("", False, False),
    ],
)
def test_entity_tags_are_compared_strongly_and_weakly(value: str, strong: bool, weak: bool) -> None:
    assert decision([("If-Match", value)]) == (WHOLE if strong else Decision(412))
    assert decision([("If-None-Match", value)]) == (Decision(304) if weak else WHOLE)


def test_a_weak_tag_of_ones_own_never_matches_strongly() -> None:
    for value in (ETAG, f"W/{ETAG}"):
        assert decision([("If-Match", value)], etag=f"W/{ETAG}").status == 412
        assert decision([("If-None-Match", value)], etag=f"W/{ETAG}").status == 304


def test_the_lines_of_a_repeated_field_are_one_list() -> None:
    assert decision([("If-None-Match", '"v1"'), ("If-None-Match", ETAG)]).status == 304
    assert decision([("If-Match", '"v1"'), ("if-match", ETAG)]).status == 200


OPAQUE = st.text(st.characters(codec="latin-1", exclude_characters='"', exclude_categories=("Cc", "Zs")), max_size=5)
TAGS = st.lists(st.tuples(st.booleans(), OPAQUE | st.just("v2")), max_size=5)


@given(TAGS, st.sampled_from([",", ", ", " ,\t", ",,", " , , "]), st.booleans())
def test_a_list_of_tags_says_what_was_put_into_it(tags: list[tuple[bool, str]], comma: str, has_own: bool) -> None:
    if has_own:
        tags = [*tags, (False, "v2")]
    value = comma.join(f'{"W/" if is_weak else ""}"{opaque}"' for is_weak, opaque in tags)
    assert decision([("If-Match", value)]).status == (200 if (False, "v2") in tags else 412)
    assert decision([("If-None-Match", value)]).status == (304 if "v2" in {opaque for _, opaque in tags} else 200)


@pytest.mark.parametrize(
    ("value", "modified", "unmodified"),
    [
        (DATE, 304, 200),
        (LATER, 304, 200),
        (EARLIER, 200, 412),
        ("Tuesday, 14-Nov-23 22:13:20 GMT", 304, 200),
        ("Tue Nov 14 22:13:19 2023", 200, 412),
        ("Tue, 14 Nov 2023 22:13:19", 200, 200),
        ("0", 200, 200),
        ("", 200, 200),
    ],
)
def test_dates_are_compared_by_the_second_and_ignored_where_they_are_none(
    value: str, modified: int, unmodified: int
) -> None:
    assert decision([("If-Modified-Since", value)]).status == modified
    assert decision([("If-Unmodified-Since", value)]).status == unmodified


@pytest.mark.parametrize("name", ["If-Modified-Since", "If-Unmodified-Since"])
def test_dates_say_nothing_where_the_time_of_the_last_change_is_unknown_or_they_are_sent_twice(name: str) -> None:
    for value in (EARLIER, DATE, LATER):
        assert decision([(name, value)], mtime=None) == WHOLE
        assert decision([(name, value), (name, value)]) == WHOLE


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        # If-Match before If-Unmodified-Since, which it replaces.
        ([("If-Match", ETAG), ("If-Unmodified-Since", EARLIER)], 200),
        ([("If-Match", '"v1"'), ("If-Unmodified-Since", LATER)], 412),
        # If-None-Match before If-Modified-Since, which it replaces.
        ([("If-None-Match", ETAG), ("If-Modified-Since", EARLIER)], 304),
        ([("If-None-Match", '"v1"'), ("If-Modified-Since", LATER)], 200),
        # The first pair before the second.
        ([("If-Match", '"v1"'), ("If-None-Match", ETAG)], 412),
        ([("If-Match", ETAG), ("If-None-Match", ETAG)], 304),
        ([("If-Unmodified-Since", EARLIER), ("If-None-Match", ETAG)], 412),
        ([("If-Unmodified-Since", DATE), ("If-Modified-Since", DATE)], 304),
        # All of them before the range.
        ([("If-Match", '"v1"'), ("Range", "bytes=0-9")], 412),
        ([("If-Match", '"v1"'), ("Range", "bytes=100-")], 412),
        ([("If-None-Match", ETAG), ("Range", "bytes=0-9")], 304),
        ([("If-None-Match", ETAG), ("Range", "bytes=100-"), ("If-Range", ETAG)], 304),
        ([("If-Modified-Since", DATE), ("Range", "bytes=100-")], 304),
        ([("If-None-Match", '"v1"'), ("Range", "bytes=0-9"), ("If-Range", ETAG)], 206),
        ([("If-Match", ETAG), ("Range", "bytes=0-9"), ("If-Range", '"v1"')], 200),
        ([("If-Unmodified-Since", DATE), ("Range", "bytes=0-9")], 206),
    ],
)
def test_conditions_come_in_their_order(fields: list[tuple[str, str]], status: int) -> None:
    assert decision(fields).status == status
    assert decision(fields[::-1]).status == status


@pytest.mark.parametrize("method", ["HEAD", "PUT", "DELETE", "POST"])
def test_a_known_state_is_304_for_who_reads_and_412_for_who_writes(method: str) -> None:
    assert decision([("If-None-Match", "*")], method).status == (304 if method == "HEAD" else 412)
    assert decision([("If-Modified-Since", DATE)], method).status == (304 if method == "HEAD" else 200)
    assert decision([("If-Match", '"v1"')], method).status == 412
    assert decision([("If-Unmodified-Since", EARLIER)], method).status == 412


NAMES = ("If-Match", "If-None-Match", "If-Modified-Since", "If-Unmodified-Since", "If-Range", "Range")
VALUES = st.sampled_from([ETAG, '"v1"', "*", DATE, EARLIER, "bytes=0-9", "bytes=100-", "bytes=1-2,3-4", "bytes=-7"])


@given(
    st.sampled_from(["GET", "HEAD", "PUT"]),
    st.lists(st.tuples(st.sampled_from(NAMES), VALUES | st.text(max_size=20)), max_size=6),
    st.sampled_from([ETAG, f"W/{ETAG}"]),
    st.sampled_from([MTIME, None]),
    st.integers(0, 200),
)
def test_whatever_is_asked_the_decision_is_one_that_can_be_answered(
    method: str, fields: list[tuple[str, str]], etag: str, mtime: int | None, size: int
) -> None:
    decided = decide(method, CIMultiDict(fields), etag, mtime, size)
    assert decided.status in {200, 206, 304, 412, 416}
    if decided.status == 200:
        assert (decided.start, decided.length) == (0, size)
    elif decided.status == 206:
        assert method == "GET"
        assert 0 <= decided.start < decided.start + decided.length <= size
    else:
        assert (decided.start, decided.length) == (0, 0)


# --- dates ---


@given(st.integers(0, 253_402_300_799))
def test_a_date_is_read_as_it_was_written(seconds: int) -> None:
    assert parse_date(format_date(seconds)) == seconds


@given(st.integers(0, 253_402_300_799))
def test_a_date_of_c_is_read_too(seconds: int) -> None:
    assert parse_date(time.asctime(time.gmtime(seconds))) == seconds


def test_a_date_is_written_as_headers_have_it() -> None:
    assert format_date(MTIME) == DATE
    assert format_date(0) == "Thu, 01 Jan 1970 00:00:00 GMT"


def test_two_digits_are_the_year_that_is_not_far_ahead() -> None:
    assert parse_date("Sunday, 06-Nov-94 08:49:37 GMT") == 784_111_777
    assert parse_date("Tuesday, 14-Nov-23 22:13:20 GMT") == MTIME


@pytest.mark.parametrize(
    "text",
    [
        "",
        "0",
        "1700000000",
        "2023-11-14T22:13:20Z",
        "Tue, 14 Nov 2023 22:13:20",
        "Tue, 14 Nov 2023 22:13:20 UTC",
        "Tue, 14 Nov 2023 22:13:20 +0000",
        "Tue, 14 Nov 2023 24:00:00 GMT",
        "Tue, 31 Feb 2023 22:13:20 GMT",
        "Tue, 14 Nov 0000 22:13:20 GMT",
        "Tue, 4 Nov 2023 22:13:20 GMT",
        "tue, 14 nov 2023 22:13:20 gmt",
        "Tue, 14 Nov 2023 22:13:20 GMT;",
        "Die, 14 Nov 2023 22:13:20 GMT",
        "Tue, \u0661\u0664 Nov 2023 22:13:20 GMT",
    ],
)
def test_what_is_no_date_is_none(text: str) -> None:
    assert parse_date(text) is None
