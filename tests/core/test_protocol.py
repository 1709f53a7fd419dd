"""The wire protocol's parsers: any cut of the bytes, malformed bytes, and limits."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import pairwise
import struct
import sys
import tracemalloc

from hypothesis import given, settings, strategies as st
import pytest

from comm.errors import ProtocolError
from comm.protocol import (
    FORMS,
    PROTOCOL_MAGIC,
    SEQUENCED,
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
    Purpose,
    Reason,
    ReasonBody,
    connection as connection_module,
    encode_frame,
    frame_header,
    match_handshake,
)
from comm.protocol.layout import ID, TEXT, U8, U32, U64, Field


HEADER_BYTES = 21
BODIES = list(dict.fromkeys(form.body for form in FORMS.values() if form.body))
VALUES: dict[Field, st.SearchStrategy[object]] = {
    U8: st.integers(0, (1 << 8) - 1),
    U32: st.integers(0, (1 << 32) - 1),
    U64: st.integers(0, (1 << 64) - 1),
    ID: st.binary(min_size=16, max_size=16),
    TEXT: st.text(st.characters(codec="utf-8"), max_size=40),
}

FRAMES = [
    Frame(Kind.HELLO, 0, 0, 0, b"who I am"),
    Frame(Kind.PING, 0, 0, 7, b""),
    Frame(Kind.OPEN, 1, 1, 0, b"o" * 40),
    Frame(Kind.DATA, 1, 2, 3, b"\x01\xa1x\xc0"),
    Frame(255, (1 << 32) - 1, (1 << 64) - 1, (1 << 32) - 1, PROTOCOL_MAGIC),
    Frame(Kind.ACK, 0, 9, 0, bytes(8)),
]
CONVERSATION = PROTOCOL_MAGIC + b"".join(
    encode_frame(f.kind, f.stream, f.sequence, f.value, f.payload) for f in FRAMES
)


def new_connection(frame_max: int = 100, handshake_max: int = 4096) -> Connection:
    return Connection(frame_bytes_max=frame_max, handshake_bytes_max=handshake_max)


def take_all(connection: Connection) -> list[Frame]:
    return list(iter(connection.next_frame, None))


def feed(connection: Connection, pieces: Iterable[bytes]) -> list[Frame]:
    frames: list[Frame] = []
    for piece in pieces:
        connection.receive_data(piece)
        frames += take_all(connection)
    return frames


def single(data: bytes) -> list[bytes]:
    return [data[i : i + 1] for i in range(len(data))]


def test_match_handshake_waits_exactly_until_it_can_tell() -> None:
    """Each prefix of the magic is undecided, and all of it is enough."""
    for size in range(len(PROTOCOL_MAGIC)):
        assert match_handshake(PROTOCOL_MAGIC[:size]) is None
    assert match_handshake(PROTOCOL_MAGIC) is True
    assert match_handshake(PROTOCOL_MAGIC + b"x") is True


@pytest.mark.parametrize("wrong", range(8))
def test_match_handshake_sees_every_wrong_byte(wrong: int) -> None:
    """Any other byte at any place decides at once, and for good."""
    for byte in set(range(256)) - {PROTOCOL_MAGIC[wrong]}:
        prefix = PROTOCOL_MAGIC[:wrong] + bytes([byte])
        assert match_handshake(prefix) is False
        assert match_handshake(prefix + PROTOCOL_MAGIC) is False


@pytest.mark.parametrize("wrong", range(8))
@pytest.mark.parametrize("cut", [single, lambda data: [data]], ids=["single", "whole"])
def test_a_foreign_connection_is_refused_at_its_first_foreign_byte(
    wrong: int, cut: Callable[[bytes], list[bytes]]
) -> None:
    """The refusal comes with that byte, however the bytes were cut."""
    connection = new_connection()
    *before, last = cut(PROTOCOL_MAGIC[:wrong] + b"?")
    assert feed(connection, before) == []
    connection.receive_data(last)
    with pytest.raises(ProtocolError, match="magic"):
        connection.next_frame()


def test_frames_whole_and_byte_by_byte() -> None:
    """The same frames come out of one piece, of single bytes, and of empty ones."""
    assert feed(new_connection(), [CONVERSATION]) == FRAMES
    assert feed(new_connection(), single(CONVERSATION)) == FRAMES
    mixed = [part for byte in single(CONVERSATION) for part in (b"", byte)]
    assert feed(new_connection(), mixed) == FRAMES


def test_frames_cut_at_every_point() -> None:
    """One cut at any offset changes nothing, and nothing is left over."""
    for cut in range(len(CONVERSATION) + 1):
        connection = new_connection()
        assert feed(connection, [CONVERSATION[:cut], CONVERSATION[cut:]]) == FRAMES
        assert connection.buffered_bytes == 0
        assert connection.take_rest() == b""


@settings(deadline=None)
@given(st.lists(st.integers(0, len(CONVERSATION))).map(sorted))
def test_frames_cut_anywhere(cuts: list[int]) -> None:
    """Any number of cuts changes nothing."""
    bounds = [0, *cuts, len(CONVERSATION)]
    pieces = [CONVERSATION[a:b] for a, b in pairwise(bounds)]
    assert feed(new_connection(), pieces) == FRAMES


def test_trailing_data_waits_for_the_rest_of_its_frame() -> None:
    """Behind whole frames, every beginning of another one is kept, and completed."""
    more = encode_frame(Kind.DATA, 1, 3, 1, b"\x05")
    for size in range(len(more)):
        connection = new_connection()
        assert feed(connection, [CONVERSATION + more[:size]]) == FRAMES
        assert connection.buffered_bytes == size
        assert feed(connection, [more[size:]]) == [Frame(Kind.DATA, 1, 3, 1, b"\x05")]


def test_frames_must_be_taken_before_more_bytes_are_given() -> None:
    """A driver that would lose frames is stopped."""
    connection = new_connection()
    connection.receive_data(CONVERSATION)
    with pytest.raises(AssertionError, match="left behind"):
        connection.receive_data(b"")


def test_dribbled_bytes_cost_no_more_than_a_constant_each(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A frame's bytes are looked at twice, however many pieces they come in."""

    class CountedHeader:
        size = HEADER_BYTES
        count = 0

        def unpack_from(self, data: bytes, offset: int) -> tuple[int, ...]:
            self.count += 1
            return struct.unpack_from(">IBIQI", data, offset)

    header = CountedHeader()
    monkeypatch.setattr(connection_module, "HEADER", header)
    connection = new_connection(frame_max=100_000)
    connection.handshake_done()
    frames = [encode_frame(Kind.DATA, payload=bytes(20_000)) for _ in range(3)]
    assert len(feed(connection, single(PROTOCOL_MAGIC + b"".join(frames)))) == 3
    assert header.count <= 2 * len(frames)


