"""Small tools that have no layer of their own: backoff, timers, fingerprints."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from enum import Enum
import hashlib
from itertools import chain
from typing import Any, cast

from sortedcontainers import SortedList


__all__ = ["Backoff", "TimerKey", "Timers", "fingerprint"]

TimerKey = tuple[str, int]
"""What a timer is for, and which link or node it is for."""


class Backoff:
    """Pauses between attempts: each twice the one before, up to a limit.

    Args:
        first_s: The first pause, in seconds.
        longest_s: The longest pause, in seconds.
    """

    __slots__ = ("_first_s", "_longest_s", "_next_s")

    def __init__(self, first_s: float, longest_s: float) -> None:
        self._first_s = first_s
        self._longest_s = longest_s
        self._next_s = first_s

    def next_pause_s(self, jitter: float) -> float:
        """Returns how long to wait now, between half and the whole of the pause.

        Args:
            jitter: A drawn number, 0 to 1; it keeps nodes from acting in step.
        """
        pause_s = self._next_s
        self._next_s = min(2 * pause_s, self._longest_s)
        return pause_s * (0.5 + 0.5 * jitter)

    def reset(self) -> None:
        """Begins again with the first pause."""
        self._next_s = self._first_s


class Timers:
    """Named deadlines; each name has at most one.

    Setting and cancelling cost O(log n), and the earliest is known at once.
    """

    __slots__ = ("_deadlines", "_earliest", "_order")

    def __init__(self) -> None:
        self._deadlines: dict[TimerKey, float] = {}
        self._order: SortedList[tuple[float, TimerKey]] = SortedList()
        # The first of the order, for which every step asks.
        self._earliest: tuple[float, TimerKey] | None = None

    def set(self, key: TimerKey, at: float) -> None:
        """Sets the deadline of `key`, in place of the one it had."""
        self.cancel(key)
        self._deadlines[key] = at
        entry = (at, key)
        self._order.add(entry)
        if self._earliest is None or entry < self._earliest:
            self._earliest = entry

    def set_default(self, key: TimerKey, at: float) -> None:
        """Sets the deadline of `key` unless it has one."""
        if key not in self._deadlines:
            self.set(key, at)

    def cancel(self, key: TimerKey) -> None:
        """Removes the deadline of `key`, if it has one."""
        at = self._deadlines.pop(key, None)
        if at is not None:
            self._remove((at, key))

    def next(self) -> tuple[float, TimerKey] | None:
        """Returns the earliest deadline and its name; None if there is none."""
        return self._earliest

    def pop_due(self, now: float) -> TimerKey | None:
        """Removes and returns the name of a deadline that is not after `now`."""
        earliest = self._earliest
        if earliest is None or earliest[0] > now:
            return None
        del self._deadlines[earliest[1]]
        self._remove(earliest)
        return earliest[1]

    def __contains__(self, key: object) -> bool:
        return key in self._deadlines

    def _remove(self, entry: tuple[float, TimerKey]) -> None:
        order = self._order
        order.remove(entry)
        if entry == self._earliest:
            self._earliest = order[0] if order else None


def fingerprint(root: object, ignored: frozenset[str] = frozenset()) -> str:
    """Returns a digest of everything that can be reached from `root`.

    Two object graphs have the same digest exactly when they have the same shape and
    the same plain values; where their objects lie in memory plays no part.

    Args:
        root: Where to start.
        ignored: Names of attributes that are not followed.
    """
    digest = hashlib.blake2b(digest_size=16)
    numbers: dict[int, int] = {}
    # A stack instead of recursion: graphs of links and channels are deep.
    pending: list[Any] = [root]
    while pending:
        value = pending.pop()
        if value is None or isinstance(value, (bool, int, float, str, bytes, Enum)):
            # No repr contains a zero byte, so that it is clear where each ends.
            digest.update(f"{value!r}\0".encode())
            continue
        number = numbers.setdefault(id(value), len(numbers))
        digest.update(f"{type(value).__name__}@{number}\0".encode())
        if number == len(numbers) - 1:
            parts = list(_parts(value, ignored))
            digest.update(f"{len(parts)}\0".encode())
            pending.extend(reversed(parts))
    return digest.hexdigest()


def _parts(root: object, ignored: frozenset[str]) -> Iterable[object]:
    value = cast("Any", root)
    if isinstance(root, Mapping):
        yield from chain.from_iterable(value.items())
    elif isinstance(root, (list, tuple, deque, SortedList)):
        yield from value
    elif isinstance(root, (set, frozenset)):
        yield from sorted(value)
    elif not callable(root):
        for name in _attribute_names(root):
            if name not in ignored:
                yield name
                yield getattr(root, name, None)


def _attribute_names(value: object) -> list[str]:
    names: set[str] = set(getattr(value, "__dict__", ()))
    for cls in type(value).__mro__:
        slots: str | Iterable[str] = cls.__dict__.get("__slots__", ())
        names.update((slots,) if isinstance(slots, str) else slots)
    names.discard("__weakref__")
    return sorted(names)
