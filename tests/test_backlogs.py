"""The queue of a slow reader, under each of its policies."""

from typing import Any

import pytest

from webkit import ConfigError, Event
from webkit.backlogs import Backlog


def taken_from(backlog: Backlog) -> list[Any]:
    """What waits, the oldest first."""
    return [backlog.pop().data for _ in range(len(backlog))]


def test_what_fits_waits_in_its_order() -> None:
    for policy in ("drop_oldest", "close"):
        backlog = Backlog(3, policy)
        assert [backlog.push(Event(data)) for data in "abc"] == [True] * 3
        assert taken_from(backlog) == ["a", "b", "c"]
        assert backlog.dropped == 0


def test_the_oldest_goes() -> None:
    backlog = Backlog(2, "drop_oldest")
    assert [backlog.push(Event(data)) for data in "abcd"] == [True] * 4
    assert taken_from(backlog) == ["c", "d"]
    assert backlog.dropped == 2


def test_the_reader_is_cut_off() -> None:
    backlog = Backlog(2, "close")
    assert [backlog.push(Event(data)) for data in "abc"] == [True, True, False]


def test_the_last_of_each_key_stays_and_goes_to_the_end() -> None:
    backlog = Backlog(3, "coalesce")
    for key, data in (("x", 1), ("y", 2), ("x", 3), ("z", 4), ("y", 5)):
        backlog.push(Event(data, key=key))
    assert taken_from(backlog) == [3, 4, 5]
    assert backlog.dropped == 2


def test_without_a_key_the_name_decides() -> None:
    backlog = Backlog(10, "coalesce")
    for name, data in (("price", 1), (None, 2), ("price", 3), (None, 4)):
        backlog.push(Event(data, event=name))
    assert taken_from(backlog) == [3, 4]


def test_of_too_many_keys_the_oldest_goes() -> None:
    backlog = Backlog(2, "coalesce")
    for key in "abc":
        assert backlog.push(Event(key, key=key))
    assert taken_from(backlog) == ["b", "c"]


def test_it_can_be_emptied_and_used_again() -> None:
    backlog = Backlog(1, "close")
    backlog.push(Event("a"))
    backlog.clear()
    assert len(backlog) == 0
    with pytest.raises(LookupError, match="Nothing waits"):
        backlog.pop()
    assert backlog.push(Event("b"))
    assert taken_from(backlog) == ["b"]


@pytest.mark.parametrize(("limit", "policy"), [(0, "close"), (-1, "drop_oldest"), (1, "drop_newest"), (1, "wait")])
def test_what_bounds_nothing_is_refused(limit: int, policy: str) -> None:
    with pytest.raises(ConfigError):
        Backlog(limit, policy)
