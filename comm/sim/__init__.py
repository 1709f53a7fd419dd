"""The simulator: a seeded world in which the real machines run, and everything fails.

Time is virtual, every draw comes from named streams, and the same seed gives the same
history, event by event. The **machine tier** drives `SwitchboardCore` without asyncio:
`MachineCluster` for tests that say what happens, `Scenario` and `play` for runs that
are data, drawn by `draw_scenario` or by a function of your own. The promises of the
fabric are checked on every run without being asked.

    with sim.MachineCluster(nodes=2, seed=7) as cluster:
        sink = cluster[0].open()
        source = cluster[1].connect(sink.sender)
        source.offer(count=100, size=20)
        cluster.cut(0, 1)
        cluster.run_until(lambda: sink.received == 100)
"""

from __future__ import annotations

from comm.sim import faults
from comm.sim.choices import Calm, Recorder, Seeded, Tape
from comm.sim.determinism import NotDeterministicError, check_determinism
from comm.sim.faults import FaultPlan, Injector
from comm.sim.machine import (
    EAGER,
    STALLED,
    MachineCluster,
    Node,
    Pace,
    Sink,
    Source,
    StuckError,
)
from comm.sim.network import (
    PASS,
    Buffers,
    Conditions,
    Deliver,
    Drop,
    Latency,
    Packet,
    PacketKind,
)
from comm.sim.oracles import Oracle, Violation
from comm.sim.scenario import (
    Failure,
    Outcome,
    Scenario,
    Shrinker,
    as_test,
    draw_scenario,
    play,
    steps,
)
from comm.sim.trace import Trace
from comm.sim.watcher import Watcher
from comm.sim.world import World


__all__ = [
    "EAGER",
    "PASS",
    "STALLED",
    "Buffers",
    "Calm",
    "Conditions",
    "Deliver",
    "Drop",
    "Failure",
    "FaultPlan",
    "Injector",
    "Latency",
    "MachineCluster",
    "Node",
    "NotDeterministicError",
    "Oracle",
    "Outcome",
    "Pace",
    "Packet",
    "PacketKind",
    "Recorder",
    "Scenario",
    "Seeded",
    "Shrinker",
    "Sink",
    "Source",
    "StuckError",
    "Tape",
    "Trace",
    "Violation",
    "Watcher",
    "World",
    "as_test",
    "check_determinism",
    "draw_scenario",
    "faults",
    "play",
    "steps",
]
