"""`python -m comm sim …`: sweeps of seeds, and what becomes of those that fail."""

from __future__ import annotations

from collections.abc import Sequence
import sys

from comm.sim.command.console import open_console
from comm.sim.command.parsing import make_parser


__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command of the simulator, and returns the exit status.

    Args:
        argv: The command line behind `sim`; `sys.argv[1:]` if left out.
    """
    options = make_parser().parse_args(argv)
    status: int = options.run(options, open_console(sys.stdout))
    return status
