"""One other node: how to reach it, and the sessions with it."""

from __future__ import annotations

from comm.peer.membership import Membership, checked_nodes
from comm.peer.peer import PeerCore
from comm.peer.turns import Turns


__all__ = ["Membership", "PeerCore", "Turns", "checked_nodes"]
