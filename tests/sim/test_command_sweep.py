from __future__ import annotations

from collections.abc import Iterator
import json
from pathlib import Path
import re

import pytest

from comm.session.replay import ReplayBuffer
from comm.sim.command.artifact import Artifact
from comm.sim.faults import CATALOGUE
from comm.sim.network import Latency
from tests.sim.commands import IN_THIS_PROCESS, TARGETS, run_here, run_process
from tests.sim.targets import break_core


@pytest.fixture(autouse=True)
def mended_core(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Whatever a target has broken is whole again behind the test."""
    monkeypatch.setattr(ReplayBuffer, "rewind", ReplayBuffer.rewind)
    yield
    monkeypatch.undo()


def _sweep(folder: Path, target: str, *arguments: str | Path) -> list[str | Path]:
    where = ("--artifacts", folder / "found")
    return ["sweep", f"{TARGETS}:{target}", *where, *arguments]


def test_a_sweep_that_finds_nothing_says_what_it_did(tmp_path: Path) -> None:
    """The summary counts seeds, items and every fault of the catalogue; status 0."""
    printed = run_here(*_sweep(tmp_path, "small", "--seeds", "5", *IN_THIS_PROCESS))
    assert printed.status == 0
    assert re.search(r"seeds +5, of which 0 failed", printed.text)
    assert re.search(r"delivered items +90\n", printed.text)
    assert re.search(r"simulated +\d{3} s\n", printed.text)
    for name in CATALOGUE:
        count = "5" if name == "CutLink" else "never"
        assert re.search(rf"^  {name} +{count}$", printed.text, re.MULTILINE)
    assert re.search(r"^  BOTH_DIALLED +(\d+|never)$", printed.text, re.MULTILINE)
    assert re.search(r"^  REPLAYED +[1-9]\d*$", printed.text, re.MULTILINE)
    assert not (tmp_path / "found").exists()


def test_each_failure_is_kept_and_told_how_to_reproduce(tmp_path: Path) -> None:
    """Each seed that fails has an artifact, and one line that plays it; status 1."""
    arguments = ("--seeds", "4", "--jobs", "2", "--batch", "2")
    printed = run_here(*_sweep(tmp_path, "forgetful", *arguments, *IN_THIS_PROCESS))
    assert printed.status == 1
    files = [tmp_path / "found" / f"forgetful-{seed}.json" for seed in (2, 3)]
    assert printed.replays == [f"python -m comm sim replay {file}" for file in files]
    assert re.search(r"seed 2 failed: G1: source 0 on host1.0 lost", printed.text)
    assert re.search(r"^  G1 +2$", printed.text, re.MULTILINE)
    artifact = Artifact.read(files[1])
    assert (artifact.seed, artifact.kind) == (3, "G1")
    assert artifact.scenario.tape is not None


def test_coverage_is_required_if_asked_for(tmp_path: Path) -> None:
    """With `--require-coverage` a fault that never fired fails the sweep."""
    arguments = ("--seeds", "1", "--require-coverage")
    printed = run_here(*_sweep(tmp_path, "small", *arguments, *IN_THIS_PROCESS))
    assert printed.status == 1
    assert "Never met with: HalfOpenLink" in printed.text


def test_a_seed_that_is_not_the_same_twice_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With `--twice 100` chance that no seed determines is found, and named."""
    latencies = iter(range(1, 10**9))
    monkeypatch.setattr(Latency, "draw_ns", lambda *_: next(latencies))
    printed = run_here(
        *_sweep(tmp_path, "slow", "--seeds", "1", "--twice", "100", *IN_THIS_PROCESS)
    )
    assert printed.status == 1
    assert "seed 0 failed: NotDeterministicError: line " in printed.text
    replay = run_here("replay", tmp_path / "found" / "slow-0.json")
    assert replay.status == 1
    assert "Played twice now, it is not the same: line " in replay.text


def test_what_a_run_leaves_behind_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`--twice` plays a seed again behind the others of its batch as well, so that it
    finds one that depends on those."""
    played: list[int] = []
    original = Latency.draw_ns

    def draw_ns(latency: Latency, stream: object) -> int:
        # Whoever is played behind the third seed is not what it was before.
        return original(latency, stream) + (played[-1] == 2)  # type: ignore[arg-type]

    monkeypatch.setattr("tests.sim.targets.PLAYED", played)
    monkeypatch.setattr(Latency, "draw_ns", draw_ns)
    printed = run_here(
        *_sweep(tmp_path, "slow", "--seeds", "3", "--twice", "100", *IN_THIS_PROCESS)
    )
    assert "seed 0 failed: NotDeterministicError" in printed.text
    assert "seed 2 failed" not in printed.text


def test_a_target_that_fails_itself_is_a_failure(tmp_path: Path) -> None:
    """What the target raises is told with a line that has it raised again."""
    printed = run_here(*_sweep(tmp_path, "wrong", "--seeds", "1", *IN_THIS_PROCESS))
    assert printed.status == 1
    assert "nothing is known of 0" in printed.text
    assert printed.replays == [
        f"python -m comm sim sweep {TARGETS}:wrong --first 0 --seeds 1"
    ]


@pytest.mark.parametrize(
    "target", ["nonsense", "no.such.module:function", f"{TARGETS}:nothing"]
)
def test_a_target_that_is_not_there_is_told(target: str) -> None:
    """A name that leads nowhere is told in one line; status 2."""
    printed = run_here("sweep", target)
    assert printed.status == 2
    assert target in printed.text
    assert len(printed.text.splitlines()) == 1


def test_an_executor_that_is_none_is_told(tmp_path: Path) -> None:
    """An `--executor` that returns no executor is told; status 2."""
    arguments = ("--executor", "collections.OrderedDict")
    printed = run_here(*_sweep(tmp_path, "small", *arguments))
    assert printed.status == 2
    assert "has made no executor" in printed.text


def test_time_limits_end_a_sweep(tmp_path: Path) -> None:
    """With `--time-limit-s` alone seeds are played until the time is over."""
    printed = run_here(
        *_sweep(tmp_path, "small", "--time-limit-s", "0.3", *IN_THIS_PROCESS)
    )
    assert printed.status == 0
    match = re.search(r"seeds +(\d+), of which 0 failed", printed.text)
    assert match is not None
    assert int(match[1]) > 0


def test_a_sweep_is_taken_up_again(tmp_path: Path) -> None:
    """With `--resume` nothing is played twice, and all of it is in the summary."""
    break_core()
    resume = ("--resume", tmp_path / "journal", *IN_THIS_PROCESS)
    first = run_here(*_sweep(tmp_path, "small", "--seeds", "3", *resume))
    second = run_here(*_sweep(tmp_path, "small", "--seeds", "5", *resume))
    third = run_here(*_sweep(tmp_path, "small", "--seeds", "5", *resume))
    assert (first.status, second.status, third.status) == (1, 1, 1)
    assert "3 seeds were played before." in second.text
    assert len(second.replays) == len(third.replays) == 5
    assert re.search(r"seeds/s +0\.00\n", third.text)
    assert re.search(r"seeds +5, of which 5 failed", third.text)


def test_a_sweep_of_something_else_is_not_taken_up(tmp_path: Path) -> None:
    """`--resume` with the journal of another sweep is told; status 2."""
    resume = ("--seeds", "1", "--resume", tmp_path / "journal", *IN_THIS_PROCESS)
    assert run_here(*_sweep(tmp_path, "small", *resume)).status == 0
    printed = run_here(*_sweep(tmp_path, "forgetful", *resume))
    assert printed.status == 2
    assert "is not the journal of this sweep" in printed.text


def test_forked_workers_play_what_was_imported(tmp_path: Path) -> None:
    """Processes that are forked play all seeds, and each of them once."""
    journal = tmp_path / "journal"
    arguments = ("--seeds", "9", "--jobs", "2", "--batch", "2", "--resume", journal)
    printed = run_process(*_sweep(tmp_path, "forgetful", *arguments))
    assert printed.status == 1, printed.text
    entries = map(json.loads, journal.read_text().splitlines()[1:])
    played = sorted((entry["first"], entry["count"]) for entry in entries)
    assert played == [(0, 2), (2, 2), (4, 2), (6, 2), (8, 1)]
    assert "seed 8 failed: G1" in printed.text


def test_a_worker_that_dies_is_told(tmp_path: Path) -> None:
    """A process that dies ends the sweep with the seeds that it may have played."""
    arguments = ("--seeds", "2", "--jobs", "1")
    printed = run_process(*_sweep(tmp_path, "deadly", *arguments))
    assert printed.status == 1
    assert "A process has died while seeds 0 to 1 were played" in printed.text


def test_a_sweep_ends_when_enough_has_failed(tmp_path: Path) -> None:
    """With `--failures-max` no further batch begins when so many seeds have failed."""
    arguments = ("--seeds", "1000", "--batch", "1", "--failures-max", "2")
    printed = run_here(*_sweep(tmp_path, "forgetful", *arguments, *IN_THIS_PROCESS))
    assert printed.status == 1
    match = re.search(r"seeds +(\d+), of which (\d+) failed", printed.text)
    assert match is not None
    assert int(match[2]) >= 2
    assert int(match[1]) < 100
