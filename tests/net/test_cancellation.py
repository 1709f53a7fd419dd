"""Cancelling what waits at a switchboard: enumerated over every turn of the loop."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest

from comm import Switchboard
from tests.cluster import FAST, PATIENCE_S, fill, settle
from tests.net.conftest import Boards


NARROW = replace(FAST, window_bytes=64, chunk_bytes=64)
_LATE_MIN = 3
"""How often in a row a cancellation must come too late to end an enumeration."""


async def every_turn(make: Callable[[], Awaitable[Any]]) -> int:
    """Cancels an operation after 0, 1, 2, … turns, until it is done before that.

    Returns:
        After how many turns it was cancelled, at most.
    """
    late, turns = 0, 0
    while late < _LATE_MIN:
        task = asyncio.ensure_future(make())
        await settle(turns)
        was_done = task.done()
        task.cancel()
        results = await asyncio.gather(task, return_exceptions=True)
        cancelled = isinstance(results[0], asyncio.CancelledError)
        assert cancelled or not isinstance(results[0], BaseException)
        late = late + 1 if was_done else 0
        turns += 1
    return turns


async def test_rendezvous_can_be_cancelled_at_any_turn(boards: Boards) -> None:
    """A cancelled `rendezvous` raises, and leaves the nodes as they are: the next one
    meets them all."""
    async with boards(nodes=3) as (near, *_):
        await every_turn(lambda: near.rendezvous(PATIENCE_S))
        assert len(await near.rendezvous(PATIENCE_S)) == 3


async def test_drain_can_be_cancelled_at_any_turn(boards: Boards) -> None:
    """A cancelled `drain` raises and takes nothing back."""
    async with boards() as (near, far):
        sender, receiver = near.mpsc(int)
        producer = await far.connect(sender)
        sent = 0

        async def send_and_drain() -> None:
            nonlocal sent
            producer.send_nowait(sent)
            sent += 1
            await far.drain(PATIENCE_S)

        await every_turn(send_and_drain)
        async with asyncio.timeout(PATIENCE_S):
            assert [await receiver.receive() for _ in range(sent)] == list(range(sent))
        producer.close()
        receiver.close()


@pytest.mark.parametrize("is_local", [True, False], ids=["local", "remote"])
async def test_a_time_out_around_send_decides(
    boards: Boards, *, is_local: bool
) -> None:
    """`asyncio.timeout` around `send`: what arrives is exactly what was not reported
    by `TimeoutError`, at whatever moment credit comes."""
    async with boards(config=NARROW) as (near, far):
        sender, receiver = near.mpsc(int)
        producer = await (near if is_local else far).connect(sender)
        sent = list(range(fill(producer, range(1000))))
        received: list[int] = []

        async def receive() -> None:
            async for item in receiver:
                received.append(item)
                await asyncio.sleep(0.0005)

        receiving = asyncio.create_task(receive())
        for number in range(1000, 1100):
            try:
                async with asyncio.timeout(0.0004):
                    await producer.send(number)
                sent.append(number)
            except TimeoutError:
                pass
        await producer.aclose()
        receiver.seal()
        async with asyncio.timeout(PATIENCE_S):
            await receiving
        assert received == sent
        receiver.close()


async def test_a_task_group_ends_its_tasks(boards: Boards) -> None:
    """When one task of a `TaskGroup` fails, those that wait in any verb are cancelled,
    and the group ends; the handles work on."""
    async with boards(config=NARROW) as (near, far):
        sender, receiver = near.mpsc(int)
        other, unused = near.mpsc(int)
        producer = await far.connect(sender)
        full = fill(producer, range(1000))

        async def fail() -> None:
            await settle(5)
            raise KeyError

        async def run(boards: list[Switchboard]) -> None:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(producer.send(full))
                tasks.create_task(unused.receive())
                tasks.create_task(anext(boards[0].streams()))
                tasks.create_task(anext(boards[0].events()))
                tasks.create_task(fail())

        async with asyncio.timeout(PATIENCE_S):
            with pytest.raises(ExceptionGroup):
                await run([near, far])
            assert [await receiver.receive() for _ in range(full)] == list(range(full))
            await producer.send(-1)
            assert await receiver.receive() == -1
            async with far.connect(other) as another:
                await another.send(1)
            assert await unused.receive() == 1
        for handle in (producer, receiver, unused):
            handle.close()
