"""The campaigns in small: they find nothing, and would if there were something."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from pathlib import Path
from typing import Any

from hypothesis import Phase
import pytest

from comm.session.replay import ReplayBuffer
from comm.sim.scenario import Failure, Scenario, play
from fuzz import campaign, findings
from fuzz.__main__ import main
from fuzz.campaign import Campaign
from fuzz.findings import Finding, ScenarioFailed
from fuzz.profiles import LONG, PROFILES, Profile
from fuzz.recording import Recording
from fuzz.tally import TALLY
from fuzz.targets import TARGETS, pursue


EXAMPLES = {"machine": 60, "scenarios": 30, "nodes": 100, "parsers": 300}

SMALL = Profile(EXAMPLES, is_repeatable=True)

# What was found is made smaller before it is told, which may take a while.
pytestmark = pytest.mark.timeout(300)


@pytest.fixture
def ended(monkeypatch: pytest.MonkeyPatch) -> list[Recording]:
    """All recordings that came to their end."""
    seen: list[Recording] = []
    end = Recording.end

    def watched(self: Recording) -> None:
        end(self)
        seen.append(self)

    monkeypatch.setattr(Recording, "end", watched)
    return seen


@pytest.fixture
def forgetful(monkeypatch: pytest.MonkeyPatch) -> None:
    """A core that sends nothing again when a link was cut."""
    monkeypatch.setattr(ReplayBuffer, "rewind", lambda self: self._again.clear())


@pytest.mark.parametrize("target", TARGETS)
def test_nothing_is_found(target: str) -> None:
    """Hypothesis breaks no property in a short time."""
    finding = pursue(target, 0, SMALL)
    assert finding is None, f"{finding.text}\n{finding.test}"


def test_what_is_recorded_is_what_is_played(ended: list[Recording]) -> None:
    """The scenario of whatever the machine does plays the same history."""
    assert pursue("machine", 1, Profile({"machine": 15}, is_repeatable=True)) is None
    assert len(ended) >= 10
    for recording in ended:
        scenario = Scenario.from_json(recording.scenario.to_json())
        assert play(scenario).digest == recording.cluster.trace.digest


@pytest.mark.usefixtures("forgetful")
@pytest.mark.parametrize("target", ["machine", "scenarios"])
def test_a_broken_core_is_found(
    target: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is told as a small scenario that fails, and as a test that does."""
    monkeypatch.setattr(findings, "PLAYS_MAX", 40)
    finding = pursue(target, 0, Profile({target: 1000}, is_repeatable=True))
    assert finding is not None
    path = finding.save(tmp_path)
    assert path is not None
    scenario = Scenario.from_json(path.read_text("utf-8"))
    assert len(scenario.steps) + len(scenario.faults) < 20
    failure = play(scenario).failure
    assert failure is not None
    assert failure.kind == finding.kind
    names: dict[str, object] = {}
    exec(path.with_suffix(".py").read_text("utf-8"), names)
    test = names["test_the_scenario_holds"]
    assert callable(test)
    with pytest.raises(AssertionError, match=failure.kind):
        test()


def test_what_does_not_fail_again_is_told_all_the_same() -> None:
    """If a scenario does not fail when it is played, it is told as it was."""
    error = ScenarioFailed(Failure("G1", "once", KeyError("gone")), Scenario())
    finding = Finding.of("machine", 7, error)
    assert finding.kind == "G1"
    assert "machine, seed 7" in finding.text
    assert "Does not fail when it is played" in finding.text
    assert finding.scenario is None
    assert finding.save(Path("nowhere")) is None


class Serial(Executor):
    """Does one thing behind the other, and remembers what."""

    def __init__(self) -> None:
        self.mapped: list[object] = []

    def map(self, fn: Callable[..., Any], *iterables: Any, **_: Any) -> Iterator[Any]:
        self.mapped += iterables[0]
        return map(fn, *iterables)


def test_a_campaign_is_spread_over_any_executor(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each part has rounds with seeds of its own, and their reports are added up."""
    seeds: list[int] = []

    def pursued(_target: str, number: int, _profile: Profile) -> Finding | None:
        seeds.append(number)
        TALLY["inputs"] += 1
        return Finding("parsers", "G13", "it was let in") if number == 11 else None

    monkeypatch.setattr(campaign, "pursue", pursued)
    executor = Serial()
    report = Campaign("dev", ["parsers"], first=10, parts=3).run(executor)
    assert executor.mapped == [0, 1, 2]
    assert seeds == [10, 11, 12]
    assert report.rounds == 3
    assert report.done["inputs"] == 3
    assert [finding.kind for finding in report.findings] == ["G13"]


def test_a_campaign_goes_on_until_its_time_is_over(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each round has another seed; what is found ends it."""
    seeds: list[int] = []

    def pursued(_target: str, number: int, _profile: Profile) -> Finding | None:
        seeds.append(number)
        return Finding("parsers", "G13", "it was let in") if number == 6 else None

    monkeypatch.setattr(campaign, "pursue", pursued)
    Campaign("dev", ["parsers"], seconds=1e9, parts=2).run_part(0)
    assert seeds == [0, 2, 4, 6]


def test_the_command_tells_what_it_did(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """It runs the targets that were asked for, and says how often."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(PROFILES, "ci", SMALL)
    assert main(["--profile", "ci", "--target", "parsers"]) == 0
    told = capsys.readouterr().out
    assert "Profile ci, from seed 0" in told
    assert "300 inputs" in told
    assert "0 findings" in told


def test_the_command_tells_how_to_replay_what_it_found(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The artifact is a scenario; beside it stands the test."""
    found = Finding("machine", "G1", "what happened", Scenario().to_json(), "# A test.")
    monkeypatch.setattr(campaign, "pursue", lambda *_: found)
    folder = tmp_path / "found"
    assert main(["--target", "machine", "--artifacts", str(folder)]) == 1
    path = folder / "machine_G1_0.json"
    assert f"python -m comm sim replay {path}\n" in capsys.readouterr().out
    assert Scenario.from_json(path.read_text("utf-8")) == Scenario()
    assert path.with_suffix(".py").read_text("utf-8") == "# A test."


def test_every_profile_knows_every_target() -> None:
    """No target is left out, and the one for CI is the same each time."""
    for profile in PROFILES.values():
        assert profile.examples.keys() == TARGETS.keys()
    for target in TARGETS:
        chosen = PROFILES["ci"].settings(target)
        assert chosen.derandomize
        assert chosen.database is None
        assert (Phase.shrink in chosen.phases) == (target not in LONG)
