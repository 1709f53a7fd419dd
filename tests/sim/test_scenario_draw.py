"""Drawn scenarios: what a seed stands for, and what comes up among many."""

from __future__ import annotations

from collections import Counter
from dataclasses import fields

from comm.sim.choices import Seeded
from comm.sim.faults import CATALOGUE
from comm.sim.scenario import STEPS, draw_scenario
from comm.sim.scenario.swarm import _FAULT_FIELDS, _STEP_FIELDS, STEP_WEIGHTS
from comm.sim.world import MS, SECOND


DRAWN = [draw_scenario(seed) for seed in range(300)]


def test_a_seed_stands_for_one_scenario() -> None:
    """The same seed gives the same scenario each time, and it plays that seed."""
    for seed in range(50):
        assert draw_scenario(seed) == DRAWN[seed]
        assert DRAWN[seed].seed == seed
        assert DRAWN[seed].tape is None


def test_seeds_stand_for_different_scenarios() -> None:
    """No two seeds give the same."""
    assert len({scenario.to_json() for scenario in DRAWN}) == len(DRAWN)


def test_every_field_can_be_drawn() -> None:
    """Each kind of step and fault can be drawn, with all of its fields, and no field is
    known that there is not."""
    for kinds, drawn in ((STEPS, _STEP_FIELDS), (CATALOGUE, _FAULT_FIELDS)):
        names = {field.name for kind in kinds.values() for field in fields(kind)}
        assert set(drawn) == names - {"at_ns", "for_ns"}
    assert set(STEP_WEIGHTS) == set(STEPS)


def test_everything_comes_up() -> None:
    """Among some hundred seeds every kind of step and of fault has its turn, often
    enough for a swarm to find something."""
    steps = Counter(type(step).__name__ for s in DRAWN for step in s.steps)
    faults = Counter(type(fault).__name__ for s in DRAWN for fault in s.faults)
    assert {name for name in STEPS if steps[name] < 30} == set()
    assert {name for name in CATALOGUE if faults[name] < 10} == set()


def test_worlds_differ_in_their_kinds() -> None:
    """Most worlds lack most kinds of faults, some have none, and some have many."""
    kinds = [len({type(fault) for fault in s.faults}) for s in DRAWN]
    assert sum(count == 0 for count in kinds) > 10
    assert sum(1 <= count <= 3 for count in kinds) > 100
    assert max(kinds) >= 8


def test_worlds_differ_in_their_shape() -> None:
    """Every way to be of a world comes up: sizes, promptness, stalls, survivors."""
    assert {1, 2, 3, 4, 5, 7, 9} <= {s.nodes for s in DRAWN} <= set(range(1, 10))
    assert {s.is_prompt for s in DRAWN} == {True, False}
    assert {s.keeps_stalls for s in DRAWN} == {True, False}
    assert any(s.survivors for s in DRAWN)
    assert len({s.config for s in DRAWN}) > 200
    assert len({s.conditions for s in DRAWN}) > 50
    assert len({s.buffers for s in DRAWN}) >= 9
    assert {s.read_bytes for s in DRAWN} == {256 << 10, 64 << 10, 1000, 100}
    assert {s.high_bytes for s in DRAWN} == {256 << 10, 4096, 100}


def test_what_is_drawn_can_be_done() -> None:
    """Steps and faults are in order and begin within the run, or so; a channel is
    there, and somebody who sends; a cluster of one has no faults; survivors are some of
    the nodes, and not all."""
    for s in DRAWN:
        assert list(s.steps) == sorted(s.steps, key=lambda step: step.at_ns)
        assert list(s.faults) == sorted(s.faults, key=lambda fault: fault.at_ns)
        # Some are aimed at what gets under way, and come a moment later.
        latest_ns = s.duration_ns + SECOND + 300 * MS
        assert all(0 <= fault.at_ns < latest_ns for fault in s.faults)
        assert all(fault.for_ns >= MS for fault in s.faults)
        assert all(0 <= step.at_ns < s.duration_ns + 300 * MS for step in s.steps)
        assert 4 * SECOND <= s.duration_ns <= 40 * SECOND
        names = [type(step).__name__ for step in s.steps]
        assert names[0] == "Open"
        assert "Connect" in names
        assert s.nodes > 1 or not s.faults
        assert len(s.offsets_ns) == s.nodes
        assert set(s.survivors) < set(range(s.nodes))
        assert s.nodes > 1 or not s.survivors


def test_the_schedule_is_drawn_apart_from_the_world() -> None:
    """What a world is like says nothing about what happens in it: the draws of both
    have nothing in common."""
    world, schedule = Seeded("swarm 5").stream("nodes"), Seeded(5).stream("nodes")
    assert [world.below(1 << 30) for _ in range(4)] != [
        schedule.below(1 << 30) for _ in range(4)
    ]
