"""Who is at the other end: each way to break G3, G13 and G18 is found."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from comm.config import Config
from comm.events import PeerDown, PeerRestarted, PeerUp
from comm.link.link import Link
from comm.peer.newcomer import Newcomer
from comm.protocol import Hello
from comm.sim import MachineCluster
from comm.sim.machine.strangers import Stranger
from comm.sim.machine.tampering import Corruption
from comm.sim.oracles.heartbeats import Heartbeats
from comm.sim.oracles.identities import Identities
from comm.sim.world import SECOND
from comm.switchboard.dispatcher import Dispatcher
from tests.sim.machines import broken, oracle, told


CONFIG = Config(
    heartbeat_interval_s=1.0, heartbeat_timeout_s=2.0, handshake_timeout_s=2.0
)


@pytest.fixture(name="cluster")
def _cluster() -> Iterator[MachineCluster]:
    with MachineCluster(3, config=CONFIG) as cluster:
        cluster.meet()
        cluster.run(8.0)
        yield cluster


def test_whoever_is_met_again_is_the_same(cluster: MachineCluster) -> None:
    """A core that goes on with a session of another process breaks G3; to go on with
    the same one, or to begin with another one, does not."""
    identities, node = oracle(cluster, Identities), cluster[0]
    first = cluster[1].incarnation
    identities.event_occurred(node, PeerUp(1, first, resumed=True))
    cluster.restart(1)
    second = cluster[1].incarnation
    identities.event_occurred(node, PeerUp(1, second, resumed=False))
    identities.event_occurred(node, PeerUp(1, second, resumed=True))
    with broken("G3", "host0.0 goes on with another process of node 1"):
        identities.event_occurred(node, PeerUp(1, first, resumed=True))
    identities.event_occurred(cluster[2], PeerUp(1, first, resumed=True))


def test_a_stranger_that_is_let_stay_is_found(
    cluster: MachineCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A core that ends no handshake lets strangers stay, and breaks G13; impostors
    beside them do not hide them."""
    monkeypatch.setattr(Dispatcher, "end", lambda dispatcher, link, reason: None)
    cluster.impostors.begin(object(), 2)
    cluster.strangers.append(Stranger(cluster, 0, "silence", 0))
    with broken("G13", r"host0.0 lets a stranger stay for [23]\.\d+ s"):
        cluster.run(3.5)


def test_strangers_that_have_gone_are_none(cluster: MachineCluster) -> None:
    """Strangers that are shown out in time, and nodes that cannot, raise nothing."""
    cluster.strangers.append(Stranger(cluster, 0, "silence", 0))
    cluster.run(1.0)
    cluster.pause(0)
    cluster.run(4.0)
    cluster.resume(0)
    cluster.run(5.0)
    assert not cluster.strangers[0].is_open
    cluster.run(5.0)


def met(cluster: MachineCluster, node: int, peer: int, incarnation: bytes) -> None:
    """Has a node say that it has met a process as another node."""
    event = PeerUp(peer, incarnation, resumed=False)
    oracle(cluster, Identities).event_occurred(cluster[node], event)


def test_whoever_is_met_is_one_of_ours(cluster: MachineCluster) -> None:
    """A node that has met a process that never was, or one of ours as another one than
    it is, breaks G18; all that ever ran are ours."""
    before = cluster[1].incarnation
    cluster.restart(1)
    met(cluster, 0, 1, before)
    met(cluster, 0, 1, cluster[1].incarnation)
    for peer, incarnation in ((1, bytes(16)), (2, cluster[1].incarnation)):
        with broken("G18", f"host0.0 met nobody's process as {peer}"):
            met(cluster, 0, peer, incarnation)
    cluster.tainted[0, 1] = None
    met(cluster, 0, 1, bytes(16))
    with broken("G18", "host2.0 met nobody's process as 1"):
        met(cluster, 2, 1, bytes(16))


def test_one_of_ours_whose_words_were_changed_is_excused(
    cluster: MachineCluster,
) -> None:
    """Where bytes between two nodes were changed, the one may appear as a third one to
    the other; what is between that one and the other is tainted, too, from then on."""
    cluster.tainted[0, 1] = None
    with broken("G18", "host2.0 met nobody's process as 0"):
        met(cluster, 2, 0, cluster[1].incarnation)
    met(cluster, 0, 2, cluster[1].incarnation)
    assert list(cluster.tainted) == [(0, 1), (0, 2)]
    met(cluster, 0, 2, bytes(16))


