"""G12: half-open links are found in time, and no others are given up."""

from __future__ import annotations

import asyncio
from dataclasses import replace
import itertools

import pytest

from comm.broadcast import Token
from comm.events import LossReport, PeerDown, PeerUp
from tests.cluster import (
    CALM,
    FAST,
    PATIENCE_S,
    ClusterFactory,
    fill,
    pour,
    settle,
    take,
)


SLACK_S = 3.0
"""What a machine under load may add; the bound itself is virtual in machine tests."""


@pytest.mark.parametrize("busy", [False, True], ids=["idle", "busy"])
async def test_a_silent_link_is_found(cluster: ClusterFactory, busy: bool) -> None:
    """G12: when nothing comes through any more, both sides know within heartbeat
    interval and time-out, whether they had been talking or not."""
    async with cluster(config=FAST) as boards:
        await boards.rendezvous()
        sender, _receiver = boards[0].mpsc(bytes)
        producer = await boards[1].connect(sender)
        if busy:
            fill(producer, itertools.repeat(bytes(10_000)))
        loop = asyncio.get_running_loop()
        began_s = loop.time()
        boards.stall(0, 1)
        for node_id in (0, 1):
            await boards.event(node_id, PeerDown, node_id=1 - node_id)
        assert loop.time() - began_s < FAST.silence_s_max + SLACK_S
        boards.resume(0, 1)
        producer.abort()


async def test_a_link_that_is_silent_one_way_is_found(cluster: ClusterFactory) -> None:
    """G12: a link over which one side hears nothing any more, while the other one
    does, is given up by both; nothing is lost once the network is whole again."""
    async with cluster(config=FAST) as boards, asyncio.TaskGroup() as tasks:
        sender, receiver = boards[0].mpsc(int, max_producers=1)
        tasks.create_task(pour(boards[1], sender, range(3000)))
        received = await take(receiver, 10)
        boards.stall(0, 1, one_way=True)
        for node_id in (0, 1):
            await boards.event(node_id, PeerDown, node_id=1 - node_id)
        boards.resume(0, 1)
        received += await take(receiver, 2990)
        assert received == list(range(3000))
        assert not boards.events(1, LossReport)


async def test_a_link_that_is_slow_is_not_silent(cluster: ClusterFactory) -> None:
    """G12: over a network so slow that one item takes several times as long as a
    silence may last, no link is given up, since bytes still arrive."""
    config = replace(CALM, heartbeat_interval_s=0.05, heartbeat_timeout_s=0.35)
    async with cluster(config=config) as boards, asyncio.TaskGroup() as tasks:
        sender, receiver = boards[0].mpsc(bytes, max_producers=1)
        await boards.rendezvous()
        boards.limit(300_000)
        tasks.create_task(pour(boards[1], sender, [bytes(450_000)]))
        assert await take(receiver, 1) == [bytes(450_000)]
        for node_id in (0, 1):
            assert not boards.events(node_id, PeerDown)


async def test_an_idle_link_stays_up(cluster: ClusterFactory) -> None:
    """G12: a link over which nobody sends anything is kept alive by heartbeats."""
    config = replace(CALM, heartbeat_interval_s=0.05, heartbeat_timeout_s=0.4)
    async with cluster(config=config) as boards:
        await boards.rendezvous()
        sender, receiver = boards[0].mpsc(int)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(receiver.receive(), 3 * config.silence_s_max)
        for node_id in (0, 1):
            assert not boards.events(node_id, PeerDown)
            peer = boards[node_id].peers[1 - node_id]
            assert peer is not None
            assert peer.rtt is not None
        await pour(boards[1], sender, [1])


async def test_full_windows_are_no_silence(cluster: ClusterFactory) -> None:
    """G12: with every data window full in both directions, for longer than a silence
    may last, no link is given up and no item lost."""
    config = replace(
        CALM, heartbeat_interval_s=0.05, heartbeat_timeout_s=0.4, window_bytes=1000
    )
    async with cluster(config=config) as boards:
        channels = []
        for here, there in ((0, 1), (1, 0)) * 5:
            sender, receiver = boards[here].mpsc(bytes)
            producer = await boards[there].connect(sender)
            accepted = fill(producer, itertools.repeat(bytes(100)))
            channels.append((producer, receiver, accepted))
        _sender, unused = boards[0].mpsc(int)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(unused.receive(), 3 * config.silence_s_max)
        for node_id in (0, 1):
            assert not boards.events(node_id, PeerDown)
        for producer, receiver, accepted in channels:
            assert len(await take(receiver, accepted)) == accepted
            await producer.aclose()


async def test_a_peer_that_is_lost_costs_the_others_nothing(
    cluster: ClusterFactory,
) -> None:
    """G12: while the links of one node are silent, those between the others carry on
    and stay up."""
    config = replace(CALM, heartbeat_timeout_s=2.0)
    async with cluster(nodes=3, config=config) as boards:
        await boards.rendezvous()
        boards.stall(0, 2)
        boards.stall(1, 2)
        sender, receiver = boards[0].mpsc(int, max_producers=1)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(pour(boards[1], sender, range(1000)))
            assert await take(receiver, 1000) == list(range(1000))
        for node_id in (0, 1):
            await boards.event(node_id, PeerDown, node_id=2)
        assert not boards.events(0, PeerDown, node_id=1)
        assert not boards.events(1, PeerDown, node_id=0)
        boards.resume(0, 2)
        boards.resume(1, 2)


async def test_events_tell_a_link_s_life(cluster: ClusterFactory) -> None:
    """G12: up, down with a reason, and up again, in this order, at both ends."""
    async with cluster(config=CALM) as boards:
        await boards.rendezvous()
        await boards.cut(0, 1)
        for node_id in (0, 1):
            await boards.event(node_id, PeerUp, resumed=True)
            kinds = [type(event) for event in boards.board(node_id).events]
            assert kinds[:3] == [PeerUp, PeerDown, PeerUp]
            assert boards.events(node_id, PeerDown)[0].reason
            assert not boards.events(node_id, LossReport)


async def test_several_may_watch_the_events(cluster: ClusterFactory) -> None:
    """G12: each caller of `events` sees every event from its call on; one who stops,
    or never looks, disturbs nobody."""
    async with cluster() as boards:
        idle = boards[0].events()
        first, second = boards[0].events(), boards[0].events()
        await boards.rendezvous()
        async with asyncio.timeout(PATIENCE_S):
            for watcher in (first, second):
                event = await anext(aiter(watcher))
                assert isinstance(event, PeerUp)
        del idle, first
        async with boards[0].broadcast_tx(Token("quiet", int)) as producer:
            await producer.send(1)
        await settle()
