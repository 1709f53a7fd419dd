"""Connections that the caller has accepted: one port for several protocols."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

import comm
from comm import Address, Switchboard
from comm.mpsc import Sender
from comm.net import try_connect
from comm.net.links import SocketLink
from comm.protocol import PROTOCOL_MAGIC, match_handshake
from tests.cluster import FAST, PATIENCE_S, eventually, settle
from tests.wires import free_port


Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

_LARGE = bytes(range(256)) * (8 << 10)


class Port:
    """A port of the caller's own, and what became of each of its connections.

    Attributes:
        outcomes: What each call of `handle_connection` ended with; None if it
            returned.
    """

    def __init__(self, board: Switchboard) -> None:
        self._board = board
        self._tasks: list[asyncio.Task[None]] = []
        self.outcomes: list[BaseException | None] = []
        self.writers: list[asyncio.StreamWriter] = []

    def start(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serves a connection in a task that can be waited for."""
        self.writers.append(writer)
        self._tasks.append(asyncio.create_task(self._serve(reader, writer)))

    async def aclose(self) -> None:
        """Waits until every connection is over."""
        async with asyncio.timeout(PATIENCE_S):
            await asyncio.gather(*self._tasks)

    def cancel(self) -> None:
        """Cancels every call that still runs."""
        for task in self._tasks:
            task.cancel()

    async def _serve(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        prefix = b""
        while (match := match_handshake(prefix)) is None:
            data = await reader.read(1)
            if not data:
                writer.close()
                return
            prefix += data
        if match:
            await self._hand_over(reader, writer, prefix)
        else:
            request = prefix + await reader.readuntil(b"\r\n\r\n")
            answer = b"no" if request.startswith(b"POST") else b"yes"
            writer.write(b"HTTP/1.0 200 OK\r\n\r\n" + answer)
            writer.close()
            await writer.wait_closed()

    async def _hand_over(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, prefix: bytes
    ) -> None:
        try:
            await self._board.handle_connection(reader, writer, prefix=prefix)
        except BaseException as error:  # noqa: BLE001 - it is what is asked for
            self.outcomes.append(error)
        else:
            self.outcomes.append(None)


@asynccontextmanager
async def shared_port(
    tmp_path: Path | None = None, **options: Any
) -> AsyncIterator[tuple[Switchboard, Switchboard, Port]]:
    """Two nodes; the first one's port belongs to the caller, not to its switchboard."""
    nodes = [f"127.0.0.1:{free_port()}" for _ in range(2)]
    if tmp_path is not None:
        nodes = [f"unix:{tmp_path / name}" for name in "ab"]
    async with AsyncExitStack() as stack:
        near, far = [
            await stack.enter_async_context(
                Switchboard(nodes, number, listen=bool(number), config=FAST, **options)
            )
            for number in range(2)
        ]
        port = Port(near)
        address = Address.parse(nodes[0])
        if address.is_unix:
            server = await asyncio.start_unix_server(port.start, address.path)
        else:
            server = await asyncio.start_server(port.start, address.host, address.port)
        stack.push_async_callback(port.aclose)
        async with server:
            yield near, far, port
            await far.aclose()
            await near.aclose()


async def ask(address: Address, request: bytes) -> bytes:
    """Sends a request as a web browser would, and returns the whole response."""
    reader, writer = await try_connect(address)
    writer.write(request)
    response = await reader.read()
    writer.close()
    await writer.wait_closed()
    return response


@pytest.mark.parametrize("is_unix", [False, True], ids=["tcp", "unix"])
async def test_one_port_serves_two_protocols(is_unix: bool, tmp_path: Path) -> None:
    """Web requests and connections of ours share a port; the bytes that were read to
    tell them apart come back as `prefix`, and nothing is lost on either side."""
    async with shared_port(tmp_path if is_unix else None) as (near, far, port):
        sender, receiver = near.mpsc(bytes, max_producers=1)
        assert (await ask(near.nodes[0], b"GET / HTTP/1.0\r\n\r\n")).endswith(b"yes")
        async with far.connect(sender) as producer:
            assert (await ask(near.nodes[0], b"POST / HTTP/1.0\r\n\r\n")).endswith(
                b"no"
            )
            await producer.send(_LARGE)
        assert [item async for item in receiver] == [_LARGE]
        receiver.close()
        assert not port.outcomes
        await far.aclose()
        await eventually(lambda: port.outcomes == [None])


@pytest.mark.parametrize("prefix_bytes", [0, 1, 8, 30])
async def test_any_prefix_will_do(prefix_bytes: int) -> None:
    """However much the caller has read, the handshake goes on behind it."""
    near = Switchboard([f"127.0.0.1:{free_port()}", "127.0.0.1:1"], 0, listen=False)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        prefix = await reader.readexactly(prefix_bytes)
        await near.handle_connection(reader, writer, prefix=prefix)

    async with near:
        address = near.nodes[0]
        tasks: list[asyncio.Task[None]] = []
        server = await asyncio.start_server(
            lambda r, w: tasks.append(asyncio.create_task(serve(r, w))),
            address.host,
            address.port,
        )
        async with server, Switchboard(near.nodes, 1, listen=False) as far:
            await asyncio.gather(near.rendezvous(5), far.rendezvous(5))
        await asyncio.gather(*tasks)


@pytest.mark.parametrize("ending", [b"", bytes(500)], ids=["nothing", "garbage"])
async def test_nothing_is_raised_because_of_the_other_side(ending: bytes) -> None:
    """Whatever a stranger sends behind our magic, or does not send, `handle_connection`
    returns, and the connection is closed within the handshake's time-out."""
    async with shared_port() as (near, _, port):
        reader, writer = await try_connect(near.nodes[0])
        writer.write(PROTOCOL_MAGIC + ending)
        async with asyncio.timeout(PATIENCE_S):
            with suppress(ConnectionResetError):
                await reader.read()
        writer.close()
        await eventually(lambda: port.outcomes == [None])


async def test_cancelling_cuts_the_connection() -> None:
    """A cancelled `handle_connection` raises `CancelledError`, and its connection is
    gone; the session goes on over the next one."""
    async with shared_port() as (near, far, port):
        await asyncio.gather(near.rendezvous(PATIENCE_S), far.rendezvous(PATIENCE_S))
        sender, receiver = near.mpsc(int)
        async with far.connect(sender) as producer, receiver:
            await producer.send(1)
            port.cancel()
            await eventually(lambda: port.outcomes)
            assert isinstance(port.outcomes[0], asyncio.CancelledError)
            await producer.send(2)
            assert [await receiver.receive() for _ in range(2)] == [1, 2]


async def test_a_caller_may_close_what_is_its_own() -> None:
    """If the caller closes the writer under our feet, the link is over, and no more."""
    async with shared_port() as (near, far, port):
        await asyncio.gather(near.rendezvous(PATIENCE_S), far.rendezvous(PATIENCE_S))
        sender, receiver = near.mpsc(bytes)
        async with far.connect(sender) as producer, receiver:
            port.writers[0].close()
            await producer.send(_LARGE)
            async with asyncio.timeout(PATIENCE_S):
                assert await receiver.receive() == _LARGE
            assert port.outcomes[0] is None


async def test_a_slow_reader_holds_the_writer_up() -> None:
    """A link over a borrowed writer keeps no more than its transport's mark, and goes
    on when the other side reads again."""
    async with shared_port() as (near, far, port):
        await asyncio.gather(near.rendezvous(PATIENCE_S), far.rendezvous(PATIENCE_S))
        [link] = far._driver.connections._links.values()
        assert isinstance(link, SocketLink)
        assert link._transport is not None
        link._transport.pause_reading()
        # More than the buffers of the kernel hold.
        channels = [far.mpsc(bytes, max_producers=1) for _ in range(8)]
        tasks = [asyncio.create_task(_pour(near, sender)) for sender, _ in channels]
        link._transport.resume_reading()
        await eventually(lambda: all(r.statistics().attached for _, r in channels))
        link._transport.pause_reading()
        await eventually(lambda: is_blocked(near))
        assert port.writers[0].transport.get_write_buffer_size() < 1 << 20
        link._transport.resume_reading()
        async with asyncio.timeout(PATIENCE_S):
            for _, receiver in channels:
                assert [item async for item in receiver] == [_LARGE] * 3
                receiver.close()
            await asyncio.gather(*tasks)
        assert not is_blocked(near)


def is_blocked(board: Switchboard) -> bool:
    """Whether the link of a board of two nodes was asked to pause."""
    [peer] = board.statistics().peers
    return peer.link is not None and peer.link.write_blocked


async def _pour(board: Switchboard, sender: Sender[bytes]) -> None:
    async with board.connect(sender) as producer:
        await producer.send_many([_LARGE] * 3)


async def test_a_connection_that_comes_too_late_is_closed() -> None:
    """Before the switchboard is started, handing over is a mistake; afterwards the
    connection is closed, and that is all."""
    async with shared_port() as (near, _, port):
        unstarted = Switchboard(near.nodes, 0, listen=False)
        await near.aclose()
        reader, writer = await try_connect(near.nodes[0])
        writer.write(PROTOCOL_MAGIC)
        with suppress(ConnectionResetError):
            assert await reader.read() == b""
        writer.close()
        await eventually(lambda: port.outcomes == [None])
        with pytest.raises(comm.UsageError):
            await unstarted.handle_connection(reader, writer)


async def test_streams_pass_through_a_borrowed_connection() -> None:
    """A raw stream works over a connection of the caller's, too: all that was written
    arrives, in both directions, however much it is, up to the end of each direction;
    `handle_connection` returns when the application closes it."""
    async with shared_port() as (near, far, port):
        peer = far.peers[0]
        assert peer is not None
        reader, writer = await peer.open_stream()
        writer.write(b"early ")
        incoming = near.streams()
        origin, near_reader, near_writer = await anext(incoming)
        assert origin.node_id == 1
        assert await near_reader.readexactly(6) == b"early "
        writer.write(_LARGE)
        near_writer.write(_LARGE)
        await settle(50)
        async with asyncio.timeout(PATIENCE_S):
            assert await near_reader.readexactly(len(_LARGE)) == _LARGE
            assert await reader.readexactly(len(_LARGE)) == _LARGE
            writer.write_eof()
            assert await near_reader.read() == b""
            near_writer.write(b"last")
            await near_writer.drain()
            near_writer.close()
            assert await reader.read() == b"last"
            writer.close()
            await writer.wait_closed()
            await eventually(lambda: port.outcomes == [None])


async def test_an_abandoned_stream_can_be_closed_unread() -> None:
    """Closing a raw stream of which much was never read ends `handle_connection`."""
    async with shared_port() as (near, far, port):
        peer = far.peers[0]
        assert peer is not None
        _, writer = await peer.open_stream()
        _, _, near_writer = await anext(near.streams())
        writer.write(_LARGE)
        await settle(100)
        near_writer.close()
        await eventually(lambda: port.outcomes)
        writer.close()
