"""Room in the reader's kernel: who hears of it when, and what if the news is lost."""

from __future__ import annotations

from comm.sim.choices import Tape
from comm.sim.network import Buffers, Conditions
from comm.sim.world import MS, SECOND
from tests.sim.wire import LATENCY_NS, Wire, content


TIMEOUT_NS = 925 * SECOND


def test_a_reader_that_reads_lets_the_writer_go_on() -> None:
    """Room in the reader's kernel is news that has to travel."""
    wire = Wire(buffers=Buffers(receive_bytes=30), receives=False)
    wire.near.send(content(90))
    wire.run()
    assert wire.far.receive() == content(30)
    wire.run(2 * LATENCY_NS - 1)
    assert wire.far.receive() is None
    wire.run(1)
    assert wire.far.receive() == content(30, 30)
    wire.run()
    assert wire.far.receive() == content(30, 60)
    wire.run()
    assert wire.far.receive() is None
    assert wire.world.next_ns is None


def test_the_writer_is_told_of_room_once() -> None:
    """Who was given less than it asked for is told when there is room; others never."""
    wire = Wire(buffers=Buffers(send_bytes=100, receive_bytes=1000))
    wire.near.send(content(100))
    wire.run()
    assert wire.client.told == []
    wire.near.send(content(101))
    wire.run()
    assert wire.client.told == ["writable"]
    wire.near.send(content(101))
    assert wire.near.send(b"") == 0
    wire.run()
    assert wire.client.told == ["writable"]


def test_room_that_comes_bit_by_bit_is_told_once() -> None:
    """Who waits for room is told of the first of it, and not of each packet's."""
    wire = Wire(buffers=Buffers(send_bytes=100))
    wire.near.send(content(60))
    wire.run(LATENCY_NS // 2)
    assert wire.near.send(content(60)) == 40
    wire.run()
    assert wire.client.told == ["writable"]


def test_sending_while_news_of_room_travels_waits_for_it() -> None:
    """The writer's kernel does not know of room before it has heard of it."""
    wire = Wire(buffers=Buffers(receive_bytes=30), receives=False)
    wire.near.send(content(40))
    wire.run()
    wire.far.receive()
    wire.near.send(content(5, 40))
    wire.near.shut()
    wire.run(2 * LATENCY_NS - 1)
    assert wire.far.receive() is None
    wire.run(1)
    assert wire.far.receive() == content(15, 30)


def test_a_window_that_is_closed_is_asked_about() -> None:
    """While the reader's kernel is full, the writer's asks more and more rarely, and
    neither gives up."""
    wire = Wire(buffers=Buffers(receive_bytes=30), receives=False)
    wire.near.send(content(60))
    wire.run(SECOND)
    before = wire.world.events
    wire.run(3600 * SECOND)
    assert 20 < wire.world.events - before < 120
    assert wire.client.told == []
    assert wire.far.receive() == content(30)
    wire.run()
    assert wire.far.receive() == content(30, 30)


def test_news_of_room_waits_for_a_clogged_way() -> None:
    """A window that opens over a clogged way opens when that is free."""
    wire = Wire(buffers=Buffers(receive_bytes=10), receives=False)
    wire.near.send(content(20))
    wire.run()
    wire.back.clog()
    wire.far.receive()
    wire.run(50 * MS)
    assert wire.far.receive() is None
    wire.back.unclog()
    wire.run()
    assert wire.far.receive() == content(10, 10)


def test_news_of_room_that_is_lost_is_asked_for() -> None:
    """A window whose opening nobody heard of does not stay closed for ever."""
    wire = Wire(buffers=Buffers(receive_bytes=10), receives=False)
    wire.near.send(content(20))
    wire.run()
    wire.back.block()
    wire.far.receive()
    wire.run(SECOND)
    wire.back.unblock()
    assert wire.far.receive() is None
    wire.run(2 * SECOND)
    assert wire.far.receive() == content(10, 10)


def test_news_of_room_comes_with_every_acknowledgement() -> None:
    """Where the news itself was lost, the answer to what was under way has it too."""
    wire = Wire(
        Conditions(loss_permille=1),
        Buffers(receive_bytes=10),
        Tape({"path 1>0": [999]}),
        receives=False,
    )
    wire.near.send(content(6))
    wire.run(LATENCY_NS // 2)
    wire.near.send(content(9, 6))
    wire.run(LATENCY_NS // 2)
    assert wire.far.receive() == content(6)
    wire.run(LATENCY_NS // 2)
    assert wire.far.receive() == content(4, 6)
    wire.run(LATENCY_NS)
    assert wire.far.receive() == content(5, 10)


def test_a_closed_window_over_a_dead_way_breaks() -> None:
    """Who is not heard although it was asked about its window is given up, too."""
    wire = Wire(buffers=Buffers(receive_bytes=10), receives=False)
    wire.near.send(content(20))
    wire.run(2 * TIMEOUT_NS)
    assert not wire.near.is_gone
    wire.back.block()
    wire.run(800 * SECOND)
    assert not wire.near.is_gone
    wire.run(TIMEOUT_NS - 560 * SECOND)
    assert wire.near.is_gone
