"""G1 over real sockets: cut after exact numbers of bytes, drawn from a seed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
import random
from typing import Any

import pytest

from comm.events import LossReport
from tests.cluster import FAST, PATIENCE_S, Cluster, run_cluster
from tests.proxy import Limits, Proxy
from tests.sockets.processes import TRANSPORTS
from tests.wires import SocketWire


ITEMS = 10_000
CONFIG = replace(FAST, window_bytes=32_000, chunk_bytes=4_000)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_cuts_at_drawn_offsets(transport: str, seed: int) -> None:
    """G1: tens of thousands of items flow in both directions while every connection is
    cut at a drawn byte offset, of either direction: all arrive once, in order."""
    drawn = random.Random(seed)
    wire = SocketWire(transport, 2)
    for node_id in (0, 1):
        wire.proxy(node_id).plan = _drawing(drawn)
    async with run_cluster(wire, 2, CONFIG, None) as boards:
        async with asyncio.timeout(2 * PATIENCE_S), asyncio.TaskGroup() as tasks:
            for here, there in ((0, 1), (1, 0)):
                tasks.create_task(_carry(boards, here, there))
        assert wire.count() > 10
        for node_id in (0, 1):
            assert not boards.events(node_id, LossReport)


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_a_narrow_slow_network(transport: str) -> None:
    """G1: over a network that is slow, late and cuts every link after some thousand
    bytes, items arrive once, in order, though each link dies with bytes under way."""
    wire = SocketWire(transport, 2)
    for node_id in (0, 1):
        proxy = wire.proxy(node_id)
        proxy.delay_s = 0.002
        proxy.bytes_per_s = 1e6
        proxy.plan = lambda: Limits(forward=20_000, backward=20_000)
    async with run_cluster(wire, 2, CONFIG, None) as boards:
        sender, receiver = boards[0].mpsc(bytes, max_producers=1)
        items = [bytes([number % 251]) * 500 for number in range(500)]
        async with asyncio.timeout(PATIENCE_S), asyncio.TaskGroup() as tasks:
            tasks.create_task(_send(boards, 1, sender, items))
            received = [item async for item in receiver]
        assert received == items
        assert wire.count() > 5


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_the_proxy_is_exact(transport: str) -> None:
    """The proxy itself passes on exactly as many bytes as its plan says."""
    wire = SocketWire(transport, 1)
    proxy = wire.proxy(0)
    got: list[bytes] = []
    for forward in (0, 1, 1000, 100_000):
        await _through(proxy, forward, got)
    assert [len(data) for data in got] == [0, 1, 1000, 100_000]
    await wire.aclose()


async def _through(proxy: Proxy, forward: int, got: list[bytes]) -> None:
    """Sends more than the limit through a proxy, and notes what came out."""
    done = asyncio.Event()

    async def sink(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        got.append(await reader.read())
        writer.close()
        done.set()

    if proxy.back.is_unix:
        server = await asyncio.start_unix_server(sink, proxy.back.path)
    else:
        server = await asyncio.start_server(sink, proxy.back.host, proxy.back.port)
    proxy.plan = lambda: Limits(forward=forward)
    await proxy.open()
    if proxy.front.is_unix:
        _, writer = await asyncio.open_unix_connection(proxy.front.path)
    else:
        _, writer = await asyncio.open_connection(proxy.front.host, proxy.front.port)
    writer.write(bytes(200_000))
    async with asyncio.timeout(PATIENCE_S):
        await done.wait()
    writer.transport.abort()
    proxy.close()
    server.close()
    await asyncio.gather(writer.wait_closed(), return_exceptions=True)


def _drawing(drawn: random.Random) -> Callable[[], Limits]:
    def plan() -> Limits:
        return Limits(
            forward=int(10 ** drawn.uniform(1.0, 5.0))
            if drawn.random() < 0.7
            else None,
            backward=int(10 ** drawn.uniform(1.0, 5.0)),
        )

    return plan


async def _carry(boards: Cluster, here: int, there: int) -> None:
    sender, receiver = boards[here].mpsc(max_producers=1)
    items = [[number, bytes(number % 97)] for number in range(ITEMS)]
    async with receiver, asyncio.TaskGroup() as tasks:
        tasks.create_task(_send(boards, there, sender, items))
        received = [item async for item in receiver]
    assert received == items


async def _send(boards: Cluster, node_id: int, sender: Any, items: Any) -> None:
    async with boards[node_id].connect(sender) as producer:
        for item in items:
            await producer.send(item)
