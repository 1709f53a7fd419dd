"""Leaving: what is still to be delivered, and what the others are told."""

from __future__ import annotations

from typing import Any

import pytest

from comm.broadcast import Token
from comm.effects import Abort, Close, Failed, PeerMet, StreamOpened
from comm.errors import ClosedError, PeerLost, ProducerLost
from comm.events import LossReport, PeerDown, PeerUp, ProducerGone
from comm.mpsc import ProducerState, Sender
from comm.protocol import AckBody, Kind, Reason, ReasonBody, encode_frame
from tests.helpers import BYTES, Cluster, pack, receive_all, unpack
from tests.stage import NEWCOMER, STRANGER, Stage, channel


SENDER: Sender[Any] = Sender("comm", 1, STRANGER, b"c" * 16, *BYTES)
TOKEN: Token[Any] = Token("news")


def goodbye(text: str = "left") -> bytes:
    payload = ReasonBody(text).encode()
    return encode_frame(Kind.GOODBYE, value=Reason.LEAVING, payload=payload)


def test_undelivered_items_are_listed_until_they_are_delivered() -> None:
    """For each producer: its receiver's node and channel, the first item, the count."""
    cluster = Cluster()
    producer, _ = channel(cluster, 1, 0)
    assert cluster[1].undelivered() == ()
    producer.send(pack(0))
    cluster.run(0.1)
    for n in range(3):
        producer.send(pack(n))
    (undelivered,) = cluster[1].undelivered()
    assert (undelivered.node_id, undelivered.channel) == (0, producer.target.channel)
    assert (undelivered.first_sequence, undelivered.count) == (1, 3)
    cluster.run(0.1)
    assert cluster[1].undelivered() == ()


def test_an_end_that_is_not_yet_known_is_undelivered_too() -> None:
    """All items have arrived, but the receiver may not know that there are no more."""
    cluster = Cluster()
    producer, _ = channel(cluster, 1, 0)
    producer.send(pack(1))
    cluster.run(0.1)
    producer.finish()
    (undelivered,) = cluster[1].undelivered()
    assert (undelivered.first_sequence, undelivered.count) == (1, 0)
    cluster.run(0.1)
    assert cluster[1].undelivered() == ()


def test_a_drain_waits_for_legs_too() -> None:
    """Each node of a broadcast that has not acknowledged is listed."""
    cluster = Cluster(3)
    sender = cluster[0].open_broadcast_sender(TOKEN, BYTES, cluster.now)
    cluster.run_until(lambda: sender.is_writable)
    sender.send(pack(1))
    assert [u.node_id for u in cluster[0].undelivered()] == [1, 2]
    cluster[0].request_flush_all()
    cluster.run(0.0025)
    assert cluster[0].undelivered() == ()


def test_a_switchboard_says_goodbye() -> None:
    """On every link, with its reason; then it is closed, and waits for nothing."""
    cluster = Cluster(3)
    cluster.meet()
    cluster.run(0.1)
    cluster[0].close(cluster.now, "maintenance")
    assert cluster[0].is_closed
    assert cluster[0].next_timeout() is None
    cluster.run(0.1)
    assert len(cluster.happened(0, Close)) == 2
    for node in (1, 2):
        downs: list[Any] = cluster.events(node, PeerDown)
        assert [(d.node_id, d.reason) for d in downs] == [(0, "maintenance")]
    cluster[0].close(cluster.now)
    assert cluster[0].next_effect() is None


def test_everything_is_closed_with_the_switchboard() -> None:
    """Each handle says so; each command, too."""
    cluster = Cluster()
    producer, _ = channel(cluster, 1, 0)
    _, receiver = channel(cluster, 0, 1)
    core, now = cluster[1], cluster.now
    sender = core.open_broadcast_sender(TOKEN, BYTES, now)
    finished = core.open_broadcast_sender(TOKEN, BYTES, now)
    finished.finish()
    core.close(now)
    cluster.settle()
    failed = [effect.handle for effect in cluster.happened(1, Failed)]
    assert failed == [sender.id, producer.id]
    for send in (producer.send, sender.send):
        with pytest.raises(ClosedError):
            send(pack(1))
    with pytest.raises(ClosedError):
        receiver.take()
    commands: list[Any] = [
        lambda: core.dial_all(now),
        lambda: core.open_mpsc(BYTES),
        lambda: core.connect(SENDER, BYTES, now),
        lambda: core.clone(producer, now),
        lambda: core.open_broadcast_sender(TOKEN, BYTES, now),
        lambda: core.open_broadcast_receiver(TOKEN, BYTES),
        lambda: core.open_fanout(receiver),
        lambda: core.open_stream(0, now),
    ]
    for command in commands:
        with pytest.raises(ClosedError, match="this switchboard was closed"):
            command()
    core.request_flush_all()
    assert core.undelivered() == ()
    assert core.statistics().receivers == ()


