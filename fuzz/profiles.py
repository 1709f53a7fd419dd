"""Profiles: how much each target does, and whether it does the same each time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from hypothesis import HealthCheck, Phase, settings
from hypothesis.database import DirectoryBasedExampleDatabase


__all__ = ["DATABASE", "LONG", "PROFILES", "Profile"]

LONG = ("machine", "scenarios")
"""The targets whose examples take long."""

DATABASE = Path(".hypothesis") / "campaign"
"""Where a campaign keeps the examples that failed, and those that may be near."""


@dataclass(frozen=True, slots=True)
class Profile:
    """How much to do.

    Attributes:
        examples: How many examples of each target there are in a round.
        steps_max: How many actions the state machine takes in an example.
        is_repeatable: Whether the same is done each time, with nothing kept, and in
            bounded time: Hypothesis makes no long example smaller then, and what was
            found is told as it was found, or somewhat smaller.
    """

    examples: Mapping[str, int]
    steps_max: int = 50
    is_repeatable: bool = False

    def settings(self, target: str) -> settings:
        """Returns what Hypothesis is told about a target."""
        return settings(
            max_examples=self.examples[target],
            stateful_step_count=self.steps_max,
            derandomize=self.is_repeatable,
            database=None if self.is_repeatable else _database(),
            phases=self._phases(target),
            deadline=None,
            report_multiple_bugs=False,
            suppress_health_check=list(HealthCheck),
            print_blob=False,
        )

    def _phases(self, target: str) -> list[Phase]:
        if self.is_repeatable and target in LONG:
            return [Phase.generate]
        # All but the explanation, which takes longer than it is worth.
        return [Phase.reuse, Phase.generate, Phase.target, Phase.shrink]


def _database() -> DirectoryBasedExampleDatabase:
    return DirectoryBasedExampleDatabase(DATABASE)


PROFILES: Mapping[str, Profile] = {
    "dev": Profile({"machine": 100, "scenarios": 50, "nodes": 200, "parsers": 500}),
    "ci": Profile(
        {"machine": 800, "scenarios": 400, "nodes": 1200, "parsers": 4000},
        is_repeatable=True,
    ),
    "campaign": Profile(
        {"machine": 300, "scenarios": 200, "nodes": 500, "parsers": 2000},
        steps_max=100,
    ),
}
"""`dev` takes a quarter of a minute, `ci` two; a `campaign` is made of rounds, until
its time is over."""
