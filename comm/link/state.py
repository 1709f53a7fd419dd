"""Where a link stands, what moves it, and which frames may come meanwhile."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum

from comm.protocol import Kind


__all__ = ["LEGAL_FRAMES", "TRANSITIONS", "LinkEvent", "LinkState"]


class LinkState(Enum):
    """Where a link stands."""

    CONNECTING = "connecting"
    """We asked the driver to connect."""
    AWAITING_WELCOME = "awaiting WELCOME"
    """Connected by us; our HELLO is on its way."""
    AWAITING_HELLO = "awaiting HELLO"
    """Accepted by us; the other side has not said who it is."""
    PROBING = "probing the incumbent"
    """The other side claims the id of a node that we have a link to."""
    ESTABLISHED = "established"
    """Both sides carry their session over this link."""
    RAW = "raw"
    """The link belongs to the application."""
    CLOSED = "closed"

    # Looked up for each frame. `Enum` would hash the name, in Python.
    __hash__ = object.__hash__


class LinkEvent(Enum):
    """What moves a link from one state to the next."""

    CONNECTED = "connected"
    DOUBTED = "incumbent asked"
    ADMITTED = "WELCOME sent"
    WELCOMED = "WELCOME received"
    HANDED_OVER = "handed over"
    ENDED = "closed, refused, silent or in error"


TRANSITIONS: Mapping[LinkState, Mapping[LinkEvent, LinkState]] = {
    LinkState.CONNECTING: {
        LinkEvent.CONNECTED: LinkState.AWAITING_WELCOME,
        LinkEvent.ENDED: LinkState.CLOSED,
    },
    LinkState.AWAITING_WELCOME: {
        LinkEvent.WELCOMED: LinkState.ESTABLISHED,
        LinkEvent.HANDED_OVER: LinkState.RAW,
        LinkEvent.ENDED: LinkState.CLOSED,
    },
    LinkState.AWAITING_HELLO: {
        LinkEvent.DOUBTED: LinkState.PROBING,
        LinkEvent.ADMITTED: LinkState.ESTABLISHED,
        LinkEvent.HANDED_OVER: LinkState.RAW,
        LinkEvent.ENDED: LinkState.CLOSED,
    },
    LinkState.PROBING: {
        LinkEvent.ADMITTED: LinkState.ESTABLISHED,
        LinkEvent.ENDED: LinkState.CLOSED,
    },
    LinkState.ESTABLISHED: {LinkEvent.ENDED: LinkState.CLOSED},
    LinkState.RAW: {},
    LinkState.CLOSED: {},
}

_HANDSHAKE = frozenset({Kind.HELLO, Kind.WELCOME, Kind.REFUSAL})

LEGAL_FRAMES: Mapping[LinkState, frozenset[int]] = {
    LinkState.CONNECTING: frozenset(),
    LinkState.AWAITING_WELCOME: frozenset({Kind.WELCOME, Kind.REFUSAL}),
    LinkState.AWAITING_HELLO: frozenset({Kind.HELLO}),
    LinkState.PROBING: frozenset(),
    LinkState.ESTABLISHED: frozenset(Kind) - _HANDSHAKE,
    LinkState.RAW: frozenset(),
    LinkState.CLOSED: frozenset(),
}
