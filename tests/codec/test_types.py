"""Typed channels: every form of annotation that they take, there and back."""

from __future__ import annotations

from collections.abc import Callable, Mapping, MutableMapping, MutableSequence, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import Enum, Flag, IntEnum, StrEnum, auto
from types import GenericAlias, MappingProxyType
import typing
from typing import (
    Annotated,
    Any,
    Literal,
    LiteralString,
    NamedTuple,
    NewType,
    NotRequired,
    Optional,
    Required,
    TypedDict,
    TypeVar,
)
from uuid import UUID

from hypothesis import given, settings, strategies as st
import msgspec
import pytest

from comm.codec import MsgpackCodec
from comm.mpsc import Sender


CODEC = MsgpackCodec()

T = TypeVar("T")
Number = TypeVar("Number", int, str)
Whole = TypeVar("Whole", bound=int)

UserId = NewType("UserId", int)
Nested = NewType("Nested", list[UserId])


def trip(item_type: Any, value: Any) -> Any:
    bound = CODEC.bind(item_type)
    data = bound.encode(value)
    (alone,) = bound.decoder(data, 1)
    assert list(bound.decoder(data * 3, 3)) == [alone] * 3
    return alone


class Colour(Enum):
    RED = "red"
    CRIMSON = "red"  # noqa: PIE796 - an alias
    BLUE = object()


class Size(IntEnum):
    S = 1
    L = 2


class Word(StrEnum):
    YES = auto()


class Access(Flag):
    READ = auto()
    WRITE = auto()


@dataclass(frozen=True, slots=True)
class Point:
    x: int
    y: int = 0


@dataclass(frozen=True)
class Name:
    text: str


class Movie(TypedDict):
    title: str
    year: NotRequired[int]


class Partial(TypedDict, total=False):
    title: Required[str]
    point: Point


class Slot(NamedTuple):
    inside: int


class Alias:
    """What a `type` statement of later Pythons makes: a name for what it evaluates."""

    def __init__(self, name: str, value: Callable[[], Any], *parameters: Any) -> None:
        self.__qualname__ = name
        self.__type_params__ = parameters
        self._value = value

    def __repr__(self) -> str:
        return self.__qualname__

    def __getitem__(self, parameter: Any) -> Any:
        return GenericAlias(self, (parameter,))  # type: ignore[arg-type]  # as `type` does

    @property
    def __value__(self) -> Any:
        return self._value()


def json() -> Any:
    """Evaluates to a type that refers to its own alias."""
    return None | bool | float | str | list[JSON] | dict[str, JSON]


JSON: Any = Alias("Json", json)
ROWS: Any = Alias("Rows", lambda: list[tuple[T, ...]], T)  # type: ignore[valid-type]

TRIPS: list[tuple[Any, list[Any]]] = [
    (object, [None, 1, [1, {2: 3}]]),
    (Any, [{"a": {1}}]),
    (None, [None]),
    (type(None), [None]),
    (bool, [True, False]),
    (int, [0, -1, 1 << 63, 1 << 64, -(1 << 200)]),
    (float, [0.5, -0.0, float("inf")]),
    (str, ["", "ä", "x" * 100_000]),
    (LiteralString, ["x"]),
    (bytes, [b"", b"ab", b"x" * 100_000]),
    (complex, [1j]),
    (datetime, [datetime(2024, 7, 1)]),
    (date, [date(2024, 7, 1)]),
    (UUID, [UUID(int=1)]),
    (Decimal, [Decimal("1.10")]),
    (list, [[1, "x"]]),
    (typing.List, [[1, "x"]]),  # noqa: UP006
    (list[int], [[], [1, 2]]),
    (list[Any], [[1, "x", None]]),
    (list[float], [[0.5], []]),
    (list[list[Point]], [[[Point(1)], []]]),
    (Sequence[int], [[1, 2]]),
    (MutableSequence[Point], [[Point(1)]]),
    (tuple, [(), (1, "x")]),
    (typing.Tuple, [(1, "x")]),  # noqa: UP006
    (tuple[()], [()]),
    (tuple[int], [(1,)]),
    (tuple[int, str], [(1, "x")]),
    (tuple[int, ...], [(), (1, 2, 3)]),
    (tuple[tuple[int, ...], Point], [((1, 2), Point(3))]),
    (set, [{1, "x"}, {(1, 2)}]),
    (set[Any], [{1, "x"}]),
    (set[int], [set(), {1, 2, 3}]),
    (set[tuple[int, str]], [{(1, "x"), (2, "y")}]),
    (frozenset, [frozenset({1})]),
    (frozenset[Point], [frozenset({Point(1), Point(2)})]),
    (dict, [{"a": 1, (1, 2): {3}}]),
    (dict[str, int], [{}, {"a": 1}]),
    (dict[int, Any], [{1: "x", 2: None}]),
    (dict[Any, int], [{(1, (2,)): 3}]),
    (dict[tuple[int, int], str], [{(1, 2): "x"}, {}]),
    (dict[Point, Point], [{Point(1): Point(2)}]),
    (dict[Size, str], [{Size.S: "small"}]),
    (dict[int | str, str], [{1: "x", "y": "z"}]),
    (dict[Name | None, int], [{Name("x"): 1, None: 2}]),
    (dict[Size | None, int], [{Size.S: 1, None: 2}]),
    (dict[Name | int, int], [{Name("x"): 1, 2: 2}]),
    (dict[Literal["a", 1], int], [{"a": 1, 1: 2}]),
    (Mapping[str, Point], [{"a": Point(1)}]),
    (MutableMapping[str, int], [{"a": 1}]),
    (Optional[Point], [None, Point(1)]),  # noqa: UP045
    (int | None, [None, 1]),
    (int | str | None, [None, 1, "x"]),
    (float | int, [1, 1.5]),
    (object | int, ["x"]),
    (Point | Name, [Point(1), Name("x")]),
    (Point | int | None, [Point(1), 2, None]),
    (list[int] | list[str] | dict[str, int], [[1], ["x"], {"a": 1}, []]),
    (Movie | Partial, [{"title": "x", "year": 1}, {"title": "x", "point": Point(1)}]),
    (Colour | Size | int, [Colour.RED, Size.L, 2]),
    (Literal["x", b"y", True, 1, 0], ["x", b"y", True, 1, 0]),
    (Literal["x"] | None, [None, "x"]),
    (Literal[Size.S, Colour.RED, "S2"], [Size.S, Colour.RED, "S2"]),
    (Colour, [Colour.RED, Colour.CRIMSON, Colour.BLUE]),
    (Size, [Size.S]),
    (Word, [Word.YES]),
    (Access, [Access.READ, Access(0), Access.READ | Access.WRITE]),
    (UserId, [UserId(1)]),
    (Nested, [Nested([UserId(1)])]),
    (Annotated[Point, "note"], [Point(1)]),
    (Annotated[int, []], [1]),
    (list[Annotated[int, msgspec.Meta(ge=0)]], [[1, 2]]),
    (Annotated[list[Point], msgspec.Meta(max_length=2)], [[Point(1), Point(2)]]),
    (list[T], [[1, "x"]]),  # type: ignore[valid-type]
    (list[Number], [[1, "x"]]),  # type: ignore[valid-type]
    (Whole, [1]),
    (JSON, [None, {"a": [True, 1.5, {"b": None}]}]),
    (ROWS[int], [[(1, 2)]]),
]


