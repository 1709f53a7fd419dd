"""The swarm: worlds that chance has made, in each of which every promise holds."""

from __future__ import annotations

from collections import Counter

import pytest

from comm.sim.scenario import draw_scenario, play


SEEDS = range(60)


@pytest.mark.parametrize("seed", SEEDS)
def test_every_promise_holds(seed: int) -> None:
    """Whatever a world does to its nodes, no promise is broken, and in the end
    everything comes to rest."""
    outcome = play(draw_scenario(seed), check_every=16)
    assert outcome.failure is None, f"draw_scenario({seed}): {outcome.failure}"


def test_these_worlds_are_eventful() -> None:
    """The seeds above are no quiet ones: among a third of them already much is sent,
    and many kinds of faults meet with something."""
    fired: Counter[str] = Counter()
    delivered = 0
    for seed in SEEDS[:20]:
        outcome = play(draw_scenario(seed), check_every=0)
        fired += outcome.fired
        delivered += outcome.delivered
    assert delivered > 1000
    assert len(fired) >= 10
