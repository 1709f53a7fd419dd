"""Measures G6 and G7 between two processes: what stalled receivers cost the others.

Run it as `python -m tests.sockets.isolation_figures`. Node 1, a process of its own,
sends to a channel of node 0 which is read as fast as possible, while 0, 1 or 1,000
other producers of the same link are stalled with full windows. The rounds alternate, so
that a change of the machine's speed hits all alike. It prints the best throughput of
each, since what disturbs a round can only make it slower, as a share of the lone one;
and how much memory both processes have grown, beside the bound that the windows give.
The exit status is 0 if one stalled receiver leaves at least 95 %, and no process has
grown beyond the bound.
"""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Sequence
import itertools
import logging
from pathlib import Path
import subprocess
import sys
import tempfile
import time
from typing import Any

from comm import Config, Switchboard
from comm.broadcast import Token
from tests.cluster import fill
from tests.sockets.pairs import resident_bytes
from tests.sockets.processes import TRANSPORTS, addresses


__all__ = ["main"]

_NAME = "tests.sockets.isolation_figures"
ITEM = bytes(1024)
CONFIG = Config(window_bytes=64 << 10)
STALLED = (0, 1, 1000)
SHARE_MIN = 0.95
CONSTANT_BYTES = 16 << 20
"""For buffers of the link, and what an allocator keeps."""

ORDERS: Token[Any] = Token("orders")


def bound_bytes(stalled: int) -> int:
    """Returns how much the stalled and the measured windows may hold."""
    return (stalled + 1) * (CONFIG.window_bytes + len(ITEM)) + CONSTANT_BYTES


async def send(places: Sequence[str]) -> None:
    """Node 1: does what node 0 orders, until it says stop."""
    async with Switchboard(places, 1, config=CONFIG) as switchboard:
        orders = switchboard.broadcast_rx(ORDERS)
        while order := await orders.receive():
            measured, stalled_sender, stalled, items, reports = order
            before = resident_bytes()
            producers = [
                await switchboard.connect(stalled_sender) for _ in range(stalled)
            ]
            for producer in producers:
                fill(producer, itertools.repeat(ITEM))
            async with switchboard.connect(reports) as report:
                await report.send(0)
                async with switchboard.connect(measured) as producer:
                    for _ in range(items):
                        await producer.send(ITEM)
                await report.send(resident_bytes() - before)
            for producer in producers:
                producer.abort()


async def measure(
    switchboard: Switchboard, orders: Any, stalled: int, items: int
) -> tuple[float, int]:
    """Node 0: has one round sent; returns its items per second and the larger growth
    of the two processes in bytes."""
    measured, receiver = switchboard.mpsc(bytes, max_producers=1)
    stalled_sender, stalled_receiver = switchboard.mpsc(bytes)
    reports_sender, reports = switchboard.mpsc(int, max_producers=1)
    before = resident_bytes()
    await orders.send([measured, stalled_sender, stalled, items, reports_sender])
    await reports.receive()
    await receiver.receive()
    began_s = time.perf_counter()
    for _ in range(items - 1):
        await receiver.receive()
    took_s = time.perf_counter() - began_s
    grown = max(resident_bytes() - before, await reports.receive())
    for handle in (receiver, stalled_receiver, reports):
        handle.close()
    return items / took_s, grown


def launch(places: Sequence[str]) -> subprocess.Popen[bytes]:
    """Starts the process of node 1."""
    return subprocess.Popen([sys.executable, "-m", _NAME, "--child", *places])


async def run(transport: str, rounds: int, items: int) -> bool:
    """Runs all rounds and prints the table; tells whether all bounds hold."""
    rates: dict[int, list[float]] = {stalled: [] for stalled in STALLED}
    growths = dict.fromkeys(STALLED, 0)
    with tempfile.TemporaryDirectory(prefix="comm-") as folder:
        places = addresses(transport, 2, Path(folder))
        child = launch(places)
        async with (
            Switchboard(places, 0, config=CONFIG) as switchboard,
            switchboard.broadcast_tx(ORDERS) as orders,
        ):
            for number, stalled in itertools.product(range(rounds), STALLED):
                rate, grown = await measure(switchboard, orders, stalled, items)
                if number:  # The first round warms up.
                    rates[stalled].append(rate)
                growths[stalled] = max(growths[stalled], grown)
            await orders.send(None)
            await orders.flush()
        child.wait()
    return report(transport, rates, growths)


def report(
    transport: str, rates: dict[int, list[float]], growths: dict[int, int]
) -> bool:
    """Prints one transport's lines; tells whether all bounds hold."""
    lone = max(rates[0])
    good = True
    for stalled in STALLED:
        rate = max(rates[stalled])
        bound = bound_bytes(stalled)
        good = good and growths[stalled] <= bound
        good = good and (stalled != 1 or rate >= SHARE_MIN * lone)
        sys.stdout.write(
            f"{transport:5} {stalled:5} stalled: {rate:10,.0f} items/s, "
            f"{rate / lone:6.1%} of the lone rate; grown by "
            f"{growths[stalled] / 2**20:6.1f} MiB of {bound / 2**20:6.1f} MiB\n"
        )
    return good


def main() -> int:
    """Reads the arguments and runs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--child", nargs=2, metavar="ADDRESS")
    parser.add_argument("--transport", choices=TRANSPORTS, action="append")
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--items", type=int, default=50_000)
    options = parser.parse_args()
    logging.getLogger("comm").setLevel(logging.ERROR)
    if options.child:
        asyncio.run(send(options.child))
        return 0
    sys.stdout.write(f"{len(ITEM)}-byte items, best of {options.rounds} rounds\n")
    good = [
        asyncio.run(run(transport, options.rounds, options.items))
        for transport in options.transport or TRANSPORTS
    ]
    return 0 if all(good) else 1


if __name__ == "__main__":
    sys.exit(main())
