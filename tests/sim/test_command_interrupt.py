from __future__ import annotations

import os
from pathlib import Path
import re
import signal
import subprocess
import sys
import time

from tests.sim.commands import ROOT, TARGETS


def _started(path: Path) -> bool:
    return path.exists() and path.read_text().count("\n") > 1


def test_ctrl_c_ends_a_sweep_in_order(tmp_path: Path) -> None:
    """Ctrl-C, which reaches all processes of a terminal, lets each end its seed; the
    summary tells what was done, which is what can be taken up again; status 130."""
    journal = tmp_path / "journal"
    what = (f"{TARGETS}:small", "--seeds", "1000000", "--jobs", "2")
    where = ("--resume", str(journal), "--artifacts", str(tmp_path / "found"))
    with subprocess.Popen(
        [sys.executable, "-m", "comm", "sim", "sweep", *what, *where],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as process:
        deadline = time.monotonic() + 40
        while not _started(journal):
            assert time.monotonic() < deadline
            os.sched_yield()
        os.killpg(process.pid, signal.SIGINT)
        text, _ = process.communicate(timeout=40)
    assert process.returncode == 130, text
    assert "Interrupted." in text
    assert "Traceback" not in text
    played = re.search(r"seeds +(\d+), of which 0 failed", text)
    assert played is not None
    counts = re.findall(r'"count": (\d+)', journal.read_text())
    assert int(played[1]) == sum(map(int, counts)) > 0
