"""What a flush has told: that many items are at the receiver's node (G2)."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from comm.sim.oracles.losses import Losses
from comm.sim.oracles.model import Violation
from comm.sim.oracles.oracle import Oracle


if TYPE_CHECKING:
    from comm.sim.machine import MachineCluster
    from comm.sim.machine.sink import Sink
    from comm.sim.machine.source import Source


__all__ = ["Flushes"]


class Flushes(Oracle):
    """Holds what sources were told against what their receivers have counted.

    Args:
        cluster: The cluster.
        losses: What was reported as lost.
    """

    def __init__(self, cluster: MachineCluster, losses: Losses) -> None:
        super().__init__(cluster)
        self._losses = losses
        # How many items of each source were told to be delivered.
        self._told: dict[int, int] = defaultdict(int)

    def source_flushed(self, source: Source, count: int) -> None:
        """All that its channel's sources were told of has arrived."""
        if source.is_broadcast:
            return
        lost = self._losses.of(source, self._node_of(source))
        told = sum(
            all(number not in items for items in lost) for number in range(count)
        )
        self._told[source.name] = max(self._told[source.name], told)
        for sink in self.cluster.sinks:
            if sink.sender == source.sender and sink.is_alive:
                self._compare(sink)

    def _compare(self, sink: Sink) -> None:
        if any(sink.node.index in pair for pair in self.cluster.tainted):
            return
        told = sum(
            self._told[source.name]
            for source in self.cluster.sources
            if source.sender == sink.sender
        )
        received = sink.core.statistics().received
        if told > received:
            raise Violation(
                "G2",
                f"sources of sink {sink.name} were told that {told} items are "
                f"delivered, and {received} have arrived",
            )

    def _node_of(self, source: Source) -> int:
        assert source.sender is not None
        return source.sender.node_id
