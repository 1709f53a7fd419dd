"""Broadcasts and fan-outs: each way to break G10 and G16 is found."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from comm.broadcast import FanoutMember, Token
from comm.config import Config
from comm.mpsc import Batch, ReceiverCore
from comm.sim import MachineCluster
from comm.sim.machine import Pace, Sink, Source
from comm.sim.oracles.delivery import Delivery
from comm.sim.world import SECOND
from tests.sim.machines import broken, channel, oracle, settle


NEWS: Token[bytes] = Token("news", loopback=True)

CONFIG = Config(resume_window_s=8.0)


@pytest.fixture(name="cluster")
def _cluster() -> Iterator[MachineCluster]:
    with MachineCluster(3, config=CONFIG) as cluster:
        cluster.meet()
        yield cluster


def announce(cluster: MachineCluster, source: Source, count: int = 3) -> None:
    """Sends items one by one, so that each is a batch of its own."""
    for _ in range(count):
        source.offer(1, 20)
        cluster.run(0.01)


def skip(monkeypatch: pytest.MonkeyPatch, *sequences: int) -> None:
    """Has all receivers skip the batches that begin with these numbers."""
    take = ReceiverCore.take

    def skipping(core: ReceiverCore) -> Batch:
        while (batch := take(core)).sequence in sequences:
            pass
        return batch

    monkeypatch.setattr(ReceiverCore, "take", skipping)


def restart(cluster: MachineCluster, index: int) -> Sink:
    """Starts a node anew, and its receiver of the broadcast."""
    cluster.restart(index)
    sink = cluster[index].subscribe(NEWS)
    cluster[index].dial_all()
    cluster.run(3.0)
    return sink


def test_each_node_gets_every_item(cluster: MachineCluster) -> None:
    """A correct broadcast raises nothing: with receivers that come later, nodes that
    restart, and receivers that take the place of others."""
    source = cluster[0].broadcast(NEWS)
    announce(cluster, source)
    _, _, third = [node.subscribe(NEWS) for node in cluster.live]
    announce(cluster, source)
    restart(cluster, 1)
    announce(cluster, source)
    third.close()
    cluster.run(1.0)
    cluster[2].subscribe(NEWS)
    late = cluster[1].broadcast(NEWS)
    announce(cluster, late)
    announce(cluster, source)
    cluster.run(10.0)
    settle(cluster)
    assert [sink.received for sink in cluster.sinks] == [15, 6, 9, 9, 3]


def test_what_waited_for_a_receiver_must_come(
    cluster: MachineCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A node whose receiver is made late, and does not get what was sent before, breaks
    G10."""
    source = cluster[0].broadcast(NEWS)
    announce(cluster, source)
    skip(monkeypatch, 0)
    with broken("G1", r"source 0 to sink 0: .* came, and \[0\] did not"):
        cluster[1].subscribe(NEWS)


