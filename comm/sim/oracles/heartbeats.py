"""Links that are given up: G12."""

from __future__ import annotations

from typing import TYPE_CHECKING

from comm.events import Event, PeerDown
from comm.sim.oracles.model import Violation
from comm.sim.oracles.oracle import Oracle
from comm.sim.world import seconds


if TYPE_CHECKING:
    from comm.sim.machine import MachineCluster
    from comm.sim.machine.driver import Driver
    from comm.sim.machine.link import NodeLink


__all__ = ["Heartbeats"]

_SLACK_S = 0.001

_LONG_TAIL = 8
"""No latency is longer than its mean by more than that many times."""


class Heartbeats(Oracle):
    """A link is called silent when it was, and none is kept that is."""

    def __init__(self, cluster: MachineCluster) -> None:
        super().__init__(cluster)
        # The nodes that have just said that a link was silent, and will abort it.
        self._silent: dict[str, None] = {}

    def event_occurred(self, node: Driver, event: Event) -> None:
        """A node says that a link was silent for too long."""
        if isinstance(event, PeerDown) and event.reason.startswith("silent"):
            self._silent[node.name] = None

    def link_aborted(self, node: Driver, link: NodeLink) -> None:
        """Nothing had come over a link that is called silent."""
        if node.name not in self._silent:
            return
        del self._silent[node.name]
        silent_s = node.now_s - link.heard_s
        bound_s = node.core.config.silence_s_max
        if silent_s < bound_s - _SLACK_S:
            raise Violation(
                "G12",
                f"{node.name} gave up a link as silent {silent_s:.3f} s after bytes "
                f"had come over it; {bound_s:g} s is the bound",
            )
        if self._was_calm(node, link):
            raise Violation(
                "G12",
                f"{node.name} gave up a link as silent, and nothing kept the other "
                "side from being heard",
            )

    def audit(self) -> None:
        """No link is kept that was silent for longer than the bound."""
        for node in self.cluster.live:
            if self._is_uneven(node):
                continue
            config = node.core.config
            bound_s = max(config.silence_s_max, config.handshake_timeout_s) + _SLACK_S
            now_s = node.now_s
            for link in node.links.values():
                silent_s = now_s - link.heard_s
                if silent_s > bound_s and link.is_known:
                    raise Violation(
                        "G12",
                        f"{node.name} keeps link {link.link}, over which nothing came "
                        f"for {silent_s:.3f} s; {bound_s:g} s is the bound",
                    )

    def _was_calm(self, node: Driver, link: NodeLink) -> bool:
        """Whether two healthy processes had a healthy link for all that time."""
        cluster, endpoint = self.cluster, link.endpoint
        if endpoint is None:
            return False
        far = endpoint.far.host
        if far.index >= len(cluster) or self.is_tainted(node.index, far.index):
            return False
        if not self._is_quick(node, far.index):
            return False
        bound_ns = seconds(2 * node.core.config.silence_s_max)
        since_ns = cluster.world.now_ns - bound_ns
        is_uneven = any(
            cluster.disturbances.was_uneven(index, since_ns)
            for index in (node.index, far.index)
        )
        pair = (node.index, far.index)
        return not (is_uneven or cluster.disturbances.was_disturbed(pair, since_ns))

    def _is_quick(self, node: Driver, peer: int) -> bool:
        """Whether an answer always comes within a fraction of the time-out."""
        conditions = self.cluster.network.path(node.index, peer).conditions
        latency = conditions.latency
        longest_ns = latency.base_ns + _LONG_TAIL * latency.spread_ns
        is_free = conditions.bytes_per_s is None and not conditions.loss_permille
        return is_free and 8 * longest_ns < seconds(
            node.core.config.heartbeat_timeout_s
        )

    def _is_uneven(self, node: Driver) -> bool:
        bound_ns = seconds(2 * node.core.config.silence_s_max)
        since_ns = self.cluster.world.now_ns - bound_ns
        uneven = self.cluster.disturbances.was_uneven(node.index, since_ns)
        return uneven or node.host.waiting > 0
