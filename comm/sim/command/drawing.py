"""`DrawingConsole`: a console that draws with `rich`; imported only if it is there."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
import time
from typing import TextIO

from rich.console import Console as Terminal
from rich.markup import escape
from rich.progress import (
    BarColumn,
    Progress as Bar,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)
from rich.table import Table

from comm.sim.command.console import Console, Progress


__all__ = ["DrawingConsole"]

_DRAWN_EVERY_S = 0.1


class DrawingConsole(Console):
    """Draws on a terminal.

    Args:
        out: The terminal.
    """

    def __init__(self, out: TextIO) -> None:
        super().__init__(out)
        self._terminal = Terminal(file=out, highlight=False, soft_wrap=True)

    def line(self, text: str = "") -> None:
        """Prints one line, above whatever bar is drawn."""
        self._terminal.print(text, markup=False)

    def table(
        self, title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]
    ) -> None:
        """Draws a table; all its columns but the first one are put to the right."""
        table = Table(title=escape(title), title_justify="left")
        for place, column in enumerate(columns):
            table.add_column(escape(column), justify="right" if place else "left")
        for row in rows:
            table.add_row(*map(escape, row))
        self._terminal.print("", table)

    def block(self, title: str, values: Mapping[str, str]) -> None:
        """Draws names with what they stand for."""
        table = Table.grid(padding=(0, 2))
        table.title, table.title_justify = escape(title), "left"
        for name, value in values.items():
            table.add_row(f"[bold]{escape(name)}[/]", escape(value))
        self._terminal.print("", table)

    @contextmanager
    def progress(self, title: str, whole: float | None) -> Generator[Progress]:
        """Draws a bar, as long as the context lasts."""
        # Without a thread that draws: workers are forked meanwhile.
        with Bar(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.fields[text]}"),
            TimeElapsedColumn(),
            console=self._terminal,
            auto_refresh=False,
            redirect_stdout=False,
            redirect_stderr=False,
            transient=True,
        ) as bar:
            task = bar.add_task(escape(title), total=whole, text="")
            yield partial(_draw, bar, task, [0.0])


def _draw(
    bar: Bar, task: TaskID, drawn_at: list[float], done: float, text: str
) -> None:
    now = time.monotonic()
    if now - drawn_at[0] >= _DRAWN_EVERY_S:
        drawn_at[0] = now
        bar.update(task, completed=done, text=escape(text), refresh=True)
