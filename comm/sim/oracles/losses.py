"""What is lost: each loss is reported once, and has a cause that can be seen."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from typing import TYPE_CHECKING

from comm.events import Event, LossReport
from comm.sim.oracles.model import Violation
from comm.sim.oracles.oracle import Oracle


if TYPE_CHECKING:
    from comm.sim.machine import MachineCluster
    from comm.sim.machine.driver import Driver
    from comm.sim.machine.sink import Sink
    from comm.sim.machine.source import Source


__all__ = ["Losses"]

_Listener = Callable[["Source", int, range], None]


class Losses(Oracle):
    """Finds the source that each report is about."""

    def __init__(self, cluster: MachineCluster) -> None:
        super().__init__(cluster)
        # By source and receiving node; the numbers are those of the source.
        self._lost: dict[tuple[int, int], list[range]] = defaultdict(list)
        self._told: dict[int, int] = defaultdict(int)
        # By sink's process, channel and sending node; the numbers are the producer's.
        self._discarded: dict[tuple[str, bytes, int], list[range]] = defaultdict(list)
        self._listeners: list[_Listener] = []

    def listen(self, listener: _Listener) -> None:
        """Calls this with the source, the receiving node, and the items of a loss."""
        self._listeners.append(listener)

    def of(self, source: Source, node_id: int) -> list[range]:
        """Returns the items of a source that were reported as lost to a node."""
        return self._lost[source.name, node_id]

    def was_discarded(self, sink: Sink, node_id: int, number: int) -> bool:
        """Whether the receiving side said that it threw an item away."""
        key = (sink.node.name, sink.channel, node_id)
        return any(number in items for items in self._discarded[key])

    def event_occurred(self, node: Driver, event: Event) -> None:
        """A report is about a source of the node, or else about one that sends to it,
        be it to a receiver that its application has yet to make."""
        if not isinstance(event, LossReport):
            return
        source = self._source_of(node, event)
        if source is not None:
            items = _items(source, event)
            self._told[source.name] += event.count
            self._lost[source.name, event.node_id].append(items)
            for listener in self._listeners:
                listener(source, event.node_id, items)
            return
        if not self._may_receive(node, event):
            raise Violation("G2", f"{node.name} has lost no such items: {event}")
        items = range(event.first_sequence, event.first_sequence + event.count)
        self._discarded[node.name, event.channel, event.node_id].append(items)

    def settled(self) -> None:
        """What was accepted is accounted for, and every loss was told."""
        for source in self.cluster.sources:
            if source.node.is_alive:
                self._require_balance(source)

    def _require_balance(self, source: Source) -> None:
        known, told = source.core.statistics(), self._told[source.name]
        if known.accepted != len(source.accepted):
            raise Violation(
                "G2", f"source {source.name}: {len(source.accepted)} accepted; {known}"
            )
        if known.lost != told:
            raise Violation("G2", f"source {source.name}: {told} told lost; {known}")

    def _may_receive(self, node: Driver, report: LossReport) -> bool:
        """Whether a node can have received items of a channel, and thrown them away."""
        if self.is_tainted(node.index, report.node_id):
            return True
        return any(
            sink.node is node and sink.channel == report.channel
            for sink in self.cluster.sinks
        ) or any(
            source.is_broadcast and source.channel == report.channel
            for source in self.cluster.sources
        )

    def _source_of(self, node: Driver, report: LossReport) -> Source | None:
        for source in self.cluster.sources:
            if source.node is not node or source.channel != report.channel:
                continue
            known = source.core.statistics()
            if known.lost - self._told[source.name] < report.count:
                continue
            if source.is_broadcast:
                return source
            if known.node_id != report.node_id:
                continue
            # What was not sent is lost by giving up, and else what is not delivered.
            end = report.first_sequence + report.count
            is_given_up = source.is_aborted and end == known.accepted
            if is_given_up or report.first_sequence == known.delivered:
                return source
        return None


def _items(source: Source, report: LossReport) -> range:
    """Returns the source's own numbers of the items that a report is about.

    A broadcast counts anew for each leg, and the report is about the latest one.
    """
    first = report.first_sequence
    if source.is_broadcast:
        numbers = [legs.get(report.node_id, -1) for legs in source.legs]
        if first not in numbers:
            raise Violation("G2", f"source {source.name} never sent it: {report}")
        first = len(numbers) - 1 - numbers[::-1].index(first)
    return range(first, first + report.count)
