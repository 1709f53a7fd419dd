"""Faults of the ways between hosts."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from comm.sim.faults.base import Fault, Pair, all_pairs, pairs_of
from comm.sim.network import Buffers, Conditions, Latency


if TYPE_CHECKING:
    from comm.sim.machine import MachineCluster


__all__ = [
    "Bridge",
    "Clog",
    "Delay",
    "Fragment",
    "Isolate",
    "Lose",
    "OneWay",
    "Partition",
    "ShrinkBuffers",
    "SwizzleClog",
    "Throttle",
]

_BUFFERS = ("buffers", 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Block(Fault):
    """A fault that lets nothing through on some ways."""

    def ways(self, size: int) -> list[Pair]:
        """Returns the ways, each from the first node to the second."""
        raise NotImplementedError

    def begin(self, cluster: MachineCluster) -> bool:
        """Blocks the ways."""
        ways = self.ways(len(cluster))
        for source, target in ways:
            cluster.network.path(source, target).block()
        return bool(ways)

    def end(self, cluster: MachineCluster) -> None:
        """Opens them again."""
        for source, target in self.ways(len(cluster)):
            cluster.network.path(source, target).unblock()

    def disturbs(self, size: int) -> Iterable[Pair]:
        """Returns the nodes at the ends of the ways."""
        return dict.fromkeys((min(way), max(way)) for way in self.ways(size))


@dataclass(frozen=True, slots=True, kw_only=True)
class Partition(_Block):
    """Cuts the cluster in two.

    Attributes:
        left: The nodes of one part; all others are the other one.
    """

    left: tuple[int, ...]

    def ways(self, size: int) -> list[Pair]:
        """Returns all ways between the parts."""
        left = [node % size for node in self.left]
        return _both([p for p in all_pairs(size) if (p[0] in left) != (p[1] in left)])


@dataclass(frozen=True, slots=True, kw_only=True)
class Isolate(_Block):
    """Cuts one node off.

    Attributes:
        node: The node.
    """

    node: int

    def ways(self, size: int) -> list[Pair]:
        """Returns all ways to and from the node."""
        return _both(list(pairs_of(self.node, size)))


@dataclass(frozen=True, slots=True, kw_only=True)
class OneWay(_Block):
    """Lets nothing through from one node to another, and everything back.

    Attributes:
        source: The node that is not heard.
        target: The node that does not hear.
    """

    source: int
    target: int

    def ways(self, size: int) -> list[Pair]:
        """Returns the one way."""
        way = (self.source % size, self.target % size)
        return [way] if way[0] != way[1] else []


@dataclass(frozen=True, slots=True, kw_only=True)
class Bridge(_Block):
    """Cuts the cluster in two, but for one node that reaches both parts.

    Attributes:
        node: The node between.
    """

    node: int

    def ways(self, size: int) -> list[Pair]:
        """Returns all ways between those below the node and those above it."""
        node = self.node % size
        return _both([pair for pair in all_pairs(size) if pair[0] < node < pair[1]])


@dataclass(frozen=True, slots=True, kw_only=True)
class Clog(Fault):
    """Holds everything up between two nodes, and lets it arrive at the end.

    Attributes:
        source: From which node.
        target: To which.
    """

    source: int
    target: int

    def begin(self, cluster: MachineCluster) -> bool:
        """Clogs the way; there is none from a node to itself."""
        a, b = self.source % len(cluster), self.target % len(cluster)
        if a != b:
            cluster.network.path(a, b).clog()
        return a != b

    def end(self, cluster: MachineCluster) -> None:
        """Frees it."""
        a, b = self.source % len(cluster), self.target % len(cluster)
        if a != b:
            cluster.network.path(a, b).unclog()

    def disturbs(self, size: int) -> Iterable[Pair]:
        """Returns the two nodes."""
        a, b = self.source % size, self.target % size
        return () if a == b else ((min(a, b), max(a, b)),)


@dataclass(frozen=True, slots=True, kw_only=True)
class SwizzleClog(Fault):
    """Clogs all ways of some nodes one after the other, and frees them in another
    order: what FoundationDB calls swizzling.

    Attributes:
        order: The nodes, in the order in which they are clogged; they are freed in
            the opposite one.
    """

    order: tuple[int, ...]

    def begin(self, cluster: MachineCluster) -> bool:
        """Clogs the first one, and plans the others."""
        nodes = self._nodes(len(cluster))
        pause_ns = self.for_ns // (2 * max(1, len(nodes)))
        # Which nodes are clogged; once it has ended, nothing happens any more.
        cluster.claims.add(self, ("swizzle", 0), {})
        for place, node in enumerate(nodes):
            cluster.world.after(place * pause_ns, self._clog, cluster, node)
            freed_ns = self.for_ns - (place + 1) * pause_ns
            cluster.world.after(freed_ns, self._unclog, cluster, node)
        return len(cluster) > 1 and bool(nodes)

    def end(self, cluster: MachineCluster) -> None:
        """Frees those that are clogged still, if it ends before its time."""
        for node in tuple(cluster.claims.get(self)):
            self._unclog(cluster, node)
        cluster.claims.drop(self)

    def disturbs(self, size: int) -> Iterable[Pair]:
        """Returns every pair that one of the nodes is in."""
        nodes = self._nodes(size)
        return [p for p in all_pairs(size) if p[0] in nodes or p[1] in nodes]

    def _nodes(self, size: int) -> list[int]:
        return list(dict.fromkeys(node % size for node in self.order))

    def _clog(self, cluster: MachineCluster, node: int) -> None:
        clogged = cluster.claims.get(self)
        if clogged is not None:
            clogged[node] = None
            for a, b in _both(list(pairs_of(node, len(cluster)))):
                cluster.network.path(a, b).clog()

    def _unclog(self, cluster: MachineCluster, node: int) -> None:
        clogged = cluster.claims.get(self)
        if clogged is not None and node in clogged:
            del clogged[node]
            for a, b in _both(list(pairs_of(node, len(cluster)))):
                cluster.network.path(a, b).unclog()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Worsen(Fault):
    """A fault that makes all ways of some node, or of all, worse for a time.

    Attributes:
        node: The node; None for all.
    """

    node: int | None = None

    def worse(self, conditions: Conditions) -> Conditions:
        """Returns what the conditions become."""
        raise NotImplementedError

    def begin(self, cluster: MachineCluster) -> bool:
        """Makes them worse."""
        node = None if self.node is None else self.node % len(cluster)
        return cluster.weather.worsen(self, self.worse, node)

    def end(self, cluster: MachineCluster) -> None:
        """Makes them as they were."""
        cluster.weather.improve(self)

    def disturbs(self, size: int) -> Iterable[Pair]:
        """Returns the pairs of the node."""
        return all_pairs(size) if self.node is None else pairs_of(self.node, size)


@dataclass(frozen=True, slots=True, kw_only=True)
class Delay(_Worsen):
    """Lets bytes be under way for longer.

    Attributes:
        base_ns: For how long at least.
        spread_ns: How much on top.
        shape: "uniform" or "exponential".
    """

    base_ns: int
    spread_ns: int = 0
    shape: str = "uniform"

    def worse(self, conditions: Conditions) -> Conditions:
        """Returns them with this latency."""
        latency = Latency(
            base_ns=self.base_ns, spread_ns=self.spread_ns, shape=self.shape
        )
        return replace(conditions, latency=latency)


@dataclass(frozen=True, slots=True, kw_only=True)
class Lose(_Worsen):
    """Loses packets, which TCP sends again.

    Attributes:
        permille: How many in a thousand.
    """

    permille: int

    def worse(self, conditions: Conditions) -> Conditions:
        """Returns them with this loss."""
        return replace(conditions, loss_permille=self.permille)


@dataclass(frozen=True, slots=True, kw_only=True)
class Throttle(_Worsen):
    """Lets less through in a second.

    Attributes:
        bytes_per_s: How much.
    """

    bytes_per_s: int

    def worse(self, conditions: Conditions) -> Conditions:
        """Returns them with this bandwidth."""
        return replace(conditions, bytes_per_s=self.bytes_per_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fragment(_Worsen):
    """Lets reads give only a part of what has arrived.

    Attributes:
        permille: How many in a thousand.
    """

    permille: int

    def worse(self, conditions: Conditions) -> Conditions:
        """Returns them with this fragmentation."""
        return replace(conditions, fragment_permille=self.permille)

    def disturbs(self, size: int) -> Iterable[Pair]:
        """Returns nothing: bytes in pieces arrive just as soon."""
        del size
        return ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ShrinkBuffers(Fault):
    """Lets the kernels hold less, for connections that are made meanwhile.

    Attributes:
        send_bytes: What the writer's kernel takes.
        receive_bytes: What the reader's kernel keeps.
    """

    send_bytes: int
    receive_bytes: int

    def begin(self, cluster: MachineCluster) -> bool:
        """Shrinks them; of several sizes the smallest counts."""
        before = cluster.network.buffers
        cluster.claims.add(self, _BUFFERS, (self.send_bytes, self.receive_bytes))
        _settle_buffers(cluster)
        return cluster.network.buffers != before

    def end(self, cluster: MachineCluster) -> None:
        """Makes them what they would be without."""
        cluster.claims.drop(self)
        _settle_buffers(cluster)


def _both(pairs: list[Pair]) -> list[Pair]:
    return [*pairs, *((b, a) for a, b in pairs)]


def _settle_buffers(cluster: MachineCluster) -> None:
    usual = (cluster.buffers.send_bytes, cluster.buffers.receive_bytes)
    send, receive = zip(usual, *cluster.claims.of(_BUFFERS), strict=True)
    buffers = Buffers(send_bytes=min(send), receive_bytes=min(receive))
    cluster.network.buffers = buffers
