"""Faults of bytes, and of those who send them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from comm.errors import DuplicateNode, VersionMismatch
from comm.events import PeerDown
from comm.sim import MachineCluster
from comm.sim.faults import Corrupt, Impersonate, Intrude, MixVersions
from comm.sim.machine.strangers import MANNERS
from comm.sim.world import SECOND
from tests.sim.machines import afflict, channel, told, transfer


@pytest.fixture(name="cluster")
def _cluster() -> Iterator[MachineCluster]:
    with MachineCluster(3) as cluster:
        cluster.meet()
        cluster.run(1.0)
        yield cluster


class Tap:
    """Writes down the bytes that come by, and leaves them as they are."""

    is_done = False

    def __init__(self, source: int, target: int) -> None:
        self.heard: list[bytes] = []
        self._way = (source, target)

    def apply(
        self, source: int, target: int, data: bytes, offset: int
    ) -> tuple[bytes, bool]:
        """Listens."""
        if (source, target) == self._way:
            self.heard.append(data)
        return data, False


def flipped(before: list[bytes], after: list[bytes]) -> list[int]:
    """Returns the bits in which what was sent and what has come differ."""
    sent, came = b"".join(before), b"".join(after)
    assert len(sent) == len(came)
    return [
        8 * place + bit
        for place, (a, b) in enumerate(zip(sent, came, strict=True))
        for bit in range(8)
        if (a ^ b) >> bit & 1
    ]


@pytest.mark.parametrize("bit", [0, 5, 100, 1001])
def test_corrupt_flips_one_bit(cluster: MachineCluster, bit: int) -> None:
    """Corrupt: of the bytes that come next that way one bit is another, and none of
    those that come later, or come from others."""
    source, _ = channel(cluster, 1, 0)
    before, other = Tap(1, 0), channel(cluster, 2, 0)
    cluster.tampering.add(before)
    injector = afflict(cluster, Corrupt, source=1, target=3, bit=bit)
    after = Tap(1, 0)
    cluster.tampering.add(after)
    transfer(cluster, *other, count=3)
    assert injector.fired == {}
    assert not before.heard
    source.offer(2, 20)
    cluster.run_until(lambda: bool(injector.fired))
    assert flipped(before.heard, after.heard) == [bit % (8 * len(before.heard[0]))]
    source.offer(2, 20)
    cluster.run(3.0)
    assert len(flipped(before.heard, after.heard)) == 1
    assert injector.fired == {"Corrupt": 1}
    assert list(cluster.tainted) == [(0, 1)]


def test_corrupt_needs_two_nodes(cluster: MachineCluster) -> None:
    """Corrupt: a node sends itself no bytes."""
    injector = afflict(cluster, Corrupt, source=1, target=4, bit=0)
    cluster.run(5.0)
    assert injector.fired == {}
    assert not cluster.tainted
    assert list(Corrupt(at_ns=0, source=1, target=4, bit=0).disturbs(3)) == []


@pytest.mark.parametrize("number", range(len(MANNERS)))
def test_intrude_sends_strangers(cluster: MachineCluster, number: int) -> None:
    """Intrude: so many strangers of that manner connect to that node, and all are shown
    the door."""
    fields = {"node": 4, "manner": number + len(MANNERS), "count": 3, "seed": 8}
    injector = afflict(cluster, Intrude, **fields)
    cluster.run(0.1)
    assert injector.fired == {"Intrude": 1}
    assert [stranger.target for stranger in cluster.strangers] == [1, 1, 1]
    manner = list(MANNERS)[number]
    assert {stranger.manner for stranger in cluster.strangers} == {manner}
    cluster.run(6.0)
    assert all(stranger.closed_ns for stranger in cluster.strangers)


def test_intrude_meets_a_node_that_listens(cluster: MachineCluster) -> None:
    """Intrude: nobody comes in where nobody is, and nobody comes if nobody is sent."""
    cluster.crash(0)
    dark, nobody = (
        afflict(cluster, Intrude, node=0),
        afflict(cluster, Intrude, node=1, count=0),
    )
    cluster.run(1.0)
    assert dark.fired == {}
    assert nobody.fired == {}


def test_mix_versions_spoils_new_connections(cluster: MachineCluster) -> None:
    """MixVersions: the node says in new connections that it speaks another version,
    and is refused; the connections that stand go on; afterwards it is let in."""
    source, sink = channel(cluster, 1, 0)
    injector = afflict(cluster, MixVersions, node=1, version=7, for_ns=9 * SECOND)
    transfer(cluster, source, sink, count=5)
    assert injector.fired == {}
    cluster.cut(0, 1)
    cluster.run(8.0)
    assert injector.fired == {"MixVersions": 1}
    assert [peer is None or peer.is_up for peer in cluster[0].core.peers] == [
        True,
        False,
        True,
    ]
    cluster.run(2.0)
    transfer(cluster, source, sink, count=5)


@pytest.mark.parametrize("dialler", [0, 1])
def test_mix_versions_is_explained(dialler: int) -> None:
    """MixVersions: both sides learn that it is the version, whoever called."""
    with MachineCluster(2) as cluster:
        afflict(cluster, MixVersions, node=1, version=7, for_ns=9 * SECOND)
        cluster[dialler].dial_all()
        cluster.run(1.0)
        assert isinstance(cluster[dialler].core.missing()[1 - dialler], VersionMismatch)


def test_versions_that_overlap_are_taken_back_one_by_one() -> None:
    """MixVersions: two that are equal are two, and end one after the other."""
    with MachineCluster(2) as cluster:
        afflict(cluster, MixVersions, node=1, version=7, for_ns=4 * SECOND)
        afflict(cluster, MixVersions, node=1, version=7, for_ns=8 * SECOND)
        cluster[0].dial_all()
        cluster.run(7.0)
        assert cluster[0].core.missing()
        cluster.run(3.0)
        assert not cluster[0].core.missing()


def test_impersonate_starts_a_second_process(cluster: MachineCluster) -> None:
    """Impersonate: a process that claims a node's id calls all others, which refuse
    it as long as the real one answers; nobody loses a link by it."""
    injector = afflict(cluster, Impersonate, node=4, for_ns=5 * SECOND)
    assert injector.fired == {"Impersonate": 1}
    ((_, driver),) = cluster.impostors._drivers
    assert driver.index == 1
    cluster.run(4.0)
    assert {type(error) for error in driver.core.missing().values()} == {DuplicateNode}
    assert sorted(driver.core.missing()) == [0, 2]
    assert [told(node, PeerDown) for node in cluster.live] == [[], [], []]
    cluster.run(1.0)
    assert not cluster.impostors._drivers
    made = cluster.network.made
    cluster.run(5.0)
    assert cluster.network.made == made


def test_impersonate_needs_somebody_to_be_deceived() -> None:
    """Impersonate: in a cluster of one there is nobody to call."""
    with MachineCluster(1) as cluster:
        assert afflict(cluster, Impersonate, node=0, for_ns=SECOND).fired == {}
        cluster.run(2.0)
        assert not cluster.impostors._drivers
