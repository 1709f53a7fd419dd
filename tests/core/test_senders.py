"""Senders are plain values, and survive whatever carries them."""

from __future__ import annotations

from collections.abc import Callable
import copy
import pickle
from typing import Any

import msgpack  # type: ignore[import-untyped]  # it ships no types
import pytest

from comm.codec import MsgpackCodec
from comm.errors import DecodeError
from comm.mpsc import ItemKind, Sender
from comm.mpsc.sender import SENDER_EXTENSION


SENDER: Sender[Any] = Sender("comm", 1, b"i" * 16, b"c" * 16, "msgpack", "object")


def coded(sender: Sender[Any]) -> Any:
    codec = MsgpackCodec().bind(object)
    return next(codec.decoder(codec.encode({"reply": [sender]}), 1))["reply"][0]


CARRIERS: list[Callable[[Sender[Any]], Any]] = [
    copy.copy,
    copy.deepcopy,
    lambda sender: pickle.loads(pickle.dumps(sender)),
    coded,
]


def test_a_sender_survives_any_number_of_hops() -> None:
    """Copied, pickled, or inside of an item: it is the same value."""
    sender = SENDER
    for carry in CARRIERS * 3:
        sender = carry(sender)
        assert sender == SENDER
        assert hash(sender) == hash(SENDER)
    assert sender.kind == ItemKind("msgpack", "object")


def test_a_sender_is_frozen() -> None:
    """Nobody can make it lead elsewhere."""
    with pytest.raises(AttributeError):
        SENDER.node_id = 2  # type: ignore[misc]


def test_a_sender_keeps_its_channel_to_itself() -> None:
    """Whoever knows all of it may send: what is shown is a beginning."""
    assert repr(SENDER) == (
        "<comm.mpsc.Sender of object to node 1 of 'comm', channel 63636363…>"
    )


def test_what_is_no_sender_is_not_taken_for_one() -> None:
    """Bytes that say they are one and are not make the item unreadable."""
    forged = msgpack.packb(msgpack.ExtType(SENDER_EXTENSION, b"\x00\x04comm"))
    with pytest.raises(DecodeError, match="not a Sender"):
        next(MsgpackCodec().bind(object).decoder(forged, 1))
