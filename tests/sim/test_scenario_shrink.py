"""Shrinking: what is left of a scenario that fails, and that it fails as it did."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace

import pytest

from comm.config import Config
from comm.sim.faults import CutLink, Fault, Isolate, Kill
from comm.sim.network import Buffers, Conditions
from comm.sim.scenario import Failure, Outcome, Scenario, Shrinker, Step, as_test, play
from comm.sim.scenario.steps import Connect, Finish, Offer, Open
from comm.sim.trace import Trace
from comm.sim.world import SECOND


STEPS: tuple[Step, ...] = tuple(
    Offer(at_ns=1234 * number, source=number, count=7, size=999) for number in range(9)
)
FAULTS: tuple[Fault, ...] = (
    Kill(at_ns=5 * SECOND, node=3, for_ns=777),
    CutLink(at_ns=6 * SECOND, a=4, b=2),
    Isolate(at_ns=7 * SECOND, node=1, for_ns=SECOND),
)

WHOLE = Scenario(
    nodes=6,
    seed=77,
    config=Config(
        window_bytes=99, chunk_bytes=11, heartbeat_timeout_s=30.0, resume_window_s=90.0
    ),
    conditions=Conditions(loss_permille=4),
    buffers=Buffers(send_bytes=500),
    is_prompt=False,
    read_bytes=10,
    high_bytes=20,
    offsets_ns=(1, 2, 3),
    steps=STEPS,
    faults=FAULTS,
    duration_ns=12_345_678_901,
    survivors=(1, 2),
    keeps_stalls=True,
)

Fails = Callable[[Scenario], bool]


class Stage:
    """Plays scenarios that fail when they are said to, and counts."""

    def __init__(self, fails: Fails, tape: dict[str, list[int]] | None = None) -> None:
        self.played: list[Scenario] = []
        self._fails = fails
        self._tape = tape or {}

    def play(self, scenario: Scenario) -> Outcome:
        self.played.append(scenario)
        failure = None
        if self._fails(scenario):
            failure = Failure("G1", "too bad", ValueError())
        elif len(scenario.steps) == 1:
            failure = Failure("G2", "too bad in another way", ValueError())
        tape = self._tape if scenario.tape is None else dict(scenario.tape)
        return Outcome(
            scenario=scenario,
            failure=failure,
            trace=Trace(),
            tape={name: list(numbers) for name, numbers in tape.items()},
            events=0,
            simulated_s=0.0,
            delivered=0,
            fired=Counter(),
        )


def shrink(
    fails: Fails,
    scenario: Scenario = WHOLE,
    tape: dict[str, list[int]] | None = None,
    plays_max: int = 2000,
) -> tuple[Scenario, Stage]:
    """Returns what is left of a scenario, which still fails, and the stage."""
    stage = Stage(fails, tape)
    outcome = stage.play(scenario)
    shrinker = Shrinker(stage.play, "G1", plays_max)
    best = shrinker.shrink(outcome)
    assert best.failure == outcome.failure
    assert best.scenario.tape is not None or plays_max == 0
    assert shrinker.plays == len(stage.played) - 1 <= plays_max
    assert shrinker.best is best
    return best.scenario, stage


def test_what_has_no_part_in_it_goes() -> None:
    """If everything fails, nothing is left but what every scenario has: no faults, no
    schedule, one node, the usual limits, and no time."""
    least, _ = shrink(lambda scenario: True, tape={"a": [1, 2], "b": [3]})
    assert least == Scenario(nodes=1, seed=77, duration_ns=0, tape={})


def test_what_has_a_part_in_it_stays() -> None:
    """Of the steps and faults those are left without which it does not fail, in their
    order, with numbers that are as plain as may be."""

    def fails(scenario: Scenario) -> bool:
        offers = [s for s in scenario.steps if isinstance(s, Offer) and s.size >= 500]
        kills = [fault for fault in scenario.faults if isinstance(fault, Kill)]
        return len(offers) >= 2 and len(kills) == 1 and kills[0].node % 2 == 1

    least, _ = shrink(fails)
    assert [(s.count, s.size) for s in least.steps if isinstance(s, Offer)] == [
        (0, 900),
        (0, 900),
    ]
    (kill,) = least.faults
    assert isinstance(kill, Kill)
    assert (kill.at_ns, kill.for_ns, kill.node) == (0, 0, 1)


def test_numbers_become_round() -> None:
    """A number that matters becomes a round one, or half as large, as long as it is
    large enough."""
    least, _ = shrink(lambda scenario: scenario.duration_ns >= 11 * SECOND)
    assert least.duration_ns == 12 * SECOND
    least, _ = shrink(lambda scenario: scenario.duration_ns >= SECOND)
    assert SECOND <= least.duration_ns < 2 * SECOND


def test_only_what_fits_together_is_tried() -> None:
    """Limits become usual one by one, as far as they go together."""
    least, _ = shrink(lambda scenario: scenario.config.heartbeat_timeout_s == 30.0)
    assert least.config == Config(heartbeat_timeout_s=30.0, resume_window_s=90.0)


def test_the_schedule_becomes_calm() -> None:
    """Streams that have no part in it go; of those that have, the end goes, and each
    number that does not matter becomes 0."""

    def fails(scenario: Scenario) -> bool:
        if scenario.tape is None:
            return True
        numbers = scenario.tape.get("b", ())
        return len(numbers) >= 3 and numbers[2] == 5

    tape = {"a": [1, 2, 3], "b": [5] * 16, "c": [9]}
    least, _ = shrink(fails, tape=tape)
    assert least.tape == {"b": (0, 0, 5, 0)}


@pytest.mark.parametrize("numbers", [(1, 2), (7,)])
def test_a_stream_that_matters_to_its_end_stays(numbers: tuple[int, ...]) -> None:
    """Where no part of a stream may go, it is left as it was."""

    def fails(scenario: Scenario) -> bool:
        return scenario.tape is None or scenario.tape.get("b") == numbers

    least, _ = shrink(fails, tape={"b": list(numbers)})
    assert least.tape == {"b": numbers}


def test_another_failure_does_not_count() -> None:
    """What fails in another way is not what was looked for: the stage fails with G2 if
    one step is left."""
    least, _ = shrink(lambda scenario: len(scenario.steps) >= 2)
    assert len(least.steps) == 2


@pytest.mark.parametrize("plays_max", [0, 1, 7])
def test_no_more_is_played_than_may_be(plays_max: int) -> None:
    """After so many plays it is over, with the best that there is."""
    least, stage = shrink(lambda scenario: True, plays_max=plays_max)
    assert len(stage.played) == 1 + plays_max
    assert (least == WHOLE) == (plays_max == 0)


def test_nothing_is_played_twice_in_a_row() -> None:
    """What is as small as it can be is not played again for nothing."""
    small = Scenario(nodes=1, seed=77, duration_ns=0, tape={})
    least, stage = shrink(lambda scenario: True, small)
    assert least == small
    assert len(stage.played) == 1


def test_what_fails_becomes_a_test() -> None:
    """The source of a test that plays the scenario with its schedule, and says in its
    docstring what it found; it can be run."""
    scenario = Scenario(
        nodes=2,
        steps=(
            Open(at_ns=0, node=0, limit=1),
            Connect(at_ns=1, node=1, sink=0),
            Offer(at_ns=2, source=0),
            Finish(at_ns=3, source=0),
        ),
        duration_ns=SECOND,
    )
    outcome = play(scenario)
    text = 'a """quoted""" \\ reason'
    failed = replace(outcome, failure=Failure("G1", text, ValueError()))
    for each in (failed, replace(failed, scenario=scenario.with_tape(outcome.tape))):
        source = as_test(each, "it_holds")
        assert source.startswith('"""G1: found by simulation.\n\na ' + "'''quoted'''")
        namespace: dict[str, object] = {}
        exec(compile(source, "a test", "exec"), namespace)
        assert namespace["SCENARIO"] == scenario.with_tape(outcome.tape)
        test = namespace["test_it_holds"]
        assert callable(test)
        test()
