"""The MessagePack extensions: types that survive a round trip although MessagePack
itself does not know them. The package's docstring has the table.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, time, timedelta, timezone
from decimal import Context, Decimal, InvalidOperation
import struct
import sys
from types import NoneType
from typing import Any, NamedTuple, TypeVar

from comm.codec.words import Value
from comm.errors import UsageError


__all__ = [
    "CODE_FROZENSET",
    "CODE_SET",
    "Extension",
    "arrives_as",
    "extension_of",
    "register_extension",
    "unpacker_of",
]

T = TypeVar("T")

CODE_SET = 9
CODE_FROZENSET = 10

_CODE_INT = 2
_CODE_DATETIME = 3
_CODE_DATE = 4
_CODE_TIME = 5
_CODE_TIMEDELTA = 6
_CODE_UUID = 7
_CODE_DECIMAL = 8
_CODE_COMPLEX = 11

_CODES = range(128)
"""MessagePack keeps the negative codes for itself."""


class Extension(NamedTuple):
    """One type that travels as a MessagePack extension.

    Attributes:
        code: Its code on the wire.
        cls: The class that arrives.
        pack: Turns a value into bytes.
        unpack: Turns bytes into a value.
    """

    code: int
    cls: type
    pack: Callable[[Any], bytes]
    unpack: Callable[[bytes], Any]


_BY_CLASS: dict[type, Extension] = {}
_BY_CODE: dict[int, Callable[[bytes], Any]] = {}

_NATIVE: dict[type, type] = {
    NoneType: NoneType,
    bool: bool,
    int: int,
    float: float,
    str: str,
    bytes: bytes,
    bytearray: bytes,
    memoryview: bytes,
    list: list,
    tuple: list,
    dict: dict,
    set: set,
    frozenset: frozenset,
}
"""What the packer takes without asking, and as what it arrives."""


def register_extension(
    code: int,
    cls: type[T],
    pack: Callable[[T], bytes],
    unpack: Callable[[bytes], T],
) -> None:
    """Makes values of a class travel unchanged, wherever in an item they stand.

    It holds for all channels of the process, and both ends have to do it. Codes 0 to
    31 are this library's own.

    Args:
        code: What tells the type from the others on the wire, 0 to 127.
        cls: The class. An instance of a subclass arrives as one of this class.
        pack: Turns a value into bytes; what it raises becomes an `EncodeError`.
        unpack: Turns the bytes into a value; what it raises becomes a `DecodeError`.

    Raises:
        UsageError: If the code or the class is taken.
    """
    if code not in _CODES:
        raise UsageError(f"extension code {code} is not in the range 0 to 127")
    if code in _BY_CODE or code in {CODE_SET, CODE_FROZENSET}:
        raise UsageError(
            f"extension code {code} is taken; give {cls.__qualname__} another one, "
            "32 to 127, and the same on every node"
        )
    if cls in _NATIVE or extension_of(cls) is not None:
        raise UsageError(f"{cls.__qualname__} can already travel, and in one way only")
    _add(Extension(code, cls, pack, unpack))


def _add(extension: Extension) -> None:
    _BY_CLASS[extension.cls] = extension
    _BY_CODE[extension.code] = extension.unpack


def extension_of(cls: type) -> Extension | None:
    """Returns the extension for precisely this class."""
    known = _BY_CLASS.get(cls)
    if known is None and _uuid_class() is cls:
        known = Extension(_CODE_UUID, cls, _pack_uuid, _unpack_uuid)
        _BY_CLASS[cls] = known
    return known


def arrives_as(cls: type) -> type | None:
    """Returns the class as which an instance of `cls` arrives; None if it cannot."""
    for base in cls.__mro__:
        if base in _NATIVE:
            return _NATIVE[base]
        if extension_of(base) is not None:
            return base
    return None


def unpacker_of(code: int) -> Callable[[bytes], Any] | None:
    """Returns what decodes the extensions with this code."""
    return _BY_CODE.get(code)


def _pack_int(value: int) -> bytes:
    return value.to_bytes(value.bit_length() // 8 + 1, "big", signed=True)


def _unpack_int(data: bytes) -> int:
    return int.from_bytes(data, "big", signed=True)


_DATE = struct.Struct(">HBB")
_TIME = struct.Struct(">BBBBI")
_OFFSET = struct.Struct(">q")
_DELTA = struct.Struct(">iII")
_COMPLEX = struct.Struct(">dd")

_MICROSECOND = timedelta(microseconds=1)


def _pack_offset(value: datetime | time) -> bytes:
    if value.tzinfo is None:
        return b""
    offset = value.utcoffset()
    if offset is None:
        raise ValueError("its time zone does not say how far it is from UTC")
    return _OFFSET.pack(offset // _MICROSECOND)


def _unpack_offset(data: bytes) -> timezone | None:
    if not data:
        return None
    return timezone(timedelta(microseconds=_OFFSET.unpack(data)[0]))


def _pack_clock(value: datetime | time) -> bytes:
    hour, minute, second = value.hour, value.minute, value.second
    clock = _TIME.pack(hour, minute, second, value.fold, value.microsecond)
    return clock + _pack_offset(value)


def _unpack_time(data: bytes) -> time:
    hour, minute, second, fold, microsecond = _TIME.unpack(data[:8])
    zone = _unpack_offset(data[8:])
    return time(hour, minute, second, microsecond, zone, fold=fold)


def _pack_date(value: date) -> bytes:
    return _DATE.pack(value.year, value.month, value.day)


def _unpack_date(data: bytes) -> date:
    return date(*_DATE.unpack(data))


def _pack_datetime(value: datetime) -> bytes:
    return _pack_date(value) + _pack_clock(value)


def _unpack_datetime(data: bytes) -> datetime:
    return datetime.combine(_unpack_date(data[:4]), _unpack_time(data[4:]))


def _pack_timedelta(value: timedelta) -> bytes:
    return _DELTA.pack(value.days, value.seconds, value.microseconds)


def _unpack_timedelta(data: bytes) -> timedelta:
    return timedelta(*_DELTA.unpack(data))


_DECIMAL_CONTEXT = Context(traps=[InvalidOperation])
"""The application's own context may let malformed numbers pass as NaN."""


