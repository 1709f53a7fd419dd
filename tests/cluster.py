"""A cluster of switchboards in one event loop, as the suites see it.

The suites know nothing of the transport. They write

    async with cluster(nodes=3, config=FAST) as boards:
        sender, receiver = boards[0].mpsc(int)
        ...
        await boards.cut(0, 1)

where `cluster` is a `ClusterFactory`. What differs from transport to transport is a
`Wire`, of which `tests/wires.py` has one for each; a new transport is a new `Wire`.
"""

from __future__ import annotations

import asyncio
from collections.abc import (
    AsyncIterator,
    Awaitable,
    Callable,
    Collection,
    Iterable,
    Iterator,
)
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import replace
from typing import Any, Protocol, TypeVar

import comm
from comm import Config, Switchboard
from comm.events import Event


__all__ = [
    "CALM",
    "FAST",
    "LOSSY",
    "PATIENCE_S",
    "STEADY",
    "Board",
    "Cluster",
    "ClusterFactory",
    "Wire",
    "collect",
    "eventually",
    "fill",
    "pour",
    "run_cluster",
    "settle",
    "take",
    "wear_out",
]

EventT = TypeVar("EventT", bound=Event)

PATIENCE_S = 30.0
"""How long any one step may take on a machine under load before it has failed."""

FAST = Config(
    heartbeat_interval_s=0.1,
    heartbeat_timeout_s=0.5,
    handshake_timeout_s=1.0,
    connect_backoff_s=(0.01, 0.05),
    close_timeout_s=0.5,
)
"""Short intervals, so that tests are quick; yet no outage of a test is a loss."""

LOSSY = Config(
    heartbeat_interval_s=0.1,
    heartbeat_timeout_s=0.5,
    resume_window_s=0.6,
    handshake_timeout_s=1.0,
    connect_backoff_s=(0.01, 0.05),
    close_timeout_s=0.5,
)
"""The same, with a resume window that a test can wait out."""


CALM = replace(FAST, connect_backoff_s=(0.5, 1.0))
"""For tests that look at connections: nodes hardly ever dial one another at once."""

STEADY = replace(
    CALM,
    heartbeat_interval_s=1.0,
    heartbeat_timeout_s=25.0,
    handshake_timeout_s=10.0,
)
"""For tests that no link may be given up in: all nodes share this process, and where it
is kept from running, every one of them is silent."""


