"""The two ends of a channel with one receiver, as the application holds them."""

from __future__ import annotations

from collections.abc import Callable, Generator
from functools import partial
from types import TracebackType
from typing import Any, Generic, NamedTuple, Self, TypeVar
import warnings

from comm.errors import EndOfChannel, UsageError, WouldBlock
from comm.mpsc import ProducerCore
from comm.net.ends import SendingEnd
from comm.net.receiving import ReceivingPort
from comm.net.sending import SendingPort
from comm.statistics import ReceiverStatistics


__all__ = ["Connecting", "Delivery", "Encode", "Producer", "Receiver"]

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)
T_contra = TypeVar("T_contra", contravariant=True)

_RECEIVE_MANY = 1000


class Producer(SendingEnd[T_contra]):
    """A connected `Sender`: one ordered source of items of an MPSC channel.

    `Switchboard.connect` makes it.
    """

    __slots__ = ()

    def clone(self) -> Producer[T_contra]:
        """Returns another producer of the same channel, which counts as one more.

        It can be used at once. The order among the two is not defined.

        Raises:
            ClosedError: If the switchboard was closed.
            BrokenError: If the other side ended this producer.
        """
        driver = self._port.driver
        driver.require_running()
        core = self._port.core
        assert isinstance(core, ProducerCore)
        cloned = driver.core.clone(core, driver.now())
        driver.wake()
        return Producer(SendingPort(driver, cloned), self._encode)


Encode = Callable[[Any], bytes]


class Connecting(Generic[T]):
    """A producer to be: await it, or enter it by `async with`."""

    __slots__ = ("_begin", "_producer", "_was_used")

    def __init__(self, begin: Callable[[], tuple[SendingPort, Encode]]) -> None:
        self._begin = begin
        self._was_used = False
        self._producer: Producer[T] | None = None

    def __await__(self) -> Generator[Any, None, Producer[T]]:
        return self._connect().__await__()

    async def __aenter__(self) -> Producer[T]:
        self._producer = await self._connect()
        return self._producer

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        assert self._producer is not None
        await self._producer.__aexit__(kind, error, traceback)

    async def _connect(self) -> Producer[T]:
        if self._was_used:
            raise UsageError("this connect() was used before; call connect() again")
        self._was_used = True
        port, encode = self._begin()
        await port.open()
        return Producer(port, encode)

    def __del__(self) -> None:
        if not self._was_used:
            warnings.warn(
                "the result of connect() was neither awaited nor entered; write "
                "`producer = await switchboard.connect(sender)`",
                RuntimeWarning,
                stacklevel=2,
                source=self,
            )


class Delivery(NamedTuple, Generic[T_co]):
    """One item, and where it comes from.

    Attributes:
        item: The item.
        node_id: The producer's node.
        producer: Which producer; a number that no other producer of this node's
            receivers has.
        sequence: The item's number; each producer counts from 0.
    """

    item: T_co
    node_id: int
    producer: int
    sequence: int


class Receiver(Generic[T_co]):
    """The consuming end of a channel. It cannot be copied or sent.

    Producers are served round robin. Iterating over it ends at the end of the
    channel, which only one with `max_producers`, or a sealed one, has.

    A handle belongs to the event loop and thread of its switchboard.
    """

    __slots__ = ("__weakref__", "_port")

    def __init__(self, port: ReceivingPort[T_co]) -> None:
        self._port = port

    async def receive(self) -> T_co:
        """Waits for the next item and returns it.

        Tasks that wait here are served in the order in which they came. Cancellation
        consumes nothing, at whatever point it comes.

        Raises:
            EndOfChannel: When every producer has finished, each time.
            ProducerLost: When a producer of a channel that can end was lost, once;
                the channel goes on.
            ProducerAborted: When one was aborted, likewise.
            DecodeError: If this item cannot be decoded; the next call gets the next.
            ClosedError: If this handle or its switchboard was closed.
        """
        port = self._port
        if not port.line.length:
            try:
                # What `next_item` does first; most items are spared the call.
                for item in port.items:
                    return item
                return port.next_item()
            except WouldBlock:
                pass
        return await port.wait(port.next_item)

    def receive_nowait(self) -> T_co:
        """Returns the next item at once.

        Raises:
            WouldBlock: If `receive` would have to wait, or others wait in front.
            Exception: What else `receive` raises.
        """
        self._require_turn()
        return self._port.next_item()

    async def receive_many(self, max_items: int = _RECEIVE_MANY) -> list[T_co]:
        """Waits for one item, and returns it with all others that are there.

        An error behind the first item is raised by the next call. Cancellation
        consumes nothing.

        Args:
            max_items: How many items to return at most.

        Raises:
            Exception: What `receive` raises.
        """
        if max_items < 1:
            raise UsageError(f"max_items is {max_items}; give at least 1")
        port = self._port
        if not port.line.length:
            try:
                return port.next_items(max_items)
            except WouldBlock:
                pass
        return await port.wait(lambda: port.next_items(max_items))

    async def receive_from(self) -> Delivery[T_co]:
        """Waits for the next item, and tells where it comes from.

        Raises:
            Exception: What `receive` raises.
        """
        if not self._port.line.length:
            try:
                return self._next_delivery()
            except WouldBlock:
                pass
        return await self._port.wait(self._next_delivery)

    def seal(self) -> None:
        """Refuses further producers: the channel ends when those attached have."""
        self._port.seal()

    def close(self) -> None:
        """Takes nothing more; what was not received is discarded.

        The producers are told, and report what was not taken as lost. Closing twice
        is harmless.
        """
        self._port.close()

    async def aclose(self) -> None:
        """Does what `close` does; there is nothing to wait for."""
        self.close()

    def statistics(self) -> ReceiverStatistics:
        """Returns a snapshot of what arrived and what was taken."""
        return self._port.statistics()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> T_co:
        """Waits for the next item; the iteration ends with the channel."""
        port = self._port
        try:
            if not port.line.length:
                try:
                    for item in port.items:
                        return item
                    return port.next_item()
                except WouldBlock:
                    pass
            return await port.wait(port.next_item)
        except EndOfChannel:
            raise StopAsyncIteration from None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __del__(self) -> None:
        port = self._port
        if port.is_left_open:
            port.driver.forget(partial(port.core.close, port.unused))
            warnings.warn(
                f"{self!r} was never closed; use `async with`, or close()",
                ResourceWarning,
                stacklevel=2,
                source=self,
            )

    def __repr__(self) -> str:
        return f"<comm.net.{type(self).__name__} {self._port.id}>"

    def _require_turn(self) -> None:
        if self._port.line.length:
            raise WouldBlock("other tasks wait to receive here; use receive()")

    def _next_delivery(self) -> Delivery[T_co]:
        item, batch, index = self._port.next_delivery()
        return Delivery(item, batch.node_id, batch.producer, batch.sequence + index)
