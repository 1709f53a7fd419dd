"""What a test may leave behind: nothing. How that is found out."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
import gc
import os
from pathlib import Path
import signal
import sys
import threading
import time
from types import FrameType
from typing import Any

import pytest


__all__ = ["left_since", "run_async", "snapshot", "tasks_left"]

_GRACE_S = 2.0
"""A thread or process that was told to end may need a moment of the system's time."""

_CANCEL_S = 10.0
"""How long the tasks of a test that has failed may take to clean up."""


class _TimedOut(KeyboardInterrupt):
    """What asyncio lets through: any other exception of a callback it only logs."""


def run_async(
    test: Coroutine[Any, Any, None], loop: asyncio.AbstractEventLoop | None = None
) -> None:
    """Runs a test in an event loop of its own; it must not leave a task behind.

    This ends even when the loop is busy for ever with something else than the test, or
    when a task takes no notice of being cancelled.

    Args:
        test: The test.
        loop: A new loop, which is closed at the end; one of asyncio's if left out.
    """
    loop = loop or asyncio.new_event_loop()
    with _time_outs_get_through():
        try:
            loop.run_until_complete(test)
            left = loop.run_until_complete(tasks_left())
            assert not left, f"the test left tasks behind: {', '.join(left)}"
        finally:
            loop.run_until_complete(_end())
            loop.close()


@contextmanager
def _time_outs_get_through() -> Iterator[None]:
    """The plugin for time-outs raises its exception from a signal's handler."""
    raise_failure = signal.getsignal(signal.SIGALRM)

    def handle(number: int, frame: FrameType | None) -> None:
        signal.setitimer(signal.ITIMER_REAL, 2 * _CANCEL_S)
        assert callable(raise_failure), "an alarm that nobody has set"
        try:
            raise_failure(number, frame)
        except pytest.fail.Exception as failure:
            raise _TimedOut(failure.msg) from None

    signal.signal(signal.SIGALRM, handle)
    try:
        yield
    except _TimedOut as time_out:
        pytest.fail(str(time_out))
    finally:
        signal.signal(signal.SIGALRM, raise_failure)


async def _end() -> None:
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    if tasks:
        await asyncio.wait(tasks, timeout=_CANCEL_S)
    loop = asyncio.get_running_loop()
    await loop.shutdown_asyncgens()
    await loop.shutdown_default_executor()


async def tasks_left() -> list[str]:
    """Every task of the running event loop except the one that asks."""
    return [repr(each) for each in asyncio.all_tasks() - {asyncio.current_task()}]


def snapshot() -> frozenset[str]:
    """Every thread, open file, socket, pipe and child process of this process."""
    return frozenset((*_threads(), *_files(), *_children()))


def left_since(before: frozenset[str]) -> list[str]:
    """What is there now, after a moment's grace, that was not there before."""
    gc.collect()
    deadline = time.monotonic() + _GRACE_S
    while (left := snapshot() - before) and time.monotonic() < deadline:
        time.sleep(0.01)
    return sorted(left)


def _threads() -> Iterator[str]:
    for thread in threading.enumerate():
        yield f"thread {thread.name} ({thread.ident})"


def _files() -> Iterator[str]:
    """Pytest's own files are open before a test, and so are in every snapshot."""
    for entry in _entries("/proc/self/fd"):
        if int(entry.name) == _tracker("_fd"):
            continue
        try:
            yield f"file {entry.name}: {entry.readlink()}"
        except FileNotFoundError:
            continue  # It served to list this very folder.


def _children() -> Iterator[str]:
    for entry in _entries("/proc/self/task"):
        try:
            children = (entry / "children").read_text().split()
        except OSError:
            continue  # The thread has ended, or the kernel does not tell.
        for child in children:
            if int(child) != _tracker("_pid"):
                yield f"process {child}"


def _entries(folder: str) -> list[Path]:
    """The entries of a folder of the kernel's; none where there is no such folder."""
    try:
        return [Path(folder, name) for name in os.listdir(folder)]
    except FileNotFoundError:
        return []


def _tracker(attribute: str) -> object:
    """`multiprocessing` keeps one process with one pipe for as long as we live."""
    module = sys.modules.get("multiprocessing.resource_tracker")
    return getattr(module._resource_tracker, attribute) if module else None
