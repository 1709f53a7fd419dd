"""`Link`: one connection between two nodes, from its first byte to its last.

A link knows its state, which frames may come in it, and the bytes of a frame that
has not yet arrived in full. It does not know what the frames mean: admission is
the affair of `peer`, everything afterwards that of `session`.
"""

from __future__ import annotations

from collections.abc import Iterator

from comm.config import Config
from comm.effects import Instant, LinkId
from comm.errors import ProtocolError
from comm.link.state import LEGAL_FRAMES, TRANSITIONS, LinkEvent, LinkState
from comm.protocol import (
    PROTOCOL_MAGIC,
    Connection,
    Frame,
    Kind,
    Purpose,
    encode_frame,
)
from comm.statistics import LinkStatistics


__all__ = ["Link"]

_CONTROL_BYTES_MAX = 4096


class Link:
    """One connection.

    Args:
        link_id: Its name towards the driver.
        node_id: The node at the other end; None for an accepted link until its HELLO.
        purpose: What it is for.
        config: The limits of this node.
        now: When it was begun.
    """

    __slots__ = (
        "_connection",
        "id",
        "last_heard",
        "last_said",
        "node_id",
        "purpose",
        "received_bytes",
        "sent_bytes",
        "state",
        "write_blocked",
    )

    def __init__(
        self,
        link_id: LinkId,
        node_id: int | None,
        purpose: Purpose,
        config: Config,
        now: Instant,
    ) -> None:
        self.id = link_id
        self.node_id = node_id
        self.purpose = purpose
        accepted = node_id is None
        self.state = LinkState.AWAITING_HELLO if accepted else LinkState.CONNECTING
        self.last_heard = now
        self.last_said = now
        self.write_blocked = False
        self.received_bytes = 0
        self.sent_bytes = 0
        self._connection = Connection(
            frame_bytes_max=max(config.chunk_bytes, _CONTROL_BYTES_MAX),
            handshake_bytes_max=config.handshake_bytes_max,
        )

    def move(self, event: LinkEvent) -> None:
        """Goes to the state that the table gives."""
        self.state = TRANSITIONS[self.state][event]
        if self.state is LinkState.ESTABLISHED:
            self._connection.handshake_done()

    @property
    def is_half_open(self) -> bool:
        """Whether the other side of an accepted link has yet to be admitted."""
        return self.state in {LinkState.AWAITING_HELLO, LinkState.PROBING}

    @property
    def is_live(self) -> bool:
        """Whether frames may still come in."""
        return self.state not in {LinkState.CLOSED, LinkState.RAW}

    def frames(self, data: bytes, now: Instant) -> Iterator[Frame]:
        """Yields the frames that these bytes complete, until the link is closed.

        Raises:
            ProtocolError: If the bytes are no frame that may come in this state.
        """
        self.last_heard = now
        self.received_bytes += len(data)
        self._connection.receive_data(data)
        while self.is_live:
            frame = self._connection.next_frame()
            if frame is None:
                return
            if frame.kind not in LEGAL_FRAMES[self.state]:
                raise ProtocolError(
                    f"a frame of kind {frame.kind} came while the link was "
                    f"{self.state.value}"
                )
            yield frame

    @property
    def is_cut_short(self) -> bool:
        """Whether a frame has begun that has not yet arrived in full."""
        return self._connection.buffered_bytes > 0

    def take_rest(self) -> bytes:
        """Returns what has arrived behind the last frame."""
        return self._connection.take_rest()

    def statistics(self) -> LinkStatistics:
        """Returns a snapshot."""
        return LinkStatistics(
            state=self.state.value,
            sent_bytes=self.sent_bytes,
            received_bytes=self.received_bytes,
            buffered_bytes=self._connection.buffered_bytes,
            write_blocked=self.write_blocked,
        )

    @staticmethod
    def opening(kind: Kind, value: int, payload: bytes) -> bytes:
        """Returns our first bytes in a connection: the magic and one frame."""
        return PROTOCOL_MAGIC + encode_frame(kind, value=value, payload=payload)
