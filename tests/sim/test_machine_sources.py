"""Sources: what they send, how they end, and what their applications are told."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from comm.broadcast import Token
from comm.config import Config
from comm.effects import BatchesWithheld
from comm.errors import Error, MessageTooLarge, PeerLost, ReceiverClosed
from comm.events import LossReport
from comm.mpsc import ProducerCore
from comm.sim import MachineCluster
from comm.sim.items import read_header
from comm.sim.machine import EAGER, STALLED, Source, Watcher
from tests.sim.machines import channel, connect, lines, told, transfer


NEWS: Token[bytes] = Token("news")
CONFIG = Config(window_bytes=1000, message_bytes_max=5000)


class Told(Watcher):
    """Writes down what the applications of sources were told."""

    def __init__(self) -> None:
        self.said: list[object] = []

    def source_begun(self, source: Source) -> None:
        self.said.append("begun")

    def source_opened(self, source: Source) -> None:
        self.said.append("opened")

    def source_failed(self, source: Source, error: Error) -> None:
        self.said.append(type(error).__name__)

    def source_flushed(self, source: Source, count: int) -> None:
        self.said.append(count)


@pytest.fixture(name="told_to_sources")
def _told() -> Told:
    return Told()


@pytest.fixture(name="cluster")
def _cluster(told_to_sources: Told) -> Iterator[MachineCluster]:
    with MachineCluster(
        3, config=CONFIG, watchers=[told_to_sources], records=True
    ) as cluster:
        cluster.meet()
        yield cluster


def test_items_are_offered_in_order(cluster: MachineCluster) -> None:
    """What is offered is accepted in the order in which it was offered, each item with
    its number and of its size; what a window does not take waits."""
    source, sink = channel(cluster)
    sink.set_pace(STALLED)
    source.offer(5, 100)
    source.offer(20, 50)
    source.offer(3, 1)
    cluster.run(1.0)
    assert source.left_to_send == 28 - len(source.accepted) > 0
    sink.set_pace(EAGER)
    cluster.run(1.0)
    assert source.left_to_send == 0
    headers = [read_header(item) for item in source.accepted]
    assert [header.number for header in headers] == list(range(28))
    assert {header.source for header in headers} == {source.name}
    assert [header.size for header in headers] == [100] * 5 + [50] * 20 + [12] * 3
    assert source.largest_bytes == 100
    assert sink.received == 28


def test_a_source_begins_and_opens(
    cluster: MachineCluster, told_to_sources: Told
) -> None:
    """An application is told that it is connected; what it offered before is sent
    then. A broadcast is open at once."""
    sink = cluster[0].open()
    before_ns = cluster.world.now_ns
    source = connect(cluster[1], sink)
    source.offer(2, 20)
    assert source.begun_ns == before_ns
    assert not source.is_open
    assert source.accepted == []
    cluster.run(0.1)
    assert source.is_open
    assert sink.received == 2
    assert told_to_sources.said == ["begun", "opened"]
    news = cluster[1].broadcast(NEWS)
    assert news.is_open
    assert told_to_sources.said == ["begun", "opened", "begun"]


def test_a_source_finishes_behind_what_it_offered(cluster: MachineCluster) -> None:
    """Closing waits until everything offered is accepted; afterwards nothing can be
    offered, and it is closed once."""
    source, sink = channel(cluster, max_producers=1)
    sink.set_pace(STALLED)
    source.offer(30, 100)
    source.finish()
    source.offer(5, 20)
    source.finish()
    cluster.run(1.0)
    assert not source.is_finished
    assert source.is_alive
    sink.set_pace(EAGER)
    cluster.run(1.0)
    assert source.is_finished
    assert not source.is_alive
    assert sink.is_ended
    assert sink.received == 30
    source.offer(1, 20)
    source.flush()
    assert len(source.accepted) == 30
    assert lines(cluster, "host1.0").count("source 0 finishes") == 1


def test_a_source_gives_up(cluster: MachineCluster) -> None:
    """Aborting gives up what is not sent, reported as lost or never accepted; and a
    source that was closed can still give up what is under way, but not after it has
    given up."""
    source, sink = channel(cluster)
    sink.set_pace(STALLED)
    source.offer(30, 100)
    source.abort()
    assert source.is_aborted
    assert source.left_to_send == 0
    cluster.run(1.0)
    sink.set_pace(EAGER)
    cluster.run(1.0)
    lost = sum(report.count for report in told(cluster[1], LossReport))
    assert sink.received + lost == len(source.accepted)
    source.abort()
    assert lines(cluster, "host1.0").count("source 0 aborts") == 1
    other = connect(cluster[1], sink)
    other.offer(3, 20)
    cluster.run(0.5)
    cluster.block(1, 0)
    other.offer(3, 20)
    other.finish()
    other.abort()
    assert other.is_finished
    assert other.is_aborted
    other.abort()
    assert lines(cluster, "host1.0").count("source 1 aborts") == 1


def test_who_has_given_up_does_not_finish() -> None:
    """A source that was to be closed once all is accepted, and is aborted before, was
    not closed, whatever its application was about to do."""
    with MachineCluster(2, config=CONFIG, start=False) as cluster:
        cluster.shape(is_prompt=False, read_bytes=1 << 16, high_bytes=1 << 16)
        for index in range(2):
            cluster.start(index)
        sink = cluster[0].open(max_producers=1)
        source = connect(cluster[1], sink)
        source.offer(100, 100)
        source.finish()
        cluster.run_until(lambda: source.is_open)
        source.abort()
        cluster.run(5.0)
        assert source.is_aborted
        assert not source.is_finished


def test_flushing_tells_what_is_delivered(
    cluster: MachineCluster, told_to_sources: Told
) -> None:
    """The application is told once all that it had sent when it asked is delivered, and
    how much that was; a second question waits for the answer to the first."""
    source, sink = channel(cluster)
    source.offer(3, 20)
    source.flush()
    source.offer(2, 20)
    source.flush()
    cluster.run_until(lambda: 3 in told_to_sources.said)
    assert sink.received >= 3
    source.flush()
    cluster.run(0.1)
    assert told_to_sources.said[2:] == [3, 5]


def test_a_flush_without_items_is_answered(
    cluster: MachineCluster, told_to_sources: Told
) -> None:
    """Where nothing was sent, nothing is to be waited for."""
    source, _ = channel(cluster)
    source.flush()
    cluster.run(0.1)
    assert told_to_sources.said[2:] == [0]


def test_a_source_fails_with_its_receiver(
    cluster: MachineCluster, told_to_sources: Told
) -> None:
    """When the other side ends it, the application is told why; what it still wanted
    to send is dropped, and it can do nothing more."""
    source, sink = channel(cluster)
    sink.set_pace(STALLED)
    source.offer(30, 100)
    cluster.run(1.0)
    sink.close()
    cluster.run(1.0)
    assert isinstance(source.error, ReceiverClosed)
    assert told_to_sources.said[-1] == "ReceiverClosed"
    assert source.left_to_send == 0
    assert not source.is_alive
    count = len(source.accepted)
    source.offer(1, 20)
    source.finish()
    source.abort()
    cluster.run(1.0)
    assert len(source.accepted) == count
    assert not source.is_finished
    assert not source.is_aborted


def test_an_item_that_is_too_large_is_refused(cluster: MachineCluster) -> None:
    """What the fabric does not take is not sent, nor anything that waits behind it; the
    application knows why, and can go on."""
    sink = cluster[0].open()
    source = connect(cluster[1], sink)
    source.offer(1, 5001)
    source.offer(1, 20)
    cluster.run(1.0)
    assert isinstance(source.refusal, MessageTooLarge)
    assert source.left_to_send == 0
    assert source.is_alive
    source.offer(2, 5000)
    cluster.run(1.0)
    assert sink.received == 2


def test_a_flush_may_be_refused(
    cluster: MachineCluster, told_to_sources: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the fabric refuses is known as a refusal, and nobody is told that anything
    is delivered; the next flush is another one."""

    def refuse(core: ProducerCore) -> None:
        raise PeerLost("too late")

    source, _ = channel(cluster)
    source.offer(3, 20)
    with monkeypatch.context() as patch:
        patch.setattr(ProducerCore, "request_flush", refuse)
        source.flush()
    assert isinstance(source.refusal, PeerLost)
    cluster.run(0.1)
    source.flush()
    cluster.run(0.1)
    assert told_to_sources.said == ["begun", "opened", 3]


