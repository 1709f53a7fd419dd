"""Steps: what applications do, as plain values that always mean something."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from comm.config import Config
from comm.errors import UsageError
from comm.sim import MachineCluster
from comm.sim.machine import EAGER, STALLED, Node, Pace
from comm.sim.scenario import STEPS, Step
from comm.sim.scenario.steps import (
    Abort,
    Broadcast,
    CloneSource,
    CloseSink,
    Connect,
    FanOut,
    Finish,
    Flush,
    Meet,
    Offer,
    Open,
    Seal,
    SetPace,
    Subscribe,
)
from tests.sim.machines import channel, connect


@pytest.fixture(name="cluster")
def _cluster() -> Iterator[MachineCluster]:
    with MachineCluster(3, config=Config(window_bytes=1000)) as cluster:
        yield cluster


def take(cluster: MachineCluster, *steps: Step) -> None:
    """Has steps be taken, one after the other, with time to have their effects."""
    for step in steps:
        step.take(cluster)
        cluster.run(0.2)


def test_every_kind_is_listed() -> None:
    """The catalogue has every kind of step, by its name."""
    kinds = [Meet, Open, Connect, Broadcast, Subscribe, SetPace, Seal, CloseSink]
    kinds += [FanOut, Offer, Flush, Finish, Abort, CloneSource]
    assert {kind.__name__: kind for kind in kinds} == STEPS


def test_a_kind_must_say_what_it_does(cluster: MachineCluster) -> None:
    """What kinds have in common is no kind."""
    with pytest.raises(NotImplementedError):
        Step(at_ns=0).take(cluster)
    channel(cluster)
    for kind, name in ((Open, "node"), (Seal, "sink"), (Finish, "source")):
        family = kind.__mro__[1]
        with pytest.raises(NotImplementedError):
            family(at_ns=0, **{name: 0}).take(cluster)


def test_meet_has_links_made(cluster: MachineCluster) -> None:
    """Meet: the node calls all others."""
    take(cluster, Meet(at_ns=0, node=4))
    assert cluster[1].core.missing() == {}
    assert list(cluster[0].core.missing()) == [2]


def test_open_and_connect(cluster: MachineCluster) -> None:
    """Open, Connect: nodes and sinks count modulo those that there are, broadcasts and
    members of fan-outs not counted; a limit of 0 is none."""
    take(
        cluster,
        Subscribe(at_ns=0, node=0),
        Open(at_ns=0, node=4),
        Open(at_ns=0, node=2, limit=1),
        FanOut(at_ns=0, sink=1),
        Connect(at_ns=0, node=3, sink=5),
        Connect(at_ns=0, node=0, sink=2),
    )
    _, plain, limited, *members = cluster.sinks
    assert (plain.node.index, plain.limit) == (1, None)
    assert (limited.node.index, limited.limit) == (2, 1)
    assert len(members) == 2
    first, second = cluster.sources
    assert (first.node.index, first.sender) == (0, limited.sender)
    assert second.sender == plain.sender


def test_connect_needs_a_sink(cluster: MachineCluster) -> None:
    """Connect: where there is no sink to connect to, nothing is done."""
    take(cluster, Subscribe(at_ns=0, node=0), Connect(at_ns=0, node=0, sink=0))
    assert cluster.sources == []


def test_broadcast_and_subscribe(cluster: MachineCluster) -> None:
    """Broadcast, Subscribe: there are three broadcasts, one of which comes back to its
    own node; a second receiver on a node is not made."""
    take(cluster, *(Broadcast(at_ns=0, node=0, token=number) for number in range(4)))
    take(cluster, *(Subscribe(at_ns=0, node=0, token=number) for number in range(4)))
    channels = [source.channel for source in cluster.sources]
    assert len(set(channels)) == 3
    assert channels[3] == channels[0]
    assert [sink.channel for sink in cluster.sinks] == channels[:3]
    for number in range(3):
        Offer(at_ns=0, source=number).take(cluster)
    cluster.run(0.2)
    assert [sink.received for sink in cluster.sinks] == [0, 1, 0]


def test_set_pace(cluster: MachineCluster) -> None:
    """SetPace: the sink receives at that pace from then on."""
    _, sink = channel(cluster)
    take(cluster, SetPace(at_ns=0, sink=3, items=2, pause_ns=5))
    assert sink.pace == Pace(2, 5)
    take(cluster, SetPace(at_ns=0, sink=0, items=0))
    assert sink.pace == STALLED
    take(cluster, SetPace(at_ns=0, sink=0))
    assert sink.pace == EAGER


def test_seal_and_close_sink(cluster: MachineCluster) -> None:
    """Seal, CloseSink: sinks count modulo those that can still receive."""
    first, second = cluster[0].open(), cluster[1].open()
    take(cluster, Seal(at_ns=0, sink=3))
    assert second.is_sealed
    assert second.is_ended
    take(cluster, CloseSink(at_ns=0, sink=3))
    assert first.is_closed
    assert not second.is_closed
    take(cluster, CloseSink(at_ns=0, sink=0), Seal(at_ns=0, sink=0))
    assert not second.is_closed


@pytest.mark.parametrize("members", [-1, 0, 1, 3])
def test_fan_out(cluster: MachineCluster, members: int) -> None:
    """FanOut: the sink becomes so many, at least one."""
    cluster[0].open()
    take(cluster, FanOut(at_ns=0, sink=0, members=members))
    assert len(cluster.sinks) == 1 + max(1, members)
    take(cluster, FanOut(at_ns=0, sink=0, members=9))
    assert len(cluster.sinks) == 1 + max(1, members)


@pytest.mark.parametrize("pace", [EAGER, Pace(1, 10**9)])
def test_fan_out_needs_a_fresh_sink(cluster: MachineCluster, pace: Pace) -> None:
    """FanOut: a sink that has received something, or was given something, stays what
    it is."""
    source, sink = channel(cluster)
    sink.set_pace(pace)
    source.offer(3, 20)
    cluster.run(0.1)
    take(cluster, FanOut(at_ns=0, sink=0))
    assert len(cluster.sinks) == 1
    sink.received = 0
    take(cluster, FanOut(at_ns=0, sink=0))
    assert (len(cluster.sinks) == 1) == (pace is not EAGER)


def test_offer_and_flush(cluster: MachineCluster) -> None:
    """Offer, Flush: sources count modulo those that can still send; an item has at
    least the bytes that every item has."""
    source, sink = channel(cluster)
    other, other_sink = channel(cluster)
    take(cluster, Offer(at_ns=0, source=5, count=3, size=100), Flush(at_ns=0, source=1))
    assert other_sink.received == 3
    assert len(other.accepted[0]) == 100
    take(cluster, Offer(at_ns=0, source=0, count=2, size=1))
    assert sink.received == 2
    assert len(source.accepted[0]) == 12


def test_finish_and_abort(cluster: MachineCluster) -> None:
    """Finish, Abort: the source ends in order, or gives up; then it is none of those
    that can send."""
    (first, _), (second, _) = channel(cluster), channel(cluster)
    take(cluster, Finish(at_ns=0, source=0))
    assert first.is_finished
    take(cluster, Abort(at_ns=0, source=0))
    assert not first.is_aborted
    assert second.is_aborted
    take(cluster, Finish(at_ns=0, source=0), Abort(at_ns=0, source=0))
    assert not second.is_finished


def test_clone_source(cluster: MachineCluster) -> None:
    """CloneSource: another source of the same channel; of a broadcast none is made."""
    _, sink = channel(cluster)
    take(cluster, CloneSource(at_ns=0, source=0))
    assert [source.sender for source in cluster.sources] == [sink.sender] * 2


def test_clone_source_needs_a_producer(cluster: MachineCluster) -> None:
    """CloneSource: of a broadcast none is made."""
    take(cluster, Broadcast(at_ns=0, node=0), CloneSource(at_ns=0, source=0))
    assert len(cluster.sources) == 1


@pytest.mark.parametrize("kind", [Open, Broadcast, Subscribe, Meet])
@pytest.mark.parametrize("state", ["gone", "left", "paused"])
def test_a_node_that_cannot_does_nothing(
    cluster: MachineCluster, kind: Callable[..., Step], state: str
) -> None:
    """What a node does that is gone, has left, or is stopped, is not done, not even
    later."""
    if state == "gone":
        cluster.crash(1)
    elif state == "left":
        cluster[1].leave()
    else:
        cluster.pause(1)
    events = cluster.network.made
    take(cluster, kind(at_ns=0, node=1))
    cluster.resume(1)
    cluster.run(1.0)
    assert cluster.sinks == []
    assert cluster.sources == []
    assert cluster.network.made == events


def test_what_is_done_waits_for_a_process_that_is_slow(cluster: MachineCluster) -> None:
    """A process does its steps one by one, and a step whose turn comes when it is no
    use any more does no harm."""
    (source, sink), slow = channel(cluster), cluster.hosts[0]
    slow.step_ns = 10**9
    cluster.run(2.0)
    for step in (
        CloseSink(at_ns=0, sink=0),
        Seal(at_ns=0, sink=0),
        Open(at_ns=0, node=0),
    ):
        step.take(cluster)
    assert slow.waiting
    cluster.run(30.0)
    assert sink.is_closed
    assert not sink.is_sealed
    assert len(cluster.sinks) == 2
    assert source.error is not None


def test_what_the_fabric_refuses_is_not_done(
    cluster: MachineCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An error of the fabric is a fact like any other; any other error is not."""
    sink = cluster[0].open()
    connect(cluster[1], sink)

    def refuse(node: Node, **options: object) -> None:
        raise UsageError("not like this")

    def fail(node: Node, **options: object) -> None:
        raise LookupError("a mistake")

    monkeypatch.setattr(Node, "open", refuse)
    take(cluster, Open(at_ns=0, node=0))
    monkeypatch.setattr(Node, "open", fail)
    with pytest.raises(LookupError, match="a mistake"):
        take(cluster, Open(at_ns=0, node=0))
