"""G11 and G18: rendezvous explains itself, and a node id has one owner."""

from __future__ import annotations

import asyncio

import pytest

import comm
from comm.events import LossReport, PeerDown
from tests.cluster import PATIENCE_S, STEADY, ClusterFactory, pour, take


async def test_all_nodes_meet(cluster: ClusterFactory) -> None:
    """G11: `rendezvous` returns the peers in node order, None for the own node, each
    with its address and the incarnation that really runs there."""
    async with cluster(nodes=5) as boards:
        await boards.rendezvous()
        for board in boards:
            peers = await board.rendezvous(PATIENCE_S)
            assert len(peers) == board.size == 5
            for node_id, peer in enumerate(peers):
                if node_id == board.node_id:
                    assert peer is None
                    continue
                assert peer is not None
                assert peer.node_id == node_id
                assert str(peer.address) == boards.wire.nodes[node_id]
                assert peer.incarnation == boards[node_id].incarnation


async def test_a_cluster_of_one_has_met(cluster: ClusterFactory) -> None:
    """G11: a single node need not wait for anybody."""
    async with cluster(nodes=1) as boards:
        assert await boards[0].rendezvous(0) == (None,)


async def test_late_nodes_are_waited_for(cluster: ClusterFactory) -> None:
    """G11: without a time-out, `rendezvous` waits until the last node is there, in
    whatever order they start."""
    async with cluster(nodes=3, start=[2]) as boards:
        waiting = asyncio.create_task(boards[2].rendezvous())
        await boards.start(0)
        sender, _receiver = boards[2].mpsc(int)
        await pour(boards[0], sender, [])
        assert not waiting.done()
        await boards.start(1)
        async with asyncio.timeout(PATIENCE_S):
            await waiting


async def test_rendezvous_can_be_cancelled_and_repeated(
    cluster: ClusterFactory,
) -> None:
    """G11: `asyncio.timeout` around `rendezvous` gives up cleanly; a later call meets
    the nodes that have come since."""
    async with cluster(nodes=2, start=[0]) as boards:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(boards[0].rendezvous(), 0.05)
        await boards.start(1)
        await boards[0].rendezvous(PATIENCE_S)


async def test_an_absent_node_is_refused(cluster: ClusterFactory) -> None:
    """G11: for a node at whose address nobody listens, the error's cause says so."""
    async with cluster(nodes=3, start=[0, 2]) as boards:
        with pytest.raises(comm.RendezvousError) as caught:
            await boards[0].rendezvous(0.3)
        assert isinstance(caught.value, TimeoutError)
        assert list(caught.value.missing) == [1]
        assert "refused" in str(caught.value.missing[1]) or "nobody" in str(
            caught.value.missing[1]
        )
        assert boards.wire.nodes[1] in str(caught.value)


async def test_a_silent_node_is_called_silent(cluster: ClusterFactory) -> None:
    """G11: a node that takes the connection and never answers is told apart from one
    that refuses it."""
    async with cluster() as boards:
        boards.stall(0, 1)
        with pytest.raises(comm.RendezvousError, match="silent") as caught:
            await boards[0].rendezvous(1.5)
        assert list(caught.value.missing) == [1]


async def test_an_unknown_host_is_called_so(cluster: ClusterFactory) -> None:
    """G11: an address whose name cannot be resolved is told apart, too; all the
    others are met all the same."""
    async with cluster(nodes=1, start=[]) as boards:
        nodes = [*boards.wire.nodes, "no-such-host.invalid:7000"]
        switchboard = comm.Switchboard(
            nodes, 0, listen=False, security=comm.Security.insecure()
        )
        async with switchboard:
            with pytest.raises(comm.RendezvousError, match="name resolution") as caught:
                await switchboard.rendezvous(0.5)
        assert list(caught.value.missing) == [1]


async def test_another_cluster_is_refused_with_both_names(
    cluster: ClusterFactory,
) -> None:
    """G11: a node of another cluster at the address is `ClusterMismatch` on both
    sides, and both names are in the message."""
    async with cluster(start=[0]) as boards:
        await boards.start(1, cluster="elsewhere")
        for node_id in (0, 1):
            with pytest.raises(comm.RendezvousError) as caught:
                await boards[node_id].rendezvous(0.3)
            cause = caught.value.missing[1 - node_id]
            assert isinstance(cause, comm.ClusterMismatch)
            assert "elsewhere" in str(cause)


