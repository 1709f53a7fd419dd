"""Connecting: accepted, refused, lost, given up; and listening."""

from __future__ import annotations

import errno
import socket

import pytest

from comm.sim.network import (
    CONNECT_TIMEOUT_NS,
    PASS,
    Conditions,
    Drop,
    Endpoint,
    Latency,
    Listener,
    Packet,
    PacketKind,
    Pass,
)
from comm.sim.world import MS, SECOND
from tests.sim.wire import ADDRESS, LATENCY_NS, Caller, Wire


class Server:
    """Listens on the second host of a wire, and accepts at once if it is to."""

    def __init__(self, wire: Wire, *, backlog: int = 5, accepts: bool = True) -> None:
        self.accepted: list[Endpoint] = []
        self.told = 0
        self._accepts = accepts
        network, host = wire.network, wire.hosts[1]
        self.listener: Listener = network.listen(host, ADDRESS, self._ready, backlog)

    def _ready(self) -> None:
        self.told += 1
        if self._accepts:
            self.accept()

    def accept(self) -> Endpoint | None:
        endpoint = self.listener.accept()
        if endpoint is not None:
            self.accepted.append(endpoint)
        return endpoint


@pytest.fixture
def wire() -> Wire:
    return Wire()


def code(caller: Caller) -> int | None:
    assert caller.error is not None
    return caller.error.errno


def test_a_connection_takes_a_round_trip(wire: Wire) -> None:
    """The request travels, and the answer; the two ends are those of one connection."""
    server = Server(wire)
    caller, _ = wire.call()
    wire.run()
    assert caller.told_ns == [2 * LATENCY_NS]
    assert caller.endpoint is not None
    assert caller.endpoint.far is server.accepted[0]
    assert wire.network.made == 2
    wire.run(200 * SECOND)
    assert len(server.accepted) == len(caller.told_ns) == 1


def test_a_refusal_takes_a_round_trip(wire: Wire) -> None:
    """Where nobody listens, the machine says so."""
    wire.network.place(wire.hosts[1], ADDRESS)
    caller, _ = wire.call()
    wire.run(200 * SECOND)
    assert caller.told_ns == [2 * LATENCY_NS]
    assert isinstance(caller.error, ConnectionRefusedError)


def test_a_host_may_refuse_although_it_listens(wire: Wire) -> None:
    """A fault makes it look as if nobody listened."""
    server = Server(wire)
    wire.network.refusing[1] = 1
    caller, _ = wire.call()
    wire.run()
    assert code(caller) == errno.ECONNREFUSED
    assert not server.accepted


