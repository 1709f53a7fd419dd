"""`Tally`: what came from whom, once and in order or not."""

from __future__ import annotations


__all__ = ["Tally"]


class Tally:
    """Counts what comes from each node, and what is not the next in order.

    Args:
        size: How many nodes there are.
    """

    def __init__(self, size: int) -> None:
        self._expected = [0] * size
        self._received = [0] * size
        self._repeated = [0] * size
        self._skipped = [0] * size

    def take(self, items: list[list[int]]) -> None:
        """Counts items; number `i` of a node is `[node_id, i]`."""
        for node_id, number in items:
            self._received[node_id] += 1
            expected = self._expected[node_id]
            if number == expected:
                self._expected[node_id] = number + 1
            elif number < expected:
                self._repeated[node_id] += 1
            else:
                self._skipped[node_id] += number - expected
                self._expected[node_id] = number + 1

    def result(self) -> dict[str, list[int]]:
        """Returns each count as a list by node."""
        return {
            "received": self._received,
            "repeated": self._repeated,
            "skipped": self._skipped,
        }
