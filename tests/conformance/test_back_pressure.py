"""G6 and G7: back-pressure is isolated, and memory bounded."""

from __future__ import annotations

import asyncio
from dataclasses import replace
import itertools
from typing import Any

import pytest

import comm
from comm import Switchboard
from comm.broadcast import Token
from tests.cluster import FAST, PATIENCE_S, ClusterFactory, eventually, fill, pour, take


ITEM_BYTES = 100
TIGHT = replace(FAST, window_bytes=1000, chunk_bytes=500)
"""Windows of ten items of `ITEM_BYTES`."""
ITEM_BYTES_MAX = ITEM_BYTES + 5
"""The same with what encoding adds."""


def held_bytes(switchboard: Switchboard) -> int:
    """Returns all bytes of items that a switchboard says it holds."""
    figures = switchboard.statistics()
    return (
        sum(producer.queued_bytes for producer in figures.producers)
        + sum(receiver.buffered_bytes for receiver in figures.receivers)
        + sum(peer.session.unacknowledged_bytes for peer in figures.peers)
        + sum(peer.link.buffered_bytes for peer in figures.peers if peer.link)
    )


async def test_a_stalled_receiver_stops_its_own_producers_alone(
    cluster: ClusterFactory,
) -> None:
    """G6: while one receiver takes nothing and its producer waits, another channel of
    the same link carries a hundred windows' worth."""
    async with cluster(config=TIGHT) as boards:
        stalled_sender, stalled_receiver = boards[0].mpsc(bytes)
        sender, receiver = boards[0].mpsc(int, max_producers=1)
        stalled = await boards[1].connect(stalled_sender)
        accepted = fill(stalled, itertools.repeat(bytes(ITEM_BYTES)))
        waiting = asyncio.create_task(stalled.send(b"last"))
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(pour(boards[1], sender, range(20_000)))
            assert await take(receiver, 20_000) == list(range(20_000))
        assert not waiting.done()
        assert len(await take(stalled_receiver, accepted)) == accepted
        async with asyncio.timeout(PATIENCE_S):
            await waiting
        assert await take(stalled_receiver, 1) == [b"last"]
        await stalled.aclose()


async def test_stalled_channels_in_both_directions_block_nothing(
    cluster: ClusterFactory,
) -> None:
    """G6: with stalled receivers on both nodes, both other channels go on, and so do
    connecting and finishing."""
    async with cluster(config=TIGHT) as boards:
        stalled = []
        for here, there in ((0, 1), (1, 0)):
            for _ in range(10):
                blocked, receiver = boards[here].mpsc(bytes)
                producer = await boards[there].connect(blocked)
                fill(producer, itertools.repeat(bytes(ITEM_BYTES)))
                stalled.append((producer, receiver))
        for here, there in ((0, 1), (1, 0)):
            sender, numbers = boards[here].mpsc(int, max_producers=1)
            async with asyncio.TaskGroup() as tasks, numbers:
                tasks.create_task(pour(boards[there], sender, range(1000)))
                assert await take(numbers, 1000) == list(range(1000))
                with pytest.raises(comm.EndOfChannel):
                    await numbers.receive()
        for producer, _ in stalled:
            producer.abort()


async def test_small_items_pass_a_large_one(cluster: ClusterFactory) -> None:
    """G6: a large item is sent in chunks, and items of other channels that are sent
    after it arrive while it is still under way."""
    async with cluster() as boards:
        large_sender, large_receiver = boards[0].mpsc(bytes)
        small_sender, small_receiver = boards[0].mpsc(int)
        large = await boards[1].connect(large_sender)
        small = await boards[1].connect(small_sender)
        item = bytes(32 << 20)
        large.send_nowait(item)
        small.send_nowait(1)
        async with asyncio.timeout(PATIENCE_S):
            assert await small_receiver.receive() == 1
            assert large_receiver.statistics().received == 0
            assert await large_receiver.receive() == item
        await large.aclose()
        await small.aclose()


async def test_a_producer_holds_a_window_and_one_item(cluster: ClusterFactory) -> None:
    """G7: whether its receiver is local, remote or unreachable, a producer accepts no
    more than its window and one item."""
    async with cluster(nodes=3, config=TIGHT) as boards:
        for node_id in (0, 1, 2):
            sender, receiver = boards[0].mpsc(bytes)
            producer = await boards[node_id].connect(sender)
            if node_id == 2:
                boards.stall(0, 2)
            accepted = fill(producer, itertools.repeat(bytes(ITEM_BYTES)))
            accepted += fill(producer, itertools.repeat(bytes(ITEM_BYTES)))
            assert accepted * ITEM_BYTES <= TIGHT.window_bytes + ITEM_BYTES_MAX
            assert accepted * ITEM_BYTES_MAX >= TIGHT.window_bytes - ITEM_BYTES_MAX
            with pytest.raises(comm.WouldBlock):
                producer.send_nowait(b"")
            producer.abort()
            receiver.close()