def test_what_is_not_delivered_is_reported_on_leaving() -> None:
    """And what was never sent is not sent any more: it is lost for certain."""
    stage = Stage()
    link = stage.establish()
    producer = stage.core.connect(SENDER, BYTES, stage.now)
    stage.pump()
    stage.accepts(link)
    producer.send(pack("reported"))
    stage.core.close(stage.now)
    stage.pump()
    assert stage.kinds(link)[-1] == Kind.GOODBYE
    assert Kind.DATA not in stage.kinds(link)
    (report,) = stage.events(LossReport)
    assert (report.first_sequence, report.count) == (0, 1)
    assert isinstance(producer.error, ClosedError)


def test_what_was_reported_on_leaving_is_not_delivered() -> None:
    """Whenever the other side looks, between any two arrivals."""
    cluster = Cluster(chunk=7)
    producer, receiver = channel(cluster, 1, 0)
    cluster.run(0.1)
    for n in range(20):
        producer.send(pack(n))
    cluster[1].close(cluster.now)
    assert cluster[1].statistics().lost == 20
    for _ in range(1000):
        assert receive_all(receiver) == []
        if not cluster.step(cluster.now + 1.0):
            break
    assert cluster.lost(0) == 0


def test_an_acknowledgement_goes_before_the_goodbye() -> None:
    """So that the other side does not report what has arrived."""
    stage = Stage()
    _, receiver = stage.core.open_mpsc(BYTES)
    link = stage.establish()
    stage.open(link, receiver)
    stage.items(link, 1, 2)
    before = len(stage.heard[link])
    assert receive_all(receiver) == [1, 2]
    stage.core.close(stage.now)
    stage.pump()
    frames = stage.heard[link][before:]
    assert [frame.kind for frame in frames] == [Kind.ACK, Kind.STOP, Kind.GOODBYE]
    assert frames[0].sequence == 2
    assert AckBody.decode(frames[0].payload).confirmed == 0


def test_leaving_without_a_link_reports_too() -> None:
    """There is nobody to say goodbye to."""
    stage = Stage()
    link = stage.establish()
    producer = stage.core.connect(SENDER, BYTES, stage.now)
    stage.pump()
    stage.accepts(link)
    stage.closed(link)
    producer.send(pack(1))
    stage.core.close(stage.now)
    stage.pump()
    assert isinstance(producer.error, ClosedError)
    assert stage.core.statistics().lost == 1
    assert stage.core.next_timeout() is None
    assert stage.handles(Failed) == [producer.id]


def test_leaving_ends_what_is_half_begun() -> None:
    """Connections that are being made, in their handshake, or waiting for a verdict."""
    stage = Stage(4)
    incumbent = stage.establish()
    newcomer = stage.accept()
    stage.say(newcomer, stage.hello(incarnation=NEWCOMER))
    stage.core.connect(Sender("comm", 2, STRANGER, b"c" * 16, *BYTES), BYTES, stage.now)
    stage.pump()
    connecting = stage.dialled[-1]
    unknown = stage.accept()
    stage.core.dial_all(stage.now)
    stage.core.close(stage.now)
    stage.pump()
    assert stage.ended == {
        incumbent: Close,
        newcomer: Abort,
        connecting: Abort,
        unknown: Abort,
    }
    assert stage.core.next_timeout() is None
    stage.wait(100.0)
    assert len(stage.dialled) == 1


def test_who_comes_after_the_end_is_not_let_in() -> None:
    """A connection may have been accepted before the listener was closed."""
    stage = Stage()
    stage.core.close(stage.now)
    stage.pump()
    link = stage.accept()
    assert stage.ended == {link: Abort}
    assert not stage.say(link, stage.hello())
    assert not stage.events(PeerUp)
    assert stage.core.next_timeout() is None


