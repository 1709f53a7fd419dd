"""Rules on single packets."""

from __future__ import annotations

import pytest

from comm.sim.network import (
    PASS,
    Conditions,
    Deliver,
    Drop,
    Latency,
    Packet,
    PacketKind,
    Pass,
    Path,
    Rule,
    Rules,
)
from comm.sim.world import MS, SECOND, World
from tests.sim.wire import ADDRESS, LATENCY_NS, Wire, content


PACKET = Packet(0, 1, 5, PacketKind.DATA, 10, b"abc")


def always(verdict: Pass | Deliver | Drop) -> Rule:
    return lambda _: verdict


def once(verdict: Drop | Deliver, kind: PacketKind, times: int = 1) -> Rule:
    """Returns a rule that gives its verdict so many times, and then passes."""
    left = [times]

    def rule(packet: Packet) -> Pass | Drop | Deliver:
        if packet.kind is not kind or not left[0]:
            return PASS
        left[0] -= 1
        return verdict

    return rule


def test_the_first_verdict_that_does_not_pass_holds() -> None:
    """Rules are asked in the order in which they were added."""
    rules = Rules()
    assert not rules
    assert rules.judge(PACKET) == PASS
    rules.add(always(PASS))
    rules.add(always(Deliver(5)))
    rules.add(always(Drop()))
    assert rules
    assert rules.judge(PACKET) == Deliver(5)


def test_a_rule_stays_until_it_is_removed() -> None:
    """It is removed at the end of its `with`, or by hand; twice does no harm."""
    rules = Rules()
    with rules.add(always(Drop())) as installed:
        assert rules.judge(PACKET) == Drop()
    assert not rules
    installed.remove()
    rules.add(always(Drop())).remove()
    assert rules.judge(PACKET) == PASS


@pytest.mark.parametrize(
    ("verdict", "delay_ns"), [(PASS, 7), (Deliver(3), 3), (Drop(), None)]
)
def test_a_verdict_says_how_long_a_packet_takes(
    verdict: Pass | Deliver | Drop, delay_ns: int | None
) -> None:
    """What passes takes what its path takes; what is dropped does not arrive."""
    rules = Rules()
    rules.add(always(verdict))
    path = Path(World(), "0>1", Conditions(latency=Latency(base_ns=7)))
    assert rules.once_ns(PACKET, path) == delay_ns


def test_a_rule_is_shown_every_packet() -> None:
    """It sees who sends what to whom, on which connection, behind how many bytes."""
    wire, seen = Wire(), list[Packet]()

    def show(packet: Packet) -> Pass:
        seen.append(packet)
        return PASS

    wire.network.rules.add(show)
    number = wire.near.number
    wire.near.send(b"abc")
    wire.near.send(b"de")
    wire.near.shut()
    wire.run()
    wire.far.abort()
    assert seen == [
        Packet(0, 1, number, PacketKind.DATA, 0, b"abc"),
        Packet(0, 1, number, PacketKind.DATA, 3, b"de"),
        Packet(0, 1, number, PacketKind.END, 5),
        Packet(1, 0, number, PacketKind.RESET, 0),
    ]
    wire.call(ADDRESS)
    wire.network.place(wire.hosts[1], ADDRESS)
    wire.call(ADDRESS)
    assert seen[-1] == Packet(0, 1, 0, PacketKind.CONNECT)


def test_a_packet_may_be_delivered_when_a_rule_says() -> None:
    """Whatever the path is like; what follows does not overtake it."""
    wire = Wire()
    wire.network.rules.add(once(Deliver(3 * SECOND), PacketKind.DATA))
    wire.near.send(b"a")
    wire.near.send(b"b")
    wire.run(3 * SECOND - 1)
    assert wire.server.received == b""
    wire.run(1)
    assert wire.server.received == b"ab"


def test_a_dropped_packet_is_sent_again() -> None:
    """Two drops cost two pauses, of 200 and 400 ms, and then the bytes are there."""
    wire = Wire()
    wire.network.rules.add(once(Drop(), PacketKind.DATA, times=2))
    wire.near.send(content(500))
    wire.run(600 * MS + LATENCY_NS - 1)
    assert wire.server.received == b""
    wire.run(1)
    assert wire.server.received == content(500)


def test_a_rule_is_asked_again_each_time() -> None:
    """A rule that drops everything for a while is no fate: behind its removal the next
    repetition arrives."""
    wire = Wire()
    with wire.network.rules.add(always(Drop())):
        wire.near.send(b"a")
        wire.run(10 * SECOND)
        assert wire.server.received == b""
    wire.run(10 * SECOND)
    assert wire.server.received == b"a"
    wire.run(10_000 * SECOND)
    assert wire.client.error is None


def test_a_dropped_reset_is_lost() -> None:
    """Nobody sends a reset again: the other side does not learn of it."""
    wire = Wire()
    with wire.network.rules.add(once(Drop(), PacketKind.RESET)):
        wire.near.abort()
    wire.run(100 * SECOND)
    assert wire.server.told == []
