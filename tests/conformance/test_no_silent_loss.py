"""G2: accepted = delivered + reported lost + still queued, and no loss is silent."""

from __future__ import annotations

import asyncio
from dataclasses import replace
import itertools
from typing import Any

import pytest

import comm
from comm.events import LossReport, PeerDown, PeerRestarted, PeerUp
from tests.cluster import (
    LOSSY,
    PATIENCE_S,
    Cluster,
    ClusterFactory,
    eventually,
    fill,
    take,
    wear_out,
)


NARROW = replace(LOSSY, window_bytes=2048, chunk_bytes=1024)


def assert_accounts_balance(producer: Any) -> None:
    """Checks the equation of G2 on one producer's statistics."""
    figures = producer.statistics()
    assert figures.accepted == figures.delivered + figures.lost + figures.queued_items


async def test_a_dead_receiver_costs_what_was_not_delivered(
    cluster: ClusterFactory,
) -> None:
    """G2: when the receiver's node dies, what `flush` confirmed is not lost, and all
    the rest is reported, once: by the exception, the event and the statistics."""
    async with cluster(config=NARROW) as boards:
        sender, receiver = boards[0].mpsc(int)
        producer = await boards[1].connect(sender)
        await producer.send_many(range(100))
        assert await take(receiver, 100) == list(range(100))
        await producer.flush(PATIENCE_S)
        boards.stall(0, 1)
        accepted = 100 + fill(producer, itertools.count(100))
        assert accepted > 100
        await boards.kill(0)
        with pytest.raises(comm.PeerLost):
            await producer.flush(PATIENCE_S)
        report = await boards.event(1, LossReport)
        assert report.node_id == 0
        assert report.channel == sender.channel
        assert report.first_sequence == 100
        assert report.count == accepted - 100
        figures = producer.statistics()
        assert (figures.accepted, figures.delivered) == (accepted, 100)
        assert (figures.lost, figures.queued_items) == (accepted - 100, 0)
        assert boards[1].statistics().lost == accepted - 100
        assert len(boards.events(1, LossReport)) == 1
        producer.close()


@pytest.mark.parametrize("verb", ["send", "send_nowait", "flush", "aclose"])
async def test_each_verb_tells_of_the_loss(cluster: ClusterFactory, verb: str) -> None:
    """G2: whichever of its verbs a producer calls next, it learns that it lost."""
    async with cluster(config=LOSSY) as boards:
        sender, _receiver = boards[0].mpsc(int)
        producer = await boards[1].connect(sender)
        await producer.flush(PATIENCE_S)
        boards.stall(0, 1)
        await producer.send(1)
        await boards.kill(0)
        await boards.event(1, LossReport)
        arguments = [2] if verb.startswith("send") else []
        with pytest.raises(comm.PeerLost):
            await _awaited(getattr(producer, verb)(*arguments))
        producer.close()


async def test_a_waiting_send_is_told(cluster: ClusterFactory) -> None:
    """G2: a `send` that waits for credit when its receiver is lost raises; its item
    was not accepted, so it is not among those reported."""
    async with cluster(config=NARROW) as boards:
        sender, _receiver = boards[0].mpsc(int)
        producer = await boards[1].connect(sender)
        accepted = fill(producer, itertools.count())
        waiting = asyncio.create_task(producer.send(-1))
        await boards.kill(0)
        with pytest.raises(comm.PeerLost):
            await asyncio.wait_for(waiting, PATIENCE_S)
        assert producer.statistics().accepted == accepted
        assert_accounts_balance(producer)
        producer.close()


async def test_a_restarted_receiver_costs_the_same(cluster: ClusterFactory) -> None:
    """G2: when the receiver's node comes back as a new incarnation, everything that
    the old one did not have is reported at once, and never reaches the new one."""
    async with cluster() as boards:
        sender, _receiver = boards[0].mpsc(int)
        producer = await boards[1].connect(sender)
        await producer.flush(PATIENCE_S)
        boards.stall(0, 1)
        await producer.send_many(range(10))
        await boards.kill(0)
        boards.resume(0, 1)
        await boards.start(0)
        with pytest.raises(comm.PeerRestarted):
            await producer.flush(PATIENCE_S)
        report = await boards.event(1, LossReport)
        assert (report.first_sequence, report.count) == (0, 10)
        await boards.event(1, PeerRestarted, node_id=0)
        assert_accounts_balance(producer)
        producer.close()


