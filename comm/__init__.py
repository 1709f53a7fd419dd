"""Channels between tasks, processes and machines, with promises that are written down.

A **switchboard** is one node's end of a fixed cluster. It makes channels: the `Sender`
of an MPSC channel is a small value that can be put inside any message, and whoever
gets it can connect it and send; a broadcast channel is known to every node by its
name. Connections come and go underneath, and nothing that was accepted is lost in
silence.

    async with comm.Switchboard(["127.0.0.1:7101", "127.0.0.1:7102"], 0) as switchboard:
        sender, receiver = switchboard.mpsc(str)

Importing `comm` loads the pure core alone, which does no I/O: no asyncio, no sockets,
no threads. `comm.Switchboard`, the asyncio driver, is loaded when it is first named.
"""

from __future__ import annotations

from importlib import import_module
import os.path
from typing import TYPE_CHECKING
import warnings

from comm import broadcast, errors, events, mpsc, protocol
from comm.address import Address
from comm.config import Config
from comm.errors import (
    AuthenticationFailed,
    BrokenError,
    ClosedError,
    ClusterMismatch,
    ConfigurationError,
    DecodeError,
    DuplicateNode,
    EncodeError,
    EndOfChannel,
    Error,
    HandshakeError,
    MessageTooLarge,
    PeerLost,
    PeerRestarted,
    ProducerAborted,
    ProducerLost,
    ProtocolError,
    ReceiverClosed,
    RendezvousError,
    StaleSender,
    TooManyProducers,
    UsageError,
    VersionMismatch,
    WouldBlock,
)
from comm.security import Security
from comm.switchboard import SwitchboardCore


if TYPE_CHECKING:
    from comm.net import Switchboard
else:
    # Hidden from type checkers, for which a module with `__getattr__` has every name.
    def __getattr__(name: str) -> object:
        """Loads the asyncio driver when it is first asked for."""
        if name != "Switchboard":
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        globals()[name] = switchboard = import_module("comm.net").Switchboard
        return switchboard


__all__ = [
    "Address",
    "AuthenticationFailed",
    "BrokenError",
    "ClosedError",
    "ClusterMismatch",
    "Config",
    "ConfigurationError",
    "DecodeError",
    "DuplicateNode",
    "EncodeError",
    "EndOfChannel",
    "Error",
    "HandshakeError",
    "MessageTooLarge",
    "PeerLost",
    "PeerRestarted",
    "ProducerAborted",
    "ProducerLost",
    "ProtocolError",
    "ReceiverClosed",
    "RendezvousError",
    "Security",
    "StaleSender",
    "Switchboard",
    "SwitchboardCore",
    "TooManyProducers",
    "UsageError",
    "VersionMismatch",
    "WouldBlock",
    "broadcast",
    "errors",
    "events",
    "mpsc",
    "protocol",
]


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def _warn_of_a_clash() -> None:
    """The package index has another `comm`, which installs into the same folder."""
    if os.path.exists(os.path.join(os.path.dirname(__file__), "base_comm.py")):
        warnings.warn(
            "Jupyter's package `comm` is installed over `comm-fabric`: both own the "
            "folder `comm`, and neither works reliably. Give each an environment of "
            "its own; `python -m comm doctor` explains.",
            stacklevel=3,
        )


_warn_of_a_clash()
