"""The names of item types: what two ends must have in common, and nothing besides."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import InitVar, dataclass, make_dataclass
from enum import Enum
import subprocess
import sys
from typing import Annotated, Any, Generic, Literal, NamedTuple, TypedDict, TypeVar

import msgspec
import pytest

from comm.codec import MsgpackCodec, PickleCodec
from comm.errors import ConfigurationError
from tests.source import ROOT


CODEC = MsgpackCodec()

T = TypeVar("T")


def name_of(item_type: Any) -> str:
    """The name under which the ends compare the type, without having met it before."""
    return MsgpackCodec().bind(item_type).type_name


@dataclass
class Task:
    name: str
    attempts: int = 0


@dataclass
class Node:
    next: Node | None


@dataclass
class Box(Generic[T]):
    content: T


class Movie(TypedDict):
    title: str


class Loose(TypedDict, total=False):
    title: str


class Colour(Enum):
    RED = 1
    BLUE = object()


@pytest.mark.parametrize(
    ("item_type", "name"),
    [
        (object, "object"),
        (Any, "object"),
        (None, "None"),
        (int, "int"),
        (bytes, "bytes"),
        (list, "list[object]"),
        (list[int], "list[int]"),
        (Sequence[int], "Sequence[int]"),
        (set, "set"),
        (dict[str, list[int]], "dict[str, list[int]]"),
        (tuple[int, ...], "tuple[int, ...]"),
        (tuple[int, str], "tuple[int, str]"),
        (tuple[()], "tuple[()]"),
        (int | str | None, "None | int | str"),
        (str | None | int, "None | int | str"),
        (Literal["b", "a", 1], "Literal['a', 'b', 1]"),
        (Task, "Task#8870d831"),
        (list[Task], "list[Task#8870d831]"),
        (Box[int], "Box[int]#a95d8a40"),
        (Node, "Node#60db1e57"),
        (Colour, "Colour#aa33df79"),
    ],
)
def test_names_are_those_that_other_processes_give(item_type: Any, name: str) -> None:
    """A name is made of what both ends know: no module, no address, no order."""
    assert name_of(item_type) == name
    assert str(MsgpackCodec().bind(item_type)) == f"<msgpack codec for {name}>"


def test_names_do_not_depend_on_the_module_or_the_hash_seed() -> None:
    """A class of `__main__` has the same name as the one that others import."""
    code = (
        "from dataclasses import dataclass\n"
        "from comm.codec import resolve\n"
        "@dataclass\n"
        "class Task:\n"
        "    name: str\n"
        "    attempts: int = 0\n"
        "print(resolve(None).bind(dict[str, Task | int]).type_name)"
    )
    for seed in ("1", "2"):
        told = subprocess.run(
            [sys.executable, "-c", code],
            cwd=ROOT,
            env={"PYTHONHASHSEED": seed},
            check=True,
            capture_output=True,
            text=True,
        )
        assert told.stdout.strip() == name_of(dict[str, int | Task])


def made(*fields: Any) -> Any:
    """A class called Task that has these fields."""
    return make_dataclass("Task", fields)


def a_struct() -> Any:
    """A struct that consists of the same as the dataclass."""

    class Task(msgspec.Struct):
        name: str
        attempts: int = 0

    Task.__qualname__ = "Task"
    return Task


def test_what_looks_the_same_has_the_same_name() -> None:
    """Defaults and kinds of class are each end's own affair."""
    assert made(("name", str), ("attempts", int)) is not Task
    assert name_of(made(("name", str), ("attempts", int))) == name_of(Task)
    assert name_of(made(("name", "str"), ("attempts", "int", 3))) == name_of(Task)
    assert name_of(a_struct()) == name_of(Task)


OTHERS = {
    "one field less": made(("name", str)),
    "another type": made(("name", str), ("attempts", float)),
    "another field": made(("name", str), ("tries", int)),
    "another order": made(("attempts", int), ("name", str)),
    "one field more": made(("name", str), ("attempts", int), ("more", int)),
    "another class": make_dataclass("Job", [("name", str), ("attempts", int)]),
}


@pytest.mark.parametrize("other", OTHERS.values(), ids=OTHERS.keys())
def test_what_looks_different_has_another_name(other: Any) -> None:
    """Fields, their types and their order are part of the name."""
    assert name_of(other) != name_of(Task)
    assert name_of(list[other]) != name_of(list[Task])
    assert name_of(made(("inner", other))) != name_of(made(("inner", Task)))


