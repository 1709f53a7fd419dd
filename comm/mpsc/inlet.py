"""`Inlet`: what one attached producer has sent and nobody has taken yet."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from operator import attrgetter
from typing import NamedTuple, Protocol

from comm.errors import BrokenError, ProducerAborted, ProducerLost, ProtocolError
from comm.fabric import Carrier, Fabric, channel_name, printable
from comm.marks import Mark, reached
from comm.mpsc.sender import ItemKind
from comm.protocol import EndBody, Kind, Reason


__all__ = ["Batch", "Inlet", "InletOwner"]


_CREDIT_MAX = 0xFFFF_FFFF
"""The largest number that a CREDIT can carry."""

_GRANTS_MAX = 8
"""How many CREDITs may be under way. Each is a quarter of the window at least, so that
no more are if the other side uses no credit that it has not heard of; what one that
hears nothing sends all the same must not have this side keep more and more of them."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Items of one producer that are handed out together.

    Attributes:
        payload: The encoded items, one behind the other.
        count: How many they are.
        node_id: The producer's node.
        producer: Which producer; a number that no other producer of this node's
            receivers has.
        sequence: The first item's number; each producer counts from 0.
        session: The conversation it came in; 0 if its items are never in doubt.
        frame: The number of its frame there.
    """

    payload: bytes
    count: int
    node_id: int
    producer: int
    sequence: int
    session: int
    frame: int


class _Entry(NamedTuple):
    payload: bytes
    items: int
    frame: int


_PAYLOAD = attrgetter("payload")
_ITEMS = attrgetter("items")


class InletOwner(Protocol):
    """What an inlet tells its receiver."""

    def inlet_changed(self, inlet: Inlet) -> None:
        """Something has arrived or was released, or the producer has finished."""

    def inlet_broken(self, inlet: Inlet) -> None:
        """The producer was lost or aborted; the inlet's error says so."""

    def inlet_discarded(self, inlet: Inlet, count: int) -> None:
        """Items that had arrived were discarded."""


