from __future__ import annotations

from comm.sim.choices import Tape
from comm.sim.host import Host
from comm.sim.network import Buffers, Conditions, Endpoint, Network
from comm.sim.world import US, World, seconds


class End:
    """Keeps its end of a connection, and does nothing unasked."""

    endpoint: Endpoint

    def connected(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        endpoint.owner = self

    def send(self, data: bytes) -> None:
        self.endpoint.send(data)

    def connect_failed(self, error: OSError) -> None:
        raise error

    def readable(self, endpoint: Endpoint) -> None:
        pass

    def writable(self, endpoint: Endpoint) -> None:
        pass


def test_a_lost_answer_about_room_is_made_good_by_the_next_acknowledgement() -> None:
    """A writer that did not hear of room, and then hears that something has arrived,
    sends the rest: no byte stays behind in its kernel for ever."""
    world = World(Tape({"path 1>0": [999]}))
    hosts = [Host(world, index) for index in range(2)]
    buffers = Buffers(send_bytes=10_000, receive_bytes=1000)
    network = Network(world, hosts, buffers=buffers)
    network.place(hosts[1], "b:1")
    listener = network.listen(hosts[1], "b:1", lambda: None)
    writer, reader = End(), End()
    network.connect(hosts[0], "b:1", writer)
    world.run_to(seconds(0.1))
    accepted = listener.accept()
    assert accepted is not None
    reader.connected(accepted)
    received = bytearray()

    def read() -> None:
        received.extend(accepted.receive(400) or b"")

    start_ns = world.now_ns
    back = network.path(1, 0)
    back.conditions = Conditions(loss_permille=1)
    writer.endpoint.send(bytes(600))
    world.at(start_ns + 50 * US, writer.send, bytes(900))
    # The first 600 bytes have arrived, and 400 more are under way.
    world.run_to(start_ns + 120 * US)
    back.conditions = Conditions()
    world.run_to(start_ns + seconds(1))
    while len(received) < 1500:
        size = len(received)
        read()
        world.run_to(world.now_ns + seconds(1))
        assert len(received) > size, f"{size} bytes came, and then no more"
