"""G4 and G5: cancelling `receive` consumes nothing, cancelling `send` decides.

Each test cancels an operation after 0, 1, 2, … turns of the event loop, until that is
later than its completion several times in a row: each of its suspension points comes
about, with the turn in which it completes. A second kind of test cancels in exactly the
turn between the moment at which the operation could go on and that at which it does.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from dataclasses import replace
import itertools
from typing import Any

import pytest

from comm.broadcast import Token
from tests.cluster import (
    FAST,
    PATIENCE_S,
    ClusterFactory,
    eventually,
    fill,
    settle,
    take,
)


NARROW = replace(FAST, window_bytes=256, chunk_bytes=128)
_LATE_MIN = 5
"""How often in a row a cancellation must come too late to end an enumeration."""


async def _cancelled_after(turns: int, operation: Awaitable[Any]) -> tuple[bool, Any]:
    """Cancels an operation after so many turns; tells whether it finished first."""
    task = asyncio.ensure_future(operation)
    for _ in range(turns):
        if task.done():
            break
        await asyncio.sleep(0)
    task.cancel()
    with suppress(asyncio.CancelledError):
        return True, await task
    return False, None


async def _receive_one(receiver: Any) -> list[Any]:
    return [await receiver.receive()]


async def _receive_from(receiver: Any) -> list[Any]:
    return [(await receiver.receive_from()).item]


async def _receive_many(receiver: Any) -> list[Any]:
    return list(await receiver.receive_many())


async def _receive_next(receiver: Any) -> list[Any]:
    return [await anext(aiter(receiver))]


async def _receive_in_time(receiver: Any) -> list[Any]:
    async with asyncio.timeout(PATIENCE_S):
        return [await receiver.receive()]


_WAYS_TO_RECEIVE = [
    _receive_one,
    _receive_from,
    _receive_many,
    _receive_next,
    _receive_in_time,
]


@pytest.mark.parametrize("sending_node", [0, 1], ids=["local", "remote"])
@pytest.mark.parametrize("receive", _WAYS_TO_RECEIVE)
async def test_receive_cancelled_at_every_turn(
    cluster: ClusterFactory,
    receive: Callable[[Any], Awaitable[list[Any]]],
    sending_node: int,
) -> None:
    """G4: whenever a way to receive is cancelled, either it had finished and its
    items count, or the next call gets exactly the items that it would have got."""
    async with cluster() as boards:
        sender, receiver = boards[0].mpsc(int)
        async with boards[sending_node].connect(sender) as producer:
            received: list[int] = []
            late = sent = 0
            for turns in itertools.count():
                producer.send_nowait(sent)
                sent += 1
                finished, items = await _cancelled_after(turns, receive(receiver))
                late = late + 1 if finished else 0
                received += items if finished else await receive(receiver)
                if late == _LATE_MIN:
                    break
            assert received == list(range(sent))
            assert receiver.statistics().buffered_items == 0


@pytest.mark.parametrize("sending_node", [0, 1], ids=["local", "remote"])
@pytest.mark.parametrize("receive", _WAYS_TO_RECEIVE)
async def test_receive_cancelled_in_the_turn_of_its_completion(
    cluster: ClusterFactory,
    receive: Callable[[Any], Awaitable[list[Any]]],
    sending_node: int,
) -> None:
    """G4: a way to receive that is cancelled when its item is there already, but
    before it has run on, leaves the item to the next call."""
    async with cluster() as boards:
        sender, receiver = boards[0].mpsc(int)
        async with boards[sending_node].connect(sender) as producer:
            for number in range(20):
                task = asyncio.ensure_future(receive(receiver))
                await settle(2)
                await producer.send(number)
                while not receiver.statistics().buffered_items:
                    await asyncio.sleep(0)
                assert not task.done()
                task.cancel()
                with suppress(asyncio.CancelledError):
                    assert await task == [number]
                    continue
                assert await receive(receiver) == [number]


async def test_two_who_receive_and_one_is_cancelled(cluster: ClusterFactory) -> None:
    """G4: if one of two tasks that wait at the same receiver is cancelled in the turn
    in which it was woken, the other gets the item."""
    async with cluster() as boards:
        sender, receiver = boards[0].mpsc(int)
        async with boards[1].connect(sender) as producer:
            for number in range(20):
                first = asyncio.create_task(receiver.receive())
                second = asyncio.create_task(receiver.receive())
                await settle(2)
                await producer.send(number)
                while not receiver.statistics().buffered_items:
                    await asyncio.sleep(0)
                first.cancel()
                async with asyncio.timeout(PATIENCE_S):
                    assert await second == number
                with suppress(asyncio.CancelledError):
                    await first


async def test_broadcast_receive_cancelled_at_every_turn(
    cluster: ClusterFactory,
) -> None:
    """G4: the same for a broadcast receiver and the members of a fan-out."""
    async with cluster() as boards:
        token = Token("news", int)
        plain = boards[1].broadcast_rx(Token("plain", int))
        fanout = boards[1].broadcast_rx(token).fanout()
        members = [fanout.attach(), fanout.attach()]
        received: dict[int, list[int]] = {0: [], 1: [], 2: []}
        async with (
            boards[0].broadcast_tx(token) as news,
            boards[0].broadcast_tx(Token("plain", int)) as plain_news,
        ):
            for turns in range(40):
                await news.send(turns)
                await plain_news.send(turns)
                for index, receiver in enumerate([plain, *members]):
                    finished, item = await _cancelled_after(turns, receiver.receive())
                    received[index].append(
                        item if finished else await receiver.receive()
                    )
        assert all(items == list(range(40)) for items in received.values())


@pytest.mark.parametrize("receiving_node", [0, 1], ids=["local", "remote"])
async def test_send_cancelled_at_every_turn(
    cluster: ClusterFactory, receiving_node: int
) -> None:
    """G5: whenever a `send` that waits for credit is cancelled, its item arrives if
    it returned, and never does if it raised `CancelledError`."""
    async with cluster(config=NARROW) as boards:
        sender, receiver = boards[receiving_node].mpsc(int)
        numbers = itertools.count()
        expected: list[int] = []
        received: list[int] = []
        producer = await boards[1].connect(sender)
        late = 0
        for turns in itertools.count():
            expected += await _fill_up(producer, receiver, numbers)
            received += await _drain_buffer(receiver)
            number = next(numbers)
            finished, _ = await _cancelled_after(turns, producer.send(number))
            late = late + 1 if finished else 0
            expected += [number] if finished else []
            if late == _LATE_MIN:
                break
        await producer.aclose()
        receiver.seal()
        received += [item async for item in receiver]
        assert received == expected


@pytest.mark.parametrize("receiving_node", [0, 1], ids=["local", "remote"])
async def test_send_cancelled_in_the_turn_of_its_completion(
    cluster: ClusterFactory, receiving_node: int
) -> None:
    """G5: a `send` that is cancelled when credit has come, but before it has run on,
    was either accepted and returns, or raises and is never delivered."""
    async with cluster(config=NARROW) as boards:
        sender, receiver = boards[receiving_node].mpsc(int)
        producer = await boards[1].connect(sender)
        expected: list[int] = []
        received: list[int] = []
        numbers = itertools.count()
        for _ in range(20):
            expected += await _fill_up(producer, receiver, numbers)
            number = next(numbers)
            task = asyncio.create_task(producer.send(number))
            await settle(2)
            assert not task.done()
            received += await _drain_buffer(receiver)
            async with asyncio.timeout(PATIENCE_S):
                while producer.statistics().credit_bytes <= 0 and not task.done():
                    await asyncio.sleep(0)
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
                expected.append(number)
        await producer.aclose()
        receiver.seal()
        received += [item async for item in receiver]
        assert received == expected


async def test_send_many_cancelled_at_every_turn(cluster: ClusterFactory) -> None:
    """G5: a `send_many` that is cancelled has sent a beginning of its items, as many
    as the statistics say; none of the others is ever delivered."""
    async with cluster(config=NARROW) as boards:
        for turns in range(40):
            sender, receiver = boards[0].mpsc(int, max_producers=1)
            producer = await boards[1].connect(sender)
            gather = asyncio.create_task(_take_all(receiver))
            await _cancelled_after(turns, producer.send_many(range(500)))
            accepted = producer.statistics().accepted
            await producer.aclose()
            async with asyncio.timeout(PATIENCE_S):
                assert await gather == list(range(accepted))
            receiver.close()


async def test_connect_cancelled_at_every_turn(cluster: ClusterFactory) -> None:
    """G5: a `connect` that is cancelled leaves no producer behind: the channel can be
    sealed and ends."""
    async with cluster() as boards:
        late = 0
        for turns in itertools.count():
            sender, receiver = boards[0].mpsc(int)
            finished, producer = await _cancelled_after(
                turns, _connected(boards[1], sender)
            )
            late = late + 1 if finished else 0
            if finished:
                await producer.send(turns)
                producer.close()
                assert await take(receiver, 1) == [turns]
            await eventually(lambda: not boards[1].statistics().producers)
            await _until_nobody_is_attached(receiver)
            receiver.close()
            if late == _LATE_MIN:
                break


async def test_flush_and_aclose_cancelled_at_every_turn(
    cluster: ClusterFactory,
) -> None:
    """G5: cancelling `flush` or `aclose` takes nothing back: what was accepted is
    delivered, and the channel ends."""
    async with cluster() as boards:
        for turns in range(20):
            sender, receiver = boards[0].mpsc(int, max_producers=1)
            producer = await boards[1].connect(sender)
            await producer.send(turns)
            await _cancelled_after(turns, producer.flush())
            await producer.send(-1)
            # A coroutine that is cancelled before its first step has done nothing.
            await _cancelled_after(max(1, turns), producer.aclose())
            async with asyncio.timeout(PATIENCE_S):
                assert await _take_all(receiver) == [turns, -1]
            receiver.close()


async def test_broadcast_send_cancelled_at_every_turn(cluster: ClusterFactory) -> None:
    """G5: whenever a broadcast `send` that waits for credit is cancelled, either every
    node gets the item, or none does."""
    async with cluster(nodes=3, config=NARROW) as boards:
        token = Token("numbers", int)
        receivers = [boards[node_id].broadcast_rx(token) for node_id in (1, 2)]
        numbers = itertools.count()
        expected: list[int] = []
        received: list[list[int]] = [[], []]
        async with boards[0].broadcast_tx(token) as producer:
            for turns in range(40):
                expected += await _fill_up(producer, receivers[0], numbers)
                for items, receiver in zip(received, receivers, strict=True):
                    items.extend(await _drain_buffer(receiver))
                number = next(numbers)
                finished, _ = await _cancelled_after(turns, producer.send(number))
                expected += [number] if finished else []
        for items, receiver in zip(received, receivers, strict=True):
            items.extend(await take(receiver, len(expected) - len(items)))
            assert items == expected


async def _connected(switchboard: Any, sender: Any) -> Any:
    return await switchboard.connect(sender)


async def _fill_up(producer: Any, receiver: Any, numbers: Iterator[int]) -> list[int]:
    """Sends numbers until the window is full, all of it on the receiver's side;
    returns those that were accepted."""
    accepted: list[int] = []
    while (
        producer.statistics().queued_items or not receiver.statistics().buffered_items
    ):
        if fill(producer, [number := next(numbers)]):
            accepted.append(number)
        else:
            await asyncio.sleep(0)
    return accepted


async def _until_nobody_is_attached(receiver: Any) -> None:
    await eventually(lambda: not receiver.statistics().producers)


async def _drain_buffer(receiver: Any) -> list[Any]:
    """Takes one item at least, and all others that are there."""
    items = [await receiver.receive()]
    while receiver.statistics().buffered_items:
        items.append(receiver.receive_nowait())
    return items


async def _take_all(receiver: Any) -> list[Any]:
    return [item async for item in receiver]
