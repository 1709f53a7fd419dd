"""`Dispatcher`: what becomes of the bytes of each connection, and of its end."""

from __future__ import annotations

from collections.abc import Sequence

from comm.effects import LinkId, StreamFailed, StreamOpened
from comm.errors import Error, PeerLost, ProtocolError
from comm.fabric import Fabric
from comm.link.link import Link
from comm.link.state import LinkEvent, LinkState
from comm.link.table import Links
from comm.marks import Mark, reached
from comm.peer.membership import Membership
from comm.peer.peer import PeerCore
from comm.protocol import VERSION_MAX, Frame, Kind, Purpose, ReasonBody


__all__ = ["Dispatcher"]


class Dispatcher:
    """Judges who comes in, and hands frames and links to those they are for.

    Args:
        fabric: What the switchboard's parts share.
        links: Its connections.
        membership: The cluster.
        peers: The other nodes, by their ids; None at this node's own.
    """

    __slots__ = ("_fabric", "_links", "_membership", "_peers")

    def __init__(
        self,
        fabric: Fabric,
        links: Links,
        membership: Membership,
        peers: Sequence[PeerCore | None],
    ) -> None:
        self._fabric = fabric
        self._links = links
        self._membership = membership
        self._peers = peers

    def accept(self) -> Link:
        """Takes a connection that somebody made to this node.

        Where too many are half open already, the oldest of them makes room: an
        honest one is through its handshake long before.
        """
        half_open = self._links.half_open
        if len(half_open) >= self._fabric.config.half_open_max:
            reached(Mark.EVICTED)
            self.end(half_open[0], "too many connections are in their handshake")
        return self._links.accept()

    def open_stream(self, node_id: int) -> LinkId:
        """Begins a raw stream to a node."""
        address = self._membership.nodes[node_id]
        return self._links.dial(node_id, address, Purpose.STREAM).id

    def handle_connected(self, link: Link) -> None:
        """A connection that we asked for stands."""
        peer = self._peer(link)
        if link.purpose is Purpose.SESSION:
            peer.handle_connected(link)
            return
        link.move(LinkEvent.CONNECTED)
        hello = self._membership.hello(peer.node_id, purpose=Purpose.STREAM)
        self._links.transmit_opening(link, Kind.HELLO, 0, hello.encode())

    def handle_data(self, link: Link, data: bytes) -> None:
        """Takes bytes that have arrived; a peer cannot make it raise."""
        if link.state is LinkState.ESTABLISHED and self._is_too_late(link):
            reached(Mark.SUSPENDED)
            self.end(link, "this process did not run for too long")
            return
        try:
            for frame in link.frames(data, self._fabric.now):
                self._handle_frame(link, frame)
        except ProtocolError as error:
            self._break(link, str(error))

    def end(self, link: Link, reason: str) -> None:
        """Closes a link at once, and tells whom it concerns."""
        self._links.abort(link)
        self.handle_ended(link, reason)

    def handle_ended(self, link: Link, reason: str) -> None:
        """A link was closed or given up; it is forgotten already."""
        if link.node_id is None:
            return
        peer = self._peer(link)
        if link.purpose is Purpose.SESSION:
            peer.handle_closed(link, reason)
        else:
            self._fail_stream(link, PeerLost(f"{peer.name}: {reason}"))

    def _peer(self, link: Link) -> PeerCore:
        assert link.node_id is not None
        peer = self._peers[link.node_id]
        assert peer is not None
        return peer

    def _is_too_late(self, link: Link) -> bool:
        # This process was suspended: the other side may have given up meanwhile, and
        # reported what came before as lost.
        config = self._fabric.config
        window_s = self._peer(link).session.peer_resume_window_s
        silence_s = min(window_s, config.silence_s_max)
        limit_s = max(window_s - config.heartbeat_interval_s, silence_s)
        return self._fabric.now - link.last_heard >= limit_s

    def _handle_frame(self, link: Link, frame: Frame) -> None:
        if link.state is LinkState.ESTABLISHED:
            self._peer(link).handle_frame(frame)
        elif frame.kind == Kind.HELLO:
            self._handle_hello(link, frame.payload)
        elif frame.kind == Kind.WELCOME:
            self._handle_welcome(link, frame.payload)
        else:
            self._handle_refusal(link, frame)

    def _break(self, link: Link, reason: str) -> None:
        self._fabric.protocol_errors += 1
        was_established = link.state is LinkState.ESTABLISHED
        if was_established:
            self._peer(link).distrust()
        self.end(link, f"protocol error: {reason}")
        if was_established:
            self._peer(link).strike()

    def _handle_hello(self, link: Link, payload: bytes) -> None:
        hello, reason, text = self._membership.examine(payload)
        if hello is None:
            self._links.refuse(link, reason, text)
            return
        peer = self._peers[hello.node_id]
        assert peer is not None
        if hello.purpose == Purpose.SESSION:
            peer.handle_hello(link, hello)
            return
        newest = min(hello.version_max, VERSION_MAX)
        version = (newest, newest)
        welcome = self._membership.hello(
            hello.node_id, purpose=Purpose.STREAM, version=version
        )
        self._links.transmit_opening(link, Kind.WELCOME, 0, welcome.encode())
        self._hand_over(link, hello.node_id, accepted=True)

    def _handle_welcome(self, link: Link, payload: bytes) -> None:
        peer = self._peer(link)
        hello, reason, text = self._membership.examine(payload)
        if hello is not None and (hello.node_id, hello.purpose) != (
            link.node_id,
            link.purpose,
        ):
            raise ProtocolError("WELCOME answers another HELLO")
        if hello is None:
            self._links.abort(link)
            error = self._membership.refusal(peer.node_id, reason, text)
            self._turn_away(link, error)
        elif link.purpose is Purpose.SESSION:
            peer.handle_welcome(link, hello)
        else:
            self._hand_over(link, peer.node_id, accepted=False)

    def _handle_refusal(self, link: Link, frame: Frame) -> None:
        text = ReasonBody.decode(frame.payload).text
        error = self._membership.refusal(self._peer(link).node_id, frame.value, text)
        self._links.close(link)
        self._turn_away(link, error)

    def _turn_away(self, link: Link, error: Error) -> None:
        if link.purpose is Purpose.SESSION:
            self._peer(link).handle_turned_away(error)
        else:
            self._fail_stream(link, error)

    def _hand_over(self, link: Link, node_id: int, *, accepted: bool) -> None:
        link.move(LinkEvent.HANDED_OVER)
        self._links.forget(link)
        rest = link.take_rest()
        self._fabric.emit(StreamOpened(link.id, node_id, accepted, rest))

    def _fail_stream(self, link: Link, error: Error) -> None:
        self._fabric.emit(StreamFailed(link.id, error))
