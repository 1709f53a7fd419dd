"""Typed channels: classes with fields, there and back."""

from __future__ import annotations

from dataclasses import KW_ONLY, InitVar, dataclass, field, make_dataclass
from datetime import UTC, datetime
from decimal import Decimal
from enum import Enum, Flag, auto
import typing
from typing import (
    Annotated,
    Any,
    ClassVar,
    Final,
    Generic,
    Literal,
    NamedTuple,
    NewType,
    NotRequired,
    Optional,
    Required,
    TypedDict,
    TypeVar,
    Union,
)
from uuid import UUID

import msgspec
import pytest

from comm.codec import MsgpackCodec
from comm.mpsc import Sender


CODEC = MsgpackCodec()

T = TypeVar("T")
U = TypeVar("U")

UserId = NewType("UserId", int)


def trip(item_type: Any, value: Any) -> Any:
    bound = CODEC.bind(item_type)
    data = bound.encode(value)
    (alone,) = bound.decoder(data, 1)
    assert list(bound.decoder(data * 3, 3)) == [alone] * 3
    return alone


class Colour(Enum):
    RED = "red"
    BLUE = object()


class Access(Flag):
    READ = auto()
    WRITE = auto()


@dataclass
class Empty:
    pass


@dataclass(frozen=True, slots=True)
class Point:
    x: int
    y: int = 0


@dataclass(frozen=True)
class Name:
    text: str


@dataclass(frozen=True)
class Point3(Point):
    z: float = 0.0


@dataclass(kw_only=True)
class Keywords:
    b: int
    a: str = "a"


@dataclass
class Mixed:
    first: int
    _: KW_ONLY
    second: int = 2
    constant: ClassVar[int] = 3
    third: Final[int] = 3


@dataclass
class Derived:
    side: int
    scale: InitVar[int] = 2
    area: int = field(init=False)

    def __post_init__(self, scale: int) -> None:
        self.area = self.side * scale


@dataclass(init=False)
class OwnConstructor:
    number: int

    def __init__(self, number: int) -> None:
        self.number = number


@dataclass
class Tree:
    value: int
    children: list[Tree] = field(default_factory=list)
    parent: Tree | None = None
    by_name: dict[str, Tree] = field(default_factory=dict)


@dataclass
class Ping:
    pong: Pong | None


@dataclass
class Pong:
    ping: Ping | None


@dataclass
class Box(Generic[T]):
    content: T
    more: list[T] = field(default_factory=list)


@dataclass
class Crate(Box[U], Generic[T, U]):
    label: T = None  # type: ignore[assignment]  # the type variables are what counts


@dataclass
class IntBox(Box[int]):
    pass


def later() -> Any:
    """What `class Later[Q]` of later Pythons makes: no module knows the parameter."""
    Q = TypeVar("Q")

    @dataclass
    class Later(Generic[Q]):
        __type_params__ = (Q,)  # type: ignore[misc]

        content: Q

    return Later


LATER = later()


class Movie(TypedDict):
    title: str
    year: NotRequired[int]


class Partial(TypedDict, total=False):
    title: Required[str]
    point: Point


class Shelf(TypedDict, Generic[T]):
    top: T


class Pair(NamedTuple):
    left: int
    right: Point = Point(0)


class Slot(NamedTuple, Generic[T]):
    inside: T


class Struct(msgspec.Struct, kw_only=True):
    name: str
    point: Point
    tags: set[str] = set()


class Tagged(msgspec.Struct, Generic[T], tag="t", array_like=True, frozen=True):
    inside: T


@dataclass
class Everything:
    anything: Any
    number: int
    maybe: Optional[int]  # noqa: UP045 - the old spelling counts, too
    either: Union[int, str]  # noqa: UP007
    point: Point
    points: list[Point]
    by_name: dict[str, Point]
    by_point: dict[Point, str]
    pair: tuple[int, Point]
    row: tuple[Point, ...]
    words: set[str]
    frozen: frozenset[Point]
    colour: Colour
    access: Access
    mode: Literal["r", "w", 1]
    movie: Movie
    named: Pair
    struct: Struct
    when: datetime
    identity: UUID
    price: Decimal
    alias: UserId
    noted: Annotated[int, "a note"]


