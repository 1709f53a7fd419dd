"""What a cluster keeps in mind: disturbances, partings, claims, weather, entropy."""

from __future__ import annotations

from dataclasses import replace

import pytest

from comm.events import PeerDown
from comm.sim import MachineCluster
from comm.sim.machine.claims import Claims
from comm.sim.machine.disturbance import Disturbances
from comm.sim.machine.entropy import Entropy
from comm.sim.machine.weather import Weather
from comm.sim.network import PASS, Conditions, Latency, Packet, Pass
from comm.sim.world import SECOND, World
from tests.sim.machines import channel, link_to, told


MEMORY_NS = 100


@pytest.fixture(name="world")
def _world() -> World:
    return World()


@pytest.fixture(name="disturbances")
def _disturbances(world: World) -> Disturbances:
    return Disturbances(world, MEMORY_NS)


def test_where_nothing_was_all_was_calm(
    world: World, disturbances: Disturbances
) -> None:
    """Whoever was never disturbed has had peace all the time, and ran evenly."""
    world.run_to(50)
    assert disturbances.calm_ns((0, 1), 20) == 30
    assert not disturbances.was_disturbed((0, 1), 0)
    assert not disturbances.was_uneven(0, 0)


def test_the_longest_calm_is_found(world: World, disturbances: Disturbances) -> None:
    """Of the times between disturbances, and before and behind them, the longest one
    counts, from the time on that is asked for."""
    for begin_ns, end_ns in ((10, 15), (35, 36), (60, 80)):
        world.run_to(begin_ns)
        disturbances.begin([(0, 1)])
        world.run_to(end_ns)
        disturbances.end([(0, 1)])
    world.run_to(90)
    for since_ns, calm_ns in ((0, 24), (12, 24), (20, 24), (30, 24), (40, 20), (85, 5)):
        assert disturbances.calm_ns((0, 1), since_ns) == calm_ns
    assert disturbances.calm_ns((0, 2), 0) == 90


def test_what_lasts_is_no_calm(world: World, disturbances: Disturbances) -> None:
    """A disturbance that has not ended reaches to the present, for pairs and nodes;
    several at once are over with the last of them."""
    world.run_to(20)
    disturbances.begin([(1, 0)], [3])
    world.run_to(30)
    disturbances.begin([(0, 1)], [3])
    world.run_to(40)
    disturbances.end([(1, 0)], [3])
    world.run_to(50)
    assert disturbances.calm_ns((0, 1), 0) == 20
    assert disturbances.calm_ns((0, 1), 25) == 0
    assert disturbances.was_uneven(3, 50)
    disturbances.end([(0, 1)], [3])
    world.run_to(60)
    assert disturbances.calm_ns((0, 1), 25) == 10
    assert disturbances.was_disturbed((1, 0), 50)
    assert not disturbances.was_disturbed((1, 0), 51)
    assert not disturbances.was_disturbed((1, 3), 0)
    assert disturbances.was_uneven(3, 50)
    assert not disturbances.was_uneven(3, 51)
    assert not disturbances.was_uneven(2, 0)


def test_a_moment_is_a_disturbance_too(
    world: World, disturbances: Disturbances
) -> None:
    """A strike parts the time before it from the time behind it, for pairs in whatever
    order they are named, and for nodes."""
    world.run_to(30)
    disturbances.strike(iter([(1, 0)]), iter([2]))
    world.run_to(40)
    assert disturbances.calm_ns((0, 1), 0) == 30
    assert disturbances.calm_ns((1, 0), 5) == 25
    assert disturbances.was_uneven(2, 30)
    assert not disturbances.was_uneven(2, 31)


def test_what_is_long_over_is_forgotten(
    world: World, disturbances: Disturbances
) -> None:
    """No more is kept than can be asked for, and nobody can ask for more."""
    for at_ns in range(0, 5000, 10):
        world.run_to(at_ns)
        disturbances.strike([(0, 1)], [0])
    spells = [*disturbances._pairs.values(), *disturbances._nodes.values()]
    assert [len(spell.intervals) for spell in spells] == [11, 11]
    assert disturbances.calm_ns((0, 1), world.now_ns - MEMORY_NS) == 10
    with pytest.raises(AssertionError):
        disturbances.calm_ns((0, 1), world.now_ns - MEMORY_NS - 1)
    with pytest.raises(AssertionError):
        disturbances.was_uneven(0, world.now_ns - MEMORY_NS - 1)


