"""`ItemTypes`: which codec serves an item type, and which type goes by a name."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from comm.codec import Codec, ItemCodec
from comm.errors import ConfigurationError, UsageError
from comm.mpsc import ItemKind, Sender


__all__ = ["ItemTypes", "kind_of"]

_BUILTINS: tuple[type, ...] = (object, bytes, str, int, float, bool, list, dict)

# The types that this process has named in a channel, by codec and by name; a sender
# that arrives in a message tells only the name.
_known: dict[tuple[str, str], Any] = {}


class ItemTypes:
    """The item types of one switchboard, each bound to its codec once.

    Args:
        codec: The codec.
    """

    __slots__ = ("_bound", "_codec")

    def __init__(self, codec: Codec) -> None:
        self._codec = codec
        # By the text as well: `int | str` equals `str | int`, but is another name.
        self._bound: dict[tuple[Any, str], ItemCodec[Any]] = {}

    def bind(self, item_type: object) -> ItemCodec[Any]:
        """Returns what encodes and decodes items of a type, and remembers the type.

        Raises:
            ConfigurationError: If the codec cannot carry the type.
        """
        key = (item_type, repr(item_type))
        try:
            bound = self._bound.get(key)
        except TypeError:
            # What cannot be hashed cannot be kept, either.
            return self._codec.bind(item_type)
        if bound is None:
            bound = self._bound[key] = self._codec.bind(item_type)
            _known[bound.codec, bound.type_name] = item_type
            self._bind_mentioned(bound)
        return bound

    def _bind_mentioned(self, bound: ItemCodec[Any]) -> None:
        """Learns what can be sent to the senders that come inside items."""
        for item_type in getattr(bound, "mentioned", ()):
            # Whoever connects such a sender will be told that it cannot be.
            with suppress(ConfigurationError):
                self.bind(item_type)

    def bind_for(self, sender: Sender[Any], item_type: object) -> ItemCodec[Any]:
        """Returns what encodes the items that a sender's receiver expects.

        Args:
            sender: Where the items go.
            item_type: Their type; None to look it up by the name in the sender.

        Raises:
            UsageError: If the name is not that of any type known here.
        """
        if item_type is not None:
            return self.bind(item_type)
        key = (self._codec.name, sender.item_type)
        if key not in _known:
            for builtin in _BUILTINS:
                self.bind(builtin)
        if key not in _known:
            raise UsageError(
                f"the sender to node {sender.node_id} takes {sender.item_type!r}, and "
                "no channel of this process has named that type yet: say "
                "connect(sender, item_type=...)"
            )
        return self.bind(_known[key])


def kind_of(item: ItemCodec[Any]) -> ItemKind:
    """Returns what the two ends of a channel compare."""
    return ItemKind(item.codec, item.type_name)
