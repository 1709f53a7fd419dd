"""The ends of a broadcast channel, as the application holds them."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING, Generic, Self, TypeVar
import warnings

from comm.broadcast import FanoutCore
from comm.errors import UsageError
from comm.mpsc import ReceiverCore
from comm.net.ends import SendingEnd
from comm.net.mpsc import Receiver
from comm.net.receiving import Decode, ReceivingPort


if TYPE_CHECKING:
    from comm.net.driver import Driver


__all__ = ["BroadcastReceiver", "BroadcastSender", "Fanout"]

T_co = TypeVar("T_co", covariant=True)
T_contra = TypeVar("T_contra", contravariant=True)


class BroadcastSender(SendingEnd[T_contra]):
    """An ordered source of items for every node; `Switchboard.broadcast_tx` makes it.

    An item is accepted once every node has room for it. A node that is away holds
    `send` up until it is declared lost; what it did not get is then reported, for
    that node alone, by a `LossReport` among the events and an exception of the next
    `flush` or `aclose`, and the others go on. When the node is back it gets what is
    sent from then on.
    """

    __slots__ = ()


class BroadcastReceiver(Receiver[T_co]):
    """The receiving end of a broadcast channel; `Switchboard.broadcast_rx` makes it.

    Items that were sent before it was made wait for it, within each sender's window.
    """

    __slots__ = ()

    def fanout(self) -> Fanout[T_co]:
        """Turns this receiver into several, each of which gets every item.

        The receiver itself cannot be used any more.

        Raises:
            UsageError: If it was used to receive before, and has items left.
            ClosedError: If it, or its switchboard, was closed.
        """
        port = self._port
        port.driver.require_running()
        if port.is_in_use:
            raise UsageError(
                "this receiver has begun to receive: call fanout() before receive()"
            )
        assert isinstance(port.core, ReceiverCore)
        core = port.driver.core.open_fanout(port.core)
        port.is_closed = True
        return Fanout(port.driver, core, port.decode)


class Fanout(Generic[T_co]):
    """Gives every item of a broadcast receiver to each of several receivers.

    All of them see the same items in the same order. The slowest one slows the
    senders down once it is a window behind. When the last of them is closed, so is
    the channel on this node.
    """

    __slots__ = ("__weakref__", "_core", "_decode", "_driver", "_is_owned")

    def __init__(self, driver: Driver, core: FanoutCore, decode: Decode[T_co]) -> None:
        self._driver = driver
        self._core = core
        self._decode = decode
        # Whether it is still here that the channel has to be closed.
        self._is_owned = True

    def attach(self) -> Receiver[T_co]:
        """Returns one more receiver, which gets all that none of them has taken yet.

        Raises:
            ClosedError: If the fan-out was closed, or all its receivers were.
        """
        self._driver.require_running()
        member = self._core.attach()
        self._is_owned = False
        return Receiver(ReceivingPort(self._driver, member, self._decode))

    def close(self) -> None:
        """Closes all its receivers, and the channel on this node."""
        self._is_owned = False
        self._core.close()
        for port in list(self._driver.handles.values()):
            port.wake()
        self._driver.wake()

    async def aclose(self) -> None:
        """Does what `close` does; there is nothing to wait for."""
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __del__(self) -> None:
        if self._is_owned and not self._driver.is_over:
            self._driver.forget(self._core.close)
            warnings.warn(
                "a Fanout was never closed, and no receiver was attached to it",
                ResourceWarning,
                stacklevel=2,
                source=self,
            )
