"""The event loop in virtual time: asyncio's own order, and nothing from outside."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
import os
import socket
import threading
import time

import pytest

from comm.sim.choices import Seeded
from comm.sim.loop import DeadlockError, VirtualLoop
from comm.sim.world import MS, SECOND, US, World
from tests.leaks import run_async


TURN_S = 10e-6


@pytest.fixture
def world() -> World:
    """Returns the world of the test's loop."""
    return World()


@pytest.fixture
def new_event_loop(world: World) -> Callable[[], asyncio.AbstractEventLoop]:
    """Returns what makes the loop in which a test runs."""
    return lambda: VirtualLoop(world)


async def test_time_is_that_of_the_world(world: World) -> None:
    """Time begins near zero, and an hour of it passes in a moment, to the turn."""
    loop = asyncio.get_running_loop()
    assert 0 <= loop.time() < 1e-3
    began = time.monotonic()
    before_s = loop.time()
    await asyncio.sleep(3600)
    assert 3600 <= loop.time() - before_s < 3600 + 3 * TURN_S
    assert loop.time() == world.now_ns / SECOND
    assert time.monotonic() - began < 30


async def test_callbacks_run_in_the_order_of_asyncio() -> None:
    """Callbacks run first in, first out; those that they add have the next turn, and
    timers that are due come behind what is in line."""
    loop = asyncio.get_running_loop()
    order: list[str] = []
    loop.call_soon(order.append, "first")
    loop.call_soon(lambda: loop.call_soon(order.append, "next turn"))
    loop.call_at(loop.time(), order.append, "timer")
    loop.call_soon(order.append, "second")
    await asyncio.sleep(0)
    assert order == ["first", "second"]
    await asyncio.sleep(0)
    assert order == ["first", "second", "timer", "next turn"]


async def test_timers_come_in_the_order_of_their_times() -> None:
    """However they were set, timers fire by their times, none too early; one that was
    cancelled does not."""
    loop = asyncio.get_running_loop()
    fired: list[tuple[float, float]] = []

    def fire(due_s: float) -> None:
        fired.append((due_s, loop.time()))

    for delay_s in (0.3, 0.1, 1.0, 0.2, 0.1 + 0.2, 1e-7):
        due_s = loop.time() + delay_s
        loop.call_at(due_s, fire, due_s)
    loop.call_later(0.15, fire, 0.0).cancel()
    await asyncio.sleep(2)
    assert fired == sorted(fired)
    assert len(fired) == 6
    for due_s, at_s in fired:
        assert due_s - 1e-9 <= at_s <= due_s + 3 * TURN_S


async def test_who_looks_again_and_again_lets_time_pass(world: World) -> None:
    """A task that never waits does not stop the world: each turn takes some time."""
    came: list[int] = []
    world.after(MS, lambda: came.append(world.now_ns))
    turns = 0
    while not came:
        turns += 1
        await asyncio.sleep(0)
    assert 0.9 * MS / (10 * US) <= turns <= 1.1 * MS / (10 * US)


async def test_an_event_wakes_the_loop_at_once(world: World) -> None:
    """What an event of the world puts in line runs in the next turn, also if it comes
    while the turn before takes its time, and long before anything else happens."""
    loop = asyncio.get_running_loop()

    def wake(woken: asyncio.Future[int]) -> None:
        loop.call_soon(woken.set_result, world.now_ns)

    for delay_ns in (0, 1, 5 * US, 10 * US, 20 * US, SECOND):
        woken: asyncio.Future[int] = loop.create_future()
        world.after(delay_ns, wake, woken)
        world.after(100 * SECOND, lambda: None)
        due_ns = world.now_ns + delay_ns
        assert await woken == due_ns
        assert world.now_ns <= due_ns + 30 * US


def test_where_nothing_can_happen_the_tasks_are_named() -> None:
    """A loop in which all wait for ever says so, and names who waits."""

    async def wait_for_ever() -> None:
        await asyncio.get_running_loop().create_future()

    async def main() -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(wait_for_ever(), name="the patient one")
            tasks.create_task(wait_for_ever(), name="the other")

    with pytest.raises(DeadlockError, match="nothing can happen") as caught:
        run_async(main(), VirtualLoop(World()))
    assert "3 tasks wait" in str(caught.value)
    assert "the patient one" in str(caught.value)


async def test_other_threads_are_kept_out() -> None:
    """`call_soon_threadsafe` raises in another thread, and works in the loop's own;
    nothing can be given to threads."""
    loop = asyncio.get_running_loop()
    called: list[str] = []
    loop.call_soon_threadsafe(called.append, "here")
    caught: list[Exception] = []

    def call() -> None:
        try:
            loop.call_soon_threadsafe(called.append, "there")
        except RuntimeError as error:
            caught.append(error)

    thread = threading.Thread(target=call)
    thread.start()
    thread.join()
    await asyncio.sleep(1)
    assert called == ["here"]
    assert "another thread" in str(caught[0])
    with pytest.raises(RuntimeError, match="none; call it directly"):
        await asyncio.to_thread(time.monotonic)
    with (
        ThreadPoolExecutor() as executor,
        pytest.raises(RuntimeError, match="none; call it directly"),
    ):
        await loop.run_in_executor(executor, time.monotonic)


async def test_real_sockets_are_kept_out() -> None:
    """Real servers and connections raise, and no name is known to the system."""
    with pytest.raises(RuntimeError, match="no real sockets"):
        await asyncio.start_server(lambda _, __: None, "127.0.0.1", 7000)
    with pytest.raises(RuntimeError, match="no real sockets"):
        await asyncio.open_connection("127.0.0.1", 7000)
    with pytest.raises(socket.gaierror):
        await asyncio.open_connection("localhost", 7000)


def test_random_bytes_come_from_the_seed() -> None:
    """While a loop runs, the seed determines what `os.urandom` gives, and afterwards
    the system does again."""
    system = os.urandom

    async def draw() -> bytes:
        return os.urandom(20) + os.urandom(3)

    def run(seed: int) -> bytes:
        loop = VirtualLoop(World(Seeded(0)), seed=seed)
        try:
            first = loop.run_until_complete(draw())
            assert os.urandom is system
            return first + loop.run_until_complete(draw())
        finally:
            loop.close()

    assert run(1) == run(1)
    assert run(1) != run(2)
    assert run(1)[:23] != run(1)[23:]
