"""One core on a stage: the test plays every other node by hand, frame by frame."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
import itertools
import random
from typing import Any, TypeVar

from comm.config import Config
from comm.effects import (
    Abort,
    Close,
    Connect,
    Effect,
    EventOccurred,
    HandleId,
    LinkId,
    Transmit,
)
from comm.mpsc import ProducerCore, ReceiverCore
from comm.protocol import (
    PROTOCOL_MAGIC,
    AcceptBody,
    AckBody,
    Body,
    ChannelKind,
    Connection,
    CountBody,
    EndBody,
    Frame,
    Hello,
    Kind,
    OpenBody,
    ReasonBody,
    encode_frame,
)
from comm.switchboard import SwitchboardCore
from tests.helpers import BYTES, Cluster, pack


__all__ = ["NEWCOMER", "STRANGER", "THIRD", "Stage", "channel", "frames_sent"]

E = TypeVar("E")

STRANGER = b"s" * 16
"""The incarnation that a stage's other side has unless it says otherwise."""

NEWCOMER = b"n" * 16
THIRD = b"t" * 16


class Stage:
    """One real core, and connections whose other ends the test holds.

    Args:
        size: How many nodes the cluster has.
        node_id: Which of them is real.
        config: Its limits.
        options: What else its constructor takes.
    """

    def __init__(
        self,
        size: int = 2,
        node_id: int = 0,
        *,
        config: Config | None = None,
        **options: Any,
    ) -> None:
        self.config = config or Config()
        self.now = 0.0
        self.core = SwitchboardCore(
            [f"127.0.0.1:{7000 + i}" for i in range(size)],
            node_id,
            entropy=random.Random(4711).randbytes,
            config=self.config,
            **options,
        )
        self.other = 1 - node_id if size == 2 else (node_id + 1) % size
        self.effects: list[Effect] = []
        self.heard: dict[LinkId, list[Frame]] = {}
        self.ended: dict[LinkId, type] = {}
        self.dialled: list[LinkId] = []
        self._readers: dict[LinkId, Connection] = {}
        self._numbers: dict[LinkId, int] = {}

    # What the network does.

    def accept(self) -> LinkId:
        """Somebody connects to the core."""
        link = self.core.handle_accepted(self.now)
        self.pump()
        return link

    def connected(self) -> LinkId:
        """The core's latest attempt to connect succeeds."""
        link = self.dialled[-1]
        self.core.handle_connected(link, self.now)
        self.pump()
        return link

    def closed(self, link: LinkId, reason: str = "") -> None:
        """The connection is cut."""
        self.core.handle_closed(link, self.now, reason)
        self.pump()

    def wait(self, duration_s: float) -> None:
        """Lets time pass; every deadline is met exactly."""
        until = self.now + duration_s
        while (due := self.core.next_timeout()) is not None and due[0] <= until:
            self.now = max(self.now, due[0])
            self.core.handle_timeout(self.now)
            self.pump()
        self.now = until

    # What the other side says.

    def say(self, link: LinkId, *data: bytes) -> list[Frame]:
        """Bytes arrive together; returns the frames that the core answers."""
        before = len(self.heard.get(link, []))
        self.core.handle_data(link, b"".join(data), self.now)
        self.pump()
        return self.heard.get(link, [])[before:]

    def hello(self, kind: Kind = Kind.HELLO, **changes: Any) -> bytes:
        """Returns the magic and what the other side says of itself."""
        member = self.core._membership
        fields: dict[str, Any] = {
            "security": member.security,
            "cluster": member.cluster,
            "membership": member.fingerprint,
            "node_id": self.other,
            "peer_id": self.core.node_id,
            "incarnation": STRANGER,
            "generation": 0,
            "peer_incarnation": bytes(16),
            "peer_generation": 0,
            "received": 0,
            "resume_window_ms": 30_000,
            "message_bytes_max": 1 << 20,
            "chunk_bytes": 1 << 16,
            "codec": "msgpack",
        }
        body = Hello(**(fields | changes))
        return PROTOCOL_MAGIC + encode_frame(kind, payload=body.encode())

    def resume(self, received: int = 0, **changes: Any) -> bytes:
        """Returns a HELLO that goes on with the session."""
        changes = {"peer_incarnation": self.core.incarnation} | changes
        return self.hello(received=received, **changes)

    def establish(self, **changes: Any) -> LinkId:
        """The other side dials, and is let in."""
        link = self.accept()
        answer = self.say(link, self.hello(**changes))
        assert answer[0].kind == Kind.WELCOME, answer
        self._numbers[link] = 0
        return link

    def send(
        self,
        link: LinkId,
        kind: Kind,
        stream: int = 1,
        value: int = 0,
        payload: bytes | Body = b"",
    ) -> list[Frame]:
        """A sequenced frame with the next number arrives."""
        number = self._numbers.get(link, 0) + 1
        self._numbers[link] = number
        if isinstance(payload, Body):
            payload = payload.encode()
        return self.say(link, encode_frame(kind, stream, number, value, payload))

    def go_on(self, link: LinkId, after: LinkId) -> None:
        """Numbers the frames of a link behind those of the one before."""
        self._numbers[link] = self._numbers[after]

    def open(
        self, link: LinkId, receiver: ReceiverCore, stream: int = 1
    ) -> list[Frame]:
        """The other side opens a stream to an MPSC channel of the core."""
        return self.send(link, Kind.OPEN, stream, 0, self.open_body(receiver.channel))

    def open_body(
        self, channel: bytes, kind: int = ChannelKind.MPSC, **changes: Any
    ) -> OpenBody:
        """Returns the body of an OPEN."""
        incarnation = self.core.incarnation if kind == ChannelKind.MPSC else bytes(16)
        fields: dict[str, Any] = {
            "kind": kind,
            "channel": channel,
            "incarnation": incarnation,
            "codec": BYTES.codec,
            "item_type": BYTES.item_type,
        }
        return OpenBody(**(fields | changes))

    def items(self, link: LinkId, *items: object, stream: int = 1) -> list[Frame]:
        """The other side sends items."""
        payload = b"".join(map(pack, items))
        return self.send(link, Kind.DATA, stream, len(items), payload)

    def finish(self, link: LinkId, count: int, stream: int = 1) -> list[Frame]:
        """The other side's producer finishes."""
        return self.send(link, Kind.FINISH, stream, 0, CountBody(count))

    def reset(self, link: LinkId, stream: int = 1) -> list[Frame]:
        """The other side's producer is aborted."""
        return self.send(link, Kind.RESET, stream, 0, ReasonBody("given up"))

    def accepts(self, link: LinkId, stream: int = 1, credit: int = 1000) -> None:
        """The other side takes a producer of the core."""
        self.send(link, Kind.ACCEPT, stream, credit, AcceptBody(1 << 20))

    def stops(
        self, link: LinkId, reason: int, taken: int = 0, stream: int = 1, text: str = ""
    ) -> None:
        """The other side takes nothing more of a producer of the core."""
        self.send(link, Kind.STOP, stream, reason, EndBody(taken, text))

    def acknowledge(self, link: LinkId, number: int, confirmed: int = 0) -> None:
        """The other side acknowledges the core's frames up to a number."""
        body = AckBody(confirmed).encode()
        self.say(link, encode_frame(Kind.ACK, sequence=number, payload=body))

    # What the core does.

    def pump(self, at_most: int | None = None) -> None:
        """Takes all effects, or the next few, and reads the frames among them."""
        self.core.check_invariants()
        for _ in itertools.count() if at_most is None else range(at_most):
            effect = self.core.next_effect()
            if effect is None:
                return
            self.effects.append(effect)
            self.core.check_invariants()
            if isinstance(effect, Transmit):
                self._read(effect)
            elif isinstance(effect, (Close, Abort)):
                assert effect.link not in self.ended
                self.ended[effect.link] = type(effect)
            elif isinstance(effect, Connect):
                self.dialled.append(effect.link)

    def kinds(self, link: LinkId) -> list[Kind]:
        """Returns the kinds of the frames that the core has sent."""
        return [Kind(frame.kind) for frame in self.heard.get(link, [])]

    def happened(self, kind: type[E]) -> list[E]:
        """Returns the effects of a kind so far."""
        return [effect for effect in self.effects if isinstance(effect, kind)]

    def events(self, kind: type[E]) -> list[E]:
        """Returns the events of a kind so far."""
        told = (effect.event for effect in self.happened(EventOccurred))
        return [event for event in told if isinstance(event, kind)]

    def handles(self, kind: type[Any]) -> list[HandleId]:
        """Returns the handles of the effects of a kind, in order."""
        return [effect.handle for effect in self.happened(kind)]

    def _read(self, effect: Transmit) -> None:
        assert effect.link not in self.ended, "Transmit after the end"
        reader = self._readers.get(effect.link)
        if reader is None:
            reader = Connection(frame_bytes_max=1 << 24, handshake_bytes_max=1 << 24)
            self._readers[effect.link] = reader
        reader.receive_data(b"".join(effect.buffers))
        heard = self.heard.setdefault(effect.link, [])
        heard += iter(reader.next_frame, None)


def frames_sent(effects: Iterable[Effect]) -> Mapping[LinkId, list[Frame]]:
    """Returns the frames of each link among a core's effects."""
    data: dict[LinkId, bytes] = {}
    for effect in effects:
        if isinstance(effect, Transmit):
            data[effect.link] = data.get(effect.link, b"") + b"".join(effect.buffers)
    frames: dict[LinkId, list[Frame]] = {}
    for link, sent in data.items():
        reader = Connection(frame_bytes_max=1 << 24, handshake_bytes_max=1 << 24)
        reader.receive_data(sent)
        frames[link] = list(iter(reader.next_frame, None))
    return frames


def channel(
    cluster: Cluster, source: int, target: int, **options: Any
) -> tuple[ProducerCore, ReceiverCore]:
    """Opens a channel on one node and connects a producer of another."""
    sender, receiver = cluster[target].open_mpsc(BYTES, **options)
    producer: ProducerCore = cluster.connect(source, sender)
    return producer, receiver
