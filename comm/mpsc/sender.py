"""Channels with one receiver and many producers: the values that name them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Generic, NamedTuple, TypeVar

from comm.codec import register_extension
from comm.errors import ProtocolError
from comm.protocol.layout import ID, TEXT, U32, Body, Field


__all__ = ["SENDER_EXTENSION", "ItemKind", "Sender"]

T_contra = TypeVar("T_contra", contravariant=True)

SENDER_EXTENSION = 1
"""The code of a `Sender` among the MessagePack extensions."""


class ItemKind(NamedTuple):
    """What the two ends of a channel compare, by name, when a producer connects.

    Attributes:
        codec: The codec's name.
        item_type: The item type's name.
    """

    codec: str
    item_type: str

    def __str__(self) -> str:
        return f"{self.item_type!r} by {self.codec}"


@dataclass(frozen=True, slots=True)
class Sender(Generic[T_contra]):
    """Where to send: a plain value, which holds no resource until it is connected.

    It can be copied, compared, hashed, pickled, and put inside any message. It leads
    to one channel of one incarnation of one node of its own cluster, and to no other.

    Attributes:
        cluster: The cluster's name.
        node_id: The receiver's node.
        incarnation: 16 bytes, the process in which the receiver lives.
        channel: 16 random bytes; who knows them may send.
        codec: The name of the codec that the receiver expects.
        item_type: The name of the item type that the receiver expects.
    """

    cluster: str
    node_id: int
    incarnation: bytes
    channel: bytes
    codec: str
    item_type: str

    @property
    def kind(self) -> ItemKind:
        """The codec and item type, by name."""
        return ItemKind(self.codec, self.item_type)

    def __repr__(self) -> str:
        # Whoever knows the whole id may send, so that no log may hold it.
        return (
            f"<comm.mpsc.Sender of {self.item_type} to node {self.node_id} of "
            f"{self.cluster!r}, channel {self.channel[:4].hex()}…>"
        )


@dataclass(frozen=True, slots=True)
class _SenderBody(Body):
    """A `Sender` as it travels inside an item."""

    cluster: str
    node_id: int
    incarnation: bytes
    channel: bytes
    codec: str
    item_type: str

    LAYOUT: ClassVar[tuple[tuple[str, Field], ...]] = (
        ("cluster", TEXT),
        ("node_id", U32),
        ("incarnation", ID),
        ("channel", ID),
        ("codec", TEXT),
        ("item_type", TEXT),
    )


def _pack_sender(sender: Sender[object]) -> bytes:
    return _SenderBody(
        sender.cluster,
        sender.node_id,
        sender.incarnation,
        sender.channel,
        sender.codec,
        sender.item_type,
    ).encode()


def _unpack_sender(data: bytes) -> Sender[object]:
    try:
        body = _SenderBody.decode(data)
    except ProtocolError as error:
        raise ValueError(f"not a Sender: {error}") from None
    return Sender(
        body.cluster,
        body.node_id,
        body.incarnation,
        body.channel,
        body.codec,
        body.item_type,
    )


register_extension(SENDER_EXTENSION, Sender, _pack_sender, _unpack_sender)
