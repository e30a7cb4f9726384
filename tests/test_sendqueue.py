"""What waits for a slow WebSocket client: bounded, in order, and dropped by a policy."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webkit.backlogs import Policy
from webkit.sendqueue import SendQueue


def make(policy: Policy, *, items: int = 3, size: int = 10_000) -> SendQueue[str]:
    return SendQueue(policy, max_items=items, max_bytes=size)


def drain(queue: SendQueue[str]) -> str:
    return "".join(queue.take() for _ in range(len(queue)))


def test_what_waits_is_taken_in_order() -> None:
    queue = make("close")
    assert [queue.put(item, 1) for item in "abc"] == [True, True, True]
    assert drain(queue) == "abc"
    with pytest.raises(IndexError):
        queue.take()


def test_a_full_queue_takes_nothing_where_nothing_may_be_dropped() -> None:
    queue = make("close")
    assert [queue.put(item, 1) for item in "abcd"] == [True, True, True, False]
    assert drain(queue) == "abc"


def test_the_oldest_is_dropped_for_what_is_new() -> None:
    queue = make("drop_oldest")
    assert [queue.put(item, 1) for item in "abcde"] == [True] * 5
    assert drain(queue) == "cde"


def test_it_is_full_by_bytes_too_and_the_smallest_message_is_not_free() -> None:
    assert [make("close", items=9, size=1000).put("a", size) for size in (900, 10_000)] == [True, True]
    queue = make("close", items=9, size=1000)
    assert [queue.put(item, 0) for item in "abcd"] == [True, True, True, False]
    queue = make("drop_oldest", items=9, size=1000)
    assert [queue.put("a", 100), queue.put("b", 100), queue.put("c", 5000)] == [True, True, True]
    assert drain(queue) == "c"


def test_under_coalesce_the_newest_of_a_key_takes_the_place_of_the_older() -> None:
    queue = make("coalesce")
    for item, key in (("a", "x"), ("b", "y"), ("c", "x"), ("d", None)):
        assert queue.put(item, 1, key=key)
    assert drain(queue) == "cbd"
    assert queue.put("e", 1, key="x")
    assert drain(queue) == "e"


def test_under_coalesce_the_oldest_goes_where_that_is_not_enough() -> None:
    queue = make("coalesce")
    for item in "abcd":
        assert queue.put(item, 1, key=item)
    assert drain(queue) == "bcd"


@pytest.mark.parametrize("policy", ["close", "drop_oldest"])
def test_keys_mean_nothing_under_the_other_policies(policy: Policy) -> None:
    queue = make(policy)
    assert queue.put("a", 1, key="x")
    assert queue.put("b", 1, key="x")
    assert drain(queue) == "ab"


@pytest.mark.parametrize("policy", ["close", "drop_oldest", "coalesce"])
def test_what_somebody_waits_for_is_always_taken_and_never_dropped(policy: Policy) -> None:
    queue = make(policy)
    for item in "abc":
        queue.put(item, 1, key="x")
    assert queue.put("K", 10**9, key="x", is_kept=True)
    for item in "defg":
        queue.put(item, 1, key=item)
    assert "K" in drain(queue)


PUTS = st.lists(st.tuples(st.integers(0, 400), st.sampled_from([None, "x", "y", "z"])), max_size=40)


@given(policy=st.sampled_from(["close", "drop_oldest", "coalesce"]), puts=PUTS)
def test_it_is_never_longer_than_its_bounds_and_keeps_the_order(
    policy: Policy, puts: list[tuple[int, str | None]]
) -> None:
    queue: SendQueue[int] = SendQueue(policy, max_items=5, max_bytes=2000)
    for number, (size, key) in enumerate(puts):
        assert queue.put(number, size, key=key) or policy == "close"
        assert len(queue) <= 5
    taken = [queue.take() for _ in range(len(queue))]
    assert len(set(taken)) == len(taken)
    if policy != "coalesce":
        assert taken == sorted(taken)
    if policy == "drop_oldest" and puts:
        assert taken[-1] == len(puts) - 1
