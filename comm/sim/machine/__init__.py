"""The machine tier: real cores in a simulated network, without asyncio."""

from __future__ import annotations

from comm.sim.items import BYTES
from comm.sim.machine.cluster import MachineCluster, StuckError
from comm.sim.machine.node import Node
from comm.sim.machine.sink import EAGER, STALLED, Pace, Sink
from comm.sim.machine.source import Source
from comm.sim.watcher import Watcher, Watchers


__all__ = [
    "BYTES",
    "EAGER",
    "STALLED",
    "MachineCluster",
    "Node",
    "Pace",
    "Sink",
    "Source",
    "StuckError",
    "Watcher",
    "Watchers",
]
