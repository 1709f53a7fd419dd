"""How a cluster's nodes are kept from hearing one another, and how that ends."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from comm.events import PeerDown
from comm.sim import MachineCluster
from comm.sim.faults import Isolate
from comm.sim.world import SECOND
from tests.sim.machines import afflict, channel, lines, link_to, told, transfer


@pytest.fixture(name="cluster")
def _cluster() -> Iterator[MachineCluster]:
    with MachineCluster(4, records=True) as cluster:
        cluster.meet()
        cluster.run(1.0)
        yield cluster


def down(cluster: MachineCluster) -> list[tuple[int, int]]:
    """Returns who has lost a link to whom."""
    return [
        (node.index, event.node_id)
        for node in cluster.live
        for event in told(node, PeerDown)
    ]


def test_a_reset_is_known_to_both(cluster: MachineCluster) -> None:
    """Both ends learn at once that the connection is gone, and make another one."""
    assert cluster.cut(0, 1) == 1
    cluster.run(0.0)
    assert down(cluster) == [(0, 1), (1, 0)]
    cluster.run(1.0)
    assert link_to(cluster[0], 1).is_known
    assert "cut 0 1 reset" in lines(cluster, "network")


def test_a_silent_cut_is_known_to_nobody(cluster: MachineCluster) -> None:
    """Neither end is told, and neither is heard any more."""
    assert cluster.cut(0, 1, "silent") == 1
    heard = [link_to(cluster[a], b).received_bytes for a, b in ((0, 1), (1, 0))]
    cluster.run(4.9)
    now = [link_to(cluster[a], b).received_bytes for a, b in ((0, 1), (1, 0))]
    assert now == heard
    assert down(cluster) == []


@pytest.mark.parametrize(("first", "second"), [(0, 1), (1, 0)])
def test_a_half_cut_is_known_to_the_first(
    cluster: MachineCluster, first: int, second: int
) -> None:
    """The first node is told, and the second one is not."""
    assert cluster.cut(first, second, "half") == 1
    cluster.run(0.0)
    assert down(cluster) == [(first, second)]


def test_each_connection_between_two_nodes_is_cut(cluster: MachineCluster) -> None:
    """It says how many there were: none once one side was killed, and two where one
    that is half open has a successor on its way."""
    cluster.cut(0, 1, "half")
    cluster.run(0.1002)
    assert cluster.cut(0, 1) == 2
    cluster.crash(3, dark=False)
    cluster.run(1.0)
    assert cluster.cut(0, 3) == 0


def test_there_are_three_ways_to_cut(cluster: MachineCluster) -> None:
    """Another way is refused by name, and cuts nothing."""
    with pytest.raises(ValueError, match="'slowly' is no way to cut"):
        cluster.cut(0, 1, "slowly")
    cluster.run(1.0)
    assert down(cluster) == []


def test_a_block_is_one_way(cluster: MachineCluster) -> None:
    """Nothing comes from the one to the other; what the other sends comes."""
    forth, back = channel(cluster, 0, 1), channel(cluster, 1, 0)
    cluster.block(0, 1)
    forth[0].offer(3, 20)
    transfer(cluster, *back, count=3)
    cluster.run(2.0)
    assert forth[1].received == 0
    cluster.heal()
    cluster.run_until(lambda: forth[1].received == 3)


def test_a_partition_parts_groups(cluster: MachineCluster) -> None:
    """Nodes of different groups do not hear one another, those of one group do, and
    whoever is in no group hears everybody."""
    cluster.partition([0], (1,), iter([2]))
    closed = [
        (a, b)
        for a in range(4)
        for b in range(4)
        if not cluster.network.path(a, b).is_open
    ]
    assert closed == [(0, 1), (0, 2), (1, 0), (1, 2), (2, 0), (2, 1)]
    cluster.heal()
    cluster.partition([0, 3], [1, 2])
    inside, across = channel(cluster, 0, 3), cluster[1].open()
    transfer(cluster, *inside, count=3)
    cluster.run(10.0)
    assert (0, 3) not in down(cluster)
    assert (0, 1) in down(cluster)
    assert across.received == 0
    cluster.heal()
    cluster.run(10.0)
    assert all(path.is_open for path in cluster.network.paths)
    assert link_to(cluster[0], 1).is_known


def test_healing_takes_blocks_back_and_no_fault(cluster: MachineCluster) -> None:
    """What a fault has closed stays closed until the fault ends, and is open then: a
    block and a fault of the same way do not undo one another."""
    afflict(cluster, Isolate, node=0, for_ns=5 * SECOND)
    cluster.partition([0], [1])
    cluster.heal()
    assert not cluster.network.path(0, 1).is_open
    cluster.block(0, 1)
    cluster.run(5.0)
    assert not cluster.network.path(0, 1).is_open
    assert cluster.network.path(1, 0).is_open
    cluster.heal()
    assert cluster.network.path(0, 1).is_open
    cluster.heal()
    cluster.block(0, 1)
    assert not cluster.network.path(0, 1).is_open


def test_a_block_is_a_disturbance_until_it_is_healed(cluster: MachineCluster) -> None:
    """Two nodes that do not hear one another are known to be apart, from the first
    block to the healing; a cut is known as a moment."""
    start_ns = cluster.world.now_ns
    cluster.block(2, 0)
    cluster.run(2.0)
    cluster.block(0, 2)
    cluster.run(3.0)
    cluster.heal()
    cluster.run(4.0)
    cluster.cut(2, 0)
    cluster.cut(1, 0)
    cluster.run(1.0)
    calm = cluster.disturbances
    assert calm.calm_ns((0, 2), start_ns) == 4 * SECOND
    assert calm.calm_ns((0, 1), start_ns) == 9 * SECOND
    assert calm.calm_ns((1, 2), start_ns) == 10 * SECOND
    assert lines(cluster, "network")[:3] == ["block 2 0", "block 0 2", "heal"]
