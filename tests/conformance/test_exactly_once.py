"""G1: exactly once, in order, whatever links are cut."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from dataclasses import replace
from typing import Any

import pytest

import comm
from comm.events import LossReport, PeerDown, PeerUp
from tests.cluster import FAST, PATIENCE_S, Cluster, ClusterFactory, pour, settle, take


NARROW = replace(FAST, window_bytes=2048, chunk_bytes=1024)
"""Little fits into a window, so that a test takes many round trips."""


async def test_cuts_neither_lose_nor_repeat_nor_reorder(
    cluster: ClusterFactory,
) -> None:
    """G1: items that flow while the link is reset again and again arrive once each,
    in the order in which they were sent."""
    async with cluster(config=NARROW) as boards, asyncio.TaskGroup() as tasks:
        sender, receiver = boards[0].mpsc(int, max_producers=1)
        tasks.create_task(pour(boards[1], sender, range(4000)))
        received = []
        async for item in receiver:
            received.append(item)
            if item % 400 == 399:
                await boards.cut(0, 1)
        assert received == list(range(4000))
        assert not boards.events(0, LossReport)
        assert not boards.events(1, LossReport)


async def test_opposite_channels_survive_the_same_cuts(cluster: ClusterFactory) -> None:
    """G1: channels in both directions of one link, cut together, each arrive whole."""
    async with cluster(config=NARROW) as boards, asyncio.TaskGroup() as tasks:
        gatherers = []
        for here, there in ((0, 1), (1, 0)):
            sender, receiver = boards[here].mpsc(int, max_producers=1)
            tasks.create_task(pour(boards[there], sender, range(1500)))
            gatherers.append(tasks.create_task(_gather(receiver)))
        await _cut_until_done(boards, gatherers)
        for gatherer in gatherers:
            assert await gatherer == list(range(1500))


async def test_every_producer_keeps_its_order(cluster: ClusterFactory) -> None:
    """G1: of many producers on several nodes, each arrives whole and in order, and
    is told apart by `receive_from`."""
    async with cluster(nodes=3, config=NARROW) as boards:
        sender, receiver = boards[0].mpsc(int, max_producers=9)
        got: dict[tuple[int, int], list[tuple[int, int]]] = defaultdict(list)
        async with asyncio.TaskGroup() as tasks:
            for node_id in (0, 1, 2):
                for _ in range(3):
                    tasks.create_task(pour(boards[node_id], sender, range(300)))
            for count in range(9 * 300):
                delivery = await receiver.receive_from()
                key = (delivery.node_id, delivery.producer)
                got[key].append((delivery.sequence, delivery.item))
                if count % 300 == 150:
                    await boards.cut(0, 1 + count % 2)
        assert [node_id for node_id, _ in sorted(got)] == [0, 0, 0, 1, 1, 1, 2, 2, 2]
        for deliveries in got.values():
            assert deliveries == [(number, number) for number in range(300)]


async def test_large_items_survive_cuts_in_their_middle(
    cluster: ClusterFactory,
) -> None:
    """G1: an item of many chunks arrives once and unharmed, though the link is cut
    several times while its chunks are under way."""
    items = [bytes([number]) * (1 << 20) for number in range(4)]
    async with cluster(config=FAST) as boards, asyncio.TaskGroup() as tasks:
        sender, receiver = boards[0].mpsc(bytes, max_producers=1)
        tasks.create_task(pour(boards[1], sender, items))
        gatherer = tasks.create_task(_gather(receiver))
        await _cut_until_done(boards, [gatherer])
        assert await gatherer == items


async def test_a_cut_at_any_moment_of_a_short_life(cluster: ClusterFactory) -> None:
    """G1: a producer that connects, sends three items and finishes is unharmed by a
    cut, however many turns of the event loop after its beginning that comes."""
    async with cluster() as boards:
        for turns in range(40):
            sender, receiver = boards[0].mpsc(int, max_producers=1)
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(pour(boards[1], sender, range(3)))
                await settle(turns)
                await boards.cut(0, 1)
                assert await _gather(receiver) == [0, 1, 2]


async def test_a_cut_while_idle_is_not_noticed(cluster: ClusterFactory) -> None:
    """G1: what is sent long after the link was lost arrives; the link comes back by
    itself, and is said to have been resumed."""
    async with cluster() as boards:
        sender, receiver = boards[0].mpsc(int)
        async with boards[1].connect(sender) as producer:
            await producer.send(1)
            assert await take(receiver, 1) == [1]
            await boards.cut(0, 1)
            await boards.event(1, PeerDown, node_id=0)
            await boards.event(1, PeerUp, node_id=0, resumed=True)
            await producer.send(2)
            assert await take(receiver, 1) == [2]


async def test_an_outage_within_the_window_loses_nothing(
    cluster: ClusterFactory,
) -> None:
    """G1: a link that goes silent until both sides have given it up is replaced when
    the network is back, and nothing is missing or reported lost."""
    async with cluster(config=NARROW) as boards, asyncio.TaskGroup() as tasks:
        sender, receiver = boards[0].mpsc(int, max_producers=1)
        tasks.create_task(pour(boards[1], sender, range(2000)))
        assert await take(receiver, 500) == list(range(500))
        boards.stall(0, 1)
        await boards.event(0, PeerDown, node_id=1)
        await boards.event(1, PeerDown, node_id=0)
        boards.resume(0, 1)
        assert await _gather(receiver) == list(range(500, 2000))
        assert not boards.events(1, LossReport)


async def test_all_ways_to_send_share_one_order(cluster: ClusterFactory) -> None:
    """G1: `send`, `send_nowait` and `send_many` of one producer keep the order in
    which they were called, and all ways to receive see that order."""
    async with cluster() as boards:
        sender, receiver = boards[0].mpsc(int)
        async with boards[1].connect(sender) as producer:
            await producer.send(0)
            producer.send_nowait(1)
            await producer.send_many(range(2, 50))
            producer.send_nowait(50)
            await producer.send_many([])
            await producer.send(51)
            await producer.flush(PATIENCE_S)
        received = [await receiver.receive(), receiver.receive_nowait()]
        received.append((await receiver.receive_from()).item)
        while len(received) < 52:
            received += await receiver.receive_many(max_items=7)
        assert received == list(range(52))


async def test_a_channel_within_one_node_is_a_channel(cluster: ClusterFactory) -> None:
    """G1: producer and receiver on the same node see the same order, without any
    connection."""
    async with cluster(nodes=1) as boards, asyncio.TaskGroup() as tasks:
        sender, receiver = boards[0].mpsc(int, max_producers=1)
        tasks.create_task(pour(boards[0], sender, range(2000)))
        assert await _gather(receiver) == list(range(2000))
        assert boards.wire.count() == 0


async def test_items_are_copies(cluster: ClusterFactory) -> None:
    """G1: what arrives is what the item was when `send` was called, even if it is
    changed right after, on this node as between nodes."""
    async with cluster() as boards:
        for node_id in (0, 1):
            sender, receiver = boards[0].mpsc()
            async with receiver, boards[node_id].connect(sender) as producer:
                item = {"numbers": [1]}
                await producer.send(item)
                item["numbers"].append(2)
                assert await take(receiver, 1) == [{"numbers": [1]}]


async def test_an_item_that_cannot_be_sent_does_no_harm(
    cluster: ClusterFactory,
) -> None:
    """G1: an item that cannot be encoded, or is too large, raises from that one
    `send`; those before and after it arrive."""
    config = replace(FAST, message_bytes_max=1000)
    async with cluster(config=config) as boards:
        sender, receiver = boards[0].mpsc()
        async with boards[1].connect(sender) as producer:
            await producer.send("before")
            for item, error in (
                (object(), comm.EncodeError),
                ([1, [lambda: 0]], comm.EncodeError),
                (b"x" * 1001, comm.MessageTooLarge),
            ):
                for send in (producer.send, _sending_nowait(producer)):
                    with pytest.raises(error):
                        await send(item)
            await producer.send("after")
            assert await take(receiver, 2) == ["before", "after"]
            assert producer.statistics().accepted == 2


async def _gather(receiver: Any) -> list[Any]:
    """Receives everything up to the end of the channel."""
    async with asyncio.timeout(PATIENCE_S), receiver:
        return [item async for item in receiver]


async def _cut_until_done(boards: Cluster, tasks: list[asyncio.Task[Any]]) -> None:
    """Cuts the link each time it has come up, twenty times at most."""
    for number in range(20):
        while len(boards.events(0, PeerUp)) <= number:
            if all(task.done() for task in tasks):
                return
            await asyncio.sleep(0)
        await settle(10)
        await boards.cut(0, 1)


def _sending_nowait(producer: Any) -> Any:
    async def send(item: object) -> None:
        producer.send_nowait(item)

    return send
