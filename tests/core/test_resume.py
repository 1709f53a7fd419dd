"""Links come and go; the session goes on as if nothing had happened."""

from __future__ import annotations

from typing import Any

import pytest

from comm.config import Config
from comm.effects import Abort, Connect, Delivered
from comm.events import PeerDown, PeerUp
from comm.mpsc import Sender
from comm.protocol import AckBody, Frame, Hello, Kind, encode_frame
from tests.helpers import BYTES, Cluster, pack, receive_all
from tests.stage import STRANGER, Stage, channel, frames_sent


SENDER: Sender[Any] = Sender("comm", 1, STRANGER, b"c" * 16, *BYTES)
"""What the other side of a stage has sent."""


def resumed(cluster: Cluster, node: int) -> list[bool]:
    ups: list[Any] = cluster.events(node, PeerUp)
    return [up.resumed for up in ups]


@pytest.mark.parametrize("how", ["reset", "silence"])
def test_an_outage_within_the_window_loses_nothing(how: str) -> None:
    """What was sent before, meanwhile and after arrives once, in order."""
    cluster = Cluster()
    producer, receiver = channel(cluster, 1, 0)
    for n in range(100):
        producer.send(pack(n))
        if n == 50:
            cluster.cut(0, 1, how)
        cluster.run(0.0002)
    cluster.run(10.0)
    assert receive_all(receiver) == list(range(100))
    assert resumed(cluster, 0) == resumed(cluster, 1) == [False, True]
    assert cluster.lost(0) == cluster.lost(1) == 0


def test_an_outage_almost_as_long_as_the_window_loses_nothing() -> None:
    """The last moment counts as well as the first."""
    config = Config(resume_window_s=20.0, connect_backoff_s=(0.1, 0.2))
    cluster = Cluster(config=config)
    producer, receiver = channel(cluster, 1, 0)
    cluster.partition(0, 1)
    producer.send(pack("kept"))
    cluster.run(19.0)
    cluster.heal()
    cluster.run(6.0)
    assert receive_all(receiver) == ["kept"]
    assert resumed(cluster, 0) == [False, True]


def test_a_welcome_that_is_lost_is_said_again() -> None:
    """The accepting side has a link that the dialling side knows nothing of; the next
    attempt takes its place, and the session is the same."""
    cluster = Cluster()
    sender, receiver = cluster[0].open_mpsc(BYTES)
    producer = cluster[1].connect(sender, BYTES, cluster.now)
    cluster.cut_at(0, 1, 0, "reset")
    cluster.run_until(lambda: cluster.cut_count == 1)
    assert cluster.events(0, PeerUp)
    assert not cluster.events(1, PeerUp)
    cluster.run_until(lambda: producer.is_open)
    producer.send(pack("once"))
    cluster.run(1.0)
    assert receive_all(receiver) == ["once"]
    assert receiver.statistics().attached == 1


def test_a_welcome_that_vanishes_is_said_again() -> None:
    """The same where neither side is told: the dialling side gives up after its
    handshake timeout, and its next HELLO is one of a node that has a link."""
    cluster = Cluster()
    sender, receiver = cluster[0].open_mpsc(BYTES)
    producer = cluster[1].connect(sender, BYTES, cluster.now)
    cluster.cut_at(0, 1, 0, "silence")
    cluster.run_until(lambda: producer.is_open, 7.0)
    producer.send(pack("once"))
    cluster.run(1.0)
    assert receive_all(receiver) == ["once"]
    downs: list[Any] = cluster.events(0, PeerDown)
    assert [down.reason for down in downs] == ["the node connected anew"]


def test_items_sent_into_a_welcome_that_was_lost_are_sent_again() -> None:
    """The accepting side may send at once; it replays what nobody received."""
    stage = Stage()
    link = stage.establish()
    producer = stage.core.connect(SENDER, BYTES, stage.now)
    stage.pump()
    again = stage.accept()
    stage.say(again, stage.hello())
    assert stage.ended == {link: Abort}
    assert stage.kinds(again) == [Kind.WELCOME, Kind.ACK, Kind.OPEN]
    assert stage.heard[again][2] == stage.heard[link][2]
    assert producer.statistics().queued_items == 0


def test_what_has_arrived_is_not_sent_again() -> None:
    """HELLO says up to where; only what is behind it is replayed, in order."""
    stage = Stage()
    first = stage.establish()
    producer = stage.core.connect(SENDER, BYTES, stage.now)
    stage.pump()
    stage.accepts(first)
    for n in range(5):
        producer.send(pack(n))
        stage.pump()
    stage.closed(first)
    second = stage.accept()
    stage.say(second, stage.resume(received=4))
    numbers = [frame.sequence for frame in stage.heard[second] if frame.sequence > 1]
    assert numbers == [5, 6]
    assert producer.statistics().delivered == 3
    session = stage.core.statistics().peers[0].session
    assert (session.replayed, session.acknowledged, session.sent) == (2, 4, 6)


