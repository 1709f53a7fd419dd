"""`Relay`: stands before a node, passes bytes on, and cuts the links through it."""

from __future__ import annotations

import asyncio
from contextlib import suppress
import random
import socket
import struct

from comm.demo.places import Place, connect, listen, unlink


__all__ = ["Cuts", "Relay"]

_Pair = tuple[asyncio.StreamReader, asyncio.StreamWriter]

_READ_BYTES = 64 << 10
_RESET_AT_ONCE = struct.pack("ii", 1, 0)
"""SO_LINGER with no time: closing sends a reset and drops what was not sent yet."""


class Cuts:
    """Decides at which byte the relays cut a link next.

    The positions are drawn, so they fall anywhere: between frames, inside a frame,
    inside a handshake.
    """

    def __init__(self) -> None:
        self.made = 0
        self._left = 0
        self._every_bytes = 0
        self._bytes_until = 0
        self._random = random.Random(1)  # noqa: S311 - Drawn for variety alone.

    def plan(self, count: int, every_bytes: int) -> None:
        """Cuts `count` times from now on, at most `every_bytes` apart."""
        self.made = 0
        self._left = count
        self._every_bytes = every_bytes
        self._draw()

    def stop(self) -> None:
        """Cuts no more."""
        self._left = 0

    def take(self, count: int) -> int | None:
        """Counts bytes that are about to pass.

        Returns:
            How many of them to let pass before the cut, or None for no cut here.
        """
        if not self._left:
            return None
        if count <= self._bytes_until:
            self._bytes_until -= count
            return None
        position = self._bytes_until
        self._left -= 1
        self.made += 1
        self._draw()
        return position

    def _draw(self) -> None:
        low, high = self._every_bytes // 2, self._every_bytes
        self._bytes_until = self._random.randint(low, high)


class Relay:
    """Passes on what comes to a node's address to where the node really listens.

    Attributes:
        target: Where the node listens; None while there is no node, and connections
            are closed as soon as they are made.
    """

    def __init__(self, cuts: Cuts) -> None:
        self.target: Place | None = None
        self._cuts = cuts
        self._server: asyncio.Server | None = None
        self._place: Place | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self, place: Place) -> Place:
        """Listens.

        Args:
            place: Where; with port 0, the system picks a free port.

        Returns:
            Where exactly.
        """
        self._server, self._place = await listen(self._accept, place)
        return self._place

    async def aclose(self) -> None:
        """Closes everything and removes the socket file."""
        if self._server is not None:
            self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        unlink(self._place)

    async def _accept(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            await self._serve((reader, writer))
        except asyncio.CancelledError:
            # Only `aclose` cancels; the server would log a cancelled callback.
            pass
        finally:
            writer.transport.abort()
            self._tasks.discard(task)

    async def _serve(self, near: _Pair) -> None:
        if self.target is None:
            return
        try:
            far = await connect(self.target)
        except OSError:
            return
        try:
            await self._pass_both_ways(near, far)
        finally:
            far[1].transport.abort()

    async def _pass_both_ways(self, near: _Pair, far: _Pair) -> None:
        ways = [
            asyncio.create_task(self._pass(near[0], far[1])),
            asyncio.create_task(self._pass(far[0], near[1])),
        ]
        try:
            # One way may end long before the other; an error or a cut ends both.
            await asyncio.wait(ways, return_when=asyncio.FIRST_EXCEPTION)
        finally:
            for way in ways:
                way.cancel()
            ends = await asyncio.gather(*ways, return_exceptions=True)
        if any(isinstance(end, _CutHere) for end in ends):
            for _, writer in (near, far):
                _reset(writer)

    async def _pass(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """Passes bytes one way until they end."""
        while data := await reader.read(_READ_BYTES):
            position = self._cuts.take(len(data))
            writer.write(data[:position])
            if position is not None:
                raise _CutHere
            await writer.drain()
        writer.write_eof()


class _CutHere(Exception):  # noqa: N818 - it is no error, the link is meant to be cut
    """Both ways of a connection shall end at this byte."""


def _reset(writer: asyncio.StreamWriter) -> None:
    sock = writer.get_extra_info("socket")
    if sock is not None and sock.family != socket.AF_UNIX:
        with suppress(OSError):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_AT_ONCE)
    writer.transport.abort()
