"""Two hosts with a network between them, and programs that note what they are told."""

from __future__ import annotations

from comm.sim.choices import Choices, Seeded
from comm.sim.host import Host
from comm.sim.network import Attempt, Buffers, Conditions, Endpoint, Network, Path
from comm.sim.world import US, World


LATENCY_NS = 100 * US
ADDRESS = "server:1"


class Program:
    """Owns an endpoint; receives at once whatever comes, unless it is to wait."""

    def __init__(self, *, receives: bool = True) -> None:
        self.told: list[str] = []
        self.reads: list[bytes] = []
        self.error: OSError | None = None
        self.pending = b""
        self._receives = receives

    @property
    def received(self) -> bytes:
        return b"".join(self.reads)

    @property
    def has_ended(self) -> bool:
        return b"" in self.reads

    def readable(self, endpoint: Endpoint) -> None:
        self.told.append("readable")
        if self._receives:
            self.receive(endpoint)

    def writable(self, endpoint: Endpoint) -> None:
        self.told.append("writable")
        self.write(endpoint, b"")

    def write(self, endpoint: Endpoint, data: bytes) -> None:
        """Sends, now or when there is room."""
        self.pending += data
        if not self.pending:
            return
        try:
            self.pending = self.pending[endpoint.send(self.pending) :]
        except OSError as error:
            self._break(error)

    def receive(self, endpoint: Endpoint) -> None:
        try:
            data = endpoint.receive()
        except OSError as error:
            self._break(error)
            return
        if data is not None:
            self.reads.append(data)

    def _break(self, error: OSError) -> None:
        self.error = self.error or error
        self.pending = b""


class Caller:
    """Wants a connection, and notes what it is told, and when."""

    def __init__(self, world: World) -> None:
        self.endpoint: Endpoint | None = None
        self.error: OSError | None = None
        self.told_ns: list[int] = []
        self._world = world

    def connected(self, endpoint: Endpoint) -> None:
        self.told_ns.append(self._world.now_ns)
        self.endpoint = endpoint

    def connect_failed(self, error: OSError) -> None:
        self.told_ns.append(self._world.now_ns)
        self.error = error


class Wire:
    """A client, a server, and one connection between them, made already.

    Args:
        conditions: What both ways are like.
        buffers: What the kernels hold.
        choices: Where draws come from.
        receives: Whether the programs at the ends receive by themselves.

    Attributes:
        near: The client's end.
        far: The server's end.
        client: The program at the near end.
        server: The program at the far end.
    """

    def __init__(
        self,
        conditions: Conditions | None = None,
        buffers: Buffers | None = None,
        choices: Choices | None = None,
        *,
        receives: bool = True,
    ) -> None:
        self.world = World(choices or Seeded(1))
        self.hosts = [Host(self.world, 0), Host(self.world, 1)]
        self.network = Network(self.world, self.hosts, conditions, buffers)
        self.near, self.far = self.network.join(*self.hosts)
        self.client = Program(receives=receives)
        self.server = Program(receives=receives)
        self.near.owner, self.far.owner = self.client, self.server

    @property
    def forth(self) -> Path:
        return self.network.path(0, 1)

    @property
    def back(self) -> Path:
        return self.network.path(1, 0)

    def run(self, duration_ns: int = 10 * LATENCY_NS) -> None:
        self.world.run_to(self.world.now_ns + duration_ns)

    def call(
        self, address: str = ADDRESS, timeout_ns: int | None = None
    ) -> tuple[Caller, Attempt]:
        caller = Caller(self.world)
        host = self.hosts[0]
        return caller, self.network.connect(host, address, caller, timeout_ns)


def content(size: int, first: int = 0) -> bytes:
    """Returns bytes of which each differs from its neighbours."""
    return bytes((first + i) % 251 for i in range(size))
