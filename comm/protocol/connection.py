"""`Connection`: turns the bytes of one connection into frames."""

from __future__ import annotations

from comm.errors import ProtocolError
from comm.protocol.frames import HEADER, Frame
from comm.protocol.handshake import PROTOCOL_MAGIC, match_handshake


__all__ = ["Connection"]

_HEADER_BYTES = HEADER.size
_MAGIC_BYTES = len(PROTOCOL_MAGIC)


class Connection:
    """The reading half of one connection, without any I/O.

    Give it bytes as they come, then take frames until there are none. Nothing is
    ever allocated because of a length that the other side merely declares: what is
    held is what has arrived, at most one frame.

    Args:
        frame_bytes_max: The largest payload of a frame that is taken.
        handshake_bytes_max: How many bytes, the magic included, may come before
            `handshake_done`.
    """

    __slots__ = (
        "_data",
        "_frame_bytes_max",
        "_handshake_bytes_left",
        "_magic_seen",
        "_need",
        "_offset",
        "_pending",
    )

    def __init__(self, *, frame_bytes_max: int, handshake_bytes_max: int) -> None:
        self._frame_bytes_max = frame_bytes_max
        self._handshake_bytes_left: int | None = handshake_bytes_max - _MAGIC_BYTES
        self._magic_seen = False
        self._data = b""
        self._offset = 0
        # The beginning of an incomplete frame, and how many bytes it is known to need.
        self._pending = bytearray()
        self._need = 0

    def receive_data(self, data: bytes) -> None:
        """Takes bytes that have arrived. Take all frames before giving more."""
        assert self._offset == len(self._data), "frames were left behind"
        if self._pending:
            if len(self._pending) + len(data) < self._need:
                self._pending += data
                return
            data = b"".join((self._pending, data))
            self._pending.clear()
        self._data = data
        self._offset = 0

    def next_frame(self) -> Frame | None:
        """Returns the next whole frame, or None until more bytes come.

        Raises:
            ProtocolError: If the bytes are no frame that may come here. Nothing
                more can be read of this connection then.
        """
        if self._pending or not (self._magic_seen or self._take_magic()):
            return None
        data, offset = self._data, self._offset
        rest = len(data) - offset
        if rest < _HEADER_BYTES:
            self._keep(_HEADER_BYTES)
            return None
        size, kind, stream, sequence, value = HEADER.unpack_from(data, offset)
        if size > self._frame_bytes_max:
            raise ProtocolError(
                f"a frame declares {size} bytes; the limit is {self._frame_bytes_max}"
            )
        whole = _HEADER_BYTES + size
        if self._handshake_bytes_left is not None:
            self._spend_handshake_bytes(whole if rest >= whole else 0, whole)
        if rest < whole:
            self._keep(whole)
            return None
        self._offset = offset + whole
        payload = data[offset + _HEADER_BYTES : offset + whole]
        return Frame(kind, stream, sequence, value, payload)

    def handshake_done(self) -> None:
        """Lifts the limit that holds before the other side is known."""
        self._handshake_bytes_left = None

    def take_rest(self) -> bytes:
        """Returns the bytes behind the last frame, for whoever reads on raw."""
        rest = bytes(self._pending) or self._data[self._offset :]
        self._pending.clear()
        self._forget_data()
        return rest

    @property
    def buffered_bytes(self) -> int:
        """How many bytes of an incomplete frame are held."""
        return len(self._pending)

    def _take_magic(self) -> bool:
        beginning = self._data[:_MAGIC_BYTES]
        match = match_handshake(beginning)
        if match is False:
            raise ProtocolError("the connection does not begin with our magic")
        if match is None:
            # One byte more may tell, however slowly they come.
            self._keep(len(beginning) + 1)
            return False
        self._offset = _MAGIC_BYTES
        self._magic_seen = True
        return True

    def _spend_handshake_bytes(self, spent: int, needed: int) -> None:
        assert self._handshake_bytes_left is not None
        if needed > self._handshake_bytes_left:
            raise ProtocolError("the handshake is longer than handshake_bytes_max")
        self._handshake_bytes_left -= spent

    def _keep(self, need: int) -> None:
        self._pending += self._data[self._offset :]
        self._need = need
        self._forget_data()

    def _forget_data(self) -> None:
        self._data = b""
        self._offset = 0
