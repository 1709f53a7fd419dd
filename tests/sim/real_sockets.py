"""Real sockets on the loopback interface, for scripts."""

from __future__ import annotations

import errno
from fcntl import ioctl
import select
import socket
import struct
from termios import FIONREAD
from time import monotonic
from typing import Self

from tests.sim.socket_scripts import End, far


PATIENCE_S = 5.0
"""How long to wait for what must come about; it takes microseconds."""

BRIEFLY_S = 0.01
"""How long to wait for what need not come about."""

CLOSE, CLOSE_WAIT, LAST_ACK, CLOSING, TIME_WAIT = 7, 8, 9, 11, 6

HAS_HEARD = (CLOSE, CLOSE_WAIT, LAST_ACK, CLOSING, TIME_WAIT)
"""The states of a socket that knows of the end of the other side."""

NOT_SENT_AT = 144
"""Where `tcpi_notsent_bytes` is in the kernel's `struct tcp_info`."""


class RealEnd:
    """One end, and what must still come to it."""

    def __init__(self, made: socket.socket) -> None:
        self.socket = made
        self.name = made.getsockname()
        self.sent = 0
        self.received = 0
        self.is_shut = False
        self.is_closed = False
        self.expects_reset = False

    def __str__(self) -> str:
        return f"in state {self.state()} with {self.unread_bytes()} bytes unread"

    def state(self) -> int:
        return self.socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0]

    def unread_bytes(self) -> int:
        (count,) = struct.unpack("i", ioctl(self.socket, FIONREAD, bytes(4)))
        return int(count)

    def unsent_bytes(self) -> int:
        info = self.socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 256)
        (count,) = struct.unpack_from("I", info, NOT_SENT_AT)
        return int(count)

    def close(self) -> None:
        self.socket.close()
        self.is_closed = True

    def is_settled(self, other: RealEnd | None) -> bool:
        """Whether everything that the other end did has come to this one."""
        state = self.state()
        if state == CLOSE:
            return True
        if self.expects_reset:
            return False
        if other is None:
            # It waits to be accepted. What has left arrives before whatever follows.
            return self.unsent_bytes() == 0
        # Where both have ended, it is not over before this one is closed.
        has_heard = state in HAS_HEARD and not self.is_shut
        if (other.is_closed or other.is_shut) and not has_heard:
            return False
        return self.unread_bytes() + self.received == other.sent


class RealSockets:
    """A listener, and connections to it.

    Args:
        backlog: How many connections may wait to be accepted.
        has_small_buffers: Whether buffers are small enough to be filled at once.
    """

    def __init__(self, backlog: int, *, has_small_buffers: bool) -> None:
        self._has_small_buffers = has_small_buffers
        self._ends: dict[End, RealEnd] = {}
        self._listener = self._make()
        self._listener.bind(("127.0.0.1", 0))
        self._listener.listen(backlog)
        self._address = self._listener.getsockname()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.close()
        for end in self._ends.values():
            end.socket.close()

    def connect(self, connection: int) -> None:
        client = self._call(self._address, PATIENCE_S)
        self._ends[connection, False] = RealEnd(client)

    def connect_to_nobody(self) -> None:
        with self._make() as reserved:
            reserved.bind(("127.0.0.1", 0))
            self._call(reserved.getsockname(), PATIENCE_S)

    def connect_in_vain(self) -> None:
        self._call(self._address, BRIEFLY_S)

    def accept(self) -> int:
        if any(far(end) not in self._ends for end in self._ends):
            assert _poll(self._listener, select.POLLIN, PATIENCE_S)
        server, address = self._listener.accept()
        self._prepare(server)
        number = next(n for (n, _), end in self._ends.items() if end.name == address)
        self._ends[number, True] = RealEnd(server)
        self._settle((number, True))
        return number

    def unlisten(self) -> None:
        self._listener.close()
        for end, near in self._ends.items():
            near.expects_reset |= far(end) not in self._ends

    def send(self, end: End, data: bytes) -> int:
        near, other = self._ends[end], self._ends.get(far(end))
        taken = near.socket.send(data)
        near.sent += taken
        near.expects_reset |= other is not None and other.is_closed
        return taken

    def receive(self, end: End, limit: int) -> bytes:
        data = self._ends[end].socket.recv(limit)
        self._ends[end].received += len(data)
        return data

    def shut(self, end: End) -> None:
        self._ends[end].socket.shutdown(socket.SHUT_WR)
        self._ends[end].is_shut = True

    def close(self, end: End) -> None:
        near, other = self._ends[end], self._ends.get(far(end))
        if other is not None and near.unread_bytes():
            other.expects_reset = True
        near.close()

    def abort(self, end: End) -> None:
        near, other = self._ends[end], self._ends.get(far(end))
        linger = struct.pack("ii", 1, 0)
        near.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        near.close()
        if other is not None:
            other.expects_reset = True

    def settle(self) -> None:
        for end in self._ends:
            self._settle(end)

    def wait_for_bytes(self, end: End) -> None:
        assert _poll(self._ends[end].socket, select.POLLIN, PATIENCE_S)

    def wait_for_room(self, end: End) -> None:
        _poll(self._ends[end].socket, select.POLLOUT, BRIEFLY_S)

    def _settle(self, end: End) -> None:
        near, other = self._ends[end], self._ends.get(far(end))
        deadline_s = monotonic() + PATIENCE_S
        while not near.is_closed and not near.is_settled(other):
            assert monotonic() < deadline_s, f"{end} does not settle: {near}"

    def _call(self, address: tuple[str, int], patience_s: float) -> socket.socket:
        client = self._make()
        code = client.connect_ex(address)
        if code == errno.EINPROGRESS and _poll(client, select.POLLOUT, patience_s):
            code = client.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if code:
            client.close()
            raise OSError(code, "connect")
        return client

    def _make(self) -> socket.socket:
        made = socket.socket()
        if self._has_small_buffers:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16 << 10)
            made.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 16 << 10)
        self._prepare(made)
        return made

    def _prepare(self, made: socket.socket) -> None:
        made.setblocking(False)
        # Or the second of two short sends waits for the first to be acknowledged.
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def _poll(made: socket.socket, events: int, patience_s: float) -> bool:
    poll = select.poll()
    poll.register(made, events)
    return bool(poll.poll(patience_s * 1000))
