"""What the tests of the command line sweep over; found by `MODULE:FUNCTION`."""

from __future__ import annotations

from dataclasses import replace
import os

from comm.session.replay import ReplayBuffer
from comm.sim.faults import CutLink
from comm.sim.network import Conditions, Latency
from comm.sim.scenario import Scenario
from comm.sim.scenario.steps import Connect, Offer, Open
from comm.sim.world import MS, SECOND


__all__ = ["PLAYED", "break_core", "deadly", "forgetful", "slow", "small", "wrong"]


def small(seed: int) -> Scenario:
    """A cluster of two in which a link is cut while items are under way."""
    return Scenario(
        nodes=2,
        seed=seed,
        steps=(
            Open(at_ns=1, node=0),
            Connect(at_ns=2, node=1, sink=0),
            *(
                Offer(at_ns=_LATE_NS + n * MS, source=0, count=2, size=60)
                for n in _NINE
            ),
        ),
        faults=(CutLink(at_ns=_LATE_NS + 4 * MS + seed + 1, a=0, b=1),),
        duration_ns=_LATE_NS + SECOND,
    )


_NINE = range(9)

_LATE_NS = 25 * SECOND
"""By then no loss is excused because the cluster is only just coming up."""


def forgetful(seed: int) -> Scenario:
    """The same, with cores that send nothing again from the third seed on."""
    if seed >= 2:
        break_core()
    return small(seed)


def break_core() -> None:
    """Has every session forget what the last link did not carry to its end."""
    ReplayBuffer.rewind = ReplayBuffer.pause  # type: ignore[method-assign]


def wrong(seed: int) -> Scenario:
    """Is no scenario for any seed."""
    raise LookupError(f"nothing is known of {seed}")


PLAYED: list[int] = []
"""The seeds that `slow` was asked for."""


def slow(seed: int) -> Scenario:
    """The same in a network in which each packet takes another time."""
    PLAYED.append(seed)
    latency = Latency(base_ns=MS, spread_ns=MS)
    return replace(small(seed), conditions=Conditions(latency=latency))


def deadly(seed: int) -> Scenario:
    """Ends the process that asks for it."""
    os._exit(seed + 1)
