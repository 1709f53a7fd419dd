"""A work queue: a boss hands out jobs, and a worker on every node does them.

A job carries the `Sender` of its reply channel. The worker connects it before it
begins, so that the boss is told if the worker is lost; then another one does the job.

Run three nodes on this machine, of which the last one is killed on the way:

    python examples/work_queue.py

Or run each by itself, with its id and the addresses of all, as `pingpong.py` shows.
"""

from __future__ import annotations

from asyncio import Queue, TaskGroup, timeout, to_thread
from contextlib import suppress
from dataclasses import dataclass

import local

from comm import BrokenError, Config, Switchboard
from comm.broadcast import Token
from comm.mpsc import Sender


@dataclass(frozen=True)
class Job:
    """A number, and where the sum of all smaller ones goes."""

    number: int
    reply: Sender[int]


BOSS: Token[Sender[Sender[Job]]] = Token("work/boss", Sender, loopback=True)


async def work(board: Switchboard) -> None:
    """Applies to the boss, then does jobs until there are no more."""
    sender, jobs = board.mpsc(Job, max_producers=1)
    async with board.broadcast_rx(BOSS) as bosses:
        boss = await bosses.receive()
    async with board.connect(boss, Sender) as application:
        await application.send(sender)
    async for job in jobs:
        with suppress(BrokenError):  # The boss does not wait for this one any more.
            async with board.connect(job.reply) as reply:
                print(f"worker {board.node_id} has {job.number}", flush=True)
                await reply.send(await to_thread(sum, range(job.number)))
    jobs.close()


async def hire(board: Switchboard, todo: Queue[int]) -> None:
    """Employs all who apply."""
    sender, applications = board.mpsc(Sender)
    async with board.broadcast_tx(BOSS) as boss:
        await boss.send(sender)
    async with applications, TaskGroup() as staff:
        async for worker in applications:
            staff.create_task(employ(board, worker, todo))


async def employ(board: Switchboard, worker: Sender[Job], todo: Queue[int]) -> None:
    """Gives a worker job after job, until it leaves one without an answer."""
    with suppress(BrokenError, TimeoutError):
        async with board.connect(worker, Job) as jobs:
            while True:
                number = await todo.get()
                reply, answers = board.mpsc(int, max_producers=1)
                try:
                    # Of a worker that is lost before it connects, only time tells.
                    async with answers, timeout(10):
                        await jobs.send(Job(number, reply))
                        print(f"{number}: {await answers.receive()}", flush=True)
                except (BrokenError, TimeoutError):
                    print(f"{number} goes to another worker", flush=True)
                    todo.put_nowait(number)
                    raise
                finally:
                    todo.task_done()


async def main(node_id: int, addresses: list[str]) -> None:
    """Runs one node: a worker, and on node 0 the boss as well."""
    config = Config(heartbeat_timeout_s=1.0, resume_window_s=2.0)
    async with Switchboard(addresses, node_id, config=config) as board:
        await board.rendezvous(timeout=20)
        async with TaskGroup() as tasks:
            tasks.create_task(work(board))
            if node_id == 0:
                todo: Queue[int] = Queue()
                for number in range(3_000_000, 3_000_060):
                    todo.put_nowait(number)
                hiring = tasks.create_task(hire(board, todo))
                await todo.join()
                hiring.cancel()


if __name__ == "__main__":
    local.run(main, kill_after=3)
