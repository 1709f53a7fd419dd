"""A forked child cannot disturb its parent: every handle there refuses to work."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
import os
from pathlib import Path
import traceback
from typing import Any

import pytest

import comm
from comm.broadcast import Token
from tests.net.conftest import Boards


Verb = Callable[[], Any]


def in_child(work: Callable[[], str]) -> str:
    """Forks; returns what `work` returned in the child, which ends there."""
    readable, writable = os.pipe()
    pid = os.fork()
    if not pid:
        try:
            answer = work()
        except BaseException:  # noqa: BLE001 - nothing may leave the child
            answer = traceback.format_exc()
        os.write(writable, answer.encode())
        os._exit(0)
    os.close(writable)
    with open(readable, "rb") as answers:
        answer = answers.read().decode()
    os.waitpid(pid, 0)
    return answer


def exists(path: Path) -> bool:
    """Whether there is such a file."""
    return path.exists()


def step(awaitable: Awaitable[Any]) -> None:
    """Runs a coroutine up to where it waits: there is no event loop in the child."""
    awaitable.__await__().send(None)


def tried(verbs: dict[str, Verb]) -> str:
    """Calls each verb and lists those that did not refuse in the right words."""
    wrong = []
    for name, verb in verbs.items():
        try:
            verb()
        except comm.UsageError as error:
            if "fork" in str(error) and "spawn" in str(error):
                continue
            wrong.append(f"{name}: {error}")
        except BaseException as error:  # noqa: BLE001 - the parent wants to know
            wrong.append(f"{name}: {error!r}")
        else:
            wrong.append(f"{name} worked")
    return "; ".join(wrong)


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
async def test_nothing_works_in_a_forked_child(boards: Boards) -> None:
    """In a forked child each use of a switchboard, or of a handle that it has made,
    raises `UsageError`, which says what to do instead; the parent goes on as if
    nothing had happened, with what it had not received before."""
    async with boards() as (near, _):
        sender, receiver = near.mpsc(int)
        token = Token("numbers", int)
        news, heard = near.broadcast_tx(token), near.broadcast_rx(token)
        fanout = near.broadcast_rx(Token("others", int)).fanout()
        producer = await near.connect(sender)
        await producer.send_many([1, 2, 3])
        assert await receiver.receive() == 1
        verbs: dict[str, Verb] = {
            "mpsc": near.mpsc,
            "connect": lambda: step(near.connect(sender)),
            "broadcast_tx": lambda: near.broadcast_tx(token),
            "events": near.events,
            "statistics": near.statistics,
            "rendezvous": lambda: step(near.rendezvous()),
            "drain": lambda: step(near.drain()),
            "aclose": lambda: step(near.aclose()),
            "send": lambda: step(producer.send(4)),
            "send_nowait": lambda: producer.send_nowait(4),
            "send_many": lambda: step(producer.send_many([4])),
            "broadcast": lambda: step(news.send(4)),
            "clone": producer.clone,
            "flush": lambda: step(producer.flush()),
            "close": producer.close,
            "receive": lambda: step(receiver.receive()),
            "receive_nowait": receiver.receive_nowait,
            "receive_many": lambda: step(receiver.receive_many()),
            "receive_from": lambda: step(receiver.receive_from()),
            "iteration": lambda: step(anext(aiter(receiver))),
            "seal": receiver.seal,
            "receiver.close": receiver.close,
            "receiver.statistics": receiver.statistics,
            "fanout": heard.fanout,
            "attach": fanout.attach,
            "open_stream": lambda: step(near.peers[1].open_stream()),  # type: ignore[union-attr]
            "peer": lambda: near.peers[1].is_up,  # type: ignore[union-attr]
        }
        assert in_child(lambda: tried(verbs)) == ""
        assert [await receiver.receive() for _ in range(2)] == [2, 3]
        await producer.send(4)
        assert await receiver.receive() == 4
        for handle in (producer, receiver, news, heard, fanout):
            handle.close()


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
async def test_a_forked_child_can_have_a_switchboard_of_its_own() -> None:
    """What the error advises works: a child makes a switchboard of its own, in an
    event loop of its own."""

    def work() -> str:
        asyncio._set_running_loop(None)
        return asyncio.run(talk())

    async def talk() -> str:
        async with comm.Switchboard.local() as board:
            sender, receiver = board.mpsc(str)
            async with board.connect(sender) as producer, receiver:
                await producer.send("hello")
                return await receiver.receive()

    async with comm.Switchboard.local():
        assert in_child(work) == "hello"


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
async def test_a_forked_child_removes_nothing() -> None:
    """A child that leaves the parent's `async with` does not remove the parent's
    socket, and is told that it must not."""
    async with comm.Switchboard.local() as board:
        socket = Path(board.nodes[0].path)

        def work() -> str:
            try:
                step(board.__aexit__(None, None, None))
            except comm.UsageError:
                return "refused"
            return "left"

        assert in_child(work) == "refused"
        assert exists(socket)
    assert not exists(socket.parent)
