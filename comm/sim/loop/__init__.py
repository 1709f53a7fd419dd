"""asyncio in a simulated world: an event loop in virtual time, and transports.

    world = World(Seeded(7))
    hosts = [Host(world, index) for index in range(2)]
    network = Network(world, hosts)
    loop = VirtualLoop(world, seed=7)
    loop.run_until_complete(main([SimNetwork(network, host) for host in hosts]))

One loop serves all hosts here: what `comm.net` runs on in its conformance suite.
"""

from __future__ import annotations

from comm.sim.loop.loop import DeadlockError, VirtualLoop
from comm.sim.loop.network import SimListener, SimNetwork
from comm.sim.loop.transport import SimTransport


__all__ = ["DeadlockError", "SimListener", "SimNetwork", "SimTransport", "VirtualLoop"]
