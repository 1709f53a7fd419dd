"""Tampering: what is done to the bytes themselves, between the wire and a core."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from comm.protocol import PROTOCOL_MAGIC, Kind
from comm.protocol.frames import HEADER


__all__ = ["Corruption", "OtherVersion", "Tamper", "Tampering", "Truncation"]

_VERSION_AT = len(PROTOCOL_MAGIC) + HEADER.size


class Tamper(Protocol):
    """Something that is done to bytes."""

    def apply(
        self, source: int, target: int, data: bytes, offset: int
    ) -> tuple[bytes, bool]:
        """Returns what the bytes become, and whether the connection is cut then.

        Args:
            source: The node that sent them.
            target: The node that they have reached.
            data: The bytes.
            offset: How many came before them in this connection.
        """
        ...

    @property
    def is_done(self) -> bool:
        """Whether it has nothing more to do."""
        ...


class Tampering:
    """All that is done to the bytes of a cluster."""

    __slots__ = ("_tampers",)

    def __init__(self) -> None:
        self._tampers: list[Tamper] = []

    def __bool__(self) -> bool:
        return bool(self._tampers)

    def add(self, tamper: Tamper) -> None:
        """Does something more."""
        self._tampers.append(tamper)

    def remove(self, tamper: Tamper) -> None:
        """Does it no more."""
        self._tampers = [each for each in self._tampers if each is not tamper]

    def clear(self) -> None:
        """Does nothing any more."""
        self._tampers.clear()

    def apply(
        self, source: int, target: int, data: bytes, offset: int
    ) -> tuple[bytes, bool]:
        """Returns what bytes become, and whether their connection is cut then."""
        is_cut = False
        for tamper in self._tampers:
            data, cuts = tamper.apply(source, target, data, offset)
            is_cut = is_cut or cuts
        self._tampers = [tamper for tamper in self._tampers if not tamper.is_done]
        return data, is_cut


@dataclass(slots=True)
class Truncation:
    """Lets so many bytes more arrive, and cuts the connection there.

    Attributes:
        source: From which node.
        target: At which.
        left: How many bytes.
        is_done: Whether it has happened.
    """

    source: int
    target: int
    left: int
    is_done: bool = False

    def apply(
        self, source: int, target: int, data: bytes, offset: int
    ) -> tuple[bytes, bool]:
        """Counts the bytes, and cuts when it is time."""
        del offset
        if self.is_done or (source, target) != (self.source, self.target):
            return data, False
        if len(data) <= self.left:
            self.left -= len(data)
            return data, False
        self.is_done = True
        return data[: self.left], True


@dataclass(slots=True)
class Corruption:
    """Flips one bit of the bytes that arrive next.

    Attributes:
        source: From which node.
        target: At which.
        bit: Which bit, counted modulo their number.
        is_done: Whether it has happened.
    """

    source: int
    target: int
    bit: int
    is_done: bool = False

    def apply(
        self, source: int, target: int, data: bytes, offset: int
    ) -> tuple[bytes, bool]:
        """Flips the bit, unless nothing was left of the bytes."""
        del offset
        is_here = (source, target) == (self.source, self.target)
        if self.is_done or not is_here or not data:
            return data, False
        self.is_done = True
        place, bit = divmod(self.bit % (8 * len(data)), 8)
        flipped = bytearray(data)
        flipped[place] ^= 1 << bit
        return bytes(flipped), False


@dataclass(slots=True)
class OtherVersion:
    """Lets a node say that it speaks another version of the protocol alone.

    Attributes:
        node: The node.
        version: The version.
        is_said: Whether it has said so to anybody.
    """

    node: int
    version: int
    is_said: bool = False

    @property
    def is_done(self) -> bool:
        """Never: it lasts until it is removed."""
        return False

    def apply(
        self, source: int, target: int, data: bytes, offset: int
    ) -> tuple[bytes, bool]:
        """Rewrites the versions in the first frame of a connection."""
        del target
        if source != self.node or offset or len(data) < _VERSION_AT + 2:
            return data, False
        kind = HEADER.unpack_from(data, len(PROTOCOL_MAGIC))[1]
        if kind not in {Kind.HELLO, Kind.WELCOME}:
            return data, False
        self.is_said = True
        other = bytes([self.version, self.version])
        return data[:_VERSION_AT] + other + data[_VERSION_AT + 2 :], False
