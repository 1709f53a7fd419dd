"""`Chronicle`: what a switchboard tells about its peers, as streams and in the log."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Self, assert_never
import weakref

from comm.errors import WouldBlock
from comm.events import (
    Event,
    LossReport,
    PeerDown,
    PeerRestarted,
    PeerUp,
    ProducerGone,
)
from comm.net.log import QuietLog, short_id
from comm.net.waiting import Line


__all__ = ["Chronicle", "EventStream"]

_EVENTS_MAX = 10_000


class EventStream:
    """The events from the moment it was made, in order, until the switchboard closes.

    Each stream gets every event. One that is not read keeps the newest 10,000; what
    it had to drop is counted here and logged.

    Attributes:
        dropped: How many of the oldest events were dropped.
    """

    __slots__ = ("__weakref__", "_events", "_is_ended", "_line", "dropped")

    def __init__(self) -> None:
        self.dropped = 0
        self._events: deque[Event] = deque()
        self._line = Line()
        self._is_ended = False

    def put(self, event: Event) -> bool:
        """Adds an event; returns whether an older one had to be dropped for it."""
        is_full = len(self._events) >= _EVENTS_MAX
        if is_full:
            self._events.popleft()
            self.dropped += 1
        self._events.append(event)
        self._line.wake()
        return is_full

    def end(self) -> None:
        """Lets the stream end after what it holds."""
        self._is_ended = True
        self._line.wake()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Event:
        """Waits for the next event; cancellation leaves it to the next call."""
        if not self._line.length:
            try:
                return self._next()
            except WouldBlock:
                pass
        return await self._line.until(self._next)

    def _next(self) -> Event:
        if self._events:
            return self._events.popleft()
        if self._is_ended:
            raise StopAsyncIteration
        raise WouldBlock("nothing has happened")


class Chronicle:
    """Hands each event to every stream, and logs it.

    Args:
        node_id: This node.
        clock: Returns the time in seconds.
    """

    def __init__(self, node_id: int, clock: Callable[[], float]) -> None:
        self.log = QuietLog("comm.net", clock)
        self._node_id = node_id
        # By number, so that events are given out in the order of subscription.
        self._streams: weakref.WeakValueDictionary[int, EventStream] = (
            weakref.WeakValueDictionary()
        )
        self._count = 0
        self._is_ended = False

    def subscribe(self) -> EventStream:
        """Returns a stream of all events from now on."""
        stream = EventStream()
        self._count += 1
        self._streams[self._count] = stream
        if self._is_ended:
            stream.end()
        return stream

    def tell(self, event: Event) -> None:
        """Takes note of an event."""
        self._write(event)
        for stream in list(self._streams.values()):
            if stream.put(event):
                self.log.caution(
                    "events",
                    f"node {self._node_id}: a reader of events() is {_EVENTS_MAX} "
                    "events behind; the oldest are dropped",
                )

    def end(self) -> None:
        """Lets every stream end after what it holds."""
        self._is_ended = True
        for stream in list(self._streams.values()):
            stream.end()

    def _write(self, event: Event) -> None:
        kind = f"{type(event).__name__} {event.node_id}"
        text = f"node {self._node_id}: {_describe(event)}"
        if isinstance(event, PeerUp | PeerDown):
            self.log.notice(kind, text)
        else:
            self.log.caution(kind, text)


def _describe(event: Event) -> str:
    match event:
        case PeerUp(peer, _, resumed):
            how = "resumed" if resumed else "new"
            return f"node {peer} is up ({how} session)"
        case PeerDown(peer, reason):
            return f"node {peer} is down: {reason}"
        case PeerRestarted(peer):
            return f"node {peer} has restarted"
        case LossReport(peer, channel, first, count, reason):
            return (
                f"channel {short_id(channel)} with node {peer} lost {count} items from "
                f"number {first} on: {reason}"
            )
        case ProducerGone(peer, channel, received, reason):
            return (
                f"channel {short_id(channel)}: a producer of node {peer} is gone "
                f"after {received} items: {reason}"
            )
        case _:
            assert_never(event)
