"""`digests`: the digest of each seed as JSON, to be held against other processes'."""

from __future__ import annotations

import argparse
import json

from comm.sim.command.arguments import whole
from comm.sim.command.console import Console
from comm.sim.command.target import DEFAULT_TARGET, TargetError, find_target
from comm.sim.scenario import play


__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds what the command line of `digests` may say."""
    add = parser.add_argument
    add("target", nargs="?", default=DEFAULT_TARGET, metavar="TARGET")
    add("--seeds", type=whole(1), default=10, metavar="N", help="how many seeds: 10")
    add("--first", type=whole(0), default=0, metavar="S", help="the first seed: 0")
    add(
        "--check-every",
        type=whole(0),
        default=1,
        metavar="K",
        help="check the invariants of a core behind every K-th step: 1; 0 for never",
    )


def run(options: argparse.Namespace, console: Console) -> int:
    """Prints the digest of each seed, one behind the other in this process."""
    try:
        scenario_of = find_target(options.target)
    except TargetError as error:
        console.line(str(error))
        return 2
    seeds = range(options.first, options.first + options.seeds)
    digests = {
        seed: play(scenario_of(seed), check_every=options.check_every).digest
        for seed in seeds
    }
    console.line(json.dumps(digests))
    return 0
