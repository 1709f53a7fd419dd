"""G10 and G16: nobody joins too late, and everybody gets the same."""

from __future__ import annotations

import asyncio
from dataclasses import replace
import itertools
from typing import Any

import pytest

import comm
from comm.broadcast import Token
from comm.events import LossReport, PeerRestarted
from tests.cluster import (
    FAST,
    LOSSY,
    PATIENCE_S,
    ClusterFactory,
    eventually,
    settle,
    take,
)


TIGHT = replace(FAST, window_bytes=1000, chunk_bytes=500)


async def test_a_broadcast_waits_for_its_receiver(cluster: ClusterFactory) -> None:
    """G10: what was sent before a node made its receiver is received there from the
    first item on, together with what is sent later."""
    async with cluster(nodes=3) as boards:
        token = Token("early", int)
        async with boards[0].broadcast_tx(token) as producer:
            await producer.send_many(range(100))
            first = boards[1].broadcast_rx(token)
            assert await take(first, 100) == list(range(100))
            await producer.send_many(range(100, 200))
            second = boards[2].broadcast_rx(token)
            assert await take(first, 100) == list(range(100, 200))
            assert await take(second, 200) == list(range(200))


async def test_beyond_the_window_the_sender_waits(cluster: ClusterFactory) -> None:
    """G10: a broadcast that found no receiver waits once the window is full, and goes
    on where it stopped as soon as the receiver is made."""
    async with cluster(config=TIGHT) as boards, asyncio.TaskGroup() as tasks:
        token = Token("patient", int)
        producer = boards[0].broadcast_tx(token)
        sending = tasks.create_task(producer.send_many(range(5000)))
        await eventually(lambda: producer.statistics().credit_bytes <= 0)
        await settle(20)
        assert not sending.done()
        receiver = boards[1].broadcast_rx(token)
        assert await take(receiver, 5000) == list(range(5000))
        await producer.aclose()


async def test_a_broadcast_sent_before_the_nodes_have_met(
    cluster: ClusterFactory,
) -> None:
    """G10: a broadcast needs no rendezvous: a node that starts later, within the
    window, gets it from the first item on."""
    async with cluster(nodes=3, start=[0, 1]) as boards:
        token = Token("before", int)
        async with boards[0].broadcast_tx(token) as producer:
            sending = asyncio.create_task(producer.send_many(range(10)))
            first = boards[1].broadcast_rx(token)
            await boards.start(2)
            await asyncio.wait_for(sending, PATIENCE_S)
            assert await take(first, 10) == list(range(10))
            second = boards[2].broadcast_rx(token)
            assert await take(second, 10) == list(range(10))


async def test_every_node_gets_every_sender_in_its_order(
    cluster: ClusterFactory,
) -> None:
    """G16: with a sender and a receiver on each node, while links are cut, each node
    gets every item of all other senders once, in that sender's order."""
    config = replace(FAST, window_bytes=2000)
    async with cluster(nodes=4, config=config) as boards:
        token = Token("all", int)
        receivers = [boards[node_id].broadcast_rx(token) for node_id in range(4)]
        async with asyncio.TaskGroup() as tasks:
            for node_id in range(4):
                tasks.create_task(_broadcast(boards[node_id], token, range(400)))
            gathering = [
                tasks.create_task(_by_sender(receiver, 3 * 400))
                for receiver in receivers
            ]
            for a, b in itertools.combinations(range(4), 2):
                await settle(30)
                await boards.cut(a, b)
        for node_id, gathered in enumerate(gathering):
            others = [other for other in range(4) if other != node_id]
            assert gathered.result() == {each: list(range(400)) for each in others}


