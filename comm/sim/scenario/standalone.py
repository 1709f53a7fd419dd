"""A failure as a test that stands alone, and needs no random numbers."""

from __future__ import annotations

from comm.sim.scenario.play import Outcome


__all__ = ["as_test"]

_TEST = '''"""{kind}: found by simulation.

{text}
"""

from comm.sim.scenario import Scenario, play


SCENARIO = Scenario.from_json(
    r"""
{scenario}
"""
)


def test_{name}() -> None:
    """Playing the scenario breaks no promise, and comes to rest."""
    outcome = play(SCENARIO)
    assert outcome.failure is None, outcome.failure
'''


def as_test(outcome: Outcome, name: str = "the_scenario_holds") -> str:
    """Returns the source of a pytest file that plays a failed scenario again.

    Args:
        outcome: What came of it.
        name: What to call the test, behind `test_`.
    """
    assert outcome.failure is not None
    scenario = outcome.scenario
    if scenario.tape is None:
        scenario = scenario.with_tape(outcome.tape)
    text = outcome.failure.text.replace("\\", "\\\\").replace('"""', "'''")
    return _TEST.format(
        kind=outcome.failure.kind,
        text=text,
        scenario=scenario.to_json(indent=1),
        name=name,
    )
