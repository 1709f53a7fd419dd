"""`Tasks`: what a node of the demo does with the library."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack
from typing import Any, TypeVar

from comm.broadcast import Token
from comm.demo.common import NUMBERS, QUESTIONS, STREAMS, Answer, Question, Stream
from comm.demo.tally import Tally
from comm.errors import BrokenError, EndOfChannel
from comm.events import Event, LossReport, PeerUp
from comm.mpsc import Sender
from comm.net import BroadcastReceiver, BroadcastSender, Receiver, Switchboard


__all__ = ["Tasks"]

T = TypeVar("T")

_CHUNK = 1000
"""How many items are handed to `send_many` at a time."""


class Tasks:
    """Each public method is a task that a node can be told to do.

    Args:
        switchboard: The node's.
        handles: Closes channel ends before the switchboard is left.
        create_task: Runs a coroutine in the background.
    """

    def __init__(
        self,
        switchboard: Switchboard,
        handles: AsyncExitStack,
        create_task: Callable[[Coroutine[Any, Any, None]], None],
    ) -> None:
        self._switchboard = switchboard
        self._handles = handles
        self._create_task = create_task
        self._node_id = switchboard.node_id
        self._others = switchboard.size - 1
        self._events: list[Event] = []
        self._news = asyncio.Condition()
        self._senders: dict[Token[Any], BroadcastSender[Any]] = {}
        self._receivers: dict[Token[Any], BroadcastReceiver[Any]] = {}
        self._inbox, self._inbox_receiver = self._mpsc(int)
        self._inboxes: dict[int, Sender[int]] = {}

    async def watch(self) -> None:
        """Keeps all that the switchboard tells about its peers."""
        async for event in self._switchboard.events():
            async with self._news:
                self._events.append(event)
                self._news.notify_all()

    async def rendezvous(self, timeout_s: float) -> dict[str, Any]:
        """Waits until this node has met all others."""
        peers = await self._switchboard.rendezvous(timeout_s)
        met = {p.node_id: (p.incarnation or b"").hex() for p in peers if p is not None}
        return {"incarnation": self._switchboard.incarnation.hex(), "met": met}

    async def broadcast(self, number: int) -> None:
        """Tells every node a number, this one too."""
        await self._sender(NUMBERS).send(number)

    async def hear(self) -> int:
        """Waits for the next number that was broadcast."""
        return await self._receiver(NUMBERS).receive()

    async def ask(self, number: int) -> list[list[int]]:
        """Asks all other nodes and gathers their answers, up to the exact end."""
        answers, receiver = self._mpsc(Answer, max_producers=self._others)
        await self._sender(QUESTIONS).send(Question(number, answers))
        gathered: list[list[int]] = []
        async for answer in receiver:
            self._inboxes[answer.node_id] = answer.inbox
            gathered.append([answer.node_id, answer.square])
        return gathered

    async def answer(self) -> None:
        """Waits for a question and answers it by the sender that came inside."""
        question = await self._receiver(QUESTIONS).receive()
        async with self._switchboard.connect(question.answers, Answer) as producer:
            square = question.number**2
            await producer.send(Answer(self._node_id, square, self._inbox))

    async def collect(self, count: int) -> dict[str, Any]:
        """Lets all other nodes stream to this one and counts what comes from each."""
        items, receiver = self._mpsc(list[int], max_producers=self._others)
        tally = Tally(self._switchboard.size)
        resumed_before = self._resumed()
        await self._sender(STREAMS).send(Stream(count, items))
        try:
            while True:
                tally.take(await receiver.receive_many())
        except EndOfChannel:
            return {**tally.result(), "resumed": self._resumed() - resumed_before}

    async def stream(self) -> int:
        """Waits for a request, sends what it asks for, and returns how many."""
        job = await self._receiver(STREAMS).receive()
        async with self._switchboard.connect(job.items, list[int]) as producer:
            for start in range(0, job.count, _CHUNK):
                numbers = range(start, min(start + _CHUNK, job.count))
                await producer.send_many([[self._node_id, i] for i in numbers])
            await producer.flush()
        return job.count

    async def swallow(self, at_least: int) -> int:
        """Takes items for ever; returns as soon as it has some."""
        for _ in range(at_least):
            await self._inbox_receiver.receive()
        self._create_task(self._swallow_on())
        return at_least

    async def feed(self, node_id: int) -> dict[str, Any]:
        """Sends to a node's inbox until the channel breaks; tells how it did."""
        accepted = 0
        producer = await self._switchboard.connect(self._inboxes[node_id])
        try:
            while True:
                await producer.send(accepted)
                accepted += 1
        except BrokenError as error:
            return {"accepted": accepted, **_described(error)}
        finally:
            producer.close()

    async def loss(self, node_id: int) -> dict[str, Any]:
        """Waits for the report of what was lost in a node's inbox."""
        channel = self._inboxes[node_id].channel
        async with self._news:
            report = None
            while report is None:
                report = self._find_loss(channel)
                if report is None:
                    await self._news.wait()
        return {
            "node_id": report.node_id,
            "first": report.first_sequence,
            "count": report.count,
            "reason": report.reason,
        }

    async def reconnect(self, node_id: int) -> dict[str, Any]:
        """Tries to connect to the inbox that a node had before it was killed."""
        try:
            producer = await self._switchboard.connect(self._inboxes[node_id])
        except BrokenError as error:
            return _described(error)
        producer.close()
        return {"error": "", "message": "it was connected"}

    async def drain(self, timeout_s: float) -> str:
        """Waits until everything is delivered; returns the rest in words, or ''."""
        report = await self._switchboard.drain(timeout_s)
        return "" if report.is_complete else str(report)

    async def _swallow_on(self) -> None:
        async for _ in self._inbox_receiver:
            pass

    def _find_loss(self, channel: bytes) -> LossReport | None:
        for event in self._events:
            if isinstance(event, LossReport) and event.channel == channel:
                return event
        return None

    def _resumed(self) -> int:
        return sum(isinstance(e, PeerUp) and e.resumed for e in self._events)

    def _mpsc(
        self, item_type: type[T], max_producers: int | None = None
    ) -> tuple[Sender[T], Receiver[T]]:
        sender, receiver = self._switchboard.mpsc(
            item_type, max_producers=max_producers
        )
        self._handles.callback(receiver.close)
        return sender, receiver

    def _sender(self, token: Token[T]) -> BroadcastSender[T]:
        if token not in self._senders:
            self._senders[token] = self._switchboard.broadcast_tx(token)
            self._handles.push_async_callback(self._senders[token].aclose)
        return self._senders[token]

    def _receiver(self, token: Token[T]) -> BroadcastReceiver[T]:
        if token not in self._receivers:
            self._receivers[token] = self._switchboard.broadcast_rx(token)
            self._handles.callback(self._receivers[token].close)
        return self._receivers[token]


def _described(error: Exception) -> dict[str, Any]:
    return {"error": type(error).__name__, "message": str(error)}
