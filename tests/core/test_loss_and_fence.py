"""Outages that last too long: what is lost is reported, and never delivered later."""

from __future__ import annotations

from typing import Any

import pytest

from comm.broadcast import Token
from comm.config import Config
from comm.effects import (
    Abort,
    BatchesSettled,
    BatchesWithheld,
    Failed,
    LinkId,
    Readable,
)
from comm.errors import PeerLost, ProducerAborted, ProducerLost, WouldBlock
from comm.events import LossReport, PeerDown, PeerUp, ProducerGone
from comm.mpsc import Batch, ReceiverCore, Sender
from comm.protocol import AckBody, Kind, encode_frame
from comm.session import SessionState
from tests.helpers import BYTES, Cluster, pack, receive_all, unpack
from tests.stage import STRANGER, Stage, channel


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


# What a sender does.


def test_after_the_window_everything_unacknowledged_is_reported() -> None:
    """The producer's next call raises, an event says what is gone, a count is kept."""
    cluster = Cluster(config=SHORT)
    producer, receiver = channel(cluster, 1, 0)
    producer.send(pack("arrives"))
    cluster.run(0.5)
    cluster.partition(0, 1)
    for n in range(3):
        producer.send(pack(n))
    lost_at = cluster.now
    cluster.run_until(lambda: producer.error is not None)
    assert 12.0 <= cluster.now - lost_at <= 13.0
    with pytest.raises(PeerLost, match="no link for 10 s"):
        producer.send(pack("more"))
    reports: list[Any] = cluster.events(1, LossReport)
    assert [(r.node_id, r.first_sequence, r.count) for r in reports] == [(0, 1, 3)]
    statistics = producer.statistics()
    assert (statistics.delivered, statistics.lost, statistics.state) == (1, 3, "broken")
    assert cluster[1].statistics().lost == 3
    assert cluster[1].undelivered() == ()
    assert receive_all(receiver) == ["arrives"]


def test_a_node_that_never_answers_is_given_up() -> None:
    """A producer that waits for a node that is not there fails after the window; the
    node itself is tried on."""
    cluster = Cluster(config=SHORT)
    sender, _ = cluster[0].open_mpsc(BYTES)
    cluster.crash(0)
    with pytest.raises(PeerLost, match="refused"):
        cluster.connect(1, sender)
    assert cluster.now == 10.0
    cluster.restart(0)
    cluster.run(2.0)
    assert cluster.events(1, PeerUp)


def test_one_side_may_give_up_alone() -> None:
    """The other side learns it on the next attempt, and reports what it lost."""
    cluster = Cluster(config=SHORT)
    cluster.cores[0] = cluster.make_core(0, config=Config(resume_window_s=60.0))
    first, taken = channel(cluster, 1, 0)
    second, given = channel(cluster, 0, 1)
    cluster.partition(0, 1)
    first.send(pack("lost at 1"))
    second.send(pack("lost at 0"))
    cluster.run_until(lambda: first.error is not None)
    assert second.error is None
    cluster.heal()
    cluster.run_until(lambda: second.error is not None)
    assert "had given up the session" in str(second.error)
    assert cluster.lost(0) == cluster.lost(1) == 1
    assert receive_all(taken) == receive_all(given) == []
    ups: list[Any] = cluster.events(0, PeerUp)
    assert [up.resumed for up in ups] == [False, False]
    third, receiver = channel(cluster, 0, 1)
    third.send(pack("next"))
    cluster.run(0.1)
    assert receive_all(receiver) == ["next"]


def test_both_sides_may_give_up() -> None:
    """Then neither goes on, and a new session begins with nothing of the old one."""
    cluster = Cluster(config=SHORT)
    producer, receiver = channel(cluster, 1, 0)
    cluster.partition(0, 1)
    producer.send(pack("lost"))
    cluster.run(20.0)
    cluster.heal()
    cluster.run(10.0)
    assert cluster.events(0, PeerUp)[-1] == PeerUp(1, cluster[1].incarnation, False)
    assert receive_all(receiver) == []
    generations = [
        cluster[node].statistics().peers[0].session.generation for node in (0, 1)
    ]
    assert generations == [1, 1]


def test_a_session_without_streams_is_given_up_too() -> None:
    """Nobody is told of a loss, for there is none."""
    cluster = Cluster(config=SHORT)
    cluster.meet()
    cluster.partition(0, 1)
    cluster.run(30.0)
    assert not cluster.events(0, LossReport)
    session = cluster[0].statistics().peers[0].session
    assert session.state == SessionState.UNBOUND.value


