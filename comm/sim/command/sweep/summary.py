"""What a sweep prints at its end: what was played, what failed, what was reached."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from comm.marks import Mark
from comm.sim.command.console import Console
from comm.sim.command.sweep.tally import Tally
from comm.sim.faults import CATALOGUE


__all__ = ["missing_coverage", "print_summary"]


def missing_coverage(tally: Tally) -> list[str]:
    """Returns the faults that never fired, and the marks that were never reached."""
    faults = [name for name in CATALOGUE if not tally.fired[name]]
    return faults + [mark.name for mark in Mark if not tally.marks[mark.name]]


def print_summary(
    console: Console, title: str, tally: Tally, played: int, wall_s: float
) -> None:
    """Prints a summary.

    Args:
        console: Where.
        title: What was played.
        tally: What it came to.
        played: How many of the seeds were played just now.
        wall_s: How long that took.
    """
    _print_counts(console, "Faults", "fired", tally.fired, CATALOGUE)
    marks = [mark.name for mark in Mark]
    _print_counts(console, "Coverage marks", "reached", tally.marks, marks)
    if tally.failed:
        kinds = tally.failures
        _print_counts(console, "Failures", "seeds", kinds, sorted(kinds))
    # What was played before this sweep was resumed took no time of ours.
    simulated_s = tally.simulated_s * played / max(tally.seeds, 1)
    values = {
        "seeds": f"{tally.seeds:,}, of which {tally.failed:,} failed",
        "played twice": f"{tally.rechecked:,}",
        "events": f"{tally.events:,}",
        "delivered items": f"{tally.delivered:,}",
        "simulated": f"{tally.simulated_s:,.0f} s",
        "wall time": f"{wall_s:,.1f} s",
        "seeds/s": f"{played / wall_s:.2f}",
        "simulated/wall": f"{simulated_s / wall_s:,.0f}",
    }
    console.block(title, values)


def _print_counts(
    console: Console,
    title: str,
    column: str,
    counts: Counter[str],
    names: Iterable[str],
) -> None:
    rows = [(name, f"{counts[name]:,}" if counts[name] else "never") for name in names]
    console.table(title, (title.lower(), column), rows)
