"""How a connection begins: the magic, and each side's word on who it is."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import ClassVar

from comm.protocol.layout import ID, TEXT, U8, U32, U64, Body, Field


__all__ = [
    "PROTOCOL_MAGIC",
    "VERSION_MAX",
    "VERSION_MIN",
    "Hello",
    "Purpose",
    "match_handshake",
]

PROTOCOL_MAGIC = b"\x93comm\r\n\x01"
"""The first 8 bytes of every connection, in both directions.

No text protocol begins with a byte above 127; the line end shows at once when a
transfer in text mode has damaged the stream.
"""

VERSION_MIN = 1
VERSION_MAX = 1


class Purpose(IntEnum):
    """What the dialling side wants the connection for."""

    SESSION = 0
    """To carry the session of the two nodes."""
    STREAM = 1
    """To be handed to the application as a raw byte stream."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hello(Body):
    """The payload of HELLO, and of WELCOME, in which the other side answers.

    Attributes:
        version_min: The oldest protocol version this side speaks; in WELCOME the
            one that is used from now on.
        version_max: The newest one; in WELCOME the same as `version_min`.
        purpose: A `Purpose`; WELCOME repeats it.
        security: The name of the security mode; both must use the same.
        cluster: The cluster's name.
        membership: 16 bytes, a hash of the list of nodes.
        node_id: Who is speaking.
        peer_id: Who is meant to hear it.
        incarnation: 16 bytes, drawn by the speaking process when it started.
        generation: How many sessions with that node this side has given up.
        peer_incarnation: The incarnation that the last session was with; zeros if
            this side's session has never had a link.
        peer_generation: The generation of the other side in that session.
        received: The highest sequence number received in that session.
        resume_window_ms: How long after a link was lost this side gives up the
            session; until shortly before, the other side may hand out what it has.
        message_bytes_max: The largest item that this side takes.
        chunk_bytes: The largest payload of a frame that this side takes.
        codec: The name of this side's default codec.
    """

    version_min: int = VERSION_MIN
    version_max: int = VERSION_MAX
    purpose: int = Purpose.SESSION
    security: str
    cluster: str
    membership: bytes
    node_id: int
    peer_id: int
    incarnation: bytes
    generation: int
    peer_incarnation: bytes
    peer_generation: int
    received: int
    resume_window_ms: int
    message_bytes_max: int
    chunk_bytes: int
    codec: str

    LAYOUT: ClassVar[tuple[tuple[str, Field], ...]] = (
        ("version_min", U8),
        ("version_max", U8),
        ("purpose", U8),
        ("security", TEXT),
        ("cluster", TEXT),
        ("membership", ID),
        ("node_id", U32),
        ("peer_id", U32),
        ("incarnation", ID),
        ("generation", U64),
        ("peer_incarnation", ID),
        ("peer_generation", U64),
        ("received", U64),
        ("resume_window_ms", U32),
        ("message_bytes_max", U32),
        ("chunk_bytes", U32),
        ("codec", TEXT),
    )


def match_handshake(prefix: bytes) -> bool | None:
    """Tells whether a connection that begins with `prefix` is one of ours.

    Returns:
        True or False, or None if the prefix is too short to tell.
    """
    if prefix[: len(PROTOCOL_MAGIC)] == PROTOCOL_MAGIC:
        return True
    return None if PROTOCOL_MAGIC.startswith(prefix) else False
