from __future__ import annotations

from collections.abc import Iterator
import gzip
import json
from pathlib import Path
import re

import pytest

from comm.session.replay import ReplayBuffer
from comm.sim.command.artifact import Artifact
from comm.sim.scenario import Outcome, play
from tests.sim.commands import TARGETS, run_here
from tests.sim.targets import break_core, small


@pytest.fixture(autouse=True)
def broken_core(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Every test begins with a core that loses items, which it may mend."""
    monkeypatch.setattr(ReplayBuffer, "rewind", ReplayBuffer.rewind)
    break_core()
    yield
    monkeypatch.undo()


def _fail() -> Outcome:
    outcome = play(small(1), records=True)
    assert outcome.failure is not None
    return outcome


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the artifact of a run that failed is."""
    outcome = _fail()
    assert outcome.failure is not None
    kind, text = outcome.failure.kind, outcome.failure.text
    target = f"{TARGETS}:small"
    artifact = Artifact.of(outcome, kind, text, target=target, check_every=1)
    path = tmp_path / "small-1.json"
    artifact.write(path)
    return path


def test_an_artifact_is_read_as_it_was_written(path: Path) -> None:
    """What is written can be read, the history beside it included."""
    artifact, trace = Artifact.read(path), Artifact.read_trace(path)
    outcome = _fail()
    assert artifact.scenario == outcome.scenario.with_tape(outcome.tape)
    assert artifact.digest == outcome.digest
    assert trace is not None
    assert trace.difference(outcome.trace) is None
    last = outcome.trace.count - 1
    assert trace.causes(last) == outcome.trace.causes(last)


def test_the_same_run_is_written_in_the_same_bytes(path: Path) -> None:
    """Two artifacts of one failure are equal, byte by byte."""
    other = path.with_name("other.json")
    artifact = Artifact.read(path)
    outcome = _fail()
    Artifact.of(
        outcome, artifact.kind, artifact.text, target=artifact.target, check_every=1
    ).write(other)
    assert other.read_bytes() == path.read_bytes()
    traces = [file.with_suffix(".trace.gz").read_bytes() for file in (path, other)]
    assert traces[0] == traces[1]


def test_a_replay_shows_what_led_to_the_failure(path: Path) -> None:
    """The world, the faults, the last lines with their causes, and the failure."""
    printed = run_here("replay", path, "--trace", "3")
    assert printed.status == 1
    assert "Failed: G1: source 0 on host1.0 lost" in printed.text
    assert re.search(r"\n  steps +11: 9 Offer, 1 Open, 1 Connect\n", printed.text)
    assert re.search(r"\n +25\.004000002 s  begin CutLink\(", printed.text)
    assert "as it was recorded." in printed.text
    count = Artifact.read(path).lines
    title = f"The history, lines {count - 3} to {count - 1} of {count}\n"
    assert title in printed.text
    shown = printed.text.partition(title)[2].partition("\n\n")[0].splitlines()
    assert len(shown) == 3
    assert f"What led to line {count - 1}, the nearest first" in printed.text


def test_a_replay_can_end_early(path: Path) -> None:
    """With `--until-line` the history is shown up to that line, and why it came."""
    printed = run_here("replay", path, "--trace", "2", "--until-line", "50")
    assert "The history, lines 49 to 50 of " in printed.text
    assert "What led to line 50, the nearest first" in printed.text
    assert printed.status == 1


def test_a_failure_that_is_mended_does_not_fail(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Status 0, and the first line that is another one now with its causes."""
    monkeypatch.undo()
    printed = run_here("replay", path)
    assert printed.status == 0
    assert "It does not fail now." in printed.text
    assert re.search(r"line \d+ differs:\n +one run: .*\n( .*\n)+", printed.text)
    assert "Played twice now, it is the same both times." in printed.text


def test_without_its_history_an_artifact_still_replays(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If the file with the history is gone, or no such file, that is said."""
    monkeypatch.undo()
    history = path.with_suffix(".trace.gz")
    for spoil in (lambda: history.write_bytes(b"no gzip"), history.unlink):
        spoil()
        printed = run_here("replay", path)
        assert printed.status == 0
        assert "the recorded one is not at hand." in printed.text


def test_a_target_that_is_gone_does_no_harm(path: Path) -> None:
    """An artifact is played without the function that had drawn it."""
    data = json.loads(path.read_text())
    path.write_text(json.dumps(data | {"target": "no.such.module:target"}))
    printed = run_here("replay", path)
    assert printed.status == 1
    assert "The target is not there any more" in printed.text


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{}", '{"artifact": 1}', '{"artifact": 1, "scenario": {"nodes": 1}}'],
)
def test_what_is_no_artifact_is_told(tmp_path: Path, text: str) -> None:
    """A file that is no artifact is told in one line; status 2."""
    path = tmp_path / "file.json"
    path.write_text(text)
    for command in ("replay", "shrink"):
        printed = run_here(command, path)
        assert printed.status == 2
        assert f"{path} is no artifact" in printed.text
        assert len(printed.text.splitlines()) == 1


def test_another_format_is_told(path: Path) -> None:
    """An artifact of a format of the future is refused."""
    data = json.loads(path.read_text())
    path.write_text(json.dumps(data | {"artifact": 2}))
    assert "is of another format, 2" in run_here("replay", path).text


def test_histories_can_be_read_by_anybody(path: Path) -> None:
    """The history is plain lines in gzip, each with the number of its cause."""
    lines = gzip.decompress(path.with_suffix(".trace.gz").read_bytes()).decode()
    first, *_, last = lines.splitlines()
    assert re.fullmatch(r"-1\t0 host0\.0 starts [0-9a-f]{8}", first)
    assert re.match(r"\d+\t\d{10,} host1\.0 ", last)
