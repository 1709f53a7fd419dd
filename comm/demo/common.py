"""What the processes of the demo agree on beforehand."""

from __future__ import annotations

from dataclasses import dataclass

from comm.broadcast import Token
from comm.config import Config
from comm.mpsc import Sender


__all__ = ["CONFIG", "NUMBERS", "QUESTIONS", "STREAMS", "Answer", "Question", "Stream"]

CONFIG = Config(
    window_bytes=256 << 10,
    heartbeat_interval_s=0.25,
    heartbeat_timeout_s=1.25,
    resume_window_s=3.0,
    connect_backoff_s=(0.02, 0.2),
    close_timeout_s=3.0,
)
"""Shorter waits than the defaults, so that nobody has to watch them pass."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a node replies to a `Question`.

    Attributes:
        node_id: The node.
        square: The square of the question's number.
        inbox: Where the node takes items for itself.
    """

    node_id: int
    square: int
    inbox: Sender[int]


@dataclass(frozen=True, slots=True)
class Question:
    """A number to be squared.

    Attributes:
        number: The number.
        answers: Where the answers go: a sender travels like any other value.
    """

    number: int
    answers: Sender[Answer]


@dataclass(frozen=True, slots=True)
class Stream:
    """A request for many items.

    Attributes:
        count: How many each node sends.
        items: Where they go; item `i` of a node is `[node_id, i]`.
    """

    count: int
    items: Sender[list[int]]


NUMBERS: Token[int] = Token("demo/numbers", int, loopback=True)
QUESTIONS: Token[Question] = Token("demo/questions", Question)
STREAMS: Token[Stream] = Token("demo/streams", Stream)
