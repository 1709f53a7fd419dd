"""Faults of single connections."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from comm.sim.faults.base import Fault, Met, Pair
from comm.sim.machine.tampering import Truncation


if TYPE_CHECKING:
    from comm.sim.machine import MachineCluster


__all__ = ["CutLink", "HalfOpenLink", "SilenceLink", "TruncateLink"]


@dataclass(frozen=True, slots=True, kw_only=True)
class _LinkFault(Fault):
    """A fault of the connections between two nodes.

    Attributes:
        a: One node.
        b: The other.
    """

    a: int
    b: int

    def nodes(self, size: int) -> Pair:
        """Returns the two nodes, in their order."""
        return self.a % size, self.b % size

    def disturbs(self, size: int) -> Iterable[Pair]:
        """Returns the two nodes, if they are two."""
        a, b = self.nodes(size)
        return () if a == b else ((min(a, b), max(a, b)),)


@dataclass(frozen=True, slots=True, kw_only=True)
class CutLink(_LinkFault):
    """Resets every connection between two nodes; what was under way is lost."""

    def begin(self, cluster: MachineCluster) -> bool:
        """Cuts."""
        return cluster.cut(*self.nodes(len(cluster)), how="reset") > 0


@dataclass(frozen=True, slots=True, kw_only=True)
class SilenceLink(_LinkFault):
    """Lets every connection between two nodes die without a word to either, as a
    gateway does that has forgotten them."""

    def begin(self, cluster: MachineCluster) -> bool:
        """Cuts."""
        return cluster.cut(*self.nodes(len(cluster)), how="silent") > 0


@dataclass(frozen=True, slots=True, kw_only=True)
class HalfOpenLink(_LinkFault):
    """Breaks every connection between two nodes such that `a` alone learns of it."""

    def begin(self, cluster: MachineCluster) -> bool:
        """Cuts."""
        return cluster.cut(*self.nodes(len(cluster)), how="half") > 0


@dataclass(frozen=True, slots=True, kw_only=True)
class TruncateLink(_LinkFault):
    """Lets `offset` bytes more arrive from `a` at `b`, and resets the connection in
    the middle of whatever comes then, however late that is.

    Attributes:
        offset: How many bytes.
    """

    offset: int

    def begin(self, cluster: MachineCluster) -> Met:
        """Arms it; it has met something once it cuts."""
        a, b = self.nodes(len(cluster))
        if a == b:
            return False
        truncation = Truncation(a, b, self.offset)
        cluster.tampering.add(truncation)
        return lambda: truncation.is_done
