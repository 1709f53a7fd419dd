"""What applications are told in time, and what of it may not be wrong: flushes, closed
receivers, broadcasts that go on, nodes that leave (G2, G14, G16)."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from comm.broadcast import Token
from comm.broadcast.sender import BroadcastSenderCore
from comm.config import Config
from comm.errors import ClosedError, Error, PeerLost, UsageError
from comm.events import LossReport, PeerDown, PeerUp
from comm.mpsc import ProducerCore, ReceiverCore
from comm.peer.peer import PeerCore
from comm.sim import MachineCluster
from comm.sim.machine import STALLED, Pace, Sink, Source
from comm.sim.oracles.broadcasts import Broadcasts
from comm.sim.oracles.leaving import Leaving
from comm.sim.world import SECOND
from tests.sim.machines import (
    broken,
    channel,
    connect,
    oracle,
    settle,
    told,
    transfer,
)


NEWS: Token[bytes] = Token("news")


@pytest.fixture(name="cluster")
def _cluster() -> Iterator[MachineCluster]:
    with MachineCluster(3, config=Config(window_bytes=4000)) as cluster:
        cluster.meet()
        cluster.run(1.0)
        yield cluster


def premature(monkeypatch: pytest.MonkeyPatch) -> None:
    """Has producers take everything for delivered."""
    monkeypatch.setattr(ProducerCore, "_is_flushed", property(lambda core: True))


def test_a_flush_that_is_told_too_early_is_found(
    cluster: MachineCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A core that tells of deliveries before they are breaks G2, also if what others
    have sent has come."""
    source, sink = channel(cluster)
    other = connect(cluster[2], sink)
    cluster.run(1.0)
    transfer(cluster, other, sink, count=2)
    other.flush()
    cluster.run(1.0)
    premature(monkeypatch)
    source.offer(3, 20)
    with broken("G2", "sources of sink 0 were told that 5 items are delivered, and 2 "):
        source.flush()


def test_a_flush_that_is_told_in_time_is_none(cluster: MachineCluster) -> None:
    """A correct core is quiet: with items that were lost, a channel that was closed,
    and a broadcast."""
    source, sink = channel(cluster)
    other, _ = channel(cluster)
    sink.set_pace(STALLED)
    news = cluster[1].broadcast(NEWS)
    cluster[0].subscribe(NEWS)
    for each in (source, other, news):
        each.offer(3, 20)
        each.flush()
        each.offer(2, 20)
    cluster.run(1.0)
    source.flush()
    cluster.run(1.0)
    sink.close()
    settle(cluster)


def test_lost_items_are_not_expected(cluster: MachineCluster) -> None:
    """What was reported as lost need not have arrived, though a flush counts it."""
    source, sink = channel(cluster)
    transfer(cluster, source, sink, count=2)
    cluster.cut(0, 1)
    source.offer(3, 20)
    source.flush()
    source.abort()
    cluster.run(3.0)
    assert told(cluster[1], LossReport)
    assert source._flushing == 0
    other = connect(cluster[1], sink)
    cluster.run(1.0)
    other.offer(3, 20)
    with broken("G2", "told that 5 items are delivered, and 2 have arrived"):
        cluster.watcher.source_flushed(other, 3)


@pytest.mark.parametrize("why", ["tainted", "closed", "broadcast"])
def test_some_flushes_cannot_be_judged(
    cluster: MachineCluster, monkeypatch: pytest.MonkeyPatch, why: str
) -> None:
    """Nothing is known of what was tampered with, or of a receiver that is closed; and
    a broadcast has no single receiver."""
    premature(monkeypatch)
    source, sink = channel(cluster)
    if why == "tainted":
        cluster.tainted[0, 2] = None
    elif why == "closed":
        sink.close()
    else:
        source = cluster[1].broadcast(NEWS)
        cluster[0].subscribe(NEWS)
        cluster.run(1.0)
    source.offer(3, 20)
    source.flush()
    cluster.run(1.0)


def half_used(cluster: MachineCluster) -> tuple[Source, Sink]:
    """Returns a sink that was given a batch of many items, and has received some."""
    source, sink = channel(cluster)
    transfer(cluster, source, sink, count=1)
    sink.set_pace(Pace(1, SECOND))
    source.offer(1, 20)
    cluster.run(0.1)
    source.offer(9, 20)
    cluster.run(4.5)
    assert 0 < sink.unused < 9
    return source, sink


@pytest.mark.parametrize("shift", [-1, 0, 1, "all"])
def test_a_closed_receiver_splits_exactly(
    cluster: MachineCluster, monkeypatch: pytest.MonkeyPatch, shift: int | str
) -> None:
    """What was sent to a receiver that was closed was received, or is reported as lost,
    and not both: a core that counts otherwise breaks G2."""
    _, sink = half_used(cluster)
    close = ReceiverCore.close

    def miscounted(core: ReceiverCore, unused: int = 0) -> None:
        close(core, 0 if isinstance(shift, str) else unused + shift)

    monkeypatch.setattr(ReceiverCore, "close", miscounted)
    received = sink.received
    sink.close()
    cluster.run(1.0)
    if shift:
        with broken("G2", f"sink 0 was closed when it had received {received} of"):
            settle(cluster)
    else:
        settle(cluster)


