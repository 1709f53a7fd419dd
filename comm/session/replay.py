"""`ReplayBuffer`: numbered frames that are kept until they are acknowledged."""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

from comm.fabric import Cut, Origin
from comm.marks import Mark, reached
from comm.protocol import Kind, frame_header


__all__ = ["ReplayBuffer", "SentFrame"]


class SentFrame(NamedTuple):
    """A frame that was given a number.

    Attributes:
        sequence: The number, from 1.
        kind: A `Kind`.
        header: Its header, as bytes.
        payload: Its payload.
        origin: Who wants to know that it has arrived, if anybody.
        items: How many items are complete with it.
    """

    sequence: int
    kind: int
    header: bytes
    payload: bytes
    origin: Origin | None
    items: int


class ReplayBuffer:
    """What was sent and may have to be sent again.

    Attributes:
        last_sequence: The highest number given out.
        acknowledged: The highest number acknowledged.
        size_bytes: The payload bytes that are kept.
        replayed: How many frames were sent again.
    """

    __slots__ = (
        "_again",
        "_frames",
        "acknowledged",
        "last_sequence",
        "replayed",
        "size_bytes",
    )

    def __init__(self) -> None:
        self.last_sequence = 0
        self.acknowledged = 0
        self.size_bytes = 0
        self.replayed = 0
        self._frames: deque[SentFrame] = deque()
        # The frames that the present link has yet to carry again.
        self._again: deque[SentFrame] = deque()

    @property
    def has_replay(self) -> bool:
        """Whether frames wait to be sent again."""
        return bool(self._again)

    def number(self, stream: int, cut: Cut, origin: Origin | None) -> SentFrame:
        """Gives a frame the next number, and keeps it."""
        self.last_sequence += 1
        sequence = self.last_sequence
        kind, value, payload, items = cut
        header = frame_header(kind, stream, sequence, value, len(payload))
        frame = SentFrame(sequence, kind, header, payload, origin, items)
        self._frames.append(frame)
        self.size_bytes += len(payload)
        return frame

    def acknowledge(self, sequence: int) -> None:
        """Lets go of every frame up to this one, and tells their producers."""
        self.acknowledged = max(self.acknowledged, sequence)
        frames = self._frames
        while frames and frames[0].sequence <= sequence:
            frame = frames.popleft()
            self.size_bytes -= len(frame.payload)
            if frame.origin is not None:
                frame.origin.handle_acknowledged(frame.kind, frame.items)

    def rewind(self) -> None:
        """Has every frame that is kept sent again."""
        self._again = deque(self._frames)

    def pause(self) -> None:
        """Sends nothing again until the next `rewind`."""
        self._again.clear()

    def next_replay(self) -> SentFrame | None:
        """Returns the next frame to send again; None if there is none."""
        while self._again:
            frame = self._again.popleft()
            if frame.sequence > self.acknowledged:
                self.replayed += 1
                reached(
                    Mark.REPLAYED_PART if frame.kind == Kind.PART else Mark.REPLAYED
                )
                return frame
        return None

    def clear(self) -> None:
        """Lets go of everything."""
        self._frames.clear()
        self._again.clear()
        self.size_bytes = 0
        self.acknowledged = self.last_sequence

    def check_invariants(self) -> None:
        """Asserts what must hold between any two calls."""
        frames = self._frames
        assert len(frames) == self.last_sequence - self.acknowledged
        if not frames:
            assert not self.size_bytes
            return
        unacknowledged = range(self.acknowledged + 1, self.last_sequence + 1)
        assert [frame.sequence for frame in frames] == list(unacknowledged)
        assert self.size_bytes == sum([len(frame.payload) for frame in frames])
