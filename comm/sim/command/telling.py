"""A run in words: the world that was drawn, what went wrong in it, and when."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import fields, is_dataclass
import re

from comm.sim.scenario import Scenario
from comm.sim.trace import Trace
from comm.sim.world import SECOND


__all__ = ["fault_lines", "tell_failure", "tell_line", "tell_world"]

_USUAL = Scenario()

_TIMES = re.compile(r"\b(\w+)_ns=(-?\d+)")


def tell_world(scenario: Scenario) -> dict[str, str]:
    """Returns what is special about the world of a scenario, by what it is about."""
    survivors = ", ".join(map(str, scenario.survivors)) or "all"
    offsets = ", ".join(_seconds(offset) for offset in scenario.offsets_ns)
    return {
        "nodes": f"{scenario.nodes}; to survive: {survivors}",
        "seed": str(scenario.seed),
        "duration": _seconds(scenario.duration_ns),
        "limits": _unusual(scenario.config, _USUAL.config),
        "network": _unusual(scenario.conditions, _USUAL.conditions),
        "kernels": _unusual(scenario.buffers, _USUAL.buffers),
        "processes": _tell_processes(scenario),
        "clocks ahead": offsets or "none",
        "steps": _counted(scenario.steps),
        "faults": _counted(scenario.faults),
        "schedule": _tell_tape(scenario),
    }


def tell_failure(kind: str, text: str) -> str:
    """Returns how a run failed, and names a promise that was broken just once."""
    return text if text.startswith(f"{kind}:") else f"{kind}: {text}"


def tell_line(number: int, line: str) -> str:
    """Returns a line of a trace with its number and a time for people."""
    time_ns, place, text = line.split(" ", 2)
    return f"{number:>7}  {_moment(int(time_ns))}  {place:<9} {text}"


def fault_lines(trace: Trace) -> Iterator[str]:
    """Yields when each fault began and ended, and when faults were over for good."""
    for line in trace.lines:
        time_ns, place, text = line.split(" ", 2)
        if place in {"faults", "world"}:
            # When it began stands at the beginning of the line.
            text = re.sub(r"\bat_ns=\d+(, )?", "", text)
            yield f"{_moment(int(time_ns))}  {_TIMES.sub(_in_seconds, text)}"


def _in_seconds(field: re.Match[str]) -> str:
    return f"{field[1]}={_seconds(int(field[2]))}"


def _moment(time_ns: int) -> str:
    return f"{time_ns / SECOND:>13.9f} s"


def _seconds(time_ns: int) -> str:
    return f"{time_ns / SECOND:g} s"


def _counted(values: Sequence[object]) -> str:
    kinds = Counter(type(value).__name__ for value in values)
    each = ", ".join(f"{count} {name}" for name, count in kinds.most_common())
    return f"{len(values)}: {each}" if values else "none"


def _unusual(value: object, usual: object) -> str:
    return ", ".join(_differences(value, usual)) or "as usual"


def _differences(value: object, usual: object) -> Iterator[str]:
    assert is_dataclass(value)
    for field in fields(value):
        given, known = getattr(value, field.name), getattr(usual, field.name)
        if given == known:
            continue
        if is_dataclass(given):
            parts = _differences(given, known)
            yield from (f"{field.name} {part}" for part in parts)
        else:
            yield _TIMES.sub(_in_seconds, f"{field.name}={given}")


def _tell_processes(scenario: Scenario) -> str:
    names = ("is_prompt", "read_bytes", "high_bytes", "keeps_stalls")
    given = [(name, getattr(scenario, name)) for name in names]
    unusual = [f"{k}={v}" for k, v in given if v != getattr(_USUAL, k)]
    return ", ".join(unusual) or "as usual"


def _tell_tape(scenario: Scenario) -> str:
    if scenario.tape is None:
        return "drawn from the seed"
    count = sum(map(len, scenario.tape.values()))
    return f"{count:,} numbers in {len(scenario.tape)} streams, on a tape"
