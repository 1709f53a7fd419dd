"""`bench`: how fast simulations run, and where the time goes."""

from __future__ import annotations

import argparse
import cProfile
import gc
import io
import pstats
from statistics import median
import time

from comm.sim.command.arguments import positive, whole
from comm.sim.command.bench.workloads import WORKLOADS, Effort, Sample, Workload
from comm.sim.command.console import Console


__all__ = ["add_arguments", "run"]

_FUNCTIONS_MAX = 30

_COLUMNS = ("workload", "best", "median", "target", "unit", "steps/s", "simulated/wall")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds what the command line of `bench` may say."""
    add = parser.add_argument
    names = ", ".join(WORKLOADS)
    add(
        "workloads",
        nargs="*",
        choices=[*WORKLOADS, []],
        metavar="WORKLOAD",
        help=f"what to measure, of {names}; all of it if left out",
    )
    add("--rounds", type=whole(1), default=5, metavar="N", help="how many rounds: 5")
    add(
        "--size",
        type=positive,
        default=1.0,
        metavar="X",
        help="how large a round is, in terms of the usual one: 1",
    )
    add(
        "--check-every",
        type=whole(0),
        default=1,
        metavar="K",
        help="check the invariants of a core behind every K-th step: 1; 0 for never. "
        "The oracles watch every step whatever it is",
    )
    add(
        "--cpu-time",
        action="store_true",
        help="measure the time of the processor instead of that on the wall: steadier "
        "where others work, too",
    )
    add(
        "--profile",
        choices=tuple(WORKLOADS),
        metavar="WORKLOAD",
        help="print the functions in which one of them spends its time, instead",
    )


def run(options: argparse.Namespace, console: Console) -> int:
    """Measures, prints, and returns the exit status."""
    if options.profile:
        _profile(WORKLOADS[options.profile], options, console)
        return 0
    names = options.workloads or list(WORKLOADS)
    samples: dict[str, list[Sample]] = {name: [] for name in names}
    with console.progress("bench", options.rounds * len(names)) as progress:
        # Round by round, so that whatever else runs there befalls all of them.
        for number in range(options.rounds):
            for place, name in enumerate(names):
                progress(number * len(names) + place, f"round {number + 1}: {name}")
                samples[name].append(_round(WORKLOADS[name], options))
    console.table(
        f"Best and median of {options.rounds} rounds",
        _COLUMNS,
        [_row(name, WORKLOADS[name], taken) for name, taken in samples.items()],
    )
    console.block("Workloads", {name: WORKLOADS[name].about for name in names})
    return 0


def _round(workload: Workload, options: argparse.Namespace) -> Sample:
    # The garbage of the round before is none of this one's business.
    gc.collect()
    return workload.run(_effort(options))


def _effort(options: argparse.Namespace) -> Effort:
    clock = time.process_time if options.cpu_time else time.perf_counter
    return Effort(options.size, options.check_every, clock)


def _row(name: str, workload: Workload, samples: list[Sample]) -> tuple[str, ...]:
    figures = [workload.figure(sample) for sample in samples]
    best = max(samples, key=workload.figure)
    target = workload.target
    return (
        name,
        _number(max(figures)),
        _number(median(figures)),
        "" if target is None else _number(target),
        workload.unit,
        _number(best.events_per_s),
        _number(best.speed),
    )


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _profile(workload: Workload, options: argparse.Namespace, console: Console) -> None:
    profile = cProfile.Profile()
    profile.runcall(workload.run, _effort(options))
    text = io.StringIO()
    statistics = pstats.Stats(profile, stream=text).strip_dirs()
    statistics.sort_stats("tottime").print_stats(_FUNCTIONS_MAX)
    for line in text.getvalue().splitlines():
        console.line(line.rstrip())
