"""`DriverState`: where a driver stands in its life."""

from __future__ import annotations

from enum import Enum

from comm.errors import Error


__all__ = ["DriverState", "internal_error"]


class DriverState(Enum):
    """Where a driver stands."""

    NEW = "not started"
    RUNNING = "running"
    LEAVING = "leaving"
    """It takes no new work; what was accepted is still being delivered."""
    CLOSED = "closed"
    FAILED = "failed"
    """An error of this library has ended it."""
    INHERITED = "inherited through fork"

    @property
    def is_over(self) -> bool:
        """Whether nothing more will ever happen."""
        return self in {DriverState.CLOSED, DriverState.FAILED, DriverState.INHERITED}


def internal_error(cause: Exception) -> Error:
    """Returns what users of a driver that has failed are told."""
    error = Error(
        "an internal error of comm ended this switchboard; its log has the traceback, "
        "please report it"
    )
    error.__cause__ = cause
    return error
