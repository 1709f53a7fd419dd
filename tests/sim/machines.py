"""What the tests of the machine tier have in common."""

from __future__ import annotations

from typing import Any

from comm.sim import MachineCluster
from comm.sim.machine import Node, Pace, Sink, Source


SLOW = Pace(1, 100_000_000)
"""Receives an item every tenth of a second."""


def connect(node: Node, sink: Sink) -> Source:
    """Connects a source on a node to a sink that is no broadcast's."""
    assert sink.sender is not None
    return node.connect(sink.sender)


def channel(
    cluster: MachineCluster, sender: int = 1, receiver: int = 0, **options: Any
) -> tuple[Source, Sink]:
    """Makes a channel between two nodes, over which items can be sent at once."""
    sink = cluster[receiver].open(**options)
    source = connect(cluster[sender], sink)
    cluster.run_until(lambda: source.is_open)
    return source, sink


def transfer(cluster: MachineCluster, source: Source, sink: Sink, count: int) -> None:
    """Sends some items, and waits until they have come."""
    wanted = sink.received + count
    source.offer(count, 20)
    cluster.run_until(lambda: sink.received >= wanted)


def lines(cluster: MachineCluster, place: str) -> list[str]:
    """Returns what a trace that records has on a place, without the times."""
    parts = (line.split(" ", 2) for line in cluster.trace.lines)
    return [text for _, where, text in parts if where == place]
