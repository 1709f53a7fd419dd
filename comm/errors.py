"""Every exception that `comm` raises.

    Error
    ├── UsageError               the call itself is wrong; nothing was changed
    │   └── ConfigurationError   the cluster or its options cannot work
    ├── ClosedError              you closed this handle
    ├── BrokenError              the other side ended it
    │   ├── ReceiverClosed       the receiver was closed
    │   ├── PeerLost             the node was unreachable for too long, or left
    │   ├── PeerRestarted        the node came back as another incarnation
    │   ├── StaleSender          the sender was made by an earlier incarnation
    │   ├── ProducerLost         a producer's node was lost before it finished
    │   ├── ProducerAborted      a producer gave up on purpose
    │   └── TooManyProducers     the channel has all the producers that it takes
    ├── EndOfChannel             every producer has finished: an orderly end
    ├── WouldBlock               the `_nowait` form would have had to wait
    ├── RendezvousError          nodes are missing (also a TimeoutError)
    ├── HandshakeError           a connection was refused by one of its sides
    │   ├── VersionMismatch      no protocol version in common
    │   ├── ClusterMismatch      another cluster, or another list of nodes
    │   ├── AuthenticationFailed the other side could not prove who it is
    │   └── DuplicateNode        another live process has this node id
    ├── ProtocolError            the other side broke the wire protocol
    ├── MessageTooLarge          one item exceeds `message_bytes_max`
    ├── EncodeError              one item cannot be turned into bytes
    └── DecodeError              one item cannot be rebuilt from its bytes

`ClosedError` means that you did it, `BrokenError` that the other side did;
`EndOfChannel` is no failure at all. Every message names the node, the channel
and what to do about it.
"""

from __future__ import annotations

from collections.abc import Mapping


__all__ = [
    "AuthenticationFailed",
    "BrokenError",
    "ClosedError",
    "ClusterMismatch",
    "ConfigurationError",
    "DecodeError",
    "DuplicateNode",
    "EncodeError",
    "EndOfChannel",
    "Error",
    "HandshakeError",
    "MessageTooLarge",
    "PeerLost",
    "PeerRestarted",
    "ProducerAborted",
    "ProducerLost",
    "ProtocolError",
    "ReceiverClosed",
    "RendezvousError",
    "StaleSender",
    "TooManyProducers",
    "UsageError",
    "VersionMismatch",
    "WouldBlock",
]


class Error(Exception):
    """The root of every exception that this library raises."""


class UsageError(Error):
    """The call is wrong as it stands; nothing was changed by it."""


class ConfigurationError(UsageError, ValueError):
    """The cluster, or one of its options, cannot work as it was given."""


class ClosedError(Error):
    """The handle was closed on this side before the call."""


class BrokenError(Error, ConnectionError):
    """The other side of a channel ended it, or cannot be reached any more."""


class ReceiverClosed(BrokenError):
    """The receiver of the channel was closed; it takes nothing more."""


class PeerLost(BrokenError):
    """The node was unreachable for longer than `resume_window_s`, or left."""


class PeerRestarted(BrokenError):
    """The node came back as a new incarnation; what it held is gone."""


class StaleSender(BrokenError):
    """The sender was made by an incarnation of its node that is gone."""


class ProducerLost(BrokenError):
    """A producer's node was lost before the producer had finished."""


class ProducerAborted(BrokenError):
    """A producer was aborted by its owner; what it had not sent is gone."""


class TooManyProducers(BrokenError):
    """The channel already has as many producers as it takes, or is sealed."""


class EndOfChannel(Error):
    """Every producer has finished and every item was received."""


class WouldBlock(Error):
    """The operation cannot finish at once; use the form that waits."""


class RendezvousError(Error, TimeoutError):
    """Some nodes were not met in time.

    Attributes:
        missing: Each absent node's id, mapped to the last thing that kept it away.
    """

    def __init__(self, message: str, missing: Mapping[int, Exception]) -> None:
        super().__init__(message)
        self.missing: Mapping[int, Exception] = dict(missing)

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (self.args[0], self.missing), self.__dict__


class HandshakeError(Error, ConnectionError):
    """One of the two sides refused the connection."""


class VersionMismatch(HandshakeError):
    """The two sides have no version of the protocol in common."""


class ClusterMismatch(HandshakeError):
    """The other side belongs to another cluster, or has another list of nodes."""


class AuthenticationFailed(HandshakeError):
    """The other side could not prove that it belongs to the cluster."""


class DuplicateNode(HandshakeError):
    """Another live process already answers for this node id."""


class ProtocolError(Error):
    """The other side sent bytes that break the wire protocol."""


class MessageTooLarge(Error, ValueError):
    """One item is larger than `message_bytes_max` on this or the other side."""


class EncodeError(Error, ValueError):
    """One item could not be encoded; it was not sent, and the channel goes on."""


class DecodeError(Error, ValueError):
    """One item could not be decoded; the channel goes on with the next."""
