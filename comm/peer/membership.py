"""`Membership`: who belongs to the cluster, and who may therefore come in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
import hashlib
from typing import Any

from comm.address import Address, AddressLike
from comm.config import Config
from comm.errors import (
    AuthenticationFailed,
    ClusterMismatch,
    ConfigurationError,
    DuplicateNode,
    Error,
    HandshakeError,
    PeerLost,
    UsageError,
    VersionMismatch,
)
from comm.fabric import printable
from comm.mpsc.sender import ItemKind, Sender
from comm.protocol import VERSION_MAX, VERSION_MIN, Hello, Purpose, Reason
from comm.protocol.layout import NAME_BYTES_MAX
from comm.security import Security


__all__ = ["Membership", "checked_nodes"]

_NOBODY = bytes(16)


class Membership:
    """The fixed list of nodes, and this node's place in it.

    Args:
        nodes: The nodes' addresses, in the order that all of them have.
        node_id: This node's index in that list.
        cluster: The cluster's name.
        security: The name of the security mode.
        codec: The name of the default codec.
        incarnation: 16 bytes, this process.
        config: The limits of this node.
    """

    __slots__ = (
        "_config",
        "cluster",
        "codec",
        "fingerprint",
        "incarnation",
        "node_id",
        "nodes",
        "security",
    )

    def __init__(
        self,
        nodes: Sequence[Address],
        node_id: int,
        *,
        cluster: str,
        security: str,
        codec: str,
        incarnation: bytes,
        config: Config,
    ) -> None:
        self.nodes = tuple(nodes)
        self.node_id = node_id
        self.cluster = cluster
        self.security = security
        self.codec = codec
        self.incarnation = incarnation
        text = "\n".join(map(str, nodes))
        self.fingerprint = hashlib.sha256(text.encode()).digest()[:16]
        self._config = config

    def hello(
        self,
        peer_id: int,
        generation: int = 0,
        *,
        purpose: Purpose = Purpose.SESSION,
        version: tuple[int, int] = (VERSION_MIN, VERSION_MAX),
        bound_to: tuple[bytes, int] = (_NOBODY, 0),
        received: int = 0,
    ) -> Hello:
        """Returns what this node says of itself.

        Args:
            peer_id: The node it is said to.
            generation: How many sessions with that node were given up here.
            purpose: What the link is for.
            version: The oldest and the newest protocol version to offer.
            bound_to: The incarnation and generation that the session is with.
            received: The highest sequence number received in it.
        """
        return Hello(
            version_min=version[0],
            version_max=version[1],
            purpose=purpose,
            security=self.security,
            cluster=self.cluster,
            membership=self.fingerprint,
            node_id=self.node_id,
            peer_id=peer_id,
            incarnation=self.incarnation,
            generation=generation,
            peer_incarnation=bound_to[0],
            peer_generation=bound_to[1],
            received=received,
            resume_window_ms=round(self._config.resume_window_s * 1000),
            message_bytes_max=self._config.message_bytes_max,
            chunk_bytes=self._config.chunk_bytes,
            codec=self.codec,
        )

    def examine(self, payload: bytes) -> tuple[Hello | None, Reason, str]:
        """Reads what the other side says of itself, and judges it.

        The versions stand first and are judged first: another version may have
        another layout behind them.

        Returns:
            What it says, `Reason.NONE` and an empty text; or None, why it cannot be
            let in, and a text for both sides to print.

        Raises:
            ProtocolError: If it cannot be read.
        """
        oldest, newest = (*payload[:2], 0, 0)[:2]
        if oldest > VERSION_MAX or newest < VERSION_MIN:
            text = (
                f"node {self.node_id} speaks versions {VERSION_MIN} to {VERSION_MAX}, "
                f"the other side {oldest} to {newest}"
            )
            return None, Reason.VERSION, text
        hello = Hello.decode(payload)
        reason, text = self._objection(hello)
        return hello if reason is Reason.NONE else None, reason, text

    def _objection(self, hello: Hello) -> tuple[Reason, str]:
        mine = f"node {self.node_id}"
        if hello.security != self.security:
            return Reason.AUTHENTICATION, (
                f"{mine} uses security {self.security!r}, the other side "
                f"{hello.security!r}"
            )
        if hello.cluster != self.cluster:
            return Reason.CLUSTER, (
                f"{mine} belongs to {self.cluster!r}, the other side to "
                f"{hello.cluster!r}"
            )
        if hello.membership != self.fingerprint:
            return Reason.MEMBERSHIP, (
                f"{mine} has another list of nodes than the other side"
            )
        return self._misdirection(hello)

    def _misdirection(self, hello: Hello) -> tuple[Reason, str]:
        if hello.peer_id != self.node_id:
            return Reason.WRONG_NODE, (
                f"this is node {self.node_id}, not {hello.peer_id}"
            )
        if hello.node_id == self.node_id:
            return Reason.DUPLICATE_NODE, (
                f"node id {self.node_id} is this process's own"
            )
        if hello.node_id >= len(self.nodes) or hello.incarnation == _NOBODY:
            return Reason.MALFORMED, "there is no such node"
        if hello.purpose not in {Purpose.SESSION, Purpose.STREAM}:
            return Reason.MALFORMED, "the purpose of the connection is unknown"
        if not hello.chunk_bytes:
            return Reason.MALFORMED, "no item can be cut into pieces of no bytes"
        return Reason.NONE, ""

    def require_match(self, sender: Sender[Any], item: ItemKind) -> None:
        """Sees to it that a sender leads to this cluster, and takes such items.

        Raises:
            UsageError: If it does not.
        """
        if sender.cluster != self.cluster or not 0 <= sender.node_id < len(self.nodes):
            raise UsageError(
                f"the sender leads to node {sender.node_id} of {sender.cluster!r}; "
                f"this is {self.cluster!r} with {len(self.nodes)} nodes"
            )
        self.require_names(item)
        if sender.kind != item:
            raise UsageError(
                f"the receiver on node {sender.node_id} takes {sender.kind}, "
                f"but {item} was to be sent"
            )

    def require_names(self, item: ItemKind) -> None:
        """Sees to it that the names of a kind of item fit on the wire.

        Raises:
            UsageError: If one is too long to be compared there.
        """
        for name in item:
            if len(name.encode()) > NAME_BYTES_MAX:
                raise UsageError(
                    f"the item type's name {name[:60]!r}… is longer than "
                    f"{NAME_BYTES_MAX} bytes; use a dataclass with a shorter one"
                )

    def refusal(self, node_id: int, reason: int, text: str) -> Error:
        """Returns the error for a refusal by that node."""
        where = f"node {node_id} ({self.nodes[node_id]})"
        kind, advice = _REFUSALS.get(reason, (HandshakeError, "the node refused"))
        return kind(f"{where}: {advice}: {printable(text)}")


_REFUSALS: Mapping[int, tuple[type[Error], str]] = {
    Reason.VERSION: (VersionMismatch, "install versions of comm that go together"),
    Reason.AUTHENTICATION: (AuthenticationFailed, "give all nodes the same security="),
    Reason.CLUSTER: (ClusterMismatch, "give all nodes the same cluster="),
    Reason.MEMBERSHIP: (
        ClusterMismatch,
        "give all nodes the same list of addresses, in the same order",
    ),
    Reason.WRONG_NODE: (
        ClusterMismatch,
        "another node listens at that address; check the order of the addresses",
    ),
    Reason.DUPLICATE_NODE: (
        DuplicateNode,
        "another live process has this node id; stop one of them",
    ),
    Reason.BUSY: (HandshakeError, "the node was dialling us at the same time"),
    Reason.LEAVING: (PeerLost, "the node is leaving"),
}


def checked_nodes(
    nodes: Sequence[AddressLike],
    node_id: int,
    cluster: str,
    security: Security | None,
) -> tuple[Address, ...]:
    """Returns the nodes' addresses.

    Raises:
        ConfigurationError: If the cluster cannot work like this.
    """
    addresses = tuple(Address.parse(node) for node in nodes)
    if not addresses:
        raise ConfigurationError("a cluster has at least one node; nodes is empty")
    if not 0 <= node_id < len(addresses):
        raise ConfigurationError(
            f"node_id is {node_id}; there are nodes 0 to {len(addresses) - 1}"
        )
    if len(set(addresses)) < len(addresses):
        raise ConfigurationError("two nodes have the same address")
    if not cluster or len(cluster.encode()) > NAME_BYTES_MAX:
        raise ConfigurationError(
            f"the cluster's name needs 1 to {NAME_BYTES_MAX} bytes"
        )
    exposed = [str(a) for a in addresses if not a.is_loopback]
    if exposed and security is None:
        raise ConfigurationError(
            f"{exposed[0]} can be reached from other machines: say how connections "
            "are protected by security=, or security=Security.insecure() if every "
            "host in that network is trusted"
        )
    return addresses
