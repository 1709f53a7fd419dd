"""How the tests run the command line of the simulator: here, or in a process."""

from __future__ import annotations

from dataclasses import dataclass
import io
import os
from pathlib import Path
import subprocess
import sys

from comm.sim.command.console import Console
from comm.sim.command.parsing import make_parser


__all__ = ["IN_THIS_PROCESS", "TARGETS", "Printed", "run_here", "run_process"]

ROOT = Path(__file__).parents[2]

TARGETS = "tests.sim.targets"

IN_THIS_PROCESS = (
    "--executor",
    "concurrent.futures.ThreadPoolExecutor",
    "--executor-option",
    "max_workers=1",
)
"""Plays in a thread: what a test has changed is changed there, too, and nothing has
to be forked from a process with threads."""


@dataclass
class Printed:
    """What a command has printed, and its exit status."""

    status: int
    text: str

    @property
    def replays(self) -> list[str]:
        """The lines that reproduce something."""
        lines = map(str.strip, self.text.splitlines())
        return [line for line in lines if line.startswith("python -m comm sim")]


def run_here(*arguments: str | Path) -> Printed:
    """Runs a command of the simulator in this process."""
    out = io.StringIO()
    options = make_parser().parse_args(list(map(str, arguments)))
    status = options.run(options, Console(out))
    return Printed(status, out.getvalue())


def run_process(
    *arguments: str | Path, timeout: float = 50.0, **environ: str
) -> Printed:
    """Runs a command of the simulator in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "comm", "sim", *map(str, arguments)],
        check=False,
        cwd=ROOT,
        env=os.environ | environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=timeout,
    )
    return Printed(done.returncode, done.stdout)
