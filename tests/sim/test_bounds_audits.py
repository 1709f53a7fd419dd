"""The audits of what a core holds ask it only when they must: nothing escapes them."""

from __future__ import annotations

import pytest

from comm.config import Config
from comm.link.table import Links
from comm.protocol import Connection
from comm.sim import MachineCluster
from comm.sim.faults import Injector, Intrude
from comm.sim.machine import Node
from comm.sim.oracles import Violation
from comm.sim.scenario import play
from comm.sim.world import SECOND
from comm.switchboard.dispatcher import Dispatcher
from comm.util import Timers
from tests.sim.targets import small


_HARMLESS_BYTES = 6000


def _talk(cluster: MachineCluster, reader: Node, writer: Node) -> None:
    sink = reader.open()
    assert sink.sender is not None
    source = writer.connect(sink.sender)
    for _ in range(40):
        source.offer(count=10, size=50)
        cluster.run(1.0)


def test_a_core_that_keeps_too_much_of_a_frame_is_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """G7: a remnant that grows when the core was asked already is found in time."""
    held: dict[Connection, int] = {}
    receive_data = Connection.receive_data

    def receive_and_keep(connection: Connection, data: bytes) -> None:
        held[connection] = held.get(connection, 0) + len(data)
        receive_data(connection, data)

    monkeypatch.setattr(Connection, "receive_data", receive_and_keep)
    monkeypatch.setattr(
        Connection,
        "buffered_bytes",
        property(lambda self: max(0, held.get(self, 0) - _HARMLESS_BYTES)),
    )
    config = Config(chunk_bytes=4096)
    with MachineCluster(nodes=2, seed=1, config=config) as cluster:
        cluster.meet()
        with pytest.raises(Violation, match=r"G7: .* bytes of one frame are held"):
            _talk(cluster, cluster[0], cluster[1])
        # It was found within a second of being too much.
        assert max(held.values()) < _HARMLESS_BYTES + 4096 + 64 + 2 * 700


def test_a_core_that_lets_too_many_be_half_open_is_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """G13: the audit behind the connection that was one too many says so."""
    monkeypatch.setattr(Dispatcher, "accept", lambda self: _links(self).accept())
    config = Config(half_open_max=4)
    with MachineCluster(nodes=2, seed=1, config=config) as cluster:
        cluster.meet()
        cluster.run(10)
        intrude = Intrude(at_ns=12 * SECOND, for_ns=9 * SECOND, node=0, count=9, seed=1)
        Injector(cluster, [intrude])
        with pytest.raises(Violation, match=r"G13: .* 4 is the limit"):
            cluster.run(6)


def _links(dispatcher: Dispatcher) -> Links:
    return dispatcher._links


def test_every_deadline_comes_before_a_run_is_over(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A deadline that a core has forgotten to call off comes while all is at rest: it
    is not merely left over at the end."""
    cancel = Timers.cancel

    def forget_some(timers: Timers, key: tuple[str, int]) -> None:
        # Those of the last outage come half a minute after the faults are over.
        if key[0] != "loss" or timers._deadlines.get(key, 0.0) < 50:
            cancel(timers, key)

    assert play(small(1)).failure is None
    monkeypatch.setattr(Timers, "cancel", forget_some)
    failure = play(small(1)).failure
    assert failure is not None
    assert failure.kind == "KeyError", failure
