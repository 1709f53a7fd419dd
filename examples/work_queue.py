"""A work queue: a boss hands out jobs, a worker on every node sends back results.

Each job carries the `Sender` of its reply channel. A worker has one job at a time;
when a worker is lost, its job goes back into the queue and another one does it.

Run it all on this machine, three nodes of which one is killed on the way:

    python examples/work_queue.py

Or run each node by itself, the boss being node 0, the addresses in the same order:

    python examples/work_queue.py 0 127.0.0.1:7100 127.0.0.1:7101
    python examples/work_queue.py 1 127.0.0.1:7100 127.0.0.1:7101
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
import subprocess
import sys
import tempfile

import comm
from comm.broadcast import Token
from comm.events import LossReport, PeerUp, ProducerGone
from comm.mpsc import Sender


CONFIG = comm.Config(
    heartbeat_interval_s=0.5, heartbeat_timeout_s=1.5, resume_window_s=2.0
)


@dataclass(frozen=True)
class Result:
    """What a worker found."""

    number: int
    factors: list[int]
    worker: int


@dataclass(frozen=True)
class Job:
    """A number to factorise, and where the result goes."""

    number: int
    reply: Sender[Result]


@dataclass(frozen=True)
class Worker:
    """A worker that wants jobs."""

    node_id: int
    jobs: Sender[Job]


HIRING: Token[Sender[Worker]] = Token("work/hiring", Sender, loopback=True)


async def work(switchboard: comm.Switchboard) -> None:
    """Applies at the boss, then does jobs until the boss has no more."""
    hiring = switchboard.broadcast_rx(HIRING)
    sender, jobs = switchboard.mpsc(Job, max_producers=1)
    # The application stays connected, and that is how the boss hears of our end.
    async with switchboard.connect(await hiring.receive(), Worker) as application:
        await application.send(Worker(switchboard.node_id, sender))
        async for job in jobs:
            factors = await asyncio.to_thread(factorise, job.number)
            async with switchboard.connect(job.reply, Result) as reply:
                await reply.send(Result(job.number, factors, switchboard.node_id))
    for handle in (hiring, jobs):
        handle.close()


def factorise(number: int) -> list[int]:
    """Returns the prime factors, the smallest first."""
    factors, divisor = [], 2
    while divisor * divisor <= number:
        while number % divisor == 0:
            factors.append(divisor)
            number //= divisor
        divisor += 1
    return factors + [number] * (number > 1)


class Boss:
    """Has numbers factorised by whoever applies."""

    def __init__(self, switchboard: comm.Switchboard, numbers: Sequence[int]) -> None:
        self.switchboard = switchboard
        self.hiring = switchboard.broadcast_tx(HIRING)
        self.sender, self.applications = switchboard.mpsc(Worker)
        reply, self.results = switchboard.mpsc(Result)
        self.numbers = set(numbers)
        self.todo: asyncio.Queue[Job | None] = asyncio.Queue()
        for number in numbers:
            self.todo.put_nowait(Job(number, reply))
        # By worker, whether its job was done: False if the worker is lost.
        self.outcomes: dict[int, asyncio.Future[bool]] = {}

    async def run(self, on_result: Callable[[Result], None]) -> None:
        """Hires, hands out jobs, and gathers until every result is there."""
        await self.hiring.send(self.sender)
        async with asyncio.TaskGroup() as group:
            helpers = [
                group.create_task(self.hire(group)),
                group.create_task(self.watch()),
            ]
            while self.numbers:
                result = await self.results.receive()
                self.settle(result.worker, is_done=True)
                if result.number in self.numbers:
                    self.numbers.remove(result.number)
                    on_result(result)
            for helper in helpers:
                helper.cancel()
            self.todo.put_nowait(None)
        for handle in (self.hiring, self.applications, self.results):
            handle.close()

    async def hire(self, group: asyncio.TaskGroup) -> None:
        """Employs whoever applies."""
        async for worker in self.applications:
            group.create_task(self.employ(worker))

    async def employ(self, worker: Worker) -> None:
        """Gives a worker job after job; takes the last one back if it is lost."""
        job = None
        try:
            async with self.switchboard.connect(worker.jobs) as jobs:
                while job := await self.todo.get():
                    outcome = asyncio.get_running_loop().create_future()
                    self.outcomes[worker.node_id] = outcome
                    await jobs.send(job)
                    if not await outcome:
                        raise comm.PeerLost(f"worker {worker.node_id} is gone")
                self.todo.put_nowait(None)  # There is no more for the others, either.
        except comm.BrokenError:
            if job is not None:
                print(f"worker {worker.node_id} is lost, {job.number} goes to another")
                self.todo.put_nowait(job)

    async def watch(self) -> None:
        """Hears of workers that are lost, and of nodes that are new or back."""
        async for event in self.switchboard.events():
            match event:
                case LossReport() | ProducerGone():
                    self.settle(event.node_id, is_done=False)
                case PeerUp(resumed=False):
                    await self.hiring.send(self.sender)
                case _:
                    pass

    def settle(self, node_id: int, *, is_done: bool) -> None:
        """Ends the wait for a worker's result."""
        outcome = self.outcomes.get(node_id)
        if outcome is not None and not outcome.done():
            outcome.set_result(is_done)


async def run(
    node_id: int, addresses: list[str], on_result: Callable[[Result], None] = print
) -> None:
    """Runs one node: a worker, and on node 0 the boss as well."""
    async with (
        comm.Switchboard(addresses, node_id, config=CONFIG) as switchboard,
        asyncio.TaskGroup() as group,
    ):
        group.create_task(work(switchboard))
        if node_id == 0:
            await switchboard.rendezvous(timeout=20)
            numbers = range(10**11, 10**11 + 100)
            await Boss(switchboard, numbers).run(on_result)


def run_all(size: int = 3) -> None:
    """Runs the boss here and the other nodes as processes; kills the last one."""
    with tempfile.TemporaryDirectory(prefix="work-queue-") as directory:
        addresses = [f"unix:{directory}/{node_id}.sock" for node_id in range(size)]
        nodes = [
            subprocess.Popen(  # noqa: S603 - this very program
                [sys.executable, __file__, str(node_id), *addresses]
            )
            for node_id in range(1, size)
        ]
        done: dict[int, int] = {}

        def on_result(result: Result) -> None:
            factors = " x ".join(map(str, result.factors))
            print(f"worker {result.worker}: {result.number} = {factors}", flush=True)
            done[result.worker] = done.get(result.worker, 0) + 1
            if result.worker == size - 1 and done[result.worker] == 3:
                print(f"worker {result.worker} is killed")
                nodes[-1].kill()

        try:
            asyncio.run(run(0, addresses, on_result))
            print(f"all done, by worker: {dict(sorted(done.items()))}")
        finally:
            for node in nodes:
                node.kill()
                node.wait()


if __name__ == "__main__":
    if len(sys.argv) == 1:
        run_all()
    else:
        asyncio.run(run(int(sys.argv[1]), sys.argv[2:]))
