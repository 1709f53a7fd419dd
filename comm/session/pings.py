"""`Pings`: the PINGs and PONGs that a link is to carry next, and the round trip."""

from __future__ import annotations

from comm.effects import Instant
from comm.protocol import Kind, encode_frame


__all__ = ["Pings"]

_TIMED = 1
"""The value of the PING that measures the round trip."""

_WAITING_MAX = 16


class Pings:
    """What one side asks and answers; it belongs to one link, and is not repeated.

    Attributes:
        rtt_s: The last measured round trip, in seconds; None if never.
    """

    __slots__ = ("_asked_at", "_waiting", "rtt_s")

    def __init__(self) -> None:
        self.rtt_s: float | None = None
        self._asked_at: Instant | None = None
        self._waiting: dict[tuple[int, int], None] = {}

    @property
    def is_waiting(self) -> bool:
        """Whether there is something to be sent."""
        return bool(self._waiting)

    def ask(self, value: int) -> None:
        """Asks for a PONG with this value."""
        self._waiting[Kind.PING, value] = None

    def ask_timed(self, now: Instant) -> None:
        """Asks, and measures how long the answer takes."""
        if self._asked_at is None:
            self._asked_at = now
        self.ask(_TIMED)

    def handle_ping(self, value: int) -> None:
        """The other side asks; of very many questions some go unanswered."""
        if len(self._waiting) < _WAITING_MAX:
            self._waiting[Kind.PONG, value] = None

    def handle_pong(self, value: int, now: Instant) -> None:
        """The other side answers."""
        if value == _TIMED and self._asked_at is not None:
            self.rtt_s = now - self._asked_at
            self._asked_at = None

    def take(self) -> list[bytes]:
        """Returns what is to be sent."""
        frames = [encode_frame(kind, value=value) for kind, value in self._waiting]
        self._waiting.clear()
        return frames

    def link_down(self) -> None:
        """The link is gone, and its questions with it."""
        self._waiting.clear()
        self._asked_at = None
