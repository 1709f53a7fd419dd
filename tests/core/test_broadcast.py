"""Broadcast: every node gets every item, and one that is away is told of."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from comm.broadcast import BroadcastSenderCore, Token
from comm.config import Config
from comm.effects import Delivered, Failed, Writable
from comm.errors import ClosedError, MessageTooLarge, PeerLost, UsageError, WouldBlock
from comm.events import LossReport
from comm.mpsc import ItemKind
from comm.protocol import AcceptBody, ChannelKind, Kind, OpenBody
from tests.helpers import BYTES, Cluster, pack, receive_all
from tests.stage import NEWCOMER, Stage


TOKEN: Token[Any] = Token("news")
LOOP: Token[Any] = Token("news", loopback=True)

QUICK = Config(
    heartbeat_interval_s=0.2,
    heartbeat_timeout_s=0.3,
    handshake_timeout_s=0.3,
    resume_window_s=3.0,
)


def newsroom(
    size: int = 3, token: Token[Any] = TOKEN, **options: Any
) -> tuple[Cluster, BroadcastSenderCore, dict[int, Any]]:
    """A sender on node 0, and receivers on the other nodes."""
    cluster = Cluster(size, **options)
    nodes = range(0 if token.loopback else 1, size)
    receivers = {n: cluster[n].open_broadcast_receiver(token, BYTES) for n in nodes}
    sender = cluster[0].open_broadcast_sender(token, BYTES, cluster.now)
    cluster.run_until(lambda: sender.is_writable)
    return cluster, sender, receivers


def test_every_node_gets_every_item_in_order() -> None:
    """Of each sender; the sender's own node only if the token says so."""
    cluster, sender, receivers = newsroom(4)
    other = cluster[2].open_broadcast_sender(TOKEN, BYTES, cluster.now)
    receivers[0] = cluster[0].open_broadcast_receiver(TOKEN, BYTES)
    cluster.run_until(lambda: other.is_writable)
    for n in range(50):
        sender.send(pack(["a", n]))
        other.send(pack(["b", n]))
        cluster.run(0.001)
    cluster.run(0.1)
    for node, receiver in receivers.items():
        items = receive_all(receiver)
        for name, source in (("a", 0), ("b", 2)):
            expected = [] if node == source else [[name, n] for n in range(50)]
            assert [item for item in items if item[0] == name] == expected


def test_a_token_may_say_that_its_own_node_receives() -> None:
    """Loopback is part of the name's owner's choice, not of the channel."""
    cluster, sender, receivers = newsroom(2, LOOP)
    sender.send(pack("to all"))
    cluster.run(0.1)
    assert receive_all(receivers[0]) == receive_all(receivers[1]) == ["to all"]
    assert LOOP.channel == TOKEN.channel


def test_a_broadcast_to_nobody_is_accepted() -> None:
    """A cluster of one node has nobody to wait for, however much is sent."""
    cluster = Cluster(1, config=Config(window_bytes=10))
    sender = cluster[0].open_broadcast_sender(TOKEN, BYTES, cluster.now)
    for n in range(100):
        sender.send(pack(n))
    assert sender.send_many([pack(1)] * 3) == 3
    sender.request_flush()
    cluster.settle()
    assert cluster.happened(0, Delivered) == [Delivered(sender.id)]
    statistics = sender.statistics()
    assert statistics.accepted == statistics.delivered == 103
    assert statistics.legs == ()
    sender.finish()
    assert sender.is_settled


def test_an_item_is_accepted_when_all_nodes_have_room() -> None:
    """The one with the least decides; `Writable` follows when it has some again."""
    cluster = Cluster(3)
    cluster.cores[2] = cluster.make_core(2, config=Config(window_bytes=10))
    receivers = [cluster[n].open_broadcast_receiver(TOKEN, BYTES) for n in (1, 2)]
    sender = cluster[0].open_broadcast_sender(TOKEN, BYTES, cluster.now)
    with pytest.raises(WouldBlock, match=r"nodes \[1, 2\]"):
        sender.send(pack(0))
    cluster.run_until(lambda: sender.is_writable)
    assert cluster.happened(0, Writable) == [Writable(sender.id)]
    assert sender.send_many([pack(n) for n in range(50)]) == 10
    with pytest.raises(WouldBlock, match=r"nodes \[2\] have"):
        sender.send(pack(10))
    assert sender.statistics().credit_bytes == 0
    cluster.run(1.0)
    assert receive_all(receivers[0]) == list(range(10))
    cluster.run(1.0)
    assert not sender.is_writable
    assert receive_all(receivers[1]) == list(range(10))
    cluster.run(0.1)
    assert sender.is_writable
    assert len(cluster.happened(0, Writable)) == 2


