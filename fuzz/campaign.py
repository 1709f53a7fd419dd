"""`Campaign`: rounds of all targets, spread over any executor."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from time import monotonic

from fuzz.findings import Finding
from fuzz.profiles import PROFILES
from fuzz.tally import TALLY
from fuzz.targets import pursue


__all__ = ["Campaign", "Report"]


@dataclass(slots=True)
class Report:
    """What came of a campaign, or of a part of it.

    Attributes:
        rounds: How often every target had its turn.
        seconds: How long the longest part took.
        done: How much of each was done.
        findings: What was found.
    """

    rounds: int = 0
    seconds: float = 0.0
    done: Counter[str] = field(default_factory=Counter)
    findings: list[Finding] = field(default_factory=list)

    def add(self, other: Report) -> None:
        """Adds what came of another part."""
        self.rounds += other.rounds
        self.seconds = max(self.seconds, other.seconds)
        self.done += other.done
        self.findings += other.findings


@dataclass(frozen=True, slots=True)
class Campaign:
    """Runs targets, round by round; each round has a seed of its own.

    Attributes:
        profile: The name of the profile.
        targets: The names of the targets.
        first: The seed of the first round.
        seconds: For how long new rounds begin; 0 for one round of each part.
        parts: How many parts run beside each other.
    """

    profile: str
    targets: Sequence[str]
    first: int = 0
    seconds: float = 0.0
    parts: int = 1

    def run(self, executor: Executor | None = None) -> Report:
        """Runs all parts, in an executor if there is one, and returns their report."""
        numbers = range(self.parts)
        run_all = map if executor is None else executor.map
        report = Report()
        for part in run_all(self.run_part, numbers):
            report.add(part)
        return report

    def run_part(self, part: int) -> Report:
        """Runs one part: every so manieth round, until it has found something."""
        begun, before = monotonic(), TALLY.copy()
        report = Report()
        number = self.first + part
        while not report.findings:
            for target in self.targets:
                finding = pursue(target, number, PROFILES[self.profile])
                if finding is not None:
                    report.findings.append(finding)
            report.rounds += 1
            number += self.parts
            report.seconds = monotonic() - begun
            if report.seconds >= self.seconds:
                break
        report.done = TALLY - before
        return report
