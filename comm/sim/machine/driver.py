"""`Driver`: runs one core on one simulated host.

The loop is the one of the asyncio driver: facts go in, effects are taken until there
are none, and one timer is armed. What the applications of the node do is the affair
of the ports, by the handles of the core.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol, assert_never
from zlib import crc32

from comm.effects import (
    Abort,
    BatchesSettled,
    BatchesWithheld,
    Close,
    Connect,
    Delivered,
    Effect,
    EventOccurred,
    Failed,
    HandleId,
    LinkId,
    Opened,
    PeerMet,
    Readable,
    StreamFailed,
    StreamOpened,
    Transmit,
    Writable,
)
from comm.events import Event
from comm.sim.host import Host
from comm.sim.machine.link import NodeLink
from comm.sim.network import Listener
from comm.sim.watcher import Watcher
from comm.sim.world import NS, SECOND
from comm.switchboard import SwitchboardCore


if TYPE_CHECKING:
    from comm.sim.machine.cluster import MachineCluster


__all__ = ["Doubt", "Driver", "HandleEffect", "Port"]

HandleEffect = Readable | Writable | Opened | Failed | Delivered
Doubt = BatchesWithheld | BatchesSettled


class Port(Protocol):
    """What stands behind a handle of the core: an application's end of a channel."""

    def wake(self, effect: HandleEffect) -> None:
        """The handle has changed."""

    def judge(self, effect: Doubt) -> None:
        """What is left of a batch is withheld, released, or revoked."""


