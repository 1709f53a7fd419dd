"""The coverage marks of the core, as far as it has any."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Generator
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec


__all__ = ["all_marks", "counted_marks"]


def all_marks() -> list[str]:
    """Returns the names of all marks."""
    if find_spec("comm.marks") is None:
        return []
    return [mark.name for mark in import_module("comm.marks").Mark]


@contextmanager
def counted_marks() -> Generator[Callable[[], Counter[str]]]:
    """Counts, as long as the context lasts, how often each mark is reached.

    Yields:
        What returns the numbers so far.
    """
    if find_spec("comm.marks") is None:
        yield Counter
        return
    with import_module("comm.marks").counted() as counts:
        yield lambda: Counter({mark.name: count for mark, count in counts.items()})
