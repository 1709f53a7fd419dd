"""Mistakes of what is told of losses, and of the fence that keeps the reports true."""

from __future__ import annotations

from comm.mpsc.inlet import Inlet
from comm.mpsc.producer import ProducerCore
from comm.mpsc.receiver import ReceiverCore
from comm.peer.fence import Fence
from comm.peer.peer import PeerCore
from comm.session.session import Session
from comm.session.streams import Streams
from fuzz.bad_cores.variant import BadCore, Edit


__all__ = ["LOSSES"]

LOSSES = (
    BadCore(
        "fence-missing",
        "G2",
        "Nothing is withheld while the other side may be reporting it as lost.",
        (
            Edit(
                Fence,
                "link_down",
                "if not self.is_proven:",
                "if self.is_proven or not self.is_proven:",
            ),
        ),
    ),
    BadCore(
        "fence-too-late",
        "G2",
        "The fence counts the window from when the link was found to be dead.",
        (
            Edit(
                Fence,
                "link_down",
                "last_heard + session.peer_resume_window_s - margin_s",
                "self._fabric.now + session.peer_resume_window_s - margin_s",
            ),
        ),
    ),
    BadCore(
        "fence-lifted-early",
        "G2",
        "A link that stands here counts as standing on the other side, too.",
        (
            Edit(
                PeerCore,
                "_establish",
                "self._fence.link_up()",
                "self._fence.prove(self.session)",
            ),
        ),
    ),
    BadCore(
        "doubtful-kept",
        "G2",
        "What the other side has just reported as lost is released, and handed out.",
        (
            Edit(
                Session,
                "give_up",
                "if keep_doubtful:\n        self.unfence()",
                "self.unfence()",
            ),
            Edit(
                Session,
                "give_up",
                "keep_doubtful=keep_doubtful",
                "keep_doubtful=True",
            ),
        ),
    ),
    BadCore(
        "withheld-is-stuck",
        "G9",
        "What is in doubt when a session is lost is neither handed out nor discarded.",
        (
            Edit(
                Inlet,
                "handle_lost",
                "count = 0 if keep_doubtful else self._discard_doubtful()",
                "count = 0",
            ),
        ),
    ),
    BadCore(
        "withheld-for-ever",
        "G2",
        "Receivers are not told when what was withheld from them is released.",
        (
            Edit(
                Session,
                "unfence",
                "self._streams.refresh_inlets()",
                "self._streams._settle_batches(revoked=False)",
            ),
        ),
    ),
    BadCore(
        "batches-not-withheld",
        "G2",
        "What an application has in its hands is not withheld with the rest.",
        (Edit(Session, "fence", "self._streams.withhold_batches()", "pass"),),
    ),
    BadCore(
        "batches-not-revoked",
        "G2",
        "What an application has in its hands is not discarded with the rest.",
        (
            Edit(
                Streams,
                "lost",
                "self._settle_batches(revoked=True)",
                "self._settle_batches(revoked=False)",
            ),
        ),
    ),
    BadCore(
        "loss-under-way-forgotten",
        "G2",
        "Only what was never sent is reported as lost, and not what was under way.",
        (
            Edit(
                ProducerCore,
                "_fail",
                "    self._queue.clear()\n",
                "    count = self._queue.clear()\n",
            ),
            Edit(
                ProducerCore,
                "_fail",
                "    count = self.accepted - self.delivered - self.lost\n",
                "",
            ),
        ),
    ),
    BadCore(
        "loss-told-twice",
        "G2",
        "What an abort has reported as lost is reported again when the node is lost.",
        (
            Edit(
                ProducerCore,
                "_fail",
                "count = self.accepted - self.delivered - self.lost",
                "count = self.accepted - self.delivered",
            ),
        ),
    ),
    BadCore(
        "stop-ignores-taken",
        "G2",
        "What had arrived at a receiver that was closed counts as received there.",
        (
            Edit(
                ProducerCore,
                "handle_stop",
                "self.delivered = min(body.taken, self.accepted - self.lost)",
                "pass",
            ),
        ),
    ),
    BadCore(
        "rest-of-batch-forgotten",
        "G2",
        "A receiver that is closed counts all of its last batch as taken.",
        (Edit(ReceiverCore, "close", "self._last.taken -= unused", "pass"),),
    ),
    BadCore(
        "discard-numbered-wrong",
        "G2",
        "What a receiving side throws away is reported as the items behind it.",
        (
            Edit(
                ReceiverCore,
                "inlet_discarded",
                "inlet.arrived - count, count",
                "inlet.arrived, count",
            ),
        ),
    ),
    BadCore(
        "flush-too-early",
        "G2",
        "A flush is over when all was sent, be it delivered or not.",
        (
            Edit(
                ProducerCore,
                "_is_flushed",
                "settled >= (self._flush_until or 0)",
                "(settled >= (self._flush_until or 0) or not self._queue.items)",
            ),
        ),
    ),
    BadCore(
        "loss-timer-not-armed",
        "G2",
        "A producer waits for ever for a node that was never there.",
        (Edit(PeerCore, "open", "self._arm_loss()", "pass"),),
    ),
)
"""The mistakes."""
