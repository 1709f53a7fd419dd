"""`VirtualLoop`: an asyncio event loop in the time of a simulated world.

Callbacks run in asyncio's own order. In place of the descriptors that a real loop
waits for stands the world: where a real loop would sleep, this one lets the next event
happen, and so no time is lost, and none of it depends on the machine.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor
from contextvars import Context
from math import ceil
import os
import socket
import threading
from typing import Any, NoReturn, TypeVar, TypeVarTuple, Unpack

from comm.sim.choices import derive
from comm.sim.machine.entropy import Entropy
from comm.sim.world import SECOND, US, World


__all__ = ["DeadlockError", "VirtualLoop"]

_T = TypeVar("_T")
_Ts = TypeVarTuple("_Ts")

_PENDING_MAX = 20
"""How many tasks are named when nothing can happen any more."""


class DeadlockError(RuntimeError):
    """Nothing can ever happen any more, and yet somebody waits."""


class VirtualLoop(asyncio.BaseEventLoop):
    """An event loop that belongs to a simulated world.

    Each turn takes some time, as it does on any machine: otherwise a task that looks
    again and again for something to come would keep it from coming. All else happens
    between the turns. Nothing from outside can reach it: threads, processes, signals
    and real sockets raise.

    While it runs, `os.urandom` gives what the seed determines.

    Args:
        world: The world.
        seed: What the random bytes depend on that programs ask the system for.
        turn_ns: How long a turn takes.

    Attributes:
        world: The world.
    """

    def __init__(
        self, world: World, *, seed: object = 0, turn_ns: int = 10 * US
    ) -> None:
        super().__init__()
        self.world = world
        self._entropy = Entropy(derive(seed, "entropy"))
        self._owner = threading.get_ident()
        # What `BaseEventLoop` asks for events, and how long a moment is to it.
        self._selector = _Passage(self, turn_ns)
        self._clock_resolution = 1 / SECOND

    def time(self) -> float:
        """Returns the time of the world, in seconds."""
        return self.world.now_ns / SECOND

    def run_forever(self) -> None:
        """Runs until `stop` is called.

        Raises:
            DeadlockError: If nothing is left that could happen.
        """
        self._owner = threading.get_ident()
        urandom, os.urandom = os.urandom, self._entropy
        try:
            super().run_forever()
        finally:
            os.urandom = urandom

    def call_soon_threadsafe(
        self,
        callback: Callable[[Unpack[_Ts]], object],
        *args: *_Ts,
        context: Context | None = None,
    ) -> asyncio.Handle:
        """Calls something in the next turn; only the loop's own thread may ask.

        Raises:
            RuntimeError: In another thread, since when that comes is up to the system.
        """
        if threading.get_ident() != self._owner:
            raise RuntimeError(
                "another thread called into a simulation, in which nothing happens by "
                "chance; do in a task what the thread does"
            )
        return self.call_soon(callback, *args, context=context)

    def run_in_executor(
        self,
        executor: Executor | None,
        func: Callable[[Unpack[_Ts]], _T],
        *args: *_Ts,
    ) -> asyncio.Future[_T]:
        """Raises, because there are no threads in a simulation."""
        del executor, args
        raise RuntimeError(
            f"{func!r} was to run in a thread or process, of which a simulation has "
            "none; call it directly"
        )

    async def getaddrinfo(
        self,
        host: bytes | str | None,
        port: bytes | str | int | None,
        *,
        family: int = 0,
        type: int = 0,  # noqa: A002 - asyncio's own name for it
        proto: int = 0,
        flags: int = 0,
    ) -> NoReturn:
        """Finds no name, since those of the simulated network are known to it alone."""
        del host, port, family, type, proto, flags
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    async def sock_connect(self, sock: socket.socket, address: object) -> NoReturn:
        """Raises, because real sockets lead out of the simulation."""
        raise _outside(f"{sock!r} was to be connected to {address!r}")

    async def create_server(
        self,
        protocol_factory: object,
        host: object = None,
        port: object = None,
        **options: object,
    ) -> NoReturn:
        """Raises, because real sockets lead out of the simulation."""
        del protocol_factory, options
        raise _outside(f"a server was to listen at {host!r}, port {port!r}")

    def _process_events(self, events: tuple[()]) -> None:
        """Does nothing: the events of the world have put their callbacks in line."""

    def _write_to_self(self) -> None:
        """Does nothing: there is no other thread to be woken by."""


class _Passage:
    """Lets time pass between the turns of a loop, where a real one would sleep."""

    def __init__(self, loop: VirtualLoop, turn_ns: int) -> None:
        self._loop = loop
        self._turn_ns = turn_ns

    def select(self, timeout_s: float | None) -> tuple[()]:
        """Lets the turn before take its time, and then whatever comes first happen:
        an event of the world, or the end of the time-out."""
        world = self._loop.world
        asked_ns, happened = world.now_ns, world.events
        world.run_to(asked_ns + self._turn_ns)
        # An event may have put a callback in line, which then has its turn first.
        if timeout_s == 0 or world.events != happened:
            return ()
        next_ns = world.next_ns
        if timeout_s is not None:
            deadline_ns = asked_ns + ceil(timeout_s * SECOND)
            next_ns = deadline_ns if next_ns is None else min(next_ns, deadline_ns)
        if next_ns is None:
            raise DeadlockError(_describe(self._loop))
        world.run_to(next_ns)
        return ()


def _describe(loop: VirtualLoop) -> str:
    tasks = sorted(asyncio.all_tasks(loop), key=asyncio.Task[Any].get_name)
    text = (
        f"at {loop.time():.6f} s nothing can happen any more: no callback is ready, no "
        f"timer runs, and the world has no event; {len(tasks)} tasks wait"
    )
    lines = [text, *(f"  {task!r}" for task in tasks[:_PENDING_MAX])]
    if len(tasks) > _PENDING_MAX:
        lines.append(f"  and {len(tasks) - _PENDING_MAX} more")
    return "\n".join(lines)


def _outside(deed: str) -> RuntimeError:
    return RuntimeError(
        f"{deed}, and there are no real sockets in a simulation; use the network of "
        "the simulated host"
    )
