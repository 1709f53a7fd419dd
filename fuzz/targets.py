"""Targets: what a campaign runs, each a property that Hypothesis tries to break."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from hypothesis import given, seed, settings
from hypothesis.stateful import run_state_machine_as_test
from hypothesis.strategies import SearchStrategy

from comm.sim.scenario import Scenario, play
from comm.sim.strategies import scenarios
from fuzz.bytes import attacks, inputs, nodes_withstand, parsers_withstand
from fuzz.findings import Finding, ScenarioFailed
from fuzz.machine import Fabric
from fuzz.profiles import Profile
from fuzz.tally import TALLY


__all__ = ["TARGETS", "pursue", "scenarios_hold"]


def scenarios_hold(scenario: Scenario) -> None:
    """Whatever is planned, no promise is broken and everything comes to rest."""
    TALLY["scenarios"] += 1
    outcome = play(scenario)
    TALLY["events"] += outcome.events
    TALLY["simulated s"] += round(outcome.simulated_s)
    if outcome.failure is not None:
        raise ScenarioFailed(outcome.failure, scenario) from outcome.failure.error


def _run_machine(number: int, chosen: settings) -> None:
    run_state_machine_as_test(seed(number)(Fabric), settings=chosen)


def _runner(
    test: Callable[..., None], *drawn: SearchStrategy[Any]
) -> Callable[[int, settings], None]:
    def run(number: int, chosen: settings) -> None:
        # Made anew each time: a test takes one seed and one choice of settings.
        seed(number)(chosen(given(*drawn)(test)))()

    return run


TARGETS: Mapping[str, Callable[[int, settings], None]] = {
    "machine": _run_machine,
    "scenarios": _runner(scenarios_hold, scenarios()),
    "nodes": _runner(nodes_withstand, attacks()),
    "parsers": _runner(parsers_withstand, *inputs()),
}
"""Each by its name: it is given a seed, and what Hypothesis is told."""


def pursue(target: str, number: int, profile: Profile) -> Finding | None:
    """Has Hypothesis try to break one property.

    Args:
        target: Which one of `TARGETS`.
        number: The seed.
        profile: How hard it tries.

    Returns:
        What it has found; None if nothing.
    """
    try:
        TARGETS[target](number, profile.settings(target))
    except Exception as error:  # noqa: BLE001 - whatever it is, it is what was sought
        return Finding.of(target, number, error)
    return None
