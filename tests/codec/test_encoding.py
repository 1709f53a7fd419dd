"""Encoding: what fails does so alone, and the packer is none the worse for it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
import gc
from typing import Any
import weakref

import msgpack  # type: ignore[import-untyped]  # it ships no types
import pytest

from comm.codec import MsgpackCodec, packing, register_extension
from comm.codec.binding import BoundCodec
from comm.errors import DecodeError, EncodeError


CODEC = MsgpackCodec()
ANYTHING = CODEC.bind(object)


@dataclass
class Task:
    name: str


@dataclass
class Job:
    name: str
    extra: Any = None


@dataclass
class Node:
    next: Node | None


def refusal(bound: BoundCodec[Any], item: Any) -> str:
    """What sending an item is refused with."""
    with pytest.raises(EncodeError) as caught:
        bound.encode(item)
    return str(caught.value)


def chain(length: int) -> Node:
    """Nodes that hang on one another."""
    node = Node(None)
    for _ in range(length):
        node = Node(node)
    return node


def test_what_is_too_deep_is_refused() -> None:
    """Values without an end, and data that nests too deeply, are one item's error."""
    endless: list[Any] = []
    endless.append(endless)
    told = "list is nested too deeply, or contains itself"
    assert refusal(ANYTHING, endless) == f"item: {told}"
    nodes = CODEC.bind(Node)
    assert "nested too deeply" in refusal(nodes, chain(5000))
    assert "nested too deeply" in refusal(CODEC.bind(Job), Job("x", extra=endless))
    sets: Any = frozenset()
    for _ in range(packing.DEPTH_MAX + 1):
        sets = frozenset({sets})
    assert "nested more than 32 deep" in refusal(ANYTHING, sets)
    deep: Any = print
    for _ in range(40):
        deep = [deep]
    assert "[0][0]" in refusal(ANYTHING, deep)
    wire: Any = []
    for _ in range(100):
        wire = [wire]
    with pytest.raises(DecodeError, match=r"Node(\.next){15}…\.next: expected Node"):
        next(nodes.decoder(msgpack.packb(wire).replace(b"\x90", b"\x01"), 1))
    data = b"\x91" * 1000 + b"\x91\xc0"
    with pytest.raises(DecodeError, match=r"RecursionError|lost"):
        next(nodes.decoder(data, 1))
    assert next(nodes.decoder(nodes.encode(chain(100)), 1)) == chain(100)


def test_a_part_that_is_gone_is_refused() -> None:
    """An instance without one of its fields is one item's error."""
    task = Task("x")
    del task.name
    assert refusal(CODEC.bind(Task), task).startswith(
        "item: Task cannot be encoded: Attr"
    )
    view = memoryview(b"x")
    view.release()
    assert "released" in refusal(CODEC.bind(bytes), view)
    assert "released" in refusal(ANYTHING, [view])


class Lazy(list[int]):
    """A list that is longer for who walks over it than it says."""

    def __iter__(self) -> Iterator[int]:
        return iter((1, 2, 3))


class Rows(dict[str, int]):
    """A dict that has more items than it says."""

    def items(self) -> Any:
        return [("a", 1), ("b", 2)]


@pytest.mark.parametrize("value", [Lazy([0]), Rows(a=0), [Lazy(), Rows()]])
def test_an_item_is_exactly_one_object(value: Any) -> None:
    """Types that contradict themselves cannot spoil the items behind their own."""
    payload = ANYTHING.encode(value) + ANYTHING.encode("next")
    decoder = ANYTHING.decoder(payload, 2)
    assert isinstance(next(decoder), list | dict)
    assert next(decoder) == "next"


def test_a_refused_item_does_no_harm_to_the_next() -> None:
    """After an error in the midst of packing, the next item is packed alone."""
    for bound, good in ((ANYTHING, [1, {2}]), (CODEC.bind(Job), Job("x", extra={1}))):
        before = bound.encode(good)
        bad = (
            [1, {2, (3, print)}] if bound is ANYTHING else Job("x", extra=[1, {print}])
        )
        refusal(bound, bad)
        assert bound.encode(good) == before


class Meddler:
    """Something whose conversion packs other items, and fails if told so."""

    def __init__(self, fails: bool) -> None:
        self.fails = fails


def _pack_meddler(value: Meddler) -> bytes:
    assert ANYTHING.encode([1, {2}]) == b"\x92\x01\xd5\x09\x91\x02"
    refusal(ANYTHING, [1, {print}])
    if value.fails:
        raise ValueError
    return b"m"


class Fickle:
    """Something that cannot be packed at first."""

    refusals = 2

    def pack(self) -> bytes:
        self.refusals -= 1
        if self.refusals >= 0:
            raise ValueError("not now")
        return b"f"


@pytest.fixture(scope="module", autouse=True)
def extensions() -> None:
    """Registered once, as extensions are, for the life of the process."""
    register_extension(96, Fickle, Fickle.pack, lambda _: Fickle())
    register_extension(97, Meddler, _pack_meddler, lambda data: Meddler(not data))


@pytest.mark.parametrize("container", [list, set, dict.fromkeys])
def test_what_fails_only_sometimes_is_refused(container: Any) -> None:
    """If no part of a value is found to be bad, the value is."""
    told = refusal(ANYTHING, container([Fickle()]))
    assert told.endswith("cannot be encoded: ValueError: not now")
    fickle = Fickle()
    fickle.refusals = 1
    assert refusal(ANYTHING, container([fickle])) == told


def test_packing_can_be_used_from_within() -> None:
    """What is sent while an item is being packed harms neither of the two."""
    assert ANYTHING.encode([1, Meddler(fails=False), 2]) == b"\x93\x01\xd4\x61m\x02"
    assert "ValueError" in refusal(ANYTHING, [{Meddler(fails=True)}])
    assert ANYTHING.encode([1, {2}]) == b"\x92\x01\xd5\x09\x91\x02"


@pytest.mark.parametrize("item_type", [object, list[str]])
def test_large_items_leave_no_large_buffer(item_type: Any) -> None:
    """The packer that a large item has blown up is let go, refused or not."""
    bound = MsgpackCodec().bind(item_type)
    packs = bound.encode.__closure__
    assert packs is not None
    (own,) = (
        c.cell_contents for c in packs if isinstance(c.cell_contents, packing.Packing)
    )
    before = own.pack
    bound.encode(["x"])
    assert own.pack == before
    data = bound.encode(["x" * (packing.BUFFER_BYTES_MAX + 1)])
    assert len(data) > packing.BUFFER_BYTES_MAX
    assert own.pack != before
    before = own.pack
    refusal(bound, ["x" * 100, "\ud800"])
    assert own.pack != before


class Watched(packing.Packing):
    __slots__ = ("__weakref__",)


def test_nothing_is_kept_alive() -> None:
    """A codec that is dropped leaves no packer behind."""
    own = Watched()
    own.pack([{1}, {2}])
    gone = weakref.ref(own)
    del own
    gc.collect()
    assert gone() is None
