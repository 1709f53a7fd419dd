"""Writes scripts of socket operations at random.

What a step gives must not depend on how long bytes are under way. So the writer has a
little model of what is under way, and before a step at an end that the other end may
still influence, it has everything settle.
"""

from __future__ import annotations

from dataclasses import dataclass, field
import random

from tests.sim.socket_scripts import End, Script, Step


CONNECTIONS_MAX = 4

UNREAD_MAX = 8_000
"""How much one end sends at most before the other end receives."""

FLOODS = ("flood", "flood and shut", "flood and close", "flood and leave")


@dataclass
class Half:
    """What is known of one end."""

    is_there: bool = False
    is_closed: bool = False
    is_shut: bool = False
    unread: int = 0

    @property
    def has_ended(self) -> bool:
        return self.is_closed or self.is_shut


@dataclass
class Connection:
    """What is known of one connection."""

    client: Half = field(default_factory=Half)
    server: Half = field(default_factory=Half)
    acting: End | None = None
    """The end whose deeds may not have reached the other one."""

    def half(self, end: End) -> Half:
        return self.server if end[1] else self.client

    def other(self, end: End) -> Half:
        return self.client if end[1] else self.server


class Writer:
    """Writes one script.

    Args:
        seed: Which.
        length: How many steps, settling left out.
    """

    def __init__(self, seed: int, length: int = 25) -> None:
        self._random = random.Random(seed)
        self._length = length
        self._steps: list[Step] = []
        self._connections: list[Connection] = []
        self._waiting: list[int] = []
        self._backlog = self._random.choice((0, 1, 1, 2, 5))
        self._is_listening = True
        self._may_flood = self._random.random() < 0.2

    def write(self) -> Script:
        self._connect()
        if self._random.random() < 0.8:
            self._accept()
        for _ in range(self._length):
            ends = self._open_ends()
            if not ends or self._random.random() < 0.15:
                self._act_on_listener()
            else:
                self._act_on(self._random.choice(ends))
        return Script(self._backlog, self._steps)

    def _open_ends(self) -> list[End]:
        return [
            end
            for number, connection in enumerate(self._connections)
            for end in ((number, False), (number, True))
            if connection.half(end).is_there and not connection.half(end).is_closed
        ]

    # The listener.

    def _act_on_listener(self) -> None:
        draw = self._random.random()
        if draw < 0.1:
            self._steps.append(Step("connect to nobody"))
        elif draw < 0.6:
            self._accept()
        elif draw < 0.9:
            self._connect()
        else:
            self._unlisten()

    def _connect(self) -> None:
        number = len(self._connections)
        if number >= CONNECTIONS_MAX or not self._is_listening:
            return
        if len(self._waiting) > self._backlog:
            self._steps.append(Step("connect in vain"))
            return
        self._steps.append(Step("connect", (number, False)))
        self._connections.append(Connection(client=Half(is_there=True)))
        self._waiting.append(number)

    def _accept(self) -> None:
        if self._is_listening:
            self._steps.append(Step("accept"))
            if self._waiting:
                self._connections[self._waiting.pop(0)].server.is_there = True

    def _unlisten(self) -> None:
        if not self._is_listening:
            return
        self._settle()
        self._steps.append(Step("unlisten"))
        self._is_listening = False
        for number in self._waiting:
            self._connections[number].server.is_closed = True
            self._connections[number].acting = (number, True)

    # The ends.

    def _act_on(self, end: End) -> None:
        connection = self._connections[end[0]]
        half, other = connection.half(end), connection.other(end)
        verb = self._draw_verb(half, other)
        # An answer to what this end did is an influence, too.
        is_answered = connection.acting == end and other.has_ended
        is_influenced = is_answered or connection.acting not in {None, end}
        if is_influenced or verb in FLOODS or self._random.random() < 0.3:
            self._settle()
        count = self._draw_count(verb)
        self._steps.append(Step(verb, end, count))
        self._foresee(verb, half, other, count)
        if verb != "receive":
            connection.acting = end
        if verb in FLOODS:
            self._settle()

    def _draw_verb(self, half: Half, other: Half) -> str:
        draw = self._random.random()
        if draw < 0.19:
            return "shut" if draw < 0.08 else "close" if draw < 0.14 else "abort"
        if draw < 0.45 and self._may_flood and self._is_fresh(half, other):
            return self._random.choice(FLOODS)
        if draw < (0.3 if half.is_shut else 0.6) and other.unread < UNREAD_MAX:
            return "send"
        return "receive"

    def _draw_count(self, verb: str) -> int:
        counts = {"send": (1, 10, 100, 1000, 2000), "receive": (1, 10, 1000, 100_000)}
        return self._random.choice(counts[verb]) if verb in counts else 0

    def _is_fresh(self, half: Half, other: Half) -> bool:
        """Whether nothing was ended, and there is nothing to receive."""
        is_whole = half.is_there and other.is_there
        is_over = half.has_ended or other.has_ended
        return is_whole and not is_over and not other.unread

    def _foresee(self, verb: str, half: Half, other: Half, count: int) -> None:
        if verb == "send":
            other.unread += count
        elif verb == "receive":
            half.unread = max(0, half.unread - count)
        elif verb in {"close", "abort", "flood and close"}:
            half.is_closed = True
        elif verb in {"shut", "flood and shut"}:
            half.is_shut = True
        elif verb == "flood and leave":
            other.is_closed = True

    def _settle(self) -> None:
        if self._steps[-1].verb != "settle":
            self._steps.append(Step("settle"))
        for connection in self._connections:
            connection.acting = None
