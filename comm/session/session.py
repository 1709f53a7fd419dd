"""`Session`: the reliable, multiplexed conversation of two incarnations.

A session outlives the links that carry it. Frames that must arrive exactly once
are numbered, kept until they are acknowledged, and sent again over the next link.
What is sent when is decided at the last moment, when a link has room: first what
the other side waits for (acknowledgements, answers, replayed frames, the frames of
receivers), then a turn for each producer, round robin.
"""

from __future__ import annotations

from collections import deque

from comm.errors import Error, ProtocolError
from comm.fabric import Cut, Fabric, Origin, Source
from comm.protocol import SEQUENCED, AckBody, Frame, Hello, Kind, encode_frame
from comm.router import Router
from comm.session.pings import Pings
from comm.session.replay import ReplayBuffer, SentFrame
from comm.session.state import SESSION_TRANSITIONS, SessionEvent, SessionState
from comm.session.streams import Streams
from comm.statistics import SessionStatistics


__all__ = ["Session"]

_TRANSMIT_BYTES = 256 << 10
"""How much is put in one `Transmit`: enough to make it cheap, little enough to let
an urgent frame go next."""

_ACK_BYTES = 64 << 10
"""How much may arrive before it is acknowledged at once."""

_ACK_DELAY_S = 0.02
"""How long an acknowledgement waits for a frame to travel with."""

_ASKING_PING = 0


