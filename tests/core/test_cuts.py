"""A conversation is cut at every byte offset, and nothing is lost or repeated."""

from __future__ import annotations

from typing import Any

import pytest

from comm.config import Config
from comm.effects import Opened
from comm.errors import WouldBlock
from tests.helpers import BYTES, Cluster, pack, receive_all


QUICK = Config(
    window_bytes=600,
    chunk_bytes=128,
    heartbeat_interval_s=0.5,
    heartbeat_timeout_s=1.0,
    handshake_timeout_s=1.0,
    resume_window_s=30.0,
)
"""Small windows and chunks, so that few bytes contain every kind of frame."""

ITEMS = [f"item {n}" for n in range(90)] + ["large " * 100] + list(range(40))


class Conversation:
    """Two nodes that send the same items to each other, and end in order."""

    def __init__(self) -> None:
        self.cluster = Cluster(2, config=QUICK, latency_s=0.001, chunk=97)
        self.receivers: list[Any] = []
        self.producers: list[Any] = []
        self.pending = [list(ITEMS), list(ITEMS)]
        self.received: list[list[Any]] = [[], []]
        self.senders: list[Any] = []
        for node in (0, 1):
            sender, receiver = self.cluster[node].open_mpsc(BYTES, max_producers=1)
            self.senders.append(sender)
            self.receivers.append(receiver)

    def run(self, within_s: float = 25.0) -> None:
        """Runs to the end of both channels."""
        cluster = self.cluster
        for node in (0, 1):
            sender = self.senders[1 - node]
            self.producers.append(cluster[node].connect(sender, BYTES, cluster.now))
        limit = cluster.now + within_s
        while not self.is_over:
            self.work()
            assert cluster.step(limit), f"stuck: {cluster.pending()}"

    def work(self) -> None:
        """Lets both applications do what they can at once."""
        for node in (0, 1):
            self.received[node] += receive_all(self.receivers[node])
            producer, pending = self.producers[node], self.pending[node]
            try:
                while pending:
                    producer.send(pack(pending[0]))
                    del pending[0]
            except WouldBlock:
                continue
            producer.finish()
        self.cluster.settle()

    @property
    def is_over(self) -> bool:
        return all(r.is_ended for r in self.receivers) and not any(
            self.cluster[node].undelivered() for node in (0, 1)
        )

    def check(self) -> None:
        """Asserts exactly once, in order, and nothing reported as lost."""
        for node in (0, 1):
            assert self.received[node] == ITEMS
            assert self.cluster.lost(node) == 0
            statistics = self.producers[node].statistics()
            assert statistics.accepted == statistics.delivered == len(ITEMS)
            assert len(self.cluster.happened(node, Opened)) == 1


def length_of_conversation() -> dict[tuple[int, int], int]:
    """Returns how many bytes arrive in each direction when nothing is cut."""
    conversation = Conversation()
    conversation.run()
    conversation.check()
    return conversation.cluster.arrived


LENGTHS = length_of_conversation()
BLOCKS = 8


def test_the_conversation_is_long_enough() -> None:
    """At least 2,000 bytes go over the wire in each direction."""
    assert min(LENGTHS[0, 1], LENGTHS[1, 0]) >= 2000


@pytest.mark.exhaustive
@pytest.mark.parametrize("block", range(BLOCKS))
@pytest.mark.parametrize("how", ["reset", "silence"])
@pytest.mark.parametrize("direction", [(0, 1), (1, 0)])
def test_a_cut_at_any_offset_loses_and_repeats_nothing(
    direction: tuple[int, int], how: str, block: int
) -> None:
    """G1 and G2 hold whichever byte is the last one before the link is cut."""
    for offset in range(block, LENGTHS[direction] + 1, BLOCKS):
        conversation = Conversation()
        conversation.cluster.check = offset % 50 == block
        conversation.cluster.cut_at(*direction, offset, how)
        conversation.run()
        conversation.check()
        assert conversation.cluster.cut_count == 1, f"not cut at {offset}"


@pytest.mark.parametrize("seed", range(20))
def test_many_cuts_lose_and_repeat_nothing(seed: int) -> None:
    """G1 and G2 hold however often the link is cut, wherever it is."""
    conversation = Conversation()
    cluster = conversation.cluster
    step = 400 + 13 * seed
    for direction in ((0, 1), (1, 0)):
        cluster.cut_at(*direction, step, "reset")
    original = cluster._cut_wire

    def cut_and_arm_the_next(wire: Any, how: str) -> None:
        original(wire, how)
        for direction in ((0, 1), (1, 0)):
            reached = cluster.arrived.get(direction, 0)
            kind = "silence" if (reached + seed) % 3 == 0 else "reset"
            cluster.cut_at(*direction, reached + step, kind)

    cluster._cut_wire = cut_and_arm_the_next  # type: ignore[method-assign]
    conversation.run(within_s=300)
    conversation.check()
    assert cluster.cut_count > 3
