"""Layouts: the fields of a frame's body as data, with one encoder and decoder."""

from __future__ import annotations

from collections.abc import Callable
import struct
from typing import Any, ClassVar, NamedTuple, Self, TypeVar

from comm.errors import ProtocolError


__all__ = ["ID", "NAME_BYTES_MAX", "TEXT", "U8", "U32", "U64", "Body", "Field"]

T = TypeVar("T")

NAME_BYTES_MAX = 1024
"""How long a text field may be; longer explanations are cut, longer names refused."""


class Field(NamedTuple):
    """One type of field.

    Attributes:
        name: How the specification calls it.
        pack: Turns a value into bytes.
        unpack: Reads a value at an offset, and returns it with the offset behind it.
    """

    name: str
    pack: Callable[[Any], bytes]
    unpack: Callable[[bytes, int], tuple[Any, int]]


def _number(name: str, form: str) -> Field:
    layout = struct.Struct(form)

    def unpack(payload: bytes, offset: int) -> tuple[Any, int]:
        end = offset + layout.size
        if end > len(payload):
            raise ProtocolError(f"a body ends inside a {name} field")
        return layout.unpack_from(payload, offset)[0], end

    return Field(name, layout.pack, unpack)


def _pack_text(text: str) -> bytes:
    data = text.encode("utf-8", "replace")[:NAME_BYTES_MAX]
    data = data.decode("utf-8", "ignore").encode()
    return struct.pack(">H", len(data)) + data


def _unpack_text(payload: bytes, offset: int) -> tuple[str, int]:
    start = offset + 2
    if start > len(payload):
        raise ProtocolError("a body ends inside a text field")
    end = start + int.from_bytes(payload[offset:start], "big")
    if end - start > NAME_BYTES_MAX:
        raise ProtocolError(f"a text field is longer than {NAME_BYTES_MAX} bytes")
    if end > len(payload):
        raise ProtocolError("a body ends inside a text field")
    try:
        return payload[start:end].decode(), end
    except UnicodeDecodeError:
        raise ProtocolError("a text field is not UTF-8") from None


U8 = _number("u8", ">B")
U32 = _number("u32", ">I")
U64 = _number("u64", ">Q")
ID = _number("id", ">16s")
TEXT = Field("text", _pack_text, _unpack_text)


class Body:
    """The structured payload of a control frame; a subclass names its layout.

    A subclass is a frozen dataclass whose fields are those of `LAYOUT`.
    """

    __slots__ = ()

    LAYOUT: ClassVar[tuple[tuple[str, Field], ...]] = ()

    def encode(self) -> bytes:
        """Returns the fields as bytes, in the order of the layout."""
        return b"".join(kind.pack(getattr(self, name)) for name, kind in self.LAYOUT)

    @classmethod
    def decode(cls, payload: bytes) -> Self:
        """Reads the fields of a payload.

        Raises:
            ProtocolError: If it is too short, too long, or a field is malformed.
        """
        values: dict[str, Any] = {}
        offset = 0
        for name, kind in cls.LAYOUT:
            values[name], offset = kind.unpack(payload, offset)
        if offset != len(payload):
            raise ProtocolError(
                f"a {cls.__name__} body has {len(payload) - offset} bytes too many"
            )
        return cls(**values)
