"""Processes of a cluster: how they end, stop and start again, and their clocks."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from comm.errors import PeerRestarted as PeerRestartedError
from comm.events import PeerDown, PeerRestarted, ProducerGone
from comm.sim import MachineCluster
from comm.sim.host import HostState
from comm.sim.world import SECOND
from tests.sim.machines import SLOW, channel, lines, told, transfer


@pytest.fixture(name="cluster")
def _cluster() -> Iterator[MachineCluster]:
    with MachineCluster(3, records=True) as cluster:
        cluster.meet()
        cluster.run(1.0)
        yield cluster


def test_a_dark_crash_is_silent(cluster: MachineCluster) -> None:
    """When a machine loses its power, nothing comes from it, not even that it is
    gone."""
    node = cluster[0]
    cluster.crash(0)
    assert cluster.nodes[0] is None
    assert not node.is_alive
    assert cluster.hosts[0].is_dark
    cluster.run(4.0)
    assert not told(cluster[1], PeerDown)
    assert lines(cluster, "host0.0")[-1] == "crashes"


def test_a_killed_process_is_missed(cluster: MachineCluster) -> None:
    """When a process is killed, its kernel ends its connections and refuses others."""
    cluster.crash(0, dark=False)
    cluster.run(0.5)
    assert [event.node_id for event in told(cluster[1], PeerDown)] == [0]
    assert not cluster.hosts[0].is_dark
    assert lines(cluster, "host0.0")[-1] == "is killed"
    failed = [text for text in lines(cluster, "host1.0") if "connect failed" in text]
    assert failed


def test_what_a_dead_process_had_to_do_is_not_done(cluster: MachineCluster) -> None:
    """Nothing of a process that is gone happens any more: neither what its
    applications had planned nor its timers nor what it is told."""
    source, sink = channel(cluster)
    sink.set_pace(SLOW)
    source.offer(20, 20)
    cluster.run(0.55)
    received = sink.received
    assert 0 < received < 20
    cluster.crash(0)
    count = len(lines(cluster, "host0.0"))
    cluster.run(20.0)
    assert sink.received == received
    assert len(lines(cluster, "host0.0")) == count
    assert not sink.is_alive
    sink.close()
    sink.set_pace(SLOW)
    sink.seal()
    assert not sink.is_closed


def test_only_what_runs_can_crash(cluster: MachineCluster) -> None:
    """A node that does not run cannot be crashed once more."""
    cluster.crash(0)
    with pytest.raises(LookupError, match="node 0 does not run"):
        cluster.crash(0)


@pytest.mark.parametrize("crashed", [True, False])
def test_a_restart_is_another_process(cluster: MachineCluster, crashed: bool) -> None:
    """The next process has another incarnation, and nothing of the one before, which
    is crashed first if it runs; the others notice that it is another one."""
    source, sink = channel(cluster)
    before = cluster[0]
    if crashed:
        cluster.crash(0)
        cluster.run(3.0)
    node = cluster.restart(0)
    assert node is cluster[0]
    assert not cluster.is_current(before)
    assert node.name == "host0.1"
    assert node.incarnation != before.incarnation
    assert node.ports == {}
    cluster.meet()
    cluster.run_until(lambda: source.error is not None)
    assert isinstance(source.error, PeerRestartedError)
    assert [event.new for event in told(cluster[1], PeerRestarted)] == [
        node.incarnation
    ]
    assert not sink.is_alive


def test_a_restart_may_be_the_first_start() -> None:
    """A node that never ran is started, and nothing counts as over that never was."""
    cluster = MachineCluster(2, start=False)
    node = cluster.restart(1)
    assert cluster[1] is node
    assert cluster.disturbances.calm_ns((0, 1), 0) == 0
    cluster.run(1.0)
    assert calm_s(cluster, 0, 1) == 20.0


def test_incarnations_do_not_depend_on_what_happened() -> None:
    """The entropy of a process depends on seed, node and its number alone."""
    early, late = MachineCluster(2, seed=3), MachineCluster(2, seed=3)
    late.meet()
    late.run(5.0)
    assert early.restart(1).incarnation == late.restart(1).incarnation
    assert early.restart(1).incarnation != early.restart(0).incarnation


def test_leaving_ends_the_process_a_moment_later(cluster: MachineCluster) -> None:
    """A node that leaves tells the others; its process is there for two seconds more,
    as programs are, and then it is gone."""
    source, _ = channel(cluster)
    node = cluster[1]
    cluster.leave(1)
    assert node.is_left
    assert node.core.is_closed
    assert source.error is not None
    cluster.run(1.9)
    assert cluster.nodes[1] is node
    cluster.leave(1)  # It has already, and does not leave later for it.
    cluster.run(0.2)
    assert cluster.nodes[1] is None
    assert cluster.hosts[1].state is HostState.STOPPED
    assert told(cluster[0], PeerDown)[0].reason == "left"
    assert told(cluster[0], ProducerGone)
    cluster.run(3.0)
    cluster.restart(1)
    cluster.meet()


def test_who_leaves_takes_no_more_connections(cluster: MachineCluster) -> None:
    """Nobody can connect to a node that has left, although its process is there."""
    address = cluster.addresses[1]
    assert cluster.network.listener_at(address) is not None
    cluster.leave(1)
    assert cluster.network.listener_at(address) is None


def test_a_node_that_was_restarted_does_not_exit(cluster: MachineCluster) -> None:
    """The end of a process that has left is not the end of the one behind it."""
    cluster.leave(1)
    cluster.run(1.0)
    node = cluster.restart(1)
    cluster.run(5.0)
    assert cluster[1] is node


def test_pause_and_resume(cluster: MachineCluster) -> None:
    """A process that is paused does nothing; what has come up meanwhile it does when
    it goes on. To pause it again, or to let it go on again, changes nothing."""
    source, sink = channel(cluster)
    cluster.pause(0)
    cluster.pause(0)
    count = len(lines(cluster, "host0.0"))
    source.offer(3, 20)
    cluster.run(3.0)
    assert sink.received == 0
    assert len(lines(cluster, "host0.0")) == count
    cluster.resume(0)
    cluster.resume(0)
    cluster.run(0.1)
    assert sink.received == 3
    written = lines(cluster, "host0")
    assert written == ["pauses", "resumes"]


def test_who_is_gone_is_neither_paused_nor_resumed(cluster: MachineCluster) -> None:
    """Where no process is, none can be stopped, or go on."""
    cluster.crash(0)
    cluster.pause(0)
    cluster.resume(0)
    assert cluster.hosts[0].state is HostState.DARK
    assert lines(cluster, "host0") == []


def uneven(cluster: MachineCluster, node: int, for_s: float) -> bool:
    """Whether a node ran unevenly within the last seconds."""
    since_ns = cluster.world.now_ns - round(for_s * SECOND)
    return cluster.disturbances.was_uneven(node, since_ns)


def calm_s(cluster: MachineCluster, first: int, second: int) -> float:
    """Returns for how long two nodes were left alone within the last 20 seconds."""
    since_ns = cluster.world.now_ns - 20 * SECOND
    return cluster.disturbances.calm_ns((first, second), since_ns) / SECOND


@pytest.mark.parametrize("ends", ["resume", "crash", "restart", "kill"])
def test_a_pause_is_a_disturbance_until_it_ends(
    cluster: MachineCluster, ends: str
) -> None:
    """Whoever is paused is out of reach and uneven, until he goes on, or until another
    process has taken his place: no trace of the pause is left then."""
    cluster.pause(0)
    cluster.run(1.0)
    if ends == "resume":
        cluster.resume(0)
    elif ends == "restart":
        cluster.restart(0)
    else:
        cluster.crash(0, dark=ends == "crash")
        cluster.run(1.0)
        cluster.restart(0)
    assert uneven(cluster, 0, for_s=3.0)
    cluster.run(20.0)
    assert not uneven(cluster, 0, for_s=19.0)
    assert calm_s(cluster, 1, 0) == 20.0
    assert calm_s(cluster, 1, 2) == 20.0


@pytest.mark.parametrize("how", ["crash", "kill", "leave"])
def test_an_absence_is_a_disturbance_until_it_ends(
    cluster: MachineCluster, how: str
) -> None:
    """Whoever is not there is out of reach until a process is there again."""
    if how == "leave":
        cluster.leave(0)
    else:
        cluster.crash(0, dark=how == "crash")
    cluster.run(30.0)
    assert calm_s(cluster, 0, 1) == 0
    assert calm_s(cluster, 1, 2) == 20.0
    cluster.restart(0)
    cluster.run(20.0)
    assert calm_s(cluster, 0, 1) == 20.0


def timeouts(cluster: MachineCluster, node: int) -> int:
    """Returns how many timers of a node have come up."""
    return sum(text.startswith("timeout") for text in lines(cluster, f"host{node}.0"))


@pytest.mark.parametrize("node", [0, 1])
def test_a_clock_that_jumps_has_its_timers_set_anew(
    cluster: MachineCluster, node: int
) -> None:
    """Behind a jump what is due comes up at once, and not when it would have been."""
    due, count = cluster[node].core.next_timeout(), timeouts(cluster, node)
    assert due is not None
    left_ns = round((due[0] - cluster[node].now_s) * SECOND)
    cluster.step_clock(node, left_ns - 1000)
    cluster.run(0.0)
    assert timeouts(cluster, node) == count
    cluster.step_clock(node, 2000)
    cluster.run(0.0)
    assert timeouts(cluster, node) == count + 1
    assert uneven(cluster, node, for_s=0.0)
    cluster.run(1.0)
    assert calm_s(cluster, 0, 1) == 19.0


LATER = [(0, -3 * SECOND, 8.1), (200_000, 0, 4.25), (-200_000, 0, 6.375)]
"""A drift, a jump, and when the clock shows 5.1 seconds then."""


@pytest.mark.parametrize(("drift_ppm", "step_ns", "at_s"), LATER)
def test_timers_come_when_the_clock_shows_their_time(
    drift_ppm: int, step_ns: int, at_s: float
) -> None:
    """A timer that is set already comes up at its time of the host's clock, which is
    later if the clock jumps back or is too slow, and sooner if it is too fast."""
    with MachineCluster(2) as cluster:
        cluster[0].dial_all()  # In 0.1 s, and the handshake takes 5 s at the most.
        cluster.block(0, 1)
        cluster.drift_clock(0, drift_ppm)
        cluster.run(1.0)
        if step_ns:
            cluster.step_clock(0, step_ns)
        cluster.run(at_s - 1.01)
        assert "not tried yet" in str(cluster[0].core.missing()[1])
        cluster.run(0.02)
        assert "silent" in str(cluster[0].core.missing()[1])


def test_a_clock_that_drifts_is_uneven_until_it_is_right(
    cluster: MachineCluster,
) -> None:
    """As long as a clock is too fast or too slow its node counts as uneven, and what
    is said to it as disturbed; not any more once its speed is right."""
    cluster.drift_clock(1, 50)
    cluster.run(30.0)
    cluster.drift_clock(1, -50)
    cluster.run(30.0)
    assert uneven(cluster, 1, for_s=0.0)
    assert calm_s(cluster, 1, 2) == 0
    cluster.drift_clock(1, 0)
    cluster.drift_clock(1, 0)
    cluster.run(20.0)
    assert not uneven(cluster, 1, for_s=19.0)
    assert calm_s(cluster, 1, 2) == 20.0
    assert calm_s(cluster, 0, 2) == 20.0


def test_the_clock_of_a_dead_machine_goes_on(cluster: MachineCluster) -> None:
    """A clock can be changed where no process is, and nothing has to be set anew."""
    cluster.crash(0)
    cluster.step_clock(0, SECOND)
    cluster.drift_clock(0, 100)
    node = cluster.restart(0)
    assert node.now_s == pytest.approx(cluster.now_s + 1.0)
    cluster.drift_clock(0, 0)
    source, sink = channel(cluster, 1, 0)
    transfer(cluster, source, sink, count=2)
