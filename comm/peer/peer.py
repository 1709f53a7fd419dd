"""`PeerCore`: one other node: its link, its session, and how to get them back."""

from __future__ import annotations

from typing import Protocol

from comm.effects import PeerMet, Transmit
from comm.errors import ClosedError, Error, PeerLost
from comm.events import PeerDown, PeerUp
from comm.fabric import Fabric, printable
from comm.link.heartbeat import Heartbeat
from comm.link.link import Link
from comm.link.state import LinkEvent, LinkState
from comm.link.table import Links
from comm.marks import Mark, reached
from comm.mpsc.producer import LegOwner, ProducerCore
from comm.mpsc.state import Target
from comm.peer.dialler import Dialler
from comm.peer.fence import Fence
from comm.peer.membership import Membership
from comm.peer.newcomer import PROBING_PING, Newcomer
from comm.peer.succession import Succession
from comm.peer.turns import Turns
from comm.protocol import (
    VERSION_MAX,
    Frame,
    Hello,
    Kind,
    Reason,
    ReasonBody,
    encode_frame,
)
from comm.router import Router
from comm.session.session import Session
from comm.session.state import SessionState
from comm.statistics import PeerInfo, PeerStatistics


__all__ = ["PeerCore", "PeerOwner"]

_STRIKES_MAX = 3


class PeerOwner(Protocol):
    """What a peer tells its switchboard."""

    def session_begun(self, node_id: int) -> None:
        """A session that had no link before has one now."""


