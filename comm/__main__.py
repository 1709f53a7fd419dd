"""The command line: `python -m comm …`, also installed as `comm-fabric …`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from importlib import import_module
import sys


__all__ = ["main"]

_COMMANDS = {
    "demo": ("comm.demo", "run a cluster of real processes and verify each step"),
    "doctor": (
        "comm.doctor",
        "check this installation, and explain what is wrong with it",
    ),
    "sim": (
        "comm.sim.command",
        "run many simulated clusters in which everything fails",
    ),
}
"""Each command has a module, whose `main` takes the rest of the line and returns the
exit status. It is imported only when it was asked for, so that the doctor runs where
the library cannot."""


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit status.

    Args:
        argv: The command line behind the program's name; `sys.argv[1:]` if left out.
    """
    command, rest = _parse(argv)
    status: int = import_module(_COMMANDS[command][0]).main(rest)
    return status


def _parse(argv: Sequence[str] | None) -> tuple[str, list[str]]:
    parser = argparse.ArgumentParser(
        prog="python -m comm",
        description="Channels between tasks, processes and machines.",
        epilog="`python -m comm COMMAND --help` tells more about one command.",
    )
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, (_, summary) in _COMMANDS.items():
        commands.add_parser(name, help=summary, add_help=False)
    known, rest = parser.parse_known_args(argv)
    return known.command, rest


if __name__ == "__main__":
    sys.exit(main())
