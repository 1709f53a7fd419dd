"""Handles that nobody closed: a warning for people, and nothing held for ever."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
import gc
import os
import threading
from typing import Any

import pytest

import comm
from comm import Switchboard
from comm.broadcast import Token
from tests.cluster import PATIENCE_S, eventually, settle
from tests.net.conftest import Boards


async def test_a_forgotten_producer_finishes(boards: Boards) -> None:
    """A producer that is dropped warns, and the channel learns of its end after all
    that it had accepted."""
    async with boards() as (near, far):
        sender, receiver = near.mpsc(int, max_producers=1)
        producer = await far.connect(sender)
        await producer.send(1)
        with pytest.warns(ResourceWarning, match="Producer .* was never closed"):
            del producer
        async with asyncio.timeout(PATIENCE_S):
            assert [item async for item in receiver] == [1]
        receiver.close()


async def test_a_forgotten_receiver_is_closed(boards: Boards) -> None:
    """A receiver that is dropped warns, and its producers learn that nobody listens;
    what it had not given out counts as lost."""
    async with boards() as (near, far):
        sender, receiver = near.mpsc(int)
        producer = await far.connect(sender)
        await producer.send_many(range(10))
        assert await receiver.receive() == 0
        with pytest.warns(ResourceWarning, match="Receiver .* was never closed"):
            del receiver
        with pytest.raises(comm.ReceiverClosed):
            await far_end(producer)
        assert producer.statistics().delivered == 1
        producer.close()


def in_thread(work: Callable[[], None]) -> None:
    """Does something in a thread of its own."""
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()


async def far_end(producer: Any) -> None:
    """Sends until that fails."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            await producer.send(0)
            await asyncio.sleep(0)


async def test_what_a_task_waits_at_is_not_forgotten(boards: Boards) -> None:
    """A handle whose only user is a waiting task stays alive."""
    async with boards() as (near, far):
        sender, receiver = near.mpsc(int)
        task = asyncio.create_task(receiver.receive())
        del receiver
        await settle(3)
        gc.collect()
        async with far.connect(sender) as producer:
            await producer.send(1)
            with pytest.warns(ResourceWarning):
                assert await task == 1


async def test_broadcast_ends_can_be_forgotten_too(boards: Boards) -> None:
    """The same goes for a broadcast's ends, and for a fan-out without receivers: the
    node can make a new receiver of the channel."""
    async with boards() as (near, far):
        token = Token("numbers", int)
        news = far.broadcast_tx(token)
        with pytest.warns(ResourceWarning, match="BroadcastSender"):
            del news
        heard = near.broadcast_rx(token)
        with pytest.warns(ResourceWarning, match="BroadcastReceiver"):
            del heard
        await settle(2)
        fanout = near.broadcast_rx(token).fanout()
        with pytest.warns(ResourceWarning, match="Fanout"):
            del fanout
        await settle(2)
        member = near.broadcast_rx(token).fanout().attach()
        with pytest.warns(ResourceWarning, match="Receiver"):
            del member
        await settle(2)
        near.broadcast_rx(token).close()


async def test_a_handle_may_be_dropped_in_any_thread(boards: Boards) -> None:
    """The garbage collector runs where it likes; the end is closed all the same, in
    the thread that it belongs to."""
    async with boards() as (near, far):
        sender, receiver = near.mpsc(int, max_producers=1)
        held = [await far.connect(sender)]
        with pytest.warns(ResourceWarning):
            in_thread(held.clear)
        async with asyncio.timeout(PATIENCE_S):
            assert [item async for item in receiver] == []
        receiver.close()


async def test_closed_and_broken_handles_may_be_dropped(boards: Boards) -> None:
    """Nobody is warned of a handle that has an end: closed, aborted, broken by the
    other side, or with its switchboard closed."""
    async with boards() as (near, far):
        for end in ("close", "abort"):
            sender, receiver = near.mpsc(int)
            producer = await far.connect(sender)
            getattr(producer, end)()
            receiver.close()
            del producer, receiver
        sender, receiver = near.mpsc(int)
        producer = await far.connect(sender)
        receiver.close()
        with pytest.raises(comm.ReceiverClosed):
            await far_end(producer)
        del producer
        sender, receiver = near.mpsc(int)
        producer = await far.connect(sender)
        await far.aclose()
        await near.aclose()
        del producer, receiver
        gc.collect()


async def test_a_forgotten_switchboard_warns() -> None:
    """A switchboard that was started and dropped warns; one that was never started
    has nothing to close."""
    Switchboard.local()
    gc.collect()
    board = await Switchboard.local().__aenter__()
    driver, folder = board._driver, os.path.dirname(board.nodes[0].path)
    with pytest.warns(ResourceWarning, match="node 0 of 1 .* was never closed"):
        del board
    driver.shut()
    os.rmdir(folder)


async def test_a_connect_that_nobody_awaits_warns(boards: Boards) -> None:
    """`connect` without `await` does nothing, and says so."""
    async with boards(nodes=1) as (board,):
        sender, receiver = board.mpsc(int)
        with pytest.warns(RuntimeWarning, match="neither awaited nor entered"):
            board.connect(sender)  # type: ignore[unused-awaitable]
        await eventually(lambda: not receiver.statistics().attached)
        receiver.close()