def _pack_decimal(value: Decimal) -> bytes:
    return str(value).encode("ascii")


def _unpack_decimal(data: bytes) -> Decimal:
    return Decimal(data.decode("ascii"), _DECIMAL_CONTEXT)


def _pack_complex(value: complex) -> bytes:
    return _COMPLEX.pack(value.real, value.imag)


def _unpack_complex(data: bytes) -> complex:
    return complex(*_COMPLEX.unpack(data))


def _uuid_class() -> object:
    # The core must not load the module, which draws random numbers; but whoever has a
    # UUID has loaded it.
    return getattr(sys.modules.get("uuid"), "UUID", None)


def _pack_uuid(value: Value) -> bytes:
    data: bytes = value.bytes
    return data


def _unpack_uuid(data: bytes) -> Value:
    # Only now is there a UUID to be made; see `_uuid_class`.
    from uuid import UUID  # noqa: PLC0415, TID251

    return UUID(bytes=data)


_BY_CODE[_CODE_UUID] = _unpack_uuid

_add(Extension(_CODE_INT, int, _pack_int, _unpack_int))
_add(Extension(_CODE_DATETIME, datetime, _pack_datetime, _unpack_datetime))
_add(Extension(_CODE_DATE, date, _pack_date, _unpack_date))
_add(Extension(_CODE_TIME, time, _pack_clock, _unpack_time))
_add(Extension(_CODE_TIMEDELTA, timedelta, _pack_timedelta, _unpack_timedelta))
_add(Extension(_CODE_DECIMAL, Decimal, _pack_decimal, _unpack_decimal))
_add(Extension(_CODE_COMPLEX, complex, _pack_complex, _unpack_complex))
