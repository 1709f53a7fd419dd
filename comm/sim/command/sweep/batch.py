"""A batch: some seeds that one process plays one behind the other.

What is submitted to an executor is `play_batch` with a `Batch`, and what comes back is
a `Result`: a function that any process can import, and plain values.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
import threading
import time

from comm.marks import counted
from comm.sim.choices import derive
from comm.sim.command.artifact import NOT_DETERMINISTIC, Artifact
from comm.sim.command.sweep.stopping import is_stop_requested
from comm.sim.command.sweep.tally import Tally
from comm.sim.command.target import find_target
from comm.sim.scenario import Outcome, Scenario, play


__all__ = ["Batch", "Found", "Result", "play_batch"]

_ONE_AT_A_TIME = threading.Lock()
"""An executor of threads gains nothing from playing two runs at once, and what is
counted for a process could not be told apart."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Seeds to be played.

    Attributes:
        target: The function from seeds to scenarios, by its name.
        first: The first seed.
        count: How many there are.
        check_every: Behind how many steps cores check their invariants; 0 for never.
        twice_percent: How many seeds in a hundred are played again, at once and behind
            all others.
        limit_s: For how long to play; None for as long as it takes.
    """

    target: str
    first: int
    count: int
    check_every: int = 1
    twice_percent: float = 0.0
    limit_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A seed that failed.

    Attributes:
        seed: The seed.
        kind: How it failed.
        text: What happened.
        artifact: The run; None if there was none, since the target failed itself.
    """

    seed: int
    kind: str
    text: str
    artifact: Artifact | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What came of a batch.

    Attributes:
        first: The first seed that was played.
        count: How many were; fewer than asked for if it was stopped.
        tally: What they came to.
        found: Those that failed.
    """

    first: int
    count: int
    tally: Tally
    found: tuple[Found, ...]


def play_batch(batch: Batch) -> Result:
    """Plays the seeds of a batch, in order, until it is over or has to stop."""
    with _ONE_AT_A_TIME, counted() as marks:
        player = _Player(batch, find_target(batch.target))
        player.play_all()
        player.tally.marks.update({m.name: count for m, count in marks.items()})
    return Result(
        first=batch.first,
        count=player.tally.seeds,
        tally=player.tally,
        found=tuple(player.found),
    )


@dataclass
class _Player:
    """Plays one batch."""

    batch: Batch
    scenario_of: Callable[[int], Scenario]
    tally: Tally = field(default_factory=Tally)
    found: list[Found] = field(default_factory=list[Found])
    chosen: list[Outcome] = field(default_factory=list[Outcome])
    began_at: float = field(default_factory=time.monotonic)

    def play_all(self) -> None:
        """Plays all seeds, and some of them again."""
        first, count = self.batch.first, self.batch.count
        for seed in range(first, first + count):
            if self._must_stop():
                return
            self._play_seed(seed)
        # Backwards: what a run leaves behind in the process befalls another one now.
        for outcome in reversed(self.chosen):
            if self._must_stop():
                return
            self._play_again(outcome)

    def _must_stop(self) -> bool:
        limit_s = self.batch.limit_s
        is_late = limit_s is not None and time.monotonic() - self.began_at >= limit_s
        return is_stop_requested() or is_late

    def _play_seed(self, seed: int) -> None:
        is_chosen = _is_chosen(seed, self.batch.twice_percent)
        try:
            outcome = self._play(self.scenario_of(seed), records=is_chosen)
        except Exception as error:  # noqa: BLE001 - the target is whatever it is
            self.tally.seeds += 1
            text = f"the target itself failed: {error!r}"
            self._report(seed, type(error).__name__, text, None)
            return
        self.tally.add(outcome)
        if outcome.failure is not None:
            self._keep_failure(seed, outcome)
        elif is_chosen:
            self.tally.rechecked += 1
            if self._play_again(outcome):
                self.chosen.append(outcome)

    def _play(self, scenario: Scenario, *, records: bool) -> Outcome:
        return play(scenario, records=records, check_every=self.batch.check_every)

    def _keep_failure(self, seed: int, outcome: Outcome) -> None:
        """Plays a failure again from its tape, now with its history written down."""
        failure = outcome.failure
        assert failure is not None
        scenario = outcome.scenario.with_tape(outcome.tape)
        again = self._play(scenario, records=True)
        kind, text = failure.kind, failure.text
        if again.digest != outcome.digest:
            kind = NOT_DETERMINISTIC
            text = f"failed with {failure}; and played again: {again.failure}"
        self._keep(seed, again, kind, text)

    def _play_again(self, outcome: Outcome) -> bool:
        """Plays a run again, and returns whether it was the same."""
        again = self._play(outcome.scenario, records=True)
        difference = outcome.trace.difference(again.trace)
        if difference is None:
            return True
        self._keep(outcome.scenario.seed, outcome, NOT_DETERMINISTIC, str(difference))
        return False

    def _keep(self, seed: int, outcome: Outcome, kind: str, text: str) -> None:
        artifact = Artifact.of(
            outcome,
            kind,
            text,
            target=self.batch.target,
            check_every=self.batch.check_every,
        )
        self._report(seed, kind, text, artifact)

    def _report(
        self, seed: int, kind: str, text: str, artifact: Artifact | None
    ) -> None:
        self.tally.failures[kind] += 1
        self.found.append(Found(seed=seed, kind=kind, text=text, artifact=artifact))


def _is_chosen(seed: int, percent: float) -> bool:
    """Whether a seed is among so many in a hundred, the same ones each time."""
    drawn = int.from_bytes(derive("twice", seed)[:4], "big")
    return drawn * 100 < percent * (1 << 32)
