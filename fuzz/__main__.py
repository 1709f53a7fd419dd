"""Runs a campaign: `python -m fuzz --profile campaign --seconds 600 --jobs 2`."""

from __future__ import annotations

import argparse
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
import random
import sys

from fuzz.campaign import Campaign, Report
from fuzz.profiles import PROFILES
from fuzz.targets import TARGETS


def main(arguments: list[str] | None = None) -> int:
    """Runs a campaign; returns 1 if it has found something."""
    given = _parse(arguments)
    targets = given.target or list(TARGETS)
    first = given.seed
    if first is None:
        first = (
            0 if PROFILES[given.profile].is_repeatable else random.randrange(1 << 30)
        )
    campaign = Campaign(given.profile, targets, first, given.seconds, given.jobs)
    print(f"Profile {given.profile}, from seed {first}", flush=True)
    if given.jobs == 1:
        report = campaign.run()
    else:
        with ProcessPoolExecutor(given.jobs) as executor:
            report = campaign.run(executor)
    return _tell(report, given.artifacts)


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m fuzz", description=__doc__)
    parser.add_argument("--profile", choices=PROFILES, default="dev")
    parser.add_argument(
        "--seconds",
        type=float,
        default=0.0,
        help="go on for about so long, round by round; one round by default",
    )
    parser.add_argument("--jobs", type=int, default=1, help="how many processes")
    parser.add_argument("--seed", type=int, help="the seed of the first round")
    parser.add_argument(
        "--target", action="append", choices=TARGETS, help="only this; may be repeated"
    )
    parser.add_argument(
        "--artifacts",
        type=Path,
        default=Path(".hypothesis") / "found",
        help="the folder for what is found",
    )
    return parser.parse_args(arguments)


def _tell(report: Report, folder: Path) -> int:
    for finding in report.findings:
        print(finding.text)
        path = finding.save(folder)
        if path is not None:
            print(finding.test)
            print(f"python -m comm sim replay {path}\n")
    done = ", ".join(f"{count} {what}" for what, count in sorted(report.done.items()))
    print(f"{report.rounds} rounds in {report.seconds:.0f} s: {done}")
    print(f"{len(report.findings)} findings")
    return 1 if report.findings else 0


if __name__ == "__main__":
    sys.exit(main())
