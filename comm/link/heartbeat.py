"""`Heartbeat`: makes a link show that it lives, and notices when it does not."""

from __future__ import annotations

from comm.effects import Instant
from comm.fabric import Fabric
from comm.link.link import Link


__all__ = ["Heartbeat"]

_MEASURED_EVERY = 10
"""After how many intervals a side asks that has no other reason to: the round trip is
to be known on both sides, and on a busy link, too."""


class Heartbeat:
    """Says when the other side of an established link is to be asked for a sign.

    Every byte counts as one, so that no amount of data can starve it, and whoever
    hears and is heard need not ask. To be heard matters as well: the other side's own
    question may be stuck behind much data, and it may hear nothing else.

    If both sides asked after the same silence, each PING would cross another one. So
    the node with the lower id waits longer, by half of what an answer may take.

    One timer does for everything. It is not set anew when bytes come, but looks at
    the link when it is due.

    Args:
        fabric: What the switchboard's parts share.
        node_id: The node at the other end.
    """

    __slots__ = ("_asked_at", "_fabric", "_key", "_patience_s")

    def __init__(self, fabric: Fabric, node_id: int) -> None:
        self._fabric = fabric
        self._key = ("heartbeat", node_id)
        self._asked_at: Instant = 0.0
        self._patience_s = fabric.config.heartbeat_interval_s
        if fabric.node_id < node_id:
            self._patience_s += fabric.config.heartbeat_timeout_s / 2

    def start(self) -> None:
        """A link stands; it is asked once when it has lasted."""
        now, interval_s = self._fabric.now, self._fabric.config.heartbeat_interval_s
        self._asked_at = now - (_MEASURED_EVERY - 1) * interval_s
        self._fabric.timers.set(self._key, now + interval_s)

    def stop(self) -> None:
        """The link is gone."""
        self._fabric.timers.cancel(self._key)

    def is_silent(self, link: Link) -> bool:
        """Tells whether the link was silent for too long."""
        return self._fabric.now >= self._silent_at(link)

    def must_ask(self, link: Link) -> bool:
        """Tells whether to send a PING now, and sets when to look again."""
        now = self._fabric.now
        is_due = now >= self._next_ping_at(link)
        if is_due:
            self._asked_at = now
        look_at = min(self._next_ping_at(link), self._silent_at(link))
        self._fabric.timers.set(self._key, look_at)
        return is_due

    def check_invariants(self, *, is_up: bool) -> None:
        """Asserts what must hold between any two calls."""
        assert is_up == (self._key in self._fabric.timers)

    def _silent_at(self, link: Link) -> Instant:
        return link.last_heard + self._fabric.config.silence_s_max

    def _next_ping_at(self, link: Link) -> Instant:
        interval_s = self._fabric.config.heartbeat_interval_s
        wanted_at = min(
            min(link.last_heard, link.last_said) + self._patience_s,
            self._asked_at + _MEASURED_EVERY * interval_s,
        )
        return max(wanted_at, self._asked_at + interval_s)
