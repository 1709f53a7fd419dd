"""Resets: who sends one, what is still readable behind it, and what is told."""

from __future__ import annotations

import errno

import pytest

from comm.sim.choices import Tape
from comm.sim.network import (
    PASS,
    Buffers,
    Conditions,
    Endpoint,
    Latency,
    Packet,
    PacketKind,
    Pass,
)
from comm.sim.world import MS, SECOND
from tests.sim.wire import Wire, content


def broken(endpoint: Endpoint) -> str:
    """Receives, and returns the name of the error that this raises."""
    with pytest.raises(OSError, match=r".") as caught:
        endpoint.receive()
    return errno.errorcode[caught.value.errno or 0]


def unsendable(endpoint: Endpoint) -> str:
    """Sends, and returns the name of the error that this raises."""
    with pytest.raises(OSError, match=r".") as caught:
        endpoint.send(b"x")
    return errno.errorcode[caught.value.errno or 0]


def packets(wire: Wire, kind: PacketKind) -> list[Packet]:
    """Returns the packets of a kind; the list grows as they are sent."""
    seen: list[Packet] = []

    def rule(packet: Packet) -> Pass:
        if packet.kind is kind:
            seen.append(packet)
        return PASS

    wire.network.rules.add(rule)
    return seen


@pytest.fixture
def wire() -> Wire:
    return Wire(receives=False)


def test_an_abort_resets_the_connection(wire: Wire) -> None:
    """The other side gets an error, once; then there is an end to read and a broken
    pipe to write to."""
    resets = packets(wire, PacketKind.RESET)
    wire.near.abort()
    wire.near.abort()
    assert not wire.near.is_open
    assert len(resets) == 1
    wire.run()
    assert wire.server.told == ["readable"]
    assert wire.far.is_readable
    assert broken(wire.far) == "ECONNRESET"
    assert wire.far.is_readable
    assert wire.far.receive() == b""
    assert unsendable(wire.far) == "EPIPE"
    assert wire.far.is_gone


def test_the_error_is_told_to_whoever_asks_first(wire: Wire) -> None:
    """A writer that is told of the reset leaves none for the reader."""
    wire.near.abort()
    wire.run()
    assert unsendable(wire.far) == "ECONNRESET"
    assert unsendable(wire.far) == "EPIPE"
    assert wire.far.receive() == b""


def test_what_had_arrived_is_readable_behind_a_reset(wire: Wire) -> None:
    """A reset destroys nothing that the reader's kernel has; the error comes then."""
    wire.near.send(b"abc")
    wire.near.abort()
    wire.run()
    assert wire.far.receive() == b"abc"
    assert broken(wire.far) == "ECONNRESET"
    assert wire.far.receive() == b""


def test_an_abort_drops_what_was_not_sent(wire: Wire) -> None:
    """What did not fit into the reader's kernel is lost; what flies still lands."""
    wire = Wire(buffers=Buffers(receive_bytes=10), receives=False)
    wire.near.send(content(30))
    wire.near.abort()
    assert wire.near.queued_bytes == 0
    assert wire.near.queued_bytes == 0
    wire.run(SECOND)
    assert wire.near.queued_bytes == 0
    assert wire.world.next_ns is None
    assert wire.far.receive() == content(10)
    assert broken(wire.far) == "ECONNRESET"


def test_closing_with_unread_bytes_resets(wire: Wire) -> None:
    """The sender is told that what it sent was thrown away."""
    wire.near.send(b"abc")
    wire.run()
    wire.far.close()
    assert wire.far.receive() == b""
    wire.run()
    assert broken(wire.near) == "ECONNRESET"


def test_bytes_for_a_closed_socket_are_answered_by_a_reset(wire: Wire) -> None:
    """The close itself is an orderly end; only sending makes it a broken pipe."""
    sent = packets(wire, PacketKind.DATA)
    wire.far.close()
    wire.run()
    assert wire.near.receive() == b""
    assert wire.near.send(b"abc") == 3
    wire.run()
    assert len(sent) == 1
    assert wire.near.receive() == b""
    assert unsendable(wire.near) == "EPIPE"
    assert wire.near.is_gone
    assert wire.far.is_gone


def test_a_writer_that_had_ended_gets_a_reset_for_what_it_is(wire: Wire) -> None:
    """In the moment of its own end, Linux tells a reset and no broken pipe."""
    wire.far.close()
    wire.run()
    wire.near.send(b"abc")
    wire.near.shut()
    wire.run()
    assert wire.near.receive() == b""
    assert unsendable(wire.near) == "ECONNRESET"


def test_bytes_that_cross_a_close_are_answered_by_a_reset(wire: Wire) -> None:
    """Whoever sends cannot know; the end is there to read, and then a broken pipe."""
    wire.near.send(b"abc")
    wire.far.close()
    wire.run()
    assert wire.near.receive() == b""
    assert unsendable(wire.near) == "EPIPE"


def test_an_end_for_a_closed_socket_is_merely_noted(wire: Wire) -> None:
    """Both sides have ended, and nobody did anything wrong."""
    wire.far.close()
    wire.run()
    wire.near.shut()
    wire.run()
    assert unsendable(wire.near) == "EPIPE"
    assert wire.near.is_gone
    assert wire.far.is_gone
    assert wire.client.told == ["readable"]
    assert wire.server.told == []


def test_what_is_closed_cannot_be_aborted(wire: Wire) -> None:
    """The socket is the kernel's then, and what was sent still goes out."""
    resets = packets(wire, PacketKind.RESET)
    wire.near.send(b"abc")
    wire.near.close()
    wire.near.abort()
    wire.near.close()
    wire.run()
    assert resets == []
    assert wire.far.receive() == b"abc"
    assert wire.far.receive() == b""


