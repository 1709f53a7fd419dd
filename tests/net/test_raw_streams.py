"""`Peer.open_stream` and `Switchboard.streams`."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest

import comm
from comm.net import MemoryNetwork, Peer
from tests.cluster import PATIENCE_S, eventually, settle
from tests.net.conftest import Boards


def peer_of(board: comm.Switchboard, node_id: int) -> Peer:
    """Returns another node as a switchboard sees it."""
    peer = board.peers[node_id]
    assert peer is not None
    return peer


async def test_streams_are_independent_of_the_session(boards: Boards) -> None:
    """Every stream is a connection of its own: the session has another, and none is
    needed to open a stream."""
    async with boards() as (near, far):
        incoming = near.streams()
        pairs = []
        for number in range(3):
            _, writer = await peer_of(far, 0).open_stream()
            writer.write(bytes([number]))
            origin, reader, near_writer = await anext(incoming)
            assert origin is near.peers[1]
            pairs.append((reader, writer, near_writer))
        assert not peer_of(far, 0).is_up
        for number, (reader, _, _) in enumerate(pairs):
            assert await reader.readexactly(1) == bytes([number])
        await near.rendezvous(PATIENCE_S)
        for _, writer, near_writer in pairs:
            writer.close()
            near_writer.close()


async def test_closing_a_switchboard_leaves_streams_alone(boards: Boards) -> None:
    """A stream that the application has taken is its own; one that nobody took is
    closed with the switchboard."""
    async with boards() as (near, far):
        _, writer = await peer_of(far, 0).open_stream()
        reader, unwanted = await peer_of(far, 0).open_stream()
        _, near_reader, near_writer = await anext(near.streams())
        await near.aclose()
        await far.aclose()
        writer.write(b"still here")
        assert await near_reader.readexactly(10) == b"still here"
        with pytest.raises(ConnectionResetError):
            await reader.read()
        for each in (writer, near_writer, unwanted):
            each.close()
        await settle(5)


async def test_streams_that_nobody_takes_are_bounded(
    boards: Boards, caplog: pytest.LogCaptureFixture
) -> None:
    """Of streams that the application does not take only so many are kept; the others
    are closed, and the log says why."""
    async with boards() as (_near, far):
        writers: list[asyncio.StreamWriter] = []
        for _ in range(70):
            with suppress(comm.PeerLost):
                writers.append((await peer_of(far, 0).open_stream())[1])
        await eventually(lambda: sum(not w.is_closing() for w in writers) == 64)
        assert "iterate over Switchboard.streams()" in caplog.text
        for writer in writers:
            writer.close()


async def test_a_stream_to_nobody_fails(boards: Boards) -> None:
    """A stream to a node that cannot be reached, or refuses, fails with the reason."""
    network = MemoryNetwork()
    async with boards(nodes=3, network=network) as (near, far, away):
        await away.aclose()
        with pytest.raises(comm.PeerLost, match="refused"):
            await peer_of(near, 2).open_stream()
        stranger = comm.Switchboard(near.nodes, 2, cluster="elsewhere", network=network)
        async with stranger:
            with pytest.raises(comm.ClusterMismatch, match="elsewhere"):
                await peer_of(near, 2).open_stream()
        await far.aclose()
        await near.aclose()
        with pytest.raises(comm.ClosedError):
            await peer_of(near, 1).open_stream()


async def test_cancelling_leaves_no_stream(boards: Boards) -> None:
    """At whatever turn `open_stream` is cancelled, it has either returned a stream, or
    the other side reads the end of one, or never sees any."""
    async with boards() as (near, far):
        for turns in range(20):
            task = asyncio.create_task(peer_of(far, 0).open_stream())
            await settle(turns)
            task.cancel()
            try:
                _, writer = await task
            except asyncio.CancelledError:
                continue
            writer.close()
        await eventually(lambda: not far._driver.connections.is_pending)
        for _, (reader, writer) in list(near._driver.raw._waiting):
            with suppress(ConnectionResetError):
                assert await reader.read() == b""
            writer.close()


async def test_cancelling_leaves_a_stream_to_the_next(boards: Boards) -> None:
    """At whatever turn the wait for a stream is cancelled, the stream goes to whoever
    asks next."""
    async with boards() as (near, far):
        for turns in range(10):
            incoming = near.streams()
            task = asyncio.create_task(anext(incoming))
            await settle()
            _, writer = await peer_of(far, 0).open_stream()
            await settle(turns)
            task.cancel()
            try:
                _, _, near_writer = await task
            except asyncio.CancelledError:
                async with asyncio.timeout(PATIENCE_S):
                    _, _, near_writer = await anext(near.streams())
            writer.close()
            near_writer.close()


async def test_a_peer_tells_what_is_known_of_it(boards: Boards) -> None:
    """A `Peer` has the node's address at once, the rest when the node was met."""
    async with boards() as (near, far):
        peer = peer_of(near, 1)
        assert (peer.node_id, peer.address) == (1, near.nodes[1])
        assert (peer.incarnation, peer.rtt, peer.is_up) == (None, None, False)
        assert "down" in repr(peer)
        await near.rendezvous(PATIENCE_S)
        assert peer.incarnation == far.incarnation
        assert peer.is_up
        await eventually(lambda: peer.rtt is not None)
        assert "up" in repr(peer)
