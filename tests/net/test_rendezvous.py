"""What `rendezvous` says, in its error and in the log, about who is missing."""

from __future__ import annotations

import asyncio

import pytest

import comm
from comm import Switchboard
from comm.net import MemoryNetwork, rendezvous
from tests.cluster import FAST, PATIENCE_S, eventually
from tests.net.conftest import Boards


async def test_the_error_names_each_node_once(boards: Boards) -> None:
    """On time-out each missing node is named, once, with its address and the last
    thing that kept it away; those that were met are not."""
    network = MemoryNetwork()
    async with boards(nodes=4, network=network) as (near, _, away, refusing):
        await near.rendezvous(PATIENCE_S)
        nodes = near.nodes
        for board in (near, away, refusing):
            await board.aclose()
        stranger = Switchboard(nodes, 3, cluster="elsewhere", network=network)
        again = Switchboard(nodes, 0, network=network, config=FAST)
        async with stranger, again:
            with pytest.raises(comm.RendezvousError) as caught:
                await again.rendezvous(0.3)
        text = str(caught.value)
        assert list(caught.value.missing) == [2, 3]
        assert text.startswith("node 0: 2 of 3 other nodes were not met within 0.3 s")
        assert text.count(str(nodes[2])) == text.count("refused") == 1
        assert text.count(str(nodes[3])) == text.count("'elsewhere'") == 1
        assert str(nodes[1]) not in text


async def test_the_log_reminds_of_who_is_missing(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A rendezvous without end says in the log again and again who is missing, but
    does not name them all."""
    monkeypatch.setattr(rendezvous, "_REMINDER_S", 0.01)
    nodes = [f"localhost:{port}" for port in range(1, 21)]
    async with Switchboard(nodes, 0, network=MemoryNetwork(), config=FAST) as board:
        task = asyncio.create_task(board.rendezvous())
        await eventually(lambda: len(caplog.messages) >= 2)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert "node 0 still waits for node 1 (localhost:2): " in caplog.messages[0]
    assert caplog.messages[0].endswith("; and 14 more")


async def test_a_rendezvous_ends_with_the_switchboard(boards: Boards) -> None:
    """Closing the switchboard ends a rendezvous at once, and not as a time-out."""
    async with boards(nodes=2) as (near, far):
        await far.aclose()
        task = asyncio.create_task(near.rendezvous(PATIENCE_S))
        await asyncio.sleep(0)
        await near.aclose()
        with pytest.raises(comm.ClosedError):
            await task