class Session:
    """One side of the conversation with one node.

    Args:
        fabric: What the switchboard's parts share.
        router: Where the streams of the other side's producers lead.
        node_id: The other node.
    """

    __slots__ = (
        "_acks_sent",
        "_asked",
        "_chunk_bytes",
        "_duplicates",
        "_fabric",
        "_must_ack",
        "_pings",
        "_posts",
        "_ready",
        "_received",
        "_replay",
        "_streams",
        "_unconfirmed_bytes",
        "confirmed",
        "id",
        "is_fenced",
        "node_id",
        "peer_generation",
        "peer_incarnation",
        "peer_resume_window_s",
        "state",
    )

    def __init__(self, fabric: Fabric, router: Router, node_id: int) -> None:
        self.id = fabric.next_session()
        self.node_id = node_id
        self.state = SessionState.UNBOUND
        self.peer_incarnation = bytes(16)
        self.peer_generation = 0
        self.peer_resume_window_s = fabric.config.resume_window_s
        self.is_fenced = False
        self._fabric = fabric
        self._chunk_bytes = fabric.config.chunk_bytes
        self._streams = Streams(fabric, router, self)
        # Sending.
        self._replay = ReplayBuffer()
        self._posts: deque[tuple[int, Cut, Origin | None]] = deque()
        self._ready: deque[Source] = deque()
        self._pings = Pings()
        self._asked = False
        # Receiving.
        self._received = 0
        self._duplicates = 0
        self.confirmed = 0
        self._unconfirmed_bytes = 0
        self._acks_sent = (0, 0)
        self._must_ack = False

    @property
    def is_bound(self) -> bool:
        """Whether it is known whom the session is with."""
        return self.state in {SessionState.UP, SessionState.DOWN}

    @property
    def received(self) -> int:
        """The highest sequence number received."""
        return self._received

    @property
    def rtt_s(self) -> float | None:
        """The last measured round trip, in seconds; None if never."""
        return self._pings.rtt_s

    @property
    def has_output(self) -> bool:
        """Whether `fill` would return something; there must be a link."""
        return bool(
            self._ready
            or self._posts
            or self._pings.is_waiting
            or self._replay.has_replay
            or self._must_ack
            or self._asked
            or self._streams.openings.is_ready
        )

    @property
    def streams(self) -> Streams:
        """The streams of the session, in both directions."""
        return self._streams

    def bind(self, hello: Hello) -> None:
        """Learns whom the session is with."""
        assert self.state is SessionState.UNBOUND
        self.peer_incarnation = hello.incarnation
        self.peer_generation = hello.generation
        self.peer_resume_window_s = hello.resume_window_ms / 1000

    def link_up(self, received: int, peer_chunk_bytes: int) -> None:
        """A link stands; what the other side has not received is sent again.

        Args:
            received: The highest sequence number that the other side has received.
            peer_chunk_bytes: The largest payload of a frame that it takes.
        """
        self._move(SessionEvent.LINKED)
        self._chunk_bytes = min(self._fabric.config.chunk_bytes, peer_chunk_bytes)
        self._replay.acknowledge(min(received, self._replay.last_sequence))
        self._replay.rewind()
        # What the last link carried of acknowledgements may be lost with it.
        self._must_ack = True
        self._wake()

    def link_down(self) -> None:
        """The link is gone; everything unacknowledged is kept."""
        self._move(SessionEvent.CUT)
        self._pings.link_down()
        self._replay.pause()
        self._asked = False
        self._must_ack = False
        self._fabric.timers.cancel(("ack", self.node_id))

    def fence(self) -> None:
        """Withholds from receivers what the other side may soon report as lost."""
        self.is_fenced = True
        self._streams.withhold_batches()

    def unfence(self) -> None:
        """Releases what was withheld: the other side will not report it for now."""
        if self.is_fenced:
            self.is_fenced = False
            self._streams.refresh_inlets()

    def give_up(self, error: Error, *, keep_doubtful: bool) -> None:
        """Ends the session for good; every loss is reported.

        Args:
            error: What producers are told.
            keep_doubtful: Whether receivers keep items that the other side may not
                know to have arrived: right only if it is not there to report them.
        """
        self._move(SessionEvent.GIVEN_UP)
        self._fabric.timers.cancel(("ack", self.node_id))
        self._replay.clear()
        self._posts.clear()
        self._ready.clear()
        self._streams.openings.stop()
        if keep_doubtful:
            self.unfence()
        self._streams.lost(error, keep_doubtful=keep_doubtful)

    def handle_frame(self, frame: Frame) -> None:
        """Takes one frame of the established link.

        Raises:
            ProtocolError: If it may not come, or says what cannot be. It then
                counts as not received.
        """
        if frame.kind not in SEQUENCED:
            self._handle_unsequenced(frame)
            return
        if frame.sequence <= self._received:
            self._duplicates += 1
            return
        if frame.sequence != self._received + 1:
            raise ProtocolError(
                f"frame {frame.sequence} came behind frame {self._received}"
            )
        self._streams.handle(frame)
        if self._streams.openings.is_ready:
            self._wake()
        self._received = frame.sequence
        self._unconfirmed_bytes += len(frame.payload)
        if self._unconfirmed_bytes >= _ACK_BYTES:
            self.acknowledge_now()
        else:
            self._acknowledge_soon()

    def acknowledge_now(self) -> None:
        """Has an acknowledgement sent, even if nothing else is to be sent."""
        self._must_ack = True
        self._wake()

    def ping(self) -> None:
        """Asks for a sign of life, and measures how long it takes."""
        self._pings.ask_timed(self._fabric.now)
        self._wake()

    def probe(self, value: int) -> None:
        """Asks for a PONG with this value."""
        self._pings.ask(value)
        self._wake()

    def ask(self) -> None:
        """Asks the other side to acknowledge soon, behind all that is to be sent."""
        if self.state is SessionState.UP:
            self._asked = True
            self._wake()

    def confirm(self) -> None:
        """Lets the other side know at once what is known to have arrived there."""
        if self._replay.acknowledged > self._acks_sent[1]:
            self.acknowledge_now()

    def begin(self, source: Source) -> None:
        """Gives a source that has an OPEN to send its turns, as soon as it may."""
        self._streams.openings.wait(source)
        self._wake()

    def schedule(self, source: Source) -> None:
        """Gives the source a turn, until it has nothing left to cut."""
        self._ready.append(source)
        self._wake()

    def post(
        self,
        kind: int,
        stream: int,
        value: int = 0,
        payload: bytes = b"",
        origin: Origin | None = None,
    ) -> None:
        """Sends a frame of a stream's receiving end, ahead of data."""
        if self.state is not SessionState.LOST:
            self._posts.append((stream, Cut(kind, value, payload, 0), origin))
            self._wake()

    def answer(self, kind: int, stream: int, value: int, payload: bytes) -> None:
        """Answers an OPEN."""
        self.post(kind, stream, value, payload, self._streams.openings.answer())

    def forget_producer(self, stream: int) -> None:
        """Ignores the frames that may still come for a producer."""
        self._streams.forget_producer(stream)

    def forget_inlet(self, stream: int) -> None:
        """Ignores the frames that may still come for an inlet."""
        self._streams.forget_inlet(stream)

    def is_in_doubt(self, sequence: int) -> bool:
        """Tells whether the other side may not know that this frame arrived."""
        return sequence > self.confirmed

    def fill(self) -> list[bytes]:
        """Returns what to send now, a bounded amount of it."""
        assert self.state is SessionState.UP
        buffers: list[bytes] = []
        known = (self._received, self._replay.acknowledged)
        if self._must_ack or self._acks_sent != known:
            buffers.append(self._cut_ack())
        buffers += self._pings.take()
        size = 0
        while size < _TRANSMIT_BYTES and (sent := self._next_sent()) is not None:
            buffers.append(sent.header)
            if sent.payload:
                buffers.append(sent.payload)
            size += len(sent.header) + len(sent.payload)
        if self._asked and not self._ready:
            self._asked = False
            buffers.append(encode_frame(Kind.PING, value=_ASKING_PING))
        self._must_ack = False
        return buffers

    def farewell(self) -> list[bytes]:
        """Returns what the other side must still know before this side leaves.

        Items that nobody has sent yet are not among it: they are reported as lost.
        """
        self._ready.clear()
        self._streams.openings.stop()
        return self.fill()

    def statistics(self, generation: int) -> SessionStatistics:
        """Returns a snapshot."""
        return SessionStatistics(
            state=self.state.value,
            generation=generation,
            sent=self._replay.last_sequence,
            acknowledged=self._replay.acknowledged,
            received=self._received,
            unacknowledged_bytes=self._replay.size_bytes,
            replayed=self._replay.replayed,
            duplicates=self._duplicates,
            producers=len(self._streams.producers),
            inlets=len(self._streams.inlets),
        )

    def check_invariants(self) -> None:
        """Asserts what must hold between any two calls."""
        self._replay.check_invariants()
        assert self.confirmed <= self._received
        assert self.state is SessionState.UP or not self._pings.is_waiting
        self._streams.check_invariants()

    def _move(self, event: SessionEvent) -> None:
        self.state = SESSION_TRANSITIONS[self.state][event]

    def _wake(self) -> None:
        self._fabric.dirty[self.node_id] = None

    def _handle_unsequenced(self, frame: Frame) -> None:
        if frame.kind == Kind.ACK:
            self._handle_ack(frame)
        elif frame.kind == Kind.PING:
            self._pings.handle_ping(frame.value)
            self._wake()
        else:
            assert frame.kind == Kind.PONG
            self._pings.handle_pong(frame.value, self._fabric.now)
            if frame.value == _ASKING_PING:
                self.confirm()

    def _handle_ack(self, frame: Frame) -> None:
        confirmed = AckBody.decode(frame.payload).confirmed
        last = self._replay.last_sequence
        if frame.sequence > last:
            raise ProtocolError(
                f"frame {frame.sequence} is acknowledged, but {last} is the last "
                "that was sent"
            )
        if confirmed > self._received:
            raise ProtocolError(
                f"the acknowledgement of frame {confirmed} is confirmed, but "
                f"{self._received} is the last that was received"
            )
        self.confirmed = max(self.confirmed, confirmed)
        if frame.sequence > self._replay.acknowledged:
            self._replay.acknowledge(frame.sequence)
            # The other side is to know that we know, or it has to doubt it later.
            self._acknowledge_soon()

    def _acknowledge_soon(self) -> None:
        timers = self._fabric.timers
        timers.set_default(("ack", self.node_id), self._fabric.now + _ACK_DELAY_S)

    def _cut_ack(self) -> bytes:
        acknowledged = self._replay.acknowledged
        self._acks_sent = (self._received, acknowledged)
        self._unconfirmed_bytes = 0
        self._fabric.timers.cancel(("ack", self.node_id))
        body = AckBody(acknowledged).encode()
        return encode_frame(Kind.ACK, sequence=self._received, payload=body)

    def _next_sent(self) -> SentFrame | None:
        frame = self._replay.next_replay()
        if frame is not None:
            return frame
        if self._posts:
            return self._replay.number(*self._posts.popleft())
        opening = self._streams.openings.next()
        if opening is not None:
            self._ready.appendleft(opening)
        while self._ready:
            source = self._ready.popleft()
            cut = source.cut(self._chunk_bytes)
            if cut is not None:
                self._ready.append(source)
                return self._replay.number(source.stream, cut, source)
        return None
