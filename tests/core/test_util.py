"""Backoff, timers and fingerprints."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from enum import Enum
from typing import Any

import pytest
from sortedcontainers import SortedList

from comm.util import Backoff, Timers, fingerprint


class Colour(Enum):
    RED = "red"


class Slotted:
    __slots__ = ("__weakref__", "name", "other")

    def __init__(self, name: str, other: object = None) -> None:
        self.name = name
        self.other = other


class Single:
    __slots__ = "only"  # noqa: PLC0205  # which Python takes for a tuple of one


@dataclass
class Plain:
    name: str
    other: object = None


def test_pauses_double_up_to_the_longest() -> None:
    """Each pause is twice the last one, never above the longest, until a reset."""
    backoff = Backoff(0.1, 0.5)
    assert [backoff.next_pause_s(1.0) for _ in range(5)] == [0.1, 0.2, 0.4, 0.5, 0.5]
    backoff.reset()
    assert backoff.next_pause_s(1.0) == 0.1


@pytest.mark.parametrize(("jitter", "pause_s"), [(0.0, 0.5), (0.5, 0.75), (1.0, 1.0)])
def test_jitter_shortens_a_pause_by_half_at_most(jitter: float, pause_s: float) -> None:
    """What is drawn decides between half the pause and all of it."""
    assert Backoff(1.0, 8.0).next_pause_s(jitter) == pause_s


def test_timers_come_due_in_order() -> None:
    """The earliest comes first, and none before its time."""
    timers = Timers()
    assert timers.next() is None
    assert timers.pop_due(100.0) is None
    timers.set(("b", 1), 2.0)
    timers.set(("a", 1), 1.0)
    assert timers.next() == (1.0, ("a", 1))
    assert timers.pop_due(0.9) is None
    assert timers.pop_due(2.0) == ("a", 1)
    assert timers.pop_due(2.0) == ("b", 1)
    assert timers.next() is None


def test_a_name_has_one_deadline() -> None:
    """Setting replaces the deadline, a default does not, cancelling removes it."""
    timers = Timers()
    timers.set(("a", 1), 1.0)
    timers.set(("a", 1), 5.0)
    timers.set_default(("a", 1), 2.0)
    timers.set_default(("a", 2), 7.0)
    assert timers.next() == (5.0, ("a", 1))
    assert ("a", 1) in timers
    timers.cancel(("a", 1))
    timers.cancel(("a", 1))
    assert ("a", 1) not in timers
    assert timers.next() == (7.0, ("a", 2))


def graphs() -> list[object]:
    return [
        [1, 2.5, "x", b"y", None, True, Colour.RED],
        {"a": [1], "b": (2, deque([3]))},
        {3, 1, 2},
        frozenset({"a"}),
        SortedList([3, 1]),
        Slotted("a", Plain("b", [Single()])),
        print,
    ]


def test_equal_graphs_have_equal_fingerprints() -> None:
    """Where the objects lie in memory plays no part."""
    for one, other in zip(graphs(), graphs(), strict=True):
        assert fingerprint(one) == fingerprint(other)


DIFFERENT: list[tuple[object, object]] = [
    ([1, 23], [12, 3]),
    (["a", "b"], ["a", "c"]),
    ([[1], 2], [[1, 2]]),
    ([], ()),
    ({"a": 1}, {"a": 2}),
    ({"a": 1, "b": 2}, {"b": 2, "a": 1}),
    ({1, 2}, {1, 3}),
    (Slotted("a"), Slotted("b")),
    (Plain("a"), Slotted("a")),
    (1, True),
    (b"a", "a"),
]


@pytest.mark.parametrize(("one", "other"), DIFFERENT)
def test_different_graphs_have_different_fingerprints(one: Any, other: Any) -> None:
    """Each value, each type, and where each part ends counts."""
    assert fingerprint(one) != fingerprint(other)


def test_a_shared_object_differs_from_two_alike() -> None:
    """The shape counts: who shares a part will see the same changes."""
    shared = [1]
    assert fingerprint([shared, shared]) != fingerprint([[1], [1]])


def test_a_cycle_has_a_fingerprint() -> None:
    """Objects that lead to one another come to an end."""
    first = Slotted("a")
    first.other = Slotted("b", first)
    second = Slotted("a")
    second.other = Slotted("b", second)
    assert fingerprint(first) == fingerprint(second)


def test_ignored_attributes_play_no_part() -> None:
    """Attributes of these names are not looked at."""
    ignored = frozenset({"other"})
    assert fingerprint(Plain("a", 1), ignored) == fingerprint(Plain("a", 2), ignored)
    assert fingerprint(Plain("a", 1), ignored) != fingerprint(Plain("b", 1), ignored)