def test_what_is_acknowledged_meanwhile_is_not_sent_again() -> None:
    """The new link was full; by the time it is not, some of it is known to be there."""
    stage = Stage()
    first = stage.establish()
    producer = stage.core.connect(SENDER, BYTES, stage.now)
    stage.pump()
    stage.accepts(first)
    for n in range(3):
        producer.send(pack(n))
        stage.pump()
    stage.closed(first)
    second = stage.accept()
    stage.core.handle_write_blocked(second)
    stage.say(second, stage.resume(received=1))
    stage.acknowledge(second, 3)
    stage.core.handle_write_resumed(second)
    stage.pump()
    assert [frame.sequence for frame in stage.heard[second][1:]] == [1, 4]
    stage.acknowledge(second, 4)
    assert producer.is_delivered


def test_more_cannot_have_arrived_than_was_sent() -> None:
    """A HELLO that claims more counts as one that claims all."""
    stage = Stage()
    first = stage.establish()
    producer = stage.core.connect(SENDER, BYTES, stage.now)
    stage.pump()
    stage.accepts(first)
    producer.send(pack(1))
    stage.pump()
    stage.closed(first)
    second = stage.accept()
    stage.say(second, stage.resume(received=1000))
    assert producer.is_delivered
    assert stage.kinds(second) == [Kind.WELCOME, Kind.ACK]


def test_frames_that_come_twice_count_once() -> None:
    """The reader drops what it has, and counts it."""
    stage = Stage()
    _, receiver = stage.core.open_mpsc(BYTES)
    link = stage.establish()
    stage.open(link, receiver)
    again = encode_frame(Kind.DATA, 1, 2, 1, pack("once"))
    stage.items(link, "once")
    stage.say(link, again, again)
    assert receive_all(receiver) == ["once"]
    assert stage.core.statistics().peers[0].session.duplicates == 2


def test_an_acknowledgement_is_the_first_frame_of_every_link() -> None:
    """In both directions, also if it says nothing new: the last one may be lost."""
    cluster = Cluster()
    producer, receiver = channel(cluster, 1, 0)
    producer.send(pack(1))
    cluster.run(0.5)
    for _ in range(3):
        cluster.cut(0, 1)
        cluster.run(1.0)
    for node in (0, 1):
        for frames in frames_sent(cluster.effects[node]).values():
            kinds = [frame.kind for frame in frames]
            assert kinds[0] in {Kind.HELLO, Kind.WELCOME}
            assert kinds[1] == Kind.ACK
    assert receive_all(receiver) == [1]


def test_acknowledgements_confirm_those_of_the_other_side() -> None:
    """Each ACK says which one its sender has had, so that both know what is known."""
    stage = Stage()
    _, receiver = stage.core.open_mpsc(BYTES)
    link = stage.establish()
    stage.open(link, receiver)
    stage.acknowledge(link, 1)
    answers = stage.say(link, encode_frame(Kind.PING, value=9))
    assert answers[0].kind == Kind.ACK
    assert (answers[0].sequence, AckBody.decode(answers[0].payload).confirmed) == (1, 1)
    stage.acknowledge(link, 0)
    assert stage.core.statistics().peers[0].session.acknowledged == 1


def test_an_acknowledgement_waits_a_little_for_company() -> None:
    """Nothing else to send: it goes after 20 ms, once for all that came."""
    stage = Stage()
    _, receiver = stage.core.open_mpsc(BYTES)
    link = stage.establish()
    stage.open(link, receiver)
    for n in range(3):
        assert not stage.items(link, n)
    stage.wait(0.019)
    before = len(stage.heard[link])
    stage.wait(0.001)
    (ack,) = stage.heard[link][before:]
    assert (ack.kind, ack.sequence) == (Kind.ACK, 4)


def test_much_is_acknowledged_at_once() -> None:
    """After 64 KiB the sender has waited long enough."""
    stage = Stage()
    _, receiver = stage.core.open_mpsc(BYTES)
    link = stage.establish()
    stage.open(link, receiver)
    assert not stage.items(link, b"x" * 40_000)
    answers = stage.items(link, b"x" * 40_000)
    assert [(frame.kind, frame.sequence) for frame in answers] == [(Kind.ACK, 3)]


