"""`World`: virtual time, and the queue of all that is still to happen in it.

Time is a whole number of nanoseconds and jumps from one event to the next. Events of
the same moment happen in the order in which they were planned.
"""

from __future__ import annotations

from collections.abc import Callable
from heapq import heapify, heappop, heappush
from typing import Any

from comm.sim.choices import Calm, Choices
from comm.sim.trace import Trace


__all__ = ["MS", "NS", "SECOND", "US", "Event", "World", "seconds"]

NS = 1
US = 1_000
MS = 1_000_000
SECOND = 1_000_000_000

Event = list[Any]
"""Something that is to happen: when, its number, its cause, the action and what it is
called with. A list, because it is compared, changed and thrown away by the million."""

_ACTION = 3

_NEVER_NS = 1 << 62

_CANCELLED_MIN = 64
"""From how many cancelled events on the queue may be cleared of them."""


class World:
    """Everything that the parts of a simulation share.

    Args:
        choices: Where every draw comes from.
        trace: Where the history is kept.

    Attributes:
        now_ns: The time.
        events: How many events have happened.
    """

    __slots__ = (
        "_cancelled",
        "_numbered",
        "_queue",
        "choices",
        "events",
        "now_ns",
        "trace",
    )

    def __init__(
        self, choices: Choices | None = None, trace: Trace | None = None
    ) -> None:
        self.now_ns = 0
        self.events = 0
        self.choices = choices or Calm()
        self.trace = trace or Trace()
        self._queue: list[Event] = []
        self._numbered = 0
        # How many events of the queue are cancelled, or somewhat more.
        self._cancelled = 0

    def at(self, time_ns: int, action: Callable[..., None], *args: Any) -> Event:
        """Plans an event at a time; one that has passed counts as now."""
        self._numbered += 1
        when = max(time_ns, self.now_ns)
        event: Event = [when, self._numbered, self.trace.count - 1, action, args]
        heappush(self._queue, event)
        return event

    def after(self, delay_ns: int, action: Callable[..., None], *args: Any) -> Event:
        """Plans an event behind a delay."""
        return self.at(self.now_ns + delay_ns, action, *args)

    def cancel(self, event: Event) -> None:
        """Takes an event back; one that has happened stays as it is."""
        if event[_ACTION] is None:
            return
        event[_ACTION] = None
        # It stays in the queue until it comes up. Timers are cancelled long before
        # that, over and over, and would fill the queue.
        self._cancelled += 1
        if self._cancelled > _CANCELLED_MIN and self._cancelled * 2 > len(self._queue):
            self._queue[:] = [e for e in self._queue if e[_ACTION] is not None]
            heapify(self._queue)
            self._cancelled = 0

    def note(self, place: str, text: str) -> None:
        """Adds a line to the trace."""
        self.trace.note(self.now_ns, place, text)

    @property
    def next_ns(self) -> int | None:
        """When the next event happens; None if there is none."""
        queue = self._queue
        while queue and queue[0][_ACTION] is None:
            heappop(queue)
            self._cancelled -= 1
        return queue[0][0] if queue else None

    def step(self) -> bool:
        """Lets the next event happen, and returns whether there was one."""
        return self._step(_NEVER_NS)

    def run_to(self, time_ns: int) -> None:
        """Lets everything happen that is planned until a time, that one included."""
        while self._step(time_ns):
            pass
        self.now_ns = max(self.now_ns, time_ns)

    def run_until(self, condition: Callable[[], bool], time_ns: int) -> bool:
        """Lets events happen until a condition holds.

        Returns:
            Whether it held at that time at the latest.
        """
        while not condition():
            if not self._step(time_ns):
                self.now_ns = max(self.now_ns, time_ns)
                return False
        return True

    def _step(self, limit_ns: int) -> bool:
        """Lets the next event happen, unless it comes later than that."""
        queue = self._queue
        while queue and queue[0][0] <= limit_ns:
            when_ns, _, cause, action, args = heappop(queue)
            if action is None:
                self._cancelled -= 1
                continue
            self.now_ns = when_ns
            self.trace.cause = cause
            self.events += 1
            action(*args)
            self.trace.cause = -1
            return True
        return False


def seconds(value: float) -> int:
    """Returns a number of seconds as nanoseconds."""
    return round(value * SECOND)
