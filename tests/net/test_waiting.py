"""How tasks wait: woken in order, handed nothing, and none forgotten."""

from __future__ import annotations

import asyncio
from collections import deque

import pytest

from comm.errors import WouldBlock
from comm.net.waiting import Gate, Line
from tests.cluster import settle


class Shop:
    """Goods that tasks wait for in a line."""

    def __init__(self) -> None:
        self.goods: deque[int] = deque()
        self.line = Line()
        self.attempts = 0

    def deliver(self, *goods: int) -> None:
        self.goods.extend(goods)
        self.line.wake()

    def buy(self) -> int:
        self.attempts += 1
        if not self.goods:
            raise WouldBlock("sold out")
        return self.goods.popleft()

    def queue_up(self) -> asyncio.Task[int]:
        return asyncio.create_task(self.line.until(self.buy))


async def test_the_line_is_served_in_order() -> None:
    """Tasks get their turn in the order in which they came, from one wake-up."""
    shop = Shop()
    tasks = [shop.queue_up() for _ in range(5)]
    await settle()
    assert shop.line.length == 5
    shop.deliver(*range(5))
    assert await asyncio.gather(*tasks) == [0, 1, 2, 3, 4]
    assert shop.line.length == 0


async def test_nobody_attempts_before_being_woken() -> None:
    """Waiting costs no attempts: only the head of the line makes one a wake-up."""
    shop = Shop()
    tasks = [shop.queue_up() for _ in range(3)]
    await settle(10)
    assert shop.attempts == 0
    shop.line.wake()
    shop.line.wake()
    await settle(10)
    assert shop.attempts == 1
    shop.deliver(1, 2, 3)
    await asyncio.gather(*tasks)


async def test_the_line_counts_whoever_was_woken_until_it_ran() -> None:
    """A task that was woken, but has not run, still stands in the line, so that
    nobody overtakes it in the same turn of the loop."""
    shop = Shop()
    task = shop.queue_up()
    await settle()
    shop.deliver(1)
    assert shop.line.length == 1
    assert await task == 1
    assert shop.line.length == 0


@pytest.mark.parametrize("victim", range(3))
@pytest.mark.parametrize("turns", range(4))
async def test_a_cancelled_task_passes_its_turn_on(victim: int, turns: int) -> None:
    """Whichever task of a line is cancelled, at whatever turn around the wake-up,
    nothing it was woken for is lost: the others get all that it did not."""
    shop = Shop()
    tasks = [shop.queue_up() for _ in range(3)]
    await settle()
    shop.deliver(0, 1, 2)
    await settle(turns)
    tasks[victim].cancel()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    bought = [result for result in results if isinstance(result, int)]
    assert bought == list(range(len(bought)))
    assert [*bought, *shop.goods] == [0, 1, 2]
    assert shop.line.length == 0
    late = shop.queue_up()
    await settle()
    shop.deliver(3)
    assert await late == len(bought)


async def test_all_cancelled_at_once_leave_an_empty_line() -> None:
    """Cancelling every task of a line in one turn leaves nobody and loses nothing."""
    shop = Shop()
    tasks = [shop.queue_up() for _ in range(100)]
    await settle()
    shop.deliver(7)
    for task in tasks:
        task.cancel()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert all(isinstance(result, asyncio.CancelledError) for result in results)
    assert shop.line.length == 0
    assert list(shop.goods) == [7]


async def test_an_error_ends_each_turn() -> None:
    """What an attempt raises is raised in its own task, and the next one has its
    turn: a broken handle wakes its whole line."""
    line = Line()

    def fail() -> None:
        raise ValueError("broken")

    tasks = [asyncio.create_task(line.until(fail)) for _ in range(3)]
    await settle()
    line.wake()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(result) for result in results] == [ValueError] * 3


async def test_waking_an_empty_line_does_nothing() -> None:
    """A wake-up that nobody waits for is not kept."""
    shop = Shop()
    shop.line.wake()
    task = shop.queue_up()
    await settle(5)
    assert shop.attempts == 0
    shop.deliver(1)
    assert await task == 1


async def test_a_gate_wakes_all() -> None:
    """Everyone who waits at a gate looks again at each wake-up, also one who was
    woken before and found nothing."""
    gate, state = Gate(), [0]
    tasks = [
        asyncio.create_task(gate.until(lambda number=number: state[0] >= number))  # type: ignore[misc]
        for number in range(4)
    ]
    for number in range(4):
        state[0] = number
        gate.wake_all()
        gate.wake_all()
        await settle(3)
        assert [task.done() for task in tasks] == [n <= number for n in range(4)]


async def test_a_gate_forgets_who_was_cancelled() -> None:
    """Waking a gate whose waiters were cancelled does nothing."""
    gate = Gate()
    task = asyncio.create_task(gate.wait())
    await settle()
    task.cancel()
    gate.wake_all()
    await settle()
    gate.wake_all()
    assert task.cancelled()
