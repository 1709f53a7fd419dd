"""Channels of a node to itself behave like all others."""

from __future__ import annotations

from typing import Any

import pytest

from comm.broadcast import Token
from comm.config import Config
from comm.effects import Connect, Delivered, Opened, Readable, Transmit, Writable
from comm.errors import (
    ClosedError,
    EndOfChannel,
    ProducerAborted,
    ReceiverClosed,
    TooManyProducers,
    WouldBlock,
)
from comm.events import LossReport
from comm.mpsc import ProducerState
from tests.helpers import BYTES, Cluster, pack, receive_all
from tests.stage import channel


def test_items_go_from_a_node_to_itself() -> None:
    """In order, without a connection and without waiting."""
    cluster = Cluster(1)
    producer, receiver = channel(cluster, 0, 0, max_producers=1)
    assert cluster.happened(0, Opened) == [Opened(producer.id)]
    for n in range(10):
        producer.send(pack(n))
    producer.finish()
    cluster.settle()
    assert receive_all(receiver) == list(range(10))
    with pytest.raises(EndOfChannel):
        receiver.take()
    cluster.settle()
    assert producer.state is ProducerState.CLOSED
    assert not cluster.happened(0, Connect)
    assert not cluster.happened(0, Transmit)
    assert cluster[0].next_timeout() is None


def test_batches_name_the_node_itself() -> None:
    """Like those of any other node."""
    cluster = Cluster(3)
    producer, receiver = channel(cluster, 2, 2)
    producer.send(pack(1))
    cluster.settle()
    batch = receiver.take()
    assert (batch.node_id, batch.sequence, batch.count) == (2, 0, 1)


def test_credit_holds_within_a_node() -> None:
    """The window is the receiver's, and comes back as items are taken."""
    cluster = Cluster(1, config=Config(window_bytes=100, chunk_bytes=30))
    producer, receiver = channel(cluster, 0, 0)
    item = pack(b"x" * 8)
    assert producer.send_many([item] * 50) == 10
    with pytest.raises(WouldBlock):
        producer.send(item)
    cluster.settle()
    assert len(receive_all(receiver)) == 10
    cluster.settle()
    assert cluster.happened(0, Writable) == [Writable(producer.id)]
    assert producer.send_many([item] * 50) == 9


def test_large_items_pass_in_one_piece_or_many() -> None:
    """A chunk is the unit of turns here, too."""
    cluster = Cluster(1, config=Config(chunk_bytes=10))
    first, one = channel(cluster, 0, 0)
    second, two = channel(cluster, 0, 0)
    first.send(pack(b"x" * 1000))
    second.send(pack("small"))
    cluster.settle()
    assert receive_all(one) == [b"x" * 1000]
    assert receive_all(two) == ["small"]


def test_a_flush_is_answered_within_the_node() -> None:
    """At once if all is delivered, else as soon as it is."""
    cluster = Cluster(1)
    producer, _ = channel(cluster, 0, 0)
    producer.request_flush()
    cluster.settle()
    assert cluster.happened(0, Delivered) == [Delivered(producer.id)]
    producer.send(pack(1))
    producer.request_flush()
    cluster[0].request_flush_all()
    cluster.settle()
    assert len(cluster.happened(0, Delivered)) == 2


def test_ends_and_errors_are_the_same() -> None:
    """Abort, seal, limit and close."""
    cluster = Cluster(1)
    sender, receiver = cluster[0].open_mpsc(BYTES, max_producers=2)
    first = cluster.connect(0, sender)
    first.abort("given up")
    cluster.settle()
    with pytest.raises(ProducerAborted):
        receiver.take()
    assert first.state is ProducerState.CLOSED
    second = cluster.connect(0, sender)
    with pytest.raises(TooManyProducers):
        cluster.connect(0, sender)
    second.send(pack(1))
    cluster.settle()
    receiver.close()
    cluster.settle()
    assert isinstance(second.error, ReceiverClosed)
    assert cluster.lost(0) == 1
    with pytest.raises(ReceiverClosed):
        cluster.connect(0, sender)


def test_who_waits_is_woken_within_the_node() -> None:
    """`Readable` follows an empty `take`."""
    cluster = Cluster(1)
    producer, receiver = channel(cluster, 0, 0)
    with pytest.raises(WouldBlock):
        receiver.take()
    producer.send(pack(1))
    cluster.settle()
    assert cluster.happened(0, Readable) == [Readable(receiver.id)]


def test_a_broadcast_may_be_parked_at_home() -> None:
    """A node's own receiver may come late as well."""
    token: Token[Any] = Token("news", loopback=True)
    cluster = Cluster(1)
    sender = cluster[0].open_broadcast_sender(token, BYTES, cluster.now)
    cluster.settle()
    sender.send(pack("early"))
    cluster.settle()
    receiver = cluster[0].open_broadcast_receiver(token, BYTES)
    assert receive_all(receiver) == ["early"]


def test_what_is_not_delivered_at_the_end_is_reported() -> None:
    """A switchboard that closes tells its own producers, too."""
    cluster = Cluster(1)
    producer, receiver = channel(cluster, 0, 0)
    producer.send(pack("kept?"))
    sender, _ = cluster[0].open_mpsc(BYTES)
    waiting = cluster[0].connect(sender, BYTES, cluster.now)
    cluster[0].close(cluster.now)
    cluster.settle()
    reports: list[Any] = cluster.events(0, LossReport)
    assert [report.count for report in reports] == [1]
    for handle in (producer, waiting):
        assert isinstance(handle.error, ClosedError)
    with pytest.raises(ClosedError):
        receiver.take()
    assert cluster[0].undelivered() == ()


def test_nothing_is_in_doubt_at_home() -> None:
    """Both ends know the same, so that nothing is ever withheld."""
    loopback = Cluster(1)[0]._channels.loopback
    assert not loopback.is_fenced
    assert not loopback.is_in_doubt(1)


def test_undelivered_items_at_home_are_listed() -> None:
    """Until the effects are taken they are on their way."""
    cluster = Cluster(1)
    producer, _ = channel(cluster, 0, 0)
    producer.send(pack(1))
    (undelivered,) = cluster[0].undelivered()
    assert undelivered.node_id == undelivered.first_sequence == 0
    assert undelivered.count == 1
    cluster.settle()
    assert cluster[0].undelivered() == ()
    (statistics,) = cluster[0].statistics().producers
    assert statistics.delivered == 1