class Inlet:
    """The receiving end of one producer's stream.

    The bytes held are bounded by the credit granted: a window, and one item more.

    Args:
        fabric: What the switchboard's parts share.
        carrier: What leads to the producer's node.
        stream: The producer's number on the carrier.
        item: The codec and item type that the producer sends.
        channel: 16 bytes, the channel.
    """

    __slots__ = (
        "_arrived_bytes",
        "_carrier",
        "_channel",
        "_entries",
        "_fabric",
        "_granted",
        "_owed",
        "_parts",
        "_parts_bytes",
        "_unheard_grants",
        "arrived",
        "buffered_bytes",
        "error",
        "id",
        "is_finished",
        "is_queued",
        "item",
        "owner",
        "predecessor",
        "stream",
        "taken",
    )

    def __init__(
        self,
        fabric: Fabric,
        carrier: Carrier,
        stream: int,
        item: ItemKind,
        channel: bytes,
    ) -> None:
        self.id = fabric.next_id()
        self.stream = stream
        self.item = item
        self.owner: InletOwner | None = None
        # An inlet of the same node that was lost, and is to be emptied first: behind
        # both may be one broadcast sender, whose order must hold.
        self.predecessor: Inlet | None = None
        self.is_queued = False
        self.is_finished = False
        self.error: BrokenError | None = None
        self.arrived = 0
        self.taken = 0
        self.buffered_bytes = 0
        self._fabric = fabric
        self._carrier = carrier
        self._channel = channel
        self._entries: deque[_Entry] = deque()
        self._parts: list[bytes] = []
        self._parts_bytes = 0
        self._granted = fabric.config.window_bytes
        self._arrived_bytes = 0
        self._owed = 0
        self._unheard_grants = 0

    @property
    def node_id(self) -> int:
        """The producer's node."""
        return self._carrier.node_id

    @property
    def is_ended(self) -> bool:
        """Whether nothing more will arrive."""
        return self.is_finished or self.error is not None

    @property
    def buffered(self) -> int:
        """How many whole items wait to be taken."""
        return sum(entry.items for entry in self._entries)

    @property
    def has_entries(self) -> bool:
        """Whether whole items wait to be taken."""
        return bool(self._entries)

    @property
    def is_takeable(self) -> bool:
        """Whether `take` would return something."""
        if not self._entries or self.predecessor is not None:
            return False
        carrier = self._carrier
        return not (carrier.is_fenced and carrier.is_in_doubt(self._entries[0].frame))

    def take(self) -> Batch:
        """Removes and returns the oldest items, and returns their credit."""
        entry = self._entries.popleft()
        sequence = self.taken
        self.taken += entry.items
        self.buffered_bytes -= len(entry.payload)
        self._owed += len(entry.payload)
        self._grant()
        return Batch(
            payload=entry.payload,
            count=entry.items,
            node_id=self.node_id,
            producer=self.id,
            sequence=sequence,
            session=self._carrier.id,
            frame=entry.frame,
        )

    def handle_data(self, count: int, payload: bytes, frame: int) -> None:
        """Whole items have arrived.

        Raises:
            ProtocolError: If there are none, or they exceed the credit granted.
        """
        if self._parts or self.is_ended:
            raise ProtocolError("DATA inside a large item, or past the end")
        if not 0 < count <= len(payload):
            raise ProtocolError(f"DATA with {count} items in {len(payload)} bytes")
        self._spend(len(payload))
        self._append(payload, count, frame)

    def handle_part(self, payload: bytes, frame: int, *, is_last: bool) -> None:
        """A piece of a large item has arrived.

        Raises:
            ProtocolError: If the item is too large, or exceeds the credit granted.
        """
        if not payload or self.is_ended:
            raise ProtocolError("an empty PART, or one past the end")
        if self._parts_bytes + len(payload) > self._fabric.config.message_bytes_max:
            raise ProtocolError("an item larger than message_bytes_max")
        if self._parts:
            self._arrived_bytes += len(payload)
        else:
            self._spend(len(payload))
        self._parts.append(payload)
        self._parts_bytes += len(payload)
        self.buffered_bytes += len(payload)
        if is_last:
            whole = b"".join(self._parts)
            self._drop_parts()
            self._append(whole, 1, frame)

    def handle_finish(self, count: int) -> None:
        """The producer has sent its last item.

        Raises:
            ProtocolError: If it sent another number of items.
        """
        if count != self.arrived or self._parts or self.is_ended:
            raise ProtocolError(
                f"FINISH after {self.arrived} items, but it counts {count}"
            )
        self.is_finished = True
        self._changed()

    def handle_reset(self, text: str) -> None:
        """The producer was aborted.

        Raises:
            ProtocolError: If it had ended before.
        """
        if self.is_ended:
            raise ProtocolError("RESET past the end")
        self._end(
            ProducerAborted(
                f"node {self.node_id}, channel {channel_name(self._channel)}: a "
                f"producer was aborted after {self.arrived} items "
                f"({printable(text)})"
            )
        )

    def handle_lost(self, reason: str, *, keep_doubtful: bool) -> None:
        """The session is lost.

        Args:
            reason: Why, in words.
            keep_doubtful: Whether to keep items that the producer's side may not
                know to have arrived; it must not be alive to report them as lost.
        """
        if self._parts:
            reached(Mark.LOST_IN_PARTS)
        count = 0 if keep_doubtful else self._discard_doubtful()
        if count:
            reached(Mark.DISCARDED)
            self._owner.inlet_discarded(self, count)
        if self.error is None and (count or not self.is_finished):
            self.is_finished = False
            self._end(
                ProducerLost(
                    f"node {self.node_id}, channel {channel_name(self._channel)}: a "
                    f"producer was lost after {self.arrived - count} items ({reason})"
                )
            )
        elif count:
            self._changed()

    def stop(self, reason: Reason, text: str = "") -> None:
        """Tells the producer that nothing more of it is taken."""
        if self.error is None:
            body = EndBody(self.taken, text)
            self._carrier.post(Kind.STOP, self.stream, reason, body.encode())
        self._carrier.forget_inlet(self.stream)
        self._owed = 0
        self._entries.clear()
        self._drop_parts()
        self.buffered_bytes = 0

    def retire(self) -> None:
        """Lets go of the stream; a producer that finished is told so."""
        if self.is_finished:
            self._carrier.post(Kind.DONE, self.stream)
        self._carrier.forget_inlet(self.stream)

    def handle_acknowledged(self, kind: int, count: int) -> None:
        """The producer's side has credit that was granted."""
        self._unheard_grants -= 1
        self._grant()

    def refresh(self) -> None:
        """Lets the receiver know that items were withheld or released."""
        self._changed()

    def check_invariants(self) -> None:
        """Asserts what must hold between any two calls."""
        # Without a step of Python for each entry: simulations check this all along.
        config, entries = self._fabric.config, self._entries
        held = sum(map(len, map(_PAYLOAD, entries))) + self._parts_bytes
        assert held == self.buffered_bytes
        assert held <= config.window_bytes + config.message_bytes_max
        assert self.taken + sum(map(_ITEMS, entries)) <= self.arrived
        assert self._owed >= 0
        assert 0 <= self._unheard_grants <= _GRANTS_MAX

    @property
    def _owner(self) -> InletOwner:
        # Whoever lets go of an inlet has its carrier forget it, too.
        assert self.owner is not None
        return self.owner

    def _spend(self, size: int) -> None:
        if self._arrived_bytes >= self._granted:
            raise ProtocolError("items beyond the credit granted")
        self._arrived_bytes += size
        excess = self._arrived_bytes - self._granted
        if excess > self._fabric.config.message_bytes_max:
            raise ProtocolError("items far beyond the credit granted")

    def _grant(self) -> None:
        is_enough = 4 * self._owed >= self._fabric.config.window_bytes
        if self.is_ended or not is_enough or self._unheard_grants >= _GRANTS_MAX:
            return
        self._unheard_grants += 1
        credit = min(self._owed, _CREDIT_MAX)
        self._carrier.post(Kind.CREDIT, self.stream, credit, origin=self)
        self._granted += credit
        self._owed -= credit

    def _discard_doubtful(self) -> int:
        count = 0
        while self._entries and self._carrier.is_in_doubt(self._entries[-1].frame):
            entry = self._entries.pop()
            self.buffered_bytes -= len(entry.payload)
            count += entry.items
        return count

    def _append(self, payload: bytes, count: int, frame: int) -> None:
        self._entries.append(_Entry(payload, count, frame))
        self.arrived += count
        self.buffered_bytes += len(payload)
        self._changed()

    def _end(self, error: BrokenError) -> None:
        self.error = error
        self._drop_parts()
        self._owner.inlet_broken(self)

    def _drop_parts(self) -> None:
        self.buffered_bytes -= self._parts_bytes
        self._parts.clear()
        self._parts_bytes = 0

    def _changed(self) -> None:
        self._owner.inlet_changed(self)