def test_a_frame_may_be_as_large_as_the_limit() -> None:
    """A payload of `frame_bytes_max` is taken."""
    connection = new_connection(frame_max=100)
    data = PROTOCOL_MAGIC + encode_frame(Kind.DATA, payload=bytes(100))
    assert len(feed(connection, [data])) == 1


@pytest.mark.parametrize("size", [101, 1 << 31, (1 << 32) - 1])
def test_a_frame_over_the_limit_is_refused_by_its_header(size: int) -> None:
    """The header alone is enough, and nothing can be read afterwards."""
    connection = new_connection(frame_max=100)
    header = PROTOCOL_MAGIC + frame_header(Kind.DATA, 1, 1, 1, size)
    assert feed(connection, single(header[:-1])) == []
    connection.receive_data(header[-1:])
    for _ in range(2):
        with pytest.raises(ProtocolError, match=f"declares {size} bytes"):
            connection.next_frame()


def test_nothing_is_allocated_by_a_declared_length() -> None:
    """What is held is what came, even where a frame of 4 GiB would be taken."""
    size = (1 << 32) - 1
    connection = new_connection(frame_max=size)
    connection.handshake_done()
    header = PROTOCOL_MAGIC + frame_header(Kind.DATA, 1, 1, 1, size)
    tracemalloc.start()
    try:
        assert feed(connection, [header, bytes(1000), bytes(1000)]) == []
        assert tracemalloc.get_traced_memory()[1] < 100_000
    finally:
        tracemalloc.stop()
    assert connection.buffered_bytes == HEADER_BYTES + 2000


