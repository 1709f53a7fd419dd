"""What the command line of `sweep` may say."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from comm.sim.command.arguments import percentage, seconds, whole
from comm.sim.command.sweep.workers import usable_cpus
from comm.sim.command.target import DEFAULT_TARGET


__all__ = ["SEEDS", "add_arguments"]

SEEDS = 100
"""How many seeds are played if nothing is said."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds what the command line of `sweep` may say."""
    add = parser.add_argument
    add(
        "target",
        nargs="?",
        default=DEFAULT_TARGET,
        metavar="TARGET",
        help="MODULE:FUNCTION, a function from a seed to a Scenario; the reference "
        f"swarm, {DEFAULT_TARGET}, if left out",
    )
    _add_what(parser)
    _add_who(parser)
    _add_where(parser)


def _add_what(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add(
        "--seeds",
        type=whole(1),
        metavar="N",
        help=f"how many seeds to play: {SEEDS}, or with --time-limit-s as many as "
        "there is time for",
    )
    add("--first", type=whole(0), default=0, metavar="S", help="the first seed: 0")
    add(
        "--time-limit-s",
        type=seconds,
        metavar="T",
        help="begin no further seed after so many seconds",
    )
    add(
        "--failures-max",
        type=whole(1),
        metavar="N",
        help="begin no further seed when so many have failed",
    )
    add(
        "--check-every",
        type=whole(0),
        default=1,
        metavar="K",
        help="check the invariants of a core behind every K-th step: 1; 0 for never. "
        "They take two thirds of the time, so that 10 is more than twice as fast. The "
        "oracles watch every step whatever it is",
    )
    add(
        "--twice",
        type=percentage,
        default=2.0,
        metavar="PERCENT",
        help="how many seeds in a hundred are played again, at once and behind all "
        "others of their batch, and must have the same digest: 2",
    )


def _add_who(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add(
        "--jobs",
        type=whole(1),
        default=usable_cpus(),
        metavar="J",
        help="how many processes play, or for how many an --executor is given work at "
        "once: as many as there are processors",
    )
    add(
        "--batch",
        type=whole(1),
        default=10,
        metavar="N",
        help="how many seeds a process plays at a stretch: 10",
    )
    add(
        "--executor",
        metavar="DOTTED.PATH",
        help="play on another executor of concurrent.futures, or whatever this "
        "returns; distributed.Client plays on a cluster of Dask",
    )
    add(
        "--executor-option",
        type=_option,
        action="append",
        default=[],
        metavar="K=V",
        help="an argument of the executor, by name; V is JSON, or else a string. May "
        "be given several times",
    )


def _add_where(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add(
        "--artifacts",
        type=Path,
        default=Path("sim-artifacts"),
        metavar="DIR",
        help="where failures are written to: sim-artifacts",
    )
    add(
        "--resume",
        type=Path,
        metavar="FILE",
        help="keep finished batches in this file, and play none again that is in it",
    )
    add(
        "--require-coverage",
        action="store_true",
        help="fail if a fault of the catalogue never met with anything to harm, or a "
        "coverage mark was not reached",
    )


def _option(text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not (equals and name.isidentifier()):
        raise argparse.ArgumentTypeError(f"{text!r} is not K=V")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value
