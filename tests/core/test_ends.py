"""How channels end: exactly, by the ends of their producers."""

from __future__ import annotations

from typing import Any

import pytest

from comm.config import Config
from comm.effects import Abort, Delivered, Failed, Opened, Readable
from comm.errors import (
    BrokenError,
    ClosedError,
    EndOfChannel,
    Error,
    PeerLost,
    ProducerAborted,
    ReceiverClosed,
    StaleSender,
    TooManyProducers,
    UsageError,
    WouldBlock,
)
from comm.events import LossReport, ProducerGone
from comm.mpsc import ItemKind, ProducerState, ReceiverCore, Sender
from comm.protocol import EndBody, Kind, OpenBody, Reason
from tests.helpers import BYTES, Cluster, pack, receive_all
from tests.stage import STRANGER, Stage, channel


SENDER: Sender[Any] = Sender("comm", 1, STRANGER, b"c" * 16, *BYTES)


def sender_to(cluster: Cluster, receiver: ReceiverCore) -> Sender[Any]:
    return Sender("comm", 0, cluster[0].incarnation, receiver.channel, *BYTES)


# Receivers.


def test_a_channel_ends_when_its_producers_have_finished() -> None:
    """After the last item of the last of them, and again and again from then on."""
    cluster = Cluster(3)
    sender, receiver = cluster[0].open_mpsc(BYTES, max_producers=2)
    first, second = cluster.connect(1, sender), cluster.connect(2, sender)
    first.send(pack(1))
    first.finish()
    cluster.run(0.1)
    assert receive_all(receiver) == [1]
    assert not receiver.is_ended
    second.send(pack(2))
    second.finish()
    cluster.run(0.1)
    assert receiver.take().count == 1
    for _ in range(3):
        assert receiver.is_readable
        with pytest.raises(EndOfChannel, match="every producer has finished"):
            receiver.take()
    statistics = receiver.statistics()
    assert (statistics.attached, statistics.finished, statistics.producers) == (2, 2, 0)
    assert (statistics.received, statistics.taken) == (2, 2)


def test_an_end_without_items_is_told() -> None:
    """Whoever waits is woken by the end alone."""
    cluster = Cluster()
    producer, receiver = channel(cluster, 1, 0, max_producers=1)
    with pytest.raises(WouldBlock):
        receiver.take()
    producer.finish()
    cluster.run(0.1)
    assert cluster.happened(0, Readable) == [Readable(receiver.id)]
    with pytest.raises(EndOfChannel):
        receiver.take()


def test_a_finish_may_come_before_the_answer() -> None:
    """A producer that is closed at once attaches, finishes, and counts."""
    cluster = Cluster()
    sender, receiver = cluster[0].open_mpsc(BYTES, max_producers=1)
    producer = cluster[1].connect(sender, BYTES, cluster.now)
    producer.finish()
    producer.request_flush()
    cluster.run(0.1)
    assert receiver.is_ended
    assert receiver.statistics().finished == 1
    assert producer.state is ProducerState.CLOSED
    assert not cluster.happened(1, Opened)
    assert cluster.happened(1, Delivered) == [Delivered(producer.id)]
    with pytest.raises(ClosedError, match="connect another one"):
        producer.send(pack(1))


def test_an_answer_may_come_after_the_close() -> None:
    """The producer is closed while its OPEN is under way: it is not told as open."""
    stage = Stage()
    link = stage.establish()
    producer = stage.core.connect(SENDER, BYTES, stage.now)
    stage.pump()
    producer.finish()
    stage.pump()
    stage.accepts(link)
    assert producer.state is ProducerState.FINISHING
    assert producer.credit == 0
    assert not stage.happened(Opened)
    stage.acknowledge(link, 2)
    assert producer.state is ProducerState.FINISHED


