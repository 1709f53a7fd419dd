"""What strangers and slow links may cost, and what never raises."""

from __future__ import annotations

from contextlib import suppress
import random
from typing import Any

import pytest

from comm.broadcast import Token
from comm.config import Config
from comm.effects import Abort, Transmit
from comm.errors import BrokenError, MessageTooLarge, WouldBlock
from comm.mpsc import Sender
from comm.protocol import PROTOCOL_MAGIC, Kind, encode_frame
from tests.helpers import BYTES, Cluster, pack, receive_all
from tests.stage import STRANGER, Stage, channel


SENDER: Sender[Any] = Sender("comm", 1, STRANGER, b"c" * 16, *BYTES)


def test_half_open_connections_are_limited() -> None:
    """The oldest makes room; one that is admitted does not count."""
    stage = Stage(config=Config(half_open_max=3))
    admitted = stage.establish()
    links = [stage.accept() for _ in range(5)]
    assert stage.ended == {links[0]: Abort, links[1]: Abort}
    assert stage.core.statistics().half_open == 3
    assert admitted not in stage.ended
    stage.closed(links[2])
    assert stage.core.statistics().half_open == 2


def test_a_flood_of_connections_keeps_no_node_out() -> None:
    """An honest one is through its handshake before it is its turn to go."""
    stage = Stage(config=Config(half_open_max=3))
    for _ in range(100):
        stage.accept()
    stage.establish()
    assert len(stage.ended) == 98


@pytest.mark.parametrize("seed", range(20))
def test_random_bytes_are_harmless(seed: int) -> None:
    """At the port and on an established link: the connection ends, nothing raises,
    and another node's traffic goes on."""
    draw = random.Random(seed)
    stage = Stage(3)
    _, receiver = stage.core.open_mpsc(BYTES)
    link = stage.establish()
    stage.open(link, receiver)
    for round_ in range(20):
        stranger = stage.accept()
        if draw.random() < 0.5:
            stage.say(stranger, PROTOCOL_MAGIC)
        if draw.random() < 0.5 and stranger not in stage.ended:
            hello = stage.hello(node_id=2, incarnation=draw.randbytes(16))
            stage.say(stranger, hello)
        for _ in range(draw.randrange(1, 5)):
            stage.say(stranger, draw.randbytes(draw.randrange(1, 200)))
            for known in stage.core._links.all():
                assert known._connection.buffered_bytes <= 1 << 16
        stage.items(link, round_)
        stage.wait(0.2)
    assert receive_all(receiver) == list(range(20))
    assert link not in stage.ended


def noise(draw: random.Random, expected: int) -> bytes:
    """Returns a well-formed frame with nonsense in it, often in its turn."""
    return encode_frame(
        draw.choice(list(Kind)),
        draw.choice([0, 1, 1, 2]),
        draw.choice([0, expected, expected, expected, expected + 1]),
        draw.choice([0, 1, 2, 100, 0xFFFFFFFF]),
        draw.choice([b"", bytes(8), bytes(10), bytes(4), draw.randbytes(30)]),
    )


