"""Scenarios: a whole run as data, which is played again and again in the same way."""

from __future__ import annotations

from dataclasses import replace
import os
import random
import subprocess
import sys

import pytest

from comm.config import Config
from comm.errors import ConfigurationError
from comm.mpsc import Batch, ReceiverCore
from comm.sim import MachineCluster
from comm.sim.faults import CutLink, Injector, Kill
from comm.sim.machine import Sink, Watcher
from comm.sim.machine.node import Node
from comm.sim.network import Buffers, Conditions, Latency
from comm.sim.scenario import Failure, Scenario, draw_scenario, play
from comm.sim.scenario.play import begin, end
from comm.sim.scenario.steps import Connect, Finish, Offer, Open
from comm.sim.world import MS, SECOND
from tests.source import ROOT


SMALL = Config(
    heartbeat_interval_s=1.0,
    heartbeat_timeout_s=2.0,
    handshake_timeout_s=1.0,
    resume_window_s=5.0,
)

SCENARIO = Scenario(
    nodes=2,
    seed=11,
    config=SMALL,
    conditions=Conditions(
        latency=Latency(spread_ns=9 * MS, shape="exponential"),
        loss_permille=20,
        fragment_permille=100,
    ),
    steps=(
        Open(at_ns=0, node=0, limit=1),
        Connect(at_ns=MS, node=1, sink=0),
        Offer(at_ns=SECOND, source=0, count=40, size=300),
        Offer(at_ns=2 * SECOND, source=0, count=7),
    ),
    faults=(CutLink(at_ns=SECOND + 9 * MS, a=0, b=1),),
    duration_ns=4 * SECOND,
)

EVERYTHING = Scenario(
    nodes=4,
    seed=3,
    config=SMALL,
    conditions=Conditions(bytes_per_s=7, latency=Latency(base_ns=3)),
    buffers=Buffers(send_bytes=9),
    is_prompt=False,
    read_bytes=11,
    high_bytes=12,
    offsets_ns=(0, 5),
    steps=(Finish(at_ns=4, source=2),),
    faults=(Kill(at_ns=1, for_ns=2, node=3),),
    duration_ns=77,
    survivors=(1, 2),
    keeps_stalls=True,
    tape={"path 0>1": (1, 2, 3), "read 0>1": ()},
)


@pytest.mark.parametrize("scenario", [Scenario(), SCENARIO, EVERYTHING])
def test_a_scenario_is_written_and_read(scenario: Scenario) -> None:
    """A scenario comes back as it was, tape and all."""
    assert Scenario.from_json(scenario.to_json()) == scenario
    assert Scenario.from_json(scenario.to_json(indent=1)) == scenario


@pytest.mark.parametrize("seed", range(40))
def test_a_drawn_scenario_is_written_and_read(seed: int) -> None:
    """So does each that the swarm draws."""
    scenario = draw_scenario(seed)
    assert Scenario.from_json(scenario.to_json()) == scenario


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[]", "this is no scenario"),
        ("{}", "this is no scenario"),
        ('{"kind": "Kill", "at_ns": 1, "node": 0}', "this is no scenario"),
        ('{"kind": "Scenario", "colour": 1}', "no Scenario: .*'colour'"),
        ('{"kind": "Scenario", "steps": [{"kind": "Rest"}]}', "'Rest' is no kind"),
        ('{"kind": "Scenario", "config": {"kind": "Config", "x": 1}}', "no Config"),
        ('{"kind": "Scenario', "Unterminated"),
    ],
)
def test_what_is_no_scenario_is_refused(text: str, says: str) -> None:
    """Whatever else is written there, the error says what is wrong with it."""
    with pytest.raises(ValueError, match=says):
        Scenario.from_json(text)


def test_what_cannot_be_is_refused() -> None:
    """Limits that cannot work are refused when they are read."""
    config = '{"kind": "Config", "chunk_bytes": 0}'
    with pytest.raises(ConfigurationError):
        Scenario.from_json(f'{{"kind": "Scenario", "config": {config}}}')


def test_an_outcome_says_what_came_of_it() -> None:
    """How much was received and happened, for how long, and what fired."""
    outcome = play(SCENARIO)
    assert outcome.failure is None
    assert outcome.scenario is SCENARIO
    assert outcome.delivered == 47
    assert outcome.fired == {"CutLink": 1}
    assert outcome.events > 100
    assert outcome.simulated_s > 4.0
    assert outcome.digest == outcome.trace.digest
    assert outcome.trace.lines == ()


def test_a_scenario_is_played_twice_in_the_same_way() -> None:
    """The digest is the same each time, whatever is kept, checked or watched."""
    first = play(SCENARIO)
    again = play(SCENARIO, records=True, check_every=0, watchers=[Watcher()])
    assert first.digest == again.digest
    assert first.events == again.events
    assert len(again.trace.lines) == again.trace.count
    assert play(replace(SCENARIO, seed=12)).digest != first.digest


