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
        env={
            **os.environ,
            "PYTHONPATH": path,
            "PYTHONWARNINGS": "error",
            # What several processes print is kept apart only where lines are whole.
            "PYTHONUNBUFFERED": "",
        },
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
    begun = [re.fullmatch(r"worker (\d) has (\d+)", line) for line in lines]
    workers = [(int(found[2]), int(found[1])) for found in begun if found]
    results = [re.fullmatch(r"(\d+): (\d+)", line) for line in lines]
    done = [(int(found[1]), int(found[2])) for found in results if found]
    assert sorted(done) == [(n, sum(range(n))) for n in range(3_000_000, 3_000_060)]
    assert lines.count("a worker is killed") == 1
    lost = [line for line in lines if line.endswith(" goes to another worker")]
    assert len(lost) == 1
    number = int(lost[0].split()[0])
    # The killed one may not have got so far as to say that it has the job.
    *_, last = [worker for job, worker in workers if job == number]
    assert last != 2
    assert {worker for _, worker in workers} == {0, 1, 2}


@pytest.mark.parametrize("name", ["pingpong.py", "work_queue.py"])
def test_examples_show_how_they_run(name: str) -> None:
    """Each example says in its docstring by which command it is run."""
    text = (ROOT / "examples" / name).read_text(encoding="utf-8")
    assert f"    python examples/{name}\n" in text.split('"""')[1]
