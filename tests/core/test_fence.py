"""What may have been reported as lost is withheld, and never delivered later."""

from __future__ import annotations

from typing import Any

import pytest

from comm.config import Config
from comm.effects import LinkId, Readable
from comm.errors import ProducerAborted, ProducerLost, WouldBlock
from comm.events import LossReport, ProducerGone
from comm.mpsc import ReceiverCore, Sender
from comm.protocol import AckBody, Kind, encode_frame
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