def test_partings_tell_how_late_bytes_are() -> None:
    """Whoever reads can tell for how long the other side has given the connection up,
    and none is remembered any longer than somebody can read."""
    with MachineCluster(2) as cluster:
        channel(cluster)
        reader = link_to(cluster[0], 1).endpoint
        assert reader is not None
        partings = cluster.partings
        assert partings.late_ns(reader) is None
        assert len(partings) == 0
        cluster.pause(0)
        cluster.run_until(lambda: bool(told(cluster[1], PeerDown)))
        cluster.run(2.0)
        assert partings.late_ns(reader) == 2 * SECOND
        assert partings.late_ns(reader.far) is None
        assert len(partings) == 1
        reader.close()
        other = cluster.network.join(cluster.hosts[0], cluster.hosts[1])
        partings.part(other[0])
        assert partings.late_ns(reader) is None
        assert partings.late_ns(other[1]) == 0


def test_claims_are_those_of_their_owners() -> None:
    """Owners are told apart although they are equal; a claim goes with its owner, and
    what is left is in the order in which it came."""
    claims = Claims()
    first, second, third = [1], [1], [2]
    claims.add(first, ("pace", 0), "a")
    claims.add(second, ("pace", 0), "b")
    claims.add(third, ("pace", 1), "c")
    assert claims.of(("pace", 0)) == ["a", "b"]
    assert claims.get(second) == "b"
    assert claims.drop(first) == "a"
    assert claims.drop(first) is None
    assert claims.get(first) is None
    assert claims.of(("pace", 0)) == ["b"]
    assert claims.of(("pace", 1)) == ["c"]
    assert claims.of(("clock", 0)) == []


def slower(conditions: Conditions) -> Conditions:
    return replace(conditions, latency=Latency(base_ns=7))


def lossy(conditions: Conditions) -> Conditions:
    return replace(conditions, loss_permille=conditions.loss_permille + 10)


@pytest.fixture(name="cluster")
def _cluster() -> MachineCluster:
    return MachineCluster(3, oracles=False)


@pytest.fixture(name="weather")
def _weather(cluster: MachineCluster) -> Weather:
    return cluster.weather


def test_weather_adds_up(cluster: MachineCluster, weather: Weather) -> None:
    """What befalls a way comes together, and each part goes with its owner."""
    a, b, c = object(), object(), object()
    assert weather.worsen(a, slower, 0)
    assert weather.worsen(b, lossy, None)
    assert weather.worsen(c, lossy, 0)
    assert not weather.worsen(object(), lambda conditions: conditions, None)
    path, other = cluster.network.path(0, 1), cluster.network.path(1, 2)
    assert path.conditions == Conditions(latency=Latency(base_ns=7), loss_permille=20)
    assert other.conditions == Conditions(loss_permille=10)
    weather.improve(b)
    assert path.conditions == Conditions(latency=Latency(base_ns=7), loss_permille=10)
    assert other.conditions == Conditions()
    weather.improve(a)
    weather.improve(c)
    assert path.conditions == Conditions()


def passing(packet: Packet) -> Pass:
    del packet
    return PASS


def test_rules_go_with_their_owners(cluster: MachineCluster, weather: Weather) -> None:
    """A rule is there from when it is held until it is dropped."""
    a, b = object(), object()
    weather.hold(a, passing)
    weather.hold(b, passing)
    weather.hold(b, passing)
    assert len(cluster.network.rules.installed) == 3
    weather.drop(b)
    assert len(cluster.network.rules.installed) == 1
    weather.drop(b)
    weather.drop(a)
    assert cluster.network.rules.installed == []


def test_weather_clears_up(cluster: MachineCluster, weather: Weather) -> None:
    """Everything is taken back at once; what is usual may be another thing then, and
    what is taken back once more does no harm."""
    owner, usual = object(), Conditions(loss_permille=1)
    weather.worsen(owner, slower, None)
    weather.hold(owner, passing)
    weather.clear()
    assert cluster.network.path(0, 1).conditions == Conditions()
    assert cluster.network.rules.installed == []
    weather.clear(usual)
    assert {path.conditions for path in cluster.network.paths} == {usual}
    weather.improve(owner)
    weather.drop(owner)
    weather.clear()
    assert {path.conditions for path in cluster.network.paths} == {usual}


def test_entropy_is_one_stream_of_bytes() -> None:
    """The bytes are the same however they are asked for, differ with the key, and go on
    in a copy as they do in the original."""
    whole, pieces = Entropy(b"key")(300), Entropy(b"key")
    assert b"".join(pieces(size) for size in (0, 1, 63, 64, 65, 107)) == whole
    assert Entropy(b"other")(300) != whole
    assert len({whole[at : at + 8] for at in range(0, 296, 8)}) == 37
