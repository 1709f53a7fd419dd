"""Drivers: they run a core as the asyncio driver does, promptly or not."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from comm.mpsc import Batch
from comm.sim import MachineCluster
from comm.sim.machine import Sink, Watcher
from comm.sim.machine.driver import Driver
from comm.sim.machine.link import NodeLink
from comm.sim.network import Buffers
from comm.sim.world import SECOND
from tests.sim.machines import channel, lines, link_to, transfer


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


class Steps(Watcher):
    """Writes down when batches are taken, and when steps end, on the first node."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def took(self, sink: Sink, batch: Batch) -> None:
        self.said.append("took")

    def stepped(self, node: Driver) -> None:
        if not node.index:
            self.said.append("stepped")


@pytest.mark.parametrize("is_prompt", [True, False])
def test_applications_react_at_once_or_in_a_step_of_their_own(is_prompt: bool) -> None:
    """A prompt application receives within the step that tells it that there is
    something; another one does so in a later step, as a task does that was woken."""
    steps = Steps()
    cluster = shaped(is_prompt=is_prompt, watchers=[steps])
    source, sink = channel(cluster)
    cluster.run(0.9)
    steps.said.clear()
    transfer(cluster, source, sink, count=1)
    assert steps.said[0] == ("took" if is_prompt else "stepped")
    assert ("reacts" in lines(cluster, "host0.0")) == (not is_prompt)


def test_a_task_that_was_woken_may_find_nothing() -> None:
    """Between the waking and the step of its own others may have come: a sink that was
    closed meanwhile receives nothing."""
    cluster = shaped(is_prompt=False)
    source, sink = channel(cluster)
    source.offer(3, 20)
    before = len(lines(cluster, "host0.0"))
    node = cluster[0]

    def is_woken() -> bool:
        return any(
            text.startswith("readable") for text in lines(cluster, node.name)[before:]
        )

    cluster.run_until(is_woken)
    sink.close()
    cluster.run(1.0)
    assert sink.received == 0


def reads(cluster: MachineCluster, node: int) -> list[int]:
    """Returns how much a node was given at a time."""
    told = [text.split() for text in lines(cluster, f"host{node}.0")]
    return [int(words[2]) for words in told if words[0] == "data"]


def test_a_process_reads_so_much_at_once() -> None:
    """However much has come, no more is read in one step; the rest comes in the next
    ones, and nothing is missing."""
    cluster = shaped(read_bytes=100)
    source, sink = channel(cluster)
    source.offer(1, 5000)
    cluster.run_until(lambda: sink.received == 1)
    assert max(reads(cluster, 0)) == 100
    assert sum(reads(cluster, 0)) == link_to(cluster[0], 1).received_bytes > 5000


def test_what_the_kernel_does_not_take_waits() -> None:
    """A link holds what the kernel does not take, and has the core stop above a limit:
    there is never more than that and one transmission. Once little is left, the core
    goes on, and all is delivered."""
    cluster = shaped(
        high_bytes=1000, buffers=Buffers(send_bytes=500, receive_bytes=500)
    )
    source, sink = channel(cluster)
    link = link_to(cluster[1], 0)
    source.offer(300, 100)
    held = []
    while sink.received < 300:
        held.append(link.held_bytes)
        assert cluster.world.step()
    assert max(held) > 1000
    assert "writable" in " ".join(lines(cluster, "host1.0"))
    cluster.run(1.0)
    assert link.held_bytes == 0


def test_a_core_that_is_stopped_sends_nothing() -> None:
    """As long as more than the limit waits for the kernel, the core gives the link no
    more, whatever its applications send."""
    cluster = shaped(
        high_bytes=1000, buffers=Buffers(send_bytes=500, receive_bytes=500)
    )
    source, sink = channel(cluster)
    cluster.pause(0)
    source.offer(1, 3000)
    cluster.run(0.5)
    link = link_to(cluster[1], 0)
    held = link.held_bytes
    assert held > 1000
    for _ in range(5):
        source.offer(1, 3000)
    assert link.held_bytes == held
    cluster.resume(0)
    cluster.run_until(lambda: sink.received == 6)


class Aborts(Watcher):
    """Writes down which links were given up."""

    def __init__(self) -> None:
        self.links: list[NodeLink] = []

    def link_aborted(self, node: Driver, link: NodeLink) -> None:
        assert node.links.get(link.link) is link
        self.links.append(link)


def test_a_link_that_is_given_up_is_shown_before() -> None:
    """Who watches sees a link that the core gives up while it is still there."""
    aborts = Aborts()
    cluster = shaped(watchers=[aborts])
    link = link_to(cluster[1], 0)
    cluster.block(0, 1)
    cluster.run(7.0)
    assert link in aborts.links
    assert not link.is_known
    assert link.link not in cluster[1].links


def test_a_process_has_one_timer() -> None:
    """However often its deadlines move, but one timer of each process waits."""
    cluster = shaped(2)
    source, sink = channel(cluster)
    for _ in range(30):
        transfer(cluster, source, sink, count=3)
        cluster.run(0.1)
        queue = cluster.world._queue
        timers = [e for e in queue if getattr(e[3], "__name__", "") == "_on_time"]
        assert len(timers) <= 2
        assert [node.core.next_timeout() is not None for node in cluster.live]


def test_a_timer_of_a_process_that_is_gone_is_none() -> None:
    """The timer of one process does not come up in the next one."""
    cluster = shaped(2)
    cluster.crash(1)
    cluster.restart(1)
    count = len(lines(cluster, "host1.1"))
    cluster.run(30.0)
    timeouts = [t for t in lines(cluster, "host1.1") if t.startswith("timeout")]
    due = [text for text in timeouts if text == "timeout "]
    assert due == []
    assert len(lines(cluster, "host1.1")) >= count


def test_what_was_planned_is_done_by_its_process_alone() -> None:
    """What a process has planned waits while it is stopped, and is dropped with it."""
    cluster = shaped(2)
    done: list[str] = []
    cluster[0].later(SECOND, done.append, "in time")
    cluster[1].later(SECOND, done.append, "never")
    cluster.pause(0)
    cluster.restart(1)
    cluster.run(2.0)
    assert done == []
    cluster.resume(0)
    cluster.run(0.0)
    assert done == ["in time"]


def test_commands_are_written_down_and_may_be_refused() -> None:
    """What an application wants is in the trace, and what the core raises comes back,
    behind everything that followed from it."""
    cluster = shaped(1)

    def refuse() -> None:
        raise LookupError("no such thing")

    with pytest.raises(LookupError, match="no such thing"):
        cluster[0].command("wants something", refuse)
    assert lines(cluster, "host0.0")[-1] == "wants something"


def test_raw_streams_are_closed() -> None:
    """A byte stream that a core opens for an application is in the trace; nobody here
    makes use of it, and so it is closed, and no link that the core should mind."""
    cluster = shaped(2)
    node = cluster[1]

    def open_stream() -> None:
        node.core.open_stream(0, node.now_s)

    node.command("opens a stream", open_stream)
    cluster.run(1.0)
    assert "streamopened" in lines(cluster, "host0.0")
    assert "streamopened" in lines(cluster, "host1.0")
    cluster.run(9.0)
    assert [len(each.links) for each in cluster.live] == [1, 1]
    cluster.block(0, 1)
    node.command("opens a stream", open_stream)
    cluster.run(6.0)
    assert "streamfailed" in lines(cluster, "host1.0")
