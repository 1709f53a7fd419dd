"""Faults as data: what can go wrong in a simulated cluster."""

from __future__ import annotations

from comm.sim.faults.base import Fault
from comm.sim.faults.bytes import Corrupt, Impersonate, Intrude, MixVersions
from comm.sim.faults.connecting import (
    FailNames,
    FillBacklog,
    RefuseConnections,
    ReorderConnections,
    SwallowConnections,
)
from comm.sim.faults.hosts import (
    DriftClock,
    Kill,
    Leave,
    Pause,
    PowerCut,
    SlowDown,
    StepClock,
)
from comm.sim.faults.injector import Injector
from comm.sim.faults.links import CutLink, HalfOpenLink, SilenceLink, TruncateLink
from comm.sim.faults.paths import (
    Bridge,
    Clog,
    Delay,
    Fragment,
    Isolate,
    Lose,
    OneWay,
    Partition,
    ShrinkBuffers,
    SwizzleClog,
    Throttle,
)
from comm.sim.faults.plan import CATALOGUE, FaultPlan


__all__ = [
    "CATALOGUE",
    "Bridge",
    "Clog",
    "Corrupt",
    "CutLink",
    "Delay",
    "DriftClock",
    "FailNames",
    "Fault",
    "FaultPlan",
    "FillBacklog",
    "Fragment",
    "HalfOpenLink",
    "Impersonate",
    "Injector",
    "Intrude",
    "Isolate",
    "Kill",
    "Leave",
    "Lose",
    "MixVersions",
    "OneWay",
    "Partition",
    "Pause",
    "PowerCut",
    "RefuseConnections",
    "ReorderConnections",
    "ShrinkBuffers",
    "SilenceLink",
    "SlowDown",
    "StepClock",
    "SwallowConnections",
    "SwizzleClog",
    "Throttle",
    "TruncateLink",
]
