"""The pickle codec: whatever can be pickled, for sessions that prove who is who."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import chain
from types import UnionType
from typing import Annotated, Any, Union, get_args

from comm.codec.batches import Reading, read_binaries
from comm.codec.binding import BoundCodec, encode_binary
from comm.codec.compiler import compile_form
from comm.codec.forms import Mismatch, expected, kind_of, told
from comm.codec.hints import class_behind, describe, unwrap
from comm.codec.packing import Packing
from comm.codec.words import Hint, Value, Wire, class_of, is_a, is_kind_of
from comm.errors import ConfigurationError, EncodeError


__all__ = ["PickleCodec"]

_PROTOCOL = 5
"""The same for all, whatever versions of Python the nodes run."""


class PickleCodec:
    """Carries whatever can be pickled, each item as a pickle in MessagePack's `bin`.

    Unpickling runs whatever code the sender likes. Both ends have to choose this codec
    by name, and only sessions that are authenticated take it. Items are checked to be
    instances of the item type, and no deeper.
    """

    name = "pickle"
    requires_authentication = True

    def bind(self, item_type: Hint) -> BoundCodec[Any]:
        """Returns what encodes and decodes items of one type."""
        unpickle = _unpickler(_checker(item_type))

        def source(payload: bytes, count: int) -> Iterator[Any]:
            return map(unpickle, read_binaries(payload, count))

        encode = _pickler(_checker(item_type))
        reading = Reading(source, unpickle)
        return BoundCodec(self.name, _type_name(item_type), encode, reading)

    def __repr__(self) -> str:
        return "PickleCodec()"


def _type_name(item_type: Hint) -> str:
    try:
        # With a fingerprint of the fields, where they are known.
        return compile_form(item_type, bytes).layout
    except ConfigurationError:
        return describe(item_type)


def _checker(item_type: Hint) -> Callable[[Any], None]:
    classes = tuple(_classes(item_type))
    cls = classes[0] if len(classes) == 1 else None

    def check(item: Value) -> None:
        if not isinstance(item, classes):
            raise expected(describe(item_type), item, cls)

    return check


def _classes(item_type: Hint) -> Iterator[type]:
    """Yields the classes that items may be instances of; object if nobody can tell."""
    hint = unwrap(item_type)
    cls = class_behind(hint)
    if cls is Annotated:
        yield from _classes(get_args(hint)[0])
    elif cls is Union or cls is UnionType:
        yield from chain.from_iterable(map(_classes, get_args(hint)))
    elif cls is Any or not is_a(cls, type) or getattr(cls, "_is_protocol", False):
        yield object
    elif is_kind_of(cls, dict):
        yield dict  # A typed dict is one only for type checkers.
    else:
        yield cls


def _pickler(check: Callable[[Any], None]) -> Callable[[Any], bytes]:
    import pickle  # noqa: PLC0415 - only who asks for pickle is to have it loaded

    packing = Packing()

    def encode(item: Value) -> bytes:
        try:
            check(item)
            return encode_binary(packing, pickle.dumps(item, _PROTOCOL))
        except Mismatch as mismatch:
            raise EncodeError(mismatch.text("item")) from None
        # Pickling runs code of the application, which may raise anything.
        except Exception as error:
            raise EncodeError(
                f"item: {kind_of(item)} cannot be pickled: {told(error)}"
            ) from error

    return encode


def _unpickler(check: Callable[[Any], None]) -> Callable[[Any], Any]:
    import pickle  # noqa: PLC0415 - see `_pickler`

    def unpickle(wire: Wire) -> Value:
        if class_of(wire) is not bytes:
            raise expected("a pickle", wire)
        try:
            item = pickle.loads(wire)  # noqa: S301 - what this codec is for
            check(item)
        except Mismatch:
            raise
        # Unpickling runs code of the application, which may raise anything.
        except Exception as error:
            raise Mismatch(f"cannot be unpickled: {told(error)}") from error
        return item

    return unpickle
