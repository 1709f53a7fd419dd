"""The demo: the library's main job, on real processes, each step verified.

`python -m comm demo` starts a cluster of processes on this machine, lets them talk,
cuts their links, kills one of them, starts it again, and checks at each step that
what `comm` promises is what happened. The exit status is 0 only if it did.

What uses the library is in `comm.demo.tasks`; the rest starts processes, cuts
links, compares and prints.
"""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Callable, Sequence
import signal
import sys

from comm.demo.cluster import Cluster
from comm.demo.report import Report
from comm.demo.scene import Demo
from comm.demo.steps import STEPS


__all__ = ["main"]

_INTERRUPTED = 130
"""The exit status that a shell expects of a program that Ctrl-C has ended."""


def main(
    argv: Sequence[str] | None = None, *, node_module: str = "comm.demo.node"
) -> int:
    """Runs the demo and tells whether every step was verified.

    Ctrl-C and SIGTERM end it early. Whatever happens, no process and no socket
    file is left behind.

    Args:
        argv: The command line behind `demo`; `sys.argv[1:]` if left out.
        node_module: What each process runs, as in `python -m`. Tests pass one
            that misbehaves.

    Returns:
        The exit status: 0 if all was verified, 1 if not, 130 if interrupted.
    """
    options = _parse(argv)
    report = Report(sys.stdout)
    try:
        return asyncio.run(_run(options, report, node_module))
    except (KeyboardInterrupt, asyncio.CancelledError):
        report.line("\nInterrupted. Every process of the demo has been ended.")
        return _INTERRUPTED


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m comm demo",
        description="Runs a cluster of real processes and verifies each step.",
    )
    add = parser.add_argument
    add("--nodes", type=_whole(2, 16), default=3, help="how many processes, 2 to 16")
    add("--transport", choices=("tcp", "unix"), default="tcp", help="how they talk")
    add(
        "--items",
        type=_whole(1000, 100_000_000),
        default=300_000,
        help="how many items each producer streams, at least 1000",
    )
    add("--timeout", type=float, default=60.0, help="how many seconds all may take")
    return parser.parse_args(argv)


def _whole(lowest: int, highest: int) -> Callable[[str], int]:
    def read(text: str) -> int:
        value = int(text) if text.isascii() and text.isdigit() else -1
        if not lowest <= value <= highest:
            raise argparse.ArgumentTypeError(
                f"{text!r} is no whole number from {lowest} to {highest}"
            )
        return value

    return read


async def _run(options: argparse.Namespace, report: Report, node_module: str) -> int:
    task = asyncio.current_task()
    assert task is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    report.line(
        f"comm demo: {options.nodes} processes over {options.transport}; "
        "every link runs through a relay that can cut it"
    )
    async with Cluster(options.nodes, options.transport, node_module) as cluster:
        try:
            async with asyncio.timeout(options.timeout):
                await _verify(Demo(cluster, report, options.items))
        except TimeoutError as error:
            limit = f"not done after --timeout {options.timeout:g} s"
            report.failure(TimeoutError(str(error) or limit), cluster.log_tails())
            return 1
        except Exception as error:  # noqa: BLE001 - whatever it was, it is reported
            report.failure(error, cluster.log_tails())
            return 1
    report.success(len(STEPS))
    return 0


async def _verify(demo: Demo) -> None:
    for title, step in STEPS:
        demo.report.begin(title)
        await step(demo)
        demo.report.end()
