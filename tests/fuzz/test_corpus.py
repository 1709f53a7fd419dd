"""Scenarios that once failed fail no more, and would if the defect came back."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from comm.peer.newcomer import Newcomer
from comm.sim.machine import MachineCluster
from comm.sim.machine.tampering import Corruption
from comm.sim.scenario import Scenario, play


FOLDER = Path(__file__).parents[2] / "fuzz" / "corpus"


class Entry(NamedTuple):
    """What a scenario has found.

    Attributes:
        name: The name of its file.
        found: What was wrong.
        kind: How it failed.
        defect: What does again what was wrong: a class, a method, and another one.
    """

    name: str
    found: str
    kind: str
    defect: tuple[type[Any], str, Callable[..., Any]]


def flip_unseen(
    self: Corruption, source: int, target: int, data: bytes, offset: int
) -> tuple[bytes, bool]:
    del source, target, offset
    return data[: self.bit % (8 * len(data))], False


def step_clock_at_once(self: MachineCluster, index: int, step_ns: int) -> None:
    self.hosts[index].clock.step(step_ns, self.world.now_ns)
    self._rearm(index)


ENTRIES = [
    Entry(
        "an_impostor_behind_a_slow_answer",
        "A node's id was given to an impostor while the answer of the node itself was "
        "stuck behind data on a slow link; seed 160 of the swarm.",
        "G18",
        (Newcomer, "waits_on", lambda _self, _last_heard: False),
    ),
    Entry(
        "a_bit_flipped_of_no_bytes",
        "The simulator flipped a bit where a truncation had left no byte; the state "
        "machine.",
        "ZeroDivisionError",
        (Corruption, "apply", flip_unseen),
    ),
    Entry(
        "a_clock_that_was_set_back",
        "The oracle of G12 took a node for running evenly whose clock had jumped back, "
        "although its core sees no time pass until the clock has caught up; the state "
        "machine.",
        "G12",
        (MachineCluster, "step_clock", step_clock_at_once),
    ),
]

each = pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.name)


def load(entry: Entry) -> Scenario:
    return Scenario.from_json((FOLDER / f"{entry.name}.json").read_text("utf-8"))


def test_every_scenario_says_what_it_has_found() -> None:
    """The table has a line for each file, and no other."""
    names = [path.stem for path in sorted(FOLDER.glob("*.json"))]
    assert names == sorted(entry.name for entry in ENTRIES)


@each
def test_what_once_failed_holds(entry: Entry) -> None:
    """The scenario is played without a failure, and without any random number."""
    scenario = load(entry)
    assert scenario.tape is not None
    assert play(scenario).failure is None, entry.found


@each
def test_the_scenario_still_shows_the_defect(
    entry: Entry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the defect put back, it fails as it did."""
    owner, method, wrong = entry.defect
    monkeypatch.setattr(owner, method, wrong)
    failure = play(load(entry)).failure
    assert failure is not None
    assert failure.kind == entry.kind
