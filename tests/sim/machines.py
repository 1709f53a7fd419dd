"""What the tests of the machine tier have in common."""

from __future__ import annotations

from typing import Any, TypeVar

import pytest

from comm.sim import MachineCluster
from comm.sim.faults import Fault, Injector
from comm.sim.machine import Node, Pace, Sink, Source
from comm.sim.machine.driver import Driver
from comm.sim.machine.link import NodeLink
from comm.sim.oracles import Oracle, Violation


E = TypeVar("E")
OracleKind = TypeVar("OracleKind", bound=Oracle)

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


def afflict(cluster: MachineCluster, kind: type[Fault], **fields: Any) -> Injector:
    """Has something go wrong now."""
    injector = Injector(cluster, [kind(at_ns=cluster.world.now_ns, **fields)])
    cluster.run(0.0)
    return injector


def told(node: Node, kind: type[E]) -> list[E]:
    """Returns the events of a kind that a node has told."""
    return [event for event in node.events if isinstance(event, kind)]


def link_to(node: Driver, peer: int) -> NodeLink:
    """Returns the connection that a node has to another one."""
    (link,) = (
        link
        for link in node.links.values()
        if link.is_known and link.endpoint and link.endpoint.far.host.index == peer
    )
    return link


def broken(promise: str, says: str) -> pytest.RaisesExc[Violation]:
    """Expects that a promise is found broken, for a reason."""
    return pytest.RaisesExc(
        Violation, match=says, check=lambda error: error.promise == promise
    )


def settle(cluster: MachineCluster) -> None:
    """Has the oracles look at what must hold once everything has come to rest."""
    for oracle in cluster.oracles:
        oracle.settled()


def oracle(cluster: MachineCluster, kind: type[OracleKind]) -> OracleKind:
    """Returns the oracle of that kind."""
    (found,) = (each for each in cluster.oracles if type(each) is kind)
    assert isinstance(found, kind)
    return found