def test_enums_and_typed_dicts_have_fingerprints_too() -> None:
    """Members, their values, and which keys there must be, are part of the name."""
    one, two = Enum("Colour", "RED BLUE"), Enum("Colour", "BLUE RED")
    assert name_of(one) != name_of(two)
    Loose.__qualname__ = "Movie"
    assert name_of(Loose) != name_of(Movie)


def test_long_names_are_cut_but_stay_different() -> None:
    """A name always fits on the wire, and names that differ still do."""
    one = Literal[tuple("x" * n for n in range(50))]  # type: ignore[valid-type]
    two = Literal[tuple("x" * n for n in range(51))]  # type: ignore[valid-type]
    assert len(name_of(one)) == 200 == len(name_of(two))
    assert name_of(one) != name_of(two)
    assert name_of(one) == name_of(one)


class Silent:
    pass


@dataclass
class Callback:
    call: Callable[[], None]


@dataclass
class Outer:
    inner: list[Callback]


@dataclass
class Demanding:
    value: int
    seed: InitVar[int]


@dataclass
class Lost:
    what: Nowhere  # type: ignore[name-defined]  # noqa: F821


@dataclass
class Broken:
    what: "int |"  # type: ignore[valid-type]  # noqa: F722 - no annotation at all


@dataclass
class Endless(Generic[T]):
    more: Endless[list[T]] | None


class LostPair(NamedTuple):
    left: Nowhere  # type: ignore[name-defined]  # noqa: F821


def same_name() -> Any:
    """A class that looks like every other that this makes."""

    @dataclass
    class Same:
        number: int

    return Same


ADVICE = "cannot be carried; use a dataclass, NamedTuple, TypedDict, enum or"

UNCARRIABLE: list[tuple[Any, str]] = [
    (Callable, f"item: values of Callable {ADVICE}"),
    (type, f"item: values of type {ADVICE}"),
    (Silent, f"item: values of Silent {ADVICE}"),
    (list[bytearray], f"item: values of bytearray {ADVICE}"),
    (Outer, f"Outer.inner.call: values of Callable[[], None] {ADVICE}"),
    (type[int], f"item: values of type[int] {ADVICE}"),
    ([int], f"item: values of [<class 'int'>] {ADVICE}"),
    (5, f"item: values of 5 {ADVICE}"),
    ("Job", "item: 'Job' is a mere name here; give the type itself"),
    (list["Job"], "item: 'Job' is a mere name here; give the type itself"),  # type: ignore[name-defined]  # noqa: F821
    (Demanding, "Demanding.seed: nobody could give this InitVar again"),
    (list[int, str], "list[int, str] should have 1 type parameters"),  # type: ignore[misc]
    (Lost, "Lost has an annotation that cannot be resolved: NameError: name 'Nowhere'"),
    (Broken, "Broken has an annotation that cannot be resolved: SyntaxError: "),
    (LostPair, "LostPair has an annotation that cannot be resolved"),
    (Endless[int], "Endless[int]: its definition never comes to an end"),
    (same_name() | same_name(), "two types called same_name.<locals>.Same"),
    (Literal[Colour.RED, "RED"], "Literal['RED', Colour.RED] cannot be carried: two"),
    (Annotated[int | None, msgspec.Meta(ge=0)], "Can only set `ge` on a numeric type"),
]


@pytest.mark.parametrize(("item_type", "text"), UNCARRIABLE)
def test_types_that_cannot_be_carried_are_refused(item_type: Any, text: str) -> None:
    """A type without a form is refused when it is named, with the path to it."""
    with pytest.raises(ConfigurationError) as caught:
        CODEC.bind(item_type)
    assert text in str(caught.value)


@pytest.mark.parametrize(
    ("item_type", "name"),
    [
        (object, "object"),
        (list[int], "list[int]"),
        (Task, name_of(Task)),
        (Silent, "Silent"),
        (dict[str, Silent | None], "dict[str, None | Silent]"),
        (tuple[Silent, ...], "tuple[Silent, ...]"),
        (Annotated[Silent, 1], "Silent"),
    ],
)
def test_pickle_names_types_alike(item_type: Any, name: str) -> None:
    """What MessagePack could carry has the same name, fingerprint and all."""
    assert PickleCodec().bind(item_type).type_name == name
