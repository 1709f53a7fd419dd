"""`Streams`: the producers and inlets at this end of a carrier, by their numbers."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from comm.effects import BatchesSettled, BatchesWithheld
from comm.errors import Error, ProtocolError
from comm.fabric import Carrier, Fabric
from comm.marks import Mark, reached
from comm.mpsc.inlet import Inlet
from comm.mpsc.producer import LegOwner, ProducerCore
from comm.mpsc.state import ProducerState, Target
from comm.protocol import (
    AcceptBody,
    CountBody,
    EndBody,
    Frame,
    Kind,
    OpenBody,
    ReasonBody,
)
from comm.router import Router
from comm.session.openings import Openings


__all__ = ["Streams"]


class Streams:
    """All streams between two nodes, as one of them sees them.

    Each side numbers the streams of its own producers, from 1, in the order in which
    their OPENs go out.

    Args:
        fabric: What the switchboard's parts share.
        router: Where the streams of the other side's producers lead.
        carrier: What moves the frames.
    """

    __slots__ = (
        "_carrier",
        "_fabric",
        "_last_inlet",
        "_last_producer",
        "_router",
        "inlets",
        "openings",
        "producers",
    )

    def __init__(self, fabric: Fabric, router: Router, carrier: Carrier) -> None:
        self._fabric = fabric
        self._router = router
        self._carrier = carrier
        self._last_producer = 0
        self._last_inlet = 0
        self.openings = Openings()
        self.producers: dict[int, ProducerCore] = {}
        self.inlets: dict[int, Inlet] = {}

    def open(self, target: Target, owner: LegOwner | None = None) -> ProducerCore:
        """Begins a stream to a channel of the other side."""
        self._last_producer += 1
        stream = self._last_producer
        producer = ProducerCore(self._fabric, self._carrier, stream, target, owner)
        self.producers[stream] = producer
        return producer

    def adopt(self, others: Streams) -> None:
        """Takes over the producers that still wait to be accepted elsewhere."""
        for stream, producer in tuple(others.producers.items()):
            if producer.state is ProducerState.CONNECTING:
                del others.producers[stream]
                self._last_producer += 1
                self.producers[self._last_producer] = producer
                producer.rehome(self._carrier, self._last_producer)
                reached(Mark.REHOMED)

    def handle(self, frame: Frame) -> None:
        """Takes a frame of a stream.

        Raises:
            ProtocolError: If it may not come, or says what cannot be.
        """
        if (to_inlet := _TO_INLET.get(frame.kind)) is not None:
            inlet = self.inlets.get(frame.stream)
            if inlet is not None:
                to_inlet(inlet, frame)
            elif not 0 < frame.stream <= self._last_inlet:
                raise ProtocolError(f"stream {frame.stream} was never opened")
        elif (to_producer := _TO_PRODUCER.get(frame.kind)) is not None:
            self.openings.answered(frame.stream)
            producer = self.producers.get(frame.stream)
            if producer is not None:
                to_producer(producer, frame)
                self._forget_if_ended(frame)
            elif not 0 < frame.stream <= self._last_producer:
                raise ProtocolError(f"stream {frame.stream} was never opened")
        else:
            assert frame.kind == Kind.OPEN
            self._handle_open(frame)

    def lost(self, error: Error, *, keep_doubtful: bool) -> None:
        """Ends every stream, because the carrier is gone."""
        producers, inlets = self.producers, self.inlets
        self.producers, self.inlets = {}, {}
        for producer in producers.values():
            producer.handle_lost(error)
        for inlet in inlets.values():
            inlet.handle_lost(str(error), keep_doubtful=keep_doubtful)
        if not keep_doubtful:
            self._settle_batches(revoked=True)

    def withhold_batches(self) -> None:
        """Has nothing more handed out of batches in doubt that were taken before."""
        reached(Mark.FENCED)
        carrier = self._carrier
        self._fabric.emit(BatchesWithheld(carrier.id, carrier.confirmed))

    def refresh_inlets(self) -> None:
        """Lets receivers know that what was withheld is released."""
        self._settle_batches(revoked=False)
        for inlet in tuple(self.inlets.values()):
            inlet.refresh()

    def forget_producer(self, stream: int) -> None:
        """Ignores the frames that may still come for a producer."""
        self.producers.pop(stream, None)
        self.openings.forget(stream)

    def forget_inlet(self, stream: int) -> None:
        """Ignores the frames that may still come for an inlet."""
        self.inlets.pop(stream, None)

    def check_invariants(self) -> None:
        """Asserts what must hold between any two calls."""
        self.openings.check_invariants()
        for stream, producer in self.producers.items():
            assert stream == producer.stream <= self._last_producer
            assert producer.state is not ProducerState.BROKEN
            assert producer.state is not ProducerState.CLOSED
            producer.check_invariants()
        for stream, inlet in self.inlets.items():
            assert stream == inlet.stream <= self._last_inlet
            inlet.check_invariants()

    def _handle_open(self, frame: Frame) -> None:
        if frame.stream <= self._last_inlet:
            raise ProtocolError(
                f"stream {frame.stream} is opened behind stream {self._last_inlet}"
            )
        body = OpenBody.decode(frame.payload)
        self.openings.require_room()
        self._last_inlet = frame.stream
        inlet = self._router.open(self._carrier, frame.stream, body)
        if inlet is not None:
            self.inlets[frame.stream] = inlet

    def _forget_if_ended(self, frame: Frame) -> None:
        if frame.kind in {Kind.STOP, Kind.DONE}:
            self.forget_producer(frame.stream)

    def _settle_batches(self, *, revoked: bool) -> None:
        carrier = self._carrier
        self._fabric.emit(BatchesSettled(carrier.id, carrier.confirmed, revoked))


def _count(payload: bytes) -> int:
    return CountBody.decode(payload).count


_TO_INLET: Mapping[int, Callable[[Inlet, Frame], None]] = {
    Kind.DATA: lambda inlet, frame: inlet.handle_data(
        frame.value, frame.payload, frame.sequence
    ),
    Kind.PART: lambda inlet, frame: inlet.handle_part(
        frame.payload, frame.sequence, is_last=bool(frame.value)
    ),
    Kind.FINISH: lambda inlet, frame: inlet.handle_finish(_count(frame.payload)),
    Kind.RESET: lambda inlet, frame: inlet.handle_reset(
        ReasonBody.decode(frame.payload).text
    ),
}

_TO_PRODUCER: Mapping[int, Callable[[ProducerCore, Frame], None]] = {
    Kind.ACCEPT: lambda producer, frame: producer.handle_accept(
        frame.value, AcceptBody.decode(frame.payload)
    ),
    Kind.CREDIT: lambda producer, frame: producer.handle_credit(frame.value),
    Kind.STOP: lambda producer, frame: producer.handle_stop(
        frame.value, EndBody.decode(frame.payload)
    ),
    Kind.DONE: lambda producer, _: producer.handle_done(),
}
