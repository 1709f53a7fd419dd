"""Credit: what a producer may have in flight, and when it may go on."""

from __future__ import annotations

from typing import Any

import pytest

from comm.config import Config
from comm.effects import Opened, Writable
from comm.errors import MessageTooLarge, WouldBlock
from comm.mpsc import Sender
from comm.protocol import AcceptBody, Kind, encode_frame
from tests.helpers import BYTES, Cluster, pack, receive_all
from tests.stage import STRANGER, Stage, channel


SENDER: Sender[Any] = Sender("comm", 1, STRANGER, b"c" * 16, *BYTES)
ITEM = pack(b"x" * 8)
assert len(ITEM) == 10


def opened(credit: int = 100, config: Config | None = None) -> tuple[Stage, int, Any]:
    """A producer of the core that the other side has taken."""
    stage = Stage(config=config)
    link = stage.establish()
    producer = stage.core.connect(SENDER, BYTES, stage.now)
    stage.pump()
    stage.accepts(link, credit=credit)
    return stage, link, producer


def test_nothing_is_accepted_before_the_receiver_answers() -> None:
    """A producer has no credit of its own; `Opened` says that it has some."""
    stage = Stage()
    link = stage.establish()
    producer = stage.core.connect(SENDER, BYTES, stage.now)
    stage.pump()
    with pytest.raises(WouldBlock, match="use send"):
        producer.send(ITEM)
    assert producer.send_many([ITEM]) == 0
    assert not producer.is_writable
    stage.accepts(link)
    assert stage.handles(Opened) == [producer.id]
    assert producer.is_open
    assert producer.is_writable


def test_credit_is_spent_to_the_byte() -> None:
    """At exactly zero nothing more is accepted; one byte is enough for one item."""
    _, _, producer = opened(credit=100)
    assert producer.send_many([ITEM] * 50) == 10
    assert producer.credit == 0
    assert not producer.is_writable
    _, _, producer = opened(credit=101)
    assert producer.send_many([ITEM] * 50) == 11
    assert producer.credit == -9
    assert producer.statistics().credit_bytes == -9


def test_what_was_accepted_is_told() -> None:
    """`send_many` goes on where it ended, and says 0 where `send` would block."""
    stage, link, producer = opened(credit=25)
    items = [pack(f"item {n:03}") for n in range(6)]
    assert producer.send_many(items) == 3
    assert producer.send_many(items, 3) == 0
    stage.send(link, Kind.CREDIT, value=100)
    assert producer.send_many(items, 3) == 3
    assert producer.send_many(items, 6) == 0
    stage.pump()
    data = b"".join(f.payload for f in stage.heard[link] if f.kind == Kind.DATA)
    assert data == b"".join(items)


def test_a_blocked_producer_is_told_once() -> None:
    """`Writable` follows a refused `send`, not every CREDIT."""
    stage, link, producer = opened(credit=10)
    producer.send(ITEM)
    stage.send(link, Kind.CREDIT, value=10)
    assert not stage.happened(Writable)
    producer.send(ITEM)
    with pytest.raises(WouldBlock):
        producer.send(ITEM)
    stage.send(link, Kind.CREDIT, value=10)
    stage.send(link, Kind.CREDIT, value=10)
    assert stage.handles(Writable) == [producer.id]


def test_credit_that_pays_a_debt_wakes_nobody() -> None:
    """After an item beyond the window, the debt comes first."""
    stage, link, producer = opened(credit=10)
    producer.send(pack(b"x" * 100))
    with pytest.raises(WouldBlock):
        producer.send(ITEM)
    stage.send(link, Kind.CREDIT, value=92)
    assert producer.credit == 0
    assert not stage.happened(Writable)
    stage.send(link, Kind.CREDIT, value=1)
    assert stage.handles(Writable) == [producer.id]
    producer.send(ITEM)


def test_a_receiver_that_answers_twice_grants_nothing_more() -> None:
    """The second ACCEPT is ignored, and so is credit for a producer that has ended."""
    stage, link, producer = opened(credit=10)
    stage.accepts(link, credit=1000)
    assert producer.credit == 10
    producer.finish()
    stage.send(link, Kind.CREDIT, value=1000)
    assert producer.credit == 0
    assert link not in stage.ended


def test_an_item_that_is_too_large_is_refused_alone() -> None:
    """Whichever side takes less; what was accepted before stays accepted."""
    for own, other, limit in ((1000, 2000, 1000), (2000, 1000, 1000)):
        stage = Stage(config=Config(message_bytes_max=own))
        link = stage.establish()
        producer = stage.core.connect(SENDER, BYTES, stage.now)
        stage.pump()
        stage.send(link, Kind.ACCEPT, 1, 10_000, AcceptBody(other))
        assert producer.message_bytes_max == limit
        producer.send(bytes(1000))
        with pytest.raises(MessageTooLarge, match="raise message_bytes_max"):
            producer.send(bytes(1001))
        assert producer.send_many([ITEM, bytes(1001), ITEM]) == 1
        with pytest.raises(MessageTooLarge):
            producer.send_many([ITEM, bytes(1001)], 1)
        assert producer.accepted == 2


