"""What runs in each process of the demo: a switchboard that is told what to do."""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Callable, Coroutine, Sequence
from contextlib import AsyncExitStack
import json
import logging
import sys
from typing import Any, Self

from comm.demo.common import CONFIG
from comm.demo.places import address_of, listen, place_of, unlink
from comm.demo.tasks import Tasks
from comm.net import Switchboard


__all__ = ["main"]

_Task = asyncio.Task[None]


def main(argv: Sequence[str] | None = None, *, tasks_type: type[Tasks] = Tasks) -> int:
    """Runs one node until it is told to quit.

    Args:
        argv: The command line; `sys.argv[1:]` if left out.
        tasks_type: What it can be told to do. Tests pass one that misbehaves.

    Returns:
        The exit status: 0 if it was told to quit, 1 if the demo itself is gone.
    """
    parser = argparse.ArgumentParser(prog="python -m comm.demo.node")
    parser.add_argument("--id", type=int, required=True)
    parser.add_argument("--listen", required=True, metavar="ADDRESS")
    parser.add_argument("addresses", nargs="+")
    options = parser.parse_args(argv)
    logging.basicConfig(
        level=logging.INFO, format=f"%(asctime)s node {options.id}: %(message)s"
    )
    return asyncio.run(_run(options, tasks_type))


async def _run(options: argparse.Namespace, tasks_type: type[Tasks]) -> int:
    # The addresses are the relays'; the listener behind is this program's own, and
    # hands its connections over.
    switchboard = Switchboard(
        options.addresses, options.id, listen=False, config=CONFIG
    )
    async with switchboard, AsyncExitStack() as handles, _Control() as control:
        place = place_of(options.listen)
        server, place = await listen(switchboard.handle_connection, place)
        handles.callback(unlink, place)
        handles.callback(server.close)
        tasks = tasks_type(switchboard, handles, control.create_task)
        control.create_task(tasks.watch())
        control.tell(listening=address_of(place))
        return await control.serve(tasks)


class _Control:
    """Reads what to do from standard input, does it, and writes the results."""

    def __init__(self) -> None:
        self._lines = asyncio.StreamReader()
        self._tasks: set[_Task] = set()
        self._transport: asyncio.ReadTransport | None = None

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        protocol = asyncio.StreamReaderProtocol(self._lines)
        self._transport, _ = await loop.connect_read_pipe(lambda: protocol, sys.stdin)
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._transport is not None:
            self._transport.close()

    def tell(self, **message: object) -> None:
        """Writes one message for the demo."""
        print(json.dumps(message), flush=True)

    def create_task(self, coroutine: Coroutine[Any, Any, None]) -> None:
        """Runs a coroutine in the background until the end."""
        task = asyncio.create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def serve(self, tasks: Tasks) -> int:
        """Does what it is told until it shall quit; returns the exit status."""
        while line := await self._lines.readline():
            message = json.loads(line)
            if message["call"] == "quit":
                return 0
            self.create_task(self._do(getattr(tasks, message["call"]), message))
        logging.error("the demo has gone without a word")
        return 1

    async def _do(self, call: Callable[..., Any], message: dict[str, Any]) -> None:
        try:
            result = await call(**message["arguments"])
        except Exception as error:  # The demo decides what to make of it.
            logging.exception("could not %s", message["call"])
            text = f"{message['call']}: {type(error).__name__}: {error}"
            self.tell(id=message["id"], error=text)
        else:
            self.tell(id=message["id"], result=result)


if __name__ == "__main__":
    sys.exit(main())
