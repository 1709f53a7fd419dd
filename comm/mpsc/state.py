"""Where a producer stands, what moves it, and which channel it sends to."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import NamedTuple

from comm.mpsc.sender import ItemKind
from comm.protocol import OpenBody


__all__ = ["PRODUCER_TRANSITIONS", "ProducerEvent", "ProducerState", "Target"]


class ProducerState(Enum):
    """Where a producer stands."""

    CONNECTING = "connecting"
    """Its OPEN has not been answered."""
    OPEN = "open"
    """It may send."""
    FINISHING = "finishing"
    """It was closed; items or its FINISH are not yet acknowledged."""
    FINISHED = "finished"
    """All is delivered; the receiver has yet to take the last items."""
    BROKEN = "broken"
    """The other side ended it."""
    ABORTED = "aborted"
    """Its owner gave up; what is under way may still arrive."""
    CLOSED = "closed"
    """Nothing more will happen."""


class ProducerEvent(Enum):
    """What moves a producer from one state to the next."""

    ACCEPTED = "ACCEPT received"
    FINISH = "closed by its owner"
    DRAINED = "FINISH or RESET acknowledged"
    TAKEN = "DONE received"
    STOPPED = "STOP received"
    LOST = "session lost"
    ABORT = "aborted by its owner"


PRODUCER_TRANSITIONS: Mapping[ProducerState, Mapping[ProducerEvent, ProducerState]] = {
    ProducerState.CONNECTING: {
        ProducerEvent.ACCEPTED: ProducerState.OPEN,
        ProducerEvent.FINISH: ProducerState.FINISHING,
        ProducerEvent.STOPPED: ProducerState.BROKEN,
        ProducerEvent.LOST: ProducerState.BROKEN,
        ProducerEvent.ABORT: ProducerState.ABORTED,
    },
    ProducerState.OPEN: {
        ProducerEvent.FINISH: ProducerState.FINISHING,
        ProducerEvent.STOPPED: ProducerState.BROKEN,
        ProducerEvent.LOST: ProducerState.BROKEN,
        ProducerEvent.ABORT: ProducerState.ABORTED,
    },
    ProducerState.FINISHING: {
        ProducerEvent.ACCEPTED: ProducerState.FINISHING,
        ProducerEvent.DRAINED: ProducerState.FINISHED,
        ProducerEvent.STOPPED: ProducerState.BROKEN,
        ProducerEvent.LOST: ProducerState.BROKEN,
        ProducerEvent.ABORT: ProducerState.ABORTED,
    },
    ProducerState.FINISHED: {
        ProducerEvent.TAKEN: ProducerState.CLOSED,
        ProducerEvent.STOPPED: ProducerState.BROKEN,
        ProducerEvent.LOST: ProducerState.CLOSED,
    },
    ProducerState.ABORTED: {
        ProducerEvent.DRAINED: ProducerState.CLOSED,
        ProducerEvent.STOPPED: ProducerState.CLOSED,
        ProducerEvent.LOST: ProducerState.CLOSED,
    },
    ProducerState.BROKEN: {},
    ProducerState.CLOSED: {},
}


class Target(NamedTuple):
    """Which channel a producer sends to.

    Attributes:
        kind: A `ChannelKind`.
        channel: 16 bytes, the channel.
        incarnation: 16 bytes, of the node that made it; zeros for broadcast.
        item: The codec and item type that are sent.
    """

    kind: int
    channel: bytes
    incarnation: bytes
    item: ItemKind

    @property
    def open_body(self) -> OpenBody:
        """What the OPEN of its producers carries."""
        codec, item_type = self.item
        return OpenBody(self.kind, self.channel, self.incarnation, codec, item_type)