def test_credit_comes_back_as_items_are_taken() -> None:
    """A quarter of the window at a time, and all that is owed by then."""
    stage = Stage(config=Config(window_bytes=100))
    _, receiver = stage.core.open_mpsc(BYTES)
    link = stage.establish()
    (accept,) = stage.open(link, receiver)[1:]
    assert (accept.kind, accept.value) == (Kind.ACCEPT, 100)
    granted = []
    for n in range(10):
        stage.items(link, b"x" * 8)
        receiver.take()
        stage.pump()
        granted = [f.value for f in stage.heard[link] if f.kind == Kind.CREDIT]
        assert len(granted) == (n + 1) // 3
    assert granted == [30, 30, 30]


def test_no_credit_comes_back_after_the_end() -> None:
    """Nobody could use it."""
    stage = Stage(config=Config(window_bytes=100))
    _, receiver = stage.core.open_mpsc(BYTES)
    link = stage.establish()
    stage.open(link, receiver)
    stage.items(link, b"x" * 90)
    stage.finish(link, 1)
    assert receive_all(receiver) == [b"x" * 90]
    stage.pump()
    assert Kind.CREDIT not in stage.kinds(link)
    assert stage.kinds(link)[-1] == Kind.DONE


@pytest.mark.parametrize(
    ("sizes", "is_legal"),
    [
        ([100], True),
        ([99, 50], True),
        ([99, 52], False),
        ([100, 1], False),
        ([150], True),
        ([151], False),
    ],
)
def test_items_beyond_the_credit_break_the_protocol(
    sizes: list[int], *, is_legal: bool
) -> None:
    """They may begin while there is credit, and exceed it by one item."""
    config = Config(window_bytes=100, message_bytes_max=50)
    stage = Stage(config=config)
    _, receiver = stage.core.open_mpsc(BYTES)
    link = stage.establish()
    stage.open(link, receiver)
    for size in sizes:
        stage.send(link, Kind.DATA, 1, 1, bytes(size))
    assert (link not in stage.ended) == is_legal


def test_memory_is_bounded_for_any_number_of_producers() -> None:
    """A receiver that takes nothing: what both sides hold is a window and one item
    for each of a hundred producers, however much they would send."""
    config = Config(window_bytes=1000, chunk_bytes=256)
    cluster = Cluster(config=config)
    cluster.check = False
    sender, receiver = cluster[0].open_mpsc(BYTES)
    producers = [cluster[1].connect(sender, BYTES, cluster.now) for _ in range(100)]
    cluster.run(0.1)
    item = pack(b"x" * 300)
    bound = 1000 + len(item)
    for _ in range(20):
        for producer in producers:
            while producer.is_writable:
                producer.send(item)
            held = producer.statistics()
            assert held.queued_bytes <= bound
        session = cluster[1].statistics().peers[0].session
        queued = sum(producer.statistics().queued_bytes for producer in producers)
        opens = 100 * 64
        assert session.unacknowledged_bytes + queued <= 100 * bound + opens
        cluster.run(0.05)
    assert receiver.statistics().buffered_bytes <= 100 * bound
    assert receiver.statistics().buffered_items == 400
    assert cluster[1].statistics().peers[0].session.unacknowledged_bytes == 0
    cluster[0].check_invariants()
    assert len(receive_all(receiver)) == 400


def test_memory_is_bounded_while_the_link_is_gone() -> None:
    """What may be in flight is bounded, whether or not there is a link to be in."""
    cluster = Cluster(config=Config(window_bytes=1000))
    producer, receiver = channel(cluster, 1, 0)
    cluster.partition(0, 1)
    item = pack(b"x" * 98)
    sent = 0
    for _ in range(20):
        while producer.is_writable:
            producer.send(item)
            sent += 1
        cluster.run(0.5)
    assert sent == 10
    cluster.heal()
    cluster.run(10.0)
    assert len(receive_all(receiver)) == 10
    assert cluster.lost(1) == 0


def test_a_stalled_receiver_slows_only_its_own_producers() -> None:
    """Beside it, on the same link, another channel has its window to itself."""
    cluster = Cluster(config=Config(window_bytes=1000))
    stalled, _ = channel(cluster, 1, 0)
    flowing, receiver = channel(cluster, 1, 0)
    received: list[Any] = []
    for n in range(500):
        while stalled.is_writable:
            stalled.send(pack(b"x" * 50))
        received += cluster.send_all(flowing, [n], receiver)
        cluster.run(0.001)
    cluster.run(0.1)
    assert received + receive_all(receiver) == list(range(500))
    assert not stalled.is_writable
    assert cluster.now < 2.0


def test_a_peer_that_grants_without_end_harms_only_itself() -> None:
    """Numbers as large as the wire has are taken as they are."""
    stage, link, producer = opened(credit=0xFFFFFFFF)
    for _ in range(3):
        stage.send(link, Kind.CREDIT, value=0xFFFFFFFF)
    assert producer.credit == 4 * 0xFFFFFFFF
    assert stage.say(link, encode_frame(Kind.PING))[-1].kind == Kind.PONG
