"""What a flush has told is out of doubt on the other side as soon as can be."""

from __future__ import annotations

from typing import Any

import pytest

from comm.broadcast import Token
from comm.effects import Delivered
from comm.events import LossReport
from comm.mpsc import ProducerCore, Sender
from comm.protocol import AckBody, Kind, encode_frame
from tests.helpers import BYTES, Cluster, pack, receive_all
from tests.stage import STRANGER, Stage, channel


NEWS: Token[object] = Token("news")
SENDER: Sender[Any] = Sender("comm", 1, STRANGER, b"c" * 16, *BYTES)


def has_told(cluster: Cluster) -> bool:
    return bool(cluster.happened(1, Delivered))


def die(cluster: Cluster) -> None:
    """The producers' node dies right now; its session is lost in time."""
    cluster.crash(1)
    cluster.run(40.0)
    assert cluster[0].peers[1]
    assert not cluster[0].peers[1].is_up


@pytest.mark.parametrize("wait_s", [0.0, 0.005, 0.0225, 0.1])
@pytest.mark.parametrize("is_closed", [False, True])
def test_what_a_flush_has_told_outlives_its_producer(
    *, wait_s: float, is_closed: bool
) -> None:
    """The producer's node dies just after `Delivered`, whether that came by an answer
    to the flush or was known before: nothing is discarded, or reported."""
    cluster = Cluster()
    producer, receiver = channel(cluster, 1, 0)
    cluster.run(0.1)
    producer.send(pack(1))
    cluster.settle()
    cluster.run(wait_s)
    if is_closed:
        producer.finish()
    producer.request_flush()
    cluster.run_until(lambda: has_told(cluster), within_s=0.005)
    die(cluster)
    assert receive_all(receiver) == [1]
    assert not cluster.events(0, LossReport)


def test_what_a_broadcast_s_flush_has_told_outlives_its_sender() -> None:
    """The same for each node of a broadcast."""
    cluster = Cluster(3)
    receivers = [cluster[n].open_broadcast_receiver(NEWS, BYTES) for n in (0, 2)]
    sender = cluster[1].open_broadcast_sender(NEWS, BYTES, cluster.now)
    cluster.meet()
    cluster.run(0.1)
    sender.send(pack(1))
    sender.request_flush()
    cluster.run_until(lambda: has_told(cluster), within_s=0.005)
    die(cluster)
    assert [receive_all(receiver) for receiver in receivers] == [[1], [1]]
    assert not cluster.events(0, LossReport)
    assert not cluster.events(2, LossReport)


def test_what_a_drain_has_found_outlives_its_node() -> None:
    """A node that has drained everything may die at once."""
    cluster = Cluster()
    producer, receiver = channel(cluster, 1, 0)
    cluster.run(0.1)
    producer.send(pack(1))
    cluster[1].request_flush_all()
    cluster.run_until(lambda: producer.is_delivered, within_s=0.005)
    die(cluster)
    assert receive_all(receiver) == [1]
    assert not cluster.events(0, LossReport)


def opened() -> tuple[Stage, int, ProducerCore]:
    """A producer of the core; all is acknowledged and confirmed so far."""
    stage = Stage()
    link = stage.establish()
    producer = stage.core.connect(SENDER, BYTES, stage.now)
    stage.pump()
    stage.accepts(link)
    stage.acknowledge(link, 1)
    stage.wait(0.1)
    return stage, link, producer


def acks_heard(stage: Stage, link: int) -> list[tuple[int, int]]:
    """Returns what each ACK of the core acknowledged and confirmed."""
    return [
        (frame.sequence, AckBody.decode(frame.payload).confirmed)
        for frame in stage.heard[link]
        if frame.kind == Kind.ACK
    ]


def test_a_flush_is_confirmed_at_once() -> None:
    """The ACK that tells it is answered by one ACK, and what follows by none."""
    stage, link, producer = opened()
    producer.send(pack(1))
    producer.request_flush()
    stage.pump()
    before = len(acks_heard(stage, link))
    stage.acknowledge(link, 2)
    assert acks_heard(stage, link)[before:] == [(1, 2)]
    stage.acknowledge(link, 2)
    stage.say(link, encode_frame(Kind.PONG))
    producer.request_flush()
    stage.wait(0.1)
    assert len(acks_heard(stage, link)) == before + 1


def test_what_nobody_waits_for_is_confirmed_later() -> None:
    """Without a flush, or where it waits for more, the confirmation waits for company:
    ordinary traffic has no frames of its own for it."""
    stage, link, producer = opened()
    producer.send(pack(1))
    stage.pump()
    producer.send(pack(2))
    producer.request_flush()
    stage.pump()
    before = len(acks_heard(stage, link))
    stage.acknowledge(link, 2)
    stage.wait(0.019)
    assert len(acks_heard(stage, link)) == before
    stage.wait(0.001)
    assert acks_heard(stage, link)[before:] == [(1, 2)]
