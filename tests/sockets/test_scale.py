"""Many nodes, many producers, many connections, large items."""

from __future__ import annotations

import asyncio
from dataclasses import replace
import resource
from typing import Any

import pytest

import comm
from comm import Config, Switchboard
from comm.net.memory import MemoryNetwork
from tests.cluster import pour, take
from tests.sockets.pairs import run_plain, sockets_open
from tests.sockets.processes import TRANSPORTS


CALM = Config(
    heartbeat_interval_s=60.0,
    heartbeat_timeout_s=60.0,
    handshake_timeout_s=60.0,
    resume_window_s=120.0,
    half_open_max=1000,
)
"""Hundreds of nodes that share a processor are slow, but not dead."""


async def _meet(boards: list[Switchboard]) -> None:
    async with asyncio.timeout(120):
        await asyncio.gather(*(board.rendezvous() for board in boards))
    for board in boards:
        for node_id, peer in enumerate(board.peers):
            if node_id == board.node_id:
                assert peer is None
            else:
                assert peer is not None
                assert peer.incarnation == boards[node_id].incarnation


@pytest.mark.timeout(180)
async def test_two_hundred_nodes_meet_in_memory() -> None:
    """Two hundred nodes of one process reach rendezvous, each with all others."""
    async with run_plain("tcp", 200, network=MemoryNetwork(), config=CALM) as boards:
        await _meet(boards)


@pytest.mark.timeout(180)
async def test_as_many_nodes_as_descriptors_allow_meet_over_unix_sockets() -> None:
    """A hundred nodes of one process, or as many as its limit of open files allows,
    reach rendezvous over Unix sockets; for each pair one connection is left."""
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    nodes = 100
    while 2 * nodes * nodes > limit - 500:
        nodes -= 10
    async with run_plain("unix", nodes, config=CALM) as boards:
        await _meet(boards)
        assert sockets_open() <= nodes * (nodes - 1) + nodes + 50


@pytest.mark.timeout(120)
@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_connections_are_reused(transport: str) -> None:
    """Connecting, sending and closing 16,384 times opens not one socket."""
    count, width = 16_384, 64
    async with run_plain(transport, 2, config=CALM) as boards:
        await boards[1].rendezvous()
        await boards[0].rendezvous()
        sender, receiver = boards[0].mpsc(int, max_producers=count)
        before = sockets_open()

        async def work(first: int) -> None:
            for number in range(first, count, width):
                await pour(boards[1], sender, [number])

        async with asyncio.TaskGroup() as tasks:
            for first in range(width):
                tasks.create_task(work(first))
            received = [item async for item in receiver]
        assert sorted(received) == list(range(count))
        assert sockets_open() == before
        assert boards[0].statistics().peers[0].links_established == 1
        assert not boards[0].statistics().peers[0].session.inlets


@pytest.mark.timeout(120)
@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_an_item_of_64_mib(transport: str) -> None:
    """An item of 64 MiB arrives; one that is a byte larger than the limit, which
    counts the encoded form, is refused where it is sent."""
    config = replace(CALM, message_bytes_max=(64 << 20) + 5)
    async with run_plain(transport, 2, config=config) as boards:
        sender, receiver = boards[0].mpsc(bytes)
        item = bytes(range(256)) * (64 << 12)
        async with boards[1].connect(sender) as producer, asyncio.TaskGroup() as tasks:
            tasks.create_task(producer.send(item))
            [received] = await take(receiver, 1)
            assert received == item
            with pytest.raises(comm.MessageTooLarge):
                await producer.send(item + b"!")


@pytest.mark.timeout(120)
@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_ten_thousand_producers(transport: str) -> None:
    """Ten thousand producers, all at once, send three items each to one receiver over
    one link: each arrives in order, and the channel ends with the last of them."""
    count = 10_000
    async with run_plain(transport, 2, config=CALM) as boards:
        sender, receiver = boards[0].mpsc(int, max_producers=count)
        producers = await asyncio.gather(
            *(_connected(boards[1], sender) for _ in range(count))
        )
        assert boards[0].statistics().peers[0].session.inlets == count
        for round_number in range(3):
            for number, producer in enumerate(producers):
                producer.send_nowait(3 * number + round_number)
        got: dict[int, list[int]] = {}
        for _ in range(3 * count):
            delivery = await receiver.receive_from()
            got.setdefault(delivery.producer, []).append(delivery.item)
        assert sorted(got.values()) == [
            [3 * number, 3 * number + 1, 3 * number + 2] for number in range(count)
        ]
        for producer in producers:
            producer.close()
        with pytest.raises(comm.EndOfChannel):
            await take(receiver, 1)


async def _connected(switchboard: Switchboard, sender: Any) -> Any:
    return await switchboard.connect(sender)
