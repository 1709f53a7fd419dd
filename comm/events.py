"""What a switchboard tells about its peers: the values of `events()`."""

from __future__ import annotations

from dataclasses import dataclass


__all__ = ["Event", "LossReport", "PeerDown", "PeerRestarted", "PeerUp", "ProducerGone"]


@dataclass(frozen=True, slots=True)
class PeerUp:
    """A link to the node stands, for the first time or again.

    Attributes:
        node_id: The node.
        incarnation: 16 bytes; which process of that node it is.
        resumed: Whether an earlier conversation went on without loss.
    """

    node_id: int
    incarnation: bytes
    resumed: bool


@dataclass(frozen=True, slots=True)
class PeerDown:
    """The link to the node is gone. Nothing is lost by this alone.

    Attributes:
        node_id: The node.
        reason: Why, in words.
    """

    node_id: int
    reason: str


@dataclass(frozen=True, slots=True)
class PeerRestarted:
    """The node came back as another process; the conversation with the old is over.

    Attributes:
        node_id: The node.
        old: 16 bytes, the incarnation that is gone.
        new: 16 bytes, the incarnation that took its place.
    """

    node_id: int
    old: bytes
    new: bytes


@dataclass(frozen=True, slots=True)
class LossReport:
    """Items that were accepted, and will not be delivered from now on.

    None of them is known to have been delivered before. Where a node died, or was out
    of reach for too long, it may have had some whose acknowledgement never came.

    Attributes:
        node_id: The other node: the receiver's where a producer of this node
            lost items, the producer's where this node had to discard some.
        channel: 16 bytes, the channel.
        first_sequence: The first lost item's number; each producer counts from 0.
        count: How many items, from that one on.
        reason: Why, in words.
    """

    node_id: int
    channel: bytes
    first_sequence: int
    count: int
    reason: str


@dataclass(frozen=True, slots=True)
class ProducerGone:
    """A producer of a channel of this node ended without finishing.

    Attributes:
        node_id: The producer's node.
        channel: 16 bytes, the channel.
        received: How many of its items arrived.
        reason: Why, in words.
    """

    node_id: int
    channel: bytes
    received: int
    reason: str


Event = PeerUp | PeerDown | PeerRestarted | LossReport | ProducerGone
