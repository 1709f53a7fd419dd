"""Leaving: the others are told, and nothing is left (G14)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from comm.events import Event, PeerDown
from comm.sim.oracles.model import Violation
from comm.sim.oracles.oracle import Oracle
from comm.sim.world import SECOND


if TYPE_CHECKING:
    from comm.sim.machine import MachineCluster
    from comm.sim.machine.driver import Driver
    from comm.sim.machine.node import Node


__all__ = ["Leaving"]

_ENDED_IN_ORDER = "the other side closed the connection"


class Leaving(Oracle):
    """A switchboard that was closed has said so, and neither wants nor has anything."""

    def __init__(self, cluster: MachineCluster) -> None:
        super().__init__(cluster)
        # By node: when it left last.
        self._left_ns: dict[int, int] = {}

    def left(self, node: Node) -> None:
        """The others will learn of it."""
        self._left_ns[node.index] = self.cluster.world.now_ns

    def event_occurred(self, node: Driver, event: Event) -> None:
        """A connection that ends in order has brought its goodbye before."""
        if not isinstance(event, PeerDown) or event.reason != _ENDED_IN_ORDER:
            return
        now_ns = self.cluster.world.now_ns
        left_ns = self._left_ns.get(event.node_id, now_ns)
        # Later than that, what was not read in time may have been cut off.
        if not 0 < now_ns - left_ns < SECOND:
            return
        pair = (node.index, event.node_id)
        if not self.cluster.disturbances.was_disturbed(pair, left_ns):
            raise Violation(
                "G14", f"{node.name} was not told that node {event.node_id} has left"
            )

    def ended(self) -> None:
        """Looks at every process that has left."""
        for node in self.cluster.live:
            if node.is_left:
                self._check(node)

    def _check(self, node: Node) -> None:
        core = node.core
        if core.next_timeout() is not None:
            raise Violation(
                "G14", f"{node.name} has left, and waits for {core.next_timeout()}"
            )
        if node.links:
            raise Violation("G14", f"{node.name} has left, and keeps {node.links}")
        if core.undelivered():
            raise Violation("G14", f"{node.name} has left with {core.undelivered()}")
        open_ends = self.cluster.network.ends_at(node.host)
        if any(end.is_open for end in open_ends):
            raise Violation("G14", f"{node.name} has left, and sockets are open")
