"""`sweep`: plays many seeds, and keeps those that fail."""

from __future__ import annotations

from comm.sim.command.sweep.arguments import add_arguments
from comm.sim.command.sweep.running import run


__all__ = ["add_arguments", "run"]
