"""Connections are made some at a time, however many are wanted."""

from __future__ import annotations

from comm.effects import Connect
from comm.peer.turns import TURNS_MAX
from tests.helpers import BYTES, Cluster


SIZE = TURNS_MAX + 10


def connects(cluster: Cluster, node: int) -> int:
    """Returns how many connections a node has asked for."""
    return len(cluster.happened(node, Connect))


def test_only_so_many_connections_are_made_at_once() -> None:
    """A node of a large cluster asks for a few connections, not for all at once."""
    cluster = Cluster(SIZE)
    for node in range(SIZE - 1):
        cluster.unreachable.add((SIZE - 1, node))
    cluster[SIZE - 1].dial_all(cluster.now)
    cluster.settle()
    assert connects(cluster, SIZE - 1) == TURNS_MAX


def test_whoever_fails_makes_room_for_the_next() -> None:
    """A connection that comes to nothing gives its turn to one that waits."""
    cluster = Cluster(SIZE)
    for node in range(SIZE - 1):
        cluster.unreachable.add((SIZE - 1, node))
    cluster[SIZE - 1].dial_all(cluster.now)
    cluster.run(cluster.config.handshake_timeout_s + 0.01)
    assert connects(cluster, SIZE - 1) >= SIZE - 1


def test_an_urgent_connection_does_not_wait() -> None:
    """What the application connects is not kept waiting by a rendezvous."""
    cluster = Cluster(SIZE)
    sender, _ = cluster[0].open_mpsc(BYTES)
    for node in range(1, SIZE - 1):
        cluster.unreachable.add((SIZE - 1, node))
    cluster[SIZE - 1].dial_all(cluster.now)
    cluster.settle()
    cluster.connect(SIZE - 1, sender, within_s=0.1)


def test_a_large_cluster_meets_over_one_connection_for_each_two() -> None:
    """However many nodes start together, each two of them need one connection."""
    cluster = Cluster(SIZE)
    cluster.check = False
    cluster.meet()
    assert cluster.connections == SIZE * (SIZE - 1) // 2
