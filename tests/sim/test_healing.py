"""Whatever befalls the ways of a connection: when it is over, everything goes on."""

from __future__ import annotations

from hypothesis import given, settings, strategies as st

from comm.sim.choices import Seeded
from comm.sim.network import Buffers, Conditions, Latency
from comm.sim.world import MS, SECOND
from tests.sim.wire import Wire, content


LOSSY = Conditions(
    latency=Latency(spread_ns=2 * MS), loss_permille=150, fragment_permille=300
)

deeds = st.lists(
    st.sampled_from(
        [
            *("near sends", "far sends", "a moment passes", "a second passes"),
            *("forth blocks", "forth clogs", "forth clears"),
            *("back blocks", "back clogs", "back clears"),
            *("near pauses", "far pauses", "near goes on", "far goes on"),
        ]
    ),
    max_size=40,
)


class Connection(Wire):
    """A connection to which things are done."""

    def __init__(self, seed: int, room: int) -> None:
        buffers = Buffers(send_bytes=room + 20, receive_bytes=room)
        super().__init__(LOSSY, buffers, Seeded(seed))
        self.sent = [0, 0]

    def do(self, deed: str) -> None:
        who, what = deed.split(" ", 1)
        side = int(who in {"far", "back"})
        path, host = (self.forth, self.back)[side], self.hosts[side]
        match what:
            case "sends":
                self.send(side)
            case "blocks":
                path.block()
            case "clogs":
                path.clog()
            case "clears":
                path.clear()
            case "pauses":
                host.pause()
            case "goes on":
                host.resume()
            case "moment passes":
                self.run(MS)
            case _:
                self.run(SECOND)

    def send(self, side: int) -> None:
        program = (self.client, self.server)[side]
        end = (self.near, self.far)[side]
        program.write(end, content(50, self.sent[side]))
        self.sent[side] += 50

    def check_books(self) -> None:
        """What a kernel holds is what is unsent, under way, or not acknowledged."""
        for end in (self.near, self.far):
            pipe = end._outwards
            flight = pipe._flight
            assert flight.size == sum(len(packet[2]) for packet in flight.packets)
            held = len(pipe._unsent) + flight.size + pipe._unacknowledged
            assert end.queued_bytes == (0 if end.is_gone else held)

    def heal(self) -> None:
        for path in self.network.paths:
            path.clear()
        for host in self.hosts:
            host.resume()


@settings(max_examples=200)
@given(deeds=deeds, seed=st.integers(0, 10**6), room=st.integers(1, 200))
def test_a_connection_that_is_healed_delivers_everything(
    deeds: list[str], seed: int, room: int
) -> None:
    """However ways were blocked and clogged and hosts paused, for less than it takes
    to give up: then every byte arrives, in order, and nothing is left to do."""
    connection = Connection(seed, room)
    for deed in deeds:
        connection.do(deed)
        connection.check_books()
    connection.heal()
    connection.run(1000 * SECOND)
    for side, receiver in enumerate((connection.server, connection.client)):
        assert receiver.error is None
        assert receiver.received == content(connection.sent[side])
    assert connection.near.queued_bytes == connection.far.queued_bytes == 0
    assert connection.world.next_ns is None


@settings(max_examples=200)
@given(deeds=deeds, seed=st.integers(0, 10**6), crash=st.integers(0, 39))
def test_a_connection_whose_peer_died_ends(
    deeds: list[str], seed: int, crash: int
) -> None:
    """If the other machine loses its power and comes back, whoever still sends is
    told, and has received nothing but what was sent."""
    connection = Connection(seed, 100)
    for deed in [*deeds[:crash], "power goes", *deeds[crash:]]:
        if deed == "power goes":
            host = connection.hosts[1]
            host.stop(dark=True)
            connection.network.host_died(host, dark=True)
        elif not deed.startswith("far"):
            connection.do(deed)
        connection.check_books()
    connection.hosts[1].restart()
    connection.heal()
    connection.send(0)
    connection.run(1000 * SECOND)
    assert isinstance(connection.client.error, ConnectionResetError | TimeoutError)
    assert content(connection.sent[1]).startswith(connection.client.received)
    assert connection.world.next_ns is None
