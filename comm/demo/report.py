"""What the demo prints: a title for each step, a mark for each thing verified."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
import time
from typing import TextIO


__all__ = ["CheckError", "Report"]


class CheckError(Exception):
    """Something that a step verifies is not so."""


class Report:
    """Prints how the demo goes.

    Args:
        out: Where to; marks fall back to ASCII where it cannot take others.
    """

    def __init__(self, out: TextIO) -> None:
        # What a pipe's encoding cannot take must not end the demo.
        reconfigure = getattr(out, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="replace")
        self._out = out
        self._good, self._bad = ("✓", "✗") if _takes_marks(out) else ("ok", "FAILED")
        self._step = 0
        self._began_at = self._step_began_at = time.monotonic()

    def line(self, text: str) -> None:
        """Prints one line at once, also into a pipe."""
        # Whoever read the output may have gone, which is no reason to stop half-way.
        with suppress(BrokenPipeError):
            print(text, file=self._out, flush=True)

    def begin(self, title: str) -> None:
        """Prints the title of the next step."""
        self._step += 1
        self._step_began_at = time.monotonic()
        self.line(f"\n{self._step}. {title}")

    def end(self) -> None:
        """Prints how long the step took."""
        self.line(f"     {self.step_s:.2f} s")

    @property
    def step_s(self) -> float:
        """Seconds since the step began."""
        return time.monotonic() - self._step_began_at

    def check(self, is_so: object, text: str, otherwise: object = None) -> None:
        """Prints what was verified.

        Args:
            is_so: Whether it is true.
            text: What it is, as it should be.
            otherwise: What was found instead, for the message.

        Raises:
            CheckError: If it is not true.
        """
        if not is_so:
            found = "" if otherwise is None else f"; found: {otherwise}"
            raise CheckError(f"not so: {text}{found}")
        self.line(f"   {self._good} {text}")

    def failure(self, error: Exception, log_tails: Mapping[int, str]) -> None:
        """Prints what failed, with the end of each process's log."""
        what = str(error)
        if not isinstance(error, CheckError):
            what = f"{type(error).__name__}: {what}"
        self.line(f"   {self._bad} {what}")
        for node_id, tail in log_tails.items():
            self.line(f"\nThe end of node {node_id}'s log:")
            self.line("\n".join(f"   | {line}" for line in tail.splitlines()))
        self.line(f"\n{self._bad} Step {self._step} could not be verified.")

    def success(self, count: int) -> None:
        """Prints the last line."""
        took_s = time.monotonic() - self._began_at
        self.line(f"\n{self._good} All {count} steps verified in {took_s:.1f} s.")


def _takes_marks(out: TextIO) -> bool:
    try:
        "✓✗".encode(out.encoding or "ascii")
    except (LookupError, UnicodeEncodeError):
        return False
    return True
