"""`Node`: one process with a switchboard, and the applications that use it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from comm.broadcast import BroadcastSenderCore, FanoutMember, Token
from comm.mpsc import ProducerCore, ReceiverCore, Sender
from comm.sim.host import Host
from comm.sim.items import BYTES
from comm.sim.machine.driver import Driver
from comm.sim.machine.sink import Sink
from comm.sim.machine.source import Source
from comm.switchboard import SwitchboardCore


if TYPE_CHECKING:
    from comm.sim.machine.cluster import MachineCluster


__all__ = ["Node"]


class Node(Driver):
    """One process of one node of a cluster.

    Args:
        cluster: The cluster.
        host: Where it runs.
        core: The core.
        address: Where it listens.

    Attributes:
        is_left: Whether its application has left the cluster.
    """

    __slots__ = ("is_left",)

    def __init__(
        self, cluster: MachineCluster, host: Host, core: SwitchboardCore, address: str
    ) -> None:
        super().__init__(cluster, host, core, address)
        self.is_left = False

    @property
    def is_alive(self) -> bool:
        """Whether its process exists."""
        return self.cluster.is_current(self)

    def open(self, *, max_producers: int | None = None) -> Sink:
        """Makes a channel, and returns its receiver."""
        sender, core = self.core.open_mpsc(BYTES, max_producers=max_producers)
        return self._add_sink(core, sender, limit=max_producers)

    def subscribe(self, token: Token[Any]) -> Sink:
        """Makes the receiver of a broadcast.

        Raises:
            UsageError: If the node has one already.
        """
        return self._add_sink(self.core.open_broadcast_receiver(token, BYTES), None)

    def fan_out(self, sink: Sink, members: int) -> list[Sink]:
        """Makes several receivers of one.

        Raises:
            UsageError: If it was closed, or is a member of a fan-out.
        """
        receiver = sink.core
        assert isinstance(receiver, ReceiverCore)
        fanout = self.core.open_fanout(receiver)
        sink.is_closed = True
        del self.ports[receiver.id]
        # All are there before the first one takes anything.
        cores = [fanout.attach() for _ in range(members)]
        shared = {"group": sink.name, "limit": sink.limit}
        return [self._add_sink(core, sink.sender, **shared) for core in cores]

    def connect(self, sender: Sender[Any]) -> Source:
        """Connects a sender.

        Raises:
            StaleSender: If it is known that the sender's node has restarted.
        """
        core = self.core.connect(sender, BYTES, self.now_s)
        return self._add_source(core, sender)

    def clone(self, source: Source) -> Source:
        """Makes another source of the same channel.

        Raises:
            BrokenError: If the other side ended the one given.
        """
        producer = source.core
        assert isinstance(producer, ProducerCore)
        return self._add_source(self.core.clone(producer, self.now_s), source.sender)

    def broadcast(self, token: Token[Any]) -> Source:
        """Makes a sender of a broadcast."""
        core = self.core.open_broadcast_sender(token, BYTES, self.now_s)
        return self._add_source(core, None)

    def dial_all(self) -> None:
        """Has a link made to every other node."""
        self.command("dials all", lambda: self.core.dial_all(self.now_s))

    def leave(self) -> None:
        """Closes the switchboard in order, as `aclose` does behind its `drain`."""
        if not self.is_left:
            self.is_left = True
            assert self.listener is not None
            self.listener.close()
            self.watcher.left(self)
            self.command("leaves", lambda: self.core.close(self.now_s))

    def _add_sink(
        self,
        core: ReceiverCore | FanoutMember,
        sender: Sender[Any] | None,
        **options: int | None,
    ) -> Sink:
        sinks = self.cluster.sinks
        sink = Sink(self, len(sinks), core, sender, **options)
        sinks.append(sink)
        self.watcher.sink_opened(sink)
        sink.begin()
        return sink

    def _add_source(
        self, core: ProducerCore | BroadcastSenderCore, sender: Sender[Any] | None
    ) -> Source:
        sources = self.cluster.sources
        source = Source(self, len(sources), core, sender)
        source.begun_ns = self.cluster.world.now_ns
        sources.append(source)
        self.watcher.source_begun(source)
        source.begin()
        return source
