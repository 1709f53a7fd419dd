"""The test cases of the library that this one follows, re-created from behaviour."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

import comm
from comm.broadcast import Token
from tests.cluster import (
    FAST,
    PATIENCE_S,
    STEADY,
    ClusterFactory,
    eventually,
    pour,
    settle,
    take,
)


async def test_fair_selection_over_producers(cluster: ClusterFactory) -> None:
    """A receiver with several endless producers hears each of them all along."""
    config = replace(FAST, window_bytes=4096, chunk_bytes=1024)
    async with cluster(nodes=3, config=config) as boards:
        sender, receiver = boards[0].mpsc(int)
        tasks = [
            asyncio.create_task(_repeat(boards[node_id], sender, node_id))
            for node_id in range(3)
        ]
        heard = {0: 0, 1: 0, 2: 0}
        async with asyncio.timeout(PATIENCE_S):
            while min(heard.values()) < 1000:
                heard[await receiver.receive()] += 1
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def test_a_limited_channel_closes(cluster: ClusterFactory) -> None:
    """A channel of two producers closes when the second has finished, not before."""
    async with cluster() as boards:
        sender, receiver = boards[0].mpsc_limited(2, int)
        await pour(boards[0], sender, [1])
        await pour(boards[1], sender, [2])
        assert sorted([item async for item in receiver]) == [1, 2]


async def test_connections_are_reused(cluster: ClusterFactory) -> None:
    """Connecting, sending one item and closing, 2,048 times, takes no new connection:
    all producers share the one between their nodes."""
    count, width = 2048, 32
    # The second node dials the first, which is there, and not the other way round.
    config = replace(STEADY, connect_backoff_s=(PATIENCE_S, PATIENCE_S))
    async with cluster(config=config) as boards:
        sender, receiver = boards[0].mpsc(int, max_producers=count)
        await boards.rendezvous()
        before = boards.wire.count()

        async def work(first: int) -> None:
            for number in range(first, count, width):
                await pour(boards[1], sender, [number])

        async with asyncio.TaskGroup() as tasks:
            for first in range(width):
                tasks.create_task(work(first))
            received = await take(receiver, count)
        assert sorted(received) == list(range(count))
        with pytest.raises(comm.EndOfChannel):
            await take(receiver, 1)
        assert boards.wire.count() == before
        assert boards[0].statistics().peers[0].links_established == 1


async def test_a_large_item(cluster: ClusterFactory) -> None:
    """An item of 16 MiB arrives in one piece, over the session that carries all."""
    async with cluster() as boards:
        sender, receiver = boards[0].mpsc(bytes)
        item = bytes(range(256)) * (16 << 12)
        async with boards[1].connect(sender) as producer, asyncio.TaskGroup() as tasks:
            tasks.create_task(producer.send(item))
            [received] = await take(receiver, 1)
        assert received == item


async def test_tokens_made_at_run_time(cluster: ClusterFactory) -> None:
    """Tokens need not be known when the program is written: equal names are the same
    channel on every node, different names are different ones."""
    async with cluster() as boards:
        receivers = [boards[1].broadcast_rx(Token(f"job-{i}", int)) for i in range(50)]
        for number in reversed(range(50)):
            async with boards[0].broadcast_tx(Token(f"job-{number}", int)) as producer:
                await producer.send(number)
        for number, receiver in enumerate(receivers):
            assert await take(receiver, 1) == [number]


async def test_broadcasts_and_receivers_interleave(cluster: ClusterFactory) -> None:
    """What is sent before the receiver of its channel exists waits for it, whatever
    other channels do in between."""
    async with cluster() as boards:
        first, second = Token("first", str), Token("second", str)
        async with boards[0].broadcast_tx(first) as producer:
            await producer.send("one")
            async with boards[0].broadcast_tx(second) as other:
                await other.send("two")
                async with boards[1].broadcast_rx(second) as receiver:
                    assert await take(receiver, 1) == ["two"]
            async with boards[1].broadcast_rx(first) as receiver:
                assert await take(receiver, 1) == ["one"]


async def test_fan_out_to_many_receivers_in_one_order(cluster: ClusterFactory) -> None:
    """Sixteen workers of a node, each with a receiver of its own, see the items of
    three senders in one and the same order."""
    async with cluster(nodes=4) as boards:
        token = Token("fan", int)
        fanout = boards[0].broadcast_rx(token).fanout()
        workers = [fanout.attach() for _ in range(16)]
        async with asyncio.TaskGroup() as tasks:
            for node_id in (1, 2, 3):
                tasks.create_task(_send_all(boards[node_id], token, node_id))
            views = [tasks.create_task(take(worker, 600)) for worker in workers]
        assert sorted(views[0].result()) == [1] * 200 + [2] * 200 + [3] * 200
        assert all(view.result() == views[0].result() for view in views)


async def test_an_empty_broadcast(cluster: ClusterFactory) -> None:
    """A broadcast of a cluster with nobody else in it, and one without any items, do
    no harm and end."""
    async with cluster(nodes=1) as boards:
        async with boards[0].broadcast_tx(Token("nobody", int)) as producer:
            for number in range(1000):
                await producer.send(number)
            await producer.flush(PATIENCE_S)
        assert producer.statistics().queued_items == 0
    async with cluster() as boards:
        receiver = boards[1].broadcast_rx(Token("nothing", int))
        async with boards[0].broadcast_tx(Token("nothing", int)):
            pass
        await settle(20)
        with pytest.raises(comm.WouldBlock):
            receiver.receive_nowait()


async def test_ping_pong_of_three_nodes(cluster: ClusterFactory) -> None:
    """One node broadcasts a sender; each other node answers a ping with a pong, over
    channels that it made known that way."""
    async with cluster(nodes=3) as boards:
        token: Token[Any] = Token("ping")

        async def pong(node_id: int) -> None:
            async with boards[node_id].broadcast_rx(token) as pings:
                reply = await pings.receive()
            await pour(boards[node_id], reply, [f"pong from {node_id}"])

        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(pong(1))
            tasks.create_task(pong(2))
            reply, answers = boards[0].mpsc(str, max_producers=2)
            async with boards[0].broadcast_tx(token) as ping:
                await ping.send(reply)
                received = sorted([answer async for answer in answers])
        assert received == ["pong from 1", "pong from 2"]


async def test_the_node_s_own_channel_needs_no_peer(cluster: ClusterFactory) -> None:
    """A node sends to itself while nobody else is there."""
    async with cluster(nodes=3, start=[1]) as boards:
        sender, receiver = boards[1].mpsc(str, max_producers=1)
        await pour(boards[1], sender, ["alone"])
        assert [item async for item in receiver] == ["alone"]


async def test_streams_of_another_protocol(cluster: ClusterFactory) -> None:
    """`open_stream` gives a raw connection to a peer, which takes it with `streams`;
    the channels between the two are not disturbed."""
    async with cluster(config=replace(FAST, resume_window_s=5)) as boards:
        peer = (await boards[1].rendezvous(PATIENCE_S))[0]
        assert peer is not None
        reader, writer = await peer.open_stream()
        async with asyncio.timeout(PATIENCE_S):
            writer.write(b"hello\n")
            far_peer, far_reader, far_writer = await anext(aiter(boards[0].streams()))
            assert far_peer.node_id == 1
            assert await far_reader.readline() == b"hello\n"
            far_writer.write(bytes(1 << 20))
            assert await reader.readexactly(1 << 20) == bytes(1 << 20)
            sender, receiver = boards[0].mpsc(int)
            await pour(boards[1], sender, [1])
            assert await take(receiver, 1) == [1]
            far_writer.close()
            await far_writer.wait_closed()
            assert await reader.read() == b""
            writer.close()
            await writer.wait_closed()


async def test_connect_waits_for_a_node_that_starts_late(
    cluster: ClusterFactory,
) -> None:
    """A sender whose node cannot be reached yet is connected as soon as it can be."""
    async with cluster(start=[0]) as boards:
        sender, receiver = boards[0].mpsc(int)
        boards.stall(0, 1)
        await boards.start(1)
        connecting = asyncio.create_task(pour(boards[1], sender, [1]))
        await settle(20)
        assert not connecting.done()
        boards.resume(0, 1)
        assert await take(receiver, 1) == [1]
        await connecting
        await eventually(lambda: receiver.statistics().finished == 1)


async def _repeat(switchboard: Any, sender: Any, item: int) -> None:
    producer = await switchboard.connect(sender)
    try:
        while True:
            await producer.send(item)
    finally:
        producer.abort()


async def _send_all(switchboard: Any, token: Token[int], item: int) -> None:
    async with switchboard.broadcast_tx(token) as producer:
        for _ in range(200):
            await producer.send(item)