def test_an_item_that_one_node_does_not_take_is_refused_for_all() -> None:
    """The least `message_bytes_max` of all nodes counts."""
    stage = Stage(3)
    first = stage.establish()
    second = stage.establish(node_id=2, incarnation=NEWCOMER)
    sender = stage.core.open_broadcast_sender(TOKEN, BYTES, stage.now)
    stage.pump()
    opens = [f for f in stage.heard[first] if f.kind == Kind.OPEN]
    assert OpenBody.decode(opens[0].payload).kind == ChannelKind.BROADCAST
    stage.send(first, Kind.ACCEPT, 1, 1000, AcceptBody(500))
    stage.send(second, Kind.ACCEPT, 1, 1000, AcceptBody(100))
    with pytest.raises(MessageTooLarge, match="take 100"):
        sender.send(bytes(101))
    sender.send(bytes(100))
    assert sender.accepted == 1


def test_a_flush_waits_for_every_node() -> None:
    """`Delivered` comes when the last one has acknowledged."""
    cluster, sender, _ = newsroom(3)
    cluster.run(0.1)
    cluster.cut(0, 2, "silence")
    sender.send(pack(1))
    sender.request_flush()
    cluster.run(1.0)
    assert not cluster.happened(0, Delivered)
    assert [u.node_id for u in sender.undelivered()] == [2]
    assert cluster[0].undelivered() == sender.undelivered()
    cluster.run(10.0)
    assert cluster.happened(0, Delivered) == [Delivered(sender.id)]
    assert sender.is_delivered


def test_a_lost_node_is_reported_and_the_others_go_on() -> None:
    """The sender waits until the node is declared lost, then without it."""
    cluster, sender, receivers = newsroom(3, config=QUICK)
    cluster.run(0.1)
    cluster.crash(2)
    sender.send(pack("for one"))
    sender.request_flush()
    cluster.run(1.0)
    assert receive_all(receivers[1]) == ["for one"]
    assert not cluster.happened(0, Delivered)
    cluster.run(3.0)
    (report,) = cluster.events(0, LossReport)
    assert isinstance(report, LossReport)
    assert (report.node_id, report.first_sequence, report.count) == (2, 0, 1)
    assert cluster.happened(0, Delivered) == [Delivered(sender.id)]
    assert isinstance(sender.take_loss(), PeerLost)
    assert sender.take_loss() is None
    assert sender.is_writable
    sender.send(pack("goes on"))
    cluster.run(0.1)
    assert receive_all(receivers[1]) == ["goes on"]
    assert cluster[0].statistics().lost == 1


def test_a_node_that_loses_nothing_is_not_reported() -> None:
    """Its leg ends, but nothing was under way to it."""
    cluster, sender, _ = newsroom(3, config=QUICK)
    cluster.run(0.1)
    cluster.crash(2)
    cluster.run(10.0)
    assert not cluster.events(0, LossReport)
    assert sender.take_loss() is None
    assert sender.is_writable


def test_a_node_that_is_back_gets_what_is_sent_from_then_on() -> None:
    """As a new incarnation, in that sender's order, and nothing from before."""
    cluster, sender, receivers = newsroom(3, config=QUICK)
    cluster.run(0.1)
    cluster.crash(2)
    cluster.run(5.0)
    sender.send(pack("missed"))
    cluster.run(0.1)
    cluster.restart(2)
    receivers[2] = cluster[2].open_broadcast_receiver(TOKEN, BYTES)
    cluster[2].dial_all(cluster.now)
    cluster.run(1.0)
    for n in range(5):
        sender.send(pack(n))
    cluster.run(0.1)
    assert receive_all(receivers[2]) == list(range(5))
    assert receive_all(receivers[1]) == ["missed", *range(5)]


