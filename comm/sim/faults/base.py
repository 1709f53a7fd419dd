"""`Fault`: something that goes wrong at a time, as a plain value."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING


if TYPE_CHECKING:
    from comm.sim.machine import MachineCluster


__all__ = ["Fault", "Met", "Pair", "all_pairs", "pairs_of"]

Met = bool | Callable[[], bool]
"""Whether a fault has met with anything to harm; or what tells so, where that remains
to be seen."""

Pair = tuple[int, int]
"""Two nodes, the lower id first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """Something that goes wrong.

    Nodes are named by any whole number, which counts modulo the number of nodes, so
    that a plan can be drawn, and cut down, without regard to the cluster.

    Attributes:
        at_ns: When it begins, in nanoseconds of the world.
        for_ns: How long it lasts; nothing to those that happen in a moment.
    """

    at_ns: int
    for_ns: int = 0

    def begin(self, cluster: MachineCluster) -> Met:
        """Brings it about, and returns whether it met with anything to harm."""
        raise NotImplementedError

    def end(self, cluster: MachineCluster) -> None:
        """Takes back what this very fault has done, if it lasts, and nothing else."""

    def disturbs(self, size: int) -> Iterable[Pair]:
        """Returns the pairs of nodes that it may keep from reaching one another."""
        del size
        return ()

    def unsettles(self, size: int) -> Iterable[int]:
        """Returns the nodes whose clock or process does not run evenly with it."""
        del size
        return ()


def all_pairs(size: int) -> Iterator[Pair]:
    """Yields every two nodes."""
    return combinations(range(size), 2)


def pairs_of(node: int, size: int) -> Iterator[Pair]:
    """Yields a node with each other."""
    node %= size
    return (pair for pair in all_pairs(size) if node in pair)