EVERYTHING = Everything(
    anything={"any": [1, {2}]},
    number=1 << 80,
    maybe=None,
    either="text",
    point=Point(1, 2),
    points=[Point(1), Point(2)],
    by_name={"a": Point(3)},
    by_point={Point(4): "four"},
    pair=(5, Point(6)),
    row=(Point(7), Point(8)),
    words={"some", "words"},
    frozen=frozenset({Point(9)}),
    colour=Colour.BLUE,
    access=Access.READ | Access.WRITE,
    mode="w",
    movie={"title": "M"},
    named=Pair(1, Point(2)),
    struct=Struct(name="s", point=Point(3), tags={"t"}),
    when=datetime(2024, 7, 1, tzinfo=UTC),
    identity=UUID(int=7),
    price=Decimal("9.99"),
    alias=UserId(3),
    noted=4,
)

TRIPS: list[tuple[Any, list[Any]]] = [
    (Empty, [Empty()]),
    (Name, [Name("x")]),
    (Point, [Point(1, 2), Point(1 << 70)]),
    (Point3, [Point3(1, 2, 0.5)]),
    (Keywords, [Keywords(b=1, a="x")]),
    (Mixed, [Mixed(1), Mixed(1, second=5)]),
    (OwnConstructor, [OwnConstructor(3)]),
    (Tree, [Tree(1, [Tree(2), Tree(3, [Tree(4)])], Tree(5), {"x": Tree(6)})]),
    (Ping, [Ping(Pong(Ping(None)))]),
    (Box[int], [Box(1, [2])]),
    (Box[Box[str]], [Box(Box("x"))]),
    (Box, [Box({"any": 1})]),
    (Box[Annotated[int, []]], [Box(1)]),
    (Crate[str, int], [Crate(1, [2], "x")]),
    (IntBox, [IntBox(1, [2])]),
    (LATER[int], [LATER(1)]),
    (Movie, [{"title": "x"}, {"title": "x", "year": 1}]),
    (Partial, [{"title": "x", "point": Point(1)}, {"title": "x"}]),
    (Shelf[int], [{"top": 1}]),
    (Pair, [Pair(1), Pair(1, Point(2))]),
    (Slot[int], [Slot(1)]),
    (typing.NamedTuple("Bare", [("a", int)]), []),
    (Struct, [Struct(name="x", point=Point(1), tags={"a"})]),
    (Tagged[Point], [Tagged(Point(1))]),
    (Everything, [EVERYTHING]),
]


IDS = [f"{number} {item_type}"[:50] for number, (item_type, _) in enumerate(TRIPS)]


@pytest.mark.parametrize(("item_type", "values"), TRIPS, ids=IDS)
def test_records_survive(item_type: Any, values: list[Any]) -> None:
    """Values of the type arrive unchanged, and as the very types that they were."""
    for value in values:
        arrived = trip(item_type, value)
        assert arrived == value
        assert type(arrived) is type(value)
        assert str(arrived) == str(value) or isinstance(value, set | frozenset)


@dataclass
class Request:
    question: str
    answers: Sender[int]
    others: dict[Sender[str], set[Sender[Any]]] = field(default_factory=dict)
    extra: Any = None


def test_senders_survive_wherever_they_stand() -> None:
    """The value that names a channel travels inside users' types like any other."""
    sender: Sender[Any] = Sender("c", 1, b"i" * 16, b"c" * 16, "msgpack", "int")
    value = Request("?", sender, {sender: {sender}}, [sender, {sender: (sender,)}])
    arrived = trip(Request, value)
    assert arrived == Request(
        "?", sender, {sender: {sender}}, [sender, {sender: [sender]}]
    )
    assert trip(Sender, sender) == sender
    assert CODEC.bind(Sender[int]).type_name == "Sender"


def test_a_value_of_everything_survives() -> None:
    """All kinds of fields, side by side, have the right types inside, too."""
    arrived = trip(Everything, EVERYTHING)
    assert type(arrived.named) is Pair
    assert type(arrived.row) is tuple
    assert type(next(iter(arrived.by_point))) is Point
    assert arrived.struct.tags == {"t"}
    assert arrived.colour is Colour.BLUE


def test_what_the_constructor_makes_does_not_travel() -> None:
    """A field with `init=False` is made anew by the constructor."""
    changed = Derived(2)
    assert changed.area == 4
    changed.area = 99
    assert trip(Derived, changed) == Derived(2)


def test_classes_made_by_functions_can_refer_to_themselves() -> None:
    """A class that no module knows is carried, too."""

    @dataclass
    class Local:
        next: Local | None

    assert trip(Local, Local(Local(None))) == Local(Local(None))
    made = make_dataclass("made", [("a", int), ("b", "str", "x")])
    assert trip(made, made(1)) == made(1)
