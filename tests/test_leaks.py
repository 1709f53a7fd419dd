"""The leak detector detects."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import signal
import socket
import subprocess
import sys
import threading

import pytest

from tests import leaks


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leaks, "_GRACE_S", 0.0)


def test_nothing_is_left_by_nothing() -> None:
    """A snapshot by itself opens nothing."""
    assert leaks.left_since(leaks.snapshot()) == []


def test_a_socket_is_found() -> None:
    """An open socket is a leak until it is closed."""
    before = leaks.snapshot()
    with socket.socket():
        (left,) = leaks.left_since(before)
    assert "socket:" in left
    assert leaks.left_since(before) == []


def test_a_file_that_takes_an_old_number_is_found() -> None:
    """Files are told apart by what they are, not by their number alone."""
    reader, writer = os.pipe()
    before = leaks.snapshot()
    os.close(reader)
    with socket.socket() as other:
        assert other.fileno() == reader
        assert len(leaks.left_since(before)) == 1
    os.close(writer)


def test_a_thread_is_found() -> None:
    """A running thread is a leak until it has ended."""
    before = leaks.snapshot()
    done = threading.Event()
    thread = threading.Thread(target=done.wait, name="forgotten")
    thread.start()
    (left,) = leaks.left_since(before)
    done.set()
    thread.join()
    assert "forgotten" in left
    assert leaks.left_since(before) == []


def test_a_process_is_found() -> None:
    """A child process is a leak until it was waited for."""
    before = leaks.snapshot()
    command = [sys.executable, "-c", "input()"]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as process:
        left = leaks.left_since(before)
        process.communicate(b"\n")
    assert f"process {process.pid}" in left
    assert leaks.left_since(before) == []


def test_a_task_is_found() -> None:
    """An asynchronous test fails if a task of it still runs."""

    async def forget() -> None:
        tasks.append(asyncio.create_task(asyncio.sleep(60), name="forgotten"))

    tasks: list[asyncio.Task[None]] = []
    with pytest.raises(AssertionError, match="forgotten"):
        leaks.run_async(forget())


def test_a_stubborn_task_does_not_hang(monkeypatch: pytest.MonkeyPatch) -> None:
    """A test that fails, fails, even if a task of it cannot be cancelled."""
    monkeypatch.setattr(leaks, "_CANCEL_S", 0.0)

    async def refuse() -> None:
        while True:
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.Event().wait()

    async def fail() -> None:
        task = asyncio.create_task(refuse())
        task._log_destroy_pending = False  # type: ignore[attr-defined]  # as meant
        await asyncio.sleep(0)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        leaks.run_async(fail())


def test_a_time_out_reaches_a_busy_loop() -> None:
    """A test times out even if the alarm goes off in a callback of the loop."""

    def alarm(_number: int, _frame: object) -> None:
        pytest.fail("too slow")

    async def wait() -> None:
        loop = asyncio.get_running_loop()

        def hurry() -> None:
            loop.call_soon(hurry)
            if next(calls) == 10:
                signal.raise_signal(signal.SIGALRM)

        hurry()
        await loop.create_future()

    calls = itertools.count()
    before = signal.signal(signal.SIGALRM, alarm)
    try:
        with pytest.raises(pytest.fail.Exception, match="too slow"):
            leaks.run_async(wait())
        assert signal.getsignal(signal.SIGALRM) is alarm
    finally:
        signal.signal(signal.SIGALRM, before)


async def test_an_asynchronous_test_runs_in_a_loop() -> None:
    """`async def` tests need no marker."""
    assert asyncio.get_running_loop().is_running()
