"""`Path`: what befalls what one host sends to another, in that direction alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import log
import sys

from comm.sim.choices import Stream
from comm.sim.world import MS, SECOND, US, World


__all__ = ["RETRANSMIT_NS", "Conditions", "Latency", "Path", "retransmit_pause_ns"]

RETRANSMIT_NS = 200 * MS
"""The first pause before bytes are sent again: what Linux takes at the least, as
RFC 6298 asks for; each pause is twice the one before."""

_RETRANSMIT_NS_MAX = 120 * SECOND

_PACKET_BYTES_MIN = 1460
"""What a packet of an Ethernet holds."""

_FLIGHT_BYTES_MIN = 2 * _PACKET_BYTES_MIN

_TABLE = 1024

_EXPONENTIAL = [round(-log(1 - (i + 0.5) / _TABLE) * _TABLE) for i in range(_TABLE)]
"""Quantiles of an exponential distribution of mean `_TABLE`: whole numbers, so that no
machine rounds them otherwise."""


def retransmit_pause_ns(attempt: int) -> int:
    """Returns how long to wait before an attempt, counted from 0, is repeated."""
    return min(RETRANSMIT_NS << min(attempt, 10), _RETRANSMIT_NS_MAX)


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    """How long bytes are under way.

    Attributes:
        base_ns: The least.
        spread_ns: What comes on top: up to this much, or this much on average.
        shape: "uniform", or "exponential", which has a long tail.
    """

    base_ns: int = 100 * US
    spread_ns: int = 0
    shape: str = "uniform"

    def draw_ns(self, stream: Stream) -> int:
        """Returns how long this time."""
        if not self.spread_ns:
            return self.base_ns
        if self.shape == "exponential":
            quantile = _EXPONENTIAL[stream.below(_TABLE)]
            return self.base_ns + self.spread_ns * quantile // _TABLE
        return self.base_ns + stream.below(self.spread_ns + 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditions:
    """What a path is like.

    Attributes:
        latency: How long bytes are under way.
        loss_permille: How many packets in a thousand are lost; TCP sends them again.
        bytes_per_s: How much passes in a second; None for any amount.
        fragment_permille: How many reads in a thousand give only a part of what is
            there; all others give everything at once, however it was sent.
    """

    latency: Latency = Latency()
    loss_permille: int = 0
    bytes_per_s: int | None = None
    fragment_permille: int = 0


class Path:
    """The way from one host to another.

    It may be **blocked**, so that what is sent is lost until it is sent again, or
    **clogged**, so that it waits and then arrives. What is under way already when that
    begins is treated like what is sent later.

    Args:
        world: The world.
        name: Its name in traces and streams.
        conditions: What it is like.

    Attributes:
        is_blocked: Whether everything that is sent is lost.
        is_clogged: Whether what is sent waits.
        is_open: Whether it is neither.
        stalls: How often something was held up because it was not.
        fragment_permille: How many reads in a thousand give only a part.
        flight_bytes_max: How much a writer has under way at once: not much more than
            passes meanwhile, as congestion control sees to.
        packet_bytes_max: How much arrives at once: what passes in a moment, so that
            the reader of a slow path sees it trickle.
    """

    __slots__ = (
        "_blocks",
        "_clogs",
        "_conditions",
        "_fixed_ns",
        "_free_at_ns",
        "_stream",
        "_unclogged",
        "_world",
        "flight_bytes_max",
        "fragment_permille",
        "is_blocked",
        "is_clogged",
        "is_open",
        "name",
        "packet_bytes_max",
        "stalls",
    )

    def __init__(self, world: World, name: str, conditions: Conditions) -> None:
        self.name = name
        self.stalls = 0
        self._world = world
        self._stream = world.choices.stream(f"path {name}")
        self._blocks = 0
        self._clogs = 0
        self._free_at_ns = 0
        self._unclogged: list[Callable[[], None]] = []
        self.conditions = conditions

    @property
    def conditions(self) -> Conditions:
        """What it is like at present."""
        return self._conditions

    @conditions.setter
    def conditions(self, conditions: Conditions) -> None:
        self._conditions = conditions
        self.fragment_permille = conditions.fragment_permille
        latency = conditions.latency
        is_fixed = not latency.spread_ns and conditions.bytes_per_s is None
        # Most paths of most tests need no draw, and this is asked for every packet.
        self._fixed_ns = latency.base_ns if is_fixed else None
        rate = conditions.bytes_per_s
        self.flight_bytes_max = (
            sys.maxsize if rate is None else max(_FLIGHT_BYTES_MIN, rate // 2)
        )
        self.packet_bytes_max = (
            sys.maxsize if rate is None else max(_PACKET_BYTES_MIN, rate // 100)
        )
        self._judge()

    def block(self) -> None:
        """Lets nothing through; each call needs an `unblock` of its own."""
        self._blocks += 1
        self._judge()

    def unblock(self) -> None:
        """Takes one `block` back."""
        self._blocks -= 1
        self._judge()

    def clog(self) -> None:
        """Lets everything wait; each call needs an `unclog` of its own."""
        self._clogs += 1
        self._judge()

    def unclog(self) -> None:
        """Takes one `clog` back; when it was the last, what waits arrives."""
        self._clogs -= 1
        self._judge()
        if not self._clogs:
            waiting, self._unclogged = self._unclogged, []
            for resume in waiting:
                resume()

    def when_unclogged(self, resume: Callable[[], None]) -> None:
        """Calls something when the path is clogged no more."""
        self.stalls += 1
        self._unclogged.append(resume)

    def clear(self) -> None:
        """Takes every `block` and `clog` back."""
        self._blocks = 0
        self._judge()
        if self._clogs:
            self._clogs = 1
            self.unclog()

    def once_ns(self, size: int) -> int | None:
        """Returns how long so many bytes, sent now, are under way; None if they are
        lost."""
        loss_permille = self._conditions.loss_permille
        if loss_permille and self._stream.happens(loss_permille):
            return None
        fixed_ns = self._fixed_ns
        return self.transit_ns(size) if fixed_ns is None else fixed_ns

    def transit_ns(self, size: int) -> int:
        """Returns how long so many bytes, sent now, are under way if they arrive."""
        if self._fixed_ns is not None:
            return self._fixed_ns
        return self._conditions.latency.draw_ns(self._stream) + self._queue_ns(size)

    def _queue_ns(self, size: int) -> int:
        rate = self._conditions.bytes_per_s
        if rate is None:
            return 0
        now_ns = self._world.now_ns
        start_ns = max(now_ns, self._free_at_ns)
        self._free_at_ns = start_ns + size * SECOND // rate
        return self._free_at_ns - now_ns

    def _judge(self) -> None:
        # What loses every packet is a block by another name.
        self.is_blocked = self._blocks > 0 or self._conditions.loss_permille >= 1000
        self.is_clogged = self._clogs > 0
        self.is_open = not (self.is_blocked or self.is_clogged)
