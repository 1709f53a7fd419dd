"""`Newcomer`: another process that claims a live node's id, and waits for a verdict."""

from __future__ import annotations

from comm.effects import Instant
from comm.fabric import Fabric
from comm.link.link import Link
from comm.link.state import LinkEvent
from comm.link.table import Links
from comm.marks import Mark, reached
from comm.protocol import Hello, Reason


__all__ = ["PROBING_PING", "Newcomer"]

PROBING_PING = 2
"""The value of the PING that the incumbent must answer."""

_PROBE_TIMEOUT_S_MAX = 1.0


class Newcomer:
    """Holds at most one link in suspense while the incumbent is asked for a sign.

    A node that was restarted comes back while its old link still seems to stand; a
    second process with the same id comes while the first one lives. Only the answer
    to a PING that was sent after the newcomer came tells the two apart. Such an answer
    may take long on a link that is full; as long as bytes come, it is waited for.

    Args:
        fabric: What the switchboard's parts share.
        links: The switchboard's connections.
        node_id: The node whose id is claimed.
    """

    __slots__ = (
        "_fabric",
        "_held_at",
        "_hello",
        "_key",
        "_links",
        "_timeout_s",
        "link",
        "node_id",
    )

    def __init__(self, fabric: Fabric, links: Links, node_id: int) -> None:
        self.node_id = node_id
        self.link: Link | None = None
        self._fabric = fabric
        self._links = links
        self._hello: Hello | None = None
        self._held_at: Instant = 0.0
        timeout_s = fabric.config.handshake_timeout_s / 2
        self._timeout_s = min(_PROBE_TIMEOUT_S_MAX, timeout_s)
        self._key = ("probe", node_id)

    @property
    def is_waiting(self) -> bool:
        """Whether somebody waits."""
        return self.link is not None

    def hold(self, link: Link, hello: Hello) -> None:
        """Keeps a link waiting until the incumbent has answered, or is silent."""
        assert self.link is None
        reached(Mark.DOUBTED)
        link.move(LinkEvent.DOUBTED)
        link.node_id = self.node_id
        self.link, self._hello = link, hello
        self._held_at = self._fabric.now
        self._fabric.timers.set(self._key, self._held_at + self._timeout_s)

    def waits_on(self, last_heard: Instant) -> bool:
        """Waits on if bytes of the incumbent have come meanwhile, and returns whether.

        The handshake timeout of the one that waits bounds this.

        Args:
            last_heard: When its last bytes came.
        """
        deadline = last_heard + self._timeout_s
        if last_heard <= self._held_at or deadline <= self._fabric.now:
            return False
        reached(Mark.DOUBTED_LONG)
        self._fabric.timers.set(self._key, deadline)
        return True

    def release(self) -> tuple[Link, Hello] | None:
        """Returns who waits, and keeps it waiting no more; None if nobody does."""
        link, hello = self.link, self._hello
        self.link = self._hello = None
        self._fabric.timers.cancel(self._key)
        return None if link is None or hello is None else (link, hello)

    def refuse(self) -> None:
        """Turns away who waits: the incumbent is alive."""
        waiting = self.release()
        if waiting is not None:
            reached(Mark.IMPOSTOR_REFUSED)
            text = f"node {self.node_id} is alive in another process"
            self._links.refuse(waiting[0], Reason.DUPLICATE_NODE, text)

    def check_invariants(self) -> None:
        """Asserts what must hold between any two calls."""
        is_waiting = self.link is not None
        assert is_waiting == (self._key in self._fabric.timers)
        assert is_waiting == (self._hello is not None)