def test_a_finish_that_is_refused_is_told() -> None:
    """It was closed before the refusal came: it has failed all the same."""
    cluster = Cluster()
    sender, receiver = cluster[0].open_mpsc(BYTES)
    receiver.seal()
    producer = cluster[1].connect(sender, BYTES, cluster.now)
    producer.finish()
    cluster.run(0.1)
    assert isinstance(producer.error, TooManyProducers)
    assert len(cluster.happened(1, Failed)) == 1


def test_one_producer_too_many_is_refused() -> None:
    """By name, and the channel does not notice."""
    cluster = Cluster()
    producer, receiver = channel(cluster, 1, 0, max_producers=1)
    sender = sender_to(cluster, receiver)
    with pytest.raises(TooManyProducers, match="raise max_producers"):
        cluster.connect(1, sender)
    producer.send(pack("still here"))
    cluster.run(0.1)
    assert receive_all(receiver) == ["still here"]
    assert receiver.statistics().refused == 1
    producer.finish()
    cluster.run(0.1)
    with pytest.raises(TooManyProducers):
        cluster.connect(1, sender)


def test_a_sealed_channel_ends_with_those_that_attached() -> None:
    """Nobody new comes in; those that are there finish as they like."""
    cluster = Cluster()
    producer, receiver = channel(cluster, 1, 0)
    receiver.seal()
    sender = sender_to(cluster, receiver)
    with pytest.raises(TooManyProducers):
        cluster.connect(1, sender)
    producer.send(pack("last"))
    producer.finish()
    cluster.run(0.1)
    assert receive_all(receiver) == ["last"]
    assert receiver.is_ended


def test_sealing_may_be_the_end() -> None:
    """With nobody attached there is nothing to wait for."""
    cluster = Cluster(1)
    _, receiver = cluster[0].open_mpsc(BYTES)
    with pytest.raises(WouldBlock):
        receiver.take()
    receiver.seal()
    receiver.seal()
    cluster.settle()
    assert cluster.happened(0, Readable) == [Readable(receiver.id)]
    with pytest.raises(EndOfChannel):
        receiver.take()


def test_an_unlimited_channel_has_no_end() -> None:
    """Producers come and go."""
    cluster = Cluster()
    for n in range(3):
        producer, receiver = channel(cluster, 1, 0)
        producer.send(pack(n))
        producer.finish()
        cluster.run(0.1)
        assert receive_all(receiver) == [n]
        with pytest.raises(WouldBlock):
            receiver.take()


def test_a_channel_may_not_be_limited_to_nobody() -> None:
    """At least one producer, or no limit."""
    stage = Stage()
    for limit in (0, -1):
        with pytest.raises(UsageError, match="at least 1"):
            stage.core.open_mpsc(BYTES, max_producers=limit)


def test_an_aborted_producer_is_told_behind_its_items() -> None:
    """Once, by a limited channel, which then ends."""
    cluster = Cluster()
    producer, receiver = channel(cluster, 1, 0, max_producers=1)
    producer.send(pack("arrives"))
    cluster.run(0.1)
    producer.abort("out of ideas")
    cluster.run(0.1)
    assert receiver.take().count == 1
    with pytest.raises(ProducerAborted, match="out of ideas"):
        receiver.take()
    with pytest.raises(EndOfChannel):
        receiver.take()
    assert receiver.statistics().lost == 1


def test_an_aborted_producer_without_items_is_told_at_once() -> None:
    """Whoever waits is woken by the error."""
    cluster = Cluster()
    producer, receiver = channel(cluster, 1, 0, max_producers=1)
    with pytest.raises(WouldBlock):
        receiver.take()
    producer.abort("")
    cluster.run(0.1)
    assert cluster.happened(0, Readable) == [Readable(receiver.id)]
    with pytest.raises(ProducerAborted):
        receiver.take()


