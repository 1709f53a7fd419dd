"""Switchboards in one event loop for the tests of the asyncio driver's own parts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from comm import Switchboard
from comm.net import MemoryNetwork, Network, SocketNetwork
from comm.sim.host import Host
from comm.sim.loop import SimNetwork, VirtualLoop
from comm.sim.network import Network as SimulatedNetwork
from comm.sim.world import World
from tests.cluster import FAST
from tests.wires import free_port


Boards = Callable[..., AbstractAsyncContextManager[list[Switchboard]]]


@pytest.fixture(params=["memory", "sim", "tcp", "unix"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Network, str]:
    """Returns a network and an address in it at which nobody listens."""
    if request.param == "memory":
        return MemoryNetwork(), "somewhere:1"
    if request.param == "sim":
        return _simulated("somewhere:1")
    if request.param == "tcp":
        return SocketNetwork(), f"127.0.0.1:{free_port()}"
    return SocketNetwork(), f"unix:{tmp_path / 'socket'}"


def _simulated(address: str) -> tuple[Network, str]:
    world = World()
    host = Host(world, 0)
    network = SimNetwork(SimulatedNetwork(world, [host]), host)
    network.network.place(host, address)
    return network, address


@pytest.fixture
def new_event_loop(
    request: pytest.FixtureRequest,
) -> Callable[[], asyncio.AbstractEventLoop]:
    """Returns what makes event loops, for a test in a simulated place one that is."""
    if "place" in request.fixturenames:
        network = request.getfixturevalue("place")[0]
        if isinstance(network, SimNetwork):
            return partial(VirtualLoop, network.network.world)
    return asyncio.new_event_loop


@pytest.fixture
def boards() -> Boards:
    """Returns what makes the switchboards of a cluster in memory, and starts them."""

    @asynccontextmanager
    async def start(nodes: int = 2, **options: Any) -> AsyncIterator[list[Switchboard]]:
        network = MemoryNetwork()
        addresses = [f"localhost:{port}" for port in range(1, nodes + 1)]
        chosen: dict[str, Any] = {"config": FAST, "network": network} | options
        async with AsyncExitStack() as stack:
            yield [
                await stack.enter_async_context(
                    Switchboard(addresses, node_id, **chosen)
                )
                for node_id in range(nodes)
            ]

    return start
