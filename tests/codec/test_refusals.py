"""What the codec refuses, when, and in which words."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum, Flag, StrEnum
from typing import (
    Annotated,
    Any,
    Literal,
    NamedTuple,
    NotRequired,
    TypedDict,
)

import msgpack  # type: ignore[import-untyped]  # it ships no types
import msgspec
import pytest

from comm.codec import MsgpackCodec
from comm.codec.binding import BoundCodec
from comm.errors import DecodeError, EncodeError


CODEC = MsgpackCodec()
ANYTHING = CODEC.bind(object)


@dataclass
class Task:
    name: str
    attempts: int = 0


@dataclass
class Job:
    name: str
    retries: list[int] = field(default_factory=list)
    tasks: dict[str, Task] = field(default_factory=dict)
    extra: Any = None
    pair: tuple[int, str] = (0, "")
    row: tuple[Task, ...] = ()
    words: set[str] = field(default_factory=set)
    either: Task | list[int] | None = None


class SpecialJob(Job):
    pass


@dataclass
class Strict:
    number: int

    def __post_init__(self) -> None:
        if self.number < 0:
            raise ValueError(f"{self.number} is negative")


class SilentError(Exception):
    def __str__(self) -> str:
        raise RuntimeError


@dataclass
class Mute:
    number: int

    def __post_init__(self) -> None:
        if self.number < 0:
            raise SilentError


@dataclass(eq=True)
class Unhashable:
    number: int


class Movie(TypedDict):
    title: str
    year: NotRequired[int]


class Pair(NamedTuple):
    left: int
    right: str


class Colour(Enum):
    RED = 1


class Word(StrEnum):
    RED = "RED"


class Access(Flag):
    READ = 1


class Struct(msgspec.Struct):
    name: Annotated[str, msgspec.Meta(max_length=3)]


SAME_NAME: Any = dataclass(type("Job", (), {"__annotations__": {"x": int}, "x": 1}))


def extension(code: int, data: bytes) -> bytes:
    """An extension as it stands on the wire."""
    return b"\xc9" + len(data).to_bytes(4, "big") + bytes([code]) + data


def refusal(bound: BoundCodec[Any], item: Any) -> str:
    """What sending an item is refused with."""
    with pytest.raises(EncodeError) as caught:
        bound.encode(item)
    return str(caught.value)


def complaint(bound: BoundCodec[Any], wire: Any) -> str:
    """What receiving an item is refused with, between two that are none the worse."""
    data = wire if isinstance(wire, bytes) else msgpack.packb(wire)
    with pytest.raises(DecodeError) as caught:
        next(bound.decoder(data, 1))
    with pytest.raises(DecodeError) as again:
        next(bound.decoder(data * 2, 2))
    assert str(caught.value) == str(again.value)
    return str(caught.value)


REFUSED: list[tuple[Any, Any, str]] = [
    (Job, 5, "item: expected Job, got int"),
    (Job, {"name": "x"}, "item: expected Job, got dict"),
    (Job, SpecialJob("x"), "item: expected Job, got SpecialJob"),
    (
        Job,
        SAME_NAME(),
        (
            f"item: expected Job of module {__name__}, got Job of module "
            f"{SAME_NAME.__module__}"
        ),
    ),
    (int, "x", "item: expected int, got str"),
    (int, True, "item: expected int, got bool"),
    (bool, 1, "item: expected bool, got int"),
    (str, b"x", "item: expected str, got bytes"),
    (bytes, "x", "item: expected bytes, got str"),
    (float, "x", "item: expected float, got str"),
    (float, True, "item: expected float, got bool"),
    (float, 1 << 2000, "item: expected float, got an int beyond its range"),
    (None, 1, "item: expected None, got int"),
    (int, None, "item: expected int, got None"),
    (datetime, 1, "item: expected datetime, got int"),
    (list[int], (1,), "item: expected list[int], got tuple"),
    (list[int], [1, "x"], "item[1]: expected int, got str"),
    (set[int], {"x"}, "item[0]: expected int, got str"),
    (set[int], [1], "item: expected set[int], got list"),
    (set, [1], "item: expected set, got list"),
    (tuple[int, str], (1,), "item: expected the 2 values of tuple[int, str], got 1"),
    (tuple[int, str], (1, 2), "item[1]: expected str, got int"),
    (tuple[int, ...], (1, "x"), "item[1]: expected int, got str"),
    (tuple[int, ...], [1], "item: expected tuple[int, ...], got list"),
    (tuple[()], [1], "item: expected tuple[()], got list"),
    (dict[str, int], [], "item: expected dict[str, int], got list"),
    (dict[str, int], {"a": "x"}, "item['a']: expected int, got str"),
    (dict[str, int], {"a" * 40: "x"}, f"item['{'a' * 32}'…]: expected int, got str"),
    (dict[str, int], {1: 1}, "item key [1]: expected str, got int"),
    (dict[str, int], {1 << 99: 1}, "item key [int]: expected str, got int"),
    (dict[str, int], {(1,): 1}, "item key [tuple]: expected str, got tuple"),
    (int | str, 1.5, "item: expected int | str, got float"),
    (int | str, [], "item: expected int | str, got list"),
    (Task | list[int], "x", "item: expected Task | list[int], got str"),
    (Task | None, "x", "item: expected Task, got str"),
    (Job, Job(1), "Job.name: expected str, got int"),  # type: ignore[arg-type]
    (Job, Job("x", [1, 2, "y"]), "Job.retries[2]: expected int, got str"),  # type: ignore[list-item]
    (
        Job,
        Job("x", tasks={"t": Task("t", 1.5)}),  # type: ignore[arg-type]
        "Job.tasks['t'].attempts: expected int, got float",
    ),
    (Job, Job("x", pair=(1, 2)), "Job.pair[1]: expected str, got int"),  # type: ignore[arg-type]
    (Job, Job("x", row=(Task("a"), None)), "Job.row[1]: expected Task, got None"),  # type: ignore[arg-type]
    (Job, Job("x", words={1}), "Job.words[0]: expected str, got int"),  # type: ignore[arg-type]
    (Job, Job("x", either=Task(1)), "Job.either.name: expected str, got int"),  # type: ignore[arg-type]
    (Job, Job("x", either=["x"]), "Job.either[0]: expected int, got str"),  # type: ignore[list-item]
    (Movie, {"title": 1}, "Movie['title']: expected str, got int"),
    (Movie, {}, "Movie['title']: missing"),
    (Movie, {"title": "x", "yaer": 1}, "Movie['yaer']: unknown"),
    (Movie, 1, "item: expected Movie, got int"),
    (Pair, (1, "x"), "item: expected Pair, got tuple"),
    (Pair, Pair("x", "y"), "Pair.left: expected int, got str"),  # type: ignore[arg-type]
    (Colour, 1, "item: expected Colour, got int"),
    (Colour, Word.RED, "item: expected Colour, got Word"),
    (Access, 1, "item: expected Access, got int"),
    (Literal["a", 1], "b", "item: expected Literal['a', 1], got 'b'"),
    (Literal["a", 1], True, "item: expected Literal['a', 1], got bool"),
    (Literal[1], [], "item: expected Literal[1], got list"),
    (Struct, Struct("abcd"), "Struct.name: Expected `str` of length <= 3"),
    (
        object,
        print,
        (
            "item: builtin_function_or_method cannot be encoded; send its data "
            "instead, or teach both ends with `comm.codec.register_extension`"
        ),
    ),
    (
        object,
        [1, {"job": (Job("x"),)}],
        (
            "item[1]['job'][0]: Job only travels where its type is announced: give the "
            "channel, or the field that holds it, the item type Job"
        ),
    ),
    (
        object,
        {frozenset({Colour.RED}): 1},
        (
            "item key [frozenset]{}: Colour only travels where its type is announced: "
            "give the channel, or the field that holds it, the item type Colour"
        ),
    ),
    (
        object,
        Struct("x"),
        (
            "item: Struct only travels where its type is announced: give the channel, "
            "or the field that holds it, the item type Struct"
        ),
    ),
    (
        Job,
        Job("x", extra={"a": [None, "\ud800"]}),
        "Job.extra['a'][1]: str with half a surrogate pair, which UTF-8 cannot carry",
    ),
    (
        Task,
        Task("\udfff"),
        "Task.name: str with half a surrogate pair, which UTF-8 cannot carry",
    ),
    (
        object,
        {"\ud800": 1},
        (
            "item key ['\\ud800']: str with half a surrogate pair, which UTF-8 cannot "
            "carry"
        ),
    ),
]


@pytest.mark.parametrize(("item_type", "item", "text"), REFUSED)
def test_what_is_wrong_is_told_to_the_sender(
    item_type: Any, item: Any, text: str
) -> None:
    """Sending names the bad part, both types, and what can be done."""
    assert refusal(CODEC.bind(item_type), item) == text


UNREADABLE: list[tuple[Any, Any, str]] = [
    (Job, 5, "item: expected Job, got int"),
    (
        Job,
        ["x", [1, 2, "y"], {}, None, [0, ""], [], [], None],
        "Job.retries[2]: expected int, got str",
    ),
    (Task, ["x"], "Task.attempts: missing"),
    (Task, ["x", 1, 2], "item: expected the 2 values of Task, got 3"),
    (Task, ["x", "y"], "Task.attempts: expected int, got str"),
    (Task, {"name": "x"}, "item: expected Task, got dict"),
    (list[Task], [["x", 1], ["y", None]], "item[1].attempts: expected int, got None"),
    (list[int], {}, "item: expected list[int], got dict"),
    (Strict, [-1], "item: Strict refuses its fields: ValueError: -1 is negative"),
    (Mute, [-1], "item: Mute refuses its fields: SilentError"),
    (int, True, "item: expected int, got bool"),
    (int, "x", "item: expected int, got str"),
    (str, b"\xc4\x01x", "item: expected str, got bytes"),
    (str, 1, "item: expected str, got int"),
    (bytes, "x", "item: expected bytes, got str"),
    (
        float,
        extension(2, b"\x7f" * 300),
        "item: expected float, got an int beyond its range",
    ),
    (datetime, 1, "item: expected datetime, got int"),
    (tuple[int, str], 1, "item: expected tuple[int, str], got int"),
    (tuple[int, str], [1], "item: expected the 2 values of tuple[int, str], got 1"),
    (tuple[int, str], [1, 1], "item[1]: expected str, got int"),
    (
        set[Unhashable],
        [[1]],
        "item: set[Unhashable] cannot hold its items: unhashable type: 'Unhashable'",
    ),
    (dict[str, int], [["a", 1]], "item: expected dict[str, int], got list"),
    (dict[str, int], {"a": None}, "item['a']: expected int, got None"),
    (dict[tuple[int], int], {1: 1}, "item: expected dict[tuple[int], int], got dict"),
    (
        dict[tuple[int], int],
        [[[1], 1], 1],
        "item[1]: expected a key and its value, got int",
    ),
    (
        dict[tuple[int], int],
        [[[1], 1], [1]],
        "item[1]: expected a key and its value, got list",
    ),
    (dict[tuple[int], int], [[["x"], 1]], "item key [list][0]: expected int, got str"),
    (
        dict[Unhashable, int],
        [[[1], 1]],
        (
            "item: dict[Unhashable, int] cannot have its keys: unhashable type: "
            "'Unhashable'"
        ),
    ),
    (int | str, 1.5, "item: expected int | str, got float"),
    (Task | list[int], 1, "item: expected Task | list[int], got int"),
    (Task | list[int], ["x", 1], "item: expected Task | list[int], got list"),
    (Task | list[int], [True, 1], "item: expected Task | list[int], got list"),
    (
        Task | list[int],
        [2, 1],
        "item: expected Task | list[int], got a type of another number",
    ),
    (
        Task | list[int],
        [-1, 1],
        "item: expected Task | list[int], got a type of another number",
    ),
    (Task | list[int], [1, ["x"]], "item[0]: expected int, got str"),
    (Task | None, [], "Task.name: missing"),
    (Movie, {"title": "x", 1: 1}, "Movie[1]: unknown"),
    (Movie, {b"title": "x"}, "Movie['title']: missing"),
    (Pair, [1], "Pair.right: missing"),
    (Colour, 1, "item: expected Colour, got int"),
    (Colour, "GREEN", "item: Colour has no member 'GREEN'"),
    (Access, "READ", "item: expected Access, got str"),
    (Access, 8, "item: Access has no such flags"),
    (
        Literal[Colour.RED, 1],
        "BLUE",
        "item: expected Literal[1, Colour.RED], got 'BLUE'",
    ),
    (Struct, ["abcd"], "Struct.name: Expected `str` of length <= 3"),
    (
        object,
        b"\xd4\x7d\x00",
        (
            "item: cannot be decoded: ValueError: extension 125 is unknown here; "
            "register it on both ends"
        ),
    ),
    (
        object,
        b"\xa1\xff",
        (
            "item: cannot be decoded: UnicodeDecodeError: 'utf-8' codec can't decode "
            "byte 0xff in position 0: invalid start byte"
        ),
    ),
]


@pytest.mark.parametrize(("item_type", "wire", "text"), UNREADABLE)
def test_what_is_wrong_is_told_to_the_receiver(
    item_type: Any, wire: Any, text: str
) -> None:
    """Receiving checks all over again, and names the bad part in the same words."""
    assert complaint(CODEC.bind(item_type), wire) == text


def test_the_cause_is_kept() -> None:
    """What the application's own code raised can be found, however deep it was."""
    with pytest.raises(DecodeError) as refused:
        next(CODEC.bind(list[Strict]).decoder(msgpack.packb([[1], [-1]]), 1))
    assert str(refused.value).startswith("item[1]: Strict refuses its fields")
    assert isinstance(refused.value.__cause__, ValueError)
    with pytest.raises(EncodeError) as caught:
        ANYTHING.encode(print)
    assert isinstance(caught.value.__cause__, TypeError)
