"""What any bytes may do to the parsers of the wire: nothing but be read or refused."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass

from comm.errors import ProtocolError
from comm.protocol import (
    FORMS,
    PROTOCOL_MAGIC,
    Body,
    Connection,
    Frame,
    encode_frame,
    match_handshake,
)
from comm.protocol.frames import HEADER


__all__ = ["BODIES", "check_any", "check_bodies", "check_connection"]

BODIES: tuple[type[Body], ...] = tuple(
    dict.fromkeys(form.body for form in FORMS.values() if form.body)
)
"""Every class of bodies, and so every parser of one."""

_FRAME_BYTES_MAX = 300
_HANDSHAKE_BYTES_MAX = 500
_MAGIC_BYTES = len(PROTOCOL_MAGIC)


def check_any(data: bytes) -> None:
    """Gives bytes to every parser there is."""
    check_bodies(data)
    for handshakes in (0, 1):
        for beginning in (b"", PROTOCOL_MAGIC):
            check_connection(beginning + data, handshakes)


def check_bodies(data: bytes) -> None:
    """What a body is decoded from is what it is encoded to; all else is refused."""
    for kind in BODIES:
        with suppress(ProtocolError):
            assert kind.decode(data).encode() == data, kind


def check_connection(data: bytes, handshakes: int = 1) -> None:
    """However bytes are cut, the same frames are read, or the same refusal comes.

    Args:
        data: What one side sends.
        handshakes: How many frames come before the other side is known.
    """
    whole = _read([data], handshakes)
    single = [data[i : i + 1] for i in range(len(data))]
    middle = len(data) // 2
    for pieces in (single, [data[:middle], data[middle:]], [b"", data, b""]):
        assert _read(pieces, handshakes) == whole
    more = _read([data + data], handshakes)
    assert more.frames[: len(whole.frames)] == whole.frames
    if whole.refusal:
        assert more == whole
    _check_what_was_read(data, whole)


@dataclass(frozen=True, slots=True)
class _Reading:
    """What came of reading some bytes: frames, and a refusal or a rest."""

    frames: list[Frame]
    refusal: str
    rest: bytes


def _read(pieces: Iterable[bytes], handshakes: int) -> _Reading:
    reader = Connection(
        frame_bytes_max=_FRAME_BYTES_MAX, handshake_bytes_max=_HANDSHAKE_BYTES_MAX
    )
    frames: list[Frame] = []
    if not handshakes:
        reader.handshake_done()
    try:
        for piece in pieces:
            reader.receive_data(piece)
            while (frame := reader.next_frame()) is not None:
                frames.append(frame)
                if len(frames) == handshakes:
                    reader.handshake_done()
            is_known = len(frames) >= handshakes
            limit = HEADER.size + _FRAME_BYTES_MAX if is_known else _HANDSHAKE_BYTES_MAX
            assert reader.buffered_bytes <= limit
    except ProtocolError as error:
        return _Reading(frames, str(error), b"")
    return _Reading(frames, "", reader.take_rest())


def _check_what_was_read(data: bytes, reading: _Reading) -> None:
    match match_handshake(data[:_MAGIC_BYTES]):
        case None:
            assert reading == _Reading([], "", data)
        case False:
            assert not reading.frames
            assert "magic" in reading.refusal
        case True:
            assert "magic" not in reading.refusal
            read = PROTOCOL_MAGIC + b"".join(map(_encoded, reading.frames))
            assert data.startswith(read)
            assert reading.refusal or read + reading.rest == data
    for frame in reading.frames:
        check_bodies(frame.payload)


def _encoded(frame: Frame) -> bytes:
    kind, stream, sequence, value, payload = frame
    return encode_frame(kind, stream, sequence, value, payload)