class Driver:
    """Runs one core in one process.

    Args:
        cluster: The cluster.
        host: Where it runs.
        core: The core.
        address: Where it listens; None if it does not.

    Attributes:
        accepted: How many connections it has accepted.
        ports: The ports by their handles.
        links: The connections by their links.
        events: What `events()` has told.
        read_bytes: How much is read at once.
        high_bytes: How much may wait for the kernel before the core is stopped.
        is_prompt: Whether its applications react within the step that tells them.
    """

    __slots__ = (
        "_armed_s",
        "_cluster",
        "_is_pumping",
        "_timer",
        "_world",
        "accepted",
        "core",
        "events",
        "high_bytes",
        "host",
        "index",
        "is_prompt",
        "links",
        "listener",
        "name",
        "ports",
        "read_bytes",
        "watcher",
    )

    def __init__(
        self,
        cluster: MachineCluster,
        host: Host,
        core: SwitchboardCore,
        address: str | None,
    ) -> None:
        self.host = host
        self.core = core
        self.index = core.node_id
        self.name = f"{host.name}.{host.incarnation}"
        self.ports: dict[HandleId, Port] = {}
        self.links: dict[LinkId, NodeLink] = {}
        self.events: list[Event] = []
        self.read_bytes = 256 << 10
        self.high_bytes = 256 << 10
        self.is_prompt = True
        self.watcher = Watcher()
        self.accepted = 0
        self._cluster = cluster
        self._world = cluster.world
        self._is_pumping = False
        self._timer: list[Any] | None = None
        self._armed_s = 0.0
        self.listener: Listener | None = None
        if address is not None:
            network = cluster.network
            self.listener = network.listen(host, address, self._accept)
        self.note(f"starts {core.incarnation.hex()[:8]}")

    @property
    def cluster(self) -> MachineCluster:
        """The cluster."""
        return self._cluster

    @property
    def incarnation(self) -> bytes:
        """16 bytes, this process."""
        return self.core.incarnation

    @property
    def now_s(self) -> float:
        """What its host's clock shows, in seconds."""
        return self.host.clock.read_ns(self._world.now_ns) / SECOND

    # What the applications do.

    def command(self, text: str, action: Callable[[], None]) -> None:
        """Carries out what an application wants of the core, and all that follows.

        Raises:
            Error: What the core raised.
        """
        self.note(text)
        try:
            action()
        finally:
            self.pump()

    def note(self, text: str) -> None:
        """Adds a line to the trace."""
        world = self._world
        world.trace.note(world.now_ns, self.name, text)

    def react(self, action: Callable[[], None]) -> None:
        """Lets an application do something about what it was just told: at once, or
        in a step of its own, as tasks do that were waiting."""
        if self.is_prompt:
            action()
        else:
            self.later(0, self.command, "reacts", action)

    def later(self, delay_ns: int, action: Callable[..., None], *args: Any) -> None:
        """Has its process do something after a delay, if it exists then."""
        incarnation = self.host.incarnation
        self._world.after(delay_ns, self._late, incarnation, action, args)

    # What the network and the clock tell.

    def tell(self, text: str, fact: Callable[..., None], *args: Any) -> None:
        """Gives the core a fact, and carries out what follows."""
        self.note(text)
        fact(*args)
        self.pump()

    def forget(self, link: NodeLink) -> None:
        """A connection is gone."""
        self.links.pop(link.link, None)

    def pump(self) -> None:
        """Takes all effects, and arms the timer."""
        if self._is_pumping:
            return
        self._is_pumping = True
        try:
            next_effect = self.core.next_effect
            while (effect := next_effect()) is not None:
                self._carry_out(effect)
        finally:
            self._is_pumping = False
        self._arm()
        self.watcher.stepped(self)

    def vanish(self) -> None:
        """Ends a process that shares its host with others, without a word."""
        if self._timer is not None:
            self._world.cancel(self._timer)
        for link in tuple(self.links.values()):
            link.abort()

    def rearm(self) -> None:
        """Sets the timer anew, because the host's clock was changed."""
        self._armed_s = float("inf")
        self._arm()

    def _accept(self) -> None:
        listener = self.listener
        endpoint = None if listener is None else listener.accept()
        if endpoint is None:
            return
        self.accepted += 1
        number = self.core.handle_accepted(self.now_s)
        self.note(f"accepted {number}")
        link = self.links[number] = NodeLink(self, number)
        link.adopt(endpoint)
        self.pump()

    def _on_time(self, incarnation: int) -> None:
        if incarnation == self.host.incarnation:
            self._timer = None
            self.host.call(self._timeout)

    def _timeout(self) -> None:
        due = self.core.next_timeout()
        self.note(f"timeout {due[1] if due else ''}")
        self.core.handle_timeout(self.now_s)
        self.pump()

    def _arm(self) -> None:
        due = self.core.next_timeout()
        if due is None:
            return
        if self._timer is not None:
            if self._armed_s <= due[0]:
                # A call that comes too early is harmless, and cheaper than a timer.
                return
            self._world.cancel(self._timer)
        self._armed_s = due[0]
        local_ns = int(due[0] * SECOND) + NS
        at_ns = self.host.clock.world_ns(local_ns)
        self._timer = self._world.at(at_ns, self._on_time, self.host.incarnation)

    def _late(
        self, incarnation: int, action: Callable[..., None], args: tuple[Any, ...]
    ) -> None:
        if incarnation == self.host.incarnation:
            self.host.call(action, *args)

    # How effects are carried out.

    def _carry_out(self, effect: Effect) -> None:
        match effect:
            case Transmit():
                self._transmit(effect.link, effect.buffers)
            case Readable() | Writable() | Opened() | Failed() | Delivered():
                self._wake(effect)
            case EventOccurred(event):
                self.note(f"event {event}")
                self.events.append(event)
                self.watcher.event_occurred(self, event)
            case Connect() | Close() | Abort():
                self._connect_or_close(effect)
            case BatchesWithheld() | BatchesSettled():
                self.note(str(effect))
                for port in tuple(self.ports.values()):
                    port.judge(effect)
            case StreamOpened(link):
                self.note("streamopened")
                # The core has forgotten it, and no application here wants one.
                self.links[link].close()
            case StreamFailed() | PeerMet():
                self.note(type(effect).__name__.lower())
            case _:
                assert_never(effect)

    def _transmit(self, link: LinkId, buffers: list[bytes]) -> None:
        data = b"".join(buffers)
        self.note(f"transmit {link} {len(data)} {crc32(data):x}")
        self.links[link].write(data)

    def _wake(self, effect: HandleEffect) -> None:
        self.note(f"{type(effect).__name__.lower()} {effect.handle}")
        self.ports[effect.handle].wake(effect)

    def _connect_or_close(self, effect: Connect | Close | Abort) -> None:
        self.note(f"{type(effect).__name__.lower()} {effect.link}")
        if isinstance(effect, Connect):
            link = self.links[effect.link] = NodeLink(self, effect.link)
            network = self._cluster.network
            link.attempt = network.connect(self.host, str(effect.address), link)
            return
        known = self.links[effect.link]
        if isinstance(effect, Close):
            known.close()
        else:
            self.watcher.link_aborted(self, known)
            known.abort()
