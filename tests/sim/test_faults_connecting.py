"""Faults that befall connections while they are made."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from comm.config import Config
from comm.sim import MachineCluster
from comm.sim.faults import (
    FailNames,
    Fault,
    FillBacklog,
    RefuseConnections,
    ReorderConnections,
    SwallowConnections,
)
from comm.sim.network import Endpoint
from comm.sim.world import MS, SECOND
from tests.sim.machines import afflict, channel, link_to


@pytest.fixture(name="cluster")
def _cluster() -> Iterator[MachineCluster]:
    with MachineCluster(3) as cluster:
        yield cluster


def dial(cluster: MachineCluster, node: int, duration_s: float) -> dict[int, str]:
    """Has a node call all others, and returns why it has not met whom by then."""
    cluster[node].dial_all()
    cluster.run(duration_s)
    missing = cluster[node].core.missing()
    return {index: str(error) for index, error in missing.items()}


def test_refuse_connections_refuses(cluster: MachineCluster) -> None:
    """RefuseConnections: whoever calls the node is refused, although it listens;
    afterwards nobody is."""
    injector = afflict(cluster, RefuseConnections, node=0, for_ns=10 * SECOND)
    missing = dial(cluster, 1, 9.0)
    assert list(missing) == [0]
    assert "connection refused" in missing[0]
    assert injector.fired == {"RefuseConnections": 1}
    cluster.run(2.0)
    assert cluster[1].core.missing() == {}


def test_refuse_connections_lets_the_node_call(cluster: MachineCluster) -> None:
    """RefuseConnections: the node itself reaches the others."""
    afflict(cluster, RefuseConnections, node=0, for_ns=10 * SECOND)
    assert dial(cluster, 0, 1.0) == {}


def test_swallow_connections_gives_no_answer(cluster: MachineCluster) -> None:
    """SwallowConnections: whoever calls the node hears nothing at all, until it gives
    up; afterwards it is heard."""
    injector = afflict(cluster, SwallowConnections, node=0, for_ns=10 * SECOND)
    assert "not tried yet" in dial(cluster, 1, 4.9)[0]
    cluster.run(0.2)
    assert "silent" in str(cluster[1].core.missing()[0])
    assert injector.fired == {"SwallowConnections": 1}
    cluster.run(10.0)
    assert cluster[1].core.missing() == {}


def test_fail_names_lets_a_node_find_nobody(cluster: MachineCluster) -> None:
    """FailNames: the node can call nobody, and says why; others reach it."""
    injector = afflict(cluster, FailNames, node=0, for_ns=10 * SECOND)
    missing = dial(cluster, 0, 1.0)
    assert sorted(missing) == [1, 2]
    assert all("name resolution" in error for error in missing.values())
    assert injector.fired == {"FailNames": 1}
    dial(cluster, 1, 1.0)
    assert sorted(cluster[0].core.missing()) == [2]
    cluster.run(10.0)
    assert cluster[0].core.missing() == {}


@pytest.mark.parametrize("backlog", [0, 1])
def test_fill_backlog_lets_fewer_wait(cluster: MachineCluster, backlog: int) -> None:
    """FillBacklog: so many connections wait to be accepted, and no more; further ones
    are not answered, and get their turn when they ask again."""
    fields = {"node": 0, "backlog": backlog, "for_ns": 4 * SECOND}
    injector = afflict(cluster, FillBacklog, **fields)
    assert injector.fired == {"FillBacklog": 1}
    cluster.pause(0)
    for node in (1, 2):
        cluster[node].dial_all()
    cluster.run(3.5)
    listener = cluster.network.listener_at(cluster.addresses[0])
    assert listener is not None
    assert listener.waiting == backlog
    cluster.resume(0)
    cluster.run_until(lambda: not cluster[0].core.missing())


class Caller:
    """Calls, and does nothing with the connection."""

    def connected(self, endpoint: Endpoint) -> None:
        pass

    def connect_failed(self, error: OSError) -> None:
        raise AssertionError(error)


def arrivals(cluster: MachineCluster, callers: list[int]) -> list[int]:
    """Has hosts call a place one behind the other; returns in which order they came."""
    address = f"127.0.0.1:{len(callers)}"
    listener = cluster.network.listen(cluster.hosts[0], address, lambda: None)
    for caller in callers:
        cluster.network.connect(cluster.hosts[caller], address, Caller())
    cluster.run(0.9)
    came = [listener.accept() for _ in range(listener.waiting)]
    return [end.far.host.index for end in came if end is not None]


def test_reorder_connections_lets_later_ones_overtake(cluster: MachineCluster) -> None:
    """ReorderConnections: every other packet by which connections are made is held up,
    so that the second caller comes in first; and all come."""
    assert arrivals(cluster, [1, 2]) == [1, 2]
    injector = afflict(cluster, ReorderConnections, delay_ns=300 * MS, for_ns=SECOND)
    assert injector.fired == {}
    assert arrivals(cluster, [1, 2, 2]) == [2, 1, 2]
    assert injector.fired == {"ReorderConnections": 1}
    cluster.run(1.0)
    assert arrivals(cluster, [1, 2, 2, 2]) == [1, 2, 2, 2]


def test_reorder_connections_may_cost_items() -> None:
    """ReorderConnections: if connections take longer than a handshake may, none comes
    to stand, and what is lost by that is lost for a reason."""
    config = Config(
        heartbeat_timeout_s=1.0,
        handshake_timeout_s=1.0,
        resume_window_s=6.0,
        connect_backoff_s=(0.05, 0.05),
    )
    with MachineCluster(2, config=config) as cluster:
        source, _ = channel(cluster)
        cluster.run(9.0)
        fields = {"delay_ns": 2 * SECOND, "for_ns": 30 * SECOND}
        afflict(cluster, ReorderConnections, **fields)
        cluster.run(1.0)
        cluster.cut(0, 1)
        source.offer(3, 20)
        cluster.run(9.0)
        assert source.error is not None


def test_reorder_connections_lets_data_pass(cluster: MachineCluster) -> None:
    """ReorderConnections: what a connection carries is neither held up nor counted."""
    cluster.meet()
    injector = afflict(cluster, ReorderConnections, delay_ns=SECOND, for_ns=9 * SECOND)
    before = link_to(cluster[0], 1).received_bytes
    cluster.run(8.0)
    assert link_to(cluster[0], 1).received_bytes > before
    assert injector.fired == {}


@pytest.mark.parametrize(
    ("kind", "dark"),
    [
        (RefuseConnections, False),
        (RefuseConnections, True),
        (SwallowConnections, True),
        (FailNames, False),
        (FillBacklog, True),
    ],
)
def test_where_nobody_is_nobody_is_harmed(
    cluster: MachineCluster, kind: type[Fault], dark: bool
) -> None:
    """Without a process that listens, or that could call, the fault has met with
    nothing."""
    cluster.crash(0, dark=dark)
    assert afflict(cluster, kind, node=3, for_ns=SECOND).fired == {}
    assert afflict(cluster, kind, node=4, for_ns=SECOND).fired == {kind.__name__: 1}


def test_swallow_connections_meets_a_machine_without_process(
    cluster: MachineCluster,
) -> None:
    """SwallowConnections: a machine whose process is gone refuses, and now does not."""
    cluster.crash(0, dark=False)
    assert "refused" in dial(cluster, 1, 0.05)[0]
    injector = afflict(cluster, SwallowConnections, node=0, for_ns=10 * SECOND)
    assert injector.fired == {"SwallowConnections": 1}
    cluster.run(8.0)
    assert "silent" in str(cluster[1].core.missing()[0])
