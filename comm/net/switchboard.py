"""`Switchboard`: one node of a cluster, in an asyncio event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
import os
from pathlib import Path
import shutil
import tempfile
from types import TracebackType
from typing import Any, Self
import warnings

from comm.address import Address, AddressLike
from comm.codec import Codec, resolve
from comm.config import Config
from comm.errors import ConfigurationError, UsageError
from comm.net.channels import Channels
from comm.net.chronicle import EventStream
from comm.net.driver import Driver
from comm.net.items import ItemTypes
from comm.net.leaving import DrainReport, drain, leave, part
from comm.net.links import BorrowedLink
from comm.net.network import Network, SocketNetwork, describe
from comm.net.peers import IncomingStreams, Peer
from comm.net.rendezvous import meet
from comm.net.state import DriverState
from comm.security import Security
from comm.statistics import SwitchboardStatistics
from comm.switchboard import SwitchboardCore


__all__ = ["Switchboard"]


class Switchboard(Channels):
    """One node's end of a cluster; made in any thread, used in one event loop.

    Enter it by `async with`: it listens then. Leaving waits at most
    `Config.close_timeout_s` until everything accepted is delivered, says goodbye to
    the other nodes, and closes everything.

    Args:
        nodes: The addresses of all nodes, in the same order on every node.
        node_id: Which of them this is.
        cluster: The cluster's name; nodes of other clusters are refused.
        listen: Whether to accept connections at this node's address. If not, hand
            them over by `handle_connection`; some nodes may dial only, as well.
        security: How connections are protected. May be left out only if all nodes
            are on this machine.
        config: The limits of this node.
        codec: How items become bytes: "msgpack", "pickle", or a `comm.codec.Codec`.
        network: Where connections are made, for tests; real sockets if left out.

    Raises:
        ConfigurationError: If the cluster cannot work like this.
    """

    def __init__(
        self,
        nodes: Sequence[AddressLike],
        node_id: int,
        *,
        cluster: str = "comm",
        listen: bool = True,
        security: Security | None = None,
        config: Config | None = None,
        codec: Codec | str | None = None,
        network: Network | None = None,
    ) -> None:
        chosen = resolve(codec)
        core = SwitchboardCore(
            nodes,
            node_id,
            entropy=os.urandom,
            cluster=cluster,
            config=config,
            security=security,
            codec=chosen.name,
        )
        is_open = security is None or security.mode == Security.insecure().mode
        if chosen.requires_authentication and is_open:
            raise ConfigurationError(
                f"the codec {chosen.name!r} lets whoever connects run any code: it "
                "needs a security= that proves who the other side is"
            )
        self._config = core.config
        self._address: Address | None = core.nodes[node_id] if listen else None
        driver = Driver(core, network or SocketNetwork())
        super().__init__(driver, ItemTypes(chosen))
        self._peers = tuple(
            None if number == node_id else Peer(driver, number, address)
            for number, address in enumerate(core.nodes)
        )
        self._facts = (core.nodes, node_id, core.cluster, core.incarnation)
        self._folder: Path | None = None
        self._is_closing = False

    @classmethod
    def local(cls, **options: Any) -> Self:
        """Returns a cluster of one node, for examples and tests.

        It listens at a Unix socket in a directory of its own, which nobody else can
        enter, and which is removed when the switchboard is closed.

        Args:
            options: What the constructor takes, but for `nodes` and `node_id`.
        """
        folder = Path(tempfile.gettempdir(), f"comm-{os.urandom(8).hex()}")
        switchboard = cls([f"unix:{folder / 'node'}"], 0, **options)
        switchboard._folder = folder
        return switchboard

    async def __aenter__(self) -> Self:
        """Starts, and listens if it is to.

        Raises:
            ConfigurationError: If it cannot listen at this node's address.
            UsageError: If it was started before.
        """
        driver = self._driver
        if driver.state is not DriverState.NEW:
            raise UsageError(
                f"node {self.node_id}: a switchboard is started once; make another one"
            )
        driver.start()
        try:
            if self._folder is not None:
                self._folder.mkdir(mode=0o700)
            if self._address is not None:
                await driver.connections.listen(self._address)
        except OSError as error:
            self._close_now()
            raise ConfigurationError(
                f"node {self.node_id} cannot listen at {self._address}: "
                f"{describe(error)}"
            ) from error
        except BaseException:
            self._close_now()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Leaves by `aclose`."""
        await self.aclose()

    async def handle_connection(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        *,
        prefix: bytes = b"",
    ) -> None:
        """Serves a connection that the caller has accepted, until it is over.

        For a caller with a listener of its own, perhaps one port for several
        protocols: `comm.protocol.match_handshake` tells whether a connection is one
        of ours. The connection is closed at the end; nothing is raised because of
        what the other side does. Cancellation cuts it.

        Args:
            reader: What the other side writes.
            writer: What it reads.
            prefix: What was read of the connection before.

        Raises:
            UsageError: If the switchboard was not started.
        """
        driver = self._driver
        if driver.state in {DriverState.NEW, DriverState.INHERITED}:
            driver.require_running()
        # A connection that comes when the switchboard is closed is the other side's
        # affair: it is closed without further ado.
        await BorrowedLink(driver, reader, writer).run(prefix)

    async def rendezvous(
        self,
        timeout: float | None = None,  # noqa: ASYNC109 - on expiry it says who is missing
    ) -> tuple[Peer | None, ...]:
        """Waits until a link to every other node has stood.

        Cancellation changes nothing; the nodes go on looking for one another.

        Args:
            timeout: For how many seconds to wait. None waits for ever, and says every
                10 s in the log who is missing.

        Returns:
            The peers in node order, None for this node.

        Raises:
            RendezvousError: If some node was not met in time; it names each with the
                last thing that kept it away.
            ClosedError: If the switchboard was closed.
        """
        driver = self._driver
        driver.require_running()
        await meet(driver, timeout)
        return self._peers

    @property
    def nodes(self) -> tuple[Address, ...]:
        """The addresses of all nodes, in node order."""
        return self._facts[0]

    @property
    def node_id(self) -> int:
        """This node."""
        return self._facts[1]

    @property
    def size(self) -> int:
        """How many nodes there are."""
        return len(self._facts[0])

    @property
    def cluster(self) -> str:
        """The cluster's name."""
        return self._facts[2]

    @property
    def incarnation(self) -> bytes:
        """16 bytes, this process."""
        return self._facts[3]

    @property
    def peers(self) -> tuple[Peer | None, ...]:
        """The other nodes, in node order; None for this one."""
        return self._peers

    def events(self) -> EventStream:
        """Returns what happens to the other nodes from now on, to be iterated over.

        Every call has events of its own. The iteration ends when the switchboard is
        closed. Of events that nobody reads, the newest 10,000 are kept.
        """
        self._driver.require_running()
        return self._driver.chronicle.subscribe()

    def streams(self) -> IncomingStreams:
        """Returns the raw streams that other nodes open, to be iterated over.

        Each comes as the peer, a reader, and a writer that the caller has to close.
        """
        self._driver.require_running()
        return IncomingStreams(self._driver.raw, self._peers)

    def statistics(self) -> SwitchboardStatistics:
        """Returns a snapshot of counters, down to channels and links."""
        return self._driver.core.statistics()

    async def drain(
        self,
        timeout: float | None = None,  # noqa: ASYNC109 - on expiry it says what is left
    ) -> DrainReport:
        """Waits until everything accepted is in its receiver's buffer, or lost.

        Items that are sent meanwhile count as well. Cancellation changes nothing.

        Args:
            timeout: For how many seconds to wait; None for as long as it takes.

        Returns:
            Whether everything is delivered, and what is not.

        Raises:
            ClosedError: If the switchboard was closed.
        """
        self._driver.require_running()
        return await drain(self._driver, timeout)

    async def aclose(self) -> None:
        """Leaves the cluster; does nothing the second time, but wait for the first.

        It takes no new work, waits at most `Config.close_timeout_s` until everything
        accepted is delivered, says goodbye, and closes all connections, the listener
        and all handles; whoever waits at one gets `ClosedError`. If it is cancelled,
        everything is closed at once.
        """
        driver = self._driver
        if driver.state is DriverState.INHERITED:
            raise driver.closed_error()
        if driver.state is DriverState.NEW:
            driver.state = DriverState.CLOSED
        if not driver.is_over:
            driver.require_loop()
        if self._is_closing:
            await driver.progress.until(lambda: driver.is_over)
            await part(driver)
            return
        self._is_closing = True
        try:
            if not driver.is_over:
                await leave(driver, self._config.close_timeout_s)
            await part(driver)
        finally:
            self._close_now()

    def _close_now(self) -> None:
        driver = self._driver
        driver.shut()
        driver.connections.stop()
        driver.connections.cut()
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)

    def __del__(self) -> None:
        if "_driver" in self.__dict__ and self._driver.state is DriverState.RUNNING:
            warnings.warn(
                f"{self!r} was never closed; use `async with`, or aclose()",
                ResourceWarning,
                stacklevel=2,
                source=self,
            )

    def __repr__(self) -> str:
        return (
            f"<comm.Switchboard node {self.node_id} of {self.size} in "
            f"{self.cluster!r}, {self._driver.state.value}>"
        )
