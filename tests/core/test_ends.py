"""How channels end: exactly, by the ends of their producers."""

from __future__ import annotations

from typing import Any

import pytest

from comm.config import Config
from comm.effects import Delivered, Failed, Opened, Readable
from comm.errors import (
    ClosedError,
    EndOfChannel,
    ProducerAborted,
    TooManyProducers,
    UsageError,
    WouldBlock,
)
from comm.events import ProducerGone
from comm.mpsc import ProducerState, ReceiverCore, Sender
from comm.protocol import Kind, OpenBody
from tests.helpers import BYTES, Cluster, pack, receive_all
from tests.stage import STRANGER, Stage, channel


SENDER: Sender[Any] = Sender("comm", 1, STRANGER, b"c" * 16, *BYTES)


def sender_to(cluster: Cluster, receiver: ReceiverCore) -> Sender[Any]:
    return Sender("comm", 0, cluster[0].incarnation, receiver.channel, *BYTES)


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
