"""Who plays: processes that are forked from this one, or any executor by its name."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import ExitStack, contextmanager
import gc
import multiprocessing
import os
import signal
from typing import Any

from comm.sim.command.target import TargetError, find_object, find_target
from comm.sim.scenario import Scenario, play
from comm.sim.scenario.steps import Connect, Offer, Open
from comm.sim.world import MS, SECOND


__all__ = ["forked_workers", "named_executor", "usable_cpus"]

_YOUNG_MAX = 50_000
"""How many objects may be made before the youngest are looked through for garbage: a
run makes few cycles until it ends, and the usual 700 cost a tenth of the time."""


def usable_cpus() -> int:
    """Returns how many processors this process may use."""
    return len(os.sched_getaffinity(0)) if _HAS_AFFINITY else os.cpu_count() or 1


_HAS_AFFINITY = hasattr(os, "sched_getaffinity")


@contextmanager
def forked_workers(jobs: int, target: str) -> Generator[Executor]:
    """Forks workers from this process, once it is warm.

    All modules are imported by then and a first run was made, so that every worker
    begins in the same state, and shares its memory with the others.

    Args:
        jobs: How many workers.
        target: What they will play, which is imported here.
    """
    find_target(target)
    play(_warm_up())
    gc.collect()
    # What is there now is garbage never, and is not copied by being looked at.
    gc.freeze()
    try:
        with ProcessPoolExecutor(jobs, _context(), _begin_worker) as executor:
            yield executor
    finally:
        gc.unfreeze()


@contextmanager
def named_executor(name: str, options: Mapping[str, Any]) -> Generator[Executor]:
    """Makes an executor.

    Args:
        name: What makes it: `MODULE.NAME` of an executor or of a function that returns
            one, or of a client of Dask, which has one.
        options: What it is called with, by name.

    Raises:
        TargetError: If that makes no executor.
    """
    with ExitStack() as stack:
        made = find_object(name)(**options)
        if hasattr(made, "__exit__"):
            stack.enter_context(made)
        if hasattr(made, "get_executor"):
            made = stack.enter_context(made.get_executor())
        if not isinstance(made, Executor):
            raise TargetError(f"{name} has made no executor, but {made!r}")
        yield made


def _context() -> Any:  # noqa: ANN401 - the contexts share no useful type
    methods = multiprocessing.get_all_start_methods()
    return multiprocessing.get_context("fork" if "fork" in methods else methods[0])


def _begin_worker() -> None:
    # Ctrl-C reaches all processes of a terminal. This one is told by its parent.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    gc.set_threshold(_YOUNG_MAX, 20, 100)


def _warm_up() -> Scenario:
    """Returns a scenario in which a bit of everything happens."""
    return Scenario(
        nodes=2,
        steps=(
            Open(at_ns=1, node=0),
            Connect(at_ns=2, node=1, sink=0),
            Offer(at_ns=MS, source=0, count=10, size=100),
        ),
        duration_ns=SECOND,
    )
