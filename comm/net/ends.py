"""`SendingEnd`: the verbs that a producer and a broadcast sender have in common."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Any, Generic, Self, TypeVar
import warnings

from comm.errors import WouldBlock
from comm.net.log import short_id
from comm.net.sending import SendingPort
from comm.statistics import ProducerStatistics


__all__ = ["SendingEnd"]

T_contra = TypeVar("T_contra", contravariant=True)

_SLICE_BYTES = 64 << 10
"""How much `send_many` encodes before it sends it."""

_SLICE_ITEMS = 1000


class SendingEnd(Generic[T_contra]):
    """What a producer and a broadcast sender have in common.

    Three things must be told apart: an item is *accepted* when `send` returns,
    *delivered* when it is in the receiver's buffer, for which `flush` waits, and
    *processed* when the receiving program says so, which is its own affair.

    A handle belongs to the event loop and thread of its switchboard.
    """

    __slots__ = ("__weakref__", "_encode", "_port")

    def __init__(self, port: SendingPort, encode: Callable[[Any], bytes]) -> None:
        self._port = port
        self._encode = encode

    async def send(self, item: T_contra) -> None:
        """Sends one item; waits until it is accepted.

        It waits while the receiver grants no more bytes, or a peer is away. Tasks
        that wait here are served in the order in which they came. The item is
        encoded at once, so that it may be changed afterwards.

        Cancellation decides: a call that was cancelled has sent nothing.

        Raises:
            EncodeError: If the item cannot be encoded.
            MessageTooLarge: If it is larger than either side takes.
            ClosedError: If this handle or its switchboard was closed.
            BrokenError: If the other side ended the channel; what was lost is told
                by `statistics` and `Switchboard.events`.
        """
        payload = self._encode(item)
        port = self._port
        if port.line.length:
            await port.send(payload)
        else:
            try:
                port.core.send(payload)
            except WouldBlock:
                await port.send(payload)
        driver = port.driver
        driver.budget -= len(payload)
        if driver.budget <= 0:
            driver.spend()

    def send_nowait(self, item: T_contra) -> None:
        """Sends one item at once.

        Raises:
            WouldBlock: If `send` would have to wait, or others wait in front.
            Exception: What else `send` raises.
        """
        payload = self._encode(item)
        port = self._port
        if port.line.length:
            raise WouldBlock("other tasks wait to send here; use send()")
        port.core.send(payload)
        driver = port.driver
        driver.budget -= len(payload)
        if driver.budget <= 0:
            driver.spend()

    async def send_many(self, items: Iterable[T_contra]) -> None:
        """Sends many items, in order; waits until all are accepted.

        Items are drawn and encoded in slices, never all at once. If it is cancelled
        or raises, a beginning of the items was accepted: the note on the exception,
        and `statistics().accepted`, say how many.

        Raises:
            Exception: What `send` raises.
        """
        port = self._port
        slices = _Slices(self._encode, items)
        accepted = 0
        try:
            while payloads := slices.next():
                start = 0
                while start < len(payloads):
                    count = await port.send_some(payloads, start)
                    start += count
                    accepted += count
        except BaseException as error:
            error.add_note(f"send_many: {accepted} items had been accepted")
            raise

    async def flush(
        self,
        timeout: float | None = None,  # noqa: ASYNC109 - on expiry it says what is left
    ) -> None:
        """Waits until everything accepted so far is in the receiver's buffer.

        Cancellation changes nothing.

        Args:
            timeout: For how many seconds to wait; None for as long as it takes.

        Raises:
            TimeoutError: If it is not delivered in time; it may still be, later.
            BrokenError: If the other side has ended the channel, or some was lost.
            ClosedError: If some was given up by `abort`, or the switchboard was
                closed first.
        """
        self._port.driver.require_loop()
        limit = asyncio.timeout(timeout)
        try:
            async with limit:
                await self._port.settle()
        except TimeoutError:
            if not limit.expired():
                raise
            statistics = self._port.core.statistics()
            raise TimeoutError(
                f"{_name(statistics)}: {statistics.queued_items} items were not "
                f"delivered within {timeout} s; they are still under way"
            ) from None
        self._port.raise_end()
        self._port.raise_loss()

    def close(self) -> None:
        """Ends the channel's items here; does not wait.

        What was accepted is delivered in the background, and then the receiver is
        told that this producer has finished. Closing twice is harmless.
        """
        self._port.close()

    async def aclose(self) -> None:
        """Closes, and waits until everything accepted is in the receiver's buffer.

        If it is cancelled, the handle is closed all the same.

        Raises:
            BrokenError: If some of it was lost.
        """
        self.close()
        await self._port.settle()
        self._port.raise_loss()

    def abort(self, reason: str = "") -> None:
        """Gives up: what was not yet sent is discarded, and reported as lost.

        The receiver of a channel with a limit, or of a sealed one, is told so by a
        `ProducerAborted`. After `close` or a second time, this does nothing.

        Args:
            reason: Why, for people; the other side is told.
        """
        self._port.abort(reason)

    def statistics(self) -> ProducerStatistics:
        """Returns a snapshot of what was accepted, delivered and lost."""
        return self._port.core.statistics()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Leaves by `aclose`; by `close` alone if an exception is under way."""
        if error is None:
            await self.aclose()
        else:
            self.close()

    def __del__(self) -> None:
        port = self._port
        if port.is_left_open:
            port.driver.forget(port.core.finish)
            warnings.warn(
                f"{self!r} was never closed; use `async with`, close() or aclose()",
                ResourceWarning,
                stacklevel=2,
                source=self,
            )

    def __repr__(self) -> str:
        return f"<comm.net.{type(self).__name__} {self._port.id}>"


class _Slices:
    """Encodes items as they are asked for, some at a time.

    Args:
        encode: Encodes one.
        items: The items.
    """

    def __init__(self, encode: Callable[[Any], bytes], items: Iterable[Any]) -> None:
        self._encode = encode
        self._items = iter(items)
        self._error: Exception | None = None

    def next(self) -> list[bytes]:
        """Returns the next items, encoded; an empty list after the last one.

        Raises:
            Exception: What drawing or encoding an item raised, once those in front
                of it were returned.
        """
        if self._error is not None:
            raise self._error
        payloads: list[bytes] = []
        size = 0
        try:
            for item in self._items:
                payload = self._encode(item)
                payloads.append(payload)
                size += len(payload)
                if size >= _SLICE_BYTES or len(payloads) >= _SLICE_ITEMS:
                    break
        except Exception as error:
            if not payloads:
                raise
            self._error = error
        return payloads


def _name(statistics: ProducerStatistics) -> str:
    where = "" if statistics.node_id is None else f"node {statistics.node_id}, "
    return f"{where}channel {short_id(statistics.channel)}"
