"""`FanoutCore`: one receiver's items for several members, in the same order."""

from __future__ import annotations

from collections import deque
from dataclasses import replace

from comm.effects import Readable
from comm.errors import BrokenError, ClosedError, WouldBlock
from comm.fabric import Fabric, channel_name
from comm.marks import Mark, reached
from comm.mpsc.inlet import Batch
from comm.mpsc.receiver import ReceiverCore
from comm.statistics import ReceiverStatistics


__all__ = ["FanoutCore", "FanoutMember"]


class FanoutCore:
    """Gives every item of a receiver to each of its members.

    What one member has taken is kept until all have; no more than a window of bytes
    is kept, so that the slowest member slows the producers, and no memory grows.

    Args:
        fabric: What the switchboard's parts share.
        receiver: The receiver, which belongs to the fan-out from now on.
    """

    __slots__ = ("_fabric", "_first", "_log", "_log_bytes", "_members", "_receiver")

    def __init__(self, fabric: Fabric, receiver: ReceiverCore) -> None:
        self._fabric = fabric
        self._receiver = receiver
        receiver.owner = self
        self._members: dict[int, FanoutMember] = {}
        # Batches, and the errors of producers, from position `_first` on.
        self._log: deque[Batch | BrokenError] = deque()
        self._log_bytes = 0
        self._first = 0

    @property
    def receiver(self) -> ReceiverCore:
        """The receiver behind the fan-out."""
        return self._receiver

    def attach(self) -> FanoutMember:
        """Adds a member, which gets all that no member has taken yet.

        Raises:
            ClosedError: After `close`.
        """
        if self._receiver.is_closed:
            raise ClosedError("this fan-out was closed")
        member = FanoutMember(self._fabric, self, self._end)
        self._members[member.id] = member
        return member

    def close(self) -> None:
        """Closes the receiver and every member."""
        for member in tuple(self._members.values()):
            member.is_closed = True
        self._members.clear()
        self._receiver.close()
        self._trim()

    def source_readable(self) -> None:
        """The receiver has something to take."""
        self._wake_starved()

    def read(self, position: int) -> Batch | BrokenError:
        """Returns what stands at a position; takes it from the receiver if need be.

        Raises:
            WouldBlock: If there is nothing yet, or a slower member must come first.
            EndOfChannel: If nothing will ever stand there.
        """
        if position == self._end:
            if self._log_bytes >= self._fabric.config.window_bytes:
                reached(Mark.FANOUT_FULL)
                raise WouldBlock("a slower member of the fan-out must receive first")
            self._pull()
        return self._log[position - self._first]

    def advance(self) -> None:
        """Lets go of what all members have taken."""
        was_full = self._log_bytes >= self._fabric.config.window_bytes
        self._trim()
        if was_full and self._log_bytes < self._fabric.config.window_bytes:
            self._wake_starved()

    def remove(self, member: FanoutMember) -> None:
        """Goes on without a member; the last one's end closes the receiver."""
        self._members.pop(member.id, None)
        if not self._members:
            self._receiver.close()
        self.advance()

    def check_invariants(self) -> None:
        """Asserts what must hold between any two calls."""
        for member in self._members.values():
            assert self._first <= member.position <= self._end
        held = sum(len(b.payload) for b in self._log if isinstance(b, Batch))
        assert held == self._log_bytes

    @property
    def _end(self) -> int:
        return self._first + len(self._log)

    def _pull(self) -> None:
        try:
            entry: Batch | BrokenError = self._receiver.take()
        except BrokenError as error:
            entry = error
        if isinstance(entry, Batch):
            self._log_bytes += len(entry.payload)
            # What one member has, all others get: nobody may take it back.
            entry = replace(entry, session=0)
        self._log.append(entry)
        self._wake_starved()

    def _trim(self) -> None:
        positions = [member.position for member in self._members.values()]
        keep_from = min(positions, default=self._end)
        while self._first < keep_from:
            entry = self._log.popleft()
            self._first += 1
            if isinstance(entry, Batch):
                self._log_bytes -= len(entry.payload)

    def _wake_starved(self) -> None:
        for member in self._members.values():
            member.wake()


class FanoutMember:
    """One of the receivers of a fan-out.

    Args:
        fabric: What the switchboard's parts share.
        fanout: The fan-out.
        position: Where it begins.
    """

    __slots__ = (
        "_fabric",
        "_fanout",
        "_starved",
        "_taken",
        "id",
        "is_closed",
        "position",
    )

    def __init__(self, fabric: Fabric, fanout: FanoutCore, position: int) -> None:
        self.id = fabric.next_id()
        self.position = position
        self.is_closed = False
        self._fabric = fabric
        self._fanout = fanout
        self._starved = False
        self._taken = 0

    @property
    def channel(self) -> bytes:
        """16 bytes, the channel."""
        return self._fanout.receiver.channel

    def take(self) -> Batch:
        """Returns the next items; the same for every member.

        Raises:
            WouldBlock: If there are none, or a slower member must take first;
                `Readable` follows.
            EndOfChannel: After the last item of the last producer, each time.
            ProducerLost: Once for each producer of a sealed channel that was lost.
            ProducerAborted: Likewise for one that was aborted.
            ClosedError: After `close`.
        """
        if self.is_closed or self._fanout.receiver.is_closed:
            raise ClosedError(
                f"channel {channel_name(self.channel)}: this receiver was closed"
            )
        try:
            entry = self._fanout.read(self.position)
        except WouldBlock:
            self._starved = True
            raise
        self.position += 1
        self._fanout.advance()
        if not isinstance(entry, Batch):
            raise entry
        self._taken += entry.count
        return entry

    def seal(self) -> None:
        """Refuses further producers; the channel ends when those attached have."""
        self._fanout.receiver.seal()

    def discard(self, batch: Batch, unused: int) -> None:
        """Does nothing: batches of a fan-out are never in doubt."""

    def close(self, unused: int = 0) -> None:
        """Takes nothing more; the other members go on.

        Args:
            unused: Nothing to a fan-out, in which others may have been given them.
        """
        del unused
        if not self.is_closed:
            self.is_closed = True
            self._fanout.remove(self)

    def wake(self) -> None:
        """There may be something to take again."""
        if self._starved:
            self._starved = False
            self._fabric.emit(Readable(self.id))

    def statistics(self) -> ReceiverStatistics:
        """Returns a snapshot: the channel's, with what this member has taken."""
        shared = self._fanout.receiver.statistics()
        return ReceiverStatistics(
            channel=shared.channel,
            received=shared.received,
            taken=self._taken,
            discarded=shared.discarded,
            buffered_items=shared.buffered_items,
            buffered_bytes=shared.buffered_bytes,
            producers=shared.producers,
            attached=shared.attached,
            finished=shared.finished,
            lost=shared.lost,
            refused=shared.refused,
        )
