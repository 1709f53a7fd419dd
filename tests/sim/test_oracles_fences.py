"""What comes behind its report of a loss breaks G2, within the limits of that."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from comm.broadcast import Token
from comm.config import Config
from comm.mpsc import Batch
from comm.mpsc.inlet import Inlet
from comm.sim import MachineCluster
from comm.sim.machine import EAGER, STALLED, Pace, Sink, Source
from comm.sim.machine.driver import Doubt
from comm.sim.world import SECOND
from tests.sim.machines import broken, channel, settle


NEWS: Token[bytes] = Token("news")

SHORT = Config(
    heartbeat_interval_s=1.0,
    heartbeat_timeout_s=2.0,
    handshake_timeout_s=0.5,
    resume_window_s=10.0,
)

Change = Callable[[Batch], list[Batch]]


@pytest.fixture(name="cluster")
def _cluster() -> Iterator[MachineCluster]:
    with MachineCluster(3, config=SHORT) as cluster:
        cluster.meet()
        yield cluster


def half_received(cluster: MachineCluster) -> tuple[Source, Sink]:
    """Returns a source and a sink that has received one of many items of a batch, of
    which the source's node does not know that it has arrived, for longer than the
    window."""
    source, sink = channel(cluster)
    sink.set_pace(Pace(1, SECOND))
    source.offer(1, 20)
    cluster.run(3.5)
    source.offer(30, 20)
    cluster.run(0.00015)
    cluster.partition([0], [1])
    return source, sink


def heedless(sink: Sink, effect: Doubt) -> None:
    """An application that goes on with what is in doubt, or revoked."""


def test_what_comes_behind_its_report_is_found(
    cluster: MachineCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A receiver that goes on with what was reported as lost breaks G2."""
    monkeypatch.setattr(Sink, "judge", heedless)
    source, _ = half_received(cluster)
    with broken("G2", r"came after \[range\(1, 31\)\] was reported lost"):
        cluster.run(20.0)
    assert source.error is not None


def test_what_comes_behind_its_report_is_none_if_withheld(
    cluster: MachineCluster,
) -> None:
    """A receiver that withholds what is in doubt keeps G2."""
    half_received(cluster)
    cluster.run(30.0)
    cluster.heal()
    cluster.run(30.0)
    settle(cluster)


def unfenced(monkeypatch: pytest.MonkeyPatch) -> None:
    """Has cores withhold nothing, and discard nothing."""
    monkeypatch.setattr(Inlet, "is_takeable", property(lambda inlet: inlet.has_entries))
    monkeypatch.setattr(Inlet, "_discard_doubtful", lambda inlet: 0)


def test_a_first_item_behind_its_report_is_found(
    cluster: MachineCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It makes no difference whether anything of the source had come before."""
    unfenced(monkeypatch)
    source, sink = channel(cluster)
    cluster.run(3.5)
    sink.set_pace(STALLED)
    source.offer(3, 20)
    cluster.run(0.00015)
    cluster.partition([0], [1])
    cluster.run(20.0)
    assert source.error is not None
    with broken("G2", r"came after \[range\(0, 3\)\] was reported lost"):
        sink.set_pace(EAGER)


@pytest.mark.parametrize("node", [0, 1])
@pytest.mark.parametrize("excuse", ["drift", "pause", "late", "leave"])
def test_the_fence_has_its_limits(
    cluster: MachineCluster, monkeypatch: pytest.MonkeyPatch, excuse: str, node: int
) -> None:
    """G2 does not say that nothing comes behind its report if a clock is not right, if
    a process was suspended, if bytes were under way for long, or if the source's node
    says no more what it has lost, because it has left."""
    monkeypatch.setattr(Sink, "judge", heedless)
    source, sink = half_received(cluster)
    cluster.run(0.5)
    if excuse == "drift":
        cluster.drift_clock(node, 20)
    elif excuse == "pause":
        cluster.pause(node)
        cluster.resume(node)
    elif excuse == "late":
        cluster.watcher.heard_late(0, 1, SECOND + 1)
    else:
        cluster.leave(1)
    cluster.run(15.0)
    assert source.error is not None
    assert sink.received > 10


@pytest.mark.parametrize(
    ("node", "peer", "late_ns"), [(0, 1, SECOND), (0, 2, 9 * SECOND)]
)
def test_other_late_bytes_are_no_excuse(
    cluster: MachineCluster,
    monkeypatch: pytest.MonkeyPatch,
    node: int,
    peer: int,
    late_ns: int,
) -> None:
    """Bytes that were under way for no longer than an interval are none of the limits,
    nor are those between others, or of strangers."""
    monkeypatch.setattr(Sink, "judge", heedless)
    half_received(cluster)
    cluster.watcher.heard_late(0, cluster.outside.index, 9 * SECOND)
    cluster.watcher.heard_late(node, peer, late_ns)
    with broken("G2", "was reported lost"):
        cluster.run(20.0)


def test_late_bytes_of_long_ago_are_no_excuse(
    cluster: MachineCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What came late two windows ago has no influence any more."""
    monkeypatch.setattr(Sink, "judge", heedless)
    cluster.watcher.heard_late(0, 1, 9 * SECOND)
    cluster.run(25.0)
    half_received(cluster)
    with broken("G2", "was reported lost"):
        cluster.run(20.0)


def test_members_of_a_fan_out_get_what_was_reported(cluster: MachineCluster) -> None:
    """What one member was given all others are given, whatever was reported."""
    source, sink = channel(cluster)
    quick, slow = cluster[0].fan_out(sink, 2)
    slow.set_pace(Pace(1, SECOND))
    cluster.run(3.5)
    source.offer(30, 20)
    cluster.run(0.00015)
    cluster.partition([0], [1])
    cluster.run(25.0)
    assert quick.received == 30
    assert source.error is not None
    assert slow.received > 20
