"""`Clock`: what one host takes for the time."""

from __future__ import annotations


__all__ = ["Clock"]

_MILLION = 1_000_000


class Clock:
    """A monotonic clock that may be off, run too fast or too slow, and jump.

    Args:
        offset_ns: How far it is ahead at the beginning of the world.
        drift_ppm: How much it is too fast, in millionths.
    """

    __slots__ = ("_drift_ppm", "_local_ns", "_world_ns")

    def __init__(self, offset_ns: int = 0, drift_ppm: int = 0) -> None:
        self._world_ns = 0
        self._local_ns = offset_ns
        self._drift_ppm = drift_ppm

    @property
    def drift_ppm(self) -> int:
        """How much it is too fast, in millionths."""
        return self._drift_ppm

    def read_ns(self, world_ns: int) -> int:
        """Returns what it shows at a time of the world."""
        elapsed = world_ns - self._world_ns
        return self._local_ns + elapsed + elapsed * self._drift_ppm // _MILLION

    def world_ns(self, local_ns: int) -> int:
        """Returns the first time of the world at which it shows at least that."""
        rate = _MILLION + self._drift_ppm
        ahead_ns = max(0, local_ns - self._local_ns)
        # Rounded up: a moment earlier it would show less.
        return self._world_ns - (-ahead_ns * _MILLION // rate)

    def drift(self, drift_ppm: int, world_ns: int) -> None:
        """Runs at another speed from a time of the world on."""
        self.step(0, world_ns)
        self._drift_ppm = drift_ppm

    def step(self, step_ns: int, world_ns: int) -> None:
        """Jumps, forwards or back, at a time of the world."""
        self._local_ns = self.read_ns(world_ns) + step_ns
        self._world_ns = world_ns
