"""Untyped channels: what survives a round trip, and how."""

from __future__ import annotations

from collections import OrderedDict, namedtuple
from datetime import UTC, date, datetime, time, timedelta, timezone, tzinfo
from decimal import Decimal, localcontext
from enum import IntEnum, StrEnum
import math
import subprocess
import sys
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from hypothesis import given, settings, strategies as st
import pytest

from comm.codec import MsgpackCodec, register_extension
from comm.errors import DecodeError, EncodeError, UsageError
from tests.source import ROOT


ANYTHING = MsgpackCodec().bind(object)


def trip(value: Any) -> Any:
    """What arrives, alone and among others."""
    data = ANYTHING.encode(value)
    (alone,) = ANYTHING.decoder(data, 1)
    _, among_others, _ = ANYTHING.decoder(b"\xc0" + data + b"\xc0", 3)
    assert_same(alone, among_others)
    return alone


def extension(code: int, data: bytes) -> bytes:
    """An extension as it stands on the wire."""
    return b"\xc9" + len(data).to_bytes(4, "big") + bytes([code]) + data


def assert_same(one: Any, other: Any) -> None:
    """Equal in all its parts, and of the same types."""
    assert type(one) is type(other)
    match one:
        case list() | tuple():
            assert len(one) == len(other)
            for a, b in zip(one, other, strict=True):
                assert_same(a, b)
        case dict():
            assert_same(list(one.items()), list(other.items()))
        case datetime() | time():
            assert (one, one.fold) == (other, other.fold)
            assert one.utcoffset() == other.utcoffset()
        case Decimal():
            assert one.as_tuple() == other.as_tuple()
        case float() | complex():
            assert repr(one) == repr(other)
        case set() | frozenset():
            assert ANYTHING.encode(one) == ANYTHING.encode(other)
            assert one == other
        case _:
            assert one == other


def arriving(value: Any) -> Any:
    """The value with lists for tuples, except in keys and sets."""
    match value:
        case list() | tuple():
            return [arriving(each) for each in value]
        case dict():
            return {key: arriving(each) for key, each in value.items()}
        case _:
            return value


zones = st.none() | st.builds(
    timezone,
    st.timedeltas(
        min_value=timedelta(hours=-24, microseconds=1),
        max_value=timedelta(hours=24, microseconds=-1),
    ),
)
scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(min_value=-(1 << 300), max_value=1 << 300),
    st.floats(allow_nan=False),
    st.text(),
    st.binary(),
    st.datetimes(timezones=zones, allow_imaginary=False),
    st.dates(),
    st.times(timezones=zones),
    st.timedeltas(),
    st.decimals(allow_nan=False),
    st.uuids(),
    st.complex_numbers(allow_nan=False),
)
keys = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3).map(tuple) | st.frozensets(inner, max_size=3)
    ),
    max_leaves=4,
)
values = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.lists(inner, max_size=4).map(tuple),
        st.dictionaries(keys, inner, max_size=4),
        st.sets(keys, max_size=4),
        st.frozensets(keys, max_size=4),
    ),
    max_leaves=12,
)


@given(values)
def test_values_survive_a_round_trip(value: Any) -> None:
    """Whatever is sent arrives unchanged, except that tuples arrive as lists."""
    assert_same(trip(value), arriving(value))


@given(st.integers())
def test_integers_of_any_size_survive(value: int) -> None:
    """The step from MessagePack's integers to big ones cannot be seen."""
    for each in (value, value << 64, (1 << 64) + value, value - (1 << 63)):
        assert trip(each) == each


@settings(max_examples=30)
@given(st.sets(keys, max_size=6))
def test_equal_sets_give_equal_bytes(value: set[Any]) -> None:
    """The order of a set's elements on the wire is not that of this process."""
    backwards = set(dict.fromkeys(reversed(list(value))))
    assert ANYTHING.encode(value) == ANYTHING.encode(backwards)


