"""Real processes that are killed, stopped and started again."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import replace
import signal
from typing import Any

import pytest

import comm
from comm.broadcast import Token
from comm.events import LossReport, PeerDown, PeerRestarted, PeerUp
from tests.cluster import FAST, LOSSY, PATIENCE_S, collect, fill, take
from tests.sockets.processes import TRANSPORTS, run_processes


pytestmark = pytest.mark.parametrize("transport", TRANSPORTS)

SLACK_S = 5.0


async def test_ping_pong_of_three_processes(transport: str) -> None:
    """Three processes meet; each of two sends a hundred numbers to a channel of the
    first, and gets the numbers back over one of its own."""
    async with run_processes(transport, 3, FAST) as processes:
        await processes.switchboard.rendezvous(PATIENCE_S)
        sender, receiver = processes.switchboard.mpsc(int)
        for node_id in (1, 2):
            back = await processes.order(node_id, "open", "pong")
            await processes.order(node_id, "connect", "ping", sender)
            await processes.order(node_id, "send", "ping", 0, 100)
            numbers = await take(receiver, 100)
            assert numbers == list(range(100))
            async with processes.switchboard.connect(back) as producer:
                await producer.send_many(numbers)
            assert await processes.order(node_id, "take", "pong", 100) == numbers
            await processes.order(node_id, "leave")
            assert await processes.children[node_id].ended() == 0


async def test_children_talk_to_one_another(transport: str) -> None:
    """A sender handed from one child to the other by way of this process leads
    straight from child to child."""
    async with run_processes(transport, 3, FAST) as processes:
        sender = await processes.order(1, "open", "inbox")
        await processes.order(2, "connect", "outbox", sender)
        await processes.order(2, "send", "outbox", 0, 1000)
        assert await processes.order(1, "take", "inbox", 1000) == list(range(1000))


async def test_a_killed_process_is_reported(transport: str) -> None:
    """G2, G12: SIGKILL of a peer is a `PeerDown` within the heartbeat's bounds, and
    what it had not taken over is lost, by a report, after the resume window."""
    async with run_processes(transport, 2, LOSSY) as processes:
        switchboard, board = processes.switchboard, processes.board
        sender = await processes.order(1, "open", "inbox")
        producer = await switchboard.connect(sender)
        await producer.send_many(range(10))
        await producer.flush(PATIENCE_S)
        loop = asyncio.get_running_loop()
        processes.children[1].signal(signal.SIGKILL)
        killed_s = loop.time()
        await board.event(PeerDown, node_id=1)
        assert loop.time() - killed_s < LOSSY.silence_s_max + SLACK_S
        assert not board.of(LossReport)
        producer.send_nowait(10)
        with pytest.raises(comm.PeerLost):
            await producer.flush(PATIENCE_S)
        report = await board.event(LossReport)
        assert loop.time() - killed_s < (
            LOSSY.silence_s_max + LOSSY.resume_window_s + SLACK_S
        )
        assert (report.node_id, report.channel) == (1, sender.channel)
        assert (report.first_sequence, report.count) == (10, 1)
        producer.close()


async def test_a_stopped_process_loses_nothing(transport: str) -> None:
    """G1: a process that stands still (SIGSTOP) for longer than the heartbeat allows,
    but less than the resume window, loses nothing, and no loss is reported."""
    async with run_processes(transport, 2, FAST) as processes:
        switchboard, board = processes.switchboard, processes.board
        inbox = await processes.order(1, "open", "inbox")
        sender, receiver = switchboard.mpsc(int)
        await processes.order(1, "connect", "outbox", sender)
        await processes.order(1, "send_on", "outbox", 0)
        received = await take(receiver, 100)
        producer = await switchboard.connect(inbox)
        processes.children[1].signal(signal.SIGSTOP)
        await producer.send_many(range(100))
        await board.event(PeerDown, node_id=1)
        processes.children[1].signal(signal.SIGCONT)
        await board.event(PeerUp, node_id=1, resumed=True)
        await producer.send_many(range(100, 200))
        assert await processes_take(processes, receiver, received) == list(range(200))
        ending = asyncio.create_task(processes.order(1, "end", "outbox"))
        while not ending.done():
            with suppress(comm.WouldBlock):
                received.append(receiver.receive_nowait())
                continue
            await asyncio.sleep(0.001)
        accounts = ending.result()
        assert accounts["lost"] == 0
        received += await take(receiver, accounts["accepted"] - len(received))
        assert received == list(range(accounts["accepted"]))
        assert not board.of(LossReport)
        kinds = {event["kind"] for event in await processes.order(1, "events")}
        assert "LossReport" not in kinds
        await producer.aclose()


async def processes_take(
    processes: Any, receiver: Any, received: list[int]
) -> list[int]:
    """Lets the child take 200 numbers, while its own numbers are received here."""
    taking = asyncio.create_task(processes.order(1, "take", "inbox", 200))
    while not taking.done():
        with suppress(comm.WouldBlock):
            received.append(receiver.receive_nowait())
            continue
        await asyncio.sleep(0.001)
    return list(taking.result())


async def test_a_process_stopped_for_too_long_is_lost(transport: str) -> None:
    """G2: a process that stands still beyond the resume window is declared lost; when
    it goes on, it learns so, and its accounts agree with what arrived here."""
    async with run_processes(transport, 2, LOSSY) as processes:
        switchboard, board = processes.switchboard, processes.board
        sender, receiver = switchboard.mpsc(int, max_producers=1)
        await processes.order(1, "connect", "outbox", sender)
        await processes.order(1, "send_on", "outbox", 0)
        received = await take(receiver, 100)
        processes.children[1].signal(signal.SIGSTOP)
        with pytest.raises(comm.ProducerLost):
            await collect(receiver, received)
        processes.children[1].signal(signal.SIGCONT)
        await board.event(PeerUp, node_id=1, resumed=False)
        assert received == list(range(len(received)))


async def test_a_restarted_process_is_fenced_and_rejoins(transport: str) -> None:
    """G3, G16: a node that was killed and started again is another incarnation: old
    senders are stale, and it takes part again, in broadcasts too."""
    async with run_processes(transport, 3, FAST) as processes:
        switchboard, board = processes.switchboard, processes.board
        stale = await processes.order(1, "open", "inbox")
        async with switchboard.connect(stale) as producer:
            await producer.send(1)
            await producer.flush(PATIENCE_S)
        peer = switchboard.peers[1]
        assert peer is not None
        old = peer.incarnation
        await processes.children[1].destroy()
        processes.launch(1)
        event = await board.event(PeerRestarted, node_id=1)
        assert event.old == old
        with pytest.raises(comm.StaleSender):
            await switchboard.connect(stale)
        await processes.summon()
        fresh = await processes.order(1, "open", "inbox")
        async with switchboard.connect(fresh) as producer:
            await producer.send(2)
        assert await processes.order(1, "take", "inbox", 1) == [2]


async def test_a_broadcast_goes_on_without_the_killed(transport: str) -> None:
    """G16: a broadcast to several processes waits for one that was killed until it is
    lost, and then goes on with the others."""
    config = replace(LOSSY, window_bytes=1000)
    async with run_processes(transport, 3, config) as processes:
        switchboard, board = processes.switchboard, processes.board
        for node_id in (1, 2):
            await processes.order(node_id, "events")
        token = Token("unheard", bytes)
        producer = switchboard.broadcast_tx(token)
        await producer.send(b"heard by both")
        await producer.flush(PATIENCE_S)
        processes.children[2].signal(signal.SIGSTOP)
        await producer.send(b"heard by one")
        while fill(producer, [bytes(100)]):
            pass
        processes.children[2].signal(signal.SIGKILL)
        report = await board.event(LossReport, node_id=2, channel=token.channel)
        assert report.first_sequence == 1
        assert not board.of(LossReport, node_id=1)
        with pytest.raises(comm.PeerLost):
            await producer.flush(PATIENCE_S)
        await producer.flush(PATIENCE_S)
        peer = switchboard.peers[1]
        assert peer is not None
        assert peer.is_up
        producer.close()
