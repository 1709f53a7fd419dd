"""Items <-> bytes, for drivers: the core carries bytes and never looks inside.

The default codec is MessagePack (`MsgpackCodec`); `PickleCodec` is there for sessions
that are authenticated. Both ends of a channel name their codec and item type when they
connect, and are refused if they differ.

**Untyped channels** (item type `object`) carry whatever MessagePack has: None, bool,
int, float, str, bytes, lists and dicts, and as extensions, wherever in the item they
stand, what the table below lists. All of it arrives unchanged, but for this:

- A tuple arrives as a list, unless it is a key of a dict or an element of a set.
- `bytearray` and `memoryview` arrive as `bytes`.
- An instance of a subclass arrives as one of the class: a `StrEnum` as a str, a
  `NamedTuple` as a list, an `OrderedDict` as a dict. Other enums, dataclasses and such
  are refused: they need a typed channel, or field.
- A time zone arrives as its distance from UTC; its name is lost.
- A str with half a surrogate pair is refused, and so is what is nested too deeply.

    code    type               payload, all numbers big-endian
    1       comm.mpsc.Sender   as `comm.mpsc` has it
    2       int beyond 64 bit  two's complement
    3       datetime           the date, then the time
    4       date               year u16, month u8, day u8
    5       time               hour u8, minute u8, second u8, fold u8, microsecond u32,
                               then, if aware, microseconds ahead of UTC i64
    6       timedelta          days i32, seconds u32, microseconds u32
    7       UUID               its 16 bytes
    8       Decimal            its digits in ASCII, as `str` gives them
    9, 10   set, frozenset     an array of the elements, in the order of their bytes
    11      complex            real part f64, imaginary part f64
    12-31                      kept for this library
    32-127                     for applications: `register_extension`

MessagePack's own time stamp, -1, is not used; it is read as a datetime in UTC.

**Typed channels** carry items of one type, which is checked in all its parts when an
item is sent, and again when it is received. There it is rebuilt: the constructor of the
class runs, and what that raises makes the item a `DecodeError`. The types:

    type                       how its values travel
    object, Any                as they are, unchecked
    None, bool, int, float,    as they are; for a float an int will do, but for an int
    str, bytes                 no bool
    those of the table above   as they are
    list, tuple, set,          array; sets in the order of their elements' bytes
    frozenset, Sequence        (what was any Sequence arrives as a list)
    dict, Mapping              map, or array of pairs if its keys are neither scalars
                               nor enums nor of the table above (arrives as a dict)
    dataclass, NamedTuple,     array of the fields that the constructor takes, in order
    msgspec.Struct
    TypedDict                  map of the keys that are there
    Enum, Flag                 the name of the member; the number of the flags
    Literal                    the value; the name of a member of an enum
    unions                     the value, if None and one type, or types whose values
                               travel as they are, are all there is; or else array of
                               the type's number, by the order of names, and the value

`NewType`, `Annotated` (with the limits of `msgspec.Meta`), `Final`, type aliases,
generic classes and types that refer to themselves are fine. A field with
`init=False` does not travel, because the constructor makes it anew. An instance of a
subclass of a class with fields is refused.

The **name** of an item type has no module, because a program's own classes are in
`__main__` for one process and elsewhere for another. Instead the names of classes with
fields and of enums have a fingerprint of what they consist of (`Job#1a2b3c4d`), so that
two ends that disagree on a field are told so when they connect.

Decoding trusts nothing: no length is believed beyond that of the payload, and whatever
is wrong with an item, it is a `DecodeError` in that item's own turn.
"""

from __future__ import annotations

from comm.codec.extensions import register_extension
from comm.codec.interface import Codec, ItemCodec, ItemDecoder
from comm.codec.msgpack import MsgpackCodec
from comm.codec.pickling import PickleCodec
from comm.errors import ConfigurationError


__all__ = [
    "Codec",
    "ItemCodec",
    "ItemDecoder",
    "MsgpackCodec",
    "PickleCodec",
    "register_extension",
    "resolve",
]

_PARTS = ("name", "requires_authentication", "bind")


def resolve(codec: Codec | str | None) -> Codec:
    """Returns the codec that is meant: one itself, "msgpack", "pickle", or the default.

    Codecs that are given by name are new ones, which nobody else uses.

    Raises:
        ConfigurationError: If there is no such codec, or the value is none.
    """
    if codec is None or codec == MsgpackCodec.name:
        return MsgpackCodec()
    if codec == PickleCodec.name:
        return PickleCodec()
    if isinstance(codec, str) or not all(hasattr(codec, each) for each in _PARTS):
        raise ConfigurationError(
            f'{codec!r} is no codec; give "msgpack", "pickle" or a `comm.codec.Codec`'
        )
    return codec
