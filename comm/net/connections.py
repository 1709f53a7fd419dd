"""`Connections`: the links of one driver, its listener, and the calls under way."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING

from comm.address import Address
from comm.effects import LinkId
from comm.net.links import DriverLink, RawStream, SocketLink
from comm.net.network import Listener, Network, describe


if TYPE_CHECKING:
    from comm.net.driver import Driver


__all__ = ["Connections"]


class Connections:
    """Carries out the core's requests that concern connections.

    Args:
        driver: Whom the links tell what happens.
        network: Where connections are made.
    """

    __slots__ = ("_dials", "_driver", "_links", "_listener", "_network")

    def __init__(self, driver: Driver, network: Network) -> None:
        self._driver = driver
        self._network = network
        self._listener: Listener | None = None
        self._links: dict[LinkId, DriverLink] = {}
        self._dials: dict[LinkId, asyncio.Task[str]] = {}

    @property
    def is_pending(self) -> bool:
        """Whether a connection still stands, or is being made."""
        return bool(self._links or self._dials)

    async def listen(self, address: Address) -> None:
        """Accepts connections at the address. Raises `OSError`."""
        driver = self._driver
        self._listener = await self._network.listen(
            address, lambda: SocketLink(driver, None)
        )

    def add(self, link: LinkId, connection: DriverLink) -> None:
        """Takes note of an accepted connection."""
        self._links[link] = connection

    def forget(self, link: LinkId) -> None:
        """The connection is gone, or belongs to the application."""
        self._links.pop(link, None)

    def dial(self, link: LinkId, address: Address) -> None:
        """Begins to connect to the address."""
        connection = SocketLink(self._driver, link)
        self._links[link] = connection
        self._dials[link] = dial = asyncio.create_task(
            self._connect(connection, address), name=f"comm: dialling {address}"
        )
        # A task that is cancelled before its first step never gets to a `finally`.
        dial.add_done_callback(partial(self._dialled, link, connection))

    def write(self, link: LinkId, buffers: list[bytes]) -> None:
        """Writes the buffers to the link, in order."""
        connection = self._links.get(link)
        if connection is not None:
            connection.write(buffers)

    def close(self, link: LinkId) -> None:
        """Closes the link once everything is written."""
        connection = self._links.get(link)
        if connection is not None:
            connection.close()

    def abort(self, link: LinkId) -> None:
        """Closes the link at once, or stops making it."""
        connection = self._links.get(link)
        if connection is not None:
            connection.abort()
        if link in self._dials:
            self._dials[link].cancel()

    def hand_over(self, link: LinkId, received: bytes) -> RawStream:
        """Makes the link the application's."""
        return self._links[link].hand_over(received)

    def stop(self) -> None:
        """Accepts and makes no connections any more."""
        if self._listener is not None:
            self._listener.close()
            self._listener = None
        for task in self._dials.values():
            task.cancel()

    def cut(self) -> None:
        """Closes at once what has not closed by itself."""
        for connection in list(self._links.values()):
            connection.abort()

    async def _connect(self, connection: SocketLink, address: Address) -> str:
        """Returns why it failed; an empty text if it did not."""
        try:
            await self._network.connect(address, lambda: connection)
        except OSError as error:
            return describe(error)
        except ValueError as error:
            return f"the address cannot be used: {error}"
        return ""

    def _dialled(
        self, link: LinkId, connection: SocketLink, dial: asyncio.Task[str]
    ) -> None:
        del self._dials[link]
        if not connection.is_made:
            self._driver.forget_link(link)
        if not dial.cancelled() and (reason := dial.result()):
            self._driver.connect_failed(link, reason)
