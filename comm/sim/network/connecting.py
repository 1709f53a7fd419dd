"""`Attempt`: one connection that is being made, until it stands or has failed."""

from __future__ import annotations

from collections.abc import Callable
import errno
from functools import partial
import os
import socket
from typing import TYPE_CHECKING, Any, Protocol

from comm.sim.host import Host
from comm.sim.network.endpoint import Endpoint
from comm.sim.network.path import Path, retransmit_pause_ns
from comm.sim.network.rules import Packet, PacketKind
from comm.sim.world import SECOND, US


if TYPE_CHECKING:
    from comm.sim.network.network import Listener, Network


__all__ = ["CONNECT_TIMEOUT_NS", "Attempt", "Dialler"]

CONNECT_TIMEOUT_NS = 127 * SECOND
"""How long Linux tries, with its 6 repetitions (`tcp_syn_retries`)."""

_FIRST_PAUSE_NS = SECOND
"""How long Linux waits for an answer before it asks again; then twice as long."""

_RESOLVER_NS = 500 * US


class Dialler(Protocol):
    """Who wanted the connection; told in a step of its host."""

    def connected(self, endpoint: Endpoint) -> None:
        """The connection stands."""

    def connect_failed(self, error: OSError) -> None:
        """It will not come to stand."""


class Attempt:
    """One attempt to connect.

    Args:
        network: The network.
        host: The host that connects.
        address: The address to which.
        dialler: Who is told.
        timeout_ns: How long to try; None for as long as Linux does.
    """

    __slots__ = (
        "_address",
        "_deadline_ns",
        "_dialler",
        "_host",
        "_incarnation",
        "_is_cancelled",
        "_is_over",
        "_near",
        "_network",
        "_pause_ns",
    )

    _near: Endpoint

    def __init__(
        self,
        network: Network,
        host: Host,
        address: str,
        dialler: Dialler,
        timeout_ns: int | None,
    ) -> None:
        self._network = network
        self._host = host
        self._address = address
        self._dialler = dialler
        self._incarnation = host.incarnation
        self._pause_ns = _FIRST_PAUSE_NS
        self._is_over = False
        self._is_cancelled = False
        world = network.world
        self._deadline_ns = world.now_ns + (timeout_ns or CONNECT_TIMEOUT_NS)
        if network.unresolvable.get(host.index):
            text = "Temporary failure in name resolution"
            error = socket.gaierror(socket.EAI_AGAIN, text)
            world.after(_RESOLVER_NS, self._fail, error)
        elif network.host_at(address) is None:
            error = socket.gaierror(socket.EAI_NONAME, "Name or service not known")
            world.after(_RESOLVER_NS, self._fail, error)
        else:
            self._ask()

    def cancel(self) -> None:
        """Gives up; nobody is told any more."""
        self._is_over = self._is_cancelled = True

    @property
    def _target(self) -> Host:
        target = self._network.host_at(self._address)
        assert target is not None
        return target

    def _ask(self) -> None:
        """Sends a request, and plans to repeat it."""
        if self._is_dead:
            return
        world = self._network.world
        if world.now_ns >= self._deadline_ns:
            self._fail(_error(errno.ETIMEDOUT))
            return
        target = self._target
        self._travel(self._host, target, self._arrive, target)
        repeat_ns = min(world.now_ns + self._pause_ns, self._deadline_ns)
        world.at(repeat_ns, self._ask)
        self._pause_ns *= 2

    def _arrive(self, target: Host) -> None:
        """The request has reached the other machine."""
        network = self._network
        if self._is_dead or target.is_dark or network.swallowing.get(target.index):
            return
        listener = network.listener_at(self._address)
        if listener is None or network.refusing.get(target.index):
            refusal = _error(errno.ECONNREFUSED)
            self._travel(target, self._host, self._fail, refusal)
        # If the answer does not get back, the request is as good as lost.
        elif not self._is_full(listener) and self._answer(target):
            self._is_over = True
            self._near, far = network.join(self._host, target)
            listener.queue(far)

    def _is_full(self, listener: Listener) -> bool:
        limit = self._network.backlogs.get(listener.host.index)
        return listener.is_full or (limit is not None and listener.waiting >= limit)

    def _answer(self, target: Host) -> bool:
        """Lets the host know that the connection stands; returns whether it will."""
        return self._travel(target, self._host, self._succeed)

    def _succeed(self) -> None:
        self._call(self._tell)

    def _fail(self, error: OSError) -> None:
        if not self._is_dead:
            self._is_over = True
            self._call(self._tell_failure, error)

    def _call(self, action: Callable[..., None], *args: Any) -> None:
        """Tells the process that asked, if it is still there."""
        if self._incarnation == self._host.incarnation:
            self._host.call(action, *args)

    def _tell(self) -> None:
        if self._is_cancelled:
            self._near.close()
        else:
            self._dialler.connected(self._near)

    def _tell_failure(self, error: OSError) -> None:
        if not self._is_cancelled:
            self._dialler.connect_failed(error)

    @property
    def _is_dead(self) -> bool:
        return (
            self._is_over
            or self._incarnation != self._host.incarnation
            or not self._host.is_alive
        )

    def _travel(
        self, source: Host, target: Host, action: Callable[..., None], *args: Any
    ) -> bool:
        """Sends a packet that does something where it arrives.

        Returns:
            Whether it is under way.
        """
        network = self._network
        path = network.path(source.index, target.index)
        if path.is_blocked:
            path.stalls += 1
            return False
        packet = Packet(source.index, target.index, 0, PacketKind.CONNECT)
        delay_ns = network.rules.once_ns(packet, path)
        if delay_ns is None:
            return False
        network.world.after(delay_ns, self._land, path, action, args)
        return True

    def _land(
        self, path: Path, action: Callable[..., None], args: tuple[Any, ...]
    ) -> None:
        """A packet has come to the end of its path, as far as that is open."""
        if path.is_clogged:
            path.when_unclogged(partial(self._land, path, action, args))
        elif not path.is_blocked:
            action(*args)
        elif action == self._succeed:
            self._answer_again(path)

    def _answer_again(self, path: Path) -> None:
        """The other side already counts on the connection, and repeats its answer."""
        world = self._network.world
        if world.now_ns < self._deadline_ns:
            world.after(retransmit_pause_ns(0), self._land, path, self._succeed, ())
        else:
            self._near.vanish()
            self._call(self._tell_failure, _error(errno.ETIMEDOUT))


def _error(code: int) -> OSError:
    return OSError(code, os.strerror(code))