def test_some_splits_cannot_be_told(
    cluster: MachineCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A source that sent nothing, gave up, had its bytes changed, or sent to a fan-out,
    is not held to an exact split."""
    close = ReceiverCore.close
    monkeypatch.setattr(
        ReceiverCore, "close", lambda core, unused=0: close(core, unused + 1)
    )
    silent, silent_sink = channel(cluster)
    silent_sink.close()
    aborted, aborted_sink = channel(cluster, 2, 0)
    shared, shared_sink = channel(cluster, 2, 0)
    members = cluster[0].fan_out(shared_sink, 2)
    for each in (aborted, shared):
        each.offer(4, 20)
    cluster.run(1.0)
    aborted.abort()
    aborted_sink.close()
    for member in members:
        member.close()
    tainted, tainted_sink = half_used(cluster)
    tainted_sink.close()
    cluster.run(1.0)
    assert silent.error is not None
    assert shared.error is not None
    cluster.tainted[0, 1] = None
    settle(cluster)
    cluster.tainted.clear()
    with broken("G2", f"sink {tainted_sink.name} was closed"):
        settle(cluster)
    assert tainted.error is not None


def test_a_broadcast_that_forgets_a_node_is_found(
    cluster: MachineCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A core that does not send its broadcasts to a node that is back breaks G16; what
    is no broadcast need not be sent to all."""
    channel(cluster, sender=1, receiver=2)
    cluster[1].broadcast(NEWS)
    cluster.run(1.0)
    monkeypatch.setattr(
        BroadcastSenderCore, "node_returned", lambda core, node_id: None
    )
    cluster.restart(0)
    cluster[0].dial_all()
    with broken(
        "G16", "node 0 is there, and broadcast 1 on host1.0 does not send to it"
    ):
        cluster.run(3.0)


def test_a_broadcast_that_ends_with_a_node_is_found(cluster: MachineCluster) -> None:
    """A core that ends a broadcast because a node is lost breaks G16; that its own node
    is closed, or that a node takes other items, ends it rightly, and any other source
    may end for any reason."""
    source, (plain, _) = cluster[1].broadcast(NEWS), channel(cluster)
    broadcasts = oracle(cluster, Broadcasts)
    errors: list[Error] = [ClosedError("in a test"), UsageError("in a test")]
    for error in errors:
        broadcasts.source_failed(source, error)
    broadcasts.source_failed(plain, PeerLost("in a test"))
    with broken("G16", "broadcast 0 has ended: in a test"):
        broadcasts.source_failed(source, PeerLost("in a test"))


@pytest.mark.parametrize("why", ["resumed", "another", "other", "closed"])
def test_some_who_are_met_need_no_broadcast(cluster: MachineCluster, why: str) -> None:
    """Who was met before, who is another process by now, whom somebody else has met,
    and broadcasts that are over: nothing more has to be sent."""
    source = cluster[1].broadcast(NEWS)
    cluster.run(1.0)
    node = cluster[2] if why == "other" else cluster[1]
    incarnation = bytes(16) if why == "another" else cluster[0].incarnation
    source.core._legs[0] = None  # type: ignore[union-attr] # it is a broadcast's
    if why == "closed":
        source.core.finish()
    event = PeerUp(0, incarnation, resumed=why == "resumed")
    oracle(cluster, Broadcasts).event_occurred(node, event)
    oracle(cluster, Broadcasts).event_occurred(node, PeerDown(0, "in a test"))
    if why != "closed":
        with broken("G16", "does not send to it"):
            oracle(cluster, Broadcasts).event_occurred(
                cluster[1], PeerUp(0, cluster[0].incarnation, resumed=False)
            )


def rude(monkeypatch: pytest.MonkeyPatch) -> None:
    """Has nodes leave without a word."""

    def leave(peer: PeerCore, reason: str) -> None:
        del reason
        peer._dialler.retire()
        link = peer.link
        assert link is not None
        peer._detach_link()
        peer._links.close(link)
        peer._succession.give_up(ClosedError("in a test"))

    monkeypatch.setattr(PeerCore, "say_goodbye", leave)


def test_who_leaves_without_a_word_is_found(
    cluster: MachineCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A core that closes its links and says no goodbye breaks G14."""
    rude(monkeypatch)
    cluster[1].leave()
    with broken("G14", r"host[02].0 was not told that node 1 has left"):
        cluster.run(1.0)


def test_who_says_goodbye_is_heard(cluster: MachineCluster) -> None:
    """A node that leaves in order raises nothing, nor does one that is killed."""
    cluster.leave(1)
    cluster.run(5.0)
    cluster.crash(2, dark=False)
    cluster.run(5.0)


@pytest.mark.parametrize("why", ["cut", "late", "at once", "never", "otherwise"])
def test_some_goodbyes_cannot_be_heard(cluster: MachineCluster, why: str) -> None:
    """If the way was disturbed, if the end came long after, or with the leaving itself,
    if the node never left, or the link ended in another way, nothing can be told."""
    leaving = oracle(cluster, Leaving)
    if why != "never":
        leaving.left(cluster[1])
    if why == "cut":
        cluster.cut(0, 1)
    if why != "at once":
        cluster.run(1.0 if why == "late" else 0.5)
    reason = "connection reset by peer" if why == "otherwise" else _ENDED
    leaving.event_occurred(cluster[0], PeerDown(1, reason))
    leaving.event_occurred(cluster[0], PeerUp(1, bytes(16), resumed=True))
    leaving.left(cluster[2])
    cluster.run(0.5)
    with broken("G14", r"host0.0 was not told that node 2 has left"):
        leaving.event_occurred(cluster[0], PeerDown(2, _ENDED))


_ENDED = "the other side closed the connection"
