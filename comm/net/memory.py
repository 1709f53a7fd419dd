"""`MemoryNetwork`: connections inside one process, without any socket.

The transports keep to what asyncio's own do: bytes arrive later, never inside `write`;
what the other side has not read fills a buffer of the size of a socket's, and beyond
that the writer is paused; `close` delivers first, `abort` throws away.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
import errno
import os
from typing import cast

from comm.address import Address
from comm.net.network import ProtocolFactory


__all__ = ["MemoryNetwork", "MemoryTransport"]

_SOCKET_BYTES = 256 << 10
"""What one side takes without its application reading, as a kernel would."""

_READ_BYTES = 256 << 10
"""The most that is delivered at once, as one `recv` would."""

_HIGH_BYTES = 64 << 10

_ACCEPTED_AT_ONCE = 16
"""In one turn of the loop, as over sockets."""


class MemoryNetwork:
    """A network in which addresses are mere names, shared by all who hold it."""

    def __init__(self) -> None:
        self._listeners: dict[Address, _MemoryListener] = {}

    async def connect(self, address: Address, factory: ProtocolFactory) -> None:
        """Connects to whoever listens at the address.

        Raises:
            ConnectionRefusedError: If nobody does.
        """
        await asyncio.sleep(0)
        listener = self._listeners.get(address)
        if listener is None:
            raise ConnectionRefusedError(
                errno.ECONNREFUSED, os.strerror(errno.ECONNREFUSED)
            )
        near = MemoryTransport(factory(), address)
        far = MemoryTransport(listener.factory(), address)
        near.join(far)
        listener.queue(far)
        # As with sockets, `connection_made` has been called when this returns.
        near.begin()

    async def listen(
        self, address: Address, factory: ProtocolFactory
    ) -> _MemoryListener:
        """Accepts connections at the address.

        Raises:
            OSError: If somebody listens there already.
        """
        if address in self._listeners:
            raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE))
        listener = _MemoryListener(self._listeners, address, factory)
        self._listeners[address] = listener
        return listener


class _MemoryListener:
    def __init__(
        self,
        listeners: dict[Address, _MemoryListener],
        address: Address,
        factory: ProtocolFactory,
    ) -> None:
        self._listeners = listeners
        self._address = address
        self._queue: deque[MemoryTransport] = deque()
        self.factory = factory

    def queue(self, connection: MemoryTransport) -> None:
        """Accepts the connection as soon as it has its turn."""
        if not self._queue:
            asyncio.get_running_loop().call_soon(self._accept)
        self._queue.append(connection)

    def close(self) -> None:
        """Stops accepting."""
        if self._listeners.get(self._address) is self:
            del self._listeners[self._address]
        while self._queue:
            self._queue.popleft().abort()

    def _accept(self) -> None:
        for _ in range(min(_ACCEPTED_AT_ONCE, len(self._queue))):
            self._queue.popleft().begin_soon()
        if self._queue:
            asyncio.get_running_loop().call_soon(self._accept)


class _Pipe:
    """One direction of a connection.

    Attributes:
        size: How many bytes were written and not read.
        is_ended: Whether nothing more will be written.
        is_cut: Whether nothing more will be read.
    """

    __slots__ = ("_parts", "is_cut", "is_ended", "size")

    def __init__(self) -> None:
        self._parts: deque[bytes] = deque()
        self.size = 0
        self.is_ended = False
        self.is_cut = False

    def put(self, data: bytes) -> None:
        """Adds bytes at the end."""
        self._parts.append(data)
        self.size += len(data)

    def take(self) -> bytes:
        """Removes and returns as many bytes as one read gives."""
        size, parts = 0, list[bytes]()
        while self._parts and size < _READ_BYTES:
            part = self._parts.popleft()
            room = _READ_BYTES - size
            if len(part) > room:
                self._parts.appendleft(part[room:])
                part = part[:room]
            size += len(part)
            parts.append(part)
        self.size -= size
        return b"".join(parts)

    def clear(self) -> None:
        """Throws away what was not read."""
        self._parts.clear()
        self.size = 0


class MemoryTransport(asyncio.Transport):
    """One end of a connection in memory.

    Args:
        protocol: Whom to tell what happens.
        address: Where the listening side listens.
    """

    def __init__(self, protocol: asyncio.BaseProtocol, address: Address) -> None:
        super().__init__({"peername": str(address)})
        self._loop = asyncio.get_running_loop()
        self._protocol = protocol
        self._far = self
        self._inbound, self._outbound = _Pipe(), _Pipe()
        self._high, self._low = _HIGH_BYTES, _HIGH_BYTES // 4
        # Until the connection is made, as if something were under way already.
        self._is_delivering = True
        self._is_made = False
        self._is_reading = True
        self._is_paused = False
        self._is_closing = False
        self._is_lost = False
        self._is_reset = False
        self._eof_given = False

    def join(self, far: MemoryTransport) -> None:
        """Makes the two the ends of one connection."""
        self._far, far._far = far, self
        self._inbound, self._outbound = far._outbound, far._inbound

    def begin(self) -> None:
        """Tells the protocol of the connection."""
        self._guarded(self._made)

    def begin_soon(self) -> None:
        """Tells the protocol of the connection, in a later turn."""
        self._call_soon(self._made)

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Sends the bytes; they arrive in a later turn of the loop."""
        if self._is_closing or not data:
            return
        if self._outbound.is_ended:
            raise RuntimeError("Cannot call write() after write_eof()")
        if self._outbound.is_cut:
            self.reset_soon()
            return
        self._outbound.put(bytes(data))
        self._far.deliver_soon()
        if not self._is_paused and self.get_write_buffer_size() > self._high:
            self._is_paused = True
            self._protocol.pause_writing()

    def writelines(
        self, list_of_data: Iterable[bytes | bytearray | memoryview]
    ) -> None:
        """Sends the bytes of all of them."""
        self.write(b"".join(list_of_data))

    def write_eof(self) -> None:
        """Ends this direction once everything written is delivered."""
        self._outbound.is_ended = True
        self._far.deliver_soon()

    def can_write_eof(self) -> bool:
        """Tells that `write_eof` works."""
        return True

    def get_write_buffer_size(self) -> int:
        """Returns how much the other side's buffer could not take."""
        return max(0, self._outbound.size - _SOCKET_BYTES)

    def get_write_buffer_limits(self) -> tuple[int, int]:
        """Returns the low and the high mark."""
        return self._low, self._high

    def set_write_buffer_limits(
        self, high: int | None = None, low: int | None = None
    ) -> None:
        """Sets the marks at which the protocol is paused and resumed."""
        self._high = _HIGH_BYTES if high is None else high
        self._low = self._high // 4 if low is None else low

    def pause_reading(self) -> None:
        """Holds back what arrives."""
        self._is_reading = False

    def resume_reading(self) -> None:
        """Delivers again what arrives."""
        self._is_reading = True
        self.deliver_soon()

    def is_reading(self) -> bool:
        """Tells whether what arrives is delivered."""
        return self._is_reading and not self._is_closing

    def close(self) -> None:
        """Closes once what was written fits into the other side's buffer."""
        if self._is_closing:
            return
        self._stop()
        self._outbound.is_ended = True
        self._far.deliver_soon()
        if not self.get_write_buffer_size():
            self.lose_soon(None)

    def abort(self) -> None:
        """Closes at once; what is under way is thrown away."""
        self._fail(None)

    def is_closing(self) -> bool:
        """Tells whether the transport is closing or closed."""
        return self._is_closing

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """Tells another protocol from now on."""
        self._protocol = protocol

    def get_protocol(self) -> asyncio.BaseProtocol:
        """Returns the protocol that is told."""
        return self._protocol

    def deliver_soon(self) -> None:
        """Something was written for us, or the other side ended."""
        if not self._is_delivering:
            self._is_delivering = True
            self._call_soon(self._deliver)

    def was_read(self) -> None:
        """The other side has read something of ours."""
        if self.get_write_buffer_size() > self._low:
            return
        if self._is_closing:
            if not self.get_write_buffer_size():
                self.lose_soon(None)
        elif self._is_paused:
            self._is_paused = False
            self._protocol.resume_writing()

    def reset_soon(self) -> None:
        """The other side threw away what we wrote: end once we have read its last."""
        self._is_reset = True
        self.deliver_soon()

    def lose_soon(self, error: Exception | None) -> None:
        """Ends this side, and tells the protocol why."""
        self._stop()
        self._call_soon(self._lose, error)

    def _made(self) -> None:
        if not self._is_closing:
            self._is_made = True
            self._protocol.connection_made(self)
            self._call_soon(self._deliver)

    def _deliver(self) -> None:
        self._is_delivering = False
        if self._is_closing or not self._is_reading:
            return
        protocol = cast("asyncio.Protocol", self._protocol)
        if self._inbound.size:
            protocol.data_received(self._inbound.take())
            self._far.was_read()
            self.deliver_soon()
        elif self._is_reset:
            self._fail(_reset_error())
        elif self._inbound.is_ended and not self._eof_given:
            self._eof_given = True
            if not protocol.eof_received():
                self.close()

    def _stop(self) -> None:
        self._is_closing = True
        self._inbound.is_cut = True

    def _fail(self, error: Exception | None) -> None:
        """Ends the connection for both sides; nothing more is delivered."""
        self._outbound.clear()
        self.lose_soon(error)
        if not self._far.is_closing():
            self._far.lose_soon(_reset_error())

    def _lose(self, error: Exception | None) -> None:
        if self._is_lost:
            return
        self._is_lost = True
        if self._far.is_closing():
            self._far.lose_soon(None)
        elif self._inbound.size:
            self._far.reset_soon()
        self._inbound.clear()
        if self._is_made:
            self._protocol.connection_lost(error)

    def _call_soon(self, callback: Callable[..., None], *args: object) -> None:
        self._loop.call_soon(self._guarded, callback, *args)

    def _guarded(self, callback: Callable[..., None], *args: object) -> None:
        """Does for a protocol that raises what asyncio's transports do."""
        try:
            callback(*args)
        except Exception as error:  # noqa: BLE001 - whatever a protocol may raise
            self._loop.call_exception_handler(
                {
                    "message": "a protocol raised",
                    "exception": error,
                    "transport": self,
                    "protocol": self._protocol,
                }
            )
            self._fail(error)


def _reset_error() -> ConnectionResetError:
    return ConnectionResetError(errno.ECONNRESET, os.strerror(errno.ECONNRESET))
