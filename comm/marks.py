"""Coverage marks: the rare paths of the core, by name.

A campaign of drawn runs is worth as much as the rare states that it reaches. Each of
them has a mark, and the code on that path says `reached(Mark.…)`. It costs nothing
while nobody counts. The idea is that of TigerBeetle's `marks.zig` and of the code
probes of FoundationDB.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator
from contextlib import contextmanager
from enum import Enum


__all__ = ["Mark", "counted", "reached"]


class Mark(Enum):
    """A rare path. Its value says what has come to pass there."""

    HALF_FRAME = "a link was lost in the middle of a frame"
    BOTH_DIALLED = "both sides had dialled, and one connection gave way"
    SUPERSEDED_LINK = "a new link of the same process took the place of one that stood"
    REPLAYED = "frames were sent again over the next link"
    REPLAYED_PART = "a piece of a large item was sent again over the next link"
    LOST_IN_PARTS = "a producer was lost in the middle of a large item"
    CREDIT_ZERO = "a producer had used its credit to the last byte"
    ITEM_BEYOND_CREDIT = "an item was larger than the credit that was left for it"
    LATE_HELLO = "a HELLO came after a later one of the same process"
    LOST_HERE = "a session was declared lost by this side"
    LOST_THERE = "a session was found to have been given up by the other side"
    RESTARTED = "another incarnation of a node came"
    WELCOMED_BY_THE_PAST = "a superseded incarnation answered"
    REHOMED = "a producer that waited to be accepted asked again in the next session"
    FENCED = "items in doubt were withheld"
    UNFENCED = "items that had been withheld were released"
    DISCARDED = "items in doubt were discarded"
    DISCARDED_IN_HAND = "items that the application had in hand were discarded"
    CLOSED_IN_HAND = "a receiver was closed with items in hand"
    DOUBTED = "another process claimed the id of a node that has a link"
    DOUBTED_LONG = "the answer of a node whose id was claimed was waited for"
    IMPOSTOR_REFUSED = "the node whose id was claimed had answered"
    SUSPENDED = "bytes came after this process had not run for too long"
    STRUCK_OUT = "a node that breaks the protocol again and again was given up"
    EVICTED = "a half-open connection made room for another one"
    REFUSED = "a connection was refused with a reason"
    PARKED = "a receiver found items that had waited for it"
    PARKING_FULL = "no more broadcasts could wait for a receiver"
    LEG_RETURNED = "a broadcast reached a node again that it had lost"
    FANOUT_FULL = "a member of a fan-out waited for a slower one"
    STALE_SENDER = "a sender was refused that an earlier process had made"
    SILENT = "a link was given up because it was silent"


_counts: Counter[Mark] | None = None


def reached(mark: Mark) -> None:
    """Takes note that a rare path was taken."""
    if _counts is not None:
        _counts[mark] += 1


@contextmanager
def counted() -> Generator[Counter[Mark]]:
    """Counts how often each mark is reached, as long as the context lasts.

    A context within another one counts for itself alone.
    """
    global _counts  # noqa: PLW0603 - one process runs one simulation at a time
    outer, counts = _counts, Counter[Mark]()
    _counts = counts
    try:
        yield counts
    finally:
        _counts = outer
