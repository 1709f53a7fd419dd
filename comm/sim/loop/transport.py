"""`SimTransport`: an asyncio transport on one end of a simulated connection.

It does what asyncio's own transport does on a socket, callback by callback: one read
for each turn, a buffer in front of the kernel's, an end that waits for that buffer.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, cast
from zlib import crc32

from comm.sim.network import Endpoint


if TYPE_CHECKING:
    from comm.sim.loop.loop import VirtualLoop


__all__ = ["SimTransport"]

_READ_BYTES = 256 << 10
"""The most that asyncio reads at once."""

_WRITE_BYTES = 256 << 10

_HIGH_BYTES = 64 << 10


class SimTransport(asyncio.Transport):
    """One end of a simulated connection.

    Args:
        loop: The loop in which the protocol is told what happens.
        endpoint: The end.
        protocol: Whom to tell.
        extra: What `get_extra_info` knows.
    """

    def __init__(
        self,
        loop: VirtualLoop,
        endpoint: Endpoint,
        protocol: asyncio.BaseProtocol,
        extra: Mapping[str, Any],
    ) -> None:
        super().__init__(extra)
        self._loop = loop
        self._endpoint = endpoint
        self._protocol = protocol
        self._buffer = bytearray()
        self._high, self._low = _HIGH_BYTES, _HIGH_BYTES // 4
        # Until it has begun, as if a read were planned already.
        self._is_read_planned = True
        self._is_reading_paused = False
        self._is_writing_paused = False
        self._is_read_to_end = False
        self._is_ended = False
        self._is_closing = False
        self._is_lost = False

    def begin(self) -> None:
        """Tells the protocol of the connection, and reads from the next turn on."""
        self._endpoint.owner = self
        self._tell(partial(self._protocol.connection_made, self))
        self._is_read_planned = False
        self._read_soon()

    # What the network tells, as the owner of the end.

    def readable(self, endpoint: Endpoint) -> None:
        """There is something to receive."""
        del endpoint
        if not self._is_read_planned and self._wants_to_read:
            self._is_read_planned = True
            self._loop.call_soon(self._read)

    def writable(self, endpoint: Endpoint) -> None:
        """The kernel has room again."""
        del endpoint
        self._loop.call_soon(self._write_on)

    # What the protocol asks for.

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Sends the bytes, or keeps what the kernel does not take."""
        if self._is_ended:
            raise RuntimeError("Cannot call write() after write_eof()")
        if self._is_closing or not data:
            return
        is_first = not self._buffer
        self._buffer += data
        if is_first:
            self._send()
        if len(self._buffer) > self._high and not self._is_writing_paused:
            self._is_writing_paused = True
            self._tell(self._protocol.pause_writing)

    def writelines(
        self, list_of_data: Iterable[bytes | bytearray | memoryview]
    ) -> None:
        """Sends the bytes of all of them."""
        self.write(b"".join(list_of_data))

    def write_eof(self) -> None:
        """Ends this direction once everything written has left.

        Raises:
            OSError: If the connection is gone, and nobody has been told yet.
        """
        if self._is_closing or self._is_ended:
            return
        self._is_ended = True
        if not self._buffer:
            self._endpoint.shut()

    def can_write_eof(self) -> bool:
        """Tells that `write_eof` works."""
        return True

    def get_write_buffer_size(self) -> int:
        """Returns how much the kernel has not taken."""
        return len(self._buffer)

    def get_write_buffer_limits(self) -> tuple[int, int]:
        """Returns the low and the high mark."""
        return self._low, self._high

    def set_write_buffer_limits(
        self, high: int | None = None, low: int | None = None
    ) -> None:
        """Sets the marks at which the protocol is paused and resumed."""
        if high is None:
            high = _HIGH_BYTES if low is None else 4 * low
        self._high, self._low = high, high // 4 if low is None else low

    def pause_reading(self) -> None:
        """Holds back what arrives."""
        self._is_reading_paused = True

    def resume_reading(self) -> None:
        """Delivers again what arrives."""
        self._is_reading_paused = False
        self._read_soon()

    def is_reading(self) -> bool:
        """Tells whether what arrives is delivered."""
        return not (self._is_closing or self._is_reading_paused)

    def close(self) -> None:
        """Closes once the kernel has taken everything."""
        if not self._is_closing:
            self._is_closing = True
            if not self._buffer:
                self._lose_soon(None)

    def abort(self) -> None:
        """Closes at once; what the kernel has not taken is dropped."""
        self._force_close(None)

    def is_closing(self) -> bool:
        """Tells whether the transport is closing or closed."""
        return self._is_closing

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """Tells another protocol from now on."""
        self._protocol = protocol

    def get_protocol(self) -> asyncio.BaseProtocol:
        """Returns the protocol that is told."""
        return self._protocol

    # Reading.

    @property
    def _wants_to_read(self) -> bool:
        return self.is_reading() and not self._is_read_to_end

    def _read_soon(self) -> None:
        if self._endpoint.is_readable:
            self.readable(self._endpoint)

    def _read(self) -> None:
        self._is_read_planned = False
        if not self._wants_to_read:
            return
        try:
            data = self._endpoint.receive(_READ_BYTES)
        except OSError as error:
            self._force_close(error)
            return
        if data is not None:
            self._note(f"receives {len(data)} {crc32(data):x}")
            self._receive(data)
            self._read_soon()

    def _receive(self, data: bytes) -> None:
        """Hands over what was read, or the end."""
        protocol = cast("asyncio.Protocol", self._protocol)
        self._is_read_to_end = not data
        try:
            if data:
                protocol.data_received(data)
            elif not protocol.eof_received():
                self.close()
        except Exception as error:  # noqa: BLE001 - whatever a protocol may raise
            self._complain(error)
            self._force_close(error)

    # Writing.

    def _send(self) -> None:
        """Gives the kernel what it takes."""
        buffer = self._buffer
        while buffer:
            part = bytes(buffer[:_WRITE_BYTES])
            try:
                sent = self._endpoint.send(part)
            except OSError as error:
                self._force_close(error)
                return
            self._note(f"sends {sent} {crc32(part[:sent]):x}")
            del buffer[:sent]
            if sent < len(part):
                return

    def _write_on(self) -> None:
        """The kernel takes more."""
        self._send()
        if self._is_lost:
            return
        if self._is_writing_paused and len(self._buffer) <= self._low:
            self._is_writing_paused = False
            self._tell(self._protocol.resume_writing)
        if self._buffer:
            return
        if self._is_closing:
            self._lose_soon(None)
        elif self._is_ended:
            self._shut()

    def _shut(self) -> None:
        try:
            self._endpoint.shut()
        except OSError as error:
            self._force_close(error)

    # The end.

    def _force_close(self, error: Exception | None) -> None:
        self._buffer.clear()
        self._is_closing = True
        self._lose_soon(error)

    def _lose_soon(self, error: Exception | None) -> None:
        if not self._is_lost:
            self._is_lost = True
            self._loop.call_soon(self._lose, error)

    def _lose(self, error: Exception | None) -> None:
        self._note(f"is closed: {error!r}")
        try:
            self._protocol.connection_lost(error)
        finally:
            self._endpoint.close()

    def _tell(self, tell: Callable[[], None]) -> None:
        """Tells the protocol something that it may fail at without harm."""
        try:
            tell()
        except Exception as error:  # noqa: BLE001 - whatever a protocol may raise
            self._complain(error)

    def _complain(self, error: Exception) -> None:
        self._loop.call_exception_handler(
            {
                "message": "a protocol raised",
                "exception": error,
                "transport": self,
                "protocol": self._protocol,
            }
        )

    def _note(self, text: str) -> None:
        endpoint = self._endpoint
        place = endpoint.host.name
        self._loop.world.note(place, f"connection {endpoint.number} {text}")
