"""Faults of single connections: what each does, and to whom."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from comm.events import PeerDown
from comm.sim import MachineCluster
from comm.sim.faults import CutLink, Fault, HalfOpenLink, SilenceLink, TruncateLink
from comm.sim.world import SECOND
from tests.sim.machines import afflict, channel, link_to, told, transfer


KINDS = [CutLink, SilenceLink, HalfOpenLink]


@pytest.fixture(name="cluster")
def _cluster() -> Iterator[MachineCluster]:
    with MachineCluster(3) as cluster:
        cluster.meet()
        cluster.run(1.0)
        yield cluster


def down(cluster: MachineCluster) -> dict[int, list[int]]:
    """Returns, for each node, the nodes to which it has lost a link."""
    found = {
        node.index: [event.node_id for event in told(node, PeerDown)]
        for node in cluster.live
    }
    return {index: lost for index, lost in found.items() if lost}


def test_cut_link_resets_and_both_sides_know(cluster: MachineCluster) -> None:
    """CutLink: both nodes learn of it at once, by a reset; the others notice nothing;
    and nothing is lost by it."""
    source, sink = channel(cluster, sender=1, receiver=0)
    source.offer(50, 1000)
    injector = afflict(cluster, CutLink, a=1, b=0)
    assert down(cluster) == {0: [1], 1: [0]}
    assert told(cluster[0], PeerDown)[0].reason == "connection reset by peer"
    assert injector.fired == {"CutLink": 1}
    cluster.run_until(lambda: sink.received == 50)
    assert down(cluster) == {0: [1], 1: [0]}


def test_silence_link_tells_nobody(cluster: MachineCluster) -> None:
    """SilenceLink: neither side learns of it before it has heard nothing for too
    long; then a new connection carries what the old one did not."""
    source, sink = channel(cluster, sender=1, receiver=0)
    injector = afflict(cluster, SilenceLink, a=0, b=1)
    source.offer(5, 20)
    cluster.run(4.0)
    assert down(cluster) == {}
    assert sink.received == 0
    cluster.run_until(lambda: sink.received == 5)
    assert told(cluster[0], PeerDown)[0].reason == "silent for 6 s"
    assert injector.fired == {"SilenceLink": 1}


@pytest.mark.parametrize(("a", "b"), [(0, 1), (1, 0)])
def test_half_open_link_tells_the_first_alone(
    cluster: MachineCluster, a: int, b: int
) -> None:
    """HalfOpenLink: `a` learns of it at once. `b` does not, not even when it sends:
    there is nothing that would tell it."""
    source, sink = channel(cluster, sender=b, receiver=a)
    cluster.block(a, b)  # So that a new connection does not take its place.
    injector = afflict(cluster, HalfOpenLink, a=a, b=b)
    assert down(cluster) == {a: [b]}
    source.offer(3, 20)
    cluster.run(4.0)
    assert down(cluster) == {a: [b]}
    assert sink.received == 0
    assert injector.fired == {"HalfOpenLink": 1}
    cluster.heal()
    cluster.run_until(lambda: sink.received == 3)


@pytest.mark.parametrize("offset", [0, 1, 30, 700])
def test_truncate_link_cuts_at_an_offset(cluster: MachineCluster, offset: int) -> None:
    """TruncateLink: exactly so many bytes arrive, the connection is reset behind
    them, and what was under way comes over the next one."""
    source, sink = channel(cluster, sender=1, receiver=0)
    link = link_to(cluster[0], 1)
    received = link.received_bytes
    injector = afflict(cluster, TruncateLink, a=1, b=0, offset=offset)
    source.offer(10, 100)
    cluster.run_until(lambda: sink.received == 10)
    assert link.received_bytes == received + offset
    assert down(cluster) == {0: [1], 1: [0]}
    assert injector.fired == {"TruncateLink": 1}


def test_truncate_link_concerns_one_direction(cluster: MachineCluster) -> None:
    """TruncateLink: what the other side sends passes, and does not count; nor do bytes
    of others."""
    there, back = channel(cluster, 0, 1), channel(cluster, 2, 0)
    injector = afflict(cluster, TruncateLink, a=1, b=0, offset=2000)
    transfer(cluster, *there, count=100)
    transfer(cluster, *back, count=100)
    assert down(cluster) == {}
    assert injector.fired == {}


def test_truncate_link_waits_for_bytes(cluster: MachineCluster) -> None:
    """TruncateLink: it counts as fired once it has cut, which may be long after it was
    armed; and it is known to be a disturbance then."""
    source, sink = channel(cluster, sender=1, receiver=0)
    injector = afflict(cluster, TruncateLink, a=1, b=0, offset=900, for_ns=SECOND)
    cluster.run(4.0)
    assert injector.fired == {}
    calm_since_ns = cluster.world.now_ns - 2 * SECOND
    source.offer(40, 50)
    cluster.run(2.0)
    assert injector.fired == {"TruncateLink": 1}
    assert sink.received == 40
    longest_ns = cluster.disturbances.calm_ns((0, 1), calm_since_ns)
    assert longest_ns < cluster.world.now_ns - calm_since_ns
    assert cluster.disturbances.calm_ns((0, 2), calm_since_ns) == 4 * SECOND


@pytest.mark.parametrize("kind", KINDS)
def test_without_a_connection_nothing_is_cut(kind: type[Fault]) -> None:
    """Where there is no connection, the fault has met with nothing."""
    with MachineCluster(3) as cluster:
        assert afflict(cluster, kind, a=0, b=1).fired == {}
        cluster.meet()
        assert afflict(cluster, kind, a=0, b=1).fired == {kind.__name__: 1}


@pytest.mark.parametrize("kind", [*KINDS, TruncateLink])
def test_a_node_has_no_link_to_itself(
    cluster: MachineCluster, kind: type[Fault]
) -> None:
    """If both numbers mean the same node, nothing happens, and nothing is disturbed."""
    offset = {"offset": 0} if kind is TruncateLink else {}
    injector = afflict(cluster, kind, a=1, b=4, **offset)
    cluster.run(10.0)
    assert injector.fired == {}
    assert not cluster.tampering
    assert down(cluster) == {}
    assert cluster.disturbances.calm_ns((1, 2), 0) == cluster.world.now_ns
