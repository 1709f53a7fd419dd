"""`Openings`: how many streams may wait for an answer, on either side."""

from __future__ import annotations

from comm.errors import ProtocolError
from comm.fabric import Source


__all__ = ["OPENS_MAX", "Openings"]

OPENS_MAX = 1024
"""How many OPENs one side may have under way without an answer."""


class Openings:
    """The OPENs of one side, and the answers to those of the other.

    A stream costs its opener next to nothing, but an answer has to be kept until the
    other side acknowledges it. So a side opens no more streams than have room, and one
    that goes on opening while it hears no answers breaks the protocol. An honest side
    never does: in front of each frame it acknowledges all that it has heard.
    """

    __slots__ = ("_unanswered", "_unheard", "_waiting")

    def __init__(self) -> None:
        # By their streams: producers that may not send their OPEN yet, in their order,
        # and streams whose OPEN has not been answered.
        self._waiting: dict[int, Source] = {}
        self._unanswered: dict[int, None] = {}
        # How many of our own answers have not been acknowledged.
        self._unheard = 0

    @property
    def is_ready(self) -> bool:
        """Whether a producer waits that may send its OPEN now."""
        return bool(self._waiting) and len(self._unanswered) < OPENS_MAX

    def wait(self, source: Source) -> None:
        """Has a producer send its OPEN as soon as it may."""
        self._waiting[source.stream] = source

    def next(self) -> Source | None:
        """Returns a producer that sends its OPEN now, if one may."""
        if not self.is_ready:
            return None
        stream = next(iter(self._waiting))
        self._unanswered[stream] = None
        return self._waiting.pop(stream)

    def answered(self, stream: int) -> None:
        """The other side has said whether it takes the stream, or ends it."""
        self._unanswered.pop(stream, None)

    def forget(self, stream: int) -> None:
        """A producer was given up."""
        self._waiting.pop(stream, None)

    def stop(self) -> None:
        """Has nobody open anything any more."""
        self._waiting.clear()

    def require_room(self) -> None:
        """Checks that the other side may open one more stream.

        Raises:
            ProtocolError: If it has not heard enough of our answers.
        """
        if self._unheard >= OPENS_MAX:
            raise ProtocolError(
                f"a stream is opened while {OPENS_MAX} answers are not acknowledged"
            )

    def answer(self) -> Openings:
        """Counts an answer; what it returns wants to know that it has arrived."""
        self._unheard += 1
        return self

    def handle_acknowledged(self, kind: int, count: int) -> None:
        """The other side has one of our answers."""
        self._unheard -= 1

    def check_invariants(self) -> None:
        """Asserts what must hold between any two calls."""
        assert len(self._unanswered) <= OPENS_MAX
        assert 0 <= self._unheard <= OPENS_MAX