async def test_another_list_of_nodes_is_refused(cluster: ClusterFactory) -> None:
    """G11: two nodes that were given different lists never talk past each other."""
    async with cluster(start=[0]) as boards:
        await boards.start(1, nodes=[*boards.wire.nodes, "localhost:9999"])
        with pytest.raises(comm.RendezvousError) as caught:
            await boards[0].rendezvous(0.3)
        assert isinstance(caught.value.missing[1], comm.ClusterMismatch)
        assert "list" in str(caught.value.missing[1])


async def test_a_wrong_node_at_an_address_is_refused(cluster: ClusterFactory) -> None:
    """G11: a node that answers at another node's address is not taken for it."""
    async with cluster(nodes=3, start=[0]) as boards:
        await boards.start(1, nodes=boards.wire.nodes)
        nodes = list(boards.wire.nodes)
        nodes[1], nodes[2] = nodes[2], nodes[1]
        stray = boards.make(0, nodes=nodes)
        async with stray:
            with pytest.raises(comm.RendezvousError) as caught:
                await stray.rendezvous(0.3)
        assert isinstance(caught.value.missing[2], comm.HandshakeError)


async def test_another_version_is_refused(
    cluster: ClusterFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """G11: nodes without a version of the protocol in common tell each other so."""
    async with cluster() as boards:
        for name in ("VERSION_MIN", "VERSION_MAX"):
            monkeypatch.setattr(f"comm.peer.membership.{name}", 9)
        with pytest.raises(comm.RendezvousError) as caught:
            await boards[0].rendezvous(0.3)
        assert isinstance(caught.value.missing[1], comm.VersionMismatch)
        assert "9" in str(caught.value.missing[1])


async def test_the_message_lists_all_who_are_missing(cluster: ClusterFactory) -> None:
    """G11: one error names every missing node, each with its own cause."""
    async with cluster(nodes=4, start=[0, 3]) as boards:
        await boards.start(2, cluster="elsewhere")
        with pytest.raises(comm.RendezvousError) as caught:
            await boards[0].rendezvous(0.3)
        assert list(caught.value.missing) == [1, 2]
        for node_id in (1, 2):
            assert f"node {node_id}" in str(caught.value)


async def test_a_second_owner_of_an_id_is_refused(cluster: ClusterFactory) -> None:
    """G18: a process that claims the id of a live node is refused, and its rendezvous
    says why; the live node keeps its links and all its traffic."""
    async with cluster(nodes=3, config=STEADY) as boards:
        await boards.rendezvous()
        sender, receiver = boards[1].mpsc(int)
        async with boards[0].connect(sender) as producer:
            await producer.send(1)
            rival = await boards.start_rival(1)
            causes: list[Exception] = []
            async with asyncio.timeout(PATIENCE_S):
                # It has met neither of them, and in time has been refused by both.
                while {type(cause) for cause in causes} != {comm.DuplicateNode}:
                    with pytest.raises(comm.RendezvousError) as caught:
                        await rival.rendezvous(0.1)
                    assert set(caught.value.missing) == {0, 2}
                    causes = list(caught.value.missing.values())
            await producer.send(2)
            await producer.flush(PATIENCE_S)
            assert await take(receiver, 2) == [1, 2]
        for node_id in (0, 2):
            peer = boards[node_id].peers[1]
            assert peer is not None
            assert peer.incarnation == boards[1].incarnation
            assert not boards.events(node_id, PeerDown, node_id=1)
            assert not boards.events(node_id, LossReport)


async def test_an_id_whose_owner_is_gone_is_free(cluster: ClusterFactory) -> None:
    """G18: a new process takes over the id of one that no longer answers, even while
    the links of the old one still seem to stand."""
    async with cluster(nodes=2) as boards:
        await boards.rendezvous()
        old = boards[1].incarnation
        boards.stall(0, 1)
        await boards.kill(1)
        boards.resume(0, 1)
        await boards.start(1)
        await boards[1].rendezvous(PATIENCE_S)
        await boards[0].rendezvous(PATIENCE_S)
        peer = boards[0].peers[1]
        assert peer is not None
        assert peer.incarnation == boards[1].incarnation != old
