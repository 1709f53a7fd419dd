"""The promises about items, as a model: what one receiver may see of one producer.

This file alone says what delivery means; it knows nothing of sessions, links or
credit. A **stream** is what one producer has accepted, as one receiver sees it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence


__all__ = ["StreamModel", "Violation"]


class Violation(AssertionError):  # noqa: N818 - it says what happened
    """A promise was broken.

    Args:
        promise: Which one: "G1" to "G18", or what else must hold.
        text: What happened.

    Attributes:
        promise: Which one.
        text: What happened.
    """

    def __init__(self, promise: str, text: str) -> None:
        super().__init__(f"{promise}: {text}")
        self.promise = promise
        self.text = text


class StreamModel:
    """One producer's items, as one receiver gets them.

    Args:
        name: The stream, for people.
        accepted: The items that `send` has accepted so far; it grows meanwhile.
        is_excused: Tells whether an item may be missing although its producer never
            reported it as lost: it was not sent to this receiver, or the receiver's
            side has said that it threw it away.

    Attributes:
        next: The number of the first item that was not handed out.
        lost: The items that were reported as lost.
    """

    __slots__ = ("_accepted", "_is_excused", "_name", "lost", "next")

    def __init__(
        self, name: str, accepted: Sequence[bytes], is_excused: Callable[[int], bool]
    ) -> None:
        self.next = 0
        self.lost: list[range] = []
        self._name = name
        self._accepted = accepted
        self._is_excused = is_excused

    def report_lost(self, items: range) -> None:
        """The producer's application was told that these items are lost."""
        if items.stop > len(self._accepted):
            raise Violation("G2", f"{self._name}: {items} lost, but never accepted")
        for known in self.lost:
            if _overlap(known, items):
                raise Violation("G2", f"{self._name}: {items} lost again, {known} was")
        self.lost.append(items)

    def hand_out(self, items: range, data: bytes, *, is_fenced: bool) -> None:
        """The receiver's application was given items.

        Args:
            items: The numbers that they say they have.
            data: Their bytes.
            is_fenced: Whether nothing may be given that was reported as lost before.
        """
        if items.stop > len(self._accepted):
            raise Violation("G5", f"{self._name}: {items} came, never accepted")
        if items.start < self.next:
            raise Violation("G1", f"{self._name}: {items} came twice")
        if data != b"".join(self._accepted[items.start : items.stop]):
            raise Violation("G1", f"{self._name}: {items} came with other bytes")
        missing = self._missing(range(self.next, items.start))
        if missing:
            raise Violation("G1", f"{self._name}: {items} came, and {missing} did not")
        if is_fenced and any(_overlap(lost, items) for lost in self.lost):
            raise Violation(
                "G2", f"{self._name}: {items} came after {self.lost} was reported lost"
            )
        self.next = items.stop

    def missing(self) -> list[int]:
        """Returns the items that were neither handed out nor reported as lost."""
        return self._missing(range(self.next, len(self._accepted)))

    def _missing(self, items: range) -> list[int]:
        return [
            item
            for item in items
            if not any(item in lost for lost in self.lost)
            and not self._is_excused(item)
        ]


def _overlap(first: range, second: range) -> bool:
    return max(first.start, second.start) < min(first.stop, second.stop)
