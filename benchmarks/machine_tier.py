"""How fast the simulator is, without asyncio: events per second.

    python -m benchmarks.machine_tier [--profile]

"bounce": one packet goes back and forth between two bare sockets.
"ping": one small message at a time goes from one core to another, and the next one
when it has arrived. "idle": two cores with nothing but their heartbeats.
"""

from __future__ import annotations

from collections.abc import Callable
import cProfile
from functools import partial
import pstats
import sys
from time import perf_counter

from comm.sim.choices import Seeded
from comm.sim.host import Host
from comm.sim.machine import MachineCluster, Sink
from comm.sim.network import Endpoint, Network
from comm.sim.world import World


PACKETS = 50_000
ITEMS = 10_000
IDLE_S = 5_000.0
ROUNDS = 5


class Echo:
    """Sends back whatever comes."""

    def readable(self, endpoint: Endpoint) -> None:
        endpoint.send(endpoint.receive() or b"")

    def writable(self, endpoint: Endpoint) -> None:
        raise NotImplementedError


def bounce() -> tuple[float, int]:
    world = World(Seeded(7))
    hosts = [Host(world, 0), Host(world, 1)]
    ends = Network(world, hosts).join(*hosts)
    for end in ends:
        end.owner = Echo()
    ends[0].send(bytes(100))
    begun_s = perf_counter()
    while world.events < PACKETS:
        world.step()
    return perf_counter() - begun_s, world.events


def has_received(sink: Sink, count: int) -> bool:
    return sink.received >= count


def ping() -> tuple[float, int]:
    def send_one_by_one(cluster: MachineCluster) -> None:
        sink = cluster[0].open()
        assert sink.sender is not None
        source = cluster[1].connect(sink.sender)
        for count in range(1, ITEMS + 1):
            source.offer(1, 20)
            cluster.run_until(partial(has_received, sink, count))

    return measure(send_one_by_one)


def idle() -> tuple[float, int]:
    return measure(lambda cluster: cluster.run(IDLE_S))


def measure(part: Callable[[MachineCluster], None]) -> tuple[float, int]:
    """Returns the seconds that a part took, and how many events happened in it."""
    with MachineCluster(nodes=2, seed=7, oracles=False, check_every=0) as cluster:
        cluster.meet()
        before, begun_s = cluster.world.events, perf_counter()
        part(cluster)
        return perf_counter() - begun_s, cluster.world.events - before


def main() -> None:
    parts = (bounce, ping, idle)
    if "--profile" in sys.argv:
        for part in parts:
            with cProfile.Profile() as profile:
                part()
            pstats.Stats(profile).sort_stats("tottime").print_stats(20)
        return
    for part in parts:
        took_s, events = min(part() for _ in range(ROUNDS))
        print(
            f"{part.__name__:6}: {events} events in {took_s:.2f} s, "
            f"{events / took_s:,.0f} events/s"
        )


if __name__ == "__main__":
    main()