@pytest.mark.parametrize("fault", ["swallowed", "dark", "blocked", "deaf", "dropped"])
def test_without_an_answer_the_attempt_times_out(wire: Wire, fault: str) -> None:
    """A black hole is asked 7 times in 127 seconds, each time after twice as long."""
    server = Server(wire)
    asked: list[int] = []
    if fault == "swallowed":
        wire.network.swallowing[1] = 1
    elif fault == "dark":
        wire.hosts[1].stop(dark=True)
    elif fault == "blocked":
        wire.forth.block()
    elif fault == "deaf":
        wire.back.block()

    def rule(_: Packet) -> Drop:
        asked.append(wire.world.now_ns // SECOND)
        return Drop()

    if fault == "dropped":
        wire.network.rules.add(rule)
    caller, _ = wire.call()
    wire.run(1000 * SECOND)
    assert caller.told_ns == [CONNECT_TIMEOUT_NS]
    assert isinstance(caller.error, TimeoutError)
    assert not server.accepted
    if fault == "dropped":
        assert asked == [0, 1, 3, 7, 15, 31, 63]
    if fault == "blocked":
        assert wire.forth.stalls == 7


def test_a_program_may_be_less_patient(wire: Wire) -> None:
    """A timeout of its own is kept to the nanosecond."""
    wire.network.place(wire.hosts[1], ADDRESS)
    wire.forth.block()
    caller, _ = wire.call(timeout_ns=1500 * MS)
    wire.run(10 * SECOND)
    assert caller.told_ns == [1500 * MS]


def test_a_lost_request_is_repeated(wire: Wire) -> None:
    """A way that opens in time lets the next request through."""
    server = Server(wire)
    wire.forth.block()
    caller, _ = wire.call()
    wire.run(1500 * MS)
    wire.forth.unblock()
    wire.run(10 * SECOND)
    assert caller.told_ns == [3 * SECOND + 2 * LATENCY_NS]
    assert len(server.accepted) == 1


@pytest.mark.parametrize("way", ["forth", "back"])
def test_a_request_or_answer_that_is_under_way_may_be_lost(
    wire: Wire, way: str
) -> None:
    """A block hits what was sent before it; it is sent again, and one connection comes
    of it."""
    server = Server(wire)
    caller, _ = wire.call()
    wire.run(LATENCY_NS // 2 if way == "forth" else LATENCY_NS * 3 // 2)
    getattr(wire, way).block()
    wire.run(500 * MS)
    assert caller.told_ns == []
    getattr(wire, way).unblock()
    wire.run(10 * SECOND)
    assert caller.endpoint is not None
    assert len(server.accepted) == 1


def test_an_answer_that_never_comes_through_times_out(wire: Wire) -> None:
    """The server has its end, and the client, which never had one, gives up."""
    server = Server(wire)
    caller, _ = wire.call()
    wire.run(LATENCY_NS * 3 // 2)
    wire.back.block()
    wire.run(1000 * SECOND)
    assert isinstance(caller.error, TimeoutError)
    assert len(caller.told_ns) == 1
    wire.back.unblock()
    server.accepted[0].send(b"x")
    wire.run()
    assert server.accepted[0].is_gone


@pytest.mark.parametrize("way", ["forth", "back"])
def test_a_clogged_way_delays_a_connection(wire: Wire, way: str) -> None:
    """Request and answer wait for a clogged way, and then one connection stands."""
    server = Server(wire)
    getattr(wire, way).clog()
    caller, _ = wire.call()
    wire.run(20 * SECOND)
    assert caller.told_ns == []
    getattr(wire, way).unclog()
    wire.run()
    assert caller.endpoint is not None
    assert len(server.accepted) == 1


def test_loss_makes_connecting_slow() -> None:
    """Requests that are lost on the way are repeated after seconds."""
    wire = Wire(Conditions(loss_permille=200))
    server = Server(wire)
    callers = [wire.call()[0] for _ in range(20)]
    wire.run(127 * SECOND)
    assert all(caller.endpoint for caller in callers)
    assert len(server.accepted) == 20
    assert max(caller.told_ns[0] for caller in callers) > SECOND


def test_a_request_that_comes_twice_makes_one_connection() -> None:
    """If the way takes longer than the pause, repetitions come behind the connection
    and change nothing."""
    wire = Wire(Conditions(latency=Latency(base_ns=5 * SECOND)))
    server = Server(wire)
    caller, _ = wire.call()
    wire.run(9 * SECOND)
    # Repetitions that are under way are merely lost.
    wire.forth.block()
    wire.run(200 * SECOND)
    assert caller.told_ns == [10 * SECOND]
    assert len(server.accepted) == 1


@pytest.mark.parametrize("by", ["listener", "fault"])
def test_who_comes_to_a_full_backlog_tries_again(wire: Wire, by: str) -> None:
    """As in Linux, one more than the backlog may wait, and the next one is not refused
    but repeats its request until there is room."""
    server = Server(wire, backlog=1 if by == "listener" else 100, accepts=False)
    if by == "fault":
        wire.network.backlogs[1] = 2
    callers = [wire.call()[0] for _ in range(3)]
    wire.run(500 * MS)
    assert [caller.endpoint is not None for caller in callers] == [True, True, False]
    assert server.listener.waiting == 2
    assert server.told == 2
    assert callers[2].error is None
    first = server.accept()
    assert first is not None
    assert callers[0].endpoint is first.far
    wire.run(SECOND)
    assert callers[2].told_ns == [SECOND + 2 * LATENCY_NS]


def test_there_may_be_nothing_to_accept(wire: Wire) -> None:
    """A listener without connections gives none."""
    assert Server(wire).accept() is None


def test_names_may_not_be_resolved(wire: Wire) -> None:
    """A host without a resolver learns that it is a temporary failure, soon."""
    Server(wire)
    wire.network.unresolvable[0] = 1
    caller, _ = wire.call()
    wire.run(SECOND)
    assert isinstance(caller.error, socket.gaierror)
    assert caller.error.errno == socket.EAI_AGAIN
    assert caller.told_ns == [500_000]


def test_an_unknown_name_is_an_error(wire: Wire) -> None:
    """An address that no host has cannot be resolved."""
    caller, _ = wire.call("nowhere:1")
    wire.run(SECOND)
    assert isinstance(caller.error, socket.gaierror)
    assert caller.error.errno == socket.EAI_NONAME


def test_a_cancelled_attempt_tells_nobody(wire: Wire) -> None:
    """Whether it would have succeeded or failed; what was made is closed again."""
    server = Server(wire)
    early, attempt = wire.call()
    attempt.cancel()
    late, late_attempt = wire.call()
    wire.run(LATENCY_NS)
    late_attempt.cancel()
    refused, refused_attempt = wire.call("nowhere:1")
    refused_attempt.cancel()
    wire.run(200 * SECOND)
    assert early.told_ns == late.told_ns == refused.told_ns == []
    (endpoint,) = server.accepted
    assert endpoint.receive() == b""


def test_a_failure_that_waits_is_cancelled_too(wire: Wire) -> None:
    """A paused process that cancels is not told what came up meanwhile."""
    wire.network.place(wire.hosts[1], ADDRESS)
    caller, attempt = wire.call()
    wire.hosts[0].pause()
    wire.run()
    attempt.cancel()
    wire.hosts[0].resume()
    wire.run()
    assert caller.told_ns == []


@pytest.mark.parametrize("restarts", [False, True])
@pytest.mark.parametrize("when", [0, LATENCY_NS])
def test_a_process_that_is_gone_is_not_told(
    wire: Wire, when: int, restarts: bool
) -> None:
    """Neither is the next one on that host, and no connection comes of a request that
    its process did not live to see answered."""
    server = Server(wire)
    caller, _ = wire.call()
    wire.run(when)
    wire.hosts[0].stop()
    wire.network.host_died(wire.hosts[0], dark=False)
    if restarts:
        wire.hosts[0].restart()
    wire.run(200 * SECOND)
    assert caller.told_ns == []
    assert len(server.accepted) == (when > 0)


def test_a_process_that_is_paused_is_told_later(wire: Wire) -> None:
    """Its machine makes the connection all the same."""
    server = Server(wire)
    caller, _ = wire.call()
    wire.hosts[0].pause()
    wire.run(SECOND)
    assert len(server.accepted) == 1
    wire.hosts[0].resume()
    wire.run()
    assert caller.told_ns == [SECOND]


def test_what_was_sent_before_the_client_knew_is_there(wire: Wire) -> None:
    """A server that speaks first is heard from the beginning."""
    server = Server(wire)
    caller, _ = wire.call()
    wire.run(LATENCY_NS)
    server.accepted[0].send(b"hello")
    wire.run()
    assert caller.endpoint is not None
    assert caller.endpoint.receive() == b"hello"


def test_a_listener_that_closes_resets_what_waits(wire: Wire) -> None:
    """What was accepted goes on, what was not is reset, and the next is refused."""
    server = Server(wire, accepts=False)
    accepted, waiting = wire.call()[0], wire.call()[0]
    wire.run()
    server.accept()
    server.listener.close()
    refused, _ = wire.call()
    wire.run()
    assert accepted.endpoint is not None
    assert accepted.endpoint.receive() is None
    assert waiting.endpoint is not None
    with pytest.raises(ConnectionResetError):
        waiting.endpoint.receive()
    assert code(refused) == errno.ECONNREFUSED


def test_the_next_listener_is_not_closed_by_the_one_before(wire: Wire) -> None:
    """Two processes in turn may listen at one address; each ends only its own."""
    old, new = Server(wire), Server(wire)
    old.listener.close()
    wire.call()
    wire.run()
    assert len(new.accepted) == 1
    assert wire.network.listener_at(ADDRESS) is new.listener


def test_requests_have_a_kind_of_their_own(wire: Wire) -> None:
    """A rule can tell requests and their answers from what comes later."""
    Server(wire)
    seen: list[tuple[int, int, PacketKind]] = []

    def rule(packet: Packet) -> Pass:
        seen.append((packet.source, packet.target, packet.kind))
        return PASS

    wire.network.rules.add(rule)
    wire.call()
    wire.run(200 * SECOND)
    assert seen == [(0, 1, PacketKind.CONNECT), (1, 0, PacketKind.CONNECT)]
