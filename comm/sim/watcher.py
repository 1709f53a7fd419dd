"""`Watcher`: what can be seen of a simulated cluster from the outside."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from comm.errors import Error
from comm.events import Event
from comm.mpsc import Batch


if TYPE_CHECKING:
    from comm.sim.machine.driver import Driver
    from comm.sim.machine.link import NodeLink
    from comm.sim.machine.node import Node
    from comm.sim.machine.sink import Sink
    from comm.sim.machine.source import Source


__all__ = ["Watcher", "Watchers"]


class Watcher:
    """Sees everything that happens to nodes, sources and sinks; does nothing with it.

    A subclass overrides what it wants to see.
    """

    def started(self, node: Node) -> None:
        """A process has started."""

    def died(self, node: Node) -> None:
        """A process is gone, without having left."""

    def left(self, node: Node) -> None:
        """A process is about to leave in order."""

    def stepped(self, node: Driver) -> None:
        """A process has taken a fact or a command, and done all that followed."""

    def event_occurred(self, node: Driver, event: Event) -> None:
        """A switchboard has told its application something."""

    def link_aborted(self, node: Driver, link: NodeLink) -> None:
        """A switchboard gives up a connection."""

    def heard_late(self, node: int, peer: int, late_ns: int) -> None:
        """Bytes have come over a connection that the other side had given up."""

    def source_begun(self, source: Source) -> None:
        """An application begins to connect."""

    def source_opened(self, source: Source) -> None:
        """A receiver's side has taken the source."""

    def source_failed(self, source: Source, error: Error) -> None:
        """The source can send no more, and its application knows why."""

    def source_flushed(self, source: Source, count: int) -> None:
        """The application was told that its first so many items are delivered."""

    def sink_opened(self, sink: Sink) -> None:
        """An application is ready to receive."""

    def taking(self, sink: Sink) -> None:
        """An application is about to ask for a batch."""

    def took(self, sink: Sink, batch: Batch) -> None:
        """An application was given a batch, and has yet to use it."""

    def handed_out(
        self, sink: Sink, batch: Batch, first: int, count: int, data: bytes
    ) -> None:
        """An application has received items of a batch, from its item `first` on."""

    def sink_told(self, sink: Sink, error: Error) -> None:
        """The application was told that a producer ended without finishing."""

    def sink_ended(self, sink: Sink) -> None:
        """The application was told that its channel has ended."""

    def sink_closed(self, sink: Sink) -> None:
        """The application wants no more."""

    def audit(self) -> None:
        """Some time has passed: whatever must hold at any time can be looked at."""


class Watchers(Watcher):
    """Several watchers, each of which is told only what it overrides.

    Args:
        watchers: The watchers, in the order in which they are told.
    """

    def __init__(self, watchers: Sequence[Watcher] = ()) -> None:
        for name in _HOOKS:
            told = [
                getattr(watcher, name)
                for watcher in watchers
                if getattr(type(watcher), name) is not getattr(Watcher, name)
            ]
            if told:
                setattr(self, name, told[0] if len(told) == 1 else _all(told))


_HOOKS = [name for name in vars(Watcher) if not name.startswith("_")]


def _all(hooks: list[Callable[..., None]]) -> Callable[..., None]:
    def tell(*args: object) -> None:
        for hook in hooks:
            hook(*args)

    return tell
