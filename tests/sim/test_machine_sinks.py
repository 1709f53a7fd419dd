"""Sinks: at which pace they receive, and what becomes of what is half received."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from comm.config import Config
from comm.effects import BatchesSettled, BatchesWithheld
from comm.errors import ProducerAborted, ProducerLost
from comm.events import LossReport
from comm.mpsc import Batch
from comm.sim import MachineCluster
from comm.sim.items import read_header
from comm.sim.machine import EAGER, STALLED, Pace, Sink, Watcher
from comm.sim.machine.tampering import Corruption
from comm.sim.world import SECOND
from tests.sim.machines import channel, connect, lines, told


SHORT = Config(
    heartbeat_interval_s=1.0,
    heartbeat_timeout_s=2.0,
    handshake_timeout_s=0.5,
    resume_window_s=10.0,
)

ONE_A_SECOND = Pace(1, SECOND)


class Hands(Watcher):
    """Writes down when which items were handed out."""

    def __init__(self) -> None:
        self.times: list[float] = []
        self.counts: list[int] = []
        self.numbers: list[int] = []
        self.firsts: list[int] = []

    def handed_out(
        self, sink: Sink, batch: Batch, first: int, count: int, data: bytes
    ) -> None:
        self.times.append(sink.node.cluster.now_s)
        self.counts.append(count)
        self.numbers.append(read_header(data).number)
        self.firsts.append(batch.sequence + first)


@pytest.fixture(name="hands")
def _hands() -> Hands:
    return Hands()


@pytest.fixture(name="cluster")
def _cluster(hands: Hands) -> Iterator[MachineCluster]:
    with MachineCluster(2, config=SHORT, watchers=[hands], records=True) as cluster:
        cluster.meet()
        yield cluster


def test_an_eager_sink_receives_at_once(cluster: MachineCluster, hands: Hands) -> None:
    """Whole batches are received as soon as they are there."""
    source, sink = channel(cluster)
    assert sink.pace is EAGER
    source.offer(10, 20)
    cluster.run(0.01)
    assert sink.received == 10
    assert sink.unused == 0
    assert len(hands.counts) < 10


@pytest.mark.parametrize("items", [1, 3, 4, 20])
def test_a_paced_sink_pauses(cluster: MachineCluster, hands: Hands, items: int) -> None:
    """So many items at a time, of one batch, and a pause behind them; each is
    received once, under its number."""
    source, sink = channel(cluster)
    source.offer(1, 20)  # It is a batch of its own: nothing else is there yet.
    cluster.run(0.1)
    sink.set_pace(Pace(items, SECOND))
    source.offer(10, 20)
    cluster.run(30.0)
    assert sink.received == 11
    assert hands.firsts == hands.numbers
    assert max(hands.counts[1:]) <= items
    gaps = [b - a for a, b in zip(hands.times[1:], hands.times[2:], strict=False)]
    assert all(gap == pytest.approx(1.0) for gap in gaps)
    assert sum(hands.counts) == 11


def test_a_stalled_sink_receives_nothing_until_it_does(cluster: MachineCluster) -> None:
    """Nothing at all is received, and all of it once the sink goes on."""
    source, sink = channel(cluster)
    sink.set_pace(STALLED)
    source.offer(5, 20)
    cluster.run(20.0)
    assert sink.received == 0
    sink.set_pace(EAGER)
    assert sink.received == 5


def test_a_pace_may_change_within_a_batch(cluster: MachineCluster) -> None:
    """What is left of a batch is received at the new pace: not at all, at once, or
    when the pause that has begun is over."""
    source, sink = channel(cluster)
    sink.set_pace(ONE_A_SECOND)
    source.offer(1, 20)
    cluster.run(0.1)
    source.offer(9, 20)
    cluster.run(3.0)
    assert sink.received == 4
    assert sink.unused == 6
    sink.set_pace(STALLED)
    cluster.run(5.0)
    assert sink.received == 4
    sink.set_pace(EAGER)
    cluster.run(0.1)
    assert sink.received == 10


def test_a_pause_is_kept_by_an_eager_sink(cluster: MachineCluster) -> None:
    """An application that is busy with something else is so to the end of its pause,
    whatever it does afterwards."""
    source, sink = channel(cluster)
    sink.set_pace(ONE_A_SECOND)
    source.offer(2, 20)
    cluster.run(0.1)
    assert sink.received == 1
    sink.set_pace(EAGER)
    cluster.run(0.5)
    assert sink.received == 1
    cluster.run(0.5)
    assert sink.received == 2


def half_received(cluster: MachineCluster) -> Sink:
    """Returns a sink that has received one of twenty items of a batch, of which the
    other side does not know that it has arrived, and cannot be told for now."""
    source, sink = channel(cluster)
    sink.set_pace(ONE_A_SECOND)
    source.offer(1, 20)
    cluster.run(3.5)
    source.offer(20, 20)
    cluster.run(0.00015)
    cluster.partition([0], [1])
    return sink


def test_what_is_in_doubt_is_withheld_and_revoked(cluster: MachineCluster) -> None:
    """Shortly before the other side may report them as lost, no further items of the
    batch are received; and when it may have, they are gone, and a report says so."""
    sink = half_received(cluster)
    cluster.run(9.1)
    received = sink.received
    assert 1 < received < 21
    assert sink.unused == 21 - received
    assert any(t.startswith("BatchesWithheld") for t in lines(cluster, "host0.0"))
    cluster.run(5.0)
    assert sink.received == received
    cluster.heal()
    cluster.run(30.0)
    assert sink.received == received
    assert sink.unused == 0
    (gone,) = told(cluster[0], LossReport)
    assert (gone.first_sequence, gone.count) == (received, 21 - received)
    (lost,) = told(cluster[1], LossReport)
    assert (lost.first_sequence, lost.count) == (1, 20)
    assert sink.core.statistics().discarded == 21 - received
    again = connect(cluster[1], sink)
    again.offer(3, 20)
    cluster.run(5.0)
    assert sink.received == received + 3


def test_what_is_in_doubt_is_withheld_and_released(cluster: MachineCluster) -> None:
    """If the session goes on after all, the rest of the batch is received, at the pace
    at which it was."""
    sink = half_received(cluster)
    cluster.run(9.1)
    received = sink.received
    cluster.run(0.8)
    assert sink.received == received
    cluster.heal()
    cluster.run_until(lambda: sink.received == received + 1, timeout=2.0)
    assert sink.unused == 20 - received
    cluster.run_until(lambda: sink.received == received + 2, timeout=1.01)


def test_doubts_about_other_batches_do_not_count(cluster: MachineCluster) -> None:
    """A sink withholds nothing because of another session, or of frames that its batch
    does not belong to, or while it holds nothing."""
    source, sink = channel(cluster)
    sink.judge(BatchesWithheld(session=1, confirmed=0))
    sink.set_pace(ONE_A_SECOND)
    source.offer(1, 20)
    cluster.run(0.1)
    source.offer(9, 20)
    cluster.run(1.5)
    batch = sink._batch
    assert batch is not None
    sink.judge(BatchesWithheld(session=batch.session + 1, confirmed=0))
    sink.judge(BatchesWithheld(session=batch.session, confirmed=batch.frame))
    sink.judge(BatchesSettled(batch.session, batch.frame, revoked=True))
    cluster.run(10.0)
    assert sink.received == 10


def test_a_sink_that_is_closed_says_what_it_did_not_use(
    cluster: MachineCluster,
) -> None:
    """What the application was given and has not received is reported as lost at the
    source, just as what it was not given."""
    source, sink = channel(cluster)
    sink.set_pace(ONE_A_SECOND)
    source.offer(1, 20)
    cluster.run(0.1)
    source.offer(9, 20)
    cluster.run(3.0)
    assert (sink.received, sink.unused) == (4, 6)
    sink.close()
    sink.close()
    assert sink.unused == 0
    cluster.run(1.0)
    (lost,) = told(cluster[1], LossReport)
    assert (lost.first_sequence, lost.count) == (4, 6)
    assert not sink.is_alive
    cluster.run(3.0)
    assert sink.received == 4


def test_a_sealed_sink_ends_with_its_producers(cluster: MachineCluster) -> None:
    """Sealing lets no more producers attach; when all have finished, the sink ends,
    once, and can do nothing more."""
    source, sink = channel(cluster)
    source.offer(3, 20)
    sink.seal()
    assert sink.is_full
    late = connect(cluster[1], sink)
    source.finish()
    cluster.run(1.0)
    assert late.error is not None
    assert sink.is_ended
    assert sink.received == 3
    assert not sink.is_alive
    sink.seal()
    sink.set_pace(STALLED)
    assert sink.pace is STALLED
    assert lines(cluster, "host0.0")[-1] != "sink 0 at 0 per 0"


def test_a_sink_is_told_of_those_that_do_not_finish(cluster: MachineCluster) -> None:
    """Of a channel that can end, each producer that was aborted or lost is told once,
    behind its items; the sink goes on."""
    source, sink = channel(cluster, max_producers=2)
    other = connect(cluster[1], sink)
    for each in (source, other):
        each.offer(2, 20)
    cluster.run(0.5)
    source.abort()
    cluster.run(0.5)
    assert [type(error) for error in sink.errors] == [ProducerAborted]
    assert not sink.is_ended
    cluster.restart(1)
    cluster[1].dial_all()
    cluster.run(5.0)
    assert [type(error) for error in sink.errors] == [ProducerAborted, ProducerLost]
    assert sink.is_ended
    assert sink.received == 4


def test_a_paced_sink_takes_its_time_for_news_too(cluster: MachineCluster) -> None:
    """To be told that a producer was lost takes a turn, as items do."""
    source, sink = channel(cluster, max_producers=2)
    other = connect(cluster[1], sink)
    sink.set_pace(ONE_A_SECOND)
    cluster.run(0.5)
    source.abort()
    cluster.run(0.1)
    assert len(sink.errors) == 1
    other.offer(1, 20)
    cluster.run(0.5)
    assert sink.received == 0
    cluster.run(0.5)
    assert sink.received == 1


def test_a_damaged_batch_does_no_harm(cluster: MachineCluster) -> None:
    """An application that cuts a batch into items copes with one whose size was changed
    on its way: it receives as many items as there were, and the cluster goes on."""
    source, sink = channel(cluster)
    sink.set_pace(Pace(2, SECOND // 10))
    cluster.run(2.0)
    cluster.tainted[0, 1] = None
    # The size of the first item stands behind the header of its frame.
    cluster.tampering.add(Corruption(1, 0, bit=8 * (21 + 11) + 4))
    source.offer(1, 20)
    source.offer(1, 20)
    cluster.run(2.0)
    assert sink.received == 2
    sink.close()
    cluster.run(2.0)
