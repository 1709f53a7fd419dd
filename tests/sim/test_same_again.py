"""A test of the suites is the same again in the same world, event by event."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from comm.sim.trace import Trace
from tests.cluster import ClusterFactory
from tests.conformance import test_exactly_once, test_half_open, test_no_silent_loss
from tests.leaks import run_async
from tests.simwire import new_virtual_loop
from tests.wires import simulated


Body = Callable[[ClusterFactory], Coroutine[Any, Any, None]]

BODIES: list[Body] = [
    test_exactly_once.test_opposite_channels_survive_the_same_cuts,
    test_no_silent_loss.test_what_was_reported_lost_never_arrives,
    test_half_open.test_several_may_watch_the_events,
]


def run(body: Body, seed: int) -> Trace:
    """Runs the body of a test in the world of a seed, and returns what happened."""
    loop = new_virtual_loop(seed, records=True)
    run_async(body(simulated(seed)), loop)
    return loop.world.trace


@pytest.mark.parametrize("body", BODIES)
def test_the_same_seed_gives_the_same_history(body: Body) -> None:
    """A test of the conformance suite that is run twice in the world of one seed has
    the same history, to the byte and the nanosecond; that of another seed differs."""
    first, second, other = run(body, 7), run(body, 7), run(body, 8)
    assert first.difference(second) is None
    assert first.digest == second.digest != other.digest
    assert first.count > 20
