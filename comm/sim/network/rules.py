"""Rules: what scripted tests have done to single packets.

A rule is a function that is shown each packet and gives its verdict. Rules are asked
in the order in which they were added, and the first verdict that is not `PASS` holds.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from types import TracebackType
from typing import Self

from comm.sim.network.path import Path


__all__ = [
    "PASS",
    "Deliver",
    "Drop",
    "Installed",
    "Packet",
    "PacketKind",
    "Pass",
    "Rule",
    "Rules",
    "Verdict",
]


class PacketKind(Enum):
    """What a packet is for."""

    CONNECT = "connect"
    DATA = "data"
    END = "end"
    RESET = "reset"


@dataclass(frozen=True, slots=True)
class Packet:
    """What one host sends to another.

    Attributes:
        source: The index of the host that sends it.
        target: The index of the host that it is for.
        connection: The number of its connection; 0 as long as there is none.
        kind: What it is for.
        offset: How many bytes of this direction came before it.
        data: Its bytes.
    """

    source: int
    target: int
    connection: int
    kind: PacketKind
    offset: int = 0
    data: bytes = b""


@dataclass(frozen=True, slots=True)
class Pass:
    """The next rule is asked; behind the last one the packet goes its way."""


@dataclass(frozen=True, slots=True)
class Deliver:
    """The packet takes this long, whatever its path is like."""

    delay_ns: int


@dataclass(frozen=True, slots=True)
class Drop:
    """The packet is lost; if it is part of a stream, it is sent again."""


PASS = Pass()

Verdict = Pass | Deliver | Drop

Rule = Callable[[Packet], Verdict]


class Rules:
    """The rules of a network.

    Attributes:
        installed: The rules, in their order.
    """

    __slots__ = ("installed",)

    def __init__(self) -> None:
        self.installed: list[Rule] = []

    def __bool__(self) -> bool:
        return bool(self.installed)

    def add(self, rule: Rule) -> Installed:
        """Adds a rule behind the others; it stays until it is removed.

        Returns:
            A context manager that removes the rule at its end.
        """
        self.installed.append(rule)
        return Installed(self, rule)

    def remove(self, rule: Rule) -> None:
        """Removes a rule, if it is there."""
        if rule in self.installed:
            self.installed.remove(rule)

    def judge(self, packet: Packet) -> Verdict:
        """Returns the verdict on a packet."""
        for rule in self.installed:
            verdict = rule(packet)
            if not isinstance(verdict, Pass):
                return verdict
        return PASS

    def once_ns(self, packet: Packet, path: Path) -> int | None:
        """Returns how long a packet, sent now, is under way; None if it is lost."""
        verdict = self.judge(packet)
        if isinstance(verdict, Deliver):
            return verdict.delay_ns
        if isinstance(verdict, Drop):
            return None
        return path.once_ns(len(packet.data))


class Installed:
    """A rule that can be removed.

    Args:
        rules: The rules among which it is.
        rule: The rule.
    """

    __slots__ = ("_rule", "_rules")

    def __init__(self, rules: Rules, rule: Rule) -> None:
        self._rules = rules
        self._rule = rule

    def remove(self) -> None:
        """Removes the rule."""
        self._rules.remove(self._rule)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.remove()
