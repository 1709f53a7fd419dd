"""Sockets: their options, their files, and what their errors are called."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
import errno
import os
from pathlib import Path
import resource
import socket
import stat

import pytest

from comm.address import Address
from comm.net import SocketNetwork
from comm.net.network import describe
from tests.cluster import eventually
from tests.wires import free_port


class Kept(asyncio.Protocol):
    """A protocol that keeps its transport."""

    transport: asyncio.Transport | None = None
    is_lost = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        self.is_lost = True


def leave_behind(path: Path) -> None:
    """Makes what a process that dies leaves of its Unix socket."""
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(path))


def reno_is_allowed() -> bool:
    """Whether this system lets its users choose the congestion control `reno`."""
    allowed = Path("/proc/sys/net/ipv4/tcp_allowed_congestion_control")
    return allowed.exists() and "reno" in allowed.read_text().split()


def option(transport: asyncio.Transport, number: int, size: int = 16) -> bytes:
    """Reads a TCP option of a connection."""
    sock: socket.socket = transport.get_extra_info("socket")
    return sock.getsockopt(socket.IPPROTO_TCP, number, size)


async def test_tcp_connections_do_not_wait_to_fill_packets() -> None:
    """Both ends of a TCP connection have TCP_NODELAY; on the loopback they do without
    a congestion control that paces, where the system lets them choose."""
    network, address = SocketNetwork(), Address.parse(("127.0.0.1", free_port()))
    near, far = Kept(), Kept()
    listener = await network.listen(address, lambda: far)
    await network.connect(address, lambda: near)
    await eventually(lambda: far.transport)
    may_choose = reno_is_allowed()
    for end in (near, far):
        assert end.transport is not None
        assert option(end.transport, socket.TCP_NODELAY, 4) == b"\1\0\0\0"
        if may_choose:
            chosen = option(end.transport, socket.TCP_CONGESTION)
            assert chosen.rstrip(b"\0") == b"reno"
    assert near.transport is not None
    near.transport.abort()
    await eventually(lambda: near.is_lost and far.is_lost)
    listener.close()


async def test_a_unix_socket_is_private(tmp_path: Path) -> None:
    """Nobody but the owner may connect to a Unix socket, whatever the umask; closing
    removes the file."""
    path = tmp_path / "socket"
    listener = await SocketNetwork().listen(Address.parse(f"unix:{path}"), Kept)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    listener.close()
    assert not path.exists()


async def test_a_stale_unix_socket_is_replaced(tmp_path: Path) -> None:
    """The file that a killed process left behind does not keep its next incarnation
    from listening."""
    path = tmp_path / "socket"
    leave_behind(path)
    address = Address.parse(f"unix:{path}")
    near, far = Kept(), Kept()
    listener = await SocketNetwork().listen(address, lambda: far)
    await SocketNetwork().connect(address, lambda: near)
    assert near.transport is not None
    near.transport.abort()
    await eventually(lambda: far.is_lost)
    listener.close()


async def test_other_files_are_left_alone(tmp_path: Path) -> None:
    """Something at the path that is no socket is not removed."""
    path = tmp_path / "precious"
    path.write_text("data")
    with pytest.raises(OSError, match="in use"):
        await SocketNetwork().listen(Address.parse(f"unix:{path}"), Kept)
    assert path.read_text() == "data"


async def test_the_file_of_a_successor_is_left_alone(tmp_path: Path) -> None:
    """A listener whose file was replaced by another's does not remove that one."""
    path = tmp_path / "socket"
    address = Address.parse(f"unix:{path}")
    first = await SocketNetwork().listen(address, Kept)
    path.unlink()
    second = await SocketNetwork().listen(address, Kept)
    first.close()
    assert path.exists()
    second.close()
    assert not path.exists()


async def test_a_listener_that_is_cancelled_does_not_listen(tmp_path: Path) -> None:
    """Cancelling `listen` at any of its turns leaves no listener."""
    address = Address.parse(f"unix:{tmp_path / 'socket'}")
    for turns in range(5):
        task = asyncio.ensure_future(SocketNetwork().listen(address, Kept))
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        try:
            listener = await task
        except asyncio.CancelledError:
            assert not (tmp_path / "socket").exists()
        else:
            listener.close()


async def test_accepting_survives_a_lack_of_files(tmp_path: Path) -> None:
    """A process that has no file descriptor left accepts again when it has some."""
    problems: list[str] = []
    asyncio.get_running_loop().set_exception_handler(
        lambda _, context: problems.append(str(context["message"]))
    )
    address = Address.parse(f"unix:{tmp_path / 'socket'}")
    near, far = Kept(), Kept()
    listener = await SocketNetwork().listen(address, lambda: far)
    with no_files_left(but=1):
        await SocketNetwork().connect(address, lambda: near)
        await eventually(lambda: problems)
        assert far.transport is None
    await eventually(lambda: far.transport)
    assert near.transport is not None
    near.transport.abort()
    await eventually(lambda: far.is_lost)
    listener.close()


@contextmanager
def no_files_left(but: int) -> Iterator[None]:
    """Uses up all file descriptors, but for so many."""
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, limits[1]))
    held: list[int] = []
    try:
        while True:
            held.append(os.dup(0))
    except OSError:
        pass
    try:
        for _ in range(but):
            os.close(held.pop())
        yield
    finally:
        for each in held:
            os.close(each)
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (ConnectionRefusedError(errno.ECONNREFUSED, "x"), "connection refused"),
        (FileNotFoundError(errno.ENOENT, "x"), "nobody listens there: the socket's"),
        (
            socket.gaierror(socket.EAI_NONAME, "not known"),
            "name resolution failed: not",
        ),
        (OSError("several"), "several"),
        (OSError(), "OSError"),
    ],
)
def test_errors_have_words(error: OSError, text: str) -> None:
    """The reason of a failed connection is in words, without numbers or tuples."""
    assert describe(error).startswith(text)
