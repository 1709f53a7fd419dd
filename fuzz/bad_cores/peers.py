"""Mistakes about other nodes: who they are, how they are found, and how they leave."""

from __future__ import annotations

from comm.link.table import Links
from comm.peer.dialler import Dialler
from comm.peer.peer import PeerCore
from comm.peer.succession import Succession
from comm.switchboard.dispatcher import Dispatcher
from fuzz.bad_cores.variant import BadCore, Edit


__all__ = ["PEERS"]

PEERS = (
    BadCore(
        "impostor-not-questioned",
        "G18",
        "Whoever claims a node's id is let in without the incumbent being asked.",
        (
            Edit(
                PeerCore,
                "handle_hello",
                "elif not same and session.is_bound and self.link is not None:\n"
                "        self._newcomer.hold(link, hello)\n"
                "        session.probe(PROBING_PING)\n    ",
                "",
            ),
        ),
    ),
    BadCore(
        "incumbent-not-heard",
        "G18",
        "The answer of a node whose id is claimed does not turn the newcomer away.",
        (Edit(PeerCore, "handle_frame", "self._newcomer.refuse()", "pass"),),
    ),
    BadCore(
        "superseded-let-in",
        "G18",
        "A process whose place was taken is let in again, and takes it back.",
        (Edit(PeerCore, "handle_hello", "self.is_fenced(hello.incarnation) or ", ""),),
    ),
    BadCore(
        "half-open-unlimited",
        "G13",
        "Any number of connections may be in their handshake at once.",
        (
            Edit(
                Dispatcher,
                "accept",
                "len(half_open) >= self._fabric.config.half_open_max",
                "len(half_open) > 1 << 16",
            ),
        ),
    ),
    BadCore(
        "handshake-without-end",
        "G13",
        "A connection that comes in may take as long as it likes to say who it is.",
        (
            Edit(
                Links,
                "_add",
                "fabric.timers.set((",
                "node_id is None or fabric.timers.set((",
            ),
        ),
    ),
    BadCore(
        "redial-forgotten",
        "G1",
        "A connection that came to nothing is not tried again.",
        (
            Edit(
                Dialler,
                "failed",
                "    self._fabric.timers.set(self._key, self._fabric.now + pause_s)",
                "",
            ),
        ),
    ),
    BadCore(
        "redial-left-to-the-other",
        "G1",
        "A node of lower id never dials without need.",
        (
            Edit(
                Dialler,
                "want",
                "self._fabric.timers.set_default(self._key, "
                "self._fabric.now + grace_s)",
                "del grace_s",
            ),
        ),
    ),
    BadCore(
        "late-hello-revives",
        "G2",
        "A request of a session that was given up meanwhile is granted all the same.",
        (
            Edit(
                PeerCore,
                "handle_hello",
                "hello.generation < session.peer_generation",
                "hello.generation < 0",
            ),
        ),
    ),
    BadCore(
        "goodbye-not-sent",
        "G14",
        "A node that leaves closes its connections without a word.",
        (
            Edit(
                PeerCore,
                "say_goodbye",
                "buffers = [*self.session.farewell(), goodbye]",
                "del goodbye\n        buffers = self.session.farewell()",
            ),
        ),
    ),
    BadCore(
        "goodbye-not-heeded",
        "G14",
        "The session with a node that has left is kept for the case that it is back.",
        (
            Edit(
                PeerCore,
                "_handle_goodbye",
                "    self._succession.give_up("
                'PeerLost(f"{self.name}: the node left ({text})"))\n',
                "",
            ),
        ),
    ),
    BadCore(
        "timers-outlive-session",
        "G14",
        "The timers of a session that is over go on.",
        (
            Edit(
                Succession,
                "give_up",
                'for name in ("loss", "fence"):',
                'for name in ("loss",):',
            ),
        ),
    ),
    BadCore(
        "newcomer-outlives-peer",
        "G14",
        "Who is being asked about goes on waiting when the node leaves.",
        (Edit(PeerCore, "say_goodbye", "self._newcomer.release()", "pass"),),
    ),
)
"""The mistakes."""
