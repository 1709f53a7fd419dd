"""Faults of the ways between hosts: what each does, and when it ends."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from comm.events import PeerDown
from comm.sim import MachineCluster
from comm.sim.faults import (
    Bridge,
    Clog,
    Delay,
    Fault,
    Fragment,
    Isolate,
    Lose,
    OneWay,
    Partition,
    ShrinkBuffers,
    SwizzleClog,
    Throttle,
)
from comm.sim.network import Conditions, Latency
from comm.sim.world import MS, SECOND
from tests.sim.machines import afflict, channel, lines, link_to, told, transfer


@pytest.fixture(name="cluster")
def _cluster() -> Iterator[MachineCluster]:
    with MachineCluster(3, records=True) as cluster:
        cluster.meet()
        cluster.run(1.0)
        yield cluster


def reach(cluster: MachineCluster) -> list[tuple[int, int]]:
    """Returns who can send to whom."""
    size = len(cluster)
    return [
        (a, b)
        for a in range(size)
        for b in range(size)
        if a != b and cluster.network.path(a, b).is_open
    ]


def all_ways(size: int) -> list[tuple[int, int]]:
    return [(a, b) for a in range(size) for b in range(size) if a != b]


BLOCKS: list[tuple[type[Fault], dict[str, Any], set[tuple[int, int]]]] = [
    (Partition, {"left": (0,)}, {(0, 1), (1, 0), (0, 2), (2, 0)}),
    (Partition, {"left": (4, 1)}, {(0, 1), (1, 0), (1, 2), (2, 1)}),
    (Partition, {"left": ()}, set()),
    (Partition, {"left": (0, 1, 2)}, set()),
    (Isolate, {"node": 2}, {(0, 2), (2, 0), (1, 2), (2, 1)}),
    (Isolate, {"node": -3}, {(0, 1), (1, 0), (0, 2), (2, 0)}),
    (OneWay, {"source": 1, "target": 0}, {(1, 0)}),
    (OneWay, {"source": 1, "target": 4}, set()),
    (Bridge, {"node": 1}, {(0, 2), (2, 0)}),
    (Bridge, {"node": 0}, set()),
]


@pytest.mark.parametrize(("kind", "fields", "closed"), BLOCKS)
def test_blocks_close_the_ways_that_they_name(
    cluster: MachineCluster,
    kind: type[Fault],
    fields: dict[str, Any],
    closed: set[tuple[int, int]],
) -> None:
    """Partition, Isolate, OneWay, Bridge: exactly the ways that the kind is about are
    closed, for exactly as long, and it has met with something if there are any."""
    injector = afflict(cluster, kind, for_ns=2 * SECOND, **fields)
    assert set(all_ways(3)) - set(reach(cluster)) == closed
    cluster.run(1.999)
    assert set(all_ways(3)) - set(reach(cluster)) == closed
    assert injector.fired == ({kind.__name__: 1} if closed else {})
    cluster.run(0.001)
    assert reach(cluster) == all_ways(3)
    assert all(not path.is_blocked for path in cluster.network.paths)


@pytest.mark.parametrize("size", [1, 2, 5, 6])
def test_bridge_leaves_one_node_between(size: int) -> None:
    """Bridge: whoever is below the node in the middle reaches whoever is above it over
    that node alone."""
    with MachineCluster(size, oracles=False) as cluster:
        injector = afflict(cluster, Bridge, node=2, for_ns=SECOND)
        middle = 2 % size
        assert reach(cluster) == [
            (a, b) for a, b in all_ways(size) if not min(a, b) < middle < max(a, b)
        ]
        assert bool(injector.fired) == (0 < middle < size - 1)


def test_partition_keeps_its_parts_apart(cluster: MachineCluster) -> None:
    """Partition: nothing comes from the other part, all comes within a part, and what
    waited comes when it is over."""
    apart, together = channel(cluster, 1, 0), channel(cluster, 2, 1)
    afflict(cluster, Partition, left=(0,), for_ns=10 * SECOND)
    apart[0].offer(5, 20)
    transfer(cluster, *together, count=5)
    cluster.run(9.0)
    assert apart[1].received == 0
    assert [event.node_id for event in told(cluster[0], PeerDown)] == [1, 2]
    cluster.run_until(lambda: apart[1].received == 5)


def test_isolate_cuts_one_node_off(cluster: MachineCluster) -> None:
    """Isolate: the node hears nobody and is heard by nobody; the others go on."""
    source, sink = channel(cluster, 1, 0)
    afflict(cluster, Isolate, node=2, for_ns=10 * SECOND)
    cluster.run(9.0)
    transfer(cluster, source, sink, count=5)
    lost = [[event.node_id for event in told(n, PeerDown)] for n in cluster.live]
    assert lost == [[2], [2], [0, 1]]


def test_one_way_lets_the_other_direction_pass(cluster: MachineCluster) -> None:
    """OneWay: who is not heard still hears, bytes and all."""
    forth, back = channel(cluster, 0, 1), channel(cluster, 1, 0)
    afflict(cluster, OneWay, source=0, target=1, for_ns=4 * SECOND)
    forth[0].offer(5, 20)
    transfer(cluster, *back, count=5)
    cluster.run(3.0)
    assert forth[1].received == 0
    cluster.run_until(lambda: forth[1].received == 5)


def test_clog_holds_up_and_loses_nothing(cluster: MachineCluster) -> None:
    """Clog: nothing comes that way as long as it lasts, and then all of it at once:
    it was not lost, so that nobody has to send it again."""
    source, sink = channel(cluster, 1, 0)
    injector = afflict(cluster, Clog, source=1, target=0, for_ns=3 * SECOND)
    assert reach(cluster) == [way for way in all_ways(3) if way != (1, 0)]
    source.offer(5, 20)
    cluster.run(2.999)
    assert sink.received == 0
    cluster.run(0.001)
    assert sink.received == 5
    assert injector.fired == {"Clog": 1}


def test_clog_of_no_way(cluster: MachineCluster) -> None:
    """Clog: from a node to itself there is no way to clog."""
    assert afflict(cluster, Clog, source=1, target=4, for_ns=SECOND).fired == {}
    assert all(path.is_open for path in cluster.network.paths)
    cluster.run(2.0)
    assert list(Clog(at_ns=0, source=1, target=4).disturbs(3)) == []


def clogged(cluster: MachineCluster) -> list[int]:
    """Returns the nodes all of whose ways are clogged."""
    open_ways = reach(cluster)
    return [n for n in range(len(cluster)) if not any(n in way for way in open_ways)]


def test_swizzle_clog_frees_in_the_opposite_order() -> None:
    """SwizzleClog: the nodes are clogged one after the other, in the order given, and
    freed in the opposite one; at its end all are free. A node named twice counts
    once."""
    with MachineCluster(5, oracles=False) as cluster:
        order = (3, 0, 8, 1)  # 8 is 3 again.
        injector = afflict(cluster, SwizzleClog, order=order, for_ns=6 * SECOND)
        seen = []
        for _ in range(7):
            seen.append(clogged(cluster))
            cluster.run(1.0)
        assert seen == [[3], [0, 3], [0, 1, 3], [0, 3], [3], [], []]
        assert injector.fired == {"SwizzleClog": 1}


@pytest.mark.parametrize("stopped_s", [0.5, 1.5, 2.5, 3.5, 5.5])
def test_swizzle_clog_ends_with_its_plan(stopped_s: float) -> None:
    """SwizzleClog: when faults are stopped early, what is clogged is freed at once, and
    nothing is clogged, or freed once more, afterwards."""
    with MachineCluster(4, oracles=False) as cluster:
        order = (0, 1, 2)
        injector = afflict(cluster, SwizzleClog, order=order, for_ns=6 * SECOND)
        cluster.run(stopped_s)
        injector.stop()
        for _ in range(14):
            assert reach(cluster) == all_ways(4)
            cluster.run(0.5)
        cluster.network.path(0, 1).clog()
        assert not cluster.network.path(0, 1).is_open


@pytest.mark.parametrize(("size", "order"), [(1, (0,)), (3, ())])
def test_swizzle_clog_of_nobody(size: int, order: tuple[int, ...]) -> None:
    """SwizzleClog: without nodes, or without others, there is nothing to clog."""
    with MachineCluster(size) as cluster:
        injector = afflict(cluster, SwizzleClog, order=order, for_ns=SECOND)
        cluster.run(2.0)
        assert injector.fired == {}


def duration_s(cluster: MachineCluster, size: int) -> float:
    """Returns how long an item takes from node 1 to node 0."""
    source, sink = channel(cluster, 1, 0)
    cluster.run(1.0)
    begun_s = cluster.now_s
    source.offer(1, size)
    cluster.run_until(lambda: sink.received == 1)
    return cluster.now_s - begun_s


def test_delay_lets_bytes_take_longer(cluster: MachineCluster) -> None:
    """Delay: what is sent takes the time given, as long as it lasts."""
    assert duration_s(cluster, 20) < 0.01
    injector = afflict(cluster, Delay, base_ns=300 * MS, for_ns=5 * SECOND, node=0)
    assert 0.3 <= duration_s(cluster, 20) < 0.31
    assert injector.fired == {"Delay": 1}
    cluster.run(5.0)
    assert duration_s(cluster, 20) < 0.01


def test_lose_has_packets_sent_again(cluster: MachineCluster) -> None:
    """Lose: packets are lost, so that they come after they were sent once more, and
    nothing that was lost is missing."""
    injector = afflict(cluster, Lose, permille=500, for_ns=90 * SECOND)
    source, sink = channel(cluster, 1, 0)
    begun_s = cluster.now_s
    transfer(cluster, source, sink, count=20)
    assert cluster.now_s - begun_s > 0.2
    assert injector.fired == {"Lose": 1}


def test_throttle_lets_less_through(cluster: MachineCluster) -> None:
    """Throttle: bytes take as long as the bandwidth says."""
    injector = afflict(cluster, Throttle, bytes_per_s=10_000, for_ns=6 * SECOND)
    assert 2.0 <= duration_s(cluster, 20_000) < 2.5
    assert injector.fired == {"Throttle": 1}
    cluster.run(6.0)
    assert duration_s(cluster, 20_000) < 0.01


def test_fragment_cuts_reads(cluster: MachineCluster) -> None:
    """Fragment: what has come at once is read in pieces, as long as it lasts."""
    source, sink = channel(cluster, 1, 0)

    def reads() -> int:
        before = len(lines(cluster, "host0.0"))
        transfer(cluster, source, sink, count=1)
        new = lines(cluster, "host0.0")[before:]
        return sum(text.startswith("data") for text in new)

    assert reads() == 1
    injector = afflict(cluster, Fragment, permille=1000, for_ns=SECOND)
    assert reads() > 2
    assert injector.fired == {"Fragment": 1}
    cluster.run(1.0)
    assert reads() == 1


WORSE: list[tuple[type[Fault], dict[str, Any], Conditions]] = [
    (
        Delay,
        {"base_ns": 5, "spread_ns": 6, "shape": "exponential"},
        Conditions(latency=Latency(base_ns=5, spread_ns=6, shape="exponential")),
    ),
    (Delay, {"base_ns": 5}, Conditions(latency=Latency(base_ns=5))),
    (Lose, {"permille": 3}, Conditions(loss_permille=3)),
    (Throttle, {"bytes_per_s": 9}, Conditions(bytes_per_s=9)),
    (Fragment, {"permille": 8}, Conditions(fragment_permille=8)),
]


@pytest.mark.parametrize(("kind", "fields", "conditions"), WORSE)
@pytest.mark.parametrize("node", [None, 1, 4])
def test_worse_conditions_are_those_of_the_ways_named(
    kind: type[Fault], fields: dict[str, Any], conditions: Conditions, node: int | None
) -> None:
    """Delay, Lose, Throttle, Fragment: one thing is worse, on all ways to and from
    the node, or on all ways if no node is given, and on no other."""
    with MachineCluster(3, oracles=False) as cluster:
        injector = afflict(cluster, kind, for_ns=SECOND, node=node, **fields)
        assert injector.fired == {kind.__name__: 1}
        for (a, b), path in cluster.network.ways:
            is_meant = node is None or 1 in {a, b}
            assert path.conditions == (conditions if is_meant else Conditions())
        cluster.run(1.0)
        assert {path.conditions for path in cluster.network.paths} == {Conditions()}


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        (Lose, {"permille": 0}),
        (Fragment, {"permille": 0}),
        (Delay, {"base_ns": 100_000}),
    ],
)
def test_what_is_as_bad_already_is_not_made_worse(
    kind: type[Fault], fields: dict[str, Any]
) -> None:
    """A fault that leaves all ways as they were has met with nothing."""
    with MachineCluster(3, oracles=False) as cluster:
        assert afflict(cluster, kind, **fields).fired == {}


def test_shrink_buffers_concerns_new_connections(cluster: MachineCluster) -> None:
    """ShrinkBuffers: connections that are made meanwhile hold no more than that; those
    that stand already, and those that are made later, hold what they hold."""
    source, sink = channel(cluster, 1, 0)

    def held() -> int:
        sink.received = 0
        source.offer(1, 30_000)
        left = link_to(cluster[1], 0).held_bytes
        cluster.run_until(lambda: sink.received == 1)
        return left

    fields = {"send_bytes": 1000, "receive_bytes": 4000}
    injector = afflict(cluster, ShrinkBuffers, for_ns=5 * SECOND, **fields)
    assert injector.fired == {"ShrinkBuffers": 1}
    assert held() == 0
    cluster.cut(0, 1)
    cluster.run(1.0)
    assert held() > 28_000
    cluster.run(5.0)
    cluster.cut(0, 1)
    cluster.run(1.0)
    assert held() == 0


def test_shrink_buffers_makes_none_larger(cluster: MachineCluster) -> None:
    """ShrinkBuffers: what is larger than usual changes nothing; each of the two sizes
    counts for itself."""
    usual = cluster.network.buffers
    large = {"send_bytes": 1 << 30, "receive_bytes": 1 << 30}
    assert afflict(cluster, ShrinkBuffers, for_ns=SECOND, **large).fired == {}
    assert cluster.network.buffers == usual
    mixed = {"send_bytes": 50, "receive_bytes": 1 << 30}
    afflict(cluster, ShrinkBuffers, for_ns=SECOND, **mixed)
    assert cluster.network.buffers.send_bytes == 50
    assert cluster.network.buffers.receive_bytes == usual.receive_bytes
