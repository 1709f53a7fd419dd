"""Channels from every node to every node."""

from __future__ import annotations

from comm.broadcast.fanout import FanoutCore, FanoutMember
from comm.broadcast.sender import BroadcastSenderCore
from comm.broadcast.token import Token


__all__ = ["BroadcastSenderCore", "FanoutCore", "FanoutMember", "Token"]
