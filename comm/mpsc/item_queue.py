"""`ItemQueue`: encoded items that wait to be cut into frames."""

from __future__ import annotations

from collections import deque

from comm.fabric import Cut
from comm.protocol import Kind


__all__ = ["ItemQueue"]


class ItemQueue:
    """Items in order, and how far the first one has been cut.

    Attributes:
        items: The items; append to it, and add their size to `size_bytes`.
        size_bytes: The bytes of all items, what was cut of the first one included.
    """

    __slots__ = ("_cut_bytes", "items", "size_bytes")

    def __init__(self) -> None:
        self.items: deque[bytes] = deque()
        self.size_bytes = 0
        self._cut_bytes = 0

    def clear(self) -> int:
        """Discards every item, and returns how many there were."""
        count = len(self.items)
        self.items.clear()
        self.size_bytes = 0
        self._cut_bytes = 0
        return count

    def cut(self, limit: int) -> Cut:
        """Returns a frame of as many whole items as fit, or a part of a large one."""
        if len(self.items[0]) > limit:
            return self._cut_part(limit)
        return self._cut_batch(limit)

    def check_invariants(self) -> None:
        """Asserts what must hold between any two calls."""
        assert sum(map(len, self.items)) == self.size_bytes
        assert self.items or not self._cut_bytes

    def _cut_batch(self, limit: int) -> Cut:
        items = self.items
        batch: list[bytes] = []
        if self.size_bytes <= limit:
            batch += items
            items.clear()
        else:
            room = limit
            while len(items[0]) <= room:
                room -= len(items[0])
                batch.append(items.popleft())
        payload = b"".join(batch)
        self.size_bytes -= len(payload)
        return Cut(Kind.DATA, len(batch), payload, len(batch))

    def _cut_part(self, limit: int) -> Cut:
        item = self.items[0]
        end = self._cut_bytes + limit
        payload = item[self._cut_bytes : end]
        if end < len(item):
            self._cut_bytes = end
            return Cut(Kind.PART, 0, payload, 0)
        self.items.popleft()
        self.size_bytes -= len(item)
        self._cut_bytes = 0
        return Cut(Kind.PART, 1, payload, 1)
