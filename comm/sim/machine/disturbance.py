"""`Disturbances`: when two nodes could reach one another, as the world knows it.

The oracles need it to tell a loss that had to be from one that had not.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from comm.sim.world import World


__all__ = ["Disturbances"]

_Pair = tuple[int, int]


class _Spell:
    """Whether something is amiss, and when it was."""

    __slots__ = ("count", "intervals", "since_ns")

    def __init__(self) -> None:
        self.count = 0
        self.since_ns = 0
        self.intervals: deque[tuple[int, int]] = deque()


class Disturbances:
    """What kept nodes from reaching one another, and from running evenly.

    Args:
        world: The world.
        memory_ns: How far back it can be asked.
    """

    __slots__ = ("_memory_ns", "_nodes", "_pairs", "_world")

    def __init__(self, world: World, memory_ns: int) -> None:
        self._world = world
        self._memory_ns = memory_ns
        self._pairs: dict[_Pair, _Spell] = {}
        self._nodes: dict[int, _Spell] = {}

    def begin(self, pairs: Iterable[_Pair], nodes: Iterable[int] = ()) -> None:
        """Something is amiss between these nodes, and with these ones."""
        for spell in self._spells(pairs, nodes):
            if not spell.count:
                spell.since_ns = self._world.now_ns
            spell.count += 1

    def end(self, pairs: Iterable[_Pair], nodes: Iterable[int] = ()) -> None:
        """It is over."""
        now_ns = self._world.now_ns
        for spell in self._spells(pairs, nodes):
            spell.count -= 1
            if not spell.count:
                spell.intervals.append((spell.since_ns, now_ns))
                while spell.intervals[0][1] < now_ns - self._memory_ns:
                    spell.intervals.popleft()

    def strike(self, pairs: Iterable[_Pair], nodes: Iterable[int] = ()) -> None:
        """Something was amiss for a moment."""
        pairs, nodes = list(pairs), list(nodes)
        self.begin(pairs, nodes)
        self.end(pairs, nodes)

    def calm_ns(self, pair: _Pair, since_ns: int) -> int:
        """Returns the longest time without a disturbance between two nodes, since."""
        assert since_ns >= self._world.now_ns - self._memory_ns
        spell = self._pairs.get(_ordered(pair))
        return _longest_calm(spell, since_ns, self._world.now_ns)

    def was_disturbed(self, pair: _Pair, since_ns: int) -> bool:
        """Tells whether anything was amiss between two nodes at some time since."""
        return self._was_amiss(self._pairs.get(_ordered(pair)), since_ns)

    def was_uneven(self, node: int, since_ns: int) -> bool:
        """Tells whether a node did not run evenly at some time since."""
        return self._was_amiss(self._nodes.get(node), since_ns)

    def _was_amiss(self, spell: _Spell | None, since_ns: int) -> bool:
        assert since_ns >= self._world.now_ns - self._memory_ns
        if spell is None:
            return False
        return bool(spell.count) or spell.intervals[-1][1] >= since_ns

    def _spells(self, pairs: Iterable[_Pair], nodes: Iterable[int]) -> list[_Spell]:
        found = [self._pairs.setdefault(_ordered(pair), _Spell()) for pair in pairs]
        return found + [self._nodes.setdefault(node, _Spell()) for node in nodes]


def _ordered(pair: _Pair) -> _Pair:
    return min(pair), max(pair)


def _longest_calm(spell: _Spell | None, since_ns: int, now_ns: int) -> int:
    if spell is None:
        return now_ns - since_ns
    longest, calm_from = 0, since_ns
    present = [(spell.since_ns, now_ns)] if spell.count else []
    for begin_ns, end_ns in [*spell.intervals, *present]:
        longest = max(longest, begin_ns - calm_from)
        calm_from = max(calm_from, end_ns)
    return max(longest, now_ns - calm_from)