@pytest.mark.parametrize("seed", range(20))
def test_random_frames_are_harmless(seed: int) -> None:
    """The worst that comes of them is that the link ends, or the session."""
    draw = random.Random(seed)
    stage = Stage(config=Config(window_bytes=100, chunk_bytes=64))
    _, receiver = stage.core.open_mpsc(BYTES)
    sender = stage.core.open_broadcast_sender(Token("news"), BYTES, stage.now)
    body = stage.open_body(receiver.channel).encode()
    for round_ in range(40):
        incarnation = bytes([round_ // 8 + 1]) * 16
        link = stage.accept()
        stage.say(link, stage.hello(incarnation=incarnation, generation=round_ // 4))
        while link not in stage.ended and draw.random() < 0.97:
            expected = stage.core.statistics().peers[0].session.received + 1
            if draw.random() < 0.2:
                stage.say(link, encode_frame(Kind.OPEN, expected, expected, 0, body))
            stage.say(link, noise(draw, expected))
            with suppress(WouldBlock, MessageTooLarge):
                sender.send(pack(round_))
            if draw.random() < 0.1:
                with suppress(WouldBlock, BrokenError):
                    receiver.take()
        stage.wait(draw.choice([0.0, 0.5, 3.0]))
    assert stage.core.statistics().protocol_errors > 0


def test_a_blocked_link_is_given_nothing() -> None:
    """Until the driver says that it takes bytes again; then everything at once."""
    stage = Stage()
    link = stage.establish()
    producer = stage.core.connect(SENDER, BYTES, stage.now)
    stage.pump()
    stage.accepts(link)
    stage.core.handle_write_blocked(link)
    stats = stage.core.statistics().peers[0].link
    assert stats is not None
    assert stats.write_blocked
    before = len(stage.happened(Transmit))
    for n in range(10):
        producer.send(pack(n))
        stage.say(link, encode_frame(Kind.PING, value=n))
        stage.wait(0.1)
    assert len(stage.happened(Transmit)) == before
    stage.core.handle_write_resumed(link)
    stage.pump()
    assert len(stage.happened(Transmit)) == before + 1
    assert stage.kinds(link)[-1] == Kind.DATA
    assert stage.heard[link][-1].value == 10


def test_a_link_may_block_before_it_is_known_whose_it_is() -> None:
    """What follows the handshake waits like everything else."""
    stage = Stage()
    link = stage.accept()
    stage.core.handle_write_blocked(link)
    stage.say(link, stage.hello())
    assert stage.kinds(link) == [Kind.WELCOME]
    stage.core.handle_write_resumed(link)
    stage.pump()
    assert stage.kinds(link) == [Kind.WELCOME, Kind.ACK]
    other = stage.accept()
    stage.core.handle_write_blocked(other)
    stage.core.handle_write_resumed(other)
    stage.say(other, stage.resume())
    assert stage.kinds(other) == [Kind.WELCOME, Kind.ACK]


def test_one_transmit_is_bounded() -> None:
    """What is urgent need not wait behind megabytes."""
    stage = Stage()
    link = stage.establish()
    producer = stage.core.connect(SENDER, BYTES, stage.now)
    stage.pump()
    stage.accepts(link, credit=10 << 20)
    for _ in range(100):
        producer.send(pack(b"x" * 60_000))
    stage.pump(at_most=1)
    stage.core.handle_write_blocked(link)
    stage.say(link, encode_frame(Kind.PING, value=7))
    stage.core.handle_write_resumed(link)
    stage.pump()
    sizes = [sum(map(len, effect.buffers)) for effect in stage.happened(Transmit)]
    assert max(sizes) < (256 << 10) + (1 << 16) + 100
    kinds = stage.kinds(link)
    assert kinds.index(Kind.PONG) < 10


def test_figures_are_kept_all_the_way_down() -> None:
    """Statistics name what each part has done and holds; they are frozen."""
    cluster = Cluster()
    producer, receiver = channel(cluster, 1, 0)
    producer.send(pack(1))
    cluster.run(0.1)
    receive_all(receiver)
    figures = cluster[1].statistics()
    assert figures.node_id == 1
    assert figures.incarnation == cluster[1].incarnation
    (peer,) = figures.peers
    assert (peer.node_id, peer.links_established) == (0, 1)
    assert peer.link is not None
    assert peer.link.state == "established"
    assert peer.link.sent_bytes == cluster.arrived[1, 0]
    assert peer.link.received_bytes == cluster.arrived[0, 1]
    assert peer.link.buffered_bytes == 0
    assert (peer.session.state, peer.session.producers) == ("up", 1)
    assert peer.session.sent == peer.session.acknowledged == 2
    (source,) = figures.producers
    assert (source.state, source.accepted, source.delivered) == ("open", 1, 1)
    (sink,) = cluster[0].statistics().receivers
    assert (sink.received, sink.taken, sink.producers) == (1, 1, 1)
    with pytest.raises(AttributeError):
        figures.lost = 1  # type: ignore[misc]
