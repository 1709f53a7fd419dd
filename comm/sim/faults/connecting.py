"""Faults that befall connections while they are made."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from comm.sim.faults.base import Fault, Met, Pair, all_pairs, pairs_of
from comm.sim.network import PASS, Deliver, Packet, PacketKind, Pass


if TYPE_CHECKING:
    from comm.sim.machine import MachineCluster


__all__ = [
    "FailNames",
    "FillBacklog",
    "RefuseConnections",
    "ReorderConnections",
    "SwallowConnections",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class _NodeFault(Fault):
    """A fault of all connections to, or from, one node.

    Attributes:
        node: The node.
    """

    node: int

    def disturbs(self, size: int) -> Iterable[Pair]:
        """Returns the pairs of the node."""
        return pairs_of(self.node, size)


@dataclass(frozen=True, slots=True, kw_only=True)
class RefuseConnections(_NodeFault):
    """Has a node's machine refuse connections, although the node listens."""

    def begin(self, cluster: MachineCluster) -> bool:
        """Refuses them."""
        _raise(cluster.network.refusing, self.node % len(cluster))
        return _listens(cluster, self.node)

    def end(self, cluster: MachineCluster) -> None:
        """Accepts them again."""
        _lower(cluster.network.refusing, self.node % len(cluster))


@dataclass(frozen=True, slots=True, kw_only=True)
class SwallowConnections(_NodeFault):
    """Has a node's machine give no answer to connections."""

    def begin(self, cluster: MachineCluster) -> bool:
        """Swallows them."""
        index = self.node % len(cluster)
        _raise(cluster.network.swallowing, index)
        return not cluster.hosts[index].is_dark

    def end(self, cluster: MachineCluster) -> None:
        """Answers them again."""
        _lower(cluster.network.swallowing, self.node % len(cluster))


@dataclass(frozen=True, slots=True, kw_only=True)
class FailNames(_NodeFault):
    """Has a node resolve no names, so that it can make no connection."""

    def begin(self, cluster: MachineCluster) -> bool:
        """Resolves none."""
        index = self.node % len(cluster)
        _raise(cluster.network.unresolvable, index)
        return cluster.hosts[index].is_alive

    def end(self, cluster: MachineCluster) -> None:
        """Resolves them again."""
        _lower(cluster.network.unresolvable, self.node % len(cluster))


@dataclass(frozen=True, slots=True, kw_only=True)
class FillBacklog(_NodeFault):
    """Lets fewer connections wait to be accepted at a node than it wants.

    Attributes:
        backlog: How many.
    """

    backlog: int = 0

    def begin(self, cluster: MachineCluster) -> bool:
        """Limits them; the lowest limit counts."""
        cluster.claims.add(self, ("backlog", self.node % len(cluster)), self.backlog)
        self._settle(cluster)
        return _listens(cluster, self.node)

    def end(self, cluster: MachineCluster) -> None:
        """Limits them no more than they would be without."""
        cluster.claims.drop(self)
        self._settle(cluster)

    def _settle(self, cluster: MachineCluster) -> None:
        index, backlogs = self.node % len(cluster), cluster.network.backlogs
        backlogs.pop(index, None)
        limits = cluster.claims.of(("backlog", index))
        if limits:
            backlogs[index] = min(limits)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReorderConnections(Fault):
    """Holds up every other packet by which connections are made, be it a request or
    its answer, so that later ones overtake it.

    Attributes:
        delay_ns: For how long.
    """

    delay_ns: int

    def begin(self, cluster: MachineCluster) -> Met:
        """Installs the rule; it has met something once it holds a packet up."""
        rule = _EveryOther(self.delay_ns)
        cluster.weather.hold(self, rule)
        return rule.has_met

    def end(self, cluster: MachineCluster) -> None:
        """Removes it."""
        cluster.weather.drop(self)

    def disturbs(self, size: int) -> Iterable[Pair]:
        """Returns all pairs: what is held up may come too late."""
        return all_pairs(size)


class _EveryOther:
    def __init__(self, delay_ns: int) -> None:
        self._delay_ns = delay_ns
        self._count = 0

    def __call__(self, packet: Packet) -> Deliver | Pass:
        if packet.kind is not PacketKind.CONNECT:
            return PASS
        self._count += 1
        return Deliver(self._delay_ns) if self._count % 2 else PASS

    def has_met(self) -> bool:
        """Whether a packet was held up."""
        return self._count > 0


def _listens(cluster: MachineCluster, node: int) -> bool:
    address = cluster.addresses[node % len(cluster)]
    return cluster.network.listener_at(address) is not None


def _raise(counts: dict[int, int], node: int) -> None:
    counts[node] = counts.get(node, 0) + 1


def _lower(counts: dict[int, int], node: int) -> None:
    counts[node] = counts.get(node, 0) - 1
    if counts[node] <= 0:
        del counts[node]
