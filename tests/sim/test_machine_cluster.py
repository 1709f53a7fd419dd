"""`MachineCluster`: what it makes, how time passes, and what it says when stuck."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from comm.broadcast import Token
from comm.config import Config
from comm.errors import BrokenError, StaleSender, UsageError
from comm.events import PeerRestarted
from comm.sim import MachineCluster
from comm.sim.choices import Calm
from comm.sim.machine import StuckError, Watcher
from comm.sim.machine.driver import Driver
from comm.sim.network import Buffers, Conditions, Latency
from comm.sim.world import SECOND
from comm.switchboard import SwitchboardCore
from tests.sim.machines import channel, connect, lines, link_to, told, transfer


NEWS: Token[bytes] = Token("news")
OWN: Token[bytes] = Token("own news", loopback=True)


@pytest.fixture(name="cluster")
def _cluster() -> Iterator[MachineCluster]:
    with MachineCluster(3) as cluster:
        yield cluster


def test_open_and_connect_make_a_channel(cluster: MachineCluster) -> None:
    """Whoever connects a sender sends to its sink, from the own node or another one;
    sources and sinks have numbers, in the order in which they were made."""
    sink = cluster[0].open()
    sources = [connect(node, sink) for node in cluster.live]
    assert [source.name for source in sources] == [0, 1, 2]
    assert cluster.sources == sources
    assert cluster.sinks == [sink]
    assert not sink.is_broadcast
    assert not sources[0].is_broadcast
    for source in sources:
        assert source.channel == sink.channel
        transfer(cluster, source, sink, count=3)
    assert all(source.is_open for source in sources)


def test_open_may_limit_producers(cluster: MachineCluster) -> None:
    """A channel takes as many producers as it was made for, and is full then."""
    sink = cluster[0].open(max_producers=2)
    first, second, third = (connect(cluster[1], sink) for _ in range(3))
    assert not sink.is_full
    cluster.run_until(lambda: third.error is not None)
    assert first.is_open
    assert second.is_open
    assert not third.is_alive
    assert sink.is_full
    assert sink.limit == 2


def test_clone_makes_another_source(cluster: MachineCluster) -> None:
    """A clone is a source of its own of the same channel; none can be made of a source
    that the other side has ended."""
    source, sink = channel(cluster)
    clone = cluster[1].clone(source)
    assert clone.name == 1
    source.finish()
    transfer(cluster, clone, sink, count=3)
    sink.close()
    cluster.run_until(lambda: clone.error is not None)
    with pytest.raises(BrokenError):
        cluster[1].clone(clone)
    assert len(cluster.sources) == 2


def test_connect_refuses_a_stale_sender(cluster: MachineCluster) -> None:
    """A sender whose process is known to be gone is refused at once, and there is no
    source."""
    sink = cluster[0].open()
    cluster.meet()
    cluster.restart(0)
    cluster.run_until(lambda: bool(told(cluster[1], PeerRestarted)))
    with pytest.raises(StaleSender):
        connect(cluster[1], sink)
    assert cluster.sources == []


@pytest.mark.parametrize(("token", "others"), [(NEWS, [1, 2]), (OWN, [0, 1, 2])])
def test_subscribe_and_broadcast(
    cluster: MachineCluster, token: Token[bytes], others: list[int]
) -> None:
    """A broadcast comes to each node that has subscribed, the own one included if the
    token says so; a source knows which items went where, under which numbers."""
    sinks = [node.subscribe(token) for node in cluster.live]
    source = cluster[0].broadcast(token)
    assert source.is_broadcast
    assert source.is_open
    assert all(sink.is_broadcast and sink.sender is None for sink in sinks)
    assert {sink.channel for sink in sinks} == {source.channel}
    source.offer(3, 20)
    cluster.run(1.0)
    assert [sink.received for sink in sinks] == [3 * (n in others) for n in range(3)]
    assert source.legs == [dict.fromkeys(others, number) for number in range(3)]


def test_a_node_subscribes_once(cluster: MachineCluster) -> None:
    """A second receiver of a broadcast on one node is refused, and is no sink."""
    cluster[0].subscribe(NEWS)
    with pytest.raises(UsageError):
        cluster[0].subscribe(NEWS)
    assert len(cluster.sinks) == 1


def test_fan_out_makes_several_sinks_of_one(cluster: MachineCluster) -> None:
    """Each member gets everything, in the place of the sink that there was; they know
    to which group they belong."""
    source, sink = channel(cluster, max_producers=1)
    members = cluster[0].fan_out(sink, 3)
    source.offer(4, 20)
    source.finish()
    cluster.run_until(lambda: all(member.is_ended for member in members))
    assert [member.received for member in members] == [4, 4, 4]
    assert sink.received == 0
    assert not sink.is_alive
    assert {member.group for member in members} == {sink.name}
    assert {member.limit for member in members} == {1}
    assert {member.sender for member in members} == {sink.sender}
    with pytest.raises(UsageError):
        cluster[0].fan_out(sink, 2)


def test_meet_brings_all_nodes_together(cluster: MachineCluster) -> None:
    """Each node has met each other one; if that cannot be, it says who is missing."""
    cluster.meet()
    assert not any(node.core.missing() for node in cluster.live)
    apart = MachineCluster(3)
    apart.crash(2)
    with pytest.raises(StuckError, match=r"host0\.0: .*node 2 missing: .*silent"):
        apart.meet(timeout=8.0)


def test_time_passes_as_it_is_told_to(cluster: MachineCluster) -> None:
    """`run` lets exactly so many seconds pass, whatever happens meanwhile."""
    assert cluster.now_s == 0
    cluster.run(1.25)
    assert cluster.now_s == 1.25
    cluster.meet()
    before_s = cluster.now_s
    cluster.run(2.0)
    assert cluster.now_s == before_s + 2.0


def test_run_until_stops_with_its_condition(cluster: MachineCluster) -> None:
    """It goes no further than the event that has made the condition hold, and not at
    all if it holds already."""
    cluster.run_until(lambda: True)
    assert cluster.world.events == 0
    source, sink = channel(cluster)
    source.offer(2, 20)
    cluster.run_until(lambda: sink.received == 2)
    assert cluster.now_s < 0.1


def test_run_until_says_what_each_node_waits_for(cluster: MachineCluster) -> None:
    """Where the condition does not come to hold in time, the error says so, and, for
    each node that runs: its next timer, whom it has not met, what it has not
    delivered, and whether its process runs."""
    source, _ = channel(cluster)
    cluster.crash(2)
    cluster.pause(0)
    source.offer(3, 20)
    with pytest.raises(StuckError) as caught:
        cluster.run_until(lambda: False, timeout=2.5)
    assert cluster.now_s >= 2.5
    text = str(caught.value)
    assert text.startswith("not within 2.5 s\n")
    paused, sending = text.splitlines()[1:]
    assert paused.startswith("host0.0: timer (")
    assert "paused, " in paused
    assert "steps behind" in paused
    assert sending.startswith("host1.0: timer (")
    assert "node 2 missing: node 2 (127.0.0.1:7002): not tried yet" in sending
    assert "undelivered Undelivered(node_id=0, " in sending
    assert "paused" not in sending


def test_what_is_paused_is_said_to_be(cluster: MachineCluster) -> None:
    """A process that is stopped is pending though nothing waits for it yet."""
    cluster.pause(1)
    assert "paused, 0 steps behind" in cluster.pending()
    assert cluster.pending().count("steps behind") == 1


def test_a_cluster_without_processes_is_pending_nothing() -> None:
    """Where no node runs, that is what is said."""
    assert MachineCluster(2, start=False).pending() == "no node runs"


def test_nodes_may_be_started_later() -> None:
    """Without `start` no process is there, until each is started, once."""
    cluster = MachineCluster(2, start=False)
    assert cluster.live == []
    assert len(cluster) == 2
    with pytest.raises(LookupError, match="node 1 does not run"):
        cluster[1]
    node = cluster.start(1)
    assert cluster.live == [node]
    assert cluster[1] is node
    assert cluster.is_current(node)
    cluster.start(0)
    cluster.meet()
    with pytest.raises(AssertionError):
        cluster.start(1)
    cluster.crash(1)
    with pytest.raises(AssertionError):
        cluster.start(1)


def test_each_node_has_its_limits() -> None:
    """One config holds for all nodes, of a list each node has its own, and without
    one the usual ones hold."""
    small, large = Config(window_bytes=100), Config(window_bytes=1000)
    assert MachineCluster(2).configs == [Config(), Config()]
    assert MachineCluster(2, config=small).configs == [small, small]
    cluster = MachineCluster(2, config=[small, large])
    assert [node.core.config for node in cluster.live] == [small, large]
    assert cluster.config(1) is large


def test_conditions_and_buffers_hold_for_the_network() -> None:
    """Paths and kernels are as the cluster was told that they are."""
    conditions = Conditions(latency=Latency(base_ns=SECOND))
    buffers = Buffers(send_bytes=1000, receive_bytes=2000)
    cluster = MachineCluster(2, conditions=conditions, buffers=buffers)
    cluster.meet()
    assert 3.0 < cluster.now_s < 4.5
    endpoint = link_to(cluster[0], 1).endpoint
    assert endpoint is not None
    assert endpoint._send_bytes == 1000
    assert {path.conditions for path in cluster.network.paths} == {conditions}


def test_draws_may_come_from_elsewhere() -> None:
    """Given choices, the schedule depends on them, and the entropy on the seed."""
    calm = [MachineCluster(2, seed=seed, choices=Calm()) for seed in (1, 1, 2)]
    for cluster in calm:
        cluster.meet()
    digests = [cluster.trace.digest for cluster in calm]
    assert digests[0] == digests[1] != digests[2]


def history(seed: object, *, check_every: int = 1) -> MachineCluster:
    """Returns a cluster in which a good deal has happened."""
    conditions = Conditions(
        latency=Latency(spread_ns=10_000_000), loss_permille=50, fragment_permille=300
    )
    cluster = MachineCluster(
        3, seed=seed, conditions=conditions, records=True, check_every=check_every
    )
    cluster.meet()
    source, sink = channel(cluster)
    news, told = cluster[2].broadcast(NEWS), cluster[0].subscribe(NEWS)
    cluster[1].subscribe(NEWS)
    source.offer(50, 300)
    news.offer(20, 50)
    cluster.cut(0, 1)
    cluster.run(2.0)
    cluster.restart(1)
    cluster.run(10.0)
    assert sink.received
    assert told.received
    return cluster


def test_the_same_seed_gives_the_same_history() -> None:
    """Two runs of one seed have the same digest, whatever checks them; those of two
    seeds have not."""
    first, again, other = history(7), history(7, check_every=0), history(8)
    assert first.trace.difference(again.trace) is None
    assert first.trace.digest == again.trace.digest
    assert first.trace.digest != other.trace.digest


def test_a_trace_keeps_its_lines_on_demand(cluster: MachineCluster) -> None:
    """Without `records` there is a digest and no line."""
    cluster.meet()
    assert cluster.trace.lines == ()
    assert cluster.trace.count > 0
    kept = MachineCluster(3, records=True)
    kept.meet()
    assert len(kept.trace.lines) == kept.trace.count
    assert kept.trace.digest == cluster.trace.digest
    assert lines(kept, "host0.0")[0].startswith("starts ")


class Steps(Watcher):
    """Counts the steps of all nodes."""

    def __init__(self) -> None:
        self.count = 0

    def stepped(self, node: Driver) -> None:
        self.count += 1


def _noted_in(checks: list[SwitchboardCore]) -> Callable[[SwitchboardCore], None]:
    def check(core: SwitchboardCore) -> None:
        checks.append(core)

    return check


class BrokenCoreError(Exception):
    """What the checks of a core raise in these tests."""


@pytest.mark.parametrize("every", [1, 4, 0])
def test_cores_check_themselves(monkeypatch: pytest.MonkeyPatch, every: int) -> None:
    """A core checks its invariants behind each step, or behind every so many, or
    never."""
    steps = Steps()
    checks: list[SwitchboardCore] = []
    cluster = MachineCluster(3, check_every=every, watchers=[steps])
    kind = type(cluster[0].core)
    monkeypatch.setattr(kind, "check_invariants", _noted_in(checks))
    cluster.meet()
    assert steps.count > 10
    assert len(checks) == (steps.count // every if every else 0)


def test_a_core_that_is_broken_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the check of a core raises ends the run."""

    def fail(core: object) -> None:
        raise BrokenCoreError

    with MachineCluster(2) as cluster:
        monkeypatch.setattr(type(cluster[0].core), "check_invariants", fail)
        with pytest.raises(BrokenCoreError):
            cluster.meet()


def test_oracles_may_be_left_out(cluster: MachineCluster) -> None:
    """A cluster has oracles unless it is told not to."""
    assert cluster.oracles
    assert MachineCluster(2, oracles=False).oracles == []


def test_shape_holds_for_processes_that_start_later(cluster: MachineCluster) -> None:
    """How processes behave is said before they start; those that run stay as they
    are."""
    cluster.shape(is_prompt=False, read_bytes=10, high_bytes=20)
    node = cluster.restart(1)
    assert (node.is_prompt, node.read_bytes, node.high_bytes) == (False, 10, 20)
    usual = cluster[0]
    assert usual.is_prompt
    assert usual.read_bytes == usual.high_bytes == 256 << 10
