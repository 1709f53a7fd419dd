"""Broadcasts that come before the application has made its receiver."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from comm.broadcast import Token
from comm.config import Config
from comm.effects import Failed, LinkId
from comm.errors import BrokenError, ReceiverClosed, UsageError, WouldBlock
from comm.events import LossReport, ProducerGone
from comm.mpsc import ItemKind
from comm.protocol import ChannelKind, EndBody, Kind, Reason
from tests.helpers import BYTES, Cluster, pack, receive_all
from tests.stage import NEWCOMER, Stage


TOKEN: Token[Any] = Token("news")
OTHER = ItemKind("msgpack", "app.Job")


def park(
    stage: Stage, link: LinkId, stream: int = 1, token: Token[Any] = TOKEN
) -> Kind:
    """The other side opens a broadcast stream; returns the answer's kind."""
    body = stage.open_body(token.channel, ChannelKind.BROADCAST)
    return Kind(stage.send(link, Kind.OPEN, stream, payload=body)[-1].kind)


def test_items_wait_for_their_receiver() -> None:
    """Within the window; then the sender waits, too."""
    config = Config(window_bytes=100)
    cluster = Cluster(config=config)
    sender = cluster[1].open_broadcast_sender(TOKEN, BYTES, cluster.now)
    cluster.run_until(lambda: sender.is_writable)
    count = 0
    while sender.is_writable:
        sender.send(pack(count))
        count += 1
    assert count == 100
    with pytest.raises(WouldBlock, match=r"nodes \[0\] have granted no more"):
        sender.send(pack(count))
    cluster.run(5.0)
    assert not sender.is_writable
    receiver = cluster[0].open_broadcast_receiver(TOKEN, BYTES)
    assert receive_all(receiver) == list(range(100))
    cluster.run(0.1)
    assert sender.is_writable


def test_several_producers_wait_together() -> None:
    """Of any number of nodes; the receiver has them all."""
    cluster = Cluster(4)
    for node in (1, 2, 3):
        sender = cluster[node].open_broadcast_sender(TOKEN, BYTES, cluster.now)
        cluster.run_until(partial(getattr, sender, "is_writable"))
        sender.send(pack(node))
    cluster.run(0.1)
    receiver = cluster[0].open_broadcast_receiver(TOKEN, BYTES)
    assert sorted(receive_all(receiver)) == [1, 2, 3]


def test_those_that_send_another_type_are_refused_by_name() -> None:
    """When the receiver is made it is known what it takes; the others stay."""
    stage = Stage()
    link = stage.establish()
    park(stage, link, 1)
    body = stage.open_body(TOKEN.channel, ChannelKind.BROADCAST, item_type="app.Job")
    stage.send(link, Kind.OPEN, 2, payload=body)
    stage.items(link, "ours", stream=1)
    stage.items(link, "theirs", stream=2)
    receiver = stage.core.open_broadcast_receiver(TOKEN, BYTES)
    stage.pump()
    stop = stage.heard[link][-1]
    assert (stop.kind, stop.stream, stop.value) == (Kind.STOP, 2, Reason.TYPE_MISMATCH)
    body_of_stop = EndBody.decode(stop.payload)
    assert body_of_stop.taken == 0
    assert "'app.Job'" in body_of_stop.text
    assert receive_all(receiver) == ["ours"]
    assert receiver.statistics().discarded == 1
    assert receiver.statistics().producers == 1
    assert not receiver.is_readable


def test_a_mismatch_fails_the_whole_broadcast() -> None:
    """Its type is wrong for one node; the application must be told."""
    cluster = Cluster(3)
    for node in (1, 2):
        item = OTHER if node == 1 else BYTES
        cluster[node].open_broadcast_receiver(TOKEN, item)
    sender = cluster[0].open_broadcast_sender(TOKEN, BYTES, cluster.now)
    cluster.run(1.0)
    assert isinstance(sender.error, UsageError)
    assert cluster.happened(0, Failed) == [Failed(sender.id, sender.error)]
    with pytest.raises(UsageError, match=r"app\.Job"):
        sender.send(pack(1))
    assert not sender.is_open
    assert not sender.is_writable


def test_a_mismatch_of_one_that_is_gone_does_no_harm() -> None:
    """Its node was lost while its items waited; they are dropped with it."""
    stage = Stage()
    link = stage.establish()
    park(stage, link)
    stage.items(link, "theirs")
    stage.closed(link)
    stage.establish(incarnation=NEWCOMER)
    receiver = stage.core.open_broadcast_receiver(TOKEN, OTHER)
    with pytest.raises(WouldBlock):
        receiver.take()
    stage.pump()
    assert receiver.statistics().producers == 0
    assert receiver.statistics().discarded == 1


def test_a_new_stream_stays_behind_those_that_were_lost() -> None:
    """Also if the last of those was refused for its type when the receiver was made."""
    stage = Stage()
    link = stage.establish()
    park(stage, link, 1)
    body = stage.open_body(TOKEN.channel, ChannelKind.BROADCAST, item_type="app.Job")
    stage.send(link, Kind.OPEN, 2, payload=body)
    stage.items(link, "first", stream=1)
    stage.items(link, "second", stream=1)
    stage.items(link, "another type", stream=2)
    stage.acknowledge(link, 0, confirmed=5)
    stage.closed(link)
    link = stage.establish(generation=1)
    receiver = stage.core.open_broadcast_receiver(TOKEN, BYTES)
    park(stage, link, 1)
    stage.items(link, "third", stream=1)
    assert receive_all(receiver) == ["first", "second", "third"]


