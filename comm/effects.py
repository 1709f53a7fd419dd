"""Effects: all that the core wants done, and all that it has to tell, as values.

`SwitchboardCore.next_effect` hands them out one at a time, in order. A **request**
is imperative: the driver carries it out before it takes the next effect. A
**happening** is in the past tense: the driver wakes whoever waits for it.
"""

from __future__ import annotations

from dataclasses import dataclass

from comm.address import Address
from comm.errors import Error
from comm.events import Event


__all__ = [
    "Abort",
    "BatchesSettled",
    "BatchesWithheld",
    "Close",
    "Connect",
    "Delivered",
    "Effect",
    "EventOccurred",
    "Failed",
    "HandleId",
    "Happening",
    "Instant",
    "LinkId",
    "Opened",
    "PeerMet",
    "Readable",
    "Request",
    "StreamFailed",
    "StreamOpened",
    "Transmit",
    "Writable",
]

Instant = float
"""Seconds on the driver's monotonic clock."""

LinkId = int
"""One connection; issued by the core, never used twice."""

HandleId = int
"""One producer, receiver, broadcast end or fan-out member; never used twice."""


@dataclass(frozen=True, slots=True)
class Connect:
    """Request: connect to the address, then call `handle_connected` or
    `handle_connect_failed` with this link."""

    link: LinkId
    address: Address


@dataclass(frozen=True, slots=True)
class Transmit:
    """Request: write these buffers to the link, in order."""

    link: LinkId
    buffers: list[bytes]


@dataclass(frozen=True, slots=True)
class Close:
    """Request: close the link once everything transmitted so far is written.
    The core has already forgotten it."""

    link: LinkId


@dataclass(frozen=True, slots=True)
class Abort:
    """Request: close the link at once. The core has already forgotten it."""

    link: LinkId


@dataclass(frozen=True, slots=True)
class Opened:
    """The receiver took the producer, which can send now."""

    handle: HandleId


@dataclass(frozen=True, slots=True)
class Failed:
    """The producer cannot go on; each further command raises the error."""

    handle: HandleId
    error: Error


@dataclass(frozen=True, slots=True)
class Writable:
    """A producer that had no credit left has some again."""

    handle: HandleId


@dataclass(frozen=True, slots=True)
class Delivered:
    """Everything that the producer had accepted when `request_flush` was called
    is in its receiver's buffer."""

    handle: HandleId


@dataclass(frozen=True, slots=True)
class Readable:
    """A receiver on which `take` would have raised `WouldBlock` has something:
    items, the error of a producer, or its end."""

    handle: HandleId


@dataclass(frozen=True, slots=True)
class StreamOpened:
    """A link has become a raw byte stream, which belongs to the application now.
    The core has forgotten the link.

    Attributes:
        link: The link.
        node_id: The node at its other end.
        accepted: Whether the other side asked for it.
        received: Bytes that had already arrived for the application.
    """

    link: LinkId
    node_id: int
    accepted: bool
    received: bytes


@dataclass(frozen=True, slots=True)
class StreamFailed:
    """A raw stream that was asked for could not be opened."""

    link: LinkId
    error: Error


@dataclass(frozen=True, slots=True)
class PeerMet:
    """A link to the node stood for the first time."""

    node_id: int


@dataclass(frozen=True, slots=True)
class EventOccurred:
    """Something for `Switchboard.events()`."""

    event: Event


@dataclass(frozen=True, slots=True)
class BatchesWithheld:
    """Request: hand out nothing more of batches that are in doubt.

    The other side may soon report their items as lost. `BatchesSettled` follows.

    Attributes:
        session: The `session` of those batches.
        confirmed: Those with a higher `frame` are in doubt.
    """

    session: int
    confirmed: int


@dataclass(frozen=True, slots=True)
class BatchesSettled:
    """Request: go on handing out batches that were in doubt, or drop what is left
    of them and tell their receivers by `discard`.

    Attributes:
        session: The `session` of those batches.
        confirmed: Those with a higher `frame` were in doubt.
        revoked: Whether they are to be dropped.
    """

    session: int
    confirmed: int
    revoked: bool


Request = Connect | Transmit | Close | Abort | BatchesWithheld | BatchesSettled
Happening = (
    Opened
    | Failed
    | Writable
    | Delivered
    | Readable
    | StreamOpened
    | StreamFailed
    | PeerMet
    | EventOccurred
)
Effect = Request | Happening
