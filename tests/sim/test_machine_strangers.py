"""Strangers and impostors: whoever connects and does not belong to the cluster."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from comm.config import Config
from comm.errors import DuplicateNode
from comm.events import PeerDown, PeerRestarted, PeerUp
from comm.protocol import PROTOCOL_MAGIC
from comm.sim import MachineCluster
from comm.sim.machine.strangers import MANNERS, Stranger
from comm.sim.network import Buffers, Conditions
from tests.sim.machines import channel, connect, link_to, told, transfer


CONFIG = Config(handshake_timeout_s=2.0)

WAITING = ("silence", "truncated", "drip")
"""The manners of those who have said nothing wrong by the time they are shown out."""


@pytest.fixture(name="cluster")
def _cluster() -> Iterator[MachineCluster]:
    with MachineCluster(3, config=CONFIG) as cluster:
        cluster.meet()
        cluster.run(1.0)
        yield cluster


def come(cluster: MachineCluster, manner: str, seed: int = 5) -> Stranger:
    """Has a stranger come to node 0."""
    stranger = Stranger(cluster, 0, manner, seed)
    cluster.strangers.append(stranger)
    return stranger


@pytest.mark.parametrize("manner", MANNERS)
@pytest.mark.parametrize("seed", [0, 1, 77])
def test_every_stranger_is_shown_the_door(
    cluster: MachineCluster, manner: str, seed: int
) -> None:
    """Whatever a stranger says, it is let in by nobody, harms no channel, and is gone
    once a handshake may take no longer: at once, if what it has said cannot be."""
    source, sink = channel(cluster)
    stranger = come(cluster, manner, seed)
    cluster.run(0.2)
    assert stranger.is_open == (manner in WAITING)
    transfer(cluster, source, sink, count=5)
    cluster.run(2.0)
    assert stranger.opened_ns is not None
    assert stranger.closed_ns is not None
    assert not stranger.is_open
    assert len(cluster[0].links) == 2
    assert [told(node, PeerDown) for node in cluster.live] == [[], [], []]


@pytest.mark.parametrize("manner", MANNERS)
def test_what_a_stranger_says_depends_on_its_seed(
    cluster: MachineCluster, manner: str
) -> None:
    """The same stranger says the same each time; and where there is a choice, strangers
    differ."""
    said = {seed: MANNERS[manner](cluster, 0, seed) for seed in range(1, 9)}
    assert said == {seed: MANNERS[manner](cluster, 0, seed) for seed in range(1, 9)}
    fixed = {"silence", "oversize"}
    assert (len(set(said.values())) > 1) == (manner not in fixed)


@pytest.mark.parametrize(
    ("manner", "beginning"),
    [
        ("silence", b""),
        ("oversize", PROTOCOL_MAGIC + b"\x00\xff\xff\xff\x01"),
        ("drip", PROTOCOL_MAGIC),
        ("other version", PROTOCOL_MAGIC),
        ("other cluster", PROTOCOL_MAGIC),
        ("other members", PROTOCOL_MAGIC),
        ("impatient", PROTOCOL_MAGIC + b"\x00\x00\x00\x08"),
    ],
)
def test_strangers_know_the_protocol(
    cluster: MachineCluster, manner: str, beginning: bytes
) -> None:
    """Those who speak at all begin as a node would: they are refused for what they
    say, and not for how they begin."""
    said = MANNERS[manner](cluster, 0, 400)
    assert said[: len(beginning)] == beginning
    assert bool(said) == (manner != "silence")
    assert not MANNERS["garbage"](cluster, 0, 400).startswith(PROTOCOL_MAGIC)


def test_who_drips_says_a_byte_at_a_time(cluster: MachineCluster) -> None:
    """A stranger that drips is heard byte by byte, and given no more time for it."""
    stranger = come(cluster, "drip", 60)
    cluster.run(1.0)
    link = link_to(cluster[0], cluster.outside.index)
    assert link.received_bytes in {3, 4}
    assert stranger.is_open
    cluster.run(1.2)
    assert not stranger.is_open


def test_a_stranger_writes_when_there_is_room() -> None:
    """What the kernel does not take at once is said later, and all of it arrives."""
    buffers = Buffers(send_bytes=100, receive_bytes=100)
    with MachineCluster(2, config=CONFIG, buffers=buffers) as cluster:
        cluster.pause(0)
        stranger = come(cluster, "oversize")
        cluster.run(0.5)
        assert len(stranger._data) > 2000
        cluster.resume(0)
        cluster.run(0.5)
        assert not stranger.is_open


def test_where_nobody_is_no_stranger_comes_in(cluster: MachineCluster) -> None:
    """A stranger that reaches nobody has never been there."""
    cluster.crash(0, dark=False)
    stranger = come(cluster, "garbage")
    cluster.run(1.0)
    assert stranger.opened_ns is None
    assert not stranger.is_open


def test_a_stranger_may_be_turned_away_before_it_knows(cluster: MachineCluster) -> None:
    """Where the end of the connection has come when it is said to stand, the stranger
    learns of it all the same, and says nothing."""
    near, far = cluster.network.join(cluster.outside, cluster.hosts[0])
    far.close()
    cluster.run(0.01)
    stranger = come(cluster, "garbage")
    said = len(stranger._data)
    stranger.connected(near)
    assert stranger.closed_ns is not None
    assert not stranger.is_open
    assert len(stranger._data) == said


@pytest.mark.parametrize("manner", ["other version", "drip"])
def test_a_stranger_reads_in_pieces(manner: str) -> None:
    """However the answer is cut, a stranger comes to its end."""
    conditions = Conditions(fragment_permille=1000)
    with MachineCluster(2, config=CONFIG, conditions=conditions) as cluster:
        stranger = come(cluster, manner)
        cluster.run(2.5)
        assert stranger.closed_ns is not None


def test_a_stranger_whose_target_dies_learns_of_it(cluster: MachineCluster) -> None:
    """A connection that breaks is as good as one that was closed."""
    stranger = come(cluster, "silence")
    cluster.run(0.1)
    for ends in cluster.network.between(0, cluster.outside.index):
        for end in ends:
            end.handle_reset()
    cluster.run(0.1)
    assert stranger.closed_ns is not None


def test_an_impostor_is_refused_by_those_who_know_better(
    cluster: MachineCluster,
) -> None:
    """As long as the real node answers, its double is let in by nobody; when it is
    ended, nothing of it is left."""
    source, sink = channel(cluster)
    owner = object()
    cluster.impostors.begin(owner, 1)
    ((_, driver),) = cluster.impostors._drivers
    assert driver.listener is None
    assert list(cluster.impostors.incarnations) == [driver.incarnation]
    assert driver.incarnation != cluster[1].incarnation
    cluster.run(3.0)
    causes = driver.core.missing()
    assert {index: type(cause) for index, cause in causes.items()} == {
        0: DuplicateNode,
        2: DuplicateNode,
    }
    transfer(cluster, source, sink, count=5)
    cluster.impostors.end(object())
    assert cluster.impostors._drivers
    cluster.impostors.end(owner)
    cluster.impostors.end(owner)
    assert driver.links == {}
    cluster.run(5.0)
    assert driver.links == {}
    assert cluster.network.ends_at(cluster.outside) == []


def test_each_impostor_is_another_one(cluster: MachineCluster) -> None:
    """Several impostors of one node have incarnations of their own, and each goes with
    its owner."""
    first, second = object(), object()
    cluster.impostors.begin(first, 1)
    cluster.impostors.begin(second, 1)
    assert len(cluster.impostors.incarnations) == 2
    cluster.impostors.end(first)
    ((owner, driver),) = cluster.impostors._drivers
    assert owner is second
    assert driver.incarnation == list(cluster.impostors.incarnations)[1]


def test_an_impostor_takes_the_place_of_who_is_gone(cluster: MachineCluster) -> None:
    """Where the real node cannot be asked, its double is met, and what is between the
    two nodes counts as tainted from then on."""
    connect(cluster[1], cluster[0].open())
    cluster.run(1.0)
    cluster.crash(1, dark=False)
    cluster.run(0.5)
    cluster.impostors.begin(owner := object(), 1)
    cluster.run(3.0)
    ((_, driver),) = cluster.impostors._drivers
    assert driver.core.missing() == {}
    assert told(cluster[0], PeerRestarted)[0].new == driver.incarnation
    assert (0, 1) in cluster.tainted
    cluster.impostors.end(owner)
    cluster.run(1.0)
    assert told(cluster[0], PeerDown)[-1].node_id == 1
    cluster.restart(1)
    cluster.meet()
    cluster.run(5.0)
    assert told(cluster[0], PeerUp)[-1].incarnation == cluster[1].incarnation
    assert link_to(cluster[0], 1).is_known