def test_a_reset_after_the_end_of_both_sides_does_no_harm(wire: Wire) -> None:
    """A connection that is over cannot break: there is only its end to read."""
    resets = packets(wire, PacketKind.RESET)
    wire.near.shut()
    wire.far.shut()
    wire.run()
    wire.near.abort()
    wire.run()
    assert resets == []
    assert wire.far.receive() == b""
    assert unsendable(wire.far) == "EPIPE"


def test_a_reset_by_both_sides_is_told_to_none(wire: Wire) -> None:
    """Neither program has a socket any more that could be told."""
    wire.near.abort()
    wire.far.abort()
    wire.run(SECOND)
    assert wire.client.told == wire.server.told == []


def test_a_reset_may_be_lost(wire: Wire) -> None:
    """Nobody sends it again: the other side learns of it when it sends."""
    wire.forth.block()
    wire.near.send(b"abc")
    wire.near.abort()
    wire.run(SECOND)
    wire.forth.unblock()
    wire.run(1000 * SECOND)
    assert wire.server.told == []
    # And its own kernel has nothing left to do about it.
    assert wire.world.next_ns is None
    wire.far.send(b"x")
    wire.run()
    assert broken(wire.far) == "ECONNRESET"


def test_who_has_given_up_sends_nothing_again(wire: Wire) -> None:
    """From the abort on, its kernel has nothing left to do."""
    wire.forth.block()
    wire.near.send(b"abc")
    wire.run()
    wire.near.abort()
    wire.run()
    assert wire.world.next_ns is None


def test_a_reset_may_get_through_where_bytes_were_lost(wire: Wire) -> None:
    """What a dead sender lost stays lost, and the end behind it; its reset arrives."""
    wire.near.send(b"abc")
    wire.near.send(b"def")
    wire.forth.conditions = Conditions(latency=Latency(base_ns=SECOND))
    wire.near.abort()
    wire.forth.block()
    wire.run(SECOND // 2)
    wire.forth.unblock()
    wire.run(SECOND)
    assert broken(wire.far) == "ECONNRESET"


def test_an_answer_that_is_lost_is_asked_for_again(wire: Wire) -> None:
    """Bytes that were refused without the sender's hearing of it are sent again, and
    refused again."""
    wire.far.close()
    wire.run()
    wire.back.block()
    wire.near.send(b"abc")
    wire.run(SECOND)
    assert not wire.near.is_gone
    assert wire.far.is_gone
    wire.back.unblock()
    wire.run(2 * SECOND)
    assert wire.near.is_gone


def test_an_answer_waits_for_a_clogged_way(wire: Wire) -> None:
    """A reset comes over a clogged way when that is free."""
    wire.far.close()
    wire.run()
    wire.back.clog()
    wire.near.send(b"abc")
    wire.run(SECOND)
    assert not wire.near.is_gone
    wire.back.unclog()
    assert wire.near.is_gone


def test_a_refusal_is_nothing_to_who_is_gone(wire: Wire) -> None:
    """What flies when both sides give up is dropped where it lands."""
    wire.near.send(b"abc")
    wire.near.abort()
    wire.far.abort()
    wire.back.block()
    wire.run(SECOND)
    assert wire.world.next_ns is None
    assert wire.near.is_gone
    assert wire.far.is_gone


def test_an_answer_may_come_too_late(wire: Wire) -> None:
    """A repetition whose sender was reset meanwhile finds nobody."""
    wire.back.block()
    wire.near.send(b"a")
    wire.run(SECOND)
    wire.back.unblock()
    wire.world.run_until(lambda: not wire.near._outwards._flight._timer, 10**12)
    wire.near.handle_reset()
    wire.run(SECOND)
    assert wire.near.queued_bytes == 0


def test_who_asks_about_a_window_of_a_dead_connection_is_told(wire: Wire) -> None:
    """The other kernel has forgotten the connection while its window was closed."""
    wire = Wire(buffers=Buffers(receive_bytes=10), receives=False)
    wire.near.send(content(20))
    wire.run()
    wire.far.vanish()
    wire.run(10 * SECOND)
    assert broken(wire.near) == "ECONNRESET"


def test_who_is_not_told_of_a_dead_connection_asks_again() -> None:
    """The answer of the other kernel may be lost like any other packet."""
    lossy, tape = Conditions(loss_permille=1), Tape({"path 1>0": [999]})
    wire = Wire(lossy, Buffers(receive_bytes=10), tape, receives=False)
    wire.near.send(content(20))
    wire.run()
    wire.far.vanish()
    wire.run(300 * MS)
    assert not wire.near.is_gone
    wire.run(10 * SECOND)
    assert broken(wire.near) == "ECONNRESET"


def test_a_broken_connection_tells_the_writer_that_waits(wire: Wire) -> None:
    """Who waits for room learns that there will be none."""
    wire = Wire(buffers=Buffers(send_bytes=10, receive_bytes=10), receives=False)
    wire.near.send(content(30))
    wire.run()
    wire.near.send(content(30))
    wire.client.told.clear()
    wire.far.abort()
    wire.run()
    assert wire.client.told == ["readable", "writable"]
    assert unsendable(wire.near) == "ECONNRESET"


def test_breaking_twice_is_breaking_once(wire: Wire) -> None:
    """Whatever comes behind the first error changes nothing."""
    wire.near.handle_reset()
    wire.near.handle_timeout()
    wire.near.handle_reset()
    wire.near.close()
    wire.near.abort()
    assert broken(wire.near) == "ECONNRESET"
    assert wire.near.receive() == b""
