"""Values <-> MessagePack: the packer and unpackers with this library's extensions.

No other module names `msgpack`, which ships no types.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Protocol

import msgpack  # type: ignore[import-untyped]  # pyright: ignore[reportMissingTypeStubs]

from comm.codec.extensions import (
    CODE_FROZENSET,
    CODE_SET,
    arrives_as,
    extension_of,
    unpacker_of,
)
from comm.codec.words import Value, Wire, class_of


__all__ = [
    "BUFFER_BYTES_MAX",
    "DEPTH_MAX",
    "NoFormError",
    "Packer",
    "Packing",
    "Unpacker",
    "open_index",
    "unpack_carefully",
    "unpack_items",
]

_msgpack: Any = msgpack

_ext_type: Callable[[int, bytes], Wire] = class_of(_msgpack.unpackb(b"\xd4\0\0"))
"""The class that the compiled packer knows: if the package was loaded a second time,
as some tools do, `msgpack.ExtType` is another one."""

DEPTH_MAX = 32
"""How many sets may stand inside one another: decoding each takes some stack."""

BUFFER_BYTES_MAX = 1 << 20
"""The largest item after which a packer's buffer, which only grows, is kept."""


class NoFormError(TypeError):
    """Neither MessagePack nor any extension knows the type of a value."""


class Packer(Protocol):
    """The part of `msgpack.Packer` that is used."""

    def pack(self, value: object, /) -> bytes:
        """Returns the value as one MessagePack object."""
        ...

    def pack_array_header(self, size: int, /) -> bytes:
        """Returns what stands before the `size` elements of an array."""
        ...


class Unpacker(Protocol):
    """The part of `msgpack.Unpacker` that is used."""

    def __iter__(self) -> Iterator[Any]: ...

    def __next__(self) -> Wire: ...

    def feed(self, data: bytes, /) -> None:
        """Adds bytes to those that wait to be unpacked."""
        ...

    def unpack(self) -> Wire:
        """Returns the next object."""
        ...

    def skip(self) -> None:
        """Passes the next object over without making it."""
        ...

    def tell(self) -> int:
        """Returns how many bytes have been unpacked."""
        ...


class Packing:
    """The packers of one item codec.

    A packer collects one object at a time, and hands what it does not know to Python
    code, which may well want to pack something itself. So whoever uses `pack` puts
    `apart` in its place for as long as it is busy.

    Attributes:
        pack: Returns a value as one MessagePack object, reusing a buffer.
    """

    __slots__ = ("_idle", "pack")

    def __init__(self) -> None:
        # By how many sets stand around what they pack.
        self._idle: list[list[Packer]] = [[] for _ in range(DEPTH_MAX + 1)]
        self.pack = self._borrow(0).pack

    def trim(self) -> Callable[[object], bytes]:
        """Lets the buffers go, which may have become large; returns the new `pack`."""
        for packers in self._idle:
            packers.clear()
        self.pack = self._borrow(0).pack
        return self.pack

    def apart(self, value: object) -> bytes:
        """Returns a value as one MessagePack object, whatever packer is busy."""
        packer = self._borrow(0)
        try:
            return packer.pack(value)
        finally:
            self._idle[0].append(packer)

    def _borrow(self, depth: int) -> Packer:
        idle = self._idle[depth]
        if idle:
            return idle.pop()
        # Strict about types, it hands over instances of subclasses as well: if length
        # and iteration of one contradict each other, the items behind would be lost.
        new: Packer = _msgpack.Packer(
            default=partial(self._convert, depth), strict_types=True
        )
        return new

    def _convert(self, depth: int, value: Value) -> Wire:
        """Turns what a packer does not know into something that it does."""
        cls = class_of(value)
        if cls is tuple:
            return list(value)
        kind = arrives_as(cls)
        if kind is None:
            raise NoFormError
        if kind in _PLAIN and (kind is not int or value.bit_length() < 64):
            return _PLAIN[kind](value)
        extension = extension_of(kind)
        if extension is not None:
            return _ext_type(extension.code, extension.pack(value))
        code = CODE_SET if kind is set else CODE_FROZENSET
        return _ext_type(code, self._pack_elements(value, depth + 1))

    def _pack_elements(self, elements: Value, depth: int) -> bytes:
        if depth > DEPTH_MAX:
            raise ValueError(f"sets are nested more than {DEPTH_MAX} deep")
        packer = self._borrow(depth)
        try:
            # In the order of their bytes, so that equal sets give equal bytes, whatever
            # the hash seed of the process.
            packed = sorted(map(packer.pack, elements))
            return packer.pack_array_header(len(packed)) + b"".join(packed)
        finally:
            self._idle[depth].append(packer)


