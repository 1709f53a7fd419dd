"""`NodeLink`: what stands between a core and one simulated connection.

It does what the links of `comm.net` do with a transport of asyncio: it buffers what
the kernel does not take, tells the core when that is too much, and closes in order.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from zlib import crc32

from comm.effects import LinkId
from comm.sim.network import Attempt, Endpoint
from comm.sim.world import SECOND


if TYPE_CHECKING:
    from comm.sim.machine.driver import Driver


__all__ = ["NodeLink"]

_LINGER_NS = SECOND
"""How long a link that is closed waits for the other side to close as well."""


class NodeLink:
    """One connection of a node.

    Args:
        node: The node.
        link: Its name in the core.

    Attributes:
        attempt: The attempt to make it, if it is our own.
        begun_s: When it was begun, by the host's clock.
        heard_s: When bytes came last, or else when it was begun.
        received_bytes: How many bytes have come.
        excess_bytes: How many bytes the core wrote although it had been stopped.
    """

    __slots__ = (
        "_endpoint",
        "_is_blocked",
        "_is_over",
        "_is_shut",
        "_node",
        "_pending",
        "attempt",
        "begun_s",
        "excess_bytes",
        "heard_s",
        "link",
        "received_bytes",
    )

    def __init__(self, node: Driver, link: LinkId) -> None:
        self.link = link
        self.attempt: Attempt | None = None
        self.begun_s = self.heard_s = node.now_s
        self.received_bytes = 0
        self.excess_bytes = 0
        self._node = node
        self._endpoint: Endpoint | None = None
        # What the kernel has not taken yet.
        self._pending = b""
        self._is_blocked = False
        # Whether the core has nothing to do with it any more.
        self._is_over = False
        self._is_shut = False

    @property
    def endpoint(self) -> Endpoint | None:
        """Its connection; None as long as there is none."""
        return self._endpoint

    @property
    def is_known(self) -> bool:
        """Whether the core knows it still."""
        return not self._is_over

    @property
    def held_bytes(self) -> int:
        """What waits to be taken by the kernel."""
        return len(self._pending)

    def adopt(self, endpoint: Endpoint) -> None:
        """The connection stands."""
        self._endpoint = endpoint
        endpoint.owner = self
        if endpoint.is_readable:
            endpoint.tell_readable()

    # What the network tells, as the dialler and the owner of an endpoint.

    def connected(self, endpoint: Endpoint) -> None:
        """A connection that the core asked for stands."""
        self.adopt(endpoint)
        node, link = self._node, self.link
        node.tell(f"connected {link}", node.core.handle_connected, link, node.now_s)

    def connect_failed(self, error: OSError) -> None:
        """A connection that the core asked for did not come to stand."""
        self._is_over = True
        self._release()
        node, link, reason = self._node, self.link, _describe(error)
        fact = node.core.handle_connect_failed
        node.tell(f"connect failed {link}", fact, link, reason, node.now_s)

    def readable(self, endpoint: Endpoint) -> None:
        """There is something to receive."""
        try:
            data = endpoint.receive(self._node.read_bytes)
        except OSError as error:
            self._lose(_describe(error))
            return
        assert data is not None
        if not data:
            self._lose("the other side closed the connection")
        elif not self._is_over:
            self._receive(data)

    def writable(self, endpoint: Endpoint) -> None:
        """The kernel takes bytes again."""
        self._flush(endpoint)
        if self._is_blocked and len(self._pending) <= self._node.high_bytes // 4:
            self._is_blocked = False
            if not self._is_over:
                node, link = self._node, self.link
                node.tell(f"writable {link}", node.core.handle_write_resumed, link)

    # What the core asks for.

    def write(self, data: bytes) -> None:
        """Writes bytes."""
        endpoint = self._endpoint
        assert endpoint is not None
        if self._is_blocked:
            self.excess_bytes += len(data)
        self._pending += data
        self._flush(endpoint)
        if not self._is_blocked and len(self._pending) > self._node.high_bytes:
            self._is_blocked = True
            self._node.core.handle_write_blocked(self.link)

    def close(self) -> None:
        """Closes once everything written has left."""
        self._give_up()
        endpoint = self._endpoint
        if endpoint is None:
            self._cut()
            return
        self._is_shut = True
        self._flush(endpoint)
        self._node.later(_LINGER_NS, self._cut)

    def abort(self) -> None:
        """Closes at once, or stops making the connection."""
        self._give_up()
        self._cut()

    # The rest.

    def _receive(self, data: bytes) -> None:
        node, link = self._node, self.link
        cluster = node.cluster
        is_cut = False
        if cluster.partings:
            self._look_for_late_bytes()
        if cluster.tampering:
            data, is_cut = self._tamper(data)
        if data:
            self.received_bytes += len(data)
            self.heard_s = now_s = node.now_s
            text = f"data {link} {len(data)} {crc32(data):x}"
            node.tell(text, node.core.handle_data, link, data, now_s)
        if is_cut:
            self._sever()

    def _look_for_late_bytes(self) -> None:
        endpoint, node = self._endpoint, self._node
        assert endpoint is not None
        late_ns = node.cluster.partings.late_ns(endpoint)
        if late_ns is not None:
            node.watcher.heard_late(node.index, endpoint.far.host.index, late_ns)

    def _tamper(self, data: bytes) -> tuple[bytes, bool]:
        """Lets the world do to the bytes what it will, the last of them included."""
        endpoint, node = self._endpoint, self._node
        assert endpoint is not None
        source = endpoint.far.host.index
        cluster = node.cluster
        kept, is_cut = cluster.tampering.apply(
            source, node.index, data, self.received_bytes
        )
        if is_cut:
            # Whatever armed it may be over long since.
            cluster.disturbances.strike([(source, node.index)])
        return kept, is_cut

    def _sever(self) -> None:
        """The connection is reset here, in the middle of what has arrived."""
        endpoint = self._endpoint
        assert endpoint is not None
        self._node.cluster.world.after(0, endpoint.far.handle_reset)
        self._lose("connection reset by peer")

    def _flush(self, endpoint: Endpoint) -> None:
        try:
            if self._pending:
                sent = endpoint.send(self._pending)
                self._pending = self._pending[sent:]
            if self._is_shut and not self._pending:
                endpoint.shut()
        except OSError:
            # The reader learns of it, too, and says so.
            self._pending = b""

    def _lose(self, reason: str) -> None:
        """The other side will not write any more."""
        if not self._is_over:
            self._give_up()
            node, link = self._node, self.link
            closed = node.core.handle_closed
            node.tell(f"closed {link} {reason}", closed, link, node.now_s, reason)
        if self._pending:
            # What the core wrote before it knew still goes out, if it can.
            self._is_shut = True
            self._node.later(_LINGER_NS, self._cut)
        else:
            self._cut()

    def _cut(self) -> None:
        self._pending = b""
        if self.attempt is not None:
            self.attempt.cancel()
        if self._endpoint is not None:
            self._endpoint.close()
        self._release()

    def _give_up(self) -> None:
        self._is_over = True
        if self._endpoint is not None:
            self._node.cluster.partings.part(self._endpoint)

    def _release(self) -> None:
        self._node.forget(self)


def _describe(error: OSError) -> str:
    return str(error.strerror).lower()
