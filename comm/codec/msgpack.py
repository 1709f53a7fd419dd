"""The default codec: MessagePack, with extensions and with typed channels."""

from __future__ import annotations

from typing import Any

from comm.codec.binding import BoundCodec, bind_msgpack
from comm.codec.words import Hint


__all__ = ["MsgpackCodec"]


class MsgpackCodec:
    """Carries what the package's docstring lists, and nothing that could do harm.

    Item types that were bound once are kept, so that all channels of an item type share
    one buffer. Hence a codec belongs to one thread.
    """

    name = "msgpack"
    requires_authentication = False

    def __init__(self) -> None:
        self._bound: dict[Any, BoundCodec[Any]] = {}

    def bind(self, item_type: Hint) -> BoundCodec[Any]:
        """Returns what encodes and decodes items of one type.

        Raises:
            ConfigurationError: If MessagePack cannot carry the type.
        """
        try:
            known = self._bound.get(item_type)
        except TypeError:  # Some annotations cannot be hashed.
            return bind_msgpack(self.name, item_type)
        if known is None:
            known = self._bound[item_type] = bind_msgpack(self.name, item_type)
        return known

    def __repr__(self) -> str:
        return "MsgpackCodec()"
