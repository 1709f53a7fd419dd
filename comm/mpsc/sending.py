"""How several items are sent at once, whatever kind of producer takes them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from comm.errors import MessageTooLarge, WouldBlock


__all__ = ["Sink", "send_each", "too_large"]


class Sink(Protocol):
    """What takes one encoded item."""

    def send(self, payload: bytes) -> None:
        """Accepts the item, or raises and accepts nothing."""


def too_large(where: str, size: int, limit: int) -> MessageTooLarge:
    """Returns the error for an item of more bytes than the limit."""
    return MessageTooLarge(
        f"{where}: the item has {size} bytes, and {limit} is the limit; split it, or "
        "raise message_bytes_max in the Config of both nodes"
    )


def send_each(sink: Sink, payloads: Sequence[bytes], start: int) -> int:
    """Sends encoded items from `start` on, while credit lasts.

    Returns:
        How many were accepted; 0 if `send` would have raised `WouldBlock`.

    Raises:
        MessageTooLarge: If the first of them is too large; a later one ends the
            call without an error, so that the next call can raise it.
        ClosedError: If the sink was closed.
        BrokenError: If the other side ended it.
    """
    index = start
    try:
        while index < len(payloads):
            sink.send(payloads[index])
            index += 1
    except WouldBlock:
        pass
    except MessageTooLarge:
        if index == start:
            raise
    return index - start
