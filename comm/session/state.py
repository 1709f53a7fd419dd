"""Where a session stands, and what moves it."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum


__all__ = ["SESSION_TRANSITIONS", "SessionEvent", "SessionState"]


class SessionState(Enum):
    """Where a session stands."""

    UNBOUND = "unbound"
    """It has never had a link; it is with whoever answers first."""
    UP = "up"
    """A link carries it."""
    DOWN = "down"
    """Its link is gone; it waits for the next."""
    LOST = "lost"
    """It was given up; it will not be resumed."""


class SessionEvent(Enum):
    """What moves a session from one state to the next."""

    LINKED = "link established"
    CUT = "link lost"
    GIVEN_UP = "given up"


SESSION_TRANSITIONS: Mapping[SessionState, Mapping[SessionEvent, SessionState]] = {
    SessionState.UNBOUND: {
        SessionEvent.LINKED: SessionState.UP,
        SessionEvent.GIVEN_UP: SessionState.LOST,
    },
    SessionState.UP: {SessionEvent.CUT: SessionState.DOWN},
    SessionState.DOWN: {
        SessionEvent.LINKED: SessionState.UP,
        SessionEvent.GIVEN_UP: SessionState.LOST,
    },
    SessionState.LOST: {},
}
