"""Both nodes dial at once: whatever arrives first, one link comes of it."""

from __future__ import annotations

from collections.abc import Callable
import copy
from functools import partial
from typing import Any

from comm.effects import Abort, Connect, LinkId
from comm.errors import HandshakeError
from comm.events import PeerDown, PeerUp
from comm.mpsc import Sender
from comm.peer.turns import TURNS_MAX
from comm.protocol import PROTOCOL_MAGIC, Kind, Reason, ReasonBody, encode_frame
from tests.helpers import BYTES, Cluster, pack, receive_all
from tests.stage import STRANGER, Stage, channel


class Crossing(Cluster):
    """Two nodes that both dial at once; the test says what happens next."""

    def __init__(self) -> None:
        super().__init__()
        self.connecting: list[tuple[int, Connect]] = []
        self.is_held = True
        for node in (0, 1):
            peer = self[node]._peers[1 - node]
            assert peer is not None
            peer.want(urgent=True)
        self.settle()

    def _connect(self, node: int, effect: Connect) -> None:
        if self.is_held:
            self.connecting.append((node, effect))
        else:
            super()._connect(node, effect)

    def _close(self, node: int, link: int) -> None:
        self.connecting = [
            (source, effect)
            for source, effect in self.connecting
            if (source, effect.link) != (node, link)
        ]
        super()._close(node, link)

    def choices(self) -> list[tuple[str, Callable[[], None]]]:
        """Returns what may happen next: connections stand, and bytes arrive."""
        found: list[tuple[str, Callable[[], None]]] = [
            (f"connect {node} {effect.link}", partial(self.connect_now, i))
            for i, (node, effect) in enumerate(self.connecting)
        ]
        for wire in self._distinct_wires():
            for side in (0, 1):
                if wire.flying[side]:
                    name = f"arrive {wire.ends} {side}"
                    found.append((name, self._arrival(wire, side)))
        return found

    def choose(self, name: str) -> Crossing:
        """Returns a copy of this world in which the choice was made."""
        successor = copy.deepcopy(self)
        dict(successor.choices())[name]()
        successor.settle()
        return successor

    def connect_now(self, index: int) -> None:
        node, effect = self.connecting.pop(index)
        super()._connect(node, effect)

    def key(self) -> str:
        """Returns what tells this world from others."""
        flying = [
            (wire.ends, wire.closed, [[data for _, data in f] for f in wire.flying])
            for wire in self._distinct_wires()
        ]
        prints = [core.fingerprint() for core in self.cores if core]
        return repr((prints, flying, self.connecting))

    def agree(self) -> None:
        """Lets all the rest happen; then one link is left, and carries items."""
        self.is_held = False
        self.run(2.0)
        links = {
            (node, link.id)
            for node, core in enumerate(self.cores)
            if core
            for link in core._links.all()
        }
        wires = [wire for wire in self._distinct_wires() if not all(wire.closed)]
        assert [set(wire.ends) for wire in wires] == [links]
        for node in (0, 1):
            producer, receiver = channel(self, node, 1 - node)
            producer.send(pack(node))
            self.run(0.1)
            assert receive_all(receiver) == [node]


def test_every_order_of_arrival_ends_in_one_link() -> None:
    """All that can happen is tried in every order: the nodes always come to agree on
    one link, which works."""
    first = Crossing()
    pending, seen, ends = [first], {first.key()}, 0
    while pending:
        world = pending.pop()
        choices = world.choices()
        if not choices:
            ends += 1
            world.agree()
        for name, _ in choices:
            successor = world.choose(name)
            if (key := successor.key()) not in seen:
                seen.add(key)
                pending.append(successor)
    assert len(seen) > 50
    assert ends >= 3


def test_only_so_many_connections_are_made_at_once() -> None:
    """In a large cluster the others wait for their turn, in their order; one that is
    urgent does not, and one that comes to stand makes room."""
    stage = Stage(40, node_id=20)
    stage.core.dial_all(stage.now)
    stage.pump()
    assert len(stage.dialled) == TURNS_MAX
    sender: Sender[Any] = Sender("comm", 30, STRANGER, b"c" * 16, *BYTES)
    stage.core.connect(sender, BYTES, stage.now)
    stage.pump()
    assert len(stage.dialled) == TURNS_MAX + 1
    stage.wait(0.1)
    stage.core.dial_all(stage.now)
    stage.pump()
    assert len(stage.dialled) == TURNS_MAX + 1
    for link in stage.dialled[:2]:
        stage.core.handle_connect_failed(link, "refused", stage.now)
    stage.pump()
    assert len(stage.dialled) == TURNS_MAX + 2
    stage.core.close(stage.now)
    stage.pump()
    assert stage.core.next_timeout() is None
    assert set(stage.dialled[2:]) <= set(stage.ended)


def test_a_large_cluster_meets_although_each_has_few_turns() -> None:
    """Whoever was let in meanwhile need not call."""
    cluster = Cluster(2 * TURNS_MAX + 2)
    cluster.check = False
    cluster.meet()
    assert cluster.connections == len(cluster.cores) * (len(cluster.cores) - 1) // 2


def dialling(node_id: int) -> tuple[Stage, LinkId]:
    stage = Stage(node_id=node_id)
    peer = stage.core._peers[stage.other]
    assert peer is not None
    peer.want(urgent=True)
    stage.pump()
    return stage, stage.connected()


def test_the_higher_id_answers_busy() -> None:
    """Its own connection counts; the other one's is refused, which is no error."""
    stage, mine = dialling(1)
    theirs = stage.accept()
    (refusal,) = stage.say(theirs, stage.hello())
    assert (refusal.kind, refusal.value) == (Kind.REFUSAL, Reason.BUSY)
    assert theirs in stage.ended
    stage.say(mine, stage.hello(Kind.WELCOME))
    assert len(stage.events(PeerUp)) == 1
    assert not stage.events(PeerDown)


def test_the_lower_id_yields() -> None:
    """It drops the connection that it dialled, and admits the other side's."""
    stage, mine = dialling(0)
    theirs = stage.accept()
    stage.say(theirs, stage.hello())
    assert stage.kinds(theirs) == [Kind.WELCOME, Kind.ACK]
    assert stage.ended == {mine: Abort}


def test_a_connection_that_does_not_stand_yet_yields() -> None:
    """The higher id admits the other side as long as its own HELLO is not sent."""
    stage = Stage(node_id=1)
    stage.core.dial_all(stage.now)
    stage.pump()
    mine = stage.dialled[0]
    theirs = stage.establish()
    assert stage.ended == {mine: Abort}
    stage.core.handle_connected(mine, stage.now)
    stage.pump()
    assert theirs not in stage.ended


def test_busy_is_heard_by_a_node_that_has_no_other_link() -> None:
    """Whoever hears BUSY tries again after a pause, unless it was let in meanwhile."""
    stage, mine = dialling(0)
    text = ReasonBody("").encode()
    busy = encode_frame(Kind.REFUSAL, value=Reason.BUSY, payload=text)
    stage.say(mine, PROTOCOL_MAGIC + busy)
    assert isinstance(stage.core.missing()[1], HandshakeError)
    stage.wait(0.1)
    assert len(stage.dialled) == 2
