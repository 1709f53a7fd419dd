"""Findings: what a campaign has found, told so that it can be played again."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
import traceback
from typing import Self

from comm.sim.scenario import Failure, Outcome, Scenario, Shrinker, as_test, play


__all__ = ["PLAYS_MAX", "Finding", "ScenarioFailed"]

PLAYS_MAX = 200
"""How often a scenario is played that Hypothesis has made small, to make it smaller."""


class ScenarioFailed(AssertionError):  # noqa: N818 - it says what happened
    """A run has failed; the exception that it failed with is the cause of this one.

    Args:
        failure: How it failed.
        scenario: What was done, to be played again.
    """

    def __init__(self, failure: Failure, scenario: Scenario) -> None:
        super().__init__(str(failure))
        self.failure = failure
        self.scenario = scenario


@dataclass(frozen=True, slots=True)
class Finding:
    """What broke a property.

    Attributes:
        target: The property.
        kind: The promise that was broken, or the type of the exception.
        text: What happened, for people.
        scenario: A small scenario that fails; None if it is about bytes alone, or if
            the failure does not come again when it is played.
        test: A test that fails; empty if there is no scenario.
    """

    target: str
    kind: str
    text: str
    scenario: str | None = None
    test: str = ""

    @classmethod
    def of(cls, target: str, number: int, error: Exception) -> Self:
        """Returns the finding that an exception out of Hypothesis is."""
        text = f"{target}, seed {number}:\n"
        if not isinstance(error, ScenarioFailed):
            text += "".join(traceback.format_exception(error))
            return cls(target, type(error).__name__, text)
        text += "".join(traceback.format_exception(error.failure.error))
        outcome = _smallest(error.scenario)
        if outcome is None:
            text += f"\nDoes not fail when it is played:\n{error.scenario.to_json()}"
            return cls(target, error.failure.kind, text)
        small = outcome.scenario.to_json(indent=1)
        assert outcome.failure is not None
        return cls(target, outcome.failure.kind, text, small, as_test(outcome))

    def save(self, folder: Path) -> Path | None:
        """Writes the scenario and its test down; returns where, if there is one."""
        if self.scenario is None:
            return None
        folder.mkdir(parents=True, exist_ok=True)
        count = len(list(folder.glob("*.json")))
        path = folder / f"{self.target}_{self.kind}_{count}.json"
        path.write_text(self.scenario, "utf-8")
        path.with_suffix(".py").write_text(self.test, "utf-8")
        return path


def _smallest(scenario: Scenario) -> Outcome | None:
    """Returns the outcome of a scenario that is as small as is found soon."""
    outcome = play(scenario)
    if outcome.failure is None:
        return None
    shrinker = Shrinker(play, outcome.failure.kind, plays_max=PLAYS_MAX)
    return shrinker.shrink(outcome)
