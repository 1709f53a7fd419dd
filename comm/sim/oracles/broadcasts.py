"""Broadcasts: they go on without a lost node, and with it when it is back (G16)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from comm.errors import ClosedError, Error, UsageError
from comm.events import Event, PeerUp
from comm.sim.oracles.model import Violation
from comm.sim.oracles.oracle import Oracle


if TYPE_CHECKING:
    from comm.sim.machine.driver import Driver
    from comm.sim.machine.source import Source


__all__ = ["Broadcasts"]


class Broadcasts(Oracle):
    """Knows to whom every broadcast has to be sent."""

    def event_occurred(self, node: Driver, event: Event) -> None:
        """Whoever is met, for the first time or anew, is sent every broadcast."""
        if not isinstance(event, PeerUp) or event.resumed:
            return
        peer = node.core.peer(event.node_id)
        if peer is None or peer.incarnation != event.incarnation:
            return
        for source in self.cluster.sources:
            if source.node is node and source.is_broadcast:
                self._require_leg(source, event.node_id)

    def source_failed(self, source: Source, error: Error) -> None:
        """The loss of a node ends no broadcast."""
        if source.is_broadcast and not isinstance(error, (ClosedError, UsageError)):
            raise Violation("G16", f"broadcast {source.name} has ended: {error}")

    def _require_leg(self, source: Source, node_id: int) -> None:
        known = source.core.statistics()
        if known.state != "open":
            return
        if all(leg.node_id != node_id for leg in known.legs):
            raise Violation(
                "G16",
                f"node {node_id} is there, and broadcast {source.name} on "
                f"{source.node.name} does not send to it: {known}",
            )
