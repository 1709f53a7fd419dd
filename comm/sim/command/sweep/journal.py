"""`Journal`: the finished batches of a sweep, so that it can be taken up again.

It is a file of lines, each of them JSON: first what is swept, then one line for each
batch. A line that was torn when a process was killed is cut off.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
import json
from pathlib import Path
from typing import Any

from comm.sim.command.sweep.batch import Result
from comm.sim.command.sweep.tally import Tally


__all__ = ["Journal", "JournalError", "Known", "gaps"]


class JournalError(Exception):
    """A file is no journal, or that of another sweep."""


@dataclass(frozen=True, slots=True)
class Known:
    """A seed that is known to fail.

    Attributes:
        seed: The seed.
        kind: How it failed.
        text: What happened.
        artifact: Where it was written to; empty if there is nothing to write.
    """

    seed: int
    kind: str
    text: str
    artifact: str


class Journal:
    """Finished batches, in a file or, without one, in memory alone.

    Args:
        path: The file; None for none. It is made if it is not there.
        sweep: What is swept, as what JSON knows.

    Attributes:
        tally: What all finished batches have come to.
        known: The seeds that failed.
        done: The seeds that were played.

    Raises:
        JournalError: If the file is that of another sweep, or none at all.
    """

    def __init__(self, path: Path | None, sweep: Mapping[str, object]) -> None:
        self.tally = Tally()
        self.known: list[Known] = []
        self.done: list[range] = []
        self._path = path
        header = json.dumps({"sweep": sweep})
        if path is not None and not self._load(path, header):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"{header}\n", encoding="utf-8")

    def add(self, result: Result, known: list[Known]) -> None:
        """Takes note of a batch, and of what of it failed."""
        entry = {
            "first": result.first,
            "count": result.count,
            "tally": result.tally.as_data(),
            "failures": [[k.seed, k.kind, k.text, k.artifact] for k in known],
        }
        self._take(entry)
        if self._path is not None:
            with self._path.open("a", encoding="utf-8") as file:
                file.write(f"{json.dumps(entry)}\n")

    def _take(self, entry: dict[str, Any]) -> None:
        self.done.append(range(entry["first"], entry["first"] + entry["count"]))
        self.tally.merge(Tally.from_data(entry["tally"]))
        self.known += [Known(*failure) for failure in entry["failures"]]

    def _load(self, path: Path, header: str) -> bool:
        """Reads a file, and returns whether there was anything in it."""
        if not path.exists():
            return False
        text = path.read_text(encoding="utf-8")
        whole = text[: text.rfind("\n") + 1]
        lines = whole.splitlines()
        if lines and lines[0] != header:
            raise JournalError(
                f"{path} is not the journal of this sweep: it begins with "
                f"{lines[0][:200]}, not with {header}"
            )
        try:
            for line in lines[1:]:
                self._take(json.loads(line))
        except (ValueError, KeyError, TypeError) as error:
            raise JournalError(f"{path} is no journal: {error!r}") from error
        if whole != text:
            path.write_text(whole, encoding="utf-8")
        return bool(lines)


def gaps(wanted: range, done: list[range]) -> Iterator[range]:
    """Yields what of the wanted numbers is not among those that are done."""
    start = wanted.start
    for known in sorted(done, key=lambda each: each.start):
        if start < min(known.start, wanted.stop):
            yield range(start, min(known.start, wanted.stop))
        start = max(start, known.stop)
    if start < wanted.stop:
        yield range(start, wanted.stop)
