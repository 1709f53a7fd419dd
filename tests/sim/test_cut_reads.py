"""Cores whose links give them bytes in whatever pieces."""

from __future__ import annotations

import pytest

from comm.events import PeerDown
from comm.sim.machine import MachineCluster
from comm.sim.network import Conditions


@pytest.mark.parametrize("read_bytes", [7, 256 << 10])
def test_cores_do_not_mind_how_reads_are_cut(read_bytes: int) -> None:
    """Each read gives only a part of what is there: the next part comes behind what
    the core does with this one, and no link breaks over it."""
    conditions = Conditions(fragment_permille=1000)
    with MachineCluster(2, seed=1, conditions=conditions) as cluster:
        for node in cluster.live:
            node.read_bytes = read_bytes
        cluster.meet()
        sink = cluster[0].open()
        assert sink.sender is not None
        source = cluster[1].connect(sink.sender)
        source.offer(count=50, size=300)
        cluster.run_until(lambda: sink.received == 50)
        downs = [e for n in cluster.live for e in n.events if isinstance(e, PeerDown)]
        assert downs == []
