"""`ReceiverCore`: the consuming end of a channel."""

from __future__ import annotations

from collections import deque
from typing import Protocol

from comm.effects import Readable
from comm.errors import ClosedError, EndOfChannel, WouldBlock
from comm.events import LossReport, ProducerGone
from comm.fabric import Fabric, channel_name
from comm.marks import Mark, reached
from comm.mpsc.inlet import Batch, Inlet
from comm.mpsc.sender import ItemKind
from comm.protocol import Reason
from comm.statistics import ReceiverStatistics


__all__ = ["ReadableOwner", "ReceiverCore", "ReceiverHome"]


class ReadableOwner(Protocol):
    """Who wants to know that a receiver became readable in place of the driver."""

    def source_readable(self) -> None:
        """The receiver has something to take."""


class ReceiverHome(Protocol):
    """Where a receiver is known."""

    def receiver_closed(self, receiver: ReceiverCore) -> None:
        """The receiver was closed by the application."""


class ReceiverCore:
    """The consuming end of one channel; producers are served round robin.

    Args:
        fabric: What the switchboard's parts share.
        home: Where it is known.
        channel: 16 bytes, the channel.
        item: The codec and item type that it takes; None as long as only items
            wait for a receiver that the application has yet to make.
        max_producers: How many producers may attach; None for no limit.
    """

    __slots__ = (
        "_attached",
        "_discarded",
        "_fabric",
        "_finished",
        "_home",
        "_inlets",
        "_last",
        "_lost",
        "_max_producers",
        "_orphans",
        "_ready",
        "_received_before",
        "_refused",
        "_sealed",
        "_starved",
        "_taken_before",
        "channel",
        "id",
        "is_closed",
        "item",
        "owner",
    )

    def __init__(
        self,
        fabric: Fabric,
        home: ReceiverHome,
        channel: bytes,
        item: ItemKind | None,
        max_producers: int | None = None,
    ) -> None:
        self.id = fabric.next_id()
        self.channel = channel
        self.item = item
        self.owner: ReadableOwner | None = None
        self.is_closed = False
        self._fabric = fabric
        self._home = home
        self._max_producers = max_producers
        self._sealed = False
        self._inlets: dict[int, Inlet] = {}
        # The inlets that have something to take, or an end to tell, in turn.
        self._ready: deque[Inlet] = deque()
        # The last inlet of each node that was lost and has items left.
        self._orphans: dict[int, Inlet] = {}
        self._starved = False
        # Whose batch was taken last.
        self._last: Inlet | None = None
        self._attached = 0
        self._finished = 0
        self._lost = 0
        self._refused = 0
        self._discarded = 0
        # What the inlets that are gone had received, and what was taken of it.
        self._received_before = 0
        self._taken_before = 0

    @property
    def is_limited(self) -> bool:
        """Whether the channel can come to an end."""
        return self._sealed or self._max_producers is not None

    @property
    def is_full(self) -> bool:
        """Whether no more producers may attach."""
        limit = self._max_producers
        return self._sealed or (limit is not None and self._attached >= limit)

    @property
    def is_ended(self) -> bool:
        """Whether every producer has finished and everything was taken."""
        return self.is_full and not self._inlets

    @property
    def is_readable(self) -> bool:
        """Whether `take` would not raise `WouldBlock`."""
        return (
            self.is_ended
            or self.is_closed
            or any(i.is_takeable or not i.has_entries for i in self._ready)
        )

    @property
    def inlets(self) -> tuple[Inlet, ...]:
        """The attached producers' inlets, in the order in which they attached."""
        return tuple(self._inlets.values())

    def take(self) -> Batch:
        """Removes and returns some items of the producer whose turn it is.

        Raises:
            WouldBlock: If there are none; `Readable` follows.
            EndOfChannel: After the last item of the last producer, each time.
            ProducerLost: Once for each producer of a limited channel that was lost,
                behind its last item; the channel goes on.
            ProducerAborted: Likewise for one that was aborted.
            ClosedError: After `close`.
        """
        if self.is_closed:
            raise ClosedError(f"{self._name}: this receiver was closed")
        while self._ready:
            inlet = self._ready.popleft()
            inlet.is_queued = False
            if inlet.is_takeable:
                batch = inlet.take()
                self._last = inlet
                self._settle(inlet)
                return batch
            if inlet.error is not None and not inlet.has_entries:
                inlet.retire()
                self._remove(inlet)
                raise inlet.error
        if self.is_ended:
            raise EndOfChannel(f"{self._name}: every producer has finished")
        self._starved = True
        raise WouldBlock(f"{self._name}: nothing has arrived; use receive()")

    def seal(self) -> None:
        """Refuses further producers; the channel ends when those attached have."""
        self._sealed = True
        self._wake_at_end()

    def close(self, unused: int = 0) -> None:
        """Takes nothing more; what was not taken is discarded, and the producers
        are told so that they report it as lost.

        Args:
            unused: How many items at the end of the last batch the application was
                not given. A producer that had finished before has forgotten them.
        """
        if self.is_closed:
            return
        self.is_closed = True
        if unused:
            reached(Mark.CLOSED_IN_HAND)
        if self._last is not None and self._last.id in self._inlets:
            self._last.taken -= unused
            self._discarded += unused
        for inlet in self._inlets.values():
            self._discarded += inlet.buffered
            self._account(inlet)
            inlet.stop(Reason.RECEIVER_CLOSED)
            inlet.owner = None
        self._inlets.clear()
        self._ready.clear()
        self._last = None
        self._home.receiver_closed(self)

    def attach(self, inlet: Inlet) -> Reason:
        """Lets a producer attach.

        Returns:
            `Reason.NONE`, or why it is refused.
        """
        reason = self._objection(inlet)
        if reason is not Reason.NONE:
            self._refused += 1
            return reason
        inlet.owner = self
        inlet.predecessor = self._orphans.get(inlet.node_id)
        self._inlets[inlet.id] = inlet
        self._attached += 1
        return reason

    def claim(self, item: ItemKind) -> None:
        """Gives the application what waited here for a receiver.

        Producers that send another type are refused by name.
        """
        self.item = item
        for inlet in self.inlets:
            if inlet.item != item:
                self._discarded += inlet.buffered
                self._remove(inlet)
                inlet.stop(Reason.TYPE_MISMATCH, self.mismatch(inlet.item))

    def mismatch(self, sent: ItemKind) -> str:
        """Says what is sent and what is taken."""
        return f"the producer sends {sent}, the receiver takes {self.item}"

    def inlet_changed(self, inlet: Inlet) -> None:
        """Something has arrived or was released, or the producer has finished."""
        self._settle(inlet)
        if self._ready:
            self._wake()

    def inlet_broken(self, inlet: Inlet) -> None:
        """The producer was lost or aborted; the inlet's error says so."""
        if not self.is_limited:
            self._tell_gone(inlet)
        if inlet.has_entries:
            # One behind the other: which of them a new one comes behind is not known.
            inlet.predecessor = self._orphans.get(inlet.node_id, inlet.predecessor)
            self._orphans[inlet.node_id] = inlet
        self.inlet_changed(inlet)

    def inlet_discarded(self, inlet: Inlet, count: int) -> None:
        """Items that may have been reported as lost were discarded."""
        if not inlet.has_entries:
            # It may have an error to tell instead.
            self._unqueue(inlet)
        self._report_discarded(inlet.node_id, inlet.arrived - count, count)

    def discard(self, batch: Batch, unused: int) -> None:
        """Counts items that were taken, and dropped for `BatchesSettled`, as discarded.

        Args:
            batch: What was taken.
            unused: How many items at its end the application was not given.
        """
        reached(Mark.DISCARDED_IN_HAND)
        inlet = self._inlets.get(batch.producer)
        if inlet is None:
            self._taken_before -= unused
        else:
            inlet.taken -= unused
        first = batch.sequence + batch.count - unused
        self._report_discarded(batch.node_id, first, unused)

    def statistics(self) -> ReceiverStatistics:
        """Returns a snapshot."""
        inlets = self._inlets.values()
        return ReceiverStatistics(
            channel=self.channel,
            received=self._received_before + sum(i.arrived for i in inlets),
            taken=self._taken_before + sum(i.taken for i in inlets),
            discarded=self._discarded,
            buffered_items=sum(i.buffered for i in inlets),
            buffered_bytes=sum(i.buffered_bytes for i in inlets),
            producers=len(self._inlets),
            attached=self._attached,
            finished=self._finished,
            lost=self._lost,
            refused=self._refused,
        )

    def check_invariants(self) -> None:
        """Asserts what must hold between any two calls."""
        for inlet in self._inlets.values():
            inlet.check_invariants()
            must_be_ready = inlet.is_takeable or (
                inlet.error is not None and not inlet.has_entries
            )
            assert inlet.is_queued or not must_be_ready
        assert all(inlet.is_queued for inlet in self._ready)
        limit = self._max_producers
        assert limit is None or self._attached <= limit
        assert not (self._starved and self._ready)

    @property
    def _name(self) -> str:
        return f"channel {channel_name(self.channel)}"

    def _objection(self, inlet: Inlet) -> Reason:
        if self.is_closed:
            return Reason.RECEIVER_CLOSED
        if self.is_full:
            return Reason.TOO_MANY_PRODUCERS
        if self.item is not None and inlet.item != self.item:
            return Reason.TYPE_MISMATCH
        return Reason.NONE

    def _settle(self, inlet: Inlet) -> None:
        """Queues the inlet if it has something to give; lets it go if it is done."""
        if inlet.is_queued:
            return
        if not inlet.has_entries and (
            inlet.is_finished or (inlet.is_ended and not self.is_limited)
        ):
            inlet.retire()
            self._remove(inlet)
        elif inlet.is_takeable or (inlet.is_ended and not inlet.has_entries):
            inlet.is_queued = True
            self._ready.append(inlet)

    def _unqueue(self, inlet: Inlet) -> None:
        if inlet.is_queued:
            inlet.is_queued = False
            self._ready.remove(inlet)

    def _remove(self, inlet: Inlet) -> None:
        del self._inlets[inlet.id]
        self._unqueue(inlet)
        inlet.owner = None
        if inlet.error is not None:
            self._unchain(inlet)
        self._account(inlet)
        if inlet.is_finished:
            self._finished += 1
        elif inlet.error is not None:
            self._lost += 1
        self._wake_at_end()

    def _unchain(self, inlet: Inlet) -> None:
        if self._orphans.get(inlet.node_id) is inlet:
            del self._orphans[inlet.node_id]
            if inlet.predecessor is not None:
                self._orphans[inlet.node_id] = inlet.predecessor
        for other in self.inlets:
            if other.predecessor is inlet:
                other.predecessor = inlet.predecessor
                self._settle(other)

    def _account(self, inlet: Inlet) -> None:
        self._received_before += inlet.arrived
        self._taken_before += inlet.taken

    def _report_discarded(self, node_id: int, first: int, count: int) -> None:
        self._discarded += count
        reason = (
            "the session was lost before the producer's node could have known that "
            "these items arrived; it may have reported them as lost"
        )
        self._fabric.tell(LossReport(node_id, self.channel, first, count, reason))

    def _tell_gone(self, inlet: Inlet) -> None:
        self._fabric.tell(
            ProducerGone(inlet.node_id, self.channel, inlet.arrived, str(inlet.error))
        )

    def _wake_at_end(self) -> None:
        if self.is_ended:
            self._wake()

    def _wake(self) -> None:
        if self._starved and not self.is_closed:
            self._starved = False
            if self.owner is None:
                self._fabric.emit(Readable(self.id))
            else:
                self.owner.source_readable()
