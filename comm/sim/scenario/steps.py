"""Steps: what applications do, as plain values.

A step names nodes, sources and sinks by any whole number, which counts modulo how many
there are at that time, so that steps can be drawn, and left out, without regard to the
others. What cannot be done then is simply not done.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from comm.broadcast import Token
from comm.errors import Error
from comm.mpsc import ReceiverCore
from comm.sim.host import HostState
from comm.sim.items import ITEM_BYTES_MIN
from comm.sim.machine import Node, Pace, Sink, Source


if TYPE_CHECKING:
    from comm.sim.machine import MachineCluster


__all__ = [
    "STEPS",
    "Abort",
    "Broadcast",
    "CloneSource",
    "CloseSink",
    "Connect",
    "FanOut",
    "Finish",
    "Flush",
    "Meet",
    "Offer",
    "Open",
    "Seal",
    "SetPace",
    "Step",
    "Subscribe",
]

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """Something that an application does.

    Attributes:
        at_ns: When, in nanoseconds of the world.
    """

    at_ns: int

    def take(self, cluster: MachineCluster) -> None:
        """Does it."""
        raise NotImplementedError


@dataclass(frozen=True, slots=True, kw_only=True)
class _NodeStep(Step):
    """Something that is done on a node, if it runs.

    Attributes:
        node: The node.
    """

    node: int

    def take(self, cluster: MachineCluster) -> None:
        """Does it, unless the node cannot."""
        node = cluster.nodes[self.node % len(cluster)]
        if node is None or node.is_left or node.host.state is not HostState.RUNNING:
            return
        node.host.call(_attempt, self.act, node)

    def act(self, node: Node) -> None:
        """Does it on the node."""
        raise NotImplementedError


@dataclass(frozen=True, slots=True, kw_only=True)
class Meet(_NodeStep):
    """Has links made to all nodes."""

    def act(self, node: Node) -> None:
        """Dials."""
        node.dial_all()


@dataclass(frozen=True, slots=True, kw_only=True)
class Open(_NodeStep):
    """Makes a channel.

    Attributes:
        limit: How many producers may attach; 0 for any number.
    """

    limit: int = 0

    def act(self, node: Node) -> None:
        """Opens it."""
        node.open(max_producers=self.limit or None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Connect(_NodeStep):
    """Connects a sender.

    Attributes:
        sink: The sink that it leads to, among those that are no broadcasts.
    """

    sink: int

    def act(self, node: Node) -> None:
        """Connects it; a stale one may be refused at once."""
        sinks = [s for s in node.cluster.sinks if s.sender and s.group == s.name]
        if sinks:
            sender = sinks[self.sink % len(sinks)].sender
            assert sender is not None
            node.connect(sender)


@dataclass(frozen=True, slots=True, kw_only=True)
class Broadcast(_NodeStep):
    """Makes a sender of a broadcast.

    Attributes:
        token: Which broadcast.
    """

    token: int = 0

    def act(self, node: Node) -> None:
        """Makes it."""
        node.broadcast(_token(self.token))


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscribe(_NodeStep):
    """Makes the receiver of a broadcast, unless the node has one.

    Attributes:
        token: Which broadcast.
    """

    token: int = 0

    def act(self, node: Node) -> None:
        """Makes it."""
        node.subscribe(_token(self.token))


@dataclass(frozen=True, slots=True, kw_only=True)
class _SinkStep(Step):
    """Something that is done with a sink.

    Attributes:
        sink: The sink, among those that can still receive.
    """

    sink: int

    def take(self, cluster: MachineCluster) -> None:
        """Does it, if there is one."""
        sink = _chosen([s for s in cluster.sinks if s.is_alive], self.sink)
        if sink is not None:
            sink.node.host.call(_attempt, self.act, sink)

    def act(self, sink: Sink) -> None:
        """Does it with the sink."""
        raise NotImplementedError


@dataclass(frozen=True, slots=True, kw_only=True)
class SetPace(_SinkStep):
    """Receives at another pace.

    Attributes:
        items: How many items at a time; 0 for none.
        pause_ns: How long it pauses then.
    """

    items: int = 1
    pause_ns: int = 0

    def act(self, sink: Sink) -> None:
        """Changes it."""
        sink.set_pace(Pace(self.items, self.pause_ns))


@dataclass(frozen=True, slots=True, kw_only=True)
class Seal(_SinkStep):
    """Takes no further producers."""

    def act(self, sink: Sink) -> None:
        """Seals it."""
        sink.seal()


@dataclass(frozen=True, slots=True, kw_only=True)
class CloseSink(_SinkStep):
    """Receives no more."""

    def act(self, sink: Sink) -> None:
        """Closes it."""
        sink.close()


@dataclass(frozen=True, slots=True, kw_only=True)
class FanOut(_SinkStep):
    """Makes several sinks of one.

    Attributes:
        members: How many.
    """

    members: int = 2

    def act(self, sink: Sink) -> None:
        """Makes them, if it has received nothing and is no member itself."""
        is_fresh = isinstance(sink.core, ReceiverCore) and not sink.received
        if is_fresh and not sink.unused:
            sink.node.fan_out(sink, max(1, self.members))


@dataclass(frozen=True, slots=True, kw_only=True)
class _SourceStep(Step):
    """Something that is done with a source.

    Attributes:
        source: The source, among those that can still send.
    """

    source: int

    def take(self, cluster: MachineCluster) -> None:
        """Does it, if there is one."""
        source = _chosen([s for s in cluster.sources if s.is_alive], self.source)
        if source is not None:
            source.node.host.call(_attempt, self.act, source)

    def act(self, source: Source) -> None:
        """Does it with the source."""
        raise NotImplementedError


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer(_SourceStep):
    """Sends items, as soon as each is accepted.

    Attributes:
        count: How many.
        size: How many bytes each has.
    """

    count: int = 1
    size: int = ITEM_BYTES_MIN

    def act(self, source: Source) -> None:
        """Offers them."""
        source.offer(self.count, max(self.size, ITEM_BYTES_MIN))


@dataclass(frozen=True, slots=True, kw_only=True)
class Flush(_SourceStep):
    """Asks to be told when all is delivered."""

    def act(self, source: Source) -> None:
        """Flushes."""
        source.flush()


@dataclass(frozen=True, slots=True, kw_only=True)
class Finish(_SourceStep):
    """Closes a source, once everything offered was accepted."""

    def act(self, source: Source) -> None:
        """Finishes."""
        source.finish()


@dataclass(frozen=True, slots=True, kw_only=True)
class Abort(_SourceStep):
    """Gives a source up."""

    def act(self, source: Source) -> None:
        """Aborts."""
        source.abort()


@dataclass(frozen=True, slots=True, kw_only=True)
class CloneSource(_SourceStep):
    """Makes another source of the same channel."""

    def act(self, source: Source) -> None:
        """Clones it, if it is no broadcast."""
        if not source.is_broadcast:
            source.node.clone(source)


STEPS: dict[str, type[Step]] = {
    step.__name__: step
    for step in (
        Meet,
        Open,
        Connect,
        Broadcast,
        Subscribe,
        SetPace,
        Seal,
        CloseSink,
        FanOut,
        Offer,
        Flush,
        Finish,
        Abort,
        CloneSource,
    )
}
"""Every kind of step, by its name."""


def _token(number: int) -> Token[Any]:
    return Token(f"news {number % 3}", loopback=number % 2 == 1)


def _chosen(among: Sequence[T], number: int) -> T | None:
    return among[number % len(among)] if among else None


def _attempt(act: Callable[[T], None], subject: T) -> None:
    """Does what the fabric may refuse; that it does is nothing to complain of."""
    try:
        act(subject)
    except Error:
        return