@pytest.mark.parametrize("loopback", [False, True])
async def test_a_node_hears_itself_if_it_wants(
    cluster: ClusterFactory, loopback: bool
) -> None:
    """G16: a token says whether the sender's own node is among those that receive."""
    async with cluster() as boards:
        token = Token("mirror", str, loopback=loopback)
        here, there = boards[0].broadcast_rx(token), boards[1].broadcast_rx(token)
        async with boards[0].broadcast_tx(token) as producer:
            await producer.send("hello")
            await producer.flush(PATIENCE_S)
            assert await take(there, 1) == ["hello"]
            if loopback:
                assert await take(here, 1) == ["hello"]
            with pytest.raises(comm.WouldBlock):
                here.receive_nowait()


async def test_all_members_of_a_fanout_see_one_sequence(
    cluster: ClusterFactory,
) -> None:
    """G16: all receivers of one fan-out get every item, of several senders, in the
    same order, even if one of them is read long after the others."""
    async with cluster(nodes=4) as boards:
        token = Token("fan", int)
        fanout = boards[0].broadcast_rx(token).fanout()
        members = [fanout.attach() for _ in range(10)]
        async with asyncio.TaskGroup() as tasks:
            for node_id in (1, 2, 3):
                tasks.create_task(_broadcast(boards[node_id], token, range(100)))
            gathering = [tasks.create_task(_deliveries(m, 300)) for m in members[1:]]
        late = await _deliveries(members[0], 300)
        assert sorted(item for _, item in late) == sorted([*range(100)] * 3)
        for gathered in gathering:
            assert gathered.result() == late


async def test_a_slow_member_holds_back_the_senders(cluster: ClusterFactory) -> None:
    """G16: a fan-out never outgrows the window: a member that takes nothing makes the
    sender wait, and is not skipped; closing it sets the others free."""
    async with cluster(config=TIGHT) as boards:
        token = Token("slow", int)
        fanout = boards[1].broadcast_rx(token).fanout()
        quick, slow = fanout.attach(), fanout.attach()
        producer = boards[0].broadcast_tx(token)
        sending = asyncio.create_task(producer.send_many(range(5000)))
        taken = await take(quick, 100)
        await eventually(lambda: producer.statistics().credit_bytes <= 0)
        assert not sending.done()
        assert await take(slow, 50) == list(range(50))
        slow.close()
        taken += await take(quick, 4900)
        assert taken == list(range(5000))
        await sending
        await producer.aclose()


async def test_a_second_receiver_of_a_token_is_refused(
    cluster: ClusterFactory,
) -> None:
    """G16: one node has one receiver of a token, `fanout` being the way to have more;
    a second `broadcast_rx` raises, whatever the first one has become."""
    async with cluster(nodes=1) as boards:
        token = Token("single", int)
        receiver = boards[0].broadcast_rx(token)
        with pytest.raises(comm.UsageError, match="single"):
            boards[0].broadcast_rx(token)
        receiver.close()


async def test_a_dead_node_delays_senders_until_it_is_lost(
    cluster: ClusterFactory,
) -> None:
    """G16: a node that died holds back a broadcast until it is declared lost; then a
    report names that node alone, the others get everything, and nothing is skipped."""
    config = replace(LOSSY, window_bytes=1000, chunk_bytes=500)
    async with cluster(nodes=4, config=config) as boards, asyncio.TaskGroup() as tasks:
        token = Token("steady", int)
        receivers = {i: boards[i].broadcast_rx(token) for i in (1, 2, 3)}
        producer = boards[0].broadcast_tx(token)
        await producer.send(0)
        for receiver in receivers.values():
            assert await take(receiver, 1) == [0]
        await producer.flush(PATIENCE_S)
        await boards.kill(3)
        sending = tasks.create_task(producer.send_many(range(1, 3000)))
        gathering = [tasks.create_task(take(receivers[i], 2999)) for i in (1, 2)]
        await eventually(lambda: producer.statistics().credit_bytes <= 0)
        assert not sending.done()
        report = await boards.event(0, LossReport)
        assert (report.node_id, report.channel) == (3, token.channel)
        assert report.first_sequence == 1
        for gathered in gathering:
            assert await gathered == list(range(1, 3000))
        with pytest.raises(comm.PeerLost):
            await producer.flush(PATIENCE_S)
        await producer.flush(PATIENCE_S)
        assert {each.node_id for each in boards.events(0, LossReport)} == {3}
        await producer.aclose()