def test_a_welcome_that_is_lost_again_and_again_begins_one_session() -> None:
    """A side that has given up says so in each HELLO and WELCOME until it is heard."""
    stage = Stage(config=SHORT)
    stage.closed(stage.establish())
    stage.wait(10.0)
    for _ in range(3):
        link = stage.accept()
        (welcome, *_) = stage.say(link, stage.resume())
        assert welcome.kind == Kind.WELCOME
        stage.closed(link)
    link = stage.accept()
    stage.say(link, stage.resume(peer_generation=1))
    resumed = [up.resumed for up in stage.events(PeerUp)]
    assert resumed == [False, False, True, True, True]


def test_errors_thrice_at_the_same_place_give_the_session_up() -> None:
    """Damage is mended by the next link; a node that cannot do better is given up."""
    stage = Stage()
    producer = stage.core.connect(SENDER, BYTES, stage.now)
    stage.pump()
    for attempt in range(3):
        assert producer.error is None
        link = stage.establish() if not attempt else stage.accept()
        if attempt:
            stage.say(link, stage.resume())
        stage.say(link, b"\xff" * 21)
        assert stage.ended[link] is Abort
    assert isinstance(producer.error, PeerLost)
    assert "breaks the protocol" in str(producer.error)
    assert stage.core.statistics().protocol_errors == 3
    assert stage.core.statistics().peers[0].session.generation == 1


def test_errors_with_progress_between_do_not_add_up() -> None:
    """A link that damages a byte now and then carries the session all the same."""
    stage = Stage()
    _, receiver = stage.core.open_mpsc(BYTES)
    link = stage.establish()
    stage.open(link, receiver)
    for n in range(10):
        stage.items(link, n)
        stage.say(link, b"\xff" * 21)
        again = stage.accept()
        stage.go_on(again, link)
        stage.say(again, stage.resume())
        link = again
    assert receive_all(receiver) == list(range(10))
    assert stage.core.statistics().peers[0].session.generation == 0


# What a receiver may hand out.


def in_doubt(
    config: Config | None = None, limit: int | None = None, **changes: Any
) -> tuple[Stage, ReceiverCore, LinkId]:
    """An item has arrived, but its sender may not know; the link was heard at 1 s."""
    stage = Stage(config=config)
    _, receiver = stage.core.open_mpsc(BYTES, max_producers=limit)
    link = stage.establish(resume_window_ms=10_000, **changes)
    stage.wait(1.0)
    stage.open(link, receiver)
    stage.items(link, "doubtful")
    return stage, receiver, link


def withheld(receiver: ReceiverCore) -> bool:
    """Tells whether the receiver hands nothing out, and keeps it."""
    assert receiver.statistics().buffered_items == 1
    try:
        receiver.take()
    except WouldBlock:
        return True
    return False


@pytest.mark.parametrize("own_window_s", [7.0, 10.0, 60.0])
def test_doubtful_items_are_withheld_before_the_other_side_gives_up(
    own_window_s: float,
) -> None:
    """What counts is the other side's window, from the last byte heard of it, less
    one heartbeat interval: 9 s here."""
    stage, receiver, link = in_doubt(Config(resume_window_s=own_window_s))
    stage.wait(2.0)
    stage.closed(link)
    stage.wait(min(9.9, own_window_s + 2.9) - stage.now)
    batch = receiver.take()
    assert unpack(batch.payload) == ["doubtful"]
    stage, receiver, link = in_doubt(Config(resume_window_s=max(own_window_s, 9.0)))
    stage.wait(2.0)
    stage.closed(link)
    stage.wait(7.0)
    assert withheld(receiver)


def test_confirmed_items_are_never_withheld() -> None:
    """Their sender knows that they arrived, and will not report them."""
    stage, receiver, link = in_doubt()
    stage.say(link, ack(0, confirmed=2))
    stage.closed(link)
    stage.wait(25.0)
    assert receive_all(receiver) == ["doubtful"]


def test_what_was_withheld_is_released_when_the_session_goes_on() -> None:
    """Whoever waits for it is woken."""
    stage, receiver, link = in_doubt()
    stage.closed(link)
    stage.wait(9.0)
    assert withheld(receiver)
    again = stage.accept()
    stage.go_on(again, link)
    stage.say(again, stage.resume())
    assert withheld(receiver)
    assert not stage.handles(Readable)
    stage.say(again, ack(0, confirmed=0))
    assert stage.handles(Readable) == [receiver.id]
    assert receive_all(receiver) == ["doubtful"]


