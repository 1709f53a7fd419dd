"""Links: what stands between the core and one connection.

A `SocketLink` is the protocol of a connection that the driver made or accepted. A
`BorrowedLink` works on a reader and a writer that somebody else made, and still owns.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Protocol, cast

from comm.effects import LinkId
from comm.net.network import cut, describe, end_writing


if TYPE_CHECKING:
    from comm.net.driver import Driver


__all__ = ["BorrowedLink", "DriverLink", "RawStream", "SocketLink"]

RawStream = tuple[asyncio.StreamReader, asyncio.StreamWriter]

_HIGH_BYTES = 256 << 10
"""What may wait in a transport before the core is asked to pause."""

_READ_BYTES = 256 << 10

_LINGER_S = 1.0
"""How long a link that is closed waits for the other side to close as well."""


class DriverLink(Protocol):
    """What the driver does with a link."""

    def write(self, buffers: list[bytes]) -> None:
        """Writes the buffers, in order."""

    def close(self) -> None:
        """Closes once everything written has left; what comes in is ignored.

        This side ends its direction and waits for the end of the other, because a
        socket that is closed with unread bytes is reset, and a reset may overtake
        the last words.
        """

    def abort(self) -> None:
        """Closes at once."""

    def hand_over(self, received: bytes) -> RawStream:
        """Gives the connection away; `received` comes first in what is read."""
        ...


class SocketLink(asyncio.Protocol):
    """The protocol of one connection.

    Args:
        driver: The driver.
        link: Its name in the core; None for an accepted connection, which the core
            names when it is there.
    """

    __slots__ = ("_driver", "_is_over", "_linger", "_link", "_transport")

    def __init__(self, driver: Driver, link: LinkId | None) -> None:
        self._link = link
        self._driver = driver
        self._transport: asyncio.Transport | None = None
        self._is_over = False
        self._linger: asyncio.TimerHandle | None = None

    @property
    def is_made(self) -> bool:
        """Whether the connection has come to stand; `connection_lost` follows then."""
        return self._transport is not None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The connection stands."""
        # Transports of other event loops have the methods, and another base class.
        self._transport = transport = cast("asyncio.Transport", transport)
        transport.set_write_buffer_limits(high=_HIGH_BYTES)
        if self._is_over:
            transport.abort()
        elif self._link is not None:
            self._driver.connected(self._link)
        else:
            self._link = self._driver.accepted(self)
            if self._link is None:
                self.abort()

    def data_received(self, data: bytes) -> None:
        """Bytes have arrived."""
        if not self._is_over and self._link is not None:
            self._driver.received(self._link, data)

    def pause_writing(self) -> None:
        """The transport holds enough."""
        if not self._is_over and self._link is not None:
            self._driver.write_blocked(self._link)

    def resume_writing(self) -> None:
        """The transport takes more."""
        if not self._is_over and self._link is not None:
            self._driver.write_resumed(self._link)

    def eof_received(self) -> bool:
        """The other side writes nothing more: it has given the link up."""
        self._end("the other side closed the connection")
        self._linger_on()
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone."""
        self._end(_reason(exc))
        if self._linger is not None:
            self._linger.cancel()
        if self._link is not None:
            self._driver.forget_link(self._link)

    def write(self, buffers: list[bytes]) -> None:
        """Writes the buffers, in order."""
        assert self._transport is not None
        if not self._transport.is_closing():
            self._transport.writelines(buffers)

    def close(self) -> None:
        """Closes once everything written has left."""
        self._is_over = True
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        end_writing(transport)
        self._linger_on()

    def abort(self) -> None:
        """Closes at once."""
        self._is_over = True
        if self._transport is not None:
            cut(self._transport)

    def hand_over(self, received: bytes) -> RawStream:
        """Gives the connection away."""
        self._is_over = True
        transport = self._transport
        assert transport is not None
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader(loop=loop)
        protocol = asyncio.StreamReaderProtocol(reader, loop=loop)
        transport.set_protocol(protocol)
        protocol.connection_made(transport)
        if received:
            reader.feed_data(received)
        assert self._link is not None
        self._driver.forget_link(self._link)
        return reader, asyncio.StreamWriter(transport, protocol, reader, loop)

    def _end(self, reason: str) -> None:
        if not self._is_over and self._link is not None:
            self._is_over = True
            self._driver.closed(self._link, reason)

    def _linger_on(self) -> None:
        if self._linger is None and self._transport is not None:
            loop = asyncio.get_running_loop()
            self._linger = loop.call_later(_LINGER_S, cut, self._transport)


class BorrowedLink:
    """A link over a reader and a writer that a caller's own listener made.

    Args:
        driver: The driver.
        reader: What the other side writes.
        writer: What the other side reads.
    """

    def __init__(
        self, driver: Driver, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._driver = driver
        self._reader = reader
        self._writer = writer
        self._link: LinkId | None = None
        self._is_over = False
        self._linger: asyncio.TimerHandle | None = None
        self._drain: asyncio.Task[None] | None = None
        self._tap: _Tap | None = None

    async def run(self, prefix: bytes) -> None:
        """Serves the link until it is over, and closes the connection.

        A link that becomes a raw stream is over when the application closes it.
        Cancellation cuts the link.

        Args:
            prefix: What was read of the connection before.
        """
        self._writer.transport.set_write_buffer_limits(high=_HIGH_BYTES)
        self._link = self._driver.accepted(self)
        if self._link is None:
            self.abort()
            return
        reason = "handle_connection was cancelled"
        try:
            reason = await self._read(prefix)
        except OSError as error:
            reason = _reason(error)
        except BaseException:
            self.abort()
            raise
        finally:
            self._finish(reason)
            if self._drain is not None:
                self._drain.cancel()
                await asyncio.wait([self._drain])

    def write(self, buffers: list[bytes]) -> None:
        """Writes the buffers, in order."""
        if self._writer.is_closing():
            return
        self._writer.writelines(buffers)
        held = self._writer.transport.get_write_buffer_size()
        if self._drain is None and held > _HIGH_BYTES:
            assert self._link is not None
            self._driver.write_blocked(self._link)
            self._drain = asyncio.create_task(self._resume())

    def close(self) -> None:
        """Closes once everything written has left."""
        self._is_over = True
        transport = self._writer.transport
        if transport.is_closing():
            return
        end_writing(transport)
        loop = asyncio.get_running_loop()
        self._linger = loop.call_later(_LINGER_S, cut, transport)

    def abort(self) -> None:
        """Closes at once."""
        self._is_over = True
        cut(self._writer.transport)

    def hand_over(self, received: bytes) -> RawStream:
        """Gives the connection away; `run` goes on to pass on what is read."""
        self._is_over = True
        self._tap = _Tap(self._writer, received)
        assert self._link is not None
        self._driver.forget_link(self._link)
        return self._tap.reader, self._tap.writer

    async def _read(self, prefix: bytes) -> str:
        data = prefix or await self._reader.read(_READ_BYTES)
        while data:
            if self._tap is not None:
                await self._tap.feed(data)
            elif not self._is_over:
                assert self._link is not None
                self._driver.received(self._link, data)
            data = await self._reader.read(_READ_BYTES)
        if self._tap is not None:
            self._tap.reader.feed_eof()
            await self._writer.wait_closed()
        return "the other side closed the connection"

    def _finish(self, reason: str) -> None:
        assert self._link is not None
        if not self._is_over:
            self._is_over = True
            self._driver.closed(self._link, reason)
        if self._linger is not None:
            self._linger.cancel()
        self._writer.close()
        self._driver.forget_link(self._link)

    async def _resume(self) -> None:
        try:
            await self._writer.drain()
        except OSError:
            return  # The reader learns of it, too, and says so.
        self._drain = None
        if not self._is_over:
            assert self._link is not None
            self._driver.write_resumed(self._link)


class _Tap(asyncio.ReadTransport):
    """A new reader for a connection that was read from already, and its writer.

    The reader pauses and resumes this object as if it were the transport.

    Args:
        original: The writer of the connection.
        received: What was read too much.
    """

    def __init__(self, original: asyncio.StreamWriter, received: bytes) -> None:
        super().__init__()
        self._wanted = asyncio.Event()
        self._wanted.set()
        loop = asyncio.get_running_loop()
        transport = original.transport
        self.reader = asyncio.StreamReader(loop=loop)
        self.reader.set_transport(self)
        self.writer = _TapWriter(transport, transport.get_protocol(), self.reader, loop)
        self.writer.wanted = self._wanted
        if received:
            self.reader.feed_data(received)

    async def feed(self, data: bytes) -> None:
        """Gives the reader more; waits until it wants more, or is abandoned."""
        self.reader.feed_data(data)
        await self._wanted.wait()

    def pause_reading(self) -> None:
        """Wants no more for now."""
        if not self.writer.is_closing():
            self._wanted.clear()

    def resume_reading(self) -> None:
        """Wants more."""
        self._wanted.set()


class _TapWriter(asyncio.StreamWriter):
    """A writer that, when it is closed, lets go of what nobody will read."""

    wanted: asyncio.Event

    def close(self) -> None:
        """Closes the connection."""
        super().close()
        self.wanted.set()


def _reason(error: Exception | None) -> str:
    if error is None:
        return "the connection was closed"
    if isinstance(error, OSError):
        return describe(error)
    return str(error) or type(error).__name__
