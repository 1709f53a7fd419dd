"""Scenarios: whole runs as data."""

from __future__ import annotations

from comm.sim.scenario import steps
from comm.sim.scenario.play import Failure, Outcome, play
from comm.sim.scenario.scenario import Scenario
from comm.sim.scenario.shrink import Shrinker
from comm.sim.scenario.standalone import as_test
from comm.sim.scenario.steps import STEPS, Step
from comm.sim.scenario.swarm import draw_scenario


__all__ = [
    "STEPS",
    "Failure",
    "Outcome",
    "Scenario",
    "Shrinker",
    "Step",
    "as_test",
    "draw_scenario",
    "play",
    "steps",
]
