"""The published vectors, in both directions and however their bytes are cut."""

from __future__ import annotations

from collections.abc import Iterator
import json
from pathlib import Path
from typing import Any

import msgpack  # type: ignore[import-untyped]  # it ships no types
import pytest

from comm.errors import ProtocolError
from comm.protocol import (
    FORMS,
    PROTOCOL_MAGIC,
    Body,
    Connection,
    Frame,
    Kind,
    Purpose,
    encode_frame,
)
from comm.protocol.layout import ID


Vector = dict[str, Any]

FOLDER = Path(__file__).parents[1] / "vectors"

# What the messages of this implementation say for the keywords of the vectors.
MESSAGES = {
    "magic": "does not begin with our magic",
    "frame_too_large": "a frame declares",
    "handshake_too_long": "the handshake is longer",
    "body_too_short": "ends inside a",
    "body_too_long": "bytes too many",
    "text_too_long": "is longer than 1024 bytes",
    "text_not_utf8": "is not UTF-8",
}


def vectors(file: str) -> list[Vector]:
    loaded: list[Vector] = json.loads((FOLDER / file).read_text("utf-8"))["vectors"]
    return loaded


def each(file: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("vector", vectors(file), ids=lambda v: v["name"])


def connection(vector: Vector) -> Connection:
    made = Connection(frame_bytes_max=65536, handshake_bytes_max=4096)
    if vector.get("after_handshake", False):
        made.handshake_done()
    return made


def encode(frame: Vector) -> bytes:
    """Makes the bytes of a frame from its decoded form."""
    kind = Kind[frame["kind"]]
    payload = bytes.fromhex(frame.get("payload", ""))
    if "items" in frame:
        payload = b"".join(map(msgpack.packb, frame["items"]))
    body_class = FORMS[kind].body
    if body_class is not None:
        payload = build(body_class, frame["body"]).encode()
    return encode_frame(
        kind, frame["stream"], frame["sequence"], frame["value"], payload
    )


def build(body_class: type[Body], fields: Vector) -> Body:
    return body_class(
        **{
            name: bytes.fromhex(fields[name]) if kind is ID else fields[name]
            for name, kind in body_class.LAYOUT
        }
    )


def decode(frame: Frame) -> Vector:
    """Makes the decoded form of a frame as it was read."""
    kind = Kind(frame.kind)
    plain: Vector = {
        "kind": kind.name,
        "stream": frame.stream,
        "sequence": frame.sequence,
        "value": frame.value,
    }
    body_class = FORMS[kind].body
    if body_class is not None:
        plain["body"] = spell(body_class.decode(frame.payload))
    elif kind is Kind.DATA:
        unpacker = msgpack.Unpacker()
        unpacker.feed(frame.payload)
        plain["items"] = list(unpacker)
    elif frame.payload:
        plain["payload"] = frame.payload.hex()
    return plain


def spell(body: Body) -> Vector:
    return {
        name: getattr(body, name).hex() if kind is ID else getattr(body, name)
        for name, kind in body.LAYOUT
    }


def cuts(data: bytes) -> Iterator[list[bytes]]:
    """Gives the bytes whole, one by one, and in two pieces in every way."""
    yield [data]
    yield [data[i : i + 1] for i in range(len(data))]
    yield from ([data[:cut], data[cut:]] for cut in range(1, len(data)))


def read(reader: Connection, pieces: list[bytes]) -> list[Vector]:
    """Reads and decodes the frames of pieces that come one after the other."""
    frames = []
    for piece in pieces:
        reader.receive_data(piece)
        frames += [decode(frame) for frame in iter(reader.next_frame, None)]
    return frames


def test_the_names_tell_the_vectors_apart() -> None:
    """In each file every vector has its own name, and all refusals are known."""
    for path in sorted(FOLDER.glob("*.json")):
        names = [vector["name"] for vector in vectors(path.name)]
        assert len(set(names)) == len(names), path.name
    assert {vector["reason"] for vector in vectors("malformed.json")} == set(MESSAGES)


def test_there_is_a_vector_of_every_kind() -> None:
    """No kind of frame is without an example."""
    kinds = [vector["frame"]["kind"] for vector in vectors("frames.json")]
    assert list(dict.fromkeys(kinds)) == [kind.name for kind in Kind]


@each("frames.json")
def test_a_frame_is_encoded_as_its_vector(vector: Vector) -> None:
    """The decoded form gives exactly the bytes of the vector."""
    assert encode(vector["frame"]) == bytes.fromhex(vector["hex"])


@each("frames.json")
def test_a_frame_is_decoded_as_its_vector(vector: Vector) -> None:
    """The bytes give the decoded form, however they are cut."""
    for pieces in cuts(PROTOCOL_MAGIC + bytes.fromhex(vector["hex"])):
        assert read(connection(vector), pieces) == [vector["frame"]]


@each("frames.json")
def test_a_frame_is_decoded_with_data_behind_it(vector: Vector) -> None:
    """What follows in the same read is left for the next frame, or for raw reading."""
    data = bytes.fromhex(vector["hex"])
    for trailing in (data[:1], data[:20], data[:-1]):
        reader = connection(vector)
        frames = read(reader, [PROTOCOL_MAGIC + data + trailing])
        assert frames == [vector["frame"]]
        assert reader.take_rest() == trailing


@each("connections.json")
def test_a_connection_is_encoded_as_its_vector(vector: Vector) -> None:
    """Magic, frames and raw bytes make up exactly the vector."""
    frames = b"".join(map(encode, vector["frames"]))
    rest = bytes.fromhex(vector.get("rest", ""))
    assert PROTOCOL_MAGIC + frames + rest == bytes.fromhex(vector["hex"])


@each("connections.json")
def test_a_connection_is_decoded_as_its_vector(vector: Vector) -> None:
    """However the bytes are cut, the same frames come, and the same raw bytes."""
    count = len(vector["frames"])
    for pieces in cuts(bytes.fromhex(vector["hex"])):
        reader = connection(vector)
        frames: list[Vector] = []
        rest = b""
        for piece in pieces:
            if len(frames) == count:
                rest += piece
                continue
            reader.receive_data(piece)
            while len(frames) < count and (frame := reader.next_frame()) is not None:
                frames.append(decode(frame))
            if len(frames) == count:
                rest = reader.take_rest()
        assert frames == vector["frames"]
        assert rest == bytes.fromhex(vector.get("rest", ""))


def test_a_connection_ends_in_raw_bytes_only_as_a_stream() -> None:
    """Raw bytes stand behind a WELCOME that repeats the purpose STREAM."""
    for vector in vectors("connections.json"):
        is_raw = vector["frames"][0].get("body", {}).get("purpose") == Purpose.STREAM
        assert is_raw == ("rest" in vector)


@each("malformed.json")
def test_malformed_bytes_are_refused_as_their_vector_says(vector: Vector) -> None:
    """The refusal is the same, however the bytes are cut and whatever follows."""
    data = bytes.fromhex(vector["hex"])
    assert vector["error"] == ProtocolError.__name__
    for trailing in (b"", b"\0", data):
        for pieces in cuts(data + trailing):
            with pytest.raises(ProtocolError, match=MESSAGES[vector["reason"]]):
                read(connection(vector), pieces)
