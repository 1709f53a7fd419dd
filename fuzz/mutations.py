"""Mutations: what is done to a conversation, as plain values.

They name pieces, places and bits by any whole number, which counts modulo how many
there are, so that they can be drawn, and left out, without regard to one another.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hypothesis import strategies as st

from comm.protocol import PROTOCOL_MAGIC
from comm.protocol.frames import HEADER


__all__ = ["Mutation", "mutate", "mutations"]

_PIECES_MAX = 200
"""A conversation does not get longer than this, however often it is repeated."""

_NUMBERS = (0, 1, 2, 3, 0x7FFFFFFF, 0xFFFFFFFF, 1 << 63, (1 << 64) - 1)


@dataclass(frozen=True, slots=True)
class Mutation:
    """Something that is done to one piece of a conversation.

    Attributes:
        piece: Which piece.
    """

    piece: int

    def apply(self, pieces: list[bytes]) -> None:
        """Does it, if there are pieces."""
        if pieces:
            index = self.piece % len(pieces)
            pieces[index : index + 1] = self.replacement(pieces, index)

    def replacement(self, pieces: Sequence[bytes], index: int) -> list[bytes]:
        """Returns what takes the place of the piece."""
        changed = bytearray(pieces[index])
        if changed:
            self.change(changed)
        return [bytes(changed)]

    def change(self, data: bytearray) -> None:
        """Changes the bytes of the piece, of which there are some."""
        raise NotImplementedError


@dataclass(frozen=True, slots=True)
class Flip(Mutation):
    """Flips a bit."""

    bit: int

    def change(self, data: bytearray) -> None:
        place, bit = divmod(self.bit % (8 * len(data)), 8)
        data[place] ^= 1 << bit


@dataclass(frozen=True, slots=True)
class Truncate(Mutation):
    """Leaves the end away."""

    size: int

    def change(self, data: bytearray) -> None:
        del data[self.size % len(data) :]


@dataclass(frozen=True, slots=True)
class Erase(Mutation):
    """Leaves some bytes out."""

    at: int
    size: int

    def change(self, data: bytearray) -> None:
        start = self.at % len(data)
        del data[start : start + self.size]


@dataclass(frozen=True, slots=True)
class Insert(Mutation):
    """Puts some bytes in."""

    at: int
    data: bytes

    def change(self, data: bytearray) -> None:
        start = self.at % len(data)
        data[start:start] = self.data


@dataclass(frozen=True, slots=True)
class Overwrite(Mutation):
    """Changes some bytes, so that every length stays what it was."""

    at: int
    data: bytes

    def change(self, data: bytearray) -> None:
        start = self.at % len(data)
        given = self.data[: len(data) - start]
        data[start : start + len(given)] = given


@dataclass(frozen=True, slots=True)
class SetPayload(Mutation):
    """Gives a frame another payload, and its header the right length."""

    payload: bytes

    def change(self, data: bytearray) -> None:
        start = _header_at(data)
        if len(data) >= start + HEADER.size:
            _, *fields = HEADER.unpack_from(data, start)
            header = HEADER.pack(len(self.payload), *fields)
            data[start:] = header + self.payload


@dataclass(frozen=True, slots=True)
class SetField(Mutation):
    """Gives a field of a frame's header another value: of its length, kind, stream,
    sequence and value, the one of that number."""

    field: int
    value: int

    def change(self, data: bytearray) -> None:
        start = _header_at(data)
        if len(data) >= start + HEADER.size:
            fields = list(HEADER.unpack_from(data, start))
            size = (4, 1, 4, 8, 4)[self.field]
            fields[self.field] = self.value % (1 << 8 * size)
            HEADER.pack_into(data, start, *fields)


@dataclass(frozen=True, slots=True)
class Splice(Mutation):
    """Puts another piece in the middle."""

    at: int
    other: int

    def replacement(self, pieces: Sequence[bytes], index: int) -> list[bytes]:
        own, other = pieces[index], pieces[self.other % len(pieces)]
        start = self.at % (len(own) + 1)
        return [own[:start] + other + own[start:]]


@dataclass(frozen=True, slots=True)
class Exchange(Mutation):
    """Exchanges two pieces."""

    other: int

    def apply(self, pieces: list[bytes]) -> None:
        if pieces:
            a, b = self.piece % len(pieces), self.other % len(pieces)
            pieces[a], pieces[b] = pieces[b], pieces[a]


@dataclass(frozen=True, slots=True)
class Repeat(Mutation):
    """Says a piece several times, or not at all."""

    times: int

    def replacement(self, pieces: Sequence[bytes], index: int) -> list[bytes]:
        return [pieces[index]] * min(self.times, _PIECES_MAX - len(pieces))


def mutate(pieces: Sequence[bytes], done: Sequence[Mutation]) -> list[bytes]:
    """Returns what becomes of a conversation."""
    changed = list(pieces)
    for mutation in done:
        mutation.apply(changed)
    return changed


def mutations() -> st.SearchStrategy[Mutation]:
    """Returns a strategy for mutations."""
    # Later pieces need whatever comes before them to be let through.
    place = st.integers(0, 400)
    data = st.binary(min_size=1, max_size=24)
    values = st.one_of(st.sampled_from(_NUMBERS), st.integers(0, 300))
    return st.one_of(
        st.builds(Flip, place, place),
        st.builds(SetField, place, st.integers(0, 4), values),
        st.builds(Repeat, place, st.integers(0, 3)),
        st.builds(Exchange, place, place),
        st.builds(Overwrite, place, place, data),
        st.builds(SetPayload, place, st.binary(max_size=60)),
        st.builds(Truncate, place, place),
        st.builds(Erase, place, place, st.integers(1, 30)),
        st.builds(Insert, place, place, data),
        st.builds(Splice, place, place, place),
    )


def _header_at(data: bytearray) -> int:
    magic = PROTOCOL_MAGIC
    return len(magic) if data.startswith(magic) else 0
