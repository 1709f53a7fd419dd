"""What only the network in memory can show."""

from __future__ import annotations

import asyncio
from typing import Any

from comm.address import Address
from comm.net import MemoryNetwork
from tests.cluster import eventually, settle


class Faulty(asyncio.Protocol):
    """A protocol that raises at what arrives."""

    lost_by: Exception | None = None

    def data_received(self, data: bytes) -> None:
        raise ValueError(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost_by = exc


class Talkative(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.peername = transport.get_extra_info("peername")
        transport.write(b"hello")


async def test_a_protocol_that_raises_loses_its_connection() -> None:
    """What a protocol raises is told to the loop's exception handler, and ends that
    connection alone, as with asyncio's own transports."""
    contexts: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(
        lambda _, context: contexts.append(context)
    )
    network, address = MemoryNetwork(), Address.parse("here:1")
    faulty, talkative = Faulty(), Talkative()
    listener = await network.listen(address, lambda: faulty)
    await network.connect(address, lambda: talkative)
    await eventually(lambda: faulty.lost_by)
    assert isinstance(faulty.lost_by, ValueError)
    assert contexts[0]["exception"] is faulty.lost_by
    assert contexts[0]["protocol"] is faulty
    assert talkative.peername == "here:1"
    listener.close()


async def test_networks_are_apart() -> None:
    """Two networks in memory know nothing of one another."""
    address = Address.parse("here:1")
    first, second = MemoryNetwork(), MemoryNetwork()
    listeners = [await network.listen(address, Faulty) for network in (first, second)]
    listeners[0].close()
    await second.connect(address, asyncio.Protocol)
    listeners[1].close()


async def test_connections_queue_up() -> None:
    """Of many connections in one turn of the loop some are accepted in each of the
    next turns, so that those accepted before are heard in between; what was written
    meanwhile is not lost."""
    network, address = MemoryNetwork(), Address.parse("here:1")
    accepted: list[Kept] = []
    pending: list[int] = []

    class Counting(Kept):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            super().connection_made(transport)
            accepted.append(self)
            pending.append(sum(not kept.received for kept in accepted))

    listener = await network.listen(address, Counting)
    await asyncio.gather(*(network.connect(address, Talkative) for _ in range(200)))
    await eventually(lambda: sum(bool(kept.received) for kept in accepted) == 200)
    assert max(pending) < 50
    for kept in accepted:
        kept.transport.abort()
    listener.close()
    await settle(3)


async def test_closing_a_listener_resets_its_queue() -> None:
    """A connection that was not yet accepted when its listener closed is reset; the
    protocol that would have accepted it is told nothing."""
    network, address = MemoryNetwork(), Address.parse("here:1")
    far = Kept()
    listener = await network.listen(address, lambda: far)

    class Closing(Kept):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            super().connection_made(transport)
            listener.close()

    near = Closing()
    await network.connect(address, lambda: near)
    await eventually(lambda: near.error)
    assert isinstance(near.error, ConnectionResetError)
    assert not hasattr(far, "transport")


class Kept(asyncio.Protocol):
    """A protocol that keeps what it is told."""

    def __init__(self) -> None:
        self.received = b""
        self.error: Exception | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.received += data

    def connection_lost(self, exc: Exception | None) -> None:
        self.error = exc
