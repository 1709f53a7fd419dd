"""Slow paths: how bytes arrive where only so many pass in a second."""

from __future__ import annotations

from itertools import pairwise

from comm.sim.host import Host
from comm.sim.network import Conditions, Endpoint, Network
from comm.sim.world import MS, SECOND, World
from tests.sim.simulated_sockets import Caller


class Drain:
    """Reads whatever comes, and notes when."""

    def __init__(self, world: World) -> None:
        self.arrivals: list[tuple[int, int]] = []
        self._world = world

    def readable(self, endpoint: Endpoint) -> None:
        data = endpoint.receive()
        self.arrivals.append((self._world.now_ns, len(data or b"")))

    def writable(self, endpoint: Endpoint) -> None:
        del endpoint


def test_bytes_trickle_over_a_slow_path() -> None:
    """What is written at once arrives bit by bit, evenly, at the rate of the path: a
    reader that takes silence for death sees that there is none."""
    world = World()
    hosts = [Host(world, 0), Host(world, 1)]
    network = Network(world, hosts, Conditions(bytes_per_s=300_000))
    listener = network.listen(hosts[1], "server:1", lambda: None)
    caller = Caller()
    network.connect(hosts[0], "server:1", caller)
    world.run_to(10 * MS)
    near, far = caller.endpoint, listener.accept()
    assert near is not None
    assert far is not None
    far.owner = drain = Drain(world)
    assert near.send(bytes(240_000)) == 240_000
    world.run_to(2 * SECOND)
    times_ns = [time_ns for time_ns, _ in drain.arrivals]
    assert sum(size for _, size in drain.arrivals) == 240_000
    assert max(size for _, size in drain.arrivals) <= 3000
    gaps_ns = [b - a for a, b in pairwise(times_ns)]
    assert max(gaps_ns) <= 20 * MS
    assert 790 * MS <= times_ns[-1] <= 830 * MS
