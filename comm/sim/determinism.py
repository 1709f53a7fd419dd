"""`check_determinism`: whether a simulation is the same each time it is run."""

from __future__ import annotations

from collections.abc import Callable

from comm.sim.trace import Difference, Trace


__all__ = ["NotDeterministicError", "check_determinism"]


class NotDeterministicError(AssertionError):
    """Two runs of the same simulation differ.

    Attributes:
        difference: The first event that differs, and what led to it.
    """

    def __init__(self, difference: Difference) -> None:
        super().__init__(
            "two runs that should be the same are not: something that is not part of "
            "the simulation (a clock, entropy, the order of a set, state that the "
            f"first run has left behind) has got in; {difference}"
        )
        self.difference = difference


def check_determinism(run: Callable[[], Trace]) -> str:
    """Runs a simulation twice, and compares the two histories event by event.

    Args:
        run: Runs it, and returns its trace, which must have recorded its lines.

    Returns:
        The digest of both.

    Raises:
        NotDeterministicError: If they differ; names the first event that does.
    """
    first, second = run(), run()
    difference = first.difference(second)
    if difference is not None:
        raise NotDeterministicError(difference)
    return first.digest
