"""G3: a sender made by one incarnation never reaches a later one."""

from __future__ import annotations

import pytest

import comm
from comm.events import PeerRestarted
from tests.cluster import PATIENCE_S, ClusterFactory, take, wear_out


async def test_a_sender_of_an_earlier_incarnation_is_stale(
    cluster: ClusterFactory,
) -> None:
    """G3: connecting a sender whose node has restarted raises `StaleSender`, even
    from a node that has never spoken with the earlier incarnation."""
    async with cluster(nodes=3) as boards:
        sender, _receiver = boards[0].mpsc(str)
        async with boards[1].connect(sender) as producer:
            await producer.send("to the first")
            await producer.flush(PATIENCE_S)
        await boards.restart(0)
        for node_id in (1, 2):
            with pytest.raises(comm.StaleSender) as caught:
                await boards[node_id].connect(sender)
            assert "0" in str(caught.value)


async def test_the_own_earlier_incarnation_is_stale_too(
    cluster: ClusterFactory,
) -> None:
    """G3: a restarted node that gets back a sender of its own past is refused it."""
    async with cluster(nodes=1) as boards:
        sender, _receiver = boards[0].mpsc(str)
        await boards.restart(0)
        with pytest.raises(comm.StaleSender):
            await boards[0].connect(sender)


async def test_a_connected_producer_is_cut_off_by_a_restart(
    cluster: ClusterFactory,
) -> None:
    """G3: a producer that was connected to the earlier incarnation fails; nothing it
    sends, before or after, reaches a channel of the later one."""
    async with cluster() as boards:
        sender, receiver = boards[0].mpsc(int)
        producer = await boards[1].connect(sender)
        await producer.send(1)
        assert await take(receiver, 1) == [1]
        await boards.restart(0)
        sender, receiver = boards[0].mpsc(int)
        with pytest.raises(comm.PeerRestarted):
            await wear_out(producer.send, 2)
        async with boards[1].connect(sender) as fresh:
            await fresh.send(-1)
            assert await take(receiver, 1) == [-1]
        producer.close()


async def test_peers_are_told_of_the_restart(cluster: ClusterFactory) -> None:
    """G3: an event names the incarnation that is gone and the one that took its
    place, and `peers` shows the latter."""
    async with cluster() as boards:
        await boards.rendezvous()
        old = boards[0].incarnation
        await boards.restart(0)
        await boards.rendezvous()
        event = await boards.event(1, PeerRestarted, node_id=0)
        assert (event.old, event.new) == (old, boards[0].incarnation)
        peer = boards[1].peers[0]
        assert peer is not None
        assert peer.incarnation == boards[0].incarnation


async def test_a_sender_whose_receiver_is_gone_leads_nowhere(
    cluster: ClusterFactory,
) -> None:
    """G3: within one incarnation, the sender of a receiver that was closed is refused
    by name, from the same node as from another."""
    async with cluster() as boards:
        sender, receiver = boards[0].mpsc(str)
        receiver.close()
        for node_id in (0, 1):
            with pytest.raises(comm.ReceiverClosed):
                await boards[node_id].connect(sender)
