"""`Cluster`: the processes of the demo, the relays between them, and their files."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from pathlib import Path
import shutil
import tempfile
from types import TracebackType
from typing import Any, Self

from comm.demo.places import Place, address_of, place_of
from comm.demo.process import Process
from comm.demo.relay import Cuts, Relay


__all__ = ["Cluster"]


class Cluster:
    """Runs each node as a process behind a relay.

    The addresses that the nodes know are the relays'. Each node listens at a place
    of its own, which it reports once it does; so no port is ever picked before it
    is bound, and a node that is started again may listen anywhere.

    As a context manager it ends every process and removes every file, whatever
    happened.

    Args:
        size: How many nodes.
        transport: `"tcp"` or `"unix"`.
        module: What each process runs.
    """

    def __init__(self, size: int, transport: str, module: str) -> None:
        self.size = size
        self.cuts = Cuts()
        self._transport = transport
        self._module = module
        self._directory = Path(tempfile.mkdtemp(prefix="comm-demo-"))
        self._relays = [Relay(self.cuts) for _ in range(size)]
        self._addresses: list[str] = []
        self._nodes: dict[int, Process] = {}
        self._former: list[Process] = []

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for process in self._nodes.values():
            process.kill()
        try:
            for process in (*self._nodes.values(), *self._former):
                await process.aclose()
            await self.close_relays()
        finally:
            shutil.rmtree(self._directory, ignore_errors=True)

    async def start(self) -> None:
        """Starts the relays and all nodes; waits until each node listens."""
        for node_id, relay in enumerate(self._relays):
            place = await relay.start(self._place(f"relay-{node_id}"))
            self._addresses.append(address_of(place))
        await asyncio.gather(*(self.start_node(i) for i in range(self.size)))

    async def start_node(self, node_id: int) -> None:
        """Starts one node, again perhaps; waits until it listens."""
        if node_id in self._nodes:
            self._former.append(self._nodes.pop(node_id))
        process = Process(node_id, self._directory / f"node-{node_id}.log")
        self._nodes[node_id] = process
        place = self._place(f"node-{node_id}")
        listen = ["--listen", address_of(place)]
        await process.start(
            self._module, [*listen, "--id", str(node_id), *self._addresses]
        )
        self._relays[node_id].target = place_of(await process.ready)

    async def kill_node(self, node_id: int) -> None:
        """Ends one node by SIGKILL and waits until it is gone."""
        self._relays[node_id].target = None
        await self._nodes[node_id].aclose()

    async def call(self, node_id: int, name: str, /, **arguments: object) -> Any:  # noqa: ANN401 - each task has a result of its own
        """Lets one node do something, and returns the result.

        Raises:
            NodeError: If it could not, or its process ended.
        """
        return await self._nodes[node_id].call(name, **arguments)

    async def call_each(
        self, nodes: Collection[int], name: str, /, **arguments: object
    ) -> list[Any]:
        """Lets several nodes do the same at once, and returns all results in order."""
        calls = [self.call(node_id, name, **arguments) for node_id in nodes]
        return await asyncio.gather(*calls)

    async def quit(self) -> list[int]:
        """Lets all nodes leave by themselves, and returns their exit statuses."""
        return await asyncio.gather(*(node.quit() for node in self._nodes.values()))

    async def close_relays(self) -> None:
        """Closes the relays; no node can be reached any more."""
        for relay in self._relays:
            await relay.aclose()

    def leftovers(self) -> list[str]:
        """Lists the processes that still run, and the files other than logs."""
        processes = (*self._former, *self._nodes.values())
        running = [f"a process of node {p.node_id}" for p in processes if not p.is_gone]
        files = [p.name for p in self._directory.iterdir() if p.suffix != ".log"]
        return running + sorted(files)

    def log_tails(self) -> dict[int, str]:
        """Returns the last lines of each node's log."""
        return {node_id: node.log_tail() for node_id, node in self._nodes.items()}

    def _place(self, name: str) -> Place:
        if self._transport == "unix":
            return str(self._directory / f"{name}.sock")
        return ("127.0.0.1", 0)
