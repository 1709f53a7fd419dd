"""The reliable, multiplexed conversation of two incarnations."""

from __future__ import annotations

from comm.session.loopback import Loopback
from comm.session.session import Session
from comm.session.state import SESSION_TRANSITIONS, SessionEvent, SessionState
from comm.session.streams import Streams


__all__ = [
    "SESSION_TRANSITIONS",
    "Loopback",
    "Session",
    "SessionEvent",
    "SessionState",
    "Streams",
]