async def test_a_thousand_stalled_producers_stay_within_the_bound(
    cluster: ClusterFactory,
) -> None:
    """G7: a thousand producers whose receiver takes nothing hold, on either side, no
    more than a window and one item each, and a constant for the link."""
    async with cluster(config=TIGHT) as boards:
        sender, receiver = boards[0].mpsc(bytes)
        producers = await asyncio.gather(
            *(_connected(boards[1], sender) for _ in range(1000))
        )
        for producer in producers:
            fill(producer, itertools.repeat(bytes(ITEM_BYTES)))
        accepted = sum(producer.statistics().accepted for producer in producers)
        await eventually(lambda: receiver.statistics().buffered_items == accepted)
        bound = 1000 * (TIGHT.window_bytes + ITEM_BYTES_MAX)
        assert receiver.statistics().buffered_bytes <= bound
        assert held_bytes(boards[0]) <= bound + (1 << 20)
        assert held_bytes(boards[1]) <= bound + (1 << 20)
        for producer in producers:
            producer.abort()


async def test_a_broadcast_without_receiver_is_bounded(cluster: ClusterFactory) -> None:
    """G7: what is broadcast before any receiver exists fills one window, at each of
    the nodes, and no more."""
    async with cluster(nodes=3, config=TIGHT) as boards:
        token = Token("unheard", bytes)
        async with boards[0].broadcast_tx(token) as producer:
            accepted = 0
            for _ in range(20):
                accepted += fill(producer, itertools.repeat(bytes(ITEM_BYTES)))
                await asyncio.sleep(0.001)
            assert accepted * ITEM_BYTES <= TIGHT.window_bytes + ITEM_BYTES_MAX
            for node_id in (1, 2):
                async with boards[node_id].broadcast_rx(token) as receiver:
                    assert len(await take(receiver, accepted)) == accepted


async def test_many_items_too_small_to_count_are_bounded_too(
    cluster: ClusterFactory,
) -> None:
    """G7: items that encode to a single byte still use up the window."""
    async with cluster(config=TIGHT) as boards:
        sender, receiver = boards[0].mpsc()
        producer = await boards[1].connect(sender)
        accepted = fill(producer, itertools.repeat(None, 100_000))
        assert 0 < accepted <= 2 * TIGHT.window_bytes
        assert await take(receiver, accepted) == [None] * accepted
        await producer.aclose()


async def test_items_larger_than_the_window_pass(cluster: ClusterFactory) -> None:
    """G7: an item larger than the whole window is sent by itself, and those behind
    it follow."""
    async with cluster(config=TIGHT) as boards, asyncio.TaskGroup() as tasks:
        sender, receiver = boards[0].mpsc(bytes, max_producers=1)
        items = [bytes([number]) * 50_000 for number in range(5)]
        tasks.create_task(pour(boards[1], sender, items))
        assert await take(receiver, 5) == items


async def test_credit_is_as_it_was_after_many_items_of_odd_sizes(
    cluster: ClusterFactory,
) -> None:
    """G7: credit does not leak: after many items of all sizes, over cuts too, a
    producer has its full window again."""
    async with cluster(config=TIGHT) as boards, asyncio.TaskGroup() as tasks:
        sender, receiver = boards[0].mpsc(bytes)
        producer = await boards[1].connect(sender)
        await producer.flush(PATIENCE_S)
        full = producer.statistics().credit_bytes
        items = [bytes(number * 7 % 1013) for number in range(500)]
        tasks.create_task(_send_each(producer, items))
        for number, item in enumerate(items):
            assert await take(receiver, 1) == [item]
            if number % 100 == 50:
                await boards.cut(0, 1)
        await producer.flush(PATIENCE_S)
        await eventually(lambda: producer.statistics().credit_bytes >= full // 2)
        assert producer.statistics().credit_bytes <= full
        await producer.aclose()


async def _connected(switchboard: Switchboard, sender: Any) -> Any:
    return await switchboard.connect(sender)


async def _send_each(producer: Any, items: list[bytes]) -> None:
    for item in items:
        await producer.send(item)
