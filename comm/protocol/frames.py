"""The frames of the wire protocol: one header for all, and the bodies of some.

Every frame is a header of 21 bytes, big-endian, and a payload:

    length u32 | kind u8 | stream u32 | sequence u64 | value u32 | payload

`length` counts the payload alone. What `stream`, `value` and the payload mean
depends on the kind; `sequence` numbers the frames of a session that must arrive
exactly once, from 1, and is 0 in all others.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
import struct
from typing import ClassVar, NamedTuple

from comm.protocol.layout import ID, TEXT, U8, U32, U64, Body, Field


__all__ = [
    "HEADER",
    "SEQUENCED",
    "AcceptBody",
    "AckBody",
    "ChannelKind",
    "CountBody",
    "EndBody",
    "Frame",
    "Kind",
    "OpenBody",
    "Reason",
    "ReasonBody",
    "encode_frame",
    "frame_header",
]

HEADER = struct.Struct(">IBIQI")


class Kind(IntEnum):
    """What a frame is."""

    HELLO = 1
    """The dialling side says who it is."""
    WELCOME = 2
    """The accepting side says who it is: the link stands."""
    REFUSAL = 3
    """The link is refused, and why; nothing follows."""
    ACK = 4
    """`sequence`: all frames up to this one have arrived."""
    PING = 5
    """Asks for a PONG with the same `value`."""
    PONG = 6
    """Answers a PING."""
    GOODBYE = 7
    """The sender of this frame leaves for good; nothing follows."""
    OPEN = 16
    """A producer attaches to a channel as `stream`."""
    DATA = 17
    """`value` whole items, one after the other."""
    PART = 18
    """A piece of one large item; `value` is 1 in its last piece, else 0."""
    FINISH = 19
    """The producer has sent all its items."""
    RESET = 20
    """The producer was aborted; what it had not sent is gone."""
    ACCEPT = 32
    """The receiver takes the producer; `value` is its first credit, in bytes."""
    CREDIT = 33
    """The receiver grants `value` bytes more."""
    STOP = 34
    """The receiver takes nothing (more) of this producer, and why."""
    DONE = 35
    """Everything up to FINISH was taken; the stream's number is forgotten."""


SEQUENCED = frozenset(kind for kind in Kind if kind >= Kind.OPEN)
"""The kinds that are numbered, acknowledged and replayed."""


class Reason(IntEnum):
    """Why a connection or a stream was refused or ended."""

    NONE = 0
    """No reason is given."""
    VERSION = 1
    """No protocol version in common."""
    CLUSTER = 2
    """The two sides belong to clusters of different names."""
    MEMBERSHIP = 3
    """The two sides have different lists of nodes."""
    WRONG_NODE = 4
    """The HELLO is meant for another node, or comes from no node of the list."""
    AUTHENTICATION = 5
    """Another security mode, or the proof of identity failed."""
    DUPLICATE_NODE = 6
    """Another live process has this node id, or this process was replaced by one."""
    BUSY = 7
    """Not now: both sides dialled at once. Trying again helps."""
    MALFORMED = 8
    """The HELLO could not be understood."""
    LEAVING = 9
    """The process leaves the cluster."""
    STALE_SENDER = 16
    """The channel was made by an earlier incarnation of its node."""
    NO_CHANNEL = 17
    """There is no such channel, or there is none any more."""
    TOO_MANY_PRODUCERS = 18
    """The channel has all the producers that it takes, or is sealed."""
    TYPE_MISMATCH = 19
    """The two ends name different codecs or item types."""
    RECEIVER_CLOSED = 20
    """The receiver was closed."""
    ABORTED = 21
    """The producer was aborted."""
    PARKING_FULL = 22
    """The node waits for the receivers of too many broadcast channels already."""
    TOO_LARGE = 23
    """An item is larger than the receiver takes."""


class ChannelKind(IntEnum):
    """What a channel id in OPEN refers to."""

    MPSC = 0
    """A channel that one node made; `incarnation` says which process of it."""
    BROADCAST = 1
    """A channel that every node knows by its name."""


class Frame(NamedTuple):
    """One frame as it was read."""

    kind: int
    stream: int
    sequence: int
    value: int
    payload: bytes


@dataclass(frozen=True, slots=True)
class OpenBody(Body):
    """The payload of OPEN.

    Attributes:
        kind: A `ChannelKind`.
        channel: 16 bytes, the channel's id.
        incarnation: 16 bytes, of the node that made the channel; zeros for broadcast.
        codec: The name of the codec that the producer uses.
        item_type: The name of the item type that the producer sends.
    """

    kind: int
    channel: bytes
    incarnation: bytes
    codec: str
    item_type: str

    LAYOUT: ClassVar[tuple[tuple[str, Field], ...]] = (
        ("kind", U8),
        ("channel", ID),
        ("incarnation", ID),
        ("codec", TEXT),
        ("item_type", TEXT),
    )


@dataclass(frozen=True, slots=True)
class AcceptBody(Body):
    """The payload of ACCEPT.

    Attributes:
        message_bytes_max: The largest item that the receiver takes.
    """

    message_bytes_max: int

    LAYOUT: ClassVar[tuple[tuple[str, Field], ...]] = (("message_bytes_max", U32),)


@dataclass(frozen=True, slots=True)
class AckBody(Body):
    """The payload of ACK.

    Attributes:
        confirmed: The highest acknowledgement that the sender of this frame has
            had from the other side, which so learns what that side knows.
    """

    confirmed: int

    LAYOUT: ClassVar[tuple[tuple[str, Field], ...]] = (("confirmed", U64),)


@dataclass(frozen=True, slots=True)
class CountBody(Body):
    """The payload of FINISH.

    Attributes:
        count: How many items the producer sent in all.
    """

    count: int

    LAYOUT: ClassVar[tuple[tuple[str, Field], ...]] = (("count", U64),)


@dataclass(frozen=True, slots=True)
class EndBody(Body):
    """The payload of STOP.

    Attributes:
        taken: The number of items that the receiving application has.
        text: More about the reason, for people.
    """

    taken: int
    text: str

    LAYOUT: ClassVar[tuple[tuple[str, Field], ...]] = (("taken", U64), ("text", TEXT))


@dataclass(frozen=True, slots=True)
class ReasonBody(Body):
    """The payload of REFUSAL, RESET and GOODBYE.

    Attributes:
        text: More about the reason, for people.
    """

    text: str

    LAYOUT: ClassVar[tuple[tuple[str, Field], ...]] = (("text", TEXT),)


def frame_header(kind: int, stream: int, sequence: int, value: int, size: int) -> bytes:
    """Returns the 21 bytes that stand before a payload of `size` bytes."""
    return HEADER.pack(size, kind, stream, sequence, value)


def encode_frame(
    kind: int, stream: int = 0, sequence: int = 0, value: int = 0, payload: bytes = b""
) -> bytes:
    """Returns one whole frame."""
    return HEADER.pack(len(payload), kind, stream, sequence, value) + payload
