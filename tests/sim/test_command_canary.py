"""The canary: a core that is broken on purpose must be found, and found again."""

from __future__ import annotations

from pathlib import Path
import re
import shlex
import subprocess
import sys

from tests.sim.commands import ROOT, run_process


_BROKEN = '''
from comm.session.session import Session
from comm.sim.scenario import draw_scenario

_handle_frame = Session.handle_frame

def handle_frame(self, frame):
    """Says that everything has arrived that comes, be it for the second time."""
    if frame.sequence and frame.sequence <= self.received:
        self._received = frame.sequence - 1
    _handle_frame(self, frame)

Session.handle_frame = handle_frame
'''


def test_a_broken_core_is_found_and_found_again(tmp_path: Path) -> None:
    """A sweep of a core that takes frames twice fails, writes the run down, and prints
    a line that reproduces it, to the very digest."""
    (tmp_path / "broken_core.py").write_text(_BROKEN)
    what = ("broken_core:draw_scenario", "--seeds", "100", "--failures-max", "1")
    where = ("--artifacts", tmp_path / "found", "--jobs", "2", "--batch", "2")
    sweep = run_process("sweep", *what, *where, PYTHONPATH=str(tmp_path))
    assert sweep.status == 1, sweep.text
    assert sweep.replays, sweep.text
    assert list((tmp_path / "found").glob("*.json"))
    program, *arguments = shlex.split(sweep.replays[0])
    assert program == "python"
    replay = subprocess.run(
        [sys.executable, *arguments],
        check=False,
        cwd=ROOT,
        env={"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=50,
    )
    assert replay.returncode == 1
    assert replay.stderr == ""
    assert "as it was recorded." in replay.stdout
    failure = re.search(r"seed \d+ failed: (\S+)", sweep.text)
    assert failure is not None
    assert f"Failed: {failure[1]}" in replay.stdout
