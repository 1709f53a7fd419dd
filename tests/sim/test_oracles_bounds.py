"""Turns, memory and what is left: each way to break G7, G14 and G17 is found."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from comm.broadcast import Token
from comm.config import Config
from comm.link.link import Link
from comm.mpsc import Batch, ProducerCore, ReceiverCore
from comm.mpsc.inlet import Inlet
from comm.sim import MachineCluster
from comm.sim.machine import EAGER, STALLED, Source
from comm.sim.machine.link import NodeLink
from comm.sim.network import Buffers
from comm.sim.oracles.fairness import Fairness
from comm.sim.oracles.leaving import Leaving
from comm.statistics import LinkStatistics, Undelivered
from comm.switchboard import SwitchboardCore
from tests.sim.machines import broken, channel, connect, oracle


NEWS: Token[bytes] = Token("news")
CONFIG = Config(window_bytes=1000, chunk_bytes=100)


@pytest.fixture(name="cluster")
def _cluster() -> Iterator[MachineCluster]:
    with MachineCluster(2, config=CONFIG) as cluster:
        cluster.meet()
        yield cluster


def greedy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Has receivers serve the same producer as long as it has anything."""
    take = ReceiverCore.take

    def taken(core: ReceiverCore) -> Batch:
        last = core._last
        if last is not None and last in core._ready:
            core._ready.remove(last)
            core._ready.appendleft(last)
        return take(core)

    monkeypatch.setattr(ReceiverCore, "take", taken)


def rivals(cluster: MachineCluster, count: int = 2) -> None:
    """Has several producers of one channel have several batches each, which are taken
    at once."""
    source, sink = channel(cluster)
    others = [connect(cluster[1], sink) for _ in range(count - 1)]
    cluster.run(1.0)
    sink.set_pace(STALLED)
    for each in (source, *others):
        each.offer(10, 90)
    cluster.run(1.0)
    sink.set_pace(EAGER)


