"""G8: senders are portable values that hold nothing until they are connected."""

from __future__ import annotations

import asyncio
import copy
from dataclasses import dataclass
import pickle
from typing import Any, NamedTuple, TypedDict

import pytest

import comm
from comm import mpsc
from comm.broadcast import Token
from tests.cluster import ClusterFactory, eventually, take, wear_out


@dataclass(frozen=True)
class Request:
    """A question, and where the answer goes."""

    number: int
    reply: mpsc.Sender[int]


@dataclass
class Even:
    """A number that has to be even when the class is made, but not later."""

    number: int

    def __post_init__(self) -> None:
        if self.number % 2:
            raise ValueError("odd")


class Envelope(NamedTuple):
    """A request inside something else."""

    request: Request
    others: list[mpsc.Sender[int]]


class Letter(TypedDict):
    """The same in the shape of a dict."""

    replies: dict[str, mpsc.Sender[int]]


async def test_a_sender_is_a_plain_value(cluster: ClusterFactory) -> None:
    """G8: a sender survives copying and pickling, equals and hashes as its copies do,
    and its text never shows the whole channel id, which would let others send."""
    async with cluster(nodes=1) as boards:
        sender, _receiver = boards[0].mpsc(int)
        twins = [
            copy.copy(sender),
            copy.deepcopy(sender),
            *(
                pickle.loads(pickle.dumps(sender, protocol))
                for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1)
            ),
        ]
        assert {sender, *twins} == {sender}
        other, _receiver2 = boards[0].mpsc(int)
        assert other != sender
        for text in (repr(sender), str(sender)):
            assert sender.channel.hex() not in text


@pytest.mark.parametrize("hops", [1, 7])
async def test_a_sender_survives_hops(cluster: ClusterFactory, hops: int) -> None:
    """G8: a sender that was handed on over any number of nodes, nested in lists and
    dicts, leads where it led at first."""
    async with cluster(nodes=3) as boards:
        sender, receiver = boards[0].mpsc(str)
        item: object = {"way": ["nested", sender, {"deeper": [sender]}]}
        for hop in range(hops):
            handing, handed = boards[hop % 3].mpsc()
            async with handed, boards[(hop + 1) % 3].connect(handing) as producer:
                await producer.send(item)
                [item] = await take(handed, 1)
        assert item == {"way": ["nested", sender, {"deeper": [sender]}]}
        async with boards[hops % 3].connect(item["way"][2]["deeper"][0]) as producer:
            await producer.send("arrived")
            assert await take(receiver, 1) == ["arrived"]


async def test_senders_nest_in_typed_items(cluster: ClusterFactory) -> None:
    """G8: senders survive inside dataclasses, named tuples and typed dicts."""
    async with cluster() as boards:
        reply, answers = boards[1].mpsc(int)
        envelope = Envelope(Request(7, reply), [reply, reply])
        letter: Letter = {"replies": {"first": reply}}
        items: list[tuple[type, object]] = [
            (Request, envelope.request),
            (Envelope, envelope),
            (Letter, letter),
        ]
        for item_type, item in items:
            sender: mpsc.Sender[object]
            receiver: Any
            sender, receiver = boards[0].mpsc(item_type)
            async with receiver, boards[1].connect(sender) as producer:
                await producer.send(item)
                [got] = await take(receiver, 1)
            assert got == item
            assert type(got) is type(item)
        async with boards[0].connect(letter["replies"]["first"]) as producer:
            await producer.send(42)
        assert await take(answers, 1) == [42]


async def test_reply_channels(cluster: ClusterFactory) -> None:
    """G8: many requests, each with a reply sender of its own inside, are answered
    each to its own asker."""
    async with cluster(nodes=3) as boards:
        sender, requests = boards[0].mpsc(Request, max_producers=6)

        async def ask(node_id: int, number: int) -> int:
            reply, answers = boards[node_id].mpsc(int)
            async with boards[node_id].connect(sender) as producer:
                await producer.send(Request(number, reply))
                [answer] = await take(answers, 1)
            answers.close()
            return int(answer)

        async def serve() -> None:
            async for request in requests:
                async with boards[0].connect(request.reply) as producer:
                    await producer.send(request.number * 2)

        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(serve())
            asking = [tasks.create_task(ask(i % 3, i)) for i in range(6)]
        assert [task.result() for task in asking] == [0, 2, 4, 6, 8, 10]


async def test_holding_senders_holds_no_resource(cluster: ClusterFactory) -> None:
    """G8: a node that was sent thousands of senders has no producer, and has opened
    no connection to the node they lead to, until it connects one."""
    async with cluster(nodes=3) as boards:
        sender, receiver = boards[0].mpsc()
        minted = [boards[2].mpsc(int) for _ in range(2000)]
        before = boards.wire.count()
        async with boards[1].connect(sender) as producer:
            await producer.send([each for each, _ in minted])
            [senders] = await take(receiver, 1)
        assert senders == [each for each, _ in minted]
        assert boards.wire.count() <= before + 2
        peer = boards[0].peers[2]
        assert peer is not None
        assert peer.incarnation is None
        assert not boards[0].statistics().producers


async def test_a_sender_of_another_cluster_is_refused(cluster: ClusterFactory) -> None:
    """G8: a sender leads to a node of its own cluster alone; in another one it is
    refused before anything is sent, and the message names both."""
    async with cluster(nodes=1) as boards:
        sender, _receiver = boards[0].mpsc(int)
        foreign = boards.make(0, cluster="elsewhere")
        async with foreign:
            with pytest.raises(comm.UsageError, match="elsewhere"):
                await foreign.connect(sender)


async def test_mismatched_ends_are_refused_by_name(cluster: ClusterFactory) -> None:
    """G8: a broadcast receiver and sender that disagree about the item type are told
    so by name; nothing is delivered in a shape that was not meant."""
    async with cluster() as boards:
        receiver = boards[0].broadcast_rx(Token("numbers", int))
        producer = boards[1].broadcast_tx(Token("numbers", str))
        with pytest.raises(comm.Error, match="int"):
            await wear_out(producer.send, "one")
        await eventually(lambda: receiver.statistics().refused == 1)
        assert receiver.statistics().received == 0
        producer.abort()


async def test_an_item_that_does_not_fit_its_type_raises_once(
    cluster: ClusterFactory,
) -> None:
    """G8: an item that cannot be rebuilt as the receiver's type raises `DecodeError`
    from that one `receive`; the channel goes on with the next."""
    async with cluster() as boards:
        sender, receiver = boards[0].mpsc(Even)
        async with boards[1].connect(sender) as producer:
            for number in (2, 3, 4):
                item = Even(0)
                item.number = number
                await producer.send(item)
            assert await take(receiver, 1) == [Even(2)]
            with pytest.raises(comm.DecodeError):
                await take(receiver, 1)
            assert await take(receiver, 1) == [Even(4)]
