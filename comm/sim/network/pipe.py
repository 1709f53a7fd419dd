"""`Pipe`: the bytes of one direction of a connection, from one kernel to the other.

It behaves as TCP does, seen from the sockets at its ends: bytes arrive in order and
once, or not at all; what is lost is sent again after a pause, and too long a silence
ends the connection; a reader that does not read stops the writer.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, NamedTuple

from comm.sim.network.path import Path, retransmit_pause_ns
from comm.sim.network.rules import Deliver, Drop, Packet, PacketKind, Rules
from comm.sim.world import World


if TYPE_CHECKING:
    from comm.sim.network.endpoint import Endpoint


__all__ = ["Pipe"]

_ATTEMPTS_MAX = 8


class _Flying(NamedTuple):
    kind: PacketKind
    data: bytes
    due_ns: int


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
        ready_bytes: What waits to be read.
        has_ended: Whether nothing comes behind that.
        offset: How many bytes were sent so far.
    """

    __slots__ = (
        "_attempt",
        "_back",
        "_end_is_sent",
        "_flying",
        "_flying_bytes",
        "_is_held",
        "_is_silent",
        "_last_due_ns",
        "_push_is_planned",
        "_ready",
        "_receive_bytes",
        "_rules",
        "_stalled_since_ns",
        "_stream",
        "_unacknowledged",
        "_unsent",
        "_wants_end",
        "_world",
        "forth",
        "has_ended",
        "offset",
        "queued_bytes",
        "ready_bytes",
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
        self.ready_bytes = 0
        self.has_ended = False
        self.offset = 0
        self._world = world
        self._rules = rules
        self._back = back
        self._receive_bytes = receive_bytes
        self._stream = world.choices.stream(f"read {forth.name}")
        self._unsent: deque[bytes] = deque()
        self._wants_end = False
        self._end_is_sent = False
        self._flying: deque[_Flying] = deque()
        self._flying_bytes = 0
        self._last_due_ns = 0
        self._ready: deque[bytes] = deque()
        # What has arrived although the answer could not: the writer sends it again.
        self._unacknowledged = 0
        self._push_is_planned = False
        # Whether what has arrived by now waits for the path to be open again.
        self._is_held = False
        self._is_silent = False
        self._attempt = 0
        self._stalled_since_ns: int | None = None

    # The writer's end.

    @property
    def is_closed(self) -> bool:
        """Whether the writer has said that nothing more comes."""
        return self._wants_end

    @property
    def is_idle(self) -> bool:
        """Whether nothing is on its way."""
        return not (self._unsent or self._flying or self._unacknowledged)

    def write(self, data: bytes) -> None:
        """Takes bytes from the writer."""
        self._unsent.append(data)
        self.queued_bytes += len(data)
        self._push()

    def finish(self) -> None:
        """Ends this direction, behind everything that was written."""
        if not self._wants_end:
            self._wants_end = True
            self._push()

    def reset(self) -> None:
        """Tells the other side that the connection is gone, once, as far as it can."""
        self._wants_end = True
        self._forget_unsent()
        self._launch(PacketKind.RESET, b"")

    def abandon(self) -> None:
        """The writer's kernel forgets the connection; what flies may still land."""
        self._wants_end = True
        self._forget_unsent()
        self._stalled_since_ns = None
        self._unacknowledged = 0

    def silence(self) -> None:
        """Lets nothing through any more, for as long as the connection exists."""
        self._is_silent = True

    # The reader's end.

    def take(self, limit: int) -> bytes:
        """Removes and returns what has arrived, up to a limit; b"" if nothing has."""
        if not self.ready_bytes:
            return b""
        data = self._ready[0] if len(self._ready) == 1 else b"".join(self._ready)
        self._ready.clear()
        size = min(limit, len(data))
        if size > 1 and self._stream.happens(self.forth.conditions.fragment_permille):
            size = 1 + self._stream.below(size - 1)
        if size < len(data):
            self._ready.append(data[size:])
            data = data[:size]
        self.ready_bytes -= size
        self._open_window()
        return data

    def drop_ready(self) -> None:
        """Discards what has arrived and will not be read."""
        self._ready.clear()
        self.ready_bytes = 0

    # What is under way.

    def _push(self) -> None:
        self._push_is_planned = False
        while self._unsent:
            room = self._receive_bytes - self.ready_bytes - self._flying_bytes
            if room <= 0:
                return
            data = self._cut(room)
            self._flying_bytes += len(data)
            self._launch(PacketKind.DATA, data)
        if self._wants_end and not self._end_is_sent and not self.source.is_gone:
            self._end_is_sent = True
            self._launch(PacketKind.END, b"")

    def _cut(self, room: int) -> bytes:
        unsent = self._unsent
        data = unsent[0] if len(unsent) == 1 else b"".join(unsent)
        unsent.clear()
        if len(data) > room:
            unsent.append(data[room:])
            data = data[:room]
        return data

    def _launch(self, kind: PacketKind, data: bytes) -> None:
        delay_ns = self._judged_ns(kind, data) if self._rules else None
        if delay_ns is None:
            delay_ns = self.forth.transit_ns(len(data))
        self.offset += len(data)
        due_ns = max(self._world.now_ns + delay_ns, self._last_due_ns)
        self._last_due_ns = due_ns
        self._flying.append(_Flying(kind, data, due_ns))
        self._world.at(due_ns, self._arrive)

    def _judged_ns(self, kind: PacketKind, data: bytes) -> int | None:
        source, target = self.source.host.index, self.target.host.index
        packet = Packet(source, target, self.source.number, kind, self.offset, data)
        lost_ns = 0
        for attempt in range(_ATTEMPTS_MAX):
            verdict = self._rules.judge(packet)
            if isinstance(verdict, Deliver):
                return lost_ns + verdict.delay_ns
            if not isinstance(verdict, Drop):
                break
            lost_ns += retransmit_pause_ns(attempt)
        return lost_ns + self.forth.transit_ns(len(data)) if lost_ns else None

    def _arrive(self) -> None:
        if not self._is_held:
            self._land_due()

    def _land_due(self) -> None:
        flying = self._flying
        while flying and flying[0].due_ns <= self._world.now_ns:
            if not self._gets_through():
                return
            kind, data, _ = flying.popleft()
            self._flying_bytes -= len(data)
            self._land(kind, data)

    def _gets_through(self) -> bool:
        if self._is_silent or self.forth.is_blocked or self.target.host.is_dark:
            self._hold()
            return False
        if self.forth.is_clogged:
            self._is_held = True
            self.forth.when_unclogged(self._release)
            return False
        return True

    def _land(self, kind: PacketKind, data: bytes) -> None:
        if kind is PacketKind.RESET:
            self.target.handle_reset()
        elif self.target.refuses(kind):
            self._answer_reset()
        elif kind is PacketKind.END:
            self.has_ended = True
            self.target.tell_readable()
        else:
            self._ready.append(data)
            self.ready_bytes += len(data)
            self._acknowledge(len(data))
            self.target.tell_readable()

    def _acknowledge(self, size: int) -> None:
        if self._back.is_blocked or self._is_silent:
            self._unacknowledged += size
            self._stall()
        elif not self.source.is_gone:
            self.queued_bytes -= size
            self.source.tell_writable()

    def _answer_reset(self) -> None:
        if not self._back.is_blocked and not self._is_silent:
            self._world.after(self._back.transit_ns(0), self.source.handle_reset)

    def _open_window(self) -> None:
        if not self._unsent or self._push_is_planned:
            return
        self._push_is_planned = True
        if self._back.is_blocked or self._is_silent:
            self._stall()
        else:
            self._world.after(self._back.transit_ns(0), self._push)

    # Sending again.

    def _hold(self) -> None:
        if self.source.is_gone:
            # Nobody is left who would send it again.
            self._flying.clear()
            self._flying_bytes = 0
            return
        self._is_held = True
        self.forth.stalls += 1
        self._stall()

    def _stall(self) -> None:
        if self._stalled_since_ns is None:
            self._stalled_since_ns = self._world.now_ns
            self._attempt = 0
            self._world.after(retransmit_pause_ns(0), self._retry)

    def _retry(self) -> None:
        since_ns = self._stalled_since_ns
        if since_ns is None or self.source.is_gone:
            return
        if self._can_pass():
            self._stalled_since_ns = None
            self._world.after(self.forth.transit_ns(0), self._recover)
        elif self._world.now_ns - since_ns >= self.source.timeout_ns:
            self._stalled_since_ns = None
            self.source.handle_timeout()
        else:
            self._attempt += 1
            self._world.after(retransmit_pause_ns(self._attempt), self._retry)

    def _can_pass(self) -> bool:
        return not (
            self._is_silent
            or self.forth.is_blocked
            or self._back.is_blocked
            or self.target.host.is_dark
        )

    def _recover(self) -> None:
        if self.source.is_gone:
            return
        acknowledged, self._unacknowledged = self._unacknowledged, 0
        self.queued_bytes -= acknowledged
        if acknowledged and self.target.refuses(PacketKind.DATA):
            self._answer_reset()
        self._release()
        if self._push_is_planned:
            self._push()
        self.source.tell_writable()

    def _release(self) -> None:
        self._is_held = False
        self._land_due()

    def _forget_unsent(self) -> None:
        self._unsent.clear()
        self.queued_bytes = 0
