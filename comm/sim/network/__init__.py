"""A network of byte streams that behaves as TCP does, seen from the sockets."""

from __future__ import annotations

from comm.sim.network.connecting import CONNECT_TIMEOUT_NS, Attempt, Dialler
from comm.sim.network.endpoint import Buffers, Endpoint, Owner
from comm.sim.network.network import Listener, Network
from comm.sim.network.path import Conditions, Latency, Path
from comm.sim.network.rules import (
    PASS,
    Deliver,
    Drop,
    Installed,
    Packet,
    PacketKind,
    Pass,
    Rule,
    Rules,
)


__all__ = [
    "CONNECT_TIMEOUT_NS",
    "PASS",
    "Attempt",
    "Buffers",
    "Conditions",
    "Deliver",
    "Dialler",
    "Drop",
    "Endpoint",
    "Installed",
    "Latency",
    "Listener",
    "Network",
    "Owner",
    "Packet",
    "PacketKind",
    "Pass",
    "Path",
    "Rule",
    "Rules",
]
