"""Strategies for Hypothesis: scenarios and their parts, which shrink to the calm ones.

    from comm.sim.scenario import play
    from comm.sim.strategies import scenarios

    @given(scenarios())
    def test_nothing_breaks(scenario):
        assert play(scenario).failure is None

Whatever is drawn is drawn from the tables of the swarm, where the calm choice comes
first. Nothing else in the package needs Hypothesis: import this module in tests alone.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from functools import cache
from typing import Any

from hypothesis import strategies as st

from comm.config import Config
from comm.sim.choices import Stream
from comm.sim.faults import CATALOGUE, Fault
from comm.sim.scenario.scenario import Scenario
from comm.sim.scenario.steps import STEPS, Step
from comm.sim.scenario.swarm import (
    STEP_WEIGHTS,
    draw_buffers,
    draw_conditions,
    draw_config,
    draw_duration,
    draw_survivors,
    fault_fields,
    step_fields,
)
from comm.sim.world import MS, SECOND


__all__ = ["configs", "faults", "scenarios", "schedules", "steps", "worlds"]

_NODES = (2, 3, 2, 3, 4, 1)
"""How many nodes a cluster has: few, so that a run is short."""

_MOMENT = st.just(0)

_NUMBERS = st.one_of(st.integers(0, 1023), st.integers(0, 1 << 27))
"""What a schedule is made of: up to the longest latency, and the largest loss."""


class _Drawn:
    """The source of a stream that Hypothesis draws from."""

    __slots__ = ("_draw",)

    def __init__(self, draw: st.DrawFn) -> None:
        self._draw = draw

    def draw(self, bound: int) -> int:
        return self._draw(_below(bound))


@cache
def _below(bound: int) -> st.SearchStrategy[int]:
    return st.integers(0, bound - 1)


@st.composite
def configs(draw: st.DrawFn) -> Config:
    """Draws limits; the usual ones are the simplest."""
    return draw_config(Stream(_Drawn(draw)))


@st.composite
def steps(
    draw: st.DrawFn,
    config: Config,
    kinds: Sequence[str] = (),
    times: st.SearchStrategy[int] = _MOMENT,
) -> Step:
    """Draws something that an application does.

    Args:
        draw: What Hypothesis gives.
        config: The limits, near which the sizes of items are interesting.
        kinds: What to choose from: names of `STEPS`; all of them by default, each as
            often as the swarm does it.
        times: When it happens.
    """
    kind = draw(st.sampled_from(kinds or _weighted()))
    fields = step_fields(kind, Stream(_Drawn(draw)), config)
    return STEPS[kind](at_ns=draw(times), **fields)


@st.composite
def faults(
    draw: st.DrawFn,
    nodes: int,
    config: Config,
    kinds: Collection[str] = (),
    times: st.SearchStrategy[int] = _MOMENT,
) -> Fault:
    """Draws something that goes wrong.

    Args:
        draw: What Hypothesis gives.
        nodes: How many nodes there are.
        config: The limits, near which the durations of faults are interesting.
        kinds: What to choose from: names of `CATALOGUE`; all of them by default.
        times: When it begins.
    """
    kind = draw(st.sampled_from(list(kinds or CATALOGUE)))
    stream = Stream(_Drawn(draw))
    fields = _apart(fault_fields(kind, stream, nodes, config), nodes)
    for_ns = draw_duration(stream, config)
    return CATALOGUE[kind](at_ns=draw(times), for_ns=for_ns, **fields)


def _apart(fields: dict[str, Any], nodes: int) -> dict[str, Any]:
    """Returns the fields of a fault, with two nodes where it needs two."""
    for one, other in (("a", "b"), ("source", "target")):
        if one in fields and fields[one] == fields[other]:
            fields[other] = (fields[other] + 1) % nodes
    return fields


@st.composite
def worlds(draw: st.DrawFn, nodes: Sequence[int] = _NODES) -> Scenario:
    """Draws scenarios in which nothing happens: nodes, limits and a network.

    Their schedule is an empty tape, so that nothing in them is left to chance.

    Args:
        draw: What Hypothesis gives.
        nodes: How many nodes there may be; the first is the simplest.
    """
    stream = Stream(_Drawn(draw))
    size = stream.pick(nodes)
    return Scenario(
        nodes=size,
        seed=stream.below(16),
        config=draw_config(stream),
        conditions=draw_conditions(stream),
        buffers=draw_buffers(stream),
        is_prompt=stream.pick((True, False)),
        read_bytes=stream.pick((256 << 10, 64 << 10, 1000, 100)),
        high_bytes=stream.pick((256 << 10, 4096, 100)),
        offsets_ns=tuple(stream.below(1000) * SECOND for _ in range(size)),
        duration_ns=0,
        survivors=draw_survivors(stream, size),
        keeps_stalls=stream.happens(300),
        tape={},
    )


@st.composite
def schedules(draw: st.DrawFn, nodes: int) -> dict[str, tuple[int, ...]]:
    """Draws a tape: for some streams, a few numbers, as often as it says.

    Args:
        draw: What Hypothesis gives.
        nodes: How many nodes there are.
    """
    ways = [f"{a}>{b}" for a in range(nodes) for b in range(nodes) if a != b]
    names = [f"{what} {way}" for way in ways for what in ("path", "read")]
    names += [f"pace {node}" for node in range(nodes)]
    numbers = st.lists(_NUMBERS, min_size=1, max_size=8)
    tape: Mapping[str, Sequence[int]] = draw(
        st.dictionaries(st.sampled_from(names), numbers, max_size=8)
    )
    times = draw(st.integers(1, 30))
    return {name: tuple(given) * times for name, given in tape.items()}


@st.composite
def scenarios(draw: st.DrawFn, nodes: Sequence[int] = _NODES) -> Scenario:
    """Draws whole scenarios: workload, faults and schedule are one sequence of
    choices, so that a scenario that fails shrinks as a whole.

    Args:
        draw: What Hypothesis gives.
        nodes: How many nodes there may be; the first is the simplest.
    """
    world = draw(worlds(nodes))
    config, duration_s = world.config, draw(st.integers(1, 30))
    starts = st.builds(_time, st.integers(0, duration_s - 1), st.integers(0, 999))
    begun = draw(_beginnings(config))
    plan = draw(st.lists(faults(world.nodes, config, times=starts), max_size=8))
    return replace(
        world,
        steps=_in_time([*begun, *draw(_bursts(config, starts))], duration_s * SECOND),
        faults=tuple(sorted(plan, key=_beginning)),
        duration_ns=duration_s * SECOND,
        tape=draw(schedules(world.nodes)),
    )


@st.composite
def _beginnings(draw: st.DrawFn, config: Config) -> list[Step]:
    """Draws a few channels: a cluster in which nothing can be sent is no use."""
    opened = draw(st.lists(steps(config, ["Open"]), min_size=1, max_size=3))
    connected = st.lists(steps(config, ["Connect"], st.just(MS)), min_size=1)
    return [*opened, *draw(connected)]


@st.composite
def _bursts(
    draw: st.DrawFn, config: Config, starts: st.SearchStrategy[int]
) -> list[Step]:
    """Draws groups of steps that happen at about the same time."""
    pauses = st.sampled_from((0, MS, 30 * MS, 300 * MS))
    groups = st.tuples(starts, pauses, st.lists(steps(config), min_size=1))
    drawn = draw(st.lists(groups, max_size=8))
    return [
        replace(step, at_ns=start_ns + number * pause_ns)
        for start_ns, pause_ns, group in drawn
        for number, step in enumerate(group)
    ]


def _in_time(drawn: Sequence[Step], duration_ns: int) -> tuple[Step, ...]:
    """Returns the steps in their order, without those for which time is over."""
    taken = [step for step in drawn if step.at_ns < duration_ns]
    return tuple(sorted(taken, key=lambda step: step.at_ns))


def _time(second: int, ms: int) -> int:
    return second * SECOND + ms * MS


def _beginning(fault: Fault) -> int:
    return fault.at_ns


@cache
def _weighted() -> list[str]:
    return [kind for kind in STEPS for _ in range(STEP_WEIGHTS[kind])]
