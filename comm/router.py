"""`Router`: which receiver a channel leads to, and what waits for one to be made."""

from __future__ import annotations

from comm.errors import ProtocolError, UsageError
from comm.fabric import Carrier, Fabric, channel_name
from comm.marks import Mark, reached
from comm.mpsc.inlet import Inlet
from comm.mpsc.receiver import ReceiverCore
from comm.mpsc.sender import ItemKind
from comm.protocol import AcceptBody, ChannelKind, EndBody, Kind, OpenBody, Reason


__all__ = ["Router"]


class Router:
    """The channels of one node.

    An MPSC channel is known here before anyone can send to it. A broadcast channel
    may be sent to before the application makes its receiver: it is **parked** then,
    which costs its producers their window and this node no more than that.

    Args:
        fabric: What the switchboard's parts share.
        incarnation: 16 bytes, this process.
    """

    __slots__ = ("_broadcast", "_fabric", "_incarnation", "_mpsc", "_parked")

    def __init__(self, fabric: Fabric, incarnation: bytes) -> None:
        self._fabric = fabric
        self._incarnation = incarnation
        self._mpsc: dict[bytes, ReceiverCore] = {}
        # Closed ones too: whoever closed a receiver does not want what comes later.
        self._broadcast: dict[bytes, ReceiverCore] = {}
        self._parked: dict[bytes, ReceiverCore] = {}

    @property
    def receivers(self) -> tuple[ReceiverCore, ...]:
        """The receivers that the application has, the oldest first."""
        broadcast = (r for r in self._broadcast.values() if not r.is_closed)
        return (*self._mpsc.values(), *broadcast)

    def add_mpsc(
        self, channel: bytes, item: ItemKind, max_producers: int | None
    ) -> ReceiverCore:
        """Makes the receiver of a new MPSC channel."""
        receiver = ReceiverCore(self._fabric, self, channel, item, max_producers)
        self._mpsc[channel] = receiver
        return receiver

    def add_broadcast(self, channel: bytes, item: ItemKind, name: str) -> ReceiverCore:
        """Makes the receiver of a broadcast channel, with what was parked for it.

        Raises:
            UsageError: If there is one already.
        """
        current = self._broadcast.get(channel)
        if current is not None and not current.is_closed:
            raise UsageError(
                f"node {self._fabric.node_id} already has a receiver of {name!r}; "
                "use its fanout() to receive in several places"
            )
        receiver = self._parked.pop(channel, None)
        if receiver is None:
            receiver = ReceiverCore(self._fabric, self, channel, item)
        elif receiver.inlets:
            reached(Mark.PARKED)
        self._broadcast[channel] = receiver
        receiver.claim(item)
        return receiver

    def receiver_closed(self, receiver: ReceiverCore) -> None:
        """Lets go of an MPSC receiver; nobody can make another of its id."""
        self._mpsc.pop(receiver.channel, None)

    def open(self, carrier: Carrier, stream: int, body: OpenBody) -> Inlet | None:
        """Attaches a producer, and answers it either way.

        Returns:
            The inlet of its stream; None if it was refused.

        Raises:
            ProtocolError: If the kind of channel is unknown.
        """
        if body.kind not in {ChannelKind.MPSC, ChannelKind.BROADCAST}:
            raise ProtocolError(f"channels of kind {body.kind} are unknown")
        item = ItemKind(body.codec, body.item_type)
        inlet = Inlet(self._fabric, carrier, stream, item, body.channel)
        receiver, reason = self._find(carrier, body)
        if receiver is not None:
            reason = receiver.attach(inlet)
        if reason is not Reason.NONE:
            text = ""
            if receiver is not None and reason is Reason.TYPE_MISMATCH:
                text = receiver.mismatch(item)
            carrier.answer(Kind.STOP, stream, reason, EndBody(0, text).encode())
            return None
        config = self._fabric.config
        payload = AcceptBody(config.message_bytes_max).encode()
        carrier.answer(Kind.ACCEPT, stream, config.window_bytes, payload)
        return inlet

    def check_invariants(self) -> None:
        """Asserts what must hold between any two calls."""
        for known in (self._mpsc, self._broadcast, self._parked):
            for channel, receiver in known.items():
                assert receiver.channel == channel
                receiver.check_invariants()
        for channel in self._parked:
            assert channel not in self._broadcast, channel_name(channel)

    def _find(
        self, carrier: Carrier, body: OpenBody
    ) -> tuple[ReceiverCore | None, Reason]:
        if body.kind == ChannelKind.BROADCAST:
            receiver = self._broadcast.get(body.channel)
            if receiver is None:
                return self._park(carrier, body.channel)
            return receiver, Reason.NONE
        if body.incarnation != self._incarnation:
            reached(Mark.STALE_SENDER)
            return None, Reason.STALE_SENDER
        receiver = self._mpsc.get(body.channel)
        return receiver, Reason.NO_CHANNEL if receiver is None else Reason.NONE

    def _park(
        self, carrier: Carrier, channel: bytes
    ) -> tuple[ReceiverCore | None, Reason]:
        self._parked = {c: r for c, r in self._parked.items() if r.inlets}
        waiting = sum(
            inlet.node_id == carrier.node_id
            for receiver in self._parked.values()
            for inlet in receiver.inlets
        )
        if waiting >= self._fabric.config.parked_channels_max:
            reached(Mark.PARKING_FULL)
            return None, Reason.PARKING_FULL
        receiver = self._parked.get(channel)
        if receiver is None:
            receiver = ReceiverCore(self._fabric, self, channel, None)
            self._parked[channel] = receiver
        return receiver, Reason.NONE
