"""G13: any bytes at the port are harmless (the part without security)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
import hashlib
import random
from typing import Any

import pytest

from comm.protocol import PROTOCOL_MAGIC, Hello, Kind, encode_frame, frame_header
from tests.cluster import FAST, PATIENCE_S, Cluster, ClusterFactory, eventually, take


QUICK = replace(FAST, handshake_timeout_s=0.3)


def _hello(boards: Cluster, **changes: Any) -> bytes:
    """The bytes with which node 1 would begin to talk to node 0, or nearly."""
    fields: dict[str, Any] = {
        "security": "insecure",
        "cluster": "comm",
        "membership": hashlib.sha256("\n".join(boards.wire.nodes).encode()).digest()[
            :16
        ],
        "node_id": 1,
        "peer_id": 0,
        "incarnation": b"stranger" * 2,
        "generation": 0,
        "peer_incarnation": bytes(16),
        "peer_generation": 0,
        "received": 0,
        "message_bytes_max": 1 << 20,
        "chunk_bytes": 1 << 16,
        "resume_window_ms": 30_000,
        "codec": "msgpack",
    }
    hello = Hello(**fields | changes)
    return PROTOCOL_MAGIC + encode_frame(Kind.HELLO, payload=hello.encode())


@asynccontextmanager
async def live_traffic(boards: Cluster) -> AsyncIterator[None]:
    """Checks that a channel between nodes 0 and 1 is not disturbed meanwhile."""
    sender, receiver = boards[0].mpsc(int)
    async with receiver, boards[1].connect(sender) as producer:
        await producer.send(1)
        assert await take(receiver, 1) == [1]
        yield
        await producer.send(2)
        assert await take(receiver, 1) == [2]
        peer = boards[0].peers[1]
        assert peer is not None
        assert peer.incarnation == boards[1].incarnation
        assert boards[0].statistics().peers[0].links_established == 1


async def attack(boards: Cluster, data: bytes, *, end: bool = False) -> bytes:
    """Sends bytes as a stranger, and returns all that comes back until the close."""
    reader, writer = await boards.wire.connect_raw(0)
    answer = b""
    async with asyncio.timeout(PATIENCE_S):
        with suppress(ConnectionError):
            writer.write(data)
            if end:
                writer.write_eof()
            answer = await reader.read()
    writer.transport.abort()
    with suppress(ConnectionError):
        await writer.wait_closed()
    return answer


async def test_random_bytes_are_closed(cluster: ClusterFactory) -> None:
    """G13: connections that begin with anything else are closed; nothing of what they
    sent reaches anybody."""
    drawn = random.Random(13)
    async with cluster(config=QUICK) as boards, live_traffic(boards):
        for size in (1, 7, 8, 9, 30, 100, 5000, 100_000):
            for end in (False, True):
                await attack(boards, drawn.randbytes(size), end=end)
        for text in (b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\x02", b"\0" * 4096):
            await attack(boards, text)


async def test_truncated_hellos_are_closed_in_time(cluster: ClusterFactory) -> None:
    """G13: a hello that stops at whatever byte costs a connection and no more; it is
    closed within `handshake_timeout`, whether or not the stream is ended."""
    async with cluster(config=QUICK) as boards, live_traffic(boards):
        hello = _hello(boards)
        loop = asyncio.get_running_loop()
        began_s = loop.time()
        await asyncio.gather(
            *(attack(boards, hello[:size]) for size in range(0, len(hello), 7))
        )
        assert loop.time() - began_s < QUICK.handshake_timeout_s + 10
        await asyncio.gather(
            *(
                attack(boards, hello[:size], end=True)
                for size in range(0, len(hello), 7)
            )
        )
        await eventually(lambda: boards[0].statistics().half_open == 0)


async def test_declared_lengths_allocate_nothing(cluster: ClusterFactory) -> None:
    """G13: a frame that declares more than a handshake may have is refused at its
    header, whatever its kind."""
    async with cluster(config=QUICK) as boards, live_traffic(boards):
        for kind in (0, Kind.HELLO, Kind.DATA, Kind.PART, 200, 255):
            for size in (4097, 1 << 20, (1 << 32) - 1):
                data = PROTOCOL_MAGIC + frame_header(kind, 0, 0, 0, size)
                await attack(boards, data + bytes(100))
        await eventually(lambda: boards[0].statistics().half_open == 0)


async def test_frames_out_of_turn_are_refused(cluster: ClusterFactory) -> None:
    """G13: a stranger that skips the hello, or sends it twice, is cut off."""
    async with cluster(config=QUICK) as boards, live_traffic(boards):
        for kind in Kind:
            if kind is not Kind.HELLO:
                await attack(boards, PROTOCOL_MAGIC + encode_frame(kind, 1, 1, 1))
        await attack(boards, _hello(boards) + _hello(boards))


@pytest.mark.parametrize(
    "changes",
    [
        {"cluster": "elsewhere"},
        {"version_min": 200, "version_max": 255},
        {"version_min": 0, "version_max": 0},
        {"security": "tls"},
        {"node_id": 0},
        {"node_id": 4_000_000_000},
        {"peer_id": 7},
        {"purpose": 99},
        {"membership": b"\xff" * 16},
        {"chunk_bytes": 0},
        {"message_bytes_max": 0},
        {"cluster": "x" * 1000, "codec": "y" * 1000, "security": "z" * 1000},
    ],
    ids=lambda changes: ",".join(
        f"{name}={value!r:.20}" for name, value in changes.items()
    ),
)
async def test_wrong_hellos_are_refused(
    cluster: ClusterFactory, changes: dict[str, Any]
) -> None:
    """G13: a well-formed hello with wrong facts is answered with a refusal, and never
    takes the place of a live node."""
    async with cluster(config=QUICK) as boards, live_traffic(boards):
        refused = boards[0].statistics().refused
        await attack(boards, _hello(boards, **changes))
        figures = boards[0].statistics()
        assert figures.refused + figures.protocol_errors > refused


async def test_slow_writers_hold_no_place_for_long(cluster: ClusterFactory) -> None:
    """G13: strangers that send nothing, more of them than `half_open_max`, are closed
    in time, and a real node still gets in."""
    config = replace(QUICK, half_open_max=8)
    async with cluster(config=config, start=[0]) as boards:
        strangers = [
            asyncio.create_task(attack(boards, PROTOCOL_MAGIC[:1])) for _ in range(40)
        ]
        await eventually(lambda: boards[0].statistics().half_open > 0)
        assert boards[0].statistics().half_open <= 8
        await boards.start(1)
        await boards[1].rendezvous(PATIENCE_S)
        await asyncio.gather(*strangers)
        await eventually(lambda: boards[0].statistics().half_open == 0)


async def test_garbage_on_an_established_link_is_survived(
    cluster: ClusterFactory,
) -> None:
    """G13: when what passes as a node talks nonsense after a proper hello, the link is
    cut; the real node is met as if nothing had been."""
    drawn = random.Random(14)
    async with cluster(nodes=3, config=QUICK, start=[0]) as boards:
        for number in range(20):
            hello = _hello(boards, node_id=2, incarnation=drawn.randbytes(16))
            kind = drawn.choice(list(Kind))
            nonsense = encode_frame(
                kind, drawn.randrange(1 << 32), number, 1, drawn.randbytes(number)
            )
            await attack(boards, hello + nonsense + drawn.randbytes(100), end=True)
        await boards.start(1)
        async with live_traffic(boards):
            pass
