"""`shrink`: makes a failure small, and a test of it."""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path
import shlex

from comm.sim.command.arguments import whole
from comm.sim.command.artifact import NOT_DETERMINISTIC, Artifact, ArtifactError
from comm.sim.command.console import Console, Progress
from comm.sim.command.replay import load_artifact
from comm.sim.command.telling import tell_failure, tell_world
from comm.sim.scenario import Outcome, Scenario, Shrinker, as_test, play


__all__ = ["add_arguments", "run"]

_INTERRUPTED = 130


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds what the command line of `shrink` may say."""
    add = parser.add_argument
    add("artifact", type=Path, metavar="ARTIFACT", help="what `sweep` has written")
    add(
        "--plays",
        type=whole(1),
        default=2000,
        metavar="N",
        help="how many smaller scenarios to play at the most: 2000",
    )
    add(
        "--test",
        type=Path,
        metavar="FILE",
        help="write a test for pytest that stands alone",
    )


def run(options: argparse.Namespace, console: Console) -> int:
    """Shrinks an artifact, and returns the exit status."""
    try:
        artifact = load_artifact(options.artifact, console)
    except ArtifactError as error:
        console.line(str(error))
        return 2
    outcome = play(artifact.scenario, check_every=artifact.check_every)
    if outcome.failure is None or artifact.kind == NOT_DETERMINISTIC:
        console.line(f"{options.artifact} does not fail, so it cannot be shrunk.")
        return 2
    best, is_whole = _shrink(artifact, outcome, options.plays, console)
    console.block("The world that is left", tell_world(best.scenario))
    assert best.failure is not None
    console.line(f"\nFailed: {tell_failure(best.failure.kind, best.failure.text)}")
    path = options.artifact.with_suffix(".shrunk.json")
    _write(artifact, best, path, options.test, console)
    return 0 if is_whole else _INTERRUPTED


def _shrink(
    artifact: Artifact, outcome: Outcome, plays_max: int, console: Console
) -> tuple[Outcome, bool]:
    """Returns the smallest outcome, and whether Ctrl-C let it be sought to the end."""
    assert outcome.failure is not None
    with console.progress("shrink", plays_max) as progress:
        shrinker = Shrinker(_never, outcome.failure.kind, plays_max)
        shrinker.play = partial(_play, shrinker, artifact.check_every, progress)
        try:
            shrinker.shrink(outcome)
        except KeyboardInterrupt:
            console.line("\nInterrupted. This is the smallest one until then.")
            return shrinker.best or outcome, False
    console.line(f"{shrinker.plays} scenarios played.")
    return shrinker.best or outcome, True


def _play(
    shrinker: Shrinker, check_every: int, progress: Progress, scenario: Scenario
) -> Outcome:
    best = shrinker.best
    if best is not None:
        left = best.scenario
        text = f"{len(left.faults)} faults, {len(left.steps)} steps left"
        progress(shrinker.plays, f"{shrinker.plays} played, {text}")
    return play(scenario, check_every=check_every)


def _never(scenario: Scenario) -> Outcome:
    raise AssertionError(scenario)


def _write(
    artifact: Artifact, best: Outcome, path: Path, test: Path | None, console: Console
) -> None:
    fixed = best.scenario.with_tape(best.tape)
    shrunk = play(fixed, records=True, check_every=artifact.check_every)
    failure = shrunk.failure
    assert failure is not None
    small = Artifact.of(
        shrunk,
        failure.kind,
        failure.text,
        target=artifact.target,
        check_every=artifact.check_every,
    )
    small.write(path)
    console.line(f"python -m comm sim replay {shlex.quote(str(path))}")
    if test is not None:
        test.parent.mkdir(parents=True, exist_ok=True)
        test.write_text(as_test(shrunk), encoding="utf-8")
        console.line(f"python -m pytest {shlex.quote(str(test))}")
