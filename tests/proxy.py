"""A proxy between two addresses that misbehaves on request.

`Proxy` listens at one address of a network and forwards bytes to another. Each
connection is a `ProxiedLink`, which can be reset, go silent, or end after an exact
number of bytes; the proxy as a whole can add a delay or limit the bandwidth. Bytes are
never lost in the middle of a stream, since TCP does not lose any there either: a silent
link keeps what it has read, and passes it on if it is ever resumed.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum
import socket
import struct
from typing import cast

from comm import Address
from comm.net.network import Listener, Network


__all__ = ["Direction", "Limits", "ProxiedLink", "Proxy"]

_HEAD_BYTES_MAX = 4096
_QUEUE_BYTES_MAX = 256 << 10
_TICK_S = 0.005
"""How often a pipe of limited bandwidth passes bytes on."""


class Direction(Enum):
    """Which way bytes go through the proxy."""

    FORWARD = "from the side that dialled"
    BACKWARD = "to the side that dialled"


@dataclass(frozen=True, slots=True)
class Limits:
    """After how many bytes a link is cut; None means never.

    Attributes:
        forward: How many bytes reach the listening side.
        backward: How many bytes reach the dialling side.
    """

    forward: int | None = None
    backward: int | None = None


class ProxiedLink:
    """One connection through a proxy."""

    def __init__(self, proxy: Proxy, limits: Limits) -> None:
        self.head = b""
        self.is_cut = False
        self.forwarded = dict.fromkeys(Direction, 0)
        self.proxy = proxy
        self._ends = {direction: _End(self, direction) for direction in Direction}
        self._pipes = {
            Direction.FORWARD: _Pipe(self, Direction.FORWARD, limits.forward),
            Direction.BACKWARD: _Pipe(self, Direction.BACKWARD, limits.backward),
        }

    def source(self, direction: Direction) -> _End:
        """Returns the end at which the bytes of a direction arrive."""
        return self._ends[direction]

    def target(self, direction: Direction) -> _End:
        """Returns the end from which the bytes of a direction leave."""
        return self._ends[_OPPOSITE[direction]]

    def cut(self) -> None:
        """Resets both sockets; what the proxy still held is gone."""
        if self.is_cut:
            return
        self.is_cut = True
        for end in self._ends.values():
            end.reset()
        self._forget()

    def cut_behind(self, direction: Direction) -> None:
        """Resets the source of a direction; its target gets what was forwarded."""
        if self.is_cut:
            return
        self.is_cut = True
        self.source(direction).reset()
        self.target(direction).close()
        self._forget()

    def stall(self, direction: Direction) -> None:
        """Passes nothing on in a direction, until `resume`."""
        self._pipes[direction].stall()

    def resume(self) -> None:
        """Passes bytes on again, in both directions."""
        for pipe in self._pipes.values():
            pipe.resume()

    def receive(self, direction: Direction, data: bytes) -> None:
        """Takes bytes that arrived at the source of a direction."""
        if direction is Direction.FORWARD and len(self.head) < _HEAD_BYTES_MAX:
            self.head = (self.head + data)[:_HEAD_BYTES_MAX]
            self.proxy.inspect(self)
        if not self.is_cut:
            self._pipes[direction].feed(data)

    def end(self, direction: Direction) -> None:
        """Takes the end of the stream of a direction."""
        if not self.is_cut:
            self._pipes[direction].end()

    def finish(self) -> None:
        """Closes both sockets once both directions have ended."""
        if all(pipe.is_done for pipe in self._pipes.values()):
            self.is_cut = True
            for end in self._ends.values():
                end.close()
            self._forget()

    def _forget(self) -> None:
        for pipe in self._pipes.values():
            pipe.close()
        self.proxy.links.pop(self, None)


class Proxy:
    """Listens at `front` and forwards every connection to `back`.

    Args:
        network: What both addresses belong to.
        front: Where it listens between `open` and `close`.
        back: Where it forwards to; may be changed for later connections.
        inspect: Called with a link each time its first 4 KiB have grown, before
            the new bytes are passed on; it may stall or cut the link.
        plan: Gives the limits of each new connection.

    Attributes:
        delay_s: How much later each byte comes out than it went in.
        bytes_per_s: How much passes in each direction of a link; None for no limit.
        links: The connections that stand, the oldest first.
        opened: How many connections were ever accepted.
        connected: How many of them were ever forwarded.
        ends: The sockets that are open.
    """

    def __init__(
        self,
        network: Network,
        front: Address,
        back: Address,
        *,
        inspect: Callable[[ProxiedLink], None] = lambda _: None,
        plan: Callable[[], Limits] = Limits,
    ) -> None:
        self._network = network
        self.front = front
        self.back = back
        self.inspect = inspect
        self.plan = plan
        self.delay_s = 0.0
        self.bytes_per_s: float | None = None
        self.links: dict[ProxiedLink, None] = {}
        self.opened = 0
        self.connected = 0
        self.ends: set[_End] = set()
        self._listener: Listener | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def open(self) -> None:
        """Listens."""
        self._listener = await self._network.listen(self.front, self._accept)

    def close(self) -> None:
        """Stops to listen and cuts every link, so that dialling is refused."""
        if self._listener is not None:
            self._listener.close()
            self._listener = None
        self.cut()

    async def aclose(self) -> None:
        """Closes, and waits until every socket is closed."""
        self.close()
        await asyncio.gather(*self._tasks)
        while self.ends:
            for end in self.ends:
                end.reset()
            await asyncio.sleep(0)

    def cut(self) -> None:
        """Resets every link."""
        for link in list(self.links):
            link.cut()

    def _accept(self) -> _End:
        link = ProxiedLink(self, self.plan())
        self.links[link] = None
        self.opened += 1
        return link.source(Direction.FORWARD)

    def connect(self, link: ProxiedLink) -> None:
        """Connects an accepted link with the listening side."""
        task = asyncio.create_task(self._connect(link))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _connect(self, link: ProxiedLink) -> None:
        end = link.target(Direction.FORWARD)
        try:
            await self._network.connect(self.back, lambda: end)
        except OSError:
            link.cut()
            return
        if link.is_cut:
            end.reset()
        else:
            link.source(Direction.FORWARD).release("connecting")


class _Pipe:
    """The bytes of one direction that are still on their way."""

    def __init__(
        self, link: ProxiedLink, direction: Direction, limit: int | None
    ) -> None:
        self._link = link
        self._direction = direction
        self._left = limit
        self._queue: deque[tuple[float, bytes]] = deque()
        self._queued = 0
        self._stalled = False
        self._ended = False
        self._timer: asyncio.TimerHandle | None = None
        self.is_done = False

    def feed(self, data: bytes) -> None:
        due = asyncio.get_running_loop().time() + self._link.proxy.delay_s
        self._queue.append((due, data))
        self._queued += len(data)
        self._flow()

    def end(self) -> None:
        self._ended = True
        self._flow()

    def stall(self) -> None:
        self._stalled = True
        self._link.source(self._direction).hold("stalled")

    def resume(self) -> None:
        self._stalled = False
        self._link.source(self._direction).release("stalled")
        self._flow()

    def close(self) -> None:
        self._queue.clear()
        if self._timer is not None:
            self._timer.cancel()

    def _flow(self) -> None:
        if self._stalled or self._timer is not None:
            return
        loop = asyncio.get_running_loop()
        rate = self._link.proxy.bytes_per_s
        budget = self._queued if rate is None else max(1, int(rate * _TICK_S))
        while self._queue and budget > 0 and not self._link.is_cut:
            due, data = self._queue.popleft()
            if due > loop.time():
                self._queue.appendleft((due, data))
                break
            if len(data) > budget:
                self._queue.appendleft((due, data[budget:]))
                data = data[:budget]
            budget -= len(data)
            self._queued -= len(data)
            self._pass_on(data)
        self._settle(loop)

    def _settle(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._link.is_cut:
            return
        source = self._link.source(self._direction)
        if self._queued > _QUEUE_BYTES_MAX:
            source.hold("queued")
        else:
            source.release("queued")
        if self._queue:
            when = max(self._queue[0][0], loop.time() + _TICK_S)
            self._timer = loop.call_at(when, self._on_timer)
        elif self._ended:
            self.is_done = True
            self._link.target(self._direction).write_eof()
            self._link.finish()

    def _on_timer(self) -> None:
        self._timer = None
        self._flow()

    def _pass_on(self, data: bytes) -> None:
        reached = self._left is not None and self._left <= len(data)
        if reached:
            data = data[: self._left]
        if self._left is not None:
            self._left -= len(data)
        self._link.forwarded[self._direction] += len(data)
        self._link.target(self._direction).write(data)
        if reached:
            self._link.cut_behind(self._direction)


class _End(asyncio.Protocol):
    """One of the two sockets of a link."""

    def __init__(self, link: ProxiedLink, direction: Direction) -> None:
        self._link = link
        self._direction = direction
        self._transport: asyncio.Transport | None = None
        self._holds: set[str] = set()

    def hold(self, reason: str) -> None:
        """Reads nothing more until each reason is released."""
        if not self._holds and self._transport is not None:
            self._transport.pause_reading()
        self._holds.add(reason)

    def release(self, reason: str) -> None:
        """Takes one reason back."""
        if reason not in self._holds:
            return
        self._holds.discard(reason)
        if self._transport is not None and not (
            self._holds or self._transport.is_closing()
        ):
            self._transport.resume_reading()

    def write(self, data: bytes) -> None:
        if self._transport is not None:
            self._transport.write(data)

    def write_eof(self) -> None:
        if self._transport is not None and not self._transport.is_closing():
            # The other side may be gone already, which nobody has told us yet.
            with suppress(OSError):
                self._transport.write_eof()

    def close(self) -> None:
        """Closes the socket once everything is written."""
        if self._transport is not None:
            self._transport.close()

    def reset(self) -> None:
        """Closes the socket so that the other side sees a reset."""
        if self._transport is None:
            return
        sock = self._transport.get_extra_info("socket")
        if sock and sock.family != socket.AF_UNIX and sock.fileno() >= 0:
            linger = struct.pack("ii", 1, 0)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._link.proxy.ends.add(self)
        self._link.proxy.connected += self._direction is Direction.BACKWARD
        if self._holds:
            self._transport.pause_reading()
        if self._direction is Direction.FORWARD:
            self.hold("connecting")
            self._link.proxy.connect(self._link)

    def data_received(self, data: bytes) -> None:
        self._link.receive(self._direction, data)

    def eof_received(self) -> bool:
        self._link.end(self._direction)
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self._link.proxy.ends.discard(self)
        self._link.cut()

    def pause_writing(self) -> None:
        self._link.target(self._direction).hold("full")

    def resume_writing(self) -> None:
        self._link.target(self._direction).release("full")


_OPPOSITE = {
    Direction.FORWARD: Direction.BACKWARD,
    Direction.BACKWARD: Direction.FORWARD,
}
