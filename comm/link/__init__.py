"""One connection between two nodes, and the table of all of them."""

from __future__ import annotations

from comm.link.heartbeat import Heartbeat
from comm.link.link import Link
from comm.link.state import LEGAL_FRAMES, TRANSITIONS, LinkEvent, LinkState
from comm.link.table import Links


__all__ = [
    "LEGAL_FRAMES",
    "TRANSITIONS",
    "Heartbeat",
    "Link",
    "LinkEvent",
    "LinkState",
    "Links",
]
