"""What is lost: each loss is told once, is about something, and has a cause."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from comm.broadcast import Token
from comm.config import Config
from comm.events import Event, LossReport
from comm.fabric import Fabric
from comm.sim import MachineCluster
from comm.sim.machine import STALLED, Source
from comm.sim.oracles.losses import Losses
from tests.sim.machines import broken, channel, connect, oracle, settle


NEWS: Token[bytes] = Token("news")

SHORT = Config(
    heartbeat_interval_s=1.0,
    heartbeat_timeout_s=2.0,
    handshake_timeout_s=0.5,
    resume_window_s=10.0,
)


@pytest.fixture(name="cluster")
def _cluster() -> Iterator[MachineCluster]:
    with MachineCluster(3, config=SHORT) as cluster:
        cluster.meet()
        yield cluster


def lose(cluster: MachineCluster, source: Source) -> None:
    """Has items of a source on node 1 be lost to node 0, by an outage that is too
    long."""
    cluster.partition([0], [1])
    source.offer(3, 20)
    cluster.run(16.0)
    cluster.heal()
    cluster.run(5.0)
    assert source.error is not None


def swallow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Has cores tell of no loss."""
    tell = Fabric.tell

    def told(fabric: Fabric, event: Event) -> None:
        if not isinstance(event, LossReport):
            tell(fabric, event)

    monkeypatch.setattr(Fabric, "tell", told)


def test_a_loss_that_is_told_is_accounted_for(cluster: MachineCluster) -> None:
    """An outage that is too long costs items, and nothing is amiss if that is told."""
    source, sink = channel(cluster)
    lose(cluster, source)
    settle(cluster)
    losses = oracle(cluster, Losses)
    assert losses.of(source, 0) == [range(3)]
    assert losses.of(source, 2) == []
    assert sink.received == 0


