"""Whose turn it is: none starves, and each keeps its own order."""

from __future__ import annotations

from collections import Counter
from typing import Any

from comm.config import Config
from comm.protocol import Kind
from tests.helpers import BYTES, Cluster, pack, receive_all, unpack
from tests.stage import Stage, channel, frames_sent


def data_streams(cluster: Cluster, node: int) -> list[int]:
    """Returns the streams of the DATA frames that a node has sent, in order."""
    frames = [f for fs in frames_sent(cluster.effects[node]).values() for f in fs]
    return [frame.stream for frame in frames if frame.kind == Kind.DATA]


def test_producers_of_a_channel_are_served_in_turn() -> None:
    """Of three that have as much as they may, each is taken from every third time,
    and the items of each come in its own order."""
    config = Config(window_bytes=1000, chunk_bytes=20)
    cluster = Cluster(4, config=config)
    sender, receiver = cluster[0].open_mpsc(BYTES)
    producers = [cluster.connect(node, sender) for node in (1, 2, 3)]
    for number in range(60):
        for name, producer in enumerate(producers):
            producer.send(pack([name, number]))
    cluster.run(0.1)
    names: list[int] = []
    numbers: dict[int, list[int]] = {0: [], 1: [], 2: []}
    while receiver.is_readable:
        for name, number in unpack(receiver.take().payload):
            numbers[name].append(number)
        names.append(name)
    for start in range(0, len(names) - 2, 3):
        assert sorted(names[start : start + 3]) == [0, 1, 2]
    assert all(got == list(range(60)) for got in numbers.values())


def test_a_producer_that_comes_late_has_its_turn() -> None:
    """It does not wait for those that have more to give."""
    stage = Stage()
    _, receiver = stage.core.open_mpsc(BYTES)
    link = stage.establish()
    for stream in (1, 2):
        stage.open(link, receiver, stream)
    for n in range(5):
        stage.items(link, f"early {n}", stream=1)
    receiver.take()
    stage.items(link, "late", stream=2)
    taken = [unpack(receiver.take().payload) for _ in range(2)]
    assert taken == [["early 1"], ["late"]]


def test_batches_name_their_producer_and_their_place() -> None:
    """Which node, which producer, and the number of the first item."""
    stage = Stage()
    _, receiver = stage.core.open_mpsc(BYTES)
    link = stage.establish()
    for stream in (1, 2):
        stage.open(link, receiver, stream)
    stage.items(link, "a", "b", stream=1)
    stage.items(link, "c", stream=1)
    stage.items(link, "d", stream=2)
    batches = [receiver.take() for _ in range(3)]
    assert [(b.node_id, b.sequence, b.count) for b in batches] == [
        (1, 0, 2),
        (1, 0, 1),
        (1, 2, 1),
    ]
    assert batches[0].producer == batches[2].producer != batches[1].producer


def test_channels_of_a_link_take_turns() -> None:
    """One that is always full does not starve another: each has every second frame as
    long as both have something."""
    config = Config(window_bytes=100_000, chunk_bytes=1000)
    cluster = Cluster(config=config)
    greedy, _ = channel(cluster, 1, 0)
    modest, receiver = channel(cluster, 1, 0)
    cluster.run(0.1)
    while greedy.is_writable:
        greedy.send(pack(b"x" * 900))
    for n in range(20):
        modest.send(pack([n, b"y" * 900]))
    cluster.run(0.1)
    streams = data_streams(cluster, 1)
    assert streams[:40] == [1, 2] * 20
    assert Counter(streams)[1] > 100
    assert [n for n, _ in receive_all(receiver)] == list(range(20))


def test_what_the_other_side_waits_for_goes_first() -> None:
    """Acknowledgements, answers and credit overtake the data of a full link."""
    config = Config(window_bytes=1000, chunk_bytes=100)
    stage = Stage(config=config)
    _, receiver = stage.core.open_mpsc(BYTES)
    link = stage.establish()
    stage.open(link, receiver)
    (sender, _) = stage.core.open_mpsc(BYTES)
    del sender
    stage.items(link, b"x" * 400)
    stage.core.handle_write_blocked(link)
    receiver.take()
    before = len(stage.heard[link])
    stage.core.handle_write_resumed(link)
    stage.pump()
    kinds = [frame.kind for frame in stage.heard[link][before:]]
    assert kinds == [Kind.ACK, Kind.CREDIT]


def test_nodes_take_turns() -> None:
    """A node with much to send to one other serves the third one in between."""
    cluster = Cluster(3, config=Config(window_bytes=4 << 20))
    much, _ = channel(cluster, 0, 1)
    little, receiver = channel(cluster, 0, 2)
    cluster.run(0.1)
    cluster.effects[0].clear()
    for _ in range(30):
        much.send(pack(b"x" * 60_000))
    little.send(pack("little"))
    links: list[Any] = []
    while (effect := cluster[0].next_effect()) is not None:
        links.append(effect)
        cluster._carry_out(0, effect)
    sizes = [sum(map(len, effect.buffers)) for effect in links]
    assert sizes[1] < 100 < sizes[0] < 400_000
    cluster.run(0.1)
    assert receive_all(receiver) == ["little"]
