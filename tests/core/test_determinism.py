"""A core is a function of its seed and its inputs, and can be copied."""

from __future__ import annotations

from collections.abc import Callable
import copy
from functools import partial
import random
from typing import Any

import pytest

from comm.broadcast import Token
from comm.config import Config
from comm.effects import Effect
from comm.errors import BrokenError, EndOfChannel, WouldBlock
from tests.helpers import BYTES, Cluster, pack, unpack


TOKEN: Token[Any] = Token("news")

TIGHT = Config(
    window_bytes=300,
    chunk_bytes=40,
    heartbeat_interval_s=0.3,
    heartbeat_timeout_s=0.6,
    handshake_timeout_s=0.5,
    resume_window_s=5.0,
)


class Story:
    """Three nodes that send, receive and lose links as a seed has it."""

    def __init__(self, seed: int, **options: Any) -> None:
        self.draw = random.Random(seed)
        self.cluster = Cluster(3, config=TIGHT, seed=seed, **options)
        cluster = self.cluster
        made = [core.open_mpsc(BYTES) for core in cluster.cores if core]
        self.receivers = [receiver for _, receiver in made]
        self.receivers += [
            core.open_broadcast_receiver(TOKEN, BYTES) for core in cluster.cores if core
        ]
        self.producers: list[Any] = [
            core.connect(sender, BYTES, cluster.now)
            for core in cluster.cores
            if core
            for sender, _ in made
        ]
        self.producers += [
            core.open_broadcast_sender(TOKEN, BYTES, cluster.now)
            for core in cluster.cores
            if core
        ]
        self.taken: list[list[Any]] = [[] for _ in self.receivers]
        self.sent = [0] * len(self.producers)

    def step(self) -> None:
        draw, cluster = self.draw, self.cluster
        name = draw.randrange(len(self.producers))
        for _ in range(draw.randrange(4)):
            try:
                item = [name, self.sent[name], b"x" * draw.choice([1, 30, 200])]
                self.producers[name].send(pack(item))
                self.sent[name] += 1
            except (WouldBlock, BrokenError):
                break
        if draw.random() < 0.5:
            self.take(draw.randrange(len(self.receivers)))
        if draw.random() < 0.05:
            first, second = draw.sample(range(3), 2)
            cluster.cut(first, second, draw.choice(["reset", "silence"]))
        cluster.run(draw.choice([0.0, 0.001, 0.01, 0.2]))

    def take(self, index: int) -> bool:
        try:
            self.taken[index] += unpack(self.receivers[index].take().payload)
        except (WouldBlock, EndOfChannel, BrokenError):
            return False
        return True

    def finish(self) -> None:
        for producer in self.producers:
            producer.finish()
        for _ in range(40):
            self.cluster.run(0.5)
            for index in range(len(self.receivers)):
                while self.take(index):
                    pass

    def prints(self) -> list[str]:
        return [core.fingerprint() for core in self.cluster.cores if core]

    def order(self) -> list[list[Any]]:
        """Returns what each receiver got of each producer, in order."""
        return [
            [item[:2] for item in got if item[0] == name]
            for got in self.taken
            for name in range(len(self.producers))
        ]


def play(seed: int, steps: int, **options: Any) -> Story:
    story = Story(seed, **options)
    for _ in range(steps):
        story.step()
    return story


@pytest.mark.parametrize("seed", range(3))
def test_the_same_seed_gives_the_same_effects(seed: int) -> None:
    """Every one of them, in the same order, and the same state behind them."""
    one, other = play(seed, 60), play(seed, 60)
    assert one.cluster.effects == other.cluster.effects or plain(one) == plain(other)
    assert one.prints() == other.prints()
    assert one.taken == other.taken


def plain(story: Story) -> list[list[str]]:
    """Effects as text: two errors are alike if they say the same."""
    return [[repr(effect) for effect in effects] for effects in story.cluster.effects]