def test_a_loss_that_is_not_told_is_found(
    cluster: MachineCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A core that counts a loss and tells nobody breaks G2."""
    source, _ = channel(cluster)
    swallow(monkeypatch)
    lose(cluster, source)
    with broken("G2", "source 0: 0 told lost; "):
        settle(cluster)


def test_a_loss_that_is_told_twice_is_found(
    cluster: MachineCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A core that tells of a loss twice breaks G2."""
    source, _ = channel(cluster)
    tell = Fabric.tell

    def told(fabric: Fabric, event: Event) -> None:
        tell(fabric, event)
        if isinstance(event, LossReport):
            tell(fabric, event)

    monkeypatch.setattr(Fabric, "tell", told)
    with broken("G2", "host1.0 has lost no such items: "):
        lose(cluster, source)


@pytest.mark.parametrize(
    "change",
    [{"channel": bytes(16)}, {"node_id": 2}, {"count": 99}],
    ids=["channel", "node", "count"],
)
def test_a_report_about_nothing_is_found(
    cluster: MachineCluster,
    monkeypatch: pytest.MonkeyPatch,
    change: dict[str, object],
) -> None:
    """A report must be about a channel, a node and a number of items that fit."""
    source, _ = channel(cluster)
    tell = Fabric.tell

    def told(fabric: Fabric, event: Event) -> None:
        if isinstance(event, LossReport):
            event = replace(event, **change)  # type: ignore[arg-type] # by their names
        tell(fabric, event)

    monkeypatch.setattr(Fabric, "tell", told)
    with broken("G2", "host1.0 has lost no such items: "):
        lose(cluster, source)


def report(
    cluster: MachineCluster, node: int, channel_id: bytes, first: int = 0
) -> None:
    """Has a node tell that it lost two items of node 0."""
    event = LossReport(0, channel_id, first, 2, "in a test")
    oracle(cluster, Losses).event_occurred(cluster[node], event)


def test_a_receiver_may_throw_away(cluster: MachineCluster) -> None:
    """Reports of the receiving side are about what it had: it needs a sink there, or
    the channel must be a broadcast, whose receiver may be yet to come."""
    sink, other = cluster[1].open(), cluster[2].open()
    losses = oracle(cluster, Losses)
    report(cluster, 1, sink.channel, first=3)
    assert [losses.was_discarded(sink, 0, number) for number in range(6)] == [
        *[False] * 3,
        *[True] * 2,
        False,
    ]
    assert not losses.was_discarded(sink, 2, 3)
    assert not losses.was_discarded(other, 0, 3)
    with broken("G2", "lost no such items"):
        report(cluster, 1, other.channel)
    news = cluster[0].broadcast(NEWS)
    report(cluster, 1, news.channel)
    with broken("G2", "lost no such items"):
        report(cluster, 1, Token("others").channel)
    cluster.tainted[0, 1] = None
    report(cluster, 1, other.channel)
    with broken("G2", "lost no such items"):
        report(cluster, 2, sink.channel)


def test_what_was_thrown_away_is_not_missing(cluster: MachineCluster) -> None:
    """What the receiving side says that it has discarded may be missing there."""
    source, sink = channel(cluster, sender=0, receiver=1)
    sink.set_pace(STALLED)
    source.offer(2, 20)
    cluster.run(1.0)
    sink.pace = replace(sink.pace, items=1)
    with broken("G2", "never got"):
        settle(cluster)
    report(cluster, 1, sink.channel)
    settle(cluster)


@pytest.mark.parametrize("reverse", [True, False])
def test_each_loss_finds_its_source(cluster: MachineCluster, reverse: bool) -> None:
    """Of several sources of one channel and one node, each report is about the one
    that has lost what it says, whichever is looked at first."""
    source, sink = channel(cluster)
    other, third = connect(cluster[1], sink), connect(cluster[1], sink)
    cluster.run(1.0)
    third.offer(1, 20)
    other.offer(2, 20)
    cluster.run(1.0)
    cluster.partition([0], [1])
    for each, count in ((source, 2), (other, 3), (third, 4)):
        each.offer(count, 20)
    if reverse:
        cluster.sources.reverse()
    cluster.run(20.0)
    losses = oracle(cluster, Losses)
    assert [losses.of(each, 0) for each in (source, other, third)] == [
        [range(2)],
        [range(2, 5)],
        [range(1, 5)],
    ]


def test_who_gives_up_loses_what_was_not_sent(cluster: MachineCluster) -> None:
    """The loss of a source that was aborted is at its end, and not behind what is
    delivered; another source of the channel has no part in it."""
    source, sink = channel(cluster)
    other = connect(cluster[1], sink)
    cluster.run(1.0)
    cluster.block(0, 1)
    for each in (other, source):
        each.offer(3, 20)
    cluster.run(0.5)
    cluster.cut(0, 1)
    source.offer(2, 20)
    source.abort()
    cluster.heal()
    cluster.run(3.0)
    assert oracle(cluster, Losses).of(source, 0) == [range(3, 5)]
    assert oracle(cluster, Losses).of(other, 0) == []
    assert sink.received == 6
    settle(cluster)


def test_a_loss_of_a_broadcast_is_of_its_latest_leg(cluster: MachineCluster) -> None:
    """A report counts the items of a leg, and legs begin anew: the loss is of the
    source's items that were sent on the last one."""
    source = cluster[0].broadcast(NEWS)
    sinks = [node.subscribe(NEWS) for node in cluster.live]
    source.offer(5, 20)
    cluster.run(1.0)
    cluster.restart(1)
    sinks[1] = cluster[1].subscribe(NEWS)
    cluster.meet()
    cluster.run(3.0)
    source.offer(2, 20)
    cluster.run(1.0)
    cluster.partition([0], [1])
    source.offer(3, 20)
    cluster.run(20.0)
    losses = oracle(cluster, Losses)
    assert losses.of(source, 1) == [range(7, 10)]
    assert sinks[1].received == 2
    cluster.heal()
    cluster.run(20.0)
    settle(cluster)
    source.core._lost_before += 2  # type: ignore[union-attr] # it is a broadcast's
    event = LossReport(1, source.channel, 77, 2, "in a test")
    with broken("G2", "source 0 never sent it"):
        losses.event_occurred(cluster[0], event)


def test_what_the_core_has_accepted_is_what_was_sent(cluster: MachineCluster) -> None:
    """A core that counts other items than its application has sent breaks G2."""
    source, _ = channel(cluster)
    source.offer(2, 20)
    cluster.run(1.0)
    settle(cluster)
    source.core.accepted += 1
    source.core.delivered += 1  # type: ignore[union-attr] # it is a producer's
    with broken("G2", "source 0: 2 accepted; "):
        oracle(cluster, Losses).settled()


def test_who_is_gone_accounts_for_nothing(cluster: MachineCluster) -> None:
    """What a process had accepted that is gone is nobody's to account for."""
    source, _ = channel(cluster)
    source.offer(2, 20)
    cluster.run(1.0)
    cluster.crash(1)
    source.core.accepted += 1
    settle(cluster)
