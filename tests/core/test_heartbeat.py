"""Signs of life: who is asked for them, and what becomes of a link without."""

from __future__ import annotations

from typing import Any

import pytest

from comm.config import Config
from comm.effects import Abort
from comm.events import PeerDown
from comm.mpsc import Sender
from comm.protocol import Frame, Kind, encode_frame
from tests.helpers import BYTES, Cluster, pack
from tests.stage import STRANGER, Stage, channel, frames_sent


PING = encode_frame(Kind.PING, value=4711)


def pings(stage: Stage, link: int) -> int:
    return stage.kinds(link).count(Kind.PING)


def said(cluster: Cluster, node: int, kind: Kind) -> int:
    """Returns how many frames of a kind a node has sent."""
    sent = frames_sent(cluster.effects[node]).values()
    return sum(frame.kind == kind for frames in sent for frame in frames)


@pytest.mark.parametrize("node_id", [0, 1])
def test_a_link_over_which_something_comes_is_not_asked(node_id: int) -> None:
    """Whoever hears and is heard has no need of a PING; every tenth interval there is
    one all the same, which measures the round trip."""
    stage = Stage(node_id=node_id, config=Config(heartbeat_interval_s=2.0))
    link = stage.establish()
    for _ in range(210):
        stage.wait(1.0)
        stage.say(link, PING)
    assert pings(stage, link) == 11


@pytest.mark.parametrize("latency_s", [0.001, 0.05, 0.1, 0.5, 1.2])
def test_an_idle_link_carries_one_ping_an_interval(latency_s: float) -> None:
    """One PING and one PONG of both sides together, and every tenth interval a second
    one: the two do not ask one another in step, however far apart they are."""
    cluster = Cluster(latency_s=latency_s)
    cluster.meet()
    cluster.run(500.0)
    asked = [said(cluster, node, Kind.PING) for node in (0, 1)]
    answered = [said(cluster, node, Kind.PONG) for node in (1, 0)]
    assert 400 / (1 + 2 * latency_s) < asked[1] <= 500
    assert asked[0] <= 51
    assert all(q - 3 <= a <= q for q, a in zip(asked, answered, strict=True))
    assert not cluster.events(0, PeerDown)
    assert not cluster.events(1, PeerDown)


@pytest.mark.parametrize("node_id", [0, 1])
def test_a_side_that_only_listens_says_that_it_lives(node_id: int) -> None:
    """The other side may not get its question through, behind much data of its own: so
    nobody says nothing for longer than the interval and half of the timeout."""
    stage = Stage(node_id=node_id)
    link = stage.establish()
    frame = encode_frame(Kind.GOODBYE, payload=bytes(1000))
    said_at, before = 0.0, len(stage.heard[link])
    for i in range(400):
        stage.wait(0.25)
        stage.say(link, frame[i : i + 1])
        if len(stage.heard[link]) > before:
            said_at, before = stage.now, len(stage.heard[link])
        assert stage.now - said_at <= 3.5
    assert not stage.ended


def test_a_side_that_only_talks_asks_whether_it_is_heard() -> None:
    """What is said takes the place of no sign of life of the other side."""
    stage = Stage(node_id=1)
    link = stage.establish()
    stage.wait(1.0)
    sender: Sender[Any] = Sender("comm", 0, STRANGER, bytes(16), *BYTES)
    for _ in range(4):
        stage.wait(0.5)
        stage.core.connect(sender, BYTES, stage.now)
        stage.pump()
    assert pings(stage, link) == 3


@pytest.mark.parametrize("hasty", [0, 1])
def test_each_side_asks_by_its_own_interval(hasty: int) -> None:
    """A side that must hear something soon does not rely on one that takes its time."""
    slow = Config(heartbeat_interval_s=300.0, resume_window_s=400.0)
    cluster = Cluster()
    cluster.cores[1 - hasty] = cluster.make_core(1 - hasty, config=slow)
    cluster.meet()
    cluster.run(1000.0)
    assert not cluster.events(0, PeerDown)
    assert not cluster.events(1, PeerDown)


def test_a_link_that_takes_no_more_is_asked_once() -> None:
    """PINGs that cannot leave do not pile up behind a connection that is full."""
    stage = Stage()
    link = stage.establish()
    stage.core.handle_write_blocked(link)
    for _ in range(20):
        stage.wait(1.0)
        stage.say(link, encode_frame(Kind.PONG))
    stage.core.handle_write_resumed(link)
    stage.pump()
    assert pings(stage, link) == 1


def test_what_arrives_moves_no_timer() -> None:
    """A link on which much comes costs no more timers than an idle one."""
    stage = Stage()
    link = stage.establish()
    before = stage.core.next_timeout()
    for _ in range(3):
        stage.wait(0.25)
        stage.say(link, PING)
    assert stage.core.next_timeout() == before == (1.0, "heartbeat 1")


def test_a_ping_is_answered_at_once() -> None:
    """With a PONG of the same value."""
    stage = Stage()
    link = stage.establish()
    assert stage.say(link, PING) == [Frame(Kind.PONG, 0, 0, 4711, b"")]


