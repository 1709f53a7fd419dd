"""Cores that talk through a fake network, in virtual time and without any I/O."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
import random
from typing import Any, TypeVar

import msgpack  # type: ignore[import-untyped] # it has no annotations

from comm.config import Config
from comm.effects import (
    Abort,
    Close,
    Connect,
    Effect,
    EventOccurred,
    Transmit,
)
from comm.errors import EndOfChannel, WouldBlock
from comm.events import LossReport
from comm.mpsc import ItemKind
from comm.switchboard import SwitchboardCore


__all__ = ["BYTES", "Cluster", "Wire", "pack", "receive_all", "unpack"]

E = TypeVar("E")

BYTES = ItemKind("msgpack", "object")
"""The kind of item that these tests send."""


def pack(item: object) -> bytes:
    """Returns an item as the MessagePack object that a codec would make of it."""
    packed: bytes = msgpack.packb(item)
    return packed


def unpack(payload: bytes) -> list[Any]:
    """Returns the items of a batch."""
    unpacker = msgpack.Unpacker(max_buffer_size=0)
    unpacker.feed(payload)
    return list(unpacker)


def receive_all(receiver: Any) -> list[Any]:
    """Takes all that a receiver has; stops at its end."""
    items: list[Any] = []
    try:
        while True:
            items += unpack(receiver.take().payload)
    except (WouldBlock, EndOfChannel):
        return items


@dataclass
class Wire:
    """One connection: two directions of bytes under way.

    Attributes:
        ends: The two (node, link) pairs; the first one dialled.
        silent: Whether bytes vanish, in both directions.
    """

    ends: tuple[tuple[int, int], tuple[int, int]]
    silent: bool = False
    closed: list[bool] = field(default_factory=lambda: [False, False])
    core_closed: list[bool] = field(default_factory=lambda: [False, False])
    flying: tuple[deque[tuple[float, bytes | None]], ...] = field(
        default_factory=lambda: (deque(), deque())
    )

    def side(self, node: int, link: int) -> int:
        """Returns which end this is."""
        return self.ends.index((node, link))


class Cluster:
    """Several cores and the wires between them.

    Time stands still until nothing is left to do, then jumps to the next arrival or
    deadline; every run of the same calls is the same.

    Args:
        size: How many nodes.
        config: The limits of each node.
        seed: What the entropy of each node is drawn from.
        latency_s: How long bytes are under way.
        chunk: The largest piece in which bytes arrive; 0 for as they were sent.
    """

    def __init__(
        self,
        size: int = 2,
        *,
        config: Config | None = None,
        seed: int = 0,
        latency_s: float = 0.001,
        chunk: int = 0,
    ) -> None:
        self.now = 0.0
        self.latency_s = latency_s
        self.chunk = chunk
        self.config = config or Config()
        self.nodes = [f"127.0.0.1:{7000 + i}" for i in range(size)]
        self._random = random.Random(seed)
        self.cores: list[SwitchboardCore | None] = []
        self.effects: list[list[Effect]] = [[] for _ in range(size)]
        self.wires: dict[tuple[int, int], Wire] = {}
        self.unreachable: set[tuple[int, int]] = set()
        # Bytes that have arrived, and where to cut, for each direction.
        self.arrived: dict[tuple[int, int], int] = {}
        self.cuts: dict[tuple[int, int], tuple[int, str]] = {}
        self.cut_count = 0
        self.connections = 0
        self.check = True
        for node in range(size):
            self.cores.append(self.make_core(node))

    def make_core(self, node: int, **options: Any) -> SwitchboardCore:
        """Returns a new incarnation of a node."""
        entropy = random.Random(self._random.random()).randbytes
        options.setdefault("config", self.config)
        return SwitchboardCore(self.nodes, node, entropy=entropy, **options)

    def core(self, node: int) -> SwitchboardCore:
        """Returns the core of a live node."""
        core = self.cores[node]
        assert core is not None
        return core

    def __getitem__(self, node: int) -> SwitchboardCore:
        return self.core(node)

    # What the network does.

    def cut(self, first: int, second: int, how: str = "reset") -> None:
        """Cuts every wire between two nodes: by "reset", or by "silence"."""
        for wire in self._distinct_wires():
            if {node for node, _ in wire.ends} == {first, second}:
                self._cut_wire(wire, how)

    def partition(self, first: int, second: int) -> None:
        """Lets nothing through between two nodes, connections included."""
        self.unreachable |= {(first, second), (second, first)}
        self.cut(first, second, "silence")

    def heal(self) -> None:
        """Lets everything through again; silent wires stay silent."""
        self.unreachable.clear()

    def cut_at(self, source: int, target: int, offset: int, how: str) -> None:
        """Cuts the wire when that many bytes in all have arrived from one node at
        another, in the middle of whatever arrives then."""
        self.cuts[source, target] = (offset, how)

    def crash(self, node: int) -> None:
        """Stops a node without a word; its connections are reset."""
        self.cores[node] = None
        for wire in self._distinct_wires():
            for side, (owner, link) in enumerate(wire.ends):
                if owner == node:
                    # The next incarnation may use the same number for another link.
                    self.wires.pop((owner, link), None)
                    wire.closed[side] = True
                    if not wire.silent:
                        wire.flying[side].append((self.now + self.latency_s, None))

    def restart(self, node: int, **options: Any) -> SwitchboardCore:
        """Starts a new incarnation of a node."""
        core = self.make_core(node, **options)
        self.cores[node] = core
        self.effects[node] = []
        return core

    # Running.

    def settle(self) -> None:
        """Takes all effects, of all nodes, until there are none."""
        busy = True
        while busy:
            busy = False
            for node, core in enumerate(self.cores):
                while core is not None and (effect := core.next_effect()) is not None:
                    busy = True
                    self._carry_out(node, effect)
                    if self.check:
                        core.check_invariants()

    def step(self, until: float) -> bool:
        """Goes to the next arrival or deadline, if it is not after `until`."""
        self.settle()
        at, action = self._next_event()
        if action is None or at > until:
            self.now = max(self.now, until)
            return False
        self.now = max(self.now, at)
        action()
        self.settle()
        return True

    def run(self, duration_s: float) -> None:
        """Lets time pass."""
        until = self.now + duration_s
        while self.step(until):
            pass

    def run_until(self, condition: Callable[[], bool], within_s: float = 60.0) -> None:
        """Lets time pass until something holds; fails if it does not in time."""
        until = self.now + within_s
        self.settle()
        while not condition():
            assert self.step(until), f"not within {within_s} s: {self.pending()}"

    def meet(self) -> None:
        """Has every node meet every other."""
        for core in self.cores:
            if core is not None:
                core.dial_all(self.now)
        self.run_until(lambda: not any(c.missing() for c in self.cores if c))

    def pending(self) -> str:
        """Says what each node waits for."""
        return "; ".join(
            f"node {node}: {core.next_timeout()}, {core.undelivered()}"
            for node, core in enumerate(self.cores)
            if core is not None
        )

    # What the applications saw.

    def happened(self, node: int, kind: type) -> list[Any]:
        """Returns the effects of a kind that a node has had."""
        return [effect for effect in self.effects[node] if isinstance(effect, kind)]

    def events(self, node: int, kind: type[E] | None = None) -> list[E]:
        """Returns the events of a kind, or all, that a node has told."""
        told = (effect.event for effect in self.happened(node, EventOccurred))
        return [event for event in told if kind is None or isinstance(event, kind)]

    def lost(self, node: int) -> int:
        """Returns how many items a node has reported as lost."""
        return sum(report.count for report in self.events(node, LossReport))

    def connect(self, node: int, sender: Any, within_s: float = 60.0) -> Any:
        """Connects a sender, and waits until it is open or has failed."""
        producer = self.core(node).connect(sender, BYTES, self.now)
        self.run_until(lambda: producer.is_open or producer.error is not None, within_s)
        if producer.error is not None:
            raise producer.error
        return producer

    def send_all(
        self, producer: Any, items: Sequence[object], receiver: Any
    ) -> list[Any]:
        """Sends items, and receives meanwhile; returns what was received."""
        received: list[Any] = []
        for item in items:
            while True:
                try:
                    producer.send(pack(item))
                    break
                except WouldBlock:
                    received += receive_all(receiver)
                    assert self.step(self.now + 60), "stuck"
        return received

    # How effects are carried out.

    def _carry_out(self, node: int, effect: Effect) -> None:
        self.effects[node].append(effect)
        if isinstance(effect, Connect):
            self._connect(node, effect)
        elif isinstance(effect, Transmit):
            self._transmit(node, effect)
        elif isinstance(effect, (Close, Abort)):
            self._close(node, effect.link)

    def _connect(self, node: int, effect: Connect) -> None:
        target = self.nodes.index(str(effect.address))
        core, other = self.core(node), self.cores[target]
        if (node, target) in self.unreachable:
            return
        if other is None:
            core.handle_connect_failed(effect.link, "refused", self.now)
            return
        self.connections += 1
        accepted = other.handle_accepted(self.now)
        wire = Wire(((node, effect.link), (target, accepted)))
        self.wires[node, effect.link] = wire
        self.wires[target, accepted] = wire
        core.handle_connected(effect.link, self.now)

    def _transmit(self, node: int, effect: Transmit) -> None:
        wire = self.wires.get((node, effect.link))
        if wire is None:
            return
        side = wire.side(node, effect.link)
        assert not wire.core_closed[side], "Transmit after Close"
        if wire.silent or any(wire.closed):
            return
        data = b"".join(effect.buffers)
        size = self.chunk or len(data)
        for start in range(0, len(data), size):
            arrival = (self.now + self.latency_s, data[start : start + size])
            wire.flying[side].append(arrival)

    def _close(self, node: int, link: int) -> None:
        wire = self.wires.get((node, link))
        if wire is None:
            return
        side = wire.side(node, link)
        wire.closed[side] = wire.core_closed[side] = True
        if not wire.silent:
            wire.flying[side].append((self.now + self.latency_s, None))

    def _cut_wire(self, wire: Wire, how: str) -> None:
        self.cut_count += 1
        for flying in wire.flying:
            flying.clear()
        if how == "silence":
            wire.silent = True
            return
        for side, (node, link) in enumerate(wire.ends):
            core = self.cores[node]
            if core is not None and not wire.closed[side]:
                wire.closed[side] = True
                core.handle_closed(link, self.now, "connection reset")

    def _distinct_wires(self) -> list[Wire]:
        return list({id(wire): wire for wire in self.wires.values()}.values())

    def _next_event(self) -> tuple[float, Callable[[], None] | None]:
        at, action = float("inf"), None
        for wire in self._distinct_wires():
            for side in (0, 1):
                flying = wire.flying[side]
                if flying and flying[0][0] < at:
                    at = flying[0][0]
                    action = self._arrival(wire, side)
        for core in self.cores:
            deadline = core.next_timeout() if core is not None else None
            if core is not None and deadline is not None and deadline[0] < at:
                at, action = deadline[0], self._timeout(core)
        return at, action

    def _timeout(self, core: SwitchboardCore) -> Callable[[], None]:
        return lambda: core.handle_timeout(self.now)

    def _arrival(self, wire: Wire, side: int) -> Callable[[], None]:
        def arrive() -> None:
            _, data = wire.flying[side].popleft()
            (source, _), (node, link) = wire.ends[side], wire.ends[1 - side]
            core = self.cores[node]
            if core is None or wire.closed[1 - side]:
                return
            if data is None:
                wire.closed[1 - side] = True
                core.handle_closed(link, self.now, "connection closed")
                self._forget(wire)
                return
            self._deliver(wire, source, node, link, data)

        return arrive

    def _deliver(
        self, wire: Wire, source: int, node: int, link: int, data: bytes
    ) -> None:
        core = self.core(node)
        before = self.arrived.get((source, node), 0)
        cut_at, how = self.cuts.get((source, node), (None, ""))
        if cut_at is not None and before + len(data) >= cut_at:
            data = data[: max(0, cut_at - before)]
            del self.cuts[source, node]
        else:
            how = ""
        self.arrived[source, node] = before + len(data)
        if data:
            core.handle_data(link, data, self.now)
        if how:
            self._cut_wire(wire, how)

    def _forget(self, wire: Wire) -> None:
        for end in wire.ends:
            # The next incarnation of a node may have used the number for another.
            if all(wire.closed) and self.wires.get(end) is wire:
                del self.wires[end]
