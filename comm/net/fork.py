"""What happens to switchboards when their process forks: the copies refuse to work.

A forked child has the parent's sockets, and an event loop whose selector is the
parent's as well: whatever it did there would disturb the parent. So every handle in the
child raises, and says what to do instead.
"""

from __future__ import annotations

from collections.abc import Callable
import os
from typing import NoReturn, Protocol
import weakref

from comm.errors import Error, UsageError


__all__ = ["DeadCore", "Poisonable", "watch"]


class Poisonable(Protocol):
    """What can be made to refuse all further use."""

    def poison(self, core: DeadCore) -> None:
        """Puts `core` in place of the real one, here and in all handles."""


class DeadCore:
    """Stands where a core was, and raises an error whatever is asked of it.

    Attributes:
        make_error: Makes the error.
    """

    __slots__ = ("make_error",)

    def __init__(self, make_error: Callable[[], Error]) -> None:
        self.make_error = make_error

    def __getattr__(self, name: str) -> NoReturn:
        raise self.make_error()


_live: weakref.WeakSet[Poisonable] = weakref.WeakSet()


def watch(driver: Poisonable) -> None:
    """Has the driver poisoned in every child that this process forks from now on."""
    _live.add(driver)


def _inherited() -> UsageError:
    return UsageError(
        "this handle was inherited through fork, which it does not survive: start "
        "processes with the multiprocessing method 'spawn', or make a switchboard "
        "of the child's own there and connect anew"
    )


def _poison_all() -> None:
    for driver in list(_live):
        driver.poison(DeadCore(_inherited))


os.register_at_fork(after_in_child=_poison_all)
