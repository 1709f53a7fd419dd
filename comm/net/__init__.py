"""The asyncio driver: switchboards and channels over TCP and Unix sockets."""

from __future__ import annotations

from comm.net.broadcast import BroadcastReceiver, BroadcastSender, Fanout
from comm.net.chronicle import EventStream
from comm.net.dial import try_connect
from comm.net.leaving import DrainReport
from comm.net.memory import MemoryNetwork
from comm.net.mpsc import Connecting, Delivery, Producer, Receiver
from comm.net.network import Network, SocketNetwork
from comm.net.peers import IncomingStreams, Peer
from comm.net.switchboard import Switchboard


__all__ = [
    "BroadcastReceiver",
    "BroadcastSender",
    "Connecting",
    "Delivery",
    "DrainReport",
    "EventStream",
    "Fanout",
    "IncomingStreams",
    "MemoryNetwork",
    "Network",
    "Peer",
    "Producer",
    "Receiver",
    "SocketNetwork",
    "Switchboard",
    "try_connect",
]
