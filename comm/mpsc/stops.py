"""What a producer is told when the other side takes nothing (more) of it."""

from __future__ import annotations

from collections.abc import Mapping

from comm.errors import (
    BrokenError,
    Error,
    PeerLost,
    ReceiverClosed,
    StaleSender,
    TooManyProducers,
    UsageError,
)
from comm.fabric import printable
from comm.protocol import Reason


__all__ = ["stop_error"]

_STOPS: Mapping[int, tuple[type[Error], str]] = {
    Reason.STALE_SENDER: (
        StaleSender,
        "the sender was made before that node restarted; get a new one from it",
    ),
    Reason.NO_CHANNEL: (
        ReceiverClosed,
        "there is no such receiver any more; get a new sender",
    ),
    Reason.RECEIVER_CLOSED: (
        ReceiverClosed,
        "the receiver was closed; what it had not taken is lost",
    ),
    Reason.TOO_MANY_PRODUCERS: (
        TooManyProducers,
        "the channel has all the producers that it takes; raise max_producers",
    ),
    Reason.TYPE_MISMATCH: (
        UsageError,
        "the two ends do not agree on the codec and item type",
    ),
    Reason.PARKING_FULL: (
        BrokenError,
        (
            "too many broadcast channels wait there for a receiver; make the "
            "receivers, or raise parked_channels_max"
        ),
    ),
    Reason.LEAVING: (PeerLost, "the node is leaving"),
}


def stop_error(where: str, reason: int, text: str) -> Error:
    """Returns the error for a STOP.

    Args:
        where: The receiver's node and channel.
        reason: The `Reason` that came.
        text: What came with it, for people.
    """
    kind, advice = _STOPS.get(reason, (BrokenError, "the receiver's node ended it"))
    detail = f" ({printable(text)})" if text else ""
    return kind(f"{where}: {advice}{detail}")
