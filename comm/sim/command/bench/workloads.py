"""What `bench` measures: four kinds of simulations, each with all oracles."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from comm.sim.choices import Seeded
from comm.sim.faults import (
    Clog,
    CutLink,
    Delay,
    Fault,
    Fragment,
    Injector,
    Isolate,
    Lose,
    OneWay,
    Pause,
    SilenceLink,
    StepClock,
)
from comm.sim.machine import MachineCluster, Node, Sink, Source
from comm.sim.scenario import draw_scenario, play
from comm.sim.world import MS, SECOND


__all__ = ["WORKLOADS", "Effort", "Sample", "Workload"]

_SETTLED_S = 5.0


@dataclass(frozen=True, slots=True)
class Effort:
    """How to run a workload.

    Attributes:
        size: How large it is, in terms of its usual size.
        check_every: Behind how many steps cores check themselves; 0 for never.
        clock: What measures the time, in seconds.
    """

    size: float
    check_every: int
    clock: Callable[[], float]


@dataclass(frozen=True, slots=True)
class Sample:
    """What one round came to.

    Attributes:
        wall_s: How long it took.
        amount: What was counted: items, messages, or seeds.
        events: How many events happened.
        simulated_s: How many seconds passed in the world.
    """

    wall_s: float
    amount: int
    events: int
    simulated_s: float

    @property
    def amount_per_s(self) -> float:
        """How much was counted in a second."""
        return self.amount / self.wall_s

    @property
    def events_per_s(self) -> float:
        """How many events happened in a second."""
        return self.events / self.wall_s

    @property
    def speed(self) -> float:
        """How much faster than the clock on the wall the world's was."""
        return self.simulated_s / self.wall_s


@dataclass(frozen=True, slots=True)
class Workload:
    """Something to be measured.

    Attributes:
        about: What it is, for people.
        run: Runs it once.
        figure: What counts, of a sample.
        unit: What that is.
        target: How much of it there should be; None for no target.
    """

    about: str
    run: Callable[[Effort], Sample]
    figure: Callable[[Sample], float]
    unit: str
    target: float | None


def _items(effort: Effort) -> Sample:
    """Small items in large batches through one link."""
    count = round(400_000 * effort.size)
    with MachineCluster(
        nodes=2, seed="items", check_every=effort.check_every
    ) as cluster:
        cluster.meet()
        sink = cluster[0].open()
        source = _connect(cluster[1], sink)
        cluster.run(1.0)

        def run() -> int:
            source.offer(count, size=32)
            cluster.run_until(lambda: sink.received == count)
            return count

        return _measure(cluster, effort, run)


def _messages(burst: int, effort: Effort) -> Sample:
    """A hundred messages a second round a ring of three, while things go wrong."""
    duration_s = max(10, round(120 * effort.size))
    with MachineCluster(
        nodes=3, seed="chaos", check_every=effort.check_every
    ) as cluster:
        cluster.meet()
        sinks = [node.open() for node in cluster.live]
        following = zip(cluster.live, sinks[1:] + sinks[:1], strict=True)
        sources = [_connect(node, sink) for node, sink in following]
        pause_ns = burst * SECOND // 100

        def send(number: int) -> None:
            source = sources[number % 3]
            source.node.host.call(source.offer, burst, 100)
            cluster.world.after(pause_ns, send, number + 1)

        def run() -> int:
            send(0)
            cluster.run(duration_s)
            return sum(sink.received for sink in sinks)

        cluster.run(_SETTLED_S)
        Injector(cluster, _chaos(cluster.world.now_ns, duration_s))
        return _measure(cluster, effort, run)


def _chaos(start_ns: int, duration_s: int) -> list[Fault]:
    """Returns about one fault every two seconds; nobody dies of them."""
    draw = Seeded("bench").stream("chaos")
    return [
        draw.pick(_CHAOS)(
            start_ns + second * SECOND + draw.below(SECOND),
            draw.between(50, 1500) * MS,
            draw.below(3),
        )
        for second in range(0, duration_s, 2)
    ]


_CHAOS: tuple[Callable[[int, int, int], Fault], ...] = (
    lambda at, _, a: CutLink(at_ns=at, a=a, b=a + 1),
    lambda at, _, a: SilenceLink(at_ns=at, a=a, b=a + 1),
    lambda at, span, a: Isolate(at_ns=at, for_ns=span, node=a),
    lambda at, span, a: OneWay(at_ns=at, for_ns=span, source=a, target=a + 1),
    lambda at, span, a: Clog(at_ns=at, for_ns=span, source=a, target=a + 1),
    lambda at, span, a: Lose(at_ns=at, for_ns=span, node=a, permille=100),
    lambda at, span, a: Delay(at_ns=at, for_ns=span, node=a, base_ns=20 * MS),
    lambda at, span, a: Fragment(at_ns=at, for_ns=span, node=a, permille=300),
    lambda at, span, a: Pause(at_ns=at, for_ns=span, node=a),
    lambda at, _, a: StepClock(at_ns=at, node=a, jump_ns=300 * MS),
)


def _idle(effort: Effort) -> Sample:
    """Three nodes that have nothing to say but that they are there."""
    duration_s = max(10, round(2000 * effort.size))
    with MachineCluster(
        nodes=3, seed="idle", check_every=effort.check_every
    ) as cluster:
        cluster.meet()
        cluster.run(_SETTLED_S)

        def run() -> int:
            cluster.run(duration_s)
            return 0

        return _measure(cluster, effort, run)


def _connect(node: Node, sink: Sink) -> Source:
    assert sink.sender is not None
    return node.connect(sink.sender)


def _measure(cluster: MachineCluster, effort: Effort, run: Callable[[], int]) -> Sample:
    world, clock = cluster.world, effort.clock
    events, now_ns, began_at = world.events, world.now_ns, clock()
    amount = run()
    wall_s = clock() - began_at
    simulated_s = (world.now_ns - now_ns) / SECOND
    return Sample(wall_s, amount, world.events - events, simulated_s)


def _swarm(effort: Effort) -> Sample:
    """The first seeds of the reference swarm."""
    seeds, events, simulated_s = max(1, round(20 * effort.size)), 0, 0.0
    began_at = effort.clock()
    for seed in range(seeds):
        outcome = play(draw_scenario(seed), check_every=effort.check_every)
        events += outcome.events
        simulated_s += outcome.simulated_s
    return Sample(effort.clock() - began_at, seeds, events, simulated_s)


WORKLOADS = {
    "items": Workload(
        "small items in large batches, from one core to another",
        _items,
        lambda sample: sample.amount_per_s,
        "items/s",
        200_000,
    ),
    "messages": Workload(
        "3 nodes under chaos, 100 messages a second, one by one",
        partial(_messages, 1),
        lambda sample: sample.speed,
        "x real time",
        1000,
    ),
    "bursts": Workload(
        "3 nodes under chaos, 100 messages a second, ten at a time",
        partial(_messages, 10),
        lambda sample: sample.speed,
        "x real time",
        1000,
    ),
    "idle": Workload(
        "3 nodes with nothing but heartbeats",
        _idle,
        lambda sample: sample.speed,
        "x real time",
        20_000,
    ),
    "swarm": Workload(
        "seeds of the reference swarm, in one process",
        _swarm,
        lambda sample: sample.amount_per_s,
        "seeds/s",
        None,
    ),
}
"""What can be measured, by name."""
