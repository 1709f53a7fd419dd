"""Why something is lost: each loss without a cause is found (G1, G2)."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from comm.broadcast import Token
from comm.config import Config
from comm.errors import PeerLost
from comm.peer.peer import PeerCore
from comm.sim import MachineCluster
from comm.sim.machine import Sink, Source
from comm.sim.oracles.causes import Causes
from tests.sim.machines import broken, channel, connect, oracle


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


def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Has cores give a session up with its link."""
    lose_link = PeerCore._lose_link

    def give_up(peer: PeerCore, reason: str, *, redial: bool = True) -> None:
        lose_link(peer, reason, redial=redial)
        peer._succession.declare_lost(PeerLost("in haste"))

    monkeypatch.setattr(PeerCore, "_lose_link", give_up)


def test_a_loss_without_a_cause_is_found(
    cluster: MachineCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A core that loses items because a connection was cut breaks G1."""
    source, _ = channel(cluster)
    cluster.run(12.0)
    hasty(monkeypatch)
    source.offer(3, 20)
    with broken("G1", r"source 0 on host1.0 lost range\(0, 3\) on their way to node 0"):
        cluster.cut(0, 1)
        cluster.run(1.0)


def judge(cluster: MachineCluster, source: Source, node_id: int = 0) -> None:
    """Has a loss of a source's third and fourth item be judged."""
    oracle(cluster, Causes)._judge(source, node_id, range(2, 4))


def test_without_anything_amiss_nothing_is_excused(cluster: MachineCluster) -> None:
    """While all is well, whichever node it was sent to."""
    source, _ = channel(cluster)
    news = cluster[1].broadcast(NEWS)
    for each, node_id in ((source, 0), (news, 0), (news, 2), (news, 1)):
        with broken("G1", "nothing was wrong"):
            judge(cluster, each, node_id)


def test_who_gives_up_loses(cluster: MachineCluster) -> None:
    """What a source that was aborted had not sent is lost, and so is what a node had
    not delivered before it left."""
    source, _ = channel(cluster)
    other, _ = channel(cluster)
    source.abort()
    judge(cluster, source)
    with broken("G1", "nothing was wrong"):
        judge(cluster, other)
    cluster.leave(1)
    judge(cluster, other)


@pytest.mark.parametrize("dark", [True, False])
def test_who_has_died_loses(cluster: MachineCluster, dark: bool) -> None:
    """What was sent to a process that has died is lost; and nothing that is sent to the
    next one, once it is met."""
    source, _ = channel(cluster)
    cluster.crash(0, dark=dark)
    judge(cluster, source)
    cluster.run(1.0)
    cluster.restart(0)
    cluster.meet()
    cluster.run(30.0)
    with broken("G1", "nothing was wrong"):
        judge(cluster, source)


@pytest.mark.parametrize("how", ["crash", "leave"])
def test_who_is_gone_is_excuse_enough(cluster: MachineCluster, how: str) -> None:
    """It is the end of the process that counts, and not that it cannot be reached."""
    source, _ = channel(cluster)
    getattr(cluster, how)(0)
    cluster.disturbances._pairs.clear()
    judge(cluster, source)
    with broken("G1", "nothing was wrong"):
        judge(cluster, source, node_id=2)


def test_who_has_left_loses(cluster: MachineCluster) -> None:
    """What was sent to a node that has left is lost."""
    source, _ = channel(cluster)
    cluster.leave(0)
    judge(cluster, source)
    with broken("G1", "nothing was wrong"):
        judge(cluster, source, node_id=2)


def test_who_was_deceived_loses(cluster: MachineCluster) -> None:
    """What was sent to a process that was no node's is lost, and nothing is promised
    between two nodes whose bytes were changed."""
    source, _ = channel(cluster)
    cluster.tainted[0, 1] = None
    judge(cluster, source)
    with broken("G1", "nothing was wrong"):
        judge(cluster, source, node_id=2)
    cluster.tainted.clear()
    incarnation = cluster[0].incarnation
    cluster.impostors.incarnations[incarnation] = None
    judge(cluster, source)
    with broken("G1", "nothing was wrong"):
        judge(cluster, source, node_id=2)


def test_who_was_cut_off_loses(cluster: MachineCluster) -> None:
    """What was sent to a node out of reach is lost, if it was so for almost the whole
    window; a second of calm in between is no chance, and five of them are."""
    source, _ = channel(cluster)
    cluster.run(20.0)
    cluster.block(0, 1)
    cluster.run(2.0)
    with broken("G1", "nothing was wrong"):
        judge(cluster, source)
    cluster.run(8.5)
    judge(cluster, source)
    with broken("G1", "nothing was wrong"):
        judge(cluster, source, node_id=2)
    cluster.heal()
    cluster.run(1.0)
    judge(cluster, source)
    cluster.run(7.0)
    cluster.block(0, 1)
    cluster.run(1.0)
    with broken("G1", "nothing was wrong"):
        judge(cluster, source)


def test_a_cluster_that_has_just_begun_has_had_no_peace(
    cluster: MachineCluster,
) -> None:
    """What is lost before a window has passed needs a cause, too; but there cannot have
    been more calm than there was time."""
    source, _ = channel(cluster)
    cluster.run(1.0)
    with broken("G1", "nothing was wrong"):
        judge(cluster, source)
    cluster.cut(0, 1)
    cluster.run(2.0)
    judge(cluster, source)
    cluster.run(8.0)
    with broken("G1", "nothing was wrong"):
        judge(cluster, source)


def test_whose_receiver_was_closed_loses(cluster: MachineCluster) -> None:
    """What was sent to a receiver that was closed is lost: one of that channel, on that
    node, on the own one or another one."""
    source, sink = channel(cluster)
    own, own_sink = channel(cluster, sender=1, receiver=1)
    _, other_sink = channel(cluster)
    other_sink.close()
    for each, node_id in ((source, 0), (own, 1)):
        with broken("G1", "nothing was wrong"):
            judge(cluster, each, node_id)
    own_sink.close()
    judge(cluster, own, node_id=1)
    sink.close()
    judge(cluster, source)
    with broken("G1", "nothing was wrong"):
        judge(cluster, source, node_id=2)


def test_whose_receiver_was_closed_before_loses_nothing(
    cluster: MachineCluster,
) -> None:
    """A receiver of a broadcast that was closed before a source began cannot have had
    anything of it."""
    early = cluster[1].broadcast(NEWS)
    cluster[0].subscribe(NEWS).close()
    cluster.run(1.0)
    late = cluster[1].broadcast(NEWS)
    judge(cluster, early)
    with broken("G1", "nothing was wrong"):
        judge(cluster, late)


def test_a_fan_out_is_closed_with_its_last_member(cluster: MachineCluster) -> None:
    """As long as one member goes on, nothing is lost by the end of the others, nor by
    that of the receiver in whose place they are."""
    source, sink = channel(cluster)
    members: list[Sink] = cluster[0].fan_out(sink, 2)
    with broken("G1", "nothing was wrong"):
        judge(cluster, source)
    members[1].close()
    with broken("G1", "nothing was wrong"):
        judge(cluster, source)
    cluster.run(1.0)
    members[0].close()
    judge(cluster, source)
    late = connect(cluster[1], sink)
    assert late.begun_ns == cluster.world.now_ns
    judge(cluster, late)
    cluster.run(1.0)
    with broken("G1", "nothing was wrong"):
        judge(cluster, connect(cluster[1], sink))


def test_what_a_flush_has_told_is_lost_with_its_receiver_alone(
    cluster: MachineCluster,
) -> None:
    """Items that an application was told to be delivered are not lost by an outage,
    however long; but with the process that has them, or their receiver."""
    source, sink = channel(cluster)
    source.offer(3, 20)
    source.flush()
    cluster.run(1.0)
    cluster.partition([0], [1])
    cluster.run(20.0)
    with broken("G2", r"lost range\(2, 4\) to node 0, after a flush had said"):
        judge(cluster, source)
    oracle(cluster, Causes)._judge(source, 0, range(3, 4))
    sink.close()
    judge(cluster, source)