def test_an_answer_to_our_own_hello_releases_at_once() -> None:
    """WELCOME shows that the other side has the link, too."""
    stage, receiver, link = in_doubt()
    stage.closed(link)
    stage.wait(9.0)
    assert withheld(receiver)
    stage.wait(1.0)
    again = stage.connected()
    bound = {"peer_incarnation": stage.core.incarnation}
    stage.say(again, stage.hello(Kind.WELCOME, resume_window_ms=10_000, **bound))
    assert receive_all(receiver) == ["doubtful"]


def test_a_hello_alone_releases_nothing() -> None:
    """Its sender may never hear the answer, and give up as if it had not asked."""
    stage, receiver, link = in_doubt()
    stage.closed(link)
    stage.wait(8.0)
    again = stage.accept()
    stage.say(again, stage.resume())
    stage.wait(0.5)
    stage.closed(again)
    stage.wait(0.5)
    assert withheld(receiver)
    last = stage.accept()
    stage.say(last, stage.resume())
    stage.wait(3.0)
    assert withheld(receiver)
    stage.closed(last)
    stage.establish(generation=1)
    assert receive_all(receiver) == []
    assert [report.count for report in stage.events(LossReport)] == [1]


def test_a_dialling_side_that_gives_up_meanwhile_is_not_outlived() -> None:
    """The same with two nodes: the HELLO arrives just before its sender gives up, and
    the WELCOME does not. What is reported as lost is not delivered afterwards."""
    cluster = Cluster(config=SHORT)
    producer, receiver = channel(cluster, 1, 0)
    cluster.run(1.0)
    producer.send(pack("doubtful"))
    cluster.cut_at(1, 0, cluster.arrived[1, 0] + 21 + len(pack("doubtful")), "silence")
    cluster.run(0.01)
    assert receiver.statistics().buffered_items == 1
    cluster.partition(0, 1)
    lost_at = cluster.now
    cluster.run(lost_at + 12.2 - cluster.now)
    cluster.heal()
    cluster.cut_at(0, 1, cluster.arrived[0, 1] + 1, "silence")
    cluster.run_until(lambda: producer.error is not None)
    assert producer.statistics().lost == 1
    for _ in range(100):
        assert receive_all(receiver) == []
        cluster.run(0.1)
    assert cluster.lost(0) == 1


def test_what_was_withheld_is_discarded_when_the_session_is_lost() -> None:
    """It is reported on this side, too; the producer is lost with it."""
    stage, receiver, link = in_doubt(SHORT, limit=1)
    stage.closed(link)
    stage.wait(9.5)
    assert withheld(receiver)
    stage.wait(1.0)
    (report,) = stage.events(LossReport)
    assert (report.node_id, report.channel) == (1, receiver.channel)
    assert (report.first_sequence, report.count) == (0, 1)
    assert "may have reported" in report.reason
    with pytest.raises(ProducerLost, match="after 0 items"):
        receiver.take()
    assert receiver.is_ended
    statistics = receiver.statistics()
    assert (statistics.received, statistics.taken, statistics.discarded) == (1, 0, 1)
    assert (statistics.lost, statistics.finished) == (1, 0)


def test_nobody_is_woken_for_what_is_then_discarded() -> None:
    """A receiver that waits hears of an error or of nothing, not of items that are
    gone when it looks."""
    stage, receiver, link = in_doubt(SHORT)
    stage.closed(link)
    stage.wait(9.5)
    assert withheld(receiver)
    stage.wait(1.0)
    assert stage.core.statistics().lost == 1
    assert not stage.happened(Readable)
    with pytest.raises(WouldBlock):
        receiver.take()


def test_a_lost_producer_does_not_end_an_unlimited_channel() -> None:
    """It is told as an event; the receiver goes on, also if items were discarded that
    waited to be taken."""
    stage, receiver, link = in_doubt(SHORT)
    stage.closed(link)
    stage.wait(10.0)
    (gone,) = stage.events(ProducerGone)
    assert (gone.node_id, gone.channel, gone.received) == (1, receiver.channel, 1)
    assert not receiver.is_readable
    with pytest.raises(WouldBlock):
        receiver.take()
    link = stage.establish(generation=1)
    stage.open(link, receiver)
    stage.items(link, "next")
    assert receive_all(receiver) == ["next"]


def test_only_the_doubtful_tail_is_discarded() -> None:
    """What its sender knows to have arrived stays, and comes before the error."""
    stage, receiver, link = in_doubt(SHORT, limit=1)
    stage.say(link, ack(0, confirmed=2))
    stage.items(link, "one more")
    stage.closed(link)
    stage.wait(10.0)
    assert unpack(receiver.take().payload) == ["doubtful"]
    with pytest.raises(ProducerLost, match="after 1 items"):
        receiver.take()


