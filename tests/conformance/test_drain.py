"""G14: `drain` tells the truth, and nothing outlives a switchboard."""

from __future__ import annotations

import asyncio
from dataclasses import replace
import itertools

import pytest

import comm
from comm.broadcast import Token
from tests.cluster import FAST, PATIENCE_S, ClusterFactory, fill, pour, take


TIGHT = replace(FAST, window_bytes=1000, chunk_bytes=500)


async def test_drain_waits_until_all_is_delivered(cluster: ClusterFactory) -> None:
    """G14: `drain` returns, with an empty report, when every item that was accepted,
    of open, closed and broadcasting producers, is in its receiver's buffer."""
    async with cluster(nodes=3) as boards:
        sender, receiver = boards[0].mpsc(int)
        heard = boards[2].broadcast_rx(Token("heard", int))
        open_producer = await boards[1].connect(sender)
        closed_producer = await boards[1].connect(sender)
        news = boards[1].broadcast_tx(Token("heard", int))
        for producer in (open_producer, closed_producer, news):
            await producer.send_many(range(1000))
        closed_producer.close()
        report = await boards[1].drain(PATIENCE_S)
        assert report.is_complete
        assert not report.undelivered
        assert receiver.statistics().received == 2000
        assert heard.statistics().received == 1000
        open_producer.close()
        news.close()


async def test_drain_of_an_idle_switchboard_returns(cluster: ClusterFactory) -> None:
    """G14: with nothing under way, `drain` returns at once, again and again."""
    async with cluster() as boards:
        for _ in range(3):
            assert (await boards[0].drain(0)).is_complete


async def test_drain_reports_what_is_left(cluster: ClusterFactory) -> None:
    """G14: at its deadline `drain` returns a report with each producer's undelivered
    items, and takes nothing away: they are delivered afterwards."""
    async with cluster() as boards:
        sender, receiver = boards[0].mpsc(int)
        producer = await boards[1].connect(sender)
        await producer.send_many(range(10))
        await producer.flush(PATIENCE_S)
        boards.stall(0, 1)
        await producer.send_many(range(10, 25))
        report = await boards[1].drain(0.05)
        assert not report.is_complete
        [left] = report.undelivered
        assert (left.node_id, left.channel) == (0, sender.channel)
        assert (left.first_sequence, left.count) == (10, 15)
        boards.resume(0, 1)
        assert (await boards[1].drain(PATIENCE_S)).is_complete
        assert await take(receiver, 25) == list(range(25))
        producer.close()


async def test_drain_can_be_cancelled(cluster: ClusterFactory) -> None:
    """G14: cancelling `drain` changes nothing; `asyncio.timeout` around it works."""
    async with cluster() as boards:
        sender, receiver = boards[0].mpsc(int)
        producer = await boards[1].connect(sender)
        boards.stall(0, 1)
        await producer.send(1)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(boards[1].drain(), 0.05)
        boards.resume(0, 1)
        assert await take(receiver, 1) == [1]
        await producer.aclose()


async def test_leaving_delivers_what_was_accepted(cluster: ClusterFactory) -> None:
    """G14: a node that sends, closes its producers and leaves right away has delivered
    everything; the channel ends in order."""
    async with cluster() as boards:
        sender, receiver = boards[0].mpsc(int, max_producers=2)
        first = await boards[1].connect(sender)
        second = await boards[1].connect(sender)
        await first.send_many(range(5000))
        first.close()
        await second.send_many(range(5000))
        second.close()
        await boards.stop(1)
        assert len(await take(receiver, 10_000)) == 10_000
        with pytest.raises(comm.EndOfChannel):
            await take(receiver, 1)


async def test_leaving_takes_no_longer_than_its_time_out(
    cluster: ClusterFactory,
) -> None:
    """G14: a switchboard whose items nobody takes leaves within `close_timeout_s`."""
    async with cluster(config=TIGHT) as boards:
        sender, _receiver = boards[0].mpsc(bytes)
        producer = await boards[1].connect(sender)
        fill(producer, itertools.repeat(bytes(100)))
        boards.stall(0, 1)
        loop = asyncio.get_running_loop()
        began_s = loop.time()
        await boards.stop(1)
        assert loop.time() - began_s < TIGHT.close_timeout_s + 5


