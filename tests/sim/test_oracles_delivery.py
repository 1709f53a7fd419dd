"""What is handed out: each way to break G1, G2, G3, G5, G10 and G16 is found."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from comm.broadcast import Token
from comm.config import Config
from comm.errors import WouldBlock
from comm.mpsc import Batch, ProducerCore, ReceiverCore, Sender
from comm.sim import MachineCluster
from comm.sim.items import make_item
from comm.sim.machine import STALLED, Pace, Source
from tests.sim.machines import broken, channel, connect, settle, transfer


NEWS: Token[bytes] = Token("news")

SHORT = Config(
    heartbeat_interval_s=1.0,
    heartbeat_timeout_s=2.0,
    handshake_timeout_s=0.5,
    resume_window_s=10.0,
)

Change = Callable[[Batch], list[Batch]]


@pytest.fixture(name="cluster")
def _cluster() -> Iterator[MachineCluster]:
    with MachineCluster(3, config=SHORT) as cluster:
        cluster.meet()
        yield cluster


def spoil(monkeypatch: pytest.MonkeyPatch, change: Change) -> None:
    """Has all receivers hand out what is made of each batch, in place of the batch."""
    take, pending = ReceiverCore.take, dict[int, list[Batch]]()

    def spoiled(core: ReceiverCore) -> Batch:
        waiting = pending.setdefault(core.id, [])
        while not waiting:
            waiting += change(take(core))
        return waiting.pop(0)

    monkeypatch.setattr(ReceiverCore, "take", spoiled)


def send_slowly(cluster: MachineCluster, source: Source, count: int = 3) -> None:
    """Sends items one by one, so that each is a batch of its own."""
    for _ in range(count):
        source.offer(1, 20)
        cluster.run(0.01)


def test_an_item_that_comes_twice_is_found(
    cluster: MachineCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A core that hands a batch out twice breaks G1."""
    source, _ = channel(cluster)
    spoil(monkeypatch, lambda batch: [batch, batch])
    with broken("G1", r"source 0 to sink 0: range\(0, 1\) came twice"):
        send_slowly(cluster, source)


