"""Tampering: what is done to bytes between the wire and a core."""

from __future__ import annotations

import pytest

from comm.events import PeerDown
from comm.protocol import PROTOCOL_MAGIC, VERSION_MAX, Kind, encode_frame
from comm.sim import MachineCluster
from comm.sim.machine.tampering import Corruption, OtherVersion, Tampering, Truncation
from tests.sim.machines import channel, link_to, told, transfer


def test_several_things_are_done_in_their_order() -> None:
    """Each sees what the one before has made of the bytes; a cut is a cut whoever
    makes it; and what is done is not done again."""
    tampering = Tampering()
    assert not tampering
    tampering.add(Corruption(1, 0, bit=0))
    tampering.add(Truncation(1, 0, left=2))
    tampering.add(Corruption(1, 0, bit=8))
    assert tampering
    assert tampering.apply(1, 0, b"abc", 0) == (b"`c", True)
    assert not tampering
    assert tampering.apply(1, 0, b"abc", 3) == (b"abc", False)


def test_what_is_removed_is_done_no_more() -> None:
    """One of two that are equal is removed, the other one is not; what was not there is
    not missed."""
    tampering = Tampering()
    first, second = Corruption(1, 0, bit=0), Corruption(1, 0, bit=0)
    tampering.add(first)
    tampering.add(second)
    tampering.remove(first)
    tampering.remove(first)
    assert tampering.apply(1, 0, b"a", 0) == (b"`", False)
    assert second.is_done
    assert not first.is_done
    tampering.add(first)
    tampering.clear()
    assert not tampering


@pytest.mark.parametrize("way", [(0, 1), (1, 2), (2, 0)])
def test_other_ways_are_left_alone(way: tuple[int, int]) -> None:
    """Bytes between others, or in the other direction, are neither changed nor
    counted."""
    truncation, corruption = Truncation(1, 0, left=0), Corruption(1, 0, bit=0)
    for tamper in (truncation, corruption):
        assert tamper.apply(*way, b"abc", 0) == (b"abc", False)
        assert not tamper.is_done
    assert OtherVersion(1, 9).apply(0, 1, opening(Kind.HELLO), 0)[0] == opening(
        Kind.HELLO
    )


@pytest.mark.parametrize("left", range(7))
def test_a_truncation_counts_bytes(left: int) -> None:
    """So many bytes arrive, in however many pieces; what comes behind them does not,
    and is the last that it concerns."""
    truncation, arrived = Truncation(1, 0, left), b""
    cuts: list[int] = []
    for piece in (b"ab", b"c", b"def", b"g", b"h"):
        data, is_cut = truncation.apply(1, 0, piece, len(arrived))
        if not cuts:
            arrived += data
        if is_cut:
            cuts.append(len(arrived))
    assert arrived == b"abcdefgh"[:left]
    assert cuts == [left]


@pytest.mark.parametrize("bit", [0, 7, 8, 23, 24, 1000])
def test_a_corruption_flips_a_bit(bit: int) -> None:
    """One bit is another, counted modulo their number, once."""
    corruption = Corruption(1, 0, bit)
    data, is_cut = corruption.apply(1, 0, b"\0\0\0", 5)
    assert not is_cut
    place, within = divmod(bit % 24, 8)
    assert data == bytes(1 << within if at == place else 0 for at in range(3))
    assert corruption.apply(1, 0, b"\0", 8) == (b"\0", False)


def opening(kind: Kind, size: int = 30) -> bytes:
    """Returns how a connection begins."""
    payload = bytes([VERSION_MAX, VERSION_MAX]) + bytes(size - 2)
    return PROTOCOL_MAGIC + encode_frame(kind, payload=payload)


@pytest.mark.parametrize("kind", [Kind.HELLO, Kind.WELCOME])
def test_another_version_is_said_at_the_beginning(kind: Kind) -> None:
    """The versions at the beginning of a connection are rewritten, and nothing else,
    as often as there are connections."""
    tamper = OtherVersion(1, 9)
    before = opening(kind)
    for _ in range(2):
        after, is_cut = tamper.apply(1, 0, before, 0)
        assert not is_cut
        at = len(PROTOCOL_MAGIC) + 21
        assert after == before[:at] + b"\x09\x09" + before[at + 2 :]
    assert tamper.is_said
    assert not tamper.is_done


@pytest.mark.parametrize(
    ("data", "offset"),
    [
        (opening(Kind.HELLO), 1),
        (opening(Kind.HELLO)[:30], 0),
        (opening(Kind.REFUSAL), 0),
        (opening(Kind.DATA), 0),
    ],
)
def test_other_bytes_say_no_version(data: bytes, offset: int) -> None:
    """Whatever else comes is left as it is: what comes later, what is too short, and
    frames that have no versions."""
    tamper = OtherVersion(1, 9)
    assert tamper.apply(1, 0, data, offset) == (data, False)
    assert not tamper.is_said


def test_a_cut_within_bytes_ends_the_connection() -> None:
    """The reader gets the bytes before the cut and then a reset, and the writer is
    reset as well; what did not arrive is sent again over the next connection."""
    with MachineCluster(2) as cluster:
        source, sink = channel(cluster)
        link = link_to(cluster[0], 1)
        before = link.received_bytes
        cluster.tampering.add(Truncation(1, 0, left=40))
        source.offer(5, 100)
        cluster.run(0.0002)
        assert link.received_bytes == before + 40
        assert not link.is_known
        cluster.run(0.001)
        reasons = [told(node, PeerDown)[0].reason for node in cluster.live]
        assert reasons == ["connection reset by peer"] * 2
        cluster.run_until(lambda: sink.received == 5)


def test_a_cut_before_any_byte_delivers_none() -> None:
    """If nothing of what comes may arrive, the core is given nothing, and told."""
    with MachineCluster(2) as cluster:
        source, sink = channel(cluster)
        link = link_to(cluster[0], 1)
        before = link.received_bytes
        cluster.tampering.add(Truncation(1, 0, left=0))
        source.offer(1, 20)
        cluster.run(0.0002)
        assert link.received_bytes == before
        assert not link.is_known
        cluster.run_until(lambda: sink.received == 1)
        transfer(cluster, source, sink, count=1)
