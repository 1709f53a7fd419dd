"""The liveness phase: everything comes to its end, or it is said what does not."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from comm.broadcast import Token
from comm.config import Config
from comm.mpsc import ProducerCore
from comm.peer.dialler import Dialler
from comm.sim import MachineCluster
from comm.sim.faults import Fault, Injector, Isolate, PowerCut, Throttle
from comm.sim.host import HostState
from comm.sim.machine import EAGER, STALLED, Pace, StuckError
from comm.sim.network import Conditions, Latency
from comm.sim.scenario import Scenario, Step, play
from comm.sim.scenario.rest import bring_to_rest, leave
from comm.sim.scenario.steps import (
    Broadcast,
    CloseSink,
    Connect,
    FanOut,
    Offer,
    Open,
    SetPace,
    Subscribe,
)
from comm.sim.world import MS, SECOND
from tests.sim.machines import channel, connect, link_to


NEWS: Token[bytes] = Token("news")

SMALL = Config(
    window_bytes=1000,
    heartbeat_interval_s=1.0,
    heartbeat_timeout_s=2.0,
    handshake_timeout_s=1.0,
    resume_window_s=5.0,
)


@pytest.fixture(name="cluster")
def _cluster() -> Iterator[MachineCluster]:
    with MachineCluster(3, config=SMALL) as cluster:
        cluster.meet()
        yield cluster


def rest(cluster: MachineCluster, *survivors: int, **options: Any) -> None:
    """Brings a cluster without faults to rest."""
    bring_to_rest(cluster, Injector(cluster), survivors, **options)


def test_everything_is_healed(cluster: MachineCluster) -> None:
    """Faults end, blocks, pauses, slowness and wrong clocks too, and whoever is gone or
    has left is started again: all nodes have met and all items have come."""
    source, sink = channel(cluster)
    source.offer(50, 100)
    lasting: list[Fault] = [
        Isolate(at_ns=0, for_ns=999 * SECOND, node=2),
        Throttle(at_ns=0, for_ns=999 * SECOND, bytes_per_s=10),
        PowerCut(at_ns=10 * SECOND, for_ns=SECOND, node=0),
    ]
    injector = Injector(cluster, lasting)
    cluster.partition([0], [1])
    cluster.pause(1)
    cluster.hosts[0].step_ns = SECOND
    cluster.drift_clock(2, 100)
    cluster.tampering.add(_Silence())
    cluster.run(0.5)
    cluster.crash(2)
    bring_to_rest(cluster, injector, ())
    assert source.is_finished
    assert sink.received == 50
    assert all(path.is_open for path in cluster.network.paths)
    assert {path.conditions for path in cluster.network.paths} == {Conditions()}
    for host in cluster.hosts:
        assert host.state is HostState.RUNNING
        assert host.step_ns == 0
        assert host.clock.drift_ppm == 0
    for a, b in ((0, 1), (1, 2), (2, 0)):
        assert link_to(cluster[a], b).is_known
    assert not cluster.tampering
    assert cluster.hosts[2].incarnation == 1
    assert cluster.hosts[0].incarnation == 0


class _Silence:
    """Lets no byte arrive anywhere."""

    is_done = False

    def apply(
        self, source: int, target: int, data: bytes, offset: int
    ) -> tuple[bytes, bool]:
        """Swallows the bytes."""
        return b"", False


def test_whoever_has_left_is_started_again(cluster: MachineCluster) -> None:
    """A node that was about to go is there again as another process."""
    cluster.leave(1)
    cluster.run(0.5)
    rest(cluster)
    assert cluster.hosts[1].incarnation == 1
    assert not cluster[1].is_left


def test_unusual_paths_become_usual(cluster: MachineCluster) -> None:
    """The network is a good one in the end, whatever it was like all the time."""
    slow = Conditions(latency=Latency(base_ns=3 * SECOND))
    cluster = MachineCluster(2, config=SMALL, conditions=slow)
    rest(cluster)
    assert {path.conditions for path in cluster.network.paths} == {Conditions()}


def test_survivors_are_left_alone(cluster: MachineCluster) -> None:
    """If some nodes survive, by whatever numbers, all others are dead from then on, and
    the survivors do not wait for them."""
    source, sink = channel(cluster, 1, 2)
    lost, _ = channel(cluster, 1, 0)
    for each in (source, lost):
        each.offer(5, 100)
    rest(cluster, 4, 5, 1)
    assert cluster.nodes[0] is None
    assert cluster.hosts[0].is_dark
    assert [node.index for node in cluster.live] == [1, 2]
    assert sink.received == 5
    assert lost.error is not None or lost.is_finished
    before = cluster.hosts[0].incarnation
    cluster.run(50.0)
    assert cluster.hosts[0].incarnation == before


def test_whoever_is_dead_stays_dead_if_it_does_not_survive(
    cluster: MachineCluster,
) -> None:
    """A node that is gone and need not survive is not started for it."""
    cluster.crash(0)
    rest(cluster, 1, 2)
    assert cluster.nodes[0] is None
    assert cluster.hosts[0].incarnation == 0


def test_stalls_end_unless_they_are_kept(cluster: MachineCluster) -> None:
    """Sinks that do not receive begin to, and slow ones become quick; if stalls are
    kept, those that receive nothing never do, and nobody waits for their sources."""
    stalled, stalled_sink = channel(cluster)
    slow, slow_sink = channel(cluster)
    stalled_sink.set_pace(STALLED)
    slow_sink.set_pace(Pace(1, SECOND))
    for source in (stalled, slow):
        source.offer(30, 100)
    rest(cluster, keeps_stalls=True)
    assert stalled_sink.pace is STALLED
    assert stalled_sink.received == 0
    assert not stalled.is_finished
    assert slow_sink.pace is EAGER
    assert slow_sink.received == 30
    rest(cluster)
    assert stalled_sink.received == 30
    assert stalled.is_finished


def test_broadcasts_without_receivers_may_wait(cluster: MachineCluster) -> None:
    """A broadcast whose window fills because a node has no receiver, or one that
    stalls, is not waited for; one that all can hear is."""
    unheard = cluster[0].broadcast(NEWS)
    cluster[1].subscribe(NEWS)
    unheard.offer(30, 100)
    rest(cluster, keeps_stalls=True)
    assert not unheard.is_finished
    heard = cluster[2].subscribe(NEWS)
    rest(cluster)
    assert unheard.is_finished
    assert heard.received == 30


def deaf(monkeypatch: pytest.MonkeyPatch) -> None:
    """Has producers take no further credit."""
    monkeypatch.setattr(ProducerCore, "handle_credit", lambda core, credit: None)


def mute(monkeypatch: pytest.MonkeyPatch) -> None:
    """Has nodes call nobody."""
    monkeypatch.setattr(Dialler, "dial", lambda dialler, urgent=False: None)


STEPS: tuple[Step, ...] = (
    Open(at_ns=0, node=0),
    Connect(at_ns=MS, node=1, sink=0),
    Offer(at_ns=2 * MS, source=0, count=30, size=100),
)

SCENARIO = Scenario(nodes=3, config=SMALL, steps=STEPS, duration_ns=SECOND)


def test_a_source_that_is_stuck_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """If something does not finish in time, the failure names the node, the source, how
    far it has come, and what each node waits for."""
    assert play(SCENARIO).failure is None
    deaf(monkeypatch)
    outcome = play(SCENARIO)
    failure = outcome.failure
    assert failure is not None
    assert failure.kind == "StuckError"
    assert isinstance(failure.error, StuckError)
    first, source, *nodes = failure.text.splitlines()
    assert first == "not at rest 48 s after everything was healed:"
    assert source.startswith("source 0 on host1.0: ProducerStatistics(node_id=0, ")
    assert "accepted=10, delivered=10" in source
    assert [line[:9] for line in nodes] == ["host0.0: ", "host1.0: ", "host2.0: "]
    assert "timer (" in nodes[1]
    assert 49.0 <= outcome.simulated_s < 50.0


def test_a_link_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """If two survivors do not find each other, it is said who, and why."""
    mute(monkeypatch)
    failure = play(SCENARIO, check_every=0).failure
    assert failure is not None
    assert failure.kind == "StuckError"
    assert "host0.0 has no link to node 2" in failure.text
    assert "node 2 missing: node 2 (127.0.0.1:7002): not tried yet" in failure.text


def test_a_process_that_does_not_run_is_named(
    cluster: MachineCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that is stopped for good, or never gets its work done, is no rest."""
    monkeypatch.setattr(MachineCluster, "resume", lambda cluster, index: None)
    cluster.pause(1)
    with pytest.raises(StuckError, match=r"host1\.0 is paused"):
        rest(cluster)


