"""The command line of the simulator."""

from __future__ import annotations

import argparse
from importlib import import_module


__all__ = ["make_parser"]

_COMMANDS = {
    "sweep": "Plays many seeds, each a world of its own, and keeps those that fail.",
    "replay": "Plays a failure again, and shows what led to it.",
    "shrink": "Makes a failure small, and a test of it.",
    "bench": "Measures how fast simulations run.",
    "digests": "Prints the digest of each seed, to be held against another process's.",
}
"""Each of them is a module, which adds its arguments, and runs."""

_EPILOGS = {
    "sweep": "The exit status is 0 if no seed failed; 1 if one did, a process died, or "
    "coverage is lacking that was required; 2 if nothing could be played; and 130 "
    "after Ctrl-C, which lets every process end its present seed, and prints what was "
    "done. "
    "Dask plays with --executor distributed.Client --executor-option "
    "address=tcp://HOST:8786.",
    "replay": "The exit status is 1 if it still fails, and 0 if it does not.",
    "shrink": "The exit status is 0 if it was shrunk as far as it goes, and 130 after "
    "Ctrl-C, which keeps the smallest one that was found until then.",
    "bench": "The figures depend on the machine, and on what else runs there.",
}


def make_parser() -> argparse.ArgumentParser:
    """Returns what reads the command line behind `sim`.

    What it returns has a `run`, which is called with it and a console, and returns the
    exit status.
    """
    parser = argparse.ArgumentParser(
        prog="python -m comm sim",
        description="Runs the fabric in simulated worlds in which everything fails.",
        epilog="`python -m comm sim COMMAND --help` tells more about one command.",
    )
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    for name, summary in _COMMANDS.items():
        command = commands.add_parser(
            name, help=summary, description=summary, epilog=_EPILOGS.get(name)
        )
        module = import_module(f"comm.sim.command.{name}")
        module.add_arguments(command)
        command.set_defaults(run=module.run)
    return parser