def test_a_tape_gives_the_same_without_chance(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was drawn is written down, and gives the same history when it is played
    back, from text as well, without any random number."""
    outcome = play(SCENARIO)
    assert outcome.tape
    taped = SCENARIO.with_tape(outcome.tape)
    monkeypatch.setattr(random, "Random", None)
    with pytest.raises(TypeError):
        SCENARIO.choices().stream("any")
    again = play(Scenario.from_json(taped.to_json()))
    assert again.failure is None
    assert again.digest == outcome.digest
    assert again.tape == outcome.tape


def test_a_tape_that_ends_goes_on_calmly() -> None:
    """A part of a tape is a schedule, too, whose rest has no chance in it; the whole
    one is another."""
    outcome = play(SCENARIO)
    calm = play(SCENARIO.with_tape({}))
    assert calm.failure is None
    assert calm.tape == {}
    assert calm.digest != outcome.digest
    half = {
        name: numbers[: len(numbers) // 2] for name, numbers in outcome.tape.items()
    }
    assert play(SCENARIO.with_tape(half)).failure is None


DIGESTS = """
from comm.sim.scenario import draw_scenario, play
print(*(play(draw_scenario(seed), check_every=0).digest for seed in {seeds}))
"""


def test_another_process_plays_the_same() -> None:
    """Whatever order hashes have there, a digest depends on the scenario alone."""
    seeds = [5, 41]
    here = [play(draw_scenario(seed)).digest for seed in seeds]
    environment = os.environ | {"PYTHONHASHSEED": "4711"}
    told = subprocess.run(
        [sys.executable, "-c", DIGESTS.format(seeds=seeds)],
        cwd=ROOT,
        env=environment,
        check=True,
        capture_output=True,
        text=True,
    )
    assert told.stdout.split() == here


class Shapes(Watcher):
    """Writes down how each process is that starts."""

    def __init__(self) -> None:
        self.nodes: list[Node] = []
        self.received: list[float] = []

    def started(self, node: Node) -> None:
        self.nodes.append(node)

    def handed_out(
        self, sink: Sink, batch: Batch, first: int, count: int, data: bytes
    ) -> None:
        self.received.append(sink.node.cluster.now_s)


def test_a_scenario_shapes_its_cluster() -> None:
    """All that a scenario says of its nodes, its network and its clocks is so."""
    shapes = Shapes()
    scenario = replace(
        EVERYTHING,
        steps=(),
        faults=(),
        duration_ns=SECOND,
        survivors=(),
        offsets_ns=(0, 5 * SECOND, 0, 0, 9, 9),
        conditions=Conditions(bytes_per_s=7000),
        tape=None,
    )
    assert play(scenario, watchers=[shapes]).failure is None
    cluster = shapes.nodes[0].cluster
    assert len(shapes.nodes) == len(cluster) == 4
    for node in shapes.nodes:
        assert (node.is_prompt, node.read_bytes, node.high_bytes) == (False, 11, 12)
        assert node.core.config == SMALL
    assert cluster.network.buffers == Buffers(send_bytes=9)
    ahead = [node.host.now_ns() - cluster.world.now_ns for node in shapes.nodes]
    assert ahead == [0, 5 * SECOND, 0, 0]


def test_what_comes_too_late_is_not_done() -> None:
    """Steps and faults behind the duration do not disturb the rest; those at its very
    end are done."""
    late = (
        Offer(at_ns=4 * SECOND, source=0, count=1),
        Open(at_ns=4 * SECOND + 1, node=0),
        Connect(at_ns=4 * SECOND + 2, node=1, sink=0),
    )
    shapes = Shapes()
    scenario = replace(
        SCENARIO,
        steps=SCENARIO.steps + late,
        faults=(CutLink(at_ns=4 * SECOND + 1, a=0, b=1),),
    )
    outcome = play(scenario, watchers=[shapes])
    assert outcome.delivered == 48
    assert outcome.fired == {}
    assert len(shapes.nodes[0].cluster.sinks) == 1


def test_a_broken_promise_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    """A run ends with the first promise that is broken, and says which one it was; it
    can be played again, and fails in the same way."""
    take = ReceiverCore.take

    def doubled(core: ReceiverCore) -> Batch:
        batch = take(core)
        return replace(batch, payload=batch.payload + batch.payload)

    monkeypatch.setattr(ReceiverCore, "take", doubled)
    outcome = play(SCENARIO)
    failure = outcome.failure
    assert failure is not None
    assert failure.kind == "G1"
    assert failure.text.startswith("source 0 to sink 0: range(0, ")
    assert str(failure) == str(failure.error) == f"G1: {failure.text}"
    assert outcome.simulated_s < 3.0
    again = play(SCENARIO.with_tape(outcome.tape))
    assert again.failure == failure
    assert again.digest == outcome.digest


def test_whatever_is_raised_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    """An exception of whatever kind is what was looked for; it is kept as it was."""

    def fail(core: ReceiverCore) -> Batch:
        raise LookupError("a mistake")

    monkeypatch.setattr(ReceiverCore, "take", fail)
    failure = play(SCENARIO).failure
    assert failure is not None
    assert (failure.kind, failure.text) == ("LookupError", "a mistake")
    assert isinstance(failure.error, LookupError)
    assert failure == Failure("LookupError", "a mistake", ValueError())


def test_others_may_look_before_the_leaving() -> None:
    """Who plays a scenario by hand can look at the cluster when it has come to rest,
    and nobody has left."""
    scenario, looked = SCENARIO, list[MachineCluster]()
    cluster = MachineCluster(2, config=SMALL, start=False)
    begin(cluster, scenario)

    def look(seen: MachineCluster) -> None:
        assert not any(node.is_left for node in seen.live)
        looked.append(seen)

    end(cluster, Injector(cluster), scenario, look)
    assert looked == [cluster]
    assert all(node.is_left for node in cluster.live)


class Interrupted(Watcher):
    """Presses a key."""

    def started(self, node: Node) -> None:
        raise KeyboardInterrupt


def test_who_interrupts_is_heard() -> None:
    """What is no error of the run is not taken for one."""
    with pytest.raises(KeyboardInterrupt):
        play(SCENARIO, watchers=[Interrupted()])
