"""Receivers that are closed: their producers learn it, and what they have lost."""

from __future__ import annotations

from typing import Any

import pytest

from comm.effects import Failed
from comm.errors import ClosedError, ReceiverClosed
from comm.events import LossReport, ProducerGone
from comm.mpsc import ProducerState, Sender
from comm.protocol import Kind
from tests.helpers import BYTES, Cluster, pack
from tests.stage import STRANGER, Stage, channel


SENDER: Sender[Any] = Sender("comm", 1, STRANGER, b"c" * 16, *BYTES)


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
