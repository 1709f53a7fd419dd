"""`Succession`: the sessions with one node, one after the other.

A session is with one incarnation of the node, and with one generation of each side:
the number of sessions that the side has given up. Each side says in its HELLO or
WELCOME which session it means; from that, both conclude the same: it goes on, or
the next one begins.
"""

from __future__ import annotations

from comm.errors import BrokenError, Error, PeerLost, PeerRestarted
from comm.events import PeerRestarted as PeerRestartedEvent
from comm.fabric import Fabric
from comm.marks import Mark, reached
from comm.peer.membership import Membership
from comm.protocol import VERSION_MAX, VERSION_MIN, Hello
from comm.router import Router
from comm.session.session import Session


__all__ = ["Succession"]

_NOBODY = bytes(16)
_FENCED_MAX = 16


class Succession:
    """The present session with a node, and what must be remembered of earlier ones.

    Args:
        fabric: What the switchboard's parts share.
        router: The switchboard's channels.
        membership: The cluster.
        node_id: The node.
    """

    __slots__ = (
        "_fabric",
        "_fenced",
        "_membership",
        "_node_id",
        "_router",
        "generation",
        "session",
    )

    def __init__(
        self, fabric: Fabric, router: Router, membership: Membership, node_id: int
    ) -> None:
        self.session = Session(fabric, router, node_id)
        self.generation = 0
        self._fabric = fabric
        self._router = router
        self._membership = membership
        self._node_id = node_id
        # Incarnations that have been superseded, the oldest first.
        self._fenced: dict[bytes, None] = {}

    @property
    def name(self) -> str:
        """The node and its address, for people."""
        return f"node {self._node_id} ({self._membership.nodes[self._node_id]})"

    def is_fenced(self, incarnation: bytes) -> bool:
        """Whether another incarnation has taken this one's place."""
        return incarnation in self._fenced

    def say(self, version: tuple[int, int] = (VERSION_MIN, VERSION_MAX)) -> Hello:
        """Returns what this node says of itself and of the session."""
        session = self.session
        bound_to = (_NOBODY, 0)
        if session.is_bound:
            bound_to = (session.peer_incarnation, session.peer_generation)
        return self._membership.hello(
            self._node_id,
            self.generation,
            version=version,
            bound_to=bound_to,
            received=session.received,
        )

    def adopt(self, hello: Hello) -> tuple[int, bool]:
        """Matches our session with what the other side says of its own.

        Returns:
            What it has received of our session, and whether the session goes on.
        """
        session = self.session
        if session.is_bound and hello.incarnation != session.peer_incarnation:
            self._supersede(session.peer_incarnation, hello.incarnation)
        elif session.is_bound and hello.generation != session.peer_generation:
            reached(Mark.LOST_THERE)
            error = PeerLost(f"{self.name}: the node had given up the session")
            self.give_up(error, peer_answers=True)
        if not self.session.is_bound:
            self.session.bind(hello)
            return 0, False
        mine = (self._membership.incarnation, self.generation)
        if (hello.peer_incarnation, hello.peer_generation) != mine:
            return 0, True
        return hello.received, True

    def declare_lost(self, error: BrokenError) -> None:
        """Gives the session up of our own accord; the other side will hear of it."""
        if self.session.is_bound:
            reached(Mark.LOST_HERE)
            self.generation += 1
        self.give_up(error)

    def give_up(
        self,
        error: Error,
        *,
        keep_doubtful: bool = False,
        peer_answers: bool = False,
    ) -> None:
        """Ends the session, and begins the next one.

        Args:
            error: What the producers of the session are told.
            keep_doubtful: See `Session.give_up`.
            peer_answers: Whether the node is there; producers that still wait to be
                accepted then go on waiting in the next session.
        """
        for name in ("loss", "fence"):
            self._fabric.timers.cancel((name, self._node_id))
        old = self.session
        self.session = Session(self._fabric, self._router, self._node_id)
        if peer_answers:
            self.session.streams.adopt(old.streams)
        old.give_up(error, keep_doubtful=keep_doubtful)

    def _supersede(self, old: bytes, new: bytes) -> None:
        reached(Mark.RESTARTED)
        self._fenced[old] = None
        if len(self._fenced) > _FENCED_MAX:
            del self._fenced[next(iter(self._fenced))]
        self._fabric.tell(PeerRestartedEvent(self._node_id, old, new))
        error = PeerRestarted(
            f"{self.name}: the node restarted; what it had not acknowledged is lost"
        )
        self.give_up(error, keep_doubtful=True, peer_answers=True)