def test_who_is_behind_is_waited_for(cluster: MachineCluster) -> None:
    """What a slow process has still to do may be something new, and is finished,
    too."""
    _, sink = channel(cluster)
    host = cluster.hosts[1]
    host.step_ns = SECOND
    cluster.run(3.0)
    late = []

    def begin() -> None:
        late.append(connect(cluster[1], sink))
        late[0].offer(3, 100)

    for _ in range(3):
        host.call(lambda: None)
    host.call(begin)
    rest(cluster)
    assert late[0].is_finished
    assert sink.received == 3


@pytest.mark.parametrize("is_broadcast", [True, False])
def test_tainted_sources_are_promised_nothing(
    cluster: MachineCluster, monkeypatch: pytest.MonkeyPatch, is_broadcast: bool
) -> None:
    """A source need not finish if the bytes were changed between its node and the
    sink's, or, if it is a broadcast, any other; between others it makes no
    difference."""
    if is_broadcast:
        source = cluster[1].broadcast(NEWS)
        for node in cluster.live:
            node.subscribe(NEWS)
    else:
        source, _ = channel(cluster)
    source.offer(30, 100)
    deaf(monkeypatch)
    cluster.tainted[0, 1] = None
    rest(cluster)
    assert not source.is_finished
    cluster.tainted.clear()
    cluster.tainted[0, 2] = None
    with pytest.raises(StuckError, match=r"source 0 on host1\.0"):
        rest(cluster)
    cluster.tainted[1, 2] = None
    if is_broadcast:
        rest(cluster)
    else:
        with pytest.raises(StuckError, match=r"source 0 on host1\.0"):
            rest(cluster)


