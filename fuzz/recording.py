"""`Recording`: a cluster under fuzzing, which writes down what is done with it.

Whatever is done happens at a moment of its own, before anything else of that moment,
just as a scenario's steps and faults do when they are played. So the scenario that a
recording has written plays the very same history, event by event.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

from comm.sim.choices import Recorder, Stream
from comm.sim.faults import Fault, Injector
from comm.sim.machine import MachineCluster
from comm.sim.scenario import Failure, Scenario, Step
from comm.sim.scenario.play import begin, end
from comm.sim.world import NS, SECOND, seconds
from fuzz.checks import Witness, check_accounts, check_queries
from fuzz.findings import ScenarioFailed
from fuzz.tally import TALLY


__all__ = ["SHARES", "Recording", "Schedule"]

SHARES = 256
"""The numbers of a `Schedule` are below this, whatever is asked."""


class Schedule:
    """Choices from one short list of small numbers, whichever stream asks.

    A number says which share of what is possible is chosen: 0 for the calm choice, and
    `SHARES - 1` for about the wildest. Where the list ends, all is calm.
    """

    def __init__(self) -> None:
        self._numbers: deque[int] = deque()
        self._stream = Stream(self)

    def stream(self, name: str) -> Stream:
        """Returns the same stream for every purpose."""
        del name
        return self._stream

    def draw(self, bound: int) -> int:
        """Returns a number from 0 to below the bound."""
        return self._numbers.popleft() * bound // SHARES if self._numbers else 0

    def set(self, numbers: Sequence[int]) -> None:
        """Takes numbers for what is drawn next; forgets those that were left."""
        self._numbers = deque(numbers)


class Recording:
    """A cluster that runs, and the scenario of all that was done with it so far.

    Args:
        world: Nodes, limits and network: a scenario in which nothing happens.

    Whatever fails in it is raised as a `ScenarioFailed`.

    Attributes:
        cluster: The cluster.
    """

    def __init__(self, world: Scenario) -> None:
        TALLY["examples"] += 1
        self._world = world
        self._until_ns = 0
        self._steps: list[Step] = []
        self._faults: list[Fault] = []
        self._schedule = Schedule()
        self._choices = Recorder(self._schedule)
        self._witness = Witness()
        self.cluster = MachineCluster(
            world.nodes,
            seed=world.seed,
            choices=self._choices,
            config=world.config,
            conditions=world.conditions,
            buffers=world.buffers,
            watchers=[self._witness],
            start=False,
        )
        self._injector = Injector(self.cluster)
        begin(self.cluster, world)

    @property
    def scenario(self) -> Scenario:
        """What was done until now, to be played again."""
        done = replace(
            self._world,
            steps=tuple(self._steps),
            faults=tuple(self._faults),
            duration_ns=self._until_ns,
        )
        return done.with_tape(self._choices.tape())

    def take(self, step: Step) -> None:
        """Has an application do something now."""
        with self._watching():
            step = replace(step, at_ns=self._next_moment())
            self._steps.append(step)
            step.take(self.cluster)

    def harm(self, fault: Fault) -> None:
        """Lets something go wrong now."""
        with self._watching():
            fault = replace(fault, at_ns=self._next_moment())
            self._faults.append(fault)
            self._injector.begin(fault)

    def run(self, duration_s: float) -> None:
        """Lets time pass."""
        with self._watching():
            self._until_ns += seconds(duration_s)
            self.cluster.world.run_to(self._until_ns)

    def schedule(self, numbers: Sequence[int]) -> None:
        """Says what the network draws next; see `Schedule`."""
        self._schedule.set(numbers)

    def check(self) -> None:
        """Looks at what must hold at any time."""
        with self._watching():
            check_accounts(self.cluster)

    def end(self) -> None:
        """Ends all faults, and brings everything to its end."""
        with self._watching():
            for node in self.cluster.live:
                check_queries(node)
            self.cluster.world.run_to(self._until_ns)
            end(self.cluster, self._injector, self._world, self._witness.check_end)
            TALLY["events"] += self.cluster.world.events
            TALLY["simulated s"] += self.cluster.world.now_ns // SECOND
            TALLY["delivered"] += sum(sink.received for sink in self.cluster.sinks)

    def _next_moment(self) -> int:
        """Goes on to a moment at which nothing has happened yet, and returns it."""
        world = self.cluster.world
        world.run_to(self._until_ns)
        self._until_ns += NS
        # What is planned for that moment comes behind what is done at it.
        world.now_ns = self._until_ns
        return self._until_ns

    @contextmanager
    def _watching(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:
            raise ScenarioFailed(Failure.of(error), self.scenario) from error
