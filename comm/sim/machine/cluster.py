"""`MachineCluster`: several cores, on simulated hosts, in one simulated network."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from types import TracebackType
from typing import Self

from comm.config import Config
from comm.sim.choices import Choices, Seeded, derive
from comm.sim.host import Host, HostState
from comm.sim.items import BYTES
from comm.sim.machine.claims import Claims
from comm.sim.machine.disturbance import Disturbances
from comm.sim.machine.driver import Driver
from comm.sim.machine.entropy import Entropy
from comm.sim.machine.impostors import Impostors
from comm.sim.machine.node import Node
from comm.sim.machine.outages import Outages
from comm.sim.machine.partings import Partings
from comm.sim.machine.sink import Sink
from comm.sim.machine.source import Source
from comm.sim.machine.strangers import Stranger
from comm.sim.machine.tampering import Tampering
from comm.sim.machine.weather import Weather
from comm.sim.network import Buffers, Conditions, Network
from comm.sim.oracles import Oracle, all_oracles
from comm.sim.trace import Trace
from comm.sim.watcher import Watcher, Watchers
from comm.sim.world import SECOND, World, seconds
from comm.switchboard import SwitchboardCore


__all__ = ["MachineCluster", "StuckError"]

_AUDIT_NS = SECOND


class StuckError(AssertionError):
    """Something did not come about within the time that it was given."""


class MachineCluster:
    """A cluster of nodes, each a `SwitchboardCore` that is driven in virtual time.

    Args:
        nodes: How many nodes.
        seed: What every draw, and the entropy of every core, depends on.
        choices: Where draws come from instead; the seed is then for entropy alone.
        config: The limits of each node; or a list, one for each.
        conditions: What the paths between hosts are like.
        buffers: What the kernels of the hosts hold.
        oracles: Whether the promises are checked all along.
        watchers: Who else watches.
        check_every: Behind how many steps a core checks its invariants; 0 for never.
        records: Whether the trace keeps its lines.
        start: Whether to start every node at once.

    Attributes:
        world: Time, events and the trace.
        network: The network.
        hosts: The hosts, by node id.
        configs: The limits of each node.
        sources: All that were ever made, by name.
        sinks: Likewise.
    """

    def __init__(
        self,
        nodes: int = 3,
        *,
        seed: object = 0,
        choices: Choices | None = None,
        config: Config | Sequence[Config] | None = None,
        conditions: Conditions | None = None,
        buffers: Buffers | None = None,
        oracles: bool = True,
        watchers: Sequence[Watcher] = (),
        check_every: int = 1,
        records: bool = False,
        start: bool = True,
    ) -> None:
        self.world = World(choices or Seeded(seed), Trace(records=records))
        self.hosts = [Host(self.world, index) for index in range(nodes)]
        self.network = Network(self.world, self.hosts, conditions, buffers)
        self.addresses = [f"127.0.0.1:{7000 + index}" for index in range(nodes)]
        self.sources: list[Source] = []
        self.sinks: list[Sink] = []
        self.nodes: list[Node | None] = [None] * nodes
        self.buffers = self.network.buffers
        self.weather = Weather(self.network, conditions or Conditions())
        self.tampering = Tampering()
        self.claims = Claims()
        self.configs = _each(config, nodes)
        self.disturbances = Disturbances(self.world, _memory_ns(self.configs))
        self.strangers: list[Stranger] = []
        self.tainted: dict[tuple[int, int], None] = {}
        self.partings = Partings(self.world)
        self.outside = Host(self.world, nodes)
        self.network.add(self.outside)
        self.impostors = Impostors(self)
        self._seed = seed
        self._shape: dict[str, int] = {}
        self._outages = Outages(self.network, self.disturbances)
        # The latest time that the clock of each host showed before it jumped.
        self._shown_ns = [0] * nodes
        self.oracles: list[Oracle] = all_oracles(self) if oracles else []
        invariants = [_Invariants(check_every)] if check_every else []
        self.watcher = Watchers([*invariants, *self.oracles, *watchers])
        for host, address in zip(self.hosts, self.addresses, strict=True):
            self.network.place(host, address)
        if start:
            for index in range(nodes):
                self.start(index)
        self.world.after(_AUDIT_NS, self._audit)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Ends the simulation. Nothing has to be given back."""

    def __getitem__(self, index: int) -> Node:
        """Returns the process of a node that runs."""
        node = self.nodes[index]
        if node is None:
            raise LookupError(f"node {index} does not run")
        return node

    def __len__(self) -> int:
        return len(self.nodes)

    @property
    def trace(self) -> Trace:
        """The history."""
        return self.world.trace

    @property
    def now_s(self) -> float:
        """The world's time, in seconds."""
        return self.world.now_ns / SECOND

    @property
    def live(self) -> list[Node]:
        """The processes that run."""
        return [node for node in self.nodes if node is not None]

    def config(self, index: int) -> Config:
        """Returns the limits of a node."""
        return self.configs[index]

    def is_current(self, node: Node) -> bool:
        """Whether this process of its node is the one that runs."""
        return self.nodes[node.index] is node

    def shape(self, *, is_prompt: bool, read_bytes: int, high_bytes: int) -> None:
        """Says how the processes that are started from now on behave.

        Args:
            is_prompt: Whether applications react within the step that tells them.
            read_bytes: How much a process reads at once.
            high_bytes: How much waits for the kernel before a core is stopped.
        """
        self._shape = {
            "is_prompt": is_prompt,
            "read_bytes": read_bytes,
            "high_bytes": high_bytes,
        }

    # Time.

    def run(self, duration_s: float) -> None:
        """Lets so many seconds pass."""
        self.world.run_to(self.world.now_ns + seconds(duration_s))

    def run_until(self, condition: Callable[[], bool], timeout: float = 60.0) -> None:
        """Lets time pass until something holds.

        Raises:
            StuckError: If it does not hold after so many seconds; says what each node
                waits for.
        """
        deadline_ns = self.world.now_ns + seconds(timeout)
        if not self.world.run_until(condition, deadline_ns):
            raise StuckError(f"not within {timeout:g} s\n{self.pending()}")

    def pending(self) -> str:
        """Returns, for people, what each node waits for."""
        return "\n".join(_pending(node) for node in self.live) or "no node runs"

    # Processes.

    def start(self, index: int) -> Node:
        """Starts the first process of a node; `restart` starts all others."""
        host = self.hosts[index]
        assert self.nodes[index] is None
        assert host.state is HostState.RUNNING
        core = self.make_core(index, "node", host.incarnation)
        node = Node(self, host, core, self.addresses[index])
        node.watcher = self.watcher
        for name, value in self._shape.items():
            setattr(node, name, value)
        self.nodes[index] = node
        self.watcher.started(node)
        return node

    def crash(self, index: int, *, dark: bool = True) -> None:
        """Ends a node's process without a word.

        Args:
            index: The node.
            dark: Whether its whole machine loses its power, so that nothing comes
                back from it; otherwise its kernel closes what the process had open.
        """
        node = self[index]
        self.world.note(node.name, "crashes" if dark else "is killed")
        if node.host.state is HostState.PAUSED:
            self.disturbances.end(self._pairs_of(index), [index])
        self.nodes[index] = None
        node.host.stop(dark=dark)
        self.disturbances.begin(self._pairs_of(index))
        self.network.host_died(node.host, dark=dark)
        self.watcher.died(node)

    def restart(self, index: int) -> Node:
        """Starts the next process of a node; crashes the present one, if there is."""
        if self.nodes[index] is not None:
            self.crash(index)
        if self.hosts[index].state is not HostState.RUNNING:
            self.disturbances.end(self._pairs_of(index))
        self.hosts[index].restart()
        return self.start(index)

    def leave(self, index: int) -> None:
        """Makes a node close its switchboard, and end a moment later."""
        node = self[index]
        node.leave()
        node.later(2 * SECOND, self._exit, node)

    def pause(self, index: int) -> None:
        """Stops a node's process, as SIGSTOP does."""
        host = self.hosts[index]
        if host.state is HostState.RUNNING:
            self.world.note(host.name, "pauses")
            host.pause()
            self.disturbances.begin(self._pairs_of(index), [index])

    def resume(self, index: int) -> None:
        """Lets a node's process go on."""
        host = self.hosts[index]
        if host.state is HostState.PAUSED:
            self.world.note(host.name, "resumes")
            host.resume()
            self.disturbances.end(self._pairs_of(index), [index])

    def meet(self, timeout: float = 60.0) -> None:
        """Has all nodes meet one another."""
        for node in self.live:
            node.dial_all()
        self.run_until(lambda: not any(n.core.missing() for n in self.live), timeout)

    def drift_clock(self, index: int, drift_ppm: int) -> None:
        """Lets a host's clock run faster or slower from now on."""
        clock, pairs = self.hosts[index].clock, self._pairs_of(index)
        if drift_ppm:
            self.disturbances.begin(pairs, [index])
        if clock.drift_ppm:
            self.disturbances.end(pairs, [index])
        clock.drift(drift_ppm, self.world.now_ns)
        self._rearm(index)

    def step_clock(self, index: int, step_ns: int) -> None:
        """Lets a host's clock jump.

        Its core goes by the latest time that it was told, so that none passes for it
        until a clock that has jumped back shows that again.
        """
        self.disturbances.strike(self._pairs_of(index))
        clock, now_ns = self.hosts[index].clock, self.world.now_ns
        self._shown_ns[index] = max(self._shown_ns[index], clock.read_ns(now_ns))
        clock.step(step_ns, now_ns)
        self._rearm(index)
        self.disturbances.begin((), [index])
        caught_up_ns = clock.world_ns(self._shown_ns[index])
        self.world.at(caught_up_ns, self.disturbances.end, (), [index])

    # The network.

    def cut(self, first: int, second: int, how: str = "reset") -> int:
        """Breaks every connection between two nodes.

        Args:
            first: One node.
            second: The other.
            how: "reset", which both learn of; "silent", which nobody is told of; or
                "half", which only the first one learns of.

        Returns:
            How many connections there were.

        Raises:
            ValueError: If `how` is none of them.
        """
        return self._outages.cut(first, second, how)

    def partition(self, *groups: Iterable[int]) -> None:
        """Lets nothing through between nodes of different groups."""
        self._outages.partition(*groups)

    def block(self, source: int, target: int) -> None:
        """Lets nothing through from one node to another."""
        self._outages.block(source, target)

    def heal(self) -> None:
        """Lets everything through again that was held back by `block`, or `partition`.

        Faults end by themselves.
        """
        self._outages.heal()

    def make_core(self, index: int, *purpose: object) -> SwitchboardCore:
        """Returns a core for a node, whose entropy depends on what it is for."""
        key = derive(self._seed, *purpose, index)
        return SwitchboardCore(
            self.addresses,
            index,
            entropy=Entropy(key),
            config=self.configs[index],
            codec=BYTES.codec,
        )

    def _pairs_of(self, index: int) -> list[tuple[int, int]]:
        others = (other for other in range(len(self)) if other != index)
        return [(index, other) for other in others]

    def _rearm(self, index: int) -> None:
        node = self.nodes[index]
        if node is not None:
            node.rearm()

    def _exit(self, node: Node) -> None:
        self.nodes[node.index] = None
        node.host.stop()
        self.disturbances.begin(self._pairs_of(node.index))
        self.network.host_died(node.host, dark=False)

    def _audit(self) -> None:
        self.watcher.audit()
        self.world.after(_AUDIT_NS, self._audit)


class _Invariants(Watcher):
    """Has cores check themselves behind their steps."""

    def __init__(self, every: int) -> None:
        self._every = every
        self._steps = 0

    def stepped(self, node: Driver) -> None:
        """The core of this node may have changed, and no other."""
        self._steps += 1
        if self._steps % self._every == 0:
            node.core.check_invariants()


def _each(config: Config | Sequence[Config] | None, nodes: int) -> list[Config]:
    if config is None or isinstance(config, Config):
        return [config or Config()] * nodes
    return list(config)


def _memory_ns(configs: Sequence[Config]) -> int:
    """Returns how far back oracles look: for two windows, or some seconds."""
    return seconds(2 * max(config.resume_window_s for config in configs)) + 10 * SECOND


def _pending(node: Node) -> str:
    core = node.core
    waits = [f"timer {core.next_timeout()}"]
    waits += [f"node {n} missing: {error}" for n, error in core.missing().items()]
    waits += [f"undelivered {value}" for value in core.undelivered()]
    host = node.host
    if host.state is not HostState.RUNNING or host.waiting:
        waits.append(f"{host.state.value}, {host.waiting} steps behind")
    return f"{node.name}: " + "; ".join(waits)
