"""Sockets of the simulated network, for scripts."""

from __future__ import annotations

from comm.sim.host import Host
from comm.sim.network import Buffers, Endpoint, Network
from comm.sim.world import MS, World
from tests.sim.socket_scripts import End


ADDRESS = "server:1"
NOBODY = "server:2"

SETTLED_NS = 5 * MS
"""Much longer than anything is under way, much shorter than any pause."""


class SimulatedSockets:
    """A listener on one host, and connections to it from another."""

    def __init__(self, backlog: int) -> None:
        self._world = World()
        client, server = hosts = [Host(self._world, 0), Host(self._world, 1)]
        buffers = Buffers(send_bytes=32 << 10, receive_bytes=32 << 10)
        self._network = Network(self._world, hosts, buffers=buffers)
        self._network.place(server, NOBODY)
        self._client = client
        self._ends: dict[End, Endpoint] = {}
        self._listener = self._network.listen(server, ADDRESS, lambda: None, backlog)

    def connect(self, connection: int) -> None:
        self._ends[connection, False] = self._call(ADDRESS)

    def connect_to_nobody(self) -> None:
        self._call(NOBODY)

    def connect_in_vain(self) -> None:
        self._call(ADDRESS)

    def accept(self) -> int:
        endpoint = self._listener.accept()
        if endpoint is None:
            raise BlockingIOError
        number = next(n for (n, _), end in self._ends.items() if end.far is endpoint)
        self._ends[number, True] = endpoint
        return number

    def unlisten(self) -> None:
        self._listener.close()

    def send(self, end: End, data: bytes) -> int:
        taken = self._ends[end].send(data)
        if not taken:
            raise BlockingIOError
        return taken

    def receive(self, end: End, limit: int) -> bytes:
        data = self._ends[end].receive(limit)
        if data is None:
            raise BlockingIOError
        return data

    def shut(self, end: End) -> None:
        self._ends[end].shut()

    def close(self, end: End) -> None:
        self._ends[end].close()

    def abort(self, end: End) -> None:
        self._ends[end].abort()

    def settle(self) -> None:
        self._world.run_to(self._world.now_ns + SETTLED_NS)

    def wait_for_bytes(self, end: End) -> None:
        del end
        self.settle()

    def wait_for_room(self, end: End) -> None:
        del end
        self.settle()

    def _call(self, address: str) -> Endpoint:
        caller = Caller()
        attempt = self._network.connect(self._client, address, caller)
        self.settle()
        if caller.error is not None:
            raise caller.error
        if caller.endpoint is None:
            attempt.cancel()
            raise BlockingIOError
        return caller.endpoint


class Caller:
    """Who wants a connection, and what it was told."""

    def __init__(self) -> None:
        self.endpoint: Endpoint | None = None
        self.error: OSError | None = None

    def connected(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint

    def connect_failed(self, error: OSError) -> None:
        self.error = error
