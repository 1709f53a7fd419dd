"""What an application may rely on, from two lists alone.

A source has a list of the items that its `send` accepted; a sink has a list of those
that it received of that source. No two items are the same, so that

- **always**, what was received is what was accepted, in that order, with nothing
  invented, doubled or swapped, and at most with gaps;
- **in the end**, there is no gap, unless the source's application was told that
  something went wrong.

The oracles of the simulator know when a gap is right, and who must be told of it; this
model knows nothing of that, and so cannot be wrong about it in the same way.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence


__all__ = ["Conversation", "NotHonestError"]


class NotHonestError(AssertionError):
    """What a sink has received is not what its source has sent."""


class Conversation:
    """One source and one sink.

    Args:
        name: The two, for people.
        accepted: What the source's `send` accepted; it grows meanwhile.

    Attributes:
        received: What the sink received of it.
        gaps: The numbers of the items that were passed over.
    """

    def __init__(self, name: str, accepted: Sequence[bytes]) -> None:
        self.received: list[bytes] = []
        self.gaps: list[int] = []
        self._name = name
        self._accepted = accepted
        self._next = 0

    def receive(self, items: Iterable[bytes]) -> None:
        """The sink's application has received items."""
        for item in items:
            try:
                number = self._accepted.index(item, self._next)
            except ValueError:
                raise NotHonestError(f"{self._name}: {self._judge(item)}") from None
            self.gaps.extend(range(self._next, number))
            self._next = number + 1
            self.received.append(item)

    def require_whole(self) -> None:
        """The source has finished, and its application was told of nothing wrong."""
        missing = [*self.gaps, *range(self._next, len(self._accepted))]
        if missing:
            raise NotHonestError(f"{self._name}: without a word, {missing} never came")

    def _judge(self, item: bytes) -> str:
        shown = item[:20].hex()
        if item in self.received:
            return f"{shown} came twice"
        if item in self._accepted:
            return f"{shown} came behind a later one"
        return f"{shown} came, and was never accepted"
