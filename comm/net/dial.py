"""`try_connect`: a connection to somebody who may not have started yet."""

from __future__ import annotations

import asyncio
import errno
import os
import socket

from comm.address import Address, AddressLike
from comm.net.network import describe, tune
from comm.util import Backoff


__all__ = ["try_connect"]

_FIRST_S = 0.1
_LONGEST_S = 1.0

_PERMANENT = frozenset(
    {errno.EACCES, errno.EPERM, errno.EAFNOSUPPORT, errno.ENOTSOCK, errno.ENOTDIR}
)
"""What will not get better by waiting."""


async def try_connect(
    address: AddressLike,
    timeout: float | None = None,  # noqa: ASYNC109 - on expiry it says why
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Connects to an address, and tries again while nobody answers there.

    A refused or unreachable address, and a name that cannot be resolved for the moment,
    are tried again after a pause of 0.1 s that doubles up to 1 s. Cancellation leaves
    nothing open.

    Args:
        address: Where to connect to.
        timeout: For how many seconds to go on trying; None for ever.

    Returns:
        The connection, which is the caller's to close.

    Raises:
        TimeoutError: If nobody answered in time; it says why the last attempt failed.
        OSError: If no later attempt can succeed, as when access is denied.
        ConfigurationError: If `address` is no address.
    """
    target = Address.parse(address)
    backoff = Backoff(_FIRST_S, _LONGEST_S)
    cause = "the first attempt was still under way"
    attempts = 0
    limit = asyncio.timeout(timeout)
    try:
        async with limit:
            while True:
                attempts += 1
                try:
                    return await _open(target)
                except OSError as error:
                    if not _may_pass(error):
                        raise
                    cause = describe(error)
                await asyncio.sleep(backoff.next_pause_s(_jitter()))
    except TimeoutError:
        if not limit.expired():
            raise
        raise TimeoutError(
            f"{target} could not be connected within {timeout} s, in {attempts} "
            f"attempts; the last one: {cause}"
        ) from None


async def _open(
    target: Address,
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    if target.is_unix:
        return await asyncio.open_unix_connection(target.path)
    reader, writer = await asyncio.open_connection(target.host, target.port)
    tune(writer.get_extra_info("socket"), is_loopback=target.is_loopback)
    return reader, writer


def _may_pass(error: OSError) -> bool:
    if isinstance(error, socket.gaierror):
        return error.errno == socket.EAI_AGAIN
    return error.errno not in _PERMANENT


def _jitter() -> float:
    return int.from_bytes(os.urandom(2), "big") / 0xFFFF
