"""Switchboards that listen for themselves, with nothing between them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
import os
from pathlib import Path
import tempfile
from typing import Any

from comm import Switchboard
from tests.sockets.processes import addresses


__all__ = ["resident_bytes", "run_plain", "sockets_open"]


@asynccontextmanager
async def run_plain(
    transport: str, nodes: int, **options: Any
) -> AsyncIterator[list[Switchboard]]:
    """Runs switchboards over loopback TCP, Unix sockets, or a network in memory."""
    async with AsyncExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="comm-"))
        places = addresses(transport, nodes, Path(folder))
        yield [
            await stack.enter_async_context(Switchboard(places, node_id, **options))
            for node_id in range(nodes)
        ]


def resident_bytes() -> int:
    """Returns how much memory this process occupies."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def sockets_open() -> int:
    """Returns how many sockets this process has open."""
    count = 0
    for name in os.listdir("/proc/self/fd"):
        try:
            count += os.readlink(f"/proc/self/fd/{name}").startswith("socket:")
        except FileNotFoundError:
            continue
    return count
