"""`Sink`: an application that receives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from comm.broadcast import FanoutMember
from comm.effects import BatchesWithheld
from comm.errors import BrokenError, ClosedError, EndOfChannel, Error, WouldBlock
from comm.mpsc import Batch, ReceiverCore, Sender
from comm.sim.items import cut_items


if TYPE_CHECKING:
    from typing import Any

    from comm.sim.machine.driver import Doubt, HandleEffect
    from comm.sim.machine.node import Node


__all__ = ["EAGER", "STALLED", "Pace", "Sink"]


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast an application receives.

    Attributes:
        items: How many items at a time; 0 for none at all.
        pause_ns: How long it then does something else; 0 for not at all, and then
            whole batches are received at once.
    """

    items: int
    pause_ns: int


EAGER = Pace(1, 0)
"""Receives whatever there is, at once."""

STALLED = Pace(0, 0)
"""Receives nothing."""


class Sink:
    """A receiver, or a member of a fan-out, and what its application has seen.

    Args:
        node: The node that it receives on.
        name: Its number among all sinks.
        core: The core's end.
        sender: What leads to it; None for a broadcast.
        group: What all members of one fan-out have in common; its own name otherwise.
        limit: How many producers may attach; None for any number.

    Attributes:
        pace: How fast it receives; see `set_pace`.
        received: How many items its application has.
        errors: What it was told of producers that did not finish.
        is_ended: Whether it was told that the channel has ended.
        is_closed: Whether its application has closed it.
    """

    def __init__(
        self,
        node: Node,
        name: int,
        core: ReceiverCore | FanoutMember,
        sender: Sender[Any] | None,
        *,
        group: int | None = None,
        limit: int | None = None,
    ) -> None:
        self.node = node
        self.name = name
        self.core = core
        self.sender = sender
        self.group = name if group is None else group
        self.limit = limit
        self.pace = EAGER
        self.received = 0
        self.errors: list[Error] = []
        self.is_ended = False
        self.is_closed = False
        self.is_sealed = False
        self._batch: Batch | None = None
        # What of the batch was not received yet.
        self._rest: list[bytes] = []
        self._is_withheld = False
        self._is_pausing = False
        node.ports[core.id] = self

    @property
    def channel(self) -> bytes:
        """16 bytes, the channel."""
        return self.core.channel

    @property
    def is_broadcast(self) -> bool:
        """Whether it receives a broadcast."""
        return self.sender is None

    @property
    def is_full(self) -> bool:
        """Whether no more producers may attach."""
        attached = self.core.statistics().attached
        return self.is_sealed or (self.limit is not None and attached >= self.limit)

    @property
    def is_alive(self) -> bool:
        """Whether its process is there, and it can still receive."""
        return self.node.is_alive and not (self.is_closed or self.is_ended)

    @property
    def unused(self) -> int:
        """How many items of a batch it was given and has not received."""
        return len(self._rest)

    # What its application does.

    def begin(self) -> None:
        """Begins to receive."""
        self.node.command(f"sink {self.name} opens", self._consume)

    def set_pace(self, pace: Pace) -> None:
        """Receives at another pace from now on."""
        self.pace = pace
        if self.is_alive:
            text = f"sink {self.name} at {pace.items} per {pace.pause_ns}"
            self.node.command(text, self._consume)

    def seal(self) -> None:
        """Takes no further producers."""
        if self.is_alive:
            self.is_sealed = True
            self.node.command(f"sink {self.name} seals", self.core.seal)

    def close(self) -> None:
        """Receives nothing more."""
        if not self.is_closed and self.node.is_alive:
            self.is_closed = True
            self.node.watcher.sink_closed(self)
            unused = self.unused
            self._drop()
            close = self.core.close
            self.node.command(f"sink {self.name} closes", lambda: close(unused))

    # What the node tells.

    def wake(self, effect: HandleEffect) -> None:
        """There is something to take."""
        del effect
        self.node.react(self._consume)

    def judge(self, effect: Doubt) -> None:
        """What is left of the batch is withheld, released, or revoked."""
        batch = self._batch
        if (
            batch is None
            or not self._rest
            or batch.session != effect.session
            or batch.frame <= effect.confirmed
        ):
            return
        if isinstance(effect, BatchesWithheld):
            self._is_withheld = True
            return
        if effect.revoked:
            unused = self.unused
            self._drop()
            self.core.discard(batch, unused)
        self._is_withheld = False
        self.node.react(self._consume)

    def _consume(self) -> None:
        while self.pace.items and not self._is_pausing and self.is_alive:
            if self._is_withheld or not (self._rest or self._take()):
                return
            if self.pace.pause_ns:
                self._is_pausing = True
                self._hand_out(self.pace.items)
                self.node.later(self.pace.pause_ns, self._go_on)
            elif self._rest:
                self._hand_out(len(self._rest))

    def _go_on(self) -> None:
        self._is_pausing = False
        self.node.command(f"sink {self.name} goes on", self._consume)

    def _take(self) -> bool:
        """Takes the next batch, and returns whether there may be more to do."""
        watcher = self.node.watcher
        watcher.taking(self)
        try:
            batch = self.core.take()
        except (WouldBlock, ClosedError):
            return False
        except EndOfChannel:
            self.is_ended = True
            watcher.sink_ended(self)
            return False
        except BrokenError as error:
            self.errors.append(error)
            watcher.sink_told(self, error)
            return True
        self._batch = batch
        watcher.took(self, batch)
        if self.pace.pause_ns:
            self._rest = cut_items(batch.payload, batch.count)
        else:
            self._batch = None
            self.received += batch.count
            watcher.handed_out(self, batch, 0, batch.count, batch.payload)
        return True

    def _hand_out(self, count: int) -> None:
        batch = self._batch
        if batch is None or not self._rest:
            return
        items, self._rest = self._rest[:count], self._rest[count:]
        first = batch.count - len(self._rest) - len(items)
        self.received += len(items)
        data = b"".join(items)
        self.node.watcher.handed_out(self, batch, first, len(items), data)

    def _drop(self) -> None:
        self._batch = None
        self._rest = []
        self._is_withheld = False
