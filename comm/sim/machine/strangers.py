"""Strangers: whoever connects to a node and does not belong to the cluster."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from comm.protocol import PROTOCOL_MAGIC, VERSION_MAX, Hello, Kind, Purpose
from comm.protocol.frames import HEADER
from comm.sim.choices import derive
from comm.sim.network import Endpoint
from comm.sim.world import MS


if TYPE_CHECKING:
    from comm.sim.machine.cluster import MachineCluster


__all__ = ["MANNERS", "Stranger"]

_DRIP_NS = 300 * MS


class Stranger:
    """A connection of somebody who does not belong here.

    Args:
        cluster: The cluster.
        target: The node that it connects to.
        manner: How it behaves: one of `MANNERS`.
        seed: What its bytes depend on.

    Attributes:
        opened_ns: When its connection stood; None if it never did.
        closed_ns: When it learned that the node had closed it; None if not yet.
        connection: The number of its connection; 0 as long as there is none.
    """

    def __init__(
        self, cluster: MachineCluster, target: int, manner: str, seed: int
    ) -> None:
        self.target = target
        self.manner = manner
        self.opened_ns: int | None = None
        self.closed_ns: int | None = None
        self.connection = 0
        self._world = cluster.world
        self._data = MANNERS[manner](cluster, target, seed)
        address = cluster.addresses[target]
        cluster.network.connect(cluster.outside, address, self)

    @property
    def is_open(self) -> bool:
        """Whether its connection stands."""
        return self.opened_ns is not None and self.closed_ns is None

    def connected(self, endpoint: Endpoint) -> None:
        """The connection stands."""
        self.opened_ns = self._world.now_ns
        self.connection = endpoint.number
        endpoint.owner = self
        if endpoint.is_readable:
            self.readable(endpoint)
        self._speak(endpoint)

    def connect_failed(self, error: OSError) -> None:
        """The node was not there."""

    def readable(self, endpoint: Endpoint) -> None:
        """The node has answered, which is of no interest, or closed the connection."""
        try:
            while data := endpoint.receive():
                pass
        except OSError:
            data = b""
        if data is not None:
            self.closed_ns = self._world.now_ns
            endpoint.close()

    def writable(self, endpoint: Endpoint) -> None:
        """There is room again."""
        self._speak(endpoint)

    def _speak(self, endpoint: Endpoint) -> None:
        if not endpoint.is_open or not self._data:
            return
        slow = self.manner == "drip"
        sent = endpoint.send(self._data[:1] if slow else self._data)
        self._data = self._data[sent:]
        if slow:
            self._world.after(_DRIP_NS, self._speak, endpoint)


def _hello(cluster: MachineCluster, target: int, /, **fields: object) -> bytes:
    said = {
        "version_min": VERSION_MAX,
        "version_max": VERSION_MAX,
        "purpose": Purpose.SESSION,
        "security": "insecure",
        "cluster": "comm",
        "membership": bytes(16),
        "node_id": (target + 1) % len(cluster),
        "peer_id": target,
        "incarnation": derive("stranger", target)[:16],
        "generation": 0,
        "peer_incarnation": bytes(16),
        "peer_generation": 0,
        "received": 0,
        "resume_window_ms": 30_000,
        "message_bytes_max": 1 << 20,
        "chunk_bytes": 1 << 16,
        "codec": "sim",
    }
    payload = Hello(**(said | fields)).encode()  # type: ignore[arg-type] # by name
    return _frame(len(payload)) + payload


def _frame(size: int, kind: int = Kind.HELLO) -> bytes:
    return PROTOCOL_MAGIC + HEADER.pack(size, kind, 0, 0, 0)


def _garbage(cluster: MachineCluster, target: int, seed: int) -> bytes:
    return b"".join(derive("garbage", seed, target, n) for n in range(len(cluster)))


def _silence(cluster: MachineCluster, target: int, seed: int) -> bytes:
    del cluster, target, seed
    return b""


def _truncated(cluster: MachineCluster, target: int, seed: int) -> bytes:
    hello = _hello(cluster, target)
    return hello[: 1 + seed % (len(hello) - 1)]


def _oversize(cluster: MachineCluster, target: int, seed: int) -> bytes:
    del cluster, target, seed
    return _frame(0xFFFFFF) + bytes(3000)


def _other_version(cluster: MachineCluster, target: int, seed: int) -> bytes:
    version = 2 + seed % 200
    return _hello(cluster, target, version_min=version, version_max=version)


def _other_cluster(cluster: MachineCluster, target: int, seed: int) -> bytes:
    return _hello(cluster, target, cluster=f"another{seed % 10}")


def _other_members(cluster: MachineCluster, target: int, seed: int) -> bytes:
    return _hello(cluster, target, membership=derive(seed)[:16])


def _impatient(cluster: MachineCluster, target: int, seed: int) -> bytes:
    """Frames of a session before anybody was let in."""
    return _frame(8, seed % 256) + bytes(8) + _hello(cluster, target)


MANNERS: Mapping[str, Callable[[MachineCluster, int, int], bytes]] = {
    "silence": _silence,
    "garbage": _garbage,
    "truncated": _truncated,
    "oversize": _oversize,
    "drip": _truncated,
    "other version": _other_version,
    "other cluster": _other_cluster,
    "other members": _other_members,
    "impatient": _impatient,
}
"""How strangers behave, and what they say."""
