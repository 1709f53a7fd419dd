"""`ProducerCore`: one ordered source of items, from its OPEN to its end."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from comm.effects import Delivered, Failed, Opened, Writable
from comm.errors import ClosedError, Error, ProtocolError, WouldBlock
from comm.events import LossReport
from comm.fabric import Carrier, Cut, Fabric, channel_name
from comm.marks import Mark, reached
from comm.mpsc.item_queue import ItemQueue
from comm.mpsc.sending import send_each, too_large
from comm.mpsc.state import (
    PRODUCER_TRANSITIONS,
    ProducerEvent,
    ProducerState,
    Target,
)
from comm.mpsc.stops import stop_error
from comm.protocol import (
    AcceptBody,
    CountBody,
    EndBody,
    Kind,
    Reason,
    ReasonBody,
)
from comm.statistics import ProducerStatistics, Undelivered


__all__ = ["LegOwner", "ProducerCore"]


class LegOwner(Protocol):
    """Who wants to know of a producer's changes in place of the driver."""

    def leg_changed(self, leg: ProducerCore) -> None:
        """The leg was opened, can send again, has delivered all, or has failed."""


class ProducerCore:
    """A connected producer of one channel.

    Commands raise `ClosedError` after `finish` or `abort`, and the error that
    ended the producer after the other side did. Drain the effects after each.

    Args:
        fabric: What the switchboard's parts share.
        carrier: What leads to the receiver's node.
        stream: The number of this producer on the carrier.
        target: The channel.
        owner: The broadcast sender that this is a leg of.
    """

    __slots__ = (
        "_announced",
        "_blocked",
        "_carrier",
        "_fabric",
        "_finish_cut",
        "_flush_until",
        "_limit",
        "_owner",
        "_queue",
        "_reset",
        "_scheduled",
        "accepted",
        "credit",
        "delivered",
        "error",
        "id",
        "lost",
        "state",
        "stream",
        "target",
    )

    def __init__(
        self,
        fabric: Fabric,
        carrier: Carrier,
        stream: int,
        target: Target,
        owner: LegOwner | None = None,
    ) -> None:
        self.id = fabric.next_id()
        self.stream = stream
        self.target = target
        self.state = ProducerState.CONNECTING
        self.error: Error | None = None
        self.accepted = 0
        self.delivered = 0
        self.lost = 0
        # Zero in every state but OPEN, so that `send` has one thing to check.
        self.credit = 0
        self._limit = fabric.config.message_bytes_max
        self._fabric = fabric
        self._carrier = carrier
        self._owner = owner
        self._queue = ItemQueue()
        self._announced = False
        self._finish_cut = False
        self._reset: str | None = None
        self._scheduled = True
        self._blocked = False
        # How many items a flush waits for; None if there is none.
        self._flush_until: int | None = None
        carrier.begin(self)

    @property
    def node_id(self) -> int:
        """The receiver's node."""
        return self._carrier.node_id

    @property
    def is_leg(self) -> bool:
        """Whether it belongs to a broadcast sender."""
        return self._owner is not None

    @property
    def is_open(self) -> bool:
        """Whether the receiver has taken the producer and neither side ended it."""
        return self.state is ProducerState.OPEN

    @property
    def is_writable(self) -> bool:
        """Whether `send` would accept an item now."""
        return self.credit > 0

    @property
    def is_delivered(self) -> bool:
        """Whether all that was accepted, the end included, needs no more sending."""
        return (
            self.accepted == self.delivered + self.lost
            and self.state is not ProducerState.FINISHING
        )

    @property
    def is_flushing(self) -> bool:
        """Whether `Delivered` is still to come."""
        return self._flush_until is not None

    @property
    def message_bytes_max(self) -> int:
        """The largest item that both sides take."""
        return self._limit

    def send(self, payload: bytes) -> None:
        """Accepts one encoded item.

        Raises:
            WouldBlock: If there is no credit; `Writable` or `Opened` follows.
            MessageTooLarge: If the item exceeds what either side takes.
            ClosedError: After `finish` or `abort`.
            BrokenError: After the other side ended the producer.
        """
        if self.credit <= 0:
            self._refuse()
        size = len(payload)
        if size > self._limit:
            raise too_large(self._where, size, self._limit)
        self._queue.items.append(payload)
        self._queue.size_bytes += size
        self.credit -= size
        self.accepted += 1
        if not self._scheduled:
            self._scheduled = True
            self._carrier.schedule(self)

    def send_many(self, payloads: Sequence[bytes], start: int = 0) -> int:
        """Accepts encoded items while credit lasts; see `comm.sending.send_each`."""
        return send_each(self, payloads, start)

    def request_flush(self) -> None:
        """Asks for `Delivered` as soon as all that was accepted is delivered.

        Raises:
            BrokenError: If the other side ended the producer.
        """
        if self.error is not None:
            raise self.error
        self._flush_until = self.accepted
        if not self._settle():
            self._carrier.ask()

    def finish(self) -> None:
        """Closes the producer: its end follows its last item, in the background."""
        if self.state in {ProducerState.CONNECTING, ProducerState.OPEN}:
            self._move(ProducerEvent.FINISH)
            self._schedule()

    def abort(self, reason: str) -> None:
        """Gives up: what was not yet sent is discarded, and reported as lost."""
        if (
            ProducerEvent.ABORT not in PRODUCER_TRANSITIONS[self.state]
            or self._finish_cut
        ):
            return
        count = self._queue.clear()
        self._move(ProducerEvent.ABORT)
        self._report_loss(self.accepted - count, count, f"aborted: {reason}")
        if self._announced:
            self._reset = reason
            self._schedule()
        else:
            self._move(ProducerEvent.DRAINED)
            self._carrier.forget_producer(self.stream)

    def rehome(self, carrier: Carrier, stream: int) -> None:
        """Asks again, over another carrier; nothing was accepted over the last."""
        assert self.state is ProducerState.CONNECTING
        self._carrier = carrier
        self.stream = stream
        self._announced = False
        self._scheduled = True
        carrier.begin(self)

    def cut(self, limit: int) -> Cut | None:
        """Returns the next frame to send, or None if there is nothing (more)."""
        if not self._announced and self.state is not ProducerState.CLOSED:
            return self._cut_open()
        if self._queue.items:
            return self._queue.cut(limit)
        if self._reset is not None:
            payload = ReasonBody(self._reset).encode()
            self._reset = None
            return Cut(Kind.RESET, Reason.ABORTED, payload, 0)
        if self.state is ProducerState.FINISHING and not self._finish_cut:
            self._finish_cut = True
            return Cut(Kind.FINISH, 0, CountBody(self.accepted).encode(), 0)
        self._scheduled = False
        return None

    def handle_accept(self, credit: int, body: AcceptBody) -> None:
        """The receiver's side took the producer."""
        if ProducerEvent.ACCEPTED not in PRODUCER_TRANSITIONS[self.state]:
            return
        self._move(ProducerEvent.ACCEPTED)
        self._limit = min(self._limit, body.message_bytes_max)
        if self.state is ProducerState.OPEN:
            self.credit = credit
            self._notify(Opened(self.id))

    def handle_credit(self, credit: int) -> None:
        """The receiver granted more bytes."""
        if self.state is not ProducerState.OPEN:
            return
        if self.credit <= 0:
            reached(Mark.ITEM_BEYOND_CREDIT if self.credit else Mark.CREDIT_ZERO)
        self.credit += credit
        if self.is_leg or (self._blocked and self.credit > 0):
            self._blocked = False
            self._notify(Writable(self.id))

    def handle_acknowledged(self, kind: int, count: int) -> None:
        """A frame of this producer has arrived."""
        if self.state in {ProducerState.BROKEN, ProducerState.CLOSED}:
            return
        self.delivered += count
        if kind in {Kind.FINISH, Kind.RESET}:
            self._move(ProducerEvent.DRAINED)
            if kind == Kind.RESET:
                self._carrier.forget_producer(self.stream)
        self._settle()

    def handle_stop(self, reason: int, body: EndBody) -> None:
        """The receiver's side takes nothing more; `taken` items were taken.

        Raises:
            ProtocolError: If more were taken than there were.
        """
        if body.taken > self.accepted:
            raise ProtocolError(
                f"node {self.node_id} took {body.taken} items of {self.accepted}"
            )
        self.delivered = min(body.taken, self.accepted - self.lost)
        error = stop_error(self._where, reason, body.text)
        self._fail(ProducerEvent.STOPPED, error)

    def handle_done(self) -> None:
        """The receiver has taken every item.

        Raises:
            ProtocolError: If there may be more to come.
        """
        if self.state is not ProducerState.FINISHED:
            raise ProtocolError(f"DONE for a producer that is {self.state.value}")
        self._move(ProducerEvent.TAKEN)

    def handle_lost(self, error: Error) -> None:
        """The session is lost; what was not acknowledged is too."""
        self._fail(ProducerEvent.LOST, error)

    def undelivered(self) -> Undelivered | None:
        """What is not known to be delivered; None if nothing is."""
        if self.is_delivered:
            return None
        count = self.accepted - self.delivered - self.lost
        return Undelivered(self.node_id, self.target.channel, self.delivered, count)

    def statistics(self) -> ProducerStatistics:
        """Returns a snapshot."""
        return ProducerStatistics(
            node_id=self.node_id,
            channel=self.target.channel,
            state=self.state.value,
            accepted=self.accepted,
            delivered=self.delivered,
            lost=self.lost,
            queued_items=self.accepted - self.delivered - self.lost,
            queued_bytes=self._queue.size_bytes,
            credit_bytes=self.credit,
        )

    def check_invariants(self) -> None:
        """Asserts what must hold between any two calls."""
        assert self.accepted >= self.delivered + self.lost >= 0
        assert self.credit <= 0 or self.state is ProducerState.OPEN
        waiting = len(self._queue.items)
        assert waiting <= self.accepted - self.delivered - self.lost
        self._queue.check_invariants()
        assert (self.error is not None) == (self.state is ProducerState.BROKEN)
        assert self._scheduled or not waiting

    @property
    def _is_flushed(self) -> bool:
        settled = self.delivered + self.lost
        return (
            settled >= (self._flush_until or 0)
            and self.state is not ProducerState.FINISHING
        )

    @property
    def _where(self) -> str:
        return f"node {self.node_id}, channel {channel_name(self.target.channel)}"

    def _move(self, event: ProducerEvent) -> None:
        self.state = PRODUCER_TRANSITIONS[self.state][event]
        if self.state is not ProducerState.OPEN:
            self.credit = 0

    def _schedule(self) -> None:
        if not self._scheduled:
            self._scheduled = True
            self._carrier.schedule(self)

    def _notify(self, effect: Opened | Writable | Delivered | Failed) -> None:
        if self._owner is None:
            self._fabric.emit(effect)
        else:
            self._owner.leg_changed(self)

    def _settle(self) -> bool:
        if self.is_flushing and self._is_flushed:
            self._flush_until = None
            # As long as the receiver's side doubts it, it may yet be discarded there.
            self._carrier.confirm()
            self._notify(Delivered(self.id))
        return not self.is_flushing

    def _fail(self, event: ProducerEvent, error: Error) -> None:
        self._move(event)
        self._queue.clear()
        self._reset = None
        was_flushing = self.is_flushing
        self._flush_until = None
        self._blocked = False
        count = self.accepted - self.delivered - self.lost
        self._report_loss(self.delivered, count, str(error))
        if self.state is ProducerState.BROKEN:
            self.error = error
            self._notify(Failed(self.id, error))
        elif was_flushing:
            # Nothing is under way any more; what was lost has been reported.
            self._notify(Delivered(self.id))

    def _report_loss(self, first: int, count: int, reason: str) -> None:
        if count:
            self.lost += count
            channel = self.target.channel
            self._fabric.tell(LossReport(self.node_id, channel, first, count, reason))

    def _cut_open(self) -> Cut:
        self._announced = True
        return Cut(Kind.OPEN, 0, self.target.open_body.encode(), 0)

    def _refuse(self) -> None:
        if self.error is not None:
            raise self.error
        if self.state in {ProducerState.CONNECTING, ProducerState.OPEN}:
            self._blocked = True
            raise WouldBlock(
                f"{self._where}: the receiver has granted no more bytes; use send()"
            )
        raise ClosedError(
            f"{self._where}: this producer was closed; connect another one"
        )
