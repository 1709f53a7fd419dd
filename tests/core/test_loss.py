"""Outages that last too long: what is lost is reported, on the side that lost it."""

from __future__ import annotations

from typing import Any

import pytest

from comm.broadcast import Token
from comm.config import Config
from comm.effects import Abort, Failed
from comm.errors import PeerLost
from comm.events import LossReport, PeerDown, PeerUp
from comm.mpsc import Sender
from comm.protocol import Kind
from comm.session import SessionState
from tests.helpers import BYTES, Cluster, pack, receive_all
from tests.stage import STRANGER, Stage, channel


SENDER: Sender[Any] = Sender("comm", 1, STRANGER, b"c" * 16, *BYTES)

SHORT = Config(
    heartbeat_interval_s=1.0,
    heartbeat_timeout_s=2.0,
    handshake_timeout_s=0.5,
    resume_window_s=10.0,
)


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
