"""A large cluster in one process, in memory."""

from __future__ import annotations

import asyncio

import pytest

import comm
from comm import Switchboard
from tests.net.conftest import Boards


@pytest.mark.timeout(300)
async def test_two_hundred_nodes_meet(boards: Boards) -> None:
    """200 nodes in one process meet, over one connection for each two, and talk."""
    count = 200
    config = comm.Config(
        handshake_timeout_s=60,
        heartbeat_interval_s=60,
        heartbeat_timeout_s=60,
        resume_window_s=120,
    )
    async with boards(nodes=count, config=config) as nodes:
        async with asyncio.timeout(200):
            await asyncio.gather(*(node.rendezvous() for node in nodes))
        sender, receiver = nodes[0].mpsc(int, max_producers=count)

        async def report(node: Switchboard) -> None:
            async with node.connect(sender) as producer:
                await producer.send(node.node_id)

        await asyncio.gather(*map(report, nodes))
        assert sorted([item async for item in receiver]) == list(range(count))
        receiver.close()
        ups = [node.statistics().peers for node in nodes]
        assert all(peer.links_established == 1 for peers in ups for peer in peers)
