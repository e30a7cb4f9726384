"""What waits for a WebSocket client that reads slowly: a bounded queue, and what becomes of what has no room. Pure.

It is bounded by messages and by bytes, for a message may be of any size. What the session itself waits to have sent is
kept, whatever else is dropped; of that there is one message at a time. The policies are those of
:mod:`webkit.backlogs`, but that under ``coalesce`` the newer message takes the place of the older: what changes all the
time would else be pushed back for ever, and there are no ids here that have to go up.
"""

from collections import deque
from collections.abc import Hashable
from typing import Final, Generic, TypeVar

from webkit.backlogs import Policy

__all__ = ["SendQueue"]

T = TypeVar("T")

# What an entry takes beside its content, so that a million empty ones are not free.
_OVERHEAD_BYTES: Final = 256


class _Entry(Generic[T]):
    __slots__ = ("is_kept", "item", "key", "size")

    def __init__(self, item: T, size: int, key: Hashable | None, *, is_kept: bool) -> None:
        self.item = item
        self.size = size
        self.key = key
        self.is_kept = is_kept


class SendQueue(Generic[T]):
    """Items in the order in which they are to be sent, at most *max_items* that hold *max_bytes*.

    One item always fits where nothing waits, whatever its size.
    """

    def __init__(self, policy: Policy, *, max_items: int, max_bytes: int) -> None:
        self._policy = policy
        self._max_items = max_items
        self._max_bytes = max_bytes
        self._entries: deque[_Entry[T]] = deque()
        self._by_key: dict[Hashable, _Entry[T]] = {}
        self._size = 0

    def __len__(self) -> int:
        return len(self._entries)

    def put(self, item: T, size: int, *, key: Hashable | None = None, is_kept: bool = False) -> bool:
        """Add *item* of *size* bytes; false where it has no room, and the client is to be closed.

        Under ``coalesce`` it replaces the one with the same *key*; one without a key is never replaced.
        """
        size += _OVERHEAD_BYTES
        if self._policy != "coalesce" or is_kept:
            key = None
        known = None if key is None else self._by_key.get(key)
        if known is not None:
            self._size += size - known.size
            known.item, known.size = item, size
            return True
        if not is_kept and not self._make_room(size):
            return False
        entry = _Entry(item, size, key, is_kept=is_kept)
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
        """Drop the oldest until there is room; false where nothing may be dropped."""
        while self._entries and (len(self._entries) >= self._max_items or self._size + size > self._max_bytes):
            oldest = next((entry for entry in self._entries if not entry.is_kept), None)
            if self._policy == "close":
                return False
            if oldest is None:
                return True  # the session waits itself, and that is one message
            self._entries.remove(oldest)
            self._forget(oldest)
        return True

    def _forget(self, entry: _Entry[T]) -> None:
        self._size -= entry.size
        if entry.key is not None:
            del self._by_key[entry.key]
