"""The strategies of `comm.sim.strategies`: what they draw can be played and kept."""

from __future__ import annotations

from hypothesis import Phase, find, given, settings, strategies as st
import pytest

from comm.config import Config
from comm.sim.faults import CATALOGUE
from comm.sim.scenario import STEPS, Scenario, play
from comm.sim.strategies import faults, scenarios, steps, worlds


PLAIN = settings(max_examples=20, database=None, phases=[Phase.generate, Phase.shrink])


@settings(deadline=None)
@given(scenarios())
def test_a_scenario_can_be_written_down(scenario: Scenario) -> None:
    """Whatever is drawn comes back from JSON, and needs no random number."""
    assert Scenario.from_json(scenario.to_json()) == scenario
    assert scenario.tape is not None
    times = [step.at_ns for step in scenario.steps]
    assert times == sorted(times)
    assert all(step.at_ns < scenario.duration_ns for step in scenario.steps)


def test_the_simplest_world_is_calm() -> None:
    """Choices shrink to the usual limits, and a network in which nothing happens."""
    usual = Scenario(
        nodes=2,
        config=Config(message_bytes_max=1 << 20),
        offsets_ns=(0, 0),
        duration_ns=0,
        tape={},
    )
    assert find(worlds([2]), lambda _: True, settings=PLAIN) == usual
    assert play(usual).failure is None


@pytest.mark.parametrize("kind", STEPS)
def test_every_kind_of_step_can_be_drawn(kind: str) -> None:
    """Of a kind that is asked for, and at the time that is."""
    step = find(steps(Config(), [kind], st.just(5)), lambda _: True, settings=PLAIN)
    assert type(step) is STEPS[kind]
    assert step.at_ns == 5


@pytest.mark.parametrize("kind", CATALOGUE)
def test_every_kind_of_fault_can_be_drawn(kind: str) -> None:
    """Those between two nodes are never of a node with itself."""

    @settings(PLAIN, deadline=None)
    @given(faults(3, Config(), [kind], st.just(5)))
    def holds(fault: object) -> None:
        assert type(fault) is CATALOGUE[kind]
        for one, other in (("a", "b"), ("source", "target")):
            if hasattr(fault, one) and hasattr(fault, other):
                assert getattr(fault, one) % 3 != getattr(fault, other) % 3

    holds()
