"""The bytes of a connection: order, ends, buffers, reads, and who is told what."""

from __future__ import annotations

import errno

from hypothesis import given, strategies as st
import pytest

from comm.sim.choices import Recorder, Seeded, Tape
from comm.sim.network import Buffers, Conditions, Latency
from comm.sim.world import SECOND, US
from tests.sim.wire import LATENCY_NS, Program, Wire, content


ROUGH = Conditions(
    latency=Latency(base_ns=50 * US, spread_ns=400 * US, shape="exponential"),
    loss_permille=100,
    fragment_permille=500,
    bytes_per_s=1_000_000,
)


def test_bytes_take_the_latency_of_the_path() -> None:
    """What is sent is there when it has travelled, and not earlier."""
    wire = Wire()
    assert wire.near.send(b"abc") == 3
    wire.run(LATENCY_NS - 1)
    assert wire.server.told == []
    wire.run(1)
    assert wire.server.reads == [b"abc"]
    assert wire.near.queued_bytes == 0


@given(
    sizes=st.lists(st.integers(1, 5000), max_size=20),
    seed=st.integers(0, 10**6),
    send_bytes=st.integers(1, 4000),
    receive_bytes=st.integers(1, 4000),
)
def test_bytes_arrive_once_and_in_order(
    sizes: list[int], seed: int, send_bytes: int, receive_bytes: int
) -> None:
    """Whatever delays, losses, cuts and buffers: what is received is what was sent."""
    buffers = Buffers(send_bytes=send_bytes, receive_bytes=receive_bytes)
    wire = Wire(ROUGH, buffers, Seeded(seed))
    data = content(sum(sizes))
    first = 0
    for size in sizes:
        wire.client.write(wire.near, data[first : first + size])
        wire.run()
        first += size
    assert wire.world.run_until(lambda: not wire.client.pending, 10**15)
    wire.near.shut()
    assert wire.world.run_until(lambda: wire.server.has_ended, 10**15)
    assert wire.server.received == data


def test_both_ways_are_independent() -> None:
    """Each end receives what the other one sends, at the same time."""
    wire = Wire()
    wire.near.send(b"ping")
    wire.far.send(b"pong")
    wire.run()
    assert wire.server.received == b"ping"
    assert wire.client.received == b"pong"


def test_a_read_gives_everything_that_is_there() -> None:
    """However it was sent, what has arrived comes in one piece, up to the limit."""
    wire = Wire(receives=False)
    for part in (b"ab", b"cd", b"ef"):
        wire.near.send(part)
    wire.run()
    assert wire.far.receive(5) == b"abcde"
    assert wire.far.receive(5) == b"f"
    assert wire.far.receive(5) is None


def test_reads_may_be_cut_anywhere() -> None:
    """With fragments a read gives any part of what is there, and the rest later."""
    conditions = Conditions(fragment_permille=1000)
    seen = set()
    for seed in range(60):
        wire = Wire(conditions, choices=Seeded(seed), receives=False)
        wire.near.send(b"abcd")
        wire.run()
        data = wire.far.receive()
        assert data
        seen.add(len(data))
        assert b"abcd".startswith(data)
        assert wire.far.is_readable
    assert seen == {1, 2, 3}


def test_a_single_byte_cannot_be_cut() -> None:
    """A read of one byte gives it, without a draw."""
    choices = Recorder(Seeded(1))
    wire = Wire(Conditions(fragment_permille=1000), None, choices, receives=False)
    wire.near.send(b"a")
    wire.run()
    assert wire.far.receive() == b"a"
    assert choices.numbers["read 0>1"] == []


def test_draws_of_reads_move_nothing_on_the_path() -> None:
    """How reads are cut and how long packets take are drawn from different streams."""
    conditions = Conditions(latency=Latency(spread_ns=1000), fragment_permille=500)
    tape = Tape({"read 0>1": [999, 0], "path 0>1": [7, 9]})
    wire = Wire(conditions, choices=tape, receives=False)
    wire.near.send(b"abc")
    wire.run(LATENCY_NS + 7)
    assert wire.far.receive() == b"a"
    wire.near.send(b"x")
    wire.run(LATENCY_NS + 9)
    assert wire.far.receive() == b"bcx"


# Ends.


def test_an_end_comes_behind_the_last_byte() -> None:
    """What was sent is received first; then the end, as often as one asks."""
    wire = Wire(receives=False)
    wire.near.send(b"abc")
    wire.near.shut()
    wire.near.shut()
    wire.run()
    assert [wire.far.receive(2) for _ in range(4)] == [b"ab", b"c", b"", b""]
    assert wire.far.is_readable


def test_one_half_may_be_closed() -> None:
    """An end that sends no more still receives."""
    wire = Wire()
    wire.near.shut()
    wire.run()
    assert wire.server.has_ended
    wire.far.send(b"answer")
    wire.run()
    assert wire.client.received == b"answer"
    with pytest.raises(BrokenPipeError):
        wire.near.send(b"more")


