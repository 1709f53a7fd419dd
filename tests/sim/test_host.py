"""Hosts: slow ones, paused ones, dead ones, and the next process."""

from __future__ import annotations

from itertools import pairwise

import pytest

from comm.sim.choices import Seeded
from comm.sim.clock import Clock
from comm.sim.host import Host, HostState
from comm.sim.world import World


class Process:
    """Notes the steps that it makes, and when."""

    def __init__(self, *, step_ns: int = 0) -> None:
        self.world = World(Seeded(1))
        self.host = Host(self.world, 0)
        self.host.step_ns = step_ns
        self.seen: list[tuple[int, object]] = []

    def call(self, *names: object) -> None:
        for name in names:
            self.host.call(self.note, name)

    def note(self, name: object) -> None:
        self.seen.append((self.world.now_ns, name))

    @property
    def names(self) -> list[object]:
        return [name for _, name in self.seen]


@pytest.fixture
def process() -> Process:
    return Process()


def test_a_host_that_runs_does_things_at_once(process: Process) -> None:
    """A step of a host that is neither slow nor stopped takes no event."""
    process.call("a")
    assert process.names == ["a"]
    assert process.host.name == "host0"
    assert process.host.state is HostState.RUNNING
    assert process.world.next_ns is None


def test_a_step_may_come_behind_the_present_one(process: Process) -> None:
    """What is to be done soon is done at this moment, behind what was planned for it;
    and not at all by a process that is gone."""
    process.world.at(0, process.call, "a")
    process.host.call_soon(process.note, "b")
    assert not process.seen
    process.world.run_to(0)
    assert process.seen == [(0, "a"), (0, "b")]
    process.host.call_soon(process.note, "c")
    process.host.stop()
    process.world.run_to(10)
    assert process.names == ["a", "b"]


def test_a_host_has_a_clock_of_its_own() -> None:
    """What a host takes for the time is what its clock shows."""
    world = World()
    host = Host(world, 3, Clock(offset_ns=50))
    world.run_to(100)
    assert host.now_ns() == 150
    assert Host(world, 4).now_ns() == 100


def test_a_paused_host_loses_nothing_and_keeps_the_order(process: Process) -> None:
    """What comes up meanwhile is done when the host goes on, also before what comes
    up between its resumption and its next step."""
    process.host.pause()
    process.call("a", "b")
    process.world.run_to(100)
    assert process.host.is_alive
    assert process.host.waiting == 2
    assert not process.seen
    process.host.resume()
    process.call("c")
    process.world.run_to(100)
    assert process.names == ["a", "b", "c"]
    assert process.host.waiting == 0


def test_a_pause_in_the_middle_stops_the_next_step(process: Process) -> None:
    """A host that is paused while it catches up stops at once, and goes on later."""
    process.host.pause()
    process.host.call(process.host.pause)
    process.call("a")
    process.host.resume()
    process.world.run_to(100)
    assert process.host.state is HostState.PAUSED
    assert not process.seen
    process.host.resume()
    process.world.run_to(100)
    assert process.names == ["a"]


def test_a_pause_before_it_catches_up_holds(process: Process) -> None:
    """A host that is resumed and paused in the same moment does nothing."""
    process.host.pause()
    process.call("a")
    process.host.resume()
    process.host.pause()
    process.world.run_to(100)
    assert not process.seen
    assert process.host.waiting == 1


def test_a_slow_host_takes_time_for_each_step() -> None:
    """One step comes behind the other, each takes some time, and the order stays."""
    process = Process(step_ns=1000)
    process.call(*range(20))
    assert process.names == [0]
    process.world.run_to(50_000)
    assert process.names == list(range(20))
    times = [time_ns for time_ns, _ in process.seen]
    pauses = [later - earlier for earlier, later in pairwise(times)]
    assert min(pauses) >= 1
    assert max(pauses) <= 1000
    assert len(set(pauses)) > 5


def test_a_slow_host_that_is_done_is_ready_at_once() -> None:
    """Time that nothing was to be done is not made up for later."""
    process = Process(step_ns=1000)
    process.call("a")
    process.world.run_to(5000)
    process.call("b")
    assert process.seen[-1] == (5000, "b")


def test_a_slow_host_that_is_paused_goes_on_slowly() -> None:
    """A pause does not shorten the steps behind it."""
    process = Process(step_ns=1000)
    process.host.pause()
    process.call("a", "b")
    process.host.resume()
    process.world.run_to(10_000)
    assert process.names == ["a", "b"]
    assert process.seen[0][0] < process.seen[1][0]


@pytest.mark.parametrize("dark", [False, True])
def test_a_crash_drops_everything(process: Process, dark: bool) -> None:
    """Nothing of a process that is gone is ever done, neither what waits nor what
    comes up; whether its machine is there makes the difference."""
    process.host.pause()
    process.call("a")
    process.host.stop(dark=dark)
    process.call("b")
    process.host.pause()
    process.host.resume()
    process.world.run_to(1000)
    assert not process.seen
    assert process.host.waiting == 0
    assert not process.host.is_alive
    assert process.host.is_dark is dark
    assert process.host.state is (HostState.DARK if dark else HostState.STOPPED)


def test_a_crash_in_a_step_drops_what_is_behind_it(process: Process) -> None:
    """A host that stops in the middle of what it has to do does no more of it."""
    process.host.pause()
    process.host.call(process.host.stop)
    process.call("a")
    process.host.resume()
    process.world.run_to(1000)
    assert not process.seen


def test_a_restart_is_a_crash_before_it(process: Process) -> None:
    """What a process had yet to do when its host was started anew is not done."""
    process.host.pause()
    process.call("a")
    process.host.restart()
    process.call("b")
    process.world.run_to(100)
    assert process.names == ["b"]


def test_the_next_process_begins_with_nothing() -> None:
    """A restart is a new incarnation; neither work nor tiredness is inherited."""
    process = Process(step_ns=1_000_000)
    process.call("a", "b", "c")
    process.host.stop()
    process.host.restart()
    assert process.host.incarnation == 1
    assert process.host.is_alive
    process.host.step_ns = 10
    process.call("d", "e")
    process.world.run_to(20)
    assert process.names == ["a", "d", "e"]
