"""What the command lines of the simulator have in common."""

from __future__ import annotations

import argparse
from collections.abc import Callable


__all__ = ["percentage", "positive", "seconds", "whole"]


def whole(lowest: int) -> Callable[[str], int]:
    """Returns what reads a whole number that is not below a bound."""

    def read(text: str) -> int:
        value = int(text) if text.isascii() and text.isdigit() else -1
        if value < lowest:
            raise argparse.ArgumentTypeError(
                f"{text!r} is no whole number from {lowest} on"
            )
        return value

    return read


def seconds(text: str) -> float:
    """Reads a number of seconds."""
    return _between(text, 0.0, 1e9)


def positive(text: str) -> float:
    """Reads a number above 0."""
    return _between(text, 1e-9, 1e9)


def percentage(text: str) -> float:
    """Reads a number from 0 to 100."""
    return _between(text, 0.0, 100.0)


def _between(text: str, lowest: float, highest: float) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not lowest <= value <= highest:
        raise argparse.ArgumentTypeError(
            f"{text!r} is no number from {lowest:g} to {highest:g}"
        )
    return value
