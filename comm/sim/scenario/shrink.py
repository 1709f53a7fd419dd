"""Shrinking: from a scenario that fails to the smallest one that still does.

Faults and steps are taken away in ever smaller groups (Zeller and Hildebrandt,
"Simplifying and Isolating Failure-Inducing Input", 2002), the schedule is calmed
stream by stream, and what is left is made plainer: fewer nodes, usual limits, shorter
times. Every candidate is played; it counts if it fails in the same way.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, TypeVar

from comm.sim.scenario.play import Outcome
from comm.sim.scenario.scenario import Scenario


__all__ = ["Shrinker"]

T = TypeVar("T")

_Play = Callable[[Scenario], Outcome]


@dataclass
class Shrinker:
    """Makes a failing scenario small.

    Attributes:
        play: Plays a scenario.
        kind: How it must fail: the `kind` of the failure.
        plays_max: How many candidates to play at the most.
        plays: How many were played.
        best: The smallest outcome so far that fails in that way.
    """

    play: _Play
    kind: str
    plays_max: int = 2000
    plays: int = 0
    best: Outcome | None = None

    def shrink(self, outcome: Outcome) -> Outcome:
        """Returns an outcome that fails like this one, of a scenario as small as can
        be found.

        Its schedule is written down, so that it is played again without any draw.
        """
        best = self.best = outcome
        # With its schedule on a tape, what is left out moves nothing else.
        self._try(outcome.scenario.with_tape(outcome.tape))
        while True:
            for shrink_part in (
                self._shrink_faults,
                self._shrink_steps,
                self._shrink_schedule,
                self._make_plainer,
            ):
                shrink_part()
            if self.best is best or self.plays >= self.plays_max:
                return self.best
            best = self.best

    @property
    def _scenario(self) -> Scenario:
        assert self.best is not None
        return self.best.scenario

    def _try(self, candidate: Scenario) -> bool:
        """Plays a candidate, and keeps it if it fails in the same way."""
        if self.plays >= self.plays_max or candidate == self._scenario:
            return False
        self.plays += 1
        outcome = self.play(candidate)
        if outcome.failure is None or outcome.failure.kind != self.kind:
            return False
        self.best = outcome
        return True

    def _with(self, name: str, value: object) -> Scenario:
        changed: dict[str, Any] = {name: value}
        return replace(self._scenario, **changed)

    def _shrink_faults(self) -> None:
        self._thin(lambda s: s.faults, lambda s, kept: replace(s, faults=kept))
        for index in range(len(self._scenario.faults)):
            self._simplify("faults", index)

    def _shrink_steps(self) -> None:
        self._thin(lambda s: s.steps, lambda s, kept: replace(s, steps=kept))
        for index in range(len(self._scenario.steps)):
            self._simplify("steps", index)

    def _thin(
        self,
        part: Callable[[Scenario], Sequence[T]],
        with_part: Callable[[Scenario, tuple[T, ...]], Scenario],
    ) -> None:
        """Takes members of a sequence away, in groups that get smaller."""
        size = len(part(self._scenario))
        while size:
            start = 0
            while start < len(part(self._scenario)):
                members = tuple(part(self._scenario))
                kept = members[:start] + members[start + size :]
                if not self._try(with_part(self._scenario, kept)):
                    start += size
            size //= 2

    def _simplify(self, part: str, index: int) -> None:
        """Gives the numbers of one member smaller values."""
        for name in [f.name for f in fields(getattr(self._scenario, part)[index])]:
            members = getattr(self._scenario, part)
            value = getattr(members[index], name)
            for smaller in _smaller(value):
                changed = replace(members[index], **{name: smaller})
                rest = (*members[:index], changed, *members[index + 1 :])
                if self._try(self._with(part, rest)):
                    break

    def _shrink_schedule(self) -> None:
        tape = self._scenario.tape or {}
        if tape and self._try(replace(self._scenario, tape={})):
            return
        for name in tape:
            self._calm(name)

    def _calm(self, name: str) -> None:
        """Makes a stream calm: as a whole, else its end, and then number by number."""
        tape = dict(self._scenario.tape or {})
        numbers = tape.pop(name, ())
        if self._try(replace(self._scenario, tape=tape)):
            return
        length = len(numbers) // 2
        while length:
            shorter = {**tape, name: numbers[:length]}
            if not self._try(replace(self._scenario, tape=shorter)):
                break
            numbers, length = numbers[:length], length // 2
        for place in range(min(len(numbers), 40)):
            if numbers[place]:
                calmer = (*numbers[:place], 0, *numbers[place + 1 :])
                if self._try(replace(self._scenario, tape={**tape, name: calmer})):
                    numbers = calmer

    def _make_plainer(self) -> None:
        usual = Scenario()
        for name in ("survivors", "offsets_ns", "is_prompt", "keeps_stalls"):
            self._try(self._with(name, getattr(usual, name)))
        for name in ("conditions", "buffers", "read_bytes", "high_bytes", "config"):
            self._try(self._with(name, getattr(usual, name)))
        for field_ in fields(self._scenario.config):
            self._plain_config(field_.name)
        for nodes in range(1, self._scenario.nodes):
            if self._try(replace(self._scenario, nodes=nodes)):
                break
        for duration_ns in _smaller(self._scenario.duration_ns):
            if self._try(self._with("duration_ns", duration_ns)):
                break

    def _plain_config(self, name: str) -> None:
        config = self._scenario.config
        usual = getattr(type(config)(), name)
        if getattr(config, name) == usual:
            return
        try:
            plainer = replace(config, **{name: usual})
        except ValueError:
            return  # The limits do not go together like that.
        self._try(replace(self._scenario, config=plainer))


def _smaller(value: object) -> Iterator[object]:
    """Yields values that are simpler, the simplest first."""
    if isinstance(value, bool) or not isinstance(value, int) or not value:
        return
    yield 0
    for digits in range(1, 3):
        # A round number is easier on the eye.
        unit = 10 ** max(0, len(str(abs(value))) - digits)
        if 0 < value // unit * unit < value:
            yield value // unit * unit
    yield value // 2