def test_an_end_that_is_in_doubt_is_no_end() -> None:
    """The producer had finished, but its items were discarded: it counts as lost."""
    stage, receiver, link = in_doubt(SHORT, limit=1)
    stage.finish(link, 1)
    stage.closed(link)
    stage.wait(10.0)
    with pytest.raises(ProducerLost):
        receiver.take()
    assert receiver.is_ended


def test_an_end_that_is_known_stays_one() -> None:
    """The items are confirmed, and so is the end: the loss of the session is none of
    this channel's business."""
    stage, receiver, link = in_doubt(SHORT, limit=1)
    stage.finish(link, 1)
    stage.say(link, ack(0, confirmed=3))
    stage.closed(link)
    stage.wait(10.0)
    assert receive_all(receiver) == ["doubtful"]
    assert receiver.is_ended
    assert receiver.statistics().finished == 1


def test_an_aborted_producer_is_not_lost_as_well() -> None:
    """Its items may be discarded, but it is told only once how it ended."""
    stage, receiver, link = in_doubt(SHORT, limit=1)
    stage.reset(link)
    stage.closed(link)
    stage.wait(10.0)
    with pytest.raises(ProducerAborted, match="given up"):
        receiver.take()
    assert receiver.is_ended
    assert [report.count for report in stage.events(LossReport)] == [1]


def test_an_unlimited_channel_forgets_an_aborted_producer_that_was_discarded() -> None:
    """Neither an error nor an item is left of it."""
    stage, receiver, link = in_doubt(SHORT)
    stage.reset(link)
    stage.closed(link)
    stage.wait(10.0)
    with pytest.raises(WouldBlock):
        receiver.take()
    assert receiver.inlets == ()


def test_a_closed_receiver_discards_nothing_twice() -> None:
    """What was in doubt when it was closed is not reported by it again."""
    stage, receiver, link = in_doubt(SHORT)
    receiver.close()
    stage.closed(link)
    stage.wait(20.0)
    assert not stage.events(LossReport)
    assert receiver.statistics().discarded == 1


def test_a_restart_releases_what_was_withheld() -> None:
    """The process that might have reported it is gone."""
    stage, receiver, link = in_doubt()
    stage.closed(link)
    stage.wait(9.5)
    assert withheld(receiver)
    stage.establish(incarnation=b"n" * 16)
    assert stage.handles(Readable) == [receiver.id]
    assert receive_all(receiver) == ["doubtful"]
    assert not stage.events(LossReport)


def test_a_restart_releases_a_finished_channel_too() -> None:
    """The end was withheld with the items before it."""
    stage, receiver, link = in_doubt(limit=1)
    stage.finish(link, 1)
    stage.closed(link)
    stage.wait(9.5)
    assert withheld(receiver)
    stage.establish(incarnation=b"n" * 16)
    assert receive_all(receiver) == ["doubtful"]
    assert receiver.is_ended


# What was taken, and has not been handed out item by item.


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


def test_a_window_that_is_over_already_withholds_at_once() -> None:
    """The other side was silent for long before the link was given up."""
    stage, receiver, link = in_doubt(
        Config(heartbeat_interval_s=4.0, heartbeat_timeout_s=4.0)
    )
    stage.wait(7.9)
    stage.closed(link)
    assert withheld(receiver)


def test_producers_of_a_fenced_link_go_on() -> None:
    """The fence is about receiving: what is sent waits for the next link as ever."""
    stage, _, link = in_doubt()
    producer = stage.core.connect(SENDER, BYTES, stage.now)
    stage.pump()
    stage.accepts(link)
    stage.closed(link)
    stage.wait(9.5)
    producer.send(pack("goes on"))
    again = stage.accept()
    stage.say(again, stage.resume())
    assert stage.kinds(again)[-1] == Kind.DATA


def test_a_leg_that_is_lost_is_reported_for_its_node_alone() -> None:
    """One node of a broadcast is gone for good; the loss names it."""
    token: Token[Any] = Token("news")
    cluster = Cluster(3, config=SHORT)
    receivers = [cluster[n].open_broadcast_receiver(token, BYTES) for n in (1, 2)]
    sender = cluster[0].open_broadcast_sender(token, BYTES, cluster.now)
    cluster.run_until(lambda: sender.is_writable)
    cluster.partition(0, 2)
    sender.send(pack("news"))
    cluster.run(20.0)
    reports: list[Any] = cluster.events(0, LossReport)
    assert [(r.node_id, r.count) for r in reports] == [(2, 1)]
    assert not cluster.happened(0, Failed)
    assert receive_all(receivers[0]) == ["news"]
    downs: list[Any] = cluster.events(0, PeerDown)
    assert [down.node_id for down in downs] == [2]