def test_what_was_sent_before_a_close_arrives() -> None:
    """A close that leaves nothing unread lets the kernel finish."""
    wire = Wire(buffers=Buffers(receive_bytes=100))
    wire.near.send(content(1000))
    wire.near.close()
    assert not wire.near.is_open
    wire.run(100 * LATENCY_NS)
    assert wire.server.received == content(1000)
    assert wire.server.reads.index(b"") == len(wire.server.reads) - 1


def test_a_connection_is_over_when_both_sides_have_ended() -> None:
    """Then neither kernel knows it, what has arrived can still be read, and shutting
    down fails."""
    wire = Wire(receives=False)
    wire.near.send(b"abc")
    wire.near.shut()
    wire.run()
    assert not wire.near.is_gone
    wire.far.shut()
    wire.run()
    assert wire.near.is_gone
    assert wire.far.is_gone
    assert [wire.far.receive(), wire.far.receive()] == [b"abc", b""]
    assert wire.near.receive() == b""
    with pytest.raises(OSError, match="not connected") as caught:
        wire.near.shut()
    assert caught.value.errno == errno.ENOTCONN
    with pytest.raises(BrokenPipeError):
        wire.far.send(b"x")


# Buffers.


def test_a_kernel_takes_what_there_is_room_for() -> None:
    """What is neither with the reader nor with its kernel stays with the writer's, and
    more than its buffer it does not take."""
    wire = Wire(buffers=Buffers(send_bytes=100, receive_bytes=30), receives=False)
    assert wire.near.send(content(500)) == 100
    assert wire.near.send(b"x") == 0
    wire.run()
    assert wire.near.queued_bytes == 70
    assert wire.near.send(content(500)) == 30
    wire.run(100 * SECOND)
    assert wire.near.queued_bytes == 100
    assert wire.far.receive() == content(30)


# Telling.


def test_a_program_is_told_once_until_it_receives() -> None:
    """However much arrives, one word is enough; behind a read the next one comes."""
    wire = Wire(receives=False)
    wire.near.send(b"a")
    wire.run()
    wire.near.send(b"b")
    wire.run()
    assert wire.server.told == ["readable"]
    assert wire.far.receive() == b"ab"
    wire.run()
    assert wire.server.told == ["readable"]
    wire.near.shut()
    wire.run()
    assert wire.server.told == ["readable"] * 2


def test_a_program_that_leaves_something_is_told_again() -> None:
    """It is behind whatever it does with the first part that it gets the next, in the
    same moment; if it has received the rest meanwhile, it is told nothing."""
    wire = Wire(receives=False)
    wire.near.send(b"abc")
    wire.near.shut()
    wire.run()
    assert wire.far.receive(1) == b"a"
    assert wire.server.told == ["readable"]
    wire.run(0)
    assert wire.server.told == ["readable"] * 2
    assert wire.far.receive() == b"bc"
    wire.run(0)
    assert wire.server.told == ["readable"] * 3
    wire = Wire(receives=False)
    wire.near.send(b"abc")
    wire.run()
    assert wire.far.receive(1) + wire.far.receive(2) == b"abc"  # type: ignore[operator]
    wire.run(0)
    assert wire.server.told == ["readable"]


def test_an_error_behind_bytes_is_told() -> None:
    """Who has received what came before a reset is told that there is more to learn."""
    wire = Wire()
    wire.hosts[1].pause()
    wire.near.send(b"abc")
    wire.near.abort()
    wire.run()
    wire.hosts[1].resume()
    wire.run()
    assert wire.server.received == b"abc"
    assert isinstance(wire.server.error, ConnectionResetError)


def test_who_has_no_owner_is_told_nothing() -> None:
    """Bytes for an endpoint that nobody has taken wait for somebody."""
    wire = Wire()
    wire.far.owner = None
    wire.near.send(b"a")
    wire.run()
    assert wire.far.is_readable
    program = wire.far.owner = Program()
    wire.far.tell_readable()
    assert program.received == b"a"


def test_a_program_that_is_paused_is_told_later() -> None:
    """Its machine takes the bytes, and what it has to be told waits with it; if it
    closes the socket first, it is told nothing."""
    wire = Wire(buffers=Buffers(send_bytes=10))
    for host in wire.hosts:
        host.pause()
    wire.near.send(content(20))
    wire.run()
    assert wire.near.queued_bytes == 0
    assert wire.server.told == wire.client.told == []
    wire.near.owner = None
    for host in wire.hosts:
        host.resume()
    wire.run()
    assert wire.server.received == content(10)
    assert wire.client.told == []
    wire.hosts[1].pause()
    wire.near.send(b"x")
    wire.run()
    wire.far.close()
    wire.hosts[1].resume()
    wire.run()
    assert wire.server.received == content(10)