def test_a_flush_does_not_wait_for_the_delay() -> None:
    """Whoever asks is told within one round trip, behind all that is to be sent."""
    cluster = Cluster(latency_s=0.001)
    producer, _ = channel(cluster, 1, 0)
    cluster.run(0.1)
    for _ in range(100):
        producer.send(pack(b"x" * 5000))
    producer.request_flush()
    cluster.run(0.0025)
    assert cluster.happened(1, Delivered) == [Delivered(producer.id)]
    producer.request_flush()
    cluster.settle()
    assert len(cluster.happened(1, Delivered)) == 2


def test_a_flush_outlives_the_link() -> None:
    """It was asked over a link that is gone: the next one brings the answer."""
    cluster = Cluster()
    producer, receiver = channel(cluster, 1, 0)
    producer.send(pack(1))
    producer.request_flush()
    cluster.settle()
    cluster.cut(0, 1)
    producer.request_flush()
    cluster.run(0.5)
    assert cluster.happened(1, Delivered) == [Delivered(producer.id)]
    assert receive_all(receiver) == [1]


def test_everybody_may_be_asked_to_acknowledge() -> None:
    """Before a drain each node that is there is asked; the others cannot be."""
    cluster = Cluster(3)
    producer, _ = channel(cluster, 0, 1)
    cluster.run(0.1)
    producer.send(pack(1))
    cluster[0].request_flush_all()
    cluster.run(0.0025)
    assert producer.is_delivered
    assert not cluster.happened(2, Connect)


def test_a_node_that_connects_anew_has_lost_its_link() -> None:
    """Its HELLO is believed: the old link is closed, the new one takes its place."""
    stage = Stage()
    first = stage.establish()
    second = stage.accept()
    (welcome, _) = stage.say(second, stage.resume())
    assert Hello.decode(welcome.payload).peer_incarnation == STRANGER
    assert stage.ended == {first: Abort}
    assert stage.events(PeerUp)[-1].resumed
    assert stage.say(second, encode_frame(Kind.PING, value=5)) == [
        Frame(Kind.PONG, 0, 0, 5, b"")
    ]


def test_a_link_is_wanted_back_as_soon_as_it_is_lost() -> None:
    """The node with the higher id dials at once; nobody has to ask for it."""
    cluster = Cluster()
    cluster.meet()
    cluster.run(0.01)
    cluster.cut(0, 1)
    cluster.run(0.01)
    assert len(cluster.happened(1, Connect)) == 2
    assert not cluster.happened(0, Connect)
    assert resumed(cluster, 1) == [False, True]


def test_links_that_carry_nothing_are_not_redialled_in_a_hurry() -> None:
    """A side that closes each link at once meets growing pauses."""
    stage = Stage(node_id=1)
    stage.core.dial_all(stage.now)
    stage.pump()
    began = stage.now
    for _ in range(6):
        link = stage.connected()
        stage.say(link, stage.hello(Kind.WELCOME))
        count = len(stage.dialled)
        stage.closed(link)
        while len(stage.dialled) == count:
            due = stage.core.next_timeout()
            assert due is not None
            stage.wait(due[0] - stage.now)
    assert stage.now - began > 1.5


def test_a_side_that_breaks_the_protocol_is_not_redialled_in_a_hurry() -> None:
    """It meets growing pauses, too, although each link has carried something."""
    stage = Stage(node_id=1)
    stage.core.dial_all(stage.now)
    stage.pump()
    began = stage.now
    for _ in range(6):
        link = stage.connected()
        stage.say(link, stage.hello(Kind.WELCOME))
        stage.acknowledge(link, 0)
        count = len(stage.dialled)
        stage.say(link, b"\xff" * 21)
        assert stage.ended[link] is Abort
        while len(stage.dialled) == count:
            due = stage.core.next_timeout()
            assert due is not None
            stage.wait(due[0] - stage.now)
    assert stage.now - began > 1.5


def test_a_link_that_lasted_is_missed_at_once() -> None:
    """After a heartbeat the next outage is a new one, with the shortest pause."""
    stage = Stage(node_id=1)
    stage.core.dial_all(stage.now)
    stage.pump()
    for _ in range(5):
        stage.core.handle_connect_failed(stage.dialled[-1], "refused", stage.now)
        stage.pump()
        stage.wait(1.0)
    link = stage.connected()
    stage.say(link, stage.hello(Kind.WELCOME))
    stage.wait(1.0)
    stage.closed(link)
    due = stage.core.next_timeout()
    assert due is not None
    assert due[1] == "dial 0"
    assert due[0] - stage.now <= 0.1
