"""The simulated network as a wire: no proxy, the faults are the network's own."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import replace
from typing import Any

from comm import Address, Switchboard
from comm.sim.choices import Seeded
from comm.sim.host import Host
from comm.sim.loop import SimNetwork, VirtualLoop
from comm.sim.network import Conditions, Latency, Network
from comm.sim.trace import Trace
from comm.sim.world import US, World
from tests.cluster import eventually
from tests.streams import connect_streams


__all__ = ["SimWire", "new_virtual_loop"]


def new_virtual_loop(seed: object = 0, *, records: bool = False) -> VirtualLoop:
    """Returns a loop in a new world, in which a seed determines everything."""
    return VirtualLoop(World(Seeded(seed), Trace(records=records)), seed=seed)


class SimWire:
    """A simulated host for each node, and one for strangers.

    How long bytes are under way, and how they are cut, is drawn; see
    `tests.cluster.Wire` for the methods.
    """

    transport = "sim"
    listens = True

    def __init__(self, nodes: int) -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop), "the test runs in another loop"
        self._world = world = loop.world
        self._hosts = [Host(world, index) for index in range(nodes + 1)]
        self._network = Network(world, self._hosts, _draw_conditions(world))
        self._addresses = [Address("127.0.0.1", 7000 + index) for index in range(nodes)]
        for host, address in zip(self._hosts, self._addresses, strict=False):
            self._network.place(host, str(address))
        # Pairs of nodes, of which the second hears nothing of the first.
        self._stalled: dict[tuple[int, int], None] = {}

    @property
    def nodes(self) -> list[str]:
        return [str(address) for address in self._addresses]

    async def aclose(self) -> None:
        with suppress(TimeoutError):
            await eventually(lambda: not self._left())
        assert not self._left(), f"the test left open: {', '.join(self._left())}"

    def options(self, node_id: int) -> dict[str, Any]:
        host = self._hosts[node_id]
        if not host.is_alive:
            host.restart()
        return {"network": SimNetwork(self._network, host)}

    async def attach(self, board: Switchboard) -> None:
        """Does nothing: the switchboard listens by itself."""

    async def detach(self, node_id: int) -> None:
        """Does nothing: the switchboard has stopped to listen by itself."""

    async def fell(self, board: Switchboard) -> None:
        host = self._hosts[board.node_id]
        is_dark = self._world.choices.stream("power").pick((False, True))
        self._world.note(host.name, "loses power" if is_dark else "is killed")
        host.stop(dark=is_dark)
        self._network.host_died(host, dark=is_dark)

    async def cut(self, a: int, b: int) -> None:
        for ends in self._network.between(a, b):
            for end in ends:
                end.handle_reset()

    def stall(self, a: int, b: int, *, one_way: bool = False) -> None:
        for pair in [(a, b)] if one_way else [(a, b), (b, a)]:
            if pair not in self._stalled:
                self._stalled[pair] = None
                self._network.path(*pair).clog()

    def resume(self, a: int, b: int) -> None:
        for pair in (a, b), (b, a):
            if pair in self._stalled:
                del self._stalled[pair]
                self._network.path(*pair).unclog()

    def limit(self, bytes_per_s: float | None) -> None:
        rate = None if bytes_per_s is None else int(bytes_per_s)
        for path in self._network.paths:
            path.conditions = replace(path.conditions, bytes_per_s=rate)

    def count(self) -> int:
        return self._network.made

    async def connect_raw(
        self, node_id: int
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        stranger = SimNetwork(self._network, self._hosts[-1])
        return await connect_streams(stranger, self._addresses[node_id])

    def _left(self) -> list[str]:
        """Every socket that a program still has, as a kernel would list them."""
        connections = [
            f"connection {end.number} of {end.host.name}"
            for ends in self._network._connections.values()
            for end in ends
            if end.is_open
        ]
        listeners = [n for n in self.nodes if self._network.listener_at(n) is not None]
        return connections + listeners


def _draw_conditions(world: World) -> Conditions:
    draw = world.choices.stream("conditions")
    base_ns = draw.between(10, 50) * US
    latency = Latency(base_ns=base_ns, spread_ns=draw.pick((0, base_ns, 4 * base_ns)))
    return Conditions(latency=latency, fragment_permille=draw.pick((0, 100, 500)))