def test_bytes_are_not_held_twice() -> None:
    """The caller's bytes are let go once their frames were taken."""
    data = CONVERSATION + b"beginning"
    connection = new_connection()
    count = sys.getrefcount(data)
    feed(connection, [data])
    assert sys.getrefcount(data) == count


def test_the_handshake_has_a_limit_of_its_own() -> None:
    """Magic and frames together reach `handshake_bytes_max`, and no further."""
    data = PROTOCOL_MAGIC + encode_frame(Kind.HELLO, payload=bytes(50))
    exact = new_connection(handshake_max=len(data))
    assert len(feed(exact, [data])) == 1
    exact.receive_data(encode_frame(Kind.PING))
    with pytest.raises(ProtocolError, match="handshake is longer"):
        exact.next_frame()
    short = new_connection(handshake_max=len(data) - 1)
    short.receive_data(data[: len(PROTOCOL_MAGIC) + HEADER_BYTES])
    with pytest.raises(ProtocolError, match="handshake is longer"):
        short.next_frame()


def test_handshake_done_lifts_the_limit() -> None:
    """What follows the handshake is bounded by the size of a frame alone."""
    hello = PROTOCOL_MAGIC + encode_frame(Kind.HELLO)
    connection = new_connection(handshake_max=len(hello))
    data = encode_frame(Kind.DATA, payload=bytes(100))
    connection.receive_data(hello + 3 * data)
    assert connection.next_frame() is not None
    connection.handshake_done()
    assert len(take_all(connection)) == 3


@settings(deadline=None)
@given(st.binary(max_size=300), st.integers(1, 40))
def test_hostile_bytes_are_refused_within_the_limit(data: bytes, step: int) -> None:
    """Any bytes give frames or `ProtocolError`; never more is held than may come."""
    connection = new_connection(frame_max=64, handshake_max=96)
    data = PROTOCOL_MAGIC + data
    try:
        for start in range(0, len(data), step):
            connection.receive_data(data[start : start + step])
            take_all(connection)
            assert connection.buffered_bytes < 96
    except ProtocolError:
        return
    assert len(data) < 96 + HEADER_BYTES


def test_take_rest_in_every_state() -> None:
    """It gives all bytes that no frame was made of, once, wherever reading stands."""
    hello = PROTOCOL_MAGIC + encode_frame(Kind.HELLO, payload=b"hi")
    for cut in range(len(hello)):
        connection = new_connection()
        assert feed(connection, [hello[:cut]]) == []
        rest = b"" if cut == len(PROTOCOL_MAGIC) else hello[:cut]
        assert connection.take_rest() == rest.removeprefix(PROTOCOL_MAGIC)
        assert connection.take_rest() == b""
        assert connection.buffered_bytes == 0


@pytest.mark.parametrize("cut", [single, lambda data: [data]], ids=["single", "whole"])
@pytest.mark.parametrize("raw", [b"", b"r", b"raw bytes, many more than a header has"])
def test_raw_bytes_behind_the_handshake_are_handed_over(
    raw: bytes, cut: Callable[[bytes], list[bytes]]
) -> None:
    """Bytes in the same read as the last frame are not parsed, and not lost."""
    connection = new_connection()
    *before, last = cut(PROTOCOL_MAGIC + encode_frame(Kind.HELLO))
    assert feed(connection, before) == []
    connection.receive_data(last + raw)
    assert connection.next_frame() == Frame(Kind.HELLO, 0, 0, 0, b"")
    assert connection.take_rest() == raw
    assert connection.next_frame() is None


def test_the_header_is_what_the_specification_says() -> None:
    """21 bytes, big-endian: length, kind, stream, sequence, value."""
    header = bytes.fromhex("00000005 11 00000002 0000000000000003 00000004")
    assert frame_header(Kind.DATA, 2, 3, 4, 5) == header
    assert encode_frame(Kind.DATA, 2, 3, 4, b"12345") == header + b"12345"
    assert len(header) == HEADER_BYTES


def test_every_kind_has_its_form() -> None:
    """`FORMS` is complete, and agrees with the ranges of numbers that kinds are in."""
    assert list(FORMS) == list(Kind)
    assert {kind for kind in Kind if FORMS[kind].names_stream} == SEQUENCED
    numbered = {kind for kind in Kind if "frame's number" in FORMS[kind].sequence}
    assert numbered == SEQUENCED == {kind for kind in Kind if kind >= 16}
    assert {type(body) for body in BODY_EXAMPLES} == set(BODIES)


