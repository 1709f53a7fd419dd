"""The simulated network as the programs of one host see it, in an event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
import errno
import socket

import pytest

from comm import Address
from comm.sim.host import Host
from comm.sim.loop import SimNetwork, VirtualLoop
from comm.sim.network import Buffers, Conditions, Latency, Network
from comm.sim.world import MS, World
from tests.cluster import eventually
from tests.leaks import run_async
from tests.simwire import SimWire, new_virtual_loop
from tests.streams import connect_streams


SERVER = Address("server", 7000)


class Stage:
    """Two hosts, of which the second has an address."""

    def __init__(self) -> None:
        self.world = World()
        self.hosts = [Host(self.world, 0), Host(self.world, 1)]
        conditions = Conditions(latency=Latency(base_ns=MS))
        buffers = Buffers(send_bytes=10_000, receive_bytes=10_000)
        self.network = Network(self.world, self.hosts, conditions, buffers)
        self.network.place(self.hosts[1], str(SERVER))
        self.client, self.server = (
            SimNetwork(self.network, host) for host in self.hosts
        )


class Quiet(asyncio.Protocol):
    """Keeps its transport."""

    transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport


@pytest.fixture
def stage() -> Stage:
    """Returns the hosts."""
    return Stage()


@pytest.fixture
def new_event_loop(stage: Stage) -> Callable[[], asyncio.AbstractEventLoop]:
    """Returns what makes the loop in which a test runs."""
    return lambda: VirtualLoop(stage.world)


async def code_of(connecting: asyncio.Future[None]) -> int | None:
    with pytest.raises(OSError, match=r"\w") as caught:
        await connecting
    return caught.value.errno


async def test_errors_are_those_of_the_kernel(stage: Stage) -> None:
    """Whoever cannot connect or listen is told why by the number that Linux gives."""
    dial, serve = stage.client.connect, stage.server.listen
    call = asyncio.ensure_future
    assert await code_of(call(dial(SERVER, Quiet))) == errno.ECONNREFUSED
    nowhere = Address("nowhere", 1)
    assert await code_of(call(dial(nowhere, Quiet))) == socket.EAI_NONAME
    file = Address("", 0, "/run/file")
    assert await code_of(call(dial(file, Quiet))) == errno.ENOENT
    listener = await serve(SERVER, Quiet)
    with pytest.raises(OSError, match="in use"):
        await serve(SERVER, Quiet)
    with pytest.raises(OSError, match="assign requested address"):
        await stage.client.listen(SERVER, Quiet)
    listener.close()
    stage.hosts[0].stop()
    assert await code_of(call(dial(SERVER, Quiet))) == errno.ENETDOWN
    stage.hosts[0].restart()
    assert await code_of(call(dial(SERVER, Quiet))) == errno.ENETDOWN


async def test_a_blocked_path_is_waited_for(stage: Stage) -> None:
    """A connection through a network that loses everything is made once that is over,
    when the kernel asks again."""
    listener = await stage.server.listen(SERVER, Quiet)
    stage.network.path(0, 1).block()
    connecting = asyncio.ensure_future(stage.client.connect(SERVER, Quiet))
    await asyncio.sleep(0.5)
    assert not connecting.done()
    stage.network.path(0, 1).unblock()
    protocol = Quiet()
    await stage.client.connect(SERVER, lambda: protocol)
    await connecting
    assert asyncio.get_running_loop().time() < 2
    listener.close()


@pytest.mark.parametrize("turns", [0, 1, 100, *range(195, 210)])
async def test_a_cancelled_call_leaves_nothing_open(stage: Stage, turns: int) -> None:
    """Whenever a call is cancelled, either its protocol has its connection or there
    is none on this side."""
    listener = await stage.server.listen(SERVER, Quiet)
    protocol = Quiet()
    calling = asyncio.ensure_future(stage.client.connect(SERVER, lambda: protocol))
    for _ in range(turns):
        await asyncio.sleep(0)
    calling.cancel()
    await asyncio.wait([calling])
    await asyncio.sleep(1)
    open_ends = [end for end in stage.network.ends_at(stage.hosts[0]) if end.is_open]
    assert len(open_ends) == (protocol.transport is not None)
    listener.close()


async def test_the_two_ends_know_each_other_s_names(stage: Stage) -> None:
    """`sockname` and `peername` of one end are `peername` and `sockname` of the other;
    there is no socket."""
    near, far = Quiet(), Quiet()
    listener = await stage.server.listen(SERVER, lambda: far)
    await stage.client.connect(SERVER, lambda: near)
    await eventually(lambda: far.transport)
    listener.close()
    assert near.transport is not None
    assert far.transport is not None
    own, other = near.transport.get_extra_info, far.transport.get_extra_info
    assert own("peername") == other("sockname") == ("server", 7000)
    assert own("sockname") == other("peername")
    assert own("socket") is None


async def test_a_transport_waits_for_the_kernel(stage: Stage) -> None:
    """What the kernels of both sides do not hold stays in the transport, which says
    how much that is, and goes on by itself."""
    far = Quiet()
    listener = await stage.server.listen(SERVER, lambda: far)
    reader, writer = await connect_streams(stage.client, SERVER)
    await eventually(lambda: far.transport)
    assert far.transport is not None
    far.transport.pause_reading()
    writer.write(bytes(100_000))
    assert writer.transport.get_write_buffer_size() == 90_000
    await asyncio.sleep(1)
    assert writer.transport.get_write_buffer_size() == 80_000
    far.transport.resume_reading()
    await asyncio.wait_for(writer.drain(), 1)
    writer.close()
    await writer.wait_closed()
    await eventually(lambda: far.transport and far.transport.is_closing())
    assert await reader.read() == b""
    listener.close()


def test_another_loop_is_refused(stage: Stage) -> None:
    """A loop that is not in the world of the network would wait for ever, and so
    connecting and listening in it raise."""
    loops = asyncio.new_event_loop(), VirtualLoop(World())
    for loop in loops:
        for deed in (stage.client.connect, stage.server.listen):
            with pytest.raises(RuntimeError, match="not the loop"):
                loop.run_until_complete(deed(SERVER, Quiet))
        loop.close()


def test_a_wire_knows_who_left_something_open() -> None:
    """A connection that a test of the suites does not close, and a listener, are
    named when the wire is closed."""

    async def forget() -> None:
        wire = SimWire(1)
        network = wire.options(0)["network"]
        listener = await network.listen(Address.parse(wire.nodes[0]), Quiet)
        _reader, writer = await wire.connect_raw(0)
        with pytest.raises(AssertionError, match=r"1 of host1, .*127\.0\.0\.1:7000"):
            await wire.aclose()
        listener.close()
        writer.close()
        await writer.wait_closed()
        await wire.aclose()

    run_async(forget(), new_virtual_loop())
