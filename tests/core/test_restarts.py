"""A node comes back as another process: what was meant for the old stays with it."""

from __future__ import annotations

from typing import Any

import pytest

from comm.effects import Abort, Failed, Opened
from comm.errors import BrokenError, PeerLost, PeerRestarted, StaleSender, WouldBlock
from comm.events import LossReport, PeerRestarted as PeerRestartedEvent, PeerUp
from comm.mpsc import ProducerState, Sender
from comm.protocol import Kind, OpenBody
from tests.helpers import BYTES, Cluster, pack, receive_all
from tests.stage import NEWCOMER, STRANGER, THIRD, Stage, channel


def sender_of(incarnation: bytes, node_id: int = 1) -> Sender[Any]:
    """A sender that some node has sent us."""
    return Sender("comm", node_id, incarnation, b"c" * 16, *BYTES)


def test_a_restarted_node_is_told_apart() -> None:
    """The survivor tells that the node restarted, and what it lost by that."""
    cluster = Cluster()
    producer, _ = channel(cluster, 0, 1)
    old = cluster[1].incarnation
    producer.send(pack("gone"))
    cluster.crash(1)
    new = cluster.restart(1).incarnation
    cluster[1].dial_all(cluster.now)
    cluster.run(0.5)
    assert cluster.events(0, PeerRestartedEvent) == [PeerRestartedEvent(1, old, new)]
    (report,) = cluster.events(0, LossReport)
    assert isinstance(report, LossReport)
    assert (report.node_id, report.first_sequence, report.count) == (1, 0, 1)
    assert report.channel == producer.target.channel
    assert isinstance(producer.error, PeerRestarted)
    with pytest.raises(PeerRestarted, match="node 1"):
        producer.send(pack("more"))
    with pytest.raises(PeerRestarted):
        producer.request_flush()
    assert cluster.happened(0, Failed) == [Failed(producer.id, producer.error)]
    assert cluster.events(0, PeerUp)[-1] == PeerUp(1, new, resumed=False)


def test_a_stale_sender_is_refused_where_the_restart_is_known() -> None:
    """The call itself raises: nothing needs to be asked."""
    cluster = Cluster()
    channel(cluster, 0, 1)
    sender = sender_of(cluster[1].incarnation)
    cluster.crash(1)
    cluster.restart(1)
    cluster[1].dial_all(cluster.now)
    cluster.run(0.5)
    with pytest.raises(StaleSender, match="get a new one"):
        cluster[0].connect(sender, BYTES, cluster.now)


def test_a_stale_sender_is_refused_where_the_restart_is_not_known() -> None:
    """A third node asks the restarted one, and hears it from there."""
    cluster = Cluster(3)
    sender, _ = cluster[1].open_mpsc(BYTES)
    cluster.crash(1)
    cluster.restart(1)
    with pytest.raises(StaleSender, match="node 1, channel"):
        cluster.connect(2, sender)


def test_a_stale_sender_of_ones_own_is_refused() -> None:
    """A node that got a sender of its earlier incarnation back knows it."""
    cluster = Cluster(1)
    sender, _ = cluster[0].open_mpsc(BYTES)
    cluster.crash(0)
    cluster.restart(0)
    with pytest.raises(StaleSender):
        cluster[0].connect(sender, BYTES, cluster.now)


def test_what_a_crashed_node_had_sent_is_kept() -> None:
    """It is not there any more to report it as lost, so that it is delivered."""
    cluster = Cluster()
    producer, receiver = channel(cluster, 1, 0)
    for n in range(3):
        producer.send(pack(n))
    cluster.run(0.002)
    cluster.crash(1)
    cluster.run(1.0)
    cluster.restart(1)
    cluster[1].dial_all(cluster.now)
    cluster.run(0.5)
    assert cluster.events(0, PeerRestartedEvent)
    assert receive_all(receiver) == [0, 1, 2]
    assert cluster.lost(0) == 0


def test_producers_that_wait_move_to_the_next_incarnation() -> None:
    """A sender of the new process, which a third node has passed on, connects; one of
    the old process is stale; neither is told that it was lost."""
    stage = Stage()
    first = stage.establish()
    old = stage.core.connect(sender_of(STRANGER), BYTES, stage.now)
    new = stage.core.connect(sender_of(NEWCOMER), BYTES, stage.now)
    stage.pump()
    stage.closed(first)
    link = stage.establish(incarnation=NEWCOMER)
    opens = [f for f in stage.heard[link] if f.kind == Kind.OPEN]
    incarnations = [OpenBody.decode(frame.payload).incarnation for frame in opens]
    assert incarnations == [STRANGER, NEWCOMER]
    assert [(frame.stream, frame.sequence) for frame in opens] == [(1, 1), (2, 2)]
    stage.stops(link, 16, stream=1)
    stage.accepts(link, stream=2)
    assert isinstance(old.error, StaleSender)
    assert new.is_open
    assert not stage.events(LossReport)
    assert stage.handles(Failed) == [old.id]
    assert stage.handles(Opened) == [new.id]