def test_a_node_that_left_is_not_waited_for() -> None:
    """Its session is over at once; it is not dialled any more."""
    stage = Stage()
    link = stage.establish()
    producer = stage.core.connect(SENDER, BYTES, stage.now)
    stage.pump()
    stage.accepts(link)
    producer.send(pack("unacknowledged"))
    stage.pump()
    stage.say(link, goodbye("so long\x07"))
    assert stage.ended == {link: Close}
    assert stage.events(PeerDown) == [PeerDown(1, "so long\\x07")]
    assert isinstance(producer.error, PeerLost)
    assert "the node left" in str(producer.error)
    assert stage.core.statistics().lost == 1
    assert stage.core.next_timeout() is None
    stage.wait(100.0)
    assert not stage.dialled


def test_what_a_leaving_node_may_have_reported_is_discarded() -> None:
    """It gave up what it had not heard acknowledged."""
    stage = Stage()
    _, receiver = stage.core.open_mpsc(BYTES, max_producers=1)
    link = stage.establish()
    stage.open(link, receiver)
    stage.items(link, "known")
    stage.acknowledge(link, 0, confirmed=2)
    stage.items(link, "doubtful")
    stage.say(link, goodbye())
    assert unpack(receiver.take().payload) == ["known"]
    with pytest.raises(ProducerLost):
        receiver.take()
    (report,) = stage.events(LossReport)
    assert (report.first_sequence, report.count) == (1, 1)


def test_nothing_is_read_behind_a_goodbye() -> None:
    """It is the last frame of its sender."""
    stage = Stage()
    _, receiver = stage.core.open_mpsc(BYTES)
    link = stage.establish()
    stage.open(link, receiver)
    late = encode_frame(Kind.DATA, 1, 2, 1, pack("late"))
    stage.say(link, goodbye() + late)
    assert receive_all(receiver) == []
    assert len(stage.events(ProducerGone)) == 1
    assert stage.core.statistics().protocol_errors == 0


def test_a_node_that_left_may_come_back() -> None:
    """As a new process; and it is dialled as soon as somebody wants it."""
    cluster = Cluster()
    cluster.meet()
    cluster[1].close(cluster.now)
    cluster.run(0.1)
    cluster.cores[1] = None
    cluster.restart(1)
    sender, receiver = cluster[1].open_mpsc(BYTES)
    producer = cluster.connect(0, sender)
    producer.send(pack("welcome back"))
    cluster.run(0.1)
    assert receive_all(receiver) == ["welcome back"]
    assert cluster.happened(0, PeerMet) == [PeerMet(1)]


def test_a_drained_switchboard_leaves_without_a_loss() -> None:
    """What was delivered stays delivered on both sides, finished channels included."""
    cluster = Cluster()
    producer, receiver = channel(cluster, 1, 0, max_producers=1)
    for n in range(10):
        producer.send(pack(n))
    producer.finish()
    cluster.run_until(lambda: not cluster[1].undelivered())
    cluster.run(2.0)
    cluster[1].close(cluster.now)
    cluster.run(0.1)
    assert receive_all(receiver) == list(range(10))
    assert receiver.is_ended
    assert cluster.lost(0) == cluster.lost(1) == 0
    assert producer.state is ProducerState.CLOSED


def test_nodes_that_leave_at_once_do_not_disturb_one_another() -> None:
    """Their goodbyes cross."""
    cluster = Cluster()
    cluster.meet()
    cluster.run(0.1)
    for node in (0, 1):
        cluster[node].close(cluster.now)
    cluster.run(1.0)
    for node in (0, 1):
        assert cluster[node].next_timeout() is None
        assert len(cluster.happened(node, Close)) == 1


def test_a_stream_of_the_application_outlives_the_switchboard() -> None:
    """It was handed over; the core has nothing to do with it any more."""
    stage = Stage()
    link = stage.core.open_stream(1, stage.now)
    stage.pump()
    stage.connected()
    stage.say(link, stage.hello(Kind.WELCOME, purpose=1))
    assert len(stage.happened(StreamOpened)) == 1
    stage.core.close(stage.now)
    stage.pump()
    assert not stage.ended