IDS = [f"{number} {item_type}"[:50] for number, (item_type, _) in enumerate(TRIPS)]


@pytest.mark.parametrize(("item_type", "values"), TRIPS, ids=IDS)
def test_typed_values_survive(item_type: Any, values: list[Any]) -> None:
    """Values of the type arrive unchanged, and as the very types that they were."""
    for value in values:
        arrived = trip(item_type, value)
        assert arrived == value
        assert type(arrived) is type(value)
        assert str(arrived) == str(value) or isinstance(value, set | frozenset)


@pytest.mark.parametrize(
    ("item_type", "sent", "arrived"),
    [
        (float, 1, 1.0),
        (list[float], [1, 2.5], [1.0, 2.5]),
        (float | None, 1, 1.0),
        (int, Size.S, 1),
        (str, Word.YES, "yes"),
        (int | str, Word.YES, "yes"),
        (bytes, bytearray(b"ab"), b"ab"),
        (bytes, memoryview(b"abcd")[::2], b"ac"),
        (bytes, memoryview(b"x" * 100_000), b"x" * 100_000),
        (list[bytes], [bytearray(b"ab")], [b"ab"]),
        (Sequence[int], (1, 2), [1, 2]),
        (Mapping[str, int], MappingProxyType({"a": 1}), {"a": 1}),
        (Mapping[Point, int], MappingProxyType({Point(1): 1}), {Point(1): 1}),
        (tuple[int, ...], Slot(1), (1,)),
    ],
)
def test_variants_arrive_as_the_type(item_type: Any, sent: Any, arrived: Any) -> None:
    """What stands in for a value of the type arrives as one of the type."""
    got = trip(item_type, sent)
    assert got == arrived
    assert repr(got) == repr(arrived)


@settings(max_examples=30)
@given(st.data())
def test_structures_survive(data: st.DataObject) -> None:
    """Records in collections in records arrive unchanged."""
    points = st.builds(Point, st.integers(), st.integers())
    names = st.builds(Name, st.text())
    item_type = dict[Name, list[tuple[Point, ...] | frozenset[Name] | float | None]]
    item = st.one_of(
        st.lists(points).map(tuple),
        st.frozensets(names),
        st.floats(allow_nan=False),
        st.none(),
    )
    value = data.draw(st.dictionaries(names, st.lists(item), max_size=4))
    assert trip(item_type, value) == value


def test_binding_twice_gives_the_same() -> None:
    """An item type is compiled once, wherever it is named."""
    assert CODEC.bind(Point) is CODEC.bind(Point)
    assert CODEC.bind(list[Point]) is CODEC.bind(list[Point])
    assert MsgpackCodec().bind(Point) is not CODEC.bind(Point)


def test_typed_sets_do_not_depend_on_their_order() -> None:
    """Equal sets give equal bytes, whatever the hash seed."""
    encode = CODEC.bind(set[int]).encode
    assert encode({1, 9, 17, 33}) == encode({33, 17, 9, 1}) == b"\x94\x01\x09\x11\x21"


def test_what_senders_inside_items_take_is_told() -> None:
    """The item types of senders inside an item are known to whoever binds its type,
    so that such a sender can be connected without naming them again."""
    bound = MsgpackCodec().bind(tuple[Sender[int], list[Sender[str]]])
    assert bound.mentioned == (int, str)
