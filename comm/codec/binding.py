"""An item type bound to a codec: what turns its items into bytes and back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from hashlib import sha256
from typing import Any, Generic, TypeVar

from comm.codec.batches import BatchDecoder, Reading, Source, read_binaries
from comm.codec.compiler import compile_form
from comm.codec.forms import Form, Mismatch
from comm.codec.packing import BUFFER_BYTES_MAX, Packing, unpack_items
from comm.codec.probing import describe_failure, prober
from comm.codec.words import Hint, Value, class_of
from comm.errors import EncodeError


__all__ = ["BoundCodec", "bind_msgpack", "encode_binary"]

T = TypeVar("T")

_Encode = Callable[[Any], bytes]
_Refuse = Callable[[Any, Exception], EncodeError]

_NAME_LENGTH_MAX = 200
"""The wire cuts off longer names, and then no two ends would agree."""

_BIG_BYTES_MIN = 64 << 10
"""From which size on `bytes` are not worth another copy in the packer's buffer."""


class BoundCodec(Generic[T]):
    """Turns the items of one type into bytes and back.

    It belongs to one thread: encoding reuses a buffer.

    Attributes:
        codec: The codec's name.
        type_name: The item type's name.
        encode: Returns an item as exactly one MessagePack object, or raises
            `EncodeError`, and nothing else.
        mentioned: The item types of senders that may be inside an item.
    """

    def __init__(
        self,
        codec: str,
        type_name: str,
        encode: Callable[[T], bytes],
        reading: Reading,
        mentioned: Sequence[Hint] = (),
    ) -> None:
        self.codec = codec
        self.mentioned = tuple(mentioned)
        self.type_name = _shorten(type_name)
        # An attribute, because it costs less to call than a method.
        self.encode = encode
        self._reading = reading

    def decoder(self, payload: bytes, count: int) -> BatchDecoder[T]:
        """Returns a decoder of a batch: `count` encoded items, one after another."""
        return BatchDecoder(payload, count, self._reading)

    def __repr__(self) -> str:
        return f"<{self.codec} codec for {self.type_name}>"


def _shorten(name: str) -> str:
    """Returns the name, or if it is too long for the wire, its beginning and a hash."""
    if len(name) <= _NAME_LENGTH_MAX:
        return name
    digest = sha256(name.encode("utf-8", "backslashreplace")).hexdigest()[:16]
    return f"{name[: _NAME_LENGTH_MAX - 18]}…#{digest}"


def bind_msgpack(codec: str, item_type: Hint) -> BoundCodec[Any]:
    """Returns what encodes items of a type as MessagePack, and decodes them.

    Raises:
        ConfigurationError: If MessagePack cannot carry the type.
    """
    packing = Packing()

    def find(item: Value) -> None:
        compile_form(item_type, packing.apart, prober(packing.apart)).to_wire(item)

    mentioned: list[Hint] = []
    form = compile_form(item_type, packing.apart, mentioned=mentioned)
    refuse = _refuser(form, find)
    make = _encode_bytes if form.cls is bytes else _encode_values
    reading = Reading(_source(form), form.from_wire, form.root)
    encode = make(packing, form, refuse)
    return BoundCodec(codec, form.layout, encode, reading, mentioned)


def _source(form: Form) -> Source:
    if form.is_anything:
        return unpack_items
    if form.cls is bytes:
        return read_binaries
    # Of a str this makes the very same, and it refuses anything else.
    from_wire = str.__str__ if form.exact is str else form.from_wire
    return lambda payload, count: map(from_wire, unpack_items(payload, count))


def _encode_values(packing: Packing, form: Form, refuse: _Refuse) -> _Encode:
    exact, to_wire, apart = form.exact, form.to_wire, packing.apart

    def encode_anything(item: Value) -> bytes:
        pack = packing.pack
        packing.pack = apart
        try:
            data = pack(item)
        # Packing runs code of the application, which may raise anything.
        except Exception as error:
            pack = packing.trim()
            raise refuse(item, error) from error
        finally:
            packing.pack = pack
        if len(data) > BUFFER_BYTES_MAX:
            packing.trim()
        return data

    def encode(item: Value) -> bytes:
        pack = packing.pack
        packing.pack = apart
        try:
            data = pack(item if class_of(item) is exact else to_wire(item))
        except Mismatch as mismatch:
            raise EncodeError(mismatch.text(form.root)) from None
        except Exception as error:
            pack = packing.trim()
            raise refuse(item, error) from error
        finally:
            packing.pack = pack
        if len(data) > BUFFER_BYTES_MAX:
            packing.trim()
        return data

    return encode_anything if form.is_anything else encode


def _encode_bytes(packing: Packing, form: Form, refuse: _Refuse) -> _Encode:
    def encode(item: Value) -> bytes:
        try:
            if class_of(item) is bytes and len(item) < _BIG_BYTES_MIN:
                return packing.pack(item)
            return encode_binary(packing, bytes(form.to_wire(item)))
        except Mismatch as mismatch:
            raise EncodeError(mismatch.text(form.root)) from None
        # A view may have been released, or have more bytes than can be announced.
        except Exception as error:
            raise refuse(item, error) from error

    return encode


def encode_binary(packing: Packing, data: bytes) -> bytes:
    """Returns bytes as one MessagePack object."""
    if len(data) < _BIG_BYTES_MIN:
        return packing.pack(data)
    return b"\xc6" + len(data).to_bytes(4, "big") + data


def _refuser(form: Form, find: Callable[[Any], None]) -> _Refuse:
    """Returns what makes an error out of that of the packer.

    Args:
        form: The form of the items.
        find: Raises `Mismatch` for the part of an item that is to blame.
    """

    def refuse(item: Value, error: Exception) -> EncodeError:
        try:
            find(item)
        except Mismatch as mismatch:
            return EncodeError(mismatch.text(form.root))
        # The search may fail as the packer did.
        except Exception as again:  # noqa: BLE001
            error = again
        return EncodeError(f"item: {describe_failure(item, error)}")

    return refuse