def test_a_quick_restart_counts_as_lost_and_back() -> None:
    """The new process is seen before the old one was declared lost."""
    cluster, sender, receivers = newsroom(3)
    cluster.run(0.1)
    sender.send(pack("under way"))
    cluster.crash(2)
    cluster.restart(2)
    receivers[2] = cluster[2].open_broadcast_receiver(TOKEN, BYTES)
    cluster[2].dial_all(cluster.now)
    cluster.run(1.0)
    assert cluster.lost(0) == 1
    sender.send(pack("next"))
    cluster.run(0.1)
    assert receive_all(receivers[2]) == ["next"]


def test_a_node_that_comes_late_is_waited_for() -> None:
    """It was never there: until it is declared lost, nothing can be accepted."""
    cluster = Cluster(2, config=QUICK)
    cluster.crash(1)
    sender = cluster[0].open_broadcast_sender(TOKEN, BYTES, cluster.now)
    cluster.run(2.9)
    assert not sender.is_writable
    cluster.run(0.1)
    assert sender.is_writable
    sender.send(pack("nobody"))
    cluster.restart(1)
    receiver = cluster[1].open_broadcast_receiver(TOKEN, BYTES)
    cluster.run(2.0)
    sender.send(pack("somebody"))
    cluster.run(0.1)
    assert receive_all(receiver) == ["somebody"]


def test_a_new_leg_does_not_overtake_the_old_one() -> None:
    """A receiver still has items of the session that was lost: they come first."""
    cluster, sender, receivers = newsroom(2, config=QUICK)
    for n in range(5):
        sender.send(pack(n))
        cluster.run(0.3)
    cluster.partition(0, 1)
    cluster.run(10.0)
    cluster.heal()
    cluster.run_until(lambda: sender.statistics().legs != () and sender.is_writable)
    for n in range(5, 10):
        sender.send(pack(n))
        cluster.run(0.1)
    assert receive_all(receivers[1]) == list(range(10))


@pytest.mark.parametrize("counts", [(6, 1), (1, 6), (3, 3)])
def test_each_of_several_senders_keeps_its_order(counts: tuple[int, int]) -> None:
    """One node has two of them, and both lose their legs: whichever has more left at
    the receiver, neither is overtaken by its own new leg."""
    cluster, first, receivers = newsroom(2, config=QUICK)
    second = cluster[0].open_broadcast_sender(TOKEN, BYTES, cluster.now)
    cluster.run_until(lambda: second.is_writable)
    senders = [first, second]
    sent = [0, 0]

    def send(name: int, count: int) -> None:
        for _ in range(count):
            senders[name].send(pack([name, sent[name]]))
            sent[name] += 1
            cluster.run(0.3)

    for outage in range(3):
        for name, count in enumerate(counts):
            send(name, count)
        if outage < 2:
            cluster.partition(0, 1)
            cluster.run(10.0)
            cluster.heal()
            cluster.run_until(lambda: all(s.statistics().legs for s in senders))
            cluster.run_until(lambda: all(s.is_writable for s in senders))
    items = receive_all(receivers[1])
    for name in (0, 1):
        numbers = [number for source, number in items if source == name]
        assert numbers == list(range(3 * counts[name]))


def test_a_broadcast_ends_behind_its_last_item() -> None:
    """Its legs finish one by one in the background."""
    cluster, sender, receivers = newsroom(3)
    sender.send(pack("last"))
    sender.finish()
    with pytest.raises(ClosedError, match="make another one"):
        sender.send(pack("more"))
    assert sender.send_many([]) == 0
    assert sender.statistics().state == "closed"
    cluster.run(0.1)
    assert not sender.is_settled
    for receiver in receivers.values():
        assert receive_all(receiver) == ["last"]
    cluster.run(0.1)
    assert sender.is_settled


