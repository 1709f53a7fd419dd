"""The seam between the driver and the network: `Network`, and its form on sockets."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
import errno
import os
import socket
import stat
from typing import Protocol

from comm.address import Address


__all__ = [
    "Listener",
    "Network",
    "ProtocolFactory",
    "SocketNetwork",
    "cut",
    "describe",
    "end_writing",
    "tune",
]

ProtocolFactory = Callable[[], asyncio.Protocol]

_BACKLOG = 1024
"""A whole cluster may dial at the same moment; a dropped SYN costs a second."""

_ACCEPTED_AT_ONCE = 16
"""In one turn of the loop, so that those accepted before are heard in between: each
waits as half open, and of those there is a limit."""


class Listener(Protocol):
    """Something that accepts connections."""

    def close(self) -> None:
        """Stops accepting, at once; connections that were accepted live on."""


class Network(Protocol):
    """What the driver needs of a network. Failures are raised as `OSError`."""

    async def connect(self, address: Address, factory: ProtocolFactory) -> None:
        """Connects to the address; the protocol's `connection_made` is called.

        Cancellation closes whatever was opened.
        """

    async def listen(self, address: Address, factory: ProtocolFactory) -> Listener:
        """Accepts connections at the address, each with a protocol of its own."""
        ...


class SocketNetwork:
    """TCP and Unix sockets of this machine."""

    __slots__ = ()

    async def connect(self, address: Address, factory: ProtocolFactory) -> None:
        """Connects a socket to the address."""
        loop = asyncio.get_running_loop()
        if address.is_unix:
            await loop.create_unix_connection(factory, address.path)
            return
        transport, _ = await loop.create_connection(factory, address.host, address.port)
        tune(transport.get_extra_info("socket"), is_loopback=address.is_loopback)

    async def listen(self, address: Address, factory: ProtocolFactory) -> Listener:
        """Listens at the address.

        A Unix socket gets the permissions 0600. One that a process left behind when
        it died is replaced; one at which somebody listens is not.
        """
        loop = asyncio.get_running_loop()
        if address.is_unix:
            server = await loop.create_unix_server(
                factory,
                sock=_bind_unix(address.path),
                backlog=_ACCEPTED_AT_ONCE,
                start_serving=False,
            )
            listener: Listener = _UnixListener(server, address.path)
        else:
            server = await loop.create_server(
                factory,
                address.host,
                address.port,
                backlog=_ACCEPTED_AT_ONCE,
                reuse_address=True,
                start_serving=False,
            )
            listener = server
            for listening in server.sockets:
                # Connections that are accepted inherit the options of the listener.
                tune(listening, is_loopback=address.is_loopback)
        try:
            await server.start_serving()
            for listening in server.sockets:
                _queue_more(listening)
        except BaseException:
            listener.close()
            raise
        return listener


class _UnixListener:
    """A Unix server that takes its file with it, unless another has taken its place."""

    def __init__(self, server: asyncio.Server, path: str) -> None:
        self._server = server
        self._path = path
        self._file = _file_identity(path)

    def close(self) -> None:
        """Stops accepting and removes the file."""
        is_ours = self._file is not None and _file_identity(self._path) == self._file
        self._server.close()
        if is_ours:
            _remove(self._path)


def tune(tuned: socket.socket | None, *, is_loopback: bool) -> None:
    """Sets the options that a TCP connection of ours should have.

    Args:
        tuned: What a transport calls its "socket"; may be None.
        is_loopback: Whether the connection stays on this machine.
    """
    if tuned is None:
        return
    _set_option(tuned, socket.TCP_NODELAY, 1)
    if is_loopback and hasattr(socket, "TCP_CONGESTION"):
        # Algorithms that pace, as bbr does, lose most of the loopback's bandwidth.
        _set_option(tuned, socket.TCP_CONGESTION, b"reno")


def end_writing(transport: asyncio.WriteTransport) -> None:
    """Ends our direction once all is written, or closes where there is but one."""
    try:
        if transport.can_write_eof():
            transport.write_eof()
        else:
            transport.close()
    except OSError:
        # The other side has reset the connection, and the loop has yet to notice.
        cut(transport)


def cut(transport: asyncio.WriteTransport) -> None:
    """Closes a transport at once, even one whose connection is gone already."""
    # Python's own transports raise then, if they had something to write when closed.
    with suppress(AttributeError):
        transport.abort()


def _set_option(tuned: socket.socket, option: int, value: int | bytes) -> None:
    try:
        tuned.setsockopt(socket.IPPROTO_TCP, option, value)
    except OSError:
        # The system does not allow or know it; the connection works without.
        return


def describe(error: OSError) -> str:
    """Returns why a connection failed, in words that name no internals."""
    if isinstance(error, socket.gaierror):
        return f"name resolution failed: {error.strerror}"
    if error.errno == errno.ENOENT:
        return "nobody listens there: the socket's file does not exist"
    if error.errno is not None and error.errno > 0:
        return os.strerror(error.errno).lower()
    return str(error) or type(error).__name__


def _queue_more(listening: socket.socket) -> None:
    """Lets more connections wait to be accepted than asyncio would."""
    with listening.dup() as twin:
        twin.listen(_BACKLOG)


def _bind_unix(path: str) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        listener.setblocking(False)  # noqa: FBT003 - its only form
        try:
            listener.bind(path)
        except OSError as error:
            if error.errno != errno.EADDRINUSE or not _is_stale(path):
                raise
            _remove(path)
            listener.bind(path)
        # Nobody can connect before `listen`, so that there is no unguarded moment.
        os.chmod(path, 0o600)
    except BaseException:
        listener.close()
        raise
    return listener


def _is_stale(path: str) -> bool:
    """Whether the path is a socket at which nobody listens."""
    try:
        if not stat.S_ISSOCK(os.stat(path).st_mode):
            return False
    except FileNotFoundError:
        return True
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)  # noqa: FBT003 - its only form
        result = probe.connect_ex(path)
    return result in {errno.ECONNREFUSED, errno.ENOENT}


def _file_identity(path: str) -> tuple[int, int] | None:
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _remove(path: str) -> None:
    try:
        os.unlink(path)
    except FileNotFoundError:
        return