class Wire(Protocol):
    """What joins the nodes of a cluster: all that a test can do to a transport."""

    transport: str
    listens: bool
    """Whether the switchboards listen by themselves."""

    @property
    def nodes(self) -> list[str]:
        """Returns where each node listens, in node order."""

    async def aclose(self) -> None:
        """Gives back every socket and task."""

    def options(self, node_id: int) -> dict[str, Any]:
        """Returns what makes a new switchboard use this wire."""

    async def attach(self, board: Switchboard) -> None:
        """Makes a started switchboard the one that its node's address leads to."""

    async def detach(self, node_id: int) -> None:
        """Makes a node's address refuse connections."""

    async def fell(self, board: Switchboard) -> None:
        """Cuts a switchboard off for good, at once and without a word: what it has
        not put on the wire never comes, and nothing reaches it any more."""

    async def cut(self, a: int, b: int) -> None:
        """Resets every connection between two nodes; they may connect anew."""

    def stall(self, a: int, b: int, *, one_way: bool = False) -> None:
        """Lets no byte through from `a` to `b`, nor from `b` to `a` unless it is one
        way, and none of a new connection either, while all connections seem to stand.
        """

    def resume(self, a: int, b: int) -> None:
        """Ends a stall; what was held up goes on."""

    def limit(self, bytes_per_s: float | None) -> None:
        """Limits what passes in each direction of a connection; None ends it."""

    def count(self) -> int:
        """Returns how many connections were ever made."""

    async def connect_raw(
        self, node_id: int
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Connects to a node's address as a stranger."""


class Board:
    """One running switchboard, and the events that it has given."""

    def __init__(self, switchboard: Switchboard) -> None:
        self.switchboard = switchboard
        self.events: list[Event] = []
        self._changed = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def watch(self) -> None:
        """Collects the events from now on."""
        self._task = asyncio.create_task(self._collect())

    async def stop_watching(self) -> None:
        """Ends the collection."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError, comm.ClosedError):
                await self._task

    async def _collect(self) -> None:
        async for event in self.switchboard.events():
            self.events.append(event)
            self._changed.set()

    def of(self, kind: type[EventT], **fields: object) -> list[EventT]:
        """Returns the events of one type that have these fields."""
        return [
            event
            for event in self.events
            if isinstance(event, kind)
            and all(getattr(event, name) == value for name, value in fields.items())
        ]

    async def event(self, kind: type[EventT], **fields: object) -> EventT:
        """Waits for an event of one type that has these fields."""
        async with asyncio.timeout(PATIENCE_S):
            while not (found := self.of(kind, **fields)):
                self._changed.clear()
                await self._changed.wait()
        return found[0]


class Cluster:
    """The switchboards of a running cluster, by node id."""

    def __init__(self, wire: Wire, config: Config) -> None:
        self.wire = wire
        self._config = config
        self._boards: dict[int, Board] = {}
        self._rivals: list[Switchboard] = []

    def __getitem__(self, node_id: int) -> Switchboard:
        return self._boards[node_id].switchboard

    def __iter__(self) -> Iterator[Switchboard]:
        return (self[node_id] for node_id in sorted(self._boards))

    def __len__(self) -> int:
        return len(self._boards)

    def board(self, node_id: int) -> Board:
        """Returns a node's switchboard together with its events."""
        return self._boards[node_id]

    def events(self, at: int, kind: type[EventT], /, **fields: object) -> list[EventT]:
        """Returns the events of one type with these fields that a node has given."""
        return self._boards[at].of(kind, **fields)

    async def event(self, at: int, kind: type[EventT], /, **fields: object) -> EventT:
        """Waits until a node has given an event of one type with these fields."""
        return await self._boards[at].event(kind, **fields)

    async def start(self, node_id: int, **options: Any) -> Switchboard:
        """Starts a node, with the cluster's own configuration unless told else."""
        board = Board(self.make(node_id, listen=self.wire.listens, **options))
        await board.switchboard.__aenter__()
        board.watch()
        await self.wire.attach(board.switchboard)
        self._boards[node_id] = board
        return board.switchboard

    def make(self, node_id: int, **options: Any) -> Switchboard:
        """Returns a switchboard that has not been started; it will not listen."""
        own = {"config": self._config, "listen": False, "nodes": self.wire.nodes}
        options = self.wire.options(node_id) | own | options
        return Switchboard(options.pop("nodes"), node_id, **options)

    async def start_rival(self, node_id: int, **options: Any) -> Switchboard:
        """Starts one more process, so to speak, that claims a node id."""
        rival = self.make(node_id, **options)
        await rival.__aenter__()
        self._rivals.append(rival)
        return rival

    async def stop(self, node_id: int) -> None:
        """Makes a node leave in order."""
        board = self._boards.pop(node_id)
        await board.switchboard.aclose()
        await board.stop_watching()
        await self.wire.detach(node_id)

    async def kill(self, node_id: int) -> None:
        """Takes a node away as a power cut does: no goodbye, nothing flushed."""
        board = self._boards.pop(node_id)
        await self.wire.fell(board.switchboard)
        await board.stop_watching()
        await board.switchboard.aclose()

    async def restart(self, node_id: int, **options: Any) -> Switchboard:
        """Kills a node unless it is dead, and starts its next incarnation."""
        if node_id in self._boards:
            await self.kill(node_id)
        return await self.start(node_id, **options)

    async def cut(self, a: int, b: int) -> None:
        """Resets every connection between two nodes."""
        await self.wire.cut(a, b)

    def stall(self, a: int, b: int, *, one_way: bool = False) -> None:
        """Lets nothing through between two nodes, or from the first to the second
        alone, without closing anything."""
        self.wire.stall(a, b, one_way=one_way)

    def resume(self, a: int, b: int) -> None:
        """Ends a stall."""
        self.wire.resume(a, b)

    def limit(self, bytes_per_s: float | None) -> None:
        """Limits the bandwidth of each connection; None lifts the limit."""
        self.wire.limit(bytes_per_s)

    async def rendezvous(self) -> None:
        """Waits until every two nodes have met."""
        async with asyncio.TaskGroup() as tasks:
            for board in self._boards.values():
                tasks.create_task(board.switchboard.rendezvous(PATIENCE_S))

    async def aclose(self) -> None:
        """Stops every node."""
        boards = [board.switchboard for board in self._boards.values()]
        await asyncio.gather(*(board.aclose() for board in boards + self._rivals))
        for board in self._boards.values():
            await board.stop_watching()


class ClusterFactory(Protocol):
    """Makes clusters over one transport."""

    transport: str

    def new_event_loop(self) -> asyncio.AbstractEventLoop:
        """Returns a loop for a test that uses this factory."""
        ...

    def __call__(
        self,
        nodes: int = 2,
        *,
        config: Config = FAST,
        start: Collection[int] | None = None,
    ) -> AbstractAsyncContextManager[Cluster]:
        """Returns a context in which the given nodes, or all, have been started."""


@asynccontextmanager
async def run_cluster(
    wire: Wire, nodes: int, config: Config, start: Collection[int] | None
) -> AsyncIterator[Cluster]:
    """Runs a cluster over a wire; whatever a test does, it ends in bounded time."""
    cluster = Cluster(wire, config)
    try:
        for node_id in range(nodes) if start is None else start:
            await cluster.start(node_id)
        yield cluster
    finally:
        await cluster.aclose()
        await wire.aclose()


async def eventually(condition: Callable[[], object]) -> None:
    """Waits until a condition holds."""
    async with asyncio.timeout(PATIENCE_S):
        while not condition():
            await asyncio.sleep(0.002)


async def take(receiver: Any, count: int) -> list[Any]:
    """Receives so many items."""
    async with asyncio.timeout(PATIENCE_S):
        return [await receiver.receive() for _ in range(count)]


async def collect(receiver: Any, items: list[Any]) -> None:
    """Adds everything that is received to a list; raises what ends the channel."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            items.append(await receiver.receive())


async def wear_out(verb: Callable[..., Awaitable[object]], *arguments: object) -> None:
    """Calls a verb of a handle again and again, until it raises."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            await verb(*arguments)
            await asyncio.sleep(0)


def fill(producer: Any, items: Iterable[object]) -> int:
    """Sends items until one would have to wait; returns how many were accepted."""
    accepted = 0
    for item in items:
        try:
            producer.send_nowait(item)
        except comm.WouldBlock:
            break
        accepted += 1
    return accepted


async def pour(switchboard: Switchboard, sender: Any, items: Iterable[object]) -> None:
    """Connects a sender, sends all items one by one, and finishes."""
    async with switchboard.connect(sender) as producer:
        for item in items:
            await producer.send(item)


async def settle(turns: int = 1) -> None:
    """Lets the event loop go round so many times."""
    for _ in range(turns):
        await asyncio.sleep(0)
