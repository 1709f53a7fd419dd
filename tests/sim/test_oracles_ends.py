"""How channels end: each way to break G3 and G9 is found."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from comm.broadcast import Token
from comm.config import Config
from comm.errors import (
    EndOfChannel,
    PeerLost,
    ProducerLost,
    ReceiverClosed,
    StaleSender,
    TooManyProducers,
    WouldBlock,
)
from comm.mpsc import Batch, ReceiverCore
from comm.mpsc.inlet import Inlet
from comm.protocol import Reason
from comm.sim import MachineCluster
from comm.sim.machine import EAGER, STALLED
from comm.sim.oracles.ends import Ends
from tests.sim.machines import broken, channel, connect, oracle, settle, transfer


NEWS: Token[bytes] = Token("news")


@pytest.fixture(name="cluster")
def _cluster() -> Iterator[MachineCluster]:
    with MachineCluster(3, config=Config(resume_window_s=8.0)) as cluster:
        cluster.meet()
        yield cluster


def test_a_channel_that_ends_in_order_raises_nothing(cluster: MachineCluster) -> None:
    """Limits, sealing, fan-outs, producers that finish, that are aborted and that die:
    all of it is quiet."""
    source, sink = channel(cluster, max_producers=3)
    other, third = connect(cluster[1], sink), connect(cluster[2], sink)
    cluster.run(1.0)
    spare = connect(cluster[1], sink)
    sealed, sealed_sink = channel(cluster)
    shared, shared_sink = channel(cluster, max_producers=1)
    members = cluster[0].fan_out(shared_sink, 2)
    for each in (source, other, third, sealed, shared):
        each.offer(5, 20)
    cluster.run(1.0)
    sealed_sink.seal()
    for each in (source, sealed, shared):
        each.finish()
    other.abort()
    cluster.crash(2)
    cluster.run(30.0)
    assert isinstance(spare.error, TooManyProducers)
    assert [s.is_ended for s in (sink, sealed_sink, *members)] == [True] * 4
    assert len(sink.errors) == 2
    settle(cluster)


def test_a_source_that_nobody_took_is_found(cluster: MachineCluster) -> None:
    """A source that is said to be taken, and no sink was made for its sender, breaks
    G3; a broadcast needs none."""
    source, sink = channel(cluster)
    sender = sink.sender
    assert sender is not None
    source.sender = replace(sender, incarnation=bytes(16))
    with broken("G3", "source 0 was taken by nobody's channel"):
        cluster.watcher.source_opened(source)
    cluster.watcher.source_opened(cluster[1].broadcast(NEWS))


def test_a_stale_source_must_be_one(cluster: MachineCluster) -> None:
    """A core that calls a sender stale whose process is there breaks G3."""
    source, sink = channel(cluster)
    error = StaleSender("in a test")
    with broken("G3", "source 0 is no stale one"):
        cluster.watcher.source_failed(source, error)
    cluster.tainted[0, 1] = None
    cluster.watcher.source_failed(source, error)
    cluster.tainted.clear()
    cluster.watcher.source_failed(source, PeerLost("another reason"))
    cluster.restart(0)
    cluster.watcher.source_failed(source, error)
    assert not sink.is_alive


@pytest.mark.parametrize("how", ["crash", "restart"])
def test_a_stale_source_must_be_called_so(cluster: MachineCluster, how: str) -> None:
    """A core that says of a sender whose process is gone that its receiver was closed
    breaks G3; unless it was, or its node had left, or the source had been taken."""
    error = ReceiverClosed("in a test")
    taken, _ = channel(cluster, sender=1, receiver=0)
    closed_sink, sink, living = (cluster[node].open() for node in (0, 0, 2))
    closed, stale, alive = (connect(cluster[1], s) for s in (closed_sink, sink, living))
    left = connect(cluster[1], cluster[2].open())
    cluster.watcher.source_failed(alive, error)
    closed_sink.close()
    getattr(cluster, how)(0)
    cluster.watcher.source_failed(taken, error)
    cluster.watcher.source_failed(closed, error)
    with broken("G3", "source 2 is a stale one: in a test"):
        cluster.watcher.source_failed(stale, error)
    cluster.leave(2)
    cluster.run(3.0)
    cluster.watcher.source_failed(left, error)


def test_a_refusal_must_have_a_reason(
    cluster: MachineCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A core that refuses a producer as one too many, and it is none, breaks G9."""
    sink = cluster[0].open(max_producers=2)
    connect(cluster[1], sink)
    cluster.run(1.0)

    def refuse(receiver: ReceiverCore, inlet: Inlet) -> Reason:
        del receiver, inlet
        return Reason.TOO_MANY_PRODUCERS

    monkeypatch.setattr(ReceiverCore, "_objection", refuse)
    connect(cluster[2], sink)
    with broken("G9", "source 1 was refused too early"):
        cluster.run(1.0)


