"""Channels with one receiver and many producers."""

from __future__ import annotations

from comm.mpsc.inlet import Batch, Inlet
from comm.mpsc.producer import LegOwner, ProducerCore
from comm.mpsc.receiver import ReceiverCore
from comm.mpsc.sender import ItemKind, Sender
from comm.mpsc.state import PRODUCER_TRANSITIONS, ProducerEvent, ProducerState, Target


__all__ = [
    "PRODUCER_TRANSITIONS",
    "Batch",
    "Inlet",
    "ItemKind",
    "LegOwner",
    "ProducerCore",
    "ProducerEvent",
    "ProducerState",
    "ReceiverCore",
    "Sender",
    "Target",
]
