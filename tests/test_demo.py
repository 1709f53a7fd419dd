"""The demo passes, fails when something is wrong, and leaves nothing behind."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
import io
import os
from pathlib import Path
import signal
import subprocess
import sys
import tempfile
import time
import uuid

import pytest

from comm.demo.relay import Cuts
from comm.demo.report import CheckError, Report
from comm.demo.tally import Tally


ROOT = Path(__file__).parents[1]

LIMIT_S = 28.0

MARK = "COMM_TEST_DEMO"

BROKEN_NODE = """
import asyncio, atexit, os, sys
from comm.demo import node
from comm.demo.tasks import Tasks

class Broken(Tasks):
    {task}

if __name__ == "__main__":
    sys.exit(node.main(tasks_type=Broken))
"""


@dataclass
class Surroundings:
    """What a demo runs in: a folder for its files, and a mark on its processes."""

    folder: Path
    mark: str

    @property
    def environ(self) -> dict[str, str]:
        path = f"{self.folder / 'modules'}{os.pathsep}{ROOT}"
        return {
            **os.environ,
            "PYTHONPATH": path,
            "PYTHONWARNINGS": "error",
            "TMPDIR": str(self.folder / "tmp"),
            MARK: self.mark,
        }

    def start(self, *arguments: str, module: str = "comm.demo.node") -> Running:
        code = (
            "import sys; from comm.demo import main; "
            "sys.exit(main(sys.argv[2:], node_module=sys.argv[1]))"
        )
        return subprocess.Popen(
            [sys.executable, "-W", "error", "-c", code, module, *arguments],
            env=self.environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
        )

    def broken_node(self, task: str) -> str:
        text = BROKEN_NODE.format(task=task)
        (self.folder / "modules" / "broken_node.py").write_text(text)
        return "broken_node"

    def files(self) -> list[str]:
        return os.listdir(self.folder / "tmp")

    def processes(self) -> list[int]:
        """Every process that was started in these surroundings and still runs."""
        wanted = f"{MARK}={self.mark}".encode()
        return [
            int(entry.name)
            for entry in Path("/proc").iterdir()
            if entry.name.isdigit() and wanted in _environ(entry)
        ]


Running = subprocess.Popen[str]


def _environ(entry: Path) -> list[bytes]:
    try:
        return (entry / "environ").read_bytes().split(b"\0")
    except OSError:
        return []  # It has ended, or belongs to somebody else.


@pytest.fixture
def surroundings() -> Iterator[Surroundings]:
    """Nothing may remain in them; the path is short enough for Unix sockets."""
    with tempfile.TemporaryDirectory(dir="/tmp", prefix="cd-") as folder:
        (Path(folder) / "tmp").mkdir()
        (Path(folder) / "modules").mkdir()
        made = Surroundings(Path(folder), uuid.uuid4().hex)
        yield made
        left = made.processes()
        for process_id in left:
            os.kill(process_id, signal.SIGKILL)
        assert left == []


@contextmanager
def ended(running: Running) -> Iterator[Running]:
    """Ends the demo if the test has not."""
    try:
        with running:
            yield running
    finally:
        running.kill()
        running.wait()


def output_of(running: Running) -> tuple[int, str]:
    """Waits for the end of the demo; returns its status and what it printed."""
    with ended(running):
        output, _ = running.communicate(timeout=LIMIT_S)
    return running.returncode, output


@pytest.mark.parametrize("transport", ["tcp", "unix"])
def test_every_step_is_verified(surroundings: Surroundings, transport: str) -> None:
    """The demo passes over each transport, and leaves no process and no file."""
    running = surroundings.start("--transport", transport, "--items", "5000")
    status, output = output_of(running)
    assert status == 0, output
    assert "✗" not in output
    assert "All 7 steps verified" in output
    assert "from node 1: 5,000 items sent, 5,000 received" in output
    assert "links were cut" in output
    assert surroundings.files() == []


def test_two_nodes_are_enough(surroundings: Surroundings) -> None:
    """The smallest cluster does it, with as few items as can be asked for."""
    running = surroundings.start("--nodes", "2", "--items", "1000")
    status, output = output_of(running)
    assert status == 0, output
    assert surroundings.files() == []


def test_it_is_a_command() -> None:
    """`python -m comm demo` is what runs it."""
    command = [sys.executable, "-m", "comm", "demo", "--nodes", "1"]
    refused = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert refused.returncode == 2
    assert "'1' is no whole number from 2 to 16" in refused.stderr


@pytest.mark.parametrize(
    ("task", "found"),
    [
        (
            "async def stream(self): return await super().stream() + 1",
            "not so: from node 1: 5,001 items sent, 5,000 received",
        ),
        (
            "async def hear(self): return await super().hear() + self._node_id",
            "not so: all 3 nodes got 42 by broadcast; found: [42, 43, 44]",
        ),
        ("async def answer(self): os._exit(3)", "its process ended (status 3)"),
        (
            "async def answer(self): raise ValueError('broken on purpose')",
            ": answer: ValueError: broken on purpose",
        ),
        (
            "async def drain(self, timeout_s): return 'an item for node 1'",
            "found: ['an item for node 1'",
        ),
        (
            "async def drain(self, timeout_s): atexit.register(os._exit, 4); return ''",
            "exit status 0; found: [4, 4, 4]",
        ),
        ("sys.exit('no node here')", "its process ended (status 1)"),
    ],
    ids=["lost", "wrong", "crash", "error", "undelivered", "status", "start"],
)
def test_what_is_wrong_is_found(
    surroundings: Surroundings, task: str, found: str
) -> None:
    """The status is 1 when a step is not as it should be, and the output says why."""
    module = surroundings.broken_node(task)
    status, output = output_of(surroundings.start("--items", "5000", module=module))
    assert status == 1, output
    assert found in output, output
    assert "could not be verified" in output
    assert "verified in" not in output
    assert surroundings.files() == []


def test_logs_are_shown(surroundings: Surroundings) -> None:
    """When a node fails, the end of its log is printed."""
    module = surroundings.broken_node("async def hear(self): return 1 // 0")
    status, output = output_of(surroundings.start(module=module))
    assert status == 1
    assert "The end of node 1's log:" in output
    assert "   | ZeroDivisionError" in output, output


def test_it_ends_in_time(surroundings: Surroundings) -> None:
    """A node that never answers ends the demo after `--timeout`."""
    module = surroundings.broken_node(
        "async def answer(self): await asyncio.sleep(3600)"
    )
    status, output = output_of(surroundings.start("--timeout", "3", module=module))
    assert status == 1
    assert "not done after --timeout 3 s" in output
    assert "Step 3 could not be verified" in output
    assert surroundings.files() == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_can_be_interrupted(
    surroundings: Surroundings, number: signal.Signals
) -> None:
    """Ctrl-C in the middle of the streams ends every process and removes all files."""
    with ended(surroundings.start("--items", "1000000")) as running:
        assert running.stdout is not None
        for line in running.stdout:
            if line.startswith("4."):
                break
        running.send_signal(number)
        rest, _ = running.communicate(timeout=LIMIT_S)
    assert running.returncode == 130, rest
    assert "Interrupted" in rest
    assert "Traceback" not in rest
    assert surroundings.files() == []
    assert surroundings.processes() == []


def test_nodes_do_not_outlive_the_demo(surroundings: Surroundings) -> None:
    """Even when the demo itself is killed, its processes end."""
    with ended(surroundings.start("--items", "1000000")) as running:
        assert running.stdout is not None
        for line in running.stdout:
            if line.startswith("4."):
                break
        assert len(surroundings.processes()) == 4
        running.kill()
        running.communicate(timeout=LIMIT_S)
    deadline = time.monotonic() + LIMIT_S / 2
    while surroundings.processes() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert surroundings.processes() == []


def test_cuts_are_made_as_planned() -> None:
    """A plan makes so many cuts, none further apart than said, wherever reads end."""
    cuts = Cuts()
    assert cuts.take(10_000) is None
    cuts.plan(5, 1000)
    passed, since, apart = 0, 0, list[int]()
    while passed < 20_000:
        position = cuts.take(300)
        passed, since = passed + 300, since + (300 if position is None else position)
        if position is not None:
            apart.append(since)
            since = 0
    assert cuts.made == 5
    assert len(apart) == 5
    assert all(500 <= distance <= 1000 for distance in apart)
    cuts.plan(5, 1000)
    cuts.stop()
    assert cuts.take(10_000) is None


def test_tallies_see_what_is_wrong() -> None:
    """What is missing, and what comes twice or too late, is counted by node."""
    tally = Tally(3)
    tally.take([[1, 0], [1, 1], [2, 0], [1, 2]])
    assert tally.result() == {
        "received": [0, 3, 1],
        "repeated": [0, 0, 0],
        "skipped": [0, 0, 0],
    }
    tally.take([[1, 5], [2, 0], [1, 3], [2, 1]])
    assert tally.result() == {
        "received": [0, 5, 3],
        "repeated": [0, 1, 1],
        "skipped": [0, 2, 0],
    }


def test_reports_are_readable_in_ascii() -> None:
    """Where the output takes no marks, words stand for them, and nothing raises."""
    buffer = io.BytesIO()
    report = Report(io.TextIOWrapper(buffer, encoding="ascii"))
    report.begin("A step")
    report.check(True, "12² is 144")
    with pytest.raises(CheckError, match="not so: all is well; found: nothing"):
        report.check([], "all is well", "nothing")
    report.failure(OSError("no room"), {1: "first\nlast"})
    assert buffer.getvalue().decode("ascii").splitlines() == [
        "",
        "1. A step",
        "   ok 12? is 144",
        "   FAILED OSError: no room",
        "",
        "The end of node 1's log:",
        "   | first",
        "   | last",
        "",
        "FAILED Step 1 could not be verified.",
    ]