def test_an_unlimited_channel_tells_by_an_event() -> None:
    """The receiver goes on; the event says who, and how much had come."""
    cluster = Cluster()
    producer, receiver = channel(cluster, 1, 0)
    producer.send(pack(1))
    cluster.run(0.1)
    producer.abort("given up")
    cluster.run(0.1)
    (gone,) = cluster.events(0, ProducerGone)
    assert isinstance(gone, ProducerGone)
    assert (gone.node_id, gone.channel, gone.received) == (1, receiver.channel, 1)
    assert receive_all(receiver) == [1]
    with pytest.raises(WouldBlock):
        receiver.take()
    assert receiver.statistics().producers == 0


# Closing receivers.


def test_a_closed_receiver_has_its_producers_report() -> None:
    """What it had taken is delivered, all else is lost, acknowledged or not."""
    cluster = Cluster()
    producer, receiver = channel(cluster, 1, 0)
    for n in range(5):
        producer.send(pack(n))
        cluster.run(0.1)
    receiver.take()
    receiver.take()
    assert producer.statistics().delivered == 5
    receiver.close()
    receiver.close()
    cluster.run(0.1)
    with pytest.raises(ReceiverClosed, match="what it had not taken is lost"):
        producer.send(pack(5))
    statistics = producer.statistics()
    assert (statistics.accepted, statistics.delivered, statistics.lost) == (5, 2, 3)
    reports: list[Any] = cluster.events(1, LossReport)
    assert [(r.first_sequence, r.count) for r in reports] == [(2, 3)]
    with pytest.raises(ClosedError):
        receiver.take()
    assert receiver.is_readable
    assert receiver.statistics().discarded == 3


def test_a_receiver_that_is_closed_forgets_its_producers() -> None:
    """Those that were aborted, too, though their items still waited."""
    stage = Stage()
    _, receiver = stage.core.open_mpsc(BYTES)
    link = stage.establish()
    for stream in (1, 2, 3):
        stage.open(link, receiver, stream)
        stage.items(link, "waiting", stream=stream)
    stage.reset(link, stream=1)
    stage.finish(link, 1, stream=2)
    receiver.close()
    stage.pump()
    assert stage.core.statistics().peers[0].session.inlets == 0
    stops = [f.stream for f in stage.heard[link] if f.kind == Kind.STOP]
    assert stops == [2, 3]


def test_items_of_a_batch_that_were_not_given_out_are_lost_too() -> None:
    """A driver may have taken more than the application had of it."""
    cluster = Cluster()
    producer, receiver = channel(cluster, 1, 0)
    producer.send_many([pack(n) for n in range(5)])
    cluster.run(0.1)
    assert receiver.take().count == 5
    receiver.close(unused=3)
    cluster.run(0.1)
    statistics = producer.statistics()
    assert (statistics.delivered, statistics.lost) == (2, 3)
    assert receiver.statistics().discarded == 3


def test_a_receiver_that_was_closed_is_gone() -> None:
    """Whoever connects later learns it by name."""
    cluster = Cluster()
    sender, receiver = cluster[0].open_mpsc(BYTES)
    receiver.close()
    with pytest.raises(ReceiverClosed, match="no such receiver"):
        cluster.connect(1, sender)
    assert cluster[0].statistics().receivers == ()


def test_a_producer_that_has_finished_learns_of_the_close() -> None:
    """Its items were delivered but never taken: they are lost, and this is told."""
    cluster = Cluster()
    producer, receiver = channel(cluster, 1, 0)
    producer.send(pack(1))
    producer.finish()
    cluster.run(0.1)
    assert producer.state is ProducerState.FINISHED
    assert producer.is_delivered
    receiver.close()
    cluster.run(0.1)
    assert isinstance(producer.error, ReceiverClosed)
    assert cluster.lost(1) == 1
    assert len(cluster.happened(1, Failed)) == 1


