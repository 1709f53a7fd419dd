"""`Channels`: the part of a switchboard that makes channels and their ends."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, overload

from comm.broadcast import Token
from comm.mpsc import Sender
from comm.net.broadcast import BroadcastReceiver, BroadcastSender
from comm.net.driver import Driver
from comm.net.items import ItemTypes, kind_of
from comm.net.mpsc import Connecting, Receiver
from comm.net.receiving import ReceivingPort
from comm.net.sending import SendingPort


__all__ = ["Channels"]

T = TypeVar("T")


class Channels:
    """Makes channels, and connects to those of others.

    Args:
        driver: The driver.
        types: The item types.
    """

    def __init__(self, driver: Driver, types: ItemTypes) -> None:
        self._driver = driver
        self._types = types

    @overload
    def mpsc(
        self, item_type: type[T], *, max_producers: int | None = None
    ) -> tuple[Sender[T], Receiver[T]]: ...

    @overload
    def mpsc(
        self, item_type: object = object, *, max_producers: int | None = None
    ) -> tuple[Sender[Any], Receiver[Any]]: ...

    def mpsc(
        self, item_type: object = object, *, max_producers: int | None = None
    ) -> tuple[Sender[Any], Receiver[Any]]:
        """Makes a channel with one receiver, here, and many producers, anywhere.

        Args:
            item_type: What is sent.
            max_producers: How many producers may attach. The channel ends when all of
                them have finished; without a limit only after `Receiver.seal`.

        Returns:
            The sender, a plain value to be connected here or put in any message, and
            the receiver, which has to be closed.

        Raises:
            UsageError: If `max_producers` is not at least 1.
            ConfigurationError: If the codec cannot carry the item type.
        """
        driver = self._driver
        driver.require_running()
        item = self._types.bind(item_type)
        sender, core = driver.core.open_mpsc(kind_of(item), max_producers=max_producers)
        return sender, Receiver(ReceivingPort(driver, core, item.decoder))

    @overload
    def mpsc_limited(
        self, max_producers: int, item_type: type[T]
    ) -> tuple[Sender[T], Receiver[T]]: ...

    @overload
    def mpsc_limited(
        self, max_producers: int, item_type: object = object
    ) -> tuple[Sender[Any], Receiver[Any]]: ...

    def mpsc_limited(
        self, max_producers: int, item_type: object = object
    ) -> tuple[Sender[Any], Receiver[Any]]:
        """Makes a channel that takes so many producers; see `mpsc`."""
        return self.mpsc(item_type, max_producers=max_producers)

    def connect(self, sender: Sender[T], item_type: object = None) -> Connecting[T]:
        """Makes a producer of the sender's channel: await the result, or enter it.

        It waits until the receiver has taken the producer. Cancellation leaves no
        producer behind. Entered by `async with`, the producer is closed at the end,
        by `aclose` if all went well.

        Args:
            sender: Where to send.
            item_type: What is sent. May be left out if it is a built-in type, or some
                channel of this process has named it.

        Raises:
            UsageError: If the item type is unknown here, or is not what the receiver
                takes, or the sender belongs to another cluster.
            BrokenError: If the channel cannot be reached any more, or takes no more
                producers.
            ClosedError: If the switchboard was closed.
        """
        return Connecting(lambda: self._begin(sender, item_type))

    def broadcast_tx(self, token: Token[T]) -> BroadcastSender[T]:
        """Makes a sending end of a broadcast channel; it has to be closed.

        Raises:
            ConfigurationError: If the codec cannot carry the token's item type.
        """
        driver = self._driver
        driver.require_running()
        item = self._types.bind(token.item_type)
        core = driver.core.open_broadcast_sender(token, kind_of(item), driver.now())
        driver.wake()
        return BroadcastSender(SendingPort(driver, core), item.encode)

    def broadcast_rx(self, token: Token[T]) -> BroadcastReceiver[T]:
        """Makes the receiving end of a broadcast channel; it has to be closed.

        Raises:
            UsageError: If this node has one already: use its `fanout`.
            ConfigurationError: If the codec cannot carry the token's item type.
        """
        driver = self._driver
        driver.require_running()
        item = self._types.bind(token.item_type)
        core = driver.core.open_broadcast_receiver(token, kind_of(item))
        driver.wake()
        return BroadcastReceiver(ReceivingPort(driver, core, item.decoder))

    def _begin(
        self, sender: Sender[Any], item_type: object
    ) -> tuple[SendingPort, Callable[[Any], bytes]]:
        driver = self._driver
        driver.require_running()
        item = self._types.bind_for(sender, item_type)
        core = driver.core.connect(sender, kind_of(item), driver.now())
        return SendingPort(driver, core), item.encode