@pytest.mark.parametrize(
    "value",
    [math.inf, -math.inf, Decimal("Infinity"), Decimal("-0E+7"), complex(0, -math.inf)],
)
def test_extreme_numbers_survive(value: Any) -> None:
    """Infinities and signed zeros arrive as such."""
    assert_same(trip(value), value)
    assert repr(trip(value)) == repr(value)


@pytest.mark.parametrize("text", ["NaN", "-sNaN123"])
def test_numbers_that_are_none_survive(text: str) -> None:
    """Any kind of NaN arrives as the same kind."""
    assert math.isnan(trip(math.nan))
    assert str(trip(Decimal(text))) == text


def test_numbers_do_not_depend_on_the_context() -> None:
    """Decimals of the application's own precision neither round nor turn to NaN."""
    data = ANYTHING.encode(Decimal("1.23456789"))
    with localcontext() as context:
        context.prec = 2
        context.clear_traps()
        assert list(ANYTHING.decoder(data, 1)) == [Decimal("1.23456789")]
        with pytest.raises(DecodeError, match="InvalidOperation"):
            next(ANYTHING.decoder(extension(8, b"1..2"), 1))


def test_a_zone_arrives_as_its_offset() -> None:
    """A named zone is lost, the instant and the wall clock are not."""
    sent = datetime(2024, 7, 1, 12, tzinfo=ZoneInfo("Europe/Berlin"))
    assert_same(trip(sent), sent.replace(tzinfo=timezone(timedelta(hours=2))))
    assert trip(datetime(2024, 7, 1, tzinfo=UTC)).tzinfo is UTC


class Nowhere(tzinfo):
    """A zone that does not know where it is."""

    def utcoffset(self, _when: datetime | None) -> timedelta | None:
        return None

    dst = utcoffset

    def tzname(self, _when: datetime | None) -> str | None:
        return None


@pytest.mark.parametrize(
    "value",
    [
        time(12, tzinfo=ZoneInfo("Europe/Berlin")),
        datetime(2024, 7, 1, tzinfo=Nowhere()),
    ],
)
def test_a_zone_without_an_offset_is_refused(value: Any) -> None:
    """A zone is never dropped in silence."""
    with pytest.raises(EncodeError, match="how far it is from UTC"):
        ANYTHING.encode(value)


class Level(IntEnum):
    LOW = 1
    HUGE = 1 << 70


class Colour(StrEnum):
    RED = "red"


Point = namedtuple("Point", "x y")  # noqa: PYI024 - as old code has them


class Instant(datetime):
    pass


class Bag(set[int]):
    pass


@pytest.mark.parametrize(
    ("sent", "arrived"),
    [
        (bytearray(b"ab"), b"ab"),
        (memoryview(b"abcd")[1:3], b"bc"),
        (Level.LOW, 1),
        (Level.HUGE, 1 << 70),
        (Colour.RED, "red"),
        (Point(1, 2), [1, 2]),
        (OrderedDict(b=1, a=2), {"b": 1, "a": 2}),
        (Instant(2024, 7, 1), datetime(2024, 7, 1)),
        (Bag([1]), {1}),
        ({Colour.RED: {Point(1, (2,))}}, {"red": {(1, (2,))}}),
    ],
)
def test_subclasses_arrive_as_the_class(sent: Any, arrived: Any) -> None:
    """What is only a variant of a plain type arrives as the plain type."""
    assert_same(trip(sent), arrived)


def test_tuples_stay_tuples_where_lists_cannot_be() -> None:
    """Keys of dicts and elements of sets come back as they were, however deep."""
    value = {(1, (2, frozenset({(3,)}))): [{((),): ((4,), {(5, (6,))})}]}
    assert trip(value) == {(1, (2, frozenset({(3,)}))): [{((),): [[4], {(5, (6,))}]}]}


