"""Mistakes of flow: credit, chunks, memory, turns and heartbeats."""

from __future__ import annotations

from comm.link.heartbeat import Heartbeat
from comm.link.link import Link
from comm.mpsc.inlet import Inlet
from comm.mpsc.item_queue import ItemQueue
from comm.mpsc.producer import ProducerCore
from comm.mpsc.receiver import ReceiverCore
from comm.switchboard.core import SwitchboardCore
from fuzz.bad_cores.variant import BadCore, Edit


__all__ = ["FLOW"]

FLOW = (
    BadCore(
        "credit-returned-twice",
        "G7",
        "Credit of a large item is returned as its parts come, and when it is taken.",
        (
            Edit(
                Inlet,
                "handle_part",
                "self._parts_bytes += len(payload)",
                "self._parts_bytes += len(payload)\n"
                "    self._owed += len(payload)\n"
                "    self._grant()",
            ),
        ),
    ),
    BadCore(
        "credit-leaked",
        "G1",
        "Grants that were heard count as under way for ever, and bar further ones.",
        (Edit(Inlet, "handle_acknowledged", "self._unheard_grants -= 1", "pass"),),
    ),
    BadCore(
        "credit-not-resumed",
        "G1",
        "Credit that had to wait for earlier grants is not returned behind them.",
        (Edit(Inlet, "handle_acknowledged", "    self._grant()", "    pass"),),
    ),
    BadCore(
        "credit-lost-at-chunk",
        "G1",
        "Of an item that is larger than a chunk, credit of one chunk is returned.",
        (
            Edit(
                Inlet,
                "take",
                "self._owed += len(entry.payload)",
                "self._owed += min(len(entry.payload), "
                "self._fabric.config.chunk_bytes)",
            ),
        ),
    ),
    BadCore(
        "credit-replaced",
        "G1",
        "Credit that is granted replaces what is left, in place of adding to it.",
        (
            Edit(
                ProducerCore,
                "handle_credit",
                "self.credit += credit",
                "self.credit = credit",
            ),
        ),
    ),
    BadCore(
        "chunk-end-off-by-one",
        "G1",
        "An item of a whole number of chunks ends in a chunk of no bytes.",
        (Edit(ItemQueue, "_cut_part", "if end < len(item):", "if end <= len(item):"),),
    ),
    BadCore(
        "chunk-begins-late",
        "G1",
        "A chunk begins one byte behind the end of the one before.",
        (
            Edit(
                ItemQueue,
                "_cut_part",
                "self._cut_bytes = end\n",
                "self._cut_bytes = end + 1\n",
            ),
        ),
    ),
    BadCore(
        "write-block-ignored",
        "G7",
        "A link that takes no more bytes is given more all the same.",
        (
            Edit(
                SwitchboardCore,
                "_produce",
                "if link is None or link.write_blocked or not session.has_output:",
                "if link is None or not session.has_output:",
            ),
        ),
    ),
    BadCore(
        "writing-not-resumed",
        "G1",
        "A link that takes bytes again is not looked at before there is something new.",
        (
            Edit(
                SwitchboardCore,
                "handle_write_resumed",
                "self._fabric.dirty[known.node_id] = None",
                "pass",
            ),
        ),
    ),
    BadCore(
        "receiver-serves-last",
        "G17",
        "A receiver serves whoever came last.",
        (
            Edit(
                ReceiverCore,
                "_settle",
                "self._ready.append(",
                "self._ready.appendleft(",
            ),
        ),
    ),
    BadCore(
        "heartbeat-starved",
        "G12",
        "Only the answer to a question is a sign of life, and it queues behind data.",
        (
            Edit(Link, "frames", "    self.last_heard = now\n", ""),
            Edit(
                Link,
                "frames",
                "        yield frame",
                "        if frame.kind in {Kind.PING, Kind.PONG}:\n"
                "            self.last_heard = now\n"
                "        yield frame",
            ),
        ),
    ),
    BadCore(
        "frames-are-signs-of-life",
        "G12",
        "A link is alive when a frame is complete, however many bytes come before.",
        (
            Edit(Link, "frames", "    self.last_heard = now\n", ""),
            Edit(
                Link,
                "frames",
                "        yield frame",
                "        self.last_heard = now\n        yield frame",
            ),
        ),
    ),
    BadCore(
        "silence-never-noticed",
        "G12",
        "Silence is counted from what was said last, so that asking ends it.",
        (Edit(Heartbeat, "_silent_at", "link.last_heard", "link.last_said"),),
    ),
    BadCore(
        "nobody-asks",
        "G12",
        "A link is called silent although nobody has asked for a sign of life.",
        (
            Edit(
                Heartbeat, "_next_ping_at", "self._patience_s", "20 * self._patience_s"
            ),
        ),
    ),
)
"""The mistakes."""
