"""Losses, blocked and clogged ways, and silence: what is sent again, and until when."""

from __future__ import annotations

import errno

import pytest

from comm.sim.choices import Seeded, Tape
from comm.sim.network import Buffers, Conditions, Drop, Latency
from comm.sim.world import MS, SECOND
from tests.sim.wire import LATENCY_NS, Wire, content


TIMEOUT_NS = 925 * SECOND


def timed_out(error: OSError | None) -> bool:
    return isinstance(error, TimeoutError) and error.errno == errno.ETIMEDOUT


def test_a_loss_costs_a_pause() -> None:
    """A lost packet is sent again after 200 ms, and what came behind it waits."""
    losing = Conditions(loss_permille=1)
    wire = Wire(losing, choices=Tape({"path 0>1": [999, 0, 0]}))
    wire.near.send(b"a")
    wire.near.send(b"b")
    wire.run(200 * MS + LATENCY_NS - 1)
    assert wire.server.received == b""
    wire.run(1)
    assert wire.server.received == b"ab"
    assert wire.near.queued_bytes == 0
    assert wire.world.next_ns is None


def test_each_loss_doubles_the_pause() -> None:
    """Three losses of the same packet cost 200, 400 and 800 ms; an answer makes the
    next pause short again."""
    tape = Tape({"path 0>1": [999, 999, 999, 0, 999, 0]})
    wire = Wire(Conditions(loss_permille=1), choices=tape)
    wire.near.send(b"a")
    wire.run(1400 * MS + LATENCY_NS - 1)
    assert wire.server.received == b""
    wire.run(1)
    assert wire.server.received == b"a"
    wire.near.send(b"b")
    wire.run(200 * MS + LATENCY_NS)
    assert wire.server.received == b"ab"


def test_a_loss_behind_another_is_sent_again_too() -> None:
    """When the first of two lost packets has arrived, the second has its pauses."""
    tape = Tape({"path 0>1": [999, 999, 0, 999, 0, 0]})
    wire = Wire(Conditions(loss_permille=1), choices=tape)
    wire.near.send(b"a")
    wire.near.send(b"b")
    wire.run(400 * MS)
    assert wire.server.received == b"a"
    wire.run(2 * LATENCY_NS)
    assert wire.server.received == b"ab"
    assert wire.near.queued_bytes == 0
    wire.run(TIMEOUT_NS)
    assert wire.client.error is None


def test_heavy_loss_delays_and_does_not_break() -> None:
    """Where half of the packets are lost, everything arrives all the same."""
    wire = Wire(Conditions(loss_permille=500), choices=Seeded(3))
    for number in range(50):
        wire.near.send(content(10, number * 10))
    wire.near.shut()
    wire.run(100 * SECOND)
    assert wire.server.received == content(500)
    assert wire.server.has_ended


