"""What a codec is: the protocols that drivers rely on, and that users may implement."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Protocol, TypeVar

from comm.codec.words import Hint


__all__ = ["Codec", "ItemCodec", "ItemDecoder"]

T = TypeVar("T")


class ItemDecoder(Protocol[T]):
    """Decodes the items of one batch, one at a time, when each is asked for.

    An item that cannot be decoded raises `DecodeError` in its own turn, and the next
    call goes on with the item behind it.
    """

    @property
    def remaining(self) -> int:
        """How many items have been neither handed out nor refused yet."""
        ...

    def __iter__(self) -> Iterator[T]: ...

    def __next__(self) -> T: ...

    def take(self, limit: int, /) -> list[T]:
        """Decodes up to `limit` items at once; see `BatchDecoder.take`."""
        ...


class ItemCodec(Protocol[T]):
    """Turns the items of one type into bytes and back.

    It belongs to one thread: encoding reuses a buffer.
    """

    @property
    def codec(self) -> str:
        """The codec's name, which both ends of a channel compare."""
        ...

    @property
    def type_name(self) -> str:
        """The item type's name, which both ends compare; at most 200 characters."""
        ...

    @property
    def encode(self) -> Callable[[T], bytes]:
        """What returns an item as exactly one MessagePack object.

        It raises `EncodeError` for an item that cannot be encoded, and never anything
        else; the next item is none the worse for it. It may be a method.
        """
        ...

    def decoder(self, payload: bytes, count: int, /) -> ItemDecoder[T]:
        """Returns a decoder of a batch: `count` encoded items, one after another."""
        ...


class Codec(Protocol):
    """A way to turn items into bytes."""

    @property
    def name(self) -> str:
        """What both ends of a channel must name alike."""
        ...

    @property
    def requires_authentication(self) -> bool:
        """Whether decoding can run whatever code the sender likes.

        Such a codec is only for sessions whose two sides have proved who they are.
        """
        ...

    def bind(self, item_type: Hint, /) -> ItemCodec[Any]:
        """Returns what encodes and decodes items of one type.

        Raises:
            ConfigurationError: If the codec cannot carry the type: which part of it,
                and what to do instead.
        """
        ...
