"""What a client that comes back has missed."""

from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webkit import ConfigError, Event, History


def data_of(events: list[Event]) -> list[Any]:
    """What was sent."""
    return [event.data for event in events]


def test_a_client_gets_what_came_after_its_last_event() -> None:
    history = History(10)
    ids = [str(history.add(Event(data)).id) for data in "abc"]
    assert data_of(history.after(ids[0])) == ["b", "c"]
    assert history.after(ids[2]) == []
    assert history.after(None) == []


def test_an_id_that_is_too_old_or_from_elsewhere_gets_all_that_there_is() -> None:
    history = History(2)
    ids = [str(history.add(Event(data)).id) for data in "abc"]
    assert data_of(history.after(ids[0])) == ["b", "c"]
    assert data_of(history.after("of another process")) == ["b", "c"]
    assert [history.knows(last_id) for last_id in (*ids, "other", None)] == [False, True, True, False, False]


def test_the_ids_of_two_histories_differ() -> None:
    """After a restart, the 7th event is another one."""
    one, other = (History(5).add(Event("x")).id for _ in range(2))
    assert one != other


def test_an_id_of_its_own_stays() -> None:
    history = History(5)
    event = Event("a", id=7)
    assert history.add(event) is event
    history.add(Event("b", id="8"))
    assert data_of(history.after("7")) == ["b"]


def test_an_added_event_has_its_id_on_the_wire() -> None:
    added = History(1).add(Event("a", event="x"))
    assert added.encoded == f"id: {added.id}\nevent: x\ndata: a\n\n".encode()


def test_an_id_that_is_used_twice_means_the_last_one() -> None:
    history = History(3)
    for number, last_id in enumerate(("1", "2", "1", "3", "4")):
        history.add(Event(number, id=last_id))
    assert data_of(history.after("1")) == [3, 4]
    assert data_of(history.after("2")) == [2, 3, 4]
    assert data_of(list(history)) == [2, 3, 4]
    assert len(history) == 3


@given(st.integers(1, 5), st.lists(st.sampled_from("abcdefg"), max_size=20), st.sampled_from("abcdefgh"))
def test_it_remembers_as_a_list_does(limit: int, ids: list[str], asked: str) -> None:
    history = History(limit)
    for last_id in ids:
        history.add(Event(last_id, id=last_id))
    kept = ids[-limit:]
    expected = kept[len(kept) - kept[::-1].index(asked) :] if asked in kept else kept
    assert data_of(history.after(asked)) == expected
    assert history.knows(asked) == (asked in kept)
    assert Counter(history._numbers) == Counter({last_id: ids_last(ids, last_id) for last_id in kept})


def ids_last(ids: list[str], last_id: str) -> int:
    """Where *last_id* was used last."""
    return len(ids) - 1 - ids[::-1].index(last_id)


def test_an_empty_history_is_refused() -> None:
    with pytest.raises(ConfigError, match="replays nothing"):
        History(0)