def test_another_seed_gives_other_incarnations() -> None:
    """Entropy is an argument, and all of it is used."""
    one, other = Cluster(seed=1), Cluster(seed=2)
    assert one[0].incarnation != one[1].incarnation != other[1].incarnation


@pytest.mark.parametrize("seed", range(3))
def test_a_copy_is_an_independent_twin(seed: int) -> None:
    """It has the same fingerprint; what happens to one does not touch the other; and
    what happens to both in the same way keeps them alike."""
    story = play(seed, 40)
    twin = copy.deepcopy(story)
    assert twin.prints() == story.prints()
    for _ in range(20):
        story.step()
    moved = story.prints()
    assert moved != twin.prints()
    for _ in range(20):
        twin.step()
        assert story.prints() == moved
    assert twin.prints() == moved
    assert plain(twin) == plain(story)


def test_asking_changes_nothing() -> None:
    """Queries have no side effects on the state."""
    story = play(1, 30)
    for core in story.cluster.cores:
        assert core is not None
        before = core.fingerprint()
        core.statistics()
        core.undelivered()
        core.next_timeout()
        core.missing()
        core.check_invariants()
        assert core.peers
        assert core.fingerprint() == before


@pytest.mark.parametrize("chunk", [1, 3, 50])
def test_how_bytes_are_cut_on_arrival_plays_no_part(chunk: int) -> None:
    """What each receiver gets of each producer, and what is told, is the same."""
    whole = calm(0)
    pieces = calm(chunk)
    assert pieces.order() == whole.order()
    for node in range(3):
        assert pieces.cluster.events(node) == whole.cluster.events(node)


def calm(chunk: int) -> Story:
    """A story without cuts: where those fall depends on the pieces."""
    story = Story(5, chunk=chunk)
    story.cluster.check = False
    for index, producer in enumerate(story.producers):
        story.cluster.run_until(partial(getattr, producer, "is_writable"))
        for n in range(4):
            producer.send(pack([index, n, b"x" * 60]))
    story.finish()
    assert all(story.order()[i] is not None for i in range(len(story.producers)))
    return story


class Lazy(Cluster):
    """A cluster whose drivers take effects only now and then."""

    def __init__(self, *args: Any, **options: Any) -> None:
        self.calls = 0
        super().__init__(*args, **options)

    def settle(self) -> None:
        self.calls += 1
        if self.calls % 3 == 0:
            super().settle()

    def _next_event(self) -> tuple[float, Callable[[], None] | None]:
        at, action = super()._next_event()
        if action is None or at > self.now + 0.001:
            super().settle()
            at, action = super()._next_event()
        return at, action


def test_when_effects_are_taken_plays_no_part() -> None:
    """Several facts and commands may come before: the outcome is the same."""

    def outcome(kind: type[Cluster]) -> list[Any]:
        cluster = kind(2, config=TIGHT)
        sender, receiver = cluster[0].open_mpsc(BYTES)
        producer = cluster[1].connect(sender, BYTES, cluster.now)
        cluster.run(0.5)
        got: list[Any] = []
        for n in range(50):
            while not producer.is_writable:
                while receiver.is_readable:
                    got += unpack(receiver.take().payload)
                cluster.run(0.01)
            producer.send(pack([n, b"x" * 100]))
            if n in {10, 30}:
                cluster.cut(0, 1)
        cluster.run(5.0)
        while receiver.is_readable:
            got += unpack(receiver.take().payload)
        assert cluster.lost(1) == 0
        return got

    assert outcome(Lazy) == outcome(Cluster)
    assert len(outcome(Lazy)) == 50


def test_effects_are_values() -> None:
    """They can be compared and printed, for traces and tests."""
    story = play(2, 10)
    effects: list[Effect] = [e for effects in story.cluster.effects for e in effects]
    assert copy.deepcopy(effects[0]) == effects[0]
    assert all("object at 0x" not in repr(effect) for effect in effects)
