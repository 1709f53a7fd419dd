"""`SendingPort`: what a sending handle and the driver share.

The driver finds a port by the id of its handle and wakes it; the handle, which is the
user's, holds the port. The driver's own reference is weak: a forgotten handle takes its
port with it.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Protocol, cast

from comm.broadcast import BroadcastSenderCore
from comm.effects import HandleId
from comm.errors import ClosedError, Error, WouldBlock
from comm.net.fork import DeadCore
from comm.net.waiting import Gate, Line
from comm.statistics import ProducerStatistics


if TYPE_CHECKING:
    from comm.net.driver import Driver


__all__ = ["SendingCore", "SendingPort"]


class SendingCore(Protocol):
    """What the cores of a producer and of a broadcast sender have in common."""

    id: HandleId
    error: Error | None

    @property
    def is_open(self) -> bool:
        """Whether it can send, now or once there is credit."""
        ...

    @property
    def is_delivered(self) -> bool:
        """Whether nothing that was accepted is under way."""
        ...

    def send(self, payload: bytes) -> None:
        """Accepts one encoded item."""

    def send_many(self, payloads: Sequence[bytes], start: int = 0) -> int:
        """Accepts encoded items while credit lasts; returns how many."""
        ...

    def request_flush(self) -> None:
        """Asks for `Delivered`."""

    def finish(self) -> None:
        """Closes: what was accepted is delivered in the background."""

    def abort(self, reason: str) -> None:
        """Gives up what was not sent."""

    def statistics(self) -> ProducerStatistics:
        """Returns a snapshot."""
        ...


class SendingPort:
    """The sending end of a channel.

    Args:
        driver: The driver.
        core: The core's end.
    """

    __slots__ = (
        "__weakref__",
        "_deliveries",
        "_gate",
        "_is_aborted",
        "core",
        "driver",
        "id",
        "is_closed",
        "line",
    )

    def __init__(self, driver: Driver, core: SendingCore) -> None:
        self.id = core.id
        self.driver = driver
        self.core = core
        self.line = Line()
        self.is_closed = False
        self._gate = Gate()
        self._deliveries = 0
        self._is_aborted = False
        driver.handles[core.id] = self

    @property
    def is_left_open(self) -> bool:
        """Whether somebody still has to close it."""
        return not (
            self.is_closed or self.driver.is_over or self.core.error is not None
        )

    def wake(self) -> None:
        """Lets everyone who waits look for themselves."""
        self.line.wake()
        self._gate.wake_all()

    def delivered(self) -> None:
        """All that had been accepted at the last `request_flush` is delivered."""
        self._deliveries += 1
        self._gate.wake_all()

    async def open(self) -> None:
        """Waits until the receiver has taken the producer, or says why it has not."""
        driver = self.driver
        driver.pump()
        try:
            await self._gate.until(self._is_answered)
        except BaseException:
            if not driver.is_over:
                self.abort("connect() was cancelled")
            raise
        if self.core.error is not None:
            raise self.core.error
        if not self.core.is_open:
            raise driver.closed_error()

    async def send(self, payload: bytes) -> None:
        """Waits for our turn and for credit, and sends."""
        self.driver.require_loop()
        await self.line.until(partial(self.core.send, payload))

    async def send_some(self, payloads: Sequence[bytes], start: int) -> int:
        """Sends a payload and those behind it that there is credit for; waits for it.

        Returns:
            How many were accepted.
        """
        attempt = partial(self._send_some, payloads, start)
        if not self.line.length:
            try:
                return attempt()
            except WouldBlock:
                pass
        self.driver.require_loop()
        return await self.line.until(attempt)

    async def settle(self) -> None:
        """Waits until all that was accepted is delivered, or never will be."""
        driver = self.driver
        driver.require_loop()
        # What is still to be told belongs to earlier requests.
        driver.pump()
        before = self._deliveries
        if self.core.error is None:
            self.core.request_flush()
        driver.pump()
        await self._gate.until(lambda: self._is_settled(before))

    def raise_loss(self) -> None:
        """Raises why something that was accepted will not be delivered, if so."""
        core = self.core
        if isinstance(core, BroadcastSenderCore):
            loss = core.take_loss()
            if loss is not None:
                raise loss
        elif core.error is not None and core.statistics().lost:
            raise core.error
        if self.driver.is_over and not core.is_delivered:
            raise self.driver.closed_error()

    def raise_end(self) -> None:
        """Raises why the channel has ended, unless it was closed here."""
        if self.core.error is not None:
            raise self.core.error
        if self._is_aborted and self.core.statistics().lost:
            raise ClosedError("this producer was aborted; what it had not sent is lost")

    def close(self) -> None:
        """Closes: what was accepted is delivered in the background."""
        self.driver.require_thread()
        self.is_closed = True
        self.core.finish()
        self.wake()
        self.driver.wake()

    def abort(self, reason: str) -> None:
        """Gives up what was not sent."""
        self.driver.require_thread()
        self._is_aborted = not self.is_closed
        self.is_closed = True
        self.core.abort(reason)
        self.wake()
        self.driver.wake()

    def kill(self, core: DeadCore) -> None:
        """Makes every further use raise what `core` raises."""
        self.core = cast("SendingCore", core)
        self.is_closed = True

    def _send_some(self, payloads: Sequence[bytes], start: int) -> int:
        count = self.core.send_many(payloads, start)
        if not count:
            raise WouldBlock("the receiver has granted no more bytes")
        driver = self.driver
        driver.budget -= sum(map(len, payloads[start : start + count]))
        if driver.budget <= 0:
            driver.spend()
        return count

    def _is_answered(self) -> bool:
        core = self.core
        return (
            core.is_open
            or core.error is not None
            or self.is_closed
            or self.driver.is_over
        )

    def _is_settled(self, before: int) -> bool:
        return (
            self._deliveries != before
            or self.core.is_delivered
            or self.core.error is not None
            or self.driver.is_over
        )
