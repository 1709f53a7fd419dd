"""Clocks that are off, that drift, and that jump."""

from __future__ import annotations

from hypothesis import given, strategies as st

from comm.sim.clock import Clock
from comm.sim.world import SECOND


offsets = st.integers(-(10**12), 10**12)
drifts = st.integers(-999_999, 5_000_000)
times = st.integers(0, 10**15)


def test_a_plain_clock_shows_the_time() -> None:
    """Without an offset or a drift it is the world's time."""
    assert Clock().read_ns(123) == 123
    assert Clock().drift_ppm == 0


def test_an_offset_is_added() -> None:
    """A clock may be ahead or behind."""
    assert Clock(offset_ns=50).read_ns(100) == 150
    assert Clock(offset_ns=-50).read_ns(100) == 50


def test_a_drift_is_in_millionths() -> None:
    """200 is 200 microseconds in each second, too fast; negative is too slow."""
    assert Clock(drift_ppm=200).read_ns(10 * SECOND) == 10 * SECOND + 2_000_000
    assert Clock(drift_ppm=-200).read_ns(10 * SECOND) == 10 * SECOND - 2_000_000


def test_a_step_moves_what_comes_later() -> None:
    """A jump at one time is there from that time on, and drift goes on behind it."""
    clock = Clock(drift_ppm=100_000)
    clock.step(1000, 100)
    assert clock.read_ns(100) == 1110
    assert clock.read_ns(200) == 1220
    clock.step(-2000, 200)
    assert clock.read_ns(200) == -780


def test_another_drift_does_not_move_the_clock() -> None:
    """It shows the same as before, and then runs at another speed."""
    clock = Clock(offset_ns=7, drift_ppm=500_000)
    clock.drift(-500_000, 100)
    assert clock.drift_ppm == -500_000
    assert clock.read_ns(100) == 157
    assert clock.read_ns(200) == 207


@given(offset=offsets, drift=drifts, step=offsets, at=times, later=times)
def test_world_ns_is_the_inverse(
    offset: int, drift: int, step: int, at: int, later: int
) -> None:
    """It is the first time at which the clock shows at least that."""
    clock = Clock(offset, drift)
    clock.step(step, at)
    wanted = clock.read_ns(at) + later
    world_ns = clock.world_ns(wanted)
    assert clock.read_ns(world_ns) >= wanted
    assert world_ns == at or clock.read_ns(world_ns - 1) < wanted


@given(offset=offsets, drift=drifts, at=times)
def test_what_a_clock_has_shown_is_now(offset: int, drift: int, at: int) -> None:
    """A time that it showed before its last change is the time of the change: who
    waits for it has waited long enough."""
    clock = Clock(offset, drift)
    clock.step(5, at)
    assert clock.world_ns(clock.read_ns(at) - 10**9) == at
