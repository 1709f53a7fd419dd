"""G9: a channel ends exactly when it should, and says how."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

import comm
from comm.events import ProducerGone
from tests.cluster import (
    LOSSY,
    PATIENCE_S,
    Cluster,
    ClusterFactory,
    collect,
    eventually,
    pour,
    settle,
    take,
)


@pytest.mark.parametrize("name", ["mpsc", "mpsc_limited", "seal"])
async def test_a_limited_channel_ends(cluster: ClusterFactory, name: str) -> None:
    """G9: a channel of three producers ends when all three have finished, after all
    their items: `receive` raises again and again, and iteration stops."""
    async with cluster(nodes=3) as boards:
        if name == "mpsc":
            sender, receiver = boards[0].mpsc(int, max_producers=3)
        elif name == "mpsc_limited":
            sender, receiver = boards[0].mpsc_limited(3, int)
        else:
            sender, receiver = boards[0].mpsc(int)
        async with asyncio.TaskGroup() as tasks:
            for node_id in range(3):
                tasks.create_task(pour(boards[node_id], sender, range(10)))
            items = await take(receiver, 30)
        if name == "seal":
            receiver.seal()
        assert sorted(items) == sorted(list(range(10)) * 3)
        assert [item async for item in receiver] == []
        for _ in range(3):
            with pytest.raises(comm.EndOfChannel):
                await receiver.receive()
            with pytest.raises(comm.EndOfChannel):
                receiver.receive_nowait()


async def test_it_does_not_end_before(cluster: ClusterFactory) -> None:
    """G9: while one of the allowed producers has not attached, or has not finished, a
    `receive` waits; it ends in the moment that the last one finishes."""
    async with cluster() as boards:
        sender, receiver = boards[0].mpsc(int, max_producers=2)
        await pour(boards[1], sender, [1])
        assert await take(receiver, 1) == [1]
        waiting = asyncio.create_task(receiver.receive())
        last = await boards[1].connect(sender)
        await last.flush(PATIENCE_S)
        await settle(20)
        assert not waiting.done()
        with pytest.raises(comm.WouldBlock):
            receiver.receive_nowait()
        last.close()
        with pytest.raises(comm.EndOfChannel):
            await asyncio.wait_for(waiting, PATIENCE_S)


@pytest.mark.parametrize("node_id", [0, 1], ids=["local", "remote"])
async def test_one_producer_too_many(cluster: ClusterFactory, node_id: int) -> None:
    """G9: producer n+1 gets `TooManyProducers` from `connect`, whether the others
    still send or have long finished; it takes nothing from the others."""
    async with cluster() as boards:
        sender, receiver = boards[0].mpsc(int, max_producers=2)
        first = await boards[1].connect(sender)
        await pour(boards[0], sender, [0])
        with pytest.raises(comm.TooManyProducers):
            await boards[node_id].connect(sender)
        await first.send(1)
        await first.aclose()
        with pytest.raises((comm.TooManyProducers, comm.ReceiverClosed)):
            await boards[node_id].connect(sender)
        assert sorted([item async for item in receiver]) == [0, 1]


async def test_a_sealed_channel_takes_no_more_producers(
    cluster: ClusterFactory,
) -> None:
    """G9: after `seal` nobody else attaches; the channel ends when those that had
    attached have finished, at once if there are none."""
    async with cluster() as boards:
        sender, receiver = boards[0].mpsc(int)
        producer = await boards[1].connect(sender)
        receiver.seal()
        with pytest.raises(comm.TooManyProducers):
            await boards[1].connect(sender)
        await producer.send(1)
        await producer.aclose()
        assert [item async for item in receiver] == [1]
        _sender, unused = boards[0].mpsc(int)
        unused.seal()
        with pytest.raises(comm.EndOfChannel):
            unused.receive_nowait()


async def test_sealing_wakes_who_waits(cluster: ClusterFactory) -> None:
    """G9: a `receive` that waits when the channel is sealed, with nobody attached,
    raises `EndOfChannel`."""
    async with cluster(nodes=1) as boards:
        _sender, receiver = boards[0].mpsc(int)
        waiting = asyncio.create_task(receiver.receive())
        await settle(2)
        receiver.seal()
        with pytest.raises(comm.EndOfChannel):
            await asyncio.wait_for(waiting, PATIENCE_S)


async def test_a_clone_is_a_producer(cluster: ClusterFactory) -> None:
    """G9: a clone counts as a producer of its own, with its own order and its own
    end; one clone too many fails as one producer too many does."""
    async with cluster() as boards:
        sender, receiver = boards[0].mpsc(int, max_producers=2)
        first = await boards[1].connect(sender)
        second = first.clone()
        await first.send(1)
        await second.send(2)
        third = first.clone()
        with pytest.raises(comm.TooManyProducers):
            await third.send(3)
        await first.aclose()
        await second.aclose()
        third.close()
        assert sorted([item async for item in receiver]) == [1, 2]


async def _crash(boards: Cluster, sender: Any, receiver: Any) -> None:
    """Node 2 sends 2 and 3, and dies. Its node knew that 2 had arrived, and this is
    known here, because it was said in front of 3; whether 3 counts as delivered is not.
    """
    crashing = await boards[2].connect(sender)
    before = receiver.statistics().received
    await crashing.send(2)
    await crashing.flush(PATIENCE_S)
    await crashing.send(3)
    await eventually(lambda: receiver.statistics().received == before + 2)
    await boards.kill(2)


async def test_a_crashed_producer_ends_a_limited_channel_with_an_error(
    cluster: ClusterFactory,
) -> None:
    """G9: if one of the allowed producers dies with its node, its items that were
    delivered are received, then `ProducerLost` is raised once, then the end."""
    async with cluster(nodes=3, config=LOSSY) as boards:
        sender, receiver = boards[0].mpsc(int, max_producers=2)
        await pour(boards[1], sender, [1])
        await _crash(boards, sender, receiver)
        received: list[int] = []
        with pytest.raises(comm.ProducerLost, match="node 2"):
            await collect(receiver, received)
        assert received in ([1, 2], [1, 2, 3])
        with pytest.raises(comm.EndOfChannel):
            await take(receiver, 1)


async def test_a_crashed_producer_of_an_open_channel_is_an_event(
    cluster: ClusterFactory,
) -> None:
    """G9: on a channel without a limit, a lost producer is counted and in `events()`,
    while the receiver goes on with the others, and nothing is raised."""
    async with cluster(nodes=3, config=LOSSY) as boards:
        sender, receiver = boards[0].mpsc(int)
        await _crash(boards, sender, receiver)
        event = await boards.event(0, ProducerGone)
        assert (event.node_id, event.channel) == (2, sender.channel)
        await pour(boards[1], sender, [4])
        received: list[int] = []
        while 4 not in received:
            received += await take(receiver, 1)
        assert received in ([2, 4], [2, 3, 4])
        assert receiver.statistics().lost == 1


@pytest.mark.parametrize("node_id", [0, 1], ids=["local", "remote"])
async def test_an_aborted_producer_is_named(
    cluster: ClusterFactory, node_id: int
) -> None:
    """G9: a producer that aborts ends a limited channel with `ProducerAborted`, which
    gives its reason, after its last delivered item."""
    async with cluster() as boards:
        sender, receiver = boards[0].mpsc(int, max_producers=1)
        producer = await boards[node_id].connect(sender)
        await producer.send(1)
        await producer.flush(PATIENCE_S)
        producer.abort("out of paper")
        assert await take(receiver, 1) == [1]
        with pytest.raises(comm.ProducerAborted, match="out of paper"):
            await take(receiver, 1)
        with pytest.raises(comm.EndOfChannel):
            await take(receiver, 1)


async def test_iteration_raises_what_is_no_end(cluster: ClusterFactory) -> None:
    """G9: `async for` stops at the orderly end alone; a lost or aborted producer
    comes out of the loop as an exception."""
    async with cluster() as boards:
        sender, receiver = boards[0].mpsc(int, max_producers=1)
        producer = await boards[1].connect(sender)
        await producer.send(1)
        await producer.flush(PATIENCE_S)
        producer.abort()
        received: list[int] = []
        with pytest.raises(comm.ProducerAborted):
            await _iterate(receiver, received)
        assert received == [1]


async def test_handles_after_their_close(cluster: ClusterFactory) -> None:
    """G9: a handle that was closed raises `ClosedError`, and closing it once more does
    nothing."""
    async with cluster() as boards:
        sender, receiver = boards[0].mpsc(int)
        producer = await boards[1].connect(sender)
        for _ in range(2):
            producer.close()
            await producer.aclose()
        with pytest.raises(comm.ClosedError):
            await producer.send(1)
        with pytest.raises(comm.ClosedError):
            producer.send_nowait(1)
        await eventually(lambda: receiver.statistics().finished == 1)
        for _ in range(2):
            receiver.close()
            await receiver.aclose()
        with pytest.raises(comm.ClosedError):
            await receiver.receive()
        with pytest.raises(comm.ClosedError):
            receiver.receive_nowait()


async def test_closing_a_receiver_wakes_who_waits(cluster: ClusterFactory) -> None:
    """G9: a `receive` that waits when its receiver is closed raises `ClosedError`."""
    async with cluster(nodes=1) as boards:
        _sender, receiver = boards[0].mpsc(int)
        waiting = asyncio.create_task(receiver.receive())
        await settle(2)
        receiver.close()
        with pytest.raises(comm.ClosedError):
            await asyncio.wait_for(waiting, PATIENCE_S)


async def _iterate(receiver: Any, items: list[Any]) -> None:
    async for item in receiver:
        items += [item]
