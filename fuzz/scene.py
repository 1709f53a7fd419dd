"""`Scene`: a node that is attacked, while a friend keeps sending to it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress

from comm.broadcast import Token
from comm.effects import LinkId
from comm.errors import BrokenError, EndOfChannel, Error, WouldBlock
from comm.link.state import LinkState
from comm.mpsc import ItemKind, ReceiverCore
from comm.statistics import PeerInfo
from fuzz.bench import CONFIG, Bench, make_core


__all__ = ["FRIEND", "HOSTILE", "KIND", "NEWS", "TARGET", "Scene"]

TARGET, HOSTILE, FRIEND = 0, 1, 2

KIND = ItemKind("msgpack", "bytes")
NEWS: Token[bytes] = Token("news")

_CONTROL_BYTES_MAX = 4096
_HEADER_BYTES = 21
_ITEM_BYTES = 8

_PATIENCE_S = 10.0
"""Longer than it takes to find that an impostor is silent, and to try again."""


class Scene(Bench):
    """Node 0, which has a receiver and a broadcast, and others.

    Whoever claims to be node 1 may be there, or be played by the test. The entropy is
    always the same, so that what was once said to node 0 makes sense to it again.

    Args:
        nodes: Who is there.
    """

    def __init__(self, nodes: Iterable[int]) -> None:
        super().__init__(nodes)
        self.core = self.cores[TARGET]
        self.sender, self.receiver = self.core.open_mpsc(KIND)
        self._heard = self.core.open_broadcast_receiver(NEWS, KIND)
        self._sent = 0

    def begin(self) -> None:
        """Node 0 sends to node 1, too, and to all."""
        sender, _ = make_core(HOSTILE).open_mpsc(KIND)
        self.producer = self.core.connect(sender, KIND, self.now)
        self._other = self.core.clone(self.producer, self.now)
        self._news = self.core.open_broadcast_sender(NEWS, KIND, self.now)
        self.settle()

    def talk(self) -> None:
        """Node 0 sends something to node 1, if that lets it."""
        for end in (self.producer, self._other, self._news):
            with suppress(Error):
                end.send(bytes(170))
        self.settle()

    def befriend(self) -> None:
        """Node 2 connects to the receiver of node 0."""
        friend = self.cores[FRIEND]
        self._friend = friend.connect(self.sender, KIND, self.now)
        friend.open_broadcast_receiver(NEWS, KIND)
        self.settle()
        assert self._friend.is_open

    def take(self) -> bytes:
        """Takes all that there is, and returns what came of the friend."""
        receivers = (self.receiver, self._heard)
        return b"".join(data for each in receivers for data in _taken(each))

    def is_let_in(self, link: LinkId) -> bool:
        """Whether somebody was let in over a connection, and still is."""
        known = self.core._links.get(link)
        return known is not None and known.state is LinkState.ESTABLISHED

    def check(self) -> None:
        """The friend is served, node 0 is sound, and it holds no more than it may."""
        data = self._sent.to_bytes(_ITEM_BYTES, "big")
        self._sent += 1
        with suppress(Error):
            self._friend.send(data)
            self.settle()
        assert self.take() == data, "the friend's item did not come"
        assert self._known(FRIEND).is_up, "the friend's link was lost"
        self.core.check_invariants()
        self._check_links()
        self._check_receivers()

    def check_end(self) -> None:
        """Whoever was not let in is gone when the time for it is over; whoever should
        be is let in."""
        self.wait(CONFIG.handshake_timeout_s + 0.01)
        assert self.core.statistics().half_open == 0
        self.check()
        self._check_return()

    def _check_return(self) -> None:
        """The real node 1 is let in when it comes, and gets what is sent to it."""
        real = self.cores[HOSTILE] = make_core(HOSTILE, "real")
        real.dial_all(self.now)
        self.wait(_PATIENCE_S)
        assert self._known(HOSTILE).is_up, self.core.missing()
        assert self._known(HOSTILE).incarnation == real.incarnation
        sender, receiver = real.open_mpsc(KIND)
        producer = self.core.connect(sender, KIND, self.now)
        self.settle()
        producer.send(b"welcome")
        self.settle()
        assert receiver.take().payload == b"welcome"
        self.check()

    def _known(self, node: int) -> PeerInfo:
        peer = self.core.peer(node)
        assert peer is not None
        return peer

    def _check_links(self) -> None:
        links = self.core._links.all()
        assert self.core.statistics().half_open <= CONFIG.half_open_max
        # One session and one attempt to dial for each other node.
        assert len(links) <= CONFIG.half_open_max + 2 * (self.core.size - 1)
        frame_max = max(CONFIG.chunk_bytes, _CONTROL_BYTES_MAX) + _HEADER_BYTES
        for link in links:
            is_in = link.state is LinkState.ESTABLISHED
            limit = frame_max if is_in else CONFIG.handshake_bytes_max
            assert link.statistics().buffered_bytes <= limit, link.state

    def _check_receivers(self) -> None:
        limit = CONFIG.window_bytes + CONFIG.message_bytes_max
        for receiver in (self.receiver, self._heard):
            for inlet in receiver.inlets:
                assert inlet.buffered_bytes <= limit


def _taken(receiver: ReceiverCore) -> Iterator[bytes]:
    while True:
        try:
            batch = receiver.take()
        except BrokenError:
            continue  # Some producer is gone.
        except (WouldBlock, EndOfChannel):
            return
        if batch.node_id == FRIEND:
            yield batch.payload