class PeerCore:
    """All that this node knows of one other, and does to stay in touch with it.

    Args:
        fabric: What the switchboard's parts share.
        links: The switchboard's connections.
        router: The switchboard's channels.
        membership: The cluster.
        turns: Who may make connections when.
        owner: The switchboard.
        node_id: The other node.
    """

    __slots__ = (
        "_dialler",
        "_fabric",
        "_fence",
        "_heartbeat",
        "_links",
        "_links_established",
        "_made_progress",
        "_membership",
        "_newcomer",
        "_owner",
        "_strikes",
        "_struck_at",
        "_succession",
        "cause",
        "is_met",
        "link",
        "node_id",
    )

    def __init__(
        self,
        fabric: Fabric,
        links: Links,
        router: Router,
        membership: Membership,
        *,
        turns: Turns,
        owner: PeerOwner,
        node_id: int,
    ) -> None:
        self.node_id = node_id
        self._succession = Succession(fabric, router, membership, node_id)
        self.link: Link | None = None
        self.is_met = False
        self.cause: Error = PeerLost(
            f"node {node_id} ({membership.nodes[node_id]}): not tried yet"
        )
        self._fabric = fabric
        self._links = links
        self._membership = membership
        self._owner = owner
        self._heartbeat = Heartbeat(fabric, node_id)
        self._dialler = Dialler(
            fabric, links, turns, node_id=node_id, address=membership.nodes[node_id]
        )
        self._links_established = 0
        # A link that fails before it has carried anything is not redialled at once.
        self._made_progress = False
        self._fence = Fence(fabric, node_id)
        self._newcomer = Newcomer(fabric, links, node_id)
        # Protocol errors without progress, and where progress ended.
        self._strikes = 0
        self._struck_at = -1

    @property
    def session(self) -> Session:
        """The present session with the node."""
        return self._succession.session

    @property
    def name(self) -> str:
        """The node and its address, for people."""
        return self._succession.name

    def is_fenced(self, incarnation: bytes) -> bool:
        """Whether another incarnation of the node has taken this one's place."""
        return self._succession.is_fenced(incarnation)

    def want(self, *, urgent: bool) -> None:
        """Sees to it that a link comes to stand, unless one does."""
        if self.link is None:
            self._dialler.want(urgent=urgent)

    def open(self, target: Target, owner: LegOwner | None) -> ProducerCore:
        """Begins a stream to the node."""
        producer = self.session.streams.open(target, owner)
        if self.link is None:
            self.want(urgent=True)
            self._arm_loss()
        return producer

    def info(self) -> PeerInfo:
        """Returns what is known of the node."""
        session = self.session
        return PeerInfo(
            node_id=self.node_id,
            address=str(self._membership.nodes[self.node_id]),
            incarnation=session.peer_incarnation if session.is_bound else None,
            rtt_s=session.rtt_s,
            is_up=self.link is not None,
        )

    def handle_connected(self, link: Link) -> None:
        """Our connection stands; we say who we are."""
        link.move(LinkEvent.CONNECTED)
        hello = self._succession.say()
        self._links.transmit_opening(link, Kind.HELLO, 0, hello.encode())

    def handle_turned_away(self, cause: Error) -> None:
        """Our connection came to nothing; it is forgotten already."""
        self.cause = cause
        self._dialler.failed()

    def handle_welcome(self, link: Link, hello: Hello) -> None:
        """The other side lets us in."""
        if self.is_fenced(hello.incarnation):
            reached(Mark.WELCOMED_BY_THE_PAST)
            self._links.abort(link)
            error = PeerLost(f"{self.name}: a superseded incarnation answered")
            self.handle_turned_away(error)
            return
        received, resumed = self._succession.adopt(hello)
        link.move(LinkEvent.WELCOMED)
        self._establish(link, hello, received, resumed=resumed)
        self._fence.prove(self.session)

    def handle_hello(self, link: Link, hello: Hello) -> None:
        """The other side asks to come in."""
        session = self.session
        same = hello.incarnation == session.peer_incarnation
        if self.is_fenced(hello.incarnation) or (
            not same and self._newcomer.is_waiting
        ):
            self._links.refuse(link, Reason.DUPLICATE_NODE, "another process took over")
        elif same and hello.generation < session.peer_generation:
            # It was sent before a later one that has been answered already.
            reached(Mark.LATE_HELLO)
            self._links.abort(link)
        elif not same and session.is_bound and self.link is not None:
            self._newcomer.hold(link, hello)
            session.probe(PROBING_PING)
        elif self._dialler.wins:
            self._links.refuse(link, Reason.BUSY, "our own connection comes first")
        else:
            self._admit(link, hello)

    def handle_frame(self, frame: Frame) -> None:
        """Takes a frame of the established link.

        Raises:
            ProtocolError: If it may not come, or says what cannot be.
        """
        if not self._fence.is_proven:
            self._fence.prove(self.session)
        if frame.kind == Kind.GOODBYE:
            self._handle_goodbye(printable(ReasonBody.decode(frame.payload).text))
        elif frame.kind == Kind.PONG and frame.value == PROBING_PING:
            self._newcomer.refuse()
        else:
            self.session.handle_frame(frame)
            self._made_progress = True

    def handle_closed(self, link: Link, reason: str) -> None:
        """One of our links was closed, or was given up; it is forgotten already."""
        if link is self._newcomer.link:
            self._newcomer.release()
        elif link is self._dialler.link:
            self.handle_turned_away(PeerLost(f"{self.name}: {reason}"))
        elif link is self.link:
            self._lose_link(reason)

    def distrust(self) -> None:
        """The other side broke the protocol; its next link is not made in a hurry."""
        self._made_progress = False

    def strike(self) -> None:
        """The other side broke the protocol; the link is closed already.

        A damaged byte may be the cause, and the next link mends that; a node that
        breaks the protocol again and again at the same place is given up.
        """
        progressed = self.session.received != self._struck_at
        self._strikes = 1 if progressed else self._strikes + 1
        self._struck_at = self.session.received
        if self._strikes >= _STRIKES_MAX and self.session.is_bound:
            self._strikes = 0
            reached(Mark.STRUCK_OUT)
            error = PeerLost(f"{self.name}: it breaks the protocol")
            self._succession.declare_lost(error)

    def handle_timer(self, name: str) -> None:
        """A deadline of this peer has come."""
        if name == "dial":
            self._dialler.dial()
        elif name == "ack":
            self.session.acknowledge_now()
        elif name == "heartbeat":
            self._beat()
        elif name == "probe":
            if self.link is None or not self._newcomer.waits_on(self.link.last_heard):
                self._replace_incumbent()
        elif name == "fence":
            self.session.fence()
        else:
            assert name == "loss"
            window_s = self._fabric.config.resume_window_s
            self._succession.declare_lost(
                PeerLost(f"{self.name}: no link for {window_s:g} s; {self.cause}")
            )

    def say_goodbye(self, reason: str) -> None:
        """Ends the session for good, and tells the other side."""
        self._dialler.retire()
        self._newcomer.release()
        link = self.link
        if link is not None:
            payload = ReasonBody(reason).encode()
            goodbye = encode_frame(Kind.GOODBYE, value=Reason.LEAVING, payload=payload)
            buffers = [*self.session.farewell(), goodbye]
            self._fabric.emit(Transmit(link.id, buffers))
            self._detach_link()
            self._links.close(link)
        self._succession.give_up(
            ClosedError(f"{self.name}: this switchboard was closed; make another one")
        )

    def statistics(self) -> PeerStatistics:
        """Returns a snapshot."""
        return PeerStatistics(
            node_id=self.node_id,
            links_established=self._links_established,
            session=self.session.statistics(self._succession.generation),
            link=None if self.link is None else self.link.statistics(),
        )

    def check_invariants(self) -> None:
        """Asserts what must hold between any two calls."""
        session, link = self.session, self.link
        is_up = session.state is SessionState.UP
        assert is_up == (link is not None)
        self._heartbeat.check_invariants(is_up=is_up)
        if session.state is SessionState.DOWN:
            assert ("loss", self.node_id) in self._fabric.timers
        assert link is None or link.state is LinkState.ESTABLISHED
        self._newcomer.check_invariants()
        self._dialler.check_invariants(is_up=is_up)
        session.check_invariants()

    def _admit(self, link: Link, hello: Hello) -> None:
        # Whoever dials anew is alive, so that another claim to its id is not heard.
        self._newcomer.refuse()
        self._dialler.stop()
        if self.link is not None:
            superseded = self.link
            reached(Mark.SUPERSEDED_LINK)
            self._lose_link("the node connected anew", redial=False)
            self._links.abort(superseded)
        received, resumed = self._succession.adopt(hello)
        version = min(hello.version_max, VERSION_MAX)
        welcome = self._succession.say((version, version)).encode()
        self._links.transmit_opening(link, Kind.WELCOME, 0, welcome)
        link.node_id = self.node_id
        self._links.admit(link)
        self._establish(link, hello, received, resumed=resumed)

    def _establish(
        self, link: Link, hello: Hello, received: int, *, resumed: bool
    ) -> None:
        fabric = self._fabric
        self.link = link
        self._fence.link_up()
        self._dialler.succeeded()
        self._links_established += 1
        fabric.timers.cancel(("loss", self.node_id))
        fabric.timers.cancel(("handshake", link.id))
        self._heartbeat.start()
        self.session.link_up(received, hello.chunk_bytes)
        fabric.tell(PeerUp(self.node_id, hello.incarnation, resumed))
        if not self.is_met:
            self.is_met = True
            fabric.emit(PeerMet(self.node_id))
        if not resumed:
            self._owner.session_begun(self.node_id)

    def _detach_link(self) -> None:
        self.link = None
        self.session.link_down()
        self._heartbeat.stop()

    def _lose_link(self, reason: str, *, redial: bool = True) -> None:
        link = self.link
        assert link is not None
        self._detach_link()
        self._arm_loss()
        self._fence.link_down(self.session, link.last_heard)
        self.cause = PeerLost(f"{self.name}: {reason}")
        self._fabric.tell(PeerDown(self.node_id, reason))
        if not redial:
            return
        if self._newcomer.is_waiting:
            self._replace_incumbent()
        elif self._made_progress:
            self._made_progress = False
            self._dialler.want(urgent=False)
        else:
            self._dialler.failed()

    def _arm_loss(self) -> None:
        deadline = self._fabric.now + self._fabric.config.resume_window_s
        self._fabric.timers.set_default(("loss", self.node_id), deadline)

    def _handle_goodbye(self, text: str) -> None:
        link = self.link
        assert link is not None
        self._dialler.retire()
        self._detach_link()
        self._links.close(link)
        self._fabric.tell(PeerDown(self.node_id, text))
        self.cause = PeerLost(f"{self.name}: the node left ({text})")
        self._succession.give_up(PeerLost(f"{self.name}: the node left ({text})"))
        if self._newcomer.is_waiting:
            self._replace_incumbent()

    def _beat(self) -> None:
        link = self.link
        assert link is not None
        self._dialler.lasted()
        if self._heartbeat.is_silent(link):
            reached(Mark.SILENT)
            silence_s = self._fabric.config.silence_s_max
            self._lose_link(f"silent for {silence_s:g} s")
            self._links.abort(link)
        elif self._heartbeat.must_ask(link):
            self.session.ping()

    def _replace_incumbent(self) -> None:
        waiting = self._newcomer.release()
        assert waiting is not None
        self._admit(*waiting)
