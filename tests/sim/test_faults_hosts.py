"""Faults of hosts: their processes, their power, their speed and their clocks."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from comm.events import PeerDown, PeerRestarted
from comm.sim import MachineCluster
from comm.sim.faults import (
    DriftClock,
    Fault,
    Injector,
    Kill,
    Leave,
    Pause,
    PowerCut,
    SlowDown,
    StepClock,
)
from comm.sim.host import HostState
from comm.sim.world import MS, SECOND
from tests.sim.machines import afflict, channel, told, transfer


ABSENCES = [PowerCut, Kill, Leave]


@pytest.fixture(name="cluster")
def _cluster() -> Iterator[MachineCluster]:
    with MachineCluster(3) as cluster:
        cluster.meet()
        cluster.run(1.0)
        yield cluster


def at(cluster: MachineCluster, kind: type[Fault], since_s: int, until_s: int) -> Fault:
    """Returns a fault of node 0 that begins and ends so many seconds from now."""
    at_ns = cluster.world.now_ns + since_s * SECOND
    return kind(at_ns=at_ns, for_ns=(until_s - since_s) * SECOND, node=0)  # type: ignore[call-arg] # all of these have one


def test_power_cut_is_noticed_by_silence(cluster: MachineCluster) -> None:
    """PowerCut: nobody is told; the others notice that they hear nothing. At the end
    another process is there."""
    injector = afflict(cluster, PowerCut, node=0, for_ns=10 * SECOND)
    assert cluster.nodes[0] is None
    assert cluster.hosts[0].is_dark
    cluster.run(4.0)
    assert not told(cluster[1], PeerDown)
    cluster.run(3.0)
    assert told(cluster[1], PeerDown)[0].reason.startswith("silent")
    assert injector.fired == {"PowerCut": 1}
    cluster.run(3.0)
    cluster.meet()
    assert [event.node_id for event in told(cluster[1], PeerRestarted)] == [0]


def test_kill_is_noticed_at_once(cluster: MachineCluster) -> None:
    """Kill: the kernel closes what the process had, and refuses connections, so that
    the others know. At the end another process is there."""
    injector = afflict(cluster, Kill, node=0, for_ns=10 * SECOND)
    cluster.run(0.1)
    assert cluster.nodes[0] is None
    assert not cluster.hosts[0].is_dark
    reason = told(cluster[1], PeerDown)[0].reason
    assert reason == "the other side closed the connection"
    assert injector.fired == {"Kill": 1}
    cluster.run(11.0)
    assert [event.node_id for event in told(cluster[1], PeerRestarted)] == [0]


def test_leave_says_goodbye(cluster: MachineCluster) -> None:
    """Leave: the others are told that the node left; its process ends a moment later,
    and another one is there at the end."""
    injector = afflict(cluster, Leave, node=0, for_ns=10 * SECOND)
    cluster.run(0.1)
    assert told(cluster[1], PeerDown)[0].reason == "left"
    assert cluster[0].is_left
    assert injector.fired == {"Leave": 1}
    cluster.run(3.0)
    assert cluster.nodes[0] is None
    cluster.run(8.0)
    assert not cluster[0].is_left
    assert cluster.hosts[0].incarnation == 1
    cluster.meet()


def test_leave_may_be_short(cluster: MachineCluster) -> None:
    """Leave: if it ends before the process has, the next one starts all the same, and
    the end of the one before does not touch it."""
    afflict(cluster, Leave, node=0, for_ns=SECOND)
    cluster.run(10.0)
    assert cluster.hosts[0].incarnation == 1
    assert not cluster[0].is_left


@pytest.mark.parametrize("kind", ABSENCES)
def test_an_absence_meets_a_process(cluster: MachineCluster, kind: type[Fault]) -> None:
    """PowerCut, Kill, Leave: where no process is, there is nothing to take away, and
    nothing to bring back."""
    cluster.crash(0)
    injector = afflict(cluster, kind, node=0, for_ns=SECOND)
    cluster.run(2.0)
    assert injector.fired == {}
    assert cluster.nodes[0] is None


@pytest.mark.parametrize("first", ABSENCES)
@pytest.mark.parametrize("second", ABSENCES)
@pytest.mark.parametrize("until_s", [6, 20])
def test_absences_that_overlap(
    cluster: MachineCluster, first: type[Fault], second: type[Fault], until_s: int
) -> None:
    """PowerCut, Kill, Leave: the process is brought back by the one that took it away,
    when that ends, neither earlier nor later."""
    plan = [at(cluster, first, 1, 10), at(cluster, second, 5, until_s)]
    injector = Injector(cluster, plan)
    cluster.run(9.5)
    assert cluster.nodes[0] is None
    cluster.run(1.0)
    assert cluster.nodes[0] is not None
    cluster.run(20.0)
    assert cluster.hosts[0].incarnation == 1
    assert injector.fired == {first.__name__: 1}


@pytest.mark.parametrize("kind", ABSENCES)
def test_an_absence_that_somebody_else_ended(
    cluster: MachineCluster, kind: type[Fault]
) -> None:
    """PowerCut, Kill, Leave: once another process was started, what has become of that
    one is none of its business."""
    Injector(cluster, [at(cluster, kind, 0, 10)])
    cluster.run(5.0)
    cluster.restart(0)
    cluster.crash(0)
    cluster.run(10.0)
    assert cluster.nodes[0] is None


def test_leave_needs_a_process_that_runs(cluster: MachineCluster) -> None:
    """Leave: a process that is stopped cannot leave, and one leaves once only."""
    cluster.pause(0)
    assert afflict(cluster, Leave, node=0, for_ns=SECOND).fired == {}
    cluster.resume(0)
    cluster.leave(0)
    assert afflict(cluster, Leave, node=0, for_ns=SECOND).fired == {}
    cluster.run(3.0)
    assert cluster.nodes[0] is None


def test_pause_stops_the_process_alone(cluster: MachineCluster) -> None:
    """Pause: the process does nothing, while its kernel goes on taking bytes; then it
    goes on with all of them."""
    source, sink = channel(cluster, 1, 0)
    injector = afflict(cluster, Pause, node=0, for_ns=4 * SECOND)
    source.offer(10, 20)
    cluster.run(3.999)
    assert cluster.hosts[0].state is HostState.PAUSED
    assert sink.received == 0
    assert not told(cluster[1], PeerDown)
    cluster.run(0.001)
    assert sink.received == 10
    assert injector.fired == {"Pause": 1}


@pytest.mark.parametrize("until_s", [6, 20])
def test_pauses_that_overlap(cluster: MachineCluster, until_s: int) -> None:
    """Pause: one that finds the process stopped does nothing, at its end neither."""
    plan = [at(cluster, Pause, 1, 10), at(cluster, Pause, 5, until_s)]
    injector = Injector(cluster, plan)
    cluster.run(9.5)
    assert cluster.hosts[0].state is HostState.PAUSED
    cluster.run(1.0)
    assert cluster.hosts[0].state is HostState.RUNNING
    assert injector.fired == {"Pause": 1}


def test_a_pause_ends_with_its_process(cluster: MachineCluster) -> None:
    """Pause: the process that follows the one that was stopped is not touched, though
    it may be stopped itself."""
    Injector(cluster, [at(cluster, Pause, 0, 10)])
    cluster.run(5.0)
    cluster.restart(0)
    assert cluster.hosts[0].state is HostState.RUNNING
    cluster.pause(0)
    cluster.run(10.0)
    assert cluster.hosts[0].state is HostState.PAUSED


def test_slow_down_makes_steps_take_time(cluster: MachineCluster) -> None:
    """SlowDown: each step takes up to so long, so that others wait; then the process
    is as fast as it was."""
    source, sink = channel(cluster, 1, 0)

    def duration_s() -> float:
        begun_s = cluster.now_s
        for _ in range(10):
            transfer(cluster, source, sink, count=1)
        return cluster.now_s - begun_s

    assert duration_s() < 0.01
    injector = afflict(cluster, SlowDown, node=0, step_ns=200 * MS, for_ns=9 * SECOND)
    assert 0.5 < duration_s() < 2.5
    assert injector.fired == {"SlowDown": 1}
    cluster.run(9.0)
    assert duration_s() < 0.01


@pytest.mark.parametrize(("node", "step_ns"), [(0, MS), (1, 0)])
def test_slow_down_meets_a_process_that_runs(
    cluster: MachineCluster, node: int, step_ns: int
) -> None:
    """SlowDown: a process that is not there, or that is given no pause, is not slow."""
    cluster.crash(0)
    fields = {"node": node, "step_ns": step_ns, "for_ns": SECOND}
    assert afflict(cluster, SlowDown, **fields).fired == {}


def test_the_slowest_counts(cluster: MachineCluster) -> None:
    """SlowDown: of several the slowest counts, whichever ends first."""
    host, now_ns = cluster.hosts[1], cluster.world.now_ns
    spans = [(0, 4, 20), (1, 3, 50), (2, 6, 10)]
    Injector(
        cluster,
        [
            SlowDown(
                at_ns=now_ns + since * SECOND,
                for_ns=(until - since) * SECOND,
                node=1,
                step_ns=step_ns,
            )
            for since, until, step_ns in spans
        ],
    )
    seen = []
    for _ in range(7):
        cluster.run(0.5)
        seen.append(host.step_ns)
        cluster.run(0.5)
    assert seen == [20, 50, 50, 20, 10, 10, 0]


def test_drift_clock_runs_at_another_speed(cluster: MachineCluster) -> None:
    """DriftClock: the clock gains or loses what it is said to, and afterwards goes on
    from there at its proper speed."""
    host = cluster.hosts[1]
    ahead_ns = host.now_ns() - cluster.world.now_ns
    fields = {"node": 1, "drift_ppm": 20_000, "for_ns": 10 * SECOND}
    injector = afflict(cluster, DriftClock, **fields)
    cluster.run(10.0)
    assert host.now_ns() - cluster.world.now_ns == ahead_ns + SECOND // 5
    cluster.run(10.0)
    assert host.now_ns() - cluster.world.now_ns == ahead_ns + SECOND // 5
    assert injector.fired == {"DriftClock": 1}


def test_the_latest_drift_counts(cluster: MachineCluster) -> None:
    """DriftClock: the latest of several counts; at its end, the latest of the rest."""
    now_ns, spans = cluster.world.now_ns, [(0, 4, 20), (1, 3, -50), (2, 6, 10)]
    Injector(
        cluster,
        [
            DriftClock(
                at_ns=now_ns + since * SECOND,
                for_ns=(until - since) * SECOND,
                node=1,
                drift_ppm=drift_ppm,
            )
            for since, until, drift_ppm in spans
        ],
    )
    seen = []
    for _ in range(7):
        cluster.run(0.5)
        seen.append(cluster.hosts[1].clock.drift_ppm)
        cluster.run(0.5)
    assert seen == [20, -50, 10, 10, 10, 10, 0]


@pytest.mark.parametrize("jump_ns", [3 * SECOND, -300 * MS])
def test_step_clock_jumps_once(cluster: MachineCluster, jump_ns: int) -> None:
    """StepClock: the clock jumps, and does not jump back."""
    host = cluster.hosts[1]
    ahead_ns = host.now_ns() - cluster.world.now_ns
    fields = {"node": 1, "jump_ns": jump_ns, "for_ns": SECOND}
    injector = afflict(cluster, StepClock, **fields)
    for _ in range(3):
        assert host.now_ns() - cluster.world.now_ns == ahead_ns + jump_ns
        cluster.run(1.0)
    assert injector.fired == {"StepClock": 1}


def test_a_clock_that_stays_right_is_no_fault(cluster: MachineCluster) -> None:
    """DriftClock, StepClock: by nothing at all, nothing is met."""
    assert afflict(cluster, DriftClock, node=0, drift_ppm=0).fired == {}
    assert afflict(cluster, StepClock, node=0, jump_ns=0).fired == {}
