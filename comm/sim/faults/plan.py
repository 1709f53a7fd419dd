"""`FaultPlan`: all that goes wrong in a run, as data."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Self, cast

from comm.sim.data import Kinds
from comm.sim.faults import bytes as bytes_faults, connecting, hosts, links, paths
from comm.sim.faults.base import Fault


__all__ = ["CATALOGUE", "FaultPlan"]

CATALOGUE: dict[str, type[Fault]] = {
    name: getattr(module, name)
    for module in (links, paths, connecting, hosts, bytes_faults)
    for name in module.__all__
}
"""Every kind of fault, by its name."""

_KINDS = Kinds(CATALOGUE.values())


class FaultPlan(tuple[Fault, ...]):
    """Faults, in the order of their beginnings."""

    __slots__ = ()

    def __new__(cls, faults: Iterable[Fault] = ()) -> Self:
        """Puts the faults in order."""
        return super().__new__(cls, sorted(faults, key=_beginning))

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Returns the plan that `to_json` has written.

        Raises:
            ValueError: If it is no such text, or has faults that are unknown.
        """
        faults = _KINDS.loads(text)
        if not isinstance(faults, tuple):
            raise ValueError("a plan is a list of faults")  # noqa: TRY004 - the text
        return cls(_fault(each) for each in cast("tuple[object, ...]", faults))

    def to_json(self) -> str:
        """Returns the plan as text."""
        return _KINDS.dumps(self)

    def kinds(self) -> Iterator[str]:
        """Yields the name of each fault's kind."""
        return (type(fault).__name__ for fault in self)


def _fault(value: object) -> Fault:
    if not isinstance(value, Fault):
        raise ValueError(f"{value!r} is no fault")  # noqa: TRY004 - it is the text
    return value


def _beginning(fault: Fault) -> int:
    return fault.at_ns
