"""Which queue of events serves a simulation better: a heap, or a sorted list.

    python -m benchmarks.event_queue

Both get the same work. "plain": each event that happens plans another one. "timers" is
what protocols do most of all: each event also sets a timer anew, that is, it cancels
one that would have come much later, and plans the next. A heap cannot find what is
cancelled; that is marked, and dropped when it comes up, or, as `World` does it, by a
clearing, when more than half of the heap is cancelled.
"""

from __future__ import annotations

from collections.abc import Callable
from heapq import heapify, heappop, heappush
import random
from time import perf_counter
from typing import Any, Protocol

from sortedcontainers import SortedList


STEPS = 200_000
ROUNDS = 5
SIZES = (10, 100, 1_000, 10_000)
LATENCY_NS = 100_000
TIMEOUT_NS = 1_000_000_000

Event = list[Any]

_ACTION = 3


class Queue(Protocol):
    def add(self, event: Event) -> None: ...
    def cancel(self, event: Event) -> None: ...
    def pop(self) -> Event: ...


class LazyHeap:
    """Keeps what is cancelled until it comes up."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def add(self, event: Event) -> None:
        heappush(self.events, event)

    def cancel(self, event: Event) -> None:
        event[_ACTION] = None

    def pop(self) -> Event:
        while (event := heappop(self.events))[_ACTION] is None:
            pass
        return event


class ClearedHeap(LazyHeap):
    """Drops what is cancelled when it is more than half: what `World` does."""

    def __init__(self) -> None:
        super().__init__()
        self.cancelled = 0

    def cancel(self, event: Event) -> None:
        event[_ACTION] = None
        self.cancelled += 1
        if self.cancelled > 64 and self.cancelled * 2 > len(self.events):
            self.events = [e for e in self.events if e[_ACTION] is not None]
            heapify(self.events)
            self.cancelled = 0

    def pop(self) -> Event:
        while (event := heappop(self.events))[_ACTION] is None:
            self.cancelled -= 1
        return event


class Sorted:
    """Removes what is cancelled at once."""

    def __init__(self) -> None:
        self.events: SortedList[Event] = SortedList()

    def add(self, event: Event) -> None:
        self.events.add(event)

    def cancel(self, event: Event) -> None:
        self.events.remove(event)

    def pop(self) -> Event:
        return self.events.pop(0)


def plain(queue: Queue, size: int) -> None:
    """Lets `STEPS` events happen, of which `size` are planned at any time."""
    draw = random.Random(1).random
    for number in range(size):
        queue.add([int(draw() * LATENCY_NS), number, 0, print, ()])
    for number in range(size, size + STEPS):
        now_ns = queue.pop()[0]
        queue.add([now_ns + int(draw() * LATENCY_NS), number, 0, print, ()])


def timers(queue: Queue, size: int) -> None:
    """The same, and each event of one of `size` connections sets its timer anew."""
    draw = random.Random(1).random
    deadlines: list[Event] = [[TIMEOUT_NS, -1 - i, 0, print, ()] for i in range(size)]
    for number, deadline in enumerate(deadlines):
        queue.add(deadline)
        queue.add([int(draw() * LATENCY_NS), 2 * number, 0, print, (number,)])
    for number in range(2 * size, 2 * (size + STEPS), 2):
        now_ns, _, _, _, args = queue.pop()
        (i,) = args or (0,)
        queue.cancel(deadlines[i])
        deadlines[i] = [now_ns + TIMEOUT_NS, number, 0, print, ()]
        queue.add(deadlines[i])
        queue.add([now_ns + int(draw() * LATENCY_NS), number + 1, 0, print, (i,)])


def measure(
    pattern: Callable[[Queue, int], None], make: Callable[[], Queue], size: int
) -> float:
    """Returns the microseconds for each event that happens: the best of some rounds."""
    best_s = float("inf")
    for _ in range(ROUNDS):
        queue, begun_s = make(), perf_counter()
        pattern(queue, size)
        best_s = min(best_s, perf_counter() - begun_s)
    return best_s / STEPS * 1e6


def main() -> None:
    print("us for each event; in brackets, how many times that of the cleared heap")
    for pattern in (plain, timers):
        for size in SIZES:
            cleared = measure(pattern, ClearedHeap, size)
            columns = [f"{pattern.__name__:6} {size:6}", f"cleared heap {cleared:5.2f}"]
            for name, make in (("lazy heap", LazyHeap), ("sorted list", Sorted)):
                took = measure(pattern, make, size)
                columns.append(f"{name} {took:5.2f} ({took / cleared:.2f})")
            print("   ".join(columns), flush=True)


if __name__ == "__main__":
    main()
