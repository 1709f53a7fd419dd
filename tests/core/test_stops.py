"""What producers are told by the other side, and what that side may not say."""

from __future__ import annotations

from typing import Any

import pytest

from comm.effects import Abort
from comm.errors import (
    BrokenError,
    Error,
    PeerLost,
    ReceiverClosed,
    StaleSender,
    TooManyProducers,
    UsageError,
)
from comm.mpsc import ItemKind, ProducerState, Sender
from comm.protocol import EndBody, Kind, Reason
from tests.helpers import BYTES, Cluster, pack
from tests.stage import STRANGER, Stage


SENDER: Sender[Any] = Sender("comm", 1, STRANGER, b"c" * 16, *BYTES)


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
