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
        """There is something to receive: bytes, the end, or an error."""

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
    """

    __slots__ = (
        "_error",
        "_inwards",
        "_is_closed",
        "_is_told",
        "_outwards",
        "_send_bytes",
        "_wants_room",
        "far",
        "host",
        "is_gone",
        "number",
        "owner",
        "timeout_ns",
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
        # Whether its kernel knows the connection no more.
        self.is_gone = False
        self._outwards = outwards
        self._inwards = inwards
        self._send_bytes = send_bytes
        self._error: OSError | None = None
        self._is_closed = False
        self._is_told = False
        self._wants_room = False
        outwards.source = inwards.target = self

    # What the program does.

    @property
    def is_open(self) -> bool:
        """Whether the program has not closed it."""
        return not self._is_closed

    @property
    def is_readable(self) -> bool:
        """Whether `receive` would return or raise something."""
        return bool(self._inwards.ready_bytes or self._inwards.has_ended or self._error)

    @property
    def queued_bytes(self) -> int:
        """What was sent and has not arrived."""
        return self._outwards.queued_bytes

    def receive(self, limit: int = 256 << 10) -> bytes | None:
        """Returns some bytes, b"" at the end, or None if there is nothing yet.

        Raises:
            OSError: Once, behind the last byte, if the connection broke.
        """
        self._is_told = False
        data = self._inwards.take(limit)
        if data:
            return data
        self._raise_error()
        return b"" if self._inwards.has_ended else None

    def send(self, data: bytes) -> int:
        """Takes as many bytes as there is room for, and returns how many.

        If that is not all, the owner is told when there is room again.

        Raises:
            OSError: If the connection broke, or its direction was ended.
        """
        self._raise_error()
        if self.is_gone or self._outwards.is_closed:
            raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))
        size = max(0, min(len(data), self._send_bytes - self._outwards.queued_bytes))
        self._wants_room = size < len(data)
        if size:
            self._outwards.write(data[:size])
        return size

    def shut(self) -> None:
        """Ends what is sent, behind the last byte; one can still receive."""
        if not self.is_gone:
            self._outwards.finish()

    def close(self) -> None:
        """Closes the socket: what was sent still goes out, unless something that has
        arrived was not read; then the other side is told that it was lost."""
        if self._is_closed:
            return
        self._is_closed = True
        self.owner = None
        if self.is_gone:
            return
        if self._inwards.ready_bytes:
            self._inwards.drop_ready()
            self._reset()
        else:
            self._outwards.finish()

    def abort(self) -> None:
        """Closes the socket, drops what was not sent, and resets the connection."""
        if self._is_closed:
            return
        self._is_closed = True
        self.owner = None
        if not self.is_gone:
            self._reset()

    # What befalls it.

    def refuses(self, kind: PacketKind) -> bool:
        """Tells whether a packet that arrives is answered by a reset.

        Bytes that nobody will read end a connection that was closed; its end is
        merely noted.
        """
        if not self.is_gone and self._is_closed and kind is PacketKind.DATA:
            self._outwards.abandon()
            self.is_gone = True
        return self.is_gone

    def vanish(self) -> None:
        """The machine loses its power: nobody is told."""
        self.is_gone = self._is_closed = True
        self.owner = None
        self._outwards.abandon()

    def silence(self) -> None:
        """Nothing that it sends gets through any more, for as long as it exists."""
        self._outwards.silence()

    def handle_reset(self) -> None:
        """The other side says that it does not know the connection any more."""
        if self.is_gone:
            return
        code = errno.EPIPE if self._inwards.has_ended else errno.ECONNRESET
        self._break(code)

    def handle_timeout(self) -> None:
        """What was sent was not acknowledged for too long."""
        if not self.is_gone:
            self._break(errno.ETIMEDOUT)

    def tell_readable(self) -> None:
        """Lets the owner know that there is something to receive, once."""
        if self.owner is not None and not self._is_told:
            self._is_told = True
            self.host.call(self._tell, "readable")

    def tell_writable(self) -> None:
        """Lets the owner know that there is room, if it wanted some."""
        if self._wants_room and self._outwards.queued_bytes < self._send_bytes:
            self._wants_room = False
            self.host.call(self._tell, "writable")

    def _tell(self, verb: str) -> None:
        if self.owner is not None:
            getattr(self.owner, verb)(self)

    def _break(self, code: int) -> None:
        self.is_gone = True
        self._error = OSError(code, os.strerror(code))
        self._outwards.abandon()
        self._inwards.has_ended = True
        self.tell_readable()
        if self._wants_room:
            self._wants_room = False
            self.host.call(self._tell, "writable")

    def _reset(self) -> None:
        self._outwards.reset()
        self.is_gone = True

    def _raise_error(self) -> None:
        if self._error is not None:
            error, self._error = self._error, None
            raise error
