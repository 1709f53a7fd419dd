"""Paths: latency, loss, bandwidth; blocked and clogged."""

from __future__ import annotations

from itertools import pairwise

import pytest

from comm.sim.choices import Calm, Choices, Recorder, Seeded, Tape
from comm.sim.network import Conditions, Latency, Path
from comm.sim.network.path import RETRANSMIT_NS, retransmit_pause_ns
from comm.sim.world import MS, SECOND, World


def path(conditions: Conditions, choices: Choices | None = None) -> Path:
    return Path(World(choices or Seeded(1)), "0>1", conditions)


def latencies(latency: Latency, count: int = 2000) -> list[int]:
    way = path(Conditions(latency=latency))
    return [way.transit_ns(0) for _ in range(count)]


def test_a_plain_path_always_takes_as_long_and_needs_no_draw() -> None:
    """A fixed latency is the same for every packet, and no stream is drawn from."""
    choices = Recorder(Seeded(1))
    way = path(Conditions(latency=Latency(base_ns=5)), choices)
    assert [way.once_ns(size) for size in (0, 10, 10**9)] == [5, 5, 5]
    assert choices.numbers == {"path 0>1": []}


def test_uniform_latency_stays_within_its_bounds() -> None:
    """It is between the base and the base with the whole spread, and both occur."""
    drawn = latencies(Latency(base_ns=10, spread_ns=5))
    assert sorted(set(drawn)) == [10, 11, 12, 13, 14, 15]


def test_exponential_latency_has_its_mean_and_a_long_tail() -> None:
    """The spread is the average of what comes on top; some packets take far longer."""
    drawn = latencies(Latency(base_ns=10, spread_ns=1000, shape="exponential"))
    assert min(drawn) >= 10
    assert 900 < sum(drawn) / len(drawn) - 10 < 1100
    assert max(drawn) > 5000


def test_the_calm_latency_is_the_shortest() -> None:
    """Without chance whatever is drawn takes the base, or hardly more."""
    for shape in ("uniform", "exponential"):
        latency = Latency(base_ns=10, spread_ns=1000, shape=shape)
        assert path(Conditions(latency=latency), Calm()).transit_ns(0) == 10


def test_loss_is_in_thousandths_of_packets() -> None:
    """A packet is lost as often as the conditions say; then nobody knows how long."""
    way = path(Conditions(loss_permille=300))
    lost = [way.once_ns(10) for _ in range(2000)].count(None)
    assert 500 < lost < 700


def test_losing_everything_is_a_block() -> None:
    """A path that loses all packets is blocked, until its conditions are others."""
    way = path(Conditions(loss_permille=1000))
    assert way.is_blocked
    assert not way.is_open
    way.conditions = Conditions(loss_permille=999)
    assert not way.is_blocked
    assert way.conditions.loss_permille == 999


def test_bandwidth_is_shared_by_all_that_is_sent() -> None:
    """What is sent while something is still leaving waits for it; then the path is
    free again."""
    world = World()
    conditions = Conditions(latency=Latency(base_ns=0), bytes_per_s=1000)
    way = Path(world, "0>1", conditions)
    assert way.transit_ns(10) == 10 * MS
    assert way.transit_ns(10) == 20 * MS
    world.run_to(5 * MS)
    assert way.transit_ns(10) == 25 * MS
    world.run_to(SECOND)
    assert way.transit_ns(10) == 10 * MS
    assert way.transit_ns(0) == 10 * MS


def test_other_conditions_hold_from_now_on() -> None:
    """A path that changes is as if it had always been so."""
    way = path(Conditions(latency=Latency(base_ns=10, spread_ns=5)))
    way.conditions = Conditions(latency=Latency(base_ns=3))
    assert {way.transit_ns(0) for _ in range(50)} == {3}


@pytest.mark.parametrize(
    ("enter", "leave", "is_in"),
    [("block", "unblock", "is_blocked"), ("clog", "unclog", "is_clogged")],
)
def test_each_hold_needs_a_release_of_its_own(
    enter: str, leave: str, is_in: str
) -> None:
    """Two faults may block or clog the same path, and neither frees the other's."""
    way = path(Conditions())
    assert way.is_open
    getattr(way, enter)()
    getattr(way, enter)()
    getattr(way, leave)()
    assert getattr(way, is_in)
    assert not way.is_open
    getattr(way, leave)()
    assert not getattr(way, is_in)
    assert way.is_open


def test_what_waits_goes_on_in_order_when_the_last_clog_ends() -> None:
    """Everything that waits for a clogged path is resumed, once, in its order."""
    way, seen = path(Conditions()), []
    way.clog()
    way.clog()
    way.when_unclogged(lambda: seen.append(1))
    way.when_unclogged(lambda: seen.append(2))
    way.unclog()
    assert not seen
    way.unclog()
    way.clog()
    way.unclog()
    assert seen == [1, 2]
    assert way.stalls == 2


def test_clearing_ends_every_hold() -> None:
    """However often it was held, a path that is cleared is open and resumes."""
    way, seen = path(Conditions()), []
    for _ in range(2):
        way.block()
        way.clog()
    way.when_unclogged(lambda: seen.append(1))
    way.clear()
    assert way.is_open
    assert seen == [1]
    way.clear()
    assert way.is_open


def test_pauses_double_up_to_two_minutes() -> None:
    """Linux repeats after 200 ms, then after twice as long, and so on up to 120 s; with
    15 repetitions that makes 924.6 s."""
    pauses = [retransmit_pause_ns(attempt) for attempt in range(16)]
    assert pauses[0] == RETRANSMIT_NS
    assert all(b == min(2 * a, 120 * SECOND) for a, b in pairwise(pauses))
    assert sum(pauses) == 924_600 * MS
    assert retransmit_pause_ns(10**6) == 120 * SECOND


def test_a_tape_can_lose_a_single_packet() -> None:
    """A written number decides about each packet by itself."""
    way = path(Conditions(loss_permille=1), Tape({"path 0>1": [0, 999, 0]}))
    assert [way.once_ns(1) is None for _ in range(4)] == [False, True, False, False]
