"""What every test is run with: no leaks, asynchronous tests, Hypothesis profiles."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
import gc
import inspect
import logging
import os
from typing import cast

from hypothesis import settings
import pytest

from tests.leaks import left_since, run_async, snapshot


NewEventLoop = Callable[[], asyncio.AbstractEventLoop]

settings.register_profile("dev", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True, max_examples=200)
settings.load_profile(
    os.environ.get("HYPOTHESIS_PROFILE", "ci" if os.environ.get("CI") else "dev")
)


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Runs a test that is an `async def` in an event loop of its own."""
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    names = pyfuncitem._fixtureinfo.argnames
    test = pyfuncitem.obj(**{name: pyfuncitem.funcargs[name] for name in names})
    make_loop = cast("NewEventLoop", pyfuncitem.funcargs["new_event_loop"])
    run_async(test, make_loop())
    return True


@pytest.fixture(autouse=True)
def new_event_loop() -> NewEventLoop:
    """Returns what makes the event loop of a test that is an `async def`."""
    return asyncio.new_event_loop


def pytest_collection_finish() -> None:
    """Spares each test's garbage collection what was there before all tests."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def nothing_is_left() -> Iterator[None]:
    """After each test no thread, file, socket or process of it is left.

    Nor is an exception lost in a task or a callback: asyncio only logs those.
    """
    before = snapshot()
    handler = _Collector(logging.ERROR)
    logging.getLogger("asyncio").addHandler(handler)
    yield
    left = left_since(before)
    logging.getLogger("asyncio").removeHandler(handler)
    assert not left, f"the test left behind: {', '.join(left)}"
    assert not handler.reports, f"asyncio reported: {'; '.join(handler.reports)}"


class _Collector(logging.Handler):
    def __init__(self, level: int) -> None:
        super().__init__(level)
        self.reports: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.reports.append(self.format(record))
