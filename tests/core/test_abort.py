"""Producers that are aborted, in each of their states."""

from __future__ import annotations

from typing import Any

import pytest

from comm.effects import Delivered
from comm.errors import ClosedError, ProducerAborted, ReceiverClosed
from comm.events import LossReport, ProducerGone
from comm.mpsc import PRODUCER_TRANSITIONS, ProducerEvent, ProducerState, Sender
from comm.protocol import Kind, Reason, ReasonBody
from tests.helpers import BYTES, Cluster, pack, receive_all
from tests.stage import STRANGER, Stage, channel


SENDER: Sender[Any] = Sender("comm", 1, STRANGER, b"c" * 16, *BYTES)


def test_before_anything_was_said_nothing_is() -> None:
    """There was no link: the other side never hears of the producer."""
    stage = Stage()
    producer = stage.core.connect(SENDER, BYTES, stage.now)
    producer.abort("changed my mind")
    assert producer.state is ProducerState.CLOSED
    link = stage.establish()
    assert stage.kinds(link) == [Kind.WELCOME, Kind.ACK]
    assert stage.core.statistics().producers == ()
    producer.abort("again")
    with pytest.raises(ClosedError):
        producer.send(pack(1))


def test_before_the_answer_the_stream_is_reset() -> None:
    """The other side has heard of it; its answer is of no use any more."""
    stage = Stage()
    link = stage.establish()
    producer = stage.core.connect(SENDER, BYTES, stage.now)
    stage.pump()
    producer.abort("changed my mind")
    stage.pump()
    reset = stage.heard[link][-1]
    assert (reset.kind, reset.value) == (Kind.RESET, Reason.ABORTED)
    assert ReasonBody.decode(reset.payload).text == "changed my mind"
    stage.accepts(link)
    assert producer.state is ProducerState.ABORTED
    assert producer.credit == 0
    stage.acknowledge(link, 2)
    assert producer.state is ProducerState.CLOSED
    assert stage.core.statistics().producers == ()
    assert not stage.events(LossReport)


def test_what_was_not_sent_is_lost_what_was_may_arrive() -> None:
    """The loss is reported at once; what was under way is delivered."""
    cluster = Cluster(latency_s=0.01)
    producer, receiver = channel(cluster, 1, 0)
    producer.send(pack("under way"))
    cluster.settle()
    cluster[1].handle_write_blocked(cluster[1]._links.all()[0].id)
    for n in range(3):
        producer.send(pack(n))
    producer.abort("enough")
    cluster.settle()
    reports: list[Any] = cluster.events(1, LossReport)
    assert [(r.first_sequence, r.count) for r in reports] == [(1, 3)]
    assert "aborted: enough" in reports[0].reason
    cluster[1].handle_write_resumed(cluster[1]._links.all()[0].id)
    cluster.run(0.1)
    assert receive_all(receiver) == ["under way"]
    statistics = producer.statistics()
    assert (statistics.accepted, statistics.delivered, statistics.lost) == (4, 1, 3)
    assert statistics.state == "closed"
    assert producer.error is None


def test_a_finish_that_is_not_yet_sent_gives_way() -> None:
    """Closing was patient; now it is not."""
    cluster = Cluster()
    producer, receiver = channel(cluster, 1, 0, max_producers=1)
    cluster[1].handle_write_blocked(cluster[1]._links.all()[0].id)
    producer.send(pack(1))
    producer.finish()
    producer.abort("too slow")
    cluster[1].handle_write_resumed(cluster[1]._links.all()[0].id)
    cluster.run(0.1)
    assert producer.statistics().lost == 1
    assert receiver.statistics().lost == 0
    with pytest.raises(ProducerAborted, match="too slow"):
        receiver.take()


def test_a_finish_that_was_sent_stands() -> None:
    """Nothing is left to give up; the receiver has all of it or will."""
    cluster = Cluster()
    producer, receiver = channel(cluster, 1, 0, max_producers=1)
    producer.send(pack(1))
    producer.finish()
    cluster.settle()
    producer.abort("too late")
    cluster.run(0.1)
    assert receive_all(receiver) == [1]
    assert receiver.is_ended
    assert cluster.lost(1) == 0
    cluster.run(0.1)
    producer.abort("much too late")
    assert producer.state is ProducerState.CLOSED


def test_what_is_broken_cannot_be_aborted() -> None:
    """The error stays, and so does the count of what was lost."""
    cluster = Cluster()
    producer, receiver = channel(cluster, 1, 0)
    producer.send(pack(1))
    receiver.close()
    cluster.run(0.1)
    producer.abort("sour grapes")
    producer.finish()
    assert isinstance(producer.error, ReceiverClosed)
    assert cluster.lost(1) == 1


def test_an_abort_survives_the_link() -> None:
    """RESET waits for the next one."""
    cluster = Cluster()
    producer, receiver = channel(cluster, 1, 0)
    cluster.cut(0, 1)
    producer.send(pack(1))
    producer.abort("no patience")
    cluster.run(1.0)
    assert producer.state is ProducerState.CLOSED
    (gone,) = cluster.events(0, ProducerGone)
    assert isinstance(gone, ProducerGone)
    assert gone.received == 0
    assert receive_all(receiver) == []


def test_an_abort_is_over_when_the_session_is() -> None:
    """What was under way is then reported as lost, too."""
    stage = Stage()
    link = stage.establish()
    producer = stage.core.connect(SENDER, BYTES, stage.now)
    stage.pump()
    stage.accepts(link)
    producer.send(pack(1))
    stage.pump()
    producer.send(pack(2))
    producer.abort("enough")
    stage.pump()
    stage.closed(link)
    stage.establish(generation=1)
    assert producer.state is ProducerState.CLOSED
    assert producer.error is None
    reports = [(r.first_sequence, r.count) for r in stage.events(LossReport)]
    assert reports == [(1, 1), (0, 1)]


def test_a_flush_ends_with_an_abort() -> None:
    """What was under way is waited for; what was given up is not."""
    cluster = Cluster(latency_s=0.01)
    producer, _ = channel(cluster, 1, 0)
    producer.send(pack(1))
    producer.request_flush()
    cluster.settle()
    producer.abort("enough")
    cluster.run(0.1)
    assert cluster.happened(1, Delivered) == [Delivered(producer.id)]


@pytest.mark.parametrize("how", ["closed", "lost"])
def test_a_flush_ends_with_an_abort_that_is_overtaken(how: str) -> None:
    """The receiver is closed, or the session lost, before RESET is acknowledged:
    nothing is under way any more, and whoever waits for that is told."""
    stage = Stage()
    link = stage.establish()
    producer = stage.core.connect(SENDER, BYTES, stage.now)
    stage.pump()
    stage.accepts(link)
    producer.send(pack(1))
    stage.pump()
    producer.request_flush()
    producer.abort("enough")
    if how == "closed":
        stage.stops(link, Reason.RECEIVER_CLOSED)
    else:
        stage.closed(link)
        stage.establish(generation=1)
    assert producer.state is ProducerState.CLOSED
    assert producer.statistics().lost == 1
    assert stage.handles(Delivered) == [producer.id]


def test_no_other_state_can_be_aborted() -> None:
    """The table says which can."""
    able = {
        state
        for state, events in PRODUCER_TRANSITIONS.items()
        if ProducerEvent.ABORT in events
    }
    assert able == {
        ProducerState.CONNECTING,
        ProducerState.OPEN,
        ProducerState.FINISHING,
    }