def test_what_waited_through_a_loss_must_come(
    cluster: MachineCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was delivered at a node, and waits there for a receiver, must come although
    a session was lost since, and the numbers have begun anew."""
    source = cluster[0].broadcast(NEWS)
    announce(cluster, source)
    cluster.run(5.0)
    cluster.partition([0], [1])
    cluster.run(20.0)
    cluster.heal()
    cluster.run(5.0)
    announce(cluster, source)
    assert [legs[1] for legs in source.legs] == [0, 1, 2, 0, 1, 2]
    skip(monkeypatch, 0)
    with broken("G1", r"came, and \[0\] did not"):
        cluster[1].subscribe(NEWS)


def test_a_later_receiver_begins_where_the_earlier_ended(
    cluster: MachineCluster,
) -> None:
    """With what a second receiver of a node must begin cannot be told, and it begins
    with what it gets; others on other nodes, on other channels, and in the process
    before are none that it is the second of, nor is the receiver of a fan-out."""
    source = cluster[0].broadcast(NEWS)
    delivery = oracle(cluster, Delivery)
    first, other = cluster[1].subscribe(NEWS), cluster[2].subscribe(NEWS)
    members = cluster[2].fan_out(other, 2)
    announce(cluster, source)
    cluster[1].subscribe(Token("other news"))
    first.close()
    second = cluster[1].subscribe(NEWS)
    sinks = (first, second, other, *members)
    begins = [delivery._beginning(source, sink, 2) for sink in sinks]
    assert begins == [0, 2, 0, 0, 0]
    third = restart(cluster, 1)
    announce(cluster, source)
    assert delivery._beginning(source, third, 5) == 3


def test_a_last_item_must_come(
    cluster: MachineCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A broadcast of which a node gets the beginning alone, or nothing, breaks G16."""
    source = cluster[0].broadcast(NEWS)
    for node in cluster.live:
        node.subscribe(NEWS)
    skip(monkeypatch, 2)
    announce(cluster, source)
    with broken("G2", r"sink 0 on host0.0 never got \[2\]"):
        settle(cluster)
    skip(monkeypatch, 0, 1)
    other = cluster[1].broadcast(NEWS)
    announce(cluster, other)
    cluster.sources.reverse()
    with broken("G2", r"source 1 on .* sink 0 on host0.0 never got \[0, 1, 2\]"):
        settle(cluster)


def test_the_numbers_of_a_leg_must_be_right(
    cluster: MachineCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An item that comes under another number than it was sent under on that leg, or
    that was not sent on it at all, breaks G1."""
    source = cluster[0].broadcast(NEWS)
    sink = cluster[1].subscribe(NEWS)
    announce(cluster, source, count=1)
    source.legs[0][1] = 5
    source.offer(1, 20)
    source.legs[1][1] = 0
    with broken("G1", "source 0: 1 came as 1, not 0"):
        cluster.run(0.1)
    del source.legs[1][1]
    with broken("G1", "source 0: 1 came as 1, not -1"):
        _oracle_hands_out(cluster, source, sink, 1)


def _oracle_hands_out(
    cluster: MachineCluster, source: Source, sink: Sink, number: int
) -> None:
    producer = sink.core.inlets[0].id  # type: ignore[union-attr] # it is a receiver's
    item = source.accepted[number]
    batch = Batch(item, 1, source.node.index, producer, number, 0, 0)
    cluster.watcher.handed_out(sink, batch, 0, 1, item)


def test_what_follows_a_restart_must_come(
    cluster: MachineCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A node that is back gets what is sent from then on, from the first item of its
    new leg: a gap at its beginning breaks G16."""
    source = cluster[0].broadcast(NEWS)
    for node in cluster.live:
        node.subscribe(NEWS)
    announce(cluster, source, count=5)
    restart(cluster, 1)
    skip(monkeypatch, 0)
    with broken("G1", r"source 0 to sink 3: .* came, and \[5\] did not"):
        announce(cluster, source)


def test_what_was_lost_with_a_process_need_not_come(cluster: MachineCluster) -> None:
    """What was reported as lost with the process before is not missing in the next
    one."""
    source = cluster[0].broadcast(NEWS)
    for node in cluster.live:
        node.subscribe(NEWS)
    announce(cluster, source)
    cluster.crash(1)
    announce(cluster, source)
    cluster.run(20.0)
    announce(cluster, source)
    sink = restart(cluster, 1)
    announce(cluster, source)
    cluster.run(10.0)
    assert sink.received == 3
    settle(cluster)


def test_a_node_that_is_back_misses_what_was_sent_meanwhile(
    cluster: MachineCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A receiver whose node was out of reach for too long gets what was sent before and
    what is sent from then on: what was lost, and what was not sent there, is excused,
    and nothing else."""
    source, sink = cluster[0].broadcast(NEWS), cluster[1].subscribe(NEWS)
    announce(cluster, source)
    cluster.partition([0], [1])
    announce(cluster, source)
    cluster.run(20.0)
    announce(cluster, source)
    cluster.heal()
    cluster.run(5.0)
    announce(cluster, source)
    settle(cluster)
    assert sink.received == 6
    assert [1 in legs for legs in source.legs] == [
        *[True] * 6,
        *[False] * 3,
        *[True] * 3,
    ]
    skip(monkeypatch, 3)
    with broken("G1", r"came, and \[12\] did not"):
        announce(cluster, source)


def test_a_node_that_was_never_reached_misses_nothing(cluster: MachineCluster) -> None:
    """A receiver whose node is on no leg that carried anything need not have got
    anything; nor one in the place of another."""
    cluster.crash(2)
    cluster.run(20.0)
    source = cluster[0].broadcast(NEWS)
    cluster[0].subscribe(NEWS)
    cluster.run(10.0)
    announce(cluster, source)
    restart(cluster, 2)
    cluster.run(10.0)
    settle(cluster)
    replaced = cluster[1].subscribe(NEWS)
    cluster.run(1.0)
    replaced.close()
    cluster[1].subscribe(NEWS)
    cluster.run(1.0)
    settle(cluster)


def test_a_source_that_sent_nothing_is_complete(cluster: MachineCluster) -> None:
    """Where nothing was accepted, nothing is missing."""
    cluster[0].broadcast(NEWS)
    channel(cluster)
    for node in cluster.live:
        node.subscribe(NEWS)
    cluster.run(1.0)
    settle(cluster)


def test_members_that_see_another_sequence_are_found(
    cluster: MachineCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fan-out that gives one member another batch than the others breaks G16."""
    source, sink = channel(cluster)
    take, (first, _) = FanoutMember.take, cluster[0].fan_out(sink, 2)

    def renumber(core: FanoutMember) -> Batch:
        batch = take(core)
        shift = 0 if core is first.core else 1
        return replace(batch, sequence=batch.sequence + shift)

    monkeypatch.setattr(FanoutMember, "take", renumber)
    with broken("G16", r"sink 2 took \(\d+, 1, 1\), others \(\d+, 0, 1\)"):
        announce(cluster, source)


@pytest.mark.parametrize(
    "change", [{"producer": 99}, {"sequence": 99}, {"count": 99}, {}]
)
def test_a_place_has_one_batch(cluster: MachineCluster, change: dict[str, Any]) -> None:
    """Producer, number and count of what members take must be the same at each
    place, whoever is first there; what a receiver takes is compared with nothing."""
    _, sink = channel(cluster)
    one, other = cluster[0].fan_out(sink, 2)
    batch = Batch(b"", 3, 1, 4, 5, 0, 0)
    watcher = cluster.watcher
    for number in range(3):
        watcher.took(one, replace(batch, sequence=number))
    watcher.took(sink, replace(batch, producer=1))
    watcher.took(other, replace(batch, sequence=0))
    if change:
        with broken("G16", "sink 2 took"):
            watcher.took(other, replace(batch, **({"sequence": 1} | change)))
    else:
        for number in (1, 2, 3):
            watcher.took(other, replace(batch, sequence=number))
        with broken("G16", "sink 1 took"):
            watcher.took(one, replace(batch, sequence=9))


def test_a_slow_member_sees_what_the_others_saw(cluster: MachineCluster) -> None:
    """A correct fan-out raises nothing, however far its members are apart."""
    source, sink = channel(cluster, max_producers=1)
    quick, slow = cluster[0].fan_out(sink, 2)
    slow.set_pace(Pace(1, SECOND // 10))
    announce(cluster, source, count=20)
    source.finish()
    cluster.run(5.0)
    settle(cluster)
    assert quick.received == slow.received == 20
    assert slow.is_ended
