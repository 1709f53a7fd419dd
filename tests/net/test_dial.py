"""`try_connect`: patience, and an end to it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

import comm
from comm.net import SocketNetwork, try_connect
from tests.cluster import PATIENCE_S, eventually, settle
from tests.wires import free_port


class Greeter(asyncio.Protocol):
    """Greets whoever connects, and closes with them.

    Attributes:
        present: How many are connected.
    """

    present = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        Greeter.present += 1
        transport.write(b"hello\n")

    def connection_lost(self, exc: Exception | None) -> None:
        Greeter.present -= 1


@asynccontextmanager
async def serving(address: str) -> AsyncIterator[None]:
    """Greets whoever connects to the address."""
    listener = await SocketNetwork().listen(comm.Address.parse(address), Greeter)
    try:
        yield
        await eventually(lambda: not Greeter.present)
    finally:
        listener.close()


def addresses(tmp_path: Path) -> list[str]:
    """One address of each kind."""
    return [f"127.0.0.1:{free_port()}", f"unix:{tmp_path / 'socket'}"]


@pytest.mark.parametrize("kind", [0, 1], ids=["tcp", "unix"])
async def test_a_late_listener_is_waited_for(kind: int, tmp_path: Path) -> None:
    """The connection comes to stand although nobody listened at first."""
    address = addresses(tmp_path)[kind]
    task = asyncio.create_task(try_connect(address, PATIENCE_S))
    await settle(20)
    assert not task.done()
    async with serving(address):
        reader, writer = await task
        assert await reader.readline() == b"hello\n"
        writer.close()
        await writer.wait_closed()


@pytest.mark.parametrize("kind", [0, 1], ids=["tcp", "unix"])
async def test_it_says_why_it_gave_up(kind: int, tmp_path: Path) -> None:
    """On time-out the error names the address and the last cause."""
    address = addresses(tmp_path)[kind]
    with pytest.raises(
        TimeoutError, match=r"within 0\.2 s.*(refused|nobody)"
    ) as caught:
        await try_connect(address, 0.2)
    assert address in str(caught.value)


async def test_what_cannot_succeed_is_not_tried_again(tmp_path: Path) -> None:
    """An error that will not pass is raised at once."""
    (tmp_path / "file").write_text("")
    with pytest.raises(NotADirectoryError):
        await try_connect(f"unix:{tmp_path / 'file' / 'socket'}")
    with pytest.raises(comm.ConfigurationError):
        await try_connect("nonsense")


async def test_cancelling_leaves_nothing_open(tmp_path: Path) -> None:
    """At whatever turn it is cancelled, the connection is either returned or closed."""
    address = f"unix:{tmp_path / 'socket'}"
    async with serving(address):
        for turns in range(12):
            task = asyncio.create_task(try_connect(address))
            await settle(turns)
            task.cancel()
            try:
                _, writer = await task
            except asyncio.CancelledError:
                continue
            writer.close()
            await writer.wait_closed()
