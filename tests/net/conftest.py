"""Switchboards in one event loop for the tests of the asyncio driver's own parts."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from comm import Switchboard
from comm.net import MemoryNetwork, Network, SocketNetwork
from tests.cluster import FAST
from tests.wires import free_port


Boards = Callable[..., AbstractAsyncContextManager[list[Switchboard]]]


@pytest.fixture(params=["memory", "tcp", "unix"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Network, str]:
    """Returns a network and an address in it at which nobody listens."""
    if request.param == "memory":
        return MemoryNetwork(), "somewhere:1"
    if request.param == "tcp":
        return SocketNetwork(), f"127.0.0.1:{free_port()}"
    return SocketNetwork(), f"unix:{tmp_path / 'socket'}"


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
