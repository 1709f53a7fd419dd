"""What the machine chooses among: actions, each drawn for the cluster that it has."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from hypothesis import strategies as st

from comm.sim.faults import (
    Fault,
    bytes as bytes_faults,
    connecting,
    hosts,
    links,
    paths,
)
from comm.sim.scenario import Scenario, Step
from comm.sim.strategies import faults, steps, worlds
from fuzz.recording import SHARES


__all__ = [
    "Beginning",
    "Talk",
    "a_beginning",
    "a_fault",
    "a_moment",
    "a_node",
    "a_number",
    "a_schedule",
    "a_step",
    "a_while",
    "an_instant",
]

_FAULTS = {
    module.__name__.rpartition(".")[2]: tuple(module.__all__)
    for module in (links, paths, connecting, hosts, bytes_faults)
}


class _HasWorld(Protocol):
    """The state machine, as far as strategies need it."""

    world: Scenario


class Talk(NamedTuple):
    """A channel with which a cluster begins.

    Attributes:
        receiver: The node that receives.
        sender: The node that sends.
        offer: What it sends first.
    """

    receiver: int
    sender: int
    offer: Step


class Beginning(NamedTuple):
    """How a cluster begins.

    Attributes:
        world: Nodes, limits and network.
        talks: The first channels.
        duration_s: How long all goes well.
    """

    world: Scenario
    talks: list[Talk]
    duration_s: float


@st.composite
def a_beginning(draw: st.DrawFn) -> Beginning:
    """Draws a beginning: hardly anything can be seen of a cluster that is silent."""
    world = draw(worlds())
    talks = draw(st.lists(_talks(world), min_size=1, max_size=4))
    return Beginning(world, talks, draw(st.one_of(an_instant(), a_moment())))


@st.composite
def _talks(draw: st.DrawFn, world: Scenario) -> Talk:
    receiver = draw(st.integers(0, world.nodes - 1))
    # The next one is the simplest, and the same one the last resort.
    distance = draw(st.integers(1, world.nodes))
    offer = draw(steps(world.config, ["Offer"]))
    return Talk(receiver, (receiver + distance) % world.nodes, offer)


def a_step(kind: str) -> st.SearchStrategy[Step]:
    """Returns a strategy for a step of that kind; it happens now."""

    def of(machine: _HasWorld) -> st.SearchStrategy[Step]:
        return steps(machine.world.config, [kind])

    return st.runner().flatmap(of)


def a_fault(*modules: str) -> st.SearchStrategy[Fault]:
    """Returns a strategy for a fault of those modules' kinds; it begins now."""
    kinds = [kind for module in modules for kind in _FAULTS[module]]

    def of(machine: _HasWorld) -> st.SearchStrategy[Fault]:
        return faults(machine.world.nodes, machine.world.config, kinds)

    return st.runner().flatmap(of)


def a_node() -> st.SearchStrategy[int]:
    """Returns a strategy for nodes."""
    return st.runner().flatmap(_nodes)


def a_number() -> st.SearchStrategy[int]:
    """Returns a strategy for the choice of one among few."""
    return st.integers(0, 7)


def _nodes(machine: _HasWorld) -> st.SearchStrategy[int]:
    return st.integers(0, machine.world.nodes - 1)


def an_instant() -> st.SearchStrategy[float]:
    """Returns a strategy for about the time that bytes are under way, in seconds."""
    return st.integers(1, 100).map(lambda parts: parts / 100_000)


def a_moment() -> st.SearchStrategy[float]:
    """Returns a strategy for about the time that answers take, in seconds."""
    return st.integers(1, 400).map(lambda ms: ms / 1000)


def a_while() -> st.SearchStrategy[float]:
    """Returns a strategy for about the time that patience lasts, in seconds."""
    return st.integers(1, 24).map(lambda halves: halves / 2)


@st.composite
def a_schedule(draw: st.DrawFn) -> list[int]:
    """Draws numbers for a `Schedule`: a short pattern, again and again."""
    numbers = st.integers(0, SHARES - 1)
    pattern = draw(st.lists(numbers, min_size=1, max_size=10))
    return pattern * draw(st.integers(1, 40))
