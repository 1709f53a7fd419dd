"""`Console`: where the commands print, for people at a terminal and behind a pipe.

Behind a pipe, or without `rich`, everything is plain lines that need no width. At a
terminal `rich` draws tables, and a bar that shows how far a command has come.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from importlib import import_module
from importlib.util import find_spec
import time
from typing import TextIO, cast


__all__ = ["Console", "Progress", "open_console"]

Progress = Callable[[float, str], None]
"""Is told how much of a whole is done, and in words how things stand."""

_LINE_EVERY_S = 10.0
"""How often a pipe is told how far a command has come."""


class Console:
    """Prints plain lines.

    Args:
        out: Where to.
    """

    def __init__(self, out: TextIO) -> None:
        # What the encoding of a pipe cannot take must not end the command.
        reconfigure = getattr(out, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="replace")
        self._out = out

    def line(self, text: str = "") -> None:
        """Prints one line at once, also into a pipe."""
        # Whoever read the output may have gone, which is no reason to stop half-way.
        with suppress(BrokenPipeError):
            print(text, file=self._out, flush=True)

    def table(
        self, title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]
    ) -> None:
        """Prints a table; all its columns but the first one are put to the right."""
        widths = [max(map(len, column)) for column in zip(columns, *rows, strict=True)]
        self.line(f"\n{title}")
        for row in (columns, *rows):
            first, *rest = (
                cell.rjust(width) if place else cell.ljust(width)
                for place, (cell, width) in enumerate(zip(row, widths, strict=True))
            )
            self.line("  ".join(["", first, *rest]).rstrip())

    def block(self, title: str, values: Mapping[str, str]) -> None:
        """Prints names with what they stand for."""
        width = max(map(len, values), default=0)
        self.line(f"\n{title}")
        for name, value in values.items():
            self.line(f"  {name.ljust(width)}  {value}".rstrip())

    @contextmanager
    def progress(self, title: str, whole: float | None) -> Generator[Progress]:
        """Shows how far something has come, as long as the context lasts.

        Args:
            title: What it is.
            whole: When all is done; None if nobody knows.
        """
        del whole
        yield partial(self._tell, title, [time.monotonic()])

    def _tell(self, title: str, told_at: list[float], done: float, text: str) -> None:
        del done
        now = time.monotonic()
        if now - told_at[0] >= _LINE_EVERY_S:
            told_at[0] = now
            self.line(f"{title}: {text}")


def open_console(out: TextIO) -> Console:
    """Returns the console for a file: with `rich` if it is there and there is a
    terminal to draw on."""
    if not out.isatty() or find_spec("rich") is None:
        return Console(out)
    module = import_module("comm.sim.command.drawing")
    return cast("Console", module.DrawingConsole(out))
