"""`Source`: an application that sends."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from comm.broadcast import BroadcastSenderCore
from comm.effects import Delivered, Failed, Opened
from comm.errors import Error, WouldBlock
from comm.mpsc import ProducerCore, Sender
from comm.sim.items import ITEM_BYTES_MIN, make_item


if TYPE_CHECKING:
    from typing import Any

    from comm.sim.machine.driver import Doubt, HandleEffect
    from comm.sim.machine.node import Node


__all__ = ["Source"]


class Source:
    """A producer, or a broadcast sender, and what its application knows of it.

    Args:
        node: The node that it sends from.
        name: Its number among all sources; every item has it.
        core: The core's end.
        sender: Where it leads; None for a broadcast.

    Attributes:
        accepted: The items that the core has accepted.
        legs: Of a broadcast, for each of these items the nodes that it was sent to,
            and its number there; each leg counts from 0.
        error: Why it can send no more; None while it can, or if it was closed.
        refusal: What a send or a flush raised last.
        is_open: Whether a receiver's side has taken it.
        is_finished: Whether its application has closed it.
        is_aborted: Whether its application has given up.
        begun_ns: When its application began to connect.
        largest_bytes: The size of the largest item that it offered.
    """

    def __init__(
        self,
        node: Node,
        name: int,
        core: ProducerCore | BroadcastSenderCore,
        sender: Sender[Any] | None,
    ) -> None:
        self.node = node
        self.name = name
        self.core = core
        self.sender = sender
        self.accepted: list[bytes] = []
        self.legs: list[dict[int, int]] = []
        self.error: Error | None = None
        self.refusal: Error | None = None
        self.is_open = False
        self.is_finished = False
        self.is_aborted = False
        self.begun_ns = 0
        self.largest_bytes = 0
        self._todo: deque[list[int]] = deque()
        self._finishes = False
        self._flushing = 0
        node.ports[core.id] = self

    @property
    def channel(self) -> bytes:
        """16 bytes, the channel."""
        core = self.core
        if isinstance(core, ProducerCore):
            return core.target.channel
        return core.channel

    @property
    def is_broadcast(self) -> bool:
        """Whether it sends to all nodes."""
        return self.sender is None

    @property
    def is_alive(self) -> bool:
        """Whether its process is there, and it was neither closed nor broken."""
        is_over = self.is_finished or self.is_aborted or self.error is not None
        return self.node.is_alive and not is_over

    @property
    def left_to_send(self) -> int:
        """How many items its application still wants to send."""
        return sum(count for count, _ in self._todo)

    def leg_start(self, item: int, node_id: int) -> int:
        """Returns the first item of the leg that an item of a broadcast was sent by."""
        return item - self.legs[item][node_id]

    # What its application does.

    def begin(self) -> None:
        """Begins to connect."""
        self.is_open = self.is_broadcast
        self.node.command(f"source {self.name} connects", self._pump)

    def offer(self, count: int, size: int) -> None:
        """Sends items of a size as soon as they are accepted, one behind the other."""
        if self.is_alive and not self._finishes:
            self._todo.append([count, size])
            self.largest_bytes = max(self.largest_bytes, size, ITEM_BYTES_MIN)
            text = f"source {self.name} offers {count} of {size}"
            self.node.command(text, self._pump)

    def finish(self) -> None:
        """Closes the source as soon as everything offered is accepted."""
        if self.is_alive and not self._finishes:
            self._finishes = True
            self.node.command(f"source {self.name} finishes", self._pump)

    def abort(self) -> None:
        """Gives up what was not yet sent."""
        is_over = self.is_aborted or self.error is not None
        if self.node.is_alive and not is_over:
            self.is_aborted = True
            self._todo.clear()
            abort = self.core.abort
            self.node.command(f"source {self.name} aborts", lambda: abort("drawn"))

    def flush(self) -> None:
        """Asks to be told when everything accepted so far is delivered."""
        if self.is_alive and not self._flushing:
            self._flushing = len(self.accepted)
            self.node.command(f"source {self.name} flushes", self._request_flush)

    # What the node tells.

    def wake(self, effect: HandleEffect) -> None:
        """The core's end has changed."""
        watcher = self.node.watcher
        match effect:
            case Failed(_, error):
                self.error = error
                self._todo.clear()
                watcher.source_failed(self, error)
            case Delivered():
                count, self._flushing = self._flushing, 0
                watcher.source_flushed(self, count)
            case Opened():
                self.is_open = True
                watcher.source_opened(self)
                self.node.react(self._pump)
            case _:
                self.node.react(self._pump)

    def judge(self, effect: Doubt) -> None:
        """Concerns receivers alone."""

    def _pump(self) -> None:
        todo = self._todo
        while todo:
            try:
                self._send(todo[0])
            except WouldBlock:
                return
            except Error as error:
                # The `Failed` that said so may still be on its way to us.
                todo.clear()
                self.refusal = error
                return
            todo.popleft()
        is_over = self.is_finished or self.is_aborted or self.error is not None
        if self._finishes and not is_over:
            self.is_finished = True
            self.core.finish()

    def _send(self, order: list[int]) -> None:
        core, accepted, name = self.core, self.accepted, self.name
        send, size = core.send, order[1]
        is_broadcast = self.sender is None
        while order[0]:
            item = make_item(name, len(accepted), size)
            send(item)
            accepted.append(item)
            order[0] -= 1
            if is_broadcast:
                legs = core.statistics().legs
                self.legs.append({leg.node_id or 0: leg.accepted - 1 for leg in legs})

    def _request_flush(self) -> None:
        try:
            self.core.request_flush()
        except Error as error:
            self._flushing = 0
            self.refusal = error
