"""The simulator: a seeded world in which the real machines run, and everything fails.

Time is virtual, every draw comes from named streams, and the same seed gives the same
history, event by event. The machine tier drives `SwitchboardCore` without asyncio.

    with MachineCluster(nodes=2, seed=7) as cluster:
        sink = cluster[0].open()
        source = cluster[1].connect(sink.sender)
        source.offer(count=100, size=20)
        cluster.cut(0, 1)
        cluster.run_until(lambda: sink.received == 100)
"""

from __future__ import annotations

from comm.sim.machine import MachineCluster


__all__ = ["MachineCluster"]
