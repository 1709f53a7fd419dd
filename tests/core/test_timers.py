"""Time: when a core wants to be woken, and what it makes of a strange clock."""

from __future__ import annotations

from comm.config import Config
from comm.effects import EventOccurred
from comm.events import PeerDown
from comm.protocol import Kind, encode_frame
from tests.helpers import BYTES, Cluster, receive_all
from tests.stage import Stage, channel


PING = encode_frame(Kind.PING, value=7)


def test_a_fresh_core_waits_for_nothing() -> None:
    """Nothing to do, no deadline."""
    stage = Stage()
    assert stage.core.next_timeout() is None
    assert stage.core.next_effect() is None


def test_a_spurious_timeout_is_harmless() -> None:
    """`handle_timeout` before any deadline changes nothing but the time."""
    cluster = Cluster()
    channel(cluster, 1, 0)
    cluster.run(0.5)
    for core in (cluster[0], cluster[1]):
        at = core.next_timeout()
        effects = len(cluster.effects[core.node_id])
        for _ in range(3):
            core.handle_timeout(cluster.now)
        cluster.settle()
        assert core.next_timeout() == at
        assert len(cluster.effects[core.node_id]) == effects


def test_the_deadline_says_what_it_is_for() -> None:
    """`next_timeout` names the earliest deadline, and asking does not change it."""
    stage = Stage(config=Config(handshake_timeout_s=2.0))
    link = stage.accept()
    assert stage.core.next_timeout() == (2.0, f"handshake {link}")
    assert stage.core.next_timeout() == (2.0, f"handshake {link}")


def test_a_clock_that_steps_back_revives_no_deadline() -> None:
    """An earlier `now` counts as the latest one seen: nothing ends too early."""
    stage = Stage()
    link = stage.establish()
    stage.now = 3.0
    stage.say(link, PING)
    stage.now = 1.0
    stage.say(link, PING)
    stage.core.handle_timeout(1.0)
    stage.pump()
    assert stage.core.next_timeout() == (6.5, "heartbeat 1")
    stage.now = 3.0
    stage.wait(5.9)
    assert link not in stage.ended
    stage.wait(0.1)
    assert link in stage.ended


def test_a_driver_that_wakes_late_meets_all_deadlines_at_once() -> None:
    """One late `handle_timeout` does what all the missed ones would have done."""
    stage = Stage()
    stage.establish()
    stage.now = 100.0
    stage.core.handle_timeout(stage.now)
    stage.pump()
    assert len(stage.events(PeerDown)) == 1
    at = stage.core.next_timeout()
    assert at is not None
    assert at[0] > stage.now


def test_no_deadline_is_left_behind_a_quiet_link() -> None:
    """Between heartbeats, a core at rest waits for its heartbeats alone."""
    cluster = Cluster()
    producer, receiver = channel(cluster, 1, 0)
    producer.send(b"\x01")
    cluster.run(0.5)
    assert receive_all(receiver) == [1]
    cluster.run(0.3)
    for core in (cluster[0], cluster[1]):
        timeout = core.next_timeout()
        assert timeout is not None
        assert timeout[1].startswith("heartbeat")


def test_facts_about_forgotten_links_are_ignored() -> None:
    """Whatever the driver says of a link that the core has closed, nothing happens."""
    stage = Stage()
    link = stage.accept()
    stage.say(link, b"GET / HTTP/1.1\r\n\r\n")
    assert link in stage.ended
    before = stage.core.fingerprint()
    core = stage.core
    for forgotten in (link, 12345):
        core.handle_data(forgotten, b"more", stage.now)
        core.handle_connected(forgotten, stage.now)
        core.handle_connect_failed(forgotten, "refused", stage.now)
        core.handle_closed(forgotten, stage.now)
        core.handle_write_blocked(forgotten)
        core.handle_write_resumed(forgotten)
        core.abort_stream(forgotten)
    assert core.fingerprint() == before
    assert core.next_effect() is None


def test_commands_may_come_before_the_effects_are_taken() -> None:
    """What came of several facts and commands is told in their order."""
    cluster = Cluster()
    cluster.meet()
    sender, receiver = cluster[0].open_mpsc(BYTES)
    producers = [cluster[1].connect(sender, BYTES, cluster.now) for _ in range(3)]
    cluster.run(0.1)
    opened = [e for e in cluster.effects[1] if not isinstance(e, EventOccurred)]
    handles = [e.handle for e in opened if hasattr(e, "handle")]
    assert handles == [producer.id for producer in producers]
    assert receiver.statistics().attached == 3