def test_a_refusal_by_a_full_channel_is_right(cluster: MachineCluster) -> None:
    """A channel that is full, or sealed, or whose process is gone since, has refused
    rightly; and a fan-out is full if its receiver was sealed by any member."""
    error = TooManyProducers("in a test")
    full, _ = channel(cluster, max_producers=1)
    sealed, sealed_sink = channel(cluster)
    sealed_sink.seal()
    shared, shared_sink = channel(cluster)
    members = cluster[0].fan_out(shared_sink, 2)
    for source in (full, sealed):
        cluster.watcher.source_failed(source, error)
    with broken("G9", "refused too early"):
        cluster.watcher.source_failed(shared, error)
    members[1].seal()
    cluster.watcher.source_failed(shared, error)
    gone, _ = channel(cluster, sender=1, receiver=2)
    cluster.crash(2)
    cluster.watcher.source_failed(gone, error)


def test_items_behind_the_end_are_found(cluster: MachineCluster) -> None:
    """A core that gives items to a receiver that has ended breaks G9."""
    source, sink = channel(cluster, max_producers=1)
    transfer(cluster, source, sink, count=1)
    source.offer(1, 20)
    sink.is_ended = True
    item = source.accepted[0]
    with broken("G9", "sink 0 got items behind its end"):
        oracle(cluster, Ends).handed_out(
            sink, Batch(item, 1, 1, 0, 0, 0, 0), 0, 1, item
        )


