"""Runs the nodes of an example: one of them, or all as processes of this machine."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from itertools import islice
import subprocess
import sys
import tempfile


Main = Callable[[int, list[str]], Coroutine[None, None, None]]
"""Runs a node, given its id and the addresses of all."""


def run(main: Main, *, size: int = 3, kill_after: int | None = None) -> None:
    """Runs the node that the command line names, or, if it names none, all of them.

    Args:
        main: Runs a node.
        size: How many nodes there are if all are run here.
        kill_after: The last node is killed when it has printed so many lines.
    """
    if len(sys.argv) > 1:
        asyncio.run(main(int(sys.argv[1]), sys.argv[2:]))
    else:
        sys.exit(run_all(size, kill_after))


def run_all(size: int, kill_after: int | None) -> int:
    """Runs each node in a process of its own, over Unix sockets."""
    with tempfile.TemporaryDirectory(prefix="comm-example-") as folder:
        addresses = [f"unix:{folder}/{node_id}.sock" for node_id in range(size)]
        nodes = [start(node_id, addresses) for node_id in range(size - 1)]
        nodes.append(start(size - 1, addresses, is_watched=kill_after is not None))
        try:
            if kill_after is not None:
                kill_on_the_way(nodes.pop(), kill_after)
            return max([node.wait() for node in nodes])
        finally:
            for node in nodes:
                node.kill()
                node.wait()


def start(
    node_id: int, addresses: list[str], *, is_watched: bool = False
) -> subprocess.Popen[str]:
    """Starts this very program as one node."""
    command = [sys.executable, sys.argv[0], str(node_id), *addresses]
    stdout = subprocess.PIPE if is_watched else None
    return subprocess.Popen(command, stdout=stdout, text=True)  # noqa: S603


def kill_on_the_way(node: subprocess.Popen[str], lines: int) -> None:
    """Passes on what a node prints, and kills it without a warning."""
    with node:
        assert node.stdout is not None
        for line in islice(node.stdout, lines):
            print(line, end="", flush=True)
        node.kill()
    print("a worker is killed", flush=True)
