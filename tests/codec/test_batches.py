"""Batches: one item after another, whatever is wrong with some of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from hypothesis import example, given, settings, strategies as st
import msgpack  # type: ignore[import-untyped]  # it ships no types
import pytest

from comm.codec import ItemDecoder, MsgpackCodec, batches, packing
from comm.codec.binding import BoundCodec
from comm.errors import DecodeError


CODEC = MsgpackCodec()
ANYTHING = CODEC.bind(object)

BAD = "bad"
"""What stands for a `DecodeError` in a list of outcomes."""

GOOD = [
    b"\x01",
    b"\xa1x",
    b"\x92\x01\x02",
    b"\x81\xa1k\xc0",
    b"\xd6\x04\x07\xe8\x07\x01",
]
BAD_UTF8 = b"\xa2\xff\xff"
BAD_EXTENSION = b"\xd4\x7d\x00"
BAD_DATE = b"\xd6\x04\x07\xe8\x63\x01"
BAD_KEY = b"\x81\x80\x01"
LOST = b"\xc1"


def extension(code: int, data: bytes) -> bytes:
    """An extension as it stands on the wire."""
    return b"\xc9" + len(data).to_bytes(4, "big") + bytes([code]) + data


def outcomes(decoder: ItemDecoder[Any]) -> list[Any]:
    """Each item, or the word for its error, one by one."""
    return list(_outcomes(decoder))


def _outcomes(decoder: ItemDecoder[Any]) -> Iterator[Any]:
    while decoder.remaining:
        before = decoder.remaining
        try:
            yield next(decoder)
        except DecodeError:
            yield BAD
        assert decoder.remaining == before - 1
    with pytest.raises(StopIteration):
        next(decoder)


def outcomes_taken(decoder: ItemDecoder[Any], limit: int) -> list[Any]:
    """The same, several at a time."""
    collected: list[Any] = []
    while decoder.remaining:
        try:
            taken = decoder.take(limit)
            assert 0 < len(taken) <= limit
            collected += taken
        except DecodeError:
            collected.append(BAD)
    assert decoder.take(limit) == []
    return collected


def assert_outcomes(
    bound: BoundCodec[Any], payload: bytes, count: int, expected: list[Any]
) -> None:
    """However the items are fetched, the outcome is the same."""
    assert outcomes(bound.decoder(payload, count)) == expected
    for limit in (1, 2, 100):
        assert outcomes_taken(bound.decoder(payload, count), limit) == expected


@pytest.mark.parametrize("bad", [BAD_UTF8, BAD_EXTENSION, BAD_DATE, BAD_KEY])
@pytest.mark.parametrize("place", range(4))
def test_a_bad_item_spoils_no_other(bad: bytes, place: int) -> None:
    """What cannot be unpacked is one `DecodeError`, in its own turn."""
    items = [b"\x01", b"\x02", b"\x03"]
    items.insert(place, bad)
    expected: list[Any] = [1, 2, 3]
    expected.insert(place, BAD)
    assert_outcomes(ANYTHING, b"".join(items), 4, expected)


@pytest.mark.parametrize("place", range(4))
def test_an_item_of_the_wrong_type_spoils_no_other(place: int) -> None:
    """What does not pass the check of the item type is one `DecodeError`."""
    items: list[Any] = [1, 2, 3]
    items.insert(place, "x")
    expected: list[Any] = [1, 2, 3]
    expected.insert(place, BAD)
    for bound in (CODEC.bind(int), CODEC.bind(int | None)):
        payload = b"".join(map(msgpack.packb, items))
        assert_outcomes(bound, payload, 4, expected)


@pytest.mark.parametrize("item_type", [bytes, str])
def test_fast_paths_check_types_as_well(item_type: type) -> None:
    """Channels of `bytes` and `str` refuse what is neither, and go on."""
    good = item_type() + item_type(b"x" if item_type is bytes else "x")
    payload = b"".join(map(msgpack.packb, [good, 1, [], good]))
    assert_outcomes(CODEC.bind(item_type), payload, 4, [good, BAD, BAD, good])


def test_large_binaries_are_sliced_out() -> None:
    """Large `bytes` arrive as they are, among small ones and among garbage."""
    bound = CODEC.bind(bytes)
    items = [bytes([n]) * size for n, size in enumerate([0, 9, 255, 256, 1 << 16])]
    data = [bound.encode(item) for item in items]
    assert data == [msgpack.packb(item) for item in items]
    assert_outcomes(bound, b"".join(data), 5, items)
    bad = [*data[:3], b"\x07", *data[3:]]
    assert_outcomes(bound, b"".join(bad), 6, [*items[:3], BAD, *items[3:]])
    for item, one in zip(items, data, strict=True):
        assert_outcomes(bound, one, 1, [item])
        assert_outcomes(bound, one[:-1] or b"\xc4", 1, [BAD])


@pytest.mark.parametrize(
    "rest", [LOST, b"", b"\xa5x", b"\x92\x01", b"\xdd\xff\xff\xff\xff\x01"]
)
def test_garbage_loses_the_rest_of_its_batch(rest: bytes) -> None:
    """Where nobody can tell items apart, each that is left is one `DecodeError`."""
    assert_outcomes(ANYTHING, b"\x01\x02" + rest, 5, [1, 2, BAD, BAD, BAD])
    assert_outcomes(ANYTHING, rest, 1, [BAD])


def test_lost_items_say_so() -> None:
    """The error tells an item that is bad from one that nobody can find."""
    decoder = ANYTHING.decoder(LOST, 2)
    for _ in range(2):
        with pytest.raises(DecodeError, match="lost: from here on"):
            next(decoder)


def test_bytes_behind_the_last_item_are_ignored() -> None:
    """The count is what counts."""
    assert_outcomes(ANYTHING, b"\x01\x02\x03", 2, [1, 2])
    assert_outcomes(ANYTHING, b"\x01\xc1", 1, [1])
    assert_outcomes(ANYTHING, b"", 0, [])


def test_a_decoder_is_an_iterator() -> None:
    """It can be looped over, and taking nothing takes nothing."""
    decoder = ANYTHING.decoder(b"\x01\x02", 2)
    assert iter(decoder) is decoder
    assert decoder.take(0) == []
    assert decoder.take(-1) == []
    assert list(decoder) == [1, 2]


def test_nothing_is_decoded_before_it_is_asked_for() -> None:
    """Items are built one by one, so that nobody pays for what is never fetched."""
    Counted.built = 0
    bound = CODEC.bind(Counted)
    decoder = bound.decoder(bound.encode(Counted(1)) * 3, 3)
    Counted.built = 0
    next(decoder)
    assert Counted.built == 1
    decoder.take(2)
    assert Counted.built == 3


@dataclass
class Counted:
    number: int
    built = 0

    def __post_init__(self) -> None:
        Counted.built += 1
        if self.number < 0:
            raise ValueError("no negative numbers, please")


@pytest.mark.parametrize("limit", [1, 9])
def test_a_refused_item_is_built_only_once(limit: int) -> None:
    """What a constructor does besides raising is not done twice."""
    payload = b"".join(msgpack.packb([n]) for n in (1, -2, 3))
    bound = CODEC.bind(Counted)
    Counted.built = 0
    taken = outcomes_taken(bound.decoder(payload, 3), limit)
    assert taken == [Counted(1), BAD, Counted(3)]
    assert Counted.built == 3 + 2


@settings(max_examples=300)
@given(st.lists(st.sampled_from([*GOOD, BAD_UTF8, BAD_EXTENSION, BAD_KEY])), st.data())
def test_every_mixture_gives_every_item_its_turn(
    items: list[bytes], data: st.DataObject
) -> None:
    """Good and bad items in any order, fetched in any way: each has its outcome."""
    expected = [
        next(ANYTHING.decoder(each, 1)) if each in GOOD else BAD for each in items
    ]
    decoder = ANYTHING.decoder(b"".join(items), len(items))
    collected: list[Any] = []
    while decoder.remaining:
        limit = data.draw(st.integers(0, 4))
        try:
            collected += decoder.take(limit) if limit else [next(decoder)]
        except DecodeError:
            collected.append(BAD)
    assert collected == expected


ITEM_TYPES: list[Any] = [
    object,
    bytes,
    str,
    int | None,
    list[int],
    dict[tuple[int, ...], set[str]],
    Counted,
]


@settings(max_examples=300)
@given(st.binary(max_size=200), st.integers(0, 20), st.sampled_from(ITEM_TYPES))
@example(b"\xc7" * 200, 20, object)
def test_random_bytes_raise_nothing_but_decode_errors(
    payload: bytes, count: int, item_type: Any
) -> None:
    """Hostile bytes make as many outcomes as are announced, and no other error."""
    bound = CODEC.bind(item_type)
    one_by_one = outcomes(bound.decoder(payload, count))
    assert len(one_by_one) == count
    several = outcomes_taken(bound.decoder(payload, count), 7)
    assert list(map(repr, several)) == list(map(repr, one_by_one))


def nested(head: bytes, depth: int, core: bytes) -> bytes:
    """A value in as many arrays, or maps, as there are."""
    return head * depth + core


def nested_sets(depth: int) -> bytes:
    """A set inside a set inside a set."""
    data = b""
    for _ in range(depth):
        body = b"\x91" + data if data else b"\x90"
        data = extension(10, body)
    return data


HOSTILE = {
    "deep array": nested(b"\x91", 100_000, b"\xc0"),
    "deep map": nested(b"\x81\xc0", 100_000, b"\xc0"),
    "deep key": nested(b"\x81", 100_000, b"\xc0"),
    "key as deep as can be": b"\x81" + nested(b"\x91", 1000, b"\xc0") + b"\xc0",
    "deep sets": nested_sets(5000),
    "announced array": b"\xdd\xff\xff\xff\xff" * 500,
    "announced map": b"\xdf\xff\xff\xff\xff" * 500,
    "announced text": b"\xdb\xff\xff\xff\xff",
    "announced bytes": b"\xc6\xff\xff\xff\xff",
    "announced extension": b"\xc9\xff\xff\xff\xff\x02",
    "announced set": extension(9, b"\xdd\xff\xff\xff\xff"),
    "set of maps": extension(9, b"\x91\x80"),
    "set that is no array": extension(9, b"\x01"),
    "set with a tail": extension(10, b"\x91\x01\x01"),
    "empty set": extension(9, b""),
    "timestamp out of range": b"\xc7\x0c\xff" + bytes(4) + b"\x7f" + b"\xff" * 7,
    "timestamp of wrong length": b"\xd4\xff\x00",
    "date out of range": b"\xd6\x04" + b"\xff" * 4,
    "time out of range": b"\xd7\x05" + b"\xff" * 8,
    "zone out of range": b"\xd8\x05" + bytes(8) + b"\x7f" + b"\xff" * 7,
    "time span out of range": b"\xc7\x0c\x06" + b"\x7f" + b"\xff" * 11,
    "time too short": b"\xd4\x05\x00",
    "complex too long": b"\xc7\x11\x0b" + bytes(17),
    "identity too short": b"\xd4\x07\x00",
    "exponent out of range": extension(8, b"1e" + b"9" * 30),
    "digits in no ASCII": extension(8, "٣".encode()),
    "unknown extension": extension(31, b""),
    "negative extension": b"\xd4\x80\x00",
    "key that cannot be one": b"\x81\xc7\x01\x09\x90\x01",
}


@pytest.mark.parametrize("data", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_items_are_decode_errors(data: bytes) -> None:
    """Depth, lengths and values beyond all bounds are refused, at no great cost."""
    expected = outcomes(ANYTHING.decoder(data, 1))
    assert expected == [BAD]
    first, bad, *_ = outcomes(ANYTHING.decoder(b"\x01" + data + b"\x02", 3))
    assert (first, bad) == (1, BAD)


def test_what_can_be_sent_can_be_received() -> None:
    """The depth that is refused for sending is no greater than that for receiving."""
    value: Any = frozenset()
    for _ in range(31):
        value = frozenset({value})
    assert list(ANYTHING.decoder(ANYTHING.encode(value), 1)) == [value]
    value = None
    for _ in range(500):
        value = [value]
    assert list(ANYTHING.decoder(ANYTHING.encode(value), 1)) == [value]


class Counting:
    """An unpacker that counts how often it passes over an object."""

    skipped = 0

    def __init__(self, payload: bytes) -> None:
        self._unpacker = packing.open_index(payload)
        self.tell = self._unpacker.tell

    def skip(self) -> None:
        Counting.skipped += 1
        self._unpacker.skip()


def test_many_bad_items_take_time_in_proportion(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A batch of nothing but bad items is no way to keep a receiver busy."""
    monkeypatch.setattr(batches, "open_index", Counting)
    Counting.skipped = 0
    decoder = ANYTHING.decoder(b"\x01" * 10 + BAD_UTF8 * 1000, 1010)
    assert outcomes(decoder) == [1] * 10 + [BAD] * 1000
    assert Counting.skipped == 1010