def test_items_of_a_node_that_is_gone_wait_on() -> None:
    """It has crashed since; what it had sent is delivered all the same."""
    stage = Stage()
    link = stage.establish()
    park(stage, link)
    stage.items(link, "testament")
    stage.closed(link)
    stage.establish(incarnation=NEWCOMER)
    assert len(stage.events(ProducerGone)) == 1
    receiver = stage.core.open_broadcast_receiver(TOKEN, BYTES)
    assert receive_all(receiver) == ["testament"]
    assert receiver.statistics().producers == 0


def test_a_sender_may_have_finished_before_there_is_a_receiver() -> None:
    """Its items wait, its end does, too."""
    cluster = Cluster()
    sender = cluster[1].open_broadcast_sender(TOKEN, BYTES, cluster.now)
    cluster.run_until(lambda: sender.is_writable)
    sender.send(pack("bye"))
    sender.finish()
    cluster.run(0.1)
    assert sender.is_delivered
    assert not sender.is_settled
    receiver = cluster[0].open_broadcast_receiver(TOKEN, BYTES)
    assert receive_all(receiver) == ["bye"]
    cluster.run(0.1)
    assert sender.is_settled


def test_parking_has_a_limit_for_each_node() -> None:
    """Beyond it a stream is refused; another node's have their own room."""
    stage = Stage(3, config=Config(parked_channels_max=2))
    link = stage.establish()
    assert park(stage, link, 1, Token("a")) == Kind.ACCEPT
    assert park(stage, link, 2, Token("b")) == Kind.ACCEPT
    assert park(stage, link, 3, Token("c")) == Kind.STOP
    stop = stage.heard[link][-1]
    assert stop.value == Reason.PARKING_FULL
    other = stage.establish(node_id=2, incarnation=NEWCOMER)
    assert park(stage, other, 1, Token("c")) == Kind.ACCEPT
    stage.core.open_broadcast_receiver(Token("a"), BYTES)
    assert park(stage, link, 4, Token("c")) == Kind.ACCEPT


def test_a_broadcast_that_finds_no_room_is_told() -> None:
    """The leg to that node is given up; the others go on."""
    cluster = Cluster(3)
    cluster.cores[1] = cluster.make_core(1, config=Config(parked_channels_max=1))
    names: list[Token[Any]] = [Token("a"), Token("b")]
    senders = [
        cluster[0].open_broadcast_sender(token, BYTES, cluster.now) for token in names
    ]
    cluster.run(1.0)
    assert [sender.is_writable for sender in senders] == [True, True]
    legs = [sender.statistics().legs for sender in senders]
    assert [[leg.node_id for leg in statistics] for statistics in legs] == [[1, 2], [2]]
    senders[1].send(pack("b"))
    cluster.run(0.1)
    receiver = cluster[2].open_broadcast_receiver(names[1], BYTES)
    assert receive_all(receiver) == ["b"]
    assert not cluster.events(0, LossReport)
    assert not cluster.happened(0, Failed)


def test_what_is_over_before_it_is_claimed_leaves_nothing() -> None:
    """Streams to channels that nobody ever receives from may come and go for ever."""
    stage = Stage(config=Config(parked_channels_max=10))
    link = stage.establish()
    for n in range(100):
        assert park(stage, link, n + 1, Token(f"name {n}")) == Kind.ACCEPT
        stage.reset(link, n + 1)
    assert len(stage.core._router._parked) <= 1


def test_a_receiver_that_was_closed_wants_nothing_more() -> None:
    """What comes is refused rather than parked; the next receiver takes it again."""
    stage = Stage()
    link = stage.establish()
    receiver = stage.core.open_broadcast_receiver(TOKEN, BYTES)
    assert park(stage, link, 1) == Kind.ACCEPT
    receiver.close()
    stage.pump()
    assert park(stage, link, 2) == Kind.STOP
    assert stage.heard[link][-1].value == Reason.RECEIVER_CLOSED
    assert stage.core.statistics().receivers == ()
    again = stage.core.open_broadcast_receiver(TOKEN, BYTES)
    assert park(stage, link, 3) == Kind.ACCEPT
    stage.items(link, "again", stream=3)
    assert receive_all(again) == ["again"]


def test_a_second_receiver_is_a_mistake() -> None:
    """One node has one; a fan-out is what several places receive from."""
    stage = Stage()
    stage.core.open_broadcast_receiver(TOKEN, BYTES)
    with pytest.raises(UsageError, match=r"use its fanout\(\)"):
        stage.core.open_broadcast_receiver(Token("news", loopback=True), BYTES)


def test_errors_of_parked_streams_have_their_types() -> None:
    """A full parking place is the other side's affair, and no mistake of ours."""
    cluster = Cluster()
    cluster.cores[0] = cluster.make_core(0, config=Config(parked_channels_max=1))
    first = cluster[1].open_broadcast_sender(Token("a"), BYTES, cluster.now)
    second = cluster[1].open_broadcast_sender(Token("b"), BYTES, cluster.now)
    leg = second._legs[0]
    assert leg is not None
    cluster.run(1.0)
    assert first.is_open
    assert type(leg.error) is BrokenError
    assert "parked_channels_max" in str(leg.error)
    assert not isinstance(leg.error, ReceiverClosed)
