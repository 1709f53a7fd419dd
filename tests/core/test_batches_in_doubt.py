"""Batches that a driver has taken, and has not handed out item by item."""

from __future__ import annotations

from typing import Any

import pytest

from comm.config import Config
from comm.effects import BatchesSettled, BatchesWithheld, LinkId
from comm.errors import ProducerLost
from comm.events import LossReport
from comm.mpsc import Batch, ReceiverCore, Sender
from comm.protocol import AckBody, Kind, encode_frame
from tests.helpers import BYTES
from tests.stage import STRANGER, Stage


SENDER: Sender[Any] = Sender("comm", 1, STRANGER, b"c" * 16, *BYTES)

SHORT = Config(
    heartbeat_interval_s=1.0,
    heartbeat_timeout_s=2.0,
    handshake_timeout_s=0.5,
    resume_window_s=10.0,
)


def ack(received: int, confirmed: int) -> bytes:
    payload = AckBody(confirmed).encode()
    return encode_frame(Kind.ACK, sequence=received, payload=payload)


def taken(config: Config | None = None) -> tuple[Stage, ReceiverCore, LinkId, Batch]:
    """A driver has taken a batch of three, of which it has handed out one."""
    stage = Stage(config=config)
    _, receiver = stage.core.open_mpsc(BYTES)
    link = stage.establish(resume_window_ms=10_000)
    stage.open(link, receiver)
    stage.items(link, "given", "kept", "kept, too")
    batch = receiver.take()
    assert (batch.count, batch.frame) == (3, 2)
    stage.closed(link)
    stage.wait(9.0)
    assert stage.happened(BatchesWithheld) == [BatchesWithheld(batch.session, 0)]
    assert not stage.happened(BatchesSettled)
    return stage, receiver, link, batch


def test_a_batch_that_was_taken_is_withheld_and_released() -> None:
    """The driver is told which ones, and that it may go on."""
    stage, receiver, link, batch = taken()
    again = stage.accept()
    stage.say(again, stage.resume(), ack(0, confirmed=0))
    settled = BatchesSettled(batch.session, 0, revoked=False)
    assert stage.happened(BatchesSettled) == [settled]
    stage.go_on(again, link)
    stage.items(again, "next")
    assert receiver.take().session == batch.session
    assert not stage.events(LossReport)


def test_a_batch_that_was_taken_is_revoked_with_its_session() -> None:
    """What the application was not given is discarded, and reported."""
    stage, receiver, _, batch = taken()
    stage.establish(generation=1)
    settled = BatchesSettled(batch.session, 0, revoked=True)
    assert stage.happened(BatchesSettled) == [settled]
    receiver.discard(batch, 2)
    stage.pump()
    (report,) = stage.events(LossReport)
    assert (report.node_id, report.first_sequence, report.count) == (1, 1, 2)
    figures = receiver.statistics()
    assert (figures.received, figures.taken, figures.discarded) == (3, 1, 2)


def test_a_batch_may_be_revoked_while_its_producer_is_still_known() -> None:
    """Its error is yet to be told; the figures are the same."""
    stage = Stage(config=SHORT)
    _, receiver = stage.core.open_mpsc(BYTES, max_producers=1)
    link = stage.establish(resume_window_ms=10_000)
    stage.open(link, receiver)
    stage.items(link, "given", "kept")
    batch = receiver.take()
    stage.closed(link)
    stage.wait(10.0)
    receiver.discard(batch, 1)
    figures = receiver.statistics()
    assert (figures.received, figures.taken, figures.discarded) == (2, 1, 1)
    with pytest.raises(ProducerLost):
        receiver.take()
    assert receiver.statistics().taken == 1


def test_a_batch_of_a_crashed_node_is_not_revoked() -> None:
    """The process that might have reported it is gone."""
    stage, _, _, batch = taken()
    stage.establish(incarnation=b"n" * 16)
    settled = stage.happened(BatchesSettled)
    assert settled
    assert not any(effect.revoked for effect in settled)
    assert {effect.session for effect in settled} == {batch.session}


def test_batches_of_a_fan_out_are_never_in_doubt() -> None:
    """What one member has, the others get: nobody may take it back."""
    stage = Stage()
    _, receiver = stage.core.open_mpsc(BYTES)
    link = stage.establish()
    stage.open(link, receiver)
    stage.items(link, "for all")
    member = stage.core.open_fanout(receiver).attach()
    batch = member.take()
    assert batch.session == 0
    member.discard(batch, 1)
    assert member.statistics().taken == 1
