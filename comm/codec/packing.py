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

_ext_type: Callable[[int, bytes], Wire] = type(_msgpack.unpackb(b"\xd4\x00\x00"))
"""The class that the compiled packer knows: if the package was loaded a second time,
as some tools do, `msgpack.ExtType` is another one."""

DEPTH_MAX = 32
"""How many sets may stand inside one another: decoding each takes some stack."""

_BUFFER_BYTES = 4096
"""A packer's buffer at first: there may be thousands of packers."""

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
    """A packer that can be used from within itself.

    A packer collects one object at a time, and what it does not know it hands to
    Python code: the elements of a set are packed there, and code of the application
    may run. All of it finds another packer in `pack` than the one that is busy.

    Attributes:
        pack: Returns a value as one MessagePack object. Look it up for each value.
    """

    __slots__ = ("_depth", "_packers", "pack")

    def __init__(self) -> None:
        self._depth = 0
        self._packers: list[Packer] = []
        self.pack: Callable[[object], bytes] = self._packer(0).pack

    def _packer(self, depth: int) -> Packer:
        if depth == len(self._packers):
            new: Packer = _msgpack.Packer(default=self._other, buf_size=_BUFFER_BYTES)
            self._packers.append(new)
        return self._packers[depth]

    def trim(self) -> None:
        """Lets the buffers go, which a large item has made large."""
        if not self._depth:
            self._packers = []
            self.pack = self._packer(0).pack

    def _other(self, value: Value) -> Wire:
        if self._depth == DEPTH_MAX:
            raise ValueError(f"sets are nested more than {DEPTH_MAX} deep")
        busy = self.pack
        self._depth += 1
        try:
            self.pack = self._packer(self._depth).pack
            return self._extend(value)
        finally:
            self._depth -= 1
            self.pack = busy

    def _extend(self, value: Value) -> Wire:
        kind = arrives_as(class_of(value))
        if kind is None:
            raise NoFormError
        extension = extension_of(kind)
        if extension is not None:
            return _ext_type(extension.code, extension.pack(value))
        code = CODE_SET if kind is set else CODE_FROZENSET
        return _ext_type(code, self._pack_elements(value))

    def _pack_elements(self, elements: Value) -> bytes:
        # In the order of their bytes, so that equal sets give equal bytes, whatever
        # the hash seed of the process.
        packer = self._packer(self._depth)
        header = packer.pack_array_header(len(elements))
        return header + b"".join(sorted(map(packer.pack, elements)))


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
