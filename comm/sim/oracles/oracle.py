"""`Oracle`: watches a cluster from the outside, and says when a promise is broken."""

from __future__ import annotations

from typing import TYPE_CHECKING

from comm.sim.watcher import Watcher


if TYPE_CHECKING:
    from comm.sim.machine import MachineCluster


__all__ = ["Oracle"]


class Oracle(Watcher):
    """What all oracles have in common.

    Whatever it sees it may hold against the promises, and raise `Violation` at once.

    Args:
        cluster: The cluster.
    """

    def __init__(self, cluster: MachineCluster) -> None:
        self.cluster = cluster

    def settled(self) -> None:
        """Everything that could still happen has happened."""

    def ended(self) -> None:
        """Every node has left."""

    def is_tainted(self, first: int, second: int) -> bool:
        """Whether bytes between two nodes were changed, so that nothing is promised."""
        return (min(first, second), max(first, second)) in self.cluster.tainted
