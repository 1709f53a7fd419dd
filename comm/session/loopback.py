"""`Loopback`: what carries streams from a node to itself, with the same rules."""

from __future__ import annotations

from collections import deque

from comm.fabric import Cut, Fabric, Origin, Source
from comm.protocol import Frame
from comm.router import Router
from comm.session.streams import Streams


__all__ = ["Loopback"]


class Loopback:
    """The carrier of a node's streams to itself.

    Frames are handed over as values, with no link, no numbers and no loss; credit,
    batches and ends are those of a session, so that a channel behaves the same
    wherever its two ends are.

    Args:
        fabric: What the switchboard's parts share.
        router: The node's channels.
    """

    __slots__ = (
        "_fabric",
        "_inwards",
        "_outwards",
        "_posts",
        "_ready",
        "confirmed",
        "id",
        "is_fenced",
        "node_id",
    )

    def __init__(self, fabric: Fabric, router: Router) -> None:
        self.id = self.confirmed = 0
        self.node_id = fabric.node_id
        self.is_fenced = False
        self._fabric = fabric
        # A stream has two ends, and both are here.
        self._outwards = Streams(fabric, router, self)
        self._inwards = Streams(fabric, router, self)
        self._posts: deque[tuple[Frame, Origin | None]] = deque()
        self._ready: deque[Source] = deque()

    @property
    def streams(self) -> Streams:
        """The producers' ends."""
        return self._outwards

    def pump(self) -> None:
        """Moves everything that can be moved."""
        while self._ready or self._posts:
            if self._posts:
                self._deliver_post(*self._posts.popleft())
                continue
            source = self._ready.popleft()
            cut = source.cut(self._fabric.config.chunk_bytes)
            if cut is not None:
                self._ready.append(source)
                self._deliver(source, cut)

    def begin(self, source: Source) -> None:
        """Gives a source that has an OPEN to send its turns."""
        self.schedule(source)

    def schedule(self, source: Source) -> None:
        """Gives the source a turn, until it has nothing left to cut."""
        self._ready.append(source)
        self._fabric.dirty[self.node_id] = None

    def post(
        self,
        kind: int,
        stream: int,
        value: int = 0,
        payload: bytes = b"",
        origin: Origin | None = None,
    ) -> None:
        """Sends a frame of a stream's receiving end."""
        self._posts.append((Frame(kind, stream, 0, value, payload), origin))
        self._fabric.dirty[self.node_id] = None

    def answer(self, kind: int, stream: int, value: int, payload: bytes) -> None:
        """Answers an OPEN."""
        self.post(kind, stream, value, payload, self._inwards.openings.answer())

    def ask(self) -> None:
        """Does nothing: what is sent is acknowledged as it is sent."""

    def confirm(self) -> None:
        """Does nothing: both ends know the same."""

    def forget_producer(self, stream: int) -> None:
        """Ignores the frames that may still come for a producer."""
        self._outwards.forget_producer(stream)

    def forget_inlet(self, stream: int) -> None:
        """Ignores the frames that may still come for an inlet."""
        self._inwards.forget_inlet(stream)

    def is_in_doubt(self, sequence: int) -> bool:
        """Returns False: both ends know the same."""
        return False

    def check_invariants(self) -> None:
        """Asserts what must hold between any two calls."""
        self._outwards.check_invariants()
        self._inwards.check_invariants()

    def _deliver_post(self, frame: Frame, origin: Origin | None) -> None:
        self._outwards.handle(frame)
        if origin is not None:
            origin.handle_acknowledged(frame.kind, 0)

    def _deliver(self, source: Source, cut: Cut) -> None:
        kind, value, payload, count = cut
        self._inwards.handle(Frame(kind, source.stream, 0, value, payload))
        source.handle_acknowledged(kind, count)