def test_a_timestamp_of_another_implementation_is_a_datetime() -> None:
    """MessagePack's own time stamp is read, although it is never written."""
    data = b"\xd7\xff" + (500_000_000 << 34 | 1).to_bytes(8, "big")
    (when,) = ANYTHING.decoder(data, 1)
    assert_same(when, datetime(1970, 1, 1, 0, 0, 1, 500_000, tzinfo=UTC))


@pytest.mark.parametrize(
    ("value", "hexadecimal"),
    [
        (1 << 64, "c70902010000000000000000"),
        (date(2024, 7, 1), "d60407e80701"),
        (time(1, 2, 3, 4), "d705010203000000 0004"),
        (time(1, 2, 3, 4, UTC), "d805010203000000 0004 0000000000000000"),
        (datetime(2024, 7, 1, fold=1), "c70c03 07e80701 00000001 00000000"),
        (timedelta(days=-1, seconds=2), "c70c06 ffffffff 00000002 00000000"),
        (UUID(int=1), "d807" + "00" * 15 + "01"),
        (Decimal("1.5"), "c70308312e35"),
        ({2, 1}, "c70309920102"),
        (frozenset({"a"}), "c7030a91a161"),
        (1j, "d80b 0000000000000000 3ff0000000000000"),
    ],
)
def test_the_wire_form_is_as_documented(value: Any, hexadecimal: str) -> None:
    """The bytes of each extension are those of the table in the documentation."""
    assert ANYTHING.encode(value) == bytes.fromhex(hexadecimal)


class Celsius:
    def __init__(self, degrees: int) -> None:
        self.degrees = degrees

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Celsius) and other.degrees == self.degrees

    def __hash__(self) -> int:
        return hash(self.degrees)


def _read_celsius(data: bytes) -> Celsius:
    if not data:
        raise StopIteration
    return Celsius(int(data))


@pytest.fixture(scope="module", autouse=True)
def celsius() -> None:
    """Registered once, as extensions are, for the life of the process."""
    register_extension(99, Celsius, lambda value: b"%d" % value.degrees, _read_celsius)


def test_applications_can_add_extensions() -> None:
    """A registered class survives wherever it stands."""
    value = [Celsius(3), {Celsius(4): {Celsius(5)}}]
    assert trip(value) == value


def test_what_an_extension_raises_is_a_codec_error() -> None:
    """Functions of the application can raise what they like, for one item."""
    with pytest.raises(EncodeError, match=r"item\[0\]: Celsius .*TypeError"):
        ANYTHING.encode([Celsius("x")])  # type: ignore[arg-type]  # which is the point
    with pytest.raises(DecodeError, match="StopIteration"):
        next(ANYTHING.decoder(extension(99, b""), 1))


@pytest.mark.parametrize(
    ("code", "cls", "complaint"),
    [
        (-1, Point, "0 to 127"),
        (128, Point, "0 to 127"),
        (2, Point, "taken"),
        (7, Point, "taken"),
        (9, Point, "taken"),
        (99, Point, "taken"),
        (98, Celsius, "can already travel"),
        (98, str, "can already travel"),
        (98, UUID, "can already travel"),
    ],
)
def test_extensions_cannot_be_taken_over(code: int, cls: type, complaint: str) -> None:
    """A code means one class and a class has one code, or registering fails."""
    with pytest.raises(UsageError, match=complaint):
        register_extension(code, cls, bytes, lambda data: data)


def test_only_who_has_a_uuid_has_the_module_loaded() -> None:
    """The codec loads neither `uuid` nor `pickle` before there is one to be made."""
    code = (
        "import sys, comm.codec\n"
        "anything = comm.codec.resolve(None).bind(object)\n"
        "anything.encode([{1}, 1 << 70])\n"
        "print(*{'uuid', 'pickle', 'asyncio', 'random'} & set(sys.modules))\n"
        "data = b'\\xd8\\x07' + bytes(16)\n"
        "print(*anything.decoder(data, 1))\n"
    )
    command = [sys.executable, "-W", "error", "-c", code]
    told = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    assert told.stdout == "\n00000000-0000-0000-0000-000000000000\n"
