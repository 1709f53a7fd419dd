"""Faults that befall connections while they are made."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from comm.sim.faults.base import Fault, Pair, pairs_of
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
        return _raise(cluster.network.refusing, self.node % len(cluster))

    def end(self, cluster: MachineCluster) -> None:
        """Accepts them again."""
        _lower(cluster.network.refusing, self.node % len(cluster))


@dataclass(frozen=True, slots=True, kw_only=True)
class SwallowConnections(_NodeFault):
    """Has a node's machine give no answer to connections."""

    def begin(self, cluster: MachineCluster) -> bool:
        """Swallows them."""
        return _raise(cluster.network.swallowing, self.node % len(cluster))

    def end(self, cluster: MachineCluster) -> None:
        """Answers them again."""
        _lower(cluster.network.swallowing, self.node % len(cluster))


@dataclass(frozen=True, slots=True, kw_only=True)
class FailNames(_NodeFault):
    """Has a node resolve no names, so that it can make no connection."""

    def begin(self, cluster: MachineCluster) -> bool:
        """Resolves none."""
        return _raise(cluster.network.unresolvable, self.node % len(cluster))

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
        """Limits them."""
        cluster.network.backlogs[self.node % len(cluster)] = self.backlog
        return True

    def end(self, cluster: MachineCluster) -> None:
        """Limits them no more."""
        cluster.network.backlogs.pop(self.node % len(cluster), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReorderConnections(Fault):
    """Holds up every other request to connect, so that later ones overtake it.

    Attributes:
        delay_ns: For how long.
    """

    delay_ns: int

    def begin(self, cluster: MachineCluster) -> bool:
        """Installs the rule."""
        cluster.weather.hold(self, _EveryOther(self.delay_ns))
        return True

    def end(self, cluster: MachineCluster) -> None:
        """Removes it."""
        cluster.weather.drop(self)


class _EveryOther:
    def __init__(self, delay_ns: int) -> None:
        self._delay_ns = delay_ns
        self._count = 0

    def __call__(self, packet: Packet) -> Deliver | Pass:
        if packet.kind is not PacketKind.CONNECT:
            return PASS
        self._count += 1
        return Deliver(self._delay_ns) if self._count % 2 else PASS


def _raise(counts: dict[int, int], node: int) -> bool:
    counts[node] = counts.get(node, 0) + 1
    return True


def _lower(counts: dict[int, int], node: int) -> None:
    counts[node] = counts.get(node, 0) - 1
    if counts[node] <= 0:
        del counts[node]