def test_a_node_id_may_be_changed_on_its_way() -> None:
    """A flipped bit in its first words makes one node another one, as nobody can know
    without authentication, and no oracle takes that for a mistake of the core."""
    with MachineCluster(4, config=CONFIG) as cluster:
        cluster.crash(3)
        cluster.tainted[0, 1] = None
        cluster.tampering.add(Corruption(1, 0, bit=537))
        cluster[1].dial_all()
        cluster.run(3.0)
        assert (0, 3) in cluster.tainted
        assert told(cluster[0], PeerUp)[0].node_id == 3


def credulous(monkeypatch: pytest.MonkeyPatch) -> None:
    """Has cores let a newcomer in without waiting for the incumbent."""
    hold = Newcomer.hold

    def admit(newcomer: Newcomer, link: Link, hello: Hello) -> None:
        hold(newcomer, link, hello)
        newcomer._fabric.timers.set(newcomer._key, newcomer._held_at)

    monkeypatch.setattr(Newcomer, "hold", admit)


def test_an_impostor_that_is_let_in_is_found(
    cluster: MachineCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A core that gives a live node's place to another process breaks G18."""
    credulous(monkeypatch)
    cluster.impostors.begin(object(), 1)
    with broken("G18", "let an impostor take the place of node 1, which was there"):
        cluster.run(1.0)


def restarted(cluster: MachineCluster, old: bytes) -> None:
    """Has node 0 say that an impostor has taken the place of node 1."""
    new = next(iter(cluster.impostors.incarnations))
    event = PeerRestarted(1, old=old, new=new)
    oracle(cluster, Identities).event_occurred(cluster[0], event)


@pytest.mark.parametrize("why", ["cut", "paused", "slow", "busy", "gone", "not met"])
def test_an_impostor_may_come_in_where_nobody_can_be_asked(
    cluster: MachineCluster, why: str
) -> None:
    """If the real node was out of reach a moment ago, does not run or runs unevenly, is
    gone, or was not met, its place may be taken; what is between the two nodes counts
    as tainted from then on."""
    cluster.impostors.begin(object(), 1)
    old = cluster[1].incarnation
    if why == "cut":
        cluster.cut(0, 1)
    elif why == "paused":
        cluster.pause(1)
    elif why == "slow":
        cluster.step_clock(0, 1)
        cluster.disturbances._pairs.clear()
    elif why == "busy":
        cluster.hosts[1].step_ns = SECOND
        cluster.hosts[1].call(lambda: None)
        cluster.hosts[1].call(lambda: None)
    elif why == "gone":
        cluster.crash(1)
    else:
        old = bytes(16)
    restarted(cluster, old)
    assert list(cluster.tainted) == [(0, 1)]
    restarted(cluster, cluster.hosts[1].name.encode())


def test_an_impostor_may_not_come_in_otherwise(cluster: MachineCluster) -> None:
    """If the real node was there to be asked, and had been for some seconds, its place
    may not be taken."""
    cluster.cut(0, 1)
    cluster.run(3.1)
    cluster.impostors.begin(object(), 1)
    with broken("G18", "let an impostor take the place"):
        restarted(cluster, cluster[1].incarnation)


def test_the_first_seconds_count_as_well() -> None:
    """A node is within reach from the beginning of the world on, unless something has
    happened."""
    with MachineCluster(2, config=CONFIG) as cluster:
        cluster.meet()
        cluster.impostors.begin(object(), 1)
        with broken("G18", "let an impostor take the place"):
            restarted(cluster, cluster[1].incarnation)


def test_other_events_are_of_no_interest(cluster: MachineCluster) -> None:
    """Who watches identities and heartbeats minds its own business."""
    event = PeerDown(1, "whatever")
    oracle(cluster, Identities).event_occurred(cluster[0], event)
    oracle(cluster, Heartbeats).event_occurred(cluster[0], PeerUp(1, b"", resumed=True))
    cluster.run(1.0)


def test_half_open_links_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """A core that lets more connections be half open than it should breaks G13."""
    cluster = MachineCluster(1, config=Config(half_open_max=2))
    cluster.strangers += [Stranger(cluster, 0, "silence", seed) for seed in range(5)]
    cluster.run(2.0)
    assert cluster[0].core.statistics().half_open == 2
    monkeypatch.setattr(Dispatcher, "end", lambda dispatcher, link, reason: None)
    Stranger(cluster, 0, "silence", 9)
    with broken("G13", "host0.0: 3 connections are in their handshake"):
        cluster.run(2.0)
