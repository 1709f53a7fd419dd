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

    Where the bytes were changed on their way, an item may say nothing sensible of
    itself; all that is left is the last one then, and those behind it are empty.
    """
    items: list[bytes] = []
    offset, end = 0, len(payload)
    while len(items) < count - 1 and offset + ITEM_BYTES_MIN <= end:
        size = read_header(payload, offset).size
        if not ITEM_BYTES_MIN <= size <= end - offset:
            break
        items.append(payload[offset : offset + size])
        offset += size
    items.append(payload[offset:])
    return items + [b""] * (count - len(items))
