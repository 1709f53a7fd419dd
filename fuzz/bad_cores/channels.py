"""Mistakes of channels: their producers, their ends, broadcasts and fan-outs."""

from __future__ import annotations

from comm.broadcast.fanout import FanoutCore, FanoutMember
from comm.broadcast.sender import BroadcastSenderCore
from comm.mpsc.producer import ProducerCore
from comm.mpsc.receiver import ReceiverCore
from comm.router import Router
from fuzz.bad_cores.variant import BadCore, Edit


__all__ = ["CHANNELS"]

CHANNELS = (
    BadCore(
        "fin-overtakes-data",
        "G9",
        "The end of a producer goes out ahead of its last items.",
        (
            Edit(
                ProducerCore,
                "cut",
                "if self._queue.items:\n        return self._queue.cut(limit)\n    ",
                "",
            ),
            Edit(
                ProducerCore,
                "cut",
                "    self._scheduled = False\n",
                "    if self._queue.items:\n        return self._queue.cut(limit)\n"
                "    self._scheduled = False\n",
            ),
        ),
    ),
    BadCore(
        "end-of-idle-not-sent",
        "G9",
        "A producer that has nothing left to send does not send its end, either.",
        (Edit(ProducerCore, "finish", "self._schedule()", "pass"),),
    ),
    BadCore(
        "end-before-last-item",
        "G9",
        "A channel ends when its producers have, although items wait to be taken.",
        (
            Edit(
                ReceiverCore,
                "_settle",
                "if not inlet.has_entries and (\n"
                "        inlet.is_finished or "
                "(inlet.is_ended and not self.is_limited)\n"
                "    ):",
                "if inlet.is_finished or (\n"
                "        not inlet.has_entries and inlet.is_ended "
                "and not self.is_limited\n"
                "    ):",
            ),
        ),
    ),
    BadCore(
        "producer-lost-swallowed",
        "G9",
        "A channel that can end says nothing of a producer that was lost.",
        (
            Edit(
                ReceiverCore,
                "take",
                "            raise inlet.error\n",
                "",
            ),
        ),
    ),
    BadCore(
        "one-too-many",
        "G9",
        "A channel takes one producer more than it was told to.",
        (
            Edit(
                ReceiverCore,
                "is_full",
                "self._attached >= limit",
                "self._attached > limit",
            ),
        ),
    ),
    BadCore(
        "places-are-freed",
        "G9",
        "A producer that has finished makes room for another one.",
        (
            Edit(
                ReceiverCore,
                "_remove",
                "self._finished += 1",
                "self._finished += 1\n        self._attached -= 1",
            ),
        ),
    ),
    BadCore(
        "seal-does-not-end",
        "G9",
        "Whoever waits for an item is not woken when sealing ends the channel.",
        (Edit(ReceiverCore, "seal", "self._wake_at_end()", "pass"),),
    ),
    BadCore(
        "end-not-told",
        "G9",
        "Whoever waits for an item is not woken when the last producer has finished.",
        (Edit(ReceiverCore, "_remove", "self._wake_at_end()", "pass"),),
    ),
    BadCore(
        "parked-items-lost",
        "G10",
        "The receiver of a broadcast begins empty, whatever has waited for it.",
        (
            Edit(
                Router,
                "add_broadcast",
                "if receiver is None:\n        receiver",
                "if receiver is None or receiver.inlets:\n        receiver",
            ),
        ),
    ),
    BadCore(
        "stale-sender-unknown",
        "G3",
        "A sender of an earlier incarnation is told that its receiver was closed.",
        (
            Edit(
                Router,
                "_find",
                "if body.incarnation != self._incarnation:\n"
                "        reached(Mark.STALE_SENDER)\n"
                "        return None, Reason.STALE_SENDER\n    ",
                "",
            ),
        ),
    ),
    BadCore(
        "broadcast-by-the-fastest",
        "G16",
        "A broadcast accepts an item when one node has granted credit, not all.",
        (
            Edit(
                BroadcastSenderCore,
                "_recount",
                "min(granted,",
                "max(granted,",
            ),
        ),
    ),
    BadCore(
        "one-lost-node-ends-broadcast",
        "G16",
        "A broadcast fails for all nodes when one of them is lost.",
        (
            Edit(
                BroadcastSenderCore,
                "_drop",
                "if isinstance(leg.error, UsageError):",
                "if leg.error is not None:",
            ),
        ),
    ),
    BadCore(
        "broadcast-waits-for-the-lost",
        "G16",
        "A broadcast that waits for a node is not woken when that node is lost.",
        (
            Edit(
                BroadcastSenderCore,
                "leg_changed",
                "self._drop(leg)\n    self._recount()",
                "self._drop(leg)\n    else:\n        self._recount()",
            ),
        ),
    ),
    BadCore(
        "leg-not-reopened",
        "G16",
        "A node that is back is not sent what is broadcast from then on.",
        (
            Edit(
                BroadcastSenderCore,
                "node_returned",
                "and self._legs[node_id] is None",
                "and self._legs[node_id] is None and not self.accepted",
            ),
        ),
    ),
    BadCore(
        "leg-reopened-out-of-order",
        "G16",
        "What a node that is back sends is taken ahead of what is left of before.",
        (
            Edit(
                ReceiverCore,
                "attach",
                "inlet.predecessor = self._orphans.get(inlet.node_id)",
                "inlet.predecessor = None",
            ),
        ),
    ),
    BadCore(
        "member-skips",
        "G16",
        "A member of a fan-out that finds nothing passes over what comes next.",
        (
            Edit(
                FanoutMember,
                "take",
                "    except WouldBlock:\n        self._starved = True",
                "    except WouldBlock:\n        self._starved = True\n"
                "        self.position = min(self.position + 1, self._fanout._end)",
            ),
        ),
    ),
    BadCore(
        "fastest-member-trims",
        "G16",
        "A fan-out lets go of what its fastest member has taken.",
        (
            Edit(
                FanoutCore,
                "_trim",
                "keep_from = min(positions,",
                "keep_from = max(positions,",
            ),
        ),
    ),
    BadCore(
        "full-fan-out-sleeps",
        "G16",
        "The members of a fan-out that was full are not woken when it has room.",
        (
            Edit(
                FanoutCore,
                "advance",
                "if was_full and self._log_bytes",
                "if not was_full and self._log_bytes",
            ),
        ),
    ),
)
"""The mistakes."""
