"""Frozen snapshots of what a switchboard and its parts have done and hold."""

from __future__ import annotations

from dataclasses import dataclass


__all__ = [
    "LinkStatistics",
    "PeerInfo",
    "PeerStatistics",
    "ProducerStatistics",
    "ReceiverStatistics",
    "SessionStatistics",
    "SwitchboardStatistics",
    "Undelivered",
]


@dataclass(frozen=True, slots=True)
class ProducerStatistics:
    """One producer, or one leg of a broadcast sender.

    `accepted == delivered + lost + queued_items` at all times. Of a broadcast sender
    as a whole, `delivered` counts the items that are under way to no node any more,
    and `lost` counts an item once for each node that lost it.

    Attributes:
        node_id: The receiver's node; None for a broadcast sender as a whole.
        channel: 16 bytes, the channel.
        state: Where the producer stands, in a word.
        accepted: Items that `send` has accepted.
        delivered: Items known to be in the receiver's buffer or beyond.
        lost: Items reported as lost.
        queued_items: Items neither known to be delivered nor lost.
        queued_bytes: Bytes of items that have not been put on a link.
        credit_bytes: How much more may be sent now; at most one item below zero.
        legs: The parts of a broadcast sender, one a node.
    """

    node_id: int | None
    channel: bytes
    state: str
    accepted: int
    delivered: int
    lost: int
    queued_items: int
    queued_bytes: int
    credit_bytes: int
    legs: tuple[ProducerStatistics, ...] = ()


@dataclass(frozen=True, slots=True)
class ReceiverStatistics:
    """One receiver.

    Attributes:
        channel: 16 bytes, the channel.
        received: Items that have arrived.
        taken: Items that were handed to the application.
        discarded: Items that arrived and were thrown away: by closing the receiver,
            or because their producer may have reported them as lost.
        buffered_items: Items that wait to be taken.
        buffered_bytes: Their bytes, parts of unfinished items included.
        producers: Producers that are attached now.
        attached: Producers that have ever attached.
        finished: Producers that finished in order.
        lost: Producers that were lost or aborted.
        refused: Producers that were refused.
    """

    channel: bytes
    received: int
    taken: int
    discarded: int
    buffered_items: int
    buffered_bytes: int
    producers: int
    attached: int
    finished: int
    lost: int
    refused: int


@dataclass(frozen=True, slots=True)
class LinkStatistics:
    """One connection.

    Attributes:
        state: Where it stands, in a word.
        sent_bytes: Bytes given to the driver.
        received_bytes: Bytes that came from the driver.
        buffered_bytes: Bytes of an incomplete frame that are held.
        write_blocked: Whether the driver asked for a pause.
    """

    state: str
    sent_bytes: int
    received_bytes: int
    buffered_bytes: int
    write_blocked: bool


@dataclass(frozen=True, slots=True)
class SessionStatistics:
    """The conversation with one node.

    Attributes:
        state: Where it stands, in a word.
        generation: How many earlier sessions this side has given up.
        sent: The highest sequence number given out.
        acknowledged: The highest one that the other side has acknowledged.
        received: The highest sequence number received.
        unacknowledged_bytes: What is kept to be sent again if need be.
        replayed: Frames that were sent again.
        duplicates: Frames that came again and were dropped.
        producers: Streams of this node's producers.
        inlets: Streams of the other node's producers.
    """

    state: str
    generation: int
    sent: int
    acknowledged: int
    received: int
    unacknowledged_bytes: int
    replayed: int
    duplicates: int
    producers: int
    inlets: int


@dataclass(frozen=True, slots=True)
class PeerStatistics:
    """One other node.

    Attributes:
        node_id: The node.
        links_established: How often a link to it has come to stand.
        session: The conversation with it.
        link: The link to it; None while there is none.
    """

    node_id: int
    links_established: int
    session: SessionStatistics
    link: LinkStatistics | None


@dataclass(frozen=True, slots=True)
class PeerInfo:
    """What is known of one other node.

    Attributes:
        node_id: The node.
        address: Where it listens, as text.
        incarnation: 16 bytes, the process last spoken to; None if never.
        rtt_s: The last measured round trip, in seconds; None if never.
        is_up: Whether a link to it stands.
    """

    node_id: int
    address: str
    incarnation: bytes | None
    rtt_s: float | None
    is_up: bool


@dataclass(frozen=True, slots=True)
class Undelivered:
    """Items of one producer that are not known to be delivered.

    Attributes:
        node_id: The receiver's node.
        channel: 16 bytes, the channel.
        first_sequence: The first such item's number.
        count: How many; 0 if only the producer's end is still to be told.
    """

    node_id: int
    channel: bytes
    first_sequence: int
    count: int


@dataclass(frozen=True, slots=True)
class SwitchboardStatistics:
    """A whole switchboard, all the way down.

    Attributes:
        node_id: This node.
        incarnation: 16 bytes, this process.
        peers: The other nodes, in node order.
        producers: This node's producers and broadcast senders.
        receivers: This node's receivers.
        half_open: Accepted connections that have not said who they are.
        refused: Connections that were refused.
        protocol_errors: Connections that were cut because they broke the protocol.
        lost: Items that were reported as lost.
    """

    node_id: int
    incarnation: bytes
    peers: tuple[PeerStatistics, ...]
    producers: tuple[ProducerStatistics, ...]
    receivers: tuple[ReceiverStatistics, ...]
    half_open: int
    refused: int
    protocol_errors: int
    lost: int