def test_a_producer_that_never_asked_moves_too() -> None:
    """It was connected while there was no link; the next session is as good."""
    stage = Stage()
    stage.closed(stage.establish())
    producer = stage.core.connect(sender_of(NEWCOMER), BYTES, stage.now)
    with pytest.raises(WouldBlock):
        producer.send(b"\x01")
    link = stage.establish(incarnation=NEWCOMER)
    stage.accepts(link)
    assert producer.is_writable
    assert stage.core.undelivered() == ()


def test_a_producer_that_was_closed_early_does_not_move() -> None:
    """What was closed before it was taken is over when its node restarts."""
    stage = Stage()
    first = stage.establish()
    producer = stage.core.connect(sender_of(STRANGER), BYTES, stage.now)
    producer.finish()
    stage.pump()
    stage.closed(first)
    stage.establish(incarnation=NEWCOMER)
    assert isinstance(producer.error, PeerRestarted)
    assert producer.statistics().lost == 0


def test_a_restart_is_learned_by_dialling_too() -> None:
    """WELCOME tells as much as HELLO."""
    stage = Stage(node_id=1)
    stage.closed(stage.establish())
    stage.wait(0.2)
    link = stage.connected()
    stage.say(link, stage.hello(Kind.WELCOME, incarnation=NEWCOMER))
    (told,) = stage.events(PeerRestartedEvent)
    assert told == PeerRestartedEvent(0, STRANGER, NEWCOMER)


def test_a_late_hello_of_an_earlier_generation_is_dropped() -> None:
    """The other side has begun another session since: this HELLO is answered by
    nothing, and the link that stands is not touched."""
    stage = Stage()
    link = stage.establish(generation=3)
    late = stage.accept()
    assert not stage.say(late, stage.hello(generation=2))
    assert stage.ended == {late: Abort}
    assert link not in stage.ended
    assert len(stage.events(PeerUp)) == 1


def test_a_side_that_has_given_up_begins_a_new_session() -> None:
    """A higher generation of the same process: what it had not acknowledged is lost,
    and so is what waits of it, but producers that wait go on waiting."""
    stage = Stage()
    first = stage.establish()
    open_one = stage.core.connect(sender_of(STRANGER), BYTES, stage.now)
    stage.pump()
    stage.accepts(first)
    waiting = stage.core.connect(sender_of(STRANGER), BYTES, stage.now)
    open_one.send(pack("lost"))
    stage.pump()
    stage.closed(first)
    second = stage.establish(generation=1)
    assert isinstance(open_one.error, PeerLost)
    assert "had given up the session" in str(open_one.error)
    assert [report.count for report in stage.events(LossReport)] == [1]
    assert stage.kinds(second) == [Kind.WELCOME, Kind.ACK, Kind.OPEN]
    stage.accepts(second)
    assert waiting.state is ProducerState.OPEN
    assert not stage.events(PeerRestartedEvent)


@pytest.mark.parametrize("times", [1, 20])
def test_a_node_may_restart_again_and_again(times: int) -> None:
    """Each incarnation is served in full, and none gets what was for another."""
    cluster = Cluster()
    senders = []
    for n in range(times):
        sender, receiver = cluster[1].open_mpsc(BYTES)
        senders.append(sender)
        producer = cluster.connect(0, sender)
        producer.send(pack(n))
        cluster.run(0.05)
        assert receive_all(receiver) == [n]
        cluster.crash(1)
        cluster.restart(1)
    for sender in senders:
        with pytest.raises(StaleSender):
            cluster.connect(0, sender)


def test_two_nodes_that_restart_at_once_meet_again() -> None:
    """Neither knows the other one's new incarnation, nor needs to."""
    cluster = Cluster()
    cluster.meet()
    for node in (0, 1):
        cluster.crash(node)
    for node in (0, 1):
        cluster.restart(node)
    cluster.meet()
    _, receiver = channel(cluster, 0, 1)
    assert receiver.statistics().attached == 1


def test_a_node_that_is_back_within_its_old_link_is_let_in() -> None:
    """Its old connection died without a word; the survivor asks, hears nothing, and
    admits the new process."""
    cluster = Cluster()
    cluster.meet()
    cluster.cut(0, 1, "silence")
    cluster.crash(1)
    cluster.restart(1)
    cluster[1].dial_all(cluster.now)
    cluster.run_until(lambda: bool(cluster.events(0, PeerRestartedEvent)), 1.5)


def test_a_process_that_was_replaced_is_told_so() -> None:
    """It hears that another process took over; its own losses are its own affair."""
    stage = Stage()
    stage.closed(stage.establish())
    stage.closed(stage.establish(incarnation=THIRD))
    link = stage.accept()
    (refusal,) = stage.say(link, stage.hello())
    assert b"another process took over" in refusal.payload
    with pytest.raises(BrokenError):
        stage.core.connect(sender_of(STRANGER), BYTES, stage.now)
