"""`Channels`: how the application opens the ends of channels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from comm.broadcast.fanout import FanoutCore
from comm.broadcast.sender import BroadcastSenderCore
from comm.broadcast.token import Token
from comm.errors import ClosedError, StaleSender, UsageError
from comm.fabric import Fabric
from comm.mpsc.producer import LegOwner, ProducerCore
from comm.mpsc.receiver import ReceiverCore
from comm.mpsc.sender import ItemKind, Sender
from comm.mpsc.state import Target
from comm.peer.membership import Membership
from comm.peer.peer import PeerCore
from comm.protocol import ChannelKind
from comm.router import Router
from comm.session.loopback import Loopback
from comm.session.session import Session
from comm.statistics import ProducerStatistics, Undelivered


__all__ = ["Channels"]


class Channels:
    """Opens the ends of channels, and knows those that send.

    Args:
        fabric: What the switchboard's parts share.
        membership: The cluster.
        router: The receivers of this node.
        peers: The other nodes, by their ids; None at this node's own.
    """

    __slots__ = (
        "_broadcasts",
        "_fabric",
        "_loopback",
        "_membership",
        "_peers",
        "_router",
    )

    def __init__(
        self,
        fabric: Fabric,
        membership: Membership,
        router: Router,
        peers: Sequence[PeerCore | None],
    ) -> None:
        self._fabric = fabric
        self._membership = membership
        self._router = router
        self._peers = peers
        self._loopback = Loopback(fabric, router)
        self._broadcasts: dict[int, BroadcastSenderCore] = {}

    @property
    def loopback(self) -> Loopback:
        """What carries this node's streams to itself."""
        return self._loopback

    def open_mpsc(
        self, item: ItemKind, max_producers: int | None
    ) -> tuple[Sender[Any], ReceiverCore]:
        """Makes a channel whose receiver lives here.

        Raises:
            UsageError: If `max_producers` is not at least 1.
        """
        if max_producers is not None and max_producers < 1:
            raise UsageError(
                f"max_producers is {max_producers}; give at least 1, or None"
            )
        self._membership.require_names(item)
        channel = self._fabric.entropy(16)
        receiver = self._router.add_mpsc(channel, item, max_producers)
        member = self._membership
        sender: Sender[Any] = Sender(
            member.cluster, member.node_id, member.incarnation, channel, *item
        )
        return sender, receiver

    def connect(self, sender: Sender[Any], item: ItemKind) -> ProducerCore:
        """Begins a producer; `Opened` or `Failed` follows.

        Raises:
            UsageError: If the sender leads to another cluster, or takes other items.
            StaleSender: If it is known that its node has restarted since.
        """
        self._membership.require_match(sender, item)
        self._require_fresh(sender)
        target = Target(ChannelKind.MPSC, sender.channel, sender.incarnation, item)
        return self.open_leg(sender.node_id, target, None)

    def clone(self, producer: ProducerCore) -> ProducerCore:
        """Begins another producer of the same channel.

        Raises:
            BrokenError: If the other side ended the one given.
        """
        if producer.error is not None:
            raise producer.error
        return self.open_leg(producer.node_id, producer.target, None)

    def open_broadcast_sender(
        self, token: Token[Any], item: ItemKind
    ) -> BroadcastSenderCore:
        """Makes a sending end of a broadcast channel."""
        self._membership.require_names(item)
        own = self._membership.node_id
        nodes = [
            node_id
            for node_id in range(len(self._peers))
            if node_id != own or token.loopback
        ]
        sender = BroadcastSenderCore(self._fabric, self, nodes, token, item)
        settled = [key for key, value in self._broadcasts.items() if value.is_settled]
        for key in settled:
            del self._broadcasts[key]
        self._broadcasts[sender.id] = sender
        return sender

    def open_broadcast_receiver(
        self, token: Token[Any], item: ItemKind
    ) -> ReceiverCore:
        """Makes the receiving end of a broadcast channel, with what waits for it.

        Raises:
            UsageError: If this node has one already.
        """
        self._membership.require_names(item)
        return self._router.add_broadcast(token.channel, item, token.name)

    def open_fanout(self, receiver: ReceiverCore) -> FanoutCore:
        """Turns a receiver into a fan-out.

        Raises:
            UsageError: If it was closed, or is one already.
        """
        if receiver.owner is not None or receiver.is_closed:
            raise UsageError("this receiver was closed, or belongs to a fan-out")
        return FanoutCore(self._fabric, receiver)

    def open_leg(
        self, node_id: int, target: Target, owner: LegOwner | None
    ) -> ProducerCore:
        """Begins a stream from this node to that one."""
        peer = self._peers[node_id]
        if peer is None:
            return self._loopback.streams.open(target, owner)
        return peer.open(target, owner)

    def session_begun(self, node_id: int) -> None:
        """A session that had no link before has one now."""
        for sender in self._broadcasts.values():
            sender.node_returned(node_id)

    def close(self) -> None:
        """Ends what sends from this node, with or without a session."""
        error = ClosedError(
            f"node {self._membership.node_id}: this switchboard was closed; make "
            "another one"
        )
        for sender in self._broadcasts.values():
            sender.fail(error)
        self._loopback.streams.lost(error, keep_doubtful=True)

    def undelivered(self) -> tuple[Undelivered, ...]:
        """Returns what is not known to be delivered, for each producer."""
        found = (producer.undelivered() for producer in self._producers())
        return tuple(value for value in found if value is not None)

    def statistics(self) -> tuple[ProducerStatistics, ...]:
        """Returns a snapshot of each producer, then of each broadcast sender."""
        plain = [p.statistics() for p in self._producers() if not p.is_leg]
        broadcasts = [sender.statistics() for sender in self._broadcasts.values()]
        return (*plain, *broadcasts)

    def check_invariants(self) -> None:
        """Asserts what must hold between any two calls."""
        self._loopback.check_invariants()
        for sender in self._broadcasts.values():
            sender.check_invariants()

    def _producers(self) -> list[ProducerCore]:
        sessions = (peer.session for peer in self._peers if peer is not None)
        carriers: list[Session | Loopback] = [self._loopback, *sessions]
        return [
            producer
            for carrier in carriers
            for producer in carrier.streams.producers.values()
        ]

    def _require_fresh(self, sender: Sender[Any]) -> None:
        peer = self._peers[sender.node_id]
        if peer is None:
            is_stale = sender.incarnation != self._membership.incarnation
        else:
            is_stale = peer.is_fenced(sender.incarnation)
        if is_stale:
            raise StaleSender(
                f"node {sender.node_id} has restarted since it made this sender; "
                "get a new one from it"
            )
