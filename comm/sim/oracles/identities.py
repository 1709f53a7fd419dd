"""Who is who: a duplicate never steals a live node's traffic (G18), a restarted node
begins anew (G3), and strangers are shown the door (G13)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from comm.events import Event, PeerRestarted, PeerUp
from comm.sim.host import HostState
from comm.sim.oracles.model import Violation
from comm.sim.oracles.oracle import Oracle
from comm.sim.world import seconds


if TYPE_CHECKING:
    from comm.sim.machine import MachineCluster
    from comm.sim.machine.driver import Driver
    from comm.sim.machine.node import Node


__all__ = ["Identities"]

_CALM_S = 3.0
"""How long a node must have been within reach for it to be asked."""


class Identities(Oracle):
    """Knows every process that ever belonged to the cluster."""

    def __init__(self, cluster: MachineCluster) -> None:
        super().__init__(cluster)
        self._known: dict[bytes, int] = {}
        # By process: which incarnation of each other node it met last.
        self._met: dict[tuple[str, int], bytes] = {}

    def started(self, node: Node) -> None:
        """A process belongs to the cluster."""
        self._known[node.incarnation] = node.index

    def event_occurred(self, node: Driver, event: Event) -> None:
        """Whoever is met is one of ours, or comes when ours cannot be asked."""
        if isinstance(event, PeerRestarted):
            self._judge(node, event.node_id, event.new, event.old)
        elif isinstance(event, PeerUp):
            self._judge(node, event.node_id, event.incarnation)
            last = self._met.get((node.name, event.node_id))
            self._met[node.name, event.node_id] = event.incarnation
            if event.resumed and last != event.incarnation:
                raise Violation(
                    "G3",
                    f"{node.name} goes on with another process of node "
                    f"{event.node_id} where the last one ended",
                )

    def audit(self) -> None:
        """No stranger is let stay for longer than a handshake may take."""
        strangers = {s.connection: None for s in self.cluster.strangers if s.is_open}
        if not strangers:
            return
        for node in self.cluster.live:
            if not self._is_even(node):
                continue
            bound_s = node.core.config.handshake_timeout_s + 0.001
            for link in node.links.values():
                endpoint, age_s = link.endpoint, node.now_s - link.begun_s
                if endpoint is None or endpoint.number not in strangers:
                    continue
                if link.is_known and age_s > bound_s:
                    raise Violation(
                        "G13", f"{node.name} lets a stranger stay for {age_s:.3f} s"
                    )

    def _judge(
        self, node: Driver, node_id: int, incarnation: bytes, old: bytes = b""
    ) -> None:
        owner = self._known.get(incarnation)
        if owner == node_id or self.is_tainted(node.index, node_id):
            return
        if owner is not None and self.is_tainted(node.index, owner):
            # What one of ours said of itself was changed on its way.
            self._taint(node.index, node_id)
            return
        if incarnation not in self.cluster.impostors.incarnations:
            raise Violation("G18", f"{node.name} met nobody's process as {node_id}")
        real = self.cluster.nodes[node_id]
        if real is not None and real.incarnation == old and self._is_near(node, real):
            raise Violation(
                "G18",
                f"{node.name} let an impostor take the place of node {node_id}, which "
                "was there to be asked",
            )
        # What is meant for the real one may go to the impostor from now on.
        self._taint(node.index, node_id)

    def _taint(self, first: int, second: int) -> None:
        self.cluster.tainted[min(first, second), max(first, second)] = None

    def _is_near(self, node: Driver, real: Node) -> bool:
        since_ns = self.cluster.world.now_ns - seconds(_CALM_S)
        pair, disturbances = (node.index, real.index), self.cluster.disturbances
        if disturbances.was_disturbed(pair, since_ns):
            return False
        runs = real.host.state is HostState.RUNNING
        return runs and self._is_even(node) and self._is_even(real)

    def _is_even(self, node: Driver) -> bool:
        since_ns = self.cluster.world.now_ns - seconds(2 * _CALM_S)
        uneven = self.cluster.disturbances.was_uneven(node.index, since_ns)
        return not uneven and not node.host.waiting
