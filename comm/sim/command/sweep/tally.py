"""`Tally`: what a number of runs has come to, as plain numbers that can be added up."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, fields
from typing import Any, Self

from comm.sim.scenario import Outcome


__all__ = ["Tally"]


def _nothing() -> Counter[str]:
    return Counter()


@dataclass
class Tally:
    """Sums over runs.

    Attributes:
        seeds: How many seeds were played.
        events: How many events happened.
        simulated_s: How many seconds passed in all the worlds.
        delivered: How many items were received.
        rechecked: How many seeds were played more than once.
        failures: How many seeds failed in each way.
        fired: How often each fault met with anything to harm.
        marks: How often each coverage mark was reached.
    """

    seeds: int = 0
    events: int = 0
    simulated_s: float = 0.0
    delivered: int = 0
    rechecked: int = 0
    failures: Counter[str] = field(default_factory=_nothing)
    fired: Counter[str] = field(default_factory=_nothing)
    marks: Counter[str] = field(default_factory=_nothing)

    @property
    def failed(self) -> int:
        """How many seeds failed."""
        return self.failures.total()

    def add(self, outcome: Outcome) -> None:
        """Counts one run."""
        self.seeds += 1
        self.events += outcome.events
        self.simulated_s += outcome.simulated_s
        self.delivered += outcome.delivered
        self.fired.update(outcome.fired)

    def merge(self, other: Tally) -> None:
        """Adds another tally to this one."""
        for each in fields(self):
            value = getattr(other, each.name)
            if isinstance(value, Counter):
                getattr(self, each.name).update(value)
            else:
                setattr(self, each.name, getattr(self, each.name) + value)

    def as_data(self) -> dict[str, Any]:
        """Returns it as what JSON knows."""
        return {each.name: getattr(self, each.name) for each in fields(self)}

    @classmethod
    def from_data(cls, data: dict[str, Any]) -> Self:
        """Returns what `as_data` was called of."""
        tally = cls()
        for name, value in data.items():
            known = getattr(tally, name)
            setattr(tally, name, type(known)(value))
        return tally
