"""Places: where a process of the demo listens, over either transport alike."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
import os


__all__ = ["Place", "address_of", "connect", "listen", "place_of", "unlink"]

Place = tuple[str, int] | str
"""A loopback host and port, or the path of a Unix socket."""

_Accept = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def address_of(place: Place) -> str:
    """Writes the place as `comm` writes addresses."""
    return f"unix:{place}" if isinstance(place, str) else f"{place[0]}:{place[1]}"


def place_of(address: str) -> Place:
    """Reads what `address_of` has written; unlike in a cluster, port 0 is fine."""
    if address.startswith("unix:"):
        return address.removeprefix("unix:")
    host, _, port = address.rpartition(":")
    return host, int(port)


async def listen(accept: _Accept, place: Place) -> tuple[asyncio.Server, Place]:
    """Listens at the place; with port 0 the system picks one, which is returned."""
    if isinstance(place, str):
        return await asyncio.start_unix_server(accept, place), place
    server = await asyncio.start_server(accept, *place)
    host, port = server.sockets[0].getsockname()[:2]
    return server, (host, port)


async def connect(
    place: Place,
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Connects to the place."""
    if isinstance(place, str):
        return await asyncio.open_unix_connection(place)
    return await asyncio.open_connection(*place)


def unlink(place: Place | None) -> None:
    """Removes the file of a Unix socket, if the place is one and it still exists."""
    if isinstance(place, str):
        with suppress(FileNotFoundError):
            os.unlink(place)