def test_a_finished_broadcast_is_not_opened_again() -> None:
    """A node that comes back gets nothing of a sender that was closed."""
    cluster, sender, _ = newsroom(2)
    sender.finish()
    cluster.run(0.1)
    cluster.crash(1)
    cluster.restart(1)
    receiver = cluster[1].open_broadcast_receiver(TOKEN, BYTES)
    cluster[1].dial_all(cluster.now)
    cluster.run(1.0)
    assert receiver.statistics().attached == 0


def test_an_aborted_broadcast_reports_what_was_not_sent() -> None:
    """For each node; what was under way may still arrive."""
    cluster, sender, receivers = newsroom(3)
    sender.send(pack("under way"))
    cluster.settle()
    sender.send(pack("given up"))
    sender.abort("enough")
    cluster.run(0.1)
    reports: list[Any] = cluster.events(0, LossReport)
    assert [(r.node_id, r.first_sequence, r.count) for r in reports] == [
        (1, 1, 1),
        (2, 1, 1),
    ]
    assert receive_all(receivers[1]) == receive_all(receivers[2]) == ["under way"]
    assert sender.is_settled


def test_ends_of_lost_legs_are_nobodys_business() -> None:
    """A sender with a lost leg is flushed, closed and aborted like any other."""
    for end in ("finish", "abort", "flush"):
        cluster, sender, _ = newsroom(3, config=QUICK)
        cluster.crash(2)
        cluster.run(10.0)
        if end == "finish":
            sender.finish()
        elif end == "abort":
            sender.abort("enough")
        sender.request_flush()
        cluster.run(0.5)
        assert cluster.happened(0, Delivered) == [Delivered(sender.id)]


def test_senders_that_are_over_are_forgotten() -> None:
    """Making and closing them for ever costs nothing."""
    cluster = Cluster(2)
    cluster[1].open_broadcast_receiver(TOKEN, BYTES)
    for _ in range(20):
        sender = cluster[0].open_broadcast_sender(TOKEN, BYTES, cluster.now)
        cluster.run_until(partial(getattr, sender, "is_writable"))
        sender.finish()
        cluster.run(0.1)
    assert len(cluster[0].statistics().producers) == 1


def test_a_receiver_that_is_closed_ends_its_leg() -> None:
    """That node has lost what it did not take; the others go on."""
    cluster, sender, receivers = newsroom(3)
    sender.send(pack(1))
    cluster.run(0.1)
    receivers[2].close()
    cluster.run(0.1)
    assert cluster.lost(0) == 1
    assert not cluster.happened(0, Failed)
    sender.send(pack(2))
    cluster.run(0.1)
    assert receive_all(receivers[1]) == [1, 2]
    assert [leg.node_id for leg in sender.statistics().legs] == [1]


def test_legs_wait_for_the_next_session_where_they_were_not_answered() -> None:
    """A node restarts before it has answered OPEN: the leg moves on, unharmed."""
    stage = Stage()
    first = stage.establish()
    sender = stage.core.open_broadcast_sender(TOKEN, BYTES, stage.now)
    stage.pump()
    stage.closed(first)
    second = stage.establish(incarnation=NEWCOMER)
    assert stage.kinds(second) == [Kind.WELCOME, Kind.ACK, Kind.OPEN]
    stage.accepts(second)
    assert sender.is_writable
    assert not stage.events(LossReport)


def test_a_token_needs_a_name() -> None:
    """One that is a text, and not empty; its channel is the same everywhere."""
    for wrong in ("", None, 7):
        with pytest.raises(UsageError, match="needs a name"):
            Token(wrong)  # type: ignore[arg-type]
    assert Token("prices").channel.hex() == "5751bf7b5570ab3bc7abfa7ec9c87d54"
    assert Token[Any]("a").channel != Token[Any]("b").channel


def test_names_that_do_not_fit_are_refused() -> None:
    """As everywhere, before anything is begun."""
    stage = Stage()
    long = ItemKind("x" * 1025, "object")
    with pytest.raises(UsageError):
        stage.core.open_broadcast_sender(TOKEN, long, stage.now)
    with pytest.raises(UsageError):
        stage.core.open_broadcast_receiver(TOKEN, long)
