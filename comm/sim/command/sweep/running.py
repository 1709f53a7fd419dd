"""A sweep, from its command line to its summary."""

from __future__ import annotations

import argparse
from collections.abc import Generator, Iterable
from concurrent.futures import BrokenExecutor, Executor
from contextlib import contextmanager
import shlex
import sys
import time

from comm.sim.command.console import Console, Progress
from comm.sim.command.sweep.arguments import SEEDS
from comm.sim.command.sweep.batch import Batch, Found, Result
from comm.sim.command.sweep.campaign import Campaign
from comm.sim.command.sweep.journal import Journal, JournalError, Known
from comm.sim.command.sweep.summary import missing_coverage, print_summary
from comm.sim.command.sweep.workers import forked_workers, named_executor
from comm.sim.command.target import TargetError, find_target
from comm.sim.command.telling import tell_failure


__all__ = ["run"]

_MANY = sys.maxsize

_INTERRUPTED = 130
"""The exit status that a shell expects of a program that Ctrl-C has ended."""

_TEXT_MAX = 160


def run(options: argparse.Namespace, console: Console) -> int:
    """Sweeps, and returns the exit status."""
    try:
        find_target(options.target)
        sweep = _Sweep(options, console)
        return sweep.run()
    except (TargetError, JournalError) as error:
        console.line(str(error))
        return 2


class _Sweep:
    """One sweep, from its command line to its summary."""

    def __init__(self, options: argparse.Namespace, console: Console) -> None:
        self._options = options
        self._console = console
        self._began_at = time.monotonic()
        what = {"target": options.target, "check_every": options.check_every}
        self._journal = Journal(options.resume, what)
        self._known_seeds = self._journal.tally.seeds
        self._seeds = options.seeds
        if self._seeds is None:
            self._seeds = SEEDS if options.time_limit_s is None else _MANY
        self._progress: Progress = _ignore

    def run(self) -> int:
        """Plays, prints the summary, and returns the exit status."""
        if self._known_seeds:
            self._console.line(f"{self._known_seeds} seeds were played before.")
        self._print_known(self._journal.known)
        campaign = self._campaign()
        try:
            with self._executor() as executor, self._shown_progress():
                campaign.run(executor, self._options.jobs + 1)
        except BrokenExecutor as error:
            self._console.line(_describe_death(campaign.pending.values(), error))
        self._summarize(is_interrupted=campaign.is_interrupted)
        if campaign.is_interrupted:
            return _INTERRUPTED
        return self._status(is_complete=not campaign.pending)

    def _campaign(self) -> Campaign:
        options = self._options
        like = Batch(
            target=options.target,
            first=0,
            count=options.batch,
            check_every=options.check_every,
            twice_percent=options.twice,
        )
        return Campaign(
            like=like,
            seeds=range(options.first, options.first + self._seeds),
            done=list(self._journal.done),
            limit_s=options.time_limit_s,
            taken=self._take,
        )

    @contextmanager
    def _executor(self) -> Generator[Executor]:
        options = self._options
        if options.executor is None:
            made = forked_workers(options.jobs, options.target)
        else:
            made = named_executor(options.executor, dict(options.executor_option))
        with made as executor:
            yield executor

    @contextmanager
    def _shown_progress(self) -> Generator[None]:
        seeds, limit_s = self._seeds, self._options.time_limit_s
        whole = seeds if seeds != _MANY else limit_s
        with self._console.progress("sweep", whole) as progress:
            self._progress = progress
            yield

    def _take(self, result: Result) -> bool:
        """Takes a result, and returns whether enough has failed."""
        known = [self._keep(found) for found in result.found]
        if result.count:
            self._journal.add(result, known)
        self._print_known(known)
        self._show_progress()
        failures_max = self._options.failures_max
        return failures_max is not None and self._journal.tally.failed >= failures_max

    def _show_progress(self) -> None:
        tally, wall_s = self._journal.tally, self._wall_s
        played = tally.seeds - self._known_seeds
        rate = f"{played / wall_s:.2f} seeds/s"
        of = f" of {self._seeds}" if self._seeds != _MANY else ""
        text = f"{tally.seeds}{of} seeds, {tally.failed} failed, {rate}"
        self._progress(tally.seeds if of else wall_s, text)

    def _keep(self, found: Found) -> Known:
        """Writes the artifact of a failure."""
        path = ""
        if found.artifact is not None:
            name = self._options.target.rpartition(":")[2]
            file = self._options.artifacts / f"{name}-{found.seed}.json"
            found.artifact.write(file)
            path = str(file)
        return Known(found.seed, found.kind, found.text, path)

    def _print_known(self, known: list[Known]) -> None:
        for each in known:
            text = " ".join(tell_failure(each.kind, each.text).split())
            self._console.line(f"seed {each.seed} failed: {text[:_TEXT_MAX]}")
            self._console.line(f"  {self._reproduction(each)}")

    def _reproduction(self, known: Known) -> str:
        if known.artifact:
            return f"python -m comm sim replay {shlex.quote(known.artifact)}"
        target = shlex.quote(self._options.target)
        return f"python -m comm sim sweep {target} --first {known.seed} --seeds 1"

    @property
    def _wall_s(self) -> float:
        return max(time.monotonic() - self._began_at, 1e-9)

    def _summarize(self, *, is_interrupted: bool) -> None:
        if is_interrupted:
            self._console.line("\nInterrupted. This is what was done until then.")
        played = self._journal.tally.seeds - self._known_seeds
        title = self._options.target
        print_summary(self._console, title, self._journal.tally, played, self._wall_s)

    def _status(self, *, is_complete: bool) -> int:
        tally = self._journal.tally
        lacking = missing_coverage(tally) if self._options.require_coverage else []
        if lacking:
            self._console.line(f"\nNever met with: {', '.join(lacking)}")
        return 1 if tally.failed or lacking or not is_complete else 0


def _describe_death(batches: Iterable[Batch], error: BrokenExecutor) -> str:
    playing = ", ".join(f"{b.first} to {b.first + b.count - 1}" for b in batches)
    return f"A process has died while seeds {playing} were played: {error}"


def _ignore(done: float, text: str) -> None:
    del done, text
