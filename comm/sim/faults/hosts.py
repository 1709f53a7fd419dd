"""Faults of hosts: their processes, their power, their speed and their clocks."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from comm.sim.faults.base import Fault, Pair, pairs_of
from comm.sim.host import HostState


if TYPE_CHECKING:
    from comm.sim.machine import MachineCluster


__all__ = [
    "DriftClock",
    "Kill",
    "Leave",
    "Pause",
    "PowerCut",
    "SlowDown",
    "StepClock",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class _HostFault(Fault):
    """A fault of one host.

    Attributes:
        node: The node on it.
    """

    node: int

    def disturbs(self, size: int) -> Iterable[Pair]:
        """Returns the pairs of the node."""
        return pairs_of(self.node, size)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Absence(_HostFault):
    """A fault that takes a node's process away; another one starts at its end."""

    def end(self, cluster: MachineCluster) -> None:
        """Starts the next process, unless something else has."""
        index = self.node % len(cluster)
        node = cluster.nodes[index]
        if node is None or node.is_left:
            cluster.restart(index)


@dataclass(frozen=True, slots=True, kw_only=True)
class PowerCut(_Absence):
    """Takes a machine's power away: nothing comes back before it is restarted."""

    def begin(self, cluster: MachineCluster) -> bool:
        """Crashes the node."""
        return _crash(cluster, self.node, dark=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Kill(_Absence):
    """Kills a process; its kernel closes what it had open, and refuses connections."""

    def begin(self, cluster: MachineCluster) -> bool:
        """Kills the process."""
        return _crash(cluster, self.node, dark=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Leave(_Absence):
    """Has a node leave the cluster in order."""

    def begin(self, cluster: MachineCluster) -> bool:
        """Closes the switchboard."""
        index = self.node % len(cluster)
        node = cluster.nodes[index]
        if node is None or node.host.state is not HostState.RUNNING:
            return False
        cluster.leave(index)
        return True


@dataclass(frozen=True, slots=True, kw_only=True)
class Pause(_HostFault):
    """Stops a process, as SIGSTOP does, while its kernel goes on."""

    def begin(self, cluster: MachineCluster) -> bool:
        """Stops it."""
        index = self.node % len(cluster)
        runs = cluster.hosts[index].state is HostState.RUNNING
        cluster.pause(index)
        return runs

    def end(self, cluster: MachineCluster) -> None:
        """Lets it go on."""
        cluster.resume(self.node % len(cluster))

    def unsettles(self, size: int) -> Iterable[int]:
        """Returns the node."""
        return (self.node % size,)


@dataclass(frozen=True, slots=True, kw_only=True)
class SlowDown(_HostFault):
    """Makes every step of a process take time.

    Attributes:
        step_ns: How long at the most.
    """

    step_ns: int

    def begin(self, cluster: MachineCluster) -> bool:
        """Slows it down."""
        cluster.hosts[self.node % len(cluster)].step_ns = self.step_ns
        return True

    def end(self, cluster: MachineCluster) -> None:
        """Lets it run freely."""
        cluster.hosts[self.node % len(cluster)].step_ns = 0

    def unsettles(self, size: int) -> Iterable[int]:
        """Returns the node."""
        return (self.node % size,)


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftClock(_HostFault):
    """Lets a host's clock run too fast or too slow.

    Attributes:
        drift_ppm: By how much, in millionths.
    """

    drift_ppm: int

    def begin(self, cluster: MachineCluster) -> bool:
        """Changes its speed."""
        cluster.drift_clock(self.node % len(cluster), self.drift_ppm)
        return self.drift_ppm != 0

    def end(self, cluster: MachineCluster) -> None:
        """Makes its speed right."""
        cluster.drift_clock(self.node % len(cluster), 0)

    def unsettles(self, size: int) -> Iterable[int]:
        """Returns the node."""
        return (self.node % size,)


@dataclass(frozen=True, slots=True, kw_only=True)
class StepClock(_HostFault):
    """Lets a host's clock jump, forwards or back.

    Attributes:
        jump_ns: How far.
    """

    jump_ns: int

    def begin(self, cluster: MachineCluster) -> bool:
        """Lets it jump."""
        cluster.step_clock(self.node % len(cluster), self.jump_ns)
        return self.jump_ns != 0

    def unsettles(self, size: int) -> Iterable[int]:
        """Returns the node."""
        return (self.node % size,)


def _crash(cluster: MachineCluster, node: int, *, dark: bool) -> bool:
    index = node % len(cluster)
    if cluster.nodes[index] is None:
        return False
    cluster.crash(index, dark=dark)
    return True
