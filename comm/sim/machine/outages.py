"""`Outages`: what keeps two nodes of a cluster from hearing one another."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import combinations

from comm.sim.machine.disturbance import Disturbances
from comm.sim.network import Network


__all__ = ["Outages"]


_WAYS = ("reset", "silent", "half")


class Outages:
    """Breaks connections and ways, and takes note of it.

    Args:
        network: The network.
        disturbances: Where it is noted.
    """

    __slots__ = ("_blocked", "_disturbances", "_network")

    def __init__(self, network: Network, disturbances: Disturbances) -> None:
        self._network = network
        self._disturbances = disturbances
        self._blocked: list[tuple[int, int]] = []

    def cut(self, first: int, second: int, how: str) -> int:
        """Breaks every connection between two nodes: see `MachineCluster.cut`."""
        if how not in _WAYS:
            raise ValueError(f"{how!r} is no way to cut; there are {_WAYS}")
        self._disturbances.strike([(first, second)])
        connections = self._network.between(first, second)
        for ends in connections:
            self._network.world.note("network", f"cut {first} {second} {how}")
            for end in ends:
                is_told = how == "reset" or (how == "half" and end.host.index == first)
                if is_told:
                    end.handle_reset()
                else:
                    end.silence()
        return len(connections)

    def partition(self, *groups: Iterable[int]) -> None:
        """Lets nothing through between nodes of different groups."""
        parts = [list(group) for group in groups]
        for left, right in combinations(parts, 2):
            for a in left:
                for b in right:
                    self.block(a, b)
                    self.block(b, a)

    def block(self, source: int, target: int) -> None:
        """Lets nothing through from one node to another."""
        self._network.world.note("network", f"block {source} {target}")
        self._network.path(source, target).block()
        self._blocked.append((source, target))
        self._disturbances.begin([(source, target)])

    def heal(self) -> None:
        """Takes every `block` back."""
        self._network.world.note("network", "heal")
        for source, target in self._blocked:
            self._network.path(source, target).unblock()
        self._disturbances.end(self._blocked)
        self._blocked.clear()
