"""`Process`: one node's process, as the demo sees it from outside."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
import itertools
import json
import os
from pathlib import Path
import signal
import sys
from typing import Any

from comm.demo.common import CONFIG


__all__ = ["NodeError", "Process"]

_TAIL_LINES = 40
_EXIT_TIMEOUT_S = CONFIG.close_timeout_s + 5.0


class NodeError(Exception):
    """A node's process ended by itself, or could not do what it was told."""


class Process:
    """Runs a node as a process of its own and tells it what to do.

    Calls go to its standard input and results come from its standard output, one
    JSON object a line. Its log is its standard error.

    Args:
        node_id: The node.
        log: The file that its log is appended to.
    """

    def __init__(self, node_id: int, log: Path) -> None:
        self.node_id = node_id
        self.ready: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._log = log
        self._process: asyncio.subprocess.Process | None = None
        self._reading: asyncio.Task[None] | None = None
        self._calls: dict[int, asyncio.Future[Any]] = {}
        self._call_ids = itertools.count()

    async def start(self, module: str, arguments: Sequence[str]) -> None:
        """Starts `python -m module`; `ready` says where the node listens."""
        with self._log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                *("-m", module, *arguments),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
                env=_environment(),
                # Ctrl-C reaches the demo alone, which then ends its processes.
                start_new_session=True,
            )
        self._reading = asyncio.create_task(self._read())

    async def call(self, name: str, /, **arguments: object) -> Any:  # noqa: ANN401 - each task has a result of its own
        """Lets the node do something, and waits for the result.

        Raises:
            NodeError: If it could not, or its process ended.
        """
        assert self._process is not None
        assert self._process.stdin is not None
        call_id = next(self._call_ids)
        message = {"id": call_id, "call": name, "arguments": arguments}
        result = asyncio.get_running_loop().create_future()
        if self._reading is None or self._reading.done():
            raise self._ended()
        self._calls[call_id] = result
        self._process.stdin.write(json.dumps(message).encode() + b"\n")
        return await result

    async def quit(self) -> int:
        """Lets the process leave by itself, and returns its exit status.

        Raises:
            NodeError: If it has not left in time.
        """
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.stdin.write(b'{"call": "quit"}\n')
        try:
            async with asyncio.timeout(_EXIT_TIMEOUT_S):
                return await self._process.wait()
        except TimeoutError:
            text = f"node {self.node_id} has not left after {_EXIT_TIMEOUT_S:g} s"
            raise NodeError(text) from None

    def kill(self) -> None:
        """Ends the process and whatever it has started with SIGKILL, at once."""
        # The number of a process that was waited for may belong to another by now.
        if self._process is not None and self._process.returncode is None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)

    async def aclose(self) -> None:
        """Kills the process if it still runs, and waits until it is gone."""
        self.kill()
        self.ready.cancel()
        if self._process is not None:
            await self._process.wait()
        if self._reading is not None:
            await self._reading

    @property
    def is_gone(self) -> bool:
        """Whether neither the process nor anything it has started is left."""
        if self._process is None:
            return True
        try:
            os.killpg(self._process.pid, 0)
        except ProcessLookupError:
            return True
        return False

    def log_tail(self) -> str:
        """Returns the last lines of the log."""
        text = self._log.read_text(errors="replace") if self._log.exists() else ""
        return "\n".join(text.splitlines()[-_TAIL_LINES:])

    async def _read(self) -> None:
        assert self._process is not None
        assert self._process.stdout is not None
        with suppress(OSError):
            while line := await self._process.stdout.readline():
                with suppress(json.JSONDecodeError):  # Something else was printed.
                    self._take(json.loads(line))
        await self._process.wait()
        for future in (self.ready, *self._calls.values()):
            if not future.done():
                future.set_exception(self._ended())
                # Nobody has to wait for it: the failure shows at the next call too.
                future.exception()
        self._calls.clear()

    def _take(self, message: dict[str, Any]) -> None:
        if "listening" in message:
            self.ready.set_result(message["listening"])
            return
        result = self._calls.pop(message["id"])
        if result.done():
            return
        if "error" in message:
            text = f"node {self.node_id}: {message['error']}"
            result.set_exception(NodeError(text))
        else:
            result.set_result(message["result"])

    def _ended(self) -> NodeError:
        assert self._process is not None
        status = self._process.returncode
        return NodeError(f"node {self.node_id}: its process ended (status {status})")


def _environment() -> dict[str, str]:
    """Lets the process import the same `comm` from whatever directory."""
    root = str(Path(__file__).parents[2])
    paths = [root, *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
