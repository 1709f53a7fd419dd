"""The examples run as their docstrings say, and print what they should."""

from __future__ import annotations

import os
from pathlib import Path
import re
import subprocess
import sys

import pytest


ROOT = Path(__file__).parents[1]

LIMIT_S = 28.0


def run(name: str, *arguments: str) -> list[str]:
    """Runs an example and returns the lines that it printed."""
    path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    done = subprocess.run(
        [sys.executable, "-W", "error", str(ROOT / "examples" / name), *arguments],
        env={**os.environ, "PYTHONPATH": path, "PYTHONWARNINGS": "error"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout.splitlines()


def test_ping_pong() -> None:
    """Three processes pass the ball around three times, in order."""
    assert run("pingpong.py") == [
        f"player {bounce % 3} has the ball: bounce {bounce}" for bounce in range(1, 10)
    ]


def test_work_queue() -> None:
    """Every job is done once, though a worker is killed while it has one."""
    lines = run("work_queue.py")
    results = [re.fullmatch(r"worker (\d): (\d+) = [\d x]+", line) for line in lines]
    done_by = {int(found[2]): int(found[1]) for found in results if found}
    assert sum(map(bool, results)) == len(done_by)
    assert sorted(done_by) == list(range(10**11, 10**11 + 100))
    killed_at = lines.index("worker 2 is killed")
    lost = [line for line in lines if line.startswith("worker 2 is lost, ")]
    assert len(lost) == 1
    assert lines.index(lost[0]) > killed_at
    assert done_by[int(lost[0].split()[4])] != 2
    assert lines[-1].startswith("all done, by worker: {0: ")


@pytest.mark.parametrize("name", ["pingpong.py", "work_queue.py"])
def test_examples_show_how_they_run(name: str) -> None:
    """Each example says in its docstring by which command it is run."""
    text = (ROOT / "examples" / name).read_text(encoding="utf-8")
    assert f"    python examples/{name}\n" in text.split('"""')[1]