def body_strategy(cls: type[Body]) -> st.SearchStrategy[Body]:
    return st.builds(cls, **{name: VALUES[field] for name, field in cls.LAYOUT})


def hello(**changes: object) -> Hello:
    fields: dict[str, object] = {name: 0 for name, _ in Hello.LAYOUT}
    fields |= dict.fromkeys(["security", "cluster", "codec"], "")
    fields |= dict.fromkeys(
        ["membership", "incarnation", "peer_incarnation"], bytes(16)
    )
    return Hello(**fields | changes)  # type: ignore[arg-type]


@settings(deadline=None)
@given(st.sampled_from(BODIES).flatmap(body_strategy))
def test_every_body_survives_its_bytes(body: Body) -> None:
    """Decoding what was encoded gives the same value."""
    assert type(body).decode(body.encode()) == body


@settings(deadline=None)
@given(st.sampled_from(BODIES), st.binary(max_size=150))
def test_a_body_has_one_encoding(cls: type[Body], payload: bytes) -> None:
    """Any bytes are refused, or are exactly what the decoded value encodes to."""
    try:
        body = cls.decode(payload)
    except ProtocolError:
        return
    assert body.encode() == payload


BODY_EXAMPLES = [
    hello(security="s", cluster="c", codec="é"),
    OpenBody(ChannelKind.MPSC, bytes(16), bytes(16), "msgpack", "object"),
    AcceptBody(1),
    AckBody(1),
    CountBody(1),
    EndBody(1, "text"),
    ReasonBody(""),
]


@pytest.mark.parametrize("body", BODY_EXAMPLES, ids=lambda body: type(body).__name__)
def test_a_body_ends_where_its_last_field_does(body: Body) -> None:
    """Every shorter payload is refused, and every longer one."""
    payload = body.encode()
    for size in range(len(payload)):
        with pytest.raises(ProtocolError, match="ends inside"):
            body.decode(payload[:size])
    with pytest.raises(ProtocolError, match="2 bytes too many"):
        body.decode(payload + b"\0\0")


@pytest.mark.parametrize(
    ("payload", "message"),
    [
        (b"\x00\x01\xff", "not UTF-8"),
        (b"\x00\x03\xed\xa0\x80", "not UTF-8"),
        (b"\x04\x01" + b"x" * 1025, "longer than 1024"),
        (b"\x00\x02x", "ends inside"),
    ],
)
def test_malformed_text_is_refused(payload: bytes, message: str) -> None:
    """Text is UTF-8 of at most 1024 bytes, all of them there."""
    with pytest.raises(ProtocolError, match=message):
        ReasonBody.decode(payload)


@pytest.mark.parametrize(
    ("text", "arrives"),
    [
        ("x" * 1024, "x" * 1024),
        ("x" * 1025, "x" * 1024),
        ("x" * 1023 + "é", "x" * 1023),
        ("x" * 1020 + "\U0001f600" + "y", "x" * 1020 + "\U0001f600"),
        ("a\udcffb", "a?b"),
    ],
)
def test_text_of_any_kind_can_be_sent(text: str, arrives: str) -> None:
    """What is too long is cut between characters; what UTF-8 lacks becomes '?'."""
    assert ReasonBody.decode(ReasonBody(text).encode()) == ReasonBody(arrives)


def test_what_no_version_may_change() -> None:
    """The magic, the first two bytes of HELLO, and the numbers of a refusal."""
    assert bytes.fromhex("93636f6d6d0d0a01") == PROTOCOL_MAGIC
    assert [name for name, _ in Hello.LAYOUT[:2]] == ["version_min", "version_max"]
    assert hello(version_min=3, version_max=9).encode()[:2] == b"\x03\x09"
    assert (Kind.HELLO, Kind.WELCOME, Kind.REFUSAL) == (1, 2, 3)
    assert (Purpose.SESSION, Purpose.STREAM) == (0, 1)
    assert (Reason.NONE, Reason.VERSION) == (0, 1)
    assert ReasonBody("no").encode() == b"\x00\x02no"