_PLAIN: dict[type, Callable[[Any], Wire]] = {
    int: int.__int__,
    float: float.__float__,
    str: str.__str__,
    bytes: bytes,
    list: list,
    dict: dict,
}
"""What makes the plain value out of an instance of a subclass."""


def _ext_hook(depth: int) -> Callable[[int, bytes], Any]:
    def unpack_extension(code: int, data: bytes) -> Value:
        if code == CODE_SET:
            return set(_unpack_elements(data, depth + 1))
        if code == CODE_FROZENSET:
            return frozenset(_unpack_elements(data, depth + 1))
        unpack = unpacker_of(code)
        if unpack is None:
            raise ValueError(
                f"extension {code} is unknown here; register it on both ends"
            )
        return unpack(data)

    return unpack_extension


_EXT_HOOKS = [_ext_hook(depth) for depth in range(DEPTH_MAX + 1)]

_OPTIONS: dict[str, Any] = {"strict_map_key": False, "timestamp": 3}
"""Any key is allowed; MessagePack's own time stamp arrives as a datetime in UTC."""


def _open(payload: bytes, depth: int = 0) -> Unpacker:
    # No length that the payload declares is believed beyond that of the payload.
    size = len(payload) or 1
    unpacker: Unpacker = _msgpack.Unpacker(
        ext_hook=_EXT_HOOKS[depth],
        max_buffer_size=size,
        read_size=size,
        **_OPTIONS,
    )
    unpacker.feed(payload)
    return unpacker


def _unpack_elements(data: bytes, depth: int) -> tuple[Any, ...]:
    if depth > DEPTH_MAX:
        raise ValueError(f"sets are nested more than {DEPTH_MAX} deep")
    unpacker = _open(data, depth)
    elements: tuple[Any, ...] = _as_key(unpacker.unpack())
    if class_of(elements) is not tuple or unpacker.tell() != len(data):
        raise ValueError("a set is not an array of its elements")
    return elements


def _as_key(value: Value) -> Value:
    """Whatever was hashable is so again: as a key or element, a list was a tuple."""
    return tuple(map(_as_key, value)) if class_of(value) is list else value


def _make_dict(pairs: list[tuple[Any, Any]]) -> dict[Any, Any]:
    return {_as_key(key): value for key, value in pairs}


_unpack_one: Callable[..., Wire] = partial(
    _msgpack.unpackb, ext_hook=_EXT_HOOKS[0], **_OPTIONS
)


def unpack_items(payload: bytes, count: int) -> Iterator[Any]:
    """Iterates over the items of a batch, as fast as can be.

    What it raises, if it raises, and whether it can go on then, depends on the version
    of `msgpack`; what is to be done is `unpack_carefully`.
    """
    return map(_unpack_one, (payload,)) if count == 1 else _open(payload)


unpack_carefully: Callable[[bytes], Wire] = partial(
    _unpack_one, object_pairs_hook=_make_dict
)
"""Returns the one object that the bytes hold, with tuples for keys of maps."""


def open_index(payload: bytes) -> Unpacker:
    """Returns an unpacker to find out where in a payload each object begins."""
    return _open(payload)
