"""How workers that were forked are told to stop: by one byte that all of them share."""

from __future__ import annotations

from mmap import mmap


__all__ = ["is_stop_requested", "request_stop"]

_FLAG = mmap(-1, 1)
"""Shared by a process and all that are forked from it; others have one of their own."""


def request_stop(*, stop: bool = True) -> None:
    """Asks whoever plays to stop behind the present seed, or takes that back."""
    _FLAG[0] = stop


def is_stop_requested() -> bool:
    """Whether somebody has asked."""
    return bool(_FLAG[0])
