"""Several receivers of one node's channel: all get every item, in the same order."""

from __future__ import annotations

from typing import Any

import pytest

from comm.broadcast import FanoutCore, FanoutMember, Token
from comm.config import Config
from comm.effects import Readable
from comm.errors import (
    ClosedError,
    EndOfChannel,
    ProducerAborted,
    ReceiverClosed,
    UsageError,
    WouldBlock,
)
from tests.helpers import BYTES, Cluster, pack, receive_all, unpack
from tests.stage import channel


def fanned(
    members: int = 2, config: Config | None = None, **options: Any
) -> tuple[Cluster, Any, FanoutCore, list[FanoutMember]]:
    """A producer on node 1, and a fan-out on node 0."""
    cluster = Cluster(config=config)
    producer, receiver = channel(cluster, 1, 0, **options)
    fanout = cluster[0].open_fanout(receiver)
    return cluster, producer, fanout, [fanout.attach() for _ in range(members)]


def test_all_members_get_every_item() -> None:
    """Whoever takes first, and in whatever batches they came."""
    cluster, producer, fanout, (first, second, third) = fanned(3)
    taken: dict[int, list[Any]] = {0: [], 1: [], 2: []}
    for n in range(30):
        producer.send(pack(n))
        cluster.run(0.01)
        taken[n % 3] += receive_all((first, second, third)[n % 3])
        fanout.check_invariants()
    for name, member in enumerate((first, second, third)):
        assert taken[name] + receive_all(member) == list(range(30))
        assert member.statistics().taken == 30
        assert member.channel == producer.target.channel
    assert len({first.id, second.id, third.id}) == 3


def test_members_of_a_broadcast_see_one_sequence() -> None:
    """Several senders mix in some way, but in the same one for all members."""
    token: Token[Any] = Token("news")
    cluster = Cluster(3)
    receiver = cluster[0].open_broadcast_receiver(token, BYTES)
    fanout = cluster[0].open_fanout(receiver)
    members = [fanout.attach() for _ in range(3)]
    senders = [
        cluster[node].open_broadcast_sender(token, BYTES, cluster.now)
        for node in (1, 2)
    ]
    for node in (1, 2):
        cluster[3 - node].open_broadcast_receiver(token, BYTES)
    cluster.run_until(lambda: all(sender.is_writable for sender in senders))
    got: list[list[Any]] = [[], [], []]
    for n in range(40):
        for name, sender in enumerate(senders):
            sender.send(pack([name, n]))
        cluster.run(0.0007)
        got[n % 3] += receive_all(members[n % 3])
    cluster.run(0.1)
    for name, member in enumerate(members):
        got[name] += receive_all(member)
    assert got[0] == got[1] == got[2]
    assert len(got[0]) == 80


def test_the_slowest_member_bounds_what_is_kept() -> None:
    """A window ahead of it the others wait, and then the producer does."""
    config = Config(window_bytes=100, chunk_bytes=10)
    cluster, producer, fanout, (fast, slow) = fanned(2, config)
    received: list[Any] = []
    sent = 0
    for _ in range(100):
        while producer.is_writable:
            producer.send(pack(b"x" * 8))
            sent += 1
        received += receive_all(fast)
        cluster.run(0.01)
        fanout.check_invariants()
    assert len(received) == 10
    # The last of those that were taken has not made a quarter of the window full.
    assert sent == 19
    with pytest.raises(WouldBlock, match="slower member"):
        fast.take()
    slow.take()
    cluster.settle()
    assert cluster.happened(0, Readable)[-1] == Readable(fast.id)
    assert len(receive_all(fast)) == 1


def test_waiting_members_are_woken_together() -> None:
    """Once each, when something has come."""
    cluster, producer, _, members = fanned(2)
    for member in members:
        with pytest.raises(WouldBlock):
            member.take()
    producer.send(pack(1))
    cluster.run(0.1)
    woken = cluster.happened(0, Readable)
    assert woken == [Readable(member.id) for member in members]
    assert [receive_all(member) for member in members] == [[1], [1]]


def test_a_member_may_come_late() -> None:
    """It gets what no member has taken yet."""
    cluster, producer, fanout, (first, second) = fanned(2)
    producer.send(pack(1))
    cluster.run(0.1)
    assert receive_all(first) == [1]
    late = fanout.attach()
    producer.send(pack(2))
    cluster.run(0.1)
    assert receive_all(late) == [2]
    assert receive_all(first) == [2]
    assert receive_all(second) == [1, 2]