def test_who_has_no_end_is_told_of_nobody(
    cluster: MachineCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A channel without a limit goes on: to raise what became of a producer breaks
    G9."""
    source, _ = channel(cluster)
    monkeypatch.setattr(ReceiverCore, "is_limited", property(lambda core: True))
    source.abort()
    with broken("G9", "sink 0, without end, was told: .*aborted"):
        cluster.run(1.0)


def test_who_can_end_is_told(cluster: MachineCluster) -> None:
    """A channel with a limit, or one that was sealed, says who did not finish."""
    ends, error = oracle(cluster, Ends), ProducerLost("in a test")
    limited, sealed, plain = (
        cluster[0].open(max_producers=9),
        cluster[0].open(),
        cluster[0].open(),
    )
    sealed.seal()
    ends.sink_told(limited, error)
    ends.sink_told(sealed, error)
    with broken("G9", "without end"):
        ends.sink_told(plain, error)


def end_early(monkeypatch: pytest.MonkeyPatch) -> None:
    """Has receivers end where they should wait."""
    take = ReceiverCore.take

    def ended(core: ReceiverCore) -> Batch:
        try:
            return take(core)
        except WouldBlock:
            raise EndOfChannel("too early") from None

    monkeypatch.setattr(ReceiverCore, "take", ended)


def test_an_end_that_is_none_is_found(
    cluster: MachineCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A core that ends a channel to which more producers may attach breaks G9."""
    source, _ = channel(cluster, max_producers=2)
    end_early(monkeypatch)
    source.offer(1, 20)
    source.finish()
    with broken("G9", "sink 0 ended, and more could have come"):
        cluster.run(1.0)


def test_an_end_that_comes_too_early_is_found(
    cluster: MachineCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A core that ends a channel while a producer has not finished breaks G9."""
    source, _ = channel(cluster, max_producers=1)
    end_early(monkeypatch)
    source.offer(1, 20)
    with broken("G9", r"sink 0 ended; sources \[0\] had not finished"):
        cluster.run(1.0)


def test_an_end_that_hides_a_loss_is_found(cluster: MachineCluster) -> None:
    """A core that ends a channel as if a producer that was aborted had finished breaks
    G9."""
    source, sink = channel(cluster, max_producers=1)
    another, _ = channel(cluster)
    another.abort()  # An event of the node tells of this one.
    sink.set_pace(STALLED)
    source.offer(1, 20)
    cluster.run(1.0)
    source.abort()
    cluster.run(1.0)
    for inlet in sink.core.inlets:  # type: ignore[union-attr] # it is a receiver's
        inlet.error, inlet.is_finished = None, True
    with broken("G9", r"sources \[0\] had not finished, and it was told of 0"):
        sink.set_pace(EAGER)


def test_what_was_told_before_counts(cluster: MachineCluster) -> None:
    """Who did not finish may have been told before the channel could end: by an event,
    or to the receiver in whose place a fan-out is."""
    source, sink = channel(cluster)
    source.abort()
    cluster.run(1.0)
    sink.seal()
    cluster.run(1.0)
    assert sink.is_ended
    assert sink.errors == []
    lost, shared = channel(cluster, max_producers=2)
    other = connect(cluster[2], shared)
    cluster.run(1.0)
    lost.abort()
    cluster.run(1.0)
    assert len(shared.errors) == 1
    members = cluster[0].fan_out(shared, 2)
    other.finish()
    cluster.run(1.0)
    assert all(member.is_ended for member in members)


def test_more_than_the_limit_are_found(
    cluster: MachineCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A core that takes one producer too many breaks G9."""
    sink = cluster[0].open(max_producers=2)
    for _ in range(2):
        connect(cluster[1], sink)
    cluster.run(1.0)
    settle(cluster)
    monkeypatch.setattr(ReceiverCore, "is_full", property(lambda core: False))
    monkeypatch.setattr(ReceiverCore, "check_invariants", lambda core: None)
    connect(cluster[1], sink)
    cluster.run(1.0)
    with broken("G9", "sink 0 took 3 of at most 2"):
        settle(cluster)


def never_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """Has receivers wait where they should end."""
    monkeypatch.setattr(ReceiverCore, "is_ended", property(lambda core: False))


@pytest.mark.parametrize("how", ["finish", "abort", "crash"])
def test_an_end_that_does_not_come_is_found(
    cluster: MachineCluster, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    """A core that keeps a receiver waiting although every producer has finished, was
    aborted or is gone breaks G9."""
    source, sink = channel(cluster, max_producers=1)
    never_end(monkeypatch)
    transfer(cluster, source, sink, count=1)
    settle(cluster)
    if how == "crash":
        cluster.crash(1)
    else:
        getattr(source, how)()
    cluster.run(20.0)
    with broken("G9", "sink 0 has not ended, and all its sources have"):
        settle(cluster)


def test_who_has_to_wait_need_not_have_ended(
    cluster: MachineCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A channel that is not full, one that stalls, one whose sources go on or were
    tampered with, and one that is gone, may be without an end."""
    never_end(monkeypatch)
    open_source, _ = channel(cluster, max_producers=2)
    open_source.finish()
    channel(cluster, max_producers=1)
    stalled, stalled_sink = channel(cluster, max_producers=1)
    stalled_sink.set_pace(STALLED)
    stalled.finish()
    shared, shared_sink = channel(cluster, max_producers=1)
    quick, slow = cluster[0].fan_out(shared_sink, 2)
    slow.set_pace(STALLED)
    shared.finish()
    closed, closed_sink = channel(cluster, max_producers=1)
    closed.finish()
    cluster.run(1.0)
    closed_sink.close()
    settle(cluster)
    slow.close()
    assert quick.pace is EAGER
    with broken("G9", f"sink {quick.name} has not ended"):
        settle(cluster)
    cluster.tainted[0, 1] = None
    settle(cluster)


def test_a_sealed_broadcast_ends_with_its_sources(
    cluster: MachineCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A receiver of a broadcast that was sealed has to end when all its senders have
    closed."""
    never_end(monkeypatch)
    source, sink = cluster[0].broadcast(NEWS), cluster[1].subscribe(NEWS)
    source.offer(1, 20)
    cluster.run(1.0)
    sink.seal()
    settle(cluster)
    source.finish()
    cluster.run(1.0)
    with broken("G9", "sink 0 has not ended"):
        settle(cluster)