def test_sources_are_not_concerned_by_doubts(cluster: MachineCluster) -> None:
    """What is withheld or revoked is the business of receivers."""
    source, sink = channel(cluster)
    source.judge(BatchesWithheld(session=1, confirmed=0))
    transfer(cluster, source, sink, count=3)


def test_legs_count_anew_behind_a_loss(cluster: MachineCluster) -> None:
    """An item of a broadcast has a number on each leg, which begins at 0 with each
    process of the node that it goes to; where a leg begins can be found."""
    for node in cluster.live:
        node.subscribe(NEWS)
    source = cluster[0].broadcast(NEWS)
    source.offer(3, 20)
    cluster.run(1.0)
    cluster.restart(2)
    cluster[2].subscribe(NEWS)
    cluster[2].dial_all()
    cluster.run(1.0)
    source.offer(2, 20)
    cluster.run(1.0)
    assert [legs[1] for legs in source.legs] == [0, 1, 2, 3, 4]
    assert [legs[2] for legs in source.legs] == [0, 1, 2, 0, 1]
    assert [source.leg_start(item, 2) for item in range(5)] == [0, 0, 0, 3, 3]
    assert source.leg_start(4, 1) == 0


def test_a_leg_may_be_missing(cluster: MachineCluster) -> None:
    """An item that is sent while a node counts as lost does not go there."""
    for node in cluster.live:
        node.subscribe(NEWS)
    source = cluster[0].broadcast(NEWS)
    source.offer(1, 20)
    cluster.run(1.0)
    cluster.leave(2)
    cluster.run(1.0)
    source.offer(2, 20)
    cluster.run(3.0)
    cluster.restart(2)
    cluster[2].subscribe(NEWS)
    cluster.meet()
    cluster.run(1.0)
    source.offer(2, 20)
    cluster.run(1.0)
    assert [2 in legs for legs in source.legs] == [True, False, False, True, True]
    assert source.leg_start(4, 2) == 3
