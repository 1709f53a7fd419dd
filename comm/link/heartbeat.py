"""`Heartbeat`: makes a link show that it lives, and notices when it does not."""

from __future__ import annotations

from comm.fabric import Fabric
from comm.link.link import Link


__all__ = ["Heartbeat"]


class Heartbeat:
    """The two deadlines of an established link.

    Every byte of the other side counts as a sign of life, so that no amount of data
    can starve it; the link is only asked for one as often as the interval says.

    Args:
        fabric: What the switchboard's parts share.
        node_id: The node at the other end.
    """

    __slots__ = ("_fabric", "_ping", "_silence")

    def __init__(self, fabric: Fabric, node_id: int) -> None:
        self._fabric = fabric
        self._ping = ("ping", node_id)
        self._silence = ("silence", node_id)

    def start(self) -> None:
        """A link stands."""
        self.next_ping()
        silence_s = self._fabric.config.silence_s_max
        self._fabric.timers.set(self._silence, self._fabric.now + silence_s)

    def stop(self) -> None:
        """The link is gone."""
        self._fabric.timers.cancel(self._ping)
        self._fabric.timers.cancel(self._silence)

    def next_ping(self) -> None:
        """Sets the time of the next ping."""
        interval_s = self._fabric.config.heartbeat_interval_s
        self._fabric.timers.set(self._ping, self._fabric.now + interval_s)

    def is_silent(self, link: Link) -> bool:
        """Tells whether the link was silent for too long; if not, looks again later."""
        deadline = link.last_heard + self._fabric.config.silence_s_max
        if self._fabric.now >= deadline:
            return True
        self._fabric.timers.set(self._silence, deadline)
        return False

    def check_invariants(self, *, is_up: bool) -> None:
        """Asserts what must hold between any two calls."""
        assert is_up == (self._ping in self._fabric.timers)
        assert is_up == (self._silence in self._fabric.timers)
