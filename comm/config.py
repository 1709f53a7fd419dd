"""`Config`: every limit and interval of the fabric, frozen and validated."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TypeGuard

from comm.errors import ConfigurationError


__all__ = ["Config"]

_NUMBER_MAX = 1 << 63
"""Far beyond any use, and small enough to be added to any time."""

_HANDSHAKE_BYTES_MIN = 3202
"""A HELLO whose three names are as long as the wire allows takes this many bytes."""

_RESUME_WINDOW_S_MAX = 4_000_000
"""HELLO counts the window in milliseconds, in 32 bits."""

_CHUNK_BYTES_MAX = 16 << 20
"""A chunk is the unit of fairness on a link; larger ones would starve others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """The limits of one switchboard. Units stand last in each name.

    Attributes:
        message_bytes_max: The largest encoded item that is accepted or sent.
        window_bytes: What one producer may have in flight to a receiver of this
            node. A producer never holds more than this plus one item.
        chunk_bytes: The largest piece of one channel that goes out before the
            next channel of the link has its turn.
        handshake_timeout_s: How long a new connection may take to say who it is.
        handshake_bytes_max: How much is read of a connection before it has.
        half_open_max: How many accepted connections may be in that state at once.
        heartbeat_interval_s: How long a link may be quiet before it is made to
            show that it lives.
        heartbeat_timeout_s: How much longer than that a link may be silent
            before it is given up.
        resume_window_s: How long an outage may last with nothing lost. Each node
            tells the others, which rely on when it gives up.
        connect_backoff_s: The first and the longest pause between attempts to
            connect; each pause is twice the last one, with jitter.
        close_timeout_s: How long leaving a switchboard waits for what was
            accepted to be delivered.
        parked_channels_max: How many broadcast channels that have no receiver
            here one peer may hold items in.
    """

    message_bytes_max: int = 64 << 20
    window_bytes: int = 1 << 20
    chunk_bytes: int = 64 << 10
    handshake_timeout_s: float = 5.0
    handshake_bytes_max: int = 4096
    half_open_max: int = 64
    heartbeat_interval_s: float = 1.0
    heartbeat_timeout_s: float = 5.0
    resume_window_s: float = 30.0
    connect_backoff_s: tuple[float, float] = (0.1, 1.0)
    close_timeout_s: float = 5.0
    parked_channels_max: int = 1024

    def __post_init__(self) -> None:
        for field in fields(self):
            if field.name != "connect_backoff_s":
                self._require_positive(field.name)
        self._require_pauses()
        if self.chunk_bytes > _CHUNK_BYTES_MAX:
            raise ConfigurationError(
                f"chunk_bytes is {self.chunk_bytes}; the largest is {_CHUNK_BYTES_MAX}"
            )
        if self.message_bytes_max >= 1 << 32 or self.window_bytes >= 1 << 32:
            raise ConfigurationError(
                "message_bytes_max and window_bytes must be below 4 GiB: "
                "the wire counts them in 32 bits"
            )
        if self.handshake_bytes_max < _HANDSHAKE_BYTES_MIN:
            raise ConfigurationError(
                f"handshake_bytes_max is {self.handshake_bytes_max}; the smallest is "
                f"{_HANDSHAKE_BYTES_MIN}, or a node with long names is kept out"
            )
        if not self.silence_s_max <= self.resume_window_s <= _RESUME_WINDOW_S_MAX:
            raise ConfigurationError(
                f"resume_window_s is {self.resume_window_s}; it must be at most "
                f"{_RESUME_WINDOW_S_MAX}, and at least "
                "heartbeat_interval_s + heartbeat_timeout_s "
                f"({self.silence_s_max}), or an outage is over before it is noticed"
            )

    def _require_positive(self, name: str) -> None:
        value = getattr(self, name)
        if not _is_positive(value):
            raise ConfigurationError(f"{name} is {value!r}; give a positive number")
        if not name.endswith("_s") and not isinstance(value, int):
            raise ConfigurationError(f"{name} is {value!r}; give a whole number")

    def _require_pauses(self) -> None:
        pauses: object = self.connect_backoff_s
        match pauses:
            case (first_s, longest_s) if (
                _is_positive(first_s)
                and _is_positive(longest_s)
                and first_s <= longest_s
            ):
                # A list, as configuration files have it, would not be hashable.
                object.__setattr__(self, "connect_backoff_s", (first_s, longest_s))
            case _:
                raise ConfigurationError(
                    f"connect_backoff_s is {pauses!r}: give the first and the "
                    "longest pause in seconds, 0 < first <= longest"
                )

    @property
    def silence_s_max(self) -> float:
        """How long a link may be silent before it is given up, in seconds."""
        return self.heartbeat_interval_s + self.heartbeat_timeout_s


def _is_positive(value: object) -> TypeGuard[float]:
    return (
        isinstance(value, (int, float))
        and not isinstance(value, bool)
        and 0 < value < _NUMBER_MAX
    )
