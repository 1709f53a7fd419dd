"""`Network`: hosts that connect to one another by their addresses."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from itertools import permutations

from comm.sim.host import Host
from comm.sim.network.connecting import Attempt, Dialler
from comm.sim.network.endpoint import Buffers, Endpoint
from comm.sim.network.path import Conditions, Path
from comm.sim.network.pipe import Pipe
from comm.sim.network.rules import Rules
from comm.sim.world import World


__all__ = ["Listener", "Network"]


class Listener:
    """An address at which connections are accepted.

    Args:
        network: The network.
        host: The host that listens.
        address: Where.
        ready: Called in a step of the host when there is something to accept.
        backlog: How many connections may wait to be accepted, as `listen` takes it.
    """

    __slots__ = ("_network", "_ready", "_waiting", "address", "backlog", "host")

    def __init__(
        self,
        network: Network,
        host: Host,
        address: str,
        ready: Callable[[], None],
        backlog: int,
    ) -> None:
        self.host = host
        self.address = address
        self.backlog = backlog
        self._network = network
        self._ready = ready
        self._waiting: deque[Endpoint] = deque()

    @property
    def is_full(self) -> bool:
        """Whether no more connections may wait: as in Linux, one more than asked."""
        return len(self._waiting) > self.backlog

    @property
    def waiting(self) -> int:
        """How many connections wait to be accepted."""
        return len(self._waiting)

    def queue(self, endpoint: Endpoint) -> None:
        """A connection has come in."""
        self._waiting.append(endpoint)
        self.host.call(self._ready)

    def accept(self) -> Endpoint | None:
        """Returns the next connection; None if there is none."""
        return self._waiting.popleft() if self._waiting else None

    def close(self) -> None:
        """Listens no more; what was not accepted is reset."""
        self._network.unlisten(self)
        while self._waiting:
            self._waiting.popleft().abort()


class Network:
    """All hosts, and the paths between them.

    Args:
        world: The world.
        hosts: The hosts.
        conditions: What every path is like at the beginning.
        buffers: What the kernels hold.

    Attributes:
        rules: The verdicts on single packets.
        buffers: What the kernels of connections that are made from now on hold.
        unresolvable: The hosts that cannot resolve names, by index.
        refusing: The hosts that refuse connections although they listen, by index.
        swallowing: The hosts that do not answer to connections, by index.
        backlogs: How many connections may wait at a host, if fewer than it wants.
        made: How many connections were made.
    """

    def __init__(
        self,
        world: World,
        hosts: list[Host],
        conditions: Conditions | None = None,
        buffers: Buffers | None = None,
    ) -> None:
        self.world = world
        self.rules = Rules()
        self.buffers = buffers or Buffers()
        self.unresolvable: dict[int, int] = {}
        self.refusing: dict[int, int] = {}
        self.swallowing: dict[int, int] = {}
        self.backlogs: dict[int, int] = {}
        self.made = 0
        self._hosts: list[Host] = []
        self._conditions = conditions or Conditions()
        self._places: dict[str, Host] = {}
        self._listeners: dict[str, Listener] = {}
        self._paths: dict[tuple[int, int], Path] = {}
        self._connections: dict[int, tuple[Endpoint, Endpoint]] = {}
        for host in hosts:
            self.add(host)

    def add(self, host: Host) -> None:
        """Adds a host, whose paths are like those of the others at the beginning."""
        self._hosts.append(host)
        for other in self._hosts:
            for a, b in dict.fromkeys(permutations((host.index, other.index))):
                path = Path(self.world, f"{a}>{b}", self._conditions)
                self._paths[a, b] = path

    def path(self, source: int, target: int) -> Path:
        """Returns the way from one host to another, by their indices."""
        return self._paths[source, target]

    @property
    def paths(self) -> tuple[Path, ...]:
        """All ways."""
        return tuple(self._paths.values())

    @property
    def ways(self) -> tuple[tuple[tuple[int, int], Path], ...]:
        """All ways, each with the indices of the host it comes from and goes to."""
        return tuple(self._paths.items())

    def place(self, host: Host, address: str) -> None:
        """Says at which host an address is, whether it listens there or not."""
        self._places[address] = host

    def host_at(self, address: str) -> Host | None:
        """Returns the host that an address leads to; None if it leads nowhere."""
        return self._places.get(address)

    def listen(
        self,
        host: Host,
        address: str,
        ready: Callable[[], None],
        backlog: int = 1024,
    ) -> Listener:
        """Accepts connections at an address of a host."""
        self.place(host, address)
        listener = Listener(self, host, address, ready, backlog)
        self._listeners[address] = listener
        return listener

    def unlisten(self, listener: Listener) -> None:
        """Accepts no more connections there."""
        if self._listeners.get(listener.address) is listener:
            del self._listeners[listener.address]

    def listener_at(self, address: str) -> Listener | None:
        """Returns who listens at an address; None if nobody does."""
        return self._listeners.get(address)

    def connect(
        self,
        host: Host,
        address: str,
        dialler: Dialler,
        timeout_ns: int | None = None,
    ) -> Attempt:
        """Begins a connection from a host to an address."""
        return Attempt(self, host, address, dialler, timeout_ns)

    def join(self, client: Host, server: Host) -> tuple[Endpoint, Endpoint]:
        """Makes a connection between two hosts, and returns its two ends."""
        self._prune()
        self.made += 1
        forth = self.path(client.index, server.index)
        back = self.path(server.index, client.index)
        receive_bytes, send_bytes = self.buffers.receive_bytes, self.buffers.send_bytes
        there = Pipe(self.world, self.rules, forth, back, receive_bytes)
        home = Pipe(self.world, self.rules, back, forth, receive_bytes)
        near = Endpoint(client, self.made, there, home, send_bytes)
        far = Endpoint(server, self.made, home, there, send_bytes)
        near.far, far.far = far, near
        self._connections[self.made] = (near, far)
        return near, far

    def between(self, first: int, second: int) -> list[tuple[Endpoint, Endpoint]]:
        """Returns the connections between two hosts that either of them still has."""
        return [
            ends
            for ends in self._connections.values()
            if {ends[0].host.index, ends[1].host.index} == {first, second}
            and not all(end.is_gone for end in ends)
        ]

    def ends_at(self, host: Host) -> list[Endpoint]:
        """Returns the ends of connections that a host has."""
        return [
            end
            for ends in self._connections.values()
            for end in ends
            if end.host is host and not end.is_gone
        ]

    def host_died(self, host: Host, *, dark: bool) -> None:
        """The process of a host is gone: its sockets are closed, or just vanish."""
        for listener in list(self._listeners.values()):
            if listener.host is host:
                if dark:
                    self.unlisten(listener)
                else:
                    listener.close()
        for end in self.ends_at(host):
            if dark:
                end.vanish()
            else:
                end.close()

    def _prune(self) -> None:
        done = [
            number
            for number, ends in self._connections.items()
            if all(end.is_gone and not end.is_open for end in ends)
        ]
        for number in done:
            del self._connections[number]
