"""Memory: what nodes hold is bounded, by windows (G7) and by limits (G13)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from comm.mpsc import ReceiverCore
from comm.sim.oracles.model import Violation
from comm.sim.oracles.oracle import Oracle


if TYPE_CHECKING:
    from comm.effects import LinkId
    from comm.sim.machine import MachineCluster
    from comm.sim.machine.driver import Driver
    from comm.sim.machine.sink import Sink
    from comm.sim.machine.source import Source


__all__ = ["Bounds"]

_TRANSMIT_BYTES = 512 << 10
"""What a core gives to a link at once, at the most, with all headers."""

_HEADER_BYTES = 64


class Bounds(Oracle):
    """Looks at what every process holds, again and again."""

    def __init__(self, cluster: MachineCluster) -> None:
        super().__init__(cluster)
        # By process and link: as long as no more bytes have come, the core cannot hold
        # too many of them, and need not be asked.
        self._enough: dict[str, dict[LinkId, int]] = {}
        # By process: how many connections it had accepted when it was asked last.
        self._accepted: dict[str, int] = {}

    def audit(self) -> None:
        """Nobody holds more than the windows allow."""
        largest = self._largest_item()
        for sink in self.cluster.sinks:
            if sink.is_alive:
                self._check_sink(sink, largest)
        window = max(config.window_bytes for config in self.cluster.configs)
        for source in self.cluster.sources:
            if source.is_alive:
                self._check_source(source, window + largest)
        for node in self.cluster.live:
            self._check_links(node)
            self._check_remnants(node)
            self._check_half_open(node)

    def _largest_item(self) -> int:
        lasts = (source.largest_bytes for source in self.cluster.sources)
        return max(lasts, default=0)

    def _check_sink(self, sink: Sink, largest: int) -> None:
        core = sink.core
        if not isinstance(core, ReceiverCore):
            return
        window = sink.node.core.config.window_bytes
        for inlet in core.inlets:
            if inlet.buffered_bytes > window + largest:
                raise Violation(
                    "G7",
                    f"sink {sink.name} holds {inlet.buffered_bytes} bytes of one "
                    f"producer; the window is {window}, the largest item {largest}",
                )

    def _check_source(self, source: Source, limit: int) -> None:
        statistics = source.core.statistics()
        for leg in statistics.legs or (statistics,):
            if leg.queued_bytes > limit:
                raise Violation("G7", f"source {source.name} holds too much: {leg}")

    def _check_links(self, node: Driver) -> None:
        for link in node.links.values():
            if link.held_bytes > node.high_bytes + _TRANSMIT_BYTES:
                raise Violation(
                    "G7", f"{node.name}: {link.held_bytes} bytes wait for a link"
                )
            if link.excess_bytes and link.is_known:
                raise Violation(
                    "G7",
                    f"{node.name}: link {link.link} got {link.excess_bytes} bytes "
                    "while it took none",
                )

    def _check_remnants(self, node: Driver) -> None:
        """No more is held of a frame than one frame has."""
        links, enough = node.links, self._enough.get(node.name, {})
        chunk = max(config.chunk_bytes for config in self.cluster.configs)
        limit = max(chunk, 4096) + _HEADER_BYTES
        if all(
            link.received_bytes <= enough.get(n, limit) for n, link in links.items()
        ):
            return
        known = [peer.link for peer in node.core.statistics().peers]
        held = [link.buffered_bytes for link in known if link is not None]
        largest = max(held, default=0)
        if largest > limit:
            raise Violation("G7", f"{node.name}: {largest} bytes of one frame are held")
        # What the core says nothing of may hold something as well.
        is_all_known = len(held) == len(links)
        self._enough[node.name] = {
            number: link.received_bytes + limit - largest
            for number, link in links.items()
            if is_all_known
        }

    def _check_half_open(self, node: Driver) -> None:
        limit = node.core.config.half_open_max
        # No more of them are there than were when none had been accepted since.
        if node.accepted == self._accepted.get(node.name, 0):
            return
        self._accepted[node.name] = node.accepted
        half_open = node.core.statistics().half_open
        if half_open > limit:
            raise Violation(
                "G13",
                f"{node.name}: {half_open} connections are in their handshake; "
                f"{limit} is the limit",
            )
