"""Drawn worlds: channels under cuts, partitions and restarts, against a model."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
import random
from typing import Any

import pytest

from comm.broadcast import Token
from comm.config import Config
from comm.errors import BrokenError, ClosedError, EndOfChannel, Error, WouldBlock
from comm.events import LossReport
from tests.helpers import BYTES, Cluster, pack, unpack


TOKEN: Token[Any] = Token("news")


class Source:
    """A producer, and what its application knows of it."""

    def __init__(self, world: World, node: int, core: Any) -> None:
        self.name = len(world.sources)
        self.node = node
        self.producer = core
        self.incarnation = world.cluster[node].incarnation
        self.accepted = 0


class World:
    """A cluster whose applications and faults are drawn from a seed.

    Every item names its producer and its number, so that whatever is received can be
    held against what was accepted and what was reported as lost.
    """

    def __init__(self, seed: int) -> None:
        self.draw = random.Random(seed)
        self.size = self.draw.choice([2, 2, 3, 4])
        self.config = Config(
            window_bytes=self.draw.choice([64, 300, 4000]),
            chunk_bytes=self.draw.choice([16, 100, 1000]),
            heartbeat_interval_s=1.0,
            heartbeat_timeout_s=2.0,
            resume_window_s=self.draw.choice([4.0, 10.0]),
        )
        self.cluster = Cluster(
            self.size,
            config=self.config,
            seed=seed,
            latency_s=self.draw.choice([0.0001, 0.01, 0.2]),
            chunk=self.draw.choice([0, 0, 7, 64]),
        )
        self.cluster.check = True
        self.sources: list[Source] = []
        self.receivers: list[tuple[int, Any]] = []
        # Every receiver that there ever was: a freed one's identity would be reused.
        self._all_receivers: list[Any] = []
        self.senders: list[Any] = []
        # What was taken, by the receiver and the producer, in the order of receipt.
        self.taken: dict[tuple[int, int], list[int]] = {}
        # Items that are known to be lost, at the time at which this was reported.
        self.reported: set[tuple[bytes, int, int, int]] = set()

    # The application's part.

    def open(self) -> None:
        node = self.live_node()
        limit = self.draw.choice([None, None, 1, 3])
        sender, receiver = self.cluster[node].open_mpsc(BYTES, max_producers=limit)
        self.senders.append(sender)
        self.add_receiver(node, receiver)

    def connect(self) -> None:
        if not self.senders:
            return
        node = self.live_node()
        sender = self.draw.choice(self.senders)
        try:
            core = self.cluster[node].connect(sender, BYTES, self.cluster.now)
        except BrokenError:
            return
        self.sources.append(Source(self, node, core))

    def broadcast(self) -> None:
        node = self.live_node()
        core = self.cluster[node].open_broadcast_sender(TOKEN, BYTES, self.cluster.now)
        self.sources.append(Source(self, node, core))

    def subscribe(self) -> None:
        node = self.live_node()
        if not any(r.channel == TOKEN.channel for n, r in self.receivers if n == node):
            receiver = self.cluster[node].open_broadcast_receiver(TOKEN, BYTES)
            self.add_receiver(node, receiver)

    def add_receiver(self, node: int, receiver: Any) -> None:
        self.receivers.append((node, receiver))
        self._all_receivers.append(receiver)

    def send(self) -> None:
        for _ in range(self.draw.randrange(1, 8)):
            source = self.live_source()
            if source is None:
                return
            size = self.draw.choice([0, 1, 10, 200, 1500])
            try:
                source.producer.send(pack([source.name, source.accepted, b"x" * size]))
                source.accepted += 1
            except (WouldBlock, Error):
                pass

    def take(self) -> None:
        for _ in range(self.draw.randrange(1, 6)):
            if self.receivers:
                self.take_from(*self.draw.choice(self.receivers))

    def take_from(self, node: int, receiver: Any) -> bool:
        try:
            batch = receiver.take()
        except (WouldBlock, EndOfChannel, ClosedError):
            return False
        except BrokenError:
            return True
        items = unpack(batch.payload)
        assert len(items) == batch.count
        for offset, (name, number, _) in enumerate(items):
            source = self.sources[name]
            if receiver.channel != TOKEN.channel:
                assert number == batch.sequence + offset
            assert batch.node_id == source.node
            key = (source.incarnation, source.producer.id, node, number)
            assert key not in self.reported, "delivered after it was reported lost"
            self.taken.setdefault((id(receiver), name), []).append(number)
        return True

    def end(self) -> None:
        source = self.live_source()
        if source is not None:
            if self.draw.random() < 0.7:
                source.producer.finish()
            else:
                source.producer.abort("drawn")

    def end_receiver(self) -> None:
        if self.receivers:
            _, receiver = self.draw.choice(self.receivers)
            if self.draw.random() < 0.5:
                receiver.close()
            else:
                receiver.seal()

    def flush(self) -> None:
        source = self.live_source()
        if source is not None:
            with suppress(Error):
                source.producer.request_flush()

    # The world's part.

    def wait(self) -> None:
        self.cluster.run(self.draw.choice([0.0, 0.001, 0.01, 0.3, 2.0]))

    def wait_long(self) -> None:
        self.cluster.run(self.draw.choice([5.0, 20.0]))

    def cut(self) -> None:
        first, second = self.draw.sample(range(self.size), 2)
        self.cluster.cut(first, second, self.draw.choice(["reset", "silence"]))

    def partition(self) -> None:
        first, second = self.draw.sample(range(self.size), 2)
        self.cluster.partition(first, second)

    def heal(self) -> None:
        self.cluster.heal()

    def crash(self) -> None:
        node = self.draw.randrange(self.size)
        if self.cluster.cores[node] is not None:
            self.cluster.crash(node)
            self.receivers = [(n, r) for n, r in self.receivers if n != node]
        else:
            self.restart(node)

    def restart(self, node: int) -> None:
        self.cluster.restart(node)

    # Running and checking.

    def live_node(self) -> int:
        live = [n for n in range(self.size) if self.cluster.cores[n] is not None]
        if not live:
            self.restart(0)
            return 0
        return self.draw.choice(live)

    def is_live(self, source: Source) -> bool:
        core = self.cluster.cores[source.node]
        return core is not None and core.incarnation == source.incarnation

    def live_source(self) -> Source | None:
        live = [source for source in self.sources if self.is_live(source)]
        return self.draw.choice(live) if live else None

    def step(self) -> None:
        actions: list[tuple[Callable[[], None], int]] = [
            (self.open, 3),
            (self.connect, 6),
            (self.broadcast, 2),
            (self.subscribe, 2),
            (self.send, 30),
            (self.take, 15),
            (self.end, 3),
            (self.end_receiver, 1),
            (self.flush, 3),
            (self.wait, 20),
            (self.wait_long, 1),
            (self.cut, 4),
            (self.partition, 1),
            (self.heal, 2),
            (self.crash, 1),
        ]
        choices, weights = zip(*actions, strict=True)
        self.draw.choices(choices, weights)[0]()
        self.note_losses()

    def note_losses(self) -> None:
        for source in self.sources:
            if self.is_live(source):
                for leg in self.legs(source):
                    statistics = leg.statistics()
                    assert statistics.accepted == (
                        statistics.delivered + statistics.lost + statistics.queued_items
                    )
                    self.note_leg(source, leg, statistics)

    def legs(self, source: Source) -> list[Any]:
        producer = source.producer
        if hasattr(producer, "_legs"):
            return [leg for leg in producer._legs.values() if leg is not None]
        return [producer]

    def note_leg(self, source: Source, leg: Any, statistics: Any) -> None:
        # A producer loses the last items that it accepted, never earlier ones.
        first = statistics.accepted - statistics.lost
        if hasattr(source.producer, "_legs"):
            return
        for number in range(first, statistics.accepted):
            key = (source.incarnation, source.producer.id, leg.node_id, number)
            self.reported.add(key)

    def finish(self) -> None:
        """Heals everything, and lets every application come to its end."""
        for node in range(self.size):
            if self.cluster.cores[node] is None:
                self.restart(node)
        self.cluster.heal()
        for core in self.cluster.cores:
            assert core is not None
            core.dial_all(self.cluster.now)
        for _ in range(200):
            self.cluster.run(0.5)
            self.note_losses()
            took = [self.take_from(node, r) for node, r in self.receivers]
            subscribed = [n for n in range(self.size) if self.cluster.cores[n]]
            for node in subscribed:
                if not any(
                    r.channel == TOKEN.channel for n, r in self.receivers if n == node
                ):
                    receiver = self.cluster[node].open_broadcast_receiver(TOKEN, BYTES)
                    self.add_receiver(node, receiver)
            if not any(took) and not any(
                c.undelivered() for c in self.cluster.cores if c
            ):
                break
        else:
            raise AssertionError(f"not at rest: {self.cluster.pending()}")
        self.cluster.run(2 * self.config.resume_window_s)
        while sum(self.take_from(node, r) for node, r in self.receivers):
            self.cluster.run(0.5)

    def check(self) -> None:
        """Asserts what must hold at the end of every run."""
        for (_, name), numbers in self.taken.items():
            assert numbers == sorted(set(numbers)), "out of order, or twice"
            assert max(numbers) < self.sources[name].accepted
        for source in self.sources:
            if not self.is_live(source) or hasattr(source.producer, "_legs"):
                continue
            self.check_source(source)

    def check_source(self, source: Source) -> None:
        statistics = source.producer.statistics()
        assert statistics.accepted == source.accepted
        assert statistics.queued_items == 0
        taken = [
            numbers for (_, name), numbers in self.taken.items() if name == source.name
        ]
        assert len(taken) <= 1
        got = taken[0] if taken else []
        # What was taken has no gaps: only the tail of a producer can be missing.
        assert got == list(range(len(got)))
        reports = [
            report
            for report in self.cluster.events(source.node, LossReport)
            if report.channel == source.producer.target.channel
        ]
        assert statistics.lost <= sum(report.count for report in reports)

    def run(self, steps: int) -> None:
        for _ in range(steps):
            self.step()
        self.finish()
        self.check()


@pytest.mark.parametrize("block", range(8))
def test_promises_hold_in_drawn_worlds(block: int) -> None:
    """In no drawn world is an item repeated, overtaken, lost without a report, or
    delivered after it was reported as lost; and every world comes to rest."""
    for seed in range(block * 25, block * 25 + 25):
        try:
            World(seed).run(steps=120)
        except Exception as error:
            error.add_note(f"World({seed}).run(steps=120)")
            raise
