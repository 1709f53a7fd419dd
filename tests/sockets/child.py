"""One node in a process of its own, that does what the test's process tells it.

Run as `python -m tests.sockets.child`, with its settings as JSON in the only argument.
It takes its orders from, and reports to, node 0, over channels of the fabric itself.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
import json
import sys
from typing import Any

import comm
from comm import Config, Switchboard
from comm.broadcast import Token


__all__ = ["CONTROL", "Node"]

CONTROL: Token[Any] = Token("control")
"""Node 0 broadcasts on it where the others should report for duty."""


class Node:
    """The node of this process, and what it can be told to do."""

    def __init__(self, switchboard: Switchboard) -> None:
        self._switchboard = switchboard
        self._events: list[Any] = []
        self._producers: dict[str, Any] = {}
        self._receivers: dict[str, Any] = {}

    async def run(self) -> None:
        """Reports for duty, then carries out orders until told to leave."""
        watching = asyncio.create_task(self._watch())
        orders_sender, orders = self._switchboard.mpsc()
        control = self._switchboard.broadcast_rx(CONTROL)
        reports_sender = await control.receive()
        async with self._switchboard.connect(reports_sender) as reports:
            await reports.send([self._switchboard.node_id, "here", orders_sender])
            async for number, verb, arguments in orders:
                result = await self._carry_out(verb, arguments)
                await reports.send([self._switchboard.node_id, number, result])
                if verb == "leave":
                    await reports.flush()
                    break
        watching.cancel()

    async def _carry_out(self, verb: str, arguments: list[Any]) -> Any:
        try:
            return await getattr(self, f"do_{verb}")(*arguments)
        except comm.Error as error:
            return {"error": type(error).__name__, "text": str(error)}

    async def _watch(self) -> None:
        async for event in self._switchboard.events():
            self._events.append(event)

    async def do_open(self, name: str) -> Any:
        """Makes a channel, and tells its sender."""
        sender, self._receivers[name] = self._switchboard.mpsc(int)
        return sender

    async def do_take(self, name: str, count: int) -> list[int]:
        """Receives so many items."""
        return [await self._receivers[name].receive() for _ in range(count)]

    async def do_connect(self, name: str, sender: Any) -> None:
        """Connects a sender under a name."""
        self._producers[name] = await self._switchboard.connect(sender)

    async def do_send(self, name: str, first: int, stop: int) -> int:
        """Sends numbers one by one; tells how many were accepted in all."""
        producer = self._producers[name]
        for number in range(first, stop):
            await producer.send(number)
        return int(producer.statistics().accepted)

    async def do_send_on(self, name: str, first: int) -> None:
        """Sends numbers without end, in the background."""
        self._task = asyncio.create_task(self.do_send(name, first, 1 << 62))

    async def do_end(self, name: str) -> dict[str, int]:
        """Stops what sends in the background, finishes, and tells the accounts."""
        self._task.cancel()
        with suppress(asyncio.CancelledError, comm.BrokenError):
            await self._task
        producer = self._producers.pop(name)
        try:
            await producer.aclose()
        except comm.BrokenError:
            producer.close()
        figures = producer.statistics()
        return {"accepted": figures.accepted, "lost": figures.lost}

    async def do_events(self) -> list[dict[str, Any]]:
        """Tells the events so far, by name and field."""
        return [
            {"kind": type(event).__name__}
            | {name: getattr(event, name) for name in event.__dataclass_fields__}
            for event in self._events
        ]

    async def do_leave(self) -> None:
        """Leaves the cluster in order."""


async def _main(settings: dict[str, Any]) -> None:
    config = Config(**settings["config"])
    async with Switchboard(
        settings["nodes"], settings["node_id"], config=config
    ) as switchboard:
        await Node(switchboard).run()


if __name__ == "__main__":
    asyncio.run(_main(json.loads(sys.argv[1])))