def test_a_producer_that_is_passed_over_is_found(
    cluster: MachineCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A core that serves one producer twice while another one waits breaks G17."""
    greedy(monkeypatch)
    with broken(
        "G17", r"sink 0: producer \d+ was served twice while producer \d+ wait"
    ):
        rivals(cluster)


def test_a_single_producer_may_be_greedy(
    cluster: MachineCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where nobody else waits, one may be served as often as it likes."""
    greedy(monkeypatch)
    rivals(cluster, count=1)


@pytest.mark.parametrize("count", [2, 3, 5])
def test_producers_in_turn_raise_nothing(cluster: MachineCluster, count: int) -> None:
    """A correct receiver serves its producers in turn."""
    rivals(cluster, count)
    assert cluster.sinks[0].received == 10 * count


def test_other_channels_have_turns_of_their_own(cluster: MachineCluster) -> None:
    """Who waits at one channel is not passed over by those of another one."""
    sink = cluster[0].open()
    first, second = connect(cluster[1], sink), connect(cluster[1], sink)
    lonely, other = channel(cluster)
    cluster.run(1.0)
    sink.pace = STALLED
    for each in (first, second):
        each.offer(3, 90)
    cluster.run(1.0)
    fairness = oracle(cluster, Fairness)
    fairness.taking(sink)
    for _ in range(3):
        fairness.taking(other)
        fairness.took(other, Batch(b"", 1, 1, lonely.name, 0, 0, 0))


def test_who_waits_sees_each_other_once(cluster: MachineCluster) -> None:
    """Each producer may see each other one once before it has its turn, and then again;
    and who has nothing for a moment begins to wait anew."""
    source, sink = channel(cluster)
    others = [connect(cluster[1], sink) for _ in range(2)]
    cluster.run(1.0)
    sink.pace = STALLED
    for each in (source, *others):
        each.offer(3, 90)
    cluster.run(1.0)
    fairness, core = oracle(cluster, Fairness), sink.core
    assert isinstance(core, ReceiverCore)
    a, b, c = (inlet.id for inlet in core.inlets)

    def serve(producer: int) -> None:
        fairness.taking(sink)
        fairness.took(sink, Batch(b"", 1, 1, producer, 0, 0, 0))

    for producer in (a, b, c, a, b, c, a):
        serve(producer)
    others_held = [inlet._entries for inlet in core.inlets[1:]]
    for inlet in core.inlets[1:]:
        inlet._entries = type(inlet._entries)()
    for _ in range(3):
        serve(a)
    for inlet, held in zip(core.inlets[1:], others_held, strict=True):
        inlet._entries = held
    serve(a)
    serve(b)
    serve(c)
    with broken("G17", f"producer {c} was served twice while producer {a} waited"):
        serve(c)


def lavish(monkeypatch: pytest.MonkeyPatch) -> None:
    """Has cores accept and take items beyond all credit."""
    send = ProducerCore.send

    def sent(core: ProducerCore, payload: bytes) -> None:
        if core.is_open:
            core.credit = 1 << 20
        send(core, payload)

    monkeypatch.setattr(ProducerCore, "send", sent)
    monkeypatch.setattr(Inlet, "_spend", lambda inlet, size: None)


def test_a_receiver_that_holds_too_much_is_found(
    cluster: MachineCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A core that takes more than a window and an item of one producer breaks G7."""
    source, sink = channel(cluster)
    lavish(monkeypatch)
    sink.set_pace(STALLED)
    source.offer(12, 100)
    with broken(
        "G7", "sink 0 holds 1200 bytes of one producer; the window is 1000, the"
    ):
        cluster.run(2.0)


def test_a_source_that_holds_too_much_is_found(
    cluster: MachineCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A core that accepts more than a window and an item of one producer breaks G7."""
    source, _ = channel(cluster)
    lavish(monkeypatch)
    cluster.cut(0, 1)
    source.offer(12, 100)
    with broken("G7", "source 0 holds too much: .*queued_bytes=1200"):
        cluster.watcher.audit()


def test_a_broadcast_that_holds_too_much_is_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each leg of a broadcast is held to the same bound."""
    cluster = MachineCluster(2, config=CONFIG, check_every=0)
    source = cluster[1].broadcast(NEWS)
    cluster[0].subscribe(NEWS)
    cluster.run(0.5)
    lavish(monkeypatch)
    cluster.cut(0, 1)
    for _ in range(12):
        source.core._credit = 1000  # type: ignore[union-attr] # it is a broadcast's
        source.offer(1, 100)
    with broken("G7", "source 0 holds too much: .*queued_bytes=1200"):
        cluster.watcher.audit()


@pytest.mark.parametrize("items", [10, 11])
def test_a_window_and_an_item_may_be_held(
    cluster: MachineCluster, monkeypatch: pytest.MonkeyPatch, items: int
) -> None:
    """The bound is the window, and the largest item that anybody sends; what is held
    by those that are closed or gone does not count."""
    source, sink = channel(cluster)
    other, other_sink = channel(cluster)
    lavish(monkeypatch)
    for each in (sink, other_sink):
        each.set_pace(STALLED)
    source.offer(items, 100)
    cluster.run(2.0)
    other.offer(20, 100)
    cluster.run(0.1)
    other_sink.close()
    cluster.run(2.0)


def test_a_fan_out_is_bounded_by_its_receiver(cluster: MachineCluster) -> None:
    """Members have no buffers of their own to be looked at."""
    source, sink = channel(cluster)
    cluster[0].fan_out(sink, 2)
    source.offer(20, 100)
    cluster.run(2.0)


def test_a_link_that_holds_too_much_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """A core that goes on sending to a link that takes no more breaks G7."""
    config = Config(window_bytes=4 << 20)
    buffers = Buffers(send_bytes=1000, receive_bytes=1000)
    with MachineCluster(2, config=config, buffers=buffers) as cluster:
        cluster.meet()
        monkeypatch.setattr(
            SwitchboardCore, "handle_write_blocked", lambda core, link: None
        )
        source, _ = channel(cluster)
        cluster.pause(0)
        source.offer(20, 60_000)
        with broken("G7", r"host1.0: \d+ bytes wait for a link"):
            cluster.run(2.0)


def test_a_link_may_hold_one_transmission_more(cluster: MachineCluster) -> None:
    """Above the limit a link may hold what a core sends at once, and nothing more."""
    link = next(iter(cluster[1].links.values()))
    link._pending = bytes((256 << 10) + (512 << 10))
    cluster.watcher.audit()
    link._pending += b"!"
    with broken("G7", "bytes wait for a link"):
        cluster.watcher.audit()
    assert isinstance(link, NodeLink)


def test_a_core_that_does_not_stop_is_found(cluster: MachineCluster) -> None:
    """A core that gives a link something that it was told takes nothing breaks G7;
    what it gave to a link that it has forgotten since does not count."""
    link = next(iter(cluster[1].links.values()))
    link._is_blocked = True
    link.write(b"!")
    with broken("G7", r"host1.0: link \d+ got 1 bytes while it took none"):
        cluster.watcher.audit()
    link._is_over = True
    cluster.watcher.audit()


@pytest.mark.parametrize(("chunk", "limit"), [(100, 4160), (5000, 5064)])
def test_a_frame_that_is_too_large_is_found(
    monkeypatch: pytest.MonkeyPatch, chunk: int, limit: int
) -> None:
    """A core that holds more of a frame than a chunk, with its header, or a handshake,
    breaks G7."""
    with MachineCluster(2, config=Config(chunk_bytes=chunk)) as cluster:
        cluster.meet()
        held = [limit]
        statistics = Link.statistics

        def counted(link: Link) -> LinkStatistics:
            return replace(statistics(link), buffered_bytes=held[0])

        monkeypatch.setattr(Link, "statistics", counted)
        for link in cluster[0].links.values():
            link.received_bytes = 1_000_000
        cluster.watcher.audit()
        held[0] += 1
        for link in cluster[0].links.values():
            link.received_bytes += 1
        with broken("G7", f"host0.0: {limit + 1} bytes of one frame are held"):
            cluster.watcher.audit()


def left(cluster: MachineCluster) -> Source:
    """Has node 1 leave, with nothing under way, and returns a source that it had."""
    source, _ = channel(cluster)
    cluster[1].leave()
    cluster.run(2.0)
    return source


def ended(cluster: MachineCluster) -> None:
    """Has it be looked at what those keep that have left."""
    oracle(cluster, Leaving).ended()


def test_who_has_left_keeps_nothing(cluster: MachineCluster) -> None:
    """A correct node leaves nothing behind, and who has not left may have anything."""
    left(cluster)
    cluster[0].core._fabric.timers.set(("dial", 1), 99.0)
    cluster.network.join(cluster.hosts[0], cluster.hosts[1])[1].close()
    ended(cluster)


def test_a_timer_that_is_left_is_found(cluster: MachineCluster) -> None:
    """A core that has left, and waits for something, breaks G14."""
    left(cluster)
    cluster[1].core._fabric.timers.set(("dial", 0), 99.0)
    with broken("G14", r"host1.0 has left, and waits for \(99.0, 'dial 0'\)"):
        ended(cluster)


def test_a_link_that_is_left_is_found(cluster: MachineCluster) -> None:
    """A process that has left, and has connections, breaks G14."""
    left(cluster)
    cluster[1].links[7] = NodeLink(cluster[1], 7)
    with broken("G14", "host1.0 has left, and keeps {7: "):
        ended(cluster)


def test_items_that_are_left_are_found(
    cluster: MachineCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A core that has left, and has items that are neither delivered nor reported,
    breaks G14."""
    source = left(cluster)
    value = Undelivered(0, source.channel, 0, 3)
    monkeypatch.setattr(SwitchboardCore, "undelivered", lambda core: (value,))
    with broken("G14", r"host1.0 has left with \(Undelivered\("):
        ended(cluster)


def test_a_socket_that_is_left_is_found(cluster: MachineCluster) -> None:
    """A process that has left, and has sockets, breaks G14; connections that its kernel
    has yet to end do not."""
    left(cluster)
    near, _ = cluster.network.join(cluster.hosts[1], cluster.hosts[0])
    with broken("G14", "host1.0 has left, and sockets are open"):
        ended(cluster)
    near.close()
    assert cluster.network.ends_at(cluster.hosts[1])
    ended(cluster)
