"""What is left when everything has ended: nothing (G14)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from comm.sim.oracles.model import Violation
from comm.sim.oracles.oracle import Oracle


if TYPE_CHECKING:
    from comm.sim.machine.node import Node


__all__ = ["Leaving"]


class Leaving(Oracle):
    """A switchboard that was closed wants nothing more, and has nothing."""

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
