"""`SwitchboardCore`: one node of the fabric as a pure state machine.

Its methods are of four kinds. **Facts** (`handle_…`) come from the driver, with the
time; no peer can make them raise. **Commands** come from the application; they
raise `UsageError`, `ClosedError`, `WouldBlock` or the `BrokenError` that ended a
channel. **Outputs**: after any fact or command, take `next_effect` until it returns
None, then arm one timer at `next_timeout`. **Queries** change nothing.

Any number of facts and commands may come before the effects are taken. Time never
runs backwards: an earlier `now` counts as the latest one seen.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from comm.address import Address, AddressLike
from comm.broadcast.fanout import FanoutCore
from comm.broadcast.sender import BroadcastSenderCore
from comm.broadcast.token import Token
from comm.config import Config
from comm.effects import Effect, Instant, LinkId, Transmit
from comm.errors import ClosedError, UsageError
from comm.fabric import Fabric
from comm.link.state import LinkEvent
from comm.link.table import Links
from comm.mpsc.producer import ProducerCore
from comm.mpsc.receiver import ReceiverCore
from comm.mpsc.sender import ItemKind, Sender
from comm.peer.membership import Membership, checked_nodes
from comm.peer.peer import PeerCore
from comm.peer.turns import Turns
from comm.router import Router
from comm.security import Security
from comm.statistics import PeerInfo, SwitchboardStatistics, Undelivered
from comm.switchboard.channels import Channels
from comm.switchboard.dispatcher import Dispatcher
from comm.util import fingerprint


__all__ = ["SwitchboardCore"]

_UNOBSERVABLE = frozenset({"entropy", "sent_bytes", "received_bytes", "rtt_s"})


class SwitchboardCore:
    """One node of the fabric, without any I/O.

    Args:
        nodes: The addresses of all nodes, in the same order everywhere.
        node_id: This node's index in that list.
        entropy: Returns that many random bytes; the only source of chance.
        cluster: The cluster's name.
        config: The limits of this node.
        security: How connections are protected; None for loopback addresses only.
        codec: The name of the default codec, for the other nodes to know.

    Raises:
        ConfigurationError: If the cluster cannot work like this.
    """

    def __init__(
        self,
        nodes: Sequence[AddressLike],
        node_id: int,
        *,
        entropy: Callable[[int], bytes],
        cluster: str = "comm",
        config: Config | None = None,
        security: Security | None = None,
        codec: str = "msgpack",
    ) -> None:
        addresses = checked_nodes(nodes, node_id, cluster, security)
        self.config = config or Config()
        self._fabric = Fabric(node_id, self.config, entropy)
        self._membership = Membership(
            addresses,
            node_id,
            cluster=cluster,
            security=(security or Security.insecure()).mode,
            codec=codec,
            incarnation=entropy(16),
            config=self.config,
        )
        self._links = Links(self._fabric)
        self._router = Router(self._fabric, self.incarnation)
        self._turns = Turns()
        self._peers = tuple(
            None if peer_id == node_id else self._make_peer(peer_id)
            for peer_id in range(len(addresses))
        )
        self._dispatcher = Dispatcher(
            self._fabric, self._links, self._membership, self._peers
        )
        self._channels = Channels(
            self._fabric, self._membership, self._router, self._peers
        )
        self._is_closed = False

    # A. Facts from the driver.

    def handle_accepted(self, now: Instant) -> LinkId:
        """Somebody connected to this node."""
        self._fabric.advance(now)
        link = self._dispatcher.accept()
        if self._is_closed:
            self._links.abort(link)
        return link.id

    def handle_connected(self, link: LinkId, now: Instant) -> None:
        """A connection that `Connect` asked for stands."""
        self._fabric.advance(now)
        known = self._links.get(link)
        if known is not None:
            self._dispatcher.handle_connected(known)

    def handle_connect_failed(self, link: LinkId, reason: str, now: Instant) -> None:
        """A connection that `Connect` asked for did not come to stand."""
        self.handle_closed(link, now, reason)

    def handle_data(self, link: LinkId, data: bytes, now: Instant) -> None:
        """Bytes have arrived."""
        self._fabric.advance(now)
        known = self._links.get(link)
        if known is not None:
            self._dispatcher.handle_data(known, data)

    def handle_closed(self, link: LinkId, now: Instant, reason: str = "") -> None:
        """The connection is gone."""
        self._fabric.advance(now)
        known = self._links.get(link)
        if known is not None:
            known.move(LinkEvent.ENDED)
            self._links.forget(known)
            self._dispatcher.handle_ended(known, reason or "the connection was closed")

    def handle_write_blocked(self, link: LinkId) -> None:
        """The connection takes no more bytes for now."""
        known = self._links.get(link)
        if known is not None:
            known.write_blocked = True

    def handle_write_resumed(self, link: LinkId) -> None:
        """The connection takes bytes again."""
        known = self._links.get(link)
        if known is not None:
            known.write_blocked = False
            if known.node_id is not None:
                self._fabric.dirty[known.node_id] = None

    def handle_timeout(self, now: Instant) -> None:
        """Time has passed; harmless if no deadline has come."""
        fabric = self._fabric
        fabric.advance(now)
        while (key := fabric.timers.pop_due(fabric.now)) is not None:
            name, number = key
            if name == "handshake":
                link = self._links.get(number)
                assert link is not None
                self._dispatcher.end(
                    link, "silent: no answer within handshake_timeout_s"
                )
            else:
                self._peer(number).handle_timer(name)

    # B. Commands from the application.

    def dial_all(self, now: Instant) -> None:
        """Sees to it that a link to every node comes to stand."""
        self._require_open(now)
        # Each begins with its neighbour, or all would call the same nodes first.
        for distance in range(1, self.size):
            self._peer((self.node_id - distance) % self.size).want(urgent=False)

    def open_mpsc(
        self, item: ItemKind, *, max_producers: int | None = None
    ) -> tuple[Sender[Any], ReceiverCore]:
        """Makes a channel whose receiver lives here; see `Channels.open_mpsc`."""
        self._require_open()
        return self._channels.open_mpsc(item, max_producers)

    def connect(
        self, sender: Sender[Any], item: ItemKind, now: Instant
    ) -> ProducerCore:
        """Begins a producer; see `Channels.connect`."""
        self._require_open(now)
        return self._channels.connect(sender, item)

    def clone(self, producer: ProducerCore, now: Instant) -> ProducerCore:
        """Begins another producer of the same channel; see `Channels.clone`."""
        self._require_open(now)
        return self._channels.clone(producer)

    def open_broadcast_sender(
        self, token: Token[Any], item: ItemKind, now: Instant
    ) -> BroadcastSenderCore:
        """Makes a sending end of a broadcast channel."""
        self._require_open(now)
        return self._channels.open_broadcast_sender(token, item)

    def open_broadcast_receiver(
        self, token: Token[Any], item: ItemKind
    ) -> ReceiverCore:
        """Makes the receiving end; see `Channels.open_broadcast_receiver`."""
        self._require_open()
        return self._channels.open_broadcast_receiver(token, item)

    def open_fanout(self, receiver: ReceiverCore) -> FanoutCore:
        """Turns a receiver into a fan-out; see `Channels.open_fanout`."""
        self._require_open()
        return self._channels.open_fanout(receiver)

    def open_stream(self, node_id: int, now: Instant) -> LinkId:
        """Begins a raw byte stream; `StreamOpened` or `StreamFailed` follows.

        Raises:
            UsageError: If there is no such other node.
        """
        self._require_open(now)
        if not 0 <= node_id < self.size or node_id == self.node_id:
            raise UsageError(f"there is no other node {node_id}")
        return self._dispatcher.open_stream(node_id)

    def abort_stream(self, link: LinkId) -> None:
        """Gives up a raw stream that is not open yet."""
        known = self._links.get(link)
        if known is not None:
            self._links.abort(known)

    def request_flush_all(self) -> None:
        """Asks every node to acknowledge soon."""
        for peer in self._peers:
            if peer is not None:
                peer.session.ask()

    def close(self, now: Instant, reason: str = "left") -> None:
        """Leaves the cluster: what is not delivered by now is reported as lost."""
        self._fabric.advance(now)
        if self._is_closed:
            return
        self._is_closed = True
        for receiver in self._router.receivers:
            receiver.close()
        self._channels.close()
        for peer in self._peers:
            if peer is not None:
                peer.say_goodbye(reason)
        for link in self._links.all():
            self._dispatcher.end(link, "this switchboard was closed")

    # C. What to do now, and when to come back.

    def next_effect(self) -> Effect | None:
        """Returns the next effect, in order; None when there are no more."""
        fabric = self._fabric
        while not fabric.effects:
            if not (fabric.dirty and self._produce()):
                return None
        return fabric.effects.popleft()

    def next_timeout(self) -> tuple[Instant, str] | None:
        """Returns when to call `handle_timeout`, and why; None for never."""
        earliest = self._fabric.timers.next()
        if earliest is None:
            return None
        at, (name, number) = earliest
        return at, f"{name} {number}"

    # D. Queries.

    @property
    def nodes(self) -> tuple[Address, ...]:
        """The addresses of all nodes, in order."""
        return self._membership.nodes

    @property
    def node_id(self) -> int:
        """This node."""
        return self._membership.node_id

    @property
    def size(self) -> int:
        """How many nodes there are."""
        return len(self._membership.nodes)

    @property
    def cluster(self) -> str:
        """The cluster's name."""
        return self._membership.cluster

    @property
    def incarnation(self) -> bytes:
        """16 bytes, this process."""
        return self._membership.incarnation

    @property
    def is_closed(self) -> bool:
        """Whether `close` was called."""
        return self._is_closed

    @property
    def peers(self) -> tuple[PeerInfo | None, ...]:
        """What is known of each node, in order; None for this one."""
        return tuple(None if peer is None else peer.info() for peer in self._peers)

    def peer(self, node_id: int) -> PeerInfo | None:
        """What is known of one node; None for this one."""
        peer = self._peers[node_id]
        return None if peer is None else peer.info()

    def missing(self) -> dict[int, Exception]:
        """Returns the nodes that were never met, and what last kept each away."""
        return {
            peer.node_id: peer.cause
            for peer in self._peers
            if peer is not None and not peer.is_met
        }

    def undelivered(self) -> tuple[Undelivered, ...]:
        """Returns what is not known to be delivered, for each producer."""
        return self._channels.undelivered()

    def statistics(self) -> SwitchboardStatistics:
        """Returns a snapshot, all the way down."""
        return SwitchboardStatistics(
            node_id=self.node_id,
            incarnation=self.incarnation,
            peers=tuple(p.statistics() for p in self._peers if p is not None),
            producers=self._channels.statistics(),
            receivers=tuple(r.statistics() for r in self._router.receivers),
            half_open=len(self._links.half_open),
            refused=self._fabric.refused,
            protocol_errors=self._fabric.protocol_errors,
            lost=self._fabric.losses,
        )

    def check_invariants(self) -> None:
        """Asserts what must hold between any two calls."""
        self._links.check_invariants()
        self._router.check_invariants()
        for peer in self._peers:
            if peer is not None:
                peer.check_invariants()
        self._channels.check_invariants()

    def fingerprint(self) -> str:
        """Returns a digest of the state; equal states behave alike."""
        return fingerprint(self, _UNOBSERVABLE)

    def session_begun(self, node_id: int) -> None:
        """A session that had no link before has one now."""
        self._channels.session_begun(node_id)

    def _make_peer(self, node_id: int) -> PeerCore:
        return PeerCore(
            self._fabric,
            self._links,
            self._router,
            self._membership,
            turns=self._turns,
            owner=self,
            node_id=node_id,
        )

    def _peer(self, node_id: int) -> PeerCore:
        peer = self._peers[node_id]
        assert peer is not None
        return peer

    def _produce(self) -> bool:
        dirty = self._fabric.dirty
        while dirty:
            node_id = next(iter(dirty))
            del dirty[node_id]
            if node_id == self.node_id:
                self._channels.loopback.pump()
                return True
            peer = self._peer(node_id)
            link, session = peer.link, peer.session
            if link is None or link.write_blocked or not session.has_output:
                continue
            buffers = session.fill()
            if not buffers:
                continue
            link.sent_bytes += sum(map(len, buffers))
            link.last_said = self._fabric.now
            self._fabric.emit(Transmit(link.id, buffers))
            if session.has_output:
                dirty[node_id] = None
            return True
        return False

    def _require_open(self, now: Instant | None = None) -> None:
        if now is not None:
            self._fabric.advance(now)
        if self._is_closed:
            raise ClosedError(f"node {self.node_id}: this switchboard was closed")
