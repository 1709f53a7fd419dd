"""Wrong variants of the core, on purpose: the tester is tested."""

from __future__ import annotations

from fuzz.bad_cores.channels import CHANNELS
from fuzz.bad_cores.flow import FLOW
from fuzz.bad_cores.losses import LOSSES
from fuzz.bad_cores.peers import PEERS
from fuzz.bad_cores.sessions import SESSIONS
from fuzz.bad_cores.variant import BadCore, Edit


__all__ = ["BAD_CORES", "BadCore", "Edit"]

BAD_CORES = {core.name: core for core in (*SESSIONS, *LOSSES, *FLOW, *CHANNELS, *PEERS)}
"""Every bad core, by its name."""
