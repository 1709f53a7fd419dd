"""`Bench`: a few cores joined hand to hand, beside connections that anybody may hold.

There is no latency and no loss here, for the bytes are what matters: what one core
sends is with the other one at once. A connection to a node that is not on the bench is
left to the test, which says what comes over it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from comm.config import Config
from comm.effects import Abort, Close, Connect, Effect, LinkId, Transmit
from comm.security import Security
from comm.sim.choices import derive
from comm.sim.machine.entropy import Entropy
from comm.switchboard import SwitchboardCore


__all__ = ["CONFIG", "NODES", "Bench"]

NODES = ("10.0.0.1:7000", "10.0.0.2:7000", "[fd00::3]:7000")
"""The cluster that the vectors of the tests are about."""

CONFIG = Config(
    window_bytes=1000,
    message_bytes_max=4000,
    chunk_bytes=100,
    handshake_timeout_s=1.0,
    half_open_max=4,
    heartbeat_interval_s=0.5,
    heartbeat_timeout_s=1.0,
    resume_window_s=3.0,
    parked_channels_max=4,
)

_End = tuple[int, LinkId]


class Bench:
    """Some of the cores of one cluster.

    Args:
        nodes: Which ones.

    Attributes:
        now: The time.
        cores: The cores, by node id.
        sent: What each node has sent to each other one on the bench, in the pieces
            in which it was sent.
        dialled: The connections that were asked for to nodes that are not there, and
            neither made nor refused yet.
        ended: The connections that a core has closed, of those that the test holds.
    """

    def __init__(self, nodes: Iterable[int]) -> None:
        self.now = 0.0
        self.cores = {node: make_core(node) for node in nodes}
        self.sent: dict[tuple[int, int], list[bytes]] = defaultdict(list)
        self.dialled: list[_End] = []
        self.ended: dict[_End, None] = {}
        self._wires: dict[_End, _End] = {}

    def settle(self) -> None:
        """Takes all effects, of all cores, until there are none."""
        busy = True
        while busy:
            busy = False
            for node, core in self.cores.items():
                while (effect := core.next_effect()) is not None:
                    busy = True
                    self._carry_out(node, effect)

    def wait(self, duration_s: float) -> None:
        """Lets time pass; every deadline is met exactly."""
        until = self.now + duration_s
        while True:
            self.settle()
            dues = [core.next_timeout() for core in self.cores.values()]
            due = min((known[0] for known in dues if known), default=until)
            if due >= until:
                break
            self.now = max(self.now, due)
            for core in self.cores.values():
                core.handle_timeout(self.now)
        self.now = until

    def _carry_out(self, node: int, effect: Effect) -> None:
        match effect:
            case Connect(link, address):
                self._connect((node, link), NODES.index(str(address)))
            case Transmit(link, buffers):
                self._transmit((node, link), b"".join(buffers))
            case Close(link) | Abort(link):
                self._close((node, link))
            case _:
                pass

    def _connect(self, end: _End, target: int) -> None:
        node, link = end
        if target not in self.cores:
            self.dialled.append(end)
            return
        other = (target, self.cores[target].handle_accepted(self.now))
        self._wires[end], self._wires[other] = other, end
        self.cores[node].handle_connected(link, self.now)

    def _transmit(self, end: _End, data: bytes) -> None:
        other = self._wires.get(end)
        if other is not None:
            target, link = other
            self.sent[end[0], target].append(data)
            self.cores[target].handle_data(link, data, self.now)

    def _close(self, end: _End) -> None:
        other = self._wires.pop(end, None)
        if other is None:
            self.ended[end] = None
            return
        del self._wires[other]
        target, link = other
        self.cores[target].handle_closed(link, self.now)


def make_core(node: int, *purpose: str) -> SwitchboardCore:
    """Returns the core of a node; its entropy depends on what it is for alone."""
    entropy = Entropy(derive("bench", node, *purpose))
    security = Security.insecure()
    return SwitchboardCore(
        NODES, node, entropy=entropy, config=CONFIG, security=security
    )
