"""`SimNetwork`: how the programs of one simulated host make connections."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
import errno
import os

from comm.address import Address
from comm.sim.host import Host
from comm.sim.loop.loop import VirtualLoop
from comm.sim.loop.transport import SimTransport
from comm.sim.network import Endpoint, Listener, Network


__all__ = ["SimListener", "SimNetwork"]

_ProtocolFactory = Callable[[], asyncio.Protocol]

_ACCEPTED_AT_ONCE = 16
"""In one turn of the loop, as over sockets."""

_PORTS = range(32768, 61000)
"""What Linux gives to connections that go out."""


class SimNetwork:
    """The network as one process of a simulated host sees it.

    It has the methods of `comm.net.Network`. A process that is gone, because its host
    stopped or was started again, makes no connections.

    Args:
        network: The simulated network.
        host: The host.
    """

    def __init__(self, network: Network, host: Host) -> None:
        self.network = network
        self.host = host
        self._incarnation = host.incarnation

    @property
    def is_alive(self) -> bool:
        """Whether the process exists."""
        return self.host.is_alive and self.host.incarnation == self._incarnation

    async def connect(self, address: Address, factory: _ProtocolFactory) -> None:
        """Connects to whoever listens at the address.

        Cancellation closes whatever was opened.

        Raises:
            OSError: As the kernel says it.
        """
        loop = self._loop()
        self._require_alive()
        text = str(address)
        if address.is_unix and self.network.host_at(text) is not self.host:
            raise _error(errno.ENOENT)
        dial = _Dial(loop)
        attempt = self.network.connect(self.host, text, dial)
        try:
            endpoint = await dial.made
        except BaseException:
            attempt.cancel()
            dial.drop()
            raise
        ends = (self._own_name(endpoint), _name(address))
        self._transport(loop, endpoint, factory, ends).begin()

    async def listen(self, address: Address, factory: _ProtocolFactory) -> SimListener:
        """Accepts connections at the address.

        Raises:
            OSError: As the kernel says it.
        """
        loop = self._loop()
        self._require_alive()
        network, text = self.network, str(address)
        if network.host_at(text) not in {None, self.host}:
            raise _error(errno.EADDRNOTAVAIL)
        if network.listener_at(text) is not None:
            raise _error(errno.EADDRINUSE)
        return SimListener(self, loop, address, factory)

    def serve(
        self,
        loop: VirtualLoop,
        endpoint: Endpoint,
        factory: _ProtocolFactory,
        address: Address,
    ) -> None:
        """Makes the transport of a connection that was accepted."""
        ends = (_name(address), self._own_name(endpoint.far))
        transport = self._transport(loop, endpoint, factory, ends)
        loop.call_soon(transport.begin)

    def _loop(self) -> VirtualLoop:
        loop = asyncio.get_running_loop()
        if isinstance(loop, VirtualLoop) and loop.world is self.network.world:
            return loop
        raise RuntimeError(
            f"{loop!r} is not the loop of this simulated network; use a VirtualLoop "
            "of the same world"
        )

    def _require_alive(self) -> None:
        if not self.is_alive:
            raise _error(errno.ENETDOWN)

    @staticmethod
    def _own_name(endpoint: Endpoint) -> tuple[str, int]:
        return endpoint.host.name, _PORTS[endpoint.number % len(_PORTS)]

    @staticmethod
    def _transport(
        loop: VirtualLoop,
        endpoint: Endpoint,
        factory: _ProtocolFactory,
        ends: tuple[object, object],
    ) -> SimTransport:
        extra = {"sockname": ends[0], "peername": ends[1]}
        return SimTransport(loop, endpoint, factory(), extra)


class SimListener:
    """An address at which connections are accepted.

    Args:
        network: The network as the process sees it.
        loop: Its loop.
        address: The address.
        factory: Makes the protocol of each connection.
    """

    def __init__(
        self,
        network: SimNetwork,
        loop: VirtualLoop,
        address: Address,
        factory: _ProtocolFactory,
    ) -> None:
        self._network = network
        self._loop = loop
        self._address = address
        self._factory = factory
        self._is_planned = False
        self._listener: Listener = network.network.listen(
            network.host, str(address), self._accept_soon
        )

    def close(self) -> None:
        """Stops accepting; connections that were accepted live on."""
        self._listener.close()

    def _accept_soon(self) -> None:
        if not self._is_planned:
            self._is_planned = True
            self._loop.call_soon(self._accept)

    def _accept(self) -> None:
        self._is_planned = False
        for _ in range(_ACCEPTED_AT_ONCE):
            endpoint = self._listener.accept()
            if endpoint is None:
                return
            self._network.serve(self._loop, endpoint, self._factory, self._address)
        if self._listener.waiting:
            self._accept_soon()


class _Dial:
    """Waits for a connection, on behalf of a task that may be cancelled."""

    def __init__(self, loop: VirtualLoop) -> None:
        self.made: asyncio.Future[Endpoint] = loop.create_future()

    def connected(self, endpoint: Endpoint) -> None:
        """The connection stands, if still in time for a task that is to be cancelled
        in the next turn."""
        if self.made.done():
            endpoint.close()
        else:
            self.made.set_result(endpoint)

    def connect_failed(self, error: OSError) -> None:
        """It will not come to stand."""
        if not self.made.done():
            self.made.set_exception(error)

    def drop(self) -> None:
        """Closes what has come about meanwhile."""
        made = self.made
        if made.done() and not made.cancelled() and made.exception() is None:
            made.result().close()


def _name(address: Address) -> object:
    return address.path if address.is_unix else (address.host, address.port)


def _error(code: int) -> OSError:
    return OSError(code, os.strerror(code))