async def test_everything_is_closed_with_the_switchboard(
    cluster: ClusterFactory,
) -> None:
    """G14: whoever waits at any handle when the switchboard is closed is woken by an
    error, and no task of the library is left."""
    before = asyncio.all_tasks()
    async with cluster(nodes=3, config=TIGHT, start=[0, 1]) as boards:
        sender, receiver = boards[1].mpsc(bytes)
        _, unused = boards[0].mpsc(int)
        full = await boards[0].connect(sender)
        fill(full, itertools.repeat(bytes(100)))
        fanout = boards[0].broadcast_rx(Token("any", int)).fanout()
        waiting = [
            asyncio.create_task(each)
            for each in (
                unused.receive(),
                fanout.attach().receive(),
                full.send(bytes(100)),
                boards[0].rendezvous(),
            )
        ]
        await take(receiver, 1)
        await boards.stop(0)
        async with asyncio.timeout(PATIENCE_S):
            results = await asyncio.gather(*waiting, return_exceptions=True)
        assert all(isinstance(result, comm.Error) for result in results), results
    assert asyncio.all_tasks() == before


async def test_handles_of_a_closed_switchboard_say_so(cluster: ClusterFactory) -> None:
    """G14: after `aclose`, every verb of every handle that was left open raises
    `ClosedError`, and so do those of handles whose peer had long been met."""
    async with cluster() as boards:
        sender, receiver = boards[0].mpsc(int)
        _, own = boards[1].mpsc(int)
        token = Token("any", int)
        heard = boards[0].broadcast_rx(token)
        member = boards[1].broadcast_rx(token).fanout().attach()
        news = boards[1].broadcast_tx(token)
        producer = await boards[1].connect(sender)
        for handle, there in ((producer, receiver), (news, heard)):
            await handle.send(1)
            assert await take(there, 1) == [1]
            await handle.flush(PATIENCE_S)
        await boards.stop(1)
        for handle in (producer, news):
            with pytest.raises(comm.ClosedError):
                await handle.send(2)
            with pytest.raises(comm.ClosedError):
                handle.send_nowait(2)
            with pytest.raises(comm.ClosedError):
                await handle.send_many([2])
            handle.close()
            await handle.aclose()
            assert handle.statistics().accepted == 1
        for end in (own, member):
            with pytest.raises(comm.ClosedError):
                await end.receive()
            with pytest.raises(comm.ClosedError):
                end.receive_nowait()
            end.close()


async def test_a_closed_switchboard_says_so(cluster: ClusterFactory) -> None:
    """G14: after `aclose`, which may be repeated, every verb raises `ClosedError`."""
    async with cluster() as boards:
        sender, _receiver = boards[0].mpsc(int)
        closed = boards[1]
        await boards.stop(1)
        await closed.aclose()
        with pytest.raises(comm.ClosedError):
            closed.mpsc(int)
        with pytest.raises(comm.ClosedError):
            closed.broadcast_tx(Token("any", int))
        with pytest.raises(comm.ClosedError):
            closed.broadcast_rx(Token("any", int))
        with pytest.raises(comm.ClosedError):
            await closed.rendezvous(1)
        with pytest.raises(comm.ClosedError):
            await closed.connect(sender)


async def test_a_switchboard_that_was_not_started_says_so(
    cluster: ClusterFactory,
) -> None:
    """G14: a switchboard does nothing, and opens nothing, before it is entered."""
    async with cluster(nodes=1) as boards:
        unused = boards.make(0)
        with pytest.raises(comm.UsageError):
            unused.mpsc(int)


async def test_flush_has_a_deadline(cluster: ClusterFactory) -> None:
    """G14: `flush` with a time-out raises `TimeoutError` when it is over, and what was
    accepted stays accepted."""
    async with cluster() as boards:
        sender, receiver = boards[0].mpsc(int)
        producer = await boards[1].connect(sender)
        boards.stall(0, 1)
        await producer.send(1)
        with pytest.raises(TimeoutError):
            await producer.flush(0.05)
        boards.resume(0, 1)
        await producer.flush(PATIENCE_S)
        assert receiver.statistics().received == 1
        producer.close()


async def test_local_traffic_drains_too(cluster: ClusterFactory) -> None:
    """G14: channels within the node count as all others do."""
    async with cluster(nodes=1) as boards:
        sender, receiver = boards[0].mpsc(int, max_producers=1)
        await pour(boards[0], sender, range(100))
        assert (await boards[0].drain(PATIENCE_S)).is_complete
        assert receiver.statistics().received == 100
