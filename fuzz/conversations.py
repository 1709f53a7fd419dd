"""What hostile bytes are made from: the published vectors, and real conversations.

A conversation is a list of pieces, each one frame; the first has the magic before it.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from functools import cache
import json
from pathlib import Path
from typing import Any

from comm.errors import WouldBlock
from comm.mpsc import ProducerCore
from comm.protocol import PROTOCOL_MAGIC, Connection, Kind, encode_frame
from fuzz.scene import HOSTILE, KIND, NEWS, TARGET, Scene


__all__ = ["conversations", "is_answer", "real_conversation", "vectors"]

_FOLDER = Path(__file__).parents[1] / "tests" / "vectors"
_MAGIC_BYTES = len(PROTOCOL_MAGIC)
_KIND_AT = _MAGIC_BYTES + 4


@cache
def conversations() -> tuple[tuple[bytes, ...], ...]:
    """Returns all that a node may be told, by real nodes and by the vectors."""
    told = [real_conversation(dials=True), real_conversation(dials=False)]
    told += [_split(bytes.fromhex(v["hex"])) for v in _load("connections")["vectors"]]
    told += [(bytes.fromhex(v["hex"]),) for v in _load("admission")["vectors"]]
    violations = _load("violations")
    hello = PROTOCOL_MAGIC + bytes.fromhex(violations["hello"])
    for vector in violations["vectors"]:
        told.append((hello, *map(bytes.fromhex, vector["frames"])))
    for vector in _load("frames")["vectors"]:
        told.append((hello, bytes.fromhex(vector["hex"])))
    return tuple(told)


def is_answer(conversation: Sequence[bytes]) -> bool:
    """Tells whether a conversation begins as that of the side that was called does."""
    return conversation[0][_KIND_AT] in {Kind.WELCOME, Kind.REFUSAL}


@cache
def vectors() -> tuple[tuple[bytes, ...], ...]:
    """Returns all conversations, and what no node would say."""
    malformed = _load("malformed")["vectors"]
    return (*((bytes.fromhex(v["hex"]),) for v in malformed), *conversations())


@cache
def real_conversation(*, dials: bool) -> tuple[bytes, ...]:
    """Returns what a real node 1 tells node 0 of a `Scene`.

    Args:
        dials: Whether node 1 has made the connection; otherwise node 0 has.
    """
    scene = Scene([TARGET, HOSTILE])
    core = scene.cores[HOSTILE]
    _, receiver = core.open_mpsc(KIND)
    if dials:
        core.dial_all(scene.now)
        scene.settle()
    scene.begin()
    producer = core.connect(scene.sender, KIND, scene.now)
    clone = core.clone(producer, scene.now)
    news = core.open_broadcast_sender(NEWS, KIND, scene.now)
    heard = core.open_broadcast_receiver(NEWS, KIND)
    scene.settle()
    for size in (10, 40, 350):
        for end in (producer, clone, news):
            with suppress(WouldBlock):
                end.send(bytes(size))
        producer.request_flush()
        scene.talk()
        scene.wait(0.4)
        scene.take()
        for receiving in (receiver, receiver, heard):
            with suppress(WouldBlock):
                receiving.take()
    _part(scene, producer, clone)
    receiver.close(0)
    scene.wait(2.0)
    core.close(scene.now)
    scene.wait(2.0)
    return _split(b"".join(scene.sent[HOSTILE, TARGET]))


def _part(scene: Scene, producer: ProducerCore, clone: ProducerCore) -> None:
    clone.send(bytes(30))
    clone.abort("enough")
    producer.finish()
    scene.producer.finish()
    scene.wait(1.0)
    scene.take()


def _split(data: bytes) -> tuple[bytes, ...]:
    """Returns the frames of what one side sends, each as its bytes."""
    reader = Connection(frame_bytes_max=1 << 20, handshake_bytes_max=1 << 20)
    reader.receive_data(data)
    frames = [
        encode_frame(f.kind, f.stream, f.sequence, f.value, f.payload)
        for f in iter(reader.next_frame, None)
    ]
    rest = reader.take_rest()
    pieces = [data[:_MAGIC_BYTES] + frames[0], *frames[1:], *([rest] if rest else [])]
    assert b"".join(pieces) == data
    return tuple(pieces)


def _load(name: str) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((_FOLDER / f"{name}.json").read_text("utf-8"))
    return loaded
