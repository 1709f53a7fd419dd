"""The wire protocol: magic, handshake and frames, as `docs/protocol.md` specifies."""

from __future__ import annotations

from comm.protocol.connection import Connection
from comm.protocol.forms import FORMS, Form
from comm.protocol.frames import (
    SEQUENCED,
    AcceptBody,
    AckBody,
    ChannelKind,
    CountBody,
    EndBody,
    Frame,
    Kind,
    OpenBody,
    Reason,
    ReasonBody,
    encode_frame,
    frame_header,
)
from comm.protocol.handshake import (
    PROTOCOL_MAGIC,
    VERSION_MAX,
    VERSION_MIN,
    Hello,
    Purpose,
    match_handshake,
)
from comm.protocol.layout import Body


__all__ = [
    "FORMS",
    "PROTOCOL_MAGIC",
    "SEQUENCED",
    "VERSION_MAX",
    "VERSION_MIN",
    "AcceptBody",
    "AckBody",
    "Body",
    "ChannelKind",
    "Connection",
    "CountBody",
    "EndBody",
    "Form",
    "Frame",
    "Hello",
    "Kind",
    "OpenBody",
    "Purpose",
    "Reason",
    "ReasonBody",
    "encode_frame",
    "frame_header",
    "match_handshake",
]