def test_a_blocked_way_loses_what_is_under_way() -> None:
    """A block hits what was sent before it, and it is sent again behind it."""
    wire = Wire()
    wire.near.send(b"a")
    wire.run(LATENCY_NS // 2)
    wire.forth.block()
    wire.near.send(b"b")
    wire.run(SECOND)
    assert wire.server.received == b""
    assert wire.near.queued_bytes == 2
    assert wire.forth.stalls
    wire.forth.unblock()
    wire.run(SECOND)
    assert wire.server.received == b"ab"
    assert wire.near.queued_bytes == 0


def test_a_block_is_one_way() -> None:
    """Bytes of the other direction still arrive; they are only not acknowledged."""
    wire = Wire()
    wire.forth.block()
    wire.near.send(b"a")
    wire.far.send(b"b")
    wire.run(SECOND)
    assert wire.client.received == b"b"
    assert wire.server.received == b""
    assert wire.far.queued_bytes == 1
    wire.forth.unblock()
    wire.run(2 * SECOND)
    assert wire.server.received == b"a"
    assert wire.far.queued_bytes == 0


def test_bytes_whose_acknowledgement_is_lost_arrive_once() -> None:
    """They are sent again, and the reader has them already; the writer's buffer is
    free only then."""
    wire = Wire(buffers=Buffers(send_bytes=10))
    wire.back.block()
    wire.near.send(content(11))
    wire.run(SECOND)
    assert wire.server.received == content(10)
    assert wire.client.told == []
    wire.back.unblock()
    wire.run(2 * SECOND)
    assert wire.near.queued_bytes == 0
    assert wire.client.told == ["writable"]
    assert wire.server.received == content(10)
    wire.near.send(content(5, 10))
    assert wire.near.queued_bytes == 5
    wire.run()
    assert wire.near.queued_bytes == 0


def test_an_acknowledgement_stands_for_all_before_it() -> None:
    """If the way back opens, the next packet's answer covers what was lost before."""
    wire = Wire()
    wire.back.block()
    wire.near.send(b"a")
    wire.run()
    wire.back.unblock()
    wire.near.send(b"b")
    wire.run()
    assert wire.near.queued_bytes == 0


@pytest.mark.parametrize("way", ["forth", "back"])
def test_silence_breaks_the_connection_in_the_end(way: str) -> None:
    """Bytes that are never acknowledged are given up after a quarter of an hour; the
    other side, which has sent nothing, does not learn of it."""
    wire = Wire()
    getattr(wire, way).block()
    wire.near.send(b"a")
    wire.run(900 * SECOND)
    assert wire.client.error is None
    wire.run(TIMEOUT_NS - 900 * SECOND)
    assert timed_out(wire.client.error)
    assert wire.near.is_gone
    assert wire.near.receive() == b""
    assert not wire.far.is_gone
    assert wire.server.error is None


def test_a_shorter_patience_is_kept() -> None:
    """A program may have bytes given up earlier, as TCP_USER_TIMEOUT does."""
    wire = Wire()
    wire.near.timeout_ns = 2 * SECOND
    wire.forth.block()
    wire.near.send(b"a")
    wire.run(4 * SECOND)
    assert timed_out(wire.client.error)


def test_losses_alone_break_a_connection_too() -> None:
    """If each repetition is lost for long enough, nobody waits any longer."""
    wire = Wire()
    wire.network.rules.add(lambda _: Drop())
    wire.near.send(b"a")
    wire.run(TIMEOUT_NS)
    assert timed_out(wire.client.error)


def test_what_was_given_up_does_not_arrive_later() -> None:
    """Behind the timeout the way opens again, and nothing comes over it, until the
    other side sends something and is told."""
    wire = Wire()
    wire.forth.block()
    wire.near.send(b"a")
    wire.run(TIMEOUT_NS)
    wire.forth.unblock()
    wire.run(10 * SECOND)
    assert wire.server.told == []
    wire.far.send(b"b")
    wire.run()
    assert isinstance(wire.server.error, ConnectionResetError)


def test_an_answer_starts_the_patience_anew() -> None:
    """Only silence that lasts breaks a connection, not several short ones."""
    wire = Wire()
    for _ in range(3):
        wire.forth.block()
        wire.near.send(b"a")
        wire.run(600 * SECOND)
        wire.forth.unblock()
        wire.run(130 * SECOND)
    assert wire.server.received == b"aaa"
    assert wire.client.error is None


def test_patience_begins_with_the_silence() -> None:
    """Neither the time before it counts, nor an earlier loss that was made good."""
    wire = Wire()
    for _ in range(2):
        wire.run(2 * TIMEOUT_NS)
        wire.forth.block()
        wire.near.send(b"a")
        wire.run(SECOND)
        wire.forth.unblock()
        wire.run(SECOND)
    assert wire.client.error is None
    assert wire.server.received == b"aa"


def test_an_end_that_is_not_acknowledged_is_given_up() -> None:
    """The end of a direction is answered like its bytes: who hears nothing breaks."""
    wire = Wire()
    wire.back.block()
    wire.near.send(b"a")
    wire.near.shut()
    wire.run(500 * SECOND)
    assert wire.server.has_ended
    assert wire.near.queued_bytes == 1
    assert wire.client.error is None
    wire.run(TIMEOUT_NS)
    assert timed_out(wire.client.error)


def test_a_clogged_way_lets_everything_wait() -> None:
    """What is under way and what is sent later arrives when the way is free, in order
    and at once, and nothing is given up."""
    wire = Wire()
    wire.near.send(b"a")
    wire.run(LATENCY_NS // 2)
    wire.forth.clog()
    wire.near.send(b"b")
    wire.run(2 * TIMEOUT_NS)
    assert wire.server.received == b""
    assert wire.client.error is None
    assert wire.forth.stalls == 1
    wire.far.send(b"c")
    wire.run()
    assert wire.client.received == b"c"
    assert wire.far.queued_bytes == 1
    wire.forth.unclog()
    assert wire.server.received == b"ab"
    assert wire.far.queued_bytes == 0


def test_acknowledgements_wait_for_a_clogged_way() -> None:
    """However many there are, they come together when it is free."""
    wire = Wire(buffers=Buffers(send_bytes=10))
    wire.back.clog()
    wire.near.send(content(5))
    wire.run()
    wire.near.send(content(6, 5))
    wire.run()
    assert wire.server.received == content(10)
    assert wire.near.queued_bytes == 10
    assert wire.back.stalls == 1
    wire.back.unclog()
    assert wire.near.queued_bytes == 0
    assert wire.client.told == ["writable"]


def test_an_end_that_is_silenced_gets_nothing_through() -> None:
    """Neither its bytes nor its acknowledgements, and no reset; what is sent to it
    still arrives."""
    wire = Wire()
    wire.near.silence()
    wire.near.send(b"a")
    wire.far.send(b"b")
    wire.run(SECOND)
    assert wire.server.received == b""
    assert wire.client.received == b"b"
    assert wire.far.queued_bytes == 1
    wire.near.abort()
    wire.far.send(b"c")
    wire.run(SECOND)
    assert wire.server.told == []
    wire.run(TIMEOUT_NS)
    assert timed_out(wire.server.error)


def test_a_latency_that_changes_does_not_reorder() -> None:
    """What is sent over a faster way waits for what is still under way."""
    wire = Wire(Conditions(latency=Latency(base_ns=SECOND)))
    wire.near.send(b"a")
    wire.forth.conditions = Conditions(latency=Latency(base_ns=1))
    wire.near.send(b"b")
    wire.run(SECOND - 1)
    assert wire.server.received == b""
    wire.run(1)
    assert wire.server.received == b"ab"


def test_connections_share_the_bandwidth_of_a_path() -> None:
    """Two streams over one path take as long as one of the size of both; the way back
    is not concerned."""
    conditions = Conditions(latency=Latency(base_ns=0), bytes_per_s=1000)
    wire = Wire(conditions, receives=False)
    other, other_far = wire.network.join(*wire.hosts)
    wire.near.send(content(500))
    other.send(content(500))
    wire.far.send(content(100))
    wire.run(100 * MS)
    assert wire.near.receive() == content(100)
    wire.run(400 * MS)
    assert wire.far.receive() == content(500)
    wire.run(499 * MS)
    assert other_far.receive() is None
    wire.run(1 * MS)
    assert other_far.receive() == content(500)


def test_a_writer_has_no_more_under_way_than_the_path_takes() -> None:
    """Where bandwidth is short, the rest stays with the writer, as congestion control
    sees to; what the reader has and does not receive does not count."""
    conditions = Conditions(bytes_per_s=10_000)
    wire = Wire(conditions, receives=False)
    flight = wire.near._outwards._flight
    wire.near.send(content(20_000))
    seen = [flight.size]
    while wire.world.step():
        seen.append(flight.size)
    assert max(seen) == 5_000
    assert 2 * SECOND < wire.world.now_ns < 3 * SECOND
    assert wire.far.receive() == content(20_000)


def test_the_machine_goes_on_while_its_process_is_paused() -> None:
    """The kernel of a paused host acknowledges; only a full buffer stops a writer."""
    wire = Wire(buffers=Buffers(receive_bytes=10))
    wire.hosts[1].pause()
    wire.near.send(content(15))
    wire.run(2 * TIMEOUT_NS)
    assert wire.near.queued_bytes == 5
    assert not wire.near.is_gone
    wire.hosts[1].resume()
    wire.run()
    assert wire.server.received == content(15)


def test_a_slow_path_is_not_flooded() -> None:
    """What is under way on a slow path arrives within a few seconds, however much is
    to be sent: when the path gets faster, the rest does not wait behind it."""
    slow = Conditions(latency=Latency(base_ns=0), bytes_per_s=2000)
    wire = Wire(slow, Buffers(send_bytes=100_000, receive_bytes=100_000))
    wire.near.send(content(100_000))
    wire.run(10 * SECOND)
    assert 15_000 <= len(wire.server.received) <= 20_000
    wire.forth.conditions = Conditions()
    wire.run(3 * SECOND)
    assert len(wire.server.received) == 100_000
