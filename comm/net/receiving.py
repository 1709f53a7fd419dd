"""`ReceivingPort`: what a receiving handle and the driver share; see `SendingPort`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import islice
from operator import length_hint
from typing import TYPE_CHECKING, Generic, Protocol, Self, TypeVar, cast

from comm.codec import ItemDecoder
from comm.effects import BatchesSettled, BatchesWithheld, HandleId
from comm.errors import EndOfChannel, Error, WouldBlock
from comm.mpsc import Batch
from comm.net.fork import DeadCore
from comm.net.waiting import Line
from comm.statistics import ReceiverStatistics


if TYPE_CHECKING:
    from comm.net.driver import Driver


__all__ = ["Decode", "ReceivingCore", "ReceivingPort"]

T = TypeVar("T")
R = TypeVar("R")

_DECODED_MAX = 100
"""How many items are decoded at a time."""

Decode = Callable[[bytes, int], ItemDecoder[T]]
"""Opens a batch: its payload, and how many items it has."""


class ReceivingCore(Protocol):
    """What the cores of a receiver and of a member of a fan-out have in common."""

    id: HandleId

    def take(self) -> Batch:
        """Removes and returns some items."""
        ...

    def seal(self) -> None:
        """Refuses further producers."""

    def discard(self, batch: Batch, unused: int) -> None:
        """Of a batch that was taken so many items were dropped."""

    def close(self, unused: int = 0) -> None:
        """Takes nothing more; of the last batch so many items were not used."""

    def statistics(self) -> ReceiverStatistics:
        """Returns a snapshot."""
        ...


class ReceivingPort(Generic[T]):
    """The receiving end of a channel, and the batch that is being handed out.

    Args:
        driver: The driver.
        core: The core's end.
        decode: Decodes batches.

    Attributes:
        items: Some of the next items; when there are none, `next_item` gets more.
    """

    __slots__ = (
        "__weakref__",
        "_batch",
        "_decoder",
        "core",
        "decode",
        "driver",
        "id",
        "is_closed",
        "items",
        "line",
    )

    def __init__(self, driver: Driver, core: ReceivingCore, decode: Decode[T]) -> None:
        self.id = core.id
        self.driver = driver
        self.core = core
        self.decode = decode
        self.line = Line()
        self.is_closed = False
        # Some of the next items, decoded. Not more, because a decoded backlog takes
        # much memory and, by the garbage collector, time.
        self.items: Iterator[T] = iter(())
        self._batch: Batch | None = None
        self._decoder: ItemDecoder[T] | None = None
        driver.handles[core.id] = self

    @property
    def is_left_open(self) -> bool:
        """Whether somebody still has to close it."""
        return not (self.is_closed or self.driver.is_over)

    @property
    def is_in_use(self) -> bool:
        """Whether items of a batch are left, or somebody waits."""
        return bool(self.line.length or self.unused)

    @property
    def unused(self) -> int:
        """How many items of the batch have not been handed out."""
        decoder = self._decoder
        return 0 if decoder is None else decoder.remaining + length_hint(self.items)

    def wake(self) -> None:
        """Lets whoever waits look for themselves."""
        self.line.wake()

    async def wait(self, attempt: Callable[[], R]) -> R:
        """Waits for our turn, and until the attempt does not raise `WouldBlock`."""
        self.driver.require_loop()
        return await self.line.until(attempt)

    def next_item(self) -> T:
        """Removes and returns the next item.

        Raises:
            WouldBlock: If there is none.
            DecodeError: If it cannot be decoded; the next call goes on behind it.
            Error: What `ReceiverCore.take` raises.
        """
        while True:
            for item in self.items:
                return item
            self.items = iter(self._open_batch().take(_DECODED_MAX))

    def next_delivery(self) -> tuple[T, Batch, int]:
        """Removes and returns the next item, its batch, and its place there."""
        item = self.next_item()
        batch = self._batch
        assert batch is not None
        return item, batch, batch.count - self.unused - 1

    def next_items(self, limit: int) -> list[T]:
        """Removes and returns at least one item, and all that are there up to a limit.

        An error behind the first item is kept for the next call.

        Raises:
            Error: What `next_item` raises.
        """
        taken = list(islice(self.items, limit))
        try:
            while len(taken) < limit:
                taken += self._open_batch().take(limit - len(taken))
        except (WouldBlock, EndOfChannel):
            if not taken:
                raise
        except Error as error:
            if not taken:
                raise
            self.items = _Deferred(self, error)
        return taken

    def seal(self) -> None:
        """Refuses further producers."""
        self.driver.require_thread()
        self.core.seal()
        self.driver.wake()

    def close(self) -> None:
        """Takes nothing more; what is left is discarded."""
        self.driver.require_thread()
        self.is_closed = True
        unused = self.unused
        self._drop()
        self.core.close(unused)
        self.line.wake()
        self.driver.wake()

    def resume(self) -> None:
        """Goes on behind an error that was kept for later."""
        self.items = iter(())

    def withhold(self, doubt: BatchesWithheld) -> None:
        """Hands out nothing more of the batch if it is in doubt."""
        if self._is_concerned(doubt) and not isinstance(self.items, _Withheld):
            self.items = _Withheld(self.items)

    def settle(self, doubt: BatchesSettled) -> None:
        """Goes on with the batch, or drops what is left of it, if it was in doubt."""
        if not self._is_concerned(doubt):
            return
        if isinstance(self.items, _Withheld):
            self.items = self.items.rest
        if doubt.revoked:
            batch, unused = self._batch, self.unused
            assert batch is not None
            self._drop()
            self.core.discard(batch, unused)
        self.line.wake()

    def kill(self, core: DeadCore) -> None:
        """Makes every further use raise what `core` raises."""
        self.core = cast("ReceivingCore", core)
        self.is_closed = True
        self._drop()

    def statistics(self) -> ReceiverStatistics:
        """Returns a snapshot; what is left of the batch has not been taken."""
        statistics = self.core.statistics()
        rest = self.unused
        if not rest or self._batch is None:
            return statistics
        return replace(
            statistics,
            taken=statistics.taken - rest,
            buffered_items=statistics.buffered_items + rest,
            buffered_bytes=statistics.buffered_bytes + len(self._batch.payload),
        )

    def _is_concerned(self, doubt: BatchesWithheld | BatchesSettled) -> bool:
        batch = self._batch
        return (
            batch is not None
            and batch.session == doubt.session
            and batch.frame > doubt.confirmed
            and bool(self.unused)
        )

    def _open_batch(self) -> ItemDecoder[T]:
        """Returns the decoder of the batch, or of the next one if that is used up."""
        decoder = self._decoder
        if decoder is None or not decoder.remaining:
            self._drop()
            batch = self.core.take()
            decoder = self.decode(batch.payload, batch.count)
            self._batch, self._decoder = batch, decoder
            self.driver.wake()
        return decoder

    def _drop(self) -> None:
        self.items = iter(())
        self._batch = self._decoder = None


class _Deferred(Generic[T]):
    """No items, but an error that is raised once."""

    __slots__ = ("_error", "_port")

    def __init__(self, port: ReceivingPort[T], error: Error) -> None:
        self._port = port
        self._error = error

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> T:
        self._port.resume()
        raise self._error


class _Withheld(Generic[T]):
    """Items that must not be handed out for now.

    Attributes:
        rest: The items.
    """

    __slots__ = ("rest",)

    def __init__(self, rest: Iterator[T]) -> None:
        self.rest = rest

    def __iter__(self) -> Self:
        return self

    def __length_hint__(self) -> int:
        return length_hint(self.rest)

    def __next__(self) -> T:
        raise WouldBlock("what has arrived is in doubt until the node is back")
