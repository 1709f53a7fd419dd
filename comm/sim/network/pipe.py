"""`Pipe`: the bytes of one direction of a connection, from one kernel to the other.

It behaves as TCP does, seen from the sockets at its ends: bytes arrive in order and
once, or not at all, and a reader that does not read stops the writer.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from comm.sim.network.flight import Flight
from comm.sim.network.path import Path
from comm.sim.network.rules import PacketKind, Rules
from comm.sim.world import World


if TYPE_CHECKING:
    from comm.sim.network.endpoint import Endpoint


__all__ = ["Pipe"]

_DATA = PacketKind.DATA
_END = PacketKind.END
_RESET = PacketKind.RESET


class Pipe:
    """One direction of a connection.

    Args:
        world: The world.
        rules: The verdicts on single packets.
        forth: The way of the bytes.
        back: The way of what the reader's kernel answers.
        receive_bytes: What the reader's kernel holds.

    Attributes:
        queued_bytes: What the writer's kernel holds: not sent, or not acknowledged.
        ready: What waits to be read.
        has_ended: Whether nothing comes behind that.
        is_closed: Whether the writer has said that nothing more comes.
        offset: How many bytes were sent so far.
    """

    __slots__ = (
        "_back",
        "_end_is_sent",
        "_flight",
        "_is_mute",
        "_push_is_planned",
        "_receive_bytes",
        "_stream",
        "_unacknowledged",
        "_unsent",
        "_world",
        "forth",
        "has_ended",
        "is_closed",
        "offset",
        "queued_bytes",
        "ready",
        "source",
        "target",
    )

    source: Endpoint
    target: Endpoint

    def __init__(
        self, world: World, rules: Rules, forth: Path, back: Path, receive_bytes: int
    ) -> None:
        self.forth = forth
        self.queued_bytes = 0
        self.ready = bytearray()
        self.has_ended = False
        self.is_closed = False
        self.offset = 0
        self._world = world
        self._back = back
        self._receive_bytes = receive_bytes
        self._stream = world.choices.stream(f"read {forth.name}")
        self._flight = Flight(world, rules, self, forth)
        self._unsent = bytearray()
        self._end_is_sent = False
        # What has arrived although the answer could not.
        self._unacknowledged = 0
        # Whether the writer's kernel is about to hear that there is room.
        self._push_is_planned = False
        # Whether no answer gets through any more.
        self._is_mute = False

    # The writer's end.

    def write(self, data: bytes) -> None:
        """Takes bytes from the writer."""
        self.queued_bytes += len(data)
        if self._unsent or len(data) > self._room:
            self._unsent += data
            self._push_unless_planned()
        else:
            self._launch(data)

    def finish(self) -> None:
        """Ends this direction, behind everything that was written."""
        if not self.is_closed:
            self.is_closed = True
            self._push_unless_planned()

    def reset(self) -> None:
        """Tells the other side that the connection is gone, once, as far as it can."""
        self.abandon()
        self._flight.launch_once(_RESET, self.offset)

    def abandon(self) -> None:
        """The writer's kernel forgets the connection; what flies may still land."""
        self.queued_bytes = self._unacknowledged = 0
        self._unsent.clear()
        self._flight.abandon()

    def silence(self) -> None:
        """Lets nothing through any more, for as long as the connection exists."""
        self._flight.silence()

    # The reader's end.

    def take(self, limit: int) -> bytes:
        """Removes and returns what has arrived, up to a limit."""
        ready = self.ready
        size = min(limit, len(ready))
        permille = self.forth.fragment_permille
        if permille and size > 1 and self._stream.happens(permille):
            size = 1 + self._stream.below(size - 1)
        data = bytes(ready) if size == len(ready) else bytes(ready[:size])
        del ready[:size]
        if self._unsent and not self._push_is_planned:
            self._open_window()
        return data

    def mute(self) -> None:
        """Lets no answer through any more, for as long as the connection exists."""
        self._is_mute = True

    # What is under way.

    def _push_unless_planned(self) -> None:
        """Sends what there is room for, as far as the writer's kernel knows."""
        if not self._push_is_planned:
            self._push()

    def _push(self) -> None:
        self._push_is_planned = False
        unsent = self._unsent
        if unsent:
            room = self._room
            if room > 0:
                data = bytes(unsent[:room])
                del unsent[:room]
                self._launch(data)
            if unsent:
                self._ask_for_room()
                return
        if self.is_closed and not self._end_is_sent and not self.source.is_gone:
            self._end_is_sent = True
            self._flight.launch(_END, b"", self.offset)

    @property
    def _room(self) -> int:
        """How many bytes more may be under way."""
        window = self._receive_bytes - len(self.ready)
        return min(window, self.forth.flight_bytes_max) - self._flight.size

    def _launch(self, data: bytes) -> None:
        size_max = self.forth.packet_bytes_max
        while len(data) > size_max:
            self._launch_packet(data[:size_max])
            data = data[size_max:]
        self._launch_packet(data)

    def _launch_packet(self, data: bytes) -> None:
        offset = self.offset
        self.offset += len(data)
        self._flight.launch(_DATA, data, offset)

    def _ask_for_room(self) -> None:
        """Goes on as soon as the writer's kernel hears that it may; while the reader's
        is full it asks, now and then, unless something is under way anyhow."""
        if self._push_is_planned:
            return
        if self._room > 0:
            self._open_window()
        elif not self._flight.packets:
            self._flight.stall()

    def land(self, kind: PacketKind, data: bytes) -> bool:
        """Takes a packet that has reached the reader's kernel.

        Returns:
            Whether it is answered; what is not has to be sent again.
        """
        target = self.target
        if kind is _RESET:
            target.handle_reset()
        elif (target.is_gone or not target.is_open) and target.refuses(kind):
            return self.source.is_gone or self._answer(self.source.handle_reset)
        elif kind is _END:
            self.has_ended = True
            self._acknowledge(0)
            target.handle_end()
        else:
            self.ready += data
            self._acknowledge(len(data))
            target.tell_readable()
            if self._unsent:
                self._ask_for_room()
        return True

    # What the reader's kernel answers.

    @property
    def are_answers_lost(self) -> bool:
        """Whether nothing gets back to the writer."""
        return self._is_mute or self._back.is_blocked

    @property
    def misses_answer(self) -> bool:
        """Whether the writer's kernel waits to hear of something that has arrived, or
        of room for more."""
        return bool(self._unacknowledged or self._unsent)

    def hear(self) -> None:
        """The writer's kernel has asked again, and gets the answer."""
        if self.source.is_gone:
            return
        if self.target.is_gone:
            if not self._answer(self.source.handle_reset):
                self._flight.stall()
        elif self._unacknowledged:
            self._confirm()
        else:
            self._push()

    def _acknowledge(self, size: int) -> None:
        source = self.source
        if source.is_gone:
            return
        if not self._back.is_open or self._is_mute:
            self._acknowledge_later(size)
            return
        self.queued_bytes -= size
        if self._flight.is_stalled:
            self._confirm()
        elif source.wants_room:
            source.tell_writable()

    def _acknowledge_later(self, size: int) -> None:
        if self.are_answers_lost:
            self._flight.stall()
        elif not self._unacknowledged:
            self._back.when_unclogged(self._confirm)
        self._unacknowledged += size

    def _confirm(self) -> None:
        """Everything that has arrived is acknowledged, and with it comes how much room
        there is, should that have been missed."""
        self.queued_bytes -= self._unacknowledged
        self._unacknowledged = 0
        self._flight.settle()
        self.source.tell_writable()
        # It says how much room there is, too: an earlier answer that was to say so may
        # have been lost.
        self._push()

    def _open_window(self) -> None:
        self._push_is_planned = True
        if not self._answer(self._push):
            self._flight.stall()

    def _answer(self, tell: Callable[[], None]) -> bool:
        """Lets the writer's kernel hear of something; returns whether it will."""
        delay_ns = None if self.are_answers_lost else self._back.once_ns(0)
        if delay_ns is None:
            return False
        if self._back.is_clogged:
            self._back.when_unclogged(tell)
        else:
            self._world.after(delay_ns, tell)
        return True