def test_a_member_that_closes_holds_nobody_up() -> None:
    """What was kept for it alone is let go of; the others go on."""
    config = Config(window_bytes=100, chunk_bytes=10)
    cluster, producer, fanout, (first, second) = fanned(2, config)
    assert producer.send_many([pack(b"x" * 8)] * 10) == 10
    cluster.run(0.1)
    assert len(receive_all(first)) == 10
    second.close()
    second.close(unused=5)
    fanout.check_invariants()
    with pytest.raises(ClosedError):
        second.take()
    cluster.run(0.1)
    producer.send(pack("on"))
    cluster.run(0.1)
    assert receive_all(first) == ["on"]


def test_the_last_member_closes_the_channel() -> None:
    """Its producers learn it, and nobody can attach any more."""
    cluster, producer, fanout, (first, second) = fanned(2)
    first.close()
    cluster.run(0.1)
    assert producer.error is None
    second.close()
    cluster.run(0.1)
    assert isinstance(producer.error, ReceiverClosed)
    with pytest.raises(ClosedError, match="this fan-out was closed"):
        fanout.attach()


def test_a_fan_out_is_closed_as_a_whole() -> None:
    """All members with it, and what was kept for them is let go of."""
    cluster, producer, fanout, (first, second) = fanned(2)
    producer.send(pack(1))
    cluster.run(0.1)
    assert receive_all(first) == [1]
    fanout.close()
    fanout.check_invariants()
    for member in (first, second):
        with pytest.raises(ClosedError):
            member.take()
        member.close()
    cluster.run(0.1)
    assert isinstance(producer.error, ReceiverClosed)


def test_all_members_see_the_end() -> None:
    """Again and again, each when it has taken the last item."""
    cluster, producer, _, (first, second) = fanned(2, max_producers=1)
    assert receive_all(first) == []
    producer.send(pack("last"))
    producer.finish()
    cluster.run(0.1)
    for member in (first, second):
        assert unpack(member.take().payload) == ["last"]
        for _ in range(2):
            with pytest.raises(EndOfChannel):
                member.take()


def test_all_members_see_the_errors() -> None:
    """Each once, at the same place among the items."""
    cluster, producer, _, (first, second) = fanned(2, max_producers=2)
    producer.send(pack(1))
    cluster.run(0.1)
    producer.abort("given up")
    other = cluster[1].clone(producer, cluster.now)
    cluster.run_until(lambda: other.is_open)
    other.send(pack(2))
    other.finish()
    cluster.run(0.1)
    for member in (first, second):
        assert unpack(member.take().payload) == [1]
        got: list[object] = []
        for _ in range(2):
            try:
                got += unpack(member.take().payload)
            except ProducerAborted as error:
                got.append(type(error))
        assert sorted(got, key=str) == [2, ProducerAborted]
        with pytest.raises(EndOfChannel):
            member.take()


def test_a_member_may_seal_the_channel() -> None:
    """It ends then for all of them."""
    cluster, producer, _, (first, second) = fanned(2)
    first.seal()
    producer.finish()
    cluster.run(0.1)
    with pytest.raises(EndOfChannel):
        second.take()


def test_a_receiver_is_fanned_out_once() -> None:
    """It belongs to its fan-out; and a closed one has nothing to give."""
    cluster, _, fanout, _ = fanned(0)
    with pytest.raises(UsageError, match="belongs to a fan-out"):
        cluster[0].open_fanout(fanout.receiver)
    _, receiver = cluster[0].open_mpsc(BYTES)
    receiver.close()
    with pytest.raises(UsageError, match="was closed"):
        cluster[0].open_fanout(receiver)


def test_a_fan_out_without_members_takes_nothing() -> None:
    """The first member gets what came before it."""
    cluster, producer, fanout, _ = fanned(0)
    producer.send(pack("waiting"))
    cluster.run(0.1)
    assert receive_all(fanout.attach()) == ["waiting"]


def test_a_receiver_that_waits_may_become_a_fan_out() -> None:
    """What then comes wakes the members."""
    cluster = Cluster()
    producer, receiver = channel(cluster, 1, 0)
    assert receive_all(receiver) == []
    fanout = cluster[0].open_fanout(receiver)
    member = fanout.attach()
    assert receive_all(member) == []
    producer.send(pack(1))
    cluster.run(0.1)
    assert cluster.happened(0, Readable) == [Readable(member.id)]


def test_what_is_closed_with_the_switchboard_is_closed_for_members() -> None:
    """They end like every other receiver."""
    cluster, producer, fanout, (first, second) = fanned(2)
    producer.send(pack(1))
    cluster.run(0.1)
    assert receive_all(first) == [1]
    cluster[0].close(cluster.now)
    for member in (first, second):
        with pytest.raises(ClosedError):
            member.take()
    with pytest.raises(ClosedError):
        fanout.attach()
