"""`replay`: plays a failure again, and shows what led to it."""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path

from comm.sim.command.arguments import whole
from comm.sim.command.artifact import NOT_DETERMINISTIC, Artifact, ArtifactError
from comm.sim.command.console import Console
from comm.sim.command.target import TargetError, find_target
from comm.sim.command.telling import (
    fault_lines,
    tell_failure,
    tell_line,
    tell_world,
)
from comm.sim.scenario import Outcome, play
from comm.sim.trace import Difference, Trace


__all__ = ["add_arguments", "load_artifact", "run"]

_CAUSES_MAX = 20


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds what the command line of `replay` may say."""
    add = parser.add_argument
    add("artifact", type=Path, metavar="ARTIFACT", help="what `sweep` has written")
    add(
        "--trace",
        type=whole(0),
        default=20,
        metavar="N",
        help="how many of the last lines of the history to show: 20",
    )
    add(
        "--until-line",
        type=whole(0),
        metavar="N",
        help="show the history as if it ended with its line N, and what led to that",
    )


def run(options: argparse.Namespace, console: Console) -> int:
    """Plays an artifact; returns 1 if it still fails, and 0 if it does not."""
    try:
        artifact = load_artifact(options.artifact, console)
    except ArtifactError as error:
        console.line(str(error))
        return 2
    again = partial(
        play, artifact.scenario, records=True, check_every=artifact.check_every
    )
    outcome = again()
    console.line(f"{options.artifact}: {artifact.target}, seed {artifact.seed}")
    console.block("The world", tell_world(artifact.scenario))
    _show_history(outcome.trace, options, console)
    is_same = _compare(artifact, options.artifact, outcome, console)
    has_failed = outcome.failure is not None
    if artifact.kind == NOT_DETERMINISTIC or not is_same:
        has_failed |= _differs(outcome.trace.difference(again().trace), console)
    _show_failure(artifact, outcome, console)
    return 1 if has_failed else 0


def load_artifact(path: Path, console: Console) -> Artifact:
    """Reads an artifact, and imports its target, which may have changed something.

    Raises:
        ArtifactError: If it is none.
    """
    artifact = Artifact.read(path)
    try:
        find_target(artifact.target)
    except TargetError as error:
        console.line(f"The target is not there any more: {error}")
    return artifact


def _show_history(trace: Trace, options: argparse.Namespace, console: Console) -> None:
    console.line("\nThe time line of faults")
    for line in fault_lines(trace):
        console.line(f"  {line}")
    lines = trace.lines
    end = len(lines)
    if options.until_line is not None:
        end = min(end, options.until_line + 1)
    start = max(0, end - options.trace)
    if start < end:
        console.line(f"\nThe history, lines {start} to {end - 1} of {len(lines)}")
    for number in range(start, end):
        console.line(f"  {tell_line(number, lines[number])}")
    if end:
        _show_causes(trace, end - 1, console)


def _show_causes(trace: Trace, number: int, console: Console) -> None:
    console.line(f"\nWhat led to line {number}, the nearest first")
    for _ in range(_CAUSES_MAX):
        number = trace.cause_of(number)
        if number < 0:
            return
        console.line(f"  {tell_line(number, trace.lines[number])}")
    console.line("  (and so on)")


def _compare(
    artifact: Artifact, path: Path, outcome: Outcome, console: Console
) -> bool:
    """Tells whether the history is the recorded one, and where it is not."""
    if outcome.digest == artifact.digest:
        console.line(f"\nDigest {artifact.digest}, as it was recorded.")
        return True
    console.line(
        f"\nDigest {outcome.digest}; {artifact.digest} was recorded, by comm "
        f"{artifact.comm} on Python {artifact.python}. It is another history now:"
    )
    recorded = Artifact.read_trace(path)
    if recorded is None:
        console.line("the recorded one is not at hand.")
    else:
        console.line(str(recorded.difference(outcome.trace)))
    return False


def _differs(difference: Difference | None, console: Console) -> bool:
    """Tells whether the present code plays the scenario twice in the same way."""
    if difference is None:
        console.line("Played twice now, it is the same both times.")
        return False
    console.line(f"Played twice now, it is not the same: {difference}")
    return True


def _show_failure(artifact: Artifact, outcome: Outcome, console: Console) -> None:
    if outcome.failure is None:
        console.line("\nIt does not fail now. What was recorded:")
        console.line(tell_failure(artifact.kind, artifact.text))
        return
    failure = outcome.failure
    console.line(f"\nFailed: {tell_failure(failure.kind, failure.text)}")
    if outcome.failure.kind != artifact.kind:
        console.line(f"What was recorded is another failure: {artifact.kind}")
