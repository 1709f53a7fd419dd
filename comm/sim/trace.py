"""`Trace`: everything that happened in a simulation, line by line, and its digest.

A line says when, where and what. All lines together are hashed as they come, so that
two runs can be told to be the same without keeping them; a trace that records keeps
the lines too, and which line each of them followed from.
"""

from __future__ import annotations

from dataclasses import dataclass
import hashlib


__all__ = ["Difference", "Trace"]

_BLOCK_LINES = 512
"""How many lines are hashed at a time: a call of the hash costs more than a line."""


class Trace:
    """The history of one run.

    Args:
        records: Whether to keep the lines.

    Attributes:
        count: How many lines there are.
        cause: The number of the line that the present one follows from; -1 if it has
            no cause within the run. Whoever carries out an event sets it.
    """

    __slots__ = ("_block", "_causes", "_hash", "_lines", "_records", "cause", "count")

    def __init__(self, *, records: bool = False) -> None:
        self.count = 0
        self.cause = -1
        self._records = records
        self._block: list[str] = []
        self._hash = hashlib.blake2b(digest_size=16)
        self._lines: list[str] = []
        self._causes: list[int] = []

    def note(self, time_ns: int, place: str, text: str) -> None:
        """Adds a line.

        Args:
            time_ns: The world's time.
            place: The host at which it happened, or what else it belongs to.
            text: What happened; one line.
        """
        line = f"{time_ns} {place} {text}"
        self._block.append(line)
        if self._records:
            self._lines.append(line)
            self._causes.append(self.cause)
        self.count = count = self.count + 1
        if not count % _BLOCK_LINES:
            self._hash_block()

    @property
    def digest(self) -> str:
        """The digest of all lines so far."""
        self._hash_block()
        return self._hash.hexdigest()

    @property
    def lines(self) -> tuple[str, ...]:
        """The lines, if it records."""
        return tuple(self._lines)

    def cause_of(self, number: int) -> int:
        """Returns the number of the line that one follows from; -1 if there is none."""
        return self._causes[number]

    def causes(self, number: int) -> list[str]:
        """Returns the lines that led to the one of that number, the nearest first."""
        chain: list[str] = []
        while 0 <= (number := self._causes[number]) < len(self._lines):
            chain.append(self._lines[number])
        return chain

    def difference(self, other: Trace) -> Difference | None:
        """Returns where two recorded traces part; None if they are the same.

        Raises:
            ValueError: If one of them does not record.
        """
        if not (self._records and other._records):
            raise ValueError("only traces that record their lines can be compared")
        pairs = zip(self._lines, other._lines, strict=False)
        common = min(self.count, other.count)
        first = next((i for i, (a, b) in enumerate(pairs) if a != b), common)
        if first == self.count == other.count:
            return None
        return Difference(first, self._at(first), other._at(first))

    def _at(self, number: int) -> tuple[str, ...]:
        if number >= len(self._lines):
            return ("(the end)",)
        return (self._lines[number], *self.causes(number))

    def _hash_block(self) -> None:
        if self._block:
            self._hash.update(("\n".join(self._block) + "\n").encode())
            self._block.clear()


@dataclass(frozen=True, slots=True)
class Difference:
    """Where two runs that should be the same part.

    Attributes:
        number: The number of the first line that differs.
        first: That line of the one run, and then what led to it, the nearest first.
        second: The same of the other.
    """

    number: int
    first: tuple[str, ...]
    second: tuple[str, ...]

    def __str__(self) -> str:
        return (
            f"line {self.number} differs:\n"
            f"  one run:   {_chain(self.first)}\n"
            f"  the other: {_chain(self.second)}"
        )


def _chain(lines: tuple[str, ...], limit: int = 6) -> str:
    return "\n      because of ".join(lines[:limit])
