"""Scripts of socket operations, and how one is played on whatever sockets there are."""

from __future__ import annotations

from dataclasses import dataclass
import errno
from typing import Protocol


BLOCK = 4_096
"""How much a flood sends at a time."""

End = tuple[int, bool]
"""One end: the number of its connection, and whether it is the accepted one."""

NO_END: End = (-1, False)

Outcome = int | str


@dataclass(frozen=True, slots=True)
class Step:
    """One operation, and what it is applied to."""

    verb: str
    end: End = NO_END
    count: int = 0

    def __str__(self) -> str:
        side = "server" if self.end[1] else "client"
        where = "" if self.end == NO_END else f" {side}{self.end[0]}"
        return f"{self.verb}{where}" + (f" {self.count}" if self.count else "")


@dataclass(frozen=True, slots=True)
class Script:
    """What is done to a listener of that backlog, and to connections with it."""

    backlog: int
    steps: list[Step]

    @property
    def floods(self) -> bool:
        """Whether it fills buffers."""
        return any(step.verb.startswith("flood") for step in self.steps)


class Sockets(Protocol):
    """A listener and connections to it, simulated or real.

    Everything returns at once. What would have to wait raises `BlockingIOError`.
    """

    def connect(self, connection: int) -> None: ...
    def connect_to_nobody(self) -> None: ...
    def connect_in_vain(self) -> None: ...
    def accept(self) -> int: ...
    def unlisten(self) -> None: ...
    def send(self, end: End, data: bytes) -> int: ...
    def receive(self, end: End, limit: int) -> bytes: ...
    def shut(self, end: End) -> None: ...
    def close(self, end: End) -> None: ...
    def abort(self, end: End) -> None: ...
    def settle(self) -> None: ...
    def wait_for_bytes(self, end: End) -> None: ...
    def wait_for_room(self, end: End) -> None: ...


class Player:
    """Plays a script.

    Args:
        sockets: On what.

    Attributes:
        outcomes: The steps that were made, and what each of them gave.
    """

    def __init__(self, sockets: Sockets) -> None:
        self.outcomes: list[tuple[str, Outcome]] = []
        self._sockets = sockets
        self._sent: dict[End, int] = {}
        self._received: dict[End, int] = {}

    def play(self, script: Script) -> list[tuple[str, Outcome]]:
        for step in script.steps:
            self.outcomes.append((str(step), self._outcome(step)))
        return self.outcomes

    def _outcome(self, step: Step) -> Outcome:
        try:
            return self._do(step)
        except BlockingIOError:
            return "nothing yet"
        except OSError as error:
            return errno.errorcode[error.errno or 0]

    def _do(self, step: Step) -> Outcome:
        sockets, end = self._sockets, step.end
        match step.verb:
            case "accept":
                return sockets.accept()
            case "send":
                return self._send(end, step.count)
            case "receive":
                return self._receive(end, step.count)
            case "connect":
                sockets.connect(end[0])
            case "connect to nobody":
                sockets.connect_to_nobody()
            case "connect in vain":
                sockets.connect_in_vain()
            case "unlisten":
                sockets.unlisten()
            case "settle":
                sockets.settle()
            case "shut" | "close" | "abort":
                self._end(end, step.verb)
            case _:
                self._flood(end, step.verb)
        return "done"

    def _end(self, end: End, verb: str) -> None:
        sockets = self._sockets
        ways = {"shut": sockets.shut, "close": sockets.close, "abort": sockets.abort}
        ways[verb](end)

    def _send(self, end: End, size: int) -> int:
        offset = self._sent.get(end, 0)
        taken = self._sockets.send(end, content(end, offset, size))
        self._sent[end] = offset + taken
        return taken

    def _receive(self, end: End, limit: int) -> str:
        data = self._sockets.receive(end, limit)
        if not data:
            return "the end"
        offset = self._received.get(end, 0)
        assert data == content(far(end), offset, len(data)), "not what was sent"
        self._received[end] = offset + len(data)
        return f"{len(data)} bytes"

    def _flood(self, end: End, verb: str) -> None:
        """Sends until nothing more is taken; then perhaps ends that direction, and has
        the other end receive everything, or close without having received anything."""
        first = self._sent.get(end, 0)
        self._fill(end)
        # Kernels differ in how much they take.
        size, self._sent[end] = self._sent[end] - first, first
        if verb == "flood and leave":
            self._sockets.close(far(end))
            return
        if verb != "flood":
            self._end(end, verb.removeprefix("flood and "))
        data = bytearray()
        while len(data) < size:
            try:
                data += self._sockets.receive(far(end), size)
            except BlockingIOError:
                self._sockets.wait_for_bytes(far(end))
        assert data == content(end, first, size), "not what was sent"

    def _fill(self, end: End) -> None:
        has_waited = False
        while True:
            try:
                self._send(end, BLOCK)
                has_waited = False
            except BlockingIOError:
                if has_waited:
                    return
                has_waited = True
                self._sockets.wait_for_room(end)


def far(end: End) -> End:
    """Returns the other end."""
    return (end[0], not end[1])


def content(end: End, offset: int, size: int) -> bytes:
    """Returns what an end sends at that place: no two places look alike."""
    number, is_server = end
    first = offset // 4
    words = range(first, first + size // 4 + 2)
    data = b"".join(
        (word * 16 + number * 2 + is_server).to_bytes(4, "big") for word in words
    )
    return data[offset % 4 :][:size]
