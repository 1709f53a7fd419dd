"""`Driver`: carries out what the core wants, and tells the core what happens.

It has a loop that takes effects, and one timer; it knows no rule of the protocol.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
import threading
from typing import Any, assert_never, cast
import weakref

from comm.effects import (
    Abort,
    BatchesSettled,
    BatchesWithheld,
    Close,
    Connect,
    Delivered,
    Effect,
    EventOccurred,
    Failed,
    HandleId,
    LinkId,
    Opened,
    PeerMet,
    Readable,
    StreamFailed,
    StreamOpened,
    Transmit,
    Writable,
)
from comm.errors import ClosedError, Error, UsageError
from comm.net.chronicle import Chronicle
from comm.net.connections import Connections
from comm.net.fork import DeadCore, watch
from comm.net.links import DriverLink
from comm.net.network import Network
from comm.net.peers import RawStreams
from comm.net.receiving import ReceivingPort
from comm.net.sending import SendingPort
from comm.net.state import DriverState, internal_error
from comm.net.waiting import Gate
from comm.switchboard import SwitchboardCore


__all__ = ["Driver"]

_FLUSH_BYTES = 64 << 10
"""How many bytes are collected in one turn of the loop before they are sent."""


class Driver:
    """Runs one core in one event loop.

    Args:
        core: The core.
        network: Where its connections are made.

    Attributes:
        core: The core; after a failure or a fork, what raises in its place.
        state: Where the driver stands.
        handles: The port of each handle that somebody still has.
        connections: The links.
        budget: How many bytes may be sent before `spend` has to be called.
        met: Woken when a node was met for the first time.
        progress: Woken whenever something may have been delivered or have ended.
        raw: The raw streams.
        chronicle: The events and the log.
    """

    def __init__(self, core: SwitchboardCore, network: Network) -> None:
        self.core = core
        self.state = DriverState.NEW
        self.handles: weakref.WeakValueDictionary[
            HandleId, SendingPort | ReceivingPort[Any]
        ] = weakref.WeakValueDictionary()
        self.connections = Connections(self, network)
        self.budget = 0
        self.met = Gate()
        self.progress = Gate()
        self.raw = RawStreams(self)
        self.chronicle = Chronicle(core.node_id, self.now)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread_id = 0
        self._is_pumping = False
        self._is_awake = False
        self._timer: asyncio.TimerHandle | None = None
        # What `__del__` has left to be closed, in whatever thread it was called.
        self._forgotten: deque[Callable[[], None]] = deque()
        self._dead: DeadCore | None = None

    @property
    def is_over(self) -> bool:
        """Whether nothing more will ever happen."""
        return self.state.is_over

    @property
    def is_gone(self) -> bool:
        """Whether it is over, and no connection is left."""
        return self.is_over and not self.connections.is_pending

    def now(self) -> float:
        """The time of the event loop, in seconds."""
        return 0.0 if self._loop is None else self._loop.time()

    def require_running(self) -> None:
        """Checks that this may be called now, and here.

        Raises:
            UsageError: If the switchboard was not started, or this is another event
                loop or thread than the one in which it was.
            ClosedError: If it was closed.
        """
        if self.state is DriverState.NEW:
            raise UsageError(
                f"node {self.core.node_id}: this switchboard was not started; "
                "use it inside `async with switchboard:`"
            )
        if self.state is not DriverState.RUNNING:
            raise self.closed_error()
        self.require_loop()

    def require_loop(self) -> None:
        """Checks that this is the event loop, and the thread, of the switchboard."""
        try:
            is_here = asyncio.get_running_loop() is self._loop
        except RuntimeError:
            is_here = False
        if not is_here:
            raise UsageError(
                f"node {self.core.node_id}: this switchboard belongs to another event "
                "loop or thread; use it there, or make one here"
            )

    def require_thread(self) -> None:
        """Checks, for what does not wait, that this is the switchboard's thread."""
        if not self.is_over and threading.get_ident() != self._thread_id:
            raise UsageError(
                f"node {self.core.node_id}: this switchboard belongs to another "
                "thread; use loop.call_soon_threadsafe"
            )

    def closed_error(self) -> Error:
        """Returns why nothing can be done any more."""
        if self._dead is not None:
            return self._dead.make_error()
        return ClosedError(
            f"node {self.core.node_id}: this switchboard was closed; make another one"
        )

    # Starting and ending.

    def start(self) -> None:
        """Runs in the present event loop from now on."""
        self._loop = asyncio.get_running_loop()
        self._thread_id = threading.get_ident()
        self.state = DriverState.RUNNING
        watch(self)

    def leave(self) -> None:
        """Takes no new work; what was accepted goes on being delivered."""
        if self.state is DriverState.RUNNING:
            self.state = DriverState.LEAVING
            for port in list(self.handles.values()):
                if isinstance(port, SendingPort):
                    port.close()
            self.met.wake_all()
            self.pump()

    def shut(self) -> None:
        """Says goodbye and closes everything; connections end in a moment."""
        self.leave()
        if self.state is DriverState.LEAVING:
            self.connections.stop()
            for port in list(self.handles.values()):
                if isinstance(port, ReceivingPort):
                    # It knows what of its last batch was not handed out.
                    port.close()
            self._tell(self.core.close, self.now())
            self._end(DriverState.CLOSED)

    def fail(self, error: Exception) -> None:
        """Ends everything because of an error of this library; nobody may hang."""
        self.chronicle.log.failure("an internal error ended the switchboard", error)
        self._kill(DeadCore(lambda: internal_error(error)))
        self.connections.stop()
        self.connections.cut()
        self._end(DriverState.FAILED)

    def poison(self, core: DeadCore) -> None:
        """Makes every use in this copy of the process raise; touches nothing else."""
        self.state = DriverState.INHERITED
        self._kill(core)

    # What handles ask for.

    def wake(self) -> None:
        """Has the effects of what was just done taken in this turn of the loop."""
        if not self._is_awake and not self.is_over and self._loop is not None:
            self._is_awake = True
            self._loop.call_soon(self.pump)

    def spend(self) -> None:
        """Has what was sent go out: in this turn, or now if it is much.

        Called by who sent and found `budget` used up, so that sending an item costs
        no more than a comparison.
        """
        self.require_loop()
        if self._is_awake:
            self.pump()
        self.wake()
        self.budget = _FLUSH_BYTES

    def forget(self, close: Callable[[], None]) -> None:
        """Has an end closed that a handle left open; for `__del__`, in any thread."""
        if self.is_over or self._loop is None or self._loop.is_closed():
            return
        self._forgotten.append(close)
        if threading.get_ident() == self._thread_id:
            self.wake()

    def pump(self) -> None:
        """Takes all effects, and arms the timer."""
        if self._is_pumping or self.is_over:
            return
        self._is_pumping = True
        self._is_awake = False
        self.budget = 0
        try:
            while self._forgotten:
                self._forgotten.popleft()()
            while (effect := self.core.next_effect()) is not None:
                self._carry_out(effect)
            self._arm_timer()
        except Exception as error:  # noqa: BLE001 - whatever it is, nobody may hang
            self.fail(error)
        finally:
            self._is_pumping = False
        self.progress.wake_all()

    # What links tell.

    def accepted(self, connection: DriverLink) -> LinkId | None:
        """Somebody connected; returns the link's name, None if it is not wanted."""
        if self.state is not DriverState.RUNNING:
            return None
        try:
            link = self.core.handle_accepted(self.now())
        except Exception as error:  # noqa: BLE001 - whatever it is, nobody may hang
            self.fail(error)
            return None
        self.connections.add(link, connection)
        self.pump()
        return link

    def connected(self, link: LinkId) -> None:
        """A connection that was asked for stands."""
        if not self.is_over:
            self._tell(self.core.handle_connected, link, self.now())

    def connect_failed(self, link: LinkId, reason: str) -> None:
        """A connection that was asked for did not come to stand."""
        if not self.is_over:
            self._tell(self.core.handle_connect_failed, link, reason, self.now())

    def received(self, link: LinkId, data: bytes) -> None:
        """Bytes have arrived."""
        if not self.is_over:
            self._tell(self.core.handle_data, link, data, self.now())

    def write_blocked(self, link: LinkId) -> None:
        """The connection takes no more bytes for now."""
        if not self.is_over:
            self.core.handle_write_blocked(link)

    def write_resumed(self, link: LinkId) -> None:
        """The connection takes bytes again."""
        if not self.is_over:
            self._tell(self.core.handle_write_resumed, link)

    def closed(self, link: LinkId, reason: str) -> None:
        """The connection is gone, or will be in a moment."""
        if not self.is_over:
            self._tell(self.core.handle_closed, link, self.now(), reason)

    def forget_link(self, link: LinkId) -> None:
        """The connection is gone, or belongs to the application."""
        self.connections.forget(link)
        self.progress.wake_all()

    def _tell(self, fact: Callable[..., None], *args: Any) -> None:
        try:
            fact(*args)
        except Exception as error:  # noqa: BLE001 - whatever it is, nobody may hang
            self.fail(error)
        self.pump()

    def _carry_out(self, effect: Effect) -> None:
        match effect:
            case Transmit(link, buffers):
                self.connections.write(link, buffers)
            case Readable() | Writable() | Opened() | Failed() | Delivered():
                self._wake_handle(effect)
            case Connect() | Close() | Abort():
                self._connect_or_close(effect)
            case StreamOpened(link, _, _, received):
                self.raw.opened(effect, self.connections.hand_over(link, received))
            case StreamFailed():
                self.raw.failed(effect)
            case PeerMet():
                self.met.wake_all()
            case BatchesWithheld() | BatchesSettled():
                self._judge_batches(effect)
            case EventOccurred(event):
                self.chronicle.tell(event)
            case _:
                assert_never(effect)

    def _wake_handle(
        self, effect: Readable | Writable | Opened | Failed | Delivered
    ) -> None:
        port = self.handles.get(effect.handle)
        if isinstance(effect, Delivered) and isinstance(port, SendingPort):
            port.delivered()
        elif port is not None:
            port.wake()

    def _judge_batches(self, effect: BatchesWithheld | BatchesSettled) -> None:
        for port in list(self.handles.values()):
            if not isinstance(port, ReceivingPort):
                continue
            if isinstance(effect, BatchesWithheld):
                port.withhold(effect)
            else:
                port.settle(effect)

    def _connect_or_close(self, effect: Connect | Close | Abort) -> None:
        match effect:
            case Connect(link, address):
                self.connections.dial(link, address)
            case Close(link):
                self.connections.close(link)
            case Abort(link):
                self.connections.abort(link)

    def _arm_timer(self) -> None:
        due = self.core.next_timeout()
        if due is None:
            return
        timer = self._timer
        if timer is not None:
            if timer.when() <= due[0]:
                # A call that comes too early is harmless, and cheaper than a timer.
                return
            timer.cancel()
        assert self._loop is not None
        self._timer = self._loop.call_at(due[0], self._on_time)

    def _on_time(self) -> None:
        self._timer = None
        self._tell(self.core.handle_timeout, self.now())

    def _kill(self, core: DeadCore) -> None:
        self._dead = core
        self.core = cast("SwitchboardCore", core)
        for port in list(self.handles.values()):
            port.kill(core)

    def _end(self, state: DriverState) -> None:
        self.state = state
        if self._timer is not None:
            self._timer.cancel()
        for port in list(self.handles.values()):
            port.wake()
        self.met.wake_all()
        self.progress.wake_all()
        self.raw.end()
        self.chronicle.end()
