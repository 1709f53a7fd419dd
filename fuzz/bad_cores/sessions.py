"""Mistakes of the session: numbers, acknowledgement, replay and what follows a cut."""

from __future__ import annotations

from comm.peer.succession import Succession
from comm.session.replay import ReplayBuffer
from comm.session.session import Session
from comm.session.streams import Streams
from fuzz.bad_cores.variant import BadCore, Edit


__all__ = ["SESSIONS"]

SESSIONS = (
    BadCore(
        "ack-too-early",
        "G2",
        "A producer is told that its frame has arrived as soon as it is sent.",
        (
            Edit(
                ReplayBuffer,
                "number",
                "frame = SentFrame(sequence, kind, header, payload, origin, items)",
                "frame = SentFrame(sequence, kind, header, payload, None, items)\n"
                "    if origin is not None:\n"
                "        origin.handle_acknowledged(kind, items)",
            ),
        ),
    ),
    BadCore(
        "sent-counts-as-arrived",
        "G1",
        "A new link begins behind what was sent, not behind what has arrived.",
        (
            Edit(
                Session,
                "link_up",
                "acknowledge(min(received, self._replay.last_sequence))",
                "acknowledge(self._replay.last_sequence)",
            ),
        ),
    ),
    BadCore(
        "dedupe-dropped",
        "G1",
        "All that is not acknowledged is sent again, and taken again.",
        (
            Edit(
                Session,
                "link_up",
                "    self._replay.acknowledge(min(received, "
                "self._replay.last_sequence))\n",
                "",
            ),
            Edit(
                Session,
                "handle_frame",
                "if frame.sequence <= self._received:\n"
                "        self._duplicates += 1\n"
                "        return\n"
                "    if frame.sequence != self._received + 1:",
                "if frame.sequence > self._received + 1:",
            ),
        ),
    ),
    BadCore(
        "replay-skips-first",
        "G1",
        "The first of the frames that are sent again is left out.",
        (
            Edit(
                ReplayBuffer,
                "next_replay",
                "if frame.sequence > self.acknowledged:",
                "if frame.sequence > self.acknowledged + 1:",
            ),
        ),
    ),
    BadCore(
        "replay-overtaken",
        "G1",
        "What receivers say goes out ahead of the frames that are sent again.",
        (
            Edit(
                Session,
                "_next_sent",
                "frame = self._replay.next_replay()\n"
                "    if frame is not None:\n"
                "        return frame\n"
                "    if self._posts:\n"
                "        return self._replay.number(*self._posts.popleft())",
                "if self._posts:\n"
                "        return self._replay.number(*self._posts.popleft())\n"
                "    frame = self._replay.next_replay()\n"
                "    if frame is not None:\n"
                "        return frame",
            ),
        ),
    ),
    BadCore(
        "posts-need-a-link",
        "G1",
        "What receivers have to say while there is no link is not kept for the next.",
        (
            Edit(
                Session,
                "post",
                "if self.state is not SessionState.LOST:",
                "if self.state is SessionState.UP:",
            ),
        ),
    ),
    BadCore(
        "wrong-received",
        "G1",
        "The number of the next frame is said where that of the last one is meant.",
        (
            Edit(
                Succession,
                "say",
                "received=session.received",
                "received=session.received + 1",
            ),
        ),
    ),
    BadCore(
        "own-received",
        "G1",
        "A node says what it has sent where it is to say what it has received.",
        (
            Edit(
                Succession,
                "say",
                "received=session.received",
                "received=session._replay.last_sequence",
            ),
        ),
    ),
    BadCore(
        "generation-stands-still",
        "G2",
        "A session that was given up is followed by one of the same generation.",
        (
            Edit(
                Succession,
                "declare_lost",
                "self.generation += 1",
                "self.generation += 0",
            ),
        ),
    ),
    BadCore(
        "stale-incarnation-accepted",
        "G3",
        "A restarted node goes on with the session of the process before.",
        (
            Edit(
                Succession,
                "adopt",
                "session.is_bound and hello.incarnation != session.peer_incarnation",
                "session.is_bound and hello.generation < session.peer_generation",
            ),
        ),
    ),
    BadCore(
        "stream-number-reused",
        "G1",
        "Streams are numbered by how many there are, not how many there ever were.",
        (
            Edit(
                Streams,
                "open",
                "self._last_producer += 1",
                "self._last_producer = len(self.producers) + 1",
            ),
        ),
    ),
    BadCore(
        "moved-producer-silent",
        "G1",
        "A producer that moves to the next session does not ask there to be taken.",
        (
            Edit(
                Streams,
                "adopt",
                "producer.rehome(self._carrier, self._last_producer)",
                "producer._carrier = self._carrier\n"
                "            producer.stream = self._last_producer",
            ),
        ),
    ),
)
"""The mistakes."""
