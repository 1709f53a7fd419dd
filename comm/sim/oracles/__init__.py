"""Oracles: they hold what can be seen of a cluster against G1 to G18."""

from __future__ import annotations

from typing import TYPE_CHECKING

from comm.sim.oracles.bounds import Bounds
from comm.sim.oracles.broadcasts import Broadcasts
from comm.sim.oracles.causes import Causes
from comm.sim.oracles.delivery import Delivery
from comm.sim.oracles.ends import Ends
from comm.sim.oracles.fairness import Fairness
from comm.sim.oracles.fanouts import Fanouts
from comm.sim.oracles.flushes import Flushes
from comm.sim.oracles.heartbeats import Heartbeats
from comm.sim.oracles.identities import Identities
from comm.sim.oracles.leaving import Leaving
from comm.sim.oracles.losses import Losses
from comm.sim.oracles.model import StreamModel, Violation
from comm.sim.oracles.oracle import Oracle


if TYPE_CHECKING:
    from comm.sim.machine import MachineCluster


__all__ = ["Oracle", "StreamModel", "Violation", "all_oracles"]


def all_oracles(cluster: MachineCluster) -> list[Oracle]:
    """Returns every oracle, for a cluster that has not started."""
    losses = Losses(cluster)
    return [
        losses,
        Delivery(cluster, losses),
        Causes(cluster, losses),
        Flushes(cluster, losses),
        Ends(cluster),
        Broadcasts(cluster),
        Fanouts(cluster),
        Fairness(cluster),
        Heartbeats(cluster),
        Identities(cluster),
        Bounds(cluster),
        Leaving(cluster),
    ]
