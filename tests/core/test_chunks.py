"""Large items are cut, and put together again."""

from __future__ import annotations

from typing import Any

import pytest

from comm.config import Config
from comm.effects import Abort, LinkId
from comm.mpsc import ReceiverCore, Sender
from comm.protocol import Frame, Kind
from tests.helpers import BYTES, Cluster, pack, receive_all
from tests.stage import STRANGER, Stage, channel, frames_sent


SENDER: Sender[Any] = Sender("comm", 1, STRANGER, b"c" * 16, *BYTES)


def open_stream(config: Config | None = None) -> tuple[Stage, ReceiverCore, LinkId]:
    stage = Stage(config=config)
    _, receiver = stage.core.open_mpsc(BYTES)
    link = stage.establish()
    stage.open(link, receiver)
    return stage, receiver, link


def sent(cluster: Cluster) -> list[Frame]:
    """Returns the frames of node 1, in order."""
    return [f for fs in frames_sent(cluster.effects[1]).values() for f in fs]


@pytest.mark.parametrize("size", [0, 1, 95, 96, 97, 191, 192, 193, 5000])
@pytest.mark.parametrize("chunk", [0, 1, 50])
def test_items_of_every_size_arrive_whole(size: int, chunk: int) -> None:
    """One below, at and above a chunk, however the bytes arrive."""
    cluster = Cluster(config=Config(chunk_bytes=100), chunk=chunk)
    producer, receiver = channel(cluster, 1, 0)
    items = [b"x" * size, "between", b"y" * size]
    for item in items:
        producer.send(pack(item))
    cluster.run(0.1)
    assert receive_all(receiver) == items
    data = [f for f in sent(cluster) if f.kind in {Kind.DATA, Kind.PART}]
    assert max(len(frame.payload) for frame in data) <= 100
    assert (Kind.PART in {frame.kind for frame in data}) == (len(pack(items[0])) > 100)


def test_items_that_fit_together_travel_together() -> None:
    """What is accepted at once and fits into a chunk is one frame."""
    cluster = Cluster(config=Config(chunk_bytes=100))
    producer, receiver = channel(cluster, 1, 0)
    for n in range(250):
        producer.send(pack(n % 100))
    cluster.run(0.1)
    counts = [frame.value for frame in sent(cluster) if frame.kind == Kind.DATA]
    assert counts == [100, 100, 50]
    assert receive_all(receiver) == [n % 100 for n in range(250)]


def test_a_large_item_waits_in_pieces() -> None:
    """It counts as held, but there is nothing to take before its last piece."""
    stage, receiver, link = open_stream(Config(chunk_bytes=10))
    whole = pack(b"x" * 30)
    for start in (0, 10, 20):
        stage.send(link, Kind.PART, 1, 0, whole[start : start + 10])
    statistics = receiver.statistics()
    assert (statistics.buffered_bytes, statistics.buffered_items) == (30, 0)
    assert receive_all(receiver) == []
    stage.send(link, Kind.PART, 1, 1, whole[30:])
    assert receive_all(receiver) == [b"x" * 30]


def test_an_item_larger_than_a_node_takes_is_not_put_together() -> None:
    """Neither in one frame nor in pieces; the link ends at the piece too many."""
    config = Config(chunk_bytes=10, message_bytes_max=25, window_bytes=1000)
    stage, receiver, link = open_stream(config)
    for _ in range(2):
        stage.send(link, Kind.PART, 1, 0, bytes(10))
    assert not stage.ended
    stage.send(link, Kind.PART, 1, 1, bytes(6))
    assert stage.ended == {link: Abort}
    assert receiver.statistics().received == 0


def test_pieces_are_not_mixed_with_items() -> None:
    """Within one stream; an empty piece is none."""
    for kind, value, payload in (
        (Kind.DATA, 1, b"\x01"),
        (Kind.PART, 0, b""),
        (Kind.FINISH, 0, bytes(8)),
    ):
        stage, _, link = open_stream()
        stage.send(link, Kind.PART, 1, 0, b"\xc4\x02\x01")
        stage.send(link, kind, 1, value, payload)
        assert stage.ended == {link: Abort}


def test_an_item_that_is_aborted_half_way_is_dropped() -> None:
    """RESET may stand between its pieces; the reader lets go of those that came."""
    stage = Stage(config=Config(chunk_bytes=1 << 16))
    link = stage.establish()
    producer = stage.core.connect(SENDER, BYTES, stage.now)
    stage.pump()
    stage.accepts(link)
    producer.send(pack(b"x" * (1 << 19)))
    stage.pump(at_most=1)
    stage.core.handle_write_blocked(link)
    stage.pump()
    producer.abort("given up")
    stage.core.handle_write_resumed(link)
    stage.pump()
    kinds = [kind for kind in stage.kinds(link) if kind > Kind.OPEN]
    assert kinds == [Kind.PART] * 4 + [Kind.RESET]
    assert producer.statistics().lost == 1
    assert producer.statistics().queued_bytes == 0


def test_pieces_of_an_aborted_item_are_let_go_of() -> None:
    """Nothing of it is delivered, and nothing is held."""
    stage, receiver, link = open_stream()
    stage.items(link, "whole")
    stage.send(link, Kind.PART, 1, 0, b"\xc4\x02\x01")
    stage.reset(link)
    assert receive_all(receiver) == ["whole"]
    assert receiver.statistics().buffered_bytes == 0
    assert not stage.ended


def test_an_item_whose_link_is_cut_half_way_arrives_whole() -> None:
    """The pieces that had arrived are kept, the others sent again."""
    cluster = Cluster(config=Config(chunk_bytes=100))
    producer, receiver = channel(cluster, 1, 0)
    cluster.run(0.1)
    cluster.cut_at(1, 0, cluster.arrived[1, 0] + 450, "reset")
    producer.send(pack(b"x" * 1000))
    cluster.run(1.0)
    assert cluster.cut_count == 1
    assert receive_all(receiver) == [b"x" * 1000]
    assert cluster[0].statistics().peers[0].session.received == 12


def test_an_item_whose_session_is_lost_half_way_is_reported() -> None:
    """Its pieces are let go of on both sides."""
    config = Config(
        chunk_bytes=100,
        heartbeat_interval_s=0.5,
        heartbeat_timeout_s=0.5,
        resume_window_s=2.0,
    )
    cluster = Cluster(config=config)
    producer, receiver = channel(cluster, 1, 0)
    cluster.run(0.1)
    cluster.cut_at(1, 0, cluster.arrived[1, 0] + 450, "silence")
    producer.send(pack(b"x" * 1000))
    cluster.run(0.1)
    assert receiver.statistics().buffered_bytes == 300
    cluster.partition(0, 1)
    cluster.run(10.0)
    assert cluster.lost(1) == 1
    assert receiver.statistics().buffered_bytes == 0


def test_a_large_item_does_not_hold_up_others() -> None:
    """Other producers of the link have their turn between its pieces."""
    cluster = Cluster(config=Config(chunk_bytes=100))
    large, first = channel(cluster, 1, 0)
    small, second = channel(cluster, 1, 0)
    cluster.run(0.1)
    large.send(pack(b"x" * 5000))
    small.send(pack("small"))
    cluster.run(0.1)
    streams = [f.stream for f in sent(cluster) if f.kind in {Kind.DATA, Kind.PART}]
    assert streams[:3] == [1, 2, 1]
    assert receive_all(second) == ["small"]
    assert receive_all(first) == [b"x" * 5000]
