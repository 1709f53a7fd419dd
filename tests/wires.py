"""The transports that a cluster of the test suites can run over.

Most are the same arrangement on another network: in front of every node stands a proxy,
at the address that the list of nodes has for it. Over Unix sockets and TCP the node
itself does not listen: a listener of the caller does, behind the proxy, and hands each
connection over, as a program with one port for several protocols would. In memory the
node listens by itself. The simulated network needs no proxy: see `tests.simwire`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from contextlib import AbstractAsyncContextManager, suppress
import errno
from functools import partial
import itertools
import os
from pathlib import Path
import shutil
import socket
import tempfile
from typing import Any

import comm
from comm import Address, Config, Switchboard
from comm.net.memory import MemoryNetwork
from comm.net.network import Listener, Network, ProtocolFactory, SocketNetwork
from comm.protocol import Connection, Hello, Kind
from tests.cluster import (
    FAST,
    Cluster,
    ClusterFactory,
    Wire,
    eventually,
    run_cluster,
)
from tests.proxy import Direction, ProxiedLink, Proxy
from tests.simwire import SimWire, new_virtual_loop
from tests.streams import connect_streams


__all__ = [
    "FACTORIES",
    "MemoryWire",
    "ProxyWire",
    "SocketWire",
    "free_port",
    "simulated",
]

_HELLO_BYTES_MAX = 4096
_WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:]) % 8
_PORTS = range(12_000 + 2_500 * _WORKER, 14_500 + 2_500 * _WORKER)
"""Other workers have others, and a system takes those of outgoing connections above."""

_ports = itertools.cycle(_PORTS)
for _ in range(os.getpid() % len(_PORTS)):
    next(_ports)


def free_port() -> int:
    """Returns a loopback port that nothing listens at, and no other test is given."""
    for port in _ports:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError as error:
                if error.errno != errno.EADDRINUSE:
                    raise
            else:
                return port
    raise AssertionError("an endless cycle has ended")


def read_hello(head: bytes) -> Hello | None:
    """Returns the hello with which a connection begins, once it is all there."""
    connection = Connection(
        frame_bytes_max=_HELLO_BYTES_MAX, handshake_bytes_max=_HELLO_BYTES_MAX
    )
    connection.receive_data(head)
    with suppress(comm.ProtocolError):
        frame = connection.next_frame()
        if frame is not None and frame.kind == Kind.HELLO:
            return Hello.decode(frame.payload)
    return None


class ProxyWire:
    """A proxy in front of every node; see `tests.cluster.Wire` for the methods."""

    transport = ""
    listens = False

    def __init__(
        self, network: Network, addresses: list[tuple[Address, Address]]
    ) -> None:
        self._network = network
        self._proxies = [
            Proxy(network, front, back, inspect=self._inspect)
            for front, back in addresses
        ]
        self._hellos: dict[ProxiedLink, Hello] = {}
        # Pairs of nodes, of which the second hears nothing of the first.
        self._stalled: set[tuple[int, int]] = set()
        self._felled: set[bytes] = set()

    @property
    def nodes(self) -> list[str]:
        return [str(proxy.front) for proxy in self._proxies]

    def proxy(self, node_id: int) -> Proxy:
        """Returns the proxy in front of a node."""
        return self._proxies[node_id]

    async def aclose(self) -> None:
        for node_id in range(len(self._proxies)):
            await self.detach(node_id)
        for proxy in self._proxies:
            await proxy.aclose()

    def options(self, node_id: int) -> dict[str, Any]:
        del node_id
        return {"network": self._network}

    async def attach(self, board: Switchboard) -> None:
        await self._proxies[board.node_id].open()

    async def detach(self, node_id: int) -> None:
        self._proxies[node_id].close()

    async def fell(self, board: Switchboard) -> None:
        self._felled.add(board.incarnation)
        await self.detach(board.node_id)
        for link, hello in list(self._hellos.items()):
            if hello.incarnation == board.incarnation:
                link.cut()

    async def cut(self, a: int, b: int) -> None:
        for link in self._between(a, b):
            link.cut()

    def stall(self, a: int, b: int, *, one_way: bool = False) -> None:
        self._stalled |= {(a, b)} if one_way else {(a, b), (b, a)}
        for link in self._between(a, b):
            self._apply_stalls(link, self._hellos[link])

    def resume(self, a: int, b: int) -> None:
        self._stalled -= {(a, b), (b, a)}
        for link in self._between(a, b):
            link.resume()

    def limit(self, bytes_per_s: float | None) -> None:
        for proxy in self._proxies:
            proxy.bytes_per_s = bytes_per_s

    def count(self) -> int:
        return sum(proxy.opened for proxy in self._proxies)

    async def connect_raw(
        self, node_id: int
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await connect_streams(self._network, self._proxies[node_id].front)

    def _between(self, a: int, b: int) -> list[ProxiedLink]:
        return [
            link
            for link, hello in self._hellos.items()
            if {hello.node_id, hello.peer_id} == {a, b} and not link.is_cut
        ]

    def _inspect(self, link: ProxiedLink) -> None:
        if link in self._hellos:
            return
        for old in [old for old in self._hellos if old.is_cut]:
            del self._hellos[old]
        hello = read_hello(link.head)
        if hello is None:
            return
        self._hellos[link] = hello
        if hello.incarnation in self._felled:
            link.cut()
        else:
            self._apply_stalls(link, hello)

    def _apply_stalls(self, link: ProxiedLink, hello: Hello) -> None:
        if (hello.node_id, hello.peer_id) in self._stalled:
            link.stall(Direction.FORWARD)
        if (hello.peer_id, hello.node_id) in self._stalled:
            link.stall(Direction.BACKWARD)


class SocketWire(ProxyWire):
    """Unix sockets, or TCP over the loopback."""

    def __init__(self, transport: str, nodes: int) -> None:
        self.transport = transport
        self._folder = Path(tempfile.mkdtemp(prefix="comm-"))
        self._listeners: dict[int, tuple[asyncio.Server, _Serving]] = {}
        addresses = [
            (self._address(f"{i}"), self._address(f"{i}b")) for i in range(nodes)
        ]
        super().__init__(SocketNetwork(), addresses)

    def _address(self, name: str) -> Address:
        if self.transport == "unix":
            return Address.parse(f"unix:{self._folder / name}")
        return Address.parse(("127.0.0.1", free_port()))

    async def aclose(self) -> None:
        await super().aclose()
        shutil.rmtree(self._folder)

    async def attach(self, board: Switchboard) -> None:
        back = self.proxy(board.node_id).back
        serving = _Serving(board)
        if back.is_unix:
            listener = await asyncio.start_unix_server(serving.handle, back.path)
        else:
            listener = await asyncio.start_server(serving.handle, back.host, back.port)
        self._listeners[board.node_id] = listener, serving
        await super().attach(board)

    async def detach(self, node_id: int) -> None:
        proxy = self.proxy(node_id)
        await proxy.aclose()
        if node_id in self._listeners:
            listener, serving = self._listeners.pop(node_id)
            # What is still in the listener's backlog would be left to the collector.
            await eventually(lambda: serving.begun == proxy.connected)
            await eventually(lambda: not serving.now)
            listener.close()
            proxy.connected = 0


class _Serving:
    """Hands the connections of a caller's own listener over to a switchboard.

    Attributes:
        begun: How many connections were accepted.
        now: How many of them have not ended.
    """

    def __init__(self, board: Switchboard) -> None:
        self.begun = 0
        self.now = 0
        self._board = board

    async def handle(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """Serves one connection until it is closed."""
        self.begun += 1
        self.now += 1
        try:
            await self._board.handle_connection(reader, writer)
        finally:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()
            self.now -= 1


class MemoryWire(ProxyWire):
    """No sockets at all; addresses are mere names."""

    transport = "memory"
    listens = True

    def __init__(self, nodes: int) -> None:
        addresses = [
            (Address("localhost", 1 + 2 * i), Address("localhost", 2 + 2 * i))
            for i in range(nodes)
        ]
        super().__init__(MemoryNetwork(), addresses)

    def options(self, node_id: int) -> dict[str, Any]:
        back = self.proxy(node_id).back
        return {"network": _ListeningElsewhere(self._network, back)}


class _ListeningElsewhere:
    """A network on which a node listens at another address than the one it knows."""

    def __init__(self, network: Network, back: Address) -> None:
        self._network = network
        self._back = back

    async def connect(self, address: Address, factory: ProtocolFactory) -> None:
        await self._network.connect(address, factory)

    async def listen(self, address: Address, factory: ProtocolFactory) -> Listener:
        del address
        return await self._network.listen(self._back, factory)


class _Factory:
    def __init__(
        self,
        transport: str,
        make_wire: Callable[[int], Wire],
        make_loop: Callable[[], asyncio.AbstractEventLoop] = asyncio.new_event_loop,
    ) -> None:
        self.transport = transport
        self._make_wire = make_wire
        self._make_loop = make_loop

    def new_event_loop(self) -> asyncio.AbstractEventLoop:
        return self._make_loop()

    def __call__(
        self,
        nodes: int = 2,
        *,
        config: Config = FAST,
        start: Collection[int] | None = None,
    ) -> AbstractAsyncContextManager[Cluster]:
        return run_cluster(self._make_wire(nodes), nodes, config, start)


def simulated(seed: int) -> ClusterFactory:
    """Returns what makes clusters in a simulated world."""
    return _Factory("sim", SimWire, partial(new_virtual_loop, seed))


FACTORIES: dict[str, ClusterFactory] = {
    "memory": _Factory("memory", MemoryWire),
    "sim": simulated(0),
    "tcp": _Factory("tcp", lambda nodes: SocketWire("tcp", nodes)),
    "unix": _Factory("unix", lambda nodes: SocketWire("unix", nodes)),
}
