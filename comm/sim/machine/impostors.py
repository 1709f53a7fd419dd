"""`Impostors`: second processes that claim a node's id."""

from __future__ import annotations

from typing import TYPE_CHECKING

from comm.sim.machine.driver import Driver


if TYPE_CHECKING:
    from comm.sim.machine.cluster import MachineCluster


__all__ = ["Impostors"]


class Impostors:
    """The processes of a cluster that are not who they say.

    They run outside, listen nowhere, and dial every node.

    Args:
        cluster: The cluster.

    Attributes:
        incarnations: What they said that they are, as long as anybody may remember.
    """

    __slots__ = ("_cluster", "_drivers", "incarnations")

    def __init__(self, cluster: MachineCluster) -> None:
        self.incarnations: dict[bytes, None] = {}
        self._cluster = cluster
        self._drivers: list[tuple[object, Driver]] = []

    def begin(self, owner: object, index: int) -> None:
        """Starts a process that claims the id of a node."""
        cluster = self._cluster
        core = cluster.make_core(index, "impostor", len(self.incarnations))
        self.incarnations[core.incarnation] = None
        driver = Driver(cluster, cluster.outside, core, None)
        self._drivers.append((owner, driver))
        driver.command("dials all", lambda: core.dial_all(driver.now_s))

    def end(self, owner: object) -> None:
        """Ends the processes of an owner, without a word."""
        for held, driver in self._drivers:
            if held is owner:
                driver.vanish()
        self._drivers = [pair for pair in self._drivers if pair[0] is not owner]
