"""`FORMS`: who sends each kind of frame, and what its fields carry, as data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from comm.protocol.frames import (
    AcceptBody,
    AckBody,
    CountBody,
    EndBody,
    Kind,
    OpenBody,
    ReasonBody,
)
from comm.protocol.handshake import Hello
from comm.protocol.layout import Body


__all__ = ["FORMS", "Form"]

_DIALLER = "dialling side"
_ACCEPTOR = "accepting side"
_EITHER = "either side"
_PRODUCER = "producer's side"
_RECEIVER = "receiver's side"


class Form(NamedTuple):
    """What one kind of frame looks like.

    Attributes:
        sender: The side that sends it.
        sequence: What the header's `sequence` carries; empty if it is 0.
        value: What the header's `value` carries; empty if it is 0.
        body: The class of its payload; None if that is empty, or the items.
        payload: What the payload is where no class describes it, in words.
    """

    sender: str
    sequence: str = ""
    value: str = ""
    body: type[Body] | None = None
    payload: str = ""

    @property
    def names_stream(self) -> bool:
        """Whether the header's `stream` carries a number; else it is 0."""
        return self.sender in {_PRODUCER, _RECEIVER}


def _numbered(
    sender: str, value: str = "", body: type[Body] | None = None, payload: str = ""
) -> Form:
    return Form(sender, "the frame's number", value, body, payload)


FORMS: Mapping[Kind, Form] = {
    Kind.HELLO: Form(_DIALLER, body=Hello),
    Kind.WELCOME: Form(_ACCEPTOR, body=Hello),
    Kind.REFUSAL: Form(_ACCEPTOR, value="a reason", body=ReasonBody),
    Kind.ACK: Form(_EITHER, sequence="the highest number received", body=AckBody),
    Kind.PING: Form(_EITHER, value="any number"),
    Kind.PONG: Form(_EITHER, value="that of the PING"),
    Kind.GOODBYE: Form(_EITHER, value="a reason", body=ReasonBody),
    Kind.OPEN: _numbered(_PRODUCER, body=OpenBody),
    Kind.DATA: _numbered(_PRODUCER, "how many items", payload="whole items"),
    Kind.PART: _numbered(
        _PRODUCER, "1 in the item's last piece, else 0", payload="a piece of an item"
    ),
    Kind.FINISH: _numbered(_PRODUCER, body=CountBody),
    Kind.RESET: _numbered(_PRODUCER, "a reason", ReasonBody),
    Kind.ACCEPT: _numbered(_RECEIVER, "the first credit, in bytes", AcceptBody),
    Kind.CREDIT: _numbered(_RECEIVER, "further credit, in bytes"),
    Kind.STOP: _numbered(_RECEIVER, "a reason", EndBody),
    Kind.DONE: _numbered(_RECEIVER),
}
"""One entry for each `Kind`."""