def test_a_finish_and_a_close_may_cross() -> None:
    """The producer ends at the moment at which the receiver is closed."""
    cluster = Cluster(latency_s=0.01)
    producer, receiver = channel(cluster, 1, 0)
    producer.send(pack(1))
    cluster.run(0.1)
    producer.finish()
    receiver.close()
    cluster.run(0.1)
    assert isinstance(producer.error, ReceiverClosed)
    assert producer.statistics().lost == 1
    assert not cluster.events(0, ProducerGone)


def test_an_abort_and_a_close_may_cross() -> None:
    """Each side ended it: nothing is reported twice."""
    cluster = Cluster(latency_s=0.01)
    producer, receiver = channel(cluster, 1, 0)
    producer.send(pack(1))
    cluster.run(0.1)
    producer.send(pack(2))
    producer.abort("given up")
    receiver.close()
    cluster.run(0.1)
    statistics = producer.statistics()
    assert (statistics.accepted, statistics.delivered, statistics.lost) == (2, 0, 2)
    assert statistics.state == "closed"
    reports: list[Any] = cluster.events(1, LossReport)
    assert [(r.first_sequence, r.count) for r in reports] == [(1, 1), (0, 1)]
    assert producer.error is None
    assert not cluster.happened(1, Failed)


def test_a_close_while_the_link_is_gone_is_told_later() -> None:
    """STOP waits for the next link like everything else."""
    cluster = Cluster()
    producer, receiver = channel(cluster, 1, 0)
    cluster.cut(0, 1)
    receiver.close()
    cluster.run(1.0)
    assert isinstance(producer.error, ReceiverClosed)


# What producers are told.

STOPS: list[tuple[int, type[Error]]] = [
    (Reason.STALE_SENDER, StaleSender),
    (Reason.NO_CHANNEL, ReceiverClosed),
    (Reason.RECEIVER_CLOSED, ReceiverClosed),
    (Reason.TOO_MANY_PRODUCERS, TooManyProducers),
    (Reason.TYPE_MISMATCH, UsageError),
    (Reason.PARKING_FULL, BrokenError),
    (Reason.LEAVING, PeerLost),
    (Reason.NONE, BrokenError),
    (4711, BrokenError),
]


@pytest.mark.parametrize(("reason", "error"), STOPS)
def test_each_reason_to_stop_has_its_error(reason: int, error: type[Error]) -> None:
    """It names node and channel, and shows the text that came with it."""
    stage = Stage()
    link = stage.establish()
    producer = stage.core.connect(SENDER, BYTES, stage.now)
    stage.pump()
    stage.stops(link, reason, text="so\nthere")
    assert type(producer.error) is error
    assert "node 1, channel 63636363…" in str(producer.error)
    assert "(so\\x0athere)" in str(producer.error)
    with pytest.raises(error):
        stage.core.clone(producer, stage.now)


def test_more_cannot_have_been_taken_than_was_accepted() -> None:
    """A STOP that counts more breaks the protocol."""
    stage = Stage()
    link = stage.establish()
    producer = stage.core.connect(SENDER, BYTES, stage.now)
    stage.pump()
    stage.accepts(link)
    producer.send(pack(1))
    stage.stops(link, Reason.RECEIVER_CLOSED, taken=2)
    assert stage.ended == {link: Abort}
    assert producer.error is None


@pytest.mark.parametrize("how", ["open", "closed", "finishing"])
def test_done_before_the_end_breaks_the_protocol(how: str) -> None:
    """It answers FINISH, which must have been acknowledged first."""
    stage = Stage()
    link = stage.establish()
    producer = stage.core.connect(SENDER, BYTES, stage.now)
    stage.pump()
    stage.accepts(link)
    if how != "open":
        producer.finish()
        stage.pump()
    if how == "closed":
        stage.acknowledge(link, 2)
    stage.send(link, Kind.DONE)
    assert (link in stage.ended) == (how != "closed")
    assert (producer.state is ProducerState.CLOSED) == (how == "closed")


