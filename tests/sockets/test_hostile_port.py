"""G13 at a real port: ten thousand hostile connections, and nobody notices."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import replace
import random
from typing import Any

import pytest

from comm import Address, Switchboard
from comm.events import PeerDown
from comm.net.network import SocketNetwork
from comm.protocol import PROTOCOL_MAGIC, Kind, encode_frame, frame_header
from tests.cluster import FAST, PATIENCE_S, Board, eventually
from tests.sockets.pairs import resident_bytes, run_plain, sockets_open
from tests.sockets.processes import TRANSPORTS
from tests.streams import connect_streams


CONNECTIONS = 10_000
BATCH = 200
GROWTH_BYTES_MAX = 32 << 20
CONFIG = replace(
    FAST, handshake_timeout_s=0.3, heartbeat_interval_s=0.5, heartbeat_timeout_s=25.0
)
"""Attackers and nodes share one event loop, which is slow to look after the latter."""


def _draw(drawn: random.Random) -> tuple[bytes, bool]:
    """Returns what a hostile connection sends, and whether it then ends its stream."""
    hello = PROTOCOL_MAGIC + encode_frame(Kind.HELLO, payload=drawn.randbytes(120))
    kind = drawn.randrange(20)
    if kind == 0:
        return drawn.randbytes(drawn.randrange(8)), False
    if kind == 1:
        return hello[: drawn.randrange(len(hello))], False
    if kind < 6:
        return hello[: drawn.randrange(len(hello))], True
    if kind < 10:
        size = drawn.choice([4097, 1 << 20, 1 << 31, (1 << 32) - 1])
        header = frame_header(drawn.randrange(256), 0, 0, 0, size)
        return PROTOCOL_MAGIC + header + drawn.randbytes(200), False
    if kind < 14:
        return hello, False
    return drawn.randbytes(int(10 ** drawn.uniform(0, 4))), drawn.random() < 0.9


async def _attack(address: Address, data: bytes, *, end: bool) -> None:
    try:
        reader, writer = await connect_streams(SocketNetwork(), address)
    except OSError:
        return
    with suppress(OSError):
        writer.write(data)
        if end:
            writer.write_eof()
        await asyncio.wait_for(reader.read(), PATIENCE_S)
    writer.transport.abort()
    with suppress(OSError):
        await writer.wait_closed()


async def _converse(boards: list[Switchboard], stop: asyncio.Event) -> int:
    """Sends numbers from node 1 to node 0 and back until told to stop."""
    sender, receiver = boards[0].mpsc(int)
    echo_sender, echoes = boards[1].mpsc(int)
    number = 0
    async with (
        receiver,
        echoes,
        boards[1].connect(sender) as producer,
        boards[0].connect(echo_sender) as echo,
    ):
        while not stop.is_set():
            await producer.send(number)
            await echo.send(await receiver.receive())
            assert await echoes.receive() == number
            number += 1
            await asyncio.sleep(0.001)
    return number


@pytest.mark.timeout(180)
@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_ten_thousand_hostile_connections(transport: str) -> None:
    """G13: random bytes, truncated hellos, oversize lengths and slow writers, ten
    thousand of them, neither disturb a live channel nor make memory grow."""
    drawn = random.Random(13)
    stop = asyncio.Event()
    async with run_plain(transport, 2, config=CONFIG) as boards:
        watched = [Board(board) for board in boards]
        for board in watched:
            board.watch()
        talking = asyncio.create_task(_converse(boards, stop))
        await eventually(lambda: len(boards[1].statistics().producers) == 1)
        await eventually(lambda: boards[0].statistics().receivers[0].received)
        sockets, resident = 0, 0
        for batch in range(CONNECTIONS // BATCH):
            attacks = [_draw(drawn) for _ in range(BATCH)]
            await asyncio.gather(
                *(_attack(boards[0].nodes[0], data, end=end) for data, end in attacks)
            )
            await eventually(lambda: boards[0].statistics().half_open == 0)
            if batch == CONNECTIONS // BATCH // 4:
                sockets, resident = sockets_open(), resident_bytes()
        assert resident_bytes() - resident < GROWTH_BYTES_MAX
        assert sockets_open() <= sockets
        stop.set()
        assert await talking > 100
        assert [board.of(PeerDown) for board in watched] == [[], []]
        assert boards[0].statistics().peers[0].links_established == 1
        for board in watched:
            await board.stop_watching()


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_slow_writers(transport: str) -> None:
    """G13: strangers that dribble a byte at a time are closed within the handshake's
    time, whatever they have sent by then."""
    async with run_plain(transport, 2, config=CONFIG) as boards:
        hello = PROTOCOL_MAGIC + encode_frame(Kind.HELLO, payload=bytes(2000))
        loop = asyncio.get_running_loop()
        began_s = loop.time()
        await asyncio.gather(*(_dribble(boards, hello) for _ in range(50)))
        assert loop.time() - began_s < CONFIG.handshake_timeout_s + 10
        await eventually(lambda: boards[0].statistics().half_open == 0)


async def _dribble(boards: list[Switchboard], data: bytes) -> None:
    reader, writer = await connect_streams(SocketNetwork(), boards[0].nodes[0])
    dribbling = asyncio.create_task(_write_slowly(writer, data))
    with suppress(OSError):
        await asyncio.wait_for(reader.read(), PATIENCE_S)
    dribbling.cancel()
    await asyncio.gather(dribbling, return_exceptions=True)
    writer.transport.abort()
    with suppress(OSError):
        await writer.wait_closed()


async def _write_slowly(writer: Any, data: bytes) -> None:
    for byte in data:
        writer.write(bytes([byte]))
        await asyncio.sleep(0.01)
