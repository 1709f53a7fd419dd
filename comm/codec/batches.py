"""Bytes -> items: the decoder of one batch."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any, Generic, NamedTuple, TypeVar

from comm.codec.forms import Convert, Mismatch, told
from comm.codec.packing import open_index, unpack_carefully, unpack_items
from comm.codec.words import Wire
from comm.errors import DecodeError


__all__ = ["BatchDecoder", "Reading", "Source", "read_binaries"]

T_co = TypeVar("T_co", covariant=True)

Source = Callable[[bytes, int], Iterator[Any]]
"""Iterates over the items in a payload, as fast as can be; is told how many there are.

`Mismatch` says that one item is bad. Once it has raised anything else, it is not used
any more.
"""

_SLICE_BYTES_MIN = 4096
"""From which size on slicing takes less time than another copy of the payload."""


class Reading(NamedTuple):
    """How the items of one type are read.

    Attributes:
        source: Iterates over the items of a payload.
        convert: Turns one wire value into an item; raises `Mismatch`.
        root: What the path to a part of an item begins with.
    """

    source: Source
    convert: Convert
    root: str = "item"


class BatchDecoder(Generic[T_co]):
    """Decodes the items of one batch, one at a time, when each is asked for.

    An item that cannot be decoded raises `DecodeError` in its own turn, and the next
    call goes on with the item behind it. Where bytes make no sense at all, nobody can
    tell where the next item begins: then that is the fate of all that are left. Bytes
    behind the last item are ignored.

    The items are unpacked as fast as can be until that fails. From there on each is
    cut out first and then unpacked alone, which is slower, but still takes time in
    proportion to the bytes, however many of the items are bad.

    Attributes:
        remaining: How many items have been neither handed out nor refused yet.
    """

    __slots__ = (
        "_count",
        "_failure",
        "_is_careful",
        "_items",
        "_payload",
        "_reading",
        "remaining",
    )

    def __init__(self, payload: bytes, count: int, reading: Reading) -> None:
        self.remaining = count
        self._count = count
        self._payload = payload
        self._reading = reading
        self._items = reading.source(payload, count)
        self._is_careful = False
        self._failure: Exception | None = None

    def __iter__(self) -> Iterator[T_co]:
        return self

    def __next__(self) -> T_co:
        if not self.remaining:
            raise StopIteration
        if self._failure is not None:
            return self._settle(self._failure)
        try:
            item: T_co = next(self._items)
        # The bytes are a peer's: whatever they make of this item, the next one counts.
        except Exception as error:  # noqa: BLE001
            return self._settle(error)
        self.remaining -= 1
        return item

    def take(self, limit: int) -> list[T_co]:
        """Decodes up to `limit` items at once, which costs less than one by one.

        It stops ahead of an item that cannot be decoded, which has its own turn then.

        Returns:
            At least one item, unless none remains or the limit is 0.

        Raises:
            DecodeError: If the very next item cannot be decoded.
        """
        items: list[T_co] = []
        wanted = min(limit, self.remaining)
        if wanted <= 0:
            return items
        if self._failure is not None:
            return [self._settle(self._failure)]
        try:
            items.extend(islice(self._items, wanted))
        except Exception as error:  # noqa: BLE001 - see `__next__`
            self.remaining -= len(items)
            if not items:
                return [self._settle(error)]
            self._failure = error
            return items
        self.remaining -= len(items)
        return items or [self._settle(StopIteration())]

    def _settle(self, error: Exception) -> T_co:
        """Refuses the next item, or reads it again with more care."""
        self._failure = None
        if not isinstance(error, Mismatch) and not self._is_careful:
            self._is_careful = True
            passed = self._count - self.remaining
            wires = _CarefulReader(self._payload, passed)
            self._items = map(self._reading.convert, wires)
            return next(self)
        self.remaining -= 1
        if isinstance(error, Mismatch):
            # The cause, if there is one, is an exception of the application.
            raise DecodeError(error.text(self._reading.root)) from error.__cause__
        raise DecodeError(f"item: {told(error)}") from error


class _CarefulReader:
    """Iterates over the wire values in a payload and outlives those that are bad."""

    def __init__(self, payload: bytes, passed: int) -> None:
        self._payload = payload
        self._passed = passed
        self._index = open_index(payload)

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Wire:
        data = self._cut()
        try:
            return unpack_carefully(data)
        # Unpacking runs what was registered for extensions, which may raise anything.
        except Exception as error:
            problem = f"cannot be decoded: {told(error)}"
            raise Mismatch(problem) from error

    def _cut(self) -> bytes:
        """Returns the bytes of the next item."""
        try:
            while self._passed:
                self._passed -= 1
                self._index.skip()
            start = self._index.tell()
            self._index.skip()
        # The exceptions of `msgpack` have no base of their own.
        except Exception:  # noqa: BLE001
            # What is left of the payload is nothing, so that the next ones end here.
            self._index = open_index(b"")
            raise Mismatch(
                "lost: from here on, the bytes of its batch are no MessagePack"
            ) from None
        return self._payload[start : self._index.tell()]


def read_binaries(payload: bytes, count: int) -> Iterator[bytes]:
    """Iterates over the items of a batch that are all `bytes`."""
    if count == 1 or len(payload) >= count * _SLICE_BYTES_MIN:
        return _slice_binaries(payload)
    # Which takes `bytes`, returns the very same, and refuses anything else.
    return map(bytes.__bytes__, unpack_items(payload, count))


_LENGTH_BYTES = {0xC4: 1, 0xC5: 2, 0xC6: 4}
"""How many bytes tell the length, for each way in which `bytes` can begin."""


def _slice_binaries(payload: bytes) -> Iterator[bytes]:
    begin = 0
    while True:
        start = begin + 1 + _LENGTH_BYTES[payload[begin]]
        end = start + int.from_bytes(payload[begin + 1 : start], "big")
        if end > len(payload):
            raise EOFError
        yield payload[start:end]
        begin = end
