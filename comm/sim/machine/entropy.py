"""`Entropy`: the random bytes of one process, the same in every run."""

from __future__ import annotations

import hashlib


__all__ = ["Entropy"]

_BLOCK_BYTES = 64


class Entropy:
    """Random bytes that a key determines.

    A core keeps it, and a copy of the core has a copy that gives the same bytes.

    Args:
        key: What determines them; at most 64 bytes.
    """

    __slots__ = ("_block", "_key", "_number")

    def __init__(self, key: bytes) -> None:
        self._key = key
        self._number = 0
        self._block = b""

    def __call__(self, size: int) -> bytes:
        """Returns so many bytes."""
        while len(self._block) < size:
            self._number += 1
            number = self._number.to_bytes(8, "big")
            block = hashlib.blake2b(number, key=self._key, digest_size=_BLOCK_BYTES)
            self._block += block.digest()
        taken, self._block = self._block[:size], self._block[size:]
        return taken