def test_tainted_nodes_need_not_find_each_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Where bytes were changed, two nodes may have lost each other for good."""
    cluster = MachineCluster(3, config=SMALL, check_every=0)
    cluster.meet()
    cluster.tainted[0, 1] = None
    mute(monkeypatch)
    cluster.cut(0, 1)
    rest(cluster)
    cluster.tainted.clear()
    with pytest.raises(StuckError, match=r"host0\.0 has no link to node 1"):
        rest(cluster)


def test_who_was_told_why_has_ended(cluster: MachineCluster) -> None:
    """Sources that were aborted, or whose receiver was closed, are done."""
    aborted, _ = channel(cluster)
    refused, sink = channel(cluster)
    for each in (aborted, refused):
        each.offer(30, 100)
    aborted.abort()
    sink.close()
    rest(cluster)
    assert refused.error is not None


def test_rest_lasts_until_nothing_can_come(cluster: MachineCluster) -> None:
    """Once all is done, so much time passes that what was lost is reported, and what
    came late has come."""
    begun_s = cluster.now_s
    rest(cluster)
    assert cluster.now_s == pytest.approx(begun_s + 5.0 + 3.0 + 1.0)


def test_leaving_ends_every_node(cluster: MachineCluster) -> None:
    """All nodes leave in order, and get the time that this takes."""
    rest(cluster)
    leave(cluster)
    assert all(node.is_left for node in cluster.live)
    assert all(not node.links for node in cluster.live)


def test_a_run_asks_what_must_hold_in_the_end() -> None:
    """Behind the rest all oracles are asked, and behind the leaving once more."""
    scenario = replace(
        SCENARIO,
        steps=(
            *STEPS,
            Subscribe(at_ns=0, node=2),
            Broadcast(at_ns=MS, node=0),
            FanOut(at_ns=MS, sink=1, members=2),
            Offer(at_ns=3 * MS, source=1, count=9, size=30),
        ),
    )
    outcome = play(scenario)
    assert outcome.failure is None
    assert outcome.delivered == 30 + 2 * 9


@pytest.mark.parametrize("keeps_stalls", [True, False])
@pytest.mark.parametrize("survivors", [(), (0, 1), (1,), (4, 3)])
def test_scenarios_say_who_survives_and_who_stalls(
    survivors: tuple[int, ...], keeps_stalls: bool
) -> None:
    """What a scenario says about stalls and survivors is so in its end."""
    scenario = replace(
        SCENARIO,
        steps=(*STEPS, SetPace(at_ns=0, sink=0, items=0)),
        survivors=survivors,
        keeps_stalls=keeps_stalls,
    )
    outcome = play(scenario)
    assert outcome.failure is None
    both_survive = not survivors or {index % 3 for index in survivors} >= {0, 1}
    if keeps_stalls:
        assert outcome.delivered == 0
    elif both_survive:
        assert outcome.delivered == 30


def test_a_scenario_may_end_in_the_middle() -> None:
    """Whatever is under way when the duration is over comes to its end, too."""
    scenario = replace(
        SCENARIO,
        steps=(*STEPS, CloseSink(at_ns=2 * MS + 500_000, sink=0)),
        duration_ns=2 * MS + 600_000,
    )
    assert play(scenario).failure is None
