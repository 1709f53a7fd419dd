"""How channels end: G3 and G9."""

from __future__ import annotations

from typing import TYPE_CHECKING

from comm.errors import Error, ReceiverClosed, StaleSender, TooManyProducers
from comm.events import ProducerGone
from comm.mpsc import Batch
from comm.sim.oracles.model import Violation
from comm.sim.oracles.oracle import Oracle


if TYPE_CHECKING:
    from comm.sim.machine.sink import Sink
    from comm.sim.machine.source import Source


__all__ = ["Ends"]


class Ends(Oracle):
    """A channel ends when all producers that attached have, and not before."""

    def source_opened(self, source: Source) -> None:
        """A source was taken by the very process that its sender was made for."""
        if source.is_broadcast or self._sink_of(source) is not None:
            return
        raise Violation("G3", f"source {source.name} was taken by nobody's channel")

    def source_failed(self, source: Source, error: Error) -> None:
        """A source that is refused has been refused rightly."""
        sink = self._sink_of(source)
        if sink is not None and self._is_apart(source, sink):
            return
        if isinstance(error, StaleSender) and sink is not None and sink.node.is_alive:
            raise Violation("G3", f"source {source.name} is no stale one: {error}")
        if isinstance(error, ReceiverClosed) and self._is_stale(source, sink):
            raise Violation("G3", f"source {source.name} is a stale one: {error}")
        if (
            isinstance(error, TooManyProducers)
            and sink is not None
            and sink.node.is_alive
            and not self._is_full(sink)
        ):
            raise Violation(
                "G9", f"source {source.name} was refused too early: {error}"
            )

    def handed_out(
        self, sink: Sink, batch: Batch, first: int, count: int, data: bytes
    ) -> None:
        """Nothing comes behind the end."""
        del batch, first, count, data
        if sink.is_ended:
            raise Violation("G9", f"sink {sink.name} got items behind its end")

    def sink_told(self, sink: Sink, error: Error) -> None:
        """A channel without end tells of no producer: it goes on."""
        if sink.limit is None and not self._is_full(sink):
            raise Violation("G9", f"sink {sink.name}, without end, was told: {error}")

    def sink_ended(self, sink: Sink) -> None:
        """Every producer has ended, and those that did not finish were told of."""
        if not self._is_full(sink):
            raise Violation("G9", f"sink {sink.name} ended, and more could have come")
        unfinished = [
            source.name
            for source in self.cluster.sources
            if self._was_attached(source, sink)
            and not source.is_finished
            and source.error is None
        ]
        told = self._told(sink)
        if len(unfinished) > told:
            raise Violation(
                "G9",
                f"sink {sink.name} ended; sources {unfinished} had not finished, and "
                f"it was told of {told} producers that did not",
            )

    def settled(self) -> None:
        """No more were accepted than the limit says, and what had to end has."""
        for sink in self.cluster.sinks:
            opened = sum(self._was_attached(s, sink) for s in self.cluster.sources)
            if sink.limit is not None and opened > sink.limit:
                raise Violation(
                    "G9", f"sink {sink.name} took {opened} of at most {sink.limit}"
                )
            if self._must_have_ended(sink):
                raise Violation(
                    "G9", f"sink {sink.name} has not ended, and all its sources have"
                )

    def _must_have_ended(self, sink: Sink) -> bool:
        if not sink.is_alive or not self._is_full(sink):
            return False
        # In a fan-out the slowest member holds the others up.
        group = [s for s in self.cluster.sinks if s.group == sink.group and s.is_alive]
        if not all(member.pace.items for member in group):
            return False
        return all(
            self._is_over(source) and not self._is_apart(source, sink)
            for source in self.cluster.sources
            if source.channel == sink.channel
        )

    def _is_over(self, source: Source) -> bool:
        has_ended = source.is_finished or source.is_aborted or source.error is not None
        return has_ended or not source.node.is_alive

    def _is_apart(self, source: Source, sink: Sink) -> bool:
        return self.is_tainted(source.node.index, sink.node.index)

    def _is_stale(self, source: Source, sink: Sink | None) -> bool:
        """Whether a source was refused by a later process than its sender is for."""
        return (
            sink is not None
            and not source.is_open
            and not sink.node.is_alive
            and not (sink.is_closed or sink.node.is_left)
        )

    def _is_full(self, sink: Sink) -> bool:
        """Whether the channel takes no more; each member of a fan-out can seal it."""
        return any(
            other.is_full for other in self.cluster.sinks if other.group == sink.group
        )

    def _told(self, sink: Sink) -> int:
        """How many producers the application knows not to have finished.

        What the receiver of a fan-out was told before, its members are not; and as
        long as a channel has no end, an event tells of them instead.
        """
        errors = len(sink.errors)
        if sink.group != sink.name:
            errors += len(self.cluster.sinks[sink.group].errors)
        return errors + sum(
            isinstance(event, ProducerGone) and event.channel == sink.channel
            for event in sink.node.events
        )

    def _was_attached(self, source: Source, sink: Sink) -> bool:
        return (
            not source.is_broadcast and source.is_open and source.sender == sink.sender
        )

    def _sink_of(self, source: Source) -> Sink | None:
        for sink in self.cluster.sinks:
            if sink.sender is not None and sink.sender == source.sender:
                return sink
        return None
