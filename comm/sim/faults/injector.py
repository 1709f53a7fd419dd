"""`Injector`: brings the faults of a plan about when their time has come."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

from comm.sim.faults.base import Fault, Met
from comm.sim.world import Event


if TYPE_CHECKING:
    from comm.sim.machine import MachineCluster


__all__ = ["Injector"]


class Injector:
    """Carries out faults in a cluster.

    Args:
        cluster: The cluster.
        plan: The faults.
    """

    __slots__ = ("_active", "_begun", "_cluster", "_planned")

    def __init__(self, cluster: MachineCluster, plan: Iterable[Fault] = ()) -> None:
        self._cluster = cluster
        self._begun: list[tuple[str, Met]] = []
        self._active: list[Fault] = []
        self._planned: list[Event] = []
        for fault in plan:
            self.plan(fault)

    @property
    def fired(self) -> Counter[str]:
        """How many faults of each kind have met with anything to harm."""
        return Counter(
            kind for kind, met in self._begun if (met() if callable(met) else met)
        )

    def plan(self, fault: Fault) -> None:
        """Adds a fault; one whose time has passed begins at once."""
        event = self._cluster.world.at(fault.at_ns, self.begin, fault)
        self._planned.append(event)

    def begin(self, fault: Fault) -> None:
        """Brings a fault about now, whenever it was to begin."""
        cluster, size = self._cluster, len(self._cluster)
        # The same fault may be planned twice, and has two ends then.
        fault = replace(fault)
        cluster.world.note("faults", f"begin {fault}")
        cluster.disturbances.begin(fault.disturbs(size), fault.unsettles(size))
        self._active.append(fault)
        self._begun.append((type(fault).__name__, fault.begin(cluster)))
        if fault.for_ns:
            end = cluster.world.after(fault.for_ns, self._end, fault)
            self._planned.append(end)
        else:
            self._end(fault)

    def stop(self) -> None:
        """Ends all that lasts, and lets nothing begin any more."""
        for event in self._planned:
            self._cluster.world.cancel(event)
        self._planned.clear()
        for fault in tuple(self._active):
            self._end(fault)

    def _end(self, fault: Fault) -> None:
        cluster, size = self._cluster, len(self._cluster)
        self._active = [known for known in self._active if known is not fault]
        cluster.world.note("faults", f"end {type(fault).__name__}")
        fault.end(cluster)
        cluster.disturbances.end(fault.disturbs(size), fault.unsettles(size))
