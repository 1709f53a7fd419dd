"""Why something is lost: G1 says that it needs a cause that outlasts the window."""

from __future__ import annotations

from typing import TYPE_CHECKING

from comm.events import Event, PeerUp
from comm.sim.oracles.losses import Losses
from comm.sim.oracles.model import Violation
from comm.sim.oracles.oracle import Oracle
from comm.sim.world import seconds


if TYPE_CHECKING:
    from comm.sim.machine import MachineCluster
    from comm.sim.machine.driver import Driver
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
        # The processes that are gone, or have left.
        self._gone: dict[bytes, None] = {}
        # By process and node: which process of the node it has met last.
        self._met: dict[tuple[str, int], bytes] = {}
        # When each sink was closed.
        self._closed_ns: dict[int, int] = {}
        # How many items of each source are known to be delivered.
        self._flushed: dict[int, int] = {}
        losses.listen(self._judge)

    def died(self, node: Node) -> None:
        """What is sent to this process is lost."""
        self._gone[node.incarnation] = None

    def left(self, node: Node) -> None:
        """Likewise; and what it has not delivered itself."""
        self._gone[node.incarnation] = None

    def event_occurred(self, node: Driver, event: Event) -> None:
        """What a process sends goes to the process that it has met last."""
        if isinstance(event, PeerUp):
            self._met[node.name, event.node_id] = event.incarnation

    def source_flushed(self, source: Source, count: int) -> None:
        """What is delivered is lost with its receiver alone."""
        self._flushed[source.name] = count

    def sink_closed(self, sink: Sink) -> None:
        """What is sent to this receiver is lost."""
        self._closed_ns[sink.name] = self.cluster.world.now_ns

    def _judge(self, source: Source, node_id: int, items: range) -> None:
        if source.is_aborted or source.node.incarnation in self._gone:
            return
        if self._has_lost_its_receiver(source, node_id):
            return
        if items.start < self._flushed.get(source.name, 0):
            raise Violation(
                "G2",
                f"source {source.name} on {source.node.name} lost {items} to node "
                f"{node_id}, after a flush had said that they were delivered",
            )
        if not self._was_cut_off(source.node.index, node_id):
            raise Violation(
                "G1",
                f"source {source.name} on {source.node.name} lost {items} on their way "
                f"to node {node_id}, and nothing was wrong for long enough: "
                f"{source.error}",
            )

    def _has_lost_its_receiver(self, source: Source, node_id: int) -> bool:
        return (
            self._is_closed(source, node_id)
            or self._has_died(source.node, node_id)
            or self.is_tainted(source.node.index, node_id)
        )

    def _is_closed(self, source: Source, node_id: int) -> bool:
        """Whether a receiver was closed that the source may have been sending to."""
        return any(
            sink.node.index == node_id
            and sink.channel == source.channel
            and self._group_closed_ns(sink) >= source.begun_ns
            for sink in self.cluster.sinks
        )

    def _group_closed_ns(self, sink: Sink) -> int:
        """Returns when a receiver, or the last member of a fan-out, was closed; -1 if
        it was not."""
        group = [each for each in self.cluster.sinks if each.group == sink.group]
        # Who has become a fan-out is closed with its members.
        members = [each for each in group if each.name != each.group] or group
        times_ns = [self._closed_ns.get(each.name, -1) for each in members]
        return -1 if min(times_ns) < 0 else max(times_ns)

    def _has_died(self, node: Node, node_id: int) -> bool:
        """Whether the process is gone to which a process sent, or never was one of
        ours."""
        met = self._met.get((node.name, node_id), b"")
        return met in self._gone or met in self.cluster.impostors.incarnations

    def _was_cut_off(self, here: int, there: int) -> bool:
        """Whether two nodes had no chance to find each other within the window."""
        config = self.cluster.config
        window_s = min(config(here).resume_window_s, config(there).resume_window_s)
        patience_s = _SLACK_S + sum(
            config(node).handshake_timeout_s + 2 * config(node).connect_backoff_s[1]
            for node in (here, there)
        )
        pair, disturbances = (here, there), self.cluster.disturbances
        since_ns = max(0, self.cluster.world.now_ns - seconds(window_s))
        if not disturbances.was_disturbed(pair, since_ns):
            return False
        calm_ns = disturbances.calm_ns(pair, since_ns)
        return calm_ns < min(seconds(patience_s), seconds(window_s))
