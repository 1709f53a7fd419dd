"""`Peer`: another node as the application sees it, and raw streams to and from it."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Self

from comm.address import Address
from comm.effects import LinkId, StreamFailed, StreamOpened
from comm.errors import Error, WouldBlock
from comm.net.links import RawStream
from comm.net.network import cut
from comm.net.waiting import Gate, Line
from comm.statistics import PeerInfo


if TYPE_CHECKING:
    import asyncio

    from comm.net.driver import Driver


__all__ = ["IncomingStreams", "Peer", "RawStreams"]

_WAITING_MAX = 64
"""How many raw streams may wait for the application to take them."""


class Peer:
    """Another node of the cluster; `Switchboard.peers` has them all.

    What it tells is as of the moment of asking.

    Attributes:
        node_id: The node.
        address: Where it listens.
    """

    __slots__ = ("_driver", "address", "node_id")

    def __init__(self, driver: Driver, node_id: int, address: Address) -> None:
        self._driver = driver
        self.node_id = node_id
        self.address = address

    @property
    def incarnation(self) -> bytes | None:
        """16 bytes, the process that was last spoken to; None if never."""
        return self._info.incarnation

    @property
    def rtt(self) -> float | None:
        """The last measured round trip, in seconds; None if there was none."""
        return self._info.rtt_s

    @property
    def is_up(self) -> bool:
        """Whether a link to the node stands."""
        return self._info.is_up

    async def open_stream(self) -> RawStream:
        """Opens a connection to the node for a protocol of the application's own.

        The other side takes it with `Switchboard.streams()`. The connection belongs
        to the application, which has to close the writer; closing the switchboard
        does not close it. Cancellation leaves nothing open.

        Returns:
            A reader and a writer, as `asyncio.open_connection` does.

        Raises:
            BrokenError: If the node cannot be reached.
            HandshakeError: If it refuses.
            ClosedError: If the switchboard was closed.
        """
        return await self._driver.raw.open(self.node_id)

    def __repr__(self) -> str:
        state = "up" if self.is_up else "down"
        return f"<comm.net.Peer node {self.node_id} ({self.address}), {state}>"

    @property
    def _info(self) -> PeerInfo:
        info = self._driver.core.peer(self.node_id)
        assert info is not None
        return info


class RawStreams:
    """The raw streams that were asked for, here or by other nodes.

    Args:
        driver: The driver.
    """

    def __init__(self, driver: Driver) -> None:
        self._driver = driver
        self._asked: dict[LinkId, _Asked] = {}
        self._waiting: deque[tuple[int, RawStream]] = deque()
        self._line = Line()

    async def open(self, node_id: int) -> RawStream:
        """Opens a stream to a node, and waits until it stands."""
        driver = self._driver
        driver.require_running()
        link = driver.core.open_stream(node_id, driver.now())
        asked = self._asked[link] = _Asked()
        driver.pump()
        try:
            await asked.gate.until(lambda: asked.is_answered or driver.is_over)
        except BaseException:
            if asked.stream is not None:
                _, writer = asked.stream
                cut(writer.transport)
            elif not asked.is_answered and not driver.is_over:
                driver.core.abort_stream(link)
                driver.pump()
            raise
        finally:
            self._asked.pop(link, None)
        if asked.stream is not None:
            return asked.stream
        if asked.error is not None and not driver.is_over:
            raise asked.error
        raise driver.closed_error()

    def opened(self, effect: StreamOpened, stream: RawStream) -> None:
        """A link has become a raw stream."""
        asked = self._asked.get(effect.link)
        if asked is not None:
            asked.stream = stream
            asked.gate.wake_all()
        elif effect.accepted and len(self._waiting) < _WAITING_MAX:
            self._waiting.append((effect.node_id, stream))
            self._line.wake()
        else:
            self._refuse(effect.node_id, stream)

    def failed(self, effect: StreamFailed) -> None:
        """A raw stream that was asked for could not be opened."""
        asked = self._asked.get(effect.link)
        if asked is not None:
            asked.error = effect.error
            asked.gate.wake_all()

    def end(self) -> None:
        """Closes what nobody has taken; whoever waits looks for themselves."""
        while self._waiting:
            _, (_, writer) = self._waiting.popleft()
            cut(writer.transport)
        for asked in self._asked.values():
            asked.gate.wake_all()
        self._line.wake()

    async def take(self) -> tuple[int, RawStream]:
        """Waits for the next stream that another node has opened.

        Raises:
            StopAsyncIteration: Once the switchboard is closed.
        """
        if not self._line.length:
            try:
                return self._take()
            except WouldBlock:
                pass
        return await self._line.until(self._take)

    def _take(self) -> tuple[int, RawStream]:
        if self._waiting:
            return self._waiting.popleft()
        if self._driver.is_over:
            raise StopAsyncIteration
        raise WouldBlock("no stream was opened")

    def _refuse(self, node_id: int, stream: RawStream) -> None:
        _, writer = stream
        cut(writer.transport)
        self._driver.chronicle.log.caution(
            "streams",
            f"node {self._driver.core.node_id}: closed a raw stream that node "
            f"{node_id} has opened, because {_WAITING_MAX} wait to be taken: iterate "
            "over Switchboard.streams()",
        )


class _Asked:
    """A stream that was asked for, and the answer."""

    def __init__(self) -> None:
        self.gate = Gate()
        self.stream: RawStream | None = None
        self.error: Error | None = None

    @property
    def is_answered(self) -> bool:
        return self.stream is not None or self.error is not None


class IncomingStreams:
    """The raw streams that other nodes open, as an async iterator.

    Each stream goes to one iterator. The iteration ends when the switchboard closes;
    cancellation leaves a stream to whoever asks next.
    """

    __slots__ = ("_peers", "_raw")

    def __init__(self, raw: RawStreams, peers: tuple[Peer | None, ...]) -> None:
        self._raw = raw
        self._peers = peers

    def __aiter__(self) -> Self:
        return self

    async def __anext__(
        self,
    ) -> tuple[Peer, asyncio.StreamReader, asyncio.StreamWriter]:
        """Waits for the next stream; its writer is the caller's to close."""
        node_id, (reader, writer) = await self._raw.take()
        peer = self._peers[node_id]
        assert peer is not None
        return peer, reader, writer
