"""`Fence`: when a session must hand out nothing more that may be reported as lost."""

from __future__ import annotations

from comm.effects import Instant
from comm.fabric import Fabric
from comm.marks import Mark, reached
from comm.session.session import Session


__all__ = ["Fence"]


class Fence:
    """Withholds what is in doubt before the other side gives the session up.

    The other side counts its window from the loss of its own link, which was later
    than the last byte that came over it. A HELLO is no such byte: its sender may
    never hear the answer, and give up in time with the link before.

    Args:
        fabric: What the switchboard's parts share.
        node_id: The other node.
    """

    __slots__ = ("_fabric", "_key", "is_proven")

    def __init__(self, fabric: Fabric, node_id: int) -> None:
        # Whether it is known that the other side has the present link, too.
        self.is_proven = False
        self._fabric = fabric
        self._key = ("fence", node_id)

    def link_up(self) -> None:
        """A link stands on this side."""
        self.is_proven = False

    def prove(self, session: Session) -> None:
        """The other side has the link, too: it will give nothing up for now."""
        self.is_proven = True
        self._fabric.timers.cancel(self._key)
        if session.is_fenced:
            reached(Mark.UNFENCED)
        session.unfence()

    def link_down(self, session: Session, last_heard: Instant) -> None:
        """The link is gone; an interval is allowed for what was under way."""
        if not self.is_proven:
            return
        margin_s = self._fabric.config.heartbeat_interval_s
        fence_at = last_heard + session.peer_resume_window_s - margin_s
        if fence_at > self._fabric.now:
            self._fabric.timers.set(self._key, fence_at)
        else:
            session.fence()
