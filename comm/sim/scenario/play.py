"""Playing a scenario: first things go wrong, then all must come to rest."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from comm.sim.choices import Recorder
from comm.sim.faults import Injector
from comm.sim.machine import MachineCluster
from comm.sim.oracles import Violation
from comm.sim.scenario.rest import bring_to_rest, leave
from comm.sim.scenario.scenario import Scenario
from comm.sim.trace import Trace
from comm.sim.watcher import Watcher
from comm.sim.world import SECOND


__all__ = ["Failure", "Outcome", "begin", "end", "play"]


@dataclass(frozen=True, slots=True)
class Failure:
    """How a run failed.

    Attributes:
        kind: The promise that was broken, or the type of the exception.
        text: What happened.
        error: The exception.
    """

    kind: str
    text: str
    error: Exception = field(compare=False, repr=False)

    @classmethod
    def of(cls, error: Exception) -> Failure:
        """Returns the failure that an exception is."""
        if isinstance(error, Violation):
            return cls(error.promise, error.text, error)
        return cls(type(error).__name__, str(error), error)

    def __str__(self) -> str:
        return f"{self.kind}: {self.text}"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a run.

    Attributes:
        scenario: What was played.
        failure: How it failed; None if it did not.
        trace: Its history.
        tape: Its schedule.
        events: How many events happened.
        simulated_s: How many seconds passed in the world.
        delivered: How many items were received.
        fired: How many faults of each kind met with anything to harm.
    """

    scenario: Scenario
    failure: Failure | None
    trace: Trace
    tape: dict[str, list[int]]
    events: int
    simulated_s: float
    delivered: int
    fired: Counter[str]

    @property
    def digest(self) -> str:
        """The digest of the whole history."""
        return self.trace.digest


def play(
    scenario: Scenario,
    *,
    records: bool = False,
    check_every: int = 1,
    watchers: Sequence[Watcher] = (),
) -> Outcome:
    """Plays a scenario to its end, or to its failure.

    Args:
        scenario: The scenario.
        records: Whether the trace keeps its lines.
        check_every: Behind how many steps a core checks its invariants; 0 for never.
        watchers: Who watches besides the oracles.
    """
    choices = Recorder(scenario.choices())
    cluster = MachineCluster(
        scenario.nodes,
        seed=scenario.seed,
        choices=choices,
        config=scenario.config,
        conditions=scenario.conditions,
        buffers=scenario.buffers,
        check_every=check_every,
        records=records,
        watchers=watchers,
        start=False,
    )
    injector = Injector(cluster, scenario.faults)
    failure = None
    try:
        _run(cluster, injector, scenario)
    except Exception as error:  # noqa: BLE001 - whatever it is, it is what was sought
        failure = Failure.of(error)
    return Outcome(
        scenario=scenario,
        failure=failure,
        trace=cluster.trace,
        tape=choices.tape(),
        events=cluster.world.events,
        simulated_s=cluster.world.now_ns / SECOND,
        delivered=sum(sink.received for sink in cluster.sinks),
        fired=injector.fired,
    )


def begin(cluster: MachineCluster, scenario: Scenario) -> None:
    """Makes a cluster that has not started what a scenario wants, and starts it."""
    for index, offset_ns in enumerate(scenario.offsets_ns[: scenario.nodes]):
        cluster.hosts[index].clock.step(offset_ns, 0)
    cluster.shape(
        is_prompt=scenario.is_prompt,
        read_bytes=scenario.read_bytes,
        high_bytes=scenario.high_bytes,
    )
    for index in range(scenario.nodes):
        cluster.start(index)


def end(
    cluster: MachineCluster,
    injector: Injector,
    scenario: Scenario,
    at_rest: Callable[[MachineCluster], None] | None = None,
) -> None:
    """Brings a cluster to rest, has all nodes leave, and asks the oracles.

    Args:
        cluster: The cluster.
        injector: Its faults.
        scenario: Who survives, and who never receives.
        at_rest: What else to look at before anybody leaves.
    """
    survivors, keeps_stalls = scenario.survivors, scenario.keeps_stalls
    bring_to_rest(cluster, injector, survivors, keeps_stalls=keeps_stalls)
    for oracle in cluster.oracles:
        oracle.settled()
    if at_rest is not None:
        at_rest(cluster)
    leave(cluster)
    for oracle in cluster.oracles:
        oracle.ended()


def _run(cluster: MachineCluster, injector: Injector, scenario: Scenario) -> None:
    begin(cluster, scenario)
    for step in scenario.steps:
        # What comes too late is not done, as faults then are not brought about.
        if step.at_ns <= scenario.duration_ns:
            cluster.world.at(step.at_ns, step.take, cluster)
    cluster.world.run_to(scenario.duration_ns)
    end(cluster, injector, scenario)
