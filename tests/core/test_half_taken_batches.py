"""Batches that a driver has taken, and the application has not got to the end of."""

from __future__ import annotations

import pytest

from comm.broadcast import Token
from comm.config import Config
from comm.effects import BatchesSettled, BatchesWithheld, LinkId
from comm.events import LossReport
from comm.mpsc import ReceiverCore
from comm.protocol import AckBody, ChannelKind, EndBody, Kind, Reason, encode_frame
from tests.helpers import BYTES, unpack
from tests.stage import Stage


SHORT = Config(
    heartbeat_interval_s=1.0,
    heartbeat_timeout_s=2.0,
    handshake_timeout_s=0.5,
    resume_window_s=10.0,
)


def half_taken(limit: int | None = None) -> tuple[Stage, ReceiverCore, LinkId]:
    """Three items have arrived in one batch, which was taken."""
    stage = Stage(config=SHORT)
    _, receiver = stage.core.open_mpsc(BYTES, max_producers=limit)
    link = stage.establish(resume_window_ms=10_000)
    stage.wait(1.0)
    stage.open(link, receiver)
    stage.items(link, 0, 1, 2)
    return stage, receiver, link


def test_a_batch_in_doubt_is_called_back_before_its_loss_is_reported() -> None:
    """The effects name the session and what of it is in doubt, as the batch does."""
    stage, receiver, link = half_taken()
    batch = receiver.take()
    stage.closed(link)
    stage.wait(9.5)
    (withheld,) = stage.happened(BatchesWithheld)
    assert withheld.session == batch.session
    assert withheld.confirmed < batch.frame
    stage.wait(1.0)
    settled = stage.happened(BatchesSettled)[-1]
    assert settled == BatchesSettled(batch.session, withheld.confirmed, revoked=True)


def test_a_batch_that_is_known_to_have_arrived_is_not_in_doubt() -> None:
    """Its frame is not above what was confirmed."""
    stage, receiver, link = half_taken()
    batch = receiver.take()
    confirmed = encode_frame(Kind.ACK, payload=AckBody(batch.frame).encode())
    stage.say(link, confirmed)
    stage.closed(link)
    stage.wait(9.5)
    (withheld,) = stage.happened(BatchesWithheld)
    assert withheld.confirmed >= batch.frame


def test_a_session_that_goes_on_settles_its_batches() -> None:
    """They are not revoked: nobody will report their items any more."""
    stage, receiver, link = half_taken()
    receiver.take()
    stage.closed(link)
    stage.wait(9.5)
    again = stage.accept()
    stage.go_on(again, link)
    stage.say(again, stage.resume())
    stage.say(again, encode_frame(Kind.ACK, payload=AckBody(0).encode()))
    (settled,) = stage.happened(BatchesSettled)
    assert not settled.revoked


@pytest.mark.parametrize("finished", [False, True])
def test_what_a_driver_drops_is_counted_and_reported(*, finished: bool) -> None:
    """Whether the producer is still attached or has finished: the items at the end of
    the batch are discarded, and a report names them."""
    stage, receiver, link = half_taken(limit=1)
    if finished:
        stage.finish(link, 3)
    batch = receiver.take()
    receiver.discard(batch, 2)
    statistics = receiver.statistics()
    assert (statistics.received, statistics.taken, statistics.discarded) == (3, 1, 2)
    stage.pump()
    (report,) = stage.events(LossReport)
    assert (report.node_id, report.channel) == (1, receiver.channel)
    assert (report.first_sequence, report.count) == (1, 2)


def test_closing_tells_the_producer_what_was_not_used() -> None:
    """STOP counts what the application was given, not what was taken for it."""
    stage, receiver, link = half_taken()
    receiver.take()
    receiver.close(unused=2)
    stage.pump()
    (stop,) = [frame for frame in stage.heard[link] if frame.kind == Kind.STOP]
    assert stop.value == Reason.RECEIVER_CLOSED
    assert EndBody.decode(stop.payload).taken == 1
    assert receiver.statistics().discarded == 2


def test_a_finished_producer_is_told_nothing_more() -> None:
    """It has forgotten the channel when its last batch was taken."""
    stage, receiver, link = half_taken(limit=1)
    stage.finish(link, 3)
    receiver.take()
    receiver.close(unused=2)
    stage.pump()
    assert Kind.STOP not in stage.kinds(link)


def test_batches_of_a_fan_out_are_never_in_doubt() -> None:
    """What one member has, all others get; nothing of it is dropped."""
    stage = Stage(config=SHORT)
    token = Token[object]("any")
    receiver = stage.core.open_broadcast_receiver(token, BYTES)
    fanout = stage.core.open_fanout(receiver)
    first, second = fanout.attach(), fanout.attach()
    link = stage.establish(resume_window_ms=10_000)
    body = stage.open_body(token.channel, ChannelKind.BROADCAST)
    stage.send(link, Kind.OPEN, 1, 0, body)
    stage.items(link, 0, 1, 2)
    batch = first.take()
    assert batch.session == 0
    first.discard(batch, 2)
    assert first.statistics().discarded == 0
    assert unpack(second.take().payload) == [0, 1, 2]
