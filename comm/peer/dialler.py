"""`Dialler`: gets a link to one node, for as long as one is wanted."""

from __future__ import annotations

from comm.address import Address
from comm.fabric import Fabric
from comm.link.link import Link
from comm.link.state import LinkState
from comm.link.table import Links
from comm.peer.turns import Turns
from comm.protocol import Purpose
from comm.util import Backoff


__all__ = ["Dialler"]


class Dialler:
    """Connects to a node, and again after a pause where that fails.

    Args:
        fabric: What the switchboard's parts share.
        links: The switchboard's connections.
        turns: Who may make connections when.
        node_id: The node.
        address: Where it listens.
    """

    __slots__ = (
        "_address",
        "_backoff",
        "_fabric",
        "_is_wanted",
        "_key",
        "_links",
        "_turns",
        "link",
        "node_id",
    )

    def __init__(
        self,
        fabric: Fabric,
        links: Links,
        turns: Turns,
        *,
        node_id: int,
        address: Address,
    ) -> None:
        self.node_id = node_id
        self.link: Link | None = None
        self._fabric = fabric
        self._links = links
        self._turns = turns
        self._address = address
        self._backoff = Backoff(*fabric.config.connect_backoff_s)
        self._is_wanted = False
        self._key = ("dial", node_id)

    @property
    def wins(self) -> bool:
        """Whether our connection counts where both sides dialled at once.

        It does if it stands and our id is the higher one: both sides know that.
        """
        return (
            self.link is not None
            and self.link.state is LinkState.AWAITING_WELCOME
            and self._is_first
        )

    def want(self, *, urgent: bool) -> None:
        """Sees to it that a link comes to stand; there must be none.

        Where nothing is urgent, the node with the higher id dials at once and the
        other one after a moment, so that most pairs need only one connection.
        """
        self._is_wanted = True
        if self.link is not None:
            return
        if urgent or self._is_first:
            self.dial(urgent=urgent)
        elif not self._turns.is_waiting(self.node_id):
            grace_s = self._fabric.config.connect_backoff_s[0]
            self._fabric.timers.set_default(self._key, self._fabric.now + grace_s)

    def dial(self, *, urgent: bool = False) -> None:
        """Connects, as soon as it is our turn."""
        self._fabric.timers.cancel(self._key)
        self._turns.ask(self, urgent=urgent)

    def call(self) -> None:
        """Connects now."""
        self.link = self._links.dial(self.node_id, self._address, Purpose.SESSION)

    def failed(self) -> None:
        """The connection came to nothing; the next attempt follows after a pause."""
        self.link = None
        self._turns.leave(self.node_id)
        pause_s = self._backoff.next_pause_s(self._fabric.jitter())
        self._fabric.timers.set(self._key, self._fabric.now + pause_s)

    def succeeded(self) -> None:
        """A link stands; another one will be wanted once it is gone."""
        self.link = None
        self._turns.leave(self.node_id)
        self._is_wanted = True
        self._fabric.timers.cancel(self._key)

    def lasted(self) -> None:
        """The link has lasted: the next outage is a new one."""
        self._backoff.reset()

    def stop(self) -> None:
        """Gives up the connection that is being made."""
        self._fabric.timers.cancel(self._key)
        if self.link is not None:
            self._links.abort(self.link)
            self.link = None
        self._turns.leave(self.node_id)

    def retire(self) -> None:
        """Wants no link any more."""
        self._is_wanted = False
        self.stop()

    def check_invariants(self, *, is_up: bool) -> None:
        """Asserts what must hold between any two calls."""
        is_waiting = self._key in self._fabric.timers or self._turns.is_waiting(
            self.node_id
        )
        assert not (is_up and (self.link or is_waiting))
        assert is_up or not self._is_wanted or self.link or is_waiting
        assert not (self.link and is_waiting)

    @property
    def _is_first(self) -> bool:
        return self._fabric.node_id > self.node_id
