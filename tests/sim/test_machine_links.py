"""Links of nodes: how they are made, how they end, and what goes out before."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from comm.events import PeerDown
from comm.mpsc import Batch
from comm.sim import MachineCluster
from comm.sim.machine import Sink, Source, Watcher
from comm.sim.network import Buffers, Conditions, Latency
from comm.sim.world import MS, SECOND
from tests.sim.machines import channel, connect, lines, link_to, told, transfer


def shaped(
    nodes: int = 2,
    *,
    is_prompt: bool = True,
    read_bytes: int = 256 << 10,
    high_bytes: int = 256 << 10,
    buffers: Buffers | None = None,
    watchers: Sequence[Watcher] = (),
) -> MachineCluster:
    """Returns a cluster that has met, whose processes behave as given."""
    cluster = MachineCluster(
        nodes, start=False, records=True, buffers=buffers, watchers=watchers
    )
    cluster.shape(is_prompt=is_prompt, read_bytes=read_bytes, high_bytes=high_bytes)
    for index in range(nodes):
        cluster.start(index)
    cluster.meet()
    return cluster


def test_a_connection_that_comes_too_late_is_closed() -> None:
    """If the core has given an attempt up, nobody is told of what becomes of it, and
    the other side does not wait for long."""
    slow = Conditions(latency=Latency(base_ns=3 * SECOND))
    cluster = MachineCluster(2, conditions=slow, records=True)
    cluster[0].dial_all()
    cluster.run(5.5)
    assert "connected 1" not in " ".join(lines(cluster, "host0.0"))
    cluster.run(8.0)
    assert "accepted 1" in lines(cluster, "host1.0")
    assert "connected 1" not in " ".join(lines(cluster, "host0.0"))


@pytest.mark.parametrize("until_s", [0.1001, 0.1002])
def test_leaving_while_a_connection_is_made(until_s: float) -> None:
    """A node that leaves while it calls closes what comes of the call, and keeps
    nothing."""
    cluster = MachineCluster(2, records=True)
    cluster[0].dial_all()
    cluster.run(until_s)
    cluster[0].leave()
    cluster.run(5.0)
    assert cluster[0].links == {}
    assert not any(e.is_open for e in cluster.network.ends_at(cluster.hosts[0]))
    assert cluster[1].core.missing()


def test_a_refusal_that_comes_too_late_tells_nobody() -> None:
    """Nor is the core told of an attempt that fails after it was given up."""
    cluster = MachineCluster(2, records=True)
    cluster.crash(1, dark=False)
    cluster[0].dial_all()
    cluster.run(0.10005)
    link = next(iter(cluster[0].links.values()))
    link.close()
    assert cluster[0].links == {}
    cluster.run(0.05)
    assert not any("connect failed" in t for t in lines(cluster, "host0.0"))


class Echo(Watcher):
    """An application that answers whatever its sink has received by another item."""

    def __init__(self) -> None:
        self.source: Source | None = None

    def handed_out(
        self, sink: Sink, batch: Batch, first: int, count: int, data: bytes
    ) -> None:
        if self.source is not None and self.source.node is sink.node:
            self.source.offer(count, 20)


def test_who_is_told_may_send_at_once() -> None:
    """An application may use its ends while it is told something; what follows from
    that is done within the same step, behind what was to be done."""
    echo = Echo()
    cluster = shaped(watchers=[echo])
    source, sink = channel(cluster)
    echo.source, answers = channel(cluster, sender=0, receiver=1)
    source.offer(5, 20)
    cluster.run_until(lambda: answers.received == 5)
    assert sink.received == 5
    assert cluster.now_s < 0.01


def test_whoever_waited_at_a_closed_door_is_not_let_in() -> None:
    """A process that leaves before it has accepted somebody accepts nobody any more,
    although it was about to."""
    cluster = MachineCluster(2, records=True)
    cluster.pause(0)
    cluster[1].dial_all()
    cluster.run(0.5)
    cluster[0].leave()
    cluster.resume(0)
    cluster.run(1.0)
    assert not any("accepted" in text for text in lines(cluster, "host0.0"))
    assert cluster[1].core.missing()


def test_what_was_written_before_the_end_still_goes_out() -> None:
    """A side that learns that the other one writes no more still sends what it has,
    and closes then."""
    buffers = Buffers(send_bytes=500, receive_bytes=500)
    cluster = shaped(2, buffers=buffers)
    source, sink = channel(cluster)
    cluster.pause(0)
    source.offer(1, 5000)
    cluster.run(0.5)
    link = link_to(cluster[1], 0)
    assert link.held_bytes > 0
    far = link.endpoint.far if link.endpoint else None
    assert far is not None
    far.shut()
    cluster.run(0.5)
    assert not link.is_known
    assert link.held_bytes > 0
    cluster.run(1.0)
    assert link.held_bytes == 0
    assert link.endpoint is not None
    assert not link.endpoint.is_open
    cluster.resume(0)
    cluster.run_until(lambda: sink.received == 1)


def test_a_link_that_is_closed_still_drains() -> None:
    """What a node has said before it left goes out as soon as the kernel takes it, and
    the core that has forgotten the link is not told of that."""
    buffers = Buffers(send_bytes=500, receive_bytes=500)
    cluster = shaped(high_bytes=1000, buffers=buffers)
    source, _ = channel(cluster)
    cluster.pause(0)
    source.offer(1, 5000)
    cluster.run(0.5)
    link = link_to(cluster[1], 0)
    cluster[1].leave()
    assert link.held_bytes > 1000
    count = len([text for text in lines(cluster, "host1.0") if "writable" in text])
    cluster.resume(0)
    cluster.run(0.5)
    assert link.held_bytes == 0
    assert told(cluster[0], PeerDown)[0].reason == "left"
    assert len([t for t in lines(cluster, "host1.0") if "writable" in t]) == count


def test_a_stopped_reader_is_served_from_what_is_left() -> None:
    """A connection is read piece by piece also behind its last byte: nothing that had
    come before its end is missed."""
    cluster = shaped(2, read_bytes=10)
    source, sink = channel(cluster)
    cluster.pause(0)
    source.offer(10, 20)
    source.finish()
    cluster.run(0.1)
    cluster.leave(1)
    cluster.run(0.1)
    cluster.resume(0)
    cluster.run(1.0)
    assert sink.received == 10


def test_a_late_process_is_not_read_for() -> None:
    """Links of a process end with it: what is read for it is read no more."""
    cluster = shaped(2, read_bytes=10)
    source, _ = channel(cluster)
    source.offer(50, 20)
    cluster.run(0.0002)
    before = len(lines(cluster, "host0.0"))
    cluster.crash(0, dark=False)
    cluster.run(MS / SECOND)
    assert lines(cluster, "host0.0")[before:] == ["is killed"]


def test_connections_that_are_gone_are_not_remembered() -> None:
    """Whoever makes and gives up connections for ever keeps nothing of them."""
    cluster = shaped(3)
    source, sink = channel(cluster)
    for _ in range(60):
        cluster.cut(0, 1)
        cluster.run(0.5)
        transfer(cluster, source, sink, count=1)
    assert len(cluster.partings) <= 4
    other = connect(cluster[2], sink)
    transfer(cluster, other, sink, count=1)
