"""A cluster of real processes: node 0 is the test itself, the others are children."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict
import itertools
import json
import os
from pathlib import Path
import signal
import subprocess
import sys
import tempfile
from typing import Any

from comm import Config, Switchboard
from tests.cluster import PATIENCE_S, Board, eventually
from tests.sockets.child import CONTROL
from tests.wires import free_port


__all__ = ["TRANSPORTS", "Child", "Processes", "addresses", "run_processes"]

TRANSPORTS = ["tcp", "unix"]
_ROOT = Path(__file__).parents[2]


class Child:
    """One node in a process of its own."""

    def __init__(self, node_id: int, nodes: list[str], config: Config) -> None:
        self.node_id = node_id
        self._orders: Any = None
        self._numbers = itertools.count()
        self._results: dict[int, Any] = {}
        settings = {"nodes": nodes, "node_id": node_id, "config": asdict(config)}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.sockets.child", json.dumps(settings)],
            cwd=_ROOT,
            env=os.environ | {"PYTHONPATH": str(_ROOT)},
        )

    def report(self, number: Any, result: Any) -> None:
        """Takes what the child reported."""
        if number == "here":
            self._orders = result
        else:
            self._results[number] = result

    async def order(self, switchboard: Switchboard, verb: str, *arguments: Any) -> Any:
        """Gives the child an order, and returns what it reports."""
        await eventually(lambda: self._orders is not None)
        number = next(self._numbers)
        async with switchboard.connect(self._orders) as orders:
            await orders.send([number, verb, list(arguments)])
        await eventually(lambda: number in self._results)
        return self._results.pop(number)

    def signal(self, number: signal.Signals) -> None:
        """Sends the process a signal."""
        self._process.send_signal(number)

    async def ended(self) -> int:
        """Waits for the end of the process; returns its exit status."""
        await eventually(lambda: self._process.poll() is not None)
        return int(self._process.returncode)

    async def destroy(self) -> None:
        """Makes sure that the process is gone."""
        if self._process.poll() is None:
            self._process.kill()
        await self.ended()


class Processes:
    """Node 0 here, all others in children."""

    def __init__(self, nodes: list[str], config: Config, board: Board) -> None:
        self.board = board
        self.children: dict[int, Child] = {}
        self._nodes = nodes
        self._config = config
        self._reports: Any = None

    @property
    def switchboard(self) -> Switchboard:
        """Node 0."""
        return self.board.switchboard

    def launch(self, node_id: int) -> Child:
        """Starts a node's process."""
        child = Child(node_id, self._nodes, self._config)
        self.children[node_id] = child
        return child

    async def order(self, node_id: int, verb: str, *arguments: Any) -> Any:
        """Gives a child an order, and returns what it reports."""
        async with asyncio.timeout(PATIENCE_S):
            child = self.children[node_id]
            return await child.order(self.switchboard, verb, *arguments)

    async def summon(self) -> None:
        """Tells every child that is there, or comes, where to report."""
        control = self.switchboard.broadcast_tx(CONTROL)
        try:
            await control.send(self._reports)
        finally:
            control.close()

    async def collect(self) -> None:
        """Takes the reports of the children, for ever."""
        self._reports, reports = self.switchboard.mpsc()
        # A node that is slower to start than the resume window counts as lost.
        await self.switchboard.rendezvous()
        await self.summon()
        async for node_id, number, result in reports:
            self.children[node_id].report(number, result)


def addresses(transport: str, nodes: int, folder: Path) -> list[str]:
    """Returns as many free addresses."""
    if transport == "unix":
        return [f"unix:{folder / str(node_id)}" for node_id in range(nodes)]
    return [f"127.0.0.1:{free_port()}" for _ in range(nodes)]


@asynccontextmanager
async def run_processes(
    transport: str, nodes: int, config: Config
) -> AsyncIterator[Processes]:
    """Runs a cluster of as many processes, this one included."""
    with tempfile.TemporaryDirectory(prefix="comm-") as folder:
        places = addresses(transport, nodes, Path(folder))
        async with Switchboard(places, 0, config=config) as switchboard:
            board = Board(switchboard)
            board.watch()
            processes = Processes(places, config, board)
            collecting = asyncio.create_task(processes.collect())
            try:
                for node_id in range(1, nodes):
                    processes.launch(node_id)
                yield processes
            finally:
                collecting.cancel()
                await asyncio.gather(collecting, return_exceptions=True)
                for child in processes.children.values():
                    await child.destroy()
                await board.stop_watching()
