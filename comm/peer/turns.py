"""`Turns`: lets only so many of a switchboard's connections be made at once."""

from __future__ import annotations

from typing import Protocol


__all__ = ["TURNS_MAX", "Caller", "Turns"]

TURNS_MAX = 16
"""How many connections are made at once, unless one is urgent.

In a large cluster all nodes start together; if each called all others in the same
moment, none could answer in time, and all would call again.
"""


class Caller(Protocol):
    """Who wants to make a connection."""

    node_id: int

    def call(self) -> None:
        """Makes the connection now."""


class Turns:
    """Who is making a connection, and who waits to, in the order of asking."""

    __slots__ = ("_calling", "_waiting")

    def __init__(self) -> None:
        self._calling: dict[int, None] = {}
        self._waiting: dict[int, Caller] = {}

    def is_waiting(self, node_id: int) -> bool:
        """Whether the connection to that node waits for its turn."""
        return node_id in self._waiting

    def ask(self, caller: Caller, *, urgent: bool) -> None:
        """Has a connection made: now, or when it is its turn."""
        if urgent or len(self._calling) < TURNS_MAX:
            self._start(caller)
        else:
            self._waiting[caller.node_id] = caller

    def leave(self, node_id: int) -> None:
        """The connection to that node was made, failed, or is not wanted."""
        self._waiting.pop(node_id, None)
        self._calling.pop(node_id, None)
        while self._waiting and len(self._calling) < TURNS_MAX:
            self._start(next(iter(self._waiting.values())))

    def _start(self, caller: Caller) -> None:
        self._waiting.pop(caller.node_id, None)
        self._calling[caller.node_id] = None
        caller.call()
