"""`Flight`: the packets of one direction of a connection that are under way.

They arrive in order and once. A packet that is lost is sent again after a pause, and
so is one that nobody answers; each pause is twice the one before, and after too long a
silence the connection is given up.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

from comm.sim.host import HostState
from comm.sim.network.path import Path, retransmit_pause_ns
from comm.sim.network.rules import Packet, PacketKind, Rules
from comm.sim.world import Event, World


if TYPE_CHECKING:
    from comm.sim.network.pipe import Pipe


__all__ = ["Flight"]

_LOST = 1 << 62
"""When a lost packet arrives: never, unless it is sent again."""

_DARK = HostState.DARK

_Flying = list[Any]
"""A packet: when it arrives, its kind, its bytes, and how many came before them."""


class Flight:
    """The packets under way in one direction of a connection.

    Args:
        world: The world.
        rules: The verdicts on single packets.
        pipe: Whose packets they are.
        forth: Their way.

    Attributes:
        size: How many bytes are under way.
        is_stalled: Whether the writer's kernel misses an answer.
        packets: The packets.
    """

    __slots__ = (
        "_arriving",
        "_attempt",
        "_forth",
        "_is_held",
        "_is_silent",
        "_last_due_ns",
        "_pipe",
        "_rules",
        "_stalled_since_ns",
        "_timer",
        "_world",
        "is_stalled",
        "packets",
        "size",
    )

    def __init__(self, world: World, rules: Rules, pipe: Pipe, forth: Path) -> None:
        self.size = 0
        self.is_stalled = False
        self.packets: deque[_Flying] = deque()
        self._world = world
        self._rules = rules
        self._pipe = pipe
        self._forth = forth
        self._arriving = self._arrive
        self._last_due_ns = 0
        # Whether what has come this far waits for the path to be unclogged.
        self._is_held = False
        self._is_silent = False
        self._attempt = 0
        self._stalled_since_ns = 0
        self._timer: Event | None = None

    def launch(self, kind: PacketKind, data: bytes, offset: int) -> None:
        """Sends a packet, as often as it takes."""
        packet: _Flying = [_LOST, kind, data, offset]
        self.size += len(data)
        self.packets.append(packet)
        if not self._send(packet):
            self.stall()

    def launch_once(self, kind: PacketKind, offset: int) -> None:
        """Sends a packet behind all others that nobody will send again."""
        packet: _Flying = [_LOST, kind, b"", offset]
        if self._send(packet):
            self.packets.append(packet)

    def silence(self) -> None:
        """Loses everything from now on."""
        self._is_silent = True

    def abandon(self) -> None:
        """Sends nothing again. What was not lost still arrives, if nothing that was
        lost comes before it."""
        self._stop()
        kept = 0
        for packet in self.packets:
            if packet[0] == _LOST:
                break
            kept += 1
        while len(self.packets) > kept:
            self.size -= len(self.packets.pop()[2])

    def stall(self) -> None:
        """An answer is missing: something will be sent again."""
        if self._timer is None:
            if not self.is_stalled:
                self.is_stalled = True
                self._stalled_since_ns = self._world.now_ns
            self._plan_retry()

    def settle(self) -> None:
        """The other side has answered, and the next pause is a short one again."""
        self._stop()
        if any(packet[0] == _LOST for packet in self.packets):
            self.stall()

    # Sending.

    def _send(self, packet: _Flying) -> bool:
        """Sends a packet, and returns whether it is under way."""
        if self._rules.installed:
            delay_ns = self._rules.once_ns(self._describe(packet), self._forth)
        else:
            delay_ns = self._forth.once_ns(len(packet[2]))
        if delay_ns is None:
            return False
        due_ns = max(self._world.now_ns + delay_ns, self._last_due_ns)
        packet[0] = self._last_due_ns = due_ns
        self._world.at(due_ns, self._arriving)
        return True

    def _describe(self, packet: _Flying) -> Packet:
        source, target = self._pipe.source, self._pipe.target
        _, kind, data, offset = packet
        ends = source.host.index, target.host.index
        return Packet(*ends, source.number, kind, offset, data)

    def _plan_retry(self) -> None:
        pause_ns = retransmit_pause_ns(self._attempt)
        self._attempt += 1
        self._timer = self._world.after(pause_ns, self._retry)

    def _retry(self) -> None:
        self._timer = None
        source = self._pipe.source
        if not self._is_cut_off() and self._resend():
            self._stalled_since_ns = self._world.now_ns
            if self._pipe.misses_answer:
                delay_ns = self._forth.transit_ns(0)
                self._world.after(delay_ns, self._pipe.hear)
        elif self._world.now_ns - self._stalled_since_ns >= source.timeout_ns:
            source.handle_timeout()
        else:
            self._plan_retry()

    def _is_cut_off(self) -> bool:
        """Whether nothing gets there, or no answer gets back."""
        return self._forth.is_blocked or self._is_lost() or self._pipe.are_answers_lost

    def _resend(self) -> bool:
        """Sends again what was lost, and returns whether all of it is under way."""
        lost = [packet for packet in self.packets if packet[0] == _LOST]
        return all(map(self._send, lost))

    def _stop(self) -> None:
        self.is_stalled = False
        self._attempt = 0
        if self._timer is not None:
            self._world.cancel(self._timer)
            self._timer = None

    # Arriving.

    def _arrive(self) -> None:
        """Lets arrive whatever is due, as far as it gets through."""
        packets = self.packets
        while packets and packets[0][0] <= self._world.now_ns and not self._is_held:
            if self._is_lost() or not self._forth.is_open:
                self._hold_up()
                return
            packet = packets.popleft()
            _, kind, data, _ = packet
            self.size -= len(data)
            if not self._pipe.land(kind, data):
                packet[0] = _LOST
                packets.appendleft(packet)
                self.size += len(data)
                self.stall()

    def _is_lost(self) -> bool:
        """Whether nothing arrives, whatever the path is like."""
        return self._is_silent or self._pipe.target.host.state is _DARK

    def _hold_up(self) -> None:
        """The next packet is lost here, or has to wait."""
        forth = self._forth
        if not (self._is_lost() or forth.is_blocked):
            self._is_held = True
            forth.when_unclogged(self._release)
        elif self._pipe.source.is_gone:
            self._lose_for_good()
        else:
            self.packets[0][0] = _LOST
            forth.stalls += 1
            self.stall()

    def _lose_for_good(self) -> None:
        """Nobody is left who would send the next packet again: nothing behind it can
        be received any more, but for a reset."""
        packets = self.packets
        packets.popleft()
        while packets and packets[0][1] is not PacketKind.RESET:
            packets.popleft()
        self.size = 0

    def _release(self) -> None:
        self._is_held = False
        self._arrive()
