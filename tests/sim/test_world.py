"""Virtual time and its events."""

from __future__ import annotations

import random

import pytest

from comm.sim.choices import Seeded
from comm.sim.trace import Trace
from comm.sim.world import SECOND, Event, World, seconds


class Log:
    """Notes which events have happened, and when."""

    def __init__(self) -> None:
        self.world = World()
        self.seen: list[tuple[int, str]] = []

    def note(self, name: str) -> None:
        self.seen.append((self.world.now_ns, name))

    def at(self, time_ns: int, name: str) -> Event:
        return self.world.at(time_ns, self.note, name)

    def plan(self, time_ns: int, name: str) -> None:
        self.at(time_ns, name)

    @property
    def names(self) -> str:
        return "".join(name for _, name in self.seen)


@pytest.fixture
def log() -> Log:
    return Log()


def test_events_happen_when_they_are_planned(log: Log) -> None:
    """Time jumps from one event to the next, in order, however they were planned."""
    log.at(30, "c")
    log.at(10, "a")
    log.world.after(20, log.note, "b")
    while log.world.step():
        pass
    assert log.seen == [(10, "a"), (20, "b"), (30, "c")]
    assert log.world.events == 3


def test_events_of_one_moment_keep_their_order(log: Log) -> None:
    """What is planned first happens first, also what is planned meanwhile."""
    log.at(10, "a")
    log.world.at(10, log.plan, 10, "d")
    log.at(10, "b")
    log.at(10, "c")
    log.world.run_to(10)
    assert log.names == "abcd"


def test_the_past_counts_as_now(log: Log) -> None:
    """An event that is planned too late happens at once, and time does not go back."""
    log.world.run_to(50)
    log.at(20, "a")
    log.world.step()
    assert log.seen == [(50, "a")]


def test_a_cancelled_event_does_not_happen(log: Log) -> None:
    """It is as if it had never been planned; to cancel it again does no harm."""
    event = log.at(10, "a")
    log.at(20, "b")
    log.world.cancel(event)
    log.world.cancel(event)
    assert log.world.next_ns == 20
    assert log.world.step()
    assert not log.world.step()
    assert log.seen == [(20, "b")]
    assert log.world.events == 1


def test_cancelling_what_has_happened_changes_nothing(log: Log) -> None:
    """An event may be cancelled by whoever does not know that it has happened."""
    event = log.at(10, "a")
    log.world.run_to(10)
    log.world.cancel(event)
    log.at(20, "b")
    log.world.run_to(20)
    assert log.names == "ab"


def test_an_event_may_cancel_another_of_the_same_moment(log: Log) -> None:
    """Also what was due at the very moment can be taken back."""
    doomed: list[Event] = []
    log.world.at(10, lambda: log.world.cancel(doomed[0]))
    doomed.append(log.at(10, "a"))
    log.at(10, "b")
    log.world.run_to(10)
    assert log.names == "b"


def test_cancelled_events_do_not_fill_the_queue(log: Log) -> None:
    """A timer that is set anew again and again leaves nothing behind."""
    for _ in range(10_000):
        log.world.cancel(log.at(10 * SECOND, "x"))
    log.at(SECOND, "a")
    assert len(log.world._queue) < 200
    log.world.run_to(20 * SECOND)
    assert log.names == "a"


def test_clearing_the_queue_keeps_what_is_left_in_order(log: Log) -> None:
    """However many events are cancelled, the others happen in their order."""
    draw = random.Random(1)
    events = [log.at(draw.randrange(50), str(i)) for i in range(2000)]
    doomed = draw.sample(range(2000), 1500)
    for index in doomed:
        log.world.cancel(events[index])
    log.world.run_to(50)
    kept = [events[i] for i in range(2000) if i not in doomed]
    expected = [(e[0], str(i)) for i, e in enumerate(events) if e in kept]
    assert log.seen == sorted(expected, key=lambda pair: (pair[0], int(pair[1])))


def test_run_to_includes_its_end(log: Log) -> None:
    """Everything until a time happens, what comes later does not, and it is then."""
    for time_ns in (10, 20, 21):
        log.at(time_ns, "x")
    log.world.run_to(20)
    assert len(log.seen) == 2
    assert log.world.now_ns == 20
    log.world.run_to(5)
    assert log.world.now_ns == 20


def test_run_until_stops_at_the_condition(log: Log) -> None:
    """Time stands still at the first event behind which the condition holds."""
    for time_ns in (10, 20, 30):
        log.at(time_ns, "x")
    assert log.world.run_until(lambda: len(log.seen) == 2, 100)
    assert log.world.now_ns == 20


@pytest.mark.parametrize("times", [[10, 200], [10], []])
def test_run_until_gives_up_in_time(log: Log, times: list[int]) -> None:
    """If the condition does not hold, time has passed, and no more than that."""
    for time_ns in times:
        log.at(time_ns, "x")
    assert not log.world.run_until(lambda: len(log.seen) == 2, 100)
    assert log.world.now_ns == 100
    assert log.world.next_ns == (200 if 200 in times else None)


def test_run_until_looks_before_it_runs(log: Log) -> None:
    """A condition that holds already costs no event."""
    log.at(10, "x")
    assert log.world.run_until(lambda: True, 100)
    assert log.world.events == 0


def test_an_event_follows_from_what_was_traced_when_it_was_planned() -> None:
    """The trace knows why each thing happened, and forgets it behind the event."""
    world = World(trace=Trace(records=True))
    world.note("a", "first")
    world.at(10, world.note, "b", "then")
    world.note("a", "second")
    world.step()
    world.note("a", "unrelated")
    assert world.trace.causes(2) == ["0 a first"]
    assert world.trace.causes(3) == []


def test_a_world_is_calm_unless_it_is_told_otherwise() -> None:
    """Without choices there is no chance."""
    assert World().choices.stream("a").below(1000) == 0
    assert World(Seeded(7)).choices.stream("a").below(1000) == 164


def test_seconds_are_rounded_to_nanoseconds() -> None:
    """A decimal fraction becomes the nearest whole number, not the one below."""
    assert seconds(0.1) == 100_000_000
    assert seconds(1.001) == 1_001_000_000