def test_pings_that_come_together_are_answered_within_a_limit() -> None:
    """Those of one value by one PONG, and no more than 16 at once."""
    stage = Stage()
    link = stage.establish()
    assert len(stage.say(link, PING * 100)) == 1
    many = b"".join(encode_frame(Kind.PING, value=n) for n in range(100))
    answered = [frame.value for frame in stage.say(link, many)]
    assert answered == list(range(16))


def test_a_silent_link_is_given_up_in_time() -> None:
    """After interval and timeout without a byte, not earlier and not later."""
    stage = Stage()
    link = stage.establish()
    stage.wait(5.99)
    assert not stage.ended
    stage.wait(0.01)
    assert stage.ended == {link: Abort}
    assert stage.events(PeerDown) == [PeerDown(1, "silent for 6 s")]


def test_every_byte_is_a_sign_of_life() -> None:
    """Part of a frame counts, too: the link is slow, but not dead."""
    stage = Stage()
    link = stage.establish()
    frame = encode_frame(Kind.PING, value=1)
    for i in range(len(frame) - 1):
        stage.wait(5.5)
        stage.say(link, frame[i : i + 1])
    assert not stage.ended
    stage.wait(6.0)
    assert stage.ended == {link: Abort}


@pytest.mark.parametrize("silent_at", [0.0, 0.4, 0.9, 3.3])
def test_half_open_links_are_found_in_time(silent_at: float) -> None:
    """Both sides notice within `heartbeat_interval_s + heartbeat_timeout_s`, whenever
    the link dies."""
    cluster = Cluster()
    cluster.meet()
    cluster.run(silent_at)
    cluster.partition(0, 1)
    cluster.run(6.0)
    assert cluster.events(0, PeerDown)
    assert cluster.events(1, PeerDown)


def test_full_windows_starve_no_heartbeat() -> None:
    """A receiver that takes nothing for an hour costs the link nothing."""
    cluster = Cluster(config=Config(window_bytes=1000))
    producers = [channel(cluster, 1, 0)[0] for _ in range(5)]
    for producer in producers:
        while producer.is_writable:
            producer.send(pack(b"x" * 100))
    cluster.check = False
    cluster.run(3600.0)
    assert not cluster.events(0, PeerDown)
    assert not cluster.events(1, PeerDown)


def test_a_slow_link_with_much_to_carry_is_no_dead_one() -> None:
    """As long as bytes of the other side arrive, they are what counts."""
    config = Config(heartbeat_interval_s=0.1, heartbeat_timeout_s=0.2)
    stage = Stage(config=config)
    link = stage.establish()
    _, receiver = stage.core.open_mpsc(BYTES)
    stage.open(link, receiver)
    for n in range(40):
        stage.wait(0.25)
        stage.items(link, n)
    assert not stage.ended


def rtts(cluster: Cluster) -> list[float | None]:
    infos = (cluster[0].peers[1], cluster[1].peers[0])
    return [info.rtt_s for info in infos if info is not None]


def test_the_round_trip_is_measured() -> None:
    """By the heartbeats alone, on both sides; there is no figure before the first one,
    and none is for ever."""
    cluster = Cluster(latency_s=0.025)
    cluster.meet()
    assert rtts(cluster) == [None, None]
    cluster.run(2.0)
    assert rtts(cluster) == [pytest.approx(0.05)] * 2
    cluster.latency_s = 0.05
    cluster.run(12.0)
    assert rtts(cluster) == [pytest.approx(0.1)] * 2


def test_answers_to_nothing_are_ignored() -> None:
    """A PONG that nobody asked for measures nothing, and does no harm."""
    stage = Stage()
    link = stage.establish()
    for value in (0, 1, 2, 3):
        assert not stage.say(link, encode_frame(Kind.PONG, value=value))
    info = stage.core.peers[1]
    assert info is not None
    assert info.rtt_s is None
    assert not stage.ended


def test_a_slow_answer_is_measured_from_its_question() -> None:
    """Where the PONG comes after the next PING, the first one counts."""
    stage = Stage()
    link = stage.establish()
    stage.wait(4.0)
    assert pings(stage, link) == 2
    stage.say(link, encode_frame(Kind.PONG, value=1))
    info = stage.core.peers[1]
    assert info is not None
    assert info.rtt_s == pytest.approx(3.0)


def test_nothing_of_the_old_link_is_asked_over_the_new_one() -> None:
    """PINGs and PONGs belong to one link; they are not repeated."""
    stage = Stage()
    link = stage.establish()
    stage.core.handle_write_blocked(link)
    stage.say(link, PING)
    stage.wait(1.5)
    stage.closed(link)
    again = stage.establish()
    assert stage.kinds(again) == [Kind.WELCOME, Kind.ACK]
    assert not stage.say(again, encode_frame(Kind.PONG, value=1))
    info = stage.core.peers[1]
    assert info is not None
    assert info.rtt_s is None
