"""Why something is lost: G1 says that it needs a cause that outlasts the window."""

from __future__ import annotations

from typing import TYPE_CHECKING

from comm.sim.oracles.losses import Losses
from comm.sim.oracles.model import Violation
from comm.sim.oracles.oracle import Oracle
from comm.sim.world import seconds


if TYPE_CHECKING:
    from comm.sim.machine import MachineCluster
    from comm.sim.machine.node import Node
    from comm.sim.machine.sink import Sink
    from comm.sim.machine.source import Source


__all__ = ["Causes"]

_SLACK_S = 3.0
"""For latencies, retransmissions and turns that have to be waited for."""


class Causes(Oracle):
    """Holds every loss against what the world knows to have gone wrong.

    Args:
        cluster: The cluster.
        losses: What was reported as lost.
    """

    def __init__(self, cluster: MachineCluster, losses: Losses) -> None:
        super().__init__(cluster)
        self._gone: dict[str, None] = {}
        self._closed: dict[int, None] = {}
        losses.listen(self._judge)

    def died(self, node: Node) -> None:
        """What is sent to this process is lost."""
        self._gone[node.name] = None

    def left(self, node: Node) -> None:
        """Likewise; and what it has not delivered itself."""
        self._gone[node.name] = None

    def sink_closed(self, sink: Sink) -> None:
        """What is sent to this receiver is lost."""
        self._closed[sink.name] = None

    def _judge(self, source: Source, node_id: int, items: range) -> None:
        if source.is_aborted or source.node.name in self._gone:
            return
        here = source.node.index
        if here == node_id and not source.is_broadcast:
            is_excused = self._is_closed(source, node_id)
        else:
            is_excused = (
                self._is_closed(source, node_id)
                or self._has_died(node_id)
                or self._was_cut_off(here, node_id)
                or self.is_tainted(here, node_id)
            )
        if not is_excused:
            raise Violation(
                "G1",
                f"source {source.name} on {source.node.name} lost {items} on their way "
                f"to node {node_id}, and nothing was wrong for long enough: "
                f"{source.error}",
            )

    def _is_closed(self, source: Source, node_id: int) -> bool:
        return any(
            sink.name in self._closed
            and sink.node.index == node_id
            and sink.channel == source.channel
            for sink in self.cluster.sinks
        )

    def _has_died(self, node_id: int) -> bool:
        host = self.cluster.hosts[node_id]
        return host.incarnation > 0 or any(
            name.startswith(f"{host.name}.") for name in self._gone
        )

    def _was_cut_off(self, here: int, there: int) -> bool:
        """Whether two nodes had no chance to find each other within the window."""
        config = self.cluster.config
        window_s = min(config(here).resume_window_s, config(there).resume_window_s)
        patience_s = _SLACK_S + sum(
            config(node).handshake_timeout_s + 2 * config(node).connect_backoff_s[1]
            for node in (here, there)
        )
        since_ns = self.cluster.world.now_ns - seconds(window_s)
        calm_ns = self.cluster.disturbances.calm_ns((here, there), max(0, since_ns))
        return calm_ns < min(seconds(patience_s), seconds(window_s))
