"""Streams over any network of the driver."""

from __future__ import annotations

import asyncio
from typing import cast

from comm import Address
from comm.net.network import Network


__all__ = ["connect_streams"]


async def connect_streams(
    network: Network, address: Address
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Connects to an address of any network as `asyncio.open_connection` does."""
    loop = asyncio.get_running_loop()
    made: asyncio.Future[asyncio.BaseTransport] = loop.create_future()
    reader = asyncio.StreamReader()

    class Stranger(asyncio.StreamReaderProtocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            super().connection_made(transport)
            made.set_result(transport)

    protocol = Stranger(reader)
    await network.connect(address, lambda: protocol)
    transport = cast("asyncio.WriteTransport", await made)
    return reader, asyncio.StreamWriter(transport, protocol, reader, loop)
