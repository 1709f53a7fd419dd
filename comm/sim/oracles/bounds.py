"""Memory: what nodes hold is bounded by windows (G7), and so is what those hold that
have not said who they are (G13)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from comm.mpsc import ReceiverCore
from comm.sim.oracles.model import Violation
from comm.sim.oracles.oracle import Oracle


if TYPE_CHECKING:
    from comm.sim.machine.driver import Driver
    from comm.sim.machine.sink import Sink
    from comm.sim.machine.source import Source


__all__ = ["Bounds"]

_TRANSMIT_BYTES = 512 << 10
"""What a core gives to a link at once, at the most, with all headers."""

_HEADER_BYTES = 64


class Bounds(Oracle):
    """Looks at what every process holds, again and again."""

    def audit(self) -> None:
        """Nobody holds more than the windows allow."""
        largest = self._largest_item()
        for sink in self.cluster.sinks:
            if sink.is_alive:
                self._check_sink(sink, largest)
        for source in self.cluster.sources:
            if source.is_alive:
                self._check_source(source, largest)
        for node in self.cluster.live:
            self._check_links(node)

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

    def _check_source(self, source: Source, largest: int) -> None:
        windows = [config.window_bytes for config in self.cluster.configs]
        statistics = source.core.statistics()
        for leg in statistics.legs or (statistics,):
            if leg.queued_bytes > max(windows) + largest:
                raise Violation("G7", f"source {source.name} holds too much: {leg}")

    def _check_links(self, node: Driver) -> None:
        held = [link.held_bytes for link in node.links.values()]
        if max(held, default=0) > node.high_bytes + _TRANSMIT_BYTES:
            raise Violation("G7", f"{node.name}: {max(held)} bytes wait for a link")
        for own in node.links.values():
            if own.is_known and own.excess_bytes:
                raise Violation(
                    "G7",
                    f"{node.name}: link {own.link} was given {own.excess_bytes} bytes "
                    "while it took none",
                )
        chunk = max(config.chunk_bytes for config in self.cluster.configs)
        known = node.core.statistics()
        if known.half_open > node.core.config.half_open_max:
            raise Violation(
                "G13", f"{node.name}: {known.half_open} links are half open"
            )
        for peer in known.peers:
            link = peer.link
            limit = max(chunk, 4096) + _HEADER_BYTES
            if link is not None and link.buffered_bytes > limit:
                raise Violation(
                    "G7",
                    f"{node.name}: {link.buffered_bytes} bytes of one frame are held",
                )
