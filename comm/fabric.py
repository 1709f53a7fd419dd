"""`Fabric`: what all the parts of one switchboard share, and how they speak up."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import NamedTuple, Protocol

from comm.config import Config
from comm.effects import Effect, EventOccurred, HandleId, Instant
from comm.events import Event, LossReport
from comm.util import Timers


__all__ = ["Carrier", "Cut", "Fabric", "Origin", "Source", "channel_name", "printable"]


class Origin(Protocol):
    """Who wants to know that a frame has arrived."""

    def handle_acknowledged(self, kind: int, count: int) -> None:
        """A frame has arrived, and `count` whole items with it."""


class Source(Origin, Protocol):
    """What a carrier needs of a producer: frames, for as long as it has some."""

    stream: int

    def cut(self, limit: int) -> Cut | None:
        """Returns the next frame with at most `limit` bytes of payload, or None."""
        ...


class Cut(NamedTuple):
    """A frame that a producer wants sent.

    Attributes:
        kind: A `Kind`.
        value: The `value` of its header.
        payload: Its payload.
        items: How many items are complete with it.
    """

    kind: int
    value: int
    payload: bytes
    items: int


class Carrier(Protocol):
    """What moves the frames of streams between two nodes: a session, or the
    loopback of a node to itself.

    Attributes:
        id: Which conversation; 0 for the loopback.
        node_id: The other node.
        confirmed: What the other side is known to know that it has arrived.
    """

    id: int
    node_id: int
    confirmed: int

    def begin(self, source: Source) -> None:
        """Gives a source that has an OPEN to send its turns, as soon as it may."""

    def schedule(self, source: Source) -> None:
        """Gives the source a turn, until it has nothing left to cut."""

    def post(
        self,
        kind: int,
        stream: int,
        value: int = 0,
        payload: bytes = b"",
        origin: Origin | None = None,
    ) -> None:
        """Sends a frame of a stream's receiving end."""

    def answer(self, kind: int, stream: int, value: int, payload: bytes) -> None:
        """Answers an OPEN."""

    def ask(self) -> None:
        """Asks the other side to acknowledge soon."""

    def confirm(self) -> None:
        """Lets the other side know at once what is known to have arrived there."""

    def forget_producer(self, stream: int) -> None:
        """Ignores the frames that may still come for a producer."""

    def forget_inlet(self, stream: int) -> None:
        """Ignores the frames that may still come for an inlet."""

    def is_in_doubt(self, sequence: int) -> bool:
        """Tells whether the other side may not know that this frame arrived."""
        ...

    @property
    def is_fenced(self) -> bool:
        """Whether what is in doubt must not be handed out."""
        ...


def channel_name(channel: bytes) -> str:
    """Returns the beginning of a channel's id, which gives no right to send."""
    return f"{channel[:4].hex()}…"


def printable(text: str) -> str:
    """Returns a text that came from outside, such that it can do a log no harm."""
    return "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in text)


class Fabric:
    """The effects, timers and counters that the parts of a switchboard share.

    Args:
        node_id: This node.
        config: Its limits.
        entropy: Returns that many random bytes.
    """

    __slots__ = (
        "_last_id",
        "_last_session",
        "config",
        "dirty",
        "effects",
        "entropy",
        "losses",
        "node_id",
        "now",
        "protocol_errors",
        "refused",
        "timers",
    )

    def __init__(
        self, node_id: int, config: Config, entropy: Callable[[int], bytes]
    ) -> None:
        self.node_id = node_id
        self.config = config
        self.entropy = entropy
        self.now: Instant = 0.0
        self.effects: deque[Effect] = deque()
        self.timers = Timers()
        # Nodes with something to send, in the order in which they came to have it.
        self.dirty: dict[int, None] = {}
        self.losses = 0
        self.refused = 0
        self.protocol_errors = 0
        self._last_id = 0
        self._last_session = 0

    def advance(self, now: Instant) -> None:
        """Takes note of the time.

        A clock that stepped back would revive deadlines; what has been seen counts.
        """
        self.now = max(now, self.now)

    def next_id(self) -> HandleId:
        """Returns a number that no other link, handle or batch has."""
        self._last_id += 1
        return self._last_id

    def next_session(self) -> int:
        """Returns a number that no other session of this node has, from 1."""
        self._last_session += 1
        return self._last_session

    def emit(self, effect: Effect) -> None:
        """Adds an effect behind the others."""
        self.effects.append(effect)

    def tell(self, event: Event) -> None:
        """Adds an event for the application."""
        if isinstance(event, LossReport):
            self.losses += event.count
        self.effects.append(EventOccurred(event))

    def jitter(self) -> float:
        """Returns a drawn number, 0 to 1."""
        return int.from_bytes(self.entropy(2), "big") / 0xFFFF
