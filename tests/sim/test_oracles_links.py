"""Links and who is at their other ends: each way to break G12, G13 and G18 is found."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from comm.config import Config
from comm.events import PeerDown
from comm.link.heartbeat import Heartbeat
from comm.link.link import Link
from comm.sim import MachineCluster
from comm.sim.faults import SlowDown
from comm.sim.machine.link import NodeLink
from comm.sim.network import Conditions, Latency
from comm.sim.oracles.heartbeats import Heartbeats
from comm.sim.world import MS, SECOND
from tests.sim.machines import afflict, broken, link_to, oracle, told


CONFIG = Config(
    heartbeat_interval_s=1.0, heartbeat_timeout_s=2.0, handshake_timeout_s=2.0
)


@pytest.fixture(name="cluster")
def _cluster() -> Iterator[MachineCluster]:
    with MachineCluster(3, config=CONFIG) as cluster:
        cluster.meet()
        cluster.run(8.0)
        yield cluster


def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Has cores find no link silent."""
    monkeypatch.setattr(Heartbeat, "_silent_at", lambda beat, link: beat._asked_at + 99)


def test_a_silent_link_that_is_kept_is_found(
    cluster: MachineCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A core that keeps a link over which nothing has come for too long breaks G12, as
    is seen within a second."""
    patient(monkeypatch)
    cluster.cut(0, 1, "silent")
    with broken("G12", r"host0.0 keeps link \d, over which nothing came for [34]\.\d"):
        cluster.run(5.0)


def test_a_silent_link_that_is_given_up_is_none(cluster: MachineCluster) -> None:
    """A core that gives a silent link up in time keeps G12."""
    cluster.cut(0, 1, "silent")
    cluster.run(10.0)
    assert told(cluster[0], PeerDown)


@pytest.fixture(name="pair")
def _pair() -> Iterator[MachineCluster]:
    with MachineCluster(2, config=CONFIG) as cluster:
        cluster.meet()
        cluster.run(12.0)
        yield cluster


@pytest.mark.parametrize("reason", ["paused", "stepped", "slow"])
def test_a_node_that_is_not_even_is_excused(
    pair: MachineCluster, monkeypatch: pytest.MonkeyPatch, reason: str
) -> None:
    """Whoever was stopped, or slow, or whose clock was changed, may have kept a link
    for longer; not for ever."""
    patient(monkeypatch)
    if reason == "paused":
        pair.pause(0)
        pair.resume(0)
    elif reason == "stepped":
        pair.step_clock(0, 1)
    else:
        afflict(pair, SlowDown, node=0, step_ns=MS, for_ns=MS)
    pair.crash(1)
    pair.run(5.9)
    with broken("G12", "host0.0 keeps"):
        pair.run(2.0)


def test_a_node_that_is_behind_is_excused(
    pair: MachineCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever has steps to make may be about to give the link up."""
    patient(monkeypatch)
    pair.crash(1)
    pair.hosts[0].step_ns = 20 * SECOND
    for _ in range(50):
        pair.hosts[0].call(lambda: None)
    pair.run(9.0)
    assert pair.hosts[0].waiting


def test_a_live_link_that_is_called_silent_is_found(
    cluster: MachineCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A core that gives a link up as silent over which bytes came not long ago breaks
    G12."""
    monkeypatch.setattr(
        Heartbeat, "_silent_at", lambda beat, link: link.last_heard + 1.2
    )
    cluster.cut(0, 1, "silent")
    with broken("G12", r"host0.0 gave up a link as silent 1\.\d+ s after bytes"):
        cluster.run(10.0)


def test_links_may_be_given_up_for_other_reasons(cluster: MachineCluster) -> None:
    """A link that is given up although bytes came is none that was called silent; nor
    is one that is given up after another one was."""
    heartbeats, node = oracle(cluster, Heartbeats), cluster[0]
    link = link_to(node, 1)
    heartbeats.link_aborted(node, link)
    heartbeats.event_occurred(node, PeerDown(1, "connection reset by peer"))
    heartbeats.link_aborted(node, link)
    heartbeats.event_occurred(cluster[1], PeerDown(0, "silent for 3 s"))
    heartbeats.link_aborted(node, link)
    heartbeats.event_occurred(node, PeerDown(1, "silent for 3 s"))
    with broken("G12", "gave up a link as silent"):
        heartbeats.link_aborted(node, link)
    heartbeats.link_aborted(node, link)


@pytest.mark.parametrize(("silent_s", "is_found"), [(2.998, True), (2.9995, False)])
def test_the_bound_is_kept_to_a_millisecond(
    cluster: MachineCluster, silent_s: float, is_found: bool
) -> None:
    """A link that was silent for as long as it may be, but for less than a millisecond,
    may be given up; a moment sooner it may not."""
    heartbeats, node = oracle(cluster, Heartbeats), cluster[0]
    # Something is amiss, so that there is a reason for the silence.
    cluster.disturbances.begin([(0, 1)])
    cluster.run(1)
    link = link_to(node, 1)
    link.heard_s = node.now_s - silent_s
    heartbeats.event_occurred(node, PeerDown(1, "silent for 3 s"))
    if is_found:
        with broken("G12", "gave up a link"):
            heartbeats.link_aborted(node, link)
    else:
        cluster.disturbances.strike([(0, 1)])
        heartbeats.link_aborted(node, link)
        heartbeats.audit()
        link.heard_s -= 0.002
        with broken("G12", "keeps link"):
            heartbeats.audit()
        link._is_over = True
        heartbeats.audit()


def test_a_link_that_is_let_go_silent_is_found(
    cluster: MachineCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A core that asks for no sign of life, and gives up a link that nothing was wrong
    with, breaks G12."""
    must_ask = Heartbeat.must_ask

    def keep_quiet(beat: Heartbeat, link: Link) -> bool:
        must_ask(beat, link)
        return False

    monkeypatch.setattr(Heartbeat, "must_ask", keep_quiet)
    with broken(
        "G12", r"host\d.0 gave up a link as silent, and nothing kept the other"
    ):
        cluster.run(9.0)


def give_up_silent(cluster: MachineCluster, node: int, link: NodeLink) -> None:
    """Has a node give up a link over which nothing has come for long enough."""
    heartbeats = oracle(cluster, Heartbeats)
    link.heard_s = cluster[node].now_s - 3.0
    heartbeats.event_occurred(cluster[node], PeerDown(1, "silent for 3 s"))
    heartbeats.link_aborted(cluster[node], link)


@pytest.mark.parametrize(
    "why", ["tainted", "cut", "uneven", "far uneven", "outside", "no connection"]
)
def test_a_link_may_be_silent_for_a_reason(cluster: MachineCluster, why: str) -> None:
    """If bytes were changed, or the way was disturbed, if one of the two nodes did not
    run evenly, or the other one is none, the silence is nobody's fault."""
    node, link = cluster[0], link_to(cluster[0], 1)
    if why == "tainted":
        cluster.tainted[0, 1] = None
    elif why == "cut":
        cluster.disturbances.strike([(0, 1)])
    elif why == "uneven":
        cluster.disturbances.strike([], [0])
    elif why == "far uneven":
        cluster.disturbances.strike([], [1])
    elif why == "no connection":
        link = NodeLink(node, 99)
    else:
        near, _ = cluster.network.join(cluster.hosts[0], cluster.outside)
        link = NodeLink(node, 99)
        link.adopt(near)
    give_up_silent(cluster, 0, link)
    well = link_to(cluster[2], 0 if why == "far uneven" else 1)
    with broken("G12", "nothing kept the other side"):
        give_up_silent(cluster, 2, well)


@pytest.mark.parametrize(
    ("conditions", "is_quick"),
    [
        (Conditions(), True),
        (Conditions(latency=Latency(base_ns=249 * MS)), True),
        (Conditions(latency=Latency(base_ns=251 * MS)), False),
        (Conditions(latency=Latency(spread_ns=200 * MS)), False),
        (Conditions(bytes_per_s=10_000), False),
        (Conditions(loss_permille=1), False),
    ],
)
def test_a_slow_way_may_be_silent(
    cluster: MachineCluster, conditions: Conditions, is_quick: bool
) -> None:
    """Where an answer may take a good part of the time-out, silence may be bad luck."""
    cluster.network.path(0, 1).conditions = conditions
    if is_quick:
        with broken("G12", "nothing kept the other side"):
            give_up_silent(cluster, 0, link_to(cluster[0], 1))
    else:
        give_up_silent(cluster, 0, link_to(cluster[0], 1))
