"""What is delivered: G1, G2, G5, G10 and G16, seen from sources and sinks."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from comm.errors import ReceiverClosed
from comm.mpsc import Batch
from comm.sim.items import ITEM_BYTES_MIN, ItemHeader, read_header
from comm.sim.oracles.losses import Losses
from comm.sim.oracles.model import StreamModel, Violation
from comm.sim.oracles.oracle import Oracle
from comm.sim.world import seconds


if TYPE_CHECKING:
    from comm.sim.machine import MachineCluster
    from comm.sim.machine.sink import Sink
    from comm.sim.machine.source import Source


__all__ = ["Delivery"]


class Delivery(Oracle):
    """Holds every item that is handed out against what its source has sent.

    Args:
        cluster: The cluster.
        losses: What was reported as lost.
    """

    def __init__(self, cluster: MachineCluster, losses: Losses) -> None:
        super().__init__(cluster)
        self._losses = losses
        # By source and sink; the members of a fan-out have one each.
        self._streams: dict[tuple[int, int], StreamModel] = {}
        # By sink and producer: a producer is the same source for ever.
        self._producers: dict[tuple[int, int], int] = {}
        # By receiving and sending node: when bytes came over a link that the sending
        # one had given up long before.
        self._late_ns: dict[tuple[int, int], int] = defaultdict(lambda: -1)
        losses.listen(self._reported)

    def heard_late(self, node: int, peer: int, late_ns: int) -> None:
        """The fence may come too late then, as the limits of G2 say."""
        if peer >= len(self.cluster):
            return
        margin_s = self.cluster.config(peer).heartbeat_interval_s
        if late_ns > seconds(margin_s):
            self._late_ns[node, peer] = self.cluster.world.now_ns

    def handed_out(
        self, sink: Sink, batch: Batch, first: int, count: int, data: bytes
    ) -> None:
        """These items must be the next ones of their source."""
        if self.is_tainted(sink.node.index, batch.node_id):
            return
        if len(data) < ITEM_BYTES_MIN:
            raise Violation("G1", f"sink {sink.name}: {data!r} came, which is no item")
        header = read_header(data)
        source, number = self._source_of(sink, batch, header), header.number
        self._require_number(source, sink, number, batch.sequence + first)
        items = range(number, number + count)
        stream = self._stream(source, sink, number)
        is_fenced = bool(stream.lost) and self._is_fenced(source, sink)
        stream.hand_out(items, data, is_fenced=is_fenced)

    def settled(self) -> None:
        """Nothing is missing without a word."""
        for source in self.cluster.sources:
            for sink in self.cluster.sinks:
                if self._must_be_complete(source, sink):
                    self._require_complete(source, sink)
                elif self._must_be_split(source, sink):
                    self._require_split(source, sink)

    def _reported(self, source: Source, node_id: int, items: range) -> None:
        for (name, sink), stream in self._streams.items():
            if name == source.name and self.cluster.sinks[sink].node.index == node_id:
                stream.report_lost(items)

    def _source_of(self, sink: Sink, batch: Batch, header: ItemHeader) -> Source:
        key = (sink.name, batch.producer)
        name = self._producers.setdefault(key, header.source)
        if name != header.source or name >= len(self.cluster.sources):
            raise Violation("G1", f"sink {sink.name}: items of another source came")
        source = self.cluster.sources[name]
        if source.channel != sink.channel or source.node.index != batch.node_id:
            raise Violation("G1", f"sink {sink.name}: items of source {name} came")
        if source.sender != sink.sender:
            raise Violation(
                "G3", f"sink {sink.name}: source {name} sends to another process"
            )
        return source

    def _require_number(
        self, source: Source, sink: Sink, number: int, counted: int
    ) -> None:
        if number >= len(source.accepted):
            raise Violation("G5", f"source {source.name}: {number} was never accepted")
        sent_as = number
        if source.is_broadcast:
            sent_as = source.legs[number].get(sink.node.index, -1)
        if sent_as != counted:
            raise Violation(
                "G1", f"source {source.name}: {number} came as {counted}, not {sent_as}"
            )

    def _stream(self, source: Source, sink: Sink, first: int) -> StreamModel:
        """Returns the stream, which begins with `first` if it cannot be told with
        what it must begin."""
        key = (source.name, sink.name)
        stream = self._streams.get(key)
        if stream is None:
            name = f"source {source.name} to sink {sink.name}"
            node_id = sink.node.index

            def is_excused(item: int) -> bool:
                if source.is_broadcast and node_id not in source.legs[item]:
                    return True
                number = source.legs[item][node_id] if source.is_broadcast else item
                return self._losses.was_discarded(sink, source.node.index, number)

            stream = StreamModel(name, source.accepted, is_excused)
            stream.next = self._beginning(source, sink, first)
            for items in self._losses.of(source, node_id):
                stream.report_lost(items)
            self._streams[key] = stream
        return stream

    def _beginning(self, source: Source, sink: Sink, first: int) -> int:
        """Returns the first item that a sink must get.

        The first receiver of a broadcast that a process makes gets all that was sent
        to the process. What later ones get depends on what the earlier ones took.
        """
        if not source.is_broadcast or not source.accepted:
            return 0
        if any(self._is_before(other, sink) for other in self.cluster.sinks):
            return first
        if sink.node.host.incarnation == 0 and not self._losses.of(
            source, sink.node.index
        ):
            return 0
        return source.leg_start(first, sink.node.index)

    def _is_before(self, other: Sink, sink: Sink) -> bool:
        return (
            other.name < sink.name
            and other.channel == sink.channel
            and other.node is sink.node
            and sink.group not in {other.name, other.group}
        )

    def _is_fenced(self, source: Source, sink: Sink) -> bool:
        """Whether what was reported as lost cannot come: see the limits of G2."""
        here, there = sink.node.index, source.node.index
        config = self.cluster.config
        window_s = max(config(here).resume_window_s, config(there).resume_window_s)
        since_ns = self.cluster.world.now_ns - 2 * seconds(window_s)
        is_late = self._late_ns[here, there] >= max(0, since_ns)
        if sink.group != sink.name or is_late or source.node.is_left:
            return False
        uneven = self.cluster.disturbances.was_uneven
        return not (uneven(here, since_ns) or uneven(there, since_ns))

    def _must_be_complete(self, source: Source, sink: Sink) -> bool:
        if source.channel != sink.channel or source.sender != sink.sender:
            return False
        if self.is_tainted(source.node.index, sink.node.index):
            return False
        if source.is_broadcast and not self._is_reached(source, sink):
            return False
        is_there = source.node.is_alive and sink.node.is_alive and not sink.is_closed
        # In a fan-out the slowest member holds the others up.
        group = (other for other in self.cluster.sinks if other.group == sink.group)
        return is_there and all(m.pace.items or not m.is_alive for m in group)

    def _is_reached(self, source: Source, sink: Sink) -> bool:
        if any(self._is_before(other, sink) for other in self.cluster.sinks):
            return False
        # A leg that has ended may have led to the process before.
        is_first = sink.node.host.incarnation == 0
        return any(
            leg.node_id == sink.node.index
            and leg.accepted
            and (is_first or leg.state != "closed")
            for leg in source.core.statistics().legs
        )

    def _must_be_split(self, source: Source, sink: Sink) -> bool:
        """Whether a receiver that was closed splits what was sent to it exactly."""
        return (
            source.sender is not None
            and source.sender == sink.sender
            and isinstance(source.error, ReceiverClosed)
            and source.node.is_alive
            and sink.is_closed
            and sink.group == sink.name
            and not source.is_aborted
            and not self.is_tainted(source.node.index, sink.node.index)
            and not any(other.group == sink.name for other in self._others(sink))
        )

    def _others(self, sink: Sink) -> list[Sink]:
        return [other for other in self.cluster.sinks if other is not sink]

    def _require_split(self, source: Source, sink: Sink) -> None:
        if not source.accepted:
            return
        stream = self._stream(source, sink, 0)
        both = [items for items in stream.lost if items.start < stream.next]
        if both or stream.missing():
            raise Violation(
                "G2",
                f"sink {sink.name} was closed when it had received {stream.next} of "
                f"the {len(source.accepted)} items of source {source.name}; as lost "
                f"were reported {stream.lost}",
            )

    def _require_complete(self, source: Source, sink: Sink) -> None:
        if not source.accepted:
            return
        # Whoever is reached at all has been sent the last one.
        missing = self._stream(source, sink, len(source.accepted) - 1).missing()
        if missing:
            raise Violation(
                "G2",
                f"source {source.name} on {source.node.name} had "
                f"{len(source.accepted)} items accepted; sink {sink.name} on "
                f"{sink.node.name} never got {missing[:5]} ({len(missing)} in all), "
                f"and no report says so: {source.core.statistics()}",
            )