async def test_closing_a_receiver_splits_exactly(cluster: ClusterFactory) -> None:
    """G2: when a receiver is closed, what its application took is delivered, and all
    the rest that was accepted is reported: nothing in both, nothing in neither."""
    async with cluster(config=NARROW) as boards:
        sender, receiver = boards[0].mpsc(int)
        producer = await boards[1].connect(sender)
        accepted = fill(producer, itertools.count())
        assert await take(receiver, 7) == list(range(7))
        accepted += fill(producer, itertools.count(accepted))
        receiver.close()
        report = await boards.event(1, LossReport)
        with pytest.raises(comm.ReceiverClosed):
            await producer.flush(PATIENCE_S)
        assert report.first_sequence == 7
        assert report.count == accepted - 7
        with pytest.raises(comm.ReceiverClosed):
            await producer.send(0)
        assert_accounts_balance(producer)
        producer.close()


async def test_a_receiver_closed_with_nothing_under_way_costs_nothing(
    cluster: ClusterFactory,
) -> None:
    """G2: closing a receiver that took everything loses nothing, and no report says
    so; the producer still learns that nobody listens."""
    async with cluster() as boards:
        sender, receiver = boards[0].mpsc(int)
        producer = await boards[1].connect(sender)
        await producer.send_many(range(5))
        assert await take(receiver, 5) == list(range(5))
        receiver.close()
        await eventually(lambda: producer.statistics().credit_bytes <= 0)
        with pytest.raises(comm.ReceiverClosed):
            await producer.send(5)
        assert producer.statistics().lost == 0
        assert not boards.events(1, LossReport)
        producer.close()


async def _outlast_the_window(
    boards: Cluster, producer: Any, accepted: int
) -> tuple[range, int]:
    """Stalls the network until node 1 has reported a loss, then lets it go on.

    Returns what was reported, and how many items were accepted by then.
    """
    boards.stall(0, 1)
    accepted += fill(producer, itertools.count(accepted))
    report = await boards.event(1, LossReport)
    boards.resume(0, 1)
    end = report.first_sequence + report.count
    return range(report.first_sequence, end), accepted


async def _receive_what_is_left(boards: Cluster, sender: Any, receiver: Any) -> Any:
    """Returns all that an old producer has left in a receiver."""
    received: list[int] = []
    async with boards[1].connect(sender) as fresh:
        await fresh.send(-1)
        while -1 not in received:
            received += await take(receiver, 1)
    return received[:-1]


async def test_what_was_reported_lost_never_arrives(cluster: ClusterFactory) -> None:
    """G2: when an outage outlasts the window and both nodes live on, each item was
    either received or reported as lost, never both and never neither, even if the
    old network gives back everything that it had swallowed."""
    async with cluster(config=NARROW) as boards:
        sender, receiver = boards[0].mpsc(int)
        producer = await boards[1].connect(sender)
        accepted = fill(producer, itertools.count())
        await eventually(lambda: receiver.statistics().buffered_items == accepted)
        lost, accepted = await _outlast_the_window(boards, producer, accepted)
        received = await _receive_what_is_left(boards, sender, receiver)
        discarded = receiver.statistics().discarded
        assert [*received, *lost] == list(range(accepted))
        assert discarded == receiver.statistics().received - 1 - len(received)
        with pytest.raises(comm.PeerLost):
            await producer.flush(PATIENCE_S)
        assert_accounts_balance(producer)
        producer.close()


