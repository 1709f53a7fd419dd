"""Targets: functions from a seed to the scenario that it stands for."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from operator import attrgetter
from typing import Any

from comm.sim.scenario import Scenario


__all__ = ["DEFAULT_TARGET", "Target", "TargetError", "find_object", "find_target"]

Target = Callable[[int], Scenario]

DEFAULT_TARGET = "comm.sim.scenario:draw_scenario"
"""The reference swarm."""


class TargetError(Exception):
    """A name leads to nothing that could be used."""


def find_target(name: str) -> Target:
    """Returns the function that `MODULE:FUNCTION` names.

    Raises:
        TargetError: If there is none.
    """
    if ":" not in name:
        raise TargetError(f"{name!r} is no MODULE:FUNCTION")
    target: Target = find_object(name)
    return target


def find_object(name: str) -> Any:  # noqa: ANN401 - whatever has that name
    """Returns what `MODULE:NAME` or `MODULE.NAME` leads to; it can be called.

    Raises:
        TargetError: If there is no such thing.
    """
    module, _, attribute = name.partition(":")
    if not attribute:
        module, _, attribute = name.rpartition(".")
    try:
        found = attrgetter(attribute)(import_module(module))
    except (ImportError, AttributeError, ValueError) as error:
        raise TargetError(f"{name!r} cannot be found: {error}") from error
    if not callable(found):
        raise TargetError(f"{name!r} cannot be called")
    return found
