"""G17: producers of one channel, and channels of one link, are served round robin."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
import itertools
from typing import Any

from comm import Switchboard
from comm.broadcast import Token
from tests.cluster import FAST, PATIENCE_S, Cluster, ClusterFactory, eventually, fill


ITEM = bytes(100)
ITEM_BYTES_MAX = len(ITEM) + 5
ROUND = replace(FAST, window_bytes=16_000, chunk_bytes=1600)
ROUND_ITEMS = ROUND.chunk_bytes // len(ITEM) + 2
"""No turn of a producer is longer than a chunk and one item."""


@asynccontextmanager
async def _backlog(
    boards: Cluster, producers: list[tuple[int, Any]]
) -> AsyncIterator[None]:
    """Keeps producers of given nodes sending to given senders without a pause."""
    tasks = [
        asyncio.create_task(_send_for_ever(boards[node_id], sender))
        for node_id, sender in producers
    ]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _send_for_ever(switchboard: Switchboard, sender: Any) -> None:
    producer = await switchboard.connect(sender)
    try:
        while True:
            await producer.send(ITEM)
    finally:
        producer.abort()


async def test_no_producer_of_a_channel_starves(cluster: ClusterFactory) -> None:
    """G17: of eight producers on four nodes that never pause, none falls behind by
    more than a turn of each, from the moment that all have something to give."""
    async with cluster(nodes=4, config=ROUND) as boards:
        sender, receiver = boards[0].mpsc(bytes)
        async with _backlog(boards, [(i % 4, sender) for i in range(8)]):
            await eventually(lambda: receiver.statistics().producers == 8)
            full = 8 * (ROUND.window_bytes - 2 * ITEM_BYTES_MAX)
            await eventually(lambda: receiver.statistics().buffered_bytes >= full)
            counts: Counter[tuple[int, int]] = Counter()
            for _ in range(8 * 100):
                delivery = await receiver.receive_from()
                counts[delivery.node_id, delivery.producer] += 1
        assert len(counts) == 8
        assert max(counts.values()) - min(counts.values()) <= 2 * ROUND_ITEMS


async def test_a_late_producer_is_heard_at_once(cluster: ClusterFactory) -> None:
    """G17: a producer that sends a single item, while another has a full window of
    them waiting, is heard within a turn."""
    async with cluster(nodes=3, config=ROUND) as boards:
        sender, receiver = boards[0].mpsc(bytes)
        busy = await boards[1].connect(sender)
        accepted = fill(busy, itertools.repeat(ITEM))
        await eventually(lambda: receiver.statistics().buffered_items == accepted)
        late = await boards[2].connect(sender)
        await late.send(b"late")
        await late.flush(PATIENCE_S)
        before = list(itertools.takewhile(lambda item: item != b"late", _all(receiver)))
        assert len(before) <= ROUND_ITEMS
        busy.abort()
        await late.aclose()


async def test_no_channel_of_a_link_starves(cluster: ClusterFactory) -> None:
    """G17: channels of one link whose producers never pause, and whose receivers take
    all they get, advance together."""
    async with cluster(config=ROUND) as boards:
        channels = [boards[0].mpsc(bytes) for _ in range(6)]
        async with _backlog(boards, [(1, sender) for sender, _ in channels]):
            counts = Counter(dict.fromkeys(range(6), 0))
            async with asyncio.timeout(PATIENCE_S):
                await asyncio.gather(
                    *(
                        _count_until(counts, index, receiver, 6 * 500)
                        for index, (_, receiver) in enumerate(channels)
                    )
                )
        assert min(counts.values()) >= 250


async def test_broadcast_senders_take_turns(cluster: ClusterFactory) -> None:
    """G17: several senders of one broadcast channel are served in turns too."""
    async with cluster(nodes=4, config=ROUND) as boards:
        token = Token("turns", bytes)
        receiver = boards[0].broadcast_rx(token)
        producers = [boards[node_id].broadcast_tx(token) for node_id in (1, 2, 3)]
        for producer in producers:
            await producer.send(ITEM)
            assert fill(producer, itertools.repeat(ITEM)) > 100
        await eventually(lambda: receiver.statistics().buffered_items >= 300)
        counts: Counter[int] = Counter()
        for _ in range(3 * 60):
            counts[(await receiver.receive_from()).node_id] += 1
        assert max(counts.values()) - min(counts.values()) <= 2 * ROUND_ITEMS
        for producer in producers:
            producer.abort()


def _all(receiver: Any) -> Any:
    while True:
        yield receiver.receive_nowait()


async def _count_until(
    counts: Counter[int], index: int, receiver: Any, total: int
) -> None:
    while counts.total() < total:
        counts[index] += len(await receiver.receive_many(max_items=16))
