"""What waits for a client that reads slowly: a bounded queue, and what becomes of what has no room in it. Pure.

What is ``close``, ``drop_oldest`` or ``coalesce`` is decided by who fills it, for the content is theirs: a chat cannot
lose a line, a picture of the present can lose all but the last.
"""

from collections import deque
from collections.abc import Hashable
from typing import Generic, Literal, TypeVar, get_args

from webkit.errors import ConfigError

__all__ = ["Backlog", "SlowPolicy", "check_policy"]

T = TypeVar("T")

#: What becomes of a client that reads too slowly: it is closed, it misses the oldest of what waits, or it gets the
#: newest of each key alone.
SlowPolicy = Literal["close", "drop_oldest", "coalesce"]

# What an entry takes beside its content, so that a million empty ones are not free.
_OVERHEAD_BYTES = 256


def check_policy(policy: str) -> None:
    """Refuse what is no policy (``ConfigError``)."""
    if policy not in get_args(SlowPolicy):
        raise ConfigError(f"slow={policy!r}: choose one of {', '.join(get_args(SlowPolicy))}.")


class _Entry(Generic[T]):
    """One item. A kept one is never dropped: somebody waits until it is sent."""

    __slots__ = ("is_kept", "item", "key", "size")

    def __init__(self, item: T, size: int, key: Hashable | None, is_kept: bool) -> None:
        self.item = item
        self.size = size
        self.key = key
        self.is_kept = is_kept


class Backlog(Generic[T]):
    """Items in the order in which they are to be sent, at most *max_items* that hold *max_bytes*.

    One item always fits into an empty backlog, whatever its size, and a kept one always does.
    """

    def __init__(self, policy: SlowPolicy, *, max_items: int, max_bytes: int) -> None:
        self._policy = policy
        self._max_items = max_items
        self._max_bytes = max_bytes
        self._entries: deque[_Entry[T]] = deque()
        self._by_key: dict[Hashable, _Entry[T]] = {}
        self._size = 0
        #: How many items were dropped, or replaced by newer ones, so far.
        self.dropped = 0

    def __len__(self) -> int:
        return len(self._entries)

    def put(self, item: T, size: int, *, key: Hashable | None = None, is_kept: bool = False) -> bool:
        """Add *item* of *size* bytes; false where it has no room and nothing may be dropped for it.

        Under ``coalesce`` it takes the place of the one with the same *key*, so that a key which changes all the time
        cannot push itself back. An item without a key is never replaced.
        """
        size += _OVERHEAD_BYTES
        if self._policy == "coalesce" and key is not None and not is_kept:
            known = self._by_key.get(key)
            if known is not None:
                self._size += size - known.size
                known.item, known.size = item, size
                self.dropped += 1
                return True
        else:
            key = None
        if not is_kept and not self._make_room(size):
            return False
        entry = _Entry(item, size, key, is_kept)
        self._entries.append(entry)
        self._size += size
        if key is not None:
            self._by_key[key] = entry
        return True

    def take(self) -> T:
        """Give the first item (``IndexError`` where nothing waits)."""
        entry = self._entries.popleft()
        self._forget(entry)
        return entry.item

    def _make_room(self, size: int) -> bool:
        while self._entries and (len(self._entries) >= self._max_items or self._size + size > self._max_bytes):
            place = next((index for index, entry in enumerate(self._entries) if not entry.is_kept), None)
            if self._policy != "drop_oldest" or place is None:
                return False
            self._forget(self._entries[place])
            del self._entries[place]
            self.dropped += 1
        return True

    def _forget(self, entry: _Entry[T]) -> None:
        self._size -= entry.size
        if entry.key is not None:
            del self._by_key[entry.key]
