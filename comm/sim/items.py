"""The items of a simulation: each says where it comes from, so that it can be held
against what was sent, wherever it turns up."""

from __future__ import annotations

from struct import Struct
from typing import NamedTuple

from comm.mpsc import ItemKind


__all__ = [
    "BYTES",
    "ITEM_BYTES_MIN",
    "ItemHeader",
    "cut_items",
    "make_item",
    "read_header",
]

BYTES = ItemKind("sim", "bytes")
"""The kind of all items of a simulation: bytes that no codec has seen."""

_HEADER = Struct("!III")

ITEM_BYTES_MIN = _HEADER.size
"""How small an item can be."""

_FILLING = bytes(range(256)) * 16


class ItemHeader(NamedTuple):
    """What an item says of itself.

    Attributes:
        source: Which source sent it.
        number: Which of its items it is, from 0.
        size: How many bytes it has.
    """

    source: int
    number: int
    size: int


def make_item(source: int, number: int, size: int) -> bytes:
    """Returns an item of at least `ITEM_BYTES_MIN` bytes."""
    rest = size - ITEM_BYTES_MIN
    if rest <= 0:
        return _HEADER.pack(source, number, ITEM_BYTES_MIN)
    start = number & 0xFF
    filling = _FILLING[start : start + rest]
    if len(filling) < rest:
        filling = (filling * (rest // len(filling) + 1))[:rest]
    return _HEADER.pack(source, number, size) + filling


def read_header(payload: bytes, offset: int = 0) -> ItemHeader:
    """Returns what the item at an offset says of itself."""
    return ItemHeader(*_HEADER.unpack_from(payload, offset))


def cut_items(payload: bytes, count: int) -> list[bytes]:
    """Returns the items of a batch, of which there are so many.

    Where the bytes were changed on their way, they may be cut at other places, and
    some be empty; but there are as many, and none of the bytes is missing.
    """
    items: list[bytes] = []
    offset, last = 0, len(payload) - ITEM_BYTES_MIN
    while len(items) < count - 1 and offset <= last:
        end = offset + read_header(payload, offset).size
        items.append(payload[offset:end])
        offset = end
    items.append(payload[offset:])
    return items + [b""] * (count - len(items))
