"""`BroadcastSenderCore`: the sending end of a broadcast channel."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from comm.broadcast.token import Token
from comm.effects import Delivered, Failed, Writable
from comm.errors import ClosedError, Error, MessageTooLarge, UsageError, WouldBlock
from comm.fabric import Fabric
from comm.marks import Mark, reached
from comm.mpsc.producer import LegOwner, ProducerCore
from comm.mpsc.sender import ItemKind
from comm.mpsc.sending import send_each
from comm.mpsc.state import ProducerState, Target
from comm.protocol import ChannelKind
from comm.statistics import ProducerStatistics, Undelivered


__all__ = ["BroadcastSenderCore", "LegOpener"]

_ENDED = frozenset({ProducerState.BROKEN, ProducerState.CLOSED, ProducerState.ABORTED})


class LegOpener(Protocol):
    """What opens a stream to a node."""

    def open_leg(self, node_id: int, target: Target, owner: LegOwner) -> ProducerCore:
        """Begins a stream from this node to that one."""
        ...


class BroadcastSenderCore:
    """The sending end of a broadcast channel: a producer, or leg, for each node.

    An item is accepted once all legs have credit for it. A leg whose node is lost no
    longer counts; when the node is back it gets what is sent from then on.

    Args:
        fabric: What the switchboard's parts share.
        opener: What opens the legs.
        nodes: The nodes to send to.
        token: The channel.
        item: The codec and item type that are sent.
    """

    __slots__ = (
        "_blocked",
        "_credit",
        "_fabric",
        "_flushing",
        "_legs",
        "_limit",
        "_lost_before",
        "_opener",
        "_target",
        "_unraised",
        "accepted",
        "error",
        "id",
        "is_finished",
    )

    def __init__(
        self,
        fabric: Fabric,
        opener: LegOpener,
        nodes: Sequence[int],
        token: Token[Any],
        item: ItemKind,
    ) -> None:
        self.id = fabric.next_id()
        self.accepted = 0
        self.is_finished = False
        self.error: Error | None = None
        self._fabric = fabric
        self._opener = opener
        self._target = Target(ChannelKind.BROADCAST, token.channel, bytes(16), item)
        self._legs: dict[int, ProducerCore | None] = {}
        # The least credit of all legs, so that `send` has one thing to check.
        self._credit = 0
        self._limit = fabric.config.message_bytes_max
        self._blocked = False
        self._flushing = False
        self._unraised: Error | None = None
        # What the legs that are gone had lost.
        self._lost_before = 0
        for node_id in nodes:
            self._legs[node_id] = opener.open_leg(node_id, self._target, self)
        self._recount()

    @property
    def channel(self) -> bytes:
        """16 bytes, the channel."""
        return self._target.channel

    @property
    def is_open(self) -> bool:
        """Whether it was neither closed nor broken."""
        return not self.is_finished and self.error is None

    @property
    def is_writable(self) -> bool:
        """Whether `send` would accept an item now."""
        return self._credit > 0

    @property
    def is_delivered(self) -> bool:
        """Whether all that was accepted is delivered, or reported as lost."""
        return all(leg is None or leg.is_delivered for leg in self._legs.values())

    @property
    def is_settled(self) -> bool:
        """Whether it was closed and has nothing left to do."""
        return self.is_finished and all(
            leg is None or leg.state in _ENDED for leg in self._legs.values()
        )

    def send(self, payload: bytes) -> None:
        """Accepts one encoded item, for all nodes or for none.

        Raises:
            WouldBlock: If a node has granted no credit; `Writable` follows.
            MessageTooLarge: If the item exceeds what this or any node takes.
            ClosedError: After `finish` or `abort`.
            UsageError: If a node's receiver takes another type.
        """
        if self._credit <= 0:
            self._refuse()
        if len(payload) > self._limit:
            raise MessageTooLarge(
                f"the item has {len(payload)} bytes; the nodes of this broadcast take "
                f"{self._limit}: split it, or raise message_bytes_max in every Config"
            )
        for leg in self._legs.values():
            if leg is not None:
                leg.send(payload)
        self._credit -= len(payload)
        self.accepted += 1

    def send_many(self, payloads: Sequence[bytes], start: int = 0) -> int:
        """Accepts encoded items while credit lasts; see `comm.sending.send_each`."""
        return send_each(self, payloads, start)

    def request_flush(self) -> None:
        """Asks for `Delivered` as soon as no accepted item is under way any more."""
        for leg in self._legs.values():
            if leg is not None and leg.error is None:
                leg.request_flush()
        self._flushing = True
        self._settle()

    def take_loss(self) -> Error | None:
        """Returns why a node lost items since the last call; None if none did."""
        error, self._unraised = self._unraised, None
        return error

    def finish(self) -> None:
        """Closes the sender: its end follows its last item, in the background."""
        self._end()
        for leg in self._legs.values():
            if leg is not None:
                leg.finish()

    def abort(self, reason: str) -> None:
        """Gives up: what was not yet sent is discarded, and reported as lost."""
        self._end()
        for leg in self._legs.values():
            if leg is not None:
                leg.abort(reason)

    def fail(self, error: Error) -> None:
        """Nothing more can be sent, to whichever node."""
        if self.is_open:
            self.error = error
            self._credit = 0
            self._fabric.emit(Failed(self.id, error))

    def node_returned(self, node_id: int) -> None:
        """A session with the node stands again, or for the first time."""
        if self.is_open and node_id in self._legs and self._legs[node_id] is None:
            reached(Mark.LEG_RETURNED)
            self._legs[node_id] = self._opener.open_leg(node_id, self._target, self)
            self._recount()

    def leg_changed(self, leg: ProducerCore) -> None:
        """The leg was opened, can send again, has delivered all, or has failed."""
        if leg.error is not None and self._legs.get(leg.node_id) is leg:
            self._drop(leg)
        self._recount()
        self._settle()

    def undelivered(self) -> tuple[Undelivered, ...]:
        """What is not known to be delivered, a value for each node concerned."""
        found = (leg.undelivered() for leg in self._legs.values() if leg is not None)
        return tuple(value for value in found if value is not None)

    def statistics(self) -> ProducerStatistics:
        """Returns a snapshot."""
        legs = tuple(leg.statistics() for leg in self._legs.values() if leg is not None)
        under_way = max((leg.queued_items for leg in legs), default=0)
        return ProducerStatistics(
            node_id=None,
            channel=self.channel,
            state="open" if self.is_open else "closed",
            accepted=self.accepted,
            delivered=self.accepted - under_way,
            lost=self._lost_before + sum(leg.lost for leg in legs),
            queued_items=under_way,
            queued_bytes=sum(leg.queued_bytes for leg in legs),
            credit_bytes=self._credit,
            legs=legs,
        )

    def check_invariants(self) -> None:
        """Asserts what must hold between any two calls."""
        legs = [leg for leg in self._legs.values() if leg is not None]
        if self.is_open and legs:
            assert self._credit == min(leg.credit for leg in legs)
        for node_id, leg in self._legs.items():
            assert leg is None or leg.node_id == node_id

    def _drop(self, leg: ProducerCore) -> None:
        self._legs[leg.node_id] = None
        self._lost_before += leg.lost
        if leg.lost:
            self._unraised = self._unraised or leg.error
        if isinstance(leg.error, UsageError):
            self.fail(leg.error)

    def _end(self) -> None:
        self.is_finished = True
        self._credit = 0

    def _recount(self) -> None:
        if not self.is_open:
            self._credit = 0
            return
        legs = [leg for leg in self._legs.values() if leg is not None]
        config = self._fabric.config
        limits = (leg.message_bytes_max for leg in legs)
        self._limit = min(limits, default=config.message_bytes_max)
        # With nobody to send to there is nothing to wait for.
        granted = (leg.credit for leg in legs)
        self._credit = min(granted, default=config.window_bytes)
        if self._blocked and self._credit > 0:
            self._blocked = False
            self._fabric.emit(Writable(self.id))

    def _settle(self) -> None:
        legs = self._legs.values()
        if self._flushing and not any(leg and leg.is_flushing for leg in legs):
            self._flushing = False
            self._fabric.emit(Delivered(self.id))

    def _refuse(self) -> None:
        if self.error is not None:
            raise self.error
        if self.is_finished:
            raise ClosedError("this broadcast sender was closed; make another one")
        self._recount()
        if self._credit > 0:
            return
        self._blocked = True
        slow = [
            node_id
            for node_id, leg in self._legs.items()
            if leg is not None and leg.credit <= 0
        ]
        raise WouldBlock(
            f"nodes {slow} have granted no more bytes of this broadcast; use send()"
        )
