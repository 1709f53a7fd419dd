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

    def take(self, cluster: MachineCluster, index: int) -> bool:
        """Takes the process away, and returns whether there was one to take."""
        raise NotImplementedError

    def begin(self, cluster: MachineCluster) -> bool:
        """Takes the process away, unless something else has."""
        index = self.node % len(cluster)
        if not self.take(cluster, index):
            return False
        incarnation = cluster.hosts[index].incarnation
        cluster.claims.add(self, ("process", index), incarnation)
        return True

    def end(self, cluster: MachineCluster) -> None:
        """Starts the next process, if it was this that took the last one away."""
        index = self.node % len(cluster)
        if cluster.claims.drop(self) == cluster.hosts[index].incarnation:
            cluster.restart(index)


@dataclass(frozen=True, slots=True, kw_only=True)
class PowerCut(_Absence):
    """Takes a machine's power away: nothing comes back before it is restarted."""

    def take(self, cluster: MachineCluster, index: int) -> bool:
        """Crashes the node."""
        return _crash(cluster, index, dark=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Kill(_Absence):
    """Kills a process; its kernel closes what it had open, and refuses connections."""

    def take(self, cluster: MachineCluster, index: int) -> bool:
        """Kills the process."""
        return _crash(cluster, index, dark=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Leave(_Absence):
    """Has a node leave the cluster in order."""

    def take(self, cluster: MachineCluster, index: int) -> bool:
        """Closes the switchboard, unless the process cannot."""
        node = cluster.nodes[index]
        if node is None or node.is_left or node.host.state is not HostState.RUNNING:
            return False
        cluster.leave(index)
        return True


@dataclass(frozen=True, slots=True, kw_only=True)
class Pause(_HostFault):
    """Stops a process, as SIGSTOP does, while its kernel goes on."""

    def begin(self, cluster: MachineCluster) -> bool:
        """Stops it."""
        index = self.node % len(cluster)
        host = cluster.hosts[index]
        if host.state is not HostState.RUNNING:
            return False
        cluster.pause(index)
        cluster.claims.add(self, ("process", index), host.incarnation)
        return True

    def end(self, cluster: MachineCluster) -> None:
        """Lets it go on, if it was this that stopped it."""
        index = self.node % len(cluster)
        if cluster.claims.drop(self) == cluster.hosts[index].incarnation:
            cluster.resume(index)

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
        """Slows it down, if it is not slower already."""
        host = cluster.hosts[self.node % len(cluster)]
        cluster.claims.add(self, ("pace", host.index), self.step_ns)
        self._settle(cluster)
        return host.is_alive and self.step_ns > 0

    def end(self, cluster: MachineCluster) -> None:
        """Lets it run as fast as it would without."""
        cluster.claims.drop(self)
        self._settle(cluster)

    def _settle(self, cluster: MachineCluster) -> None:
        index = self.node % len(cluster)
        slow = cluster.claims.of(("pace", index))
        cluster.hosts[index].step_ns = max(slow, default=0)

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
        """Changes its speed; the latest change counts."""
        cluster.claims.add(self, ("clock", self.node % len(cluster)), self.drift_ppm)
        self._settle(cluster)
        return self.drift_ppm != 0

    def end(self, cluster: MachineCluster) -> None:
        """Makes its speed what it would be without."""
        cluster.claims.drop(self)
        self._settle(cluster)

    def _settle(self, cluster: MachineCluster) -> None:
        index = self.node % len(cluster)
        drifts = cluster.claims.of(("clock", index))
        cluster.drift_clock(index, drifts[-1] if drifts else 0)

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


def _crash(cluster: MachineCluster, index: int, *, dark: bool) -> bool:
    if cluster.nodes[index] is None:
        return False
    cluster.crash(index, dark=dark)
    return True
