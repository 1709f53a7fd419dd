"""Signs of life: who is asked for them, and what becomes of a link without."""

from __future__ import annotations

import pytest

from comm.config import Config
from comm.effects import Abort
from comm.events import PeerDown
from comm.protocol import Frame, Kind, encode_frame
from tests.helpers import BYTES, Cluster, pack
from tests.stage import Stage, channel


PING = encode_frame(Kind.PING, value=4711)


def pings(stage: Stage, link: int) -> int:
    return stage.kinds(link).count(Kind.PING)


def test_a_link_is_asked_once_an_interval() -> None:
    """As often as `heartbeat_interval_s` says, whatever else goes over the link."""
    stage = Stage(config=Config(heartbeat_interval_s=2.0))
    link = stage.establish()
    for _ in range(10):
        stage.wait(1.0)
        stage.say(link, PING)
    assert pings(stage, link) == 5


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


def test_the_round_trip_is_measured() -> None:
    """By the heartbeats alone; there is no figure before the first one."""
    cluster = Cluster(latency_s=0.025)
    cluster.meet()
    info = cluster[0].peers[1]
    assert info is not None
    assert info.rtt_s is None
    cluster.run(2.0)
    info = cluster[0].peers[1]
    assert info is not None
    assert info.rtt_s == pytest.approx(0.05)


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
    stage.wait(2.5)
    assert pings(stage, link) == 2
    stage.say(link, encode_frame(Kind.PONG, value=1))
    info = stage.core.peers[1]
    assert info is not None
    assert info.rtt_s == pytest.approx(1.5)


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
