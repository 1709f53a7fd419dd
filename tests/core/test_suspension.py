"""A process that does not run for a while: what it finds is judged by the clock."""

from __future__ import annotations

from typing import Any

import pytest

from comm.config import Config
from comm.effects import Abort
from comm.events import LossReport, PeerDown
from comm.protocol import Kind, encode_frame
from tests.helpers import BYTES, Cluster, pack, receive_all
from tests.stage import Stage, channel


PING = encode_frame(Kind.PING, value=4711)


@pytest.mark.parametrize(
    ("other_window_s", "own_window_s", "asleep_s", "is_read"),
    [
        (30.0, 30.0, 28.9, True),
        (30.0, 30.0, 29.0, False),
        (10.0, 60.0, 8.9, True),
        (10.0, 60.0, 9.0, False),
        (60.0, 10.0, 58.9, True),
        (60.0, 10.0, 59.0, False),
        (6.0, 6.0, 5.9, True),
        (6.0, 6.0, 6.0, False),
        (2.0, 30.0, 1.9, True),
        (2.0, 30.0, 2.0, False),
    ],
)
def test_what_came_during_a_long_sleep_is_not_read(
    other_window_s: float, own_window_s: float, asleep_s: float, *, is_read: bool
) -> None:
    """The other side may have reported it as lost by then: its window counts, less
    one interval, but never less than the silence that a link may keep."""
    stage = Stage(config=Config(resume_window_s=own_window_s))
    _, receiver = stage.core.open_mpsc(BYTES)
    link = stage.establish(resume_window_ms=int(1000 * other_window_s))
    stage.open(link, receiver)
    stage.now += asleep_s
    stage.items(link, "late")
    assert receive_all(receiver) == (["late"] if is_read else [])
    assert stage.ended == ({} if is_read else {link: Abort})
    if not is_read:
        (down,) = stage.events(PeerDown)
        assert "did not run" in down.reason


def test_what_had_come_before_the_sleep_is_withheld() -> None:
    """The link is not read, and what is in doubt is not handed out either."""
    stage = Stage()
    _, receiver = stage.core.open_mpsc(BYTES)
    link = stage.establish()
    stage.open(link, receiver)
    stage.items(link, "doubtful")
    stage.now += 40.0
    stage.say(link, PING)
    assert receive_all(receiver) == []
    assert receiver.statistics().buffered_items == 1


def test_a_sleep_within_the_window_loses_nothing() -> None:
    """A node is stopped and goes on: nothing is lost, and nothing reported."""
    cluster = Cluster()
    producer, receiver = channel(cluster, 1, 0)
    asleep = cluster.cores[0]
    cluster.cores[0] = None
    for n in range(20):
        producer.send(pack(n))
        cluster.run(1.0)
    cluster.cores[0] = asleep
    cluster.run(10.0)
    assert receive_all(receiver) == list(range(20))
    assert cluster.lost(0) == cluster.lost(1) == 0


def test_a_sleep_beyond_the_window_delivers_nothing_that_was_reported() -> None:
    """The other node gave up meanwhile; bytes that wait in the network are late."""
    cluster = Cluster(config=Config(resume_window_s=10.0))
    producer, receiver = channel(cluster, 1, 0)
    cluster.run(0.5)
    producer.send(pack("late"))
    cluster.settle()
    asleep = cluster.cores[0]
    held: list[Any] = [
        (wire, side, flight)
        for wire in cluster._distinct_wires()
        for side in (0, 1)
        for flight in wire.flying[side]
    ]
    cluster.cores[0] = None
    cluster.run(40.0)
    assert producer.error is not None
    (report,) = cluster.events(1, LossReport)
    assert isinstance(report, LossReport)
    assert report.count == 1
    cluster.cores[0] = asleep
    core = cluster[0]
    for wire, side, (_, data) in held:
        node, link = wire.ends[1 - side]
        assert node == 0
        core.handle_data(link, data, cluster.now)
    cluster.run(10.0)
    assert receive_all(receiver) == []


def test_a_connection_in_its_handshake_is_given_up_by_its_deadline() -> None:
    """A HELLO that is read too late does no harm: its link was due to end anyway."""
    stage = Stage()
    link = stage.accept()
    stage.now += 100.0
    stage.core.handle_timeout(stage.now)
    stage.pump()
    assert stage.ended == {link: Abort}
    assert not stage.say(link, stage.hello())
