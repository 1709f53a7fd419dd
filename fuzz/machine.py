"""`Fabric`: a cluster of which Hypothesis decides all that happens to it.

Workload, faults and schedule are one sequence of choices, so that a failure shrinks as
a whole. Limits and network are drawn once; then rules follow in any order, and at the
end, whatever happened, everything must come to rest.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
import sys
from typing import Any

from hypothesis.stateful import (
    Bundle,
    MultipleResults,
    RuleBasedStateMachine,
    initialize,
    invariant,
    multiple,
    rule,
)

from comm.sim.faults import Fault
from comm.sim.machine import Sink, Source
from comm.sim.scenario import Scenario, Step
from comm.sim.scenario.steps import (
    Abort,
    CloneSource,
    CloseSink,
    Connect,
    Finish,
    Flush,
    Meet,
    Open,
    Seal,
)
from fuzz.actions import (
    Beginning,
    a_beginning,
    a_fault,
    a_moment,
    a_node,
    a_number,
    a_schedule,
    a_step,
    a_while,
    an_instant,
)
from fuzz.recording import Recording
from fuzz.tally import TALLY


__all__ = ["Fabric"]


@dataclass(frozen=True, slots=True)
class Channel:
    """A channel, of which many ends may come and go.

    Attributes:
        id: 16 bytes.
    """

    id: bytes


class Fabric(RuleBasedStateMachine):
    """The cluster.

    Attributes:
        world: What was drawn beforehand.
    """

    channels: Bundle[Channel] = Bundle("channels")

    def __init__(self) -> None:
        super().__init__()
        self.world = Scenario()
        self._recording: Recording | None = None
        # What is being handled already has nothing to do with this cluster.
        self._outer_error = sys.exception()

    @property
    def recording(self) -> Recording:
        """The cluster, and what was done with it."""
        assert self._recording is not None
        return self._recording

    @initialize(target=channels, beginning=a_beginning())
    def begin(self, beginning: Beginning) -> MultipleResults[Channel]:
        """Starts the nodes, and lets some of them talk for a moment."""
        self.world = beginning.world
        self._recording = Recording(self.world)
        for talk in beginning.talks:
            self._take(Open(at_ns=0, node=talk.receiver))
            self._connect(self.recording.cluster.sinks[-1], talk.sender, talk.offer)
        self._run(beginning.duration_s)
        return multiple(*[Channel(s.channel) for s in self.recording.cluster.sinks])

    # What applications do. Sinks and sources are chosen by any number.

    @rule(node=a_node())
    def meet(self, node: int) -> None:
        self._take(Meet(at_ns=0, node=node))

    @rule(target=channels, step=a_step("Open"))
    def open(self, step: Step) -> MultipleResults[Channel]:
        return self._take_new(step)

    @rule(target=channels, step=a_step("Subscribe"))
    def subscribe(self, step: Step) -> MultipleResults[Channel]:
        return self._take_new(step)

    @rule(target=channels, step=a_step("Broadcast"))
    def broadcast(self, step: Step) -> MultipleResults[Channel]:
        return self._take_new(step)

    @rule(channel=channels, node=a_node(), step=a_step("Offer"))
    def connect(self, channel: Channel, node: int, step: Step) -> None:
        """Connects, also to a channel whose node has restarted, and sends at once."""
        for sink in self.recording.cluster.sinks:
            if sink.channel == channel.id and sink.sender and sink.group == sink.name:
                self._connect(sink, node, step)

    @rule(channel=channels, number=a_number())
    def clone(self, channel: Channel, number: int) -> None:
        self._take_with_source(channel, number, CloneSource(at_ns=0, source=0))

    @rule(channel=channels, number=a_number(), step=a_step("Offer"))
    def send(self, channel: Channel, number: int, step: Step) -> None:
        self._take_with_source(channel, number, step)

    @rule(channel=channels, number=a_number())
    def flush(self, channel: Channel, number: int) -> None:
        self._take_with_source(channel, number, Flush(at_ns=0, source=0))

    @rule(channel=channels, number=a_number())
    def finish(self, channel: Channel, number: int) -> None:
        self._take_with_source(channel, number, Finish(at_ns=0, source=0))

    @rule(channel=channels, number=a_number())
    def abort(self, channel: Channel, number: int) -> None:
        self._take_with_source(channel, number, Abort(at_ns=0, source=0))

    @rule(channel=channels, number=a_number(), step=a_step("FanOut"))
    def fan_out(self, channel: Channel, number: int, step: Step) -> None:
        self._take_with_sink(channel, number, step)

    @rule(channel=channels, number=a_number(), step=a_step("SetPace"))
    def set_pace(self, channel: Channel, number: int, step: Step) -> None:
        self._take_with_sink(channel, number, step)

    @rule(channel=channels, number=a_number())
    def seal(self, channel: Channel, number: int) -> None:
        self._take_with_sink(channel, number, Seal(at_ns=0, sink=0))

    @rule(channel=channels, number=a_number())
    def close(self, channel: Channel, number: int) -> None:
        self._take_with_sink(channel, number, CloseSink(at_ns=0, sink=0))

    # What goes wrong, and what the network is like meanwhile.

    @rule(fault=a_fault("links"))
    def harm_links(self, fault: Fault) -> None:
        self._harm(fault)

    @rule(
        channel=channels,
        number=a_number(),
        offer=a_step("Offer"),
        fault=a_fault("links"),
        duration_s=an_instant(),
    )
    def interrupt(
        self,
        channel: Channel,
        number: int,
        offer: Step,
        fault: Fault,
        duration_s: float,
    ) -> None:
        """Lets something go wrong with a link while something is on its way there."""
        cluster = self.recording.cluster
        sources = [s for s in cluster.sources if s.channel == channel.id and s.is_alive]
        sinks = [s for s in cluster.sinks if s.channel == channel.id]
        if sources and sinks:
            self._take_with_source(channel, number, offer)
            self._run(duration_s)
            source, sink = sources[number % len(sources)], sinks[number % len(sinks)]
            ends = {"a": source.node.index, "b": sink.node.index}
            self._harm(replace(fault, **ends))

    @rule(fault=a_fault("paths"))
    def harm_paths(self, fault: Fault) -> None:
        self._harm(fault)

    @rule(fault=a_fault("hosts"))
    def harm_host(self, fault: Fault) -> None:
        self._harm(fault)

    @rule(fault=a_fault("connecting", "bytes"))
    def harm_connections(self, fault: Fault) -> None:
        self._harm(fault)

    @rule(numbers=a_schedule())
    def schedule(self, numbers: list[int]) -> None:
        self.recording.schedule(numbers)

    @rule(duration_s=a_moment())
    def wait(self, duration_s: float) -> None:
        self._run(duration_s)

    @rule(duration_s=an_instant())
    def wait_shortly(self, duration_s: float) -> None:
        self._run(duration_s)

    @rule(duration_s=a_while())
    def wait_long(self, duration_s: float) -> None:
        self._run(duration_s)

    # What must hold.

    @invariant()
    def holds(self) -> None:
        """What the oracles do not look at by themselves."""
        self.recording.check()

    def teardown(self) -> None:
        """Everything comes to rest, unless something has failed before."""
        if self._recording is not None and sys.exception() is self._outer_error:
            self.recording.end()

    # How it is done.

    def _take(self, step: Step) -> None:
        TALLY["steps"] += 1
        self.recording.take(step)

    def _take_new(self, step: Step) -> MultipleResults[Channel]:
        """Takes a step that makes an end; returns its channel, unless it failed."""
        cluster = self.recording.cluster
        before = len(cluster.sinks), len(cluster.sources)
        self._take(step)
        ends: list[Sink | Source] = [*cluster.sinks[before[0] :]]
        ends += cluster.sources[before[1] :]
        return multiple(*[Channel(end.channel) for end in ends])

    def _connect(self, sink: Sink, node: int, offer: Step) -> None:
        cluster = self.recording.cluster
        leading = [s for s in cluster.sinks if s.sender and s.group == s.name]
        before = len(cluster.sources)
        self._take(Connect(at_ns=0, node=node, sink=leading.index(sink)))
        if len(cluster.sources) > before:
            self._take_with_source(Channel(sink.channel), -1, offer)

    def _take_with_source(self, channel: Channel, number: int, step: Step) -> None:
        """Takes a step with a source of a channel, if it has one that is alive."""
        alive = [s for s in self.recording.cluster.sources if s.is_alive]
        chosen = _chosen(alive, channel, number)
        if chosen is not None:
            changed: dict[str, Any] = {"source": chosen}
            self._take(replace(step, **changed))

    def _take_with_sink(self, channel: Channel, number: int, step: Step) -> None:
        """Takes a step with a sink of a channel, if it has one that is alive."""
        alive = [s for s in self.recording.cluster.sinks if s.is_alive]
        chosen = _chosen(alive, channel, number)
        if chosen is not None:
            changed: dict[str, Any] = {"sink": chosen}
            self._take(replace(step, **changed))

    def _harm(self, fault: Fault) -> None:
        TALLY["faults"] += 1
        self.recording.harm(fault)

    def _run(self, duration_s: float) -> None:
        TALLY["waits"] += 1
        self.recording.run(duration_s)


def _chosen(
    alive: Sequence[Sink | Source], channel: Channel, number: int
) -> int | None:
    """Returns the place of one of a channel's ends among all that are alive."""
    ends = [i for i, end in enumerate(alive) if end.channel == channel.id]
    return ends[number % len(ends)] if ends else None
