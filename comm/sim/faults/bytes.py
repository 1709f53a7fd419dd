"""Faults of bytes, and of those who send them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from comm.sim.faults.base import Fault, Met, Pair, pairs_of
from comm.sim.machine.strangers import MANNERS, Stranger
from comm.sim.machine.tampering import Corruption, OtherVersion


if TYPE_CHECKING:
    from comm.sim.machine import MachineCluster


__all__ = ["Corrupt", "Impersonate", "Intrude", "MixVersions"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Corrupt(Fault):
    """Flips a bit of what arrives next from one node at another, which TCP's checksum
    does not notice. The promises do not hold between the two any more, and must for
    all others.

    Attributes:
        source: From which node.
        target: At which.
        bit: Which bit.
    """

    source: int
    target: int
    bit: int

    def begin(self, cluster: MachineCluster) -> Met:
        """Arms it; it has met something once a bit is flipped."""
        size = len(cluster)
        source, target = self.source % size, self.target % size
        if source == target:
            return False
        corruption = Corruption(source, target, self.bit)
        cluster.tampering.add(corruption)
        cluster.tainted[min(source, target), max(source, target)] = None
        return lambda: corruption.is_done

    def disturbs(self, size: int) -> Iterable[Pair]:
        """Returns the two nodes."""
        a, b = self.source % size, self.target % size
        return () if a == b else ((min(a, b), max(a, b)),)


@dataclass(frozen=True, slots=True, kw_only=True)
class Intrude(Fault):
    """Has strangers connect to a node.

    Attributes:
        node: The node.
        manner: How they behave: a number for one of `MANNERS`.
        count: How many they are.
        seed: What their bytes depend on.
    """

    node: int
    manner: int = 0
    count: int = 1
    seed: int = 0

    def begin(self, cluster: MachineCluster) -> Met:
        """Connects; it has met something once a connection stands."""
        target = self.node % len(cluster)
        manner = list(MANNERS)[self.manner % len(MANNERS)]
        numbers = range(self.seed, self.seed + self.count)
        strangers = [Stranger(cluster, target, manner, number) for number in numbers]
        cluster.strangers += strangers
        return lambda: any(one.opened_ns is not None for one in strangers)


@dataclass(frozen=True, slots=True, kw_only=True)
class MixVersions(Fault):
    """Lets a node speak another version of the protocol in new connections.

    Attributes:
        node: The node.
        version: The version.
    """

    node: int
    version: int = 9

    def begin(self, cluster: MachineCluster) -> Met:
        """Speaks it; it has met something once it was said."""
        node = self.node % len(cluster)
        tamper = OtherVersion(node, self.version)
        cluster.tampering.add(tamper)
        cluster.claims.add(self, ("version", node), tamper)
        return lambda: tamper.is_said

    def end(self, cluster: MachineCluster) -> None:
        """Speaks as the others do."""
        cluster.tampering.remove(cluster.claims.drop(self))

    def disturbs(self, size: int) -> Iterable[Pair]:
        """Returns the pairs of the node."""
        return pairs_of(self.node, size)


@dataclass(frozen=True, slots=True, kw_only=True)
class Impersonate(Fault):
    """Has a second process claim a node's id, and dial all others.

    Attributes:
        node: The node.
    """

    node: int

    def begin(self, cluster: MachineCluster) -> bool:
        """Starts the process."""
        cluster.impostors.begin(self, self.node % len(cluster))
        return len(cluster) > 1

    def end(self, cluster: MachineCluster) -> None:
        """Ends it."""
        cluster.impostors.end(self)
