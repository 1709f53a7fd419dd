"""How tasks wait for a handle: woken, never handed anything.

A future that carries an item can be cancelled after the item was put into it, and the
item is gone. Here a wake-up means only "try again": whoever wakes does so without
suspending between the attempt and its return, and whoever is cancelled passes the
wake-up on. So a cancelled task has taken nothing, at whatever point it was cancelled.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from typing import TypeVar

from comm.errors import WouldBlock


__all__ = ["Gate", "Line"]

T = TypeVar("T")


class Line:
    """The tasks that wait to do one thing, served in the order in which they came.

    Only the head of the line attempts, and it keeps its place until it has succeeded,
    failed, or been cancelled; then it wakes the next. Whoever comes while `length` is
    not 0 has to join the line, or it would overtake.

    Attributes:
        length: How many tasks wait.
    """

    __slots__ = ("_places", "_tickets", "length")

    def __init__(self) -> None:
        self.length = 0
        self._tickets = 0
        # An ordered dictionary, because a line may be left in its middle.
        self._places: OrderedDict[int, asyncio.Future[None]] = OrderedDict()

    def wake(self) -> None:
        """Lets the head of the line attempt again."""
        for future in self._places.values():
            if not future.done():
                future.set_result(None)
            return

    async def until(self, attempt: Callable[[], T]) -> T:
        """Waits for our turn, then until `attempt` does not raise `WouldBlock`.

        Cancellation leaves the line; the attempt has then not succeeded.

        Returns:
            What the attempt returned.

        Raises:
            Exception: What else the attempt raised.
        """
        loop = asyncio.get_running_loop()
        self._tickets += 1
        ticket = self._tickets
        self.length += 1
        try:
            while True:
                self._places[ticket] = future = loop.create_future()
                await future
                try:
                    return attempt()
                except WouldBlock:
                    continue
        finally:
            was_head = next(iter(self._places)) == ticket
            del self._places[ticket]
            self.length -= 1
            if was_head:
                self.wake()


class Gate:
    """Tasks that wait for a change; all are woken at once, and look for themselves."""

    __slots__ = ("_futures",)

    def __init__(self) -> None:
        self._futures: dict[asyncio.Future[None], None] = {}

    def wake_all(self) -> None:
        """Wakes every task that waits now."""
        for future in self._futures:
            if not future.done():
                future.set_result(None)

    async def wait(self) -> None:
        """Waits for the next `wake_all`."""
        future = asyncio.get_running_loop().create_future()
        self._futures[future] = None
        try:
            await future
        finally:
            del self._futures[future]

    async def until(self, condition: Callable[[], bool]) -> None:
        """Waits until the condition holds; it is tried at once and at each wake-up."""
        while not condition():
            await self.wait()
