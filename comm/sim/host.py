"""`Host`: one machine with one process on it, which may be slow, stopped or dead."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from enum import Enum
from typing import Any

from comm.sim.choices import Stream
from comm.sim.clock import Clock
from comm.sim.world import Event, World


__all__ = ["Host", "HostState"]

_Step = tuple[Callable[..., None], tuple[Any, ...]]


class HostState(Enum):
    """Whether a host runs."""

    RUNNING = "running"
    PAUSED = "paused"
    """The process is stopped, as by SIGSTOP; its machine goes on."""
    STOPPED = "stopped"
    """The process is gone, and its machine says so to whoever asks."""
    DARK = "dark"
    """The machine has no power: nothing comes back from it."""


_RUNNING = HostState.RUNNING
_PAUSED = HostState.PAUSED


class Host:
    """One host of the world.

    What happens to the process of a host is called through `call`, and waits there
    while the process cannot run: nothing is lost and the order stays. What happens in
    the machine below, as the arrival of bytes, does not ask.

    Args:
        world: The world.
        index: Its number; hosts are numbered from 0.
        clock: What it takes for the time.

    Attributes:
        state: Whether it runs.
        incarnation: How often it was started again.
        step_ns: How long each step of the process takes, at the most; 0 for no time.
    """

    __slots__ = (
        "_busy_until_ns",
        "_drain_event",
        "_pace",
        "_waiting",
        "_world",
        "clock",
        "incarnation",
        "index",
        "name",
        "state",
        "step_ns",
    )

    def __init__(self, world: World, index: int, clock: Clock | None = None) -> None:
        self.index = index
        self.name = f"host{index}"
        self.clock = clock or Clock()
        self.state = HostState.RUNNING
        self.incarnation = 0
        self.step_ns = 0
        self._world = world
        self._pace: Stream = world.choices.stream(f"pace {index}")
        self._waiting: deque[_Step] = deque()
        self._busy_until_ns = 0
        self._drain_event: Event | None = None

    @property
    def is_alive(self) -> bool:
        """Whether its process exists."""
        return self.state is _RUNNING or self.state is _PAUSED

    @property
    def is_dark(self) -> bool:
        """Whether nothing comes back from its machine."""
        return self.state is HostState.DARK

    @property
    def waiting(self) -> int:
        """How many steps its process has yet to make."""
        return len(self._waiting)

    def now_ns(self) -> int:
        """Returns what its clock shows."""
        return self.clock.read_ns(self._world.now_ns)

    def call(self, action: Callable[..., None], *args: Any) -> None:
        """Has the process do something, now or as soon as it can."""
        if (
            self.state is _RUNNING
            and not self._waiting
            and self._busy_until_ns <= self._world.now_ns
        ):
            if self.step_ns:
                self._spend()
            action(*args)
        elif self.is_alive:
            self._waiting.append((action, args))
            self._drain_later()

    def call_soon(self, action: Callable[..., None], *args: Any) -> None:
        """Has the process do something behind what else happens at this moment."""
        self._world.at(0, self.call, action, *args)

    def pause(self) -> None:
        """Stops the process for now."""
        if self.state is _RUNNING:
            self.state = _PAUSED

    def resume(self) -> None:
        """Lets the process go on with what has come up meanwhile."""
        if self.state is _PAUSED:
            self.state = _RUNNING
            self._drain_later()

    def stop(self, *, dark: bool = False) -> None:
        """Takes the process away, or the whole machine; nothing of it runs any more."""
        self.state = HostState.DARK if dark else HostState.STOPPED
        self._forget()

    def restart(self) -> None:
        """Brings the machine back, with a new process."""
        self.state = _RUNNING
        self.incarnation += 1
        self._forget()

    def _forget(self) -> None:
        self._waiting.clear()
        self._busy_until_ns = 0
        if self._drain_event is not None:
            self._world.cancel(self._drain_event)
            self._drain_event = None

    def _spend(self) -> None:
        """Begins a step that takes time."""
        cost_ns = 1 + self._pace.below(self.step_ns)
        self._busy_until_ns = self._world.now_ns + cost_ns

    def _drain_later(self) -> None:
        if self._drain_event is None and self.state is _RUNNING:
            self._drain_event = self._world.at(self._busy_until_ns, self._drain)

    def _drain(self) -> None:
        self._drain_event = None
        world = self._world
        while (
            self._waiting
            and self.state is _RUNNING
            and self._busy_until_ns <= world.now_ns
        ):
            action, args = self._waiting.popleft()
            if self.step_ns:
                self._spend()
            action(*args)
        if self._waiting:
            self._drain_later()