async def test_a_node_that_is_back_gets_what_is_sent_from_then_on(
    cluster: ClusterFactory,
) -> None:
    """G16: after a node has restarted, its new receiver gets a gapless run of each
    sender's items, beginning no later than when the sender learnt of the restart."""
    async with cluster(nodes=3, config=LOSSY) as boards:
        token = Token("again", int)
        other = boards[1].broadcast_rx(token)
        gone = boards[2].broadcast_rx(token)
        producer = boards[0].broadcast_tx(token)
        await producer.send_many(range(10))
        assert await take(gone, 10) == list(range(10))
        await boards.restart(2)
        receiver = boards[2].broadcast_rx(token)
        await _ignore_losses(producer.send(10))
        await boards[0].rendezvous(PATIENCE_S)
        await boards.event(0, PeerRestarted, node_id=2)
        for number in range(11, 50):
            await _ignore_losses(producer.send(number))
        received = [await receiver.receive()]
        assert received[0] <= 11
        while received[-1] != 49:
            received += await take(receiver, 1)
        assert received == list(range(received[0], 50))
        assert await take(other, 50) == list(range(50))
        producer.abort()


async def test_an_outage_within_the_window_is_no_loss(cluster: ClusterFactory) -> None:
    """G16: a node that is unreachable for less than the window gets everything, and
    nobody hears of a loss."""
    async with cluster(nodes=3, config=TIGHT) as boards, asyncio.TaskGroup() as tasks:
        token = Token("bridged", int)
        receivers = [boards[i].broadcast_rx(token) for i in (1, 2)]
        tasks.create_task(_broadcast(boards[0], token, range(2000)))
        gathering = [tasks.create_task(take(each, 2000)) for each in receivers]
        boards.stall(0, 2)
        await settle(50)
        await boards.cut(0, 1)
        boards.resume(0, 2)
        for gathered in gathering:
            assert await gathered == list(range(2000))
        assert not boards.events(0, LossReport)


async def test_several_senders_of_one_token_on_one_node(
    cluster: ClusterFactory,
) -> None:
    """G16: each call of `broadcast_tx` makes a sender of its own, told apart by
    `receive_from`."""
    async with cluster() as boards:
        token = Token("twins", int)
        receiver = boards[1].broadcast_rx(token)
        async with (
            boards[0].broadcast_tx(token) as first,
            boards[0].broadcast_tx(token) as second,
        ):
            for number in range(50):
                await first.send(number)
                await second.send(number)
            runs: dict[int, list[int]] = {}
            for _ in range(100):
                delivery = await receiver.receive_from()
                assert delivery.node_id == 0
                assert delivery.sequence == delivery.item
                runs.setdefault(delivery.producer, []).append(delivery.item)
        assert list(runs.values()) == [list(range(50))] * 2


async def _broadcast(switchboard: Any, token: Token[int], items: range) -> None:
    async with switchboard.broadcast_tx(token) as producer:
        for item in items:
            await producer.send(item)
        await producer.flush(PATIENCE_S)


async def _by_sender(receiver: Any, count: int) -> dict[int, list[int]]:
    items: dict[int, list[int]] = {}
    async with asyncio.timeout(PATIENCE_S):
        for _ in range(count):
            delivery = await receiver.receive_from()
            items.setdefault(delivery.node_id, []).append(delivery.item)
    return items


async def _deliveries(receiver: Any, count: int) -> list[tuple[int, int]]:
    async with asyncio.timeout(PATIENCE_S):
        return [
            ((delivery := await receiver.receive_from()).node_id, delivery.item)
            for _ in range(count)
        ]


async def _ignore_losses(sending: Any) -> None:
    """Awaits a send that may say what an earlier one has lost."""
    try:
        await sending
    except comm.BrokenError:
        return