def test_an_item_that_is_left_out_is_found(
    cluster: MachineCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A core that skips a batch breaks G1, as soon as the next one is handed out."""
    source, _ = channel(cluster)
    spoil(monkeypatch, lambda batch: [batch] if batch.sequence != 1 else [])
    with broken("G1", r"range\(2, 3\) came, and \[1\] did not"):
        send_slowly(cluster, source)


def test_a_last_item_that_never_comes_is_found(
    cluster: MachineCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A core that loses the last items without a word breaks G2, as is known when
    everything has come to rest."""
    source, sink = channel(cluster)
    spoil(monkeypatch, lambda batch: [batch] if batch.sequence < 2 else [])
    send_slowly(cluster, source, count=4)
    assert sink.received == 2
    with broken("G2", r"sink 0 on host0.0 never got \[2, 3\] \(2 in all\)"):
        settle(cluster)


def test_items_that_never_came_at_all_are_found(
    cluster: MachineCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It makes no difference whether any item has come."""
    source, _ = channel(cluster)
    spoil(monkeypatch, lambda batch: [])
    send_slowly(cluster, source)
    with broken("G2", r"never got \[0, 1, 2\]"):
        settle(cluster)


def test_a_changed_byte_is_found(
    cluster: MachineCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A core that changes a byte breaks G1."""
    source, _ = channel(cluster)
    spoil(
        monkeypatch, lambda batch: [replace(batch, payload=batch.payload[:-1] + b"!")]
    )
    with broken("G1", "came with other bytes"):
        send_slowly(cluster, source)


@pytest.mark.parametrize("payload", [b"", b"too short"])
def test_bytes_that_are_no_item_are_found(
    cluster: MachineCluster, monkeypatch: pytest.MonkeyPatch, payload: bytes
) -> None:
    """What is too short to be anybody's item is a breach of G1, and no accident of the
    oracle."""
    source, _ = channel(cluster)
    spoil(monkeypatch, lambda batch: [replace(batch, payload=payload)])
    with broken("G1", "which is no item"):
        send_slowly(cluster, source)


def test_another_order_is_found(
    cluster: MachineCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A core that swaps two batches breaks G1."""
    source, _ = channel(cluster)
    held: list[Batch] = []

    def swap(batch: Batch) -> list[Batch]:
        held.append(batch)
        return [batch, held.pop(0)] if len(held) > 1 else []

    spoil(monkeypatch, swap)
    with broken("G1", r"came, and \[0\] did not"):
        send_slowly(cluster, source)


def numbered(source: int, number: int) -> Change:
    """Returns what has another item stand in the place of each."""
    item = make_item(source, number, 20)
    return lambda batch: [replace(batch, payload=item)]


def test_an_item_under_another_number_is_found(
    cluster: MachineCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a core counts as one item, and is another one, breaks G1."""
    source, sink = channel(cluster)
    sink.set_pace(STALLED)
    send_slowly(cluster, source)
    spoil(monkeypatch, numbered(0, 2))
    with broken("G1", "source 0: 2 came as 0, not 2"):
        sink.set_pace(Pace(1, 0))


@pytest.mark.parametrize("number", [7, 3])
def test_an_item_that_was_not_accepted_is_found(
    cluster: MachineCluster, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """What no source has sent, yet, breaks G5."""
    source, sink = channel(cluster)
    sink.set_pace(STALLED)
    send_slowly(cluster, source)
    spoil(monkeypatch, numbered(0, number))
    with broken("G5", f"source 0: {number} was never accepted"):
        sink.set_pace(Pace(1, 0))


def test_an_item_whose_sending_was_refused_is_found(
    cluster: MachineCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A core that sends an item, and says that it would block, breaks G5."""
    source, _ = channel(cluster)
    send = ProducerCore.send

    def refuse(core: ProducerCore, payload: bytes) -> None:
        send(core, payload)
        raise WouldBlock("it was sent all the same")

    monkeypatch.setattr(ProducerCore, "send", refuse)
    with broken("G5", "source 0: 0 was never accepted"):
        send_slowly(cluster, source)


@pytest.mark.parametrize("other", [1, 9])
def test_items_of_another_source_are_found(
    cluster: MachineCluster, monkeypatch: pytest.MonkeyPatch, other: int
) -> None:
    """A producer that was one source is no other one, nor nobody: G1."""
    source, sink = channel(cluster)
    connect(cluster[1], sink)
    transfer(cluster, source, sink, count=1)
    spoil(monkeypatch, numbered(other, 1))
    with broken("G1", "sink 0: items of another source came"):
        send_slowly(cluster, source)


@pytest.mark.parametrize("other", [1, 9])
def test_items_of_nobody_are_found(
    cluster: MachineCluster, monkeypatch: pytest.MonkeyPatch, other: int
) -> None:
    """Items whose source never was break G1."""
    source, _ = channel(cluster)
    spoil(monkeypatch, numbered(other, 0))
    with broken("G1", "sink 0: items of another source came"):
        send_slowly(cluster, source)


def test_items_of_another_channel_are_found(
    cluster: MachineCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was sent to another sink breaks G1."""
    source, _ = channel(cluster)
    other, _ = channel(cluster)
    send_slowly(cluster, other)
    spoil(monkeypatch, numbered(other.name, 0))
    with broken("G1", "sink 0: items of source 1 came"):
        send_slowly(cluster, source)


def test_items_of_another_node_are_found(
    cluster: MachineCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is said to come from another node than its source's breaks G1."""
    source, _ = channel(cluster)
    spoil(monkeypatch, lambda batch: [replace(batch, node_id=2)])
    with broken("G1", "sink 0: items of source 0 came"):
        send_slowly(cluster, source)


def test_items_for_another_process_are_found(cluster: MachineCluster) -> None:
    """What was sent to an earlier process of a node breaks G3, wherever it comes."""
    source, sink = channel(cluster)
    sender = sink.sender
    assert sender is not None
    now: Sender[Any] = replace(sender, incarnation=bytes(16))
    sink.sender = now
    with broken("G3", "sink 0: source 0 sends to another process"):
        send_slowly(cluster, source)


def test_tainted_nodes_are_promised_nothing(
    cluster: MachineCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between two nodes whose bytes were changed anything may come or be missing; and
    between others nothing."""
    silent, _ = channel(cluster, sender=1)
    source, _ = channel(cluster, sender=1)
    other, _ = channel(cluster, sender=2)
    cluster.tainted[0, 1] = None
    spoil(
        monkeypatch,
        lambda batch: [replace(batch, payload=b"nonsense")] if batch.sequence else [],
    )
    send_slowly(cluster, silent, count=1)
    send_slowly(cluster, source)
    settle(cluster)
    with broken("G1", "no item"):
        send_slowly(cluster, other)


def test_who_cannot_receive_misses_nothing(cluster: MachineCluster) -> None:
    """Nothing is missing where a sink stalls, or was closed, or where one side is
    gone; nor where a sink is in the place of another one."""
    stalled, dead, closed, gone = (channel(cluster, n, 0) for n in (1, 1, 2, 2))
    stalled[1].set_pace(STALLED)
    late = channel(cluster, 1, 2)
    late[1].set_pace(STALLED)
    for source, sink in (stalled, dead, closed, gone, late):
        sink.set_pace(STALLED)
        source.offer(3, 20)
    cluster.run(1.0)
    closed[1].close()
    cluster.restart(2)
    cluster.run(20.0)
    settle(cluster)


def test_a_fan_out_waits_for_its_slowest(
    cluster: MachineCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Members miss nothing as long as one of them stalls; but if none does."""
    source, sink = channel(cluster)
    _, slow = cluster[0].fan_out(sink, 2)
    slow.set_pace(STALLED)
    spoil(monkeypatch, lambda batch: [])
    source.offer(5, 20)
    cluster.run(1.0)
    settle(cluster)
    slow.pace = Pace(1, 0)
    with broken("G2", "sink 1 on host0.0 never got"):
        settle(cluster)


def test_a_fan_out_goes_on_without_who_is_closed(
    cluster: MachineCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A member that stalls and is closed holds nobody up."""
    source, sink = channel(cluster)
    _, slow = cluster[0].fan_out(sink, 2)
    slow.set_pace(STALLED)
    slow.close()
    spoil(monkeypatch, lambda batch: [])
    source.offer(5, 20)
    cluster.run(1.0)
    with broken("G2", "sink 1 on host0.0 never got"):
        settle(cluster)