async def test_what_was_reported_lost_is_not_handed_out_any_more(
    cluster: ClusterFactory,
) -> None:
    """G2: the same if the application had begun to receive what had arrived: from the
    moment that an item is reported as lost, no `receive` returns it."""
    async with cluster(config=NARROW) as boards:
        sender, receiver = boards[0].mpsc(int)
        producer = await boards[1].connect(sender)
        accepted = fill(producer, itertools.count())
        received = await take(receiver, 3)
        lost, accepted = await _outlast_the_window(boards, producer, accepted)
        rest = await _receive_what_is_left(boards, sender, receiver)
        assert received + rest == list(range(len(received + rest)))
        assert not set(rest) & set(lost)
        assert {*received, *rest, *lost} == set(range(accepted))
        producer.close()


async def test_a_lost_session_starts_empty_again(cluster: ClusterFactory) -> None:
    """G2: after an outage beyond the window the nodes find one another again, and
    are told that nothing was resumed; a new producer of the same sender works."""
    async with cluster(config=LOSSY) as boards:
        sender, receiver = boards[0].mpsc(str)
        producer = await boards[1].connect(sender)
        await producer.flush(PATIENCE_S)
        boards.stall(0, 1)
        await producer.send("swallowed")
        await boards.event(1, LossReport)
        boards.resume(0, 1)
        async with boards[1].connect(sender) as fresh:
            await fresh.send("fresh")
            assert await take(receiver, 1) == ["fresh"]
        events = boards.board(1).events
        after = events[events.index(boards.events(1, LossReport)[0]) :]
        ups = [event for event in after if isinstance(event, PeerUp)]
        assert not ups[0].resumed
        with pytest.raises(comm.PeerLost):
            await producer.aclose()


async def test_an_abort_says_what_it_gave_up(cluster: ClusterFactory) -> None:
    """G2: a producer that aborts gives up what was not delivered, and that is counted
    as lost; what was delivered before stays delivered."""
    async with cluster(config=NARROW) as boards:
        sender, receiver = boards[0].mpsc(int)
        producer = await boards[1].connect(sender)
        await producer.send_many(range(5))
        await producer.flush(PATIENCE_S)
        boards.stall(0, 1)
        fill(producer, itertools.count(5))
        producer.abort("on purpose")
        with pytest.raises(comm.ClosedError):
            await producer.send(0)
        boards.resume(0, 1)
        assert await take(receiver, 5) == list(range(5))
        await eventually(lambda: producer.statistics().queued_items == 0)
        assert_accounts_balance(producer)


async def test_a_node_that_leaves_says_so(cluster: ClusterFactory) -> None:
    """G2: a node that leaves in order is known to be gone at once, not only after
    the window, and what its receivers had not taken over is reported."""
    async with cluster() as boards:
        sender, _receiver = boards[0].mpsc(int)
        producer = await boards[1].connect(sender)
        await producer.flush(PATIENCE_S)
        boards.stall(0, 1)
        await producer.send(0)
        boards.resume(0, 1)
        await boards.stop(0)
        await boards.event(1, PeerDown, node_id=0)
        with pytest.raises(comm.BrokenError):
            await wear_out(producer.send, 1)
        await eventually(lambda: producer.statistics().queued_items == 0)
        assert_accounts_balance(producer)
        producer.close()


async def test_closing_the_own_switchboard_reports_what_it_gives_up(
    cluster: ClusterFactory,
) -> None:
    """G2: a producer whose own switchboard is closed with items undelivered knows
    that they are lost: its accounts balance, with nothing queued."""
    async with cluster(config=NARROW) as boards:
        sender, _receiver = boards[0].mpsc(int)
        producer = await boards[1].connect(sender)
        await producer.flush(PATIENCE_S)
        boards.stall(0, 1)
        accepted = fill(producer, itertools.count())
        await boards.stop(1)
        figures = producer.statistics()
        assert (figures.accepted, figures.lost) == (accepted, accepted)
        assert figures.queued_items == 0
        with pytest.raises(comm.ClosedError):
            await producer.send(1)


async def _awaited(result: Any) -> None:
    """Awaits what a verb returned if it is one that waits."""
    if result is not None:
        await result