def test_frames_for_streams_that_are_over_are_ignored() -> None:
    """They may have been under way when the stream ended."""
    stage = Stage()
    _, receiver = stage.core.open_mpsc(BYTES)
    link = stage.establish()
    producer = stage.core.connect(SENDER, BYTES, stage.now)
    stage.pump()
    stage.stops(link, Reason.NO_CHANNEL)
    stage.send(link, Kind.CREDIT, 1, 100)
    stage.stops(link, Reason.NO_CHANNEL)
    stage.send(link, Kind.DONE)
    stage.open(link, receiver)
    receiver.close()
    stage.items(link, "late")
    stage.finish(link, 1)
    stage.reset(link)
    assert link not in stage.ended
    assert producer.error is not None


# Types.


def test_both_ends_must_name_the_same_type() -> None:
    """The sender says what the receiver takes: whoever connects it learns at once."""
    cluster = Cluster()
    sender, _ = cluster[0].open_mpsc(BYTES)
    for item in (ItemKind("pickle", "object"), ItemKind("msgpack", "app.Job")):
        with pytest.raises(UsageError, match="takes 'object' by msgpack, but"):
            cluster[1].connect(sender, item, cluster.now)


def test_a_type_that_differs_on_the_wire_is_refused_by_name() -> None:
    """A sender that lies is found out by the receiver's node."""
    stage = Stage()
    _, receiver = stage.core.open_mpsc(BYTES)
    link = stage.establish()
    body = stage.open_body(receiver.channel, item_type="app.Job")
    stop = stage.send(link, Kind.OPEN, payload=body)[-1]
    assert (stop.kind, stop.value) == (Kind.STOP, Reason.TYPE_MISMATCH)
    text = EndBody.decode(stop.payload).text
    assert "sends 'app.Job' by msgpack" in text
    assert "takes 'object' by msgpack" in text
    assert receiver.statistics().refused == 1


def test_a_sender_of_another_cluster_is_refused() -> None:
    """It can only lead to a node of its own cluster."""
    stage = Stage()
    for cluster, node_id in (("other", 1), ("comm", 2), ("comm", -1)):
        wrong: Sender[Any] = Sender(cluster, node_id, STRANGER, b"c" * 16, *BYTES)
        with pytest.raises(UsageError, match="the sender leads to node"):
            stage.core.connect(wrong, BYTES, stage.now)


def test_a_name_that_does_not_fit_on_the_wire_is_refused() -> None:
    """It could not be compared there."""
    stage = Stage()
    long = ItemKind("msgpack", "x" * 1025)
    with pytest.raises(UsageError, match="longer than 1024 bytes"):
        stage.core.open_mpsc(long)


# Clones.


def test_a_clone_is_a_producer_of_its_own() -> None:
    """It attaches by itself, has its own order, and outlives the one it came from."""
    cluster = Cluster()
    first, receiver = channel(cluster, 1, 0, max_producers=2)
    first.finish()
    second = cluster[1].clone(first, cluster.now)
    cluster.run(0.1)
    second.send(pack("second"))
    second.finish()
    cluster.run(0.1)
    assert receive_all(receiver) == ["second"]
    assert receiver.is_ended
    assert first.id != second.id


def test_streams_are_numbered_as_they_go_out() -> None:
    """From 1, each higher than the one before."""
    stage = Stage()
    link = stage.establish()
    for _ in range(3):
        stage.core.connect(SENDER, BYTES, stage.now)
    stage.pump()
    opens = [frame for frame in stage.heard[link] if frame.kind == Kind.OPEN]
    assert [frame.stream for frame in opens] == [1, 2, 3]
    assert OpenBody.decode(opens[0].payload).channel == SENDER.channel


def test_the_window_of_a_receiver_is_that_of_its_node() -> None:
    """The producer's own configuration plays no part."""
    cluster = Cluster(config=Config(window_bytes=500))
    cluster.cores[1] = cluster.make_core(1, config=Config(window_bytes=9))
    producer, _ = channel(cluster, 1, 0)
    assert producer.credit == 500
