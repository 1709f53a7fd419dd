from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
import runpy

import pytest

from comm.session.replay import ReplayBuffer
from comm.sim.command import shrink
from comm.sim.command.artifact import Artifact
from comm.sim.scenario import Outcome, Scenario, play
from tests.sim.commands import TARGETS, run_here
from tests.sim.targets import break_core, small


@pytest.fixture(autouse=True)
def broken_core(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Every test begins with a core that loses items, which it may mend."""
    monkeypatch.setattr(ReplayBuffer, "rewind", ReplayBuffer.rewind)
    break_core()
    yield
    monkeypatch.undo()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the artifact of a run that failed is."""
    outcome = play(small(1))
    assert outcome.failure is not None
    kind, text = outcome.failure.kind, outcome.failure.text
    path = tmp_path / "small-1.json"
    target = f"{TARGETS}:small"
    Artifact.of(outcome, kind, text, target=target, check_every=1).write(path)
    return path


def test_a_failure_becomes_small_and_a_test(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is left fails in the same way, and so does the test until it is mended."""
    test = path.with_name("tests") / "test_it.py"
    printed = run_here("shrink", path, "--plays", "60", "--test", test)
    assert printed.status == 0
    small_path = path.with_name("small-1.shrunk.json")
    assert f"python -m comm sim replay {small_path}" in printed.replays
    before, after = Artifact.read(path), Artifact.read(small_path)
    assert after.kind == before.kind == "G1"
    assert len(after.scenario.steps) < len(before.scenario.steps)
    assert run_here("replay", small_path).status == 1
    run_test = runpy.run_path(str(test))["test_the_scenario_holds"]
    with pytest.raises(AssertionError, match="G1: "):
        run_test()
    monkeypatch.undo()
    run_test()


def test_what_does_not_fail_is_not_shrunk(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An artifact whose failure is mended is told as such; status 2."""
    monkeypatch.undo()
    printed = run_here("shrink", path)
    assert printed.status == 2
    assert "does not fail" in printed.text


def test_an_interrupted_shrink_keeps_the_best(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C ends it with the smallest failure so far; status 130."""
    plays = 0

    def play_some(scenario: Scenario, *, check_every: int, **_: bool) -> Outcome:
        nonlocal plays
        plays += 1
        if plays == 30:
            raise KeyboardInterrupt
        return play(scenario, records=True, check_every=check_every)

    monkeypatch.setattr(shrink, "play", play_some)
    printed = run_here("shrink", path)
    assert printed.status == 130
    assert "Interrupted." in printed.text
    left = Artifact.read(path.with_name("small-1.shrunk.json")).scenario
    assert len(left.steps) < len(small(1).steps)
