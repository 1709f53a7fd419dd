"""`Artifact`: a failed run in a file, with all that it takes to play it again.

The file is JSON: the scenario with its schedule on a tape, how it failed, and the
digest of its history. The history itself, line by line, lies compressed beside it, so
that a run that turns out otherwise can be told by its first line that does.
"""

from __future__ import annotations

from dataclasses import dataclass
import gzip
from importlib import metadata
import json
from pathlib import Path
import platform
import re
from typing import Self
import zlib

from comm.sim.scenario import Outcome, Scenario
from comm.sim.trace import Trace


__all__ = ["NOT_DETERMINISTIC", "Artifact", "ArtifactError"]

NOT_DETERMINISTIC = "NotDeterministicError"
"""The kind of failure of a seed that was not the same each time it was played."""

_FORMAT = 1

_TRACE_SUFFIX = ".trace.gz"


class ArtifactError(Exception):
    """A file is no artifact, or cannot be read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Artifact:
    """A run that failed.

    Attributes:
        target: The target that the scenario comes from.
        seed: Its seed.
        check_every: Behind how many steps the cores checked their invariants.
        kind: How it failed: the broken promise, or the type of an exception.
        text: What happened.
        digest: The digest of its history.
        lines: How many lines its history has.
        scenario: The scenario, with its schedule.
        python: The version of Python that it ran on.
        comm: The version of the library.
        trace: Its history, compressed; empty if it is not at hand.
    """

    target: str
    seed: int
    check_every: int
    kind: str
    text: str
    digest: str
    lines: int
    scenario: Scenario
    python: str = platform.python_version()
    comm: str = ""
    trace: bytes = b""

    @classmethod
    def of(
        cls, outcome: Outcome, kind: str, text: str, *, target: str, check_every: int
    ) -> Self:
        """Returns the artifact of a run, whose trace is kept if it has recorded."""
        scenario, trace = outcome.scenario, outcome.trace
        return cls(
            target=target,
            seed=scenario.seed,
            check_every=check_every,
            kind=kind,
            text=text,
            digest=outcome.digest,
            lines=trace.count,
            scenario=scenario.with_tape(outcome.tape),
            comm=_version(),
            trace=_compress(trace) if trace.lines else b"",
        )

    @classmethod
    def read(cls, path: Path) -> Self:
        """Reads an artifact.

        Raises:
            ArtifactError: If the file is none, or cannot be read.
        """
        try:
            data = json.loads(path.read_text(encoding="utf-8"))
            form = data.pop("artifact")
            data["scenario"] = Scenario.from_json(json.dumps(data["scenario"]))
            artifact = cls(**data)
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise ArtifactError(f"{path} is no artifact: {error!r}") from error
        if form != _FORMAT:
            raise ArtifactError(f"{path} is of another format, {form!r}")
        return artifact

    def write(self, path: Path) -> None:
        """Writes it, and its history beside it."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(self._to_json(), encoding="utf-8")
        if self.trace:
            _trace_path(path).write_bytes(self.trace)
        else:
            _trace_path(path).unlink(missing_ok=True)

    @staticmethod
    def read_trace(path: Path) -> Trace | None:
        """Returns the history that lies beside an artifact; None if there is none."""
        try:
            packed = _trace_path(path).read_bytes()
            text = gzip.decompress(packed).decode()
        except (OSError, EOFError, zlib.error, UnicodeDecodeError):
            return None
        trace = Trace(records=True)
        for row in text.splitlines():
            cause, line = row.split("\t", 1)
            time_ns, place, what = line.split(" ", 2)
            trace.cause = int(cause)
            trace.note(int(time_ns), place, what)
        return trace

    def _to_json(self) -> str:
        names = (name for name in self.__slots__ if name not in {"scenario", "trace"})
        data: dict[str, object] = {"artifact": _FORMAT}
        data |= {name: getattr(self, name) for name in names}
        data["scenario"] = json.loads(self.scenario.to_json())
        # A tape has thousands of numbers, which need no line each.
        lists = re.compile(r"\[\s+((?:-?\d+,\s+)*-?\d+)\s+\]")
        return lists.sub(_in_one_line, json.dumps(data, indent=1)) + "\n"


def _in_one_line(numbers: re.Match[str]) -> str:
    return f"[{' '.join(numbers[1].split())}]"


def _trace_path(path: Path) -> Path:
    return path.with_suffix(_TRACE_SUFFIX)


def _compress(trace: Trace) -> bytes:
    rows = (
        f"{trace.cause_of(number)}\t{line}" for number, line in enumerate(trace.lines)
    )
    # The same run gives the same bytes, whenever it is written down.
    return gzip.compress("\n".join(rows).encode(), mtime=0)


def _version() -> str:
    try:
        return metadata.version("comm-fabric")
    except metadata.PackageNotFoundError:
        return "(a checkout)"
