"""`Endpoint`: one end of a connection, as a program sees it: a socket that never waits.

What goes wrong, and in which order a program learns of it, is what Linux does: what
has arrived can still be read behind a reset, the error is told once, and afterwards
there is an end to read and a broken pipe to write to.
"""

from __future__ import annotations

from dataclasses import dataclass
import errno
import os
from typing import Protocol

from comm.sim.host import Host
from comm.sim.network.pipe import Pipe
from comm.sim.network.rules import PacketKind
from comm.sim.world import SECOND


__all__ = ["Buffers", "Endpoint", "Owner"]

_TIMEOUT_NS = 924 * SECOND
"""How long bytes are sent again before the connection is given up: about what Linux
takes with its 15 attempts (`tcp_retries2`)."""


class Owner(Protocol):
    """Who is told what an endpoint has become; always in a step of its host."""

    def readable(self, endpoint: Endpoint) -> None:
        """There is something to receive: bytes, the end, or an error.

        It is told once; and again behind a `receive` that left something, or if
        something comes later.
        """

    def writable(self, endpoint: Endpoint) -> None:
        """There is room again, after `send` had taken less than it was given."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Buffers:
    """What the kernels at both ends of a connection hold.

    Attributes:
        send_bytes: What the writer's kernel takes.
        receive_bytes: What the reader's kernel keeps until it is read.
    """

    send_bytes: int = 256 << 10
    receive_bytes: int = 256 << 10


class Endpoint:
    """One end of a connection.

    Args:
        host: Where it is.
        number: The number of the connection.
        outwards: What it sends.
        inwards: What it receives.
        send_bytes: What its kernel takes of what it sends.

    Attributes:
        owner: Who is told of it; None while nobody is.
        far: The other end.
        timeout_ns: How long bytes are sent again before the connection is given up.
        is_open: Whether the program has not closed it.
        is_gone: Whether its kernel knows the connection no more.
        wants_room: Whether its owner waits to be told that there is room.
    """

    __slots__ = (
        "_error",
        "_inwards",
        "_is_told",
        "_outwards",
        "_send_bytes",
        "far",
        "host",
        "is_gone",
        "is_open",
        "number",
        "owner",
        "timeout_ns",
        "wants_room",
    )

    far: Endpoint

    def __init__(
        self,
        host: Host,
        number: int,
        outwards: Pipe,
        inwards: Pipe,
        send_bytes: int,
    ) -> None:
        self.host = host
        self.number = number
        self.owner: Owner | None = None
        self.timeout_ns = _TIMEOUT_NS
        self.is_open = True
        self.is_gone = False
        self.wants_room = False
        self._outwards = outwards
        self._inwards = inwards
        self._send_bytes = send_bytes
        self._error: OSError | None = None
        self._is_told = False
        outwards.source = inwards.target = self

    # What the program does.

    @property
    def is_readable(self) -> bool:
        """Whether `receive` would return or raise something."""
        inwards = self._inwards
        return bool(inwards.ready) or inwards.has_ended or self.is_gone

    @property
    def queued_bytes(self) -> int:
        """What was sent and has not arrived."""
        return self._outwards.queued_bytes

    def receive(self, limit: int = 256 << 10) -> bytes | None:
        """Returns some bytes, b"" at the end, or None if there is nothing yet.

        Raises:
            OSError: Once, behind the last byte, if the connection broke before the
                other side had ended it.
        """
        self._is_told = False
        inwards = self._inwards
        if inwards.ready:
            data = inwards.take(limit)
            if self.is_readable:
                self.host.call_soon(self._tell_rest)
            return data
        if inwards.has_ended:
            return b""
        self._raise_error()
        return b"" if self.is_gone else None

    def send(self, data: bytes) -> int:
        """Takes as many bytes as there is room for, and returns how many.

        If that is not all, the owner is told when there is room again.

        Raises:
            OSError: If the connection broke, or its direction was ended.
        """
        outwards = self._outwards
        if self.is_gone or outwards.is_closed:
            self._raise_error()
            raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))
        room = self._send_bytes - outwards.queued_bytes
        self.wants_room = len(data) > room
        if self.wants_room:
            data = data[: max(0, room)]
        if data:
            outwards.write(data)
        return len(data)

    def shut(self) -> None:
        """Ends what is sent, behind the last byte; one can still receive.

        Raises:
            OSError: If the connection does not exist any more.
        """
        if self.is_gone:
            raise OSError(errno.ENOTCONN, os.strerror(errno.ENOTCONN))
        self._outwards.finish()

    def close(self) -> None:
        """Closes the socket: what was sent still goes out, unless something that has
        arrived was not read; then the other side is told that it was lost."""
        if self._inwards.ready:
            self.abort()
        elif self._release():
            self._outwards.finish()

    def abort(self) -> None:
        """Closes the socket, drops what was not sent, and resets the connection."""
        if self._release():
            self.is_gone = True
            self._outwards.reset()

    def _release(self) -> bool:
        """The program lets go; returns whether that means something to the kernel."""
        was_open, self.is_open = self.is_open, False
        self.owner = None
        self._inwards.ready.clear()
        return was_open and not self.is_gone

    # What befalls it.

    def refuses(self, kind: PacketKind) -> bool:
        """Tells whether a packet that arrives is answered by a reset.

        Bytes that nobody will read end a connection that was closed; its end is
        merely noted.
        """
        if not self.is_gone and not self.is_open and kind is PacketKind.DATA:
            self.forget()
        return self.is_gone

    def forget(self) -> None:
        """Its kernel knows the connection no more."""
        self.is_gone = True
        self._outwards.abandon()

    def vanish(self) -> None:
        """The machine loses its power: nobody is told."""
        self._release()
        self.forget()

    def silence(self) -> None:
        """Nothing that it sends gets through any more, for as long as it exists."""
        self._outwards.silence()
        self._inwards.mute()

    def handle_end(self) -> None:
        """The other side has ended what it sends."""
        if self._outwards.has_ended:
            self.forget()
            self.far.forget()
        self.tell_readable()

    def handle_reset(self) -> None:
        """The other side says that it does not know the connection any more."""
        if not self.is_gone:
            was_ended = self._inwards.has_ended and not self._outwards.is_closed
            self._break(errno.EPIPE if was_ended else errno.ECONNRESET)

    def handle_timeout(self) -> None:
        """What was sent was not acknowledged for too long."""
        if not self.is_gone:
            self._break(errno.ETIMEDOUT)

    def tell_readable(self) -> None:
        """Lets the owner know that there is something to receive, once."""
        if self.owner is not None and not self._is_told:
            self._is_told = True
            self.host.call(self._tell_readable)

    def tell_writable(self) -> None:
        """Lets the owner know that there is room, or none to hope for, if it waits."""
        if self.wants_room:
            self.wants_room = False
            self.host.call(self._tell_writable)

    def _tell_rest(self) -> None:
        if self.is_readable:
            self.tell_readable()

    def _tell_readable(self) -> None:
        if self.owner is not None:
            self.owner.readable(self)

    def _tell_writable(self) -> None:
        if self.owner is not None:
            self.owner.writable(self)

    def _break(self, code: int) -> None:
        self._error = OSError(code, os.strerror(code))
        self.forget()
        self.tell_readable()
        self.tell_writable()

    def _raise_error(self) -> None:
        if self._error is not None:
            error, self._error = self._error, None
            raise error
