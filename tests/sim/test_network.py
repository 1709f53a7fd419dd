"""The network as a whole: hosts, what is between them, and what dies with them."""

from __future__ import annotations

import pytest

from comm.sim.host import Host
from comm.sim.network import Buffers, Conditions, Latency, Network
from comm.sim.world import MS, SECOND, World
from tests.sim.wire import ADDRESS, Wire, content


def test_each_two_hosts_have_a_path_each_way() -> None:
    """Also a host that is added later, and each host to itself."""
    world = World()
    conditions = Conditions(latency=Latency(base_ns=7))
    network = Network(world, [Host(world, 0)], conditions)
    network.add(Host(world, 1))
    names = sorted(path.name for path in network.paths)
    assert names == ["0>0", "0>1", "1>0", "1>1"]
    assert network.path(1, 0).name == "1>0"
    assert ((0, 1), network.path(0, 1)) in network.ways
    assert network.path(1, 1).transit_ns(0) == 7


def test_a_host_can_talk_to_itself() -> None:
    """A connection within one host is like any other."""
    wire = Wire(receives=False)
    near, far = wire.network.join(wire.hosts[0], wire.hosts[0])
    near.send(b"abc")
    wire.run()
    assert far.receive() == b"abc"
    assert wire.network.between(0, 0) == [(near, far)]


def test_connections_are_found_by_their_hosts() -> None:
    """Whichever side is named first, as long as one of them has it."""
    wire = Wire()
    pair = (wire.near, wire.far)
    assert wire.network.between(0, 1) == wire.network.between(1, 0) == [pair]
    assert wire.network.between(0, 0) == []
    assert wire.network.ends_at(wire.hosts[1]) == [wire.far]
    wire.near.vanish()
    assert wire.network.between(0, 1) == [pair]
    assert wire.network.ends_at(wire.hosts[0]) == []
    wire.far.vanish()
    assert wire.network.between(0, 1) == []
    wire.network.join(*wire.hosts)
    assert len(wire.network._connections) == 1


def test_connections_that_are_over_are_forgotten() -> None:
    """However many there were, the network keeps only those that there are: once both
    sides have closed, or broken and closed."""
    wire = Wire()
    for number in range(50):
        near, far = wire.network.join(*wire.hosts)
        if number % 2:
            near.abort()
        else:
            near.close()
        wire.run()
        far.close()
        wire.run()
    wire.network.join(*wire.hosts)
    assert len(wire.network._connections) == 2


def test_other_buffers_are_for_later_connections() -> None:
    """What was made before keeps what it had."""
    wire = Wire(receives=False)
    wire.network.buffers = Buffers(send_bytes=10)
    near, _ = wire.network.join(*wire.hosts)
    assert near.send(content(50)) == 10
    assert wire.near.send(content(50)) == 50


def test_the_kernel_of_a_dead_process_closes_its_sockets() -> None:
    """Others see an end, or a reset where something was not read; nobody listens."""
    wire = Wire(receives=False)
    near, far = wire.network.join(*wire.hosts)
    listener = wire.network.listen(wire.hosts[1], ADDRESS, lambda: None)
    caller, _ = wire.call()
    near.send(b"unread")
    wire.run()
    wire.hosts[1].stop()
    wire.network.host_died(wire.hosts[1], dark=False)
    wire.run()
    assert wire.near.receive() == b""
    with pytest.raises(ConnectionResetError):
        near.receive()
    assert not far.is_open
    assert caller.endpoint is not None
    with pytest.raises(ConnectionResetError):
        caller.endpoint.receive()
    assert wire.network.listener_at(ADDRESS) is None
    assert listener.waiting == 0


def test_nothing_comes_back_from_a_machine_without_power() -> None:
    """Its sockets vanish: who sends to it waits, and is not even refused."""
    wire = Wire()
    wire.network.listen(wire.hosts[1], ADDRESS, lambda: None)
    wire.hosts[1].stop(dark=True)
    wire.network.host_died(wire.hosts[1], dark=True)
    wire.near.send(b"abc")
    caller, _ = wire.call()
    wire.run(100 * SECOND)
    assert wire.client.told == []
    assert caller.told_ns == []
    assert not wire.near.is_gone
    wire.run(1000 * SECOND)
    assert isinstance(wire.client.error, TimeoutError)
    assert isinstance(caller.error, TimeoutError)


def test_a_machine_that_is_back_knows_nothing() -> None:
    """What is sent again arrives, and is answered by a reset."""
    wire = Wire()
    wire.hosts[1].stop(dark=True)
    wire.network.host_died(wire.hosts[1], dark=True)
    wire.near.send(b"abc")
    wire.run(100 * MS)
    wire.hosts[1].restart()
    wire.run(10 * SECOND)
    assert isinstance(wire.client.error, ConnectionResetError)
    assert wire.server.told == []


def test_what_had_left_a_dying_machine_still_arrives() -> None:
    """A power cut takes nothing back that is under way."""
    wire = Wire()
    wire.near.send(b"abc")
    wire.hosts[0].stop(dark=True)
    wire.network.host_died(wire.hosts[0], dark=True)
    wire.run()
    assert wire.server.received == b"abc"


@pytest.mark.parametrize("dark", [False, True])
def test_only_the_dead_host_is_concerned(dark: bool) -> None:
    """Listeners and connections of others go on."""
    wire = Wire()
    wire.network.add(Host(wire.world, 2))
    listener = wire.network.listen(wire.hosts[1], ADDRESS, lambda: None)
    wire.network.host_died(wire.network._hosts[2], dark=dark)
    assert wire.network.listener_at(ADDRESS) is listener
    wire.near.send(b"abc")
    wire.run()
    assert wire.server.received == b"abc"
