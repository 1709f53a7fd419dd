"""Starting and leaving: what a switchboard takes, and that it gives everything back."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
import logging
from pathlib import Path
import stat
from typing import Any

import pytest

import comm
from comm import Switchboard
from comm.net import MemoryNetwork
from tests.cluster import FAST, PATIENCE_S, eventually, fill, settle
from tests.net.conftest import Boards
from tests.wires import free_port


SLOW = replace(FAST, close_timeout_s=PATIENCE_S)
NARROW = replace(SLOW, window_bytes=64, chunk_bytes=64)


def mode(path: Path) -> int | None:
    """The permissions of a file; None if there is none."""
    return stat.S_IMODE(path.stat().st_mode) if path.exists() else None


async def test_a_local_switchboard_is_private_and_leaves_nothing() -> None:
    """`Switchboard.local` listens in a directory that nobody else can enter, and
    removes it when it is closed; before it starts there is nothing."""
    board = Switchboard.local(cluster="mine")
    socket = Path(board.nodes[0].path)
    assert mode(socket.parent) is None
    async with board:
        assert mode(socket.parent) == 0o700
        assert mode(socket) == 0o600
        assert (board.cluster, board.size, board.peers) == ("mine", 1, (None,))
        sender, receiver = board.mpsc_limited(1, str)
        async with board.connect(sender) as producer:
            await producer.send("hello")
        assert [item async for item in receiver] == ["hello"]
        receiver.close()
    assert mode(socket.parent) is None


async def test_an_address_in_use_is_explained(tmp_path: Path) -> None:
    """A switchboard that cannot listen says where and why, and leaves nothing."""
    nodes = [f"127.0.0.1:{free_port()}", f"unix:{tmp_path / 'missing' / 'socket'}"]
    async with Switchboard(nodes, 0):
        rival = Switchboard(nodes, 0)
        with pytest.raises(comm.ConfigurationError, match="already in use") as caught:
            await rival.__aenter__()
        assert nodes[0] in str(caught.value)
        await rival.aclose()
    with pytest.raises(comm.ConfigurationError, match="does not exist"):
        await Switchboard(nodes, 1).__aenter__()


async def test_leaving_twice_is_harmless(boards: Boards) -> None:
    """`aclose` may be called again and again, also by several tasks at once, and
    without ever having started; each call returns when all is closed."""
    async with boards() as (near, far):
        await near.rendezvous(PATIENCE_S)
        await asyncio.gather(*(near.aclose() for _ in range(3)))
        await near.aclose()
        never = Switchboard(far.nodes, 0, listen=False)
        await never.aclose()
        with pytest.raises(comm.ClosedError):
            never.mpsc()
        with pytest.raises(comm.UsageError):
            await never.__aenter__()


async def test_leaving_waits_for_deliveries(boards: Boards) -> None:
    """`aclose` returns only when all that was accepted is in its receivers' buffers,
    while tasks that wait to send more are refused."""
    async with boards(config=NARROW) as (near, far):
        sender, receiver = near.mpsc(int, max_producers=1)
        producer = await far.connect(sender)
        accepted = fill(producer, range(1000))
        waiting = asyncio.create_task(producer.send(-1))
        await settle(3)
        await far.aclose()
        with pytest.raises(comm.ClosedError):
            await waiting
        async with asyncio.timeout(PATIENCE_S):
            assert [item async for item in receiver] == list(range(accepted))
        receiver.close()


async def test_leaving_says_what_it_gives_up(
    boards: Boards, caplog: pytest.LogCaptureFixture
) -> None:
    """A switchboard that has to leave with items undelivered logs how many, and to
    whom, and its producers know."""
    async with boards(config=replace(FAST, close_timeout_s=0.01)) as (near, far):
        sender, receiver = near.mpsc(int)
        producer = await far.connect(sender)
        near._driver.connections.cut()
        near._driver.connections.stop()
        await settle(3)
        await producer.send(1)
        await far.aclose()
        assert "1 items to node 0" in caplog.text
        with pytest.raises(comm.ClosedError):
            await producer.aclose()
        receiver.close()


async def test_leaving_gives_back_what_was_not_received(boards: Boards) -> None:
    """A switchboard that leaves while a receiver is in the middle of a batch tells the
    producer how much of it was received; the rest counts as lost."""
    async with boards() as (near, far):
        sender, receiver = near.mpsc(int)
        producer = await far.connect(sender)
        await producer.send_many(range(10))
        assert [await receiver.receive() for _ in range(3)] == [0, 1, 2]
        await near.aclose()
        await eventually(lambda: producer.statistics().lost)
        statistics = producer.statistics()
        assert (statistics.delivered, statistics.lost) == (3, 7)
        producer.close()


@pytest.mark.parametrize("turns", range(6))
async def test_a_cancelled_leave_closes_at_once(boards: Boards, turns: int) -> None:
    """Whenever `aclose` is cancelled, everything is closed without waiting for any
    delivery, and `CancelledError` is raised, not swallowed."""
    async with boards(config=SLOW) as (near, far):
        sender, receiver = near.mpsc(int)
        producer = await far.connect(sender)
        near._driver.connections.cut()
        near._driver.connections.stop()
        await settle(3)
        await producer.send(1)
        leaving = asyncio.create_task(far.aclose())
        other = asyncio.create_task(far.aclose())
        await settle(turns)
        leaving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await leaving
        if turns:
            async with asyncio.timeout(PATIENCE_S):
                await other
            with pytest.raises(comm.ClosedError):
                far.mpsc()
            await eventually(lambda: not far._driver.connections.is_pending)
        else:
            # It was cancelled before it began; the other one is about to.
            other.cancel()
        receiver.close()


async def test_whoever_waits_is_woken(boards: Boards) -> None:
    """Every call that waits at a switchboard when it is closed ends by `ClosedError`,
    and every iteration by its end."""
    network = MemoryNetwork()
    async with boards(nodes=3, network=network) as (board, *others):
        await others[1].aclose()
        silent = await network.listen(board.nodes[2], asyncio.Protocol)
        sender, receiver = board.mpsc(int)
        peer = board.peers[2]
        assert peer is not None

        async def iterate(iterator: Any) -> None:
            async for _ in iterator:
                pass

        waiting: list[asyncio.Task[Any]] = [
            asyncio.create_task(each)
            for each in (
                receiver.receive(),
                receiver.receive_many(),
                board.rendezvous(),
                peer.open_stream(),
                _connect(board, replace(sender, node_id=2)),
            )
        ]
        ending = [
            asyncio.create_task(iterate(each))
            for each in (board.events(), board.streams())
        ]
        await settle(5)
        await board.aclose()
        async with asyncio.timeout(PATIENCE_S):
            results = await asyncio.gather(*waiting, return_exceptions=True)
            await asyncio.gather(*ending)
        assert [type(result) for result in results] == [comm.ClosedError] * 5
        receiver.close()
        silent.close()


async def _connect(board: Switchboard, sender: Any) -> Any:
    return await board.connect(sender)


async def test_a_start_that_is_cancelled_leaves_nothing() -> None:
    """Cancelling `async with` while it starts closes what it had opened."""
    for turns in range(4):
        board = Switchboard.local()
        task = asyncio.create_task(board.__aenter__())
        await settle(turns)
        task.cancel()
        try:
            await task
        except asyncio.CancelledError:
            pass
        else:
            await board.aclose()
        assert mode(Path(board.nodes[0].path).parent) is None


def broken(method: str) -> Callable[[Switchboard], None]:
    """Returns what makes a method of the core raise, as a mistake of ours would."""

    def break_it(board: Switchboard) -> None:
        def fail(*_: object) -> None:
            raise ZeroDivisionError(method)

        # The instance's attribute hides the method of its class.
        setattr(board._driver.core, method, fail)

    return break_it


@pytest.mark.parametrize("method", ["next_effect", "handle_data", "handle_timeout"])
async def test_an_internal_error_hangs_nobody(
    boards: Boards, method: str, caplog: pytest.LogCaptureFixture
) -> None:
    """If the library itself fails, everyone who waits at the switchboard is told, the
    log has the traceback, nothing works any more, and it can still be closed; the
    other node goes on."""
    async with boards() as (near, far):
        sender, receiver = near.mpsc(int)
        producer = await far.connect(sender)
        away, unused = far.mpsc(int)
        waiting = [
            asyncio.create_task(each)
            for each in (receiver.receive(), near.drain(), _connect(near, away))
        ]
        events = near.events()
        await settle(1)
        broken(method)(near)
        if method != "handle_timeout":
            await producer.send(1)
        async with asyncio.timeout(PATIENCE_S):
            results = await asyncio.gather(*waiting[:1], return_exceptions=True)
        assert type(results[0]) is comm.Error
        assert "internal error" in str(results[0])
        assert isinstance(results[0].__cause__, ZeroDivisionError)
        assert "ZeroDivisionError" in caplog.text
        await asyncio.gather(*waiting, return_exceptions=True)
        for verb in (near.mpsc, near.statistics, receiver.statistics):
            with pytest.raises(comm.Error, match="internal error"):
                verb()
        async with asyncio.timeout(PATIENCE_S):
            async for _ in events:
                pass
        await near.aclose()
        receiver_far = far.mpsc(int)[1]
        receiver_far.close()
        unused.close()
        producer.abort()


def test_the_log_is_quiet_by_default(caplog: pytest.LogCaptureFixture) -> None:
    """Meeting and leaving in order is no warning."""

    async def meet() -> None:
        network = MemoryNetwork()
        nodes = ["localhost:1", "localhost:2"]
        async with (
            Switchboard(nodes, 0, network=network) as near,
            Switchboard(nodes, 1, network=network) as far,
        ):
            await asyncio.gather(near.rendezvous(), far.rendezvous())

    with caplog.at_level(logging.WARNING):
        asyncio.run(meet())
    assert not caplog.records
