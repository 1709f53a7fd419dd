"""The published vectors of whole nodes: who is let in, and what ends a link."""

from __future__ import annotations

from collections.abc import Callable, Iterator
import json
from pathlib import Path
from typing import Any

import pytest

from comm.config import Config
from comm.effects import Abort, Close, LinkId, Transmit
from comm.protocol import (
    PROTOCOL_MAGIC,
    Connection,
    Frame,
    Hello,
    Kind,
    Reason,
    encode_frame,
)
from comm.security import Security
from comm.switchboard import SwitchboardCore


Vector = dict[str, Any]

FOLDER = Path(__file__).parents[1] / "vectors"
ADMISSION: Vector = json.loads((FOLDER / "admission.json").read_text("utf-8"))
VIOLATIONS: Vector = json.loads((FOLDER / "violations.json").read_text("utf-8"))

PING = encode_frame(Kind.PING, value=4711)


def each(file: Vector) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("vector", file["vectors"], ids=lambda v: v["name"])


def whole(data: bytes) -> list[bytes]:
    return [data]


def single(data: bytes) -> list[bytes]:
    return [data[i : i + 1] for i in range(len(data))]


@pytest.fixture(params=[whole, single])
def cut(request: pytest.FixtureRequest) -> Callable[[bytes], list[bytes]]:
    chosen: Callable[[bytes], list[bytes]] = request.param
    return chosen


class Node:
    """The node of a file of vectors, with one connection that was made to it."""

    def __init__(self, file: Vector) -> None:
        self.core = SwitchboardCore(
            file["nodes"],
            file["node_id"],
            entropy=lambda size: bytes(range(0xA0, 0xA0 + size)),
            cluster=file["cluster"],
            config=Config(**file.get("config", {})),
            security=Security(file["security"]),
        )
        self.link: LinkId = self.core.handle_accepted(0.0)
        self.is_closed = False
        self._reader = Connection(frame_bytes_max=4096, handshake_bytes_max=4096)
        self._reader.handshake_done()

    def feed(self, pieces: list[bytes]) -> list[Frame]:
        """Gives the node bytes; returns the frames that it answers."""
        for piece in pieces:
            self.core.handle_data(self.link, piece, 0.0)
            self.core.check_invariants()
        return list(self._answers())

    def _answers(self) -> Iterator[Frame]:
        while (effect := self.core.next_effect()) is not None:
            if isinstance(effect, Transmit):
                self._reader.receive_data(b"".join(effect.buffers))
                yield from iter(self._reader.next_frame, None)
            elif isinstance(effect, (Abort, Close)):
                assert effect.link == self.link
                self.is_closed = True


@each(ADMISSION)
def test_a_node_lets_in_whom_the_vectors_say(
    vector: Vector, cut: Callable[[bytes], list[bytes]]
) -> None:
    """The first check that fails decides, however the bytes come."""
    node = Node(ADMISSION)
    frames = node.feed(cut(bytes.fromhex(vector["hex"])))
    answer = Kind(frames[0].kind).name if frames else "CLOSED"
    assert answer == vector["answer"]
    assert node.is_closed == (answer != "WELCOME")
    if answer == "REFUSAL":
        assert len(frames) == 1
        assert Reason(frames[0].value).name == vector["reason"]
    if answer == "WELCOME":
        welcome = Hello.decode(frames[0].payload)
        assert (welcome.version_min, welcome.version_max) == (1, 1)
        assert (welcome.generation, welcome.received) == (0, 0)


def established() -> Node:
    node = Node(VIOLATIONS)
    hello = PROTOCOL_MAGIC + bytes.fromhex(VIOLATIONS["hello"])
    welcome = Hello.decode(node.feed([hello])[0].payload)
    assert welcome.incarnation.hex() == VIOLATIONS["incarnation"]
    return node


@each(VIOLATIONS)
def test_a_node_closes_the_link_where_the_vectors_say(
    vector: Vector, cut: Callable[[bytes], list[bytes]]
) -> None:
    """The last frame is what breaks the rules, and nothing behind it is read."""
    *before, last = map(bytes.fromhex, vector["frames"])
    node = established()
    node.feed(cut(b"".join(before)))
    assert not node.is_closed
    frames = node.feed(cut(last + PING))
    assert node.is_closed == vector["closes"]
    pongs = [frame.kind for frame in frames if frame.value == 4711]
    assert pongs == ([] if vector["closes"] else [Kind.PONG])
    assert node.core.statistics().protocol_errors == vector["closes"]


@each(VIOLATIONS)
def test_a_node_closes_the_link_where_all_frames_come_at_once(vector: Vector) -> None:
    """One read with all frames, and with more behind them, ends in the same way."""
    data = b"".join(map(bytes.fromhex, vector["frames"]))
    node = established()
    node.feed([data + PING])
    assert node.is_closed == vector["closes"]
