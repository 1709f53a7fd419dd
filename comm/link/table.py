"""`Links`: the connections of one switchboard, by their names towards the driver."""

from __future__ import annotations

from comm.address import Address
from comm.effects import Abort, Close, Connect, LinkId, Transmit
from comm.fabric import Fabric
from comm.link.link import Link
from comm.link.state import LinkEvent
from comm.marks import Mark, reached
from comm.protocol import Kind, Purpose, Reason, ReasonBody


__all__ = ["Links"]


class Links:
    """Begins and ends connections, and limits how long they may be half open.

    Args:
        fabric: What the switchboard's parts share.
    """

    __slots__ = ("_fabric", "_half_open", "_links")

    def __init__(self, fabric: Fabric) -> None:
        self._fabric = fabric
        self._links: dict[LinkId, Link] = {}
        # Kept apart, because each connection that comes in asks how many there are.
        self._half_open: dict[LinkId, Link] = {}

    @property
    def half_open(self) -> tuple[Link, ...]:
        """The accepted connections that have not been admitted, the oldest first."""
        return tuple(self._half_open.values())

    def get(self, link_id: LinkId) -> Link | None:
        """Returns a link, or None if it was forgotten."""
        return self._links.get(link_id)

    def all(self) -> tuple[Link, ...]:
        """Returns the links, the oldest first."""
        return tuple(self._links.values())

    def dial(self, node_id: int, address: Address, purpose: Purpose) -> Link:
        """Begins a connection to a node."""
        link = self._add(node_id, purpose)
        self._fabric.emit(Connect(link.id, address))
        return link

    def accept(self) -> Link:
        """Takes a connection that somebody made to this node."""
        link = self._add(None, Purpose.SESSION)
        self._half_open[link.id] = link
        return link

    def admit(self, link: Link) -> None:
        """Lets the other side of an accepted link in."""
        link.move(LinkEvent.ADMITTED)
        del self._half_open[link.id]

    def forget(self, link: Link) -> None:
        """Forgets a link that is closed, or belongs to the application now."""
        if link.is_cut_short:
            reached(Mark.HALF_FRAME)
        del self._links[link.id]
        self._half_open.pop(link.id, None)
        self._fabric.timers.cancel(("handshake", link.id))

    def abort(self, link: Link) -> None:
        """Closes a link at once."""
        self._end(link)
        self._fabric.emit(Abort(link.id))

    def close(self, link: Link) -> None:
        """Closes a link once all that was transmitted is written."""
        self._end(link)
        self._fabric.emit(Close(link.id))

    def refuse(self, link: Link, reason: Reason, text: str) -> None:
        """Closes an accepted link, and says why."""
        reached(Mark.BOTH_DIALLED if reason is Reason.BUSY else Mark.REFUSED)
        self._fabric.refused += 1
        self.transmit_opening(link, Kind.REFUSAL, reason, ReasonBody(text).encode())
        self.close(link)

    def transmit_opening(
        self, link: Link, kind: Kind, value: int, payload: bytes
    ) -> None:
        """Sends this side's first bytes of the connection."""
        data = Link.opening(kind, value, payload)
        link.sent_bytes += len(data)
        self._fabric.emit(Transmit(link.id, [data]))

    def check_invariants(self) -> None:
        """Asserts what must hold between any two calls."""
        for link_id, link in self._links.items():
            assert link.id == link_id
            assert link.is_live
            assert link.is_half_open == (link_id in self._half_open)
        assert self._half_open.keys() <= self._links.keys()

    def _add(self, node_id: int | None, purpose: Purpose) -> Link:
        fabric = self._fabric
        link = Link(fabric.next_id(), node_id, purpose, fabric.config, fabric.now)
        self._links[link.id] = link
        deadline = fabric.now + fabric.config.handshake_timeout_s
        fabric.timers.set(("handshake", link.id), deadline)
        return link

    def _end(self, link: Link) -> None:
        link.move(LinkEvent.ENDED)
        self.forget(link)
